/*
 * crowd: one stack in plain memory and very many peers on bare IPv4, for
 * programs that ask what many connections, or many attackers, cost. Header
 * only. Peers are 10.0.x.y, 60,000 connections each; what is sent to others
 * is counted and thrown away. The service answers each request.
 */
#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include <sys/mman.h>

#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../secondary/net/conn.h"
#include "../../secondary/net/net.h"

#define FRAMES		1024u
#define ROOM		(PKT_HEADROOM + 1664u)
#define PER_ADDR	60000u	/* connections of one address of the peers' */
#define BODY		64u	/* bytes of a request and of an answer */
#define HUGE		((size_t)2 << 20) /* bytes of a hugepage */

struct bed {
	struct net *net;
	struct net_conf conf;
	struct net_env env;
	struct pktpool pool;
	_Atomic uint64_t counters[CNT_MAX];
	void *arena;
	uint8_t *frames;
	size_t bytes;		/* of the arena */
	uint64_t now;
	uint32_t conns;
	uint32_t *irs;		/* per connection: the stack's next number */
	uint32_t *sent;		/* and the peer's, from its initial one */
	uint32_t answers;	/* segments with data that came back */
	uint32_t resets;	/* RSTs to our peers */
	uint32_t strangers;	/* packets to others */
	uint16_t wnd;		/* that the peers offer */
	bool chosen;		/* all tuples have one NIC hash */
	bool mute;		/* the service reads and does not answer */
};

static inline uint32_t
mix(uint32_t v)
{
	v = (v ^ v >> 16) * 0x7feb352du;
	v = (v ^ v >> 15) * 0x846ca68bu;
	return v ^ v >> 16;
}

static inline void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Zeroed memory in hugepages, as the product's arenas are, if the kernel has
 * any; free() takes it. */
static inline void *
bed_memory(size_t len)
{
	void *p;

	len = (len + HUGE - 1) & ~(HUGE - 1);
	p = aligned_alloc(HUGE, len);
	if (p != NULL) {
		madvise(p, len, MADV_HUGEPAGE);
		memset(p, 0, len);
	}
	return p;
}

static inline void
no_fill(struct pktpool *pp, void *arg)
{
	(void)pp;
	(void)arg;
}

/* An answer for each request; the peer closes first. */
static inline void
event(void *arg, struct conn *c, uint32_t events)
{
	static const uint8_t answer[BODY];
	struct bed *b = arg;
	uint32_t n = conn_readable(c);

	if (events & CONN_GONE)
		return;
	if (n > 0) {
		conn_consume(b->net, c, n);
		if (!b->mute)
			(void)conn_write(b->net, c, answer, sizeof(answer));
	}
	if (conn_eof(c))
		conn_close(b->net, c);
}

/* Settings; a program changes some before bed_start(). */
static inline void
bed_conf(struct bed *b, uint32_t conns)
{
	struct net_port_conf *p = &b->conf.port[0];

	memset(b, 0, sizeof(*b));
	b->conns = conns;
	b->wnd = 65535;
	net_conf_default(&b->conf, conns);
	/* What is not for connections does not grow with them. */
	b->conf.shape.timewait = 16384;
	b->conf.shape.small = 16384;
	b->conf.shape.chunks = 8192;
	b->conf.shape.state_size = 64;
	memset(b->conf.secret, 9, sizeof(b->conf.secret));
	b->conf.nports = 1;
	p->l3 = 1;
	p->mtu = 1500;
	p->caps = NET_CAP_RX_CSUM | NET_CAP_RX_HASH | NET_CAP_TX_L4CSUM |
	    NET_CAP_TX_IPCSUM;
	p->naddrs = 1;
	memcpy(p->addr[0].addr, (uint8_t[]){ 192, 0, 2, 1 }, 4);
	p->addr[0].family = 4;
	p->addr[0].prefix = 24;
	p->gateway.family = 4;
	memcpy(p->gateway.addr, (uint8_t[]){ 192, 0, 2, 9 }, 4);
}

static inline void
bed_start(struct bed *b)
{
	uint32_t i, stride = (sizeof(struct pkt) + ROOM + 63) & ~63u;

	b->bytes = arena_size(&b->conf.shape);
	b->arena = bed_memory(b->bytes);
	b->net = aligned_alloc(64, (net_size() + 63) & ~(size_t)63);
	b->frames = aligned_alloc(64, (size_t)stride * FRAMES);
	b->irs = bed_memory(b->conns * sizeof(*b->irs));
	b->sent = bed_memory(b->conns * sizeof(*b->sent));
	if (b->bytes == 0 || b->arena == NULL || b->net == NULL ||
	    b->frames == NULL || b->irs == NULL || b->sent == NULL)
		errx(1, "no memory for %u connections", b->conns);
	for (i = 0; i < FRAMES; i++) {
		struct pkt *k = (void *)(b->frames + (size_t)i * stride);

		k->room = ROOM;
		k->port = 0;
		b->pool.p[b->pool.n++] = k;
	}
	b->pool.fill = b->pool.trim = no_fill;
	b->env.base = (uintptr_t)b->frames - 64;
	b->env.pool = &b->pool;
	b->env.counters = b->counters;
	if (b->env.event == NULL)
		b->env.event = event;
	b->env.arg = b;
	b->now = 1000000000;
	if (net_create(b->net, &b->conf, &b->env, b->arena, b->bytes,
	    b->now) != 0 || net_listen(b->net, &(struct net_addr){
	    .port = 80 }) != 0)
		errx(1, "the stack refuses");
}

