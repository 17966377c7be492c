/*
 * request: from unread bytes to a request, and from its answer to the next.
 */
#include "../../proto/http_lex.h"
#include "http_priv.h"

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
static enum http_go
refuse_bytes(struct hx *x, uint16_t status)
{
	memset(&x->req, 0, sizeof(x->req));
	x->req.minor = 1;
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
	conn_copy(x->n, x->c, x->done, x->p->head, avail);
	return refuse_bytes(x, memchr(x->p->head, '\n', avail) == NULL ?
	    414 : 431);
}

/* Whether the body of this request is looked at before it is answered. */
static bool
wants_gather(const struct hx *x)
{
	const struct http_req *r = &x->req;

	if (x->st->flags & ST_GATHERED)
		return false;
	/* A client that waits for 100 Continue gets its answer instead. */
	if ((r->flags & REQ_CONTINUE) && !x->echo)
		return false;
	return (r->flags & REQ_CHUNKED) ||
	    (x->echo && (r->flags & REQ_LENGTH) && r->length > 0);
}

/*
 * Look at the body before the answer: a malformed chunk then gets 400 and a
 * slow body 408, and a short body has a known length.
 */
static enum http_go
start_gather(struct hx *x)
{
	struct http_state *st = x->st;

	st->phase = PH_GATHER;
	st->flags = (x->req.flags & REQ_CHUNKED) ? ST_CHUNKED : 0;
	if (x->req.flags & REQ_CONTINUE)
		st->flags |= ST_CONTINUED;
	st->head_len = x->req.head_len;
	st->scanned = 0;
	st->left = x->req.length;
	st->body = 0;
	memset(&st->chunk, 0, sizeof(st->chunk));
	st->stamp = x->now;
	hx_timer(x, x->conf->body_timeout_ms);
	return GO_ON;
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
	if (wants_gather(x))
		return start_gather(x);
	if (st->body > (uint64_t)x->conf->max_body) {
		x->close = true;
		return page_error(x, 413);
	}
	switch (r->method) {
	case METHOD_GET:
	case METHOD_HEAD:
		return x->echo ? page_error(x, 405) : file_answer(x);
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

/* The request is parsed: settle what holds for every answer. */
static enum http_go
parsed(struct hx *x)
{
	const struct http_req *r = &x->req;
	uint64_t most = (uint64_t)x->conf->max_requests;

	x->st->searched = 0;
	x->echo = x->p->echo_len > 0 && r->path.n == x->p->echo_len &&
	    memcmp(r->path.p, x->conf->echo, r->path.n) == 0;
	x->close = !(r->flags & REQ_KEEPALIVE) ||
	    (most > 0 && x->st->requests + 1 >= most);
	/* A body that nobody wants is read to its end only if it is short and
	 * sure to come. */
	if (r->flags & (REQ_LENGTH | REQ_CHUNKED | REQ_CONTINUE)) {
		if (!x->echo && ((r->flags & REQ_CONTINUE) ||
		    r->length > HTTP_DRAIN))
			x->close = true;
	} else if (r->method <= METHOD_HEAD && !x->echo) {
		return file_answer(x);		/* nearly always */
	}
	return answer(x);
}

enum http_go
http_on_head(struct hx *x)
{
	struct http_state *st = x->st;
	uint32_t limit = (uint32_t)x->conf->max_header, avail, piece, n;
	const uint8_t *p;
	int status;

	piece = hx_peek(x, 0, &p);
	if (piece == 0)
		return GO_WAIT;
	if (st->searched == 0) {
		n = http_fast(&x->req, (const char *)p, piece,
		    &x->p->limits);
		if (n > 0 && n <= limit)
			return parsed(x);
		/* An empty line before a request is skipped (RFC 9112,
		 * 2.2). */
		if (piece >= 2 && p[0] == '\r' && p[1] == '\n') {
			x->done += 2;
			return GO_ON;
		}
		if (!http_is_lex((char)p[0], LEX_TOKEN) && p[0] != '\r')
			return refuse_bytes(x, 400);
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
	/* The empty line came byte by byte. */
	if (p[0] == '\r' && p[1] == '\n') {
		x->done += 2;
		st->searched = 0;
		return GO_ON;
	}
	if (http_fast(&x->req, (const char *)p, n, &x->p->limits) > 0)
		return parsed(x);
	status = http_req_parse(&x->req, (const char *)p, n, &x->p->limits);
	if (status != 0)
		return refuse(x, (uint16_t)status);
	return parsed(x);
}

/* The body is seen as far as it is to be: parse the head again and answer. */
static enum http_go
gathered(struct hx *x)
{
	x->st->phase = PH_HEAD;
	x->st->flags |= ST_GATHERED;
	return GO_ON;
}

static enum http_go
gather_chunked(struct hx *x)
{
	struct http_state *st = x->st;
	struct http_chunk *c = &st->chunk;
	const uint8_t *p;
	uint32_t n, m;

	for (;;) {
		if (c->state == HC_BAD)
			return refuse_bytes(x, 400);
		n = hx_peek(x, st->head_len + st->scanned, &p);
		if (n == 0)
			return GO_WAIT;
		st->stamp = x->now;
		st->scanned += http_chunk_frame(c, p, n);
		if (c->state == HC_END)
			return gathered(x);
		n = hx_peek(x, st->head_len + st->scanned, &p);
		if (c->state == HC_DATA && n > 0) {
			m = c->left < n ? (uint32_t)c->left : n;
			http_chunk_took(c, m);
			st->scanned += m;
			st->body += m;
		}
		if (st->scanned >= HTTP_GATHER ||
		    st->body > (uint64_t)x->conf->max_body)
			return gathered(x);
	}
}

enum http_go
http_on_gather(struct hx *x)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_state *st = x->st;
	uint32_t seen = hx_avail(x) - st->head_len, want;
	uint8_t *to;

	if (st->flags & ST_CONTINUED) {
		/* Not needed once the body comes (RFC 9110, 10.1.1). */
		if (seen == 0) {
			to = hx_room(x, sizeof(go_on) - 1);
			if (to == NULL)
				return GO_WAIT;
			memcpy(to, go_on, sizeof(go_on) - 1);
			hx_used(x, sizeof(go_on) - 1);
		}
		st->flags &= (uint8_t)~ST_CONTINUED;
	}
	if (st->flags & ST_CHUNKED)
		return gather_chunked(x);
	if (seen > st->scanned) {
		st->scanned = seen;
		st->stamp = x->now;
	}
	want = st->left < HTTP_GATHER ? (uint32_t)st->left : HTTP_GATHER;
	return seen >= want ? gathered(x) : GO_WAIT;
}

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
	hx_timer(x, x->conf->body_timeout_ms);
	return GO_ON;
}
