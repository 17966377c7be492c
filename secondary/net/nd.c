/*
 * Neighbour discovery, RFC 4861: solicitations and advertisements. Routers
 * and prefixes come from the configuration, so their advertisements and
 * redirects are not looked at.
 */
#include "base.h"

#define ND_RATE		1000u	/* answers per second */
#define ND_SAVED	200u

static const uint8_t nobody[16];

/* Write an NS or NA with its IPv6 and link headers into p and send it. option:
 * of our link address, 0: none. */
static void
nd_send(struct net *n, struct pkt *p, const uint8_t m[ND_LEN],
    uint8_t option, const uint8_t *const ends[2], const uint8_t *mac)
{
	uint8_t *d = pkt_data(p), *h, group[6] = { 0x33, 0x33 };
	struct tuple t;

	if (n->port[p->port].conf.l3) {
		frame_put(n, p);	/* there is no link */
		return;
	}
	memcpy(d, m, ND_LEN);
	p->len = ND_LEN;
	if (option != 0) {
		d[ND_LEN] = option;
		d[ND_LEN + 1] = 1;
		memcpy(d + ND_LEN + 2, n->port[p->port].conf.mac, 6);
		p->len += 8;
	}
	memset(&t, 0, sizeof(t));
	memcpy(t.laddr, ends[0], 16);
	memcpy(t.raddr, ends[1], 16);
	t.family = 6;
	t.port = p->port;
	l4_csum(n, p, &t, PROTO_ICMP6, 2);
	ip6_write(n, p, &t, PROTO_ICMP6, 0)[IP6_HOPS] = 255;
	h = ether_header(n, p, ETH_P_IP6);
	memcpy(group + 2, ends[1] + 12, 4);	/* RFC 2464 (7) */
	memcpy(h + ETH_DST, mac != NULL ? mac : group, 6);
	frame_send(n, p);
}

static struct pkt *
nd_frame(struct net *n, uint8_t port)
{
	struct pkt *p = pktq_full(&n->out) ? NULL : frame_get(n);

	if (p != NULL)
		p->port = port;
	return p;
}

void
nd_ask(struct net *n, uint8_t port, const uint8_t target[16],
    const uint8_t *mac)
{
	const uint8_t *from = addr6_select(&n->port[port], target);
	uint8_t m[ND_LEN] = { ICMP6_NS }, group[16];
	struct pkt *p;

	/* a global address for a link-local one, if it must be */
	if (from == NULL)
		from = addr6_select(&n->port[port], nobody);
	if (from == NULL || (p = nd_frame(n, port)) == NULL)
		return;
	memcpy(m + ND_TARGET, target, 16);
	ip6_solicited(group, target);
	nd_send(n, p, m, ND_OPT_SLLA, (const uint8_t *const[2]){ from,
	    mac != NULL ? target : group }, mac);
}

bool
nd_probe(struct net *n, uint8_t port, const uint8_t addr[16])
{
	uint8_t m[ND_LEN] = { ICMP6_NS }, group[16];
	struct pkt *p = nd_frame(n, port);

	if (p == NULL)
		return false;
	memcpy(m + ND_TARGET, addr, 16);
	ip6_solicited(group, addr);
	nd_send(n, p, m, 0, (const uint8_t *const[2]){ nobody, group }, NULL);
	return true;
}

void
nd_announce(struct net *n, uint8_t port, const uint8_t addr[16])
{
	static const uint8_t all[16] = { 0xff, 2, [15] = 1 };
	uint8_t m[ND_LEN] = { ICMP6_NA, 0, 0, 0, NA_OVERRIDE };
	struct pkt *p = nd_frame(n, port);

	if (p == NULL)
		return;
	memcpy(m + ND_TARGET, addr, 16);
	nd_send(n, p, m, ND_OPT_TLLA, (const uint8_t *const[2]){ addr, all },
	    NULL);
}

/* A message, checked and taken apart. */
struct nd {
	const uint8_t *ip, *m;	/* IPv6 header, message */
	const uint8_t *lla;	/* link address of the option that it should
				   have; NULL: none */
};

