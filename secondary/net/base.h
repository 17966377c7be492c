/*
 * base: what the files of the base (all of secondary/net but TCP) use of each
 * other, beside net_priv.h.
 */
#ifndef NET_BASE_H
#define NET_BASE_H

#include "net_priv.h"
#include "wire.h"

#define US_PER_S	UINT64_C(1000000)

/* ---- neigh.c ---- */

/* Forget everything learned; the index is empty, all records are free. */
void	neigh_init(struct net *n);
/* Take USED records of the arena into index and wheel, after neigh_init(). */
void	neigh_adopt(struct net *n);
/* Entry of an address on a port, or NULL. */
struct neigh *neigh_find(struct net *n, uint8_t port, const uint8_t addr[16]);
/* The address has this link address now. make: also if it is new. Sends what
 * waited for it. Returns whether something new was learned. */
bool	neigh_learn(struct net *n, uint8_t port, const uint8_t addr[16],
	    const uint8_t mac[6], bool make);
/* The same, from somebody who speaks for himself unasked: used, but asked
 * alone at its next use (STALE of RFC 4861). */
bool	neigh_heard(struct net *n, uint8_t port, const uint8_t addr[16],
	    const uint8_t mac[6], bool make);
/* The entry may be wrong: it is asked at its next use. */
void	neigh_doubt(struct net *n, struct neigh *e);
/* Fill in the link address and queue the frame, or hold it until there is
 * one. Takes p, whose link header is in place but for the destination. Returns
 * 1 + number of the neighbour that it was sent to; 0: it was not yet. */
uint32_t neigh_send(struct net *n, struct pkt *p, const uint8_t addr[16]);
/* Deadline of neighbour record id. */
void	neigh_timer(struct net *n, uint32_t id);

/* ---- tcp_adopt.c ---- */

/* Whether a USED connection that somebody left is whole: nothing of it lies
 * out of bounds, sums are right. */
bool	tcp_sound(struct net *n, uint32_t id);

/* ---- adopt_index.c ---- */

/* While adoption counts, chunk.used says besides which adoption claimed the
 * chunk: so what one left that was cut short does not count in the next. */
#define CHUNK_STAMPS	0x7fffu
#define ADOPT_CONTESTED	64u

struct adoption {
	struct net *n;
	uint16_t stamp;		/* 1 to CHUNK_STAMPS */
	/* chunks and frames that two records say they hold */
	uint32_t chunk[ADOPT_CONTESTED], frame[ADOPT_CONTESTED];
	uint32_t nchunk, nframe;
	bool found;		/* a record reaches one of them */
	uint32_t held;		/* connections that hold some, linked by
				   ready_next; ARENA_NONE */
	uint32_t adopted;
};

static inline bool
chunk_claimed(const struct chunk *k, uint16_t stamp)
{
	return k->used >> 1 == stamp && stamp != 0;
}

static inline void
chunk_claim(struct chunk *k, uint16_t stamp)
{
	k->used = (uint16_t)((k->used & 1u) | stamp << 1);
}

static inline void
chunk_unclaim(struct chunk *k)
{
	k->used &= 1u;
}

/*
 * Make the indexes of connections and time-wait entries and the free list of
 * connections; claim chunks (see above) and frames; ad->n and stamp are set.
 * Who is damaged, or holds what another one holds, is freed. Who holds nothing
 * goes on; adopt_held(), once there are free chunks, says so to the others.
 */
void	adopt_index(struct net *n, struct adoption *ad);
void	adopt_held(struct net *n, struct adoption *ad);

/* ---- obj.c ---- */

/* No objects; all records' states are 0. */
void	obj_init(struct net *n);
/* Take USED records into the index; chunk() claims one, false: it cannot be
 * had; take false: it is not held after all. What is damaged is dropped. */
void	obj_adopt(struct net *n, bool (*chunk)(void *arg, uint32_t c,
	    bool take), void *arg);
/* Call fn for each chunk that objects hold. */
void	obj_chunks(struct net *n, void (*fn)(void *arg, uint32_t c),
	    void *arg);
/* Objects there are, and free records for more. */
void	obj_audit(const struct net *n, uint32_t *used, uint32_t *unused);

/* ---- arp.c ---- */
void	arp_input(struct net *n, struct pkt *p);
/* Learn the sender, no reply. Takes p. */
void	arp_learn(struct net *n, struct pkt *p);
/* Ask for an address; mac: the one to be confirmed, NULL: ask everybody. */
void	arp_ask(struct net *n, uint8_t port, uint32_t addr_be,
	    const uint8_t *mac);
/* Announce our addresses on all ports, RFC 5227 (2.3). */
void	arp_announce(struct net *n);

/* ---- nd.c ---- */

/* A solicitation or advertisement whose checksum was right, at p->off; ip:
 * its IPv6 header, the link header before it. Takes p. */
void	nd_input(struct net *n, struct pkt *p, const uint8_t *ip);
/* Learn from a frame that another slot saw, no reply. Takes p. */
void	nd_learn(struct net *n, struct pkt *p);
/* Ask for an address; mac: the one to be confirmed, NULL: ask the group. */
void	nd_ask(struct net *n, uint8_t port, const uint8_t target[16],
	    const uint8_t *mac);
