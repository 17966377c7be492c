/*
 * ws: WebSocket as a service of its own. The handler is in the other files;
 * here the request is read and answered.
 */
#include <errno.h>

#include "ws_priv.h"

#define HEAD_MAX	16384u	/* bytes of a request's head; above: 431 */
#define URI_MAX		8192u
#define FIELDS_MAX	100u

struct ws_svc_conf {
	struct ws_conf ws;
	char path[OPT_STRLEN];
	int64_t header_timeout_ms;
};

struct ws_svc_priv {
	uint32_t path_len;
	char head[HEAD_MAX];
	struct ws ws;
};

static const struct opt ws_opts[] = {
	WS_OPTS("", offsetof(struct ws_svc_conf, ws)),
	{ .name = "path", .type = OPT_STRING,
	    .offset = offsetof(struct ws_svc_conf, path),
	    .max = OPT_STRLEN - 1,
	    .help = "Path that is served, others get 404; empty: all." },
	{ .name = "header_timeout_ms", .type = OPT_INT,
	    .offset = offsetof(struct ws_svc_conf, header_timeout_ms),
	    .def = 10000, .min = 1, .max = 86400000, .unit = "ms",
	    .help = "Time for the request that asks for the upgrade." },
	{ .name = NULL }
};

static const struct optgroup ws_group = {
	.name = "ws",
	.help = "Settings of the WebSocket service.",
	.size = sizeof(struct ws_svc_conf),
	.opts = ws_opts,
};

static const struct svc_counter ws_counters[] = {
	WS_COUNTER_ROWS("", 0),
	[WS_COUNTERS] = { NULL, NULL }
};

const struct svc_desc ws_desc = {
	.name = "ws",
	.help = "WebSocket: sends messages back, to all, or at a rate.",
	.opts = &ws_group,
	.counters = ws_counters,
	.state_size = sizeof(struct ws_state),
};

static struct ws_state *
find(struct conn *c)
{
	struct ws_state *st = conn_state(c);

	return st->phase != WSP_NONE ? st : NULL;
}

static void
end(struct svc *s, struct conn *c)
{
	conn_discard(s->net, c);
	conn_close(s->net, c);
}

/* Refuse without a look at the request. false: there is no room to say so. */
static bool
turn_away(struct svc *s, struct conn *c, int status, bool head)
{
	struct ws_svc_priv *p = s->priv;

	if (!ws_refuse(&p->ws, c, status, head))
		return false;
	end(s, c);
	return true;
}

/* The head is whole, n bytes at p->head: answer it. false: no room. */
static bool
answer(struct svc *s, struct conn *c, uint32_t n)
{
	static const struct http_limits limits = { URI_MAX, FIELDS_MAX };
	const struct ws_svc_conf *conf = s->conf;
	struct ws_svc_priv *p = s->priv;
	struct ws_state *st = conn_state(c);
	struct ws_agreed a;
	struct http_req r;
	int status;

	status = http_req_parse(&r, p->head, n, &limits);
	if (status == 0 && p->path_len > 0 && (r.path.n != p->path_len ||
	    memcmp(r.path.p, conf->path, p->path_len) != 0))
		status = 404;
	if (status != 0)
		return turn_away(s, c, status, r.method == METHOD_HEAD);
	status = ws_request(&p->ws, c, &r, &a);
	if (status == 0)
		return false;
	if (status != 101) {
		end(s, c);
		return true;
	}
	conn_consume(s->net, c, n);
	ws_open(&p->ws, c, st, &a);
	ws_event(&p->ws, c, st, CONN_READ);
	return true;
}

/* Before the upgrade. st->held bytes were searched for the head's end. */
static void
shake(struct svc *s, struct conn *c, uint32_t events)
{
	const struct ws_svc_conf *conf = s->conf;
	struct ws_svc_priv *p = s->priv;
	struct ws_state *st = conn_state(c);
	uint32_t from, avail = conn_readable(c), n;
	bool done;

	if (events & CONN_OPEN)
		conn_timer(s->net, c, conn_now(s->net) +
		    (uint64_t)conf->header_timeout_ms * 1000);
	if (avail > HEAD_MAX)
		avail = HEAD_MAX;
	from = st->held > 2 ? st->held - 2 : 0;
	n = conn_copy(s->net, c, from, p->head, avail - from);
	n = http_head_end(p->head, n, 0);
	if (n > 0) {
		n += from;
		conn_copy(s->net, c, 0, p->head, n);
		done = answer(s, c, n);
	} else {
		st->held = avail;
		if (avail == HEAD_MAX)
			done = turn_away(s, c, 431, false);
		else if (events & CONN_TIMER)
			done = turn_away(s, c, 408, false);
		else if (conn_fin(c))
			return end(s, c);
		else
			return;
	}
	if (done)
		return;
	/* No room, which is for want of chunks: the first bytes of a
	 * connection. It waits for one, but not for ever. */
	if (events & CONN_TIMER)
		conn_abort(s->net, c);
	else
		conn_want_room(s->net, c, WS_ANSWER);
}

static void
event(struct svc *s, struct conn *c, uint32_t events)
{
	struct ws_svc_priv *p = s->priv;
	struct ws_state *st = conn_state(c);

	if (st->phase != WSP_NONE)
		ws_event(&p->ws, c, st, events);
	else if (!(events & CONN_GONE))
		shake(s, c, events);
}

static uint64_t
tick(struct svc *s, uint64_t now_us)
{
	return ws_tick(&((struct ws_svc_priv *)s->priv)->ws, now_us);
}

static void
depart(struct svc *s, struct conn *c)
{
	ws_depart(&((struct ws_svc_priv *)s->priv)->ws, c);
}

static void
arrive(struct svc *s, struct conn *c)
{
	ws_arrive(&((struct ws_svc_priv *)s->priv)->ws, c, conn_state(c));
}

static int
start(struct svc *s, uint64_t now_us)
{
	const struct ws_svc_conf *conf = s->conf;
	struct ws_svc_priv *p = s->priv;

	p->path_len = (uint32_t)strlen(conf->path);
	if (p->path_len > 0 && conf->path[0] != '/') {
		s->io->log(s->ioarg, "ws: path: must start with '/'");
		return -EINVAL;
	}
	return ws_start(&p->ws, s, &conf->ws, find, 0, now_us);
}

const struct service ws_service = {
	.desc = &ws_desc,
	.priv_size = sizeof(struct ws_svc_priv),
	.start = start,
	.event = event,
	.tick = tick,
	.depart = depart,
	.arrive = arrive,
};
