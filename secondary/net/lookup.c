/*
 * The lookup index: open addressing with linear probing over (hash, id),
 * half full at most. Deleting shifts the run back, so there are no
 * tombstones and a miss ends at the first empty entry.
 */
#include "net_priv.h"

struct rec *
rec_at(const struct net *n, uint32_t id)
{
	const struct arena_shape *s = &n->a->shape;

	if (id < s->conns)
		return &conn_at(n, id)->rec;
	id -= s->conns;
	if (id < s->timewait)
		return &n->tws[id].rec;
	id -= s->timewait;
	assert(id < s->neighs);
	return &n->neighs[id].rec;
}

uint32_t
rec_id(const struct net *n, const struct rec *r)
{
	const struct arena_shape *s = &n->a->shape;

	switch (r->kind) {
	case REC_CONN:
		/* exact division by the stride: shift out its powers of two,
		 * multiply by the inverse of the odd rest modulo 2^32 */
		return (uint32_t)(((uintptr_t)r - (uintptr_t)n->conns) >>
		    n->stride_shift) * n->stride_inv;
	case REC_TIMEWAIT:
		return s->conns +
		    (uint32_t)((const struct tw *)(const void *)r - n->tws);
	default:
		return s->conns + s->timewait +
		    (uint32_t)((const struct neigh *)(const void *)r -
		    n->neighs);
	}
}

static inline const struct tuple *
tuple_of(const struct net *n, uint32_t id)
{
	if (id < n->a->shape.conns)
		return &conn_at(n, id)->t;
	return &n->tws[id - n->a->shape.conns].t;
}

static inline bool
tuple_same(const struct tuple *a, const struct tuple *b)
{
	uint64_t x[5], y[5];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) |
	    (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

uint32_t
lookup_find(const struct net *n, uint32_t hash, const struct tuple *t)
{
	uint32_t mask = n->a->hash_mask, i;

	for (i = hash & mask; n->hash[i].id != ARENA_NONE; i = (i + 1) & mask)
		if (n->hash[i].hash == hash &&
		    tuple_same(tuple_of(n, n->hash[i].id), t))
			return n->hash[i].id;
	return ARENA_NONE;
}

/* What the headers of an IPv4 segment of the flow say. */
static inline uint64_t
addrs_of(const struct tuple *t)
{
	uint32_t src, dst;

	memcpy(&src, t->raddr + 12, 4);
	memcpy(&dst, t->laddr + 12, 4);
	return src | (uint64_t)dst << 32;
}

static inline uint32_t
ports_of(const struct tuple *t)
{
	return t->rport_be | (uint32_t)t->lport_be << 16;
}

static inline void
flow_note(struct net *n, uint32_t id)
{
	const struct tuple *t = &conn_at(n, id)->t;
	struct flow *f;

	if (t->family != 4)
		return;
	f = flow_at(n, addrs_of(t), ports_of(t));
	f->addrs = addrs_of(t);
	f->ports = ports_of(t);
	f->id = id + 1;
}

uint32_t
lookup_flow(struct net *n, const struct tuple *t, uint32_t *hash)
{
	uint32_t id;

	if (t->family == 4) {
		id = flow_find(n, addrs_of(t), ports_of(t));
		if (id != ARENA_NONE && conn_at(n, id)->t.port == t->port) {
			*hash = conn_at(n, id)->rec.hash;
			return id;
		}
	}
	*hash = tuple_hash(n, t);
	id = lookup_find(n, *hash, t);
	if (id < n->a->shape.conns)
		flow_note(n, id);
	return id;
}

static void
flow_forget(struct net *n, uint32_t id)
{
	const struct tuple *t = &conn_at(n, id)->t;
	struct flow *f = flow_at(n, addrs_of(t), ports_of(t));

	if (f->id == id + 1)
		f->id = 0;
}

void
lookup_put(struct net *n, uint32_t hash, uint32_t id)
{
	uint32_t mask = n->a->hash_mask, i = hash & mask;

	if (id < n->a->shape.conns)
		flow_note(n, id);
	while (n->hash[i].id != ARENA_NONE)
		i = (i + 1) & mask;
	n->hash[i].hash = hash;
	n->hash[i].id = id;
}

void
lookup_del(struct net *n, uint32_t hash, uint32_t id)
{
	uint32_t mask = n->a->hash_mask, i = hash & mask, j, home;

	if (id < n->a->shape.conns)
		flow_forget(n, id);
	while (n->hash[i].id != id) {
		if (n->hash[i].id == ARENA_NONE)
			return;
		i = (i + 1) & mask;
	}
	for (j = i;;) {
		n->hash[i].id = ARENA_NONE;
		do {
			j = (j + 1) & mask;
			if (n->hash[j].id == ARENA_NONE)
				return;
			home = n->hash[j].hash & mask;
			/* an entry whose home lies in (i, j] stays */
		} while (((j - home) & mask) < ((j - i) & mask));
		n->hash[i] = n->hash[j];
		i = j;
	}
}
