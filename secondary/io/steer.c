#include "steer.h"

#include <netinet/in.h>
#include <string.h>

#define ETHER_LEN	14u
#define ETHERTYPE_IP4	0x0800u
#define ETHERTYPE_IP6	0x86ddu
#define IP4_MIN		20u
#define IP6_LEN		40u
#define VLAN_LEN	4u
#define ETHERTYPE_VLAN	0x8100u
#define EXT_MAX		6u	/* as the stack walks them */
#define ICMP_LEN	8u	/* header before the quoted packet */

/* A flow as the receiver sees it: where its parts lie. */
struct flow {
	const uint8_t *laddr, *raddr;
	const uint8_t *lport, *rport;	/* two bytes each */
	uint8_t family, proto;
};

static inline uint32_t
get_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static int
addr_equal(const struct board_addr *a, const uint8_t *addr, uint8_t family)
{
	return a->family == 0 || (a->family == family &&
	    memcmp(a->addr, addr, family == 4 ? 4 : 16) == 0);
}

/* The group of a local address and port, by looking at each row. */
static uint32_t
group_look(const struct steer *s, const struct flow *f)
{
	const struct board *b = s->board;
	const struct board_listener *l;
	uint32_t i, port = get_be16(f->lport), any = BOARD_NONE;

	for (i = 0; i < b->head.nlisteners; i++) {
		l = &b->listener[i];
		if (l->proto != f->proto || port < l->port_lo ||
		    port > l->port_hi || l->group >= b->head.ngroups ||
		    !(b->group[l->group].ports >> s->port & 1) ||
		    !addr_equal(&l->addr, f->laddr, f->family))
			continue;
		if (l->addr.family != 0)
			return l->group;	/* an address beats any */
		if (any == BOARD_NONE)
			any = l->group;
	}
	for (i = 0; any == BOARD_NONE && i < b->head.ngroups; i++) {
		if ((b->group[i].ports >> s->port & 1) &&
		    b->group[i].client_lo != 0 &&
		    port >= b->group[i].client_lo &&
		    port <= b->group[i].client_hi)
			any = i;
	}
	return any;
}

/* Enter a range: where two groups meet, the address decides. */
static void
enter(struct steer *s, uint32_t lo, uint32_t hi, uint32_t group)
{
	uint32_t p;

	for (p = lo; p <= hi; p++) {
		if (s->tcp[p] == BOARD_NONE)
			s->tcp[p] = (uint8_t)group;
		else if (s->tcp[p] != group)
			s->tcp[p] = STEER_LOOK;
	}
}

/* The slots of each group, by their index in it. */
static void
enter_slots(struct steer *s, const struct board *b)
{
	const struct slot_fixed *f;
	uint32_t i;

	memset(s->nslots, 0, sizeof(s->nslots));
	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		f = &b->slot[i].fixed;
		if (f->group >= BOARD_GROUPS || f->index >= BOARD_SLOTS)
			continue;
		s->slot[f->group][f->index] = (uint8_t)i;
		s->nslots[f->group]++;
	}
}

void
steer_init(struct steer *s, const struct board *b, uint32_t port)
{
	const struct board_listener *l;
	const struct board_group *g;
	uint32_t i;

	s->board = b;
	s->port = port;
	s->state = NULL;
	toeplitz_init(&s->key, b->port[port].rss_key);
	memset(s->tcp, BOARD_NONE, sizeof(s->tcp));
	enter_slots(s, b);
	for (i = 0; i < b->head.nlisteners; i++) {
		l = &b->listener[i];
		if (l->proto == IPPROTO_TCP && l->group < b->head.ngroups &&
		    (b->group[l->group].ports >> port & 1))
			enter(s, l->port_lo, l->port_hi, l->addr.family != 0 ?
			    STEER_LOOK : l->group);
	}
	for (i = 0; i < b->head.ngroups; i++) {
		g = &b->group[i];
		if ((g->ports >> port & 1) && g->client_lo != 0)
			enter(s, g->client_lo, g->client_hi, i);
	}
}

