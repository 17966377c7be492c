/* TCP: closing in every order, TIME_WAIT, resets, and who may not reset. */
#include <errno.h>

#include "tcp_harness.h"

static struct h h;

static void
peer_fin(void)
{
	h_send(&h, TH_FIN | TH_ACK, NULL, 0);
	h.seq++;
	h_run(&h);
}

/* The stack's FIN: taken note of, not acknowledged. */
static struct h_seg *
take_fin(void)
{
	struct h_seg *o = h_expect(&h, TH_FIN | TH_ACK);

	h.ack = o->s.seq + o->s.len + 1;
	return o;
}

static struct tw *
only_tw(void)
{
	ck_assert_uint_eq(h.s.net->ntw, 1);
	return &h.s.net->tws[0];
}

/* RFC 9293 §3.6, case 2: the peer closes first. */
START_TEST(peer_closes_first)
{
	h_init(&h);
	h_open(&h, true);
	peer_fin();
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_uint_eq(h.events, CONN_READ);
	ck_assert(h.eof);
	ck_assert_uint_eq(h.c->state, TCP_CLOSE_WAIT);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	ck_assert_uint_eq(h.c->state, TCP_LAST_ACK);
	h.calls = 0;
	h_ack(&h, h.ack);
	h_run(&h);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	ck_assert_uint_eq(h.s.net->ntw, 0);
	ck_assert_uint_eq(h.calls, 0);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 8985 §7.3: the probe is the last segment again: a FIN that had no data
 * pushes nothing, now as then. */
START_TEST(probe_of_a_fin_is_what_it_was)
{
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	h_write(&h, 10);
	h_run(&h);
	ck_assert_uint_ne(h_expect(&h, TH_ACK)->s.flags & TH_PSH, 0);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	for (i = 0; i < 2; i++) {
		ck_assert_uint_eq(h_expect(&h, TH_FIN | TH_ACK)->s.flags &
		    TH_PSH, 0);
		(void)h_wait(&h);
	}
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.6, case 1: we close first and keep TIME_WAIT. */
START_TEST(we_close_first)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	ck_assert_uint_eq(h.c->state, TCP_FIN_WAIT_1);
	h_ack(&h, h.ack);
	h_run(&h);
	ck_assert_uint_eq(h.c->state, TCP_FIN_WAIT_2);
	peer_fin();
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	ck_assert_uint_eq(only_tw()->rcv_nxt, h.seq);
	ck_assert_uint_eq(h.calls, 0);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.6, figure 13: both at once. */
START_TEST(both_close_at_once)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	h_expect(&h, TH_FIN | TH_ACK);
	peer_fin();
	ck_assert_uint_eq(h.c->state, TCP_CLOSING);
	h_expect(&h, TH_ACK);
	h_ack(&h, h.ack + 1);
	h_run(&h);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	only_tw();
	h_fini(&h);
}
END_TEST

/* FIN and the ACK of ours in one segment: FIN_WAIT_1 to TIME_WAIT. */
START_TEST(fin_with_the_ack_of_ours)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	peer_fin();
	h_expect(&h, TH_ACK);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	only_tw();
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.6: after our FIN we go on reading; the service hears of the end
 * of what it did not close. */
START_TEST(half_close_goes_on_reading)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_shutdown(h.s.net, h.c));
	h_run(&h);
	take_fin();
	h_ack(&h, h.ack);
	h_data(&h, "late", 4);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_mem_eq(h.got, "late", 4);
	ck_assert_uint_eq(h_write(&h, 10), 0);
	h.events = 0;
	peer_fin();
	h_expect(&h, TH_ACK);
	ck_assert_uint_eq(h.events, CONN_READ | CONN_GONE);
	ck_assert_int_eq(h.error, 0);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	only_tw();
	h_fini(&h);
}
END_TEST

/* What is queued goes before the FIN, which rides on the last segment. */
START_TEST(close_sends_what_is_queued_first)
{
	struct h_seg *o;

	h_init(&h);
	h_open(&h, true);
	h_write(&h, 2000);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.len, 1448);
	o = take_fin();
	ck_assert_uint_eq(o->s.len, 552);
	ck_assert(o->s.flags & TH_PSH);
	h_ack(&h, h.ack);
	h_run(&h);
	ck_assert_uint_eq(h.c->state, TCP_FIN_WAIT_2);
	h_fini(&h);
}
END_TEST

