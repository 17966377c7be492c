/*
 * pkt: the frame descriptor.
 *
 * A frame is one buffer: struct pkt, then room for bytes. In a worker the
 * struct lies in the private area of an mbuf, so that pkt and bytes are one
 * piece of hugepage memory; in the simulator and in test drivers it lies in
 * plain memory. The stack sees only struct pkt.
 *
 * Frames outlive processes (a receive queue holds them), so nothing in here
 * is a pointer: positions are offsets from the struct itself, other frames are
 * refs (units of 64 bytes from the mapping's base, which is the same address
 * in all processes of an instance), other memory is a 64-bit offset from
 * that base (modulo 2^64, so any address can be named).
 */
#ifndef COMMON_PKT_H
#define COMMON_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_NONE	UINT32_MAX	/* no frame */
#define PKT_FRAGS	4u		/* most ranges behind a header */
#define PKT_REF_SHIFT	6		/* a ref counts 64-byte units */
#define PKT_HEADROOM	128u		/* bytes free before a fresh frame */

/* pkt.flags, set by the lane on receive */
#define PKT_RX_IPCSUM_OK	0x0001u	/* IPv4 header checksum is known good */
#define PKT_RX_L4CSUM_OK	0x0002u	/* TCP/UDP checksum is known good */
#define PKT_RX_HASH		0x0004u	/* hash holds the group's Toeplitz */
/* pkt.flags in a receive queue */
#define PKT_RX_FIN		0x0008u	/* FIN stands behind the payload */
/* pkt.flags, set by the stack on send; only what the lane said it can do */
#define PKT_TX_IPCSUM		0x0010u	/* fill in the IPv4 header checksum */
#define PKT_TX_L4CSUM		0x0020u	/* field holds the pseudo-header sum */
#define PKT_TX_TSO		0x0040u	/* cut at tso_mss payload bytes */
#define PKT_TX_IPV6		0x0080u	/* the network header is IPv6 */

/* What a port's lane can do (board_port.caps); the rest is software. */
#define NET_CAP_RX_CSUM		0x0001u	/* says PKT_RX_*CSUM_OK */
#define NET_CAP_TX_IPCSUM	0x0002u
#define NET_CAP_TX_L4CSUM	0x0004u
#define NET_CAP_TSO		0x0008u	/* takes PKT_TX_TSO, tso_max bytes */
#define NET_CAP_FRAGS		0x0010u	/* takes pkt.frag[]; else we copy */
#define NET_CAP_RX_HASH		0x0020u	/* says PKT_RX_HASH */

/* A range of memory sent behind the header without copying it. */
struct pkt_frag {
	uint64_t off;		/* bytes from base */
	uint32_t len;		/* bytes */
	uint32_t zero;		/* keeps the layout explicit */
};

struct pkt {
	uint32_t next;		/* ref: link of whatever queue holds it */
	uint32_t off;		/* first byte, counted from this struct */
	uint32_t len;		/* bytes in this buffer */
	uint32_t room;		/* bytes of memory behind this struct */
	uint16_t flags;		/* PKT_RX_*, PKT_TX_* */
	uint8_t port;		/* port index: in came from, out goes to */
	uint8_t nfrag;		/* ranges used in frag[] */
	uint16_t l2_len;	/* header lengths, for offload; bytes */
	uint16_t l3_len;
	uint16_t l4_len;
	uint16_t tso_mss;	/* payload bytes per packet with PKT_TX_TSO */
	uint32_t hash;		/* Toeplitz hash, if PKT_RX_HASH */
	uint32_t mark;		/* send mark: see net_tx_done(); out of order:
				   when the run grew, for SACK */
	uint32_t seq;		/* receive queue: sequence of the first byte */
	uint32_t plen;		/* receive queue: payload bytes left */
	uint32_t poff;		/* receive queue: first payload byte, as off */
	uint32_t run_next;	/* out of order, first frame of a run: ref of
				   the next run's first frame */
	uint32_t run_tail;	/* and of its own last one */
	uint32_t pad[2];
	struct pkt_frag frag[PKT_FRAGS];
};

