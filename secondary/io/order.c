#include "order.h"

static void
list_add(struct order_bucket *b, uint16_t *list, uint32_t *n, uint32_t k)
{
	if (b[k].epoch == 0)
		list[(*n)++] = (uint16_t)k;
}

/* Take the i-th one out of a list. */
static void
list_del(struct order_bucket *b, uint16_t *list, uint32_t *n, uint32_t i)
{
	b[list[i]].epoch = 0;
	list[i] = list[--*n];
}

static void
cancel(struct order_bucket *b, uint16_t *list, uint32_t *n, uint32_t k)
{
	uint32_t i;

	if (b[k].epoch == 0)
		return;
	for (i = 0; list[i] != k; i++)
		continue;
	list_del(b, list, n, i);
}

void
order_gave(struct order *o, uint32_t k, uint32_t to, uint32_t epoch,
    uint64_t now_us)
{
	k %= BOARD_BUCKETS;
	cancel(o->came, o->came_list, &o->ncame, k);
	list_add(o->gave, o->gave_list, &o->ngave, k);
	o->gave[k] = (struct order_bucket){ .epoch = epoch, .at_us = now_us,
	    .peer = (uint8_t)to };
}

void
order_came(struct order *o, uint32_t k, uint32_t from, uint32_t epoch,
    uint64_t now_us)
{
	k %= BOARD_BUCKETS;
	/* the mark that we owed is not waited for any more */
	cancel(o->gave, o->gave_list, &o->ngave, k);
	if (from >= BOARD_SLOTS || o->peer[from] == NULL ||
	    o->ring[from] == NULL)
		return;
	list_add(o->came, o->came_list, &o->ncame, k);
	o->came[k] = (struct order_bucket){ .epoch = epoch, .at_us = now_us,
	    .peer = (uint8_t)from };
}

void
order_held(struct order *o, uint32_t k, uint64_t now_us)
{
	if (o->came[k].seen_us == 0)
		o->came[k].seen_us = now_us;
}

/* Whether the giver's mark is there, and all that it handed on before. */
static bool
has_come(const struct order *o, struct order_bucket *b, uint32_t k)
{
	struct xring *r = o->ring[b->peer];

	/* acquire pairs with the release in order_empty(): the ring's index
	 * as it was then, or later, is seen */
	if (!b->marked && atomic_load_explicit(&o->peer[b->peer][k],
	    memory_order_acquire) == b->epoch) {
		b->marked = true;
		b->upto = atomic_load_explicit(&r->prod, memory_order_relaxed);
	}
	return b->marked && (int32_t)(atomic_load_explicit(&r->cons,
	    memory_order_relaxed) - b->upto) >= 0;
}

static uint32_t
look_for_marks(struct order *o, uint64_t now_us)
{
	uint32_t i = 0, k, late = 0;
	struct order_bucket *b;
	bool over;

	while (i < o->ncame) {
		k = o->came_list[i];
		b = &o->came[k];
		over = b->seen_us != 0 && now_us - b->seen_us >= ORDER_US;
		if (has_come(o, b, k) || over ||
		    now_us - b->at_us >= ORDER_LOST_US) {
			late += over;
			list_del(o->came, o->came_list, &o->ncame, i);
			continue;
		}
		i++;
	}
	return late;
}

uint32_t
order_turn(struct order *o, uint64_t now_us)
{
	uint32_t i = 0, k;
	struct order_bucket *b;

	while (i < o->ngave) {
		k = o->gave_list[i];
		b = &o->gave[k];
		/* acquire pairs with the primary's release: the steering has
		 * changed before the word */
		if (b->seen_us == 0 && atomic_load_explicit(&o->steered[k],
		    memory_order_acquire) >= b->epoch)
			b->seen_us = now_us;
		if (b->seen_us == 0 && now_us - b->at_us >= ORDER_LOST_US)
			list_del(o->gave, o->gave_list, &o->ngave, i);
		else
			i++;
	}
	return look_for_marks(o, now_us);
}

void
order_empty(struct order *o, uint64_t now_us)
{
	uint32_t i = 0, k, slots = 0;
	struct order_bucket *b;

	while (i < o->ngave) {
		k = o->gave_list[i];
		b = &o->gave[k];
		if (b->seen_us == 0 || now_us - b->seen_us < ORDER_GRACE_US) {
			i++;
			continue;
		}
		/* release: what was handed on is published before */
		atomic_store_explicit(&o->passed[k], b->epoch,
		    memory_order_release);
		slots |= 1u << b->peer % BOARD_SLOTS;
		list_del(o->gave, o->gave_list, &o->ngave, i);
	}
	for (i = 0; o->nudge != NULL && i < BOARD_SLOTS; i++)
		if (slots & 1u << i)
			o->nudge(o->arg, i);
}

bool
order_hurries(const struct order *o)
{
	uint32_t i;

	for (i = 0; i < o->ngave; i++)
		if (o->gave[o->gave_list[i]].seen_us != 0)
			return true;
	return false;
}
