/*
 * start: the primary, then the workers in the order of `after`. Every step
 * waits for a fact on the board.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../common/program.h"
#include "super.h"

int
start_primary(struct super *s)
{
	char conf[BOARD_PATH + 8], fd[16], log[BOARD_PATH + 32];
	char *argv[] = { "starfish-primary", "-c", conf, "--notify-fd", fd,
	    NULL };

	rundir_file(&s->dir, CTL_CONF, conf, sizeof(conf));
	snprintf(fd, sizeof(fd), "%d", s->notify_fd);
	super_log(s, BOARD_NONE, log, sizeof(log));
	super_enter(s, SUPER_PRIMARY);
	return child_spawn_held(&s->primary, s->primary_fd, argv, log,
	    s->notify_fd);
}

/* Sign the board as its supervisor; slots are empty from here on. */
static void
take_board(struct super *s, struct board *b)
{
	uint32_t i;

	atomic_store(&b->super.pid, (uint32_t)getpid());
	atomic_store(&b->super.pid_start, board_pid_start(getpid()));
	atomic_store(&b->super.heartbeat_us, s->now_us);
	for (i = 0; i < s->nslots; i++) {
		s->slot[i].super = &b->slot[i].super;
		atomic_store(&b->slot[i].super.cpu, (uint32_t)-1);
	}
	s->board = b;
}

static void
primary_ready(struct super *s)
{
	struct board *b = s->board;

	super_step(s, s->phase_us, "primary ready: pid %d, %u port%s, %u slots",
	    (int)s->primary.pid, b->head.nports,
	    b->head.nports == 1 ? "" : "s", b->head.nslots);
	if (s->pages_fd >= 0)
		close(s->pages_fd);	/* the pages are in use now */
	s->pages_fd = -1;
	if (s->changed)
		reload_publish(s);
	s->primary_beat_us = s->now_us;
	super_enter(s, SUPER_WORKERS);
}

void
start_follow_primary(struct super *s)
{
	struct board *b;
	uint32_t state;
	int err;

	if (s->board == NULL) {
		err = board_open(&b, s->conf.name, 1, 0);
		if (err == -ESTALE) {
			super_fail(s, "starfish-primary is another build; "
			    "build all programs anew");
			return;
		}
		if (err == 0 && b->head.pid == (uint32_t)s->primary.pid)
			take_board(s, b);
		else if (err == 0)
			board_close(b);
	}
	state = s->board == NULL ? PRIMARY_NONE : atomic_load_explicit(
	    &s->board->head.state, memory_order_acquire);
	if (state == PRIMARY_READY)
		primary_ready(s);
	/* PRIMARY_FAILED: its death follows and is told then */
	else if (s->now_us - s->phase_us >
	    (uint64_t)s->conf.start_timeout_ms * 1000) {
		super_fail(s, "the primary is not ready after %d ms",
		    (int)s->conf.start_timeout_ms);
		s->hurry = 1;
		child_kill(&s->primary, SIGKILL);
	}
}

void
start_slot_name(const struct super *s, uint32_t slot, char *buf, size_t len)
{
	const struct conf_worker *w;
	uint32_t group, index;

	if (conf_slot(&s->conf, slot, &group, &index) < 0) {
		snprintf(buf, len, "slot %u", slot);
		return;
	}
	w = &s->conf.workers[group];
	snprintf(buf, len, "slot %u (%.31s, %.31s)", slot, w->name,
	    w->service);
}

int
start_settled(const struct slot *sl)
{
	return sl->state == SLOT_SERVING ||
	    (sl->state == SLOT_EMPTY && sl->finished);
}

int
start_complete(const struct super *s)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (!start_settled(&s->slot[i]))
			return 0;
	return 1;
}

/* Whether all slots of the entries that this one waits for have settled. */
static int
may_start(const struct super *s, const struct conf_worker *w)
{
	uint32_t i, k, group, index;

	for (i = 0; i < s->nslots; i++) {
		if (start_settled(&s->slot[i]) ||
		    conf_slot(&s->conf, i, &group, &index) < 0)
			continue;
		for (k = 0; k < w->after.n; k++)
			if (strcmp(w->after.s[k],
			    s->conf.workers[group].name) == 0)
				return 0;
	}
	return 1;
}

