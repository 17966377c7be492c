/*
 * tcp_cc: congestion control: what all algorithms share, and NewReno.
 */
#include <string.h>

#include "tcp_priv.h"

#define CWND_MAX	(1u << 30)

static const struct cc_ops *const algorithms[] = {
	[NET_CC_CUBIC] = &tcp_cubic,
	[NET_CC_NEWRENO] = &tcp_newreno,
};

const struct cc_ops *
tcp_cc(const struct tcp_ext *x)
{
	/* the number lies in memory that another process wrote */
	return algorithms[x->cc <= NET_CC_NEWRENO ? x->cc : NET_CC_NEWRENO];
}

uint32_t
tcp_cc_initial(const struct net *n, const struct conn *c)
{
	uint32_t w = n->conf.initial_window * c->mss;

	/* RFC 6928 §2: ten segments, but no more than 14,600 bytes of large
	 * ones unless two segments are more */
	if (n->conf.initial_window == 10)
		w = min_u32(w, max_u32(2u * c->mss, 14600));
	return max_u32(w, c->mss);
}

/* ---- slow start: HyStart++, RFC 9406 §4.2 ---- */

#define HS_SAMPLES	8u	/* N_RTT_SAMPLE */
#define HS_MIN_US	4000u	/* MIN_RTT_THRESH */
#define HS_MAX_US	16000u	/* MAX_RTT_THRESH */
#define HS_SLOWER	4u	/* CSS_GROWTH_DIVISOR */
#define HS_ROUNDS	5u	/* CSS_ROUNDS */

/* A round begins: what was sent until now ends it. */
static void
hystart_round(struct conn *c, struct tcp_ext *x)
{
	x->hs_end = c->snd_nxt;
	x->hs_last = x->hs_min;
	x->hs_min = UINT32_MAX;
	x->hs_samples = 0;
	if (x->hs_css > 0 && --x->hs_css == 0)
		x->ssthresh = c->cwnd;	/* it was congestion: avoid it */
}

/* One sample: a round trip that has grown since the last round means that a
 * queue builds up. */
static void
hystart_sample(struct tcp_ext *x, uint32_t rtt_us)
{
	uint32_t more;

	x->hs_min = min_u32(x->hs_min, rtt_us);
	if (x->hs_samples < HS_SAMPLES && ++x->hs_samples < HS_SAMPLES)
		return;
	if (x->hs_css > 0) {
		if (x->hs_min < x->hs_base)
			x->hs_css = 0;	/* it was jitter: go on */
	} else if (x->hs_last != UINT32_MAX) {
		more = max_u32(min_u32(x->hs_last / 8, HS_MAX_US), HS_MIN_US);
		if (x->hs_min >= x->hs_last + more) {
			x->hs_base = x->hs_min;
			x->hs_css = HS_ROUNDS;
		}
	}
}

/* Slow start: no limit L per ACK, as in Linux; the burst is bounded by what a
 * turn may send. */
static void
slow_start(struct conn *c, struct tcp_ext *x, uint32_t acked, uint32_t rtt_us)
{
	if (x != NULL && x->ssthresh == UINT32_MAX) {
		if (seq_leq(x->hs_end, c->snd_una))
			hystart_round(c, x);
		if (rtt_us != 0)
			hystart_sample(x, rtt_us);
		if (x->hs_css > 0)
			acked /= HS_SLOWER;
	}
	c->cwnd = min_u32(c->cwnd + acked,
	    x != NULL ? max_u32(x->ssthresh, c->cwnd) : UINT32_MAX);
}

void
tcp_cc_sent(struct conn *c, struct tcp_ext *x)
{
	uint32_t flight = tcp_flight(c);
	bool full = tcp_pipe(c, x) + c->mss > c->cwnd;

	if (seq_leq(x->max_end, c->snd_una) || full ||
	    (!x->full && flight > x->max_out)) {
		x->full = full;
		x->max_out = flight;
		x->max_end = c->snd_nxt;
	}
}

/* RFC 7661, RFC 9438 §4.2: a window that was not used says nothing about the
 * path. In slow start using half of it will do, as in Linux: it doubles. */
static bool
used(const struct conn *c, const struct tcp_ext *x, uint32_t acked)
{
	/* what was in flight when this ACK came: without memory for more, that
	 * may be many segments */
	if (x == NULL)
		return tcp_flight(c) + acked + c->mss > c->cwnd;
	return x->full || (c->cwnd < x->ssthresh && c->cwnd < 2 * x->max_out);
}

void
tcp_cc_ack(struct net *n, struct conn *c, uint32_t acked, uint32_t rtt_us)
{
	struct tcp_ext *x = tcp_ext(n, c);

	if (acked == 0 || c->cwnd >= CWND_MAX || !used(c, x, acked))
		return;
	if (x == NULL || c->cwnd < x->ssthresh)
		slow_start(c, x, acked, rtt_us);
	else
		tcp_cc(x)->avoid(n, c, x, acked);
}

/* RFC 2861, as Linux does it: half of the window is forgotten for each RTO
 * of silence, down to the initial one (RFC 5681 §4.1). */
void
tcp_cc_idle(struct net *n, struct conn *c)
{
	uint32_t pause = (uint32_t)n->now - c->snd_time, rto, least;
	struct tcp_ext *x;

	if (!n->conf.restart_idle || pause < n->conf.rto_min_us)
		return;
	/* probes of a closed window, which double it, are not data */
	rto = max_u32(tcp_rto_us(n, c) >> min_u32(c->backoff, 31),
	    n->conf.rto_min_us);
	if (pause < rto)
		return;
	least = min_u32(c->cwnd, tcp_cc_initial(n, c));
	x = tcp_ext(n, c);
	if (x != NULL && x->ssthresh != UINT32_MAX)
		x->ssthresh = max_u32(x->ssthresh, c->cwnd - c->cwnd / 4);
	for (; pause >= rto && c->cwnd > least; pause -= rto)
		c->cwnd /= 2;
	c->cwnd = max_u32(c->cwnd, least);
	if (x != NULL)
		tcp_cc(x)->restart(c, x);
}

/* RFC 5681 §3.1 (3): one segment per window, counted in bytes. */
static void
reno_avoid(struct net *n, struct conn *c, struct tcp_ext *x, uint32_t acked)
{
	x->acked += acked;
	if (x->acked >= c->cwnd) {
		x->acked -= c->cwnd;
		c->cwnd += c->mss;
	}
}

/* RFC 5681 (4) */
static uint32_t
reno_ssthresh(struct net *n, struct conn *c, struct tcp_ext *x)
{
	return max_u32(min_u32(tcp_flight(c), c->cwnd) / 2, 2u * c->mss);
}

static void
reno_restart(struct conn *c, struct tcp_ext *x)
{
	x->acked = 0;
}

const struct cc_ops tcp_newreno = {
	.name = "newreno",
	.avoid = reno_avoid,
	.ssthresh = reno_ssthresh,
	.restart = reno_restart,
};
