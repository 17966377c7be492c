/*
 * flow: one connection of the load client, from connect to its end.
 */
#include <errno.h>

#include "../../proto/http_req.h"
#include "wget_priv.h"

/* One event of one connection. */
struct wx {
	struct svc *s;
	struct net *n;
	struct conn *c;
	struct wget_state *st;
	struct wget_priv *p;
	const struct wget_conf *conf;
	uint64_t now;
	bool gone;		/* closed: touch nothing any more */
};

/* The connection is no more; its place is free. */
static void
leave(struct wx *x)
{
	x->gone = true;
	x->p->active--;
	x->p->t_last = x->now;
}

static void
fail(struct wx *x, enum wget_error e)
{
	x->p->sum.errors[e]++;
	x->p->sum.failed++;
	svc_count(x->s, WGET_ERRORS, 1);
	conn_abort(x->n, x->c);
	leave(x);
}

/* All that the flow was for is done. */
static void
done(struct wx *x)
{
	x->p->sum.done++;
	svc_count(x->s, WGET_DONE, 1);
	if (x->conf->reset)
		conn_abort(x->n, x->c);
	else
		conn_close(x->n, x->c);
	leave(x);
}

/* Whether the flow begins another request. */
static bool
more(const struct wx *x)
{
	return x->st->sent < x->p->per_conn && !x->p->stopping &&
	    !(x->st->flags & WF_LAST);
}

/* Go on with the request in hand; false: no room. */
static bool
send_rest(struct wx *x)
{
	struct wget_state *st = x->st;
	struct wget_priv *p = x->p;
	uint32_t last = st->sent == p->per_conn, n, took, at;

	n = p->req_len[last] - st->req_pos;
	if (n > 0) {
		took = conn_write(x->n, x->c, p->req[last] + st->req_pos, n);
		st->req_pos += took;
		if (took < n)
			goto wait;
	}
	while (st->up_left > 0) {
		at = (uint32_t)((uint64_t)x->conf->body_bytes - st->up_left) %
		    WGET_PATTERN;
		n = WGET_PATTERN - at;
		if (n > st->up_left)
			n = (uint32_t)st->up_left;
		took = conn_write(x->n, x->c, p->pattern + at, n);
		st->up_left -= took;
		p->sum.bytes_out += took;
		svc_count(x->s, WGET_BYTES_OUT, took);
		if (took < n)
			goto wait;
	}
	return true;
wait:
	conn_want_room(x->n, x->c, n - took);
	return false;
}

/* Begin requests as far as the pipeline allows. */
static void
send_more(struct wx *x)
{
	struct wget_state *st = x->st;

	/* sent counts a request from its first byte. */
	if (st->sent > 0 && !send_rest(x))
		return;
	while (st->sent - st->got < x->p->depth && more(x)) {
		st->when[st->sent % WGET_PIPELINE] = (uint32_t)x->now;
		st->sent++;
		st->req_pos = 0;
		st->up_left = (uint64_t)x->conf->body_bytes;
		x->p->sum.requests++;
		svc_count(x->s, WGET_REQUESTS, 1);
		if (!send_rest(x))
			return;
	}
}

/* A response is complete. */
static void
complete(struct wx *x)
{
	struct wget_state *st = x->st;
	struct wget_priv *p = x->p;
	uint32_t us = (uint32_t)x->now - st->when[st->got % WGET_PIPELINE];

	st->got++;
	st->flags &= ~WF_FIRST;
	if (!st->resp.keepalive)
		st->flags |= WF_LAST;
	p->sum.responses++;
	p->t_last = x->now;
	svc_count(x->s, WGET_RESPONSES, 1);
	hist_add(&p->whole, us);
	hist_add(&p->second, us);
	if (st->resp.status >= 400)
		p->sum.errors[WERR_BAD_STATUS]++;
	if (p->size == UINT64_MAX)
		p->size = st->resp.body;
	if (st->resp.body != p->size && x->conf->method != WGET_M_HEAD)
		p->sum.mismatched++;
	st->resp.phase = RESP_HEAD;
}

/*
 * Take the head of a response, which starts skip bytes from the first unread
 * one. Returns its bytes; 0: not whole yet, or the flow failed.
 */
static uint32_t
take_head(struct wx *x, uint32_t skip, const uint8_t *p, uint32_t n)
{
	struct wget_state *st = x->st;
	const char *head = (const char *)p;
	uint32_t len, from;

	if (!(st->flags & WF_FIRST)) {
		st->flags |= WF_FIRST;
		hist_add(&x->p->first, (uint32_t)x->now -
		    st->when[st->got % WGET_PIPELINE]);
	}
	len = st->searched == 0 ? http_head_end(head, n, 0) : 0;
	if (len == 0) {
		head = x->p->head;
		from = st->searched > 2 ? st->searched - 2 : 0;
		n = conn_copy(x->n, x->c, skip + from, x->p->head,
		    WGET_HEAD - from);
		len = http_head_end(head, n, 0);
		if (len == 0) {
			st->searched = from + n;
			if (st->searched >= WGET_HEAD)
				fail(x, WERR_OVERSIZE_HEAD);
			return 0;
		}
		len += from;
		conn_copy(x->n, x->c, skip, x->p->head, len);
	}
	st->searched = 0;
	if (http_resp_head(&st->resp, head, len,
	    x->conf->method == WGET_M_HEAD) < 0) {
		fail(x, WERR_BAD_RESPONSE);
		return 0;
	}
	return len;
}

