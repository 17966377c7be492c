/*
 * options: the table of the http service's options, its counters, and what it
 * is to the control tool.
 */
#include "http_priv.h"

#define OFF(m)		offsetof(struct http_conf, m)
#define MS_MAX		86400000	/* a day */

/* As the writer's enum alog_format has them. */
static const char *const log_formats[] = {
	"common", "combined", "json", NULL
};

static const struct opt http_opts[] = {
	{ .name = "root", .type = OPT_ROOT, .offset = OFF(root),
	    .help = "Directory whose files are served." },
	{ .name = "hosts", .type = OPT_ROOTS, .offset = OFF(hosts),
	    .help = "Roots of their own for requests to a host, each as "
	    "\"HOST=DIRECTORY\"; `root` serves all others." },
	{ .name = "index", .type = OPT_STRING, .offset = OFF(index),
	    .max = OPT_STRLEN - 1, .defstr = FCACHE_INDEX,
	    .live = 1, .help = "File that stands for its directory." },
	{ .name = "listing", .type = OPT_BOOL, .offset = OFF(listing),
	    .live = 1, .help = "Show what is in a directory without an index file." },
	{ .name = "echo", .type = OPT_STRING, .offset = OFF(echo),
	    .max = OPT_STRLEN - 1,
	    .live = 1, .help = "Path that sends the body of a POST back; a GET of it "
	    "finds files as any other. Empty: none." },
	{ .name = "ws", .type = OPT_STRING, .offset = OFF(ws),
	    .max = OPT_STRLEN - 1,
	    .help = "Path of the WebSocket handler; empty: none." },
	WS_OPTS("ws_", OFF(ws_conf)),
	{ .name = "server", .type = OPT_STRING, .offset = OFF(server),
	    .max = HTTP_SERVER_MAX, .defstr = "starfish",
	    .live = 1, .help = "Value of the Server field; empty: none is sent." },
	{ .name = "access_log", .type = OPT_STRING, .offset = OFF(access_log),
	    .live = 1, .max = OPT_STRLEN - 1,
	    .help = "File that gets a line for each answer; empty: none. It "
	    "may be renamed at any time." },
	{ .name = "access_format", .type = OPT_ENUM,
	    .offset = OFF(access_format), .live = 1, .words = log_formats,
	    .help = "What a line looks like." },
	{ .name = "header_timeout_ms", .type = OPT_INT,
	    .offset = OFF(header_timeout_ms), .def = 60000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .live = 1, .help = "Time for a request's head, from its first byte." },
	{ .name = "body_timeout_ms", .type = OPT_INT,
	    .offset = OFF(body_timeout_ms), .def = 60000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .live = 1, .help = "Longest pause within a request's body." },
	{ .name = "keepalive_timeout_ms", .type = OPT_INT,
	    .offset = OFF(keepalive_timeout_ms), .def = 75000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .live = 1, .help = "Longest pause between two requests." },
	{ .name = "send_timeout_ms", .type = OPT_INT,
	    .offset = OFF(send_timeout_ms), .def = 60000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .live = 1, .help = "Longest time in which a client takes nothing." },
	{ .name = "min_rate", .type = OPT_INT, .offset = OFF(min_rate),
	    .def = 100, .min = 0, .max = INT32_MAX, .unit = "bytes/s",
	    .live = 1, .help = "Slowest client that is served, sending bodies or taking "
	    "answers; 0: any." },
	{ .name = "max_conns", .type = OPT_INT, .offset = OFF(max_conns),
	    .def = 0, .min = 0, .max = UINT32_MAX,
	    .live = 1, .help = "Connections of one worker; above it: 503. 0: no limit." },
	{ .name = "max_conns_per_address", .type = OPT_INT,
	    .offset = OFF(max_conns_addr), .def = 0, .min = 0,
	    .max = UINT32_MAX,
	    .live = 1, .help = "Connections of one worker from one address (IPv6: from "
	    "one /64); above it: 503. 0: no limit." },
	{ .name = "max_header", .type = OPT_INT, .offset = OFF(max_header),
	    .def = 16384, .min = 256, .max = HTTP_HEAD_MAX, .unit = "bytes",
	    .live = 1, .help = "Largest head of a request; above it: 431." },
	{ .name = "max_uri", .type = OPT_INT, .offset = OFF(max_uri),
	    .def = 8192, .min = 64, .max = HTTP_URI_MAX, .unit = "bytes",
	    .live = 1, .help = "Longest request target; above it: 414." },
	{ .name = "max_fields", .type = OPT_INT, .offset = OFF(max_fields),
	    .def = 100, .min = 1, .max = 1000,
	    .live = 1, .help = "Most header lines of a request; above it: 431." },
	{ .name = "max_body", .type = OPT_INT, .offset = OFF(max_body),
	    .def = (int64_t)16 << 30, .min = 0, .max = INT64_MAX,
	    .unit = "bytes",
	    .live = 1, .help = "Largest body of a request; above it: 413." },
	{ .name = "max_requests", .type = OPT_INT,
	    .offset = OFF(max_requests), .def = 0, .min = 0,
	    .max = UINT32_MAX,
	    .live = 1, .help = "Requests on one connection; 0: no limit." },
	{ .name = NULL }
};

