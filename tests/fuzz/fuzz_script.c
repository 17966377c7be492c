/*
 * fuzz_script: segment scripts against a live connection, over IPv4 or IPv6.
 *
 * The input is a list of lines of equal size: a segment whose numbers count
 * from the right ones, with options; an ICMP error about it; a step of time;
 * what the service does; another handshake; a death. The mutator knows lines:
 * it inserts, removes, repeats and swaps them, and changes single fields, so
 * that what was found stays a script.
 *
 * Payload is a function of the sequence number, whatever the script does. So
 * bytes that the service reads, and bytes that the stack sends, are known: a
 * segment that is accepted in the wrong place is seen.
 */
#include "../../secondary/net/tcp_priv.h"
#include "../lib/fuzz_bed.h"

#define LISTEN		80u
#define HEAD		2u	/* bytes before the lines */
#define LINES_MAX	96u
#define ISS		0xfffffc00u /* of the peer: it wraps soon */

enum op { OP_SEGMENT, OP_DATA, OP_ACK, OP_TIME, OP_SERVICE, OP_ICMP, OP_SYN,
    OP_ADOPT, OP_SQUEEZE, OPS };

struct line {
	uint8_t op, flags;
	int16_t seq, ack;	/* from the next expected, and the last sent */
	uint16_t len, wnd;
	uint8_t opts, aux;
};

_Static_assert(sizeof(struct line) == 12, "no padding");

size_t	LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
	    unsigned int seed);
size_t	LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static bool six;
static uint8_t service;

/* ---- the mutator ---- */

static uint32_t
rnd(unsigned int *s)
{
	*s = *s * 1103515245u + 12345u;
	return *s >> 8;
}

