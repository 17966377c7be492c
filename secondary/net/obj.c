/*
 * Objects: see common/obj.h for what survives, obj.h for the calls. The table
 * of hashes, the free list and the count are indexes.
 */
#include "obj.h"

#include <errno.h>

#include "base.h"

#define SPARE	4u		/* objects leave 1 of so many chunks */

static inline struct obj *
obj_at(const struct net *n, uint32_t i)
{
	return &n->objs[i];
}

static inline uint32_t *
home(const struct net *n, uint32_t hash)
{
	return &n->obj_index[hash & n->a->obj_mask];
}

static inline uint32_t
obj_valid(const struct obj *o)
{
	return atomic_load_explicit(&o->valid, memory_order_relaxed);
}

static bool
obj_used(const struct obj *o)
{
	return atomic_load_explicit(&o->rec.state, memory_order_relaxed) ==
	    REC_USED;
}

static bool
key_ok(uint32_t klen)
{
	return klen >= 1 && klen <= OBJ_KEY;
}

static uint32_t
key_hash(const struct net *n, const void *key, uint32_t klen)
{
	return (uint32_t)siphash13(n->sipkey, key, klen);
}

static uint32_t
find(const struct net *n, const void *key, uint32_t klen, uint32_t hash)
{
	const struct obj *o;
	uint32_t i;

	if (n->a->shape.objs == 0)
		return ARENA_NONE;
	for (i = *home(n, hash); i != ARENA_NONE; i = o->hnext) {
		o = obj_at(n, i);
		if (o->rec.hash == hash && o->klen == klen &&
		    memcmp(o->key, key, klen) == 0)
			break;
	}
	return i;
}

static void
view(const struct net *n, uint32_t i, struct obj_view *v)
{
	const struct obj *o = obj_at(n, i);

	v->id = i;
	v->version = obj_valid(o);
	v->len = o->val[v->version & 1].len;
	v->klen = o->klen;
	v->key = o->key;
}

bool
obj_find(const struct net *n, const void *key, uint32_t klen,
    struct obj_view *v)
{
	uint32_t i;

	if (!key_ok(klen))
		return false;
	i = find(n, key, klen, key_hash(n, key, klen));
	if (i == ARENA_NONE)
		return false;
	view(n, i, v);
	return true;
}

uint32_t
obj_peek(const struct net *n, const struct obj_view *v, uint32_t skip,
    const uint8_t **p)
{
	uint32_t c = obj_at(n, v->id)->val[v->version & 1].head;
	const struct chunk *k;

	for (; c != ARENA_NONE; c = k->next) {
		k = chunk_at(n, c);
		if (skip < k->len) {
			*p = k->data + skip;
			return (uint32_t)k->len - skip;
		}
		skip -= (uint32_t)k->len;
	}
	return 0;
}

uint32_t
obj_copy(const struct net *n, const struct obj_view *v, uint32_t skip,
    void *buf, uint32_t len)
{
	uint32_t done = 0, part;
	const uint8_t *p;

	while (done < len && (part = obj_peek(n, v, skip + done, &p)) > 0) {
		if (part > len - done)
			part = len - done;
		memcpy((uint8_t *)buf + done, p, part);
		done += part;
	}
	return done;
}

/* ---- a value that is being made ---- */

static void
put_list(struct net *n, uint32_t c)
{
	uint32_t next;

	for (; c != ARENA_NONE; c = next) {
		next = chunk_at(n, c)->next;
		chunk_put(n, c);
	}
}

/* A chunk for the last len bytes of a value; objects leave some of each. */
static uint32_t
value_chunk(struct net *n, uint32_t len)
{
	const struct arena_shape *s = &n->a->shape;

	if (len <= CHUNK_SMALL - sizeof(struct chunk) &&
	    n->nsmall_free > s->small / SPARE)
		return chunk_get(n, false);
	if (n->nchunk_free > s->chunks / SPARE)
		return chunk_get(n, true);
	return ARENA_NONE;
}

void
obj_cancel(struct net *n)
{
	put_list(n, n->obj_new.head);
	n->obj_new.head = n->obj_new.tail = ARENA_NONE;
	n->obj_new.len = n->obj_new.have = 0;
}

