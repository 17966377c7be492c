/*
 * The http service and files that are not in the cache: read piece by piece
 * through svc_io, which here is a fake that may be slow or fail.
 */
#include <errno.h>

#include "http_bed.h"

#define S		1000000u	/* a second, in µs */

/* Let reads come and the client take what it has, until nothing moves. */
static void
run(struct net *n, struct conn *c)
{
	uint32_t i, before;

	n->one = c;
	for (i = 0; i < 100000 && mock_alive(c); i++) {
		before = c->out_len + c->taken;
		n->svc.service->tick(&n->svc, n->now);
		if (c->want > 0) {
			c->want = 0;
			mock_event(n, c, CONN_WRITE);
		}
		mock_ack(n, c);
		if (c->out_len + c->taken == before && !n->read_named &&
		    c->want == 0)
			break;
	}
}

static struct conn *
ask_for(struct net *n, const char *req, uint32_t sndbuf)
{
	struct conn *c = open_conn(n);

	c->sndbuf = sndbuf;
	mock_input(n, c, req, strlen(req));
	return c;
}

static const struct {
	uint32_t sndbuf, slow, most;
} ways[] = {
	{ 0, 0, 0 }, { 0, 1, 0 }, { 1000, 0, 0 }, { 1000, 3, 0 },
	{ 65536, 1, 1 << 15 }, { 100000, 0, 7777 }, { 4096, 1, 1000 },
	{ 3000, 0, 0 },
};

/* Whole, whatever the room, the time of reads and their length. */
START_TEST(a_large_file_comes_whole)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;

	n->read_slow = ways[_i].slow;
	n->read_most = ways[_i].most;
	c = ask_for(n, GET("/huge") "\r\n" GET("/small.txt") "\r\n",
	    ways[_i].sndbuf);
	run(n, c);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	ck_assert_mem_eq(a->body, huge_file, HUGE_LEN);
	ck_assert(!n->reading);
	parse(c, a->total, false, a);
	ck_assert_uint_eq(a->len, 10);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* Another process goes on behind the last byte that was queued. */
START_TEST(a_successor_goes_on_in_mid_file)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;
	uint32_t i;

	n->read_slow = (uint32_t)_i % 2;
	c = ask_for(n, GET("/huge") "\r\n", 20000 + 777 * (uint32_t)_i);
	n->one = c;
	for (i = 0; c->out_len < HUGE_LEN && i < 1000; i++) {
		mock_restart(n);
		mock_read_end(n, 0);
		c->want = 0;
		c->taken = c->out_len;
		c->copied = 0;
		/* adoption makes readiness anew */
		mock_event(n, c, CONN_READ | CONN_WRITE);
		n->svc.service->tick(&n->svc, n->now);
		if (c->want > 0) {
			c->want = 0;
			mock_event(n, c, CONN_WRITE);
		}
	}
	run(n, c);
	parse(c, 0, false, a);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	ck_assert_mem_eq(a->body, huge_file, HUGE_LEN);
	ck_assert_uint_gt(i, 5);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

static const struct {
	const char *req;
	int status;
	uint32_t from, len;	/* body, if not 0 */
	uint32_t reads;		/* 0: none at all */
} asks[] = {
	{ GET("/huge") "Range: bytes=100000-299999\r\n\r\n", 206, 100000,
	    200000, 1 },
	{ GET("/huge") "Range: bytes=-1\r\n\r\n", 206, HUGE_LEN - 1, 1, 1 },
	{ GET("/huge") "Range: bytes=300000-\r\n\r\n", 206, 300000, 1, 1 },
	{ GET("/huge") "Range: bytes=300001-\r\n\r\n", 416, 0, 0, 0 },
	{ GET("/huge") "If-None-Match: *\r\n\r\n", 304, 0, 0, 0 },
	{ GET("/huge") "If-Match: \"x\"\r\n\r\n", 412, 0, 0, 0 },
	{ "HEAD /huge HTTP/1.1\r\n" H "\r\n", 200, 0, 0, 0 },
	{ POST("/huge") "\r\n", 405, 0, 0, 0 },
};

