/*
 * xring: the crossing ring, worker to worker, primary to worker, wire.
 *
 * Shaped like a NIC's descriptor ring: one producer, one consumer, each side
 * one published index. The producer puts refs of its own frames in. The
 * consumer copies each frame into a buffer of its own, then advances cons.
 * The producer takes its frames back up to cons. So a buffer never leaves
 * the slot that owns it, there is no return path, and an operation that a
 * kill cut in half is invisible: what lies beyond prod was never sent, what
 * lies at or beyond cons was never received.
 *
 * After a kill of either side: entries in [cons, prod) count as held by the
 * producer. The producer's "reclaimed up to" lives in its process and starts
 * at cons again after adoption.
 *
 * A full ring refuses: the producer drops and counts. A frozen consumer
 * therefore holds at most one ring of frames. A dead one holds them until the
 * producer declares them void (xring_void) or a successor takes them.
 */
#ifndef COMMON_XRING_H
#define COMMON_XRING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XRING_ALIGN	64

enum xkind {
	XKIND_FRAME,		/* a frame for the owner of its bucket */
	XKIND_WIRE,		/* a frame on a wire port */
	XKIND_NEIGH,		/* an ARP/ND frame to learn from, no reply */
	XKIND_RX,		/* a dispatched frame, as if received */
};

struct xent {
	uint32_t ref;		/* frame of the producer, see pkt.h */
	uint16_t kind;		/* enum xkind */
	uint16_t port;		/* port index it belongs to */
};

struct xring {
	uint32_t size;		/* entries, a power of two; constant */
	uint32_t mask;		/* size - 1 */
	uint8_t pad0[XRING_ALIGN - 8];
	_Atomic uint32_t prod;	/* writer: producer */
	_Atomic uint32_t from;	/* writer: producer; entries before it are void
				   for a consumer that starts */
	uint8_t pad1[XRING_ALIGN - 8];
	_Atomic uint32_t cons;	/* writer: consumer */
	uint8_t pad2[XRING_ALIGN - 4];
	struct xent ent[];
};

/* Bytes of a ring with this many entries (a power of two). */
static inline size_t
xring_size(uint32_t entries)
{
	return sizeof(struct xring) + (size_t)entries * sizeof(struct xent);
}

/* Make an empty ring; before any worker knows of it. */
static inline void
xring_init(struct xring *r, uint32_t entries)
{
	r->size = entries;
	r->mask = entries - 1;
	atomic_init(&r->prod, 0);
	atomic_init(&r->from, 0);
	atomic_init(&r->cons, 0);
}

/*
 * Producer: free entries. Acquire pairs with xring_consume(): what the
 * consumer read is read before the producer writes there again.
 */
static inline uint32_t
xring_room(struct xring *r)
{
	return r->size - (atomic_load_explicit(&r->prod, memory_order_relaxed) -
	    atomic_load_explicit(&r->cons, memory_order_acquire));
}

/* Producer: fill the i-th free entry; i is below xring_room(). Unpublished. */
static inline void
xring_put(struct xring *r, uint32_t i, struct xent e)
{
	uint32_t at = atomic_load_explicit(&r->prod, memory_order_relaxed) + i;

	r->ent[at & r->mask] = e;
}

/*
 * Producer: publish n filled entries. Release pairs with the acquire in
 * xring_ready(): entries and frames are written before the index is.
 */
static inline void
xring_publish(struct xring *r, uint32_t n)
{
	atomic_store_explicit(&r->prod,
	    atomic_load_explicit(&r->prod, memory_order_relaxed) + n,
	    memory_order_release);
}

/* Producer: index up to which the consumer is done; frames before it are
 * the producer's again. */
static inline uint32_t
xring_done(struct xring *r)
{
	return atomic_load_explicit(&r->cons, memory_order_acquire);
}

/*
 * Producer: declare void what a dead consumer left. pid: the word in which a
 * consumer names itself before it starts; dead: what it held when that
 * process was found to be gone. true: all frames are the producer's again.
 * false: a successor has come meanwhile and may be reading them. The seq_cst
 * accesses pair with those of xring_start(): either the successor sees from,
 * or we see the successor.
 */
static inline bool
xring_void(struct xring *r, _Atomic uint32_t *pid, uint32_t dead)
{
	uint32_t old = atomic_load_explicit(&r->from, memory_order_relaxed);

	atomic_store_explicit(&r->from,
	    atomic_load_explicit(&r->prod, memory_order_relaxed),
	    memory_order_seq_cst);
	if (atomic_load_explicit(pid, memory_order_seq_cst) == dead)
		return true;
	atomic_store_explicit(&r->from, old, memory_order_relaxed);
	return false;
}

/* Producer that starts: index from which on frames are held: what the
 * consumer is done with, and what was declared void, is not. */
static inline uint32_t
xring_kept(struct xring *r)
{
	uint32_t cons = xring_done(r);
	uint32_t from = atomic_load_explicit(&r->from, memory_order_relaxed);

	return (int32_t)(from - cons) > 0 ? from : cons;
}

/* Consumer: before its first look, after it named itself by a seq_cst store:
 * skip what was declared void. */
static inline void
xring_start(struct xring *r)
{
	uint32_t from = atomic_load_explicit(&r->from, memory_order_seq_cst);
	uint32_t cons = atomic_load_explicit(&r->cons, memory_order_relaxed);

	if ((int32_t)(from - cons) > 0)
		atomic_store_explicit(&r->cons, from, memory_order_release);
}

/* Consumer: entries waiting. Acquire pairs with xring_publish(). */
static inline uint32_t
xring_ready(struct xring *r)
{
	return atomic_load_explicit(&r->prod, memory_order_acquire) -
	    atomic_load_explicit(&r->cons, memory_order_relaxed);
}

/* Consumer: the i-th waiting entry; i is below xring_ready(). */
static inline struct xent
xring_peek(struct xring *r, uint32_t i)
{
	uint32_t at = atomic_load_explicit(&r->cons, memory_order_relaxed) + i;

	return r->ent[at & r->mask];
}

/*
 * Consumer: done with n entries. Release pairs with xring_room() and
 * xring_done(): the copy is complete before the producer takes the frame.
 */
static inline void
xring_consume(struct xring *r, uint32_t n)
{
	atomic_store_explicit(&r->cons,
	    atomic_load_explicit(&r->cons, memory_order_relaxed) + n,
	    memory_order_release);
}

#endif
