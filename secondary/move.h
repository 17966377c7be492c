/*
 * move: the worker's part in buckets that move (secondary/net/move.h): who
 * the other slots are, when to look at the words, and frames of a bucket that
 * is on its way to us.
 */
#ifndef SECONDARY_MOVE_H
#define SECONDARY_MOVE_H

#include "io/io.h"

/*
 * After lanes_open(): find the group's other slots; io->buckets stays NULL
 * where there are none, or where the service's connections stay. 0 or -ENOMEM.
 */
int	move_open(struct io *io);

/* Once io->net is made: from now on frames of buckets that are not served
 * here are held or handed on. */
void	move_start(struct io *io);

/* Part of a turn, if io->buckets: returns whether there is more to do. */
bool	move_turn(struct io *io);

/* Whether a turn has to look at the words now. */
static inline bool
move_due(const struct io *io)
{
	return io->buckets != NULL && (io->moving > 0 || io->nheld > 0 ||
	    io->order->ngave > 0 || io->now - io->looked_us >= MOVE_LOOK_US);
}

/* At the end of a turn, if io->buckets, when what was handed on is published:
 * tell other slots that nothing of theirs comes to us any more. */
void	move_mark(struct io *io);

/* Before leaving: whether nothing of ours is on its way any more, and who
 * steers has had time to see it. */
bool	move_done(const struct io *io);

/* The primary is to look at the board. */
void	move_call_primary(struct io *io);

#endif
