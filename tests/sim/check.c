/*
 * check: what must hold inside a host between two turns.
 *
 * The only file of the simulator that looks into the stack. It recounts from
 * the records what the stack keeps as indexes and gauges, so a leak or a
 * double use is seen in the turn (or a few turns later) in which it happens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/net/base.h"
#include "../../secondary/net/net_priv.h"
#include "sim.h"

#define CANARY		64u
#define CANARY_BYTE	0xc5

/* What a walk over records finds. */
struct walk {
	struct world *w;
	struct host *h;
	uint8_t *chunk;		/* a byte per chunk: seen */
	uint32_t nchunk;	/* seen in all */
	uint32_t nheld;		/* frames held by records */
};

/* A connection that had something in flight at an adoption. */
struct owed {
	uint32_t id, una;
	struct tuple t;
};

static uint32_t
all_records(const struct host *h)
{
	return h->conf.shape.conns + h->conf.shape.timewait +
	    h->conf.shape.neighs;
}

/* The earliest deadline of a record in use. */
static uint64_t
first_deadline(const struct host *h, uint32_t *who)
{
	uint32_t i, n = all_records(h);
	uint64_t first = SIM_NEVER;
	const struct rec *r;

	for (i = 0; i < n; i++) {
		r = rec_at(h->net, i);
		if (atomic_load_explicit(&r->state, memory_order_relaxed) !=
		    REC_USED || r->deadline >= first)
			continue;
		first = r->deadline;
		*who = i;
	}
	return first;
}

void
check_deadline(struct world *w, struct host *h)
{
	uint32_t who = 0;
	uint64_t first, said, now;

	if (h->turns % h->check_every != 0)
		return;
	first = first_deadline(h, &who);
	said = net_deadline(h->net);
	SIM_CHECK(w, said <= first || said <= w->now,
	    "host %u: record %u is due at %llu, net_deadline() says %llu",
	    h->id, who, (unsigned long long)first, (unsigned long long)said);
	/* One that says "now" asks for a turn: net_advance() was cut short.
	 * And not all that is due belongs to a record. */
	now = h->advanced;
	if (h->net->chore < first)
		first = h->net->chore;
	SIM_CHECK(w, said <= now || first <= now || first - now >= 4000 ||
	    said == first, "host %u: record %u is due in %llu us, "
	    "net_deadline() says %lld", h->id, who,
	    (unsigned long long)(first - now), (long long)(said - now));
}

void
check_timers(struct world *w, struct host *h)
{
	uint32_t who = 0;
	uint64_t first;

	if (h->turns % h->check_every != 0)
		return;
	first = first_deadline(h, &who);
	SIM_CHECK(w, first > w->now, "host %u: record %u was due %llu us ago",
	    h->id, who, (unsigned long long)(w->now - first));
}

static void
saw_chunk(void *arg, uint32_t c)
{
	struct walk *k = arg;
	uint32_t n = k->h->conf.shape.small + k->h->conf.shape.chunks;

	SIM_CHECK(k->w, c < n && !k->chunk[c],
	    "host %u: chunk %u of %u %s", k->h->id, c, n,
	    c < n ? "has two owners" : "does not exist");
	k->chunk[c] = 1;
	k->nchunk++;
}

static void
saw_free_chunks(struct walk *k, uint32_t head, uint32_t count, bool big)
{
	uint32_t c, n = 0;

	for (c = head; c != ARENA_NONE; c = chunk_at(k->h->net, c)->next) {
		saw_chunk(k, c);
		SIM_CHECK(k->w, (c >= k->h->conf.shape.small) == big,
		    "host %u: chunk %u is in the wrong list", k->h->id, c);
		n++;
	}
	SIM_CHECK(k->w, n == count, "host %u: %u chunks are free, %u counted",
	    k->h->id, n, count);
}

