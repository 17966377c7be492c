/*
 * Parts of WebSocket: frames, UTF-8, the handshake, compression.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ws_client.h"
#include "../../secondary/proto/ws_frame.h"
#include "../../secondary/proto/ws_shake.h"
#include "../../secondary/proto/ws_utf8.h"
#include "../../secondary/proto/ws_zip.h"

/* ---- frames ---- */

/* RFC 6455 (5.7): a masked text "Hello". */
START_TEST(header_of_the_example_is_read_and_payload_unmasked)
{
	const uint8_t in[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f,
	    0x4d, 0x51, 0x58 };
	struct ws_head h;
	uint8_t out[5];
	uint32_t n;

	for (n = 0; n < 6; n++)
		ck_assert_int_eq(ws_head_parse(&h, in, n, false), 0);
	ck_assert_int_eq(ws_head_parse(&h, in, sizeof(in), false), 6);
	ck_assert(h.fin && !h.rsv1);
	ck_assert_int_eq(h.op, WS_TEXT);
	ck_assert_uint_eq(h.len, 5);
	/* In two parts: the mask goes on where it was. */
	n = ws_mask(out, in + 6, 3, h.mask);
	ws_mask(out + 3, in + 9, 2, n);
	ck_assert_mem_eq(out, "Hello", 5);
}
END_TEST

struct head_row {
	uint8_t in[14];
	uint8_t n;
	int want;
};

/* RFC 6455 (5.2, 5.5): what is wrong is known as soon as it can be. */
static const struct head_row head_rows[] = {
	{ { 0x91 }, 1, -1002 },			/* RSV3 */
	{ { 0xa1 }, 1, -1002 },			/* RSV2 */
	{ { 0xc1 }, 1, -1002 },			/* RSV1 without extension */
	{ { 0x83 }, 1, -1002 },			/* reserved, data */
	{ { 0x87 }, 1, -1002 },
	{ { 0x8b }, 1, -1002 },			/* reserved, control */
	{ { 0x8f }, 1, -1002 },
	{ { 0x09 }, 1, -1002 },			/* Ping in fragments */
	{ { 0x81, 0x05 }, 2, -1002 },		/* no mask */
	{ { 0x89, 0xfe }, 2, -1002 },		/* Ping of more than 125 */
	{ { 0x88, 0xff }, 2, -1002 },
	{ { 0x82, 0xfe, 0, 125 }, 4, -1002 },	/* not the shortest form */
	{ { 0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 10, -1002 },
	{ { 0x82, 0xff, 0x80 }, 3, 0 },
	{ { 0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0 }, 10, -1002 },
	{ { 0x82, 0xfe, 0, 126, 1, 2, 3, 4 }, 8, 8 },
	{ { 0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4 }, 14, 14 },
	{ { 0x00, 0x80, 1, 2, 3, 4 }, 6, 6 },
};

START_TEST(header_is_judged)
{
	const struct head_row *w = &head_rows[_i];
	struct ws_head h;

	ck_assert_int_eq(ws_head_parse(&h, w->in, w->n, false), w->want);
}
END_TEST

/* RFC 7692 (6): RSV1 on the first data frame of a message, and no other. */
START_TEST(rsv1_means_compressed_on_first_data_frames_only)
{
	const uint8_t text[] = { 0x41, 0x80, 0, 0, 0, 0 };
	const uint8_t cont[] = { 0xc0, 0x80, 0, 0, 0, 0 };
	const uint8_t ping[] = { 0xc9, 0x80, 0, 0, 0, 0 };
	struct ws_head h;

	ck_assert_int_eq(ws_head_parse(&h, text, 6, true), 6);
	ck_assert(h.rsv1 && !h.fin);
	ck_assert_int_eq(ws_head_parse(&h, cont, 6, true), -1002);
	ck_assert_int_eq(ws_head_parse(&h, ping, 6, true), -1002);
}
END_TEST

/* RFC 6455 (5.2): the minimal number of bytes encodes the length. */
START_TEST(written_headers_have_the_shortest_form)
{
	static const struct { uint64_t len; uint32_t size; } row[] = {
		{ 0, 2 }, { 125, 2 }, { 126, 4 }, { 65535, 4 }, { 65536, 10 },
		{ UINT64_C(1) << 40, 10 },
	};
	uint8_t out[WS_OUT_MAX + 4];
	struct ws_head h;
	uint32_t i, n;

	for (i = 0; i < 6; i++) {
		n = ws_head_write(out, WS_FIN | WS_BINARY, row[i].len);
		ck_assert_uint_eq(n, row[i].size);
		/* Read back, with a mask. */
		out[1] |= 0x80;
		memset(out + n, 0, 4);
		ck_assert_int_eq(ws_head_parse(&h, out, n + 4, false),
		    (int)n + 4);
		ck_assert_uint_eq(h.len, row[i].len);
	}
}
END_TEST

/* RFC 6455 (7.4): Autobahn's 7.7 and 7.9. */
START_TEST(close_codes_are_judged)
{
	static const int good[] = { 1000, 1001, 1002, 1003, 1007, 1008, 1009,
	    1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999 };
	static const int bad[] = { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100,
	    2000, 2999, 5000, 65535 };
	uint8_t p[4] = { 0, 0, 0xce, 0xba };
	uint32_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		p[0] = (uint8_t)(good[i] >> 8);
		p[1] = (uint8_t)good[i];
		ck_assert_int_eq(ws_close_parse(p, 2), good[i]);
		ck_assert_int_eq(ws_close_parse(p, 4), good[i]);
		ck_assert_int_eq(ws_close_parse(p, 3), -1007);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p[0] = (uint8_t)(bad[i] >> 8);
		p[1] = (uint8_t)bad[i];
		ck_assert_int_eq(ws_close_parse(p, 2), -1002);
	}
	ck_assert_int_eq(ws_close_parse(p, 0), WS_NO_CODE);
	ck_assert_int_eq(ws_close_parse(p, 1), -1002);
}
END_TEST

