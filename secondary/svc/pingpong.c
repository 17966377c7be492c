/*
 * pingpong: a client of echo servers, to measure how fast a message comes
 * back: over TCP, or as WebSocket messages.
 *
 * `concurrency` connections each have one message under way; what comes back
 * is compared. Times are nanoseconds, where the worker has such a clock.
 */
#include <errno.h>

#include "svc.h"
#include "../proto/fmt.h"
#include "../proto/hist.h"
#include "../proto/http_req.h"
#include "wget/url.h"

#define OFF(m)		offsetof(struct pingpong_conf, m)

#define PP_MAX		1024u	/* largest message */
#define PP_FRAME	(PP_MAX + 8)
#define PP_HEAD		1024u	/* largest answer to a handshake */
#define PP_MASK		0x5a17c3e9u
#define PP_GRACE_US	2000000u
/* RFC 6455, 1.3: this key has this answer */
#define PP_KEY		"dGhlIHNhbXBsZSBub25jZQ=="
#define PP_ACCEPT	"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct pingpong_conf {
	char url[OPT_STRLEN];
	int64_t concurrency, bytes, duration_s;
};

enum pp_phase { PP_CONNECT, PP_SHAKE, PP_TALK };

struct pingpong_state {
	uint64_t sent_ns;	/* when the message in hand went out */
	uint32_t phase;		/* enum pp_phase */
	uint32_t gen;		/* process that counts it */
};

enum pp_counter { PP_CONNECTED, PP_MESSAGES, PP_BYTES, PP_ERRORS };

enum pp_error { PPE_REFUSED, PPE_CLOSED, PPE_WRONG, PPE_HANDSHAKE, PPE_COUNT };

static const char *const error_names[PPE_COUNT] = {
	"refused", "closed", "wrong", "handshake",
};

struct pingpong_priv {
	struct net_addr server;
	uint32_t gen, active, started;
	bool ws, finished;
	bool talking;		/* the first message went: time runs */
	uint64_t t_start, t_stop;
	uint64_t messages, errors[PPE_COUNT];
	struct hist rtt;
	uint32_t out_len, in_len; /* of a message, with its frame */
	uint8_t out[PP_FRAME], in[PP_FRAME];
	uint32_t shake_len;
	char shake[1024];
	char head[PP_HEAD];
	char text[131072];
};

static const struct opt pingpong_opts[] = {
	{ .name = "url", .type = OPT_STRING, .offset = OFF(url),
	    .max = OPT_STRLEN - 1,
	    .help = "Who echoes: tcp://ADDRESS:PORT, or "
	    "ws://ADDRESS[:PORT]/PATH." },
	{ .name = "concurrency", .type = OPT_INT, .offset = OFF(concurrency),
	    .def = 1, .min = 1, .max = 1 << 20,
	    .help = "Connections, each with a message under way." },
	{ .name = "bytes", .type = OPT_INT, .offset = OFF(bytes), .def = 64,
	    .min = 1, .max = PP_MAX, .unit = "bytes",
	    .help = "Size of a message." },
	{ .name = "duration_s", .type = OPT_INT, .offset = OFF(duration_s),
	    .def = 10, .min = 1, .max = 86400, .unit = "s",
	    .help = "How long." },
	{ .name = NULL }
};

static const struct optgroup pingpong_group = {
	.name = "pingpong",
	.help = "Settings of the client of echo servers.",
	.size = sizeof(struct pingpong_conf),
	.opts = pingpong_opts,
};

static const struct svc_counter pingpong_counters[] = {
	[PP_CONNECTED] = { "connected", "connections that opened" },
	[PP_MESSAGES] = { "messages", "messages that came back right" },
	[PP_BYTES] = { "bytes", "payload of them" },
	[PP_ERRORS] = { "errors", "connections that failed" },
	{ NULL, NULL }
};

const struct svc_desc pingpong_desc = {
	.name = "pingpong",
	.help = "Sends messages to an echo server and measures their way.",
	.opts = &pingpong_group,
	.counters = pingpong_counters,
	.state_size = sizeof(struct pingpong_state),
	.client = 1,
};

/* Nanoseconds, or what comes near. */
static uint64_t
now_ns(struct svc *s)
{
	if (s->io->ns != NULL)
		return s->io->ns(s->ioarg);
	return conn_now(s->net) * 1000;
}

static void
fail(struct svc *s, enum pp_error e)
{
	struct pingpong_priv *p = s->priv;

	p->errors[e]++;
	p->active--;
	svc_count(s, PP_ERRORS, 1);
}

static void
end(struct svc *s, struct conn *c)
{
	struct pingpong_priv *p = s->priv;

	p->active--;
	conn_abort(s->net, c);	/* leaves no TIME_WAIT behind */
}

