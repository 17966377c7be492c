/*
 * fuzz_input: frames into net_input() of an instance that listens and has
 * live connections.
 *
 * The input is a program: frames as they are, segments whose numbers count
 * from those of a live connection, ARP and ICMP, steps of time, what the
 * service does, a death and adoption. Between steps the accounts must
 * balance; the stack's own assertions and the sanitizers do the rest.
 */
#include "../lib/fuzz_bed.h"

#define PEER		1u	/* 10.0.0.1 is who we play */
#define HOST		2u
#define LISTEN		80u
#define ETH		14u
#define STEPS_MAX	200u
#define COUNT_EVERY	8u	/* steps between looks at the accounts */

enum op { OP_RAW, OP_SEGMENT, OP_SYN, OP_TIME, OP_SERVICE, OP_ARP, OP_ICMP,
    OP_ADOPT, OP_CONNECT, OP_SQUEEZE, OPS };

static uint8_t service;		/* what the service does: bits */

#define SERVE_READ	0x01u
#define SERVE_HALF	0x02u	/* reads half of what there is */
#define SERVE_WRITE	0x04u
#define SERVE_MEM	0x08u
#define SERVE_SHUT	0x10u
#define SERVE_CLOSE	0x20u
#define SERVE_ABORT	0x40u
#define SERVE_TIMER	0x80u

static void
event(void *arg, struct conn *c, uint32_t events)
{
	static const uint8_t page[5000];
	struct net *n = host.net;
	const uint8_t *p = NULL;
	uint8_t buf[700] = { 0 };
	uint32_t len = conn_readable(c);

	(void)arg;
	if (events & CONN_GONE)
		return;
	if (len > 0 && service & (SERVE_READ | SERVE_HALF)) {
		assert(conn_peek(n, c, len / 2, &p) > 0);
		assert(conn_copy(n, c, 0, buf, 8) == (len < 8 ? len : 8));
		conn_consume(n, c, service & SERVE_READ ? len : len / 2);
	}
	if (service & SERVE_WRITE && conn_write(n, c, buf, sizeof(buf)) == 0)
		conn_want_room(n, c, 100);
	if (service & SERVE_MEM)
		(void)conn_send_mem(n, c, page, sizeof(page));
	if (service & SERVE_TIMER)
		conn_timer(n, c, now + 1000);
	if (service & SERVE_ABORT) {
		conn_abort(n, c);
	} else if (service & SERVE_CLOSE) {
		conn_close(n, c);
	} else if (service & SERVE_SHUT || conn_eof(c)) {
		conn_shutdown(n, c);
	}
}

/* One frame, then all the work that it makes. */
static void
feed(const uint8_t *frame, uint32_t len)
{
	struct pkt *p = plain_receive(&host, frame, len);

	if (p != NULL)
		net_input(host.net, &p, 1, now);
	net_advance(host.net, now, 64);
	net_events(host.net, now, 64);
	net_output(host.net, now);
	plain_send(&host, &out);
}

static void
put_ip(uint8_t *ip, uint32_t total, uint8_t proto)
{
	uint16_t sum;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	wr16(ip + 2, total);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, PEER, 10, 0, 0, HOST }, 8);
	sum = (uint16_t)~csum_fold(csum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}

/* Finish a segment of len bytes at b + 34 and feed it. */
static void
feed_segment(uint8_t *b, uint32_t len)
{
	uint8_t *ip = b + ETH, *t = ip + 20, ph[4] = { 0, 6, 0, 0 };
	uint64_t sum;
	uint16_t fold;

	put_link(b, 0x0800);
	put_ip(ip, 20 + len, 6);
	memset(t + 16, 0, 2);
	wr16(ph + 2, len);
	sum = csum_add(csum_add(0, ip + 12, 8), ph, 4);
	fold = (uint16_t)~csum_fold(csum_add(sum, t, len));
	memcpy(t + 16, &fold, 2);
	feed(b, ETH + 20 + len);
}

/* A segment of a live connection, its numbers near the right ones. */
static void
op_segment(struct bytes *in)
{
	uint8_t b[ETH + 20 + 60 + 1500] = { 0 }, *t = b + ETH + 20;
	const struct conn *c = pick(u8(in) % 4);
	uint32_t opt, len;

	if (c == NULL)
		return;
	memcpy(t, &c->t.rport_be, 2);
	memcpy(t + 2, &c->t.lport_be, 2);
	wr32(t + 4, c->rcv_nxt + (uint32_t)(int16_t)u16(in));
	wr32(t + 8, c->snd_nxt + (uint32_t)(int16_t)u16(in));
	t[13] = u8(in);
	wr16(t + 14, u16(in));
	opt = 4 * (u8(in) % 11);
	take(in, t + 20, opt);
	t[12] = (uint8_t)((20 + opt) / 4 << 4);
	len = u16(in) % 1400;
	memset(t + 20 + opt, 0x55, len);
	feed_segment(b, 20 + opt + len);
}

static void
op_syn(struct bytes *in)
{
	uint8_t b[ETH + 20 + 60] = { 0 }, *t = b + ETH + 20;
	uint32_t opt;

	wr16(t, 40000u + u8(in));
	wr16(t + 2, LISTEN);
	wr32(t + 4, 0xfffffff0u);
	t[13] = 0x02;
	wr16(t + 14, u16(in));
	opt = 4 * (u8(in) % 11);
	take(in, t + 20, opt);
	t[12] = (uint8_t)((20 + opt) / 4 << 4);
	feed_segment(b, 20 + opt);
}

