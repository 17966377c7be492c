/*
 * ip4_out: the usual segment out: IPv4 to a neighbour that was used before,
 * on a port without tags that fills in checksums. What ip_output() does, in few
 * words.
 */
#ifndef NET_IP4_OUT_H
#define NET_IP4_OUT_H

#include "net_priv.h"
#include "wire.h"

static inline struct hop *
hop_at(struct net *n, uint32_t dst_be)
{
	return &n->hop[dst_be * 0x9e3779b1u >> (32 - HOP_BITS)];
}

static inline void
store64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

/* One's complement addition. */
static inline uint32_t
ones_add(uint32_t a, uint32_t b)
{
	a += b;
	return a + (a < b);
}

/*
 * Send the TCP segment at p->off, p->len bytes in one piece, its checksum field
 * still to be filled in; out is not full. False: it is not that simple, nothing
 * was done.
 */
static inline bool
ip4_straight(struct net *n, struct pkt *p, const struct tuple *t,
    uint16_t l4_len, uint8_t tos)
{
	uint32_t src = rd32_be(t->laddr + 12), dst = rd32_be(t->raddr + 12);
	struct net_port *np = &n->port[t->port];
	const struct hop *hop = hop_at(n, dst);
	const struct neigh *e;
	uint8_t *h = pkt_data(p);
	uint32_t total, sum;
	uint64_t link;

	if (np->straight == 0 || t->family != 4 || hop->dst_be != dst ||
	    hop->port != t->port || hop->neigh == 0)
		return false;
	e = &n->neighs[hop->neigh - 1];
	link = atomic_load_explicit(&e->link, memory_order_relaxed) ^
	    (uint64_t)NEIGH_REACHABLE << 48;
	if (link >> 48 != 0 || n->now - e->confirmed > NEIGH_FRESH_US)
		return false;
	/* the pseudo-header's sum, RFC 9293 (3.1) */
	sum = ones_add(ones_add(src, dst),
	    __builtin_bswap32(PROTO_TCP << 16 | p->len));
	/* both halves are added, either way round, with the carry */
	sum += sum << 16 | sum >> 16;
	wr16_raw(h + TCP_CSUM, (uint16_t)(sum >> 16));
	total = p->len + IP4_HLEN;
	h -= ETH_HLEN + IP4_HLEN;
	store64(h, link | np->from_us[0]);
	store64(h + 8, np->from_us[1] | (uint64_t)tos << 56);
	/* length, identification, DF, time to live, protocol, no checksum */
	store64(h + ETH_HLEN + IP4_TOTAL, __builtin_bswap64(
	    (uint64_t)total << 48 | (uint64_t)np->ip_id << 32 |
	    IP4_DF << 16 | IP4_TTL_OURS << 8 | PROTO_TCP));
	np->ip_id++;
	wr16_raw(h + ETH_HLEN + IP4_CSUM, 0);
	store64(h + ETH_HLEN + IP4_SRC, src | (uint64_t)dst << 32);
	p->off -= ETH_HLEN + IP4_HLEN;
	p->len += ETH_HLEN + IP4_HLEN;
	p->flags |= np->straight;
	p->port = t->port;
	/* three lengths, and none for TSO, in one store */
	_Static_assert(offsetof(struct pkt, l3_len) ==
	    offsetof(struct pkt, l2_len) + 2 && offsetof(struct pkt, l4_len) ==
	    offsetof(struct pkt, l2_len) + 4 && offsetof(struct pkt, tso_mss) ==
	    offsetof(struct pkt, l2_len) + 6, "side by side");
	store64((uint8_t *)&p->l2_len, ETH_HLEN | IP4_HLEN << 16 |
	    (uint64_t)l4_len << 32);
	p->mark = ++n->tx_mark;
	n->out.p[n->out.n++] = p;
	return true;
}

#endif
