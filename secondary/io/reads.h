/*
 * reads: files too large for the cache, read without waiting, by io_uring.
 *
 * A fixed number of buffers of the process's own: after a kill the kernel may
 * still write to them, so nothing that outlives the process is ever the
 * target of a read. A connection has one buffer at most, from the moment a
 * piece is asked for until it is handed over; those for whom there is none
 * stand in a queue. Files are open once for all connections.
 *
 * After reads_open() the one system call is io_uring_enter: what it asks for
 * (openat2, statx, read, close) is asked for through the ring, under the
 * rights that the process has then. Blocking is left to the kernel's own
 * threads.
 */
#ifndef IO_READS_H
#define IO_READS_H

#include <stdbool.h>
#include <stdint.h>

#include "../svc/svc.h"

#define READS_LEN	65536u	/* bytes of a buffer */

struct reads;

/*
 * A ring and nbufs buffers, for connections 0 .. conns - 1. NULL with a reason
 * in *err (-errno). Allocates; to be called at the start, while roots can
 * still be opened.
 */
struct reads *reads_open(uint32_t nbufs, uint32_t conns, int *err);

/* The descriptor that is readable when something was completed. */
int	reads_fd(const struct reads *r);

/*
 * From now on files of image fc lie beneath the directory dir, which is
 * another one's now: fc's memory may have been used before. A root directory
 * that is opened at the start is given as a descriptor (taken); later, -1 has
 * it opened through the ring, and if that fails the one before stays.
 */
void	reads_root(struct reads *r, uint32_t index, const struct fcache *fc,
	    const char *dir, int fd);

/* Look at what was completed. Every turn. How often the kernel has refused
 * since the last one: what was asked for then waits and is asked for again. */
uint32_t reads_turn(struct reads *r, uint64_t now_us);

/* When the next turn is due for that, at the latest; UINT64_MAX. */
uint64_t reads_deadline(const struct reads *r);

/* svc_io's calls. */
int64_t	reads_get(struct reads *r, const struct svc_fetch *q);
void	reads_end(struct reads *r, uint32_t id);
uint32_t reads_next(struct reads *r);

#endif
