/*
 * net: one TCP/IP stack, as a pure library.
 *
 * No clock, no globals, no allocation, no system call: frames, time, memory,
 * secret and seed come in as arguments, frames to send go out through a
 * queue. All state of connections lives in the arena, memory of the caller's
 * that may outlive the process (common/arena.h); struct net itself is this
 * process's handle on it and holds what must not survive: pointers.
 *
 * One instance serves one slot and is used by one thread. A turn is
 *
 *	net_input()	received frames
 *	net_advance()	timers that are due
 *	net_events()	the service's work on connections that are ready
 *	net_output()	what the turn made necessary to send
 *
 * after which the caller sends net->out.p[0 .. out.n) in order, sets out.n
 * to 0, and reports with net_tx_done() which of them left their buffers.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/arena.h"
#include "../../common/board.h"
#include "../../common/pkt.h"

#define NET_PORTS	8u	/* most ports of one instance */
#define NET_ADDRS	8u	/* most addresses of one port */
#define NET_LISTENERS	64u
#define NET_SECRET	32u	/* bytes of the instance secret */

/* One end of a connection. */
struct net_addr {
	uint8_t addr[16];	/* network order; IPv4 in the first four */
	uint16_t port;		/* host order */
	uint8_t family;		/* 4 or 6 */
	uint8_t pad;
};

struct net_port_conf {
	uint8_t mac[6];
	uint16_t mtu;		/* bytes of an IP packet */
	uint32_t caps;		/* NET_CAP_* */
	uint32_t tso_max;	/* payload bytes of one TSO frame; 0: 65,000 */
	uint32_t naddrs;
	struct board_addr addr[NET_ADDRS]; /* ours, with prefix */
	struct board_addr gateway; /* IPv4; family 0: none */
	struct board_addr gateway6; /* IPv6; family 0: none */
	uint16_t vlan;		/* tag of every frame, 1 to 4,094; 0: none */
	uint8_t nodad;		/* 1: addresses are not probed for doubles
				   (RFC 4862): nobody else can be there */
	uint8_t l3;		/* 1: frames are IP packets without a link
				   header, in (PKT_HEADROOM bytes free before
				   them) and out; no ARP, no ND, every address
				   is reached directly; mac and vlan do not
				   count */
	uint8_t pad[4];
};

enum net_cc { NET_CC_CUBIC, NET_CC_NEWRENO };

/* Settings; net_conf_default() fills them, the caller changes some. */
struct net_conf {
	/* shape of the arena; see arena_size() */
	struct arena_shape shape;
	/* instance secret: ISN, cookies, lookup hash, port choice */
	uint8_t secret[NET_SECRET];
	uint64_t seed;		/* of what need not be secret */
	/* ports */
	uint32_t nports;
	struct net_port_conf port[NET_PORTS];
	/* TCP */
	uint32_t rto_min_us;	/* 200,000 */
	uint32_t rto_init_us;	/* 1,000,000 (RFC 6298) */
	uint32_t rto_max_us;	/* 120,000,000 */
	uint32_t delack_us;	/* 40,000; 0: acknowledge at once */
	uint32_t timewait_us;	/* 60,000,000 */
	uint32_t finwait2_us;	/* 60,000,000, after close() */
	uint32_t synack_retries; /* 5 */
	uint32_t syn_retries;	/* 6 */
	uint32_t retries;	/* 15 timeouts, then the connection ends */
	uint32_t keepalive_us;	/* 0: off */
	uint32_t rcvbuf;	/* receive window at the start, bytes */
	uint32_t rcvbuf_max;	/* auto-tuned up to this */
	uint32_t sndbuf;	/* bytes queued to send above which
				   conn_write() takes no more */
	uint32_t backlog;	/* half-open per listener before cookies */
	uint32_t initial_window; /* segments: 10 (RFC 6928) */
	uint32_t rx_hold_max;	/* frames that receive queues may hold in all;
				   0: no limit but the pool */
	uint16_t mss_max;	/* 0: from the MTU */
	uint16_t client_lo, client_hi; /* source ports that net_connect()
				   chooses from, inclusive; 0: 32,768 to
				   60,999 */
	uint8_t cc;		/* enum net_cc */
	uint8_t timestamps, sack, ecn; /* ecn: 0 off, 1 passive, 2 on */
	uint8_t mtu_probing;	/* 1: find what a path carries that says
				   nothing (RFC 4821); 0, as in Linux */
	uint8_t restart_idle;	/* slow start again after idle (RFC 5681) */
	uint8_t nodelay;	/* new connections start with TCP_NODELAY */
	uint8_t conn_opts;	/* 1: see struct conn_opts */
	uint8_t quick_acks;	/* ACKs that are never delayed at the begin of
				   a connection: 8 */
	/* IP */
	uint8_t reassembly;	/* 1: put fragments together; 0: drop them */
	uint16_t udp_step, udp_at; /* UDP source ports that we choose: those p
				   with (p - client_lo) % udp_step == udp_at;
				   0: all */
};

