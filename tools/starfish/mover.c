/*
 * mover: which slot is to have which bucket, and slots that come and go. The
 * supervisor only says what it wants (board.want); workers do it, and say on
 * the board how far they are.
 */
#include "super.h"

#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#define DRAIN_MS	30000u	/* a drain takes so long at most by itself */
#define LATE_US		2000000u /* patience with one that is to end */

/* ---- shares -------------------------------------------------------------- */

static uint32_t
group_of(const struct super *s, uint32_t slot)
{
	return s->board->slot[slot].fixed.group;
}

/* Whether a slot is to have a share of its group's buckets: it serves, or a
 * successor is on its way. */
static int
has_share(const struct super *s, uint32_t i, uint32_t group)
{
	const struct slot *sl = &s->slot[i];

	if (group_of(s, i) != group || s->mover.leaving[i] != 0)
		return 0;
	switch (sl->state) {
	case SLOT_SERVING:
		return 1;
	case SLOT_DEAD:
		return !sl->gave_up;
	case SLOT_REPAIRING:
	case SLOT_STARTING:
	case SLOT_READY:
		return !s->mover.fresh[i];
	default:
		return 0;
	}
}

static const struct svc_desc *
desc_of(const struct super *s, uint32_t group)
{
	return group < s->conf.nworkers ? s->conf.workers[group].desc : NULL;
}

/* Ring those who have to do something. */
static void
ring_group(const struct super *s, uint32_t group)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (group_of(s, i) == group && s->slot[i].child.pidfd >= 0)
			super_ring(s, i);
}

/*
 * Wish for equal shares among those that serve: who has too many keeps the
 * first ones, and the rest goes to those that have too few. A wish that is
 * well as it is stays: nothing moves twice. Returns how many have a share.
 */
static uint32_t
share_out(struct super *s, uint32_t group)
{
	_Atomic uint32_t *want = s->board->want[group];
	uint32_t quota[BOARD_SLOTS] = { 0 }, i, k, n = 0, w, to = 0;

	for (i = 0; i < s->nslots; i++)
		n += has_share(s, i, group);
	if (n == 0)
		return 0;
	for (i = 0, k = 0; i < s->nslots; i++)
		if (has_share(s, i, group)) {
			quota[i] = BOARD_BUCKETS / n + (k < BOARD_BUCKETS % n);
			k++;
		}
	for (k = 0; k < BOARD_BUCKETS; k++) {
		w = atomic_load(&want[k]);
		if (w < BOARD_SLOTS && quota[w] > 0)
			quota[w]--;
		else	/* marked, and given away below */
			atomic_store(&want[k], BOARD_NONE);
	}
	for (k = 0; k < BOARD_BUCKETS; k++) {
		if (atomic_load(&want[k]) != BOARD_NONE)
			continue;
		while (to < BOARD_SLOTS && quota[to] == 0)
			to++;
		if (to == BOARD_SLOTS)
			break;
		quota[to]--;
		atomic_store(&want[k], to);
	}
	ring_group(s, group);
	return n;
}

static uint32_t
owned(const struct super *s, uint32_t slot)
{
	uint32_t g = group_of(s, slot), k, n = 0;

	for (k = 0; k < BOARD_BUCKETS; k++)
		n += BUCKET_OWNER(atomic_load_explicit(&s->board->bucket[g][k],
		    memory_order_acquire)) == slot;
	return n;
}

/* ---- requests ------------------------------------------------------------ */

static int
no(char *why, size_t len, const char *text)
{
	strlcpy(why, text, len);
	return -1;
}

/* What forbids any change now; NULL: nothing. */
static const char *
busy(const struct super *s)
{
	if (s->primary_dead)
		return "the primary is dead: down and up again";
	if (s->phase != SUPER_SERVING)
		return s->phase < SUPER_SERVING ? "the instance is just "
		    "starting" : "the instance ends";
	return NULL;
}

/* The group of this name, or the one that runs the service of this name. */
static uint32_t
find_group(const struct super *s, const char *name)
{
	uint32_t g;

	for (g = 0; g < s->conf.nworkers; g++)
		if (strcmp(s->conf.workers[g].name, name) == 0)
			return g;
	for (g = 0; g < s->conf.nworkers; g++)
		if (strcmp(s->conf.workers[g].service, name) == 0)
			return g;
	return BOARD_NONE;
}

static uint32_t
vacant(const struct super *s, uint32_t group)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->nslots; i++)
		n += group_of(s, i) == group &&
		    s->slot[i].state == SLOT_EMPTY && !s->slot[i].want_spawn;
	return n;
}

