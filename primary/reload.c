/*
 * reload: document roots are loaded again while the instance runs.
 *
 * A root's memory has two sides. The loader, a child that was there before
 * EAL started, fills the side that nobody uses any more and checks it; when
 * all roots are whole, one word makes the new side the one that is served.
 * If anything is wrong nothing changes. Each slot says on the board which
 * generation it serves, and from which one on it uses nothing older. A slot
 * that stays DEAD says nothing any more: it is not waited for, and whoever
 * sits down there later ends what was in the middle of a file (slot_fixed.
 * lost).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <bsd/string.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/log.h"

#define PATIENCE_US	3000000u

static uint32_t going;		/* wish that is being fulfilled; 0: none */
static uint32_t at;		/* root that is being loaded */
static uint64_t since_us;
static uint64_t asked_us;	/* since when a slot is waited for */

/* It is over: tell the supervisor, with a reason if it failed. */
static void
finish(struct primary *p, const char *why)
{
	struct board_cache *c = &p->board->cache;

	strlcpy(c->why, why, sizeof(c->why));
	if (why[0] != '\0') {
		log_error("document roots are not loaded again: %s", why);
		board_event(&p->board->events, BOARD_NONE, 1,
		    "document roots stay as they are: %.80s", why);
	}
	/* pairs with the supervisor's acquire: why, generation before it */
	atomic_store_explicit(&c->tried, going, memory_order_release);
	going = 0;
	primary_notify(p);
}

/* Whether connections of the slot may send files of document roots at all. */
static bool
serves_roots(const struct primary *p, uint32_t s)
{
	uint32_t g = p->board->slot[s].fixed.group;
	const struct conf_worker *w;
	const struct opt *o;

	if (g >= p->conf->nworkers)
		return false;
	w = &p->conf->workers[g];
	if (w->desc == NULL || w->desc->opts == NULL || w->options == NULL)
		return false;
	for (o = w->desc->opts->opts; o->name != NULL; o++)
		if (opt_root(o, w->options, 0) != NULL)
			return true;
	return false;
}

static bool
is_dead(const struct primary *p, uint32_t s)
{
	return atomic_load_explicit(&p->board->slot[s].super.state,
	    memory_order_acquire) == SLOT_DEAD;
}

/* A slot that may still use what lies on the other side, or BOARD_NONE; dead:
 * those without a process, too. */
static uint32_t
user_of_old(const struct primary *p, bool dead)
{
	const struct board *b = p->board;
	uint32_t s, gen;

	gen = atomic_load_explicit(&b->cache.generation,
	    memory_order_relaxed);
	for (s = 0; gen > 1 && s < b->head.nslots; s++) {
		/* one that ended in order left no connection, and one that
		 * stays dead gave its own away */
		if (atomic_load_explicit(&b->slot[s].super.state,
		    memory_order_relaxed) == SLOT_EMPTY ||
		    evacuate_is_empty(s) || !serves_roots(p, s) ||
		    (!dead && is_dead(p, s)))
			continue;
		/* acquire: its last use came before the word */
		if (atomic_load_explicit(&b->slot[s].worker.cache_free,
		    memory_order_acquire) < gen)
			return s;
	}
	return BOARD_NONE;
}

/*
 * A dead slot has not said that it uses nothing old: whoever sits there next
 * is to end what does. The lock on its bell shows that nobody sits there, and
 * who takes it later sees the word. false: somebody has it.
 */
static bool
lose(struct primary *p, uint32_t s)
{
	int fd = bell_open(p->board->head.name, s);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	/* pairs with the worker's acquire */
	atomic_fetch_add_explicit(&p->board->slot[s].fixed.lost, 1,
	    memory_order_release);
	close(fd);
	log_info("slot %u is dead: downloads that it was in the middle of "
	    "will not go on", s);
	return true;
}

/* Nobody uses the other side but slots that are dead: they are not waited for.
 * A slot that does use it, or BOARD_NONE. */
static uint32_t
lose_dead(struct primary *p)
{
	uint32_t s, gen = atomic_load_explicit(&p->board->cache.generation,
	    memory_order_relaxed);

	for (s = 0; gen > 1 && s < p->board->head.nslots; s++) {
		if (!is_dead(p, s) || evacuate_is_empty(s) ||
		    !serves_roots(p, s))
			continue;
		if (atomic_load_explicit(&p->board->slot[s].worker.cache_free,
		    memory_order_acquire) < gen && !lose(p, s))
			return s;
	}
	return BOARD_NONE;
}

static void
ask_next(struct primary *p)
{
	uint32_t gen = atomic_load_explicit(&p->board->cache.generation,
	    memory_order_relaxed);

	if (files_ask(p, at, gen % 2) < 0)
		finish(p, "the loader is gone");
}

static void
start(struct primary *p)
{
	char why[96];
	uint32_t s = user_of_old(p, false);

	if (s == BOARD_NONE)
		s = lose_dead(p);
	at = 0;
	since_us = board_mono_us();
	if (p->board->head.nroots == 0) {
		finish(p, "");
	} else if (p->board->root[0].side == 0) {
		finish(p, "memory.reload_room is -1: no room was left for it");
	} else if (s != BOARD_NONE) {
		snprintf(why, sizeof(why), "slot %u still sends files of the "
		    "generation before; try again later", s);
		finish(p, why);
	} else {
		ask_next(p);
	}
}

static void
switch_over(struct primary *p)
{
	struct board_cache *c = &p->board->cache;
	uint32_t gen;

	gen = atomic_load_explicit(&c->generation, memory_order_relaxed) + 1;
	files_publish(p, gen);
	/* pairs with the workers' acquire: the images are whole */
	atomic_store_explicit(&c->generation, gen, memory_order_release);
	board_event(&p->board->events, BOARD_NONE, 0,
	    "document roots loaded again, generation %u", gen);
	log_info("document roots: generation %u after %lu ms", gen,
	    (unsigned long)((board_mono_us() - since_us) / 1000));
	finish(p, "");
}

void
reload_turn(struct primary *p)
{
	char why[512];
	uint32_t want;
	int r;

	if (going == 0) {
		want = atomic_load_explicit(&p->board->super.cache_wanted,
		    memory_order_acquire);
		if (want == atomic_load_explicit(&p->board->cache.tried,
		    memory_order_relaxed))
			return;
		/* slots tell within a second, if nobody is in mid-file */
		if (user_of_old(p, true) != BOARD_NONE) {
			if (asked_us == 0)
				asked_us = board_mono_us();
			if (board_mono_us() - asked_us < PATIENCE_US)
				return;
		}
		asked_us = 0;
		going = want;
		start(p);
		return;
	}
	r = files_answered(p, at, why, sizeof(why));
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		finish(p, why);
		return;
	}
	if (++at < p->board->head.nroots)
		ask_next(p);
	else
		switch_over(p);
}
