/*
 * wget_priv: inside of the wget service, a load client.
 *
 * A flow is a connection; it carries keep_alive requests, of which up to
 * pipeline are under way at a time. At most `concurrency` flows are open at a
 * time, until `flows` were started or `duration_s` is over. The slots of a
 * group share flows, concurrency and rate evenly.
 *
 * Closed loop: a request begins when the one before it is answered. Open loop
 * (`rate`): requests have their moments, whatever the server does, and are
 * measured from them; one whose moment has come while all connections are in
 * use waits, and that counts (no coordinated omission).
 *
 * What a connection is about lies in its record; the totals (proto/load.h)
 * lie in memory of the slot's. Both survive the process, a successor goes on.
 */
#ifndef SVC_WGET_PRIV_H
#define SVC_WGET_PRIV_H

#include "../svc.h"
#include "../../proto/fmt.h"
#include "../../proto/http_resp.h"
#include "../../proto/idset.h"
#include "../../proto/load.h"
#include "url.h"

#define WGET_PIPELINE	32u	/* most requests under way, a power of two */
#define WGET_HEAD	16384u	/* largest head of a response */
#define WGET_REQUEST	2048u	/* largest head of a request */
#define WGET_PATTERN	16384u	/* bytes of upload that repeat */
#define WGET_OPENS	64u	/* most connections opened in one turn */
#define WGET_STARTS	256u	/* open loop: most connections that begin a
				   request in one turn */
#define WGET_GRACE_US	2000000u /* for what is under way at the end */
#define WGET_SAVE_US	30000000u /* for files at the end */
#define WGET_ADDR_US	3000000u /* until our own address can be used */
#define WGET_BASE	100u	/* bytes of a saved file's name, before the
				   numbers */

struct wget_conf {
	char url[OPT_STRLEN];
	char address[OPT_STRLEN];
	char header[OPT_STRLEN];
	char save[OPT_STRLEN];
	char verify[OPT_STRLEN];
	int64_t flows, concurrency, keep_alive, rate, duration_s, pipeline;
	int64_t body_bytes, expect_bytes, timeout_ms;
	int32_t method;		/* enum wget_method */
	int32_t version;	/* 0: HTTP/1.1, 1: HTTP/1.0 */
	uint8_t reset, hold;
};

_Static_assert(sizeof(struct wget_conf) <= LOAD_CONF, "fits into orders");

enum wget_method { WGET_GET, WGET_M_HEAD, WGET_POST };

/* wget_state.flags */
#define WF_OPEN		0x01u	/* connected */
#define WF_FIRST	0x02u	/* a byte of the response in hand came */
#define WF_LAST		0x04u	/* the server will answer no more */
#define WF_WRONG	0x08u	/* its content is not as it must be */
#define WF_HASHED	0x10u	/* sha holds a part of it */
#define WF_ENDED	0x20u	/* done or failed: the stack ends it alone */

/* SHA-256 of a body, as far as it came: what libmd keeps of it. */
struct wget_sha {
	uint64_t bits;
	uint32_t h[8];
	uint8_t block[64];
};

/* What survives of a connection. Times are µs, low 32 bits where short. */
struct wget_state {
	uint64_t begun;		/* when net_connect() was called */
	uint64_t up_left;	/* bytes of body to send of the request */
	struct http_resp resp;
	uint32_t gen;		/* process that counts it, see wget_priv */
	uint32_t searched;	/* bytes of a head without its end */
	uint32_t sent, got;	/* requests begun, responses complete */
	uint32_t req_pos;	/* bytes sent of the request's head */
	uint32_t flags;		/* WF_* */
	uint32_t since;		/* the oldest request under way was sent, or
				   became the oldest */
	uint32_t flow;		/* number of the flow in its group, from 1 */
	uint32_t when[WGET_PIPELINE]; /* request i was to begin: when[i mod] */
	struct wget_sha sha;
};

enum wget_counter {
	WGET_STARTED,
	WGET_CONNECTED,
	WGET_DONE,
	WGET_REQUESTS,
	WGET_RESPONSES,
	WGET_ERRORS,
	WGET_BYTES_IN,
	WGET_BYTES_OUT,
	WGET_ADOPTED,
};

/* Where a slot stands. */
enum wget_phase {
	WGET_REST,		/* no URL: waits for orders */
	WGET_HOLD,		/* ready, waits for its start */
	WGET_SCAN,		/* finds a predecessor's connections */
	WGET_RUN,
	WGET_OVER
};

