#include "adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_mempool.h>

#include "../common/arena.h"
#include "../common/bell.h"
#include "../common/log.h"
#include "../common/mbuf.h"
#include "../common/shm.h"
#include "attach.h"
#include "move.h"
#include "stack.h"

#define DRAIN_US	10000u	/* patience with readers of our rings */

/* ---- fencing and refilling, over the board ------------------------------- */

static void
ring_primary(struct io *io)
{
	int fd = bell_open(io->board->head.name, BOARD_NONE);

	if (fd < 0)
		return;		/* unrung, it looks by itself */
	bell_ring(fd);
	close(fd);
}

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
		atomic_store(&io->slot->super.dead_pid, before->pid);
		ring_primary(io);
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
	ring_primary(io);
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

#define BATCH	64u

struct rebuild {
	struct io *io;
	uintptr_t lo, hi;	/* first frame, last frame */
	uint8_t *map;		/* per 64 bytes from lo: what lies there */
	uint32_t held, bad, put, n;
	void *obj[BATCH];
};

#define MAP_FRAME	1u
#define MAP_HELD	2u

static void
find_span(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct rebuild *r = arg;
	uintptr_t at = (uintptr_t)mbuf_pkt(obj);

	if (at < r->lo)
		r->lo = at;
	if (at > r->hi)
		r->hi = at;
}

static void
mark_frame(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct rebuild *r = arg;

	r->map[((uintptr_t)mbuf_pkt(obj) - r->lo) >> PKT_REF_SHIFT] =
	    MAP_FRAME;
}

/* A record or ring names this frame: it stays out of the pool. */
static void
mark_held(void *arg, uint32_t ref)
{
	struct rebuild *r = arg;
	uintptr_t at = (uintptr_t)pkt_at(r->io->base, ref);
	uint8_t *m;

	if (at < r->lo || at > r->hi) {
		r->bad++;
		return;
	}
	m = &r->map[(at - r->lo) >> PKT_REF_SHIFT];
	if (*m != MAP_FRAME) {
		r->bad++;	/* between frames, or named twice */
		return;
	}
	*m = MAP_HELD;
	r->held++;
}

static void
put_free(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct rebuild *r = arg;

	if (obj != NULL) {
		if (r->map[((uintptr_t)mbuf_pkt(obj) - r->lo) >>
		    PKT_REF_SHIFT] == MAP_HELD)
			return;
		mbuf_renew(obj, mp);
		r->obj[r->n++] = obj;
	}
	if (r->n == BATCH || (obj == NULL && r->n > 0)) {
		rte_mempool_ops_enqueue_bulk(mp, r->obj, r->n);
		r->put += r->n;
		r->n = 0;
	}
}

/*
 * Make the pool of what nobody holds. Ring and caches are forgotten first: a
 * process killed in the middle of a put or get left them in no known state.
 */
static int
rebuild_pool(struct io *io)
{
	struct rebuild r = { .io = io, .lo = UINTPTR_MAX };

	rte_mempool_obj_iter(io->mp, find_span, &r);
	r.map = calloc(1, ((r.hi - r.lo) >> PKT_REF_SHIFT) + 1);
	if (r.map == NULL) {
		log_error("no memory to rebuild the pool");
		return -ENOMEM;
	}
	rte_mempool_obj_iter(io->mp, mark_frame, &r);
	net_held(io->net, mark_held, &r);
	lanes_held(io, mark_held, &r);
	mbuf_pool_reset(io->mp);
	rte_mempool_obj_iter(io->mp, put_free, &r);
	put_free(io->mp, &r, NULL, 0);
	free(r.map);
	log_info("slot %u: pool rebuilt, %u buffers free, %u held%s", io->me,
	    r.put, r.held, r.bad > 0 ? ", some references were damaged" : "");
	return 0;
}

/* ---- the arena ----------------------------------------------------------- */

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
	io->net = aligned_alloc(64, (net_size() + 63) / 64 * 64);
	if (secret == NULL || mem == NULL || io->net == NULL) {
		log_error("slot %u: no memory for the stack", io->me);
		return -ENOMEM;
	}
	stack_conf(io, &nc, secret->net);
	stack_env(io, &env);
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

int
adopt(struct io *io, const struct seat_args *a,
    const struct seat_before *before)
{
	bool again, adopted = false;
	uint32_t i, k;
	int err = 0;

	again = before->pid != 0 || atomic_load(&io->slot->super.dead_pid) != 0;
	seat_phase(io, a, PHASE_WAITING);
	if (again)
		err = wait_fenced(io, before);
	if (err < 0)
		return err;
	drain_rings(io);
	io->now = clock_now(&io->clock);
	/* a pool that somebody died in is of no use until it is rebuilt */
	io->pool_open = !again;
	pool_balance(io);
	err = move_open(io);
	if (err == 0)
		err = make_net(io, again, &adopted);
	if (err == 0)
		move_start(io);
	fault_point(io, FAULT_AT_ADOPT);
	if (err == 0 && again)
		err = rebuild_pool(io);
	if (err == 0 && again)
		err = refill(io);
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
