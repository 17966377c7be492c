/*
 * job: messages that are gathered or compressed, see ws_conn.h.
 *
 * A message goes through zlib in blocks of a fixed size, whatever pieces it
 * came in and whatever room there is: so inflating and deflating it once more
 * makes the same bytes, and the answer goes on where it stood.
 */
#include "ws_priv.h"

#define STALE_US	UINT64_C(1000000) /* a state that may be taken away */
#define LOST_US		UINT64_C(10000000) /* though its message is lost */

static struct ws_job *
job_find(const struct wx *x)
{
	uint32_t i;

	for (i = 0; i < WS_JOBS && x->st->job != 0; i++)
		if (x->w->job[i].serial == x->st->job)
			return &x->w->job[i];
	return NULL;
}

void
ws_job_free(struct wx *x)
{
	struct ws_job *j = job_find(x);

	if (j != NULL)
		j->serial = 0;
	x->st->job = 0;
}

/* A job that nobody uses, or one that did not go on for long; NULL: none. */
static struct ws_job *
job_take(struct wx *x)
{
	struct ws_job *j, *old = NULL;
	uint32_t i;

	for (i = 0; i < WS_JOBS; i++) {
		j = &x->w->job[i];
		if (j->serial == 0)
			return j;
		if (x->now - j->used_us > (j->streamed ? LOST_US : STALE_US) &&
		    (old == NULL || j->used_us < old->used_us))
			old = j;
	}
	return old;
}

static bool
replies(const struct wx *x)
{
	return x->w->conf->mode == WS_MODE_ECHO;
}

/* The job of the message in hand is begun. 0 or a negative close code. */
static int
job_begin(struct wx *x, struct ws_job *j)
{
	struct ws_state *st = x->st;

	memset(j, 0, offsetof(struct ws_job, in));
	j->utf8 = WS_UTF8_DONE;
	j->used_us = x->now;
	j->skip = st->out;
	j->serial = st->job = ++x->w->serial;
	if ((st->flags & WST_ZIP) && ws_inflate_begin(&j->zip) < 0)
		return -WS_INTERNAL;
	if (replies(x) && ws_deflate_begin(&j->zip, st->bits,
	    (int8_t)x->w->conf->deflate) < 0)
		return -WS_INTERNAL;
	return 0;
}

/* Read the header of the next frame. */
static enum ws_go
job_frame(struct wx *x, struct ws_job *j)
{
	uint32_t at = x->done + j->off;
	struct ws_head h;
	enum ws_go go;
	int n;

	n = ws_head_at(x, at, &h);
	if (n <= 0)
		return n < 0 ? ws_fail(x, -n) : WS_WAIT;
	if (h.op & 8) {
		/* Those that were looked at are answered already. */
		if (j->off >= x->st->held) {
			go = ws_control(x, at, &h);
			if (go != WS_ON)
				return go;
			x->st->held = j->off + h.size + (uint32_t)h.len;
		}
		j->off += h.size + (uint32_t)h.len;
		return WS_ON;
	}
	n = ws_data_ok(x, &h, !j->started);
	if (n < 0)
		return ws_fail(x, -n);
	j->started = true;
	j->fin = h.fin;
	j->left = h.len;
	j->mask = h.mask;
	j->off += h.size;
	return WS_ON;
}

/* Have bytes in j->in, or the end. */
static enum ws_go
job_input(struct wx *x, struct ws_job *j)
{
	enum ws_go go;
	uint32_t n;

	while (j->left == 0) {
		if (j->started && j->fin) {
			j->in_at = 0;
			j->in_len = j->any && (x->st->flags & WST_ZIP) ?
			    WS_ZIP_TAIL : 0;
			memcpy(j->in, ws_zip_tail, j->in_len);
			j->tail = WS_ZIP_TAIL;
			return WS_ON;
		}
		go = job_frame(x, j);
		if (go != WS_ON)
			return go;
	}
	n = j->left < sizeof(j->in) ? (uint32_t)j->left : sizeof(j->in);
	n = conn_copy(x->n, x->c, x->done + j->off, j->in, n);
	if (n == 0)
		return WS_WAIT;
	j->mask = ws_mask(j->in, j->in, n, j->mask);
	j->left -= n;
	j->off += n;
	j->in_at = 0;
	j->in_len = n;
	j->any = true;
	ws_count(x, WS_BYTES_IN, n);
	return WS_ON;
}