/* A lost FIN is sent again (RFC 6298); a lost ACK of it does no harm. */
START_TEST(lost_fin_is_sent_again)
{
	uint32_t seq;

	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	seq = take_fin()->s.seq;
	h_tick(&h, 300 * MS);
	ck_assert_uint_eq(h_expect(&h, TH_FIN | TH_ACK)->s.seq, seq);
	h_ack(&h, h.ack);
	h_run(&h);
	ck_assert_uint_eq(h.c->state, TCP_FIN_WAIT_2);
	h_tick(&h, 10 * SEC);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* A FIN that overtook data counts when the data is there. */
START_TEST(fin_out_of_order_waits_for_its_data)
{
	h_init(&h);
	h_open(&h, true);
	h.seq += 4;
	h_send(&h, TH_FIN | TH_ACK, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq - 4);
	ck_assert(!h.eof);
	h.seq -= 4;
	h_data(&h, "last", 4);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq + 1);
	ck_assert(h.eof);
	ck_assert_uint_eq(h.ngot, 4);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.6.1, RFC 2525 §2.17: unread data at close is told by RST. */
START_TEST(close_with_unread_data_resets)
{
	h_init(&h);
	h_open(&h, true);
	h.keep = true;
	h_data(&h, "unread", 6);
	h_run(&h);
	h_expect(&h, TH_ACK);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_RST | TH_ACK)->s.seq, h.ack);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

/* And so is data that comes after close. */
START_TEST(data_after_close_resets)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	h_data(&h, "late", 4);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_RST)->s.seq, h.ack);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

/* Unless it is to be thrown away: then it is acknowledged, in order or not. */
START_TEST(discarded_data_is_acknowledged)
{
	h_init(&h);
	h_open(&h, true);
	h.keep = true;
	h_data(&h, "unread", 6);
	h_run(&h);
	h_expect(&h, TH_ACK);
	H_SERVICE(&h, conn_discard(h.s.net, h.c); conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	h.seq += 5;
	h_data(&h, "world", 5);
	h_run(&h);
	h_expect(&h, TH_ACK);
	h.seq -= 10;
	h_data(&h, "hello", 5);
	h.seq += 5;
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_uint_eq(h.s.net->rx_held, 0);
	peer_fin();
	h_expect(&h, TH_ACK);
	only_tw();
	h_fini(&h);
}
END_TEST

/* A peer that never says FIN does not keep the record for ever. */
START_TEST(fin_wait_2_ends)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	h_ack(&h, h.ack);
	h_tick(&h, h.s.conf.finwait2_us - SEC);
	ck_assert_uint_eq(h.s.net->nconns, 1);
	h_tick(&h, 2 * SEC);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

/* ---- TIME_WAIT ---- */

static void
to_time_wait(void)
{
	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_close(h.s.net, h.c));
	h_run(&h);
	take_fin();
	peer_fin();
	h_expect(&h, TH_ACK);
	only_tw();
}

/* RFC 9293 §3.10.7.4: the FIN again is acknowledged and the wait starts anew;
 * at its end the entry is gone. */
START_TEST(time_wait_answers_fin_and_ends)
{
	to_time_wait();
	h_tick(&h, 50 * SEC);
	h.seq--;
	h_send(&h, TH_FIN | TH_ACK, NULL, 0);
	h.seq++;
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	h_tick(&h, 59 * SEC);
	only_tw();
	h_tick(&h, 2 * SEC);
	ck_assert_uint_eq(h.s.net->ntw, 0);
	h_fini(&h);
}
END_TEST

/* RFC 1337: a RST does not end TIME_WAIT. */
START_TEST(time_wait_survives_rst)
{
	to_time_wait();
	h_send(&h, TH_RST, NULL, 0);
	h_expect_none(&h);
	only_tw();
	h_fini(&h);
}
END_TEST

/* A plain ACK in the window needs no answer: two ends in TIME_WAIT must not
 * talk for ever. */
START_TEST(time_wait_ignores_a_plain_ack)
{
	to_time_wait();
	h_ack(&h, h.ack);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 6191 §2: a SYN with a later timestamp opens at once, with a sequence
 * number beyond the old ones. */
START_TEST(time_wait_gives_way_to_a_later_timestamp)
{
	struct h_seg *o;
	uint32_t old;

	to_time_wait();
	old = h.ack;
	h.tsval++;
	h.seq -= 100000;
	h_syn(&h, TH_SYN, true);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert(seq_lt(old + 65535, o->s.seq));
	ck_assert_uint_eq(h.s.net->ntw, 0);
	ck_assert_uint_eq(h.s.net->nconns, 1);
	h_fini(&h);
}
END_TEST

/* An old duplicate SYN gets the ACK of the old connection. */
START_TEST(time_wait_answers_an_old_syn_by_ack)
{
	struct h_seg *o;

	to_time_wait();
	h.tsval--;
	h.seq -= 100000;
	h_syn(&h, TH_SYN, true);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.ack, h.seq + 100000);
	only_tw();
	h_fini(&h);
}
END_TEST

