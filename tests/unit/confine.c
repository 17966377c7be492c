/*
 * What is left to a worker once it is confined: each claim in a process of
 * its own, which is killed by SIGSYS where the filter forbids a call.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "../../secondary/confine.h"

static const struct conf_security nobody = {
	.user = "nobody", .seccomp = SECCOMP_KILL, .uid = 65534, .gid = 65534
};

/* Each answers 0 when it did what it is named after. */
static int
open_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0;
}

static int
run_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int
fork_process(void)
{
	return fork() < 0;
}

static int
trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0;
}

static int
kill_parent(void)
{
	return kill(getppid(), 0) < 0;
}

static int
become_root(void)
{
	return setuid(0) < 0;
}

static int
map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int
mount_something(void)
{
	return (int)syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL);
}

static int
remove_file(void)
{
	return unlink("/tmp/starfish-none") < 0;
}

static int
sleep_and_read_clock(void)
{
	struct timespec t = { 0, 1000 };

	return nanosleep(&t, NULL) < 0 || clock_gettime(CLOCK_MONOTONIC, &t);
}

static int
use_heap(void)
{
	char *p = malloc(8u << 20);	/* large: mmap */

	if (p == NULL)
		return 1;
	memset(p, 1, 8u << 20);
	free(p);
	return 0;
}

/* glibc moves large blocks by mremap: no turn does, but a library might. */
static int
grow_heap(void)
{
	char *p = malloc(1u << 20), *q;

	if (p == NULL)
		return 1;
	memset(p, 1, 1u << 20);
	q = realloc(p, 64u << 20);
	if (q == NULL)
		return 1;
	free(q);
	return 0;
}

static int
write_line(void)
{
	return write(STDERR_FILENO, "", 0) < 0;
}

static int
read_world_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0;
}

static const struct {
	const char *what;
	int (*fn)(void);
	int is_killed;
} calls[] = {
	{ "a socket", open_socket, 1 },
	{ "a program", run_program, 1 },
	{ "a process", fork_process, 1 },
	{ "ptrace", trace_parent, 1 },
	{ "a signal to another", kill_parent, 1 },
	{ "setuid", become_root, 1 },
	{ "memory that can be executed", map_code, 1 },
	{ "a mount", mount_something, 1 },
	{ "unlink", remove_file, 1 },
	{ "sleep and clock", sleep_and_read_clock, 0 },
	{ "heap", use_heap, 0 },
	{ "a larger block", grow_heap, 0 },
	{ "log", write_line, 0 },
	{ "what all may read", read_world_file, 0 },
};

/* Exit status of fn in a confined process; 128 + its signal; 99: it could
 * not be confined. */
static int
confined(int (*fn)(void), const struct conf_security *c)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (confine(c) < 0)
			_exit(99);
		_exit(fn() != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

START_TEST(calls_that_no_turn_needs_kill)
{
	int r = confined(calls[_i].fn, &nobody);

	ck_assert_msg(r == (calls[_i].is_killed ? 128 + SIGSYS : 0),
	    "%s: %d", calls[_i].what, r);
}
END_TEST

static int
is_nobody(void)
{
	/* what getresuid() would say, the filter lets nobody ask: a file of
	 * root's alone can't be opened, and no capability opens it */
	return open("/etc/shadow", O_RDONLY) >= 0 || errno != EACCES;
}

START_TEST(root_becomes_the_configured_user)
{
	if (geteuid() != 0)
		return;		/* there is no right to lose */
	ck_assert_int_eq(confined(is_nobody, &nobody), 0);
}
END_TEST

/* With seccomp off: who we are, and that nothing comes back. */
static int
has_no_rights(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &head, d) < 0)
		return 1;
	if (d[0].effective | d[1].effective | d[0].permitted |
	    d[1].permitted | d[0].inheritable | d[1].inheritable)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0)
		return 1;
	return setuid(0) == 0 || getuid() != 65534 || getgid() != 65534 ||
	    getgroups(0, NULL) != 0;
}

START_TEST(no_capability_is_left_and_none_comes_back)
{
	struct conf_security c = nobody;

	if (geteuid() != 0)
		return;
	c.seccomp = SECCOMP_OFF;
	ck_assert_int_eq(confined(has_no_rights, &c), 0);
}
END_TEST

START_TEST(a_user_called_root_stays_root_under_the_filter)
{
	struct conf_security c = { .user = "root", .seccomp = SECCOMP_KILL };

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(confined(use_heap, &c), 0);
	ck_assert_int_eq(confined(open_socket, &c), 128 + SIGSYS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("confine");
	TCase *t = tcase_create("confine");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, calls_that_no_turn_needs_kill, 0,
	    sizeof(calls) / sizeof(calls[0]));
	tcase_add_test(t, root_becomes_the_configured_user);
	tcase_add_test(t, no_capability_is_left_and_none_comes_back);
	tcase_add_test(t, a_user_called_root_stays_root_under_the_filter);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
