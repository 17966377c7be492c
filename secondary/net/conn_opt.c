/*
 * conn_opt: options of one connection, and what TCP does by them.
 *
 * They lie at the begin of the service's state (net_conf.conn_opts), so that
 * connections of services that need none carry none.
 */
#include <string.h>

#include "tcp_priv.h"

#define BUF_MIN		2048u

uint32_t
tcp_maxseg(const struct net *n, const struct conn *c, uint32_t mss)
{
	const struct conn_opts *o = tcp_opts(n, c);

	if (o == NULL || o->maxseg == 0)
		return mss;
	return min_u32(mss, max_u32(o->maxseg, TCP_MSS_MIN));
}

uint32_t
tcp_keep_idle(const struct net *n, const struct conn *c)
{
	const struct conn_opts *o = tcp_opts(n, c);

	if (o == NULL || o->keepalive == 0)
		return n->conf.keepalive_us / 1000;
	if (o->keepalive == CONN_OFF)
		return 0;
	if (o->keep_idle_ms != 0)
		return o->keep_idle_ms;
	/* RFC 9293 §3.8.4: no less than two hours unless it was said */
	return n->conf.keepalive_us != 0 ? n->conf.keepalive_us / 1000 :
	    7200000;
}

bool
tcp_user_over(struct net *n, struct conn *c, uint32_t rto_us)
{
	struct conn_opts *o = tcp_opts(n, c);

	if (o == NULL || o->user_ms == 0)
		return false;
	if (o->stalled_ms == 0) {
		/* what times out now was sent when the timer started */
		o->stalled_ms = tcp_now_ms(n) -
		    min_u32(rto_us / 1000, o->user_ms);
		if (o->stalled_ms == 0)
			o->stalled_ms = 1;
	}
	return tcp_now_ms(n) - o->stalled_ms >= o->user_ms;
}

uint64_t
tcp_user_left(const struct net *n, const struct conn *c, uint64_t delay_us)
{
	const struct conn_opts *o = tcp_opts(n, c);
	uint64_t left;
	uint32_t gone;

	if (o->user_ms == 0)
		return delay_us;
	gone = o->stalled_ms != 0 ? tcp_now_ms(n) - o->stalled_ms : 0;
	left = gone < o->user_ms ? (uint64_t)(o->user_ms - gone) * 1000 : 1000;
	return left < delay_us ? left : delay_us;
}

/* The path's segments must not be longer from now on. */
static void
shorten(const struct net *n, struct conn *c)
{
	uint32_t mss;

	if (c->peer_mss == 0)
		return;		/* tcp_take_syn() does it */
	mss = tcp_maxseg(n, c, c->mss + tcp_opt_len(c)) - tcp_opt_len(c);
	if (mss < c->mss)
		c->mss = (uint16_t)mss;
}

void
conn_set_opts(struct net *n, struct conn *c, const struct conn_opts *o)
{
	struct conn_opts *own = tcp_opts(n, c);
	struct tcp_ext *x = tcp_ext(n, c);
	uint32_t stalled, keep;

	assert(own != NULL);
	stalled = own->stalled_ms;
	*own = *o;
	own->stalled_ms = stalled;
	own->tos &= (uint8_t)~3u;
	if (own->sndbuf != 0)
		own->sndbuf = max_u32(min_u32(own->sndbuf, 1u << 30), BUF_MIN);
	if (own->rcvbuf != 0) {
		own->rcvbuf = max_u32(min_u32(own->rcvbuf,
		    n->conf.rcvbuf_max), BUF_MIN);
		c->rcvbuf_kb = (uint16_t)min_u32(own->rcvbuf >> 10,
		    UINT16_MAX);
	}
	if (own->cc > 1 + NET_CC_NEWRENO)
		own->cc = 0;
	if (x != NULL && own->cc != 0)
		x->cc = own->cc - 1;
	if (own->nodelay != 0)
		conn_nodelay(c, own->nodelay == CONN_ON);
	shorten(n, c);
	if (!tcp_synced(c) || (c->flags & TF_CLOSED) != 0)
		return;
	keep = tcp_keep_idle(n, c);
	c->t_keep_ms = keep != 0 ? (tcp_now_ms(n) + keep) | 1 : 0;
}

void
conn_quickack(struct net *n, struct conn *c, bool on)
{
	c->quick = on ? TCP_QUICK : 0;
	if (on && (c->flags & TF_DELACK) != 0) {
		c->flags = (c->flags & ~TF_DELACK) | TF_ACK_NOW;
		tcp_want_output(n, c);
	}
}

uint32_t
conn_sndbuf(const struct net *n, const struct conn *c)
{
	return tcp_sndbuf(n, c);
}
