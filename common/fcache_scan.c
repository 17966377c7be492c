/*
 * fcache_scan: walk a document root.
 *
 * Every path is opened from the root's descriptor with openat2(2) and
 * RESOLVE_BENEATH: the kernel refuses a symbolic link that leads out of the
 * root, at whatever place in the path it stands and however it is swapped
 * meanwhile. Where that call does not exist (valgrind, old sandboxes), what
 * was opened is asked for its real path.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "fcache.h"
#include "fcache_priv.h"

/* Directories from the root down to the one in hand. */
struct trail {
	const struct trail *up;
	dev_t dev;
	ino_t ino;
	uint32_t depth;
};

void
fc_note(char *err, size_t errlen, const char *fmt, ...)
{
	size_t used = strnlen(err, errlen);
	va_list ap;
	int n;

	if (errlen - used < 2)
		return;
	va_start(ap, fmt);
	n = vsnprintf(err + used + (used > 0), errlen - used - (used > 0),
	    fmt, ap);
	va_end(ap);
	/* A line that does not fit is left out as a whole. */
	if (n < 0 || (size_t)n >= errlen - used - (used > 0))
		err[used] = '\0';
	else if (used > 0)
		err[used] = '\n';
}

int
fc_fail(char *err, size_t errlen, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (errlen > 0)
		vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return -code;
}

/* The path of an open descriptor; its length, or -errno. */
static ssize_t
real_path(int fd, char *buf, size_t len)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, len - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

