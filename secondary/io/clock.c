#include "clock.h"

#include <stdbool.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static uint64_t
read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
clock_kernel_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

/* Whether the counter runs at one rate on all cores and in all states. */
static bool
counter_steady(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#else
	return true;
#endif
}

void
clock_init(struct clock *c, uint64_t hz)
{
	*c = (struct clock){ .kernel = hz == 0 || !counter_steady() };
	if (!c->kernel)
		c->mult = (1000000ull << 32) / hz;
	c->first_tsc = c->tsc0 = rte_rdtsc();
	c->first_us = c->us0 = c->last_us = clock_kernel_us();
	clock_sync(c);
}

void
clock_sync(struct clock *c)
{
	uint64_t tsc = rte_rdtsc(), us = clock_kernel_us();

	if (!c->kernel && us > c->first_us + CLOCK_SYNC_US / 2 &&
	    tsc > c->first_tsc) {
		/* rate over the whole run: its error only shrinks */
		c->mult = (uint64_t)((((unsigned __int128)(us - c->first_us))
		    << 32) / (tsc - c->first_tsc));
	}
	/*
	 * A counter that was ahead does not step back: clock_now() holds still
	 * until the kernel's clock has caught up.
	 */
	c->tsc0 = tsc;
	c->us0 = us;
	c->sync_us = us + CLOCK_SYNC_US;
	c->wall_us = read_us(CLOCK_REALTIME) - us;
	c->wall_next_us = 0;
}
