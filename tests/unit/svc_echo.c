/*
 * The echo service over a mock of conn.h.
 */
#include <check.h>

#include "mock_conn.h"

extern const struct service echo_service;

/* Leading part of echo.c's options: the test sets them by name. */
static struct net *
start(const char *opt, int64_t value)
{
	uint8_t *conf = mock_conf(&echo_service);
	const struct opt *o;
	struct net *n;
	int err;

	for (o = echo_service.desc->opts->opts; opt != NULL; o++) {
		ck_assert_ptr_nonnull(o->name);
		if (strcmp(o->name, opt) != 0)
			continue;
		if (o->type == OPT_ENUM)
			*(int32_t *)(conf + o->offset) = (int32_t)value;
		else
			*(int64_t *)(conf + o->offset) = value;
		break;
	}
	n = mock_start(&echo_service, conf, NULL, &err);
	ck_assert_int_eq(err, 0);
	return n;
}

static struct conn *
open_conn(struct net *n)
{
	struct conn *c = mock_conn();

	mock_event(n, c, CONN_OPEN);
	return c;
}

/* RFC 862: every byte, in order, however bytes and room come. */
START_TEST(bytes_come_back_in_order)
{
	struct net *n = start(NULL, 0);
	struct conn *c = open_conn(n);
	uint8_t data[20000];
	uint32_t i, m;

	/* what comes back in pieces waits for no acknowledgement */
	ck_assert(c->nodelay);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 7);
	c->piece = _i & 1 ? 13 : 0;
	c->sndbuf = _i & 2 ? 100 : 0;
	for (i = 0; i < sizeof(data); i += m) {
		m = sizeof(data) - i < 1500 ? (uint32_t)sizeof(data) - i :
		    1500;
		mock_input(n, c, data + i, m);
	}
	/* Back-pressure: what is not sent is not read either. */
	if (_i & 2)
		ck_assert_uint_eq(conn_readable(c), sizeof(data) - 100);
	mock_fin(n, c);
	while (mock_alive(c) && c->want > 0) {
		mock_restart(n);
		mock_ack(n, c);
	}
	ck_assert_uint_eq(c->out_len, sizeof(data));
	ck_assert(memcmp(c->out, data, sizeof(data)) == 0);
	/* Its half was closed: ours follows, behind all bytes. */
	ck_assert(c->closed && !c->aborted);
	mock_free(c);
	mock_stop(n);
}
END_TEST

START_TEST(a_peer_that_sends_nothing_is_answered_by_fin)
{
	struct net *n = start("mode", _i);
	struct conn *c = mock_conn();

	c->sndbuf = 1000;
	mock_event(n, c, CONN_OPEN);
	mock_fin(n, c);
	ck_assert(c->closed);
	mock_free(c);
	mock_stop(n);
}
END_TEST

START_TEST(discard_reads_all_and_sends_nothing)
{
	struct net *n = start("mode", 1);
	struct conn *c = open_conn(n);
	char data[5000] = "";

	mock_input(n, c, data, sizeof(data));
	ck_assert_uint_eq(conn_readable(c), 0);
	ck_assert_uint_eq(c->out_len, 0);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* RFC 864: lines of 72 characters, each a place further. */
START_TEST(chargen_sends_the_pattern_for_ever)
{
	struct net *n = start("mode", 2);
	struct conn *c = mock_conn();
	uint32_t i, line, col;
	uint8_t want;

	c->sndbuf = 1000;
	mock_event(n, c, CONN_OPEN);
	for (i = 0; i < 50; i++) {
		ck_assert_uint_gt(c->want, 0);
		mock_restart(n);
		mock_ack(n, c);
		mock_input(n, c, "ignored", 7);
	}
	ck_assert_uint_ge(c->out_len, 50000);
	for (i = 0; i < c->out_len; i++) {
		line = i / 74;
		col = i % 74;
		want = col == 72 ? '\r' : col == 73 ? '\n' :
		    (uint8_t)(' ' + (line + col) % 95);
		ck_assert_uint_eq(c->out[i], want);
	}
	ck_assert_uint_eq(conn_readable(c), 0);
	mock_fin(n, c);
	ck_assert(c->closed);
	mock_free(c);
	mock_stop(n);
}
END_TEST

START_TEST(idle_connections_end_after_their_time)
{
	struct net *n = start("idle_timeout_ms", 1000);
	struct conn *c = open_conn(n);
	uint32_t i;

	for (i = 0; i < 10; i++) {
		mock_pass(n, c, 900000);
		mock_input(n, c, "x", 1);
		mock_ack(n, c);
		ck_assert(mock_alive(c));
	}
	mock_pass(n, c, 1100000);
	ck_assert(c->closed);
	mock_free(c);
	/* One that takes nothing is reset: FIN would wait behind it. */
	c = open_conn(n);
	mock_input(n, c, "x", 1);
	mock_pass(n, c, 2100000);
	ck_assert(c->aborted);
	mock_free(c);
	mock_stop(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_echo");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, bytes_come_back_in_order, 0, 4);
	tcase_add_loop_test(tc, a_peer_that_sends_nothing_is_answered_by_fin,
	    0, 3);
	tcase_add_test(tc, discard_reads_all_and_sends_nothing);
	tcase_add_test(tc, chargen_sends_the_pattern_for_ever);
	tcase_add_test(tc, idle_connections_end_after_their_time);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
