#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define BOARD_FILE	"board"
#define BOARD_RUN	"/run/starfish"
#define BOARD_HOT	"/dev/shm"

int
board_dir(char *buf, size_t len, const char *name)
{
	const char *run = getenv("STARFISH_RUN");
	int n;

	if (run == NULL || run[0] == '\0')
		run = BOARD_RUN;
	n = snprintf(buf, len, "%s/%s", run, name);
	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

/* NAME/board, the name under which everybody finds the board. */
static int
board_path(char *buf, size_t len, const char *name)
{
	char dir[BOARD_PATH];
	int err, n;

	err = board_dir(dir, sizeof(dir), name);
	if (err < 0)
		return err;
	n = snprintf(buf, len, "%s/" BOARD_FILE, dir);
	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

/*
 * Where the board lies if the runtime directory is on a disk: a file of its
 * own in /dev/shm. Two runtime directories may hold instances of one name, so
 * the directory's path is in the file's name, as a hash (FNV-1a, 64 bits).
 */
static int
board_hot_path(char *buf, size_t len, const char *path, const char *name)
{
	char real[PATH_MAX];
	uint64_t h = 0xcbf29ce484222325u;
	const char *c;
	int n;

	/* the directory may be reached by several names: hash the true one */
	n = snprintf(buf, len, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (n < 0 || (size_t)n >= len)
		return -ENAMETOOLONG;
	if (realpath(buf, real) == NULL)
		return -errno;
	for (c = real; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	n = snprintf(buf, len, BOARD_HOT "/starfish-%016llx-%s",
	    (unsigned long long)h, name);
	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

/* Whether the directory of path is on a file system in memory. */
static int
board_in_memory(const char *path)
{
	struct statfs fs;
	char dir[BOARD_PATH];

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path),
	    path);
	if (statfs(dir, &fs) < 0)
		return -errno;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

/*
 * Make an empty file of the board's size under a name of its own, and let
 * *final be the name it gets when it is filled: a reader never sees half a
 * board under the final name.
 */
static int
board_file(const char *final)
{
	char tmp[BOARD_PATH + 8];
	int err, fd;

	snprintf(tmp, sizeof(tmp), "%s.new", final);
	if (unlink(tmp) < 0 && errno != ENOENT)
		return -errno;
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0640);
	if (fd < 0)
		return -errno;
	/* allocate now: a full tmpfs is an error here, not SIGBUS later */
	err = posix_fallocate(fd, 0, sizeof(struct board));
	if (err != 0) {
		unlink(tmp);
		close(fd);
		return -err;
	}
	return fd;
}

static int
board_publish(const char *final)
{
	char tmp[BOARD_PATH + 8];
	int err = 0;

	snprintf(tmp, sizeof(tmp), "%s.new", final);
	if (rename(tmp, final) < 0) {
		err = -errno;
		unlink(tmp);
	}
	return err;
}

int
board_create(struct board **bp, const char *name)
{
	char path[BOARD_PATH], hot[BOARD_PATH];
	const char *file = path;
	struct board *b;
	int err, fd, memory;

	err = board_path(path, sizeof(path), name);
	if (err < 0)
		return err;
	memory = board_in_memory(path);
	if (memory < 0)
		return memory;
	if (!memory) {
		err = board_hot_path(hot, sizeof(hot), path, name);
		if (err < 0)
			return err;
		file = hot;
	}
	fd = board_file(file);
	if (fd < 0)
		return fd;
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = b == MAP_FAILED ? -errno : 0;
	close(fd);
	if (err < 0)
		return err;
	b->head.magic = BOARD_MAGIC;
	b->head.size = sizeof(*b);
	b->head.layout = layout_hash;
	snprintf(b->head.build, sizeof(b->head.build), "%s", build_version);
	err = board_publish(file);
	if (err == 0 && !memory) {
		/* replaces an old board or link of this name */
		if ((unlink(path) < 0 && errno != ENOENT) ||
		    symlink(hot, path) < 0)
			err = -errno;
	}
	if (err < 0) {
		munmap(b, sizeof(*b));
		return err;
	}
	*bp = b;
	return 0;
}

int
board_open(struct board **bp, const char *name, int write, int any_layout)
{
	char path[BOARD_PATH];
	struct board *b;
	struct stat st;
	int err, fd;

	err = board_path(path, sizeof(path), name);
	if (err < 0)
		return err;
	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
		goto close_fd;
	}
	/* Another build's board may have another size: its head is then all
	 * that can be looked at, and that only with a mapping of ours. */
	err = -EPROTO;
	if (!S_ISREG(st.st_mode) ||
	    (size_t)st.st_size < sizeof(struct board_head))
		goto close_fd;
	b = mmap(NULL, sizeof(*b), write ? PROT_READ | PROT_WRITE : PROT_READ,
	    MAP_SHARED, fd, 0);
	if (b == MAP_FAILED) {
		err = -errno;
		goto close_fd;
	}
	if (b->head.magic != BOARD_MAGIC ||
	    b->head.size != (uint64_t)st.st_size)
		goto unmap;
	err = -ESTALE;
	if (b->head.size != sizeof(*b) ||
	    (!any_layout && b->head.layout != layout_hash))
		goto unmap;
	close(fd);
	*bp = b;
	return 0;

unmap:
	munmap(b, sizeof(*b));
close_fd:
	close(fd);
	return err;
}

void
board_close(struct board *b)
{
	munmap(b, sizeof(*b));
}

int
board_unlink(const char *name)
{
	char path[BOARD_PATH], hot[BOARD_PATH];
	int err;

	err = board_path(path, sizeof(path), name);
	if (err < 0)
		return err;
	if (board_hot_path(hot, sizeof(hot), path, name) == 0 &&
	    unlink(hot) < 0 && errno != ENOENT)
		err = -errno;
	return unlink(path) < 0 ? -errno : err;
}

void
board_event(struct board_events *ev, uint32_t slot, uint32_t level,
    const char *fmt, ...)
{
	uint64_t n = atomic_load_explicit(&ev->n, memory_order_relaxed);
	struct board_event *e = &ev->e[n % BOARD_EVENTS];
	va_list ap;

	e->time_us = board_real_us();
	e->slot = slot;
	e->level = level;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	/* pairs with the readers' acquire: it is whole before it counts */
	atomic_store_explicit(&ev->n, n + 1, memory_order_release);
}

/*
 * Start time of a process, 0 if there is none; *state is its letter in
 * proc(5), 'Z' for one that ended and was not waited for.
 */
static uint64_t
pid_stat(pid_t pid, char *state)
{
	char path[40], buf[1024];
	const char *s;
	ssize_t n;
	int fd, field;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	/* field 2 is the name in brackets and may hold anything */
	s = strrchr(buf, ')');
	if (s == NULL || s[1] != ' ')
		return 0;
	*state = s[2];
	for (field = 2; s != NULL && field < 22; field++)
		s = strchr(s + 1, ' ');
	return s == NULL ? 0 : strtoull(s + 1, NULL, 10);
}

uint64_t
board_pid_start(pid_t pid)
{
	char state;

	return pid_stat(pid, &state);
}

int
board_pid_alive(pid_t pid, uint64_t start)
{
	char state;

	return pid > 0 && start != 0 && pid_stat(pid, &state) == start &&
	    state != 'Z' && state != 'X';
}

static uint64_t
now_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
board_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

uint64_t
board_real_us(void)
{
	return now_us(CLOCK_REALTIME);
}
