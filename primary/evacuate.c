/*
 * evacuate: slots that stay DEAD are emptied by the primary, which acts as the
 * giver of their buckets (common/evacuate.h). The supervisor asks for it by
 * super.empty_pid; who writes the slot's words is decided by the lock on its
 * bell, which a worker holds as long as it sits there.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/evacuate.h"
#include "../common/log.h"

#define PATIENCE_US	15000u

/* A slot that is being emptied, or is empty and locked. */
struct emptying {
	struct evacuation e;
	struct primary *p;
	int lock;		/* of its bell */
	uint32_t pid;		/* of the dead process */
	uint8_t done, bad;	/* nothing is left; its arena is damaged */
};

static struct emptying *slots[BOARD_SLOTS];

static bool
takes(void *arg, uint32_t slot)
{
	const struct emptying *m = arg;
	const struct board_slot *s = &m->p->board->slot[slot];

	return slot < m->p->board->head.nslots && atomic_load_explicit(
	    &s->worker.phase, memory_order_relaxed) == PHASE_SERVING &&
	    atomic_load_explicit(&s->super.dead_pid, memory_order_relaxed) !=
	    atomic_load_explicit(&s->worker.pid, memory_order_relaxed);
}

static void
nudge(void *arg, uint32_t slot)
{
	const struct emptying *m = arg;
	struct board *b = m->p->board;

	if (slot >= b->head.nslots)
		return;
	if (m->p->slot[slot].bell < 0)
		m->p->slot[slot].bell = bell_open(b->head.name, slot);
	if (m->p->slot[slot].bell >= 0)
		bell_call(m->p->slot[slot].bell,
		    &m->p->board->slot[slot].worker.asleep);
}

static void
finish(uint32_t s)
{
	struct emptying *m = slots[s];

	evacuate_end(&m->e);
	close(m->lock);
	free(m);
	slots[s] = NULL;
}

static void
begin(struct primary *p, uint32_t s, uint32_t pid)
{
	struct board *b = p->board;
	struct emptying *m = calloc(1, sizeof(*m));
	uint32_t g = b->slot[s].fixed.group;

	if (m == NULL)
		return;
	m->p = p;
	m->pid = pid;
	m->lock = bell_open(b->head.name, s);
	if (m->lock < 0 || flock(m->lock, LOCK_EX | LOCK_NB) < 0) {
		/* somebody sits there already */
		if (m->lock >= 0)
			close(m->lock);
		free(m);
		return;
	}
	m->e = (struct evacuation){
		.arena = p->slot[s].arena->addr,
		.size = p->slot[s].arena->len,
		.slot = s,
		.word = b->bucket[g],
		.want = b->want[g],
		.reply = (const _Atomic uint32_t (*)[BOARD_BUCKETS])b->reply,
		.patience_us = PATIENCE_US,
		.takes = takes,
		.nudge = nudge,
		.arg = m,
	};
	slots[s] = m;
	if (evacuate_begin(&m->e) < 0) {
		log_error("slot %u: its arena is damaged: its connections are "
		    "lost", s);
		board_event(&b->events, s, 2, "the arena is damaged");
		m->bad = m->done = 1;
	}
}

static void
follow(struct primary *p, uint32_t s, uint64_t now_us)
{
	struct emptying *m = slots[s];

	if (m->bad)
		return;
	/* also later on: an offer to it that was answered for may still be
	 * committed */
	if (evacuate_turn(&m->e, now_us) > 0) {
		m->done = 0;
		return;
	}
	if (m->done)
		return;
	m->done = 1;
	steer_update(p);
	log_info("slot %u: emptied of what pid %u left", s, m->pid);
	board_event(&p->board->events, s, 0, "emptied of what pid %u left",
	    m->pid);
}

int
evacuate_slots(struct primary *p, uint64_t now_us)
{
	struct board_slot *b;
	uint32_t s, pid;
	int busy = 0;

	for (s = 0; s < p->board->head.nslots; s++) {
		b = &p->board->slot[s];
		/* acquire: the wishes were stored before the word */
		pid = atomic_load_explicit(&b->super.empty_pid,
		    memory_order_acquire);
		if (slots[s] != NULL && slots[s]->pid != pid)
			finish(s);
		if (pid != 0 && slots[s] == NULL && pid ==
		    atomic_load_explicit(&b->super.dead_pid,
		    memory_order_acquire))
			begin(p, s, pid);
		if (slots[s] != NULL) {
			follow(p, s, now_us);
			busy |= !slots[s]->done;
		}
	}
	return busy;
}

int
evacuate_is_empty(uint32_t slot)
{
	return slots[slot] != NULL && slots[slot]->done;
}
