/*
 * kv: values under keys, by lines of text. What was stored survives the
 * process: a value lies in an object of the slot's (net/obj.h).
 *
 *	SET key value		OK
 *	PUT key length		OK		(length bytes follow the line)
 *	GET key			VALUE length	(and length bytes and a newline)
 *				NONE
 *	DEL key			OK, or NONE
 *	COUNT			COUNT number
 *	QUIT			(the end)
 *
 * Lines end with LF or CRLF; a value of SET is the rest of its line. What
 * cannot be done is answered by "ERROR word: text", and the connection goes on
 * where the request ends, or is closed when that is not known. Requests may be
 * sent without waiting for answers.
 *
 * What an event does to a connection and what it stores are one item of work:
 * if the process dies in it, that one connection is reset. So what a client was
 * told is stored, and no request is done twice.
 */
#include "svc.h"

#include <errno.h>
#include <string.h>

#include "../net/obj.h"
#include "../proto/fmt.h"

#define KV_ROUNDS	32u	/* most requests of one event */
#define KV_HEAD		(8u + OBJ_KEY)	/* "SET key " */
#define KV_ANSWER	64u	/* most bytes of an answer but a value's */
#define KV_MAX		32768u
#define KV_DIGITS	10u	/* most of a length: a line with its value
				   must fit into the receive queue */

struct kv_conf {
	int64_t value_max;
	int64_t idle_timeout_ms;
};

struct kv_state {
	uint64_t stamp;		/* µs: the last request */
	uint32_t scanned;	/* unread bytes that hold no newline */
	uint32_t sent;		/* bytes of the answer that are queued */
	uint32_t version;	/* of the object that is being sent */
	uint8_t answer;		/* enum kv_answer that is owed; KV_LATER */
	uint8_t ending;		/* closed once that is queued */
	uint8_t pad[2];
};

struct kv_priv {
	char line[KV_HEAD + KV_MAX + 2];
};

enum kv_counter { KV_GETS, KV_HITS, KV_SETS, KV_DELS, KV_ERRORS, KV_IDLE,
	KV_CHANGED };

enum kv_answer {
	KV_LATER,		/* more has to come, or to be sent */
	KV_SENT,		/* it is queued */
	KV_RESET,		/* it cannot be given */
	/* answers of one line */
	KV_OK, KV_NONE, KV_FULL, KV_LONG, KV_KEY, KV_COMMAND, KV_LENGTH,
	KV_COUNT, KV_QUIT,
};

static const char *const kv_lines[] = {
	[KV_OK] = "OK\n",
	[KV_NONE] = "NONE\n",
	[KV_FULL] = "ERROR full: no room for another value\n",
	[KV_LONG] = "ERROR long: the value or the line is too long\n",
	[KV_KEY] = "ERROR key: 1 to 64 bytes without blanks\n",
	[KV_COMMAND] = "ERROR command: SET, PUT, GET, DEL, COUNT or QUIT\n",
	[KV_LENGTH] = "ERROR length: PUT key length, 1 to 10 digits\n",
	[KV_QUIT] = "",
};

static const struct opt kv_opts[] = {
	{ .name = "value_max", .type = OPT_INT,
	    .offset = offsetof(struct kv_conf, value_max), .def = 8192,
	    .min = 1, .max = KV_MAX, .unit = "bytes",
	    .help = "Longest value; tcp.rcvbuf and tcp.sndbuf must hold it." },
	SVC_IDLE_OPT(offsetof(struct kv_conf, idle_timeout_ms),
	    "Close a connection without a request; 0: never."),
	{ .name = NULL }
};

static const struct optgroup kv_group = {
	.name = "kv",
	.help = "Settings of the key-value service.",
	.size = sizeof(struct kv_conf),
	.opts = kv_opts,
};

