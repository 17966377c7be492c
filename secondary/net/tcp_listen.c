/*
 * tcp_listen: passive opening: listeners, and what a SYN makes.
 *
 * A listener is no record and is never written while a connection opens: the
 * half-open record becomes the connection, and the listener's count is a
 * gauge.
 */
#include <errno.h>
#include <string.h>

#include "tcp_priv.h"

static bool
addr_same(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	    (a->family == 0 ||
	    memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0);
}

/* All addresses of its family, or of both. */
static bool
is_any(const struct net_addr *a)
{
	static const uint8_t zero[16];

	return a->family == 0 ||
	    memcmp(a->addr, zero, a->family == 4 ? 4 : 16) == 0;
}

static bool
matches(const struct listener *l, const struct tuple *t)
{
	if (l->addr.port != __builtin_bswap16(t->lport_be))
		return false;
	switch (l->addr.family) {
	case 0:
		return true;
	case 4:
		return t->family == 4 && (is_any(&l->addr) ||
		    memcmp(l->addr.addr, t->laddr + 12, 4) == 0);
	default:
		return t->family == 6 && (is_any(&l->addr) ||
		    memcmp(l->addr.addr, t->laddr, 16) == 0);
	}
}

struct listener *
tcp_listener(struct net *n, const struct tuple *t)
{
	struct listener *any = NULL, *l;
	uint32_t i;

	for (i = 0; i < n->nlisten; i++) {
		l = &n->listen[i];
		if (!matches(l, t))
			continue;
		if (!is_any(&l->addr))
			return l;
		any = l;
	}
	return any;
}

static struct listener *
listener_at(struct net *n, const struct net_addr *local)
{
	uint32_t i;

	for (i = 0; i < n->nlisten; i++)
		if (addr_same(&n->listen[i].addr, local))
			return &n->listen[i];
	return NULL;
}

static void
listener_set(struct listener *l, const struct net_listen_conf *k)
{
	l->backlog = k->backlog;
	l->user = k->user;
	l->opts = k->opts;
}

static uint32_t
backlog(const struct net *n, const struct listener *l)
{
	return l->backlog != 0 ? l->backlog : n->conf.backlog;
}

int
net_listen(struct net *n, const struct net_addr *local)
{
	struct net_listen_conf l = { .local = *local };

	return net_listen_as(n, &l);
}

int
net_listen_as(struct net *n, const struct net_listen_conf *l)
{
	const struct net_addr *local = &l->local;

	if (local->port == 0 || (local->family != 0 && local->family != 4 &&
	    local->family != 6))
		return -EINVAL;
	if (listener_at(n, local) != NULL)
		return -EADDRINUSE;
	if (n->nlisten == NET_LISTENERS)
		return -ENOSPC;
	n->listen[n->nlisten].addr = *local;
	n->listen[n->nlisten].half = 0;
	n->listen[n->nlisten].full = false;
	listener_set(&n->listen[n->nlisten], l);
	n->nlisten++;
	tcp_half_listen(n);
	return 0;
}

int
net_listen_set(struct net *n, const struct net_listen_conf *l)
{
	struct listener *have = listener_at(n, &l->local);

	if (have == NULL)
		return -ENOENT;
	listener_set(have, l);
	return 0;
}

int
net_listen_full(struct net *n, const struct net_addr *local, bool full)
{
	struct listener *l = listener_at(n, local);

	if (l == NULL)
		return -ENOENT;
	l->full = full;
	return 0;
}

int
net_listener(struct net *n, const struct conn *c, uint32_t *user)
{
	const struct listener *l = tcp_listener(n, &c->t);

	if (l == NULL)
		return -ENOENT;
	*user = l->user;
	return 0;
}

bool
tcp_listener_full(struct net *n, const struct tuple *t)
{
	const struct listener *l = tcp_listener(n, t);

	return l != NULL && l->full;
}

void
tcp_listener_opts(struct net *n, struct conn *c)
{
	const struct listener *l = tcp_listener(n, &c->t);

	if (n->conf.conn_opts && l != NULL)
		conn_set_opts(n, c, &l->opts);
}

int
net_unlisten(struct net *n, const struct net_addr *local)
{
	uint32_t i;

	for (i = 0; i < n->nlisten; i++) {
		if (!addr_same(&n->listen[i].addr, local))
			continue;
		n->listen[i] = n->listen[--n->nlisten];
		tcp_half_listen(n);
		return 0;
	}
	return -ENOENT;
}

void
tcp_isn(const struct net *n, const struct tuple *t, uint32_t *isn,
    uint32_t *ts_off)
{
	uint64_t h = siphash13(n->isnkey, t, sizeof(*t));

	/* RFC 6528 §3: ISN = M + F(4-tuple, secret), M a clock of 4 µs. The
	 * timestamp's offset (RFC 7323 §5.4) is the flow's own too, so that
	 * it goes on where the flow's last connection ended. */
	*isn = (uint32_t)h + (uint32_t)(n->now >> 2);
	*ts_off = (uint32_t)(h >> 32);
}

uint8_t
tcp_wscale(const struct net *n)
{
	uint32_t max = max_u32(n->conf.rcvbuf_max, n->conf.rcvbuf);
	uint8_t s = 0;

	while (s < TCP_WSCALE_MAX && max >> s > UINT16_MAX)
		s++;
	/* at least 1: then a scale that is 0 says that none was agreed */
	return s == 0 ? 1 : s;
}

