/*
 * autopsy: what a dead process had in hand, before its successor forgets it.
 * The arena may be damaged: nothing in it is believed.
 */
#include <string.h>

#include <rte_mempool.h>

#include "primary.h"

#include "../common/arena.h"
#include "../common/mbuf.h"
#include "../common/pkt.h"
#include "../common/tcb.h"

struct span {
	uintptr_t lo, hi;
};

static void
widen(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *h,
    unsigned int i)
{
	struct span *s = arg;

	if ((uintptr_t)h->addr < s->lo)
		s->lo = (uintptr_t)h->addr;
	if ((uintptr_t)h->addr + h->len > s->hi)
		s->hi = (uintptr_t)h->addr + h->len;
}

/* The last bytes of len at off of a frame that a ref names. */
static void
copy_tail(struct primary *p, uint32_t s, uint32_t ref, int whole,
    struct board_hand *h)
{
	struct span sp = { UINTPTR_MAX, 0 };
	const struct pkt *f = pkt_at(p->board->head.base, ref);
	uint64_t off, len, room = p->board->slot[s].fixed.pkt_room;

	rte_mempool_mem_iter(p->slot[s].pool, widen, &sp);
	if ((uintptr_t)f < sp.lo ||
	    (uintptr_t)f + sizeof(*f) + room > sp.hi)
		return;
	off = whole ? f->off : f->poff;
	len = whole ? f->len : f->plen;
	if (off < sizeof(*f) || off + len > sizeof(*f) + room || len == 0)
		return;
	h->nbytes = len < sizeof(h->bytes) ? (uint32_t)len :
	    (uint32_t)sizeof(h->bytes);
	memcpy(h->bytes, (const uint8_t *)f + off + len - h->nbytes,
	    h->nbytes);
}

void
autopsy(struct primary *p, uint32_t s, uint32_t dead)
{
	const struct arena *a = p->slot[s].arena->addr;
	struct board_hand *h = &p->board->slot[s].fixed.hand;
	uint32_t id = atomic_load(&a->hands), n, i;
	const struct conn *c;
	struct conn_info ci;

	atomic_store(&h->pid, 0);
	h->known = 0;
	h->nbytes = 0;
	if (arena_conn_info(a, p->slot[s].arena->len, id, &ci) == 1) {
		h->known = 1;
		h->id = id;
		h->family = ci.family;
		h->state = ci.state;
		h->lport = ci.lport;
		h->rport = ci.rport;
		memcpy(h->laddr, ci.laddr, sizeof(h->laddr));
		memcpy(h->raddr, ci.raddr, sizeof(h->raddr));
		if (id < a->shape.conns) {
			c = (const struct conn *)((const char *)a +
			    a->off_conns + (size_t)id * a->conn_stride);
			copy_tail(p, s, c->rq_tail, 0, h);
		}
	}
	/* the frame in hand says more than what came before it */
	n = atomic_load(&a->burst_n);
	i = atomic_load(&a->burst_i);
	if (n > 0 && n <= ARENA_BURST && i > 0 && i <= n)
		copy_tail(p, s, a->burst[i - 1], 1, h);
	/* release: who sees the pid sees the rest */
	atomic_store_explicit(&h->pid, dead, memory_order_release);
}
