#include "reads.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reads_priv.h"

/* ---- the ring ------------------------------------------------------------ */

struct io_uring_sqe *
reads_sqe(struct reads *r)
{
	struct io_uring_sqe *e = io_uring_get_sqe(&r->ring);

	/* There is room for all that can be asked for before the kernel took
	 * any of it, see SQES(). */
	assert(e != NULL);
	r->queued = true;
	return e;
}

/* The kernel may be short of something now, for long even: ask again, but not
 * in each turn. */
static void
submit(struct reads *r)
{
	if (!r->queued || r->now < r->retry_us)
		return;
	r->queued = io_uring_submit(&r->ring) < 0;
	if (r->queued) {
		r->retry_us = r->now + RETRY_US;
		r->refused++;
	}
}

/* Kernel threads that block for us must not run on our own cpu only. */
static void
spread_threads(struct reads *r)
{
	unsigned int most[2] = { THREADS, THREADS };
	cpu_set_t all;
	int i;

	CPU_ZERO(&all);
	for (i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &all);
	/* They are hints: without them it works too. */
	io_uring_register_iowq_aff(&r->ring, sizeof(all), &all);
	io_uring_register_iowq_max_workers(&r->ring, most);
}

struct reads *
reads_open(uint32_t nbufs, uint32_t conns, int *err)
{
	struct reads *r = calloc(1, sizeof(*r));
	uint32_t i;

	*err = -ENOMEM;
	if (r == NULL)
		return NULL;
	r->nbufs = nbufs;
	r->nconns = conns;
	r->buf = calloc(nbufs, sizeof(*r->buf));
	r->file = calloc(2 * nbufs, sizeof(*r->file));
	r->mem = aligned_alloc(4096, (size_t)nbufs * READS_LEN);
	r->of = calloc(conns, sizeof(*r->of));
	if (r->buf == NULL || r->file == NULL || r->mem == NULL ||
	    r->of == NULL)
		goto free_all;
	*err = io_uring_queue_init(SQES(nbufs), &r->ring, 0);
	if (*err < 0)
		goto free_all;
	spread_threads(r);
	r->free = r->ready_head = r->wait_head = r->wait_tail = NONE;
	r->inside = NONE;
	for (i = 0; i < conns; i++)
		r->of[i].buf = OF_NONE;
	for (i = nbufs; i-- > 0;) {
		r->buf[i].next = r->free;
		r->free = i;
	}
	for (i = 0; i < 2 * nbufs; i++)
		r->file[i].fd = -1;
	for (i = 0; i < ROOTS; i++)
		r->root[i].fd = -1;
	return r;

free_all:
	free(r->of);
	free(r->mem);
	free(r->file);
	free(r->buf);
	free(r);
	return NULL;
}

int
reads_fd(const struct reads *r)
{
	return r->ring.ring_fd;
}

/* ---- buffers ------------------------------------------------------------- */

/* Give the buffer of nobody to the first who waits, or to the free ones. */
static void
buf_free(struct reads *r, uint32_t b)
{
	struct rd_buf *k = &r->buf[b];
	uint32_t id = r->wait_head;

	k->file = NONE;
	if (id == NONE) {
		k->state = BUF_FREE;
		k->next = r->free;
		r->free = b;
		return;
	}
	wait_remove(r, id);
	r->of[id].buf = b;
	k->id = id;
	k->state = BUF_RESERVED;
	buf_ready(r, b);
}

/* Its owner gave it up: free, unless the kernel still writes to it. */
static void
buf_drop(struct reads *r, uint32_t b)
{
	struct rd_buf *k = &r->buf[b];

	if (k->id != NONE)
		r->of[k->id].buf = OF_NONE;
	k->id = NONE;
	if (k->on_list || k->state == BUF_READING)
		return;		/* reads_next(), the completion see to it */
	if (k->file != NONE)
		file_leave(r, k->file);
	buf_free(r, b);
}

