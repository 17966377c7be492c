/* UDP sockets: handles, local and remote ends, what waits. */
#include <errno.h>

#include "udp_priv.h"

#define PORT_LO		32768u	/* RFC 6056, as Linux chooses */
#define PORT_HI		60999u
#define GEN_MASK	0x7fffffu /* a handle: generation, then place */

struct udp_sock *
udp_at(const struct net *n, int s)
{
	uint32_t i = (uint32_t)s % UDP_SOCKS;
	const struct udp_sock *u = &n->udp[i];

	if (s < 0 || !u->used || (u->gen & GEN_MASK) !=
	    (uint32_t)s / UDP_SOCKS)
		return NULL;
	return (struct udp_sock *)(uintptr_t)u;
}

int
udp_handle(const struct net *n, const struct udp_sock *u)
{
	return (int)((u->gen & GEN_MASK) * UDP_SOCKS +
	    (uint32_t)(u - n->udp));
}

int
udp_open(struct net *n, void (*ready)(void *arg, int s), void *arg)
{
	struct udp_sock *u, *best = NULL;
	uint32_t gen;

	/* the place that rested longest, so that handles do not come back */
	for (u = n->udp; u < n->udp + UDP_SOCKS; u++)
		if (!u->used && (best == NULL || u->gen < best->gen))
			best = u;
	if (best == NULL)
		return -ENFILE;
	gen = best->gen + 1;
	memset(best, 0, sizeof(*best));
	best->gen = gen;
	best->used = 1;
	best->head = best->tail = PKT_NONE;
	best->ready = ready;
	best->arg = arg;
	return udp_handle(n, best);
}

/* ---- the table of local ports ---- */

static uint16_t *
entry(struct net *n, uint16_t port)
{
	return &n->udp_table[port % UDP_SOCKS];
}

static void
table_put(struct net *n, struct udp_sock *u)
{
	uint16_t *e = entry(n, u->local.port);

	u->next = *e;
	*e = (uint16_t)(u - n->udp + 1);
}

static void
table_del(struct net *n, struct udp_sock *u)
{
	uint16_t *e = entry(n, u->local.port);

	while (*e != (uint16_t)(u - n->udp + 1))
		e = &n->udp[*e - 1].next;
	*e = u->next;
}

