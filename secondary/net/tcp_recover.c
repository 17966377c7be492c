/*
 * tcp_recover: loss recovery: how it begins, how fast it sends (PRR, RFC
 * 6937), how it ends, and how it is undone when nothing was lost.
 */
#include <string.h>

#include "tcp_priv.h"

void
tcp_recovery_enter(struct net *n, struct conn *c, struct tcp_ext *x,
    enum tcp_phase phase)
{
	/* a timeout inside a recovery does not reduce the rate again */
	if (x->phase == TP_OPEN) {
		x->undo_cwnd = c->cwnd;
		x->undo_ssthresh = x->ssthresh;
		x->undo_una = c->snd_una;
		x->undo_retrans = 0;
		x->undo_sent = 0;
		x->ssthresh = tcp_cc(x)->ssthresh(n, c, x);
		if ((c->flags & TF_ECN) != 0)
			c->flags |= TF_CWR;
	}
	x->recover = c->snd_nxt;
	x->phase = (uint8_t)phase;
	x->prr_delivered = x->prr_out = 0;
	x->recover_fs = max_u32(tcp_flight(c), 1);
	c->flags &= ~TF_TLP;
	if (phase == TP_LOSS) {
		/* RFC 5681 §3.1: the loss window is one segment */
		c->cwnd = c->mss;
		x->frto = 1;
		x->dupacks = 0;
		tcp_cc(x)->restart(c, x);
	} else {
		net_count(n, CNT_tcp_fast_retrans, 1);
	}
}

/* Nothing was lost: back to where it was before. */
static void
undo(struct net *n, struct conn *c, struct tcp_ext *x)
{
	struct seg_it it;

	for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it))
		it.s->flags &= (uint8_t)~SEG_LOST;
	x->lost = 0;
	c->cwnd = max_u32(c->cwnd, x->undo_cwnd);
	x->ssthresh = x->undo_ssthresh;
	x->undo_cwnd = 0;
	x->phase = TP_OPEN;
	x->frto = 0;
	x->recover = c->snd_una;
	c->backoff = 0;
	net_count(n, CNT_tcp_spurious, 1);
}

/* Whether this ACK shows that the segments sent again were not lost. */
static bool
spurious(const struct conn *c, const struct tcp_ext *x,
    const struct tcp_acked *r, const struct tcp_seg_in *s)
{
	if (x->undo_cwnd == 0)
		return false;
	/* Eifel, RFC 3522 §3.2: it acknowledges what was sent again, and
	 * echoes a time before that */
	if (r->acked != 0 && r->retx && x->undo_sent != 0 && s->ts &&
	    (c->flags & TF_TS) != 0 && seq_lt(s->tsecr, x->undo_ts))
		return true;
	/* RFC 5682 §3: after a timeout, and before all was sent again, the
	 * first sending of something arrives */
	if (x->phase == TP_LOSS && x->frto != 0 && r->orig &&
	    (c->flags & TF_SACK) != 0 && !r->retx)
		return true;
	/* RFC 2883: each one sent again was reported as a duplicate */
	return r->dsack && x->undo_sent != 0 && x->undo_retrans == 0;
}

/* RFC 6937 §3.1, in bytes. */
static void
prr(struct conn *c, struct tcp_ext *x, const struct tcp_acked *r)
{
	uint32_t pipe = tcp_pipe(c, x), send, limit;
	uint64_t share;

	x->prr_delivered += r->delivered;
	if (pipe > x->ssthresh) {
		share = ((uint64_t)x->prr_delivered * x->ssthresh +
		    x->recover_fs - 1) / x->recover_fs;
		send = share > x->prr_out ? (uint32_t)share - x->prr_out : 0;
	} else {
		limit = x->prr_delivered > x->prr_out ?
		    x->prr_delivered - x->prr_out : 0;
		limit = max_u32(limit, r->delivered);
		if (r->acked != 0)
			limit += c->mss;
		send = min_u32(x->ssthresh - pipe, limit);
	}
	/* the first of it goes out at once */
	if (x->prr_out == 0)
		send = max_u32(send, c->mss);
	c->cwnd = max_u32(pipe + send, c->mss);
}

/* All that was in flight at the begin is acknowledged. */
static void
leave(struct net *n, struct conn *c, struct tcp_ext *x)
{
	if (x->phase == TP_RECOVERY)
		c->cwnd = max_u32(min_u32(c->cwnd, x->ssthresh),
		    min_u32(x->ssthresh, tcp_flight(c) + c->mss));
	x->phase = TP_OPEN;
	x->frto = 0;
	x->dupacks = 0;
	if (x->reo_persist > 0 && --x->reo_persist == 0)
		x->reo_mult = 1;
}

void
tcp_recovery_ack(struct net *n, struct conn *c, struct tcp_ext *x,
    struct tcp_acked *r, const struct tcp_seg_in *s)
{
	if (spurious(c, x, r, s)) {
		undo(n, c, x);
		return;
	}
	if (seq_leq(x->recover, c->snd_una)) {
		leave(n, c, x);
		return;
	}
	if (x->phase == TP_RECOVERY) {
		prr(c, x, r);
		return;
	}
	/* after a timeout: slow start over what is lost (RFC 5681 §3.1), by
	 * two segments an ACK at most (RFC 3465 §2.3), however much it says
	 * of what had arrived before */
	if (r->retx)
		x->frto = 0;
	c->cwnd = min_u32(c->cwnd + min_u32(max_u32(r->acked, r->delivered),
	    2u * c->mss), max_u32(x->ssthresh, 2u * c->mss));
}
