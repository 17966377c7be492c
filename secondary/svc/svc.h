/*
 * svc: what a service is. One file, secondary/svc/NAME.c, holds it all:
 *
 *	struct NAME_state	per connection, survives the process
 *	struct NAME_conf	options, filled through NAME_opts
 *	struct NAME_priv	process-private, zeroed, rebuilt by start()
 *	const struct svc_desc NAME_desc		for the control tool
 *	const struct service NAME_service	for the worker
 *
 * The build finds the file by its name; nothing else is to be edited.
 *
 * A service runs inside the turn: no blocking call, no system call, no
 * allocation. Files, logs and reports are reached through struct svc_io.
 */
#ifndef SVC_SVC_H
#define SVC_SVC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/fcache.h"
#include "../../common/opt.h"
#include "../net/conn.h"
#include "../net/net.h"

struct svc;

/* A piece of a file to be written. */
enum svc_save_end {
	SVC_SAVE_MORE,		/* more will follow */
	SVC_SAVE_WHOLE,		/* this is the end: the file gets its name */
	SVC_SAVE_DROP		/* what there is of it is taken away */
};

struct svc_save {
	const char *name;	/* no '/', no '.' first, at most 200 bytes */
	uint64_t at;		/* position of data; pieces may come again */
	const void *data;	/* copied */
	uint32_t len;		/* at most 64 KiB */
	enum svc_save_end end;
};

/* A piece of a file that is too large for the cache (FCACHE_FILE). */
struct svc_fetch {
	uint32_t id;		/* conn_id() of who wants it */
	uint32_t len;		/* bytes, at least 1 */
	const struct fcache *fc;
	const struct fcache_entry *entry; /* of fc */
	uint64_t off;		/* off + len is at most the entry's size */
	bool last;		/* nothing follows: it is given only after the
				   file was found unchanged once more */
	const uint8_t **bytes;	/* where to say where they are */
};

/* A line of the access log; common/alog.h says which texts, in what order. */
struct svc_access {
	const struct conn *c;	/* the client */
	uint64_t bytes;		/* of the answer's body */
	uint16_t status;
	uint16_t len[4];	/* bytes of each text */
	const char *text[4];
};

/* What the worker (or a simulator, or a test) does for a service. */
struct svc_io {
	/* The cached document root of this path, or NULL. */
	const struct fcache *(*root)(void *arg, const char *path);
	/* The same of the generation before, which answers that were begun
	 * go on with; NULL: there is none. May be NULL. */
	const struct fcache *(*old_root)(void *arg, const char *path);
	/* Number of the generation that root() gives. NULL: always 1. */
	uint32_t (*generation)(void *arg);
	/* Wall clock, seconds since 1970; cached once per turn. */
	int64_t	(*wall)(void *arg);
	/* One line to the worker's log. Rare: start, end, errors. */
	void	(*log)(void *arg, const char *line);
	/* Replace the slot's report file (a result, JSON) by this text. */
	void	(*report)(void *arg, const char *text);
	/* The service has nothing more to do: the worker leaves with this
	 * exit status. Only for services that end, as wget does. */
	void	(*done)(void *arg, int status);

	/* ---- those below may be NULL, where there is no such thing ---- */

	/* Nanoseconds of a clock that is read now, not once per turn: to
	 * measure with, not to decide with. */
	uint64_t (*ns)(void *arg);
	/*
	 * Only in start(): memory of the slot's, by name, that survives the
	 * process and that others can read. *old: a process that died in
	 * this slot left it; else it is zeroed. NULL: there is none.
	 */
	void	*(*keep)(void *arg, const char *name, size_t len, bool *old);
	/*
	 * Only in start(): memory that slot number `slot` shares with the other
	 * slots of its group, by name; zeroed when the instance is new. Our
	 * own is for us to write, the others' to read. NULL: there is none.
	 */
	void	*(*share)(void *arg, const char *name, uint32_t slot,
		    size_t len);
	/* Other slots of the group look soon: something was written for them.
	 * There where share() is. */
	void	(*wake)(void *arg);
	/* Only in start(), it may take long: a file's bytes, in memory of the
	 * process. NULL: it cannot be read, a line in the log says why. */
	const void *(*file)(void *arg, const char *path, size_t *len);
	/*
	 * Only in start(): files are to be written to this directory, which
	 * is made if it is not there. Another process writes them; a file has
	 * the name NAME.part until it is whole. 0 or -errno with a line in
	 * the log.
	 */
	int	(*save_open)(void *arg, const char *dir);
	/* Hand over a piece: never waits. False: no room now. */
	bool	(*save)(void *arg, const struct svc_save *piece);
	/* Whether all pieces are written; then how many files are whole and
	 * how many failed, since save_open(). */
	bool	(*saved)(void *arg, uint64_t *whole, uint64_t *failed);