static void
saw_frame(void *arg, uint32_t ref)
{
	struct walk *k = arg;
	struct host *h = k->h;
	uintptr_t at = (uintptr_t)pkt_at(h->env.base, ref);
	uint64_t i = (at - (uintptr_t)h->frames) / h->stride;

	SIM_CHECK(k->w, i < h->nframes &&
	    at == (uintptr_t)h->frames + i * h->stride,
	    "host %u holds no frame: ref %u", h->id, ref);
	SIM_CHECK(k->w, !h->seen[i], "host %u: frame %u is in two places",
	    h->id, (unsigned int)i);
	h->seen[i] = 1;
	k->nheld++;
}

static void
saw_pkt(struct walk *k, const struct pkt *p)
{
	saw_frame(k, pkt_ref(k->h->env.base, p));
}

/* Frames: pool, ring, neighbours and records hold each exactly once. */
static void
count_frames(struct walk *k)
{
	struct host *h = k->h;
	const uint8_t *canary;
	uint32_t i, j;

	memset(h->seen, 0, h->nframes);
	for (i = 0; i < h->pool.n; i++)
		saw_pkt(k, h->pool.p[i]);
	for (i = 0; i < h->nstash; i++)
		saw_pkt(k, h->stash[i]);
	for (i = 0; i < h->ring_n; i++)
		saw_pkt(k, h->ring[(h->ring_head + i) % NIC_RING].p);
	for (i = 0; i < net_out(h->net)->n; i++)
		saw_pkt(k, net_out(h->net)->p[i]);
	for (i = 0; i < h->net->nheld; i++)
		saw_pkt(k, h->net->held[i].p);
	k->nheld = 0;
	net_held(h->net, saw_frame, k);
	frag_held(h->net, saw_frame, k);
	udp_held(h->net, saw_frame, k);
	for (i = 0; i < h->nframes; i++) {
		SIM_CHECK(k->w, h->seen[i], "host %u: frame %u is lost",
		    h->id, i);
		canary = h->frames + (size_t)i * h->stride +
		    sizeof(struct pkt) + h->room;
		for (j = 0; j < CANARY; j++)
			SIM_CHECK(k->w, canary[j] == CANARY_BYTE,
			    "host %u wrote behind frame %u", h->id, i);
	}
	SIM_CHECK(k->w, h->conf.rx_hold_max == 0 ||
	    h->net->rx_held <= h->conf.rx_hold_max,
	    "host %u: %u frames in receive queues, %u allowed", h->id,
	    h->net->rx_held, h->conf.rx_hold_max);
}

static void
no_frame(void *arg, uint32_t ref)
{
	(void)arg;
	(void)ref;
}

/* Chunks: free lists, limbo and connections hold each exactly once. */
static void
count_chunks(struct walk *k)
{
	struct host *h = k->h;
	struct net *n = h->net;
	const struct rec *r;
	uint32_t i, c;
	int err;

	saw_free_chunks(k, n->small_free, n->nsmall_free, false);
	saw_free_chunks(k, n->chunk_free, n->nchunk_free, true);
	for (c = n->limbo_head; c != ARENA_NONE; c = chunk_at(n, c)->next)
		saw_chunk(k, c);
	for (i = 0; i < h->conf.shape.conns; i++) {
		r = rec_at(n, i);
		if (atomic_load(&r->state) != REC_USED)
			continue;
		err = tcp_walk(n, i, no_frame, saw_chunk, k);
		SIM_CHECK(k->w, err == 0, "host %u: connection %u: %d", h->id,
		    i, err);
	}
	for (i = 0; i < h->conf.shape.small + h->conf.shape.chunks; i++)
		SIM_CHECK(k->w, k->chunk[i], "host %u: chunk %u is lost",
		    h->id, i);
}

/* RFC 9293 (3.9.1.2): who waits for room is told when there is some. */
static void
check_room(struct world *w, struct host *h)
{
	const struct conn *c;
	uint32_t i;

	for (i = 0; i < h->conf.shape.conns; i++) {
		c = conn_at(h->net, i);
		if (atomic_load(&c->rec.state) != REC_USED ||
		    (c->flags & (TF_WANT | TF_NOCHUNK)) != TF_WANT ||
		    (c->ev & CONN_WRITE) != 0)
			continue;
		SIM_CHECK(w, c->sq_len + c->room_want > h->conf.sndbuf,
		    "host %u: connection %u waits for %u bytes of room, %llu "
		    "of %u are queued", h->id, i, c->room_want,
		    (unsigned long long)c->sq_len, h->conf.sndbuf);
	}
}

