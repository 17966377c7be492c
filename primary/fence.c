/*
 * fence: the primary's hand in the repair of a slot whose process died. The
 * steps are driven over the board (common/shm.h); each can be repeated: the
 * answer is stored when all of a step is done.
 *
 * Fence, when super.dead_pid says that a process is dead:
 *  - forget what the slot's pool holds. What the queues give up now goes into
 *    an empty pool, and the successor rebuilds the pool from nothing anyway;
 *  - tap: stop the port, set the receive queue up from a pool of ours: the
 *    driver frees the old frames. The other workers go on polling all the
 *    while; their descriptors name the same kernel queues as before, and the
 *    kernel keeps what comes for the dead one;
 *  - NIC: steer away, stop the queue: no DMA writes into its buffers any more.
 *
 * Refill, when the successor says that its pool is whole: the same queue from
 * the slot's own pool, and start.
 */
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/log.h"
#include "../common/mbuf.h"

/* What was said of a slot, so that it is said once. */
static uint32_t complained[BOARD_SLOTS];

typedef int step(struct primary *p, uint32_t i, uint32_t s);

/* ---- one queue --------------------------------------------------------- */

static int
fence_queue(struct primary *p, uint32_t i, uint32_t s)
{
	uint16_t id = p->port[i].id, q = p->board->slot[s].fixed.queue[i];
	int err;

	switch ((enum port_repair)p->board->port[i].repair) {
	case REPAIR_PORT:
		err = rte_eth_dev_stop(id);
		if (err < 0)
			return err;
		return port_rx_queue(p, i, q, p->fence_pool);
	case REPAIR_QUEUE:
		steer_spare(p, s, 1);
		err = rte_eth_dev_rx_queue_stop(id, q);
		if (err == 0)
			err = rte_eth_dev_tx_queue_stop(id, q);
		port_flush(p->slot[s].pool);
		return err;
	case REPAIR_NONE:
	case REPAIRS:
		break;
	}
	return -ENOTSUP;
}

static int
refill_queue(struct primary *p, uint32_t i, uint32_t s)
{
	uint16_t id = p->port[i].id, q = p->board->slot[s].fixed.queue[i];
	int err;

	if (p->board->port[i].repair == REPAIR_PORT) {
		/* another slot's repair may have started it meanwhile */
		err = rte_eth_dev_stop(id);
		if (err == 0)
			err = port_rx_queue(p, i, q, p->slot[s].pool);
		if (err == 0)
			err = port_tx_queue(p, i, q);
		if (err == 0)
			err = rte_eth_dev_start(id);
		if (p->board->port[i].type == PORT_TAP)
			tap_noasync();
		return err;
	}
	err = rte_eth_dev_rx_queue_start(id, q);
	if (err == 0)
		err = rte_eth_dev_tx_queue_start(id, q);
	port_flush(p->slot[s].pool);
	if (err == 0)
		steer_spare(p, s, 0);
	return err;
}

/* ---- one slot ---------------------------------------------------------- */

/* Do it for all queues of a slot that a device has. Wires and dispatched
 * ports have rings only: those are whole after any kill. */
static int
each_queue(struct primary *p, uint32_t s, step *fn, const char *what)
{
	uint32_t i;
	int err;

	for (i = 0; i < p->board->head.nports; i++) {
		if (p->board->port[i].lane != LANE_DIRECT ||
		    !p->port[i].is_started ||
		    p->board->slot[s].fixed.queue[i] == BOARD_NONE)
			continue;
		err = fn(p, i, s);
		if (err == 0)
			continue;
		if (!(complained[s] & 1u << i)) {
			complained[s] |= 1u << i;
			log_error("slot %u: cannot %s its queue of port %s "
			    "(%s): %s", s, what, p->board->port[i].name,
			    p->board->port[i].driver, rte_strerror(-err));
			board_event(&p->board->events, s, 2, "cannot %s the "
			    "queue of port %s: %s", what,
			    p->board->port[i].name, rte_strerror(-err));
		}
		return err;
	}
	complained[s] = 0;
	return 0;
}

/* What one process left is fenced once, whoever said that it is dead. */
static void
fence_slot(struct primary *p, uint32_t s, uint32_t dead, int by_super)
{
	struct slot_fixed *f = &p->board->slot[s].fixed;
	_Atomic uint32_t *answer = by_super ? &f->fenced_pid : &f->buried_pid;
	_Atomic uint32_t *other = by_super ? &f->buried_pid : &f->fenced_pid;

	uint64_t us = board_mono_us();

	if (atomic_load(other) == dead) {
		atomic_store_explicit(answer, dead, memory_order_release);
		bell_ring(p->slot[s].bell);
		return;
	}
	autopsy(p, s, dead);
	mbuf_pool_reset(p->slot[s].pool);
	if (each_queue(p, s, fence_queue, "fence") < 0)
		return;
	/* pairs with the successor's acquire: the queues are still */
	atomic_store_explicit(answer, dead, memory_order_release);
	bell_ring(p->slot[s].bell);
	us = board_mono_us() - us;
	board_event(&p->board->events, s, 0, "fenced what pid %u left in %lu "
	    "us", dead, (unsigned long)us);
	log_info("slot %u: fenced what pid %u left in %lu us", s, dead,
	    (unsigned long)us);
	primary_notify(p);
}

static void
refill_slot(struct primary *p, uint32_t s, uint32_t pid)
{
	uint64_t us = board_mono_us();

	if (each_queue(p, s, refill_queue, "refill") < 0)
		return;
	/* pairs with the successor's acquire: the pool is its own again */
	atomic_store_explicit(&p->board->slot[s].fixed.refilled_pid, pid,
	    memory_order_release);
	bell_ring(p->slot[s].bell);
	us = board_mono_us() - us;
	board_event(&p->board->events, s, 0, "refilled for pid %u in %lu us",
	    pid, (unsigned long)us);
	log_info("slot %u: refilled for pid %u in %lu us", s, pid,
	    (unsigned long)us);
	primary_notify(p);
}

void
fence_turn(struct primary *p)
{
	struct board_slot *b;
	uint32_t s, dead, before, want;

	for (s = 0; s < p->board->head.nslots; s++) {
		b = &p->board->slot[s];
		/* acquire: the death came before the word */
		dead = atomic_load_explicit(&b->super.dead_pid,
		    memory_order_acquire);
		if (dead != 0 && dead != atomic_load_explicit(
		    &b->fixed.fenced_pid, memory_order_relaxed)) {
			fence_slot(p, s, dead, 1);
			continue;
		}
		before = atomic_load_explicit(&b->worker.before_pid,
		    memory_order_acquire);
		if (before != 0 && before != atomic_load_explicit(
		    &b->fixed.buried_pid, memory_order_relaxed)) {
			fence_slot(p, s, before, 0);
			continue;
		}
		/* acquire: the pool was rebuilt before the word */
		want = atomic_load_explicit(&b->worker.refill_wanted_pid,
		    memory_order_acquire);
		/* a wish of the dead is void: its successor has its own */
		if (want != 0 && want != dead && want != atomic_load_explicit(
		    &b->fixed.refilled_pid, memory_order_relaxed))
			refill_slot(p, s, want);
	}
}
