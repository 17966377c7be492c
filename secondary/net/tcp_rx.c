/*
 * tcp_rx: payload: steps seven and eight of RFC 9293 §3.10.7.4, the receive
 * queue, the window and when to acknowledge.
 *
 * The queue holds the frames themselves, linked by pkt.next; pkt.seq, poff and
 * plen say what of each is unread. A small segment is copied behind the
 * payload of the last frame, so that many of them do not hold many buffers.
 */
#include <string.h>

#include "tcp_hot.h"

/* Charged for a frame that a queue holds: its buffer. */
#define FRAME_BYTES	2048u

static uint32_t
rcvbuf(const struct conn *c)
{
	return (uint32_t)c->rcvbuf_kb << 10;
}

/*
 * Buffers that a queue may hold: of all connections together, and, as in
 * Linux, twice what the window promises of this one, and some. What is out of
 * order stays below that by a few, and below three quarters of all, so that the
 * segment that fills the hole finds a place.
 */
bool
tcp_rx_admit(const struct net *n, const struct conn *c, bool ordered)
{
	uint32_t max = n->conf.rx_hold_max, own;

	if (max != 0 && n->rx_held >= (ordered ? max : max - max / 4))
		return false;
	own = 2 * rcvbuf(c) + TCP_SPARE * FRAME_BYTES;
	if (!ordered)
		own -= TCP_SPARE / 2 * FRAME_BYTES;
	return c->rq_frames < UINT16_MAX &&
	    (uint32_t)c->rq_frames * FRAME_BYTES < own;
}

bool
tcp_coalesce(struct pkt *tail, const struct pkt *p)
{
	uint32_t end = tail->poff + tail->plen;
	uint32_t room = (uint32_t)sizeof(*tail) + tail->room;

	if (p->plen > FRAME_BYTES / 2 || end > room || room - end < p->plen ||
	    (tail->flags & PKT_RX_FIN) != 0)
		return false;
	memcpy((uint8_t *)tail + end, (const uint8_t *)p + p->poff, p->plen);
	tail->plen += p->plen;
	return true;
}

void
tcp_rq_append(struct net *n, struct conn *c, struct pkt *p)
{
	struct pkt *tail;

	c->rq_len += p->plen;
	c->bytes_in += p->plen;
	net_count(n, CNT_tcp_bytes_in, p->plen);
	if (c->rq_head != PKT_NONE) {
		tail = pkt_at(n->env.base, c->rq_tail);
		if (tcp_coalesce(tail, p)) {
			frame_put(n, p);
			return;
		}
		p->next = PKT_NONE;
		tail->next = pkt_ref(n->env.base, p);
		c->rq_tail = tail->next;
	} else {
		p->next = PKT_NONE;
		c->rq_head = c->rq_tail = pkt_ref(n->env.base, p);
	}
	c->rq_frames++;
	n->rx_held++;
}

void
tcp_rq_free(struct net *n, struct conn *c)
{
	uint32_t ref, next;

	for (ref = c->rq_head; ref != PKT_NONE; ref = next) {
		next = pkt_at(n->env.base, ref)->next;
		frame_put(n, pkt_at(n->env.base, ref));
		c->rq_frames--;
		n->rx_held--;
	}
	c->rq_head = c->rq_tail = PKT_NONE;
	c->rq_len = 0;
}

void
tcp_ack_policy(struct net *n, struct conn *c)
{
	hot_ack_policy(n, c);
}

uint32_t
tcp_rcv_wnd(const struct net *n, struct conn *c)
{
	uint32_t cur = seq_lt(c->rcv_nxt, c->rcv_adv) ?
	    c->rcv_adv - c->rcv_nxt : 0;
	uint32_t buf = rcvbuf(c), max = n->conf.rx_hold_max, room;

	room = buf > c->rq_len ? buf - c->rq_len : 0;
	/* buffers run short: promise nothing more to who holds some */
	if (c->rq_frames != 0 && ((max != 0 && n->rx_held >= max - max / 4) ||
	    (uint32_t)c->rq_frames * FRAME_BYTES > 2 * buf))
		return cur;
	/* RFC 9293 §3.8.6.2.2: the right edge moves by a full segment or half
	 * of the buffer, or not at all; and never to the left */
	if (room <= cur || room - cur < min_u32(buf / 2, c->mss))
		return cur;
	return room;
}

