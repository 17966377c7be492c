/*
 * drill_ws: WebSocket clients of the drill (RFC 6455): messages go up masked
 * and come back as they were.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drill.h"

/* RFC 6455, section 1.3: a key and what must be answered to it. */
#define KEY	"dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT	"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

#define FIN	0x80u
#define MASKED	0x80u
#define BINARY	0x02u

void
ws_ask(struct client_conn *c, uint32_t file)
{
	static const uint8_t mask[4] = { 0x5a, 0x17, 0xc3, 0x88 };
	uint8_t *h = (uint8_t *)c->req;
	uint32_t n = 2, size = drill_size[file];
	int shake;

	if (!c->is_ws) {
		shake = snprintf(c->req, sizeof(c->req), "GET /ws HTTP/1.1\r\n"
		    "Host: " DRILL_OURS "\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
		    "Sec-WebSocket-Version: 13\r\n\r\n");
		http_begin(c, file, (uint32_t)shake);
		return;
	}
	h[0] = FIN | BINARY;
	if (size < 126) {
		h[1] = (uint8_t)(MASKED | size);
	} else if (size < 65536) {
		h[1] = MASKED | 126;
		h[n++] = (uint8_t)(size >> 8);
		h[n++] = (uint8_t)size;
	} else {
		h[1] = MASKED | 127;
		memset(h + n, 0, 4);
		h[6] = (uint8_t)(size >> 24);
		h[7] = (uint8_t)(size >> 16);
		h[8] = (uint8_t)(size >> 8);
		h[9] = (uint8_t)size;
		n = 10;
	}
	memcpy(h + n, mask, sizeof(mask));
	http_begin(c, file, n + 4);
	memcpy(c->mask, mask, sizeof(mask));
	c->upload = 1;
}

static int
take_shake(struct client_conn *c, const uint8_t *p, size_t n)
{
	ssize_t used = http_head(c, p, n);

	if (used < 0)
		return -EBADMSG;
	if (!c->body)
		return 0;
	if (strncmp(c->head, "HTTP/1.1 101 ", 13) != 0 ||
	    strcasestr(c->head, ACCEPT) == NULL || (size_t)used != n)
		return -EBADMSG;
	c->is_ws = 1;
	return 1;
}

/* Bytes of a frame's header that are needed in all, as far as is known. */
static uint32_t
header_len(const struct client_conn *c)
{
	uint8_t len = c->headlen > 1 ? (uint8_t)c->head[1] : 0;

	return len == 126 ? 4 : len == 127 ? 10 : 2;
}

/* A whole header, of the first frame of a message or of one that goes on. */
static int
take_header(struct client_conn *c)
{
	const uint8_t *h = (const uint8_t *)c->head;
	uint64_t len = h[1];
	uint32_t i;

	if (len >= 126)
		for (len = 0, i = 2; i < c->headlen; i++)
			len = len << 8 | h[i];
	/* a mask, an extension's bit, a control frame: nobody asked for it */
	if ((h[0] & ~FIN) != (c->got == 0 ? BINARY : 0) ||
	    len > c->want - c->got || ((h[0] & FIN) != 0) !=
	    (len == c->want - c->got))
		return -EBADMSG;
	c->frame = (uint32_t)len;
	c->headlen = 0;
	return 0;
}

int
ws_take(struct client_conn *c, const uint8_t *p, size_t n)
{
	size_t some;

	if (!c->is_ws)
		return take_shake(c, p, n);
	while (n > 0) {
		if (c->frame == 0) {
			c->head[c->headlen++] = (char)*p++;
			n--;
			if (c->headlen >= header_len(c) &&
			    take_header(c) < 0)
				return -EBADMSG;
			continue;
		}
		some = n < c->frame ? n : c->frame;
		if (http_body(c, p, some) < 0)
			return -EBADMSG;
		c->frame -= (uint32_t)some;
		p += some;
		n -= some;
	}
	return c->frame == 0 && c->got == c->want;
}
