/*
 * wget: a closed-loop load client. This file: options, start, tick.
 */
#include <errno.h>

#include "../../proto/http_lex.h"
#include "wget_priv.h"

#define OFF(m)		offsetof(struct wget_conf, m)

static const char *const wget_methods[] = { "GET", "HEAD", "POST", NULL };

static const struct opt wget_opts[] = {
	{ .name = "url", .type = OPT_STRING, .offset = OFF(url),
	    .max = OPT_STRLEN - 1,
	    .help = "What to fetch: http://ADDRESS[:PORT]/PATH, ADDRESS is "
	    "IPv4; names are not resolved." },
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
	{ .name = "duration_s", .type = OPT_INT, .offset = OFF(duration_s),
	    .def = 0, .min = 0, .max = 86400 * 365, .unit = "s",
	    .help = "Begin nothing after this time; 0: no limit." },
	{ .name = "pipeline", .type = OPT_INT, .offset = OFF(pipeline),
	    .def = 1, .min = 1, .max = WGET_PIPELINE,
	    .help = "Requests under way on one connection." },
	{ .name = "method", .type = OPT_ENUM, .offset = OFF(method),
	    .def = WGET_GET, .words = wget_methods,
	    .help = "Method of the requests." },
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
	fmt_str(&f, " HTTP/1.1\r\nHost: ");
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
	fmt_str(&f, "\r\n");
	return fmt_len(&f);
}

static int
check(struct svc *s, const char **path)
{
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
	const char *why;

	if (conf->url[0] == '\0')
		return refuse(s, "url", "is missing");
	if (wget_url(conf->url, &p->server, path, &why) < 0)
		return refuse(s, conf->url, why);
	if (conf->header[0] != '\0' && !header_ok(conf->header))
		return refuse(s, conf->header, "is no header line");
	if (conf->duration_s == 0 && conf->flows == 0)
		return refuse(s, "flows", "no limit, and duration_s is not "
		    "set");
	if (conf->duration_s == 0 && conf->keep_alive == 0)
		return refuse(s, "keep_alive", "no limit, and duration_s is "
		    "not set");
	if (conf->body_bytes > 0 && conf->method != WGET_POST)
		return refuse(s, "body_bytes", "needs method = \"POST\"");
	return 0;
}

static int
wget_start(struct svc *s, uint64_t now_us)
{
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
	const char *path;
	uint32_t i;
	int err;

	err = check(s, &path);
	if (err < 0)
		return err;
	for (i = 0; i < 2; i++)
		p->req_len[i] = make_request(s, path, i == 1);
	for (i = 0; i < WGET_PATTERN; i++)
		p->pattern[i] = (char)('a' + i % 26);
	/* Two processes in one slot never start in the same microsecond. */
	p->gen = (uint32_t)now_us;
	p->depth = (uint32_t)conf->pipeline;
	p->flows = conf->flows == 0 ? UINT64_MAX :
	    share((uint64_t)conf->flows, s->index, s->count);
	p->concurrency = (uint32_t)share((uint64_t)conf->concurrency,
	    s->index, s->count);
	if (p->concurrency == 0 && p->flows > 0)
		p->concurrency = 1;
	p->per_conn = conf->keep_alive == 0 ? UINT32_MAX :
	    (uint32_t)conf->keep_alive;
	p->size = conf->expect_bytes < 0 ? UINT64_MAX :
	    (uint64_t)conf->expect_bytes;
	p->t_start = p->t_last = now_us;
	p->t_stop = conf->duration_s == 0 ? UINT64_MAX :
	    now_us + (uint64_t)conf->duration_s * 1000000;
	p->t_second = now_us + 1000000;
	return 0;
}

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
wget_tick(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint64_t next;

	if (p->finished)
		return UINT64_MAX;
	while (now_us >= p->t_second) {
		wget_line(s, now_us);
		p->t_second += 1000000;
	}
	if (now_us >= p->t_stop)
		p->stopping = true;
	next = wget_open(s, now_us);
	if ((p->active == 0 &&
	    (p->stopping || p->sum.started == p->flows)) ||
	    (p->stopping && now_us >= p->t_stop + WGET_GRACE_US)) {
		p->finished = true;
		s->io->done(s->ioarg, wget_report(s, now_us) ? 0 : 1);
		return UINT64_MAX;
	}
	next = min(next, p->t_second);
	return min(next, p->stopping ? p->t_stop + WGET_GRACE_US : p->t_stop);
}

const struct service wget_service = {
	.desc = &wget_desc,
	.priv_size = sizeof(struct wget_priv),
	.client = 1,
	.start = wget_start,
	.event = wget_event,
	.tick = wget_tick,
};
