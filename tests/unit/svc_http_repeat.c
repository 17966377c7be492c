/*
 * The http service over a mock of conn.h: requests that come again, byte for
 * byte, are answered as the first one was, and only then.
 */
#include "http_bed.h"

#define SMALL	GET("/small.txt") "\r\n"

/* Ask on c; the answer. */
static void
ask(struct net *n, struct conn *c, const char *req, struct answer *a)
{
	uint32_t at = c->out_len;

	mock_input(n, c, req, strlen(req));
	parse(c, at, false, a);
	ck_assert_uint_eq(at + a->total, c->out_len);
	mock_ack(n, c);
}

/* Answers of one second are the same bytes; the Date of a later one is that
 * of the time of its answer (RFC 9110, 6.6.1). */
START_TEST(repeats_have_the_date_of_their_second)
{
	struct answer *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	struct net *n = start();
	struct conn *c = open_conn(n), *d = open_conn(n);
	char value[64];
	int i;

	for (i = 0; i < 5; i++) {
		ask(n, i % 2 ? c : d, SMALL, i == 0 ? a : b);
		if (i == 0)
			continue;
		ck_assert_str_eq(a->head, b->head);
		ck_assert_uint_eq(b->len, 10);
		ck_assert_mem_eq(b->body, "0123456789", 10);
	}
	n->wall += 86400;
	for (i = 0; i < 3; i++) {
		ask(n, c, SMALL, b);
		ck_assert_str_ne(a->head, b->head);
		ck_assert(field(b, "Date", value));
		ck_assert_str_eq(value, "Wed, 15 Nov 2023 22:13:20 GMT");
		ck_assert_uint_eq(b->len, 10);
	}
	ck_assert_uint_eq(n->counters[HTTP_REQUESTS], 8);
	ck_assert_uint_eq(n->counters[HTTP_2XX], 8);
	ck_assert_uint_eq(n->counters[HTTP_BYTES], 80);
	mock_free(c);
	mock_free(d);
	mock_stop(n);
	free(a);
	free(b);
}
END_TEST

/* Options and files of a reload hold for the next request at once. */
START_TEST(repeats_end_with_a_reload)
{
	struct fcache *next = aligned_alloc(64, (cache->size + 63) & ~63ul);
	struct answer *a = malloc(sizeof(*a));
	const struct fcache_entry *e;
	struct net *n = start();
	struct conn *c = open_conn(n);
	int i;

	memcpy(next, cache, cache->size);
	e = fcache_find(next, "/small.txt", 10);
	memcpy((uint8_t *)next + e->body, "abcdefghij", 10);
	for (i = 0; i < 3; i++)
		ask(n, c, SMALL, a);
	n->old = cache;
	n->root = next;
	n->gen = 2;
	n->svc.service->reload(&n->svc, n->now);
	for (i = 0; i < 3; i++) {
		ask(n, c, SMALL, a);
		ck_assert_mem_eq(a->body, "abcdefghij", 10);
	}
	mock_free(c);
	mock_stop(n);
	free(next);
	free(a);
}
END_TEST

/* The last request that a connection may make is told so. */
START_TEST(a_repeat_is_counted_as_a_request)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	char value[64];
	uint32_t at;
	int i;

	conf_of(n)->max_requests = 5;
	for (i = 1; i < 5; i++) {
		ask(n, c, SMALL, a);
		ck_assert(!field(a, "Connection", value));
	}
	at = c->out_len;
	mock_input(n, c, SMALL, strlen(SMALL));
	parse(c, at, false, a);
	ck_assert(field(a, "Connection", value));
	ck_assert_str_eq(value, "close");
	ck_assert(c->closed);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

