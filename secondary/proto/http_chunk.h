/*
 * http_chunk: the chunked transfer coding (RFC 9112, 7.1), read strictly: a
 * size is 1 to 16 hexadecimal digits, lines end with CR LF and nothing less,
 * blanks stand nowhere but within extensions, extensions and trailers are
 * bounded and without control characters.
 *
 * The state is plain data of 16 bytes that lies in a connection's record; it
 * can be left and resumed at every byte.
 */
#ifndef PROTO_HTTP_CHUNK_H
#define PROTO_HTTP_CHUNK_H

#include <stdint.h>

#define CHUNK_LINE	256u	/* most bytes of a size line */
#define CHUNK_TRAILER	4096u	/* most bytes of all trailers */

enum http_chunk_state {
	HC_SIZE,		/* zeroed state: before the first digit */
	HC_DIGITS,
	HC_EXT,			/* behind ";" */
	HC_EXT_PRE,
	HC_EXT_NAME,
	HC_EXT_BWS,
	HC_EXT_EQ,
	HC_EXT_VAL,
	HC_EXT_STR,
	HC_EXT_ESC,
	HC_EXT_DONE,
	HC_SIZE_LF,
	HC_DATA,		/* left > 0 bytes of data come next */
	HC_DATA_CR,
	HC_DATA_LF,
	HC_TRAILER,		/* at the start of a trailer's line */
	HC_NAME,
	HC_VALUE,
	HC_VALUE_LF,
	HC_END_LF,
	HC_END,			/* the body is over */
	HC_BAD,			/* it is malformed */
};

struct http_chunk {
	uint64_t left;		/* HC_DATA: bytes of data yet to come */
	uint16_t line;		/* bytes of the line or of all trailers */
	uint8_t state;		/* enum http_chunk_state */
	uint8_t last;		/* the size was 0 */
	uint32_t zero;
};

_Static_assert(sizeof(struct http_chunk) == 16, "plain data");

/*
 * Read framing from n bytes at p up to the next data, the end, or an error.
 * Returns how many bytes that took; c->state says what is there: HC_DATA,
 * HC_END, HC_BAD, or all n were taken and more are needed.
 */
uint32_t http_chunk_frame(struct http_chunk *c, const uint8_t *p, uint32_t n);

/* n bytes of data, at most c->left, were taken. */
static inline void
http_chunk_took(struct http_chunk *c, uint64_t n)
{
	c->left -= n;
	if (c->left == 0)
		c->state = HC_DATA_CR;
}

#endif
