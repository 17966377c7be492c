/*
 * echo: any bytes back, in order (RFC 862); or thrown away (RFC 863); or a
 * stream of characters (RFC 864).
 *
 * Back-pressure is the window's: what cannot be sent stays unread. A peer
 * that closed its half gets all that it sent, then our FIN.
 */
#include "svc.h"

#define ECHO_CHARS	95u	/* printable characters */
#define ECHO_COLS	72u	/* of them in a line */
#define ECHO_LINE	(ECHO_COLS + 2)
#define ECHO_PATTERN	(ECHO_CHARS * ECHO_LINE)
#define ECHO_WAKE	16384u	/* bytes of room worth waking up for */
#define ECHO_ROUNDS	16u	/* most pieces in one event */

enum echo_mode { ECHO_BACK, ECHO_DISCARD, ECHO_CHARGEN };

struct echo_conf {
	int32_t mode;		/* enum echo_mode */
	int64_t idle_timeout_ms;
};

struct echo_state {
	uint64_t stamp;		/* µs: the last time that bytes moved */
	uint32_t at;		/* chargen: position in the pattern */
	uint32_t pad;
};

struct echo_priv {
	char pattern[ECHO_PATTERN];
};

enum echo_counter { ECHO_BYTES_IN, ECHO_BYTES_OUT, ECHO_BLOCKED, ECHO_IDLE };

static const char *const echo_modes[] = { "echo", "discard", "chargen", NULL };

static const struct opt echo_opts[] = {
	{ .name = "mode", .type = OPT_ENUM,
	    .offset = offsetof(struct echo_conf, mode), .def = ECHO_BACK,
	    .words = echo_modes,
	    .help = "What is done with bytes: sent back, or thrown away, or "
	    "thrown away while characters are sent." },
	SVC_IDLE_OPT(offsetof(struct echo_conf, idle_timeout_ms),
	    "Close a connection on which no byte moved; 0: never."),
	{ .name = NULL }
};

static const struct optgroup echo_group = {
	.name = "echo",
	.help = "Settings of the echo service.",
	.size = sizeof(struct echo_conf),
	.opts = echo_opts,
};

static const struct svc_counter echo_counters[] = {
	[ECHO_BYTES_IN] = { "bytes_in", "bytes received" },
	[ECHO_BYTES_OUT] = { "bytes_out", "bytes queued to send" },
	[ECHO_BLOCKED] = { "blocked", "waits for room in the send queue" },
	[ECHO_IDLE] = { "idle_closed", "connections closed when idle" },
	{ NULL, NULL }
};

const struct svc_desc echo_desc = {
	.name = "echo",
	.help = "Sends back what it gets.",
	.opts = &echo_group,
	.counters = echo_counters,
	.state_size = sizeof(struct echo_state),
};

/* Wait until at most n bytes more can be queued. */
static void
wait_room(struct svc *s, struct conn *c, uint32_t n)
{
	svc_count(s, ECHO_BLOCKED, 1);
	conn_want_room(s->net, c, n < ECHO_WAKE ? n : ECHO_WAKE);
}

/* Send unread bytes back; how many. They are consumed together. */
static uint32_t
send_back(struct svc *s, struct conn *c)
{
	uint32_t done = 0, n, took, i;
	const uint8_t *p;

	for (i = 0; (n = conn_peek(s->net, c, done, &p)) > 0; i++) {
		if (i == ECHO_ROUNDS) {
			/* Others have their turn first. */
			conn_want_room(s->net, c, 1);
			break;
		}
		took = conn_write(s->net, c, p, n);
		done += took;
		if (took < n) {
			wait_room(s, c, n - took);
			break;
		}
	}
	if (done > 0)
		conn_consume(s->net, c, done);
	svc_count(s, ECHO_BYTES_IN, done);
	svc_count(s, ECHO_BYTES_OUT, done);
	return done;
}

static uint32_t
throw_away(struct svc *s, struct conn *c)
{
	uint32_t n = conn_readable(c);

	if (n > 0)
		conn_consume(s->net, c, n);
	svc_count(s, ECHO_BYTES_IN, n);
	return n;
}

/* Send lines of characters until the send queue is full; how many bytes. */
static uint32_t
generate(struct svc *s, struct conn *c, struct echo_state *st)
{
	const struct echo_priv *p = s->priv;
	uint32_t sent = 0, n, took, i;

	for (i = 0; i < ECHO_ROUNDS; i++) {
		n = ECHO_PATTERN - st->at;
		took = conn_write(s->net, c, p->pattern + st->at, n);
		sent += took;
		st->at = took < n ? st->at + took : 0;
		if (took < n) {
			wait_room(s, c, ECHO_WAKE);
			break;
		}
	}
	if (i == ECHO_ROUNDS)
		conn_want_room(s->net, c, 1);
	svc_count(s, ECHO_BYTES_OUT, sent);
	return sent;
}

static void
check_idle(struct svc *s, struct conn *c, const struct echo_state *st)
{
	const struct echo_conf *conf = s->conf;

	if (!svc_idle(s, c, st->stamp, conf->idle_timeout_ms))
		return;
	svc_count(s, ECHO_IDLE, 1);
	if (conn_queued(c) > 0)
		conn_abort(s->net, c);
	else
		conn_close(s->net, c);
}

static void
echo_event(struct svc *s, struct conn *c, uint32_t events)
{
	const struct echo_conf *conf = s->conf;
	struct echo_state *st = conn_state(c);
	uint32_t moved;

	if (events & CONN_GONE)
		return;
	if (events & CONN_OPEN) {
		st->stamp = conn_now(s->net);
		/* a peer that waits for the rest puts its ACK off */
		conn_nodelay(c, conf->mode == ECHO_BACK);
	}
	if (conf->mode == ECHO_BACK)
		moved = send_back(s, c);
	else
		moved = throw_away(s, c);
	if (conf->mode == ECHO_CHARGEN && !conn_eof(c))
		moved += generate(s, c, st);
	if (moved > 0)
		st->stamp = conn_now(s->net);
	if (conn_eof(c))
		conn_close(s->net, c);
	else if (events & (CONN_OPEN | CONN_TIMER))
		check_idle(s, c, st);
}

static int
echo_start(struct svc *s, uint64_t now_us)
{
	struct echo_priv *p = s->priv;
	uint32_t line, col;
	char *to = p->pattern;

	for (line = 0; line < ECHO_CHARS; line++) {
		for (col = 0; col < ECHO_COLS; col++)
			*to++ = (char)(' ' + (line + col) % ECHO_CHARS);
		*to++ = '\r';
		*to++ = '\n';
	}
	return 0;
}

const struct service echo_service = {
	.desc = &echo_desc,
	.priv_size = sizeof(struct echo_priv),
	.start = echo_start,
	.event = echo_event,
};
