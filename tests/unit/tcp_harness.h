/*
 * tcp_harness: one stack against a peer that the test plays, segment by
 * segment. The stack is 10.0.0.1, the peer 10.0.0.2; time stands still but
 * for h_tick().
 *
 * Header only, so that each test program stays one file.
 */
#ifndef TESTS_TCP_HARNESS_H
#define TESTS_TCP_HARNESS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../lib/plain.h"
#include "../../secondary/net/tcp_priv.h"

#define H_PORT		80
#define H_PEER_PORT	40000
#define H_OUT		512u

#define MS		UINT64_C(1000)
#define SEC		UINT64_C(1000000)

/* A segment that the stack sent. */
struct h_seg {
	uint16_t sport, dport;
	struct tcp_seg_in s;
	uint32_t optlen, framelen;
	uint8_t opts[40];
	uint8_t tos;
	uint8_t data[2048];
};

/* Both ends as the test sees them. */
struct h {
	struct plain s;
	uint64_t now;
	/* what the stack sent and the test has not looked at */
	struct h_seg out[H_OUT];
	uint32_t nout, iout;
	/* the peer */
	uint16_t sport, dport;	/* peer's, ours */
	uint32_t seq, ack;	/* next to send, next expected */
	uint16_t wnd;
	uint8_t ourscale;	/* shift of the stack's windows */
	bool ts;
	uint32_t tsval, tsecr;
	/* the service */
	uint32_t events;	/* of all calls since cleared */
	uint32_t calls;
	struct conn *c;		/* of the last event */
	int error;		/* of the last CONN_GONE */
	bool keep;		/* do not consume */
	uint8_t got[1 << 16];	/* what was consumed */
	uint32_t ngot;
	bool eof;
	void	(*hook)(struct h *, struct conn *, uint32_t events);
	/* on its way: instead of giving it to the stack, see h_frame() */
	bool aside;
	uint8_t frame[2048];
	uint32_t framelen;
};

static inline void
h_event(void *arg, struct conn *c, uint32_t ev)
{
	struct h *h = arg;
	uint32_t len;

	h->events |= ev;
	h->calls++;
	h->c = c;
	if ((ev & CONN_GONE) != 0)
		h->error = conn_error(c);
	if (h->hook != NULL)
		h->hook(h, c, ev);
	if (!h->keep && (ev & CONN_READ) != 0) {
		len = conn_readable(c);
		ck_assert_uint_le(h->ngot + len, sizeof(h->got));
		h->ngot += conn_copy(h->s.net, c, 0, h->got + h->ngot, len);
		conn_consume(h->s.net, c, len);
	}
	h->eof = conn_eof(c);
}

