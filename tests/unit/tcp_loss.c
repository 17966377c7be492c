/* TCP: what is lost and when: timeouts, SACK, duplicate ACKs, probes, undo. */
#include <errno.h>

#include "tcp_harness.h"

#define MSS	1448u

static struct h h;
static uint32_t una;		/* first byte of the stream */

/* A connection with a measured round trip and n segments in flight. */
static void
flight(bool all, uint32_t n, uint64_t rtt_us)
{
	uint32_t mss = all ? MSS : 1460;

	h_init(&h);
	h_open(&h, all);
	h_write(&h, 1);
	h_run(&h);
	h_expect(&h, TH_ACK);
	h.now += rtt_us;
	h.tsval += (uint32_t)(rtt_us / 1000);
	h_ack(&h, h.ack + 1);
	h_run(&h);
	h_expect_none(&h);
	una = h.ack;
	h.c->cwnd = 100 * mss;
	h_write(&h, n * mss);
	h_run(&h);
	h_run(&h);
	ck_assert_uint_eq(h.nout, n);
	h.tsecr = h.out[n - 1].s.tsval;
	h_drain(&h);
}

static void
sack_segments(uint32_t from, uint32_t to)
{
	struct range r = { una + from * MSS, una + to * MSS };

	h_sack(&h, &r, 1);
	h_run(&h);
}

/* The next segment sent must be number i of the flight. */
static void
expect_segment(uint32_t i)
{
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.seq, una + i * MSS);
}

/* RFC 6298 (2.2): the first sample R gives SRTT = R, RTTVAR = R/2, so RTO =
 * 3R; (2.3) the next ones by 1/8 and 1/4; (2.4) with a floor, which lies under
 * the variance, as in Linux. */
START_TEST(rtt_estimate_follows_rfc_6298)
{
	struct conn c = { 0 };
	double srtt, rttvar;
	uint32_t i, r;

	h_init(&h);
	ck_assert_uint_eq(tcp_rto_us(h.s.net, &c), SEC);
	tcp_rtt_sample(h.s.net, &c, 100000);
	ck_assert_uint_eq(tcp_rto_us(h.s.net, &c), 300000);
	srtt = 100000;
	rttvar = 50000;
	for (i = 0; i < 50; i++) {
		r = 80000 + i * 7919 % 60000;
		tcp_rtt_sample(h.s.net, &c, r);
		rttvar += ((srtt > r ? srtt - r : r - srtt) - rttvar) / 4;
		srtt += (r - srtt) / 8;
		ck_assert_double_eq_tol(c.srtt / 8.0, srtt, 30);
		ck_assert_double_eq_tol(c.rttvar / 4.0, rttvar, 30);
	}
	for (i = 0; i < 100; i++)
		tcp_rtt_sample(h.s.net, &c, 1000);
	ck_assert_uint_eq(tcp_rto_us(h.s.net, &c), 1000 +
	    h.s.conf.rto_min_us);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §7.2: the timeout comes before the probe would, so it is one; RFC
 * 6298 (5.4) to (5.7): the earliest segment again, twice the time after each;
 * and after the last try ETIMEDOUT. */
START_TEST(timeout_backs_off_and_gives_up)
{
	uint64_t rto;
	uint32_t i;

	flight(true, 1, 100 * MS);
	rto = tcp_rto_us(h.s.net, h.c);
	ck_assert_uint_ge(rto, 200 * MS);
	ck_assert_uint_eq(h_wait(&h), rto);
	expect_segment(0);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_tlp), 1);
	for (i = 0; i < h.s.conf.retries; i++) {
		ck_assert_uint_eq(h_wait(&h), rto << i < 120 * SEC ? rto << i :
		    120 * SEC);
		expect_segment(0);
		h_expect_none(&h);
	}
	h_wait(&h);
	ck_assert_uint_eq(h.events, CONN_GONE);
	ck_assert_int_eq(h.error, -ETIMEDOUT);
	h_fini(&h);
}
END_TEST

/* RFC 6298 §3, Karn: without timestamps an ACK of what was sent twice says
 * nothing about the round trip, and the backoff ends with new data. */
