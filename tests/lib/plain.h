/*
 * plain: one stack in plain memory, for tests that need no world around it.
 *
 * Header only, so that each test program and each fuzz target stays one file.
 * Memory may be shared with other processes, so that a stack can outlive the
 * one that ran it.
 */
#ifndef TESTS_PLAIN_H
#define TESTS_PLAIN_H

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../secondary/net/base.h"
#include "../../secondary/net/conn.h"
#include "../../secondary/net/net.h"
#include "../../secondary/net/net_priv.h"

#define PLAIN_FRAMES	256u
#define PLAIN_ROOM	(PKT_HEADROOM + 1600u)
#define PLAIN_STRIDE							\
	((uint32_t)((sizeof(struct pkt) + PLAIN_ROOM + 63) & ~63u))
#define PLAIN_BOX	256u	/* frames of a box */
#define PLAIN_FRAME	1600u	/* bytes of one */
#define PLAIN_PREFIX	24u

/* Frames on their way, whole when n is stored. */
struct plain_box {
	_Atomic uint32_t n;
	uint32_t len[PLAIN_BOX];
	uint8_t data[PLAIN_BOX][PLAIN_FRAME];
};

struct plain {
	struct net *net;
	struct net_conf conf;
	struct net_env env;
	struct pktpool pool;
	_Atomic uint64_t counters[CNT_MAX];
	void *arena;
	size_t arena_bytes;
	uint8_t *frames;
};

/* What plain_count() found. */
struct plain_count {
	struct plain *s;
	uint8_t frame[PLAIN_FRAMES];
	uint8_t *chunk;
	uint32_t nchunk;
	const char *why;	/* NULL: all is well */
};

static inline void
plain_no_fill(struct pktpool *pp, void *arg)
{
	(void)pp;
	(void)arg;
}

static inline struct pkt *
plain_frame(const struct plain *s, uint32_t i)
{
	return (struct pkt *)(s->frames + (size_t)i * PLAIN_STRIDE);
}

static inline void *
plain_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert(p != MAP_FAILED);
	return p;
}

/* Settings of host 10.0.0.id, one port, Ethernet; the caller changes some. */
static inline void
plain_conf(struct plain *s, uint8_t id, uint32_t conns)
{
	struct net_conf *c = &s->conf;

	memset(s, 0, sizeof(*s));
	net_conf_default(c, conns);
	c->shape.state_size = 64;
	c->seed = id;
	memset(c->secret, 7, sizeof(c->secret));
	c->nports = 1;
	c->port[0].mac[0] = 2;
	c->port[0].mac[5] = id;
	c->port[0].mtu = 1500;
	c->port[0].naddrs = 1;
	memcpy(c->port[0].addr[0].addr, (uint8_t[]){ 10, 0, 0, id }, 4);
	c->port[0].addr[0].family = 4;
	c->port[0].addr[0].prefix = PLAIN_PREFIX;
}

/* A new stack in the memory there is. */
static inline void
plain_start(struct plain *s, uint64_t now)
{
	uint32_t i;
	int err;

	s->pool.n = 0;
	for (i = 0; i < PLAIN_FRAMES; i++) {
		plain_frame(s, i)->room = PLAIN_ROOM;
		plain_frame(s, i)->port = 0;
		s->pool.p[s->pool.n++] = plain_frame(s, i);
	}
	memset(s->net, 0xdb, net_size());
	err = net_create(s->net, &s->conf, &s->env, s->arena, s->arena_bytes,
	    now);
	assert(err == 0);
}

