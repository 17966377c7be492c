/*
 * move: the journal's hand in this slot: offer, copy, commit, withdraw. What
 * is copied and how is in move_copy.c.
 */
#include <errno.h>

#include "base.h"
#include "move_priv.h"

#define OFFERS		16u	/* buckets offered at the same time, at most:
				   their connections stand still */
#define FROZEN		2048u	/* none is offered while so many records do */
#define FAILS_MAX	6u	/* doublings of patience */
#define RECORD_BYTES	2048u	/* copying them takes as long as a record */
#define BYTES_MOST	65536u	/* that are taken for unsent data, not a file */

static inline bool
is_conn(const struct net *n, uint32_t id)
{
	return id < n->a->shape.conns;
}

/* ---- the giver ---- */

/*
 * What the receiver will copy of a connection, in records. Ranges of files
 * are not copied, and not told apart here.
 */
static uint32_t
burden(const struct conn *c)
{
	uint32_t bytes = c->sq_len > BYTES_MOST ? BYTES_MOST : c->sq_len;

	return 1 + (bytes + c->rq_len) / RECORD_BYTES;
}

/*
 * Take a record out of the indexes. It stays in its bucket's list, and where
 * it is in a list of work it is passed over.
 */
static uint32_t
freeze(struct net *n, uint32_t id)
{
	struct rec *r = rec_at(n, id);
	struct conn *c;

	r->away = 1;
	wheel_unfile(n, id);
	if (!is_conn(n, id)) {
		lookup_del(n, r->hash, id);
		return 1;
	}
	c = conn_at(n, id);
	if ((c->flags & TF_GONE) == 0)
		lookup_del(n, r->hash, id);
	tcp_depart(n, id);
	if (n->env.depart == NULL)
		return burden(c);
	hands_set(n, id);
	n->env.depart(n->env.arg, c);
	hands_clear(n);
	return burden(c);
}

/* A record is ours to serve: into the indexes, and on with it. */
static uint32_t
thaw(struct net *n, uint32_t id)
{
	struct rec *r = rec_at(n, id);
	struct conn *c;

	r->away = 0;
	r->wslot = WHEEL_NONE;
	if (!is_conn(n, id)) {
		lookup_put(n, r->hash, id);
		wheel_file(n, id);
		return 1;
	}
	c = conn_at(n, id);
	hands_set(n, id);
	if ((c->flags & TF_GONE) == 0)
		lookup_put(n, r->hash, id);
	wheel_file(n, id);
	if (tcp_arrive(n, id) < 0) {
		/* the copy was checked as it was made: a wild write */
		lookup_del(n, r->hash, id);
		wheel_unfile(n, id);
		net_count(n, CNT_conn_torn, 1);
		tcp_drop(n, c);
	} else if (n->env.arrive != NULL) {
		n->env.arrive(n->env.arg, c);
	}
	hands_clear(n);
	return 1;
}

/* All records of a bucket. Returns what that cost, in records. */
static uint32_t
each(struct net *n, uint32_t k, uint32_t (*fn)(struct net *n, uint32_t id))
{
	uint32_t id, next, cnt = 0;

	for (id = n->a->bucket_head[k]; id != ARENA_NONE; id = next) {
		next = rec_at(n, id)->fnext;
		if (next != ARENA_NONE)
			__builtin_prefetch(rec_at(n, next), 1);
		cnt += fn(n, id);
	}
	return cnt;
}

/* Whether a bucket of ours is wanted elsewhere and may be offered now. */
static bool
may_offer(const struct net *n, uint32_t k, uint32_t *to)
{
	const struct net_buckets *b = n->env.buckets;

	*to = atomic_load_explicit(&b->want[k], memory_order_relaxed);
	return *to != b->me && *to < BOARD_SLOTS &&
	    b->peer[*to].arena != NULL && n->mv.offered < OFFERS &&
	    n->mv.nfrozen < FROZEN &&
	    n->now >= n->mv.until[k] && b->takes(b->arg, *to);
}

static uint64_t
patience(const struct net *n, uint32_t k)
{
	return (uint64_t)n->env.buckets->patience_us << n->mv.fails[k];
}

static uint32_t
offer(struct net *n, uint32_t k, uint32_t to)
{
	uint64_t w = move_word(n, k);
	uint32_t cnt = each(n, k, freeze);

	w = BUCKET_WORD(n->env.buckets->me, to, BUCKET_OFFERED,
	    BUCKET_EPOCH(w), BUCKET_ATTEMPT(w) + 1);
	move_set(n, k, w);
	n->mv.until[k] = n->now + patience(n, k);
	move_enter(n, k, MOVE_OFFERED, w);
	n->mv.frozen[k] = cnt;
	n->mv.nfrozen += cnt;
	net_count(n, CNT_move_offered, 1);
	move_nudge(n, to);
	return cnt;
}

