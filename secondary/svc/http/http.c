/*
 * http: files from the shared cache, and an echo route. This file: options,
 * events, time limits.
 */
#include <errno.h>

#include "../../proto/http_date.h"
#include "http_priv.h"

#define OFF(m)		offsetof(struct http_conf, m)
#define MS_MAX		86400000	/* a day */

static const struct opt http_opts[] = {
	{ .name = "root", .type = OPT_ROOT, .offset = OFF(root),
	    .help = "Directory whose files are served." },
	{ .name = "hosts", .type = OPT_ROOTS, .offset = OFF(hosts),
	    .help = "Roots of their own for requests to a host, each as "
	    "\"HOST=DIRECTORY\"; `root` serves all others." },
	{ .name = "index", .type = OPT_STRING, .offset = OFF(index),
	    .max = OPT_STRLEN - 1, .defstr = FCACHE_INDEX,
	    .help = "File that stands for its directory." },
	{ .name = "listing", .type = OPT_BOOL, .offset = OFF(listing),
	    .help = "Show what is in a directory without an index file." },
	{ .name = "echo", .type = OPT_STRING, .offset = OFF(echo),
	    .max = OPT_STRLEN - 1,
	    .help = "Path that sends the body of a POST back; a GET of it "
	    "finds files as any other. Empty: none." },
	{ .name = "ws", .type = OPT_STRING, .offset = OFF(ws),
	    .max = OPT_STRLEN - 1,
	    .help = "Path of the WebSocket handler; empty: none." },
	WS_OPTS("ws_", OFF(ws_conf)),
	{ .name = "server", .type = OPT_STRING, .offset = OFF(server),
	    .max = HTTP_SERVER_MAX, .defstr = "starfish",
	    .help = "Value of the Server field; empty: none is sent." },
	{ .name = "header_timeout_ms", .type = OPT_INT,
	    .offset = OFF(header_timeout_ms), .def = 60000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .help = "Time for a request's head, from its first byte." },
	{ .name = "body_timeout_ms", .type = OPT_INT,
	    .offset = OFF(body_timeout_ms), .def = 60000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .help = "Longest pause within a request's body." },
	{ .name = "keepalive_timeout_ms", .type = OPT_INT,
	    .offset = OFF(keepalive_timeout_ms), .def = 75000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .help = "Longest pause between two requests." },
	{ .name = "send_timeout_ms", .type = OPT_INT,
	    .offset = OFF(send_timeout_ms), .def = 60000, .min = 1,
	    .max = MS_MAX, .unit = "ms",
	    .help = "Longest time in which a client takes nothing." },
	{ .name = "min_rate", .type = OPT_INT, .offset = OFF(min_rate),
	    .def = 100, .min = 0, .max = INT32_MAX, .unit = "bytes/s",
	    .help = "Slowest client that is served, sending bodies or taking "
	    "answers; 0: any." },
	{ .name = "max_conns", .type = OPT_INT, .offset = OFF(max_conns),
	    .def = 0, .min = 0, .max = UINT32_MAX,
	    .help = "Connections of one worker; above it: 503. 0: no limit." },
	{ .name = "max_conns_per_address", .type = OPT_INT,
	    .offset = OFF(max_conns_addr), .def = 0, .min = 0,
	    .max = UINT32_MAX,
	    .help = "Connections of one worker from one address (IPv6: from "
	    "one /64); above it: 503. 0: no limit." },
	{ .name = "max_header", .type = OPT_INT, .offset = OFF(max_header),
	    .def = 16384, .min = 256, .max = HTTP_HEAD_MAX, .unit = "bytes",
	    .help = "Largest head of a request; above it: 431." },
	{ .name = "max_uri", .type = OPT_INT, .offset = OFF(max_uri),
	    .def = 8192, .min = 64, .max = HTTP_URI_MAX, .unit = "bytes",
	    .help = "Longest request target; above it: 414." },
	{ .name = "max_fields", .type = OPT_INT, .offset = OFF(max_fields),
	    .def = 100, .min = 1, .max = 1000,
	    .help = "Most header lines of a request; above it: 431." },
	{ .name = "max_body", .type = OPT_INT, .offset = OFF(max_body),
	    .def = (int64_t)16 << 30, .min = 0, .max = INT64_MAX,
	    .unit = "bytes",
	    .help = "Largest body of a request; above it: 413." },
	{ .name = "max_requests", .type = OPT_INT,
	    .offset = OFF(max_requests), .def = 0, .min = 0,
	    .max = UINT32_MAX,
	    .help = "Requests on one connection; 0: no limit." },
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
	[HTTP_STALE] = { "stale", "answers cut: the file changed, or failed" },
	WS_COUNTER_ROWS("ws_", HTTP_WS),
	[HTTP_WS + WS_COUNTERS] = { NULL, NULL }
};

_Static_assert(HTTP_WS + WS_COUNTERS <= SVC_COUNTERS, "words of a slot");

const struct svc_desc http_desc = {
	.name = "http",
	.help = "Serves files of a directory.",
	.opts = &http_group,
	.counters = http_counters,
	.state_size = sizeof(struct http_state),
};

