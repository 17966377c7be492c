/*
 * load: what the kernel server and the kernel client have in common.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <sys/resource.h>

#include <err.h>
#include <sched.h>
#include <stdlib.h>

/* Run on this cpu (a number) only; exits if there is none. */
static inline void
load_pin(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(strtoul(cpu, NULL, 10), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "cpu %s", cpu);
}

/* As many open files as want, or as many as we may have. */
static inline void
load_raise_files(rlim_t want)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		err(1, "getrlimit");
	if (lim.rlim_max < want) {
		lim.rlim_cur = lim.rlim_max = want;
		if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
			return;
		getrlimit(RLIMIT_NOFILE, &lim);
	}
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

#endif
