/*
 * evacuate: a slot whose process is dead and stays so is emptied: whoever
 * repairs it acts as the giver of its buckets (secondary/net/move.h), and the
 * neighbours copy from its arena as they would from a living one.
 *
 * The repairer is the sole writer of the words of the slot's buckets, and of
 * its arena, as long as it holds the lock on the slot's bell: no process can
 * sit down there meanwhile. It may die at any step; who does it again begins
 * at the start. Records are not freed: the slot's next process finds that they
 * are not live.
 */
#ifndef COMMON_EVACUATE_H
#define COMMON_EVACUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "board.h"

struct evacuation {
	struct arena *arena;	/* of the dead slot */
	size_t size;		/* bytes of it */
	uint32_t slot;
	_Atomic uint64_t *word;	/* of the group's buckets */
	const _Atomic uint32_t *want;
	const _Atomic uint32_t (*reply)[BOARD_BUCKETS]; /* of each slot */
	uint32_t patience_us;	/* as in struct net_buckets */
	bool	(*takes)(void *arg, uint32_t slot);
	void	(*nudge)(void *arg, uint32_t slot); /* NULL: they look */
	void	*arg;
	/* its own */
	uint64_t until[BOARD_BUCKETS];
	uint8_t fails[BOARD_BUCKETS];
	uint32_t offered;
};

/*
 * The process is dead, which its pidfd said, and the lock is ours: free the
 * record that was in its hands, settle what it offered, and link its records
 * by buckets. 0; -EPROTO the arena is damaged, or of another build.
 */
int	evacuate_begin(struct evacuation *e);

/*
 * Offer what is wanted elsewhere, commit what was copied, withdraw what is
 * not answered. Returns how many buckets the slot still owns that are wanted
 * elsewhere. Call it every few ms.
 */
uint32_t evacuate_turn(struct evacuation *e, uint64_t now_us);

/* Before the lock is given up: no offer stands any more. */
void	evacuate_end(struct evacuation *e);

#endif
