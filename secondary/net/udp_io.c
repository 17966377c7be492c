/* UDP datagrams: in, into a socket's queue; out; errors about them. */
#include <errno.h>

#include "udp_priv.h"

static uint32_t
frames_max(const struct net *n)
{
	uint32_t share = n->conf.rx_hold_max / 4;

	return share != 0 && share < UDP_FRAMES ? share : UDP_FRAMES;
}

static bool
admit(const struct net *n, const struct udp_sock *u, uint32_t frames)
{
	return u->n < UDP_QUEUE && n->udp_frames + frames <= frames_max(n);
}

static void
tell(const struct net *n, const struct udp_sock *u)
{
	if (u->ready != NULL)
		u->ready(u->arg, udp_handle(n, u));
}

/* Append frames, linked from first to last, as one datagram. */
static void
append(struct net *n, struct udp_sock *u, const struct udp_head *h,
    struct pkt *first, struct pkt *last)
{
	uint32_t ref = pkt_ref(n->env.base, first);

	memcpy((uint8_t *)first + first->poff - sizeof(*h), h, sizeof(*h));
	last->next = PKT_NONE;
	if (u->tail == PKT_NONE)
		u->head = ref;
	else
		pkt_at(n->env.base, u->tail)->next = ref;
	u->tail = pkt_ref(n->env.base, last);
	u->n++;
	n->udp_frames += h->frames;
	net_count(n, CNT_udp_in, 1);
	tell(n, u);
}

static void
head_fill(struct udp_head *h, const struct tuple *t, uint32_t len)
{
	memset(h, 0, sizeof(*h));
	h->from.family = t->family;
	h->from.port = __builtin_bswap16(t->rport_be);
	if (t->family == 4)
		memcpy(h->from.addr, t->raddr + 12, 4);
	else
		memcpy(h->from.addr, t->raddr, 16);
	h->len = len;
	h->frames = 1;
}

/* Check a datagram of len bytes at d; returns its own length, 0: bad. */
static uint32_t
check(const uint8_t *d, uint32_t len, const struct tuple *t, bool known)
{
	uint32_t own = rd16(d + UDP_LEN);

	if (own < UDP_HLEN || own > len)
		return 0;
	if (rd16(d + UDP_CSUM) == 0)	/* RFC 768; not with IPv6, RFC 8200 */
		return t->family == 4 ? own : 0;
	if (!known && csum_fold(csum_add(pseudo_sum(t, PROTO_UDP, own), d,
	    own)) != 0xffff)
		return 0;
	return own;
}

bool
udp_input(struct net *n, struct pkt *p, const struct tuple *t)
{
	struct udp_sock *u;
	struct udp_head h;
	uint32_t own;

	own = check(pkt_data(p), p->len, t, p->flags & PKT_RX_L4CSUM_OK);
	if (own == 0) {
		net_count(n, CNT_drop_udp, 1);
		frame_put(n, p);
		return true;
	}
	u = udp_find(n, t);
	if (u == NULL)
		return false;
	if (!admit(n, u, 1)) {
		net_count(n, CNT_drop_udp_full, 1);
		frame_put(n, p);
		return true;
	}
	p->poff = p->off + UDP_HLEN;
	p->plen = own - UDP_HLEN;
	head_fill(&h, t, p->plen);
	append(n, u, &h, p, p);
	return true;
}

void
udp_whole(struct net *n, const uint8_t *d, uint32_t len,
    const struct tuple *t)
{
	struct pkt *first = NULL, *last = NULL, *p;
	uint32_t own = check(d, len, t, false), at, k, frames = 0;
	struct udp_sock *u = own != 0 ? udp_find(n, t) : NULL;
	struct udp_head h;

	if (u == NULL || !admit(n, u, 1)) {
		net_count(n, own == 0 ? CNT_drop_udp : u == NULL ?
		    CNT_drop_oversize : CNT_drop_udp_full, 1);
		return;
	}
	for (at = UDP_HLEN; at < own; at += k, frames++) {
		p = admit(n, u, frames + 1) ? frame_get(n) : NULL;
		if (p == NULL)
			break;
		k = p->room - PKT_HEADROOM;
		if (k > own - at)
			k = own - at;
		memcpy(pkt_data(p), d + at, k);
		p->poff = p->off;
		p->plen = k;
		if (first == NULL)
			first = p;
		else
			last->next = pkt_ref(n->env.base, p);
		last = p;
	}
	if (at < own) {
		for (p = first; frames > 0; frames--, p = last) {
			last = frames > 1 ? pkt_at(n->env.base, p->next) : p;
			frame_put(n, p);
		}
		net_count(n, CNT_drop_udp_full, 1);
		return;
	}
	head_fill(&h, t, own - UDP_HLEN);
	h.frames = (uint16_t)frames;
	append(n, u, &h, first, last);
}

int
udp_recvfrom(struct net *n, int s, void *buf, uint32_t len,
    struct net_addr *from, bool peek)
{
	struct udp_sock *u = udp_at(n, s);
	uint32_t at = 0, k, ref;
	const struct pkt *p;
	struct udp_head h;