/* A message is small: it is taken whole, nothing else is queued. */
static void
send_one(struct svc *s, struct conn *c, struct pingpong_state *st)
{
	const struct pingpong_conf *conf = s->conf;
	struct pingpong_priv *p = s->priv;

	if (!p->talking) {
		p->talking = true;
		p->t_start = conn_now(s->net);
		p->t_stop = p->t_start + (uint64_t)conf->duration_s * 1000000;
	}
	if (conn_now(s->net) >= p->t_stop) {
		end(s, c);
		return;
	}
	st->sent_ns = now_ns(s);
	if (conn_write(s->net, c, p->out, p->out_len) != p->out_len) {
		conn_abort(s->net, c);
		fail(s, PPE_CLOSED);
	}
}

/* The answer to the handshake. */
static void
on_shake(struct svc *s, struct conn *c, struct pingpong_state *st)
{
	static const char want[] = "HTTP/1.1 101 ";
	struct pingpong_priv *p = s->priv;
	uint32_t n, len;

	n = conn_copy(s->net, c, 0, p->head, PP_HEAD - 1);
	len = http_head_end(p->head, n, 0);
	if (len == 0 && n < PP_HEAD - 1)
		return;
	p->head[len] = '\0';
	if (len == 0 || memcmp(p->head, want, sizeof(want) - 1) != 0 ||
	    strstr(p->head, PP_ACCEPT) == NULL) {
		conn_abort(s->net, c);
		fail(s, PPE_HANDSHAKE);
		return;
	}
	conn_consume(s->net, c, len);
	st->phase = PP_TALK;
	send_one(s, c, st);
}

/* A message comes back. */
static void
on_message(struct svc *s, struct conn *c, struct pingpong_state *st)
{
	struct pingpong_priv *p = s->priv;
	const struct pingpong_conf *conf = s->conf;
	uint8_t buf[PP_FRAME];
	const uint8_t *at;
	uint32_t n;

	if (conn_readable(c) < p->in_len)
		return;
	n = conn_peek(s->net, c, 0, &at);
	if (n < p->in_len) {
		conn_copy(s->net, c, 0, buf, p->in_len);
		at = buf;
	}
	if (conn_readable(c) > p->in_len ||
	    memcmp(at, p->in, p->in_len) != 0) {
		conn_abort(s->net, c);
		fail(s, PPE_WRONG);
		return;
	}
	hist_add(&p->rtt, now_ns(s) - st->sent_ns);
	p->messages++;
	svc_count(s, PP_MESSAGES, 1);
	svc_count(s, PP_BYTES, (uint64_t)conf->bytes);
	conn_consume(s->net, c, p->in_len);
	send_one(s, c, st);
}

static void
pingpong_event(struct svc *s, struct conn *c, uint32_t events)
{
	struct pingpong_state *st = conn_state(c);
	struct pingpong_priv *p = s->priv;

	if (st->gen != p->gen) {	/* a dead worker's */
		if (!(events & CONN_GONE))
			conn_abort(s->net, c);
		return;
	}
	if (events & CONN_GONE) {
		fail(s, st->phase == PP_CONNECT ? PPE_REFUSED : PPE_CLOSED);
		return;
	}
	if (st->phase == PP_CONNECT) {
		svc_count(s, PP_CONNECTED, 1);
		conn_nodelay(c, true);
		st->phase = p->ws ? PP_SHAKE : PP_TALK;
		if (p->ws)
			conn_write(s->net, c, p->shake, p->shake_len);
		else
			send_one(s, c, st);
		return;
	}
	if (conn_eof(c)) {
		conn_abort(s->net, c);
		fail(s, PPE_CLOSED);
	} else if (st->phase == PP_SHAKE) {
		on_shake(s, c, st);
	} else {
		on_message(s, c, st);
	}
}

/* Message and its echo, framed as the protocol has it. */
static void
make_message(struct pingpong_priv *p, uint32_t n)
{
	uint32_t i, head = 0, mask = p->ws ? PP_MASK : 0;

	if (p->ws) {		/* RFC 6455, 5.2: binary, masked */
		p->out[0] = p->in[0] = 0x82;
		p->in[1] = n < 126 ? (uint8_t)n : 126;
		head = n < 126 ? 2 : 4;
		if (n >= 126) {
			p->in[2] = (uint8_t)(n >> 8);
			p->in[3] = (uint8_t)n;
		}
		memcpy(p->out + 1, p->in + 1, head - 1);
		p->out[1] |= 0x80;
		memcpy(p->out + head, &mask, 4);
	}
	for (i = 0; i < n; i++) {
		p->in[head + i] = (uint8_t)('a' + i % 26);
		p->out[(p->ws ? head + 4 : 0) + i] = (uint8_t)('a' + i % 26) ^
		    (uint8_t)(mask >> i % 4 * 8);
	}
	p->in_len = head + n;
	p->out_len = p->in_len + (p->ws ? 4 : 0);
}

