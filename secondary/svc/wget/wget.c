/*
 * wget: a load client. This file: options and tick.
 */
#include "wget_priv.h"

#define REST_US	100000u		/* how often a slot at rest looks for orders */
#define HOLD_US	200u		/* and one that is ready, for its start */

#define OFF(m)		offsetof(struct wget_conf, m)

const char *const wget_methods[] = { "GET", "HEAD", "POST", NULL };
const char *const wget_versions[] = { "1.1", "1.0", NULL };

static const struct opt wget_opts[] = {
	{ .name = "url", .type = OPT_STRING, .offset = OFF(url),
	    .max = OPT_STRLEN - 1,
	    .help = "What to fetch: http://HOST[:PORT]/PATH, HOST is an IPv4 "
	    "address, [an IPv6 address], or a name if `address` is given. "
	    "Empty: the slot rests until `starfish wget -n` uses it." },
	{ .name = "address", .type = OPT_STRING, .offset = OFF(address),
	    .max = OPT_STRLEN - 1,
	    .help = "Where the URL's host is, an IP address: names are not "
	    "resolved here." },
	{ .name = "header", .type = OPT_STRING, .offset = OFF(header),
	    .max = OPT_STRLEN - 1,
	    .help = "One header line to add, \"Name: value\"." },
	{ .name = "flows", .type = OPT_INT, .offset = OFF(flows), .def = 1,
	    .min = 0, .max = (int64_t)1 << 40,
	    .help = "Connections in all, shared by the group; 0: no limit, "
	    "needs duration_s." },
	{ .name = "concurrency", .type = OPT_INT, .offset = OFF(concurrency),
	    .def = 1, .min = 1, .max = 1 << 24,
	    .help = "Connections at a time, shared by the group." },
	{ .name = "keep_alive", .type = OPT_INT, .offset = OFF(keep_alive),
	    .def = 1, .min = 0, .max = UINT32_MAX - 1,
	    .help = "Requests on one connection; 0: no limit, needs "
	    "duration_s." },
	{ .name = "rate", .type = OPT_INT, .offset = OFF(rate), .def = 0,
	    .min = 0, .max = 100000000, .unit = "requests/s",
	    .help = "Open loop: so many requests begin, whatever the server "
	    "does; times count from when they should begin. 0: closed loop, "
	    "a request begins when the one before is answered." },
	{ .name = "duration_s", .type = OPT_INT, .offset = OFF(duration_s),
	    .def = 0, .min = 0, .max = 86400 * 365, .unit = "s",
	    .help = "Begin nothing after this time; 0: no limit." },
	{ .name = "pipeline", .type = OPT_INT, .offset = OFF(pipeline),
	    .def = 1, .min = 1, .max = WGET_PIPELINE,
	    .help = "Requests under way on one connection." },
	{ .name = "method", .type = OPT_ENUM, .offset = OFF(method),
	    .def = WGET_GET, .words = wget_methods,
	    .help = "Method of the requests." },
	{ .name = "version", .type = OPT_ENUM, .offset = OFF(version),
	    .def = 0, .words = wget_versions,
	    .help = "HTTP version of the requests." },
	{ .name = "save", .type = OPT_STRING, .offset = OFF(save),
	    .max = OPT_STRLEN - 1,
	    .help = "Directory for the bodies, a file each: NAME, or "
	    "NAME.FLOW, or NAME.FLOW.REQUEST; NAME is the last part of the "
	    "path. Empty: they are not kept." },
	{ .name = "verify", .type = OPT_STRING, .offset = OFF(verify),
	    .max = OPT_STRLEN - 1,
	    .help = "What a body must be: that of this file, or 64 "
	    "hexadecimal digits of its SHA-256. Empty: not looked at." },
	{ .name = "body_bytes", .type = OPT_INT, .offset = OFF(body_bytes),
	    .def = 0, .min = 0, .max = (int64_t)1 << 50, .unit = "bytes",
	    .help = "Body of a POST." },
	{ .name = "expect_bytes", .type = OPT_INT,
	    .offset = OFF(expect_bytes), .def = -1, .min = -1,
	    .max = (int64_t)1 << 50, .unit = "bytes",
	    .help = "Right size of a body; -1: that of the first one." },
	{ .name = "timeout_ms", .type = OPT_INT, .offset = OFF(timeout_ms),
	    .def = 60000, .min = 0, .max = 3600000, .unit = "ms",
	    .help = "Longest time for a request; 0: no limit." },
	{ .name = "reset", .type = OPT_BOOL, .offset = OFF(reset), .def = 0,
	    .help = "End connections by RST, so that no side keeps them in "
	    "TIME_WAIT." },
	{ .name = "hold", .type = OPT_BOOL, .offset = OFF(hold), .def = 0,
	    .help = "Do not begin before `starfish wget` says so." },
	{ .name = NULL }
};

