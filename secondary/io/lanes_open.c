#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "../../common/log.h"
#include "../../common/shm.h"
#include "find.h"
#include "io.h"

static bool
slot_serves(const struct board *b, uint32_t slot, uint32_t port)
{
	uint32_t g = b->slot[slot].fixed.group;

	return g < BOARD_GROUPS && (b->group[g].ports >> port & 1) != 0;
}

/* The one slot that serves a port; BOARD_NONE: none, or several. */
static uint32_t
only_slot(const struct board *b, uint32_t port)
{
	uint32_t i, found = BOARD_NONE;

	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		if (!slot_serves(b, i, port))
			continue;
		if (found != BOARD_NONE)
			return BOARD_NONE;
		found = i;
	}
	return found;
}

static int
open_steer(struct io *io, uint32_t port)
{
	if (io->steer[port] != NULL)
		return 0;
	io->steer[port] = malloc(sizeof(*io->steer[port]));
	if (io->steer[port] == NULL)
		return -ENOMEM;
	steer_init(io->steer[port], io->board, port);
	return 0;
}

static int
open_ports(struct io *io)
{
	const struct board *b = io->board;
	const struct board_port *bp;
	uint32_t i, q;
	int err = 0;

	for (i = 0; i < b->head.nports && i < BOARD_PORTS; i++) {
		bp = &b->port[i];
		io->serves[i] = slot_serves(b, io->me, i);
		io->lane[i] = bp->lane;
		io->peer[i] = (uint8_t)(bp->wire_peer % BOARD_PORTS);
		io->only[i] = (uint8_t)only_slot(b, i);
	}
	for (i = 0; i < b->head.nports && i < BOARD_PORTS; i++) {
		if (!io->serves[i])
			continue;
		bp = &b->port[i];
		io->shared[i] = io->only[i] == BOARD_NONE;
		if (io->shared[i])
			err = open_steer(io, i);
		if (err == 0 && bp->lane == LANE_WIRE &&
		    io->only[io->peer[i]] == BOARD_NONE)
			err = open_steer(io, io->peer[i]);
		if (err < 0)
			return err;
		q = io->slot->fixed.queue[i];
		if (bp->lane == LANE_DIRECT && q != BOARD_NONE) {
			io->queue_of[i] = &io->queue[io->nqueues++];
			queue_open(io->queue_of[i], io, i, (uint16_t)q);
		}
	}
	return 0;
}

static struct xring *
find_ring(const char *fmt, uint32_t a, uint32_t b)
{
	char name[RTE_MEMZONE_NAMESIZE];
	struct xring *r;
	size_t len;

	snprintf(name, sizeof(name), fmt, a, b);
	r = find_zone(name, &len);
	if (r == NULL || r->size == 0 || (r->size & r->mask) != 0 ||
	    len < xring_size(r->size))
		return NULL;
	return r;
}

static void
widen(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *h,
    unsigned int i)
{
	struct span *s = arg;
	uintptr_t lo = (uintptr_t)h->addr;

	if (lo < s->lo)
		s->lo = lo;
	if (lo + h->len > s->hi)
		s->hi = lo + h->len;
}

/* What a sender's frames may name: its pool, its arena, the file cache. */
static int
open_source(struct io *io, struct cut_source *s, const char *pool,
    const struct slot_fixed *from)
{
	const struct board *b = io->board;
	const struct board_place *pl;
	struct rte_mempool *mp = find_pool(pool);
	uint32_t i;

	if (mp == NULL) {
		log_error("no packet pool %s", pool);
		return -ENOENT;
	}
	s->base = io->base;
	s->frames = (struct span){ .lo = UINTPTR_MAX };
	rte_mempool_mem_iter(mp, widen, &s->frames);
	s->room = rte_pktmbuf_data_room_size(mp);
	if (from != NULL)
		s->mem[s->nmem++] = (struct span){ from->arena.addr,
		    from->arena.addr + from->arena.len };
	for (i = 0; i < b->head.nroots && i < BOARD_ROOTS; i++) {
		pl = &b->root[i].place;
		s->mem[s->nmem++] = (struct span){ pl->addr,
		    pl->addr + pl->len };
	}
	return 0;
}

static int
open_in(struct io *io, const char *fmt, uint32_t from, bool wire)
{
	struct ring_in *in = &io->in[io->nin];
	char pool[RTE_MEMZONE_NAMESIZE];

	in->r = find_ring(fmt, from, io->me);
	if (in->r == NULL)
		return 0;
	xring_start(in->r);
	io->nin++;
	in->wire = in->fresh = wire;
	in->from = (uint8_t)from;
	snprintf(pool, sizeof(pool), SHM_POOL, from);
	return open_source(io, &in->src, pool, &io->board->slot[from].fixed);
}

static void
open_out(struct io *io, struct ring_out *o, struct xring *r, uint32_t to)
{
	if (r == NULL)
		return;
	ring_out_open(o, r, io->base);
	io->outs[io->nouts++] = o;
	o->bell = to < BOARD_SLOTS ? io->bells[to] : io->primary_bell;
	if (to < BOARD_SLOTS) {
		o->to = &io->board->slot[to].worker;
		o->asleep = &o->to->asleep;
	} else {
		o->asleep = &io->board->head.asleep;
	}
}

/* Room for the send marks of a ring's entries. */
static int
open_marks(struct ring_out *o)
{
	if (o->r == NULL)
		return 0;
	o->mark = calloc(o->r->size, sizeof(o->mark[0]));
	return o->mark == NULL ? -ENOMEM : 0;
}

static int
open_rings(struct io *io)
{
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0 && i < io->board->head.nslots &&
	    i < BOARD_SLOTS; i++) {
		err = open_in(io, SHM_WIRE, i, true);
		open_out(io, &io->wire[i], find_ring(SHM_WIRE, io->me, i), i);
		if (err == 0)
			err = open_marks(&io->wire[i]);
		if (err < 0 || i == io->me)
			continue;
		err = open_in(io, SHM_CROSS, i, false);
		open_out(io, &io->cross[i], find_ring(SHM_CROSS, io->me, i),
		    i);
	}
	return err;
}

static int
open_spread(struct io *io)
{
	struct ring_in *in = &io->in[io->nin];
	int err = 0;

	in->r = find_ring(SHM_SPREAD_RX, io->me, 0);
	if (in->r != NULL) {
		io->nin++;
		in->fresh = true;
		err = open_source(io, &in->src, SHM_SPREAD_POOL, NULL);
	}
	open_out(io, &io->spread, find_ring(SHM_SPREAD_TX, io->me, 0),
	    BOARD_NONE);
	if (err == 0)
		err = open_marks(&io->spread);
	return err;
}

int
lanes_open(struct io *io)
{
	int err;

	err = open_ports(io);
	if (err == 0)
		err = open_rings(io);
	if (err == 0)
		err = open_spread(io);
	if (err == -ENOMEM)
		log_error("no memory for lanes");
	return err;
}
