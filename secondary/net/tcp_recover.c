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
	bool begun = x->phase == TP_CWR && phase == TP_RECOVERY;

	/* a timeout inside a recovery does not reduce the rate again, nor does
	 * a loss while it falls because of ECN */
	if (x->phase == TP_OPEN) {
		/* what ECN says is never undone */
		x->undo_cwnd = phase != TP_CWR ? c->cwnd : 0;
		x->undo_ssthresh = x->ssthresh;
		x->undo_una = c->snd_una;
		x->undo_retrans = 0;
		x->undo_sent = 0;
		x->ssthresh = tcp_cc(x)->ssthresh(n, c, x);
		if ((c->flags & TF_ECN) != 0)
			c->flags |= TF_CWR;
	}
	x->phase = (uint8_t)phase;
	c->flags &= ~TF_TLP;
	if (!begun) {
		x->recover = c->snd_nxt;
		x->prr_delivered = x->prr_out = 0;
		x->recover_fs = max_u32(tcp_flight(c), 1);
	}
	if (phase == TP_LOSS) {
		/* RFC 5681 §3.1: the loss window is one segment */
		c->cwnd = c->mss;
		x->frto = FR_FIRST;
		x->dupacks = 0;
		tcp_cc(x)->restart(c, x);
	} else if (phase == TP_RECOVERY) {
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
	x->frto = FR_OFF;
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
	 * first sending of something arrives. Without SACK that is certain
	 * only of what comes after the first ACK (§2.1, step 3b). */
	if (x->phase == TP_LOSS && x->frto != FR_OFF && r->orig && !r->retx &&
	    ((c->flags & TF_SACK) != 0 || x->frto == FR_WAIT))
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
		/* RFC 9937: slow start only while nothing more is lost */
		if (r->acked != 0 && !r->lost)
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
leave(struct tcp_ext *x, struct conn *c)
{
	/* RFC 6937 §3: the window that the reduction was for */
	if (x->phase != TP_LOSS)
		c->cwnd = x->ssthresh;
	x->phase = TP_OPEN;
	x->frto = FR_OFF;
	x->dupacks = 0;
	if (x->reo_persist > 0 && --x->reo_persist == 0)
		x->reo_mult = 1;
}

/*
 * After a timeout: slow start over what is lost (RFC 5681 §3.1), by two
 * segments an ACK at most (RFC 3465 §2.3), however much it says of what had
 * arrived before. And RFC 5682, steps 2 and 3: the first ACK that goes on
 * with what the timeout sent again is answered by new data; what the next one
 * acknowledges then tells whether the timeout was right.
 */
static void
after_timeout(struct conn *c, struct tcp_ext *x, const struct tcp_acked *r)
{
	if (r->acked != 0)
		c->cwnd = min_u32(c->cwnd + max_u32(c->mss, min_u32(
		    max_u32(r->acked, r->delivered), 2u * c->mss)),
		    max_u32(x->ssthresh, 2u * c->mss));
	if (x->frto == FR_FIRST && r->acked != 0) {
		x->frto = FR_OFF;
		if (tcp_unsent(c) != 0 && c->snd_wnd > tcp_flight(c)) {
			x->frto = FR_NEW;
			c->cwnd = tcp_pipe(c, x) + 2u * c->mss;
		}
	} else if (x->frto != FR_FIRST &&
	    (r->acked != 0 || r->sacked || r->dup)) {
		x->frto = FR_OFF;	/* (3a): it was */
	}
}

/*
 * Without timestamps the report that a segment came twice is all there is, and
 * it comes behind the ACK that ends the recovery: the segment was sent again
 * after all others. It counts for a window more.
 */
static void
undo_late(struct net *n, struct conn *c, struct tcp_ext *x,
    const struct tcp_acked *r)
{
	if (x->undo_cwnd == 0)
		return;
	if (c->snd_una - x->undo_una - x->recover_fs > x->undo_cwnd)
		x->undo_cwnd = 0;
	else if (r->dsack && x->undo_sent != 0 && x->undo_retrans == 0)
		undo(n, c, x);
}

void
tcp_recovery_ack(struct net *n, struct conn *c, struct tcp_ext *x,
    struct tcp_acked *r, const struct tcp_seg_in *s)
{
	if (x->phase == TP_OPEN) {
		undo_late(n, c, x, r);
		return;
	}
	if (spurious(c, x, r, s)) {
		undo(n, c, x);
		return;
	}
	if (x->phase == TP_LOSS)
		after_timeout(c, x, r);
	if (seq_leq(x->recover, c->snd_una))
		leave(x, c);
	else if (x->phase != TP_LOSS)
		prr(c, x, r);
}
