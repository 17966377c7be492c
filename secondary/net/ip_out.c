/* IP out: headers, checksums, next hop. */
#include <endian.h>

#include "base.h"
#include "ip4_out.h"

bool
bucket_take(struct bucket *b, uint64_t now_us, uint32_t rate, uint32_t burst)
{
	uint64_t more, since = now_us - b->last_us;

	if (since > US_PER_S)
		since = US_PER_S;
	more = since * rate / US_PER_S;
	if (more > 0) {
		b->last_us = now_us;
		b->tokens = b->tokens + more > burst ? burst :
		    b->tokens + (uint32_t)more;
	}
	if (b->tokens == 0)
		return false;
	b->tokens--;
	return true;
}

bool
frame_send(struct net *n, struct pkt *p)
{
	if (pktq_full(&n->out)) {
		net_count(n, CNT_drop_tx_full, 1);
		frame_put(n, p);
		return false;
	}
	p->mark = ++n->tx_mark;
	n->out.p[n->out.n++] = p;
	return true;
}

static inline uint8_t *
link_write(struct net *n, struct pkt *p, uint16_t type)
{
	const struct net_port *np = &n->port[p->port];
	uint32_t len = np->l2_len;
	uint8_t *h;

	p->off -= len;
	p->len += len;
	p->l2_len = (uint16_t)len;
	h = pkt_data(p);
	memcpy(h + ETH_SRC, np->conf.mac, 6);
	if (np->conf.vlan != 0) {
		wr16(h + ETH_TYPE, ETH_P_VLAN);
		wr16(h + ETH_HLEN, np->conf.vlan);
	}
	wr16(h + len - 2, type);
	return h;
}

uint8_t *
ether_header(struct net *n, struct pkt *p, uint16_t type)
{
	return link_write(n, p, type);
}

uint32_t
net_random(struct net *n)
{
	/* xorshift64* (Vigna 2014) */
	n->rnd ^= n->rnd >> 12;
	n->rnd ^= n->rnd << 25;
	n->rnd ^= n->rnd >> 27;
	return (uint32_t)(n->rnd * UINT64_C(2685821657736338717) >> 32);
}

/* Copy what the frame refers to behind its own bytes; false: no room. */
static bool
flatten(const struct net *n, struct pkt *p)
{
	uint32_t i, end = p->off + p->len;

	if (end - (uint32_t)sizeof(*p) + pkt_total(p) - p->len > p->room)
		return false;
	for (i = 0; i < p->nfrag; i++) {
		const struct pkt_frag *f = &p->frag[i];

		memcpy((uint8_t *)p + end,
		    (const void *)(n->env.base + (uintptr_t)f->off), f->len);
		end += f->len;
		p->len += f->len;
	}
	p->nfrag = 0;
	return true;
}

/* Sum of everything behind the transport header's first byte. */
static uint64_t
payload_sum(const struct net *n, const struct pkt *p)
{
	uint64_t sum = csum_add(0, pkt_data(p), p->len);
	uint32_t i, at = p->len;

	for (i = 0; i < p->nfrag; i++) {
		const struct pkt_frag *f = &p->frag[i];
		uint64_t s = csum_add(0,
		    (const void *)(n->env.base + (uintptr_t)f->off), f->len);

		/* at an odd place, bytes change sides: RFC 1071 (2.B) */
		if (at & 1)
			sum += __builtin_bswap16(csum_fold(s));
		else
			sum += s;
		at += f->len;
	}
	return sum;
}

uint64_t
pseudo_sum(const struct tuple *t, uint8_t proto, uint32_t len)
{
	/* zero, protocol, length: RFC 9293 (3.1). Over IPv6 the length has 32
	 * bits (RFC 8200 8.1), but no packet that we serve is so long. */
	uint64_t sum = __builtin_bswap32((uint32_t)proto << 16 |
	    (len & 0xffff));

	if (__builtin_expect(t->family == 4, 1))
		return sum + rd32_be(t->laddr + 12) + rd32_be(t->raddr + 12);
	return csum_add(csum_add(sum, t->laddr, 16), t->raddr, 16);
}

static inline void
sum_write(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint16_t csum_off)
{
	uint32_t caps = n->port[p->port].conf.caps;
	uint8_t *field = pkt_data(p) + csum_off;
	/* with TSO each packet has a length of its own */
	uint32_t len = (p->flags & PKT_TX_TSO) != 0 ? 0 : pkt_total(p);
	uint64_t sum = pseudo_sum(t, proto, len);
	uint16_t folded;

	if ((caps & NET_CAP_TX_L4CSUM || p->flags & PKT_TX_TSO) &&
	    proto == PROTO_TCP) {
		p->flags |= PKT_TX_L4CSUM;
		wr16_raw(field, csum_fold(sum));
		return;
	}
	wr16(field, 0);
	folded = (uint16_t)~csum_fold(sum + payload_sum(n, p));
	/* RFC 768: 0 says that there is none */
	wr16_raw(field, folded == 0 && proto == PROTO_UDP ? 0xffff : folded);
}

void
l4_csum(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint16_t csum_off)
{
	sum_write(n, p, t, proto, csum_off);
}

