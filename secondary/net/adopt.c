/*
 * Making an arena, and taking over one that a dead process left. See the torn
 * rule in common/arena.h; everything here can be done again from the start.
 */
#include <errno.h>

#include "base.h"

#define HELD	0x8000u		/* chunk.used while adoption counts */

static int
check(const struct net_conf *c, const struct net_env *env, const void *mem,
    size_t size, struct arena *want)
{
	int err = net_conf_check(c);

	if (err < 0)
		return err;
	if (env->pool == NULL || env->counters == NULL ||
	    (uintptr_t)mem % 64 != 0)
		return -EINVAL;
	if (arena_layout(want, &c->shape) > size)
		return -ENOSPC;
	return 0;
}

/* Link all free records, lowest number first, and count the others. */
static void
free_records(struct net *n)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i;

	n->conn_free = n->tw_free = ARENA_NONE;
	n->nconns = n->ntw = 0;
	for (i = s->conns; i-- > 0;) {
		struct conn *c = conn_at(n, i);

		c->rec.kind = REC_CONN;
		c->ready_next = c->out_next = LINK_OFF;
		if (c->rec.state == REC_USED) {
			n->nconns++;
			continue;
		}
		c->rec.wslot = WHEEL_NONE;
		c->rec.fnext = n->conn_free;
		n->conn_free = i;
	}
	for (i = s->timewait; i-- > 0;) {
		struct rec *r = &n->tws[i].rec;

		r->kind = REC_TIMEWAIT;
		if (r->state == REC_USED) {
			n->ntw++;
			continue;
		}
		r->wslot = WHEEL_NONE;
		r->fnext = n->tw_free;
		n->tw_free = s->conns + i;
	}
}

/*
 * Put every chunk that no record holds on its free list. One that frames of
 * the dead process may still refer to waits in limbo for mark 1.
 */
static void
free_chunks(struct net *n)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i;

	for (i = s->small + s->chunks; i-- > 0;) {
		struct chunk *k = chunk_at(n, i);

		if (k->used & HELD) {
			k->used &= (uint16_t)~HELD;
			k->mark = n->tx_mark;
			continue;
		}
		k->mark = n->tx_mark;
		if (k->used != 0)
			k->used = 1;
		chunk_put(n, i);
	}
}

/* A chunk of an object: in bounds, and nobody else's. */
static bool
claim_object(void *arg, uint32_t c, bool take)
{
	struct net *n = arg;
	const struct arena_shape *s = &n->a->shape;
	struct chunk *k;

	if (c >= s->small + s->chunks)
		return false;
	k = chunk_at(n, c);
	if (!take)
		k->used &= (uint16_t)~HELD;
	else if (k->used & HELD)
		return false;
	else
		k->used |= HELD;
	return true;
}

int
net_create(struct net *n, const struct net_conf *c, const struct net_env *env,
    void *mem, size_t size, uint64_t now_us)
{
	struct arena *a = mem, want;
	uint32_t i;
	int err = check(c, env, mem, size, &want);

	if (err < 0)
		return err;
	memcpy(a, &want, sizeof(*a));
	atomic_store(&a->hands, ARENA_NONE);
	atomic_store(&a->hands2, ARENA_NONE);
	atomic_store(&a->now, now_us);
	a->layout = layout_hash;
	a->base = env->base;
	net_setup(n, c, env, a, now_us);
	for (i = 0; i < a->shape.conns; i++)
		memset(conn_at(n, i), 0, sizeof(struct conn));
	memset(n->tws, 0, a->shape.timewait * sizeof(*n->tws));
	memset(n->neighs, 0, a->shape.neighs * sizeof(*n->neighs));
	memset(n->objs, 0, (size_t)a->shape.objs * sizeof(*n->objs));
	obj_adopt(n, claim_object, n);
	for (i = 0; i < a->shape.small + a->shape.chunks; i++)
		memset(chunk_at(n, i), 0, sizeof(struct chunk));
	free_records(n);
	free_chunks(n);
	move_adopt(n, true);
	neigh_init(n);
	/* magic last: what has it is whole */
	atomic_signal_fence(memory_order_seq_cst);
	a->magic = ARENA_MAGIC;
	arp_announce(n);
	addr6_start(n, ADDR6_TENTATIVE);
	return 0;
}