void
buf_ready(struct reads *r, uint32_t b)
{
	struct rd_buf *k = &r->buf[b];

	if (k->on_list)
		return;
	k->on_list = true;
	k->next = NONE;
	if (r->ready_head == NONE)
		r->ready_head = b;
	else
		r->buf[r->ready_tail].next = b;
	r->ready_tail = b;
}

void
buf_done(struct reads *r, uint32_t b, int64_t result)
{
	struct rd_buf *k = &r->buf[b];

	k->state = BUF_DONE;
	k->result = result;
	if (k->file != NONE)
		file_leave(r, k->file);
	k->file = NONE;
	if (k->id == NONE) {
		if (!k->on_list)
			buf_free(r, b);
	} else if (b != r->inside) {
		buf_ready(r, b);
	}
}

/* A buffer for connection id; NONE: it waits for one. */
static uint32_t
buf_take(struct reads *r, uint32_t id)
{
	uint32_t b = r->free;

	if (r->of[id].buf == OF_WAITS)
		return NONE;
	if (b == NONE) {
		wait_append(r, id);
		return NONE;
	}
	r->free = r->buf[b].next;
	r->buf[b].id = id;
	r->buf[b].on_list = false;
	r->of[id].buf = b;
	return b;
}

uint32_t
reads_next(struct reads *r)
{
	uint32_t b, id;

	while ((b = r->ready_head) != NONE) {
		r->ready_head = r->buf[b].next;
		r->buf[b].on_list = false;
		id = r->buf[b].id;
		if (id != NONE)
			return id;
		if (r->buf[b].state != BUF_READING)
			buf_drop(r, b);
	}
	return NONE;
}

void
reads_end(struct reads *r, uint32_t id)
{
	uint32_t b;

	if (id >= r->nconns)
		return;
	b = r->of[id].buf;
	if (b == OF_WAITS)
		wait_remove(r, id);
	else if (b != OF_NONE)
		buf_drop(r, b);
}

/* ---- what a service asks for --------------------------------------------- */

/* The result in a buffer, which is its owner's until the next turn. */
static int64_t
take(struct reads *r, uint32_t b, const struct svc_fetch *q)
{
	struct rd_buf *k = &r->buf[b];

	*q->bytes = r->mem + (size_t)b * READS_LEN;
	return k->result != 0 ? k->result : -EIO;
}

static bool
is_for(const struct rd_buf *k, const struct svc_fetch *q)
{
	return k->fc == q->fc && k->entry == q->entry && k->off == q->off;
}

int64_t
reads_get(struct reads *r, const struct svc_fetch *q)
{
	struct rd_buf *k;
	uint32_t b;

	if (q->id >= r->nconns)
		return -EINVAL;
	b = r->of[q->id].buf;
	if (b < r->nbufs && r->buf[b].state != BUF_RESERVED &&
	    !is_for(&r->buf[b], q)) {
		buf_drop(r, b);		/* of an answer before */
		b = r->of[q->id].buf;
	}
	if (b < r->nbufs && r->buf[b].state != BUF_RESERVED)
		return r->buf[b].state == BUF_DONE ? take(r, b, q) : 0;
	if (b >= r->nbufs)
		b = buf_take(r, q->id);
	if (b == NONE)
		return 0;
	k = &r->buf[b];
	k->fc = q->fc;
	k->entry = q->entry;
	k->off = q->off;
	k->len = q->len < READS_LEN ? q->len : READS_LEN;
	k->look = q->last && k->len == q->len;
	k->state = BUF_OPENING;
	/* What lies in the kernel's page cache is there at once. */
	r->inside = b;
	file_enter(r, b, q);
	submit(r);
	reads_reap(r);
	submit(r);
	r->inside = NONE;
	return k->state == BUF_DONE ? take(r, b, q) : 0;
}

uint32_t
reads_turn(struct reads *r, uint64_t now_us)
{
	uint32_t refused;

	r->now = now_us;
	if (io_uring_cq_ready(&r->ring) > 0)
		reads_reap(r);
	submit(r);
	refused = r->refused;
	r->refused = 0;
	return refused;
}

uint64_t
reads_deadline(const struct reads *r)
{
	return r->queued ? r->retry_us : UINT64_MAX;
}
