#include "frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mempool.h>
#include <rte_memzone.h>

#include "../../common/log.h"
#include "../../common/mbuf.h"
#include "../../common/shm.h"
#include "find.h"

#define BATCH	64u
#define AHEAD	8u	/* frames whose lines are asked for beforehand */

/* Bit i of both maps: 64 bytes at lo + i * 64. */
struct frames {
	struct rte_mempool *mp;	/* NULL: not found yet */
	uintptr_t lo, hi;	/* first frame, last frame */
	uint64_t *is, *held;
	uint32_t words;
};

static struct frames all[BOARD_SLOTS];

static void
find_span(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct frames *f = arg;
	uintptr_t at = (uintptr_t)mbuf_pkt(obj);

	if (at < f->lo)
		f->lo = at;
	if (at > f->hi)
		f->hi = at;
}

static void
mark_frame(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct frames *f = arg;
	size_t at = ((uintptr_t)mbuf_pkt(obj) - f->lo) >> PKT_REF_SHIFT;

	f->is[at / 64] |= 1ull << at % 64;
}

int
frames_find(struct io *io, uint32_t slot)
{
	struct frames *f = &all[slot];
	char name[RTE_MEMZONE_NAMESIZE];
	struct rte_mempool *mp;

	if (f->mp != NULL)
		return 0;
	snprintf(name, sizeof(name), SHM_POOL, slot);
	mp = find_pool(name);
	if (mp == NULL) {
		log_error("no packet pool %s", name);
		return -ENOENT;
	}
	f->lo = UINTPTR_MAX;
	f->hi = 0;
	rte_mempool_obj_iter(mp, find_span, f);
	f->words = (uint32_t)(((f->hi - f->lo) >> PKT_REF_SHIFT) / 64) + 1;
	f->is = calloc(f->words, sizeof(f->is[0]));
	f->held = calloc(f->words, sizeof(f->held[0]));
	if (f->is == NULL || f->held == NULL) {
		log_error("no memory for a map of the pool");
		return -ENOMEM;
	}
	rte_mempool_obj_iter(mp, mark_frame, f);
	f->mp = mp;
	return 0;
}

void
frames_forget(struct io *io)
{
	struct frames *f = &all[io->me];

	memset(f->held, 0, f->words * sizeof(f->held[0]));
}

/* The bit of a ref; false: no frame lies there. */
static bool
locate(const struct io *io, uint32_t ref, size_t *at)
{
	const struct frames *f = &all[io->me];
	uintptr_t p = (uintptr_t)pkt_at(io->base, ref);

	if (p < f->lo || p > f->hi)
		return false;
	*at = (p - f->lo) >> PKT_REF_SHIFT;
	return (f->is[*at / 64] >> *at % 64 & 1) != 0;
}

bool
frames_is(void *arg, uint32_t ref)
{
	size_t at;

	return locate(arg, ref, &at);
}

bool
frames_claim(void *arg, uint32_t ref)
{
	struct io *io = arg;
	struct frames *f = &all[io->me];
	size_t at;

	if (!locate(io, ref, &at) || (f->held[at / 64] >> at % 64 & 1) != 0)
		return false;
	f->held[at / 64] |= 1ull << at % 64;
	return true;
}

void
frames_disclaim(void *arg, uint32_t ref)
{
	struct io *io = arg;
	size_t at;

	if (locate(io, ref, &at))
		all[io->me].held[at / 64] &= ~(1ull << at % 64);
}

/* Call fn(mbuf) for each frame that is not held, AHEAD of time known. */
struct rebuild {
	struct rte_mempool *mp;
	struct rte_mbuf *next[AHEAD];	/* asked for, not yet renewed */
	uint32_t nnext, n, put;
	void *obj[BATCH];
};

static void
renew(struct rebuild *r, struct rte_mbuf *m)
{
	mbuf_renew(m, r->mp);
	r->obj[r->n++] = m;
	if (r->n < BATCH)
		return;
	rte_mempool_ops_enqueue_bulk(r->mp, r->obj, r->n);
	r->put += r->n;
	r->n = 0;
}

static void
prefetch(const struct rte_mbuf *m)
{
	uint32_t i;

	/* header of the pool's, mbuf, frame */
	for (i = 0; i <= 256; i += 64)
		__builtin_prefetch((const char *)m - 64 + i, 1);
}

uint32_t
frames_rebuild(struct io *io)
{
	struct frames *f = &all[io->me];
	struct rebuild r = { .mp = f->mp };
	struct rte_mbuf *m;
	uint64_t bits;
	uint32_t w, i;

	mbuf_pool_reset(f->mp);
	for (w = 0; w < f->words; w++) {
		for (bits = f->is[w] & ~f->held[w]; bits != 0;
		    bits &= bits - 1) {
			m = pkt_mbuf((struct pkt *)(f->lo + (((size_t)w * 64 +
			    (uint32_t)__builtin_ctzll(bits)) <<
			    PKT_REF_SHIFT)));
			prefetch(m);
			i = r.nnext++ % AHEAD;
			if (r.next[i] != NULL)
				renew(&r, r.next[i]);
			r.next[i] = m;
		}
	}
	for (i = 0; i < AHEAD; i++) {
		if (r.next[i] != NULL)
			renew(&r, r.next[i]);
	}
	if (r.n > 0)
		rte_mempool_ops_enqueue_bulk(f->mp, r.obj, r.n);
	return r.put + r.n;
}

uint32_t
frames_count(const struct io *io)
{
	return all[io->me].mp->size;
}
