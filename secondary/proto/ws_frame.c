#include "ws_frame.h"

#include <string.h>

#include "ws_utf8.h"

#define RSV23	0x30u
#define MASKED	0x80u

/* What the first two bytes alone tell to be wrong. */
static int
judge(const struct ws_head *h, uint8_t first, uint8_t len7, bool rsv1)
{
	if (first & RSV23)
		return -WS_PROTOCOL;
	if (h->op & 8) {
		if (h->op > WS_PONG || !h->fin || h->rsv1 ||
		    len7 > WS_CONTROL_MAX)
			return -WS_PROTOCOL;
		return 0;
	}
	/* RFC 7692 (6.1): the bit stands on a message's first frame only. */
	if (h->op > WS_BINARY || (h->rsv1 && (!rsv1 || h->op == WS_CONT)))
		return -WS_PROTOCOL;
	return 0;
}

int
ws_head_parse(struct ws_head *h, const uint8_t *p, uint32_t n, bool rsv1)
{
	uint32_t ext, i;
	uint8_t len7;
	int err;

	if (n == 0)
		return 0;
	h->op = p[0] & 0x0f;
	h->fin = (p[0] & WS_FIN) != 0;
	h->rsv1 = (p[0] & WS_RSV1) != 0;
	len7 = n > 1 ? p[1] & 0x7f : 0;
	err = judge(h, p[0], len7, rsv1);
	if (err != 0)
		return err;
	if (n < 2)
		return 0;
	if (!(p[1] & MASKED))
		return -WS_PROTOCOL;
	ext = len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
	h->size = (uint8_t)(6 + ext);
	if (n < 2 + ext)
		return 0;
	h->len = ext == 0 ? len7 : 0;
	for (i = 0; i < ext; i++)
		h->len = h->len << 8 | p[2 + i];
	if ((ext == 2 && h->len < 126) || (ext == 8 &&
	    (h->len < 65536 || h->len > INT64_MAX)))
		return -WS_PROTOCOL;
	if (n < h->size)
		return 0;
	p += 2 + ext;
	h->mask = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
	return h->size;
}

uint32_t
ws_head_write(uint8_t *to, uint8_t first, uint64_t len)
{
	uint32_t i;

	to[0] = first;
	if (len < 126) {
		to[1] = (uint8_t)len;
		return 2;
	}
	if (len < 65536) {
		to[1] = 126;
		to[2] = (uint8_t)(len >> 8);
		to[3] = (uint8_t)len;
		return 4;
	}
	to[1] = 127;
	for (i = 0; i < 8; i++)
		to[2 + i] = (uint8_t)(len >> (56 - 8 * i));
	return 10;
}

uint32_t
ws_mask_skip(uint32_t mask, uint64_t n)
{
	uint32_t bits = (uint32_t)(n & 3) * 8;

	return bits == 0 ? mask : mask >> bits | mask << (32 - bits);
}

uint32_t
ws_mask(uint8_t *to, const uint8_t *from, uint32_t n, uint32_t mask)
{
	uint64_t v, key = mask | (uint64_t)mask << 32;
	uint32_t i = 0;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	key = __builtin_bswap64(key);
#endif
	for (; n - i >= 8; i += 8) {
		memcpy(&v, from + i, 8);
		v ^= key;
		memcpy(to + i, &v, 8);
	}
	for (; i < n; i++)
		to[i] = from[i] ^ (uint8_t)(mask >> (i & 3) * 8);
	return ws_mask_skip(mask, n);
}

int
ws_close_parse(const uint8_t *p, uint32_t n)
{
	int code;

	if (n == 0)
		return WS_NO_CODE;
	if (n == 1)
		return -WS_PROTOCOL;
	code = p[0] << 8 | p[1];
	/* 1004 to 1006 and 1015 are never sent (RFC 6455, 7.4.1); 1012 to
	 * 1014 were registered since. */
	if (code < 1000 || (code > 1003 && code < 1007) ||
	    (code > 1014 && code < 3000) || code > 4999)
		return -WS_PROTOCOL;
	if (ws_utf8(WS_UTF8_DONE, p + 2, n - 2) != WS_UTF8_DONE)
		return -WS_DATA;
	return code;
}
