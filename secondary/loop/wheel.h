/*
 * wheel: a hierarchical timer wheel over records (Varghese and Lauck, 1987).
 *
 * A record is filed in the slot of its rec.deadline; the lists run through
 * rec.wnext and wprev, so filing and unfiling are O(1) and take no memory.
 * The finest slot is 64 µs wide, and due times are exact to the microsecond:
 * a slot's records are looked at one by one when the time is in it.
 *
 * Lazy: a deadline that moves later needs no filing; the record is filed
 * again when the wheel comes to its old place. One that moves earlier does.
 *
 * When the time comes to a coarse slot its records are filed anew in finer
 * ones, WHEEL_PIECE in a call: a hundred thousand timers that happen to be due
 * within the same seconds do not hold up a turn.
 *
 * The wheel is an index: its heads are the process's, its links are rebuilt
 * at adoption.
 */
#ifndef LOOP_WHEEL_H
#define LOOP_WHEEL_H

#include <stdint.h>

#define WHEEL_SHIFT	6u	/* a tick is 64 µs */
#define WHEEL_LEVELS	4u
#define WHEEL_SLOTS	256u	/* per level: 16 ms, 4.2 s, 18 min, 76 h */
#define WHEEL_DUE	(WHEEL_LEVELS * WHEEL_SLOTS) /* list of due ones */

#define WHEEL_PIECE	256u	/* records of a coarse slot filed in a call */

struct wheel {
	uint64_t tick;		/* slots before this tick are empty */
	uint64_t ahead;		/* tick whose cascade was done early */
	uint64_t edge;		/* tick whose cascade is being done */
	uint32_t level;		/* of it: those below are to do; 0: none */
	uint32_t rest;		/* records of a slot not yet filed anew */
	uint32_t piece;		/* WHEEL_PIECE, but in tests */
	uint64_t map[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* slots in use */
	uint32_t head[WHEEL_DUE + 1]; /* record ids, ARENA_NONE: empty */
};

struct net;

/* An empty wheel that starts at now. */
void	wheel_init(struct wheel *w, uint64_t now_us);

/* File record id at its deadline; UINT64_MAX unfiles it. */
void	wheel_file(struct net *n, uint32_t id);

void	wheel_unfile(struct net *n, uint32_t id);

/* The record that filing at this deadline would write to, ARENA_NONE: none;
 * for those who file many and prefetch. */
uint32_t wheel_peek(const struct net *n, uint64_t deadline);

/*
 * Call fire for up to max records whose deadline is at or before now. A
 * record is unfiled when fire is called, which may file or unfile any record.
 * Returns 0 when all that were due were called, else 1.
 */
uint32_t wheel_advance(struct net *n, uint64_t now_us, uint32_t max,
	    void (*fire)(struct net *, uint32_t id));

/* A time not later than the first deadline, exact if less than 4 ms away and
 * no coarse slot is being filed anew: then it has come. */
uint64_t wheel_deadline(struct net *n);

#endif