/*
 * Options of one connection. 0 in a member: as net_conf says. With
 * net_conf.conn_opts the service's state of each connection begins with this
 * (shape.state_size counts it); written by conn_set_opts() only.
 */
struct conn_opts {
	uint32_t sndbuf;	/* bytes, 2,048 to 1 GiB */
	uint32_t rcvbuf;	/* bytes, 2,048 to net_conf.rcvbuf_max: the
				   buffer has this size and is not tuned */
	uint32_t user_ms;	/* what is sent stays unacknowledged this long
				   at most, then the connection ends (RFC 5482,
				   RFC 9293 (3.8.3)), whatever `retries` says;
				   and so does a silence while keepalive asks,
				   whatever keep_probes says */
	uint32_t stalled_ms;	/* TCP's own: since when it is; 0: it is not */
	uint32_t keep_idle_ms;	/* keepalive: first probe after this */
	uint32_t keep_step_ms;	/* and the next ones */
	uint16_t maxseg;	/* largest segment, both ways; 88 and more */
	uint8_t tos;		/* IP TOS or traffic class; its two ECN bits
				   are TCP's */
	uint8_t cc;		/* 1 + enum net_cc */
	uint8_t keepalive;	/* CONN_ON, CONN_OFF */
	uint8_t keep_probes;	/* unanswered ones that end it */
	uint8_t nodelay;	/* CONN_ON, CONN_OFF: of a new connection */
	uint8_t pad;
};

#define CONN_OFF	1u
#define CONN_ON		2u

struct net;
struct conn;
struct net_buckets;

/* Events of a connection; a call may carry several. */
#define CONN_OPEN	0x01u	/* accepted, or connect finished */
#define CONN_READ	0x02u	/* unread bytes, or the peer's FIN */
#define CONN_WRITE	0x04u	/* room that conn_want_room() asked for */
#define CONN_TIMER	0x08u	/* conn_timer() is due */
#define CONN_GONE	0x10u	/* reset, timed out or closed: last call */

/*
 * What the stack needs from the process. Process-private: pointers are fine.
 */
struct net_env {
	uintptr_t base;		/* base of refs and offsets, see pkt.h */
	struct pktpool *pool;	/* free frames of this slot */
	_Atomic uint64_t *counters; /* CNT_MAX words; this slot is the writer */
	/*
	 * The service. Called with the connection in hands, never nested.
	 * NULL: events are dropped (an instance that only answers pings).
	 */
	void	(*event)(void *arg, struct conn *c, uint32_t events);
	void	*arg;
	/*
	 * Whether this slot owns the flow of a client port; NULL: always.
	 * Used to choose source ports.
	 */
	int	(*owns)(void *arg, uint32_t port, const struct net_addr *local,
		    const struct net_addr *remote);
	/* The bucket of such a flow; NULL: 0. */
	uint32_t (*bucket)(void *arg, uint32_t port,
		    const struct net_addr *local,
		    const struct net_addr *remote);
	/*
	 * Buckets that may move to other slots and back, see move.h; NULL:
	 * this slot has all there are. Must live as long as n.
	 */
	const struct net_buckets *buckets;
	/*
	 * A connection comes from another slot, or goes there: what the
	 * service keeps of it outside of its state. In hands; only the state
	 * may be changed. The same connection can come back. NULL: nothing.
	 */
	void	(*arrive)(void *arg, struct conn *c);
	void	(*depart)(void *arg, struct conn *c);
	/* A neighbour was learned from this frame, or that somebody else has
	 * our address: tell other slots. NULL: no other slots. The frame is
	 * only lent. */
	void	(*learned)(void *arg, const struct pkt *p);
	/*
	 * A whole frame was put together from fragments. True: its flow is
	 * another slot's, p was taken and handed on. NULL: all flows are ours.
	 */
	bool	(*elsewhere)(void *arg, struct pkt *p);
	/*
	 * For adoption: whether a ref names a frame of this slot's pool; and
	 * that a record holds it, false if another one does. NULL: refs are
	 * believed (memory that nobody else writes to).
	 */
	bool	(*frame)(void *arg, uint32_t ref);
	bool	(*claim)(void *arg, uint32_t ref);
	void	(*disclaim)(void *arg, uint32_t ref);
};

