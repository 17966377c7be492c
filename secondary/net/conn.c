/*
 * conn: the connection as a service sees it: reading, waiting, closing.
 * Writing is in conn_send.c.
 */
#include <errno.h>
#include <string.h>

#include "tcp_priv.h"

void *
conn_state(struct conn *c)
{
	return c + 1;
}

uint32_t
conn_id(const struct net *n, const struct conn *c)
{
	return conn_index(n, c);
}

static void
addr_out(struct net_addr *a, const uint8_t addr[16], uint16_t port_be,
    uint8_t family)
{
	memset(a, 0, sizeof(*a));
	a->family = family;
	a->port = __builtin_bswap16(port_be);
	if (family == 4)
		memcpy(a->addr, addr + 12, 4);
	else
		memcpy(a->addr, addr, 16);
}

void
conn_local(const struct conn *c, struct net_addr *a)
{
	addr_out(a, c->t.laddr, c->t.lport_be, c->t.family);
}

void
conn_remote(const struct conn *c, struct net_addr *a)
{
	addr_out(a, c->t.raddr, c->t.rport_be, c->t.family);
}

bool
conn_active(const struct conn *c)
{
	return (c->flags & TF_ACTIVE) != 0;
}

uint32_t
conn_readable(const struct conn *c)
{
	return c->rq_len;
}

bool
conn_eof(const struct conn *c)
{
	return (c->flags & TF_FIN_RCVD) != 0 && c->rq_len == 0;
}

uint32_t
conn_peek(struct net *n, struct conn *c, uint32_t skip, const uint8_t **p)
{
	uint32_t ref;
	const struct pkt *k;

	for (ref = c->rq_head; ref != PKT_NONE; ref = k->next) {
		k = pkt_at(n->env.base, ref);
		if (skip < k->plen) {
			*p = (const uint8_t *)k + k->poff + skip;
			return k->plen - skip;
		}
		skip -= k->plen;
	}
	*p = NULL;
	return 0;
}

