/*
 * The straight paths (tcp_straight(), ip4_straight()) do what the long ones do:
 * two servers get the same segments, one of them in a shape that the straight
 * paths do not take, and they answer byte for byte the same and keep the same
 * records.
 */
#include <check.h>

#include "../lib/plain.h"
#include "../../secondary/net/base.h"
#include "../../secondary/net/tcp_priv.h"

#define CONNS	8u
#define STEPS	4000u
#define PORT	80u
#define WSCALE	2u

/* A client's end. */
struct end {
	uint32_t seq, ack, tsecr;
	bool open;
};

/* One server, and its service's choices. */
struct side {
	struct plain s;
	uint64_t rnd;
};

static struct side side[2];
static struct end end[CONNS];
static uint64_t rnd_state, now;
static uint32_t straight;	/* frames that the straight path took */
static const uint8_t client_mac[6] = { 2, 0, 0, 0, 0, 1 };

static uint32_t
rnd(uint64_t *s, uint32_t below)
{
	*s = *s * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)((*s >> 33) % below);
}

/* Reads and answers by turns that both servers take alike. */
static void
event(void *arg, struct conn *c, uint32_t ev)
{
	static const uint8_t text[3000];
	struct side *me = arg;
	struct net *n = me->s.net;
	uint32_t how;

	if (ev & CONN_GONE)
		return;
	how = rnd(&me->rnd, 8);
	if (how == 0)
		return;		/* it stays unread for now */
	if (how == 1)
		conn_consume(n, c, conn_readable(c) / 2);
	else
		conn_consume(n, c, conn_readable(c));
	if (how == 2)
		conn_write(n, c, text, 1 + rnd(&me->rnd, 3000));
	else if (how > 3)
		conn_write(n, c, text, 1 + rnd(&me->rnd, 300));
	if (how == 7)
		conn_timer(n, c, now + rnd(&me->rnd, 100000));
}

