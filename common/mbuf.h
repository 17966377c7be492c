/*
 * mbuf: a frame as DPDK sees it. Only this file, its header and the programs
 * that speak to DPDK know both struct rte_mbuf and struct pkt.
 *
 * One frame is one element of a mempool:
 *
 *	struct rte_mbuf | struct pkt | headroom | bytes ...
 *	                  (private)    ^ buf_addr
 *
 * pkt.off counts from the struct pkt, m->data_off from buf_addr behind it. A
 * fresh mbuf is one as it lies in its pool: no next, one segment, count 1,
 * its own buffer. Frames in a slot's pktpool are always fresh.
 */
#ifndef COMMON_MBUF_H
#define COMMON_MBUF_H

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "pkt.h"

_Static_assert(sizeof(struct rte_mbuf) == 128, "pkt lies 128 bytes behind");
_Static_assert(RTE_PKTMBUF_HEADROOM == PKT_HEADROOM, "one headroom");

/* The frame of an mbuf of ours. */
static inline struct pkt *
mbuf_pkt(struct rte_mbuf *m)
{
	return (struct pkt *)(m + 1);
}

/* The mbuf of a frame that lies in one. */
static inline struct rte_mbuf *
pkt_mbuf(struct pkt *p)
{
	return (struct rte_mbuf *)(void *)p - 1;
}

/*
 * Describe a received mbuf in its struct pkt. m must be one segment. port is
 * the board's port index. flags tells what the lane promises: PKT_RX_*
 * bits that are taken over if the driver set them on this frame, others are
 * left out. Overwrites all that the stack reads of a received frame.
 */
static inline struct pkt *
mbuf_rx(struct rte_mbuf *m, uint8_t port, uint32_t flags)
{
	struct pkt *p = mbuf_pkt(m);
	uint32_t got = 0;

	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) ==
	    RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		got |= PKT_RX_IPCSUM_OK;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) ==
	    RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		got |= PKT_RX_L4CSUM_OK;
	if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0)
		got |= PKT_RX_HASH;
	p->next = PKT_NONE;
	p->off = (uint32_t)sizeof(*p) + m->data_off;
	p->len = m->data_len;
	p->flags = (uint16_t)(got & flags);
	p->port = port;
	p->nfrag = 0;
	p->hash = m->hash.rss;
	return p;
}

/* What a driver has to do for a frame, from pkt.flags: ol_flags. */
static inline uint64_t
mbuf_tx_flags(const struct pkt *p)
{
	uint64_t f;

	if ((p->flags & (PKT_TX_IPCSUM | PKT_TX_L4CSUM | PKT_TX_TSO)) == 0)
		return 0;
	f = (p->flags & PKT_TX_IPV6) ? RTE_MBUF_F_TX_IPV6 :
	    RTE_MBUF_F_TX_IPV4;
	if (p->flags & PKT_TX_IPCSUM)
		f |= RTE_MBUF_F_TX_IP_CKSUM;
	if (p->flags & PKT_TX_L4CSUM)
		f |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (p->flags & PKT_TX_TSO)
		f |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
	return f;
}

/*
 * Set up a fresh mbuf to send the frame in it. Ranges in frag[] are not
 * looked at: mbuf_tx_frags() adds them.
 */
static inline struct rte_mbuf *
mbuf_tx(struct pkt *p)
{
	struct rte_mbuf *m = pkt_mbuf(p);

	m->data_off = (uint16_t)(p->off - sizeof(*p));
	m->data_len = (uint16_t)p->len;
	m->pkt_len = p->len;
	m->nb_segs = 1;
	m->next = NULL;
	m->ol_flags = mbuf_tx_flags(p);
	m->tx_offload = 0;
	if (m->ol_flags != 0) {
		m->l2_len = p->l2_len;
		m->l3_len = p->l3_len;
		if (p->flags & PKT_TX_TSO) {
			m->l4_len = p->l4_len;
			m->tso_segsz = p->tso_mss;
		}
	}
	return m;
}

/*
 * Chain the ranges p->frag[] behind m = mbuf_tx(p), each in one of the fresh
 * mbufs x[0 .. p->nfrag), of the same pool. base: base of offsets, see pkt.h.
 * The memory must be DPDK's, with IOVA equal to address (NET_CAP_FRAGS is
 * offered only then), and stay until the whole chain came back to its pool.
 *
 * Each x's shared info lies in its own private area; its count is set to 2
 * here and falls to 1 when the driver frees the mbuf: never 0, so DPDK never
 * follows the callback, which is NULL. A freed x is fresh again.
 */
void	mbuf_tx_frags(struct rte_mbuf *m, struct rte_mbuf *const x[],
	    uintptr_t base);

/*
 * Make one mbuf of mp fresh, whatever it holds, and its struct pkt an empty
 * frame. For mbufs that nobody holds.
 */
void	mbuf_renew(struct rte_mbuf *m, struct rte_mempool *mp);

/*
 * Forget all that lies in a pool's ring and in the caches of all lcores. The
 * pool is empty afterwards; its owner must be dead or be the caller.
 */
void	mbuf_pool_reset(struct rte_mempool *mp);

/*
 * Make the pool of a slot (or of the primary): n frames with room bytes
 * behind struct pkt, single producer and consumer, all fresh. Only the
 * primary. NULL: rte_errno says why.
 */
struct rte_mempool *mbuf_pool_create(const char *name, uint32_t n,
	    uint32_t room, int socket);

#endif
