/*
 * tcp_ctl: segments without payload: SYN, ACK, probe, RST; and what all
 * segments have in common.
 */
#include <string.h>

#include "tcp_priv.h"

/* RFC 5961 §7: least time between two challenge ACKs of one connection, in
 * units of 128 ms. */
#define CHALLENGE	4u

void
tcp_out_header(uint8_t *h, const struct tuple *t, uint32_t seq, uint32_t ack,
    uint8_t flags)
{
	memcpy(h, &t->lport_be, 2);
	memcpy(h + 2, &t->rport_be, 2);
	put_be32(h + 4, seq);
	put_be32(h + 8, ack);
	h[12] = TCP_HLEN << 2;
	h[13] = flags;
	memset(h + 14, 0, 6);
}

uint16_t
tcp_out_window(struct net *n, struct conn *c)
{
	uint32_t s = rcv_scale(c), field;

	field = min_u32(tcp_rcv_wnd(n, c) >> s, UINT16_MAX);
	/* RFC 7323 §2.4: rounding down must not take the edge back */
	if (seq_lt(c->rcv_nxt + (field << s), c->rcv_adv) &&
	    field < UINT16_MAX)
		field++;
	if (seq_lt(c->rcv_adv, c->rcv_nxt + (field << s)))
		c->rcv_adv = c->rcv_nxt + (field << s);
	c->last_ack = c->rcv_nxt;
	c->flags &= ~(TF_ACK_NOW | TF_DELACK);
	return (uint16_t)field;
}

uint32_t
tcp_out_options(struct net *n, struct conn *c, uint8_t *o,
    const struct range *dsack, bool sacks)
{
	struct range r[TCP_SACKS];
	uint32_t len = 0, k = 0, max = TCP_SACKS, i;

	if ((c->flags & TF_TS) != 0) {
		/* nop, nop, timestamps: RFC 7323 appendix A */
		put_be32(o, 0x0101080a);
		put_be32(o + 4, tcp_now_ms(n) + c->ts_off);
		put_be32(o + 8, c->ts_recent);
		len = 12;
		max = 3;
	}
	if (!sacks || (c->flags & TF_SACK) == 0 ||
	    (dsack == NULL && c->ofo == PKT_NONE))
		return len;
	if (dsack != NULL)
		r[k++] = *dsack;
	k += tcp_ofo_blocks(n, c, r + k, max - k);
	o += len;
	o[0] = o[1] = 1;	/* nop */
	o[2] = 5;		/* RFC 2018 §3 */
	o[3] = (uint8_t)(2 + 8 * k);
	for (i = 0; i < k; i++) {
		put_be32(o + 4 + 8 * i, r[i].start);
		put_be32(o + 8 + 8 * i, r[i].end);
	}
	return len + 4 + 8 * k;
}

/* Send a segment without payload. */
static bool
bare(struct net *n, struct conn *c, uint32_t seq, uint8_t flags,
    const struct range *dsack)
{
	struct pkt *p = frame_get(n);
	uint32_t hlen;
	uint8_t *h;

	if (p == NULL)
		return false;
	if ((c->flags & TF_ECE) != 0 && (flags & TH_RST) == 0)
		flags |= TH_ECE;
	h = pkt_data(p);
	hlen = TCP_HLEN + tcp_out_options(n, c, h + TCP_HLEN, dsack,
	    (flags & TH_RST) == 0);
	tcp_out_header(h, &c->t, seq, c->rcv_nxt, flags);
	h[12] = (uint8_t)(hlen << 2);
	put_be16(h + 14, tcp_out_window(n, c));
	p->len = hlen;
	p->l4_len = (uint16_t)hlen;
	net_count(n, CNT_tcp_out, 1);
	ip_output(n, p, &c->t, 6, (uint16_t)hlen, tcp_tos(n, c));
	return true;
}

void
tcp_send_ack(struct net *n, struct conn *c, const struct range *dsack)
{
	if (pktq_full(&n->out) || !bare(n, c, c->snd_nxt, TH_ACK, dsack)) {
		c->flags |= TF_ACK_NOW;
		tcp_want_output(n, c);
	}
}

