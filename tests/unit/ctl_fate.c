/*
 * What a new supervisor makes of a slot that nobody watched over for a while.
 */
#include <check.h>
#include <stdlib.h>

#include "../../tools/starfish/fate.c"

#define S(s)	SLOT_##s
#define P(p)	PHASE_##p
#define F(f)	FATE_##f

struct row {
	const char *claim;
	struct fate_facts b;
	struct fate want;
};

/* super state, super pid, dead pid, worker pid, phase, epoch, super alive,
 * worker alive, stale */
static const struct row rows[] = {
	{ "who serves, serves on",
	  { S(SERVING), 7, 0, 7, P(SERVING), 1, 1, 1, 1 },
	  { F(SITS), S(SERVING), 7 } },
	{ "who waits for the primary is in repair",
	  { S(REPAIRING), 7, 5, 7, P(WAITING), 2, 1, 1, 0 },
	  { F(SITS), S(REPAIRING), 7 } },
	{ "who became ready unseen is ready",
	  { S(STARTING), 7, 0, 7, P(READY), 1, 1, 1, 0 },
	  { F(SITS), S(READY), 7 } },
	{ "who did not speak yet is starting, whatever the dead one said",
	  { S(DEAD), 8, 7, 7, P(SERVING), 1, 1, 0, 0 },
	  { F(SITS), S(STARTING), 8 } },
	{ "who did not speak yet may be in repair",
	  { S(REPAIRING), 8, 7, 7, P(SERVING), 1, 1, 0, 0 },
	  { F(SITS), S(REPAIRING), 8 } },
	{ "who was started by hand meanwhile is accepted",
	  { S(SERVING), 7, 7, 9, P(SERVING), 2, 0, 1, 1 },
	  { F(SITS), S(SERVING), 9 } },
	{ "a phase that does not exist is a start",
	  { S(SERVING), 7, 0, 7, 200, 1, 1, 1, 1 },
	  { F(SITS), S(STARTING), 7 } },
	{ "who died while it served is buried",
	  { S(SERVING), 7, 0, 7, P(SERVING), 1, 0, 0, 1 },
	  { F(DIED), S(SERVING), 7 } },
	{ "who died before it spoke is buried",
	  { S(DEAD), 8, 7, 7, P(SERVING), 1, 0, 0, 1 },
	  { F(DIED), S(SERVING), 8 } },
	{ "a supervisor killed half-way through a burial is no obstacle",
	  { S(SERVING), 0, 7, 7, P(SERVING), 1, 0, 0, 1 },
	  { F(DIED), S(SERVING), 7 } },
	{ "who was started by hand and died is buried",
	  { S(EMPTY), 0, 0, 9, P(SERVING), 1, 0, 0, 1 },
	  { F(DIED), S(SERVING), 9 } },
	{ "who ended in order left",
	  { S(SERVING), 7, 0, 7, P(LEAVING), 1, 0, 0, 1 },
	  { F(LEFT), S(SERVING), 7 } },
	{ "who was done said so last of all",
	  { S(SERVING), 7, 0, 7, P(NONE), 1, 0, 0, 1 },
	  { F(LEFT), S(SERVING), 7 } },
	{ "who is about to be gone counts as one that served",
	  { S(SERVING), 7, 0, 7, P(NONE), 1, 1, 1, 1 },
	  { F(SITS), S(SERVING), 7 } },
	{ "whose start failed did not end in order",
	  { S(STARTING), 7, 0, 7, P(NONE), 1, 0, 0, 1 },
	  { F(DIED), S(SERVING), 7 } },
	{ "a leaving one's successor that died did not leave",
	  { S(REPAIRING), 8, 7, 7, P(LEAVING), 1, 0, 0, 0 },
	  { F(DIED), S(SERVING), 8 } },
	{ "a death of just now waits for its restart",
	  { S(DEAD), 0, 7, 7, P(SERVING), 1, 0, 0, 0 },
	  { F(START), S(DEAD), 0 } },
	{ "an old death was one of too many",
	  { S(DEAD), 0, 7, 7, P(SERVING), 9, 0, 0, 1 },
	  { F(GAVE_UP), S(DEAD), 0 } },
	{ "whose turn had not come is started",
	  { S(EMPTY), 0, 0, 0, P(NONE), 0, 0, 0, 1 },
	  { F(START), S(EMPTY), 0 } },
	{ "who finished before stays away",
	  { S(EMPTY), 0, 0, 7, P(LEAVING), 1, 0, 0, 1 },
	  { F(FINISHED), S(EMPTY), 0 } },
};

START_TEST(fate_follows_from_the_board)
{
	const struct row *r = &rows[_i];
	struct fate f;

	fate_judge(&f, &r->b);
	ck_assert_msg(f.what == r->want.what && f.state == r->want.state &&
	    f.pid == r->want.pid, "%s: fate %d, state %d, pid %u", r->claim,
	    (int)f.what, (int)f.state, f.pid);
}
END_TEST

/* Whatever the words are, a living process is kept and a dead one is not. */
START_TEST(only_the_living_sit)
{
	struct fate_facts b = { .worker_pid = 7, .epoch = 1 };
	struct fate f;
	uint32_t i;

	for (i = 0; i < SLOT_STATES * PHASES * 16; i++) {
		b.super_state = i % SLOT_STATES;
		b.phase = i / SLOT_STATES % PHASES;
		b.super_pid = (i / SLOT_STATES / PHASES & 1) != 0 ? 8 : 0;
		b.super_alive = b.super_pid != 0 &&
		    (i / SLOT_STATES / PHASES & 2) != 0;
		b.dead_pid = (i / SLOT_STATES / PHASES & 4) != 0 ? 7 : 0;
		b.stale = (i / SLOT_STATES / PHASES & 8) != 0;
		fate_judge(&f, &b);
		ck_assert_int_eq(f.what == FATE_SITS, b.super_alive);
		ck_assert_int_eq(f.pid != 0, f.what == FATE_SITS ||
		    f.what == FATE_DIED || f.what == FATE_LEFT);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_fate");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, fate_follows_from_the_board, 0,
	    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, only_the_living_sit);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
