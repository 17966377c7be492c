/*
 * tcp_seg: the table of segments in flight, RFC 8985 §5.2.
 *
 * Entries lie in order of sequence without gaps: an entry begins where the one
 * before it ends, the first at snd_una. They fill blocks: first own[] in the
 * extension, then chunks, linked by chunk.next. Entries leave in front and
 * come at the end; one is cut in two when only a part of it was reported or
 * is sent again.
 */
#include <string.h>

#include "tcp_priv.h"

#define SEGS_FINE	512u	/* entries of whatever size */

static struct tcp_seg *
segs(struct chunk *k)
{
	return (struct tcp_seg *)(void *)k->data;
}

static uint32_t
capacity(const struct net *n, uint32_t chunk)
{
	return chunk_room(n, chunk) / (uint32_t)sizeof(struct tcp_seg);
}

struct tcp_ext *
tcp_ext_get(struct net *n, struct conn *c)
{
	struct tcp_ext *x = tcp_ext(n, c);
	uint32_t k;

	if (x != NULL)
		return x;
	k = chunk_get(n, false);
	if (k == ARENA_NONE)
		return NULL;
	if (k >= n->a->shape.small) {
		chunk_put(n, k);
		return NULL;
	}
	chunk_at(n, k)->kind = CHUNK_SEGS;
	c->ext = k;
	x = tcp_ext(n, c);
	memset(x, 0, sizeof(*x));
	x->seg_head = x->seg_tail = ARENA_NONE;
	x->ssthresh = UINT32_MAX;
	x->min_rtt = UINT32_MAX;
	x->hs_last = x->hs_min = UINT32_MAX;
	x->hs_end = c->snd_una;
	x->max_end = c->snd_nxt;
	x->max_out = tcp_flight(c);
	x->reo_mult = 1;
	x->cc = n->conf.conn_opts && tcp_opts(n, c)->cc != 0 ?
	    tcp_opts(n, c)->cc - 1 : n->conf.cc;
	x->fack = x->recover = x->dsack_round = c->snd_una;
	if (tcp_flight(c) != 0) {
		x->own[0].end = c->snd_nxt;
		x->own[0].time = c->snd_time;
		/* a short one was the end of what was written then */
		if ((c->flags & TF_SMALL) != 0)
			x->own[0].flags |= SEG_PUSH;
		if ((c->flags & TF_RETX) != 0)
			x->own[0].flags |= SEG_RETX;
		if ((c->flags & TF_LOST) != 0) {
			x->own[0].flags |= SEG_LOST;
			x->lost = tcp_flight(c);
		}
		x->nown = 1;
		x->nseg = 1;
	}
	c->flags &= ~(TF_RETX | TF_LOST);
	return x;
}

/* Free the blocks behind own[]. */
static void
free_blocks(struct net *n, struct tcp_ext *x)
{
	uint32_t k, next;

	for (k = x->seg_head; k != ARENA_NONE; k = next) {
		next = chunk_at(n, k)->next;
		chunk_put(n, k);
	}
	x->seg_head = x->seg_tail = ARENA_NONE;
}

void
tcp_ext_free(struct net *n, struct conn *c)
{
	struct tcp_ext *x = tcp_ext(n, c);

	if (x == NULL)
		return;
	free_blocks(n, x);
	chunk_put(n, c->ext);
	c->ext = ARENA_NONE;
}

void
tcp_ext_idle(struct net *n, struct conn *c)
{
	struct tcp_ext *x = tcp_ext(n, c);

	if (x != NULL && x->nseg == 0 && x->ssthresh == UINT32_MAX &&
	    x->phase == TP_OPEN && (c->flags & TF_TLP) == 0 &&
	    tcp_unsent(c) == 0 && x->reordering == 0 && x->reo_mult == 1)
		tcp_ext_free(n, c);
}

/* The place for one entry more at the end, or NULL: no chunk. */
static struct tcp_seg *
tail_slot(struct net *n, struct tcp_ext *x)
{
	struct chunk *k;
	uint32_t id;

	if (x->seg_tail == ARENA_NONE) {
		if (x->nown == 0)
			x->first = 0;
		if (x->first + x->nown < TCP_EXT_SEGS)
			return &x->own[x->first + x->nown++];
	} else {
		k = chunk_at(n, x->seg_tail);
		if (k->start + k->len < capacity(n, x->seg_tail))
			return &segs(k)[k->start + k->len++];
	}
	/* a flight of any length takes large ones from the second on */
	id = chunk_get(n, x->seg_tail != ARENA_NONE);
	if (id == ARENA_NONE)
		return NULL;
	k = chunk_at(n, id);
	k->kind = CHUNK_SEGS;
	k->len = 1;
	if (x->seg_tail == ARENA_NONE)
		x->seg_head = id;
	else
		chunk_at(n, x->seg_tail)->next = id;
	x->seg_tail = id;
	return segs(k);
}

