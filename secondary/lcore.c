#include "lcore.h"

#include <errno.h>
#include <unistd.h>

/* Whether a slot still says that this process sits in it: then what it left
 * in caches of its id was not cleared yet. */
static int
is_named(const struct board *b, uint32_t pid)
{
	const struct slot_worker *w;
	uint32_t i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		w = &b->slot[i].worker;
		if (atomic_load(&w->pid) == pid &&
		    atomic_load(&w->phase) != PHASE_NONE)
			return 1;
	}
	return 0;
}

static int
is_free(const struct board *b, uint64_t owner)
{
	uint32_t pid = (uint32_t)(owner >> 32);
	uint64_t start;

	if (owner == 0)
		return 1;
	start = board_pid_start((pid_t)pid);
	if (start != 0 && (uint32_t)start == (uint32_t)owner &&
	    board_pid_alive((pid_t)pid, start))
		return 0;
	return !is_named(b, pid);
}

int
lcore_take(struct board *b)
{
	uint64_t me, owner;
	uint32_t i;

	me = (uint64_t)getpid() << 32 | (uint32_t)board_pid_start(getpid());
	for (i = 1; i < BOARD_LCORES; i++) {
		owner = atomic_load(&b->lcore[i]);
		/* the start time makes an owner one of a kind: a swap cannot
		 * succeed on an entry that changed hands meanwhile */
		if (is_free(b, owner) && atomic_compare_exchange_strong(
		    &b->lcore[i], &owner, me))
			return (int)i;
	}
	return -EBUSY;
}
