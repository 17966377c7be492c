/*
 * rundir: making, locking and listing. What removes is in clean.c.
 */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

/* The directory that holds those of all instances. */
static int
run_path(char *buf, size_t len)
{
	char *slash;
	int err;

	err = board_dir(buf, len, "x");
	slash = err == 0 ? strrchr(buf, '/') : NULL;
	if (slash != NULL)
		*slash = '\0';
	return err;
}

/* mkdir -p, for the few levels that a runtime directory has. */
static int
make_dirs(const char *path, mode_t mode)
{
	char part[BOARD_PATH];
	char *p;

	if (strlcpy(part, path, sizeof(part)) >= sizeof(part))
		return -ENAMETOOLONG;
	for (p = strchr(part + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(part, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* Whether the descriptor still is what the path names. */
static int
is_current(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int
lock_dir(struct rundir *d, int make)
{
	int err, fd;

	for (;;) {
		err = make ? make_dirs(d->path, 0755) : 0;
		if (err == -ENOENT)
			continue;	/* somebody's down removed a level */
		if (err < 0)
			return err;
		fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && make)
			continue;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			err = errno == EWOULDBLOCK ? -EBUSY : -errno;
			close(fd);
			return err;
		}
		/* its last owner may have removed it meanwhile */
		if (is_current(fd, d->path))
			break;
		close(fd);
		if (!make)
			return -ENOENT;
	}
	d->fd = fd;
	return 0;
}

static int
open_dir(struct rundir *d, const char *name, int make)
{
	int err;

	d->fd = -1;
	strlcpy(d->name, name, sizeof(d->name));
	err = board_dir(d->path, sizeof(d->path), name);
	return err < 0 ? err : lock_dir(d, make);
}

int
rundir_open(struct rundir *d, const char *name)
{
	return open_dir(d, name, 1);
}

int
rundir_lock(struct rundir *d, const char *name)
{
	return open_dir(d, name, 0);
}

void
rundir_close(struct rundir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

void
rundir_file(const struct rundir *d, const char *file, char *buf, size_t len)
{
	snprintf(buf, len, "%s/%s", d->path, file);
}

void
rundir_set_origin(const struct rundir *d, const char *file)
{
	char path[PATH_MAX];
	int fd;

	if (realpath(file, path) == NULL)
		return;
	fd = openat(d->fd, "conf.from", O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return;
	(void)!write(fd, path, strlen(path));
	close(fd);
}

int
rundir_origin(const struct rundir *d, char *buf, size_t len)
{
	ssize_t n;
	int fd;

	fd = openat(d->fd, "conf.from", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n <= 0)
		return -ENOENT;
	buf[n] = 0;
	return 0;
}

int
rundir_sign(const struct rundir *d)
{
	int err = 0, fd;

	fd = openat(d->fd, "pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%d %lld\n", (int)getpid(), (long long)time(NULL)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Read the pid file. Whether it says something. */
static int
read_pid(const char *name, pid_t *pid, time_t *since)
{
	char path[BOARD_PATH + 8], dir[BOARD_PATH];
	long long when = 0;
	int n = 0, id = 0;
	FILE *f;

	if (board_dir(dir, sizeof(dir), name) < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/pid", dir);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fscanf(f, "%d %lld", &id, &when);
	fclose(f);
	*pid = id;
	*since = (time_t)when;
	return n == 2 && id > 0;
}

void
rundir_who(const char *name, char *buf, size_t len)
{
	struct tm tm;
	char when[32];
	time_t since;
	pid_t pid;

	buf[0] = '\0';
	if (!read_pid(name, &pid, &since))
		return;
	localtime_r(&since, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	snprintf(buf, len, "pid %d, since %s", (int)pid, when);
}

pid_t
rundir_pid(const char *name)
{
	time_t since;
	pid_t pid;

	return read_pid(name, &pid, &since) ? pid : 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

uint32_t
rundir_list(char names[RUNDIR_MAX][BOARD_NAME])
{
	char run[BOARD_PATH];
	struct dirent *e;
	uint32_t n = 0;
	DIR *d;

	if (run_path(run, sizeof(run)) < 0)
		return 0;
	d = opendir(run);
	if (d == NULL)
		return 0;
	while (n < RUNDIR_MAX && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && strlen(e->d_name) < BOARD_NAME &&
		    (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
			strlcpy(names[n++], e->d_name, BOARD_NAME);
	closedir(d);
	qsort(names, n, BOARD_NAME, by_name);
	return n;
}

int
rundir_pages_lock(void)
{
	char run[BOARD_PATH];
	int err, fd;

	err = run_path(run, sizeof(run));
	if (err < 0)
		return err;
	fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			err = -errno;
			close(fd);
			return err;
		}
	return fd;
}

void
rundir_detach(const struct rundir *d)
{
	int fd;

	fflush(NULL);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		dup2(fd, 0);
		close(fd);
	}
	fd = openat(d->fd, "up.log", O_WRONLY | O_CREAT | O_APPEND |
	    O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
		close(fd);
	}
	(void)!chdir("/");
}
