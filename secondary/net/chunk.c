/*
 * Chunks: two free lists, and limbo for chunks that a frame still refers to.
 * List heads are the process's; the links in free chunks are an index.
 */
#include "net_priv.h"

void
chunk_put(struct net *n, uint32_t c)
{
	struct chunk *k = chunk_at(n, c);

	/* Out are the marks in (tx_done, tx_mark]. An old chunk's mark may be
	 * more than 2^31 frames behind: a signed difference takes it for one
	 * to come, and it would block limbo for hours. */
	if (k->used == 0 ||
	    n->tx_mark - k->mark >= n->tx_mark - n->tx_done) {
		chunk_free(n, c);
		return;
	}
	k->next = ARENA_NONE;
	if (n->limbo_tail == ARENA_NONE)
		n->limbo_head = c;
	else
		chunk_at(n, n->limbo_tail)->next = c;
	n->limbo_tail = c;
}

void
net_tx_done(struct net *n, uint32_t mark)
{
	uint32_t c;

	if ((int32_t)(mark - n->tx_done) <= 0)
		return;
	n->tx_done = mark;
	while ((c = n->limbo_head) != ARENA_NONE) {
		struct chunk *k = chunk_at(n, c);

		if ((int32_t)(k->mark - mark) > 0)
			return;
		n->limbo_head = k->next;
		chunk_free(n, c);
	}
	n->limbo_tail = ARENA_NONE;
}

uint32_t
net_tx_mark(const struct net *n)
{
	return n->tx_mark;
}

/* ---- on purpose ---- */

void
net_split(struct net *n, bool on)
{
	n->split = on;
}

/* Put list `kept` behind the one that came up meanwhile. */
static void
show(struct net *n, uint32_t *head, uint32_t kept)
{
	uint32_t *link = head;

	while (*link != ARENA_NONE)
		link = &chunk_at(n, *link)->next;
	*link = kept;
}

void
net_starve(struct net *n, bool on)
{
	if (on) {
		n->kept_small = n->small_free;
		n->kept_chunk = n->chunk_free;
		n->small_free = n->chunk_free = ARENA_NONE;
		return;
	}
	show(n, &n->small_free, n->kept_small);
	show(n, &n->chunk_free, n->kept_chunk);
}
