/*
 * What is kept behind a hole in the stream: how much, and in how many buffers.
 */
#include "tcp_harness.h"

static struct h h;

/* Send [at, at + len) of the pattern, at being relative to base. */
static void
piece(uint32_t base, uint32_t at, uint32_t len)
{
	uint8_t buf[1460];

	h_fill(buf, at, len);
	h.seq = base + at;
	h_send(&h, TH_ACK, buf, len);
}

/* Holes are bounded, and the buffers in them: single bytes far apart do not
 * eat all buffers. */
START_TEST(holes_are_bounded)
{
	const uint32_t most = _i == 0 ? TCP_HOLES : 2 * 16 + TCP_SPARE / 2;
	uint32_t base, i;

	h_conf(&h);
	h.s.conf.rcvbuf = _i == 0 ? 1 << 20 : 32 << 10;
	h.s.conf.rcvbuf_max = h.s.conf.rcvbuf;
	h_start(&h);
	h_open(&h, true);
	base = h.seq;
	for (i = 1; i < 200; i++) {
		piece(base, i * 2, 1);
		h_drain(&h);
	}
	ck_assert_uint_eq(h.c->holes, most);
	ck_assert_uint_eq(h.c->rq_frames, most);
	ck_assert_uint_eq(h_count(&h, _i == 0 ? CNT_drop_tcp_holes :
	    CNT_drop_tcp_rcvbuf), 199 - most);
	h_fini(&h);
}
END_TEST

/*
 * RFC 2018: what was received is kept, also where every other segment of a
 * round trip is missing, as when a queue on the way overflows in slow start.
 */
START_TEST(every_other_segment_of_a_window_is_kept)
{
	uint32_t base, i, n = 2 * TCP_HOLES;

	h_conf(&h);
	h.s.conf.rcvbuf = h.s.conf.rcvbuf_max = 1 << 20;
	h_start(&h);
	h_open(&h, true);
	base = h.seq;
	for (i = 1; i < n; i += 2) {
		piece(base, i * 200, 200);
		h_drain(&h);
	}
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_holes), 0);
	for (i = 0; i < n; i += 2) {
		piece(base, i * 200, 200);
		h_run(&h);
		h_drain(&h);
	}
	ck_assert_uint_eq(h.ngot, n * 200);
	h_fini(&h);
}
END_TEST

static void
check_stream(uint32_t len)
{
	static uint8_t want[128 << 10], got[128 << 10];

	h_fill(want, 0, len);
	ck_assert_uint_eq(conn_copy(h.s.net, h.c, 0, got, len), len);
	ck_assert(memcmp(want, got, len) == 0);
}

/*
 * RFC 9293 (3.8.6): what the window promised is taken behind a hole, too, which
 * is filled last; in order and backwards: pieces that touch share buffers
 * whichever of them came first.
 */
START_TEST(a_promised_window_is_taken_behind_a_hole)
{
	static const uint32_t size[] = { 1, 100, 513, 600, 724, 760, 1400 };
	uint32_t window = 128 << 10, len = size[_i / 2];
	uint32_t n = (window - 16) / len;
	uint32_t base, i, k;

	h_conf(&h);
	h.s.conf.rcvbuf = h.s.conf.rcvbuf_max = window;
	h_start(&h);
	h_open(&h, true);
	h.keep = true;
	base = h.seq;
	/* the SYN's answer cannot promise all of it */
	piece(base, 0, len);
	h_run(&h);
	h_drain(&h);
	for (i = 2; i < n; i++) {
		k = _i % 2 == 0 ? i : n + 1 - i;
		piece(base, k * len, len);
		h_drain(&h);
	}
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_rcvbuf), 0);
	ck_assert_uint_eq(h.c->holes, 1);
	/* a buffer is half full on average, but for the newest */
	ck_assert_uint_le(h.c->rq_frames, window / 1024 + 1);
	piece(base, len, len);
	h_drain(&h);
	ck_assert_uint_eq(conn_readable(h.c), n * len);
	check_stream(n * len);
	ck_assert_uint_eq(h.s.net->rx_held, h.c->rq_frames);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_holes");
	TCase *t = tcase_create("tcp_holes");

	tcase_add_loop_test(t, holes_are_bounded, 0, 2);
	tcase_add_test(t, every_other_segment_of_a_window_is_kept);
	tcase_add_loop_test(t, a_promised_window_is_taken_behind_a_hole, 0,
	    14);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
