/*
 * fcache_build: lay out a document root as one image and fill it.
 *
 * Order in the image: header, entries, index, strings (paths, media types,
 * prepared heads), contents. Runs in the primary's child and in tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fcache.h"
#include "fcache_priv.h"

#define FCACHE_CODED	(FCACHE_VARY | FCACHE_GZIP | FCACHE_BR)
#define ALIGN64(x)	(((uint64_t)(x) + 63) & ~(uint64_t)63)

/* An image in the making. */
struct build {
	struct fcache *fc;
	struct fc_tree *tree;
	struct fcache_entry *entries;
	uint64_t strings;	/* offset of the next string */
	uint64_t content;	/* offset of the next content */
	char *err;
	size_t errlen;
};

/* Slots of the index: a power of two, at most half full. */
static uint32_t
index_slots(uint32_t n)
{
	uint32_t slots = 2;

	while (slots < 2 * n)
		slots *= 2;
	return slots;
}

/* Where strings start. */
static uint64_t
strings_at(uint32_t n)
{
	return ALIGN64(sizeof(struct fcache)) +
	    ALIGN64((uint64_t)n * sizeof(struct fcache_entry)) +
	    ALIGN64((uint64_t)index_slots(n) * sizeof(uint32_t));
}

/*
 * Where contents start: paths have their bytes, heads and types their
 * bounds, so that the place is known before a head is written.
 */
static uint64_t
content_at(const struct fc_tree *t)
{
	uint64_t n = (uint64_t)t->n + t->nvariants;

	return ALIGN64(strings_at((uint32_t)n) + t->names +
	    n * (FCACHE_HEAD + FC_TYPE + 1));
}

int
fcache_measure(const struct fcache_root *from, size_t *size, char *err,
    size_t errlen)
{
	struct fc_tree t;
	int rc;

	rc = fc_scan(&t, from, err, errlen);
	if (rc < 0)
		return rc;
	*size = content_at(&t) + t.bytes;
	fc_scan_fini(&t);
	return 0;
}

/* Append a string with its NUL; returns its offset. */
static uint32_t
put_string(struct build *b, const char *s, size_t n)
{
	uint32_t at = (uint32_t)b->strings;

	memcpy((char *)b->fc + at, s, n + 1);
	b->strings += n + 1;
	return at;
}