/* ---- adoption ---- */

/* Chunks and frames that two records say they hold. */
#define CONTESTED	64u

struct claim {
	struct net *n;
	uint32_t chunk[CONTESTED], frame[CONTESTED];
	uint32_t nchunk, nframe;
	bool found;		/* a record reaches one of them */
};

static bool
is_among(const uint32_t *v, uint32_t n, uint32_t what)
{
	while (n > 0)
		if (v[--n] == what)
			return true;
	return false;
}

static void
ignore(void *arg, uint32_t what)
{
	(void)arg;
	(void)what;
}

static void
claim_chunk(void *arg, uint32_t c)
{
	struct claim *cl = arg;
	struct chunk *k = chunk_at(cl->n, c);

	if ((k->used & HELD) != 0 && cl->nchunk < CONTESTED)
		cl->chunk[cl->nchunk++] = c;
	k->used |= HELD;
}

static void
claim_frame(void *arg, uint32_t ref)
{
	struct claim *cl = arg;
	const struct net_env *env = &cl->n->env;

	if (env->claim != NULL && !env->claim(env->arg, ref) &&
	    cl->nframe < CONTESTED)
		cl->frame[cl->nframe++] = ref;
}

static void
find_chunk(void *arg, uint32_t c)
{
	struct claim *cl = arg;

	cl->found |= is_among(cl->chunk, cl->nchunk, c);
}

static void
find_frame(void *arg, uint32_t ref)
{
	struct claim *cl = arg;

	cl->found |= is_among(cl->frame, cl->nframe, ref);
}

static void
release_chunk(void *arg, uint32_t c)
{
	struct claim *cl = arg;

	chunk_at(cl->n, c)->used &= (uint16_t)~HELD;
}

static void
release_frame(void *arg, uint32_t ref)
{
	struct claim *cl = arg;

	if (cl->n->env.disclaim != NULL)
		cl->n->env.disclaim(cl->n->env.arg, ref);
}

/* Free the record that was in hands, and its second. */
static void
drop_torn(struct net *n)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t id = n->a->hands, id2 = n->a->hands2;

	/* a leftover of a move has no peer that waits for it here */
	if (id < s->conns && conn_at(n, id)->rec.state == REC_USED &&
	    move_fate(n, &conn_at(n, id)->rec) == FATE_LIVE) {
		conn_at(n, id)->rec.kind = REC_CONN;
		n->torn = id;
		net_count(n, CNT_conn_torn, 1);
	}
	if (id < s->conns + s->timewait)
		rec_unuse(rec_at(n, id));
	if (id2 < s->conns + s->timewait)
		rec_unuse(rec_at(n, id2));
	hands_clear(n);
}

/* Check what connection id says of itself and claim its chunks. */
static bool
claim_conn(struct net *n, uint32_t id, struct claim *cl)
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

/* Ask early for what rebuilding writes to: the record, then its home in the
 * lookup index and the record that leads its list in the wheel. */
static inline void
ahead(const struct net *n, const struct rec *far, const struct rec *near)
{
	uint32_t head;

	__builtin_prefetch(far);
	__builtin_prefetch((const uint8_t *)far + 64);
	__builtin_prefetch(&n->hash[near->hash & n->a->hash_mask], 1);
	head = wheel_peek(n, near->deadline);
	if (head != ARENA_NONE)
		__builtin_prefetch(rec_at(n, head), 1);
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

		if (i + 24 < s->timewait)
			ahead(n, &n->tws[i + 24].rec, &n->tws[i + 8].rec);
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

static void
index_conns(struct net *n, struct claim *cl)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i;

	for (i = 0; i < s->conns; i++) {
		struct conn *c = conn_at(n, i);

		if (i + 24 < s->conns)
			ahead(n, &conn_at(n, i + 24)->rec,
			    &conn_at(n, i + 8)->rec);
		c->rec.wslot = WHEEL_NONE;
		if (!keep(n, &c->rec))
			continue;
		if (!claim_conn(n, i, cl)) {
			rec_unuse(&c->rec);
			net_count(n, CNT_conn_torn, 1);
			continue;
		}
		bucket_link(n, i);
		if (c->rec.away)
			continue;
		if ((c->flags & TF_GONE) == 0)
			lookup_put(n, c->rec.hash, i);
		wheel_file(n, i);
	}
}

