/* ICMP for IPv4: RFC 792, RFC 1122 (3.2.2), errors for TCP by RFC 5927. */
#include "base.h"

#define ECHO_RATE	20000u	/* answers per second */
#define ERROR_RATE	100u	/* errors per second, RFC 1812 (4.3.2.8) */
#define ERROR_SAVED	20u
#define QUOTE		(IP4_HLEN + 8u) /* bytes quoted without options */

static void
drop(struct net *n, struct pkt *p)
{
	net_count(n, CNT_drop_icmp, 1);
	frame_put(n, p);
}

/* Flow without ports between two addresses. */
static void
flow(struct tuple *t, uint8_t port, const uint8_t *from, const uint8_t *to)
{
	memset(t, 0, sizeof(*t));
	map4(t->laddr, from);
	map4(t->raddr, to);
	t->port = port;
	t->family = 4;
}

/* Send p, whose data is an ICMP message, from one address to another. */
static void
icmp_send(struct net *n, struct pkt *p, const uint8_t *from,
    const uint8_t *to)
{
	uint8_t *m = pkt_data(p);
	struct tuple t;

	flow(&t, p->port, from, to);
	wr16(m + 2, 0);
	wr16_raw(m + 2, (uint16_t)~csum_fold(csum_add(0, m, p->len)));
	ip_output(n, p, &t, PROTO_ICMP, 0, 0);
}

/* RFC 1122 (3.2.2.6): the data comes back; an echo to a broadcast address is
 * left alone. The frame is reused. */
static void
echo(struct net *n, struct pkt *p, const uint8_t *ip)
{
	uint8_t from[4], to[4], *m = pkt_data(p);
	struct tuple t;

	if (pktq_full(&n->out) ||
	    !bucket_take(&n->echo_rate, n->now, ECHO_RATE, ECHO_RATE)) {
		drop(n, p);
		return;
	}
	memcpy(from, ip + IP4_DST, 4);
	memcpy(to, ip + IP4_SRC, 4);
	m[0] = ICMP_ECHO_REPLY;
	if (p->off < sizeof(*p) + n->port[p->port].l2_len + IP4_HLEN) {
		drop(n, p);	/* no room for our headers */
		return;
	}
	p->flags = 0;
	p->nfrag = 0;
	net_count(n, CNT_icmp_echo, 1);
	flow(&t, p->port, from, to);
	if (IP4_HLEN + p->len <= ip_mtu(n, &t)) {
		icmp_send(n, p, from, to);
		return;
	}
	wr16(m + 2, 0);
	wr16_raw(m + 2, (uint16_t)~csum_fold(csum_add(0, m, p->len)));
	(void)frag_output(n, &t, PROTO_ICMP, m, p->len);
	frame_put(n, p);
}

void
icmp_whole(struct net *n, uint8_t port, uint8_t *ip, uint32_t off,
    uint32_t len)
{
	uint8_t *m = ip + off;
	struct tuple t;

	if (m[0] != ICMP_ECHO || m[1] != 0 ||
	    csum_fold(csum_add(0, m, len)) != 0xffff ||
	    !bucket_take(&n->echo_rate, n->now, ECHO_RATE, ECHO_RATE)) {
		net_count(n, CNT_drop_icmp, 1);
		return;
	}
	flow(&t, port, ip + IP4_DST, ip + IP4_SRC);
	m[0] = ICMP_ECHO_REPLY;
	wr16(m + 2, 0);
	wr16_raw(m + 2, (uint16_t)~csum_fold(csum_add(0, m, len)));
	if (frag_output(n, &t, PROTO_ICMP, m, len) == 0)
		net_count(n, CNT_icmp_echo, 1);
}

