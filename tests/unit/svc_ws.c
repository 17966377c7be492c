/*
 * The ws service over a mock of conn.h: the cases of the Autobahn suite by
 * class, however bytes come and room is given, in one process or in many.
 */
#include <check.h>

#include "mock_conn.h"
#include "ws_client.h"
#include "../../secondary/svc/ws/ws_priv.h"

extern const struct service ws_service;

struct row {
	const char *in;		/* frames of the client */
	const char *want;	/* what comes back, whole */
	bool open;		/* and the connection goes on */
};

/* Close of ours */
#define OK	"F8:=03e8"
#define BAD	"F8:=03ea"
#define DATA	"F8:=03ef"
#define BIG	"F8:=03f1"
#define BYE	"|F8:=03e8"

static const struct row rows[] = {
	/* 1: framing */
	{ "F1:" BYE, "F1:" BYE, false },
	{ "F1:*125" BYE, "F1:*125" BYE, false },
	{ "F1:*126" BYE, "F1:*126" BYE, false },
	{ "F1:*127" BYE, "F1:*127" BYE, false },
	{ "F1:*128" BYE, "F1:*128" BYE, false },
	{ "F1:*65535" BYE, "F1:*65535" BYE, false },
	{ "F2:*65536" BYE, "F2:*65536" BYE, false },
	{ "F2:" BYE, "F2:" BYE, false },
	{ "F2:=00ff80c0" BYE, "F2:=00ff80c0" BYE, false },
	/* 2: pings and pongs */
	{ "F9:" BYE, "Fa:" BYE, false },
	{ "F9:Hello, world!" BYE, "Fa:Hello, world!" BYE, false },
	{ "F9:=00fffefdfcfb00ff" BYE, "Fa:=00fffefdfcfb00ff" BYE, false },
	{ "F9:*125" BYE, "Fa:*125" BYE, false },
	{ "F9:*126", BAD, false },
	{ "Fa:" BYE, OK, false },
	{ "Fa:unsolicited|F9:p" BYE, "Fa:p" BYE, false },
	{ "F9:1|F9:2|F9:3|F9:4", "Fa:1|Fa:2|Fa:3|Fa:4", true },
	/* 3: reserved bits */
	{ "FT1:Hello", BAD, false },
	{ "F1:small|FS1:Hello|F9:", "F1:small|" BAD, false },
	{ "F1:small|FST1:Hello|F9:", "F1:small|" BAD, false },
	{ "FR1:Hello", BAD, false },
	{ "FRT2:Hello", BAD, false },
	{ "FRS9:Hello", BAD, false },
	{ "FRST8:", BAD, false },
	/* 4: opcodes */
	{ "F3:", BAD, false },
	{ "F4:reserved|F9:", BAD, false },
	{ "F1:a|F5:|F9:", "F1:a|" BAD, false },
	{ "F1:a|F6:b|F9:", "F1:a|" BAD, false },
	{ "F7:", BAD, false },
	{ "Fb:", BAD, false },
	{ "F1:a|Fc:x|F9:", "F1:a|" BAD, false },
	{ "Fd:", BAD, false }, { "Fe:", BAD, false }, { "Ff:", BAD, false },
	/* 5: fragmentation */
	{ "9:fragment1|Fa:", BAD, false },
	{ "a:fragment1|Fa:", BAD, false },
	{ "1:fragment1|F0:fragment2" BYE, "F1:fragment1fragment2" BYE, false },
	{ "1:fragment1|F9:p|F0:fragment2" BYE,
	    "Fa:p|F1:fragment1fragment2" BYE, false },
	{ "F0:non-continuation|F1:Hello", BAD, false },
	{ "0:non-continuation|F1:Hello", BAD, false },
	{ "1:fragment1|F0:fragment2|F0:fragment3|F1:x",
	    "F1:fragment1fragment2|" BAD, false },
	{ "1:fragment1|F1:fragment2", BAD, false },
	{ "1:f1|0:f2|F9:p1|0:f3|0:f4|F9:p2|F0:f5" BYE,
	    "Fa:p1|Fa:p2|F1:f1f2f3f4f5" BYE, false },
	{ "1:|0:|F0:" BYE, "F1:" BYE, false },
	{ "1:|0:middle|F0:" BYE, "F1:middle" BYE, false },
	{ "2:|F0:=00" BYE, "F2:=00" BYE, false },
	/* 6: UTF-8 */
	{ "F1:=cebae1bdb9cf83cebcceb5" BYE, "F1:=cebae1bdb9cf83cebcceb5" BYE,
	    false },
	{ "1:=ce|0:=ba|0:=e1|0:=bd|0:=b9|F0:" BYE, "F1:=cebae1bdb9" BYE,
	    false },
	{ "1:=ce|F9:|F0:=ba" BYE, "Fa:|F1:=ceba" BYE, false },
	{ "F1:=cebae1bdb9cf83cebcceb5eda080656469746564", DATA, false },
	{ "1:=cebae1bdb9cf83cebcceb5|0:=f4908080|F0:=656469746564", DATA,
	    false },
	{ "1:=cebae1bdb9cf83cebcceb5f4|0:=90", DATA, false },
	{ "1:=f4|F0:=8f", DATA, false },
	{ "F1:=ce", DATA, false }, { "F1:=e1bd", DATA, false },
	{ "F1:=f48fbfbf" BYE, "F1:=f48fbfbf" BYE, false },
	{ "F1:=f4908080", DATA, false }, { "F1:=c080", DATA, false },
	{ "F1:=eda080", DATA, false }, { "F1:=efbfbf" BYE,
	    "F1:=efbfbf" BYE, false },
	{ "F1:=fe", DATA, false }, { "F1:=80", DATA, false },
	{ "2:=ce|F0:=ff" BYE, "F2:=ceff" BYE, false },
	/* 7: close */
	{ "F1:Hello" BYE, "F1:Hello" BYE, false },
	{ OK BYE, OK, false }, { OK "|F9:", OK, false },
	{ OK "|F1:x", OK, false }, { "1:a" BYE "|F0:b", OK, false },
	{ "F8:", "F8:", false }, { "F8:=03", BAD, false },
	{ "F8:=03e8486921", OK, false },
	{ "F8:=03e8ceba", OK, false }, { "F8:=03e8ceff", DATA, false },
	{ "F8:*126", BAD, false }, { "8:=03e8", BAD, false },
	{ "F8:=0000", BAD, false }, { "F8:=03e7", BAD, false },
	{ "F8:=03ec", BAD, false }, { "F8:=03ed", BAD, false },
	{ "F8:=03ee", BAD, false }, { "F8:=03f8", BAD, false },
	{ "F8:=044c", BAD, false }, { "F8:=07d0", BAD, false },
	{ "F8:=0bb7", BAD, false }, { "F8:=ffff", BAD, false },
	{ "F8:=0bb8", "F8:=0bb8", false }, { "F8:=1387", "F8:=1387", false },
	{ "F8:=03f3", "F8:=03f3", false }, { "F8:=03e9", "F8:=03e9", false },
	/* RFC 6455 (5.1): a client masks */
	{ "FU1:Hello", BAD, false }, { "FU9:", BAD, false },
	/* 9: the limit of this test is 100,000 */
	{ "F2:*100000" BYE, "F2:*100000" BYE, false },
	{ "F2:*100001", BIG, false },
	{ "2:*60000|0:*40000|F0:" BYE, "F2:*100000" BYE, false },
	{ "2:*60000|0:*40000|F0:x", BIG, false },
};