static int
no_group(const struct super *s, const char *name, char *text, size_t len)
{
	const struct conf_worker *w = s->conf.workers;
	uint32_t g;
	size_t n;

	n = (size_t)snprintf(text, len, "no worker entry or service is called "
	    "\"%.31s\":", name);
	for (g = 0; g < s->conf.nworkers && n < len; g++)
		n += (size_t)snprintf(text + n, len - n, "%s %s (%s)",
		    g > 0 ? "," : "", w[g].name, w[g].service);
	return -1;
}

int
mover_add(struct super *s, const struct ctl_request *r, char *text, size_t len)
{
	uint32_t g = find_group(s, r->name), i, left = r->count;
	char name[96];

	if (busy(s) != NULL)
		return no(text, len, busy(s));
	if (g == BOARD_NONE)
		return no_group(s, r->name, text, len);
	if (r->cpu >= 0 && !conf_cpu_exists(r->cpu)) {
		snprintf(text, len, "CPU %d does not exist: allowed 0 to %d",
		    (int)r->cpu, conf_cpus() - 1);
		return -1;
	}
	if (desc_of(s, g)->stays)
		return no(text, len, "connections of this service stay with "
		    "their worker: it is not added to");
	if (vacant(s, g) < r->count) {
		snprintf(text, len, "%u slot%s free of %.31s, not %u: its entry "
		    "needs a larger `spare`", vacant(s, g), vacant(s, g) == 1 ?
		    " is" : "s are", s->conf.workers[g].name, r->count);
		return -1;
	}
	snprintf(text, len, "added:");
	for (i = 0; i < s->nslots && left > 0; i++) {
		if (group_of(s, i) != g || s->slot[i].state != SLOT_EMPTY ||
		    s->slot[i].want_spawn ||
		    slot_event(&s->slot[i], EV_RETRY, s->now_us) < 0)
			continue;
		s->mover.fresh[i] = 1;
		s->mover.cpu[i] = r->cpu;
		start_slot_name(s, i, name, sizeof(name));
		strlcat(text, left == r->count ? " " : ", ", len);
		strlcat(text, name, len);
		left--;
	}
	return 0;
}

int
mover_drain(struct super *s, const struct ctl_request *r, char *text,
    size_t len)
{
	struct slot *sl = &s->slot[r->slot];
	uint32_t ms = r->ms > 0 ? r->ms : DRAIN_MS, n = 0;
	char name[96];

	if (r->slot >= s->nslots) {
		snprintf(text, len, "no slot %u: 0 to %u", r->slot,
		    s->nslots - 1);
		return -1;
	}
	if (busy(s) != NULL)
		return no(text, len, busy(s));
	start_slot_name(s, r->slot, name, sizeof(name));
	if (r->verb == CTL_REMOVE && sl->child.pidfd < 0 &&
	    (sl->state != SLOT_EMPTY || sl->want_spawn) &&
	    slot_event(sl, EV_STOP, s->now_us) == 0) {
		sl->finished = 1;
		if (!desc_of(s, group_of(s, r->slot))->stays)
			share_out(s, group_of(s, r->slot));
		snprintf(text, len, "%s is given up", name);
		return 0;
	}
	if (sl->state != SLOT_SERVING) {
		snprintf(text, len, "%s is %s, not SERVING", name,
		    slot_state_names[sl->state]);
		return -1;
	}
	s->mover.leaving[r->slot] = 1;
	s->mover.until_us[r->slot] = s->now_us + (uint64_t)ms * 1000;
	if (!desc_of(s, group_of(s, r->slot))->stays)
		n = share_out(s, group_of(s, r->slot));
	atomic_store(&sl->super->drain_ms, ms);
	/* nobody takes them: it ends when they have ended */
	if (n == 0)
		mover_stop(s, sl);
	snprintf(text, len, n > 0 ? "%s: its connections go to %u other%s" :
	    "%s takes no new connections; it ends when none is left", name, n,
	    n == 1 ? "" : "s");
	return 0;
}

int
mover_rebalance(struct super *s, char *text, size_t len)
{
	uint32_t g, i, k, w, moved = 0;

	if (busy(s) != NULL)
		return no(text, len, busy(s));
	for (g = 0; g < s->conf.nworkers; g++) {
		if (desc_of(s, g)->stays || share_out(s, g) == 0)
			continue;
		for (k = 0; k < BOARD_BUCKETS; k++) {
			w = atomic_load(&s->board->want[g][k]);
			i = BUCKET_OWNER(atomic_load(&s->board->bucket[g][k]));
			moved += w != i;
		}
	}
	snprintf(text, len, "%u bucket%s to move", moved, moved == 1 ? "" :
	    "s");
	return 0;
}

