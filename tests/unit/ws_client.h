/*
 * ws_client: frames of a WebSocket client for tests: written from a short
 * text, and read back from what a server sent.
 *
 * A text is a row of frames with '|' between them: "F1:Hello|F8:=03e8". First
 * the bits (F for FIN, R, S and T for RSV1 to 3, U: not masked), then the
 * opcode, ':' and the payload: characters, or '=' and hex digits, or '*' and
 * how many stars. '~' instead of ':' deflates the payload.
 */
#ifndef UNIT_WS_CLIENT_H
#define UNIT_WS_CLIENT_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define WSC_KEY		"dGhlIHNhbXBsZSBub25jZQ=="
#define WSC_ACCEPT	"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define WSC_REQUEST(more)						\
	"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"		\
	"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"	\
	"Sec-WebSocket-Key: " WSC_KEY "\r\n"				\
	"Sec-WebSocket-Version: 13\r\n" more "\r\n"
#define WSC_DEFLATE							\
	"Sec-WebSocket-Extensions: permessage-deflate\r\n"

struct wsc_buf {
	uint8_t *p;
	size_t n, cap;
};

static inline void
wsc_add(struct wsc_buf *b, const void *p, size_t n)
{
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		assert(b->p != NULL);
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

/* Deflate as RFC 7692 (7.2.1), or inflate as 7.2.2; appended to `to`. */
static inline void
wsc_zip(struct wsc_buf *to, const void *p, size_t n, int deflating, int bits)
{
	static const uint8_t tail[4] = { 0, 0, 0xff, 0xff };
	uint8_t out[4096];
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)p,
	    .avail_in = (unsigned)n };
	int err, step;

	err = deflating ? deflateInit2(&z, 6, Z_DEFLATED, -bits, 8,
	    Z_DEFAULT_STRATEGY) : inflateInit2(&z, -bits);
	assert(err == Z_OK);
	for (step = 0; step < 2; step++) {
		if (step == 1 && !deflating) {
			z.next_in = (uint8_t *)(uintptr_t)tail;
			z.avail_in = 4;
		} else if (step == 1) {
			break;
		}
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			err = deflating ? deflate(&z, Z_SYNC_FLUSH) :
			    inflate(&z, Z_SYNC_FLUSH);
			assert(err == Z_OK || err == Z_BUF_ERROR);
			wsc_add(to, out, sizeof(out) - z.avail_out);
		} while (z.avail_out == 0);
	}
	if (deflating) {
		to->n -= 4;
		deflateEnd(&z);
	} else {
		inflateEnd(&z);
	}
}

/* Append one frame of a client. */
static inline void
wsc_frame(struct wsc_buf *b, uint8_t first, const void *p, size_t n,
    int masked)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t head[14] = { first }, c;
	size_t i, h = 2;

	if (n < 126) {
		head[1] = (uint8_t)n;
	} else if (n < 65536) {
		head[1] = 126;
		head[2] = (uint8_t)(n >> 8);
		head[3] = (uint8_t)n;
		h = 4;
	} else {
		head[1] = 127;
		for (i = 0; i < 8; i++)
			head[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
		h = 10;
	}
	if (masked) {
		head[1] |= 0x80;
		memcpy(head + h, key, 4);
		h += 4;
	}
	wsc_add(b, head, h);
	for (i = 0; i < n; i++) {
		c = ((const uint8_t *)p)[i];
		if (masked)
			c ^= key[i & 3];
		wsc_add(b, &c, 1);
	}
}

