/*
 * ring: the two ends of a crossing ring (common/xring.h) in a worker: frames
 * handed to the owner of their bucket, wires between slots, frames to and from
 * a primary that dispatches.
 */
#ifndef IO_RING_H
#define IO_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/pkt.h"
#include "../../common/xring.h"
#include "cut.h"

struct io;
struct slot_worker;

/* Consumer's end. */
struct ring_in {
	struct xring *r;
	struct cut_source src;
	struct cut cut;		/* frame of which packets are still to come */
	bool cutting;
	bool wire;		/* a wire: memory needs no checksums */
	bool fresh;		/* frames come from outside: count and steer */
	uint8_t from;		/* slot at the other end */
};

/* Producer's end. r is NULL where there is no such ring. */
struct ring_out {
	struct xring *r;
	uintptr_t base;		/* of refs */
	uint32_t staged;	/* put, not published */
	uint32_t taken;		/* frames before this index are ours again */
	uint32_t *mark;		/* send mark of each entry; NULL: not of the
				   stack's queue */
	_Atomic uint32_t *asleep; /* consumer's word */
	struct slot_worker *to;	/* consumer; NULL: the primary */
	uint32_t idle_cons;	/* consumer's index when last looked at, */
	uint64_t idle_us;	/* and since when it has been that */
	int bell;
	uint64_t full_us;	/* full since; 0: it is not */
	bool blocked;		/* refused a frame in this pass: later ones
				   must not overtake it */
};

/* Adopt the producer's end: frames in [cons, prod) are held. Their mark is
 * that of the last frame before. */
void	ring_out_open(struct ring_out *o, struct xring *r, uintptr_t base);

/* Call fn for each frame the ring holds. */
void	ring_out_held(const struct ring_out *o,
	    void (*fn)(void *arg, uint32_t ref), void *arg);

/* Take back what the consumer is done with. Returns how many frames. */
uint32_t ring_reclaim(struct ring_out *o, struct pktpool *pool);

/*
 * Whether the consumer is dead and will not come back soon; then what it left
 * is void, and ours again. Looked at now and then: asks the kernel about a
 * consumer that has not moved for a while.
 */
void	ring_void(struct ring_out *o, struct pktpool *pool, uint64_t now_us);

/* Publish what was put, and wake the consumer. */
void	ring_flush(struct ring_out *o);

/* Frames put and not taken back. */
static inline uint32_t
ring_busy(const struct ring_out *o)
{
	return atomic_load_explicit(&o->r->prod, memory_order_relaxed) +
	    o->staged - o->taken;
}

/*
 * Put a frame; it is the ring's until ring_reclaim() gives it back. false:
 * the ring is full, also after what could be taken back was.
 */
static inline bool
ring_put(struct ring_out *o, struct pktpool *pool, struct xent e,
    uint32_t mark)
{
	uint32_t at;

	if (__builtin_expect(ring_busy(o) >= o->r->size, 0) &&
	    ring_reclaim(o, pool) == 0)
		return false;
	at = atomic_load_explicit(&o->r->prod, memory_order_relaxed) +
	    o->staged;
	if (o->mark != NULL)
		o->mark[at & o->r->mask] = mark;
	xring_put(o->r, o->staged++, e);
	return true;
}

/*
 * Take up to max packets out of a ring into buffers of io's pool. Entries that
 * are no packets (what a neighbour is) are handled here. Drops are counted.
 * Returns how many.
 */
uint32_t ring_take(struct io *io, struct ring_in *in, struct pkt **out,
	    uint32_t max);

#endif
