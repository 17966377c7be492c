/*
 * tcp_adopt: connections that another process left behind.
 */
#include <errno.h>
#include <string.h>

#include "base.h"
#include "tcp_priv.h"

/* One that came from another slot and was heard of within this time is told
 * that we live, ms. */
#define ACTIVE_MS	1000u

/*
 * What a process made in its last turn, and what a lane had not taken yet, died
 * with it. A lane takes a frame within 10 ms or never: who was heard of within
 * this time before the last turn may be owed an ACK, ms.
 */
#define UNSENT_MS	20u

/* What a walk does with what it finds. */
struct walk {
	void	(*frame)(void *, uint32_t);
	void	(*chunk)(void *, uint32_t);
	void	*arg;
	uint32_t frames, chunks; /* still allowed: lists may be damaged */
	uint64_t bytes;
};

static bool
chunk_ok(const struct net *n, uint32_t k)
{
	return k < n->a->shape.small + n->a->shape.chunks;
}

static bool
data_ok(const struct net *n, uint32_t c, const struct chunk *k)
{
	uint32_t room = chunk_room(n, c);

	return k->kind != CHUNK_DATA ||
	    (k->start <= room && k->len <= room - k->start);
}

/* A frame of this slot's, whose payload lies in it. */
static bool
frame_ok(const struct net *n, uint32_t ref)
{
	const struct pkt *p;

	if (n->env.frame == NULL)
		return true;
	if (!n->env.frame(n->env.arg, ref))
		return false;
	p = pkt_at(n->env.base, ref);
	return p->room <= UINT16_MAX && p->poff >= sizeof(*p) &&
	    (uint64_t)p->poff + p->plen <= sizeof(*p) + p->room;
}

static int
walk_chunks(const struct net *n, struct walk *w, uint32_t k)
{
	uint32_t next;

	for (; k != ARENA_NONE; k = next) {
		if (!chunk_ok(n, k) || w->chunks-- == 0 ||
		    !data_ok(n, k, chunk_at(n, k)))
			return -EPROTO;
		next = chunk_at(n, k)->next;
		w->bytes += chunk_at(n, k)->len;
		w->chunk(w->arg, k);
	}
	return 0;
}

static int
walk_frames(const struct net *n, struct walk *w, uint32_t ref)
{
	uint32_t next;

	for (; ref != PKT_NONE; ref = next) {
		if (w->frames-- == 0 || !frame_ok(n, ref))
			return -EPROTO;
		next = pkt_at(n->env.base, ref)->next;
		w->bytes += pkt_at(n->env.base, ref)->plen;
		w->frame(w->arg, ref);
	}
	return 0;
}

static int
walk_runs(const struct net *n, struct walk *w, uint32_t run)
{
	uint32_t next, runs = 0;

	for (; run != PKT_NONE; run = next) {
		if (runs++ == TCP_HOLES || !frame_ok(n, run))
			return -EPROTO;
		next = pkt_at(n->env.base, run)->run_next;
		if (walk_frames(n, w, run) != 0)
			return -EPROTO;
	}
	return 0;
}

/* The extension and its blocks. */
static int
walk_ext(const struct net *n, struct walk *w, const struct conn *c)
{
	if (c->ext == ARENA_NONE)
		return 0;
	if (c->ext >= n->a->shape.small)
		return -EPROTO;
	w->chunk(w->arg, c->ext);
	return walk_chunks(n, w, tcp_ext(n, c)->seg_head);
}

int
tcp_walk(struct net *n, uint32_t id, void (*frame)(void *, uint32_t),
    void (*chunk)(void *, uint32_t), void *arg)
{
	const struct conn *c = conn_at(n, id);
	struct walk w = { frame, chunk, arg, c->rq_frames,
	    n->a->shape.small + n->a->shape.chunks, 0 };

	if (walk_chunks(n, &w, c->sq_head) != 0 || w.bytes != c->sq_len)
		return -EPROTO;
	if (walk_ext(n, &w, c) != 0)
		return -EPROTO;
	w.bytes = 0;
	if (walk_frames(n, &w, c->rq_head) != 0 || w.bytes != c->rq_len)
		return -EPROTO;
	if (walk_runs(n, &w, c->ofo) != 0)
		return -EPROTO;
	return 0;
}

static void
nothing(void *arg, uint32_t what)
{
}

/* The table must cover what is in flight, and its sums must be right. */
static bool
segs_ok(struct net *n, const struct conn *c, struct tcp_ext *x)
{
	uint32_t count = 0, end = c->snd_una, lost = 0;
	struct seg_it it;

	if (x->first + x->nown > TCP_EXT_SEGS || x->nseg > TCP_SEGS_MAX + 1)
		return false;
	for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it)) {
		if (count++ == x->nseg || !seq_lt(end, it.s->end))
			return false;
		if ((it.s->flags & SEG_LOST) != 0)
			lost += it.s->end - end;
		end = it.s->end;
	}
	return count == x->nseg && end == c->snd_nxt && lost == x->lost &&
	    x->sacked + x->lost <= tcp_flight(c);
}

