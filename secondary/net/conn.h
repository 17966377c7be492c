/*
 * conn: a connection, as a service sees it.
 *
 * All calls are for the service, from within the event of this connection
 * (or right after net_connect(), for that connection). A service keeps what
 * it must know in conn_state(): memory of the record, zeroed at open, that
 * survives the process; it stores no pointers there. Handles (struct conn *)
 * are learned in each event and never stored.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

/* The service's state: shape.state_size bytes, 8-byte aligned. */
void	*conn_state(struct conn *c);

/* Index of the record: names the connection in this slot, reused later. */
uint32_t conn_id(const struct net *n, const struct conn *c);

void	conn_local(const struct conn *c, struct net_addr *a);
void	conn_remote(const struct conn *c, struct net_addr *a);

/* Whether we opened it (net_connect) and did not accept it. */
bool	conn_active(const struct conn *c);

/* Unread bytes in order. */
uint32_t conn_readable(const struct conn *c);

/* The peer's FIN has come and every byte before it was consumed. */
bool	conn_eof(const struct conn *c);

/*
 * Look at unread bytes from position skip (from the first unread byte): *p is
 * set to the first of as many bytes as lie together. Returns how many, 0 at
 * the end. Walk on with skip + returned.
 */
uint32_t conn_peek(struct net *n, struct conn *c, uint32_t skip,
	    const uint8_t **p);

/* Copy up to len unread bytes from position skip; returns how many. */
uint32_t conn_copy(struct net *n, struct conn *c, uint32_t skip, void *buf,
	    uint32_t len);

/* Done with the first len unread bytes (at most conn_readable()). */
void	conn_consume(struct net *n, struct conn *c, uint32_t len);

/*
 * Bytes that conn_write() would take now: sndbuf less what is queued, and 0
 * after conn_shutdown().
 */
uint32_t conn_room(struct net *n, struct conn *c);

/* Bytes queued and not yet acknowledged, of every kind. */
uint64_t conn_queued(const struct conn *c);

/*
 * Queue a copy of len bytes. Returns how many were taken: fewer than len when
 * room or free chunks end (then conn_want_room()).
 */
uint32_t conn_write(struct net *n, struct conn *c, const void *buf,
	    uint32_t len);

/*
 * Queue a copy of all len bytes, or of none: false unless nothing else is
 * queued, there is room, and one free chunk takes them. For what must not be
 * cut; what to do instead is up to the caller.
 */
bool	conn_write_whole(struct net *n, struct conn *c, const void *buf,
	    uint32_t len);

/*
 * Build bytes in place: room for at most *len bytes in one piece at the
 * tail of the queue; *len is set to what there is (at least min). NULL when
 * there is no room for min. min is at most 512. Then conn_commit() the number
 * written; nothing else may be called in between.
 */
void	*conn_reserve(struct net *n, struct conn *c, uint32_t min,
	    uint32_t *len);
void	conn_commit(struct net *n, struct conn *c, uint32_t len);

/*
 * Queue len bytes at mem without copying: memory in the instance's mapping
 * (the file cache) that never changes while in use. Not limited by sndbuf, but
 * counted: conn_room() is 0 until what is queued is less than sndbuf again.
 * 0 or -ENOBUFS (no free chunk; conn_want_room()).
 */
int	conn_send_mem(struct net *n, struct conn *c, const void *mem,
	    uint64_t len);

/* Large chunks that are free, of 1024; for a service that gives way to others
 * before they run out. */
uint32_t conn_spare(const struct net *n);

/* Bytes that may be on their way now: what the peer and the path let through.
 * To queue much more than this helps nobody. */
uint32_t conn_window(const struct conn *c);

/* Whether bytes of this memory, given to conn_send_mem(), are still queued. */
bool	conn_sends(const struct net *n, const struct conn *c,
	    const void *mem, uint64_t len);

/* Ask for CONN_WRITE once conn_room() is at least room (0: cancel). Capped at
 * what sndbuf can ever give. Also woken when chunks ran out and came back. */
void	conn_want_room(struct net *n, struct conn *c, uint32_t room);

/* Ask for CONN_TIMER at deadline_us (0: cancel). One per connection. */
void	conn_timer(struct net *n, struct conn *c, uint64_t deadline_us);

/* Our FIN after what is queued; reading goes on. */
void	conn_shutdown(struct net *n, struct conn *c);

/*
 * The service is done: FIN after what is queued, then the stack ends the
 * connection by itself; no more events. Unread or later data from the peer is
 * answered by RST, as RFC 9293 (3.6.1) asks: with unread data that is at
 * once, and what was queued is lost. After conn_discard() such data is thrown
 * away instead.
 */
