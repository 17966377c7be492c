/*
 * open: making the handler, and from a request to a connection.
 */
#include <assert.h>
#include <errno.h>

#include "../../proto/http_lex.h"
#include "ws_priv.h"

const char *const ws_modes[] = { "echo", "broadcast", "push", NULL };

static int
refuse(const struct svc *s, const char *text, const char *what)
{
	char line[OPT_STRLEN + 64];
	struct fmt f;

	fmt_init(&f, line, sizeof(line));
	fmt_str(&f, text);
	fmt_str(&f, what);
	s->io->log(s->ioarg, fmt_end(&f));
	return -EINVAL;
}

int
ws_start(struct ws *w, struct svc *s, const struct ws_conf *conf,
    struct ws_state *(*find)(struct conn *c), uint32_t counter,
    uint64_t now_us)
{
	uint32_t i;
	const char *p;

	for (i = 0; i < conf->protocols.n; i++) {
		for (p = conf->protocols.s[i]; http_is_lex(*p, LEX_TOKEN); p++)
			;
		if (*p != '\0' || p == conf->protocols.s[i] ||
		    p - conf->protocols.s[i] > (int)WS_NAME_MAX)
			return refuse(s, "ws: not a subprotocol's name, or of "
			    "more than 200 bytes: ", conf->protocols.s[i]);
	}
	w->s = s;
	w->conf = conf;
	w->find = find;
	w->counter = counter;
	/* Later than any that a predecessor gave: fewer than one in 1 µs, and
	 * less than 4,096 bytes. Places of other slots are never ours. */
	w->serial = now_us;
	w->head = w->tail = w->pass = w->first = (uint64_t)s->slot <<
	    WS_PLACE_BITS | (now_us << 12 & ((UINT64_C(1) << WS_PLACE_BITS) -
	    1));
	w->scan = conf->mode == WS_MODE_BROADCAST;
	if (w->scan)
		ws_share_open(w);
	return 0;
}

/* Queue an answer, whole or not at all. */
static bool
say(struct ws *w, struct conn *c, int status, const struct ws_agreed *a)
{
	char text[WS_ANSWER];
	uint32_t len;
	struct fmt f;
	void *to;

	fmt_init(&f, text, sizeof(text));
	ws_shake_answer(&f, status, a);
	assert(!fmt_cut(&f));
	len = fmt_len(&f);
	to = conn_reserve(w->s->net, c, len, &len);
	if (to == NULL)
		return false;
	memcpy(to, text, fmt_len(&f));
	conn_commit(w->s->net, c, fmt_len(&f));
	if (status != 101)
		svc_count(w->s, w->counter + WS_REFUSED, 1);
	return true;
}

int
ws_request(struct ws *w, struct conn *c, const struct http_req *r,
    struct ws_agreed *a)
{
	struct ws_rules rules = {
		.protocols = &w->conf->protocols,
		.origins = &w->conf->origins,
		.deflate = w->conf->deflate > 0,
	};
	int status = ws_shake(r, &rules, a);

	return say(w, c, status, a) ? status : 0;
}

bool
ws_refuse(struct ws *w, struct conn *c, int status, bool head)
{
	struct ws_agreed none = { .head = head };

	return say(w, c, status, &none);
}

void
ws_open(struct ws *w, struct conn *c, struct ws_state *st,
    const struct ws_agreed *a)
{
	uint64_t now = conn_now(w->s->net);

	memset(st, 0, sizeof(*st));
	st->stamp = now;
	st->bits = a->deflate ? a->bits : 0;
	st->next = w->conf->mode == WS_MODE_PUSH ? now : w->head;
	st->phase = WSP_OPEN;
	conn_timer(w->s->net, c, 0);
	/* the tail of a message waits for no acknowledgement, which the peer
	 * may put off until it answers: 40 ms */
	conn_nodelay(c, true);
	if (w->conf->mode == WS_MODE_BROADCAST)
		ws_join(w, conn_id(w->s->net, c));
	svc_count(w->s, w->counter + WS_OPENED, 1);
}
