/*
 * Request heads: what is refused and how, and that the two parsers agree.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/proto/http_req.h"

#define HEAD_MAX	2048u	/* bytes of a composed request */

static const struct http_limits limits = { .uri = 256, .fields = 20 };

/* A head, and the status that answers it; 0: accepted. */
struct row {
	const char *head;
	int status;
};

#define H	"Host: h\r\n"
#define GET	"GET / HTTP/1.1\r\n" H

static const struct row rows[] = {
	/* RFC 9112, 3: request line */
	{ GET "\r\n", 0 },
	{ "HEAD / HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET /a/b?c=d&e HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "get / HTTP/1.1\r\n" H "\r\n", 0 },	/* METHOD_OTHER */
	{ "BREW / HTTP/1.1\r\n" H "\r\n", 0 },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET * HTTP/1.1\r\n" H "\r\n", 400 },
	{ "CONNECT h:80 HTTP/1.1\r\n" H "\r\n", 0 },
	{ "CONNECT / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET http://h/x HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET HTTP://h HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET http://h?q HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET http://u@h/ HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET http:/// HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET h/ HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET http://h/x HTTP/1.1\r\n\r\n", 400 },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /  HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", 400 },
	{ "GET\t/ HTTP/1.1\r\n" H "\r\n", 400 },
	{ " GET / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /a b HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /#f HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\x01 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\x7f HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\xc3\xbc HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /a\\b HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET\r\n\r\n", 400 },
	{ "GET  HTTP/1.1\r\n" H "\r\n", 400 },
	{ "G@T / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "\x16\x03\x01\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: h\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: h\n\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: h\r\n\n", 400 },
	{ "GET / HTTP/1.1\r\n\n", 400 },
	{ "\n\n", 400 },
	/* RFC 9112, 2.3: version */
	{ "GET / HTTP/1.2\r\n" H "\r\n", 0 },
	{ "GET / HTTP/1.9\r\n" H "\r\n", 0 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505 },
	{ "GET / HTTP/0.9\r\n" H "\r\n", 505 },
	{ "GET / HTTP/3.1\r\n" H "\r\n", 505 },
	{ "PRI * HTTP/2.0\r\n\r\n", 505 },
	{ "GET / HTTP/1.10\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/2\r\n" H "\r\n", 400 },
	{ "GET / http/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/11.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/a.b\r\n" H "\r\n", 400 },
	{ "GET / ICY/1.1\r\n" H "\r\n", 400 },
	/* RFC 9112, 3.2: Host */
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: \t \r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.0\r\nHost:\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: [fd77::2]:80\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: [fd77::2\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a%20b\r\n\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nhOsT:h\r\n\r\n", 0 },
	/* RFC 9112, 5: fields */
	{ GET "A: b\r\n\r\n", 0 },
	{ GET "A:\r\n\r\n", 0 },
	{ GET "A:b \t\r\n\r\n", 0 },
	{ GET "A: \xff\xfe\r\n\r\n", 0 },
	{ GET "A : b\r\n\r\n", 400 },
	{ GET "A\t: b\r\n\r\n", 400 },
	{ GET "A: b\r\n folded\r\n\r\n", 400 },
	{ GET "A: b\r\n\tfolded\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400 },
	{ GET "no colon\r\n\r\n", 400 },
	{ GET "nocolon\r\n\r\n", 400 },
	{ GET ": b\r\n\r\n", 400 },
	{ GET "A(b): c\r\n\r\n", 400 },
	{ GET "A\x80: c\r\n\r\n", 400 },
	{ GET "A: b\rc\r\n\r\n", 400 },
	{ GET "A: b\r\r\n\r\n", 400 },
	{ GET "A: b\nC: d\r\n\r\n", 400 },
	{ GET "A: b\x01\r\n\r\n", 400 },
	{ GET "A: b\x7f\r\n\r\n", 400 },
	{ GET "A: b\x0b\r\n\r\n", 400 },
	/* RFC 9112, 6: length of the body */
	{ GET "Content-Length: 0\r\n\r\n", 0 },
	{ GET "Content-Length: 5\r\n\r\n", 0 },
	{ GET "Content-Length:  5 \r\n\r\n", 0 },
	{ GET "content-length: 00005\r\n\r\n", 400 },
	{ GET "Content-Length: 00\r\n\r\n", 400 },
	{ GET "Content-Length: \t5\t \r\nA: b\r\n\r\n", 0 },
	{ GET "Content-Length: 5 \t\r\nContent-Length: 5\r\n\r\n", 400 },
	{ GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400 },
	{ GET "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400 },
	{ GET "Content-Length: 0,0\r\n\r\n", 400 },
	{ GET "Content-Length: 5, 5\r\n\r\n", 400 },
	{ GET "Content-Length: +0\r\n\r\n", 400 },
	{ GET "Content-Length: -1\r\n\r\n", 400 },
	{ GET "Content-Length: 0x5\r\n\r\n", 400 },
	{ GET "Content-Length: 5 5\r\n\r\n", 400 },
	{ GET "Content-Length:\r\n\r\n", 400 },
	{ GET "Content-Length: 9223372036854775807\r\n\r\n", 0 },
	{ GET "Content-Length: 9223372036854775808\r\n\r\n", 400 },
	{ GET "Content-Length: 18446744073709551616\r\n\r\n", 400 },
	{ GET "Content-Length: 99999999999999999999999\r\n\r\n", 400 },
	{ GET "Transfer-Encoding: chunked\r\n\r\n", 0 },
	{ GET "Transfer-Encoding: Chunked\r\n\r\n", 0 },
	{ GET "Transfer-Encoding: ,chunked\r\n\r\n", 400 },
	{ GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400 },
	{ GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ GET "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n", 400 },
	{ GET "Transfer-Encoding: chunked, chunked\r\n\r\n", 400 },
	{ GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
	    "\r\n", 400 },
	{ GET "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
	    501 },
	{ GET "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
	{ GET "Transfer-Encoding: chunked, gzip\r\n\r\n", 400 },
	{ GET "Transfer-Encoding: gzip\r\n\r\n", 501 },
	{ GET "Transfer-Encoding: identity\r\n\r\n", 501 },
	{ GET "Transfer-Encoding: xchunked\r\n\r\n", 501 },
	{ GET "Transfer-Encoding: chunked;q=1\r\n\r\n", 501 },
	{ GET "Transfer-Encoding:\r\n\r\n", 400 },
	{ GET "Transfer-Encoding: \x0b" "chunked\r\n\r\n", 400 },
	{ GET "Transfer-Encoding : chunked\r\n\r\n", 400 },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	/* RFC 9110, 10.1.1: Expect */
	{ GET "Expect: 100-continue\r\n\r\n", 0 },
	{ GET "Expect: 100-Continue\r\n\r\n", 0 },
	{ GET "Expect: 200-ok\r\n\r\n", 417 },
	{ GET "Expect: 100-continue, x\r\n\r\n", 417 },
	{ "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", 0 },
	/* Upgrade is not served, and not a mistake (RFC 9110, 7.8) */
	{ GET "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", 0 },
};

/*
 * Every head of the table gets the status that RFC 9110 and 9112 ask of a
 * strict server.
 */
START_TEST(heads_get_their_status)
{
	const struct row *w = &rows[_i];
	size_t n = strlen(w->head);
	struct http_req r;
	char *p = malloc(n);
	int status;

	memcpy(p, w->head, n);
	ck_assert_uint_eq(http_head_end(p, (uint32_t)n, 0), n);
	status = http_req_parse(&r, p, (uint32_t)n, &limits);
	ck_assert_msg(status == w->status, "%d, not %d: %s", status,
	    w->status, w->head);
	free(p);
}
END_TEST

static bool
same_slice(const struct http_slice *a, const struct http_slice *b)
{
	return a->n == b->n && a->p == b->p;
}

/* What http_fast() takes, http_req_parse() takes with the same result. */
static void
compare(const char *p, uint32_t n)
{
	struct http_req fast, slow;
	uint32_t len, f;
	int status;

	memset(&fast, 0, sizeof(fast));
	len = http_fast(&fast, p, n, &limits);
	if (len == 0)
		return;
	ck_assert_uint_le(len, n);
	ck_assert_uint_eq(http_head_end(p, n, 0), len);
	status = http_req_parse(&slow, p, len, &limits);
	ck_assert_msg(status == 0, "fast takes what gets %d: %.*s", status,
	    (int)n, p);
	ck_assert_uint_eq(fast.method, slow.method);
	ck_assert_uint_eq(fast.minor, slow.minor);
	ck_assert_uint_eq(fast.flags, slow.flags);
	ck_assert_uint_eq(fast.head_len, slow.head_len);
	ck_assert_uint_eq(fast.have, slow.have);
	ck_assert_uint_eq(fast.twice, slow.twice);
	ck_assert_uint_eq(fast.length, slow.length);
	ck_assert(same_slice(&fast.path, &slow.path));
	ck_assert(same_slice(&fast.query, &slow.query));
	ck_assert(same_slice(&fast.fields, &slow.fields));
	for (f = 0; f < FIELDS; f++) {
		if (fast.have & 1u << f)
			ck_assert(same_slice(&fast.field[f], &slow.field[f]));
	}
}

START_TEST(fast_path_agrees_on_the_table)
{
	compare(rows[_i].head, (uint32_t)strlen(rows[_i].head));
}
END_TEST

static uint32_t
rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 32);
}

/* Put a random request together from parts that matter. */
static uint32_t
compose(char *p, uint64_t *seed)
{
	static const char *const method[] = {
		"GET", "HEAD", "GET", "POST", "GETX", "get"
	};
	static const char *const target[] = {
		"/", "/a", "/a/b.html", "/a?b=c", "/a//b", "/./a", "/..",
		"/%41", "/a.b/c..d", "*", "http://h/", "/a#b", "//h", "/a?",
		"/.a", "/a/.b", "/x\xff"
	};
	static const char *const version[] = {
		"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.10"
	};
	static const char *const field[] = {
		"Host: h\r\n", "Host: h\r\n", "Host: h:80\r\n", "Host:\r\n",
		"Accept: */*\r\n", "User-Agent: x\r\n", "A: b\r\n c\r\n",
		"Connection: close\r\n", "connection: Keep-Alive\r\n",
		"Connection: a, close ,b\r\n", "Range: bytes=0-1\r\n",
		"If-None-Match: \"a\", \"b\"\r\n", "if-match: *\r\n",
		"Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n",
		"Expect: x\r\n", "X: \t v \t\r\n", "X :y\r\n", "X: a\x01\r\n",
		"X: y\n", "If-Range: \"q\"\r\n", "Content-Type: a/b\r\n",
		"Range: bytes=1-\r\n", ":\r\n", "X-\xe9: 1\r\n",
		"Upgrade: h2c\r\n", "Connection: upgrade\r\n"
	};
	uint32_t n, i, lines;

#define PICK(a)	(a)[rnd(seed) % (sizeof(a) / sizeof((a)[0]))]
	n = (uint32_t)snprintf(p, HEAD_MAX, "%s %s %s\r\n", PICK(method), PICK(target),
	    PICK(version));
	if (rnd(seed) % 4 != 0)
		n += (uint32_t)snprintf(p + n, HEAD_MAX - n, "Host: h\r\n");
	lines = rnd(seed) % 4;
	for (i = 0; i < lines; i++)
		n += (uint32_t)snprintf(p + n, HEAD_MAX - n, "%s", PICK(field));
	n += (uint32_t)snprintf(p + n, HEAD_MAX - n, "\r\n%s", rnd(seed) % 2 ? "GET /" : "");
#undef PICK
	/* Now and then, one byte is another. */
	if (rnd(seed) % 4 == 0)
		p[rnd(seed) % n] = (char)rnd(seed);
	return n;
}

/* Differential: 200,000 requests that are nearly right. */
START_TEST(fast_path_agrees_on_random_heads)
{
	uint64_t seed = 0x5eed + (uint64_t)_i;
	uint32_t i, n, taken = 0;
	struct http_req r;
	char *p = malloc(HEAD_MAX), *q;

	for (i = 0; i < 50000; i++) {
		n = compose(p, &seed);
		/* Exactly as long as it is: a sanitizer sees beyond. */
		q = malloc(n);
		memcpy(q, p, n);
		compare(q, n);
		taken += http_fast(&r, q, n, &limits) > 0;
		free(q);
	}
	/* The test says something only if both answers are common. */
	ck_assert_uint_gt(taken, 1000);
	ck_assert_uint_lt(taken, 49000);
	free(p);
}
END_TEST

/* A plain request is the fast path's, or its speed is for nothing. */
START_TEST(plain_requests_are_fast)
{
	static const char *const plain[] = {
		"GET / HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\n",
		("GET /a/b.html?x=y HTTP/1.1\r\nHost: h:8080\r\n"
		"User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
		"HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	};
	struct http_req r;
	uint32_t n = (uint32_t)strlen(plain[_i]), cut;

	ck_assert_uint_eq(http_fast(&r, plain[_i], n, &limits), n);
	ck_assert_uint_eq(!(r.flags & REQ_KEEPALIVE), _i == 2);
	/* Cut anywhere, it is undecided. */
	for (cut = 0; cut < n; cut++)
		ck_assert_uint_eq(http_fast(&r, plain[_i], cut, &limits), 0);
}
END_TEST

/* The end is found wherever the search was interrupted. */
START_TEST(end_of_head_is_found_at_every_split)
{
	static const char *const heads[] = {
		GET "\r\n", "GET / HTTP/1.1\n\n", "\r\n\r\n",
		"GET / HTTP/1.1\r\n\n",
	};
	const char *h = heads[_i];
	uint32_t n = (uint32_t)strlen(h), cut;

	for (cut = 0; cut < n; cut++) {
		ck_assert_uint_eq(http_head_end(h, cut, 0), 0);
		ck_assert_uint_eq(http_head_end(h, n, cut), n);
	}
}
END_TEST

START_TEST(limits_on_target_and_lines_have_their_status)
{
	char head[HEAD_MAX];
	struct http_req r;
	uint32_t i, n;

	n = (uint32_t)snprintf(head, sizeof(head), "GET /%0255d HTTP/1.1\r\n" H "\r\n", 1);
	ck_assert_int_eq(http_req_parse(&r, head, n, &limits), 0);
	n = (uint32_t)snprintf(head, sizeof(head), "GET /%0256d HTTP/1.1\r\n" H "\r\n", 1);
	ck_assert_int_eq(http_req_parse(&r, head, n, &limits), 414);
	ck_assert_uint_eq(http_fast(&r, head, n, &limits), 0);
	for (i = 18; i < 21; i++) {
		n = (uint32_t)snprintf(head, sizeof(head), GET);
		while (n < sizeof(GET) - 1 + 6 * i)
			n += (uint32_t)snprintf(head + n, sizeof(head) - n, "A: b\r\n");
		n += (uint32_t)snprintf(head + n, sizeof(head) - n, "\r\n");
		ck_assert_int_eq(http_req_parse(&r, head, n, &limits),
		    i < 20 ? 0 : 431);
		ck_assert_uint_eq(http_fast(&r, head, n, &limits),
		    i < 20 ? n : 0);
	}
}
END_TEST

/* RFC 9112, 9.3: who keeps the connection. */
START_TEST(persistence_follows_version_and_tokens)
{
	static const struct {
		const char *head;
		bool keep;
	} t[] = {
		{ GET "\r\n", true },
		{ GET "Connection: close\r\n\r\n", false },
		{ GET "Connection: CLOSE\r\n\r\n", false },
		{ GET "Connection: x, Close\r\n\r\n", false },
		{ GET "Connection: closed\r\n\r\n", true },
		{ GET "Connection: keep-alive\r\nConnection: close\r\n\r\n",
		    false },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
		    false },
	};
	struct http_req r;

	ck_assert_int_eq(http_req_parse(&r, t[_i].head,
	    (uint32_t)strlen(t[_i].head), &limits), 0);
	ck_assert(!!(r.flags & REQ_KEEPALIVE) == t[_i].keep);
}
END_TEST

START_TEST(repeated_fields_are_all_found)
{
	static const char head[] = GET "If-None-Match: \"a\"\r\nX: y\r\n"
	    "IF-NONE-MATCH:\"b\"\r\n\r\n";
	struct http_slice v;
	struct http_req r;
	uint32_t at = 0;

	ck_assert_int_eq(http_req_parse(&r, head, sizeof(head) - 1, &limits),
	    0);
	ck_assert(http_field_next(&r, FIELD_IF_NONE_MATCH, &at, &v));
	ck_assert(v.n == 3 && memcmp(v.p, "\"a\"", 3) == 0);
	ck_assert(http_field_next(&r, FIELD_IF_NONE_MATCH, &at, &v));
	ck_assert(v.n == 3 && memcmp(v.p, "\"b\"", 3) == 0);
	ck_assert(!http_field_next(&r, FIELD_IF_NONE_MATCH, &at, &v));
	ck_assert_uint_eq(r.twice, 1u << FIELD_IF_NONE_MATCH);
}
END_TEST

/* NUL bytes cannot stand in the table's strings. */
START_TEST(nul_is_refused_everywhere)
{
	static const char head[] = GET "A: b\r\n\r\n";
	char p[sizeof(head)];
	struct http_req r;
	uint32_t i, n = sizeof(head) - 1;

	for (i = 0; i < n - 4; i++) {
		memcpy(p, head, n);
		p[i] = '\0';
		ck_assert_int_eq(http_req_parse(&r, p, n, &limits), 400);
		ck_assert_uint_eq(http_fast(&r, p, n, &limits), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_req");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n = (int)(sizeof(rows) / sizeof(rows[0])), failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, heads_get_their_status, 0, n);
	tcase_add_loop_test(tc, fast_path_agrees_on_the_table, 0, n);
	tcase_add_loop_test(tc, fast_path_agrees_on_random_heads, 0, 4);
	tcase_add_loop_test(tc, plain_requests_are_fast, 0, 3);
	tcase_add_loop_test(tc, end_of_head_is_found_at_every_split, 0, 4);
	tcase_add_test(tc, limits_on_target_and_lines_have_their_status);
	tcase_add_loop_test(tc, persistence_follows_version_and_tokens, 0, 9);
	tcase_add_test(tc, repeated_fields_are_all_found);
	tcase_add_test(tc, nul_is_refused_everywhere);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
