/*
 * obj: objects, a service's own memory that survives the process: bytes under
 * a key, in the slot's arena.
 *
 * All calls are for the service, in an event, in its tick or between turns.
 * They belong to the slot: connections of all buckets share them. A change is
 * there as a whole or not at all, whenever the process dies, and once a call
 * has returned it stays (common/obj.h). Several changes are not one: who needs
 * that makes one object of them.
 *
 * The arena has room for shape.objs of them. Values lie in chunks, as what is
 * sent does, and leave a quarter of these to the connections; what finds no
 * room is refused with -ENOSPC and counted (obj_refused).
 *
 * A service that has objects says so in its description: desc->objects.
 */
#ifndef NET_OBJ_H
#define NET_OBJ_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/obj.h"
#include "net.h"

#define OBJ_VALUE	(1u << 20)	/* most bytes of a value */

/* An object as it is now. Holds until the next call that changes one. */
struct obj_view {
	uint32_t id;		/* of the record: shape.objs of them */
	uint32_t version;	/* another one after each change; of an id, not
				   the same again in 2^32 changes */
	uint32_t len;		/* bytes of the value */
	uint32_t klen;
	const uint8_t *key;
};

/* Look a key of 1 to OBJ_KEY bytes up. Whether it is there. */
bool	obj_find(const struct net *n, const void *key, uint32_t klen,
	    struct obj_view *v);

/*
 * Look at the value from position skip: *p is set to the first of as many
 * bytes as lie together. Returns how many, 0 at the end. Copy them to send
 * them: conn_send_mem() would not see that the object changes.
 */
uint32_t obj_peek(const struct net *n, const struct obj_view *v,
	    uint32_t skip, const uint8_t **p);

/* Copy up to len bytes from position skip; returns how many. */
uint32_t obj_copy(const struct net *n, const struct obj_view *v,
	    uint32_t skip, void *buf, uint32_t len);

/*
 * Store a value under a key, new or not. 0; -EINVAL klen or len is out of
 * range; -ENOSPC no record or chunk is free: what was there stays.
 */
int	obj_put(struct net *n, const void *key, uint32_t klen,
	    const void *value, uint32_t len);

/*
 * The same for a value that does not lie in one piece: begin with its length,
 * add its pieces, at last the key. Nothing is changed before obj_commit(); one
 * value at a time: another obj_begin() or obj_cancel() drops what was begun.
 * obj_add() takes no more than the length says; obj_commit() asks for all of
 * it: -EINVAL.
 */
int	obj_begin(struct net *n, uint32_t len);
void	obj_add(struct net *n, const void *p, uint32_t len);
int	obj_commit(struct net *n, const void *key, uint32_t klen);
void	obj_cancel(struct net *n);

/* Remove it. 0 or -ENOENT. */
int	obj_del(struct net *n, const void *key, uint32_t klen);

/*
 * Walk over all: *at is 0 at the start. Whether there was another one. What
 * is stored or removed meanwhile may be met or not, all others once. Looks at
 * no more than max records: *at is UINT32_MAX when all were looked at.
 */
bool	obj_next(const struct net *n, uint32_t *at, uint32_t max,
	    struct obj_view *v);

/* How many there are. */
uint32_t obj_count(const struct net *n);

#endif
