/*
 * net_inline: what of the contract of net_priv.h is short and done for every
 * segment; included there.
 */
#ifndef NET_NET_INLINE_H
#define NET_NET_INLINE_H

/* ---- the bracket (arena.h) ---- */

/*
 * Take record id in hands. The signal fences keep the compiler from moving
 * the bracket's stores out of it; the kernel stops a killed process between
 * two instructions, so no hardware fence is needed: whoever adopts does so
 * after the death was seen through a pidfd.
 */
static inline __attribute__((always_inline)) void
hands_set(struct net *n, uint32_t id)
{
	struct arena *a = n->a;

	assert(atomic_load_explicit(&a->hands, memory_order_relaxed) ==
	    ARENA_NONE);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&a->hands, id, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline __attribute__((always_inline)) void
hands_clear(struct net *n)
{
	atomic_signal_fence(memory_order_seq_cst);
	/* hands and hands2 are ARENA_NONE */
	atomic_store_explicit(&n->a->bracket, UINT64_MAX,
	    memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Name the second record of a bracket, before it leaves its free list. */
static inline void
hands_second(struct net *n, uint32_t id)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&n->a->hands2, id, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void
rec_use(struct rec *r)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&r->state, REC_USED, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void
rec_unuse(struct rec *r)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&r->state, REC_FREE, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* ---- what is short ---- */

/* memcpy() as the library has it. Where gcc knows that n is small, it makes a
 * `rep movs` of it, which starts slowly. */
static inline void
copy_some(void *to, const void *from, size_t n)
{
	__asm__("" : "+r"(n));
	memcpy(to, from, n);
}

/* Id of a connection: rec_id() without the look at its kind. */
static inline uint32_t
conn_index(const struct net *n, const struct conn *c)
{
	return (uint32_t)(((uintptr_t)c - (uintptr_t)n->conns) >>
	    n->stride_shift) * n->stride_inv;
}

/* Where the flow of an IPv4 segment with these headers is noted. */
static inline struct flow *
flow_at(struct net *n, uint64_t addrs, uint32_t ports)
{
	/* ports near each other, as clients choose them, do not collide */
	uint64_t h = (addrs ^ (uint64_t)ports << 21) *
	    UINT64_C(0x9e3779b97f4a7c15);

	return &n->flow[h >> (64 - FLOW_BITS)];
}

/* Id of the connection that these headers belong to, if it was noted. */
static inline uint32_t
flow_find(struct net *n, uint64_t addrs, uint32_t ports)
{
	const struct flow *f = flow_at(n, addrs, ports);

	return f->addrs == addrs && f->ports == ports ? f->id - 1 :
	    ARENA_NONE;
}

/* A chunk by its number. */
static inline __attribute__((always_inline)) struct chunk *
chunk_at(const struct net *n, uint32_t c)
{
	const struct arena_shape *s = &n->a->shape;

	if (c < s->small)
		return (struct chunk *)(void *)(n->small +
		    (size_t)c * CHUNK_SMALL);
	assert(c - s->small < s->chunks);
	return (struct chunk *)(void *)(n->chunks +
	    (size_t)(c - s->small) * s->chunk_size);
}

/* Bytes of data[] of this chunk. */
static inline uint32_t
chunk_room(const struct net *n, uint32_t c)
{
	return (c < n->a->shape.small ? CHUNK_SMALL :
	    n->a->shape.chunk_size) - (uint32_t)sizeof(struct chunk);
}

/* See net_priv.h. */
static inline uint32_t
chunk_get(struct net *n, bool big)
{
	uint32_t *head = big ? &n->chunk_free : &n->small_free;
	uint32_t c = *head;
	struct chunk *k;

	if (c == ARENA_NONE) {
		net_count(n, CNT_drop_no_chunk, 1);
		return c;
	}
	k = chunk_at(n, c);
	*head = k->next;
	if (big)
		n->nchunk_free--;
	else
		n->nsmall_free--;
	memset(k, 0, sizeof(*k));
	k->next = ARENA_NONE;
	return c;
}

/* Onto its free list; nothing refers to it. */
static inline __attribute__((always_inline)) void
chunk_free(struct net *n, uint32_t c)
{
	struct chunk *k = chunk_at(n, c);

	k->used = 0;
	if (c < n->a->shape.small) {
		k->next = n->small_free;
		n->small_free = c;
		n->nsmall_free++;
	} else {
		k->next = n->chunk_free;
		n->chunk_free = c;
		n->nchunk_free++;
	}
}

/* A small chunk, of which there is one. */
static inline struct chunk *
chunk_get_small(struct net *n, uint32_t *id)
{
	uint32_t c = n->small_free;
	struct chunk *k = (struct chunk *)(void *)(n->small +
	    (size_t)c * CHUNK_SMALL);

	n->small_free = k->next;
	n->nsmall_free--;
	*k = (struct chunk){ .next = ARENA_NONE };
	*id = c;
	return k;
}

/* chunk_put() of one that no frame referred to, most likely. */
static inline __attribute__((always_inline)) void
chunk_drop(struct net *n, uint32_t c)
{
	if (__builtin_expect(chunk_at(n, c)->used == 0, 1))
		chunk_free(n, c);
	else
		chunk_put(n, c);
}

/* Progress: frame i is being handled; the signal fences keep the store before
 * the frame's first effect, as in hands_set(). */
static inline void
burst_at(struct net *n, uint32_t i)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&n->a->burst_i, i, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* A free frame with headroom for all headers, or NULL (counted). */
static inline struct pkt *
frame_get(struct net *n)
{
	struct pkt *p = pktpool_get(n->env.pool);

	if (__builtin_expect(p == NULL, 0)) {
		net_count(n, CNT_drop_no_buffer, 1);
		return NULL;
	}
	pkt_reset(p, PKT_HEADROOM);
	return p;
}

static inline void
frame_put(struct net *n, struct pkt *p)
{
	pktpool_put(n->env.pool, p);
}

/*
 * FIFO lists of connections, linked through conn.ready_next and conn.out_next
 * (meaning of the links: LINK_* in tcb.h). Putting one that is on the list
 * already does nothing. A record keeps its place when it is freed or opened
 * again; so who takes an entry off drops it if it is not USED.
 */
static inline void
ready_put_id(struct net *n, struct conn *c, uint32_t id)
{
	if (c->ready_next != LINK_OFF)
		return;
	c->ready_next = LINK_LAST;
	if (n->ready_head == ARENA_NONE)
		n->ready_head = id;
	else
		n->ready_tail->ready_next = id + 1;
	n->ready_tail = c;
}

static inline void
ready_put(struct net *n, struct conn *c)
{
	ready_put_id(n, c, conn_index(n, c));
}

static inline void
out_put(struct net *n, struct conn *c)
{
	uint32_t id;

	if (c->out_next != LINK_OFF)
		return;
	id = conn_index(n, c);
	c->out_next = LINK_LAST;
	if (n->out_head == ARENA_NONE)
		n->out_head = id;
	else
		n->out_tail->out_next = id + 1;
	n->out_tail = c;
}

static inline uint32_t
list_next(uint32_t link)
{
	return link == LINK_LAST ? ARENA_NONE : link - 1;
}

/* The lines of a connection's record that every event touches. */
static inline void
conn_prefetch(const struct net *n, uint32_t id)
{
	const uint8_t *p = (const uint8_t *)conn_at(n, id);

	__builtin_prefetch(p, 1);
	__builtin_prefetch(p + 64, 1);
	__builtin_prefetch(p + 128, 1);
}

/* Take the first one off a list that is not empty. */
static inline struct conn *
ready_pop(struct net *n)
{
	struct conn *c = conn_at(n, n->ready_head);

	n->ready_head = list_next(c->ready_next);
	if (n->ready_head != ARENA_NONE)
		conn_prefetch(n, n->ready_head);
	c->ready_next = LINK_OFF;
	return c;
}

static inline struct conn *
out_pop(struct net *n)
{
	struct conn *c = conn_at(n, n->out_head);

	n->out_head = list_next(c->out_next);
	if (n->out_head != ARENA_NONE)
		conn_prefetch(n, n->out_head);
	c->out_next = LINK_OFF;
	return c;
}

/* Of an entry of those lists: a record that is ours to work on. */
static inline bool
rec_served(const struct rec *r)
{
	return atomic_load_explicit(&r->state, memory_order_relaxed) ==
	    REC_USED && !r->away;
}

#endif
