/*
 * fate: what became of a slot while no supervisor looked, judged from the
 * board alone. Pure.
 */
#ifndef STARFISH_FATE_H
#define STARFISH_FATE_H

#include <stdint.h>

#include "../../common/board.h"

/* What the board says of a slot, and who of it lives. */
struct fate_facts {
	uint32_t super_state;	/* enum slot_state, as the last supervisor
				   left it */
	uint32_t super_pid;
	uint32_t dead_pid;
	uint32_t worker_pid;
	uint32_t phase;		/* enum worker_phase */
	uint32_t epoch;
	uint8_t super_alive;	/* the process the supervisor started */
	uint8_t worker_alive;	/* the one that speaks on the board */
	uint8_t stale;		/* super_state is older than a start takes */
};

enum fate_what {
	FATE_SITS,	/* a process lives in it */
	FATE_DIED,	/* it died unseen: to be buried, and replaced */
	FATE_LEFT,	/* it ended in order, unseen */
	FATE_GAVE_UP,	/* it is DEAD and stays so until told otherwise */
	FATE_START,	/* nobody sits there, somebody should */
	FATE_FINISHED	/* nobody sits there, nobody should */
};

struct fate {
	enum fate_what what;
	enum slot_state state;	/* before an end is dealt with */
	uint32_t pid;		/* SITS, DIED, LEFT: of which process */
};

void	fate_judge(struct fate *f, const struct fate_facts *b);

#endif
