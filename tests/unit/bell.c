/* The bell that wakes a sleeping worker. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/bell.h"
#include "../../common/board.h"

static char run_dir[] = "/tmp/bell.XXXXXX";

static void
setup(void)
{
	char dir[BOARD_PATH];

	ck_assert_ptr_nonnull(mkdtemp(run_dir));
	setenv("STARFISH_RUN", run_dir, 1);
	ck_assert_int_eq(board_dir(dir, sizeof(dir), "test"), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}

static void
teardown(void)
{
	char dir[BOARD_PATH];

	bell_unlink("test", 3);
	ck_assert_int_eq(board_dir(dir, sizeof(dir), "test"), 0);
	/* fails if the bell is still there */
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(rmdir(run_dir), 0);
}

static int
rings(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

START_TEST(processes_that_share_a_name_share_a_bell)
{
	int sleeper = bell_open("test", 3), ringer = bell_open("test", 3);

	ck_assert_int_ge(sleeper, 0);
	ck_assert_int_ge(ringer, 0);
	ck_assert_int_eq(rings(sleeper), 0);
	bell_ring(ringer);
	ck_assert_int_eq(rings(sleeper), 1);
	bell_drain(sleeper);
	ck_assert_int_eq(rings(sleeper), 0);
	close(ringer);		/* no end of file, no hang-up */
	ck_assert_int_eq(rings(sleeper), 0);
	close(sleeper);
}
END_TEST

START_TEST(a_bell_that_nobody_hears_never_blocks_the_ringer)
{
	int fd = bell_open("test", 3), i;

	errno = 0;
	for (i = 0; i < 200000; i++)
		bell_ring(fd);
	ck_assert_int_eq(errno, 0);
	ck_assert_int_eq(rings(fd), 1);
	bell_drain(fd);
	ck_assert_int_eq(rings(fd), 0);
	close(fd);
}
END_TEST

START_TEST(only_a_sleeper_is_rung)
{
	_Atomic uint32_t asleep = 0;
	int fd = bell_open("test", 3);

	bell_call(fd, &asleep);
	ck_assert_int_eq(rings(fd), 0);
	asleep = 1;
	bell_call(fd, &asleep);
	ck_assert_int_eq(rings(fd), 1);
	close(fd);
}
END_TEST

START_TEST(a_file_in_place_of_the_bell_is_refused)
{
	char dir[BOARD_PATH], path[BOARD_PATH + 16];
	FILE *f;

	ck_assert_int_eq(board_dir(dir, sizeof(dir), "test"), 0);
	snprintf(path, sizeof(path), "%s/bell-3", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	ck_assert_int_eq(bell_open("test", 3), -EPROTO);
	ck_assert_int_eq(bell_open("no such instance", 3), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bell");
	TCase *t = tcase_create("bell");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, processes_that_share_a_name_share_a_bell);
	tcase_add_test(t, a_bell_that_nobody_hears_never_blocks_the_ringer);
	tcase_add_test(t, only_a_sleeper_is_rung);
	tcase_add_test(t, a_file_in_place_of_the_bell_is_refused);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
