/*
 * outside: the node without a stack. It is the router between the hosts'
 * networks where the world has one, and the attacker: someone on the wire who
 * can send anything, knows who talks to whom, but sees no sequence numbers.
 */
#include <string.h>

#include "sim.h"

#define ETH_LEN		14u
#define IP_LEN		20u
#define TCP_LEN		20u

static const uint8_t outside_mac[6] = { 2, 0, 0, 0, 0, 0xfe };

static void
put_eth(uint8_t *b, const uint8_t *dst, uint16_t type)
{
	memcpy(b, dst, 6);
	memcpy(b + 6, outside_mac, 6);
	put16(b + 12, type);
}

static void
put_ip(uint8_t *ip, uint32_t total, uint8_t proto, uint32_t src_be,
    uint32_t dst_be)
{
	uint16_t sum;

	memset(ip, 0, IP_LEN);
	ip[0] = 0x45;
	put16(ip + 2, total);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, &src_be, 4);
	memcpy(ip + 16, &dst_be, 4);
	sum = nic_csum(ip, IP_LEN, 0);
	memcpy(ip + 10, &sum, 2);
}

/* Answer who-has for the gateway's address in each network: x.x.x.254. */
static void
router_arp(struct world *w, const struct wire *f)
{
	const uint8_t *q = f->data + ETH_LEN;
	uint8_t b[60] = { 0 };

	if (f->len < 42 || get16(q + 6) != 1 || q[27] != 254)
		return;
	put_eth(b, f->data + 6, 0x0806);
	memcpy(b + ETH_LEN, q, 6);
	put16(b + ETH_LEN + 6, 2);
	memcpy(b + ETH_LEN + 8, outside_mac, 6);
	memcpy(b + ETH_LEN + 14, q + 24, 4);
	memcpy(b + ETH_LEN + 18, q + 8, 10);
	link_send(w, NULL, SIM_OUTSIDE, f->from, b, sizeof(b));
}

/* RFC 1191: too big for the next link, with its MTU. */
static void
router_toobig(struct world *w, const struct wire *f)
{
	const uint8_t *ip = f->data + ETH_LEN;
	uint8_t b[ETH_LEN + IP_LEN + 8 + 28] = { 0 };
	uint8_t *icmp = b + ETH_LEN + IP_LEN;
	uint32_t src, dst;
	uint16_t sum;

	memcpy(&dst, ip + 12, 4);
	memcpy(&src, ip + 12, 4);
	((uint8_t *)&src)[3] = 254;
	put_eth(b, f->data + 6, 0x0800);
	put_ip(b + ETH_LEN, sizeof(b) - ETH_LEN, 1, src, dst);
	icmp[0] = 3;
	icmp[1] = 4;
	put16(icmp + 6, w->router_mtu);
	memcpy(icmp + 8, ip, 28);
	sum = nic_csum(icmp, 36, 0);
	memcpy(icmp + 2, &sum, 2);
	link_send(w, NULL, SIM_OUTSIDE, f->from, b, sizeof(b));
}

static void
router_forward(struct world *w, const struct wire *f)
{
	const struct host *to;
	uint8_t b[16384];
	uint8_t *ip = b + ETH_LEN;
	uint32_t dst, total;
	uint16_t sum;

	if (f->len < ETH_LEN + IP_LEN || f->len > sizeof(b) ||
	    memcmp(f->data, outside_mac, 6) != 0 ||
	    nic_csum(f->data + ETH_LEN, IP_LEN, 0) != 0)
		return;
	memcpy(b, f->data, f->len);
	memcpy(&dst, ip + 16, 4);
	total = get16(ip + 2);
	to = host_by_addr(w, dst);
	if (to == NULL || ip[8] <= 1 || ETH_LEN + total > f->len)
		return;
	if (total > w->router_mtu) {
		router_toobig(w, f);
		return;
	}
	ip[8]--;
	memset(ip + 10, 0, 2);
	sum = nic_csum(ip, IP_LEN, 0);
	memcpy(ip + 10, &sum, 2);
	memcpy(b, to->mac, 6);
	memcpy(b + 6, outside_mac, 6);
	link_send(w, f, SIM_OUTSIDE, to->id, b, f->len);
}

