/*
 * fuzz_ip6: packets of IPv6 and its neighbours into net_input() of an
 * instance that listens, has a UDP socket and a live connection.
 *
 * The input is a program: frames as they are; an IPv6 packet with a chain of
 * extension headers; ICMPv6 messages and neighbour discovery with right
 * checksums; ICMPv6 errors that quote the live connection; steps of time; a
 * death and adoption. After every step the accounts must balance.
 */
#include "../../secondary/net/udp.h"
#include "../lib/fuzz_bed.h"

#define L4		54u	/* where a packet's upper layer begins */
#define STEPS_MAX	200u

enum op { OP_RAW, OP_CHAIN, OP_ICMP, OP_ND, OP_ERROR, OP_SEGMENT, OP_UDP,
    OP_TIME, OP_ADOPT, OPS };

static const uint8_t us6[16] = { 0xfd, 0x77, [15] = 2 };
static const uint8_t peer6[16] = { 0xfd, 0x77, [15] = 1 };
static int sock;

static void
event(void *arg, struct conn *c, uint32_t events)
{
	uint8_t buf[300] = { 0 };

	(void)arg;
	if (events & CONN_GONE)
		return;
	conn_consume(host.net, c, conn_readable(c));
	(void)conn_write(host.net, c, buf, sizeof(buf));
	if (conn_eof(c))
		conn_close(host.net, c);
}

/* One frame, then all the work that it makes. */
static void
feed(const uint8_t *frame, uint32_t len)
{
	struct pkt *p = plain_receive(&host, frame, len);
	uint8_t buf[512];

	if (p != NULL)
		net_input(host.net, &p, 1, now);
	while (net_advance(host.net, now, 64) > 0)
		continue;
	net_events(host.net, now, 64);
	net_output(host.net, now);
	if (sock >= 0)
		(void)udp_recvfrom(host.net, sock, buf, sizeof(buf), NULL,
		    false);
	plain_send(&host, &out);
}

/* Headers of a packet of len bytes behind the IPv6 header. how: bits that
 * choose its addresses. */
static void
headers(uint8_t *b, uint8_t next, uint32_t len, uint8_t how)
{
	put_link(b, ETH_P_IP6);
	b[14] = 0x60;
	wr16(b + 18, (uint16_t)len);
	b[20] = next;
	b[21] = how & 0x80 ? 64 : 255;
	memcpy(b + 22, peer6, 16);
	memcpy(b + 38, us6, 16);
	switch (how & 7) {
	case 1:		/* to the solicited-node group */
		memcpy(b, "\x33\x33\xff\0\0\2", 6);
		ip6_solicited(b + 38, us6);
		break;
	case 2:		/* to all nodes */
		memcpy(b, "\x33\x33\0\0\0\1", 6);
		memcpy(b + 38, (uint8_t[16]){ 0xff, 2, [15] = 1 }, 16);
		break;
	case 3:
		memset(b + 22, 0, 16);
		break;
	case 4:
		memcpy(b + 22, us6, 16);
		break;
	case 5:		/* link-local */
		memset(b + 22, 0, 16);
		b[22] = 0xfe;
		b[23] = 0x80;
		b[37] = how;
		break;
	}
}

static void
sign(uint8_t *b, uint8_t proto, uint32_t off, uint32_t len, uint32_t csum)
{
	struct tuple t = { .family = 6 };

	memcpy(t.laddr, b + 22, 16);
	memcpy(t.raddr, b + 38, 16);
	wr16(b + off + csum, 0);
	wr16_raw(b + off + csum, (uint16_t)~csum_fold(csum_add(
	    pseudo_sum(&t, proto, len), b + off, len)));
}

/* Extension headers as the input says, then an echo. */
static void
op_chain(struct bytes *in)
{
	static const uint8_t kind[] = { 0, 43, 44, 60, 51, 59, 6, 17 };
	uint8_t b[1500] = { 0 }, first = kind[u8(in) & 7], next, n, how;
	uint32_t at = L4, k;

	how = u8(in);
	n = u8(in) % 9;
	for (k = 0; k < n; k++) {
		next = k + 1 < n ? kind[u8(in) & 7] : PROTO_ICMP6;
		take(in, b + at, 8);
		b[at] = next;
		at += 8;
	}
	b[at] = ICMP6_ECHO;
	headers(b, n == 0 ? PROTO_ICMP6 : first, at + 16 - L4, how);
	sign(b, PROTO_ICMP6, at, 16, 2);
	feed(b, at + 16);
}

static void
op_icmp(struct bytes *in)
{
	uint8_t b[1500] = { 0 }, how = u8(in);
	uint32_t len = u16(in) % 200;

	if (len < 4)
		len = 4;
	headers(b, PROTO_ICMP6, len, how);
	take(in, b + L4, len);
	sign(b, PROTO_ICMP6, L4, len, 2);
	feed(b, L4 + len);
}

/* A message of neighbour discovery that is nearly right. */
static void
op_nd(struct bytes *in)
{
	uint8_t b[300] = { 0 }, how = u8(in), *m = b + L4;
	uint32_t len = ND_LEN + u8(in) % 40;

	headers(b, PROTO_ICMP6, len, how & 0x7f);
	m[0] = how & 8 ? ICMP6_NS : ICMP6_NA;
	m[ND_FLAGS] = u8(in);
	memcpy(m + ND_TARGET, how & 16 ? us6 : peer6, 16);
	m[ND_TARGET + 15] ^= how & 32 ? u8(in) : 0;
	take(in, m + ND_LEN, len - ND_LEN);
	sign(b, PROTO_ICMP6, L4, len, 2);
	feed(b, L4 + len);
}

