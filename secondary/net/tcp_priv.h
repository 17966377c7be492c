/*
 * tcp_priv: inside of TCP, for tcp_*.c and conn.c only.
 *
 * The way of a segment: tcp_input() (tcp_in.c) finds its connection; the
 * straight path there handles what comes in order on an established one, all
 * else goes through the steps of RFC 9293 §3.10.7 (tcp_steps.c). What follows
 * from it is put on the ready list (the service has something to see) or on
 * the output list (something is to be sent), and done by net_events() and
 * net_output() later in the turn; so an ACK rides on the answer.
 *
 * Every function here that takes a struct conn runs with it in hands.
 */
#ifndef NET_TCP_PRIV_H
#define NET_TCP_PRIV_H

#include "net_priv.h"
#include "conn.h"
#include "conn_opt.h"

#define TH_FIN	0x01u
#define TH_SYN	0x02u
#define TH_RST	0x04u
#define TH_PSH	0x08u
#define TH_ACK	0x10u
#define TH_URG	0x20u
#define TH_ECE	0x40u
#define TH_CWR	0x80u

#define TCP_HLEN	20u
/* nop, nop, timestamp option of 10 bytes: what RFC 7323 appendix A shows and
 * everybody sends */
#define TCP_TS_WORD	0x0101080au
#define TCP_MSS_MIN	88u	/* smaller ones count as this */
#define TCP_MSS_DEF	536u	/* RFC 9293 §3.7.1: no MSS option */
#define TCP_MSS_DEF6	1220u	/* and over IPv6 */
#define TCP_WSCALE_MAX	14u	/* RFC 7323 §2.3 */
#define TCP_WSCALE_NONE	0xffu
#define TCP_SACKS	4u	/* most blocks of one segment */
#define TCP_HOLES	128u	/* most runs out of order, see tcp_ofo.c */
#define TCP_SPARE	32u	/* buffers held beside those for the window */
#define TCP_COPY	512u	/* payload up to this is copied */
#define TCP_QUICK	8u	/* ACKs at once at the start */
#define TCP_BURST	16u	/* most frames of one tcp_output() */
#define TCP_SEGS_MAX	16384u	/* most segments in a table */

/* ECN bits of the IP header */
#define ECN_ECT0	2u
#define ECN_CE		3u

struct range {
	uint32_t start, end;	/* sequence numbers, end exclusive */
};

/* A received segment, parsed. */
struct tcp_seg_in {
	uint32_t seq, ack;
	uint32_t len;		/* payload bytes */
	uint32_t off;		/* of the payload in the segment */
	uint32_t tsval, tsecr;
	uint16_t wnd;		/* as in the header */
	uint16_t mss;		/* 0: no option */
	uint8_t flags;		/* TH_* */
	uint8_t wscale;		/* TCP_WSCALE_NONE: no option */
	uint8_t nsack;
	uint8_t ecn;
	uint16_t bucket;	/* of the flow, for a record opened by it */
	bool ts, sack_ok;
	struct range sack[TCP_SACKS];
};

/* What an ACK achieved; filled by tcp_ack() and its helpers. */
struct tcp_acked {
	uint32_t acked;		/* bytes cumulatively acknowledged */
	uint32_t delivered;	/* bytes newly known to have arrived */
	uint32_t rtt_us;	/* oldest segment sent once; 0: no sample */
	uint32_t late_us;	/* the same of the latest one, for RACK */
	bool retx;		/* one sent again was among them */
	bool orig;		/* one never sent again was among them */
	bool dsack;		/* the segment reports a duplicate */
	bool sacked;		/* new SACK information */
	bool dup;		/* a duplicate ACK, RFC 5681 §2 */
	bool ece;
	bool lost;		/* it showed new losses */
};

/* ---- arithmetic modulo 2^32, RFC 9293 §3.4 ---- */
static inline bool
seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool
seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t
min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t
max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint32_t
tcp_now_ms(const struct net *n)
{
	return n->now_ms;
}

static inline uint16_t
get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
get_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static inline void
put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

/* A valid segment came: the peer lives, and so does the way to it (that is
 * said now and then only). */
static inline void
tcp_heard(struct net *n, struct conn *c)
{
	uint32_t now = tcp_now_ms(n);

	if ((now ^ c->last_rx_ms) >> 12 != 0)
		neigh_confirm(n, &c->t);
	c->last_rx_ms = now;
}

