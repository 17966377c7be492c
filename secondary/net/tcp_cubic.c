/*
 * tcp_cubic: CUBIC, RFC 9438, in whole numbers: bytes and milliseconds.
 */
#include <string.h>

#include "tcp_priv.h"

/* beta = 0.7 and (1 + beta) / 2 = 0.85, of 1024 */
#define BETA		717u
#define CONVERGE	870u
/* alpha = 3 (1 - beta) / (1 + beta) = 0.529, of 1024 */
#define ALPHA		542u
/* growth is reckoned this often per window */
#define STEPS		8u
/* |t - K| beyond which the cube is cut off, ms */
#define DIST_MAX	1000000u

/* The largest r whose cube is at most v. */
static uint32_t
cube_root(uint64_t v)
{
	uint64_t r = 0, b;
	int s;

	for (s = 63; s >= 0; s -= 3) {
		r <<= 1;
		b = (3 * r * (r + 1) + 1);
		if (v >> s >= b) {
			v -= b << s;
			r++;
		}
	}
	return (uint32_t)r;
}

/* §4.2, §4.8: congestion avoidance begins. */
static void
begin(struct net *n, struct conn *c, struct tcp_ext *x)
{
	x->epoch = 1;
	x->epoch_ms = tcp_now_ms(n);
	x->w_est = c->cwnd;
	x->acked = 0;
	if (c->cwnd < x->w_max) {
		/* figure 2: K = cbrt((W_max - cwnd) / C), C = 0.4 */
		x->k_ms = cube_root((uint64_t)(x->w_max - c->cwnd) *
		    2500000000u / c->mss);
		x->w_origin = x->w_max;
	} else {
		x->k_ms = 0;
		x->w_origin = c->cwnd;
	}
}

/* Figure 1: W(t) = C (t - K)^3 + W_max, one round trip ahead. */
static uint32_t
w_cubic(const struct net *n, const struct conn *c, const struct tcp_ext *x)
{
	uint32_t t = tcp_now_ms(n) - x->epoch_ms + (c->srtt >> 13);
	uint64_t d = t < x->k_ms ? x->k_ms - t : t - x->k_ms, cube;

	if (d > DIST_MAX)
		d = DIST_MAX;
	/* 0.4 mss d^3 / 10^9: in two steps, so that it fits */
	cube = d * d * d / 1000 * c->mss / 1000 * 2 / 5 / 1000;
	if (t < x->k_ms)
		return cube < x->w_origin ? x->w_origin - (uint32_t)cube : 0;
	return cube < (1u << 30) ? x->w_origin + (uint32_t)cube : 1u << 30;
}

static void
cubic_avoid(struct net *n, struct conn *c, struct tcp_ext *x, uint32_t acked)
{
	uint32_t target, alpha;

	if (x->epoch == 0)
		begin(n, c, x);
	x->acked += acked;
	if (x->acked < c->cwnd / STEPS)
		return;
	acked = min_u32(x->acked, c->cwnd);
	x->acked = 0;
	/* §4.3: what Reno would have; as fast as Reno once it is where the
	 * last loss was */
	alpha = x->w_est >= x->w_origin ? 1024 : ALPHA;
	x->w_est += (uint32_t)((uint64_t)c->mss * acked * alpha /
	    c->cwnd >> 10);
	/* §4.4: no faster than half as much again in a round trip */
	target = w_cubic(n, c, x);
	target = min_u32(max_u32(target, c->cwnd), c->cwnd + c->cwnd / 2);
	c->cwnd += (uint32_t)((uint64_t)(target - c->cwnd) * acked / c->cwnd);
	c->cwnd = max_u32(c->cwnd, min_u32(x->w_est, c->cwnd + acked));
}

static uint32_t
cubic_ssthresh(struct net *n, struct conn *c, struct tcp_ext *x)
{
	/* §4.6 would have what is in flight, or the window itself where it
	 * does not grow without being used: in slow start half of it will
	 * do (tcp_cc.c), and what was never in flight was not too much. The
	 * initial window is there without having been used. */
	uint32_t out = max_u32(x->max_out, tcp_flight(c));
	uint32_t w = min_u32(c->cwnd, max_u32(out, tcp_cc_initial(n, c)));

	/* §4.7, fast convergence: leave room for a new flow */
	x->w_max = w < x->w_max ? (uint32_t)((uint64_t)w * CONVERGE >> 10) : w;
	x->epoch = 0;
	/* §4.6 */
	return max_u32((uint32_t)((uint64_t)w * BETA >> 10), 2u * c->mss);
}

static void
cubic_restart(struct conn *c, struct tcp_ext *x)
{
	x->epoch = 0;
	x->acked = 0;
}

const struct cc_ops tcp_cubic = {
	.name = "cubic",
	.avoid = cubic_avoid,
	.ssthresh = cubic_ssthresh,
	.restart = cubic_restart,
};