/* An error that quotes a segment of the live connection. */
static void
op_error(struct bytes *in)
{
	uint8_t b[300] = { 0 }, *m = b + L4, *q = m + 8;
	const struct conn *c = pick(0);
	uint32_t len = 8 + 40 + 8 + u8(in) % 20;

	headers(b, PROTO_ICMP6, len, 0);
	m[0] = 1 + u8(in) % 4;
	m[1] = u8(in);
	wr32(m + 4, u16(in));
	q[0] = 0x60;
	wr16(q + 4, u16(in));
	q[6] = u8(in) & 1 ? PROTO_TCP : u8(in);
	memcpy(q + 8, us6, 16);
	memcpy(q + 24, peer6, 16);
	if (c != NULL) {
		memcpy(q + 40, &c->t.lport_be, 2);
		memcpy(q + 42, &c->t.rport_be, 2);
		wr32(q + 44, c->snd_una + (uint32_t)(int8_t)u8(in));
	}
	take(in, q + 48, len - 56);
	sign(b, PROTO_ICMP6, L4, len, 2);
	feed(b, L4 + len);
}

static void
segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	uint8_t b[1500] = { 0 }, *t = b + L4;

	headers(b, PROTO_TCP, 20 + len, 0);
	wr16(t, 40000);
	wr16(t + 2, 80);
	wr32(t + 4, seq);
	wr32(t + 8, ack);
	t[12] = 5 << 4;
	t[13] = flags;
	wr16(t + 14, 60000);
	sign(b, PROTO_TCP, L4, 20 + len, 16);
	feed(b, L4 + 20 + len);
}

static void
op_segment(struct bytes *in)
{
	const struct conn *c = pick(0);
	uint32_t seq, ack;

	if (c == NULL) {
		segment(0x02, 1000, 0, 0);
		return;
	}
	seq = c->rcv_nxt + (uint32_t)(int8_t)u8(in);
	ack = c->snd_nxt + (uint32_t)(int8_t)u8(in);
	segment(u8(in), seq, ack, u16(in) % 1400);
}

static void
op_udp(struct bytes *in)
{
	uint8_t b[1500] = { 0 }, *d = b + L4;
	uint32_t len = 8 + u16(in) % 1200;

	headers(b, PROTO_UDP, len, 0);
	wr16(d, 53);
	wr16(d + 2, u8(in) & 1 ? 53 : 54);
	wr16(d + 4, u8(in) & 1 ? (uint16_t)len : u16(in));
	if (u8(in) & 1)
		sign(b, PROTO_UDP, L4, len, 6);
	feed(b, L4 + len);
}

static void
step(struct bytes *in)
{
	uint8_t b[PLAIN_FRAME];
	const char *why;

	switch ((enum op)(u8(in) % OPS)) {
	case OP_RAW:
		feed(b, take(in, b, u16(in) % (PLAIN_FRAME - 64)));
		break;
	case OP_CHAIN:
		op_chain(in);
		break;
	case OP_ICMP:
		op_icmp(in);
		break;
	case OP_ND:
		op_nd(in);
		break;
	case OP_ERROR:
		op_error(in);
		break;
	case OP_SEGMENT:
		op_segment(in);
		break;
	case OP_UDP:
		op_udp(in);
		break;
	case OP_TIME:
		now += (uint64_t)u16(in) << (u8(in) % 16);
		feed(NULL, UINT32_MAX);
		break;
	default:
		why = plain_adopt(&host, 80, now);
		assert(why == NULL);
		sock = -1;
	}
}

/* A neighbour, a connection and a socket to begin with. */
static void
begin(void)
{
	static const uint8_t ns[] = { 0x19, 8, 0, 1, 1, 2, 0, 0, 0, 0, 1 };
	struct net_addr any = { .port = 80 }, dns = { .port = 53 };
	struct bytes b = { ns, sizeof(ns) };
	int err = net_listen(host.net, &any);

	assert(err == 0);
	feed(NULL, UINT32_MAX);
	now += 1000000;
	feed(NULL, UINT32_MAX);
	sock = udp_open(host.net, NULL, NULL);
	err = udp_bind(host.net, sock, &dns);
	assert(err == 0);
	op_nd(&b);
	segment(0x02, 1000, 0, 0);
	if (pick(0) != NULL)
		segment(0x10, 1001, pick(0)->snd_nxt, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct net_port_conf *p = &host.conf.port[0];
	uint32_t i;

	if (host.net == NULL) {
		plain_conf(&host, 2, 16);
		memcpy(p->addr[1].addr, us6, 16);
		p->addr[1].family = 6;
		p->addr[1].prefix = 64;
		p->naddrs = 2;
		host.conf.shape.neighs = 4;
		host.env.event = event;
		plain_init(&host, 1);
	}
	now = 1000000000;
	plain_start(&host, now);
	begin();
	for (i = 0; i < STEPS_MAX && in.n > 0; i++) {
		step(&in);
		accounts();
	}
	return 0;
}
