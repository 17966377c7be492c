/*
 * fcache_priv: the parts of the file cache's builder: walk a tree, know media
 * types, lay out the image.
 */
#ifndef COMMON_FCACHE_PRIV_H
#define COMMON_FCACHE_PRIV_H

#include <stddef.h>
#include <stdint.h>

struct fcache_root;

#define FC_FILES	1000000u	/* most entries of one root */
#define FC_DEPTH	64u		/* most directories in a path */
#define FC_TYPE		96u		/* most bytes of a media type */
#define FC_PATH		4112u		/* PATH_MAX and an index file's name */

/* A file or directory that will be in the image. */
struct fc_file {
	char *path;		/* as in fcache_entry: "/a/b", "/a/" */
	uint64_t size;
	int64_t mtime;		/* seconds */
	uint32_t mtime_ns;
	uint64_t ino;
	uint32_t flags;		/* FCACHE_* */
	uint32_t base;		/* the file that this one is a variant of;
				   UINT32_MAX: of none */
	uint32_t coding;	/* FCACHE_GZIP or FCACHE_BR, if it is one */
};

struct fc_tree {
	int root;		/* descriptor of the root directory */
	const char *name;	/* its path, for messages */
	uint32_t n, room;
	uint32_t nvariants;
	struct fc_file *files;	/* sorted by path once the walk is over */
	uint64_t bytes;		/* of contents, each rounded up to 64 */
	uint64_t names;		/* bytes of all paths with their NUL */
	char *err;		/* the caller's, for lines and the reason */
	size_t errlen;
	uint64_t file_max;	/* larger files are FCACHE_FILE */
};

/*
 * Walk the directory tree at root. 0, and fc_scan_fini() is owed; or -errno
 * with a reason in err.
 */
int	fc_scan(struct fc_tree *t, const struct fcache_root *from, char *err,
	    size_t errlen);
void	fc_scan_fini(struct fc_tree *t);

/*
 * Part of fc_scan(), once files are sorted: find variants; flag directories
 * that get a page (FCACHE_LIST) and add its bytes.
 */
void	fc_extra(struct fc_tree *t);

/* Write the page that lists directory files[dir]; its bytes. to may be NULL:
 * only measure. */
uint64_t fc_list(const struct fc_tree *t, uint32_t dir, uint8_t *to);

/*
 * Open a path beneath the root (without its leading slash). flags: O_*.
 * Descriptor, or -errno; -EXDEV the path leaves the root by a link.
 */
int	fc_open(const struct fc_tree *t, const char *path, int flags);

/* Add a line to err, if there is room for it. printf format. */
void	fc_note(char *err, size_t errlen, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* Set err to the reason of a failure; returns -code. printf format. */
int	fc_fail(char *err, size_t errlen, int code, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));

/* Media types by file extension. */
struct fc_mime {
	char *text;		/* the file, cut into words */
	struct fc_ext {
		const char *ext;	/* lower case, without the dot */
		const char *type;
	} *ext;			/* sorted by ext */
	size_t n;
};

/*
 * Read a mime.types file. 0, and fc_mime_fini() is owed; or -errno and m is
 * empty, which is a table too.
 */
int	fc_mime_init(struct fc_mime *m, const char *path);
void	fc_mime_fini(struct fc_mime *m);

/* Media type of a file of this path; application/octet-stream if unknown. */
const char *fc_mime_type(const struct fc_mime *m, const char *path);

#endif
