/*
 * slot: the life of a slot, as a table.
 *
 *	EMPTY -> STARTING -> READY -> SERVING -> DRAINING -> EMPTY
 *	any with a process -> DEAD -> REPAIRING -> STARTING
 */
#include "slot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const char *const slot_event_names[SLOT_EVENTS] = {
	[EV_SPAWN] = "spawn", [EV_FENCED] = "fenced", [EV_READY] = "ready",
	[EV_SERVING] = "serving", [EV_STOP] = "stop", [EV_LEFT] = "left",
	[EV_DIED] = "died", [EV_GIVEUP] = "give up", [EV_RETRY] = "retry"
};

typedef void (*action_fn)(struct slot *, uint64_t);

/* The process is gone: whoever sits in the slot next is another one. */
static void
forget(struct slot *s, uint64_t now_us)
{
	if (s->super != NULL) {
		atomic_store_explicit(&s->super->stop, 0,
		    memory_order_relaxed);
		atomic_store_explicit(&s->super->pid, 0,
		    memory_order_relaxed);
	}
	s->child.pid = 0;
}

static void
finish(struct slot *s, uint64_t now_us)
{
	s->finished = 1;
	forget(s, now_us);
}

/*
 * Tell the primary and the successor which process died. Release pairs with
 * their acquire: they fence and adopt only after the death was seen.
 */
static void
bury(struct slot *s, uint64_t now_us)
{
	pid_t pid = s->child.pid;

	forget(s, now_us);
	if (s->super != NULL)
		atomic_store_explicit(&s->super->dead_pid, (uint32_t)pid,
		    memory_order_release);
	s->want_spawn = 1;
	s->retry_us = now_us;
	if (s->handing) {
		s->handing = 0;
		return;
	}
	if (s->served_us != 0 && now_us - s->served_us >= SLOT_GOOD_US)
		s->ndeaths = 0;
	if (slot_crash_loop(s, now_us)) {
		s->want_spawn = 0;
		s->gave_up = 1;
	}
	s->retry_us = now_us + slot_backoff(s, now_us);
}

static void
spawned(struct slot *s, uint64_t now_us)
{
	s->want_spawn = 0;
	s->finished = 0;
	s->kill_why = KILL_NONE;
	s->served_us = 0;
	s->spawned_us = now_us;
}

static void
respawned(struct slot *s, uint64_t now_us)
{
	spawned(s, now_us);
	if (s->super != NULL)
		atomic_fetch_add_explicit(&s->super->restarts, 1,
		    memory_order_relaxed);
}

static void
ask_to_stop(struct slot *s, uint64_t now_us)
{
	s->want_spawn = 0;
	if (s->super != NULL)
		atomic_store_explicit(&s->super->stop, 1,
		    memory_order_release);
}

static void
no_spawn(struct slot *s, uint64_t now_us)
{
	s->want_spawn = 0;
}

static void
give_up(struct slot *s, uint64_t now_us)
{
	s->want_spawn = 0;
	s->gave_up = 1;
}

static void
try_again(struct slot *s, uint64_t now_us)
{
	s->ndeaths = 0;
	s->retry_us = 0;
	s->gave_up = 0;
	s->want_spawn = 1;
}

static void
nothing(struct slot *s, uint64_t now_us)
{
}

static void
serves(struct slot *s, uint64_t now_us)
{
	s->served_us = now_us;
}

struct change {
	enum slot_state to;
	action_fn act;		/* NULL: cannot happen */
};

