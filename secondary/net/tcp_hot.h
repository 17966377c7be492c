/*
 * tcp_hot: what TCP does for every segment, short enough to be done in place;
 * for tcp_*.c and conn*.c. Each is the whole rule: what also exists as a
 * function calls the one here.
 */
#ifndef NET_TCP_HOT_H
#define NET_TCP_HOT_H

#include "tcp_priv.h"

/* An ACK is owed when more than one full segment came (RFC 9293 §3.8.6.3);
 * the peer's are taken to be no larger than Ethernet's. */
#define ACK_EVERY	1460u
/* How soon a service that found no chunk is asked again, µs; later while there
 * is none, so that very many that wait do not take up the processor. */
#define NOCHUNK_US	2000u
#define NOCHUNK_MAX_US	256000u
#define BACKOFF_MAX	16u
#define RTT_MAX		100000000u	/* µs; longer samples count as this */

/* RFC 6298 (2): a sample of the round-trip time. */
static inline __attribute__((always_inline)) void
hot_rtt_sample(struct conn *c, uint32_t rtt_us)
{
	int32_t err;

	if (rtt_us - 1 >= RTT_MAX)	/* 0, too */
		rtt_us = rtt_us == 0 ? 1 : RTT_MAX;
	if (c->srtt == 0) {
		/* RFC 6298 (2.2): SRTT = R, RTTVAR = R/2 */
		c->srtt = rtt_us << 3;
		c->rttvar = rtt_us << 1;
		return;
	}
	/* (2.3): alpha = 1/8, beta = 1/4; srtt is kept times 8, rttvar times
	 * 4, so that these are shifts; srtt stays above rtt_us, which is not
	 * 0 */
	err = (int32_t)(rtt_us - (c->srtt >> 3));
	c->srtt += (uint32_t)err;
	if (err < 0)
		err = -err;
	c->rttvar += (uint32_t)err - (c->rttvar >> 2);
}

/* Events for the service; see tcp_ready(). */
static inline void
hot_ready(struct net *n, struct conn *c, uint32_t id, uint32_t ev)
{
	if ((c->flags & TF_CLOSED) != 0)
		return;
	c->ev |= (uint8_t)ev;
	ready_put_id(n, c, id);
}

/* See tcp_ack_policy(). */
static inline __attribute__((always_inline)) void
hot_ack_policy(struct net *n, struct conn *c)
{
	if (c->quick > 0) {
		/* RFC 5681 §3.1: a sender in slow start grows by ACKs */
		c->quick--;
		c->flags |= TF_ACK_NOW;
	} else if (c->rcv_nxt - c->last_ack > min_u32(c->mss, ACK_EVERY) ||
	    n->conf.delack_us == 0) {
		c->flags |= TF_ACK_NOW;
	} else if ((c->flags & TF_DELACK) == 0) {
		c->flags |= TF_DELACK;
		c->t_delack = (uint32_t)n->now + n->conf.delack_us;
	}
	if ((c->flags & TF_ACK_NOW) != 0)
		out_put(n, c);
}

/*
 * RFC 6298: the retransmission timeout without backoff, once there is a
 * sample. (2.2): RTO = SRTT + 4 RTTVAR; (2.4) a floor, under the variance as in
 * Linux, so that a peer that delays its ACK by as much makes no timeout on a
 * long path either.
 */
static inline uint32_t
hot_rto_first(const struct net *n, const struct conn *c)
{
	return (c->srtt >> 3) + max_u32(c->rttvar, n->conf.rto_min_us);
}

/* RFC 6298: the retransmission timeout, µs. */
static inline uint32_t
hot_rto_us(const struct net *n, const struct conn *c)
{
	uint64_t rto = n->conf.rto_init_us;

	if (c->srtt != 0)
		rto = hot_rto_first(n, c);	/* 32 bits hold it */
	else if (rto < c->rttvar)
		rto = c->rttvar;	/* (5.7): see handshake_rtt() */
	/* (5.5) backoff; (2.5) */
	rto <<= c->backoff < BACKOFF_MAX ? c->backoff : BACKOFF_MAX;
	return rto < n->conf.rto_max_us ? (uint32_t)rto : n->conf.rto_max_us;
}

static inline void
hot_set_timer(struct net *n, struct conn *c, enum tcp_timer t,
    uint64_t delay_us)
{
	c->timer = (uint8_t)t;
	c->t_rexmit = (uint32_t)(n->now + delay_us);
}

/* RFC 8985 §7.2: a probe makes sense while nothing is known to be lost. */
static inline bool
hot_probe_ok(const struct net *n, const struct conn *c)
{
	const struct tcp_ext *x = tcp_ext(n, c);

	return (c->flags & (TF_SACK | TF_TLP)) == TF_SACK && c->srtt != 0 &&
	    c->backoff == 0 && (x == NULL ||
	    (!tcp_repairing(x) && x->sacked == 0));
}

/*
 * RFC 8985 §7.2: the probe's timeout: two round trips (2 srtt, kept times 8),
 * and the longest that a peer delays the ACK of a segment that is alone; but
 * no later than the retransmission timeout.
 */
static inline uint32_t
hot_probe_us(const struct net *n, const struct conn *c, uint32_t rto_us)
{
	uint32_t pto = c->srtt >> 2;

	pto = tcp_flight(c) > c->mss ? max_u32(pto, 2000) :
	    pto + n->conf.rto_min_us;
	return min_u32(pto, rto_us);
}

/* Start the timer: for a probe, if that makes sense. */
static inline void
hot_timer_start(struct net *n, struct conn *c)
{
	/* hot_probe_ok(): there is a sample, and no backoff */
	if (hot_probe_ok(n, c))
		hot_set_timer(n, c, TT_TLP, tcp_user_cut(n, c,
		    hot_probe_us(n, c, min_u32(hot_rto_first(n, c),
		    n->conf.rto_max_us))));
	else
		hot_set_timer(n, c, TT_RTO, tcp_user_cut(n, c,
		    hot_rto_us(n, c)));
}

/* A 32-bit time of µs as a whole one: it is near now (tcb.h). */
static inline uint64_t
hot_whole(const struct net *n, uint32_t t_us)
{
	return n->now + (uint64_t)(int64_t)(int32_t)(t_us - (uint32_t)n->now);
}

static inline uint64_t
hot_whole_ms(const struct net *n, uint32_t t_ms)
{
	return n->now + 1000 *
	    (uint64_t)(int64_t)(int32_t)(t_ms - tcp_now_ms(n));
}

static inline uint64_t
hot_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* See tcp_arm(). */
static inline void
hot_arm(struct net *n, struct conn *c)
{
	uint64_t d = c->t_svc;

	if (c->timer != TT_NONE)
		d = hot_min(d, hot_whole(n, c->t_rexmit));
	if ((c->flags & TF_DELACK) != 0)
		d = hot_min(d, hot_whole(n, c->t_delack));
	if (c->t_keep_ms != 0)
		d = hot_min(d, hot_whole_ms(n, c->t_keep_ms));
	if ((c->flags & TF_NOCHUNK) != 0)
		d = hot_min(d, n->now + max_u32(n->nochunk_us, NOCHUNK_US));
	/* the wheel finds a record that it holds too early by itself; so an
	 * answered request, whose deadline moves on, costs one store */
	if (d < c->rec.deadline ||
	    (c->rec.wslot == WHEEL_NONE && d != UINT64_MAX)) {
		c->rec.deadline = d;
		wheel_file(n, conn_index(n, c));
	} else {
		c->rec.deadline = d;
	}
}

#endif
