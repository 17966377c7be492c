#include "move.h"

#include <errno.h>
#include <stdlib.h>

#include "../common/bell.h"
#include "../common/log.h"
#include "io/live.h"

#define BUDGET		512u	/* records that one turn touches, about */
#define PATIENCE_US	15000u	/* for an answer to the first offer */
#define SETTLE_US	100000u	/* who steers sees a move within this time */

/*
 * A slot whose process serves and is not known to be dead. One that hangs
 * does not answer, and the offer is withdrawn.
 */
static bool
takes(void *arg, uint32_t slot)
{
	const struct io *io = arg;
	const struct board_slot *s = &io->board->slot[slot];

	return atomic_load_explicit(&s->worker.phase, memory_order_relaxed) ==
	    PHASE_SERVING && !atomic_load_explicit(&s->super.stop,
	    memory_order_relaxed) && atomic_load_explicit(&s->super.dead_pid,
	    memory_order_relaxed) != atomic_load_explicit(&s->worker.pid,
	    memory_order_relaxed);
}

static void
nudge(void *arg, uint32_t slot)
{
	struct io *io = arg;

	if (slot < BOARD_SLOTS && io->cross[slot].r != NULL)
		bell_call(io->cross[slot].bell, io->cross[slot].asleep);
}

/* They may refer to the document roots' generation before. */
static void
copied(void *arg)
{
	live_arrived(arg);
}

/* Whether a slot's process gives marks: it serves, or finishes. */
static bool
gives_marks(const struct board_slot *s)
{
	uint32_t phase = atomic_load_explicit(&s->worker.phase,
	    memory_order_relaxed);

	return (phase == PHASE_SERVING || phase == PHASE_LEAVING) &&
	    atomic_load_explicit(&s->super.dead_pid, memory_order_relaxed) !=
	    atomic_load_explicit(&s->worker.pid, memory_order_relaxed);
}

static void
gave(void *arg, uint32_t bucket, uint32_t to, uint32_t epoch)
{
	struct io *io = arg;

	order_gave(io->order, bucket, to, epoch, io->now);
}

static void
came(void *arg, uint32_t bucket, uint32_t from, uint32_t epoch)
{
	struct io *io = arg;

	/* what lies in a dead one's queue comes when it comes */
	if (from < BOARD_SLOTS && gives_marks(&io->board->slot[from]))
		order_came(io->order, bucket, from, epoch, io->now);
}

static void
open_order(struct io *io)
{
	struct order *o = io->order;
	struct board *b = io->board;
	uint32_t i, from;

	o->steered = b->steered[io->group];
	o->passed = b->passed[io->me];
	o->nudge = nudge;
	o->arg = io;
	for (i = 0; i < io->nin; i++) {
		from = io->in[i].from;
		if (io->in[i].fresh || io->buckets->peer[from].reply == NULL)
			continue;
		o->peer[from] = b->passed[from];
		o->ring[from] = io->in[i].r;
	}
}

static void
open_peer(struct io *io, struct move_peer *p, const struct ring_in *in)
{
	const struct board_place *pl = &io->board->slot[in->from].fixed.arena;

	p->reply = io->board->reply[in->from];
	p->arena = (const void *)(uintptr_t)pl->addr;
	p->size = pl->len;
	p->frame_lo = in->src.frames.lo;
	p->frame_hi = in->src.frames.hi;
}

static uint64_t
gone(const struct io *io)
{
	return atomic_load_explicit(&io->counters[CNT_move_committed],
	    memory_order_relaxed);
}

int
move_open(struct io *io)
{
	struct board *b = io->board;
	struct net_buckets *m;
	uint32_t i, n = 0;

	if (io->worker->desc->stays)
		return 0;
	m = calloc(1, sizeof(*m));
	io->held = calloc(HOLD_MAX, sizeof(io->held[0]));
	io->held_from = calloc(HOLD_MAX, sizeof(io->held_from[0]));
	io->order = calloc(1, sizeof(*io->order));
	if (m == NULL || io->held == NULL || io->held_from == NULL ||
	    io->order == NULL) {
		log_error("no memory for buckets");
		return -ENOMEM;
	}
	for (i = 0; i < io->nin; i++) {
		if (io->in[i].wire || io->in[i].fresh ||
		    b->slot[io->in[i].from].fixed.group != io->group)
			continue;
		open_peer(io, &m->peer[io->in[i].from], &io->in[i]);
		n++;
	}
	if (n == 0) {
		free(m);
		return 0;
	}
	m->peer[io->me].reply = b->reply[io->me];
	m->me = io->me;
	m->word = b->bucket[io->group];
	m->reply = b->reply[io->me];
	m->want = b->want[io->group];
	m->patience_us = PATIENCE_US;
	m->takes = takes;
	m->nudge = nudge;
	m->copied = copied;
	m->gave = gave;
	m->came = came;
	m->arg = io;
	io->buckets = m;
	open_order(io);
	io->gone = gone(io);
	return 0;
}

void
move_start(struct io *io)
{
	uint32_t i;

	if (io->buckets == NULL)
		return;
	for (i = 0; i < BOARD_PORTS; i++) {
		if (io->steer[i] == NULL)
			continue;
		io->steer[i]->me = (uint8_t)io->me;
		io->steer[i]->state = net_move_states(io->net);
	}
}

void
move_mark(struct io *io)
{
	if (io->order->ngave > 0 && io->drained)
		order_empty(io->order, io->now);
}

void
move_call_primary(struct io *io)
{
	if (io->buckets != NULL && io->primary_bell >= 0)
		bell_ring(io->primary_bell);
}

bool
move_turn(struct io *io)
{
	io->looked_us = io->now;
	io->moving = net_move(io->net, io->now, BUDGET);
	if (gone(io) != io->gone) {
		io->gone = gone(io);
		io->moved_us = io->now;
		move_call_primary(io);
	}
	io_count(io, CNT_mark_late, order_turn(io->order, io->now));
	if (io->nheld > 0)
		hold_turn(io);
	if (!net_move_busy(io->net))
		return order_hurries(io->order);
	/* the answer may come within µs: look on for it before we sleep */
	io->work_us = io->now;
	return true;
}

bool
move_done(const struct io *io)
{
	return io->moving == 0 && io->nheld == 0 &&
	    (io->moved_us == 0 || io->now - io->moved_us > SETTLE_US);
}
