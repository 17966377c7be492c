/*
 * tcb: what a TCP connection is, in the arena.
 *
 * All truth that must survive a killed process lies here, in the chunks and
 * in the frames that a record reaches; see arena.h for the rule by which it
 * is written. Fields marked "index" are rebuilt at adoption and never
 * believed.
 *
 * A connection that has nothing in flight and lost nothing lately owns no
 * memory but its record. One segment in flight is described by the record
 * alone: it spans [snd_una, snd_nxt) and was sent at snd_time. More of them,
 * or a loss, take an extension (struct tcp_ext) in a small chunk.
 *
 * Times: t_* and snd_time are the low 32 bits of µs, or of ms where the name
 * ends in _ms; they are never more than 35 minutes (24 days) from now while
 * they count. t_svc is whole.
 */
#ifndef COMMON_TCB_H
#define COMMON_TCB_H

#include "arena.h"

/* Order matters: everything from TCP_ESTABLISHED on is synchronised. */
enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RCVD,		/* passive: counted as half-open */
	TCP_ESTABLISHED,
	TCP_CLOSE_WAIT,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,		/* in struct tw only */
	TCP_STATES
};

/* conn.flags */
#define TF_ACTIVE	0x00000001u	/* net_connect() made it */
#define TF_TS		0x00000002u	/* timestamps agreed */
#define TF_SACK		0x00000004u	/* SACK agreed */
#define TF_NODELAY	0x00000008u
#define TF_CORK		0x00000010u
#define TF_FIN		0x00000020u	/* FIN stands behind the send queue */
#define TF_FIN_SENT	0x00000040u	/* snd_nxt counts it */
#define TF_FIN_RCVD	0x00000080u	/* rcv_nxt counts the peer's FIN */
#define TF_ACK_NOW	0x00000100u	/* an ACK is owed at the next output */
#define TF_DELACK	0x00000200u	/* t_delack counts */
#define TF_OPENED	0x00000400u	/* the service was given CONN_OPEN */
#define TF_CLOSED	0x00000800u	/* the service is done: no events */
#define TF_GONE		0x00001000u	/* over; CONN_GONE is still to come */
#define TF_DISCARD	0x00002000u	/* swallow data after close */
#define TF_WANT		0x00004000u	/* room_want counts */
#define TF_NOCHUNK	0x00008000u	/* wanted, when chunks come back */
#define TF_RETX		0x00010000u	/* without ext: the segment in flight
					   was sent again */
#define TF_LOST		0x00020000u	/* without ext: it is to be sent */
#define TF_PROBE	0x00040000u	/* a probe is to be sent now */
#define TF_SMALL	0x00080000u	/* the last segment sent was short:
					   Nagle waits for its ACK */
#define TF_TLP		0x00100000u	/* one loss probe was sent */
#define TF_MORE		0x00200000u	/* the last write said that more is to
					   come at once */
#define TF_ECN		0x00400000u	/* agreed */
#define TF_ECE		0x00800000u	/* echo congestion until CWR comes */
#define TF_CWR		0x01000000u	/* say CWR in the next new segment */
#define TF_REUSED	0x02000000u	/* opened over a TIME_WAIT entry */
#define TF_RETXMT_SYN	0x04000000u	/* SYN or SYN-ACK was sent again */
#define TF_PUSH		0x08000000u	/* what is queued goes, corked or not */
#define TF_HELD		0x80000000u	/* over, but the service still reads
					   what is unread: conn_hold() */

/* conn.timer: what t_rexmit means */
enum tcp_timer {
	TT_NONE,
	TT_RTO,
	TT_PERSIST,		/* zero window: probe */
	TT_TLP,			/* tail loss probe */
	TT_REO,			/* RACK: reordering window ends */
};

/* conn.err: why it ended, see conn_error(). While it lives TE_UNREACH says that
 * a router could not deliver what is being sent again and again */
enum tcp_err {
	TE_NONE,
	TE_RESET,
	TE_TIMEOUT,
	TE_REFUSED,
	TE_UNREACH,
};

/* Link of the ready and output lists (index). 0: not on the list. */
#define LINK_OFF	0u
#define LINK_LAST	UINT32_MAX	/* on it, and nobody follows */
/* otherwise: id of the next + 1. A record that is freed stays linked until
 * its turn comes; so opening one leaves its links as they are. */

struct conn {
	struct rec rec;
	struct tuple t;

