/*
 * ws_zip: the data of permessage-deflate (RFC 7692, 7.2) without context
 * takeover, by zlib, in memory that is part of the struct: nothing is
 * allocated, and nothing outlives a message.
 */
#ifndef PROTO_WS_ZIP_H
#define PROTO_WS_ZIP_H

#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

#define WS_ZIP_IN_MEM	(56u << 10)	/* zlib's own, with a 32 KB window */
#define WS_ZIP_OUT_MEM	(288u << 10)
#define WS_ZIP_TAIL	4u	/* bytes that are left out at a message's end */

/* Memory that one stream takes pieces of; they come back all at once. */
struct ws_zip_mem {
	uint32_t used, size;
	_Alignas(64) uint8_t mem[];
};

struct ws_zip {
	z_stream in, out;
	bool in_ready, out_ready; /* zlib's state is made, may be reset */
	bool final;		/* a block marked as the last one ended */
	uint8_t bits;		/* out: window */
	int8_t level;
	/* struct ws_zip_mem, each with room behind it */
	_Alignas(64) uint8_t in_mem[64 + WS_ZIP_IN_MEM];
	_Alignas(64) uint8_t out_mem[64 + WS_ZIP_OUT_MEM];
};

/* Begin a message to inflate. 0; -1: memory is too small for this zlib. */
int	ws_inflate_begin(struct ws_zip *z);

/*
 * Inflate from *in (*n bytes are left of it) to at most room bytes at to;
 * *n and *in move on. Returns bytes made, -1: the data are damaged. Call again
 * while it fills the room.
 */
int	ws_inflate(struct ws_zip *z, const uint8_t **in, uint32_t *n,
	    uint8_t *to, uint32_t room);

/* What a message's end stands for: WS_ZIP_TAIL bytes to inflate last. */
extern const uint8_t ws_zip_tail[WS_ZIP_TAIL];

/* After the tail: whether the data ended where a block ends. */
bool	ws_inflate_whole(const struct ws_zip *z);

/* Begin a message to deflate, for a window of 8 to 15 bits. 0 or -1. */
int	ws_deflate_begin(struct ws_zip *z, uint8_t bits, int8_t level);

/*
 * Deflate from *in to at most room (more than 6) bytes at to; last: no more
 * follows. Returns bytes made. Call again while it fills the room; with last
 * the output is whole when it did not, and its final WS_ZIP_TAIL bytes are to
 * be left out (RFC 7692, 7.2.1).
 */
uint32_t ws_deflate(struct ws_zip *z, const uint8_t **in, uint32_t *n,
	    uint8_t *to, uint32_t room, bool last);

#endif