static bool
tcb_ok(struct net *n, uint32_t id, struct conn *c)
{
	struct tcp_ext *x;

	if (c->state >= TCP_TIME_WAIT || c->t.port >= n->conf.nports ||
	    (c->state == TCP_CLOSED) != ((c->flags & TF_GONE) != 0) ||
	    (c->state != TCP_CLOSED && c->state != TCP_SYN_SENT &&
	    c->mss == 0))
		return false;
	if (tcp_walk(n, id, nothing, nothing, NULL) != 0)
		return false;
	x = tcp_ext(n, c);
	return x == NULL || segs_ok(n, c, x);
}

bool
tcp_sound(struct net *n, uint32_t id)
{
	return tcb_ok(n, id, conn_at(n, id));
}

/* Readiness is computed again: what was told before is told once more. */
static void
events(struct net *n, struct conn *c)
{
	uint32_t ev = c->ev;

	if ((c->flags & TF_CLOSED) != 0)
		return;
	if ((c->flags & TF_GONE) != 0)
		ev |= CONN_GONE;
	if (tcp_synced(c) && (c->flags & TF_OPENED) == 0)
		ev |= CONN_OPEN;
	if (c->rq_len != 0 || (c->flags & TF_FIN_RCVD) != 0)
		ev |= CONN_READ;
	if (ev != 0)
		tcp_ready(n, c, ev);
	tcp_room(n, c);
}

/* What was sent last may never have left; the peer must not wait for a
 * timeout to find out. Who was heard of since then may be owed an ACK. */
static void
resume(struct net *n, struct conn *c, uint32_t since_ms)
{
	struct tcp_ext *x = tcp_ext(n, c);
	struct seg_it it;

	if (!tcp_synced(c)) {
		if (tcp_flight(c) != 0)
			c->flags |= TF_LOST;
		tcp_want_output(n, c);
		return;
	}
	if (tcp_flight(c) != 0) {
		if (x == NULL) {
			c->flags |= TF_LOST;
		} else {
			seg_first(n, c, &it);
			x->frto = FR_OFF;
			x->sacked = (c->flags & TF_SACK) != 0 ? x->sacked : 0;
			/* reported and never acknowledged: the peer threw it
			 * away (RFC 2018 §8) */
			if ((it.s->flags & SEG_SACKED) != 0)
				x->sacked -= min_u32(x->sacked,
				    it.s->end - it.start);
			it.s->flags &= (uint8_t)~SEG_SACKED;
			tcp_mark_lost(c, x, &it);
			/* even if what else is in flight fills cwnd, as at
			 * the begin of a recovery (RFC 6937 §3) */
			c->flags |= TF_PROBE;
		}
	} else if ((int32_t)(c->last_rx_ms - since_ms) >= 0 ||
	    (c->flags & (TF_ACK_NOW | TF_DELACK)) != 0) {
		c->flags |= TF_ACK_NOW;
	} else if (tcp_unsent(c) == 0) {
		return;
	}
	tcp_want_output(n, c);
}

static void
go_on(struct net *n, uint32_t id, struct conn *c, uint32_t since_ms)
{
	if (c->state == TCP_CLOSED) {
		lookup_del(n, c->rec.hash, id);
	} else {
		tcp_half_adopt(n, c);
		resume(n, c, since_ms);
	}
	events(n, c);
	if (c->state != TCP_CLOSED)
		tcp_arm(n, c);
}

int
tcp_arrive(struct net *n, uint32_t id)
{
	struct conn *c = conn_at(n, id);

	if (!tcb_ok(n, id, c))
		return -EPROTO;
	go_on(n, id, c, tcp_now_ms(n) - ACTIVE_MS);
	return 0;
}

void
tcp_adopt(struct net *n, uint32_t id)
{
	struct conn *c = conn_at(n, id);

	n->rx_held += c->rq_frames;
	go_on(n, id, c, n->before_ms - UNSENT_MS);
}

void
tcp_adopt_torn(struct net *n, uint32_t id)
{
	const struct conn *c = conn_at(n, id);
	struct tcp_seg_in s = { .flags = TH_ACK };

	/* its numbers may be half-written: a RST that the peer does not
	 * believe makes it ask, and what it asks is refused then */
	if (c->state < TCP_SYN_RCVD || c->state >= TCP_TIME_WAIT ||
	    c->t.port >= n->conf.nports)
		return;
	s.ack = c->snd_nxt;
	tcp_refuse(n, &c->t, &s);
}