/* No free entry: the connection ends all the same, with its last ACK. */
START_TEST(time_wait_exhausted_still_acknowledges)
{
	uint32_t i;

	h_conf(&h);
	h.s.conf.shape.timewait = 2;
	h_start(&h);
	for (i = 0; i < 4; i++) {
		h.sport++;
		h_open(&h, true);
		H_SERVICE(&h, conn_close(h.s.net, h.c));
		h_run(&h);
		take_fin();
		peer_fin();
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
		ck_assert_uint_eq(h.s.net->ntw, min_u32(i + 1, 2));
	}
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

/* ---- resets ---- */

/* RFC 5961 §3.2: RST at exactly the next sequence number. */
START_TEST(exact_rst_ends)
{
	h_init(&h);
	h_open(&h, true);
	h_send(&h, TH_RST, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(h.events, CONN_GONE);
	ck_assert_int_eq(h.error, -ECONNRESET);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 5961 §3.2: in the window but not exact: a challenge ACK; outside: not
 * a word. Timestamps do not protect (RFC 7323 §5.2), nor are they needed. */
START_TEST(blind_rst_does_not_end)
{
	static const struct {
		int32_t off;
		bool challenged;
	} row[] = { { 1, true }, { 60000, true }, { -1, false },
	    { 1 << 20, false }, { -70000, false }, { 1 << 30, false } };
	uint32_t i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		h_init(&h);
		h_open(&h, i % 2);
		h.seq += (uint32_t)row[i].off;
		h_send_opts(&h, TH_RST | (i & 2 ? TH_ACK : 0), NULL, 0, NULL,
		    0);
		h.seq -= (uint32_t)row[i].off;
		if (row[i].challenged)
			ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
		h_run(&h);
		h_expect_none(&h);
		ck_assert_uint_eq(h.calls, 0);
		h_fini(&h);
	}
}
END_TEST

/* RFC 5961 §4.2: a SYN in a synchronised state is challenged, wherever it
 * lies, so that a restarted peer answers by a RST that is exact. */
START_TEST(syn_is_challenged)
{
	static const int32_t off[] = { 0, 1, -1, 1000, -100000, 1 << 30 };
	uint32_t i;

	for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		h_init(&h);
		h_open(&h, true);
		h.seq += (uint32_t)off[i];
		h_syn(&h, TH_SYN, true);
		h.seq -= (uint32_t)off[i];
		h_run(&h);
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
		h_expect_none(&h);
		ck_assert_uint_eq(h.calls, 0);
		ck_assert_uint_eq(h.c->state, TCP_ESTABLISHED);
		h_fini(&h);
	}
}
END_TEST

/* RFC 5961 §7: challenges are few, whatever comes; and each connection has
 * a limit of its own. */
START_TEST(challenges_are_limited)
{
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	for (i = 0; i < 1000; i++) {
		h_syn(&h, TH_SYN, true);
		h.now += MS;
	}
	h_run(&h);
	ck_assert_uint_ge(h_count(&h, CNT_tcp_challenge), 2);
	ck_assert_uint_le(h_count(&h, CNT_tcp_challenge), 4);
	h_drain(&h);
	h.sport++;
	h_open(&h, true);
	h_syn(&h, TH_SYN, true);
	h_run(&h);
	h_expect(&h, TH_ACK);
	h_fini(&h);
}
END_TEST

/* RFC 5961 §5.2: ACKs of what was never sent, or of long ago, are challenged
 * and their data is not taken. */
START_TEST(blind_ack_does_not_inject)
{
	static const int32_t off[] = { 1, 1000000, -70000000, 1 << 30 };
	uint32_t i;

	for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		h_init(&h);
		h_open(&h, true);
		h.ack += (uint32_t)off[i];
		h_send(&h, TH_ACK, "evil", 4);
		h.ack -= (uint32_t)off[i];
		h_run(&h);
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
		ck_assert_uint_eq(h.ngot, 0);
		ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_ack), 1);
		h_fini(&h);
	}
}
END_TEST

