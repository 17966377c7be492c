/*
 * fuzz_opt: TCP's options and ICMP.
 *
 * Options: what the parser makes of them is compared with a second reading of
 * the rules, byte by byte and without its short cuts; then a SYN with them goes
 * to a listener, whose answer may not contain what was not offered. ICMP:
 * messages of any type whose quote begins like a segment of ours, may be cut
 * off anywhere, and has IP options or not.
 */
#include "../../secondary/net/tcp_priv.h"
#include "../lib/fuzz_bed.h"

#define LISTEN		80u
#define STEPS_MAX	64u
#define ETH		14u

enum op { OP_PARSE, OP_SYN, OP_ICMP, OP_ACK, OP_TIME, OPS };

static uint32_t isn;		/* what the last SYN-ACK began with */
static uint16_t sport;		/* of the last SYN */

/* RFC 9293 (3.1), 7323 (2.2, 3.2), 2018 (2, 3): options in a segment with or
 * without SYN. False: malformed. */
static bool
reference(const uint8_t *o, uint32_t len, bool syn, struct tcp_seg_in *s)
{
	uint32_t i = 0, n, k;

	while (i < len && o[i] != 0) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 == len || (n = o[i + 1]) < 2 || i + n > len)
			return false;
		if (o[i] == 2 && n == 4 && syn) {
			s->mss = rd16(o + i + 2);
			if (s->mss < TCP_MSS_MIN)
				s->mss = TCP_MSS_MIN;
		}
		if (o[i] == 3 && n == 3 && syn)
			s->wscale = o[i + 2] < 14 ? o[i + 2] : 14;
		if (o[i] == 4 && n == 2 && syn)
			s->sack_ok = true;
		if (o[i] == 5 && n >= 10 && (n - 2) % 8 == 0 && !syn)
			for (k = 0; k < (n - 2) / 8 &&
			    s->nsack < TCP_SACKS; k++, s->nsack++)
				s->sack[s->nsack] = (struct range){
				    rd32(o + i + 2 + 8 * k),
				    rd32(o + i + 6 + 8 * k) };
		if (o[i] == 8 && n == 10) {
			s->ts = true;
			s->tsval = rd32(o + i + 2);
			s->tsecr = rd32(o + i + 6);
		}
		i += n;
	}
	return true;
}

static void
op_parse(struct bytes *in)
{
	struct tcp_seg_in a = { .wscale = TCP_WSCALE_NONE }, b;
	uint8_t o[40];
	uint32_t len;
	bool ok;

	a.flags = u8(in) & 1 ? TH_SYN : TH_ACK;
	b = a;
	len = take(in, o, u8(in) % 41);
	ok = tcp_opt_parse(o, len, &a);
	assert(ok == reference(o, len, a.flags == TH_SYN, &b));
	if (!ok)
		return;
	assert(a.mss == b.mss && a.wscale == b.wscale && a.ts == b.ts &&
	    a.sack_ok == b.sack_ok && a.nsack == b.nsack);
	assert(!a.ts || (a.tsval == b.tsval && a.tsecr == b.tsecr));
	assert(memcmp(a.sack, b.sack, a.nsack * sizeof(a.sack[0])) == 0);
}

/* Feed a frame; what came back is in `out`. */
static void
feed(const uint8_t *frame, uint32_t len)
{
	struct pkt *p = frame == NULL ? NULL :
	    plain_receive(&host, frame, len);

	if (p != NULL)
		net_input(host.net, &p, 1, now);
	while (net_advance(host.net, now, 64) > 0)
		continue;
	net_events(host.net, now, 64);
	net_output(host.net, now);
	plain_send(&host, &out);
}

static void
put_ip(uint8_t *ip, uint32_t total, uint8_t proto)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	wr16(ip + 2, (uint16_t)total);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	wr16_raw(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
}

/* A segment with options, signed. */
static void
segment(uint8_t flags, uint32_t ack, const uint8_t *o, uint32_t olen)
{
	uint8_t b[ETH + 20 + 60] = { 0 }, *ip = b + ETH, *t = ip + 20;
	uint8_t ph[4] = { 0, 6, 0, 0 };
	uint32_t len;

	put_link(b, ETH_P_IP4);
	olen &= ~3u;
	len = 20 + olen;
	put_ip(ip, 20 + len, 6);
	wr16(t, sport);
	wr16(t + 2, LISTEN);
	wr32(t + 4, flags & TH_SYN ? 1000 : 1001);
	wr32(t + 8, ack);
	t[12] = (uint8_t)(len / 4 << 4);
	t[13] = flags;
	wr16(t + 14, 0xffff);
	memcpy(t + 20, o, olen);
	wr16(ph + 2, (uint16_t)len);
	wr16_raw(t + 16, (uint16_t)~csum_fold(csum_add(csum_add(csum_add(0,
	    ip + 12, 8), ph, 4), t, len)));
	feed(b, ETH + 20 + len);
}

