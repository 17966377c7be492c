#include "http_date.h"
#include "http_lex.h"
#include "http_range.h"

#define BIT(f)		(1u << (f))

/* Digits at the front of s, moved behind them; -1 none, INT64_MAX too many. */
static int64_t
number(struct http_slice *s)
{
	int64_t v = 0;
	uint32_t n;

	for (n = 0; s->n > 0 && *s->p >= '0' && *s->p <= '9'; n++) {
		v = v > (INT64_MAX - 9) / 10 ? INT64_MAX - 9 :
		    v * 10 + (*s->p - '0');
		s->p++;
		s->n--;
	}
	return n == 0 ? -1 : v;
}

/* One range-spec: 1 satisfiable, 0 not, -1 not a range. */
static int
one(struct http_slice s, uint64_t size, struct http_range *r)
{
	int64_t first, last;

	first = number(&s);
	if (s.n == 0 || *s.p != '-')
		return -1;
	s.p++;
	s.n--;
	last = number(&s);
	if (s.n > 0 || (first < 0 && last < 0))
		return -1;
	if (first < 0) {		/* the last `last` bytes */
		if (last == 0)
			return 0;
		if (size == 0)		/* satisfiable, but not expressible */
			return -1;
		r->first = (uint64_t)last < size ? size - (uint64_t)last : 0;
		r->last = size - 1;
		return 1;
	}
	if (last >= 0 && last < first)
		return -1;
	if ((uint64_t)first >= size)
		return 0;
	r->first = (uint64_t)first;
	r->last = last < 0 || (uint64_t)last >= size ? size - 1 :
	    (uint64_t)last;
	return 1;
}

int
http_ranges(const struct http_slice *value, uint64_t size,
    struct http_range r[HTTP_RANGES])
{
	struct http_slice list = *value, item, unit = { value->p, 6 };
	struct http_range one_range;
	uint32_t n = 0, asked = 0;
	uint64_t total = 0;

	/* Units are case-insensitive (RFC 9110, 14.1). */
	if (list.n < 6 || !http_is(&unit, "bytes="))
		return RANGE_WHOLE;
	list.p += 6;
	list.n -= 6;
	for (; http_list_next(&list, &item); asked++) {
		switch (one(item, size, &one_range)) {
		case -1:
			return RANGE_WHOLE;
		case 0:
			continue;
		}
		if (n == HTTP_RANGES)
			return RANGE_WHOLE;
		total += one_range.last - one_range.first + 1;
		r[n++] = one_range;
	}
	if (asked == 0 || (n > 1 && total > size))
		return RANGE_WHOLE;
	return n == 0 ? RANGE_NONE : (int)n;
}

/*
 * Whether a list of entity-tags names etag. Opaque tags may hold commas, so
 * the list is walked by quotes. A weak tag matches only if weak is set, for
 * ours is strong (RFC 9110, 8.8.3.2).
 */
static bool
tag_in(const struct http_slice *list, const char *etag, bool weak)
{
	const char *s = list->p, *end = s + list->n, *close;
	size_t len = strlen(etag);
	bool is_weak;

	while (s < end) {
		if (*s == ' ' || *s == '\t' || *s == ',') {
			s++;
			continue;
		}
		is_weak = end - s > 2 && s[0] == 'W' && s[1] == '/';
		if (is_weak)
			s += 2;
		if (*s != '"')
			return false;
		close = memchr(s + 1, '"', (size_t)(end - s - 1));
		if (close == NULL)
			return false;
		if ((size_t)(close + 1 - s) == len &&
		    memcmp(s, etag, len) == 0 && (weak || !is_weak))
			return true;
		s = close + 1;
	}
	return false;
}

/* Whether any line of If-Match or If-None-Match names the content. */
static bool
names(const struct http_req *r, enum http_field f, const char *etag, bool weak)
{
	struct http_slice v;
	uint32_t at = 0;

	while (http_field_next(r, f, &at, &v)) {
		if (v.n == 1 && v.p[0] == '*')
			return true;
		if (tag_in(&v, etag, weak))
			return true;
	}
	return false;
}

/* The date of a field that came once: 0, or -1 none that counts. */
static int
date_of(const struct http_req *r, enum http_field f, int64_t now, int64_t *t)
{
	const struct http_slice *v = &r->field[f];

	if (!(r->have & BIT(f)) || (r->twice & BIT(f)))
		return -1;
	return http_date_parse(v->p, v->n, now, t);
}

int
http_conditions(const struct http_req *r, const struct http_version *v)
{
	int64_t t;

	if (r->have & BIT(FIELD_IF_MATCH)) {
		if (!names(r, FIELD_IF_MATCH, v->etag, false))
			return 412;
	} else if (date_of(r, FIELD_IF_UNMODIFIED_SINCE, v->now, &t) == 0) {
		if (v->mtime > t)
			return 412;
	}
	if (r->have & BIT(FIELD_IF_NONE_MATCH)) {
		if (names(r, FIELD_IF_NONE_MATCH, v->etag, true))
			return 304;
	} else if (date_of(r, FIELD_IF_MODIFIED_SINCE, v->now, &t) == 0) {
		/* A date later than now is invalid (RFC 9110, 13.1.3). */
		if (t <= v->now && v->mtime <= t)
			return 304;
	}
	return 0;
}

bool
http_range_counts(const struct http_req *r, const struct http_version *v)
{
	const struct http_slice *s = &r->field[FIELD_IF_RANGE];
	int64_t t;

	/* Ranges are defined for GET alone (RFC 9110, 14.2). */
	if (r->method != METHOD_GET || !(r->have & BIT(FIELD_RANGE)) ||
	    (r->twice & BIT(FIELD_RANGE)))
		return false;
	if (!(r->have & BIT(FIELD_IF_RANGE)))
		return true;
	if (r->twice & BIT(FIELD_IF_RANGE))
		return false;
	if (s->n > 0 && s->p[0] == '"')
		return s->n == strlen(v->etag) &&
		    memcmp(s->p, v->etag, s->n) == 0;
	/*
	 * A date validates only if it is exact and strong: the content did
	 * not change for a minute since (RFC 9110, 13.1.5 and 8.8.2.2).
	 */
	return http_date_parse(s->p, s->n, v->now, &t) == 0 &&
	    t == v->mtime && v->now >= v->mtime + 60;
}
