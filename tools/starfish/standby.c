/*
 * standby: processes that have attached already and wait to sit down in a
 * slot whose process died. One that was used is replaced in its own time: with
 * low priority, and when nothing else attaches.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "super.h"

#define PACE_US		200000u	/* from a use to the start of the next one */
#define FAIL_US		1000000u /* after the first failure, then doubled */
#define FAIL_MOST	6u	/* doublings */
#define NICE		10	/* while it attaches */

void
standby_init(struct super *s)
{
	uint32_t i;

	for (i = 0; i < BOARD_STANDBYS; i++)
		s->standby[i] = (struct standby){ .number = i,
		    .child = { .pidfd = -1 } };
}

static struct board_standby *
words(const struct super *s, const struct standby *sb)
{
	return &s->board->standby[sb->number];
}

uint32_t
standby_alive(const struct super *s, uint32_t *attaching)
{
	const struct standby *sb;
	uint32_t n = 0;

	*attaching = 0;
	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++) {
		n += sb->child.pidfd >= 0;
		*attaching += sb->child.pidfd >= 0 && !sb->ready;
	}
	return n;
}

/* Priority of all threads of a process; only root can raise it again. */
void
standby_nice(pid_t pid, int nice)
{
	struct dirent *e;
	char path[32];
	DIR *d;

	if (geteuid() != 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			setpriority(PRIO_PROCESS, (id_t)strtoul(e->d_name,
			    NULL, 10), nice);
	if (d != NULL)
		closedir(d);
}

/* ---- starting ------------------------------------------------------------ */

static void
spawn(struct super *s, struct standby *sb, uint32_t program)
{
	char conf[BOARD_PATH + 8], fd[16], num[16], log[BOARD_PATH + 32];
	char file[32];
	char *argv[] = { s->program[program][0] != '\0' ?
	    s->program[program] : "starfish-worker", "-c", conf, "--standby",
	    num, "--notify-fd", fd, NULL };
	struct standby_super *w = &words(s, sb)->super;
	int err;

	rundir_file(&s->dir, CTL_CONF, conf, sizeof(conf));
	snprintf(fd, sizeof(fd), "%d", s->notify_fd);
	snprintf(num, sizeof(num), "%u", sb->number);
	snprintf(file, sizeof(file), "standby-%u.log", sb->number);
	rundir_file(&s->dir, file, log, sizeof(log));
	atomic_store(&w->order, 0);
	atomic_store(&w->stop, 0);
	sb->ready = sb->killed = sb->dismissed = 0;
	sb->program = (uint8_t)program;
	sb->spawned_us = s->now_us;
	sb->child.nice = NICE;
	err = child_spawn_held(&sb->child, s->program_fd[program], argv, log,
	    s->notify_fd);
	if (err < 0) {
		super_say(s, "cannot start a standby: %s", strerror(-err));
		s->standby_us = s->now_us + (FAIL_US << FAIL_MOST);
		return;
	}
	atomic_store(&w->pid_start, board_pid_start(sb->child.pid));
	atomic_store(&w->pid, (uint32_t)sb->child.pid);
}

/* Whether a slot waits for a process: then one that attaches is in a hurry. */
static int
is_wanted(const struct super *s)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (s->slot[i].want_spawn && s->now_us >= s->slot[i].retry_us)
			return 1;
	return 0;
}

static void
follow(struct super *s, struct standby *sb)
{
	const struct standby_worker *w = &words(s, sb)->worker;

	if (sb->ready || atomic_load_explicit(&w->ready,
	    memory_order_acquire) == 0 ||
	    atomic_load(&w->pid) != (uint32_t)sb->child.pid) {
		if (!sb->ready && is_wanted(s))
			standby_nice(sb->child.pid, 0);
		return;
	}
	sb->ready = 1;
	s->standby_fails = 0;
	standby_nice(sb->child.pid, SUPER_NICE);
	super_step(s, sb->spawned_us, "standby %u waits: pid %d", sb->number,
	    (int)sb->child.pid);
}