uint32_t
mover_evacuate(struct super *s, uint32_t slot)
{
	uint32_t g = group_of(s, slot);

	struct slot_super *super = s->slot[slot].super;
	uint32_t n;

	/* slot_crash_loop() has set gave_up: it has no share any more */
	if (g >= s->conf.nworkers || desc_of(s, g)->stays || s->primary_dead)
		return 0;
	n = share_out(s, g);
	if (n == 0)
		return 0;
	/* release: the primary sees the wishes */
	atomic_store_explicit(&super->empty_pid,
	    atomic_load(&super->dead_pid), memory_order_release);
	super_ring(s, BOARD_NONE);
	return n;
}

/* A slot that was emptied is to be used again: the primary lets go of it. */
static void
refill(struct super *s, struct slot *sl)
{
	if (sl->super == NULL || atomic_load(&sl->super->empty_pid) == 0 ||
	    sl->gave_up || (sl->state == SLOT_EMPTY && !sl->want_spawn))
		return;
	atomic_store(&sl->super->empty_pid, 0);
	s->mover.fresh[sl->number] = 1;
	super_ring(s, BOARD_NONE);
}

/*
 * A slot in which nobody sits or will sit, and that still owns what others are
 * to have: the primary gives it.
 */
static void
vacate(struct super *s, const struct slot *sl)
{
	uint32_t g, k, dead, i = sl->number;

	if (sl->super == NULL || sl->child.pidfd >= 0 || sl->want_spawn ||
	    (sl->state != SLOT_EMPTY && !sl->gave_up) || s->primary_dead)
		return;
	g = group_of(s, i);
	dead = atomic_load(&sl->super->dead_pid);
	if (dead == 0 || atomic_load(&sl->super->empty_pid) == dead ||
	    g >= s->conf.nworkers || desc_of(s, g)->stays)
		return;
	for (k = 0; k < BOARD_BUCKETS; k++)
		if (BUCKET_OWNER(atomic_load(&s->board->bucket[g][k])) == i &&
		    atomic_load(&s->board->want[g][k]) != i &&
		    atomic_load(&s->board->want[g][k]) < BOARD_SLOTS)
			break;
	if (k == BOARD_BUCKETS)
		return;
	/* release: the primary sees the wishes */
	atomic_store_explicit(&sl->super->empty_pid, dead,
	    memory_order_release);
	super_ring(s, BOARD_NONE);
}

/* ---- following ----------------------------------------------------------- */

void
mover_stop(struct super *s, struct slot *sl)
{
	if (slot_event(sl, EV_STOP, s->now_us) == 0)
		super_ring(s, sl->number);
	s->mover.leaving[sl->number] = 2;
}

static void
follow_leaving(struct super *s, struct slot *sl)
{
	uint32_t i = sl->number, left;
	char name[96];

	start_slot_name(s, i, name, sizeof(name));
	if (sl->child.pidfd < 0) {
		/* one that dies meanwhile has a successor, who goes on */
		if (sl->state == SLOT_EMPTY || sl->gave_up) {
			s->mover.leaving[i] = 0;
			atomic_store(&sl->super->drain_ms, 0);
		}
		return;
	}
	if (s->mover.leaving[i] == 1 && sl->state != SLOT_SERVING)
		return;
	if (s->mover.leaving[i] == 1) {
		left = owned(s, i);
		if (left > 0 && s->now_us < s->mover.until_us[i])
			return;
		if (left > 0) {
			super_say(s, "%s: %u buckets are left after the time "
			    "limit: their connections end", name, left);
			atomic_store(&sl->super->drain_ms, 1);
		}
		mover_stop(s, sl);
	} else if (s->now_us > s->mover.until_us[i] + LATE_US &&
	    sl->kill_why == KILL_NONE) {
		sl->kill_why = KILL_SLOW_STOP;
		child_kill(&sl->child, SIGKILL);
	}
}

void
mover_turn(struct super *s)
{
	struct slot *sl;
	uint32_t i;

	for (i = 0; i < s->nslots; i++) {
		sl = &s->slot[i];
		refill(s, sl);
		vacate(s, sl);
		if (s->mover.leaving[i] != 0)
			follow_leaving(s, sl);
		if (s->mover.fresh[i] && sl->state == SLOT_SERVING) {
			s->mover.fresh[i] = 0;
			share_out(s, group_of(s, i));
		}
	}
}

void
mover_left(struct super *s, struct slot *sl, pid_t pid)
{
	char name[96];

	/* whoever sits there next finds queues that somebody left: release
	 * pairs with the primary's and the successor's acquire */
	atomic_store_explicit(&sl->super->dead_pid, (uint32_t)pid,
	    memory_order_release);
	super_ring(s, BOARD_NONE);
	if (s->mover.leaving[sl->number] == 0)
		return;
	s->mover.leaving[sl->number] = 0;
	sl->finished = 1;
	atomic_store(&sl->super->drain_ms, 0);
	start_slot_name(s, sl->number, name, sizeof(name));
	super_say(s, "%s left: pid %d, %s", name, (int)pid,
	    sl->super->last_death);
}