/* RFC 9293 §3.10.7.4: without ACK a segment is nothing. */
START_TEST(segment_without_ack_is_dropped)
{
	h_init(&h);
	h_open(&h, true);
	h_send(&h, TH_PSH, "evil", 4);
	h_send(&h, TH_FIN, NULL, 0);
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_eq(h.calls, 0);
	h_fini(&h);
}
END_TEST

/* RFC 5927: no ICMP error ends an established connection. */
START_TEST(icmp_does_not_end_a_connection)
{
	h_init(&h);
	h_open(&h, true);
	h_write(&h, 10);
	h_run(&h);
	h_expect(&h, TH_ACK);
	tcp_icmp_error(h.s.net, &h.c->t, h.ack, TCP_ICMP_HARD, 0);
	tcp_icmp_error(h.s.net, &h.c->t, h.ack, TCP_ICMP_SOFT, 0);
	h_run(&h);
	ck_assert_uint_eq(h.calls, 0);
	ck_assert_uint_eq(h.c->state, TCP_ESTABLISHED);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.5: abort: RST and no more. */
START_TEST(abort_sends_rst)
{
	h_init(&h);
	h_open(&h, true);
	h_write(&h, 5000);
	h_run(&h);
	h_drain(&h);
	H_SERVICE(&h, conn_abort(h.s.net, h.c));
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_RST | TH_ACK)->s.seq, h.ack + 5000);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	ck_assert_uint_eq(h.calls, 0);
	/* what still comes belongs to nothing */
	h_ack(&h, h.ack + 1448);
	ck_assert_uint_eq(h_expect(&h, TH_RST)->s.seq, h.ack);
	h_fini(&h);
}
END_TEST

/* A RST while both FINs are on their way: it is over, and in order. */
START_TEST(rst_in_last_ack_is_an_end)
{
	h_init(&h);
	h_open(&h, true);
	peer_fin();
	h_drain(&h);
	H_SERVICE(&h, conn_shutdown(h.s.net, h.c));
	h_run(&h);
	take_fin();
	h.events = 0;
	h_send(&h, TH_RST, NULL, 0);
	h_run(&h);
	ck_assert(h.events & CONN_GONE);
	ck_assert_int_eq(h.error, 0);
	h_fini(&h);
}
END_TEST

/* Data behind the peer's FIN is nothing (RFC 9293 §3.10.7.4, seventh). */
START_TEST(data_behind_the_fin_is_dropped)
{
	h_init(&h);
	h_open(&h, true);
	peer_fin();
	h_drain(&h);
	h.events = 0;
	h_data(&h, "more", 4);
	h_run(&h);
	ck_assert_uint_eq(h.ngot, 0);
	ck_assert_uint_eq(h.c->rcv_nxt, h.seq - 4);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_close");
	TCase *t = tcase_create("tcp_close");

	tcase_add_test(t, peer_closes_first);
	tcase_add_test(t, probe_of_a_fin_is_what_it_was);
	tcase_add_test(t, we_close_first);
	tcase_add_test(t, both_close_at_once);
	tcase_add_test(t, fin_with_the_ack_of_ours);
	tcase_add_test(t, half_close_goes_on_reading);
	tcase_add_test(t, close_sends_what_is_queued_first);
	tcase_add_test(t, lost_fin_is_sent_again);
	tcase_add_test(t, fin_out_of_order_waits_for_its_data);
	tcase_add_test(t, close_with_unread_data_resets);
	tcase_add_test(t, data_after_close_resets);
	tcase_add_test(t, discarded_data_is_acknowledged);
	tcase_add_test(t, fin_wait_2_ends);
	tcase_add_test(t, time_wait_answers_fin_and_ends);
	tcase_add_test(t, time_wait_survives_rst);
	tcase_add_test(t, time_wait_ignores_a_plain_ack);
	tcase_add_test(t, time_wait_gives_way_to_a_later_timestamp);
	tcase_add_test(t, time_wait_answers_an_old_syn_by_ack);
	tcase_add_test(t, time_wait_exhausted_still_acknowledges);
	tcase_add_test(t, exact_rst_ends);
	tcase_add_test(t, blind_rst_does_not_end);
	tcase_add_test(t, syn_is_challenged);
	tcase_add_test(t, challenges_are_limited);
	tcase_add_test(t, blind_ack_does_not_inject);
	tcase_add_test(t, segment_without_ack_is_dropped);
	tcase_add_test(t, icmp_does_not_end_a_connection);
	tcase_add_test(t, abort_sends_rst);
	tcase_add_test(t, rst_in_last_ack_is_an_end);
	tcase_add_test(t, data_behind_the_fin_is_dropped);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
