/*
 * net_priv: inside of the stack, for the files of secondary/net only.
 *
 * struct net is process-private: pointers into the arena, settings, list
 * heads that are cheap to rebuild. Nothing in it is needed to adopt.
 */
#ifndef NET_NET_PRIV_H
#define NET_NET_PRIV_H

#include <assert.h>
#include <stdbool.h>

#include <string.h>

#include "../../common/neigh.h"
#include "../../common/obj.h"
#include "../../common/tcb.h"
#include "../loop/wheel.h"
#include "move.h"
#include "net.h"

#define NEIGH_INDEX	2048u	/* slots of the neighbour index */
#define NEIGH_MAX	1024u	/* most neighbour records */
#define NEIGH_HOLD	256u	/* frames that wait for neighbours, in all */
#define NEIGH_HOLD_EACH	128u	/* and for one */

/* A port, prepared for the hot path. */
struct net_port {
	struct net_port_conf conf;
	uint32_t naddr4;
	uint32_t addr4_be[NET_ADDRS];	/* our IPv4 addresses */
	uint32_t mask4_be[NET_ADDRS];
	uint32_t gw4_be;		/* 0: none */
	uint16_t ip_id;
	uint16_t l2_len;		/* bytes of our link header */
	/* for frames without tag, with IPv4 without options: what the first 6
	 * bytes of one for us are (in the low bits; UINT64_MAX: there is
	 * none), and bytes 6 to 15 of one of ours */
	uint64_t to_us;
	uint64_t from_us[2];
	uint16_t straight;		/* PKT_TX_* of such frames out: all
					   checksums are the port's; 0: they
					   are not */
	uint32_t naddr6;		/* 0: no IPv6 here */
	struct addr6 {
		uint8_t addr[16];
		uint8_t prefix;		/* bits */
		uint8_t state;		/* enum addr6_state */
		uint8_t left;		/* probes still to send */
		uint64_t at;		/* µs: next step of its probing */
	} addr6[NET_ADDRS + 1];		/* configured ones, link-local last */
	uint8_t gw6[16];		/* ::: none */
};

/* RFC 4862 (5.4), RFC 4429. */
enum addr6_state {
	ADDR6_TENTATIVE,	/* being probed: not used */
	ADDR6_OPTIMISTIC,	/* being probed again, used meanwhile */
	ADDR6_PREFERRED,
	ADDR6_DUPLICATE,	/* somebody else has it: not used */
};

/* Path MTUs that are less than the port's (pmtu.c). */
#define PMTU_SETS	32u
#define PMTU_WAYS	4u

struct pmtu {
	uint8_t addr[16];
	uint64_t until;		/* µs */
	uint64_t again;		/* no probe before this, µs */
	uint16_t mtu;		/* 0: unused */
	uint16_t ceil;		/* a size that does not fit; 0: none known */
	uint8_t port;
	uint8_t fails;		/* probes of one size lost in a row */
	uint8_t pad[2];
};

/* Packets that are being put together (frag.c). */
#define FRAG_PACKETS	16u	/* at once */
#define FRAG_FRAMES	128u	/* frames that wait in all of them */
#define FRAG_PARTS	48u	/* fragments of one packet */

