/*
 * stream: files too large for the cache. They are read piece by piece into
 * buffers of the process, and each piece is copied to the send queue at once;
 * the record remembers how much of the stretch in hand was queued (at). So
 * what takes over after a crash, or another slot after a move, asks for the
 * next piece as if nothing had happened.
 *
 * Buffers and chunks are few and downloads may be many: nobody holds a buffer
 * while it waits for its client, and the fewer chunks are free, the less of
 * them a download may fill.
 */
#include <errno.h>

#include "http_priv.h"

#define PIECE		65536u	/* most bytes asked for together */
#define LITTLE		4096u	/* worth a read, when there is more to come */
#define SPARE		64u	/* of 1024 chunks, left to all other answers */
#define AGAIN_MS	250	/* when they may be free again */

/* Bytes of its answer that a connection may have queued. */
static uint64_t
share(struct hx *x)
{
	uint32_t spare = conn_spare(x->n), all = conn_sndbuf(x->n, x->c);
	uint64_t use = 2 * (uint64_t)conn_window(x->c);

	/* What the client takes in two round trips: slow ones hold little. */
	if (use < 2 * LITTLE)
		use = 2 * LITTLE;
	if (use > all)
		use = all;
	if (spare >= 512)
		return use;
	if (spare >= 256)
		return use < all / 4 ? use : all / 4;
	/* A begun answer always goes on, by a chunk at a time. */
	return spare >= 128 ? 2 * LITTLE : LITTLE;
}

/* How much to read now; 0: the client has to take something first. */
static uint32_t
wanted(struct hx *x, uint64_t left)
{
	uint64_t most = share(x), queued = conn_queued(x->c), n;
	uint32_t room = conn_room(x->n, x->c);

	n = queued < most ? most - queued : 0;
	if (n > room)
		n = room;
	/* Not by driblets: see wait_client(). */
	if (n < left && n < LITTLE && queued > most / 2)
		return 0;
	if (n > PIECE)
		n = PIECE;
	return (uint32_t)(n < left ? n : left);
}

/* Wait until half of what may be queued is gone. */
static enum http_go
wait_client(struct hx *x)
{
	uint32_t all = conn_sndbuf(x->n, x->c), half = (uint32_t)share(x) / 2;

	x->s->io->fetch_end(x->s->ioarg, conn_id(x->n, x->c));
	return hx_wait_room(x, all > half ? all - half : all);
}

/* As io->fetch. The stretch that is read ends at `end`. */
static int64_t
piece(struct hx *x, const struct fcache_entry *e, uint64_t off,
    const uint8_t **bytes, uint64_t end)
{
	struct svc_fetch q = {
		.id = conn_id(x->n, x->c), .fc = x->root, .entry = e,
		.off = off, .bytes = bytes,
	};

	q.len = wanted(x, end - off);
	if (q.len == 0)
		return -EAGAIN;
	q.last = off + q.len == end;
	x->p->streams = true;
	return x->s->io->fetch(x->s->ioarg, &q);
}

bool
stream_first(struct hx *x, const struct fcache_entry *e, uint64_t first,
    uint64_t len, enum http_go *go)
{
	const uint8_t *bytes;
	int64_t got;

	if (x->st->step > 0 || x->st->pos > 0)
		return true;
	hx_flush(x);
	if (x->s->io->fetch == NULL) {
		*go = page_error(x, 503);
		return false;
	}
	if (conn_spare(x->n) < SPARE) {
		/* Who has not begun holds nothing: it can wait until those
		 * who have are done. */
		hx_timer(x, AGAIN_MS);
		svc_count(x->s, HTTP_BLOCKED, 1);
		x->blocked = true;
		*go = GO_WAIT;
		return false;
	}
	got = piece(x, e, first, &bytes, first + len);
	if (got > 0)
		return true;
	if (got == -EAGAIN) {
		*go = wait_client(x);
	} else if (got == 0) {
		x->blocked = true;
		*go = GO_WAIT;
	} else {
		x->s->io->fetch_end(x->s->ioarg, conn_id(x->n, x->c));
		svc_count(x->s, HTTP_STALE, 1);
		*go = page_error(x, 503);
	}
	return false;
}

enum http_go
stream_put(struct hx *x, const struct fcache_entry *e, uint64_t first,
    uint64_t len)
{
	struct http_state *st = x->st;
	const uint8_t *bytes;
	uint32_t took;
	int64_t got;

	hx_flush(x);
	while (st->at < len) {
		got = piece(x, e, first + st->at, &bytes, first + len);
		if (got == -EAGAIN)
			return wait_client(x);
		if (got == 0) {
			x->blocked = true;
			return GO_WAIT;
		}
		if (got < 0) {
			/* The head promised what is not there any more. */
			svc_count(x->s, HTTP_STALE, 1);
			return hx_abort(x);
		}
		took = conn_write(x->n, x->c, bytes, (uint32_t)got);
		st->at += took;
		svc_count(x->s, HTTP_BYTES, took);
		svc_count(x->s, HTTP_STREAMED, took);
		if (took < got)		/* chunks ran out */
			return wait_client(x);
	}
	x->s->io->fetch_end(x->s->ioarg, conn_id(x->n, x->c));
	st->at = 0;
	return GO_ON;
}

enum http_go
stream_whole(struct hx *x, const struct fcache_entry *e)
{
	bool body = x->req.method == METHOD_GET;
	enum http_go go;
	struct fmt f;

	if (body && !stream_first(x, e, 0, e->size, &go))
		return go;
	x->st->status = 200;
	x->sent = body ? e->size : 0;
	fmt_init(&f, x->p->out, sizeof(x->p->out));
	fmt_mem(&f, x->p->line, x->p->line_len);
	fmt_mem(&f, fcache_str(x->root, e->head), e->head_len);
	page_end(x, &f);
	if (!page_put(x, 0, &f))
		return GO_WAIT;
	if (body) {
		go = stream_put(x, e, 0, e->size);
		if (go != GO_ON)
			return go;
	}
	return http_answered(x, 200);
}

void
stream_leave(struct svc *s, struct conn *c)
{
	s->io->fetch_end(s->ioarg, conn_id(s->net, c));
}

bool
stream_tick(struct svc *s)
{
	bool any = false;
	struct conn *c;
	uint32_t id;

	while ((id = s->io->fetch_next(s->ioarg)) != UINT32_MAX) {
		any = true;
		c = conn_enter(s->net, id);
		if (c == NULL) {
			s->io->fetch_end(s->ioarg, id);
			continue;
		}
		conn_want_room(s->net, c, 1);
		conn_leave(s->net, c);
	}
	return any;
}