void	conn_close(struct net *n, struct conn *c);

/*
 * Throw away what is unread and what is still to come after conn_close():
 * for a server that answers before it has read all of a request, so that a
 * RST does not overtake the answer.
 */
void	conn_discard(struct net *n, struct conn *c);

/* RST and end, at once; no more events. */
void	conn_abort(struct net *n, struct conn *c);

/* Why it ended, in CONN_GONE: 0 in order, -ECONNRESET, -ETIMEDOUT,
 * -ECONNREFUSED, -EHOSTUNREACH. */
int	conn_error(const struct conn *c);

/* TCP_NODELAY, TCP_CORK. A cork holds nothing back while conn_want_room()
 * waits, nor longer than one RTO. */
void	conn_nodelay(struct conn *c, bool on);
void	conn_cork(struct net *n, struct conn *c, bool on);

/* MSG_MORE: before a write, more is to follow it at once: a short segment
 * waits for the next write without it, an ACK, or one RTO. */
void	conn_more(struct conn *c, bool more);

/* Send what is queued, corked or not; what is queued later is not meant. */
void	conn_push(struct net *n, struct conn *c);

/* Time of this turn, µs. */
uint64_t conn_now(const struct net *n);

/* ---- for a layer that also calls between two turns: sockets ---- */

/*
 * Take a connection in hands outside of its event, between two turns: all
 * calls above are allowed until conn_leave(), for this connection alone.
 * NULL: the record is not in use.
 */
struct conn *conn_enter(struct net *n, uint32_t id);
void	conn_leave(struct net *n, struct conn *c);

/* The same to look only: the record is not taken in hands, nothing may be
 * changed. Valid until the next call that changes something. */
const struct conn *conn_look(const struct net *n, uint32_t id);

/*
 * In CONN_GONE: keep the record, with what is unread, until it is entered
 * again and conn_close() or conn_abort() gives it up. Nothing is sent for it.
 */
void	conn_hold(struct conn *c);

/* Bytes that the send queue takes: what conn_room() counts from. */
uint32_t conn_sndbuf(const struct net *n, const struct conn *c);

/* The peer's FIN has come; bytes before it may be unread. */
bool	conn_fin(const struct conn *c);

/* Give the connection these options, net_conf.conn_opts being set. Values
 * that a path cannot take (rcvbuf above the maximum) are cut to what it can. */
void	conn_set_opts(struct net *n, struct conn *c,
	    const struct conn_opts *o);

/* TCP_QUICKACK: on: what is owed goes now, and the next few ACKs at once;
 * off: they may be delayed from now on. */
void	conn_quickack(struct net *n, struct conn *c, bool on);

/*
 * How it goes, for display and for TCP_INFO. Segments are counted from bytes
 * with the present segment size where one frame carried several.
 */
struct conn_metrics {
	uint8_t state;		/* enum tcp_state (common/tcb.h) */
	uint8_t phase;		/* enum tcp_phase: open, recovery, loss */
	uint8_t backoff;	/* timeouts in a row */
	uint8_t snd_wscale, rcv_wscale;
	bool ts, sack, ecn;	/* agreed */
	bool reordered;		/* reordering was seen on the path */
	uint32_t rto_us, rtt_us, rttvar_us; /* rtt 0: no sample yet */
	uint32_t min_rtt_us;	/* 0: not known */
	uint32_t mss;		/* payload bytes of a segment we send */
	uint32_t advmss;	/* the MSS option that we send */
	uint32_t pmtu;		/* bytes of an IP packet */
	uint32_t cwnd, ssthresh; /* bytes; ssthresh UINT32_MAX: not known */
	uint32_t cwnd_segs, ssthresh_segs; /* the same in segments */
	uint32_t unacked;	/* segments sent and not acknowledged */
	uint32_t sacked;	/* of them: reported by SACK */
	uint32_t lost;		/* of them: believed lost, not sent again */
	uint32_t retrans;	/* of them: sent again, not acknowledged */
	uint32_t total_retrans;	/* segments sent again since something is
				   being counted: the loss that made the
				   extension */
	uint32_t reordering;	/* duplicate ACKs taken for a loss: 3 */
	uint32_t snd_wnd;	/* bytes, the peer's */
	uint32_t rcv_wnd;	/* bytes, last announced and not used up */
	uint32_t rcv_space;	/* bytes of our receive buffer */
	uint32_t inflight;	/* bytes, SYN and FIN count */
	uint64_t unsent;	/* bytes queued and never sent */
	uint64_t bytes_in, bytes_out; /* received in order, acknowledged */
};

void	conn_metrics(const struct net *n, const struct conn *c,
	    struct conn_metrics *m);

#endif
