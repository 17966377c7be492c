/*
 * tcp_in: a segment comes in. The straight path for the usual one, and the
 * way to the others.
 */
#include <string.h>

#include "tcp_priv.h"

/* nop, nop, timestamp option of 10 bytes: what RFC 7323 appendix A shows and
 * everybody sends */
#define TS_WORD		0x0101080au
#define TS_HLEN		(TCP_HLEN + 12u)

/* The fields that the straight path looks at. */
struct quick_in {
	uint32_t seq, ack, len, hlen, tsval, tsecr;
};

/*
 * Whether the segment is what the straight path is for: in order on an
 * established connection without anything out of order, nothing but an ACK
 * (RFC 7323 calls this header prediction). It also refuses what needs a second
 * look: an ACK with a table of segments, a buffer that is nearly full.
 */
static bool
quick_look(const struct net *n, const struct conn *c, const struct pkt *p,
    struct quick_in *q)
{
	const uint8_t *h = pkt_data(p);

	q->tsval = q->tsecr = 0;
	if (c->state != TCP_ESTABLISHED || p->len < TCP_HLEN ||
	    (h[13] & ~TH_PSH) != TH_ACK || c->ofo != PKT_NONE ||
	    (c->flags & (TF_CLOSED | TF_FIN | TF_LOST | TF_RETX | TF_ECN)) != 0)
		return false;
	if ((c->flags & TF_TS) != 0) {
		if (h[12] >> 4 != TS_HLEN / 4 || p->len < TS_HLEN ||
		    get_be32(h + TCP_HLEN) != TS_WORD)
			return false;
		q->hlen = TS_HLEN;
		q->tsval = get_be32(h + TCP_HLEN + 4);
		q->tsecr = get_be32(h + TCP_HLEN + 8);
		if (seq_lt(q->tsval, c->ts_recent))
			return false;
	} else {
		if (h[12] >> 4 != TCP_HLEN / 4)
			return false;
		q->hlen = TCP_HLEN;
	}
	q->seq = get_be32(h + 4);
	q->ack = get_be32(h + 8);
	q->len = p->len - q->hlen;
	if (q->seq != c->rcv_nxt || q->len > c->rcv_adv - c->rcv_nxt ||
	    q->ack - c->snd_una > tcp_flight(c))
		return false;
	if (c->ext != ARENA_NONE && (q->ack != c->snd_una || q->len == 0))
		return false;
	if (q->len != 0 && c->rq_frames != 0 && !tcp_rx_admit(n, c, true))
		return false;
	return n->conf.rx_hold_max == 0 || n->rx_held < n->conf.rx_hold_max;
}

/* The straight path; takes p. */
static void
quick(struct net *n, struct conn *c, struct pkt *p, const struct quick_in *q)
{
	if ((c->flags & TF_TS) != 0) {
		/* RFC 7323 §4.3 (2) */
		if (seq_leq(q->seq, c->last_ack))
			c->ts_recent = q->tsval;
		if (q->len != 0)
			tcp_rcv_tune(n, c, q->tsecr);
	}
	tcp_heard(n, c);
	tcp_ack_inline(n, c, q->ack, q->seq, get_be16(pkt_data(p) + 14));
	if (q->len == 0) {
		frame_put(n, p);
		return;
	}
	p->seq = q->seq;
	p->poff = p->off + q->hlen;
	p->plen = q->len;
	p->flags &= (uint16_t)~PKT_RX_FIN;
	tcp_rq_append(n, c, p);
	c->rcv_nxt += q->len;
	tcp_ack_policy(n, c);
	tcp_ready(n, c, CONN_READ);
}

void
tcp_input(struct net *n, struct pkt *p, const struct tuple *t, uint8_t ecn)
{
	uint32_t hash = tuple_hash(n, t), id = lookup_find(n, hash, t), isn = 0;
	struct tcp_seg_in s;
	struct quick_in q;
	struct conn *c;

	net_count(n, CNT_tcp_in, 1);
	if (id < n->a->shape.conns) {
		c = conn_at(n, id);
		if (quick_look(n, c, p, &q)) {
			hands_set(n, id);
			quick(n, c, p, &q);
			tcp_rest(n, c);
			hands_clear(n);
			return;
		}
	}
	if (!tcp_parse(&s, pkt_data(p), p->len)) {
		net_count(n, CNT_drop_tcp_header, 1);
		frame_put(n, p);
		return;
	}
	s.ecn = ecn;
	s.bucket = (uint16_t)(p->flags & PKT_RX_HASH ?
	    p->hash % BOARD_BUCKETS : 0);
	if (id < n->a->shape.conns) {
		hands_set(n, id);
		tcp_steps(n, conn_at(n, id), &s, p);
		tcp_rest(n, conn_at(n, id));
		hands_clear(n);
		return;
	}
	if (id != ARENA_NONE && !tcp_tw_input(n, id, &s, &isn)) {
		frame_put(n, p);
		return;
	}
	tcp_listen_input(n, t, hash, &s, isn, p);
}
