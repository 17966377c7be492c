/*
 * fault: faults that are made on purpose, to test services and this project:
 * what the supervisor asks of a slot, as words on the board. All are 0: none.
 *
 * The options are those of `fault = { ... }` in a worker entry and of
 * `starfish fault` (config/conf_fault.c); secondary/io/fault.c does them.
 * Where the configuration does not say `faults = true` there are none.
 */
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

/* Frames and turns are chosen at random, out of a million. */
#define FAULT_ALL	1000000u

enum fault_word {
	FAULT_SPLIT,		/* 1: every send and receive is halved */
	FAULT_DROP, FAULT_DUPLICATE, FAULT_REORDER, FAULT_CORRUPT, FAULT_DELAY,
	FAULT_DELAY_US,
	FAULT_NO_BUFFERS, FAULT_NO_CHUNKS, /* turns without any */
	FAULT_CRASH, FAULT_FREEZE, /* enum fault_point */
	FAULT_AFTER,		/* passes of the point before it happens */
	FAULT_SEED,
	FAULT_WORDS
};

/* Places where a worker can be made to end or to stand still. */
enum fault_point {
	FAULT_AT_NONE,
	FAULT_AT_ADOPT,		/* the arena is adopted, the pool not rebuilt */
	FAULT_AT_START,		/* all is ready, nothing is served yet */
	FAULT_AT_RX,		/* frames were received, not looked at */
	FAULT_AT_INPUT,		/* the stack has taken them */
	FAULT_AT_EVENT,		/* a connection is in hands, before its event */
	FAULT_AT_SERVED,	/* and after it */
	FAULT_AT_OUTPUT,	/* frames to send are made */
	FAULT_AT_TX,		/* and are given to their lanes */
	FAULT_POINTS
};

/* Writer: supervisor; before READY the primary. */
struct slot_fault {
	_Atomic uint32_t turn;	/* grows, last, with each change */
	_Atomic uint32_t word[FAULT_WORDS]; /* enum fault_word */
	uint32_t pad[2];
};

#endif
