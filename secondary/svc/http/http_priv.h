/*
 * http_priv: inside of the http service.
 *
 * The request is the state. A head stays unread at the front of the receive
 * queue until all of its response is queued; what the response is made of
 * follows from the head and the document root alone, as a row of items (head,
 * body, parts of a multipart body). The record remembers how many items were
 * queued (step), and when room runs out the head is parsed again and the row
 * goes on from there: in this process or in the one that takes its place.
 */
#ifndef SVC_HTTP_PRIV_H
#define SVC_HTTP_PRIV_H

#include "../svc.h"
#include "../../proto/fmt.h"
#include "../../proto/http_chunk.h"
#include "../../proto/http_range.h"
#include "../../proto/http_req.h"
#include "../ws/ws_priv.h"

#define HTTP_HEAD_MAX	32768u	/* largest max_header */
#define HTTP_URI_MAX	16384u	/* largest max_uri */
#define HTTP_SERVER_MAX	64u	/* bytes of the Server field */
#define HTTP_COPY	1024u	/* bodies up to this go with their head */
#define HTTP_BUDGET	64u	/* most steps of one event */
#define HTTP_GATHER	8192u	/* bytes of a body to see before answering */
#define HTTP_DRAIN	65536u	/* most bytes of an unwanted body to read */
#define HTTP_LINE	384u	/* bytes of status line, Server and Date */
#define HTTP_BATCH	4096u	/* bytes asked for when requests are queued */
#define HTTP_REPEATS	128u	/* requests remembered; a power of two */
#define HTTP_REPEAT	480u	/* most bytes of one */

/* Options; the table in http.c says what they mean. */
struct http_conf {
	char root[OPT_STRLEN];
	struct opt_list hosts;
	char index[OPT_STRLEN];
	char echo[OPT_STRLEN];
	char server[OPT_STRLEN];
	char access_log[OPT_STRLEN]; /* for the supervisor, which writes it */
	int32_t access_format;
	uint8_t listing;
	char ws[OPT_STRLEN];
	struct ws_conf ws_conf;
	int64_t header_timeout_ms, body_timeout_ms;
	int64_t keepalive_timeout_ms, send_timeout_ms;
	int64_t max_header, max_uri, max_fields, max_body, max_requests;
	int64_t min_rate, max_conns, max_conns_addr;
};

enum http_phase {
	PH_HEAD,		/* a head is to come, or is being answered */
	PH_GATHER,		/* its body is looked at before the answer */
	PH_ECHO,		/* the body is sent back */
	PH_DRAIN,		/* the body is thrown away */
	PH_WS,			/* it speaks WebSocket from now on */
};

/* http_state.flags */
#define ST_GATHERED	0x01u	/* PH_GATHER is over for this head */
#define ST_CONTINUED	0x02u	/* 100 Continue was sent */
#define ST_CHUNKED	0x04u	/* the body in hand is chunked */
#define ST_OUT_CHUNKED	0x08u	/* and so is its echo */
#define ST_CLOSE	0x10u	/* the connection ends with the echo */

/* What survives of a connection. */
struct http_state {
	union {
		struct {
			/* µs: when the phase began or went on */
			uint64_t stamp;
			union {
				/* bytes of body to come, if not chunked */
				uint64_t left;
				/* PH_HEAD: bytes queued of the stretch of a
				 * large file in hand; else 0 */
				uint64_t at;
			};
			/* bytes of body so far, decoded */
			uint64_t body;
			/* bytes taken (heads) or received (bodies) until
			 * the timer looked last */
			uint64_t seen;
			struct http_chunk chunk;
			union {
				/* PH_HEAD: bytes of it without its end */
				uint32_t searched;
				/* bodies: ms when the timer looked last */
				uint32_t judged;
			};
			/* PH_GATHER: bytes of body looked at */
			uint32_t scanned;
			union {
				/* PH_GATHER: of the head before it */
				uint32_t head_len;
				/* PH_HEAD: requests at that look */
				uint32_t looked;
			};
			uint32_t pos;	/* bytes queued of the item in hand */
			uint32_t requests; /* answered */
			uint16_t step;	/* items queued of this answer */
			/* of this answer, if step or pos are set */
			uint16_t status;
		};
		struct ws_state ws; /* PH_WS */
	};
	uint8_t phase;		/* enum http_phase */
	uint8_t flags;		/* ST_* */
	uint8_t peer;		/* counted for its address */
	uint8_t side;		/* of an answer that was begun: the generation
				   of its document root, modulo 2 */
	uint32_t seat;		/* of the process that counts it; 0: none */
};

