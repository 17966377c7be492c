/*
 * clock: time without system calls. Microseconds of CLOCK_MONOTONIC, read from
 * the processor's time stamp counter and steered to the kernel's clock ten
 * times a second; never goes back.
 */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stdint.h>

#include <rte_cycles.h>

#define CLOCK_SYNC_US	100000u	/* how often it looks at the kernel's clock */

struct clock {
	uint64_t tsc0, us0;	/* one moment on both clocks */
	uint64_t mult;		/* µs per tick, as a fraction of 2^32 */
	uint64_t last_us;	/* latest answer */
	uint64_t sync_us;	/* when to look again */
	uint64_t first_tsc, first_us; /* start of the long measurement */
	uint64_t wall_us;	/* CLOCK_REALTIME less CLOCK_MONOTONIC */
	int64_t wall_s;		/* seconds since 1970 */
	uint64_t wall_next_us;	/* when wall_s changes */
	int kernel;		/* the counter is not to be trusted */
};

/* Start the clock. hz: ticks per second as DPDK found them. */
void	clock_init(struct clock *c, uint64_t hz);

/* Look at the kernel's clocks. Called when clock_due(). */
void	clock_sync(struct clock *c);

static inline int
clock_due(const struct clock *c)
{
	return c->last_us >= c->sync_us;
}

/* What the kernel's clock says, µs. */
uint64_t clock_kernel_us(void);

/* Now, µs. */
static inline uint64_t
clock_now(struct clock *c)
{
	uint64_t us;

	if (__builtin_expect(c->kernel, 0))
		us = clock_kernel_us();
	else
		/* fits: synchronised long before 2^32 µs have passed */
		us = c->us0 + (uint64_t)((unsigned __int128)
		    (rte_rdtsc() - c->tsc0) * c->mult >> 32);
	if (us > c->last_us)
		c->last_us = us;
	return c->last_us;
}

/* Seconds since 1970 at now_us; looked up, not asked for. */
static inline int64_t
clock_wall(struct clock *c, uint64_t now_us)
{
	if (__builtin_expect(now_us >= c->wall_next_us, 0)) {
		c->wall_s = (int64_t)((now_us + c->wall_us) / 1000000);
		c->wall_next_us = ((uint64_t)c->wall_s + 1) * 1000000 -
		    c->wall_us;
	}
	return c->wall_s;
}

#endif
