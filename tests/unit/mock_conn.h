/*
 * mock_conn: conn.h over plain buffers, to drive a service without a stack.
 *
 * A test program that includes this defines all of conn.h (and net_connect),
 * so that the archive's own are not linked. A peer is a struct conn: the test
 * puts bytes in, calls the service, and looks at what came out. How bytes are
 * cut into pieces, how much room there is and which calls fail is the test's
 * to set.
 */
#ifndef UNIT_MOCK_CONN_H
#define UNIT_MOCK_CONN_H

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/svc/svc.h"

#define MOCK_STATE	512

struct conn {
	_Alignas(8) uint8_t state[MOCK_STATE];
	uint8_t *in, *out;
	uint32_t in_len, in_off;	/* bytes given, consumed */
	uint32_t out_len, out_cap;
	uint32_t taken;		/* of out: acknowledged by the peer */
	uint32_t sndbuf;	/* room for copies; 0: no limit */
	uint32_t copied;	/* bytes of copies not acknowledged */
	uint32_t piece;		/* most bytes together; 0: all */
	uint32_t fail_mem;	/* so many conn_send_mem() fail */
	uint32_t mems;		/* conn_send_mem() calls that worked */
	uint64_t timer;		/* 0: off */
	uint32_t want;
	struct net_addr remote;
	bool fin, shut, closed, aborted, discarded, active, nodelay;
	int error;
	uint8_t *reserved;
	uint32_t reserved_len;
};

struct net {
	uint64_t now;
	struct conn **conns;	/* opened by net_connect() */
	uint32_t nconns;
	int connect_err;
	uint32_t spare;		/* conn_spare() */
	struct conn *one;	/* what conn_enter() finds */
	/* reads: of this file, each after so many looks; or this error */
	const uint8_t *disk;
	uint64_t disk_size;
	uint32_t read_slow, read_looks, read_most;
	int64_t read_err;
	uint64_t read_off;
	uint32_t reads, ends;	/* begun, given up */
	bool reading, read_named;
	const struct fcache *read_fc; /* of the last one */
	const struct fcache *old; /* root of the generation before */
	uint32_t gen;		/* number of this one; 0: the first */
	int64_t wall;
	const struct fcache *root;
	char log[65536], report[65536];
	char access[4096];	/* "STATUS FIRST LINE\n" of each answer */
	void *kept;		/* svc_io.keep's memory */
	bool died;		/* and somebody left it */
	const void *file;	/* svc_io.file's answer */
	size_t file_len;
	char saved[65536];	/* "NAME AT LEN END\n" of each piece */
	uint32_t nsaved, save_room; /* pieces taken, and those that fit */
	int done;		/* exit status + 1 */
	struct svc svc;
	_Atomic uint64_t counters[SVC_COUNTERS];
};

/* ---- conn.h ---- */

void *
conn_state(struct conn *c)
{
	return c->state;
}

uint32_t
conn_id(const struct net *n, const struct conn *c)
{
	uint32_t i;

	for (i = 0; i < n->nconns; i++)
		if (n->conns[i] == c)
			return i;
	return 0;
}

void
conn_local(const struct conn *c, struct net_addr *a)
{
	memset(a, 0, sizeof(*a));
}

void
conn_remote(const struct conn *c, struct net_addr *a)
{
	*a = c->remote;
}

bool
conn_active(const struct conn *c)
{
	return c->active;
}

uint32_t
conn_readable(const struct conn *c)
{
	return c->in_len - c->in_off;
}

bool
conn_eof(const struct conn *c)
{
	return c->fin && c->in_off == c->in_len;
}

uint32_t
conn_peek(struct net *n, struct conn *c, uint32_t skip, const uint8_t **p)
{
	uint32_t at = c->in_off + skip, left;

	assert(!c->closed && !c->aborted && c->reserved == NULL);
	if (at >= c->in_len)
		return 0;
	*p = c->in + at;
	left = c->in_len - at;
	/* Pieces lie at fixed places, as segments do. */
	if (c->piece > 0 && left > c->piece - at % c->piece)
		left = c->piece - at % c->piece;
	return left;
}

uint32_t
conn_copy(struct net *n, struct conn *c, uint32_t skip, void *buf,
    uint32_t len)
{
	uint32_t left = conn_readable(c);

	assert(!c->closed && !c->aborted && c->reserved == NULL);
	left = skip < left ? left - skip : 0;
	if (len > left)
		len = left;
	if (len > 0)
		memcpy(buf, c->in + c->in_off + skip, len);
	return len;
}

void
conn_consume(struct net *n, struct conn *c, uint32_t len)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	assert(len <= conn_readable(c));
	/* Poison what is consumed: nobody may look at it again. */
	memset(c->in + c->in_off, 0xee, len);
	c->in_off += len;
}

