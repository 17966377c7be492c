/*
 * request: from unread bytes to a request, and from its answer to the next.
 *
 * What a plain GET goes through lies together in this file, so that the
 * compiler makes one function of it.
 */
#include "../../proto/http_lex.h"
#include "../../proto/http_path.h"
#include "http_priv.h"

#define BIT(f)		(1u << (f))
#define CONDITIONS	(BIT(FIELD_IF_MATCH) | BIT(FIELD_IF_NONE_MATCH) | \
			BIT(FIELD_IF_MODIFIED_SINCE) | \
			BIT(FIELD_IF_UNMODIFIED_SINCE))

static const char close_line[] = "Connection: close\r\n\r\n";
static const char keep_line[] = "Connection: keep-alive\r\n\r\n";

static void
count(struct hx *x, uint16_t status)
{
	static const uint8_t class[6] = {
		HTTP_2XX, HTTP_2XX, HTTP_2XX, HTTP_3XX, HTTP_4XX, HTTP_5XX
	};

	svc_count(x->s, HTTP_REQUESTS, 1);
	if (status == 200) {
		svc_count(x->s, HTTP_2XX, 1);
		return;
	}
	svc_count(x->s, class[status / 100 % 6], 1);
	if (status == 206)
		svc_count(x->s, HTTP_PARTIAL, 1);
	if (status == 304)
		svc_count(x->s, HTTP_NOT_MODIFIED, 1);
}

enum http_go
http_answered(struct hx *x, uint16_t status)
{
	struct http_state *st = x->st;
	const struct http_req *r = &x->req;

	count(x, status);
	if (__builtin_expect(x->p->log, 0))
		access_log(x, status);
	st->step = 0;
	st->requests++;
	if (x->close)
		return hx_close(x);
	st->stamp = x->now;
	x->done += r->head_len;
	if (!(r->flags & (REQ_LENGTH | REQ_CHUNKED)))
		return GO_ON;
	st->flags = 0;
	if (r->flags & REQ_CHUNKED) {
		svc_count(x->s, HTTP_BODY_IN, st->body);
		x->done += st->scanned;
		st->body = 0;
		if (st->chunk.state == HC_END)
			return GO_ON;
		st->flags = ST_CHUNKED;
	}
	st->left = r->length;
	st->phase = PH_DRAIN;
	limit_body(x);
	return GO_ON;
}

/*
 * Queue head and, if it is short, body in one piece. The head that the cache
 * prepared ends with the blank line, or a Connection line takes its place.
 */
static enum http_go
file_whole(struct hx *x, const struct fcache_entry *e)
{
	const struct fcache *fc = x->root;
	const char *end_line = NULL;
	uint32_t head, body = 0, end = 2;
	uint8_t *to;

	if (x->close) {
		end_line = close_line;
		end = sizeof(close_line) - 1;
	} else if (x->req.minor == 0) {
		end_line = keep_line;
		end = sizeof(keep_line) - 1;
	}
	head = x->p->line_len + e->head_len + end;
	if (x->req.method == METHOD_GET)
		body = e->size > HTTP_COPY ? HTTP_COPY + 1 : (uint32_t)e->size;
	if (x->st->step == 0) {
		to = NULL;
		if (body > 0 && body <= HTTP_COPY) {
			to = hx_room_now(x, head + body);
			/* Not in one piece: the body goes by itself. */
			if (to == NULL)
				body = HTTP_COPY + 1;
		}
		if (to == NULL)
			to = hx_room(x, head);
		if (to == NULL)
			return GO_WAIT;
		memcpy(to, x->p->line, x->p->line_len);
		to += x->p->line_len;
		memcpy(to, fcache_str(fc, e->head), e->head_len + 2);
		to += e->head_len + 2;
		if (end_line != NULL) {
			memcpy(to - 2, end_line, end);
			to += end - 2;
		}
		if (body > 0 && body <= HTTP_COPY) {
			memcpy(to, fcache_body(fc, e), body);
			head += body;
		}
		hx_used(x, head);
	}
	if (body > HTTP_COPY || x->st->step > 0) {
		x->st->step = 1;
		hx_flush(x);
		if (conn_send_mem(x->n, x->c, fcache_body(fc, e), e->size) < 0)
			return hx_wait_room(x, 1);
	}
	if (x->req.method == METHOD_GET) {
		x->sent = e->size;
		svc_count(x->s, HTTP_BYTES, e->size);
		if (body <= HTTP_COPY)
			repeat_keep(x, e);
	}
	return http_answered(x, 200);
}

/*
 * A file that is asked for under conditions, or in part.
 * An answer that was begun goes on as what it was; else they decide.
 */