START_TEST(karn_takes_no_sample_of_retransmissions)
{
	uint32_t srtt;

	flight(false, 1, 100 * MS);
	srtt = h.c->srtt;
	h_wait(&h);
	h_expect(&h, TH_ACK);
	h.now += 5 * MS;
	h_ack(&h, una + 1460);
	h_run(&h);
	ck_assert_uint_eq(h.c->srtt, srtt);
	ck_assert_uint_eq(h.c->backoff, 0);
	ck_assert_uint_eq(h.c->timer, TT_NONE);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §4.1: with timestamps it does. */
START_TEST(timestamps_measure_retransmissions)
{
	uint32_t srtt;

	flight(true, 1, 100 * MS);
	srtt = h.c->srtt;
	h_wait(&h);
	h_expect(&h, TH_ACK);	/* tsecr is that of the second sending */
	h.now += 5 * MS;
	h_ack(&h, una + MSS);
	h_run(&h);
	ck_assert_uint_lt(h.c->srtt, srtt);
	h_fini(&h);
}
END_TEST

/* RFC 5681 §3.1: after a timeout one segment, then slow start up to half. */
START_TEST(timeout_restarts_from_one_segment)
{
	flight(true, 20, 100 * MS);
	h.c->flags |= TF_TLP;		/* the probe was sent already */
	h.c->timer = TT_RTO;
	h.now += 400 * MS;
	h_run(&h);
	expect_segment(0);
	h_expect_none(&h);
	ck_assert_uint_eq(h.c->cwnd, MSS);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_rto), 1);
	h.now += 100 * MS;
	h_ack(&h, una + MSS);
	h_run(&h);
	expect_segment(1);
	expect_segment(2);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §6.2: three segments behind it arrived: lost, sent at once; the
 * rate falls to 0.7 (RFC 9438 §4.6). */
START_TEST(sack_makes_fast_retransmit)
{
	flight(true, 10, 20 * MS);
	h.c->cwnd = 10 * MSS;
	h.now += 20 * MS;
	sack_segments(1, 2);
	sack_segments(1, 3);
	h_expect_none(&h);
	sack_segments(1, 4);
	expect_segment(0);
	h_expect_none(&h);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_fast_retrans), 1);
	ck_assert_uint_eq(tcp_ext(h.s.net, h.c)->ssthresh,
	    10 * MSS * 717 / 1024);
	/* its ACK ends the recovery */
	h.now += 20 * MS;
	h_ack(&h, una + 10 * MSS);
	h_run(&h);
	ck_assert_uint_eq(tcp_ext(h.s.net, h.c)->phase, TP_OPEN);
	ck_assert_uint_le(h.c->cwnd, 10 * MSS * 717 / 1024);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §6.2 step 4: what is merely late by less than a quarter of the
 * round trip is not sent again, once reordering was seen. */
START_TEST(reordering_is_tolerated)
{
	struct range r;

	flight(true, 10, 40 * MS);
	tcp_ext(h.s.net, h.c)->reordering = 1;
	h.now += 40 * MS;
	sack_segments(1, 5);
	h_expect_none(&h);
	h.now += 5 * MS;
	h_ack(&h, una + 5 * MSS);
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_retrans), 0);
	/* but later than that it is */
	r.start = una + 6 * MSS;
	r.end = una + 8 * MSS;
	h_sack(&h, &r, 1);
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_le(h_wait(&h), 15 * MS);
	expect_segment(5);
	h_fini(&h);
}
END_TEST

