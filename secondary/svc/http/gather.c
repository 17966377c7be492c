/*
 * gather: a look at a body before its request is answered.
 */
#include "http_priv.h"

bool
gather_wanted(const struct hx *x)
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
enum http_go
gather_start(struct hx *x)
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
	limit_body(x);
	return GO_ON;
}

/* The body is seen as far as it is to be: parse the head again and answer. */
static enum http_go
gathered(struct hx *x)
{
	x->st->phase = PH_HEAD;
	x->st->flags |= ST_GATHERED;
	x->st->searched = 0;
	x->st->seen = 0;
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
			return http_refuse(x, 400);
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
