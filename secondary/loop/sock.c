/*
 * sock: the life of a socket: made, named, listening, connected, closed.
 */
#include <errno.h>
#include <string.h>

#include "sock_priv.h"

#define GEN_SHIFT	20u
#define PLACE_MASK	((1u << GEN_SHIFT) - 1)
#define PORT_LO		32768u	/* as in net.h, where it names none */
#define PORT_HI		60999u

/* ---- places ---- */

static size_t
round16(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

size_t
socks_size(const struct socks_conf *c)
{
	if (c->socks == 0 || c->socks > SOCKS_MAX || c->watches > 1u << 24)
		return 0;
	return round16(sizeof(struct socks)) +
	    round16((size_t)c->socks * sizeof(struct sock)) +
	    (size_t)c->watches * sizeof(struct watch);
}

void
socks_net_conf(struct net_conf *c)
{
	c->conn_opts = 1;
	if (c->shape.state_size < sizeof(struct sock_state))
		c->shape.state_size = sizeof(struct sock_state);
}

int
socks_init(struct socks *s, const struct socks_conf *c, struct net *n)
{
	size_t size = socks_size(c), at = round16(sizeof(*s));
	uint32_t i;

	if (size == 0)
		return -EINVAL;
	memset(s, 0, size);
	s->conf = *c;
	s->n = n;
	s->sock = (void *)((uint8_t *)s + at);
	at += round16((size_t)c->socks * sizeof(struct sock));
	s->watch = (void *)((uint8_t *)s + at);
	s->bound = SOCK_NONE;
	for (i = 0; i < c->socks; i++)
		s->sock[i].next = i + 1 < c->socks ? i + 1 : SOCK_NONE;
	s->free_head = 0;
	s->free_tail = c->socks - 1;
	poll_init(s);
	return 0;
}

uint64_t
socks_refused(const struct socks *s)
{
	return s->refused;
}

bool
sock_is(const struct socks *s, int h)
{
	return sock_get(s, h) != NULL;
}

uint32_t
sock_index(int h)
{
	return ((uint32_t)h & PLACE_MASK) - 1;
}

struct sock *
sock_get(const struct socks *s, int h)
{
	uint32_t i = sock_index(h);
	struct sock *k;

	if (h <= 0 || i >= s->conf.socks)
		return NULL;
	k = &s->sock[i];
	if (k->kind == SK_FREE || k->gen != (uint32_t)h >> GEN_SHIFT)
		return NULL;
	return k;
}

struct sock *
sock_take(struct socks *s)
{
	struct sock *k;
	uint16_t gen;

	if (s->free_head == SOCK_NONE)
		return NULL;
	k = &s->sock[s->free_head];
	s->free_head = k->next;
	if (s->free_head == SOCK_NONE)
		s->free_tail = SOCK_NONE;
	gen = k->gen;
	memset(k, 0, sizeof(*k));
	k->gen = gen;
	k->kind = SK_NEW;
	k->conn = ARENA_NONE;
	k->udp = -1;
	k->next = k->head = k->tail = k->watch = SOCK_NONE;
	k->bound_next = k->bound_prev = SOCK_NONE;
	return k;
}

static void
unbind(struct socks *s, struct sock *k)
{
	if ((k->flags & SF_BOUND) == 0)
		return;
	if (k->bound_prev == SOCK_NONE)
		s->bound = k->bound_next;
	else
		s->sock[k->bound_prev].bound_next = k->bound_next;
	if (k->bound_next != SOCK_NONE)
		s->sock[k->bound_next].bound_prev = k->bound_prev;
	k->flags &= (uint16_t)~SF_BOUND;
}

static void
on_bound(struct socks *s, struct sock *k)
{
	uint32_t i = sock_place(s, k);

	k->flags |= SF_BOUND;
	k->bound_prev = SOCK_NONE;
	k->bound_next = s->bound;
	if (s->bound != SOCK_NONE)
		s->sock[s->bound].bound_prev = i;
	s->bound = i;
}

void
sock_drop(struct socks *s, struct sock *k)
{
	uint32_t i = sock_place(s, k);

	unbind(s, k);
	k->kind = SK_FREE;
	k->gen = (uint16_t)((k->gen + 1) % SOCK_GENS);
	k->next = SOCK_NONE;
	/* at the end, so that a stale handle stays one for long */
	if (s->free_tail == SOCK_NONE)
		s->free_head = i;
	else
		s->sock[s->free_tail].next = i;
	s->free_tail = i;
}

int
sock_open(struct socks *s, uint8_t family, int type)
{
	struct sock *k;
	int err;

	if (family != 4 && family != 6)
		return -EAFNOSUPPORT;
	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return -EPROTONOSUPPORT;
	k = sock_take(s);
	if (k == NULL)
		return -EMFILE;
	k->family = family;
	if (type == SOCK_DGRAM) {
		err = dgram_open(s, k);
		if (err < 0) {
			sock_drop(s, k);
			return err;
		}
	}
	return sock_handle(s, k);
}

/* ---- names ---- */

static bool
is_any(const struct net_addr *a)
{
	static const uint8_t zero[16];

	return a->family == 0 ||
	    memcmp(a->addr, zero, a->family == 4 ? 4 : 16) == 0;
}

/* Whether both could name the same packet's receiver. */
static bool
overlap(const struct net_addr *a, const struct net_addr *b)
{
	if (a->port != b->port ||
	    (a->family != b->family && a->family != 0 && b->family != 0))
		return false;
	if (is_any(a) || is_any(b))
		return true;
	return memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

/* The family of "any address": an IPv6 socket hears IPv4 too, unless it was
 * told not to. */
static uint8_t
any_family(const struct sock *k)
{
	return k->family == 6 && (k->flags & SF_V6ONLY) == 0 ? 0 : k->family;
}

static bool
in_use(const struct socks *s, const struct sock *k, const struct net_addr *a)
{
	const struct sock *o;
	uint32_t i;

	for (i = s->bound; i != SOCK_NONE; i = o->bound_next) {
		o = &s->sock[i];
		if (o == k || !overlap(&o->local, a))
			continue;
		if ((o->flags & k->flags & SF_REUSE) == 0 ||
		    o->kind == SK_LISTEN || k->kind == SK_LISTEN)
			return true;
	}
	return false;
}

int
sock_bind(struct socks *s, int h, const struct net_addr *a)
{
	struct sock *k = sock_get(s, h);
	struct net_addr local = *a;
	int err;

	if (k == NULL)
		return -EBADF;
	if ((k->kind != SK_NEW && k->kind != SK_DGRAM) ||
	    (k->flags & SF_BOUND) != 0)
		return -EINVAL;
	if (local.family != 0 && local.family != k->family)
		return -EAFNOSUPPORT;
	if (is_any(&local)) {
		memset(local.addr, 0, sizeof(local.addr));
		local.family = k->kind == SK_DGRAM ? 0 : any_family(k);
	} else {
		err = net_local(s->n, &local);
		if (err < 0)
			return err;
	}
	if (k->kind == SK_DGRAM)
		return dgram_bind(s, k, &local);
	if (local.port != 0 && in_use(s, k, &local))
		return -EADDRINUSE;
	k->local = local;
	on_bound(s, k);
	return 0;
}

/* ---- listening ---- */

static int
listen_at(struct socks *s, struct sock *k)
{
	struct net_listen_conf l = { .local = k->local,
	    .backlog = k->backlog, .user = sock_place(s, k),
	    .opts = k->opts };

	return k->kind == SK_LISTEN ? net_listen_set(s->n, &l) :
	    net_listen_as(s->n, &l);
}

/* Listen where it is bound, or on any free port. */
static int
sock_listener(struct socks *s, struct sock *k)
{
	const struct net_conf *c = net_settings(s->n);
	uint32_t lo = c->client_lo, hi = c->client_hi, span, at, i;
	int err = -EADDRINUSE;

	if (k->local.port != 0)
		return listen_at(s, k);
	if (lo == 0 || hi < lo) {
		lo = PORT_LO;
		hi = PORT_HI;
	}
	/* any free port: from one on that differs each time */
	span = hi - lo + 1;
	at = (uint32_t)(conn_now(s->n) + sock_place(s, k)) % span;
	for (i = 0; i < span && err == -EADDRINUSE; i++) {
		k->local.port = (uint16_t)(lo + (at + i) % span);
		if (!in_use(s, k, &k->local))
			err = listen_at(s, k);
	}
	if (err < 0)
		k->local.port = 0;
	return err;
}

int
sock_listen(struct socks *s, int h, int backlog)
{
	struct sock *k = sock_get(s, h);
	int err;

	if (k == NULL)
		return -EBADF;
	if (k->kind == SK_DGRAM || k->kind == SK_SET)
		return -EOPNOTSUPP;
	if (k->kind != SK_NEW && k->kind != SK_LISTEN)
		return -EINVAL;
	if (k->kind == SK_NEW && k->local.port != 0) {
		/* an address may be shared until somebody listens there */
		k->kind = SK_LISTEN;
		err = in_use(s, k, &k->local) ? -EADDRINUSE : 0;
		k->kind = SK_NEW;
		if (err < 0)
			return err;
	}
	if ((k->flags & SF_BOUND) == 0)
		k->local.family = any_family(k);
	k->backlog = backlog < 1 ? 1 : backlog > UINT16_MAX ? UINT16_MAX :
	    (uint16_t)backlog;
	err = sock_listener(s, k);
	if (err < 0)
		return err;
	if ((k->flags & SF_BOUND) == 0)
		on_bound(s, k);
	k->kind = SK_LISTEN;
	return net_listen_full(s->n, &k->local, k->queued >= k->backlog);
}

int
sock_accept(struct socks *s, int h, struct net_addr *peer)
{
	struct sock *k = sock_get(s, h), *got;

	if (k == NULL)
		return -EBADF;
	if (k->kind != SK_LISTEN)
		return k->kind == SK_DGRAM ? -EOPNOTSUPP : -EINVAL;
	if (k->head == SOCK_NONE)
		return -EAGAIN;
	got = &s->sock[k->head];
	k->head = got->next;
	if (k->head == SOCK_NONE)
		k->tail = SOCK_NONE;
	got->next = SOCK_NONE;
	if (k->queued-- == k->backlog)
		(void)net_listen_full(s->n, &k->local, false);
	if (peer != NULL)
		*peer = got->remote;
	return sock_handle(s, got);
}

/* ---- connecting ---- */

void
sock_adorn(struct socks *s, struct sock *k, struct conn *c)
{
	struct sock_state *st = conn_state(c);

	st->sock = sock_place(s, k) + 1;
	k->conn = conn_id(s->n, c);
	conn_local(c, &k->local);
	conn_remote(c, &k->remote);
	if ((k->flags & SF_CORK) != 0)
		conn_cork(s->n, c, true);
}

int
sock_connect(struct socks *s, int h, const struct net_addr *a)
{
	struct sock *k = sock_get(s, h);
	struct net_addr local = { .family = 0 };
	struct conn *c;
	int err;

	if (k == NULL)
		return -EBADF;
	if (k->kind == SK_DGRAM)
		return dgram_connect(s, k, a);
	if (k->kind == SK_CONNECTING)
		return -EALREADY;
	if (k->kind == SK_OPEN)
		return -EISCONN;
	if (k->kind == SK_FAILED) {
		err = k->err;
		k->err = 0;
		k->flags &= (uint16_t)~SF_GONE;
		k->kind = SK_NEW;
		if ((k->flags & SF_BOUND) == 0)
			memset(&k->local, 0, sizeof(k->local));
		if (err != 0)
			return err;
	}
	if (k->kind != SK_NEW)
		return -EOPNOTSUPP;
	if (a->family != k->family)
		return -EAFNOSUPPORT;
	if ((k->flags & SF_BOUND) != 0)
		local = k->local;
	if (is_any(&local))
		local.family = 0;	/* the stack chooses */
	err = net_connect(s->n, &local, a, conn_now(s->n), &c);
	if (err < 0)
		return err;
	conn_set_opts(s->n, c, &k->opts);
	sock_adorn(s, k, c);
	k->kind = SK_CONNECTING;
	return -EINPROGRESS;
}