/* 12, 13: the same with RFC 7692. */
static const struct row zip_rows[] = {
	{ "FR1~" BYE, "F1:" BYE, false },
	{ "FR1~Hello" BYE, "F1:Hello" BYE, false },
	{ "FR1:=f248cdc9c90700" BYE, "F1:Hello" BYE, false },
	{ "R1:=f248cd|F0:=c9c90700" BYE, "F1:Hello" BYE, false },
	{ "R1:=f2|F9:p|0:|0:=48cd|F9:q|F0:=c9c90700" BYE,
	    "Fa:p|Fa:q|F1:Hello" BYE, false },
	{ "FR1:=000500faff48656c6c6f00" BYE, "F1:Hello" BYE, false },
	{ "FR1:=f348cdc9c9070000" BYE, "F1:Hello" BYE, false },
	{ "FR1:=f24805000000ffffcac9c90700" BYE, "F1:Hello" BYE, false },
	{ "FR2~*4096" BYE, "F2:*4096" BYE, false },
	{ "FR2~*65536|F1:plain|FR1~x" BYE, "F2:*65536|F1:plain|F1:x" BYE,
	    false },
	{ "FR2~*100000" BYE, "F2:*100000" BYE, false },
	{ "FR2~*100001", BIG, false },
	/* Neither on a continuation nor on a control frame (6.1) */
	{ "1:a|FR0~b", BAD, false },
	{ "R1:=f248|FR0:=cdc9c90700", BAD, false },
	{ "FR9~p", BAD, false },
	{ "R1:=f248|F1:x", BAD, false },
	/* data that do not inflate, or end within a block */
	{ "FR1:=07ffff", DATA, false },
	{ "FR1:=f248", DATA, false },
	/* UTF-8 is judged behind the inflater (8.1) */
	{ "FR1~=cebae1bdb9" BYE, "F1:=cebae1bdb9" BYE, false },
	{ "FR1~=ceff", DATA, false },
	{ "FR1~=ce", DATA, false },
	{ "R1:=f248" BYE "|F0:", OK, false },
};

