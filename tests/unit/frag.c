/* Fragments: RFC 791, RFC 815, RFC 8200 (4.5), RFC 5722, RFC 6946. */
#include "../lib/ipbed.h"

#define ID	77u

static uint8_t message[8 + 4000];	/* an echo, to be cut up */
static uint32_t message_len;
static uint32_t nelsewhere;

static void
setup(void)
{
	bed_setup();
	know_peer();
	nelsewhere = 0;
}

/* An echo of len bytes of data, its checksum for family 4 or 6. */
static void
make_message(uint8_t family, uint32_t len)
{
	struct tuple t = { .family = 6 };
	uint32_t i;

	message_len = 8 + len;
	memset(message, 0, 8);
	message[0] = family == 4 ? ICMP_ECHO : ICMP6_ECHO;
	for (i = 0; i < len; i++)
		message[8 + i] = (uint8_t)(i * 7 + i / 256);
	memcpy(t.laddr, us6, 16);
	memcpy(t.raddr, peer6, 16);
	wr16_raw(message + 2, (uint16_t)~csum_fold(csum_add(family == 4 ? 0 :
	    pseudo_sum(&t, PROTO_ICMP6, message_len), message, message_len)));
}

/* The fragment [start, end) of the message, as a frame. */
static uint8_t *
piece(uint8_t family, uint32_t start, uint32_t end)
{
	bool more = end < message_len;
	uint8_t *f;

	if (family == 4) {
		f = packet4(PROTO_ICMP, end - start);
		wr16(f + 18, ID);
		wr16(f + 20, (uint16_t)(start / 8 | (more ? IP4_MF : 0)));
		sign4(f);
		memcpy(f + 34, message + start, end - start);
		return f;
	}
	f = packet6(peer6, us6, PROTO_FRAGMENT, 8 + end - start);
	f[54] = PROTO_ICMP6;
	wr16(f + 56, (uint16_t)(start | more));
	wr32(f + 58, ID);
	memcpy(f + 62, message + start, end - start);
	return f;
}

static const uint8_t families[] = { 4, 6 };
#define FAMILY	(families[_i])

/* The answer's parts in out make up the message. */
static void
check_answer(uint8_t family)
{
	static uint8_t got[sizeof(message)];
	uint32_t i, at, len, have = 0;
	const uint8_t *f, *d;

	memset(got, 0, sizeof(got));
	for (i = 0; i < out.n; i++) {
		f = out.data[i];
		ck_assert_uint_le(out.len[i], 14 + 1500);
		if (family == 4) {
			at = (rd16(f + 20) & IP4_OFFSET) * 8u;
			d = f + 34;
			ck_assert_uint_eq(csum_fold(csum_add(0, f + 14, 20)),
			    0xffff);
			ck_assert_uint_eq(rd16(f + 18),
			    rd16(out.data[0] + 18));
			ck_assert_uint_eq(!(rd16(f + 20) & IP4_MF),
			    i + 1 == out.n);
		} else if (f[20] == PROTO_FRAGMENT) {
			at = rd16(f + 56) & 0xfff8u;
			d = f + 62;
			ck_assert_uint_eq(rd32(f + 58),
			    rd32(out.data[0] + 58));
			ck_assert_uint_eq(f[57] & 1, i + 1 < out.n);
		} else {
			at = 0;
			d = f + 54;
		}
		len = out.len[i] - (uint32_t)(d - f);
		memcpy(got + at, d, len);
		have += len;
	}
	ck_assert_uint_eq(have, message_len);
	ck_assert_uint_eq(got[0], family == 4 ? 0 : ICMP6_ECHO_REPLY);
	ck_assert_mem_eq(got + 4, message + 4, message_len - 4);
}

/* In whatever order they come. Short packets are one frame, long ones more
 * than a frame holds; the answer is cut up as the MTU asks. */
