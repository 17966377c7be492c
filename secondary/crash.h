/*
 * crash: what a worker says of its own death by a signal: which one, where,
 * and by which way it came there. It writes to its slot's words on the board,
 * which outlive it; whoever reads them knows the program's symbols.
 */
#ifndef SECONDARY_CRASH_H
#define SECONDARY_CRASH_H

#include "../common/board.h"

/*
 * Handle deadly signals from here on. Everything that the handler needs is
 * there afterwards: it allocates nothing, takes no lock of ours and runs on a
 * stack of its own. Then the signal takes its course.
 */
void	crash_open(void);

/* Whose words are written; NULL: nobody's, yet. */
void	crash_slot(struct slot_worker *w);

#endif
