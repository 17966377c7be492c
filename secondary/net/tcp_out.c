/*
 * tcp_out: what a connection sends when its turn has come: what was lost,
 * then what is new, then the ACK that is still owed.
 */
#include <string.h>

#include "tcp_mtu.h"

/* Frames that may still be sent in this call. */
struct budget {
	uint32_t frames;
	bool more;		/* it ended before the work did */
};

static bool
take_frame(struct net *n, struct budget *b)
{
	if (b->frames == 0 || pktq_busy(&n->out)) {
		b->more = true;
		return false;
	}
	b->frames--;
	return true;
}

/* Our FIN stands behind the queue and was not sent. */
static bool
fin_due(const struct conn *c)
{
	return (c->flags & (TF_FIN | TF_FIN_SENT)) == TF_FIN;
}

/* Payload bytes among [start, end), which may count a FIN at its end. */
static uint32_t
payload(const struct conn *c, uint32_t start, uint32_t end)
{
	uint64_t to_end = c->sq_len - (start - c->snd_una);

	return end - start < to_end ? end - start : (uint32_t)to_end;
}

/* ---- what is sent again ---- */

/* Send again what begins at start and ends with s, or what of it one frame
 * takes. Returns how much; 0: not now. */
static uint32_t
resend(struct net *n, struct conn *c, uint32_t start, const struct tcp_seg *s,
    uint32_t most)
{
	uint32_t whole = payload(c, start, s->end), len, got;
	uint8_t flags = 0;

	len = min_u32(whole, most);
	if (len == whole && start + len != s->end)
		flags = TH_FIN;
	/* a FIN alone is counted as a short segment, but pushes nothing */
	if (len != 0 && len == whole && (s->flags & SEG_PUSH) != 0)
		flags |= TH_PSH;
	got = tcp_xmit(n, c, start, len, flags);
	if (got != 0)
		net_count(n, CNT_tcp_retrans, 1);
	return got;
}

/* The only segment in flight, without an extension. */
static void
resend_one(struct net *n, struct conn *c, struct budget *b)
{
	struct tcp_seg all = { .end = c->snd_nxt, .flags =
	    (c->flags & TF_SMALL) != 0 ? SEG_PUSH : 0 };

	if (!take_frame(n, b))
		return;
	if (resend(n, c, c->snd_una, &all, c->mss) == 0) {
		b->more = true;
		return;
	}
	c->flags = (c->flags & ~TF_LOST) | TF_RETX;
}

static void
note_resent(struct net *n, struct conn *c, struct tcp_ext *x,
    struct seg_it *it)
{
	if (x->undo_sent == 0)
		x->undo_ts = tcp_now_ms(n) + c->ts_off;
	x->undo_sent = 1;
	if ((it->s->flags & SEG_LOST) != 0)
		x->lost -= it->s->end - it->start;
	it->s->flags = SEG_RETX | (it->s->flags & SEG_PUSH);
	it->s->time = (uint32_t)n->now;
	x->prr_out += it->s->end - it->start;
	x->undo_retrans++;
	x->retrans++;
}

/* Send again what is marked lost, as far as the window of congestion goes. */
static void
resend_lost(struct net *n, struct conn *c, struct tcp_ext *x,
    struct budget *b)
{
	uint32_t room, len, got;
	struct seg_it it;

	for (seg_first(n, c, &it); it.s != NULL && x->lost != 0;
	    seg_next(n, c, &it)) {
		if ((it.s->flags & SEG_LOST) == 0)
			continue;
		len = it.s->end - it.start;
		room = tcp_pipe(c, x) < c->cwnd ? c->cwnd - tcp_pipe(c, x) : 0;
		/* a probe asks for one whatever the window says */
		if ((room < min_u32(len, c->mss) &&
		    (c->flags & TF_PROBE) == 0) || !take_frame(n, b))
			return;
		room = min_u32(max_u32(room, c->mss), tcp_xmit_max(n, c));
		got = resend(n, c, it.start, it.s, room - room % c->mss);
		if (got == 0) {
			b->more = true;
			return;
		}
		/* without room for the second half the whole counts as sent;
		 * what is missing will be found lost once more */
		if (got < len)
			(void)seg_split(n, c, &it, it.start + got);
		note_resent(n, c, x, &it);
		c->flags &= ~TF_PROBE;
	}
}

/* ---- what is new ---- */

/* Held back until there is a full segment, the cork is taken off, or for one
 * RTO (as in Linux; see tcp_timer_ensure()). Not while the service waits for
 * room or chunks: what is held may be all that could make some. */
static bool
corked(const struct conn *c)
{
	return (c->flags & (TF_CORK | TF_MORE)) != 0 &&
	    (c->flags & (TF_WANT | TF_NOCHUNK | TF_PUSH)) == 0;
}

/*
 * May a segment of len bytes, less than a full one, go? all: it is all that is
 * queued. RFC 9293 §3.8.6.2.1 (sender's silly window) and §3.7.4 (Nagle, in
 * Minshall's form: only another short segment holds it back).
 */