int
obj_begin(struct net *n, uint32_t len)
{
	uint32_t left, c, room;

	obj_cancel(n);
	if (len > OBJ_VALUE || n->a->shape.objs == 0)
		return -EINVAL;
	for (left = len; left > 0; left -= room < left ? room : left) {
		c = value_chunk(n, left);
		if (c == ARENA_NONE) {
			obj_cancel(n);
			net_count(n, CNT_obj_refused, 1);
			return -ENOSPC;
		}
		if (n->obj_new.head == ARENA_NONE)
			n->obj_new.head = n->obj_new.tail = c;
		else
			chunk_at(n, n->obj_new.tail)->next = c;
		n->obj_new.tail = c;
		room = chunk_room(n, c);
	}
	n->obj_new.tail = n->obj_new.head;	/* filled from the start */
	n->obj_new.len = len;
	return 0;
}

void
obj_add(struct net *n, const void *p, uint32_t len)
{
	uint32_t room, part;
	struct chunk *k;

	if (len > n->obj_new.len - n->obj_new.have)
		len = n->obj_new.len - n->obj_new.have;
	n->obj_new.have += len;
	while (len > 0) {
		k = chunk_at(n, n->obj_new.tail);
		room = chunk_room(n, n->obj_new.tail) - (uint32_t)k->len;
		if (room == 0) {
			n->obj_new.tail = k->next;
			continue;
		}
		part = len < room ? len : room;
		memcpy(k->data + k->len, p, part);
		k->len += part;
		p = (const uint8_t *)p + part;
		len -= part;
	}
}

/* ---- changes: each ends with one store ---- */

