/*
 * file: GET and HEAD of files in the cache.
 */
#include "../../proto/http_path.h"
#include "http_priv.h"

#define BIT(f)		(1u << (f))
#define CONDITIONS	(BIT(FIELD_IF_MATCH) | BIT(FIELD_IF_NONE_MATCH) | \
			BIT(FIELD_IF_MODIFIED_SINCE) | \
			BIT(FIELD_IF_UNMODIFIED_SINCE))

static const char close_line[] = "Connection: close\r\n\r\n";
static const char keep_line[] = "Connection: keep-alive\r\n\r\n";

/*
 * Queue head and, if it is short, body in one piece. The head that the cache
 * prepared ends with the blank line, or a Connection line takes its place.
 */
enum http_go
file_whole(struct hx *x, const struct fcache_entry *e)
{
	const struct fcache *fc = x->p->root;
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
		to = hx_room(x, body <= HTTP_COPY ? head + body : head);
		if (to == NULL && body > 0 && body <= HTTP_COPY) {
			/* Not in one piece: the body goes by itself. */
			body = HTTP_COPY + 1;
			to = hx_room(x, head);
		}
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
	if (x->req.method == METHOD_GET)
		svc_count(x->s, HTTP_BYTES, e->size);
	return http_answered(x, 200);
}

/* The entry of a directory's index file, or NULL. */
static const struct fcache_entry *
index_of(struct hx *x, const struct fcache_entry *dir)
{
	const struct fcache *fc = x->p->root;
	const struct fcache_entry *e;
	struct fmt f;

	if (!x->p->own_index) {
		if (dir->index == UINT32_MAX)
			return NULL;
		return (const struct fcache_entry *)
		    ((const uint8_t *)fc + fc->entries) + dir->index;
	}
	fmt_init(&f, x->p->path, sizeof(x->p->path));
	fmt_mem(&f, fcache_str(fc, dir->path), dir->path_len);
	fmt_str(&f, x->conf->index);
	if (fmt_cut(&f))
		return NULL;
	e = fcache_find(fc, f.start, fmt_len(&f));
	return e == NULL || (e->flags & FCACHE_DIR) ? NULL : e;
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
	if (st->step > 0 || st->pos > 0 ? status == 206 :
	    http_range_counts(r, &v))
		n = http_ranges(&r->field[FIELD_RANGE], e->size, range);
	if (n == RANGE_NONE)
		return page_file(x, e, 416);
	if (n == RANGE_WHOLE) {
		st->status = 200;
		return file_whole(x, e);
	}
	st->status = 206;
	return range_answer(x, e, range, (uint32_t)n);
}

enum http_go
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
	if (x->p->root == NULL)
		return page_error(x, 404);
	e = fcache_find(x->p->root, path, (uint32_t)n);
	if (e != NULL) {
		if (e->flags & FCACHE_DIR)
			e = index_of(x, e);
		if (e == NULL)
			return page_error(x, 404);
		return r->have & (CONDITIONS | BIT(FIELD_RANGE)) ?
		    found(x, e) : file_whole(x, e);
	}
	/* "/dir" where there is "/dir/" (never for what ends in a slash). */
	if (path[n - 1] != '/') {
		memmove(x->p->path, path, (uint32_t)n);
		x->p->path[n] = '/';
		e = fcache_find(x->p->root, x->p->path, (uint32_t)n + 1);
		if (e != NULL)
			return page_slash(x, x->p->path, (uint32_t)n);
	}
	return page_error(x, 404);
}
