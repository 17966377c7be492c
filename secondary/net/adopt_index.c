/*
 * adopt_index: the indexes of an arena that a dead process left, made from its
 * records.
 *
 * With a million records the time goes into waiting for memory, so there is
 * one pass over them: who holds neither chunk nor frame, as most that are
 * idle, goes on at once. What the others hold may be contested by a record that
 * comes later: they are listed, and go on when all have been seen.
 */
#include "base.h"

#define AHEAD	24u		/* records that are asked for beforehand */
#define NEAR	8u		/* and what they lead to */

static bool
is_among(const uint32_t *v, uint32_t n, uint32_t what)
{
	while (n > 0)
		if (v[--n] == what)
			return true;
	return false;
}

static void
claim_chunk(void *arg, uint32_t c)
{
	struct adoption *cl = arg;
	struct chunk *k = chunk_at(cl->n, c);

	if (chunk_claimed(k, cl->stamp) && cl->nchunk < ADOPT_CONTESTED)
		cl->chunk[cl->nchunk++] = c;
	chunk_claim(k, cl->stamp);
}

static void
claim_frame(void *arg, uint32_t ref)
{
	struct adoption *cl = arg;
	const struct net_env *env = &cl->n->env;

	if (env->claim != NULL && !env->claim(env->arg, ref) &&
	    cl->nframe < ADOPT_CONTESTED)
		cl->frame[cl->nframe++] = ref;
}

static void
find_chunk(void *arg, uint32_t c)
{
	struct adoption *cl = arg;

	cl->found |= is_among(cl->chunk, cl->nchunk, c);
}

static void
find_frame(void *arg, uint32_t ref)
{
	struct adoption *cl = arg;

	cl->found |= is_among(cl->frame, cl->nframe, ref);
}

static void
release_chunk(void *arg, uint32_t c)
{
	struct adoption *cl = arg;

	chunk_unclaim(chunk_at(cl->n, c));
}

static void
release_frame(void *arg, uint32_t ref)
{
	struct adoption *cl = arg;

	if (cl->n->env.disclaim != NULL)
		cl->n->env.disclaim(cl->n->env.arg, ref);
}

/* Check what connection id says of itself and claim its chunks. */
static bool
claim_conn(struct net *n, uint32_t id, struct adoption *cl)
{
	struct conn *c = conn_at(n, id);
	bool gone = (c->flags & TF_GONE) != 0;

	/* one that is over and waits for CONN_GONE is closed and in no index:
	 * its flow may have a new connection already */
	if ((c->state == TCP_CLOSED) != gone || c->state >= TCP_TIME_WAIT ||
	    c->t.port >= n->conf.nports ||
	    c->rec.hash != tuple_hash(n, &c->t) ||
	    (!gone && lookup_find(n, c->rec.hash, &c->t) != ARENA_NONE))
		return false;
	return tcp_sound(n, id) &&
	    tcp_walk(n, id, claim_frame, claim_chunk, cl) == 0;
}

/* Ask early for a record: what is free is only linked, all of the others is
 * looked at. */
static inline void
ask(const struct net *n, uint32_t i)
{
	const uint8_t *c = (const uint8_t *)conn_at(n, i);

	__builtin_prefetch(c, 1);
	__builtin_prefetch(c + offsetof(struct conn, ready_next), 1);
}

/* Then for what is written to besides: its home in the lookup index and the
 * record that leads its list in the wheel. */
static inline void
ask_beside(const struct net *n, const struct rec *r)
{
	uint32_t head;

	__builtin_prefetch(&n->hash[r->hash & n->a->hash_mask], 1);
	head = wheel_peek(n, r->deadline);
	if (head != ARENA_NONE)
		__builtin_prefetch(rec_at(n, head), 1);
}

static inline void
ask_rest(const struct net *n, uint32_t i)
{
	const struct conn *c = conn_at(n, i);

	if (c->rec.state != REC_USED)
		return;
	__builtin_prefetch((const uint8_t *)c + 64, 1);
	__builtin_prefetch((const uint8_t *)c + 128, 1);
	ask_beside(n, &c->rec);
}

/* Whether a record stays. One of a copy that its owner may still commit does,
 * in no index; leftovers of moves are freed, nobody hears of it. */
static bool
keep(struct net *n, struct rec *r)
{
	r->away = 0;
	if (r->state != REC_USED)
		return false;
	switch (move_fate(n, r)) {
	case FATE_LIVE:
		return true;
	case FATE_PENDING:
		r->away = 1;
		return true;
	case FATE_LEFT:
		break;
	}
	rec_unuse(r);
	return false;
}