static bool
short_ok(const struct conn *c, uint32_t len, bool all)
{
	if (all) {
		if (fin_due(c))
			return true;
		if (!corked(c) && (tcp_flight(c) == 0 ||
		    (c->flags & (TF_NODELAY | TF_SMALL)) != TF_SMALL))
			return true;
	}
	/* half of the largest window it ever offered */
	return !corked(c) &&
	    2 * (uint64_t)len >= (uint64_t)c->max_wnd << snd_scale(c);
}

/* Bytes that both windows let us send now; at least one segment's worth of
 * congestion window counts when nothing is in flight. */
static uint32_t
send_room(const struct conn *c, const struct tcp_ext *x)
{
	uint32_t flight = tcp_flight(c), pipe = tcp_pipe(c, x), cw, rw;

	cw = c->cwnd > pipe ? c->cwnd - pipe : 0;
	rw = c->snd_wnd > flight ? c->snd_wnd - flight : 0;
	/* a sliver of the congestion window waits until it is a segment */
	if (cw < c->mss && cw < rw && pipe != 0)
		cw = 0;
	return min_u32(cw, rw);
}

/* How much of what is unsent the next frame takes; 0: nothing goes now. */
static uint32_t
next_len(const struct net *n, const struct conn *c, uint64_t unsent,
    uint32_t room)
{
	uint32_t len = unsent < room ? (uint32_t)unsent : room, max, rest;

	if (len >= c->mss) {
		max = tcp_xmit_max(n, c);
		if (len >= max)
			return max;
		rest = len % c->mss;
		if (rest != 0 && !short_ok(c, rest, len == unsent))
			len -= rest;
		return len;
	}
	return short_ok(c, len, len == unsent) ? len : 0;
}

/* A segment [snd_nxt, snd_nxt + got) left. */
static void
sent_new(struct net *n, struct conn *c, uint32_t got, uint32_t len)
{
	struct tcp_ext *x;

	tcp_seg_add(n, c, c->snd_nxt + got);
	c->snd_nxt += got;
	x = tcp_ext(n, c);
	if (x != NULL)
		x->prr_out += got;
	/* a short one, or one with a short tail */
	if (len < c->mss ? len != 0 : len > c->mss && len % c->mss != 0)
		c->flags |= TF_SMALL;
	else
		c->flags &= ~TF_SMALL;
	if (got != len) {
		c->flags |= TF_FIN_SENT;
		tcp_event(n, c, TV_FIN_OUT);
	}
}

/* Send one new segment of len bytes, and the FIN if nothing is behind it. */
static bool
send_one(struct net *n, struct conn *c, uint32_t len, struct budget *b)
{
	bool fin = fin_due(c) && len == tcp_unsent(c);
	uint32_t got = tcp_xmit(n, c, c->snd_nxt, len, fin ? TH_FIN : 0);

	if (got == 0) {
		b->more = true;
		return false;
	}
	sent_new(n, c, got, fin && got == len + 1 ? len : got);
	return true;
}

/* One larger segment, to see whether the path carries it. False: it waits for
 * the peer's window to let it pass, and all behind it. */
static bool
mtu_probe(struct net *n, struct conn *c, struct tcp_ext *x, struct budget *b)
{
	uint32_t len = tcp_mtu_next(n, c, x), got;
	uint16_t mss = c->mss;

	if (len == 0)
		return true;
	if (tcp_flight(c) + len > c->snd_wnd || !take_frame(n, b))
		return tcp_flight(c) == 0;
	c->mss = (uint16_t)len;		/* in one piece */
	got = tcp_xmit(n, c, c->snd_nxt, len, 0);
	c->mss = mss;
	if (got == 0) {
		b->more = true;
		return true;
	}
	sent_new(n, c, got, got);
	c->flags &= ~TF_SMALL;
	if (got == len)
		tcp_mtu_sent(n, c, x, len);
	return true;
}

static void
send_new(struct net *n, struct conn *c, struct budget *b)
{
	uint64_t unsent;
	uint32_t len, room;

	/* once per pause: what is sent now ends it */
	if (tcp_flight(c) == 0 && tcp_unsent(c) != 0 && c->snd_wnd != 0)
		tcp_cc_idle(n, c);
	for (;;) {
		unsent = tcp_unsent(c);
		if (unsent == 0 && !fin_due(c))
			return;
		room = send_room(c, tcp_ext(n, c));
		if (unsent == 0) {
			/* a FIN alone: only the peer's window counts */
			if (c->snd_wnd <= tcp_flight(c))
				return;
			len = 0;
		} else {
			len = room != 0 ? next_len(n, c, unsent, room) : 0;
			if (len == 0)
				return;
		}
		if (!take_frame(n, b) || !send_one(n, c, len, b))
			return;
	}
}

/* ---- probes ---- */

