/*
 * obj: an object, a record of a service's own: a key and some bytes under it,
 * which survive the process.
 *
 * It is used in the middle of connections' brackets, so it is never in hands:
 * each change is made beside what holds and ends with one store. A new object
 * is whole before it is USED; one that changes gets its new value into the
 * other of val[], then `valid` says so; one that goes is FREE first. Whenever
 * the process dies, there is the old value or the new one, never a part;
 * chunks that belong to neither are free, since no record reaches them.
 */
#ifndef COMMON_OBJ_H
#define COMMON_OBJ_H

#include "arena.h"

#define OBJ_KEY		64u	/* most bytes of a key */

struct obj {
	struct rec rec;		/* hash: of the key; deadline, bucket, epoch
				   and the wheel's links are not used */
	_Atomic uint32_t valid;	/* val[valid & 1] is the value; grows by 1
				   with each value of the record */
	uint32_t hnext;		/* next of the same hash; index */
	struct {
		uint32_t head;	/* first chunk; ARENA_NONE: empty */
		uint32_t len;	/* bytes in all */
	} val[2];
	uint8_t klen;
	uint8_t pad[7];
	uint8_t key[OBJ_KEY];
};

_Static_assert(sizeof(struct obj) == 136, "no holes");

#endif
