/*
 * board: the file that all processes of an instance map (common/board.h).
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/board.h"

static char run[64];		/* $STARFISH_RUN */
static char path[128];		/* of the board of instance "unit" */

/* A runtime directory of our own, below where. */
static void
make_run(const char *where)
{
	char dir[96];

	snprintf(run, sizeof(run), "%s/starfish-test-XXXXXX", where);
	ck_assert_ptr_nonnull(mkdtemp(run));
	snprintf(dir, sizeof(dir), "%s/unit", run);
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/board", dir);
	ck_assert_int_eq(setenv("STARFISH_RUN", run, 1), 0);
}

static void
setup(void)
{
	make_run("/tmp");
}

static void
teardown(void)
{
	char dir[96];

	board_unlink("unit");
	snprintf(dir, sizeof(dir), "%s/unit", run);
	rmdir(dir);
	rmdir(run);
}

static struct board *
create(void)
{
	struct board *b;

	ck_assert_int_eq(board_create(&b, "unit"), 0);
	return b;
}

/* ---- the file ----------------------------------------------------------- */

START_TEST(what_the_primary_writes_others_read)
{
	struct board *b = create(), *r;

	b->head.generation = 7;
	ck_assert_int_eq(board_open(&r, "unit", 0, 0), 0);
	ck_assert_uint_eq(r->head.magic, BOARD_MAGIC);
	ck_assert_uint_eq(r->head.layout, layout_hash);
	ck_assert_str_eq(r->head.build, build_version);
	ck_assert_uint_eq(r->head.generation, 7);
	ck_assert_uint_eq(atomic_load(&r->head.state), PRIMARY_NONE);
	atomic_store(&b->head.state, PRIMARY_READY);
	ck_assert_uint_eq(atomic_load(&r->head.state), PRIMARY_READY);
	board_close(r);
	board_close(b);
}
END_TEST

START_TEST(a_peer_that_opens_for_writing_is_seen)
{
	struct board *b = create(), *w;

	ck_assert_int_eq(board_open(&w, "unit", 1, 0), 0);
	atomic_store(&w->slot[3].super.pid, 1234);
	ck_assert_uint_eq(atomic_load(&b->slot[3].super.pid), 1234);
	board_close(w);
	board_close(b);
}
END_TEST

/* Counters on a disk-backed file would wait for its journal. */
START_TEST(the_board_lies_in_memory_wherever_the_directory_is)
{
	static const char *const where[] = { "/tmp", "/dev/shm" };
	struct board *b;
	struct statfs fs;

	teardown();
	make_run(where[_i]);
	b = create();
	ck_assert_int_eq(statfs(path, &fs), 0);
	ck_assert_int_eq((long)fs.f_type, TMPFS_MAGIC);
	board_close(b);
}
END_TEST

START_TEST(unlink_removes_file_and_link)
{
	char real[PATH_MAX];
	struct board *b = create();
	struct stat st;

	ck_assert_ptr_nonnull(realpath(path, real));
	board_close(b);
	ck_assert_int_eq(board_unlink("unit"), 0);
	ck_assert_int_eq(lstat(path, &st), -1);
	ck_assert_int_eq(lstat(real, &st), -1);
	ck_assert_int_eq(board_unlink("unit"), -ENOENT);
}
END_TEST

START_TEST(two_directories_may_hold_instances_of_one_name)
{
	struct board *a = create(), *b, *r;
	char first[64];

	memcpy(first, run, sizeof(first));
	make_run("/tmp");
	b = create();
	a->head.generation = 1;
	b->head.generation = 2;
	ck_assert_int_eq(board_open(&r, "unit", 0, 0), 0);
	ck_assert_uint_eq(r->head.generation, 2);
	board_close(r);
	teardown();
	snprintf(run, sizeof(run), "%s", first);
	snprintf(path, sizeof(path), "%s/unit/board", run);
	setenv("STARFISH_RUN", run, 1);
	ck_assert_int_eq(board_open(&r, "unit", 0, 0), 0);
	ck_assert_uint_eq(r->head.generation, 1);
	board_close(r);
	board_close(a);
	board_close(b);
}
END_TEST

START_TEST(a_new_board_replaces_the_old_and_leaves_its_mappings)
{
	struct board *a = create(), *b;

	a->head.generation = 1;
	b = create();
	ck_assert_uint_eq(b->head.generation, 0);
	ck_assert_uint_eq(a->head.generation, 1);
	board_close(a);
	board_close(b);
}
END_TEST

/* ---- what is refused ---------------------------------------------------- */

START_TEST(an_instance_that_does_not_exist_is_enoent)
{
	struct board *b;

	ck_assert_int_eq(board_open(&b, "unit", 0, 0), -ENOENT);
	ck_assert_int_eq(board_open(&b, "nobody", 0, 0), -ENOENT);
	ck_assert_int_eq(board_create(&b, "nobody"), -ENOENT);
}
END_TEST

