#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "../../common/start.h"

#define TAIL_BYTES	2000	/* of a log that is shown */

/* The path of a program: beside ours, unless it is whole. */
static int
find(const char *program, char *buf, size_t len)
{
	char self[PATH_MAX], *slash;
	ssize_t n;

	if (program[0] == '/')
		return strlcpy(buf, program, len) >= len ? -ENAMETOOLONG : 0;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = '\0';
	if ((size_t)snprintf(buf, len, "%s/%s", self, program) >= len)
		return -ENAMETOOLONG;
	return 0;
}

int
child_hold(const char *program)
{
	char path[PATH_MAX];

	if (find(program, path, sizeof(path)) < 0)
		return -1;
	return open(path, O_PATH | O_CLOEXEC);
}

/* By its name, so that it bears one, unless another file has that now. */
static void
run(const char *path, int held, char *const argv[])
{
	struct stat was, is;

	if (held >= 0 && fstat(held, &was) == 0 && (stat(path, &is) < 0 ||
	    is.st_dev != was.st_dev || is.st_ino != was.st_ino))
		execveat(held, "", argv, environ, AT_EMPTY_PATH);
	execv(path, argv);
}

/* What is started, and what it gets. */
struct start {
	char path[PATH_MAX];
	int held;		/* its file; -1 */
	const char *log;
	int notify_fd;
};

/* In the new process: become the program, or end with status 127. */
static void
become(const struct child *c, const struct start *st, char *const argv[],
    char *const env[])
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int fd, i;

	setsid();
	/* ours is for us: we sleep, and are in a hurry when we do not */
	setpriority(PRIO_PROCESS, 0, 0);
	setpriority(PRIO_PROCESS, 0, c->nice);
	for (i = 1; i < SIGRTMIN; i++)
		sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDONLY);
	if (fd >= 0)
		dup2(fd, 0);
	fd = open(st->log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
	}
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	fcntl(st->notify_fd, F_SETFD, 0);
	/* it would move DPDK's files away from where they are looked for */
	unsetenv("RUNTIME_DIRECTORY");
	for (i = 0; env != NULL && env[i] != NULL; i++)
		putenv(env[i]);
	start_nofile();
	run(st->path, st->held, argv);
	dprintf(2, "%s: %s\n", st->path, strerror(errno));
	_exit(127);
}

static int
spawn(struct child *c, const struct start *st, char *const argv[],
    char *const env[])
{
	pid_t pid;
	int err;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(c, st, argv, env);
	c->pid = pid;
	c->pidfd = pidfd_open(pid, 0);
	if (c->pidfd >= 0)
		return 0;
	err = -errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	c->pid = 0;
	return err;
}

int
child_spawn_env(struct child *c, char *const argv[], char *const env[],
    const char *log, int notify_fd)
{
	struct start st = { .held = -1, .log = log, .notify_fd = notify_fd };
	int err = find(argv[0], st.path, sizeof(st.path));

	if (err == 0 && access(st.path, X_OK) < 0)
		err = -errno;
	return err < 0 ? err : spawn(c, &st, argv, env);
}

int
child_spawn_held(struct child *c, int held, char *const argv[],
    const char *log, int notify_fd)
{
	struct start st = { .held = held, .log = log,
	    .notify_fd = notify_fd };
	int err = find(argv[0], st.path, sizeof(st.path));

	if (err == 0 && held < 0 && access(st.path, X_OK) < 0)
		err = -errno;
	return err < 0 ? err : spawn(c, &st, argv, NULL);
}

int
child_reap(struct child *c, struct child_end *end)
{
	struct pollfd pf = { c->pidfd, POLLIN, 0 };
	siginfo_t si = { .si_pid = 0 };

	if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG |
	    WNOWAIT) == 0) {
		if (si.si_pid == 0)
			return -EAGAIN;
		end->code = si.si_code;
		end->value = si.si_status;
	} else if (errno == ECHILD) {
		if (poll(&pf, 1, 0) <= 0)
			return -EAGAIN;
		end->code = CHILD_UNKNOWN;
		end->value = 0;
	} else {
		return -errno;
	}
	close(c->pidfd);
	c->pidfd = -1;
	return 0;
}

void
child_bury(pid_t pid)
{
	waitpid(pid, NULL, WNOHANG);
}

void
child_kill(const struct child *c, int sig)
{
	if (c->pidfd >= 0)
		pidfd_send_signal(c->pidfd, sig, NULL, 0);
}

void
child_log_tail(const char *log)
{
	char buf[TAIL_BYTES + 1], *line, *next;
	off_t size;
	ssize_t n;
	int fd;

	fd = open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	n = pread(fd, buf, TAIL_BYTES, size > TAIL_BYTES ?
	    size - TAIL_BYTES : 0);
	close(fd);
	if (n <= 0)
		return;
	buf[n] = '\0';
	line = buf;
	if (size > TAIL_BYTES && (next = strchr(buf, '\n')) != NULL)
		line = next + 1;	/* the first one is cut */
	while ((next = strsep(&line, "\n")) != NULL)
		if (next[0] != '\0')
			fprintf(stderr, "    %s\n", next);
}