static inline int
wsc_hex(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* The payload that a text of n characters stands for. */
static inline void
wsc_payload(struct wsc_buf *b, const char *s, size_t n)
{
	size_t i;
	uint8_t c;

	if (n > 1 && s[0] == '*') {
		c = '*';
		for (i = strtoul(s + 1, NULL, 10); i > 0; i--)
			wsc_add(b, &c, 1);
	} else if (n > 0 && s[0] == '=') {
		for (i = 1; i + 1 < n; i += 2) {
			c = (uint8_t)(wsc_hex(s[i]) << 4 | wsc_hex(s[i + 1]));
			wsc_add(b, &c, 1);
		}
	} else {
		wsc_add(b, s, n);
	}
}

/* Append the frames of a text. */
static inline void
wsc_frames(struct wsc_buf *b, const char *text)
{
	struct wsc_buf plain, zip;
	const char *end, *s;
	uint8_t first;
	int masked;

	for (s = text; *s != '\0'; s = *end == '|' ? end + 1 : end) {
		end = s + strcspn(s, "|");
		memset(&plain, 0, sizeof(plain));
		memset(&zip, 0, sizeof(zip));
		for (first = 0, masked = 1; strchr("FRSTU", *s); s++) {
			first |= *s == 'F' ? 0x80 : *s == 'R' ? 0x40 :
			    *s == 'S' ? 0x20 : *s == 'T' ? 0x10 : 0;
			if (*s == 'U')
				masked = 0;
		}
		first |= (uint8_t)wsc_hex(*s++);
		wsc_payload(&plain, s + 1, (size_t)(end - s - 1));
		if (*s == '~') {
			wsc_zip(&zip, plain.p, plain.n, 1, 15);
			wsc_frame(b, first, zip.p, zip.n, masked);
		} else {
			wsc_frame(b, first, plain.p, plain.n, masked);
		}
		free(plain.p);
		free(zip.p);
	}
}

/* What a server sent: whole messages and control frames, in order. */
struct wsc_in {
	uint32_t n;		/* so many */
	struct {
		uint8_t op;
		struct wsc_buf data;
	} m[256];
	struct wsc_buf part;	/* of a message that is not whole */
	uint8_t op, zip;
	int wrong;		/* a rule of the protocol is broken */
	int bits;		/* window to inflate with */
};

static inline void
wsc_take(struct wsc_in *in, uint8_t first, const uint8_t *p, size_t n)
{
	uint8_t op = first & 15;

	assert(in->n < 256);
	if (op >= 8) {
		in->wrong |= first != (0x80 | op) || n > 125;
		in->m[in->n].op = op;
		wsc_add(&in->m[in->n++].data, p, n);
		return;
	}
	in->wrong |= (op == 0) != (in->op != 0) || op > 2 ||
	    (first & 0x30) != 0 || (op == 0 && (first & 0x40));
	if (op != 0) {
		in->op = op;
		in->zip = first & 0x40;
	}
	wsc_add(&in->part, p, n);
	if (!(first & 0x80))
		return;
	in->m[in->n].op = in->op;
	in->op = 0;
	if (in->zip) {
		wsc_zip(&in->m[in->n].data, in->part.p, in->part.n, 0,
		    in->bits);
		free(in->part.p);
	} else {
		in->m[in->n].data = in->part;
	}
	memset(&in->part, 0, sizeof(in->part));
	in->n++;
}

/* Read frames from n bytes; how many bytes were whole frames. */
static inline size_t
wsc_read(struct wsc_in *in, const uint8_t *p, size_t n)
{
	size_t at = 0, h, i;
	uint64_t len;

	for (;;) {
		if (n - at < 2)
			return at;
		h = p[at + 1] == 127 ? 10 : p[at + 1] == 126 ? 4 : 2;
		in->wrong |= p[at + 1] & 0x80;
		if (n - at < h)
			return at;
		len = h == 2 ? p[at + 1] : 0;
		for (i = 2; i < h; i++)
			len = len << 8 | p[at + i];
		if (n - at - h < len)
			return at;
		wsc_take(in, p[at], p + at + h, (size_t)len);
		at += h + (size_t)len;
	}
}

static inline void
wsc_free(struct wsc_in *in)
{
	uint32_t i;

	for (i = 0; i < in->n; i++)
		free(in->m[i].data.p);
	free(in->part.p);
	memset(in, 0, sizeof(*in));
}

#endif
