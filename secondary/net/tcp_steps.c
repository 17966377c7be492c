/*
 * tcp_steps: what RFC 9293 §3.10.7.3 and §3.10.7.4 do with a segment, one
 * function per step, with the checks of RFC 5961 and RFC 7323.
 */
#include <string.h>

#include "tcp_priv.h"

/* RFC 7323 §5.5: a timestamp this old says nothing, ms */
#define TS_OLD_MS	(24u * 24 * 3600 * 1000)
/* an echo that is older than any handshake, ms */
#define TS_SYN_MS	(1000u * 1000)
/* RFC 6298 (5.7): the timeout after a SYN that timed out, µs */
#define RTO_AFTER_SYN	3000000u

/* Sequence space that the segment takes. */
static uint32_t
seg_space(const struct tcp_seg_in *s)
{
	return s->len + ((s->flags & TH_SYN) != 0) +
	    ((s->flags & TH_FIN) != 0);
}

/* The handshake's round trip, if it can be known. */
static void
handshake_rtt(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	uint32_t ms = tcp_now_ms(n) + c->ts_off - s->tsecr;

	if ((c->flags & (TF_RETXMT_SYN | TF_LOST)) == 0)
		tcp_rtt_sample(n, c, (uint32_t)n->now - c->snd_time);
	else if ((c->flags & TF_TS) != 0 && s->ts && ms < TS_SYN_MS)
		/* RFC 7323 §4.1: the echo says which one was answered */
		tcp_rtt_sample(n, c, max_u32(ms * 1000, 1));
	else if ((c->flags & TF_RETXMT_SYN) != 0)
		c->rttvar = RTO_AFTER_SYN;
	c->flags &= ~(TF_LOST | TF_RETX);
}

/* ---- SYN-SENT, §3.10.7.3 ---- */

/* The SYN-ACK: first to third step have accepted it. */
static void
syn_sent_done(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	c->rcv_nxt = c->last_ack = s->seq + 1;
	c->rcv_adv = c->rcv_nxt + min_u32((uint32_t)c->rcvbuf_kb << 10,
	    UINT16_MAX);
	tcp_take_syn(n, c, s);
	c->snd_wl1 = s->seq;
	c->snd_wnd = s->wnd;		/* never scaled in a SYN */
	c->max_wnd = s->wnd >> snd_scale(c);
	if ((s->flags & TH_ACK) == 0) {
		/* simultaneous open: our SYN again, with an ACK */
		tcp_set_state(n, c, TCP_SYN_RCVD);
		c->flags |= TF_LOST;
		tcp_want_output(n, c);
		return;
	}
	c->snd_una = s->ack;
	handshake_rtt(n, c, s);
	/* ECN: RFC 3168 §6.1.1 */
	if (n->conf.ecn == 2 && (s->flags & (TH_ECE | TH_CWR)) == TH_ECE)
		c->flags |= TF_ECN;
	c->flags |= TF_ACK_NOW;
	tcp_established(n, c);
	tcp_want_output(n, c);
}

static void
syn_sent(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	bool ack_ok = (s->flags & TH_ACK) != 0 && s->ack == c->snd_nxt &&
	    c->snd_nxt != c->snd_una;

	/* first: an ACK of what we did not send */
	if ((s->flags & TH_ACK) != 0 && !ack_ok) {
		net_count(n, CNT_drop_tcp_ack, 1);
		if ((s->flags & TH_RST) == 0)
			tcp_refuse(n, &c->t, s);
		return;
	}
	/* second */
	if ((s->flags & TH_RST) != 0) {
		if (!ack_ok)
			return;
		net_count(n, CNT_tcp_reset_in, 1);
		tcp_end(n, c, TE_REFUSED);
		return;
	}
	/* fourth; a FIN or data with it comes again */
	if ((s->flags & TH_SYN) == 0) {
		net_count(n, CNT_drop_tcp_state, 1);
		return;
	}
	syn_sent_done(n, c, s);
}

/* ---- first step: sequence number and timestamp ---- */