uint32_t
hx_avail(const struct hx *x)
{
	return conn_readable(x->c) - x->done;
}

void
hx_commit(struct hx *x)
{
	conn_commit(x->n, x->c, x->res_used);
	x->res = NULL;
}

uint32_t
hx_look(struct hx *x, uint32_t at, const uint8_t **p)
{
	hx_flush(x);
	x->win_at = at;
	x->win_len = conn_peek(x->n, x->c, at, &x->win);
	*p = x->win;
	return x->win_len;
}

uint8_t *
hx_reserve(struct hx *x, uint32_t n)
{
	uint32_t len;

	hx_flush(x);
	/* More requests wait behind this one: their answers join it. */
	len = x->win_at + x->win_len - x->done > x->req.head_len ?
	    HTTP_BATCH : n;
	if (len < n)
		len = n;
	x->res = conn_reserve(x->n, x->c, n < 512 ? n : 512, &len);
	if (x->res == NULL) {
		hx_wait_room(x, n);
		return NULL;
	}
	x->res_len = len;
	x->res_used = 0;
	if (len >= n)
		return x->res;
	hx_flush(x);
	return NULL;
}

enum http_go
hx_wait_room(struct hx *x, uint32_t n)
{
	hx_flush(x);
	svc_count(x->s, HTTP_BLOCKED, 1);
	x->blocked = true;
	conn_want_room(x->n, x->c, n);
	return GO_WAIT;
}

enum http_go
hx_close(struct hx *x)
{
	hx_flush(x);
	/* What the client still sends must not make a RST that overtakes the
	 * answer (RFC 9112, 9.6). */
	conn_discard(x->n, x->c);
	conn_close(x->n, x->c);
	return GO_GONE;
}

enum http_go
hx_abort(struct hx *x)
{
	hx_flush(x);
	conn_abort(x->n, x->c);
	return GO_GONE;
}

void
hx_timer(struct hx *x, int64_t ms)
{
	hx_flush(x);
	conn_timer(x->n, x->c, x->now + (uint64_t)ms * 1000);
}

/* Make the lines that change once a second. */
static void
refresh(struct hx *x)
{
	struct http_priv *p = x->p;
	int64_t wall = x->s->io->wall(x->s->ioarg);
	char date[HTTP_DATE_LEN];
	struct fmt f;

	if (wall == p->wall)
		return;
	p->wall = wall;
	fmt_init(&f, p->line, sizeof(p->line));
	fmt_str(&f, "HTTP/1.1 200 OK\r\n");
	p->line_ok = fmt_len(&f);
	if (x->conf->server[0] != '\0') {
		fmt_str(&f, "Server: ");
		fmt_str(&f, x->conf->server);
		fmt_str(&f, "\r\n");
	}
	http_date_print(date, wall);
	fmt_str(&f, "Date: ");
	fmt_mem(&f, date, sizeof(date));
	fmt_str(&f, "\r\n");
	p->line_len = fmt_len(&f);
}

static enum http_go
step(struct hx *x)
{
	switch (x->st->phase) {
	case PH_HEAD:
		return http_on_head(x);
	case PH_GATHER:
		return http_on_gather(x);
	case PH_ECHO:
		return http_on_echo(x);
	default:
		return http_on_drain(x);
	}
}

/* Whether an answer waits for room: the peer's FIN does not end that. */
static bool
answering(const struct http_state *st)
{
	if (st->phase == PH_ECHO)
		return st->flags & ST_CHUNKED ? st->chunk.state == HC_END :
		    st->left == 0;
	return st->step > 0 || st->pos > 0;
}

/*
 * Nothing more will come, and all that can be answered is. A request that was
 * cut short gets its answer at once (RFC 9112, 8).
 */
static void
ended(struct hx *x)
{
	x->done = x->win_at = x->win_len = 0;
	if (conn_readable(x->c) > 0 && x->st->phase <= PH_GATHER) {
		if (http_refuse(x, 400) == GO_WAIT)
			hx_abort(x);
		return;
	}
	hx_close(x);
}

/* The connection, whose record is still to be read, is not ours any more. */
static void
leave(struct svc *s, struct http_state *st, struct conn *c)
{
	struct http_priv *p = s->priv;

	limit_leave(p, st, c);
	if (p->streams)
		stream_leave(s, c);
}

