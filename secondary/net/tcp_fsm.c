/*
 * tcp_fsm: the life of a connection's record, and its state.
 */
#include <string.h>

#include "tcp_hot.h"

/* RFC 9293 §3.3.2, figure 5: what closing leads to. TCP_CLOSED (0) in a row
 * that is not listed: the state stays. TCP_TIME_WAIT is left to the caller,
 * because the record changes. */
static const uint8_t after[TCP_STATES][TV_EVENTS] = {
	[TCP_SYN_RCVD] = { [TV_FIN_OUT] = TCP_FIN_WAIT_1 },
	[TCP_ESTABLISHED] = {
		[TV_FIN_OUT] = TCP_FIN_WAIT_1,
		[TV_FIN_IN] = TCP_CLOSE_WAIT,
	},
	[TCP_CLOSE_WAIT] = { [TV_FIN_OUT] = TCP_LAST_ACK },
	[TCP_FIN_WAIT_1] = {
		[TV_FIN_IN] = TCP_CLOSING,
		[TV_FIN_ACKED] = TCP_FIN_WAIT_2,
	},
	[TCP_FIN_WAIT_2] = { [TV_FIN_IN] = TCP_TIME_WAIT },
	[TCP_CLOSING] = { [TV_FIN_ACKED] = TCP_TIME_WAIT },
	/* our FIN is acknowledged and theirs was taken: nothing to wait for */
	[TCP_LAST_ACK] = { [TV_FIN_ACKED] = TCP_STATES },
};

static bool
half_open(const struct conn *c)
{
	return c->state == TCP_SYN_RCVD && (c->flags & TF_ACTIVE) == 0;
}

/* Count in or out of the gauges of half-open connections. */
static void
half_count(struct net *n, struct conn *c, uint32_t by)
{
	struct listener *l;

	n->nhalf += by;
	if (n->half_stale)
		return;		/* all are counted before they are asked for */
	l = tcp_listener(n, &c->t);
	/* the listener may be younger than the connection */
	if (l != NULL && (by == 1 || l->half > 0))
		l->half += by;
}

void
tcp_half_adopt(struct net *n, struct conn *c)
{
	if (half_open(c))
		half_count(n, c, 1);
}

void
tcp_half_listen(struct net *n)
{
	uint32_t i;

	for (i = 0; i < n->nlisten; i++)
		n->listen[i].half = 0;
	n->half_stale = n->nhalf != 0;
}

/* A look at all connections: once for however many listeners were made or
 * ended, since there may be a million. */
uint32_t
tcp_half_of(struct net *n, struct listener *l)
{
	uint32_t i;

	if (!n->half_stale)
		return l->half;
	n->half_stale = false;
	n->nhalf = 0;
	for (i = 0; i < n->a->shape.conns; i++)
		if (atomic_load_explicit(&conn_at(n, i)->rec.state,
		    memory_order_relaxed) == REC_USED &&
		    !conn_at(n, i)->rec.away)
			tcp_half_adopt(n, conn_at(n, i));
	return l->half;
}

void
tcp_set_state(struct net *n, struct conn *c, enum tcp_state s)
{
	if (half_open(c))
		half_count(n, c, UINT32_MAX);
	c->state = (uint8_t)s;
	if (half_open(c))
		half_count(n, c, 1);
}

void
tcp_event(struct net *n, struct conn *c, enum tcp_event ev)
{
	uint8_t to = after[c->state][ev];

	switch (to) {
	case TCP_CLOSED:
		break;
	case TCP_TIME_WAIT:
		tcp_tw_enter(n, c);
		net_count(n, CNT_tcp_closed, 1);
		tcp_end(n, c, TE_NONE);
		break;
	case TCP_STATES:
		net_count(n, CNT_tcp_closed, 1);
		tcp_end(n, c, TE_NONE);
		break;
	default:
		tcp_set_state(n, c, to);
		if (to == TCP_FIN_WAIT_2 && (c->flags & TF_CLOSED) != 0)
			c->t_keep_ms = tcp_now_ms(n) +
			    n->conf.finwait2_us / 1000;
		break;
	}
}

/* Forget everything but identity and the links of lists, which are index. */
static void
conn_clear(const struct net *n, struct conn *c)
{
	uint32_t ready = c->ready_next, out = c->out_next;
	size_t head = offsetof(struct conn, state);

	memset(&c->state, 0, sizeof(*c) - head + n->a->shape.state_size);
	c->ready_next = ready;
	c->out_next = out;
	c->sq_head = c->sq_tail = c->sq_next = ARENA_NONE;
	c->rq_head = c->rq_tail = c->ofo = PKT_NONE;
	c->ext = ARENA_NONE;
	c->t_svc = UINT64_MAX;
}

