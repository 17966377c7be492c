#include "arena.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "neigh.h"
#include "obj.h"
#include "tcb.h"

#define ALIGN	64u
#define MAX_RECORDS	(1u << 26)
#define MAX_NEIGHS	1024u
#define MAX_CHUNKS	(1u << 26)
#define MAX_CHUNK_SIZE	65536u
#define MAX_STATE	4096u

static uint64_t
up(uint64_t x)
{
	return (x + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static int
shape_ok(const struct arena_shape *s)
{
	return s->conns >= 1 && s->conns <= MAX_RECORDS &&
	    s->timewait >= 1 && s->timewait <= MAX_RECORDS &&
	    s->neighs >= 1 && s->neighs <= MAX_NEIGHS &&
	    s->small >= 1 && s->small <= MAX_CHUNKS &&
	    s->chunks >= 1 && s->chunks <= MAX_CHUNKS &&
	    s->chunk_size >= 1024 && s->chunk_size <= MAX_CHUNK_SIZE &&
	    s->chunk_size % ALIGN == 0 && s->state_size <= MAX_STATE &&
	    s->objs <= MAX_RECORDS;
}

size_t
arena_layout(struct arena *a, const struct arena_shape *s)
{
	uint64_t at = up(sizeof(*a)), entries = ALIGN;

	if (!shape_ok(s))
		return 0;
	while (entries < 2 * ((uint64_t)s->conns + s->timewait))
		entries *= 2;
	memset(a, 0, sizeof(*a));
	a->shape = *s;
	a->hash_mask = (uint32_t)(entries - 1);
	a->conn_stride = (uint32_t)((sizeof(struct conn) + s->state_size + 7) &
	    ~(size_t)7);
	a->off_hash = at;
	at = up(at + entries * sizeof(struct hent));
	a->off_conns = at;
	at = up(at + (uint64_t)s->conns * a->conn_stride);
	a->off_timewait = at;
	at = up(at + (uint64_t)s->timewait * sizeof(struct tw));
	a->off_neighs = at;
	at = up(at + (uint64_t)s->neighs * sizeof(struct neigh));
	a->off_objs = at;
	at = up(at + (uint64_t)s->objs * sizeof(struct obj));
	a->off_obj_index = at;
	for (entries = 1; entries < s->objs; entries *= 2)
		continue;
	a->obj_mask = (uint32_t)(entries - 1);
	if (s->objs > 0)
		at = up(at + entries * sizeof(uint32_t));
	a->off_small = at;
	at = up(at + (uint64_t)s->small * CHUNK_SMALL);
	a->off_chunks = at;
	at = up(at + (uint64_t)s->chunks * s->chunk_size);
	a->size = at;
	return at;
}

size_t
arena_size(const struct arena_shape *s)
{
	struct arena a;

	return arena_layout(&a, s);
}

/* Whether the header agrees with itself and lies within len bytes. */
static int
arena_ok(const struct arena *a, size_t len)
{
	struct arena want;

	if (len < sizeof(*a) || a->magic != ARENA_MAGIC)
		return 0;
	if (arena_layout(&want, &a->shape) == 0 || want.size > len)
		return 0;
	return want.size == a->size && want.conn_stride == a->conn_stride &&
	    want.off_conns == a->off_conns &&
	    want.off_timewait == a->off_timewait &&
	    want.off_small == a->off_small;
}

static void
info_tuple(struct conn_info *ci, const struct rec *r, const struct tuple *t)
{
	ci->family = t->family == 6 ? 6 : 4;
	ci->port = t->port;
	memcpy(ci->laddr, t->laddr + (ci->family == 4 ? 12 : 0),
	    ci->family == 4 ? 4 : 16);
	memcpy(ci->raddr, t->raddr + (ci->family == 4 ? 12 : 0),
	    ci->family == 4 ? 4 : 16);
	ci->lport = (uint16_t)(t->lport_be >> 8 | t->lport_be << 8);
	ci->rport = (uint16_t)(t->rport_be >> 8 | t->rport_be << 8);
	ci->bucket = r->bucket;
	ci->epoch = r->epoch;
}

static uint32_t
info_rto(const struct conn *c)
{
	uint32_t srtt = c->srtt >> 3;

	return srtt == 0 ? 0 : srtt + (c->rttvar > 0 ? c->rttvar : 1);
}

int
arena_conn_info(const struct arena *a, size_t len, uint32_t id,
    struct conn_info *ci)
{
	const struct tcp_ext *x;
	const struct conn *c;
	const struct tw *w;

	memset(ci, 0, sizeof(*ci));
	if (!arena_ok(a, len))
		return -EPROTO;
	ci->id = id;
	if (id >= a->shape.conns) {
		if (id - a->shape.conns >= a->shape.timewait)
			return -ERANGE;
		w = (const struct tw *)((uintptr_t)a + a->off_timewait) +
		    (id - a->shape.conns);
		if (atomic_load_explicit(&w->rec.state, memory_order_acquire) !=
		    REC_USED)
			return 0;
		info_tuple(ci, &w->rec, &w->t);
		ci->state = TCP_TIME_WAIT;
		return 1;
	}
	c = (const struct conn *)((uintptr_t)a + a->off_conns +
	    (size_t)id * a->conn_stride);
	if (atomic_load_explicit(&c->rec.state, memory_order_acquire) !=
	    REC_USED)
		return 0;
	info_tuple(ci, &c->rec, &c->t);
	ci->state = c->state < TCP_STATES ? c->state : TCP_CLOSED;
	ci->cwnd = c->cwnd;
	ci->ssthresh = UINT32_MAX;
	if ((x = tcb_ext(a, c)) != NULL) {
		ci->ssthresh = x->ssthresh;
		ci->retrans = x->retrans;
	}
	ci->srtt_us = c->srtt >> 3;
	ci->rto_us = info_rto(c);
	ci->snd_wnd = c->snd_wnd;
	ci->rcv_wnd = c->rcv_adv - c->rcv_nxt;
	ci->mss = c->mss;
	ci->rcvq = c->rq_len;
	ci->inflight = c->snd_nxt - c->snd_una;
	ci->sndq = c->sq_len;
	ci->bytes_in = c->bytes_in;
	ci->bytes_out = c->bytes_out;
	return 1;
}