struct frag {
	uint8_t src[16], dst[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint64_t until;		/* µs: given up then */
	uint32_t id;
	uint32_t total;		/* payload bytes, once the last has come; 0 */
	uint32_t have;		/* payload bytes there */
	uint8_t proto;		/* IPv4: protocol; IPv6: 0 */
	uint8_t family;		/* 0: unused */
	uint8_t port;
	uint8_t nparts;
	struct frag_part {
		struct pkt *p;	/* off, len: the whole packet */
		uint32_t start, end; /* payload bytes of the original */
	} part[FRAG_PARTS];	/* by start, without overlaps */
};

/* UDP sockets (udp.c). */
#define UDP_SOCKS	64u
#define UDP_QUEUE	128u	/* datagrams that wait for one socket */
#define UDP_FRAMES	512u	/* frames that wait for all of them */

struct udp_sock {
	struct net_addr local, remote; /* family 0: any; not connected */
	void	(*ready)(void *arg, int s); /* NULL: none */
	void	*arg;
	uint32_t head, tail;	/* refs of frames that wait, linked by next */
	uint32_t n;		/* datagrams in them */
	int error;		/* pending, negative; 0 */
	uint16_t next;		/* 1 + next socket of the table's entry */
	uint16_t gen;		/* grows with each use of the place */
	uint8_t used, pad[3];
};

/* What this process knows of buckets on the move (move.c). */
struct moves {
	uint8_t state[BOARD_BUCKETS];	/* enum move_state */
	uint8_t fails[BOARD_BUCKETS];	/* offers in a row that came to
					   nothing */
	uint64_t seen[BOARD_BUCKETS];	/* word when the state was entered */
	uint64_t until[BOARD_BUCKETS];	/* µs: offered: withdrawn then; ours:
					   not offered before */
	uint32_t frozen[BOARD_BUCKETS];	/* offered: what copying it costs */
	uint32_t nfrozen;		/* and those of all that are offered */
	uint32_t open;			/* buckets offered, copied or left */
	uint32_t offered;
	uint32_t at;			/* where the next look begins */
	uint32_t used;			/* by the last look, in records */
	uint64_t copied;		/* bytes that records took along */
};

/*
 * Flows looked up last, by what the headers of an IPv4 segment say, as it lies
 * there: source and destination address, both ports. Of this process alone;
 * who finds nothing here asks the index.
 */
#define FLOW_BITS	11u
#define FLOWS		(1u << FLOW_BITS)

struct flow {
	uint64_t addrs;
	uint32_t ports;
	uint32_t id;		/* 1 + id of a USED connection; 0: unused */
};

/* Counters of source ports, see choose_port(). */
#define PORT_STEPS	64u

/* Next hops used last. */
#define HOP_BITS	6u
#define HOPS		(1u << HOP_BITS)
#define NEIGH_FRESH_US	UINT64_C(30000000) /* REACHABLE_TIME of RFC 4861 */

struct hop {
	uint32_t dst_be;	/* IPv4 address of the flow's remote end */
	uint16_t neigh;		/* 1 + number of the neighbour; 0: unused */
	uint8_t port, pad;
};

struct net {
	struct net_conf conf;
	struct net_env env;
	struct arena *a;
	uint8_t *conns;			/* a + off_conns, and so on */
	struct tw *tws;
	struct neigh *neighs;
	struct hent *hash;
	uint8_t *small, *chunks;
	struct obj *objs;
	uint32_t *obj_index;		/* by hash: first of a chain */
	uint64_t now;			/* µs of this turn */
	uint32_t now_ms;		/* its low bits */
	uint64_t sipkey[2];		/* lookup hash, from the secret */
	uint64_t isnkey[2];		/* ISN, port choice, cookies */
	uint64_t rnd;			/* xorshift state, from the seed */
	struct net_port port[NET_PORTS];
	/* listeners: sorted by nothing, few */
	uint32_t nlisten;
	struct listener {
		struct net_addr addr;
		uint32_t half;		/* gauge: half-open of it */
		uint32_t backlog;	/* most of them; 0: conf.backlog */
		uint32_t user;		/* of net_listen_as() */
		bool full;		/* net_listen_full() */
		struct conn_opts opts;	/* of its connections */
	} listen[NET_LISTENERS];
	/* indexes: heads of lists in the arena, ARENA_NONE: empty */
	uint32_t conn_free, tw_free, small_free, chunk_free;
	uint32_t nsmall_free, nchunk_free, nochunk_us; /* see NOCHUNK_US */
	uint64_t starved_us;	/* when there was none; 0: there are some */
	uint64_t cookie_us;	/* when a SYN cookie of these buckets may have
				   been sent last; 0: never */
	bool split;			/* see net_split() */
	uint32_t kept_small, kept_chunk; /* lists that net_starve() hides */
	uint32_t nconns, nhalf, ntw;	/* gauges */
	uint32_t ready_head;		/* connections with events */
	uint32_t out_head;		/* connections that want to send */
	struct conn *ready_tail, *out_tail; /* of no meaning when empty */
	uint32_t rx_held;		/* frames in receive queues */
	uint32_t opening;		/* 1 + id of the connection that
					   net_connect() left in hands; 0 */
	/* chunks freed while a frame may still refer to them, oldest first;
	 * chunk.next links; released by net_tx_done() */
	uint32_t limbo_head, limbo_tail;
	uint32_t tx_mark, tx_done;
	uint32_t conn_stride;		/* bytes of a record, from the arena */
	uint32_t stride_shift, stride_inv; /* divide by it */
	bool half_stale;		/* count listener.half anew */
	uint32_t before_ms;		/* last turn of who was here before */
	uint32_t torn;			/* connection freed by adoption whose
					   peer is still to be told */
	struct moves mv;
	struct wheel wheel;
	/* objects (obj.c) */
	uint32_t obj_free, nobjs;
	struct {
		uint32_t head, tail;	/* chunks of a value being made */
		uint32_t len, have;
	} obj_new;
	/* neighbours: index of record numbers (1 + i; 0: empty), free list,
	 * and frames that wait for an answer, oldest first */
	uint16_t neigh_index[NEIGH_INDEX];
	uint32_t neigh_free;
	uint32_t nheld;
	struct held {
		struct pkt *p;
		uint32_t neigh;		/* number of the neighbour */
	} held[NEIGH_HOLD];
	/* token buckets of what we answer to strangers */
	struct bucket {
		uint64_t last_us;
		uint32_t tokens;
	} echo_rate, icmp_rate, arp_rate;
	uint64_t defended_us;		/* when we defended an address last */
	/* the next step of what has no record: probing of addresses, fragments
	 * that never become a packet; UINT64_MAX: none (chore.c) */
	uint64_t chore;
	uint32_t port_step[PORT_STEPS];
	struct hop hop[HOPS];
	struct flow flow[FLOWS];
	struct pmtu pmtu[PMTU_SETS][PMTU_WAYS];
	uint32_t npmtu;			/* entries ever used; 0: no lookup */
	struct frag frag[FRAG_PACKETS];
	uint32_t frag_frames;		/* gauge */
	struct udp_sock udp[UDP_SOCKS];
	uint32_t udp_frames;		/* gauge */
	uint16_t udp_table[UDP_SOCKS];	/* 1 + socket by local port; 0: none */
	struct pktq out;
	uint8_t whole[65536];		/* last: a packet put together, or to
					   be cut up; in passing */
};

/* ---- counters ---- */
static inline void
net_count(struct net *n, enum counter c, uint64_t by)
{
	_Atomic uint64_t *w = &n->env.counters[c];

	atomic_store_explicit(w,
	    atomic_load_explicit(w, memory_order_relaxed) + by,
	    memory_order_relaxed);
}

/* ---- records by id ---- */
static inline struct conn *
conn_at(const struct net *n, uint32_t id)
{
	return (struct conn *)(n->conns + (size_t)id * n->conn_stride);
}

/* ---- buckets: move.c ---- */

/* Epoch that a record of this bucket, which is ours, begins with. */
static inline uint32_t
bucket_epoch(const struct net *n, uint32_t bucket)
{
	return n->env.buckets == NULL ? 0 : BUCKET_EPOCH(atomic_load_explicit(
	    &n->env.buckets->word[bucket], memory_order_relaxed));
}

/* Into and out of the list of its bucket; a record that is USED. */
void	bucket_link(struct net *n, uint32_t id);
void	bucket_unlink(struct net *n, uint32_t id);
/* Before adoption: settle what the dead process offered, look at all words
 * once, and empty the buckets' lists. empty: the arena is new. */
void	move_adopt(struct net *n, bool empty);
/* What a USED record is, by that look. */
enum move_fate { FATE_LIVE, FATE_PENDING, FATE_LEFT };
enum move_fate move_fate(const struct net *n, const struct rec *r);
/* What a copy is: a record of this bucket, and of the epoch to come. */
struct move_as {
	uint32_t bucket, epoch;
};
/* Copy a record of another arena, of a bucket on offer. 0; -ENOBUFS no room;
 * -EPROTO it makes no sense (the offer was withdrawn). */
int	move_copy_conn(struct net *n, const struct move_peer *from,
	    const struct conn *f, const struct move_as *as);
int	move_copy_tw(struct net *n, const struct tw *f,
	    const struct move_as *as);
/* Learn the neighbours that another slot knows. */
void	move_copy_neighs(struct net *n, const struct move_peer *from);

/* =========================================================================
 * Contract between the base (arena, lookup, wheel, link, network) and TCP.
 * ========================================================================= */

/* ---- base gives: arena.c, lookup.c, chunk.c, wheel.c ---- */

/* The record of any id (conn, tw, neigh). */
struct rec *rec_at(const struct net *n, uint32_t id);
uint32_t rec_id(const struct net *n, const struct rec *r);

/* SipHash-1-3 of len bytes, siphash.c. */
uint64_t siphash13(const uint64_t key[2], const void *p, size_t len);

/* Keyed hash (SipHash-1-3) of a flow. */
uint32_t tuple_hash(const struct net *n, const struct tuple *t);

/* Id of the USED connection or time-wait record of this flow; ARENA_NONE. */
uint32_t lookup_find(const struct net *n, uint32_t hash,
	    const struct tuple *t);
/* lookup_find() by way of the noted flows, and its hash: for a segment. */
uint32_t lookup_flow(struct net *n, const struct tuple *t, uint32_t *hash);

/* Put into / take out of the index. O(1). */
void	lookup_put(struct net *n, uint32_t hash, uint32_t id);
void	lookup_del(struct net *n, uint32_t hash, uint32_t id);

/*
 * File record id at its deadline (already stored in rec.deadline; UINT64_MAX
 * unfiles it). Lazy: a record filed earlier than its deadline is filed again
 * when the wheel gets there, so moving a deadline later costs one store.
 */
void	wheel_file(struct net *n, uint32_t id);
void	wheel_unfile(struct net *n, uint32_t id);

/*
 * A free chunk; big: of shape.chunk_size bytes. Header is zeroed, next is
 * ARENA_NONE. ARENA_NONE: none left (counted as drop_no_chunk). Only inside
 * the bracket of the record that will own it.
 */
static inline uint32_t chunk_get(struct net *n, bool big);
/* Give back; kept aside while a frame may refer to it (chunk.mark). */
void	chunk_put(struct net *n, uint32_t c);
/* chunk_at(), frame_get() and others that are short: net_inline.h */

/* ---- base gives: ether.c, ip_out.c ---- */

/* One received frame. Takes p. */
void	net_frame(struct net *n, struct pkt *p);
/*
 * Put an IP packet into out. p holds the transport header and payload (and
 * frags); this prepends network and link headers for the flow t (checksums
 * in hardware or software, that of TCP, UDP and ICMPv6 where proto says; an
 * IPv4 ICMP message has its own already; l4_len is the length of the
 * transport header, for TSO), finds the next hop and queues the frame.
 * Without a known next hop the frame waits for ARP or ND,
 * but for one with frags: that is dropped, since its mark must be n->tx_mark
 * when this returns (TCP notes it in the chunks that the frame refers to).
 * PKT_TX_TSO and tso_mss are set by the caller.
 * Takes p in every case. tos: DSCP and ECN bits.
 * The caller made sure that out is not full.
 */
void	ip_output(struct net *n, struct pkt *p, const struct tuple *t,
	    uint8_t proto, uint16_t l4_len, uint8_t tos);

/* Path MTU towards the flow's remote end, bytes of an IP packet. */
uint16_t ip_mtu(const struct net *n, const struct tuple *t);

/* The flow's peer answered: its neighbour entry is confirmed. */
void	neigh_confirm(struct net *n, const struct tuple *t);

/* Turn the remote address of t into the next hop on t->port: itself or the
 * gateway. -ENETUNREACH. */
int	ip_next_hop(const struct net *n, struct tuple *t);

/* Choose port and source address for a remote: 0 or -ENETUNREACH. Fills
 * t->port and t->laddr (if it is zero). */
int	ip_route(const struct net *n, struct tuple *t);

/* One's complement sum of a piece of memory, to be continued with sum. */
uint64_t csum_add(uint64_t sum, const void *p, size_t len);
uint16_t csum_fold(uint64_t sum);

/* The time of what follows: never runs backwards. Settles (tcp_settle()). */
void	net_time(struct net *n, uint64_t now_us);

/* At the end of a turn: numbers for those who watch. */
void	net_gauges(struct net *n);

/* Random numbers that need not be secret. */
uint32_t net_random(struct net *n);

/* ---- TCP gives: tcp_*.c, conn.c ---- */

/* Also net_listen(), net_unlisten() and net_connect() of net.h. TCP pops and
 * pushes the free lists conn_free and tw_free (rec.fnext) and keeps nconns,
 * nhalf, ntw, rx_held and listen[].half itself; base computes conn_free,
 * tw_free, nconns and ntw at creation and adoption. */

/*
 * End the bracket that net_connect() left open for the service to write its
 * state. Base calls it first in net_input(), net_replay(), net_advance(),
 * net_events() and net_output(), if n->opening is not 0.
 */
void	tcp_settle(struct net *n);

/*
 * A TCP segment that passed IP's checks: p->off/len are the segment (header
 * and payload, IP headers stripped), checksum verified unless t asks not.
 * t names the flow seen from here; ecn: the two ECN bits. Takes p. bcast: to
 * a broadcast or multicast address (dropped).
 */
void	tcp_input(struct net *n, struct pkt *p, const struct tuple *t,
	    uint8_t ecn);

/*
 * The straight path for a received frame: an IPv4 segment of a connection that
 * is noted, checksums known good. False: it is not that, p was not touched.
 * tcp_burst() takes the cnt frames of the burst in hand: so, or net_frame().
 */
bool	tcp_straight(struct net *n, struct pkt *p);
void	tcp_burst(struct net *n, struct pkt *const in[], uint32_t cnt);

/*
 * An ICMP error quotes our segment: flow t, sequence number seq. type is
 * one of enum tcp_icmp; mtu: next hop's MTU, 0 unknown. RFC 5927 checks
 * inside.
 */
enum tcp_icmp { TCP_ICMP_SOFT, TCP_ICMP_HARD, TCP_ICMP_PORT, TCP_ICMP_TOOBIG };
void	tcp_icmp_error(struct net *n, const struct tuple *t, uint32_t seq,
	    enum tcp_icmp type, uint16_t mtu);

/* Record id's deadline has come (wheel). */
void	tcp_timer(struct net *n, uint32_t id);	/* connection */
void	tw_timer(struct net *n, uint32_t id);	/* time-wait */

/* Adoption, per USED connection that is sound and in the indexes, but on no
 * list: recount, make it ready again, queue what it must send (RFC-wise: first
 * unacknowledged segment, or an ACK). */
void	tcp_adopt(struct net *n, uint32_t id);
/* The peer of the torn connection gets a RST; the record was freed, but not
 * used since. */
void	tcp_adopt_torn(struct net *n, uint32_t id);
/* A connection has come from another slot, or back: the same without the look
 * at its lists' links, which are others'. */
int	tcp_arrive(struct net *n, uint32_t id);
/* It may go to another slot: out of the gauges of half-open ones. */
void	tcp_depart(struct net *n, uint32_t id);
/* Free a record that is in no index, silently. In hands. */
void	tcp_drop(struct net *n, struct conn *c);
void	tw_drop(struct net *n, uint32_t id);
/* Walk what the record holds: frames of its receive queue, its chunks.
 * Bounded even when damaged: -EPROTO. */
int	tcp_walk(struct net *n, uint32_t id, void (*frame)(void *, uint32_t),
	    void (*chunk)(void *, uint32_t), void *arg);

#include "net_inline.h"

#endif
