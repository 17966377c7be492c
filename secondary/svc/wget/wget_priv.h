/*
 * wget_priv: inside of the wget service, a closed-loop load client.
 *
 * A flow is a connection; it carries keep_alive requests, of which up to
 * pipeline are under way at a time. `concurrency` flows are open at a time,
 * until `flows` were started or `duration_s` is over. The slots of a group
 * share flows and concurrency evenly.
 *
 * What a connection is about lies in its record and survives the process;
 * totals lie in the process. A successor takes over the connections and
 * starts its totals again.
 */
#ifndef SVC_WGET_PRIV_H
#define SVC_WGET_PRIV_H

#include "../svc.h"
#include "../../proto/fmt.h"
#include "../../proto/hist.h"
#include "../../proto/http_resp.h"

#define WGET_PIPELINE	32u	/* most requests under way, a power of two */
#define WGET_HEAD	16384u	/* largest head of a response */
#define WGET_REQUEST	2048u	/* largest head of a request */
#define WGET_PATTERN	16384u	/* bytes of upload that repeat */
#define WGET_OPENS	64u	/* most connections opened in one turn */
#define WGET_GRACE_US	2000000u /* for what is under way at the end */

struct wget_conf {
	char url[OPT_STRLEN];
	char header[OPT_STRLEN];
	int64_t flows, concurrency, keep_alive, duration_s, pipeline;
	int64_t body_bytes, expect_bytes, timeout_ms;
	int32_t method;		/* enum wget_method */
	uint8_t reset;
};

enum wget_method { WGET_GET, WGET_M_HEAD, WGET_POST };

/* Causes of failure, by name in the report. */
enum wget_error {
	WERR_REFUSED,		/* SYN answered by RST */
	WERR_UNREACHABLE,
	WERR_CONNECT_TIMEOUT,
	WERR_NO_PORT,
	WERR_RESET,
	WERR_TIMEOUT,
	WERR_EARLY_CLOSE,
	WERR_BAD_RESPONSE,
	WERR_OVERSIZE_HEAD,
	WERR_BAD_STATUS,
	WERRS
};

/* wget_state.flags */
#define WF_OPEN		0x01u	/* connected */
#define WF_FIRST	0x02u	/* a byte of the response in hand came */
#define WF_LAST		0x04u	/* the server will answer no more */

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
	uint32_t when[WGET_PIPELINE]; /* request i began: when[i mod] */
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

/* Numbers of a run, or of a second of it. */
struct wget_sum {
	uint64_t started, connected, done; /* flows */
	uint64_t failed;	/* flows that ended by an error */
	uint64_t requests, responses;
	uint64_t bytes_in, bytes_out; /* of bodies */
	uint64_t errors[WERRS];
	uint64_t mismatched;	/* responses of a wrong size */
	uint64_t adopted;
};

struct wget_priv {
	struct net_addr server;
	uint32_t gen;		/* names this process */
	uint32_t depth;		/* pipeline */
	uint64_t flows;		/* this slot's share; UINT64_MAX: no limit */
	uint32_t concurrency;	/* this slot's share */
	uint32_t per_conn;	/* keep_alive; UINT32_MAX: no limit */
	uint32_t active;	/* connections now */
	bool stopping;		/* start nothing new */
	bool finished;		/* the report was made */
	uint64_t t_start, t_stop; /* µs; t_stop UINT64_MAX: no limit */
	uint64_t t_second;	/* when the next line is due */
	uint64_t t_last;	/* the last response or end of a flow */
	uint64_t t_retry;	/* no connection is opened before */
	uint64_t size;		/* bytes of a right body; UINT64_MAX: open */
	struct wget_sum sum, before; /* before: at the last line */
	struct hist connect, first, whole, second;
	uint32_t req_len[2];	/* [1]: the last one of a connection */
	char req[2][WGET_REQUEST];
	char pattern[WGET_PATTERN];
	char head[WGET_HEAD];
	char text[262144];	/* report */
};

extern const char *const wget_error_names[WERRS];

/* ---- url.c ---- */

/*
 * Parse http://A.B.C.D[:port][/path]. 0 and server and the path (from its
 * '/', or "/") are set; -EINVAL and *why says what is wrong.
 */
int	wget_url(const char *url, struct net_addr *server, const char **path,
	    const char **why);

/* ---- flow.c ---- */

/* Something happened to a connection. */
void	wget_event(struct svc *s, struct conn *c, uint32_t events);

/* Open connections as the loop allows. Returns when to try again, µs. */
uint64_t wget_open(struct svc *s, uint64_t now_us);

/* ---- report.c ---- */

/* The line of a second that is over. */
void	wget_line(struct svc *s, uint64_t now_us);

/* Final table and JSON; whether all went well. */
bool	wget_report(struct svc *s, uint64_t now_us);

#endif