static inline uint32_t
bucket_owner(const struct steer *s, uint32_t group, uint32_t hash)
{
	uint32_t k = hash % BOARD_BUCKETS, to;

	to = bucket_target(atomic_load_explicit(&s->board->bucket[group][k],
	    memory_order_relaxed));
	/* ours by the word is not yet ours in the stack's indexes */
	if (s->state != NULL && to == s->me && s->state[k] != MOVE_OURS)
		return STEER_HOLD;
	return to;
}

static uint32_t
flow_hash(const struct steer *s, const struct flow *f)
{
	uint8_t in[TOEPLITZ_V6];
	uint32_t n = f->family == 4 ? 4 : 16;

	/* as the NIC sees it: source first */
	memcpy(in, f->raddr, n);
	memcpy(in + n, f->laddr, n);
	memcpy(in + 2 * n, f->rport, 2);
	memcpy(in + 2 * n + 2, f->lport, 2);
	return toeplitz_hash(&s->key, in, 2 * n + 4);
}

static inline uint32_t
flow_group(const struct steer *s, const struct flow *f)
{
	uint32_t g = BOARD_NONE;

	if (f->proto == IPPROTO_TCP)
		g = s->tcp[get_be16(f->lport)];
	if (g == STEER_LOOK || f->proto != IPPROTO_TCP)
		g = group_look(s, f);
	return g;
}

/*
 * Walk over the extension headers of an IPv6 packet of n bytes. Returns where
 * the upper layer begins, 0: a fragment, or malformed; *proto is its number.
 */
static uint32_t
ip6_upper(const uint8_t *ip, uint32_t n, uint8_t *proto)
{
	uint32_t at = IP6_LEN, k;

	*proto = ip[6];
	for (k = 0; k < EXT_MAX; k++) {
		if (*proto != IPPROTO_HOPOPTS && *proto != IPPROTO_ROUTING &&
		    *proto != IPPROTO_DSTOPTS)
			break;
		if (n < at + 8)
			return 0;
		*proto = ip[at];
		at += (ip[at + 1] + 1u) * 8;
	}
	return at;
}

/*
 * The flow an IP packet of n bytes belongs to. quoted: it is one of ours that
 * an ICMP error sends back, so source is local. Returns the bytes of its
 * network header, 0 when it has no ports to go by; f->proto is set then too
 * if it is an IP packet.
 */
static uint32_t
ip_flow(struct flow *f, const uint8_t *ip, uint32_t n, int quoted)
{
	const uint8_t *src, *dst, *l4;
	uint32_t hl;

	f->proto = 0;
	if (n >= IP4_MIN && ip[0] >> 4 == 4) {
		hl = (ip[0] & 15u) * 4;
		if (hl < IP4_MIN || (get_be16(ip + 6) & 0x3fff) != 0)
			return 0;	/* malformed, or a fragment */
		f->family = 4;
		f->proto = ip[9];
		src = ip + 12;
		dst = ip + 16;
	} else if (n >= IP6_LEN && ip[0] >> 4 == 6) {
		f->family = 6;
		hl = ip6_upper(ip, n, &f->proto);
		if (hl == 0)
			return 0;
		src = ip + 8;
		dst = ip + 24;
	} else {
		return 0;
	}
	if (n < hl + 4)
		return 0;
	l4 = ip + hl;
	f->laddr = quoted ? src : dst;
	f->raddr = quoted ? dst : src;
	f->lport = quoted ? l4 : l4 + 2;
	f->rport = quoted ? l4 + 2 : l4;
	return hl;
}

/* The slot that a UDP port of a group's clients was dealt to; BOARD_NONE: it
 * is none of theirs, the flow's hash decides. */
static uint32_t
udp_owner(const struct steer *s, const struct flow *f, uint32_t group)
{
	const struct board_group *g = &s->board->group[group];
	uint32_t port = get_be16(f->lport), n = s->nslots[group];

	if (f->proto != IPPROTO_UDP || n == 0 || g->client_lo == 0 ||
	    port < g->client_lo || port > g->client_hi)
		return BOARD_NONE;
	return s->slot[group][(port - g->client_lo) % n];
}

