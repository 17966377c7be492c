/* Fragments out: RFC 791, RFC 8200 (4.5). Only for what has no other way to
 * be as small as the path: UDP and echo. TCP never comes here. */
#include <errno.h>

#include "base.h"

#define PIECES	128u	/* 65,535 bytes over the narrowest path */

/* How a message is cut. */
struct frag_plan {
	const uint8_t *data, *hop; /* the message; address of the next hop */
	uint32_t len;		/* bytes of the message */
	uint32_t step, count;	/* bytes of a piece but the last; pieces */
	uint8_t proto;
};

/* Network header of fragment p, whose data is in place. */
static void
piece4(struct net *n, struct pkt *p, const struct tuple *t, uint8_t proto,
    uint16_t field)
{
	uint8_t *ip = ip4_write(n, p, t, proto, 0);

	wr16(ip + IP4_FRAG, field);
	wr16(ip + IP4_CSUM, 0);
	if ((p->flags & PKT_TX_IPCSUM) == 0)
		wr16_raw(ip + IP4_CSUM,
		    (uint16_t)~csum_fold(csum_add(0, ip, IP4_HLEN)));
}

/* Frames for all pieces, or none. */
static int
gather(struct net *n, struct pkt **f, uint32_t count, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		f[i] = frame_get(n);
		if (f[i] != NULL && f[i]->room - PKT_HEADROOM >= bytes)
			continue;
		if (f[i] != NULL)
			i++;
		while (i > 0)
			frame_put(n, f[--i]);
		return -EAGAIN;
	}
	return 0;
}

/* The pieces go out; all have the identification id. */
static void
send_all(struct net *n, struct pkt **f, const struct tuple *t,
    const struct frag_plan *a)
{
	struct net_port *np = &n->port[t->port];
	uint32_t i, id = net_random(n), at = 0, len;
	uint16_t id4 = np->ip_id;
	uint8_t *d;

	for (i = 0; i < a->count; i++, at += len) {
		struct pkt *p = f[i];
		bool more = i + 1 < a->count;

		p->port = t->port;
		len = more ? a->step : a->len - at;
		d = pkt_data(p);
		if (t->family == 6) {
			d[0] = a->proto;
			d[1] = 0;
			wr16(d + IP6_FRAG_OFF, (uint16_t)(at | more));
			wr32(d + IP6_FRAG_ID, id);
			d += IP6_FRAG_LEN;
			p->len = IP6_FRAG_LEN;
		}
		memcpy(d, a->data + at, len);
		p->len += len;
		if (t->family == 6) {
			ip6_write(n, p, t, PROTO_FRAGMENT, 0);
			ether_header(n, p, ETH_P_IP6);
		} else {
			np->ip_id = id4;
			piece4(n, p, t, a->proto, (uint16_t)(at / 8 |
			    (more ? IP4_MF : 0)));
			ether_header(n, p, ETH_P_IP4);
		}
		neigh_send(n, p, a->hop);
	}
}

int
frag_output(struct net *n, const struct tuple *t, uint8_t proto,
    const uint8_t *data, uint32_t len)
{
	uint32_t head = t->family == 4 ? IP4_HLEN : IP6_HLEN + IP6_FRAG_LEN;
	struct frag_plan a = { .data = data, .len = len, .proto = proto };
	struct pkt *f[PIECES];
	struct tuple hop = *t;
	int err;

	if (len + head > UINT16_MAX)
		return -EMSGSIZE;
	err = ip_next_hop(n, &hop);
	if (err < 0)
		return err;
	a.hop = hop.raddr;
	a.step = (ip_mtu(n, t) - head) & ~7u;
	a.count = (len + a.step - 1) / a.step;
	if (a.count > PIECES)
		return -EMSGSIZE;
	if (n->out.n + a.count > PKTQ_MAX)
		return -EAGAIN;
	err = gather(n, f, a.count, a.step + IP6_FRAG_LEN);
	if (err < 0)
		return err;
	send_all(n, f, t, &a);
	return 0;
}
