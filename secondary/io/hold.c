/*
 * hold: frames of buckets that are offered to us, or ours but not yet in the
 * stack's indexes. They wait in the order they came, for some turns.
 */
#include "io.h"

void
hold_put(struct io *io, struct pkt *p)
{
	if (io->nheld == HOLD_MAX || io->held == NULL) {
		io_count(io, CNT_drop_held, 1);
		pktpool_put(io->pool, p);
		return;
	}
	io->held[io->nheld++] = p;
	io_count(io, CNT_frames_held, 1);
}

void
hold_turn(struct io *io)
{
	struct pkt *in[ARENA_BURST];
	uint32_t i, kept = 0, n = 0, owner;

	for (i = 0; i < io->nheld; i++) {
		struct pkt *p = io->held[i];

		owner = steer_owner(io->steer[p->port], p);
		if (owner == STEER_HOLD) {
			io->held[kept++] = p;
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
