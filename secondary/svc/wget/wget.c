/*
 * wget: a load client. This file: options, start, tick.
 */
#include <errno.h>

#include "../../proto/http_lex.h"
#include "wget_priv.h"

#define OFF(m)		offsetof(struct wget_conf, m)

static const char *const wget_methods[] = { "GET", "HEAD", "POST", NULL };
static const char *const wget_versions[] = { "1.1", "1.0", NULL };

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
};

/* One of count even shares of total. */
static uint64_t
share(uint64_t total, uint32_t index, uint32_t count)
{
	return total / count + (index < total % count);
}

static int
refuse(struct svc *s, const char *what, const char *why)
{
	char line[OPT_STRLEN + 128];
	struct fmt f;

	fmt_init(&f, line, sizeof(line));
	fmt_str(&f, "wget: ");
	fmt_str(&f, what);
	fmt_str(&f, ": ");
	fmt_str(&f, why);
	s->io->log(s->ioarg, fmt_end(&f));
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
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
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

static int
check(struct svc *s, const char **path)
{
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
	const char *why;

	if (wget_url(conf->url, conf->address, &p->server, path, &why) < 0)
		return refuse(s, conf->url, why);
	if (conf->header[0] != '\0' && !header_ok(conf->header))
		return refuse(s, conf->header, "is no header line");
	if (conf->duration_s == 0 && conf->flows == 0)
		return refuse(s, "flows", "no limit, and duration_s is not "
		    "set");
	if (conf->duration_s == 0 && conf->keep_alive == 0)
		return refuse(s, "keep_alive", "no limit, and duration_s is "
		    "not set");
	if (wget_content_start(s, *path, &why) < 0)
		return refuse(s, conf->url, why);
	if (conf->body_bytes > 0 && conf->method != WGET_POST)
		return refuse(s, "body_bytes", "needs method = \"POST\"");
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

/*
 * Totals in the slot's memory: those of the worker that died in mid-run, or
 * new ones.
 */
static void
set_totals(struct svc *s, uint64_t now_us)
{
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
	struct load_totals *t = NULL;
	bool old = false;

	if (s->io->keep != NULL)
		t = s->io->keep(s->ioarg, LOAD_KEEP, sizeof(*t), &old);
	p->t = t = t == NULL ? &p->own : t;
	if (old && t->magic == LOAD_MAGIC && t->size == sizeof(*t) &&
	    t->state == LOAD_RUNNING) {
		p->scan = true;
		t->sum.restarts++;
		return;
	}
	memset(t, 0, sizeof(*t));
	t->magic = LOAD_MAGIC;
	t->size = sizeof(*t);
	t->t_start = t->t_last = t->t_now = now_us;
	/* The group's slots take turns: each begins a step later. */
	t->next_ns = now_us * 1000 + (p->rate == 0 ? 0 :
	    UINT64_C(1000000000) * s->index / p->rate);
	t->body = conf->expect_bytes >= 0 ? (uint64_t)conf->expect_bytes :
	    p->want != NULL ? p->want_len : UINT64_MAX;
	t->state = LOAD_RUNNING;
}

static int
wget_start(struct svc *s, uint64_t now_us)
{
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
	const char *path;
	uint32_t i;
	int err;

	p->resting = conf->url[0] == '\0';
	if (p->resting)
		return 0;
	err = check(s, &path);
	if (err < 0)
		return err;
	for (i = 0; i < 2; i++)
		p->req_len[i] = make_request(s, path, i == 1);
	for (i = 0; i < WGET_PATTERN; i++)
		p->pattern[i] = (char)('a' + i % 26);
	/* Two processes in one slot never start in the same microsecond. */
	p->gen = (uint32_t)now_us | 1;
	p->depth = (uint32_t)conf->pipeline;
	p->flows = conf->flows == 0 ? UINT64_MAX :
	    share((uint64_t)conf->flows, s->index, s->count);
	p->concurrency = (uint32_t)share((uint64_t)conf->concurrency,
	    s->index, s->count);
	if (p->concurrency == 0 && p->flows > 0)
		p->concurrency = 1;
	p->per_conn = conf->keep_alive == 0 ? UINT32_MAX :
	    (uint32_t)conf->keep_alive;
	set_rate(s, (uint64_t)conf->rate);
	set_totals(s, now_us);
	p->before = *p->t;
	p->t_stop = conf->duration_s == 0 ? UINT64_MAX :
	    p->t->t_start + (uint64_t)conf->duration_s * 1000000;
	p->t_second = now_us + 1000000;
	return 0;
}

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
	p->finished = true;
	s->io->done(s->ioarg, wget_report(s, now_us) ? 0 : 1);
	return UINT64_MAX;
}

static uint64_t
wget_tick(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint64_t next;

	if (p->finished)
		return UINT64_MAX;
	if (p->resting) {
		p->finished = true;
		s->io->done(s->ioarg, 0);
		return UINT64_MAX;
	}
	if (p->scan) {
		p->scan = !wget_scan(s, now_us);
		return now_us;
	}
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

const struct service wget_service = {
	.desc = &wget_desc,
	.priv_size = sizeof(struct wget_priv),
	.client = 1,
	.start = wget_start,
	.event = wget_event,
	.tick = wget_tick,
};