static inline uint32_t
rcv_scale(const struct conn *c)
{
	return c->wscale & 15u;
}

static inline uint32_t
snd_scale(const struct conn *c)
{
	return c->wscale >> 4;
}

/* Bytes (SYN and FIN count) sent and not acknowledged. */
static inline uint32_t
tcp_flight(const struct conn *c)
{
	return c->snd_nxt - c->snd_una;
}

/* Payload bytes queued and never sent. */
static inline uint64_t
tcp_unsent(const struct conn *c)
{
	return c->sq_len - (tcp_flight(c) -
	    ((c->flags & TF_FIN_SENT) != 0 && c->snd_una != c->snd_nxt));
}

/* Bytes believed to be in the network, RFC 6675 "pipe". */
static inline uint32_t
tcp_pipe(const struct conn *c, const struct tcp_ext *x)
{
	if (x == NULL)
		return c->flags & TF_LOST ? 0 : tcp_flight(c);
	return tcp_flight(c) - x->sacked - x->lost;
}

/* Losses are being repaired. */
static inline bool
tcp_repairing(const struct tcp_ext *x)
{
	return x->phase == TP_RECOVERY || x->phase == TP_LOSS;
}

static inline bool
tcp_synced(const struct conn *c)
{
	return c->state >= TCP_ESTABLISHED;
}

/* Bytes of options in every segment of the connection. */
static inline uint32_t
tcp_opt_len(const struct conn *c)
{
	return c->flags & TF_TS ? 12 : 0;
}

/* ---- tcp_opt.c: options ---- */

/* Parse options into s. False: malformed (length 0, 1, past the end). */
bool	tcp_opt_parse(const uint8_t *o, uint32_t len, struct tcp_seg_in *s);
/* Write the options of a SYN, in Linux's order; returns their length. */
uint32_t tcp_opt_syn(uint8_t *o, uint16_t mss, uint8_t wscale, bool sack,
	    bool ts, const uint32_t tsval_ecr[2]);
/* Parse a whole segment: header and options. False: malformed. */
bool	tcp_parse(struct tcp_seg_in *s, const uint8_t *h, uint32_t len);

/* ---- tcp_fsm.c: life of a record ---- */

enum tcp_event { TV_FIN_OUT, TV_FIN_IN, TV_FIN_ACKED, TV_EVENTS };

/* The only function that changes state. */
void	tcp_set_state(struct net *n, struct conn *c, enum tcp_state s);
/* What follows from an event of closing; a pair without a row changes
 * nothing. */
void	tcp_event(struct net *n, struct conn *c, enum tcp_event ev);
/*
 * Take a free record for flow t: it is in hands and USED when this returns.
 * Everything is zero or empty. NULL: none free (counted), hands is clear.
 */
struct conn *tcp_open(struct net *n, const struct tuple *t, uint32_t hash,
	    uint16_t bucket);
/* Free the record and all it holds. */
void	tcp_free(struct net *n, struct conn *c);
/* It is over: the service is told why, or the record is freed at once when
 * the service does not know it. c may be free after this. */
void	tcp_end(struct net *n, struct conn *c, enum tcp_err err);
/* Mark events for the service and put it on the ready list. */
void	tcp_ready(struct net *n, struct conn *c, uint32_t ev);
/* The handshake is done. */
void	tcp_established(struct net *n, struct conn *c);
/* Count an adopted connection into the gauges of half-open ones. */
void	tcp_half_adopt(struct net *n, struct conn *c);
/* The listeners changed: half-open ones are counted when one is asked for. */
void	tcp_half_listen(struct net *n);
uint32_t tcp_half_of(struct net *n, struct listener *l);

/* ---- tcp_steps.c: the steps of RFC 9293 §3.10.7 ---- */
void	tcp_steps(struct net *n, struct conn *c, struct tcp_seg_in *s,
	    struct pkt *p);

/* ---- tcp_listen.c, tcp_cookie.c: passive opening ---- */

/* A segment without a connection. isn: least initial sequence number, when a
 * TIME_WAIT entry made room for it; 0: any. Takes p. */
void	tcp_listen_input(struct net *n, const struct tuple *t, uint32_t hash,
	    struct tcp_seg_in *s, uint32_t isn, struct pkt *p);