uint16_t
tcp_our_mss(const struct net *n, const struct tuple *t)
{
	uint32_t mtu = n->port[t->port].conf.mtu;
	uint32_t mss = mtu - (t->family == 4 ? 40 : 60);

	if (n->conf.mss_max != 0)
		mss = min_u32(mss, n->conf.mss_max);
	return (uint16_t)max_u32(mss, TCP_MSS_MIN);
}

void
tcp_take_syn(struct net *n, struct conn *c, const struct tcp_seg_in *s)
{
	uint32_t head = c->t.family == 4 ? 40 : 60, mss;

	c->peer_mss = s->mss != 0 ? s->mss :
	    c->t.family == 4 ? TCP_MSS_DEF : TCP_MSS_DEF6;
	/* RFC 7323 §2.2, §3.2, RFC 2018 §2: what both said */
	if (s->wscale != TCP_WSCALE_NONE)
		c->wscale = (uint8_t)(s->wscale << 4 | tcp_wscale(n));
	if (s->sack_ok && n->conf.sack)
		c->flags |= TF_SACK;
	if (s->ts && n->conf.timestamps) {
		c->flags |= TF_TS;
		c->ts_recent = s->tsval;
	}
	/* RFC 6691 §2: the option counts no options, a segment's length does */
	mss = min_u32(c->peer_mss, ip_mtu(n, &c->t) - head);
	if (n->conf.mss_max != 0)
		mss = min_u32(mss, n->conf.mss_max);
	mss = tcp_maxseg(n, c, mss);
	c->mss = (uint16_t)(max_u32(mss, TCP_MSS_MIN) - tcp_opt_len(c));
}

/* RFC 9293 §3.10.7.2, third: a SYN for a listener. */
static void
syn_input(struct net *n, const struct tuple *t, uint32_t hash,
    const struct tcp_seg_in *s, uint32_t isn)
{
	struct conn *c = tcp_open(n, t, hash, s->bucket);
	uint32_t own;

	if (c == NULL)
		return;
	tcp_listener_opts(n, c);
	tcp_isn(n, t, &own, &c->ts_off);
	if (isn != 0 && seq_lt(own, isn)) {
		own = isn;
		c->flags |= TF_REUSED;
	}
	c->snd_una = c->snd_nxt = own;
	c->rcv_nxt = c->last_ack = s->seq + 1;
	c->rcv_adv = c->rcv_nxt;
	c->snd_wl1 = s->seq;
	c->snd_wnd = s->wnd;
	tcp_take_syn(n, c, s);
	c->max_wnd = s->wnd >> snd_scale(c);
	/* RFC 3168 §6.1.1 */
	if (n->conf.ecn != 0 &&
	    (s->flags & (TH_ECE | TH_CWR)) == (TH_ECE | TH_CWR))
		c->flags |= TF_ECN;
	tcp_set_state(n, c, TCP_SYN_RCVD);
	if (!tcp_send_syn(n, c))
		tcp_free(n, c);	/* no frame: the peer asks again */
	else
		tcp_arm(n, c);
	hands_clear(n);
}

/* An ACK without a connection: the answer to a cookie, perhaps. */
static void
ack_input(struct net *n, const struct tuple *t, uint32_t hash,
    struct tcp_seg_in *s, struct pkt *p)
{
	struct conn *c;

	if (n->conn_free == ARENA_NONE) {
		/* The peer may hold a cookie of ours and believe that it is
		 * connected: it sends again and finds a record then. What it
		 * sends behind the first segment proves nothing, so nobody is
		 * refused meanwhile. */
		net_count(n, CNT_drop_no_conn, 1);
		frame_put(n, p);
		return;
	}
	c = tcp_cookie_open(n, t, hash, s);
	if (c == NULL) {
		net_count(n, CNT_drop_tcp_ack, 1);
		tcp_refuse(n, t, s);
		frame_put(n, p);
		return;
	}
	tcp_steps(n, c, s, p);
	tcp_rest(n, c);
	hands_clear(n);
}

void
tcp_listen_input(struct net *n, const struct tuple *t, uint32_t hash,
    struct tcp_seg_in *s, uint32_t isn, struct pkt *p)
{
	struct listener *l = tcp_listener(n, t);
	uint8_t f = s->flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN);

	if (l != NULL && l->full && (f & TH_RST) == 0) {
		/* the one who accepts is behind: the peer asks again */
		net_count(n, CNT_drop_tcp_backlog, 1);
	} else if (l == NULL && (f & TH_RST) == 0) {
		net_count(n, CNT_drop_tcp_no_listener, 1);
		tcp_refuse(n, t, s);
	} else if (l != NULL && (f & (TH_SYN | TH_ACK | TH_RST)) == TH_ACK) {
		ack_input(n, t, hash, s, p);
		return;
	} else if ((f & TH_RST) == 0 && (f & TH_ACK) != 0) {
		net_count(n, CNT_drop_tcp_ack, 1);
		tcp_refuse(n, t, s);
	} else if (f != TH_SYN || (t->lport_be == t->rport_be &&
	    memcmp(t->laddr, t->raddr, 16) == 0)) {
		/* neither one nor the other; or from ourselves (land) */
		net_count(n, CNT_drop_tcp_state, 1);
	} else if (pktq_full(&n->out)) {
		net_count(n, CNT_drop_tcp_backlog, 1);
	} else if (tcp_half_of(n, l) >= backlog(n, l) ||
	    n->conn_free == ARENA_NONE) {
		tcp_cookie_send(n, t, s);
	} else {
		syn_input(n, t, hash, s, isn);
	}
	frame_put(n, p);
}
