/*
 * neigh: a neighbour, the link address of a next hop.
 *
 * Neighbours are learned and used in the middle of other records' brackets,
 * so they are never in hands: each word of an entry is whole by itself. link
 * holds address and state in one store; the others are times and counts that
 * do no harm when old. What waits for an answer is process-private.
 */
#ifndef COMMON_NEIGH_H
#define COMMON_NEIGH_H

#include "arena.h"

enum neigh_state {
	NEIGH_INCOMPLETE,	/* asked, no answer yet */
	NEIGH_REACHABLE,	/* answered, or confirmed by traffic */
};

struct neigh {
	struct rec rec;		/* hash: of port and address */
	uint8_t addr[16];	/* IPv4 as ::ffff:a.b.c.d */
	_Atomic uint64_t link;	/* link address in the low 48 bits, first byte
				   lowest; enum neigh_state above */
	_Atomic uint64_t confirmed; /* µs: when it was known to be right */
	_Atomic uint64_t probed; /* µs: when we asked last */
	_Atomic uint32_t tries;	/* asked without an answer */
	uint8_t port;		/* port index */
	uint8_t pad[3];
};

_Static_assert(sizeof(struct neigh) == 88, "no holes");

#endif
