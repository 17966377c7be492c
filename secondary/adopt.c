#include "adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/arena.h"
#include "../common/bell.h"
#include "../common/log.h"
#include "../common/shm.h"
#include "attach.h"
#include "io/fault.h"
#include "io/frames.h"
#include "move.h"
#include "stack.h"

#define DRAIN_US	10000u	/* patience with readers of our rings */

/* ---- fencing and refilling, over the board ------------------------------- */

struct fence {
	struct io *io;
	const struct seat_before *before;
};

/*
 * Whether nothing of the process before us moves any more. Its death has to
 * be on the board: under its own pid, or the supervisor has seated us since.
 */
static int
fenced(void *arg)
{
	struct fence *f = arg;
	struct board_slot *s = f->io->slot;
	uint32_t dead = atomic_load(&s->super.dead_pid);
	uint32_t before = atomic_load(&s->worker.before_pid);

	if (before != 0)
		return atomic_load(&s->fixed.buried_pid) == before;
	if (dead == 0 || atomic_load(&s->fixed.fenced_pid) != dead)
		return 0;
	return f->before->pid == 0 || dead == f->before->pid ||
	    atomic_load(&s->super.pid) == (uint32_t)getpid();
}

static int
wait_fenced(struct io *io, const struct seat_before *before)
{
	struct board_super *super = &io->board->super;
	struct fence f = { .io = io, .before = before };
	int r;

	/* started by hand, with no supervisor: say ourselves who died; the
	 * lock on the slot's bell shows that it did */
	if (before->pid != 0 && !board_pid_alive((pid_t)before->pid,
	    before->pid_start) && !board_pid_alive(
	    (pid_t)atomic_load(&super->pid), atomic_load(&super->pid_start))) {
		atomic_store(&io->slot->worker.before_pid, before->pid);
		bell_ring(io->primary_bell);
	}
	r = seat_wait(io, fenced, &f);
	if (r == -ETIMEDOUT)
		log_error("slot %u: the queues of pid %u were not fenced; "
		    "is the primary alive?", io->me, before->pid);
	return r < 0 ? r : 0;
}

static int
refilled(void *arg)
{
	struct io *io = arg;

	return atomic_load(&io->slot->fixed.refilled_pid) ==
	    (uint32_t)getpid();
}

static int
refill(struct io *io)
{
	int r;

	atomic_store(&io->slot->worker.refill_wanted_pid, (uint32_t)getpid());
	bell_ring(io->primary_bell);
	r = seat_wait(io, refilled, io);
	if (r == -ETIMEDOUT)
		log_error("slot %u: the primary did not refill its queues",
		    io->me);
	return r < 0 ? r : 0;
}

/*
 * Frames that other slots still read from our rings refer to chunks that the
 * adoption may free: give the readers a moment. Those that are dead or
 * frozen are not waited for.
 */
static void
drain_rings(struct io *io)
{
	uint64_t end = clock_kernel_us() + DRAIN_US;
	uint32_t i;

	for (i = 0; i < io->nouts; i++) {
		while (xring_kept(io->outs[i]->r) != atomic_load_explicit(
		    &io->outs[i]->r->prod, memory_order_relaxed) &&
		    clock_kernel_us() < end)
			ring_flush(io->outs[i]);
	}
	for (i = 0; i < io->nouts; i++)
		ring_out_open(io->outs[i], io->outs[i]->r, io->base);
}

/* ---- the pool ------------------------------------------------------------ */

static void
mark_held(void *arg, uint32_t ref)
{
	struct io *io = arg;

	if (!frames_claim(io, ref))
		log_warn("slot %u: a damaged reference to a frame", io->me);
}

/* What records hold was claimed by the adoption. */
static void
rebuild_pool(struct io *io)
{
	uint32_t n;

	n = frames_rebuild(io);
	log_info("slot %u: pool rebuilt, %u of %u buffers free", io->me, n,
	    frames_count(io));
}

/* ---- the arena ----------------------------------------------------------- */

