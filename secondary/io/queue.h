/*
 * queue: a direct lane, one receive and one send queue of an ethdev that this
 * worker polls.
 *
 * When has a sent frame left its buffer? Ranges that a frame refers to are
 * chained as mbufs of their own; on the last of them we keep a count, so the
 * driver's free leaves it to us: it is done when the count is ours alone.
 * Right for drivers that send within the burst (tap, pcap) and for those that
 * free behind the NIC's descriptors; needs no knowledge of either.
 */
#ifndef IO_QUEUE_H
#define IO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/pkt.h"

#define QUEUE_BURST	32u	/* frames of one rx or tx burst */
#define QUEUE_STAGED	256u	/* frames that wait for the device */
#define QUEUE_PENDING	4096u	/* sent frames with ranges not done; a power
				   of two, above any ring of descriptors */

struct io;
struct rte_mbuf;

struct queue {
	uint16_t ethdev, id;	/* DPDK's port, queue */
	uint8_t port;		/* index on the board */
	int tun;		/* a tap's queue, which we read; -1: not one */
	bool prepare;		/* offloads: ask the driver to check */
	uint16_t rx_flags;	/* PKT_RX_* that the lane promises */
	uint32_t nstaged;
	uint32_t pend_head, pend_tail;
	uint64_t full_us;	/* the device takes nothing since; 0 */
	bool blocked;		/* refused a frame in this pass */
	struct rte_mbuf *staged[QUEUE_STAGED];
	struct {
		struct rte_mbuf *last;	/* the mbuf whose count we keep */
		uint32_t mark;
	} pend[QUEUE_PENDING];
};

/* Prepare for queue id of an ethdev that is board port index `port`; after
 * idle_prepare(). */
void	queue_open(struct queue *q, struct io *io, uint32_t port, uint16_t id);

/* Receive up to max frames. */
uint32_t queue_receive(struct io *io, struct queue *q, struct pkt **in,
	    uint32_t max);

/* Put a frame aside to be sent; takes it. false: full, the frame stays the
 * caller's. */
bool	queue_put(struct io *io, struct queue *q, struct pkt *p);

/* Give the device what was put aside. */
void	queue_flush(struct io *io, struct queue *q);

/*
 * Take back what the device is done with. Returns whether frames of the
 * stack's queue are not done, and then the mark of the first in *mark.
 */
bool	queue_reclaim(struct queue *q, uint32_t *mark);

/* Ask the device to let go of what it has sent; before sleeping. */
void	queue_settle(struct queue *q);

#endif
