/*
 * tcp_loss: which segments are lost: RACK (RFC 8985) for peers that send SACK,
 * duplicate ACKs (RFC 5681, 6582) for the others.
 */
#include <string.h>

#include "tcp_mtu.h"

#define DUPTHRESH	3u

/* RFC 8985 §6.2: was (t1, e1) sent after (t2, e2)? */
static bool
sent_after(uint32_t t1, uint32_t e1, uint32_t t2, uint32_t e2)
{
	return t1 == t2 ? seq_lt(e2, e1) : (int32_t)(t1 - t2) > 0;
}

/* A segment came after one that was sent dist bytes behind it. */
static void
note_reordering(const struct conn *c, struct tcp_ext *x, uint32_t dist)
{
	uint32_t segs = (dist + c->mss - 1u) / c->mss;

	segs = max_u32(min_u32(segs, UINT8_MAX), DUPTHRESH);
	if (x->reordering < segs)
		x->reordering = (uint8_t)segs;
}

/*
 * The segment under the cursor is known to have arrived, for the first time.
 * RFC 8985 §6.2, steps 1 to 3; and the samples of the round trip.
 */
void
tcp_delivered(struct net *n, struct conn *c, const struct seg_it *it,
    struct tcp_acked *r)
{
	struct tcp_ext *x = tcp_ext(n, c);
	uint32_t rtt = max_u32((uint32_t)n->now - it->s->time, 1);

	if ((it->s->flags & SEG_RETX) != 0) {
		r->retx = true;
		/* an ACK faster than any round trip is that of the first
		 * sending */
		if (rtt < (x->min_rtt != UINT32_MAX ? x->min_rtt :
		    c->srtt >> 4))
			return;
	} else {
		/* RFC 5682: what was sent after the timeout proves nothing */
		if (seq_leq(it->s->end, x->recover))
			r->orig = true;
		if (r->rtt_us == 0)
			r->rtt_us = rtt;
		r->late_us = rtt;
		x->min_rtt = min_u32(x->min_rtt, rtt);
		if (seq_lt(it->s->end, x->fack))
			note_reordering(c, x, x->fack - it->start);
	}
	if (seq_lt(x->fack, it->s->end))
		x->fack = it->s->end;
	if (x->rack_rtt == 0 || sent_after(it->s->time, it->s->end,
	    x->rack_time, x->rack_end)) {
		x->rack_rtt = rtt;
		x->rack_time = it->s->time;
		x->rack_end = it->s->end;
	}
}

void
tcp_mark_lost(struct conn *c, struct tcp_ext *x, struct seg_it *it)
{
	if ((it->s->flags & (SEG_SACKED | SEG_LOST)) != 0)
		return;
	it->s->flags |= SEG_LOST;
	x->lost += it->s->end - it->start;
	/* without SACK, duplicate ACKs may have counted it as delivered */
	if ((c->flags & TF_SACK) == 0)
		x->sacked = min_u32(x->sacked, tcp_flight(c) - x->lost);
}

/* Whether three segments were reported, short ones too. */
static bool
three_sacked(const struct net *n, const struct conn *c,
    const struct tcp_ext *x)
{
	struct seg_it it;
	uint32_t k = 0;

	if (x->sacked == 0 || x->sacked >= DUPTHRESH * c->mss)
		return x->sacked != 0;
	for (seg_first(n, c, &it); it.s != NULL && k < DUPTHRESH;
	    seg_next(n, c, &it))
		if ((it.s->flags & SEG_SACKED) != 0)
			k += (it.s->end - it.start + c->mss - 1u) / c->mss;
	return k >= DUPTHRESH;
}

/* RFC 8985 §6.2 step 4: how long a segment may be late. */
static uint32_t
reo_wnd(const struct net *n, const struct conn *c, const struct tcp_ext *x)
{
	uint32_t w;

	if (x->reordering == 0 && (tcp_repairing(x) || three_sacked(n, c, x)))
		return 0;
	w = x->min_rtt != UINT32_MAX ? x->min_rtt : c->srtt >> 3;
	w = w / 4 * x->reo_mult;
	return c->srtt != 0 ? min_u32(w, c->srtt >> 3) : w;
}

bool
tcp_rack(struct net *n, struct conn *c, struct tcp_ext *x)
{
	uint32_t wnd = reo_wnd(n, c, x), wait = 0;
	struct seg_it it;
	bool lost = false;
	int32_t left;

	if (x->rack_rtt == 0)
		return false;
	for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it)) {
		if ((it.s->flags & (SEG_SACKED | SEG_LOST)) != 0 ||
		    !sent_after(x->rack_time, x->rack_end, it.s->time,
		    it.s->end))
			continue;
		left = (int32_t)(it.s->time + x->rack_rtt + wnd -
		    (uint32_t)n->now);
		if (left <= 0) {
			tcp_mark_lost(c, x, &it);
			lost = true;
		} else {
			wait = max_u32(wait, (uint32_t)left);
		}
	}
	if (wait != 0)
		tcp_set_timer(n, c, TT_REO, wait);
	else if (c->timer == TT_REO)
		c->timer = TT_NONE;
	return lost;
}

