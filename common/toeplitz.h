/*
 * toeplitz: the hash by which NICs spread flows (Microsoft's RSS), in
 * software. Worker, wire and the tap port's steering program use the same, so
 * that all agree on a flow's bucket.
 *
 * The input is what RSS defines for TCP: source address, destination address,
 * source port, destination port of the received packet, network order.
 */
#ifndef COMMON_TOEPLITZ_H
#define COMMON_TOEPLITZ_H

#include <stddef.h>
#include <stdint.h>

#define TOEPLITZ_KEY	40u	/* bytes of a key */
#define TOEPLITZ_V4	12u	/* bytes of input for IPv4 with ports */
#define TOEPLITZ_V6	36u	/* and for IPv6 */

/*
 * Hash of each value of each input byte: the hash of an input is the exclusive
 * or of one word per byte.
 */
struct toeplitz {
	uint32_t t[TOEPLITZ_V6][256];
};

/* Make the tables for a key. */
void	toeplitz_init(struct toeplitz *tz, const uint8_t key[TOEPLITZ_KEY]);

/* Hash of len bytes, at most TOEPLITZ_V6. */
uint32_t toeplitz_hash(const struct toeplitz *tz, const uint8_t *in,
	    size_t len);

/* The same bit by bit from the definition; slow, for checking. */
uint32_t toeplitz_ref(const uint8_t key[TOEPLITZ_KEY], const uint8_t *in,
	    size_t len);

/* Hash of an IPv4 flow; all in network order. */
static inline uint32_t
toeplitz_v4(const struct toeplitz *tz, uint32_t src_be, uint32_t dst_be,
    uint32_t ports_be)
{
	uint32_t h = 0;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		h ^= tz->t[i][src_be >> 8 * i & 0xff];
		h ^= tz->t[i + 4][dst_be >> 8 * i & 0xff];
		h ^= tz->t[i + 8][ports_be >> 8 * i & 0xff];
	}
	return h;
}

#endif
