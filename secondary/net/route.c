/* Routes: from a remote address to port, source address, next hop and MTU. */
#include <errno.h>

#include "base.h"

uint16_t
ip_mtu(const struct net *n, const struct tuple *t)
{
	if (__builtin_expect(n->npmtu == 0, 1))
		return n->port[t->port].conf.mtu;
	return pmtu_get(n, t->port, t->raddr);
}

static int
next_hop6(const struct net_port *np, struct tuple *t)
{
	if (ip6_near(np, t->raddr))
		return 0;
	if (is_unspecified(np->gw6))
		return -ENETUNREACH;
	memcpy(t->raddr, np->gw6, 16);
	return 0;
}

int
ip_next_hop(const struct net *n, struct tuple *t)
{
	const struct net_port *np = &n->port[t->port];
	uint32_t dst, i;

	if (np->conf.l3)
		return 0;
	if (t->family != 4)
		return next_hop6(np, t);
	dst = rd32_be(t->raddr + 12);
	for (i = 0; i < np->naddr4; i++)
		if (((np->addr4_be[i] ^ dst) & np->mask4_be[i]) == 0)
			return 0;
	if (np->gw4_be == 0)
		return -ENETUNREACH;
	map4(t->raddr, (const uint8_t *)&np->gw4_be);
	return 0;
}

/* Length of the longest of our prefixes that the address is in; -1: it is
 * reached through the gateway; -2: it is not. */
static int
distance6(const struct net_port *np, const uint8_t dst[16])
{
	int best = (is_unspecified(np->gw6) && !np->conf.l3) ||
	    np->naddr6 == 0 ? -2 : -1;
	uint32_t i;

	if (is_link_local(dst))
		return np->naddr6 > 0 ? 64 : -2;
	for (i = 0; i < np->naddr6; i++)
		if (np->addr6[i].prefix > best && ip6_prefix(
		    np->addr6[i].addr, dst, np->addr6[i].prefix))
			best = np->addr6[i].prefix;
	return best;
}

static int
route6(const struct net *n, struct tuple *t)
{
	const uint8_t *src;
	uint32_t port, best = 0;
	int d, nearest = -2;

	/* a group is no peer, and a mapped address is IPv4's */
	if (t->raddr[0] == 0xff || is_map4(t->raddr) ||
	    is_unspecified(t->raddr))
		return -ENETUNREACH;
	for (port = 0; port < n->conf.nports; port++) {
		d = distance6(&n->port[port], t->raddr);
		if (d > nearest) {
			nearest = d;
			best = port;
		}
	}
	if (nearest == -2)
		return -ENETUNREACH;
	t->port = (uint8_t)best;
	if (!is_unspecified(t->laddr))
		return 0;
	src = addr6_select(&n->port[best], t->raddr);
	if (src == NULL)
		return -ENETUNREACH;
	memcpy(t->laddr, src, 16);
	return 0;
}

int
ip_route(const struct net *n, struct tuple *t)
{
	uint32_t dst = rd32_be(t->raddr + 12), port, i, best = UINT32_MAX;
	uint32_t best_mask = 0, src = 0, host = __builtin_bswap32(dst);

	if (t->family == 6)
		return route6(n, t);
	/* nobody, this very host, groups and what is reserved */
	if (t->family != 4 || host >> 24 == 0 || host >> 24 == 127 ||
	    host >> 28 >= 14)
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
		if (best == UINT32_MAX && np->naddr4 > 0 &&
		    (np->gw4_be != 0 || np->conf.l3)) {
			best = port;
			src = np->addr4_be[0];
		}
	}
	/* RFC 9293 §3.9.1.1: all of a network are no peer */
	if (best == UINT32_MAX || ip4_broadcast(&n->port[best], dst))
		return -ENETUNREACH;
	t->port = (uint8_t)best;
	if (is_unspecified(t->laddr))
		map4(t->laddr, (const uint8_t *)&src);
	return 0;
}