static const struct optgroup wget_group = {
	.name = "wget",
	.help = "Settings of the load client.",
	.size = sizeof(struct wget_conf),
	.opts = wget_opts,
};

static const struct svc_counter wget_counters[] = {
	[WGET_STARTED] = { "started", "connections begun" },
	[WGET_CONNECTED] = { "connected", "connections that opened" },
	[WGET_DONE] = { "done", "connections that ended well" },
	[WGET_REQUESTS] = { "requests", "requests begun" },
	[WGET_RESPONSES] = { "responses", "responses complete" },
	[WGET_ERRORS] = { "errors", "connections that failed" },
	[WGET_BYTES_IN] = { "bytes_in", "bytes of bodies received" },
	[WGET_BYTES_OUT] = { "bytes_out", "bytes of bodies sent" },
	[WGET_ADOPTED] = { "adopted", "connections of a dead worker" },
	{ NULL, NULL }
};

const struct svc_desc wget_desc = {
	.name = "wget",
	.help = "Fetches a URL over and over and measures that.",
	.opts = &wget_group,
	.counters = wget_counters,
	.state_size = sizeof(struct wget_state),
	.client = 1,
	.check = wget_check,
	.stays = 1,		/* its share and its totals are the slot's */
};

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Nothing new begins once the time is over, and what was due then has. */
static void
look_at_time(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;

	while (now_us >= p->t_second) {
		wget_line(s, now_us);
		p->t_second += 1000000;
	}
	if (atomic_load_explicit(&p->desk->orders.stop,
	    memory_order_relaxed) == p->run) {
		p->t_stop = min(p->t_stop, now_us);
		p->stopping = true;
	}
	if (now_us >= p->t_stop && (wget_backlog(p, now_us) == 0 ||
	    now_us >= p->t_stop + WGET_GRACE_US))
		p->stopping = true;
	if (p->stopping && p->rate > 0)
		wget_idle_end(s, now_us);
}

/* Whether there is nothing more to do for connections. */
static bool
is_over(const struct wget_priv *p, uint64_t now_us)
{
	if (p->stopping && now_us >= p->t_stop + WGET_GRACE_US)
		return true;
	return p->active == 0 &&
	    (p->stopping || p->t->sum.started >= p->flows);
}

/* The end; once all files are written. Returns when to come again. */
static uint64_t
finish(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint64_t whole = 0, failed = 0;
	bool good;

	if (p->saves && !s->io->saved(s->ioarg, &whole, &failed)) {
		if (p->t_drain == 0)
			p->t_drain = now_us + WGET_SAVE_US;
		if (now_us < p->t_drain)
			return now_us + 1000;
		failed++;
	}
	p->t->sum.saved += whole;
	p->t->sum.errors[LOAD_NOT_SAVED] += failed;
	if (p->stopping)
		p->t->sum.unsent = wget_backlog(p, now_us);
	p->phase = p->by_order ? WGET_REST : WGET_OVER;
	p->gen = 0;		/* what is still open is of no concern */
	good = wget_report(s, now_us);
	if (!p->by_order)
		s->io->done(s->ioarg, good ? 0 : 1);
	return UINT64_MAX;
}

static uint64_t
run(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint64_t next;

	look_at_time(s, now_us);
	next = p->rate > 0 && !p->stopping ? wget_pace(s, now_us) :
	    UINT64_MAX;
	next = min(next, wget_open(s, now_us));
	if (is_over(p, now_us))
		return finish(s, now_us);
	next = min(next, p->t_second);
	return min(next, now_us >= p->t_stop ? p->t_stop + WGET_GRACE_US :
	    p->t_stop);
}

static uint64_t
wget_tick(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;

	switch (p->phase) {
	case WGET_REST:
		wget_rest(s, now_us);
		/* the bell is rung for orders; one may have come before */
		return p->phase == WGET_REST ? now_us + REST_US : now_us;
	case WGET_HOLD:
		wget_hold(s, now_us);
		return p->phase == WGET_HOLD ? now_us + HOLD_US : now_us;
	case WGET_SCAN:
		if (wget_scan(s, now_us))
			p->phase = WGET_RUN;
		return now_us;
	case WGET_RUN:
		return run(s, now_us);
	default:
		return UINT64_MAX;
	}
}

const struct service wget_service = {
	.desc = &wget_desc,
	.priv_size = sizeof(struct wget_priv),
	.client = 1,
	.start = wget_begin,
	.event = wget_event,
	.tick = wget_tick,
	.depart = wget_depart,
	.arrive = wget_arrive,
};
