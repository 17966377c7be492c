/*
 * body: a request's body, sent back or thrown away.
 */
#include "http_priv.h"

#define ECHO_TYPE	256u	/* longest Content-Type that is sent back */
#define ECHO_FRAME	8u	/* "ffff\r\n" and "\r\n" around a chunk */
#define ECHO_CHUNK	4096u	/* most bytes of one chunk, below 0x10000 */

/* The body is over, or there is none. */
static enum http_go
body_done(struct hx *x)
{
	x->st->phase = PH_HEAD;
	x->st->flags = 0;
	x->st->body = 0;
	x->st->searched = 0;
	x->st->seen = 0;
	x->st->stamp = x->now;
	return x->close ? hx_close(x) : GO_ON;
}

/*
 * Answer a POST to the echo route: the head now, the body as it comes. Its
 * length is known if the request says it or if its end was seen already.
 */
enum http_go
echo_answer(struct hx *x)
{
	const struct http_slice *type = &x->req.field[FIELD_CONTENT_TYPE];
	struct http_state *st = x->st;
	const struct http_req *r = &x->req;
	bool chunked = (r->flags & REQ_CHUNKED) != 0, known;
	struct fmt f;

	known = !chunked || st->chunk.state == HC_END;
	page_begin(x, &f, 200);
	fmt_str(&f, "Content-Type: ");
	if ((r->have & 1u << FIELD_CONTENT_TYPE) && type->n <= ECHO_TYPE)
		fmt_mem(&f, type->p, type->n);
	else
		fmt_str(&f, "application/octet-stream");
	if (known) {
		fmt_str(&f, "\r\nContent-Length: ");
		fmt_u64(&f, chunked ? st->body : r->length);
		fmt_str(&f, "\r\n");
	} else {
		fmt_str(&f, "\r\nTransfer-Encoding: chunked\r\n");
	}
	page_end(x, &f);
	if (!page_put(x, 0, &f))
		return GO_WAIT;
	/* it goes back in pieces, short ones too; a client that waits for the
	 * rest puts its acknowledgement off, for 40 ms */
	conn_nodelay(x->c, true);
	svc_count(x->s, HTTP_REQUESTS, 1);
	svc_count(x->s, HTTP_2XX, 1);
	x->sent = chunked ? st->body : r->length;
	if (x->p->log)
		access_log(x, 200);
	st->step = 0;
	st->requests++;
	x->done += r->head_len;
	st->phase = PH_ECHO;
	st->flags = (uint8_t)((chunked ? ST_CHUNKED : 0) |
	    (known ? 0 : ST_OUT_CHUNKED) | (x->close ? ST_CLOSE : 0));
	st->left = r->length;
	st->body = 0;
	memset(&st->chunk, 0, sizeof(st->chunk));
	limit_body(x);
	return GO_ON;
}

/* Send n bytes back as they are; how many were taken. */
static uint32_t
echo_plain(struct hx *x, const uint8_t *p, uint32_t n)
{
	uint32_t took;

	hx_flush(x);
	took = conn_write(x->n, x->c, p, n);
	if (took < n)
		hx_wait_room(x, n - took < 4096 ? n - took : 4096);
	return took;
}

/* Send up to n bytes back as one chunk, whole; how many were taken. */
static uint32_t
echo_chunk(struct hx *x, const uint8_t *p, uint32_t n)
{
	uint32_t len, took;
	struct fmt f;
	uint8_t *to;

	hx_flush(x);
	len = (n < ECHO_CHUNK ? n : ECHO_CHUNK) + ECHO_FRAME;
	to = conn_reserve(x->n, x->c, len < 512 ? len : 512, &len);
	if (to == NULL) {
		hx_wait_room(x, len);
		return 0;
	}
	took = len - ECHO_FRAME < n ? len - ECHO_FRAME : n;
	if (took > ECHO_CHUNK)
		took = ECHO_CHUNK;
	fmt_init(&f, to, took + ECHO_FRAME);
	fmt_hex(&f, took, 4);
	fmt_str(&f, "\r\n");
	fmt_mem(&f, p, took);
	fmt_str(&f, "\r\n");
	conn_commit(x->n, x->c, took + ECHO_FRAME);
	return took;
}

