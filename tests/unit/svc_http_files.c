/*
 * The http service over a mock of conn.h: variants, listings, limits on
 * connections and rates.
 */
#include "http_bed.h"

#define S		1000000u	/* a second, in µs */

/* One request on a connection of its own, which is returned. */
static struct conn *
ask(struct net *n, const char *req, struct answer *a)
{
	struct conn *c = open_conn(n);

	mock_input(n, c, req, strlen(req));
	parse(c, 0, strncmp(req, "HEAD", 4) == 0, a);
	return c;
}

static const struct {
	const char *accept;	/* lines of fields */
	char js, css;		/* what is sent: 'b'r, 'g'zip or 'p'lain */
} codings[] = {
	{ "", 'p', 'p' },
	{ "Accept-Encoding: gzip\r\n", 'g', 'g' },
	{ "Accept-Encoding: gzip, deflate, br, zstd\r\n", 'b', 'g' },
	{ "Accept-Encoding: GZIP\r\n", 'g', 'g' },
	{ "Accept-Encoding: x-gzip\r\n", 'g', 'g' },
	{ "Accept-Encoding: br;q=0.5, gzip;q=0.8\r\n", 'g', 'g' },
	{ "Accept-Encoding: br ; q=0.8 , gzip;q=0.5\r\n", 'b', 'g' },
	{ "Accept-Encoding: gzip;q=0\r\n", 'p', 'p' },
	{ "Accept-Encoding: gzip;q=0.000, br\r\n", 'b', 'p' },
	{ "Accept-Encoding: *\r\n", 'b', 'g' },
	{ "Accept-Encoding: *;q=0\r\n", 'p', 'p' },
	{ "Accept-Encoding: *;q=0.5, br;q=0\r\n", 'g', 'g' },
	{ "Accept-Encoding: identity\r\n", 'p', 'p' },
	{ "Accept-Encoding: identity, gzip;q=0.9\r\n", 'p', 'p' },
	{ "Accept-Encoding: identity;q=0.5, gzip\r\n", 'g', 'g' },
	{ "Accept-Encoding: identity;q=0\r\n", 'p', 'p' },
	{ "Accept-Encoding:\r\n", 'p', 'p' },
	{ "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n", 'b', 'g' },
	{ "Accept-Encoding: gzip;q=2, br;q=x\r\n", 'p', 'p' },
	{ "Accept-Encoding: gzip;q=1.001\r\n", 'p', 'p' },
	{ "Accept-Encoding: gzip;x=1\r\n", 'p', 'p' },
	{ "Accept-Encoding: gzip;q=0.0001\r\n", 'p', 'p' },
	{ "Accept-Encoding: gzipped\r\n", 'p', 'p' },
};

