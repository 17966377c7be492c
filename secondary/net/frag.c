/*
 * Fragments put together: RFC 815 for IPv4, RFC 8200 (4.5) for IPv6, both
 * with the rule of RFC 5722 that a packet with an overlap is dropped whole.
 * Bounded in packets, frames and time; the oldest packet gives way. Frames
 * wait in memory of the process's own: whoever adopts finds them free.
 */
#include "base.h"

#define LIFE_US	(30 * US_PER_S)		/* as Linux; RFC 8200 allows 60 s */

/* Where a fragment lies in its packet. */
struct place {
	uint32_t start, end;	/* payload bytes */
	bool last;
};

static void
drop(struct net *n, struct pkt *p, enum counter why)
{
	net_count(n, why, 1);
	frame_put(n, p);
}

/* Free a packet's frames and its place. */
static void
forget(struct net *n, struct frag *f)
{
	uint32_t i;

	for (i = 0; i < f->nparts; i++)
		frame_put(n, f->part[i].p);
	n->frag_frames -= f->nparts;
	f->nparts = 0;
	f->family = 0;
}

static void
give_up(struct net *n, struct frag *f, enum counter why)
{
	net_count(n, why, f->nparts);
	forget(n, f);
}

static struct frag *
oldest(struct net *n)
{
	struct frag *best = NULL, *f;

	for (f = n->frag; f < n->frag + FRAG_PACKETS; f++)
		if (f->family != 0 && (best == NULL ||
		    f->until < best->until))
			best = f;
	return best;
}

/* The packet that a fragment belongs to; a new one if there is none. */
static struct frag *
packet_of(struct net *n, const struct frag *key)
{
	struct frag *f, *unused = NULL;

	for (f = n->frag; f < n->frag + FRAG_PACKETS; f++) {
		if (f->family == 0)
			unused = f;
		else if (f->id == key->id && f->proto == key->proto &&
		    f->family == key->family && f->port == key->port &&
		    memcmp(f->src, key->src, 16) == 0 &&
		    memcmp(f->dst, key->dst, 16) == 0)
			return f;
	}
	if (unused == NULL) {
		unused = oldest(n);
		give_up(n, unused, CNT_drop_frag_full);
	}
	memcpy(unused, key, offsetof(struct frag, part));
	unused->until = n->now + LIFE_US;
	chore_at(n, unused->until);
	return unused;
}

static uint32_t
frames_max(const struct net *n)
{
	uint32_t share = n->conf.rx_hold_max / 4;

	return share != 0 && share < FRAG_FRAMES ? share : FRAG_FRAMES;
}

/* Put a fragment in its place. False: the packet is over, p was freed. */
static bool
insert(struct net *n, struct frag *f, struct pkt *p, const struct place *at)
{
	uint32_t i;

	if (f->total != 0 && (at->end > f->total ||
	    (at->last && at->end != f->total)))
		goto bad;
	for (i = f->nparts; i > 0 && f->part[i - 1].start >= at->start; i--)
		continue;
	if (i < f->nparts && f->part[i].start == at->start &&
	    f->part[i].end == at->end && (!at->last || f->total != 0)) {
		drop(n, p, CNT_drop_frag_bad);	/* the same once more */
		return true;
	}
	if ((i > 0 && f->part[i - 1].end > at->start) ||
	    (i < f->nparts && (at->end > f->part[i].start || at->last)))
		goto bad;
	if (f->nparts == FRAG_PARTS) {
		drop(n, p, CNT_drop_frag_full);
		give_up(n, f, CNT_drop_frag_full);
		return false;
	}
	memmove(&f->part[i + 1], &f->part[i],
	    (f->nparts - i) * sizeof(f->part[0]));
	f->part[i] = (struct frag_part){ p, at->start, at->end };
	f->nparts++;
	n->frag_frames++;
	f->have += at->end - at->start;
	if (at->last)
		f->total = at->end;
	return true;
bad:
	drop(n, p, CNT_drop_frag_bad);
	give_up(n, f, CNT_drop_frag_bad);
	return false;
}

/* The headers of the packet, from its first fragment, to n->whole; returns
 * their length. */
static uint32_t
headers(struct net *n, const struct frag *f)
{
	const uint8_t *ip = pkt_data(f->part[0].p);
	uint32_t hlen = f->part[0].p->len - f->part[0].end;
	uint8_t *w = n->whole;
	uint32_t at = IP6_NEXT, frag;
	struct ip6_walk walk;

	memcpy(w, ip, hlen);
	if (f->family == 4) {
		wr16(w + IP4_TOTAL, (uint16_t)(hlen + f->total));
		wr16(w + IP4_FRAG, 0);
		wr16(w + IP4_CSUM, 0);
		wr16_raw(w + IP4_CSUM,
		    (uint16_t)~csum_fold(csum_add(0, w, hlen)));
		return hlen;
	}
	frag = hlen - IP6_FRAG_LEN;
	if (ip6_walk(&walk, ip, f->part[0].p->len) && walk.frag == frag)
		at = walk.at;
	w[at] = ip[frag];
	wr16(w + IP6_PAYLOAD, (uint16_t)(frag - IP6_HLEN + f->total));
	return frag;
}

