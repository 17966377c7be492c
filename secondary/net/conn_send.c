/*
 * conn_send: the send queue, as a service fills it: chunks of copied bytes,
 * and ranges of shared memory.
 */
#include <errno.h>
#include <string.h>

#include "tcp_priv.h"

#define SMALL_ROOM	(CHUNK_SMALL - (uint32_t)sizeof(struct chunk))
#define WHOLE		512u	/* bytes that net_split() leaves whole */

/* Nothing more may be queued. */
static bool
shut(const struct conn *c)
{
	return c->state == TCP_CLOSED ||
	    (c->flags & (TF_FIN | TF_CLOSED)) != 0;
}

uint32_t
conn_room(struct net *n, struct conn *c)
{
	uint32_t most = tcp_sndbuf(n, c);

	if (shut(c) || c->sq_len >= most)
		return 0;
	return most - (uint32_t)c->sq_len;
}

uint64_t
conn_queued(const struct conn *c)
{
	return c->sq_len;
}

uint32_t
conn_spare(const struct net *n)
{
	return (uint32_t)((uint64_t)n->nchunk_free * 1024 /
	    n->a->shape.chunks);
}

uint32_t
conn_window(const struct conn *c)
{
	return min_u32(c->cwnd, c->snd_wnd);
}

/* A chunk for len bytes; the other size if there is none of the right one. */
static uint32_t
chunk_for(struct net *n, struct conn *c, uint32_t len, bool other)
{
	bool big = len > SMALL_ROOM;
	uint32_t k = chunk_get(n, big);

	if (k == ARENA_NONE && other)
		k = chunk_get(n, !big);
	if (k == ARENA_NONE)
		c->flags |= TF_NOCHUNK;
	return k;
}

/* Link chunk k behind the queue. */
static void
append(struct net *n, struct conn *c, uint32_t k)
{
	if (c->sq_tail == ARENA_NONE) {
		c->sq_head = k;
		c->sq_next = k;
		c->sq_noff = 0;
	} else {
		chunk_at(n, c->sq_tail)->next = k;
		if (c->sq_next == ARENA_NONE) {
			c->sq_next = k;
			c->sq_noff = 0;
		}
	}
	c->sq_tail = k;
}

/* Free bytes behind the last chunk's, and where; 0: it takes no copies. */
static uint32_t
tail_room(struct net *n, struct conn *c, uint8_t **to)
{
	struct chunk *k;
	uint32_t used;

	if (c->sq_tail == ARENA_NONE)
		return 0;
	k = chunk_at(n, c->sq_tail);
	if (k->kind != CHUNK_DATA)
		return 0;
	used = k->start + (uint32_t)k->len;
	*to = k->data + used;
	return chunk_room(n, c->sq_tail) - used;
}

static void
queued(struct net *n, struct conn *c, uint64_t len)
{
	c->sq_len += len;
	tcp_want_output(n, c);
}

/* conn_write() where it takes more than one step. */
static __attribute__((noinline)) uint32_t
write_more(struct net *n, struct conn *c, const void *buf, uint32_t len)
{
	uint32_t done = 0, room, k, part;
	uint8_t *to;

	len = min_u32(len, conn_room(n, c));
	if (__builtin_expect(n->split, false) && len > WHOLE)
		len -= len / 2;
	while (done < len) {
		room = tail_room(n, c, &to);
		if (room == 0) {
			k = chunk_for(n, c, len - done, true);
			if (k == ARENA_NONE)
				break;
			append(n, c, k);
			continue;
		}
		part = min_u32(room, len - done);
		memcpy(to, (const uint8_t *)buf + done, part);
		chunk_at(n, c->sq_tail)->len += part;
		c->sq_len += part;
		done += part;
	}
	if (done != 0)
		queued(n, c, 0);
	return done;
}

uint32_t
conn_write(struct net *n, struct conn *c, const void *buf, uint32_t len)
{
	struct chunk *k;
	uint32_t id;

	if (c->sq_tail != ARENA_NONE || len - 1 >= SMALL_ROOM || shut(c) ||
	    len > tcp_sndbuf(n, c) || n->small_free == ARENA_NONE)
		return write_more(n, c, buf, len);
	/* the usual answer: a chunk of its own */
	k = chunk_get_small(n, &id);
	k->len = len;
	c->sq_head = c->sq_tail = c->sq_next = id;
	c->sq_noff = 0;
	queued(n, c, len);
	copy_some(k->data, buf, len);
	return len;
}

