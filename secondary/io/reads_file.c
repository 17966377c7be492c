/*
 * reads_file: files that are open for reads, and what the ring completes.
 *
 * A file is what the image of the cache says: size, time and inode. One that
 * is another by now fails all reads with -ESTALE: a client gets the bytes of
 * one version or a broken connection, never a mixture. The last piece of an
 * answer is given out only after the file was looked at once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <bsd/string.h>

#include "reads_priv.h"

#define WHAT	(STATX_SIZE | STATX_MTIME | STATX_INO | STATX_TYPE)

/* Whether what was found is what the image was made from. */
static bool
same(const struct fcache_entry *e, const struct statx *s)
{
	return S_ISREG(s->stx_mode) && s->stx_size == e->size &&
	    s->stx_mtime.tv_sec == e->mtime &&
	    s->stx_mtime.tv_nsec == e->mtime_ns && s->stx_ino == e->ino;
}

static void	file_open(struct reads *r, uint32_t f);
static void	file_settled(struct reads *r, uint32_t f, int err);

/* ---- roots --------------------------------------------------------------- */

static void
close_fd(struct reads *r, int fd)
{
	struct io_uring_sqe *e = reads_sqe(r);

	io_uring_prep_close(e, fd);
	tag(e, RD_CLOSE, 0);
}

/* The directory of a root; the two generations of one may share it. */
static void
root_set(struct reads *r, uint32_t index, int fd)
{
	int old = r->root[index].fd;

	r->root[index].fd = fd;
	if (old >= 0 && old != fd && old != r->root[index ^ 1].fd)
		close_fd(r, old);
}

void
reads_root(struct reads *r, uint32_t index, const struct fcache *fc,
    const char *dir, int fd)
{
	struct rd_root *t = &r->root[index];
	struct io_uring_sqe *e;
	uint32_t i;

	/* What was opened of an image that lay here before is of no use. */
	for (i = 0; i < 2 * r->nbufs; i++) {
		if (r->file[i].state != FILE_FREE && r->file[i].root == index)
			r->file[i].fc = NULL;
	}
	t->fc = fc;
	if (fd >= 0) {
		t->fd = fd;
		return;
	}
	/* In case it cannot be opened: usually it is the same directory. */
	if (r->root[index ^ 1].fd >= 0)
		root_set(r, index, r->root[index ^ 1].fd);
	if (t->opening)
		return;
	t->opening = true;
	strlcpy(t->path, dir, sizeof(t->path));
	t->how = (struct open_how){ .flags = O_PATH | O_DIRECTORY |
	    O_CLOEXEC };
	e = reads_sqe(r);
	io_uring_prep_openat2(e, AT_FDCWD, t->path, &t->how);
	tag(e, RD_ROOT, index);
}

static void
root_opened(struct reads *r, uint32_t index, int res)
{
	uint32_t i;

	r->root[index].opening = false;
	if (res >= 0)
		root_set(r, index, res);
	for (i = 0; i < 2 * r->nbufs; i++) {
		if (r->file[i].state == FILE_OPENING &&
		    r->file[i].root == index && !r->file[i].started)
			file_open(r, i);
	}
}

/* ---- files --------------------------------------------------------------- */

