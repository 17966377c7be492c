/*
 * watch: what the processes say of themselves, what the kernel says of them,
 * and what follows.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "super.h"

/* ---- words on the board -------------------------------------------------- */

static void
follow_slot(struct super *s, struct slot *sl)
{
	struct board_slot *b = &s->board->slot[sl->number];
	char name[96];
	uint32_t phase;

	if (sl->state == SLOT_REPAIRING && atomic_load(&b->fixed.fenced_pid) ==
	    atomic_load(&b->super.dead_pid))
		slot_event(sl, EV_FENCED, s->now_us);
	/* the words of the process before it mean nothing: a worker stores
	 * phase before its pid, and its epoch grows before READY */
	if (atomic_load(&b->worker.pid) != (uint32_t)sl->child.pid ||
	    atomic_load(&b->worker.epoch) == sl->epoch)
		return;
	phase = atomic_load_explicit(&b->worker.phase, memory_order_acquire);
	if (sl->state == SLOT_REPAIRING && phase >= PHASE_READY)
		slot_event(sl, EV_FENCED, s->now_us);
	if (sl->state == SLOT_STARTING && phase >= PHASE_READY)
		slot_event(sl, EV_READY, s->now_us);
	if (sl->state == SLOT_READY && phase >= PHASE_SERVING) {
		if (sl->by_standby || sl->child.nice < 0)
			standby_nice(sl->child.pid, 0);
		slot_event(sl, EV_SERVING, s->now_us);
		start_slot_name(s, sl->number, name, sizeof(name));
		super_step(s, sl->spawned_us, "%s serves: pid %d, cpu %u%s",
		    name, (int)sl->child.pid, atomic_load(&b->worker.cpu),
		    sl->ndeaths > 0 ? ", taken over" : "");
	}
}

/* A process that takes too long to start is killed, which counts as a death. */
static void
check_start_time(struct super *s, struct slot *sl)
{
	char name[96];

	if (sl->state == SLOT_SERVING || sl->kill_why != KILL_NONE ||
	    s->now_us - sl->spawned_us <
	    (uint64_t)s->conf.start_timeout_ms * 1000)
		return;
	start_slot_name(s, sl->number, name, sizeof(name));
	super_say(s, "%s does not serve after %d ms: killed", name,
	    (int)s->conf.start_timeout_ms);
	sl->kill_why = KILL_SLOW_START;
	child_kill(&sl->child, SIGKILL);
}

int
watch_accept(struct super *s, struct slot *sl)
{
	struct slot_worker *w = &s->board->slot[sl->number].worker;
	uint32_t pid = atomic_load(&w->pid);
	uint64_t start = atomic_load(&w->pid_start);
	struct child guest;
	char name[96];

	if (sl->state == SLOT_SERVING || sl->state == SLOT_DRAINING ||
	    pid == 0 || pid == (uint32_t)sl->child.pid ||
	    atomic_load(&w->phase) == PHASE_NONE ||
	    !board_pid_alive((pid_t)pid, start) ||
	    adopt_hold(&guest, (pid_t)pid, start) < 0)
		return 0;
	if (sl->child.pidfd >= 0) {
		child_kill(&sl->child, SIGKILL);
		close(sl->child.pidfd);
		super_bury(s, sl->child.pid);
	}
	sl->child = guest;
	sl->epoch = atomic_load(&w->epoch) - 1;
	sl->want_spawn = sl->gave_up = sl->by_standby = 0;
	sl->ndeaths = 0;	/* somebody looked after it */
	sl->kill_why = KILL_NONE;
	atomic_store(&sl->super->pid_start, start);
	slot_adopt(sl, SLOT_STARTING, s->now_us);
	start_slot_name(s, sl->number, name, sizeof(name));
	super_say(s, "%s: pid %u sat down by hand", name, pid);
	return 1;
}

void
watch_slots(struct super *s)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++) {
		(void)watch_accept(s, &s->slot[i]);
		if (s->slot[i].child.pidfd < 0)
			continue;
		follow_slot(s, &s->slot[i]);
		check_start_time(s, &s->slot[i]);
	}
}

/* ---- heartbeats ---------------------------------------------------------- */

