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

/* tcp_adopt(): the process died after an ACK had made room and before the
 * service was told: it is told now. */
START_TEST(room_is_computed_anew)
{
	struct h h;

	h_init(&h);
	h_open(&h, true);
	H_SERVICE(&h, conn_want_room(h.s.net, h.c, 1000));
	h.c->flags |= TF_WANT;
	h.c->room_want = 1000;
	h.c->ev = 0;
	h.events = 0;
	adopt(&h);
	ck_assert_uint_ne(h.events & CONN_WRITE, 0);
	ck_assert_uint_eq(h.c->flags & TF_WANT, 0);
	h_fini(&h);
}
END_TEST

/* tcp_adopt(): nobody waits for a timeout: what is unacknowledged goes again,
 * what was never sent goes, and who owes nothing says that he lives. */
START_TEST(what_is_owed_goes_at_once)
{
	struct h_seg *o;
	uint32_t first, k;
	struct h h;

	for (k = 0; k < 4; k++) {
		h_init(&h);
		h_open(&h, true);
		first = h.ack;
		if (k < 2)	/* one segment, or several */
			h_write(&h, k == 0 ? 100 : 5 * 1448);
		h_run(&h);
		h_drain(&h);
		if (k == 2)	/* written, not sent */
			h_write(&h, 100);
		adopt(&h);
		o = h_expect(&h, TH_ACK);
		ck_assert_uint_eq(o->s.seq, first);
		ck_assert_uint_eq(o->s.len, k == 3 ? 0 : k == 1 ? 1448 : 100);
		h_expect_none(&h);
		h_fini(&h);
	}
}
END_TEST

/* tcp_adopt(): what a process made in its last turns may have died with it; a
 * million that it last heard of before then are left alone. */
START_TEST(who_can_be_owed_nothing_is_not_written_to)
{
	struct h h;
	uint32_t k;

	for (k = 0; k < 3; k++) {
		h_init(&h);
		h_open(&h, true);
		h_tick(&h, k == 1 ? 100 * MS : 5 * MS);
		if (k == 2)	/* it hung, and was killed for it */
			h.now += 5 * SEC;
		adopt(&h);
		if (k != 1)
			h_expect(&h, TH_ACK);
		h_expect_none(&h);
		h_fini(&h);
	}
}
END_TEST

/* An empty frame that the stack knows of as the i-th to come. */
static struct pkt *
expect(struct h *h, uint32_t i)
{
	struct pkt *p = pktpool_get(&h->s.pool);

	ck_assert_ptr_nonnull(p);
	pkt_reset(p, PKT_HEADROOM);
	p->port = 0;
	/* what is in it from before looks like the next one */
	memcpy(pkt_data(p), h->frame, h->framelen);
	net_expect(h->s.net, i, p);
	return p;
}

/*
 * net_expect(): the process died in the call that read a frame: the device has
 * given it away, its length was never noted, and still it is not lost. Of the
 * one that was expected and did not come nothing is believed.
 */
START_TEST(a_frame_that_was_being_read_is_received)
{
	static const uint8_t arp[42] = { 2, 0, 0, 0, 0, 1,
	    2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
	    2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1 };
	struct pkt *p;
	uint32_t k;
	struct h h;

	for (k = 0; k < 4; k++) {
		h_init(&h);
		h_open(&h, true);
		h.aside = true;
		h_data(&h, "first ", 6);
		p = expect(&h, 0);
		p->len = h.framelen;
		memcpy(pkt_data(p), h.frame, p->len);
		h_data(&h, "and last", 8);
		h.aside = false;
		p = expect(&h, 1);
		if (k == 1)
			memcpy(pkt_data(p), h.frame, h.framelen);
		else if (k == 2)
			memcpy(pkt_data(p), arp, sizeof(arp));
		else if (k == 3)
			net_expect(h.s.net, 1, NULL);
		if (k == 3)
			pktpool_put(&h.s.pool, p);
		adopt(&h);
		ck_assert_uint_eq(h.ngot, k == 1 ? 14 : 6);
		ck_assert_mem_eq(h.got, "first and last", h.ngot);
		ck_assert_uint_eq(h_count(&h, CNT_conn_torn), 0);
		ck_assert_uint_eq(h_count(&h, CNT_drop_ethertype), 0);
		h_fini(&h);
	}
}
END_TEST

/* The same of other kinds of frames: how long they are. */
START_TEST(a_frame_that_was_being_read_is_as_long_as_it_says)
{
	static const struct {
		uint16_t type, vlan, at, value;
		uint32_t len;	/* 0: not a frame that came */
	} row[] = {
		{ 0, 0, 0, 0, 0 },
		{ 0x0800, 0, 16, 1500, 1514 },
		{ 0x0800, 1, 20, 40, 58 },
		{ 0x0800, 0, 16, 20000, 0 },
		{ 0x86dd, 0, 18, 1000, 1054 },
		{ 0x86dd, 1, 22, 8, 66 },
		{ 0x86dd, 0, 18, 0xffff, 0 },
		{ 0x0806, 0, 0, 0, 42 },
		{ 0x0806, 1, 0, 0, 46 },
		{ 0x88cc, 0, 0, 0, 0 },
	};
	struct pkt *p;
	uint8_t *d;
	struct h h;
	uint32_t i;

	h_init(&h);
	p = pktpool_get(&h.s.pool);
	ck_assert_ptr_nonnull(p);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		pkt_reset(p, PKT_HEADROOM);
		d = pkt_data(p);
		memset(d, 0, 64);
		ether_expect(p);
		ck_assert(!ether_came(p));
		if (row[i].vlan)
			put_be16(d + 12, 0x8100);
		put_be16(d + 12 + 4 * row[i].vlan, row[i].type);
		if (row[i].at != 0)
			put_be16(d + row[i].at, row[i].value);
		ck_assert(ether_came(p) == (row[i].len != 0));
		ck_assert_uint_eq(p->len, row[i].len);
	}
	pktpool_put(&h.s.pool, p);
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
	tcase_add_test(t, room_is_computed_anew);
	tcase_add_test(t, what_is_owed_goes_at_once);
	tcase_add_test(t, who_can_be_owed_nothing_is_not_written_to);
	tcase_add_test(t, a_frame_that_was_being_read_is_received);
	tcase_add_test(t, a_frame_that_was_being_read_is_as_long_as_it_says);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