uint32_t
conn_room(struct net *n, struct conn *c)
{
	if (c->shut)
		return 0;
	if (c->sndbuf == 0)
		return 1u << 30;
	return c->copied < c->sndbuf ? c->sndbuf - c->copied : 0;
}

uint32_t
conn_sndbuf(const struct net *n, const struct conn *c)
{
	return c->sndbuf == 0 ? 1u << 30 : c->sndbuf;
}

uint32_t
conn_window(const struct conn *c)
{
	return 1u << 30;
}

uint32_t
conn_spare(const struct net *n)
{
	return n->spare;
}

uint64_t
conn_queued(const struct conn *c)
{
	return c->out_len - c->taken;
}

static inline void
mock_append(struct conn *c, const void *p, size_t len)
{
	if (len == 0)
		return;
	if (c->out_len + len > c->out_cap) {
		c->out_cap = (uint32_t)((c->out_len + len) * 2);
		c->out = realloc(c->out, c->out_cap);
		assert(c->out != NULL);
	}
	memcpy(c->out + c->out_len, p, len);
	c->out_len += (uint32_t)len;
}

uint32_t
conn_write(struct net *n, struct conn *c, const void *buf, uint32_t len)
{
	uint32_t room = conn_room(n, c);

	assert(!c->closed && !c->aborted && c->reserved == NULL);
	if (len > room)
		len = room;
	mock_append(c, buf, len);
	c->copied += len;
	return len;
}

bool
conn_write_whole(struct net *n, struct conn *c, const void *buf, uint32_t len)
{
	if (len == 0 || len > conn_room(n, c) || c->copied > 0)
		return false;
	return conn_write(n, c, buf, len) == len;
}

void *
conn_reserve(struct net *n, struct conn *c, uint32_t min, uint32_t *len)
{
	uint32_t room = conn_room(n, c);

	assert(!c->closed && !c->aborted && c->reserved == NULL);
	assert(min <= 512 && min <= *len);
	if (room < min)
		return NULL;
	if (*len > room)
		*len = room;
	/* Exactly as long as promised: a sanitizer sees what is beyond. */
	c->reserved = malloc(*len > 0 ? *len : 1);
	c->reserved_len = *len;
	return c->reserved;
}

void
conn_commit(struct net *n, struct conn *c, uint32_t len)
{
	uint8_t *p = c->reserved;

	assert(p != NULL && len <= c->reserved_len);
	c->reserved = NULL;
	mock_append(c, p, len);
	c->copied += len;
	free(p);
}

int
conn_send_mem(struct net *n, struct conn *c, const void *mem, uint64_t len)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	if (c->fail_mem > 0) {
		c->fail_mem--;
		return -ENOBUFS;
	}
	mock_append(c, mem, len);
	c->mems++;
	return 0;
}

void
conn_want_room(struct net *n, struct conn *c, uint32_t room)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	c->want = room;
}

void
conn_timer(struct net *n, struct conn *c, uint64_t deadline_us)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	c->timer = deadline_us;
}

void
conn_shutdown(struct net *n, struct conn *c)
{
	c->shut = true;
}

void
conn_close(struct net *n, struct conn *c)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	c->closed = true;
}

void
conn_discard(struct net *n, struct conn *c)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	c->discarded = true;
}

void
conn_abort(struct net *n, struct conn *c)
{
	assert(!c->closed && !c->aborted && c->reserved == NULL);
	c->aborted = true;
}

int
conn_error(const struct conn *c)
{
	return c->error;
}

void
conn_nodelay(struct conn *c, bool on)
{
	c->nodelay = on;
}

void
conn_cork(struct net *n, struct conn *c, bool on)
{
}

uint64_t
conn_now(const struct net *n)
{
	return n->now;
}

bool
conn_fin(const struct conn *c)
{
	return c->fin;
}

void
conn_metrics(const struct net *n, const struct conn *c, struct conn_metrics *m)
{
	memset(m, 0, sizeof(*m));
	m->bytes_out = c->taken;
}

/* Only those that the service opened are reached without an event, or the one
 * of the test. */
struct conn *
conn_enter(struct net *n, uint32_t id)
{
	if (n->one != NULL)
		return id == 0 ? n->one : NULL;
	return id < n->nconns && !n->conns[id]->aborted ? n->conns[id] : NULL;
}

void
conn_leave(struct net *n, struct conn *c)
{
}

/* ---- connections ---- */

static inline struct conn *
mock_conn(void)
{
	struct conn *c = aligned_alloc(8, (sizeof(*c) + 7) & ~(size_t)7);

	assert(c != NULL);
	memset(c, 0, sizeof(*c));
	return c;
}

