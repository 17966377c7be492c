/*
 * The life of a slot, as the supervisor's table has it.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../../tools/starfish/slot.c"

#define S(s)	SLOT_##s
#define NEVER	SLOT_STATES

/* Rows: from; columns: EV_SPAWN .. EV_RETRY. */
static const enum slot_state want[SLOT_STATES][SLOT_EVENTS] = {
	[SLOT_EMPTY] = { S(STARTING), NEVER, NEVER, NEVER, S(EMPTY), NEVER,
	    NEVER, NEVER, S(EMPTY) },
	[SLOT_STARTING] = { NEVER, NEVER, S(READY), NEVER, S(DRAINING),
	    S(EMPTY), S(DEAD), NEVER, NEVER },
	[SLOT_READY] = { NEVER, NEVER, NEVER, S(SERVING), S(DRAINING),
	    S(EMPTY), S(DEAD), NEVER, NEVER },
	[SLOT_SERVING] = { NEVER, NEVER, NEVER, NEVER, S(DRAINING), S(EMPTY),
	    S(DEAD), NEVER, NEVER },
	[SLOT_DRAINING] = { NEVER, NEVER, NEVER, NEVER, S(DRAINING), S(EMPTY),
	    S(EMPTY), NEVER, NEVER },
	[SLOT_DEAD] = { S(REPAIRING), NEVER, NEVER, NEVER, S(EMPTY), NEVER,
	    NEVER, S(DEAD), S(DEAD) },
	[SLOT_REPAIRING] = { NEVER, S(STARTING), NEVER, NEVER, S(DRAINING),
	    S(EMPTY), S(DEAD), NEVER, NEVER },
};

static struct slot_super super;
static struct slot slot;

static void
setup(void)
{
	memset(&super, 0, sizeof(super));
	slot_init(&slot, 3, &super);
}

static void
happens(enum slot_event ev, uint64_t now_us)
{
	ck_assert_msg(slot_event(&slot, ev, now_us) == 0, "%s in %d",
	    slot_event_names[ev], (int)slot.state);
}

static void
serve(pid_t pid, uint64_t now_us)
{
	slot.child.pid = pid;
	happens(EV_SPAWN, now_us);
	if (slot.state == SLOT_REPAIRING)
		happens(EV_FENCED, now_us);
	happens(EV_READY, now_us);
	happens(EV_SERVING, now_us);
}

START_TEST(every_event_has_an_answer_in_every_state)
{
	int from, ev;

	for (from = 0; from < SLOT_STATES; from++)
		for (ev = 0; ev < SLOT_EVENTS; ev++)
			ck_assert_msg(slot_next((enum slot_state)from,
			    (enum slot_event)ev) == want[from][ev],
			    "state %d, %s", from, slot_event_names[ev]);
}
END_TEST

START_TEST(event_that_cannot_happen_changes_nothing)
{
	struct slot before;
	int from, ev;

	for (from = 0; from < SLOT_STATES; from++)
		for (ev = 0; ev < SLOT_EVENTS; ev++) {
			if (want[from][ev] != NEVER)
				continue;
			slot.state = (enum slot_state)from;
			before = slot;
			ck_assert_int_eq(slot_event(&slot,
			    (enum slot_event)ev, 9), -EINVAL);
			ck_assert_mem_eq(&before, &slot, sizeof(slot));
		}
}
END_TEST

START_TEST(board_follows_the_state)
{
	serve(77, 1);
	ck_assert_uint_eq(atomic_load(&super.state), SLOT_SERVING);
	ck_assert_uint_ne(atomic_load(&super.since_us), 0);
	ck_assert_uint_eq(atomic_load(&super.restarts), 0);
}
END_TEST

/* Primary and successor act on dead_pid: it is the pid that died. */
START_TEST(death_names_the_dead_and_asks_for_a_successor)
{
	serve(77, 1);
	happens(EV_DIED, 2);
	ck_assert_uint_eq(atomic_load(&super.dead_pid), 77);
	ck_assert_uint_eq(atomic_load(&super.pid), 0);
	ck_assert(slot.want_spawn);
	serve(78, 3);
	ck_assert_uint_eq(atomic_load(&super.restarts), 1);
	ck_assert(!slot.want_spawn);
	ck_assert_uint_eq(slot.state, SLOT_SERVING);
}
END_TEST

START_TEST(end_in_order_is_no_death)
{
	serve(77, 1);
	happens(EV_LEFT, 2);
	ck_assert_uint_eq(slot.state, SLOT_EMPTY);
	ck_assert(slot.finished);
	ck_assert(!slot.want_spawn);
	ck_assert_uint_eq(atomic_load(&super.dead_pid), 0);
	ck_assert_uint_eq(slot.ndeaths, 0);
}
END_TEST

START_TEST(stop_reaches_the_worker_and_ends_restarts)
{
	serve(77, 1);
	happens(EV_STOP, 2);
	ck_assert_uint_eq(atomic_load(&super.stop), 1);
	/* killed while it leaves: it is not started again */
	happens(EV_DIED, 3);
	ck_assert_uint_eq(slot.state, SLOT_EMPTY);
	ck_assert(!slot.want_spawn);
	/* whoever comes next is not told to leave */
	ck_assert_uint_eq(atomic_load(&super.stop), 0);
}
END_TEST