/* As fc_open(), without openat2(2). */
static int
open_checked(const struct fc_tree *t, const char *path, int flags)
{
	char root[PATH_MAX], real[PATH_MAX];
	ssize_t n, m;
	int fd;

	fd = openat(t->root, path, flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = real_path(t->root, root, sizeof(root));
	m = real_path(fd, real, sizeof(real));
	/* "/" itself ends in the slash that others are followed by. */
	if (n > 1 && m >= n && memcmp(root, real, (size_t)n) == 0 &&
	    (real[n] == '/' || real[n] == '\0'))
		return fd;
	if (n == 1 && m > 0)
		return fd;
	close(fd);
	return n < 0 ? (int)n : m < 0 ? (int)m : -EXDEV;
}

int
fc_open(const struct fc_tree *t, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	if (path[0] == '\0')
		path = ".";
	fd = syscall(SYS_openat2, t->root, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS)
		return open_checked(t, path, flags);
	return fd < 0 ? -errno : (int)fd;
}

/* Append what is at path; dir says that it ends in a slash. */
static int
add(struct fc_tree *t, const char *path, const struct stat *st, int dir)
{
	struct fc_file *more, *f;
	size_t room = strlen(path) + 3;

	if (t->n == FC_FILES)
		return fc_fail(t->err, t->errlen, EFBIG,
		    "%s: more than %u files and directories", t->name,
		    FC_FILES);
	if (t->n == t->room) {
		t->room = t->room == 0 ? 64 : t->room * 2;
		more = reallocarray(t->files, t->room, sizeof(*more));
		if (more == NULL)
			goto no_memory;
		t->files = more;
	}
	f = &t->files[t->n];
	memset(f, 0, sizeof(*f));
	f->path = malloc(room);
	if (f->path == NULL)
		goto no_memory;
	snprintf(f->path, room, "/%s%s", path,
	    dir && path[0] != '\0' ? "/" : "");
	f->mtime = st->st_mtim.tv_sec;
	f->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	f->ino = st->st_ino;
	f->flags = dir ? FCACHE_DIR : 0;
	f->size = dir ? 0 : (uint64_t)st->st_size;
	if (f->size > t->file_max)
		f->flags |= FCACHE_FILE;
	else
		t->bytes += (f->size + 63) & ~(uint64_t)63;
	t->names += strlen(f->path) + 1;
	t->n++;
	return 0;
no_memory:
	return fc_fail(t->err, t->errlen, ENOMEM,
	    "%s: out of memory after %u files", t->name, t->n);
}

static int	scan_dir(struct fc_tree *, char *, const struct trail *);

/* Take in the directory entry that path names. */
static int
scan_one(struct fc_tree *t, char *path, const struct trail *up)
{
	struct stat st;
	int fd, err;

	fd = fc_open(t, path, O_PATH);
	if (fd == -EXDEV || fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR) {
		fc_note(t->err, t->errlen, "%s/%s: left out: %s", t->name,
		    path, fd == -EXDEV ? "link leaves the root" :
		    fd == -ELOOP ? "too many links" : "link leads nowhere");
		return 0;
	}
	if (fd < 0)
		return fc_fail(t->err, t->errlen, -fd, "%s/%s: %s", t->name,
		    path, strerror(-fd));
	err = fstat(fd, &st) < 0 ? errno : 0;
	close(fd);
	if (err != 0)
		return fc_fail(t->err, t->errlen, err, "%s/%s: %s", t->name,
		    path, strerror(err));
	if (S_ISDIR(st.st_mode))
		return scan_dir(t, path, up);
	if (S_ISREG(st.st_mode))
		return add(t, path, &st, 0);
	fc_note(t->err, t->errlen, "%s/%s: left out: neither file nor "
	    "directory", t->name, path);
	return 0;
}

/* Whether the walk may enter this directory; says why not. */
static int
may_enter(struct fc_tree *t, const char *path, const struct trail *here)
{
	const struct trail *p;

	for (p = here->up; p != NULL; p = p->up) {
		if (p->dev == here->dev && p->ino == here->ino) {
			fc_note(t->err, t->errlen, "%s/%s: left out: link to "
			    "a directory above it", t->name, path);
			return 0;
		}
	}
	if (here->depth > FC_DEPTH) {
		fc_note(t->err, t->errlen, "%s/%s: left out: deeper than %u "
		    "directories", t->name, path, FC_DEPTH);
		return 0;
	}
	return 1;
}

/* Take in a directory and what is in it. path has room for PATH_MAX. */
static int
scan_dir(struct fc_tree *t, char *path, const struct trail *up)
{
	struct trail here = { .up = up, .depth = up == NULL ? 0 :
	    up->depth + 1 };
	size_t len = strlen(path);
	struct dirent *de;
	struct stat st;
	DIR *d = NULL;
	int fd, err = 0;

	fd = fc_open(t, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0 || fstat(fd, &st) < 0 || (d = fdopendir(fd)) == NULL) {
		err = fd < 0 ? -fd : errno;
		if (fd >= 0)
			close(fd);
		return fc_fail(t->err, t->errlen, err, "%s/%s: %s", t->name,
		    path, strerror(err));
	}
	here.dev = st.st_dev;
	here.ino = st.st_ino;
	if (!may_enter(t, path, &here))
		goto close_dir;
	err = add(t, path, &st, 1);
	while (err == 0 && (errno = 0, de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (len + strlen(de->d_name) + 3 > PATH_MAX) {
			fc_note(t->err, t->errlen, "%s/%s: an entry is left "
			    "out: path too long", t->name, path);
			continue;
		}
		snprintf(path + len, PATH_MAX - len, "%s%s",
		    len > 0 ? "/" : "", de->d_name);
		err = scan_one(t, path, &here);
		path[len] = '\0';
	}
	if (err == 0 && errno != 0)
		err = fc_fail(t->err, t->errlen, errno, "%s/%s: %s", t->name,
		    path, strerror(errno));
close_dir:
	closedir(d);
	return err;
}

static int
cmp_file(const void *a, const void *b)
{
	const struct fc_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int
fc_scan(struct fc_tree *t, const struct fcache_root *from, char *err,
    size_t errlen)
{
	const char *root = from->root;
	char path[PATH_MAX] = "";
	int rc;

	memset(t, 0, sizeof(*t));
	t->name = root;
	t->file_max = from->file_max;
	t->err = err;
	t->errlen = errlen;
	if (errlen > 0)
		err[0] = '\0';
	t->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0) {
		rc = errno;
		return fc_fail(err, errlen, rc, "%s: %s", root, strerror(rc));
	}
	rc = scan_dir(t, path, NULL);
	if (rc < 0) {
		fc_scan_fini(t);
		return rc;
	}
	qsort(t->files, t->n, sizeof(*t->files), cmp_file);
	fc_extra(t);
	return 0;
}

void
fc_scan_fini(struct fc_tree *t)
{
	uint32_t i;

	for (i = 0; i < t->n; i++)
		free(t->files[i].path);
	free(t->files);
	t->files = NULL;
	t->n = 0;
	close(t->root);
}