/* From j->in to the block; -1: it does not inflate. */
static int
job_inflate(struct wx *x, struct ws_job *j)
{
	const uint8_t *p = j->in + j->in_at;
	uint32_t n = j->in_len - j->in_at, room = WS_PIECE - j->block_len;
	int made;

	if (!(x->st->flags & WST_ZIP)) {
		made = (int)(n < room ? n : room);
		memcpy(j->block + j->block_len, p, (uint32_t)made);
		p += made;
	} else {
		made = ws_inflate(&j->zip, &p, &n, j->block + j->block_len,
		    room);
		if (made < 0)
			return -1;
	}
	j->in_at = (uint32_t)(p - j->in);
	j->block_len += (uint32_t)made;
	return 0;
}

/* A block is full, or the last one: judge it. 0 or a negative close code. */
static int
job_judge(struct wx *x, struct ws_job *j)
{
	bool cast = x->w->conf->mode == WS_MODE_BROADCAST;

	j->size += j->block_len;
	if (j->size > (uint64_t)x->w->conf->max_message ||
	    (cast && j->size > WS_CAST_MAX))
		return -WS_TOO_BIG;
	if (j->ended && j->any && (x->st->flags & WST_ZIP) &&
	    !ws_inflate_whole(&j->zip))
		return -WS_DATA;
	if (x->st->op == WS_TEXT) {
		j->utf8 = ws_utf8(j->utf8, j->block, j->block_len);
		if (j->utf8 == WS_UTF8_BAD ||
		    (j->ended && j->utf8 != WS_UTF8_DONE))
			return -WS_DATA;
	}
	if (cast)
		memcpy(x->w->text + j->size - j->block_len, j->block,
		    j->block_len);
	return 0;
}

/* Fill the block. */
static enum ws_go
job_fill(struct wx *x, struct ws_job *j)
{
	enum ws_go go;
	int err;

	while (j->block_len < WS_PIECE && !j->ended) {
		if (j->in_at == j->in_len && j->tail == 0) {
			go = job_input(x, j);
			if (go != WS_ON)
				return go;
		}
		if (job_inflate(x, j) < 0)
			return ws_fail(x, WS_DATA);
		j->ended = j->block_len < WS_PIECE && j->in_at == j->in_len &&
		    j->tail > 0;
	}
	err = job_judge(x, j);
	if (err < 0)
		return ws_fail(x, -err);
	j->busy = replies(x);
	if (!j->busy) {
		j->block_len = 0;
		j->flushed = j->ended;
	}
	return WS_ON;
}

/* Deflate what is left of the block. */
static void
job_deflate(struct ws_job *j)
{
	const uint8_t *p = j->block + j->block_at;
	uint32_t n = j->block_len - j->block_at, made;
	uint32_t room = WS_PIECE - j->stage_len;

	made = ws_deflate(&j->zip, &p, &n, j->stage + j->stage_len, room,
	    j->ended);
	j->stage_len += made;
	j->block_at = (uint32_t)(p - j->block);
	if (made < room) {
		j->busy = false;
		j->block_at = j->block_len = 0;
		j->flushed = j->ended;
	}
}

/*
 * Queue what is deflated; the last bytes wait until it is known that they are
 * not the end, which is left out.
 */
static enum ws_go
job_drain(struct wx *x, struct ws_job *j)
{
	uint32_t n = j->stage_len - WS_ZIP_TAIL, at, len;
	bool more;
	uint8_t *to;

	/* What was queued before a crash. */
	at = j->skip < n ? j->skip : n;
	j->skip -= at;
	more = at < n || j->flushed;
	while (more) {
		to = ws_frame_room(x, n - at, &len);
		if (to == NULL)
			break;
		memcpy(to, j->stage + at, len);
		at += len;
		more = at < n;
		ws_frame_end(x, ws_first(x, j->flushed && !more, true));
		x->st->out += len;
	}
	j->stage_len -= at;
	memmove(j->stage, j->stage + at, j->stage_len);
	if (more)
		return WS_WAIT;
	if (j->flushed)
		j->stage_len = 0;
	return WS_ON;
}