_Static_assert(sizeof(struct http_state) <= 96, "kept for idle ones too");

enum http_counter {
	HTTP_REQUESTS,
	HTTP_2XX,
	HTTP_3XX,
	HTTP_4XX,
	HTTP_5XX,
	HTTP_BYTES,		/* of bodies sent */
	HTTP_BODY_IN,		/* of bodies received */
	HTTP_PARTIAL,
	HTTP_NOT_MODIFIED,
	HTTP_MALFORMED,
	HTTP_TIMEOUT,
	HTTP_IDLE,
	HTTP_STALLED,
	HTTP_BLOCKED,
	HTTP_RESET,
	HTTP_REFUSED,
	HTTP_STREAMED,
	HTTP_STALE,
	HTTP_UNLOGGED,
	HTTP_WS,		/* the first of enum ws_counter */
};

#define HTTP_PEERS	1024u	/* sets of addresses; a power of two */
#define HTTP_WAYS	8u	/* addresses of a set */

/* A client's address, and how many connections it has. */
struct http_peer {
	uint64_t key;
	uint32_t n;		/* 0: the place is free */
	uint32_t family;
};

/* A request that was answered with a whole file, and that answer. */
struct http_repeat {
	uint32_t len;		/* bytes of the request; 0: none */
	uint32_t answer_len;	/* bytes of the answer */
	uint32_t body_len;	/* of them: of its body */
	uint32_t missed;	/* others that came here since it was of use */
	int64_t wall;		/* the second that answer tells */
	char request[HTTP_REPEAT];
	char answer[HTTP_LINE + FCACHE_HEAD + HTTP_COPY];
};

/* A root of its own for requests to a host. */
struct http_host {
	const char *name;	/* in the options */
	uint32_t len;		/* bytes */
	const struct fcache *root;
	const struct fcache *old; /* of the generation before, or NULL */
};

/* Process-private; start() makes it. */
struct http_priv {
	const struct fcache *root; /* NULL: nothing to serve but echo */
	const struct fcache *old_root;
	uint8_t side;		/* generation of root, modulo 2 */
	bool reloaded;		/* there were others before it */
	bool log;		/* there is an access log */
	uint32_t nhosts;
	struct http_host host[OPT_LISTLEN];
	struct http_limits limits;
	bool own_index;		/* index is not the cache's own */
	bool streams;		/* reads of large files were asked for */
	uint32_t echo_len;
	uint32_t ws_len;
	struct ws ws;
	uint32_t seat;		/* names this process in records */
	uint64_t salt;		/* spreads addresses, unknown to clients */
	int64_t conns;		/* connections that are counted */
	struct http_peer peer[HTTP_PEERS][HTTP_WAYS];
	int64_t wall;		/* the second that line tells; -1: none */
	uint32_t line_len;	/* bytes of line */
	uint32_t line_ok;	/* where "Server:" stands in it */
	/* "HTTP/1.1 200 OK", Server, Date, each with CRLF */
	char line[HTTP_LINE];
	struct http_repeat repeat[HTTP_REPEATS];
	char head[HTTP_HEAD_MAX];	/* a head that lay in pieces */
	char path[HTTP_URI_MAX + OPT_STRLEN]; /* in normal form */
	char out[4 * HTTP_URI_MAX + 2048]; /* a response's head */
};

enum http_go {
	GO_ON,			/* call the phase's function again */
	GO_WAIT,		/* for bytes, room or time */
	GO_GONE,		/* the connection is not ours any more */
};

