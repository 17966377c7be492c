/* IPv4 in: RFC 791, RFC 1122 (3.2). */
#include "base.h"

bool
ip4_ours(const struct net_port *np, uint32_t addr_be)
{
	uint32_t i;

	for (i = 0; i < np->naddr4; i++)
		if (np->addr4_be[i] == addr_be)
			return true;
	return false;
}

bool
ip4_broadcast(const struct net_port *np, uint32_t addr_be)
{
	uint32_t i;

	if (addr_be == UINT32_MAX)
		return true;
	for (i = 0; i < np->naddr4; i++)
		if ((addr_be | np->mask4_be[i]) == UINT32_MAX &&
		    np->mask4_be[i] != UINT32_MAX &&
		    ((addr_be ^ np->addr4_be[i]) & np->mask4_be[i]) == 0)
			return true;
	return false;
}

/* RFC 1122 (3.2.1.3): addresses that no packet may come from. */
static bool
bad_source(const struct net_port *np, uint32_t src_be)
{
	uint32_t a = __builtin_bswap32(src_be);

	return a >> 24 == 0 || a >> 24 == 127 || a >> 28 >= 14 ||
	    ip4_broadcast(np, src_be) || ip4_ours(np, src_be);
}

static void
drop(struct net *n, struct pkt *p, enum counter why)
{
	net_count(n, why, 1);
	frame_put(n, p);
}

/* Sum of the pseudo-header of RFC 9293 (3.1), for len bytes behind it. */
static uint64_t
pseudo(const uint8_t *ip, uint8_t proto, uint32_t len)
{
	uint64_t sum = csum_add(0, ip + IP4_SRC, 8);
	uint8_t rest[4] = { 0, proto, (uint8_t)(len >> 8), (uint8_t)len };

	return csum_add(sum, rest, 4);
}

static inline void
fill_tuple(struct tuple *t, const struct pkt *p, const uint8_t *ip,
    const uint8_t *l4)
{
	map4(t->laddr, ip + IP4_DST);
	map4(t->raddr, ip + IP4_SRC);
	memcpy(&t->lport_be, l4 + 2, 2);
	memcpy(&t->rport_be, l4, 2);
	t->port = p->port;
	t->family = 4;
	t->pad[0] = t->pad[1] = 0;
}

static void
tcp_frame(struct net *n, struct pkt *p, const uint8_t *ip)
{
	struct tuple t;
	uint8_t ecn = ip[IP4_TOS] & 3;
	uint8_t *seg = pkt_data(p);

	if (p->len < 20) {
		drop(n, p, CNT_drop_tcp_header);
		return;
	}
	if ((p->flags & PKT_RX_L4CSUM_OK) == 0 &&
	    csum_fold(csum_add(pseudo(ip, PROTO_TCP, p->len), seg, p->len)) !=
	    0xffff) {
		drop(n, p, CNT_drop_tcp_csum);
		return;
	}
	fill_tuple(&t, p, ip, seg);
	tcp_input(n, p, &t, ecn);
}

static __attribute__((noinline)) void
udp_frame(struct net *n, struct pkt *p, const uint8_t *ip)
{
	uint32_t hlen = (uint32_t)(pkt_data(p) - ip);
	struct tuple t;

	if (p->len < UDP_HLEN) {
		drop(n, p, CNT_drop_udp);
		return;
	}
	fill_tuple(&t, p, ip, pkt_data(p));
	if (udp_input(n, p, &t))
		return;
	net_count(n, CNT_drop_ip_proto, 1);
	p->off -= hlen;
	p->len += hlen;
	icmp_unreachable(n, p, ICMP_PORT);
}

/*
 * Check the header of the frame's packet and cut the frame to the packet.
 * Returns the header's length, or 0: dropped and counted.
 */
static uint32_t
ip4_header(struct net *n, struct pkt *p)
{
	uint8_t *ip = pkt_data(p);
	uint32_t hlen, total;

	if (p->len < IP4_HLEN) {
		drop(n, p, CNT_drop_short);
		return 0;
	}
	hlen = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || hlen < IP4_HLEN || hlen > p->len) {
		drop(n, p, CNT_drop_ip_header);
		return 0;
	}
	total = rd16(ip + IP4_TOTAL);
	if (total < hlen || total > p->len) {
		drop(n, p, CNT_drop_ip_length);
		return 0;
	}
	if ((p->flags & PKT_RX_IPCSUM_OK) == 0 &&
	    csum_fold(csum_add(0, ip, hlen)) != 0xffff) {
		drop(n, p, CNT_drop_ip_csum);
		return 0;
	}
	p->len = total;		/* what Ethernet padded goes */
	return hlen;
}

void
ip4_input(struct net *n, struct pkt *p)
{
	const struct net_port *np = &n->port[p->port];
	uint8_t *ip = pkt_data(p);
	uint32_t hlen = ip4_header(n, p), dst;
	bool bcast = false;

	if (hlen == 0)
		return;
	dst = rd32_be(ip + IP4_DST);
	if (!ip4_ours(np, dst)) {
		bcast = ip4_broadcast(np, dst);
		if (!bcast) {
			drop(n, p, CNT_drop_not_ours);
			return;
		}
	}
	if (bad_source(np, rd32_be(ip + IP4_SRC))) {
		drop(n, p, CNT_drop_ip_source);
		return;
	}
	if ((rd16(ip + IP4_FRAG) & (IP4_MF | IP4_OFFSET)) != 0) {
		if (bcast)
			drop(n, p, CNT_drop_frag_bad);
		else
			frag4_input(n, p, hlen);
		return;
	}
	if (ip[IP4_PROTO] == PROTO_TCP && !bcast) {
		p->off += hlen;
		p->len -= hlen;
		tcp_frame(n, p, ip);
		return;
	}
	if (ip[IP4_PROTO] == PROTO_ICMP) {
		p->off += hlen;
		p->len -= hlen;
		icmp_input(n, p, ip, bcast);
		return;
	}
	if (ip[IP4_PROTO] == PROTO_UDP && !bcast) {
		p->off += hlen;
		p->len -= hlen;
		udp_frame(n, p, ip);
		return;
	}
	net_count(n, CNT_drop_ip_proto, 1);
	if (bcast)
		frame_put(n, p);
	else
		icmp_unreachable(n, p, ICMP_PROTOCOL);
}