/* Whether all is done. */
static bool
job_over(const struct ws_job *j)
{
	return j->flushed && j->stage_len == 0;
}

static enum ws_go
job_step(struct wx *x, struct ws_job *j)
{
	if (j->stage_len > WS_ZIP_TAIL || j->flushed)
		return job_drain(x, j);
	if (!j->busy)
		return job_fill(x, j);
	job_deflate(j);
	return WS_ON;
}

/* The message went through as a whole. */
static enum ws_go
job_finish(struct wx *x, struct ws_job *j)
{
	if (x->w->conf->mode == WS_MODE_BROADCAST) {
		ws_post(x->w, x->st->op, (uint32_t)j->size);
		ws_share_post(x->w, x->st->op, (uint32_t)j->size);
	}
	x->done += j->off;
	ws_job_free(x);
	ws_message_end(x);
	return WS_ON;
}

static enum ws_go
job_run(struct wx *x, struct ws_job *j)
{
	struct ws_state *st = x->st;
	enum ws_go go = WS_ON;
	uint32_t i;

	for (i = 0; i < WS_BLOCK_STEPS; i++) {
		go = job_step(x, j);
		/* A failed one may be over by now. */
		if (go != WS_ON || st->phase != WSP_OPEN)
			break;
		if (job_over(j))
			return job_finish(x, j);
	}
	if (go == WS_GONE || st->phase != WSP_OPEN)
		return go;
	if (go == WS_ON || !(st->flags & WST_BLOCKED))
		j->used_us = x->now;
	if (!(st->flags & WST_WHOLE)) {
		x->done += j->off;
		st->held = st->held > j->off ? st->held - j->off : 0;
		j->off = 0;
		j->streamed = true;
		st->flags |= WST_CONSUMED;
	}
	if (go == WS_ON)
		x->again = true;
	return WS_WAIT;
}

/* Look at unread bytes until the message is whole, or too long to be held. */
static enum ws_go
gather(struct wx *x)
{
	struct ws_state *st = x->st;
	uint32_t at, readable = conn_readable(x->c);
	struct ws_head h;
	enum ws_go go;
	int n;

	for (;;) {
		at = x->done + st->held;
		n = ws_head_at(x, at, &h);
		if (n < 0)
			return ws_fail(x, -n);
		if (n == 0)
			break;
		if (h.op & 8) {
			go = ws_control(x, at, &h);
			if (go != WS_ON)
				return go;
			st->held += h.size + (uint32_t)h.len;
			continue;
		}
		n = ws_data_ok(x, &h, st->held == 0);
		if (n < 0)
			return ws_fail(x, -n);
		if (h.len > readable - at - h.size)
			break;
		st->held += h.size + (uint32_t)h.len;
		if (h.fin) {
			st->flags |= WST_WHOLE;
			return WS_ON;
		}
	}
	if (readable - x->done < WS_HOLD)
		return WS_WAIT;
	if (x->w->conf->mode == WS_MODE_BROADCAST)
		return ws_fail(x, WS_TOO_BIG);
	return WS_ON;
}

enum ws_go
ws_held(struct wx *x)
{
	struct ws_state *st = x->st;
	struct ws_job *j;
	enum ws_go go;
	int err;

	if (!(st->flags & (WST_WHOLE | WST_CONSUMED))) {
		go = gather(x);
		if (go != WS_ON)
			return go;
	}
	j = job_find(x);
	if (j != NULL)
		return job_run(x, j);
	/* Its zlib state is gone: after a crash, or taken by another. */
	if (st->flags & WST_CONSUMED)
		return ws_fail(x, WS_INTERNAL);
	j = job_take(x);
	if (j == NULL) {
		x->retry = true;
		return WS_WAIT;
	}
	err = job_begin(x, j);
	return err < 0 ? ws_fail(x, -err) : job_run(x, j);
}
