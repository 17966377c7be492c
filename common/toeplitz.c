#include "toeplitz.h"

/* 32 bits of the key from bit position at on. */
static uint32_t
key_window(const uint8_t key[TOEPLITZ_KEY], unsigned int at)
{
	uint64_t w = 0;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		unsigned int byte = at / 8 + i;

		w = w << 8 | (byte < TOEPLITZ_KEY ? key[byte] : 0);
	}
	return (uint32_t)(w >> (8 - at % 8));
}

void
toeplitz_init(struct toeplitz *tz, const uint8_t key[TOEPLITZ_KEY])
{
	unsigned int i, bit, v;

	for (i = 0; i < TOEPLITZ_V6; i++) {
		uint32_t w[8];

		for (bit = 0; bit < 8; bit++)
			w[bit] = key_window(key, i * 8 + bit);
		for (v = 0; v < 256; v++) {
			uint32_t h = 0;

			for (bit = 0; bit < 8; bit++)
				if (v & 0x80u >> bit)
					h ^= w[bit];
			tz->t[i][v] = h;
		}
	}
}

uint32_t
toeplitz_hash(const struct toeplitz *tz, const uint8_t *in, size_t len)
{
	uint32_t h = 0;
	size_t i;

	for (i = 0; i < len && i < TOEPLITZ_V6; i++)
		h ^= tz->t[i][in[i]];
	return h;
}

uint32_t
toeplitz_ref(const uint8_t key[TOEPLITZ_KEY], const uint8_t *in, size_t len)
{
	uint32_t h = 0;
	unsigned int i;

	for (i = 0; i < len * 8; i++)
		if (in[i / 8] & 0x80u >> i % 8)
			h ^= key_window(key, i);
	return h;
}
