/*
 * bell: wakes a sleeping worker. A FIFO in the runtime directory, "bell-N"
 * for slot N: it has a name, so unrelated processes find it, and outlives
 * both of them. A byte in it means "look at your inputs".
 *
 * Sleeper: store slot.worker.asleep = 1 (seq_cst), look at every input once
 * more, wait until the bell is readable, store asleep = 0, bell_drain().
 * Ringer: publish, then bell_call(). Its seq_cst fence pairs with the
 * sleeper's store: either the sleeper's last look sees what was published, or
 * the ringer sees asleep.
 */
#ifndef COMMON_BELL_H
#define COMMON_BELL_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Open the bell of a slot of an instance, making it if it is not there. The
 * descriptor is non-blocking, close-on-exec and both ends at once: it never
 * raises SIGPIPE or end of file. Returns it, or -errno.
 */
int	bell_open(const char *name, uint32_t slot);

/* Remove the bell of a slot. */
void	bell_unlink(const char *name, uint32_t slot);

/* Ring. Safe in a signal handler. A full bell rings already. */
void	bell_ring(int fd);

/* Take all rings. Only the slot's worker does. */
void	bell_drain(int fd);

/* Ring if the slot sleeps. Call after publishing. */
static inline void
bell_call(int fd, _Atomic uint32_t *asleep)
{
	/* pairs with the sleeper's seq_cst store of asleep */
	atomic_thread_fence(memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(asleep,
	    memory_order_relaxed) != 0, 0))
		bell_ring(fd);
}

#endif
