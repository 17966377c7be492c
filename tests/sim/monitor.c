/*
 * monitor: what an observer with perfect memory sees of each connection.
 *
 * A frame is judged when it leaves a host: lengths, checksums, the bytes of
 * its stream, and whether the host had been given what entitles it to send
 * them. What was given counts only if it arrived unharmed. The monitor knows
 * nothing of the stack's insides, so a host may die and be replaced without
 * any rule becoming weaker.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define FIN	0x01
#define SYN	0x02
#define RST	0x04
#define ACK	0x10

/* What one end said and was given. */
struct half {
	bool syn;		/* its SYN was seen: the rest is known */
	bool scaled, stamped;	/* its SYN had these options */
	bool fin;
	bool may_send, said;	/* edge, edge_said are known */
	uint8_t scale;
	uint16_t mss;		/* it takes segments of this size */
	uint32_t iss;
	uint32_t max;		/* end of the highest sequence it sent */
	uint64_t max_pos;	/* the same as a position in the stream */
	uint32_t fin_seq;
	uint32_t got;		/* end of the highest sequence it was given */
	uint32_t una;		/* highest acknowledgement it was given */
	uint32_t edge;		/* it may send up to here */
	uint32_t edge_said;	/* it offered its peer up to here */
	uint32_t stamp;		/* latest timestamp it sent */
	uint64_t sent_at;	/* when it sent a segment last, µs */
};

struct flow {
	uint8_t addr[2][16];	/* of client, server */
	uint32_t port[2];
	uint32_t inc;
	uint32_t next;
	const struct plan *plan;
	bool vague;		/* a cookie's numbers and others are about */
	struct half half[2];
};

/* A TCP segment, taken apart. */
struct seg {
	const uint8_t *data;
	const struct packet *v;	/* its packet */
	uint32_t sport, dport;
	uint32_t seq, ack, wnd, len, optlen;
	uint8_t flags;
	bool mss_set, scale_set, stamp_set;
	uint16_t mss;
	uint8_t scale, nsack;
	uint32_t stamp, echo;
	uint32_t sack[4][2];
};

static int32_t
after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static bool
parse_option(struct seg *s, const uint8_t *o, uint32_t len)
{
	uint32_t i;

	switch (o[0]) {
	case 2:
		s->mss_set = true;
		s->mss = get16(o + 2);
		return len == 4;
	case 3:
		s->scale_set = true;
		s->scale = o[2];
		return len == 3 && o[2] <= 14;
	case 4:
		return len == 2;
	case 5:
		s->nsack = (uint8_t)((len - 2) / 8);
		if (len % 8 != 2 || s->nsack == 0 || s->nsack > 4)
			return false;
		for (i = 0; i < s->nsack; i++) {
			s->sack[i][0] = get32(o + 2 + 8 * i);
			s->sack[i][1] = get32(o + 6 + 8 * i);
		}
		return true;
	case 8:
		s->stamp_set = true;
		s->stamp = get32(o + 2);
		s->echo = get32(o + 6);
		return len == 10;
	}
	return false;
}

/* Take a segment apart; false: it is malformed. */
static bool
parse(struct seg *s, const struct packet *v)
{
	const uint8_t *t = v->ip + v->head, *o, *end;
	uint32_t head, n;

	memset(s, 0, sizeof(*s));
	if (v->proto != 6 || v->total < v->head + 20)
		return false;
	head = (t[12] >> 4) * 4u;
	if (head < 20 || v->head + head > v->total)
		return false;
	s->v = v;
	s->sport = get16(t);
	s->dport = get16(t + 2);
	s->seq = get32(t + 4);
	s->ack = get32(t + 8);
	s->flags = t[13];
	s->wnd = get16(t + 14);
	s->optlen = head - 20;
	s->data = t + head;
	s->len = v->total - v->head - head;
	for (o = t + 20, end = t + head; o < end && *o != 0; o += n) {
		n = *o == 1 ? 1 : o + 1 < end ? o[1] : 0;
		if (n == 0 || o + n > end || (*o != 1 && n < 2))
			return false;
		if (*o != 1 && !parse_option(s, o, n))
			return false;
	}
	return true;
}

