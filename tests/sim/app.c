/*
 * app: what the applications of a world do.
 *
 * Both ends of a connection know its plan: who sends how many bytes of which
 * stream. So each end knows what it must read, whatever happens below. What
 * the service must remember lies in the record (struct app_state) and is
 * compared with a copy outside, so that a successor's view of a connection
 * is known to be right.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"

#define APP_MAGIC	0x41505031u

struct app_state {
	uint32_t magic;
	uint32_t plan;
	uint32_t side;
	uint32_t pad;
	uint64_t sent, rcvd;
};

_Static_assert(sizeof(struct app_state) <= APP_STATE, "state_size of a world");

/* One event, as the helpers below see it. */
struct ctx {
	struct world *w;
	struct host *h;
	struct conn *c;
	struct app_state *st;
	struct plan *p;
	struct side *me, *peer;
	uint32_t i;		/* side: 0 client, 1 server */
	uint32_t events;
};

struct plan *
app_find(struct world *w, const uint8_t caddr[16], uint16_t cport,
    const uint8_t saddr[16])
{
	const struct host *c, *s;
	struct plan *p;
	uint32_t i;

	for (i = w->nplans; i-- > 0;) {
		p = &w->plan[i];
		if (p->cport != cport || p->old)
			continue;
		c = &w->host[p->host[0]];
		s = &w->host[p->host[1]];
		if (memcmp(c->addr[p->family == 6], caddr, 16) == 0 &&
		    memcmp(s->addr[p->family == 6], saddr, 16) == 0)
			return p;
	}
	return NULL;
}

static void
addr_of(const struct host *h, uint8_t family, uint16_t port,
    struct net_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = family;
	if (family == 4)
		memcpy(a->addr, &h->addr_be, 4);
	else
		memcpy(a->addr, h->addr[1], 16);
	a->port = port;
}

void
app_connect(struct world *w, struct plan *p)
{
	struct host *h = &w->host[p->host[0]];
	struct app_state *st;
	struct net_addr to, local, want;
	struct plan *old;
	struct conn *c;
	int err;

	addr_of(&w->host[p->host[1]], p->family, SIM_LISTEN, &to);
	err = net_connect(h->net, NULL, &to, w->now, &c);
	if (err < 0) {
		/* RFC 4862 (5.4): an address that is probed is not one. */
		SIM_CHECK(w, err == -ENOBUFS || err == -EADDRNOTAVAIL ||
		    (p->family == 6 && err == -ENETUNREACH),
		    "net_connect: %d", err);
		p->start_us = w->now + 50000;
		return;
	}
	p->start_us = SIM_NEVER;
	conn_local(c, &local);
	addr_of(h, p->family, local.port, &want);
	SIM_CHECK(w, local.port != 0 && local.family == p->family &&
	    memcmp(local.addr, want.addr, 16) == 0 && conn_active(c),
	    "net_connect chose a wrong local end, port %u", local.port);
	/* A port used again: the older plan has ended. */
	old = app_find(w, h->addr[p->family == 6], local.port,
	    w->host[p->host[1]].addr[p->family == 6]);
	if (old != NULL) {
		SIM_CHECK(w, old->side[0].phase == SIDE_DONE,
		    "port %u is used twice", local.port);
		old->old = true;
	}
	p->cport = local.port;
	st = conn_state(c);
	SIM_CHECK(w, st->magic == 0 && st->sent == 0 && st->rcvd == 0,
	    "state of a new connection is not zero");
	st->magic = APP_MAGIC;
	st->plan = (uint32_t)(p - w->plan);
	p->side[0].phase = SIDE_OPEN;
	trace_note(w, "plan %u kind %u: IPv%u host %u port %u to host %u, "
	    "%llu/%llu", st->plan, p->kind, p->family, h->id, p->cport, p->host[1],
	    (unsigned long long)p->side[0].total,
	    (unsigned long long)p->side[1].total);
}

/*
 * The plan of an accepted connection. False: it had one before, and is ended.
 * That may be: a cookie does not know that it was used (RFC 4987, 3.6), so
 * what the client still sent opens once more what the server closed; and of a
 * connection that was torn the successor knows nothing.
 */
