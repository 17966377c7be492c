/*
 * renew: the primary died, and with it who could repair or start anything.
 * Its workers go on as long as they live; when the last one is gone, or all
 * were told to go, a new generation starts: a new primary under a new file
 * prefix, never beside secondaries of the old one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "super.h"

static uint32_t
living(const struct super *s)
{
	uint32_t i, attaching, n = standby_alive(s, &attaching);

	for (i = 0; i < s->nslots; i++)
		n += s->slot[i].child.pidfd >= 0;
	return n;
}

/* Somebody who was started by hand, and whom we do not hold. */
static int
stranger_lives(const struct super *s)
{
	const struct slot_worker *w;
	uint32_t i;

	for (i = 0; i < s->nslots; i++) {
		w = &s->board->slot[i].worker;
		if (board_pid_alive((pid_t)atomic_load(&w->pid),
		    atomic_load(&w->pid_start)))
			return 1;
	}
	return 0;
}

int
renew_begin(struct super *s, char *err, size_t len)
{
	uint32_t i;

	if (!s->primary_dead || s->board == NULL) {
		snprintf(err, len, "the primary lives: nothing is to be "
		    "renewed");
		return -EINVAL;
	}
	super_say(s, "renew: %u workers of generation %u are told to go",
	    living(s), s->board->head.generation);
	for (i = 0; i < s->nslots; i++)
		super_stop_slot(s, &s->slot[i]);
	standby_stop(s, SIGTERM);
	return 0;
}

int
renew_roots(const struct board *b, struct conf *c)
{
	uint32_t i, side = (atomic_load(&b->cache.generation) - 1) % 2;
	uint32_t n = b->head.nroots < BOARD_ROOTS ? b->head.nroots :
	    BOARD_ROOTS;
	char mark[OPT_STRLEN];
	int moved = 0;

	/* by way of names that no directory has: two may change places */
	for (i = 0; i < n; i++) {
		if (b->root[i].from[side][0] == '\0' ||
		    strcmp(b->root[i].from[side], b->root[i].root) == 0)
			continue;
		snprintf(mark, sizeof(mark), "root %u", i);
		conf_move_root(c, b->root[i].root, mark);
		moved = 1;
	}
	for (i = 0; moved && i < n; i++) {
		snprintf(mark, sizeof(mark), "root %u", i);
		conf_move_root(c, mark, b->root[i].from[side]);
	}
	return moved;
}

/* The new primary reads the copy, which is to say so. */
static void
follow_roots(struct super *s)
{
	char path[BOARD_PATH + 8], err[512];

	if (!renew_roots(s->board, &s->conf))
		return;
	rundir_file(&s->dir, CTL_CONF, path, sizeof(path));
	/* of the copy, too: the file may have been edited since */
	strlcpy(s->conf.file, path, sizeof(s->conf.file));
	if (conf_copy(&s->conf, path, err, sizeof(err)) < 0)
		super_say(s, "%s", err);
}

void
renew_turn(struct super *s)
{
	uint32_t last;

	if (!s->primary_dead || s->board == NULL || living(s) > 0 ||
	    stranger_lives(s))
		return;
	last = s->board->head.generation;
	super_say(s, "the last worker of generation %u is gone: generation %u "
	    "starts", last, last + 1);
	follow_roots(s);
	s->changed = atomic_load(&s->board->live.seq) != 0;
	super_init_slots(s);
	standby_init(s);
	board_close(s->board);
	s->board = NULL;
	rundir_clean_generation(s->dir.name);
	s->primary_dead = s->primary_hung = 0;
	s->adopting = 0;
	s->started_us = s->now_us;
	if (start_primary(s) < 0)
		super_fail(s, "the primary cannot be started");
}
