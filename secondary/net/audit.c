/*
 * Where everything is: what records hold is counted from the records, what is
 * free from the free lists, so that the two can disagree.
 */
#include "base.h"

struct count {
	uint32_t chunks, frames;
};

static void
one_chunk(void *arg, uint32_t c)
{
	struct count *k = arg;

	k->chunks++;
}

static void
one_frame(void *arg, uint32_t ref)
{
	struct count *k = arg;

	k->frames++;
}

/* Length of a list of chunks; one that is a ring ends at most. */
static uint32_t
list(const struct net *n, uint32_t c, uint32_t most)
{
	uint32_t i;

	for (i = 0; c != ARENA_NONE && i < most; i++)
		c = chunk_at(n, c)->next;
	return i;
}

static uint32_t
free_list(const struct net *n, uint32_t id, uint32_t most)
{
	uint32_t i;

	for (i = 0; id != ARENA_NONE && i < most; i++)
		id = rec_at(n, id)->fnext;
	return i;
}

void
net_audit(struct net *n, struct net_audit *a)
{
	const struct arena_shape *s = &n->a->shape;
	struct count k = { 0, 0 };
	uint32_t i, used, unused;

	memset(a, 0, sizeof(*a));
	for (i = 0; i < s->conns; i++) {
		if (conn_at(n, i)->rec.state != REC_USED)
			continue;
		a->records.held++;
		(void)tcp_walk(n, i, one_frame, one_chunk, &k);
	}
	for (i = 0; i < s->timewait; i++)
		a->records.held += n->tws[i].rec.state == REC_USED;
	obj_chunks(n, one_chunk, &k);
	obj_audit(n, &used, &unused);
	a->records.total = s->conns + s->timewait + s->objs;
	a->records.held += used;
	a->records.free = unused + free_list(n, n->conn_free, s->conns) +
	    free_list(n, n->tw_free, s->timewait);
	a->chunks.total = s->small + s->chunks;
	a->chunks.free = list(n, n->small_free, s->small) +
	    list(n, n->chunk_free, s->chunks);
	/* in limbo: a frame on its way may still refer to it */
	a->chunks.held = k.chunks + list(n, n->limbo_head, a->chunks.total);
	a->frames = k.frames;
	a->waiting = n->out.n + n->nheld + n->frag_frames + n->udp_frames;
}
