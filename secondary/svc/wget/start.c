/*
 * start: how a run begins: by the configuration, by order, or where a
 * predecessor left it.
 */
#include <errno.h>

#include "../../proto/http_lex.h"
#include "wget_priv.h"

/* One of count even shares of total. */
static uint64_t
share(uint64_t total, uint32_t index, uint32_t count)
{
	return total / count + (index < total % count);
}

/* The options make no sense: a line in the log, and for who ordered. */
static int
refuse(struct svc *s, const char *what, const char *why)
{
	struct wget_priv *p = s->priv;
	char line[OPT_STRLEN + 128];
	struct fmt f;

	fmt_init(&f, line, sizeof(line));
	fmt_str(&f, "wget: ");
	fmt_str(&f, what);
	fmt_str(&f, ": ");
	fmt_str(&f, why);
	s->io->log(s->ioarg, fmt_end(&f));
	fmt_init(&f, p->t->why, sizeof(p->t->why));
	fmt_str(&f, what);
	fmt_str(&f, ": ");
	fmt_str(&f, why);
	fmt_end(&f);
	return -EINVAL;
}

/* "name: value" without control characters. */
static bool
header_ok(const char *h)
{
	const char *s = h;

	while (http_is_lex(*s, LEX_TOKEN))
		s++;
	return s > h && *s == ':' && http_ctl(s, s + strlen(s))[0] == '\0';
}

/* The request, to be sent as it is; last: it ends the connection. */
static uint32_t
make_request(struct svc *s, const char *path, bool last)
{
	struct wget_priv *p = s->priv;
	const struct wget_conf *conf = p->conf;
	const char *host = conf->url + 7, *slash = strchr(host, '/');
	struct fmt f;

	fmt_init(&f, p->req[last], WGET_REQUEST);
	fmt_str(&f, wget_methods[conf->method]);
	fmt_str(&f, " ");
	fmt_str(&f, path);
	fmt_str(&f, " HTTP/");
	fmt_str(&f, wget_versions[conf->version]);
	fmt_str(&f, "\r\nHost: ");
	fmt_mem(&f, host, slash == NULL ? strlen(host) :
	    (size_t)(slash - host));
	fmt_str(&f, "\r\n");
	if (conf->method == WGET_POST) {
		fmt_str(&f, "Content-Length: ");
		fmt_u64(&f, (uint64_t)conf->body_bytes);
		fmt_str(&f, "\r\n");
	}
	if (conf->header[0] != '\0') {
		fmt_str(&f, conf->header);
		fmt_str(&f, "\r\n");
	}
	if (last)
		fmt_str(&f, "Connection: close\r\n");
	else if (conf->version == 1)
		fmt_str(&f, "Connection: keep-alive\r\n");
	fmt_str(&f, "\r\n");
	return fmt_len(&f);
}

/* What is wrong with options that no URL is needed for, or NULL. */
static const char *
wrong(const struct wget_conf *conf)
{
	if (conf->header[0] != '\0' && !header_ok(conf->header))
		return "header: allowed a line \"Name: value\" without "
		    "control characters";
	if (conf->duration_s == 0 && conf->flows == 0)
		return "flows: no limit, and duration_s is not set";
	if (conf->duration_s == 0 && conf->keep_alive == 0)
		return "keep_alive: no limit, and duration_s is not set";
	if (conf->body_bytes > 0 && conf->method != WGET_POST)
		return "body_bytes: needs method = \"POST\"";
	return NULL;
}

const char *
wget_check(const void *options)
{
	const struct wget_conf *conf = options;
	const char *path, *why;
	struct net_addr server;

	if (conf->url[0] == '\0')
		return NULL;		/* by order only */
	if (wget_url(conf->url, "http://", conf->address, &server, &path,
	    &why) < 0)
		return "url: allowed http://HOST[:PORT][/PATH] with PORT 1 to "
		    "65535 and HOST an IPv4 address, an IPv6 address in "
		    "brackets, or a name whose address stands in `address`";
	return wrong(conf);
}

static int
check(struct svc *s, const char **path)
{
	struct wget_priv *p = s->priv;
	const struct wget_conf *conf = p->conf;
	const char *why;

	if (wget_url(conf->url, "http://", conf->address, &p->server, path,
	    &why) < 0)
		return refuse(s, conf->url, why);
	if (wrong(conf) != NULL)
		return refuse(s, "options", wrong(conf));
	if (wget_content_start(s, *path, &why) < 0)
		return refuse(s, conf->url, why);
	return 0;
}

/* The rest of a division of a second among a slot's share of the rate. */
static void
set_rate(struct svc *s, uint64_t rate)
{
	struct wget_priv *p = s->priv;
	uint64_t ns = UINT64_C(1000000000) * s->count;

	p->rate = rate;
	if (rate == 0)
		return;
	p->step_ns = ns / rate;
	p->rest = ns % rate;
}