/* Make the stack that conf describes; s->env.event may be set before. */
static inline void
plain_init(struct plain *s, uint64_t now)
{
	s->arena_bytes = arena_size(&s->conf.shape);
	assert(s->arena_bytes > 0);
	s->arena = plain_memory(s->arena_bytes);
	s->frames = plain_memory((size_t)PLAIN_STRIDE * PLAIN_FRAMES);
	s->net = aligned_alloc(64, (net_size() + 63) & ~(size_t)63);
	assert(s->net != NULL);
	s->env.base = (uintptr_t)s->frames - 64;
	s->env.pool = &s->pool;
	s->env.counters = s->counters;
	s->pool.fill = s->pool.trim = plain_no_fill;
	plain_start(s, now);
}

static inline void
plain_fini(struct plain *s)
{
	munmap(s->arena, s->arena_bytes);
	munmap(s->frames, (size_t)PLAIN_STRIDE * PLAIN_FRAMES);
	free(s->net);
}

/* One frame of the stack's for these bytes, as a port would; NULL: none. */
static inline struct pkt *
plain_receive(struct plain *s, const void *data, uint32_t len)
{
	struct pkt *p = len > PLAIN_ROOM - PKT_HEADROOM ? NULL :
	    pktpool_get(&s->pool);

	if (p == NULL)
		return NULL;
	pkt_reset(p, PKT_HEADROOM);
	memcpy(pkt_data(p), data, len);
	p->len = len;
	p->port = 0;
	if (s->conf.port[0].caps & NET_CAP_RX_CSUM)
		p->flags = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK;
	return p;
}

/* The frames of a box into the stack. */
static inline void
plain_take(struct plain *s, const struct plain_box *b, uint64_t now)
{
	struct pkt *in[ARENA_BURST];
	uint32_t i, k = 0, n = atomic_load(&b->n);

	for (i = 0; i < n; i++) {
		in[k] = plain_receive(s, b->data[i], b->len[i]);
		if (in[k] == NULL)
			break;
		if (++k == ARENA_BURST) {
			net_input(s->net, in, k, now);
			k = 0;
		}
	}
	if (k > 0)
		net_input(s->net, in, k, now);
}

/* What the stack sends, copied as a port would; then the box is whole. */
static inline void
plain_send(struct plain *s, struct plain_box *b)
{
	struct pktq *q = net_out(s->net);
	uint32_t i, j, n = 0, mark = 0;
	const struct pkt *p;
	uint8_t *to;

	for (i = 0; i < q->n; i++) {
		p = q->p[i];
		mark = p->mark;
		if (n < PLAIN_BOX && pkt_total(p) <= PLAIN_FRAME) {
			to = b->data[n];
			memcpy(to, pkt_data(p), p->len);
			to += p->len;
			for (j = 0; j < p->nfrag; to += p->frag[j++].len)
				memcpy(to, (const void *)(s->env.base +
				    (uintptr_t)p->frag[j].off),
				    p->frag[j].len);
			b->len[n++] = pkt_total(p);
		}
		pktpool_put(&s->pool, q->p[i]);
	}
	if (q->n > 0)
		net_tx_done(s->net, mark);
	q->n = 0;
	atomic_store(&b->n, n);
}

/* A whole turn: frames of in, then all work; what it sends is in out. */
static inline void
plain_turn(struct plain *s, const struct plain_box *in, struct plain_box *out,
    uint64_t now)
{
	plain_take(s, in, now);
	while (net_advance(s->net, now, 256) > 0)
		continue;
	net_events(s->net, now, 256);
	net_output(s->net, now);
	plain_send(s, out);
}

/* ---- accounts ---- */

static inline void
plain_count_frame(void *arg, uint32_t ref)
{
	struct plain_count *k = arg;
	uint64_t at = (uintptr_t)pkt_at(k->s->env.base, ref) -
	    (uintptr_t)k->s->frames;

	if (at % PLAIN_STRIDE != 0 || at / PLAIN_STRIDE >= PLAIN_FRAMES)
		k->why = "a frame is held that is none";
	else if (k->frame[at / PLAIN_STRIDE]++ != 0)
		k->why = "a frame is in two places";
}