/* RFC 9293 §3.10.7.4, first: the four cases of the window test. */
static bool
in_window(const struct conn *c, const struct tcp_seg_in *s)
{
	uint32_t space = seg_space(s), last = s->seq + space - 1;
	uint32_t wnd = seq_lt(c->rcv_nxt, c->rcv_adv) ?
	    c->rcv_adv - c->rcv_nxt : 0;

	if (space == 0)
		return wnd == 0 ? s->seq == c->rcv_nxt :
		    s->seq - c->rcv_nxt < wnd;
	/* a FIN needs no room in the buffer: a peer that sends it into a
	 * closed window would have to send it until somebody reads */
	if (wnd == 0)
		return s->len == 0 && s->seq == c->rcv_nxt &&
		    (s->flags & (TH_SYN | TH_FIN)) == TH_FIN;
	return s->seq - c->rcv_nxt < wnd || last - c->rcv_nxt < wnd ||
	    (seq_leq(s->seq, c->rcv_nxt) && seq_leq(c->rcv_adv, last));
}

/* RFC 7323 §5.3 R1: a timestamp older than the last valid one. */
static bool
paws_fails(const struct net *n, const struct conn *c,
    const struct tcp_seg_in *s)
{
	if ((c->flags & TF_TS) == 0 || !s->ts || (s->flags & TH_RST) != 0 ||
	    !seq_lt(s->tsval, c->ts_recent))
		return false;
	return tcp_now_ms(n) - c->last_rx_ms < TS_OLD_MS;
}

/*
 * The segment is not acceptable: it is answered by an ACK, so that a peer
 * that lost our ACK, probes our window, or restarted, learns where we are.
 */
static void
unacceptable(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	struct range dup = { s->seq, s->seq + s->len };

	if ((s->flags & TH_RST) != 0)
		return;
	/* old data: its ACK was lost, tell at once (RFC 2883 §4) */
	if (s->len != 0 && seq_leq(dup.end, c->rcv_nxt)) {
		net_count(n, CNT_tcp_dup, 1);
		c->quick = TCP_QUICK;
		tcp_send_ack(n, c, &dup);
		return;
	}
	/* a probe of a closed window, or a keepalive, sits at its left edge;
	 * it must be answered each time (RFC 9293 §3.8.6.1) */
	if ((s->flags & TH_SYN) == 0 &&
	    c->rcv_nxt - s->seq <= 1 && s->len <= 1) {
		tcp_send_ack(n, c, NULL);
		return;
	}
	tcp_challenge(n, c);
}

/* First step. False: dropped. */
static bool
step_sequence(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	if (paws_fails(n, c, s)) {
		net_count(n, CNT_drop_tcp_paws, 1);
		unacceptable(n, c, s);
		return false;
	}
	if (in_window(c, s))
		return true;
	/* RFC 9293 §3.10.7.4: with a closed window, valid ACK, URG and RST
	 * are taken still */
	if ((s->flags & TH_SYN) == 0 && c->rcv_nxt == c->rcv_adv &&
	    s->seq == c->rcv_nxt) {
		if ((s->flags & (TH_RST | TH_ACK)) == TH_ACK &&
		    tcp_ack_ok(n, c, s))
			tcp_ack(n, c, s);
		if (c->state != TCP_CLOSED)
			tcp_send_ack(n, c, NULL);
		return false;
	}
	net_count(n, CNT_drop_tcp_window, 1);
	/* a retransmitted SYN-ACK of a simultaneous or lost handshake carries
	 * an ACK that is good */
	unacceptable(n, c, s);
	return false;
}

/* ---- second step: RST, RFC 5961 §3.2 ---- */
static void
step_reset(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	enum tcp_err err = TE_RESET;

	if (s->seq != c->rcv_nxt) {
		/* in the window but not exact: the peer must say it again */
		tcp_challenge(n, c);
		return;
	}
	net_count(n, CNT_tcp_reset_in, 1);
	if (c->state == TCP_SYN_RCVD && (c->flags & TF_ACTIVE) != 0)
		err = TE_REFUSED;
	/* both sides were done: it is an end in order */
	if (c->state == TCP_CLOSING || c->state == TCP_LAST_ACK)
		err = TE_NONE;
	tcp_end(n, c, err);
}

/* ---- fourth step: SYN, RFC 5961 §4.2 ---- */
static void
step_syn(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	/* the SYN that made the record: our SYN-ACK was lost */
	if (c->state == TCP_SYN_RCVD && s->seq + 1 == c->rcv_nxt) {
		c->flags |= TF_LOST;
		tcp_want_output(n, c);
		return;
	}
	tcp_challenge(n, c);
}

