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
 * RESP_HEAD after an interim answer (1xx). 0, or -1 and RESP_BAD: not HTTP,
 * lengths that contradict each other, an unknown transfer coding.
 */
int	http_resp_head(struct http_resp *r, const char *p, uint32_t n,
	    bool head);

/*
 * Take n bytes of body at p; p may be NULL in phases other than RESP_CHUNKED.
 * Returns how many belong to this response; phase is RESP_DONE after the
 * last. RESP_BAD: malformed chunk.
 */
uint32_t http_resp_body(struct http_resp *r, const uint8_t *p, uint32_t n);

/* The peer closed: 0 and RESP_DONE if the response ends so, -1 if early. */
int	http_resp_eof(struct http_resp *r);

#endif
