/*
 * reads_priv: inside of reads: buffers and queue in reads.c, files and
 * completions in reads_file.c.
 */
#ifndef IO_READS_PRIV_H
#define IO_READS_PRIV_H

#include <assert.h>

#include <liburing.h>

#include "../../common/board.h"
#include "reads.h"

#define NONE		UINT32_MAX
#define ROOTS		(2 * BOARD_ROOTS) /* two generations of each */
#define THREADS		4u	/* most of the kernel's for us, of each kind */
#define RETRY_US	1000u	/* after the kernel refused */
/*
 * Entries that can stand in the queue while the kernel takes none, of n
 * buffers: one of each buffer, which goes on by completions only; of each
 * file the close of the one before and what it does itself; of each root an
 * open, and the close of two descriptors.
 */
#define SQES(n)		(5 * (n) + 3 * ROOTS)
#define FRESH_US	250000u	/* a look at a file is believed so long */

/* What a completion belongs to. */
enum rd_kind {
	RD_ROOT,		/* a root's directory was opened */
	RD_OPEN,		/* a file was */
	RD_STAT,		/* and looked at */
	RD_READ,		/* a buffer was filled */
	RD_AFTER,		/* and its file looked at behind that */
	RD_CLOSE,
};

enum buf_state {
	BUF_FREE,
	BUF_RESERVED,		/* for who waited longest */
	BUF_OPENING,		/* its file is being opened or looked at */
	BUF_READING,		/* the kernel writes to it */
	BUF_DONE,
};

struct rd_buf {
	uint8_t state;
	bool look;		/* at the file, after this read */
	bool on_list;		/* of those that reads_next() names */
	uint32_t id;		/* connection; NONE: it gave up */
	uint32_t next;		/* of the free ones, or of those named */
	uint32_t file;
	uint32_t len;
	const struct fcache *fc;
	const struct fcache_entry *entry;
	uint64_t off;
	int64_t result;		/* BUF_DONE: bytes or -errno */
	int64_t got;		/* bytes, until the file was looked at */
	struct statx stx;
};

enum file_state { FILE_FREE, FILE_OPENING, FILE_STAT, FILE_OPEN, FILE_BAD };

struct rd_file {
	uint8_t state;
	bool started;		/* FILE_OPENING: the kernel knows of it */
	bool looking;		/* a statx() is under way */
	int fd;
	int err;		/* FILE_BAD */
	uint32_t root;
	uint32_t users;		/* buffers that refer to it */
	uint64_t used;		/* order of use */
	uint64_t checked;	/* µs */
	const struct fcache *fc;
	const struct fcache_entry *entry;
	struct open_how how;
	struct statx stx;
};

struct rd_root {
	const struct fcache *fc;
	int fd;
	bool opening;
	char path[OPT_STRLEN];
	struct open_how how;
};

#define OF_NONE		UINT32_MAX
#define OF_WAITS	(UINT32_MAX - 1)

/* Of a connection: its buffer, or its place among those who wait. */
struct rd_of {
	uint32_t buf;		/* or OF_* */
	uint32_t next, prev;
	uint32_t file;		/* where its file was last: a guess */
};

struct reads {
	struct io_uring ring;
	uint64_t now;
	uint64_t uses;
	uint32_t nbufs, nconns;
	uint32_t free, ready_head, ready_tail, wait_head, wait_tail;
	bool queued;		/* something is to be submitted */
	uint32_t refused;	/* times that the kernel did not take it, */
	uint64_t retry_us;	/* when it is asked again */
	uint32_t inside;	/* buffer that reads_get() looks at itself */
	struct rd_buf *buf;
	struct rd_file *file;	/* twice as many as buffers */
	uint8_t *mem;
	struct rd_of *of;
	struct rd_root root[ROOTS];
};

/* ---- reads.c ---- */
/* A free entry of the submission queue. */
struct io_uring_sqe *reads_sqe(struct reads *r);
/* reads_next() is to name its connection. */
void	buf_ready(struct reads *r, uint32_t b);
/* It is filled, or will not be. */
void	buf_done(struct reads *r, uint32_t b, int64_t result);

/* ---- reads_file.c ---- */
/* Find or open the file of a buffer and read. */
void	file_enter(struct reads *r, uint32_t b, const struct svc_fetch *q);
/* A buffer needs it no more. */
void	file_leave(struct reads *r, uint32_t f);
/* Handle all completions. */
void	reads_reap(struct reads *r);

/* Name what completes e. After it was prepared. */
static inline void
tag(struct io_uring_sqe *e, enum rd_kind kind, uint32_t index)
{
	io_uring_sqe_set_data64(e, (uint64_t)kind << 32 | index);
}

static inline void
wait_append(struct reads *r, uint32_t id)
{
	struct rd_of *o = &r->of[id];

	o->buf = OF_WAITS;
	o->next = NONE;
	o->prev = r->wait_tail;
	if (r->wait_tail == NONE)
		r->wait_head = id;
	else
		r->of[r->wait_tail].next = id;
	r->wait_tail = id;
}

static inline void
wait_remove(struct reads *r, uint32_t id)
{
	struct rd_of *o = &r->of[id];

	if (o->prev == NONE)
		r->wait_head = o->next;
	else
		r->of[o->prev].next = o->next;
	if (o->next == NONE)
		r->wait_tail = o->prev;
	else
		r->of[o->next].prev = o->prev;
	o->buf = OF_NONE;
}

#endif
