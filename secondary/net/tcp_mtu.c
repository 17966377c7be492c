/*
 * tcp_mtu: packetisation-layer path MTU discovery, RFC 4821, for paths that
 * drop what is too large and say nothing.
 *
 * Down: segments that time out again and again may be too large for the path;
 * they go on in smaller ones. Up: a connection whose segments are smaller than
 * both ends could take, and that has much to send, now and then sends one
 * larger one. What becomes of it says whether the path carries that: a lost
 * probe is no sign of congestion.
 */
#include <string.h>

#include "base.h"
#include "tcp_mtu.h"

#define TIMEOUTS	3u	/* in a row, then the size is doubted */
#define BASE4		1024u	/* §7.2: what every path should carry */
#define LEAST4		576u
#define NEAR		32u	/* a gain that is not worth a probe */
#define BEHIND		4u	/* segments sent behind it, to find it lost */
#define DOUBT_US	10000000u /* a timeout decided nothing: pause */

static uint32_t
heads(const struct conn *c)
{
	return (c->t.family == 4 ? 40u : 60u) + tcp_opt_len(c);
}

/* Payload of the largest segment that both ends take. */
static uint32_t
full_mss(const struct net *n, const struct conn *c)
{
	uint32_t opt = tcp_opt_len(c), mss;

	mss = min_u32(c->peer_mss, n->port[c->t.port].conf.mtu -
	    (heads(c) - opt));
	if (n->conf.mss_max != 0)
		mss = min_u32(mss, n->conf.mss_max);
	return max_u32(tcp_maxseg(n, c, mss), TCP_MSS_MIN) - opt;
}

void
tcp_mtu_timeout(struct net *n, struct conn *c, struct tcp_ext *x)
{
	uint32_t head = tcp_flight(c), mtu, mss;
	struct seg_it it;

	if (x != NULL && x->probe_mss != 0) {
		x->probe_mss = 0;
		pmtu_pause(n, c->t.port, c->t.raddr, DOUBT_US);
	}
	if (!n->conf.mtu_probing || c->backoff + 1u < TIMEOUTS)
		return;
	seg_first(n, c, &it);
	if (it.s != NULL)
		head = it.s->end - it.start;
	mtu = c->t.family == 6 ? IP6_MTU_MIN :
	    c->mss + heads(c) > BASE4 ? BASE4 : LEAST4;
	mss = mtu - heads(c);
	if (mss >= c->mss || mss >= head)
		return;
	c->mss = (uint16_t)mss;
	net_count(n, CNT_mtu_blackholes, 1);
}

uint32_t
tcp_mtu_next(const struct net *n, const struct conn *c,
    const struct tcp_ext *x)
{
	uint32_t full, size, ceil;

	if (c->peer_mss < c->mss + tcp_opt_len(c) + NEAR ||
	    !n->conf.mtu_probing || x->probe_mss != 0 || x->phase != TP_OPEN ||
	    x->sacked + x->lost != 0 || (c->flags & TF_TLP) != 0)
		return 0;
	full = full_mss(n, c);
	if (!pmtu_search(n, c->t.port, c->t.raddr, &ceil))
		return 0;
	size = full;
	/* §7.3: between what fits and what does not */
	if (ceil != 0 && ceil - heads(c) <= full)
		size = (c->mss + ceil - heads(c)) / 2;
	if (size < c->mss + NEAR ||
	    tcp_unsent(c) < size + (uint64_t)BEHIND * c->mss ||
	    size + BEHIND * c->mss > c->cwnd ||
	    tcp_pipe(c, x) + c->mss > c->cwnd ||
	    size + BEHIND * c->mss > c->snd_wnd)
		return 0;
	return size;
}

void
tcp_mtu_sent(struct net *n, struct conn *c, struct tcp_ext *x, uint32_t len)
{
	x->probe_mss = (uint16_t)len;
	x->probe_end = c->snd_nxt;
	net_count(n, CNT_mtu_probes, 1);
}

void
tcp_mtu_ack(struct net *n, struct conn *c, struct tcp_ext *x)
{
	if (x->probe_mss == 0 || seq_lt(c->snd_una, x->probe_end))
		return;
	/* §7.6.1 */
	c->mss = x->probe_mss;
	x->probe_mss = 0;
	pmtu_fits(n, c->t.port, c->t.raddr, (uint16_t)(c->mss + heads(c)));
	net_count(n, CNT_mtu_raised, 1);
}

bool
tcp_mtu_lost(struct net *n, struct conn *c, struct tcp_ext *x)
{
	uint32_t start = x->probe_end - x->probe_mss, len = 0, size;
	struct seg_it it;

	if (x->probe_mss == 0)
		return false;
	/* it may have been cut in pieces */
	for (seg_first(n, c, &it); it.s != NULL &&
	    seq_lt(it.start, x->probe_end); seg_next(n, c, &it))
		if (seq_leq(start, it.start) && (it.s->flags & SEG_LOST) != 0)
			len += it.s->end - it.start;
	if (len == 0)
		return false;
	/* §7.6.2 */
	size = x->probe_mss + heads(c);
	x->probe_mss = 0;
	pmtu_fails(n, c->t.port, c->t.raddr, (uint16_t)size,
	    (uint16_t)(c->mss + heads(c)));
	return x->lost == len;
}
