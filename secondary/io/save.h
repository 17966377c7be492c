/*
 * save: files that a service wants written, without a blocking call in the
 * turn. The pieces go through a ring in shared memory to a process that does
 * nothing else: this program again, as `starfish-worker --writer`. It ends
 * when all is written and the worker is gone, however that ended.
 */
#ifndef IO_SAVE_H
#define IO_SAVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../svc/svc.h"

#define SAVE_BYTES	(4u << 20)	/* of pieces in the ring */
#define SAVE_NAME	208u

/* The ring, in a memory file; data follows. Positions only grow. */
struct save_ring {
	/* the worker's */
	_Alignas(64) _Atomic uint64_t prod;
	/* the writer's; sleeps: it waits for a byte in the pipe */
	_Alignas(64) _Atomic uint64_t cons;
	_Atomic uint64_t whole, failed;
	_Atomic uint32_t sleeps;
	_Alignas(64) uint8_t data[SAVE_BYTES];
};

struct save {
	struct save_ring *ring;	/* NULL: not open */
	int pipe;		/* wakes the writer; its end is ours */
};

/* Make the directory and start the writer. 0 or -errno with a line in the
 * log. */
int	save_open(struct save *s, const char *dir);

/* As svc_io.save and svc_io.saved. */
bool	save_piece(struct save *s, const struct svc_save *piece);
bool	save_done(struct save *s, uint64_t *whole, uint64_t *failed);

/* The writer's whole life; argv of --writer: ring's descriptor, pipe's,
 * directory's. Returns the exit status. */
int	save_writer(int argc, char **argv);

#endif