	/* every segment, in and out */
	uint8_t state;		/* enum tcp_state */
	uint8_t ev;		/* CONN_* the service has not seen yet */
	uint16_t mss;		/* payload bytes of a segment we send */
	uint32_t flags;		/* TF_* */
	uint32_t snd_una;
	uint32_t snd_nxt;	/* never goes back */
	uint32_t snd_wnd;	/* bytes, from snd_una */
	uint32_t snd_wl1;	/* SEG.SEQ of the last window update */
	uint32_t rcv_nxt;
	uint32_t rcv_adv;	/* right edge ever offered; never shrinks */
	uint32_t last_ack;	/* latest ACK we sent */
	uint32_t cwnd;		/* bytes */
	uint32_t ts_recent;
	uint32_t ts_off;	/* our timestamp less the clock, ms */

	/* send queue: chunks from snd_una on; a chunk is trimmed in front as
	 * it is acknowledged */
	uint64_t sq_len;	/* bytes queued from snd_una on, no FIN */
	uint32_t sq_head, sq_tail; /* chunk numbers, ARENA_NONE: empty */
	uint32_t sq_next;	/* chunk that holds snd_nxt, ARENA_NONE: end */
	uint32_t sq_noff;	/* and valid bytes of it already sent */
	/* receive queue: frames; pkt.seq, plen and poff say what is unread */
	uint32_t rq_head, rq_tail; /* refs, PKT_NONE: empty */
	uint32_t rq_len;	/* unread bytes in order */
	uint32_t t_rexmit;	/* see timer */
	uint32_t t_delack;
	uint32_t snd_time;	/* when a segment with payload left last */
	uint16_t rq_frames;	/* frames held, out of order ones too */
	uint8_t wscale;		/* shift of their window << 4 | of ours */
	uint8_t backoff;	/* timeouts in a row */
	uint8_t timer : 4;	/* enum tcp_timer */
	uint8_t err : 4;	/* enum tcp_err */
	uint8_t challenge;	/* when the last challenge ACK left, in units
				   of 128 ms; 0: never */
	uint8_t quick;		/* ACKs still to be sent at once */
	uint8_t holes;		/* runs in the out-of-order queue */
	uint32_t ext;		/* chunk of struct tcp_ext, ARENA_NONE */

	uint32_t srtt;		/* µs << 3; 0: no sample yet */
	uint32_t rttvar;	/* µs << 2; without a sample: the least
				   timeout, µs */
	uint32_t ready_next;	/* index: ready list */
	uint32_t out_next;	/* index: output list */
	uint32_t ofo;		/* out-of-order queue: first run, PKT_NONE */
	uint64_t t_svc;		/* conn_timer(), µs; UINT64_MAX: off */
	uint64_t bytes_in;	/* payload that entered the receive queue */
	uint64_t bytes_out;	/* payload acknowledged */
	uint32_t room_want;	/* conn_want_room() */
	uint32_t t_keep_ms;	/* keepalive, FIN_WAIT_2 */
	uint32_t last_rx_ms;	/* when the peer was last heard */
	uint32_t rcv_mark;	/* auto-tuning: sequence where it began */
	uint16_t rcv_mark_ms;	/* and when, low 16 bits */
	uint16_t rcvbuf_kb;	/* receive buffer, KiB */
	uint16_t peer_mss;	/* MSS option of the peer */
	uint16_t max_wnd;	/* largest window it offered, not yet shifted */
	/* shape.state_size bytes of the service follow */
};

_Static_assert(sizeof(struct conn) <= 256, "an idle connection, see arena.h");

/* A segment in flight. Segments lie in order of sequence without gaps. */
struct tcp_seg {
	uint32_t end;		/* sequence after its last byte; it begins
				   where the one before it ends */
	uint32_t time;		/* µs when it was sent last */
	uint8_t flags;		/* SEG_* */
	uint8_t pad[3];
};

#define SEG_SACKED	0x01u
#define SEG_LOST	0x02u	/* and not sent again since */
#define SEG_RETX	0x04u	/* was sent again at least once */
#define SEG_PUSH	0x08u	/* a write ends with it: PSH */

/* ext.phase: where loss recovery stands */
enum tcp_phase {
	TP_OPEN,
	TP_RECOVERY,		/* by RACK or duplicate ACKs */
	TP_LOSS,		/* after a timeout */
	TP_CWR,			/* the rate falls because of ECN alone */
};

/* ext.frto: is the timeout spurious? RFC 5682 */
enum tcp_frto {
	FR_OFF,
	FR_FIRST,		/* the timeout's retransmission is on its way */
	FR_NEW,			/* (2b): two new segments are to be sent */
	FR_WAIT,		/* they are sent: the next ACK decides */
};

/*
 * What a connection with several segments in flight, or one that lost
 * something, needs besides. Lies in a small chunk of kind CHUNK_SEGS; kept
 * while ssthresh is known.
 */
#define TCP_EXT_SEGS	5u	/* segments in the extension itself */