static void
file_open(struct reads *r, uint32_t f)
{
	struct rd_file *k = &r->file[f];
	struct io_uring_sqe *e;

	k->state = FILE_OPENING;
	k->started = !r->root[k->root].opening;
	if (!k->started)
		return;		/* root_opened() goes on */
	if (k->fc == NULL) {	/* the image went away meanwhile */
		file_settled(r, f, -ESTALE);
		return;
	}
	k->how = (struct open_how){
		.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	e = reads_sqe(r);
	io_uring_prep_openat2(e, r->root[k->root].fd,
	    fcache_str(k->fc, k->entry->path) + 1, &k->how);
	tag(e, RD_OPEN, f);
}

static void
file_look(struct reads *r, uint32_t f)
{
	struct rd_file *k = &r->file[f];
	struct io_uring_sqe *e = reads_sqe(r);

	k->looking = true;
	io_uring_prep_statx(e, k->fd, "", AT_EMPTY_PATH, WHAT, &k->stx);
	tag(e, RD_STAT, f);
}

static void
file_close(struct reads *r, uint32_t f)
{
	struct rd_file *k = &r->file[f];

	if (k->fd >= 0)
		close_fd(r, k->fd);
	k->fd = -1;
	k->fc = NULL;
	k->state = FILE_FREE;
}

/* A place for a file: a free one, or that of the file used longest ago; NONE:
 * all that have no user are just being opened. */
static uint32_t
file_place(struct reads *r)
{
	uint32_t i, best = NONE;

	for (i = 0; i < 2 * r->nbufs; i++) {
		if (r->file[i].state == FILE_FREE)
			return i;
		if (r->file[i].users == 0 && !r->file[i].looking &&
		    r->file[i].state >= FILE_OPEN &&
		    (best == NONE || r->file[i].used < r->file[best].used))
			best = i;
	}
	if (best != NONE)
		file_close(r, best);
	return best;
}

void
file_leave(struct reads *r, uint32_t f)
{
	struct rd_file *k = &r->file[f];

	k->users--;
	if (k->users == 0 && k->state == FILE_BAD && !k->looking)
		file_close(r, f);
}

/* Fill a buffer from its file, which is open. */
static void
file_read(struct reads *r, uint32_t b)
{
	struct rd_buf *k = &r->buf[b];
	struct rd_file *f = &r->file[k->file];
	struct io_uring_sqe *e = reads_sqe(r);

	k->state = BUF_READING;
	io_uring_prep_read(e, f->fd, r->mem + (size_t)b * READS_LEN, k->len,
	    k->off);
	tag(e, RD_READ, b);
	k->look |= r->now - f->checked > FRESH_US;
}

void
file_enter(struct reads *r, uint32_t b, const struct svc_fetch *q)
{
	struct rd_buf *k = &r->buf[b];
	uint32_t i, f = r->of[k->id].file;

	if (r->file[f].fc != q->fc || r->file[f].entry != q->entry ||
	    r->file[f].state == FILE_FREE)
		f = NONE;
	for (i = 0; i < 2 * r->nbufs && f == NONE; i++) {
		if (r->file[i].fc == q->fc && r->file[i].entry == q->entry &&
		    r->file[i].state != FILE_FREE)
			f = i;
	}
	if (f == NONE) {
		for (i = 0; i < ROOTS && r->root[i].fc != q->fc; i++)
			;
		f = i < ROOTS ? file_place(r) : NONE;
		k->file = NONE;
		if (f == NONE) {
			buf_done(r, b, i < ROOTS ? -EMFILE : -ENOENT);
			return;
		}
		r->file[f].fc = q->fc;
		r->file[f].entry = q->entry;
		r->file[f].root = i;
		r->file[f].users = 0;
		file_open(r, f);
	}
	k->file = r->of[k->id].file = f;
	r->file[f].users++;
	r->file[f].used = ++r->uses;
	if (r->file[f].state == FILE_OPEN)
		file_read(r, b);
	else if (r->file[f].state == FILE_BAD)
		buf_done(r, b, r->file[f].err);
}

/* It is open and right, or will not be: tell the buffers that wait for it. */
static void
file_settled(struct reads *r, uint32_t f, int err)
{
	struct rd_file *k = &r->file[f];
	bool was_open = k->state == FILE_OPEN;
	uint32_t b;

	if (k->state == FILE_BAD)
		return;
	k->state = err == 0 ? FILE_OPEN : FILE_BAD;
	k->err = err;
	k->checked = r->now;
	if (was_open && err == 0)
		return;
	k->users++;		/* stays while we walk */
	for (b = 0; b < r->nbufs; b++) {
		if (r->buf[b].file != f || r->buf[b].state != BUF_OPENING)
			continue;
		if (err != 0 || r->buf[b].id == NONE)
			buf_done(r, b, err != 0 ? err : -ECANCELED);
		else
			file_read(r, b);
	}
	file_leave(r, f);
}

static void
file_looked(struct reads *r, uint32_t f, int res)
{
	struct rd_file *k = &r->file[f];

	k->looking = false;
	if (k->state == FILE_BAD) {
		if (k->users == 0)
			file_close(r, f);
		return;
	}
	/* an image that is gone: nobody asks for this one any more */
	if (k->fc == NULL)
		res = -ESTALE;
	else if (res == 0 && !same(k->entry, &k->stx))
		res = -ESTALE;
	file_settled(r, f, res);
	if (k->state == FILE_BAD && k->users == 0)
		file_close(r, f);
}

static void
file_opened(struct reads *r, uint32_t f, int res)
{
	struct rd_file *k = &r->file[f];

	if (res < 0) {
		/* gone, or a link out of the root by now */
		file_settled(r, f, res == -ENOENT || res == -EXDEV ||
		    res == -ELOOP ? -ESTALE : res);
		return;
	}
	k->fd = res;
	k->state = FILE_STAT;
	file_look(r, f);
}

/* ---- buffers ------------------------------------------------------------- */

static void
was_read(struct reads *r, uint32_t b, int res)
{
	struct rd_buf *k = &r->buf[b];
	struct rd_file *f = &r->file[k->file];
	struct io_uring_sqe *e;

	/* Less than there must be: it was cut. */
	if (res >= 0 && (uint32_t)res < k->len)
		res = -ESTALE;
	if (res >= 0 && f->state == FILE_BAD)
		res = f->err;
	if (res < 0 || !k->look || k->id == NONE) {
		buf_done(r, b, res);
		return;
	}
	k->got = res;
	e = reads_sqe(r);
	io_uring_prep_statx(e, f->fd, "", AT_EMPTY_PATH, WHAT, &k->stx);
	tag(e, RD_AFTER, b);
}

static void
was_looked_at(struct reads *r, uint32_t b, int res)
{
	struct rd_buf *k = &r->buf[b];

	if (res == 0)
		res = same(k->entry, &k->stx) ? 0 : -ESTALE;
	/* For all who read it: it is opened anew when wanted again. */
	file_settled(r, k->file, res);
	buf_done(r, b, res < 0 ? res : k->got);
}

static void
complete(struct reads *r, uint64_t data, int res)
{
	uint32_t index = (uint32_t)data;

	switch ((enum rd_kind)(data >> 32)) {
	case RD_ROOT:
		root_opened(r, index, res);
		break;
	case RD_OPEN:
		file_opened(r, index, res);
		break;
	case RD_STAT:
		file_looked(r, index, res);
		break;
	case RD_READ:
		was_read(r, index, res);
		break;
	case RD_AFTER:
		was_looked_at(r, index, res);
		break;
	case RD_CLOSE:
		break;
	}
}

void
reads_reap(struct reads *r)
{
	struct io_uring_cqe *c;
	uint64_t data;
	int res;

	while (io_uring_peek_cqe(&r->ring, &c) == 0) {
		data = io_uring_cqe_get_data64(c);
		res = c->res;
		io_uring_cqe_seen(&r->ring, c);
		complete(r, data, res);
	}
}