static inline void
mock_free(struct conn *c)
{
	free(c->in);
	free(c->out);
	free(c->reserved);
	free(c);
}

int
net_connect(struct net *n, const struct net_addr *local,
    const struct net_addr *remote, uint64_t now_us, struct conn **cp)
{
	if (n->connect_err != 0)
		return n->connect_err;
	n->conns = reallocarray(n->conns, n->nconns + 1, sizeof(*n->conns));
	assert(n->conns != NULL);
	*cp = n->conns[n->nconns++] = mock_conn();
	(*cp)->active = true;
	return 0;
}

/* The peer sends len bytes. */
static inline void
mock_give(struct conn *c, const void *p, size_t len)
{
	uint8_t *in = malloc(c->in_len + len + 1);

	/* A fresh block each time: stale pointers are seen. */
	assert(in != NULL);
	if (c->in_len > 0)
		memcpy(in, c->in, c->in_len);
	if (len > 0)
		memcpy(in + c->in_len, p, len);
	free(c->in);
	c->in = in;
	c->in_len += (uint32_t)len;
}

/* Whether the service still has the connection. */
static inline bool
mock_alive(const struct conn *c)
{
	return !c->closed && !c->aborted;
}

/* ---- a service on it ---- */

static const struct fcache *
mock_root(void *arg, const char *path)
{
	return ((struct net *)arg)->root;
}

static int64_t
mock_wall(void *arg)
{
	return ((struct net *)arg)->wall;
}

static inline void
mock_log(void *arg, const char *line)
{
	struct net *n = arg;
	size_t used = strlen(n->log);

	snprintf(n->log + used, sizeof(n->log) - used, "%s\n", line);
}

static inline bool
mock_access(void *arg, const struct svc_access *a)
{
	struct net *n = arg;
	size_t used = strlen(n->access);

	snprintf(n->access + used, sizeof(n->access) - used, "%u %.*s\n",
	    a->status, (int)a->len[0], a->text[0]);
	return true;
}

static inline void
mock_report(void *arg, const char *text)
{
	struct net *n = arg;

	snprintf(n->report, sizeof(n->report), "%s", text);
}

static inline void
mock_done(void *arg, int status)
{
	((struct net *)arg)->done = status + 1;
}

static inline void *
mock_keep(void *arg, const char *name, size_t len, bool *old)
{
	struct net *n = arg;

	*old = n->died;
	if (n->kept == NULL)
		n->kept = calloc(1, len);
	return n->kept;
}

static inline const void *
mock_file(void *arg, const char *path, size_t *len)
{
	struct net *n = arg;

	*len = n->file_len;
	return n->file;
}

static inline int
mock_save_open(void *arg, const char *dir)
{
	return strcmp(dir, "/no") == 0 ? -EACCES : 0;
}

static inline bool
mock_save(void *arg, const struct svc_save *p)
{
	struct net *n = arg;
	size_t used = strlen(n->saved);

	if (n->nsaved == n->save_room)
		return false;
	n->nsaved++;
	snprintf(n->saved + used, sizeof(n->saved) - used, "%s %u %u %d\n",
	    p->name, (uint32_t)p->at, p->len, (int)p->end);
	return true;
}

static inline bool
mock_saved(void *arg, uint64_t *whole, uint64_t *failed)
{
	return true;
}

/* One connection reads at a time. */
static int64_t
mock_read(void *arg, const struct svc_fetch *q)
{
	struct net *n = arg;
	uint32_t len = q->len;

	n->read_fc = q->fc;
	assert(q->len > 0 && q->off + q->len <= n->disk_size);
	if (!n->reading || n->read_off != q->off) {
		n->reading = true;
		n->read_off = q->off;
		n->read_looks = 0;
		n->reads++;
	}
	if (n->read_looks++ < n->read_slow) {
		n->read_named = true;
		return 0;
	}
	if (n->read_err != 0)
		return n->read_err;
	if (n->read_most > 0 && len > n->read_most)
		len = n->read_most;
	*q->bytes = n->disk + q->off;
	return len;
}

static void
mock_read_end(void *arg, uint32_t id)
{
	struct net *n = arg;

	n->ends += n->reading;
	n->reading = n->read_named = false;
}

static uint32_t
mock_read_next(void *arg)
{
	struct net *n = arg;

	if (!n->read_named)
		return UINT32_MAX;
	n->read_named = false;
	return 0;
}

static const struct fcache *
mock_old_root(void *arg, const char *path)
{
	return ((struct net *)arg)->old;
}

static uint32_t
mock_generation(void *arg)
{
	struct net *n = arg;

	return n->gen == 0 ? 1 : n->gen;
}

