/* evacuate: the giver's side of moves, for a slot without a process. */
#include "evacuate.h"

#include <errno.h>

#include "tcb.h"

#define OFFERS		16u	/* at the same time, as a living giver's */
#define FAILS_MAX	6u

static uint64_t
word_at(const struct evacuation *e, uint32_t k)
{
	return atomic_load_explicit(&e->word[k], memory_order_acquire);
}

static void
word_set(struct evacuation *e, uint32_t k, uint64_t w)
{
	/* release, and a fence for what is changed after a withdrawal: as
	 * move_set() in secondary/net/move_priv.h */
	atomic_store_explicit(&e->word[k], w, memory_order_release);
	atomic_thread_fence(memory_order_release);
}

static void
nudge(const struct evacuation *e, uint32_t slot)
{
	if (e->nudge != NULL)
		e->nudge(e->arg, slot);
}

static struct rec *
conn_rec(const struct arena *a, uint32_t id)
{
	return (struct rec *)((uintptr_t)a + a->off_conns +
	    (size_t)id * a->conn_stride);
}

static struct rec *
rec_of(const struct arena *a, uint32_t id)
{
	if (id < a->shape.conns)
		return conn_rec(a, id);
	return &((struct tw *)((uintptr_t)a + a->off_timewait) +
	    (id - a->shape.conns))->rec;
}

static bool
is_whole(const struct evacuation *e)
{
	const struct arena *a = e->arena;
	struct arena want;

	return e->size >= sizeof(*a) && a->magic == ARENA_MAGIC &&
	    a->layout == layout_hash &&
	    arena_layout(&want, &a->shape) == a->size && a->size <= e->size &&
	    want.off_conns == a->off_conns &&
	    want.off_timewait == a->off_timewait &&
	    want.conn_stride == a->conn_stride;
}

/* Records that were being written are lost. */
static void
drop_torn(struct arena *a)
{
	uint32_t id[2] = { atomic_load(&a->hands), atomic_load(&a->hands2) };
	uint32_t i;

	for (i = 0; i < 2; i++)
		if (id[i] < a->shape.conns + a->shape.timewait)
			atomic_store(&rec_of(a, id[i])->state, REC_FREE);
	atomic_store(&a->hands2, ARENA_NONE);
	atomic_store(&a->hands, ARENA_NONE);
}

static uint32_t
reply_to(const struct evacuation *e, uint32_t k, uint64_t w)
{
	uint32_t r = atomic_load_explicit(&e->reply[BUCKET_TO(w) %
	    BOARD_SLOTS][k], memory_order_acquire);

	return (r & 0xffffffu) == BUCKET_ATTEMPT(w) ? r >> 24 : REPLY_NONE;
}

/*
 * Link the slot's records by buckets: all of them, for what is not live now
 * may be a copy that its owner still commits. Whoever copies looks at epochs.
 */
static void
link_records(struct evacuation *e)
{
	struct arena *a = e->arena;
	uint32_t n = a->shape.conns + a->shape.timewait, id, k;
	struct rec *r;

	for (k = 0; k < ARENA_BUCKETS; k++)
		a->bucket_head[k] = ARENA_NONE;
	for (id = 0; id < n; id++) {
		r = rec_of(a, id);
		if (atomic_load(&r->state) != REC_USED)
			continue;
		k = r->bucket % ARENA_BUCKETS;
		r->kind = id < a->shape.conns ? REC_CONN : REC_TIMEWAIT;
		r->fnext = a->bucket_head[k];
		a->bucket_head[k] = id;
	}
}

static void
settle(struct evacuation *e, uint32_t k, uint64_t w, bool commit,
    uint64_t now_us)
{
	word_set(e, k, commit ? bucket_committed(w) : bucket_withdrawn(w));
	nudge(e, BUCKET_TO(w));
	if (commit)
		return;
	if (e->fails[k] < FAILS_MAX)
		e->fails[k]++;
	e->until[k] = now_us + ((uint64_t)e->patience_us << e->fails[k]);
}

int
evacuate_begin(struct evacuation *e)
{
	uint32_t k;

	if (!is_whole(e))
		return -EPROTO;
	for (k = 0; k < BOARD_BUCKETS; k++) {
		e->until[k] = 0;
		e->fails[k] = 0;
	}
	/* before anything is changed that a receiver may be reading */
	evacuate_end(e);
	drop_torn(e->arena);
	link_records(e);
	return 0;
}

void
evacuate_end(struct evacuation *e)
{
	uint32_t k;
	uint64_t w;

	for (k = 0; k < BOARD_BUCKETS; k++) {
		w = word_at(e, k);
		if (BUCKET_OWNER(w) == e->slot &&
		    BUCKET_PHASE(w) == BUCKET_OFFERED)
			settle(e, k, w, reply_to(e, k, w) == REPLY_COPIED, 0);
	}
	e->offered = 0;
}

static void
offer(struct evacuation *e, uint32_t k, uint64_t w, uint64_t now_us)
{
	uint32_t to = atomic_load_explicit(&e->want[k], memory_order_relaxed);

	if (e->offered == OFFERS || now_us < e->until[k] ||
	    !e->takes(e->arg, to))
		return;
	word_set(e, k, BUCKET_WORD(e->slot, to, BUCKET_OFFERED,
	    BUCKET_EPOCH(w), BUCKET_ATTEMPT(w) + 1));
	e->until[k] = now_us + ((uint64_t)e->patience_us << e->fails[k]);
	e->offered++;
	nudge(e, to);
}

static void
follow(struct evacuation *e, uint32_t k, uint64_t w, uint64_t now_us)
{
	uint32_t r = reply_to(e, k, w);

	if (r == REPLY_NONE && now_us < e->until[k])
		return;
	settle(e, k, w, r == REPLY_COPIED, now_us);
	e->offered--;
}

uint32_t
evacuate_turn(struct evacuation *e, uint64_t now_us)
{
	uint32_t k, to, left = 0;
	uint64_t w;

	for (k = 0; k < BOARD_BUCKETS; k++) {
		w = word_at(e, k);
		to = atomic_load_explicit(&e->want[k], memory_order_relaxed);
		if (BUCKET_OWNER(w) != e->slot)
			continue;
		if (BUCKET_PHASE(w) == BUCKET_OFFERED)
			follow(e, k, w, now_us);
		else if (to != e->slot && to < BOARD_SLOTS)
			offer(e, k, w, now_us);
		else
			continue;
		w = word_at(e, k);
		left += BUCKET_OWNER(w) == e->slot;
	}
	return left;
}
