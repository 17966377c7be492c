/*
 * hold: frames to the stack, to other slots, or to wait: of buckets that are
 * offered to us, or ours but not yet in the stack's indexes, or not to be
 * served before what comes the old way (order.h). They wait in the order they
 * came, for some turns.
 */
#include "io.h"

void
hold_put(struct io *io, struct pkt *p, enum hold_from from)
{
	if (io->nheld == HOLD_MAX || io->held == NULL) {
		io_count(io, CNT_drop_held, 1);
		pktpool_put(io->pool, p);
		return;
	}
	io->held[io->nheld] = p;
	io->held_from[io->nheld++] = (uint8_t)from;
	io_count(io, CNT_frames_held, 1);
}

/* Whether a frame of a bucket of ours has to wait for another slot's mark. */
static bool
waits(struct io *io, const struct pkt *p, enum hold_from from)
{
	uint32_t k = p->hash % BOARD_BUCKETS;

	if (from != HOLD_DIRECT || io->order == NULL ||
	    (p->flags & PKT_RX_HASH) == 0 || !order_waits(io->order, k))
		return false;
	order_held(io->order, k, io->now);
	return true;
}

uint32_t
hold_burst(struct io *io, struct pkt **in, uint32_t n, enum hold_from from)
{
	uint32_t i, kept = 0, owner;

	for (i = 0; i < n; i++) {
		struct pkt *p = in[i];

		if (io->shared[p->port]) {
			owner = steer_owner(io->steer[p->port], p);
			if (owner == STEER_HOLD || (owner == io->me &&
			    waits(io, p, from))) {
				hold_put(io, p, from);
				continue;
			}
			if (owner != io->me && owner != BOARD_NONE) {
				lanes_hand_off(io, owner, p);
				continue;
			}
		}
		in[kept++] = p;
	}
	return kept;
}

/* Let go of frames that other slots handed to us, or of all others. */
static void
let_go(struct io *io, bool handed)
{
	struct pkt *in[ARENA_BURST];
	uint32_t i, kept = 0, n = 0, owner;

	for (i = 0; i < io->nheld; i++) {
		struct pkt *p = io->held[i];
		enum hold_from from = (enum hold_from)io->held_from[i];

		owner = (from == HOLD_HANDED) == handed ?
		    steer_owner(io->steer[p->port], p) : STEER_HOLD;
		if (owner == STEER_HOLD || (owner == io->me &&
		    waits(io, p, from))) {
			io->held[kept] = p;
			io->held_from[kept++] = (uint8_t)from;
			continue;
		}
		if (owner != io->me && owner != BOARD_NONE) {
			lanes_hand_off(io, owner, p);
			continue;
		}
		in[n++] = p;
		if (n == ARENA_BURST) {
			net_input(io->net, in, n, io->now);
			n = 0;
		}
	}
	if (n > 0)
		net_input(io->net, in, n, io->now);
	io->nheld = kept;
}

void
hold_turn(struct io *io)
{
	/* what the giver handed on had come before what came here */
	let_go(io, true);
	let_go(io, false);
}
