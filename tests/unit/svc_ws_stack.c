/*
 * WebSocket over two real stacks in memory, by the ws service and by the path
 * of http, while the server's process is replaced again and again.
 */
#include <check.h>
#include <stdio.h>

#include "../lib/plain.h"
#include "ws_client.h"
#include "../../secondary/svc/http/http_priv.h"

#define SEC		UINT64_C(1000000)
#define CLIENTS		24u
#define PORT		80u

extern const struct service ws_service, http_service;

/* One client: what it still sends, what it got. */
struct peer {
	struct wsc_buf out, in;
	size_t sent;
	uint32_t step;		/* bytes of one turn; 0: all that go */
	bool open, gone;
	int err;
};

static struct plain server, client;
static struct plain_box to_server, to_client;
static struct svc svc;
static _Atomic uint64_t counters[SVC_COUNTERS];
static char said[4096];
static uint64_t now;
static struct peer peer[CLIENTS];

static const struct fcache *
io_root(void *arg, const char *path)
{
	return NULL;
}

static int64_t
io_wall(void *arg)
{
	return 1700000000 + (int64_t)(now / SEC);
}

static void
io_log(void *arg, const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static void
io_done(void *arg, int status)
{
	abort();
}

static const struct svc_io io = {
	.root = io_root, .wall = io_wall, .log = io_log, .report = io_log,
	.done = io_done,
};

static void
server_event(void *arg, struct conn *c, uint32_t events)
{
	svc.service->event(&svc, c, events);
}

/* The client's side of each connection; its state is the peer's number. */
static void
client_event(void *arg, struct conn *c, uint32_t events)
{
	struct peer *p = &peer[*(uint32_t *)conn_state(c)];
	const uint8_t *data;
	uint32_t n;

	while ((n = conn_peek(client.net, c, 0, &data)) > 0) {
		wsc_add(&p->in, data, n);
		conn_consume(client.net, c, n);
	}
	if (events & CONN_GONE) {
		p->gone = true;
		p->err = conn_error(c);
		return;
	}
	p->open = true;
	n = (uint32_t)(p->out.n - p->sent);
	if (p->step > 0 && n > p->step)
		n = p->step;
	n = conn_write(client.net, c, p->out.p + p->sent, n);
	p->sent += n;
	if (p->sent < p->out.n)
		conn_want_room(client.net, c, 1);
	if (conn_eof(c)) {
		p->gone = true;
		conn_close(client.net, c);
	}
}

static void
start(void)
{
	free(svc.priv);
	svc.priv = calloc(1, svc.service->priv_size);
	ck_assert_msg(svc.service->start(&svc, now) == 0, "%s", said);
}

static void
set_option(uint8_t *conf, const char *name, int64_t v)
{
	const struct opt *o = svc.service->desc->opts->opts;

	while (o->name != NULL && strcmp(o->name, name) != 0)
		o++;
	ck_assert_ptr_nonnull(o->name);
	*(int32_t *)(void *)(conf + o->offset) = (int32_t)v;
}

static uint8_t *
defaults(const struct service *sv)
{
	const struct opt *o;
	uint8_t *conf = calloc(1, sv->desc->opts->size);

	assert(conf != NULL);
	for (o = sv->desc->opts->opts; o->name != NULL; o++) {
		if (o->type == OPT_INT)
			*(int64_t *)(void *)(conf + o->offset) = o->def;
		else if (o->type == OPT_ENUM)
			*(int32_t *)(void *)(conf + o->offset) =
			    (int32_t)o->def;
		else if (o->defstr != NULL)
			snprintf((char *)conf + o->offset, OPT_STRLEN, "%s",
			    o->defstr);
	}
	return conf;
}

static void
set_up(bool http, enum ws_mode mode)
{
	struct net_addr any = { .port = PORT };
	uint8_t *conf;

	now = SEC;
	memset(peer, 0, sizeof(peer));
	memset(&svc, 0, sizeof(svc));
	memset((void *)counters, 0, sizeof(counters));
	svc.service = http ? &http_service : &ws_service;
	conf = defaults(svc.service);
	set_option(conf, http ? "ws_mode" : "mode", mode);
	if (http)
		snprintf(((struct http_conf *)(void *)conf)->ws, OPT_STRLEN,
		    "/chat");
	plain_conf(&server, 1, 64);
	server.conf.shape.state_size =
	    (svc.service->desc->state_size + 7) & ~7u;
	server.env.event = server_event;
	plain_init(&server, now);
	plain_conf(&client, 2, 64);
	client.env.event = client_event;
	plain_init(&client, now);
	svc.net = server.net;
	svc.conf = conf;
	svc.counters = counters;
	svc.io = &io;
	svc.count = 1;
	start();
	ck_assert_int_eq(net_listen(server.net, &any), 0);
	atomic_store(&to_server.n, 0);
	atomic_store(&to_client.n, 0);
}

static void
tear_down(void)
{
	const char *why;
	uint32_t i;

	why = plain_count(&server);
	ck_assert_msg(why == NULL, "server: %s", why);
	for (i = 0; i < CLIENTS; i++) {
		free(peer[i].out.p);
		free(peer[i].in.p);
	}
	free((void *)(uintptr_t)svc.conf);
	free(svc.priv);
	svc.priv = NULL;
	plain_fini(&server);
	plain_fini(&client);
}

static void
dial(uint32_t i, const char *request)
{
	struct net_addr to = { .addr = { 10, 0, 0, 1 }, .port = PORT,
	    .family = 4 };
	struct conn *c;

	wsc_add(&peer[i].out, request, strlen(request));
	ck_assert_int_eq(net_connect(client.net, NULL, &to, now, &c), 0);
	*(uint32_t *)conn_state(c) = i;
}

/* One turn of both; die: another process takes the server's place. */
static void
turn(bool die)
{
	const char *why;

	plain_turn(&client, &to_client, &to_server, now);
	if (die) {
		why = plain_adopt(&server, PORT, now);
		ck_assert_msg(why == NULL, "%s", why);
		start();
	}
	plain_turn(&server, &to_server, &to_client, now);
	svc.service->tick(&svc, now);
	now += 100;
}

/* The messages of peer i, behind the answer to its request. */
static void
messages(uint32_t i, struct wsc_in *in)
{
	struct peer *p = &peer[i];
	uint8_t *end = memmem(p->in.p, p->in.n, "\r\n\r\n", 4);
	size_t n;

	memset(in, 0, sizeof(*in));
	in->bits = 15;
	if (end == NULL)
		return;
	ck_assert_mem_eq(p->in.p, "HTTP/1.1 101 ", 13);
	n = p->in.n - (size_t)(end + 4 - p->in.p);
	wsc_read(in, end + 4, n);
	ck_assert(!in->wrong);
}

/* Something to send: text or binary of n bytes, in fragments. */
static void
speak(struct wsc_buf *b, uint32_t n, uint32_t v, bool zip, uint32_t frag)
{
	struct wsc_buf data = { 0 }, zipped = { 0 }, *p = &data;
	uint32_t i, part;
	uint8_t c;

	for (i = 0; i < n; i++) {
		c = (uint8_t)('a' + (i * v + i / 11 + v) % 26);
		wsc_add(&data, &c, 1);
	}
	if (zip) {
		wsc_zip(&zipped, data.p, data.n, 1, 15);
		p = &zipped;
	}
	for (i = 0; i < p->n || i == 0; i += part) {
		part = (uint32_t)p->n - i < frag ? (uint32_t)p->n - i : frag;
		wsc_frame(b, (uint8_t)((i == 0 ? (zip ? 0x41 : 1) : 0) |
		    (i + part == p->n ? 0x80 : 0)), p->p + i, part, 1);
		if (part == 0)
			break;
	}
	free(data.p);
	free(zipped.p);
}

static bool
is_spoken(const struct wsc_buf *b, uint32_t n, uint32_t v)
{
	uint32_t i;

	if (b->n != n)
		return false;
	for (i = 0; i < n; i++)
		if (b->p[i] != (uint8_t)('a' + (i * v + i / 11 + v) % 26))
			return false;
	return true;
}

struct echo_row {
	bool http, zip;
	uint32_t len, frag, step, kill;
};

static const struct echo_row echo_rows[] = {
	{ false, false, 60, 100, 0, 0 },
	{ false, false, 300000, 5000, 0, 0 },
	{ false, false, 300000, 1000000, 0, 3 },
	{ false, false, 300, 7, 1, 1 },
	{ true, false, 60, 100, 0, 0 },
	{ true, false, 100000, 3000, 0, 2 },
	{ false, true, 60, 100, 0, 1 },
	{ false, true, 60000, 500, 0, 1 },
	{ false, true, 2000, 9, 1, 1 },
	{ true, true, 60000, 20000, 333, 1 },
	{ true, true, 300000, 100000, 0, 0 },
};

/* Byte-exact, whoever sits in the slot: see ws_conn.h for what is held. */
START_TEST(echo_outlives_its_process)
{
	const struct echo_row *w = &echo_rows[_i];
	uint32_t i, k, turns = 0, done = 0;
	struct wsc_in in;

	set_up(w->http, WS_MODE_ECHO);
	for (i = 0; i < 3; i++) {
		dial(i, w->zip ? WSC_REQUEST(WSC_DEFLATE) : WSC_REQUEST(""));
		peer[i].step = w->step;
		for (k = 0; k < 4; k++)
			speak(&peer[i].out, w->len, i * 4 + k, w->zip,
			    w->frag);
		wsc_frames(&peer[i].out, "F9:end|F8:=03e8");
	}
	while (done < 3) {
		turn(w->kill > 0 && turns % w->kill == w->kill - 1);
		ck_assert_uint_lt(++turns, 200000);
		for (i = done = 0; i < 3; i++)
			done += peer[i].gone;
	}
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(peer[i].err, 0);
		messages(i, &in);
		ck_assert_uint_eq(in.n, 6);
		for (k = 0; k < 4; k++)
			ck_assert(is_spoken(&in.m[k].data, w->len, i * 4 + k));
		ck_assert_uint_eq(in.m[4].op, WS_PONG);
		ck_assert_uint_eq(in.m[5].op, WS_CLOSE);
		ck_assert_mem_eq(in.m[5].data.p, "\x03\xe8", 2);
		wsc_free(&in);
	}
	if (w->kill > 0)
		ck_assert_uint_gt(server.counters[CNT_conn_adopted], 5);
	tear_down();
}
END_TEST