static uint32_t
withdraw(struct net *n, uint32_t k, uint64_t w)
{
	move_set(n, k, bucket_withdrawn(w));
	move_enter(n, k, MOVE_OURS, bucket_withdrawn(w));
	net_count(n, CNT_move_withdrawn, 1);
	if (n->mv.fails[k] < FAILS_MAX)
		n->mv.fails[k]++;
	n->mv.until[k] = n->now + patience(n, k);
	move_nudge(n, BUCKET_TO(w));
	return each(n, k, thaw);
}

/* Bucket k goes on at another slot, or here, as the offer w said. */
static void
tell(const struct net_buckets *b, void (*fn)(void *arg, uint32_t bucket,
    uint32_t peer, uint32_t epoch), uint32_t k, uint32_t peer, uint64_t w)
{
	if (fn != NULL)
		fn(b->arg, k, peer, BUCKET_ATTEMPT(w));
}

static uint32_t
follow_offer(struct net *n, uint32_t k)
{
	uint64_t w = n->mv.seen[k];

	switch (move_answer(n, k, w)) {
	case REPLY_COPIED:
		move_set(n, k, bucket_committed(w));
		move_enter(n, k, MOVE_LEFT, bucket_committed(w));
		n->mv.fails[k] = 0;
		net_count(n, CNT_move_committed, 1);
		tell(n->env.buckets, n->env.buckets->gave, k, BUCKET_TO(w), w);
		move_nudge(n, BUCKET_TO(w));
		return 1;
	case REPLY_REFUSED:
		return withdraw(n, k, w);
	default:
		return n->now < n->mv.until[k] ? 0 : withdraw(n, k, w);
	}
}

/* ---- the receiver ---- */

static void
reply(struct net *n, uint32_t k, enum bucket_reply code, uint64_t w)
{
	/* release pairs with the acquire in answer() */
	atomic_store_explicit(&n->env.buckets->reply[k], BUCKET_REPLY(code,
	    BUCKET_ATTEMPT(w)), memory_order_release);
	move_nudge(n, BUCKET_OWNER(w));
}

/* Free records of the bucket, which is not ours, at most max. */
static uint32_t
drop(struct net *n, uint32_t k, uint32_t max)
{
	uint32_t id, cnt = 0;

	while ((id = n->a->bucket_head[k]) != ARENA_NONE && cnt < max) {
		hands_set(n, id);
		if (is_conn(n, id))
			tcp_drop(n, conn_at(n, id));
		else
			tw_drop(n, id);
		hands_clear(n);
		cnt++;
	}
	return cnt;
}

/* A record of the giver's arena, and the one after it; NULL: there is none of
 * this number. */
static const struct rec *
peer_rec(const struct move_peer *p, uint32_t id)
{
	const struct arena *a = p->arena;

	if (id < a->shape.conns)
		return (const void *)((uintptr_t)a + a->off_conns +
		    (size_t)id * a->conn_stride);
	id -= a->shape.conns;
	if (id < a->shape.timewait)
		return (const void *)((uintptr_t)a + a->off_timewait +
		    (size_t)id * sizeof(struct tw));
	return NULL;
}

/* Copy all records of a bucket. The giver may withdraw meanwhile and what is
 * read be of no sense: every step is checked, and the word in the end. */
static int
copy(struct net *n, const struct move_peer *p, uint32_t k, uint64_t w,
    uint32_t *cnt)
{
	uint32_t most = p->arena->shape.conns + p->arena->shape.timewait;
	uint32_t id = p->arena->bucket_head[k];
	const struct move_as as = { k, BUCKET_ATTEMPT(w) & 0xfffffu };
	const struct rec *r;
	int err = 0;

	for (; id != ARENA_NONE && err == 0; id = r->fnext) {
		r = peer_rec(p, id);
		if (r == NULL || (*cnt)++ == most)
			return -EPROTO;
		if (atomic_load_explicit(&r->state, memory_order_relaxed) !=
		    REC_USED || r->bucket != k || r->epoch != BUCKET_EPOCH(w))
			continue;
		if (r->kind == REC_CONN)
			err = move_copy_conn(n, p, (const void *)r, &as);
		else
			err = move_copy_tw(n, (const void *)r, &as);
	}
	return err;
}

static bool
peer_fits(const struct net *n, const struct move_peer *p)
{
	return p->arena != NULL && p->arena->magic == ARENA_MAGIC &&
	    p->arena->layout == n->a->layout &&
	    p->arena->size == n->a->size && p->size >= n->a->size &&
	    memcmp(&p->arena->shape, &n->a->shape, sizeof(n->a->shape)) == 0;
}