START_TEST(stop_of_a_dead_slot_forgets_its_successor)
{
	serve(77, 1);
	happens(EV_DIED, 2);
	happens(EV_STOP, 3);
	ck_assert_uint_eq(slot.state, SLOT_EMPTY);
	ck_assert(!slot.want_spawn);
}
END_TEST

/* Who served for a while was well: however often that happens, it is no
 * loop, and nobody waits. */
START_TEST(deaths_after_a_good_life_count_alone)
{
	uint64_t now = 1000000;
	uint32_t i;

	for (i = 0; i < 3 * SLOT_DEATHS; i++) {
		serve(100 + (pid_t)i, now);
		now += SLOT_GOOD_US;
		happens(EV_DIED, now);
		ck_assert(!slot.gave_up);
		ck_assert(slot.want_spawn);
		ck_assert_uint_eq(slot.retry_us, now);
	}
}
END_TEST

/* Five deaths within ten seconds: it stays DEAD until told otherwise. */
START_TEST(crash_loop_gives_up_and_retry_begins_anew)
{
	uint64_t now = 1000000;
	uint32_t i;

	for (i = 0; i < slot.deaths_max; i++) {
		ck_assert(!slot.gave_up);
		serve(100 + (pid_t)i, now);
		now += SLOT_GOOD_US - 1;
		happens(EV_DIED, now);
	}
	ck_assert(slot.gave_up);
	ck_assert(!slot.want_spawn);
	ck_assert_uint_eq(slot.state, SLOT_DEAD);
	happens(EV_RETRY, now);
	ck_assert(!slot.gave_up);
	ck_assert(slot.want_spawn);
	serve(200, now);
	happens(EV_DIED, now + 1);
	ck_assert(slot.want_spawn);
}
END_TEST

START_TEST(rare_deaths_are_no_crash_loop)
{
	uint64_t now = 0;
	uint32_t i;

	for (i = 0; i < 50; i++) {
		serve(100 + (pid_t)i, now);
		/* the fifth comes just when the first is ten seconds old */
		now += slot.window_us / (slot.deaths_max - 1);
		happens(EV_DIED, now);
		ck_assert_msg(!slot.gave_up, "death %u", i);
		ck_assert(slot.want_spawn);
	}
}
END_TEST

START_TEST(slot_without_a_board_works)
{
	slot_init(&slot, 0, NULL);
	serve(77, 1);
	happens(EV_DIED, 2);
	ck_assert_uint_eq(slot.state, SLOT_DEAD);
}
END_TEST

struct death {
	int code, value;
	enum slot_kill why;
	const char *text;
};

static const struct death deaths[] = {
	{ CLD_KILLED, SIGSEGV, KILL_NONE, "killed by SIGSEGV" },
	{ CLD_DUMPED, SIGABRT, KILL_NONE, "SIGABRT, core dump" },
	{ CLD_KILLED, SIGKILL, KILL_NONE, "killed by SIGKILL" },
	{ CLD_EXITED, 0, KILL_NONE, "exit status 0" },
	{ CLD_EXITED, 127, KILL_NONE, "exit status 127" },
	{ CLD_KILLED, 44, KILL_NONE, "killed by signal 44" },
	{ CLD_KILLED, SIGKILL, KILL_HANG, "hung: killed" },
	{ CLD_KILLED, SIGKILL, KILL_SLOW_START,
	  "slow start: killed" },
	{ CLD_KILLED, SIGKILL, KILL_SLOW_STOP, "slow end: killed" },
	{ CHILD_UNKNOWN, 0, KILL_NONE, "exit status unknown" },
	{ CHILD_UNKNOWN, 1, KILL_NONE, "ended in order" },
};

START_TEST(death_is_told_in_words)
{
	char buf[64];

	slot_death_text(buf, sizeof(buf), deaths[_i].code, deaths[_i].value,
	    deaths[_i].why);
	ck_assert_str_eq(buf, deaths[_i].text);
	/* a table's last column has room for it */
	ck_assert_uint_le(strlen(buf), SLOT_DEATH_COLS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_slot");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, every_event_has_an_answer_in_every_state);
	tcase_add_test(t, event_that_cannot_happen_changes_nothing);
	tcase_add_test(t, board_follows_the_state);
	tcase_add_test(t, death_names_the_dead_and_asks_for_a_successor);
	tcase_add_test(t, end_in_order_is_no_death);
	tcase_add_test(t, stop_reaches_the_worker_and_ends_restarts);
	tcase_add_test(t, stop_of_a_dead_slot_forgets_its_successor);
	tcase_add_test(t, deaths_after_a_good_life_count_alone);
	tcase_add_test(t, crash_loop_gives_up_and_retry_begins_anew);
	tcase_add_test(t, rare_deaths_are_no_crash_loop);
	tcase_add_test(t, slot_without_a_board_works);
	tcase_add_loop_test(t, death_is_told_in_words, 0,
	    (int)(sizeof(deaths) / sizeof(deaths[0])));
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
