/*
 * Chunks: two free lists, and limbo for chunks that a frame still refers to.
 * List heads are the process's; the links in free chunks are an index.
 */
#include "net_priv.h"

uint32_t
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
static void
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
