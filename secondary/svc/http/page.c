/*
 * page: answers that are made here: errors, redirections, OPTIONS, 304, 416.
 */
#include <assert.h>

#include "../../proto/http_date.h"
#include "../../proto/http_path.h"
#include "http_priv.h"

static const char *
reason(uint16_t status)
{
	switch (status) {
	case 100: return "Continue";
	case 200: return "OK";
	case 204: return "No Content";
	case 206: return "Partial Content";
	case 301: return "Moved Permanently";
	case 304: return "Not Modified";
	case 400: return "Bad Request";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 412: return "Precondition Failed";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 416: return "Range Not Satisfiable";
	case 417: return "Expectation Failed";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: return "Error";
	}
}

void
page_begin(struct hx *x, struct fmt *f, uint16_t status)
{
	fmt_init(f, x->p->out, sizeof(x->p->out));
	fmt_str(f, "HTTP/1.1 ");
	fmt_u64(f, status);
	fmt_str(f, " ");
	fmt_str(f, reason(status));
	fmt_str(f, "\r\n");
	fmt_mem(f, x->p->line + x->p->line_ok,
	    x->p->line_len - x->p->line_ok);
}

void
page_end(struct hx *x, struct fmt *f)
{
	if (x->close)
		fmt_str(f, "Connection: close\r\n");
	else if (x->req.minor == 0)
		fmt_str(f, "Connection: keep-alive\r\n");
	fmt_str(f, "\r\n");
}

bool
page_put(struct hx *x, uint32_t item, const struct fmt *f)
{
	struct http_state *st = x->st;
	uint32_t len = fmt_len(f), left;

	assert(!fmt_cut(f));
	if (st->step > item)
		return true;
	hx_flush(x);
	/* A Date that changed since the first part was queued has the same
	 * length, so the parts fit together. */
	left = len - st->pos;
	st->pos += conn_write(x->n, x->c, f->start + st->pos, left);
	if (st->pos < len) {
		hx_wait_room(x, len - st->pos);
		return false;
	}
	st->pos = 0;
	st->step++;
	return true;
}

static void
allow(struct hx *x, struct fmt *f)
{
	fmt_str(f, !x->echo ? "Allow: GET, HEAD, OPTIONS\r\n" :
	    find_file(x) ? "Allow: GET, HEAD, POST, OPTIONS\r\n" :
	    "Allow: POST, OPTIONS\r\n");
}

/* Queue what f holds so far as the whole answer, with a text as its body. */
static enum http_go
page_text(struct hx *x, struct fmt *f, uint16_t status)
{
	const char *why = reason(status);

	fmt_str(f, "Content-Type: text/plain\r\nContent-Length: ");
	fmt_u64(f, strlen(why) + 5);	/* "404 " and "\n" */
	fmt_str(f, "\r\n");
	page_end(x, f);
	x->sent = 0;
	if (x->req.method != METHOD_HEAD) {
		x->sent = strlen(why) + 5;
		fmt_u64(f, status);
		fmt_str(f, " ");
		fmt_str(f, why);
		fmt_str(f, "\n");
	}
	x->st->status = status;
	if (!page_put(x, 0, f))
		return GO_WAIT;
	return http_answered(x, status);
}

enum http_go
page_error(struct hx *x, uint16_t status)
{
	struct fmt f;

	page_begin(x, &f, status);
	if (status == 405)
		allow(x, &f);
	return page_text(x, &f, status);
}

enum http_go
page_options(struct hx *x)
{
	struct fmt f;

	/* No Content-Length in a 204 (RFC 9110, 8.6). */
	page_begin(x, &f, 204);
	allow(x, &f);
	page_end(x, &f);
	x->st->status = 204;
	if (!page_put(x, 0, &f))
		return GO_WAIT;
	return http_answered(x, 204);
}

enum http_go
page_file(struct hx *x, const struct fcache_entry *e, uint16_t status)
{
	char date[HTTP_DATE_LEN];
	struct fmt f;

	page_begin(x, &f, status);
	if (status == 416) {
		fmt_str(&f, "Content-Range: bytes */");
		fmt_u64(&f, e->size);
		fmt_str(&f, "\r\n");
	}
	if (status != 304)
		return page_text(x, &f, status);
	http_date_print(date, e->mtime);
	fmt_str(&f, "ETag: ");
	fmt_str(&f, e->etag);
	fmt_str(&f, "\r\nLast-Modified: ");
	fmt_mem(&f, date, sizeof(date));
	fmt_str(&f, "\r\n");
	if (e->flags & (FCACHE_VARY | FCACHE_GZIP | FCACHE_BR))
		fmt_str(&f, "Vary: Accept-Encoding\r\n");
	page_end(x, &f);
	x->st->status = 304;
	if (!page_put(x, 0, &f))
		return GO_WAIT;
	return http_answered(x, 304);
}

enum http_go
page_slash(struct hx *x, const char *path, uint32_t n)
{
	const struct http_slice *q = &x->req.query;
	struct fmt f;

	page_begin(x, &f, 301);
	/* Relative: we do not know by what name and port we are reached. The
	 * path starts with exactly one slash, so it names no other host. */
	fmt_str(&f, "Location: ");
	http_path_encode(&f, path, n);
	fmt_str(&f, "/");
	if (q->p != NULL) {
		fmt_str(&f, "?");
		fmt_mem(&f, q->p, q->n);
	}
	fmt_str(&f, "\r\n");
	return page_text(x, &f, 301);
}
