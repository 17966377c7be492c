/*
 * attack: someone on the wire who can send anything, knows who talks to whom,
 * but sees no sequence numbers.
 */
#include <string.h>

#include "sim.h"

#define ETH_LEN		14u
#define TCP_LEN		20u

/* Somebody in the host's network, or anywhere. */
static void
spoofed(struct world *w, const struct host *h, bool six, uint8_t a[16])
{
	memcpy(a, h->addr[six], 16);
	a[15] = (uint8_t)rng_range(&w->net_rng, 100, 250);
	if (w->routed)
		a[six ? 7 : 14] = (uint8_t)rng_range(&w->net_rng, 100, 250);
}

/* Over which family a host is attacked. */
static bool
six(struct world *w, const struct host *h)
{
	return h->has6 && rng_chance(&w->net_rng, 400000);
}

/* Link and IP headers of a packet of len bytes to host h; what follows. */
static uint8_t *
begin(const struct host *h, uint8_t *b, uint8_t proto, uint32_t len,
    const uint8_t src[16])
{
	bool six = src[0] != 0;

	outside_eth(b, h->mac, six ? 0x86dd : 0x0800);
	ip_put(b + ETH_LEN, proto, len, src, h->addr[six]);
	return b + ETH_LEN + (six ? 40 : 20);
}

/* Options of random kinds, some with impossible lengths; a multiple of 4. */
static uint32_t
random_options(struct world *w, uint8_t *o)
{
	uint32_t i, n = 4 * rng_below(&w->net_rng, 11);

	for (i = 0; i < n; i++)
		o[i] = (uint8_t)rng_below(&w->net_rng,
		    rng_chance(&w->net_rng, 500000) ? 12 : 256);
	return n;
}

/* Sign a message of len bytes that begins at t, and send it. */
static void
finish(struct world *w, const struct host *h, uint8_t *b, const uint8_t *t,
    uint32_t len, uint32_t field)
{
	uint32_t all = (uint32_t)(t - b) + len;

	ip_sign(b + ETH_LEN, len, field);
	if (all < 60) {
		memset(b + all, 0, 60 - all);
		all = 60;
	}
	link_send(w, NULL, SIM_OUTSIDE, h->id, b, all);
}

static void
attack_syn(struct world *w, struct host *h)
{
	uint8_t b[ETH_LEN + 40 + TCP_LEN + 64], o[40], src[16], *t;
	uint32_t n = random_options(w, o);

	spoofed(w, h, six(w, h), src);
	t = begin(h, b, 6, TCP_LEN + n, src);
	memset(t, 0, TCP_LEN);
	memcpy(t + TCP_LEN, o, n);
	put16(t, rng_range(&w->net_rng, 1024, 65535));
	put16(t + 2, SIM_LISTEN);
	put32(t + 4, (uint32_t)rng_u64(&w->net_rng));
	t[12] = (uint8_t)((TCP_LEN + n) / 4 << 4);
	t[13] = 0x02;
	put16(t + 14, (uint32_t)rng_u64(&w->net_rng));
	finish(w, h, b, t, TCP_LEN + n, 16);
}

/* RFC 5961: a segment of a live connection, its numbers guessed. */
static void
attack_blind(struct world *w)
{
	static const uint8_t flags[] = { 0x04, 0x14, 0x02, 0x12, 0x10, 0x18,
	    0x11, 0x30 };
	uint8_t b[ETH_LEN + 40 + TCP_LEN + 128], *t, flag;
	struct plan *p = &w->plan[rng_below(&w->net_rng, w->nplans)];
	uint32_t to = rng_below(&w->net_rng, 2), n;
	struct host *h = &w->host[p->host[to]];

	if (p->side[0].phase != SIDE_OPEN || p->side[1].phase != SIDE_OPEN)
		return;
	flag = flags[rng_below(&w->net_rng, sizeof(flags))];
	n = flag & 0x06 ? 0 : rng_below(&w->net_rng, 100);
	t = begin(h, b, 6, TCP_LEN + n,
	    w->host[p->host[!to]].addr[p->family == 6]);
	put16(t, to ? p->cport : SIM_LISTEN);
	put16(t + 2, to ? SIM_LISTEN : p->cport);
	put32(t + 4, (uint32_t)rng_u64(&w->net_rng));
	put32(t + 8, (uint32_t)rng_u64(&w->net_rng));
	t[12] = 0x50;
	t[13] = flag;
	put16(t + 14, (uint32_t)rng_u64(&w->net_rng));
	put16(t + 18, 0);
	memset(t + TCP_LEN, 0x41, n);
	finish(w, h, b, t, TCP_LEN + n, 16);
}