static uint32_t
take_offer(struct net *n, uint32_t k, uint64_t w)
{
	const struct move_peer *p = &n->env.buckets->peer[BUCKET_OWNER(w) %
	    BOARD_SLOTS];
	uint32_t cnt = drop(n, k, UINT32_MAX);
	uint64_t bytes = n->mv.copied;
	int err = -EPROTO;

	if (peer_fits(n, p)) {
		move_copy_neighs(n, p);
		err = copy(n, p, k, w, &cnt);
	}
	cnt += (uint32_t)((n->mv.copied - bytes) / RECORD_BYTES);
	/* the copy was read before the word is looked at again: pairs with
	 * the giver's release, when it withdraws and goes on */
	atomic_thread_fence(memory_order_acquire);
	if (move_word(n, k) != w) {
		cnt += drop(n, k, UINT32_MAX);
		move_enter(n, k, MOVE_AWAY, w);
		return cnt;
	}
	if (err < 0) {
		cnt += drop(n, k, UINT32_MAX);
		move_enter(n, k, MOVE_AWAY, w);
		net_count(n, CNT_move_refused, 1);
		reply(n, k, REPLY_REFUSED, w);
		return cnt;
	}
	move_enter(n, k, MOVE_COPIED, w);
	if (n->env.buckets->copied != NULL)
		n->env.buckets->copied(n->env.buckets->arg);
	reply(n, k, REPLY_COPIED, w);
	return cnt;
}

static uint32_t
follow_copy(struct net *n, uint32_t k, uint64_t w)
{
	uint64_t was = n->mv.seen[k];

	if (w == was)
		return 0;
	if (w != bucket_committed(was)) {
		move_enter(n, k, MOVE_AWAY, w);
		return drop(n, k, UINT32_MAX) + 1;
	}
	move_enter(n, k, MOVE_OURS, w);
	n->mv.fails[k] = 0;
	n->mv.until[k] = 0;
	net_count(n, CNT_move_arrived, 1);
	tell(n->env.buckets, n->env.buckets->came, k, BUCKET_OWNER(was), was);
	return each(n, k, thaw) + 1;
}

/* ---- all buckets ---- */

/* What is under way: over here as soon as it is over there. */
static uint32_t
settle(struct net *n, uint32_t k, uint32_t budget)
{
	(void)budget;
	return n->mv.state[k] == MOVE_OFFERED ? follow_offer(n, k) :
	    follow_copy(n, k, move_word(n, k));
}

static uint32_t
take(struct net *n, uint32_t k, uint32_t budget)
{
	uint64_t w = move_word(n, k);

	(void)budget;
	if (move_offered(n, k, w))
		return take_offer(n, k, w) + 1;
	/* committed before we could take the answer back */
	if (BUCKET_OWNER(w) == n->env.buckets->me)
		move_enter(n, k, MOVE_OURS, w);
	return 0;
}

static uint32_t
give(struct net *n, uint32_t k, uint32_t budget)
{
	uint32_t to;

	(void)budget;
	return may_offer(n, k, &to) ? offer(n, k, to) + 1 : 0;
}

static uint32_t
forget(struct net *n, uint32_t k, uint32_t budget)
{
	uint32_t cnt = drop(n, k, budget);

	if (n->a->bucket_head[k] == ARENA_NONE)
		move_enter(n, k, MOVE_AWAY, n->mv.seen[k]);
	return cnt + 1;
}

/*
 * In this order: whose connections stand still comes first, or a bucket that
 * was copied would wait while all others are.
 */
static const struct {
	uint32_t states;	/* bit s: buckets in this state */
	uint32_t (*fn)(struct net *n, uint32_t k, uint32_t budget);
} passes[] = {
	{ 1u << MOVE_OFFERED | 1u << MOVE_COPIED, settle },
	{ 1u << MOVE_AWAY, take },
	{ 1u << MOVE_OURS, give },
	{ 1u << MOVE_LEFT, forget },
};

/* One pass. Returns whether the budget was enough. */
static bool
pass(struct net *n, uint32_t p, uint32_t budget)
{
	struct moves *m = &n->mv;
	uint32_t i, k, first = m->at;

	for (i = 0; i < BOARD_BUCKETS; i++) {
		k = (first + i) % BOARD_BUCKETS;
		if ((passes[p].states >> m->state[k] & 1) == 0)
			continue;
		if (m->used >= budget) {
			m->at = k;
			return false;
		}
		m->used += passes[p].fn(n, k, budget - m->used);
	}
	return true;
}

uint32_t
net_move(struct net *n, uint64_t now_us, uint32_t budget)
{
	uint32_t p;

	if (n->env.buckets == NULL)
		return 0;
	net_time(n, now_us);
	n->mv.used = 0;
	for (p = 0; p < sizeof(passes) / sizeof(passes[0]); p++)
		if (!pass(n, p, budget))
			break;
	/* what the budget kept from being looked at counts as on the move */
	return n->mv.open + (n->mv.used >= budget);
}

bool
net_move_busy(const struct net *n)
{
	return n->mv.used > 0;
}

const uint8_t *
net_move_states(const struct net *n)
{
	return n->mv.state;
}

enum move_state
net_move_state(const struct net *n, uint32_t bucket)
{
	return (enum move_state)n->mv.state[bucket % BOARD_BUCKETS];
}
