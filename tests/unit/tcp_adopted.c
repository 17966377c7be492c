/*
 * What a successor must find and keep: cases that the simulator's deaths
 * brought up.
 */
#include "tcp_harness.h"

static void
write_four(struct h *h, struct conn *c, uint32_t ev)
{
	static const uint8_t data[4 * 1460];

	if ((ev & CONN_OPEN) != 0)
		ck_assert_uint_eq(conn_write(h->s.net, c, data, sizeof(data)),
		    sizeof(data));
}

static void
adopt(struct h *h)
{
	const char *why = plain_adopt(&h->s, H_PORT, h->now);

	ck_assert_msg(why == NULL, "%s", why);
	h_run(h);
}

/*
 * RFC 6582 counts duplicate ACKs as segments that left, RFC 1191 counts
 * segments that were too large as lost: together never more than is in
 * flight, or a successor takes the record for damaged.
 */
START_TEST(what_left_and_what_is_lost_is_no_more_than_what_was_sent)
{
	struct tcp_ext *x;
	struct h h;
	uint32_t i;

	h_init(&h);
	h.hook = write_four;
	h_syn(&h, TH_SYN, false);
	h_run(&h);
	h.ack = h_expect(&h, TH_SYN | TH_ACK)->s.seq + 1;
	h.seq++;
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(tcp_flight(h.c), 4 * 1460);
	for (i = 0; i < 2; i++)
		h_send(&h, TH_ACK, NULL, 0);
	x = tcp_ext(h.s.net, h.c);
	ck_assert_ptr_nonnull(x);
	ck_assert_uint_gt(x->sacked, 0);
	tcp_icmp_error(h.s.net, &h.c->t, h.ack, TCP_ICMP_TOOBIG, 1000);
	ck_assert_uint_eq(x->lost, 4 * 1460);
	ck_assert_uint_le(x->sacked + x->lost, tcp_flight(h.c));
	adopt(&h);
	ck_assert_uint_eq(h_count(&h, CNT_conn_torn), 0);
	ck_assert_uint_eq(h_count(&h, CNT_conn_adopted), 1);
	h_fini(&h);
}
END_TEST

/* net.h: a process listens again after net_adopt() too; the backlog then
 * counts what was half-open before. */
START_TEST(a_backlog_counts_the_half_open_ones_that_were_adopted)
{
	struct h h;

	h_conf(&h);
	h.s.conf.backlog = 1;
	h_start(&h);
	h_syn(&h, TH_SYN, true);
	h_run(&h);
	h_expect(&h, TH_SYN | TH_ACK);
	adopt(&h);
	h.sport++;
	h_syn(&h, TH_SYN, true);
	h_run(&h);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_cookies_sent), 1);
	ck_assert_uint_eq(h.s.net->nhalf, 1);
	h_fini(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tcp_adopted");
	TCase *t = tcase_create("adoption");
	SRunner *sr;
	int failed;

	tcase_add_test(t,
	    what_left_and_what_is_lost_is_no_more_than_what_was_sent);
	tcase_add_test(t,
	    a_backlog_counts_the_half_open_ones_that_were_adopted);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