/*
 * RFC 9293 (3.10.7.4): data behind the window, from someone in the path who
 * knows all numbers. It comes at a moment when nothing else is on its way
 * within the host and nothing was lost there, so its window is known exactly.
 */
static void
attack_beyond(struct world *w)
{
	struct plan *p = &w->plan[rng_below(&w->net_rng, w->nplans)];
	uint32_t to = rng_below(&w->net_rng, 2), n, head;
	struct host *h = &w->host[p->host[to]];
	const uint8_t *src = w->host[p->host[!to]].addr[p->family == 6];
	uint16_t ports[2] = { to ? p->cport : SIM_LISTEN,
	    to ? SIM_LISTEN : p->cport };
	uint8_t b[ETH_LEN + 40 + 32 + 1024], *t;
	struct mon_view v;
	struct wire *f;

	if (p->side[0].phase != SIDE_OPEN || p->side[1].phase != SIDE_OPEN ||
	    p->old || mon_lost_inside(h) || h->ring_n > 0 || h->nrxq > 0 ||
	    !mon_view(w, src, ports, h->addr[p->family == 6], &v))
		return;
	n = rng_range(&w->net_rng, 1, 500);
	head = v.stamped ? 32 : 20;
	t = begin(h, b, 6, head + n, src);
	memset(t, 0, head);
	put16(t, ports[0]);
	put16(t + 2, ports[1]);
	/* Below the unit of the scale an edge cannot be told. */
	put32(t + 4, v.edge + (1u << v.scale) +
	    rng_log(&w->net_rng, 1, 1u << 18));
	put32(t + 8, v.ack);
	t[12] = (uint8_t)(head / 4 << 4);
	t[13] = 0x10;
	put16(t + 14, 0xffff);
	if (v.stamped) {
		put32(t + 20, 0x0101080a);
		put32(t + 24, v.stamp);
		put32(t + 28, v.echo);
	}
	memset(t + head, 0x41, n);
	ip_sign(b + ETH_LEN, head + n, 16);
	f = link_frame(w, SIM_OUTSIDE, h->id, b, (uint32_t)(t - b) + head + n);
	trace_frame(w, '>', f);
	host_arrive(h, f);
}

/* RFC 5927: an ICMP error that quotes a live connection, number guessed. */
static void
attack_icmp(struct world *w)
{
	uint8_t b[ETH_LEN + 40 + 8 + 40 + 8] = { 0 }, src[16], *m, *in;
	struct plan *p = &w->plan[rng_below(&w->net_rng, w->nplans)];
	struct host *h = &w->host[p->host[0]];
	bool six = p->family == 6;
	uint32_t head = six ? 40 : 20;

	spoofed(w, h, six, src);
	m = begin(h, b, six ? 58 : 1, 8 + head + 8, src);
	m[0] = rng_chance(&w->net_rng, 700000) ? 3 - six :
	    (uint8_t)rng_below(&w->net_rng, 20);
	m[1] = (uint8_t)rng_below(&w->net_rng, 6);
	put16(m + 6, rng_below(&w->net_rng, 1600));
	in = m + 8;
	ip_put(in, 6, 980, h->addr[six], w->host[p->host[1]].addr[six]);
	put16(in + head, p->cport);
	put16(in + head + 2, SIM_LISTEN);
	put32(in + head + 4, (uint32_t)rng_u64(&w->net_rng));
	finish(w, h, b, m, 8 + head + 8, 2);
}

/* Neighbour discovery of all kinds, but never about a host or the router. */
static void
attack_nd(struct world *w, struct host *h)
{
	uint8_t b[ETH_LEN + 40 + 32] = { 0 }, src[16], *m;
	uint32_t n = rng_chance(&w->net_rng, 800000) ? 32 : 24;

	spoofed(w, h, true, src);
	m = begin(h, b, 58, n, src);
	b[ETH_LEN + 7] = rng_chance(&w->net_rng, 900000) ? 255 : 64;
	m[0] = (uint8_t)rng_range(&w->net_rng, 133, 137);
	m[4] = (uint8_t)rng_u64(&w->net_rng);
	/* A solicitation asks for the host, the rest speaks of the sender. */
	memcpy(m + 8, m[0] == 135 ? h->addr[1] : src, 16);
	m[24] = (uint8_t)rng_range(&w->net_rng, 0, 5);
	m[25] = rng_chance(&w->net_rng, 800000) ? 1 :
	    (uint8_t)rng_u64(&w->net_rng);
	memcpy(m + 26, outside_mac, 6);
	finish(w, h, b, m, n, 2);
}

