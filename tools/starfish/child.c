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
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "../../common/start.h"

#define TAIL_BYTES	2000	/* of a log that is shown */

/* The path of a program beside ours. */
static int
beside(const char *program, char *buf, size_t len)
{
	char self[PATH_MAX], *slash;
	ssize_t n;

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
	return access(buf, X_OK) < 0 ? -errno : 0;
}

/* In the new process: become the program, or end with status 127. */
static void
become(const char *path, char *const argv[], char *const env[],
    const char *log, int notify_fd)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int fd, i;

	setsid();
	/* ours is for us: we sleep, and are in a hurry when we do not */
	setpriority(PRIO_PROCESS, 0, 0);
	for (i = 1; i < SIGRTMIN; i++)
		sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDONLY);
	if (fd >= 0)
		dup2(fd, 0);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
	}
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	fcntl(notify_fd, F_SETFD, 0);
	/* it would move DPDK's files away from where they are looked for */
	unsetenv("RUNTIME_DIRECTORY");
	for (i = 0; env != NULL && env[i] != NULL; i++)
		putenv(env[i]);
	start_nofile();
	execv(path, argv);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

int
child_spawn(struct child *c, char *const argv[], const char *log,
    int notify_fd)
{
	return child_spawn_env(c, argv, NULL, log, notify_fd);
}

int
child_spawn_env(struct child *c, char *const argv[], char *const env[],
    const char *log, int notify_fd)
{
	char path[PATH_MAX];
	pid_t pid;
	int err = 0;

	if (argv[0][0] == '/')
		snprintf(path, sizeof(path), "%s", argv[0]);
	else
		err = beside(argv[0], path, sizeof(path));
	if (err < 0)
		return err;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(path, argv, env, log, notify_fd);
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
