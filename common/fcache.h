/*
 * fcache: a document root in shared memory. Built once by the primary (in a
 * child process), then read-only: all workers send from the same bytes
 * without copying them.
 *
 * One image is one contiguous piece of memory: header, table of entries,
 * hash index, path and type strings, then contents, each aligned to 64
 * bytes. Links are offsets from the image's first byte, so it can lie
 * anywhere. A file "x" beside "x.gz" or "x.br" that is not older has variants:
 * entries of their own, with the coded content, behind those of all paths.
 * Readers check bounds once, with fcache_check().
 */
#ifndef COMMON_FCACHE_H
#define COMMON_FCACHE_H

#include <stddef.h>
#include <stdint.h>

#define FCACHE_MAGIC	0x53464331u	/* "SFC1" */
#define FCACHE_HEAD	320u	/* most bytes of a head and blank line */
#define FCACHE_INDEX	"index.html"	/* stands for its directory */

struct fcache_entry {
	uint32_t path;		/* offset of the NUL-terminated path: "/a/b",
				   percent-decoded, a directory ends in "/" */
	uint32_t path_len;	/* bytes */
	uint32_t hash;		/* of the path: low half of fcache_hash() */
	uint32_t flags;		/* FCACHE_* */
	uint64_t body;		/* offset of the content */
	uint64_t size;		/* bytes of the content */
	int64_t mtime;		/* seconds since 1970 */
	uint32_t type;		/* offset of the media type string */
	uint32_t head;		/* offset of prepared response header lines */
	uint32_t head_len;	/* bytes; ends with CRLF, no status line, no
				   Date. CRLF follows that is not counted, so
				   that a head can be copied whole */
	uint32_t index;		/* directory: entry number of its index file;
				   UINT32_MAX: none */
	uint32_t gzip, br;	/* FCACHE_VARY: entry numbers of variants;
				   UINT32_MAX: none */
	char etag[24];		/* with quotes, NUL-terminated */
	uint64_t ino;		/* FCACHE_FILE: who the file is, together */
	uint32_t mtime_ns;	/* with mtime and size */
	uint32_t pad;
};

#define FCACHE_DIR	0x1u	/* a directory */
#define FCACHE_LIST	0x2u	/* its content is a page that lists it */
#define FCACHE_VARY	0x4u	/* a file with variants */
#define FCACHE_GZIP	0x8u	/* a variant, which no path finds: its head */
#define FCACHE_BR	0x10u	/* is the file's, its content is coded */
#define FCACHE_FILE	0x20u	/* too large for the image, which has no byte
				   of its content: it is read when wanted */

struct fcache {
	uint32_t magic;
	uint32_t nentries;
	uint64_t size;		/* bytes of the whole image */
	uint32_t index_mask;	/* slots of the index - 1 */
	uint32_t index;		/* offset: uint32_t entry numbers, UINT32_MAX
				   is an empty slot; linear probing */
	uint32_t entries;	/* offset of struct fcache_entry[] */
	uint32_t pad;
	uint64_t content;	/* bytes of all contents */
};

/*
 * Hash of n bytes: spreads, and names contents (strong validators); it is no
 * secret and no signature.
 */
uint64_t fcache_hash(const void *p, size_t n);

/* Find a path of n bytes; NULL if it is not there. O(1). */
const struct fcache_entry *fcache_find(const struct fcache *fc,
	    const char *path, size_t n);

static inline const char *
fcache_str(const struct fcache *fc, uint32_t off)
{
	return (const char *)fc + off;
}

static inline const uint8_t *
fcache_body(const struct fcache *fc, const struct fcache_entry *e)
{
	return (const uint8_t *)fc + e->body;
}

/* Where an image comes from. */
struct fcache_root {
	const char *root;	/* directory */
	const char *mime;	/* path of a mime.types file */
	uint64_t file_max;	/* larger files are only named (FCACHE_FILE) */
};

/*
 * Bytes that an image of a directory tree takes at most. Symbolic
 * links that leave the root or lead nowhere, sockets and devices are left out,
 * each with a line in err, as far as it has room. 0, or -errno with a reason
 * in err ("... : permission denied").
 */
int	fcache_measure(const struct fcache_root *from, size_t *size,
	    char *err, size_t errlen);

/*
 * Build the image of a root into mem (size bytes, zeroed). When its mime.types
 * cannot be read, a line in err says so and all types are
 * application/octet-stream. 0, or -errno with a reason in err;
 * -ENOSPC names what is needed and what there is; -EBUSY a file changed while
 * it was read.
 */
int	fcache_build(void *mem, size_t size, const struct fcache_root *from,
	    char *err, size_t errlen);

/* Whether an image of this many bytes is whole and in bounds: 0 or -EPROTO. */
int	fcache_check(const struct fcache *fc, size_t size);

#endif
