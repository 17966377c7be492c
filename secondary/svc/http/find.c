/*
 * find: which entry of the cache answers when the path alone does not say:
 * a directory's index or listing, a precompressed variant.
 */
#include "../../proto/http_accept.h"
#include "http_priv.h"

static const struct fcache_entry *
entry(const struct fcache *fc, uint32_t no)
{
	return (const struct fcache_entry *)
	    ((const uint8_t *)fc + fc->entries) + no;
}

/* Whether two names are one, in any letter case. */
static bool
same_name(const char *a, const char *b, uint32_t n)
{
	char x, y;

	for (; n > 0; n--) {
		x = *a++;
		y = *b++;
		if (x >= 'A' && x <= 'Z')
			x |= 0x20;
		if (y >= 'A' && y <= 'Z')
			y |= 0x20;
		if (x != y)
			return false;
	}
	return true;
}

const struct fcache *
find_root(const struct hx *x, bool old)
{
	const struct http_slice *h = &x->req.field[FIELD_HOST];
	const struct fcache *wild = old ? x->p->old_root : x->p->root;
	const struct http_host *e;
	const char *port;
	uint32_t n, best = 0;

	if (!(x->req.have & 1u << FIELD_HOST))
		return wild;
	/* Without its port; an IPv6 address ends with its bracket. */
	port = memchr(h->p, h->p[0] == '[' ? ']' : ':', h->n);
	n = port == NULL ? h->n : (uint32_t)(port - h->p) + (*port == ']');
	if (n > 1 && h->p[n - 1] == '.')	/* a name up to the root */
		n--;
	for (e = x->p->host; e < x->p->host + x->p->nhosts; e++) {
		if (e->len == n && same_name(e->name, h->p, n))
			return old ? e->old : e->root;
		/* "*.example.com": any name beneath, at any depth. The
		 * longest one wins, whatever their order. */
		if (e->len > 2 && e->len <= n && e->len > best &&
		    e->name[0] == '*' && e->name[1] == '.' &&
		    same_name(e->name + 1, h->p + n - e->len + 1,
		    e->len - 1)) {
			best = e->len;
			wild = old ? e->old : e->root;
		}
	}
	return wild;
}

/* The entry of a directory's index file, or NULL. */
static const struct fcache_entry *
index_of(struct hx *x, const struct fcache_entry *dir)
{
	const struct fcache *fc = x->root;
	const struct fcache_entry *e;
	struct fmt f;

	if (!x->p->own_index)
		return dir->index == UINT32_MAX ? NULL :
		    entry(fc, dir->index);
	fmt_init(&f, x->p->path, sizeof(x->p->path));
	fmt_mem(&f, fcache_str(fc, dir->path), dir->path_len);
	fmt_str(&f, x->conf->index);
	if (fmt_cut(&f))
		return NULL;
	e = fcache_find(fc, f.start, fmt_len(&f));
	return e == NULL || (e->flags & FCACHE_DIR) ? NULL : e;
}

const struct fcache_entry *
find_entry(struct hx *x, const struct fcache_entry *e)
{
	const struct fcache_entry *dir = e;

	if (e->flags & FCACHE_DIR) {
		e = index_of(x, dir);
		if (e == NULL)
			return x->conf->listing && (dir->flags & FCACHE_LIST) ?
			    dir : NULL;
	}
	if (!(e->flags & FCACHE_VARY))
		return e;
	switch (http_coding(&x->req, (e->gzip != UINT32_MAX ? CODING_GZIP : 0) |
	    (e->br != UINT32_MAX ? CODING_BR : 0))) {
	case CODING_GZIP:
		return entry(x->root, e->gzip);
	case CODING_BR:
		return entry(x->root, e->br);
	default:
		return e;
	}
}

bool
find_file(struct hx *x)
{
	const struct http_slice *path = &x->req.path;
	const struct fcache_entry *e;

	if (x->root == NULL || path->n == 0)
		return false;
	e = fcache_find(x->root, path->p, path->n);
	return e != NULL && (e->flags == 0 || find_entry(x, e) != NULL);
}

void
find_fields(struct fmt *f, const struct fcache_entry *e)
{
	if (e->flags & (FCACHE_VARY | FCACHE_GZIP | FCACHE_BR))
		fmt_str(f, "Vary: Accept-Encoding\r\n");
	if (e->flags & FCACHE_GZIP)
		fmt_str(f, "Content-Encoding: gzip\r\n");
	if (e->flags & FCACHE_BR)
		fmt_str(f, "Content-Encoding: br\r\n");
}
