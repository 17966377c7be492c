#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_memzone.h>

#include "../../common/log.h"
#include "../../common/shm.h"
#include "io.h"
#include "svc_keep.h"

void
svc_io_roots(struct io *io)
{
	const struct board *b = io->board;
	const struct rte_memzone *mz;
	char name[RTE_MEMZONE_NAMESIZE];
	uint32_t i;

	for (i = 0; i < b->head.nroots && i < BOARD_ROOTS; i++) {
		snprintf(name, sizeof(name), SHM_ROOT, i);
		mz = rte_memzone_lookup(name);
		if (mz == NULL || fcache_check(mz->addr, mz->len) < 0) {
			log_error("document root %s: the cache's image is "
			    "damaged", b->root[i].root);
			continue;
		}
		io->root[i] = mz->addr;
	}
}

static const struct fcache *
find_root(void *arg, const char *path)
{
	struct io *io = arg;
	uint32_t i;

	for (i = 0; i < BOARD_ROOTS; i++) {
		if (io->root[i] != NULL &&
		    strcmp(io->board->root[i].root, path) == 0)
			return io->root[i];
	}
	return NULL;
}

static int64_t
wall(void *arg)
{
	struct io *io = arg;

	return clock_wall(&io->clock, io->now);
}

static void
say(void *arg, const char *line)
{
	struct io *io = arg;

	log_info("slot %u: %s", io->me, line);
}

/* Write all of a text to a new file of the worker's directory. 0 or -errno. */
static int
write_file(int dir, const char *name, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;
	int fd, err = 0;

	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	while (len > 0 && err == 0) {
		n = write(fd, text, len);
		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	if (close(fd) < 0 && err == 0)
		err = -errno;
	return err;
}

/* Readers see the old report or the new one, never half of one. */
static void
report(void *arg, const char *text)
{
	struct io *io = arg;
	char name[32], tmp[32];
	int err;

	snprintf(name, sizeof(name), "report-%u", io->me);
	snprintf(tmp, sizeof(tmp), "report-%u.new", io->me);
	err = write_file(io->out, tmp, text);
	if (err == 0 && renameat(io->out, tmp, io->out, name) < 0)
		err = -errno;
	if (err < 0)
		log_warn("report of slot %u: %s", io->me, strerror(-err));
}

static void
done(void *arg, int status)
{
	struct io *io = arg;

	io->status = status;
	io->stop = 1;
}

const struct svc_io svc_io = {
	.root = find_root,
	.wall = wall,
	.log = say,
	.report = report,
	.done = done,
	.keep = svc_keep,
	.file = svc_file,
	.save_open = svc_save_open,
	.save = svc_save_piece,
	.saved = svc_saved,
};
