/*
 * nic: the port of a host, as strict as hardware and as late.
 *
 * A frame waits in a ring until its turn to be sent, and its bytes (and what
 * it refers to) are read only then. So memory that the stack used again too
 * early shows as wrong bytes on the wire. Offloads are done here: checksums,
 * and segments of a TSO frame; a flag that the port did not offer is a
 * failure.
 */
#include <string.h>

#include "sim.h"

#define ETH_LEN		14u
#define ETH_MIN		60u
#define FLAT_MAX	(70u * 1024)

/* Whether memory that a frame refers to may be sent from. */
static bool
may_refer(const struct host *h, uint64_t off, uint32_t len)
{
	uintptr_t at = h->env.base + (uintptr_t)off;
	uintptr_t file = (uintptr_t)pattern(0, 0);

	if (at >= (uintptr_t)h->arena &&
	    at + len <= (uintptr_t)h->arena + h->arena_bytes)
		return true;
	return at >= file && at + len <= file + PATTERN_RUN + 65521;
}

/* One piece of memory from a frame and its ranges; its length. */
static uint32_t
flatten(struct world *w, struct host *h, const struct pkt *p, uint8_t *buf)
{
	uint32_t i, len = p->len;

	SIM_CHECK(w, p->off >= sizeof(*p) && p->len >= ETH_LEN &&
	    p->off - sizeof(*p) + p->len <= p->room,
	    "host %u sends bytes outside a frame: off %u len %u room %u",
	    h->id, p->off, p->len, p->room);
	SIM_CHECK(w, p->nfrag <= PKT_FRAGS && (p->nfrag == 0 ||
	    h->conf.port[0].caps & NET_CAP_FRAGS),
	    "host %u sends %u ranges, the port takes none", h->id, p->nfrag);
	memcpy(buf, pkt_data(p), p->len);
	for (i = 0; i < p->nfrag; i++) {
		SIM_CHECK(w, may_refer(h, p->frag[i].off, p->frag[i].len) &&
		    len + p->frag[i].len <= FLAT_MAX,
		    "host %u: range %u of %u bytes lies nowhere", h->id, i,
		    p->frag[i].len);
		memcpy(buf + len,
		    (const uint8_t *)(h->env.base + p->frag[i].off),
		    p->frag[i].len);
		len += p->frag[i].len;
	}
	return len;
}

/* Which node has this link address; SIM_NODES: all. */
static uint32_t
node_by_mac(const struct world *w, const uint8_t *mac)
{
	uint32_t i;

	if (mac[0] & 1)
		return SIM_NODES;
	for (i = 0; i < w->nhosts; i++)
		if (memcmp(mac, w->host[i].mac, 6) == 0)
			return i;
	return SIM_OUTSIDE;
}

/* Onto the wire: padded to the least size, to whom it concerns. */
static void
put(struct world *w, struct host *h, uint8_t *buf, uint32_t len)
{
	uint32_t i, to = node_by_mac(w, buf);

	while (len < ETH_MIN)
		buf[len++] = w->pad_random ?
		    (uint8_t)rng_u64(&w->net_rng) : 0;
	if (to != SIM_NODES) {
		link_send(w, NULL, h->id, to, buf, len);
		return;
	}
	for (i = 0; i < w->nhosts; i++)
		if (i != h->id && !w->routed)
			link_send(w, NULL, h->id, i, buf, len);
	link_send(w, NULL, h->id, SIM_OUTSIDE, buf, len);
}

