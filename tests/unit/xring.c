/* The crossing ring: what each end may believe, also after a death. */
#include <check.h>
#include <stdlib.h>

#include "../../common/xring.h"

#define SIZE	8u

static union {
	struct xring r;
	uint8_t room[sizeof(struct xring) + SIZE * sizeof(struct xent)];
} u;

static struct xring *r = &u.r;

static void
setup(void)
{
	xring_init(r, SIZE);
}

/* Put n entries with refs from ref on and publish them. */
static void
send(uint32_t ref, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		xring_put(r, i, (struct xent){ .ref = ref + i });
	xring_publish(r, n);
}

START_TEST(entries_arrive_once_and_in_order_around_the_wrap)
{
	uint32_t round, i, ref = 0;

	/* indices start near their own wrap, too */
	atomic_store(&r->prod, UINT32_MAX - 20);
	atomic_store(&r->cons, UINT32_MAX - 20);
	for (round = 0; round < 20; round++) {
		ck_assert_uint_eq(xring_room(r), SIZE);
		send(ref, 5);
		ck_assert_uint_eq(xring_ready(r), 5);
		for (i = 0; i < 5; i++)
			ck_assert_uint_eq(xring_peek(r, i).ref, ref + i);
		xring_consume(r, 5);
		ck_assert_uint_eq(xring_ready(r), 0);
		ref += 5;
	}
}
END_TEST

START_TEST(what_is_not_published_was_never_sent)
{
	xring_put(r, 0, (struct xent){ .ref = 7 });
	ck_assert_uint_eq(xring_ready(r), 0);
	ck_assert_uint_eq(xring_kept(r), 0);
}
END_TEST

START_TEST(a_full_ring_has_no_room_until_the_consumer_is_done)
{
	send(0, SIZE);
	ck_assert_uint_eq(xring_room(r), 0);
	xring_consume(r, 3);
	ck_assert_uint_eq(xring_room(r), 3);
	ck_assert_uint_eq(xring_done(r), 3);
}
END_TEST

START_TEST(a_successor_goes_on_where_the_dead_consumer_stopped)
{
	send(0, 6);
	xring_consume(r, 2);
	xring_start(r);
	ck_assert_uint_eq(xring_ready(r), 4);
	ck_assert_uint_eq(xring_peek(r, 0).ref, 2);
}
END_TEST

START_TEST(what_was_declared_void_is_skipped_by_the_successor)
{
	_Atomic uint32_t pid = 100;

	send(0, 6);
	xring_consume(r, 2);
	ck_assert(xring_void(r, &pid, 100));
	/* the producer may start anew meanwhile: nothing is held */
	ck_assert_uint_eq(xring_kept(r), 6);
	send(50, 1);
	pid = 200;
	xring_start(r);
	ck_assert_uint_eq(xring_ready(r), 1);
	ck_assert_uint_eq(xring_peek(r, 0).ref, 50);
}
END_TEST

START_TEST(nothing_is_void_once_a_successor_has_named_itself)
{
	_Atomic uint32_t pid = 200;

	send(0, 6);
	xring_consume(r, 2);
	ck_assert(!xring_void(r, &pid, 100));
	ck_assert_uint_eq(xring_kept(r), 2);
	xring_start(r);
	ck_assert_uint_eq(xring_ready(r), 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("xring");
	TCase *t = tcase_create("xring");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, entries_arrive_once_and_in_order_around_the_wrap);
	tcase_add_test(t, what_is_not_published_was_never_sent);
	tcase_add_test(t, a_full_ring_has_no_room_until_the_consumer_is_done);
	tcase_add_test(t,
	    a_successor_goes_on_where_the_dead_consumer_stopped);
	tcase_add_test(t, what_was_declared_void_is_skipped_by_the_successor);
	tcase_add_test(t, nothing_is_void_once_a_successor_has_named_itself);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
