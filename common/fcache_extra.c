/*
 * fcache_extra: what the builder adds to a tree once it is walked: which files
 * are precompressed variants of others, and pages that list directories.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcache.h"
#include "fcache_priv.h"

static int
cmp_path(const void *key, const void *file)
{
	return strcmp(key, ((const struct fc_file *)file)->path);
}

/* The file or directory of this path, or NULL. */
static struct fc_file *
file_of(struct fc_tree *t, const char *path)
{
	return bsearch(path, t->files, t->n, sizeof(*t->files), cmp_path);
}

/* If files[i] is called as another one and ".gz" or ".br": make it that one's
 * variant. */
static void
variant_of(struct fc_tree *t, uint32_t i)
{
	struct fc_file *f = &t->files[i], *base;
	size_t len = strlen(f->path);
	char path[FC_PATH];
	const char *end;
	uint32_t how;

	if ((f->flags & FCACHE_DIR) || len < 5 || len >= sizeof(path))
		return;
	end = f->path + len - 3;
	if (strcmp(end, ".gz") == 0)
		how = FCACHE_GZIP;
	else if (strcmp(end, ".br") == 0)
		how = FCACHE_BR;
	else
		return;
	memcpy(path, f->path, len - 3);
	path[len - 3] = '\0';
	base = file_of(t, path);
	if (base == NULL || (base->flags & FCACHE_DIR))
		return;
	if (f->mtime < base->mtime) {
		fc_note(t->err, t->errlen, "%s%s: not used as a variant: older "
		    "than its file", t->name, f->path);
		return;
	}
	base->flags |= FCACHE_VARY;
	f->base = (uint32_t)(base - t->files);
	f->coding = how;
	t->nvariants++;
}

/* ---- listings ---- */

/* A page that is measured (to is NULL) or written. */
struct page {
	uint8_t *to;
	uint64_t n;		/* bytes so far */
};

static void
put(struct page *p, const char *s)
{
	size_t len = strlen(s);

	if (p->to != NULL)
		memcpy(p->to + p->n, s, len);
	p->n += len;
}

/* A name as text: no byte of it means anything to a browser. */
static void
put_text(struct page *p, const char *s, size_t n)
{
	char one[8];
	size_t i;

	for (i = 0; i < n; i++) {
		if (strchr("<>&\"'", s[i]) != NULL || (uint8_t)s[i] < ' ' ||
		    s[i] == 0x7f)
			snprintf(one, sizeof(one), "&#%u;",
			    (unsigned)(uint8_t)s[i]);
		else
			snprintf(one, sizeof(one), "%c", s[i]);
		put(p, one);
	}
}

/* A name as part of a URL: all but unreserved characters are encoded. */
static void
put_link(struct page *p, const char *s, size_t n)
{
	char one[8];
	size_t i;

	for (i = 0; i < n; i++) {
		if ((s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') ||
		    (s[i] >= '0' && s[i] <= '9') ||
		    strchr("-._~/", s[i]) != NULL)
			snprintf(one, sizeof(one), "%c", s[i]);
		else
			snprintf(one, sizeof(one), "%%%02X",
			    (unsigned)(uint8_t)s[i]);
		put(p, one);
	}
}

static void
put_line(struct page *p, const struct fc_file *f, const char *name)
{
	size_t n = strlen(name);
	char size[32] = "", date[32] = "";
	time_t t = (time_t)f->mtime;
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	if (!(f->flags & FCACHE_DIR))
		snprintf(size, sizeof(size), "%" PRIu64, f->size);
	/* "./" first: a name with a colon is no scheme. */
	put(p, "<tr><td><a href=\"./");
	put_link(p, name, n);
	put(p, "\">");
	put_text(p, name, n);
	put(p, "</a></td><td>");
	put(p, size);
	put(p, "</td><td>");
	put(p, date);
	put(p, "</td></tr>\n");
}

uint64_t
fc_list(const struct fc_tree *t, uint32_t dir, uint8_t *to)
{
	const char *path = t->files[dir].path, *name, *slash;
	size_t len = strlen(path);
	struct page p = { to, 0 };
	uint32_t i;

	put(&p, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
	    "<title>Index of ");
	put_text(&p, path, len);
	put(&p, "</title></head>\n<body><h1>Index of ");
	put_text(&p, path, len);
	put(&p, "</h1>\n<table>\n");
	if (len > 1)
		put(&p, "<tr><td><a href=\"../\">../</a></td><td></td>"
		    "<td></td></tr>\n");
	/* What is beneath follows at once, for files are sorted. */
	for (i = dir + 1; i < t->n; i++) {
		if (strncmp(t->files[i].path, path, len) != 0)
			break;
		name = t->files[i].path + len;
		slash = strchr(name, '/');
		if (slash == NULL || slash[1] == '\0')
			put_line(&p, &t->files[i], name);
	}
	put(&p, "</table></body></html>\n");
	return p.n;
}

/* Give a directory without an index file room for a page. */
static void
listing_of(struct fc_tree *t, uint32_t i)
{
	struct fc_file *f = &t->files[i], *index;
	char path[FC_PATH];
	int n;

	if (!(f->flags & FCACHE_DIR))
		return;
	n = snprintf(path, sizeof(path), "%s" FCACHE_INDEX, f->path);
	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	index = file_of(t, path);
	if (index != NULL && !(index->flags & FCACHE_DIR))
		return;
	f->flags |= FCACHE_LIST;
	f->size = fc_list(t, i, NULL);
	t->bytes += (f->size + 63) & ~(uint64_t)63;
}

void
fc_extra(struct fc_tree *t)
{
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		t->files[i].base = UINT32_MAX;
		variant_of(t, i);
	}
	for (i = 0; i < t->n; i++)
		listing_of(t, i);
}
