/*
 * standby: a process that has attached and waits, asleep, until the supervisor
 * tells it to sit down in a slot whose process died. It holds no lock that
 * anybody waits for, and touches nothing but its own words on the board.
 */
#ifndef SECONDARY_STANDBY_H
#define SECONDARY_STANDBY_H

#include "io/io.h"
#include "seat.h"

/* Become standby a->standby of the instance that was found, before the
 * attach. 0 or -errno with a line in the log. */
int	standby_open(struct io *io, const struct seat_args *a);

/* Attached: find and open what any slot will need, so that sitting down is
 * short and asks for no right. 0 or -errno with a line in the log. */
int	standby_prepare(struct io *io, const struct seat_args *a);

/*
 * Prepared: wait for an order and sit down, as seat_take() does. 0; -EINTR
 * when we are asked to leave; -errno with a line in the log.
 */
int	standby_wait(struct io *io, const struct seat_args *a,
	    struct seat_before *before);

#endif