/* What an error means to TCP, RFC 1122 (4.2.3.9) as RFC 5461 reads it. */
static int
error_type(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP_UNREACH:
		if (code == 4)
			return TCP_ICMP_TOOBIG;
		if (code == ICMP_PORT)
			return TCP_ICMP_PORT;
		return code == ICMP_PROTOCOL ? TCP_ICMP_HARD : TCP_ICMP_SOFT;
	case ICMP_TIME:
	case ICMP_PARAM:
		return TCP_ICMP_SOFT;
	default:
		return -1;
	}
}

/* The error quotes a packet of ours: its IPv4 header and 8 bytes of TCP or
 * UDP. */
static void
error(struct net *n, struct pkt *p, const uint8_t *outer)
{
	const uint8_t *m = pkt_data(p), *ip = m + ICMP_HLEN, *seg;
	int type = error_type(m[0], m[1]);
	uint32_t hlen, left = p->len - ICMP_HLEN;
	uint16_t mtu = 0;
	struct tuple t;

	if (type < 0 || left < QUOTE || ip[0] >> 4 != 4)
		goto bad;
	hlen = (ip[0] & 15u) * 4;
	if (hlen < IP4_HLEN || hlen + 8 > left ||
	    (ip[IP4_PROTO] != PROTO_TCP && ip[IP4_PROTO] != PROTO_UDP) ||
	    (rd16(ip + IP4_FRAG) & IP4_OFFSET) != 0)
		goto bad;
	/* it went from the address that now hears of it */
	if (memcmp(ip + IP4_SRC, outer + IP4_DST, 4) != 0)
		goto bad;
	seg = ip + hlen;
	memset(&t, 0, sizeof(t));
	map4(t.laddr, ip + IP4_SRC);
	map4(t.raddr, ip + IP4_DST);
	memcpy(&t.lport_be, seg, 2);
	memcpy(&t.rport_be, seg + 2, 2);
	t.port = p->port;
	t.family = 4;
	net_count(n, CNT_icmp_errors, 1);
	if (type == TCP_ICMP_TOOBIG)
		mtu = pmtu_claim(&t, rd16(m + 6), rd16(ip + IP4_TOTAL));
	if (ip[IP4_PROTO] == PROTO_UDP) {
		udp_icmp(n, &t, (enum tcp_icmp)type, mtu);
	} else {
		if (mtu != 0 && pmtu_in_flight(n, &t, rd32(seg + 4)))
			pmtu_note(n, t.port, t.raddr, mtu);
		tcp_icmp_error(n, &t, rd32(seg + 4), (enum tcp_icmp)type,
		    mtu);
	}
	frame_put(n, p);
	return;
bad:
	drop(n, p);
}

void
icmp_input(struct net *n, struct pkt *p, uint8_t *ip, bool bcast)
{
	const uint8_t *m = pkt_data(p);

	if (bcast || p->len < ICMP_HLEN ||
	    csum_fold(csum_add(0, m, p->len)) != 0xffff) {
		drop(n, p);
		return;
	}
	if (m[0] == ICMP_ECHO && m[1] == 0)
		echo(n, p, ip);
	else
		error(n, p, ip);
}

void
icmp_unreachable(struct net *n, struct pkt *p, uint8_t code)
{
	icmp_report(n, p, ICMP_UNREACH, code);
	frame_put(n, p);
}

void
icmp_report(struct net *n, const struct pkt *p, uint8_t type, uint8_t code)
{
	const uint8_t *ip = pkt_data(p);
	uint32_t quote = (ip[0] & 15u) * 4 + 8;
	struct pkt *q;
	uint8_t *m;

	if (quote > p->len)
		quote = p->len;
	if (pktq_full(&n->out) ||
	    !bucket_take(&n->icmp_rate, n->now, ERROR_RATE, ERROR_SAVED) ||
	    (q = frame_get(n)) == NULL)
		return;
	q->port = p->port;
	m = pkt_data(q);
	m[0] = type;
	m[1] = code;
	memset(m + 2, 0, 6);
	memcpy(m + ICMP_HLEN, ip, quote);
	q->len = ICMP_HLEN + quote;
	icmp_send(n, q, ip + IP4_DST, ip + IP4_SRC);
}