static uint32_t
bucket(const struct seg *s)
{
	return (get32(s->v->src + 12) * 31 + get32(s->v->dst + 12) * 31 +
	    s->sport + s->dport) * 40503u >> 3 & (MON_HASH - 1);
}

/* Whether end j of a flow sent the segment. */
static bool
sent_by(const struct flow *f, uint32_t j, const struct seg *s)
{
	return f->port[j] == s->sport && f->port[!j] == s->dport &&
	    memcmp(f->addr[j], s->v->src, 16) == 0 &&
	    memcmp(f->addr[!j], s->v->dst, 16) == 0;
}

/* The flow of a segment; *from: which end sent it. */
static struct flow *
find(struct world *w, const struct seg *s, uint32_t *from)
{
	struct flow *f;
	uint32_t i, j;

	for (i = w->flow_head[bucket(s)]; i != MON_NONE; i = f->next) {
		f = &w->flow[i];
		for (j = 0; j < 2; j++) {
			if (!sent_by(f, j, s))
				continue;
			*from = j;
			return f;
		}
	}
	return NULL;
}

static struct flow *
create(struct world *w, const struct seg *s)
{
	uint32_t b = bucket(s), max;
	struct flow *f;

	if (w->nflow == w->flow_max) {
		max = w->flow_max ? 2 * w->flow_max : 64;
		f = realloc(w->flow, max * sizeof(*f));
		SIM_CHECK(w, f != NULL, "no memory");
		w->flow = f;
		w->flow_max = max;
	}
	f = &w->flow[w->nflow];
	memset(f, 0, sizeof(*f));
	memcpy(f->addr[0], s->v->src, 16);
	memcpy(f->addr[1], s->v->dst, 16);
	f->port[0] = s->sport;
	f->port[1] = s->dport;
	f->next = w->flow_head[b];
	w->flow_head[b] = w->nflow++;
	return f;
}

/* A SYN begins an incarnation, or is the one we know. */
static struct flow *
note_syn(struct world *w, const struct wire *wf, const struct seg *s,
    uint32_t *from)
{
	struct flow *f = find(w, s, from);
	struct half *h;

	if (f == NULL) {
		if (s->flags & ACK)
			return NULL;	/* answers a stranger */
		f = create(w, s);
		*from = 0;
	}
	h = &f->half[*from];
	if (h->syn && h->iss == s->seq)
		return f;
	/* Or it answers someone who spoke in the client's name, when the
	 * connection itself is over. */
	if (s->flags & ACK && s->ack != f->half[!*from].iss + 1) {
		h->syn = false;
		return NULL;
	}
	if (!(s->flags & ACK)) {
		SIM_CHECK(w, *from == 0, "SYN from a listener");
		memset(f->half, 0, sizeof(f->half));
		f->vague = false;
		f->inc++;
		f->plan = app_find(w, s->v->src, (uint16_t)s->sport,
		    s->v->dst);
		SIM_CHECK(w, f->plan != NULL, "SYN of no plan, port %u",
		    s->sport);
	}
	/* The server began anew; the client may believe either number. */
	f->vague |= h->syn && w->host[wf->from].counters[
	    CNT_tcp_cookies_sent] > 0;
	memset(h, 0, sizeof(*h));
	h->syn = true;
	h->iss = s->seq;
	h->max = s->seq;
	h->scaled = s->scale_set;
	h->scale = s->scale;
	h->stamped = s->stamp_set;
	h->mss = s->mss_set ? s->mss : 536;
	/* What it was given before lies in the peer's half. */
	if (s->flags & ACK)
		h->got = f->half[!*from].iss + 1;
	return f;
}

/* Where the sender's window ends by this segment. */
static uint32_t
edge_of(const struct flow *f, uint32_t from, const struct seg *s)
{
	const struct half *h = &f->half[from];

	if (s->flags & SYN || !h->scaled || !f->half[!from].scaled)
		return s->ack + s->wnd;
	return s->ack + (s->wnd << h->scale);
}

bool
mon_lost_inside(const struct host *h)
{
	return h->deaths > 0 || h->counters[CNT_drop_neigh] > 0 ||
	    h->counters[CNT_drop_tx_full] > 0;
}

