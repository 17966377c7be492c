/*
 * A packet that was put together, in n->whole, goes on its way: as one frame
 * if it fits, so that it can be handed to the slot whose flow it is. What
 * does not fit is cut into frames (TCP), or read from where it is.
 */
#include "base.h"

/* What is known of the packet. */
struct whole {
	const uint8_t *ether;	/* destination and source of its frames */
	uint32_t l3, len;	/* bytes of network headers; of the packet */
	uint8_t port, family, proto;
};

/* Write the link header before the packet of p, as the wire had it. */
static void
link_header(struct net *n, struct pkt *p, const struct whole *w)
{
	p->port = w->port;
	if (n->port[w->port].conf.l3)
		return;		/* net_frame() does */
	memcpy(ether_header(n, p, w->family == 4 ? ETH_P_IP4 : ETH_P_IP6),
	    w->ether, 2 * 6);
}

/* A frame is ready: hand it on, or take it in. */
static void
pass(struct net *n, struct pkt *p)
{
	if (n->env.elsewhere == NULL ||
	    !n->env.elsewhere(n->env.arg, p))
		net_frame(n, p);
}

static void
flow_of(const struct net *n, struct tuple *t, const struct whole *w)
{
	const uint8_t *ip = n->whole, *l4 = ip + w->l3;

	memset(t, 0, sizeof(*t));
	if (w->family == 4) {
		map4(t->laddr, ip + IP4_DST);
		map4(t->raddr, ip + IP4_SRC);
	} else {
		memcpy(t->laddr, ip + IP6_DST, 16);
		memcpy(t->raddr, ip + IP6_SRC, 16);
	}
	memcpy(&t->lport_be, l4 + 2, 2);
	memcpy(&t->rport_be, l4, 2);
	t->port = w->port;
	t->family = w->family;
}

/* Make one frame of a segment: payload bytes [from, from + len) behind
 * headers of head bytes. */
static void
tcp_piece(const struct net *n, struct pkt *p, const struct whole *w,
    uint32_t head, uint32_t from, uint32_t len)
{
	uint8_t *ip = pkt_data(p), *tcp = ip + w->l3;

	memcpy(ip, n->whole, head);
	memcpy(ip + head, n->whole + head + from, len);
	p->len = head + len;
	p->flags = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK;
	if (w->family == 4)
		wr16(ip + IP4_TOTAL, (uint16_t)p->len);
	else
		wr16(ip + IP6_PAYLOAD, (uint16_t)(p->len - IP6_HLEN));
	wr32(tcp + 4, rd32(tcp + 4) + from);
	if (head + from + len < w->len)
		tcp[13] &= (uint8_t)~0x09u;	/* FIN, PSH: the last only */
}

/* A segment larger than our frames becomes several; the checksum covers the
 * whole, so it is checked here. */
static void
tcp_whole(struct net *n, const struct whole *w)
{
	const uint8_t *tcp = n->whole + w->l3;
	uint32_t seg = w->len - w->l3, head, from, len, room;
	struct tuple t;
	struct pkt *p;

	flow_of(n, &t, w);
	head = w->l3 + (tcp[12] >> 4) * 4u;
	/* SYN and RST with more than a frame of data: nobody means that */
	if (head > w->len || (tcp[12] >> 4) < 5 || (tcp[13] & 0x06) != 0) {
		net_count(n, CNT_drop_tcp_header, 1);
		return;
	}
	if (csum_fold(csum_add(pseudo_sum(&t, PROTO_TCP, seg), tcp, seg)) !=
	    0xffff) {
		net_count(n, CNT_drop_tcp_csum, 1);
		return;
	}
	for (from = 0; head + from < w->len; from += len) {
		p = frame_get(n);
		if (p == NULL)
			return;	/* the peer sends it again */
		room = p->room - PKT_HEADROOM - head;
		len = w->len - head - from;
		if (len > room)
			len = room;
		tcp_piece(n, p, w, head, from, len);
		link_header(n, p, w);
		pass(n, p);
	}
}

/* More than a frame holds. */
static void
large(struct net *n, const struct whole *w)
{
	struct tuple t;

	if (w->proto == PROTO_TCP) {
		tcp_whole(n, w);
	} else if (w->proto == PROTO_UDP) {
		flow_of(n, &t, w);
		udp_whole(n, n->whole + w->l3, w->len - w->l3, &t);
	} else if (w->proto == PROTO_ICMP && w->family == 4) {
		icmp_whole(n, w->port, n->whole, w->l3, w->len - w->l3);
	} else if (w->proto == PROTO_ICMP6 && w->family == 6) {
		icmp6_whole(n, w->port, n->whole, w->l3, w->len - w->l3);
	} else {
		net_count(n, CNT_drop_oversize, 1);
	}
}

/* Find the upper layer. False: what no fragment may carry. */
static bool
look(struct net *n, struct whole *w)
{
	const uint8_t *ip = n->whole;
	struct ip6_walk walk;

	w->family = ip[0] >> 4;
	w->proto = ip[IP4_PROTO];
	if (w->family == 4)
		return true;
	if (!ip6_walk(&walk, ip, w->len) || walk.frag != 0 ||
	    walk.off + 8 > w->len) {
		net_count(n, CNT_drop_ip6_ext, 1);
		return false;
	}
	w->proto = walk.next;
	w->l3 = walk.off;
	/* RFC 6980: neighbour discovery never comes in fragments */
	if (w->proto == PROTO_ICMP6 && ip[walk.off] >= 133 &&
	    ip[walk.off] <= ICMP6_REDIRECT) {
		net_count(n, CNT_drop_nd, 1);
		return false;
	}
	return true;
}

void
whole_input(struct net *n, uint8_t port, const uint8_t ether[ETH_HLEN],
    uint32_t l3, uint32_t len)
{
	struct whole w = { .ether = ether, .l3 = l3, .len = len,
	    .port = port };
	struct pkt *p;

	if (!look(n, &w))
		return;
	p = frame_get(n);
	if (p == NULL)
		return;
	if (len > p->room - PKT_HEADROOM) {
		frame_put(n, p);
		/* of an upper layer's header at least what is looked at */
		if (len - w.l3 < 20)
			net_count(n, CNT_drop_short, 1);
		else
			large(n, &w);
		return;
	}
	memcpy(pkt_data(p), n->whole, len);
	p->len = len;
	p->flags = PKT_RX_IPCSUM_OK;
	link_header(n, p, &w);
	pass(n, p);
}