/* Fill c with the defaults above and a shape for `conns` connections. */
void	net_conf_default(struct net_conf *c, uint32_t conns);

/* Bytes of struct net, for callers that do not know it. */
size_t	net_size(void);

/*
 * Make an instance in n (net_size() bytes) with a new arena in mem (arena
 * size by arena_size(&c->shape), 64-byte aligned). env and c are copied; what
 * env points to must live as long as n. 0, -EINVAL a setting is out of range,
 * -ENOSPC size is too small.
 */
int	net_create(struct net *n, const struct net_conf *c,
	    const struct net_env *env, void *mem, size_t size, uint64_t now_us);

/*
 * Take over the arena that another process left: its process must be dead.
 * Frees the record that was in hands (the peer gets RST), rebuilds all
 * indexes from the records, and queues what adoption has to send (net_output
 * paces it). Can be repeated. Then net_held() says which frames are in use;
 * with env.claim they were claimed already. A record that is damaged, or that
 * holds what another one holds, is reset; what it held is free again.
 * Frames that the dead process sent count as mark 1, not done: the caller
 * says net_tx_done(n, 1) once no ring or queue holds one of them, until when
 * the memory that they may refer to is not used again.
 * 0; -EPROTO the memory is not an arena of this shape; -EINVAL.
 */
int	net_adopt(struct net *n, const struct net_conf *c,
	    const struct net_env *env, void *mem, size_t size, uint64_t now_us);

/*
 * Call fn for each frame that records or the burst list hold. A frame that is
 * not named (and not in a ring) is free. Used after net_adopt() to rebuild
 * the pool. Frames still listed in the burst must then go through
 * net_replay().
 */
void	net_held(struct net *n, void (*fn)(void *arg, uint32_t ref), void *arg);

/*
 * After net_adopt(), once there are free frames: handle what was left of the
 * burst in hand when the process died, tell the torn connection's peer, and
 * announce our addresses.
 */
void	net_replay(struct net *n, uint64_t now_us);

/*
 * Feed received frames. Takes every in[i]: each is freed, held by a
 * connection or reused as a reply. Never fails: a bad frame is dropped and
 * counted by cause. cnt is at most ARENA_BURST. now_us must not be earlier
 * than in the last call (an earlier one counts as the last). in[i]->port says
 * where it came from.
 */
void	net_input(struct net *n, struct pkt *const in[], uint32_t cnt,
	    uint64_t now_us);

/*
 * A frame is about to be read from a device into p, which is empty (see
 * pkt_reset()) and has room for an Ethernet header. It will be the i-th of the
 * next net_input(), or be handed to another slot before. If this process dies
 * until then, its successor finds it: also when the device gave the frame away
 * and nobody came to note its length, which is taken from its headers then.
 * For devices of which each frame is fetched by itself; i counts from 0. p
 * NULL: nothing came, and the i-th is not expected any more.
 */
void	net_expect(struct net *n, uint32_t i, struct pkt *p);

/* Learn from an ARP/ND frame that another slot saw; frees p. No reply. */
void	net_learn(struct net *n, struct pkt *p, uint64_t now_us);

/* What a slot has, and where it is. */
struct net_account {
	uint32_t total, free, held; /* total - free - held are lost */
};

struct net_audit {
	struct net_account chunks, records;
	uint32_t frames;	/* held by records */
	uint32_t waiting;	/* held by queues: to send, for neighbours, in
				   reassembly, for datagram sockets */
};

/* Count everything, between two turns. Takes as long as a look at each record
 * does. */