static bool
bind(struct world *w, struct host *h, struct conn *c, struct app_state *st,
    uint32_t events)
{
	struct net_addr local, remote;
	uint8_t addr[16];
	struct plan *p;

	SIM_CHECK(w, st->magic == 0 && events & CONN_OPEN && !conn_active(c),
	    "host %u: first event %x, magic %x", h->id, events, st->magic);
	conn_local(c, &local);
	conn_remote(c, &remote);
	memcpy(addr, remote.addr, 16);
	if (remote.family == 4)
		ip_map4(addr, remote.addr);
	p = app_find(w, addr, remote.port, h->addr[remote.family == 6]);
	SIM_CHECK(w, p != NULL && local.port == SIM_LISTEN,
	    "host %u: a connection of no plan, port %u", h->id, remote.port);
	if (p->side[1].phase != SIDE_NONE) {
		SIM_CHECK(w, p->side[1].torn || (h->counters[
		    CNT_tcp_cookies_ok] > 0 && p->side[1].phase == SIDE_DONE),
		    "host %u: port %u is accepted twice", h->id, remote.port);
		p->lenient = true;
		conn_abort(h->net, c);
		return false;
	}
	st->magic = APP_MAGIC;
	st->plan = (uint32_t)(p - w->plan);
	st->side = 1;
	p->side[1].phase = SIDE_OPEN;
	return true;
}

/* Bytes that the script lets this side send by now. */
static uint64_t
allowed(const struct ctx *x)
{
	const struct plan *p = x->p;
	uint64_t n = x->me->total;

	if (p->kind == PLAN_HALF && x->i == 1 && !x->me->eof)
		return 0;
	if (p->kind == PLAN_RPC && x->i == 0)
		n = (x->me->rcvd / p->answer + 1) * p->request;
	if (p->kind == PLAN_RPC && x->i == 1)
		n = x->me->rcvd / p->request * p->answer;
	return n < x->me->total ? n : x->me->total;
}

/* Unread bytes from skip on are the right ones of the peer's stream. */
static void
verify(struct ctx *x, uint32_t skip, const uint8_t *p, uint32_t len)
{
	const uint8_t *want;
	uint32_t n, at;

	for (at = 0; at < len; at += n) {
		n = len - at < PATTERN_RUN ? len - at : PATTERN_RUN;
		want = pattern(x->p->key + !x->i, x->me->rcvd + skip + at);
		SIM_CHECK(x->w, memcmp(p + at, want, n) == 0,
		    "host %u plan %u reads wrong bytes near %llu", x->h->id,
		    x->st->plan,
		    (unsigned long long)(x->me->rcvd + skip + at));
	}
}

static void
consume(struct ctx *x, uint32_t len)
{
	host_may_die(x->h);
	conn_consume(x->h->net, x->c, len);
	x->me->rcvd += len;
	x->st->rcvd += len;
}

/* Look at len bytes in place, by pieces. */
static void
look(struct ctx *x, uint32_t len)
{
	const uint8_t *p = NULL;
	uint32_t skip, n;

	for (skip = 0; skip < len; skip += n) {
		n = conn_peek(x->h->net, x->c, skip, &p);
		SIM_CHECK(x->w, n > 0, "conn_peek ends at %u of %u", skip,
		    len);
		if (n > len - skip)
			n = len - skip;
		verify(x, skip, p, n);
	}
}

static void
read_copy(struct ctx *x, uint32_t len)
{
	uint8_t buf[4096];
	uint32_t n, skip, got;

	for (; len > 0; len -= n) {
		n = rng_range(&x->w->app_rng, 1, sizeof(buf));
		if (n > len)
			n = len;
		skip = rng_below(&x->w->app_rng, n);
		got = conn_copy(x->h->net, x->c, skip, buf, n - skip);
		SIM_CHECK(x->w, got == n - skip, "conn_copy: %u of %u", got,
		    n - skip);
		verify(x, skip, buf, got);
		look(x, skip);
		consume(x, n);
	}
}

static void
arm(struct ctx *x)
{
	x->me->armed = true;
	conn_timer(x->h->net, x->c, x->w->now + x->me->slow_us);
}

static void
app_read(struct ctx *x)
{
	uint32_t n = conn_readable(x->c);
	bool due = x->events & CONN_TIMER;

	SIM_CHECK(x->w, x->me->rcvd + n <= x->peer->sent,
	    "host %u plan %u: %llu bytes to read, %llu were sent", x->h->id,
	    x->st->plan, (unsigned long long)(x->me->rcvd + n),
	    (unsigned long long)x->peer->sent);
	if (due)
		x->me->armed = false;
	switch (x->me->reader) {
	case READ_COPY:
		read_copy(x, n);
		break;
	case READ_SLOW:
		if (x->me->armed || n == 0)
			break;
		if (n > x->me->slow_bytes)
			n = x->me->slow_bytes;
		look(x, n);
		consume(x, n);
		arm(x);
		break;
	case READ_LAZY:
		look(x, n);
		if (due || n >= x->me->slow_bytes)
			consume(x, n);
		else if (n > 0 && !x->me->armed)
			arm(x);
		break;
	default:
		look(x, n);
		if (n > 0)
			consume(x, n);
	}
	if (!conn_eof(x->c) || x->me->eof)
		return;
	x->me->eof = true;
	SIM_CHECK(x->w, x->me->rcvd == x->peer->sent && (x->peer->shut ||
	    x->peer->phase == SIDE_DONE || x->p->side[0].torn),
	    "host %u plan %u: end after %llu of %llu bytes", x->h->id,
	    x->st->plan, (unsigned long long)x->me->rcvd,
	    (unsigned long long)x->peer->sent);
}