static void
make_shake(struct pingpong_priv *p, const char *host, const char *path)
{
	struct fmt f;

	fmt_init(&f, p->shake, sizeof(p->shake));
	fmt_str(&f, "GET ");
	fmt_str(&f, path);
	fmt_str(&f, " HTTP/1.1\r\nHost: ");
	fmt_mem(&f, host, strcspn(host, "/"));
	fmt_str(&f, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " PP_KEY
	    "\r\n\r\n");
	p->shake_len = fmt_len(&f);
}

static int
pingpong_start(struct svc *s, uint64_t now_us)
{
	const struct pingpong_conf *conf = s->conf;
	struct pingpong_priv *p = s->priv;
	const char *path, *why;

	p->ws = strncmp(conf->url, "ws://", 5) == 0;
	if (wget_url(conf->url, p->ws ? "ws://" : "tcp://", "", &p->server,
	    &path, &why) < 0) {
		s->io->log(s->ioarg, "pingpong: url: must be tcp://ADDRESS:"
		    "PORT or ws://ADDRESS[:PORT]/PATH");
		return -EINVAL;
	}
	p->gen = (uint32_t)now_us << 4 | (s->slot & 15);
	make_message(p, (uint32_t)conf->bytes);
	make_shake(p, conf->url + 5, path);
	p->t_start = now_us;
	p->t_stop = UINT64_MAX - PP_GRACE_US;
	return 0;
}

static bool
report(struct svc *s, uint64_t now_us)
{
	const struct pingpong_conf *conf = s->conf;
	struct pingpong_priv *p = s->priv;
	uint64_t us = (now_us < p->t_stop ? now_us : p->t_stop) - p->t_start;
	uint64_t bad = 0;
	struct fmt f;
	uint32_t i;

	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "{\"service\": \"pingpong\", \"seconds\": ");
	fmt_fix(&f, us / 1000, 3, 0);
	fmt_str(&f, ", \"messages\": ");
	fmt_u64(&f, p->messages);
	fmt_str(&f, ", \"bytes\": ");
	fmt_u64(&f, (uint64_t)conf->bytes);
	fmt_str(&f, ", \"p50_ns\": ");
	fmt_u64(&f, hist_quantile(&p->rtt, 500000));
	fmt_str(&f, ", \"p99_ns\": ");
	fmt_u64(&f, hist_quantile(&p->rtt, 990000));
	fmt_str(&f, ", \"p99.9_ns\": ");
	fmt_u64(&f, hist_quantile(&p->rtt, 999000));
	fmt_str(&f, ", \"max_ns\": ");
	fmt_u64(&f, p->rtt.max);
	fmt_str(&f, ", \"mean_ns\": ");
	fmt_u64(&f, hist_mean(&p->rtt));
	fmt_str(&f, ", \"errors\": {");
	for (i = 0; i < PPE_COUNT; i++) {
		bad += p->errors[i];
		fmt_str(&f, i == 0 ? "\"" : ", \"");
		fmt_str(&f, error_names[i]);
		fmt_str(&f, "\": ");
		fmt_u64(&f, p->errors[i]);
	}
	fmt_str(&f, "}}\n");
	s->io->report(s->ioarg, fmt_end(&f));
	s->io->log(s->ioarg, p->text);
	return bad == 0 && p->messages > 0;
}

static uint64_t
pingpong_tick(struct svc *s, uint64_t now_us)
{
	const struct pingpong_conf *conf = s->conf;
	struct pingpong_priv *p = s->priv;
	struct pingpong_state *st;
	struct conn *c;

	if (p->finished)
		return UINT64_MAX;
	while (p->started < conf->concurrency && now_us < p->t_stop) {
		p->started++;
		p->active++;
		if (net_connect(s->net, NULL, &p->server, now_us, &c) < 0) {
			fail(s, PPE_REFUSED);
			continue;
		}
		st = conn_state(c);
		st->gen = p->gen;
		if (p->started % 64 == 0)
			return now_us;
	}
	if ((p->active == 0 && p->started == conf->concurrency) ||
	    now_us >= p->t_stop + PP_GRACE_US) {
		p->finished = true;
		s->io->done(s->ioarg, report(s, now_us) ? 0 : 1);
		return UINT64_MAX;
	}
	return now_us < p->t_stop ? p->t_stop : p->t_stop + PP_GRACE_US;
}

static void
pingpong_depart(struct svc *s, struct conn *c)
{
	const struct pingpong_state *st = conn_state(c);
	struct pingpong_priv *p = s->priv;

	if (st->gen == p->gen)
		p->active--;
}

static void
pingpong_arrive(struct svc *s, struct conn *c)
{
	struct pingpong_state *st = conn_state(c);
	struct pingpong_priv *p = s->priv;

	/* else its first event ends it */
	if (p->finished)
		return;
	st->gen = p->gen;
	p->active++;
}

const struct service pingpong_service = {
	.desc = &pingpong_desc,
	.priv_size = sizeof(struct pingpong_priv),
	.client = 1,
	.start = pingpong_start,
	.event = pingpong_event,
	.tick = pingpong_tick,
	.depart = pingpong_depart,
	.arrive = pingpong_arrive,
};
