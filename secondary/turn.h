/*
 * turn: the worker's loop.
 *
 *	receive → steer → input → timers due → service events → output → send
 *
 * Run to completion: no lock, no allocation, no system call but a driver's;
 * the time is read once per turn, and the work of a turn is bounded.
 */
#ifndef SECONDARY_TURN_H
#define SECONDARY_TURN_H

#include "io/io.h"

/* One turn. Returns whether there was, or still is, something to do. */
bool	turn_once(struct io *io);

/* Turn until we are told to stop, or the service is done. */
void	turn_run(struct io *io);

/*
 * Finish: accept nothing more, go on until no connection is left and all is
 * sent, or peers have been quiet for a while; at most for limit_us.
 */
void	turn_drain(struct io *io, uint64_t limit_us);

#endif
