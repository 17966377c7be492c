/*
 * bare: a driver of one instance by bare IP packets, and a peer that a test
 * plays byte by byte. Public headers only: what stands here is what a driver
 * outside of the project does, see docs/embedding.md.
 *
 * Header only, so that each test program stays one file. The stack is
 * 192.0.2.1 and 2001:db8::1, the peer the .2 and ::2.
 */
#ifndef TESTS_BARE_H
#define TESTS_BARE_H

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/loop/poll.h"
#include "../../secondary/loop/sock.h"

#define FRAMES	256u
#define ROOM	(PKT_HEADROOM + 65536u)
#define STRIDE	((uint32_t)((sizeof(struct pkt) + ROOM + 63) & ~63u))
#define MS	UINT64_C(1000)
#define SEC	UINT64_C(1000000)

#define FIN	0x01u
#define SYN	0x02u
#define RST	0x04u
#define PSH	0x08u
#define ACK	0x10u
#define ECE	0x40u
#define CWR	0x80u

/* ---- the driver ---- */

struct drv {
	struct net_conf conf;
	struct net_env env;
	struct pktpool pool;
	_Atomic uint64_t counters[CNT_MAX];
	struct net *net;
	struct socks *s;
	void *arena;
	uint8_t *frames;
	uint64_t now;
	/* packets that the stack sent and nobody has looked at */
	uint32_t nout, iout;
	struct out {
		uint64_t at;
		uint32_t len;
		uint8_t b[65536];
	} out[64];
};

static struct drv d;

static inline void
keep(struct pktpool *pp, void *arg)
{
	(void)pp;
	(void)arg;
}

static inline void *
memory(size_t n)
{
	void *p = aligned_alloc(64, (n + 63) & ~(size_t)63);

	ck_assert_ptr_nonnull(p);
	memset(p, 0xdb, n);
	return p;
}

/* Settings of 192.0.2.1 and 2001:db8::1; a test changes some. */
static inline void
defaults(void)
{
	static const uint8_t a4[4] = { 192, 0, 2, 1 };
	static const uint8_t a6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	struct net_port_conf *p = &d.conf.port[0];

	memset(&d, 0, sizeof(d));
	net_conf_default(&d.conf, 64);
	socks_net_conf(&d.conf);
	memset(d.conf.secret, 7, sizeof(d.conf.secret));
	d.conf.seed = 1;
	d.conf.timestamps = 0;
	d.conf.nports = 1;
	p->l3 = 1;
	p->mtu = 1500;
	p->naddrs = 2;
	memcpy(p->addr[0].addr, a4, 4);
	p->addr[0].family = 4;
	p->addr[0].prefix = 24;
	memcpy(p->addr[1].addr, a6, 16);
	p->addr[1].family = 6;
	p->addr[1].prefix = 64;
	d.now = 5 * SEC;
}

static inline void
start(void)
{
	struct socks_conf sc = { .socks = 32, .watches = 32 };
	size_t size = arena_size(&d.conf.shape);
	uint32_t i;

	ck_assert_uint_gt(size, 0);
	d.net = memory(net_size());
	d.s = memory(socks_size(&sc));
	d.arena = memory(size);
	d.frames = memory((size_t)STRIDE * FRAMES);
	for (i = 0; i < FRAMES; i++) {
		struct pkt *p = (void *)(d.frames + (size_t)i * STRIDE);

		p->room = ROOM;
		p->port = 0;
		d.pool.p[d.pool.n++] = p;
	}
	d.pool.fill = d.pool.trim = keep;
	d.env.base = (uintptr_t)d.frames - 64;
	d.env.pool = &d.pool;
	d.env.counters = d.counters;
	d.env.event = socks_event;
	d.env.arg = d.s;
	ck_assert_int_eq(socks_init(d.s, &sc, d.net), 0);
	ck_assert_int_eq(net_create(d.net, &d.conf, &d.env, d.arena, size,
	    d.now), 0);
}

static inline void
stop(void)
{
	free(d.net);
	free(d.s);
	free(d.arena);
	free(d.frames);
}

/* A turn at this time; what it sends is complete when it returns. */
static inline void
turn(uint64_t now)
{
	struct pktq *q = net_out(d.net);
	uint32_t i, mark = 0;
	bool more;

	d.now = now;
	do {
		more = net_turn(d.net, now);
		for (i = 0; i < q->n; i++) {
			struct pkt *p = q->p[i];
			struct out *o = &d.out[d.nout++ % 64];

			ck_assert_uint_eq(p->nfrag, 0);
			o->at = now;
			o->len = p->len;
			memcpy(o->b, pkt_data(p), p->len);
			mark = p->mark;
			pktpool_put(&d.pool, p);
		}
		if (q->n > 0)
			net_tx_done(d.net, mark);
		q->n = 0;
	} while (more);
}

