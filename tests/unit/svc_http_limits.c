/*
 * The http service over a mock of conn.h: bodies, limits, time.
 */
#include "http_bed.h"

/* After a request with a body, the next one is found. */
START_TEST(unwanted_bodies_are_drained)
{
	static const char *const req[] = {
		POST("/") "Content-Length: 1000\r\n\r\n",
		POST("/") "Transfer-Encoding: chunked\r\n\r\n3e8\r\n",
		GET("/small.txt") "Content-Length: 1000\r\n\r\n",
	};
	static const char next[] = GET("/small.txt") "\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t i;

	mock_input(n, c, req[_i], strlen(req[_i]));
	for (i = 0; i < 1000; i++)
		mock_input(n, c, "G", 1);
	if (_i == 1)
		mock_input(n, c, "\r\n0\r\n\r\n", 7);
	mock_input(n, c, next, sizeof(next) - 1);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, _i == 2 ? 200 : 405);
	parse(c, a->total, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_eq(a->len, 10);
	ck_assert_uint_eq(conn_readable(c), 0);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* A chunked body without end is not read without end. */
START_TEST(draining_is_bounded)
{
	static const char req[] = POST("/")
	    "Transfer-Encoding: chunked\r\n\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t sent = 0;

	mock_input(n, c, req, sizeof(req) - 1);
	while (mock_alive(c) && sent < 10 * HTTP_DRAIN) {
		mock_input(n, c, "100\r\n", 5);
		mock_input(n, c, big, 256);
		mock_input(n, c, "\r\n", 2);
		sent += 256;
	}
	ck_assert(c->closed && c->discarded);
	ck_assert_uint_le(sent, 2 * HTTP_DRAIN);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 405);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/*
 * A body larger than what is looked at in advance is echoed as it comes, with
 * its length or chunked; room ends all the time, and processes.
 */
START_TEST(large_bodies_are_echoed_as_they_come)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t at = 0, m, held = 0;
	char head[256];
	bool chunked = _i & 1;

	c->sndbuf = _i & 2 ? 700 : 0;
	c->piece = _i & 2 ? 1000 : 0;
	if (chunked)
		m = (uint32_t)snprintf(head, sizeof(head), POST("/echo")
		    "Transfer-Encoding: chunked\r\n\r\n");
	else
		m = (uint32_t)snprintf(head, sizeof(head), POST("/echo")
		    "Content-Length: %u\r\n\r\n", BIG);
	mock_input(n, c, head, m);
	while (at < BIG) {
		m = BIG - at < 3333 ? BIG - at : 3333;
		if (chunked)
			mock_input(n, c, head, (size_t)snprintf(head,
			    sizeof(head), "%x\r\n", m));
		mock_input(n, c, big + at, m);
		if (chunked)
			mock_input(n, c, "\r\n", 2);
		at += m;
		mock_restart(n);
		if (conn_readable(c) > held)
			held = conn_readable(c);
		while (c->want > 0)
			mock_ack(n, c);
	}
	if (chunked)
		mock_input(n, c, "0\r\n\r\n", 5);
	while (c->want > 0)
		mock_ack(n, c);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 200);
	/* what goes back in pieces waits for no acknowledgement */
	ck_assert(c->nodelay);
	ck_assert_uint_eq(a->len, BIG);
	ck_assert(memcmp(a->body, big, BIG) == 0);
	ck_assert_uint_eq(a->total, c->out_len);
	/* Back-pressure: unread bytes stay where they are. */
	if (c->sndbuf > 0)
		ck_assert_uint_gt(held, 3000);
	ck_assert(mock_alive(c));
	mock_ack(n, c);
	mock_input(n, c, GET("/") "\r\n", strlen(GET("/") "\r\n"));
	ck_assert_uint_gt(c->out_len, a->total);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* RFC 9110, 10.1.1. */
START_TEST(continue_is_sent_once_and_before_the_body)
{
	static const char req[] = POST("/echo")
	    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
	static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);

	mock_input(n, c, req, sizeof(req) - 1);
	ck_assert_uint_eq(c->out_len, sizeof(go) - 1);
	ck_assert(memcmp(c->out, go, sizeof(go) - 1) == 0);
	mock_input(n, c, "he", 2);
	mock_input(n, c, "llo", 3);
	parse(c, sizeof(go) - 1, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_eq(a->len, 5);
	/* Not needed when the body is there already. */
	mock_free(c);
	c = open_conn(n);
	mock_give(c, req, sizeof(req) - 1);
	mock_input(n, c, "hello", 5);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 200);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* A malformed chunk behind a begun answer cuts the answer short. */