struct wget_priv {
	const struct wget_conf *conf; /* of this run */
	enum wget_phase phase;
	bool by_order;		/* the run was ordered: rest afterwards */
	uint32_t run;		/* its number */
	struct net_addr server;
	uint32_t gen;		/* names this process */
	uint32_t depth;		/* pipeline */
	uint64_t flows;		/* this slot's share; UINT64_MAX: no limit */
	uint32_t concurrency;	/* this slot's share */
	uint32_t per_conn;	/* keep_alive; UINT32_MAX: no limit */
	uint32_t active;	/* connections now */
	uint32_t connecting;	/* of them, not yet connected */
	bool stopping;		/* start nothing new */
	bool looks;		/* bodies are verified or saved */
	bool saves, hashes;
	uint32_t scan_at;
	uint64_t t_stop;	/* µs; UINT64_MAX: no limit */
	uint64_t t_second;	/* when the next line is due */
	uint64_t t_retry;	/* no connection is opened before */
	uint64_t t_drain;	/* files are waited for until then; 0: not */
	/* open loop: a request is due every step_ns + rest / rate */
	uint64_t rate;		/* of the group; 0: closed loop */
	uint64_t step_ns, rest;
	uint32_t at;		/* where the look for an idle one begins */
	struct idset idle;	/* connections that can take a request */
	/* orders and totals */
	struct load_totals *t;	/* of desk */
	struct load_desk *desk;	/* the slot's memory, or own */
	struct load_desk own;
	struct load_totals before; /* at the last line */
	/* content */
	const uint8_t *want;	/* verify = FILE */
	size_t want_len;
	uint8_t want_sha[32];
	char base[WGET_BASE];	/* of the names of saved files */
	uint32_t req_len[2];	/* [1]: the last one of a connection */
	char req[2][WGET_REQUEST];
	char pattern[WGET_PATTERN];
	struct http_known known; /* the last response's head */
	char head[WGET_HEAD];
	struct wget_conf ordered;
	char text[LOAD_TEXT];	/* report */
};

/* One event of one connection. */
struct wgx {
	struct svc *s;
	struct net *n;
	struct conn *c;
	struct wget_state *st;
	struct wget_priv *p;
	struct load_totals *t;
	const struct wget_conf *conf;
	uint64_t now;
	bool gone;		/* closed: touch nothing any more */
	bool stalled;		/* no room to save: come again */
};

/* ---- flow.c ---- */

/* Something happened to a connection. */
void	wget_event(struct svc *s, struct conn *c, uint32_t events);

/* The connection fails for this cause. */
void	wget_fail(struct wgx *x, enum load_error e);

/* All that the flow was for is done. */
void	wget_done(struct wgx *x);

/* Whether the flow begins another request. */
bool	wget_more(const struct wgx *x);

/* Begin requests as far as pipeline and rate allow; open loop: remember
 * whether there is room for another. */
void	wget_send(struct wgx *x);

/* The process has not seen this connection yet: count it. */
void	wget_adopt(struct wgx *x);

/* ---- answer.c ---- */

/* Read responses; consume what was read. */
void	wget_receive(struct wgx *x);

/* The server closed its half and all is read. */
void	wget_eof(struct wgx *x);

/* ---- open.c ---- */

/* What each event of c begins with. */
void	wget_wx(struct wgx *x, struct svc *s, struct conn *c, uint64_t now_us);

/* Open connections as the loop allows. Returns when to try again, µs. */
uint64_t wget_open(struct svc *s, uint64_t now_us);

/* Open loop: begin what is due on idle connections. Returns when the next
 * is due, µs. */
uint64_t wget_pace(struct svc *s, uint64_t now_us);

/* Open loop: requests that are due and not begun. */
uint64_t wget_backlog(const struct wget_priv *p, uint64_t now_us);

/* The moment of the request that is due, which begins now: true and *when_us;
 * false: none is due. In the closed loop one always is. */
bool	wget_due(struct wgx *x, uint64_t *when_us);

/* Close connections that have nothing to do. */
void	wget_idle_end(struct svc *s, uint64_t now_us);

/* Find the connections that a predecessor left; true: all are found. */
bool	wget_scan(struct svc *s, uint64_t now_us);

/* As service.depart and service.arrive: counts go with a connection. */
void	wget_depart(struct svc *s, struct conn *c);
void	wget_arrive(struct svc *s, struct conn *c);

/* ---- content.c ---- */

/* Options `verify` and `save`. 0 or -EINVAL, *why says what is wrong. */
int	wget_content_start(struct svc *s, const char *path,
	    const char **why);

/* Judge and save n bytes of a body, from position at. False: no room to
 * save, nothing was done. */
bool	wget_content(struct wgx *x, uint64_t at, const uint8_t *p, uint32_t n);

/* A body is whole. False: no room, come again. */
bool	wget_content_end(struct wgx *x);

/* The flow fails: what was saved of a body is taken away. */
void	wget_content_drop(struct wgx *x);

/* ---- start.c ---- */

/* The service starts: what has to be done. As svc.start. */
int	wget_begin(struct svc *s, uint64_t now_us);

/* svc_desc.check. */
const char *wget_check(const void *options);

/* Rest: look for orders, and make ready for them. */
void	wget_rest(struct svc *s, uint64_t now_us);

/* Ready: begin if we may. */
void	wget_hold(struct svc *s, uint64_t now_us);

/* What options of which the table says nothing mean: words for requests. */
extern const char *const wget_methods[], *const wget_versions[];

/* ---- report.c ---- */

/* The line of a second that is over. */
void	wget_line(struct svc *s, uint64_t now_us);

/* Final table and JSON; whether all went well. */
bool	wget_report(struct svc *s, uint64_t now_us);

#endif