static inline uint16_t
h_csum(const uint8_t *p, uint32_t len, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len & 1)
		sum += (uint32_t)(p[len - 1] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline uint32_t
h_pseudo(const uint8_t *ip, uint32_t len)
{
	uint32_t i, sum = 6 + len;

	for (i = 12; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	return sum;
}

/* The stack asks who the peer is. */
static inline void
h_answer_arp(struct h *h)
{
	static const uint8_t reply[42] = { 2, 0, 0, 0, 0, 1,
	    2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2,
	    2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1 };
	struct pkt *p = plain_receive(&h->s, reply, sizeof(reply));

	ck_assert_ptr_nonnull(p);
	net_input(h->s.net, &p, 1, h->now);
}

/* Take what the stack sent; every checksum and length is looked at. */
static inline void
h_collect(struct h *h)
{
	static struct plain_box box;
	struct h_seg *o;
	const uint8_t *ip, *t;
	uint32_t i, total, hlen;
	bool arp = false;

	plain_send(&h->s, &box);
	for (i = 0; i < box.n; i++) {
		ip = box.data[i] + 14;
		arp |= box.data[i][13] == 6 && memcmp(ip + 24,
		    "\x0a\0\0\x02", 4) == 0;
		if (box.data[i][12] != 8 || box.data[i][13] != 0 || ip[9] != 6)
			continue;
		total = get_be16(ip + 2);
		ck_assert_uint_eq(total + 14, box.len[i]);
		ck_assert_uint_eq(h_csum(ip, 20, 0), 0);
		t = ip + 20;
		ck_assert_uint_eq(h_csum(t, total - 20,
		    h_pseudo(ip, total - 20)), 0);
		ck_assert_uint_lt(h->nout, H_OUT);
		o = &h->out[h->nout++];
		memset(o, 0, sizeof(*o));
		o->sport = get_be16(t);
		o->dport = get_be16(t + 2);
		ck_assert(tcp_parse(&o->s, t, total - 20));
		hlen = o->s.off;
		o->optlen = hlen - 20;
		o->framelen = total;
		o->tos = ip[1];
		memcpy(o->opts, t + 20, o->optlen);
		memcpy(o->data, t + hlen, o->s.len);
	}
	if (arp) {
		h_answer_arp(h);
		h_collect(h);
	}
}

/* Frames in; nothing else is run. */
static inline void
h_frame(struct h *h, const uint8_t *f, uint32_t len)
{
	struct pkt *p;

	if (h->aside) {
		memcpy(h->frame, f, len);
		h->framelen = len;
		return;
	}
	p = plain_receive(&h->s, f, len);
	ck_assert_ptr_nonnull(p);
	net_input(h->s.net, &p, 1, h->now);
	h_collect(h);
}

/* The rest of a turn. */
static inline void
h_run(struct h *h)
{
	while (net_advance(h->s.net, h->now, 64) > 0)
		continue;
	net_events(h->s.net, h->now, 64);
	net_output(h->s.net, h->now);
	h_collect(h);
}

static inline void
h_tick(struct h *h, uint64_t us)
{
	h->now += us;
	h_run(h);
}

/* A segment of the peer's with any options (a multiple of 4 bytes). */
static inline void
h_send_opts(struct h *h, uint8_t flags, const uint8_t *opts, uint32_t optlen,
    const void *data, uint32_t len)
{
	uint8_t f[2048] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
	uint8_t *ip = f + 14, *t = ip + 20;
	uint32_t tlen = 20 + optlen + len;

	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(20 + tlen));
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	put_be16(ip + 10, h_csum(ip, 20, 0));
	put_be16(t, h->sport);
	put_be16(t + 2, h->dport);
	put_be32(t + 4, h->seq);
	put_be32(t + 8, flags & TH_ACK ? h->ack : 0);
	t[12] = (uint8_t)((20 + optlen) << 2);
	t[13] = flags;
	put_be16(t + 14, h->wnd);
	if (optlen != 0)
		memcpy(t + 20, opts, optlen);
	if (len != 0)
		memcpy(t + 20 + optlen, data, len);
	put_be16(t + 16, h_csum(t, tlen, h_pseudo(ip, tlen)));
	h_frame(h, f, 34 + tlen);
}

/* A segment with the options the connection agreed on; the peer's sequence
 * number moves on by itself only where the test says so. */
static inline void
h_send(struct h *h, uint8_t flags, const void *data, uint32_t len)
{
	uint8_t o[12] = { 1, 1, 8, 10 };

	put_be32(o + 4, h->tsval);
	put_be32(o + 8, h->tsecr);
	h_send_opts(h, flags, o, h->ts ? 12 : 0, data, len);
}

/* A segment with SACK blocks behind the timestamp. */
static inline void
h_sack(struct h *h, const struct range *r, uint32_t n)
{
	uint8_t o[40] = { 1, 1, 8, 10 };
	uint32_t i, at = h->ts ? 12 : 0;

	put_be32(o + 4, h->tsval);
	put_be32(o + 8, h->tsecr);
	o[at] = o[at + 1] = 1;
	o[at + 2] = 5;
	o[at + 3] = (uint8_t)(2 + 8 * n);
	for (i = 0; i < n; i++) {
		put_be32(o + at + 4 + 8 * i, r[i].start);
		put_be32(o + at + 8 + 8 * i, r[i].end);
	}
	h_send_opts(h, TH_ACK, o, at + 4 + 8 * n, NULL, 0);
}

/* The next segment that the stack sent, NULL: none. */
static inline struct h_seg *
h_next(struct h *h)
{
	if (h->iout == h->nout) {
		h->iout = h->nout = 0;
		return NULL;
	}
	return &h->out[h->iout++];
}

/* It must have sent one with just these flags; PSH counts as part of ACK. */
static inline struct h_seg *
h_expect(struct h *h, uint8_t flags)
{
	struct h_seg *o = h_next(h);

	ck_assert_ptr_nonnull(o);
	ck_assert_uint_eq(o->s.flags & ~TH_PSH, flags);
	if (o->s.ts)
		h->tsecr = o->s.tsval;
	return o;
}

static inline void
h_expect_none(struct h *h)
{
	struct h_seg *o = h_next(h);

	ck_assert_msg(o == NULL, "sent flags %x seq %u len %u",
	    o->s.flags, o->s.seq, o->s.len);
}

/* Forget what was sent. */
static inline void
h_drain(struct h *h)
{
	h->iout = h->nout = 0;
}

/* Let time pass from deadline to deadline until something is sent or the
 * service is called; returns how long that took, UINT64_MAX: nothing is to
 * come. */
static inline uint64_t
h_wait(struct h *h)
{
	uint64_t start = h->now, next;
	uint32_t calls = h->calls;

	h_run(h);
	while (h->iout == h->nout && h->calls == calls) {
		next = net_deadline(h->s.net);
		if (next == UINT64_MAX)
			return next;
		ck_assert_uint_ge(next, h->now);
		h->now = next;
		h_run(h);
	}
	return h->now - start;
}

/* A stack that listens on H_PORT; conf may be changed in between. */
static inline void
h_conf(struct h *h)
{
	memset(h, 0, sizeof(*h));
	plain_conf(&h->s, 1, 16);
	h->now = 1000 * SEC;
	h->wnd = 65535;
	h->sport = H_PEER_PORT;
	h->dport = H_PORT;
	h->seq = 1000;
	h->tsval = 5000;
}

static inline void
h_start(struct h *h)
{
	struct net_addr any = { .port = H_PORT };
	uint8_t arp[42] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6,
	    0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2,
	    0, 0, 0, 0, 0, 0, 10, 0, 0, 1 };

	h->s.env.event = h_event;
	h->s.env.arg = h;
	plain_init(&h->s, h->now);
	ck_assert_int_eq(net_listen(h->s.net, &any), 0);
	/* the peer is known from now on */
	h_frame(h, arp, sizeof(arp));
	h_run(h);
	h_drain(h);
}

