/* Ethernet in: whose a frame is, and what it carries. */
#include "base.h"

/* ---- frames that are being read ------------------------------------------ */

void
ether_expect(struct pkt *p)
{
	/* no frame's type: whoever finds another one knows that it came */
	wr16(pkt_data(p) + ETH_TYPE, 0);
}

/* Bytes of the frame at h, of which room bytes may be there, by its headers;
 * 0: none came, or one that only its device knew the length of. */
static uint32_t
length(const uint8_t *h, uint32_t room)
{
	uint32_t at = ETH_TYPE;

	if (rd16(h + at) == ETH_P_VLAN)
		at += VLAN_LEN;
	if (room < at + 2 + IP6_HLEN)
		return 0;
	switch (rd16(h + at)) {
	case ETH_P_IP4:
		return at + 2 + rd16(h + at + 2 + IP4_TOTAL);
	case ETH_P_IP6:
		return at + 2 + IP6_HLEN + rd16(h + at + 2 + IP6_PAYLOAD);
	case ETH_P_ARP:
		return at + 2 + ARP_LEN;
	default:
		return 0;
	}
}

bool
ether_came(struct pkt *p)
{
	uint32_t room = p->room - (p->off - (uint32_t)sizeof(*p));
	uint32_t len = length(pkt_data(p), room);

	p->len = len <= room ? len : 0;
	return p->len != 0;
}

/* ---- whose a frame is ---------------------------------------------------- */

/* Broadcast, or a group of IPv6 that we are in (RFC 2464 7). */
static bool
group_ours(const struct net_port *np, const uint8_t *dst)
{
	uint32_t i;

	if (memcmp(dst, "\xff\xff\xff\xff\xff\xff", 6) == 0)
		return true;
	if (np->naddr6 == 0 || dst[0] != 0x33 || dst[1] != 0x33)
		return false;
	if (memcmp(dst + 2, "\0\0\0\1", 4) == 0)
		return true;	/* all nodes */
	for (i = 0; i < np->naddr6 && dst[2] == 0xff; i++)
		if (memcmp(np->addr6[i].addr + 13, dst + 3, 3) == 0)
			return true;
	return false;
}

/*
 * IEEE 802.1Q: take the tag off, which must be the port's. A frame without one
 * is for a port without, as is one with a priority only.
 */
static bool
untag(const struct net_port *np, struct pkt *p)
{
	uint8_t *h = pkt_data(p);

	if (rd16(h + ETH_TYPE) != ETH_P_VLAN)
		return np->conf.vlan == 0;
	if (p->len < ETH_HLEN + VLAN_LEN ||
	    (rd16(h + ETH_HLEN) & VLAN_ID) != np->conf.vlan)
		return false;
	memmove(h + VLAN_LEN, h, 2 * 6);
	p->off += VLAN_LEN;
	p->len -= VLAN_LEN;
	return true;
}

/*
 * A packet of a port without link headers gets one, as from a station that
 * sends to us alone: so everything behind this sees one kind of frames.
 * False: no room for it.
 */
static bool
link_header(const struct net_port *np, struct pkt *p)
{
	static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 1 };
	uint8_t *h;

	if (p->off < sizeof(*p) + ETH_HLEN)
		return false;
	p->off -= ETH_HLEN;
	p->len += ETH_HLEN;
	h = pkt_data(p);
	memcpy(h + ETH_DST, np->conf.mac, 6);
	memcpy(h + ETH_SRC, peer, 6);
	wr16(h + ETH_TYPE, h[ETH_HLEN] >> 4 == 6 ? ETH_P_IP6 : ETH_P_IP4);
	return true;
}

/* What is not the usual frame. Takes p. */
static __attribute__((noinline)) void
other_frame(struct net *n, struct pkt *p)
{
	uint8_t *h = pkt_data(p);
	const struct net_port *np;

	if (p->port >= n->conf.nports || p->len < ETH_HLEN) {
		net_count(n, CNT_drop_short, 1);
		frame_put(n, p);
		return;
	}
	np = &n->port[p->port];
	if (np->conf.l3) {
		if (!link_header(np, p)) {
			net_count(n, CNT_drop_short, 1);
			frame_put(n, p);
			return;
		}
		h = pkt_data(p);
	}
	if (memcmp(h + ETH_DST, np->conf.mac, 6) != 0 && !group_ours(np, h)) {
		net_count(n, CNT_drop_not_ours, 1);
		frame_put(n, p);
		return;
	}
	if (np->conf.vlan != 0 || rd16(h + ETH_TYPE) == ETH_P_VLAN) {
		if (!untag(np, p)) {
			net_count(n, CNT_drop_vlan, 1);
			frame_put(n, p);
			return;
		}
		h = pkt_data(p);
	}
	switch (rd16(h + ETH_TYPE)) {
	case ETH_P_IP4:
		/* RFC 1122 (3.3.6): no unicast packet in a broadcast frame;
		 * broadcast packets are not served either */
		if ((h[ETH_DST] & 1) != 0) {
			net_count(n, CNT_drop_not_ours, 1);
			break;
		}
		p->off += ETH_HLEN;
		p->len -= ETH_HLEN;
		ip4_input(n, p);
		return;
	case ETH_P_ARP:
		arp_input(n, p);
		return;
	case ETH_P_IP6:
		p->off += ETH_HLEN;
		p->len -= ETH_HLEN;
		ip6_input(n, p);
		return;
	case ETH_P_VLAN:	/* a second tag */
	case ETH_P_QINQ:
		net_count(n, CNT_drop_vlan, 1);
		break;
	default:
		net_count(n, CNT_drop_ethertype, 1);
		break;
	}
	frame_put(n, p);
}

void
net_frame(struct net *n, struct pkt *p)
{
	const uint8_t *h = pkt_data(p);

	/* the usual one: IPv4, for us, on a port without VLAN */
	if (__builtin_expect(p->port < n->conf.nports &&
	    p->len >= ETH_HLEN && rd16(h + ETH_TYPE) == ETH_P_IP4 &&
	    n->port[p->port].conf.vlan == 0 &&
	    memcmp(h + ETH_DST, n->port[p->port].conf.mac, 6) == 0, 1)) {
		p->off += ETH_HLEN;
		p->len -= ETH_HLEN;
		ip4_input(n, p);
		return;
	}
	other_frame(n, p);
}