static const struct svc_counter kv_counters[] = {
	[KV_GETS] = { "gets", "GET requests" },
	[KV_HITS] = { "hits", "GET requests whose key was there" },
	[KV_SETS] = { "sets", "values stored" },
	[KV_DELS] = { "dels", "values removed" },
	[KV_ERRORS] = { "errors", "requests answered by ERROR" },
	[KV_IDLE] = { "idle_closed", "connections closed when idle" },
	[KV_CHANGED] = { "changed", "connections reset: the value changed while "
	    "it was sent" },
	{ NULL, NULL }
};

const struct svc_desc kv_desc = {
	.name = "kv",
	.help = "Keeps values under keys, by lines of text.",
	.opts = &kv_group,
	.counters = kv_counters,
	.state_size = sizeof(struct kv_state),
	.objects = OBJECTS_MOVE,
	.count_max = 1,		/* objects belong to a slot: one has all keys */
};

/* ---- requests ---- */

struct kv_req {
	char *line;		/* without its end */
	uint32_t len;
	uint32_t size;		/* bytes with its end: where the body begins */
	const char *key;
	uint32_t klen;
	const char *rest;	/* behind the key and a blank */
	uint32_t rlen;
};

/* The next line into priv. False: it is not whole, or too long: st->scanned
 * says which. */
static bool
next_line(struct svc *s, struct conn *c, struct kv_state *st, struct kv_req *r)
{
	struct kv_priv *p = s->priv;
	const uint8_t *at, *nl = NULL;
	uint32_t n;

	while ((n = conn_peek(s->net, c, st->scanned, &at)) > 0) {
		nl = memchr(at, '\n', n);
		if (nl != NULL)
			break;
		st->scanned += n;
		if (st->scanned >= sizeof(p->line))
			return false;
	}
	if (nl == NULL)
		return false;
	r->size = st->scanned + (uint32_t)(nl - at) + 1;
	if (r->size > sizeof(p->line)) {
		st->scanned = sizeof(p->line);
		return false;
	}
	conn_copy(s->net, c, 0, p->line, r->size);
	r->line = p->line;
	r->len = r->size - 1;
	if (r->len > 0 && r->line[r->len - 1] == '\r')
		r->len--;
	return true;
}

/* Whether the line is this word, alone or before a blank. */
static bool
is_word(const struct kv_req *r, const char *word)
{
	size_t n = strlen(word);

	return r->len >= n && memcmp(r->line, word, n) == 0 &&
	    (r->len == n || r->line[n] == ' ');
}

/* Find the key, which follows a word of three letters. */
static bool
split(struct kv_req *r)
{
	uint32_t i;

	r->key = r->line + 4;
	for (i = 4; i < r->len && (uint8_t)r->line[i] > ' ' &&
	    r->line[i] != 127; i++)
		continue;
	if (r->len < 5 || i == 4 || i - 4 > OBJ_KEY ||
	    (i < r->len && r->line[i] != ' '))
		return false;
	r->klen = i - 4;
	r->rest = r->line + i + (i < r->len);
	r->rlen = r->len - i - (i < r->len);
	return true;
}

static enum kv_answer
stored(struct svc *s, int err)
{
	if (err == 0)
		svc_count(s, KV_SETS, 1);
	return err == 0 ? KV_OK : KV_FULL;
}

static enum kv_answer
do_set(struct svc *s, const struct kv_req *r)
{
	const struct kv_conf *conf = s->conf;

	if (r->rlen > conf->value_max)
		return KV_LONG;
	return stored(s, obj_put(s->net, r->key, r->klen, r->rest, r->rlen));
}

