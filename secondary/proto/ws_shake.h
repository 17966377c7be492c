/*
 * ws_shake: the opening handshake of WebSocket (RFC 6455, 4), the server's
 * side: judging a request, choosing a subprotocol and the compression
 * extension (RFC 7692, 7.1), writing the answer.
 */
#ifndef PROTO_WS_SHAKE_H
#define PROTO_WS_SHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/opt.h"
#include "fmt.h"
#include "http_req.h"

#define WS_ACCEPT	28u	/* characters of Sec-WebSocket-Accept */

/* What a server allows. */
struct ws_rules {
	const struct opt_list *protocols; /* that it speaks */
	const struct opt_list *origins;	/* allowed; empty: any. A request
					   without Origin is no browser's and
					   always allowed */
	bool deflate;		/* permessage-deflate may be agreed on */
};

/* What was agreed on. */
struct ws_agreed {
	char accept[WS_ACCEPT];
	const char *protocol;	/* of rules->protocols; NULL: none */
	bool deflate;		/* without context takeover, both ways */
	bool said_bits;		/* server_max_window_bits was asked for */
	uint8_t bits;		/* of our window: 8 to 15 */
	bool head;		/* of a HEAD: the answer has no body */
};

/*
 * Judge a parsed request. Returns 101 and fills a; or the status to refuse it
 * with: 400, 403 (Origin), 405 (not GET), 426 (no upgrade to WebSocket is
 * asked for, or to another version).
 */
int	ws_shake(const struct http_req *r, const struct ws_rules *rules,
	    struct ws_agreed *a);

/*
 * Write the whole answer for this status of ws_shake(), or 404, 408, 431 or
 * another error. One that refuses says that the connection ends.
 */
void	ws_shake_answer(struct fmt *f, int status, const struct ws_agreed *a);

/* Base64 (RFC 4648) of n bytes; (n + 2) / 3 * 4 characters, no NUL. */
void	ws_base64(char *to, const uint8_t *p, uint32_t n);

/* Sec-WebSocket-Accept for a key of n characters (RFC 6455, 4.2.2). */
void	ws_accept(char to[WS_ACCEPT], const char *key, uint32_t n);

/*
 * Read one Sec-WebSocket-Extensions value: the first offer of
 * permessage-deflate that can be accepted is put into a, unless there is one
 * already; others are passed over. 0; -1: it is malformed.
 */
int	ws_extensions(const struct http_slice *v, struct ws_agreed *a);

#endif
