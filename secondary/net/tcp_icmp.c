/*
 * tcp_icmp: what routers say about our segments. RFC 5927: only about what is
 * in flight, and never enough to end an established connection (RFC 5461).
 */
#include <string.h>

#include "tcp_priv.h"

/* No path of today is narrower; a smaller claim is an attack. */
#define MTU_MIN		552u

/* RFC 1191: segments that are too large will never arrive: cut and send them
 * again. Nothing was lost by congestion, so the rate stays. */
static void
shrink(struct net *n, struct conn *c, uint16_t mtu)
{
	uint32_t head = c->t.family == 4 ? 40 : 60, mss;
	struct tcp_ext *x;
	struct seg_it it;

	if (mtu < MTU_MIN)
		return;
	mss = mtu - head - tcp_opt_len(c);
	if (mss >= c->mss || !tcp_synced(c))
		return;
	c->mss = (uint16_t)mss;
	c->cwnd = max_u32(c->cwnd, mss);
	x = tcp_ext_get(n, c);
	if (x == NULL)
		c->flags |= TF_LOST;
	else
		for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it))
			if (it.s->end - it.start > mss)
				tcp_mark_lost(c, x, &it);
	tcp_want_output(n, c);
}

void
tcp_icmp_error(struct net *n, const struct tuple *t, uint32_t seq,
    enum tcp_icmp type, uint16_t mtu)
{
	uint32_t hash = tuple_hash(n, t), id = lookup_find(n, hash, t);
	struct conn *c;

	if (id >= n->a->shape.conns)
		return;
	c = conn_at(n, id);
	/* RFC 5927 §4.1 */
	if (seq - c->snd_una >= tcp_flight(c))
		return;
	net_count(n, CNT_icmp_errors, 1);
	hands_set(n, id);
	if (type == TCP_ICMP_TOOBIG)
		shrink(n, c, mtu);
	else if (type != TCP_ICMP_SOFT && !tcp_synced(c))
		tcp_end(n, c, type == TCP_ICMP_PORT ? TE_REFUSED : TE_UNREACH);
	else if (c->state != TCP_CLOSED)
		c->err = TE_UNREACH;	/* RFC 1122 (4.2.3.9): to be told */
	tcp_rest(n, c);
	hands_clear(n);
}