/* The last entry; there is one. */
static struct tcp_seg *
last_seg(const struct net *n, struct tcp_ext *x)
{
	struct chunk *k;

	if (x->seg_tail == ARENA_NONE)
		return &x->own[x->first + x->nown - 1];
	k = chunk_at(n, x->seg_tail);
	return &segs(k)[k->start + k->len - 1];
}

/*
 * Is there no place for one more? Each report of the peer's costs as much as
 * there are entries, so a peer that asked for tiny segments, to have very many
 * of them, has one more for each KiB in flight from some number on.
 */
static bool
full(const struct conn *c, const struct tcp_ext *x)
{
	return x->nseg >= TCP_SEGS_MAX ||
	    x->nseg >= SEGS_FINE + (tcp_flight(c) >> 10);
}

/*
 * No memory for an entry: the last one grows. If it was reported, that is
 * forgotten: what it grows by was not, and an entry is reported as a whole or
 * not at all.
 */
static void
grow(struct net *n, struct conn *c, struct tcp_ext *x, uint32_t end)
{
	struct tcp_seg *s = last_seg(n, x);
	struct seg_it it;

	if ((s->flags & SEG_LOST) != 0)
		x->lost += end - s->end;
	if ((s->flags & SEG_SACKED) != 0) {
		for (seg_first(n, c, &it); it.s != s; seg_next(n, c, &it))
			continue;
		x->sacked -= s->end - it.start;
		s->flags &= (uint8_t)~SEG_SACKED;
	}
	s->end = end;
	/* none of it counts as late before the last of it is */
	s->time = (uint32_t)n->now;
}

void
tcp_seg_add(struct net *n, struct conn *c, uint32_t end)
{
	struct tcp_ext *x = tcp_ext(n, c);
	struct tcp_seg *s = NULL;

	if (x == NULL && tcp_flight(c) != 0)
		x = tcp_ext_get(n, c);
	c->snd_time = (uint32_t)n->now;
	/* alone, or no memory: the record itself describes all in flight */
	if (x == NULL)
		return;
	if (!full(c, x))
		s = tail_slot(n, x);
	if (s == NULL) {
		grow(n, c, x, end);
		return;
	}
	s->end = end;
	s->time = (uint32_t)n->now;
	s->flags = end - c->snd_una >= c->sq_len ? SEG_PUSH : 0;
	x->nseg++;
}

void
seg_first(const struct net *n, const struct conn *c, struct seg_it *it)
{
	struct tcp_ext *x = tcp_ext(n, c);

	it->s = NULL;
	it->start = c->snd_una;
	if (x == NULL || x->nseg == 0)
		return;
	it->chunk = ARENA_NONE;
	if (x->nown != 0) {
		it->s = &x->own[x->first];
		it->left = x->nown - 1u;
		return;
	}
	it->chunk = x->seg_head;
	it->s = &segs(chunk_at(n, it->chunk))[chunk_at(n, it->chunk)->start];
	it->left = (uint32_t)chunk_at(n, it->chunk)->len - 1;
}

void
seg_next(const struct net *n, const struct conn *c, struct seg_it *it)
{
	uint32_t next;

	it->start = it->s->end;
	if (it->left != 0) {
		it->left--;
		it->s++;
		return;
	}
	next = it->chunk == ARENA_NONE ? tcp_ext(n, c)->seg_head :
	    chunk_at(n, it->chunk)->next;
	it->s = NULL;
	if (next == ARENA_NONE)
		return;
	it->chunk = next;
	it->s = &segs(chunk_at(n, next))[chunk_at(n, next)->start];
	it->left = (uint32_t)chunk_at(n, next)->len - 1;
}

/* Room for one entry behind the cursor's in its block: shift what follows.
 * False: the block is full. */
static bool
shift(const struct net *n, struct tcp_ext *x, struct seg_it *it)
{
	struct chunk *k;

	if (it->chunk == ARENA_NONE) {
		if (x->first + x->nown >= TCP_EXT_SEGS) {
			if (x->first == 0)
				return false;
			memmove(&x->own[0], &x->own[x->first],
			    x->nown * sizeof(x->own[0]));
			it->s -= x->first;
			x->first = 0;
		}
		x->nown++;
	} else {
		k = chunk_at(n, it->chunk);
		if (k->start + k->len >= capacity(n, it->chunk)) {
			if (k->start == 0)
				return false;
			memmove(segs(k), &segs(k)[k->start],
			    k->len * sizeof(struct tcp_seg));
			it->s -= k->start;
			k->start = 0;
		}
		k->len++;
	}
	memmove(it->s + 2, it->s + 1, it->left * sizeof(*it->s));
	it->left++;
	return true;
}

