/*
 * fuzz_frag: fragments of IPv4 and IPv6 into net_input(), which puts them
 * together.
 *
 * The input is a program: fragments of a message that fits, in whatever order
 * and with whatever bounds; fragments as they are; steps of time; a shortage
 * of frames. What is answered must be the message; frames must not get lost.
 */
#include "../lib/fuzz_bed.h"

#define MESSAGE		6000u	/* bytes of the echo that is cut up */
#define STEPS_MAX	300u

enum op { OP_PIECE4, OP_PIECE6, OP_ODD4, OP_ODD6, OP_TIME, OP_SQUEEZE,
    OP_LENGTH, OPS };

static const uint8_t us6[16] = { 0xfd, 0x77, [15] = 2 };
static const uint8_t peer6[16] = { 0xfd, 0x77, [15] = 1 };
static uint8_t message[MESSAGE];
static uint32_t length;		/* of the message */

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
op_squeezed(struct bytes *in)
{
	op_piece(in, u8(in) & 1 ? 4 : 6);
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
		squeeze(in, u8(in) % 4, op_squeezed);
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
		accounts();
	}
	return 0;
}
