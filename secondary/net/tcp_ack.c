/*
 * tcp_ack: fifth step of RFC 9293 §3.10.7.4: the ACK field and the window.
 */
#include <string.h>

#include "tcp_priv.h"

void
tcp_room(struct net *n, struct conn *c)
{
	if ((c->flags & TF_WANT) == 0 ||
	    c->sq_len + c->room_want > tcp_sndbuf(n, c))
		return;
	c->flags &= ~(TF_WANT | TF_NOCHUNK);
	tcp_ready(n, c, CONN_WRITE);
}

void
tcp_sq_trim(struct net *n, struct conn *c, uint32_t len)
{
	struct chunk *k;
	uint32_t id;

	c->sq_len -= len;
	/* all of it, in one chunk: what an answered request leaves behind */
	if (c->sq_len == 0 && c->sq_head == c->sq_tail) {
		chunk_put(n, c->sq_head);
		c->sq_head = c->sq_tail = c->sq_next = ARENA_NONE;
		return;
	}
	while ((id = c->sq_head) != ARENA_NONE) {
		k = chunk_at(n, id);
		if (k->len > len) {
			if (k->kind == CHUNK_DATA)
				k->start += len;
			else
				k->off += len;
			k->len -= len;
			if (c->sq_next == id)
				c->sq_noff -= len;
			return;
		}
		len -= (uint32_t)k->len;
		if (c->sq_next == id) {
			c->sq_next = k->next;
			c->sq_noff = 0;
		}
		c->sq_head = k->next;
		chunk_put(n, id);
	}
	c->sq_tail = ARENA_NONE;
}

/* Payload bytes among the sequence numbers from snd_una to ack: all but a
 * FIN of ours. */
static uint32_t
payload_acked(const struct conn *c, uint32_t ack)
{
	uint32_t len = ack - c->snd_una;

	return len - ((c->flags & TF_FIN_SENT) != 0 && ack == c->snd_nxt);
}

/* Take what was acknowledged off the queue and move snd_una. */
static void
advance(struct net *n, struct conn *c, uint32_t ack)
{
	uint32_t len = payload_acked(c, ack);

	if (len != 0)
		tcp_sq_trim(n, c, len);
	c->bytes_out += len;
	c->snd_una = ack;
	if (c->backoff != 0)
		tcp_user_progress(n, c);
	c->backoff = 0;
}

/*
 * RFC 9293 §3.10.7.4: only a segment that is not older than the last update
 * moves the window (its ACK is not below snd_una here); acked: it acknowledges
 * something new.
 */
static inline void
window(struct conn *c, uint32_t seq, uint16_t field, bool acked)
{
	if (!acked && seq_lt(seq, c->snd_wl1))
		return;
	c->snd_wl1 = seq;
	c->snd_wnd = (uint32_t)field << snd_scale(c);
	if (field > c->max_wnd)
		c->max_wnd = field;
}

void
tcp_window(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	window(c, s->seq, s->wnd, s->ack != c->snd_una);
}

void
tcp_ack_inline(struct net *n, struct conn *c, uint32_t ack, uint32_t seq,
    uint16_t wnd)
{
	uint32_t len = ack - c->snd_una;

	if (len != 0) {
		/* RFC 6298 §3: all of it was sent once, at snd_time */
		if (ack == c->snd_nxt)
			tcp_rtt_sample(n, c, (uint32_t)n->now - c->snd_time);
		advance(n, c, ack);
		tcp_cc_ack(n, c, len, 0);
		tcp_timer_restart(n, c);
		tcp_room(n, c);
	}
	window(c, seq, wnd, len != 0);
	if (tcp_unsent(c) != 0) {
		c->flags &= ~TF_MORE;
		tcp_want_output(n, c);
	}
}

/* RFC 5961 §5.2 and RFC 9293 §3.10.7.4 */
bool
tcp_ack_ok(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	uint32_t max = (uint32_t)c->max_wnd << snd_scale(c);

	if (seq_lt(c->snd_nxt, s->ack)) {
		net_count(n, CNT_drop_tcp_ack, 1);
		tcp_challenge(n, c);
		return false;
	}
	if (seq_lt(s->ack, c->snd_una - max)) {
		net_count(n, CNT_drop_tcp_ack, 1);
		tcp_challenge(n, c);
		return false;
	}
	return true;
}