struct listener *tcp_listener(struct net *n, const struct tuple *t);
/* A connection that is being opened takes its listener's options. */
void	tcp_listener_opts(struct net *n, struct conn *c);
/* Whether the one who accepts takes no more now. */
bool	tcp_listener_full(struct net *n, const struct tuple *t);
/* Initial sequence number and timestamp offset, RFC 6528. */
void	tcp_isn(const struct net *n, const struct tuple *t, uint32_t *isn,
	    uint32_t *ts_off);
/* Window scale that we ask for. */
uint8_t	tcp_wscale(const struct net *n);
/* MSS that we announce to this flow's peer. */
uint16_t tcp_our_mss(const struct net *n, const struct tuple *t);
/* Take what the peer's SYN says. */
void	tcp_take_syn(struct net *n, struct conn *c, const struct tcp_seg_in *s);
void	tcp_cookie_send(struct net *n, const struct tuple *t,
	    const struct tcp_seg_in *s);
/* The segment's ACK is a cookie of ours: open a connection, in SYN_RCVD and in
 * hands then. NULL: it is not, or no record. */
struct conn *tcp_cookie_open(struct net *n, const struct tuple *t,
	    uint32_t hash, const struct tcp_seg_in *s);

/* ---- tcp_ack.c: step 5 ---- */

/* Is the ACK plausible? False: it was answered, the segment is dropped. */
bool	tcp_ack_ok(struct net *n, struct conn *c, const struct tcp_seg_in *s);
/* Handle ACK, a plausible one, and window. c may be over (TCP_CLOSED) when its
 * last byte was acknowledged. */
void	tcp_ack(struct net *n, struct conn *c, const struct tcp_seg_in *s);
/* The same for the straight path: ack lies within what is in flight, without
 * an extension or without progress. */
void	tcp_ack_inline(struct net *n, struct conn *c, uint32_t ack,
	    uint32_t seq, uint16_t wnd);
/* Remove len bytes from the front of the send queue. */
void	tcp_sq_trim(struct net *n, struct conn *c, uint32_t len);
void	tcp_window(struct net *n, struct conn *c, const struct tcp_seg_in *s);
/* Room in the send queue: wake a service that waits for it. */
void	tcp_room(struct net *n, struct conn *c);

/* ---- tcp_rx.c, tcp_ofo.c: payload ---- */

/*
 * Step 7 and 8 for a segment that lies in the window: payload and FIN. Takes
 * p. c may be free afterwards.
 */
void	tcp_data(struct net *n, struct conn *c, struct tcp_seg_in *s,
	    struct pkt *p);
/* Append the frame's payload (poff, plen set) to the receive queue. Takes p. */
void	tcp_rq_append(struct net *n, struct conn *c, struct pkt *p);
/* Copy p's payload behind that of tail, where it continues it, if it is small
 * and fits. What is not copied fills half a buffer at least: so those that
 * tcp_rx_admit() allows hold all that the window promises, cut as it may be. */
bool	tcp_coalesce(struct pkt *tail, const struct pkt *p);
/* Owe an ACK for data that came in order: at once or delayed. */
void	tcp_ack_policy(struct net *n, struct conn *c);
/* Whether the connection may hold one frame more; ordered: of what comes
 * next. */
bool	tcp_rx_admit(const struct net *n, const struct conn *c, bool ordered);
/* Auto-tuning of the receive buffer: a segment with payload echoes tsecr. */
void	tcp_rcv_tune(const struct net *n, struct conn *c, uint32_t tsecr);
void	tcp_rcv_tune_blind(const struct net *n, struct conn *c);
/* Window to announce now, bytes; not below what was announced. */
uint32_t tcp_rcv_wnd(const struct net *n, struct conn *c);
void	tcp_rq_free(struct net *n, struct conn *c);
/* Keep a segment out of order. Takes p. dup: what of it was there already (RFC
 * 2883), empty if nothing was. */
void	tcp_ofo_add(struct net *n, struct conn *c, struct pkt *p,
	    struct range *dup);
/* Whether the run holds something of p, which begins before it: what. */
bool	tcp_ofo_overlap(const struct net *n, uint32_t run,
	    const struct pkt *p, struct range *dup);
/* Move what has become in order to the receive queue; true: up to a FIN. */
bool	tcp_ofo_pull(struct net *n, struct conn *c);
void	tcp_ofo_free(struct net *n, struct conn *c);
/* Throw the last run away; there is one. */
void	tcp_ofo_prune(struct net *n, struct conn *c);
/* SACK blocks to report, newest first; at most max. Returns how many. */
uint32_t tcp_ofo_blocks(const struct net *n, const struct conn *c,
	    struct range *r, uint32_t max);

