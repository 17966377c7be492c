/*
 * host: one slot with a process in it.
 *
 * The frames and the arena belong to the host; struct net, the pool's array
 * and the frames waiting in net_out() belong to the process. A process dies
 * between two turns, or within a callback: there the turn is left by longjmp,
 * with a record in hands, as SIGKILL would leave it. Its successor gets
 * nothing but the memory.
 */
#include <stdlib.h>
#include <string.h>

#include "../../common/tcb.h"
#include "sim.h"

#define CANARY		64u	/* bytes behind each frame */
#define CANARY_BYTE	0xc5

static void
pool_fill(struct pktpool *pp, void *arg)
{
	struct host *h = arg;
	uint32_t n;

	host_may_die(h);
	for (n = 0; n < 64 && h->nstash > 0 && pp->n < PKTPOOL_MAX; n++)
		pp->p[pp->n++] = h->stash[--h->nstash];
}

static void
pool_trim(struct pktpool *pp, void *arg)
{
	struct host *h = arg;

	while (pp->n > PKTPOOL_MAX / 2)
		h->stash[h->nstash++] = pp->p[--pp->n];
}

/* What the worker does between turns: keep the array short. */
static void
pool_level(struct host *h)
{
	if (h->pool.n <= 256)
		return;
	while (h->pool.n > 128)
		h->stash[h->nstash++] = h->pool.p[--h->pool.n];
}

/* Half of the source ports are another slot's. */
static int
owns(void *arg, uint32_t port, const struct net_addr *local,
    const struct net_addr *remote)
{
	struct host *h = arg;

	(void)port;
	(void)remote;
	host_may_die(h);
	return (local->port ^ h->id) & 1;
}

static void
learned(void *arg, const struct pkt *p)
{
	struct host *h = arg;

	SIM_CHECK(h->w, p->len >= 42, "host %u learned from %u bytes", h->id,
	    p->len);
	host_may_die(h);
}

void
host_may_die(struct host *h)
{
	if (h->death_in > 0 && --h->death_in == 0)
		longjmp(h->death, 1);
}

static struct pkt *
frame(const struct host *h, uint32_t i)
{
	return (struct pkt *)(h->frames + (size_t)i * h->stride);
}

static void
make_frames(struct world *w, struct host *h)
{
	uint32_t i;

	h->stride = (uint32_t)sizeof(struct pkt) + h->room + CANARY;
	h->stride = (h->stride + 63) & ~63u;
	h->frames = aligned_alloc(64, (size_t)h->stride * h->nframes);
	h->stash = calloc(h->nframes, sizeof(h->stash[0]));
	h->seen = calloc(h->nframes, 1);
	h->chunk_seen = calloc(h->conf.shape.small + h->conf.shape.chunks, 1);
	SIM_CHECK(w, h->frames != NULL && h->stash != NULL &&
	    h->seen != NULL && h->chunk_seen != NULL, "no memory");
	for (i = 0; i < h->nframes; i++) {
		memset(frame(h, i), 0xee, sizeof(struct pkt));
		frame(h, i)->room = h->room;
		frame(h, i)->port = 0;
		memset((uint8_t *)(frame(h, i) + 1) + h->room, CANARY_BYTE,
		    CANARY);
		h->stash[h->nstash++] = frame(h, i);
	}
	h->pool.low = 32;
	h->pool.fill = pool_fill;
	h->pool.trim = pool_trim;
	h->pool.arg = h;
}

static void
listen(struct world *w, struct host *h)
{
	struct net_addr a = { .port = SIM_LISTEN };
	int err;

	/* One for all, or one of each family. */
	if (h->id & 1) {
		a.family = 4;
		memcpy(a.addr, &h->addr_be, 4);
	}
	err = net_listen(h->net, &a);
	if (err == 0 && h->id & 1 && h->has6) {
		a.family = 6;
		memcpy(a.addr, h->addr[1], 16);
		err = net_listen(h->net, &a);
	}
	SIM_CHECK(w, err == 0, "net_listen: %d", err);
}

