/*
 * attach: become a DPDK secondary of the instance, with all its memory at the
 * primary's addresses.
 */
#ifndef SECONDARY_ATTACH_H
#define SECONDARY_ATTACH_H

#include "io/io.h"

/*
 * Initialise EAL, on io->cpu if we have a slot, and find all that the primary
 * made: nothing is looked up or opened afterwards. Ends the process when that
 * takes longer than start_timeout_ms: a process that died while it attached
 * may hold a lock of EAL's for good. 0 or -errno with a line in the log.
 */
int	attach(struct io *io);

/*
 * Once we have a slot: run on its cpu, open its pool and its lanes in this
 * process. Takes no lock of DPDK's, needs no privilege. 0 or -errno with a line
 * in the log.
 */
int	attach_slot(struct io *io);

/* Memory of the slot's arena, or NULL with a line in the log. */
void	*attach_arena(struct io *io, size_t *len);

/* The instance secret, or NULL with a line in the log. */
const struct shm_secret *attach_secret(void);

/* Remove what EAL keeps of this process in the file system. At the end. */
void	attach_forget(void);

#endif