/* RFC 6582 §3.2: each duplicate ACK says that one segment has left. */
void
tcp_reno_dup(struct conn *c, struct tcp_ext *x)
{
	uint32_t most = tcp_flight(c) - min_u32(tcp_flight(c), c->mss);

	if (x->dupacks < UINT8_MAX)
		x->dupacks++;
	if (x->sacked + x->lost + c->mss <= most)
		x->sacked += c->mss;
}

/* Mark the first segment lost, at most one MSS of it. */
static bool
lose_first(struct net *n, struct conn *c, struct tcp_ext *x)
{
	struct seg_it it;

	seg_first(n, c, &it);
	if (it.s == NULL || (it.s->flags & SEG_LOST) != 0)
		return false;
	if (it.s->end - it.start > c->mss)
		(void)seg_split(n, c, &it, it.start + c->mss);
	/* a retransmission that is marked again was in the pipe */
	x->sacked = min_u32(x->sacked, tcp_flight(c) - x->lost -
	    (it.s->end - it.start));
	tcp_mark_lost(c, x, &it);
	return true;
}

/* Peers without SACK, RFC 6582. True: something is lost. */
static bool
newreno(struct net *n, struct conn *c, struct tcp_ext *x,
    struct tcp_acked *r)
{
	if (r->acked != 0) {
		x->dupacks = 0;
		/* a partial ACK: the next segment is missing too */
		if (x->phase == TP_RECOVERY && seq_lt(c->snd_una, x->recover))
			return lose_first(n, c, x);
		return false;
	}
	if (!r->dup)
		return false;
	tcp_reno_dup(c, x);
	r->delivered = c->mss;
	/* RFC 6582 §3.2 step 1: not for what a timeout covered already */
	return !tcp_repairing(x) && x->dupacks == DUPTHRESH &&
	    seq_leq(x->recover, c->snd_una) && lose_first(n, c, x);
}

/* RFC 8985 §7.4.2: was the probe the repair of a loss? */
static void
tlp_end(struct net *n, struct conn *c, struct tcp_ext *x,
    const struct tcp_acked *r, const struct tcp_seg_in *s)
{
	if ((c->flags & TF_TLP) == 0 || seq_lt(c->snd_una, x->tlp_end))
		return;
	if (x->tlp_retx == 0 || r->dsack) {
		c->flags &= ~TF_TLP;	/* both came, or it was new */
	} else if (seq_lt(x->tlp_end, c->snd_una)) {
		/* nobody said that it came twice: it was lost once */
		c->flags &= ~TF_TLP;
		if (x->phase != TP_OPEN)
			return;
		x->ssthresh = tcp_cc(x)->ssthresh(n, c, x);
		c->cwnd = min_u32(c->cwnd, x->ssthresh);
	} else if (r->acked == 0 && s->len == 0 && s->nsack == 0) {
		c->flags &= ~TF_TLP;	/* the second one's ACK */
	}
}

void
tcp_loss_ack(struct net *n, struct conn *c, struct tcp_acked *r,
    const struct tcp_seg_in *s)
{
	struct tcp_ext *x = tcp_ext(n, c);
	bool open;

	if (x == NULL && (r->ece || (r->dup && (c->flags & TF_SACK) == 0)))
		x = tcp_ext_get(n, c);
	if (x == NULL) {
		tcp_cc_ack(n, c, r->acked, 0);
		return;
	}
	/* what is behind stays just behind: numbers wrap */
	if (x->phase == TP_OPEN && seq_lt(x->recover, c->snd_una))
		x->recover = c->snd_una;
	tlp_end(n, c, x, r, s);
	r->lost = (c->flags & TF_SACK) != 0 ? x->nseg != 0 &&
	    (r->delivered != 0 || c->timer == TT_REO) && tcp_rack(n, c, x) :
	    newreno(n, c, x, r);
	/* RFC 3168 §6.1.2: congestion experienced counts as a loss, once per
	 * window */
	if (r->ece && x->phase == TP_OPEN && seq_leq(x->recover, c->snd_una))
		tcp_recovery_enter(n, c, x, TP_CWR);
	tcp_mtu_ack(n, c, x);
	if (r->lost && !tcp_mtu_lost(n, c, x) && !tcp_repairing(x))
		tcp_recovery_enter(n, c, x, TP_RECOVERY);
	open = x->phase == TP_OPEN;
	tcp_recovery_ack(n, c, x, r, s);
	if (!open)
		return;
	if (r->acked != 0 || (r->sacked && x->reordering > DUPTHRESH))
		/* on a path that reorders, reports are progress as well */
		tcp_cc_ack(n, c, r->delivered, r->late_us);
}
