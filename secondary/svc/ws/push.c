/*
 * push: messages at a rate, and what happens when time passes.
 */
#include "ws_priv.h"

#define CLOSE_US	UINT64_C(5000000) /* time for our Close to find room */
#define RETRY_US	UINT64_C(5000)	/* until a zlib state may be free */
#define PUSH_BATCH	16u	/* messages of one event */
#define PUSH_BITS	12	/* window: more than the longest message */
#define SECOND		UINT64_C(1000000)

static uint64_t
us(int64_t ms)
{
	return (uint64_t)ms * 1000;
}

/* One message: JSON of a fixed length. */
static void
compose(struct wx *x, struct fmt *f)
{
	uint32_t len = (uint32_t)x->w->conf->push_bytes;

	fmt_init(f, x->w->text, len);
	fmt_str(f, "{\"seq\":");
	fmt_u64(f, x->st->seq);
	fmt_str(f, ",\"us\":");
	fmt_u64(f, x->now);
	while (fmt_len(f) < len - 1)
		fmt_str(f, " ");
	fmt_str(f, "}");
}

/* Deflate the text in f behind itself; bytes, 0: it is not worth it. */
static uint32_t
squeeze(struct wx *x, const struct fmt *f, uint8_t **to)
{
	struct ws_zip *z = &x->w->push_zip;
	const uint8_t *in = x->w->text;
	uint32_t n = fmt_len(f), made, room = n + 64;
	uint8_t bits = x->st->bits;

	*to = x->w->text + n;
	if (bits == 0)
		return 0;
	if (ws_deflate_begin(z, bits < PUSH_BITS ? bits : PUSH_BITS,
	    (int8_t)x->w->conf->deflate) < 0)
		return 0;
	made = ws_deflate(z, &in, &n, *to, room, true);
	if (made == room || made - WS_ZIP_TAIL >= fmt_len(f))
		return 0;
	return made - WS_ZIP_TAIL;
}

static bool
push_one(struct wx *x)
{
	struct fmt f;
	uint32_t n;
	uint8_t *p;

	compose(x, &f);
	n = squeeze(x, &f, &p);
	if (n > 0)
		return ws_send(x, WS_FIN | WS_RSV1 | WS_TEXT, p, n);
	return ws_send(x, WS_FIN | WS_TEXT, x->w->text, fmt_len(&f));
}

enum ws_go
ws_push(struct wx *x)
{
	uint64_t step = SECOND / (uint64_t)x->w->conf->push_rate;
	struct ws_state *st = x->st;
	uint32_t i;

	if (st->next + SECOND < x->now) {
		/* Late by more than a second: not all at once. */
		ws_count(x, WS_DROPPED, (x->now - st->next) / step);
		st->next = x->now;
	}
	for (i = 0; i < PUSH_BATCH && st->next <= x->now; i++) {
		st->seq++;
		st->next += step;
		ws_count(x, push_one(x) ? WS_MESSAGES_OUT : WS_DROPPED, 1);
	}
	return WS_WAIT;
}

static bool
blocked_long(const struct wx *x)
{
	return (x->st->flags & WST_BLOCKED) &&
	    (uint32_t)(x->now / 1000) - x->st->blocked_ms >=
	    (uint32_t)x->w->conf->stall_timeout_ms;
}

/* Within a message, and its next bytes are to come. */
static bool
awaits(const struct ws_state *st)
{
	return (st->flags & WST_MSG) &&
	    !(st->flags & (WST_WHOLE | WST_BLOCKED));
}

enum ws_go
ws_late(struct wx *x)
{
	const struct ws_conf *conf = x->w->conf;
	struct ws_state *st = x->st;
	uint64_t quiet = x->now - st->stamp, ping = us(conf->ping_ms);

	if (st->phase == WSP_FAIL)
		return quiet >= CLOSE_US ? ws_end(x, true) : WS_ON;
	if (blocked_long(x)) {
		ws_count(x, WS_FAILED, 1);
		return ws_end(x, true);
	}
	if (awaits(st) && quiet >= us(conf->stall_timeout_ms))
		return ws_fail(x, WS_POLICY);
	if (conf->idle_timeout_ms > 0 && quiet >= us(conf->idle_timeout_ms))
		return ws_fail(x, WS_AWAY);
	if (ping == 0 || quiet < ping)
		return WS_ON;
	if (!(st->flags & WST_PINGED)) {
		if (ws_send(x, WS_FIN | WS_PING, NULL, 0))
			st->flags |= WST_PINGED;
		return WS_ON;
	}
	return quiet >= 2 * ping ? ws_fail(x, WS_AWAY) : WS_ON;
}

/* The earlier of two times. */
static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the first of all time limits ends. */
static uint64_t
due(const struct wx *x)
{
	const struct ws_conf *conf = x->w->conf;
	const struct ws_state *st = x->st;
	uint64_t stall = us(conf->stall_timeout_ms), t = UINT64_MAX;

	if (st->phase == WSP_FAIL)
		return st->stamp + CLOSE_US;
	if (x->retry)
		t = x->now + RETRY_US;
	if (conf->mode == WS_MODE_PUSH)
		t = sooner(t, st->next);
	if (awaits(st))
		t = sooner(t, st->stamp + stall);
	if (st->flags & WST_BLOCKED)
		t = sooner(t, x->now + stall - us((uint32_t)(x->now / 1000) -
		    st->blocked_ms));
	if (conf->idle_timeout_ms > 0)
		t = sooner(t, st->stamp + us(conf->idle_timeout_ms));
	if (conf->ping_ms > 0)
		t = sooner(t, st->stamp + us(conf->ping_ms) *
		    (st->flags & WST_PINGED ? 2 : 1));
	return t;
}

/* The timer is moved lazily: it may fire early, never late. */
void
ws_arm(struct wx *x)
{
	struct ws_state *st = x->st;
	uint64_t t = due(x);

	if (t == UINT64_MAX || (st->due != 0 && st->due <= t))
		return;
	st->due = t;
	conn_timer(x->n, x->c, t);
}