/* Ranges and conditions as with any other file; only bodies are read. */
START_TEST(ranges_and_conditions_hold)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = ask_for(n, asks[_i].req, 0);

	run(n, c);
	parse(c, 0, asks[_i].req[0] == 'H', a);
	ck_assert_int_eq(a->status, asks[_i].status);
	if (asks[_i].len > 0) {
		ck_assert_uint_eq(a->len, asks[_i].len);
		ck_assert_mem_eq(a->body, huge_file + asks[_i].from, a->len);
	}
	ck_assert_int_eq(n->reads > 0, asks[_i].reads > 0);
	ck_assert(!n->reading);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* Several ranges, with little room and slow reads. */
START_TEST(several_ranges_are_read_one_by_one)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;
	char head[64];

	n->read_slow = 1;
	c = ask_for(n, GET("/huge") "Range: bytes=0-0,200000-,5-70000\r\n"
	    "\r\n", 3000);
	run(n, c);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 206);
	snprintf(head, sizeof(head), "bytes 200000-300000/%u\r\n\r\n",
	    HUGE_LEN);
	c->out[c->out_len - 1] = '\0';
	ck_assert_ptr_nonnull(memmem(a->body, a->len, head, strlen(head)));
	ck_assert_ptr_nonnull(memmem(a->body, a->len, huge_file + 200000,
	    HUGE_LEN - 200000));
	ck_assert_ptr_nonnull(memmem(a->body, a->len, huge_file + 5, 69996));
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* A file that changed gets no head with another's length: 503. */
START_TEST(a_stale_file_is_refused_before_its_head)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;

	n->read_slow = (uint32_t)_i;
	n->read_err = -ESTALE;
	c = ask_for(n, GET("/huge") "\r\n" GET("/small.txt") "\r\n", 0);
	run(n, c);
	parse(c, 0, false, a);
	ck_assert_int_eq(a->status, 503);
	parse(c, a->total, false, a);
	ck_assert_int_eq(a->status, 200);
	ck_assert(!n->reading);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* Once the head is out, only a broken connection says the truth. */
