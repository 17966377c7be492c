/*
 * tcp_timer: a connection's deadlines: which comes first, and what is done
 * when it has come.
 */
#include <string.h>

#include "tcp_hot.h"
#include "tcp_mtu.h"

/* Keepalive: probes that stay unanswered, and the time between them. */
#define KEEP_PROBES	9u
#define KEEP_MS		75000u

void
tcp_arm(struct net *n, struct conn *c)
{
	hot_arm(n, c);
}

static void
rexmit_due(struct net *n, struct conn *c)
{
	struct tcp_ext *x = tcp_ext(n, c);
	enum tcp_timer t = c->timer;

	c->timer = TT_NONE;
	switch (t) {
	case TT_RTO:
		tcp_rto_fire(n, c);
		break;
	case TT_TLP:
		tcp_tlp_fire(n, c);
		break;
	case TT_PERSIST:
		tcp_persist_fire(n, c);
		break;
	case TT_REO:
		/* RFC 8985 §6.3 */
		if (x != NULL && tcp_rack(n, c, x)) {
			/* RFC 6937: the first one goes at once */
			if (!tcp_mtu_lost(n, c, x) && !tcp_repairing(x)) {
				tcp_recovery_enter(n, c, x, TP_RECOVERY);
				c->cwnd = tcp_pipe(c, x) + c->mss;
			}
			c->cwnd = max_u32(c->cwnd, tcp_pipe(c, x) + c->mss);
			tcp_want_output(n, c);
		}
		tcp_timer_ensure(n, c);
		break;
	case TT_NONE:
		break;
	}
}

/* Silence for idle ms: is that enough? As in Linux, the user's timeout stands
 * in place of the count of probes, if one was sent at all. */
static bool
keep_over(const struct conn_opts *o, uint32_t idle, uint32_t keep,
    uint32_t probing)
{
	if (o != NULL && o->user_ms != 0)
		return idle > keep && idle >= o->user_ms;
	return idle >= keep + probing;
}

/* Keepalive or FIN_WAIT_2. c may be over afterwards. */
static void
keep_due(struct net *n, struct conn *c)
{
	uint32_t idle = tcp_now_ms(n) - c->last_rx_ms;
	uint32_t keep = tcp_keep_idle(n, c), probes = KEEP_PROBES, step;
	const struct conn_opts *o = tcp_opts(n, c);

	c->t_keep_ms = 0;
	if (c->state == TCP_FIN_WAIT_2 && (c->flags & TF_CLOSED) != 0) {
		tcp_end(n, c, TE_NONE);
		return;
	}
	if (keep == 0 || !tcp_synced(c))
		return;
	step = min_u32(keep, KEEP_MS);
	if (o != NULL && o->keep_step_ms != 0)
		step = o->keep_step_ms;
	if (o != NULL && o->keep_probes != 0)
		probes = o->keep_probes;
	if (idle < keep) {
		step = keep - idle;
	} else if (keep_over(o, idle, keep, probes * step)) {
		/* should it live, it must not believe that we do */
		tcp_send_rst(n, c);
		tcp_end(n, c, TE_TIMEOUT);
		return;
	} else if (tcp_flight(c) == 0) {
		/* RFC 9293 §3.8.4 */
		tcp_send_probe(n, c);
	}
	c->t_keep_ms = (tcp_now_ms(n) + step) | 1;
}

/* Chunks had run out: are there some again? */
static void
nochunk_due(struct net *n, struct conn *c)
{
	if (n->nsmall_free == 0 && n->nchunk_free == 0) {
		if (n->starved_us == 0)
			n->starved_us = n->now;
		n->nochunk_us = (uint32_t)hot_min((n->now - n->starved_us) / 4,
		    NOCHUNK_MAX_US);
		return;
	}
	n->starved_us = 0;
	n->nochunk_us = 0;
	c->flags &= ~TF_NOCHUNK;
	if ((c->flags & TF_WANT) != 0)
		tcp_room(n, c);
}

void
tcp_timer(struct net *n, uint32_t id)
{
	struct conn *c = conn_at(n, id);

	hands_set(n, id);
	c->rec.deadline = UINT64_MAX;
	if (c->timer != TT_NONE && hot_whole(n, c->t_rexmit) <= n->now)
		rexmit_due(n, c);
	if (c->state == TCP_CLOSED)
		goto out;
	if ((c->flags & TF_DELACK) != 0 &&
	    hot_whole(n, c->t_delack) <= n->now) {
		c->flags = (c->flags & ~TF_DELACK) | TF_ACK_NOW;
		tcp_want_output(n, c);
	}
	if (c->t_keep_ms != 0 && hot_whole_ms(n, c->t_keep_ms) <= n->now)
		keep_due(n, c);
	if (c->state == TCP_CLOSED)
		goto out;
	if (c->t_svc <= n->now) {
		c->t_svc = UINT64_MAX;
		tcp_ready(n, c, CONN_TIMER);
	}
	if ((c->flags & TF_NOCHUNK) != 0)
		nochunk_due(n, c);
	tcp_rest(n, c);
out:
	hands_clear(n);
}
