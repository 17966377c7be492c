/*
 * order: frames of one connection stay in order when what stands before the
 * workers (a tap's program, a NIC's RETA, the primary's dispatch) begins to
 * send a bucket's frames to another slot.
 *
 * Slot a gave the bucket to slot b. From then on a hands its frames on, over
 * their crossing ring. Some time later the primary makes the steering follow,
 * and says so on the board; new frames come to b directly, and could overtake
 * those that still lie in a's queue or in the ring. So b holds what comes
 * directly until a's mark: a saw the primary's word, then found all its inputs
 * empty once, so whatever came the old way is in the ring, which b empties
 * first. After ORDER_US b goes on without: a may be dead, or stand still.
 *
 * Where senders look at the table by themselves (wires), nothing waits. Pure:
 * no DPDK, no system call. All words are by bucket, of one group.
 */
#ifndef IO_ORDER_H
#define IO_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/board.h"
#include "../../common/xring.h"

#define ORDER_US	5000u	/* the longest that a frame waits for a mark */
#define ORDER_GRACE_US	50u	/* a frame that was steered the old way is in
				   its queue after this */
#define ORDER_LOST_US	1000000u /* nothing came of it: forgotten */

/* A bucket that went, or came, and whose mark is still to be given. */
struct order_bucket {
	uint32_t epoch;		/* that it goes on with; 0: there is none */
	uint32_t upto;		/* came, marked: what the ring held then */
	uint64_t at_us;		/* when it went or came */
	uint64_t seen_us;	/* went: when the steering was seen to follow;
				   came: when the first frame was held; 0 */
	uint8_t peer;		/* the other slot */
	bool marked;		/* came: the mark was seen */
};

struct order {
	const _Atomic uint32_t *steered;	/* epoch that steering follows;
						   writer: the primary */
	_Atomic uint32_t *passed;	/* our marks: epoch */
	const _Atomic uint32_t *peer[BOARD_SLOTS]; /* others' marks */
	struct xring *ring[BOARD_SLOTS];	/* from them to us; NULL */
	void	(*nudge)(void *arg, uint32_t slot); /* it is to look; or NULL */
	void	*arg;
	uint32_t ngave, ncame;
	uint16_t gave_list[BOARD_BUCKETS], came_list[BOARD_BUCKETS];
	struct order_bucket gave[BOARD_BUCKETS], came[BOARD_BUCKETS];
};

/* Bucket k went to a slot, and goes on there with this epoch: a mark is owed.
 * What of it was held here waits no longer. */
void	order_gave(struct order *o, uint32_t k, uint32_t to, uint32_t epoch,
	    uint64_t now_us);

/* Bucket k came from a slot that lives: what comes directly waits. */
void	order_came(struct order *o, uint32_t k, uint32_t from, uint32_t epoch,
	    uint64_t now_us);

/* Whether a frame of bucket k that came directly has to wait. */
static inline bool
order_waits(const struct order *o, uint32_t k)
{
	return o->ncame > 0 && o->came[k].epoch != 0;
}

/* A frame of bucket k waits: its time begins with the first one. */
void	order_held(struct order *o, uint32_t k, uint64_t now_us);

/*
 * At the beginning of a turn: look at the primary's words and at the marks of
 * others. Returns how many buckets' frames were let go because time was up.
 */
uint32_t order_turn(struct order *o, uint64_t now_us);

/*
 * At the end of a turn in which all inputs were read until they were empty,
 * and what was to be handed on is published: now_us is when that turn began.
 * Gives the marks that this allows.
 */
void	order_empty(struct order *o, uint64_t now_us);

/* Whether such a turn is wanted soon: the steering has changed. */
bool	order_hurries(const struct order *o);

#endif
