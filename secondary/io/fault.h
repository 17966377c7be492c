/*
 * fault: faults made on purpose (common/fault.h), in one worker. io->fault is
 * NULL while there are none: all that a turn pays then is to see that.
 */
#ifndef IO_FAULT_H
#define IO_FAULT_H

#include <stdint.h>

#include "../../common/fault.h"
#include "../../common/pkt.h"

struct io;

/* Where the configuration allows faults: memory for them, and what is asked
 * for now. 0 or -ENOMEM. */
int	fault_open(struct io *io);

/* What is asked for may have changed: with each heartbeat, before frames are
 * received, so that what comes after the asking meets the fault. */
void	fault_look(struct io *io);

/* ---- only while io->fault is not NULL ---- */

/* A turn begins, and ends: before its frames are taken back. */
void	fault_begin(struct io *io);
void	fault_end(struct io *io);

/* Received frames in[0 .. n): returns how many are left for the stack now. */
uint32_t fault_receive(struct io *io, struct pkt **in, uint32_t n);

/* Give the stack what was put off and is due; how many. */
uint32_t fault_later(struct io *io);

/* When something that was put off is due; UINT64_MAX. */
uint64_t fault_due(const struct io *io);

/* Before frames are sent: take out those that are lost. */
void	fault_send(struct io *io);

/* The worker passes this point: it may end here. */
void	fault_point(struct io *io, enum fault_point at);

#endif
