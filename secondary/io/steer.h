/*
 * steer: which slot owns the flow of a received frame. The frame's local
 * (address, protocol, port) selects the group, by the board's listeners or
 * the groups' ranges of client ports; the Toeplitz hash of the inbound tuple
 * under the port's key selects the group's bucket; the bucket's word says who
 * owns it. Pure: no DPDK, no system call.
 */
#ifndef IO_STEER_H
#define IO_STEER_H

#include <stdint.h>

#include "../../common/board.h"
#include "../../common/pkt.h"
#include "../../common/toeplitz.h"
#include "../net/move.h"
#include "../net/net.h"

#define STEER_LOOK	0xfeu	/* group depends on the address too */
#define STEER_HOLD	0xfdu	/* owner: us, but not yet */

struct steer {
	const struct board *board;
	uint32_t port;		/* index on the board */
	/* our slot and enum move_state of its group's buckets; NULL: whatever
	 * is ours by the board is ours */
	const uint8_t *state;
	uint8_t me;
	struct toeplitz key;
	/* a UDP port of a group's clients is dealt to one of its slots */
	uint8_t nslots[BOARD_GROUPS];
	uint8_t slot[BOARD_GROUPS][BOARD_SLOTS]; /* by index in the group */
	uint8_t tcp[65536];	/* group of a local TCP port; STEER_LOOK;
				   BOARD_NONE */
};

/* Prepare for frames received on a port of the board. */
void	steer_init(struct steer *s, const struct board *b, uint32_t port);

/*
 * The slot that owns the frame's flow; BOARD_NONE: the frame has no flow, or
 * one of no group: whoever got it handles it. An ICMP error goes to the owner
 * of the flow it quotes. Stores the hash in p if it made it: PKT_RX_HASH.
 * STEER_HOLD: the bucket is offered to us, or has just come: the frame has to
 * wait.
 */
uint32_t steer_owner(const struct steer *s, struct pkt *p);

/*
 * The slot that owns the TCP flow between these two; BOARD_NONE: no group
 * has it.
 */
uint32_t steer_flow(const struct steer *s, const struct net_addr *local,
	    const struct net_addr *remote);

/* The bucket of that flow. */
uint32_t steer_bucket(const struct steer *s, const struct net_addr *local,
	    const struct net_addr *remote);

/* A slot for frames of the port without a flow: the first that serves; if
 * none does, the first that may; BOARD_NONE. */
uint32_t steer_any(const struct board *b, uint32_t port);

#endif
