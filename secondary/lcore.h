/*
 * lcore: DPDK lcore ids of workers. Two processes with one id would share the
 * caches of every pool, and then its buffers; so an id is given out by a table
 * on the board, and again only after its process died and its slot was taken
 * over.
 */
#ifndef SECONDARY_LCORE_H
#define SECONDARY_LCORE_H

#include <stdint.h>

#include "../common/board.h"

/*
 * Take a free id for this process, until it ends: 1 to BOARD_LCORES - 1, or
 * -EBUSY. Nobody is waited for: an entry is swapped, not locked.
 */
int	lcore_take(struct board *b);

#endif