/* ---- tcp_seg.c: segments in flight ---- */

/* Cursor over the table. */
struct seg_it {
	struct tcp_seg *s;	/* NULL: at the end */
	uint32_t start;		/* sequence where it begins */
	uint32_t chunk;		/* that holds it; ARENA_NONE: own[] */
	uint32_t left;		/* segments behind it in the same block */
};

/* The extension, made if there is none; NULL: no chunk. */
struct tcp_ext *tcp_ext_get(struct net *n, struct conn *c);
static inline struct tcp_ext *
tcp_ext(const struct net *n, const struct conn *c)
{
	return c->ext == ARENA_NONE ? NULL :
	    (struct tcp_ext *)(void *)chunk_at(n, c->ext)->data;
}
/* Give the extension back when nothing is in flight and nothing was lost. */
void	tcp_ext_idle(struct net *n, struct conn *c);
void	tcp_ext_free(struct net *n, struct conn *c);
/* A segment [snd_nxt, end) was sent; snd_nxt is not moved yet. */
void	tcp_seg_add(struct net *n, struct conn *c, uint32_t end);
void	seg_first(const struct net *n, const struct conn *c, struct seg_it *it);
void	seg_next(const struct net *n, const struct conn *c, struct seg_it *it);
/* Cut the segment in two at seq; it stays on the first part. False: no room. */
bool	seg_split(struct net *n, struct conn *c, struct seg_it *it,
	    uint32_t seq);
/* Remove what ack covers; fills r. snd_una is not moved yet. */
void	seg_acked(struct net *n, struct conn *c, uint32_t ack,
	    struct tcp_acked *r);

/* ---- tcp_sack.c ---- */
void	tcp_sack_in(struct net *n, struct conn *c, const struct tcp_seg_in *s,
	    struct tcp_acked *r);

/* ---- tcp_loss.c, tcp_recover.c: what is lost, and how fast to send ---- */
void	tcp_delivered(struct net *n, struct conn *c, const struct seg_it *it,
	    struct tcp_acked *r);
/* After an ACK: detect losses, enter, go on with or leave recovery. */
void	tcp_loss_ack(struct net *n, struct conn *c, struct tcp_acked *r,
	    const struct tcp_seg_in *s);
/* RACK's reordering timer, or an ACK: mark what is lost. True: something. */
bool	tcp_rack(struct net *n, struct conn *c, struct tcp_ext *x);
void	tcp_reno_dup(struct conn *c, struct tcp_ext *x);
void	tcp_mark_lost(struct conn *c, struct tcp_ext *x, struct seg_it *it);
void	tcp_recovery_enter(struct net *n, struct conn *c, struct tcp_ext *x,
	    enum tcp_phase phase);
void	tcp_recovery_ack(struct net *n, struct conn *c, struct tcp_ext *x,
	    struct tcp_acked *r, const struct tcp_seg_in *s);

/* ---- tcp_rto.c, tcp_timer.c ---- */
void	tcp_rtt_sample(struct net *n, struct conn *c, uint32_t rtt_us);
uint32_t tcp_rto_us(const struct net *n, const struct conn *c);
/* Something was acknowledged: start the timer anew, or stop it. */
void	tcp_timer_restart(struct net *n, struct conn *c);
/* After sending, or when nothing changed: it runs if it must. */
void	tcp_timer_ensure(struct net *n, struct conn *c);
/* New data was sent: a loss probe waits for that, too. */
void	tcp_timer_sent(struct net *n, struct conn *c);
/* What the lone segment in flight waits for. */
void	tcp_timer_alone(struct net *n, struct conn *c);
void	tcp_set_timer(struct net *n, struct conn *c, enum tcp_timer t,
	    uint64_t delay_us);
void	tcp_rto_fire(struct net *n, struct conn *c);
void	tcp_tlp_fire(struct net *n, struct conn *c);
void	tcp_persist_fire(struct net *n, struct conn *c);
/* File the record at its earliest deadline. */
void	tcp_arm(struct net *n, struct conn *c);
/* End of a bracket: the same, unless more of this turn is to come for c. */
static inline void
tcp_rest(struct net *n, struct conn *c)
{
	if (c->ready_next == LINK_OFF && c->out_next == LINK_OFF &&
	    c->state != TCP_CLOSED)
		tcp_arm(n, c);
}