/* The bytes behind the line are the value. */
static enum kv_answer
do_put(struct svc *s, struct conn *c, struct kv_req *r)
{
	const struct kv_conf *conf = s->conf;
	uint32_t len = 0, i, n, at;
	const uint8_t *p;
	int err;

	for (i = 0; i < r->rlen && r->rest[i] >= '0' && r->rest[i] <= '9' &&
	    len <= KV_MAX; i++)
		len = len * 10 + (uint32_t)(r->rest[i] - '0');
	if (r->rlen == 0 || (i < r->rlen && len <= KV_MAX))
		return KV_LENGTH;
	if (len > conf->value_max)
		return KV_LONG;
	if (r->rlen > KV_DIGITS)
		return KV_LENGTH;
	if (conn_readable(c) < r->size + len)
		return KV_LATER;
	err = obj_begin(s->net, len);
	for (i = 0; err == 0 && i < len; i += n) {
		at = r->size + i;
		n = conn_peek(s->net, c, at, &p);
		if (n > len - i)
			n = len - i;
		obj_add(s->net, p, n);
	}
	r->size += len;
	return stored(s, err < 0 ? err :
	    obj_commit(s->net, r->key, r->klen));
}

static enum kv_answer
do_del(struct svc *s, const struct kv_req *r)
{
	if (obj_del(s->net, r->key, r->klen) < 0)
		return KV_NONE;
	svc_count(s, KV_DELS, 1);
	return KV_OK;
}

/* ---- answers ---- */

/* Queue the line that is owed. False: there is no room now. */
static bool
pay(struct svc *s, struct conn *c, struct kv_state *st)
{
	char text[KV_ANSWER], *to;
	uint32_t room = KV_ANSWER;
	struct fmt f;

	if (st->answer == KV_LATER)
		return true;
	fmt_init(&f, text, sizeof(text));
	if (st->answer == KV_COUNT) {
		fmt_str(&f, "COUNT ");
		fmt_u64(&f, obj_count(s->net));
		fmt_str(&f, "\n");
	} else {
		fmt_str(&f, kv_lines[st->answer]);
	}
	to = conn_reserve(s->net, c, KV_ANSWER, &room);
	if (to == NULL) {
		conn_want_room(s->net, c, KV_ANSWER);
		return false;
	}
	memcpy(to, text, fmt_len(&f));
	conn_commit(s->net, c, fmt_len(&f));
	st->answer = KV_LATER;
	return true;
}

/* Queue n bytes that begin at `from` of a long answer, as far as they are not
 * queued yet. False: there is no room now. */
static bool
push(struct svc *s, struct conn *c, uint32_t from, const void *p, uint32_t n)
{
	struct kv_state *st = conn_state(c);
	uint32_t skip = st->sent > from ? st->sent - from : 0, took;

	if (skip >= n)
		return true;
	took = conn_write(s->net, c, (const uint8_t *)p + skip, n - skip);
	st->sent += took;
	if (took == n - skip)
		return true;
	conn_want_room(s->net, c, n - skip - took);
	return false;
}

static enum kv_answer
do_get(struct svc *s, struct conn *c, const struct kv_req *r)
{
	struct kv_state *st = conn_state(c);
	uint32_t at, n, skip;
	struct obj_view v;
	const uint8_t *p;
	char head[32];
	struct fmt f;
	bool found = obj_find(s->net, r->key, r->klen, &v);

	if (st->sent > 0 && (!found || v.version != st->version)) {
		/* half of the old value is on its way */
		svc_count(s, KV_CHANGED, 1);
		return KV_RESET;
	}
	if (!found)
		return KV_NONE;
	st->version = v.version;
	fmt_init(&f, head, sizeof(head));
	fmt_str(&f, "VALUE ");
	fmt_u64(&f, v.len);
	fmt_str(&f, "\n");
	at = fmt_len(&f);
	if (!push(s, c, 0, head, at))
		return KV_LATER;
	for (skip = 0; (n = obj_peek(s->net, &v, skip, &p)) > 0; skip += n)
		if (!push(s, c, at + skip, p, n))
			return KV_LATER;
	if (!push(s, c, at + skip, "\n", 1))
		return KV_LATER;
	st->sent = 0;
	svc_count(s, KV_HITS, 1);
	return KV_SENT;
}

/* ---- a connection ---- */

