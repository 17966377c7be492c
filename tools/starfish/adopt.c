/*
 * adopt: an instance whose supervisor is dead. Its processes are not our
 * children: a pidfd tells that one ended, but nobody can say how.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <bsd/string.h>

#include "fate.h"
#include "super.h"
#include "trust.h"

static int	refuse(const struct super *s, int err, const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

static int
refuse(const struct super *s, int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "starfish: %s cannot be adopted: %s\n", s->dir.name,
	    text);
	return err;
}

int
adopt_hold(struct child *c, pid_t pid, uint64_t start)
{
	c->pid = pid;
	c->pidfd = pidfd_open(pid, 0);
	if (c->pidfd < 0)
		return -errno;
	/* only now can the pid not pass to another process */
	if (board_pid_alive(pid, start))
		return 0;
	close(c->pidfd);
	c->pidfd = -1;
	return -ESRCH;
}

static void
gather(const struct super *s, const struct board_slot *b,
    struct fate_facts *f)
{
	uint64_t since = atomic_load(&b->super.since_us);

	*f = (struct fate_facts){
		.super_state = atomic_load(&b->super.state),
		.super_pid = atomic_load(&b->super.pid),
		.dead_pid = atomic_load(&b->super.dead_pid),
		.worker_pid = atomic_load(&b->worker.pid),
		.phase = atomic_load(&b->worker.phase),
		/* a spare slot is empty because it is meant to be */
		.epoch = atomic_load(&b->worker.epoch) + b->fixed.spare,
	};
	f->super_alive = (uint8_t)board_pid_alive((pid_t)f->super_pid,
	    atomic_load(&b->super.pid_start));
	f->worker_alive = (uint8_t)board_pid_alive((pid_t)f->worker_pid,
	    atomic_load(&b->worker.pid_start));
	f->stale = board_real_us() > since + (uint64_t)
	    s->conf.start_timeout_ms * 1000;
}

/* The process that sits in the slot is ours from here on. */
static int
take_sitting(struct super *s, struct slot *sl, const struct fate *f)
{
	struct board_slot *b = &s->board->slot[sl->number];
	uint64_t start;
	int err;

	start = f->pid == atomic_load(&b->worker.pid) ?
	    atomic_load(&b->worker.pid_start) :
	    atomic_load(&b->super.pid_start);
	err = adopt_hold(&sl->child, (pid_t)f->pid, start);
	if (err < 0)
		return err;
	/* what it says of itself counts at once, see watch.c */
	sl->epoch = atomic_load(&b->worker.epoch);
	if (f->pid == atomic_load(&b->worker.pid))
		sl->epoch--;
	atomic_store(&b->super.pid_start, start);
	slot_adopt(sl, f->state, s->now_us);
	return 0;
}

/* It ended while nobody looked: deal with it now. */
static void
take_ended(struct super *s, struct slot *sl, const struct fate *f)
{
	int left = f->what == FATE_LEFT;
	char name[96];

	sl->child.pid = (pid_t)f->pid;
	slot_adopt(sl, f->state, s->now_us);
	slot_death_text(sl->super->last_death, sizeof(sl->super->last_death),
	    CHILD_UNKNOWN, left, KILL_NONE);
	rundir_clean_pid(s->board->head.prefix, (pid_t)f->pid);
	start_slot_name(s, sl->number, name, sizeof(name));
	super_say(s, "%s: pid %u %s while no supervisor lived; its exit "
	    "status is unknown", name, f->pid, left ? "finished" : "died");
	slot_event(sl, left ? EV_LEFT : EV_DIED, s->now_us);
	if (left)
		return;
	super_ring(s, BOARD_NONE);
	if (s->primary_dead)
		slot_event(sl, EV_GIVEUP, s->now_us);
}

static void
take_slot(struct super *s, struct slot *sl)
{
	struct fate_facts facts;
	struct fate f;

	sl->super = &s->board->slot[sl->number].super;
	gather(s, &s->board->slot[sl->number], &facts);
	fate_judge(&f, &facts);
	if (f.what == FATE_SITS && take_sitting(s, sl, &f) == 0)
		return;
	switch (f.what) {
	case FATE_SITS:		/* it died a moment ago */
		f.what = FATE_DIED;
		/* FALLTHROUGH */
	case FATE_DIED:
	case FATE_LEFT:
		take_ended(s, sl, &f);
		break;
	case FATE_GAVE_UP:
	case FATE_START:
	case FATE_FINISHED:
		slot_adopt(sl, f.state, s->now_us);
		sl->gave_up = f.what == FATE_GAVE_UP;
		sl->want_spawn = f.what == FATE_START;
		sl->finished = f.what == FATE_FINISHED;
		break;
	}
}

