/*
 * TCP: two stacks, joined in memory by a link that delays, loses, duplicates
 * and reorders, move megabytes both ways. One seed decides everything.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../lib/plain.h"
#include "../../secondary/net/tcp_priv.h"

#define PORT		7
#define FLIGHT		2048u
#define MS		UINT64_C(1000)
#define SEC		UINT64_C(1000000)

struct setting {
	const char *name;
	uint32_t bytes;		/* each way */
	uint32_t loss;		/* per 10,000 */
	uint32_t dup, reorder;
	uint32_t delay_us;
	bool timestamps, sack;
	uint8_t cc;
	uint32_t rcvbuf;
	uint32_t limit_s;	/* of virtual time */
};

struct frame {
	uint64_t at;
	uint32_t len, to;
	uint8_t data[PLAIN_FRAME];
};

struct end {
	struct plain s;
	uint32_t sent, got, bytes;
	uint8_t salt;
	bool eof, gone;
	int error;
};

static struct end ends[2];
static struct frame air[FLIGHT];
static uint32_t nair;
static uint64_t rnd, now;
static const struct setting *set;

static uint32_t
roll(uint32_t n)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (uint32_t)(rnd >> 32) % n;
}

static uint8_t
byte_at(const struct end *e, uint32_t i)
{
	return (uint8_t)((i * 2654435761u >> 24) + e->salt);
}

/* Write as much as fits; pieces of all sizes. */
static void
feed(struct end *e, struct conn *c)
{
	uint8_t buf[5000];
	uint32_t i, len, done;

	while (e->sent < e->bytes) {
		len = 1 + roll(sizeof(buf));
		if (len > e->bytes - e->sent)
			len = e->bytes - e->sent;
		for (i = 0; i < len; i++)
			buf[i] = byte_at(e, e->sent + i);
		done = conn_write(e->s.net, c, buf, len);
		e->sent += done;
		if (done < len) {
			conn_want_room(e->s.net, c, 4096);
			return;
		}
	}
	conn_shutdown(e->s.net, c);
}

static void
drink(struct end *e, struct conn *c)
{
	const struct end *other = &ends[e == &ends[0]];
	const uint8_t *p;
	uint32_t k, i;

	while ((k = conn_peek(e->s.net, c, 0, &p)) != 0) {
		for (i = 0; i < k && p[i] == byte_at(other, e->got + i); i++)
			continue;
		ck_assert_uint_eq(i, k);
		conn_consume(e->s.net, c, k);
		e->got += k;
	}
}

static void
event(void *arg, struct conn *c, uint32_t ev)
{
	struct end *e = arg;

	if ((ev & (CONN_OPEN | CONN_WRITE)) != 0)
		feed(e, c);
	if ((ev & (CONN_READ | CONN_GONE)) != 0)
		drink(e, c);
	e->eof |= conn_eof(c);
	if ((ev & CONN_GONE) != 0) {
		e->gone = true;
		e->error = conn_error(c);
	}
}

static void
fly(uint32_t to, const uint8_t *data, uint32_t len)
{
	struct frame *f;

	if (nair == FLIGHT)
		return;
	f = &air[nair++];
	f->at = now + set->delay_us;
	if (roll(10000) < set->reorder)
		f->at += roll(set->delay_us);
	f->to = to;
	f->len = len;
	memcpy(f->data, data, len);
}

/* A turn of one end; what it sends takes to the air. */
static void
turn(uint32_t i)
{
	static struct plain_box in, out;
	uint32_t k;

	atomic_store(&in.n, 0);
	plain_turn(&ends[i].s, &in, &out, now);
	for (k = 0; k < out.n; k++) {
		if (roll(10000) < set->loss)
			continue;
		fly(1 - i, out.data[k], out.len[k]);
		if (roll(10000) < set->dup)
			fly(1 - i, out.data[k], out.len[k]);
	}
}

/* Deliver what has arrived, in order of arrival. */
static void
land(void)
{
	struct pkt *p;
	uint32_t i, best;

	for (;;) {
		best = nair;
		for (i = 0; i < nair; i++)
			if (air[i].at <= now && (best == nair ||
			    air[i].at < air[best].at))
				best = i;
		if (best == nair)
			return;
		p = plain_receive(&ends[air[best].to].s, air[best].data,
		    air[best].len);
		if (p != NULL)
			net_input(ends[air[best].to].s.net, &p, 1, now);
		memmove(&air[best], &air[best + 1],
		    (nair - best - 1) * sizeof(air[0]));
		nair--;
	}
}

static uint64_t
next_time(void)
{
	uint64_t t = UINT64_MAX, d;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		d = net_deadline(ends[i].s.net);
		t = d < t ? d : t;
	}
	for (i = 0; i < nair; i++)
		t = air[i].at < t ? air[i].at : t;
	return t;
}

