/*
 * router: the node between the hosts' networks, where the world has one. It
 * answers for x.x.x.254 and fd09::n:..fe in each network, lowers the hop
 * count, and says "too big" for what its links cannot carry.
 */
#include <string.h>

#include "sim.h"

#define ETH_LEN		14u

const uint8_t outside_mac[6] = { 2, 0, 0, 0, 0, 0xfe };

void
outside_eth(uint8_t *b, const uint8_t *dst, uint16_t type)
{
	memcpy(b, dst, 6);
	memcpy(b + 6, outside_mac, 6);
	put16(b + 12, type);
}

/* Answer who-has for the gateway's address in each network. */
static void
answer_arp(struct world *w, const struct wire *f)
{
	const uint8_t *q = f->data + ETH_LEN;
	uint8_t b[60] = { 0 };

	if (f->len < 42 || get16(q + 6) != 1 || q[27] != 254)
		return;
	outside_eth(b, f->data + 6, 0x0806);
	memcpy(b + ETH_LEN, q, 6);
	put16(b + ETH_LEN + 6, 2);
	memcpy(b + ETH_LEN + 8, outside_mac, 6);
	memcpy(b + ETH_LEN + 14, q + 24, 4);
	memcpy(b + ETH_LEN + 18, q + 8, 10);
	link_send(w, NULL, SIM_OUTSIDE, f->from, b, sizeof(b));
}

/* RFC 4861 (7.2.4): a solicited advertisement with our link address. */
static void
answer_nd(struct world *w, const struct wire *f, const struct packet *v)
{
	uint8_t b[ETH_LEN + 40 + 32] = { 0 }, *m = b + ETH_LEN + 40;
	const uint8_t *q = v->ip + v->head;

	if (v->total < 64 || q[0] != 135 || q[23] != 0xfe ||
	    v->src[0] == 0)
		return;
	outside_eth(b, f->data + 6, 0x86dd);
	ip_put(b + ETH_LEN, 58, 32, q + 8, v->src);
	b[ETH_LEN + 7] = 255;
	m[0] = 136;
	m[4] = 0xe0;
	memcpy(m + 8, q + 8, 16);
	m[24] = 2;
	m[25] = 1;
	memcpy(m + 26, outside_mac, 6);
	ip_sign(b + ETH_LEN, 32, 2);
	link_send(w, NULL, SIM_OUTSIDE, f->from, b, sizeof(b));
}

/* RFC 1191, RFC 4443 (3.2): too big for the next link, with its MTU. */
static void
too_big(struct world *w, const struct wire *f, const struct packet *v,
    uint32_t mtu)
{
	uint8_t b[ETH_LEN + 40 + 8 + 68] = { 0 }, from[16];
	uint32_t quote = v->family == 4 ? 28 : 68;
	uint8_t *m = b + ETH_LEN + v->head;

	memcpy(from, v->src, 16);
	from[15] = 0xfe;
	outside_eth(b, f->data + 6, v->family == 4 ? 0x0800 : 0x86dd);
	ip_put(b + ETH_LEN, v->family == 4 ? 1 : 58, 8 + quote, from, v->src);
	m[0] = v->family == 4 ? 3 : 2;
	m[1] = v->family == 4 ? 4 : 0;
	put16(m + 6, mtu);
	memcpy(m + 8, v->ip, quote);
	ip_sign(b + ETH_LEN, 8 + quote, 2);
	link_send(w, NULL, SIM_OUTSIDE, f->from, b, ETH_LEN + v->head + 8 +
	    quote);
}

static void
forward(struct world *w, const struct wire *f, const struct packet *v)
{
	uint32_t hops = v->family == 4 ? 8 : 7, mtu = w->router_mtu;
	struct host *to = host_by_addr(w, v->dst);
	uint8_t b[16384], *ip = b + ETH_LEN;
	uint16_t sum;

	if (f->len > sizeof(b) || memcmp(f->data, outside_mac, 6) != 0 ||
	    (v->family == 4 && ip_csum(v->ip, 20, 0) != 0))
		return;
	if (to == NULL || v->ip[hops] <= 1)
		return;
	/* RFC 8200 (5): no link that carries IPv6 has less. */
	if (v->family == 6 && mtu < 1280)
		mtu = 1280;
	if (v->total > mtu) {
		too_big(w, f, v, mtu);
		return;
	}
	memcpy(b, f->data, f->len);
	ip[hops]--;
	if (v->family == 4) {
		memset(ip + 10, 0, 2);
		sum = ip_csum(ip, 20, 0);
		memcpy(ip + 10, &sum, 2);
	}
	memcpy(b, to->mac, 6);
	memcpy(b + 6, outside_mac, 6);
	link_send(w, f, SIM_OUTSIDE, to->id, b, f->len);
}

void
outside_arrive(struct world *w, const struct wire *f)
{
	struct packet v;

	if (!w->routed)
		return;
	if (get16(f->data + 12) == 0x0806)
		answer_arp(w, f);
	else if (!ip_parse(&v, f->data, f->len))
		return;
	else if (v.family == 6 && v.proto == 58 && v.ip[7] == 255)
		answer_nd(w, f, &v);
	else
		forward(w, f, &v);
}