static const struct svc_io mock_io = {
	.root = mock_root, .old_root = mock_old_root,
	.generation = mock_generation, .wall = mock_wall, .log = mock_log,
	.access = mock_access, .report = mock_report, .done = mock_done,
	.keep = mock_keep,
	.file = mock_file, .save_open = mock_save_open, .save = mock_save,
	.saved = mock_saved, .fetch = mock_read,
	.fetch_end = mock_read_end, .fetch_next = mock_read_next,
};

/* Fill a service's options with their defaults. */
static inline void *
mock_conf(const struct service *sv)
{
	const struct opt *o;
	uint8_t *conf = calloc(1, sv->desc->opts->size), *at;

	assert(conf != NULL);
	for (o = sv->desc->opts->opts; o->name != NULL; o++) {
		at = conf + o->offset;
		if (o->type == OPT_BOOL)
			*at = (uint8_t)o->def;
		else if (o->type == OPT_INT)
			*(int64_t *)at = o->def;
		else if (o->type == OPT_ENUM)
			*(int32_t *)at = (int32_t)o->def;
		else if (o->defstr != NULL)
			snprintf((char *)at, OPT_STRLEN, "%s", o->defstr);
	}
	return conf;
}

/* A service in a new process: conf is taken, root may be NULL. */
static inline struct net *
mock_start(const struct service *sv, void *conf, const struct fcache *root,
    int *err)
{
	struct net *n = calloc(1, sizeof(*n));

	assert(n != NULL);
	assert(sv->desc->state_size <= MOCK_STATE);
	n->root = root;
	n->now = 1000000;
	n->wall = 1700000000;
	n->spare = 1024;
	n->svc.service = sv;
	n->svc.net = n;
	n->svc.conf = conf;
	n->svc.priv = calloc(1, sv->priv_size);
	n->svc.counters = n->counters;
	n->svc.io = &mock_io;
	n->svc.ioarg = n;
	n->svc.count = 1;
	*err = sv->start(&n->svc, n->now);
	return n;
}

/* As if another process had taken over: private memory starts anew. */
static inline void
mock_restart(struct net *n)
{
	free(n->svc.priv);
	n->svc.priv = calloc(1, n->svc.service->priv_size);
	n->now += 2;
	n->died = true;
	if (n->svc.service->start(&n->svc, n->now) != 0)
		abort();
}

static inline void
mock_stop(struct net *n)
{
	uint32_t i;

	for (i = 0; i < n->nconns; i++)
		mock_free(n->conns[i]);
	free(n->conns);
	free(n->svc.priv);
	free(n->kept);
	free((void *)(uintptr_t)n->svc.conf);
	free(n);
}

/* Whether there is the room that is waited for, or all there can be. */
static inline bool
mock_has_room(struct net *n, const struct conn *c)
{
	uint32_t room = conn_room(n, (struct conn *)(uintptr_t)c);

	return room > 0 && (room >= c->want || c->copied == 0);
}

/* Call the service; and again while it wants room that there is. */
static inline void
mock_event(struct net *n, struct conn *c, uint32_t events)
{
	uint32_t rounds = 0;

	if (!mock_alive(c))
		return;
	n->svc.service->event(&n->svc, c, events);
	while (mock_alive(c) && c->want > 0 && mock_has_room(n, c) &&
	    rounds++ < 100000) {
		c->want = 0;
		n->svc.service->event(&n->svc, c, CONN_WRITE);
	}
	assert(c->reserved == NULL);
}

/* The peer acknowledges all; the service may write again. */
static inline void
mock_ack(struct net *n, struct conn *c)
{
	c->taken = c->out_len;
	c->copied = 0;
	if (mock_alive(c) && c->want > 0) {
		c->want = 0;
		mock_event(n, c, CONN_WRITE);
	}
}

/* Bytes come, and the service is called. */
static inline void
mock_input(struct net *n, struct conn *c, const void *p, size_t len)
{
	if (!mock_alive(c))
		return;
	mock_give(c, p, len);
	mock_event(n, c, CONN_READ);
}

/* The peer's FIN. */
static inline void
mock_fin(struct net *n, struct conn *c)
{
	c->fin = true;
	mock_event(n, c, CONN_READ);
}

/* Time passes; the connection's timer fires if it is due. */
static inline void
mock_pass(struct net *n, struct conn *c, uint64_t us)
{
	uint64_t end = n->now + us;

	while (mock_alive(c) && c->timer != 0 && c->timer <= end) {
		if (c->timer > n->now)
			n->now = c->timer;
		c->timer = 0;
		mock_event(n, c, CONN_TIMER);
	}
	n->now = end;
}

#endif