/* RFC 6675 §4: a lost retransmission is found by what was sent later. */
START_TEST(lost_retransmission_is_sent_again)
{
	uint32_t i;

	flight(true, 10, 20 * MS);
	h.now += 20 * MS;
	sack_segments(1, 6);
	expect_segment(0);
	h_drain(&h);
	/* new data goes on and arrives, the retransmission does not */
	h_write(&h, 10 * MSS);
	h_run(&h);
	for (i = 0; i < 3; i++) {
		h.now += 8 * MS;
		sack_segments(1, 9 + i);
	}
	h.now += 20 * MS;
	sack_segments(1, 13);
	h_run(&h);
	ck_assert_uint_ge(h_count(&h, CNT_tcp_retrans), 2);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* RFC 6937: in recovery no burst goes out, however much one ACK says. */
START_TEST(recovery_sends_no_faster_than_delivered)
{
	uint32_t i, sent = 0, acked;

	flight(true, 16, 20 * MS);
	h_write(&h, 100 * MSS);
	h.c->cwnd = 16 * MSS;
	h.now += 20 * MS;
	for (i = 4; i <= 16; i++) {
		sack_segments(1, i);
		acked = i - 1;
		while (h_next(&h) != NULL)
			sent++;
		ck_assert_uint_le(sent, acked);
	}
	ck_assert_uint_ge(sent, 8);
	ck_assert_uint_le(sent, 12);	/* 0.7 of 16 and a bit */
	h_fini(&h);
}
END_TEST

/* RFC 6582 without SACK: the third duplicate ACK; a partial ACK sends the next
 * hole at once. */
START_TEST(newreno_recovers_without_sack)
{
	uint32_t i;

	flight(false, 10, 20 * MS);
	h.now += 20 * MS;
	for (i = 0; i < 3; i++) {
		h_expect_none(&h);
		h_ack(&h, una);
		h_run(&h);
	}
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.seq, una);
	h_expect_none(&h);
	h.now += 20 * MS;
	h_ack(&h, una + 4 * 1460);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.seq, una + 4 * 1460);
	h_ack(&h, una + 10 * 1460);
	h_run(&h);
	ck_assert_uint_eq(tcp_ext(h.s.net, h.c)->phase, TP_OPEN);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_retrans), 2);
	h_fini(&h);
}
END_TEST

/* RFC 3042: each of the first two duplicate ACKs lets one new segment go. */
START_TEST(limited_transmit_sends_new_segments)
{
	flight(false, 4, 20 * MS);
	h.c->cwnd = 4 * 1460;
	h_write(&h, 20 * 1460);
	h_run(&h);
	h_expect_none(&h);
	h_ack(&h, una);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.seq, una + 4 * 1460);
	h_ack(&h, una);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.seq, una + 5 * 1460);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 5681 §2: an ACK with data, or with another window, is no duplicate. */
START_TEST(only_bare_acks_are_duplicates)
{
	uint32_t i;

	flight(false, 10, 20 * MS);
	for (i = 0; i < 6; i++) {
		if (i % 2 == 0)
			h_data(&h, "x", 1);
		else {
			h.wnd--;
			h_ack(&h, una);
		}
		h_run(&h);
	}
	ck_assert_uint_eq(h_count(&h, CNT_tcp_retrans), 0);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §7: the tail was lost: a probe after two round trips, which is the
 * last segment; SACK of it shows the rest. */
START_TEST(tail_loss_is_probed)
{
	flight(true, 5, 20 * MS);
	ck_assert_uint_eq(h_wait(&h), h.c->srtt >> 2);
	expect_segment(4);
	h_expect_none(&h);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_tlp), 1);
	h.now += 20 * MS;
	sack_segments(4, 5);
	h_run(&h);
	h_wait(&h);
	expect_segment(0);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_rto), 0);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §7.2: what is sent later starts the probe's timer anew; but it
 * comes no later than the timeout of the first segment (RFC 6298 (5.1)). */
START_TEST(probe_waits_for_what_is_sent_later)
{
	uint64_t first, rto;
	uint32_t sent = 5;

	flight(true, 5, 20 * MS);
	first = h.now;
	rto = tcp_rto_us(h.s.net, h.c);
	h.now += 15 * MS;
	h_write(&h, MSS);
	h_run(&h);
	expect_segment(sent++);
	ck_assert_uint_eq(h_wait(&h), h.c->srtt >> 2);
	expect_segment(5);
	h_fini(&h);

	flight(true, 5, 20 * MS);
	first = h.now;
	for (sent = 5; h.now + 15 * MS < first + rto; sent++) {
		h.now += 15 * MS;
		h_write(&h, MSS);
		h_run(&h);
		expect_segment(sent);
		h_expect_none(&h);
	}
	h_wait(&h);
	ck_assert_uint_eq(h.now, first + rto);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_tlp), 1);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §7.3: new data is the better probe. */
