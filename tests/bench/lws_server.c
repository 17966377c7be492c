/*
 * lws_server: a WebSocket echo server on libwebsockets, one thread: what a
 * user of C would take on kernel sockets. No extensions, no logging.
 *
 *	lws_server -p PORT [-C CPU]
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "load.h"

#define MSG_MAX		2048u

struct session {
	size_t len;
	uint8_t buf[LWS_PRE + MSG_MAX];
};

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int
echo(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in,
    size_t len)
{
	struct session *s = user;

	switch (why) {
	case LWS_CALLBACK_RECEIVE:
		if (len > MSG_MAX)
			return -1;
		memcpy(s->buf + LWS_PRE, in, len);
		s->len = len;
		lws_callback_on_writable(wsi);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		if (s->len == 0)
			return 0;
		len = s->len;
		s->len = 0;
		return lws_write(wsi, s->buf + LWS_PRE, len,
		    LWS_WRITE_BINARY) < (int)len ? -1 : 0;
	default:
		return lws_callback_http_dummy(wsi, why, user, in, len);
	}
}

int
main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {
		{ .name = "echo", .callback = echo,
		    .per_session_data_size = sizeof(struct session),
		    .rx_buffer_size = MSG_MAX },
		{ .name = NULL }
	};
	struct lws_context_creation_info info;
	struct sigaction sa = { .sa_handler = on_signal };
	struct lws_context *ctx;
	int c;

	memset(&info, 0, sizeof(info));
	while ((c = getopt(argc, argv, "p:C:")) != -1) {
		switch (c) {
		case 'p': info.port = (int)strtoul(optarg, NULL, 10); break;
		case 'C': load_pin(optarg); break;
		default: return 2;
		}
	}
	if (info.port == 0)
		errx(2, "usage: lws_server -p PORT [-C CPU]");
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	lws_set_log_level(LLL_ERR, NULL);
	info.protocols = protocols;
	info.gid = info.uid = (uint32_t)-1;
	ctx = lws_create_context(&info);
	if (ctx == NULL)
		errx(1, "libwebsockets does not start");
	while (!stop && lws_service(ctx, 0) >= 0)
		;
	lws_context_destroy(ctx);
	return 0;
}
