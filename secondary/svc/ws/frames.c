/*
 * frames: what comes in, and the echo of messages that are not compressed.
 */
#include "ws_priv.h"

#define PIECES		16u	/* unread pieces in one of our frames */

int
ws_head_at(struct wx *x, uint32_t at, struct ws_head *h)
{
	uint8_t head[WS_HEAD_MAX];
	uint32_t n;

	n = conn_copy(x->n, x->c, at, head, sizeof(head));
	return ws_head_parse(h, head, n, x->st->bits > 0);
}

int
ws_data_ok(struct wx *x, const struct ws_head *h, bool first)
{
	const struct ws_conf *conf = x->w->conf;
	uint64_t most = (uint64_t)conf->max_message;

	/* RFC 6455 (5.4): messages are not interleaved. */
	if (first == (h->op == WS_CONT))
		return -WS_PROTOCOL;
	if (h->len > (uint64_t)conf->max_frame || h->len > most ||
	    x->st->size > most - h->len)
		return -WS_TOO_BIG;
	return 0;
}

enum ws_go
ws_control(struct wx *x, uint32_t at, const struct ws_head *h)
{
	uint8_t p[WS_CONTROL_MAX];
	uint32_t n = (uint32_t)h->len;
	int code;

	if (conn_readable(x->c) - at < h->size + n)
		return WS_WAIT;
	conn_copy(x->n, x->c, at + h->size, p, n);
	ws_mask(p, p, n, h->mask);
	switch (h->op) {
	case WS_PING:
		return ws_send(x, WS_FIN | WS_PONG, p, n) ? WS_ON : WS_WAIT;
	case WS_CLOSE:
		code = ws_close_parse(p, n);
		return code < 0 ? ws_fail(x, -code) : ws_bye(x, code);
	default:
		return WS_ON;
	}
}

void
ws_message_end(struct wx *x)
{
	struct ws_state *st = x->st;

	st->flags &= WST_BLOCKED | WST_PINGED | WST_OUT;
	st->size = st->left = 0;
	st->held = 0;
	if (x->w->conf->mode == WS_MODE_ECHO) {
		st->out = 0;
		ws_count(x, WS_MESSAGES_OUT, 1);
	}
	ws_count(x, WS_MESSAGES_IN, 1);
}

/* A frame begins: a control frame is answered, of another the header read. */
static enum ws_go
next_frame(struct wx *x)
{
	struct ws_state *st = x->st;
	bool first = !(st->flags & WST_MSG);
	struct ws_head h;
	enum ws_go go;
	int n;

	n = ws_head_at(x, x->done, &h);
	if (n <= 0)
		return n < 0 ? ws_fail(x, -n) : WS_WAIT;
	if (h.op & 8) {
		go = ws_control(x, x->done, &h);
		if (go == WS_ON)
			x->done += h.size + (uint32_t)h.len;
		return go;
	}
	n = ws_data_ok(x, &h, first);
	if (n < 0)
		return ws_fail(x, -n);
	if (first) {
		st->flags |= WST_MSG;
		st->op = h.op;
		st->utf8 = WS_UTF8_DONE;
		if (h.rsv1)
			st->flags |= WST_ZIP;
		if (h.rsv1 || x->w->conf->mode == WS_MODE_BROADCAST) {
			st->flags |= WST_HELD;
			return WS_ON;
		}
	}
	x->done += h.size;
	st->flags |= WST_FRAME | (h.fin ? WST_FIN : 0);
	st->left = h.len;
	st->size += h.len;
	st->mask = h.mask;
	return WS_ON;
}

struct piece {
	const uint8_t *p;
	uint32_t n;
};

/* Unread bytes of the frame in hand, most at a time; how many. */
static uint32_t
collect(struct wx *x, struct piece piece[PIECES], uint32_t most)
{
	uint32_t i, sum = 0;

	memset(piece, 0, PIECES * sizeof(*piece));
	for (i = 0; i < PIECES && sum < most; i++) {
		piece[i].n = conn_peek(x->n, x->c, x->done + sum, &piece[i].p);
		if (piece[i].n == 0)
			break;
		if (piece[i].n > most - sum)
			piece[i].n = most - sum;
		sum += piece[i].n;
	}
	return sum;
}