static const struct optgroup http_group = {
	.name = "http",
	.help = "Settings of the file server.",
	.size = sizeof(struct http_conf),
	.opts = http_opts,
};

static const struct svc_counter http_counters[] = {
	[HTTP_REQUESTS] = { "requests", "requests answered" },
	[HTTP_2XX] = { "resp_2xx", "answers that succeeded" },
	[HTTP_3XX] = { "resp_3xx", "redirections and 304" },
	[HTTP_4XX] = { "resp_4xx", "answers to a client's mistake" },
	[HTTP_5XX] = { "resp_5xx", "answers 501 and 505" },
	[HTTP_BYTES] = { "bytes_out", "bytes of bodies queued to send" },
	[HTTP_BODY_IN] = { "bytes_in", "bytes of bodies received" },
	[HTTP_PARTIAL] = { "partial", "answers 206" },
	[HTTP_NOT_MODIFIED] = { "not_modified", "answers 304" },
	[HTTP_MALFORMED] = { "malformed", "requests refused by the parser" },
	[HTTP_TIMEOUT] = { "timeouts", "heads and bodies that came slowly" },
	[HTTP_IDLE] = { "idle_closed", "connections closed between requests" },
	[HTTP_STALLED] = { "stalled", "clients that took nothing, or little" },
	[HTTP_BLOCKED] = { "blocked", "waits for room in the send queue" },
	[HTTP_RESET] = { "lost", "connections that the client broke" },
	[HTTP_REFUSED] = { "refused", "connections above a limit" },
	[HTTP_STREAMED] = { "streamed", "bytes of files read from the disk" },
	[HTTP_UNLOGGED] = { "unlogged", "lines that the access log lost" },
	[HTTP_STALE] = { "stale", "answers cut: the file changed, or failed" },
	WS_COUNTER_ROWS("ws_", HTTP_WS),
	[HTTP_WS + WS_COUNTERS] = { NULL, NULL }
};

_Static_assert(HTTP_WS + WS_COUNTERS <= SVC_COUNTERS, "words of a slot");

/* Whether two entries "NAME=DIRECTORY" are for the same name. */
static bool
names_twice(const struct opt_list *l)
{
	uint32_t i, k;
	size_t n;

	for (i = 0; i < l->n; i++)
		for (k = 0; k < i; k++) {
			n = strcspn(l->s[i], "=");
			if (strcspn(l->s[k], "=") == n &&
			    strncasecmp(l->s[i], l->s[k], n) == 0)
				return true;
		}
	return false;
}

const char *
http_check(const void *options)
{
	const struct http_conf *conf = options;
	const char *c;

	for (c = conf->server; *c != '\0'; c++) {
		if ((uint8_t)*c < ' ' || *c == 0x7f ||
		    c - conf->server >= (int)HTTP_SERVER_MAX)
			return "server: too long, or a control character";
	}
	if (conf->echo[0] != '\0' && conf->echo[0] != '/')
		return "echo: must start with '/'";
	if (conf->access_log[0] != '\0' && conf->access_log[0] != '/')
		return "access_log: must be an absolute path";
	if (conf->ws[0] != '\0' && conf->ws[0] != '/')
		return "ws: must start with '/'";
	if (conf->ws[0] != '\0' && strcmp(conf->ws, conf->echo) == 0)
		return "ws: echo is the same path";
	if (names_twice(&conf->hosts))
		return "hosts: a name stands twice";
	return NULL;
}

const struct svc_desc http_desc = {
	.name = "http",
	.help = "Serves files of a directory.",
	.opts = &http_group,
	.counters = http_counters,
	.state_size = sizeof(struct http_state),
	.check = http_check,
};