/* Whether a SYN of this port came before: then its answer is said again. */
static bool
known(void)
{
	const struct conn *c;
	uint32_t i;

	for (i = 0; (c = pick(i)) != NULL; i++)
		if (rd16((const uint8_t *)&c->t.rport_be) == sport)
			return true;
	return false;
}

/* The answer to a SYN has only what the SYN had. */
static void
op_syn(struct bytes *in)
{
	struct tcp_seg_in syn = { .flags = TH_SYN, .wscale = TCP_WSCALE_NONE };
	struct tcp_seg_in ans = syn;
	uint8_t o[40] = { 0 };
	uint32_t len = take(in, o, u8(in) % 41) & ~3u, i;
	const uint8_t *t;

	sport = (uint16_t)(1024 + u8(in));
	if (known())
		return;
	segment(TH_SYN, 0, o, len);
	if (!tcp_opt_parse(o, len, &syn))
		syn.flags = 0;		/* no answer */
	for (i = 0; i < out.n; i++) {
		t = out.data[i] + ETH + 20;
		if (out.len[i] < ETH + 40 || rd16(out.data[i] + 12) !=
		    ETH_P_IP4 || out.data[i][ETH + 9] != 6 ||
		    t[13] != (TH_SYN | TH_ACK) || rd16(t + 2) != sport)
			continue;
		assert(syn.flags == TH_SYN);
		assert(tcp_opt_parse(t + 20, (t[12] >> 4) * 4u - 20, &ans));
		assert(ans.mss != 0);
		assert(ans.wscale == TCP_WSCALE_NONE ||
		    syn.wscale != TCP_WSCALE_NONE);
		assert(!ans.ts || (syn.ts && ans.tsecr == syn.tsval));
		assert(!ans.sack_ok || syn.sack_ok);
		isn = rd32(t + 4);
	}
}

/* The last byte of the handshake, or of something like it. */
static void
op_ack(struct bytes *in)
{
	uint8_t o[40] = { 0 };
	uint32_t len = take(in, o, u8(in) % 41);

	segment(TH_ACK, isn + 1 + (u8(in) & 1 ? u8(in) : 0), o, len);
}

static void
op_icmp(struct bytes *in)
{
	uint8_t b[ETH + 20 + 8 + 60 + 20] = { 0 }, *m = b + ETH + 20;
	uint8_t *q = m + 8, how = u8(in);
	const struct conn *c = pick(u8(in) % 4);
	uint32_t hl = how & 1 ? 20 : 20 + 4 * (u8(in) % 11), len;

	m[0] = how & 2 ? 3 : u8(in);
	m[1] = u8(in) % (how & 4 ? 16 : 255);
	wr16(m + 6, u16(in));
	put_ip(q, 1500, 6);
	q[0] = (uint8_t)(0x40 | hl / 4);
	memcpy(q + 12, (uint8_t[]){ 10, 0, 0, 2, 10, 0, 0, 1 }, 8);
	if (c != NULL) {
		memcpy(q + hl, &c->t.lport_be, 2);
		memcpy(q + hl + 2, &c->t.rport_be, 2);
		wr32(q + hl + 4, c->snd_una + (uint32_t)(int16_t)u16(in));
	}
	len = how & 8 ? 8 + hl + 8 : 8 + u8(in) % 80u;
	(void)take(in, m + 1, how & 16 ? u8(in) % len : 0);
	put_link(b, ETH_P_IP4);
	put_ip(b + ETH, 20 + len, 1);
	wr16_raw(m + 2, 0);
	wr16_raw(m + 2, (uint16_t)~csum_fold(csum_add(0, m, len)));
	feed(b, ETH + 20 + len);
}

static void
step(struct bytes *in)
{
	switch ((enum op)(u8(in) % OPS)) {
	case OP_PARSE:
		op_parse(in);
		break;
	case OP_SYN:
		op_syn(in);
		break;
	case OP_ICMP:
		op_icmp(in);
		break;
	case OP_ACK:
		op_ack(in);
		break;
	default:
		now += (uint64_t)u16(in) << (u8(in) % 12);
		feed(NULL, UINT32_MAX);
	}
}

static void
event(void *arg, struct conn *c, uint32_t events)
{
	static const uint8_t page[3000];

	(void)arg;
	if ((events & CONN_OPEN) != 0)
		(void)conn_write(host.net, c, page, sizeof(page));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct net_addr any = { .port = LISTEN };
	uint8_t arp[60] = { 0 };
	uint32_t i;
	int err;

	if (host.net == NULL) {
		plain_conf(&host, 2, 16);
		host.conf.backlog = 8;
		host.conf.ecn = 1;
		host.env.event = event;
		plain_init(&host, 1);
	}
	now = 1000000000;
	plain_start(&host, now);
	err = net_listen(host.net, &any);
	assert(err == 0);
	/* the peer says who it is */
	put_link(arp, ETH_P_ARP);
	memcpy(arp + ETH, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0,
	    1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2 }, 28);
	feed(arp, sizeof(arp));
	isn = 0;
	sport = 1024;
	for (i = 0; i < STEPS_MAX && in.n > 0; i++) {
		step(&in);
		accounts();
	}
	return 0;
}