/* From the options of the run to what the run needs. */
static int
prepare(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	const struct wget_conf *conf = p->conf;
	const char *path;
	uint32_t i;
	int err;

	p->saves = p->hashes = p->looks = p->stopping = false;
	p->want = NULL;
	err = check(s, &path);
	if (err < 0)
		return err;
	for (i = 0; i < 2; i++)
		p->req_len[i] = make_request(s, path, i == 1);
	for (i = 0; i < WGET_PATTERN; i++)
		p->pattern[i] = (char)('a' + i % 26);
	/* Two processes in one slot never start in the same microsecond; 0 is
	 * nobody. */
	p->gen = (uint32_t)now_us << 4 | (s->slot & 15);
	p->gen += p->gen == 0;
	p->depth = (uint32_t)conf->pipeline;
	p->flows = conf->flows == 0 ? UINT64_MAX :
	    share((uint64_t)conf->flows, s->index, s->count);
	p->concurrency = (uint32_t)share((uint64_t)conf->concurrency,
	    s->index, s->count);
	if (p->concurrency == 0 && p->flows > 0)
		p->concurrency = 1;
	p->per_conn = conf->keep_alive == 0 ? UINT32_MAX :
	    (uint32_t)conf->keep_alive;
	p->active = p->connecting = 0;
	p->t_drain = p->t_retry = 0;
	set_rate(s, (uint64_t)conf->rate);
	return 0;
}

static void
set_state(struct wget_priv *p, enum load_state state)
{
	/* release: who sees the state sees the numbers that go with it */
	atomic_store_explicit(&p->t->state, state, memory_order_release);
}

/* The clock starts. */
static void
set_times(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;

	p->before = *p->t;
	p->t_stop = p->conf->duration_s == 0 ? UINT64_MAX :
	    p->t->t_start + (uint64_t)p->conf->duration_s * 1000000;
	p->t_second = now_us + 1000000;
}

static void
begin_run(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct load_totals *t = p->t;

	t->t_start = t->t_last = t->t_now = now_us;
	/* The group's slots take turns: each begins a step later. */
	t->next_ns = now_us * 1000 + (p->rate == 0 ? 0 :
	    UINT64_C(1000000000) * s->index / p->rate);
	t->body = p->conf->expect_bytes >= 0 ?
	    (uint64_t)p->conf->expect_bytes :
	    p->want != NULL ? p->want_len : UINT64_MAX;
	set_times(s, now_us);
	p->phase = WGET_RUN;
	set_state(p, LOAD_RUNNING);
}

/* Totals of a run that has not begun. */
static void
clear_totals(struct wget_priv *p, uint32_t run)
{
	struct load_totals *t = p->t;

	memset(t, 0, sizeof(*t));
	t->magic = LOAD_MAGIC;
	t->size = sizeof(*t);
	p->run = run;
	atomic_store_explicit(&t->run, run, memory_order_relaxed);
}

/* The orders, if they are for this program. */
static int
take_orders(struct svc *s)
{
	struct wget_priv *p = s->priv;
	const struct load_orders *o = &p->desk->orders;

	p->conf = &p->ordered;
	memset(&p->ordered, 0, sizeof(p->ordered));
	if (o->size != sizeof(p->ordered) ||
	    o->shape != load_shape(s->service->desc->opts))
		return refuse(s, "orders", "of another build");
	memcpy(&p->ordered, o->conf, sizeof(p->ordered));
	if (p->ordered.save[0] != '\0')
		return refuse(s, "save", "only for a run by configuration, or "
		    "without -n");
	return 0;
}

void
wget_rest(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	/* acquire: pairs with the release of who wrote the orders */
	uint32_t run = atomic_load_explicit(&p->desk->orders.run,
	    memory_order_acquire);

	if (run == p->run)
		return;
	clear_totals(p, run);
	if (take_orders(s) < 0 || prepare(s, now_us) < 0) {
		set_state(p, LOAD_REFUSES);
		return;
	}
	p->phase = WGET_HOLD;
	set_state(p, LOAD_READY);
}

void
wget_hold(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	const struct load_orders *o = &p->desk->orders;

	if (atomic_load_explicit(&o->go, memory_order_relaxed) == p->run)
		begin_run(s, now_us);
	else if (p->by_order && atomic_load_explicit(&o->stop,
	    memory_order_relaxed) == p->run) {
		p->phase = WGET_REST;
		set_state(p, LOAD_OVER);
	}
}

/* A worker died in mid-run: go on. */
static int
go_on(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	int err;

	p->run = atomic_load_explicit(&p->t->run, memory_order_relaxed);
	err = p->by_order ? take_orders(s) : 0;
	if (err == 0)
		err = prepare(s, now_us);
	if (err < 0)
		return err;
	p->t->sum.restarts++;
	set_times(s, now_us);
	p->scan_at = 0;
	p->phase = WGET_SCAN;
	return 0;
}

int
wget_begin(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	bool old = false;
	int err;

	p->conf = s->conf;
	p->desk = NULL;
	if (s->io->keep != NULL)
		p->desk = s->io->keep(s->ioarg, LOAD_KEEP, sizeof(*p->desk),
		    &old);
	if (p->desk == NULL)
		p->desk = &p->own;
	p->t = &p->desk->totals;
	p->by_order = p->conf->url[0] == '\0';
	if (old && p->t->magic == LOAD_MAGIC &&
	    p->t->size == sizeof(*p->t) && atomic_load_explicit(&p->t->state,
	    memory_order_relaxed) == LOAD_RUNNING)
		return go_on(s, now_us);
	if (p->by_order) {
		clear_totals(p, atomic_load_explicit(&p->desk->orders.run,
		    memory_order_relaxed));
		set_state(p, LOAD_REST);
		return 0;
	}
	clear_totals(p, 1);
	err = prepare(s, now_us);
	if (err < 0)
		return err;
	p->phase = WGET_HOLD;
	set_state(p, LOAD_READY);
	if (!p->conf->hold)
		begin_run(s, now_us);
	return 0;
}
