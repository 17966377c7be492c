/*
 * fcache: lookup in an image, and the check of its bounds. Pure: workers send
 * from what another process built.
 */
#include <errno.h>
#include <string.h>

#include "fcache.h"

#define HASH_A	0x9e3779b97f4a7c15u
#define HASH_B	0xe7037ed1a0b428dbu

static uint64_t
load8(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
load4(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Multiply to 128 bits and fold: every input bit reaches every output bit. */
static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static inline uint64_t
hash(const void *mem, size_t n)
{
	const uint8_t *p = mem;
	uint64_t h = n ^ HASH_B, last;
	size_t left = n;

	for (; left > 8; left -= 8, p += 8)
		h = fold(h ^ load8(p), HASH_A) + HASH_B;
	/* The last 1..8 bytes, by loads that overlap instead of a loop. */
	if (n >= 8)
		last = load8(p + left - 8);
	else if (left >= 4)
		last = load4(p) << 32 | load4(p + left - 4);
	else if (left > 0)
		last = (uint64_t)p[0] << 16 | (uint64_t)p[left / 2] << 8 |
		    p[left - 1];
	else
		last = 0;
	h = fold(h ^ last, HASH_A);
	return fold(h ^ HASH_B, HASH_A);
}

uint64_t
fcache_hash(const void *p, size_t n)
{
	return hash(p, n);
}

/* memcmp() == 0 for what is short and nearly always equal. */
static inline int
same(const uint8_t *a, const uint8_t *b, size_t n)
{
	if (n > 16)
		return memcmp(a, b, n) == 0;
	if (n >= 8)
		return load8(a) == load8(b) &&
		    load8(a + n - 8) == load8(b + n - 8);
	if (n >= 4)
		return load4(a) == load4(b) &&
		    load4(a + n - 4) == load4(b + n - 4);
	return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] &&
	    a[n - 1] == b[n - 1]);
}

const struct fcache_entry *
fcache_find(const struct fcache *fc, const char *path, size_t n)
{
	const uint8_t *img = (const uint8_t *)fc;
	const uint32_t *index = (const uint32_t *)(img + fc->index);
	const struct fcache_entry *e, *entries;
	uint32_t h = (uint32_t)hash(path, n), i, no;

	entries = (const struct fcache_entry *)(img + fc->entries);
	/* fcache_check() saw an empty slot, so this ends. */
	for (i = h & fc->index_mask; (no = index[i]) != UINT32_MAX;
	    i = (i + 1) & fc->index_mask) {
		e = &entries[no];
		if (e->hash == h && e->path_len == n &&
		    same(img + e->path, (const uint8_t *)path, n))
			return e;
	}
	return NULL;
}

/* Whether [off, off + len) lies within an image of size bytes. */
static int
inside(uint64_t size, uint64_t off, uint64_t len)
{
	return off <= size && len <= size - off;
}

/* Whether an entry number is none, or that of a variant. */
static int
is_variant(const struct fcache *fc, uint32_t no, uint32_t how)
{
	const struct fcache_entry *e;

	if (no == UINT32_MAX)
		return 1;
	e = (const struct fcache_entry *)((const char *)fc + fc->entries) + no;
	return no < fc->nentries && (e->flags & how) != 0;
}

static int
check_entry(const struct fcache *fc, size_t size, const struct fcache_entry *e)
{
	const char *img = (const char *)fc;
	const struct fcache_entry *to;

	if (!inside(size, e->path, (uint64_t)e->path_len + 1) ||
	    e->path_len == 0 || img[e->path] != '/' ||
	    img[e->path + e->path_len] != '\0')
		return -EPROTO;
	if (e->hash != (uint32_t)fcache_hash(img + e->path, e->path_len))
		return -EPROTO;
	if (!(e->flags & FCACHE_FILE) && !inside(size, e->body, e->size))
		return -EPROTO;
	if (e->head_len > FCACHE_HEAD - 2 ||
	    !inside(size, e->head, (uint64_t)e->head_len + 2))
		return -EPROTO;
	if (e->type >= size || memchr(img + e->type, 0, size - e->type) == NULL)
		return -EPROTO;
	if (memchr(e->etag, 0, sizeof(e->etag)) == NULL)
		return -EPROTO;
	if (e->index != UINT32_MAX) {
		if (!(e->flags & FCACHE_DIR) || e->index >= fc->nentries)
			return -EPROTO;
		to = (const struct fcache_entry *)(img + fc->entries) +
		    e->index;
		if (to->flags & FCACHE_DIR)
			return -EPROTO;
	}
	if (!is_variant(fc, e->gzip, FCACHE_GZIP) ||
	    !is_variant(fc, e->br, FCACHE_BR))
		return -EPROTO;
	return 0;
}

int
fcache_check(const struct fcache *fc, size_t size)
{
	const char *img = (const char *)fc;
	const struct fcache_entry *entries;
	const uint32_t *index;
	uint64_t slots, used = 0, i;

	if (size < sizeof(*fc) || fc->magic != FCACHE_MAGIC ||
	    fc->size > size || fc->size < sizeof(*fc))
		return -EPROTO;
	size = fc->size;
	slots = (uint64_t)fc->index_mask + 1;
	if ((slots & fc->index_mask) != 0 || slots <= fc->nentries)
		return -EPROTO;
	if (fc->entries % _Alignof(struct fcache_entry) != 0 ||
	    fc->index % sizeof(uint32_t) != 0)
		return -EPROTO;
	if (!inside(size, fc->entries,
	    (uint64_t)fc->nentries * sizeof(struct fcache_entry)) ||
	    !inside(size, fc->index, slots * sizeof(uint32_t)))
		return -EPROTO;
	index = (const uint32_t *)(img + fc->index);
	for (i = 0; i < slots; i++) {
		if (index[i] == UINT32_MAX)
			continue;
		if (index[i] >= fc->nentries)
			return -EPROTO;
		used++;
	}
	/* With at most as many used slots as entries, one at least is empty;
	 * variants are not in the index. */
	if (used > fc->nentries)
		return -EPROTO;
	entries = (const struct fcache_entry *)(img + fc->entries);
	for (i = 0; i < fc->nentries; i++) {
		if (check_entry(fc, size, &entries[i]) != 0)
			return -EPROTO;
	}
	return 0;
}
