/*
 * The writer of files: what lies in its ring is another process's.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "../../secondary/io/save.h"

#define HEAD	232u		/* of a piece: before its data */

static char dir[] = "/tmp/save.XXXXXX";
static char long_name[SAVE_NAME];
static struct save_ring *ring;
static struct save worker;
static int fd[3];		/* ring, pipe's end of the writer, directory */

static void
setup(void)
{
	int p[2];

	memset(long_name, 'c', SAVE_NAME - 1);
	memset(dir + strlen(dir) - 6, 'X', 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd[0] = memfd_create("ring", 0);
	ck_assert_int_eq(ftruncate(fd[0], sizeof(*ring)), 0);
	ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd[0], 0);
	ck_assert_ptr_ne(ring, MAP_FAILED);
	ck_assert_int_eq(pipe(p), 0);
	fd[1] = p[0];
	fd[2] = open(dir, O_RDONLY | O_DIRECTORY);
	worker = (struct save){ .ring = ring, .pipe = p[1] };
}

static void
teardown(void)
{
	const char *const names[] = { "a", "b", long_name };
	uint32_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(fd[2], names[i], 0);
	rmdir(dir);
	for (i = 0; i < 3; i++)
		close(fd[i]);
	munmap(ring, sizeof(*ring));
}

/* Let the writer do what lies in the ring; its exit status, or -1. */
static int
run(void)
{
	char *argv[] = { (char *)(uintptr_t)"worker",
	    (char *)(uintptr_t)"--writer", NULL };
	int status, i, up[3];
	pid_t pid;

	close(worker.pipe);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 3; i++)
			up[i] = fcntl(fd[i], F_DUPFD, 64);
		for (i = 0; i < 3; i++)
			dup2(up[i], 3 + i);
		alarm(10);
		_exit(save_writer(2, argv));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
put(const char *name, const char *text, enum svc_save_end end)
{
	struct svc_save p = { .name = name, .data = text,
	    .len = (uint32_t)strlen(text), .end = end };

	ck_assert(save_piece(&worker, &p));
}

static void
set32(uint32_t at, uint32_t v)
{
	memcpy(ring->data + at, &v, sizeof(v));
}

static bool
is_there(const char *name)
{
	struct stat st;

	return fstatat(fd[2], name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(pieces_become_files)
{
	put("a", "hello", SVC_SAVE_WHOLE);
	put("b", "x", SVC_SAVE_MORE);
	put("b", "", SVC_SAVE_DROP);
	ck_assert_int_eq(run(), 0);
	ck_assert(is_there("a"));
	ck_assert(!is_there("b") && !is_there("b.part"));
	ck_assert_uint_eq(ring->whole, 1);
	ck_assert_uint_eq(ring->failed, 0);
}
END_TEST

/* A piece whose words are wrong: all that lies behind it is thrown away. */
static const struct {
	uint32_t at, v;
} wrong[] = {
	{ 8, 0 },			/* no step on: for ever */
	{ 8, 12 }, { 8, HEAD + 7 }, { 8, 0x80000000u },
	{ 8, SAVE_BYTES }, { 8, HEAD + 4096 },
	{ 12, 4096 }, { 12, 0xfffffff0u },	/* data behind its end */
	{ 16, 7 },
};

START_TEST(a_damaged_piece_is_not_believed)
{
	put("a", "hello", SVC_SAVE_WHOLE);
	put("b", "hello", SVC_SAVE_WHOLE);
	set32(wrong[_i].at, wrong[_i].v);
	ck_assert_int_eq(run(), 0);
	ck_assert(!is_there("a") && !is_there("b"));
	ck_assert_uint_eq(ring->failed, 1);
	ck_assert_uint_eq(ring->cons, ring->prod);
}
END_TEST

START_TEST(a_name_stays_in_the_directory)
{
	put("../save-out", "hello", SVC_SAVE_WHOLE);
	put(".hidden", "hello", SVC_SAVE_WHOLE);
	put("c", "hello", SVC_SAVE_WHOLE);
	/* no end of its name in sight */
	memset(ring->data + 2 * (HEAD + 8) + 20, 'c', SAVE_NAME);
	ck_assert_int_eq(run(), 0);
	ck_assert(!is_there("../save-out") && !is_there(".hidden"));
	ck_assert_uint_eq(ring->failed, 2);
	ck_assert(is_there(long_name));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("save");
	TCase *tc = tcase_create("save");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, pieces_become_files);
	tcase_add_loop_test(tc, a_damaged_piece_is_not_believed, 0,
	    (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(tc, a_name_stays_in_the_directory);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
