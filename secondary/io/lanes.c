#include <string.h>

#include "../../common/bell.h"
#include "io.h"

#define STUCK_US	10000u	/* a ring that is full for so long loses what
				   is sent to it */

void
lanes_hand_off(struct io *io, uint32_t to, struct pkt *p)
{
	struct xent e = { .ref = pkt_ref(io->base, p), .kind = XKIND_FRAME,
	    .port = p->port };

	if (to >= BOARD_SLOTS || io->cross[to].r == NULL ||
	    !ring_put(&io->cross[to], io->pool, e, 0)) {
		io_count(io, CNT_drop_ring_full, 1);
		pktpool_put(io->pool, p);
		return;
	}
	io_count(io, CNT_handed_off, 1);
}

/* Frames of ours to the stack. */
static inline void
feed(struct io *io, struct pkt **in, uint32_t n)
{
	if (__builtin_expect(io->fault != NULL, 0))
		n = fault_receive(io, in, n);
	net_input(io->net, in, n, io->now);
	if (__builtin_expect(io->fault != NULL, 0) && n > 0)
		fault_point(io, FAULT_AT_INPUT);
}

static uint32_t
receive_ring(struct io *io, struct ring_in *r)
{
	struct pkt *in[ARENA_BURST];
	uint32_t n, i;
	uint64_t bytes = 0;

	n = ring_take(io, r, in, ARENA_BURST);
	io->drained &= xring_ready(r->r) == 0;
	if (n == 0)
		return 0;
	if (r->fresh) {
		for (i = 0; i < n; i++)
			bytes += in[i]->len;
		io_count(io, CNT_rx_frames, n);
		io_count(io, CNT_rx_bytes, bytes);
		i = hold_burst(io, in, n, r->wire ? HOLD_WIRE : HOLD_DIRECT);
	} else {
		/* what was handed to us may have gone on meanwhile */
		i = io->buckets != NULL ?
		    hold_burst(io, in, n, HOLD_HANDED) : n;
	}
	if (i > 0)
		feed(io, in, i);
	return n;
}

uint32_t
lanes_receive(struct io *io)
{
	struct pktq *out = net_out(io->net);
	struct pkt *in[QUEUE_BURST];
	uint32_t i, n, k, total = 0;

	if (__builtin_expect(io->fault != NULL, 0))
		total = fault_later(io);
	io->drained = true;
	for (i = 0; i < io->nqueues; i++) {
		n = queue_receive(io, &io->queue[i], in, QUEUE_BURST);
		io->drained &= n < QUEUE_BURST;
		if (n == 0)
			continue;
		total += n;
		k = hold_burst(io, in, n, HOLD_DIRECT);
		feed(io, in, k);
		/* replies of one burst never fill the queue for the next */
		if (out->n > PKTQ_MAX / 2)
			lanes_send(io);
	}
	for (i = 0; i < io->nin; i++) {
		n = receive_ring(io, &io->in[i]);
		total += n;
		if (n > 0 && out->n > PKTQ_MAX / 2)
			lanes_send(io);
	}
	return total;
}

/*
 * Put a frame into a ring of the stack's queue. Returns whether the frame is
 * off our hands; if not, it waits for the consumer.
 */
static bool
put_or_drop(struct io *io, struct ring_out *o, struct pkt *p, uint16_t kind,
    uint16_t port)
{
	struct xent e = { .ref = pkt_ref(io->base, p), .kind = kind,
	    .port = port };
	uint32_t bytes = p->nfrag == 0 ? p->len : pkt_total(p);

	if (!o->blocked && ring_put(o, io->pool, e, p->mark)) {
		io_count(io, CNT_tx_frames, 1);
		io_count(io, CNT_tx_bytes, bytes);
		return true;
	}
	if (o->full_us == 0)
		o->full_us = io->now;
	if (io->now - o->full_us < STUCK_US) {
		o->blocked = io->blocked = true;
		return false;
	}
	io_count(io, CNT_drop_ring_full, 1);
	pktpool_put(io->pool, p);
	return true;
}

/* The wire's far side: choose the slot as a NIC's RSS would. */
static bool
send_wire(struct io *io, struct pkt *p)
{
	uint32_t peer = io->peer[p->port], to = io->only[peer];

	if (to == BOARD_NONE && io->steer[peer] != NULL) {
		to = steer_owner(io->steer[peer], p);
		if (to == STEER_HOLD)	/* we are at both ends */
			to = io->me;
		if (to == BOARD_NONE)
			to = steer_any(io->board, peer);
	}
	if (to >= BOARD_SLOTS || io->wire[to].r == NULL) {
		io_count(io, CNT_drop_not_ours, 1);
		pktpool_put(io->pool, p);
		return true;
	}
	return put_or_drop(io, &io->wire[to], p, XKIND_WIRE, (uint16_t)peer);
}

static bool
send_queue(struct io *io, struct pkt *p)
{
	struct queue *q = io->queue_of[p->port];

	if (!q->blocked && queue_put(io, q, p))
		return true;
	q->blocked = io->blocked = true;
	return false;
}

static bool
send_one(struct io *io, struct pkt *p)
{
	switch (io->lane[p->port]) {
	case LANE_WIRE:
		return send_wire(io, p);
	case LANE_DIRECT:
		if (io->queue_of[p->port] != NULL)
			return send_queue(io, p);
		break;
	case LANE_DISPATCH:
		if (io->spread.r != NULL)
			return put_or_drop(io, &io->spread, p, XKIND_FRAME,
			    p->port);
		break;
	}
	io_count(io, CNT_drop_not_ours, 1);
	pktpool_put(io->pool, p);
	return true;
}

