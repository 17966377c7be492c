/*
 * tcp_cookie: SYN cookies, RFC 4987 §3.6: when the backlog is full the SYN-ACK
 * itself carries what we would have had to remember.
 *
 *	sequence number: 5 bits of a minute clock, 3 bits MSS, 24 bits MAC
 *	timestamp: its lowest 6 bits are window scale, SACK, ECN
 */
#include <string.h>

#include "tcp_priv.h"

#define CLOCK_US	UINT64_C(64000000)
#define CLOCK_BITS	31u
#define MAC_MASK	0xffffffu

#define TSB_WSCALE	0x0fu	/* 15: none */
#define TSB_SACK	0x10u
#define TSB_ECN		0x20u
#define TSB_MASK	0x3fu

/* MSS values that a cookie can say; the next lower one is taken. */
static const uint16_t mss_table[8] = {
	88, 536, 1220, 1360, 1400, 1440, 1460, 8960,
};

/* MAC over all that the cookie vouches for. */
static uint32_t
mac(const struct net *n, const struct tuple *t, uint32_t irs, uint64_t clock,
    uint32_t mss)
{
	struct {
		struct tuple t;
		uint64_t clock;
		uint32_t irs, mss;
	} m = { *t, clock, irs, mss };

	return (uint32_t)siphash13(n->isnkey, &m, sizeof(m)) & MAC_MASK;
}

void
tcp_cookie_send(struct net *n, const struct tuple *t,
    const struct tcp_seg_in *s)
{
	uint64_t clock = n->now / CLOCK_US;
	uint32_t i = 7, isn, ts[2], unused, bits, hlen;
	bool use_ts = s->ts && n->conf.timestamps;
	bool sack = use_ts && s->sack_ok && n->conf.sack;
	struct pkt *p = frame_get(n);
	uint8_t *h;

	if (p == NULL)
		return;
	net_count(n, CNT_drop_tcp_backlog, 1);
	n->cookie_us = n->now | 1;
	while (i > 0 && mss_table[i] > (s->mss != 0 ? s->mss : TCP_MSS_DEF))
		i--;
	isn = (uint32_t)(clock & CLOCK_BITS) << 27 | i << 24 |
	    mac(n, t, s->seq, clock, i);
	bits = s->wscale != TCP_WSCALE_NONE ? s->wscale : TSB_WSCALE;
	if (sack)
		bits |= TSB_SACK;
	if (n->conf.ecn != 0 &&
	    (s->flags & (TH_ECE | TH_CWR)) == (TH_ECE | TH_CWR))
		bits |= TSB_ECN;
	/* not later than the clock says: the flow goes on with it */
	tcp_isn(n, t, &unused, &ts[0]);
	ts[0] += tcp_now_ms(n);
	ts[0] = (ts[0] & TSB_MASK) < bits ? (ts[0] & ~TSB_MASK) -
	    (TSB_MASK + 1) + bits : (ts[0] & ~TSB_MASK) + bits;
	ts[1] = s->tsval;
	h = pkt_data(p);
	hlen = TCP_HLEN + tcp_opt_syn(h + TCP_HLEN, tcp_our_mss(n, t),
	    use_ts && s->wscale != TCP_WSCALE_NONE ? tcp_wscale(n) :
	    TCP_WSCALE_NONE, sack, use_ts, ts);
	tcp_out_header(h, t, isn, s->seq + 1, TH_SYN | TH_ACK |
	    (use_ts && (bits & TSB_ECN) != 0 ? TH_ECE : 0));
	h[12] = (uint8_t)(hlen << 2);
	put_be16(h + 14, (uint16_t)min_u32(n->conf.rcvbuf, UINT16_MAX));
	p->len = hlen;
	p->l4_len = (uint16_t)hlen;
	net_count(n, CNT_tcp_cookies_sent, 1);
	net_count(n, CNT_tcp_out, 1);
	ip_output(n, p, t, 6, (uint16_t)hlen, 0);
}

/* What the peer's SYN said, as far as the cookie remembers. */
static void
remembered(const struct net *n, const struct tcp_seg_in *s, uint32_t cookie,
    struct tcp_seg_in *syn)
{
	uint32_t bits = s->tsecr & TSB_MASK;

	memset(syn, 0, sizeof(*syn));
	syn->mss = mss_table[cookie >> 24 & 7];
	syn->wscale = TCP_WSCALE_NONE;
	if (!s->ts || !n->conf.timestamps)
		return;
	syn->ts = true;
	syn->tsval = s->tsval;
	syn->sack_ok = (bits & TSB_SACK) != 0;
	if ((bits & TSB_WSCALE) != TSB_WSCALE)
		syn->wscale = bits & TSB_WSCALE;
	if ((bits & TSB_ECN) != 0)
		syn->flags = TH_ECE | TH_CWR;
}

struct conn *
tcp_cookie_open(struct net *n, const struct tuple *t, uint32_t hash,
    const struct tcp_seg_in *s)
{
	uint32_t cookie = s->ack - 1, i = cookie >> 24 & 7, rtt_ms = 100, isn;
	uint64_t clock = n->now / CLOCK_US;
	struct tcp_seg_in syn;
	struct conn *c;

	/* 24 bits can be guessed in a minute of flood: so, as in Linux, only
	 * while cookies are about is any believed */
	if (n->cookie_us == 0 || n->now > n->cookie_us + 2 * CLOCK_US)
		return NULL;
	/* this minute's or the one before it */
	if ((clock & CLOCK_BITS) != cookie >> 27) {
		if (clock == 0 || (--clock & CLOCK_BITS) != cookie >> 27)
			return NULL;
	}
	if (mac(n, t, s->seq - 1, clock, i) != (cookie & MAC_MASK))
		return NULL;
	c = tcp_open(n, t, hash, s->bucket);
	if (c == NULL)
		return NULL;
	net_count(n, CNT_tcp_cookies_ok, 1);
	tcp_listener_opts(n, c);
	remembered(n, s, cookie, &syn);
	tcp_isn(n, t, &isn, &c->ts_off);
	if (syn.ts)
		rtt_ms = min_u32(tcp_now_ms(n) + c->ts_off - s->tsecr, 1000);
	c->snd_una = cookie;
	c->snd_nxt = cookie + 1;
	c->snd_time = (uint32_t)n->now - rtt_ms * 1000;
	c->rcv_nxt = c->last_ack = s->seq;
	c->rcv_adv = s->seq + min_u32(n->conf.rcvbuf, UINT16_MAX);
	tcp_take_syn(n, c, &syn);
	if (n->conf.ecn != 0 && (syn.flags & TH_ECE) != 0)
		c->flags |= TF_ECN;
	tcp_set_state(n, c, TCP_SYN_RCVD);
	return c;
}
