/*
 * svc_keep: what a service gets at its start: memory of the slot's, the bytes
 * of a file, somebody who writes files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/bell.h"
#include "../../common/log.h"
#include "svc_keep.h"

#define FILE_MAX_BYTES	((off_t)4 << 30)

uint64_t
svc_ns(void *arg)
{
	const struct io *io = arg;

	/* mult: µs per tick, as a fraction of 2^32 */
	return (uint64_t)((unsigned __int128)rte_rdtsc() * 1000 *
	    io->clock.mult >> 32);
}

void *
svc_keep(void *arg, const char *name, size_t len, bool *old)
{
	struct io *io = arg;
	char file[64];
	struct stat st;
	void *mem;
	int fd;

	*old = false;
	snprintf(file, sizeof(file), SVC_KEEP, name, io->me);
	fd = openat(io->out, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0640);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto fail;
	*old = io->adopted && (uint64_t)st.st_size == len;
	if (!*old && (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)len) < 0))
		goto fail;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_POPULATE, fd, 0);
	if (mem == MAP_FAILED)
		goto fail;
	close(fd);
	return mem;

fail:
	log_warn("%s: %s; it will not survive this process", file,
	    strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

void *
svc_share(void *arg, const char *name, uint32_t slot, size_t len)
{
	struct io *io = arg;
	int prot = PROT_READ | (slot == io->me ? PROT_WRITE : 0), fd;
	char file[64];
	struct stat st;
	void *mem;

	snprintf(file, sizeof(file), SVC_SHARE, name, io->group, slot);
	fd = openat(io->out, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0640);
	/* never made shorter: others may have mapped it */
	if (fd < 0 || fstat(fd, &st) < 0 || ((size_t)st.st_size < len &&
	    ftruncate(fd, (off_t)len) < 0))
		goto fail;
	mem = mmap(NULL, len, prot, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		goto fail;
	close(fd);
	return mem;

fail:
	log_warn("%s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

void
svc_wake(void *arg)
{
	struct io *io = arg;
	struct ring_out *o;
	uint32_t i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		o = &io->cross[i];
		if (o->r != NULL && io->board->slot[i].fixed.group ==
		    io->group)
			bell_call(o->bell, o->asleep);
	}
}

const void *
svc_file(void *arg, const char *path, size_t *len)
{
	struct io *io = arg;
	struct stat st;
	uint8_t *mem;
	size_t got;
	ssize_t n;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto fail;
	errno = !S_ISREG(st.st_mode) ? EINVAL : EFBIG;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)
		goto fail;
	mem = malloc((size_t)st.st_size + 1);
	if (mem == NULL)
		goto fail;
	for (got = 0; got < (size_t)st.st_size; got += (size_t)n) {
		n = read(fd, mem + got, (size_t)st.st_size - got);
		if (n <= 0)
			break;
	}
	*len = got;
	close(fd);
	return mem;

fail:
	err = errno;
	log_error("slot %u: %s: %s", io->me, path, strerror(err));
	if (fd >= 0)
		close(fd);
	return NULL;
}

int
svc_save_open(void *arg, const char *dir)
{
	struct io *io = arg;

	return save_open(&io->save, dir);
}

bool
svc_save_piece(void *arg, const struct svc_save *piece)
{
	struct io *io = arg;

	return save_piece(&io->save, piece);
}

bool
svc_saved(void *arg, uint64_t *whole, uint64_t *failed)
{
	struct io *io = arg;

	return save_done(&io->save, whole, failed);
}