struct tcp_ext {
	uint32_t seg_head;	/* chunks with more segments, ARENA_NONE; */
	uint32_t seg_tail;	/* chunk.start, chunk.len count entries */
	uint32_t nseg;		/* segments in all */
	uint32_t sacked, lost;	/* bytes with SEG_SACKED, with SEG_LOST */
	uint16_t first;		/* of own[]: first one used */
	uint16_t nown;		/* of own[]: how many are used */
	uint32_t ssthresh;	/* bytes; UINT32_MAX: not known */
	uint32_t retrans;	/* segments sent again, in all */
	/* recovery: RFC 6675, 6937, 3522 */
	uint32_t recover;	/* it ends when this is acknowledged */
	uint32_t prr_delivered, prr_out, recover_fs;
	uint32_t undo_una;	/* snd_una at its begin */
	uint32_t undo_cwnd, undo_ssthresh; /* undo_cwnd 0: cannot undo */
	uint32_t undo_retrans;	/* sent again and not reported by D-SACK */
	uint32_t undo_ts;	/* our timestamp of the first one sent again */
	/* RACK, RFC 8985 */
	uint32_t rack_time;	/* when the latest delivered one was sent */
	uint32_t rack_end;
	uint32_t rack_rtt;	/* µs */
	uint32_t fack;		/* highest sequence delivered */
	uint32_t min_rtt;	/* µs */
	uint32_t dsack_round;	/* snd_nxt when reo_mult grew */
	uint32_t tlp_end;	/* with TF_TLP: snd_nxt after it was sent */
	uint8_t reo_mult;	/* quarters of min_rtt */
	uint8_t reo_persist;	/* recoveries until reo_mult is 1 again */
	uint8_t reordering;	/* the farthest seen, segments; 0: none */
	uint8_t phase;		/* enum tcp_phase */
	uint8_t dupacks;
	uint8_t cc;		/* enum net_cc, see net.h */
	uint8_t frto;		/* enum tcp_frto */
	uint8_t tlp_retx;	/* the probe was sent before already */
	/* congestion control's own: CUBIC, RFC 9438 */
	uint32_t w_max;		/* bytes */
	uint32_t epoch_ms;	/* begin of this congestion avoidance */
	uint32_t k_ms;
	uint32_t w_origin;	/* bytes */
	uint32_t w_est;		/* bytes */
	uint32_t acked;		/* bytes not yet turned into growth */
	uint8_t epoch;		/* epoch_ms counts */
	uint8_t undo_sent;	/* undo_ts counts */
	/* how far the window was used: RFC 7661, as Linux measures it */
	uint8_t full;		/* in this round it was what limited us */
	uint8_t hs_samples;	/* HyStart++: round trips of this round */
	uint32_t max_out;	/* bytes, most in flight in this round */
	uint32_t max_end;	/* the round is over when this is acked */
	/* HyStart++, RFC 9406; counts while ssthresh is not known */
	uint32_t hs_end;	/* windowEnd */
	uint32_t hs_last, hs_min; /* least round trip of the last round and of
				   this one, µs; UINT32_MAX: none */
	uint32_t hs_base;	/* of the one that ended slow start */
	uint8_t hs_css;		/* rounds of conservative slow start that are
				   left; 0: slow start */
	uint8_t pad2;
	/* RFC 4821: a segment larger than mss is in flight */
	uint16_t probe_mss;	/* its payload; 0: none is */
	uint32_t probe_end;	/* sequence behind it */
	struct tcp_seg own[TCP_EXT_SEGS];
};

_Static_assert(sizeof(struct chunk) + sizeof(struct tcp_ext) <= CHUNK_SMALL,
    "the extension lies in a small chunk");

/*
 * TIME_WAIT: the small record that a closed connection turns into.
 * rec.deadline ends it.
 */
struct tw {
	struct rec rec;
	struct tuple t;
	uint32_t snd_nxt;	/* what we say in an ACK */
	uint32_t rcv_nxt;
	uint32_t ts_recent;
	uint32_t ts_off;
	uint32_t last_rx_ms;	/* when ts_recent was taken */
	uint16_t wnd;		/* window field of its ACKs */
	uint8_t flags;		/* TF_TS */
	uint8_t pad;
};

/* Extension of a connection, or NULL. */
static inline struct tcp_ext *
tcb_ext(const struct arena *a, const struct conn *c)
{
	const struct chunk *k;

	if (c->ext >= a->shape.small)
		return NULL;
	k = (const struct chunk *)((uintptr_t)a + a->off_small +
	    (size_t)c->ext * CHUNK_SMALL);
	return (struct tcp_ext *)(uintptr_t)k->data;
}

#endif
