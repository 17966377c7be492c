/*
 * range: 206, one range as it is, several as multipart/byteranges (RFC 9110,
 * 14.6). The parts are items of the answer: 1 + 2i is part i's head, 2 + 2i
 * its bytes.
 */
#include "../../proto/http_date.h"
#include "http_priv.h"

/*
 * The boundary is made of the content's own hash, which the content does not
 * hold but by malice of its owner; it is the same when the answer is resumed.
 */
static void
boundary(struct fmt *f, const struct fcache_entry *e)
{
	fmt_str(f, "starfish-");
	fmt_mem(f, e->etag + 1, strlen(e->etag) - 2);
}

static void
content_range(struct fmt *f, const struct http_range *r, uint64_t size)
{
	fmt_str(f, "Content-Range: bytes ");
	fmt_u64(f, r->first);
	fmt_str(f, "-");
	fmt_u64(f, r->last);
	fmt_str(f, "/");
	fmt_u64(f, size);
	fmt_str(f, "\r\n");
}

/* What stands before part r. */
static void
part_head(struct hx *x, struct fmt *f, const struct fcache_entry *e,
    const struct http_range *r)
{
	fmt_init(f, x->p->out, sizeof(x->p->out));
	fmt_str(f, "\r\n--");
	boundary(f, e);
	fmt_str(f, "\r\nContent-Type: ");
	fmt_str(f, fcache_str(x->root, e->type));
	fmt_str(f, "\r\n");
	content_range(f, r, e->size);
	fmt_str(f, "\r\n");
}

/* What stands behind the last part. */
static void
last_line(struct hx *x, struct fmt *f, const struct fcache_entry *e)
{
	fmt_init(f, x->p->out, sizeof(x->p->out));
	fmt_str(f, "\r\n--");
	boundary(f, e);
	fmt_str(f, "--\r\n");
}

/* Bytes of a multipart body. */
static uint64_t
multi_length(struct hx *x, const struct fcache_entry *e,
    const struct http_range *r, uint32_t n)
{
	uint64_t sum = 0;
	struct fmt f;
	uint32_t i;

	for (i = 0; i < n; i++) {
		part_head(x, &f, e, &r[i]);
		sum += fmt_len(&f) + (r[i].last - r[i].first + 1);
	}
	last_line(x, &f, e);
	return sum + fmt_len(&f);
}

/* The answer's head. */
static void
head(struct hx *x, struct fmt *f, const struct fcache_entry *e,
    const struct http_range *r, uint32_t n)
{
	uint64_t len = n == 1 ? r->last - r->first + 1 :
	    multi_length(x, e, r, n);
	char date[HTTP_DATE_LEN];

	page_begin(x, f, 206);
	fmt_str(f, "Content-Type: ");
	if (n == 1) {
		fmt_str(f, fcache_str(x->root, e->type));
		fmt_str(f, "\r\n");
		content_range(f, r, e->size);
	} else {
		fmt_str(f, "multipart/byteranges; boundary=");
		boundary(f, e);
		fmt_str(f, "\r\n");
	}
	fmt_str(f, "Content-Length: ");
	fmt_u64(f, len);
	fmt_str(f, "\r\nETag: ");
	fmt_str(f, e->etag);
	fmt_str(f, "\r\nLast-Modified: ");
	http_date_print(date, e->mtime);
	fmt_mem(f, date, sizeof(date));
	fmt_str(f, "\r\nAccept-Ranges: bytes\r\n");
	find_fields(f, e);
	page_end(x, f);
}

/* Item `item`: the bytes of a range. GO_ON: they are queued. */
static enum http_go
put_bytes(struct hx *x, uint32_t item, const struct fcache_entry *e,
    const struct http_range *r)
{
	uint64_t len = r->last - r->first + 1;
	enum http_go go;

	if (x->st->step > item)
		return GO_ON;
	hx_flush(x);
	if (e->flags & FCACHE_FILE) {
		go = stream_put(x, e, r->first, len);
		if (go != GO_ON)
			return go;
	} else {
		if (conn_send_mem(x->n, x->c, fcache_body(x->root, e) +
		    r->first, len) < 0)
			return hx_wait_room(x, 1);
		svc_count(x->s, HTTP_BYTES, len);
	}
	x->st->step++;
	return GO_ON;
}

enum http_go
range_answer(struct hx *x, const struct fcache_entry *e,
    const struct http_range *r, uint32_t n)
{
	enum http_go go;
	struct fmt f;
	uint32_t i;

	if ((e->flags & FCACHE_FILE) && !stream_first(x, e, r->first,
	    r->last - r->first + 1, &go))
		return go;
	x->st->status = 206;
	x->sent = n == 1 ? r->last - r->first + 1 : multi_length(x, e, r, n);
	head(x, &f, e, r, n);
	if (!page_put(x, 0, &f))
		return GO_WAIT;
	if (n == 1) {
		go = put_bytes(x, 1, e, r);
		return go == GO_ON ? http_answered(x, 206) : go;
	}
	for (i = 0; i < n; i++) {
		part_head(x, &f, e, &r[i]);
		if (!page_put(x, 1 + 2 * i, &f))
			return GO_WAIT;
		go = put_bytes(x, 2 + 2 * i, e, &r[i]);
		if (go != GO_ON)
			return go;
	}
	last_line(x, &f, e);
	return page_put(x, 1 + 2 * n, &f) ? http_answered(x, 206) : GO_WAIT;
}