/* One call that sends; false: no room. */
static bool
send_some(struct ctx *x, uint32_t len, uint32_t how)
{
	const uint8_t *from = pattern(x->p->key + x->i, x->me->sent);
	struct net *n = x->h->net;
	uint32_t took = len, room, min;
	void *at;

	host_may_die(x->h);
	if (how == HOW_MEM) {
		if (conn_send_mem(n, x->c, from, len) < 0)
			took = 0;
	} else if (how == HOW_RESERVE) {
		room = len;
		min = rng_range(&x->w->app_rng, 1, len < 512 ? len : 512);
		at = conn_reserve(n, x->c, min, &room);
		SIM_CHECK(x->w, at == NULL || room >= min,
		    "conn_reserve: %u, at least %u", room, min);
		took = at == NULL ? 0 : room < len ? room : len;
		if (at != NULL) {
			memcpy(at, from, took);
			conn_commit(n, x->c, took);
		}
	} else {
		room = conn_room(n, x->c);
		took = conn_write(n, x->c, from, len);
		SIM_CHECK(x->w, took <= len && took <= room,
		    "conn_write: %u of %u, room %u", took, len, room);
	}
	x->me->sent += took;
	x->st->sent += took;
	return took == len;
}

static void
app_write(struct ctx *x)
{
	uint64_t until = allowed(x);
	struct rng *r = &x->w->app_rng;
	uint32_t len, how;

	while (x->me->sent < until) {
		len = rng_log(r, 1, x->me->write_max);
		if (len > until - x->me->sent)
			len = (uint32_t)(until - x->me->sent);
		do
			how = 1u << rng_below(r, 3);
		while (!(x->me->how & how));
		if (x->me->how & HOW_CORK && rng_chance(r, 100000)) {
			x->me->corked = !x->me->corked;
			conn_cork(x->h->net, x->c, x->me->corked);
		}
		if (x->me->how & HOW_NODELAY && rng_chance(r, 100000))
			conn_nodelay(x->c, rng_chance(r, 500000));
		if (send_some(x, len, how))
			continue;
		conn_want_room(x->h->net, x->c,
		    rng_log(r, 1, x->me->write_max));
		break;
	}
	if (x->me->corked && x->me->sent == until) {
		x->me->corked = false;
		conn_cork(x->h->net, x->c, false);
	}
}

/* End what the script says is at its end. */
static void
app_end(struct ctx *x)
{
	struct side *me = x->me;
	bool all = me->sent == me->total;

	if (me->sent + me->rcvd >= me->end_at) {
		me->ended = true;
		me->phase = SIDE_DONE;
		trace_note(x->w, "plan %u side %u ends early", x->st->plan,
		    x->i);
		if (x->p->kind == PLAN_ABORT)
			conn_abort(x->h->net, x->c);
		else
			conn_close(x->h->net, x->c);
		return;
	}
	if (all && me->eof) {
		me->phase = SIDE_DONE;
		conn_close(x->h->net, x->c);
		return;
	}
	/* A client that has all its answers needs no half-close. */
	if (x->p->kind == PLAN_RPC && x->i == 0) {
		if (all && me->rcvd == x->peer->total) {
			me->phase = SIDE_DONE;
			conn_close(x->h->net, x->c);
		}
		return;
	}
	if (x->p->kind == PLAN_HALF && x->i == 1 && !me->eof)
		return;
	if (all && !me->shut) {
		me->shut = true;
		conn_shutdown(x->h->net, x->c);
	}
}

/*
 * Whether a connection may be lost. Cookies have that price: what overtakes
 * the segment that answers one, or an old SYN that comes after it, makes a
 * RST (Linux does the same). And a flood from addresses of the same network
 * fills the neighbours' tables, so that a handshake may find no way there.
 */
