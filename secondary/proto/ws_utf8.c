#include "ws_utf8.h"

#include <string.h>

/* A state within a character: bytes to come, and what the next may be. */
#define STATE(need, lo, hi)						\
	((uint32_t)(need) | (uint32_t)(lo) << 8 | (uint32_t)(hi) << 16)

/* RFC 3629 (4): what may follow a character's first byte. */
static uint32_t
first(uint8_t b)
{
	if (b < 0x80)
		return WS_UTF8_DONE;
	if (b < 0xc2 || b > 0xf4)
		return WS_UTF8_BAD;
	if (b < 0xe0)
		return STATE(1, 0x80, 0xbf);
	if (b < 0xf0)
		return STATE(2, b == 0xe0 ? 0xa0 : 0x80,
		    b == 0xed ? 0x9f : 0xbf);
	return STATE(3, b == 0xf0 ? 0x90 : 0x80, b == 0xf4 ? 0x8f : 0xbf);
}

/* The first byte from p on that is not ASCII, eight at a time; end: none. */
static const uint8_t *
skip_ascii(const uint8_t *p, const uint8_t *end)
{
	uint64_t v;

	for (; end - p >= 8; p += 8) {
		memcpy(&v, p, 8);
		if (v & UINT64_C(0x8080808080808080))
			break;
	}
	while (p < end && *p < 0x80)
		p++;
	return p;
}

uint32_t
ws_utf8(uint32_t state, const uint8_t *p, uint32_t n)
{
	const uint8_t *end = p + n;
	uint32_t need;

	if (state == WS_UTF8_BAD)
		return state;
	while (p < end) {
		if (state == WS_UTF8_DONE) {
			p = skip_ascii(p, end);
			if (p == end)
				break;
			state = first(*p++);
			if (state == WS_UTF8_BAD)
				return state;
			continue;
		}
		if (*p < (state >> 8 & 0xff) || *p > (state >> 16 & 0xff))
			return WS_UTF8_BAD;
		p++;
		need = (state & 0xff) - 1;
		state = need == 0 ? WS_UTF8_DONE : STATE(need, 0x80, 0xbf);
	}
	return state;
}