/* RFC 9293 (3.8.6): data goes where the peer allowed it, from the stream. */
static void
check_data(struct world *w, const struct host *host, const struct flow *f,
    const struct seg *s)
{
	const uint32_t from = sent_by(f, 0, s) ? 0 : 1;
	const struct half *h = &f->half[from], *peer = &f->half[!from];
	uint32_t end = s->seq + s->len;
	uint64_t pos = h->max_pos + (uint64_t)(int64_t)after(s->seq, h->max);

	SIM_CHECK(w, after(s->seq, h->max) <= 0 || mon_lost_inside(host),
	    "port %u leaves a gap: seq %u after %u", s->sport,
	    s->seq - h->iss, h->max - h->iss);
	SIM_CHECK(w, h->may_send, "port %u sends data before it may",
	    s->sport);
	/* RFC 9293 (3.8.6.1): a probe of one byte. */
	SIM_CHECK(w, after(end, h->edge) <= 0 ||
	    (s->len == 1 && end == h->edge + 1),
	    "port %u sends to %u, the window ends at %u", s->sport,
	    end - h->iss, h->edge - h->iss);
	SIM_CHECK(w, s->len + s->optlen <= peer->mss,
	    "port %u sends %u bytes and %u of options, MSS %u", s->sport,
	    s->len, s->optlen, peer->mss);
	SIM_CHECK(w, !h->fin || after(end, h->fin_seq) <= 0,
	    "port %u sends data behind its FIN", s->sport);
	/* RFC 9293 (3.8.4): a probe may carry one octet of garbage that the
	 * peer has acknowledged. */
	if (s->len == 1 && end == h->una)
		return;
	SIM_CHECK(w, memcmp(pattern(f->plan->key + from, pos), s->data,
	    s->len) == 0, "port %u sends wrong bytes at %llu", s->sport,
	    (unsigned long long)pos);
}

static void
check_sack(struct world *w, const struct half *h, const struct seg *s)
{
	uint32_t i;

	for (i = 0; i < s->nsack; i++)
		SIM_CHECK(w, after(s->sack[i][1], s->sack[i][0]) > 0 &&
		    after(s->sack[i][1], h->got) <= 0 &&
		    (i == 0 || after(s->sack[i][0], s->ack) > 0),
		    "port %u: SACK block %u, %u-%u, ack %u, received %u",
		    s->sport, i, s->sack[i][0], s->sack[i][1], s->ack,
		    h->got);
}

/* RFC 9293 (3.8.6): the right edge of a window does not move left. */
static void
check_ack(struct world *w, struct flow *f, uint32_t from,
    const struct seg *s)
{
	struct half *h = &f->half[from], *peer = &f->half[!from];
	uint32_t edge = edge_of(f, from, s), slack = 0;

	SIM_CHECK(w, after(s->ack, h->got) <= 0,
	    "port %u acknowledges %u, it was given %u", s->sport,
	    s->ack - peer->iss, h->got - peer->iss);
	/* RFC 7323 (2.4): the scale rounds. */
	if (h->scaled && peer->scaled)
		slack = (1u << h->scale) - 1;
	/* Behind the peer's FIN nothing comes for which it could matter. */
	SIM_CHECK(w, !h->said || after(edge + slack, h->edge_said) >= 0 ||
	    s->flags & SYN || (peer->fin && after(s->ack, peer->fin_seq) > 0),
	    "port %u takes its window back: %u after %u (scale %u)",
	    s->sport, edge - peer->iss, h->edge_said - peer->iss, h->scale);
	if (!h->said || after(edge, h->edge_said) > 0)
		h->edge_said = edge;
	h->said = true;
	check_sack(w, h, s);
}

