/*
 * net_inline: what of the contract of net_priv.h is short and done for every
 * segment; included there.
 */
#ifndef NET_NET_INLINE_H
#define NET_NET_INLINE_H

/* Where the flow of an IPv4 segment with these headers is noted. */
static inline struct flow *
flow_at(struct net *n, uint64_t addrs, uint32_t ports)
{
	/* ports near each other, as clients choose them, do not collide */
	uint64_t h = (addrs ^ (uint64_t)ports << 21) *
	    UINT64_C(0x9e3779b97f4a7c15);

	return &n->flow[h >> (64 - FLOW_BITS)];
}

/* Id of the connection that these headers belong to, if it was noted. */
static inline uint32_t
flow_find(struct net *n, uint64_t addrs, uint32_t ports)
{
	const struct flow *f = flow_at(n, addrs, ports);

	return f->addrs == addrs && f->ports == ports ? f->id - 1 :
	    ARENA_NONE;
}

/* A chunk by its number. */
static inline struct chunk *
chunk_at(const struct net *n, uint32_t c)
{
	const struct arena_shape *s = &n->a->shape;

	if (c < s->small)
		return (struct chunk *)(void *)(n->small +
		    (size_t)c * CHUNK_SMALL);
	assert(c - s->small < s->chunks);
	return (struct chunk *)(void *)(n->chunks +
	    (size_t)(c - s->small) * s->chunk_size);
}

/* Bytes of data[] of this chunk. */
static inline uint32_t
chunk_room(const struct net *n, uint32_t c)
{
	return (c < n->a->shape.small ? CHUNK_SMALL :
	    n->a->shape.chunk_size) - (uint32_t)sizeof(struct chunk);
}

/* A free frame with headroom for all headers, or NULL (counted). */
static inline struct pkt *
frame_get(struct net *n)
{
	struct pkt *p = pktpool_get(n->env.pool);

	if (__builtin_expect(p == NULL, 0)) {
		net_count(n, CNT_drop_no_buffer, 1);
		return NULL;
	}
	pkt_reset(p, PKT_HEADROOM);
	return p;
}

static inline void
frame_put(struct net *n, struct pkt *p)
{
	pktpool_put(n->env.pool, p);
}

/*
 * FIFO lists of connections, linked through conn.ready_next and conn.out_next
 * (meaning of the links: LINK_* in tcb.h). Putting one that is on the list
 * already does nothing. A record keeps its place when it is freed or opened
 * again; so net.c drops an entry that is not USED, and calls tcp_service() or
 * tcp_output() for the others, once per turn each.
 */
static inline void
ready_put(struct net *n, uint32_t id)
{
	struct conn *c = conn_at(n, id);

	if (c->ready_next != LINK_OFF)
		return;
	c->ready_next = LINK_LAST;
	if (n->ready_tail == ARENA_NONE)
		n->ready_head = id;
	else
		conn_at(n, n->ready_tail)->ready_next = id + 1;
	n->ready_tail = id;
}

static inline void
out_put(struct net *n, uint32_t id)
{
	struct conn *c = conn_at(n, id);

	if (c->out_next != LINK_OFF)
		return;
	c->out_next = LINK_LAST;
	if (n->out_tail == ARENA_NONE)
		n->out_head = id;
	else
		conn_at(n, n->out_tail)->out_next = id + 1;
	n->out_tail = id;
}

#endif