static void
start(struct side *me, uint64_t seed, bool sack)
{
	static const uint8_t peer[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	struct net_addr any = { .port = PORT };

	plain_conf(&me->s, 2, 2 * CONNS);
	me->s.conf.port[0].caps = NET_CAP_RX_CSUM | NET_CAP_TX_IPCSUM |
	    NET_CAP_TX_L4CSUM | NET_CAP_FRAGS;
	me->s.conf.sack = sack;
	me->s.conf.rcvbuf = me->s.conf.rcvbuf_max = 20000;
	me->s.env.event = event;
	me->s.env.arg = me;
	plain_init(&me->s, now);
	me->rnd = seed;
	neigh_learn(me->s.net, 0, peer, client_mac, true);
	ck_assert_int_eq(net_listen(me->s.net, &any), 0);
}

/* Ethernet, IPv4 and TCP headers of hlen bytes before len bytes of payload;
 * returns TCP's. */
static uint8_t *
headers(uint8_t *f, uint32_t i, uint8_t flags, uint32_t hlen, uint32_t len)
{
	uint8_t *t = f + 34;

	memset(f, 0, 34 + hlen + len);
	memcpy(f, side[0].s.conf.port[0].mac, 6);
	memcpy(f + 6, client_mac, 6);
	wr16(f + 12, ETH_P_IP4);
	f[14] = 0x45;
	wr16(f + 16, (uint16_t)(20 + hlen + len));
	f[22] = 64;
	f[23] = PROTO_TCP;
	memcpy(f + 26, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	wr16(t, (uint16_t)(5000 + i));
	wr16(t + 2, PORT);
	t[12] = (uint8_t)(hlen << 2);
	t[13] = flags;
	return t;
}

static void
receive(uint32_t k, const uint8_t *f, uint32_t len)
{
	struct net *n = side[k].s.net;
	struct pkt *p = plain_receive(&side[k].s, f, len);

	ck_assert_ptr_nonnull(p);
	p->flags = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK;
	net_time(n, now);
	if (tcp_straight(n, p)) {
		ck_assert_uint_eq(k, 0);
		straight++;
		return;
	}
	net_input(n, &p, 1, now);
}

static void
syn(uint32_t i)
{
	uint8_t f[128], *t = headers(f, i, TH_SYN, 40, 0);

	end[i].seq = 1000 * i;
	wr32(t + 4, end[i].seq++);
	wr16(t + 14, 65535);
	memcpy(t + 20, (uint8_t[]){ 2, 4, 5, 0xb4, 4, 2, 8, 10 }, 8);
	wr32(t + 28, (uint32_t)(now / 1000));
	memcpy(t + 36, (uint8_t[]){ 1, 3, 3, WSCALE }, 4);
	receive(0, f, 74);
	receive(1, f, 74);
}

/* The same segment for both; the second with its options in an order of which
 * the straight path knows nothing. */
static void
segment(uint32_t i, uint8_t flags, uint32_t seq, uint32_t len, uint16_t wnd)
{
	uint8_t f[1600], *t = headers(f, i, flags, 32, len);

	wr32(t + 4, seq);
	wr32(t + 8, end[i].ack);
	wr16(t + 14, wnd);
	memcpy(t + 20, (uint8_t[]){ 1, 1, 8, 10 }, 4);
	wr32(t + 24, (uint32_t)(now / 1000));
	wr32(t + 28, end[i].tsecr);
	receive(0, f, 66 + len);
	memmove(t + 20, t + 22, 10);
	memset(t + 30, 1, 2);
	receive(1, f, 66 + len);
}

/* What a client does next: mostly what is in order. */
static void
client(uint32_t i)
{
	struct end *e = &end[i];
	uint32_t how = rnd(&rnd_state, 16), len = 1 + rnd(&rnd_state, 400);
	uint16_t wnd = (uint16_t)(rnd(&rnd_state, 8) == 0 ?
	    rnd(&rnd_state, 3000) : 20000);

	if (!e->open) {
		syn(i);
		return;
	}
	if (how == 0) {			/* again */
		segment(i, TH_ACK, e->seq - len, len, wnd);
	} else if (how == 1) {		/* a hole, filled at once or later */
		segment(i, TH_ACK, e->seq + len, len, wnd);
		if (rnd(&rnd_state, 2) == 0)
			return;
		segment(i, TH_ACK, e->seq, len, wnd);
		e->seq += 2 * len;
	} else if (how < 5) {
		segment(i, TH_ACK, e->seq, 0, wnd);
	} else {
		if (how == 5)
			len = 1448;
		segment(i, TH_ACK | (how & 1 ? TH_PSH : 0), e->seq, len, wnd);
		e->seq += len;
	}
}

static uint32_t
flat(const struct side *me, const struct pkt *p, uint8_t *to)
{
	uint32_t i, n = p->len;

	memcpy(to, pkt_data(p), n);
	for (i = 0; i < p->nfrag; n += p->frag[i++].len)
		memcpy(to + n, (const void *)(me->s.env.base +
		    (uintptr_t)p->frag[i].off), p->frag[i].len);
	return n;
}

/* The client takes what comes; sometimes it says so only later. */
static void
client_input(const uint8_t *f, uint32_t len)
{
	uint32_t i = rd16(f + 36) - 5000u, hlen, n;
	const uint8_t *t = f + 34;
	struct end *e = &end[i];

	ck_assert_uint_lt(i, CONNS);
	hlen = (t[12] >> 4) * 4u;
	n = len - 34 - hlen;
	e->tsecr = rd32(t + (t[13] & TH_SYN ? 28 : 24));
	if (t[13] & TH_SYN) {
		e->ack = rd32(t + 4) + 1;
		e->open = true;
	} else if (rd32(t + 4) == e->ack) {
		e->ack += n;
	}
}

/* The k-th server's next frame of connection i from *at on, or NULL. */
static struct pkt *
next_of(uint32_t k, uint32_t i, uint32_t *at)
{
	const struct pktq *q = net_out(side[k].s.net);

	while (*at < q->n) {
		struct pkt *p = q->p[(*at)++];
		const uint8_t *f = pkt_data(p);

		if (rd16(f + 12) == ETH_P_IP4 && rd16(f + 36) == 5000 + i)
			return p;
	}
	return NULL;
}

/* The two servers' frames of one connection; the order among several that
 * have something due is free. */
static void
same_frames(uint32_t i)
{
	static uint8_t f[2][70000];
	uint32_t at[2] = { 0, 0 }, len;
	struct pkt *p, *q;

	while ((p = next_of(0, i, &at[0])) != NULL) {
		q = next_of(1, i, &at[1]);
		ck_assert_ptr_nonnull(q);
		/* frames are numbered per port, in their order */
		len = flat(&side[0], p, f[0]);
		ck_assert_uint_eq(flat(&side[1], q, f[1]), len);
		memcpy(f[1] + 18, f[0] + 18, 2);
		ck_assert_mem_eq(f[0], f[1], len);
		ck_assert_uint_eq(p->flags, q->flags);
		ck_assert_uint_eq(p->l2_len, q->l2_len);
		ck_assert_uint_eq(p->l3_len, q->l3_len);
		ck_assert_uint_eq(p->l4_len, q->l4_len);
		client_input(f[0], len);
	}
	ck_assert_ptr_null(next_of(1, i, &at[1]));
}

static void
same_output(void)
{
	struct pktq *q;
	uint32_t i, k;

	for (k = 0; k < 2; k++) {
		net_advance(side[k].s.net, now, 64);
		net_events(side[k].s.net, now, 64);
		net_output(side[k].s.net, now);
	}
	for (i = 0; i < CONNS; i++)
		same_frames(i);
	for (k = 0; k < 2; k++) {
		q = net_out(side[k].s.net);
		net_tx_done(side[k].s.net, net_tx_mark(side[k].s.net));
		for (i = 0; i < q->n; i++)
			pktpool_put(&side[k].s.pool, q->p[i]);
		q->n = 0;
	}
}

/* All but the names of frames and chunks. */
static void
same_records(void)
{
	struct conn c[2];
	uint32_t i, k;

	for (i = 0; i < 2 * CONNS; i++) {
		for (k = 0; k < 2; k++) {
			c[k] = *conn_at(side[k].s.net, i);
			c[k].rq_head = c[k].rq_tail = c[k].ofo = 0;
			c[k].sq_head = c[k].sq_tail = c[k].sq_next = 0;
			c[k].ext = c[k].ext == ARENA_NONE;
			c[k].rec.wnext = c[k].rec.wprev = 0;
		}
		for (k = 0; k < sizeof(c[0]) &&
		    ((uint8_t *)&c[0])[k] == ((uint8_t *)&c[1])[k]; k++)
			;
		ck_assert_msg(k == sizeof(c[0]), "record %u differs from byte "
		    "%u on", i, k);
	}
}

START_TEST(straight_paths_do_the_same)
{
	uint32_t step;

	memset(end, 0, sizeof(end));
	now = 1000000000;
	rnd_state = (uint64_t)_i;
	straight = 0;
	start(&side[0], (uint64_t)_i, _i % 2 == 0);
	start(&side[1], (uint64_t)_i, _i % 2 == 0);
	side[1].s.net->port[0].to_us = UINT64_MAX;
	side[1].s.net->port[0].straight = 0;
	for (step = 0; step < STEPS; step++) {
		now += rnd(&rnd_state, 4) == 0 ? rnd(&rnd_state, 60000) : 100;
		client(rnd(&rnd_state, CONNS));
		/* one connection at a time: the order of several is free */
		same_output();
		same_records();
	}
	ck_assert_uint_gt(straight, STEPS / 4);
	plain_fini(&side[0].s);
	plain_fini(&side[1].s);
}
END_TEST

/* A flow is noted for as long as its connection is the one that is found. */
START_TEST(a_freed_connection_is_not_found_by_its_flow)
{
	uint32_t hash, id;
	struct tuple t;

	memset(end, 0, sizeof(end));
	now = 1000000000;
	start(&side[0], 1, true);
	start(&side[1], 1, true);
	side[1].s.net->port[0].to_us = UINT64_MAX;
	client(0);
	same_output();
	client(0);
	same_output();
	for (id = 0; side[0].s.net->flow[id].id == 0; id++)
		ck_assert_uint_lt(id + 1, FLOWS);
	id = side[0].s.net->flow[id].id - 1;
	t = conn_at(side[0].s.net, id)->t;
	ck_assert_uint_eq(lookup_flow(side[0].s.net, &t, &hash), id);
	conn_abort(side[0].s.net, conn_at(side[0].s.net, id));
	hands_set(side[0].s.net, id);
	tcp_free(side[0].s.net, conn_at(side[0].s.net, id));
	hands_clear(side[0].s.net);
	ck_assert_uint_eq(lookup_flow(side[0].s.net, &t, &hash), ARENA_NONE);
	plain_fini(&side[0].s);
	plain_fini(&side[1].s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tcp_straight");
	TCase *t = tcase_create("tcp_straight");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, straight_paths_do_the_same, 0, 8);
	tcase_add_test(t, a_freed_connection_is_not_found_by_its_flow);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
