#include "wheel.h"

#include <string.h>

#include "../net/net_priv.h"

#define EXACT_TICKS	64u	/* 4 ms, rounded up: deadlines are exact */

void
wheel_init(struct wheel *w, uint64_t now_us)
{
	memset(w->map, 0, sizeof(w->map));
	memset(w->head, 0xff, sizeof(w->head));
	w->tick = now_us >> WHEEL_SHIFT;
	w->ahead = w->tick;
	w->level = 0;
	w->rest = ARENA_NONE;
	w->piece = WHEEL_PIECE;
}

static void
link_in(struct net *n, uint32_t id, uint32_t slot)
{
	struct wheel *w = &n->wheel;
	struct rec *r = rec_at(n, id);

	r->wslot = (uint16_t)slot;
	r->wprev = ARENA_NONE;
	r->wnext = w->head[slot];
	if (r->wnext != ARENA_NONE)
		rec_at(n, r->wnext)->wprev = id;
	w->head[slot] = id;
	if (slot != WHEEL_DUE)
		w->map[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64] |=
		    UINT64_C(1) << slot % 64;
}

void
wheel_unfile(struct net *n, uint32_t id)
{
	struct wheel *w = &n->wheel;
	struct rec *r = rec_at(n, id);
	uint32_t slot = r->wslot;

	if (slot == WHEEL_NONE)
		return;
	if (r->wprev != ARENA_NONE)
		rec_at(n, r->wprev)->wnext = r->wnext;
	else if (w->rest == id)
		w->rest = r->wnext;	/* it keeps its slot's number */
	else
		w->head[slot] = r->wnext;
	if (r->wnext != ARENA_NONE)
		rec_at(n, r->wnext)->wprev = r->wprev;
	r->wslot = WHEEL_NONE;
	if (slot != WHEEL_DUE && w->head[slot] == ARENA_NONE)
		w->map[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64] &=
		    ~(UINT64_C(1) << slot % 64);
}

/* Slot for a tick, seen from w->tick: the finest level that reaches it. */
static uint32_t
slot_of(const struct wheel *w, uint64_t tick)
{
	uint32_t level;

	for (level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t at = tick >> 8 * level;
		uint64_t here = w->tick >> 8 * level;

		if (at - here < WHEEL_SLOTS)
			return level * WHEEL_SLOTS + (uint32_t)(at & 255);
	}
	/* beyond the horizon: its last slot, to be filed again from there */
	return (WHEEL_LEVELS - 1) * WHEEL_SLOTS + (uint32_t)
	    (((w->tick >> 8 * (WHEEL_LEVELS - 1)) + WHEEL_SLOTS - 1) & 255);
}

void
wheel_file(struct net *n, uint32_t id)
{
	struct wheel *w = &n->wheel;
	struct rec *r = rec_at(n, id);
	uint64_t tick = r->deadline >> WHEEL_SHIFT;
	uint32_t slot;

	if (r->deadline == UINT64_MAX) {
		wheel_unfile(n, id);
		return;
	}
	if (tick < w->tick)
		tick = w->tick;
	slot = slot_of(w, tick);
	if (r->wslot == slot)
		return;
	wheel_unfile(n, id);
	link_in(n, id, slot);
}

uint32_t
wheel_peek(const struct net *n, uint64_t deadline)
{
	const struct wheel *w = &n->wheel;
	uint64_t tick = deadline >> WHEEL_SHIFT;

	if (deadline == UINT64_MAX)
		return ARENA_NONE;
	return w->head[slot_of(w, tick < w->tick ? w->tick : tick)];
}

/* Distance from slot `from` to the next one in use, going round; 256: none. */
static uint32_t
next_used(const uint64_t map[WHEEL_SLOTS / 64], uint32_t from)
{
	uint32_t i, word = from / 64;
	uint64_t bits = map[word] >> from % 64;

	if (bits != 0)
		return (uint32_t)__builtin_ctzll(bits);
	for (i = 1; i <= WHEEL_SLOTS / 64; i++) {
		bits = map[(word + i) % (WHEEL_SLOTS / 64)];
		if (bits != 0)
			return (64 - from % 64 + 64 * (i - 1) +
			    (uint32_t)__builtin_ctzll(bits)) % WHEEL_SLOTS;
	}
	return WHEEL_SLOTS;
}

/*
 * The first tick from w->tick on at which there is something to do: a slot of
 * the finest level, or a slot of a coarser one to spread. A coarser slot that
 * holds the present block was spread when it began; so it is next in use a
 * whole turn later, or never.
 */
static uint64_t
next_tick(const struct wheel *w)
{
	uint64_t best = UINT64_MAX;
	uint32_t level, d;

	d = next_used(w->map[0], (uint32_t)(w->tick & 255));
	if (d < WHEEL_SLOTS)
		best = w->tick + d;
	for (level = 1; level < WHEEL_LEVELS; level++) {
		uint64_t here = (w->tick >> 8 * level) + 1, at;

		d = next_used(w->map[level], (uint32_t)(here & 255));
		if (d == WHEEL_SLOTS)
			continue;
		at = (here + d) << 8 * level;
		if (at < best)
			best = at;
	}
	return best;
}

