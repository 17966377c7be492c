/* The Internet checksum (RFC 1071), summed natively: the order of bytes in
 * a word does not matter as long as the result is stored natively, too. */
#include "net_priv.h"

uint64_t
csum_add(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t w[4], acc = sum;
	uint32_t v;
	uint16_t h;

	for (; len >= 32; len -= 32, b += 32) {
		memcpy(w, b, 32);
		/* sums of 32-bit halves cannot overflow 64 bits here */
		acc += (w[0] & 0xffffffff) + (w[0] >> 32);
		acc += (w[1] & 0xffffffff) + (w[1] >> 32);
		acc += (w[2] & 0xffffffff) + (w[2] >> 32);
		acc += (w[3] & 0xffffffff) + (w[3] >> 32);
	}
	for (; len >= 4; len -= 4, b += 4) {
		memcpy(&v, b, 4);
		acc += v;
	}
	if (len >= 2) {
		memcpy(&h, b, 2);
		acc += h;
		b += 2;
		len -= 2;
	}
	if (len != 0) {
		h = 0;
		memcpy(&h, b, 1);
		acc += h;
	}
	return (acc & 0xffffffff) + (acc >> 32);
}

uint16_t
csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