/* ARP of all kinds, but never as one of the hosts or the router. */
static void
attack_arp(struct world *w, struct host *h)
{
	uint8_t b[60] = { 0 }, *q = b + ETH_LEN;
	uint8_t src[16];

	spoofed(w, h, false, src);
	outside_eth(b, h->mac, 0x0806);
	put32(q, 0x00010800);
	put16(q + 4, 0x0604);
	put16(q + 6, rng_range(&w->net_rng, 0, 3));
	memcpy(q + 8, outside_mac, 6);
	memcpy(q + 14, src + 12, 4);
	memcpy(q + 24, &h->addr_be, 4);
	if (rng_chance(&w->net_rng, 300000))
		q[rng_below(&w->net_rng, 8)] ^=
		    (uint8_t)(1u << rng_below(&w->net_rng, 8));
	link_send(w, NULL, SIM_OUTSIDE, h->id, b,
	    rng_chance(&w->net_rng, 900000) ? sizeof(b) :
	    rng_range(&w->net_rng, 14, 41));
}

/* Damage the header of an IPv4 packet, and hide it from the checksum: then
 * other checks must see it. */
static void
damage4(struct world *w, uint8_t *ip)
{
	uint16_t sum;

	ip[rng_below(&w->net_rng, 12)] = (uint8_t)rng_u64(&w->net_rng);
	if (rng_chance(&w->net_rng, 100000))
		memset(ip + 16, 0xff, 4);
	memset(ip + 10, 0, 2);
	sum = ip_csum(ip, 20, 0);
	memcpy(ip + 10, &sum, 2);
}

/* A packet whose headers are damaged after its checksums were right; over
 * IPv6 often with extension headers, whatever they say. */
static void
attack_damaged(struct world *w, struct host *h)
{
	static const uint8_t next[] = { 6, 6, 0, 43, 44, 60, 51, 59, 17, 58 };
	uint8_t b[ETH_LEN + 400], src[16], proto, *t;
	bool v6 = six(w, h);
	uint32_t i, head = ETH_LEN + (v6 ? 40 : 20);
	uint32_t len = rng_range(&w->net_rng, 14, sizeof(b));
	uint32_t body = len > head ? len - head : 0;

	for (i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)rng_u64(&w->net_rng);
	proto = rng_chance(&w->net_rng, 700000) ?
	    next[rng_below(&w->net_rng, v6 ? sizeof(next) : 2)] :
	    (uint8_t)rng_below(&w->net_rng, 256);
	spoofed(w, h, v6, src);
	if (rng_chance(&w->net_rng, 200000))
		memcpy(src, h->addr[v6], 16);
	t = begin(h, b, proto, body, src);
	put16(t + 2, SIM_LISTEN);
	if (proto == 6 && body > TCP_LEN)
		ip_sign(b + ETH_LEN, body, 16);
	if (rng_chance(&w->net_rng, 600000)) {
		if (!v6)
			damage4(w, b + ETH_LEN);
		else
			b[ETH_LEN + rng_below(&w->net_rng, 8)] =
			    (uint8_t)rng_u64(&w->net_rng);
	}
	link_send(w, NULL, SIM_OUTSIDE, h->id, b, len);
}

void
outside_attack(struct world *w)
{
	struct host *h = &w->host[rng_below(&w->net_rng, w->nhosts)];
	uint32_t i, n = rng_range(&w->net_rng, 1, w->attack_burst);

	if (w->insider)
		attack_beyond(w);
	for (i = 0; i < n; i++) {
		if (rng_chance(&w->net_rng, w->syn_flood)) {
			attack_syn(w, h);
			continue;
		}
		switch (rng_below(&w->net_rng, 4)) {
		case 0:
			attack_blind(w);
			break;
		case 1:
			attack_icmp(w);
			break;
		case 2:
			if (six(w, h))
				attack_nd(w, h);
			else
				attack_arp(w, h);
			break;
		default:
			attack_damaged(w, h);
		}
	}
	w->attack_at = w->now + rng_range(&w->net_rng, 1, 20000);
	if (w->attack_at >= w->faults_end)
		w->attack_at = SIM_NEVER;
}