/*
 * The reader keeps up and a window's worth came within one round trip: the
 * window is what limits the sender, or will soon, so it grows. Measured as in
 * FreeBSD: a round trip is over when the peer echoes what we said at its begin.
 */
void
tcp_rcv_tune(const struct net *n, struct conn *c, uint32_t tsecr)
{
	uint16_t echo = (uint16_t)(tsecr - c->ts_off);
	uint32_t max = min_u32(n->conf.rcvbuf_max >> 10, UINT16_MAX);
	uint32_t came, enough;

	/* one connection must not promise more than a quarter of all buffers
	 * can hold */
	if (n->conf.rx_hold_max != 0)
		max = min_u32(max, n->conf.rx_hold_max * (FRAME_BYTES >> 10) /
		    4);
	if (n->conf.conn_opts && tcp_opts(n, c)->rcvbuf != 0)
		return;		/* the user said how large it is */
	/* on a short path the clock must have moved at least */
	if ((int16_t)(echo - c->rcv_mark_ms) < 0 ||
	    (uint16_t)tcp_now_ms(n) == c->rcv_mark_ms)
		return;
	came = c->rcv_nxt - c->rcv_mark;
	/* more than all before: it is a sender in slow start, who doubles, and
	 * sends four times as much before what is promised now arrives */
	enough = came > c->bytes_in / 2 ? rcvbuf(c) / 4 :
	    rcvbuf(c) - rcvbuf(c) / 4;
	if (came > enough && c->rcvbuf_kb < max)
		c->rcvbuf_kb = (uint16_t)min_u32(2u * c->rcvbuf_kb, max);
	c->rcv_mark = c->rcv_nxt;
	c->rcv_mark_ms = (uint16_t)tcp_now_ms(n);
}

/* Without timestamps a round trip takes what those of ours took. */
void
tcp_rcv_tune_blind(const struct net *n, struct conn *c)
{
	if (c->srtt != 0)
		tcp_rcv_tune(n, c, tcp_now_ms(n) + c->ts_off - (c->srtt >> 13));
}

/* Cut the segment to what is new and lies in the window. */
static void
trim(const struct conn *c, struct tcp_seg_in *s, struct pkt *p)
{
	uint32_t cut, end;

	if (seq_lt(s->seq, c->rcv_nxt)) {
		cut = min_u32(c->rcv_nxt - s->seq, s->len);
		s->seq += cut;
		s->off += cut;
		s->len -= cut;
	}
	end = s->seq + s->len;
	if (s->len != 0 && seq_lt(c->rcv_adv, end)) {
		s->len -= min_u32(end - c->rcv_adv, s->len);
		s->flags &= (uint8_t)~TH_FIN;
	}
	p->seq = s->seq;
	p->poff = p->off + s->off;
	p->plen = s->len;
	p->flags &= (uint16_t)~PKT_RX_FIN;
	if ((s->flags & TH_FIN) != 0)
		p->flags |= PKT_RX_FIN;
}

/* Eighth step: the peer's FIN is next. c may be over afterwards. */
static void
take_fin(struct net *n, struct conn *c)
{
	c->rcv_nxt++;
	c->flags |= TF_FIN_RCVD | TF_ACK_NOW;
	tcp_ofo_free(n, c);
	tcp_ready(n, c, CONN_READ);
	tcp_want_output(n, c);
	tcp_event(n, c, TV_FIN_IN);
}

