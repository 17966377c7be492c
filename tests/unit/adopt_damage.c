/*
 * A worker that crashed may have written anywhere: what a successor finds is
 * checked for bounds and for two owners. What is damaged is reset, what it
 * held is free again, all others go on (rule 8 of adoption: judge ownership
 * from the records alone).
 */
#include "tcp_harness.h"

static bool claimed[PLAIN_FRAMES];

static bool
number(void *arg, uint32_t ref, uint64_t *i)
{
	const struct h *h = arg;
	uint64_t at = (uintptr_t)pkt_at(h->s.env.base, ref) -
	    (uintptr_t)h->s.frames;

	*i = at / PLAIN_STRIDE;
	return at % PLAIN_STRIDE == 0 && *i < PLAIN_FRAMES;
}

static bool
is_frame(void *arg, uint32_t ref)
{
	uint64_t i;

	return number(arg, ref, &i);
}

static bool
claim(void *arg, uint32_t ref)
{
	uint64_t i;

	if (!number(arg, ref, &i) || claimed[i])
		return false;
	return claimed[i] = true;
}

static void
disclaim(void *arg, uint32_t ref)
{
	uint64_t i;

	if (number(arg, ref, &i))
		claimed[i] = false;
}

/* Two connections with unread data and data that nobody acknowledged. */
static void
set_up(struct h *h, struct conn *c[2])
{
	static const uint8_t data[600] = { 1 };
	uint32_t i;

	h_conf(h);
	h->s.env.frame = is_frame;
	h->s.env.claim = claim;
	h->s.env.disclaim = disclaim;
	h_start(h);
	h->keep = true;
	for (i = 0; i < 2; i++) {
		h->seq = 1000;
		h_open(h, true);
		c[i] = h->c;
		h_data(h, data, sizeof(data));
		h_run(h);
		h_write(h, sizeof(data));
		h_run(h);
		h_drain(h);
		ck_assert_uint_ne(c[i]->rq_head, PKT_NONE);
		ck_assert_uint_ne(c[i]->sq_head, ARENA_NONE);
		h->sport++;
	}
}

static void
adopt(struct h *h)
{
	const char *why;

	memset(claimed, 0, sizeof(claimed));
	why = plain_adopt(&h->s, H_PORT, h->now);
	ck_assert_msg(why == NULL, "%s", why);
	h_run(h);
}

/* So many were reset, so many go on, and nothing is lost. */
static void
expect(struct h *h, uint32_t torn, uint32_t adopted)
{
	struct net_audit a;

	ck_assert_uint_eq(h_count(h, CNT_conn_torn), torn);
	ck_assert_uint_eq(h_count(h, CNT_conn_adopted), adopted);
	net_audit(h->s.net, &a);
	ck_assert_uint_eq(a.chunks.free + a.chunks.held, a.chunks.total);
	ck_assert_uint_eq(a.records.free + a.records.held, a.records.total);
	ck_assert_uint_eq(a.records.held, adopted);
	h_fini(h);
}

START_TEST(what_is_whole_is_adopted)
{
	struct conn *c[2];
	struct h h;

	set_up(&h, c);
	adopt(&h);
	expect(&h, 0, 2);
}
END_TEST

START_TEST(two_owners_of_a_chunk_are_both_reset)
{
	struct conn *c[2];
	struct h h;

	set_up(&h, c);
	c[1]->sq_head = c[0]->sq_head;
	adopt(&h);
	expect(&h, 2, 0);
}
END_TEST

START_TEST(two_owners_of_a_frame_are_both_reset)
{
	struct conn *c[2];
	struct h h;

	set_up(&h, c);
	c[0]->rq_head = c[1]->rq_head;
	adopt(&h);
	expect(&h, 2, 0);
}
END_TEST

/* Where a wild value points to must not even be read. */
START_TEST(a_frame_out_of_bounds_is_not_followed)
{
	static const uint32_t wild[] = { 0, 1, 0x12345678, 0xfffffffe };
	struct conn *c[2];
	struct h h;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		set_up(&h, c);
		c[0]->rq_head = wild[i];
		adopt(&h);
		expect(&h, 1, 1);
	}
}
END_TEST

START_TEST(payload_out_of_its_frame_is_not_believed)
{
	struct conn *c[2];
	struct h h;

	set_up(&h, c);
	pkt_at(h.s.env.base, c[0]->rq_head)->poff = 1 << 20;
	adopt(&h);
	expect(&h, 1, 1);
}
END_TEST

START_TEST(a_chunk_out_of_bounds_gives_back_the_others)
{
	struct conn *c[2];
	struct h h;

	set_up(&h, c);
	chunk_at(h.s.net, c[0]->sq_head)->next = 0x00fffff0;
	adopt(&h);
	expect(&h, 1, 1);
}
END_TEST

START_TEST(data_out_of_its_chunk_is_not_believed)
{
	struct conn *c[2];
	struct h h;

	set_up(&h, c);
	chunk_at(h.s.net, c[1]->sq_head)->start = 1 << 30;
	adopt(&h);
	expect(&h, 1, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("adopt_damage");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, what_is_whole_is_adopted);
	tcase_add_test(tc, two_owners_of_a_chunk_are_both_reset);
	tcase_add_test(tc, two_owners_of_a_frame_are_both_reset);
	tcase_add_test(tc, a_frame_out_of_bounds_is_not_followed);
	tcase_add_test(tc, payload_out_of_its_frame_is_not_believed);
	tcase_add_test(tc, a_chunk_out_of_bounds_gives_back_the_others);
	tcase_add_test(tc, data_out_of_its_chunk_is_not_believed);
	suite_add_tcase(s, tc);
	return h_main(s);
}