void
tcp_send_probe(struct net *n, struct conn *c)
{
	/* old data, so that the window need not be open (as Linux does it) */
	if (!pktq_full(&n->out))
		(void)bare(n, c, c->snd_una - 1, TH_ACK, NULL);
}

void
tcp_challenge(struct net *n, struct conn *c)
{
	uint8_t now = (uint8_t)(tcp_now_ms(n) >> 7) | 1;

	/* a limit of its own for each connection: a common one could be
	 * watched from outside (CVE-2016-5696) */
	if (c->challenge != 0 && (uint8_t)(now - c->challenge) < CHALLENGE)
		return;
	c->challenge = now;
	net_count(n, CNT_tcp_challenge, 1);
	tcp_send_ack(n, c, NULL);
}

bool
tcp_send_syn(struct net *n, struct conn *c)
{
	bool passive = c->state == TCP_SYN_RCVD;
	uint32_t ts[2] = { tcp_now_ms(n) + c->ts_off, c->ts_recent };
	uint32_t hlen, wnd = min_u32((uint32_t)c->rcvbuf_kb << 10, UINT16_MAX);
	uint8_t *h, flags = passive ? TH_SYN | TH_ACK : TH_SYN;
	bool first = c->snd_nxt == c->snd_una, agreed = passive;
	struct pkt *p;

	if (pktq_full(&n->out) || (p = frame_get(n)) == NULL)
		return false;
	if (!passive && n->conf.ecn == 2 && first)
		flags |= TH_ECE | TH_CWR;
	if (passive && (c->flags & TF_ECN) != 0)
		flags |= TH_ECE;
	h = pkt_data(p);
	/* answer only what was offered (RFC 7323 §2.2, RFC 2018 §2) */
	hlen = TCP_HLEN + tcp_opt_syn(h + TCP_HLEN,
	    (uint16_t)tcp_maxseg(n, c, tcp_our_mss(n, &c->t)),
	    agreed && c->wscale == 0 ? TCP_WSCALE_NONE : tcp_wscale(n),
	    agreed ? (c->flags & TF_SACK) != 0 : n->conf.sack != 0,
	    agreed ? (c->flags & TF_TS) != 0 : n->conf.timestamps != 0, ts);
	tcp_out_header(h, &c->t, c->snd_una, passive ? c->rcv_nxt : 0, flags);
	h[12] = (uint8_t)(hlen << 2);
	put_be16(h + 14, (uint16_t)wnd);
	p->len = hlen;
	p->l4_len = (uint16_t)hlen;
	if (first) {
		c->snd_nxt = c->snd_una + 1;
		c->snd_time = (uint32_t)n->now;
		tcp_set_timer(n, c, TT_RTO, tcp_rto_us(n, c));
	} else {
		net_count(n, CNT_tcp_retrans, 1);
	}
	c->flags &= ~TF_LOST;
	if (passive) {
		c->last_ack = c->rcv_nxt;
		c->rcv_adv = c->rcv_nxt + wnd;
	}
	net_count(n, CNT_tcp_out, 1);
	ip_output(n, p, &c->t, 6, (uint16_t)hlen, tcp_tos(n, c));
	return true;
}

void
tcp_send_rst(struct net *n, struct conn *c)
{
	if (pktq_full(&n->out))
		return;
	net_count(n, CNT_tcp_reset_out, 1);
	(void)bare(n, c, c->snd_nxt, TH_RST | TH_ACK, NULL);
}

void
tcp_refuse(struct net *n, const struct tuple *t, const struct tcp_seg_in *s)
{
	struct pkt *p;
	uint8_t *h;

	if ((s->flags & TH_RST) != 0 || pktq_full(&n->out) ||
	    (p = frame_get(n)) == NULL)
		return;
	h = pkt_data(p);
	if ((s->flags & TH_ACK) != 0)
		tcp_out_header(h, t, s->ack, 0, TH_RST);
	else
		tcp_out_header(h, t, 0, s->seq + s->len +
		    ((s->flags & TH_SYN) != 0) + ((s->flags & TH_FIN) != 0),
		    TH_RST | TH_ACK);
	p->len = TCP_HLEN;
	p->l4_len = TCP_HLEN;
	net_count(n, CNT_tcp_reset_out, 1);
	net_count(n, CNT_tcp_out, 1);
	ip_output(n, p, t, 6, TCP_HLEN, 0);
}
