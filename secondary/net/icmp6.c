/* ICMP for IPv6: RFC 4443; errors for TCP by RFC 5927. */
#include <errno.h>

#include "base.h"

#define ECHO_RATE	20000u	/* answers per second */
#define ERROR_RATE	100u	/* errors per second, RFC 4443 (2.4 f) */
#define ERROR_SAVED	20u
#define QUOTE		(IP6_HLEN + 8u) /* bytes quoted at least */

static void
drop(struct net *n, struct pkt *p)
{
	net_count(n, CNT_drop_icmp, 1);
	frame_put(n, p);
}

/* Flow of an answer of ours. False: there is no address to speak from. */
static bool
reply_flow(const struct net *n, struct tuple *t, uint8_t port,
    const uint8_t *ip)
{
	const uint8_t *from = ip + IP6_DST;

	/* RFC 4443 (2.2) */
	if (!ip6_ours(&n->port[port], from))
		from = addr6_select(&n->port[port], ip + IP6_SRC);
	if (from == NULL)
		return false;
	memset(t, 0, sizeof(*t));
	memcpy(t->laddr, from, 16);
	memcpy(t->raddr, ip + IP6_SRC, 16);
	t->family = 6;
	t->port = port;
	return true;
}

/* RFC 4443 (4.2): the data comes back. The frame is reused. */
static void
echo(struct net *n, struct pkt *p, const uint8_t *ip)
{
	uint8_t *m = pkt_data(p);
	struct tuple t;

	if (pktq_full(&n->out) || is_unspecified(ip + IP6_SRC) ||
	    p->off < sizeof(*p) + n->port[p->port].l2_len + IP6_HLEN ||
	    !bucket_take(&n->echo_rate, n->now, ECHO_RATE, ECHO_RATE) ||
	    !reply_flow(n, &t, p->port, ip)) {
		drop(n, p);
		return;
	}
	m[0] = ICMP6_ECHO_REPLY;
	p->flags = 0;
	p->nfrag = 0;
	net_count(n, CNT_icmp_echo, 1);
	if (IP6_HLEN + p->len <= ip_mtu(n, &t)) {
		ip_output(n, p, &t, PROTO_ICMP6, 0, 0);
		return;
	}
	l4_csum(n, p, &t, PROTO_ICMP6, 2);
	(void)frag_output(n, &t, PROTO_ICMP6, m, p->len);
	frame_put(n, p);
}

/* What an error means to TCP, as for IPv4. */
static int
error_type(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP6_UNREACH:
		return code == ICMP6_PORT ? TCP_ICMP_PORT : TCP_ICMP_SOFT;
	case ICMP6_TOOBIG:
		return TCP_ICMP_TOOBIG;
	case ICMP6_TIME:
		return TCP_ICMP_SOFT;
	default:
		/* our protocol is not known there */
		return code == 1 ? TCP_ICMP_HARD : TCP_ICMP_SOFT;
	}
}

/* The error quotes a packet of ours: find its flow. Returns the offset of
 * its transport header in the quote, 0: there is none. */
static uint32_t
quoted(struct tuple *t, const uint8_t *outer, const uint8_t *ip,
    uint32_t left, uint8_t *proto)
{
	struct ip6_walk w;
	uint32_t off;

	if (left < QUOTE || ip[0] >> 4 != 6 ||
	    memcmp(ip + IP6_SRC, outer + IP6_DST, 16) != 0 ||
	    !ip6_walk(&w, ip, left))
		return 0;
	off = w.off;
	*proto = w.next;
	if (w.frag != 0) {
		/* ours have nothing behind that header but the message */
		if ((rd16(ip + off + IP6_FRAG_OFF) & 0xfff8) != 0)
			return 0;
		*proto = ip[off];
		off += IP6_FRAG_LEN;
	}
	if (off + 8 > left)
		return 0;
	memset(t, 0, sizeof(*t));
	memcpy(t->laddr, ip + IP6_SRC, 16);
	memcpy(t->raddr, ip + IP6_DST, 16);
	memcpy(&t->lport_be, ip + off, 2);
	memcpy(&t->rport_be, ip + off + 2, 2);
	t->family = 6;
	return off;
}