START_TEST(malformed_chunk_in_a_begun_echo_ends_it)
{
	static const char req[] = POST("/echo")
	    "Transfer-Encoding: chunked\r\n\r\n4000\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n);

	mock_input(n, c, req, sizeof(req) - 1);
	mock_input(n, c, big, 0x4000);
	ck_assert(mock_alive(c));
	ck_assert_uint_gt(c->out_len, 0x4000);
	mock_input(n, c, "X", 1);
	ck_assert(c->closed && c->discarded);
	ck_assert_ptr_null(memmem(c->out, c->out_len, "\r\n0\r\n\r\n", 7));
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* ---- limits ---- */

START_TEST(oversize_heads_get_414_or_431)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	char *req = malloc(70000);
	uint32_t m = 0, i;

	switch (_i) {
	case 0:			/* a target without end */
		m = (uint32_t)snprintf(req, 70000, "GET /%065000d", 1);
		break;
	case 1:			/* a target that is too long */
		m = (uint32_t)snprintf(req, 70000, "GET /%08200d HTTP/1.1\r\n" H
		    "\r\n", 1);
		break;
	case 2:			/* one field too large */
		m = (uint32_t)snprintf(req, 70000, GET("/") "A: %020000d\r\n\r\n", 1);
		break;
	case 3:			/* too many fields */
		m = (uint32_t)snprintf(req, 70000, GET("/"));
		for (i = 0; i < 200; i++)
			m += (uint32_t)snprintf(req + m, 70000 - m, "A: b\r\n");
		m += (uint32_t)snprintf(req + m, 70000 - m, "\r\n");
		break;
	}
	c->piece = 1400;
	for (i = 0; i < m; i += 700)
		mock_input(n, c, req + i, m - i < 700 ? m - i : 700);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, _i < 2 ? 414 : 431);
	ck_assert(c->closed && c->discarded);
	mock_free(c);
	mock_stop(n);
	free(req);
	free(a);
}
END_TEST

START_TEST(bodies_over_the_limit_get_413)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	const char *req[] = {
		POST("/echo") "Content-Length: 101\r\n\r\n",
		POST("/echo") "Transfer-Encoding: chunked\r\n\r\n65\r\n",
		POST("/echo") "Content-Length: 100\r\n\r\n",
	};

	conf_of(n)->max_body = 100;
	mock_input(n, c, req[_i], strlen(req[_i]));
	mock_input(n, c, big, 101);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, _i < 2 ? 413 : 200);
	ck_assert(_i == 2 || c->closed);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

START_TEST(max_requests_ends_the_connection)
{
	static const char req[] = GET("/small.txt") "\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t at = 0, i;

	conf_of(n)->max_requests = 3;
	for (i = 0; i < 5; i++)
		mock_input(n, c, req, sizeof(req) - 1);
	for (i = 0; i < 3; i++) {
		parse(c, at, false, a);
		ck_assert(!strstr(a->head, "Connection: close") == (i < 2));
		at += a->total;
	}
	ck_assert_uint_eq(at, c->out_len);
	ck_assert(c->closed && c->discarded);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* ---- time ---- */

START_TEST(slow_heads_and_bodies_get_408)
{
	static const char *const req[] = {
		"GET / HT", POST("/echo") "Content-Length: 10\r\n\r\nhello",
		POST("/echo") "Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
	};
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);

	conf_of(n)->header_timeout_ms = 1000;
	conf_of(n)->body_timeout_ms = 1000;
	mock_pass(n, c, 900000);
	mock_input(n, c, req[_i], strlen(req[_i]));
	mock_pass(n, c, 950000);
	ck_assert(mock_alive(c));
	if (_i == 0) {
		/* More bytes do not buy time: the head has one limit. */
		mock_input(n, c, "TP/1.1\r\nA: b\r\n", 14);
	}
	mock_pass(n, c, 60000);
	ck_assert(c->closed);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 408);
	ck_assert_uint_eq(n->counters[HTTP_TIMEOUT], 1);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

START_TEST(idle_connections_are_closed_silently)
{
	static const char req[] = GET("/small.txt") "\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n), *d = open_conn(n);
	uint32_t i, out;

	conf_of(n)->keepalive_timeout_ms = 2000;
	conf_of(n)->header_timeout_ms = 1000;
	/* d never says anything */
	mock_pass(n, d, 60100000);
	ck_assert(d->closed);
	ck_assert_uint_eq(d->out_len, 0);
	for (i = 0; i < 100; i++) {
		mock_input(n, c, req, sizeof(req) - 1);
		mock_ack(n, c);
		mock_pass(n, c, 1900000);
		ck_assert(mock_alive(c));
	}
	out = c->out_len;
	mock_pass(n, c, 3000000);
	ck_assert(c->closed);
	ck_assert_uint_eq(c->out_len, out);
	mock_free(c);
	mock_free(d);
	mock_stop(n);
}
END_TEST

/* A slow reader is left alone as long as it reads; a dead one is not. */
START_TEST(stalled_clients_are_reset)
{
	static const char req[] = GET("/big") "\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t i;

	conf_of(n)->send_timeout_ms = 1000;
	conf_of(n)->keepalive_timeout_ms = 1000;
	mock_input(n, c, req, sizeof(req) - 1);
	for (i = 0; i < 300; i++) {
		c->taken += 100;
		mock_pass(n, c, 1000000);
		ck_assert(mock_alive(c));
	}
	mock_pass(n, c, 2100000);
	ck_assert(c->aborted);
	ck_assert_uint_eq(n->counters[HTTP_STALLED], 1);
	mock_free(c);
	mock_stop(n);
}
END_TEST