static uint32_t
addr_len(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

static const uint8_t *
addr_of(const uint8_t mapped[16], uint8_t family)
{
	return family == 4 ? mapped + 12 : mapped;
}

/* Whether an end is this address and port. */
static bool
end_is(const struct net_addr *e, const uint8_t *addr, uint8_t family)
{
	return e->family == family &&
	    memcmp(e->addr, addr, addr_len(family)) == 0;
}

struct udp_sock *
udp_find(struct net *n, const struct tuple *t)
{
	uint16_t port = __builtin_bswap16(t->lport_be), i;
	uint32_t rank, best = 0;
	struct udp_sock *u, *found = NULL;

	for (i = *entry(n, port); i != 0; i = u->next) {
		u = &n->udp[i - 1];
		if (u->local.port != port)
			continue;
		rank = 1;
		if (u->local.family != 0) {
			if (!end_is(&u->local, addr_of(t->laddr, t->family),
			    t->family))
				continue;
			rank = 2;
		}
		if (u->remote.family != 0) {
			if (u->remote.port != __builtin_bswap16(t->rport_be) ||
			    !end_is(&u->remote, addr_of(t->raddr, t->family),
			    t->family))
				continue;
			rank += 2;
		}
		if (rank > best) {
			best = rank;
			found = u;
		}
	}
	return found;
}

/* ---- binding ---- */

/* Whether another socket has the port on an address that overlaps. */
static bool
taken(struct net *n, const struct udp_sock *me, const struct net_addr *a)
{
	const struct udp_sock *u;
	uint16_t i;

	for (i = *entry(n, a->port); i != 0; i = u->next) {
		u = &n->udp[i - 1];
		if (u != me && u->local.port == a->port &&
		    (u->local.family == 0 || a->family == 0 ||
		    end_is(&u->local, a->addr, a->family)))
			return true;
	}
	return false;
}

static bool
is_ours(const struct net *n, const struct net_addr *a)
{
	uint32_t i;

	for (i = 0; i < n->conf.nports; i++)
		if (a->family == 4 ? ip4_ours(&n->port[i], rd32_be(a->addr)) :
		    ip6_ours(&n->port[i], a->addr))
			return true;
	return false;
}

/* RFC 6056 (3.3.2): a random port of those that are this slot's. */
static int
choose_port(struct net *n, const struct udp_sock *u, struct net_addr *a)
{
	uint32_t lo = n->conf.client_lo, hi = n->conf.client_hi, i, at, count;
	uint32_t step = n->conf.udp_step != 0 ? n->conf.udp_step : 1;

	if (lo == 0 || hi < lo) {
		lo = PORT_LO;
		hi = PORT_HI;
	}
	if (lo + n->conf.udp_at > hi)
		return -EADDRNOTAVAIL;
	count = (hi - lo - n->conf.udp_at) / step + 1;
	at = (uint32_t)((uint64_t)net_random(n) * count >> 32);
	for (i = 0; i < count; i++) {
		a->port = (uint16_t)(lo + n->conf.udp_at + at * step);
		if (!taken(n, u, a))
			return 0;
		if (++at == count)
			at = 0;
	}
	return -EADDRNOTAVAIL;
}

int
udp_bind(struct net *n, int s, const struct net_addr *local)
{
	struct udp_sock *u = udp_at(n, s);
	struct net_addr a = *local;
	int err = 0;

	if (u == NULL)
		return -EBADF;
	if (u->local.port != 0 || (a.family != 0 && addr_len(a.family) == 0))
		return -EINVAL;
	if (a.family != 0 && !is_ours(n, &a))
		return -EADDRNOTAVAIL;
	if (a.port == 0)
		err = choose_port(n, u, &a);
	else if (taken(n, u, &a))
		err = -EADDRINUSE;
	if (err < 0)
		return err;
	u->local = a;
	table_put(n, u);
	return 0;
}

int
udp_connect(struct net *n, int s, const struct net_addr *remote)
{
	static const struct net_addr any;
	struct udp_sock *u = udp_at(n, s);
	struct tuple t;
	int err;

	if (u == NULL)
		return -EBADF;
	if (remote->family == 0) {
		u->remote = any;
		return 0;
	}
	if (addr_len(remote->family) == 0 || remote->port == 0)
		return -EINVAL;
	if (u->local.port == 0) {
		err = udp_bind(n, s, &any);
		if (err < 0)
			return err;
	}
	err = udp_flow(n, u, remote, &t);
	if (err < 0)
		return err;
	u->remote = *remote;
	/* from one address to one: errors name both. The port is ours in any
	 * case, so nothing is taken */
	if (u->local.family == 0) {
		u->local.family = remote->family;
		memcpy(u->local.addr, addr_of(t.laddr, t.family),
		    addr_len(t.family));
	}
	return 0;
}

/* ---- the rest ---- */

void
udp_next(struct net *n, struct udp_sock *u)
{
	struct udp_head h;
	struct pkt *p = pkt_at(n->env.base, u->head);
	uint32_t k;

	udp_head_at(p, &h);
	for (k = 0; k < h.frames; k++) {
		p = pkt_at(n->env.base, u->head);
		u->head = p->next;
		frame_put(n, p);
	}
	n->udp_frames -= h.frames;
	if (--u->n == 0)
		u->head = u->tail = PKT_NONE;
}

int
udp_close(struct net *n, int s)
{
	struct udp_sock *u = udp_at(n, s);

	if (u == NULL)
		return -EBADF;
	while (u->n > 0)
		udp_next(n, u);
	if (u->local.port != 0)
		table_del(n, u);
	u->used = 0;
	return 0;
}

int
udp_pending(const struct net *n, int s)
{
	const struct udp_sock *u = udp_at(n, s);

	return u == NULL ? -EBADF : (int)u->n + (u->error != 0);
}

int
udp_take_error(struct udp_sock *u)
{
	int err = u->error;

	u->error = 0;
	return err;
}

int
udp_error(struct net *n, int s)
{
	struct udp_sock *u = udp_at(n, s);

	return u == NULL ? -EBADF : udp_take_error(u);
}

int
udp_local(const struct net *n, int s, struct net_addr *a)
{
	const struct udp_sock *u = udp_at(n, s);

	if (u == NULL)
		return -EBADF;
	*a = u->local;
	return 0;
}

int
udp_remote(const struct net *n, int s, struct net_addr *a)
{
	const struct udp_sock *u = udp_at(n, s);

	if (u == NULL)
		return -EBADF;
	*a = u->remote;
	return 0;
}

void
udp_held(const struct net *n, void (*fn)(void *arg, uint32_t ref), void *arg)
{
	const struct udp_sock *u;
	uint32_t ref;

	for (u = n->udp; u < n->udp + UDP_SOCKS; u++) {
		if (!u->used || u->n == 0)
			continue;
		for (ref = u->head; ref != PKT_NONE;
		    ref = pkt_at(n->env.base, ref)->next)
			fn(arg, ref);
	}
}
