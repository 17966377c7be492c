/*
 * halve: makes two segments of one, as a path might have cut it. Pure.
 */
#ifndef IO_HALVE_H
#define IO_HALVE_H

#include <stdbool.h>

#include "../../common/pkt.h"

/*
 * p is a received frame. If it is a whole TCP segment over IPv4 or IPv6 with
 * two bytes of payload at least and a right checksum, the second half of them
 * goes to q, a free frame, and p keeps the first. False: nothing was done.
 */
bool	halve(struct pkt *p, struct pkt *q);

#endif