/* Tail loss probe, RFC 8985 §7.3: new data if there is some and the peer has
 * room, else the last segment again. */
static void
loss_probe(struct net *n, struct conn *c, struct budget *b)
{
	uint64_t unsent = tcp_unsent(c);
	uint32_t flight = tcp_flight(c), len;
	struct tcp_ext *x = tcp_ext_get(n, c);
	struct seg_it it, last;

	if (x == NULL || x->nseg == 0 || !take_frame(n, b))
		return;
	net_count(n, CNT_tcp_tlp, 1);
	len = unsent < c->mss ? (uint32_t)unsent : c->mss;
	x->tlp_retx = 0;
	if (len != 0 && c->snd_wnd >= flight + len) {
		if (!send_one(n, c, len, b))
			return;
	} else {
		last.s = NULL;
		for (seg_first(n, c, &it); it.s != NULL; seg_next(n, c, &it))
			last = it;
		if (last.s->end - last.start > c->mss &&
		    seg_split(n, c, &last, last.s->end - c->mss))
			seg_next(n, c, &last);
		if ((last.s->flags & SEG_SACKED) != 0 ||
		    resend(n, c, last.start, last.s, c->mss) == 0)
			return;
		if ((last.s->flags & SEG_LOST) != 0)
			x->lost -= last.s->end - last.start;
		last.s->flags = SEG_RETX | (last.s->flags & SEG_PUSH);
		last.s->time = (uint32_t)n->now;
		x->retrans++;
		x->tlp_retx = 1;
	}
	c->flags |= TF_TLP;
	x->tlp_end = c->snd_nxt;
}

/* The timer wants something sent. */
static void
probe(struct net *n, struct conn *c, struct budget *b)
{
	uint64_t unsent = tcp_unsent(c);
	uint32_t len;

	c->flags &= ~TF_PROBE;
	if (tcp_flight(c) != 0) {
		loss_probe(n, c, b);
		return;
	}
	/* the window is open but too small for our taste: RFC 9293
	 * §3.8.6.2.1 lets us override that after a while */
	len = unsent < c->snd_wnd ? (uint32_t)unsent : c->snd_wnd;
	if (len != 0) {
		if (take_frame(n, b))
			(void)send_one(n, c, min_u32(len, c->mss), b);
		return;
	}
	if (take_frame(n, b)) {
		net_count(n, CNT_tcp_probe, 1);
		tcp_send_probe(n, c);
	}
}

/* RFC 5682 (2b): new data first; what it meets decides about the rest. True:
 * nothing else is to be sent until then. */
static bool
forward(struct net *n, struct conn *c, struct tcp_ext *x, struct budget *b)
{
	uint32_t was = c->snd_nxt;

	if (x->frto == FR_NEW) {
		send_new(n, c, b);
		x->frto = c->snd_nxt != was ? FR_WAIT : FR_OFF;
	}
	return x->frto == FR_WAIT;
}

/* What was lost goes first, then what is new. */
static void
payloads(struct net *n, struct conn *c, struct budget *b)
{
	struct tcp_ext *x = tcp_ext(n, c);

	if (x == NULL) {
		if ((c->flags & TF_LOST) != 0)
			resend_one(n, c, b);
		if ((c->flags & TF_LOST) == 0)
			send_new(n, c, b);
	} else if (!forward(n, c, x, b)) {
		if (x->lost != 0)
			resend_lost(n, c, x, b);
		if (x->lost == 0 && mtu_probe(n, c, x, b))
			send_new(n, c, b);
	}
}

static bool
output(struct net *n, struct conn *c)
{
	struct budget b = { TCP_BURST, false };
	uint32_t was = c->snd_nxt;
	struct tcp_ext *x;

	x = tcp_ext(n, c);
	/* what was lost is a probe, too: see resend_lost() */
	if ((c->flags & TF_PROBE) != 0 && (x == NULL || x->lost == 0))
		probe(n, c, &b);
	payloads(n, c, &b);
	x = tcp_ext(n, c);
	if (x != NULL && (c->snd_nxt != was || tcp_unsent(c) != 0))
		tcp_cc_sent(c, x);
	if (c->snd_nxt != was)
		tcp_timer_sent(n, c);
	if ((c->flags & TF_PUSH) != 0 && tcp_unsent(c) == 0)
		c->flags &= ~TF_PUSH;
	if ((c->flags & TF_ACK_NOW) != 0) {
		if (pktq_full(&n->out))
			b.more = true;
		else
			tcp_send_ack(n, c, NULL);
	}
	tcp_timer_ensure(n, c);
	return b.more;
}

bool
tcp_output(struct net *n, struct conn *c)
{
	switch (c->state) {
	case TCP_CLOSED:
		return false;
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
		return (c->snd_nxt == c->snd_una ||
		    (c->flags & TF_LOST) != 0) && !tcp_send_syn(n, c);
	default:
		return output(n, c);
	}
}
