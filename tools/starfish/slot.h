/*
 * slot: what the supervisor knows and wants of a slot. One table of states
 * and events, one function that changes the state.
 */
#ifndef STARFISH_SLOT_H
#define STARFISH_SLOT_H

#include <stdint.h>

#include "../../common/board.h"
#include "child.h"
#include "hang.h"

#define SLOT_DEATHS	64u	/* most deaths that are remembered */
#define SLOT_GOOD_US	1000000u /* one that served for so long was well: its
				   death counts alone */

#define SLOT_DEATH_COLS	19	/* of the text of a death, in tables */

enum slot_event {
	EV_SPAWN,	/* a process was started for the slot */
	EV_FENCED,	/* the primary fenced what the dead one left */
	EV_READY,	/* the process attached and made or adopted its arena */
	EV_SERVING,	/* the process takes traffic */
	EV_STOP,	/* it is told to leave */
	EV_LEFT,	/* it ended in order */
	EV_DIED,	/* it ended otherwise: its pidfd said so */
	EV_GIVEUP,	/* it will not be started again by itself */
	EV_RETRY,	/* the user wants it started again */
	SLOT_EVENTS
};

extern const char *const slot_event_names[SLOT_EVENTS];

/* The supervisor's own knowledge; what others need is on the board. */
struct slot {
	uint32_t number;
	enum slot_state state;	/* changed by slot_event() only */
	uint8_t want_spawn;	/* a process is to be started */
	uint8_t gave_up;	/* crash loop: stays DEAD */
	uint8_t finished;	/* ended by itself, in order */
	uint8_t kill_why;	/* enum slot_kill, of the death to come */
	struct hang hang;	/* when its heart beats late */
	uint8_t by_standby;	/* its process was a standby: no attach */
	struct child child;	/* the process that sits in it */
	uint32_t epoch;		/* worker.epoch when it was started */
	uint64_t spawned_us;	/* CLOCK_MONOTONIC */
	uint64_t served_us;	/* since when it serves; 0: it does not */
	uint64_t retry_us;	/* no process before this time */
	uint8_t handing;	/* told to hand over: its end is no death */
	uint8_t program;	/* which one it runs: super.program[] */
	uint64_t deaths_us[SLOT_DEATHS]; /* latest deaths, a ring */
	uint32_t deaths_max;	/* so many, 1 to SLOT_DEATHS, ... */
	uint64_t window_us;	/* ... within this time: it stays DEAD */
	uint32_t ndeaths;
	struct slot_super *super; /* board; NULL: not there yet */
};

/* Why the supervisor killed the process itself. */
enum slot_kill { KILL_NONE, KILL_HANG, KILL_SLOW_START, KILL_SLOW_STOP };

/*
 * An empty slot. super may be NULL, then nothing is told to the board. The
 * limits of a crash loop are 5 deaths within 10 s until the caller sets them.
 */
void	slot_init(struct slot *s, uint32_t number, struct slot_super *super);

/*
 * Take over what another supervisor left: the slot is in this state, with
 * s->child as its process. The board says so, too; when the state began stays
 * as it was. now_us: CLOCK_MONOTONIC.
 */
void	slot_adopt(struct slot *s, enum slot_state state, uint64_t now_us);

/*
 * Something happened. The pid of a dead process is still in s->child.pid
 * with EV_LEFT and EV_DIED, and is 0 afterwards. 0 and the new state is set;
 * -EINVAL: it cannot happen in this state, and nothing changes. now_us:
 * CLOCK_MONOTONIC.
 */
int	slot_event(struct slot *s, enum slot_event ev, uint64_t now_us);

/* The state that an event leads to, SLOT_STATES if it cannot happen. */
enum slot_state slot_next(enum slot_state from, enum slot_event ev);

/*
 * Count a death. Whether it was one too many: deaths_max of them within
 * window_us.
 */
int	slot_crash_loop(struct slot *s, uint64_t now_us);

/* How long to wait before the next process: nothing at first, then longer
 * with each death within SLOT_DEATHS_US. µs. */
uint64_t slot_backoff(const struct slot *s, uint64_t now_us);

/*
 * Say how a process ended, for the board: "killed by SIGSEGV", in at most
 * SLOT_DEATH_COLS columns. As from waitid(2): code CLD_*, value. Of
 * CHILD_UNKNOWN value says whether it ended in order.
 */
void	slot_death_text(char *buf, size_t len, int code, int value,
	    enum slot_kill why);

#endif