/* A new block behind the cursor's with cnt entries. False: no chunk. */
static bool
new_block(struct net *n, struct tcp_ext *x, const struct seg_it *it,
    const struct tcp_seg *from, uint32_t cnt)
{
	uint32_t id = chunk_get(n, cnt > 8), *link;
	struct chunk *k;

	if (id == ARENA_NONE)
		return false;
	if (cnt > capacity(n, id)) {
		chunk_put(n, id);
		return false;
	}
	k = chunk_at(n, id);
	k->kind = CHUNK_SEGS;
	k->len = cnt;
	memcpy(segs(k), from, cnt * sizeof(*from));
	link = it->chunk == ARENA_NONE ? &x->seg_head :
	    &chunk_at(n, it->chunk)->next;
	k->next = *link;
	*link = id;
	if (k->next == ARENA_NONE)
		x->seg_tail = id;
	return true;
}

/* The block is full: what follows the cursor moves to a new one. */
static bool
spill(struct net *n, struct tcp_ext *x, struct seg_it *it)
{
	if (!new_block(n, x, it, it->s + 1, it->left))
		return false;
	if (it->chunk == ARENA_NONE)
		x->nown = (uint16_t)(x->nown - it->left);
	else
		chunk_at(n, it->chunk)->len -= it->left;
	it->left = 0;
	return true;
}

bool
seg_split(struct net *n, struct conn *c, struct seg_it *it, uint32_t seq)
{
	struct tcp_ext *x = tcp_ext(n, c);
	struct tcp_seg second = *it->s;

	assert(seq_lt(it->start, seq));
	assert(seq_lt(seq, second.end));
	if (full(c, x))
		return false;
	if (shift(n, x, it) ||
	    (it->left != 0 && spill(n, x, it) && shift(n, x, it)))
		it->s[1] = second;
	else if (it->left != 0 || !new_block(n, x, it, &second, 1))
		return false;
	it->s->end = seq;
	it->s->flags &= (uint8_t)~SEG_PUSH;
	x->nseg++;
	return true;
}

/* Remove the first entry. */
static void
pop(struct net *n, struct tcp_ext *x)
{
	struct chunk *k;
	uint32_t id;

	x->nseg--;
	if (x->nown != 0) {
		x->first++;
		x->nown--;
		return;
	}
	id = x->seg_head;
	k = chunk_at(n, id);
	k->start++;
	if (--k->len != 0)
		return;
	x->seg_head = k->next;
	if (x->seg_head == ARENA_NONE)
		x->seg_tail = ARENA_NONE;
	chunk_put(n, id);
}

/*
 * A part of an entry was acknowledged. If it was sent again while there was no
 * memory to cut it, only that part was sent (see resend_lost()): go on behind
 * it, or each timeout would bring one segment.
 */
static void
rest_lost(const struct net *n, struct conn *c, struct tcp_ext *x,
    struct seg_it *it)
{
	if (it->s->flags == SEG_RETX && n->nsmall_free == 0)
		tcp_mark_lost(c, x, it);
}

/*
 * Without SACK x->sacked counts duplicate ACKs, not entries; those were
 * delivered then. Of what a partial ACK covers, the first segment is the one
 * that was sent again and the others are among them; the rest of them has left
 * the network all the same (RFC 6582 §3.2 step 3).
 */
static void
reno_acked(const struct conn *c, struct tcp_ext *x, uint32_t ack,
    struct tcp_acked *r)
{
	uint32_t known = x->sacked;

	if (x->phase == TP_RECOVERY && seq_lt(ack, x->recover))
		known = min_u32(known, r->acked - min_u32(r->acked, c->mss));
	r->delivered -= min_u32(r->delivered, known);
	x->sacked = min_u32(x->sacked - known, c->snd_nxt - ack - x->lost);
}

void
seg_acked(struct net *n, struct conn *c, uint32_t ack, struct tcp_acked *r)
{
	struct tcp_ext *x = tcp_ext(n, c);
	struct seg_it it;
	uint32_t start = c->snd_una, len;

	r->acked = ack - start;
	for (seg_first(n, c, &it); it.s != NULL; seg_first(n, c, &it)) {
		it.start = start;
		if (!seq_lt(start, ack))
			break;
		len = (seq_lt(ack, it.s->end) ? ack : it.s->end) - start;
		if ((it.s->flags & SEG_SACKED) != 0)
			x->sacked -= len;
		else
			r->delivered += len;
		if ((it.s->flags & SEG_LOST) != 0)
			x->lost -= len;
		if (seq_lt(ack, it.s->end)) {
			it.start = ack;
			rest_lost(n, c, x, &it);
			break;
		}
		if ((it.s->flags & SEG_SACKED) == 0)
			tcp_delivered(n, c, &it, r);
		start = it.s->end;
		pop(n, x);
	}
	if ((c->flags & TF_SACK) == 0)
		reno_acked(c, x, ack, r);
	/* times are compared modulo 2^32 µs, so none may get old */
	if (x->nseg == 0)
		x->rack_rtt = 0;
}