/* File records of w->rest again, as seen from w->tick. True: all are. */
static bool
file_rest(struct net *n, uint32_t *left)
{
	struct wheel *w = &n->wheel;
	uint32_t id, next;

	while ((id = w->rest) != ARENA_NONE) {
		if (*left == 0)
			return false;
		--*left;
		next = rec_at(n, id)->wnext;
		if (next != ARENA_NONE)
			rec_at(n, next)->wprev = ARENA_NONE;
		w->rest = next;
		rec_at(n, id)->wslot = WHEEL_NONE;
		wheel_file(n, id);
	}
	return true;
}

/* Begin to spread the coarse slots whose block begins at this tick. */
static void
cascade(struct wheel *w, uint64_t tick)
{
	w->edge = tick;
	w->level = WHEEL_LEVELS;
}

/* Go on with it, coarsest slot first, by up to w->piece records. True: all is
 * spread. */
static bool
cascaded(struct net *n)
{
	struct wheel *w = &n->wheel;
	uint32_t left = w->piece, level, slot;

	for (;;) {
		if (!file_rest(n, &left))
			return false;
		if (w->level <= 1) {
			w->level = 0;
			return true;
		}
		level = --w->level;
		if ((w->edge & ((UINT64_C(1) << 8 * level) - 1)) != 0)
			continue;
		slot = level * WHEEL_SLOTS +
		    (uint32_t)(w->edge >> 8 * level & 255);
		w->rest = w->head[slot];
		w->head[slot] = ARENA_NONE;
		w->map[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64] &=
		    ~(UINT64_C(1) << slot % 64);
	}
}

/* Take due records off the list and fire them; the others are filed again. */
static uint32_t
fire_due(struct net *n, uint64_t now_us, uint32_t max,
    void (*fire)(struct net *, uint32_t id))
{
	struct wheel *w = &n->wheel;
	uint32_t fired = 0, id;

	while ((id = w->head[WHEEL_DUE]) != ARENA_NONE) {
		if (rec_at(n, id)->deadline > now_us) {
			wheel_file(n, id);
			continue;
		}
		if (fired == max)
			break;
		wheel_unfile(n, id);
		fire(n, id);
		fired++;
	}
	return fired;
}

uint32_t
wheel_advance(struct net *n, uint64_t now_us, uint32_t max,
    void (*fire)(struct net *, uint32_t id))
{
	struct wheel *w = &n->wheel;
	uint64_t to = now_us >> WHEEL_SHIFT, next;
	uint32_t slot, id;

	for (;;) {
		/* what an earlier call left comes first */
		if (!cascaded(n))
			return 1;
		slot = (uint32_t)(w->tick & 255);
		while ((id = w->head[slot]) != ARENA_NONE) {
			wheel_unfile(n, id);
			link_in(n, id, WHEEL_DUE);
		}
		max -= fire_due(n, now_us, max, fire);
		if (w->head[WHEEL_DUE] != ARENA_NONE)
			return 1;
		if (w->tick >= to)
			return 0;
		next = next_tick(w);
		if (next == w->tick)
			continue;	/* filed meanwhile, and due */
		w->tick = next < to ? next : to;
		cascade(w, w->tick);
	}
}

/* Least deadline of a slot; files again those whose deadline moved. */
static uint64_t
least(struct net *n, uint32_t slot)
{
	uint64_t best = UINT64_MAX;
	uint32_t id, next;

	for (id = n->wheel.head[slot]; id != ARENA_NONE; id = next) {
		const struct rec *r = rec_at(n, id);

		next = r->wnext;
		wheel_file(n, id);
		if (r->wslot == slot && r->deadline < best)
			best = r->deadline;
	}
	return best;
}

uint64_t
wheel_deadline(struct net *n)
{
	struct wheel *w = &n->wheel;
	uint64_t next, edge, best;
	uint32_t near;

	if (!cascaded(n) || w->head[WHEEL_DUE] != ARENA_NONE)
		return w->tick << WHEEL_SHIFT;
	/*
	 * A coarse block that begins within 4 ms is spread now, once: what
	 * stays in its coarse slot is at least a quarter of a block later.
	 */
	edge = ((w->tick >> 8) + 1) << 8;
	if (edge - w->tick < EXACT_TICKS && w->ahead != edge) {
		w->ahead = edge;
		cascade(w, edge);
		if (!cascaded(n))
			return w->tick << WHEEL_SHIFT;
	}
	for (;;) {
		near = next_used(w->map[0], (uint32_t)(w->tick & 255));
		if (near >= EXACT_TICKS)
			break;
		best = least(n, (uint32_t)((w->tick + near) & 255));
		if (best != UINT64_MAX)
			return best;
	}
	next = next_tick(w);
	if (next == UINT64_MAX)
		return UINT64_MAX;
	/* a coarse block that begins sooner was spread above: what is left in
	 * it is later than that */
	if (next < w->tick + EXACT_TICKS)
		next = w->tick + EXACT_TICKS;
	return next << WHEEL_SHIFT;
}