/* Which program the next standby is to run; 2: none is missing. */
static uint32_t
missing(const struct super *s)
{
	const struct standby *sb;
	uint32_t n[2] = { 0, 0 };

	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++)
		if (sb->child.pidfd >= 0)
			n[sb->program]++;
	if ((s->upgrade.step == UPGRADE_STANDBY ||
	    s->upgrade.step == UPGRADE_WATCH) && n[1] == 0)
		return 1;
	return n[0] + n[1] < (uint32_t)s->conf.standby ? 0 : 2;
}

void
standby_turn(struct super *s)
{
	struct standby *sb;
	uint32_t i, program;

	for (i = 0; i < BOARD_STANDBYS; i++)
		if (s->standby[i].child.pidfd >= 0)
			follow(s, &s->standby[i]);
	program = missing(s);
	if (s->primary.pidfd < 0 || s->phase != SUPER_SERVING ||
	    program > 1 || s->now_us < s->standby_us ||
	    is_wanted(s) || start_is_attaching(s))
		return;
	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++) {
		/* the one before may still be on its way to a slot */
		if (sb->child.pidfd >= 0 || board_pid_alive(
		    (pid_t)atomic_load(&words(s, sb)->worker.pid),
		    atomic_load(&words(s, sb)->worker.pid_start)))
			continue;
		spawn(s, sb, program);
		return;
	}
}

int
standby_waits(const struct super *s, uint32_t program)
{
	const struct standby *sb;

	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++)
		if (sb->child.pidfd >= 0 && sb->ready &&
		    sb->program == program)
			return 1;
	return 0;
}

static void
dismiss(struct super *s, struct standby *sb)
{
	if (sb->child.pidfd < 0)
		return;
	sb->dismissed = 1;
	atomic_store(&words(s, sb)->super.stop, 1);
	child_kill(&sb->child, SIGTERM);
	super_ring(s, BOARD_SLOTS + sb->number);
}

void
standby_make_room(struct super *s)
{
	struct standby *sb = s->standby;

	while (sb < s->standby + BOARD_STANDBYS && sb->child.pidfd >= 0)
		sb++;
	if (sb == s->standby + BOARD_STANDBYS)
		dismiss(s, sb - 1);
}

void
standby_retire(struct super *s, uint32_t program)
{
	struct standby *sb;

	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++) {
		if (sb->program == program)
			dismiss(s, sb);
		sb->program = 0;
	}
}

/* ---- using --------------------------------------------------------------- */

static int
is_fit(const struct super *s, const struct standby *sb)
{
	uint64_t beat = atomic_load(&words(s, sb)->worker.heartbeat_us);

	return sb->child.pidfd >= 0 && sb->ready && !sb->killed &&
	    !sb->dismissed &&
	    s->now_us < beat + (uint64_t)s->conf.hang_ms * 1000;
}

int
standby_take(struct super *s, struct slot *sl)
{
	struct slot_super *super = sl->super;
	struct standby *sb = s->standby;
	struct board_standby *w;
	uint32_t group, index;

	/* whoever wrote the slot's program wrote its loop; a client opens
	 * files at its start, which a standby no longer may */
	if (conf_slot(&s->conf, sl->number, &group, &index) < 0 ||
	    program_is(&s->conf.workers[group]) ||
	    s->conf.workers[group].desc->client)
		return -ENOENT;
	while (sb < s->standby + BOARD_STANDBYS && (!is_fit(s, sb) ||
	    sb->program != sl->program))
		sb++;
	if (sb == s->standby + BOARD_STANDBYS)
		return -ENOENT;
	w = words(s, sb);
	sl->child = sb->child;
	sl->epoch = atomic_load(&s->board->slot[sl->number].worker.epoch);
	atomic_store(&super->pid_start, atomic_load(&w->super.pid_start));
	atomic_store(&super->pid, (uint32_t)sl->child.pid);
	/* release: whoever sees the order sees whose slot it is */
	atomic_store_explicit(&w->super.order, STANDBY_ORDER(sl->child.pid,
	    sl->number), memory_order_release);
	super_ring(s, BOARD_SLOTS + sb->number);
	atomic_store(&w->super.pid, 0);
	sb->child = (struct child){ .pidfd = -1 };
	sb->ready = 0;
	slot_event(sl, EV_SPAWN, s->now_us);
	sl->by_standby = 1;
	s->standby_us = s->now_us + PACE_US;
	return 0;
}