/* ---- tcp_cc.c, tcp_cubic.c ---- */

/* Congestion control, chosen by number: the arena holds no pointers. */
struct cc_ops {
	const char *name;
	/* acked bytes arrived in congestion avoidance: grow cwnd. */
	void	(*avoid)(struct net *n, struct conn *c, struct tcp_ext *x,
		    uint32_t acked);
	/* A loss: the new ssthresh, bytes. */
	uint32_t (*ssthresh)(struct net *n, struct conn *c,
		    struct tcp_ext *x);
	/* An epoch ends: timeout, idle time or an undone recovery. */
	void	(*restart)(struct conn *c, struct tcp_ext *x);
};

extern const struct cc_ops tcp_cubic, tcp_newreno;
const struct cc_ops *tcp_cc(const struct tcp_ext *x);
/* acked bytes arrived outside of recovery, the latest of them after rtt_us (0:
 * not known): grow cwnd if it was used. */
void	tcp_cc_ack(struct net *n, struct conn *c, uint32_t acked,
	    uint32_t rtt_us);
/* Segments were sent: note how far cwnd is used. */
void	tcp_cc_sent(struct conn *c, struct tcp_ext *x);
uint32_t tcp_cc_initial(const struct net *n, const struct conn *c);
/* Before the first segment after a pause, RFC 5681 §4.1. */
void	tcp_cc_idle(struct net *n, struct conn *c);

/* ---- tcp_out.c, tcp_xmit.c, tcp_ctl.c: sending ---- */

/* Put the connection on the output list. */
static inline void
tcp_want_output(struct net *n, struct conn *c)
{
	out_put(n, c);
}
/* Send payload [seq, seq + len), TH_FIN behind it if flags say so. Returns
 * how much sequence space went out: less than asked when the frame is full (a
 * FIN stays behind then); 0: no frame. */
uint32_t tcp_xmit(struct net *n, struct conn *c, uint32_t seq, uint32_t len,
	    uint8_t flags);
/* Send what the connection is due to send, at most TCP_BURST frames and while
 * out has room. True: it has more. */
bool	tcp_output(struct net *n, struct conn *c);
/* Largest payload of one frame from here on, a multiple of mss or less. */
uint32_t tcp_xmit_max(const struct net *n, const struct conn *c);
/* Options of a data segment; returns their length. dsack: NULL or a block. */
uint32_t tcp_out_options(struct net *n, struct conn *c, uint8_t *o,
	    const struct range *dsack, bool sacks);
/* Window field, and note what was announced. */
uint16_t tcp_out_window(struct net *n, struct conn *c);
/* Write a header without options. */
void	tcp_out_header(uint8_t *h, const struct tuple *t, uint32_t seq,
	    uint32_t ack, uint8_t flags);
/* Send an ACK at once, or owe it when out is full. */
void	tcp_send_ack(struct net *n, struct conn *c, const struct range *dsack);
/* An ACK of old data that makes the peer answer. */
void	tcp_send_probe(struct net *n, struct conn *c);
/* An ACK in answer to something suspicious, RFC 5961; rate-limited. */
void	tcp_challenge(struct net *n, struct conn *c);
/* Send or send again our SYN or SYN-ACK. */
bool	tcp_send_syn(struct net *n, struct conn *c);
/* RST for a connection of ours. */
void	tcp_send_rst(struct net *n, struct conn *c);
/* RST in answer to a segment that belongs to nothing, RFC 9293 §3.10.7.1. */
void	tcp_refuse(struct net *n, const struct tuple *t,
	    const struct tcp_seg_in *s);

/* ---- tcp_tw.c: TIME_WAIT ---- */

/* Turn into a time-wait entry, with a last ACK; the connection's end is up to
 * the caller. */
void	tcp_tw_enter(struct net *n, struct conn *c);
/* A segment for it. True: it is a SYN for a new connection and the entry is
 * gone; *isn is the least initial sequence number then. */
bool	tcp_tw_input(struct net *n, uint32_t id, const struct tcp_seg_in *s,
	    uint32_t *isn);
/* Whether net_connect() may take the place of the entry: frees it. */
bool	tcp_tw_reuse(struct net *n, uint32_t id);

#endif
