/*
 * live: what may change while a worker serves: options of its service, and
 * the document roots. Both are words on the board, looked at ten times a
 * second; nothing of it is on the way of a request.
 */
#ifndef IO_LIVE_H
#define IO_LIVE_H

#include "io.h"

/*
 * Options that were changed since the instance started, in place of those of
 * the configuration's copy. Before the service starts. 0 or -ENOMEM.
 */
int	live_start(struct io *io);

/* We have a slot: what was read while there was none may be old. */
void	live_sit(struct io *io);

/*
 * What the process before us left was adopted, and nothing is sent yet: reset
 * the connections that were in the middle of files which the primary has
 * replaced while nobody sat here.
 */
void	live_adopted(struct io *io);

/* Follow the board. */
void	live_turn(struct io *io);

/* Connections came from another slot: they may send files of the generation
 * before, and of one that we have not seen yet. Before their copies are
 * valid. */
void	live_arrived(struct io *io);

#endif
