/*
 * limits: time, rates and numbers of connections.
 *
 * The counts are this process's own. A connection that it took over is counted
 * when it is first heard of, which its record tells (seat).
 */
#include "http_priv.h"

#define RATE_MS		20000u	/* a rate is judged over this time */

void
limit_start(struct http_priv *p, const struct svc *s, uint64_t now_us)
{
	p->seat = (uint32_t)(now_us + 1);
	p->salt = s->seed | 1;
}

/*
 * The place of a client's address in the table; NULL: its set is full of
 * others, which are counted instead. Whole /64 networks are one client, for
 * everybody has one.
 */
static struct http_peer *
peer_of(struct http_priv *p, const struct conn *c)
{
	struct http_peer *set, *gap = NULL;
	struct net_addr a;
	uint64_t key = 0;
	uint32_t i;

	conn_remote(c, &a);
	if (a.family == 4)
		memcpy(&key, a.addr, 4);
	else
		memcpy(&key, a.addr, 8);
	set = p->peer[(key * p->salt * UINT64_C(0x9e3779b97f4a7c15)) >> 32 &
	    (HTTP_PEERS - 1)];
	for (i = 0; i < HTTP_WAYS; i++) {
		if (set[i].n > 0 && set[i].key == key &&
		    set[i].family == a.family)
			return &set[i];
		if (set[i].n == 0)
			gap = &set[i];
	}
	if (gap != NULL) {
		gap->key = key;
		gap->family = a.family;
	}
	return gap;
}

/* Answer with status and end. */
static enum http_go
last_word(struct hx *x, uint16_t status)
{
	memset(&x->req, 0, sizeof(x->req));
	x->req.minor = 1;
	x->close = true;
	/* No room for so short a text: it would be read by nobody. */
	return page_error(x, status) == GO_WAIT ? hx_abort(x) : GO_GONE;
}

enum http_go
limit_enter(struct hx *x, bool fresh)
{
	const struct http_conf *conf = x->conf;
	struct http_peer *peer = NULL;

	if (conf->max_conns_addr > 0)
		peer = peer_of(x->p, x->c);
	if (fresh && ((conf->max_conns > 0 &&
	    x->p->conns >= conf->max_conns) ||
	    (peer != NULL && peer->n >= conf->max_conns_addr))) {
		svc_count(x->s, HTTP_REFUSED, 1);
		return last_word(x, 503);
	}
	x->p->conns++;
	x->st->seat = x->p->seat;
	x->st->peer = peer != NULL;
	if (peer != NULL)
		peer->n++;
	return GO_ON;
}

void
limit_leave(struct http_priv *p, struct http_state *st, const struct conn *c)
{
	struct http_peer *peer;

	if (st->seat != p->seat)
		return;
	st->seat = 0;
	p->conns--;
	if (!st->peer)
		return;
	peer = peer_of(p, c);
	if (peer != NULL && peer->n > 0)
		peer->n--;
}

/* A head or a body came too slowly: 408, unless an answer is under way. */
static enum http_go
too_slow(struct hx *x)
{
	svc_count(x->s, HTTP_TIMEOUT, 1);
	if (x->st->phase == PH_ECHO)
		return hx_abort(x);
	if (x->st->phase == PH_DRAIN)
		return hx_close(x);
	return last_word(x, 408);
}

/*
 * Whether the client took nothing since the last look (seen: bytes until
 * then), or too little of what was queued then already: nothing was answered
 * since.
 */
static bool
stalls(const struct hx *x, uint64_t taken)
{
	const struct http_state *st = x->st;

	if (st->seen == 0)		/* the first look */
		return false;
	if (taken == st->seen)
		return true;
	return st->requests == st->looked && (taken - st->seen) * 1000 <
	    (uint64_t)x->conf->min_rate * (uint64_t)x->conf->send_timeout_ms;
}

/*
 * Nothing is asked for, or the answer waits for room. A client that takes
 * nothing of what is queued, or hardly anything, is reset; one that asks
 * nothing is closed.
 */
static enum http_go
quiet(struct hx *x)
{
	struct http_state *st = x->st;
	struct conn_metrics m;
	uint64_t due;

	if (conn_queued(x->c) == 0 && (st->step > 0 || hx_avail(x) > 0)) {
		/* It waits for the disk or for chunks: no fault of the
		 * client's. */
		st->seen = 0;
		hx_timer(x, x->conf->send_timeout_ms);
		return GO_ON;
	}
	if (conn_queued(x->c) > 0) {
		conn_metrics(x->n, x->c, &m);
		if (stalls(x, m.bytes_out + 1)) {
			svc_count(x->s, HTTP_STALLED, 1);
			return hx_abort(x);
		}
		st->seen = m.bytes_out + 1;
		st->looked = st->requests;
		hx_timer(x, x->conf->send_timeout_ms);
		return GO_ON;
	}
	if (st->seen != 0) {		/* the pause begins only now */
		st->seen = 0;
		st->stamp = x->now;
	}
	due = st->stamp + 1000 * (uint64_t)(st->requests > 0 ?
	    x->conf->keepalive_timeout_ms : x->conf->header_timeout_ms);
	if (x->now >= due) {
		svc_count(x->s, HTTP_IDLE, 1);
		return hx_close(x);
	}
	conn_timer(x->n, x->c, due);
	return GO_ON;
}

void
limit_body(struct hx *x)
{
	struct http_state *st = x->st;
	int64_t ms = x->conf->body_timeout_ms;

	st->stamp = x->now;
	st->judged = (uint32_t)(x->now / 1000);
	st->seen = 0;
	hx_timer(x, ms < RATE_MS ? ms : RATE_MS);
}

/* Whether a body came too slowly in the time that is judged, if it is over. */
static bool
crawls(struct hx *x)
{
	struct http_state *st = x->st;
	uint64_t got = st->phase == PH_GATHER ? st->scanned : st->body, was;
	uint32_t now = (uint32_t)(x->now / 1000), ms = now - st->judged;

	if (ms < RATE_MS)
		return false;
	was = st->seen;
	st->seen = got;
	st->judged = now;
	return (got - was) * 1000 < (uint64_t)x->conf->min_rate * ms;
}

/*
 * One timer for all limits, moved lazily: traffic stores the time (stamp),
 * and when the timer fires it is set again to what is due by then.
 */
enum http_go
limit_timer(struct hx *x)
{
	struct http_state *st = x->st;
	uint64_t due, judge = UINT64_MAX;

	if (st->phase == PH_HEAD && st->searched == 0)
		return quiet(x);
	due = st->stamp + 1000 * (uint64_t)(st->phase == PH_HEAD ?
	    x->conf->header_timeout_ms : x->conf->body_timeout_ms);
	if (x->now >= due || (st->phase != PH_HEAD && crawls(x)))
		return too_slow(x);
	if (st->phase != PH_HEAD)
		judge = x->now + 1000 * (uint64_t)(RATE_MS -
		    ((uint32_t)(x->now / 1000) - st->judged));
	conn_timer(x->n, x->c, due < judge ? due : judge);
	return GO_ON;
}