bool
conn_write_whole(struct net *n, struct conn *c, const void *buf, uint32_t len)
{
	struct chunk *k;
	uint32_t id;

	if (c->sq_tail != ARENA_NONE || len == 0 || shut(c) ||
	    len > tcp_sndbuf(n, c))
		return false;
	if (len <= SMALL_ROOM) {
		if (n->small_free == ARENA_NONE)
			return false;
		k = chunk_get_small(n, &id);
	} else {
		id = n->chunk_free;
		if (id == ARENA_NONE || len > chunk_room(n, id))
			return false;
		k = chunk_at(n, id);
		n->chunk_free = k->next;
		n->nchunk_free--;
		*k = (struct chunk){ .next = ARENA_NONE };
	}
	k->len = len;
	c->sq_head = c->sq_tail = c->sq_next = id;
	c->sq_noff = 0;
	queued(n, c, len);
	memcpy(k->data, buf, len);
	return true;
}

/* conn_reserve() behind what is queued, or where chunks run short. */
static __attribute__((noinline)) void *
reserve_more(struct net *n, struct conn *c, uint32_t min, uint32_t *len)
{
	uint32_t most = conn_room(n, c), room, k;
	uint8_t *to = NULL;

	if (most < min || most == 0)
		return NULL;
	room = tail_room(n, c, &to);
	if (room < min || room == 0) {
		k = chunk_for(n, c, *len, *len <= SMALL_ROOM ||
		    min <= SMALL_ROOM);
		if (k == ARENA_NONE)
			return NULL;
		append(n, c, k);
		room = tail_room(n, c, &to);
	}
	*len = min_u32(*len, min_u32(room, most));
	if (__builtin_expect(n->split, false))
		*len -= (*len - min) / 2;
	return to;
}

void *
conn_reserve(struct net *n, struct conn *c, uint32_t min, uint32_t *len)
{
	uint32_t id, room, most = tcp_sndbuf(n, c);
	struct chunk *k;

	assert(min <= TCP_COPY);
	assert(min <= *len);
	if (c->sq_tail != ARENA_NONE || shut(c) || *len > most ||
	    n->small_free == ARENA_NONE || n->chunk_free == ARENA_NONE)
		return reserve_more(n, c, min, len);
	if (*len <= SMALL_ROOM) {
		k = chunk_get_small(n, &id);
		room = SMALL_ROOM;
	} else {
		id = chunk_get(n, true);
		k = chunk_at(n, id);
		room = chunk_room(n, id);
	}
	c->sq_head = c->sq_tail = c->sq_next = id;
	c->sq_noff = 0;
	*len = min_u32(*len, room);
	return k->data;
}

void
conn_commit(struct net *n, struct conn *c, uint32_t len)
{
	struct chunk *k;

	if (len == 0) {
		/* an idle connection holds no memory */
		if (c->sq_len == 0 && c->sq_tail != ARENA_NONE)
			tcp_sq_trim(n, c, 0);
		return;
	}
	k = chunk_at(n, c->sq_tail);
	assert(k->start + k->len + len <= chunk_room(n, c->sq_tail));
	k->len += len;
	queued(n, c, len);
}

int
conn_send_mem(struct net *n, struct conn *c, const void *mem, uint64_t len)
{
	uint32_t k;

	if (shut(c) || len == 0)
		return len == 0 ? 0 : -EPIPE;
	k = chunk_for(n, c, 0, true);
	if (k == ARENA_NONE)
		return -ENOBUFS;
	chunk_at(n, k)->kind = CHUNK_MEM;
	chunk_at(n, k)->off = (uint64_t)((uintptr_t)mem - n->env.base);
	chunk_at(n, k)->len = len;
	append(n, c, k);
	queued(n, c, len);
	return 0;
}

bool
conn_sends(const struct net *n, const struct conn *c, const void *mem,
    uint64_t len)
{
	uint64_t lo = (uint64_t)((uintptr_t)mem - n->env.base);
	const struct chunk *k;
	uint32_t i;

	for (i = c->sq_head; i != ARENA_NONE; i = k->next) {
		k = chunk_at(n, i);
		if (k->kind == CHUNK_MEM && k->off - lo < len)
			return true;
	}
	return false;
}