/* ---- watching ------------------------------------------------------------ */

static int
is_hung(struct super *s, struct standby *sb)
{
	uint64_t beat = atomic_load(&words(s, sb)->worker.heartbeat_us);
	uint64_t hang_us = (uint64_t)s->conf.hang_ms * 1000;
	struct hang_proc p = { 0 };
	enum hang_verdict v;

	if (!sb->ready)
		return s->now_us >= sb->spawned_us +
		    (uint64_t)s->conf.start_timeout_ms * 1000;
	if (hang_is_late(beat, s->now_us, hang_us) &&
	    hang_look(sb->child.pid, &p) < 0)
		return 0;
	v = hang_judge(&sb->hang, &p, beat, s->now_us, hang_us);
	if (v == HANG_NUDGE)
		super_ring(s, BOARD_SLOTS + sb->number);
	return v == HANG_HUNG;
}

void
standby_beats(struct super *s)
{
	struct standby *sb;

	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++) {
		if (sb->child.pidfd < 0 || sb->killed || !is_hung(s, sb))
			continue;
		super_say(s, "standby %u %s: killed", sb->number, sb->ready ?
		    "gives no heartbeat" : "takes too long to start");
		sb->killed = 1;
		child_kill(&sb->child, SIGKILL);
	}
}

void
standby_end(struct super *s, struct standby *sb)
{
	struct child_end end;
	char why[64];

	if (child_reap(&sb->child, &end) < 0)
		return;
	super_bury(s, sb->child.pid);
	rundir_clean_pid(s->board->head.prefix, sb->child.pid);
	/* it is dead and cannot say so any more */
	atomic_store(&words(s, sb)->super.pid, 0);
	if (s->phase >= SUPER_STOP_WORKERS || sb->dismissed || s->primary_dead)
		return;
	slot_death_text(why, sizeof(why), end.code, end.value,
	    sb->killed ? KILL_HANG : KILL_NONE);
	super_say(s, "standby %u: pid %d ended%s: %s", sb->number,
	    (int)sb->child.pid, sb->ready ? "" : " before it was ready", why);
	s->standby_us = s->now_us + PACE_US;
	if (!sb->ready) {
		s->standby_us = s->now_us + (FAIL_US << s->standby_fails);
		s->standby_fails += s->standby_fails < FAIL_MOST;
		if (sb->program == 1)
			upgrade_standby_ended(s, why);
	}
}

void
standby_stop(struct super *s, int sig)
{
	struct standby *sb;

	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++) {
		if (sb->child.pidfd < 0)
			continue;
		if (s->board != NULL)
			atomic_store(&words(s, sb)->super.stop, 1);
		child_kill(&sb->child, sig);
		super_ring(s, BOARD_SLOTS + sb->number);
	}
}

/* ---- another supervisor's ------------------------------------------------ */

/* One on its way to a slot: it may not have seen the order. */
static int
has_order(struct super *s, struct standby *sb, uint32_t pid)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++) {
		if (atomic_load(&s->board->slot[i].super.pid) != pid)
			continue;
		atomic_store_explicit(&words(s, sb)->super.order,
		    STANDBY_ORDER(pid, i), memory_order_release);
		super_ring(s, BOARD_SLOTS + sb->number);
		return 1;
	}
	return 0;
}

void
standby_adopt(struct super *s)
{
	struct board_standby *w;
	struct standby *sb;
	uint64_t start;
	uint32_t pid;

	for (sb = s->standby; sb < s->standby + BOARD_STANDBYS; sb++) {
		w = words(s, sb);
		pid = atomic_load(&w->super.pid);
		start = atomic_load(&w->super.pid_start);
		if (atomic_load(&w->worker.pid) != 0) {
			pid = atomic_load(&w->worker.pid);
			start = atomic_load(&w->worker.pid_start);
		}
		if (pid == 0 || has_order(s, sb, pid) ||
		    adopt_hold(&sb->child, (pid_t)pid, start) < 0)
			continue;
		sb->spawned_us = s->now_us;
		atomic_store(&w->super.pid_start, start);
		atomic_store(&w->super.pid, pid);
		follow(s, sb);
	}
}