static void
set_option(uint8_t *conf, const char *name, int64_t v)
{
	const struct opt *o = ws_service.desc->opts->opts;

	while (o->name != NULL && strcmp(o->name, name) != 0)
		o++;
	ck_assert_ptr_nonnull(o->name);
	if (o->type == OPT_ENUM)
		*(int32_t *)(void *)(conf + o->offset) = (int32_t)v;
	else
		*(int64_t *)(void *)(conf + o->offset) = v;
}

static struct net *
make(const char *opt, int64_t v)
{
	uint8_t *conf = mock_conf(&ws_service);
	struct net *n;
	int err;

	set_option(conf, "max_message", 100000);
	if (opt != NULL)
		set_option(conf, opt, v);
	n = mock_start(&ws_service, conf, NULL, &err);
	ck_assert_int_eq(err, 0);
	return n;
}

/* Shake hands; what came back is taken away. */
static struct conn *
open_ws(struct net *n, const char *request)
{
	struct conn *c = mock_conn();

	mock_event(n, c, CONN_OPEN);
	mock_input(n, c, request, strlen(request));
	ck_assert_uint_gt(c->out_len, 13);
	ck_assert_mem_eq(c->out, "HTTP/1.1 101 ", 13);
	c->out_len = 0;
	mock_ack(n, c);
	return c;
}

/* How a row is played. */
#define BYTES	1		/* each byte by itself */
#define TIGHT	2		/* little room, given again and again */
#define REBORN	4		/* another process after each byte or ACK */
#define WAYS	8

static void
play(struct net *n, struct conn *c, const uint8_t *p, size_t len, int way)
{
	size_t i, part = way & BYTES ? (len > 3000 ? 997 : 1) : len;

	c->sndbuf = way & TIGHT ? 700 : 0;
	for (i = 0; i < len && mock_alive(c); i += part) {
		if (part > len - i)
			part = len - i;
		mock_input(n, c, p + i, part);
		if (way & REBORN)
			mock_restart(n);
		mock_ack(n, c);
	}
	for (i = 0; i < 1000 && mock_alive(c) && (c->want > 0 ||
	    c->timer != 0); i++) {
		if (way & REBORN)
			mock_restart(n);
		if (c->want == 0)
			break;
		mock_ack(n, c);
	}
}

/* What came back is what the row wants. */
static void
judge(const struct row *w, const struct conn *c)
{
	struct wsc_in got = { .bits = 15 };
	struct wsc_buf data = { 0 };
	const char *s = w->want;
	uint32_t i;

	ck_assert_msg(wsc_read(&got, c->out, c->out_len) == c->out_len &&
	    !got.wrong, "%s: our frames are wrong", w->in);
	for (i = 0; i < got.n; i++) {
		ck_assert_msg(*s != '\0', "%s: too much comes back", w->in);
		ck_assert_msg(wsc_hex(s[1]) == got.m[i].op,
		    "%s: answer %u has opcode %u", w->in, i, got.m[i].op);
		data.n = 0;
		wsc_payload(&data, s + 3, strcspn(s + 3, "|"));
		ck_assert_msg(data.n == got.m[i].data.n && (data.n == 0 ||
		    memcmp(data.p, got.m[i].data.p, data.n) == 0),
		    "%s: answer %u differs", w->in, i);
		s += strcspn(s, "|");
		s += *s == '|';
	}
	ck_assert_msg(*s == '\0', "%s: only %u answers", w->in, got.n);
	ck_assert_msg(!c->aborted && c->closed == !w->open,
	    "%s: how it ends", w->in);
	wsc_free(&got);
	free(data.p);
}