static void
sent_segment(struct world *w, struct wire *wf, const struct seg *s)
{
	uint32_t from, end = s->seq + s->len;
	struct flow *f;
	struct half *h;

	f = s->flags & SYN ? note_syn(w, wf, s, &from) : find(w, s, &from);
	if (f == NULL)
		return;
	/* also of one whose peer is somebody else's now */
	f->half[from].sent_at = w->now;
	if (!f->half[from].syn || (s->flags & ACK && !f->half[!from].syn))
		return;
	wf->flow = (uint32_t)(f - w->flow);
	wf->inc = f->inc;
	h = &f->half[from];
	if (f->vague)
		return;
	if (s->flags & RST) {
		/* A cookie may open it once more, with a window of its own. */
		h->said = false;
		return;
	}
	SIM_CHECK(w, !(s->flags & SYN) || s->len == 0, "SYN with data");
	if (s->len > 0)
		check_data(w, &w->host[wf->from], f, s);
	if (s->flags & ACK)
		check_ack(w, f, from, s);
	/* RFC 7323 (3.2): once both agreed, every segment has timestamps. */
	if (h->stamped && f->half[!from].stamped) {
		SIM_CHECK(w, s->stamp_set, "port %u: no timestamp", s->sport);
		/* That of a SYN-ACK may be a cookie's, a little older. */
		SIM_CHECK(w, h->stamp == 0 || s->flags & SYN ||
		    after(s->stamp, h->stamp) >= 0,
		    "port %u: timestamp %u after %u", s->sport, s->stamp,
		    h->stamp);
		h->stamp = s->stamp;
	}
	if (s->flags & FIN) {
		SIM_CHECK(w, !h->fin || h->fin_seq == end,
		    "port %u: FIN at %u and at %u", s->sport,
		    h->fin_seq - h->iss, end - h->iss);
		SIM_CHECK(w, after(end, h->max) >= (h->fin ? -1 : 0) &&
		    (after(s->seq, h->max) <= 0 ||
		    mon_lost_inside(&w->host[wf->from])),
		    "port %u: FIN at %u, sent up to %u", s->sport,
		    end - h->iss, h->max - h->iss);
		h->fin = true;
		h->fin_seq = end;
	}
	if (s->flags & (SYN | FIN))
		end++;
	/* An ACK may stand behind what was lost inside the host. */
	if (end != s->seq && after(end, h->max) > 0) {
		/* A SYN stands before the stream. */
		if (!(s->flags & SYN))
			h->max_pos += end - h->max;
		h->max = end;
	}
}

uint32_t
mon_iss(const struct world *w, const struct packet *v, const uint8_t *t,
    bool receiver)
{
	struct seg s = { .v = v, .sport = get16(t), .dport = get16(t + 2) };
	uint32_t i, j;

	for (i = 0; i < w->nflow; i++)
		for (j = 0; j < 2; j++)
			if (sent_by(&w->flow[i], j, &s))
				return w->flow[i].half[j ^ receiver].iss;
	return 0;
}

/* The flow of these ends; *from: which of them is src. */
static const struct flow *
look_up(const struct world *w, const uint8_t src[16],
    const uint16_t ports[2], const uint8_t dst[16], uint32_t *from)
{
	struct packet v = { 0 };
	struct seg s = { .v = &v, .sport = ports[0], .dport = ports[1] };
	const struct flow *f;
	uint32_t i;

	memcpy(v.src, src, 16);
	memcpy(v.dst, dst, 16);
	for (i = w->flow_head[bucket(&s)]; i != MON_NONE; i = f->next) {
		f = &w->flow[i];
		for (*from = 0; *from < 2; (*from)++)
			if (sent_by(f, *from, &s))
				return f;
	}
	return NULL;
}

bool
mon_view(const struct world *w, const uint8_t src[16],
    const uint16_t ports[2], const uint8_t dst[16], struct mon_view *v)
{
	const struct half *me, *peer;
	const struct flow *f;
	uint32_t from;

	f = look_up(w, src, ports, dst, &from);
	if (f == NULL || f->vague)
		return false;
	me = &f->half[from];
	peer = &f->half[!from];
	if (!me->syn || !peer->syn || !peer->said || !peer->may_send)
		return false;
	v->edge = peer->edge_said;
	v->scale = me->scaled && peer->scaled ? peer->scale : 0;
	v->ack = peer->una;
	v->stamped = me->stamped && peer->stamped;
	v->stamp = me->stamp;
	v->echo = peer->stamp;
	return true;
}

uint64_t
mon_last_sent(const struct world *w, const struct tuple *t)
{
	const uint16_t ports[2] = { get16((const uint8_t *)&t->lport_be),
	    get16((const uint8_t *)&t->rport_be) };
	const struct flow *f;
	uint32_t from;

	f = look_up(w, t->laddr, ports, t->raddr, &from);
	return f == NULL ? 0 : f->half[from].sent_at;
}