START_TEST(a_half_closed_client_gets_its_whole_body)
{
	static const char req[] = GET("/big") "\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);

	c->fail_mem = 1;
	c->sndbuf = 600;
	c->copied = 500;
	mock_give(c, req, sizeof(req) - 1);
	c->fin = true;
	mock_event(n, c, CONN_READ);
	while (mock_alive(c) && c->want > 0)
		mock_ack(n, c);
	ck_assert(c->closed && !c->aborted);
	parse(c, 0, false, a);
	ck_assert_uint_eq(a->len, BIG);
	ck_assert_uint_eq(a->total, c->out_len);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

START_TEST(date_changes_with_the_second)
{
	static const char req[] = GET("/small.txt") "\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);
	char value[64];

	n->wall = 784111777;
	mock_input(n, c, req, sizeof(req) - 1);
	parse(c, 0, false, a);
	ck_assert(field(a, "Date", value));
	ck_assert_str_eq(value, "Sun, 06 Nov 1994 08:49:37 GMT");
	n->wall++;
	mock_input(n, c, req, sizeof(req) - 1);
	parse(c, a->total, false, a);
	ck_assert(field(a, "Date", value));
	ck_assert_str_eq(value, "Sun, 06 Nov 1994 08:49:38 GMT");
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

START_TEST(empty_lines_before_a_request_are_skipped)
{
	static const char req[] = "\r\n" GET("/") "\r\n\r\n" GET("/") "\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t i;

	if (_i == 0)
		mock_input(n, c, req, sizeof(req) - 1);
	for (i = 0; _i == 1 && i < sizeof(req) - 1; i++)
		mock_input(n, c, req + i, 1);
	ck_assert_uint_eq(n->counters[HTTP_2XX], 2);
	ck_assert_uint_eq(n->counters[HTTP_4XX], 0);
	mock_free(c);
	mock_stop(n);
}
END_TEST

START_TEST(wrong_options_are_refused_with_a_reason)
{
	struct http_conf *conf = mock_conf(&http_service);
	struct net *n;
	int err;

	snprintf(conf->root, OPT_STRLEN, "/srv");
	if (_i == 1)
		snprintf(conf->echo, OPT_STRLEN, "echo");
	if (_i == 2)
		snprintf(conf->server, OPT_STRLEN, "a\r\nb");
	n = mock_start(&http_service, conf, _i == 0 ? NULL : cache, &err);
	ck_assert_int_eq(err, _i == 0 ? -ENOENT : -EINVAL);
	ck_assert_ptr_nonnull(strstr(n->log, _i == 0 ? "root" : _i == 1 ?
	    "echo" : "server"));
	mock_stop(n);
}
END_TEST

START_TEST(another_index_file_may_stand_for_a_directory)
{
	static const char req[] = GET("/dir/") "\r\n" GET("/") "\r\n";
	struct http_conf *conf = mock_conf(&http_service);
	struct answer *a = malloc(sizeof(*a));
	struct conn *c;
	struct net *n;
	int err;

	snprintf(conf->root, OPT_STRLEN, "/srv");
	snprintf(conf->index, OPT_STRLEN, "home.htm");
	n = mock_start(&http_service, conf, cache, &err);
	c = open_conn(n);
	mock_input(n, c, req, sizeof(req) - 1);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert(memcmp(a->body, "home", 4) == 0);
	parse(c, a->total, false, a);
	ck_assert_int_eq(a->status, 404);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_http_limits");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	make_root();
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, unwanted_bodies_are_drained, 0, 3);
	tcase_add_test(tc, draining_is_bounded);
	tcase_add_loop_test(tc, large_bodies_are_echoed_as_they_come, 0, 4);
	tcase_add_test(tc, continue_is_sent_once_and_before_the_body);
	tcase_add_test(tc, malformed_chunk_in_a_begun_echo_ends_it);
	tcase_add_loop_test(tc, oversize_heads_get_414_or_431, 0, 4);
	tcase_add_loop_test(tc, bodies_over_the_limit_get_413, 0, 3);
	tcase_add_test(tc, max_requests_ends_the_connection);
	tcase_add_loop_test(tc, slow_heads_and_bodies_get_408, 0, 3);
	tcase_add_test(tc, idle_connections_are_closed_silently);
	tcase_add_test(tc, stalled_clients_are_reset);
	tcase_add_test(tc, a_half_closed_client_gets_its_whole_body);
	tcase_add_test(tc, date_changes_with_the_second);
	tcase_add_loop_test(tc, empty_lines_before_a_request_are_skipped, 0,
	    2);
	tcase_add_loop_test(tc, wrong_options_are_refused_with_a_reason, 0,
	    3);
	tcase_add_test(tc, another_index_file_may_stand_for_a_directory);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	free(cache);
	return failed == 0 ? 0 : 1;
}
