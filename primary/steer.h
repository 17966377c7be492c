/*
 * steer: makes what stands before the workers (a NIC's RETA, the kernel's
 * tap, the primary's own dispatch) follow the bucket table. The table on the
 * board is the truth; this is an optimisation, and a worker hands on what
 * reaches it by mistake.
 */
#ifndef PRIMARY_STEER_H
#define PRIMARY_STEER_H

#include <stdint.h>

#include "../common/board.h"
#include "../common/pkt.h"
#include "../common/toeplitz.h"

/*
 * A port's view of the table, as plain data: an eBPF program reads the same
 * bytes as we do. to[][] holds queues for a tap, slots for dispatch.
 */
struct steer_map {
	struct toeplitz key;
	uint8_t group[65536];	/* of a local TCP or UDP port; BOARD_NONE */
	uint8_t to[BOARD_GROUPS][BOARD_BUCKETS];
	uint8_t rest;		/* tap: queue of frames without a flow */
};

/* What m says of a received frame: PKT_RX_HASH and hash are set if it has a
 * whole tuple. BOARD_NONE: it has none, or no group wants it. */
uint32_t steer_pick(const struct steer_map *m, struct pkt *p);

/* The map of port i, NULL if it has none. */
const struct steer_map *steer_map(uint32_t i);

/*
 * Make a map in memory that an eBPF program of the kernel shares, and the
 * program that picks a tap's queue by it. Returns the program's descriptor,
 * or -errno. *mp stays valid until steer_bpf_close().
 */
int	steer_bpf_open(struct steer_map **mp);
void	steer_bpf_close(struct steer_map *m);

#endif