START_TEST(probe_prefers_new_data)
{
	flight(true, 5, 20 * MS);
	h.c->cwnd = 5 * MSS;
	h_write(&h, 10 * MSS);
	h_run(&h);
	h_expect_none(&h);
	h_wait(&h);
	expect_segment(5);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §7.4.2: the probe repaired a loss, as the first ACK beyond it shows:
 * the rate falls; a D-SACK before that (1), a bare ACK the second time (2) says
 * that nothing was lost: it stays. */
START_TEST(probe_that_repaired_counts_as_loss)
{
	struct range r;
	uint32_t cwnd, k;

	for (k = 0; k < 3; k++) {
		flight(true, 5, 20 * MS);
		h.c->cwnd = cwnd = 5 * MSS;
		h_wait(&h);
		expect_segment(4);
		h.now += 20 * MS;
		h_ack(&h, una + 5 * MSS);
		if (k == 1) {
			r.start = una + 4 * MSS;
			r.end = una + 5 * MSS;
			h_sack(&h, &r, 1);
		} else if (k == 2) {
			h_ack(&h, una + 5 * MSS);
		}
		h_run(&h);
		ck_assert_uint_ge(h.c->cwnd, cwnd);
		h_write(&h, 10);
		h_run(&h);
		expect_segment(5);
		h.now += 20 * MS;
		cwnd = h.c->cwnd;
		h_ack(&h, una + 5 * MSS + 10);
		h_run(&h);
		if (k == 0)
			ck_assert_uint_lt(h.c->cwnd, cwnd);
		else
			ck_assert_uint_ge(h.c->cwnd, cwnd);
		ck_assert_uint_eq(h.c->flags & TF_TLP, 0);
		h_fini(&h);
	}
}
END_TEST

/* RFC 3522: the ACK echoes a time before the retransmission: it was not
 * needed, and the window is as before. */
START_TEST(eifel_undoes_a_spurious_timeout)
{
	uint32_t early;

	flight(true, 10, 20 * MS);
	h.c->cwnd = 20 * MSS;
	early = h.tsecr;
	h.c->flags |= TF_TLP;
	h.c->timer = TT_RTO;
	h.now += 400 * MS;
	h_run(&h);
	expect_segment(0);
	ck_assert_uint_eq(h.c->cwnd, MSS);
	h.now += 5 * MS;
	h.tsecr = early;
	h_ack(&h, una + MSS);
	h_run(&h);
	ck_assert_uint_ge(h.c->cwnd, 20 * MSS);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_spurious), 1);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 2883, RFC 3708: all that was sent again is reported as a duplicate. */
START_TEST(dsack_undoes_a_spurious_recovery)
{
	struct range r[2];

	flight(true, 10, 20 * MS);
	h.c->cwnd = 20 * MSS;
	h.now += 20 * MS;
	sack_segments(1, 5);
	expect_segment(0);
	ck_assert_uint_lt(h.c->cwnd, 20 * MSS);
	h.ack = una + 5 * MSS;
	h.tsecr += 1000;		/* Eifel must not decide this */
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
	h.now += 20 * MS;
	r[0] = (struct range){ una, una + MSS };
	h_sack(&h, r, 1);
	h_run(&h);
	ck_assert_uint_ge(h.c->cwnd, 20 * MSS);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_spurious), 1);
	h_fini(&h);
}
END_TEST

/* RFC 2018 §8: a peer may throw away what it reported; a timeout sends all
 * again. */
START_TEST(reneging_is_survived)
{
	uint32_t i, seen = 0;

	flight(true, 6, 20 * MS);
	h.now += 20 * MS;
	sack_segments(1, 6);
	expect_segment(0);
	h_ack(&h, una + MSS);		/* and nothing of the rest */
	h_run(&h);
	h_drain(&h);
	for (i = 0; i < 40 && seen < 5; i++) {
		h_wait(&h);
		while (h.iout < h.nout) {
			expect_segment(1 + seen);
			seen++;
			h_ack(&h, una + (1 + seen) * MSS);
		}
	}
	ck_assert_uint_eq(seen, 5);
	h_fini(&h);
}
END_TEST

