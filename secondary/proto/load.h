/*
 * load: the numbers of a load client: what it counts, what several of them
 * give together, and how that is shown. The wget service counts, `starfish
 * wget` reads, adds up and shows.
 *
 * struct load_totals lies in memory that outlives the worker: one writer, the
 * worker in the slot; readers take what they find, a number at a time.
 */
#ifndef PROTO_LOAD_H
#define PROTO_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../common/opt.h"
#include "hist.h"

/* Name of the slot's memory with the totals, see svc_io.keep. */
#define LOAD_KEEP	"wget"
#define LOAD_MAGIC	UINT64_C(0x3174656777667331)	/* and a version */

/* Causes of failure, by name in the report. */
enum load_error {
	LOAD_REFUSED,		/* SYN answered by RST */
	LOAD_UNREACHABLE,
	LOAD_CONNECT_TIMEOUT,
	LOAD_NO_PORT,
	LOAD_RESET,
	LOAD_TIMEOUT,
	LOAD_EARLY_CLOSE,	/* closed before an answer's head was whole */
	LOAD_SHORT_BODY,	/* closed before its body was */
	LOAD_NOT_HTTP,		/* the first line is no status line */
	LOAD_BAD_HEADER,	/* a malformed field */
	LOAD_BAD_LENGTH,	/* Content-Length malformed or contradicted */
	LOAD_BAD_CODING,	/* Transfer-Encoding unknown, or with length */
	LOAD_BAD_CHUNK,
	LOAD_EXTRA_BYTES,	/* more than was asked for, or announced */
	LOAD_OVERSIZE_HEAD,
	LOAD_BAD_STATUS,	/* 400 and above */
	LOAD_WRONG_CONTENT,	/* not what `verify` says */
	LOAD_NOT_SAVED,		/* the file could not be written */
	LOAD_ERRORS
};

extern const char *const load_error_names[LOAD_ERRORS];

/* Numbers of a run, or of a second of it. */
struct load_sum {
	uint64_t started, connected, done; /* flows */
	uint64_t failed;	/* flows that ended by an error */
	uint64_t requests, responses;
	uint64_t bytes_in, bytes_out; /* of bodies */
	uint64_t errors[LOAD_ERRORS];
	uint64_t mismatched;	/* responses of a wrong size */
	uint64_t verified;	/* responses with the right content */
	uint64_t saved;		/* files written whole */
	uint64_t unsent;	/* open loop: due, and never begun */
	uint64_t adopted;	/* connections of a dead worker */
	uint64_t restarts;	/* workers that took over in mid-run */
};

enum load_state {
	LOAD_NEW,		/* zeroed memory */
	LOAD_REST,		/* waits for orders */
	LOAD_READY,		/* waits for its start */
	LOAD_RUNNING,
	LOAD_OVER,		/* and rests, if it was by order */
	LOAD_REFUSES		/* the orders make no sense: `why` */
};

struct load_totals {
	uint64_t magic, size;	/* LOAD_MAGIC, sizeof this */
	_Atomic uint32_t state;	/* enum load_state */
	_Atomic uint32_t run;	/* the run that this is about, from 1 */
	char why[128];		/* LOAD_REFUSES */
	uint64_t bad;		/* LOAD_OVER: not all went well */
	uint64_t t_start;	/* µs, the worker's clock */
	uint64_t t_last;	/* the last response or end of a flow */
	uint64_t t_now;		/* the last turn that looked at the time */
	uint64_t next_ns, fraction; /* open loop: when the next is due */
	uint64_t body;		/* bytes of a right body; UINT64_MAX: open */
	struct load_sum sum;
	struct hist connect, first, whole; /* µs */
};

/*
 * Orders for a worker: written by `starfish wget`, one at a time, who locks
 * the file meanwhile.
 */
#define LOAD_CONF	4096u

struct load_orders {
	_Atomic uint32_t run;	/* raised above totals.run: a new run */
	_Atomic uint32_t go;	/* the run that may begin */
	_Atomic uint32_t stop;	/* the run that is to end */
	uint32_t size;		/* bytes of conf that are used */
	uint64_t shape;		/* load_shape() of its option table */
	_Alignas(8) uint8_t conf[LOAD_CONF]; /* the service's options */
};

/* What svc_io.keep gives. */
struct load_desk {
	struct load_orders orders;
	struct load_totals totals;
};

/* Names and places of the options: two programs that find the same fill and
 * read the same struct. */
uint64_t load_shape(const struct optgroup *g);

/* Add the sums of from to into. */
void	load_add(struct load_sum *into, const struct load_sum *from);

/*
 * Add totals: sums, histograms; the earliest start, the latest end, the time
 * furthest on; over only if all are. into begins zeroed.
 */
void	load_merge(struct load_totals *into, const struct load_totals *from);

/*
 * Append the line of the second that ended at now_us, without an end of line:
 * what happened since `before`, totals of an earlier moment.
 */
void	load_line(struct fmt *f, const struct load_totals *now,
	    const struct load_totals *before, uint64_t now_us);

/* Append the table of the end, several lines; prefix begins each. */
void	load_table(struct fmt *f, const struct load_totals *t,
	    const char *prefix);

/*
 * Append the same as a JSON object, with all buckets of the histograms. url
 * holds no control characters. who: members to begin with, as "\"slot\": 1, ".
 * LOAD_TEXT bytes are enough for all but absurd URLs.
 */
void	load_json(struct fmt *f, const struct load_totals *t, const char *url,
	    const char *who);
#define LOAD_TEXT	262144u

/* Whether all went well; timed: requests that its end cut off are no fault. */
bool	load_good(const struct load_totals *t, bool timed);

#endif