bool
lanes_send(struct io *io)
{
	struct pktq *out = net_out(io->net);
	uint32_t i, kept = 0;

	if (io->blocked) {
		io->blocked = false;
		for (i = 0; i < io->nouts; i++)
			io->outs[i]->blocked = false;
		for (i = 0; i < io->nqueues; i++)
			io->queue[i].blocked = false;
	}
	for (i = 0; i < out->n; i++) {
		if (!send_one(io, out->p[i]))
			out->p[kept++] = out->p[i];
	}
	out->n = kept;
	io->staged = false;
	for (i = 0; i < io->nqueues; i++) {
		if (io->queue[i].nstaged == 0)
			continue;
		queue_flush(io, &io->queue[i]);
		io->staged |= io->queue[i].nstaged > 0;
	}
	for (i = 0; i < io->nouts; i++)
		ring_flush(io->outs[i]);
	return kept == 0 && !io->staged;
}

/* The earlier of two marks. */
static inline uint32_t
mark_min(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0 ? a : b;
}

void
lanes_reclaim(struct io *io)
{
	struct pktq *out = net_out(io->net);
	struct ring_out *o;
	uint32_t i, mark, done = net_tx_mark(io->net);

	for (i = 0; i < io->nouts; i++) {
		o = io->outs[i];
		ring_flush(o);
		if (ring_busy(o) == 0)
			continue;
		ring_reclaim(o, io->pool);
		if (o->mark != NULL && ring_busy(o) > 0)
			done = mark_min(done,
			    o->mark[o->taken & o->r->mask] - 1);
	}
	for (i = 0; i < io->nqueues; i++) {
		if (queue_reclaim(&io->queue[i], &mark))
			done = mark_min(done, mark - 1);
	}
	if (out->n > 0)
		done = mark_min(done, out->p[0]->mark - 1);
	if (done != io->tx_done) {
		io->tx_done = done;
		net_tx_done(io->net, done);
	}
}

void
lanes_void(struct io *io)
{
	uint32_t i;

	for (i = 0; i < io->nouts; i++)
		ring_void(io->outs[i], io->pool, io->now);
}

bool
lanes_ready(struct io *io)
{
	uint32_t i;

	for (i = 0; i < io->nin; i++) {
		if (xring_ready(io->in[i].r) > 0)
			return true;
	}
	return false;
}

bool
lanes_busy(struct io *io)
{
	uint32_t i;
	bool busy = net_out(io->net)->n > 0;

	for (i = 0; i < io->nqueues; i++) {
		queue_settle(&io->queue[i]);
		busy |= io->queue[i].nstaged > 0 ||
		    io->queue[i].pend_head != io->queue[i].pend_tail;
	}
	for (i = 0; i < io->nouts; i++)
		busy |= ring_busy(io->outs[i]) > 0;
	return busy;
}

void
lanes_held(struct io *io, void (*fn)(void *arg, uint32_t ref), void *arg)
{
	uint32_t i;

	for (i = 0; i < io->nouts; i++)
		ring_out_held(io->outs[i], fn, arg);
}

/* Put a copy of a neighbour's frame into the ring to a slot. */
static void
tell(struct io *io, struct ring_out *o, const struct pkt *p)
{
	struct pkt *q = pktpool_get(io->pool);
	struct xent e = { .kind = XKIND_NEIGH, .port = p->port };

	if (q == NULL)
		return;
	pkt_reset(q, PKT_HEADROOM);
	q->port = p->port;
	e.ref = pkt_ref(io->base, q);
	if (p->len > q->room - PKT_HEADROOM ||
	    !ring_put(o, io->pool, e, 0)) {
		pktpool_put(io->pool, q);
		return;
	}
	q->len = p->len;
	memcpy(pkt_data(q), pkt_data(p), p->len);
}

void
lanes_learned(void *arg, const struct pkt *p)
{
	struct io *io = arg;
	const struct board *b = io->board;
	uint32_t i, g;

	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		g = b->slot[i].fixed.group;
		if (i != io->me && g < BOARD_GROUPS &&
		    (b->group[g].ports >> p->port & 1) &&
		    io->cross[i].r != NULL)
			tell(io, &io->cross[i], p);
	}
}

bool
lanes_elsewhere(void *arg, struct pkt *p)
{
	struct io *io = arg;
	uint32_t owner;

	if (!io->shared[p->port])
		return false;
	owner = steer_owner(io->steer[p->port], p);
	if (owner == io->me || owner == BOARD_NONE)
		return false;
	if (owner == STEER_HOLD) {
		hold_put(io, p, HOLD_HANDED);
		return true;
	}
	lanes_hand_off(io, owner, p);
	return true;
}

int
lanes_own(void *arg, uint32_t port, const struct net_addr *local,
    const struct net_addr *remote)
{
	struct io *io = arg;

	if (port >= BOARD_PORTS)
		return 0;
	return !io->shared[port] ||
	    steer_flow(io->steer[port], local, remote) == io->me;
}

uint32_t
lanes_bucket(void *arg, uint32_t port, const struct net_addr *local,
    const struct net_addr *remote)
{
	struct io *io = arg;

	/* where nobody steers nothing moves */
	if (port >= BOARD_PORTS || io->steer[port] == NULL)
		return 0;
	return steer_bucket(io->steer[port], local, remote);
}
