/*
 * tcp_rto: round-trip time (RFC 6298), and the one timer that stands for
 * retransmission, loss probe (RFC 8985 §7), reordering window and probing of a
 * closed window.
 */
#include <string.h>

#include "tcp_hot.h"
#include "tcp_mtu.h"

void
tcp_rtt_sample(struct net *n, struct conn *c, uint32_t rtt_us)
{
	hot_rtt_sample(c, rtt_us);
}

uint32_t
tcp_rto_us(const struct net *n, const struct conn *c)
{
	return hot_rto_us(n, c);
}

void
tcp_set_timer(struct net *n, struct conn *c, enum tcp_timer t,
    uint64_t delay_us)
{
	hot_set_timer(n, c, t, delay_us);
}

/* When the first segment in flight was sent. */
static uint32_t
head_time(const struct net *n, const struct conn *c)
{
	struct seg_it it;

	seg_first(n, c, &it);
	return it.s != NULL ? it.s->time : c->snd_time;
}

void
tcp_timer_alone(struct net *n, struct conn *c)
{
	hot_timer_start(n, c);
}

void
tcp_timer_sent(struct net *n, struct conn *c)
{
	uint32_t rto = tcp_rto_us(n, c);
	int32_t left;

	/* RFC 8985 §7.2, step 1; RFC 6298 (5.1) leaves the other one alone,
	 * and with it the latest time of the probe */
	if (c->timer != TT_TLP || !hot_probe_ok(n, c))
		return;
	left = (int32_t)(head_time(n, c) + rto - (uint32_t)n->now);
	tcp_set_timer(n, c, TT_TLP, tcp_user_cut(n, c,
	    hot_probe_us(n, c, left > 0 ? (uint32_t)left : rto)));
}

/* Something is queued that is not sent: the window is closed or too small for
 * our taste, or it is held back. */
static bool
waits(const struct conn *c)
{
	return tcp_unsent(c) != 0 || ((c->flags & (TF_FIN | TF_FIN_SENT)) ==
	    TF_FIN && c->snd_wnd == 0);
}

void
tcp_timer_restart(struct net *n, struct conn *c)
{
	if (tcp_flight(c) != 0) {
		if (c->timer != TT_REO)
			hot_timer_start(n, c);	/* RFC 6298 (5.3) */
	} else {
		c->timer = TT_NONE;	/* (5.2) */
	}
}

void
tcp_timer_ensure(struct net *n, struct conn *c)
{
	if (tcp_flight(c) != 0) {
		/* RFC 6298 (5.1) */
		if (c->timer == TT_PERSIST) {
			tcp_user_progress(n, c);
			c->backoff = 0;
		}
		if (c->timer == TT_NONE || c->timer == TT_PERSIST ||
		    (c->timer == TT_TLP && !hot_probe_ok(n, c)))
			hot_timer_start(n, c);
	} else if (!waits(c)) {
		c->timer = TT_NONE;
	} else if (c->timer != TT_PERSIST) {
		tcp_set_timer(n, c, TT_PERSIST, tcp_user_cut(n, c,
		    tcp_rto_us(n, c)));
	}
}

/* Everything in flight is lost until the peer says otherwise. */
static void
lose_all(struct net *n, struct conn *c, struct tcp_ext *x)
{
	struct seg_it it;
	bool renege;

	seg_first(n, c, &it);
	/* RFC 2018 §8: what was reported may have been thrown away; that
	 * is certain when the first one was reported and never acknowledged */
	renege = it.s != NULL && (it.s->flags & SEG_SACKED) != 0;
	x->sacked = x->lost = 0;
	for (; it.s != NULL; seg_next(n, c, &it)) {
		if (renege)
			it.s->flags &= (uint8_t)~SEG_SACKED;
		if ((it.s->flags & SEG_SACKED) != 0) {
			x->sacked += it.s->end - it.start;
		} else {
			it.s->flags |= SEG_LOST;
			x->lost += it.s->end - it.start;
		}
	}
}

static uint32_t
tries(const struct net *n, const struct conn *c)
{
	/* the user said how long it may take: see tcp_user_over() */
	if (n->conf.conn_opts && tcp_opts(n, c)->user_ms != 0)
		return UINT32_MAX;
	if (c->state == TCP_SYN_SENT || (c->flags & TF_ACTIVE &&
	    c->state == TCP_SYN_RCVD))
		return min_u32(n->conf.syn_retries, UINT8_MAX);
	if (c->state == TCP_SYN_RCVD)
		return min_u32(n->conf.synack_retries, UINT8_MAX);
	/* nobody waits for the end any more: half as long */
	return min_u32((c->flags & TF_CLOSED) != 0 ?
	    (n->conf.retries + 1) / 2 : n->conf.retries, UINT8_MAX);
}

/*
 * Was it tried often enough? RFC 9293 §3.8.6, §3.8.6.1: never with a peer that
 * closed its window, or took it back, and goes on answering. But what the
 * service has closed must not be held by a peer for ever (RFC 6429 §3).
 */
static bool
given_up(const struct net *n, const struct conn *c)
{
	uint32_t quiet = tcp_now_ms(n) - c->last_rx_ms;
	uint32_t since = tcp_rto_us(n, c) / 1000;	/* the last one sent */

	if (c->backoff < tries(n, c))
		return false;
	if (!tcp_synced(c) || (c->flags & TF_CLOSED) != 0 ||
	    (tcp_flight(c) != 0 && c->snd_wnd != 0))
		return true;
	return quiet > since + since / 2;
}

static void
back_off(struct conn *c)
{
	if (c->backoff < UINT8_MAX)
		c->backoff++;
}

void
tcp_rto_fire(struct net *n, struct conn *c)
{
	struct tcp_ext *x;

	if (tcp_user_over(n, c, tcp_rto_us(n, c)) || given_up(n, c)) {
		tcp_end(n, c, TE_TIMEOUT);
		return;
	}
	net_count(n, CNT_tcp_rto, 1);
	if (!tcp_synced(c)) {
		back_off(c);
		c->flags |= TF_LOST | TF_RETXMT_SYN;
	} else {
		if (c->backoff == 0)
			c->err = TE_NONE;	/* of a loss before this one */
		x = tcp_ext_get(n, c);
		tcp_mtu_timeout(n, c, x);
		if (x != NULL) {
			lose_all(n, c, x);
			tcp_recovery_enter(n, c, x, TP_LOSS);
		} else {
			c->flags |= TF_LOST;
			c->cwnd = c->mss;
		}
		back_off(c);
	}
	tcp_set_timer(n, c, TT_RTO, tcp_user_cut(n, c, tcp_rto_us(n, c)));
	tcp_want_output(n, c);
}

void
tcp_tlp_fire(struct net *n, struct conn *c)
{
	if (tcp_user_over(n, c, (uint32_t)n->now - head_time(n, c))) {
		tcp_end(n, c, TE_TIMEOUT);
		return;
	}
	c->flags |= TF_PROBE;
	tcp_set_timer(n, c, TT_RTO, tcp_user_cut(n, c, tcp_rto_us(n, c)));
	tcp_want_output(n, c);
}

void
tcp_persist_fire(struct net *n, struct conn *c)
{
	if (tcp_user_over(n, c, tcp_rto_us(n, c)) || given_up(n, c)) {
		tcp_end(n, c, TE_TIMEOUT);
		return;
	}
	back_off(c);
	c->flags |= TF_PROBE;
	tcp_set_timer(n, c, TT_PERSIST, tcp_user_cut(n, c,
	    tcp_rto_us(n, c)));
	tcp_want_output(n, c);
}
