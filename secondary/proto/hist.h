/*
 * hist: a histogram of durations, log-linear as HdrHistogram is: each power
 * of two is cut into 64 equal buckets, so a value is known to 1.6% at worst
 * and small ones exactly, in one increment and no division.
 */
#ifndef PROTO_HIST_H
#define PROTO_HIST_H

#include <stdint.h>

#include "fmt.h"

#define HIST_BITS	6u	/* buckets per power of two: 2^6 */
#define HIST_TOP	40u	/* values at or above 2^40 count as that */
#define HIST_BUCKETS	((HIST_TOP - HIST_BITS + 1) << HIST_BITS)

struct hist {
	uint64_t n;		/* values */
	uint64_t sum, max;	/* exact */
	uint64_t min;		/* exact; of no meaning while n is 0 */
	uint64_t count[HIST_BUCKETS];
};

/* The bucket of a value. */
static inline uint32_t
hist_bucket(uint64_t v)
{
	uint32_t e;

	if (v < 2u << HIST_BITS)
		return (uint32_t)v;
	if (v >= (uint64_t)1 << HIST_TOP)
		v = ((uint64_t)1 << HIST_TOP) - 1;
	/* e powers of two above the exact range, which is the first two. */
	e = 63u - (uint32_t)__builtin_clzll(v) - HIST_BITS;
	return (e << HIST_BITS) + (uint32_t)(v >> e);
}

/* The largest value of a bucket. */
uint64_t hist_value(uint32_t bucket);

/* Count a value. h begins zeroed. */
static inline void
hist_add(struct hist *h, uint64_t v)
{
	h->count[hist_bucket(v)]++;
	if (h->n++ == 0 || v < h->min)
		h->min = v;
	h->sum += v;
	if (v > h->max)
		h->max = v;
}

/* Add all values of from to into. */
void	hist_merge(struct hist *into, const struct hist *from);

/*
 * The smallest recorded value that at least per_million / 10^6 of all values
 * do not exceed (990000: p99), to the precision above; 0 without values.
 */
uint64_t hist_quantile(const struct hist *h, uint32_t per_million);

/* Values that were added between two moments. */
struct hist_diff {
	uint64_t n;
	uint64_t p50, p99, max;	/* 0 without values; max to the precision of a
				   bucket */
};

/* What was added to a histogram since `before`, a copy of it. */
void	hist_diff(struct hist_diff *d, const struct hist *now,
	    const struct hist *before);

/* Mean of all values; 0 without values. */
uint64_t hist_mean(const struct hist *h);

/* Append the used buckets as JSON, [[value, count], ...]: what merging the
 * results of several processes needs. */
void	hist_json(const struct hist *h, struct fmt *f);

#endif
