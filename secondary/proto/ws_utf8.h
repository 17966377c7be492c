/*
 * ws_utf8: is it UTF-8 (RFC 3629), in pieces.
 *
 * Fails at the first byte after which nothing valid can follow: overlong
 * forms, surrogates and what is above U+10FFFF at their second byte.
 */
#ifndef PROTO_WS_UTF8_H
#define PROTO_WS_UTF8_H

#include <stdint.h>

#define WS_UTF8_DONE	0u		/* at the end of a character */
#define WS_UTF8_BAD	UINT32_MAX

/*
 * Go on with n bytes from state, which is WS_UTF8_DONE at a text's begin.
 * Returns the new state; WS_UTF8_BAD is final. A text is whole only in
 * WS_UTF8_DONE.
 */
uint32_t ws_utf8(uint32_t state, const uint8_t *p, uint32_t n);

#endif
