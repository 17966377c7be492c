/*
 * send: what goes out. Frames are queued whole or not at all, so a Pong or a
 * Close fits between any two of them, and a successor finds no frame cut.
 */
#include "ws_priv.h"

#define RESERVE_MIN	512u	/* what conn_reserve() gives in one piece */
#define FRAME_MAX	16384u	/* most payload of one of our frames */

enum ws_go
ws_wait_room(struct wx *x, uint32_t n)
{
	struct ws_state *st = x->st;

	if (!(st->flags & WST_BLOCKED)) {
		st->flags |= WST_BLOCKED;
		st->blocked_ms = (uint32_t)(x->now / 1000);
	}
	conn_want_room(x->n, x->c, n);
	return WS_WAIT;
}

uint8_t *
ws_frame_room(struct wx *x, uint32_t want, uint32_t *len)
{
	uint32_t head, min, room;

	if (want > FRAME_MAX)
		want = FRAME_MAX;
	/* The header's form follows from the length: where less is given than
	 * wanted, it is more than 126 bytes all the same. */
	head = want < 126 ? 2 : 4;
	room = want + head;
	min = room < RESERVE_MIN ? room : RESERVE_MIN;
	x->frame = conn_reserve(x->n, x->c, min, &room);
	if (x->frame == NULL) {
		ws_wait_room(x, want + head);
		return NULL;
	}
	x->frame_head = head;
	x->frame_len = room - head < want ? room - head : want;
	*len = x->frame_len;
	return x->frame + head;
}

void
ws_frame_end(struct wx *x, uint8_t first)
{
	ws_head_write(x->frame, first, x->frame_len);
	conn_commit(x->n, x->c, x->frame_head + x->frame_len);
	x->st->flags &= (uint16_t)~WST_BLOCKED;
	if (!(first & 8))
		ws_count(x, WS_BYTES_OUT, x->frame_len);
}

void
ws_frame_drop(struct wx *x)
{
	conn_commit(x->n, x->c, 0);
}

bool
ws_send(struct wx *x, uint8_t first, const void *p, uint32_t n)
{
	uint8_t *to;
	uint32_t len;

	to = ws_frame_room(x, n, &len);
	if (to == NULL)
		return false;
	if (n > 0)
		memcpy(to, p, n);
	ws_frame_end(x, first);
	return true;
}

uint8_t
ws_first(struct wx *x, bool fin, bool zip)
{
	struct ws_state *st = x->st;
	uint8_t first = fin ? WS_FIN : 0;

	if (!(st->flags & WST_BEGUN))
		first |= st->op | (zip ? WS_RSV1 : 0);
	st->flags |= WST_BEGUN;
	return first;
}

enum ws_go
ws_end(struct wx *x, bool reset)
{
	ws_job_free(x);
	ws_leave(x->w, conn_id(x->n, x->c));
	x->st->phase = WSP_NONE;
	if (reset) {
		conn_abort(x->n, x->c);
		return WS_GONE;
	}
	/* What the client still sends must not make a RST that overtakes our
	 * Close. */
	conn_discard(x->n, x->c);
	conn_close(x->n, x->c);
	return WS_GONE;
}

enum ws_go
ws_bye(struct wx *x, int code)
{
	struct ws_state *st = x->st;
	uint8_t p[2] = { (uint8_t)(code >> 8), (uint8_t)code };

	if (ws_send(x, WS_FIN | WS_CLOSE, p, code == WS_NO_CODE ? 0 : 2))
		return ws_end(x, false);
	if (st->phase != WSP_FAIL) {
		ws_job_free(x);
		st->phase = WSP_FAIL;
		st->code = (uint16_t)code;
		st->stamp = x->now;
	}
	/* Nothing of it is looked at any more (RFC 6455, 7.1.7). */
	x->done = conn_readable(x->c);
	return WS_WAIT;
}

enum ws_go
ws_fail(struct wx *x, int code)
{
	ws_count(x, WS_FAILED, 1);
	return ws_bye(x, code);
}