START_TEST(a_foreign_or_short_file_is_eproto)
{
	static const size_t sizes[] = { 0, 10, sizeof(struct board_head) - 1,
	    sizeof(struct board_head), sizeof(struct board) };
	struct board *b;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)sizes[_i]), 0);
	close(fd);
	ck_assert_int_eq(board_open(&b, "unit", 0, 1), -EPROTO);
}
END_TEST

START_TEST(a_cut_board_is_eproto)
{
	struct board *b = create(), *r;

	board_close(b);
	ck_assert_int_eq(truncate(path, sizeof(struct board_head) + 100), 0);
	ck_assert_int_eq(board_open(&r, "unit", 0, 1), -EPROTO);
}
END_TEST

START_TEST(another_layout_is_estale_unless_any_will_do)
{
	struct board *b = create(), *r;

	b->head.layout ^= 1;
	ck_assert_int_eq(board_open(&r, "unit", 0, 0), -ESTALE);
	ck_assert_int_eq(board_open(&r, "unit", 0, 1), 0);
	board_close(r);
	board_close(b);
}
END_TEST

START_TEST(another_size_is_estale)
{
	struct board *b = create(), *r;

	b->head.size += 4096;
	ck_assert_int_eq(truncate(path, (off_t)b->head.size), 0);
	ck_assert_int_eq(board_open(&r, "unit", 0, 0), -ESTALE);
	ck_assert_int_eq(board_open(&r, "unit", 0, 1), -ESTALE);
	board_close(b);
}
END_TEST

/* ---- events ------------------------------------------------------------- */

START_TEST(the_last_events_are_kept)
{
	struct board *b = create();
	struct board_events *ev = &b->events;
	uint32_t i;

	for (i = 0; i < BOARD_EVENTS + 6; i++)
		board_event(ev, i, 1, "number %u", i);
	ck_assert_uint_eq(atomic_load(&ev->n), BOARD_EVENTS + 6);
	for (i = 6; i < BOARD_EVENTS + 6; i++)
		ck_assert_uint_eq(ev->e[i % BOARD_EVENTS].slot, i);
	ck_assert_str_eq(ev->e[5].text, "number 69");
	ck_assert_uint_eq(ev->e[5].level, 1);
	board_close(b);
}
END_TEST

START_TEST(a_long_event_is_cut)
{
	struct board *b = create();
	char text[300];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	board_event(&b->events, BOARD_NONE, 0, "%s", text);
	ck_assert_uint_eq(strlen(b->events.e[0].text),
	    sizeof(b->events.e[0].text) - 1);
	board_close(b);
}
END_TEST

/* ---- processes ---------------------------------------------------------- */

START_TEST(a_process_is_known_by_pid_and_start)
{
	uint64_t start = board_pid_start(getpid());

	ck_assert_uint_ne(start, 0);
	ck_assert_int_eq(board_pid_alive(getpid(), start), 1);
	ck_assert_int_eq(board_pid_alive(getpid(), start + 1), 0);
	ck_assert_int_eq(board_pid_alive(getpid(), 0), 0);
	ck_assert_int_eq(board_pid_alive(0, start), 0);
}
END_TEST

/* A zombie serves nobody, though the kernel still lists it. */
START_TEST(a_process_that_ended_is_not_alive)
{
	siginfo_t si;
	uint64_t start;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	start = board_pid_start(pid);
	ck_assert_int_eq(board_pid_alive(pid, start), 1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(board_pid_alive(pid, start), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_uint_eq(board_pid_start(pid), 0);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
	char buf[32], name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(board_dir(buf, sizeof(buf), name), -ENAMETOOLONG);
	ck_assert_int_eq(board_unlink(name), -ENAMETOOLONG);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("board");
	TCase *t = tcase_create("board");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_the_primary_writes_others_read);
	tcase_add_test(t, a_peer_that_opens_for_writing_is_seen);
	tcase_add_loop_test(t,
	    the_board_lies_in_memory_wherever_the_directory_is, 0, 2);
	tcase_add_test(t, unlink_removes_file_and_link);
	tcase_add_test(t, two_directories_may_hold_instances_of_one_name);
	tcase_add_test(t,
	    a_new_board_replaces_the_old_and_leaves_its_mappings);
	tcase_add_test(t, an_instance_that_does_not_exist_is_enoent);
	tcase_add_loop_test(t, a_foreign_or_short_file_is_eproto, 0, 5);
	tcase_add_test(t, a_cut_board_is_eproto);
	tcase_add_test(t, another_layout_is_estale_unless_any_will_do);
	tcase_add_test(t, another_size_is_estale);
	tcase_add_test(t, the_last_events_are_kept);
	tcase_add_test(t, a_long_event_is_cut);
	tcase_add_test(t, a_process_is_known_by_pid_and_start);
	tcase_add_test(t, a_process_that_ended_is_not_alive);
	tcase_add_test(t, a_name_that_is_too_long_is_refused);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
