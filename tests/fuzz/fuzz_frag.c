/*
 * fuzz_frag: fragments of IPv4 and IPv6 into net_input(), which puts them
 * together.
 *
 * The input is a program: fragments of a message that fits, in whatever order
 * and with whatever bounds; fragments as they are; steps of time; a shortage
 * of frames. What is answered must be the message; frames must not get lost.
 */
#include "../lib/plain.h"

#define MESSAGE		6000u	/* bytes of the echo that is cut up */
#define STEPS_MAX	300u

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *p;
	size_t n;
};

enum op { OP_PIECE4, OP_PIECE6, OP_ODD4, OP_ODD6, OP_TIME, OP_SQUEEZE,
    OP_LENGTH, OPS };

static const uint8_t us6[16] = { 0xfd, 0x77, [15] = 2 };
static const uint8_t peer6[16] = { 0xfd, 0x77, [15] = 1 };
static struct plain host;
static struct plain_box out;
static uint64_t now;
static uint8_t message[MESSAGE];
static uint32_t length;		/* of the message */

static uint8_t
u8(struct bytes *b)
{
	if (b->n == 0)
		return 0;
	b->n--;
	return *b->p++;
}

static uint16_t
u16(struct bytes *b)
{
	uint16_t hi = u8(b);

	return (uint16_t)(hi << 8 | u8(b));
}

static void
feed(const uint8_t *frame, uint32_t len)
{
	struct pkt *p = plain_receive(&host, frame, len);

	if (p != NULL)
		net_input(host.net, &p, 1, now);
	while (net_advance(host.net, now, 64) > 0)
		continue;
	net_output(host.net, now);
	plain_send(&host, &out);
}

static void
put_link(uint8_t *b, uint16_t type)
{
	memset(b, 0, 12);
	b[0] = b[6] = 2;
	b[5] = 2;
	b[11] = 1;
	wr16(b + 12, type);
}

/* A fragment: bytes [start, start + len) of the message. */
static void
piece(uint8_t family, uint32_t start, uint32_t len, uint32_t word)
{
	uint8_t b[PLAIN_FRAME] = { 0 }, *ip = b + 14, *d;
	bool more = start + len < length;

	if (family == 4) {
		put_link(b, ETH_P_IP4);
		ip[0] = 0x45;
		wr16(ip + 2, (uint16_t)(20 + len));
		wr16(ip + 4, word & 3);
		wr16(ip + 6, (uint16_t)(start / 8 | (more ? IP4_MF : 0)));
		ip[8] = 64;
		ip[9] = PROTO_ICMP;
		memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
		wr16_raw(ip + 10, (uint16_t)~csum_fold(csum_add(0, ip, 20)));
		d = ip + 20;
	} else {
		put_link(b, ETH_P_IP6);
		ip[0] = 0x60;
		wr16(ip + 4, (uint16_t)(8 + len));
		ip[6] = PROTO_FRAGMENT;
		ip[7] = 64;
		memcpy(ip + 8, peer6, 16);
		memcpy(ip + 24, us6, 16);
		ip[40] = PROTO_ICMP6;
		wr16(ip + 42, (uint16_t)(start | more));
		wr32(ip + 44, word & 3);
		d = ip + 48;
	}
	memcpy(d, message + start, len);
	feed(b, (uint32_t)(d - b) + len);
}

/* A fragment in its place: the message in pieces of one size. */
static void
op_piece(struct bytes *in, uint8_t family)
{
	uint32_t size = (1 + u8(in) % 170) * 8u, start, len;

	start = u8(in) * size % (length + 7) & ~7u;
	if (start >= length)
		start = 0;
	len = length - start < size ? length - start : size;
	piece(family, start, len, u8(in));
}

/* Any bounds. */
static void
op_odd(struct bytes *in, uint8_t family)
{
	uint32_t start = u16(in) % length & ~7u, len = u16(in) % 1400;

	if (len > length - start)
		len = length - start;
	piece(family, start, len, u8(in));
}

static void
op_squeeze(struct bytes *in)
{
	static struct pkt *away[PLAIN_FRAMES];
	uint32_t keep = u8(in) % 4, n = 0;

	while (host.pool.n > keep)
		away[n++] = host.pool.p[--host.pool.n];
	op_piece(in, u8(in) & 1 ? 4 : 6);
	while (n > 0)
		host.pool.p[host.pool.n++] = away[--n];
}

/* Another message, with the checksum of one family. */
static void
op_length(struct bytes *in)
{
	struct tuple t = { .family = 6 };
	uint8_t four = u8(in) & 1;

	length = 8 + u16(in) % (MESSAGE - 8);
	memset(message, 0x5a, sizeof(message));
	memset(message, 0, 8);
	message[0] = four ? ICMP_ECHO : ICMP6_ECHO;
	memcpy(t.laddr, us6, 16);
	memcpy(t.raddr, peer6, 16);
	wr16_raw(message + 2, (uint16_t)~csum_fold(csum_add(four ? 0 :
	    pseudo_sum(&t, PROTO_ICMP6, length), message, length)));
}

static void
step(struct bytes *in)
{
	switch ((enum op)(u8(in) % OPS)) {
	case OP_PIECE4:
		op_piece(in, 4);
		break;
	case OP_PIECE6:
		op_piece(in, 6);
		break;
	case OP_ODD4:
		op_odd(in, 4);
		break;
	case OP_ODD6:
		op_odd(in, 6);
		break;
	case OP_TIME:
		now += (uint64_t)u16(in) << (u8(in) % 12);
		feed(NULL, UINT32_MAX);
		break;
	case OP_SQUEEZE:
		op_squeeze(in);
		break;
	default:
		op_length(in);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data, size };
	struct net_port_conf *p = &host.conf.port[0];
	const char *why;
	uint32_t i;

	if (host.net == NULL) {
		plain_conf(&host, 2, 4);
		memcpy(p->addr[1].addr, us6, 16);
		p->addr[1].family = 6;
		p->addr[1].prefix = 64;
		p->naddrs = 2;
		p->nodad = 1;
		host.conf.shape.neighs = 4;
		plain_init(&host, 1);
	}
	host.conf.rx_hold_max = u8(&in) & 1 ? 64 : 0;
	now = 1000000000;
	plain_start(&host, now);
	op_length(&in);
	for (i = 0; i < STEPS_MAX && in.n > 0; i++) {
		step(&in);
		assert(host.net->frag_frames <= FRAG_FRAMES);
		why = plain_count(&host);
		assert(why == NULL);
	}
	return 0;
}
