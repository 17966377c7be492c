#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/log.h"

#define LOCK_FILE	"primary.lock"

static void
lock_path(const struct primary *p, char *buf, size_t len)
{
	snprintf(buf, len, "%s/" LOCK_FILE, p->dir);
}

/* Make a directory and, first, the one it lies in. */
static int
make_dir(const char *path)
{
	char parent[BOARD_PATH];
	char *slash;

	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (errno != ENOENT || slash == NULL || slash == parent)
		return -errno;
	*slash = '\0';
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Who holds the lock, as that process wrote it. */
static int
lock_busy(struct primary *p, int fd)
{
	char who[128] = "";
	ssize_t n;

	n = pread(fd, who, sizeof(who) - 1, 0);
	who[n > 0 ? n : 0] = '\0';
	who[strcspn(who, "\n")] = '\0';
	return primary_fail(p, -EBUSY, "instance \"%s\" is run already, by %s",
	    p->name, who[0] != '\0' ? who : "a process that is just starting");
}

static void
lock_write(int fd)
{
	char line[128], when[40];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	strftime(when, sizeof(when), "%F %T", localtime_r(&now, &tm));
	n = snprintf(line, sizeof(line), "pid %d since %s\n", (int)getpid(),
	    when);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, line, (size_t)n, 0) < 0)
		log_warn("cannot write " LOCK_FILE ": %m");
}

static int
lock_take(struct primary *p)
{
	char path[BOARD_PATH + 16];
	struct stat a, b;
	int fd;

	lock_path(p, path, sizeof(path));
	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0644);
		if (fd < 0)
			return primary_fail(p, -errno, "cannot open %s: %s",
			    path, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			lock_busy(p, fd);
			close(fd);
			return -EBUSY;
		}
		/* its last holder may have removed it meanwhile */
		if (fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
		    a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			break;
		close(fd);
	}
	lock_write(fd);
	p->lock_fd = fd;
	return 0;
}

/*
 * What a primary that was killed left: its EAL and hugepage files. Memory that
 * its workers still map stays theirs until they end. Ours is another
 * generation, so that the two never share a file prefix.
 */
static void
inherit(struct primary *p)
{
	char huge_dir[BOARD_PATH];
	struct board *old;
	char *slash;
	uint32_t last;

	if (board_open(&old, p->name, 0, 1) < 0) {
		if (p->generation == 0)
			p->generation = 1;
		return;
	}
	last = old->head.generation;
	if (!board_pid_alive((pid_t)old->head.pid, old->head.pid_start)) {
		log_info("generation %u (pid %u) ended without cleaning up",
		    last, old->head.pid);
		strlcpy(huge_dir, old->slot[0].fixed.arena.path,
		    sizeof(huge_dir));
		slash = strrchr(huge_dir, '/');
		if (slash != NULL)
			*slash = '\0';
		eal_scrub(old->head.prefix, slash != NULL ? huge_dir : NULL);
	}
	board_close(old);
	if (p->generation == 0)
		p->generation = last + 1;
}

/*
 * The file prefix is in paths of Unix sockets, which are short, and must
 * differ between runtime directories: beside the name it has a hash, unless
 * all is as usual.
 */
static void
name_prefix(struct primary *p)
{
	char usual[BOARD_PATH];
	uint32_t h = 2166136261u;
	const char *c;

	snprintf(usual, sizeof(usual), "/run/starfish/%s", p->name);
	if (strcmp(p->dir, usual) == 0 && strlen(p->name) <= 16) {
		snprintf(p->prefix, sizeof(p->prefix), "sf-%.16s-%u", p->name,
		    p->generation);
		return;
	}
	for (c = p->dir; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 16777619u;
	snprintf(p->prefix, sizeof(p->prefix), "sf-%.8s-%08x-%u", p->name, h,
	    p->generation);
}

int
rundir_open(struct primary *p)
{
	int err;

	if (board_dir(p->dir, sizeof(p->dir), p->name) < 0)
		return primary_fail(p, -ENAMETOOLONG,
		    "the runtime directory's name is too long");
	err = make_dir(p->dir);
	if (err < 0)
		return primary_fail(p, err, "cannot make %s: %s", p->dir,
		    strerror(-err));
	err = lock_take(p);
	if (err < 0)
		return err;
	inherit(p);
	name_prefix(p);
	err = board_create(&p->board, p->name);
	if (err < 0)
		return primary_fail(p, err, "cannot make the board in %s: %s",
		    p->dir, strerror(-err));
	return 0;
}

void
rundir_close(struct primary *p)
{
	char path[BOARD_PATH + 16];
	char *slash;
	uint32_t s;

	if (p->lock_fd >= 0) {
		for (s = 0; s < BOARD_BELLS; s++)
			bell_unlink(p->name, s);
		bell_unlink(p->name, BOARD_NONE);
		board_unlink(p->name);
		lock_path(p, path, sizeof(path));
		unlink(path);
		close(p->lock_fd);
		p->lock_fd = -1;
	}
	/* both stay if anyone else has a file there */
	snprintf(path, sizeof(path), "%s", p->dir);
	if (rmdir(path) == 0 && (slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		rmdir(path);
	}
}
