#include <errno.h>
#include <numa.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_memory.h>

#include "primary.h"

#include "../common/arena.h"
#include "../common/log.h"
#include "../common/mbuf.h"
#include "../common/shm.h"

/* ---- sizes ------------------------------------------------------------- */

static uint32_t
pow2(int64_t n)
{
	uint32_t r = 1;

	while (r < n && r < 1u << 30)
		r *= 2;
	return r;
}

uint32_t
memory_ring(const struct primary *p)
{
	return pow2(p->conf->memory.ring);
}

uint32_t
memory_wire_ring(const struct primary *p)
{
	return pow2(p->conf->memory.wire_ring);
}

/* Node of the cpu that a slot is meant to run on. */
static int
slot_node(const struct primary *p, uint32_t s)
{
	const struct conf_worker *w;
	uint32_t g, index;
	int node;

	if (numa_available() < 0 || conf_slot(p->conf, s, &g, &index) < 0)
		return 0;
	w = &p->conf->workers[g];
	if (w->ncpus == 0)
		return 0;
	node = numa_node_of_cpu(w->cpus[index % w->ncpus]);
	return node < 0 || node >= (int)PRIMARY_NODES ? 0 : node;
}

/*
 * What the configuration asks for, shared out over the nodes by the number
 * of slots there; document roots lie on the node of slot 0.
 */
int
memory_size(struct primary *p)
{
	uint64_t roots = files_bytes(p->conf), share;
	uint32_t s, n = p->conf->nslots;

	p->bytes = conf_hugepage_bytes(p->conf, roots);
	if (n == 0)
		return primary_fail(p, -EINVAL, "no workers are configured");
	if (p->bytes <= roots)
		return primary_fail(p, -ENOMEM, "memory.hugepages_mb = %ld is "
		    "less than the document roots take: %lu MB",
		    (long)p->conf->memory.hugepages_mb,
		    (unsigned long)(roots >> 20));
	share = (p->bytes - roots) / n;
	for (s = 0; s < n; s++) {
		p->slot[s].node = slot_node(p, s);
		p->node_bytes[p->slot[s].node] += share;
	}
	p->node_bytes[p->slot[0].node] += p->bytes - share * n;
	return 0;
}

/* ---- zones ------------------------------------------------------------- */

static int
no_memory(struct primary *p, const char *name, size_t len)
{
	return primary_fail(p, -ENOMEM, "no room for %s (%lu kB) in %lu MB of "
	    "hugepages: %s; raise memory.hugepages_mb", name,
	    (unsigned long)(len >> 10), (unsigned long)(p->bytes >> 20),
	    rte_strerror(rte_errno));
}

/* A zone on this node or, if it is full, on any. Not zeroed on purpose:
 * pages are fresh from the kernel. */
static const struct rte_memzone *
zone(struct primary *p, const char *name, size_t len, int node)
{
	const struct rte_memzone *mz;

	mz = rte_memzone_reserve_aligned(name, len, node, 0, 64);
	if (mz == NULL)
		mz = rte_memzone_reserve_aligned(name, len, SOCKET_ID_ANY, 0,
		    64);
	if (mz == NULL)
		no_memory(p, name, len);
	return mz;
}

int
memory_place(struct primary *p, struct board_place *pl, const void *addr,
    size_t len)
{
	const struct rte_memseg *ms = rte_mem_virt2memseg(addr, NULL);
	char link[40];
	size_t off;
	ssize_t n = -1;
	int fd;

	fd = ms != NULL ? rte_memseg_get_fd(ms) : -1;
	if (fd >= 0 && rte_memseg_get_fd_offset(ms, &off) == 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, pl->path, sizeof(pl->path) - 1);
	}
	if (n <= 0)
		return primary_fail(p, -EIO, "cannot find the file behind "
		    "shared memory: %s", rte_strerror(rte_errno));
	pl->path[n] = '\0';
	pl->offset = off + ((uintptr_t)addr - ms->addr_64);
	pl->len = len;
	pl->addr = (uintptr_t)addr;
	return 0;
}

static int
make_ring(struct primary *p, const char *name, uint32_t entries, int node)
{
	const struct rte_memzone *mz;

	mz = zone(p, name, xring_size(entries), node);
	if (mz == NULL)
		return -ENOMEM;
	xring_init(mz->addr, entries);
	return 0;
}

/* ---- what there is per slot and pair of slots -------------------------- */

static uint32_t
slot_ports(const struct primary *p, uint32_t s)
{
	return p->board->group[p->board->slot[s].fixed.group].ports;
}

/* Whether a wire joins a port of slot a with one of slot b. */
static int
joined(const struct primary *p, uint32_t a, uint32_t b)
{
	const struct board_port *bp;
	uint32_t i;

	for (i = 0; i < p->board->head.nports; i++) {
		bp = &p->board->port[i];
		if (bp->type == PORT_WIRE && bp->wire_peer < BOARD_PORTS &&
		    (slot_ports(p, a) & 1u << i) != 0 &&
		    (slot_ports(p, b) & 1u << bp->wire_peer) != 0)
			return 1;
	}
	return 0;
}

static int
make_pair(struct primary *p, uint32_t a, uint32_t b)
{
	char name[RTE_MEMZONE_NAMESIZE];
	int err;

	/* a ring lies where its consumer runs: that one polls it */
	if (a != b && (slot_ports(p, a) & slot_ports(p, b)) != 0) {
		snprintf(name, sizeof(name), SHM_CROSS, a, b);
		err = make_ring(p, name, memory_ring(p), p->slot[b].node);
		if (err < 0)
			return err;
	}
	if (joined(p, a, b)) {
		snprintf(name, sizeof(name), SHM_WIRE, a, b);
		err = make_ring(p, name, memory_wire_ring(p),
		    p->slot[b].node);
		if (err < 0)
			return err;
	}
	return 0;
}

