/*
 * proc: looking for processes by program and log, and ending them.
 */
#include "proc.h"

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "../../common/board.h"

#define TERM_MS		5000	/* patience before SIGKILL */

/* Where a link in /proc leads; "" nowhere that we may look. */
static void
read_link(pid_t pid, const char *link, char *buf, size_t len)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, link);
	n = readlink(path, buf, len - 1);
	buf[n > 0 ? n : 0] = '\0';
}

/*
 * Whether a process runs a program of ours and writes to a log in dir. Its
 * command line says nothing: programs change their titles.
 */
static int
check_pid(pid_t pid, const char *dir, uint8_t *worker)
{
	char exe[PATH_MAX], log[PATH_MAX], *base;
	size_t n = strlen(dir);

	read_link(pid, "exe", exe, sizeof(exe));
	base = strrchr(exe, '/');
	if (base == NULL)
		return 0;
	/* " (deleted)" follows when the program was built anew */
	*worker = strncmp(base, "/starfish-worker", 16) == 0;
	if (!*worker && strncmp(base, "/starfish-primary", 17) != 0)
		return 0;
	read_link(pid, "fd/2", log, sizeof(log));
	return strncmp(log, dir, n) == 0 && log[n] == '/';
}

static int
is_listed(const struct proc p[], uint32_t n, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (p[i].pid == pid)
			return 1;
	return 0;
}

/* A process that the board names, if it lives and was not found yet. */
static uint32_t
add_from_board(struct proc p[PROC_MAX], uint32_t n, pid_t pid, uint64_t start,
    uint8_t worker)
{
	int fd;

	if (n == PROC_MAX || is_listed(p, n, pid) ||
	    !board_pid_alive(pid, start))
		return 0;
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return 0;
	if (!board_pid_alive(pid, start)) {
		close(fd);
		return 0;
	}
	p[n] = (struct proc){ pid, fd, worker };
	return 1;
}

/* Started by hand, with another configuration: the board knows of them. */
static uint32_t
find_on_board(const char *name, struct proc p[PROC_MAX], uint32_t n)
{
	struct slot_worker *w;
	struct board *b;
	uint32_t i;

	if (board_open(&b, name, 0, 0) < 0)
		return n;
	n += add_from_board(p, n, (pid_t)b->head.pid, b->head.pid_start, 0);
	for (i = 0; i < BOARD_SLOTS; i++) {
		w = &b->slot[i].worker;
		n += add_from_board(p, n, (pid_t)atomic_load(&w->pid),
		    atomic_load(&w->pid_start), 1);
	}
	board_close(b);
	return n;
}

uint32_t
proc_find(const char *name, const char *dir, struct proc p[PROC_MAX])
{
	char real[PATH_MAX];
	struct dirent *e;
	uint32_t n = 0;
	uint8_t worker;
	pid_t pid;
	DIR *d;
	int fd;

	if (realpath(dir, real) == NULL)
		return 0;
	d = opendir("/proc");
	if (d == NULL)
		return 0;
	while (n < PROC_MAX && (e = readdir(d)) != NULL) {
		pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid <= 0 || !check_pid(pid, real, &worker))
			continue;
		fd = pidfd_open(pid, 0);
		/* the pid may have passed to another process meanwhile */
		if (fd >= 0 && !check_pid(pid, real, &worker)) {
			close(fd);
			continue;
		}
		if (fd >= 0)
			p[n++] = (struct proc){ pid, fd, worker };
	}
	closedir(d);
	return find_on_board(name, p, n);
}

void
proc_close(struct proc p[], uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		close(p[i].pidfd);
}

/* Wait until all of one kind are dead, or the time is over. Who is left. */
static uint32_t
wait_dead(struct proc p[], uint32_t n, int worker, int ms)
{
	uint64_t end = board_mono_us() + (uint64_t)ms * 1000, now;
	struct pollfd pf;
	uint32_t i, left = 0;

	for (i = 0; i < n; i++) {
		if (p[i].worker != worker)
			continue;
		now = board_mono_us();
		pf = (struct pollfd){ .fd = p[i].pidfd, .events = POLLIN };
		if (poll(&pf, 1, now < end ? (int)((end - now) / 1000) : 0) <=
		    0)
			left++;
	}
	return left;
}

static void
signal_all(struct proc p[], uint32_t n, int worker, int sig)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (p[i].worker == worker)
			pidfd_send_signal(p[i].pidfd, sig, NULL, 0);
}

void
proc_end(struct proc p[], uint32_t n)
{
	int worker;

	for (worker = 1; worker >= 0; worker--) {
		signal_all(p, n, worker, SIGTERM);
		/* a stopped process takes SIGTERM only when it goes on */
		signal_all(p, n, worker, SIGCONT);
		if (wait_dead(p, n, worker, TERM_MS) == 0)
			continue;
		signal_all(p, n, worker, SIGKILL);
		wait_dead(p, n, worker, TERM_MS);
	}
}
