/* Who hangs, and who only waits for a processor. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../tools/starfish/hang.c"

#define LIMIT	500000u
#define T0	10000000u	/* the last heartbeat */

static struct hang h;

static enum hang_verdict
at(uint64_t age_us, char state, uint64_t ran_us)
{
	struct hang_proc p = { state, ran_us };

	return hang_judge(&h, &p, T0, T0 + age_us, LIMIT);
}

START_TEST(a_heartbeat_within_the_limit_is_well)
{
	h = (struct hang){ 0 };
	ck_assert_int_eq(at(0, 'R', 0), HANG_WELL);
	ck_assert_int_eq(at(LIMIT - 1, 'T', 0), HANG_WELL);
}
END_TEST

START_TEST(a_stopped_process_hangs_at_the_limit)
{
	h = (struct hang){ 0 };
	ck_assert_int_eq(at(LIMIT / 2, 'T', 7), HANG_WELL);
	ck_assert_int_eq(at(LIMIT, 'T', 7), HANG_HUNG);
}
END_TEST

START_TEST(one_that_spins_hangs_at_the_limit)
{
	h = (struct hang){ 0 };
	ck_assert_int_eq(at(LIMIT / 2, 'R', 1000), HANG_WELL);
	ck_assert_int_eq(at(LIMIT, 'R', 1000 + HANG_RAN_US), HANG_HUNG);
}
END_TEST

/* No processor, no turn: that is not the process's fault. */
START_TEST(one_that_gets_no_processor_does_not_hang)
{
	h = (struct hang){ 0 };
	ck_assert_int_eq(at(LIMIT / 2, 'R', 1000), HANG_WELL);
	ck_assert_int_eq(at(LIMIT, 'R', 1000), HANG_WELL);
	ck_assert_int_eq(at(3 * LIMIT, 'R', 1000 + HANG_RAN_US - 1),
	    HANG_WELL);
	/* but not for ever */
	ck_assert_int_eq(at(HANG_MOST * LIMIT, 'R', 1001), HANG_HUNG);
}
END_TEST

/* The cpu of a virtual machine may have stood still: its timers too. */
START_TEST(one_that_sleeps_is_rung_first)
{
	h = (struct hang){ 0 };
	ck_assert_int_eq(at(LIMIT / 2, 'S', 5), HANG_WELL);
	ck_assert_int_eq(at(LIMIT, 'S', 5), HANG_NUDGE);
	ck_assert_int_eq(at(LIMIT + 1000, 'S', 5), HANG_WELL);
	ck_assert_int_eq(at(LIMIT + LIMIT / 2, 'S', 5), HANG_HUNG);
}
END_TEST

START_TEST(a_beat_in_between_begins_anew)
{
	struct hang_proc p = { 'R', 900000 };

	h = (struct hang){ 0 };
	ck_assert_int_eq(at(LIMIT / 2, 'R', 1000), HANG_WELL);
	ck_assert_int_eq(hang_judge(&h, &p, T0 + LIMIT, T0 + 2 * LIMIT,
	    LIMIT), HANG_WELL);
}
END_TEST

START_TEST(a_look_tells_state_and_time)
{
	struct hang_proc p;

	ck_assert_int_eq(hang_look(getpid(), &p), 0);
	ck_assert_int_eq(p.state, 'R');
	ck_assert_int_lt(hang_look(1 << 30, &p), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_hang");
	TCase *c = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_test(c, a_heartbeat_within_the_limit_is_well);
	tcase_add_test(c, a_stopped_process_hangs_at_the_limit);
	tcase_add_test(c, one_that_spins_hangs_at_the_limit);
	tcase_add_test(c, one_that_gets_no_processor_does_not_hang);
	tcase_add_test(c, one_that_sleeps_is_rung_first);
	tcase_add_test(c, a_beat_in_between_begins_anew);
	tcase_add_test(c, a_look_tells_state_and_time);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