static inline void
h_init(struct h *h)
{
	h_conf(h);
	h_start(h);
}

/* The end of a test: every frame and chunk is where it must be. */
static inline void
h_fini(struct h *h)
{
	const char *why = plain_count(&h->s);

	ck_assert_msg(why == NULL, "%s", why);
	plain_fini(&h->s);
}

static inline uint64_t
h_count(const struct h *h, enum counter k)
{
	return atomic_load(&h->s.counters[k]);
}

/* SYN with Linux's options; all: with window scale 7, SACK and timestamps. */
static inline void
h_syn(struct h *h, uint8_t flags, bool all)
{
	uint8_t o[20] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0,
	    1, 3, 3, 7 };

	put_be32(o + 8, h->tsval);
	put_be32(o + 12, h->tsecr);
	h_send_opts(h, flags, o, all ? 20 : 4, NULL, 0);
}

/* A whole handshake by the peer; h->c is the connection afterwards. */
static inline void
h_open(struct h *h, bool all)
{
	struct h_seg *o;

	h_syn(h, TH_SYN, all);
	h_run(h);
	o = h_expect(h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->s.ack, h->seq + 1);
	h->seq++;
	h->ack = o->s.seq + 1;
	h->ts = o->s.ts;
	h->ourscale = o->s.wscale == TCP_WSCALE_NONE ? 0 : o->s.wscale;
	if (all)
		h->wnd = 65535 >> 7 << 2;	/* 262,144 bytes or so */
	h->now += 10 * MS;
	h_send(h, TH_ACK, NULL, 0);
	h_run(h);
	ck_assert(h->events & CONN_OPEN);
	h_expect_none(h);
	h->events = h->calls = 0;
}

/* Payload of the peer's, in order. */
static inline void
h_data(struct h *h, const void *data, uint32_t len)
{
	h_send(h, TH_ACK | TH_PSH, data, len);
	h->seq += len;
}

/* The peer acknowledges all it has seen up to ack. */
static inline void
h_ack(struct h *h, uint32_t ack)
{
	h->ack = ack;
	h_send(h, TH_ACK, NULL, 0);
}

/* Bytes that are the same wherever they come from. */
static inline void
h_fill(uint8_t *p, uint32_t from, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)((from + i) * 2654435761u >> 24);
}

/* The service writes len bytes outside of an event, as the test's doing. */
static inline uint32_t
h_write(struct h *h, uint32_t len)
{
	static uint8_t buf[1 << 20];
	uint32_t id = conn_id(h->s.net, h->c), done;

	ck_assert_uint_le(len, sizeof(buf));
	h_fill(buf, 0, len);
	hands_set(h->s.net, id);
	done = conn_write(h->s.net, h->c, buf, len);
	hands_clear(h->s.net);
	return done;
}

#define H_SERVICE(h, call) do {						\
	hands_set((h)->s.net, conn_id((h)->s.net, (h)->c));		\
	call;								\
	hands_clear((h)->s.net);					\
	ready_put((h)->s.net, (h)->c);		\
} while (0)

static inline int
h_main(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
