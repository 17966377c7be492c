/*
 * Which program files the control tool opens on a worker's word.
 */
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../../tools/starfish/trust.c"

static char dir[] = "/tmp/starfish-trust-XXXXXX";
static char path[PATH_MAX];

static const char *
in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
make_file(const char *name, mode_t mode)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	static const char *const names[] = { "fifo", "link", "file", "open",
	    "theirs" };
	uint32_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	rmdir(dir);
}

START_TEST(a_program_of_ours_is_opened)
{
	int fd;

	make_file("file", 0755);
	fd = trust_open(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}
END_TEST

/* Check's own time limit ends the test if it waits for a writer. */
START_TEST(a_fifo_does_not_stop_who_looks)
{
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_int_eq(trust_open(path), -EINVAL);
}
END_TEST

START_TEST(a_link_leads_nowhere)
{
	ck_assert_int_eq(symlink("/proc/self/exe", in_dir("link")), 0);
	ck_assert_int_eq(trust_open(path), -ELOOP);
}
END_TEST

START_TEST(what_is_no_file_by_its_full_name_is_refused)
{
	ck_assert_int_eq(trust_open(dir), -EINVAL);
	ck_assert_int_eq(trust_open("/dev/zero"), -EINVAL);
	ck_assert_int_eq(trust_open("bin/starfish-worker"), -EINVAL);
	ck_assert_int_eq(trust_open(""), -EINVAL);
	ck_assert_int_eq(trust_open(in_dir("absent")), -ENOENT);
}
END_TEST

START_TEST(what_others_can_write_is_refused)
{
	make_file("open", 0757);
	ck_assert_int_eq(trust_open(path), -EPERM);
	if (geteuid() != 0)
		return;		/* only root can give files away */
	make_file("theirs", 0755);
	ck_assert_int_eq(chown(path, 65534, 65534), 0);
	ck_assert_int_eq(trust_open(path), -EPERM);
}
END_TEST

START_TEST(the_kernel_says_what_a_process_runs)
{
	char is[PATH_MAX], said[PATH_MAX], few[4];
	ssize_t n = readlink("/proc/self/exe", is, sizeof(is) - 1);
	int fd;

	ck_assert_int_gt(n, 0);
	is[n] = '\0';
	fd = trust_program(getpid(), said, sizeof(said));
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_str_eq(said, is);
	ck_assert_int_eq(trust_program(getpid(), few, sizeof(few)),
	    -ENAMETOOLONG);
}
END_TEST

/* A build replaces programs that run: the file is the old one, its name that
 * of the new one. */
START_TEST(a_program_built_anew_is_still_what_runs)
{
	char cmd[2 * PATH_MAX + 64], said[PATH_MAX];
	struct stat was, is;
	int status, fd;
	pid_t pid;

	snprintf(cmd, sizeof(cmd), "cp /bin/sleep %s", in_dir("file"));
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_int_eq(stat(path, &was), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		execl(path, "sleep", "60", (char *)NULL);
		_exit(127);
	}
	/* until it has become that program */
	while ((fd = trust_program(pid, said, sizeof(said))) >= 0 &&
	    strcmp(said, path) != 0) {
		close(fd);
		ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	}
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	make_file("file", 0755);
	fd = trust_program(pid, said, sizeof(said));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &is), 0);
	ck_assert_uint_eq(is.st_ino, was.st_ino);
	ck_assert_str_eq(said, path);
	close(fd);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_trust");
	TCase *t = tcase_create("trust");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_program_of_ours_is_opened);
	tcase_add_test(t, a_fifo_does_not_stop_who_looks);
	tcase_add_test(t, a_link_leads_nowhere);
	tcase_add_test(t, what_is_no_file_by_its_full_name_is_refused);
	tcase_add_test(t, what_others_can_write_is_refused);
	tcase_add_test(t, the_kernel_says_what_a_process_runs);
	tcase_add_test(t, a_program_built_anew_is_still_what_runs);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
