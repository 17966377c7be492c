/*
 * move_copy: a connection from another slot's arena, into ours.
 *
 * The giver does not touch it; but it may withdraw at any moment and go on,
 * and then what is read here is of two minds. So nothing read is believed
 * before it was checked: numbers of chunks, places of frames, lengths, the
 * length of lists. Our own record is built in the order of the torn rule.
 */
#include <errno.h>
#include <string.h>

#include "tcp_priv.h"

struct copying {
	struct net *n;
	const struct move_peer *from;
	struct conn *c;			/* ours, in hands, not USED yet */
	uint32_t left;			/* chunks and frames still believed */
	int err;
};

static void
fail(struct copying *x, int err)
{
	if (x->err == 0)
		x->err = err;
}

/* ---- chunks ---- */

static const struct chunk *
peer_chunk(struct copying *x, uint32_t k)
{
	const struct arena *a = x->from->arena;
	const struct arena_shape *s = &a->shape;

	if (k >= s->small + s->chunks || x->left-- == 0) {
		fail(x, -EPROTO);
		return NULL;
	}
	if (k < s->small)
		return (const void *)((uintptr_t)a + a->off_small +
		    (size_t)k * CHUNK_SMALL);
	return (const void *)((uintptr_t)a + a->off_chunks +
	    (size_t)(k - s->small) * s->chunk_size);
}

/* A chunk of ours with the bytes of theirs; ARENA_NONE: see x->err. */
static uint32_t
copy_chunk(struct copying *x, uint32_t theirs, const struct chunk *f)
{
	uint32_t k = chunk_get(x->n, theirs >= x->n->a->shape.small);
	/* read once: the giver may write to it between two looks */
	const volatile struct chunk *v = f;
	uint32_t start = v->start, room;
	uint64_t len = v->len;
	uint16_t kind = v->kind;
	struct chunk *c;

	if (k == ARENA_NONE) {
		fail(x, -ENOBUFS);
		return k;
	}
	room = chunk_room(x->n, k);
	c = chunk_at(x->n, k);
	c->kind = kind;
	c->start = start;
	c->off = v->off;
	c->len = len;
	c->mark = x->n->tx_mark;
	if (kind != CHUNK_MEM)
		x->n->mv.copied += room;
	if (kind == CHUNK_SEGS)
		memcpy(c->data, f->data, room);
	else if (kind == CHUNK_DATA && start <= room && len <= room - start)
		memcpy(c->data + start, f->data + start, len);
	else if (kind != CHUNK_MEM)
		fail(x, -EPROTO);
	return k;
}

static void
copy_sendq(struct copying *x, const struct conn *f)
{
	uint32_t theirs = f->sq_head, k;
	struct conn *c = x->c;
	const struct chunk *fc;

	c->sq_noff = f->sq_noff;
	while (theirs != ARENA_NONE && x->err == 0) {
		fc = peer_chunk(x, theirs);
		if (fc == NULL)
			return;
		k = copy_chunk(x, theirs, fc);
		if (k == ARENA_NONE)
			return;
		if (c->sq_head == ARENA_NONE)
			c->sq_head = k;
		else
			chunk_at(x->n, c->sq_tail)->next = k;
		c->sq_tail = k;
		c->sq_len += chunk_at(x->n, k)->len;
		if (f->sq_next == theirs)
			c->sq_next = k;
		theirs = fc->next;
	}
	if (c->sq_len != f->sq_len)
		fail(x, -EPROTO);
}

static void
copy_ext(struct copying *x, const struct conn *f)
{
	uint32_t theirs, k;
	const struct chunk *fc;
	struct tcp_ext *e;

	theirs = ((const volatile struct conn *)f)->ext;
	if (theirs == ARENA_NONE)
		return;
	if (theirs >= x->n->a->shape.small) {
		fail(x, -EPROTO);
		return;
	}
	fc = peer_chunk(x, theirs);
	k = fc != NULL ? copy_chunk(x, theirs, fc) : ARENA_NONE;
	if (k == ARENA_NONE)
		return;
	e = (struct tcp_ext *)(void *)chunk_at(x->n, k)->data;
	theirs = e->seg_head;
	e->seg_head = e->seg_tail = ARENA_NONE;
	x->c->ext = k;
	while (theirs != ARENA_NONE && x->err == 0) {
		fc = peer_chunk(x, theirs);
		k = fc != NULL ? copy_chunk(x, theirs, fc) : ARENA_NONE;
		if (k == ARENA_NONE)
			return;
		if (e->seg_head == ARENA_NONE)
			e->seg_head = k;
		else
			chunk_at(x->n, e->seg_tail)->next = k;
		e->seg_tail = k;
		theirs = fc->next;
	}
}

/* ---- frames ---- */

/* A frame of ours with the unread payload of theirs; NULL: see x->err. */
static struct pkt *
copy_frame(struct copying *x, uint32_t ref, uint32_t *next,
    uint32_t *run_next)
{
	const struct pkt *f = pkt_at(x->n->env.base, ref);
	const volatile struct pkt *v = f;	/* read once, too */
	uintptr_t at = (uintptr_t)f;
	uint32_t plen, poff;
	struct pkt *p;

	if (at < x->from->frame_lo || at + sizeof(*f) > x->from->frame_hi ||
	    x->left-- == 0) {
		fail(x, -EPROTO);
		return NULL;
	}
	p = frame_get(x->n);
	if (p == NULL) {
		fail(x, -ENOBUFS);
		return NULL;
	}
	plen = v->plen;
	poff = v->poff;
	*next = f->next;
	*run_next = f->run_next;
	p->flags = f->flags & PKT_RX_FIN;
	p->port = f->port;
	p->mark = f->mark;
	p->seq = f->seq;
	p->plen = plen;
	p->poff = (uint32_t)sizeof(*p);
	if (plen <= p->room && poff <= x->from->frame_hi - at &&
	    plen <= x->from->frame_hi - at - poff) {
		memcpy((uint8_t *)p + p->poff, (const uint8_t *)f + poff,
		    plen);
	} else {
		p->plen = 0;
		fail(x, -EPROTO);
	}
	x->n->mv.copied += plen;
	x->c->rq_frames++;
	x->n->rx_held++;
	return p;
}