/*
 * RFC 9293 §3.7.4 lets a short segment wait until the one before is
 * acknowledged, and a peer that waits for the rest of a message puts that off:
 * 40 ms for a message that comes back in short pieces.
 */
START_TEST(a_messages_tail_waits_for_no_acknowledgement)
{
	uint32_t k;

	set_up(_i != 0, WS_MODE_ECHO);
	dial(0, WSC_REQUEST(""));
	for (k = 0; k < 1000 && peer[0].in.n == 0; k++)
		turn(false);
	ck_assert(conn_at(server.net, 0)->flags & TF_NODELAY);
	tear_down();
}
END_TEST

/* All clients of the slot get each message once, in one order. */
START_TEST(broadcast_reaches_all_in_one_order)
{
	static const uint32_t len[] = { 5, 0, 30000, 4093, 200, 17 };
	struct wsc_in in, first;
	uint32_t i, k, turns;

	set_up(_i & 1, WS_MODE_BROADCAST);
	for (i = 0; i < CLIENTS; i++)
		dial(i, i & 1 ? WSC_REQUEST("") : WSC_REQUEST(WSC_DEFLATE));
	for (turns = 0; turns < 500; turns++)
		turn(_i & 2 && turns % 7 == 0);
	for (i = 0; i < CLIENTS; i++) {
		ck_assert(peer[i].open && peer[i].in.n > 0);
		/* Wake them up: each third says something, some compressed. */
		if (i % 3 == 0)
			speak(&peer[i].out, len[i / 3 % 6], i, i % 2 == 0,
			    1000);
	}
	for (i = 0; i < CLIENTS; i++) {
		struct conn *c = conn_enter(client.net, i);

		ck_assert_ptr_nonnull(c);
		conn_want_room(client.net, c, 1);
		conn_leave(client.net, c);
	}
	for (turns = 0; turns < 3000; turns++)
		turn(false);
	messages(0, &first);
	ck_assert_uint_eq(first.n, CLIENTS / 3);
	for (i = 1; i < CLIENTS; i++) {
		messages(i, &in);
		ck_assert_uint_eq(in.n, first.n);
		for (k = 0; k < in.n; k++) {
			ck_assert_uint_eq(in.m[k].data.n, first.m[k].data.n);
			if (in.m[k].data.n > 0)
				ck_assert_mem_eq(in.m[k].data.p,
				    first.m[k].data.p, in.m[k].data.n);
		}
		wsc_free(&in);
	}
	wsc_free(&first);
	tear_down();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_ws_stack");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, echo_outlives_its_process, 0,
	    (int)(sizeof(echo_rows) / sizeof(echo_rows[0])));
	tcase_add_loop_test(tc,
	    a_messages_tail_waits_for_no_acknowledgement, 0, 2);
	tcase_add_loop_test(tc, broadcast_reaches_all_in_one_order, 0, 4);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
