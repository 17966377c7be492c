/*
 * drill_kv: clients of kv: each has a key of its own, puts a value under it
 * and asks for it again. What was answered by OK must come back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drill.h"

void
kv_ask(struct client_conn *c, uint32_t file)
{
	int n;

	if (c->asks_back) {
		n = snprintf(c->req, sizeof(c->req), "GET c%u\n", c->number);
		http_begin(c, c->file, (uint32_t)n);
		return;
	}
	n = snprintf(c->req, sizeof(c->req), "PUT c%u %u\n", c->number,
	    drill_size[file]);
	http_begin(c, file, (uint32_t)n);
	c->upload = 1;
}

/* Bytes up to a newline into c->head: how many, or -EBADMSG too long. */
static ssize_t
take_line(struct client_conn *c, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && !c->body; i++) {
		if (c->headlen == 64)
			return -EBADMSG;
		c->body = p[i] == '\n';
		c->head[c->headlen++] = p[i] == '\n' ? '\0' : (char)p[i];
	}
	return (ssize_t)i;
}

/* The line is whole: it can only be one. */
static int
check_line(const struct client_conn *c)
{
	char want[64] = "OK";

	if (c->asks_back)
		snprintf(want, sizeof(want), "VALUE %u", c->want);
	return strcmp(c->head, want) == 0 ? 0 : -EBADMSG;
}

int
kv_take(struct client_conn *c, const uint8_t *p, size_t n)
{
	ssize_t used = 0;
	size_t some;

	if (!c->body) {
		used = take_line(c, p, n);
		if (used < 0 || (c->body && check_line(c) < 0))
			return -EBADMSG;
	}
	if (!c->body)
		return 0;
	p += used;
	n -= (size_t)used;
	if (!c->asks_back) {
		c->asks_back = 1;
		return n == 0 ? 1 : -EBADMSG;
	}
	some = n < c->want - c->got ? n : c->want - c->got;
	if (http_body(c, p, some) < 0)
		return -EBADMSG;
	if (c->got < c->want || n == some)
		return 0;
	/* and a newline behind the value */
	if (n - some != 1 || p[some] != '\n')
		return -EBADMSG;
	c->asks_back = 0;
	return 1;
}