static void
copy_recvq(struct copying *x, const struct conn *f)
{
	uint32_t ref = f->rq_head, none, mine;
	struct conn *c = x->c;
	struct pkt *p;

	while (ref != PKT_NONE && x->err == 0) {
		p = copy_frame(x, ref, &ref, &none);
		if (p == NULL)
			return;
		mine = pkt_ref(x->n->env.base, p);
		if (c->rq_head == PKT_NONE)
			c->rq_head = mine;
		else
			pkt_at(x->n->env.base, c->rq_tail)->next = mine;
		c->rq_tail = mine;
		c->rq_len += p->plen;
	}
	if (c->rq_len != f->rq_len)
		fail(x, -EPROTO);
}

/* The rest of a run whose first frame is head. */
static void
copy_run(struct copying *x, struct pkt *head, uint32_t ref)
{
	struct pkt *tail = head, *p;
	uint32_t none;

	head->run_tail = pkt_ref(x->n->env.base, head);
	while (ref != PKT_NONE && x->err == 0) {
		p = copy_frame(x, ref, &ref, &none);
		if (p == NULL)
			return;
		tail->next = pkt_ref(x->n->env.base, p);
		head->run_tail = tail->next;
		tail = p;
	}
}

static void
copy_ofo(struct copying *x, const struct conn *f)
{
	uint32_t run = f->ofo, next, runs = 0;
	struct pkt *head, *last = NULL;

	while (run != PKT_NONE && x->err == 0) {
		if (runs++ == TCP_HOLES) {
			fail(x, -EPROTO);
			return;
		}
		head = copy_frame(x, run, &next, &run);
		if (head == NULL)
			return;
		head->run_next = PKT_NONE;
		if (last == NULL)
			x->c->ofo = pkt_ref(x->n->env.base, head);
		else
			last->run_next = pkt_ref(x->n->env.base, head);
		last = head;
		copy_run(x, head, next);
	}
}

/* ---- records ---- */

/* The bucket is the one that was looked for, not what the giver's says by now:
 * we find the copy by it. */
static void
copy_rec(struct rec *r, const struct rec *f, uint8_t kind,
    const struct move_as *as)
{
	r->hash = f->hash;
	r->kind = kind;
	r->deadline = f->deadline;
	r->wslot = WHEEL_NONE;
	r->away = 1;
	r->bucket = as->bucket;
	r->epoch = as->epoch;
}

/* What the record itself says, its lists empty. Our lists of work go through
 * records that are free, too: their links stay. */
static void
copy_fields(struct net *n, struct conn *c, const struct conn *f)
{
	uint32_t ready = c->ready_next, out = c->out_next;

	c->t = f->t;
	memcpy(&c->state, &f->state, sizeof(*c) - offsetof(struct conn, state) +
	    n->a->shape.state_size);
	c->ready_next = ready;
	c->out_next = out;
	c->sq_head = c->sq_tail = c->sq_next = ARENA_NONE;
	c->rq_head = c->rq_tail = c->ofo = PKT_NONE;
	c->ext = ARENA_NONE;
	c->sq_len = 0;
	c->rq_len = 0;
	c->rq_frames = 0;
}

int
move_copy_conn(struct net *n, const struct move_peer *from,
    const struct conn *f, const struct move_as *as)
{
	struct copying x = { .n = n, .from = from };
	uint32_t id = n->conn_free;

	if (id == ARENA_NONE) {
		net_count(n, CNT_drop_no_conn, 1);
		return -ENOBUFS;
	}
	hands_set(n, id);
	x.c = conn_at(n, id);
	x.left = n->a->shape.small + n->a->shape.chunks + f->rq_frames;
	n->conn_free = x.c->rec.fnext;
	n->nconns++;
	copy_rec(&x.c->rec, &f->rec, REC_CONN, as);
	copy_fields(n, x.c, f);
	copy_sendq(&x, f);
	copy_ext(&x, f);
	copy_recvq(&x, f);
	copy_ofo(&x, f);
	rec_use(&x.c->rec);
	bucket_link(n, id);
	if (x.err < 0)
		tcp_drop(n, x.c);
	else
		net_count(n, CNT_conn_arrived, 1);
	hands_clear(n);
	return x.err;
}

int
move_copy_tw(struct net *n, const struct tw *f, const struct move_as *as)
{
	uint32_t id = n->tw_free;
	struct tw *w;

	/* as when a connection ends: where none is free, none is made */
	if (id == ARENA_NONE)
		return 0;
	hands_set(n, id);
	w = &n->tws[id - n->a->shape.conns];
	n->tw_free = w->rec.fnext;
	n->ntw++;
	copy_rec(&w->rec, &f->rec, REC_TIMEWAIT, as);
	memcpy(&w->t, &f->t, sizeof(*w) - offsetof(struct tw, t));
	rec_use(&w->rec);
	bucket_link(n, id);
	hands_clear(n);
	return 0;
}
