/*
 * conn_enter: work on a connection between two turns, for layers that are
 * called by a program and not by events; and what they read of it.
 */
#include <string.h>

#include "tcp_priv.h"

/* RFC 5681 §3.2 */
#define DUPTHRESH	3u

const struct conn *
conn_look(const struct net *n, uint32_t id)
{
	const struct conn *c;

	if (id >= n->a->shape.conns)
		return NULL;
	c = conn_at(n, id);
	return atomic_load_explicit(&c->rec.state, memory_order_relaxed) ==
	    REC_USED ? c : NULL;
}

struct conn *
conn_enter(struct net *n, uint32_t id)
{
	tcp_settle(n);
	if (conn_look(n, id) == NULL)
		return NULL;
	hands_set(n, id);
	return conn_at(n, id);
}

void
conn_leave(struct net *n, struct conn *c)
{
	if (c->state != TCP_CLOSED)
		tcp_rest(n, c);
	else if ((c->flags & TF_HELD) == 0 && (c->ev & CONN_GONE) == 0)
		tcp_free(n, c);	/* else its last event does that */
	hands_clear(n);
}

void
conn_hold(struct conn *c)
{
	if ((c->flags & TF_GONE) != 0)
		c->flags |= TF_HELD;
}

bool
conn_fin(const struct conn *c)
{
	return (c->flags & TF_FIN_RCVD) != 0;
}

/* Segments that len bytes make. */
static uint32_t
segments(const struct conn *c, uint32_t len)
{
	return len <= c->mss || c->mss == 0 ? 1 : (len + c->mss - 1) / c->mss;
}

/* Count what is in flight, by segments. */
static void
count_flight(const struct net *n, const struct conn *c,
    struct conn_metrics *m)
{
	uint32_t flight = tcp_flight(c), k, len;
	struct seg_it it;

	if (flight == 0)
		return;
	if (c->ext == ARENA_NONE) {
		if ((c->flags & TF_FIN_SENT) != 0 && flight > 1)
			flight--;
		m->unacked = segments(c, flight);
		m->lost = c->flags & TF_LOST ? m->unacked : 0;
		m->retrans = c->flags & (TF_RETX | TF_RETXMT_SYN) ?
		    m->unacked : 0;
		return;
	}
	for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it)) {
		len = it.s->end - it.start;
		/* a FIN makes no segment of its own behind payload */
		if (it.s->end == c->snd_nxt && len > 1 &&
		    (c->flags & TF_FIN_SENT) != 0)
			len--;
		k = segments(c, len);
		m->unacked += k;
		if ((it.s->flags & SEG_SACKED) != 0)
			m->sacked += k;
		else if ((it.s->flags & SEG_LOST) != 0)
			m->lost += k;
		else if ((it.s->flags & SEG_RETX) != 0)
			m->retrans += k;
	}
}

void
conn_metrics(const struct net *n, const struct conn *c,
    struct conn_metrics *m)
{
	const struct tcp_ext *x = tcp_ext(n, c);

	memset(m, 0, sizeof(*m));
	m->state = c->state;
	m->backoff = c->backoff;
	m->snd_wscale = (uint8_t)snd_scale(c);
	m->rcv_wscale = (uint8_t)rcv_scale(c);
	m->ts = (c->flags & TF_TS) != 0;
	m->sack = (c->flags & TF_SACK) != 0;
	m->ecn = (c->flags & TF_ECN) != 0;
	m->rto_us = tcp_rto_us(n, c);
	m->rtt_us = c->srtt >> 3;
	m->rttvar_us = c->rttvar >> 2;
	m->mss = c->mss;
	m->advmss = tcp_maxseg(n, c, tcp_our_mss(n, &c->t));
	m->pmtu = ip_mtu(n, &c->t);
	m->cwnd = c->cwnd;
	m->ssthresh = x != NULL ? x->ssthresh : UINT32_MAX;
	m->cwnd_segs = c->mss != 0 ? c->cwnd / c->mss : 0;
	m->ssthresh_segs = m->ssthresh != UINT32_MAX && c->mss != 0 ?
	    m->ssthresh / c->mss : UINT32_MAX;
	m->reordering = DUPTHRESH;
	if (x != NULL) {
		m->phase = x->phase;
		m->reordered = x->reordering != 0;
		m->reordering = max_u32(x->reordering, DUPTHRESH);
		m->min_rtt_us = x->min_rtt != UINT32_MAX ? x->min_rtt : 0;
		m->total_retrans = x->retrans;
	}
	count_flight(n, c, m);
	m->snd_wnd = c->snd_wnd;
	m->rcv_wnd = seq_lt(c->rcv_nxt, c->rcv_adv) ?
	    c->rcv_adv - c->rcv_nxt : 0;
	m->rcv_space = (uint32_t)c->rcvbuf_kb << 10;
	m->inflight = tcp_flight(c);
	m->unsent = tcp_synced(c) ? tcp_unsent(c) : c->sq_len;
	m->bytes_in = c->bytes_in;
	m->bytes_out = c->bytes_out;
}