/* RFC 4861 (4.6): walk the options; one of length zero drops the message. */
static bool
options(struct nd *d, const uint8_t *o, uint32_t len)
{
	uint8_t want = d->m[0] == ICMP6_NS ? ND_OPT_SLLA : ND_OPT_TLLA;
	uint32_t n;

	for (; len > 0; o += n, len -= n) {
		if (len < 2 || o[1] == 0)
			return false;
		n = o[1] * 8u;
		if (n > len)
			return false;
		if (o[0] != want)
			continue;
		/* Ethernet: one unit; a station, not a group */
		if (o[1] != 1 || (o[2] & 1) != 0 ||
		    memcmp(o + 2, "\0\0\0\0\0\0", 6) == 0)
			return false;
		d->lla = o + 2;
	}
	return true;
}

/* RFC 4861 (7.1.1, 7.1.2). The checksum was right. */
static bool
nd_valid(struct net *n, const struct pkt *p, struct nd *d)
{
	struct net_port *np = &n->port[p->port];
	const uint8_t *eth = d->ip - ETH_HLEN;
	bool group = d->ip[IP6_DST] == 0xff;

	d->m = pkt_data(p);
	d->lla = NULL;
	if (d->ip[IP6_HOPS] != 255 || p->len < ND_LEN || d->m[1] != 0 ||
	    d->m[ND_TARGET] == 0xff || is_map4(d->m + ND_TARGET) ||
	    is_unspecified(d->m + ND_TARGET))
		return false;
	/* our own, come back */
	if (memcmp(eth + ETH_SRC, np->conf.mac, 6) == 0)
		return false;
	if (!options(d, d->m + ND_LEN, p->len - ND_LEN))
		return false;
	if (d->lla != NULL && memcmp(d->lla, np->conf.mac, 6) == 0)
		return false;
	/* who has our address speaks of nothing else */
	if (addr6_find(np, d->ip + IP6_SRC) != NULL && (d->m[0] != ICMP6_NA ||
	    addr6_find(np, d->m + ND_TARGET) == NULL))
		return false;
	if (d->m[0] == ICMP6_NA)
		return !group || (d->m[ND_FLAGS] & NA_SOLICITED) == 0;
	/* a probe goes to the group and has no link address */
	return !is_unspecified(d->ip + IP6_SRC) ||
	    (group && d->lla == NULL && d->ip[IP6_DST + 12] == 0xff);
}

/* Tell other slots of the frame: it is lent whole, with its link header (that
 * has no tag any more). */
static void
tell(struct net *n, struct pkt *p, const struct nd *d)
{
	uint32_t off = p->off, len = p->len;

	if (n->env.learned == NULL)
		return;
	p->off = (uint32_t)(d->ip - (const uint8_t *)p) - ETH_HLEN;
	p->len += off - p->off;
	n->env.learned(n->env.arg, p);
	p->off = off;
	p->len = len;
}

/* RFC 4861 (7.2.5): what an advertisement does to an entry. Returns whether it
 * is to be told to other slots. */
static bool
advertised(struct net *n, uint8_t port, const struct nd *d)
{
	const uint8_t *target = d->m + ND_TARGET;
	struct neigh *e = neigh_find(n, port, target);
	bool sol = d->m[ND_FLAGS] & NA_SOLICITED, other;
	uint64_t link;

	if (e == NULL)
		return sol;	/* another slot may have asked */
	link = e->link;
	if (link >> 48 == NEIGH_INCOMPLETE) {
		if (d->lla == NULL)
			return false;
		(sol ? neigh_learn : neigh_heard)(n, port, target, d->lla,
		    false);
		return true;
	}
	other = d->lla != NULL && memcmp(d->lla, &link, 6) != 0;
	if (other && (d->m[ND_FLAGS] & NA_OVERRIDE) == 0) {
		neigh_doubt(n, e);
		return false;
	}
	if (other && !sol)
		return neigh_heard(n, port, target, d->lla, false);
	if (!sol)
		return false;
	neigh_learn(n, port, target, other ? d->lla : (uint8_t *)&link, false);
	return true;
}