/* ---- fifth step in SYN-RECEIVED ---- */
static bool
step_ack_half(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	if (s->ack != c->snd_nxt || c->snd_nxt == c->snd_una) {
		net_count(n, CNT_drop_tcp_ack, 1);
		tcp_refuse(n, &c->t, s);
		return false;
	}
	if ((c->flags & TF_ACTIVE) == 0 && tcp_listener_full(n, &c->t)) {
		/* as if it was lost: our SYN-ACK comes again */
		net_count(n, CNT_drop_tcp_backlog, 1);
		return false;
	}
	c->snd_una = s->ack;
	handshake_rtt(n, c, s);
	c->snd_wl1 = s->seq;
	c->snd_wnd = (uint32_t)s->wnd << snd_scale(c);
	c->max_wnd = s->wnd;
	tcp_established(n, c);
	return true;
}

/* RFC 7323 §4.3 (2), after the segment and its ACK were found acceptable. */
static void
take_timestamp(const struct net *n, struct conn *c,
    const struct tcp_seg_in *s)
{
	if ((c->flags & TF_TS) == 0 || !s->ts)
		return;
	if (seq_leq(s->seq, c->last_ack) &&
	    (seq_leq(c->ts_recent, s->tsval) ||
	    tcp_now_ms(n) - c->last_rx_ms >= TS_OLD_MS))
		c->ts_recent = s->tsval;
}

/* RFC 7323 §3.2: once agreed, a segment without the option is dropped, a RST
 * excepted. */
static bool
lacks_timestamp(const struct conn *c, const struct tcp_seg_in *s)
{
	return (c->flags & TF_TS) != 0 && !s->ts && (s->flags & TH_RST) == 0;
}

/* RFC 3168 §6.1.3: congestion is echoed until the sender says CWR. */
static void
take_ecn(struct conn *c, const struct tcp_seg_in *s)
{
	if ((c->flags & TF_ECN) == 0)
		return;
	if ((s->flags & TH_CWR) != 0)
		c->flags &= ~TF_ECE;
	if (s->ecn == ECN_CE && s->len != 0)
		c->flags |= TF_ECE | TF_ACK_NOW;
}

/*
 * A segment for a connection in any state. Takes p. c may be free, in state
 * TCP_CLOSED, when this returns.
 */
void
tcp_steps(struct net *n, struct conn *c, struct tcp_seg_in *s,
    struct pkt *p)
{
	if (c->state == TCP_SYN_SENT) {
		syn_sent(n, c, s);
		goto put;
	}
	if (lacks_timestamp(c, s)) {
		net_count(n, CNT_drop_tcp_paws, 1);
		goto put;
	}
	/* the same SYN again is outside of the window by one */
	if ((s->flags & (TH_SYN | TH_RST | TH_ACK)) == TH_SYN &&
	    c->state == TCP_SYN_RCVD && s->seq + 1 == c->rcv_nxt) {
		step_syn(n, c, s);
		goto put;
	}
	/* and so is the SYN-ACK of a simultaneous open: only its ACK counts */
	if ((s->flags & (TH_SYN | TH_RST | TH_ACK)) == (TH_SYN | TH_ACK) &&
	    c->state == TCP_SYN_RCVD && s->seq + 1 == c->rcv_nxt) {
		s->flags &= (uint8_t)~TH_SYN;
		s->seq++;
		s->wnd = (uint16_t)(s->wnd >> snd_scale(c));
	}
	if (!step_sequence(n, c, s))
		goto put;
	if ((s->flags & TH_RST) != 0) {
		step_reset(n, c, s);
		goto put;
	}
	if ((s->flags & TH_SYN) != 0) {
		net_count(n, CNT_drop_tcp_state, 1);
		step_syn(n, c, s);
		goto put;
	}
	if ((s->flags & TH_ACK) == 0) {
		net_count(n, CNT_drop_tcp_state, 1);
		goto put;
	}
	if (c->state == TCP_SYN_RCVD && !step_ack_half(n, c, s))
		goto put;
	/* before its timestamp is taken: who guesses a number in the window
	 * could make all that the peer sends look old */
	if (!tcp_ack_ok(n, c, s))
		goto put;
	take_timestamp(n, c, s);
	tcp_heard(n, c);
	tcp_ack(n, c, s);
	if (c->state == TCP_CLOSED)
		goto put;
	take_ecn(c, s);
	/* sixth step: urgent data is read in line (RFC 6093) */
	if (s->len != 0 || (s->flags & TH_FIN) != 0) {
		tcp_data(n, c, s, p);
		return;
	}
put:
	frame_put(n, p);
}
