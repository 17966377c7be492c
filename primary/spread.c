/*
 * spread: ports whose queues a worker cannot poll. The primary receives into
 * buffers of its own, hashes, and puts refs into the owner's ring; the worker
 * copies. To send, workers put refs of their frames into a ring; the primary
 * copies. So neither side's buffers ever lie in the other's hands, and the
 * death of either loses nothing but what was in its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/log.h"
#include "../common/mbuf.h"
#include "../common/shm.h"
#include "steer.h"

#define BURST		32u

/* Memory of a slot that its frames lie in or refer to. */
struct range {
	uint64_t lo, hi;	/* addresses */
};

/* The primary's end of a slot's rings. */
struct lane {
	uint8_t slot;
	struct xring *rx, *tx;
	struct rte_mbuf **held;	/* frames in rx: that of each entry */
	uint32_t taken;		/* frames before this index are ours again */
	uint32_t staged;	/* put, not published */
	struct range pool;
	struct range refs[1 + BOARD_ROOTS]; /* arena, document roots */
	uint32_t nrefs;
};

/* A dispatched port. */
struct out {
	uint8_t port;
	uint16_t n;		/* frames that wait to be sent */
	struct rte_mbuf *m[BURST];
};

static struct lane lanes[BOARD_SLOTS];
static uint8_t lane_of[BOARD_SLOTS];	/* slot to lane; BOARD_NONE */
static uint32_t nlanes;
static struct out outs[BOARD_PORTS];
static uint8_t out_of[BOARD_PORTS];	/* port to out; BOARD_NONE */
static uint32_t nouts;