static inline void
bed_fini(struct bed *b)
{
	free(b->arena);
	free(b->net);
	free(b->frames);
	free(b->irs);
	free(b->sent);
}

/* A segment of connection i's peer. */
static inline struct pkt *
segment(struct bed *b, uint32_t i, uint8_t flags, uint32_t len)
{
	struct pkt *p = pktpool_get(&b->pool);
	uint32_t ip = (10u << 24) + 1 + i / PER_ADDR;
	uint8_t *h, *t;

	if (p == NULL)
		errx(1, "frames are lost");
	pkt_reset(p, PKT_HEADROOM);
	h = pkt_data(p);
	t = h + 20;
	p->len = 40 + len;
	p->port = 0;
	p->flags = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK | PKT_RX_HASH;
	p->hash = b->chosen ? 0x12345678u : mix(i);
	memset(h, 0, p->len);
	h[0] = 0x45;
	put16(h + 2, p->len);
	h[8] = 64;
	h[9] = 6;
	put32(h + 12, ip);
	memcpy(h + 16, (uint8_t[]){ 192, 0, 2, 1 }, 4);
	put16(t, 1024 + i % PER_ADDR);
	put16(t + 2, 80);
	put32(t + 4, mix(i + 77) + b->sent[i]);
	if (flags & 0x10)
		put32(t + 8, b->irs[i]);
	t[12] = 0x50;
	t[13] = flags;
	put16(t + 14, b->wnd);
	b->sent[i] += len + ((flags & 3) != 0);
	return p;
}

/* Somebody of ours is told something; strangers are only counted. */
static inline void
heard(struct bed *b, const uint8_t *h, uint32_t total)
{
	const uint8_t *t = h + 20;
	uint32_t id, len;

	if (h[9] != 6 || h[16] != 10 || h[17] != 0) {
		b->strangers++;
		return;
	}
	id = (get32(h + 16) - (10u << 24) - 1) * PER_ADDR +
	    (uint32_t)(t[2] << 8 | t[3]) - 1024;
	len = total - 20 - (t[12] >> 4) * 4u;
	if (id >= b->conns)
		errx(1, "segment to nobody");
	if (t[13] & 0x04) {
		b->resets++;
		return;
	}
	b->irs[id] = get32(t + 4) + len + ((t[13] & 3) != 0);
	b->answers += len > 0;
}

/* Take what was sent; the peers learn what they must acknowledge. */
static inline void
collect(struct bed *b)
{
	struct pktq *q = net_out(b->net);
	uint32_t i, mark = 0;

	for (i = 0; i < q->n; i++) {
		heard(b, pkt_data(q->p[i]), q->p[i]->len);
		mark = q->p[i]->mark;
		pktpool_put(&b->pool, q->p[i]);
	}
	if (q->n > 0)
		net_tx_done(b->net, mark);
	q->n = 0;
}

static inline void
turn(struct bed *b, struct pkt *const *in, uint32_t n)
{
	b->now += 20;
	net_input(b->net, in, n, b->now);
	while (net_turn(b->net, b->now))
		collect(b);
	collect(b);
}

/* The same segment of n connections from first on, step apart. */
static inline void
burst(struct bed *b, uint32_t first, uint32_t step, uint32_t n, uint8_t flags,
    uint32_t len)
{
	struct pkt *in[32];
	uint32_t i, k = 0;

	for (i = 0; i < n; i++) {
		in[k++] = segment(b, (uint32_t)((first +
		    (uint64_t)i * step) % b->conns), flags, len);
		if (k < 32 && i + 1 < n)
			continue;
		turn(b, in, k);
		k = 0;
	}
}

/* Open connections first to first + n - 1. */
static inline void
open_some(struct bed *b, uint32_t first, uint32_t n)
{
	uint32_t i, k;

	for (i = 0; i < n; i += k) {
		k = n - i < 32 ? n - i : 32;
		burst(b, first + i, 1, k, 0x02, 0);
		burst(b, first + i, 1, k, 0x10, 0);
	}
}

/* Their peers close them. */
static inline void
close_some(struct bed *b, uint32_t first, uint32_t n)
{
	uint32_t i, k;

	for (i = 0; i < n; i += k) {
		k = n - i < 32 ? n - i : 32;
		burst(b, first + i, 1, k, 0x11, 0);
		burst(b, first + i, 1, k, 0x10, 0);
	}
}

#endif
