/*
 * cut: takes a frame out of another process's buffer, as a NIC's DMA would:
 * one copy into a buffer of ours. A frame marked PKT_TX_TSO becomes packets of
 * its segment size with the headers that a NIC would give them.
 *
 * The sender may have been killed, or be broken: its descriptor is copied
 * once, and everything it says is checked against what the sender can own.
 * Pure: no DPDK, no system call.
 */
#ifndef IO_CUT_H
#define IO_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/pkt.h"

#define CUT_SPANS	24u
#define CUT_MSS_MIN	64u	/* bytes; a smaller tso_mss is refused */

/* Memory from lo up to and without hi. */
struct span {
	uintptr_t lo, hi;
};

/* What frames of one sender may refer to. */
struct cut_source {
	uintptr_t base;		/* of refs and offsets, see pkt.h */
	struct span frames;	/* its packet pool */
	uint32_t room;		/* bytes behind each struct pkt of it */
	uint32_t nmem;
	struct span mem[CUT_SPANS]; /* its arena, the file cache */
};

/* A frame being taken; cut_open() to the last cut_next(). */
struct cut {
	struct pkt src;		/* copy of the sender's descriptor */
	const uint8_t *part[1 + PKT_FRAGS]; /* pieces, in order */
	uint32_t len[1 + PKT_FRAGS];
	uint32_t nparts;
	uint32_t at, pos;	/* reading position: piece, byte in it */
	uint32_t hdr;		/* TSO: bytes of headers; 0: not TSO */
	uint32_t left;		/* bytes not given out; TSO: payload only */
	uint32_t done;		/* TSO: payload bytes given out */
	uint32_t npkts;		/* packets given out */
};

/*
 * Start on the frame ref of a sender. 0; -EPROTO the descriptor names memory
 * that is not the sender's, or its header lengths are wrong.
 */
int	cut_open(struct cut *c, const struct cut_source *s, uint32_t ref);

/* Bytes of the next packet. */
uint32_t cut_len(const struct cut *c);

/*
 * Copy the next packet into dst, which gets PKT_HEADROOM, the receive flags of
 * a NIC that checked everything (of the sender if it had them: a frame that
 * was received before), and no port. 1 more packets follow; 0 it was the last;
 * -EMSGSIZE dst has no room for cut_len(): nothing was done.
 */
int	cut_next(struct cut *c, struct pkt *dst, uint16_t rx_flags);

/* Ask for the cache lines that cut_open() and cut_next() will read. */
static inline void
cut_prefetch(const struct cut_source *s, uint32_t ref)
{
	const char *p = (const char *)pkt_at(s->base, ref);

	__builtin_prefetch(p);
	__builtin_prefetch(p + 64);
	/* headers end near PKT_HEADROOM */
	__builtin_prefetch(p + sizeof(struct pkt) + PKT_HEADROOM - 64);
	__builtin_prefetch(p + sizeof(struct pkt) + PKT_HEADROOM);
}

#endif