int
adopt_prepare(struct io *io)
{
	size_t size = (net_size() + 63) / 64 * 64;

	if (io->net != NULL)
		return 0;
	io->net = aligned_alloc(64, size);
	if (io->net == NULL) {
		log_error("no memory for the stack");
		return -ENOMEM;
	}
	memset(io->net, 0, size);	/* its pages are there then */
	return 0;
}

/* Make io->net from the arena as it is; *adopted tells which way. */
static int
make_net(struct io *io, bool again, bool *adopted)
{
	static struct net_conf nc;
	const struct shm_secret *secret = attach_secret();
	struct net_env env;
	struct arena *mem;
	size_t size;
	int err;

	*adopted = false;
	mem = attach_arena(io, &size);
	err = adopt_prepare(io);
	if (secret == NULL || mem == NULL || err < 0)
		return err < 0 ? err : -ENOENT;
	stack_conf(io, &nc, secret->net);
	stack_env(io, &env);
	if (again) {
		env.frame = frames_is;
		env.claim = frames_claim;
		env.disclaim = frames_disclaim;
	}
	if (again && mem->magic == ARENA_MAGIC) {
		err = net_adopt(io->net, &nc, &env, mem, size, io->now);
		if (err == 0) {
			*adopted = true;
			return 0;
		}
		log_warn("slot %u: the arena cannot be adopted (%s): its "
		    "connections are lost", io->me, strerror(-err));
	}
	err = net_create(io->net, &nc, &env, mem, size, io->now);
	if (err < 0)
		log_error("slot %u: stack: %s", io->me, strerror(-err));
	return err;
}

/* Times of the steps, for an event: where a take-over spends them. */
struct times {
	uint64_t t[5];
	uint32_t n;
};

static void
note(struct times *t)
{
	t->t[t->n++] = clock_kernel_us();
}

/* Steps from a predecessor's death to a slot that is whole. */
static int
take_over(struct io *io, const struct seat_args *a,
    const struct seat_before *before, bool *adopted)
{
	struct times t = { .n = 0 };
	int err;

	note(&t);
	err = frames_find(io, io->me);
	if (err == 0)
		err = wait_fenced(io, before);
	if (err < 0)
		return err;
	note(&t);
	drain_rings(io);
	io->now = clock_now(&io->clock);
	/* first: a frame that was just handed on may still be in the burst */
	frames_forget(io);
	lanes_held(io, mark_held, io);
	err = make_net(io, true, adopted);
	if (err < 0)
		return err;
	move_start(io);
	fault_point(io, FAULT_AT_ADOPT);
	note(&t);
	rebuild_pool(io);
	note(&t);
	err = refill(io);
	note(&t);
	board_event(&io->slot->events, io->me, 0, "took over: fence %lu, arena "
	    "%lu, pool %lu, refill %lu us",
	    (unsigned long)(t.t[1] - t.t[0]), (unsigned long)(t.t[2] - t.t[1]),
	    (unsigned long)(t.t[3] - t.t[2]), (unsigned long)(t.t[4] - t.t[3]));
	return err;
}

int
adopt(struct io *io, const struct seat_args *a,
    const struct seat_before *before)
{
	bool again, adopted = false;
	uint32_t i, k;
	int err;

	again = before->pid != 0 || atomic_load(&io->slot->super.dead_pid) != 0;
	seat_phase(io, a, PHASE_WAITING);
	/* a pool that somebody died in is of no use until it is rebuilt */
	io->pool_open = !again;
	err = move_open(io);
	if (err < 0)
		return err;
	if (again) {
		err = take_over(io, a, before, &adopted);
	} else {
		drain_rings(io);
		io->now = clock_now(&io->clock);
		pool_balance(io);
		err = make_net(io, false, &adopted);
		if (err == 0)
			move_start(io);
	}
	if (err < 0)
		return err;
	/* what rings hold from before is older than all we send */
	for (i = 0; i < io->nouts; i++) {
		for (k = 0; io->outs[i]->mark != NULL &&
		    k < io->outs[i]->r->size; k++)
			io->outs[i]->mark[k] = net_tx_mark(io->net);
	}
	io->tx_done = net_tx_mark(io->net) - 1;
	io->pool_open = true;
	pool_balance(io);
	return adopted;
}