/* Whether any process that the board names lives. */
static int
somebody_lives(const struct board *b)
{
	const struct slot_worker *w;
	uint32_t i;

	if (board_pid_alive((pid_t)b->head.pid, b->head.pid_start))
		return 1;
	for (i = 0; i < BOARD_SLOTS; i++) {
		w = &b->slot[i].worker;
		if (board_pid_alive((pid_t)atomic_load(&w->pid),
		    atomic_load(&w->pid_start)))
			return 1;
	}
	return 0;
}

/* The board, if it is that of an instance that somebody can go on with. */
static int
take_board(struct super *s)
{
	const char *name = s->dir.name;
	struct board *b;
	int err;

	err = board_open(&b, name, 1, 0);
	if (err == -ESTALE)
		return refuse(s, err, "it was started by another build than "
		    "%s; use that one, or end it: starfish -n %s down",
		    build_version, name);
	if (err < 0)
		return refuse(s, err, "its board: %s; end it: starfish -n %s "
		    "down", strerror(-err), name);
	if (!somebody_lives(b))
		err = refuse(s, -ESRCH, "no process of it lives; start it "
		    "anew: starfish up -c FILE");
	else if (atomic_load(&b->super.stopping) != 0)
		err = refuse(s, -ESHUTDOWN, "it was about to end; go on with "
		    "that: starfish -n %s down", name);
	else if (atomic_load(&b->head.state) != PRIMARY_READY)
		err = refuse(s, -EAGAIN, "its start was not complete; end it: "
		    "starfish -n %s down", name);
	else if (b->head.nslots != s->conf.nslots)
		err = refuse(s, -EPROTO, "the configuration in %s has %u "
		    "slots, the board %u; end it: starfish -n %s down",
		    s->dir.path, s->conf.nslots, b->head.nslots, name);
	if (err < 0)
		board_close(b);
	else
		s->board = b;
	if (err == 0)
		reload_overlay(b, &s->conf);
	return err;
}

/*
 * What runs goes on running: an upgrade may have replaced the program of all
 * workers, and files with the names of ours may be of another build. They will
 * be run with our rights: what a worker wrote on the board does not count.
 */
static void
take_program(struct super *s)
{
	char path[BOARD_PATH];
	uint32_t i, group, index;
	int fd;

	fd = s->primary.pidfd >= 0 ? trust_program(s->primary.pid, path,
	    sizeof(path)) : -1;
	if (fd >= 0 && s->primary_fd >= 0)
		close(s->primary_fd);
	if (fd >= 0)
		s->primary_fd = fd;

	for (i = 0; i < s->nslots; i++) {
		if (s->slot[i].child.pidfd < 0 ||
		    conf_slot(&s->conf, i, &group, &index) < 0 ||
		    program_is(&s->conf.workers[group]))
			continue;
		fd = trust_program(s->slot[i].child.pid, path, sizeof(path));
		if (fd < 0)
			continue;
		strlcpy(s->program[0], path, sizeof(s->program[0]));
		if (s->program_fd[0] >= 0)
			close(s->program_fd[0]);
		s->program_fd[0] = fd;
		return;
	}
}

int
adopt_instance(struct super *s)
{
	struct board *b;
	uint32_t i, living = 0;
	int err;

	err = take_board(s);
	if (err < 0)
		return err;
	b = s->board;
	if (adopt_hold(&s->primary, (pid_t)b->head.pid, b->head.pid_start) < 0)
		s->primary_dead = 1;
	atomic_store(&b->super.pid_start, board_pid_start(getpid()));
	atomic_store(&b->super.heartbeat_us, s->now_us);
	atomic_store(&b->super.pid, (uint32_t)getpid());
	s->primary_beat = atomic_load(&b->head.heartbeat);
	s->primary_beat_us = s->now_us;
	s->trust_us = s->now_us + (uint64_t)s->conf.hang_ms * 1000;
	for (i = 0; i < s->nslots; i++) {
		take_slot(s, &s->slot[i]);
		living += s->slot[i].child.pidfd >= 0;
	}
	take_program(s);
	standby_adopt(s);
	s->adopting = 1;
	super_enter(s, SUPER_SERVING);
	super_step(s, s->started_us, "%s adopted: primary pid %u%s, %u of %u "
	    "slots live", s->conf.name, b->head.pid, s->primary_dead ?
	    " (dead)" : "", living, s->nslots);
	if (s->primary_dead)
		super_say(s, "the primary is dead: workers go on, none can be "
		    "started; a new generation starts when they are gone, or "
		    "now: starfish -n %s renew", s->conf.name);
	return 0;
}

int
adopt_complete(const struct super *s)
{
	uint32_t i;

	if (s->primary_dead)
		return 1;
	for (i = 0; i < s->nslots; i++)
		if (!s->slot[i].gave_up && !start_settled(&s->slot[i]))
			return 0;
	return 1;
}
