/*
 * audit: a worker counts everything its slot has, when it is asked to: free
 * and held are counted apart, so that what is lost shows.
 */
#ifndef SECONDARY_AUDIT_H
#define SECONDARY_AUDIT_H

#include "io/io.h"

/* Between two turns: answer super.audit if it is not answered yet. */
void	audit_turn(struct io *io);

#endif
