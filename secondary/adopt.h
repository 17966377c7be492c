/*
 * adopt: what the slot holds becomes ours. The first process of a slot makes
 * a new arena; a later one adopts what its predecessor left, and makes its
 * pool of buffers whole: each step is agreed with the primary over the board
 * (common/shm.h) and can be repeated if its doer dies.
 */
#ifndef SECONDARY_ADOPT_H
#define SECONDARY_ADOPT_H

#include "io/io.h"
#include "seat.h"

/*
 * Make io->net and open the pool. 0 created; 1 adopted, and net_replay() is
 * to be called once there are listeners; -errno with a line in the log.
 */
int	adopt(struct io *io, const struct seat_args *a,
	    const struct seat_before *before);

/* Memory for io->net, if there is none yet: 0 or -ENOMEM. */
int	adopt_prepare(struct io *io);

#endif
