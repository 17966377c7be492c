/* IP out: route, headers, checksums, next hop. */
#include <errno.h>

#include "base.h"

#define TTL	64u

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

uint8_t *
ether_header(struct net *n, struct pkt *p, uint16_t type)
{
	uint8_t *h;

	p->off -= ETH_HLEN;
	p->len += ETH_HLEN;
	p->l2_len = ETH_HLEN;
	h = pkt_data(p);
	memcpy(h + ETH_SRC, n->port[p->port].conf.mac, 6);
	wr16(h + ETH_TYPE, type);
	return h;
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

uint16_t
ip_mtu(const struct net *n, const struct tuple *t)
{
	return n->port[t->port].conf.mtu;
}

int
ip_next_hop(const struct net *n, struct tuple *t)
{
	const struct net_port *np = &n->port[t->port];
	uint32_t dst = rd32_be(t->raddr + 12), i;

	for (i = 0; i < np->naddr4; i++)
		if (((np->addr4_be[i] ^ dst) & np->mask4_be[i]) == 0)
			return 0;
	if (np->gw4_be == 0)
		return -ENETUNREACH;
	map4(t->raddr, (const uint8_t *)&np->gw4_be);
	return 0;
}

int
ip_route(const struct net *n, struct tuple *t)
{
	static const uint8_t none[16];
	uint32_t dst = rd32_be(t->raddr + 12), port, i, best = UINT32_MAX;
	uint32_t best_mask = 0, src = 0;

	if (t->family != 4)
		return -ENETUNREACH;
	for (port = 0; port < n->conf.nports; port++) {
		const struct net_port *np = &n->port[port];

		for (i = 0; i < np->naddr4; i++) {
			uint32_t mask = __builtin_bswap32(np->mask4_be[i]);

			if (((np->addr4_be[i] ^ dst) & np->mask4_be[i]) != 0 ||
			    (best != UINT32_MAX && mask <= best_mask))
				continue;
			best = port;
			best_mask = mask;
			src = np->addr4_be[i];
		}
		if (best == UINT32_MAX && np->gw4_be != 0 && np->naddr4 > 0) {
			best = port;
			src = np->addr4_be[0];
		}
	}
	if (best == UINT32_MAX)
		return -ENETUNREACH;
	t->port = (uint8_t)best;
	if (memcmp(t->laddr, none, 16) == 0)
		map4(t->laddr, (const uint8_t *)&src);
	return 0;
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

/*
 * Transport checksum of p, whose data begins with the transport header: fill
 * it in, or the pseudo-header's sum where the port does the rest.
 */
static void
l4_csum(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint16_t csum_off)
{
	uint32_t len = pkt_total(p), caps = n->port[p->port].conf.caps;
	uint8_t *field = pkt_data(p) + csum_off;
	uint8_t rest[4] = { 0, proto, 0, 0 };
	uint64_t sum = csum_add(0, t->laddr + 12, 4);

	sum = csum_add(sum, t->raddr + 12, 4);
	/* with TSO each packet has a length of its own */
	if ((p->flags & PKT_TX_TSO) == 0)
		wr16(rest + 2, (uint16_t)len);
	sum = csum_add(sum, rest, 4);
	if (caps & NET_CAP_TX_L4CSUM || p->flags & PKT_TX_TSO) {
		p->flags |= PKT_TX_L4CSUM;
		wr16_raw(field, csum_fold(sum));
		return;
	}
	wr16(field, 0);
	wr16_raw(field, (uint16_t)~csum_fold(sum + payload_sum(n, p)));
}

static uint8_t *
ip4_write(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
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
	ip[IP4_TTL] = TTL;
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

void
ip_output(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint16_t csum_off, uint16_t l4_len, uint8_t tos)
{
	struct tuple hop;
	uint32_t dst = rd32_be(t->raddr + 12);

	p->port = t->port;
	p->l4_len = l4_len;
	hop = *t;
	if (t->family != 4 || ip4_broadcast(&n->port[t->port], dst) ||
	    ip_next_hop(n, &hop) < 0) {
		net_count(n, CNT_drop_no_route, 1);
		frame_put(n, p);
		return;
	}
	if (p->nfrag != 0 && (n->port[p->port].conf.caps & NET_CAP_FRAGS) == 0 &&
	    !flatten(n, p)) {
		net_count(n, CNT_drop_oversize, 1);
		frame_put(n, p);
		return;
	}
	if (proto != PROTO_ICMP)
		l4_csum(n, p, t, proto, csum_off);
	ip4_write(n, p, t, proto, tos);
	ether_header(n, p, ETH_P_IP4);
	neigh_send(n, p, hop.raddr);
}
