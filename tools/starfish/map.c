/*
 * map: an arena, seen from outside: a part of a hugepage file, read-only.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inst.h"

int
inst_map(const struct inst *in, uint32_t slot, struct inst_map *m)
{
	struct board_place pl = in->board->slot[slot].fixed.arena;
	uint64_t start, page, size;
	struct stat st;
	int err = 0, fd;

	pl.path[sizeof(pl.path) - 1] = '\0';
	fd = open(pl.path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
		goto close_fd;
	}
	/* a place beyond the file's end would be a fault, not an error */
	err = -EPROTO;
	size = (uint64_t)st.st_size;
	if (pl.len < sizeof(*m->arena) || pl.offset > size ||
	    pl.len > size - pl.offset || st.st_blksize <= 0)
		goto close_fd;
	err = 0;
	page = (uint64_t)st.st_blksize;	/* hugetlbfs says its page here */
	start = pl.offset / page * page;
	m->map_len = (pl.offset - start + pl.len + page - 1) / page * page;
	m->map = mmap(NULL, m->map_len, PROT_READ, MAP_SHARED, fd,
	    (off_t)start);
	if (m->map == MAP_FAILED)
		err = -errno;
	m->len = pl.len;
	m->arena = (const void *)((const uint8_t *)m->map +
	    (pl.offset - start));
close_fd:
	close(fd);
	return err;
}

void
inst_unmap(struct inst_map *m)
{
	munmap(m->map, m->map_len);
	m->map = NULL;
}