static inline uint8_t *
write4(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint8_t tos)
{
	struct net_port *np = &n->port[p->port];
	uint32_t total;
	uint8_t *ip;

	p->off -= IP4_HLEN;
	p->len += IP4_HLEN;
	p->l3_len = IP4_HLEN;
	total = pkt_total(p);
	ip = pkt_data(p);
	ip[0] = 0x45;
	ip[IP4_TOS] = tos;
	wr16(ip + IP4_TOTAL, (uint16_t)total);
	wr16(ip + IP4_ID, np->ip_id);
	/* the port gives each packet of a TSO frame an id of its own */
	np->ip_id += 1;
	if ((p->flags & PKT_TX_TSO) != 0)
		np->ip_id += (uint16_t)((total - IP4_HLEN - p->l4_len - 1) /
		    p->tso_mss);
	wr16(ip + IP4_FRAG, IP4_DF);
	ip[IP4_TTL] = IP4_TTL_OURS;
	ip[IP4_PROTO] = proto;
	wr16(ip + IP4_CSUM, 0);
	memcpy(ip + IP4_SRC, t->laddr + 12, 4);
	memcpy(ip + IP4_DST, t->raddr + 12, 4);
	if (np->conf.caps & NET_CAP_TX_IPCSUM || p->flags & PKT_TX_TSO)
		p->flags |= PKT_TX_IPCSUM;
	else
		wr16_raw(ip + IP4_CSUM,
		    (uint16_t)~csum_fold(csum_add(0, ip, IP4_HLEN)));
	return ip;
}

uint8_t *
ip4_write(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint8_t tos)
{
	return write4(n, p, t, proto, tos);
}

uint8_t *
ip6_write(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint8_t tos)
{
	uint32_t len = pkt_total(p);
	uint8_t *ip;

	(void)n;
	p->off -= IP6_HLEN;
	p->len += IP6_HLEN;
	p->l3_len = IP6_HLEN;
	p->flags |= PKT_TX_IPV6;
	ip = pkt_data(p);
	wr32(ip, 6u << 28 | (uint32_t)tos << 20);
	wr16(ip + IP6_PAYLOAD, (uint16_t)len);
	ip[IP6_NEXT] = proto;
	ip[IP6_HOPS] = IP4_TTL_OURS;
	memcpy(ip + IP6_SRC, t->laddr, 16);
	memcpy(ip + IP6_DST, t->raddr, 16);
	return ip;
}

/* The rest of ip_output() for IPv6. Takes p. */
static __attribute__((noinline)) void
output6(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint8_t tos)
{
	struct tuple hop = *t;

	if (ip_next_hop(n, &hop) < 0) {
		net_count(n, CNT_drop_no_route, 1);
		frame_put(n, p);
		return;
	}
	ip6_write(n, p, t, proto, tos);
	link_write(n, p, ETH_P_IP6);
	neigh_send(n, p, hop.raddr);
}

/* Next hop of an IPv4 address, written to gw if it is the gateway; NULL:
 * there is none. */
static inline const uint8_t *
hop4(const struct net_port *np, const struct tuple *t, uint8_t gw[16])
{
	uint32_t dst = rd32_be(t->raddr + 12), i;

	for (i = 0; i < np->naddr4; i++)
		if (((np->addr4_be[i] ^ dst) & np->mask4_be[i]) == 0)
			return ip4_broadcast(np, dst) ? NULL : t->raddr;
	if (np->gw4_be == 0 || dst == UINT32_MAX)
		return NULL;
	map4(gw, (const uint8_t *)&np->gw4_be);
	return gw;
}

void
ip_output(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint16_t l4_len, uint8_t tos)
{
	const struct net_port *np = &n->port[t->port];
	const uint8_t *hop;
	struct hop *used;
	uint32_t neigh;
	uint8_t gw[16];

	if (proto == PROTO_TCP && p->nfrag == 0 &&
	    (p->flags & PKT_TX_TSO) == 0 && !pktq_full(&n->out) &&
	    ip4_straight(n, p, t, l4_len, tos))
		return;
	p->port = t->port;
	p->l4_len = l4_len;
	if (p->nfrag != 0 && (np->conf.caps & NET_CAP_FRAGS) == 0 &&
	    !flatten(n, p)) {
		net_count(n, CNT_drop_oversize, 1);
		frame_put(n, p);
		return;
	}
	if (__builtin_expect(proto == PROTO_TCP, 1))
		sum_write(n, p, t, proto, TCP_CSUM);
	else if (proto != PROTO_ICMP)
		l4_csum(n, p, t, proto, proto == PROTO_UDP ? UDP_CSUM :
		    ICMP_CSUM);
	if (__builtin_expect(t->family != 4, 0)) {
		output6(n, p, t, proto, tos);
		return;
	}
	hop = hop4(np, t, gw);
	if (hop == NULL) {
		net_count(n, CNT_drop_no_route, 1);
		frame_put(n, p);
		return;
	}
	write4(n, p, t, proto, tos);
	link_write(n, p, ETH_P_IP4);
	neigh = neigh_send(n, p, hop);
	used = hop_at(n, rd32_be(t->raddr + 12));
	used->dst_be = rd32_be(t->raddr + 12);
	used->port = t->port;
	used->neigh = (uint16_t)neigh;
}
