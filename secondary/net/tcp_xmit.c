/*
 * tcp_xmit: one segment with payload, from the send queue into a frame.
 *
 * Short pieces are copied behind the header; longer ones are named as ranges
 * and sent from where they lie, when the port can. The chunks that hold them
 * note the frame's mark, so that they are not used again before it is sent.
 */
#include <string.h>

#include "tcp_priv.h"

/* A place in the send queue. */
struct sq_pos {
	uint32_t chunk;
	uint32_t off;		/* valid bytes of it passed */
};

/* What is being filled. */
struct filling {
	struct pkt *p;
	uint8_t *to;		/* where the next copied byte goes */
	uint32_t room;		/* bytes left there */
	uint32_t used[PKT_FRAGS]; /* chunks that the ranges lie in */
	bool frags;		/* the port takes ranges */
};

/* Where sequence number seq lies. */
static struct sq_pos
seek(const struct net *n, const struct conn *c, uint32_t seq)
{
	struct sq_pos at = { c->sq_head, seq - c->snd_una };
	const struct chunk *k;

	if (seq == c->snd_nxt && c->sq_next != ARENA_NONE) {
		at.chunk = c->sq_next;
		at.off = c->sq_noff;
	}
	while (at.chunk != ARENA_NONE) {
		k = chunk_at(n, at.chunk);
		if (at.off < k->len)
			break;
		at.off -= (uint32_t)k->len;
		at.chunk = k->next;
	}
	return at;
}

static uint8_t *
chunk_bytes(const struct net *n, struct chunk *k)
{
	return k->kind == CHUNK_DATA ? k->data + k->start :
	    (uint8_t *)(n->env.base + (uintptr_t)k->off);
}

/* Add len bytes at pos to the frame; what fits, 0: it is full. */
static uint32_t
add(const struct net *n, struct filling *f, uint32_t chunk, uint32_t off,
    uint32_t len)
{
	struct chunk *k = chunk_at(n, chunk);
	uint8_t *from = chunk_bytes(n, k) + off;
	struct pkt_frag *g;

	if (f->p->nfrag == 0 && (!f->frags || len <= TCP_COPY)) {
		len = min_u32(len, f->room);
		if (len != 0) {
			memcpy(f->to, from, len);
			f->to += len;
			f->room -= len;
			f->p->len += len;
			return len;
		}
	}
	if (!f->frags || f->p->nfrag == PKT_FRAGS)
		return 0;
	g = &f->p->frag[f->p->nfrag];
	g->off = (uint64_t)((uintptr_t)from - n->env.base);
	g->len = len;
	g->zero = 0;
	f->used[f->p->nfrag++] = chunk;
	return len;
}

/* Fill with up to len bytes from at on; moves at. Returns how many. */
static uint32_t
fill(const struct net *n, struct filling *f, struct sq_pos *at, uint32_t len)
{
	const struct chunk *k;
	uint32_t done = 0, part, got;

	while (done < len && at->chunk != ARENA_NONE) {
		k = chunk_at(n, at->chunk);
		if (at->off == k->len) {
			if (k->next == ARENA_NONE)
				break;
			at->chunk = k->next;
			at->off = 0;
			continue;
		}
		part = k->len - at->off < len - done ?
		    (uint32_t)(k->len - at->off) : len - done;
		got = add(n, f, at->chunk, at->off, part);
		at->off += got;
		done += got;
		if (got < part)
			break;
	}
	return done;
}

/* What every segment says: ACK sent, nothing owed any more. */
static uint32_t
header(struct net *n, struct conn *c, uint8_t *h, uint32_t seq)
{
	uint32_t opt = tcp_out_options(n, c, h + TCP_HLEN, NULL, false);

	tcp_out_header(h, &c->t, seq, c->rcv_nxt, TH_ACK);
	h[12] = (uint8_t)((TCP_HLEN + opt) << 2);
	put_be16(h + 14, tcp_out_window(n, c));
	return TCP_HLEN + opt;
}

static uint8_t
ecn_bits(struct conn *c, uint8_t *flags, bool fresh)
{
	if ((c->flags & TF_ECE) != 0)
		*flags |= TH_ECE;
	/* RFC 3168 §6.1.5: never on what is sent again */
	if (!fresh)
		return 0;
	if ((c->flags & TF_CWR) != 0) {
		*flags |= TH_CWR;
		c->flags &= ~TF_CWR;
	}
	return ECN_ECT0;
}

uint32_t
tcp_xmit(struct net *n, struct conn *c, uint32_t seq, uint32_t len,
    uint8_t flags)
{
	struct sq_pos at = seek(n, c, seq);
	uint32_t hlen, got, i, end = c->snd_una + (uint32_t)c->sq_len;
	struct filling f;
	struct chunk *k;
	uint8_t *h, tos = tcp_tos(n, c);

	f.p = frame_get(n);
	if (f.p == NULL)
		return 0;
	h = pkt_data(f.p);
	hlen = header(n, c, h, seq);
	f.p->len = hlen;
	f.to = h + hlen;
	f.room = (uint32_t)sizeof(*f.p) + f.p->room - f.p->off - hlen;
	f.frags = (n->port[c->t.port].conf.caps & NET_CAP_FRAGS) != 0;
	got = len != 0 ? fill(n, &f, &at, len) : 0;
	if (got < len) {
		/* ranges or room ended; FIN and PSH come with the rest */
		flags = 0;
		if (got == 0) {
			frame_put(n, f.p);
			return 0;
		}
	}
	if (got != 0 && seq + got == end)
		flags |= TH_PSH;
	if ((c->flags & TF_ECN) != 0)
		tos |= ecn_bits(c, &flags, seq == c->snd_nxt && got != 0);
	h[13] |= flags;
	if (got > c->mss) {
		f.p->flags |= PKT_TX_TSO;
		f.p->tso_mss = c->mss;
	}
	f.p->l4_len = (uint16_t)hlen;
	if (seq == c->snd_nxt) {
		c->sq_next = at.chunk;
		c->sq_noff = at.off;
		net_count(n, CNT_tcp_bytes_out, got);
	}
	i = f.p->nfrag;
	net_count(n, CNT_tcp_out, 1);
	ip_output(n, f.p, &c->t, 6, (uint16_t)hlen, tos);
	while (i-- > 0) {
		k = chunk_at(n, f.used[i]);
		k->mark = n->tx_mark;
		k->used = 1;
	}
	return got + ((flags & TH_FIN) != 0);
}

uint32_t
tcp_xmit_max(const struct net *n, const struct conn *c)
{
	const struct net_port_conf *p = &n->port[c->t.port].conf;
	uint32_t max = p->tso_max != 0 ? p->tso_max : 65000;

	if ((p->caps & (NET_CAP_TSO | NET_CAP_FRAGS)) !=
	    (NET_CAP_TSO | NET_CAP_FRAGS) || max < 2u * c->mss)
		return c->mss;
	max = min_u32(max, 65535 - 120);
	return max - max % c->mss;
}
