/*
 * tcp_tw: TIME_WAIT. The connection's record is given back; a small one
 * answers what is still on its way.
 */
#include <string.h>

#include "tcp_priv.h"

static struct tw *
tw_at(const struct net *n, uint32_t id)
{
	return &n->tws[id - n->a->shape.conns];
}

/* Free the entry; it is in hands. */
static void
tw_free(struct net *n, uint32_t id)
{
	struct tw *w = tw_at(n, id);

	rec_unuse(&w->rec);
	lookup_del(n, w->rec.hash, id);
	wheel_unfile(n, id);
	bucket_unlink(n, id);
	w->rec.fnext = n->tw_free;
	n->tw_free = id;
	n->ntw--;
}

void
tw_drop(struct net *n, uint32_t id)
{
	struct tw *w = tw_at(n, id);

	rec_unuse(&w->rec);
	w->rec.away = 0;
	bucket_unlink(n, id);
	w->rec.fnext = n->tw_free;
	n->tw_free = id;
	n->ntw--;
}

void
tcp_tw_enter(struct net *n, struct conn *c)
{
	uint32_t id = n->tw_free;
	struct tw *w;

	/* the peer's FIN is answered even where no entry is free; from
	 * CLOSING that was done before */
	if ((c->flags & TF_ACK_NOW) != 0)
		tcp_send_ack(n, c, NULL);
	if (id == ARENA_NONE || n->conf.timewait_us == 0)
		return;
	/* one bracket, two records: both are dropped if it is cut short */
	hands_second(n, id);
	w = tw_at(n, id);
	n->tw_free = w->rec.fnext;
	n->ntw++;
	w->rec.hash = c->rec.hash;
	w->rec.kind = REC_TIMEWAIT;
	w->rec.bucket = c->rec.bucket;
	w->rec.epoch = c->rec.epoch;
	w->rec.wslot = WHEEL_NONE;
	w->rec.deadline = n->now + n->conf.timewait_us;
	w->t = c->t;
	w->snd_nxt = c->snd_nxt;
	w->rcv_nxt = c->rcv_nxt;
	w->ts_recent = c->ts_recent;
	w->ts_off = c->ts_off;
	w->last_rx_ms = tcp_now_ms(n);
	w->wnd = (uint16_t)min_u32(c->rcv_adv - c->rcv_nxt < 1u << 30 ?
	    (c->rcv_adv - c->rcv_nxt) >> rcv_scale(c) : 0, UINT16_MAX);
	w->flags = c->flags & TF_TS;
	rec_use(&w->rec);
	lookup_put(n, w->rec.hash, id);
	wheel_file(n, id);
	bucket_link(n, id);
}

/* The ACK that TIME_WAIT says again. */
static void
tw_ack(struct net *n, const struct tw *w)
{
	struct pkt *p;
	uint32_t hlen = TCP_HLEN;
	uint8_t *h;

	if (pktq_full(&n->out) || (p = frame_get(n)) == NULL)
		return;
	h = pkt_data(p);
	tcp_out_header(h, &w->t, w->snd_nxt, w->rcv_nxt, TH_ACK);
	if ((w->flags & TF_TS) != 0) {
		put_be32(h + 20, 0x0101080a);
		put_be32(h + 24, tcp_now_ms(n) + w->ts_off);
		put_be32(h + 28, w->ts_recent);
		hlen += 12;
	}
	h[12] = (uint8_t)(hlen << 2);
	put_be16(h + 14, w->wnd);
	p->len = hlen;
	p->l4_len = (uint16_t)hlen;
	net_count(n, CNT_tcp_out, 1);
	ip_output(n, p, &w->t, 6, (uint16_t)hlen, 0);
}

/* RFC 6191 §2 and RFC 9293 §3.10.7.4: does the SYN belong to a new
 * connection, beyond doubt? */
static bool
new_life(const struct tw *w, const struct tcp_seg_in *s)
{
	if ((w->flags & TF_TS) != 0 && s->ts && s->tsval != w->ts_recent)
		return seq_lt(w->ts_recent, s->tsval);
	return seq_lt(w->rcv_nxt, s->seq);
}

bool
tcp_tw_input(struct net *n, uint32_t id, const struct tcp_seg_in *s,
    uint32_t *isn)
{
	struct tw *w = tw_at(n, id);
	bool fin = (s->flags & TH_FIN) != 0, fresh = false;

	/* RFC 1337: a RST must not end it */
	if ((s->flags & TH_RST) != 0)
		return false;
	hands_set(n, id);
	if ((s->flags & (TH_SYN | TH_ACK)) == TH_SYN && new_life(w, s)) {
		/* beyond anything this one could have sent */
		*isn = w->snd_nxt + UINT16_MAX + 2;
		if (*isn == 0)
			*isn = 1;
		tw_free(n, id);
		fresh = true;
	} else if (fin || s->len != 0 || (s->flags & TH_SYN) != 0 ||
	    s->seq != w->rcv_nxt) {
		/* only the FIN again starts the wait anew */
		if (fin && s->seq + s->len + 1 == w->rcv_nxt) {
			w->rec.deadline = n->now + n->conf.timewait_us;
			wheel_file(n, id);
		}
		tw_ack(n, w);
	}
	hands_clear(n);
	return fresh;
}

bool
tcp_tw_reuse(struct net *n, uint32_t id)
{
	struct tw *w = tw_at(n, id);

	/* RFC 6191 §2, seen from the opener: our next timestamp must be
	 * larger than any of the old connection */
	if ((w->flags & TF_TS) == 0 || !n->conf.timestamps ||
	    tcp_now_ms(n) - w->last_rx_ms <= 1000)
		return false;
	hands_set(n, id);
	tw_free(n, id);
	hands_clear(n);
	return true;
}

void
tw_timer(struct net *n, uint32_t id)
{
	hands_set(n, id);
	tw_free(n, id);
	hands_clear(n);
}