/* Frames that the stack made and that nobody will see. */
static uint64_t
drops(const struct host *h)
{
	return h->counters[CNT_drop_neigh] + h->counters[CNT_drop_tx_full] +
	    h->counters[CNT_drop_no_route] + h->counters[CNT_drop_oversize];
}

void
check_owing(struct world *w, struct host *h)
{
	const struct tcp_ext *x;
	const struct conn *c;
	uint32_t i;

	if (h->owed == NULL)
		h->owed = calloc(h->conf.shape.conns, sizeof(*h->owed));
	SIM_CHECK(w, h->owed != NULL, "no memory");
	h->nowed = 0;
	h->owed_at = w->now;
	h->owed_drops = drops(h);
	for (i = 0; i < h->conf.shape.conns; i++) {
		c = conn_at(h->net, i);
		if (atomic_load(&c->rec.state) != REC_USED ||
		    c->state < TCP_ESTABLISHED || c->snd_nxt == c->snd_una)
			continue;
		/* RFC 2018 (8): all was reported, then thrown away by the
		 * peer; that only the timer finds out. */
		x = tcb_ext(h->arena, c);
		if (x != NULL && x->sacked == c->snd_nxt - c->snd_una)
			continue;
		h->owed[h->nowed++] = (struct owed){ i, c->snd_una, c->t };
	}
}

void
check_owed(struct world *w, struct host *h)
{
	const struct owed *o;
	const struct conn *c;
	uint32_t i;

	if (h->nowed == 0 || w->now == h->owed_at || h->ring_n > 0 ||
	    h->net->nheld > 0)
		return;
	/* What was dropped inside is for the timer. */
	for (i = 0; i < h->nowed && drops(h) == h->owed_drops; i++) {
		o = &h->owed[i];
		c = conn_at(h->net, o->id);
		if (atomic_load(&c->rec.state) != REC_USED ||
		    memcmp(&c->t, &o->t, sizeof(o->t)) != 0 ||
		    c->snd_una != o->una || c->state < TCP_ESTABLISHED)
			continue;
		SIM_CHECK(w, mon_last_sent(w, &o->t) >= h->owed_at,
		    "host %u: connection %u of port %u was adopted %llu us "
		    "ago and says nothing", h->id, o->id,
		    get16((const uint8_t *)&o->t.lport_be),
		    (unsigned long long)(w->now - h->owed_at));
	}
	h->nowed = 0;
}

void
check_host(struct world *w, struct host *h, bool thorough)
{
	const struct arena *a = h->arena;
	struct walk k = { .w = w, .h = h };

	SIM_CHECK(w, a->hands == ARENA_NONE && a->hands2 == ARENA_NONE,
	    "host %u: record %u stays in hands", h->id, a->hands);
	SIM_CHECK(w, a->burst_i == a->burst_n || a->burst_n == 0,
	    "host %u: burst at %u of %u", h->id, a->burst_i, a->burst_n);
	SIM_CHECK(w, a->now == h->net->now && a->now <= w->now,
	    "host %u: the arena's time is %lld us behind", h->id,
	    (long long)(w->now - a->now));
	if (!thorough)
		return;
	k.chunk = h->chunk_seen;
	memset(k.chunk, 0, h->conf.shape.small + h->conf.shape.chunks);
	count_frames(&k);
	count_chunks(&k);
	check_room(w, h);
}

bool
check_busy(const struct host *h)
{
	uint32_t i, n = h->conf.shape.conns + h->conf.shape.timewait;

	for (i = 0; i < n; i++)
		if (atomic_load_explicit(&rec_at(h->net, i)->state,
		    memory_order_relaxed) == REC_USED)
			return true;
	return h->ring_n > 0 || h->nrxq > 0;
}

