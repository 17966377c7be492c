/* IPv6 in: RFC 8200. */
#include "base.h"

#define EXT_MAX		6u	/* most extension headers of one packet */

static void
drop(struct net *n, struct pkt *p, enum counter why)
{
	net_count(n, why, 1);
	frame_put(n, p);
}

/*
 * RFC 8200 (4.2): the options of a header of len bytes. What we do not know
 * is passed over or drops the packet, as its two highest bits say.
 */
static bool
options(struct ip6_walk *w, const uint8_t *ip, uint32_t len)
{
	uint32_t at = w->off + 2, end = w->off + len;
	uint8_t kind;

	while (at < end) {
		kind = ip[at];
		if (kind == 0) {	/* Pad1 */
			at++;
			continue;
		}
		if (at + 2 > end || at + 2 + ip[at + 1] > end)
			return false;
		if (kind >> 6 != 0) {
			if (kind >> 6 == 2 || (kind >> 6 == 3 &&
			    ip[IP6_DST] != 0xff)) {
				w->code = 2;
				w->at = at;
			}
			return false;
		}
		at += 2u + ip[at + 1];
	}
	return true;
}

bool
ip6_walk(struct ip6_walk *w, const uint8_t *ip, uint32_t len)
{
	uint32_t k, n, left;

	w->off = IP6_HLEN;
	w->at = IP6_NEXT;
	w->frag = 0;
	w->code = IP6_QUIET;
	w->next = ip[IP6_NEXT];
	for (k = 0; k <= EXT_MAX; k++) {
		const uint8_t *h = ip + w->off;

		if (w->next != PROTO_HOPOPT && w->next != PROTO_ROUTING &&
		    w->next != PROTO_DSTOPTS && w->next != PROTO_FRAGMENT)
			return true;
		left = len - w->off;
		if (left < 8 || k == EXT_MAX)
			return false;
		if (w->next == PROTO_FRAGMENT) {
			w->frag = w->off;
			return true;
		}
		/* RFC 8200 (4.1): only behind the IPv6 header */
		if (w->next == PROTO_HOPOPT && k != 0) {
			w->code = 1;
			return false;
		}
		n = (h[1] + 1u) * 8;
		if (n > left)
			return false;
		if (w->next == PROTO_ROUTING) {
			/* RFC 8200 (4.4), RFC 5095: we are no hop of any */
			if (h[3] != 0) {
				w->code = 0;
				w->at = w->off + 2;
				return false;
			}
		} else if (!options(w, ip, n))
			return false;
		w->next = h[0];
		w->at = w->off;
		w->off += n;
	}
	return false;
}

static void
fill_tuple(struct tuple *t, const struct pkt *p, const uint8_t *ip,
    const uint8_t *l4)
{
	memcpy(t->laddr, ip + IP6_DST, 16);
	memcpy(t->raddr, ip + IP6_SRC, 16);
	memcpy(&t->lport_be, l4 + 2, 2);
	memcpy(&t->rport_be, l4, 2);
	t->port = p->port;
	t->family = 6;
	t->pad[0] = t->pad[1] = 0;
}

static void
tcp_frame(struct net *n, struct pkt *p, const uint8_t *ip)
{
	const uint8_t *seg = pkt_data(p);
	struct tuple t;

	if (p->len < 20) {
		drop(n, p, CNT_drop_tcp_header);
		return;
	}
	fill_tuple(&t, p, ip, seg);
	if ((p->flags & PKT_RX_L4CSUM_OK) == 0 &&
	    csum_fold(csum_add(pseudo_sum(&t, PROTO_TCP, p->len), seg,
	    p->len)) != 0xffff) {
		drop(n, p, CNT_drop_tcp_csum);
		return;
	}
	tcp_input(n, p, &t, ip[1] >> 4 & 3);
}