struct conn *
tcp_open(struct net *n, const struct tuple *t, uint32_t hash, uint16_t bucket)
{
	uint32_t id = n->conn_free;
	struct conn *c;

	if (id == ARENA_NONE) {
		net_count(n, CNT_drop_no_conn, 1);
		return NULL;
	}
	/* in hands before it leaves the free list, USED last */
	hands_set(n, id);
	c = conn_at(n, id);
	n->conn_free = c->rec.fnext;
	n->nconns++;
	c->rec.hash = hash;
	c->rec.kind = REC_CONN;
	c->rec.deadline = UINT64_MAX;
	c->rec.wslot = WHEEL_NONE;
	c->rec.bucket = bucket;
	c->rec.epoch = bucket_epoch(n, bucket);
	c->t = *t;
	conn_clear(n, c);
	c->rcvbuf_kb = (uint16_t)min_u32(n->conf.rcvbuf >> 10, UINT16_MAX);
	c->quick = n->conf.quick_acks;
	c->last_rx_ms = tcp_now_ms(n);
	if (n->conf.nodelay)
		c->flags |= TF_NODELAY;
	rec_use(&c->rec);
	lookup_put(n, hash, id);
	bucket_link(n, id);
	return c;
}

/* Return the chunks of the send queue. */
static void
sq_free(struct net *n, struct conn *c)
{
	uint32_t k, next;

	for (k = c->sq_head; k != ARENA_NONE; k = next) {
		next = chunk_at(n, k)->next;
		chunk_put(n, k);
	}
	c->sq_head = c->sq_tail = c->sq_next = ARENA_NONE;
	c->sq_len = 0;
}

/* Out of the index: a new connection of this flow may come at once. */
static void
unlist(struct net *n, struct conn *c)
{
	uint32_t id = conn_index(n, c);

	if ((c->flags & TF_GONE) == 0)
		lookup_del(n, c->rec.hash, id);
	wheel_unfile(n, id);
	c->rec.deadline = UINT64_MAX;
}

/* What a record that is not USED any more still has. */
static void
give_back(struct net *n, struct conn *c)
{
	uint32_t id = conn_index(n, c);

	bucket_unlink(n, id);
	sq_free(n, c);
	tcp_ext_free(n, c);
	tcp_rq_free(n, c);
	tcp_ofo_free(n, c);
	c->rec.fnext = n->conn_free;
	n->conn_free = id;
	n->nconns--;
}

void
tcp_free(struct net *n, struct conn *c)
{
	rec_unuse(&c->rec);
	tcp_set_state(n, c, TCP_CLOSED);
	unlist(n, c);
	give_back(n, c);
}

void
tcp_drop(struct net *n, struct conn *c)
{
	rec_unuse(&c->rec);
	c->rec.away = 0;
	c->state = TCP_CLOSED;
	give_back(n, c);
}

void
tcp_depart(struct net *n, uint32_t id)
{
	if (half_open(conn_at(n, id)))
		half_count(n, conn_at(n, id), UINT32_MAX);
}

void
tcp_end(struct net *n, struct conn *c, enum tcp_err err)
{
	bool known = (c->flags & (TF_ACTIVE | TF_OPENED)) != 0 ||
	    tcp_synced(c);

	if (err == TE_TIMEOUT) {
		net_count(n, CNT_tcp_timeouts, 1);
		if (c->err == TE_UNREACH)
			err = TE_UNREACH;	/* a router said why */
	}
	if (!known || (c->flags & TF_CLOSED) != 0) {
		tcp_free(n, c);
		return;
	}
	/* what is unread stays for the last event */
	unlist(n, c);
	tcp_set_state(n, c, TCP_CLOSED);
	c->flags |= TF_GONE;
	c->flags &= ~(TF_DELACK | TF_ACK_NOW | TF_WANT | TF_NOCHUNK);
	c->err = (uint8_t)err;
	c->timer = TT_NONE;
	c->t_keep_ms = 0;
	c->t_svc = UINT64_MAX;
	sq_free(n, c);
	tcp_ext_free(n, c);
	tcp_ofo_free(n, c);
	c->snd_una = c->snd_nxt;
	tcp_ready(n, c, CONN_GONE);
}

void
tcp_ready(struct net *n, struct conn *c, uint32_t ev)
{
	hot_ready(n, c, conn_index(n, c), ev);
}

void
tcp_established(struct net *n, struct conn *c)
{
	tcp_set_state(n, c, TCP_ESTABLISHED);
	net_count(n, c->flags & TF_ACTIVE ? CNT_tcp_opened_active :
	    CNT_tcp_opened_passive, 1);
	c->timer = TT_NONE;
	c->cwnd = tcp_cc_initial(n, c);
	/* RFC 6928 §2: a SYN that was sent again once may only have been late;
	 * after more than that the window is one segment */
	if (c->backoff > 1)
		c->cwnd = c->mss;
	c->backoff = 0;
	c->err = TE_NONE;
	c->rcv_mark = c->rcv_nxt;
	c->rcv_mark_ms = (uint16_t)tcp_now_ms(n);
	if (tcp_keep_idle(n, c) != 0)
		c->t_keep_ms = (tcp_now_ms(n) + tcp_keep_idle(n, c)) | 1;
	tcp_ready(n, c, CONN_OPEN);
}