static void
index_timewait(struct net *n)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i;

	for (i = 0; i < s->timewait; i++) {
		struct tw *w = &n->tws[i];

		if (i + AHEAD < s->timewait)
			__builtin_prefetch(&n->tws[i + AHEAD], 1);
		if (i + NEAR < s->timewait)
			ask_beside(n, &n->tws[i + NEAR].rec);
		w->rec.wslot = WHEEL_NONE;
		if (!keep(n, &w->rec))
			continue;
		if (w->t.port >= n->conf.nports ||
		    w->rec.hash != tuple_hash(n, &w->t) ||
		    lookup_find(n, w->rec.hash, &w->t) != ARENA_NONE) {
			rec_unuse(&w->rec);
			continue;
		}
		bucket_link(n, s->conns + i);
		if (w->rec.away)
			continue;
		lookup_put(n, w->rec.hash, s->conns + i);
		wheel_file(n, s->conns + i);
	}
}

/* Whether it has chunks or frames, or waits for some. */
static bool
holds(const struct conn *c)
{
	return c->sq_head != ARENA_NONE || c->ext != ARENA_NONE ||
	    c->rq_head != PKT_NONE || c->ofo != PKT_NONE ||
	    (c->flags & TF_WANT) != 0;
}

/* A connection that stays: into the indexes. */
static void
index_conn(struct net *n, uint32_t i, struct adoption *cl)
{
	struct conn *c = conn_at(n, i);

	n->nconns++;
	bucket_link(n, i);
	if (!c->rec.away) {
		if ((c->flags & TF_GONE) == 0)
			lookup_put(n, c->rec.hash, i);
		wheel_file(n, i);
	}
	if (holds(c)) {
		c->ready_next = cl->held;
		cl->held = i;
	} else if (!c->rec.away) {
		tcp_adopt(n, i);
		cl->adopted++;
	}
}

/* The free ones are linked, lowest number first. */
static void
index_conns(struct net *n, struct adoption *cl)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i, *last = &n->conn_free;

	for (i = 0; i < s->conns; i++) {
		struct conn *c = conn_at(n, i);

		if (i + AHEAD < s->conns)
			ask(n, i + AHEAD);
		if (i + NEAR < s->conns)
			ask_rest(n, i + NEAR);
		c->rec.kind = REC_CONN;
		c->rec.wslot = WHEEL_NONE;
		c->ready_next = c->out_next = LINK_OFF;
		if (keep(n, &c->rec)) {
			if (claim_conn(n, i, cl)) {
				index_conn(n, i, cl);
				continue;
			}
			rec_unuse(&c->rec);
			net_count(n, CNT_conn_torn, 1);
		}
		*last = i;
		last = &c->rec.fnext;
	}
	*last = ARENA_NONE;
}

/* Free a connection that cannot be believed, and what it holds; adopt_held()
 * puts it on the free list. */
static void
disown(struct net *n, uint32_t id, struct adoption *cl)
{
	struct rec *r = rec_at(n, id);

	(void)tcp_walk(n, id, release_frame, release_chunk, cl);
	if (!r->away) {
		lookup_del(n, r->hash, id);
		wheel_unfile(n, id);
	}
	bucket_unlink(n, id);
	rec_unuse(r);
	net_count(n, CNT_conn_torn, 1);
}

/*
 * What two records hold belongs to one of them at most, and nobody can say to
 * which: a wild write made the other one point there. Both are reset.
 */
static void
settle_contests(struct net *n, struct adoption *cl)
{
	uint32_t i;

	if (cl->nchunk == 0 && cl->nframe == 0)
		return;
	for (i = cl->held; i != ARENA_NONE; i = conn_at(n, i)->ready_next) {
		cl->found = false;
		(void)tcp_walk(n, i, find_frame, find_chunk, cl);
		if (cl->found)
			disown(n, i, cl);
	}
}

void
adopt_index(struct net *n, struct adoption *cl)
{
	cl->held = ARENA_NONE;
	index_conns(n, cl);
	index_timewait(n);
	settle_contests(n, cl);
}

void
adopt_held(struct net *n, struct adoption *cl)
{
	uint32_t i, next;

	for (i = cl->held; i != ARENA_NONE; i = next) {
		struct conn *c = conn_at(n, i);

		next = c->ready_next;
		c->ready_next = LINK_OFF;
		if (c->rec.state != REC_USED) {
			c->rec.fnext = n->conn_free;
			n->conn_free = i;
			n->nconns--;
		} else if (c->rec.away) {
			n->rx_held += c->rq_frames;
		} else {
			tcp_adopt(n, i);
			cl->adopted++;
		}
	}
}