void	net_audit(struct net *n, struct net_audit *a);

/*
 * Run up to max due timers. Returns how many may still be due (0: none). Who
 * did not run for a while reads all that has come before this: the answer that
 * a timer waits for may be there.
 */
uint32_t net_advance(struct net *n, uint64_t now_us, uint32_t max);

/*
 * Call the service for up to max connections that are ready. Returns how many
 * are still ready.
 */
uint32_t net_events(struct net *n, uint64_t now_us, uint32_t max);

/*
 * Make the frames that connections are due to send, fairly, as far as net->out
 * has room. Returns how many connections still wait to send.
 */
uint32_t net_output(struct net *n, uint64_t now_us);

/* The settings in force. */
const struct net_conf *net_settings(const struct net *n);

/*
 * The last three steps of a turn in one call, with max 256 connections or
 * timers each: for drivers that want what a call causes at once. True: some
 * work is left, because of max or because out is full; empty out and call it
 * again with the same time. What cannot be sent because the pool is empty
 * waits for a later turn and does not count.
 */
bool	net_turn(struct net *n, uint64_t now_us);

/*
 * For tests of services. split: conn_write() of more than 512 bytes, and
 * conn_reserve(), take half of what they could. starve: no chunk is free until
 * it is called with off again, at most between two turns.
 */
void	net_split(struct net *n, bool on);
void	net_starve(struct net *n, bool on);

/* The queue of frames to send; the caller empties it. */
struct pktq *net_out(struct net *n);

/*
 * All frames up to and including this mark left their buffers: memory that
 * they refer to may be used again. Marks are pkt.mark of frames in out,
 * consecutive modulo 2^32.
 */
void	net_tx_done(struct net *n, uint32_t mark);

/* The mark of the last frame put into out. */
uint32_t net_tx_mark(const struct net *n);

/*
 * When net_advance() has work next, µs; UINT64_MAX: never. Never later than
 * the first timer; exact when that is less than 4 ms away.
 */
uint64_t net_deadline(struct net *n);

/*
 * Accept connections to local (family 0: any address and family; an address
 * of zeros: any of its family; port 0 is -EINVAL). 0, -EADDRINUSE, -ENOSPC.
 * Listeners are not records: a process sets them up again before or after
 * net_adopt().
 */
int	net_listen(struct net *n, const struct net_addr *local);

/* Stop accepting; half-open connections of it go on. -ENOENT. */
int	net_unlisten(struct net *n, const struct net_addr *local);

/* A listener with settings of its own. */
struct net_listen_conf {
	struct net_addr local;	/* as in net_listen() */
	uint32_t backlog;	/* half-open ones; 0: net_conf.backlog */
	uint32_t user;		/* for net_listener() */
	struct conn_opts opts;	/* of its connections, if net_conf.conn_opts */
};

/* As net_listen(); *l is copied. */
int	net_listen_as(struct net *n, const struct net_listen_conf *l);

/* The same listener with other settings; its address stays. -ENOENT. */
int	net_listen_set(struct net *n, const struct net_listen_conf *l);

/*
 * The one who accepts has no room (full) or has some again: while it is full
 * a SYN or the handshake's last ACK is dropped, and the peer asks again later.
 * -ENOENT.
 */
int	net_listen_full(struct net *n, const struct net_addr *local, bool full);

/* The listener that a connection came to: 0 and its `user`; -ENOENT. */
int	net_listener(struct net *n, const struct conn *c, uint32_t *user);

/* Whether an address is one of ours, on any port: 0 or -EADDRNOTAVAIL. */
int	net_local(const struct net *n, const struct net_addr *a);

/*
 * Open a connection. local: NULL or port 0 lets the stack choose. Its state is
 * zeroed. *cp is valid until the service returns or net_input, net_advance or
 * net_events is called; the answer comes as CONN_OPEN or CONN_GONE. Not to be
 * called from within an event of another connection (brackets never nest):
 * from the service's tick or between turns. 0; -EADDRNOTAVAIL no free port,
 * -ENETUNREACH no route, -ENOBUFS no free record, -EINVAL.
 */
int	net_connect(struct net *n, const struct net_addr *local,
	    const struct net_addr *remote, uint64_t now_us, struct conn **cp);

#endif