/* Free a connection that cannot be believed, and what it holds. Before the
 * free lists are made. */
static void
disown(struct net *n, uint32_t id, struct claim *cl)
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
settle_contests(struct net *n, struct claim *cl)
{
	uint32_t i;

	if (cl->nchunk == 0 && cl->nframe == 0)
		return;
	for (i = 0; i < n->a->shape.conns; i++) {
		if (conn_at(n, i)->rec.state != REC_USED)
			continue;
		cl->found = false;
		(void)tcp_walk(n, i, find_frame, find_chunk, cl);
		if (cl->found)
			disown(n, i, cl);
	}
}

/* The burst in hand holds what is left of it, unless a record does. */
static void
claim_burst(struct net *n)
{
	uint32_t i, cnt = n->a->burst_n;

	if (cnt > ARENA_BURST)
		cnt = 0;
	for (i = n->a->burst_i; i < cnt && n->env.claim != NULL; i++) {
		if (!n->env.claim(n->env.arg, n->a->burst[i]))
			n->a->burst[i] = PKT_NONE;
	}
}

/* Free one that came this far and still does not fit. */
static void
refuse(struct net *n, uint32_t id)
{
	struct rec *r = rec_at(n, id);

	lookup_del(n, r->hash, id);
	wheel_unfile(n, id);
	bucket_unlink(n, id);
	rec_unuse(r);
	r->fnext = n->conn_free;
	n->conn_free = id;
	n->nconns--;
	net_count(n, CNT_conn_torn, 1);
}

int
net_adopt(struct net *n, const struct net_conf *c, const struct net_env *env,
    void *mem, size_t size, uint64_t now_us)
{
	struct arena *a = mem, want;
	struct claim cl = { .n = n };
	uint32_t i, adopted = 0;
	int err = check(c, env, mem, size, &want);

	if (err < 0)
		return err;
	if (a->magic != ARENA_MAGIC || a->layout != layout_hash ||
	    a->size != want.size || a->base != env->base ||
	    memcmp(&a->shape, &want.shape, sizeof(want.shape)) != 0 ||
	    a->off_chunks != want.off_chunks)
		return -EPROTO;
	if (now_us < a->now)
		now_us = a->now;
	net_setup(n, c, env, a, now_us);
	atomic_store_explicit(&a->now, now_us, memory_order_relaxed);
	n->tx_mark = 1;		/* the dead process's frames: not done yet */
	for (i = 0; i < a->shape.small + a->shape.chunks; i++)
		chunk_at(n, i)->used &= (uint16_t)~HELD;
	neigh_init(n);
	neigh_adopt(n);
	move_adopt(n, false);
	drop_torn(n);
	index_conns(n, &cl);
	index_timewait(n);
	settle_contests(n, &cl);
	claim_burst(n);
	obj_adopt(n, claim_object, n);
	free_records(n);
	free_chunks(n);
	for (i = 0; i < a->shape.conns; i++) {
		struct conn *cn = conn_at(n, i);

		if (cn->rec.state != REC_USED)
			continue;
		if (cn->rec.away)
			n->rx_held += cn->rq_frames;
		else if (tcp_adopt(n, i) == 0)
			adopted++;
		else
			refuse(n, i);
	}
	net_count(n, CNT_conn_adopted, adopted);
	/* the dead one had probed them: connections do not wait */
	addr6_start(n, ADDR6_OPTIMISTIC);
	return 0;
}

void
net_held(struct net *n, void (*fn)(void *arg, uint32_t ref), void *arg)
{
	uint32_t i, cnt = n->a->burst_n;

	for (i = 0; i < n->a->shape.conns; i++)
		if (conn_at(n, i)->rec.state == REC_USED)
			(void)tcp_walk(n, i, fn, ignore, arg);
	if (cnt > ARENA_BURST)
		cnt = 0;
	for (i = n->a->burst_i; i < cnt; i++)
		if (n->a->burst[i] != PKT_NONE)
			fn(arg, n->a->burst[i]);
}