/* ---- UTF-8 ---- */

/* RFC 3629 (4), by counting code points: the plain way. */
static bool
valid(const uint8_t *p, uint32_t n)
{
	uint32_t i, k, need, cp, least;

	for (i = 0; i < n; i += need + 1) {
		need = p[i] < 0x80 ? 0 : p[i] >> 5 == 6 ? 1 :
		    p[i] >> 4 == 14 ? 2 : p[i] >> 3 == 30 ? 3 : 9;
		if (need == 9 || i + need >= n)
			return false;
		cp = need == 0 ? p[i] : p[i] & (0x3f >> need);
		for (k = 1; k <= need; k++) {
			if (p[i + k] >> 6 != 2)
				return false;
			cp = cp << 6 | (p[i + k] & 0x3f);
		}
		least = need == 0 ? 0 : need == 1 ? 0x80 :
		    need == 2 ? 0x800 : 0x10000;
		if (cp < least || cp > 0x10ffff || (cp >> 11) == 0x1b)
			return false;
	}
	return true;
}

START_TEST(utf8_agrees_with_the_plain_way)
{
	uint32_t rnd = 1, round, n, i, s;
	uint8_t p[24];

	for (round = 0; round < 400000; round++) {
		n = round % 9;
		for (i = 0; i < n; i++) {
			rnd = rnd * 1664525 + 1013904223;
			s = rnd >> 16;
			/* Mostly near the limits. */
			p[i] = (uint8_t)(s & 0x100 ? 0x80 | (s & 0x3f) :
			    s & 0x200 ? 0xe0 | (s & 0x1f) : s);
		}
		ck_assert_int_eq(ws_utf8(WS_UTF8_DONE, p, n) == WS_UTF8_DONE,
		    valid(p, n));
		/* In two pieces. */
		s = WS_UTF8_DONE;
		s = ws_utf8(s, p, n / 2);
		s = ws_utf8(s, p + n / 2, n - n / 2);
		ck_assert_int_eq(s == WS_UTF8_DONE, valid(p, n));
	}
}
END_TEST

/* Autobahn 6.4: the byte after which nothing valid can follow is the one. */
START_TEST(utf8_fails_at_the_first_bad_byte)
{
	static const struct { const char *s; uint32_t at; } row[] = {
		{ "\xce\xba\xf4\x90\x80\x80", 3 }, { "\xc0\xaf", 0 },
		{ "\xc1", 0 }, { "\xed\xa0\x80", 1 }, { "\xe0\x9f", 1 },
		{ "\xf0\x8f", 1 }, { "\xf5", 0 }, { "\x80", 0 },
		{ "aaaaaaaaaaaaaaaa\xff", 16 }, { "\xe2\x82" "a", 2 },
	};
	uint32_t i, k, s;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		for (s = WS_UTF8_DONE, k = 0; k < row[i].at; k++)
			s = ws_utf8(s, (const uint8_t *)row[i].s + k, 1);
		ck_assert_uint_ne(s, WS_UTF8_BAD);
		s = ws_utf8(s, (const uint8_t *)row[i].s + k, 1);
		ck_assert_uint_eq(s, WS_UTF8_BAD);
	}
}
END_TEST