/* The flags ask only for what the port offered, and the field is prepared. */
static void
check_offload(struct world *w, struct host *h, const struct pkt *p,
    const struct packet *v)
{
	uint32_t caps = h->conf.port[0].caps, l4 = v->total - v->head;
	const uint8_t *t = v->ip + v->head;
	uint16_t pseudo, field;

	SIM_CHECK(w, !(p->flags & PKT_TX_IPCSUM) ||
	    (caps & NET_CAP_TX_IPCSUM && v->family == 4),
	    "host %u asks for an IP checksum", h->id);
	SIM_CHECK(w, !(p->flags & PKT_TX_L4CSUM) || caps & NET_CAP_TX_L4CSUM,
	    "host %u asks for a TCP checksum", h->id);
	SIM_CHECK(w, !(p->flags & PKT_TX_TSO) || caps & NET_CAP_TSO,
	    "host %u asks for TSO", h->id);
	SIM_CHECK(w, p->l2_len == ETH_LEN && p->l3_len == v->head &&
	    !(p->flags & PKT_TX_IPV6) == (v->family == 4),
	    "host %u: header lengths %u, %u", h->id, p->l2_len, p->l3_len);
	if (!(p->flags & PKT_TX_L4CSUM))
		return;
	/* With TSO each packet has a length of its own. */
	pseudo = (uint16_t)ip_pseudo(v->ip, p->flags & PKT_TX_TSO ? 0 : l4);
	SIM_CHECK(w, v->proto == 6 && p->l4_len == (t[12] >> 4) * 4u,
	    "host %u: TCP header length %u", h->id, p->l4_len);
	memcpy(&field, t + 16, 2);
	SIM_CHECK(w, field == pseudo,
	    "host %u: checksum field %04x, pseudo-header %04x", h->id, field,
	    pseudo);
}

/* Fill in both checksums of one finished TCP packet. */
static void
fill_csums(uint8_t *ip, uint16_t flags)
{
	bool six = ip[0] >> 4 == 6;
	uint32_t l4 = six ? get16(ip + 4) : get16(ip + 2) - 20u;
	uint16_t sum;

	if (flags & PKT_TX_IPCSUM && !six) {
		memset(ip + 10, 0, 2);
		sum = ip_csum(ip, 20, 0);
		memcpy(ip + 10, &sum, 2);
	}
	if (flags & PKT_TX_L4CSUM)
		ip_sign(ip, l4, 16);
}

/* Lengths and number of the i-th packet of a TSO frame. */
static void
cut_ip(uint8_t *ip, const struct packet *v, uint32_t l4, uint32_t i)
{
	if (v->family == 6) {
		put16(ip + 4, l4);
		return;
	}
	put16(ip + 2, v->head + l4);
	put16(ip + 4, get16(v->ip + 4) + i);
}

/* Cut a TSO frame as a port does. */
static void
cut(struct world *w, struct host *h, const struct pkt *p, uint8_t *buf,
    const struct packet *v)
{
	uint8_t seg[16384];
	uint32_t off = ETH_LEN + v->head, head = off + p->l4_len, n, at, i = 0;
	uint32_t len = ETH_LEN + v->total, seq = get32(buf + off + 4);

	SIM_CHECK(w, p->l4_len == (buf[off + 12] >> 4) * 4u && head < len &&
	    p->flags & PKT_TX_L4CSUM &&
	    (v->family == 6 || p->flags & PKT_TX_IPCSUM),
	    "host %u: TSO frame of %u bytes, header %u, flags %04x", h->id,
	    len, head, p->flags);
	SIM_CHECK(w, p->tso_mss > 0 &&
	    head - ETH_LEN + p->tso_mss <= h->conf.port[0].mtu &&
	    len - head <= (h->conf.port[0].tso_max ?
	    h->conf.port[0].tso_max : 65000u),
	    "host %u: TSO of %u bytes at %u", h->id, len - head, p->tso_mss);
	SIM_CHECK(w, (buf[off + 13] & 0x06) == 0,
	    "host %u: TSO with flags %02x", h->id, buf[off + 13]);
	for (at = head; at < len; at += n, i++) {
		n = len - at < p->tso_mss ? len - at : p->tso_mss;
		memcpy(seg, buf, head);
		memcpy(seg + head, buf + at, n);
		cut_ip(seg + ETH_LEN, v, p->l4_len + n, i);
		put32(seg + off + 4, seq + (at - head));
		if (at + n < len)
			seg[off + 13] &= (uint8_t)~0x09;
		if (at > head)
			seg[off + 13] &= (uint8_t)~0x80;
		fill_csums(seg + ETH_LEN, PKT_TX_IPCSUM | PKT_TX_L4CSUM);
		put(w, h, seg, head + n);
	}
}

