/*
 * find: what the primary made, by name. DPDK's own lookups take a lock that
 * lives in shared memory and is not robust; so all names are looked up once,
 * while the process attaches, and never again.
 */
#ifndef IO_FIND_H
#define IO_FIND_H

#include <stddef.h>

struct rte_mempool;

/* Note all memory zones and pools that there are. 0 or -ENOMEM. */
int	find_open(void);

/* A memory zone and its length, or NULL. */
void	*find_zone(const char *name, size_t *len);

/* A pool, or NULL. */
struct rte_mempool *find_pool(const char *name);

#endif
