/*
 * move_roles: the supervisor and the primary of an instance as far as moves
 * of buckets concern them, for a test that kills them: the very functions of
 * tools/starfish/mover.c and primary/steer.c, on a board of the test's.
 */
#ifndef TESTS_MOVE_ROLES_H
#define TESTS_MOVE_ROLES_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/board.h"

/* What the user asks of the supervisor. */
enum role_wish {
	ROLE_DRAIN,		/* a slot's buckets go to the others */
	ROLE_REBALANCE,
	ROLE_ADD,		/* a slot gets its share */
	ROLE_EMPTY,		/* one that stays DEAD gives its away */
	ROLE_WISHES
};

/* A supervisor that knows nothing but the board, whose first nslots slots are
 * one group. */
void	role_super_start(struct board *b, uint32_t nslots);

/* It does what is asked; slots whose bit is not in takes are DEAD for it. */
void	role_super_turn(enum role_wish wish, uint32_t slot, uint32_t takes,
	    uint64_t now_us);

/* A primary whose port 0 is a NIC with this redirection table. */
void	role_primary_start(struct board *b, _Atomic uint8_t *reta);

/* The NIC follows the table. */
void	role_primary_steer(void);

#endif
