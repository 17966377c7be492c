/*
 * http_req: the strict parser. Line by line first, by the rules of RFC 9112
 * without its leniencies; then llhttp reads the same fields and must agree.
 */
#include "llhttp.h"

#include "http_lex.h"

#define BIT(f)		(1u << (f))

uint32_t
http_head_end(const char *p, uint32_t n, uint32_t from)
{
	const char *s, *end = p + n;

	/* The LF that ends the last line may be two bytes before `from`. */
	for (s = p + (from > 2 ? from - 2 : 0); s < end; s++) {
		s = memchr(s, '\n', (size_t)(end - s));
		if (s == NULL)
			break;
		if (end - s >= 2 && s[1] == '\n')
			return (uint32_t)(s + 2 - p);
		if (end - s >= 3 && s[1] == '\r' && s[2] == '\n')
			return (uint32_t)(s + 3 - p);
	}
	return 0;
}

static uint8_t
method_id(const struct http_slice *m)
{
	static const struct {
		const char *name;
		uint8_t id;
	} known[] = {
		{ "GET", METHOD_GET }, { "HEAD", METHOD_HEAD },
		{ "OPTIONS", METHOD_OPTIONS }, { "POST", METHOD_POST },
		{ "PUT", METHOD_PUT }, { "DELETE", METHOD_DELETE },
		{ "PATCH", METHOD_PATCH }, { "CONNECT", METHOD_CONNECT },
		{ "TRACE", METHOD_TRACE },
	};
	uint32_t i;

	/* Methods are case-sensitive (RFC 9110, 9.1). */
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == m->n &&
		    memcmp(known[i].name, m->p, m->n) == 0)
			return known[i].id;
	}
	return METHOD_OTHER;
}

/* "HTTP/" DIGIT "." DIGIT (RFC 9112, 2.3). */
static int
version(struct http_req *r, const char *s, const char *end)
{
	if (end - s != 8 || memcmp(s, "HTTP/", 5) != 0 || s[6] != '.' ||
	    s[5] < '0' || s[5] > '9' || s[7] < '0' || s[7] > '9')
		return 400;
	if (s[5] != '1')
		return 505;
	/* A higher minor version is served as the highest known (RFC 9110,
	 * 2.5). */
	r->minor = s[7] == '0' ? 0 : 1;
	return 0;
}

/* http://authority of an absolute-form target; moves t behind it. It is kept
 * as the field that it will stand for (RFC 9112, 3.2.2). */
static int
authority(struct http_req *r, struct http_slice *t)
{
	struct http_slice scheme = { t->p, 7 }, host;
	uint32_t i;

	if (t->n < 7 || !http_is(&scheme, "http://"))
		return 400;
	for (i = 7; i < t->n && t->p[i] != '/' && t->p[i] != '?'; i++)
		;
	host.p = t->p + 7;
	host.n = i - 7;
	t->p += i;
	t->n -= i;
	r->authority = host;
	return http_host_ok(&host) ? 0 : 400;
}

/* Whether http_path() would leave a path as it is, by http_fast()'s rule: no
 * segment is empty or begins with a dot. */
static bool
simple(const struct http_slice *p)
{
	uint32_t i;

	for (i = 0; i < p->n; i++) {
		if (p->p[i] == '/') {
			if (i + 1 < p->n &&
			    (p->p[i + 1] == '/' || p->p[i + 1] == '.'))
				return false;
		} else if (!http_is_lex(p->p[i], LEX_PLAIN | LEX_DOT)) {
			return false;
		}
	}
	return true;
}

/* The request target (RFC 9112, 3.2). */
static int
target(struct http_req *r, struct http_slice t)
{
	static const char root[] = "/";
	const char *q;
	uint32_t i;

	for (i = 0; i < t.n; i++) {
		if (!http_is_lex(t.p[i], LEX_TARGET))
			return 400;
	}
	if (t.n == 0)
		return 400;
	if (r->method == METHOD_CONNECT)
		return http_host_ok(&t) ? 0 : 400;
	if (t.n == 1 && t.p[0] == '*') {
		r->flags |= REQ_STAR;
		return r->method == METHOD_OPTIONS ||
		    r->method == METHOD_OTHER ? 0 : 400;
	}
	if (t.p[0] != '/' && authority(r, &t) != 0)
		return 400;
	q = t.n > 0 ? memchr(t.p, '?', t.n) : NULL;
	r->path = t;
	if (q != NULL) {
		r->path.n = (uint32_t)(q - t.p);
		r->query.p = q + 1;
		r->query.n = t.n - r->path.n - 1;
	}
	if (r->path.n == 0) {		/* "http://host" */
		r->path.p = root;
		r->path.n = 1;
	}
	if (simple(&r->path))
		r->flags |= REQ_SIMPLE;
	return 0;
}

