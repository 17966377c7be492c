/*
 * TCP over a path that drops packets that are too large and says nothing: RFC
 * 4821. The peer has no SACK, so that its ACKs are simple.
 */
#include "../lib/bare.h"

#define TOTAL	(4u << 20)

static struct peer c;
static int h;
static uint32_t isn, largest;
static uint8_t have[TOTAL];	/* bytes that came through */
static uint32_t upto;		/* without a hole */

/* What becomes of one segment on a path for packets of path bytes. */
static bool
travel(const struct seg *s, uint32_t path)
{
	uint32_t at = s->seq - isn, size;

	size = s->len + s->optlen + (c.family == 4 ? 40 : 60);
	if (size > path || s->len == 0)
		return false;
	if (size > largest)
		largest = size;
	ck_assert_uint_le(at + s->len, TOTAL);
	memset(have + at, 1, s->len);
	while (upto < TOTAL && have[upto])
		upto++;
	c.ack = isn + upto;
	return true;
}

/* One round trip of 10 ms: an ACK for each segment that came through. */
static void
round_trip(uint32_t path)
{
	uint32_t acks[64], n = 0, i;

	while (d.iout != d.nout && n < 64)
		if (travel(next(&c), path))
			acks[n++] = c.ack;
	turn(d.now + 10 * MS);
	for (i = 0; i < n; i++) {
		c.ack = acks[i];
		send_plain(&c, ACK, NULL, 0);
	}
}

static void
open_it(int family)
{
	static uint8_t data[TOTAL];
	struct iovec v = { data, TOTAL };
	int l;

	defaults();
	d.conf.mtu_probing = 1;
	d.conf.sndbuf = TOTAL;
	d.conf.shape.chunks = 4096;
	start();
	memset(have, 0, sizeof(have));
	upto = largest = 0;
	l = listener(family, 80, 8);
	c = dial(family, 40000, 80, 10 * MS);
	h = sock_accept(d.s, l, NULL);
	ck_assert_int_gt(h, 0);
	isn = c.ack;
	ck_assert_int_eq(sock_send(d.s, h, &v, 1, 0), TOTAL);
	turn(d.now);
}

/* RFC 4821 (7.7): large segments time out three times: smaller ones; (7.3),
 * (7.6): probes find what the path carries; (7.8) those that are lost slow
 * nobody down. IPv4 and IPv6. */
START_TEST(a_silent_path_is_found)
{
	static const uint32_t paths[] = { 1100, 1300, 1400, 1499, 1400, 1420 };
	uint64_t t0, stalled;
	uint32_t i;

	open_it(_i < 4 ? 4 : 6);
	t0 = d.now;
	for (i = 0; upto < TOTAL; i++) {
		ck_assert_uint_lt(i, 4000);
		if (d.iout == d.nout)
			until_out(d.now + 60 * SEC);
		round_trip(paths[_i]);
	}
	stalled = d.now - t0;
	/* 210, 420 and 840 ms of timeouts, and four megabytes of round trips */
	ck_assert_uint_lt(stalled, 7 * SEC);
	ck_assert_uint_eq(atomic_load(&d.counters[CNT_mtu_blackholes]), 1);
	ck_assert_uint_gt(atomic_load(&d.counters[CNT_mtu_raised]), 0);
	ck_assert_uint_le(atomic_load(&d.counters[CNT_mtu_probes]), 24);
	ck_assert_uint_gt(largest + 64, paths[_i]);
	ck_assert_uint_eq(info(h).tcpi_ca_state, TCP_CA_Open);
	stop();
}
END_TEST

/* RFC 4821 (7.7): one lost segment on a good path says nothing; neither does
 * a peer that is silent for two timeouts. */
START_TEST(a_good_path_is_left_alone)
{
	uint32_t i;

	open_it(4);
	for (i = 0; i < 2; i++) {
		until_out(d.now + 60 * SEC);
		d.iout = d.nout;
	}
	for (i = 0; upto < TOTAL; i++) {
		ck_assert_uint_lt(i, 4000);
		if (d.iout == d.nout)
			until_out(d.now + 60 * SEC);
		round_trip(1500);
	}
	ck_assert_uint_eq(largest, 1500);
	ck_assert_uint_eq(atomic_load(&d.counters[CNT_mtu_blackholes]), 0);
	ck_assert_uint_eq(atomic_load(&d.counters[CNT_mtu_probes]), 0);
	stop();
}
END_TEST

/* RFC 1191 (6.3), RFC 4821 (7.3): ten minutes after a router's word a larger
 * segment is tried again. */
START_TEST(a_wider_path_is_found_in_time)
{
	uint32_t i;

	open_it(4);
	until_out(d.now + SEC);
	for (i = 0; i < 6; i++)
		round_trip(1500);
	ck_assert_uint_gt(upto, 50000);
	{
		/* fragmentation needed, MTU 1,200, about what is in flight */
		uint8_t b[56] = { 0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0,
		    192, 0, 2, 9, 192, 0, 2, 1, 3, 4, 0, 0, 0, 0, 4, 0xb0,
		    0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 63, 6, 0, 0,
		    192, 0, 2, 1, 192, 0, 2, 2 };

		w16(b + 48, 80);
		w16(b + 50, 40000);
		w32(b + 52, c.ack);
		w16(b + 22, ~sum16(0, b + 20, 36) & 0xffff);
		w16(b + 10, ~sum16(0, b, 20) & 0xffff);
		input(b, sizeof(b));
	}
	ck_assert_uint_eq(info(h).tcpi_snd_mss, 1160);
	for (i = 0; i < 5; i++)
		round_trip(1500);
	ck_assert_uint_eq(info(h).tcpi_snd_mss, 1160);
	ck_assert_uint_eq(atomic_load(&d.counters[CNT_mtu_probes]), 0);
	d.iout = d.nout;
	turn(d.now + 601 * SEC);
	for (i = 0; i < 400 && upto < TOTAL; i++) {
		if (d.iout == d.nout)
			until_out(d.now + 60 * SEC);
		round_trip(1500);
	}
	ck_assert_uint_eq(upto, TOTAL);
	ck_assert_uint_eq(info(h).tcpi_snd_mss, 1460);
	stop();
}
END_TEST

/* net.h: mtu_probing 0: nothing of it. */
START_TEST(probing_can_be_off)
{
	uint32_t i;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	isn = c.ack;
	ck_assert_int_eq(put(h, have, 20000), 20000);
	for (i = 0; i < 6; i++) {
		until_out(d.now + 60 * SEC);
		while (d.iout != d.nout)
			ck_assert_uint_eq(next(&c)->len, 1460);
	}
	stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tcp_mtu");
	TCase *t = tcase_create("path MTU");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, a_silent_path_is_found, 0, 6);
	tcase_add_test(t, a_good_path_is_left_alone);
	tcase_add_test(t, a_wider_path_is_found_in_time);
	tcase_add_test(t, probing_can_be_off);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
