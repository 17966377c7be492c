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

void
tcp_cc_ack(struct net *n, struct conn *c, uint32_t acked, uint32_t flight)
{
	struct tcp_ext *x = tcp_ext(n, c);
	uint32_t ssthresh = x != NULL ? x->ssthresh : UINT32_MAX;

	if (acked == 0 || c->cwnd >= CWND_MAX)
		return;
	/* RFC 7661, RFC 9438 §4.2: a window that was not used says nothing
	 * about the path, so it does not grow */
	if (c->cwnd < ssthresh) {
		if (flight >= c->cwnd - c->cwnd / 2)
			c->cwnd = min_u32(c->cwnd + acked, ssthresh);
	} else if (flight + 2u * c->mss > c->cwnd) {
		tcp_cc(x)->avoid(n, c, x, acked);
	}
}

void
tcp_cc_idle(struct net *n, struct conn *c)
{
	uint32_t pause = (uint32_t)n->now - c->snd_time;
	struct tcp_ext *x;

	if (!n->conf.restart_idle || pause < n->conf.rto_min_us ||
	    pause < tcp_rto_us(n, c))
		return;
	c->cwnd = min_u32(c->cwnd, tcp_cc_initial(n, c));
	x = tcp_ext(n, c);
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