static const struct change changes[SLOT_STATES][SLOT_EVENTS] = {
	[SLOT_EMPTY] = {
		[EV_SPAWN]   = { SLOT_STARTING,  spawned },
		[EV_STOP]    = { SLOT_EMPTY,     no_spawn },
		[EV_RETRY]   = { SLOT_EMPTY,     try_again },
	},
	[SLOT_STARTING] = {
		[EV_READY]   = { SLOT_READY,     nothing },
		[EV_STOP]    = { SLOT_DRAINING,  ask_to_stop },
		[EV_LEFT]    = { SLOT_EMPTY,     finish },
		[EV_DIED]    = { SLOT_DEAD,      bury },
	},
	[SLOT_READY] = {
		[EV_SERVING] = { SLOT_SERVING,   serves },
		[EV_STOP]    = { SLOT_DRAINING,  ask_to_stop },
		[EV_LEFT]    = { SLOT_EMPTY,     finish },
		[EV_DIED]    = { SLOT_DEAD,      bury },
	},
	[SLOT_SERVING] = {
		[EV_STOP]    = { SLOT_DRAINING,  ask_to_stop },
		[EV_LEFT]    = { SLOT_EMPTY,     finish },
		[EV_DIED]    = { SLOT_DEAD,      bury },
	},
	[SLOT_DRAINING] = {
		[EV_STOP]    = { SLOT_DRAINING,  ask_to_stop },
		/* its connections went with it: nothing is to be repaired */
		[EV_LEFT]    = { SLOT_EMPTY,     forget },
		[EV_DIED]    = { SLOT_EMPTY,     forget },
	},
	[SLOT_DEAD] = {
		[EV_SPAWN]   = { SLOT_REPAIRING, respawned },
		[EV_STOP]    = { SLOT_EMPTY,     no_spawn },
		[EV_GIVEUP]  = { SLOT_DEAD,      give_up },
		[EV_RETRY]   = { SLOT_DEAD,      try_again },
	},
	[SLOT_REPAIRING] = {
		[EV_FENCED]  = { SLOT_STARTING,  nothing },
		[EV_STOP]    = { SLOT_DRAINING,  ask_to_stop },
		[EV_LEFT]    = { SLOT_EMPTY,     finish },
		[EV_DIED]    = { SLOT_DEAD,      bury },
	},
};

enum slot_state
slot_next(enum slot_state from, enum slot_event ev)
{
	const struct change *c = &changes[from][ev];

	return c->act != NULL ? c->to : SLOT_STATES;
}

int
slot_event(struct slot *s, enum slot_event ev, uint64_t now_us)
{
	const struct change *c = &changes[s->state][ev];
	enum slot_state was = s->state;

	if (c->act == NULL)
		return -EINVAL;
	s->state = c->to;
	c->act(s, now_us);
	if (s->super == NULL || was == s->state)
		return 0;
	atomic_store_explicit(&s->super->since_us, board_real_us(),
	    memory_order_relaxed);
	/* release: a reader that sees the state sees why */
	atomic_store_explicit(&s->super->state, (uint32_t)s->state,
	    memory_order_release);
	return 0;
}

void
slot_adopt(struct slot *s, enum slot_state state, uint64_t now_us)
{
	s->state = state;
	s->spawned_us = now_us;
	atomic_store_explicit(&s->super->pid, (uint32_t)s->child.pid,
	    memory_order_relaxed);
	/* release: a reader that sees the state sees whose it is */
	atomic_store_explicit(&s->super->state, (uint32_t)state,
	    memory_order_release);
}

void
slot_init(struct slot *s, uint32_t number, struct slot_super *super)
{
	memset(s, 0, sizeof(*s));
	s->number = number;
	s->state = SLOT_EMPTY;
	s->child.pidfd = -1;
	s->super = super;
	s->deaths_max = 5;
	s->window_us = 10000000;
}

int
slot_crash_loop(struct slot *s, uint64_t now_us)
{
	uint64_t oldest;

	s->deaths_us[s->ndeaths % SLOT_DEATHS] = now_us;
	s->ndeaths++;
	if (s->ndeaths < s->deaths_max)
		return 0;
	oldest = s->deaths_us[(s->ndeaths - s->deaths_max) % SLOT_DEATHS];
	return now_us - oldest < s->window_us;
}

uint64_t
slot_backoff(const struct slot *s, uint64_t now_us)
{
	uint32_t i, n = 0;

	for (i = 0; i < SLOT_DEATHS && i < s->ndeaths; i++)
		n += now_us - s->deaths_us[i] < s->window_us;
	/* the last but one, and the last before it is given up */
	return n + 1 >= s->deaths_max ? 800000 : n + 2 == s->deaths_max ?
	    200000 : 0;
}

void
slot_death_text(char *buf, size_t len, int code, int value,
    enum slot_kill why)
{
	static const char *const whys[] = {
		[KILL_HANG] = "hung: killed",
		[KILL_SLOW_START] = "slow start: killed",
		[KILL_SLOW_STOP] = "slow end: killed",
	};
	const char *name;

	if (why != KILL_NONE) {
		snprintf(buf, len, "%s", whys[why]);
		return;
	}
	if (code == CHILD_UNKNOWN) {
		snprintf(buf, len, value != 0 ? "ended in order" :
		    "exit status unknown");
		return;
	}
	if (code == CLD_EXITED) {
		snprintf(buf, len, "exit status %d", value);
		return;
	}
	name = sigabbrev_np(value);
	if (name == NULL)
		snprintf(buf, len, "killed by signal %d", value);
	else if (code == CLD_DUMPED)
		snprintf(buf, len, "SIG%s, core dump", name);
	else
		snprintf(buf, len, "killed by SIG%s", name);
}
