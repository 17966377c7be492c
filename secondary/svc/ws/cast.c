/*
 * cast: messages to all clients, those of this slot here. A message is posted
 * into a ring in private memory; each connection has its place in that stream
 * and is served as an item of work of its own, a few in each turn. A client
 * that falls behind by the whole ring loses messages.
 */
#include "ws_priv.h"

#define VISITS		256u	/* connections served in one turn */
#define SCAN		4096u	/* records looked at in one turn */

static uint64_t
entry_size(uint32_t len)
{
	return sizeof(struct ws_posted) + (((uint64_t)len + 7) & ~UINT64_C(7));
}

static struct ws_posted
entry_at(const struct ws *w, uint64_t at)
{
	struct ws_posted p;

	/* 8-byte aligned: never around the end. */
	memcpy(&p, w->ring + at % WS_RING, sizeof(p));
	return p;
}

void
ws_post(struct ws *w, uint8_t op, uint32_t n)
{
	struct ws_posted p = { .len = n, .op = op };
	uint64_t size = entry_size(n);
	uint32_t at, part;

	while (w->head + size - w->tail > WS_RING)
		w->tail += entry_size(entry_at(w, w->tail).len);
	memcpy(w->ring + w->head % WS_RING, &p, sizeof(p));
	at = (uint32_t)((w->head + sizeof(p)) % WS_RING);
	part = WS_RING - at < n ? WS_RING - at : n;
	memcpy(w->ring + at, w->text, part);
	memcpy(w->ring, w->text + part, n - part);
	w->head += size;
}

/* A place was written over, or was in the ring of another process, before or
 * elsewhere; or the record is damaged: go on where there is a message. */
static enum ws_go
lost(struct wx *x, uint64_t place)
{
	struct ws_state *st = x->st;

	if (st->flags & WST_OUT)
		return ws_fail(x, WS_INTERNAL);
	ws_count(x, WS_DROPPED, 1);
	st->next = place;
	st->out = 0;
	return WS_ON;
}

/* Queue what is left of the message at st->next. */
static enum ws_go
deliver_one(struct wx *x)
{
	struct ws_state *st = x->st;
	const struct ws *w = x->w;
	struct ws_posted p = entry_at(w, st->next);
	uint32_t at, n, part;
	uint8_t *to, first;

	if (st->next % 8 != 0 || p.len > WS_CAST_MAX || st->out > p.len ||
	    (p.op != WS_TEXT && p.op != WS_BINARY) ||
	    entry_size(p.len) > w->head - st->next)
		return lost(x, w->head);
	do {
		to = ws_frame_room(x, p.len - st->out, &n);
		if (to == NULL)
			return WS_WAIT;
		at = (uint32_t)((st->next + sizeof(p) + st->out) % WS_RING);
		part = WS_RING - at < n ? WS_RING - at : n;
		memcpy(to, w->ring + at, part);
		memcpy(to + part, w->ring, n - part);
		first = st->flags & WST_OUT ? WS_CONT : p.op;
		st->out += n;
		st->flags |= WST_OUT;
		ws_frame_end(x, first | (st->out == p.len ? WS_FIN : 0));
	} while (st->out < p.len);
	st->flags &= (uint16_t)~WST_OUT;
	st->out = 0;
	st->next += entry_size(p.len);
	ws_count(x, WS_MESSAGES_OUT, 1);
	return WS_ON;
}

enum ws_go
ws_deliver(struct wx *x)
{
	struct ws_state *st = x->st;
	const struct ws *w = x->w;
	enum ws_go go = WS_ON;

	while (st->next != w->head && go == WS_ON) {
		if (st->next - w->tail > w->head - w->tail)
			go = lost(x, w->scan || st->next - w->first <=
			    w->head - w->first ? w->tail : w->head);
		else
			go = deliver_one(x);
	}
	return go == WS_ON ? WS_WAIT : go;
}

void
ws_join(struct ws *w, uint32_t id)
{
	idset_put(&w->member, id);
}

void
ws_leave(struct ws *w, uint32_t id)
{
	idset_del(&w->member, id);
}

void
ws_depart(struct ws *w, struct conn *c)
{
	ws_leave(w, conn_id(w->s->net, c));
}

/*
 * A place in the ring of another process is nowhere in ours: what is posted
 * here from now on is for it. One that got a part of a message cannot get the
 * rest: ws_deliver() sees that and ends it. One that did not go away after all
 * keeps its place.
 */
void
ws_arrive(struct ws *w, struct conn *c, struct ws_state *st)
{
	if (w->conf->mode != WS_MODE_BROADCAST || st->phase != WSP_OPEN)
		return;
	if (st->next - w->tail > w->head - w->tail && !(st->flags & WST_OUT))
		st->next = w->head;
	ws_join(w, conn_id(w->s->net, c));
}

/* Serve a connection between two events. */
static void
visit(struct ws *w, uint32_t id, uint64_t now)
{
	struct wx x = { .w = w, .n = w->s->net, .now = now };

	x.c = conn_enter(x.n, id);
	if (x.c == NULL) {
		ws_leave(w, id);
		return;
	}
	x.st = w->find(x.c);
	if (x.st == NULL)
		ws_leave(w, id);
	else if (x.st->phase == WSP_OPEN && ws_deliver(&x) != WS_GONE)
		ws_arm(&x);
	conn_leave(x.n, x.c);
}

/* Find the connections that a predecessor left. */
static void
scan(struct ws *w)
{
	struct ws_state *st;
	uint32_t i, id;
	struct conn *c;

	for (i = 0; i < SCAN && w->at < IDSET_IDS; i++) {
		id = w->at++;
		c = conn_enter(w->s->net, id);
		if (c == NULL)
			continue;
		st = w->find(c);
		if (st != NULL)
			ws_join(w, id);
		/* all that is posted since this process began is for it */
		if (st != NULL && st->next - w->first > w->head - w->first &&
		    !(st->flags & WST_OUT))
			st->next = w->tail;
		conn_leave(w->s->net, c);
	}
	if (w->at == IDSET_IDS) {
		w->at = 0;
		w->scan = false;
	}
}

uint64_t
ws_tick(struct ws *w, uint64_t now_us)
{
	uint32_t i, id;
	bool more;

	if (w->conf->mode != WS_MODE_BROADCAST)
		return UINT64_MAX;
	if (w->scan) {
		scan(w);
		return now_us;
	}
	more = ws_share_import(w);
	if (!w->walking) {
		if (w->pass == w->head)
			return more ? now_us : UINT64_MAX;
		w->pass = w->head;
		w->walking = true;
		w->at = 0;
	}
	for (i = 0; i < VISITS; i++) {
		id = idset_next(&w->member, w->at);
		if (id == IDSET_IDS) {
			w->walking = false;
			w->at = 0;
			break;
		}
		w->at = id + 1;
		visit(w, id, now_us);
	}
	return more || w->walking || w->pass != w->head ? now_us : UINT64_MAX;
}
