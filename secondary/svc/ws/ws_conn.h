/*
 * ws_conn: connections that speak WebSocket, for the service of that name and
 * for http, which hands over a connection whose request asks for it.
 *
 * A message that is neither compressed nor for others is never gathered: what
 * comes is checked, unmasked and queued to send at once, as a fragment of its
 * own. A compressed one stays unread until it is whole (WS_HOLD bytes at
 * most), so that after a crash it is inflated once more and what was queued
 * of its answer is left out. A larger one is read as it comes; zlib's state
 * lies in process-private memory, so a successor ends such a connection with
 * code 1011.
 */
#ifndef SVC_WS_CONN_H
#define SVC_WS_CONN_H

#include "../svc.h"
#include "../../proto/fmt.h"
#include "../../proto/http_req.h"
#include "../../proto/ws_shake.h"

#define WS_HOLD		32768u	/* unread bytes of a message, see above; half
				   of the smallest receive window */
#define WS_ANSWER	512u	/* most bytes of a handshake's answer: what
				   conn_reserve() gives in one piece */
#define WS_NAME_MAX	200u	/* most bytes of a subprotocol's name in it */
#define WS_JOBS		16u	/* messages inflated at the same time */
#define WS_PUSH_MAX	500	/* bytes: queued whole or not at all */
#define WS_RING		(1u << 20) /* bytes of messages for others */

enum ws_mode { WS_MODE_ECHO, WS_MODE_BROADCAST, WS_MODE_PUSH };

/* Options; WS_OPTS says what they mean. */
struct ws_conf {
	int32_t mode;		/* enum ws_mode */
	int64_t max_message, max_frame;
	int64_t deflate;
	int64_t push_rate, push_bytes;
	int64_t ping_ms, idle_timeout_ms, stall_timeout_ms;
	struct opt_list protocols, origins;
};

extern const char *const ws_modes[];

/* Rows of an option table: names begin with pre, values lie from at on. */
#define WS_OPTS(pre, at)						\
	{ .name = pre "mode", .type = OPT_ENUM,				\
	    .offset = (at) + offsetof(struct ws_conf, mode),		\
	    .def = WS_MODE_ECHO, .words = ws_modes,			\
	    .help = "Messages are sent back, or to all clients of the "	\
	    "group, or thrown away while the server sends at a rate." },	\
	{ .name = pre "max_message", .type = OPT_INT,			\
	    .offset = (at) + offsetof(struct ws_conf, max_message),	\
	    .def = 64 << 20, .min = 125, .max = INT64_MAX,		\
	    .unit = "bytes",						\
	    .help = "Largest message, inflated; above it: code 1009." },	\
	{ .name = pre "max_frame", .type = OPT_INT,			\
	    .offset = (at) + offsetof(struct ws_conf, max_frame),	\
	    .def = 64 << 20, .min = 125, .max = INT64_MAX,		\
	    .unit = "bytes",						\
	    .help = "Largest frame; above it: code 1009." },		\
	{ .name = pre "deflate", .type = OPT_INT,			\
	    .offset = (at) + offsetof(struct ws_conf, deflate),		\
	    .def = 1, .min = 0, .max = 9,				\
	    .help = "Level of permessage-deflate; 0: not agreed to." },	\
	{ .name = pre "push_rate", .type = OPT_INT,			\
	    .offset = (at) + offsetof(struct ws_conf, push_rate),	\
	    .def = 10, .min = 1, .max = 100000, .unit = "messages/s",	\
	    .help = "With mode push: messages to each client." },	\
	{ .name = pre "push_bytes", .type = OPT_INT,			\
	    .offset = (at) + offsetof(struct ws_conf, push_bytes),	\
	    .def = 64, .min = 64, .max = WS_PUSH_MAX, .unit = "bytes",		\
	    .help = "With mode push: size of a message." },		\
	{ .name = pre "ping_ms", .type = OPT_INT,			\
	    .offset = (at) + offsetof(struct ws_conf, ping_ms),		\
	    .def = 0, .min = 0, .max = 86400000, .unit = "ms",		\
	    .help = "Ask a silent client if it is there; 0: never." },	\
	{ .name = pre "idle_timeout_ms", .type = OPT_INT,		\
	    .offset = (at) + offsetof(struct ws_conf, idle_timeout_ms),	\
	    .def = 0, .min = 0, .max = 86400000, .unit = "ms",		\
	    .help = "Close a connection on which nothing came; 0: never." }, \
	{ .name = pre "stall_timeout_ms", .type = OPT_INT,		\
	    .offset = (at) + offsetof(struct ws_conf, stall_timeout_ms), \
	    .def = 60000, .min = 1, .max = 86400000, .unit = "ms",	\
	    .help = "Longest pause within a message, and longest time in " \
	    "which a client takes nothing." },				\
	{ .name = pre "protocols", .type = OPT_STRINGS,			\
	    .offset = (at) + offsetof(struct ws_conf, protocols),	\
	    .help = "Subprotocols: the first that a client asks for is " \
	    "agreed on." },						\
	{ .name = pre "origins", .type = OPT_STRINGS,			\
	    .offset = (at) + offsetof(struct ws_conf, origins),		\
	    .help = "Origins whose pages may connect; empty: all." }