/* ---- handshake ---- */

START_TEST(base64_is_that_of_rfc_4648)
{
	static const char *const row[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	char out[16];
	uint32_t i;

	for (i = 0; i < 7; i++) {
		memset(out, 0, sizeof(out));
		ws_base64(out, (const uint8_t *)row[i][0],
		    (uint32_t)strlen(row[i][0]));
		ck_assert_str_eq(out, row[i][1]);
	}
}
END_TEST

struct shake_row {
	const char *head;
	int want;
};

#define GET	"GET /chat HTTP/1.1\r\nHost: a\r\n"
#define UP	"Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY	"Sec-WebSocket-Key: " WSC_KEY "\r\n"
#define V13	"Sec-WebSocket-Version: 13\r\n"

/* RFC 6455 (4.2.1), (4.4) */
static const struct shake_row shake_rows[] = {
	{ WSC_REQUEST(""), 101 },
	{ GET "UPGRADE: h2c, WebSocket\r\nConnection: foo,UPGRADE\r\n" KEY V13
	    "\r\n", 101 },
	{ "POST /chat HTTP/1.1\r\nHost: a\r\n" UP KEY V13 "\r\n", 405 },
	{ "GET /chat HTTP/1.0\r\nHost: a\r\n" UP KEY V13 "\r\n", 400 },
	{ GET "\r\n", 426 },
	{ GET "Upgrade: websocket\r\n" KEY V13 "\r\n", 426 },
	{ GET "Connection: Upgrade\r\n" KEY V13 "\r\n", 426 },
	{ GET "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY V13 "\r\n", 426 },
	{ GET UP KEY "\r\n", 400 },
	{ GET UP KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426 },
	{ GET UP KEY "Sec-WebSocket-Version: 014\r\n\r\n", 426 },
	{ GET UP KEY V13 V13 "\r\n", 400 },
	{ GET UP V13 "\r\n", 400 },
	{ GET UP KEY KEY V13 "\r\n", 400 },
	{ GET UP "Sec-WebSocket-Key: \r\n" V13 "\r\n", 400 },
	{ GET UP "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" V13 "\r\n",
	    400 },
	{ GET UP "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!\r\n" V13 "\r\n",
	    400 },
	{ GET UP "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n" V13 "\r\n",
	    400 },
	{ GET UP "Sec-WebSocket-Key: dGhlIHNh*XBsZSBub25jZQ==\r\n" V13 "\r\n",
	    400 },
	{ GET UP KEY V13 "Content-Length: 5\r\n\r\n", 400 },
	{ GET UP KEY V13 "Content-Length: 0\r\n\r\n", 101 },
	{ GET UP KEY V13 "Origin: http://evil.example\r\n\r\n", 403 },
	{ GET UP KEY V13 "Origin: HTTP://good.example\r\n\r\n", 101 },
	{ GET UP KEY V13 "Origin: http://good.example.evil\r\n\r\n", 403 },
	{ GET UP KEY V13 "Sec-WebSocket-Protocol: a b\r\n\r\n", 400 },
	{ GET UP KEY V13 "Sec-WebSocket-Extensions: ;\r\n\r\n", 400 },
};

static int
shake(const char *head, struct ws_agreed *a)
{
	static struct opt_list protocols = { 2, { "chat", "superchat" } };
	static struct opt_list origins = { 1, { "http://good.example" } };
	const struct ws_rules rules = { &protocols, &origins, true };
	const struct http_limits limits = { 1000, 100 };
	struct http_req r;

	ck_assert_int_eq(http_req_parse(&r, head, (uint32_t)strlen(head),
	    &limits), 0);
	return ws_shake(&r, &rules, a);
}

START_TEST(handshake_is_judged)
{
	const struct shake_row *w = &shake_rows[_i];
	struct ws_agreed a;
	char text[1024];
	struct fmt f;

	ck_assert_int_eq(shake(w->head, &a), w->want);
	fmt_init(&f, text, sizeof(text));
	ws_shake_answer(&f, w->want, &a);
	ck_assert(!fmt_cut(&f));
	fmt_end(&f);
	ck_assert_int_eq(strtol(text + 9, NULL, 10), w->want);
	/* RFC 6455 (4.2.2, 4.4) */
	ck_assert_int_eq(strstr(text, "Sec-WebSocket-Version: 13\r\n") !=
	    NULL, w->want == 426);
	ck_assert_int_eq(strstr(text, "Sec-WebSocket-Accept: " WSC_ACCEPT
	    "\r\n") != NULL, w->want == 101);
	ck_assert_int_eq(strstr(text, "Allow: GET\r\n") != NULL,
	    w->want == 405);
}
END_TEST

/* RFC 6455 (4.2.2, 5): one of the client's, or no field at all. */
START_TEST(subprotocol_is_the_clients_first_that_we_speak)
{
	static const char *const row[][2] = {
		{ "x, superchat, chat", "superchat" }, { "chat", "chat" },
		{ "Chat", NULL }, { "x\r\nSec-WebSocket-Protocol: chat",
		"chat" },
	};
	struct ws_agreed a;
	char head[1024];
	uint32_t i;

	for (i = 0; i < 4; i++) {
		snprintf(head, sizeof(head),
		    GET UP KEY V13 "Sec-WebSocket-Protocol: %s\r\n\r\n",
		    row[i][0]);
		ck_assert_int_eq(shake(head, &a), 101);
		if (row[i][1] == NULL)
			ck_assert_ptr_null(a.protocol);
		else
			ck_assert_str_eq(a.protocol, row[i][1]);
	}
}
END_TEST

struct ext_row {
	const char *value;
	int err;
	int bits;		/* 0: declined */
	int said;
};

/* RFC 6455 (9.1), RFC 7692 (5, 7.1) */
static const struct ext_row ext_rows[] = {
	{ "permessage-deflate", 0, 15, 0 },
	{ "Permessage-Deflate ; Client_max_window_bits", 0, 15, 0 },
	{ "permessage-deflate; client_max_window_bits", 0, 15, 0 },
	{ "permessage-deflate; client_max_window_bits=10", 0, 15, 0 },
	{ "permessage-deflate; client_max_window_bits=7", 0, 0, 0 },
	{ "permessage-deflate; client_max_window_bits=16", 0, 0, 0 },
	{ "permessage-deflate; client_max_window_bits=08", 0, 0, 0 },
	{ "permessage-deflate; server_max_window_bits=9", 0, 9, 1 },
	{ "permessage-deflate; server_max_window_bits=\"10\"", 0, 10, 1 },
	{ "permessage-deflate; server_max_window_bits=8", 0, 8, 1 },
	{ "permessage-deflate; server_max_window_bits", 0, 0, 0 },
	{ "permessage-deflate; server_no_context_takeover; "
	    "client_no_context_takeover", 0, 15, 0 },
	{ "permessage-deflate; server_no_context_takeover=1", 0, 0, 0 },
	{ "permessage-deflate; server_no_context_takeover; "
	    "server_no_context_takeover", 0, 0, 0 },
	{ "permessage-deflate; foo", 0, 0, 0 },
	{ "permessage-deflate; foo, permessage-deflate", 0, 15, 0 },
	{ "permessage-deflate; server_max_window_bits=10, "
	    "permessage-deflate", 0, 10, 1 },
	{ "x-webkit-deflate-frame, bar; a=\"b\"; c=d", 0, 0, 0 },
	{ "", 0, 0, 0 },
	{ ",, permessage-deflate ,", 0, 15, 0 },
	{ "permessage-deflate;", -1, 0, 0 },
	{ "permessage-deflate; a=", -1, 0, 0 },
	{ "permessage-deflate; a=\"b", -1, 0, 0 },
	{ "permessage-deflate; a=\"\"", -1, 0, 0 },
	{ "permessage-deflate foo", -1, 0, 0 },
	{ "=", -1, 0, 0 },
};

START_TEST(extension_offers_are_judged)
{
	const struct ext_row *w = &ext_rows[_i];
	const struct http_slice v = { w->value, (uint32_t)strlen(w->value) };
	struct ws_agreed a;

	memset(&a, 0, sizeof(a));
	ck_assert_int_eq(ws_extensions(&v, &a), w->err);
	if (w->err < 0)
		return;
	ck_assert_int_eq(a.deflate, w->bits > 0);
	ck_assert_int_eq(a.bits, w->bits);
	ck_assert_int_eq(a.said_bits, w->said);
}
END_TEST

/* ---- compression ---- */

/* Deflate and inflate in pieces of any size. */
START_TEST(what_is_deflated_inflates_again_for_every_window)
{
	static struct ws_zip z;
	static uint8_t data[200000], zip[260000], back[200064];
	uint8_t bits = (uint8_t)(8 + _i);
	const uint8_t *p = data;
	uint32_t i, n = sizeof(data), len = 0, got = 0, made, room;
	int k;

	for (i = 0; i < n; i++)
		data[i] = (uint8_t)(i % 5000 < 3000 ? i * i >> 7 : i % 3);
	ck_assert_int_eq(ws_deflate_begin(&z, bits, 6), 0);
	do {
		room = 1000;
		made = ws_deflate(&z, &p, &n, zip + len, room, true);
		len += made;
	} while (made == room);
	ck_assert_uint_gt(len, 4);
	ck_assert_mem_eq(zip + len - 4, ws_zip_tail, 4);
	/* Within the window that was agreed on. */
	struct wsc_buf b = { 0 };
	wsc_zip(&b, zip, len - 4, 0, bits);
	ck_assert_uint_eq(b.n, sizeof(data));
	ck_assert_mem_eq(b.p, data, sizeof(data));
	free(b.p);
	ck_assert_int_eq(ws_inflate_begin(&z), 0);
	p = zip;
	n = len;
	do {
		k = ws_inflate(&z, &p, &n, back + got, 777);
		ck_assert_int_ge(k, 0);
		got += (uint32_t)k;
		ck_assert_uint_le(got, sizeof(data));
	} while (k == 777);
	ck_assert_uint_eq(got, sizeof(data));
	ck_assert_uint_eq(n, 0);
	ck_assert(ws_inflate_whole(&z));
	ck_assert_mem_eq(back, data, sizeof(data));
}
END_TEST

/* RFC 7692 (7.2.3): the examples, each twice, anew. */
START_TEST(examples_of_rfc_7692_inflate)
{
	static const char *const row[] = { "f248cdc9c90700",
	    "000500faff48656c6c6f00", "f348cdc9c9070000",
	    "f24805000000ffffcac9c90700" };
	static struct ws_zip z;
	struct wsc_buf b = { 0 };
	char text[80];
	uint8_t out[64];
	const uint8_t *p;
	uint32_t n;

	snprintf(text, sizeof(text), "=%s0000ffff", row[_i / 2]);
	wsc_payload(&b, text, strlen(text));
	p = b.p;
	n = (uint32_t)b.n;
	ck_assert_int_eq(ws_inflate_begin(&z), 0);
	ck_assert_int_eq(ws_inflate(&z, &p, &n, out, sizeof(out)), 5);
	ck_assert(ws_inflate_whole(&z));
	ck_assert_mem_eq(out, "Hello", 5);
	free(b.p);
}
END_TEST

START_TEST(damaged_data_are_found)
{
	static struct ws_zip z;
	const uint8_t bad[] = { 0x07, 0xff, 0xff }, cut[] = { 0xf2, 0x48 };
	const uint8_t *p = bad;
	uint8_t out[64];
	uint32_t n = sizeof(bad);

	ck_assert_int_eq(ws_inflate_begin(&z), 0);
	ck_assert_int_lt(ws_inflate(&z, &p, &n, out, sizeof(out)), 0);
	p = cut;
	n = sizeof(cut);
	ck_assert_int_eq(ws_inflate_begin(&z), 0);
	ck_assert_int_ge(ws_inflate(&z, &p, &n, out, sizeof(out)), 0);
	ck_assert(!ws_inflate_whole(&z));
}
END_TEST

#define ROWS(t)	(int)(sizeof(t) / sizeof((t)[0]))

int
main(void)
{
	Suite *s = suite_create("ws_parts");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc,
	    header_of_the_example_is_read_and_payload_unmasked);
	tcase_add_loop_test(tc, header_is_judged, 0, ROWS(head_rows));
	tcase_add_test(tc, rsv1_means_compressed_on_first_data_frames_only);
	tcase_add_test(tc, written_headers_have_the_shortest_form);
	tcase_add_test(tc, close_codes_are_judged);
	tcase_add_test(tc, utf8_agrees_with_the_plain_way);
	tcase_add_test(tc, utf8_fails_at_the_first_bad_byte);
	tcase_add_test(tc, base64_is_that_of_rfc_4648);
	tcase_add_loop_test(tc, handshake_is_judged, 0, ROWS(shake_rows));
	tcase_add_test(tc, subprotocol_is_the_clients_first_that_we_speak);
	tcase_add_loop_test(tc, extension_offers_are_judged, 0,
	    ROWS(ext_rows));
	tcase_add_loop_test(tc,
	    what_is_deflated_inflates_again_for_every_window, 0, 8);
	tcase_add_loop_test(tc, examples_of_rfc_7692_inflate, 0, 8);
	tcase_add_test(tc, damaged_data_are_found);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
