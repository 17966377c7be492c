/*
 * frames: which memory is a frame of a slot's pool, and who holds it; for the
 * repair of a pool whose user died.
 */
#ifndef IO_FRAMES_H
#define IO_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"

/* Note where the frames of a slot's pool lie. Reads the pool only; once per
 * slot is enough. 0 or -errno with a line in the log. */
int	frames_find(struct io *io, uint32_t slot);

/* Of our slot, found before: nobody holds any. */
void	frames_forget(struct io *io);

/* Whether a ref names a frame of our slot's pool. arg is struct io. */
bool	frames_is(void *arg, uint32_t ref);

/*
 * Somebody holds the frame with this ref: true. False: it is no frame of our
 * slot's pool, or it was claimed before. arg is struct io.
 */
bool	frames_claim(void *arg, uint32_t ref);

/* It is not held after all. */
void	frames_disclaim(void *arg, uint32_t ref);

/*
 * Make our slot's pool of what nobody claimed. Ring and caches are forgotten
 * first: a process killed in the middle of a put or get left them in no known
 * state. Returns how many frames are free.
 */
uint32_t frames_rebuild(struct io *io);

/* Frames of our slot's pool in all. */
uint32_t frames_count(const struct io *io);

#endif