static void
op_raw(struct bytes *in)
{
	uint8_t b[PLAIN_FRAME];

	feed(b, take(in, b, u16(in) % (PLAIN_FRAME - 64)));
}

static void
op_arp(struct bytes *in)
{
	uint8_t b[60] = { 0 }, *q = b + ETH;

	put_link(b, 0x0806);
	wr32(q, 0x00010800);
	wr16(q + 4, 0x0604);
	wr16(q + 6, u8(in));
	q[8] = 2;
	q[13] = u8(in);
	memcpy(q + 14, (uint8_t[]){ 10, 0, 0, u8(in) }, 4);
	memcpy(q + 24, (uint8_t[]){ 10, 0, 0, u8(in) }, 4);
	feed(b, sizeof(b));
}

/* An ICMP message; errors quote a live connection. */
static void
op_icmp(struct bytes *in)
{
	uint8_t b[ETH + 20 + 8 + 28] = { 0 }, *m = b + ETH + 20, *q = m + 28;
	const struct conn *c = pick(u8(in) % 4);
	uint16_t sum;

	put_link(b, 0x0800);
	put_ip(b + ETH, sizeof(b) - ETH, 1);
	m[0] = u8(in);
	m[1] = u8(in);
	wr16(m + 6, u16(in));
	put_ip(m + 8, 576, 6);
	memcpy(m + 20, (uint8_t[]){ 10, 0, 0, HOST, 10, 0, 0, PEER }, 8);
	if (c != NULL) {
		memcpy(q, &c->t.lport_be, 2);
		memcpy(q + 2, &c->t.rport_be, 2);
		wr32(q + 4, c->snd_una + (uint32_t)(int16_t)u16(in));
	}
	sum = (uint16_t)~csum_fold(csum_add(0, m, 36));
	memcpy(m + 2, &sum, 2);
	feed(b, sizeof(b));
}

static void
op_time(struct bytes *in)
{
	now += (uint64_t)u16(in) << (u8(in) % 16);
	while (net_advance(host.net, now, 64) > 0)
		continue;
	feed(NULL, UINT32_MAX);
}

static void
op_connect(struct bytes *in)
{
	struct net_addr to = { .family = 4, .port = u16(in) };
	struct conn *c;

	memcpy(to.addr, (uint8_t[]){ 10, 0, 0, u8(in) & 1 ? PEER : 9 }, 4);
	(void)net_connect(host.net, NULL, &to, now, &c);
	feed(NULL, UINT32_MAX);
}

static void
op_squeezed(struct bytes *in)
{
	if (u8(in) & 1)
		op_segment(in);
	else
		op_time(in);
}

static void
step(struct bytes *in)
{
	const char *why;

	switch ((enum op)(u8(in) % OPS)) {
	case OP_RAW:
		op_raw(in);
		break;
	case OP_SEGMENT:
		op_segment(in);
		break;
	case OP_SYN:
		op_syn(in);
		break;
	case OP_TIME:
		op_time(in);
		break;
	case OP_SERVICE:
		service = u8(in);
		break;
	case OP_ARP:
		op_arp(in);
		break;
	case OP_ICMP:
		op_icmp(in);
		break;
	case OP_ADOPT:
		why = plain_adopt(&host, LISTEN, now);
		assert(why == NULL);
		break;
	case OP_CONNECT:
		op_connect(in);
		break;
	default:
		squeeze(in, u8(in) % 8, op_squeezed);
	}
}

/* A neighbour and an accepted connection to begin with. */
static void
begin(void)
{
	static const uint8_t arp[] = { 1, PEER, PEER, HOST };
	static const uint8_t syn[] = { 1, 0xff, 0xff, 5, 2, 4, 5, 0xb4, 4, 2,
	    8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7 };
	static const uint8_t ack[] = { 0, 0, 0, 0, 0, 0x10, 0xff, 0xff, 3, 1,
	    1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0 };
	struct net_addr any = { .port = LISTEN };
	struct bytes b = { arp, sizeof(arp) };
	int err = net_listen(host.net, &any);

	assert(err == 0);
	op_arp(&b);
	b = (struct bytes){ syn, sizeof(syn) };
	op_syn(&b);
	b = (struct bytes){ ack, sizeof(ack) };
	op_segment(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	uint32_t i;
	uint8_t how = u8(&in);

	if (host.net == NULL) {
		plain_conf(&host, HOST, 16);
		host.conf.shape.small = 64;
		host.conf.shape.chunks = 8;
		host.conf.shape.timewait = 4;
		host.conf.shape.neighs = 4;
		host.conf.rx_hold_max = PLAIN_FRAMES / 2;
		host.conf.backlog = 8;
		host.env.event = event;
		plain_init(&host, 1);
	}
	host.conf.port[0].caps = how & 1 ? NET_CAP_FRAGS : 0;
	host.conf.ecn = how >> 1 & 1;
	host.conf.keepalive_us = how & 4 ? 1000000 : 0;
	host.conf.cc = how >> 3 & 1;
	service = SERVE_READ | SERVE_WRITE;
	now = 1000000000;
	plain_start(&host, now);
	begin();
	for (i = 0; i < STEPS_MAX && in.n > 0; i++) {
		step(&in);
		if (i % COUNT_EVERY != 0 && in.n > 0)
			continue;
		accounts();
	}
	return 0;
}
