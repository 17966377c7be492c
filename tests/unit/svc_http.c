/*
 * The http service over a mock of conn.h: answers, however bytes and room
 * come, and a successor that goes on from the record alone.
 */
#include "http_bed.h"

/* ---- one request, its status ---- */

struct row {
	const char *req;
	int status;
	const char *want;	/* in the head */
	const char *body;	/* NULL: not looked at */
	bool close;
};

static const struct row rows[] = {
	{ GET("/") "\r\n", 200, "Content-Type: text/html\r\n", "index", 0 },
	{ GET("/small.txt") "\r\n", 200, "Accept-Ranges: bytes\r\n",
	    "0123456789", 0 },
	{ GET("/small.txt?q") "\r\n", 200, "Server: starfish\r\n",
	    "0123456789", 0 },
	{ GET("/x/../small%2etxt") "\r\n", 200, "ETag: \"", "0123456789", 0 },
	{ GET("http://h/small.txt") "\r\n", 200, "Last-Modified: ",
	    "0123456789", 0 },
	{ GET("/empty") "\r\n", 200, "Content-Length: 0\r\n", "", 0 },
	{ GET("/dir/") "\r\n", 200, "", "sub", 0 },
	{ "HEAD /small.txt HTTP/1.1\r\n" H "\r\n", 200,
	    "Content-Length: 10\r\n", NULL, 0 },
	{ GET("/dir") "\r\n", 301, "Location: /dir/\r\n", NULL, 0 },
	{ GET("//dir?a=b") "\r\n", 301, "Location: /dir/?a=b\r\n", NULL, 0 },
	{ GET("/a%20b") "\r\n", 301, "Location: /a%20b/\r\n", NULL, 0 },
	{ GET("/a%20b/") "\r\n", 404, "", "404 Not Found\n", 0 },
	{ GET("/none") "\r\n", 404, "", NULL, 0 },
	{ GET("/small.txt/") "\r\n", 404, "", NULL, 0 },
	{ GET("/..\\small.txt") "\r\n", 400, "", NULL, 1 },
	{ GET("/..%5csmall.txt") "\r\n", 404, "", NULL, 0 },
	{ GET("/%c0%ae%c0%ae/etc/passwd") "\r\n", 400, "", NULL, 0 },
	{ GET("/../etc/passwd") "\r\n", 400, "", NULL, 0 },
	{ GET("/%2e%2e/etc/passwd") "\r\n", 400, "", NULL, 0 },
	{ GET("/%00") "\r\n", 400, "", NULL, 0 },
	{ GET("/small.txt") "Connection: close\r\n\r\n", 200,
	    "Connection: close\r\n", "0123456789", 1 },
	{ "GET /small.txt HTTP/1.0\r\n\r\n", 200, "Connection: close\r\n",
	    "0123456789", 1 },
	{ "GET /small.txt HTTP/1.0\r\nConnection: KEEP-alive\r\n\r\n", 200,
	    "Connection: keep-alive\r\n", "0123456789", 0 },
	/* methods */
	{ "OPTIONS / HTTP/1.1\r\n" H "\r\n", 204,
	    "Allow: GET, HEAD, OPTIONS\r\n", "", 0 },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", 204, "Allow: ", "", 0 },
	{ "OPTIONS /echo HTTP/1.1\r\n" H "\r\n", 204,
	    "Allow: POST, OPTIONS\r\n", "", 0 },
	{ POST("/small.txt") "\r\n", 405, "Allow: GET, HEAD, OPTIONS\r\n",
	    NULL, 0 },
	{ POST("/") "Content-Length: 3\r\n\r\nabc", 405, "Allow: ", NULL, 0 },
	{ POST("/") "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	    405, "Allow: ", NULL, 0 },
	{ "PUT / HTTP/1.1\r\n" H "\r\n", 405, "Allow: ", NULL, 0 },
	{ "DELETE / HTTP/1.1\r\n" H "\r\n", 405, "Allow: ", NULL, 0 },
	{ "PATCH / HTTP/1.1\r\n" H "\r\n", 405, "Allow: ", NULL, 0 },
	{ "CONNECT h:80 HTTP/1.1\r\n" H "\r\n", 405, "Allow: ", NULL, 0 },
	{ "BREW / HTTP/1.1\r\n" H "\r\n", 501, "", NULL, 0 },
	{ GET("/echo") "\r\n", 405, "Allow: POST, OPTIONS\r\n", NULL, 0 },
	/* ranges */
	{ GET("/small.txt") "Range: bytes=2-4\r\n\r\n", 206,
	    "Content-Range: bytes 2-4/10\r\n", "234", 0 },
	{ GET("/small.txt") "Range: bytes=-3\r\n\r\n", 206,
	    "Content-Length: 3\r\n", "789", 0 },
	{ GET("/small.txt") "Range: bytes=10-\r\n\r\n", 416,
	    "Content-Range: bytes */10\r\n", NULL, 0 },
	{ GET("/small.txt") "Range: lines=1-2\r\n\r\n", 200, "",
	    "0123456789", 0 },
	{ "HEAD /small.txt HTTP/1.1\r\n" H "Range: bytes=2-4\r\n\r\n", 200,
	    "Content-Length: 10\r\n", NULL, 0 },
	/* conditions */
	{ GET("/small.txt") "If-None-Match: *\r\n\r\n", 304, "ETag: \"", "",
	    0 },
	{ GET("/small.txt") "If-Match: \"x\"\r\n\r\n", 412, "", NULL, 0 },
	{ GET("/small.txt") "If-Modified-Since: garbage\r\n\r\n", 200, "",
	    "0123456789", 0 },
	/* refused by the parser: the connection ends */
	{ "GET / HTTP/1.1\r\n\r\n", 400, "Connection: close\r\n", NULL, 1 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505, "", NULL, 1 },
	{ "GET / HTTP/1.1\n" H "\n", 400, "", NULL, 1 },
	{ "\x16\x03\x01", 400, "", NULL, 1 },
	{ GET("/") "Transfer-Encoding: gzip\r\n\r\n", 501, "", NULL, 1 },
	{ GET("/") "Expect: nonsense\r\n\r\n", 417, "", NULL, 1 },
	/* bodies */
	{ POST("/echo") "Content-Length: 5\r\n\r\nhello", 200,
	    "Content-Length: 5\r\n", "hello", 0 },
	{ POST("/echo") "\r\n", 200, "Content-Length: 0\r\n", "", 0 },
	{ POST("/echo") "Content-Type: a/b; c=d\r\nContent-Length: 1\r\n\r\nx",
	    200, "Content-Type: a/b; c=d\r\n", "x", 0 },
	{ POST("/echo") "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n", 200,
	    "Content-Length: 5\r\n", "abcde", 0 },
	{ POST("/echo") "Content-Length: 1\r\nConnection: close\r\n\r\nx",
	    200, "Connection: close\r\n", "x", 1 },
	{ POST("/echo") "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
	    400, "", NULL, 1 },
	{ POST("/echo") "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX", 400,
	    "", NULL, 1 },
	{ GET("/") "Transfer-Encoding: chunked\r\n\r\n"
	    "FFFFFFFFFFFFFFFFF\r\n", 400, "", NULL, 1 },
	{ POST("/") "Content-Length: 999999\r\n\r\n", 405,
	    "Connection: close\r\n", NULL, 1 },
	{ POST("/") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", 405,
	    "Connection: close\r\n", NULL, 1 },
	{ POST("/echo") "Content-Length: 9223372036854775807\r\n\r\n", 413,
	    "", NULL, 1 },
};

static void
check_answer(const struct row *w, const struct conn *c)
{
	struct answer *a = malloc(sizeof(*a));

	parse(c, 0, strncmp(w->req, "HEAD", 4) == 0, a);
	ck_assert_msg(a->status == w->status, "%d, not %d:\n%s", a->status,
	    w->status, w->req);
	ck_assert_msg(strstr(a->head, w->want) != NULL, "no %s in\n%s",
	    w->want, a->head);
	if (w->body != NULL) {
		ck_assert_uint_eq(a->len, strlen(w->body));
		ck_assert(memcmp(a->body, w->body, a->len) == 0);
	}
	ck_assert_uint_eq(a->total, c->out_len);
	ck_assert(c->closed == w->close);
	/* No RST may overtake the last answer (RFC 9112, 9.6). */
	ck_assert(!c->closed || c->discarded);
	ck_assert(!c->aborted);
	if (!w->close) {
		ck_assert_uint_eq(conn_readable(c), 0);
		ck_assert(strstr(a->head, "Connection: close") == NULL);
	}
	free(a);
}

START_TEST(requests_get_their_answers)
{
	struct net *n = start();
	struct conn *c = open_conn(n);

	mock_input(n, c, rows[_i].req, strlen(rows[_i].req));
	check_answer(&rows[_i], c);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* Each byte by itself; each peek sees one byte; a new process each time. */
START_TEST(answers_do_not_depend_on_how_bytes_come)
{
	const struct row *w = &rows[_i];
	struct net *n = start();
	struct conn *c = open_conn(n), *d = open_conn(n);
	size_t i;

	for (i = 0; i < strlen(w->req); i++) {
		mock_restart(n);
		mock_input(n, c, w->req + i, 1);
	}
	check_answer(w, c);
	d->piece = 1;
	mock_input(n, d, w->req, strlen(w->req));
	check_answer(w, d);
	mock_free(c);
	mock_free(d);
	mock_stop(n);
}
END_TEST

/* Little room at a time: answers are the same, in a new process each time. */
START_TEST(answers_do_not_depend_on_room)
{
	const struct row *w = &rows[_i];
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t i;

	c->sndbuf = 600;
	c->copied = 400;
	c->fail_mem = 2;
	mock_input(n, c, w->req, strlen(w->req));
	for (i = 0; i < 100 && mock_alive(c) && c->want > 0; i++) {
		mock_restart(n);
		mock_ack(n, c);
	}
	check_answer(w, c);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* Sizes around the limit of what is copied, and a file sent as it lies. */
START_TEST(files_are_whole_and_large_ones_are_not_copied)
{
	static const struct {
		const char *req;
		uint32_t len, mems;
	} t[] = {
		{ GET("/kilo") "\r\n", HTTP_COPY, 0 },
		{ GET("/more") "\r\n", HTTP_COPY + 1, 1 },
		{ GET("/big") "\r\n", BIG, 1 },
	};
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);

	mock_input(n, c, t[_i].req, strlen(t[_i].req));
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_eq(a->len, t[_i].len);
	ck_assert_uint_eq(a->total, c->out_len);
	ck_assert(memcmp(a->body, big, a->len) == 0);
	ck_assert_uint_eq(c->mems, t[_i].mems);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* RFC 9110, 14.6; resumed after every item. */
START_TEST(several_ranges_make_a_multipart_body)
{
	static const char req[] = GET("/big")
	    "Range: bytes=0-9,500-1499,-5\r\n\r\n";
	static const uint32_t off[] = { 0, 500, BIG - 5 };
	static const uint32_t len[] = { 10, 1000, 5 };
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	char value[256], part[512];
	const uint8_t *p;
	uint32_t i;
	int m;

	if (_i > 0) {
		c->sndbuf = 500;
		c->fail_mem = 3;
	}
	mock_input(n, c, req, sizeof(req) - 1);
	for (i = 0; i < 100 && c->want > 0; i++) {
		mock_restart(n);
		n->wall++;
		mock_ack(n, c);
	}
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 206);
	ck_assert_uint_eq(a->total, c->out_len);
	ck_assert(field(a, "Content-Type", value));
	ck_assert(strncmp(value, "multipart/byteranges; boundary=", 31) == 0);
	p = a->body;
	for (i = 0; i < 3; i++) {
		m = snprintf(part, sizeof(part), "\r\n--%s\r\nContent-Type: "
		    "application/octet-stream\r\nContent-Range: bytes "
		    "%u-%u/%u\r\n\r\n", value + 31, off[i],
		    off[i] + len[i] - 1, BIG);
		ck_assert(memcmp(p, part, (size_t)m) == 0);
		p += m;
		ck_assert(memcmp(p, big + off[i], len[i]) == 0);
		p += len[i];
	}
	m = snprintf(part, sizeof(part), "\r\n--%s--\r\n", value + 31);
	ck_assert(memcmp(p, part, (size_t)m) == 0);
	ck_assert_ptr_eq(p + m, a->body + a->len);
	ck_assert_uint_eq(n->counters[HTTP_PARTIAL], 1);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* RFC 9112, 9.3.2: any depth, in order; bounded by the send buffer. */
START_TEST(pipelined_requests_are_answered_in_order)
{
	static const char *const path[] = {
		"small.txt", "kilo", "more", "none", "dir/"
	};
	static const int status[] = { 200, 200, 200, 404, 200 };
	static const uint32_t len[] = { 10, HTTP_COPY, HTTP_COPY + 1, 14, 3 };
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	char *reqs = malloc(300000);
	uint32_t i, at = 0, total = 0, left;

	for (i = 0; i < 2000; i++)
		total += (uint32_t)snprintf(reqs + total, 300000 - total,
		    "GET /%s HTTP/1.1\r\n" H "\r\n", path[i % 5]);
	c->piece = _i == 0 ? 0 : 97;
	c->sndbuf = _i == 0 ? 0 : 3000;
	mock_input(n, c, reqs, total);
	if (_i > 0) {
		/* What the client does not take is not made. */
		left = conn_readable(c);
		ck_assert_uint_gt(left, total - 1000);
		for (i = 0; i < 3000 && c->want > 0; i++) {
			if (i % 50 == 0)
				mock_restart(n);
			mock_ack(n, c);
		}
	}
	for (i = 0; i < 2000; i++) {
		parse(c, at, false, a);
		ck_assert_int_eq(a->status, status[i % 5]);
		ck_assert_uint_eq(a->len, len[i % 5]);
		at += a->total;
	}
	ck_assert_uint_eq(at, c->out_len);
	ck_assert_uint_eq(n->counters[HTTP_REQUESTS], 2000);
	ck_assert_uint_eq(conn_readable(c), 0);
	mock_free(c);
	mock_stop(n);
	free(reqs);
	free(a);
}
END_TEST

/* One event does a bounded number of requests, then others have a turn. */
/* What one request left behind does not cut short what is logged of the next,
 * nor keep it from being remembered. */
START_TEST(each_request_is_logged_as_it_came)
{
	/* the first is none for the fast parser, and short */
	static const char ask[] = "GET / HTTP/1.0\r\nA:\tb\r\n"
	    "Connection: keep-alive\r\n\r\n"
	    GET("/small.txt?a=1&b=2&c=3&d=4&e=5&f=6&g=7") "\r\nGET /";
	struct net *n = start();
	struct conn *c;

	snprintf(conf_of(n)->access_log, OPT_STRLEN, "/log");
	mock_restart(n);
	c = open_conn(n);
	mock_input(n, c, ask, sizeof(ask) - 1);
	mock_fin(n, c);
	ck_assert_str_eq(n->access, "200 GET / HTTP/1.0\n"
	    "200 GET /small.txt?a=1&b=2&c=3&d=4&e=5&f=6&g=7 HTTP/1.1\n"
	    "400 \n");
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* RFC 9110 (9.3.2): also when it is refused for what it is. */
START_TEST(a_head_that_is_refused_gets_no_body)
{
	static const char *const begins[] = { "HEAD /", "HEAD / HTTP/1.1\r\nX: ",
	    "HEAD / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n" };
	static const char *const want[] = { " 414 ", " 431 ", " 400 " };
	char line[1000];
	struct conn *c;
	struct net *n;
	int i;

	memset(line, 'a', sizeof(line));
	for (i = 0; i < COUNT(begins); i++) {
		n = start();
		c = open_conn(n);
		mock_input(n, c, begins[i], strlen(begins[i]));
		while (mock_alive(c))
			mock_input(n, c, line, sizeof(line));
		ck_assert_mem_eq(c->out + 8, want[i], 5);
		ck_assert_mem_eq(c->out + c->out_len - 4, "\r\n\r\n", 4);
		mock_free(c);
		mock_stop(n);
	}
}
END_TEST

/* However often an answer looks for room, it waits once. */
START_TEST(a_wait_for_room_is_counted_once)
{
	static const char *const paths[] = { GET("/small.txt"),
	    GET("/empty"), GET("/big"), GET("/absent") };
	struct conn *c;
	struct net *n;
	int i;

	for (i = 0; i < COUNT(paths); i++) {
		n = start();
		c = open_conn(n);
		c->sndbuf = 1000;
		c->copied = 1000;
		mock_give(c, paths[i], strlen(paths[i]));
		mock_give(c, "\r\n", 2);
		mock_event(n, c, CONN_READ);
		ck_assert_uint_eq(c->out_len, 0);
		ck_assert_uint_eq(n->counters[HTTP_BLOCKED], 1);
		mock_ack(n, c);
		ck_assert_uint_gt(c->out_len, 0);
		ck_assert_uint_eq(n->counters[HTTP_BLOCKED], 1);
		mock_free(c);
		mock_stop(n);
	}
}
END_TEST

START_TEST(one_event_is_bounded)
{
	static const char req[] = GET("/small.txt") "\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t i;

	for (i = 0; i < 200; i++)
		mock_give(c, req, sizeof(req) - 1);
	n->svc.service->event(&n->svc, c, CONN_READ);
	ck_assert_uint_le(n->counters[HTTP_REQUESTS], HTTP_BUDGET);
	ck_assert_uint_gt(c->want, 0);
	mock_ack(n, c);
	ck_assert_uint_eq(n->counters[HTTP_REQUESTS], 200);
	mock_free(c);
	mock_stop(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_http");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	make_root();
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, requests_get_their_answers, 0, COUNT(rows));
	tcase_add_loop_test(tc, answers_do_not_depend_on_how_bytes_come, 0,
	    COUNT(rows));
	tcase_add_loop_test(tc, answers_do_not_depend_on_room, 0,
	    COUNT(rows));
	tcase_add_loop_test(tc, files_are_whole_and_large_ones_are_not_copied,
	    0, 3);
	tcase_add_loop_test(tc, several_ranges_make_a_multipart_body, 0, 2);
	tcase_add_loop_test(tc, pipelined_requests_are_answered_in_order, 0,
	    2);
	tcase_add_test(tc, one_event_is_bounded);
	tcase_add_test(tc, each_request_is_logged_as_it_came);
	tcase_add_test(tc, a_wait_for_room_is_counted_once);
	tcase_add_test(tc, a_head_that_is_refused_gets_no_body);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	free(cache);
	return failed == 0 ? 0 : 1;
}
