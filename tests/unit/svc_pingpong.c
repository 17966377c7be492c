/*
 * The client of echo servers over a mock of conn.h: the test is the server.
 */
#include <check.h>

#include "mock_conn.h"

#include "../../secondary/proto/ws_frame.h"

extern const struct service pingpong_service;

static struct net *
start(const char *url, int64_t bytes)
{
	const struct opt *o;
	uint8_t *conf = mock_conf(&pingpong_service);
	struct net *n;
	int err;

	for (o = pingpong_service.desc->opts->opts; o->name != NULL; o++) {
		if (strcmp(o->name, "url") == 0)
			snprintf((char *)conf + o->offset, OPT_STRLEN, "%s",
			    url);
		if (strcmp(o->name, "bytes") == 0)
			memcpy(conf + o->offset, &bytes, sizeof(bytes));
		if (strcmp(o->name, "duration_s") == 0)
			memcpy(conf + o->offset, &(int64_t){ 1 }, 8);
	}
	n = mock_start(&pingpong_service, conf, NULL, &err);
	ck_assert_int_eq(err, 0);
	pingpong_service.tick(&n->svc, n->now);
	ck_assert_uint_eq(n->nconns, 1);
	mock_event(n, n->conns[0], CONN_OPEN);
	return n;
}

/* What came since the last call goes back as it is. */
static void
echo(struct net *n, struct conn *c)
{
	uint32_t from = c->taken;

	c->taken = c->out_len;
	mock_input(n, c, c->out + from, c->taken - from);
}

static void
finish(struct net *n, int status)
{
	n->now += 1000000;
	echo(n, n->conns[0]);
	pingpong_service.tick(&n->svc, n->now);
	ck_assert_int_eq(n->done, status + 1);
	ck_assert(n->conns[0]->aborted);
}

START_TEST(a_message_goes_there_and_back)
{
	struct net *n = start("tcp://10.0.0.1:7", 64);
	struct conn *c = n->conns[0];
	uint32_t i;

	ck_assert_uint_eq(c->out_len, 64);
	for (i = 0; i < 9; i++) {
		n->now += 10;
		echo(n, c);
		ck_assert_uint_eq(c->out_len, 64 * (i + 2));
	}
	finish(n, 0);
	ck_assert_ptr_nonnull(strstr(n->report, "\"messages\": 10,"));
	ck_assert_ptr_nonnull(strstr(n->report, "\"p50_ns\": 10"));
	mock_stop(n);
}
END_TEST

/* In pieces, too: nothing is sent before all is back. */
START_TEST(half_a_message_is_none)
{
	struct net *n = start("tcp://10.0.0.1:7", 64);
	struct conn *c = n->conns[0];

	c->piece = 7;
	mock_input(n, c, c->out, 30);
	ck_assert_uint_eq(c->out_len, 64);
	mock_input(n, c, c->out + 30, 34);
	ck_assert_uint_eq(c->out_len, 128);
	mock_stop(n);
}
END_TEST

START_TEST(wrong_bytes_and_closed_connections_fail)
{
	struct net *n = start("tcp://10.0.0.1:7", 64);
	struct conn *c = n->conns[0];

	if (_i == 0) {
		c->out[5] ^= 1;
		echo(n, c);
	} else {
		mock_fin(n, c);
	}
	ck_assert(c->aborted);
	pingpong_service.tick(&n->svc, n->now);
	ck_assert_int_eq(n->done, 2);
	ck_assert_ptr_nonnull(strstr(n->report, _i == 0 ? "\"wrong\": 1" :
	    "\"closed\": 1"));
	mock_stop(n);
}
END_TEST

#define YES	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" \
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

START_TEST(websocket_messages_are_masked)
{
	static const int64_t sizes[] = { 1, 64, 125, 126, 1024 };
	struct net *n = start("ws://10.0.0.1/chat", sizes[_i]);
	struct conn *c = n->conns[0];
	uint8_t back[1100], head;
	struct ws_head h;
	uint32_t at, i;
	int size;

	ck_assert(memcmp(c->out, "GET /chat HTTP/1.1\r\nHost: 10.0.0.1\r\n",
	    36) == 0);
	at = c->out_len;
	mock_input(n, c, YES, strlen(YES));
	for (i = 0; i < 3; i++) {
		size = ws_head_parse(&h, c->out + at, c->out_len - at, false);
		ck_assert_int_gt(size, 0);
		ck_assert_uint_eq(h.len, (uint64_t)sizes[_i]);
		ck_assert_uint_eq(h.op, WS_BINARY);
		head = (uint8_t)ws_head_write(back, WS_FIN | WS_BINARY,
		    h.len);
		ws_mask(back + head, c->out + at + size, (uint32_t)h.len,
		    h.mask);
		ck_assert_int_eq(back[head], 'a');
		at = c->out_len;
		mock_input(n, c, back, head + h.len);
		ck_assert_uint_gt(c->out_len, at);
	}
	mock_stop(n);
}
END_TEST

START_TEST(a_refused_handshake_fails)
{
	static const char *const no[] = {
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 101 X\r\n\r\n",
	};
	struct net *n = start("ws://10.0.0.1/chat", 64);

	mock_input(n, n->conns[0], no[_i], strlen(no[_i]));
	ck_assert(n->conns[0]->aborted);
	pingpong_service.tick(&n->svc, n->now);
	ck_assert_ptr_nonnull(strstr(n->report, "\"handshake\": 1"));
	mock_stop(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_pingpong");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_message_goes_there_and_back);
	tcase_add_test(tc, half_a_message_is_none);
	tcase_add_loop_test(tc, wrong_bytes_and_closed_connections_fail, 0, 2);
	tcase_add_loop_test(tc, websocket_messages_are_masked, 0, 5);
	tcase_add_loop_test(tc, a_refused_handshake_fails, 0, 2);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
