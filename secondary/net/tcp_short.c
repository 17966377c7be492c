/*
 * tcp_short: what connections send when it is their turn, and the straight way
 * of that: one short segment, alone in flight, as a request or an answer is.
 * Everything else goes through tcp_out.c, which would send the same bytes; a
 * test holds the two side by side.
 */
#include <string.h>

#include "ip4_out.h"
#include "tcp_hot.h"

/* What rules the straight way out. */
#define NOT_SHORT	(TF_LOST | TF_RETX | TF_PROBE | TF_FIN | TF_CORK | \
	TF_MORE | TF_PUSH | TF_ECN | TF_ECE)

/* Payload of the one segment, or 0: it is not that simple. out has room. */
static uint32_t
short_len(const struct net *n, const struct conn *c)
{
	uint64_t len = c->sq_len;

	/* nothing is in flight, so the queue's head is what comes next */
	if (len - 1 >= TCP_COPY || len > c->mss || len > c->snd_wnd ||
	    c->snd_una != c->snd_nxt || c->ext != ARENA_NONE ||
	    (c->flags & NOT_SHORT) != 0 || c->cwnd < c->mss ||
	    c->sq_head != c->sq_tail)
		return 0;
	return (uint32_t)len;
}

/* tcp_out_window(), where the edge stays because little has come since it was
 * announced. */
static uint16_t
short_window(struct net *n, struct conn *c)
{
	uint32_t cur = c->rcv_adv - c->rcv_nxt, s = rcv_scale(c), field;
	uint32_t buf = (uint32_t)c->rcvbuf_kb << 10;

	field = (cur + (1u << s) - 1) >> s;
	if (c->rq_frames != 0 || field > UINT16_MAX || cur > buf ||
	    buf - cur >= min_u32(buf / 2, c->mss))
		return tcp_out_window(n, c);
	c->rcv_adv = c->rcv_nxt + (field << s);
	c->last_ack = c->rcv_nxt;
	c->flags &= ~(TF_ACK_NOW | TF_DELACK);
	return (uint16_t)field;
}

/* The header with its options; returns its length. */
static uint32_t
short_header(struct net *n, struct conn *c, uint8_t *h)
{
	uint32_t hlen = TCP_HLEN;

	if ((c->flags & TF_TS) != 0) {
		put_be32(h + 20, 0x0101080a);
		put_be32(h + 24, tcp_now_ms(n) + c->ts_off);
		put_be32(h + 28, c->ts_recent);
		hlen += 12;
	}
	_Static_assert(offsetof(struct tuple, rport_be) ==
	    offsetof(struct tuple, lport_be) + 2, "as in the header");
	memcpy(h, &c->t.lport_be, 4);
	put_be32(h + 4, c->snd_nxt);
	put_be32(h + 8, c->rcv_nxt);
	put_be32(h + 12, hlen << 26 | (TH_ACK | TH_PSH) << 16 |
	    short_window(n, c));
	memset(h + 16, 0, 4);
	return hlen;
}

/*
 * Send what is queued, if it is one short segment and nothing else is to be
 * thought of. False: it is not, nothing was done.
 */
static inline bool
short_way(struct net *n, struct conn *c)
{
	uint32_t len = short_len(n, c), hlen;
	const struct chunk *k;
	struct pkt *p;
	uint8_t *h;

	if (len == 0)
		return false;
	k = chunk_at(n, c->sq_head);
	if (k->kind != CHUNK_DATA || (p = frame_get(n)) == NULL)
		return false;
	/* asked as often as there is a request: only after a pause */
	if ((uint32_t)n->now - c->snd_time >= n->conf.rto_min_us)
		tcp_cc_idle(n, c);
	h = pkt_data(p);
	hlen = short_header(n, c, h);
	memcpy(h + hlen, k->data + k->start, len);
	p->len = hlen + len;
	c->snd_time = (uint32_t)n->now;
	c->snd_nxt += len;
	c->sq_noff = len;
	if (len < c->mss)
		c->flags |= TF_SMALL;
	else
		c->flags &= ~TF_SMALL;
	hot_timer_start(n, c);
	net_count(n, CNT_tcp_bytes_out, len);
	net_count(n, CNT_tcp_out, 1);
	if (!ip4_straight(n, p, &c->t, (uint16_t)hlen, tcp_tos(n, c)))
		ip_output(n, p, &c->t, 6, (uint16_t)hlen, tcp_tos(n, c));
	return true;
}

/*
 * Send what a connection that was taken off the output list is due to send, as
 * far as out has room. True: it has more.
 */
static inline bool
output(struct net *n, struct conn *c, uint32_t id)
{
	bool more;

	hands_set(n, id);
	if (tcp_synced(c) && short_way(n, c)) {
		hot_arm(n, c);
		hands_clear(n);
		return false;
	}
	more = tcp_output(n, c);
	if (c->state != TCP_CLOSED)
		tcp_arm(n, c);
	hands_clear(n);
	return more;
}

uint32_t
net_output(struct net *n, uint64_t now_us)
{
	struct conn *c, *last;
	uint32_t sent;

	net_time(n, now_us);
	/* round and round, as long as a round sent something */
	do {
		sent = n->out.n;
		last = n->out_tail;
		c = NULL;
		while (n->out_head != ARENA_NONE && c != last &&
		    !pktq_busy(&n->out)) {
			uint32_t id = n->out_head;

			c = out_pop(n);
			if (rec_served(&c->rec) && output(n, c, id))
				out_put(n, c);
		}
	} while (n->out_head != ARENA_NONE && n->out.n != sent &&
	    !pktq_busy(&n->out));
	net_gauges(n);
	return n->out_head != ARENA_NONE;
}