/*
 * While a process attaches no other is started: EAL's locks are taken by one
 * at a time, so that one that dies there is known. A standby has attached
 * before it gets a slot.
 */
int
start_is_attaching(const struct super *s)
{
	const struct slot_worker *w;
	uint32_t i, attaching;

	standby_alive(s, &attaching);
	if (attaching > 0)
		return 1;
	for (i = 0; i < s->nslots; i++) {
		if (s->slot[i].child.pidfd < 0 || s->slot[i].by_standby)
			continue;
		w = &s->board->slot[i].worker;
		if (atomic_load(&w->pid) != (uint32_t)s->slot[i].child.pid ||
		    atomic_load(&w->phase) < PHASE_WAITING)
			return 1;
	}
	return 0;
}

static void
spawn(struct super *s, struct slot *sl, const struct conf_worker *w,
    uint32_t cpu)
{
	char conf[BOARD_PATH + 8], fd[16], num[16], log[BOARD_PATH + 32];
	char cpu_text[16];
	char *argv[] = { s->program[sl->program][0] != '\0' ?
	    s->program[sl->program] : "starfish-worker", "-c", conf, "--slot",
	    num, "--notify-fd", fd, "--cpu", cpu_text, NULL };
	struct slot_super *super = sl->super;
	int err;

	rundir_file(&s->dir, CTL_CONF, conf, sizeof(conf));
	snprintf(fd, sizeof(fd), "%d", s->notify_fd);
	snprintf(num, sizeof(num), "%u", sl->number);
	if (s->mover.cpu[sl->number] >= 0)
		cpu = (uint32_t)s->mover.cpu[sl->number];
	snprintf(cpu_text, sizeof(cpu_text), "%u", cpu);
	super_log(s, sl->number, log, sizeof(log));
	sl->epoch = atomic_load(&s->board->slot[sl->number].worker.epoch);
	/* clients wait: it is in a hurry until it serves, see watch.c */
	sl->child.nice = sl->ndeaths > 0 && !program_is(w) ? SUPER_NICE : 0;
	err = program_is(w) ? program_spawn(s, sl, w, log) :
	    child_spawn_held(&sl->child, s->program_fd[sl->program], argv, log,
	    s->notify_fd);
	if (err < 0) {
		super_say(s, "slot %u: cannot start %s: %s", sl->number,
		    program_is(w) ? ((const struct program_conf *)
		    w->options)->path : argv[0], strerror(-err));
		slot_event(sl, EV_GIVEUP, s->now_us);
		sl->want_spawn = 0;
		if (s->phase == SUPER_WORKERS)
			super_fail(s, "slot %u cannot be started", sl->number);
		return;
	}
	sl->by_standby = 0;
	atomic_store(&super->cpu, cpu);
	atomic_store(&super->pid_start, board_pid_start(sl->child.pid));
	atomic_store(&super->pid, (uint32_t)sl->child.pid);
	slot_event(sl, EV_SPAWN, s->now_us);
}

void
start_workers(struct super *s)
{
	struct slot *sl;
	uint32_t i, group, index;

	/* without a primary nobody can attach, or take over */
	if (s->primary.pidfd < 0)
		return;
	for (sl = s->slot; sl < s->slot + s->nslots; sl++)
		if (sl->want_spawn && sl->state == SLOT_DEAD &&
		    s->now_us >= sl->retry_us)
			(void)standby_take(s, sl);
	if (start_is_attaching(s))
		return;
	for (i = 0; i < s->nslots; i++) {
		sl = &s->slot[i];
		if (conf_slot(&s->conf, i, &group, &index) < 0)
			continue;
		if (sl->want_spawn && s->now_us < sl->retry_us)
			continue;
		/* the first start waits for its turn, a restart does not */
		if (!sl->want_spawn && (sl->state != SLOT_EMPTY ||
		    sl->finished || s->phase != SUPER_WORKERS ||
		    !may_start(s, &s->conf.workers[group])))
			continue;
		spawn(s, sl, &s->conf.workers[group],
		    (uint32_t)s->conf.workers[group].cpus[index]);
		return;
	}
}