	if (u == NULL)
		return -EBADF;
	if (u->error != 0)
		return udp_take_error(u);
	if (u->n == 0)
		return -EAGAIN;
	udp_head_at(pkt_at(n->env.base, u->head), &h);
	if (from != NULL)
		*from = h.from;
	for (ref = u->head, k = 0; k < h.frames && at < len; k++) {
		uint32_t part;

		p = pkt_at(n->env.base, ref);
		part = p->plen < len - at ? p->plen : len - at;
		memcpy((uint8_t *)buf + at, (const uint8_t *)p + p->poff,
		    part);
		at += part;
		ref = p->next;
	}
	if (!peek)
		udp_next(n, u);
	return (int)h.len;
}

/* ---- out ---- */

int
udp_flow(const struct net *n, const struct udp_sock *u,
    const struct net_addr *to, struct tuple *t)
{
	int err;

	memset(t, 0, sizeof(*t));
	if ((to->family != 4 && to->family != 6) || to->port == 0 ||
	    (u->local.family != 0 && u->local.family != to->family))
		return -EINVAL;
	t->family = to->family;
	if (to->family == 4)
		map4(t->raddr, to->addr);
	else
		memcpy(t->raddr, to->addr, 16);
	if (u->local.family == 4)
		map4(t->laddr, u->local.addr);
	else if (u->local.family == 6)
		memcpy(t->laddr, u->local.addr, 16);
	err = ip_route(n, t);
	t->lport_be = __builtin_bswap16(u->local.port);
	t->rport_be = __builtin_bswap16(to->port);
	return err;
}

static void
header(uint8_t *d, const struct tuple *t, uint32_t len)
{
	memcpy(d, &t->lport_be, 2);
	memcpy(d + UDP_DPORT, &t->rport_be, 2);
	wr16(d + UDP_LEN, (uint16_t)(UDP_HLEN + len));
	wr16(d + UDP_CSUM, 0);
}

/* More than the path takes in one packet. */
static int
send_long(struct net *n, const struct tuple *t, const void *buf,
    uint32_t len)
{
	uint8_t *d = n->whole;
	uint16_t sum;

	header(d, t, len);
	memcpy(d + UDP_HLEN, buf, len);
	sum = (uint16_t)~csum_fold(csum_add(pseudo_sum(t, PROTO_UDP,
	    UDP_HLEN + len), d, UDP_HLEN + len));
	wr16_raw(d + UDP_CSUM, sum == 0 ? 0xffff : sum);
	return frag_output(n, t, PROTO_UDP, d, UDP_HLEN + len);
}

static int
send_one(struct net *n, const struct tuple *t, const void *buf, uint32_t len)
{
	uint32_t head = t->family == 4 ? IP4_HLEN : IP6_HLEN;
	struct pkt *p;

	if (head + UDP_HLEN + len > ip_mtu(n, t))
		return send_long(n, t, buf, len);
	if (pktq_full(&n->out))
		return -EAGAIN;
	p = frame_get(n);
	if (p == NULL)
		return -ENOBUFS;
	if (UDP_HLEN + len > p->room - PKT_HEADROOM) {
		frame_put(n, p);
		return -EMSGSIZE;
	}
	header(pkt_data(p), t, len);
	memcpy(pkt_data(p) + UDP_HLEN, buf, len);
	p->len = UDP_HLEN + len;
	ip_output(n, p, t, PROTO_UDP, UDP_HLEN, 0);
	return 0;
}

int
udp_sendto(struct net *n, int s, const void *buf, uint32_t len,
    const struct net_addr *to)
{
	static const struct net_addr any;
	struct udp_sock *u = udp_at(n, s);
	struct tuple t;
	int err;

	if (u == NULL)
		return -EBADF;
	if (u->error != 0)
		return udp_take_error(u);
	if (len > UDP_MAX)
		return -EMSGSIZE;
	if (to == NULL && u->remote.family == 0)
		return -EDESTADDRREQ;
	if (to != NULL && u->remote.family != 0)
		return -EISCONN;
	err = u->local.port == 0 ? udp_bind(n, s, &any) : 0;
	if (err == 0)
		err = udp_flow(n, u, to != NULL ? to : &u->remote, &t);
	if (err == 0)
		err = send_one(n, &t, buf, len);
	if (err < 0)
		return err;
	net_count(n, CNT_udp_out, 1);
	return (int)len;
}

void
udp_icmp(struct net *n, const struct tuple *t, enum tcp_icmp type,
    uint16_t mtu)
{
	struct udp_sock *u = udp_find(n, t);

	/* RFC 1122 (4.1.3.3); only one who is connected can be meant */
	if (u == NULL || u->remote.family == 0)
		return;
	if (type == TCP_ICMP_TOOBIG) {
		pmtu_note(n, t->port, t->raddr, mtu);
		return;
	}
	u->error = type == TCP_ICMP_HARD || type == TCP_ICMP_PORT ?
	    -ECONNREFUSED : -EHOSTUNREACH;
	tell(n, u);
}
