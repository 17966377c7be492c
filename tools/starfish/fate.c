#include "fate.h"

/* A process that came as far as this is in this state. */
static const enum slot_state states[PHASES] = {
	[PHASE_NONE] = SLOT_STARTING,
	[PHASE_ATTACHING] = SLOT_STARTING,
	[PHASE_WAITING] = SLOT_REPAIRING,
	[PHASE_READY] = SLOT_READY,
	[PHASE_SERVING] = SLOT_SERVING,
	/* by itself, nobody told it to: its end is seen as of one that
	 * served */
	[PHASE_LEAVING] = SLOT_SERVING,
};

/*
 * Whether the process said goodbye: LEAVING when its service is done, NONE
 * last of all. NONE alone is said by one whose start failed, too.
 */
static int
took_leave(const struct fate_facts *b)
{
	return b->phase == PHASE_LEAVING || (b->phase == PHASE_NONE &&
	    (b->super_state == SLOT_SERVING || b->super_state == SLOT_READY));
}

static void
judge_living(struct fate *f, const struct fate_facts *b)
{
	f->what = FATE_SITS;
	if (b->worker_alive && (!b->super_alive ||
	    b->worker_pid == b->super_pid)) {
		f->pid = b->worker_pid;
		f->state = took_leave(b) ? SLOT_SERVING :
		    b->phase < PHASES ? states[b->phase] : SLOT_STARTING;
		return;
	}
	/* it was started, but has not spoken yet */
	f->pid = b->super_pid;
	f->state = b->super_state == SLOT_REPAIRING ? SLOT_REPAIRING :
	    SLOT_STARTING;
}

/* The last supervisor had dealt with the end of whoever sat here. */
static void
judge_vacant(struct fate *f, const struct fate_facts *b)
{
	f->pid = 0;
	if (b->super_state == SLOT_DEAD) {
		f->state = SLOT_DEAD;
		/* a restart follows a death at once, or never */
		f->what = b->stale ? FATE_GAVE_UP : FATE_START;
		return;
	}
	f->state = SLOT_EMPTY;
	f->what = b->epoch == 0 ? FATE_START : FATE_FINISHED;
}

void
fate_judge(struct fate *f, const struct fate_facts *b)
{
	int open;

	if (b->super_alive || (b->worker_alive && b->phase != PHASE_NONE)) {
		judge_living(f, b);
		return;
	}
	/*
	 * Nobody lives. The supervisor forgets the pid first and stores the
	 * state last: between the two it may have been killed itself. One
	 * started by hand never was on its side of the board.
	 */
	open = b->worker_pid != 0 && b->worker_pid != b->dead_pid &&
	    b->phase != PHASE_NONE && b->phase != PHASE_LEAVING;
	if (b->super_pid == 0 && (b->super_state == SLOT_DEAD ||
	    b->worker_pid == 0 || (b->super_state == SLOT_EMPTY && !open))) {
		judge_vacant(f, b);
		return;
	}
	f->state = SLOT_SERVING;
	f->pid = b->super_pid != 0 ? b->super_pid : b->worker_pid;
	f->what = f->pid == b->worker_pid && took_leave(b) ? FATE_LEFT :
	    FATE_DIED;
}