/* RFC 1191: a smaller path: segments are cut and go again at once, without
 * loss of rate; claims about what is not in flight, or too small, are not
 * believed (RFC 5927). */
START_TEST(path_mtu_is_obeyed)
{
	struct h_seg *o;

	flight(true, 2, 20 * MS);
	tcp_icmp_error(h.s.net, &h.c->t, una - 1, TCP_ICMP_TOOBIG, 1000);
	tcp_icmp_error(h.s.net, &h.c->t, una, TCP_ICMP_TOOBIG, 100);
	h_run(&h);
	h_expect_none(&h);
	tcp_icmp_error(h.s.net, &h.c->t, una, TCP_ICMP_TOOBIG, 1000);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.seq, una);
	ck_assert_uint_eq(o->framelen, 1000);
	while ((o = h_next(&h)) != NULL)
		ck_assert_uint_le(o->framelen, 1000);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_fast_retrans), 0);
	h_fini(&h);
}
END_TEST

/* No chunk for the table of segments: slower, but it arrives. */
START_TEST(no_memory_for_the_table_is_survived)
{
	uint32_t took, i, c;

	flight(true, 1, 20 * MS);
	/* take all small chunks away */
	took = h.s.net->small_free;
	h.s.net->small_free = ARENA_NONE;
	h_write(&h, 4 * MSS);
	h_run(&h);
	ck_assert_uint_eq(h.c->ext, ARENA_NONE);
	ck_assert_uint_gt(tcp_flight(h.c), MSS);
	h_drain(&h);
	/* all is lost but for the first */
	for (i = 0; i < 20 && tcp_flight(h.c) != 0; i++) {
		h_wait(&h);
		if (h.iout == h.nout)
			break;
		c = h.out[h.nout - 1].s.seq + h.out[h.nout - 1].s.len;
		h_drain(&h);
		h.now += 20 * MS;
		h_ack(&h, c);
	}
	ck_assert_uint_eq(h.c->snd_una, una + 5 * MSS);
	/* RFC 5681 (3.1): the window, one segment after that, grows again */
	ck_assert_uint_gt(h.c->cwnd, 2 * MSS);
	for (i = 0; i < 4; i++) {
		h_write(&h, 16 * MSS);
		h_run(&h);
		h_drain(&h);
		h.now += 20 * MS;
		h_ack(&h, h.c->snd_nxt);
	}
	ck_assert_uint_eq(h.c->ext, ARENA_NONE);
	ck_assert_uint_ge(h.c->cwnd, 16 * MSS);
	h.s.net->small_free = took;
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_loss");
	TCase *t = tcase_create("tcp_loss");

	tcase_add_test(t, rtt_estimate_follows_rfc_6298);
	tcase_add_test(t, timeout_backs_off_and_gives_up);
	tcase_add_test(t, karn_takes_no_sample_of_retransmissions);
	tcase_add_test(t, timestamps_measure_retransmissions);
	tcase_add_test(t, timeout_restarts_from_one_segment);
	tcase_add_test(t, sack_makes_fast_retransmit);
	tcase_add_test(t, reordering_is_tolerated);
	tcase_add_test(t, lost_retransmission_is_sent_again);
	tcase_add_test(t, recovery_sends_no_faster_than_delivered);
	tcase_add_test(t, newreno_recovers_without_sack);
	tcase_add_test(t, limited_transmit_sends_new_segments);
	tcase_add_test(t, only_bare_acks_are_duplicates);
	tcase_add_test(t, tail_loss_is_probed);
	tcase_add_test(t, probe_waits_for_what_is_sent_later);
	tcase_add_test(t, probe_prefers_new_data);
	tcase_add_test(t, probe_that_repaired_counts_as_loss);
	tcase_add_test(t, eifel_undoes_a_spurious_timeout);
	tcase_add_test(t, dsack_undoes_a_spurious_recovery);
	tcase_add_test(t, reneging_is_survived);
	tcase_add_test(t, path_mtu_is_obeyed);
	tcase_add_test(t, no_memory_for_the_table_is_survived);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