/* One event of one connection. */
struct hx {
	struct svc *s;
	struct net *n;
	struct conn *c;
	struct http_state *st;
	struct http_priv *p;
	const struct fcache *root; /* that the request is for; may be NULL */
	const struct http_conf *conf;
	uint64_t now;		/* µs */
	/* unread bytes handled: consumed together when the event ends */
	uint32_t done;
	/* the piece of unread bytes looked at: [win_at, win_at + win_len) */
	uint32_t win_at, win_len;
	const uint8_t *win;
	/* space reserved in the send queue, and what of it is written */
	uint8_t *res;
	uint32_t res_len, res_used;
	/* the request in hand */
	bool close;		/* the connection ends with its answer */
	bool echo;		/* it is for the echo route */
	uint8_t side;		/* of root */
	const char *head;	/* the head in hand begins here; NULL: lost */
	uint32_t head_len;	/* bytes of it, if it is not in req */
	uint64_t sent;		/* bytes of the answer's body */
	bool blocked;		/* an answer waits for room, or for a file */
	struct http_req req;
};

/* ---- options.c ---- */

extern const struct svc_desc http_desc;

/* What is wrong with the options beyond single values, or NULL. */
const char *http_check(const void *options);

/* ---- http.c ---- */

/* Unread bytes not handled yet. */
uint32_t hx_avail(const struct hx *x);

/* Slow halves of the functions below. */
void	hx_commit(struct hx *x);
uint32_t hx_look(struct hx *x, uint32_t at, const uint8_t **p);
uint8_t	*hx_extend(struct hx *x, uint32_t n);
uint8_t	*hx_reserve(struct hx *x, uint32_t n);

/* Give to the send queue what was written into reserved space. Before any
 * call of conn.h. */
static inline void
hx_flush(struct hx *x)
{
	if (x->res != NULL)
		hx_commit(x);
}

/* Unread bytes from done + skip that lie together; how many. */
static inline uint32_t
hx_peek(struct hx *x, uint32_t skip, const uint8_t **p)
{
	uint32_t at = x->done + skip - x->win_at;

	/* Wraps around when the place is before the window. */
	if (at >= x->win_len)
		return hx_look(x, x->done + skip, p);
	*p = x->win + at;
	return x->win_len - at;
}

/* n bytes of the send queue to be written, n at most 512 for certain; NULL:
 * wait (CONN_WRITE is asked for). hx_used() follows. */
static inline uint8_t *
hx_room(struct hx *x, uint32_t n)
{
	if (x->res != NULL && x->res_len - x->res_used >= n)
		return x->res + x->res_used;
	return hx_reserve(x, n);
}

/* The same, but for any n, and if NULL then nothing is asked for. */
static inline uint8_t *
hx_room_now(struct hx *x, uint32_t n)
{
	if (x->res != NULL && x->res_len - x->res_used >= n)
		return x->res + x->res_used;
	return hx_extend(x, n);
}

static inline void
hx_used(struct hx *x, uint32_t n)
{
	x->res_used += n;
}

/* Be called with CONN_WRITE when n bytes can be queued; GO_WAIT. */
enum http_go hx_wait_room(struct hx *x, uint32_t n);

/* End the connection behind what is queued; GO_GONE. */
enum http_go hx_close(struct hx *x);

/* Reset it; GO_GONE. */
enum http_go hx_abort(struct hx *x);

/* Set the connection's timer to now + ms. */
void	hx_timer(struct hx *x, int64_t ms);

/* ---- limits.c ---- */

void	limit_start(struct http_priv *p, const struct svc *s, uint64_t now_us);

/* Count a connection that this process sees first; fresh: it was just opened,
 * and gets 503 and GO_GONE above a limit. */
enum http_go limit_enter(struct hx *x, bool fresh);

/* It is not ours any more, or not HTTP. Its record is still to be read. */
void	limit_leave(struct http_priv *p, struct http_state *st,
	    const struct conn *c);

/* A body begins: it must not come too slowly from now on. */
void	limit_body(struct hx *x);

/* The timer fired. */
enum http_go limit_timer(struct hx *x);

/* ---- request.c ---- */

enum http_go http_on_head(struct hx *x);

/* The answer in hand is queued: on to the body, the next request or the end. */
enum http_go http_answered(struct hx *x, uint16_t status);