static inline void
input(const void *b, uint32_t len)
{
	struct pkt *p = pktpool_get(&d.pool);

	ck_assert_ptr_nonnull(p);
	pkt_reset(p, PKT_HEADROOM);
	memcpy(pkt_data(p), b, len);
	p->len = len;
	p->port = 0;
	net_input(d.net, &p, 1, d.now);
	turn(d.now);
}

/* Run the timers up to the first packet, or to the limit. */
static inline uint64_t
until_out(uint64_t limit)
{
	uint64_t at;

	while (d.iout == d.nout && d.now < limit) {
		at = net_deadline(d.net);
		ck_assert_uint_gt(at, 0);
		turn(at < limit ? at : limit);
	}
	return d.now;
}

/* ---- a peer, byte by byte ---- */

struct seg {
	uint8_t flags, tos;
	uint16_t sport, dport, wnd;
	uint32_t seq, ack, len, optlen;
	uint8_t opt[40];
	uint8_t data[65536];
};

/* The connection as the peer sees it. */
struct peer {
	int family;
	uint16_t port, to;
	uint32_t seq, ack;	/* next to send, next expected */
	uint16_t wnd;
};

static inline uint32_t
sum16(uint32_t sum, const uint8_t *p, uint32_t len)
{
	uint32_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void
w16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
w32(uint8_t *p, uint32_t v)
{
	w16(p, v >> 16);
	w16(p + 2, v & 0xffff);
}

static inline uint32_t
r16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
r32(const uint8_t *p)
{
	return r16(p) << 16 | r16(p + 2);
}

static const uint8_t host6[2][16] = {
	{ 0x20, 1, 0xd, 0xb8, [15] = 1 }, { 0x20, 1, 0xd, 0xb8, [15] = 2 },
};

/* Sum over addresses, protocol and length: the same both ways. */
static inline uint32_t
pseudo(int family, const uint8_t *ip, uint32_t len)
{
	uint32_t sum = 6 + len;

	return family == 4 ? sum16(sum, ip + 12, 8) : sum16(sum, ip + 8, 32);
}

/* ECN bits of what the peer sends. */
static uint8_t peer_tos;

/* A segment from the peer, with options if optlen says so. */
static inline void
send_seg(struct peer *c, uint32_t flags, const void *data, uint32_t len,
    const uint8_t *opt, uint32_t optlen)
{
	static uint8_t b[65536];
	uint32_t hl = c->family == 4 ? 20 : 40, tl = 20 + optlen;
	uint8_t *t = b + hl;

	memset(b, 0, hl + tl);
	if (c->family == 4) {
		b[0] = 0x45;
		b[1] = peer_tos;
		w16(b + 2, hl + tl + len);
		b[8] = 64;
		b[9] = 6;
		memcpy(b + 12, (uint8_t[]){ 192, 0, 2, 2, 192, 0, 2, 1 }, 8);
		w16(b + 10, ~sum16(0, b, 20) & 0xffff);
	} else {
		b[0] = 0x60;
		b[1] = (uint8_t)(peer_tos << 4);
		w16(b + 4, tl + len);
		b[6] = 6;
		b[7] = 64;
		memcpy(b + 8, host6[1], 16);
		memcpy(b + 24, host6[0], 16);
	}
	w16(t, c->port);
	w16(t + 2, c->to);
	w32(t + 4, c->seq);
	w32(t + 8, flags & ACK ? c->ack : 0);
	t[12] = (uint8_t)(tl << 2);
	t[13] = (uint8_t)flags;
	w16(t + 14, c->wnd);
	if (optlen != 0)
		memcpy(t + 20, opt, optlen);
	if (len != 0)
		memcpy(t + tl, data, len);
	w16(t + 16, ~sum16(pseudo(c->family, b, tl + len), t, tl + len) &
	    0xffff);
	c->seq += len + ((flags & (SYN | FIN)) != 0);
	input(b, hl + tl + len);
}

static inline void
send_plain(struct peer *c, uint32_t flags, const void *data, uint32_t len)
{
	send_seg(c, flags, data, len, NULL, 0);
}

/* The next packet that the stack sent; checksums and lengths must be right. */
static inline const struct seg *
next(const struct peer *c)
{
	static struct seg s;
	const struct out *o = &d.out[d.iout % 64];
	uint32_t hl = c->family == 4 ? 20 : 40;
	const uint8_t *t = o->b + hl;

	ck_assert_uint_lt(d.iout, d.nout);
	d.iout++;
	if (c->family == 4) {
		ck_assert_uint_eq(o->b[0], 0x45);
		ck_assert_uint_eq(r16(o->b + 2), o->len);
		ck_assert_uint_eq(sum16(0, o->b, 20), 0xffff);
		ck_assert_uint_eq(o->b[9], 6);
		s.tos = o->b[1];
	} else {
		ck_assert_uint_eq(o->b[0] >> 4, 6);
		ck_assert_uint_eq(r16(o->b + 4), o->len - 40);
		ck_assert_uint_eq(o->b[6], 6);
		s.tos = (uint8_t)(r16(o->b) >> 4);
	}
	ck_assert_uint_eq(sum16(pseudo(c->family, o->b, o->len - hl), t,
	    o->len - hl), 0xffff);
	s.sport = (uint16_t)r16(t);
	s.dport = (uint16_t)r16(t + 2);
	s.seq = r32(t + 4);
	s.ack = r32(t + 8);
	s.optlen = (t[12] >> 4) * 4u - 20;
	s.flags = t[13];
	s.wnd = (uint16_t)r16(t + 14);
	s.len = o->len - hl - 20 - s.optlen;
	memcpy(s.opt, t + 20, s.optlen);
	memcpy(s.data, t + 20 + s.optlen, s.len);
	return &s;
}

static inline void
silence(void)
{
	ck_assert_uint_eq(d.nout - d.iout, 0);
}

/* What comes next is exactly this; moves the peer's view. */
static inline const struct seg *
expect(struct peer *c, uint32_t flags, uint32_t len)
{
	const struct seg *s = next(c);

	ck_assert_uint_eq(s->flags, flags);
	ck_assert_uint_eq(s->len, len);
	ck_assert_uint_eq(s->seq, c->ack);
	if (flags & ACK)
		ck_assert_uint_eq(s->ack, c->seq);
	ck_assert_uint_eq(s->dport, c->port);
	c->ack += len + ((flags & (SYN | FIN)) != 0);
	return s;
}

/* ---- shorthand for the calls ---- */

static inline struct net_addr
addr(int family, uint8_t host, uint16_t port)
{
	struct net_addr a = { .family = (uint8_t)family, .port = port };

	if (family == 4)
		memcpy(a.addr, (uint8_t[]){ 192, 0, 2, host }, 4);
	else
		memcpy(a.addr, host6[host - 1], 16);
	return a;
}

static inline int64_t
put(int h, const void *b, size_t len)
{
	struct iovec v = { (void *)(uintptr_t)b, len };
	int64_t n = sock_send(d.s, h, &v, 1, 0);

	turn(d.now);
	return n;
}

static inline int64_t
get(int h, void *b, size_t len, int flags)
{
	struct iovec v = { b, len };
	int64_t n = sock_recv(d.s, h, &v, 1, flags);

	turn(d.now);
	return n;
}

static inline int
set(int h, int level, int name, int v)
{
	return sock_setsockopt(d.s, h, level, name, &v, sizeof(v));
}

static inline int
ask(int h, int level, int name)
{
	uint32_t len = sizeof(int);
	int v = -1, err;

	err = sock_getsockopt(d.s, h, level, name, &v, &len);
	return err < 0 ? err : v;
}

static inline struct tcp_info
info(int h)
{
	struct tcp_info t;
	uint32_t len = sizeof(t);

	ck_assert_int_eq(sock_getsockopt(d.s, h, IPPROTO_TCP, TCP_INFO, &t,
	    &len), 0);
	ck_assert_uint_eq(len, sizeof(t));
	return t;
}

static inline int
listener(int family, uint16_t port, int backlog)
{
	struct net_addr a = { .port = port };
	int h = sock_open(d.s, (uint8_t)family, SOCK_STREAM);

	ck_assert_int_gt(h, 0);
	ck_assert_int_eq(sock_bind(d.s, h, &a), 0);
	ck_assert_int_eq(sock_listen(d.s, h, backlog), 0);
	return h;
}

static const uint8_t mss1460[4] = { 2, 4, 0x05, 0xb4 };

/* The peer opens a connection; rtt of the handshake in µs. */
static inline struct peer
dial(int family, uint16_t from, uint16_t to, uint64_t rtt)
{
	struct peer c = { family, from, to, 1000, 0, 65535 };

	send_seg(&c, SYN, NULL, 0, mss1460, 4);
	c.ack = next(&c)->seq + 1;
	turn(d.now + rtt);
	send_plain(&c, ACK, NULL, 0);
	return c;
}

/* A connection accepted on a listener that is closed behind it. */
static inline int
accepted(struct peer *c, uint64_t rtt)
{
	int l = listener(4, 80, 8), h;

	*c = dial(4, 40000, 80, rtt);
	h = sock_accept(d.s, l, NULL);
	ck_assert_int_gt(h, 0);
	ck_assert_int_eq(sock_close(d.s, l), 0);
	silence();
	return h;
}

#endif
