#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board.h"

static int
bell_path(char *path, size_t len, const char *name, uint32_t slot)
{
	char dir[BOARD_PATH];
	int err;

	err = board_dir(dir, sizeof(dir), name);
	if (err < 0)
		return err;
	if ((size_t)snprintf(path, len, "%s/bell-%u", dir, slot) >= len)
		return -ENAMETOOLONG;
	return 0;
}

int
bell_open(const char *name, uint32_t slot)
{
	char path[BOARD_PATH + 16];
	struct stat st;
	int err, fd;

	err = bell_path(path, sizeof(path), name, slot);
	if (err < 0)
		return err;
	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		return -errno;
	/* for reading and writing: Linux opens a FIFO so without a peer */
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
		close(fd);
		return -EPROTO;
	}
	return fd;
}

void
bell_unlink(const char *name, uint32_t slot)
{
	char path[BOARD_PATH + 16];

	if (bell_path(path, sizeof(path), name, slot) == 0)
		unlink(path);
}

void
bell_ring(int fd)
{
	int saved = errno;
	ssize_t n;

	n = write(fd, "", 1);	/* EAGAIN: it rings already */
	(void)n;
	errno = saved;
}

void
bell_drain(int fd)
{
	char buf[256];

	while (read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
}
