#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/log.h"
#include "reads.h"

#define SCAN	4096u		/* records looked at in one go */
#define CLEAN	2u		/* passes without a find: frames in flight are
				   done by then, too */

/* ---- options ------------------------------------------------------------- */

/*
 * Copy our options from the board. false: they are just being written, are of
 * another build, or there are none.
 */
static bool
take_options(struct io *io, void *to, uint32_t *seq)
{
	const struct board_live *l = &io->board->live;
	const struct board_options *o = &l->group[io->group];
	const struct optgroup *g = io->worker->desc->opts;
	bool right;

	/* seqlock: pairs with the supervisor's release stores */
	*seq = atomic_load_explicit(&l->seq, memory_order_acquire);
	if (*seq == 0 || *seq % 2 != 0 || g == NULL)
		return false;
	right = o->size == g->size && o->table == opt_hash(g) &&
	    g->size <= sizeof(o->bytes);
	if (right)
		memcpy(to, o->bytes, g->size);
	atomic_thread_fence(memory_order_acquire);
	return right && atomic_load_explicit(&l->seq, memory_order_relaxed) ==
	    *seq;
}

int
live_start(struct io *io)
{
	const struct optgroup *g = io->worker->desc->opts;
	size_t size = g != NULL ? g->size : 1;

	io->options[0] = calloc(1, size);
	io->options[1] = calloc(1, size);
	if (io->options[0] == NULL || io->options[1] == NULL)
		return -ENOMEM;
	io->svc.conf = io->worker->options;
	if (take_options(io, io->options[0], &io->live_seq)) {
		io->svc.conf = io->options[0];
		io->options_at = 1;
	}
	io->live_seq = atomic_load_explicit(&io->board->live.seq,
	    memory_order_acquire) & ~1u;
	atomic_store_explicit(&io->slot->worker.live_seq, io->live_seq,
	    memory_order_relaxed);
	return 0;
}

static bool
follow_options(struct io *io)
{
	uint32_t seq = atomic_load_explicit(&io->board->live.seq,
	    memory_order_acquire);
	bool changed;

	if (seq == io->live_seq || seq % 2 != 0)
		return false;
	changed = take_options(io, io->options[io->options_at], &seq);
	if (seq % 2 != 0)
		return false;
	if (changed) {
		io->svc.conf = io->options[io->options_at];
		io->options_at ^= 1;
	}
	io->live_seq = seq;
	return changed;
}

/* ---- document roots ------------------------------------------------------ */

static bool
follow_roots(struct io *io)
{
	uint32_t gen, i, side;

	/* pairs with the primary's release: the images are whole */
	gen = atomic_load_explicit(&io->board->cache.generation,
	    memory_order_acquire);
	if (gen == io->cache_gen)
		return false;
	io->cache_gen = gen;
	side = (gen - 1) % 2;
	for (i = 0; i < io->board->head.nroots && i < BOARD_ROOTS; i++) {
		io->root[i] = svc_io_image(io, i, side);
		if (io->reads != NULL)
			reads_root(io->reads, 2 * i + side, io->root[i],
			    io->board->root[i].from[side], -1);
	}
	io->scan_at = io->scan_clean = 0;
	return true;
}

void
live_sit(struct io *io)
{
	io->cache_free = atomic_load_explicit(&io->slot->worker.cache_free,
	    memory_order_relaxed);
	(void)follow_roots(io);
}

/* Whoever gave them may have followed the board before us. */
void
live_arrived(struct io *io)
{
	if (follow_roots(io) && io->svc.service->reload != NULL)
		io->svc.service->reload(&io->svc, io->now);
	atomic_store_explicit(&io->slot->worker.cache_free, 0,
	    memory_order_release);
	io->scan_at = io->scan_clean = 0;
	io->cache_free = 0;
}

/* Whether a connection will still send files; old: of the generation before
 * alone. */
static bool
uses(struct io *io, struct conn *c, bool old)
{
	const struct board_root *r;
	const uint8_t *lo;
	uint32_t i;

	if (io->svc.service->holds != NULL &&
	    io->svc.service->holds(&io->svc, c, old))
		return true;
	for (i = 0; i < io->board->head.nroots && i < BOARD_ROOTS; i++) {
		r = &io->board->root[i];
		lo = (const uint8_t *)(uintptr_t)r->place.addr;
		if (old && conn_sends(io->net, c, lo + io->cache_gen % 2 *
		    r->side, r->side))
			return true;
		if (!old && conn_sends(io->net, c, lo, r->place.len))
			return true;
	}
	return false;
}

void
live_adopted(struct io *io)
{
	/* acquire: pairs with the primary's release */
	uint32_t lost = atomic_load_explicit(&io->slot->fixed.lost,
	    memory_order_acquire), i, n = 0;
	struct conn *c;

	if (lost == atomic_load_explicit(&io->slot->worker.lost,
	    memory_order_relaxed))
		return;
	for (i = 0; i < io->conns; i++) {
		c = conn_enter(io->net, i);
		if (c == NULL)
			continue;
		if (uses(io, c, false)) {
			conn_abort(io->net, c);
			n++;
		}
		conn_leave(io->net, c);
	}
	/* only now: who dies before leaves it to the next one */
	atomic_store_explicit(&io->slot->worker.lost, lost,
	    memory_order_release);
	if (n > 0)
		board_event(&io->slot->events, io->me, 1, "%u downloads end: "
		    "their files were replaced while the slot was dead", n);
}

/*
 * Find out whether the generation before is still used: a look at every
 * record, some at a time. Nobody begins to use it any more, so who was seen
 * without it once stays without. Records on the move are not seen, and may
 * come back: it begins again after them.
 */
static void
scan(struct io *io)
{
	uint32_t end = io->scan_at + SCAN, n = io->conns;
	struct conn *c;

	if (io->moving > 0) {
		io->scan_clean = io->scan_at = 0;
		return;
	}
	for (; io->scan_at < end && io->scan_at < n; io->scan_at++) {
		c = (struct conn *)(uintptr_t)conn_look(io->net, io->scan_at);
		if (c != NULL && uses(io, c, true)) {
			io->scan_clean = io->scan_at = 0;
			return;
		}
	}
	if (io->scan_at < n)
		return;
	io->scan_at = 0;
	if (++io->scan_clean < CLEAN)
		return;
	io->cache_free = io->cache_gen;
	/* pairs with the primary's acquire: we do not look there any more */
	atomic_store_explicit(&io->slot->worker.cache_free, io->cache_free,
	    memory_order_release);
}

void
live_turn(struct io *io)
{
	const struct service *sv = io->svc.service;
	bool changed = follow_options(io);

	changed |= follow_roots(io);
	if (changed && sv->reload != NULL)
		sv->reload(&io->svc, io->now);
	atomic_store_explicit(&io->slot->worker.cache_gen, io->cache_gen,
	    memory_order_relaxed);
	/* release: what was asked for is in force */
	atomic_store_explicit(&io->slot->worker.live_seq, io->live_seq,
	    memory_order_release);
	if (io->cache_free != io->cache_gen)
		scan(io);
}