START_TEST(fragments_in_any_order_are_put_together)
{
	static const uint32_t cut[][4] = {
		{ 0, 8, 48, 108 }, { 0, 504, 1000, 1308 },
		{ 0, 1000, 1400, 2008 }, { 0, 1400, 2800, 4008 },
	};
	static const uint8_t order[][3] = { { 0, 1, 2 }, { 0, 2, 1 },
	    { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	uint32_t k, o, i;

	for (k = 0; k < 4; k++) {
		make_message(FAMILY, cut[k][3] - 8);
		for (o = 0; o < 6; o++) {
			for (i = 0; i < 3; i++)
				piece(FAMILY, cut[k][order[o][i]],
				    cut[k][order[o][i] + 1]);
			turn(1000);
			ck_assert_msg(out.n > 0, "cut %u order %u", k, o);
			check_answer(FAMILY);
			ck_assert_ptr_null(plain_count(&s));
		}
	}
	ck_assert_uint_eq(count(CNT_ip_reassembled), 24);
	ck_assert_uint_eq(s.net->frag_frames, 0);
}
END_TEST

/* RFC 5722 (4): an overlap drops the packet, with all that came of it. */
START_TEST(an_overlap_drops_the_whole_packet)
{
	static const uint32_t bad[][2] = { { 0, 16 }, { 8, 24 }, { 40, 56 },
	    { 16, 56 }, { 0, 56 }, { 32, 40 } };
	uint32_t k;

	make_message(FAMILY, 100);
	for (k = 0; k < 6; k++) {
		piece(FAMILY, 8, 48);
		piece(FAMILY, bad[k][0], bad[k][1]);
		turn(1000);
		ck_assert_msg(s.net->frag_frames == 0, "row %u", k);
		ck_assert_uint_eq(count(CNT_drop_frag_bad), 2 * (k + 1));
		/* what comes later is not enough */
		piece(FAMILY, 48, 108);
		turn(1000);
		ck_assert_uint_eq(out.n, 0);
		turn(61000000);
	}
}
END_TEST

/* RFC 5722 (4): the same fragment once more does no harm. */
START_TEST(an_exact_duplicate_is_passed_over)
{
	make_message(FAMILY, 100);
	piece(FAMILY, 0, 48);
	piece(FAMILY, 0, 48);
	piece(FAMILY, 48, 108);
	turn(1000);
	check_answer(FAMILY);
	ck_assert_uint_eq(count(CNT_drop_frag_bad), 1);
}
END_TEST

START_TEST(malformed_fragments_are_dropped)
{
	uint32_t k;
	uint8_t *f;

	make_message(FAMILY, 100);
	for (k = 0; k < 5; k++) {
		uint64_t was = count(CNT_drop_frag_bad);

		f = piece(FAMILY, 0, k == 0 ? 0 : k == 1 ? 47 : 48);
		switch (k) {
		case 2:		/* past 65,535 */
			if (FAMILY == 4)
				wr16(f + 20, 0x3fff);
			else
				wr16(f + 56, 0xfff9);
			break;
		case 3:		/* a last one that is not the end */
			piece(FAMILY, 48, 96);
			f = in.data[1];
			if (FAMILY == 4)
				wr16(f + 20, 3);
			else
				wr16(f + 56, 24);
			break;
		case 4:		/* two ends */
			piece(FAMILY, 48, 108);
			piece(FAMILY, 56, 64);
			memcpy(in.data[0], in.data[1], in.len[1]);
			in.len[0] = in.len[1];
			f = in.data[1];
			in.len[1] = in.len[2];
			memcpy(f, in.data[2], in.len[2]);
			in.n = 2;
			if (FAMILY == 4)
				wr16(f + 20, 9);
			else
				wr16(f + 56, 72);
			break;
		}
		if (FAMILY == 4)
			sign4(f);
		turn(1000);
		ck_assert_msg(count(CNT_drop_frag_bad) > was, "row %u", k);
		ck_assert_msg(s.net->frag_frames == 0, "row %u", k);
		turn(31000000);
	}
}
END_TEST

/* RFC 1122 (3.3.2), RFC 8200 (4.5): it is given up in time, and the sender
 * hears of it if the first fragment had come. */
START_TEST(time_ends_and_the_sender_hears_of_it)
{
	uint64_t from = now;
	const uint8_t *f = out.data[0];

	make_message(FAMILY, 100);
	piece(FAMILY, 0, 48);
	turn(0);
	ck_assert_uint_eq(net_deadline(s.net), from + 30000000);
	turn(29999999);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(s.net->frag_frames, 1);
	know_peer();
	turn(1);
	ck_assert_uint_eq(s.net->frag_frames, 0);
	ck_assert_uint_eq(count(CNT_drop_frag_time), 1);
	ck_assert_uint_ge(out.n, 1);
	ck_assert_uint_eq(f[FAMILY == 4 ? 34 : 54], FAMILY == 4 ? ICMP_TIME :
	    ICMP6_TIME);
	ck_assert_uint_eq(f[FAMILY == 4 ? 35 : 55], 1);
	/* without the first: silence */
	piece(FAMILY, 48, 108);
	turn(0);
	turn(30000000);
	ck_assert_uint_eq(count(CNT_drop_frag_time), 2);
	ck_assert(out.n == 0 || f[54] == ICMP6_NS);
}
END_TEST

/* Hard limits on packets and frames: the oldest gives way. */
START_TEST(what_waits_is_bounded)
{
	uint32_t k, frames = 0;
	uint8_t *f;

	make_message(FAMILY, 4000);
	for (k = 0; k < 40; k++) {
		f = piece(FAMILY, 8, 48);
		if (FAMILY == 4) {
			wr16(f + 18, (uint16_t)k);
			sign4(f);
		} else
			wr32(f + 58, k);
		turn(10);
	}
	ck_assert_uint_eq(s.net->frag_frames, FRAG_PACKETS);
	ck_assert_uint_eq(count(CNT_drop_frag_full), 40 - FRAG_PACKETS);
	/* one packet of many small parts */
	for (k = 0; k < 200; k++) {
		f = piece(FAMILY, 8 * k + 8, 8 * k + 16);
		turn(10);
		frames = s.net->frag_frames;
		ck_assert_uint_le(frames, FRAG_FRAMES);
	}
	ck_assert_uint_ge(count(CNT_drop_frag_full), 60);
}
END_TEST

START_TEST(frames_that_wait_are_a_share_of_the_pool)
{
	uint32_t k, i;
	uint8_t *f;

	s.net->conf.rx_hold_max = 40;
	make_message(FAMILY, 4000);
	for (k = 0; k < 4; k++)
		for (i = 0; i < 5; i++) {
			f = piece(FAMILY, 8 * i + 8, 8 * i + 16);
			if (FAMILY == 4) {
				wr16(f + 18, (uint16_t)k);
				sign4(f);
			} else
				wr32(f + 58, k);
			turn(10);
			ck_assert_uint_le(s.net->frag_frames, 10);
		}
}
END_TEST

START_TEST(without_reassembly_they_are_dropped)
{
	s.net->conf.reassembly = 0;
	make_message(FAMILY, 100);
	piece(FAMILY, 0, 48);
	piece(FAMILY, 48, 108);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(count(CNT_drop_ip_fragment), 2);
}
END_TEST

START_TEST(packets_are_told_apart)
{
	uint8_t *f;

	make_message(FAMILY, 100);
	piece(FAMILY, 0, 48);
	f = piece(FAMILY, 48, 108);
	if (FAMILY == 4) {
		wr16(f + 18, ID + 1);
		sign4(f);
	} else
		wr32(f + 58, ID + 1);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	f = piece(FAMILY, 48, 108);
	f[FAMILY == 4 ? 29 : 37] = 10;	/* another sender */
	if (FAMILY == 4)
		sign4(f);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(s.net->frag_frames, 3);
}
END_TEST

/* RFC 6946: a fragment that is all of it needs nobody's wait. */
START_TEST(an_atomic_fragment_is_a_packet)
{
	make_message(6, 100);
	piece(6, 48, 96);		/* another packet of that id waits */
	piece(6, 0, 108);
	turn(1000);
	check_answer(6);
	ck_assert_uint_eq(s.net->frag_frames, 1);
}
END_TEST

/* RFC 6980: neighbour discovery never comes in fragments. */
START_TEST(discovery_in_fragments_is_dropped)
{
	uint32_t whole;
	uint8_t *f;

	for (whole = 0; whole < 2; whole++) {
		nd(ICMP6_NS, 0, ENDS(peer6, us6), us6, ND_OPT_SLLA);
		message_len = 32;
		memcpy(message, in.data[0] + 54, 32);
		in.n = 0;
		if (whole)
			f = piece(6, 0, 32);
		else {
			f = piece(6, 0, 16);
			f[21] = 255;
			f = piece(6, 16, 32);
		}
		f[21] = 255;
		turn(1000);
		ck_assert_uint_eq(out.n, 0);
		ck_assert_uint_eq(count(CNT_drop_nd), whole + 1);
	}
}
END_TEST

static bool
on_elsewhere(void *arg, struct pkt *p)
{
	(void)arg;
	nelsewhere++;
	ck_assert_mem_eq(pkt_data(p), us, 6);
	pktpool_put(&s.pool, p);
	return true;
}

/* A packet that another slot owns is handed on as a frame, not answered. */
START_TEST(a_whole_packet_of_another_slot_is_handed_on)
{
	s.net->env.elsewhere = on_elsewhere;
	make_message(FAMILY, 100);
	piece(FAMILY, 0, 48);
	piece(FAMILY, 48, 108);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(nelsewhere, 1);
}
END_TEST

/* ---- TCP in fragments ---- */

static uint32_t got;
static bool right;

static void
event(void *arg, struct conn *c, uint32_t events)
{
	const uint8_t *p;
	uint32_t n;

	(void)arg;
	(void)events;
	while ((n = conn_peek(s.net, c, 0, &p)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			right &= p[i] == (uint8_t)((got + i) * 7);
		got += n;
		conn_consume(s.net, c, n);
	}
}

/* Write a segment of len bytes of data to message. */
static void
make_segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	struct tuple t = { .family = 4 };
	uint32_t i;

	message_len = 20 + len;
	memset(message, 0, 20);
	wr16(message, 40000);
	wr16(message + 2, 80);
	wr32(message + 4, seq);
	wr32(message + 8, ack);
	message[12] = 5 << 4;
	message[13] = flags;
	wr16(message + 14, 65535);
	for (i = 0; i < len; i++)
		message[20 + i] = (uint8_t)(i * 7);
	map4(t.laddr, (const uint8_t[]){ 10, 0, 0, 1 });
	map4(t.raddr, (const uint8_t[]){ 10, 0, 0, 9 });
	wr16_raw(message + 16, (uint16_t)~csum_fold(csum_add(pseudo_sum(&t,
	    PROTO_TCP, message_len), message, message_len)));
}

static uint8_t *
segment_piece(uint32_t start, uint32_t end)
{
	uint8_t *f = packet4(PROTO_TCP, end - start);

	wr16(f + 20, (uint16_t)(start / 8 |
	    (end < message_len ? IP4_MF : 0)));
	sign4(f);
	memcpy(f + 34, message + start, end - start);
	return f;
}

/* A segment longer than a frame arrives byte for byte, as one with its FIN;
 * with a wrong checksum nothing of it does. */
START_TEST(a_long_segment_becomes_several_frames)
{
	struct net_addr any = { .port = 80 };
	uint32_t isn, k;

	s.net->env.event = event;
	got = 0;
	right = true;
	ck_assert_int_eq(net_listen(s.net, &any), 0);
	make_segment(0x02, 1000, 0, 0);
	segment_piece(0, 20);
	turn(1000);
	isn = rd32(out.data[0] + 38) + 1;
	make_segment(0x10, 1001, isn, 0);
	segment_piece(0, 20);
	turn(1000);
	for (k = 0; k < 2; k++) {
		make_segment(0x19, 1001, isn, 3900);
		if (k == 0)
			message[3000] ^= 1;
		segment_piece(1400, 2800);
		segment_piece(0, 1400);
		segment_piece(2800, 3920);
		turn(1000);
		ck_assert_uint_eq(count(CNT_drop_tcp_csum), 1);
		ck_assert_uint_eq(got, k == 0 ? 0 : 3900);
	}
	ck_assert(right);
	ck_assert_uint_ge(out.n, 1);
	ck_assert_uint_eq(rd32(out.data[out.n - 1] + 42), 1001 + 3901);
}
END_TEST

/* Whatever comes: bounded, nothing lost, nothing read past the end. */
START_TEST(random_fragments_neither_crash_nor_leak)
{
	uint64_t rng = 99 + FAMILY;
	uint32_t round, k, start, end;
	uint8_t *f;

	make_message(FAMILY, 2000);
	for (round = 0; round < 3000; round++) {
		for (k = 0; k < 8; k++) {
			rng = rng * 6364136223846793005u +
			    1442695040888963407u;
			start = (rng >> 40) % 250 * 8;
			end = start + (rng >> 20) % 80 * 8;
			if (end > message_len || (rng >> 60) == 0)
				end = message_len;
			if (end - start > 1400)
				end = start + 1400;
			f = piece(FAMILY, start, end);
			if (FAMILY == 4) {
				wr16(f + 18, rng >> 56 & 3);
				sign4(f);
			} else
				wr32(f + 58, rng >> 56 & 3);
			if ((rng >> 33 & 15) == 0)
				f[14 + (rng >> 8) % (in.len[k] - 14)] ^= 1;
		}
		turn(rng >> 45 & 1048575);
		if (round % 100 == 0)
			ck_assert_ptr_null(plain_count(&s));
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("frag");

	tcase_add_checked_fixture(t, setup, bed_teardown);
	tcase_add_loop_test(t, fragments_in_any_order_are_put_together, 0, 2);
	tcase_add_loop_test(t, an_overlap_drops_the_whole_packet, 0, 2);
	tcase_add_loop_test(t, an_exact_duplicate_is_passed_over, 0, 2);
	tcase_add_loop_test(t, malformed_fragments_are_dropped, 0, 2);
	tcase_add_loop_test(t, time_ends_and_the_sender_hears_of_it, 0, 2);
	tcase_add_loop_test(t, what_waits_is_bounded, 0, 2);
	tcase_add_loop_test(t, frames_that_wait_are_a_share_of_the_pool, 0,
	    2);
	tcase_add_loop_test(t, without_reassembly_they_are_dropped, 0, 2);
	tcase_add_loop_test(t, packets_are_told_apart, 0, 2);
	tcase_add_test(t, an_atomic_fragment_is_a_packet);
	tcase_add_test(t, discovery_in_fragments_is_dropped);
	tcase_add_loop_test(t, a_whole_packet_of_another_slot_is_handed_on,
	    0, 2);
	tcase_add_test(t, a_long_segment_becomes_several_frames);
	tcase_add_loop_test(t, random_fragments_neither_crash_nor_leak, 0,
	    2);
	return bed_main(t, "frag");
}