/* Read responses; consume what was read. */
static void
receive(struct wx *x)
{
	struct wget_state *st = x->st;
	uint32_t skip = 0, n, took;
	const uint8_t *p;
	uint64_t body;

	while ((n = conn_peek(x->n, x->c, skip, &p)) > 0) {
		if (st->got == st->sent) {	/* nobody asked for this */
			fail(x, WERR_BAD_RESPONSE);
			return;
		}
		if (st->resp.phase == RESP_HEAD) {
			took = take_head(x, skip, p, n);
			if (x->gone)
				return;
			if (took == 0)
				break;
		} else {
			body = st->resp.body;
			took = http_resp_body(&st->resp, p, n);
			body = st->resp.body - body;
			x->p->sum.bytes_in += body;
			svc_count(x->s, WGET_BYTES_IN, body);
		}
		skip += took;
		if (st->resp.phase == RESP_BAD) {
			fail(x, WERR_BAD_RESPONSE);
			return;
		}
		if (st->resp.phase == RESP_DONE)
			complete(x);
		if (took == n) {
			/* at a frame's end: a longer skip would be walked
			 * over again and again */
			conn_consume(x->n, x->c, skip);
			skip = 0;
		}
	}
	if (skip > 0)
		conn_consume(x->n, x->c, skip);
}

/* The server closed its half and all is read. */
static void
at_eof(struct wx *x)
{
	struct wget_state *st = x->st;

	if (st->got < st->sent && st->resp.phase == RESP_TO_EOF &&
	    http_resp_eof(&st->resp) == 0)
		complete(x);
	if (st->got < st->sent)
		fail(x, WERR_EARLY_CLOSE);
	else
		done(x);
}

/* CONN_GONE: the stack has the cause. */
static void
gone(struct wx *x)
{
	enum wget_error e;
	bool open = (x->st->flags & WF_OPEN) != 0;

	switch (conn_error(x->c)) {
	case -ECONNREFUSED:
		e = WERR_REFUSED;
		break;
	case -ETIMEDOUT:
		e = open ? WERR_TIMEOUT : WERR_CONNECT_TIMEOUT;
		break;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		e = WERR_UNREACHABLE;
		break;
	default:
		e = open ? WERR_RESET : WERR_REFUSED;
		break;
	}
	x->p->sum.errors[e]++;
	x->p->sum.failed++;
	svc_count(x->s, WGET_ERRORS, 1);
	leave(x);
}

/*
 * The request under way longest has its time limit. A server that does not
 * close when told to is left.
 */
static void
on_timer(struct wx *x)
{
	struct wget_state *st = x->st;
	uint32_t limit = (uint32_t)x->conf->timeout_ms * 1000, age;

	age = st->got < st->sent ?
	    (uint32_t)x->now - st->when[st->got % WGET_PIPELINE] : 0;
	if (age >= limit)
		fail(x, WERR_TIMEOUT);
	else if (st->got == st->sent && !more(x))
		done(x);
	else
		conn_timer(x->n, x->c, x->now + limit - age);
}

void
wget_event(struct svc *s, struct conn *c, uint32_t events)
{
	struct wx x = {
		.s = s, .n = s->net, .c = c, .st = conn_state(c),
		.p = s->priv, .conf = s->conf, .now = conn_now(s->net),
	};
	struct wget_state *st = x.st;

	if (st->gen != x.p->gen) {	/* another process opened it */
		st->gen = x.p->gen;
		x.p->active++;
		x.p->sum.adopted++;
		svc_count(s, WGET_ADOPTED, 1);
	}
	if (events & CONN_GONE) {
		gone(&x);
		return;
	}
	if (!(st->flags & WF_OPEN)) {
		st->flags |= WF_OPEN;
		x.p->sum.connected++;
		svc_count(s, WGET_CONNECTED, 1);
		hist_add(&x.p->connect, x.now - st->begun);
		if (x.conf->timeout_ms > 0)
			conn_timer(x.n, c, x.now +
			    (uint64_t)x.conf->timeout_ms * 1000);
	}
	if (events & CONN_TIMER)
		on_timer(&x);
	if (!x.gone)
		receive(&x);
	if (!x.gone)
		send_more(&x);
	if (x.gone)
		return;
	if (conn_eof(c))
		at_eof(&x);
	/* The server was told that this was the last, or said so itself: its
	 * FIN is waited for, so that TIME_WAIT stays on its side. */
	else if (st->got == st->sent && !more(&x) &&
	    (x.conf->reset || (!(st->flags & WF_LAST) && x.p->stopping &&
	    st->sent < x.p->per_conn)))
		done(&x);
}

uint64_t
wget_open(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct wget_state *st;
	struct conn *c;
	uint32_t i;
	int err;

	if (p->stopping || p->sum.started == p->flows)
		return UINT64_MAX;
	if (now_us < p->t_retry)
		return p->t_retry;
	for (i = 0; i < WGET_OPENS; i++) {
		if (p->active >= p->concurrency || p->sum.started == p->flows)
			return UINT64_MAX;
		err = net_connect(s->net, NULL, &p->server, now_us, &c);
		if (err == 0) {
			st = conn_state(c);
			st->begun = now_us;
			st->gen = p->gen;
			p->active++;
		} else if (p->active > 0) {
			/* Ports or records come back when flows end. */
			break;
		} else {
			p->sum.failed++;
			p->sum.errors[err == -ENETUNREACH ?
			    WERR_UNREACHABLE : WERR_NO_PORT]++;
			svc_count(s, WGET_ERRORS, 1);
		}
		p->sum.started++;
		svc_count(s, WGET_STARTED, 1);
		if (err != 0)
			break;
	}
	if (i < WGET_OPENS)
		p->t_retry = now_us + 1000;
	return i < WGET_OPENS ? p->t_retry : now_us;
}
