/*
 * http_lex: character classes and scanning, shared by the parsers of heads.
 */
#ifndef PROTO_HTTP_LEX_H
#define PROTO_HTTP_LEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "http_req.h"

#define LEX_TOKEN	0x01u	/* tchar (RFC 9110, 5.6.2) */
#define LEX_TARGET	0x02u	/* may stand in a request target */
#define LEX_PLAIN	0x04u	/* of a path, and needs no second look */
#define LEX_HOST	0x08u	/* of a registered name (RFC 3986, 3.2.2) */
#define LEX_HEX		0x10u
#define LEX_DOT		0x20u	/* the dot itself */

extern const uint8_t http_lex[256];

static inline bool
http_is_lex(char c, uint8_t class)
{
	return (http_lex[(uint8_t)c] & class) != 0;
}

/*
 * The first control character in [s, end), tabs too; end if there is none.
 * Eight bytes at a time: the lowest flagged byte is exact, those above it may
 * be flagged by a borrow and are not looked at.
 */
static inline const char *
http_ctl(const char *s, const char *end)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	uint64_t v, low, del;

	for (; end - s >= 8; s += 8) {
		memcpy(&v, s, 8);
		low = (v - ones * 0x20) & ~v;
		del = v ^ ones * 0x7f;
		del = (del - ones) & ~del;
		v = (low | del) & high;
		if (v != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			return s + (__builtin_ctzll(v) >> 3);
#else
			break;
#endif
		}
	}
	for (; s < end; s++) {
		if ((uint8_t)*s < 0x20 || *s == 0x7f)
			return s;
	}
	return end;
}

/*
 * The end of a field's value that starts at s: where its CR LF stands. NULL:
 * there is none before end, or a control character other than a tab comes
 * first.
 */
static inline const char *
http_value_end(const char *s, const char *end)
{
	for (;; s++) {
		s = http_ctl(s, end);
		if (s == end)
			return NULL;
		if (*s != '\t')
			break;
	}
	return *s == '\r' && end - s >= 2 && s[1] == '\n' ? s : NULL;
}

/* Whether the four bytes at s are "host", in any letter case. */
static inline bool
http_is_host(const char *s)
{
	uint32_t v, host;

	memcpy(&v, s, 4);
	memcpy(&host, "host", 4);
	return (v | 0x20202020u) == host;
}

/* The bytes from s to end without blanks at either side. */
static inline struct http_slice
http_trim(const char *s, const char *end)
{
	struct http_slice v;

	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	while (s < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	v.p = s;
	v.n = (uint32_t)(end - s);
	return v;
}

/*
 * Whether a Host field's value is allowed (RFC 9110, 7.2), and not empty. The
 * byte behind it can be read and is not of LEX_HOST: a value ends before
 * a blank, CR, '/' or '?'.
 */
bool	http_host_ok(const struct http_slice *host);

/* Take a field into r: its place, and what it means by itself. */
void	http_field_take(struct http_req *r, enum http_field f,
	    struct http_slice value);

#endif