static bool
may_fail(const struct ctx *x)
{
	const struct host *client = &x->w->host[x->p->host[0]];
	const struct host *server = &x->w->host[x->p->host[1]];

	if (x->me->error == -ETIMEDOUT && x->i == 0 && x->peer->phase ==
	    SIDE_NONE && x->w->attack_burst > 0 &&
	    server->counters[CNT_drop_neigh] +
	    client->counters[CNT_drop_neigh] > 0)
		return true;
	return x->p->lenient || x->me->torn || x->peer->ended ||
	    (x->me->error == -ECONNRESET &&
	    server->counters[CNT_tcp_cookies_sent] > 0);
}

static void
gone(struct ctx *x)
{
	struct side *me = x->me;

	me->error = conn_error(x->c);
	x->p->lenient |= me->error != 0 && may_fail(x);
	me->phase = SIDE_DONE;
	trace_note(x->w, "plan %u side %u is gone: %d", x->st->plan, x->i,
	    me->error);
	/* In its last call the service may read what is left. */
	if (me->error == 0) {
		me->reader = READ_ALL;
		app_read(x);
	}
	SIM_CHECK(x->w, me->error == 0 || may_fail(x),
	    "host %u plan %u: lost by error %d after %llu sent, %llu read",
	    x->h->id, x->st->plan, me->error, (unsigned long long)me->sent,
	    (unsigned long long)me->rcvd);
}

void
app_event(void *arg, struct conn *c, uint32_t events)
{
	struct host *h = arg;
	struct ctx x = { .w = h->w, .h = h, .c = c, .events = events };

	host_may_die(h);
	x.st = conn_state(c);
	if (x.st->magic != APP_MAGIC && !bind(x.w, h, c, x.st, events))
		return;
	SIM_CHECK(x.w, x.st->plan < x.w->nplans && x.st->side < 2,
	    "host %u: state of a connection is damaged", h->id);
	x.p = &x.w->plan[x.st->plan];
	x.i = x.st->side;
	x.me = &x.p->side[x.i];
	x.peer = &x.p->side[!x.i];
	SIM_CHECK(x.w, x.me->phase == SIDE_OPEN &&
	    x.p->host[x.i] == h->id, "host %u plan %u: event %x after its end",
	    h->id, x.st->plan, events);
	SIM_CHECK(x.w, x.st->sent == x.me->sent && x.st->rcvd == x.me->rcvd,
	    "host %u plan %u: state says %llu/%llu, was %llu/%llu", h->id,
	    x.st->plan, (unsigned long long)x.st->sent,
	    (unsigned long long)x.st->rcvd, (unsigned long long)x.me->sent,
	    (unsigned long long)x.me->rcvd);
	if (events & CONN_GONE) {
		gone(&x);
		return;
	}
	app_read(&x);
	app_write(&x);
	host_may_die(h);
	app_end(&x);
	host_may_die(h);
}

bool
app_done(const struct plan *p)
{
	/* A client that never got through has no other side. */
	return p->side[0].phase == SIDE_DONE &&
	    (p->side[1].phase == SIDE_DONE ||
	    (p->side[1].phase == SIDE_NONE && (p->side[0].error != 0 ||
	    p->side[0].ended || p->side[0].torn)));
}

void
app_judge(struct world *w, const struct plan *p)
{
	const struct side *a = &p->side[0], *b = &p->side[1];
	unsigned int i = (unsigned int)(p - w->plan);

	if (p->lenient || a->torn || a->ended || b->ended)
		return;
	SIM_CHECK(w, a->rcvd == b->total && b->rcvd == a->total &&
	    a->error == 0 && b->error == 0,
	    "plan %u: %llu of %llu and %llu of %llu bytes, errors %d, %d", i,
	    (unsigned long long)a->rcvd, (unsigned long long)b->total,
	    (unsigned long long)b->rcvd, (unsigned long long)a->total,
	    a->error, b->error);
}

void
app_torn(struct world *w, uint32_t host, const struct tuple *t)
{
	struct plan *p;

	p = app_find(w, t->laddr, get16((const uint8_t *)&t->lport_be),
	    t->raddr);
	if (p == NULL)
		p = app_find(w, t->raddr,
		    get16((const uint8_t *)&t->rport_be), t->laddr);
	if (p == NULL)
		return;
	trace_note(w, "host %u: plan %u was in hands", host,
	    (unsigned int)(p - w->plan));
	p->side[0].torn = p->side[1].torn = true;
	/* Its process will hear no more of it. */
	p->side[p->host[1] == host].phase = SIDE_DONE;
}
