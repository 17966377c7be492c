/*
 * huge: hugepages and the mount that gives access to them. What is taken of
 * the machine is written to the runtime directory first, so that exactly
 * that is given back, even by another process later.
 */
#ifndef STARFISH_HUGE_H
#define STARFISH_HUGE_H

#include <stddef.h>
#include <stdint.h>

#include "rundir.h"

struct huge {
	char dir[BOARD_PATH];	/* hugetlbfs in use */
	uint64_t page;		/* bytes of a page there */
	uint64_t need;		/* pages */
	uint64_t taken;		/* pages by which nr_hugepages was raised */
	uint8_t mounted;	/* we mounted dir */
};

/*
 * Find or mount a hugetlbfs (want: the configuration's, or "") and raise the
 * number of hugepages by what is missing to have `bytes` free. 0, or -errno
 * with one line in err that says what to run; what was taken until then is
 * given back by huge_give().
 */
int	huge_take(struct huge *h, const struct rundir *d, const char *want,
	    uint64_t bytes, char *err, size_t errlen);

/*
 * Give back what the directory's record says; no process uses it any more.
 * Without a record nothing happens. Returns the pages given back.
 */
uint64_t huge_give(const struct rundir *d);

#endif