void
host_init(struct world *w, struct host *h)
{
	int err;

	make_frames(w, h);
	h->w = w;
	h->rxq_tail = &h->rxq;
	h->env.base = (uintptr_t)h->frames - (64u << rng_below(&w->rng, 16));
	h->env.pool = &h->pool;
	h->env.counters = h->counters;
	h->env.event = app_event;
	h->env.arg = h;
	if (rng_chance(&w->rng, 300000))
		h->env.owns = owns;
	if (rng_chance(&w->rng, 300000))
		h->env.learned = learned;
	h->arena_bytes = arena_size(&h->conf.shape);
	SIM_CHECK(w, h->arena_bytes > 0, "host %u: arena_size", h->id);
	h->arena = aligned_alloc(64, (h->arena_bytes + 63) & ~(size_t)63);
	h->net = aligned_alloc(64, (net_size() + 63) & ~(size_t)63);
	SIM_CHECK(w, h->arena != NULL && h->net != NULL, "no memory");
	/* Neither may count on zeros. */
	memset(h->arena, (int)(h->conf.seed & 0xff), h->arena_bytes);
	memset(h->net, 0xdb, net_size());
	err = net_create(h->net, &h->conf, &h->env, h->arena, h->arena_bytes,
	    w->now);
	SIM_CHECK(w, err == 0, "host %u: net_create: %d", h->id, err);
	h->tx_mark = net_tx_mark(h->net) - net_out(h->net)->n;
	listen(w, h);
	h->wake = w->now;
}

void
host_drop_rx(struct host *h)
{
	struct wire *f;

	while ((f = h->rxq) != NULL) {
		h->rxq = f->next;
		link_free(f);
	}
	h->rxq_tail = &h->rxq;
	h->nrxq = 0;
}

void
host_fini(struct host *h)
{
	if (h->rxq_tail != NULL)
		host_drop_rx(h);
	free(h->frames);
	free(h->stash);
	free(h->seen);
	free(h->chunk_seen);
	free(h->owed);
	free(h->arena);
	free(h->net);
}

struct host *
host_by_addr(struct world *w, const uint8_t addr[16])
{
	uint32_t i;

	for (i = 0; i < w->nhosts; i++)
		if (memcmp(w->host[i].addr[0], addr, 16) == 0 ||
		    (w->host[i].has6 &&
		    memcmp(w->host[i].addr[1], addr, 16) == 0))
			return &w->host[i];
	return NULL;
}

void
host_arrive(struct host *h, struct wire *f)
{
	if (h->nrxq == h->rxq_max) {
		trace_frame(h->w, 'r', f);
		link_free(f);
		return;
	}
	f->next = NULL;
	*h->rxq_tail = f;
	h->rxq_tail = &f->next;
	h->nrxq++;
	if (h->wake > h->ready_at)
		h->wake = h->ready_at > h->w->now ? h->ready_at : h->w->now;
}

static uint32_t
receive(struct world *w, struct host *h, struct pkt **in)
{
	uint32_t n = 0;
	struct wire *f;

	while (n < h->burst && (f = h->rxq) != NULL) {
		h->rxq = f->next;
		if (h->rxq == NULL)
			h->rxq_tail = &h->rxq;
		h->nrxq--;
		in[n] = nic_receive(w, h, f);
		if (in[n] != NULL)
			n++;
		link_free(f);
	}
	return n;
}

/* When the next turn is worth while. */
static void
schedule(struct world *w, struct host *h, bool more, bool blocked)
{
	uint64_t next = net_deadline(h->net), nic = nic_next(h);

	h->ready_at = w->now + h->turn_us;
	if (more || h->nrxq > 0) {
		h->wake = h->ready_at;
		return;
	}
	if (next != SIM_NEVER && next < h->ready_at)
		next = h->ready_at;
	if (next != SIM_NEVER && h->late_us > 0)
		next += rng_below(&w->host_rng, h->late_us);
	/* Something waits for frames or for room: for what the port holds. */
	if (blocked && next > w->now + 1000)
		next = w->now + 1000;
	if (nic < h->ready_at)
		nic = h->ready_at;
	h->wake = next < nic ? next : nic;
}

/* Whether it may die: not so often that nothing but adoption happens. */
static bool
mortal(const struct world *w, const struct host *h)
{
	return w->now < w->faults_end && w->now >= h->safe_until;
}