static void
play_row(const struct row *w, const char *request, int way)
{
	struct net *n = make(NULL, 0);
	struct conn *c = open_ws(n, request);
	struct wsc_buf in = { 0 };

	wsc_frames(&in, w->in);
	play(n, c, in.p, in.n, way);
	judge(w, c);
	free(in.p);
	mock_free(c);
	mock_stop(n);
}

START_TEST(cases_without_compression)
{
	play_row(&rows[_i / WAYS], WSC_REQUEST(""), _i % WAYS);
}
END_TEST

/* What is not compressed is treated alike when compression was agreed on. */
START_TEST(cases_with_compression)
{
	uint32_t k = (uint32_t)_i / WAYS, all = sizeof(rows) / sizeof(rows[0]);

	if (k >= all)
		play_row(&zip_rows[k - all], WSC_REQUEST(WSC_DEFLATE),
		    _i % WAYS);
	else if (strncmp(rows[k].in, "FR", 2) != 0)
		play_row(&rows[k], WSC_REQUEST(WSC_DEFLATE), _i % WAYS);
}
END_TEST

/* Data that do not compress: longer than what is held unread. */
static void
noise(struct wsc_buf *b, uint32_t n)
{
	uint32_t i, v = 7;
	uint8_t c;

	for (i = 0; i < n; i++) {
		v = v * 1664525 + 1013904223;
		c = (uint8_t)(v >> 24);
		wsc_add(b, &c, 1);
	}
}

/* A connection that is to get one compressed message, and what comes back. */
struct zipped {
	struct wsc_buf data, zip, in;
	struct wsc_in got;
	struct net *n;
	struct conn *c;
};

/* bits: of the window that request makes the server's. */
static void
zipped_begin(struct zipped *z, const char *request, int bits)
{
	*z = (struct zipped){ .got = { .bits = bits }, .n = make(NULL, 0) };
	z->c = open_ws(z->n, request);
}

/* What came back is right, and so many messages. */
static void
zipped_read(struct zipped *z, uint32_t messages)
{
	ck_assert_uint_eq(wsc_read(&z->got, z->c->out, z->c->out_len),
	    z->c->out_len);
	ck_assert(!z->got.wrong);
	ck_assert_uint_eq(z->got.n, messages);
}

static void
zipped_end(struct zipped *z)
{
	wsc_free(&z->got);
	free(z->data.p);
	free(z->zip.p);
	free(z->in.p);
	mock_free(z->c);
	mock_stop(z->n);
}

/* RFC 7692: a message of any size, in fragments, for each window of ours. */
START_TEST(long_compressed_messages_come_back)
{
	static const char *const offer[] = { "", "; server_max_window_bits=9",
	    "; server_max_window_bits=8", "; client_max_window_bits" };
	static const int bits[] = { 15, 9, 8, 15 };
	char request[1024];
	struct zipped z;
	size_t i, part;

	snprintf(request, sizeof(request), WSC_REQUEST(
	    "Sec-WebSocket-Extensions: permessage-deflate%s\r\n"),
	    offer[_i % 4]);
	zipped_begin(&z, request, bits[_i % 4]);
	noise(&z.data, 99000);
	wsc_zip(&z.zip, z.data.p, z.data.n, 1, 15);
	ck_assert_uint_gt(z.zip.n, 2 * WS_HOLD);
	for (i = 0; i < z.zip.n; i += part) {
		part = z.zip.n - i < 1000 ? z.zip.n - i : 1000;
		wsc_frame(&z.in, (uint8_t)((i == 0 ? 0x42 : 0) |
		    (i + part == z.zip.n ? 0x80 : 0)), z.zip.p + i, part, 1);
		if (i == 50000)
			wsc_frames(&z.in, "F9:mid");
	}
	play(z.n, z.c, z.in.p, z.in.n, _i / 4);
	if (_i / 4 & BYTES)
		ck_assert_uint_lt(conn_readable(z.c), 1000);
	zipped_read(&z, 2);
	ck_assert_uint_eq(z.got.m[0].op, WS_PONG);
	ck_assert_uint_eq(z.got.m[1].data.n, z.data.n);
	ck_assert_mem_eq(z.got.m[1].data.p, z.data.p, z.data.n);
	ck_assert(mock_alive(z.c));
	zipped_end(&z);
}
END_TEST

