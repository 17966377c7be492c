/*
 * hang: whether a process whose heart has not beaten for long hangs, or only
 * got no processor. A machine that is busy, or a virtual one that stood still,
 * must not cost a worker its life.
 */
#ifndef STARFISH_HANG_H
#define STARFISH_HANG_H

#include <stdint.h>
#include <sys/types.h>

#define HANG_RAN_US	50000u	/* a turn of a healthy worker takes far less */
#define HANG_MOST	8u	/* times hang_ms: hung, whatever the reason */

/* What is known of one process between two looks. */
struct hang {
	uint64_t beat_us;	/* its heartbeat when it was first found late */
	uint64_t ran_us;	/* and the processor time it had used then */
	uint8_t late;
	uint8_t nudged;		/* its bell was rung: a sleeper wakes up */
};

enum hang_verdict { HANG_WELL, HANG_NUDGE, HANG_HUNG };

/* State as in /proc/PID/stat and processor time of its main thread. */
struct hang_proc {
	char state;
	uint64_t ran_us;
};

/* Look at a process. 0, or -errno: it is gone. */
int	hang_look(pid_t pid, struct hang_proc *p);

/*
 * Judge: beat_us is its last heartbeat, now_us the time of this look, hang_us
 * the limit. Called at every tick; p is asked for only when it is late.
 * NUDGE: ring its bell.
 */
enum hang_verdict hang_judge(struct hang *h, const struct hang_proc *p,
	    uint64_t beat_us, uint64_t now_us, uint64_t hang_us);

/* Whether hang_judge() wants to know p. */
int	hang_is_late(uint64_t beat_us, uint64_t now_us, uint64_t hang_us);

#endif