static void
error(struct net *n, struct pkt *p, const uint8_t *outer)
{
	const uint8_t *m = pkt_data(p), *ip = m + ICMP_HLEN;
	int type = error_type(m[0], m[1]);
	uint32_t left = p->len - ICMP_HLEN, off, size;
	uint8_t proto = 0;
	uint16_t mtu = 0;
	struct tuple t;

	off = m[0] == 0 ? 0 : quoted(&t, outer, ip, left, &proto);
	if (off == 0 || (proto != PROTO_TCP && proto != PROTO_UDP)) {
		drop(n, p);
		return;
	}
	t.port = p->port;
	size = IP6_HLEN + rd16(ip + IP6_PAYLOAD);
	net_count(n, CNT_icmp_errors, 1);
	if (type == TCP_ICMP_TOOBIG) {
		mtu = pmtu_claim(&t, rd32(m + 4), size);
		if (mtu == 0) {
			drop(n, p);
			return;
		}
	}
	if (proto == PROTO_UDP) {
		udp_icmp(n, &t, (enum tcp_icmp)type, mtu);
	} else {
		if (mtu != 0 && pmtu_in_flight(n, &t, rd32(ip + off + 4)))
			pmtu_note(n, t.port, t.raddr, mtu);
		tcp_icmp_error(n, &t, rd32(ip + off + 4),
		    (enum tcp_icmp)type, mtu);
	}
	frame_put(n, p);
}

void
icmp6_input(struct net *n, struct pkt *p, const uint8_t *ip)
{
	const uint8_t *m = pkt_data(p);
	struct tuple t;

	memcpy(t.laddr, ip + IP6_DST, 16);
	memcpy(t.raddr, ip + IP6_SRC, 16);
	t.family = 6;
	if (p->len < ICMP_HLEN || csum_fold(csum_add(pseudo_sum(&t,
	    PROTO_ICMP6, p->len), m, p->len)) != 0xffff) {
		drop(n, p);
		return;
	}
	if (m[0] == ICMP6_ECHO && m[1] == 0)
		echo(n, p, ip);
	else if (m[0] == ICMP6_NS || m[0] == ICMP6_NA)
		nd_input(n, p, ip);
	else if (m[0] <= ICMP6_PARAM && ip[IP6_DST] != 0xff)
		error(n, p, ip);
	else
		drop(n, p);
}

void
icmp6_whole(struct net *n, uint8_t port, uint8_t *ip, uint32_t off,
    uint32_t len)
{
	uint8_t *m = ip + off;
	struct tuple t;

	memset(&t, 0, sizeof(t));
	memcpy(t.laddr, ip + IP6_DST, 16);
	memcpy(t.raddr, ip + IP6_SRC, 16);
	t.family = 6;
	t.port = port;
	if (m[0] != ICMP6_ECHO || m[1] != 0 ||
	    csum_fold(csum_add(pseudo_sum(&t, PROTO_ICMP6, len), m, len)) !=
	    0xffff || !bucket_take(&n->echo_rate, n->now, ECHO_RATE,
	    ECHO_RATE)) {
		net_count(n, CNT_drop_icmp, 1);
		return;
	}
	m[0] = ICMP6_ECHO_REPLY;
	wr16(m + 2, 0);
	wr16_raw(m + 2, (uint16_t)~csum_fold(csum_add(
	    pseudo_sum(&t, PROTO_ICMP6, len), m, len)));
	if (frag_output(n, &t, PROTO_ICMP6, m, len) == 0)
		net_count(n, CNT_icmp_echo, 1);
}

/* RFC 4443 (2.4 e): packets that no error is sent about. */
static bool
unanswered(const uint8_t *ip, uint32_t len, uint16_t type_code)
{
	struct ip6_walk w;

	if (ip[IP6_SRC] == 0xff || is_unspecified(ip + IP6_SRC))
		return true;
	if (ip[IP6_DST] == 0xff && type_code != (ICMP6_PARAM << 8 | 2))
		return true;
	/* an error or a redirect; or not to be seen whether */
	if (ip6_walk(&w, ip, len) && w.frag == 0)
		return w.next == PROTO_ICMP6 && (w.off >= len ||
		    ip[w.off] < ICMP6_ERRORS || ip[w.off] == ICMP6_REDIRECT);
	return false;
}

void
icmp6_error(struct net *n, uint8_t port, const uint8_t *ip, uint32_t len,
    uint16_t type_code, uint32_t word)
{
	uint32_t quote = IP6_MTU_MIN - IP6_HLEN - ICMP_HLEN;
	struct tuple t;
	struct pkt *q;
	uint8_t *m;

	if (unanswered(ip, len, type_code) || pktq_full(&n->out) ||
	    !reply_flow(n, &t, port, ip) ||
	    !bucket_take(&n->icmp_rate, n->now, ERROR_RATE, ERROR_SAVED) ||
	    (q = frame_get(n)) == NULL)
		return;
	if (quote > len)
		quote = len;
	if (quote > q->room - PKT_HEADROOM - ICMP_HLEN)
		quote = q->room - PKT_HEADROOM - ICMP_HLEN;
	q->port = port;
	m = pkt_data(q);
	wr16(m, type_code);
	wr32(m + 4, word);
	memcpy(m + ICMP_HLEN, ip, quote);
	q->len = ICMP_HLEN + quote;
	ip_output(n, q, &t, PROTO_ICMP6, 0, 0);
}