static void
change(struct line *l, unsigned int *s)
{
	static const int16_t near[] = { 0, 1, -1, 2, 100, -100, 1448, -1448,
	    32767, -32768 };
	static const uint8_t flags[] = { 0x10, 0x18, 0x11, 0x14, 0x04, 0x02,
	    0x12, 0x19, 0x30, 0xd0, 0x00, 0xff };

	switch (rnd(s) % 9) {
	case 0:
		l->op = (uint8_t)(rnd(s) % OPS);
		break;
	case 1:
		l->flags = flags[rnd(s) % sizeof(flags)];
		break;
	case 2:
		l->seq = near[rnd(s) % 10];
		break;
	case 3:
		l->ack = near[rnd(s) % 10];
		break;
	case 4:
		l->len = (uint16_t)(rnd(s) % 4 == 0 ? 0 : rnd(s) % 1400);
		break;
	case 5:
		l->wnd = (uint16_t)(rnd(s) % 3 == 0 ? 0 : rnd(s));
		break;
	case 6:
		l->opts = (uint8_t)rnd(s);
		break;
	case 7:
		l->aux = (uint8_t)rnd(s);
		break;
	default:
		LLVMFuzzerMutate((uint8_t *)l, sizeof(*l), sizeof(*l));
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned int seed)
{
	struct line l[LINES_MAX + 1];
	uint32_t n, i, k, most;

	most = (uint32_t)((max - HEAD) / sizeof(*l));
	most = most < LINES_MAX ? most : LINES_MAX;
	if (max < HEAD + sizeof(*l) || rnd(&seed) % 40 == 0)
		return LLVMFuzzerMutate(data, size, max);
	if (size < HEAD)
		memset(data, 0, HEAD);
	n = size < HEAD ? 0 : (uint32_t)((size - HEAD) / sizeof(*l));
	n = n < most ? n : most;
	memset(l, 0, sizeof(l));
	memcpy(l, data + HEAD, n * sizeof(*l));
	for (k = 1 + rnd(&seed) % 4; k > 0; k--) {
		i = n > 0 ? rnd(&seed) % n : 0;
		switch (rnd(&seed) % 6) {
		case 0:		/* a new one, like its neighbour */
			if (n == most)
				break;
			memmove(&l[i + 1], &l[i], (n - i) * sizeof(*l));
			n++;
			change(&l[i], &seed);
			break;
		case 1:
			if (n > 1)
				memmove(&l[i], &l[i + 1],
				    (--n - i) * sizeof(*l));
			break;
		case 2:
			if (n > 1) {
				l[LINES_MAX] = l[i];
				l[i] = l[rnd(&seed) % n];
			}
			break;
		default:
			change(&l[i], &seed);
		}
		n += n == 0;
	}
	if (rnd(&seed) % 16 == 0)
		data[rnd(&seed) % HEAD] ^= (uint8_t)(1u << rnd(&seed) % 8);
	memcpy(data + HEAD, l, n * sizeof(*l));
	return HEAD + n * sizeof(*l);
}

/* ---- the two streams ---- */

static uint8_t
byte(uint32_t pos)
{
	return (uint8_t)(pos * 167 + (pos >> 8) * 13);
}

/* The service's part; it reads what must be there. */
static void
event(void *arg, struct conn *c, uint32_t events)
{
	static uint8_t buf[3000];
	struct net *n = host.net;
	uint32_t len = conn_readable(c), i, k, took;
	uint64_t from = c->bytes_in - len, at = c->bytes_out + c->sq_len;
	const uint8_t *p = NULL;

	(void)arg;
	for (i = 0; i < len; i += k) {
		k = conn_peek(n, c, i, &p);
		assert(k > 0);
		k = k < len - i ? k : len - i;
		for (uint32_t j = 0; j < k; j++)
			assert(p[j] == byte((uint32_t)from + i + j));
	}
	if (events & CONN_GONE)
		return;
	if (!(service & 0x01))
		conn_consume(n, c, service & 0x02 ? len / 2 : len);
	if (service & 0x04) {
		took = 1 + service * 11u;
		for (i = 0; i < took; i++)
			buf[i] = byte((uint32_t)at + i);
		(void)conn_write(n, c, buf, took);
		conn_want_room(n, c, 1);
	}
	if (service & 0x08)
		conn_timer(n, c, now + 5000);
	if (service & 0x80)
		conn_cork(n, c, (service & 0x40) != 0);
	if ((service & 0x30) == 0x30)
		conn_abort(n, c);
	else if (service & 0x10)
		conn_close(n, c);
	else if (service & 0x20)
		conn_shutdown(n, c);
}

/* What the stack sent: bytes of the first connection are the service's. */
static void
look(const uint8_t *f, uint32_t len)
{
	uint32_t ip = six ? 40 : 20, hl, seq, i, total;
	const uint8_t *t = f + 14 + ip;
	const struct conn *c = pick(0);

	if (len < 14 + ip + 20 || f[six ? 20 : 23] != 6 || c == NULL ||
	    memcmp(t + 2, &c->t.rport_be, 2) != 0)
		return;
	total = six ? 40u + rd16(f + 18) : rd16(f + 16);
	hl = (t[12] >> 4) * 4u;
	assert(hl >= 20 && ip + hl <= total && 14 + total <= len);
	seq = rd32(t + 4) - (c->snd_una - (uint32_t)c->bytes_out);
	/* A probe below the window carries nothing; a FIN counts one. */
	for (i = 0; i < total - ip - hl; i++)
		if (seq + i < 0x40000000u && (t[13] & 7) == 0)
			assert(t[hl + i] == byte(seq + i));
}

static void
feed(const uint8_t *frame, uint32_t len)
{
	struct pkt *p = frame == NULL ? NULL :
	    plain_receive(&host, frame, len);
	uint32_t i;

	if (p != NULL)
		net_input(host.net, &p, 1, now);
	while (net_advance(host.net, now, 64) > 0)
		continue;
	net_events(host.net, now, 64);
	net_output(host.net, now);
	plain_send(&host, &out);
	for (i = 0; i < out.n; i++)
		look(out.data[i], out.len[i]);
}

/* ---- the lines ---- */

/* Addresses and length of a packet of len bytes behind its IP header. */
static uint8_t *
put_ip(uint8_t *b, uint8_t proto, uint32_t len, uint8_t tos)
{
	uint8_t *ip = b + 14;

	put_link(b, six ? ETH_P_IP6 : ETH_P_IP4);
	if (six) {
		memset(ip, 0, 40);
		wr32(ip, 6u << 28 | (uint32_t)tos << 20);
		wr16(ip + 4, (uint16_t)len);
		ip[6] = proto;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[9] = ip[25] = 0x77;
		ip[23] = 1;
		ip[39] = 2;
		return ip + 40;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = tos;
	wr16(ip + 2, (uint16_t)(20 + len));
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	wr16_raw(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
	return ip + 20;
}

static void
sign(uint8_t *b, uint8_t *t, uint8_t proto, uint32_t len, uint32_t field)
{
	struct tuple tu = { .family = six ? 6 : 4 };
	uint64_t sum = 0;

	memcpy(tu.raddr + (six ? 0 : 12), b + (six ? 22 : 26), six ? 16 : 4);
	memcpy(tu.laddr + (six ? 0 : 12), b + (six ? 38 : 30), six ? 16 : 4);
	wr16(t + field, 0);
	if (proto != PROTO_ICMP)
		sum = pseudo_sum(&tu, proto, len);
	wr16_raw(t + field, (uint16_t)~csum_fold(csum_add(sum, t, len)));
}

/* Options as a line says; their length. */
static uint32_t
options(const struct line *l, const struct conn *c, uint8_t *o)
{
	uint32_t n = 0, i, base;

	if (l->opts & 0x01 || c == NULL || c->flags & TF_TS) {
		wr32(o, 0x0101080au);
		wr32(o + 4, (c != NULL ? c->ts_recent : 100) +
		    (uint32_t)(int8_t)(l->opts & 0x02 ? l->aux : 1));
		wr32(o + 8, c == NULL ? 0 : tcp_now_ms(host.net) + c->ts_off -
		    (l->opts & 0x04 ? l->aux : 0));
		n = 12;
	}
	if (l->opts & 0x08 && c != NULL) {
		base = c->snd_una + l->aux * 64u;
		wr16(o + n, 0x0101);
		o[n + 2] = 5;
		o[n + 3] = 18;
		for (i = 0; i < 4; i++)
			wr32(o + n + 4 + 4 * i,
			    base + i * (1u + l->wnd % 1500));
		n += 20;
	}
	if (l->opts & 0x10) {
		o[n] = l->aux;		/* any kind, any length */
		o[n + 1] = (uint8_t)(l->opts >> 5);
		wr16(o + n + 2, l->wnd);
		n += 4;
	}
	return n;
}

static void
segment(const struct line *l, const struct conn *c, uint8_t flags,
    uint32_t len)
{
	uint8_t b[14 + 40 + 60 + 1500] = { 0 }, o[64] = { 0 }, *t;
	uint32_t opt = options(l, c, o), i, pos;

	t = put_ip(b, PROTO_TCP, 20 + opt + len, l->aux & 3);
	memset(t, 0, 20);
	memcpy(t, &c->t.rport_be, 2);
	memcpy(t + 2, &c->t.lport_be, 2);
	wr32(t + 4, c->rcv_nxt + (uint32_t)l->seq);
	wr32(t + 8, c->snd_nxt + (uint32_t)l->ack);
	t[12] = (uint8_t)((20 + opt) / 4 << 4);
	t[13] = flags;
	wr16(t + 14, l->wnd);
	memcpy(t + 20, o, opt);
	/* Where this lies in the peer's stream: the service's view. A FIN that
	 * was taken stands for a byte, but nothing follows it. */
	pos = (uint32_t)c->bytes_in + (uint32_t)l->seq;
	for (i = 0; i < len; i++)
		t[20 + opt + i] = byte(pos + i);
	sign(b, t, PROTO_TCP, 20 + opt + len, 16);
	feed(b, (uint32_t)(t - b) + 20 + opt + len);
}

/* The first two segments of another connection, or its SYN only. */
static void
op_syn(const struct line *l)
{
	uint8_t b[14 + 40 + 60] = { 0 }, *t, o[40] = { 2, 4, 5, 0xb4, 4, 2, 8,
	    10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7 };
	uint32_t n = l->opts & 0x01 ? 20 : l->opts & 0x02 ? 4 : 0;

	if (l->opts & 0x04)
		wr16(o + 2, l->wnd);
	if (l->opts & 0x08)
		o[19] = l->aux;
	t = put_ip(b, PROTO_TCP, 20 + n, 0);
	memset(t, 0, 20);
	wr16(t, (uint16_t)(40000 + l->aux % 8));
	wr16(t + 2, LISTEN);
	wr32(t + 4, ISS + (uint32_t)l->seq);
	t[12] = (uint8_t)((20 + n) / 4 << 4);
	t[13] = l->opts & 0x10 ? 0xc2 : 0x02;
	wr16(t + 14, l->wnd);
	memcpy(t + 20, o, n);
	sign(b, t, PROTO_TCP, 20 + n, 16);
	feed(b, (uint32_t)(t - b) + 20 + n);
}

static void
op_icmp(const struct line *l)
{
	uint8_t b[14 + 40 + 8 + 60] = { 0 }, *m, *q;
	const struct conn *c = pick(l->aux % 3);
	uint32_t head = six ? 40 : 20, len = 8 + head + 8;

	m = put_ip(b, six ? PROTO_ICMP6 : PROTO_ICMP, len, 0);
	memset(m, 0, len);
	m[0] = l->opts & 1 ? (six ? 2 : 3) : (uint8_t)(l->flags % 14);
	m[1] = l->opts & 1 ? (six ? 0 : 4) : l->opts >> 1;
	wr16(m + 6, l->wnd);
	q = m + 8;
	memcpy(q, b + 14, head);
	/* What we sent: the addresses turned round. */
	if (six) {
		q[23] = 2;
		q[39] = 1;
		q[6] = 6;
	} else {
		q[9] = 6;
		q[15] = 2;
		q[19] = 1;
	}
	if (c != NULL) {
		memcpy(q + head, &c->t.lport_be, 2);
		memcpy(q + head + 2, &c->t.rport_be, 2);
		wr32(q + head + 4, c->snd_una + (uint32_t)l->seq);
	}
	sign(b, m, six ? PROTO_ICMP6 : PROTO_ICMP, len, 2);
	feed(b, (uint32_t)(m - b) + len);
}

static void
step(const struct line *l)
{
	const struct conn *c = pick(l->aux / 8 % 2);
	const char *why;

	switch ((enum op)(l->op % OPS)) {
	case OP_SEGMENT:
		if (c != NULL && c->state != TCP_CLOSED)
			segment(l, c, l->flags, l->len % 1400);
		break;
	case OP_DATA:
		if (c != NULL && c->state != TCP_CLOSED)
			segment(l, c, 0x18, 1 + l->len % 1400);
		break;
	case OP_ACK:
		if (c != NULL && c->state != TCP_CLOSED)
			segment(l, c, 0x10, 0);
		break;
	case OP_TIME:
		now += (uint64_t)l->len << (l->aux % 14);
		feed(NULL, 0);
		break;
	case OP_SERVICE:
		service = l->aux;
		feed(NULL, 0);
		break;
	case OP_ICMP:
		op_icmp(l);
		break;
	case OP_SYN:
		op_syn(l);
		break;
	case OP_ADOPT:
		why = plain_adopt(&host, LISTEN, now);
		assert(why == NULL);
		feed(NULL, 0);
		break;
	default:
		break;
	}
}

static void
squeezed(struct bytes *in)
{
	struct line l;

	memset(&l, 0, sizeof(l));
	take(in, (uint8_t *)&l, sizeof(l));
	/* A successor would count the frames that are away as free. */
	if (l.op % OPS != OP_SQUEEZE && l.op % OPS != OP_ADOPT)
		step(&l);
}

/* A neighbour and a connection to begin with. */
static void
begin(uint8_t how)
{
	static const uint8_t arp[] = { 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1,
	    10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2 };
	struct line l = { .opts = how & 3, .wnd = 30000 };
	struct net_addr any = { .port = LISTEN };
	uint8_t b[60] = { 0 };
	int err = net_listen(host.net, &any);

	assert(err == 0);
	put_link(b, ETH_P_ARP);
	memcpy(b + 14, arp, sizeof(arp));
	feed(b, sizeof(b));
	op_syn(&l);
	l.opts = 0;
	l.flags = 0x10;
	if (pick(0) != NULL)
		segment(&l, pick(0), 0x10, 0);
}

static void
setup(void)
{
	struct net_port_conf *p = &host.conf.port[0];

	plain_conf(&host, 2, 16);
	memcpy(p->addr[1].addr, (uint8_t[16]){ 0xfd, 0x77, [15] = 2 }, 16);
	p->addr[1].family = 6;
	p->addr[1].prefix = 64;
	p->naddrs = 2;
	p->nodad = 1;
	host.conf.shape.small = 64;
	host.conf.shape.chunks = 16;
	host.conf.shape.timewait = 4;
	host.conf.shape.neighs = 8;
	host.conf.rx_hold_max = PLAIN_FRAMES / 2;
	host.conf.backlog = 4;
	host.env.event = event;
	plain_init(&host, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	uint8_t how = u8(&in), what = u8(&in);
	struct line l;
	uint32_t i;

	if (host.net == NULL)
		setup();
	six = how & 1;
	host.conf.port[0].caps = how & 2 ? NET_CAP_FRAGS : 0;
	host.conf.ecn = how >> 2 & 1;
	host.conf.cc = how >> 3 & 1;
	host.conf.keepalive_us = how & 16 ? 1000000 : 0;
	host.conf.delack_us = how & 32 ? 0 : 40000;
	host.conf.rcvbuf = how & 64 ? 2048 : 65536;
	now = 1000000000;
	service = what;
	plain_start(&host, now);
	begin(what >> 6);
	for (i = 0; i < LINES_MAX && in.n >= sizeof(l); i++) {
		take(&in, (uint8_t *)&l, sizeof(l));
		if (l.op % OPS == OP_SQUEEZE)
			squeeze(&in, l.aux % 6, squeezed);
		else
			step(&l);
		if (i % 4 == 0)
			accounts();
	}
	accounts();
	return 0;
}