void
check_empty(struct world *w, struct host *h)
{
	struct net *n = h->net;

	check_host(w, h, true);
	SIM_CHECK(w, n->nconns == 0 && n->nhalf == 0 && n->ntw == 0 &&
	    n->rx_held == 0, "host %u: %u connections, %u half-open, %u in "
	    "TIME_WAIT, %u frames are counted, none is left", h->id,
	    n->nconns, n->nhalf, n->ntw, n->rx_held);
	SIM_CHECK(w, n->nsmall_free == h->conf.shape.small &&
	    n->nchunk_free == h->conf.shape.chunks,
	    "host %u: %u of %u and %u of %u chunks are free", h->id,
	    n->nsmall_free, h->conf.shape.small, n->nchunk_free,
	    h->conf.shape.chunks);
	SIM_CHECK(w, h->pool.n + h->nstash == h->nframes,
	    "host %u: %u of %u frames are free", h->id,
	    h->pool.n + h->nstash, h->nframes);
}

/* What is in flight of a connection that has a table of it. */
static void
dump_ext(const struct host *h, const struct conn *c)
{
	const struct tcp_ext *x = tcb_ext(h->arena, c);

	if (x == NULL)
		return;
	printf("      phase %u segments %u sacked %u lost %u ssthresh %u "
	    "first flags %x dupacks %u\n", x->phase, x->nseg, x->sacked,
	    x->lost, x->ssthresh, x->nown > 0 ? x->own[x->first].flags : 0xff,
	    x->dupacks);
}

void
check_watch(const struct world *w, const struct host *h)
{
	const struct conn *c;
	struct tcp_ext *x;
	uint32_t i;

	for (i = 0; i < h->conf.shape.conns; i++) {
		c = conn_at(h->net, i);
		if (atomic_load(&c->rec.state) != REC_USED || c->sq_len == 0)
			continue;
		x = tcb_ext(h->arena, c);
		printf("%9.3f :%u cwnd %u ssthresh %u flight %u sacked %u "
		    "lost %u phase %u srtt %u rto %llu timer %u una %u "
		    "reo %u/%u\n", (double)w->now / SEC - 1000,
		    get16((const uint8_t *)&c->t.lport_be), c->cwnd,
		    x ? x->ssthresh : 0, c->snd_nxt - c->snd_una,
		    x ? x->sacked : 0, x ? x->lost : 0, x ? x->phase : 0,
		    c->srtt >> 3, (unsigned long long)
		    h->counters[CNT_tcp_rto], c->timer, (uint32_t)c->bytes_out,
		    x ? x->reordering : 0, x ? x->reo_mult : 0);
	}
}

void
check_dump(const struct host *h)
{
	const struct net *n = h->net;
	const struct conn *c;
	uint32_t i;

	if (n == NULL)
		return;
	printf("host %u: %u frames free, %u held, %u to send, chunks free %u "
	    "of %u, %u of %u, ready %d, output %d\n", h->id,
	    h->pool.n + h->nstash, n->rx_held, h->ring_n, n->nsmall_free,
	    h->conf.shape.small, n->nchunk_free, h->conf.shape.chunks,
	    (int)n->ready_head, (int)n->out_head);
	for (i = 0; i < h->conf.shape.conns; i++) {
		c = conn_at(n, i);
		if (atomic_load(&c->rec.state) != REC_USED)
			continue;
		printf("  %3u :%u > :%u %s flags %08x ev %x unread %u queued "
		    "%llu in flight %u wnd %u cwnd %u want %u timer %u due %lld "
		    "service %lld\n", i,
		    get16((const uint8_t *)&c->t.lport_be),
		    get16((const uint8_t *)&c->t.rport_be),
		    tcp_state_names[c->state], c->flags, c->ev, c->rq_len,
		    (unsigned long long)c->sq_len, c->snd_nxt - c->snd_una,
		    c->snd_wnd, c->cwnd, c->room_want, c->timer,
		    (long long)(c->rec.deadline - n->now),
		    (long long)(c->t_svc - n->now));
		dump_ext(h, c);
	}
}