/* method SP target SP version, each blank a single one. */
static int
request_line(struct http_req *r, const char *s, const char *end,
    const struct http_limits *limits)
{
	struct http_slice m, t;
	const char *sp;
	int status;

	for (m.p = s; s < end && http_is_lex(*s, LEX_TOKEN); s++)
		;
	m.n = (uint32_t)(s - m.p);
	if (s == end || *s != ' ' || m.n == 0)
		return 400;
	r->method = method_id(&m);
	t.p = ++s;
	sp = memchr(s, ' ', (size_t)(end - s));
	if ((size_t)((sp == NULL ? end : sp) - s) > limits->uri)
		return 414;
	if (sp == NULL)
		return 400;
	t.n = (uint32_t)(sp - s);
	status = version(r, sp + 1, end);
	if (status != 0)
		return status;
	return target(r, t);
}

/*
 * The fields in [s, end), which ends with the blank line. Refuses what
 * RFC 9112 lets a server refuse: folded lines (5.2), blanks before the colon
 * (5.1), bare CR or LF (2.2), and controls in values (RFC 9110, 5.5).
 */
static int
fields(struct http_req *r, const char *s, const char *end, uint32_t most)
{
	const char *name, *stop;
	uint32_t n;

	r->fields.p = s;
	for (; end - s > 2; s = stop + 2) {
		if (most-- == 0)
			return 431;
		for (name = s; s < end && http_is_lex(*s, LEX_TOKEN); s++)
			;
		n = (uint32_t)(s - name);
		if (n == 0 || *s != ':')
			return 400;
		stop = http_value_end(++s, end);
		if (stop == NULL)
			return 400;
		http_field_take(r, http_field_id(name, n),
		    http_trim(s, stop));
	}
	if (end - s != 2 || s[0] != '\r' || s[1] != '\n')
		return 400;
	r->fields.n = (uint32_t)(s - r->fields.p);
	return 0;
}

/*
 * 1*DIGIT below 2^63; several fields or a list are refused whole, and zeros in
 * front too: somebody before us may have read an octal number.
 */
static int
content_length(struct http_req *r)
{
	const struct http_slice *v = &r->field[FIELD_CONTENT_LENGTH];
	uint64_t digit;
	uint32_t i;

	if ((r->twice & BIT(FIELD_CONTENT_LENGTH)) || v->n == 0 ||
	    (v->n > 1 && v->p[0] == '0'))
		return 400;
	for (i = 0; i < v->n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9')
			return 400;
		digit = (uint64_t)(v->p[i] - '0');
		if (r->length > (INT64_MAX - digit) / 10)
			return 400;
		r->length = r->length * 10 + digit;
	}
	r->flags |= REQ_LENGTH;
	return 0;
}

/* Only "chunked", once (RFC 9112, 6.1). */
static int
transfer_encoding(struct http_req *r)
{
	struct http_slice v, item;
	uint32_t at = 0;
	bool chunked = false, other = false;

	if ((r->have & BIT(FIELD_CONTENT_LENGTH)) || r->minor == 0)
		return 400;
	while (http_field_next(r, FIELD_TRANSFER_ENCODING, &at, &v)) {
		while (http_list_next(&v, &item)) {
			if (chunked)
				return 400;	/* it must be the last */
			if (http_is(&item, "chunked"))
				chunked = true;
			else
				other = true;
		}
	}
	if (other)
		return 501;
	/* Not even an empty list element beside it. */
	if (!chunked || (r->twice & BIT(FIELD_TRANSFER_ENCODING)) ||
	    !http_is(&r->field[FIELD_TRANSFER_ENCODING], "chunked"))
		return 400;
	r->flags |= REQ_CHUNKED;
	return 0;
}