/* Unmask n collected bytes to `to`; whether they may stand there. */
static bool
unmask(struct wx *x, const struct piece *piece, uint8_t *to, uint32_t n)
{
	struct ws_state *st = x->st;
	uint32_t at, m;

	for (at = 0; at < n; at += m, piece++) {
		m = piece->n < n - at ? piece->n : n - at;
		st->mask = ws_mask(to + at, piece->p, m, st->mask);
	}
	st->left -= n;
	x->done += n;
	if (st->op != WS_TEXT)
		return true;
	st->utf8 = ws_utf8(st->utf8, to, n);
	return st->utf8 != WS_UTF8_BAD && (st->left > 0 ||
	    !(st->flags & WST_FIN) || st->utf8 == WS_UTF8_DONE);
}

/* A part of a frame: checked, and queued as a frame of its own. */
static enum ws_go
payload(struct wx *x)
{
	bool echo = x->w->conf->mode == WS_MODE_ECHO;
	struct ws_state *st = x->st;
	struct piece piece[PIECES];
	uint32_t most, n = 0;
	uint8_t *to = x->w->text;

	most = st->left < WS_CAST_MAX ? (uint32_t)st->left : WS_CAST_MAX;
	if (most > 0) {
		n = collect(x, piece, most);
		if (n == 0)
			return WS_WAIT;
	}
	/* An empty fragment has nothing to tell unless it is the last. */
	if (n == 0 && !(st->flags & WST_FIN))
		echo = false;
	if (echo) {
		to = ws_frame_room(x, n, &n);
		if (to == NULL)
			return WS_WAIT;
	}
	if (!unmask(x, piece, to, n)) {
		if (echo)
			ws_frame_drop(x);
		return ws_fail(x, WS_DATA);
	}
	if (echo)
		ws_frame_end(x, ws_first(x, st->left == 0 &&
		    (st->flags & WST_FIN), false));
	ws_count(x, WS_BYTES_IN, n);
	if (st->left > 0)
		return WS_ON;
	if (st->flags & WST_FIN)
		ws_message_end(x);
	else
		st->flags &= (uint16_t)~WST_FRAME;
	return WS_ON;
}

static enum ws_go
step(struct wx *x)
{
	if (x->st->phase == WSP_FAIL)
		return ws_bye(x, x->st->code);
	if (x->st->flags & WST_HELD)
		return ws_held(x);
	return x->st->flags & WST_FRAME ? payload(x) : next_frame(x);
}

/* Everything that an event may have made possible. */
static enum ws_go
all(struct wx *x, uint32_t events)
{
	enum ws_go go = WS_ON, other = WS_WAIT;
	uint32_t i;

	if (events & CONN_TIMER) {
		x->st->due = 0;
		go = ws_late(x);
	}
	for (i = 0; i < WS_STEPS && go == WS_ON; i++)
		go = step(x);
	if (go == WS_GONE || x->st->phase != WSP_OPEN)
		return go;
	if (x->w->conf->mode == WS_MODE_BROADCAST)
		other = ws_deliver(x);
	else if (x->w->conf->mode == WS_MODE_PUSH)
		other = ws_push(x);
	return other == WS_GONE ? WS_GONE : go;
}

void
ws_event(struct ws *w, struct conn *c, struct ws_state *st, uint32_t events)
{
	struct wx x = { .w = w, .n = w->s->net, .c = c, .st = st };
	enum ws_go go;

	x.now = conn_now(x.n);
	if (events & CONN_GONE) {
		ws_job_free(&x);
		ws_leave(w, conn_id(x.n, c));
		st->phase = WSP_NONE;
		return;
	}
	if (events & CONN_WRITE)
		st->flags &= (uint16_t)~WST_BLOCKED;
	if (st->phase == WSP_OPEN && (events & CONN_READ)) {
		st->stamp = x.now;
		st->flags &= (uint16_t)~WST_PINGED;
	}
	go = all(&x, events);
	if (go == WS_GONE)
		return;
	if (x.done > 0)
		conn_consume(x.n, c, x.done);
	if (go == WS_ON || x.again) {
		/* Work is left: let others have their turn. */
		conn_want_room(x.n, c, 1);
	} else if (conn_fin(c) && !x.retry && !(st->flags & WST_BLOCKED)) {
		/* No more bytes will come: there was no Close. */
		ws_end(&x, false);
		return;
	}
	ws_arm(&x);
}