static enum http_go
found(struct hx *x, const struct fcache_entry *e)
{
	const struct http_req *r = &x->req;
	const struct http_version v = { e->etag, e->mtime, x->p->wall };
	struct http_range range[HTTP_RANGES];
	struct http_state *st = x->st;
	uint16_t status = 200;
	int n = 0;

	if (st->step > 0 || st->pos > 0)
		status = st->status;
	else if (r->have & CONDITIONS)
		status = (uint16_t)http_conditions(r, &v);
	if (status == 304 || status == 412 || status == 416)
		return page_file(x, e, status);
	if (status == 503)
		return page_error(x, 503);
	if (st->step > 0 || st->pos > 0 ? status == 206 :
	    http_range_counts(r, &v))
		n = http_ranges(&r->field[FIELD_RANGE], e->size, range);
	if (n == RANGE_NONE)
		return page_file(x, e, 416);
	if (n == RANGE_WHOLE && (e->flags & FCACHE_FILE))
		return stream_whole(x, e);
	if (n == RANGE_WHOLE) {
		st->status = 200;
		return file_whole(x, e);
	}
	return range_answer(x, e, range, (uint32_t)n);
}

/* No file of this path; the echo route is there, but not for a GET. */
static enum http_go
not_there(struct hx *x)
{
	return page_error(x, x->echo ? 405 : 404);
}

static enum http_go
file_answer(struct hx *x)
{
	const struct http_req *r = &x->req;
	const struct fcache_entry *e;
	const char *path = r->path.p;
	int n = (int)r->path.n;

	if (__builtin_expect(!(r->flags & REQ_SIMPLE), 0)) {
		n = http_path(x->p->path, path, r->path.n);
		if (n < 0)
			return page_error(x, 400);
		path = x->p->path;
	}
	if (x->root == NULL)
		return not_there(x);
	e = fcache_find(x->root, path, (uint32_t)n);
	if (e != NULL) {
		if (e->flags != 0)
			e = find_entry(x, e);
		if (e == NULL)
			return not_there(x);
		return (r->have & (CONDITIONS | BIT(FIELD_RANGE))) ||
		    (e->flags & FCACHE_FILE) ? found(x, e) : file_whole(x, e);
	}
	/* "/dir" where there is "/dir/" (never for what ends in a slash). */
	if (path[n - 1] != '/') {
		memmove(x->p->path, path, (uint32_t)n);
		x->p->path[n] = '/';
		e = fcache_find(x->root, x->p->path, (uint32_t)n + 1);
		if (e != NULL)
			return page_slash(x, x->p->path, (uint32_t)n);
	}
	return not_there(x);
}

/* The parser refused the head: answer and end. */
static enum http_go
refuse(struct hx *x, uint16_t status)
{
	if (x->st->step == 0 && x->st->pos == 0)
		svc_count(x->s, HTTP_MALFORMED, 1);
	x->close = true;
	return page_error(x, status);
}

/* As refuse(), before there is anything to know of the request. */
enum http_go
http_refuse(struct hx *x, uint16_t status)
{
	memset(&x->req, 0, sizeof(x->req));
	x->req.minor = 1;
	/* no content for a HEAD, whatever is wrong (RFC 9110, 9.3.2) */
	if (x->head_len > 5 && memcmp(x->head, "HEAD ", 5) == 0)
		x->req.method = METHOD_HEAD;
	return refuse(x, status);
}

/*
 * Find the end of a head that is not whole in one piece, or not plain.
 * Returns its length, 0: not there yet. Only what is new since the last event
 * is looked at.
 */
static uint32_t
find_end(struct hx *x, uint32_t avail)
{
	struct http_state *st = x->st;
	uint32_t from, n;

	hx_flush(x);
	from = st->searched > 2 ? st->searched - 2 : 0;
	n = conn_copy(x->n, x->c, x->done + from, x->p->head, avail - from);
	n = http_head_end(x->p->head, n, 0);
	if (n > 0)
		return from + n;
	if (st->searched == 0) {
		st->stamp = x->now;
		hx_timer(x, x->conf->header_timeout_ms);
	}
	st->searched = avail;
	return 0;
}

/* The head is not whole and as large as a head may be. */
static enum http_go
too_large(struct hx *x, uint32_t avail)
{
	const char *p = x->p->head;

	conn_copy(x->n, x->c, x->done, x->p->head, avail);
	x->head = p;
	x->head_len = avail;
	if (memchr(p, '\n', avail) != NULL)
		return http_refuse(x, 431);
	/* A word that long is no method of anybody's. */
	return http_refuse(x, memchr(p, ' ', avail) == NULL ? 400 : 414);
}