/* What the fields mean together. */
static int
meaning(struct http_req *r)
{
	int status = 0;

	if (r->have & BIT(FIELD_HOST)) {
		if ((r->twice & BIT(FIELD_HOST)) ||
		    !http_host_ok(&r->field[FIELD_HOST]))
			return 400;
		if (r->authority.n > 0)
			r->field[FIELD_HOST] = r->authority;
	} else if (r->minor > 0) {
		return 400;
	}
	if (r->have & BIT(FIELD_TRANSFER_ENCODING))
		status = transfer_encoding(r);
	else if (r->have & BIT(FIELD_CONTENT_LENGTH))
		status = content_length(r);
	if (status != 0)
		return status;
	/* Two types of one body: who reads it must not choose (RFC 9110,
	 * 8.3). */
	if (r->twice & BIT(FIELD_CONTENT_TYPE))
		return 400;
	/* RFC 9110, 10.1.1: an expectation of a 1.0 client is ignored. */
	if ((r->have & BIT(FIELD_EXPECT)) && r->minor > 0) {
		if ((r->twice & BIT(FIELD_EXPECT)) ||
		    !http_is(&r->field[FIELD_EXPECT], "100-continue"))
			return 417;
		r->flags |= REQ_CONTINUE;
	}
	if (!(r->flags & REQ_CLOSE) &&
	    (r->minor > 0 || (r->flags & REQ_PERSIST)))
		r->flags |= REQ_KEEPALIVE;
	return 0;
}

static int
on_headers_complete(llhttp_t *ll)
{
	return HPE_PAUSED;	/* the body is not llhttp's business */
}

/*
 * Whether llhttp takes the fields too, and sees the same framing. Request
 * lines differ in what is allowed (it knows no unknown method), so it is
 * given a plain one; and it takes no tab behind a length, where RFC 9110 (5.5)
 * has it ignored, so blanks there are left out.
 */
static bool
llhttp_agrees(const struct http_req *r)
{
	static const llhttp_settings_t settings = {
		.on_headers_complete = on_headers_complete,
	};
	static const char line[] = "POST / HTTP/1.1\r\n";
	const char *s = r->fields.p, *end = s + r->fields.n + 2, *v;
	llhttp_errno_t err;
	llhttp_t ll;

	llhttp_init(&ll, HTTP_REQUEST, &settings);
	err = llhttp_execute(&ll, line, sizeof(line) - 1);
	if (err == HPE_OK && (r->flags & REQ_LENGTH)) {
		v = r->field[FIELD_CONTENT_LENGTH].p +
		    r->field[FIELD_CONTENT_LENGTH].n;
		err = llhttp_execute(&ll, s, (size_t)(v - s));
		for (s = v; *s == ' ' || *s == '\t'; s++)
			;
	}
	if (err == HPE_OK)
		err = llhttp_execute(&ll, s, (size_t)(end - s));
	if (err != HPE_PAUSED)
		return false;
	return !(ll.flags & F_CHUNKED) == !(r->flags & REQ_CHUNKED) &&
	    !(ll.flags & F_CONTENT_LENGTH) == !(r->flags & REQ_LENGTH) &&
	    (!(r->flags & REQ_LENGTH) || ll.content_length == r->length);
}

int
http_req_parse(struct http_req *r, const char *p, uint32_t n,
    const struct http_limits *limits)
{
	const char *lf;
	int status;

	memset(r, 0, sizeof(*r));
	r->method = METHOD_OTHER;
	r->minor = 1;
	r->head_len = n;
	lf = memchr(p, '\n', n);
	if (lf == NULL || lf == p || lf[-1] != '\r')
		return 400;
	status = request_line(r, p, lf - 1, limits);
	if (status != 0)
		return status;
	status = fields(r, lf + 1, p + n, limits->fields);
	if (status != 0)
		return status;
	status = meaning(r);
	if (status != 0)
		return status;
	return llhttp_agrees(r) ? 0 : 400;
}

bool
http_field_next(const struct http_req *r, enum http_field f, uint32_t *at,
    struct http_slice *value)
{
	const char *s, *end = r->fields.p + r->fields.n, *lf, *colon;

	for (s = r->fields.p + *at; s < end; s = lf + 1) {
		lf = memchr(s, '\n', (size_t)(end - s));
		colon = memchr(s, ':', (size_t)(end - s));
		if (lf == NULL || colon == NULL || colon > lf)
			break;
		*at = (uint32_t)(lf + 1 - r->fields.p);
		if (http_field_id(s, (uint32_t)(colon - s)) != f)
			continue;
		*value = http_trim(colon + 1, lf - 1);
		return true;
	}
	return false;
}
