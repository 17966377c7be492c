/*
 * move: buckets go from slot to slot with their connections in them.
 *
 * The journal is the bucket's word {owner, to, phase, epoch, attempt}, written
 * by the owner alone, and the answer of each slot, written by that slot alone.
 * a owns a bucket that b is to have:
 *
 *  1. a takes the bucket's records out of its indexes and stores OFFERED(a to
 *     b, attempt n). From then on it does not touch them; whoever has a frame
 *     of the bucket gives it to b, which holds it.
 *  2. b frees what it has of the bucket, copies the records and what they
 *     reach (chunks, unread frames) from a's arena into its own, with epoch n,
 *     looks at the word again, and answers COPIED(n); or REFUSED(n) for want
 *     of room.
 *  3. a commits with one store: owner b, epoch n. All copies are live and all
 *     originals dead at once. Or it withdraws: epoch n never lives.
 *  4. b sees its epoch, indexes the copies and serves them. a frees the dead
 *     originals, some in each turn. Nobody hears of it.
 *
 * A record is live if it is USED, its slot owns its bucket and its epoch is
 * the bucket's. So whoever dies in between leaves nothing in doubt: a's
 * successor commits if the answer is there and withdraws if not (before it
 * changes anything that b may be reading); b's successor keeps a whole copy
 * that it answered for and frees any other. A slot whose process is dead for
 * good is emptied by the repairer, which acts as a (common/evacuate.h).
 *
 * The wish is want[bucket], written by the supervisor alone.
 */
#ifndef NET_MOVE_H
#define NET_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/arena.h"
#include "../../common/board.h"

struct net;

/* Another slot of the group, as seen from here. */
struct move_peer {
	const _Atomic uint32_t *reply;	/* its answers, by bucket */
	const struct arena *arena;	/* mapped here; NULL: none to move to
					   or from */
	size_t size;			/* bytes of it */
	uintptr_t frame_lo, frame_hi;	/* its frames lie in between */
};

struct net_buckets {
	uint32_t me;			/* our slot */
	_Atomic uint64_t *word;		/* by bucket; those we own are ours to
					   write */
	_Atomic uint32_t *reply;	/* our answers, by bucket */
	const _Atomic uint32_t *want;	/* by bucket: slot that should own it */
	uint32_t patience_us;		/* an offer without an answer is
					   withdrawn after this, the next one
					   after twice that, and so on; no
					   other is made meanwhile */
	struct move_peer peer[BOARD_SLOTS];
	/* Whether this slot takes offers now. */
	bool	(*takes)(void *arg, uint32_t slot);
	/* A bucket was copied; we have not answered yet, so the copies are not
	 * valid. NULL: nobody wants to know. */
	void	(*copied)(void *arg);
	/* A bucket of ours went to this slot, one came from it: it goes on
	 * with this epoch. NULL: nobody wants to know. */
	void	(*gave)(void *arg, uint32_t bucket, uint32_t to,
	    uint32_t epoch);
	void	(*came)(void *arg, uint32_t bucket, uint32_t from,
	    uint32_t epoch);
	/* There is something for this slot to look at. NULL: it looks. */
	void	(*nudge)(void *arg, uint32_t slot);
	void	*arg;
};

/* What we have of a bucket. */
enum move_state {
	MOVE_AWAY,		/* nothing */
	MOVE_OURS,		/* we serve it */
	MOVE_OFFERED,		/* ours, offered to another slot */
	MOVE_COPIED,		/* a whole copy that we answered for */
	MOVE_LEFT,		/* records that are dead, still to be freed */
};

/*
 * Between two turns: do what the words ask for. budget: records touched, and
 * each 2 KiB that they take along, after which no other bucket is begun.
 * Buckets that stand still come first, then offers to us, then ours. Returns
 * how many buckets are on the move here: while there are any, it wants to be
 * called when somebody nudged and at least once per ms, else now and then.
 */
uint32_t net_move(struct net *n, uint64_t now_us, uint32_t budget);

/* Whether the last net_move() did something, so that there may be more for
 * this slot to do; else what is on the move waits for the other one. */
bool	net_move_busy(const struct net *n);

/* States of all buckets here, enum move_state, for those who steer. */
const uint8_t *net_move_states(const struct net *n);

/* State of a bucket here; frames of it are for the stack only in MOVE_OURS. */
enum move_state net_move_state(const struct net *n, uint32_t bucket);

#endif
