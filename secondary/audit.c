#include "audit.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "../common/mbuf.h"

/* Buffers that a device's queue has of us on its way out. */
static uint32_t
queue_holds(const struct queue *q)
{
	uint32_t i, n = 0;

	for (i = 0; i < q->nstaged; i++)
		n += q->staged[i]->nb_segs;
	/* sent, and kept for its mark; what is staged was counted */
	for (i = q->pend_head; i != q->pend_tail; i++)
		n += rte_mbuf_refcnt_read(q->pend[i % QUEUE_PENDING].last)
		    == 1;
	return n;
}

/* Whether a device of ours keeps sent buffers for a while: how many, nobody
 * says. */
static bool
has_nic(const struct io *io)
{
	uint32_t i;

	for (i = 0; i < io->nqueues; i++) {
		if (io->board->port[io->queue[i].port].type != PORT_TAP)
			return true;
	}
	return false;
}

static void
count_frames(struct io *io, const struct net_audit *n,
    struct board_account *a)
{
	uint32_t i, held;

	held = n->frames + n->waiting + io->nheld +
	    io->slot->fixed.device_pkts;
	for (i = 0; i < io->nqueues; i++)
		held += queue_holds(&io->queue[i]);
	for (i = 0; i < io->nouts; i++)
		held += ring_busy(io->outs[i]);
	a->total = io->mp->size;
	a->free = pool_free(io);
	if (has_nic(io) && a->free + held < a->total)
		held = a->total - a->free;
	a->held = held;
}

static void
copy(struct board_account *to, const struct net_account *from)
{
	to->total = from->total;
	to->free = from->free;
	to->held = from->held;
}

void
audit_turn(struct io *io)
{
	struct board_audit *a = &io->slot->worker.audit;
	uint32_t want = atomic_load_explicit(&io->slot->super.audit,
	    memory_order_acquire);
	struct net_audit n;
	uint64_t begin;

	if (want == atomic_load_explicit(&a->seq, memory_order_relaxed))
		return;
	begin = clock_kernel_us();
	net_audit(io->net, &n);
	count_frames(io, &n, &a->frames);
	copy(&a->chunks, &n.chunks);
	copy(&a->records, &n.records);
	a->time_us = board_real_us();
	a->took_us = (uint32_t)(clock_kernel_us() - begin);
	/* release: who sees the answer sees all of it */
	atomic_store_explicit(&a->seq, want, memory_order_release);
}
