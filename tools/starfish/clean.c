/*
 * clean: what an instance leaves behind when it ends or is killed, and how
 * that goes. Processes that end in order remove most of it themselves.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <glob.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bsd/string.h>

#include "huge.h"
#include "rundir.h"

/* EAL's runtime directory of a file prefix, as EAL chooses it. */
static void
eal_dir(char *buf, size_t len, const char *prefix)
{
	const char *base = "/var/run";

	if (geteuid() != 0)
		base = getenv("XDG_RUNTIME_DIR");
	snprintf(buf, len, "%s/dpdk/%s", base != NULL ? base : "/tmp", prefix);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

/* rm -r, without following links or leaving the file system. */
static void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Remove the files of a directory whose names match a pattern. */
static void
remove_matching(const char *dir, const char *pattern)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (fnmatch(pattern, e->d_name, 0) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

/*
 * Remove a tap interface that outlived its process. Only a tap can be
 * attached to, and one that is in use cannot, so nothing else is hit.
 */
static void
remove_tap(const char *name)
{
	static const short kinds[] = {
		IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE, IFF_TAP | IFF_NO_PI,
	};
	struct ifreq ifr;
	size_t i;
	int fd;

	for (i = 0; i < 2 && if_nametoindex(name) != 0; i++) {
		fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return;
		memset(&ifr, 0, sizeof(ifr));
		strlcpy(ifr.ifr_name, name, sizeof(ifr.ifr_name));
		ifr.ifr_flags = kinds[i];
		if (ioctl(fd, TUNSETIFF, &ifr) == 0)
			ioctl(fd, TUNSETPERSIST, 0);
		close(fd);
	}
}

/* Hugepage files of a file prefix, wherever a hugetlbfs is mounted. */
static void
remove_pages(const char *prefix)
{
	char line[1024], dir[BOARD_PATH], type[32], pattern[BOARD_NAME + 8];
	FILE *f;

	snprintf(pattern, sizeof(pattern), "%smap_*", prefix);
	f = fopen("/proc/mounts", "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s %255s %31s", dir, type) == 2 &&
		    strcmp(type, "hugetlbfs") == 0)
			remove_matching(dir, pattern);
	fclose(f);
}

/* What only the board knows: file prefix and interfaces. */
void
rundir_clean_generation(const char *name)
{
	char path[BOARD_PATH * 2], prefix[BOARD_NAME], device[BOARD_NAME];
	struct board *b;
	uint32_t i, n;

	if (board_open(&b, name, 0, 0) < 0)
		return;
	strlcpy(prefix, b->head.prefix, sizeof(prefix));
	if (prefix[0] != '\0' && strchr(prefix, '/') == NULL) {
		eal_dir(path, sizeof(path), prefix);
		remove_tree(path);
		remove_pages(prefix);
	}
	n = b->head.nports < BOARD_PORTS ? b->head.nports : BOARD_PORTS;
	/* before READY an interface of that name may be another's */
	if (atomic_load_explicit(&b->head.state, memory_order_acquire) !=
	    PRIMARY_READY && atomic_load(&b->head.state) != PRIMARY_STOPPING)
		n = 0;
	for (i = 0; i < n; i++) {
		strlcpy(device, b->port[i].device, sizeof(device));
		if (b->port[i].type == PORT_TAP && device[0] != '\0')
			remove_tap(device);
	}
	board_close(b);
}

uint64_t
rundir_clean(struct rundir *d)
{
	char run[BOARD_PATH], *slash;
	uint64_t pages;

	rundir_clean_generation(d->name);
	pages = huge_give(d);
	board_unlink(d->name);
	remove_tree(d->path);
	rundir_close(d);
	/* the directory of all instances, if this was the last */
	strlcpy(run, d->path, sizeof(run));
	slash = strrchr(run, '/');
	if (slash != NULL && slash != run) {
		*slash = '\0';
		rmdir(run);
	}
	rmdir("/var/run/dpdk");	/* stays while anything is in it */
	return pages;
}

void
rundir_clean_pid(const char *prefix, pid_t pid)
{
	char dir[BOARD_PATH * 2], pattern[64];

	if (prefix[0] == '\0' || strchr(prefix, '/') != NULL)
		return;
	eal_dir(dir, sizeof(dir), prefix);
	snprintf(pattern, sizeof(pattern), "mp_socket_%d_*", (int)pid);
	remove_matching(dir, pattern);
	snprintf(pattern, sizeof(pattern), "fbarray_*_%d", (int)pid);
	remove_matching(dir, pattern);
	snprintf(pattern, sizeof(pattern), "fbarray_*_%d_*", (int)pid);
	remove_matching(dir, pattern);
}