static inline void
plain_count_chunk(void *arg, uint32_t c)
{
	struct plain_count *k = arg;

	if (c >= k->s->conf.shape.small + k->s->conf.shape.chunks)
		k->why = "a chunk is named that is none";
	else if (k->chunk[c]++ != 0)
		k->why = "a chunk has two owners";
	else
		k->nchunk++;
}

static inline void
plain_count_list(struct plain_count *k, uint32_t c)
{
	for (; c != ARENA_NONE && k->why == NULL;
	    c = chunk_at(k->s->net, c)->next)
		plain_count_chunk(k, c);
}

static inline void
plain_skip_frame(void *arg, uint32_t ref)
{
	(void)arg;
	(void)ref;
}

static inline void
plain_count_chunks(struct plain_count *k)
{
	const struct arena_shape *h = &k->s->conf.shape;
	struct net *n = k->s->net;
	uint32_t i;

	k->chunk = calloc(h->small + h->chunks, 1);
	assert(k->chunk != NULL);
	plain_count_list(k, n->small_free);
	plain_count_list(k, n->chunk_free);
	plain_count_list(k, n->limbo_head);
	for (i = 0; i < h->conns; i++)
		if (atomic_load(&rec_at(n, i)->state) == REC_USED &&
		    tcp_walk(n, i, plain_skip_frame, plain_count_chunk, k) != 0)
			k->why = "a connection's lists are damaged";
	if (k->why == NULL && k->nchunk != h->small + h->chunks)
		k->why = "a chunk is lost";
	free(k->chunk);
}

/*
 * Between turns: every frame and every chunk is in exactly one place. NULL,
 * or what is wrong.
 */
static inline const char *
plain_count(struct plain *s)
{
	struct plain_count k = { .s = s };
	const struct arena *a = s->arena;
	uint32_t i;

	if (a->hands != ARENA_NONE || a->hands2 != ARENA_NONE)
		return "a record stays in hands";
	for (i = 0; i < s->pool.n; i++)
		plain_count_frame(&k, pkt_ref(s->env.base, s->pool.p[i]));
	for (i = 0; i < net_out(s->net)->n; i++)
		plain_count_frame(&k,
		    pkt_ref(s->env.base, net_out(s->net)->p[i]));
	for (i = 0; i < s->net->nheld; i++)
		plain_count_frame(&k,
		    pkt_ref(s->env.base, s->net->held[i].p));
	net_held(s->net, plain_count_frame, &k);
	frag_held(s->net, plain_count_frame, &k);
	udp_held(s->net, plain_count_frame, &k);
	for (i = 0; i < PLAIN_FRAMES && k.why == NULL; i++)
		if (k.frame[i] == 0)
			k.why = "a frame is lost";
	if (k.why == NULL)
		plain_count_chunks(&k);
	return k.why;
}

/*
 * The process that ran s is dead; this one takes its place: adopts, makes
 * the pool from what is not held, listens again by listen_port, goes on with
 * what was in hand. NULL, or what is wrong.
 */
static inline const char *
plain_adopt(struct plain *s, uint16_t listen_port, uint64_t now)
{
	struct net_addr any = { .port = listen_port };
	struct plain_count k = { .s = s };
	uint32_t i;

	memset(s->net, 0xdb, net_size());
	s->pool.n = 0;
	s->conf.seed++;
	if (net_adopt(s->net, &s->conf, &s->env, s->arena, s->arena_bytes,
	    now) != 0)
		return "net_adopt() refuses";
	net_tx_done(s->net, 1);	/* no ring keeps what the dead one sent */
	net_held(s->net, plain_count_frame, &k);
	for (i = 0; i < PLAIN_FRAMES; i++)
		if (k.frame[i] == 0)
			s->pool.p[s->pool.n++] = plain_frame(s, i);
	if (net_listen(s->net, &any) != 0)
		return "net_listen() refuses";
	net_replay(s->net, now);
	return k.why;
}

#endif