/* What kind of answer the request gets. */
static enum http_go
answer(struct hx *x)
{
	const struct http_req *r = &x->req;
	const struct http_state *st = x->st;

	if (r->flags & REQ_LENGTH && r->length > (uint64_t)x->conf->max_body) {
		x->close = true;
		return page_error(x, 413);
	}
	if (gather_wanted(x))
		return gather_start(x);
	if (st->body > (uint64_t)x->conf->max_body) {
		x->close = true;
		return page_error(x, 413);
	}
	switch (r->method) {
	case METHOD_GET:
	case METHOD_HEAD:
		return file_answer(x);
	case METHOD_OPTIONS:
		return page_options(x);
	case METHOD_POST:
		return x->echo ? echo_answer(x) : page_error(x, 405);
	case METHOD_OTHER:
		return page_error(x, 501);
	default:
		return page_error(x, 405);
	}
}

/* An answer that was begun goes on with the generation that it began with. */
static void
old_side(struct hx *x)
{
	const struct http_state *st = x->st;

	x->side = x->p->side;	/* the request before may have had another */
	if ((st->step == 0 && st->pos == 0) || st->side == x->p->side)
		return;
	x->side = st->side;
	x->root = find_root(x, true);
}

/* The request is parsed: settle what holds for every answer. */
static enum http_go
parsed(struct hx *x)
{
	const struct http_req *r = &x->req;
	uint64_t most = (uint64_t)x->conf->max_requests;

	x->st->searched = 0;
	x->sent = 0;
	x->root = x->p->nhosts == 0 ? x->p->root : find_root(x, false);
	if (__builtin_expect(x->p->reloaded, 0))
		old_side(x);
	x->echo = x->p->echo_len > 0 && r->path.n == x->p->echo_len &&
	    memcmp(r->path.p, x->conf->echo, r->path.n) == 0;
	if (__builtin_expect(upgrade_wanted(x), 0))
		return upgrade_answer(x);
	x->close = !(r->flags & REQ_KEEPALIVE) ||
	    (most > 0 && x->st->requests + 1 >= most);
	/* A body that nobody wants is read to its end only if it is short and
	 * sure to come. */
	if (r->flags & (REQ_LENGTH | REQ_CHUNKED | REQ_CONTINUE)) {
		if (!x->echo && ((r->flags & REQ_CONTINUE) ||
		    r->length > HTTP_DRAIN))
			x->close = true;
	} else if (r->method <= METHOD_HEAD) {
		return file_answer(x);		/* nearly always */
	}
	return answer(x);
}

/* Flat: a plain GET should not pay for the order this file is written in. */
__attribute__((flatten)) enum http_go
http_on_head(struct hx *x)
{
	struct http_state *st = x->st;
	uint32_t limit = (uint32_t)x->conf->max_header, avail, piece, n;
	const uint8_t *p, *lf;
	int status;

	piece = hx_peek(x, 0, &p);
	if (piece == 0)
		return GO_WAIT;
	if (repeat_answer(x, (const char *)p, piece))
		return GO_ON;
	/* An empty line before a request is skipped (RFC 9112, 2.2), also
	 * when it comes byte by byte. */
	if (p[0] == '\r') {
		if (hx_peek(x, 1, &lf) > 0 && *lf == '\n') {
			x->done += 2;
			st->searched = 0;
			return GO_ON;
		}
		piece = hx_peek(x, 0, &p);
	}
	x->head = (const char *)p;
	x->head_len = 0;	/* of the request before */
	if (st->searched == 0) {
		n = http_fast(&x->req, (const char *)p, piece,
		    &x->p->limits);
		if (n > 0 && n <= limit)
			return parsed(x);
		if (!http_is_lex((char)p[0], LEX_TOKEN) && p[0] != '\r')
			return http_refuse(x, 400);
	}
	avail = hx_avail(x);
	if (avail > limit)
		avail = limit;
	n = find_end(x, avail);
	if (n == 0)
		return avail < limit ? GO_WAIT : too_large(x, avail);
	if (n > piece) {
		conn_copy(x->n, x->c, x->done, x->p->head, n);
		p = (const uint8_t *)x->p->head;
	}
	x->head = (const char *)p;
	x->head_len = n;
	if (http_fast(&x->req, (const char *)p, n, &x->p->limits) > 0)
		return parsed(x);
	status = http_req_parse(&x->req, (const char *)p, n, &x->p->limits);
	if (status != 0)
		return refuse(x, (uint16_t)status);
	return parsed(x);
}