static void
check_coding(struct net *n, const char *path, const char *accept, char how)
{
	const char *body = how == 'b' ? "B" : how == 'g' ? "GZ" :
	    strcmp(path, "/code.js") == 0 ? "plain code" : "plain";
	struct answer *a = malloc(sizeof(*a));
	char req[512], value[256];
	struct conn *c;

	snprintf(req, sizeof(req), "GET %s HTTP/1.1\r\n" H "%s\r\n", path,
	    accept);
	c = ask(n, req, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert_msg(a->len == strlen(body) &&
	    memcmp(a->body, body, a->len) == 0, "%s\n%s", req, a->head);
	ck_assert(field(a, "Vary", value));
	ck_assert_str_eq(value, "Accept-Encoding");
	ck_assert(field(a, "Content-Encoding", value) == (how != 'p'));
	if (how != 'p')
		ck_assert_str_eq(value, how == 'b' ? "br" : "gzip");
	/* The type is the file's, whatever its coding (RFC 9110, 8.4). */
	ck_assert(field(a, "Content-Type", value));
	ck_assert_str_eq(value, path[2] == 'o' ? "text/javascript" :
	    "text/css");
	mock_free(c);
	free(a);
}

/* RFC 9110, 12.5.3: weights choose the variant; 12.5.5: Vary says so. */
START_TEST(variants_follow_accept_encoding)
{
	struct net *n = start();

	check_coding(n, "/code.js", codings[_i].accept, codings[_i].js);
	check_coding(n, "/one.css", codings[_i].accept, codings[_i].css);
	mock_stop(n);
}
END_TEST

/* RFC 9110, 8.8.3: a variant has a validator of its own, and ranges count in
 * its bytes. By its own name it is a file like any other. */
START_TEST(variants_have_validators_and_ranges_of_their_own)
{
	static const char gz[] = "Accept-Encoding: gzip\r\n";
	char req[512], plain[256], coded[256], value[256];
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();

	mock_free(ask(n, GET("/code.js") "\r\n", a));
	ck_assert(field(a, "ETag", plain));
	snprintf(req, sizeof(req), GET("/code.js") "%s\r\n", gz);
	mock_free(ask(n, req, a));
	ck_assert(field(a, "ETag", coded));
	ck_assert_str_ne(plain, coded);
	snprintf(req, sizeof(req), GET("/code.js") "%sIf-None-Match: %s\r\n"
	    "\r\n", gz, coded);
	mock_free(ask(n, req, a));
	ck_assert_int_eq(a->status, 304);
	ck_assert(field(a, "Vary", value));
	snprintf(req, sizeof(req), GET("/code.js") "%sIf-None-Match: %s\r\n"
	    "\r\n", gz, plain);
	mock_free(ask(n, req, a));
	ck_assert_int_eq(a->status, 200);
	snprintf(req, sizeof(req), GET("/code.js") "%sRange: bytes=1-\r\n"
	    "\r\n", gz);
	mock_free(ask(n, req, a));
	ck_assert_int_eq(a->status, 206);
	ck_assert(field(a, "Content-Range", value));
	ck_assert_str_eq(value, "bytes 1-1/2");
	ck_assert(field(a, "Content-Encoding", value));
	snprintf(req, sizeof(req), GET("/code.js.gz") "%s\r\n", gz);
	mock_free(ask(n, req, a));
	ck_assert_int_eq(a->status, 200);
	ck_assert(!field(a, "Content-Encoding", value));
	ck_assert(field(a, "Content-Type", value));
	ck_assert_str_eq(value, "application/gzip");
	mock_stop(n);
	free(a);
}
END_TEST

/* A listing shows what is in its directory and no deeper; names are text. */
START_TEST(listings_are_shown_if_wanted_and_escaped)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;
	char page[4096];

	mock_free(ask(n, GET("/list/") "\r\n", a));
	ck_assert_int_eq(a->status, 404);
	conf_of(n)->listing = 1;
	mock_free(ask(n, GET("/dir/") "\r\n", a));
	ck_assert_uint_eq(a->len, 3);		/* its index file */
	ck_assert_int_eq(a->status, 200);
	c = ask(n, GET("/list/") "\r\n", a);
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_lt(a->len, sizeof(page));
	memcpy(page, a->body, a->len);
	page[a->len] = '\0';
	ck_assert_ptr_nonnull(strstr(a->head,
	    "Content-Type: text/html; charset=utf-8\r\n"));
	ck_assert_ptr_nonnull(strstr(page, "<a href=\"./%3C%26%22%27%3E.txt\">"
	    "&#60;&#38;&#34;&#39;&#62;.txt</a>"));
	ck_assert_ptr_nonnull(strstr(page, "<a href=\"./a%3Ab\">a:b</a>"
	    "</td><td>2</td><td>20"));
	ck_assert_ptr_nonnull(strstr(page, "<a href=\"./sub/\">sub/</a>"));
	ck_assert_ptr_nonnull(strstr(page, "<a href=\"../\">"));
	ck_assert_ptr_null(strstr(page, "deep"));
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* RFC 9112, 8: a request that the client cut short is answered, or at least
 * ended, as soon as that is known. */
START_TEST(a_half_closed_client_waits_for_no_timeout)
{
	static const struct {
		const char *req;
		int status;	/* 0: the connection is closed silently */
	} t[] = {
		{ "", 0 }, { "GET / HTTP/1.1\r\nHo", 400 }, { "G", 400 },
		{ POST("/echo") "Content-Length: 10\r\n\r\nhello", 400 },
		{ POST("/echo") "Transfer-Encoding: chunked\r\n\r\n5\r\nh",
		    400 },
		{ GET("/") "\r\n", 200 },
	};
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);

	mock_input(n, c, t[_i].req, strlen(t[_i].req));
	ck_assert(mock_alive(c));
	mock_fin(n, c);
	ck_assert(c->closed && !c->aborted);
	if (t[_i].status == 0) {
		ck_assert_uint_eq(c->out_len, 0);
	} else {
		parse(c, 0, false, a);
		ck_assert_int_eq(a->status, t[_i].status);
	}
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* An answer that waits for room is not cut by the client's FIN. */
START_TEST(a_half_closed_client_gets_what_waits_for_room)
{
	static const char req[] = GET("/small.txt") "\r\n";
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = open_conn(n);

	c->sndbuf = 1;
	mock_input(n, c, req, sizeof(req) - 1);
	ck_assert_uint_eq(c->out_len, 0);
	mock_fin(n, c);
	ck_assert(mock_alive(c));
	c->sndbuf = 0;
	mock_event(n, c, CONN_WRITE);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert(c->closed);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/*
 * RFC 9110, 7.2: the target's authority, in any letter case and without its
 * port, chooses the root; the target's own goes before the field's (RFC 9112,
 * 3.2.2). Who is not named gets the default, which here is none.
 */
START_TEST(hosts_have_roots_of_their_own)
{
	static const struct {
		const char *req;
		int status;
	} t[] = {
		{ "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: A.Example.:8080\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", 200 },
		{ "GET http://a.example/ HTTP/1.1\r\nHost: b\r\n\r\n", 200 },
		{ "GET http://b/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: b\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: a.exampl\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: [::2]\r\n\r\n", 404 },
		{ "GET / HTTP/1.0\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: x.Wild.example:1\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: x.y.wild.example\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: wild.example\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: .wild.example\r\n\r\n", 404 },
		{ "GET / HTTP/1.1\r\nHost: xwild.example\r\n\r\n", 404 },
	};
	struct http_conf *conf = mock_conf(&http_service);
	struct answer *a = malloc(sizeof(*a));
	struct net *n;
	int err, i;

	conf->hosts.n = 3;
	snprintf(conf->hosts.s[2], OPT_STRLEN, "*.wild.example=/srv");
	snprintf(conf->hosts.s[0], OPT_STRLEN, "a.example=/srv");
	snprintf(conf->hosts.s[1], OPT_STRLEN, "[::1]=/srv");
	n = mock_start(&http_service, conf, cache, &err);
	ck_assert_int_eq(err, 0);
	for (i = 0; i < COUNT(t); i++) {
		mock_free(ask(n, t[i].req, a));
		ck_assert_msg(a->status == t[i].status, "%d: %s", a->status,
		    t[i].req);
	}
	mock_stop(n);
	free(a);
}
END_TEST

/* A path may be a file to those who get it and the echo route to a POST. */
START_TEST(an_echo_route_leaves_files_alone)
{
	struct http_conf *conf = mock_conf(&http_service);
	struct answer *a = malloc(sizeof(*a));
	char value[256];
	struct net *n;
	int err;

	snprintf(conf->root, OPT_STRLEN, "/srv");
	snprintf(conf->echo, OPT_STRLEN, "/");
	n = mock_start(&http_service, conf, cache, &err);
	ck_assert_int_eq(err, 0);
	mock_free(ask(n, GET("/") "\r\n", a));
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_eq(a->len, 5);
	mock_free(ask(n, POST("/") "Content-Length: 2\r\n\r\nhi", a));
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_eq(a->len, 2);
	mock_free(ask(n, "PUT / HTTP/1.1\r\n" H "\r\n", a));
	ck_assert_int_eq(a->status, 405);
	ck_assert(field(a, "Allow", value));
	ck_assert_str_eq(value, "GET, HEAD, POST, OPTIONS");
	mock_stop(n);
	free(a);
}
END_TEST

/* ---- limits ---- */

static struct conn *
from(struct net *n, uint8_t family, uint8_t a, uint8_t last)
{
	struct conn *c = mock_conn();

	c->remote.family = family;
	c->remote.addr[0] = a;
	c->remote.addr[family == 4 ? 3 : 15] = last;
	mock_event(n, c, CONN_OPEN);
	return c;
}

static void
gone(struct net *n, struct conn *c)
{
	if (mock_alive(c))
		n->svc.service->event(&n->svc, c, CONN_GONE);
	mock_free(c);
}

static void
check_refused(struct net *n, struct conn *c, bool refused)
{
	struct answer *a = malloc(sizeof(*a));

	ck_assert(mock_alive(c) != refused);
	if (refused) {
		parse(c, 0, false, a);
		ck_assert_int_eq(a->status, 503);
	}
	free(a);
}

/* Closed by whom it may be, a connection makes room for another; also in the
 * process that takes over. */
START_TEST(connections_of_a_worker_are_limited)
{
	static const char last[] = GET("/") "Connection: close\r\n\r\n";
	struct net *n = start();
	struct conn *a, *b, *c;

	conf_of(n)->max_conns = 2;
	a = from(n, 4, 1, 1);
	b = from(n, 4, 1, 2);
	c = from(n, 4, 1, 3);
	check_refused(n, c, true);
	ck_assert_uint_eq(n->counters[HTTP_REFUSED], 1);
	gone(n, c);
	gone(n, b);
	b = from(n, 4, 1, 2);
	check_refused(n, b, false);
	mock_input(n, b, last, sizeof(last) - 1);	/* closed by us */
	ck_assert(b->closed);
	c = from(n, 4, 1, 3);
	check_refused(n, c, false);
	mock_restart(n);
	mock_input(n, a, "G", 1);
	mock_input(n, c, "G", 1);
	gone(n, b);
	b = from(n, 4, 1, 4);
	check_refused(n, b, true);
	gone(n, a);
	gone(n, b);
	b = from(n, 4, 1, 4);
	check_refused(n, b, false);
	gone(n, b);
	gone(n, c);
	mock_stop(n);
}
END_TEST

START_TEST(connections_of_an_address_are_limited)
{
	struct net *n = start();
	struct conn *c[6];
	uint32_t i;

	conf_of(n)->max_conns_addr = 2;
	/* one IPv4 address; another one; one /64 of IPv6, another one */
	c[0] = from(n, 4, 10, 1);
	c[1] = from(n, 4, 10, 1);
	check_refused(n, c[1], false);
	c[2] = from(n, 4, 10, 1);
	check_refused(n, c[2], true);
	c[3] = from(n, 4, 11, 1);
	check_refused(n, c[3], false);
	for (i = 0; i < 3; i++)
		gone(n, c[i]);
	c[0] = from(n, 4, 10, 1);
	check_refused(n, c[0], false);
	c[1] = from(n, 6, 10, 1);
	c[2] = from(n, 6, 10, 2);
	check_refused(n, c[2], false);
	c[4] = from(n, 6, 10, 3);
	check_refused(n, c[4], true);
	c[5] = from(n, 6, 11, 3);
	check_refused(n, c[5], false);
	for (i = 0; i < 6; i++)
		gone(n, c[i]);
	mock_stop(n);
}
END_TEST

/* A byte now and then keeps no connection: 408 for a body that is looked at,
 * the end for one that is echoed or thrown away. */
START_TEST(bodies_that_crawl_are_ended)
{
	static const char *const req[] = {
		POST("/echo") "Content-Length: 5000\r\n\r\n",
		POST("/echo") "Content-Length: 90000\r\n\r\n",
		POST("/") "Content-Length: 50000\r\n\r\n",
	};
	struct net *n = start();
	struct conn *c;
	uint32_t i, rate;

	for (rate = 0; rate < 2; rate++) {
		c = open_conn(n);
		conf_of(n)->min_rate = rate == 0 ? 0 : 100;
		mock_input(n, c, req[_i], strlen(req[_i]));
		if (_i == 1)
			mock_input(n, c, big, HTTP_GATHER);
		for (i = 0; i < 15; i++) {
			mock_input(n, c, "x", 1);
			mock_pass(n, c, 10 * S);
			if (mock_alive(c))
				mock_ack(n, c);
		}
		ck_assert(mock_alive(c) == (rate == 0));
		mock_free(c);
	}
	ck_assert_uint_eq(n->counters[HTTP_TIMEOUT], 1);
	mock_stop(n);
}
END_TEST

/* And a body that keeps the rate goes on. */
START_TEST(bodies_that_keep_the_rate_go_on)
{
	static const char req[] = POST("/echo")
	    "Content-Length: 90000\r\n\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n);
	uint32_t i;

	mock_input(n, c, req, sizeof(req) - 1);
	for (i = 0; i < 30; i++) {
		mock_input(n, c, big, 3000);
		mock_pass(n, c, 15 * S);
		ck_assert(mock_alive(c));
		mock_ack(n, c);
	}
	ck_assert_uint_gt(c->out_len, 90000);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* Reading slowly is no way to keep an answer's memory; reading at the rate
 * is, and many small answers are no slow one. */
START_TEST(clients_that_take_hardly_anything_are_reset)
{
	static const char req[] = GET("/big") "\r\n",
	    small[] = GET("/small.txt") "\r\n";
	struct net *n = start();
	struct conn *c = open_conn(n), *d = open_conn(n);
	uint32_t i;

	mock_input(n, c, req, sizeof(req) - 1);
	for (i = 0; i < 5; i++) {
		c->taken += 7000;
		mock_pass(n, c, 60 * S);
		ck_assert(mock_alive(c));
	}
	for (i = 0; i < 2; i++) {
		c->taken += 100;
		mock_pass(n, c, 60 * S);
	}
	ck_assert(c->aborted);
	ck_assert_uint_eq(n->counters[HTTP_STALLED], 1);
	for (i = 0; i < 20; i++) {
		mock_ack(n, d);
		mock_input(n, d, small, sizeof(small) - 1);
		mock_pass(n, d, 50 * S);
		ck_assert(mock_alive(d));
	}
	mock_free(c);
	mock_free(d);
	mock_stop(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_http_files");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	make_root();
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, variants_follow_accept_encoding, 0,
	    COUNT(codings));
	tcase_add_test(tc, variants_have_validators_and_ranges_of_their_own);
	tcase_add_test(tc, listings_are_shown_if_wanted_and_escaped);
	tcase_add_loop_test(tc, a_half_closed_client_waits_for_no_timeout, 0,
	    6);
	tcase_add_test(tc, a_half_closed_client_gets_what_waits_for_room);
	tcase_add_test(tc, hosts_have_roots_of_their_own);
	tcase_add_test(tc, an_echo_route_leaves_files_alone);
	tcase_add_test(tc, connections_of_a_worker_are_limited);
	tcase_add_test(tc, connections_of_an_address_are_limited);
	tcase_add_loop_test(tc, bodies_that_crawl_are_ended, 0, 3);
	tcase_add_test(tc, bodies_that_keep_the_rate_go_on);
	tcase_add_test(tc, clients_that_take_hardly_anything_are_reset);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	free(cache);
	return failed == 0 ? 0 : 1;
}
