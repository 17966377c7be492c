/*
 * fuzz_ws: bytes of a client into the ws service, over a mock of conn.h.
 *
 * The first byte says what is agreed on and how the service behaves; the rest
 * is what comes behind the handshake. It comes whole, and once more byte by
 * byte with little room and another process after each few: messages, control
 * frames and the end must be the same, and each frame of ours well-formed.
 */
#include "../unit/mock_conn.h"
#include "../unit/ws_client.h"
#include "../../secondary/svc/ws/ws_priv.h"

#define INPUT_MAX	8192u	/* below WS_HOLD: nothing is lost with a
				   process */

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct service ws_service;

static struct net *net;

static void
begin(uint8_t mode)
{
	struct ws_conf *conf = mock_conf(&ws_service);
	int err;

	/* The service's options begin with the handler's. */
	conf->mode = mode % 3;
	conf->max_message = 65536;
	net = mock_start(&ws_service, conf, NULL, &err);
	assert(err == 0);
}

static struct conn *
talk(const uint8_t *p, size_t n, bool deflate, bool hard)
{
	const char *request = deflate ? WSC_REQUEST(WSC_DEFLATE) :
	    WSC_REQUEST("");
	struct conn *c = mock_conn();
	size_t i;

	mock_event(net, c, CONN_OPEN);
	mock_input(net, c, request, strlen(request));
	assert(c->out_len > 13 && memcmp(c->out, "HTTP/1.1 101 ", 13) == 0);
	c->out_len = 0;
	mock_ack(net, c);
	if (!hard) {
		mock_input(net, c, p, n);
		mock_ack(net, c);
		return c;
	}
	c->sndbuf = 600;
	for (i = 0; i < n && mock_alive(c); i++) {
		mock_input(net, c, p + i, 1);
		if (i % 64 == 63)
			mock_restart(net);
		mock_ack(net, c);
	}
	for (i = 0; i < 2000 && mock_alive(c) && c->want > 0; i++)
		mock_ack(net, c);
	return c;
}

/* Data that do not inflate would stop the reader here; ours always do. */
static void
listen_to(const struct conn *c, struct wsc_in *in)
{
	memset(in, 0, sizeof(*in));
	in->bits = 15;
	assert(wsc_read(in, c->out, c->out_len) == c->out_len);
	assert(!in->wrong);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conn *easy, *hard;
	struct wsc_in a, b;
	uint32_t i;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	begin(data[0] & 3);
	easy = talk(data + 1, size - 1, (data[0] & 4) != 0, false);
	/* More than 256 messages are not kept apart. */
	if (easy->out_len < 512 && net->svc.conf != NULL &&
	    ((const struct ws_conf *)net->svc.conf)->mode == WS_MODE_ECHO) {
		hard = talk(data + 1, size - 1, (data[0] & 4) != 0, true);
		listen_to(easy, &a);
		listen_to(hard, &b);
		assert(a.n == b.n);
		for (i = 0; i < a.n; i++)
			assert(a.m[i].op == b.m[i].op &&
			    a.m[i].data.n == b.m[i].data.n &&
			    (a.m[i].data.n == 0 || memcmp(a.m[i].data.p,
			    b.m[i].data.p, a.m[i].data.n) == 0));
		assert(mock_alive(easy) == mock_alive(hard));
		wsc_free(&a);
		wsc_free(&b);
		mock_free(hard);
	}
	mock_free(easy);
	mock_stop(net);
	return 0;
}
