/*
 * Random numbers by splitmix64 (Steele, Lea, Flood 2014), and the pattern
 * that streams are made of.
 */
#include "sim.h"

#define PATTERN_PRIME	65521u	/* period of a stream */

static uint8_t pattern_table[PATTERN_PRIME + PATTERN_RUN];

void
rng_seed(struct rng *r, uint64_t seed, uint32_t stream)
{
	/* Twice, or the numbers of one seed would be those of the next. */
	r->s = seed;
	r->s = rng_u64(r) ^ stream * 0xd1b54a32d192ed03u;
	r->s = rng_u64(r);
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_u64(r) >> 32) * n >> 32);
}

uint32_t
rng_range(struct rng *r, uint32_t lo, uint32_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

uint32_t
rng_log(struct rng *r, uint32_t lo, uint32_t hi)
{
	uint32_t octaves = 0, from;

	while (lo << (octaves + 1) <= hi && octaves < 30)
		octaves++;
	from = lo << rng_below(r, octaves + 1);
	if (from - lo + from > hi)
		return rng_range(r, from, hi);
	return rng_range(r, from, 2 * from - 1 > hi ? hi : 2 * from - 1);
}

bool
rng_chance(struct rng *r, uint32_t ppm)
{
	return ppm > 0 && rng_below(r, 1000000) < ppm;
}

const uint8_t *
pattern(uint32_t key, uint64_t pos)
{
	static bool made;
	struct rng r;
	uint32_t i;

	if (!made) {
		rng_seed(&r, 1, 1);
		for (i = 0; i < PATTERN_PRIME; i++)
			pattern_table[i] = (uint8_t)rng_u64(&r);
		for (; i < sizeof(pattern_table); i++)
			pattern_table[i] = pattern_table[i - PATTERN_PRIME];
		made = true;
	}
	return pattern_table + (key * 7919u + pos) % PATTERN_PRIME;
}
