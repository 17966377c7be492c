/*
 * tcp_in: a segment comes in. The straight path for the usual one, and the
 * way to the others.
 */
#include <string.h>

#include "tcp_hot.h"
#include "wire.h"

#define TS_HLEN		(TCP_HLEN + 12u)

/* Where things are in an untagged frame with IPv4 without options. */
#define AT_IP		ETH_HLEN
#define AT_ADDRS	(AT_IP + IP4_SRC)
#define AT_TCP		(AT_IP + IP4_HLEN)

/* The fields that the straight path looks at. */
struct quick_in {
	uint32_t seq, ack, len, hlen, tsval, tsecr;
};

/*
 * Whether the segment at h, len bytes, is what the straight path is for: in
 * order on an established connection without anything out of order, nothing
 * but an ACK (RFC 7323 calls this header prediction). It also refuses what
 * needs a second look: an ACK with a table of segments, a buffer that is
 * nearly full.
 */
static inline __attribute__((always_inline)) bool
quick_look(const struct net *n, const struct conn *c, const uint8_t *h,
    uint32_t len, struct quick_in *q)
{
	/* data offset and flags, of which PSH says nothing */
	uint32_t form = get_be16(h + 12) & ~TH_PSH;

	if (c->state != TCP_ESTABLISHED || c->ofo != PKT_NONE ||
	    (c->flags & (TF_CLOSED | TF_FIN | TF_LOST | TF_RETX | TF_ECN)) != 0)
		return false;
	if ((c->flags & TF_TS) != 0) {
		if (form != (TS_HLEN << 10 | TH_ACK) || len < TS_HLEN ||
		    get_be32(h + TCP_HLEN) != TCP_TS_WORD)
			return false;
		q->hlen = TS_HLEN;
		q->tsval = get_be32(h + TCP_HLEN + 4);
		q->tsecr = get_be32(h + TCP_HLEN + 8);
		if (seq_lt(q->tsval, c->ts_recent))
			return false;
	} else {
		if (form != (TCP_HLEN << 10 | TH_ACK))
			return false;
		q->hlen = TCP_HLEN;
		q->tsval = q->tsecr = 0;
	}
	q->seq = get_be32(h + 4);
	q->ack = get_be32(h + 8);
	q->len = len - q->hlen;
	if (q->seq != c->rcv_nxt || q->len > c->rcv_adv - c->rcv_nxt ||
	    q->ack - c->snd_una > tcp_flight(c))
		return false;
	if (c->ext != ARENA_NONE && (q->ack != c->snd_una || q->len == 0))
		return false;
	if (q->len != 0 && c->rq_frames != 0 && !tcp_rx_admit(n, c, true))
		return false;
	return n->conf.rx_hold_max == 0 || n->rx_held < n->conf.rx_hold_max;
}

/*
 * The ACK and the window. Mostly all that is in flight is acknowledged, which
 * lay in one chunk and was sent once: what an answered request leaves behind.
 * The rest is for tcp_ack_inline(), which would do the same.
 */
static inline __attribute__((always_inline)) void
quick_ack(struct net *n, struct conn *c, const struct quick_in *q,
    uint16_t wnd)
{
	uint32_t len = q->ack - c->snd_una;

	if (len == 0 || q->ack != c->snd_nxt || c->sq_len != len ||
	    c->sq_head != c->sq_tail || c->backoff != 0 ||
	    c->cwnd < 2u * c->mss || (c->flags & TF_WANT) != 0) {
		tcp_ack_inline(n, c, q->ack, q->seq, wnd);
		return;
	}
	hot_rtt_sample(c, (uint32_t)n->now - c->snd_time);
	chunk_drop(n, c->sq_head);
	c->sq_head = c->sq_tail = c->sq_next = ARENA_NONE;
	c->sq_len = 0;
	c->bytes_out += len;
	c->snd_una = q->ack;
	c->timer = TT_NONE;
	c->snd_wl1 = q->seq;
	c->snd_wnd = (uint32_t)wnd << snd_scale(c);
	if (wnd > c->max_wnd)
		c->max_wnd = wnd;
}

/* Payload into the receive queue; takes p. */
static inline __attribute__((always_inline)) void
quick_data(struct net *n, struct conn *c, struct pkt *p,
    const struct quick_in *q)
{
	p->seq = q->seq;
	p->poff = p->off + q->hlen;
	p->plen = q->len;
	p->flags &= (uint16_t)~PKT_RX_FIN;
	if (c->rq_head != PKT_NONE) {
		tcp_rq_append(n, c, p);
		return;
	}
	p->next = PKT_NONE;
	c->rq_head = c->rq_tail = pkt_ref(n->env.base, p);
	c->rq_len += q->len;
	c->bytes_in += q->len;
	c->rq_frames++;
	n->rx_held++;
	net_count(n, CNT_tcp_bytes_in, q->len);
}

/* The straight path of a segment of connection id, c, at h in p; takes p. */
static inline __attribute__((always_inline)) void
quick(struct net *n, uint32_t id, struct conn *c, struct pkt *p,
    const uint8_t *h, const struct quick_in *q)
{
	hands_set(n, id);
	if ((c->flags & TF_TS) != 0) {
		/* RFC 7323 §4.3 (2) */
		if (seq_leq(q->seq, c->last_ack))
			c->ts_recent = q->tsval;
		/* within one ms it would find nothing */
		if (q->len != 0 && c->rcv_mark_ms != (uint16_t)tcp_now_ms(n))
			tcp_rcv_tune(n, c, q->tsecr);
	} else if (q->len != 0) {
		tcp_rcv_tune_blind(n, c);
	}
	tcp_heard(n, c);
	quick_ack(n, c, q, get_be16(h + 14));
	if (q->len == 0) {
		frame_put(n, p);
		tcp_rest(n, c);
	} else {
		quick_data(n, c, p, q);
		c->rcv_nxt += q->len;
		hot_ack_policy(n, c);
		hot_ready(n, c, id, CONN_READ);
	}
	hands_clear(n);
}