/* All of it is there. */
static void
complete(struct net *n, struct frag *f)
{
	uint32_t hlen = headers(n, f), at = hlen, i, len;
	uint8_t ether[ETH_HLEN], port = f->port;

	memcpy(ether, pkt_data(f->part[0].p) - ETH_HLEN, ETH_HLEN);
	if (hlen + f->total > UINT16_MAX) {
		give_up(n, f, CNT_drop_frag_bad);
		return;
	}
	for (i = 0; i < f->nparts; i++) {
		const struct frag_part *r = &f->part[i];

		len = r->end - r->start;
		memcpy(n->whole + at, pkt_data(r->p) + r->p->len - len, len);
		at += len;
	}
	forget(n, f);
	net_count(n, CNT_ip_reassembled, 1);
	whole_input(n, port, ether, hlen, at);
}

/* One fragment; key: its packet. Takes p. */
static void
fragment(struct net *n, struct pkt *p, const struct frag *key,
    const struct place *at)
{
	struct frag *f, *old;

	if (!n->conf.reassembly) {
		drop(n, p, CNT_drop_ip_fragment);
		return;
	}
	/* all but the last are multiples of 8; none is empty or too far out */
	if (at->end == at->start || at->end > UINT16_MAX ||
	    (!at->last && at->end % 8 != 0)) {
		drop(n, p, CNT_drop_frag_bad);
		return;
	}
	f = packet_of(n, key);
	while (n->frag_frames >= frames_max(n)) {
		old = oldest(n);
		give_up(n, old, CNT_drop_frag_full);
		if (old == f) {
			drop(n, p, CNT_drop_frag_full);
			return;
		}
	}
	if (!insert(n, f, p, at))
		return;
	if (f->total != 0 && f->have == f->total)
		complete(n, f);
}

void
frag4_input(struct net *n, struct pkt *p, uint32_t hlen)
{
	const uint8_t *ip = pkt_data(p);
	uint16_t field = rd16(ip + IP4_FRAG);
	struct frag key = { .id = rd16(ip + IP4_ID), .family = 4,
	    .proto = ip[IP4_PROTO], .port = p->port };
	struct place at = { .start = (field & IP4_OFFSET) * 8u };

	map4(key.src, ip + IP4_SRC);
	map4(key.dst, ip + IP4_DST);
	at.end = at.start + p->len - hlen;
	at.last = (field & IP4_MF) == 0;
	fragment(n, p, &key, &at);
}

/* RFC 6946: a fragment that is a whole packet by itself. */
static void
atomic_packet(struct net *n, struct pkt *p, uint32_t frag, uint32_t at)
{
	uint8_t *ip = pkt_data(p), ether[ETH_HLEN];

	memcpy(ether, ip - ETH_HLEN, ETH_HLEN);
	ip[at] = ip[frag];
	wr16(ip + IP6_PAYLOAD, (uint16_t)(p->len - IP6_HLEN - IP6_FRAG_LEN));
	memcpy(n->whole, ip, frag);
	memcpy(n->whole + frag, ip + frag + IP6_FRAG_LEN,
	    p->len - frag - IP6_FRAG_LEN);
	whole_input(n, p->port, ether, frag, p->len - IP6_FRAG_LEN);
	frame_put(n, p);
}

void
frag6_input(struct net *n, struct pkt *p, uint32_t frag, uint32_t at)
{
	const uint8_t *ip = pkt_data(p), *h = ip + frag;
	uint16_t field = rd16(h + IP6_FRAG_OFF);
	struct frag key = { .id = rd32(h + IP6_FRAG_ID), .family = 6,
	    .port = p->port };
	struct place where = { .start = field & 0xfff8u };

	if ((field & 0xfff9) == 0 && n->conf.reassembly) {
		atomic_packet(n, p, frag, at);
		return;
	}
	memcpy(key.src, ip + IP6_SRC, 16);
	memcpy(key.dst, ip + IP6_DST, 16);
	where.end = where.start + p->len - frag - IP6_FRAG_LEN;
	where.last = (field & 1) == 0;
	/* RFC 8200 (4.5) */
	if (!where.last && where.end % 8 != 0)
		icmp6_error(n, p->port, ip, p->len, ICMP6_PARAM << 8,
		    IP6_PAYLOAD);
	fragment(n, p, &key, &where);
}

/* Its time is over. The sender hears of it if the first fragment came: RFC
 * 792, RFC 4443 (3.3). */
static void
expire(struct net *n, struct frag *f)
{
	struct pkt *p = f->part[0].p;

	if (f->nparts > 0 && f->part[0].start == 0) {
		if (f->family == 4)
			icmp_report(n, p, ICMP_TIME, 1);
		else
			icmp6_error(n, f->port, pkt_data(p), p->len,
			    ICMP6_TIME << 8 | 1, 0);
	}
	give_up(n, f, CNT_drop_frag_time);
}

void
frag_chore(struct net *n)
{
	struct frag *f;

	for (f = n->frag; f < n->frag + FRAG_PACKETS; f++) {
		if (f->family == 0)
			continue;
		if (f->until <= n->now)
			expire(n, f);
		else
			chore_at(n, f->until);
	}
}

void
frag_held(const struct net *n, void (*fn)(void *arg, uint32_t ref), void *arg)
{
	const struct frag *f;
	uint32_t i;

	for (f = n->frag; f < n->frag + FRAG_PACKETS; f++)
		for (i = 0; f->family != 0 && i < f->nparts; i++)
			fn(arg, pkt_ref(n->env.base, f->part[i].p));
}
