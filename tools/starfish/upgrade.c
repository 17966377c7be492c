/*
 * upgrade: workers give way, one by one, to processes of another program. A
 * standby of the new program is there before an old worker is told to hand
 * over; it leaves between two turns, and the standby goes on with its
 * connections, as after a death, but with nothing in hand. The next slot
 * follows when it has served for a moment: a program that dies then gives the
 * slot back, and no other one is handed over to it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "super.h"

#define WATCH_US	300000u	/* a new process shows that it lives */

static void
end(struct super *s, const char *last)
{
	s->upgrade.step = UPGRADE_NONE;
	server_upgraded(s, last);
}

/* Nothing else changes: who serves goes on. */
static void
give_up(struct super *s, const char *why)
{
	char text[512];
	uint32_t i, n = 0;

	for (i = 0; i < s->nslots; i++)
		n += s->slot[i].program == 1;
	snprintf(text, sizeof(text), "upgrade given up: %s; %u of %u slots "
	    "run the new program, the others the old one", why, n,
	    s->upgrade.total);
	super_say(s, "%s", text);
	standby_retire(s, 1);
	snprintf(text, sizeof(text), "error %.400s", why);
	end(s, text);
}

static int
is_ours(const struct super *s, uint32_t slot)
{
	uint32_t group, index;

	return conf_slot(&s->conf, slot, &group, &index) == 0 &&
	    !program_is(&s->conf.workers[group]);
}

int
upgrade_begin(struct super *s, const char *file, char *err, size_t len)
{
	struct upgrade *u = &s->upgrade;
	uint32_t i;

	err[0] = '\0';
	if (u->step != UPGRADE_NONE)
		snprintf(err, len, "an upgrade is under way already");
	else if (s->phase != SUPER_SERVING || s->primary_dead)
		snprintf(err, len, "the instance is not in a state for it");
	else if (access(file, X_OK) < 0)
		snprintf(err, len, "%s: %s", file, strerror(errno));
	if (err[0] != '\0')
		return -EINVAL;
	*u = (struct upgrade){ .step = UPGRADE_STANDBY,
	    .since_us = s->now_us };
	/* what one that was given up has left is replaced, too */
	for (i = 0; i < s->nslots; i++)
		s->slot[i].program = 0;
	for (i = 0; i < s->nslots; i++)
		u->total += is_ours(s, i) && s->slot[i].state == SLOT_SERVING;
	strlcpy(s->program[1], file, sizeof(s->program[1]));
	if (s->program_fd[1] >= 0)
		close(s->program_fd[1]);
	s->program_fd[1] = child_hold(file);
	s->standby_us = s->now_us;
	standby_make_room(s);
	super_say(s, "upgrade: %u workers hand over to %s, one by one",
	    u->total, file);
	return 0;
}

/* The next slot that an old process serves; NULL: none is left. */
static struct slot *
next_slot(struct super *s)
{
	struct slot *sl;

	for (sl = s->slot; sl < s->slot + s->nslots; sl++)
		if (sl->state == SLOT_SERVING && sl->program == 0 &&
		    is_ours(s, sl->number))
			return sl;
	return NULL;
}

static void
finish(struct super *s)
{
	char text[512];
	uint32_t i;

	strlcpy(s->program[0], s->program[1], sizeof(s->program[0]));
	s->program[1][0] = '\0';
	if (s->program_fd[0] >= 0)
		close(s->program_fd[0]);
	s->program_fd[0] = s->program_fd[1];
	s->program_fd[1] = -1;
	standby_retire(s, 0);
	for (i = 0; i < s->nslots; i++)
		s->slot[i].program = 0;
	super_step(s, s->upgrade.since_us, "upgrade: %u workers run the new "
	    "program", s->upgrade.done);
	snprintf(text, sizeof(text), "ok %u workers run %.400s",
	    s->upgrade.done, s->program[0]);
	end(s, text);
}

/* A standby of the new program waits: the next one hands over. */
static void
hand_over(struct super *s, struct slot *sl)
{
	struct upgrade *u = &s->upgrade;

	u->step = UPGRADE_HANDING;
	u->slot = sl->number;
	u->slot_us = s->now_us;
	sl->handing = 1;
	sl->program = 1;
	atomic_store_explicit(&sl->super->stop, STOP_HAND_OVER,
	    memory_order_release);
	super_ring(s, sl->number);
}

static void
follow_slot(struct super *s)
{
	struct upgrade *u = &s->upgrade;
	struct slot *sl = &s->slot[u->slot];

	if (sl->handing) {
		/* it should have left within a turn */
		if (s->now_us - u->slot_us > (uint64_t)s->conf.hang_ms * 1000)
			child_kill(&sl->child, SIGKILL);
		return;
	}
	if (sl->state == SLOT_SERVING) {
		super_step(s, u->slot_us, "slot %u handed over: pid %d",
		    sl->number, (int)sl->child.pid);
		u->step = UPGRADE_WATCH;
		u->served_us = s->standby_us = s->now_us;
	}
}

/* Killed from outside meanwhile, it has a successor of the new program. */
static void
watch_slot(struct super *s)
{
	struct upgrade *u = &s->upgrade;
	const struct slot *sl = &s->slot[u->slot];

	if (sl->gave_up || sl->state == SLOT_EMPTY)
		give_up(s, "a slot that was handed over stays dead");
	else if (sl->state != SLOT_SERVING)
		u->served_us = s->now_us;
	else if (s->now_us - u->served_us >= WATCH_US) {
		u->done++;
		u->step = UPGRADE_STANDBY;
	}
}

void
upgrade_turn(struct super *s)
{
	struct upgrade *u = &s->upgrade;
	struct slot *sl;

	if (u->step == UPGRADE_HANDING)
		follow_slot(s);
	else if (u->step == UPGRADE_WATCH)
		watch_slot(s);
	if (u->step != UPGRADE_STANDBY)
		return;
	sl = next_slot(s);
	if (sl == NULL)
		finish(s);
	else if (standby_waits(s, 1))
		hand_over(s, sl);
}

void
upgrade_standby_ended(struct super *s, const char *why)
{
	char text[160];

	if (s->upgrade.step != UPGRADE_STANDBY &&
	    s->upgrade.step != UPGRADE_WATCH)
		return;
	snprintf(text, sizeof(text), "a process of the new program ended "
	    "before it was ready (%s): see standby-*.log", why);
	give_up(s, text);
}

void
upgrade_slot_died(struct super *s, struct slot *sl, bool by_itself)
{
	const struct upgrade *u = &s->upgrade;
	bool served = u->step != UPGRADE_HANDING || u->slot != sl->number;
	char text[128];

	if (sl->program != 1 || sl->handing)
		return;
	/* one that was killed while it served has proved nothing */
	if (u->step != UPGRADE_NONE && served && !by_itself)
		return;
	/* the old program takes the slot back */
	sl->program = 0;
	if (u->step == UPGRADE_NONE)
		return;
	snprintf(text, sizeof(text), "the new program died in slot %u %s",
	    sl->number, served ? "soon after it served" : "before it served");
	give_up(s, text);
}