/* The same as a function, for all but tcp_burst(). */
static __attribute__((noinline)) void
quick_apart(struct net *n, uint32_t id, struct pkt *p, const uint8_t *h,
    const struct quick_in *q)
{
	quick(n, id, conn_at(n, id), p, h, q);
}

/* The straight path of a segment that was not found by its headers. */
static bool
quick_found(struct net *n, uint32_t id, struct pkt *p)
{
	const uint8_t *h = pkt_data(p);
	struct quick_in q;

	if (!quick_look(n, conn_at(n, id), h, p->len, &q))
		return false;
	quick_apart(n, id, p, h, &q);
	return true;
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* The segment s is one of connection id's, and needs a second look. Takes p. */
static void
steps(struct net *n, uint32_t id, struct tcp_seg_in *s, struct pkt *p)
{
	struct conn *c = conn_at(n, id);

	hands_set(n, id);
	tcp_steps(n, c, s, p);
	tcp_rest(n, c);
	hands_clear(n);
}

/* False: malformed; dropped and counted. */
static bool
parsed(struct net *n, struct tcp_seg_in *s, struct pkt *p, uint8_t ecn)
{
	if (!tcp_parse(s, pkt_data(p), p->len)) {
		net_count(n, CNT_drop_tcp_header, 1);
		frame_put(n, p);
		return false;
	}
	s->ecn = ecn;
	s->bucket = (uint16_t)(p->flags & PKT_RX_HASH ?
	    p->hash % BOARD_BUCKETS : 0);
	return true;
}

/* A segment of connection id at p->off that quick_look() refused. */
static __attribute__((noinline)) void
known(struct net *n, uint32_t id, struct pkt *p, uint8_t ecn)
{
	struct tcp_seg_in s;

	if (parsed(n, &s, p, ecn))
		steps(n, id, &s, p);
}

/*
 * The checks are those of ether.c and ip4.c, in few words; the addresses of a
 * flow that has a connection passed theirs when it was opened.
 */
static inline __attribute__((always_inline)) bool
straight(struct net *n, struct pkt *p, bool apart)
{
	static const uint8_t first[8] = { 0x45 };
	static const uint8_t mask[8] = { 0xff, [IP4_FRAG] = 0x3f, 0xff };
	const uint16_t sums = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK;
	const uint8_t *h = pkt_data(p);
	uint32_t total, id, ports;
	struct quick_in q;
	struct conn *c;

	if (p->port >= n->conf.nports || p->len < AT_TCP + TCP_HLEN ||
	    (p->flags & sums) != sums ||
	    (load64(h) & UINT64_MAX >> 16) != n->port[p->port].to_us ||
	    get_be16(h + ETH_TYPE) != ETH_P_IP4 ||
	    (load64(h + AT_IP) & load64(mask)) != load64(first) ||
	    h[AT_IP + IP4_PROTO] != PROTO_TCP)
		return false;
	total = get_be16(h + AT_IP + IP4_TOTAL);
	if (total > p->len - AT_IP || total < IP4_HLEN + TCP_HLEN)
		return false;
	memcpy(&ports, h + AT_TCP, 4);
	id = flow_find(n, load64(h + AT_ADDRS), ports);
	if (id == ARENA_NONE)
		return false;
	c = conn_at(n, id);
	if (c->t.port != p->port)
		return false;
	net_count(n, CNT_tcp_in, 1);
	p->off += AT_TCP;
	p->len = total - IP4_HLEN;
	if (!quick_look(n, c, h + AT_TCP, total - IP4_HLEN, &q))
		known(n, id, p, h[AT_IP + IP4_TOS] & 3);
	else if (apart)
		quick_apart(n, id, p, h + AT_TCP, &q);
	else
		quick(n, id, c, p, h + AT_TCP, &q);
	return true;
}

bool
tcp_straight(struct net *n, struct pkt *p)
{
	return straight(n, p, true);
}

void
tcp_burst(struct net *n, struct pkt *const in[], uint32_t cnt)
{
	uint32_t i;

	for (i = 0; i < cnt; i++) {
		burst_at(n, i + 1);
		if (!straight(n, in[i], false))
			net_frame(n, in[i]);
	}
}

void
tcp_input(struct net *n, struct pkt *p, const struct tuple *t, uint8_t ecn)
{
	uint32_t hash, id = lookup_flow(n, t, &hash), isn = 0;
	struct tcp_seg_in s;

	net_count(n, CNT_tcp_in, 1);
	if (id < n->a->shape.conns && quick_found(n, id, p))
		return;
	if (!parsed(n, &s, p, ecn))
		return;
	if (id < n->a->shape.conns) {
		steps(n, id, &s, p);
		return;
	}
	if (id != ARENA_NONE && !tcp_tw_input(n, id, &s, &isn)) {
		frame_put(n, p);
		return;
	}
	tcp_listen_input(n, t, hash, &s, isn, p);
}
