#include "huge.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bsd/string.h>

#define HUGETLBFS	0x958458f6
#define PAGE		(2ull << 20)	/* of a mount of our own */
#define RECORD		"hugepages"
#define MOUNT		"huge"
/* Left to the rest of the machine when pages are made. */
#define SPARE		(128ull << 20)

/* ---- numbers of the kernel's --------------------------------------------- */

static void
count_path(char *buf, size_t len, uint64_t page, const char *what)
{
	snprintf(buf, len, "/sys/kernel/mm/hugepages/hugepages-%" PRIu64
	    "kB/%s", page >> 10, what);
}

static uint64_t
count_get(uint64_t page, const char *what)
{
	char path[128];
	uint64_t n = 0;
	FILE *f;

	count_path(path, sizeof(path), page, what);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static int
count_set(uint64_t page, uint64_t n)
{
	char path[128];
	int err = 0, fd;

	count_path(path, sizeof(path), page, "nr_hugepages");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%" PRIu64 "\n", n) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Pages that nobody uses and nobody was promised. */
static uint64_t
count_free(uint64_t page)
{
	uint64_t n = count_get(page, "free_hugepages");
	uint64_t promised = count_get(page, "resv_hugepages");

	return n > promised ? n - promised : 0;
}

/* Bytes of memory that could become hugepages. */
static uint64_t
memory_available(void)
{
	char line[128];
	uint64_t kb = 0;
	FILE *f;

	f = fopen("/proc/meminfo", "re");
	if (f == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1)
			break;
	fclose(f);
	return kb << 10;
}

/* ---- the record ---------------------------------------------------------- */

static int
record_write(const struct huge *h, const struct rundir *d)
{
	int err = 0, fd;

	fd = openat(d->fd, RECORD, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "page %" PRIu64 " taken %" PRIu64 " mounted %d\n",
	    h->page, h->taken, h->mounted) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int
record_read(struct huge *h, const struct rundir *d)
{
	char path[BOARD_PATH + 16];
	int mounted = 0, n;
	FILE *f;

	memset(h, 0, sizeof(*h));
	rundir_file(d, RECORD, path, sizeof(path));
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	n = fscanf(f, "page %" SCNu64 " taken %" SCNu64 " mounted %d",
	    &h->page, &h->taken, &mounted);
	fclose(f);
	h->mounted = mounted != 0;
	return n == 3 ? 0 : -EPROTO;
}

/* ---- the mount ----------------------------------------------------------- */

/* Page size of a hugetlbfs, 0: it is none. */
static uint64_t
page_size(const char *dir)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0 || fs.f_type != HUGETLBFS)
		return 0;
	return (uint64_t)fs.f_bsize;
}

/*
 * A mount with 2 MB pages that we may write to and that is not another
 * instance's own, which goes when that one does.
 */
static int
find_mount(struct huge *h, const struct rundir *d)
{
	char run[BOARD_PATH], *slash;
	struct mntent *m;
	FILE *f;

	strlcpy(run, d->path, sizeof(run));
	slash = strrchr(run, '/');
	if (slash != NULL)
		slash[1] = '\0';
	f = setmntent("/proc/mounts", "re");
	if (f == NULL)
		return -ENOENT;
	while ((m = getmntent(f)) != NULL)
		if (strcmp(m->mnt_type, "hugetlbfs") == 0 &&
		    strncmp(m->mnt_dir, run, strlen(run)) != 0 &&
		    page_size(m->mnt_dir) == PAGE &&
		    access(m->mnt_dir, W_OK) == 0)
			break;
	if (m != NULL)
		strlcpy(h->dir, m->mnt_dir, sizeof(h->dir));
	endmntent(f);
	h->page = PAGE;
	return m != NULL ? 0 : -ENOENT;
}

static int
make_mount(struct huge *h, const struct rundir *d, char *err, size_t errlen)
{
	int error;

	rundir_file(d, MOUNT, h->dir, sizeof(h->dir));
	h->page = PAGE;
	h->mounted = 1;
	error = record_write(h, d);
	if (error == 0 && mkdir(h->dir, 0700) < 0 && errno != EEXIST)
		error = -errno;
	if (error == 0 && mount("none", h->dir, "hugetlbfs", MS_NOSUID |
	    MS_NODEV, "pagesize=2M,mode=0700") < 0)
		error = -errno;
	if (error < 0)
		snprintf(err, errlen, "no hugetlbfs is mounted (%s); run as "
		    "root: mkdir -p /dev/hugepages && mount -t hugetlbfs none "
		    "/dev/hugepages", strerror(-error));
	return error;
}

static int
get_mount(struct huge *h, const struct rundir *d, const char *want, char *err,
    size_t errlen)
{
	if (want[0] == '\0')
		return find_mount(h, d) == 0 ? 0 :
		    make_mount(h, d, err, errlen);
	strlcpy(h->dir, want, sizeof(h->dir));
	h->page = page_size(want);
	if (h->page != 0)
		return 0;
	snprintf(err, errlen, "memory.huge_dir = \"%s\": no hugetlbfs is "
	    "mounted there; run: mount -t hugetlbfs none %s", want, want);
	return -ENOENT;
}

/* ---- pages --------------------------------------------------------------- */

static int
raise_pages(struct huge *h, const struct rundir *d, char *err, size_t errlen)
{
	uint64_t have = count_free(h->page), total, missing, got;
	int error;

	if (have >= h->need)
		return 0;
	missing = h->need - have;
	total = count_get(h->page, "nr_hugepages");
	if (missing * h->page > memory_available() - SPARE ||
	    memory_available() < SPARE) {
		snprintf(err, errlen, "needs %" PRIu64 " MB in hugepages, %"
		    PRIu64 " MB are there, and only %" PRIu64 " MB of memory "
		    "are free to make more; lower memory.* in the "
		    "configuration", h->need * h->page >> 20,
		    have * h->page >> 20, memory_available() >> 20);
		return -ENOMEM;
	}
	h->taken = missing;	/* the record first: see huge.h */
	error = record_write(h, d);
	if (error == 0)
		error = count_set(h->page, total + missing);
	got = count_get(h->page, "nr_hugepages");
	h->taken = got > total ? got - total : 0;
	record_write(h, d);
	if (count_free(h->page) >= h->need)
		return 0;
	snprintf(err, errlen, "needs %" PRIu64 " hugepages of %" PRIu64
	    " kB, %" PRIu64 " are free%s%s; run as root: echo %" PRIu64
	    " > /sys/kernel/mm/hugepages/hugepages-%" PRIu64
	    "kB/nr_hugepages", h->need, h->page >> 10, have,
	    error < 0 ? ": " : "", error < 0 ? strerror(-error) : "",
	    total + missing, h->page >> 10);
	return error < 0 ? error : -ENOMEM;
}

int
huge_take(struct huge *h, const struct rundir *d, const char *want,
    uint64_t bytes, char *err, size_t errlen)
{
	int error;

	memset(h, 0, sizeof(*h));
	error = get_mount(h, d, want, err, errlen);
	if (error < 0)
		return error;
	h->need = (bytes + h->page - 1) / h->page;
	return raise_pages(h, d, err, errlen);
}

uint64_t
huge_give(const struct rundir *d)
{
	char path[BOARD_PATH + 16];
	struct huge h;
	uint64_t total;
	int lock;

	if (record_read(&h, d) < 0)
		return 0;
	rundir_file(d, MOUNT, path, sizeof(path));
	if (h.mounted && page_size(path) != 0 && umount2(path, 0) < 0)
		umount2(path, MNT_DETACH); /* a reader looks at it still */
	if (h.mounted)
		rmdir(path);
	if (h.taken > 0) {
		lock = rundir_pages_lock();
		total = count_get(h.page, "nr_hugepages");
		count_set(h.page, total > h.taken ? total - h.taken : 0);
		if (lock >= 0)
			close(lock);
	}
	unlinkat(d->fd, RECORD, 0);
	return h.taken;
}
