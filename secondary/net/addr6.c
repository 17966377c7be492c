/*
 * Our IPv6 addresses: which there are, which may be used, and whether somebody
 * else has them (duplicate address detection, RFC 4862 5.4).
 *
 * An address is probed before it is used. A process that adopts uses the
 * addresses of the dead one at once and probes them meanwhile, as RFC 4429
 * allows: connections must not wait for it.
 */
#include "base.h"

#define PROBES	1u		/* RFC 4862 (5.1): DupAddrDetectTransmits */
#define PROBE_US US_PER_S	/* RFC 4861 (10): RetransTimer */

static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
static const uint8_t solicited[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

bool
ip6_prefix(const uint8_t a[16], const uint8_t b[16], uint32_t bits)
{
	uint32_t whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 ||
	    ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0);
}

void
ip6_solicited(uint8_t to[16], const uint8_t addr[16])
{
	memcpy(to, solicited, 13);
	memcpy(to + 13, addr + 13, 3);
}

static bool
usable(const struct addr6 *a)
{
	return a->state == ADDR6_PREFERRED || a->state == ADDR6_OPTIMISTIC;
}

struct addr6 *
addr6_find(struct net_port *np, const uint8_t addr[16])
{
	uint32_t i;

	for (i = 0; i < np->naddr6; i++)
		if (memcmp(np->addr6[i].addr, addr, 16) == 0)
			return &np->addr6[i];
	return NULL;
}

bool
ip6_ours(const struct net_port *np, const uint8_t addr[16])
{
	uint32_t i;

	for (i = 0; i < np->naddr6; i++)
		if (memcmp(np->addr6[i].addr, addr, 16) == 0)
			return usable(&np->addr6[i]);
	return false;
}

bool
ip6_group_ours(const struct net_port *np, const uint8_t addr[16])
{
	uint32_t i;

	if (memcmp(addr, all_nodes, 16) == 0)
		return true;
	if (memcmp(addr, solicited, 13) != 0)
		return false;
	for (i = 0; i < np->naddr6; i++)
		if (memcmp(np->addr6[i].addr + 13, addr + 13, 3) == 0)
			return true;
	return false;
}

bool
ip6_near(const struct net_port *np, const uint8_t addr[16])
{
	uint32_t i;

	if (is_link_local(addr))
		return np->naddr6 > 0;
	for (i = 0; i < np->naddr6; i++)
		if (ip6_prefix(np->addr6[i].addr, addr, np->addr6[i].prefix))
			return true;
	return false;
}

/* RFC 6724 (5), rules 2 and 8: the scope of the destination, then the longest
 * common prefix, in which the order of the configuration decides. */
const uint8_t *
addr6_select(const struct net_port *np, const uint8_t dst[16])
{
	bool local = is_link_local(dst) || (dst[0] == 0xff &&
	    (dst[1] & 15) == 2);
	const uint8_t *best = NULL;
	uint32_t i, bits, most = 0;

	for (i = 0; i < np->naddr6; i++) {
		const struct addr6 *a = &np->addr6[i];

		if (!usable(a) || is_link_local(a->addr) != local)
			continue;
		for (bits = a->prefix; bits > 0 &&
		    !ip6_prefix(a->addr, dst, bits); bits--)
			continue;
		if (best == NULL || bits > most) {
			best = a->addr;
			most = bits;
		}
	}
	return best;
}

static void
add(struct net_port *np, const uint8_t addr[16], uint8_t prefix)
{
	struct addr6 *a = &np->addr6[np->naddr6++];

	memset(a, 0, sizeof(*a));
	memcpy(a->addr, addr, 16);
	a->prefix = prefix;
}

void
addr6_setup(struct net_port *np)
{
	const struct net_port_conf *c = &np->conf;
	uint8_t local[16] = { 0xfe, 0x80 };
	bool have = false;
	uint32_t i;

	for (i = 0; i < c->naddrs; i++) {
		if (c->addr[i].family != 6)
			continue;
		add(np, c->addr[i].addr, c->addr[i].prefix);
		have |= is_link_local(c->addr[i].addr);
	}
	if (c->gateway6.family == 6)
		memcpy(np->gw6, c->gateway6.addr, 16);
	if (np->naddr6 == 0 || have)
		return;
	/* RFC 4291, appendix A: modified EUI-64 */
	memcpy(local + 8, c->mac, 3);
	local[8] ^= 2;
	local[11] = 0xff;
	local[12] = 0xfe;
	memcpy(local + 13, c->mac + 3, 3);
	add(np, local, 64);
}

void
addr6_start(struct net *n, enum addr6_state first)
{
	uint32_t port, i;

	for (port = 0; port < n->conf.nports; port++) {
		struct net_port *np = &n->port[port];

		for (i = 0; i < np->naddr6; i++) {
			np->addr6[i].state = np->conf.nodad ?
			    ADDR6_PREFERRED : (uint8_t)first;
			np->addr6[i].left = np->conf.nodad ? 0 : PROBES;
			np->addr6[i].at = n->now;
			chore_at(n, n->now);
		}
	}
}

/* The next step of an address that is due: a probe, or it is ours. */
static void
step(struct net *n, uint8_t port, struct addr6 *a)
{
	if (a->left > 0) {
		if (!nd_probe(n, port, a->addr))
			return;		/* no frame: at the next turn */
		a->left--;
		a->at = n->now + PROBE_US;
		return;
	}
	if (a->state != ADDR6_DUPLICATE) {
		a->state = ADDR6_PREFERRED;
		nd_announce(n, port, a->addr);
	}
	a->at = UINT64_MAX;
}

void
addr6_chore(struct net *n)
{
	uint32_t port, i;

	for (port = 0; port < n->conf.nports; port++)
		for (i = 0; i < n->port[port].naddr6; i++) {
			struct addr6 *a = &n->port[port].addr6[i];

			if (a->at <= n->now)
				step(n, (uint8_t)port, a);
			chore_at(n, a->at);
		}
}

bool
addr6_conflict(struct net *n, struct addr6 *a)
{
	net_count(n, CNT_addr_conflict, 1);
	/* RFC 4862 (5.4.4): about one in use nothing is said; it stays */
	if (a->state != ADDR6_TENTATIVE && a->state != ADDR6_OPTIMISTIC)
		return false;
	a->state = ADDR6_DUPLICATE;
	a->left = 0;
	a->at = UINT64_MAX;
	return true;
}
