/*
 * http_resp: HTTP/1.x responses, as a client reads them.
 *
 * The state is plain data that lies in a connection's record, and can be left
 * and resumed at every byte. A head is parsed when it is whole; a body's bytes
 * are counted, not looked at.
 */
#ifndef PROTO_HTTP_RESP_H
#define PROTO_HTTP_RESP_H

#include <stdbool.h>
#include <stdint.h>

#include "http_chunk.h"

enum http_resp_phase {
	RESP_HEAD,		/* zeroed state: a head is to come */
	RESP_LENGTH,		/* left bytes of body are to come */
	RESP_CHUNKED,
	RESP_TO_EOF,		/* the body ends with the connection */
	RESP_DONE,
	RESP_BAD,		/* malformed: see http_resp_head() */
};

/* Why a head is not taken. */
enum http_resp_bad {
	RESP_NOT_HTTP = 1,	/* no status line of HTTP/1.x */
	RESP_BAD_FIELD,		/* a malformed field */
	RESP_BAD_LENGTH,	/* Content-Length malformed or repeated */
	RESP_BAD_CODING,	/* Transfer-Encoding unknown or with a length */
};

struct http_resp {
	uint64_t left;		/* RESP_LENGTH */
	uint64_t body;		/* bytes of body so far, decoded */
	struct http_chunk chunk;
	uint16_t status;	/* 200, ... */
	uint8_t phase;		/* enum http_resp_phase */
	uint8_t keepalive;	/* the connection may be used again */
};

/*
 * Parse a whole head of n bytes (http_head_end() found it) that answers a
 * request; head: it was a HEAD. Sets phase to what comes next, and back to
 * RESP_HEAD after an interim answer (1xx). 0, or a negative enum
 * http_resp_bad and RESP_BAD.
 */
int	http_resp_head(struct http_resp *r, const char *p, uint32_t n,
	    bool head);

/*
 * A head that was parsed, and what it said. Servers answer the same request
 * with the same words but for the Date, so most heads need no parser: they are
 * compared. Zeroed: none is known.
 */
#define RESP_KNOWN	512u	/* longer heads are not remembered */

struct http_known {
	struct http_resp resp;	/* as http_resp_head() left it */
	uint16_t len;		/* of the head */
	uint16_t date, date_end; /* the value of its Date, or both 0 */
	uint8_t head;		/* it answered a HEAD */
	char text[RESP_KNOWN];
};

/* Remember a head of n bytes at p that http_resp_head() took, and r. */
void	http_known_keep(struct http_known *k, const struct http_resp *r,
	    const char *p, uint32_t n, bool head);

/*
 * Whether the n bytes at p begin with the head that is known, whose Date may
 * be another of the same length: then *r is as http_resp_head() would leave
 * it, and the head's length is returned. 0: it has to be parsed.
 */
uint32_t http_known_head(struct http_known *k, struct http_resp *r,
	    const char *p, uint32_t n, bool head);

/*
 * Take n bytes of body at p; p may be NULL in phases other than RESP_CHUNKED.
 * Returns how many belong to this response; phase is RESP_DONE after the
 * last. RESP_BAD: malformed chunk.
 */
uint32_t http_resp_body(struct http_resp *r, const uint8_t *p, uint32_t n);

/*
 * The same with the bytes of content among them: *at of *len, as they are
 * without the chunks' framing. Takes at most one piece of content at a time.
 */
uint32_t http_resp_piece(struct http_resp *r, const uint8_t *p, uint32_t n,
	    uint32_t *at, uint32_t *len);

/* The peer closed: 0 and RESP_DONE if the response ends so, -1 if early. */
int	http_resp_eof(struct http_resp *r);

#endif
