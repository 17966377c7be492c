/*
 * repeat: requests that are, byte for byte, one that was answered before.
 *
 * Clients ask for the same with the same words. What a head is answered with
 * follows from its bytes, the options and the document roots alone, but for
 * the Date; so a head that is known needs no parser and no look into the
 * cache, only its answer with the line of this second. The table is private
 * to the process and forgotten at each reload, so that it never holds an
 * answer of another generation. Only heads of plain GETs that http_fast() took
 * are in it: with more bytes behind them it would take them again.
 */
#include <assert.h>

#include "http_priv.h"

#define BIT(f)		(1u << (f))
/* What an answer hangs on besides the path. */
#define NOT_PLAIN	(BIT(FIELD_IF_MATCH) | BIT(FIELD_IF_NONE_MATCH) | \
			BIT(FIELD_IF_MODIFIED_SINCE) | \
			BIT(FIELD_IF_UNMODIFIED_SINCE) | BIT(FIELD_RANGE))
#define KEY		28u	/* bytes of a head that give its place */
#define PATIENCE	8u	/* misses after which a place is given away */

/* Where a head is remembered that begins with the KEY bytes at p. */
static inline struct http_repeat *
place(struct http_priv *p, const char *head)
{
	uint64_t a, b, c;

	memcpy(&a, head + 4, 8);	/* behind "GET " */
	memcpy(&b, head + 12, 8);
	memcpy(&c, head + 20, 8);
	a = (a ^ (b << 21 | b >> 43) ^ (c << 42 | c >> 22)) *
	    0x9e3779b97f4a7c15u;
	return &p->repeat[a >> 32 & (HTTP_REPEATS - 1)];
}

void
repeat_forget(struct http_priv *p)
{
	uint32_t i;

	for (i = 0; i < HTTP_REPEATS; i++)
		p->repeat[i].len = 0;
}

void
repeat_keep(struct hx *x, const struct fcache_entry *e)
{
	const struct http_req *r = &x->req;
	struct http_priv *p = x->p;
	struct http_repeat *k;
	struct fmt f;

	/* head_len: it was not http_fast() alone that found the end. */
	if (r->head_len < KEY || r->head_len > HTTP_REPEAT || x->close ||
	    r->minor == 0 || x->head_len != 0 || (r->have & NOT_PLAIN) ||
	    (r->flags & (REQ_LENGTH | REQ_CHUNKED | REQ_CONTINUE)) ||
	    p->log || x->side != p->side)
		return;
	k = place(p, x->head);
	if (k->len != 0 && ++k->missed < PATIENCE)
		return;
	k->len = r->head_len;
	k->missed = 0;
	memcpy(k->request, x->head, k->len);
	k->wall = p->wall;
	k->body_len = (uint32_t)e->size;
	fmt_init(&f, k->answer, sizeof(k->answer));
	fmt_mem(&f, p->line, p->line_len);
	fmt_mem(&f, fcache_str(x->root, e->head), e->head_len + 2);
	fmt_mem(&f, fcache_body(x->root, e), e->size);
	assert(!fmt_cut(&f));
	k->answer_len = fmt_len(&f);
}

/* Queue n bytes, or nothing of them. */
static inline bool
put(struct hx *x, const char *p, uint32_t n, bool last)
{
	uint8_t *to;

	if (last && x->res == NULL && conn_write_whole(x->n, x->c, p, n))
		return true;
	to = hx_room_now(x, n);
	if (to == NULL)
		return false;
	memcpy(to, p, n);
	hx_used(x, n);
	return true;
}

bool
repeat_answer(struct hx *x, const char *p, uint32_t n)
{
	uint64_t most = (uint64_t)x->conf->max_requests;
	struct http_state *st = x->st;
	struct http_repeat *k;

	if (n < KEY)
		return false;
	k = place(x->p, p);
	if (k->len - 1 >= n || memcmp(p, k->request, k->len) != 0)
		return false;
	/* An answer that was begun goes on as it began, and the last one that
	 * a connection gets says so. */
	if (st->step > 0 || st->pos > 0 || st->searched > 0 ||
	    (most > 0 && st->requests + 1 >= most))
		return false;
	if (k->wall != x->p->wall) {
		/* as long as it was: dates are */
		memcpy(k->answer, x->p->line, x->p->line_len);
		k->wall = x->p->wall;
	}
	x->req.head_len = k->len;
	if (!put(x, k->answer, k->answer_len, k->len == n))
		return false;
	k->missed = 0;
	svc_count(x->s, HTTP_BYTES, k->body_len);
	svc_count(x->s, HTTP_REQUESTS, 1);
	svc_count(x->s, HTTP_2XX, 1);
	x->side = x->p->side;
	st->requests++;
	st->stamp = x->now;
	x->done += k->len;
	return true;
}
