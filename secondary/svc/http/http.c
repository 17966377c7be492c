/*
 * http: files from the shared cache, and an echo route. This file: events,
 * start, reload.
 */
#include <errno.h>

#include "../../proto/http_date.h"
#include "http_priv.h"

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
hx_extend(struct hx *x, uint32_t n)
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
		x->res_len = 0;
		return NULL;
	}
	x->res_len = len;
	x->res_used = 0;
	if (len >= n)
		return x->res;
	hx_flush(x);
	return NULL;
}

uint8_t *
hx_reserve(struct hx *x, uint32_t n)
{
	uint8_t *to = hx_extend(x, n);

	if (to == NULL && x->res_len == 0)
		hx_wait_room(x, n);
	return to;
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
	x.head = NULL;
	x.head_len = 0;
	x.sent = 0;
	x.side = x.p->side;
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
	if (go == GO_WAIT)
		x.st->side = x.side;
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

	p->reloaded = s->io->generation != NULL &&
	    s->io->generation(s->ioarg) > 1;
	p->side = p->reloaded ? s->io->generation(s->ioarg) % 2 : 1;
	for (p->nhosts = 0; p->nhosts < conf->hosts.n; p->nhosts++) {
		h = &p->host[p->nhosts];
		h->name = conf->hosts.s[p->nhosts];
		eq = strchr(h->name, '=');
		if (eq == NULL)
			return -EINVAL;
		h->len = (uint32_t)(eq - h->name);
		h->root = root_of(s, eq + 1);
		if (h->root == NULL)
			return -ENOENT;
		h->old = p->reloaded ? s->io->old_root(s->ioarg, eq + 1) :
		    NULL;
	}
	if (conf->root[0] == '\0')
		return 0;
	p->root = root_of(s, conf->root);
	p->old_root = p->reloaded ? s->io->old_root(s->ioarg, conf->root) :
	    NULL;
	return p->root != NULL ? 0 : -ENOENT;
}

/* Make anew what follows from the options and the document roots. */
static int
settle(struct svc *s)
{
	const struct http_conf *conf = s->conf;
	struct http_priv *p = s->priv;

	p->wall = -1;
	repeat_forget(p);
	p->limits.uri = (uint32_t)conf->max_uri;
	p->limits.fields = (uint32_t)conf->max_fields;
	p->own_index = strcmp(conf->index, FCACHE_INDEX) != 0;
	p->echo_len = (uint32_t)strlen(conf->echo);
	p->ws_len = (uint32_t)strlen(conf->ws);
	p->log = conf->access_log[0] != '\0' && s->io->access != NULL;
	return find_roots(s);
}

static int
http_start(struct svc *s, uint64_t now_us)
{
	const struct http_conf *conf = s->conf;
	struct http_priv *p = s->priv;
	const char *wrong = http_check(conf);
	char line[128];
	struct fmt f;
	int err;

	if (wrong != NULL) {
		fmt_init(&f, line, sizeof(line));
		fmt_str(&f, "http: ");
		fmt_str(&f, wrong);
		s->io->log(s->ioarg, fmt_end(&f));
		return -EINVAL;
	}
	limit_start(p, s, now_us);
	err = settle(s);
	if (err == 0 && p->ws_len > 0 && ws_start(&p->ws, s, &conf->ws_conf,
	    upgrade_find, HTTP_WS, now_us) < 0)
		err = -EINVAL;
	return err;
}

static void
http_reload(struct svc *s, uint64_t now_us)
{
	struct http_priv *p = s->priv;

	/* Roots are those of the start: they are in the cache. */
	settle(s);
	p->ws.conf = &((const struct http_conf *)s->conf)->ws_conf;
}

static bool
http_holds(struct svc *s, struct conn *c, bool old)
{
	const struct http_state *st = conn_state(c);
	const struct http_priv *p = s->priv;

	return st->phase == PH_HEAD && (st->step > 0 || st->pos > 0) &&
	    (!old || st->side != p->side);
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

/* Counts are the process's: the next one counts it when it first hears of it,
 * which the seat in the record tells. */
static void
http_depart(struct svc *s, struct conn *c)
{
	struct http_state *st = conn_state(c);
	struct http_priv *p = s->priv;

	if (st->phase == PH_WS) {
		ws_depart(&p->ws, c);
		return;
	}
	limit_leave(p, st, c);
	/* the piece that is being read is asked for again over there */
	if (p->streams)
		stream_leave(s, c);
}

static void
http_arrive(struct svc *s, struct conn *c)
{
	struct http_state *st = conn_state(c);

	if (st->phase == PH_WS)
		ws_arrive(&((struct http_priv *)s->priv)->ws, c, &st->ws);
}

const struct service http_service = {
	.desc = &http_desc,
	.priv_size = sizeof(struct http_priv),
	.start = http_start,
	.event = http_event,
	.tick = http_tick,
	.reload = http_reload,
	.holds = http_holds,
	.depart = http_depart,
	.arrive = http_arrive,
};