/* A message that is held unread is deflated once more by a successor, and its
 * answer goes on where it stood. */
START_TEST(held_compressed_messages_outlive_their_process)
{
	struct zipped z;
	uint32_t i;

	zipped_begin(&z, WSC_REQUEST(WSC_DEFLATE), 15);
	noise(&z.data, 20000);
	for (i = 0; i < 40000; i++) {
		uint8_t b = z.data.p[i * 7 % 20000];

		wsc_add(&z.data, &b, 1);
	}
	for (i = 0; i < 10000; i++)
		wsc_add(&z.data, "ab", 2);
	wsc_zip(&z.zip, z.data.p, z.data.n, 1, 15);
	wsc_frame(&z.in, 0xc2, z.zip.p, z.zip.n, 1);
	wsc_frames(&z.in, "F1:next");
	z.c->sndbuf = 600 + (uint32_t)_i * 37;
	mock_input(z.n, z.c, z.in.p, z.in.n);
	for (i = 0; i < 1000 && z.c->want > 0; i++) {
		if (i % 3 != 2)
			mock_restart(z.n);
		mock_ack(z.n, z.c);
	}
	ck_assert_uint_gt(i, 20);
	zipped_read(&z, 2);
	ck_assert_uint_eq(z.got.m[0].data.n, z.data.n);
	ck_assert_mem_eq(z.got.m[0].data.p, z.data.p, z.data.n);
	ck_assert_mem_eq(z.got.m[1].data.p, "next", 4);
	ck_assert_uint_eq(conn_readable(z.c), 0);
	zipped_end(&z);
}
END_TEST

/* zlib's state does not survive: a message that was partly consumed ends
 * its connection with 1011, and nothing wrong is ever sent. */
START_TEST(a_successor_ends_a_long_compressed_message)
{
	struct zipped z;

	zipped_begin(&z, WSC_REQUEST(WSC_DEFLATE), 15);
	noise(&z.data, 99000);
	wsc_zip(&z.zip, z.data.p, z.data.n, 1, 15);
	wsc_frame(&z.in, 0xc2, z.zip.p, z.zip.n, 1);
	mock_input(z.n, z.c, z.in.p, 50000);
	ck_assert(mock_alive(z.c));
	mock_restart(z.n);
	mock_input(z.n, z.c, z.in.p + 50000, z.in.n - 50000);
	zipped_read(&z, 1);
	ck_assert_uint_eq(z.got.m[0].op, WS_CLOSE);
	ck_assert_mem_eq(z.got.m[0].data.p, "\x03\xf3", 2);
	ck_assert(z.c->closed);
	zipped_end(&z);
}
END_TEST

struct bad_shake {
	const char *request, *want;
};

static const struct bad_shake bad_shakes[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 " },
	{ "GET /\r\n\r\n", "HTTP/1.1 400 " },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 405 " },
	{ "\x16\x03\x01\x02\r\n\r\n", "HTTP/1.1 400 " },
};

/* RFC 6455 (4.2.2): refused by a status, and the connection ends. */
START_TEST(a_request_that_asks_for_nothing_is_refused)
{
	const struct bad_shake *w = &bad_shakes[_i];
	struct net *n = make(NULL, 0);
	struct conn *c = mock_conn();
	size_t i;

	mock_event(n, c, CONN_OPEN);
	for (i = 0; w->request[i] != '\0'; i++)
		mock_input(n, c, w->request + i, 1);
	ck_assert_uint_gt(c->out_len, 13);
	ck_assert_mem_eq(c->out, w->want, 13);
	ck_assert(c->closed);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* RFC 9110 (9.3.2): what answers a HEAD is a head. */
START_TEST(a_head_gets_no_body)
{
	static const char *const asks[] = {
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
	};
	struct net *n = make(NULL, 0);
	struct conn *c;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		c = mock_conn();
		mock_event(n, c, CONN_OPEN);
		mock_input(n, c, asks[i], strlen(asks[i]));
		ck_assert_mem_eq(c->out, i == 0 ? "HTTP/1.1 405 " :
		    "HTTP/1.1 400 ", 13);
		ck_assert_mem_eq(c->out + c->out_len - 4, "\r\n\r\n", 4);
		ck_assert(c->closed);
		mock_free(c);
	}
	mock_stop(n);
}
END_TEST