static void
count(_Atomic uint64_t *w, uint64_t n)
{
	atomic_store_explicit(w,
	    atomic_load_explicit(w, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

/* ---- start ------------------------------------------------------------- */

int
spread_wanted(const struct primary *p)
{
	return p->spread_pool != NULL;
}

static struct xring *
find_ring(const char *fmt, uint32_t slot)
{
	char name[RTE_MEMZONE_NAMESIZE];
	const struct rte_memzone *mz;

	snprintf(name, sizeof(name), fmt, slot);
	mz = rte_memzone_lookup(name);
	return mz != NULL ? mz->addr : NULL;
}

static void
pool_range(struct rte_mempool *mp, struct range *r)
{
	struct rte_mempool_memhdr *h;

	*r = (struct range){ UINT64_MAX, 0 };
	STAILQ_FOREACH(h, &mp->mem_list, next) {
		r->lo = RTE_MIN(r->lo, (uint64_t)(uintptr_t)h->addr);
		r->hi = RTE_MAX(r->hi, (uint64_t)(uintptr_t)h->addr + h->len);
	}
}

static int
open_lane(struct primary *p, uint32_t s)
{
	struct lane *l = &lanes[nlanes];
	const struct board_place *pl = &p->board->slot[s].fixed.arena;
	uint32_t i;

	lane_of[s] = BOARD_NONE;
	memset(l, 0, sizeof(*l));
	l->rx = find_ring(SHM_SPREAD_RX, s);
	l->tx = find_ring(SHM_SPREAD_TX, s);
	if (l->rx == NULL || l->tx == NULL)
		return 0;	/* serves no dispatched port */
	l->slot = (uint8_t)s;
	l->held = calloc(l->rx->size, sizeof(l->held[0]));
	if (l->held == NULL)
		return primary_fail(p, -ENOMEM, "out of memory");
	pool_range(p->slot[s].pool, &l->pool);
	l->refs[l->nrefs++] = (struct range){ pl->addr, pl->addr + pl->len };
	for (i = 0; i < p->board->head.nroots; i++) {
		pl = &p->board->root[i].place;
		l->refs[l->nrefs++] = (struct range){ pl->addr,
		    pl->addr + pl->len };
	}
	lane_of[s] = (uint8_t)nlanes++;
	return 0;
}

int
spread_start(struct primary *p)
{
	uint32_t i;
	int err = 0;

	memset(lane_of, BOARD_NONE, sizeof(lane_of));
	memset(out_of, BOARD_NONE, sizeof(out_of));
	if (!spread_wanted(p))
		return 0;
	for (i = 0; i < p->board->head.nports; i++) {
		if (p->board->port[i].lane != LANE_DISPATCH ||
		    !p->port[i].is_started)
			continue;
		if (steer_map(i) == NULL)
			return primary_fail(p, -ENOMEM, "out of memory");
		out_of[i] = (uint8_t)nouts;
		outs[nouts++].port = (uint8_t)i;
	}
	for (i = 0; err == 0 && i < p->board->head.nslots; i++)
		err = open_lane(p, i);
	return err;
}

/* ---- to the workers ---------------------------------------------------- */

/* Free what the worker has copied. */
static void
take_back(struct lane *l)
{
	uint32_t done = xring_done(l->rx);
	uint32_t prod = atomic_load_explicit(&l->rx->prod,
	    memory_order_relaxed);

	/* an index beyond ours is another process's wild write */
	if (done - l->taken > prod - l->taken)
		return;
	while (l->taken != done)
		rte_pktmbuf_free(l->held[l->taken++ & l->rx->mask]);
}

/* A slot for frames without a flow: the first that serves the port. */
static uint32_t
any_slot(const struct primary *p, uint32_t port)
{
	const struct board_slot *b = p->board->slot;
	uint32_t i;

	for (i = 0; i < nlanes; i++)
		if ((p->port[port].slots & 1u << lanes[i].slot) != 0 &&
		    atomic_load_explicit(&b[lanes[i].slot].worker.phase,
		    memory_order_relaxed) == PHASE_SERVING)
			return lanes[i].slot;
	return BOARD_NONE;
}

/* Put a received frame into its slot's ring; takes m. */
static void
hand_out(struct primary *p, uint32_t port, struct rte_mbuf *m)
{
	struct board_spread *c = &p->board->spread[port];
	struct lane *l;
	struct pkt *pk;
	uint32_t slot, at;

	if (m->nb_segs != 1) {
		count(&c->drop_bad, 1);
		rte_pktmbuf_free(m);
		return;
	}
	pk = mbuf_rx(m, (uint8_t)port, PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK);
	slot = steer_pick(steer_map(port), pk);
	if (slot == BOARD_NONE)
		slot = any_slot(p, port);
	if (slot >= BOARD_SLOTS || lane_of[slot] == BOARD_NONE) {
		count(&c->drop_no_slot, 1);
		rte_pktmbuf_free(m);
		return;
	}
	l = &lanes[lane_of[slot]];
	at = atomic_load_explicit(&l->rx->prod, memory_order_relaxed) +
	    l->staged;
	if (at - l->taken >= l->rx->size)
		take_back(l);
	if (at - l->taken >= l->rx->size) {
		count(&c->drop_ring_full, 1);
		rte_pktmbuf_free(m);
		return;
	}
	l->held[at & l->rx->mask] = m;
	xring_put(l->rx, l->staged++, (struct xent){
	    .ref = pkt_ref(p->board->head.base, pk),
	    .kind = XKIND_RX, .port = (uint16_t)port });
}

static uint32_t
receive(struct primary *p)
{
	struct rte_mbuf *m[BURST];
	uint32_t i, k, total = 0;
	uint16_t n;

	for (i = 0; i < nouts; i++) {
		n = rte_eth_rx_burst(p->port[outs[i].port].id, 0, m, BURST);
		for (k = 0; k < n; k++)
			hand_out(p, outs[i].port, m[k]);
		if (n > 0)
			count(&p->board->spread[outs[i].port].rx_frames, n);
		total += n;
	}
	for (i = 0; i < nlanes; i++) {
		struct lane *l = &lanes[i];

		if (l->staged > 0) {
			xring_publish(l->rx, l->staged);
			l->staged = 0;
			bell_call(p->slot[l->slot].bell,
			    &p->board->slot[l->slot].worker.asleep);
		}
		take_back(l);
	}
	return total;
}

/* ---- from the workers -------------------------------------------------- */

static int
within(const struct range *r, uint64_t addr, uint64_t len)
{
	return addr >= r->lo && addr <= r->hi && len <= r->hi - addr;
}

/*
 * The frame of a ref, copied to *pk before it is judged, because the worker
 * could write to it meanwhile. NULL: it is none. A worker that writes wildly
 * must not take the primary with it.
 */
static const uint8_t *
look_at(const struct primary *p, const struct lane *l, struct xent e,
    struct pkt *pk)
{
	const struct slot_fixed *f = &p->board->slot[l->slot].fixed;
	uint64_t at = (uintptr_t)pkt_at(p->board->head.base, e.ref);
	uint64_t base = p->board->head.base, total;
	uint32_t i, k;

	if (!within(&l->pool, at, sizeof(*pk) + f->pkt_room))
		return NULL;
	memcpy(pk, (const void *)(uintptr_t)at, sizeof(*pk));
	if (pk->off < sizeof(*pk) || pk->len > f->pkt_room ||
	    pk->off - sizeof(*pk) > f->pkt_room - pk->len ||
	    pk->nfrag > PKT_FRAGS)
		return NULL;
	total = (uint64_t)PKT_HEADROOM + pk->len;
	for (i = 0; i < pk->nfrag; i++) {
		total += pk->frag[i].len;
		for (k = 0; k < l->nrefs; k++)
			if (within(&l->refs[k], base + pk->frag[i].off,
			    pk->frag[i].len))
				break;
		if (k == l->nrefs)
			return NULL;
	}
	/* more than one of our buffers holds: a port without TSO asked */
	if (total > rte_pktmbuf_data_room_size(p->spread_pool))
		return NULL;
	return (const uint8_t *)(uintptr_t)at + pk->off;
}

/* Copy a frame of a worker into a buffer of ours. Returns it, or NULL and
 * counts. */
static struct rte_mbuf *
copy(struct primary *p, const struct lane *l, struct xent e)
{
	struct board_spread *c = &p->board->spread[e.port];
	uintptr_t base = (uintptr_t)p->board->head.base;
	const uint8_t *data;
	struct rte_mbuf *m;
	struct pkt from, *to;
	uint32_t i;

	data = look_at(p, l, e, &from);
	if (data == NULL) {
		count(&c->drop_bad, 1);
		return NULL;
	}
	m = rte_pktmbuf_alloc(p->spread_pool);
	if (m == NULL) {
		count(&c->drop_no_buffer, 1);
		return NULL;
	}
	to = mbuf_pkt(m);
	pkt_reset(to, PKT_HEADROOM);
	memcpy(pkt_data(to), data, from.len);
	to->len = from.len;
	for (i = 0; i < from.nfrag; i++) {
		memcpy(pkt_data(to) + to->len,
		    (const void *)(base + (uintptr_t)from.frag[i].off),
		    from.frag[i].len);
		to->len += from.frag[i].len;
	}
	to->flags = from.flags & (PKT_TX_IPCSUM | PKT_TX_L4CSUM | PKT_TX_IPV6);
	to->l2_len = from.l2_len;
	to->l3_len = from.l3_len;
	to->l4_len = from.l4_len;
	return mbuf_tx(to);
}

/* Send what waits; what the device does not take, waits on. */
static void
flush(struct primary *p, struct out *o)
{
	uint16_t n;

	if (o->n == 0)
		return;
	n = rte_eth_tx_burst(p->port[o->port].id, 0, o->m, o->n);
	if (n == 0)
		return;
	memmove(o->m, o->m + n, (o->n - n) * sizeof(o->m[0]));
	o->n -= n;
	count(&p->board->spread[o->port].tx_frames, n);
}

/*
 * Take frames of one slot. Stops at one whose port is full: the ring then
 * fills, and the worker sees that it sends too much.
 */
static uint32_t
collect(struct primary *p, struct lane *l)
{
	uint32_t i, n = xring_ready(l->tx);
	struct rte_mbuf *m;
	struct xent e;
	struct out *o;

	n = RTE_MIN(n, BURST);
	for (i = 0; i < n; i++) {
		e = xring_peek(l->tx, i);
		if (e.port >= BOARD_PORTS || out_of[e.port] == BOARD_NONE)
			continue;	/* not one of ours: forget it */
		o = &outs[out_of[e.port]];
		if (o->n == BURST)
			flush(p, o);
		if (o->n == BURST)
			break;
		m = copy(p, l, e);
		if (m != NULL)
			o->m[o->n++] = m;
	}
	if (i > 0)
		xring_consume(l->tx, i);
	return i;
}

uint32_t
spread_turn(struct primary *p)
{
	uint32_t i, total;

	total = receive(p);
	for (i = 0; i < nlanes; i++)
		total += collect(p, &lanes[i]);
	for (i = 0; i < nouts; i++)
		flush(p, &outs[i]);
	return total;
}

/* ---- sleeping ---------------------------------------------------------- */

/* Add one of our descriptors to the epoll if it is a packet socket. */
static int
watch_socket(int fd, const void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
	socklen_t len = sizeof(int);
	int domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    (domain == AF_PACKET || domain == AF_XDP))
		epoll_ctl(*(const int *)arg, EPOLL_CTL_ADD, fd, &ev);
	return 0;
}

/*
 * A driver does not tell its sockets, but they are this process's own: those
 * of af_packet and af_xdp show received frames to poll. Others' ports are
 * looked at by the clock.
 */
int
spread_watch(struct primary *p, int epfd)
{
	uint32_t i;

	fd_find(watch_socket, &epfd);
	for (i = 0; i < nouts; i++)
		if (strncmp(p->board->port[outs[i].port].driver, "net_af_",
		    7) != 0)
			return 0;
	return 1;
}

void
spread_stop(struct primary *p)
{
	uint32_t i;

	for (i = 0; i < nlanes; i++)
		free(lanes[i].held);
	nlanes = nouts = 0;
}