static void
turn(struct world *w, struct host *h)
{
	struct pkt *in[ARENA_BURST];
	uint32_t n, timers, events, output, sent;

	h->turns++;
	if (mortal(w, h) && rng_chance(&w->host_rng, w->die_ppm))
		h->death_in = rng_log(&w->host_rng, 1, 32);
	check_deadline(w, h);
	nic_complete(w, h);
	n = receive(w, h, in);
	if (n > 0)
		net_input(h->net, in, n, w->now);
	timers = net_advance(h->net, w->now, h->budget);
	h->advanced = w->now;
	if (timers == 0)
		check_timers(w, h);
	events = net_events(h->net, w->now, h->budget);
	output = net_output(h->net, w->now);
	h->death_in = 0;
	sent = net_out(h->net)->n;
	nic_queue(w, h);
	pool_level(h);
	if (output == 0)
		check_owed(w, h);
	check_host(w, h, h->turns % h->check_every == 0);
	schedule(w, h, timers > 0 || events > 0 || (output > 0 && sent > 0),
	    output > 0);
}

void
host_turn(struct world *w, struct host *h)
{
	if (setjmp(h->death) != 0) {
		h->death_in = 0;
		trace_note(w, "host %u dies in a callback", h->id);
		host_adopt(w, h);
		return;
	}
	turn(w, h);
	if (mortal(w, h) && rng_chance(&w->host_rng, w->adopt_ppm)) {
		trace_note(w, "host %u dies between turns", h->id);
		host_adopt(w, h);
	}
}

/* Which connections end by this death: those in hands. */
static void
note_torn(struct world *w, struct host *h)
{
	const struct arena *a = h->arena;
	uint32_t i, id[2] = { a->hands, a->hands2 };
	const struct conn *c;

	for (i = 0; i < 2; i++) {
		if (id[i] >= a->shape.conns)
			continue;
		c = (const struct conn *)((uint8_t *)h->arena + a->off_conns +
		    (size_t)id[i] * a->conn_stride);
		if (atomic_load(&c->rec.state) == REC_USED)
			app_torn(w, h->id, &c->t);
	}
}

static void
held(void *arg, uint32_t ref)
{
	struct host *h = arg;
	uintptr_t at = (uintptr_t)pkt_at(h->env.base, ref);
	uint64_t i = (at - (uintptr_t)h->frames) / h->stride;

	SIM_CHECK(h->w, i < h->nframes && frame(h, (uint32_t)i) ==
	    (struct pkt *)at, "host %u holds no frame: ref %u", h->id, ref);
	SIM_CHECK(h->w, !h->seen[i], "host %u holds frame %u twice", h->id,
	    (unsigned int)i);
	h->seen[i] = 1;
}

void
host_adopt(struct world *w, struct host *h)
{
	uint32_t i, again = rng_chance(&w->host_rng, 200000) ? 2 : 1;
	int err;

	h->deaths++;
	w->deaths++;
	h->safe_until = w->now + rng_log(&w->host_rng, 1, 50000);
	nic_fence(w, h);
	if (rng_chance(&w->host_rng, 300000))
		host_drop_rx(h);
	note_torn(w, h);
	h->pool.n = h->nstash = 0;
	h->conf.seed = rng_u64(&w->host_rng);
	/* It may have been told another size. */
	if (rng_chance(&w->host_rng, 300000) && h->conf.sndbuf < 1u << 20)
		h->conf.sndbuf *= 2;
	/* A successor may die in turn: adoption can be repeated. */
	for (i = 0; i < again; i++) {
		free(h->net);
		h->net = aligned_alloc(64, (net_size() + 63) & ~(size_t)63);
		SIM_CHECK(w, h->net != NULL, "no memory");
		memset(h->net, 0xdb, net_size());
		err = net_adopt(h->net, &h->conf, &h->env, h->arena,
		    h->arena_bytes, w->now);
		SIM_CHECK(w, err == 0, "host %u: net_adopt: %d", h->id, err);
	}
	h->tx_mark = net_tx_mark(h->net) - net_out(h->net)->n;
	net_tx_done(h->net, 1);	/* the ring was emptied above */
	memset(h->seen, 0, h->nframes);
	net_held(h->net, held, h);
	for (i = 0; i < h->nframes; i++)
		if (!h->seen[i])
			h->stash[h->nstash++] = frame(h, i);
	listen(w, h);
	net_replay(h->net, w->now);
	check_owing(w, h);
	check_host(w, h, true);
	h->wake = h->ready_at = w->now + h->turn_us;
}
