/*
 * drill_http: requests of the drill's clients, and whether each byte that
 * comes back is the right one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "drill.h"

const uint32_t drill_size[DRILL_FILES] = {
	64, 1000, 4096, 20000, 100000, 400000
};

uint8_t
drill_byte(uint32_t f, uint64_t i)
{
	/* splitmix64 of file and word: a shift or a mix-up shows at once */
	uint64_t z = ((uint64_t)(f + 1) << 40) + (i >> 3);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (uint8_t)(z >> (8 * (i & 7)));
}

void
http_begin(struct client_conn *c, uint32_t file, uint32_t len)
{
	c->file = file;
	c->got = c->sent = c->frame = c->headlen = c->reqsent = 0;
	c->want = drill_size[file];
	c->body = c->upload = 0;
	memset(c->mask, 0, sizeof(c->mask));
	c->wait = 1;
	c->reqlen = len;
}

void
http_ask(struct client_conn *c, uint32_t file)
{
	int n;

	if (c->kind == CLIENT_POST)
		n = snprintf(c->req, sizeof(c->req), "POST /echo HTTP/1.1\r\n"
		    "Host: " DRILL_OURS "\r\nContent-Length: %u\r\n\r\n",
		    drill_size[file]);
	else
		n = snprintf(c->req, sizeof(c->req), "GET /f%u.bin HTTP/1.1"
		    "\r\nHost: " DRILL_OURS "\r\n\r\n", file);
	http_begin(c, file, (uint32_t)n);
	c->upload = c->kind == CLIENT_POST;
}

/* The next piece of an upload. */
static uint32_t
fill(const struct client_conn *c, uint8_t *buf, uint32_t size)
{
	uint32_t i, n = c->want - c->sent;

	if (n > size)
		n = size;
	for (i = 0; i < n; i++)
		buf[i] = drill_byte(c->file, c->sent + i) ^
		    c->mask[(c->sent + i) & 3];
	return n;
}

int
http_send(struct client_conn *c)
{
	uint8_t buf[16384];
	uint32_t n;
	ssize_t r;

	while (c->reqsent < c->reqlen) {
		r = send(c->fd, c->req + c->reqsent, c->reqlen - c->reqsent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->reqsent += (uint32_t)r;
	}
	while (c->upload && c->sent < c->want) {
		n = fill(c, buf, sizeof(buf));
		r = send(c->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->sent += (uint32_t)r;
	}
	return 0;
}

/* The head is whole: its status and length must be the ones we know. */
static int
check_head(const struct client_conn *c)
{
	const char *len;

	if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0)
		return -EBADMSG;
	len = strcasestr(c->head, "\r\ncontent-length:");
	if (len == NULL || strtoul(len + 17, NULL, 10) != c->want)
		return -EBADMSG;
	return 0;
}

ssize_t
http_head(struct client_conn *c, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && !c->body; i++) {
		if (c->headlen == sizeof(c->head) - 1 || p[i] == '\0')
			return -EBADMSG;
		c->head[c->headlen++] = (char)p[i];
		c->head[c->headlen] = '\0';
		c->body = c->headlen >= 4 && memcmp(c->head + c->headlen - 4,
		    "\r\n\r\n", 4) == 0;
	}
	return (ssize_t)i;
}

int
http_body(struct client_conn *c, const uint8_t *p, size_t n)
{
	size_t i;

	if (n > c->want - c->got)
		return -EBADMSG;	/* more than was asked for */
	for (i = 0; i < n; i++)
		if (p[i] != drill_byte(c->file, c->got + i))
			return -EBADMSG;
	c->got += (uint32_t)n;
	return 0;
}

int
http_take(struct client_conn *c, const uint8_t *p, size_t n)
{
	ssize_t used = 0;

	if (!c->body) {
		used = http_head(c, p, n);
		if (used < 0 || (c->body && check_head(c) < 0))
			return -EBADMSG;
	}
	if (http_body(c, p + used, n - (size_t)used) < 0)
		return -EBADMSG;
	return c->body && c->got == c->want;
}
