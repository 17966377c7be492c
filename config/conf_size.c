/*
 * conf_size: how much hugepage memory an instance needs, and how it is shared
 * out. Shapes are derived here and nowhere else.
 */
#include <errno.h>

#include "../common/pkt.h"
#include "../common/shm.h"
#include "../common/xring.h"
#include "conf_priv.h"

#define MB		(1ull << 20)
#define PAGE		(2 * MB)
#define NEIGHS		1024u	/* neighbours of a slot */

/* A frame in a DPDK mempool: object header, mbuf, private area, headroom,
 * data, and what spreads objects over memory channels. */
#define MBUF_HEAD	64u
#define MBUF_SIZE	128u
#define MBUF_SPREAD	192u
/* A mempool itself: per-lcore caches for RTE_MAX_LCORE and the object ring. */
#define POOL_FIXED	(2 * MB)
#define POOL_RING_ENTRY	8u
/* EAL's own zones, allocator and the drivers' queues and private pools. */
#define EAL_FIXED	(24 * MB)
#define PORT_FIXED	(6 * MB)

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

void
conf_arena_shape(const struct conf *c, const struct conf_worker *w,
    struct arena_shape *s)
{
	const struct conf_memory *m = &c->memory;
	uint32_t objs = w->desc->objects != OBJECTS_NONE ?
	    (uint32_t)m->objects : 0;

	*s = (struct arena_shape){
		.conns = (uint32_t)m->connections,
		.timewait = (uint32_t)m->timewait,
		.neighs = NEIGHS,
		/* a range of a file in the send queue and a table of a few
		 * segments in flight: two for each connection; and a short
		 * value of each object */
		.small = (uint32_t)m->connections * 2 + objs * 4 / 3 + 1024,
		.objs = objs,
		.chunks = (uint32_t)m->chunks,
		.chunk_size = (uint32_t)m->chunk_size,
		.state_size = (uint32_t)round_up(w->desc->state_size, 8),
	};
}

/* Bytes of a pool of n frames with size bytes of data each. */
static uint64_t
pool_bytes(uint64_t n, uint64_t size)
{
	uint64_t elt, ring = 1;

	elt = round_up(MBUF_HEAD + MBUF_SIZE + SHM_PRIV_SIZE + PKT_HEADROOM +
	    size + MBUF_SPREAD, 64);
	while (ring < n + 1)
		ring *= 2;
	/* an object does not straddle two pages when addresses are physical */
	return round_up(n * elt + n * elt / (PAGE / elt), PAGE) +
	    round_up(ring * POOL_RING_ENTRY, PAGE) + POOL_FIXED;
}

static int
may_dispatch(const struct conf_port *p)
{
	return p->lane == CONF_LANE_DISPATCH ||
	    (p->lane == CONF_LANE_AUTO && p->type == PORT_VDEV);
}

/* Frames that fill the queues while their slot's pool is made whole. */
static uint64_t
fence_frames(const struct conf *c)
{
	uint64_t n = 0;
	uint32_t i, k;

	for (i = 0; i < c->nworkers; i++)
		for (k = 0; k < c->nports; k++)
			if (c->workers[i].port_mask & 1u << k &&
			    c->ports[k].type != PORT_WIRE)
				n += (uint64_t)conf_slots(&c->workers[i]) *
				    (uint64_t)c->ports[k].descriptors;
	return n;
}

uint64_t
size_needed(const struct conf *c, uint64_t roots)
{
	const struct conf_memory *m = &c->memory;
	uint64_t sum = EAL_FIXED, n = c->nslots, rings, shaped;
	struct arena_shape shape;
	uint32_t i, spread = 0;

	for (i = 0; i < c->nworkers; i++) {
		conf_arena_shape(c, &c->workers[i], &shape);
		shaped = round_up(arena_size(&shape), PAGE) +
		    pool_bytes((uint64_t)m->buffers, (uint64_t)m->buffer_size);
		sum += shaped * conf_slots(&c->workers[i]);
	}
	rings = n * n * (xring_size((uint32_t)m->ring) +
	    xring_size((uint32_t)m->wire_ring));
	for (i = 0; i < c->nports; i++) {
		sum += PORT_FIXED;
		spread |= (uint32_t)may_dispatch(&c->ports[i]);
	}
	if (fence_frames(c) > 0)
		sum += pool_bytes(fence_frames(c) + 2048,
		    (uint64_t)m->buffer_size);
	if (spread) {
		sum += pool_bytes((uint64_t)m->buffers,
		    (uint64_t)m->buffer_size);
		rings += 2 * n * xring_size((uint32_t)m->ring);
	}
	sum += round_up(rings, PAGE) + round_up(roots, PAGE);
	/* the allocator's own headers and the ends of its pages */
	sum += sum / 32;
	return round_up(sum, PAGE);
}

uint64_t
conf_hugepage_bytes(const struct conf *c, uint64_t roots)
{
	uint64_t asked = (uint64_t)c->memory.hugepages_mb * MB;

	return asked > 0 ? round_up(asked, PAGE) : size_needed(c, roots);
}

uint64_t
conf_root_side(const struct conf *c, uint64_t image)
{
	int64_t room = c->memory.reload_room;

	return room < 0 ? image :
	    round_up(image + image * (uint64_t)room / 100 + MB, 4096);
}

uint64_t
conf_root_place(const struct conf *c, uint64_t image)
{
	return (c->memory.reload_room < 0 ? 1 : 2) * conf_root_side(c, image);
}

int
conf_slot(const struct conf *c, uint32_t slot, uint32_t *group,
    uint32_t *index)
{
	uint32_t i;

	for (i = 0; i < c->nworkers; i++) {
		if (slot < conf_slots(&c->workers[i])) {
			*group = i;
			*index = slot;
			return 0;
		}
		slot -= conf_slots(&c->workers[i]);
	}
	return -EINVAL;
}