static void
http_event(struct svc *s, struct conn *c, uint32_t events)
{
	struct hx x;
	enum http_go go = GO_ON;
	uint32_t i;

	x.st = conn_state(c);
	x.p = s->priv;
	if (x.st->phase == PH_WS) {
		ws_event(&x.p->ws, c, &x.st->ws, events);
		return;
	}
	if (events & CONN_GONE) {
		if (conn_error(c) != 0)
			svc_count(s, HTTP_RESET, 1);
		leave(s, x.st, c);
		return;
	}
	x.s = s;
	x.n = s->net;
	x.c = c;
	x.conf = s->conf;
	x.now = conn_now(s->net);
	x.close = x.echo = x.blocked = false;
	x.root = x.p->root;
	x.done = x.win_at = x.win_len = 0;
	x.res = NULL;
	x.req.head_len = 0;
	refresh(&x);
	if (events & CONN_OPEN) {
		x.st->stamp = x.now;
		hx_timer(&x, x.conf->header_timeout_ms);
	}
	if (__builtin_expect(x.st->seat != x.p->seat, 0))
		go = limit_enter(&x, (events & CONN_OPEN) != 0);
	if (events & CONN_TIMER && go == GO_ON)
		go = limit_timer(&x);
	for (i = 0; i < HTTP_BUDGET && go == GO_ON; i++) {
		go = step(&x);
		/* Usually one request is all there is. */
		if (go == GO_ON && x.st->phase == PH_HEAD &&
		    x.done == conn_readable(c))
			go = GO_WAIT;
	}
	if (go == GO_GONE) {
		leave(s, x.st, c);
		return;
	}
	hx_flush(&x);
	if (x.done > 0)
		conn_consume(s->net, c, x.done);
	/* Work is left: let others have their turn. */
	if (go == GO_ON)
		conn_want_room(s->net, c, 1);
	else if (conn_fin(c) && !x.blocked && !answering(x.st)) {
		ended(&x);
		leave(s, x.st, c);
	}
}

/* The image of a root, or NULL with a line in the log. */
static const struct fcache *
root_of(struct svc *s, const char *path)
{
	const struct fcache *fc = s->io->root(s->ioarg, path);
	char line[OPT_STRLEN + 64];
	struct fmt f;

	if (fc != NULL)
		return fc;
	fmt_init(&f, line, sizeof(line));
	fmt_str(&f, "http: root is not in the file cache: ");
	fmt_str(&f, path);
	s->io->log(s->ioarg, fmt_end(&f));
	return NULL;
}

/* The roots of all hosts. */
static int
find_roots(struct svc *s)
{
	const struct http_conf *conf = s->conf;
	struct http_priv *p = s->priv;
	struct http_host *h;
	const char *eq;

	for (; p->nhosts < conf->hosts.n; p->nhosts++) {
		h = &p->host[p->nhosts];
		h->name = conf->hosts.s[p->nhosts];
		eq = strchr(h->name, '=');
		if (eq == NULL)
			return -EINVAL;
		h->len = (uint32_t)(eq - h->name);
		h->root = root_of(s, eq + 1);
		if (h->root == NULL)
			return -ENOENT;
	}
	if (conf->root[0] == '\0')
		return 0;
	p->root = root_of(s, conf->root);
	return p->root != NULL ? 0 : -ENOENT;
}

static int
http_start(struct svc *s, uint64_t now_us)
{
	const struct http_conf *conf = s->conf;
	struct http_priv *p = s->priv;
	struct fmt f;
	char line[OPT_STRLEN + 64];
	const char *c;

	p->wall = -1;
	limit_start(p, s, now_us);
	p->limits.uri = (uint32_t)conf->max_uri;
	p->limits.fields = (uint32_t)conf->max_fields;
	p->own_index = strcmp(conf->index, FCACHE_INDEX) != 0;
	p->echo_len = (uint32_t)strlen(conf->echo);
	p->ws_len = (uint32_t)strlen(conf->ws);
	fmt_init(&f, line, sizeof(line));
	for (c = conf->server; *c != '\0'; c++) {
		if ((uint8_t)*c < ' ' || *c == 0x7f ||
		    c - conf->server >= (int)HTTP_SERVER_MAX) {
			fmt_str(&f, "http: server: too long, or a control "
			    "character");
			s->io->log(s->ioarg, fmt_end(&f));
			return -EINVAL;
		}
	}
	if (p->echo_len > 0 && conf->echo[0] != '/') {
		fmt_str(&f, "http: echo: must start with '/', is ");
		fmt_str(&f, conf->echo);
		s->io->log(s->ioarg, fmt_end(&f));
		return -EINVAL;
	}
	if (p->ws_len > 0 && conf->ws[0] != '/') {
		fmt_str(&f, "http: ws: must start with '/', is ");
		fmt_str(&f, conf->ws);
		s->io->log(s->ioarg, fmt_end(&f));
		return -EINVAL;
	}
	if (p->ws_len > 0 && ws_start(&p->ws, s, &conf->ws_conf,
	    upgrade_find, HTTP_WS, now_us) < 0)
		return -EINVAL;
	return find_roots(s);
}

static uint64_t
http_tick(struct svc *s, uint64_t now_us)
{
	struct http_priv *p = s->priv;

	if (p->streams && stream_tick(s)) {
		if (p->ws_len > 0)
			ws_tick(&p->ws, now_us);
		return now_us;
	}
	return p->ws_len > 0 ? ws_tick(&p->ws, now_us) : UINT64_MAX;
}

const struct service http_service = {
	.desc = &http_desc,
	.priv_size = sizeof(struct http_priv),
	.start = http_start,
	.event = http_event,
	.tick = http_tick,
};