static void
make(uint32_t i)
{
	struct end *e = &ends[i];

	memset(e, 0, sizeof(*e));
	plain_conf(&e->s, (uint8_t)(i + 1), 4);
	e->s.conf.timestamps = set->timestamps;
	e->s.conf.sack = set->sack;
	e->s.conf.cc = set->cc;
	e->s.conf.timewait_us = 1000000;
	e->s.conf.rx_hold_max = PLAIN_FRAMES / 2;
	if (set->rcvbuf != 0)
		e->s.conf.rcvbuf = e->s.conf.rcvbuf_max = set->rcvbuf;
	e->s.env.event = event;
	e->s.env.arg = e;
	e->salt = (uint8_t)(i * 77);
	e->bytes = set->bytes;
	plain_init(&e->s, now);
}

static void
check_end(const struct end *e)
{
	const char *why = plain_count(&ends[e - ends].s);

	ck_assert_msg(e->gone, "%s: not over: sent %u got %u", set->name,
	    e->sent, e->got);
	ck_assert_int_eq(e->error, 0);
	ck_assert_uint_eq(e->got, set->bytes);
	ck_assert(e->eof);
	ck_assert_msg(why == NULL, "%s: %s", set->name, why);
	ck_assert_uint_eq(e->s.net->nconns, 0);
	ck_assert_uint_eq(e->s.net->rx_held, 0);
}

static void
move(const struct setting *s, uint64_t seed)
{
	struct net_addr any = { .port = PORT }, to = { { 10, 0, 0, 1 },
	    .port = PORT, .family = 4 };
	struct conn *c;
	uint64_t start, t;

	set = s;
	rnd = seed * 0x9e3779b97f4a7c15u + 1;
	now = start = 5000 * SEC;
	nair = 0;
	make(0);
	make(1);
	ck_assert_int_eq(net_listen(ends[0].s.net, &any), 0);
	ck_assert_int_eq(net_connect(ends[1].s.net, NULL, &to, now, &c), 0);
	while (!(ends[0].gone && ends[1].gone) &&
	    now - start < s->limit_s * SEC) {
		land();
		turn(0);
		turn(1);
		t = next_time();
		if (t == UINT64_MAX)
			break;
		now = t > now ? t : now;
	}
	if (getenv("VERBOSE") != NULL)
		fprintf(stderr, "%-10s seed %lu: %lu ms, retrans %lu/%lu rto %lu/%lu "
		    "fast %lu spurious %lu tlp %lu\n", s->name,
		    (unsigned long)seed, (unsigned long)((now - start) / MS),
		    (unsigned long)ends[0].s.counters[CNT_tcp_retrans],
		    (unsigned long)ends[1].s.counters[CNT_tcp_retrans],
		    (unsigned long)ends[0].s.counters[CNT_tcp_rto],
		    (unsigned long)ends[1].s.counters[CNT_tcp_rto],
		    (unsigned long)ends[0].s.counters[CNT_tcp_fast_retrans],
		    (unsigned long)ends[0].s.counters[CNT_tcp_spurious],
		    (unsigned long)ends[0].s.counters[CNT_tcp_tlp]);
	check_end(&ends[0]);
	check_end(&ends[1]);
	plain_fini(&ends[0].s);
	plain_fini(&ends[1].s);
}

static const struct setting settings[] = {
	{ "clean", 4000000, 0, 0, 0, 2000, true, true, NET_CC_CUBIC, 0, 100 },
	{ "loss1", 2000000, 100, 0, 0, 5000, true, true, NET_CC_CUBIC, 0,
	    300 },
	{ "loss10", 300000, 1000, 0, 0, 5000, true, true, NET_CC_CUBIC, 0,
	    900 },
	{ "reorder", 1000000, 50, 100, 2000, 5000, true, true, NET_CC_CUBIC,
	    0, 300 },
	{ "no sack", 1000000, 100, 50, 200, 5000, true, false, NET_CC_NEWRENO,
	    0, 600 },
	{ "no ts", 1000000, 100, 50, 200, 5000, false, true, NET_CC_CUBIC, 0,
	    600 },
	{ "bare", 500000, 200, 50, 200, 5000, false, false, NET_CC_NEWRENO, 0,
	    900 },
	{ "narrow", 300000, 100, 0, 100, 3000, true, true, NET_CC_CUBIC, 4096,
	    600 },
	{ "empty", 0, 2000, 500, 1000, 3000, true, true, NET_CC_CUBIC, 0,
	    600 },
	{ "one", 1, 2000, 500, 1000, 3000, true, true, NET_CC_CUBIC, 0, 600 },
};

/* Every byte arrives once and in order, both sides see the end, and nothing
 * stays behind, whatever the link does (RFC 9293 §1). */
START_TEST(streams_arrive_whole)
{
	uint32_t i, n = (uint32_t)(sizeof(settings) / sizeof(settings[0]));

	for (i = 0; i < n; i++)
		move(&settings[i], (uint64_t)_i + 1);
}
END_TEST

static Suite *
suite(void)
{
	const char *seeds = getenv("SEEDS");
	Suite *s = suite_create("tcp_two");
	TCase *t = tcase_create("streams");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, streams_arrive_whole, 0,
	    seeds != NULL ? (int)strtol(seeds, NULL, 10) : 4);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
