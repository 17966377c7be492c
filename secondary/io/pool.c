#include <errno.h>
#include <stdlib.h>

#include <rte_lcore.h>
#include <rte_mempool.h>

#include "../../common/mbuf.h"
#include "io.h"

#define POOL_LOW	(PKTPOOL_MAX / 4)
#define POOL_HIGH	(PKTPOOL_MAX * 3 / 4)
#define POOL_AIM	(PKTPOOL_MAX / 2)
#define POOL_BATCH	256u

/*
 * Move frames from the mempool to hand, up to aim. Past the mempool's cache,
 * which serves the drivers: ours is the larger one.
 */
static void
pool_take(struct io *io, uint32_t aim)
{
	struct pktpool *pp = io->pool;
	struct rte_mempool_cache *cache;
	void *obj[POOL_BATCH];
	uint32_t n, have, i;

	if (!io->pool_open)
		return;
	have = rte_mempool_ops_get_count(io->mp);
	if (have == 0) {
		cache = rte_mempool_default_cache(io->mp, rte_lcore_id());
		if (cache == NULL || cache->len == 0)
			return;
		rte_mempool_cache_flush(cache, io->mp);
		have = rte_mempool_ops_get_count(io->mp);
	}
	while (pp->n < aim && have > 0) {
		n = aim - pp->n;
		if (n > have)
			n = have;
		if (n > POOL_BATCH)
			n = POOL_BATCH;
		if (rte_mempool_ops_dequeue_bulk(io->mp, obj, n) < 0)
			return;
		have -= n;
		for (i = 0; i < n; i++)
			pp->p[pp->n++] = mbuf_pkt(obj[i]);
	}
}

static void
pool_give(struct io *io, uint32_t aim)
{
	struct pktpool *pp = io->pool;
	void *obj[POOL_BATCH];
	uint32_t n, i;

	while (pp->n > aim) {
		n = pp->n - aim;
		if (n > POOL_BATCH)
			n = POOL_BATCH;
		for (i = 0; i < n; i++)
			obj[i] = pkt_mbuf(pp->p[--pp->n]);
		rte_mempool_ops_enqueue_bulk(io->mp, obj, n);
	}
}

static void
pool_fill(struct pktpool *pp, void *arg)
{
	pool_take(arg, POOL_LOW);
}

static void
pool_trim(struct pktpool *pp, void *arg)
{
	pool_give(arg, POOL_AIM);
}

int
pool_open(struct io *io)
{
	io->pool = calloc(1, sizeof(*io->pool));
	if (io->pool == NULL)
		return -ENOMEM;
	io->pool->low = POOL_LOW;
	io->pool->fill = pool_fill;
	io->pool->trim = pool_trim;
	io->pool->arg = io;
	return 0;
}

void
pool_balance(struct io *io)
{
	if (__builtin_expect(io->pool->n < POOL_LOW, 0))
		pool_take(io, POOL_AIM);
	else if (__builtin_expect(io->pool->n > POOL_HIGH, 0))
		pool_give(io, POOL_AIM);
}

uint32_t
pool_free(struct io *io)
{
	struct rte_mempool_cache *cache;
	uint32_t n = io->pool->n;

	if (!io->pool_open)
		return n;
	cache = rte_mempool_default_cache(io->mp, rte_lcore_id());
	if (cache != NULL)
		n += cache->len;
	return n + rte_mempool_ops_get_count(io->mp);
}

void
pool_close(struct io *io)
{
	if (io->pool_open)
		pool_give(io, 0);
}