	/*
	 * Read without waiting. > 0: so many bytes, at most q->len, lie at
	 * *q->bytes until the event ends; 0: they are on their way, and
	 * fetch_next() will name the connection; then ask again for the same.
	 * -ESTALE: the file is not what the image says (any more), other
	 * -errno: it cannot be read. A connection reads one piece at a time:
	 * asking for another gives up the one before. NULL: there are no
	 * reads.
	 */
	int64_t	(*fetch)(void *arg, const struct svc_fetch *q);
	/* A connection wants no more, or is not ours any more. Must be said
	 * before its id is another's, and whenever it waits for something
	 * else: buffers are few. */
	void	(*fetch_end)(void *arg, uint32_t id);
	/* A connection that is to ask again; UINT32_MAX: none. Every tick. */
	uint32_t (*fetch_next)(void *arg);
	/* Hand a line to whoever writes the access log. Never waits. False: no
	 * room, it is lost. NULL: there is no log. */
	bool	(*access)(void *arg, const struct svc_access *a);
};

/* A service running in a slot. */
struct svc {
	const struct service *service;
	struct net *net;
	const void *conf;	/* struct NAME_conf */
	void *priv;		/* struct NAME_priv, priv_size bytes */
	_Atomic uint64_t *counters; /* as in desc->counters; sole writer */
	const struct svc_io *io;
	void *ioarg;
	uint32_t slot;		/* number of the slot */
	uint32_t index, count;	/* this slot is number index of count in its
				   group */
	uint64_t seed;
};

struct service {
	const struct svc_desc *desc;
	size_t priv_size;
	uint8_t client;		/* opens connections itself */
	/*
	 * Once, before the first event; after a crash, in the new process too.
	 * 0 or -errno with a line written by io->log.
	 */
	int	(*start)(struct svc *s, uint64_t now_us);
	/* Something happened to c; events as in net.h. After CONN_GONE, or
	 * conn_close() or conn_abort(), c is not the service's any more. */
	void	(*event)(struct svc *s, struct conn *c, uint32_t events);
	/*
	 * Once per turn, outside any connection: a client opens connections
	 * here. Returns when it wants to be called at the latest, µs
	 * (UINT64_MAX: only when there is other work). NULL: none.
	 */
	uint64_t (*tick)(struct svc *s, uint64_t now_us);
	/* Between two turns: options (s->conf is another struct now) or
	 * document roots changed. Cannot fail. NULL: nothing can change. */
	void	(*reload)(struct svc *s, uint64_t now_us);
	/* Whether a connection's answer, begun already, will still take bytes
	 * of a document root; old: of the generation before alone. NULL:
	 * never. */
	bool	(*holds)(struct svc *s, struct conn *c, bool old);
	/*
	 * A connection goes to another slot, or comes from one: take it out
	 * of, or into, what the service keeps outside of the connection's
	 * state (lists, counts). Only the state may be changed. One that went
	 * may come back at once. NULL: nothing is kept.
	 */
	void	(*depart)(struct svc *s, struct conn *c);
	void	(*arrive)(struct svc *s, struct conn *c);
};

/* All services of this build, ends with NULL; made by the build. */
extern const struct service *const services[];

/* Add to a counter of the service: an index into desc->counters. */
static inline void
svc_count(struct svc *s, uint32_t counter, uint64_t n)
{
	_Atomic uint64_t *w = &s->counters[counter];

	atomic_store_explicit(w,
	    atomic_load_explicit(w, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

/* A row of an option table: how long a connection may be idle, in ms, stored
 * as int64_t at offset `at`. */
#define SVC_IDLE_OPT(at, text)						\
	{ .name = "idle_timeout_ms", .type = OPT_INT, .offset = (at),	\
	    .def = 0, .min = 0, .max = 86400000, .unit = "ms",		\
	    .help = text }

/*
 * Whether a connection is idle: nothing has happened since `stamp` for ms; 0:
 * it never is. If it is not, its timer is set to when it may be, so that
 * traffic has nothing to do but to store the time. To be called with CONN_OPEN
 * and CONN_TIMER.
 */
static inline bool
svc_idle(struct svc *s, struct conn *c, uint64_t stamp, int64_t ms)
{
	uint64_t due = stamp + (uint64_t)ms * 1000;

	if (ms <= 0)
		return false;
	if (conn_now(s->net) >= due)
		return true;
	conn_timer(s->net, c, due);
	return false;
}

#endif
