/*
 * attach: become a DPDK secondary of the instance, with all its memory at the
 * primary's addresses.
 */
#ifndef SECONDARY_ATTACH_H
#define SECONDARY_ATTACH_H

#include "io/io.h"

/*
 * Initialise EAL as lcore slot.fixed.lcore on io->cpu, find the slot's pool
 * and io's lanes. Ends the process when that takes longer than
 * start_timeout_ms: a process that died while it attached may hold a lock of
 * EAL's for good. 0 or -errno with a line in the log.
 */
int	attach(struct io *io);

/* Memory of the slot's arena, or NULL with a line in the log. */
void	*attach_arena(struct io *io, size_t *len);

/* The instance secret, or NULL with a line in the log. */
const struct shm_secret *attach_secret(void);

/* Remove what EAL keeps of this process in the file system. At the end. */
void	attach_forget(void);

#endif