static void
check_beat(struct super *s, struct slot *sl)
{
	struct slot_worker *w = &s->board->slot[sl->number].worker;
	uint64_t beat, hang_us = (uint64_t)s->conf.hang_ms * 1000;
	struct hang_proc p = { 0 };
	char name[96];

	if (sl->kill_why == KILL_HANG) {
		child_kill(&sl->child, SIGKILL);
		return;
	}
	/* who attaches may take longer; a standby has attached */
	if ((sl->state != SLOT_SERVING && !sl->by_standby) ||
	    sl->state == SLOT_DRAINING || sl->kill_why != KILL_NONE)
		return;
	beat = atomic_load(&w->heartbeat_us);
	if (beat < sl->spawned_us)
		beat = sl->spawned_us;
	if (hang_is_late(beat, s->now_us, hang_us) &&
	    hang_look(sl->child.pid, &p) < 0)
		return;
	switch (hang_judge(&sl->hang, &p, beat, s->now_us, hang_us)) {
	case HANG_WELL:
		return;
	case HANG_NUDGE:
		super_ring(s, sl->number);
		return;
	case HANG_HUNG:
		break;
	}
	start_slot_name(s, sl->number, name, sizeof(name));
	super_say(s, "%s: no heartbeat for %d ms: killed", name,
	    (int)((s->now_us - beat) / 1000));
	sl->kill_why = KILL_HANG;
	/* one that spins can still say where; the next tick is less kind */
	child_kill(&sl->child, p.state == 'R' ? SIGABRT : SIGKILL);
}

/* A primary that hangs is not killed: workers go on without it. */
static void
check_primary_beat(struct super *s)
{
	uint32_t beat = atomic_load(&s->board->head.heartbeat);

	if (beat != s->primary_beat) {
		s->primary_beat = beat;
		s->primary_beat_us = s->now_us;
		if (s->primary_hung)
			super_say(s, "the primary's heart beats again");
		s->primary_hung = 0;
	} else if (!s->primary_hung && s->primary.pidfd >= 0 && s->now_us -
	    s->primary_beat_us > (uint64_t)s->conf.hang_ms * 1000) {
		s->primary_hung = 1;
		super_say(s, "the primary hangs: no heartbeat for %d ms",
		    (int)s->conf.hang_ms);
	}
}

void
watch_beats(struct super *s)
{
	uint64_t hang_us = (uint64_t)s->conf.hang_ms * 1000;
	uint32_t i;

	/*
	 * We may have been the one that stood still: stopped, starved or
	 * swapped out. Then others get time to show that they live.
	 */
	if (s->now_us - s->checked_us > hang_us / 2) {
		s->trust_us = s->now_us + hang_us;
		s->primary_beat_us = s->now_us;
	}
	s->checked_us = s->now_us;
	if (s->now_us < s->trust_us)
		return;
	check_primary_beat(s);
	for (i = 0; i < s->nslots; i++)
		if (s->slot[i].child.pidfd >= 0)
			check_beat(s, &s->slot[i]);
	standby_beats(s);
}

/* ---- deaths -------------------------------------------------------------- */

/* Whether a process that ended did so in order. */
static int
left_in_order(const struct super *s, const struct slot *sl,
    const struct child_end *end)
{
	const struct slot_worker *w = &s->board->slot[sl->number].worker;

	uint32_t phase = atomic_load(&w->phase);

	/* one that leaves by itself says so last of all */
	if (end->code == CHILD_UNKNOWN)
		return sl->state == SLOT_SERVING &&
		    atomic_load(&w->pid) == (uint32_t)sl->child.pid &&
		    (phase == PHASE_LEAVING || phase == PHASE_NONE);
	if (end->code != CLD_EXITED)
		return 0;
	/* a service that is done may end with a status of its own */
	return end->value == 0 || sl->state == SLOT_SERVING;
}