/* Ask whether anybody has this address of ours. False: no frame. */
bool	nd_probe(struct net *n, uint8_t port, const uint8_t addr[16]);
/* Tell all nodes that this address is here, RFC 4861 (7.2.6). */
void	nd_announce(struct net *n, uint8_t port, const uint8_t addr[16]);

/* ---- addr6.c ---- */

/* Fill np->addr6 and np->gw6 from np->conf. */
void	addr6_setup(struct net_port *np);
/* Begin to probe all addresses, in state first until that is done. */
void	addr6_start(struct net *n, enum addr6_state first);
void	addr6_chore(struct net *n);
/* Our address of this value in any state, or NULL. */
struct addr6 *addr6_find(struct net_port *np, const uint8_t addr[16]);
/* The address of ours to speak from to dst; NULL: none. */
const uint8_t *addr6_select(const struct net_port *np,
	    const uint8_t dst[16]);
/* Somebody else has it. Returns whether that is news. */
bool	addr6_conflict(struct net *n, struct addr6 *a);
/* Whether a is an address of ours that may be used. */
bool	ip6_ours(const struct net_port *np, const uint8_t addr[16]);
/* A group that we are in: all nodes, solicited-node. */
bool	ip6_group_ours(const struct net_port *np, const uint8_t addr[16]);
/* On the port's link, by our prefixes. */
bool	ip6_near(const struct net_port *np, const uint8_t addr[16]);
/* Whether the first bits bits are the same. */
bool	ip6_prefix(const uint8_t a[16], const uint8_t b[16], uint32_t bits);
/* The solicited-node group of an address, RFC 4291 (2.7.1). */
void	ip6_solicited(uint8_t to[16], const uint8_t addr[16]);

/* ---- ip6.c, ip6_ext.c, icmp6.c ---- */

/* p->off is the IPv6 header, the link header before it. Takes p. */
void	ip6_input(struct net *n, struct pkt *p);
/* Where the walk over a packet's headers ended. */
struct ip6_walk {
	uint32_t off;		/* bytes from the IPv6 header */
	uint32_t at;		/* of the field that named it, or is wrong */
	uint32_t frag;		/* of the fragment header; 0: none */
	uint8_t next;		/* protocol of what is there */
	uint8_t code;		/* of the error to send, IP6_QUIET: none */
};
#define IP6_QUIET	0xffu
/*
 * Walk over the extension headers of a packet of len bytes (the IPv6 header
 * counts and is there), up to the upper layer or the fragment header. False:
 * the packet is to be dropped; code and at say what to answer.
 */
bool	ip6_walk(struct ip6_walk *w, const uint8_t *ip, uint32_t len);
/* p->off is the ICMPv6 message, ip its IPv6 header. Takes p. */
void	icmp6_input(struct net *n, struct pkt *p, const uint8_t *ip);
/* The same for a message of len bytes that no frame can hold, off bytes
 * behind ip; changes it. */
void	icmp6_whole(struct net *n, uint8_t port, uint8_t *ip, uint32_t off,
	    uint32_t len);
/* An error (RFC 4443 2.4) about the packet of len bytes at ip, which came in
 * on a port; rate-limited. type_code: type in the high byte. */
void	icmp6_error(struct net *n, uint8_t port, const uint8_t *ip,
	    uint32_t len, uint16_t type_code, uint32_t word);

/* ---- frag.c, whole.c, frag_out.c ---- */

/* The packet of len bytes in n->whole, with l3 bytes of network headers, was
 * put together from frames that began with the addresses in ether. */
void	whole_input(struct net *n, uint8_t port,
	    const uint8_t ether[ETH_HLEN], uint32_t l3, uint32_t len);

/* p->off is the IPv4 header, of hlen bytes; a fragment. Takes p. */
void	frag4_input(struct net *n, struct pkt *p, uint32_t hlen);
/* p->off is the IPv6 header; frag: where the fragment header is; at: of the
 * next-header field that names it. Takes p. */
void	frag6_input(struct net *n, struct pkt *p, uint32_t frag, uint32_t at);
void	frag_chore(struct net *n);
/* Call fn for each frame that waits for the rest of its packet. */
void	frag_held(const struct net *n, void (*fn)(void *arg, uint32_t ref),
	    void *arg);
/*
 * Send a transport message of len bytes, checksum and all, cut into
 * fragments. 0; -EMSGSIZE it is too long for IP; -EAGAIN out has no room or
 * there are no frames for all of it: nothing was sent; -ENETUNREACH.
 */
int	frag_output(struct net *n, const struct tuple *t, uint8_t proto,
	    const uint8_t *data, uint32_t len);

/* ---- pmtu.c ---- */

#define PMTU_MIN4	552u	/* no path of today is narrower */

uint16_t pmtu_get(const struct net *n, uint8_t port, const uint8_t addr[16]);
/* What to make of a router's claim about a packet of ours of size bytes; mtu
 * 0: it did not say. */