uint32_t
conn_copy(struct net *n, struct conn *c, uint32_t skip, void *buf,
    uint32_t len)
{
	uint32_t done = 0, part, ref;
	const struct pkt *k;

	for (ref = c->rq_head; ref != PKT_NONE && done < len; ref = k->next) {
		k = pkt_at(n->env.base, ref);
		if (skip >= k->plen) {
			skip -= k->plen;
			continue;
		}
		part = min_u32(k->plen - skip, len - done);
		memcpy((uint8_t *)buf + done,
		    (const uint8_t *)k + k->poff + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

/* The reader made room: say so when it lets the peer send on. */
static __attribute__((noinline)) void
opens(struct net *n, struct conn *c, uint32_t cur)
{
	uint32_t wnd;

	if (c->state != TCP_ESTABLISHED && c->state != TCP_FIN_WAIT_1 &&
	    c->state != TCP_FIN_WAIT_2)
		return;
	/* as Linux does it: when less than half was open, and the window at
	 * least doubles; a smaller step rides on the next ACK */
	if (2 * (uint64_t)cur > (uint64_t)c->rcvbuf_kb << 10)
		return;
	wnd = tcp_rcv_wnd(n, c);
	if (wnd != cur && wnd >= 2 * cur) {
		c->flags |= TF_ACK_NOW;
		tcp_want_output(n, c);
	}
}

static inline void
window_opens(struct net *n, struct conn *c)
{
	uint32_t cur = seq_lt(c->rcv_nxt, c->rcv_adv) ?
	    c->rcv_adv - c->rcv_nxt : 0;
	uint32_t most = (uint32_t)c->rcvbuf_kb << 10;

	/* no more than the buffer is ever promised: too little to speak of? */
	if (most >= cur + 2u * c->mss || most >= 2 * cur)
		opens(n, c, cur);
}

/* conn_consume() of several frames, or of a part, or when the pool is full. */
static __attribute__((noinline)) void
consume_some(struct net *n, struct conn *c, uint32_t len)
{
	struct pkt *k;

	assert(len <= c->rq_len);
	c->rq_len -= len;
	while (c->rq_head != PKT_NONE) {
		k = pkt_at(n->env.base, c->rq_head);
		if (len < k->plen) {
			k->plen -= len;
			k->poff += len;
			k->seq += len;
			break;
		}
		len -= k->plen;
		c->rq_head = k->next;
		c->rq_frames--;
		n->rx_held--;
		frame_put(n, k);
	}
	if (c->rq_head == PKT_NONE)
		c->rq_tail = PKT_NONE;
	window_opens(n, c);
}

void
conn_consume(struct net *n, struct conn *c, uint32_t len)
{
	struct pktpool *pp = n->env.pool;

	if (len != c->rq_len || len == 0 || c->rq_head != c->rq_tail ||
	    pktpool_full(pp)) {
		consume_some(n, c, len);
		return;
	}
	/* the usual request: all of the only frame */
	pktpool_push(pp, pkt_at(n->env.base, c->rq_head));
	c->rq_head = c->rq_tail = PKT_NONE;
	c->rq_len = 0;
	c->rq_frames--;
	n->rx_held--;
	window_opens(n, c);
}

void
conn_want_room(struct net *n, struct conn *c, uint32_t room)
{
	c->room_want = min_u32(room, tcp_sndbuf(n, c));
	if (room == 0 || (c->flags & (TF_FIN | TF_CLOSED | TF_GONE)) != 0) {
		c->flags &= ~(TF_WANT | TF_NOCHUNK);
		return;
	}
	c->flags |= TF_WANT;
	/* a cork holds nothing back now */
	if ((c->flags & TF_CORK) != 0 && c->sq_len != 0)
		tcp_want_output(n, c);
	/* without chunks, room alone does not help: see nochunk_due() */
	if ((c->flags & TF_NOCHUNK) == 0)
		tcp_room(n, c);
}

void
conn_timer(struct net *n, struct conn *c, uint64_t deadline_us)
{
	if ((c->flags & (TF_CLOSED | TF_GONE)) == 0)
		c->t_svc = deadline_us != 0 ? deadline_us : UINT64_MAX;
}

void
conn_shutdown(struct net *n, struct conn *c)
{
	if (c->state == TCP_CLOSED)
		return;
	c->flags |= TF_FIN;
	c->flags &= ~(TF_WANT | TF_NOCHUNK);
	tcp_want_output(n, c);
}

/* It is over at once; the record is freed at the end of the bracket. */
static void
finish(struct net *n, struct conn *c)
{
	c->flags |= TF_CLOSED;
	c->flags &= ~(TF_WANT | TF_NOCHUNK | TF_DELACK | TF_ACK_NOW);
	c->timer = TT_NONE;
	c->t_svc = UINT64_MAX;
	c->t_keep_ms = 0;
	tcp_set_state(n, c, TCP_CLOSED);
}

void
conn_close(struct net *n, struct conn *c)
{
	c->flags &= ~TF_HELD;
	if (c->state == TCP_CLOSED || (c->flags & TF_CLOSED) != 0)
		return;
	if (!tcp_synced(c)) {
		/* RFC 9293 §3.10.4: a SYN of ours is out, or not even that */
		if (c->state == TCP_SYN_RCVD)
			tcp_send_rst(n, c);
		finish(n, c);
		return;
	}
	if (c->rq_len != 0 && (c->flags & TF_DISCARD) == 0) {
		/* RFC 9293 §3.6.1, RFC 2525 §2.17: the peer must know */
		conn_abort(n, c);
		return;
	}
	tcp_rq_free(n, c);
	c->flags |= TF_FIN | TF_CLOSED;
	c->flags &= ~(TF_WANT | TF_NOCHUNK | TF_CORK);
	c->ev = 0;
	c->t_svc = UINT64_MAX;
	if (c->state == TCP_FIN_WAIT_2)
		c->t_keep_ms = (tcp_now_ms(n) +
		    n->conf.finwait2_us / 1000) | 1;
	tcp_want_output(n, c);
}

void
conn_discard(struct net *n, struct conn *c)
{
	c->flags |= TF_DISCARD;
}

void
conn_abort(struct net *n, struct conn *c)
{
	c->flags &= ~TF_HELD;
	if (c->state == TCP_CLOSED)
		return;
	if (c->state != TCP_SYN_SENT)
		tcp_send_rst(n, c);
	finish(n, c);
}

int
conn_error(const struct conn *c)
{
	static const int errors[] = {
		[TE_NONE] = 0,
		[TE_RESET] = -ECONNRESET,
		[TE_TIMEOUT] = -ETIMEDOUT,
		[TE_REFUSED] = -ECONNREFUSED,
		[TE_UNREACH] = -EHOSTUNREACH,
	};

	return c->err <= TE_UNREACH ? errors[c->err] : -ECONNRESET;
}

void
conn_nodelay(struct conn *c, bool on)
{
	if (on)
		c->flags |= TF_NODELAY;
	else
		c->flags &= ~TF_NODELAY;
}

void
conn_cork(struct net *n, struct conn *c, bool on)
{
	if (on) {
		c->flags |= TF_CORK;
		return;
	}
	c->flags &= ~TF_CORK;
	if (c->sq_len != 0)
		tcp_want_output(n, c);
}

void
conn_more(struct conn *c, bool more)
{
	if (more)
		c->flags |= TF_MORE;
	else
		c->flags &= ~TF_MORE;
}

void
conn_push(struct net *n, struct conn *c)
{
	if (!tcp_synced(c) || tcp_unsent(c) == 0)
		return;
	c->flags = (c->flags & ~TF_MORE) | TF_PUSH;
	tcp_want_output(n, c);
}

uint64_t
conn_now(const struct net *n)
{
	return n->now;
}
