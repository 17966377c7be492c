/*
 * idset: a set of connection ids, as bits in the caller's zeroed memory.
 */
#ifndef PROTO_IDSET_H
#define PROTO_IDSET_H

#include <stdint.h>

#define IDSET_IDS	(1u << 20) /* ids that it holds; others are ignored */

struct idset {
	uint32_t top;		/* words that were ever used */
	uint64_t word[IDSET_IDS / 64];
};

static inline void
idset_put(struct idset *s, uint32_t id)
{
	if (id >= IDSET_IDS)
		return;
	s->word[id / 64] |= UINT64_C(1) << id % 64;
	if (id / 64 >= s->top)
		s->top = id / 64 + 1;
}

static inline void
idset_del(struct idset *s, uint32_t id)
{
	if (id < IDSET_IDS)
		s->word[id / 64] &= ~(UINT64_C(1) << id % 64);
}

/* The first id of the set from `from` on; IDSET_IDS: none. */
static inline uint32_t
idset_next(const struct idset *s, uint32_t from)
{
	uint32_t i = from / 64;
	uint64_t bits;

	if (i >= s->top)
		return IDSET_IDS;
	bits = s->word[i] >> from % 64 << from % 64;
	while (bits == 0) {
		if (++i >= s->top)
			return IDSET_IDS;
		bits = s->word[i];
	}
	return i * 64 + (uint32_t)__builtin_ctzll(bits);
}

#endif
