/*
 * Dates, paths, ranges, conditions, chunked bodies, responses, histogram.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../secondary/proto/hist.h"
#include "../../secondary/proto/http_chunk.h"
#include "../../secondary/proto/http_date.h"
#include "../../secondary/proto/http_path.h"
#include "../../secondary/proto/http_range.h"
#include "../../secondary/proto/http_req.h"
#include "../../secondary/proto/http_resp.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define NOW		1700000000

/* ---- dates ---- */

static const struct {
	const char *s;
	int64_t t;		/* -1: not a date */
} dates[] = {
	/* the three forms of RFC 9110, 5.6.7 */
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
	{ "Sun Nov  6 08:49:37 1994", 784111777 },
	{ "Sun Nov 16 08:49:37 1994", 784975777 },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "Thu, 29 Feb 2024 23:59:60 GMT", 1709251200 },
	{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
	/* 2023 + 50 = 2073 is ahead; 2074 is taken for 1974 */
	{ "Sunday, 01-Jan-73 00:00:00 GMT", 3250454400 },
	{ "Tuesday, 01-Jan-74 00:00:00 GMT", 126230400 },
	{ "", -1 },
	{ "yesterday", -1 },
	{ "Sun, 06 Nov 1994 08:49:37", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
	{ "Sun, 06 nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 31 Feb 1994 08:49:37 GMT", -1 },
	{ "Thu, 29 Feb 2023 00:00:00 GMT", -1 },
	{ "Thu, 29 Feb 1900 00:00:00 GMT", -1 },
	{ "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
	{ "Xun, 06 Nov 1994 08:49:37 GMT", -1 },
	{ "Sonday, 06-Nov-94 08:49:37 GMT", -1 },
	{ "Sun Nov  0 08:49:37 1994", -1 },
	{ "Sun Nov 6 08:49:37 1994", -1 },
	{ "784111777", -1 },
	{ "-784111777", -1 },
};

START_TEST(dates_are_read_in_three_forms_only)
{
	size_t n = strlen(dates[_i].s);
	char *p = malloc(n > 0 ? n : 1);
	int64_t t = -2;
	int rc;

	memcpy(p, dates[_i].s, n);
	rc = http_date_parse(p, (uint32_t)n, NOW, &t);
	if (dates[_i].t < 0)
		ck_assert_int_eq(rc, -1);
	else
		ck_assert_int_eq(t, dates[_i].t);
	free(p);
}
END_TEST

/* Our dates are libc's, over 8000 years, and are read back. */
START_TEST(dates_are_written_as_libc_does)
{
	char ours[HTTP_DATE_LEN + 1] = "", libc[64];
	struct tm tm;
	int64_t t, back;
	time_t tt;

	for (t = 0; t < 253402300799; t += 7654321987 / 89) {
		tt = (time_t)t;
		gmtime_r(&tt, &tm);
		strftime(libc, sizeof(libc), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		http_date_print(ours, t);
		ck_assert_str_eq(ours, libc);
		ck_assert_int_eq(http_date_parse(ours, HTTP_DATE_LEN, NOW,
		    &back), 0);
		ck_assert_int_eq(back, t);
	}
	http_date_print(ours, -5);
	ck_assert_str_eq(ours, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date_print(ours, INT64_MAX);
	ck_assert_str_eq(ours, "Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

/* ---- paths ---- */

static const struct {
	const char *in, *out;	/* out NULL: refused */
} paths[] = {
	{ "/", "/" }, { "/a", "/a" }, { "/a/", "/a/" }, { "/a/b", "/a/b" },
	{ "//", "/" }, { "//a", "/a" }, { "/a//b", "/a/b" },
	{ "///a///", "/a/" },
	{ "/.", "/" }, { "/./", "/" }, { "/a/.", "/a/" }, { "/a/./b", "/a/b" },
	{ "/..", NULL }, { "/../", NULL }, { "/a/..", "/" },
	{ "/a/../b", "/b" }, { "/a/b/..", "/a/" }, { "/a/b/../", "/a/" },
	{ "/a/b/../../c", "/c" }, { "/a/../..", NULL },
	{ "/a/../../b", NULL }, { "/a//../b", "/b" },
	{ "/...", "/..." }, { "/..a", "/..a" }, { "/a..", "/a.." },
	{ "/.a/b", "/.a/b" }, { "/a./b", "/a./b" },
	{ "/%41", "/A" }, { "/%2e", "/" }, { "/%2e%2e", NULL },
	{ "/%2E%2e/x", NULL }, { "/.%2e/x", NULL },
	{ "/a/%2e%2e/b", "/b" }, { "/%2e%2e%2fetc", NULL },
	{ "/a%2fb", "/a/b" }, { "/a%2f..%2fb", "/b" }, { "/%2f%2fb", "/b" },
	/* decoded once: what is left is a name */
	{ "/%252e%252e/", "/%2e%2e/" }, { "/%2541", "/%41" },
	{ "/%00", NULL }, { "/a%00.html", NULL }, { "/%", NULL },
	{ "/%4", NULL }, { "/%zz", NULL }, { "/%4g", NULL },
	/* no separators, no escapes */
	{ "/..\\..\\x", "/..\\..\\x" }, { "/%5c..%5cx", "/\\..\\x" },
	/* no overlong sequences (RFC 3629, 3), but other bytes as they are */
	{ "/%c0%ae%c0%ae/x", NULL }, { "/..%c1%9c", NULL },
	{ "/%e0%80%af", NULL }, { "/%f0%80%80%af", NULL },
	{ "/%c3%a9", "/\xc3\xa9" }, { "/%e0%a4%85", "/\xe0\xa4\x85" },
	{ "/%c0", "/\xc0" }, { "/%20", "/ " },
	{ "/%20%0d%0a", NULL }, { "/%7f", NULL }, { "/%1b", NULL },
	{ "a", NULL }, { "", NULL },
};

/* RFC 3986, 5.2.4 and 6.2.2; nothing climbs above the root. */
START_TEST(paths_are_normalised_or_refused)
{
	size_t n = strlen(paths[_i].in);
	char *in = malloc(n + 1), *out = malloc(n + 1);
	int got;

	memcpy(in, paths[_i].in, n + 1);
	got = http_path(out, in, (uint32_t)n);
	if (paths[_i].out == NULL) {
		ck_assert_msg(got == -1, "%s", paths[_i].in);
	} else {
		ck_assert_int_eq(got, (int)strlen(paths[_i].out));
		ck_assert_msg(memcmp(out, paths[_i].out, (size_t)got) == 0,
		    "%s: %.*s", paths[_i].in, got, out);
	}
	free(in);
	free(out);
}
END_TEST

START_TEST(encoded_paths_hold_only_safe_bytes)
{
	char buf[64];
	struct fmt f;

	fmt_init(&f, buf, sizeof(buf));
	http_path_encode(&f, "/a b\r\n%\xff~", 9);
	ck_assert_str_eq(fmt_end(&f), "/a%20b%0d%0a%25%ff~");
}
END_TEST

/* ---- ranges ---- */

static const struct {
	const char *value;
	uint64_t size;
	int n;
	uint64_t first, last;	/* of the first range, if n > 0 */
} ranges[] = {
	{ "bytes=0-0", 100, 1, 0, 0 },
	{ "bytes=0-99", 100, 1, 0, 99 },
	{ "bytes=10-", 100, 1, 10, 99 },
	{ "bytes=10-1000", 100, 1, 10, 99 },
	{ "bytes=-1", 100, 1, 99, 99 },
	{ "bytes=-1000", 100, 1, 0, 99 },
	{ "BYTES=5-6", 100, 1, 5, 6 },
	{ "bytes=99-99999999999999999999999", 100, 1, 99, 99 },
	{ "bytes= 1-2 , 4-5", 100, 2, 1, 2 },
	{ "bytes=0-1,,5-6,", 100, 2, 0, 1 },
	{ "bytes=200-,5-6", 100, 1, 5, 6 },
	{ "bytes=100-", 100, RANGE_NONE, 0, 0 },
	{ "bytes=-0", 100, RANGE_NONE, 0, 0 },
	{ "bytes=0-0", 0, RANGE_NONE, 0, 0 },
	{ "bytes=-5", 0, RANGE_WHOLE, 0, 0 },
	{ "bytes=99999999999999999999-", 100, RANGE_NONE, 0, 0 },
	{ "bytes=5-4", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-1,5-4", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=-", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=a-b", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-2x", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=1 -2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0x1-2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=--1", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes 0-1", 100, RANGE_WHOLE, 0, 0 },
	{ "lines=0-1", 100, RANGE_WHOLE, 0, 0 },
	{ "", 100, RANGE_WHOLE, 0, 0 },
	/* together longer than the content (RFC 9110, 14.2) */
	{ "bytes=0-99,0-99", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-,0-,0-,0-", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,"
	    "13-13,14-14,15-15", 100, 16, 0, 0 },
	{ "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,"
	    "13-13,14-14,15-15,16-16", 100, RANGE_WHOLE, 0, 0 },
};

START_TEST(ranges_are_clamped_ignored_or_refused)
{
	struct http_slice v = { ranges[_i].value,
	    (uint32_t)strlen(ranges[_i].value) };
	struct http_range r[HTTP_RANGES];
	int n = http_ranges(&v, ranges[_i].size, r);

	ck_assert_msg(n == ranges[_i].n, "%s: %d", ranges[_i].value, n);
	if (n > 0) {
		ck_assert_uint_eq(r[0].first, ranges[_i].first);
		ck_assert_uint_eq(r[0].last, ranges[_i].last);
	}
}
END_TEST

#define MTIME	784111777
#define DATE	"Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE	"Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER	"Sun, 06 Nov 1994 08:49:38 GMT"
#define FUTURE	"Fri, 31 Dec 9999 23:59:59 GMT"

static const struct {
	const char *fields;
	int status;
} conditions[] = {
	{ "If-None-Match: \"e\"\r\n", 304 },
	{ "If-None-Match: W/\"e\"\r\n", 304 },
	{ "If-None-Match: \"x\", \"e\"\r\n", 304 },
	{ "If-None-Match: \"x\",W/\"e\"\r\n", 304 },
	{ "If-None-Match: \"x\"\r\nIf-None-Match: \"e\"\r\n", 304 },
	{ "If-None-Match: *\r\n", 304 },
	{ "If-None-Match: \"x\"\r\n", 0 },
	{ "If-None-Match: \"a,\"e\"\r\n", 0 },
	{ "If-None-Match: e\r\n", 0 },
	{ "If-None-Match: \"e\r\n", 0 },
	{ "If-None-Match: w/\"e\"\r\n", 0 },
	{ "If-Modified-Since: " DATE "\r\n", 304 },
	{ "If-Modified-Since: " AFTER "\r\n", 304 },
	{ "If-Modified-Since: " BEFORE "\r\n", 0 },
	{ "If-Modified-Since: " FUTURE "\r\n", 0 },
	{ "If-Modified-Since: garbage\r\n", 0 },
	{ "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304 },
	{ "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304 },
	/* If-None-Match decides alone (RFC 9110, 13.1.3) */
	{ "If-None-Match: \"x\"\r\nIf-Modified-Since: " DATE "\r\n", 0 },
	{ "If-Match: \"e\"\r\n", 0 }, { "If-Match: *\r\n", 0 },
	{ "If-Match: W/\"e\"\r\n", 412 }, { "If-Match: \"x\"\r\n", 412 },
	{ "If-Match: \"x\", \"e\"\r\n", 0 },
	{ "If-Unmodified-Since: " DATE "\r\n", 0 },
	{ "If-Unmodified-Since: " BEFORE "\r\n", 412 },
	{ "If-Unmodified-Since: garbage\r\n", 0 },
	{ "If-Match: \"e\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", 0 },
	{ "If-Match: \"e\"\r\nIf-None-Match: \"e\"\r\n", 304 },
	{ "If-Match: \"x\"\r\nIf-None-Match: \"e\"\r\n", 412 },
};

static const struct http_limits limits = { 1000, 100 };
static const struct http_version version = { "\"e\"", MTIME, NOW };

static void
request(struct http_req *r, char *head, const char *method, const char *fields)
{
	int n = snprintf(head, 1024, "%s / HTTP/1.1\r\nHost: h\r\n%s\r\n", method,
	    fields);

	ck_assert_int_eq(http_req_parse(r, head, (uint32_t)n, &limits), 0);
}

/* RFC 9110, 13.2.2: precedence of conditions. */
START_TEST(conditions_have_their_status)
{
	struct http_req r;
	char head[1024];

	request(&r, head, "GET", conditions[_i].fields);
	ck_assert_msg(http_conditions(&r, &version) == conditions[_i].status,
	    "%s", conditions[_i].fields);
}
END_TEST

/* RFC 9110, 13.1.5: only a strong and exact validator lets a range count. */
START_TEST(if_range_needs_a_strong_match)
{
	static const struct {
		const char *fields;
		bool counts;
	} t[] = {
		{ "Range: bytes=0-1\r\n", true },
		{ "Range: bytes=0-1\r\nRange: bytes=0-1\r\n", false },
		{ "If-Range: \"e\"\r\n", false },
		{ "Range: bytes=0-1\r\nIf-Range: \"e\"\r\n", true },
		{ "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", false },
		{ "Range: bytes=0-1\r\nIf-Range: W/\"e\"\r\n", false },
		{ "Range: bytes=0-1\r\nIf-Range: " DATE "\r\n", true },
		{ "Range: bytes=0-1\r\nIf-Range: " AFTER "\r\n", false },
		{ "Range: bytes=0-1\r\nIf-Range: x\r\n", false },
	};
	struct http_version fresh = version;
	struct http_req r;
	char head[1024];

	ck_assert_int_lt(_i, COUNT(t));
	request(&r, head, "GET", t[_i].fields);
	ck_assert(http_range_counts(&r, &version) == t[_i].counts);
	if (_i == 6) {		/* a file of this minute: a weak date */
		fresh.now = MTIME + 59;
		ck_assert(!http_range_counts(&r, &fresh));
	}
	request(&r, head, "HEAD", t[_i].fields);
	ck_assert(!http_range_counts(&r, &version));
}
END_TEST

/* ---- chunked ---- */

static const struct {
	const char *body;
	const char *data;	/* NULL: malformed */
} chunks[] = {
	{ "0\r\n\r\n", "" },
	{ "5\r\nhello\r\n0\r\n\r\n", "hello" },
	{ "5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n", "helloabc" },
	{ "A\r\n0123456789\r\n0\r\n\r\n", "0123456789" },
	{ "0005\r\nhello\r\n000\r\n\r\n", "hello" },
	{ "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello" },
	{ "5 ; a = b;c\r\nhello\r\n0\r\n\r\n", "hello" },
	{ "5;a=\"b;\\\"\"\t;c\r\nhello\r\n0\r\n\r\n", "hello" },
	{ "0\r\nA: b\r\nC:d\r\n\r\n", "" },
	{ "5;\r\nhello", NULL }, { "5;=b\r\nhello", NULL },
	{ "5;a=\r\nhello", NULL }, { "5;a=\"b\r\nhello", NULL },
	{ "5;a=\"b\"c\r\nhello", NULL }, { "5;a b\r\nhello", NULL },
	{ "5;a \r\nhello", NULL }, { "5;a=b \r\nhello", NULL },
	{ "5;a;\r\nhello", NULL },
	{ "\r\n", NULL }, { "5\nhello\r\n0\r\n\r\n", NULL },
	{ "5\r\nhello\n0\r\n\r\n", NULL }, { "5\r\nhello\r\n0\n\n", NULL },
	{ "5\r\nhello\r\n0\r\n\n", NULL }, { "5\r\nhelloX\r\n", NULL },
	{ "5\rhello", NULL }, { " 5\r\nhello", NULL }, { "5 \r\nhello", NULL },
	{ "5\t\r\nhello", NULL }, { "+5\r\nhello", NULL },
	{ "-5\r\nhello", NULL }, { "0x5\r\nhello", NULL }, { "g\r\n", NULL },
	{ "5;\x01\r\nhello", NULL }, { "5;a\nhello", NULL },
	{ "10000000000000000\r\n", NULL }, { "FFFFFFFFFFFFFFFFF\r\n", NULL },
	{ "FFFFFFFFFFFFFFFF\r\n", NULL },
	{ "00000000000000005\r\nhello", NULL },
	{ "0\r\n folded\r\n\r\n", NULL }, { "0\r\nA: b\r\n c\r\n\r\n", NULL },
	{ "0\r\nA : b\r\n\r\n", NULL }, { "0\r\nno colon\r\n\r\n", NULL },
	{ "0\r\nA: \x01\r\n\r\n", NULL }, { "0\r\nA: b\n\r\n", NULL },
};

/* Decode, in steps of at most `piece` bytes; state after it. */
static uint8_t
decode(const char *body, uint32_t n, uint32_t piece, char *data, uint32_t *got)
{
	struct http_chunk c;
	uint32_t at = 0, m, take, used;

	memset(&c, 0, sizeof(c));
	*got = 0;
	while (at < n && c.state != HC_END && c.state != HC_BAD) {
		m = n - at < piece ? n - at : piece;
		used = http_chunk_frame(&c, (const uint8_t *)body + at, m);
		at += used;
		m -= used;
		if (c.state != HC_DATA)
			continue;
		take = c.left < m ? (uint32_t)c.left : m;
		memcpy(data + *got, body + at, take);
		http_chunk_took(&c, take);
		*got += take;
		at += take;
	}
	ck_assert(c.state != HC_END || at == n);
	return c.state;
}

/* RFC 9112, 7.1, read strictly, however the bytes are cut. */
START_TEST(chunked_bodies_are_read_strictly_at_every_split)
{
	uint32_t n = (uint32_t)strlen(chunks[_i].body), piece, got;
	char data[64];

	for (piece = 1; piece <= n; piece++) {
		if (chunks[_i].data == NULL) {
			ck_assert_uint_eq(decode(chunks[_i].body, n, piece,
			    data, &got), HC_BAD);
			continue;
		}
		ck_assert_uint_eq(decode(chunks[_i].body, n, piece, data,
		    &got), HC_END);
		ck_assert_uint_eq(got, strlen(chunks[_i].data));
		ck_assert(memcmp(data, chunks[_i].data, got) == 0);
	}
}
END_TEST

START_TEST(extensions_and_trailers_are_bounded)
{
	char *p = malloc(10000), data[1];
	uint32_t n, got;

	n = (uint32_t)snprintf(p, 10000, "0;%0*d\r\n", (int)CHUNK_LINE, 1);
	ck_assert_uint_eq(decode(p, n, n, data, &got), HC_BAD);
	n = (uint32_t)snprintf(p, 10000, "0\r\nA: %0*d\r\n\r\n", (int)CHUNK_TRAILER,
	    1);
	ck_assert_uint_eq(decode(p, n, n, data, &got), HC_BAD);
	n = (uint32_t)snprintf(p, 10000, "0\r\nA: %0*d\r\n\r\n",
	    (int)CHUNK_TRAILER - 10, 1);
	ck_assert_uint_eq(decode(p, n, n, data, &got), HC_END);
	free(p);
}
END_TEST

/* ---- responses ---- */

static const struct {
	const char *head;
	int phase;
	uint64_t left;
	int keepalive;
} responses[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", RESP_LENGTH, 5, 1 },
	{ "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", RESP_LENGTH, 5, 1 },
	{ "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", RESP_DONE, 0, 1 },
	{ "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\n",
	    RESP_LENGTH, 5, 1 },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", RESP_LENGTH, 5, 0 },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n"
	    "\r\n", RESP_LENGTH, 5, 1 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    RESP_CHUNKED, 0, 1 },
	{ "HTTP/1.1 200 OK\r\n\r\n", RESP_TO_EOF, 0, 0 },
	{ "HTTP/1.1 204 No Content\r\n\r\n", RESP_DONE, 0, 1 },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	    RESP_DONE, 5, 1 },
	{ "HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
	    RESP_LENGTH, 1, 0 },
	{ "HTTP/1.1 100 Continue\r\n\r\n", RESP_HEAD, 0, 0 },
	{ "HTTP/2.0 200 OK\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 20 OK\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 2000 OK\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 099 OK\r\n\r\n", RESP_BAD, 0, 0 },
	{ "ICY 200 OK\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\n\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	    RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	    "Content-Length: 5\r\n\r\n", RESP_BAD, 0, 0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", RESP_BAD, 0,
	    0 },
	{ "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", RESP_BAD, 0, 0 },
};

/* RFC 9112, 6.3: how long a response's body is. */
START_TEST(response_heads_say_what_follows)
{
	uint32_t n = (uint32_t)strlen(responses[_i].head);
	struct http_resp r;
	char *p = malloc(n);

	memcpy(p, responses[_i].head, n);
	memset(&r, 0, sizeof(r));
	http_resp_head(&r, p, n, false);
	ck_assert_msg(r.phase == responses[_i].phase, "%s: %d",
	    responses[_i].head, r.phase);
	if (r.phase != RESP_BAD && r.phase != RESP_HEAD) {
		ck_assert_uint_eq(r.left, responses[_i].left);
		ck_assert_int_eq(r.keepalive, responses[_i].keepalive);
	}
	if (r.phase == RESP_LENGTH) {
		http_resp_head(&r, p, n, true);
		ck_assert_uint_eq(r.phase, RESP_DONE);
	}
	free(p);
}
END_TEST

/* The state without what bytes of padding there are. */
static void
same_state(const struct http_resp *a, const struct http_resp *b)
{
	ck_assert_uint_eq(a->left, b->left);
	ck_assert_uint_eq(a->body, b->body);
	ck_assert_mem_eq(&a->chunk, &b->chunk, sizeof(a->chunk));
	ck_assert_uint_eq(a->status, b->status);
	ck_assert_uint_eq(a->phase, b->phase);
	ck_assert_uint_eq(a->keepalive, b->keepalive);
}

/* What is known of a head is nothing but what the parser says of it. */
static uint32_t
known_or_parsed(struct http_known *k, const char *p, uint32_t n)
{
	struct http_resp fast, full;
	uint32_t len;

	memset(&fast, 0, sizeof(fast));
	memset(&full, 0, sizeof(full));
	len = http_known_head(k, &fast, p, n, false);
	if (len == 0)
		return 0;
	ck_assert_uint_eq(http_head_end(p, n, 0), len);
	ck_assert_int_eq(http_resp_head(&full, p, len, false), 0);
	same_state(&fast, &full);
	return len;
}

static const char *const known_heads[] = {
	"HTTP/1.1 200 OK\r\nServer: x\r\nDate: Fri, 27 Nov 2026 02:25:02 GMT"
	"\r\nContent-Length: 64\r\nConnection: close\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndAtE:x\r\n\r\n",
	"HTTP/1.1 200 OK\r\nDate:\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX-Date: 1\r\nDated: 2\r\n\r\n",
	"HTTP/1.0 200 OK\r\nDate: 1\r\nDate: 2\r\nContent-Length: 3\r\n\r\n",
};

/*
 * A head is taken for the one before only if parsing it gives the same: every
 * byte becomes every other one, and each part of the head comes alone.
 */
START_TEST(a_known_head_is_what_the_parser_would_say)
{
	const char *head = known_heads[_i];
	uint32_t n = (uint32_t)strlen(head), at, v, took = 0;
	struct http_known k;
	struct http_resp r;
	char *p = malloc(n);

	memcpy(p, head, n);
	for (at = 0; at < n; at++) {
		for (v = 0; v < 256; v++) {
			memset(&k, 0, sizeof(k));
			memset(&r, 0, sizeof(r));
			ck_assert_int_eq(http_resp_head(&r, head, n, false),
			    0);
			http_known_keep(&k, &r, head, n, false);
			p[at] = (char)v;
			took += known_or_parsed(&k, p, n) > 0;
			p[at] = head[at];
			/* and what became known by that is right, too */
			ck_assert_uint_eq(known_or_parsed(&k, p, n), n);
			ck_assert_uint_eq(http_known_head(&k, &r, p, n, true),
			    0);
		}
		ck_assert_uint_eq(http_known_head(&k, &r, p, at, false), 0);
	}
	/* Once at each place, and other dates: 30 bytes with the blank. */
	ck_assert_uint_ge(took, _i == 0 ? n + 30 * 100 : n);
	free(p);
}
END_TEST

/* Interim answers, refused heads and long ones are not kept. */
START_TEST(what_says_nothing_of_a_body_is_not_known)
{
	uint32_t n = (uint32_t)strlen(responses[_i].head);
	struct http_known k;
	struct http_resp r;
	char big[RESP_KNOWN + 64];

	memset(&k, 0, sizeof(k));
	memset(&r, 0, sizeof(r));
	http_resp_head(&r, responses[_i].head, n, false);
	http_known_keep(&k, &r, responses[_i].head, n, false);
	ck_assert(known_or_parsed(&k, responses[_i].head, n) ==
	    (r.phase == RESP_BAD || r.phase == RESP_HEAD ? 0 : n));
	n = (uint32_t)snprintf(big, sizeof(big), "HTTP/1.1 200 OK\r\nA: %0*d"
	    "\r\n\r\n", (int)RESP_KNOWN, 1);
	ck_assert_int_eq(http_resp_head(&r, big, n, false), 0);
	http_known_keep(&k, &r, big, n, false);
	ck_assert_uint_eq(http_known_head(&k, &r, big, n, false), 0);
}
END_TEST

START_TEST(response_bodies_are_counted_to_their_end)
{
	static const uint8_t chunked[] = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nX";
	struct http_resp r = { .phase = RESP_LENGTH, .left = 10 };
	uint32_t at, n = sizeof(chunked) - 1;

	ck_assert_uint_eq(http_resp_body(&r, NULL, 4), 4);
	ck_assert_int_eq(http_resp_eof(&r), -1);
	ck_assert_uint_eq(http_resp_body(&r, NULL, 40), 6);
	ck_assert_uint_eq(r.phase, RESP_DONE);
	ck_assert_uint_eq(r.body, 10);
	memset(&r, 0, sizeof(r));
	r.phase = RESP_CHUNKED;
	for (at = 0; r.phase == RESP_CHUNKED; at++)
		ck_assert_uint_eq(http_resp_body(&r, chunked + at, 1), 1);
	ck_assert_uint_eq(at, n - 1);
	ck_assert_uint_eq(r.body, 5);
	memset(&r, 0, sizeof(r));
	r.phase = RESP_CHUNKED;
	ck_assert_uint_eq(http_resp_body(&r, chunked, n), n - 1);
	ck_assert_uint_eq(r.phase, RESP_DONE);
	memset(&r, 0, sizeof(r));
	r.phase = RESP_TO_EOF;
	ck_assert_uint_eq(http_resp_body(&r, NULL, 7), 7);
	ck_assert_int_eq(http_resp_eof(&r), 0);
	ck_assert_uint_eq(r.body, 7);
}
END_TEST

/* ---- histogram ---- */

START_TEST(buckets_are_exact_below_128_and_within_2_percent_above)
{
	uint64_t v, top;

	for (v = 0; v < 128; v++)
		ck_assert_uint_eq(hist_value(hist_bucket(v)), v);
	for (v = 128; v < (uint64_t)1 << 39; v += v / 37 + 1) {
		top = hist_value(hist_bucket(v));
		ck_assert_uint_ge(top, v);
		ck_assert_uint_le(top - v, v / 64);
		/* The next bucket begins right behind. */
		ck_assert_uint_eq(hist_bucket(top), hist_bucket(v));
		ck_assert_uint_eq(hist_bucket(top + 1), hist_bucket(v) + 1);
	}
	ck_assert_uint_eq(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}
END_TEST

START_TEST(quantiles_are_those_of_the_values_and_merge)
{
	struct hist *h = calloc(1, sizeof(*h)), *g = calloc(1, sizeof(*g));
	uint32_t i;

	ck_assert_uint_eq(hist_quantile(h, 500000), 0);
	for (i = 1; i <= 100; i++)
		hist_add(i % 2 ? h : g, i);
	hist_merge(h, g);
	ck_assert_uint_eq(h->n, 100);
	ck_assert_uint_eq(h->min, 1);
	ck_assert_uint_eq(h->max, 100);
	ck_assert_uint_eq(hist_mean(h), 50);
	ck_assert_uint_eq(hist_quantile(h, 500000), 50);
	ck_assert_uint_eq(hist_quantile(h, 990000), 99);
	ck_assert_uint_eq(hist_quantile(h, 999900), 100);
	ck_assert_uint_eq(hist_quantile(h, 1000000), 100);
	ck_assert_uint_eq(hist_quantile(h, 0), 1);
	free(h);
	free(g);
}
END_TEST

START_TEST(text_that_does_not_fit_is_cut_and_told)
{
	char buf[8];
	struct fmt f;

	fmt_init(&f, buf, sizeof(buf));
	fmt_fix(&f, 12345, 3, 0);
	ck_assert_str_eq(fmt_end(&f), "12.345");
	ck_assert(!fmt_cut(&f));
	fmt_u64w(&f, 7, 3);
	ck_assert(fmt_cut(&f));
	fmt_init(&f, buf, sizeof(buf));
	fmt_fix(&f, 5, 3, 7);
	ck_assert_str_eq(fmt_end(&f), "  0.005");
	fmt_init(&f, buf, sizeof(buf));
	fmt_hex(&f, 0x1234abcd, 4);
	ck_assert_str_eq(fmt_end(&f), "abcd");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_parts");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, dates_are_read_in_three_forms_only, 0,
	    COUNT(dates));
	tcase_add_test(tc, dates_are_written_as_libc_does);
	tcase_add_loop_test(tc, paths_are_normalised_or_refused, 0,
	    COUNT(paths));
	tcase_add_test(tc, encoded_paths_hold_only_safe_bytes);
	tcase_add_loop_test(tc, ranges_are_clamped_ignored_or_refused, 0,
	    COUNT(ranges));
	tcase_add_loop_test(tc, conditions_have_their_status, 0,
	    COUNT(conditions));
	tcase_add_loop_test(tc, if_range_needs_a_strong_match, 0, 9);
	tcase_add_loop_test(tc, chunked_bodies_are_read_strictly_at_every_split,
	    0, COUNT(chunks));
	tcase_add_test(tc, extensions_and_trailers_are_bounded);
	tcase_add_loop_test(tc, response_heads_say_what_follows, 0,
	    COUNT(responses));
	tcase_add_loop_test(tc, a_known_head_is_what_the_parser_would_say, 0,
	    COUNT(known_heads));
	tcase_add_loop_test(tc, what_says_nothing_of_a_body_is_not_known, 0,
	    COUNT(responses));
	tcase_add_test(tc, response_bodies_are_counted_to_their_end);
	tcase_add_test(tc,
	    buckets_are_exact_below_128_and_within_2_percent_above);
	tcase_add_test(tc, quantiles_are_those_of_the_values_and_merge);
	tcase_add_test(tc, text_that_does_not_fit_is_cut_and_told);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