/* What a host sends that is not TCP. */
static void
sent_other(struct world *w, struct host *h, const struct packet *v)
{
	const uint8_t *m = v->ip + v->head;
	uint32_t len = v->total - v->head;

	if (v->family == 4) {
		SIM_CHECK(w, v->proto == 1 && ip_csum(m, len, 0) == 0,
		    "host %u: protocol %u", h->id, v->proto);
		return;
	}
	SIM_CHECK(w, v->proto == 58 && len >= 4 &&
	    ip_csum(m, len, ip_pseudo(v->ip, len)) == 0,
	    "host %u: next header %u, %u bytes", h->id, v->proto, len);
	/* RFC 4861 (7.1): neighbour discovery comes from next door. */
	SIM_CHECK(w, m[0] < 133 || m[0] > 137 || v->ip[7] == 255,
	    "host %u: ND message %u with hop limit %u", h->id, m[0],
	    v->ip[7]);
}

/* Whether a host may send from this address: its own, link-local, none. */
static bool
own_address(const struct host *h, const struct packet *v)
{
	static const uint8_t none[16];

	if (v->family == 4)
		return memcmp(v->src, h->addr[0], 16) == 0;
	return h->has6 && (memcmp(v->src, h->addr[1], 16) == 0 ||
	    (v->src[0] == 0xfe && v->src[1] == 0x80) ||
	    (v->proto == 58 && memcmp(v->src, none, 16) == 0));
}

void
mon_sent(struct world *w, struct host *h, struct wire *f)
{
	struct packet v;
	struct seg s;

	if (get16(f->data + 12) == 0x0806) {
		SIM_CHECK(w, f->len >= 42 && get32(f->data + 14) ==
		    0x00010800, "host %u: malformed ARP", h->id);
		return;
	}
	SIM_CHECK(w, ip_parse(&v, f->data, f->len),
	    "host %u: frame of type %04x, %u bytes", h->id,
	    get16(f->data + 12), f->len);
	SIM_CHECK(w, v.head == (v.family == 4 ? 20 : 40) &&
	    (14 + v.total == f->len || f->len == 60),
	    "host %u: IP length %u in %u bytes", h->id, v.total, f->len);
	SIM_CHECK(w, v.family == 6 || ip_csum(v.ip, 20, 0) == 0,
	    "host %u: IP checksum", h->id);
	SIM_CHECK(w, own_address(h, &v) && v.ip[v.family == 4 ? 8 : 7] > 0,
	    "host %u sends from another's address", h->id);
	if (v.proto != 6) {
		sent_other(w, h, &v);
		return;
	}
	SIM_CHECK(w, ip_csum(v.ip + v.head, v.total - v.head,
	    ip_pseudo(v.ip, v.total - v.head)) == 0,
	    "host %u: TCP checksum", h->id);
	SIM_CHECK(w, parse(&s, &v), "host %u: malformed segment", h->id);
	SIM_CHECK(w, (s.flags & (SYN | FIN)) != (SYN | FIN) &&
	    (s.flags & (SYN | RST)) != (SYN | RST) &&
	    s.flags & (SYN | RST | ACK), "host %u: flags %02x", h->id,
	    s.flags);
	sent_segment(w, f, &s);
}

void
mon_given(struct world *w, struct host *h, const struct wire *wf)
{
	struct half *to;
	struct flow *f;
	uint32_t from, end, edge;
	struct packet v;
	struct seg s;

	(void)h;
	if (wf->flow == MON_NONE || w->flow[wf->flow].inc != wf->inc ||
	    !ip_parse(&v, wf->data, wf->len) || !parse(&s, &v))
		return;
	f = find(w, &s, &from);
	if (f == NULL || s.flags & RST)
		return;
	to = &f->half[!from];
	end = s.seq + s.len + ((s.flags & (SYN | FIN)) != 0);
	if (after(end, to->got) > 0 || (s.flags & SYN && !to->said))
		to->got = end;
	if (!(s.flags & ACK) || !to->syn)
		return;
	edge = edge_of(f, from, &s);
	if (!to->may_send || after(edge, to->edge) > 0)
		to->edge = edge;
	if (!to->may_send || after(s.ack, to->una) > 0)
		to->una = s.ack;
	to->may_send = true;
}