/* Send n bytes of the body back; how many were taken. Fewer: wait. */
static uint32_t
echo_some(struct hx *x, const uint8_t *p, uint32_t n)
{
	struct http_state *st = x->st;
	uint32_t took = 0, m;

	if (!(st->flags & ST_OUT_CHUNKED)) {
		took = echo_plain(x, p, n);
	} else {
		while (took < n && (m = echo_chunk(x, p + took, n - took)) > 0)
			took += m;
	}
	if (took > 0)
		st->stamp = x->now;
	x->done += took;
	st->body += took;
	svc_count(x->s, HTTP_BYTES, took);
	svc_count(x->s, HTTP_BODY_IN, took);
	return took;
}

static enum http_go
echo_length(struct hx *x)
{
	struct http_state *st = x->st;
	uint32_t n, took;
	const uint8_t *p;

	while (st->left > 0) {
		n = hx_peek(x, 0, &p);
		if (n == 0)
			return GO_WAIT;
		if (n > st->left)
			n = (uint32_t)st->left;
		took = echo_some(x, p, n);
		st->left -= took;
		if (took < n)
			return GO_WAIT;
	}
	return body_done(x);
}

/* The end of a chunked echo. */
static enum http_go
echo_end(struct hx *x)
{
	static const char end[] = "0\r\n\r\n";
	uint8_t *to;

	if (x->st->flags & ST_OUT_CHUNKED) {
		to = hx_room(x, sizeof(end) - 1);
		if (to == NULL)
			return GO_WAIT;
		memcpy(to, end, sizeof(end) - 1);
		hx_used(x, sizeof(end) - 1);
	}
	return body_done(x);
}

static enum http_go
echo_chunked(struct hx *x)
{
	struct http_state *st = x->st;
	struct http_chunk *c = &st->chunk;
	uint32_t n, took;
	const uint8_t *p;

	while (c->state != HC_END) {
		n = hx_peek(x, 0, &p);
		if (n == 0)
			return GO_WAIT;
		took = http_chunk_frame(c, p, n);
		x->done += took;
		if (took > 0)
			st->stamp = x->now;
		/* The answer is under way: cut short, it says that it is not
		 * whole. */
		if (c->state == HC_BAD ||
		    st->body > (uint64_t)x->conf->max_body) {
			svc_count(x->s, HTTP_MALFORMED, 1);
			return hx_close(x);
		}
		if (c->state != HC_DATA || took == n)
			continue;
		n -= took;
		if (n > c->left)
			n = (uint32_t)c->left;
		took = echo_some(x, p + took, n);
		http_chunk_took(c, took);
		if (took < n)
			return GO_WAIT;
	}
	return echo_end(x);
}

enum http_go
http_on_echo(struct hx *x)
{
	x->close = (x->st->flags & ST_CLOSE) != 0;
	x->req.head_len = 0;
	return x->st->flags & ST_CHUNKED ? echo_chunked(x) : echo_length(x);
}

/* Throw away n bytes; whether the limit for that is kept. */
static bool
drain_some(struct hx *x, uint32_t n)
{
	x->done += n;
	x->st->body += n;
	x->st->stamp = x->now;
	svc_count(x->s, HTTP_BODY_IN, n);
	return x->st->body <= HTTP_DRAIN;
}

static enum http_go
drain_chunked(struct hx *x)
{
	struct http_chunk *c = &x->st->chunk;
	const uint8_t *p;
	uint32_t n, m;

	while (c->state != HC_END) {
		n = hx_peek(x, 0, &p);
		if (n == 0)
			return GO_WAIT;
		m = http_chunk_frame(c, p, n);
		if (c->state == HC_BAD || !drain_some(x, m))
			return hx_close(x);
		if (c->state != HC_DATA || m == n)
			continue;
		m = c->left < n - m ? (uint32_t)c->left : n - m;
		http_chunk_took(c, m);
		if (!drain_some(x, m))
			return hx_close(x);
	}
	return body_done(x);
}

enum http_go
http_on_drain(struct hx *x)
{
	struct http_state *st = x->st;
	uint32_t n = hx_avail(x);

	x->close = false;
	if (st->flags & ST_CHUNKED)
		return drain_chunked(x);
	if (n > st->left)
		n = (uint32_t)st->left;
	st->left -= n;
	if (n > 0)
		drain_some(x, n);
	return st->left == 0 ? body_done(x) : GO_WAIT;
}
