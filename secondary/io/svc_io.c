#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_memzone.h>

#include "../../common/log.h"
#include "../../common/shm.h"
#include "io.h"
#include "reads.h"
#include "svc_keep.h"

void
svc_io_roots(struct io *io)
{
	const struct board *b = io->board;
	const struct rte_memzone *mz;
	char name[RTE_MEMZONE_NAMESIZE];
	uint32_t i, side;
	size_t len;

	/* pairs with the primary's release: the images are whole */
	io->cache_gen = atomic_load_explicit(&b->cache.generation,
	    memory_order_acquire);
	io->conns = (uint32_t)io->conf->memory.connections;
	side = (io->cache_gen - 1) % 2;
	for (i = 0; i < b->head.nroots && i < BOARD_ROOTS; i++) {
		snprintf(name, sizeof(name), SHM_ROOT, i);
		mz = rte_memzone_lookup(name);
		if (mz == NULL)
			continue;
		io->image[i][0] = mz->addr;
		io->image[i][1] = (const uint8_t *)mz->addr + b->root[i].side;
		len = b->root[i].side > 0 ? b->root[i].side : mz->len;
		if (fcache_check(io->image[i][side], len) < 0) {
			log_error("document root %s: the cache's image is "
			    "damaged", b->root[i].root);
			continue;
		}
		io->root[i] = io->image[i][side];
	}
}

const void *
svc_io_image(const struct io *io, uint32_t i, uint32_t side)
{
	const struct fcache *fc = io->image[i][side];

	return fc != NULL && fc->magic == FCACHE_MAGIC ? fc : NULL;
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

static const struct fcache *
find_old_root(void *arg, const char *path)
{
	struct io *io = arg;
	uint32_t i;

	for (i = 0; i < BOARD_ROOTS; i++) {
		if (io->cache_gen > 1 && io->image[i][0] != NULL &&
		    strcmp(io->board->root[i].root, path) == 0)
			return svc_io_image(io, i, io->cache_gen % 2);
	}
	return NULL;
}

static uint32_t
generation(void *arg)
{
	return ((struct io *)arg)->cache_gen;
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

/* ---- reads --------------------------------------------------------------- */

/* The directory that a side of root i is made of; -1. */
static int
open_root(const struct board *b, uint32_t i, uint32_t side)
{
	int fd = open(b->root[i].from[side], O_PATH | O_DIRECTORY |
	    O_CLOEXEC);

	if (fd < 0)
		log_warn("document root %s: %s", b->root[i].from[side],
		    strerror(errno));
	return fd;
}

void
svc_io_reads(struct io *io)
{
	const struct board *b = io->board;
	uint32_t i, side = (io->cache_gen - 1) % 2;
	int err, fd;

	if (b->head.nroots == 0)
		return;
	io->reads = reads_open((uint32_t)io->conf->memory.stream_buffers,
	    (uint32_t)io->conf->memory.connections, &err);
	if (io->reads == NULL) {
		log_error("io_uring: %s: files larger than "
		    "memory.cache_file_max cannot be served",
		    strerror(-err));
		return;
	}
	for (i = 0; i < b->head.nroots && i < BOARD_ROOTS; i++) {
		if (io->root[i] == NULL)
			continue;
		fd = open_root(b, i, side);
		reads_root(io->reads, 2 * i + side, io->root[i],
		    b->root[i].from[side], fd);
		/* who is in the middle of the generation before goes on if
		 * its file is still there */
		if (io->cache_gen > 1)
			reads_root(io->reads, 2 * i + 1 - side,
			    svc_io_image(io, i, 1 - side),
			    b->root[i].from[1 - side], open_root(b, i,
			    1 - side));
	}
}

static int64_t
fetch(void *arg, const struct svc_fetch *q)
{
	struct io *io = arg;

	return io->reads != NULL ? reads_get(io->reads, q) : -ENOTSUP;
}

static void
fetch_end(void *arg, uint32_t id)
{
	struct io *io = arg;

	if (io->reads != NULL)
		reads_end(io->reads, id);
}

static uint32_t
fetch_next(void *arg)
{
	struct io *io = arg;

	return io->reads != NULL ? reads_next(io->reads) : UINT32_MAX;
}

const struct svc_io svc_io = {
	.root = find_root,
	.old_root = find_old_root,
	.generation = generation,
	.wall = wall,
	.log = say,
	.report = report,
	.done = done,
	.ns = svc_ns,
	.keep = svc_keep,
	.share = svc_share,
	.wake = svc_wake,
	.file = svc_file,
	.save_open = svc_save_open,
	.save = svc_save_piece,
	.saved = svc_saved,
	.fetch = fetch,
	.fetch_end = fetch_end,
	.fetch_next = fetch_next,
	.access = svc_io_access,
};
