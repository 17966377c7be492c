/*
 * tcp_sack: what the peer says it holds, RFC 2018 and RFC 2883.
 */
#include <string.h>

#include "tcp_priv.h"

/* RFC 2883 §4: the first block reports a duplicate if it lies below the ACK or
 * inside the second block. */
static bool
is_dsack(const struct tcp_seg_in *s)
{
	const struct range *a = &s->sack[0], *b = &s->sack[1];

	if (!seq_lt(a->start, a->end))
		return false;
	if (seq_leq(a->end, s->ack))
		return true;
	return s->nsack > 1 && seq_lt(b->start, b->end) &&
	    seq_leq(b->start, a->start) && seq_leq(a->end, b->end);
}

/* A duplicate was reported: one of those sent again was not lost. */
static void
take_dsack(const struct conn *c, struct tcp_ext *x, const struct range *d,
    struct tcp_acked *r)
{
	r->dsack = true;
	if (x == NULL)
		return;
	/* RFC 8985 §6.2 step 4: once per round trip the reordering window
	 * grows, for the next 16 recoveries */
	if (seq_leq(x->dsack_round, c->snd_una)) {
		x->dsack_round = c->snd_nxt;
		if (x->reo_mult < UINT8_MAX)
			x->reo_mult++;
		x->reo_persist = 16;
	}
	/* what was sent again after the recovery is none of it */
	if (x->undo_retrans > 0 && !seq_lt(d->start, x->undo_una) &&
	    (x->phase != TP_OPEN ||
	    seq_leq(d->end, x->undo_una + x->recover_fs)))
		x->undo_retrans--;
}

/* Sort the blocks by sequence and keep those that make sense: inside of what
 * is in flight above the ACK. Returns how many. */
static uint32_t
useful(const struct conn *c, const struct tcp_seg_in *s, uint32_t from,
    struct range *out)
{
	uint32_t i, j, k = 0;
	struct range b;

	for (i = from; i < s->nsack; i++) {
		b = s->sack[i];
		if (!seq_lt(b.start, b.end) || seq_lt(b.start, s->ack) ||
		    seq_leq(b.start, c->snd_una) || seq_lt(c->snd_nxt, b.end))
			continue;
		for (j = k; j > 0 && seq_lt(b.start, out[j - 1].start); j--)
			out[j] = out[j - 1];
		out[j] = b;
		k++;
	}
	return k;
}

/* The segment under the cursor arrived. */
static void
mark(struct net *n, struct conn *c, struct tcp_ext *x, struct seg_it *it,
    struct tcp_acked *r)
{
	uint32_t len = it->s->end - it->start;

	if ((it->s->flags & SEG_SACKED) != 0)
		return;
	tcp_delivered(n, c, it, r);
	if ((it->s->flags & SEG_LOST) != 0)
		x->lost -= len;
	it->s->flags = (uint8_t)((it->s->flags & ~SEG_LOST) | SEG_SACKED);
	x->sacked += len;
	r->delivered += len;
	r->sacked = true;
}

/*
 * Apply one block to the segment under the cursor. A segment that it covers in
 * part is cut, at multiples of the MSS from its begin, so that a peer that
 * reports single bytes cannot shred the table.
 */
static void
apply(struct net *n, struct conn *c, struct tcp_ext *x, struct seg_it *it,
    const struct range *b, struct tcp_acked *r)
{
	uint32_t off;

	if ((it->s->flags & SEG_SACKED) != 0)
		return;
	if (seq_lt(it->start, b->start)) {
		off = b->start - it->start + c->mss - 1;
		off -= off % c->mss;
		if (off >= it->s->end - it->start ||
		    seq_lt(b->end, it->start + off) ||
		    !seg_split(n, c, it, it->start + off))
			return;
		seg_next(n, c, it);
	}
	if (seq_lt(b->end, it->s->end)) {
		off = b->end - it->start;
		off -= off % c->mss;
		if (off == 0 || !seg_split(n, c, it, it->start + off))
			return;
	}
	mark(n, c, x, it, r);
}

void
tcp_sack_in(struct net *n, struct conn *c, const struct tcp_seg_in *s,
    struct tcp_acked *r)
{
	struct tcp_ext *x = tcp_ext(n, c);
	struct range b[TCP_SACKS];
	uint32_t k, i = 0, from = 0;
	struct seg_it it;

	if (is_dsack(s)) {
		take_dsack(c, x, &s->sack[0], r);
		from = 1;
	}
	if (x == NULL || x->nseg == 0)
		return;
	k = useful(c, s, from, b);
	if (k == 0)
		return;
	for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it)) {
		while (i < k && seq_leq(b[i].end, it.start))
			i++;
		if (i == k)
			break;
		if (seq_lt(b[i].start, it.s->end))
			apply(n, c, x, &it, &b[i], r);
	}
}