/* When there is not one chunk free, the answer waits for one, whatever it is;
 * nothing is counted before it can be given. */
START_TEST(an_answer_without_room_waits_for_it)
{
	static const char *const asks[][2] = {
		{ WSC_REQUEST(""), "HTTP/1.1 101 " },
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 426 " },
		{ "GET /\r\n\r\n", "HTTP/1.1 400 " },
	};
	struct conn *c;
	struct net *n;
	uint32_t i;

	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		n = make(NULL, 0);
		c = mock_conn();
		mock_event(n, c, CONN_OPEN);
		c->sndbuf = c->copied = 4096;
		mock_input(n, c, asks[i][0], strlen(asks[i][0]));
		ck_assert(mock_alive(c) && c->out_len == 0 && c->want > 0);
		ck_assert_uint_eq(n->counters[WS_OPENED] +
		    n->counters[WS_REFUSED], 0);
		if (i & 1)
			mock_restart(n);
		mock_ack(n, c);
		ck_assert_mem_eq(c->out, asks[i][1], 13);
		ck_assert_uint_eq(n->counters[WS_OPENED], i == 0);
		ck_assert_uint_eq(n->counters[WS_REFUSED], i > 0);
		ck_assert(!c->aborted && c->closed == (i > 0));
		mock_free(c);
		/* not for ever */
		c = mock_conn();
		mock_event(n, c, CONN_OPEN);
		c->sndbuf = c->copied = 4096;
		mock_input(n, c, asks[i][0], strlen(asks[i][0]));
		mock_pass(n, c, 10100000);
		ck_assert(c->aborted);
		mock_free(c);
		mock_stop(n);
	}
}
END_TEST

/* The longest answer is given in one piece. */
START_TEST(subprotocols_have_names_of_200_bytes_at_most)
{
	struct opt_list *l;
	struct net *n = make(NULL, 0);
	uint32_t len;
	struct conn *c;
	char ask[600];
	const struct opt *o = ws_service.desc->opts->opts;

	while (strcmp(o->name, "protocols") != 0)
		o++;
	l = (void *)((uint8_t *)(uintptr_t)n->svc.conf + o->offset);
	for (len = 200; len < 202; len++) {
		l->n = 1;
		memset(l->s[0], 'p', len);
		l->s[0][len] = '\0';
		ck_assert_int_eq(n->svc.service->start(&n->svc, n->now),
		    len == 200 ? 0 : -EINVAL);
		if (len > 200)
			break;
		snprintf(ask, sizeof(ask), WSC_REQUEST(
		    "Sec-WebSocket-Protocol: %s\r\n"
		    "Sec-WebSocket-Extensions: permessage-deflate; "
		    "server_max_window_bits=10\r\n"), l->s[0]);
		c = open_ws(n, ask);
		mock_free(c);
	}
	ck_assert_ptr_nonnull(strstr(n->log, "more than 200 bytes"));
	mock_stop(n);
}
END_TEST