static inline void
set_valid(struct obj *o, uint32_t v)
{
	/* as in hands_set(): the compiler moves nothing over it, and a killed
	 * process is stopped between two instructions */
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&o->valid, v, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static void
index_put(struct net *n, uint32_t i)
{
	struct obj *o = obj_at(n, i);
	uint32_t *h = home(n, o->rec.hash);

	o->hnext = *h;
	*h = i;
	n->nobjs++;
}

static void
index_del(struct net *n, uint32_t i)
{
	struct obj *o = obj_at(n, i);
	uint32_t *h = home(n, o->rec.hash);

	while (*h != i)
		h = &obj_at(n, *h)->hnext;
	*h = o->hnext;
	n->nobjs--;
}

static void
free_put(struct net *n, uint32_t i)
{
	obj_at(n, i)->rec.fnext = n->obj_free;
	n->obj_free = i;
}

/* A record of its own for the value that was made. */
static int
commit_new(struct net *n, const void *key, uint32_t klen, uint32_t hash)
{
	uint32_t i = n->obj_free, v;
	struct obj *o;

	if (i == ARENA_NONE) {
		obj_cancel(n);
		net_count(n, CNT_obj_refused, 1);
		return -ENOSPC;
	}
	o = obj_at(n, i);
	n->obj_free = o->rec.fnext;
	v = obj_valid(o) + 1;
	o->rec.hash = hash;
	o->klen = (uint8_t)klen;
	memcpy(o->key, key, klen);
	o->val[v & 1].head = n->obj_new.head;
	o->val[v & 1].len = n->obj_new.len;
	set_valid(o, v);
	rec_use(&o->rec);
	index_put(n, i);
	return 0;
}

int
obj_commit(struct net *n, const void *key, uint32_t klen)
{
	uint32_t hash, i, v, old;
	struct obj *o;
	int err = 0;

	if (!key_ok(klen) || n->a->shape.objs == 0 ||
	    n->obj_new.have != n->obj_new.len) {
		obj_cancel(n);
		return -EINVAL;
	}
	hash = key_hash(n, key, klen);
	i = find(n, key, klen, hash);
	if (i == ARENA_NONE) {
		err = commit_new(n, key, klen, hash);
	} else {
		o = obj_at(n, i);
		v = obj_valid(o) + 1;
		old = o->val[~v & 1].head;
		o->val[v & 1].head = n->obj_new.head;
		o->val[v & 1].len = n->obj_new.len;
		set_valid(o, v);
		put_list(n, old);
	}
	/* it belongs to the object now */
	n->obj_new.head = n->obj_new.tail = ARENA_NONE;
	n->obj_new.len = n->obj_new.have = 0;
	return err;
}

int
obj_put(struct net *n, const void *key, uint32_t klen, const void *value,
    uint32_t len)
{
	int err;

	if (!key_ok(klen))
		return -EINVAL;
	err = obj_begin(n, len);
	if (err < 0)
		return err;
	obj_add(n, value, len);
	return obj_commit(n, key, klen);
}

int
obj_del(struct net *n, const void *key, uint32_t klen)
{
	struct obj *o;
	uint32_t i;

	if (!key_ok(klen))
		return -ENOENT;
	i = find(n, key, klen, key_hash(n, key, klen));
	if (i == ARENA_NONE)
		return -ENOENT;
	o = obj_at(n, i);
	rec_unuse(&o->rec);
	index_del(n, i);
	put_list(n, o->val[obj_valid(o) & 1].head);
	free_put(n, i);
	return 0;
}

bool
obj_next(const struct net *n, uint32_t *at, uint32_t max, struct obj_view *v)
{
	uint32_t i;

	for (; max > 0 && *at < n->a->shape.objs; max--) {
		i = (*at)++;
		if (obj_used(obj_at(n, i))) {
			view(n, i, v);
			return true;
		}
	}
	if (*at >= n->a->shape.objs)
		*at = UINT32_MAX;
	return false;
}

uint32_t
obj_count(const struct net *n)
{
	return n->nobjs;
}

/* ---- making and adopting ---- */

void
obj_init(struct net *n)
{
	n->nobjs = 0;
	n->obj_free = ARENA_NONE;
	n->obj_new.head = n->obj_new.tail = ARENA_NONE;
	n->obj_new.len = n->obj_new.have = 0;
	if (n->a->shape.objs > 0)
		memset(n->obj_index, 0xff,
		    ((size_t)n->a->obj_mask + 1) * sizeof(*n->obj_index));
}

void
obj_audit(const struct net *n, uint32_t *used, uint32_t *unused)
{
	uint32_t i, most = n->a->shape.objs;

	*used = *unused = 0;
	for (i = 0; i < most; i++)
		*used += obj_used(obj_at(n, i));
	for (i = n->obj_free; i != ARENA_NONE && *unused < most;
	    i = obj_at(n, i)->rec.fnext)
		++*unused;
}

typedef bool chunk_fn(void *arg, uint32_t c, bool take);

/* Check what a USED object says of itself. */
static bool
is_sound(struct net *n, uint32_t i)
{
	const struct arena_shape *s = &n->a->shape;
	const struct obj *o = obj_at(n, i);
	uint32_t v = obj_valid(o) & 1, c, left = o->val[v].len;
	const struct chunk *k;

	if (!key_ok(o->klen) || left > OBJ_VALUE ||
	    o->rec.hash != key_hash(n, o->key, o->klen) ||
	    find(n, o->key, o->klen, o->rec.hash) != ARENA_NONE)
		return false;
	for (c = o->val[v].head; c != ARENA_NONE; c = k->next) {
		if (left == 0 || c >= s->small + s->chunks)
			return false;
		k = chunk_at(n, c);
		if (k->len == 0 || k->len > chunk_room(n, c) || k->len > left)
			return false;
		left -= (uint32_t)k->len;
	}
	return left == 0;
}

/* Claim the chunks of a sound object: all of them or none. */
static bool
claim(struct net *n, uint32_t i, chunk_fn *chunk, void *arg)
{
	const struct obj *o = obj_at(n, i);
	uint32_t head = o->val[obj_valid(o) & 1].head, c, d;

	for (c = head; c != ARENA_NONE; c = chunk_at(n, c)->next) {
		if (chunk(arg, c, true))
			continue;
		for (d = head; d != c; d = chunk_at(n, d)->next)
			chunk(arg, d, false);
		return false;
	}
	return true;
}

void
obj_chunks(struct net *n, void (*fn)(void *arg, uint32_t c), void *arg)
{
	const struct obj *o;
	uint32_t i, c;

	for (i = 0; i < n->a->shape.objs; i++) {
		o = obj_at(n, i);
		if (!obj_used(o))
			continue;
		for (c = o->val[obj_valid(o) & 1].head; c != ARENA_NONE;
		    c = chunk_at(n, c)->next)
			fn(arg, c);
	}
	for (c = n->obj_new.head; c != ARENA_NONE; c = chunk_at(n, c)->next)
		fn(arg, c);
}

void
obj_adopt(struct net *n, chunk_fn *chunk, void *arg)
{
	struct obj *o;
	uint32_t i;

	obj_init(n);
	for (i = n->a->shape.objs; i-- > 0;) {
		o = obj_at(n, i);
		o->rec.kind = REC_OBJ;
		if (obj_used(o)) {
			if (is_sound(n, i) && claim(n, i, chunk, arg)) {
				index_put(n, i);
				continue;
			}
			rec_unuse(&o->rec);
			net_count(n, CNT_obj_torn, 1);
		}
		free_put(n, i);
	}
}
