/*
 * ws_frame: frames of WebSocket (RFC 6455, 5), as a server sees them.
 *
 * Nothing is remembered between calls: a header stays where it is until it is
 * whole; of a payload the caller keeps how much is to come and the mask,
 * rotated to its next byte.
 */
#ifndef PROTO_WS_FRAME_H
#define PROTO_WS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define WS_HEAD_MAX	14u	/* bytes of a client's header */
#define WS_OUT_MAX	10u	/* bytes of a server's header */
#define WS_CONTROL_MAX	125u	/* payload of a control frame */

enum ws_op {
	WS_CONT = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/* Close codes (RFC 6455, 7.4.1) that are used here. */
#define WS_NORMAL	1000
#define WS_AWAY		1001
#define WS_PROTOCOL	1002	/* against the protocol */
#define WS_NO_CODE	1005	/* never sent: a Close without a code */
#define WS_DATA		1007	/* text is not UTF-8, data do not inflate */
#define WS_POLICY	1008
#define WS_TOO_BIG	1009
#define WS_INTERNAL	1011

/* First byte of a header */
#define WS_FIN		0x80u
#define WS_RSV1		0x40u	/* compressed (RFC 7692, 6) */

struct ws_head {
	uint64_t len;		/* bytes of payload */
	uint32_t mask;		/* key; its first byte is the lowest */
	uint8_t op;		/* enum ws_op */
	bool fin, rsv1;
	uint8_t size;		/* bytes of the header */
};

/*
 * Parse the header of a client's frame from the n bytes there are. Returns
 * its size, or 0: it is not whole, and nothing is wrong so far; or a close
 * code, negative: reserved bits or opcodes, no mask, a length that is not in
 * its shortest form, a control frame that is fragmented or too long. rsv1
 * says whether an extension gives a meaning to that bit in a first data frame.
 */
int	ws_head_parse(struct ws_head *h, const uint8_t *p, uint32_t n,
	    bool rsv1);

/*
 * Write the header of a server's frame: first is its first byte (opcode and
 * bits). Returns its size: 2, 4 from 126 bytes of payload on, 10 from 65,536.
 */
uint32_t ws_head_write(uint8_t *to, uint8_t first, uint64_t len);

/*
 * Copy n masked (or unmasked) bytes the other way; to may be from. Returns
 * the mask for the byte that follows.
 */
uint32_t ws_mask(uint8_t *to, const uint8_t *from, uint32_t n, uint32_t mask);

/* The mask for the byte that follows n others. */
uint32_t ws_mask_skip(uint32_t mask, uint64_t n);

/*
 * Judge the unmasked payload of a Close. Returns its code, WS_NO_CODE if it
 * has none, or the negative code to fail with (RFC 6455, 5.5.1 and 7.4).
 */
int	ws_close_parse(const uint8_t *p, uint32_t n);

#endif