static enum kv_answer
request(struct svc *s, struct conn *c, struct kv_req *r)
{
	bool key = split(r);

	if (is_word(r, "COUNT"))
		return KV_COUNT;
	if (is_word(r, "QUIT"))
		return KV_QUIT;
	if (!is_word(r, "SET") && !is_word(r, "PUT") && !is_word(r, "GET") &&
	    !is_word(r, "DEL"))
		return KV_COMMAND;
	if (!key)
		return r->line[0] == 'P' ? KV_LENGTH : KV_KEY;
	switch (r->line[0]) {
	case 'S':
		return do_set(s, r);
	case 'P':
		return do_put(s, c, r);
	case 'G':
		return do_get(s, c, r);
	default:
		return do_del(s, r);
	}
}

enum kv_step { STEP_ON, STEP_BYTES, STEP_ROOM, STEP_GONE };

/* One request. */
static enum kv_step
step(struct svc *s, struct conn *c, struct kv_state *st)
{
	struct kv_req r = { .size = 0 };
	enum kv_answer a;

	if (!pay(s, c, st))
		return STEP_ROOM;
	if (st->ending) {
		conn_discard(s->net, c);
		conn_close(s->net, c);
		return STEP_GONE;
	}
	if (next_line(s, c, st, &r))
		a = request(s, c, &r);
	else if (st->scanned >= sizeof(((struct kv_priv *)s->priv)->line))
		a = KV_LONG;
	else
		return STEP_BYTES;
	if (a == KV_LATER)
		return r.line[0] == 'G' ? STEP_ROOM : STEP_BYTES;
	if (a == KV_RESET) {
		conn_abort(s->net, c);
		return STEP_GONE;
	}
	if (r.size > 0 && r.line[0] == 'G')
		svc_count(s, KV_GETS, 1);
	if (a >= KV_FULL && a <= KV_LENGTH)
		svc_count(s, KV_ERRORS, 1);
	/* where the next request begins is not known */
	st->ending = a == KV_QUIT || a == KV_LENGTH ||
	    (a == KV_LONG && (r.size == 0 || r.line[0] == 'P'));
	st->answer = a == KV_SENT ? KV_LATER : (uint8_t)a;
	st->scanned = 0;
	conn_consume(s->net, c, r.size);
	return STEP_ON;
}

static void
kv_event(struct svc *s, struct conn *c, uint32_t events)
{
	const struct kv_conf *conf = s->conf;
	struct kv_state *st = conn_state(c);
	enum kv_step next = STEP_ON;
	uint32_t i;

	if (events & CONN_GONE)
		return;
	if (events & CONN_OPEN)
		st->stamp = conn_now(s->net);
	for (i = 0; next == STEP_ON && i < KV_ROUNDS; i++) {
		next = step(s, c, st);
		if (next == STEP_ON)
			st->stamp = conn_now(s->net);
	}
	if (next == STEP_GONE)
		return;
	if (next == STEP_ON) {
		/* others have their turn first */
		conn_want_room(s->net, c, 1);
	} else if (next == STEP_BYTES && conn_fin(c)) {
		/* what is left is no request, and never will be one */
		conn_discard(s->net, c);
		conn_close(s->net, c);
		return;
	}
	if ((events & (CONN_OPEN | CONN_TIMER)) == 0 ||
	    !svc_idle(s, c, st->stamp, conf->idle_timeout_ms))
		return;
	svc_count(s, KV_IDLE, 1);
	conn_abort(s->net, c);
}

static int
kv_start(struct svc *s, uint64_t now_us)
{
	const struct kv_conf *conf = s->conf;
	const struct net_conf *nc = net_settings(s->net);
	int64_t need = conf->value_max + KV_HEAD + KV_ANSWER;

	/* a request is read, and an answer queued, as a whole */
	if (need <= nc->rcvbuf && need <= nc->sndbuf)
		return 0;
	s->io->log(s->ioarg, "kv: value_max does not fit into tcp.rcvbuf and "
	    "tcp.sndbuf");
	return -EINVAL;
}

const struct service kv_service = {
	.desc = &kv_desc,
	.priv_size = sizeof(struct kv_priv),
	.start = kv_start,
	.event = kv_event,
};