void
outside_arrive(struct world *w, const struct wire *f)
{
	if (!w->routed)
		return;
	if (get16(f->data + 12) == 0x0806)
		router_arp(w, f);
	else if (get16(f->data + 12) == 0x0800)
		router_forward(w, f);
}

/* ---- the attacker ---- */

static uint32_t
spoofed(struct world *w, const struct host *h)
{
	uint32_t a;

	memcpy(&a, &h->addr_be, 4);
	((uint8_t *)&a)[3] = (uint8_t)rng_range(&w->net_rng, 100, 250);
	if (w->routed)
		((uint8_t *)&a)[2] = (uint8_t)rng_range(&w->net_rng, 100, 250);
	return a;
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

/* Finish a TCP segment with tlen bytes behind the IP header and send it. */
static void
send_segment(struct world *w, const struct host *h, uint8_t *b, uint32_t tlen,
    const uint32_t *ends)
{
	uint8_t *ip = b + ETH_LEN, *t = ip + IP_LEN;
	uint32_t len = ETH_LEN + IP_LEN + tlen;
	uint16_t sum;

	put_eth(b, h->mac, 0x0800);
	put_ip(ip, IP_LEN + tlen, 6, ends[0], ends[1]);
	memset(t + 16, 0, 2);
	sum = nic_csum(t, tlen, nic_pseudo(ip, tlen));
	memcpy(t + 16, &sum, 2);
	if (len < 60) {
		memset(b + len, 0, 60 - len);
		len = 60;
	}
	link_send(w, NULL, SIM_OUTSIDE, h->id, b, len);
}

static void
attack_syn(struct world *w, struct host *h)
{
	uint8_t b[ETH_LEN + IP_LEN + TCP_LEN + 64], *t = b + ETH_LEN + IP_LEN;
	uint32_t ends[2] = { spoofed(w, h), h->addr_be }, n;

	memset(t, 0, TCP_LEN);
	put16(t, rng_range(&w->net_rng, 1024, 65535));
	put16(t + 2, SIM_LISTEN);
	put32(t + 4, (uint32_t)rng_u64(&w->net_rng));
	n = random_options(w, t + TCP_LEN);
	t[12] = (uint8_t)((TCP_LEN + n) / 4 << 4);
	t[13] = 0x02;
	put16(t + 14, (uint32_t)rng_u64(&w->net_rng));
	send_segment(w, h, b, TCP_LEN + n, ends);
}

/* RFC 5961: a segment of a live connection, its numbers guessed. */
static void
attack_blind(struct world *w)
{
	static const uint8_t flags[] = { 0x04, 0x14, 0x02, 0x12, 0x10, 0x18,
	    0x11, 0x30 };
	uint8_t b[ETH_LEN + IP_LEN + TCP_LEN + 128];
	uint8_t *t = b + ETH_LEN + IP_LEN;
	struct plan *p = &w->plan[rng_below(&w->net_rng, w->nplans)];
	uint32_t to = rng_below(&w->net_rng, 2), n, ends[2];

	if (p->side[0].phase != SIDE_OPEN || p->side[1].phase != SIDE_OPEN)
		return;
	ends[0] = w->host[p->host[!to]].addr_be;
	ends[1] = w->host[p->host[to]].addr_be;
	put16(t, to ? p->cport : SIM_LISTEN);
	put16(t + 2, to ? SIM_LISTEN : p->cport);
	put32(t + 4, (uint32_t)rng_u64(&w->net_rng));
	put32(t + 8, (uint32_t)rng_u64(&w->net_rng));
	t[12] = 0x50;
	t[13] = flags[rng_below(&w->net_rng, sizeof(flags))];
	put16(t + 14, (uint32_t)rng_u64(&w->net_rng));
	put16(t + 18, 0);
	n = t[13] & 0x06 ? 0 : rng_below(&w->net_rng, 100);
	memset(t + TCP_LEN, 0x41, n);
	send_segment(w, &w->host[p->host[to]], b, TCP_LEN + n, ends);
}

/* RFC 5927: an ICMP error that quotes a live connection, number guessed. */
static void
attack_icmp(struct world *w)
{
	uint8_t b[ETH_LEN + IP_LEN + 8 + 28] = { 0 };
	uint8_t *icmp = b + ETH_LEN + IP_LEN, *in = icmp + 8;
	struct plan *p = &w->plan[rng_below(&w->net_rng, w->nplans)];
	struct host *h = &w->host[p->host[0]];
	uint32_t dst = w->host[p->host[1]].addr_be;
	uint16_t sum;

	put_eth(b, h->mac, 0x0800);
	put_ip(b + ETH_LEN, sizeof(b) - ETH_LEN, 1, spoofed(w, h),
	    h->addr_be);
	icmp[0] = rng_chance(&w->net_rng, 700000) ? 3 :
	    (uint8_t)rng_below(&w->net_rng, 20);
	icmp[1] = (uint8_t)rng_below(&w->net_rng, 6);
	put16(icmp + 6, rng_below(&w->net_rng, 1600));
	put_ip(in, 1000, 6, h->addr_be, dst);
	put16(in + IP_LEN, p->cport);
	put16(in + IP_LEN + 2, SIM_LISTEN);
	put32(in + IP_LEN + 4, (uint32_t)rng_u64(&w->net_rng));
	sum = nic_csum(icmp, 36, 0);
	memcpy(icmp + 2, &sum, 2);
	link_send(w, NULL, SIM_OUTSIDE, h->id, b, sizeof(b));
}

/* ARP of all kinds, but never as one of the hosts or the router. */
static void
attack_arp(struct world *w, struct host *h)
{
	uint8_t b[60] = { 0 }, *q = b + ETH_LEN;
	uint32_t src = spoofed(w, h);

	put_eth(b, h->mac, 0x0806);
	put32(q, 0x00010800);
	put16(q + 4, 0x0604);
	put16(q + 6, rng_range(&w->net_rng, 0, 3));
	memcpy(q + 8, outside_mac, 6);
	memcpy(q + 14, &src, 4);
	memcpy(q + 24, &h->addr_be, 4);
	if (rng_chance(&w->net_rng, 300000))
		q[rng_below(&w->net_rng, 8)] ^=
		    (uint8_t)(1u << rng_below(&w->net_rng, 8));
	link_send(w, NULL, SIM_OUTSIDE, h->id, b,
	    rng_chance(&w->net_rng, 900000) ? sizeof(b) :
	    rng_range(&w->net_rng, 14, 41));
}

/* A packet whose headers are damaged after its checksums were right. */
static void
attack_damaged(struct world *w, struct host *h)
{
	uint8_t b[ETH_LEN + 400], *ip = b + ETH_LEN;
	uint32_t i, len = rng_range(&w->net_rng, 14, sizeof(b));
	uint16_t sum;

	for (i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)rng_u64(&w->net_rng);
	put_eth(b, h->mac, 0x0800);
	put_ip(ip, len > ETH_LEN ? len - ETH_LEN : 0,
	    rng_chance(&w->net_rng, 700000) ? 6 :
	    (uint8_t)rng_below(&w->net_rng, 256),
	    rng_chance(&w->net_rng, 800000) ? spoofed(w, h) : h->addr_be,
	    rng_chance(&w->net_rng, 900000) ? h->addr_be : 0xffffffffu);
	put16(ip + IP_LEN + 2, SIM_LISTEN);
	if (rng_chance(&w->net_rng, 600000)) {
		ip[rng_below(&w->net_rng, IP_LEN - 8)] =
		    (uint8_t)rng_u64(&w->net_rng);
		/* Hide it from the checksum: then other checks must see it. */
		memset(ip + 10, 0, 2);
		sum = nic_csum(ip, IP_LEN, 0);
		memcpy(ip + 10, &sum, 2);
	}
	if (ip[9] == 6 && len > ETH_LEN + IP_LEN + TCP_LEN) {
		memset(ip + 36, 0, 2);
		sum = nic_csum(ip + IP_LEN, len - ETH_LEN - IP_LEN,
		    nic_pseudo(ip, len - ETH_LEN - IP_LEN));
		memcpy(ip + 36, &sum, 2);
	}
	link_send(w, NULL, SIM_OUTSIDE, h->id, b, len);
}

void
outside_attack(struct world *w)
{
	struct host *h = &w->host[rng_below(&w->net_rng, w->nhosts)];
	uint32_t i, n = rng_range(&w->net_rng, 1, w->attack_burst);

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