static const struct {
	const char *req;
	int status;
	uint32_t len;
} others[] = {
	{ "HEAD /small.txt HTTP/1.1\r\n" H "\r\n", 200, 10 },
	{ GET("/small.txt") "Range: bytes=2-4\r\n\r\n", 206, 3 },
	{ GET("/small.txt") "If-None-Match: *\r\n\r\n", 304, 0 },
	{ GET("/small.txt") "If-Match: \"x\"\r\n\r\n", 412, 0 },
	{ GET("/small.txt") "Host: i\r\n\r\n", 400, 0 },
	{ GET("/small.txt") "X\r\n\r\n", 400, 0 },
	{ GET("/small.txt") "Content-Length: 1\r\n\r\n1", 200, 10 },
	{ GET("/small.tx") "\r\n", 404, 0 },
	{ GET("/small.txt?") "\r\n", 200, 10 },
	{ "GET /small.txt HTTP/1.0\r\n" H "\r\n", 200, 10 },
};

/* What only begins like a known request, or comes in pieces, gets an answer of
 * its own: the one that it gets where nothing is known. */
START_TEST(what_differs_from_a_repeat_is_read_anew)
{
	struct answer *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	const char *req = others[_i].req;
	struct net *n = start(), *fresh = start();
	struct conn *c = open_conn(n), *d = open_conn(fresh);
	bool head = strncmp(req, "HEAD", 4) == 0;
	uint32_t at;
	int i;

	for (i = 0; i < 3; i++)
		ask(n, c, SMALL, a);
	/* The beginning of one, then the rest of it. */
	at = c->out_len;
	mock_input(n, c, SMALL, 35);
	ck_assert_uint_eq(c->out_len, at);
	mock_input(n, c, SMALL + 35, strlen(SMALL) - 35);
	parse(c, at, false, b);
	ck_assert_str_eq(a->head, b->head);
	mock_ack(n, c);
	at = c->out_len;
	mock_input(n, c, req, strlen(req));
	parse(c, at, head, a);
	mock_input(fresh, d, req, strlen(req));
	parse(d, 0, head, b);
	ck_assert_int_eq(a->status, others[_i].status);
	ck_assert_str_eq(a->head, b->head);
	if (others[_i].len > 0 && !head)
		ck_assert_uint_eq(a->len, others[_i].len);
	ck_assert_uint_eq(c->out_len - at, d->out_len);
	ck_assert_mem_eq(c->out + at, d->out, d->out_len);
	mock_free(c);
	mock_free(d);
	mock_stop(n);
	mock_stop(fresh);
	free(a);
	free(b);
}
END_TEST

/* Many paths that share places, in turn and pipelined: each its own file. */
START_TEST(a_place_is_given_away_to_what_is_asked_for)
{
	static const char js[] = GET("/code.js") "Accept-Encoding: gzip\r\n\r\n",
	    br[] = GET("/code.js") "Accept-Encoding: br\r\n\r\n",
	    two[] = GET("/code.js") "Accept-Encoding: br\r\n\r\n"
	    GET("/code.js") "Accept-Encoding: gzip\r\n\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t at;
	int i;

	for (i = 0; i < 40; i++) {
		ask(n, c, i % 20 < 3 ? js : br, a);
		ck_assert_uint_eq(a->len, i % 20 < 3 ? 2 : 1);
		at = c->out_len;
		mock_input(n, c, two, strlen(two));
		parse(c, at, false, a);
		ck_assert_mem_eq(a->body, "B", 1);
		parse(c, at + a->total, false, a);
		ck_assert_mem_eq(a->body, "GZ", 2);
		mock_ack(n, c);
	}
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_http_repeat");
	TCase *tc = tcase_create("repeat");
	SRunner *sr = srunner_create(s);
	int failed;

	make_root();
	tcase_add_test(tc, repeats_have_the_date_of_their_second);
	tcase_add_test(tc, repeats_end_with_a_reload);
	tcase_add_test(tc, a_repeat_is_counted_as_a_request);
	tcase_add_loop_test(tc, what_differs_from_a_repeat_is_read_anew, 0,
	    COUNT(others));
	tcase_add_test(tc, a_place_is_given_away_to_what_is_asked_for);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	free(cache);
	return failed == 0 ? 0 : 1;
}
