/*
 * share: broadcast across the slots of a group. Each slot posts into a ring
 * of its own in shared memory; the others copy from it into their own stream,
 * a few messages in each turn. A slot that falls behind by a whole ring loses
 * messages, and counts them.
 *
 * The writer: raise tail above what will be overwritten, write, raise head.
 * A reader: look at head, copy, look at tail again; what tail has passed
 * meanwhile may be torn and is thrown away.
 */
#include "ws_priv.h"

#define IMPORTS		64u	/* messages taken in one turn */

struct ws_share {
	_Atomic uint64_t head, tail; /* the slot's; positions only grow */
	_Alignas(64) uint8_t ring[WS_RING];
};

/* Copy n bytes at a position out of a ring that another process writes. */
static void
take(const struct ws_share *sh, uint64_t pos, void *to, uint32_t n)
{
	uint32_t at = (uint32_t)(pos % WS_RING);
	uint32_t part = WS_RING - at < n ? WS_RING - at : n;

	memcpy(to, sh->ring + at, part);
	memcpy((uint8_t *)to + part, sh->ring, n - part);
}

static void
put(struct ws_share *sh, uint64_t pos, const void *from, uint32_t n)
{
	uint32_t at = (uint32_t)(pos % WS_RING);
	uint32_t part = WS_RING - at < n ? WS_RING - at : n;

	memcpy(sh->ring + at, from, part);
	memcpy(sh->ring, (const uint8_t *)from + part, n - part);
}

static uint32_t
entry_size(uint32_t len)
{
	return (uint32_t)sizeof(struct ws_posted) + ((len + 7) & ~7u);
}

void
ws_share_open(struct ws *w)
{
	const struct svc *s = w->s;
	struct ws_share *sh;
	uint32_t i;

	if (s->io->share == NULL)
		return;
	for (i = 0; i < BOARD_SLOTS; i++) {
		sh = s->io->share(s->ioarg, "cast", i, sizeof(*sh));
		w->share[i] = sh;
		if (sh == NULL)
			continue;
		/* what was posted before is not for those who come now */
		w->from[i] = atomic_load_explicit(&sh->head,
		    memory_order_relaxed);
	}
}

void
ws_share_post(struct ws *w, uint8_t op, uint32_t n)
{
	struct ws_posted p = { .len = n, .op = op }, old;
	struct ws_share *sh = w->share[w->s->slot];
	uint64_t head, tail, size = entry_size(n);

	if (sh == NULL)
		return;
	head = atomic_load_explicit(&sh->head, memory_order_relaxed);
	tail = atomic_load_explicit(&sh->tail, memory_order_relaxed);
	while (head + size - tail > WS_RING) {
		take(sh, tail, &old, sizeof(old));
		/* a wild write must not send us astray */
		tail = old.len <= WS_CAST_MAX ? tail + entry_size(old.len) :
		    head;
	}
	atomic_store_explicit(&sh->tail, tail, memory_order_relaxed);
	/* release fence: pairs with the reader's acquire fence in import();
	 * who reads what is written below sees the tail above it */
	atomic_thread_fence(memory_order_release);
	put(sh, head, &p, sizeof(p));
	put(sh, head + sizeof(p), w->text, n);
	/* release: pairs with the reader's acquire in ws_share_import() */
	atomic_store_explicit(&sh->head, head + size, memory_order_release);
	w->s->io->wake(w->s->ioarg);
}

/*
 * One message of another slot to w->text. False: it was overwritten, or is
 * none: go to the end.
 */
static bool
import(struct ws *w, const struct ws_share *sh, uint64_t *pos, uint64_t head)
{
	struct ws_posted p;

	if (head - *pos > WS_RING)
		return false;
	take(sh, *pos, &p, sizeof(p));
	if (p.len > WS_CAST_MAX || (p.op != WS_TEXT && p.op != WS_BINARY) ||
	    entry_size(p.len) > head - *pos)
		return false;
	take(sh, *pos + sizeof(p), w->text, p.len);
	/* pairs with the writer's release fence in ws_share_post() */
	atomic_thread_fence(memory_order_acquire);
	if (*pos < atomic_load_explicit(&sh->tail, memory_order_relaxed))
		return false;
	*pos += entry_size(p.len);
	ws_post(w, p.op, p.len);
	return true;
}

bool
ws_share_import(struct ws *w)
{
	struct ws_share *sh;
	uint64_t head;
	uint32_t i, n = 0;

	for (i = 0; i < BOARD_SLOTS; i++) {
		sh = w->share[i];
		if (sh == NULL || i == w->s->slot)
			continue;
		/* acquire: pairs with the writer's release */
		head = atomic_load_explicit(&sh->head, memory_order_acquire);
		while (w->from[i] != head) {
			if (n++ == IMPORTS)
				return true;
			if (!import(w, sh, &w->from[i], head)) {
				w->from[i] = head;
				svc_count(w->s, w->counter + WS_DROPPED, 1);
			}
		}
	}
	return false;
}