static void
tell_death(struct super *s, struct slot *sl, const char *why)
{
	char name[96], log[BOARD_PATH + 32];
	uint32_t n;

	start_slot_name(s, sl->number, name, sizeof(name));
	super_say(s, "%s: pid %d died: %s", name, (int)atomic_load(
	    &sl->super->dead_pid), why);
	if (!sl->gave_up || s->primary_dead)
		return;
	if (sl->kill_why != KILL_SLOW_START)
		super_say(s, "%s died %u times within %u s: it stays DEAD; "
		    "starfish revive %u tries again", name, sl->deaths_max,
		    (unsigned int)(sl->window_us / 1000000), sl->number);
	n = s->phase == SUPER_SERVING ? mover_evacuate(s, sl->number) : 0;
	if (n > 0)
		super_say(s, "%s: its connections go to %u other%s", name, n,
		    n == 1 ? "" : "s");
	if (s->phase != SUPER_WORKERS)
		return;
	super_log(s, sl->number, log, sizeof(log));
	child_log_tail(log);
	super_fail(s, "%s cannot be started: %s", name, why);
}

/* First of all: clients wait. What is to be said and cleaned comes later. */
static void
replace(struct super *s, struct slot *sl, const struct child_end *end)
{
	int slow = sl->kill_why == KILL_SLOW_START;

	/* who is killed from outside may be as good as the old program */
	upgrade_slot_died(s, sl, sl->kill_why != KILL_NONE ||
	    (end->code != CHILD_UNKNOWN && (end->code == CLD_EXITED ||
	    end->value != SIGKILL)));
	slot_event(sl, EV_DIED, s->now_us);
	/* so that it fences at once, not at its next tick */
	super_ring(s, BOARD_NONE);
	if (s->primary_dead)
		slot_event(sl, EV_GIVEUP, s->now_us);
	/* a first start that takes too long will not get faster */
	if (slow && s->phase == SUPER_WORKERS)
		slot_event(sl, EV_GIVEUP, s->now_us);
	if (sl->want_spawn && s->now_us >= sl->retry_us)
		(void)standby_take(s, sl);
}

void
watch_slot_end(struct super *s, struct slot *sl)
{
	struct child_end end;
	pid_t pid = sl->child.pid;
	char why[sizeof(sl->super->last_death)], name[96];
	int left, handed;

	if (child_reap(&sl->child, &end) < 0)
		return;
	super_bury(s, pid);
	handed = sl->handing;
	left = !handed && left_in_order(s, sl, &end);
	slot_death_text(why, sizeof(why), end.code, end.code == CHILD_UNKNOWN ?
	    left : end.value, sl->kill_why);
	if (!left && sl->state != SLOT_DRAINING)
		replace(s, sl, &end);
	strlcpy(sl->super->last_death, handed ? "handed over" : why,
	    sizeof(sl->super->last_death));
	rundir_clean_pid(s->board->head.prefix, pid);
	if (sl->state == SLOT_DRAINING) {
		slot_event(sl, EV_LEFT, s->now_us);
		mover_left(s, sl, pid);
		return;
	}
	if (left) {
		slot_event(sl, EV_LEFT, s->now_us);
		mover_left(s, sl, pid);
		start_slot_name(s, sl->number, name, sizeof(name));
		if (end.code == CHILD_UNKNOWN)
			super_say(s, "%s: pid %d finished, exit status "
			    "unknown", name, (int)pid);
		else
			super_say(s, "%s: pid %d finished, status %d",
			    name, (int)pid, end.value);
		return;
	}
	if (!handed)
		tell_death(s, sl, why);
}

void
watch_primary_end(struct super *s)
{
	struct child_end end;
	char why[64], log[BOARD_PATH + 32], *reason = "";

	if (child_reap(&s->primary, &end) < 0)
		return;
	super_bury(s, s->primary.pid);
	s->primary_dead = 1;
	slot_death_text(why, sizeof(why), end.code, end.value, KILL_NONE);
	if (s->phase >= SUPER_STOP_WORKERS)
		return;
	if (s->board != NULL) {
		rundir_clean_pid(s->board->head.prefix, s->primary.pid);
		reason = s->board->head.why;
	}
	if (s->phase == SUPER_SERVING) {
		super_say(s, "the primary died (pid %d, %s): workers go on, none "
		    "can be started; a new generation starts when they are "
		    "gone, or now: starfish renew", (int)s->primary.pid,
		    why);
		return;
	}
	if (reason[0] == '\0') {
		super_log(s, BOARD_NONE, log, sizeof(log));
		child_log_tail(log);
	}
	super_fail(s, "the primary died (%s)%s%s", why, reason[0] != '\0' ? ": " : "",
	    reason);
}
