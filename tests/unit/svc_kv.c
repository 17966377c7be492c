/*
 * The key-value service over two real stacks in memory, while the server's
 * process is replaced again and again.
 */
#include <check.h>
#include <stdio.h>

#include "../lib/plain.h"
#include "../../secondary/net/obj.h"
#include "../../secondary/svc/svc.h"

#define PORT	11u

extern const struct service kv_service;

/* As kv.c has it: the options in order. */
struct kv_conf {
	int64_t value_max;
	int64_t idle_timeout_ms;
};

static struct plain server, client;
static struct plain_box to_server, to_client;
static struct svc svc;
static struct kv_conf conf;
static _Atomic uint64_t counters[SVC_COUNTERS];
static char said[256];
static uint64_t now;

/* The client: what it still sends, what it got. */
static struct {
	const char *out;
	size_t len, sent, step;	/* step: bytes of one turn; 0: all */
	char in[1 << 20];
	size_t got;
	bool shut, end, gone;
} peer;

static void
io_log(void *arg, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static const struct svc_io io = { .log = io_log };

static void
on_server(void *arg, struct conn *c, uint32_t events)
{
	kv_service.event(&svc, c, events);
}

static void
on_client(void *arg, struct conn *c, uint32_t events)
{
	const uint8_t *p = NULL;
	size_t want;
	uint32_t n;

	while ((n = conn_peek(client.net, c, 0, &p)) > 0) {
		ck_assert_uint_le(peer.got + n, sizeof(peer.in));
		memcpy(peer.in + peer.got, p, n);
		peer.got += n;
		conn_consume(client.net, c, n);
	}
	if (events & CONN_GONE) {
		peer.gone = true;
		return;
	}
	want = peer.len - peer.sent;
	if (peer.step > 0 && want > peer.step)
		want = peer.step;
	peer.sent += conn_write(client.net, c, peer.out + peer.sent,
	    (uint32_t)want);
	if (peer.sent == peer.len && peer.shut)
		conn_shutdown(client.net, c);
	if (peer.sent < peer.len)
		conn_timer(client.net, c, now + 100);
	if (conn_eof(c)) {
		peer.end = true;
		conn_close(client.net, c);
	}
}

static void
start(void)
{
	free(svc.priv);
	svc.priv = calloc(1, kv_service.priv_size);
	ck_assert_ptr_nonnull(svc.priv);
	ck_assert_msg(kv_service.start(&svc, now) == 0, "%s", said);
}

static void
setup(void)
{
	struct net_addr any = { .port = PORT };

	now = 1000000;
	conf = (struct kv_conf){ .value_max = 8192 };
	plain_conf(&client, 1, 16);
	client.env.event = on_client;
	plain_init(&client, now);
	plain_conf(&server, 2, 16);
	server.conf.shape.state_size = kv_service.desc->state_size;
	server.conf.shape.objs = 64;
	server.conf.rto_min_us = client.conf.rto_min_us = 10000;
	server.env.event = on_server;
	plain_init(&server, now);
	svc = (struct svc){ .service = &kv_service, .net = server.net,
	    .conf = &conf, .counters = counters, .io = &io, .count = 1 };
	start();
	ck_assert_int_eq(net_listen(server.net, &any), 0);
	memset(&peer, 0, sizeof(peer));
}

static void
teardown(void)
{
	free(svc.priv);
	svc.priv = NULL;
	plain_fini(&server);
	plain_fini(&client);
}

/* Talk until the peer has got n bytes, or is gone. kill: the server's process
 * is replaced every so many turns. */
static void
talk(const char *out, size_t len, size_t n, uint32_t kill)
{
	struct net_addr to = { .addr = { 10, 0, 0, 2 }, .port = PORT,
	    .family = 4 };
	struct conn *c;
	uint32_t i, id;
	bool end;

	peer.out = out;
	peer.len = len;
	peer.sent = peer.got = 0;
	peer.end = peer.gone = false;
	ck_assert_int_eq(net_connect(client.net, NULL, &to, now, &c), 0);
	id = conn_id(client.net, c);
	for (i = 1; peer.got < n && !peer.gone && !peer.end &&
	    i < 200000; i++) {
		plain_turn(&client, &to_client, &to_server, now);
		plain_turn(&server, &to_server, &to_client, now);
		now += 50;
		if (kill == 0 || i % kill != 0)
			continue;
		ck_assert_ptr_null(plain_adopt(&server, PORT, now));
		start();
	}
	peer.in[peer.got < sizeof(peer.in) ? peer.got : 0] = '\0';
	end = peer.gone || peer.end;
	c = peer.gone ? NULL : conn_enter(client.net, id);
	if (c != NULL) {
		conn_abort(client.net, c);
		conn_leave(client.net, c);
	}
	for (i = 0; i < 4; i++) {
		plain_turn(&client, &to_client, &to_server, now);
		plain_turn(&server, &to_server, &to_client, now);
	}
	peer.end = end;
}

/* Whether the answers to a text are these, whole and byte by byte, also by a
 * process that was replaced meanwhile. */
static void
dialogue(const char *ask, const char *want)
{
	static const size_t steps[] = { 0, 1, 3 };
	uint32_t i, at;
	struct obj_view v;

	for (i = 0; i < 6; i++) {
		for (at = 0; at != UINT32_MAX;)
			if (obj_next(server.net, &at, 99, &v))
				(void)obj_del(server.net, v.key, v.klen);
		peer.step = steps[i % 3];
		talk(ask, strlen(ask), strlen(want), i < 3 ? 0 : 7);
		ck_assert_str_eq(peer.in, want);
	}
}

START_TEST(answers_are_as_the_head_of_the_file_says)
{
	static const char *const rows[][2] = {
		{ "SET a 1\nGET a\nDEL a\nGET a\nDEL a\n",
		  "OK\nVALUE 1\n1\nOK\nNONE\nNONE\n" },
		{ "SET a two words\r\nGET a\r\nCOUNT\r\n",
		  "OK\nVALUE 9\ntwo words\nCOUNT 1\n" },
		{ "SET a\nGET a\nSET a \nGET a\n",
		  "OK\nVALUE 0\n\nOK\nVALUE 0\n\n" },
		{ "PUT a 5\n1\n2\r3GET a\n", "OK\nVALUE 5\n1\n2\r3\n" },
		{ "PUT a 0\nGET a\nSET a 2\nGET a\n",
		  "OK\nVALUE 0\n\nOK\nVALUE 1\n2\n" },
		{ "\nset a 1\nGET\nGET \nGET  a\nGETS a\nSET a 1\n",
		  "ERROR command: SET, PUT, GET, DEL, COUNT or QUIT\n"
		  "ERROR command: SET, PUT, GET, DEL, COUNT or QUIT\n"
		  "ERROR key: 1 to 64 bytes without blanks\n"
		  "ERROR key: 1 to 64 bytes without blanks\n"
		  "ERROR key: 1 to 64 bytes without blanks\n"
		  "ERROR command: SET, PUT, GET, DEL, COUNT or QUIT\nOK\n" },
		{ "PUT a x\nGET a\n",
		  "ERROR length: PUT key length, 1 to 10 digits\n" },
		{ "PUT a 0000000001\nxPUT a 00000000001\nx", "OK\n"
		  "ERROR length: PUT key length, 1 to 10 digits\n" },
		{ "PUT a 8193\n", "ERROR long: the value or the line is too "
		  "long\n" },
		{ "PUT a 99999999999999999999\n",
		  "ERROR long: the value or the line is too long\n" },
		{ "GET 1234567890123456789012345678901234567890123456789012345"
		  "6789012345\nQUIT\n",
		  "ERROR key: 1 to 64 bytes without blanks\n" },
	};
	uint32_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		dialogue(rows[i][0], rows[i][1]);
}
END_TEST

START_TEST(a_request_that_never_ends_is_refused_and_the_end_closes)
{
	static char line[60000];

	memset(line, 'x', sizeof(line));
	talk(line, sizeof(line), 1000, 0);
	ck_assert_str_eq(peer.in, "ERROR long: the value or the line is too "
	    "long\n");
	ck_assert(peer.end);
	peer.shut = true;
	talk("SET a 1\nSET b", 13, 100, 0);
	ck_assert_str_eq(peer.in, "OK\n");
	ck_assert(peer.end);
}
END_TEST

/* Its line and its value together would never fit into the receive queue. */
START_TEST(a_length_with_endless_zeros_is_refused)
{
	static const char want[] =
	    "ERROR length: PUT key length, 1 to 10 digits\n";
	static char line[32768];

	conf.value_max = 32768;
	memset(line, '0', sizeof(line));
	memcpy(line, "PUT a ", 6);
	memcpy(line + sizeof(line) - 6, "32768\n", 6);
	talk(line, sizeof(line), sizeof(want) - 1, 0);
	ck_assert_str_eq(peer.in, want);
	ck_assert_uint_eq(obj_count(server.net), 0);
}
END_TEST

/* Requests without waiting, values that fill the send queue. */
START_TEST(many_requests_at_once_are_answered_in_order)
{
	static char ask[200000], want[900000];
	size_t a = 0, w = 0, n = 3000;
	uint32_t i, kill;
	char *v = calloc(1, n + 1);

	memset(v, 'v', n);
	for (i = 0; i < 200; i++) {
		a += (size_t)snprintf(ask + a, sizeof(ask) - a,
		    "SET k%u %u\nGET big\nDEL k%u\n", i, i, i);
		w += (size_t)snprintf(want + w, sizeof(want) - w,
		    "OK\nVALUE %zu\n%s\nOK\n", n, v);
	}
	for (kill = 0; kill < 50; kill += 9) {
		ck_assert_int_eq(obj_put(server.net, "big", 3, v,
		    (uint32_t)n), 0);
		talk(ask, a, w, kill);
		ck_assert_uint_eq(peer.got, w);
		ck_assert(memcmp(peer.in, want, w) == 0);
		ck_assert_uint_eq(obj_count(server.net), 1);
	}
	free(v);
}
END_TEST

START_TEST(no_room_is_an_error_and_what_was_there_stays)
{
	static char ask[5000], want[5000];
	size_t a = 0, w = 0;
	uint32_t i;

	for (i = 0; i < 70; i++) {
		a += (size_t)snprintf(ask + a, sizeof(ask) - a, "SET k%u %u\n",
		    i, i);
		w += (size_t)snprintf(want + w, sizeof(want) - w, "%s",
		    i < 64 ? "OK\n" : "ERROR full: no room for another "
		    "value\n");
	}
	a += (size_t)snprintf(ask + a, sizeof(ask) - a, "GET k63\nCOUNT\n");
	w += (size_t)snprintf(want + w, sizeof(want) - w,
	    "VALUE 2\n63\nCOUNT 64\n");
	talk(ask, a, w, 0);
	ck_assert_str_eq(peer.in, want);
}
END_TEST

START_TEST(a_value_that_cannot_be_received_refuses_to_start)
{
	server.net->conf.rcvbuf = 4096;
	ck_assert_int_lt(kv_service.start(&svc, now), 0);
	ck_assert_ptr_nonnull(strstr(said, "rcvbuf"));
}
END_TEST

START_TEST(an_idle_connection_is_closed)
{
	conf.idle_timeout_ms = 1000;
	/* more is awaited than will come */
	talk("SET a 1\n", 8, 100, 0);
	ck_assert_str_eq(peer.in, "OK\n");
	ck_assert(peer.end);
	ck_assert_uint_ge(now - 1000000, 1000000);
	ck_assert_uint_eq(counters[5], 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("kv");
	TCase *t = tcase_create("kv");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, answers_are_as_the_head_of_the_file_says);
	tcase_add_test(t,
	    a_request_that_never_ends_is_refused_and_the_end_closes);
	tcase_add_test(t, a_length_with_endless_zeros_is_refused);
	tcase_add_test(t, many_requests_at_once_are_answered_in_order);
	tcase_add_test(t, no_room_is_an_error_and_what_was_there_stays);
	tcase_add_test(t, a_value_that_cannot_be_received_refuses_to_start);
	tcase_add_test(t, an_idle_connection_is_closed);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
