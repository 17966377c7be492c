#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DELETED	" (deleted)"	/* the kernel's word for a replaced program */

/* Nobody but those who may change this program anyway can have made it. */
static int
judge(int fd)
{
	struct stat st, own;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & S_IWOTH) != 0)
		return -EPERM;
	if (st.st_uid == 0 || st.st_uid == geteuid())
		return 0;
	if (stat("/proc/self/exe", &own) < 0)
		return -errno;
	return st.st_uid == own.st_uid ? 0 : -EPERM;
}

int
trust_open(const char *path)
{
	int fd, err;

	if (path[0] != '/')
		return -EINVAL;
	/* O_NONBLOCK: a FIFO would wait for its other end */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY |
	    O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = judge(fd);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int
trust_program(pid_t pid, char *buf, size_t len)
{
	size_t cut = sizeof(DELETED) - 1;
	char link[64];
	int fd, err;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, buf, len);
	if (n < 0)
		return -errno;
	if ((size_t)n == len)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	if ((size_t)n > cut && strcmp(buf + n - cut, DELETED) == 0)
		buf[(size_t)n - cut] = '\0';
	fd = open(link, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = judge(fd);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}