/* Without an extension there is one segment, so all is simple. */
static void
ack_one(struct net *n, struct conn *c, const struct tcp_seg_in *s,
    struct tcp_acked *r)
{
	r->acked = r->delivered = s->ack - c->snd_una;
	r->retx = (c->flags & TF_RETX) != 0;
	r->orig = !r->retx;
	if (s->ack == c->snd_nxt) {
		if (!r->retx)
			r->rtt_us = r->late_us = max_u32(1,
			    (uint32_t)n->now - c->snd_time);
		c->flags &= ~(TF_RETX | TF_LOST);
	} else if (r->retx) {
		/* a part of what was sent again came: go on behind it */
		c->flags |= TF_LOST;
	}
}

/* RFC 7323 §4.1: a sample by echo, good even if segments were sent again. */
static void
sample_rtt(struct net *n, struct conn *c, const struct tcp_seg_in *s,
    const struct tcp_acked *r)
{
	uint32_t ms;

	if (r->rtt_us != 0 && !r->retx) {
		tcp_rtt_sample(n, c, r->rtt_us);
	} else if ((c->flags & TF_TS) != 0 && s->ts && s->tsecr != 0) {
		ms = tcp_now_ms(n) + c->ts_off - s->tsecr;
		if (ms < 1000000)
			tcp_rtt_sample(n, c, max_u32(ms * 1000, 1));
	}
}

/* RFC 5681 §2: what counts as a duplicate ACK. */
static bool
is_duplicate(const struct conn *c, const struct tcp_seg_in *s)
{
	return s->ack == c->snd_una && s->len == 0 && tcp_flight(c) != 0 &&
	    (s->flags & TH_FIN) == 0 &&
	    (uint32_t)s->wnd << snd_scale(c) == c->snd_wnd;
}

/* A FIN of ours is acknowledged with everything before it. */
static bool
fin_acked(const struct conn *c)
{
	return (c->flags & TF_FIN_SENT) != 0 && c->snd_una == c->snd_nxt;
}

/* It was overtaken by a later one: its SACK blocks may still be news, but it
 * may not move the window. */
static void
old_ack(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	struct tcp_acked r = { 0 };

	if (s->nsack == 0 || (c->flags & TF_SACK) == 0 || c->ext == ARENA_NONE)
		return;
	net_count(n, CNT_tcp_sack_in, 1);
	tcp_sack_in(n, c, s, &r);
	tcp_loss_ack(n, c, &r, s);
	tcp_timer_ensure(n, c);
	tcp_want_output(n, c);
}

void
tcp_ack(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	struct tcp_acked r = { 0 };
	bool more;

	if (seq_lt(s->ack, c->snd_una)) {
		old_ack(n, c, s);
		return;
	}
	c->flags &= ~TF_MORE;
	r.dup = is_duplicate(c, s);
	r.ece = (s->flags & TH_ECE) != 0 && (c->flags & TF_ECN) != 0;
	if (s->nsack != 0 && (c->flags & TF_SACK) != 0) {
		net_count(n, CNT_tcp_sack_in, 1);
		if (c->ext == ARENA_NONE && tcp_flight(c) != 0)
			(void)tcp_ext_get(n, c);
		tcp_sack_in(n, c, s, &r);
	}
	if (s->ack != c->snd_una) {
		if (c->ext != ARENA_NONE)
			seg_acked(n, c, s->ack, &r);
		else
			ack_one(n, c, s, &r);
		tcp_window(n, c, s);
		advance(n, c, s->ack);
		sample_rtt(n, c, s, &r);
	} else {
		tcp_window(n, c, s);
	}
	tcp_loss_ack(n, c, &r, s);
	if (r.acked != 0)
		tcp_timer_restart(n, c);
	else
		tcp_timer_ensure(n, c);
	tcp_ext_idle(n, c);
	more = tcp_unsent(c) != 0 || (c->flags & (TF_FIN | TF_FIN_SENT)) ==
	    TF_FIN || (c->flags & TF_LOST) != 0 || c->ext != ARENA_NONE;
	if (more)
		tcp_want_output(n, c);
	if (r.acked != 0)
		tcp_room(n, c);
	if (r.acked != 0 && fin_acked(c))
		tcp_event(n, c, TV_FIN_ACKED);
}