START_TEST(a_file_that_changes_breaks_its_connection)
{
	struct net *n = start();
	struct conn *c;

	c = ask_for(n, GET("/huge") "\r\n", 50000);
	ck_assert_uint_gt(c->out_len, 40000);
	n->read_err = -ESTALE;
	run(n, c);
	ck_assert(c->aborted && !c->closed);
	ck_assert_uint_lt(c->out_len, HUGE_LEN);
	ck_assert(!n->reading);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* A FIN while the disk is slow does not end what is to be sent. */
START_TEST(a_half_closed_client_waits_for_the_disk)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;

	n->read_slow = 2;
	c = ask_for(n, GET("/huge") "\r\n", 0);
	ck_assert_uint_eq(c->out_len, 0);
	mock_fin(n, c);
	ck_assert(mock_alive(c));
	run(n, c);
	ck_assert(c->closed);
	parse(c, 0, false, a);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

/* Time that the disk takes is not held against the client. */
START_TEST(a_slow_disk_is_no_stalled_client)
{
	struct net *n = start();
	struct conn *c;

	n->read_slow = UINT32_MAX;
	c = ask_for(n, GET("/huge") "\r\n", 0);
	mock_pass(n, c, UINT64_C(600) * 1000000);
	ck_assert(mock_alive(c));
	n->read_slow = 0;
	run(n, c);
	ck_assert_uint_gt(c->out_len, HUGE_LEN);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* With few chunks left a new download waits, a begun one crawls, and nobody
 * holds a buffer while it waits for its client. */
START_TEST(downloads_give_way_when_chunks_are_short)
{
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c = ask_for(n, GET("/huge") "\r\n", 1 << 18), *d;
	uint32_t before;

	ck_assert(!n->reading);
	n->spare = 10;
	d = ask_for(n, GET("/huge") "\r\n", 1 << 18);
	mock_pass(n, d, UINT64_C(600) * S);
	ck_assert_uint_eq(d->out_len, 0);
	ck_assert(mock_alive(d));
	before = c->out_len;
	n->one = c;
	mock_ack(n, c);
	ck_assert_uint_gt(c->out_len, before);
	ck_assert_uint_le(c->out_len, before + 4096);
	run(n, c);
	parse(c, 0, false, a);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	mock_free(c);
	n->spare = 1024;
	mock_pass(n, d, S);
	run(n, d);
	parse(d, 0, false, a);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	mock_free(d);
	mock_stop(n);
	free(a);
}
END_TEST

/* A reload in mid-file: the answer takes no byte of another generation, in
 * this process or the next; what is asked for later does. */
START_TEST(an_answer_goes_on_with_the_root_it_began_with)
{
	struct fcache *next = aligned_alloc(64, (cache->size + 63) & ~63ul);
	const struct service *sv = &http_service;
	struct answer *a = malloc(sizeof(*a));
	struct net *n = start();
	struct conn *c;

	memcpy(next, cache, cache->size);
	c = ask_for(n, GET("/huge") "\r\n" GET("/huge") "\r\n", 50000);
	ck_assert_ptr_eq(n->read_fc, cache);
	ck_assert(!sv->holds(&n->svc, c, true));
	ck_assert(sv->holds(&n->svc, c, false));
	n->old = cache;
	n->root = next;
	n->gen = 2;
	sv->reload(&n->svc, n->now);
	ck_assert(sv->holds(&n->svc, c, true));
	mock_ack(n, c);
	ck_assert_ptr_eq(n->read_fc, cache);
	if (_i == 1)
		mock_restart(n);
	ck_assert(sv->holds(&n->svc, c, true));
	run(n, c);
	parse(c, 0, false, a);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	ck_assert_mem_eq(a->body, huge_file, HUGE_LEN);
	parse(c, a->total, false, a);
	ck_assert_uint_eq(a->len, HUGE_LEN);
	ck_assert_ptr_eq(n->read_fc, next);
	ck_assert(!sv->holds(&n->svc, c, true));
	ck_assert(!sv->holds(&n->svc, c, false));
	mock_free(c);
	mock_stop(n);
	free(next);
	free(a);
}
END_TEST

/* Other options hold for the next request, on connections that there are. */
START_TEST(options_change_between_two_requests)
{
	struct answer *a = malloc(sizeof(*a));
	struct http_conf *old, *conf;
	struct net *n = start();
	struct conn *c = ask_for(n, GET("/small.txt") "\r\n", 0);
	char value[64];

	old = conf_of(n);
	conf = malloc(sizeof(*conf));
	*conf = *old;
	snprintf(conf->server, sizeof(conf->server), "other");
	snprintf(conf->index, sizeof(conf->index), "home.htm");
	n->svc.conf = conf;
	n->svc.service->reload(&n->svc, n->now);
	free(old);
	parse(c, 0, false, a);
	mock_input(n, c, GET("/dir/") "\r\n", strlen(GET("/dir/") "\r\n"));
	parse(c, a->total, false, a);
	ck_assert(field(a, "Server", value));
	ck_assert_str_eq(value, "other");
	ck_assert_uint_eq(a->len, 4);
	mock_free(c);
	mock_stop(n);
	free(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_http_stream");
	TCase *tc = tcase_create("stream");
	SRunner *r;
	int failed;

	make_root();
	tcase_add_loop_test(tc, a_large_file_comes_whole, 0, COUNT(ways));
	tcase_add_loop_test(tc, a_successor_goes_on_in_mid_file, 0, 6);
	tcase_add_loop_test(tc, ranges_and_conditions_hold, 0, COUNT(asks));
	tcase_add_test(tc, several_ranges_are_read_one_by_one);
	tcase_add_loop_test(tc, a_stale_file_is_refused_before_its_head, 0,
	    2);
	tcase_add_test(tc, a_file_that_changes_breaks_its_connection);
	tcase_add_test(tc, a_half_closed_client_waits_for_the_disk);
	tcase_add_test(tc, a_slow_disk_is_no_stalled_client);
	tcase_add_test(tc, downloads_give_way_when_chunks_are_short);
	tcase_add_loop_test(tc,
	    an_answer_goes_on_with_the_root_it_began_with, 0, 2);
	tcase_add_test(tc, options_change_between_two_requests);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	free(cache);
	return failed != 0;
}
