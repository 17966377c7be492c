/*
 * http_fast: plain GET and HEAD requests in one pass.
 *
 * Plain: HTTP/1.1, a path in normal form without percent-encoding, one valid
 * Host, no body, no Expect, every line in order. Anything else, right or
 * wrong, is left to http_req_parse().
 */
#include "http_lex.h"

#define BIT(f)		(1u << (f))

/* Fields that decide how long the message is or what is done with it. */
#define NOT_PLAIN	(BIT(FIELD_CONTENT_LENGTH) | \
			BIT(FIELD_TRANSFER_ENCODING) | BIT(FIELD_EXPECT))

/* Path and query that start at s; returns the blank behind them or NULL. */
static inline const char *
fast_target(struct http_req *r, const char *s, const char *end, uint32_t most)
{
	const char *start = s;

	if (s == end || *s != '/')
		return NULL;
	for (;;) {
		/* s is at '/': the next segment must not be "", ".", "..". */
		if (end - s < 2 || s[1] == '/' || s[1] == '.')
			return NULL;
		s++;
		while (s < end && http_is_lex(*s, LEX_PLAIN | LEX_DOT))
			s++;
		if (s == end)
			return NULL;
		if (*s != '/')
			break;
	}
	r->path.p = start;
	r->path.n = (uint32_t)(s - start);
	r->query.p = NULL;
	r->query.n = 0;
	if (*s == '?') {
		r->query.p = ++s;
		while (s < end && http_is_lex(*s, LEX_TARGET))
			s++;
		r->query.n = (uint32_t)(s - r->query.p);
	}
	if (s == end || *s != ' ' || (size_t)(s - start) > most)
		return NULL;
	return s;
}

/*
 * A first line "Host: name[:port]" at s, as nearly all clients send it, read
 * and judged in one go. Returns what follows it; s: it is something else.
 */
static inline const char *
fast_host(struct http_req *r, const char *s, const char *end)
{
	const char *v = s + 6, *stop;
	uint32_t port = 0;

	if (end - s < 8 || !http_is_host(s) || s[4] != ':' || s[5] != ' ')
		return s;
	for (stop = v; stop < end && http_is_lex(*stop, LEX_HOST); stop++)
		;
	if (stop == v)
		return s;
	r->field[FIELD_HOST].p = v;
	if (stop < end && *stop == ':') {
		for (stop++; stop < end && *stop >= '0' && *stop <= '9' &&
		    port <= 65535; stop++)
			port = port * 10 + (uint32_t)(*stop - '0');
		if (port > 65535)
			return s;
	}
	if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
		return s;
	r->field[FIELD_HOST].n = (uint32_t)(stop - v);
	r->have = BIT(FIELD_HOST);
	return stop + 2;
}

/*
 * The other fields, from s on; *most lines are allowed. Returns what follows
 * the blank line or NULL.
 */
static const char *
fast_fields(struct http_req *r, const char *s, const char *end, uint32_t most)
{
	const char *name, *colon, *stop;
	enum http_field f;

	for (;;) {
		if (end - s < 2)
			return NULL;
		if (s[0] == '\r')
			break;
		if (most-- == 0)
			return NULL;
		for (name = s; s < end && http_is_lex(*s, LEX_TOKEN); s++)
			;
		colon = s;
		if (s == end || *s != ':' || s == name)
			return NULL;
		stop = http_value_end(++s, end);
		if (stop == NULL)
			return NULL;
		f = http_field_id(name, (uint32_t)(colon - name));
		if (f != FIELDS) {
			if (NOT_PLAIN & BIT(f))
				return NULL;
			http_field_take(r, f, http_trim(s, stop));
			if (f == FIELD_HOST && !http_host_ok(&r->field[f]))
				return NULL;
		}
		s = stop + 2;
	}
	return s[1] == '\n' ? s + 2 : NULL;
}

uint32_t
http_fast(struct http_req *r, const char *p, uint32_t n,
    const struct http_limits *limits)
{
	const char *end = p + n, *s, *rest;

	if (n < sizeof("GET / HTTP/1.1\r\n") - 1)
		return 0;
	if (memcmp(p, "GET ", 4) == 0) {
		r->method = METHOD_GET;
		s = p + 4;
	} else if (memcmp(p, "HEAD ", 5) == 0) {
		r->method = METHOD_HEAD;
		s = p + 5;
	} else {
		return 0;
	}
	r->minor = 1;
	r->flags = REQ_SIMPLE;
	r->have = r->twice = 0;
	r->length = 0;
	s = fast_target(r, s, end, limits->uri);
	if (s == NULL || end - s < 11 || memcmp(s, " HTTP/1.1\r\n", 11) != 0)
		return 0;
	s += 11;
	r->fields.p = s;
	rest = fast_host(r, s, end);
	if (end - rest >= 2 && rest[0] == '\r' && rest[1] == '\n' &&
	    limits->fields > 0)
		s = rest + 2;
	else
		s = fast_fields(r, rest, end, limits->fields - (rest != s));
	if (s == NULL || !(r->have & BIT(FIELD_HOST)) ||
	    (r->twice & (BIT(FIELD_HOST) | BIT(FIELD_CONTENT_TYPE))))
		return 0;
	r->fields.n = (uint32_t)(s - 2 - r->fields.p);
	if (!(r->flags & REQ_CLOSE))
		r->flags |= REQ_KEEPALIVE;
	r->head_len = (uint32_t)(s - p);
	return r->head_len;
}