static void
udp_frame(struct net *n, struct pkt *p, const uint8_t *ip)
{
	uint32_t l4 = (uint32_t)(pkt_data(p) - ip);
	struct tuple t;

	if (p->len < UDP_HLEN) {
		drop(n, p, CNT_drop_udp);
		return;
	}
	fill_tuple(&t, p, ip, pkt_data(p));
	if (udp_input(n, p, &t))
		return;
	net_count(n, CNT_drop_ip_proto, 1);
	icmp6_error(n, p->port, ip, l4 + p->len,
	    ICMP6_UNREACH << 8 | ICMP6_PORT, 0);
	frame_put(n, p);
}

/* Everything behind the headers; group: it was sent to one. */
static void
upper(struct net *n, struct pkt *p, const struct ip6_walk *w, bool group)
{
	const uint8_t *ip = pkt_data(p);
	bool nobody = is_unspecified(ip + IP6_SRC);

	p->off += w->off;
	p->len -= w->off;
	if (w->next == PROTO_ICMP6) {
		icmp6_input(n, p, ip);
	} else if (group || nobody || w->next == PROTO_NONE) {
		drop(n, p, CNT_drop_ip_proto);
	} else if (w->next == PROTO_TCP) {
		tcp_frame(n, p, ip);
	} else if (w->next == PROTO_UDP) {
		udp_frame(n, p, ip);
	} else {
		icmp6_error(n, p->port, ip, p->len + w->off,
		    ICMP6_PARAM << 8 | 1, w->at);
		drop(n, p, CNT_drop_ip_proto);
	}
}

/*
 * RFC 4291 (2.5.2, 2.5.3, 2.7): addresses that no packet may come from. One
 * that maps IPv4 would be taken for it. From our own comes only what says that
 * somebody else has it (RFC 4862 5.4.4).
 */
static bool
bad_source(struct net_port *np, const uint8_t *ip)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	const uint8_t *src = ip + IP6_SRC;

	if (src[0] == 0xff || is_map4(src) || memcmp(src, loopback, 16) == 0)
		return true;
	return addr6_find(np, src) != NULL &&
	    (ip[IP6_NEXT] != PROTO_ICMP6 || rd16(ip + IP6_PAYLOAD) < ND_LEN ||
	    ip[IP6_HLEN] != ICMP6_NA);
}

/* Check the header and cut the frame to the packet. */
static bool
header(struct net *n, struct pkt *p)
{
	const uint8_t *ip = pkt_data(p);
	enum counter why;
	uint32_t total;

	total = p->len < IP6_HLEN ? 0 : IP6_HLEN + rd16(ip + IP6_PAYLOAD);
	if (p->len < IP6_HLEN)
		why = CNT_drop_short;
	else if (ip[0] >> 4 != 6 || n->port[p->port].naddr6 == 0)
		why = CNT_drop_ip6;
	else if (total > p->len)
		why = CNT_drop_ip_length;
	else {
		p->len = total;
		return true;
	}
	drop(n, p, why);
	return false;
}

void
ip6_input(struct net *n, struct pkt *p)
{
	struct net_port *np = &n->port[p->port];
	uint8_t *ip = pkt_data(p);
	struct ip6_walk w;
	bool group;

	if (!header(n, p))
		return;
	group = ip[IP6_DST] == 0xff;
	if (group ? !ip6_group_ours(np, ip + IP6_DST) :
	    !ip6_ours(np, ip + IP6_DST) || (ip[ETH_DST - (int)ETH_HLEN] & 1)) {
		drop(n, p, CNT_drop_not_ours);
		return;
	}
	if (bad_source(np, ip)) {
		drop(n, p, CNT_drop_ip_source);
		return;
	}
	if (!ip6_walk(&w, ip, p->len)) {
		if (w.code != IP6_QUIET)
			icmp6_error(n, p->port, ip, p->len,
			    (uint16_t)(ICMP6_PARAM << 8 | w.code), w.at);
		drop(n, p, CNT_drop_ip6_ext);
		return;
	}
	if (w.frag != 0) {
		if (group)
			drop(n, p, CNT_drop_frag_bad);
		else
			frag6_input(n, p, w.frag, w.at);
		return;
	}
	upper(n, p, &w, group);
}