/* RFC 4861 (7.2.3): what a solicitation says of its sender. */
static bool
solicits(struct net *n, uint8_t port, const struct nd *d, bool make)
{
	const uint8_t *src = d->ip + IP6_SRC;

	return !is_unspecified(src) && d->lla != NULL &&
	    ip6_near(&n->port[port], src) &&
	    neigh_heard(n, port, src, d->lla, make);
}

/* RFC 4861 (7.2.4). Takes p, which becomes the answer. */
static void
answer(struct net *n, struct pkt *p, const struct nd *d)
{
	static const uint8_t all[16] = { 0xff, 2, [15] = 1 };
	uint8_t m[ND_LEN] = { ICMP6_NA, 0, 0, 0, NA_OVERRIDE };
	uint8_t from[16], to[16], mac[6];
	bool probe = is_unspecified(d->ip + IP6_SRC);

	if (pktq_full(&n->out) ||
	    !bucket_take(&n->arp_rate, n->now, ND_RATE, ND_SAVED)) {
		frame_put(n, p);
		return;
	}
	memcpy(from, d->m + ND_TARGET, 16);
	memcpy(m + ND_TARGET, from, 16);
	memcpy(to, probe ? all : d->ip + IP6_SRC, 16);
	memcpy(mac, d->lla != NULL ? d->lla :
	    d->ip - ETH_HLEN + ETH_SRC, 6);
	if (!probe)
		m[ND_FLAGS] |= NA_SOLICITED;
	pkt_reset(p, PKT_HEADROOM);
	nd_send(n, p, m, ND_OPT_TLLA, (const uint8_t *const[2]){ from, to },
	    probe ? NULL : mac);
}

void
nd_input(struct net *n, struct pkt *p, const uint8_t *ip)
{
	struct nd d = { .ip = ip };
	struct addr6 *a;
	bool news = false;

	if (!nd_valid(n, p, &d)) {
		net_count(n, CNT_drop_nd, 1);
		frame_put(n, p);
		return;
	}
	a = addr6_find(&n->port[p->port], d.m + ND_TARGET);
	if (d.m[0] == ICMP6_NA) {
		news = a != NULL ? addr6_conflict(n, a) :
		    advertised(n, p->port, &d);
	} else if (a != NULL && is_unspecified(ip + IP6_SRC) &&
	    a->state != ADDR6_PREFERRED && a->state != ADDR6_DUPLICATE) {
		/* RFC 4862 (5.4.3): somebody else probes it, too */
		news = addr6_conflict(n, a);
	} else if (a != NULL && ip6_ours(&n->port[p->port], a->addr)) {
		news = solicits(n, p->port, &d, true);
		if (news)
			tell(n, p, &d);
		answer(n, p, &d);
		return;
	} else
		(void)solicits(n, p->port, &d, false);
	if (news)
		tell(n, p, &d);
	frame_put(n, p);
}

void
nd_learn(struct net *n, struct pkt *p)
{
	struct nd d = { .ip = pkt_data(p) + ETH_HLEN };
	uint32_t head = ETH_HLEN + IP6_HLEN;
	struct addr6 *a;

	/* a frame that another slot has checked; but not by our length */
	if (p->len < head + ND_LEN || d.ip[IP6_NEXT] != PROTO_ICMP6) {
		frame_put(n, p);
		return;
	}
	p->off += head;
	p->len -= head;
	if (nd_valid(n, p, &d)) {
		a = addr6_find(&n->port[p->port], d.m + ND_TARGET);
		if (d.m[0] == ICMP6_NA && a == NULL)
			(void)advertised(n, p->port, &d);
		else if (d.m[0] == ICMP6_NS && a != NULL &&
		    !is_unspecified(d.ip + IP6_SRC))
			(void)solicits(n, p->port, &d, true);
		else if (a != NULL)
			(void)addr6_conflict(n, a);
	}
	frame_put(n, p);
}