START_TEST(slow_and_endless_requests_are_refused)
{
	struct net *n = make(NULL, 0);
	struct conn *c = mock_conn();
	char line[1000];

	mock_event(n, c, CONN_OPEN);
	mock_input(n, c, "GET / HTTP/1.1\r\n", 16);
	mock_pass(n, c, 10100000);
	ck_assert_mem_eq(c->out, "HTTP/1.1 408 ", 13);
	mock_free(c);
	c = mock_conn();
	mock_event(n, c, CONN_OPEN);
	memset(line, 'a', sizeof(line));
	while (mock_alive(c))
		mock_input(n, c, line, sizeof(line));
	ck_assert_mem_eq(c->out, "HTTP/1.1 431 ", 13);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* A peer that stops within a message, or takes nothing, is not kept. */
START_TEST(stalled_clients_end)
{
	struct net *n = make("stall_timeout_ms", 1000);
	struct conn *c = open_ws(n, WSC_REQUEST(""));
	struct wsc_buf b = { 0 };

	mock_pass(n, c, 5000000);
	ck_assert(mock_alive(c));
	wsc_frames(&b, "1:begun");
	mock_input(n, c, b.p, b.n);
	mock_pass(n, c, 1100000);
	ck_assert(c->closed);
	ck_assert_mem_eq(c->out + c->out_len - 4, "\x88\x02\x03\xf0", 4);
	mock_free(c);
	c = open_ws(n, WSC_REQUEST(""));
	c->sndbuf = 2;
	b.n = 0;
	wsc_frames(&b, "F9:nobody reads this");
	mock_input(n, c, b.p, b.n);
	mock_pass(n, c, 1100000);
	ck_assert(c->aborted);
	free(b.p);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* RFC 6455 (5.5.2): a Ping asks whether the peer is there. */
START_TEST(silent_clients_are_asked_and_then_left)
{
	struct net *n = make("ping_ms", 1000);
	struct conn *c = open_ws(n, WSC_REQUEST(""));
	struct wsc_buf b = { 0 };
	int i;

	wsc_frames(&b, "Fa:");
	for (i = 0; i < 5; i++) {
		c->out_len = 0;
		mock_pass(n, c, 1100000);
		ck_assert_uint_eq(c->out_len, 2);
		ck_assert_mem_eq(c->out, "\x89\x00", 2);
		mock_input(n, c, b.p, b.n);
		ck_assert(mock_alive(c));
	}
	mock_pass(n, c, 2200000);
	ck_assert(c->closed);
	free(b.p);
	mock_free(c);
	mock_stop(n);
}
END_TEST

START_TEST(push_sends_at_its_rate)
{
	struct net *n = make("mode", WS_MODE_PUSH);
	struct conn *c = open_ws(n, WSC_REQUEST(WSC_DEFLATE));
	struct wsc_in got = { .bits = 15 };
	struct wsc_buf b = { 0 };

	/* ten a second; bad text is noticed here, too */
	mock_pass(n, c, 5000000);
	wsc_read(&got, c->out, c->out_len);
	ck_assert(!got.wrong);
	ck_assert_uint_ge(got.n, 49);
	ck_assert_uint_le(got.n, 51);
	ck_assert_uint_eq(got.m[40].data.n, 64);
	ck_assert_mem_eq(got.m[40].data.p, "{\"seq\":", 7);
	wsc_frames(&b, "F1:fine|FR1~=ceff");
	mock_input(n, c, b.p, b.n);
	ck_assert(c->closed);
	wsc_free(&got);
	free(b.p);
	mock_free(c);
	mock_stop(n);
}
END_TEST

/* A FIN without Close: nothing is to be said any more. */
START_TEST(a_peer_that_leaves_without_close_is_closed)
{
	struct net *n = make(NULL, 0);
	struct conn *c = open_ws(n, WSC_REQUEST(""));

	mock_input(n, c, "\x81", 1);
	mock_fin(n, c);
	ck_assert(c->closed);
	ck_assert_uint_eq(c->out_len, 0);
	mock_free(c);
	mock_stop(n);
}
END_TEST

#define ROWS(t)	(int)(sizeof(t) / sizeof((t)[0]))

int
main(void)
{
	Suite *s = suite_create("svc_ws");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, cases_without_compression, 0,
	    ROWS(rows) * WAYS);
	tcase_add_loop_test(tc, cases_with_compression, 0,
	    (ROWS(rows) + ROWS(zip_rows)) * WAYS);
	tcase_add_loop_test(tc, long_compressed_messages_come_back, 0, 16);
	tcase_add_loop_test(tc,
	    held_compressed_messages_outlive_their_process, 0, 12);
	tcase_add_test(tc, a_successor_ends_a_long_compressed_message);
	tcase_add_loop_test(tc, a_request_that_asks_for_nothing_is_refused, 0,
	    ROWS(bad_shakes));
	tcase_add_test(tc, a_head_gets_no_body);
	tcase_add_test(tc, an_answer_without_room_waits_for_it);
	tcase_add_test(tc, subprotocols_have_names_of_200_bytes_at_most);
	tcase_add_test(tc, slow_and_endless_requests_are_refused);
	tcase_add_test(tc, stalled_clients_end);
	tcase_add_test(tc, silent_clients_are_asked_and_then_left);
	tcase_add_test(tc, push_sends_at_its_rate);
	tcase_add_test(tc, a_peer_that_leaves_without_close_is_closed);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
