/*
 * report: the line of a second, the table at the end, and its JSON.
 */
#include <assert.h>

#include "wget_priv.h"

void
wget_line(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct fmt f;

	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget: ");
	load_line(&f, p->t, &p->before, now_us);
	s->io->log(s->ioarg, fmt_end(&f));
	p->before = *p->t;
}

/* Line by line into the log. */
static void
log_lines(struct svc *s, char *text)
{
	char *end;

	for (; *text != '\0'; text = end + 1) {
		end = strchr(text, '\n');
		*end = '\0';
		s->io->log(s->ioarg, text);
	}
}

bool
wget_report(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	const struct wget_conf *conf = p->conf;
	struct load_totals *t = p->t;
	char who[32];
	struct fmt f;
	bool good;

	t->t_now = now_us;
	fmt_init(&f, p->text, sizeof(p->text));
	load_table(&f, t, "wget: ");
	fmt_end(&f);
	log_lines(s, p->text);
	fmt_init(&f, who, sizeof(who));
	fmt_str(&f, "\"slot\": ");
	fmt_u64(&f, s->slot);
	fmt_str(&f, ", ");
	fmt_end(&f);
	fmt_init(&f, p->text, sizeof(p->text));
	load_json(&f, t, conf->url, who);
	assert(!fmt_cut(&f));	/* all buckets of all histograms fit */
	s->io->report(s->ioarg, fmt_end(&f));
	good = load_good(t, p->t_stop != UINT64_MAX);
	t->bad = !good;
	/* release: who sees the end sees the last numbers */
	atomic_store_explicit(&t->state, LOAD_OVER, memory_order_release);
	return good;
}
