/*
 * shm: names of the pieces of shared memory that the primary makes and the
 * workers look up. All are DPDK memory zones, but the pools. An arena's shape
 * is conf_arena_shape()'s.
 *
 * Which rings exist. CROSS: between any two slots of which both serve one
 * port. WIRE: from slot a to slot b where a serves one end of a wire and b
 * the other; a may be b. SPREAD_*: for each slot that serves a dispatched
 * port. A ring that has no use is not made: a lookup that finds nothing is
 * no error.
 *
 * xent.port is the receiver's port index in all of them, but in SPREAD_TX,
 * where it is the port to send on.
 *
 * Repair, over the board (words of struct board_slot). "Dead" is any end of
 * the process in a slot, in order or not:
 *
 *	supervisor  super.dead_pid = pid	the pidfd said so
 *	primary     fixed.fenced_pid = pid	nothing of it is in the pool's
 *						way, no queue holds its buffers
 *	(where no supervisor lives, the successor stores worker.before_pid
 *	instead, and the primary answers with fixed.buried_pid)
 *	successor   adopts, rebuilds the pool (mbuf_pool_reset and
 *	            mbuf_renew), worker.refill_wanted_pid = its own pid
 *	primary     takes buffers from the pool, fills the queues,
 *	            fixed.refilled_pid = successor's pid
 *	successor   serves
 *
 * A successor touches neither pool nor queues before the death was answered,
 * nor between its refill_wanted_pid and the primary's answer. The
 * first process of a slot (dead_pid 0) finds pool and queues filled. Whoever
 * stores dead_pid or refill_wanted_pid rings the primary's bell, which is
 * that of slot BOARD_NONE (bell.h); unrung, it looks every 20 ms.
 */
#ifndef COMMON_SHM_H
#define COMMON_SHM_H

#include <stdint.h>

/* printf formats; %u is a slot number unless said otherwise */
#define SHM_POOL	"sf_pool_%u"	/* mempool of the slot's frames */
#define SHM_ARENA	"sf_arena_%u"	/* arena of the slot */
#define SHM_CROSS	"sf_x_%u_%u"	/* xring from slot to slot, hand-off */
#define SHM_WIRE	"sf_w_%u_%u"	/* xring from slot to slot, all wires
					   that join ports of these two */
#define SHM_SPREAD_RX	"sf_rx_%u"	/* xring primary to slot: dispatched */
#define SHM_SPREAD_TX	"sf_tx_%u"	/* xring slot to primary: to send */
#define SHM_SPREAD_POOL	"sf_pool_rx"	/* mempool of the primary's frames */
#define SHM_ROOT	"sf_root_%u"	/* file cache image; %u: root number */
#define SHM_SECRET	"sf_secret"	/* struct shm_secret */

/* Frames' private area in an mbuf: exactly struct pkt. */
#define SHM_PRIV_SIZE	128u

/* Mempool cache of a slot's pool, frames. */
#define SHM_CACHE	256u

/* The instance secret: for workers only, never on the board. */
struct shm_secret {
	uint8_t net[32];	/* ISN, cookies, lookup hash, port choice */
};

#endif