_Static_assert(sizeof(struct pkt) == 128, "two cache lines, as in the mbuf");

/* The frame a ref names. base: the mapping's base address. */
static inline struct pkt *
pkt_at(uintptr_t base, uint32_t ref)
{
	return (struct pkt *)(base + ((uintptr_t)ref << PKT_REF_SHIFT));
}

/* The ref of a frame; the frame must lie within 256 GiB above base. */
static inline uint32_t
pkt_ref(uintptr_t base, const struct pkt *p)
{
	return (uint32_t)(((uintptr_t)p - base) >> PKT_REF_SHIFT);
}

/* The first byte of the frame. */
static inline uint8_t *
pkt_data(const struct pkt *p)
{
	return (uint8_t *)(uintptr_t)p + p->off;
}

/*
 * Make the frame empty, with headroom bytes free before it. Keeps room and
 * port. headroom is at most room.
 */
static inline void
pkt_reset(struct pkt *p, uint32_t headroom)
{
	p->next = PKT_NONE;
	p->off = (uint32_t)sizeof(*p) + headroom;
	p->len = 0;
	p->flags = 0;
	p->nfrag = 0;
}

/* Bytes of the whole frame: its own buffer and what it refers to. */
static inline uint32_t
pkt_total(const struct pkt *p)
{
	uint32_t i, n = p->len;

	for (i = 0; i < p->nfrag; i++)
		n += p->frag[i].len;
	return n;
}

/*
 * Free frames of one slot, in the process's own memory: an array that the
 * stack pops from and pushes to without a call. The owner of the memory pool
 * (worker, simulator) tops it up and trims it between two turns; fill and
 * trim are for the rare burst that does not fit.
 */
#define PKTPOOL_MAX	2048u

struct pktpool {
	uint32_t n;		/* free frames in p[] */
	uint32_t low;		/* fill wants at least this many */
	/* Move frames into p[]; may leave it empty. */
	void	(*fill)(struct pktpool *, void *arg);
	/* Take frames out of p[] until at most PKTPOOL_MAX / 2 are left. */
	void	(*trim)(struct pktpool *, void *arg);
	void	*arg;
	struct pkt *p[PKTPOOL_MAX];
};

/* A free frame, not reset, or NULL when the pool is exhausted. */
static inline struct pkt *
pktpool_get(struct pktpool *pp)
{
	if (__builtin_expect(pp->n == 0, 0)) {
		pp->fill(pp, pp->arg);
		if (pp->n == 0)
			return NULL;
	}
	return pp->p[--pp->n];
}

static inline bool
pktpool_full(const struct pktpool *pp)
{
	return __builtin_expect(pp->n == PKTPOOL_MAX, 0);
}

/* pktpool_put() into a pool that is not full. */
static inline void
pktpool_push(struct pktpool *pp, struct pkt *p)
{
	pp->p[pp->n++] = p;
}

/* Give a frame back. */
static inline void
pktpool_put(struct pktpool *pp, struct pkt *p)
{
	if (pktpool_full(pp))
		pp->trim(pp, pp->arg);
	pktpool_push(pp, p);
}

/*
 * Frames to send, in order, in the process's own memory. What connections
 * have to send leaves the last PKTQ_REPLIES places to answers to what comes
 * in: those cannot be made later, and a SYN would never be answered while
 * others have more to send than the lanes take.
 */
#define PKTQ_MAX	512u
#define PKTQ_REPLIES	64u

struct pktq {
	uint32_t n;
	struct pkt *p[PKTQ_MAX];
};

static inline bool
pktq_full(const struct pktq *q)
{
	return q->n == PKTQ_MAX;
}

/* What connections have to send waits for the next turn. */
static inline bool
pktq_busy(const struct pktq *q)
{
	return q->n >= PKTQ_MAX - PKTQ_REPLIES;
}

#endif