static void
emit(struct world *w, struct host *h, const struct pkt *p)
{
	static uint8_t buf[FLAT_MAX];
	uint32_t len = flatten(w, h, p, buf);
	struct packet v;

	SIM_CHECK(w, memcmp(buf + 6, h->mac, 6) == 0,
	    "host %u sends from another's link address", h->id);
	if (p->flags & (PKT_TX_IPCSUM | PKT_TX_L4CSUM | PKT_TX_TSO)) {
		SIM_CHECK(w, ip_parse(&v, buf, len) &&
		    v.total == len - ETH_LEN,
		    "host %u: offload for %u bytes of type %04x", h->id, len,
		    get16(buf + 12));
		check_offload(w, h, p, &v);
		if (p->flags & PKT_TX_TSO) {
			cut(w, h, p, buf, &v);
			return;
		}
		fill_csums(buf + ETH_LEN, p->flags);
	}
	SIM_CHECK(w, len <= ETH_LEN + h->conf.port[0].mtu,
	    "host %u sends %u bytes, MTU %u", h->id, len,
	    h->conf.port[0].mtu);
	put(w, h, buf, len);
}

void
nic_queue(struct world *w, struct host *h)
{
	struct pktq *q = net_out(h->net);
	uint64_t now = w->now * 1000;
	struct tx *t;
	uint32_t i;

	for (i = 0; i < q->n; i++) {
		SIM_CHECK(w, h->ring_n < NIC_RING, "ring overflow");
		t = &h->ring[(h->ring_head + h->ring_n++) % NIC_RING];
		t->p = q->p[i];
		t->mark = q->p[i]->mark;
		SIM_CHECK(w, t->mark == ++h->tx_mark,
		    "host %u: mark %u follows %u", h->id, t->mark,
		    h->tx_mark - 1);
		if (h->nic_busy < now)
			h->nic_busy = now;
		h->nic_busy += (uint64_t)pkt_total(t->p) * 8000 / h->nic_mbps;
		t->at = (h->nic_busy + 999) / 1000;
	}
	q->n = 0;
}

uint32_t
nic_complete(struct world *w, struct host *h)
{
	uint32_t n = 0, mark = 0;
	struct tx *t;

	while (h->ring_n > 0 && h->ring[h->ring_head].at <= w->now) {
		t = &h->ring[h->ring_head];
		SIM_CHECK(w, t->p->mark == t->mark,
		    "host %u used a frame that the port holds", h->id);
		emit(w, h, t->p);
		pktpool_put(&h->pool, t->p);
		mark = t->mark;
		h->ring_head = (h->ring_head + 1) % NIC_RING;
		h->ring_n--;
		n++;
	}
	if (n > 0)
		net_tx_done(h->net, mark);
	return n;
}

uint64_t
nic_next(const struct host *h)
{
	return h->ring_n > 0 ? h->ring[h->ring_head].at : SIM_NEVER;
}

void
nic_fence(struct world *w, struct host *h)
{
	bool send = rng_chance(&w->host_rng, 500000);

	while (h->ring_n > 0) {
		if (send)
			emit(w, h, h->ring[h->ring_head].p);
		h->ring_head = (h->ring_head + 1) % NIC_RING;
		h->ring_n--;
	}
}

/* What a port that verifies checksums says of a packet. */
static uint16_t
verify(const struct wire *f)
{
	uint16_t flags = 0;
	struct packet v;

	if (!ip_parse(&v, f->data, f->len) || v.total < v.head + 20)
		return 0;
	if (v.family == 4) {
		if (ip_csum(v.ip, v.head, 0) != 0)
			return 0;
		flags = PKT_RX_IPCSUM_OK;
		if ((get16(v.ip + 6) & 0x3fff) != 0)
			return flags;
	}
	if (v.proto == 6 && ip_csum(v.ip + v.head, v.total - v.head,
	    ip_pseudo(v.ip, v.total - v.head)) == 0)
		flags |= PKT_RX_L4CSUM_OK;
	return flags;
}

struct pkt *
nic_receive(struct world *w, struct host *h, struct wire *f)
{
	struct pkt *p = NULL;

	if (PKT_HEADROOM + f->len <= h->room)
		p = pktpool_get(&h->pool);
	if (p == NULL) {
		trace_frame(w, 'r', f);
		return NULL;
	}
	pkt_reset(p, PKT_HEADROOM);
	memcpy(pkt_data(p), f->data, f->len);
	p->len = f->len;
	p->port = 0;
	if (h->conf.port[0].caps & NET_CAP_RX_CSUM)
		p->flags = verify(f);
	trace_frame(w, '<', f);
	if (!f->corrupt)
		mon_given(w, h, f);
	return p;
}
