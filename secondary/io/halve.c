#include "halve.h"

#include <string.h>

#define ETHER_LEN	14u
#define VLAN_LEN	4u
#define IP4_MIN		20u
#define IP6_LEN		40u
#define TCP_MIN		20u
#define TCP_PROTO	6u
#define FLAGS_AT	13u
#define FIN		0x01u
#define SYN		0x02u
#define RST		0x04u
#define PSH		0x08u
#define URG		0x20u

struct seg {
	uint8_t *ip, *tcp;
	uint32_t iplen;		/* bytes of the network header */
	uint32_t tcplen;	/* bytes of the transport header */
	uint32_t payload;
	bool six;
};

static uint32_t
be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t
sum(uint32_t acc, const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i + 1 < n; i += 2)
		acc += be16(p + i);
	if (i < n)
		acc += (uint32_t)p[i] << 8;
	return acc;
}

static uint32_t
fold(uint32_t acc)
{
	while (acc >> 16 != 0)
		acc = (acc & 0xffff) + (acc >> 16);
	return ~acc & 0xffff;
}

/* Checksum over pseudo-header, header and payload; 0: the one there is
 * right. */
static uint32_t
tcp_sum(const struct seg *s)
{
	uint32_t n = s->tcplen + s->payload, acc = TCP_PROTO + n;

	if (s->six)
		acc = sum(acc, s->ip + 8, 32);
	else
		acc = sum(acc, s->ip + 12, 8);
	return fold(sum(acc, s->tcp, n));
}

/* Find the parts of a segment that can be cut. */
static bool
look(const struct pkt *p, struct seg *s)
{
	uint8_t *d = pkt_data(p);
	uint32_t l2 = ETHER_LEN, n, type;

	if (p->nfrag != 0 || p->len < ETHER_LEN + VLAN_LEN + IP4_MIN)
		return false;
	type = be16(d + 12);
	if (type == 0x8100) {
		l2 += VLAN_LEN;
		type = be16(d + 16);
	}
	s->ip = d + l2;
	n = p->len - l2;
	s->six = type == 0x86dd;
	if (type == 0x0800) {
		s->iplen = (s->ip[0] & 15u) * 4;
		if (s->iplen < IP4_MIN || be16(s->ip + 2) > n ||
		    (be16(s->ip + 6) & 0x3fff) != 0 || s->ip[9] != TCP_PROTO)
			return false;
		n = be16(s->ip + 2);
	} else if (s->six && n >= IP6_LEN && s->ip[6] == TCP_PROTO &&
	    be16(s->ip + 4) + IP6_LEN <= n) {
		s->iplen = IP6_LEN;
		n = be16(s->ip + 4) + IP6_LEN;
	} else {
		return false;
	}
	if (n < s->iplen + TCP_MIN)
		return false;
	s->tcp = s->ip + s->iplen;
	s->tcplen = (uint32_t)(s->tcp[12] >> 4) * 4;
	if (s->tcplen < TCP_MIN || n < s->iplen + s->tcplen + 2 ||
	    (s->tcp[FLAGS_AT] & (SYN | RST | URG)) != 0)
		return false;
	s->payload = n - s->iplen - s->tcplen;
	/* what is wrong stays so: it gets no checksum that hides it */
	return ((p->flags & PKT_RX_L4CSUM_OK) != 0 || tcp_sum(s) == 0) &&
	    (s->six || (p->flags & PKT_RX_IPCSUM_OK) != 0 ||
	    fold(sum(0, s->ip, s->iplen)) == 0);
}

/* Lengths and checksums of a segment that got another payload. */
static void
seal(struct pkt *p, struct seg *s)
{
	uint32_t n = s->iplen + s->tcplen + s->payload;

	if (s->six) {
		put16(s->ip + 4, n - IP6_LEN);
	} else {
		put16(s->ip + 2, n);
		put16(s->ip + 10, 0);
		put16(s->ip + 10, fold(sum(0, s->ip, s->iplen)));
	}
	put16(s->tcp + 16, 0);
	put16(s->tcp + 16, tcp_sum(s));
	p->len = (uint32_t)(s->ip - pkt_data(p)) + n;
	p->flags &= (uint16_t)~(PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK);
}

bool
halve(struct pkt *p, struct pkt *q)
{
	uint32_t head, first, seq;
	struct seg s, t;

	if (!look(p, &s) || p->len > q->room - PKT_HEADROOM)
		return false;
	head = (uint32_t)(s.tcp - pkt_data(p)) + s.tcplen;
	first = (s.payload + 1) / 2;
	pkt_reset(q, PKT_HEADROOM);
	q->port = p->port;
	q->hash = p->hash;
	q->flags = p->flags;
	memcpy(pkt_data(q), pkt_data(p), head);
	memcpy(pkt_data(q) + head, pkt_data(p) + head + first,
	    s.payload - first);
	t = s;
	t.ip = pkt_data(q) + (s.ip - pkt_data(p));
	t.tcp = t.ip + t.iplen;
	t.payload = s.payload - first;
	seq = (be16(t.tcp + 4) << 16 | be16(t.tcp + 6)) + first;
	put16(t.tcp + 4, seq >> 16);
	put16(t.tcp + 6, seq & 0xffff);
	seal(q, &t);
	s.payload = first;
	s.tcp[FLAGS_AT] &= (uint8_t)~(FIN | PSH);
	seal(p, &s);
	return true;
}
