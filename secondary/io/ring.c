#include "ring.h"

#include "../../common/bell.h"
#include "io.h"

#define AHEAD	4u	/* entries whose memory is asked for beforehand */
#define VOID_US	500000u	/* time for a successor to go on where a consumer
			   died */

void
ring_out_open(struct ring_out *o, struct xring *r, uintptr_t base)
{
	o->r = r;
	o->base = base;
	o->staged = 0;
	o->taken = xring_kept(r);
	o->full_us = 0;
}

void
ring_out_held(const struct ring_out *o, void (*fn)(void *arg, uint32_t ref),
    void *arg)
{
	uint32_t i, end;

	end = atomic_load_explicit(&o->r->prod, memory_order_relaxed);
	for (i = o->taken; i != end; i++)
		fn(arg, o->r->ent[i & o->r->mask].ref);
}

uint32_t
ring_reclaim(struct ring_out *o, struct pktpool *pool)
{
	uint32_t cons = xring_done(o->r), n = cons - o->taken, i;
	uint32_t most = atomic_load_explicit(&o->r->prod,
	    memory_order_relaxed) - o->taken;

	/* an index beyond what was published is a broken consumer's */
	if (n == 0 || n > most)
		return 0;
	for (i = o->taken; i != cons; i++)
		pktpool_put(pool, pkt_at(o->base,
		    o->r->ent[i & o->r->mask].ref));
	o->taken = cons;
	o->full_us = 0;
	return n;
}

void
ring_void(struct ring_out *o, struct pktpool *pool, uint64_t now_us)
{
	uint32_t cons = xring_done(o->r), pid, end;

	if (o->to == NULL || ring_busy(o) == 0 || cons != o->idle_cons) {
		o->idle_cons = cons;
		o->idle_us = now_us;
		return;
	}
	if (now_us - o->idle_us < VOID_US)
		return;
	o->idle_us = now_us;
	pid = atomic_load_explicit(&o->to->pid, memory_order_acquire);
	if (board_pid_alive((pid_t)pid, atomic_load_explicit(
	    &o->to->pid_start, memory_order_relaxed)))
		return;
	end = atomic_load_explicit(&o->r->prod, memory_order_relaxed);
	if (!xring_void(o->r, &o->to->pid, pid))
		return;
	for (; o->taken != end; o->taken++)
		pktpool_put(pool, pkt_at(o->base,
		    o->r->ent[o->taken & o->r->mask].ref));
	o->full_us = 0;
}

void
ring_flush(struct ring_out *o)
{
	if (o->staged == 0)
		return;
	xring_publish(o->r, o->staged);
	o->staged = 0;
	bell_call(o->bell, o->asleep);
}

/* Ask for the lines that the packet after the next will be written to. */
static inline void
prefetch_free(const struct pktpool *pp)
{
	const char *p;

	if (pp->n < 3)
		return;
	p = (const char *)pp->p[pp->n - 3];
	__builtin_prefetch(p, 1);
	__builtin_prefetch(p + sizeof(struct pkt) + PKT_HEADROOM, 1);
	__builtin_prefetch(p + sizeof(struct pkt) + PKT_HEADROOM + 64, 1);
}

/*
 * Take the packets of one entry. Returns whether the entry is finished; if
 * not, out is full and the next call goes on.
 */
static bool
take_entry(struct io *io, struct ring_in *in, struct xent e,
    struct pkt **out, uint32_t room, uint32_t *got)
{
	uint16_t rx = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK;
	struct pkt *p;
	uint32_t n = 0;
	int more;

	*got = 0;
	if (!in->cutting && cut_open(&in->cut, &in->src, e.ref) < 0) {
		io_count(io, CNT_drop_short, 1);
		return true;
	}
	in->cutting = true;
	if (in->wire)
		rx |= in->cut.src.flags & PKT_RX_HASH;
	else
		rx = in->cut.src.flags &
		    (PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK | PKT_RX_HASH);
	do {
		if (n == room) {
			*got = n;
			return false;
		}
		prefetch_free(io->pool);
		p = pktpool_get(io->pool);
		if (p == NULL) {
			io_count(io, CNT_drop_no_buffer, 1);
			break;
		}
		more = cut_next(&in->cut, p, rx);
		if (more < 0) {
			pktpool_put(io->pool, p);
			io_count(io, CNT_drop_oversize, 1);
			break;
		}
		p->port = (uint8_t)e.port;
		out[n++] = p;
	} while (more > 0);
	in->cutting = false;
	*got = n;
	return true;
}

uint32_t
ring_take(struct io *io, struct ring_in *in, struct pkt **out, uint32_t max)
{
	uint32_t ready = xring_ready(in->r), i, n = 0, got;
	struct xent e;

	if (ready == 0)
		return 0;
	if (ready > in->r->size)	/* a broken producer's index */
		ready = in->r->size;
	for (i = 0; i < AHEAD && i < ready; i++)
		cut_prefetch(&in->src, xring_peek(in->r, i).ref);
	for (i = 0; i < ready && n < max; i++) {
		e = xring_peek(in->r, i);
		if (i + AHEAD < ready)
			cut_prefetch(&in->src,
			    xring_peek(in->r, i + AHEAD).ref);
		if (e.port >= BOARD_PORTS || !io->serves[e.port]) {
			io_count(io, CNT_drop_not_ours, 1);
			continue;
		}
		if (!take_entry(io, in, e, out + n, max - n, &got)) {
			n += got;
			break;
		}
		if (e.kind == XKIND_NEIGH) {
			while (got > 0)
				net_learn(io->net, out[n + --got], io->now);
			continue;
		}
		if (e.kind == XKIND_FRAME)
			io_count(io, CNT_handed_in, got);
		n += got;
	}
	if (i > 0)
		xring_consume(in->r, i);
	return n;
}
