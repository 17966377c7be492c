/*
 * hist: a log-linear histogram of durations, for the load programs.
 *
 * 64 steps per power of two: a percentile is right to 1.6 %. Values are
 * nanoseconds; those of 2^40 ns (18 minutes) and above count as the last step.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB	64u
#define HIST_POW	40u

struct hist {
	uint64_t n;
	uint64_t max;
	uint64_t step[HIST_POW * HIST_SUB];
};

static inline uint32_t
hist_index(uint64_t v)
{
	uint32_t p;

	if (v < HIST_SUB)
		return (uint32_t)v;
	if (v >> HIST_POW)
		return HIST_POW * HIST_SUB - 1;
	p = 63u - (uint32_t)__builtin_clzll(v);
	return (p - 5) * HIST_SUB + (uint32_t)(v >> (p - 6)) - HIST_SUB;
}

/* The largest value that counts as step i. */
static inline uint64_t
hist_value(uint32_t i)
{
	uint32_t p = i / HIST_SUB;

	if (p == 0)
		return i;
	return ((uint64_t)(i % HIST_SUB + HIST_SUB + 1) << (p - 1)) - 1;
}

static inline void
hist_add(struct hist *h, uint64_t v)
{
	h->n++;
	if (v > h->max)
		h->max = v;
	h->step[hist_index(v)]++;
}

/* The value that a share of the samples (0 to 1) does not exceed. */
static inline uint64_t
hist_quantile(const struct hist *h, double share)
{
	uint64_t want = (uint64_t)(share * (double)h->n), sum = 0;
	uint32_t i;

	for (i = 0; i < HIST_POW * HIST_SUB; i++) {
		sum += h->step[i];
		if (sum > want)
			return hist_value(i) < h->max ? hist_value(i) : h->max;
	}
	return h->max;
}

#endif
