/*
 * seat: from a command line to a process that sits in a slot: find the
 * instance, wait for its primary, take a slot that nobody lives in. Nothing
 * of the slot but its words on the board is touched yet.
 */
#ifndef SECONDARY_SEAT_H
#define SECONDARY_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/board.h"
#include "io/io.h"

/* What the command line asks for. */
struct seat_args {
	char name[BOARD_NAME];	/* instance; empty: the only one there is */
	const char *file;	/* configuration; NULL: the instance's copy */
	const char *service;	/* NULL: any; a free slot of it is taken */
	uint32_t slot;		/* BOARD_NONE: a free one */
	uint32_t standby;	/* number of a standby; BOARD_NONE: none */
	int cpu;		/* -1: as configured */
	int notify_fd;		/* eventfd to tell of changes; -1: none */
	bool program;		/* we have a loop of our own: program.h */
};

/* What the process in the slot before us left; see shm.h on repair. */
struct seat_before {
	uint32_t pid;		/* 0: we are the first */
	uint64_t pid_start;
};

/*
 * Find the instance: fills io's board, conf and bells. Waits as long as
 * start_timeout_ms for what is not there yet. 0, or -errno with a line in the
 * log; -EINTR without, when we are asked to leave.
 */
int	seat_find(struct io *io, const struct seat_args *a);

/*
 * Sit down in a slot, BOARD_NONE: a free one: fills io's worker, me, group,
 * slot, counters, base, cpu and bell. Waits and returns as seat_find(). The
 * slot is ours until the process ends. Needs no privilege.
 */
int	seat_take(struct io *io, const struct seat_args *a, uint32_t slot,
	    struct seat_before *before);

/* Path of our own program, once the instance was found. */
const char *seat_program(void);

/* Store the phase on the board and tell the supervisor. */
void	seat_phase(struct io *io, const struct seat_args *a,
	    enum worker_phase phase);

/*
 * Wait until check(arg) is not 0, looking again when our bell rings and every
 * few milliseconds, for at most start_timeout_ms. Returns what check said,
 * -ETIMEDOUT, or -EINTR when we are asked to leave.
 */
int	seat_wait(struct io *io, int (*check)(void *arg), void *arg);

#endif
