/* ARP, RFC 826; announcements, RFC 5227. */
#include "base.h"

#define ARP_RATE	1000u	/* answers and announcements per second */
#define ARP_SAVED	200u
#define DEFEND_US	(10 * US_PER_S)	/* RFC 5227 (1.1): DEFEND_INTERVAL */

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Write an ARP packet with its link header into p. */
static void
arp_write(struct net *n, struct pkt *p, uint16_t op, const uint8_t *tha,
    uint32_t spa_be, uint32_t tpa_be)
{
	static const uint8_t fixed[6] = { 0, 1, 8, 0, 6, 4 };
	const struct net_port *np = &n->port[p->port];
	uint8_t *h, *a;

	a = pkt_data(p);
	memcpy(a, fixed, 6);
	wr16(a + ARP_OP, op);
	memcpy(a + ARP_SHA, np->conf.mac, 6);
	memcpy(a + ARP_SPA, &spa_be, 4);
	if (tha != NULL)
		memcpy(a + ARP_THA, tha, 6);
	else
		memset(a + ARP_THA, 0, 6);
	memcpy(a + ARP_TPA, &tpa_be, 4);
	p->len = ARP_LEN;
	h = ether_header(n, p, ETH_P_ARP);
	memcpy(h + ETH_DST, tha != NULL ? tha : everybody, 6);
}

void
arp_ask(struct net *n, uint8_t port, uint32_t addr_be, const uint8_t *mac)
{
	const struct net_port *np = &n->port[port];
	struct pkt *p;
	uint32_t i, from = np->naddr4 > 0 ? np->addr4_be[0] : 0;

	/* the address on the same net, else the first */
	for (i = 0; i < np->naddr4; i++)
		if (((np->addr4_be[i] ^ addr_be) & np->mask4_be[i]) == 0) {
			from = np->addr4_be[i];
			break;
		}
	if (pktq_full(&n->out) || (p = frame_get(n)) == NULL)
		return;
	p->port = port;
	arp_write(n, p, ARP_REQUEST, NULL, from, addr_be);
	if (mac != NULL)
		memcpy(pkt_data(p) + ETH_DST, mac, 6);
	frame_send(n, p);
}

void
arp_announce(struct net *n)
{
	uint32_t i, port;
	struct pkt *p;

	for (port = 0; port < n->conf.nports; port++)
		for (i = 0; i < n->port[port].naddr4; i++) {
			if (n->port[port].conf.l3)
				break;
			if (pktq_full(&n->out) || (p = frame_get(n)) == NULL)
				return;
			p->port = (uint8_t)port;
			arp_write(n, p, ARP_REQUEST, NULL,
			    n->port[port].addr4_be[i],
			    n->port[port].addr4_be[i]);
			frame_send(n, p);
		}
}

/* Whether it is an ARP packet for IPv4 over Ethernet with a usable sender. */
static bool
arp_valid(const struct net *n, const struct pkt *p)
{
	const uint8_t *h = pkt_data(p), *a = h + ETH_HLEN;
	uint32_t spa;

	if (p->len < ETH_HLEN + ARP_LEN)
		return false;
	if (rd16(a) != 1 || rd16(a + 2) != ETH_P_IP4 || a[4] != 6 || a[5] != 4)
		return false;
	/* the sender is a station, and not us */
	if ((a[ARP_SHA] & 1) != 0 || memcmp(a + ARP_SHA, "\0\0\0\0\0\0", 6) == 0)
		return false;
	if (memcmp(a + ARP_SHA, n->port[p->port].conf.mac, 6) == 0)
		return false;
	spa = rd32(a + ARP_SPA);
	/* 0.0.0.0 is a probe (RFC 5227), answered but not learned */
	return spa >> 28 != 14 && spa >> 24 != 127 && spa != UINT32_MAX;
}

/* Learn the sender: make a new entry only if it spoke to us. A reply to us
 * is told to the other slots even when it is no news here: the port gave it
 * to this slot, while another one may have asked. */
static void
arp_sender(struct net *n, const struct pkt *p, bool make)
{
	const uint8_t *a = pkt_data(p) + ETH_HLEN;
	const struct net_port *np = &n->port[p->port];
	uint32_t spa = rd32_be(a + ARP_SPA), i;
	uint8_t addr[16];
	bool near = false;

	if (spa == 0 || ip4_ours(np, spa) || ip4_broadcast(np, spa))
		return;
	for (i = 0; i < np->naddr4; i++)
		near |= ((np->addr4_be[i] ^ spa) & np->mask4_be[i]) == 0;
	map4(addr, a + ARP_SPA);
	if ((neigh_learn(n, p->port, addr, a + ARP_SHA, make && near) ||
	    (near && rd16(a + ARP_OP) == ARP_REPLY &&
	    ip4_ours(np, rd32_be(a + ARP_TPA)))) && n->env.learned != NULL)
		n->env.learned(n->env.arg, p);
}

void
arp_input(struct net *n, struct pkt *p)
{
	uint8_t *a = pkt_data(p) + ETH_HLEN, tha[6];
	const struct net_port *np = &n->port[p->port];
	uint32_t spa, tpa;
	bool mine;

	if (!arp_valid(n, p)) {
		net_count(n, CNT_drop_arp, 1);
		frame_put(n, p);
		return;
	}
	spa = rd32_be(a + ARP_SPA);
	tpa = rd32_be(a + ARP_TPA);
	mine = ip4_ours(np, tpa);
	/* a reply, or what is not for us, makes no new entry */
	arp_sender(n, p, mine && rd16(a + ARP_OP) == ARP_REQUEST);
	if (ip4_ours(np, spa)) {
		/* Somebody claims our address: defend it, RFC 5227 (2.4), but
		 * not against each claim: two that do would never end. */
		net_count(n, CNT_drop_arp, 1);
		if (n->defended_us != 0 &&
		    n->now - n->defended_us < DEFEND_US) {
			frame_put(n, p);
			return;
		}
		n->defended_us = n->now;
		tpa = spa;
		mine = true;
	}
	if (!mine || (rd16(a + ARP_OP) != ARP_REQUEST && tpa != spa) ||
	    pktq_full(&n->out) ||
	    !bucket_take(&n->arp_rate, n->now, ARP_RATE, ARP_SAVED)) {
		frame_put(n, p);
		return;
	}
	memcpy(tha, a + ARP_SHA, 6);
	pkt_reset(p, PKT_HEADROOM);
	if (tpa == spa)
		arp_write(n, p, ARP_REQUEST, NULL, tpa, tpa);
	else
		arp_write(n, p, ARP_REPLY, tha, tpa, spa);
	frame_send(n, p);
}

void
arp_learn(struct net *n, struct pkt *p)
{
	uint8_t addr[16];
	const uint8_t *a = pkt_data(p) + ETH_HLEN;

	if (arp_valid(n, p) && rd32_be(a + ARP_SPA) != 0 &&
	    !ip4_ours(&n->port[p->port], rd32_be(a + ARP_SPA))) {
		map4(addr, a + ARP_SPA);
		/* a reply that this slot did not ask for makes nothing */
		neigh_learn(n, p->port, addr, a + ARP_SHA,
		    rd16(a + ARP_OP) == ARP_REQUEST);
	}
	frame_put(n, p);
}