/* Bytes that are no request: answer with status, and end. */
enum http_go http_refuse(struct hx *x, uint16_t status);

/* ---- repeat.c ---- */

/* Forget all: they follow from the options and the document roots. */
void	repeat_forget(struct http_priv *p);

/* The answer in hand is e, whole: remember it if that can be of use. */
void	repeat_keep(struct hx *x, const struct fcache_entry *e);

/*
 * Answer the request that begins with the n bytes at p, of which nothing was
 * queued yet, if it is one that is remembered. false: nothing is done.
 */
bool	repeat_answer(struct hx *x, const char *p, uint32_t n);

/* ---- gather.c ---- */

/* Whether the body of this request is looked at before it is answered. */
bool	gather_wanted(const struct hx *x);
enum http_go gather_start(struct hx *x);
enum http_go http_on_gather(struct hx *x);

/* ---- access.c ---- */

/* Log the answer in hand. */
void	access_log(struct hx *x, uint16_t status);

/* ---- page.c ---- */

/* Status line, Server and Date of an answer. */
void	page_begin(struct hx *x, struct fmt *f, uint16_t status);

/* Connection field if one is due, and the blank line. */
void	page_end(struct hx *x, struct fmt *f);

/*
 * Queue item number `item` of the answer: the text in f. true: it is queued
 * (now or before). false: it waits for room; return GO_WAIT.
 */
bool	page_put(struct hx *x, uint32_t item, const struct fmt *f);

/* Answer with a short text that names the status. */
enum http_go page_error(struct hx *x, uint16_t status);

/* 204 with Allow. */
enum http_go page_options(struct hx *x);

/* 304, 412 or 416 for a file. */
enum http_go page_file(struct hx *x, const struct fcache_entry *e,
	    uint16_t status);

/* 301 to the same path with a slash. */
enum http_go page_slash(struct hx *x, const char *path, uint32_t n);

/* ---- find.c ---- */

/* The document root of the request's host; the one for all others. old: of
 * the generation before; NULL: it is gone. */
const struct fcache *find_root(const struct hx *x, bool old);

/* What answers a GET of an entry that has flags: its index, its listing, or
 * the variant that the client wants; NULL: nothing. */
const struct fcache_entry *find_entry(struct hx *x,
	    const struct fcache_entry *e);

/* Whether a GET of the request's path, as it is, would find something. */
bool	find_file(struct hx *x);

/* Vary and Content-Encoding of an entry. */
void	find_fields(struct fmt *f, const struct fcache_entry *e);

/* ---- stream.c ---- */

/* The whole of a file that is too large for the cache, as 200. */
enum http_go stream_whole(struct hx *x, const struct fcache_entry *e);

/*
 * Before the head of an answer with len bytes of such a file from `first` on:
 * see that they can be read. true: they can. false: they cannot yet, or are
 * answered for already; return *go.
 */
bool	stream_first(struct hx *x, const struct fcache_entry *e,
	    uint64_t first, uint64_t len, enum http_go *go);

/* Queue them. GO_ON: all are; GO_WAIT; GO_GONE: the file changed. */
enum http_go stream_put(struct hx *x, const struct fcache_entry *e,
	    uint64_t first, uint64_t len);

/* The connection is not ours any more. */
void	stream_leave(struct svc *s, struct conn *c);

/* Let connections whose reads are done go on; whether there were any. */
bool	stream_tick(struct svc *s);

/* ---- range.c ---- */

/* Queue n ranges of a file as 206. */
enum http_go range_answer(struct hx *x, const struct fcache_entry *e,
	    const struct http_range *r, uint32_t n);

/* ---- upgrade.c ---- */

/* Whether the request is for the WebSocket path. */
bool	upgrade_wanted(const struct hx *x);

/* Answer it; GO_GONE too when its connection speaks WebSocket now. */
enum http_go upgrade_answer(struct hx *x);

/* The state of a connection that speaks WebSocket, or NULL. */
struct ws_state *upgrade_find(struct conn *c);

/* ---- body.c ---- */

enum http_go echo_answer(struct hx *x);
enum http_go http_on_echo(struct hx *x);
enum http_go http_on_drain(struct hx *x);

#endif