/* The segment is the next one. Takes p. */
static void
in_order(struct net *n, struct conn *c, struct pkt *p)
{
	bool fin = (p->flags & PKT_RX_FIN) != 0, hole = c->ofo != PKT_NONE;
	uint32_t len = p->plen;

	c->rcv_nxt += len;
	if (len == 0 || (c->flags & TF_CLOSED) != 0)
		frame_put(n, p);
	else
		tcp_rq_append(n, c, p);
	if (!fin && hole)
		fin = tcp_ofo_pull(n, c);
	if ((c->flags & TF_CLOSED) != 0)
		tcp_rq_free(n, c);
	if (len != 0) {
		tcp_ack_policy(n, c);
		tcp_ready(n, c, CONN_READ);
	}
	if (hole) {
		/* RFC 5681 §4.2: what fills a hole is acknowledged at once */
		c->flags |= TF_ACK_NOW;
		tcp_want_output(n, c);
	}
	if (fin)
		take_fin(n, c);
}

/* The segment leaves a hole. Takes p. */
static void
out_of_order(struct net *n, struct conn *c, struct pkt *p)
{
	struct range dup;

	net_count(n, CNT_tcp_ofo, 1);
	c->quick = TCP_QUICK;
	/* RFC 5681 §4.2: a duplicate ACK for each, at once */
	tcp_ofo_add(n, c, p, &dup);
	tcp_send_ack(n, c, dup.start == dup.end ? NULL : &dup);
}

/* Room for one frame more. What comes next in order may drive out what came
 * out of order (RFC 2018 §8 allows that), latest sequence first. */
static bool
make_room(struct net *n, struct conn *c, bool ordered)
{
	while (!tcp_rx_admit(n, c, ordered)) {
		if (!ordered || c->ofo == PKT_NONE)
			return false;
		tcp_ofo_prune(n, c);
	}
	return true;
}

void
tcp_data(struct net *n, struct conn *c, struct tcp_seg_in *s, struct pkt *p)
{
	uint32_t was = s->seq;
	bool part = s->len != 0 && seq_lt(was, c->rcv_nxt);
	struct range dup = { was, c->rcv_nxt };

	/* RFC 9293 §3.10.7.4, seventh: after the peer's FIN nothing follows */
	if ((c->flags & TF_FIN_RCVD) != 0)
		goto drop;
	trim(c, s, p);
	if (p->plen == 0 && (p->flags & PKT_RX_FIN) == 0) {
		c->flags |= TF_ACK_NOW;
		tcp_want_output(n, c);
		goto drop;
	}
	/* RFC 9293 §3.6.1: data for somebody who is gone; answered as if there
	 * was no connection, by the number that the peer expects exactly */
	if (p->plen != 0 && (c->flags & (TF_CLOSED | TF_DISCARD)) ==
	    TF_CLOSED) {
		tcp_refuse(n, &c->t, s);
		tcp_end(n, c, TE_NONE);
		goto drop;
	}
	if ((c->flags & TF_TS) == 0)
		tcp_rcv_tune_blind(n, c);
	else if (s->ts)
		tcp_rcv_tune(n, c, s->tsecr);
	/* a FIN alone is held, too, if something before it is missing */
	if ((p->plen != 0 || p->seq != c->rcv_nxt) &&
	    !make_room(n, c, p->seq == c->rcv_nxt)) {
		net_count(n, CNT_drop_tcp_rcvbuf, 1);
		tcp_send_ack(n, c, NULL);
		goto drop;
	}
	if (p->seq != c->rcv_nxt) {
		out_of_order(n, c, p);
		return;
	}
	if (!part)
		part = tcp_ofo_overlap(n, c->ofo, p, &dup);
	in_order(n, c, p);
	/* RFC 2883 §4.2: the part that came before is reported */
	if (part && c->state != TCP_CLOSED && (c->flags & TF_SACK) != 0)
		tcp_send_ack(n, c, &dup);
	return;
drop:
	frame_put(n, p);
}
