/*
 * flow: one connection of the load client, from connect to its end.
 */
#include <errno.h>

#include "wget_priv.h"

/* The connection is no more; its place is free. */
static void
leave(struct wgx *x)
{
	x->st->flags |= WF_ENDED;
	x->gone = true;
	x->p->active--;
	if (!(x->st->flags & WF_OPEN))
		x->p->connecting--;
	x->t->t_last = x->now;
	if (x->p->rate > 0)
		idset_del(&x->p->idle, conn_id(x->n, x->c));
}

static void
count_failure(struct wgx *x, enum load_error e)
{
	x->t->sum.errors[e]++;
	x->t->sum.failed++;
	svc_count(x->s, WGET_ERRORS, 1);
	if (x->p->saves)
		wget_content_drop(x);
}

void
wget_fail(struct wgx *x, enum load_error e)
{
	count_failure(x, e);
	leave(x);
	conn_abort(x->n, x->c);
}

void
wget_done(struct wgx *x)
{
	x->t->sum.done++;
	svc_count(x->s, WGET_DONE, 1);
	leave(x);
	if (x->conf->reset)
		conn_abort(x->n, x->c);
	else
		conn_close(x->n, x->c);
}

bool
wget_more(const struct wgx *x)
{
	return x->st->sent < x->p->per_conn && !x->p->stopping &&
	    !(x->st->flags & WF_LAST);
}

/* Go on with the request in hand; false: no room. */
static bool
send_rest(struct wgx *x)
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
		x->t->sum.bytes_out += took;
		svc_count(x->s, WGET_BYTES_OUT, took);
		if (took < n)
			goto wait;
	}
	return true;
wait:
	conn_want_room(x->n, x->c, n - took);
	return false;
}

/* Begin requests as far as pipeline and rate allow; false: no room. */
static bool
send_more(struct wgx *x)
{
	struct wget_state *st = x->st;
	uint64_t when;

	/* sent counts a request from its first byte. */
	if (st->sent > 0 && !send_rest(x))
		return false;
	while (st->sent - st->got < x->p->depth && wget_more(x) &&
	    wget_due(x, &when)) {
		if (st->sent == st->got)
			st->since = (uint32_t)x->now;
		st->when[st->sent % WGET_PIPELINE] = (uint32_t)when;
		st->sent++;
		st->req_pos = 0;
		st->up_left = (uint64_t)x->conf->body_bytes;
		x->t->sum.requests++;
		svc_count(x->s, WGET_REQUESTS, 1);
		if (!send_rest(x))
			return false;
	}
	return true;
}

void
wget_send(struct wgx *x)
{
	struct wget_state *st = x->st;
	bool room = send_more(x);

	if (x->p->rate == 0)
		return;
	if (room && st->sent - st->got < x->p->depth && wget_more(x))
		idset_put(&x->p->idle, conn_id(x->n, x->c));
	else
		idset_del(&x->p->idle, conn_id(x->n, x->c));
}

/* CONN_GONE: the stack has the cause. */
static void
gone(struct wgx *x)
{
	enum load_error e;
	bool open = (x->st->flags & WF_OPEN) != 0;

	switch (conn_error(x->c)) {
	case -ECONNREFUSED:
		e = LOAD_REFUSED;
		break;
	case -ETIMEDOUT:
		e = open ? LOAD_TIMEOUT : LOAD_CONNECT_TIMEOUT;
		break;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		e = LOAD_UNREACHABLE;
		break;
	default:
		e = open ? LOAD_RESET : LOAD_REFUSED;
		break;
	}
	count_failure(x, e);
	leave(x);
}

/*
 * The request under way longest has its time limit. A server that does not
 * close when told to is left.
 */
static void
on_timer(struct wgx *x)
{
	struct wget_state *st = x->st;
	uint32_t limit = (uint32_t)x->conf->timeout_ms * 1000, age;

	if (limit == 0)		/* it was for a file */
		return;
	age = st->got < st->sent ? (uint32_t)x->now - st->since : 0;
	if (age >= limit)
		wget_fail(x, LOAD_TIMEOUT);
	else if (st->got == st->sent && !wget_more(x))
		wget_done(x);
	else
		conn_timer(x->n, x->c, x->now + limit - age);
}

void
wget_adopt(struct wgx *x)
{
	if (x->st->gen == x->p->gen)
		return;
	x->st->gen = x->p->gen;
	x->p->active++;
	if (!(x->st->flags & WF_OPEN))
		x->p->connecting++;
	x->t->sum.adopted++;
	svc_count(x->s, WGET_ADOPTED, 1);
}

static void
on_open(struct wgx *x)
{
	x->st->flags |= WF_OPEN;
	x->p->connecting--;
	x->t->sum.connected++;
	svc_count(x->s, WGET_CONNECTED, 1);
	hist_add(&x->t->connect, x->now - x->st->begun);
	if (x->conf->timeout_ms > 0)
		conn_timer(x->n, x->c, x->now +
		    (uint64_t)x->conf->timeout_ms * 1000);
}

/* Nothing is under way, and nothing more is to come. */
static bool
over(const struct wgx *x)
{
	const struct wget_state *st = x->st;

	/* The server was told that this was the last, or said so itself: its
	 * FIN is waited for, so that TIME_WAIT stays on its side. */
	return st->got == st->sent && !wget_more(x) && (x->conf->reset ||
	    (!(st->flags & WF_LAST) && x->p->stopping &&
	    st->sent < x->p->per_conn));
}

void
wget_event(struct svc *s, struct conn *c, uint32_t events)
{
	struct wgx x;

	wget_wx(&x, s, c, conn_now(s->net));
	if (x.st->gen != x.p->gen) {
		if (x.p->phase != WGET_SCAN) {	/* of a run that is over */
			if (!(events & CONN_GONE))
				conn_abort(x.n, c);
			return;
		}
		wget_adopt(&x);
	}
	if (events & CONN_GONE) {
		gone(&x);
		return;
	}
	if (!(x.st->flags & WF_OPEN) && !(events & CONN_OPEN) &&
	    (events & CONN_TIMER)) {
		wget_fail(&x, LOAD_CONNECT_TIMEOUT);
		return;
	}
	if (!(x.st->flags & WF_OPEN))
		on_open(&x);
	if (events & CONN_TIMER)
		on_timer(&x);
	if (!x.gone)
		wget_receive(&x);
	if (x.gone)
		return;
	if (x.stalled) {
		conn_timer(x.n, c, x.now + 1000);
		return;
	}
	wget_send(&x);
	/* Not conn_eof(): what is left unread is the start of a head. */
	if (conn_fin(c))
		wget_eof(&x);
	else if (over(&x))
		wget_done(&x);
}