/* Counters, from struct ws.counter on. */
enum ws_counter {
	WS_OPENED,
	WS_REFUSED,
	WS_MESSAGES_IN,
	WS_MESSAGES_OUT,
	WS_BYTES_IN,
	WS_BYTES_OUT,
	WS_FAILED,
	WS_DROPPED,
	WS_COUNTERS
};

#define WS_COUNTER_ROWS(pre, at)					\
	[(at) + WS_OPENED] = { pre "opened", "handshakes agreed to" },	\
	[(at) + WS_REFUSED] = { pre "refused", "handshakes refused" },	\
	[(at) + WS_MESSAGES_IN] = { pre "messages_in",			\
	    "whole messages received" },				\
	[(at) + WS_MESSAGES_OUT] = { pre "messages_out",		\
	    "messages queued to send" },				\
	[(at) + WS_BYTES_IN] = { pre "bytes_in",			\
	    "payload received, as it came" },				\
	[(at) + WS_BYTES_OUT] = { pre "bytes_out",			\
	    "payload queued to send, as it goes" },			\
	[(at) + WS_FAILED] = { pre "failed",				\
	    "connections ended for a mistake, a limit or a timeout" },	\
	[(at) + WS_DROPPED] = { pre "dropped",				\
	    "messages that a slow client did not get" }

/* What survives of a connection. */
struct ws_state {
	uint64_t stamp;		/* µs: when bytes came last */
	uint64_t due;		/* µs: what the timer is set to; 0: none */
	uint64_t left;		/* payload to come of the frame in hand */
	uint64_t size;		/* payload of the message so far */
	uint64_t job;		/* serial of its zlib state; 0: none */
	uint64_t next;		/* push: µs of the next message; broadcast:
				   place in the ring */
	uint32_t mask;		/* rotated to the frame's next byte */
	uint32_t utf8;		/* see ws_utf8() */
	uint32_t held;		/* unread bytes of the message looked at */
	uint32_t out;		/* payload queued of a compressed answer, or
				   of a broadcast message */
	uint32_t blocked_ms;	/* when the wait for room began */
	uint32_t seq;		/* push: messages so far */
	uint16_t code;		/* of the Close to be sent */
	uint8_t phase;		/* enum ws_phase */
	uint8_t op;		/* enum ws_op of the message in hand */
	uint16_t flags;		/* WST_* */
	uint8_t bits;		/* our window; 0: no compression */
	uint8_t pad;
};

_Static_assert(sizeof(struct ws_state) <= 80, "http keeps it in its own");

/* Process-private, see ws_priv.h; ws_start() makes it of zeroed memory. */
struct ws;

/*
 * Make the handler of a service whose counters begin at `counter`. find tells
 * the state of a connection; NULL: it does not speak WebSocket (now). 0 or
 * -EINVAL with a line in the log.
 */
int	ws_start(struct ws *w, struct svc *s, const struct ws_conf *conf,
	    struct ws_state *(*find)(struct conn *c), uint32_t counter,
	    uint64_t now_us);

/*
 * Judge a request and queue the answer. Returns 101 with a filled, or the
 * status that refuses: the connection is to be closed behind the answer. 0:
 * there is no room for it now; to be called again when there are WS_ANSWER
 * bytes of it (conn_want_room()).
 */
int	ws_request(struct ws *w, struct conn *c, const struct http_req *r,
	    struct ws_agreed *a);

/* Queue the answer that refuses with this status a request (head: a HEAD).
 * false: no room, as above. */
bool	ws_refuse(struct ws *w, struct conn *c, int status, bool head);

/*
 * The answer 101 is queued: from now on all events of c go to ws_event(), with
 * CONN_READ at once for what came behind the request (which is consumed).
 */
void	ws_open(struct ws *w, struct conn *c, struct ws_state *st,
	    const struct ws_agreed *a);

/* As service.depart and service.arrive, for one that speaks WebSocket. */
void	ws_depart(struct ws *w, struct conn *c);
void	ws_arrive(struct ws *w, struct conn *c, struct ws_state *st);

/* As service.event and service.tick. */
void	ws_event(struct ws *w, struct conn *c, struct ws_state *st,
	    uint32_t events);
uint64_t ws_tick(struct ws *w, uint64_t now_us);

#endif
