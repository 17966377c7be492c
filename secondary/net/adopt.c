/*
 * Making an arena, and taking over one that a dead process left. See the torn
 * rule in common/arena.h; everything here can be done again from the start.
 */
#include <errno.h>

#include "base.h"

#define CHUNKS_AHEAD	32u	/* that are asked for beforehand */

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

/* No connections: all are free, lowest number first. */
static void
free_conns(struct net *n)
{
	uint32_t i;

	n->conn_free = ARENA_NONE;
	for (i = n->a->shape.conns; i-- > 0;) {
		struct conn *c = conn_at(n, i);

		memset(c, 0, sizeof(*c));
		c->rec.kind = REC_CONN;
		c->rec.wslot = WHEEL_NONE;
		c->rec.fnext = n->conn_free;
		n->conn_free = i;
	}
}

/* Link all free time-wait entries, lowest number first, and count the
 * others. */
static void
free_timewait(struct net *n)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i;

	n->tw_free = ARENA_NONE;
	n->ntw = 0;
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

/* A free chunk to the head of the list, from the end of all on: what lies
 * free as it was made is only looked at, there may be two million. */
static inline uint32_t
link_free(struct chunk *k, uint32_t *head, uint32_t c)
{
	if (k->next != *head)
		k->next = *head;
	*head = c;
	return 1;
}

/*
 * Put every chunk that no record holds on its free list. One that frames of
 * the dead process may still refer to waits in limbo for mark 1.
 */
static void
free_chunks(struct net *n, uint16_t stamp)
{
	const struct arena_shape *s = &n->a->shape;
	uint32_t i;

	for (i = s->small + s->chunks; i-- > 0;) {
		struct chunk *k = chunk_at(n, i);

		if (i - CHUNKS_AHEAD < s->small)
			__builtin_prefetch(chunk_at(n, i - CHUNKS_AHEAD));
		if (k->used == 0) {
			if (i < s->small)
				n->nsmall_free += link_free(k, &n->small_free,
				    i);
			else
				n->nchunk_free += link_free(k, &n->chunk_free,
				    i);
			continue;
		}
		k->mark = n->tx_mark;
		if (chunk_claimed(k, stamp)) {
			chunk_unclaim(k);
			continue;
		}
		k->used = 1;
		chunk_put(n, i);
	}
}

/* A chunk of an object: in bounds, and nobody else's. */
static bool
claim_object(void *arg, uint32_t c, bool take)
{
	struct adoption *ad = arg;
	struct net *n = ad->n;
	const struct arena_shape *s = &n->a->shape;
	struct chunk *k;

	if (c >= s->small + s->chunks)
		return false;
	k = chunk_at(n, c);
	if (!take)
		chunk_unclaim(k);
	else if (chunk_claimed(k, ad->stamp))
		return false;
	else
		chunk_claim(k, ad->stamp);
	return true;
}

int
net_create(struct net *n, const struct net_conf *c, const struct net_env *env,
    void *mem, size_t size, uint64_t now_us)
{
	struct arena *a = mem, want;
	struct adoption ad = { .n = n };
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
	free_conns(n);
	memset(n->tws, 0, a->shape.timewait * sizeof(*n->tws));
	memset(n->neighs, 0, a->shape.neighs * sizeof(*n->neighs));
	memset(n->objs, 0, (size_t)a->shape.objs * sizeof(*n->objs));
	obj_adopt(n, claim_object, &ad);	/* there is none */
	for (i = 0; i < a->shape.small + a->shape.chunks; i++)
		memset(chunk_at(n, i), 0, sizeof(struct chunk));
	free_timewait(n);
	free_chunks(n, 0);
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

int
net_adopt(struct net *n, const struct net_conf *c, const struct net_env *env,
    void *mem, size_t size, uint64_t now_us)
{
	struct arena *a = mem, want;
	struct adoption ad = { .n = n };
	uint64_t before_us;
	int err = check(c, env, mem, size, &want);

	if (err < 0)
		return err;
	if (a->magic != ARENA_MAGIC || a->layout != layout_hash ||
	    a->size != want.size || a->base != env->base ||
	    memcmp(&a->shape, &want.shape, sizeof(want.shape)) != 0 ||
	    a->off_chunks != want.off_chunks)
		return -EPROTO;
	before_us = a->now;
	if (now_us < before_us)
		now_us = before_us;
	net_setup(n, c, env, a, now_us);
	n->before_ms = (uint32_t)(before_us / 1000);
	atomic_store_explicit(&a->now, now_us, memory_order_relaxed);
	n->cookie_us = now_us | 1;
	n->tx_mark = 1;		/* the dead process's frames: not done yet */
	ad.stamp = (uint16_t)(a->adoptions++ % CHUNK_STAMPS + 1);
	neigh_init(n);
	neigh_adopt(n);
	move_adopt(n, false);
	drop_torn(n);
	adopt_index(n, &ad);
	claim_burst(n);
	obj_adopt(n, claim_object, &ad);
	free_timewait(n);
	free_chunks(n, ad.stamp);
	adopt_held(n, &ad);
	net_count(n, CNT_conn_adopted, ad.adopted);
	/* the dead one had probed them: connections do not wait */
	addr6_start(n, ADDR6_OPTIMISTIC);
	return 0;
}

static void
ignore(void *arg, uint32_t what)
{
	(void)arg;
	(void)what;
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