uint16_t pmtu_claim(const struct tuple *t, uint32_t mtu, uint32_t size);
/* Take it down; the caller has validated it (RFC 5927). */
void	pmtu_note(struct net *n, uint8_t port, const uint8_t addr[16],
	    uint16_t mtu);
/* Probing of paths, RFC 4821: whether a larger packet may be tried now; *ceil:
 * a size that does not fit, 0: none is known. */
bool	pmtu_search(const struct net *n, uint8_t port, const uint8_t addr[16],
	    uint32_t *ceil);
/* A packet of this size came through; was lost, where such of low bytes do
 * not. */
void	pmtu_fits(struct net *n, uint8_t port, const uint8_t addr[16],
	    uint16_t size);
void	pmtu_fails(struct net *n, uint8_t port, const uint8_t addr[16],
	    uint16_t size, uint16_t low);
/* No probe of the path for this time. */
void	pmtu_pause(struct net *n, uint8_t port, const uint8_t addr[16],
	    uint32_t us);
/* Whether the flow is a connection that has this sequence number in flight. */
bool	pmtu_in_flight(const struct net *n, const struct tuple *t,
	    uint32_t seq);

/* ---- chore.c ---- */

#define CHORE_AGAIN_US	1000u

/* Call chores() at this time, or earlier. */
void	chore_at(struct net *n, uint64_t us);
void	chores(struct net *n);

/* ---- udp.c ---- */

/* p->off is the UDP header, of at least 8 bytes, t the flow seen from here.
 * False: no socket wants it, p was not touched. */
bool	udp_input(struct net *n, struct pkt *p, const struct tuple *t);
/* The same for a datagram of len bytes that no frame can hold. */
void	udp_whole(struct net *n, const uint8_t *d, uint32_t len,
	    const struct tuple *t);
/* An ICMP error about a datagram of ours; mtu: what to believe of it. */
void	udp_icmp(struct net *n, const struct tuple *t, enum tcp_icmp type,
	    uint16_t mtu);
/* Call fn for each frame in receive queues. */
void	udp_held(const struct net *n, void (*fn)(void *arg, uint32_t ref),
	    void *arg);

/* ---- ip4.c, icmp.c ---- */

/* p->off is the IPv4 header, the link header before it. Takes p. */
void	ip4_input(struct net *n, struct pkt *p);
/* p->off is the ICMP header; ip its IPv4 header. Takes p. */
void	icmp_input(struct net *n, struct pkt *p, uint8_t *ip, bool bcast);
/* Port unreachable in answer to this packet, rate-limited. Takes p, whose
 * off is the IPv4 header. */
void	icmp_unreachable(struct net *n, struct pkt *p, uint8_t code);
/* The same for a message of len bytes that no frame can hold, off bytes
 * behind ip; changes it. */
void	icmp_whole(struct net *n, uint8_t port, uint8_t *ip, uint32_t off,
	    uint32_t len);
/* An error about this packet, rate-limited; p->off is the IPv4 header. */
void	icmp_report(struct net *n, const struct pkt *p, uint8_t type,
	    uint8_t code);
/* Whether an address in network order is ours on a port. */
bool	ip4_ours(const struct net_port *np, uint32_t addr_be);
/* Limited or directed broadcast of a port. */
bool	ip4_broadcast(const struct net_port *np, uint32_t addr_be);

/* ---- ip_out.c ---- */

/* Put a finished frame into out: marks it. False: out is full; p is freed
 * and counted. */
bool	frame_send(struct net *n, struct pkt *p);
/* Write a link header before the packet; the destination stays open. */
/* Mark p as a frame that is yet to be read; whether one was, and then its
 * length is set. Between the two nobody but the device writes to it. */
void	ether_expect(struct pkt *p);
bool	ether_came(struct pkt *p);
uint8_t	*ether_header(struct net *n, struct pkt *p, uint16_t type);
/* Write the IP header of a flow before p's transport message. */
uint8_t	*ip4_write(struct net *n, struct pkt *p, const struct tuple *t,
	    uint8_t proto, uint8_t tos);
uint8_t	*ip6_write(struct net *n, struct pkt *p, const struct tuple *t,
	    uint8_t proto, uint8_t tos);
/* Transport checksum of p, whose data begins with the transport header: fill
 * it in, or the pseudo-header's sum where the port does the rest. */
void	l4_csum(struct net *n, struct pkt *p, const struct tuple *t,
	    uint8_t proto, uint16_t csum_off);
/* Sum of the pseudo-header of a flow, in either direction, for len bytes. */
uint64_t pseudo_sum(const struct tuple *t, uint8_t proto, uint32_t len);

/* Take a token; rate per second, at most burst saved up. */
bool	bucket_take(struct bucket *b, uint64_t now_us, uint32_t rate,
	    uint32_t burst);

/* ---- net.c, net_conf.c ---- */
/* Fill the process's part of n: settings, pointers, keys, empty lists. */
int	net_setup(struct net *n, const struct net_conf *c,
	    const struct net_env *env, struct arena *a, uint64_t now_us);
int	net_conf_check(const struct net_conf *c);

#endif
