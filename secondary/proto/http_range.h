/*
 * http_range: byte ranges (RFC 9110, 14) and conditions (13).
 */
#ifndef PROTO_HTTP_RANGE_H
#define PROTO_HTTP_RANGE_H

#include <stdint.h>

#include "http_req.h"

#define HTTP_RANGES	16u	/* most ranges served in one answer */

/* Bytes first .. last, both included. */
struct http_range {
	uint64_t first, last;
};

enum http_range_answer {
	RANGE_WHOLE = 0,	/* not to be honoured: send it all */
	RANGE_NONE = -1,	/* none can be satisfied: 416 */
};

/*
 * Read a Range value for a content of size bytes. Returns the number of
 * satisfiable ranges in r (HTTP_RANGES entries), clamped, in the order asked
 * for; or RANGE_WHOLE: another unit, a syntax error, too many, or together
 * longer than the content (an attack, RFC 9110, 14.2); or RANGE_NONE.
 */
int	http_ranges(const struct http_slice *value, uint64_t size,
	    struct http_range r[HTTP_RANGES]);

/* What a content is known by. */
struct http_version {
	const char *etag;	/* strong, with quotes */
	int64_t mtime;		/* seconds since 1970 */
	int64_t now;
};

/*
 * Judge the conditions of a GET or HEAD (RFC 9110, 13.2.2): 0: go on;
 * 304; 412.
 */
int	http_conditions(const struct http_req *r,
	    const struct http_version *v);

/* Whether a Range field of r counts: there is one, and If-Range agrees. */
bool	http_range_counts(const struct http_req *r,
	    const struct http_version *v);

#endif
