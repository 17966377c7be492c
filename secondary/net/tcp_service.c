/*
 * tcp_service: the service's turn with a connection, and opening one.
 */
#include <errno.h>
#include <string.h>

#include "tcp_priv.h"

/* Source ports when the configuration names none, as in Linux. */
#define PORT_LO		32768u
#define PORT_HI		60999u
/* Ports tried before it is said that none is free. */
#define PORT_TRIES	4096u

/* The event of a connection that was taken off the ready list. */
static inline void
service(struct net *n, struct conn *c, uint32_t id)
{
	uint32_t ev = c->ev;

	hands_set(n, id);
	c->ev = 0;
	if ((ev & CONN_OPEN) != 0)
		c->flags |= TF_OPENED;
	/* it is the service's only until it is closed */
	if (ev != 0 && (c->flags & TF_CLOSED) == 0 && n->env.event != NULL)
		n->env.event(n->env.arg, c, ev);
	if (c->state == TCP_CLOSED) {
		if ((c->flags & TF_HELD) == 0)
			tcp_free(n, c);
	} else if (c->out_next == LINK_OFF) {
		tcp_arm(n, c);
	}
	hands_clear(n);
}

uint32_t
net_events(struct net *n, uint64_t now_us, uint32_t max)
{
	struct conn *c = NULL, *last;

	net_time(n, now_us);
	last = n->ready_tail;
	while (n->ready_head != ARENA_NONE && max > 0 && c != last) {
		uint32_t id = n->ready_head;

		c = ready_pop(n);
		if (rec_served(&c->rec)) {
			service(n, c, id);
			max--;
		}
	}
	return n->ready_head != ARENA_NONE;
}

void
tcp_settle(struct net *n)
{
	struct conn *c;

	if (n->opening == 0)
		return;
	c = conn_at(n, n->opening - 1);
	n->opening = 0;
	if (c->state == TCP_CLOSED)
		tcp_free(n, c);
	else
		tcp_rest(n, c);
	hands_clear(n);
}

/* Fill an address of a tuple; a zero one for NULL. */
static int
addr_in(uint8_t to[16], const struct net_addr *a, uint8_t family)
{
	memset(to, 0, 16);
	if (a == NULL || a->family == 0)
		return 0;
	if (a->family != family)
		return -EINVAL;
	if (family == 6) {
		memcpy(to, a->addr, 16);
		return 0;
	}
	to[10] = to[11] = 0xff;
	memcpy(to + 12, a->addr, 4);
	return 0;
}

/* Whether the flow is free to be opened, and ours. */
static bool
flow_free(struct net *n, const struct tuple *t, uint32_t *hash)
{
	struct net_addr l, r;
	uint32_t id;

	if (n->env.owns != NULL) {
		struct conn c = { .t = *t };

		conn_local(&c, &l);
		conn_remote(&c, &r);
		if (!n->env.owns(n->env.arg, t->port, &l, &r))
			return false;
	}
	*hash = tuple_hash(n, t);
	id = lookup_find(n, *hash, t);
	return id == ARENA_NONE || (id >= n->a->shape.conns &&
	    tcp_tw_reuse(n, id));
}

static uint16_t
flow_bucket(struct net *n, const struct tuple *t)
{
	struct conn c = { .t = *t };
	struct net_addr l, r;

	if (n->env.bucket == NULL)
		return 0;
	conn_local(&c, &l);
	conn_remote(&c, &r);
	return (uint16_t)(n->env.bucket(n->env.arg, t->port, &l, &r) %
	    BOARD_BUCKETS);
}

/*
 * RFC 6056 §3.3.4: from a place that only we know the ports towards a remote
 * go up one by one, so that a port comes again as late as it can. A random one
 * may come again within a millisecond: then neither the sequence number nor
 * the timestamp of its SYN is larger than what the peer's TIME_WAIT remembers,
 * which refuses it, and the next try waits for a second. t has no local port
 * yet.
 */
static int
choose_port(struct net *n, struct tuple *t, uint32_t *hash)
{
	uint32_t lo = n->conf.client_lo, hi = n->conf.client_hi, span, at, i;
	uint64_t place = siphash13(n->isnkey, t, sizeof(*t));
	uint32_t *step = &n->port_step[place >> 32 & (PORT_STEPS - 1)];

	if (lo == 0 || hi < lo) {
		lo = PORT_LO;
		hi = PORT_HI;
	}
	span = hi - lo + 1;
	for (i = 0; i < min_u32(span, PORT_TRIES); i++) {
		at = ((uint32_t)place + (*step)++) % span;
		t->lport_be = __builtin_bswap16((uint16_t)(lo + at));
		if (flow_free(n, t, hash))
			return 0;
	}
	return -EADDRNOTAVAIL;
}

static int
make_tuple(struct net *n, struct tuple *t, const struct net_addr *local,
    const struct net_addr *remote, uint32_t *hash)
{
	int err;

	memset(t, 0, sizeof(*t));
	if (remote->port == 0 || (remote->family != 4 && remote->family != 6))
		return -EINVAL;
	t->family = remote->family;
	err = addr_in(t->raddr, remote, t->family);
	if (err == 0)
		err = addr_in(t->laddr, local, t->family);
	if (err < 0)
		return err;
	t->rport_be = __builtin_bswap16(remote->port);
	err = ip_route(n, t);
	if (err < 0)
		return err;
	if (local == NULL || local->port == 0)
		return choose_port(n, t, hash);
	t->lport_be = __builtin_bswap16(local->port);
	return flow_free(n, t, hash) ? 0 : -EADDRNOTAVAIL;
}

int
net_connect(struct net *n, const struct net_addr *local,
    const struct net_addr *remote, uint64_t now_us, struct conn **cp)
{
	struct tuple t;
	struct conn *c;
	uint32_t hash;
	int err;

	tcp_settle(n);
	net_time(n, now_us);
	err = make_tuple(n, &t, local, remote, &hash);
	if (err < 0)
		return err;
	c = tcp_open(n, &t, hash, flow_bucket(n, &t));
	if (c == NULL)
		return -ENOBUFS;
	c->flags |= TF_ACTIVE;
	tcp_isn(n, &t, &c->snd_una, &c->ts_off);
	c->snd_nxt = c->snd_una;
	c->mss = TCP_MSS_DEF;
	tcp_set_state(n, c, TCP_SYN_SENT);
	tcp_want_output(n, c);
	/* the bracket stays open: the service writes its state next */
	n->opening = conn_index(n, c) + 1;
	*cp = c;
	return 0;
}