/* Whether an ICMP or ICMPv6 message quotes a packet. */
static int
icmp_quotes(const struct flow *f, uint8_t type)
{
	if (f->proto == IPPROTO_ICMP)
		return type == 3 || type == 4 || type == 5 || type == 11 ||
		    type == 12;
	return f->proto == IPPROTO_ICMPV6 && type >= 1 && type <= 4;
}

uint32_t
steer_owner(const struct steer *s, struct pkt *p)
{
	const uint8_t *d = pkt_data(p), *ip = d + ETHER_LEN;
	uint32_t n, hl, group, l2 = ETHER_LEN, owner;
	struct flow f;
	int quoted = 0;

	if (p->len < ETHER_LEN + IP4_MIN)
		return BOARD_NONE;
	n = get_be16(d + 12);
	if (n == ETHERTYPE_VLAN) {
		l2 += VLAN_LEN;
		ip += VLAN_LEN;
		n = get_be16(d + 16);
	}
	if (n != ETHERTYPE_IP4 && n != ETHERTYPE_IP6)
		return BOARD_NONE;
	n = p->len - l2;
	hl = ip_flow(&f, ip, n, 0);
	if (hl == 0)
		return BOARD_NONE;
	if (icmp_quotes(&f, ip[hl])) {
		if (n < hl + ICMP_LEN || ip_flow(&f, ip + hl + ICMP_LEN,
		    n - hl - ICMP_LEN, 1) == 0)
			return BOARD_NONE;
		quoted = 1;
	}
	if (f.proto != IPPROTO_TCP && f.proto != IPPROTO_UDP)
		return BOARD_NONE;
	group = flow_group(s, &f);
	if (group >= BOARD_GROUPS)
		return BOARD_NONE;
	owner = udp_owner(s, &f, group);
	if (owner != BOARD_NONE)
		return owner;
	if (quoted)
		return bucket_owner(s, group, flow_hash(s, &f));
	/* a NIC does not look behind extension headers */
	if (!(p->flags & PKT_RX_HASH) || (f.family == 6 && hl != IP6_LEN)) {
		p->hash = flow_hash(s, &f);
		p->flags |= PKT_RX_HASH;
	}
	return bucket_owner(s, group, p->hash);
}

/* The group of a TCP flow, and its hash. */
static uint32_t
tcp_flow(const struct steer *s, const struct net_addr *local,
    const struct net_addr *remote, uint32_t *hash)
{
	uint8_t lport[2] = { (uint8_t)(local->port >> 8),
	    (uint8_t)local->port };
	uint8_t rport[2] = { (uint8_t)(remote->port >> 8),
	    (uint8_t)remote->port };
	struct flow f = { .laddr = local->addr, .raddr = remote->addr,
	    .lport = lport, .rport = rport, .family = local->family,
	    .proto = IPPROTO_TCP };

	*hash = flow_hash(s, &f);
	return flow_group(s, &f);
}

uint32_t
steer_flow(const struct steer *s, const struct net_addr *local,
    const struct net_addr *remote)
{
	uint32_t hash, group = tcp_flow(s, local, remote, &hash);

	if (group >= BOARD_GROUPS)
		return BOARD_NONE;
	return bucket_owner(s, group, hash);
}

uint32_t
steer_bucket(const struct steer *s, const struct net_addr *local,
    const struct net_addr *remote)
{
	uint32_t hash;

	tcp_flow(s, local, remote, &hash);
	return hash % BOARD_BUCKETS;
}

uint32_t
steer_any(const struct board *b, uint32_t port)
{
	uint32_t i, g, may = BOARD_NONE;

	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		g = b->slot[i].fixed.group;
		if (g >= BOARD_GROUPS || !(b->group[g].ports >> port & 1))
			continue;
		if (atomic_load_explicit(&b->slot[i].worker.phase,
		    memory_order_relaxed) == PHASE_SERVING)
			return i;
		if (may == BOARD_NONE)
			may = i;
	}
	return may;
}