static int
make_slot(struct primary *p, uint32_t s)
{
	struct slot_fixed *f = &p->board->slot[s].fixed;
	struct pslot *ps = &p->slot[s];
	char name[RTE_MEMZONE_NAMESIZE];
	struct arena_shape shape;
	size_t len;

	conf_arena_shape(p->conf, &p->conf->workers[f->group], &shape);
	len = arena_size(&shape);
	if (len == 0)
		return primary_fail(p, -EINVAL,
		    "memory: sizes of the arena are out of range");
	snprintf(name, sizeof(name), SHM_ARENA, s);
	ps->arena = zone(p, name, len, ps->node);
	if (ps->arena == NULL)
		return -ENOMEM;
	snprintf(name, sizeof(name), SHM_POOL, s);
	ps->pool = mbuf_pool_create(name, f->npkts, f->pkt_room, ps->node);
	if (ps->pool == NULL)
		return no_memory(p, name,
		    (size_t)f->npkts * (f->pkt_room + 384));
	return memory_place(p, &f->arena, ps->arena->addr, len);
}

static int
make_spread(struct primary *p, uint32_t ports)
{
	const struct conf_memory *m = &p->conf->memory;
	char name[RTE_MEMZONE_NAMESIZE];
	uint32_t s;
	int err;

	p->spread_pool = mbuf_pool_create(SHM_SPREAD_POOL,
	    (uint32_t)m->buffers, PKT_HEADROOM + (uint32_t)m->buffer_size,
	    p->slot[0].node);
	if (p->spread_pool == NULL)
		return no_memory(p, SHM_SPREAD_POOL,
		    (size_t)m->buffers * ((size_t)m->buffer_size + 512));
	for (s = 0; s < p->board->head.nslots; s++) {
		if ((slot_ports(p, s) & ports) == 0)
			continue;
		snprintf(name, sizeof(name), SHM_SPREAD_RX, s);
		err = make_ring(p, name, memory_ring(p), p->slot[s].node);
		if (err < 0)
			return err;
		snprintf(name, sizeof(name), SHM_SPREAD_TX, s);
		err = make_ring(p, name, memory_ring(p), p->slot[0].node);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Frames to fill queues with while their slot's pool is in repair. */
static int
make_fence(struct primary *p)
{
	const struct conf_memory *m = &p->conf->memory;
	uint32_t i, n = 0;

	for (i = 0; i < p->board->head.nports; i++)
		if (p->board->port[i].lane == LANE_DIRECT &&
		    p->board->port[i].repair == REPAIR_PORT)
			n += p->port[i].rx_desc *
			    (uint32_t)__builtin_popcount(p->port[i].slots);
	if (n == 0)
		return 0;
	p->fence_pool = mbuf_pool_create("sf_pool_fence", n + SHM_CACHE * 2,
	    PKT_HEADROOM + (uint32_t)m->buffer_size, p->slot[0].node);
	if (p->fence_pool == NULL)
		return no_memory(p, "sf_pool_fence",
		    (size_t)n * ((size_t)m->buffer_size + 512));
	return 0;
}

/* ---- all --------------------------------------------------------------- */

static int
lowest(const struct rte_memseg_list *msl, void *arg)
{
	uint64_t *base = arg;

	if (!msl->external && msl->addr_64 != 0 && msl->addr_64 < *base)
		*base = msl->addr_64;
	return 0;
}

/* Refs reach 256 GiB above the base: check that all frames are below. */
static int
check_reach(struct primary *p, struct rte_mempool *mp)
{
	struct rte_mempool_memhdr *h;
	uint64_t end;

	STAILQ_FOREACH(h, &mp->mem_list, next) {
		end = (uintptr_t)h->addr + h->len - p->board->head.base;
		if (end > (uint64_t)PKT_NONE << PKT_REF_SHIFT)
			return primary_fail(p, -ERANGE, "memory of %s lies "
			    "too far from the base; use fewer NUMA nodes or "
			    "page sizes", mp->name);
	}
	return 0;
}

static int
make_secret(struct primary *p)
{
	const struct rte_memzone *mz;

	mz = zone(p, SHM_SECRET, sizeof(struct shm_secret), p->slot[0].node);
	if (mz == NULL)
		return -ENOMEM;
	if (getrandom(mz->addr, sizeof(struct shm_secret), 0) !=
	    (ssize_t)sizeof(struct shm_secret))
		return primary_fail(p, -EIO, "no random numbers");
	return 0;
}

int
memory_make(struct primary *p)
{
	uint32_t a, b, i, n = p->board->head.nslots, dispatched = 0;
	uint64_t base = UINT64_MAX;
	int err;

	rte_memseg_list_walk(lowest, &base);
	p->board->head.base = base;
	err = make_secret(p);
	for (a = 0; err == 0 && a < n; a++) {
		err = make_slot(p, a);
		for (b = 0; err == 0 && b < n; b++)
			err = make_pair(p, a, b);
		if (err == 0)
			err = check_reach(p, p->slot[a].pool);
	}
	for (i = 0; i < p->board->head.nports; i++)
		if (p->board->port[i].lane == LANE_DISPATCH)
			dispatched |= 1u << i;
	if (err == 0 && dispatched != 0)
		err = make_spread(p, dispatched);
	if (err == 0 && p->spread_pool != NULL)
		err = check_reach(p, p->spread_pool);
	if (err == 0)
		err = make_fence(p);
	return err;
}
