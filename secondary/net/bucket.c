/*
 * bucket: which records are of a bucket, what its word means to us, and both
 * after a crash.
 */
#include "move_priv.h"

void
move_nudge(struct net *n, uint32_t slot)
{
	const struct net_buckets *b = n->env.buckets;

	if (b->nudge != NULL)
		b->nudge(b->arg, slot);
}

void
move_enter(struct net *n, uint32_t k, enum move_state s, uint64_t word)
{
	struct moves *m = &n->mv;
	bool was = m->state[k] > MOVE_OURS;

	/* its last owner may have sent a cookie just now */
	if (s == MOVE_OURS)
		n->cookie_us = n->now | 1;
	if (m->state[k] == MOVE_OFFERED) {
		m->offered--;
		m->nfrozen -= m->frozen[k];
	}
	m->state[k] = (uint8_t)s;
	m->seen[k] = word;
	m->offered += s == MOVE_OFFERED;
	m->open += (s > MOVE_OURS) - (uint32_t)was;
}

enum bucket_reply
move_answer(const struct net *n, uint32_t k, uint64_t w)
{
	const struct move_peer *p = &n->env.buckets->peer[BUCKET_TO(w) %
	    BOARD_SLOTS];
	uint32_t r;

	if (p->reply == NULL)
		return REPLY_NONE;
	/* acquire pairs with the release in reply(): the copy is whole */
	r = atomic_load_explicit(&p->reply[k], memory_order_acquire);
	if (r == BUCKET_REPLY(REPLY_COPIED, BUCKET_ATTEMPT(w)))
		return REPLY_COPIED;
	if (r == BUCKET_REPLY(REPLY_REFUSED, BUCKET_ATTEMPT(w)))
		return REPLY_REFUSED;
	return REPLY_NONE;
}

bool
move_offered(const struct net *n, uint32_t k, uint64_t w)
{
	uint32_t r;

	if (BUCKET_PHASE(w) != BUCKET_OFFERED ||
	    BUCKET_TO(w) != n->env.buckets->me ||
	    BUCKET_OWNER(w) == n->env.buckets->me)
		return false;
	r = atomic_load_explicit(&n->env.buckets->reply[k],
	    memory_order_relaxed);
	return r != BUCKET_REPLY(REPLY_REFUSED, BUCKET_ATTEMPT(w));
}

/* ---- lists of buckets ---- */

void
bucket_link(struct net *n, uint32_t id)
{
	struct rec *r;
	uint32_t *head;

	if (n->env.buckets == NULL)
		return;
	r = rec_at(n, id);
	head = &n->a->bucket_head[r->bucket % BOARD_BUCKETS];
	r->fnext = *head;
	r->bprev = ARENA_NONE;
	if (*head != ARENA_NONE)
		rec_at(n, *head)->bprev = id;
	*head = id;
}

void
bucket_unlink(struct net *n, uint32_t id)
{
	struct rec *r;

	if (n->env.buckets == NULL)
		return;
	r = rec_at(n, id);
	if (r->bprev != ARENA_NONE)
		rec_at(n, r->bprev)->fnext = r->fnext;
	else
		n->a->bucket_head[r->bucket % BOARD_BUCKETS] = r->fnext;
	if (r->fnext != ARENA_NONE)
		rec_at(n, r->fnext)->bprev = r->bprev;
}

/* ---- adoption ---- */

/* What a word is to us now. */
static enum move_state
state_by(const struct net *n, uint32_t k, uint64_t w)
{
	uint32_t r = atomic_load_explicit(&n->env.buckets->reply[k],
	    memory_order_relaxed);

	if (BUCKET_OWNER(w) == n->env.buckets->me)
		return MOVE_OURS;
	return move_offered(n, k, w) && r == BUCKET_REPLY(REPLY_COPIED,
	    BUCKET_ATTEMPT(w)) ? MOVE_COPIED : MOVE_AWAY;
}

void
move_adopt(struct net *n, bool empty)
{
	const struct net_buckets *b = n->env.buckets;
	uint32_t k;
	uint64_t w;

	_Static_assert(ARENA_BUCKETS == BOARD_BUCKETS, "one list for each");
	if (b == NULL)
		return;
	for (k = 0; k < BOARD_BUCKETS; k++) {
		/* a copy that we answered for is not here */
		if (empty)
			atomic_store_explicit(&b->reply[k], 0,
			    memory_order_release);
		w = move_word(n, k);
		if (BUCKET_OWNER(w) == b->me &&
		    BUCKET_PHASE(w) == BUCKET_OFFERED) {
			w = move_answer(n, k, w) == REPLY_COPIED ?
			    bucket_committed(w) : bucket_withdrawn(w);
			move_set(n, k, w);
			move_nudge(n, BUCKET_TO(w));
		}
		move_enter(n, k, state_by(n, k, w), w);
	}
	/* only now: a receiver whose offer stands walks these lists */
	memset(n->a->bucket_head, 0xff, sizeof(n->a->bucket_head));
}

enum move_fate
move_fate(const struct net *n, const struct rec *r)
{
	uint32_t k = r->bucket % BOARD_BUCKETS;
	uint64_t w = n->mv.seen[k];

	if (n->env.buckets == NULL)
		return FATE_LIVE;
	if (n->mv.state[k] == MOVE_OURS && r->epoch == BUCKET_EPOCH(w))
		return FATE_LIVE;
	if (n->mv.state[k] == MOVE_COPIED && r->epoch == BUCKET_ATTEMPT(w))
		return FATE_PENDING;
	return FATE_LEFT;
}
