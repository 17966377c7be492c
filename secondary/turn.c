#include "turn.h"

#include "audit.h"
#include "io/live.h"
#include "io/reads.h"
#include "move.h"
#include "stack.h"

#define TIMERS	64u		/* due timers of one turn */
#define EVENTS	128u		/* connections served in one turn */
#define ROUNDS	4u		/* output and send in one turn, at most */
#define DRAIN_LOOK_US 10000u	/* draining: look around so often */
#define QUIET_US 250000u	/* draining: peers have nothing more to say */
#define LATE_US	2000u		/* since the last turn: the least timeout */
#define CATCH_UP 64u		/* bursts that are read then, at most */
#define BEAT_US	1000u		/* grain of the heartbeat: it shares a line
				   with `asleep`, which others read */

/* Make and send frames until the stack has no more or the lanes are full.
 * Returns whether there is more to do. */
static bool
send(struct io *io)
{
	struct pktq *out = net_out(io->net);
	uint32_t i, waiting = 0;

	for (i = 0; i < ROUNDS; i++) {
		waiting = net_output(io->net, io->now);
		if (out->n == 0 && !io->staged)
			break;
		if (__builtin_expect(io->fault != NULL, 0))
			fault_send(io);
		if (!lanes_send(io) || waiting == 0)
			break;
	}
	return waiting > 0 || out->n > 0 || io->staged;
}

static bool
tick(struct io *io)
{
	const struct service *s = io->svc.service;

	if (s->tick == NULL) {
		io->tick_us = UINT64_MAX;
		return false;
	}
	io->tick_us = s->tick(&io->svc, io->now);
	return io->tick_us <= io->now;
}

/* Another worker that runs on our cpu: let it, instead of spinning. */
static bool
is_crowded(const struct io *io)
{
	const struct slot_worker *w;
	uint32_t i;

	for (i = 0; i < io->board->head.nslots && i < BOARD_SLOTS; i++) {
		w = &io->board->slot[i].worker;
		if (i != io->me && atomic_load_explicit(&w->cpu,
		    memory_order_relaxed) == io->cpu &&
		    atomic_load_explicit(&w->phase, memory_order_relaxed) ==
		    PHASE_SERVING)
			return true;
	}
	return false;
}

static void
gauge(struct io *io, enum counter c, uint64_t v)
{
	atomic_store_explicit(&io->counters[c], v, memory_order_relaxed);
}

/* What needs to be done ten times a second. */
static void
seldom(struct io *io)
{
	clock_sync(&io->clock);
	io->crowded = is_crowded(io);
	lanes_void(io);
	live_turn(io);
	gauge(io, CNT_gauge_pkts_free, pool_free(io));
	audit_turn(io);
}

static void
beat(struct io *io)
{
	uint32_t stop;

	if (io->now - io->beat_us < BEAT_US)
		return;
	io->beat_us = io->now;
	atomic_store_explicit(&io->slot->worker.heartbeat_us, io->now,
	    memory_order_relaxed);
	if (io->faults != NULL)
		fault_look(io);
	if (io->leaving)
		return;
	stop = atomic_load_explicit(&io->slot->super.stop,
	    memory_order_relaxed);
	io->hand_over = stop == STOP_HAND_OVER;
	if (stop != STOP_NO || atomic_load_explicit(&io->board->head.state,
	    memory_order_relaxed) == PRIMARY_STOPPING)
		io->stop = 1;
}

/*
 * Take what has come. A process that did not run for a while finds timers due
 * whose answers lie in its queues already: those are read first, or it sends
 * again what arrived long ago. Bounded: a flood must not hold up the rest.
 */
static uint32_t
receive(struct io *io, uint64_t late_us)
{
	uint32_t got = lanes_receive(io), i;

	if (__builtin_expect(late_us > LATE_US, 0) && got > 0)
		for (i = 0; i < CATCH_UP && lanes_receive(io) > 0; i++)
			continue;
	return got;
}

/* One turn. Returns whether there was, or still is, something to do. */
static bool
turn(struct io *io)
{
	uint64_t t = clock_now(&io->clock), late = t - io->now;
	uint32_t got;
	bool more;

	if (io->busy_from != 0)
		io_count(io, CNT_busy_us, t - io->busy_from);
	io->now = t;
	beat(io);
	if (__builtin_expect(clock_due(&io->clock), 0))
		seldom(io);
	if (__builtin_expect(io->fault != NULL, 0))
		fault_begin(io);
	more = move_due(io) && move_turn(io);
	got = receive(io, late);
	more |= net_advance(io->net, t, TIMERS) > 0;
	more |= net_events(io->net, t, EVENTS) > 0;
	if (io->reads != NULL)
		io_count(io, CNT_reads_refused, reads_turn(io->reads, t));
	more |= tick(io);
	more |= send(io);
	if (__builtin_expect(io->fault != NULL, 0))
		fault_end(io);
	lanes_reclaim(io);
	if (io->buckets != NULL)
		move_mark(io);
	pool_balance(io);
	io_count(io, CNT_turns, 1);
	if (got > 0)
		io->work_us = t;
	more |= got > 0;
	io->busy_from = more ? t : 0;
	return more;
}

bool
turn_once(struct io *io)
{
	return turn(io);
}

void
turn_run(struct io *io)
{
	/* a sleeper's heart beats four times in the time of a hang */
	uint64_t longest_us = (uint64_t)io->conf->hang_ms * 1000 / 4;

	while (!io->stop) {
		if (!turn(io))
			idle_turn(io, longest_us);
	}
}

static bool
all_done(struct io *io)
{
	return atomic_load_explicit(&io->counters[CNT_gauge_conns],
	    memory_order_relaxed) == 0 &&
	    atomic_load_explicit(&io->counters[CNT_gauge_half],
	    memory_order_relaxed) == 0 && !lanes_busy(io) && move_done(io);
}

void
turn_drain(struct io *io, uint64_t limit_us)
{
	uint64_t end, asked_us = 1000 * (uint64_t)atomic_load_explicit(
	    &io->slot->super.drain_ms, memory_order_relaxed);

	end = io->now + (asked_us > 0 ? asked_us : limit_us);
	io->leaving = true;
	io->stop = 0;		/* idle_turn() sleeps again */
	stack_refuse(io);
	while (io->now < end) {
		if (turn(io))
			continue;
		if (all_done(io) || (asked_us == 0 &&
		    io->now - io->work_us > QUIET_US))
			break;
		idle_turn(io, DRAIN_LOOK_US);
	}
}
