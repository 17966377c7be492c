/* TCP: opening: the handshake, its options, cookies, and what is refused. */
#include "tcp_harness.h"

static struct h h;

/* RFC 9293 §3.5: SYN, SYN-ACK, ACK; the service is told once. */
START_TEST(handshake_opens)
{
	h_init(&h);
	h_open(&h, true);
	ck_assert_uint_eq(h.c->state, TCP_ESTABLISHED);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_opened_passive), 1);
	h_fini(&h);
}
END_TEST

/* The options of a SYN-ACK stand as Linux writes them: mss, sackOK, TS, nop,
 * wscale. */
START_TEST(syn_ack_has_options_in_linux_order)
{
	static const uint8_t kinds[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10 };
	struct h_seg *o;

	h_init(&h);
	h_syn(&h, TH_SYN, true);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 20);
	ck_assert_mem_eq(o->opts, kinds, sizeof(kinds));
	ck_assert_uint_eq(get_be32(o->opts + 12), 5000);
	ck_assert_mem_eq(o->opts + 16, "\x01\x03\x03", 3);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §2.2, §3.2, RFC 2018 §2: what the peer did not offer is not said. */
START_TEST(syn_ack_answers_only_what_was_offered)
{
	struct h_seg *o;

	h_init(&h);
	h_syn(&h, TH_SYN, false);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 4);
	ck_assert_uint_eq(o->s.mss, 1460);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_open");
	TCase *t = tcase_create("open");

	tcase_add_test(t, handshake_opens);
	tcase_add_test(t, syn_ack_has_options_in_linux_order);
	tcase_add_test(t, syn_ack_answers_only_what_was_offered);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
