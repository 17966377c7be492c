/*
 * svc_alog: a slot's end of the access log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/alog.h"
#include "../../common/log.h"
#include "io.h"

/* Map the log of a slot; NULL: why was said. */
static struct alog *
map_log(const struct io *io, uint32_t slot)
{
	char dir[BOARD_PATH], path[BOARD_PATH + 32];
	struct stat st;
	void *mem;
	int fd;

	if (board_dir(dir, sizeof(dir), io->board->head.name) < 0)
		return NULL;
	snprintf(path, sizeof(path), "%s/" ALOG_FILE, dir, slot);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto fail;
	/* What is there is a predecessor's: it goes on behind. Memory comes
	 * with the first line that needs it. */
	if (st.st_size < (off_t)sizeof(struct alog) &&
	    ftruncate(fd, sizeof(struct alog)) < 0)
		goto fail;
	mem = mmap(NULL, sizeof(struct alog), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		goto fail;
	close(fd);
	return mem;

fail:
	log_warn("%s: %s; no access log", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return NULL;
}

void
svc_io_alog(struct io *io)
{
	uint32_t i;

	for (i = 0; i < io->board->head.nslots && i < BOARD_SLOTS; i++) {
		if (io->slot == NULL || i == io->me)
			io->alogs[i] = map_log(io, i);
	}
}

void
svc_io_alog_sit(struct io *io)
{
	io->alog = io->alogs[io->me];
	if (io->alog != NULL)
		alog_init(io->alog);
}

bool
svc_io_access(void *arg, const struct svc_access *a)
{
	struct io *io = arg;
	struct alog_rec r = { .status = a->status, .bytes = a->bytes };
	struct net_addr from;
	uint32_t i;

	if (io->alog == NULL)
		return false;
	conn_remote(a->c, &from);
	r.family = from.family;
	r.port = from.port;
	memcpy(r.addr, from.addr, sizeof(r.addr));
	r.wall = clock_wall(&io->clock, io->now);
	for (i = 0; i < ALOG_TEXTS; i++)
		r.text[i] = a->len[i];
	return alog_put(io->alog, &r, a->text) == 0;
}