/* IMF-fixdate (RFC 9110, 5.6.7), whatever the locale. */
static void
http_date(char *buf, size_t len, int64_t when)
{
	static const char day[7][4] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
	};
	static const char mon[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
	};
	const int64_t last = 253402300799;	/* end of the year 9999 */
	struct tm tm = { .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
	time_t t = when < 0 ? 0 : when > last ? last : (time_t)when;

	gmtime_r(&t, &tm);
	snprintf(buf, len, "%s, %02d %s %04d %02d:%02d:%02d GMT",
	    day[tm.tm_wday], tm.tm_mday, mon[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void
put_head(struct build *b, struct fcache_entry *e, const char *type)
{
	char head[FCACHE_HEAD + 1], date[80];
	int n;

	http_date(date, sizeof(date), e->mtime);
	n = snprintf(head, sizeof(head), "Content-Type: %s\r\n"
	    "Content-Length: %" PRIu64 "\r\nETag: %s\r\n"
	    "Last-Modified: %s\r\nAccept-Ranges: bytes\r\n%s%s\r\n",
	    type, e->size, e->etag, date,
	    e->flags & FCACHE_CODED ? "Vary: Accept-Encoding\r\n" : "",
	    e->flags & FCACHE_GZIP ? "Content-Encoding: gzip\r\n" :
	    e->flags & FCACHE_BR ? "Content-Encoding: br\r\n" : "");
	e->head = put_string(b, head, (size_t)n);
	e->head_len = (uint32_t)n - 2;
}

/* Read a whole file to its place in the image. */
static int
read_body(struct build *b, const struct fc_file *f, uint8_t *to)
{
	struct stat st;
	uint64_t n = 0;
	ssize_t got;
	int fd, err;

	fd = fc_open(b->tree, f->path + 1, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fc_fail(b->err, b->errlen, -fd, "%s%s: %s",
		    b->tree->name, f->path, strerror(-fd));
	while (n < f->size) {
		got = read(fd, to + n, f->size - n);
		if (got == 0)
			break;
		if (got > 0)
			n += (uint64_t)got;
		else if (errno != EINTR)
			goto failed;
	}
	if (fstat(fd, &st) < 0)
		goto failed;
	close(fd);
	if (n != f->size || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != f->size ||
	    st.st_mtim.tv_sec != f->mtime ||
	    st.st_mtim.tv_nsec != (long)f->mtime_ns)
		return fc_fail(b->err, b->errlen, EBUSY,
		    "%s%s: changed while it was read", b->tree->name,
		    f->path);
	return 0;
failed:
	err = errno;
	close(fd);
	return fc_fail(b->err, b->errlen, err, "%s%s: %s", b->tree->name,
	    f->path, strerror(err));
}

/*
 * What names a version of a file. Content alone where it is read: the same
 * bytes have the same validator in every instance and after every reload
 * (RFC 9110, 8.8.1). A large file is not read for that: it is who it is, and
 * when it was written, to the nanosecond.
 */
static uint64_t
file_hash(const struct fcache_entry *e)
{
	uint64_t id[4] = { e->size, (uint64_t)e->mtime, e->mtime_ns, e->ino };

	return fcache_hash(id, sizeof(id));
}

static int
put_entry(struct build *b, const struct fc_mime *m, uint32_t i)
{
	const struct fc_file *f = &b->tree->files[i];
	struct fcache_entry *e = &b->entries[i];
	uint8_t *to = (uint8_t *)b->fc + b->content;
	const char *type;
	int rc;

	e->path_len = (uint32_t)strlen(f->path);
	e->path = put_string(b, f->path, e->path_len);
	e->hash = (uint32_t)fcache_hash(f->path, e->path_len);
	e->flags = f->flags;
	e->size = f->size;
	e->mtime = f->mtime;
	e->mtime_ns = f->mtime_ns;
	e->ino = f->ino;
	e->body = b->content;
	e->index = e->gzip = e->br = UINT32_MAX;
	type = "";
	if (f->flags & FCACHE_LIST) {
		fc_list(b->tree, i, to);
		type = "text/html; charset=utf-8";
	}
	if (!(f->flags & FCACHE_DIR)) {
		rc = f->flags & FCACHE_FILE ? 0 : read_body(b, f, to);
		if (rc < 0)
			return rc;
		type = fc_mime_type(m, f->path);
	}
	snprintf(e->etag, sizeof(e->etag), "\"%016" PRIx64 "\"",
	    f->flags & FCACHE_FILE ? file_hash(e) : fcache_hash(to, e->size));
	e->type = put_string(b, type, strlen(type));
	put_head(b, e, type);
	if (f->flags & FCACHE_FILE)
		return 0;
	b->content += ALIGN64(e->size);
	b->fc->content += e->size;
	return 0;
}

/* Variants: entry number `no` on; heads of the file, content of the other. */
static void
put_variants(struct build *b, uint32_t no)
{
	const struct fc_file *f = b->tree->files;
	struct fcache_entry *e, *base;
	uint32_t i;

	for (i = 0; i < b->tree->n; i++) {
		if (f[i].base == UINT32_MAX)
			continue;
		base = &b->entries[f[i].base];
		if (f[i].coding == FCACHE_GZIP)
			base->gzip = no;
		else
			base->br = no;
		e = &b->entries[no++];
		*e = b->entries[i];
		e->flags = f[i].coding | (f[i].flags & FCACHE_FILE);
		e->gzip = e->br = UINT32_MAX;
		e->type = base->type;
		put_head(b, e, fcache_str(b->fc, base->type));
	}
}

/* Link directories to their index files, and fill the hash index. */
static void
put_index(struct build *b)
{
	uint32_t *index = (uint32_t *)((uint8_t *)b->fc + b->fc->index);
	const struct fcache_entry *e;
	char path[FC_PATH];
	uint32_t i, at;

	memset(index, 0xff,
	    ((size_t)b->fc->index_mask + 1) * sizeof(*index));
	for (i = 0; i < b->tree->n; i++) {
		at = b->entries[i].hash & b->fc->index_mask;
		while (index[at] != UINT32_MAX)
			at = (at + 1) & b->fc->index_mask;
		index[at] = i;
	}
	for (i = 0; i < b->tree->n; i++) {
		if (!(b->entries[i].flags & FCACHE_DIR))
			continue;
		snprintf(path, sizeof(path), "%s" FCACHE_INDEX,
		    b->tree->files[i].path);
		e = fcache_find(b->fc, path, strlen(path));
		if (e != NULL && !(e->flags & FCACHE_DIR))
			b->entries[i].index = (uint32_t)(e - b->entries);
	}
}

int
fcache_build(void *mem, size_t size, const struct fcache_root *from,
    char *err, size_t errlen)
{
	struct build b = { .fc = mem, .err = err, .errlen = errlen };
	struct fc_mime m;
	struct fc_tree t;
	uint64_t need;
	uint32_t i, n;
	int rc;

	rc = fc_scan(&t, from, err, errlen);
	if (rc < 0)
		return rc;
	rc = fc_mime_init(&m, from->mime);
	if (rc < 0)
		fc_note(err, errlen, "%s: %s: all files are "
		    "application/octet-stream", from->mime,
		    strerror(-rc));
	need = content_at(&t) + t.bytes;
	if (need > size || content_at(&t) > UINT32_MAX) {
		rc = fc_fail(err, errlen, ENOSPC, "%s: needs %" PRIu64
		    " bytes of cache (%" PRIu64 " MB, %u entries), there are "
		    "%zu (%zu MB)", from->root, need, (need + 1048575) >> 20, t.n,
		    size, size >> 20);
		goto fini;
	}
	b.tree = &t;
	n = t.n + t.nvariants;
	b.fc->nentries = n;
	b.fc->size = need;
	b.fc->index_mask = index_slots(n) - 1;
	b.fc->entries = (uint32_t)ALIGN64(sizeof(struct fcache));
	b.fc->index = b.fc->entries +
	    (uint32_t)ALIGN64((uint64_t)n * sizeof(struct fcache_entry));
	b.entries = (struct fcache_entry *)((uint8_t *)mem + b.fc->entries);
	b.strings = strings_at(n);
	b.content = content_at(&t);
	rc = 0;
	for (i = 0; i < t.n && rc == 0; i++)
		rc = put_entry(&b, &m, i);
	if (rc < 0)
		goto fini;
	put_variants(&b, t.n);
	put_index(&b);
	b.fc->magic = FCACHE_MAGIC;
fini:
	fc_mime_fini(&m);
	fc_scan_fini(&t);
	return rc;
}
