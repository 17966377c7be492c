/*
 * One object that mentions every structure in shared memory, so that its
 * debugging information describes them all: tools/layout hashes it. A
 * structure that is added to shared memory is added here and there.
 */
#include "arena.h"
#include "board.h"
#include "fcache.h"
#include "neigh.h"
#include "obj.h"
#include "pkt.h"
#include "shm.h"
#include "tcb.h"
#include "xring.h"

#define KEEP(type, name)						\
	extern const struct type *const shared_##name;			\
	const struct type *const shared_##name = NULL

KEEP(board, board);
KEEP(arena, arena);
KEEP(hent, hent);
KEEP(conn, conn);
KEEP(tcp_ext, tcp_ext);
KEEP(tw, tw);
KEEP(neigh, neigh);
KEEP(obj, obj);
KEEP(chunk, chunk);
KEEP(pkt, pkt);
KEEP(xring, xring);
KEEP(fcache, fcache);
KEEP(fcache_entry, fcache_entry);
KEEP(shm_secret, shm_secret);
