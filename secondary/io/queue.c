#include "queue.h"

#include <linux/if_tun.h>
#include <string.h>
#include <sys/uio.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "../../common/mbuf.h"
#include "io.h"

#define STUCK_US	10000u	/* a device that takes nothing for so long
				   loses what waits */

void
queue_open(struct queue *q, struct io *io, uint32_t port, uint16_t id)
{
	const struct board_port *bp = &io->board->port[port];

	memset(q, 0, sizeof(*q));
	q->ethdev = bp->ethdev;
	q->id = id;
	q->port = (uint8_t)port;
	q->tun = id < IO_TUNS ? io->tun[port][id] : -1;
	q->prepare = (bp->caps & (NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM |
	    NET_CAP_TSO)) != 0;
	if (bp->caps & NET_CAP_RX_CSUM)
		q->rx_flags |= PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK;
	if (bp->caps & NET_CAP_RX_HASH)
		q->rx_flags |= PKT_RX_HASH;
}

/* Whether a received mbuf fits in its first segment; then it becomes that. */
static bool
linearise(struct io *io, struct rte_mbuf *m)
{
	if (rte_pktmbuf_linearize(m) == 0)
		return true;
	io_count(io, CNT_drop_oversize, 1);
	rte_pktmbuf_free(m);
	return false;
}

/*
 * A tap's frames take a system call each, most of a turn's time, and the
 * kernel has given a frame away when a kill ends that call: so we read them
 * ourselves, each into a frame that our successor knows of.
 */
static uint32_t
receive_tap(struct io *io, struct queue *q, struct pkt **in, uint32_t max)
{
	struct tun_pi pi;
	struct iovec iov[2] = { { &pi, sizeof(pi) } };
	uint32_t n = 0;
	uint64_t bytes = 0;
	struct pkt *p;
	ssize_t len;

	while (n < max && (p = pktpool_get(io->pool)) != NULL) {
		pkt_reset(p, PKT_HEADROOM);
		p->port = q->port;
		iov[1].iov_base = pkt_data(p);
		iov[1].iov_len = p->room - PKT_HEADROOM;
		net_expect(io->net, n, p);
		len = readv(q->tun, iov, 2);
		if (len > (ssize_t)sizeof(pi) && !(pi.flags & TUN_PKT_STRIP)) {
			p->len = (uint32_t)len - (uint32_t)sizeof(pi);
			bytes += p->len;
			in[n++] = p;
			continue;
		}
		net_expect(io->net, n, NULL);
		pktpool_put(io->pool, p);
		if (len <= 0)
			break;
		io_count(io, CNT_drop_oversize, 1);
	}
	io_count(io, CNT_rx_frames, n);
	io_count(io, CNT_rx_bytes, bytes);
	return n;
}

uint32_t
queue_receive(struct io *io, struct queue *q, struct pkt **in, uint32_t max)
{
	struct rte_mbuf *m[QUEUE_BURST];
	uint32_t got = 0, n, i;
	uint64_t bytes = 0;

	if (max > QUEUE_BURST)
		max = QUEUE_BURST;
	if (q->tun >= 0)
		return receive_tap(io, q, in, max);
	n = rte_eth_rx_burst(q->ethdev, q->id, m, (uint16_t)max);
	if (n == 0)
		return 0;
	for (i = 0; i < n; i++) {
		if (i + 2 < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 2], void *));
		bytes += m[i]->pkt_len;
		if (m[i]->nb_segs > 1 && !linearise(io, m[i]))
			continue;
		in[got++] = mbuf_rx(m[i], q->port, q->rx_flags);
	}
	io_count(io, CNT_rx_frames, n);
	io_count(io, CNT_rx_bytes, bytes);
	return got;
}

/* Fresh mbufs for the ranges of p; false: none left. */
static bool
range_mbufs(struct io *io, const struct pkt *p, struct rte_mbuf **x)
{
	struct pkt *f;
	uint32_t i;

	for (i = 0; i < p->nfrag; i++) {
		f = pktpool_get(io->pool);
		if (f == NULL) {
			while (i > 0)
				pktpool_put(io->pool, mbuf_pkt(x[--i]));
			return false;
		}
		x[i] = pkt_mbuf(f);
	}
	return true;
}

bool
queue_put(struct io *io, struct queue *q, struct pkt *p)
{
	struct rte_mbuf *m, *x[PKT_FRAGS];

	if (q->nstaged == QUEUE_STAGED)
		queue_flush(io, q);
	if (q->nstaged == QUEUE_STAGED)
		return false;
	if (p->nfrag > 0) {
		if (q->pend_tail - q->pend_head == QUEUE_PENDING ||
		    !range_mbufs(io, p, x))
			return false;
		m = mbuf_tx(p);
		mbuf_tx_frags(m, x, io->base);
		rte_mbuf_refcnt_set(x[p->nfrag - 1], 2);
		q->pend[q->pend_tail % QUEUE_PENDING].last = x[p->nfrag - 1];
		q->pend[q->pend_tail++ % QUEUE_PENDING].mark = p->mark;
	} else {
		m = mbuf_tx(p);
	}
	q->staged[q->nstaged++] = m;
	return true;
}

/* What waits too long is lost, as on a link that is down. */
static void
drop_stuck(struct io *io, struct queue *q)
{
	uint32_t i;

	if (q->full_us == 0)
		q->full_us = io->now;
	if (io->now - q->full_us < STUCK_US)
		return;
	io_count(io, CNT_drop_tx_full, q->nstaged);
	for (i = 0; i < q->nstaged; i++)
		rte_pktmbuf_free(q->staged[i]);
	q->nstaged = 0;
}

void
queue_flush(struct io *io, struct queue *q)
{
	uint32_t done = 0, n, i, k;
	uint64_t bytes = 0;

	while (done < q->nstaged) {
		n = q->nstaged - done;
		if (n > QUEUE_BURST)
			n = QUEUE_BURST;
		for (i = 0; i < n; i++)
			bytes += q->staged[done + i]->pkt_len;
		if (q->prepare)
			rte_eth_tx_prepare(q->ethdev, q->id, q->staged + done,
			    (uint16_t)n);
		k = rte_eth_tx_burst(q->ethdev, q->id, q->staged + done,
		    (uint16_t)n);
		for (i = k; i < n; i++)
			bytes -= q->staged[done + i]->pkt_len;
		done += k;
		if (k < n)
			break;
	}
	if (done > 0) {
		io_count(io, CNT_tx_frames, done);
		io_count(io, CNT_tx_bytes, bytes);
		q->nstaged -= done;
		q->full_us = 0;
		memmove(q->staged, q->staged + done,
		    q->nstaged * sizeof(q->staged[0]));
	}
	if (q->nstaged > 0)
		drop_stuck(io, q);
}

bool
queue_reclaim(struct queue *q, uint32_t *mark)
{
	struct rte_mbuf *m;

	while (q->pend_head != q->pend_tail) {
		m = q->pend[q->pend_head % QUEUE_PENDING].last;
		if (rte_mbuf_refcnt_read(m) != 1) {
			*mark = q->pend[q->pend_head % QUEUE_PENDING].mark;
			return true;
		}
		rte_pktmbuf_free_seg(m);
		q->pend_head++;
	}
	return false;
}

void
queue_settle(struct queue *q)
{
	if (q->pend_head != q->pend_tail)
		rte_eth_tx_done_cleanup(q->ethdev, q->id, 0);
}
