#include "http_lex.h"
#include "http_resp.h"

/* What the fields of a response say of its body. */
struct framing {
	bool chunked, length, close, persist;
	uint64_t n;
};

/* "HTTP/1." DIGIT SP 3DIGIT [SP reason]; the minor version or -1. */
static int
status_line(struct http_resp *r, const char *s, const char *end)
{
	uint32_t i;

	if (end - s < 12 || memcmp(s, "HTTP/1.", 7) != 0 || s[7] < '0' ||
	    s[7] > '9' || s[8] != ' ' || (end - s > 12 && s[12] != ' '))
		return -1;
	for (i = 9, r->status = 0; i < 12; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		r->status = (uint16_t)(r->status * 10 + (s[i] - '0'));
	}
	return r->status < 100 ? -1 : s[7] - '0';
}

static int
take_length(struct framing *f, const struct http_slice *v)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < v->n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9' ||
		    n > (INT64_MAX - 9) / 10)
			return -RESP_BAD_LENGTH;
		n = n * 10 + (uint64_t)(v->p[i] - '0');
	}
	if (i == 0 || (f->length && f->n != n))
		return -RESP_BAD_LENGTH;
	f->length = true;
	f->n = n;
	return 0;
}

static int
take_field(struct framing *f, enum http_field id, struct http_slice v)
{
	struct http_slice item;

	switch (id) {
	case FIELD_CONTENT_LENGTH:
		return take_length(f, &v);
	case FIELD_TRANSFER_ENCODING:
		if (f->chunked || !http_is(&v, "chunked"))
			return -RESP_BAD_CODING;
		f->chunked = true;
		return 0;
	case FIELD_CONNECTION:
		while (http_list_next(&v, &item)) {
			if (http_is(&item, "close"))
				f->close = true;
			else if (http_is(&item, "keep-alive"))
				f->persist = true;
		}
		return 0;
	default:
		return 0;
	}
}

/* All fields in [s, end): name ":" value CR LF. */
static int
take_fields(struct framing *f, const char *s, const char *end)
{
	const char *name, *stop;
	enum http_field id;
	uint32_t n;
	int err;

	for (; end - s > 2; s = stop + 2) {
		for (name = s; s < end && http_is_lex(*s, LEX_TOKEN); s++)
			;
		n = (uint32_t)(s - name);
		if (n == 0 || s == end || *s != ':')
			return -RESP_BAD_FIELD;
		stop = http_value_end(++s, end);
		if (stop == NULL)
			return -RESP_BAD_FIELD;
		id = http_field_id(name, n);
		if (id == FIELDS)
			continue;
		err = take_field(f, id, http_trim(s, stop));
		if (err != 0)
			return err;
	}
	return end - s == 2 && s[0] == '\r' ? 0 : -RESP_BAD_FIELD;
}

int
http_resp_head(struct http_resp *r, const char *p, uint32_t n, bool head)
{
	struct framing f = { .n = 0 };
	const char *lf;
	int minor, err;

	r->phase = RESP_BAD;
	lf = memchr(p, '\n', n);
	if (lf == NULL || lf == p || lf[-1] != '\r')
		return -RESP_NOT_HTTP;
	minor = status_line(r, p, lf - 1);
	if (minor < 0)
		return -RESP_NOT_HTTP;
	err = take_fields(&f, lf + 1, p + n);
	if (err != 0)
		return err;
	if (f.chunked && f.length)
		return -RESP_BAD_CODING;
	if (r->status < 200) {
		r->phase = RESP_HEAD;
		return 0;
	}
	r->body = 0;
	memset(&r->chunk, 0, sizeof(r->chunk));
	r->left = f.n;
	r->keepalive = !f.close && (minor > 0 || f.persist);
	/* The order is that of RFC 9112, 6.3. */
	if (head || r->status == 204 || r->status == 304)
		r->phase = RESP_DONE;
	else if (f.chunked)
		r->phase = RESP_CHUNKED;
	else if (f.length)
		r->phase = f.n > 0 ? RESP_LENGTH : RESP_DONE;
	else
		r->phase = RESP_TO_EOF;
	if (r->phase == RESP_TO_EOF)
		r->keepalive = 0;
	return 0;
}

/* Framing up to the next data, and that data. */
static uint32_t
chunked(struct http_resp *r, const uint8_t *p, uint32_t n, uint32_t *data)
{
	uint32_t at, m;

	*data = 0;
	at = http_chunk_frame(&r->chunk, p, n);
	if (r->chunk.state == HC_END)
		r->phase = RESP_DONE;
	else if (r->chunk.state == HC_BAD)
		r->phase = RESP_BAD;
	if (r->chunk.state != HC_DATA || at == n)
		return at;
	m = r->chunk.left < n - at ? (uint32_t)r->chunk.left : n - at;
	http_chunk_took(&r->chunk, m);
	r->body += m;
	*data = m;
	return at + m;
}

uint32_t
http_resp_piece(struct http_resp *r, const uint8_t *p, uint32_t n,
    uint32_t *at, uint32_t *len)
{
	*at = 0;
	switch (r->phase) {
	case RESP_LENGTH:
		if (n > r->left)
			n = (uint32_t)r->left;
		r->left -= n;
		if (r->left == 0)
			r->phase = RESP_DONE;
		break;
	case RESP_CHUNKED:
		n = chunked(r, p, n, len);
		*at = n - *len;
		return n;
	case RESP_TO_EOF:
		break;
	default:
		n = 0;
	}
	r->body += n;
	*len = n;
	return n;
}

uint32_t
http_resp_body(struct http_resp *r, const uint8_t *p, uint32_t n)
{
	uint32_t at, len, took = 0;

	if (r->phase != RESP_CHUNKED)
		return http_resp_piece(r, p, n, &at, &len);
	while (took < n && r->phase == RESP_CHUNKED)
		took += http_resp_piece(r, p + took, n - took, &at, &len);
	return took;
}

int
http_resp_eof(struct http_resp *r)
{
	if (r->phase == RESP_TO_EOF)
		r->phase = RESP_DONE;
	return r->phase == RESP_DONE ? 0 : -1;
}
