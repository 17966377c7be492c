#include "resident.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* The program's own code, by the linker. */
extern const char __executable_start[], etext[];

void
resident(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	/* for good: a locked stack that may not grow any more would kill us
	 * once the right to lock is given up */
	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0)
		return;
	(void)!mlock(__executable_start,
	    (size_t)(etext - __executable_start));
	(void)!mlockall(MCL_CURRENT | MCL_ONFAULT);
}
