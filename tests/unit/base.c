/* Indexes and hashes of the stack against slow references. */
#include <check.h>
#include <stdlib.h>

#include "../../common/toeplitz.h"
#include "../lib/plain.h"

static uint64_t rng = 88172645463325252u;

static uint32_t
rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 16);
}

/* ---- Toeplitz ---- */

static const uint8_t ms_key[TOEPLITZ_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* Microsoft, "Verifying the RSS hash calculation": IPv4 with ports. */
START_TEST(toeplitz_gives_the_published_hashes)
{
	static const struct {
		uint8_t in[TOEPLITZ_V4];
		uint32_t hash;
	} row[] = {
		{ { 66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06,
		    0xe6 }, 0x51ccc178 },
		{ { 199, 92, 111, 2, 65, 69, 140, 83, 0x37, 0x96, 0x12,
		    0x83 }, 0xc626b0ea },
	};
	static struct toeplitz tz;
	uint32_t src, dst, ports;
	size_t i;

	toeplitz_init(&tz, ms_key);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		ck_assert_uint_eq(toeplitz_ref(ms_key, row[i].in, 12),
		    row[i].hash);
		ck_assert_uint_eq(toeplitz_hash(&tz, row[i].in, 12),
		    row[i].hash);
		memcpy(&src, row[i].in, 4);
		memcpy(&dst, row[i].in + 4, 4);
		memcpy(&ports, row[i].in + 8, 4);
		ck_assert_uint_eq(toeplitz_v4(&tz, src, dst, ports),
		    row[i].hash);
	}
}
END_TEST

START_TEST(toeplitz_tables_agree_with_the_definition)
{
	static struct toeplitz tz;
	uint8_t in[TOEPLITZ_V6];
	uint32_t i, k;

	toeplitz_init(&tz, ms_key);
	for (i = 0; i < 200; i++) {
		for (k = 0; k < sizeof(in); k++)
			in[k] = (uint8_t)rnd();
		ck_assert_uint_eq(toeplitz_hash(&tz, in, sizeof(in)),
		    toeplitz_ref(ms_key, in, sizeof(in)));
	}
}
END_TEST

/* ---- SipHash ---- */

START_TEST(siphash_depends_on_key_length_and_every_bit)
{
	uint64_t key[2] = { 1, 2 }, other[2] = { 1, 3 }, h;
	uint8_t in[40] = { 0 };
	uint32_t i;

	h = siphash13(key, in, sizeof(in));
	ck_assert(h != siphash13(other, in, sizeof(in)));
	ck_assert(h != siphash13(key, in, sizeof(in) - 1));
	for (i = 0; i < sizeof(in) * 8; i++) {
		in[i / 8] ^= (uint8_t)(1 << i % 8);
		ck_assert(h != siphash13(key, in, sizeof(in)));
		in[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}
END_TEST

/* ---- checksum ---- */

/* RFC 1071 (3): the worked example. */
START_TEST(checksum_gives_the_example_of_rfc_1071)
{
	uint8_t in[8] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	ck_assert_uint_eq(csum_fold(csum_add(0, in, 8)),
	    __builtin_bswap16(0xddf2));
}
END_TEST

START_TEST(checksum_agrees_with_a_sum_of_words_at_any_length)
{
	uint8_t in[200];
	uint32_t i, len, sum;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(rnd() % 3 == 0 ? 0xff : rnd());
	for (len = 0; len <= sizeof(in); len++) {
		sum = 0;
		for (i = 0; i < len; i++)
			sum += (uint32_t)in[i] << (i & 1 ? 0 : 8);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ck_assert_uint_eq(__builtin_bswap16(
		    csum_fold(csum_add(0, in, len))), sum);
	}
}
END_TEST

/* ---- lookup ---- */

START_TEST(lookup_agrees_with_a_plain_list_under_random_use)
{
	static struct plain s;
	static uint8_t in[512];
	uint32_t i, id, step;
	struct tuple t;

	plain_conf(&s, 1, 512);
	plain_init(&s, 0);
	for (id = 0; id < 512; id++) {
		struct conn *c = conn_at(s.net, id);

		memset(&c->t, 0, sizeof(c->t));
		c->t.family = 4;
		c->t.lport_be = (uint16_t)id;
		/* few distinct hashes: long runs that wrap around */
		c->rec.hash = s.net->a->hash_mask - rnd() % 3;
	}
	for (step = 0; step < 20000; step++) {
		id = rnd() % 512;
		if (in[id])
			lookup_del(s.net, conn_at(s.net, id)->rec.hash, id);
		else
			lookup_put(s.net, conn_at(s.net, id)->rec.hash, id);
		in[id] = !in[id];
		i = rnd() % 512;
		t = conn_at(s.net, i)->t;
		ck_assert_uint_eq(lookup_find(s.net,
		    conn_at(s.net, i)->rec.hash, &t), in[i] ? i : ARENA_NONE);
	}
	for (id = 0; id < 512; id++)
		if (in[id])
			lookup_del(s.net, conn_at(s.net, id)->rec.hash, id);
	for (i = 0; i <= s.net->a->hash_mask; i++)
		ck_assert_uint_eq(s.net->hash[i].id, ARENA_NONE);
	plain_fini(&s);
}
END_TEST

START_TEST(record_ids_and_records_map_onto_each_other)
{
	static struct plain s;
	uint32_t id, state, all;

	for (state = 0; state <= 256; state += 8) {
		plain_conf(&s, 1, 100);
		s.conf.shape.state_size = state;
		plain_init(&s, 0);
		all = 100 + s.conf.shape.timewait + s.conf.shape.neighs;
		for (id = 0; id < all; id++)
			ck_assert_uint_eq(rec_id(s.net, rec_at(s.net, id)),
			    id);
		plain_fini(&s);
	}
}
END_TEST

/* ---- wheel ---- */

static uint64_t due[64];	/* reference: deadline, UINT64_MAX: none */
static uint64_t fired_at;
static uint32_t nfired;

static void
on_fire(struct net *n, uint32_t id)
{
	ck_assert(due[id] <= fired_at);
	due[id] = UINT64_MAX;
	rec_at(n, id)->deadline = UINT64_MAX;
	nfired++;
}

static uint64_t
first_due(void)
{
	uint64_t best = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < 64; i++)
		if (due[i] < best)
			best = due[i];
	return best;
}

static uint64_t
some_delay(void)
{
	switch (rnd() % 5) {
	case 0:
		return rnd() % 200;
	case 1:
		return rnd() % 20000;
	case 2:
		return rnd() % 5000000;
	case 3:
		return (uint64_t)rnd() * 2;
	default:
		return (uint64_t)(rnd() % 1000) * 1000000000u;
	}
}

/* One run of random filing, moving and time against the list due[]. */
static void
wheel_run(struct plain *s, uint32_t steps)
{
	uint64_t now = rnd(), d, first;
	uint32_t step, id;

	wheel_init(&s->net->wheel, now);
	s->net->wheel.piece = 1 + rnd() % 8;
	for (id = 0; id < 64; id++) {
		due[id] = UINT64_MAX;
		rec_at(s->net, id)->wslot = WHEEL_NONE;
	}
	for (step = 0; step < steps; step++) {
		id = rnd() % 64;
		due[id] = rnd() % 8 == 0 ? UINT64_MAX : now + some_delay();
		/* a move to later may be left to the wheel */
		d = rec_at(s->net, id)->deadline;
		rec_at(s->net, id)->deadline = due[id];
		if (rec_at(s->net, id)->wslot == WHEEL_NONE || due[id] < d ||
		    rnd() % 2 == 0)
			wheel_file(s->net, id);
		first = first_due();
		do
			d = wheel_deadline(s->net);
		while (s->net->wheel.level != 0);
		ck_assert(d <= first || (d <= now && first <= now));
		if (first >= now && first - now < 4000)
			ck_assert_uint_eq(d, first);
		if (first != UINT64_MAX && rnd() % 2 == 0)
			now = first > now ? first - (rnd() % 2 &&
			    first - now > 1) : now;
		else
			now += some_delay() % 300000000;
		fired_at = now;
		while (wheel_advance(s->net, now, 1 + rnd() % 4, on_fire) > 0)
			continue;
		ck_assert(first_due() > now);
	}
}

/* net.h: a timer fires in the first advance at or after its microsecond. */
START_TEST(wheel_fires_each_timer_in_its_microsecond)
{
	static struct plain s;
	uint32_t run;

	plain_conf(&s, 1, 64);
	plain_init(&s, 0);
	for (run = 0; run < 200; run++)
		wheel_run(&s, 200);
	ck_assert_uint_gt(nfired, 1000);
	plain_fini(&s);
}
END_TEST

/* A turn's work is bounded: many timers of one coarse slot are filed anew in
 * pieces, each fires in time, and any may be taken out meanwhile. */
START_TEST(wheel_spreads_a_crowded_slot_in_pieces)
{
	static struct plain s;
	struct wheel *w;
	uint16_t was[64];
	uint64_t now = 0;
	uint32_t id, moved, most = 0;

	plain_conf(&s, 1, 64);
	plain_init(&s, 0);
	w = &s.net->wheel;
	wheel_init(w, 0);
	w->piece = 8;
	nfired = 0;
	for (id = 0; id < 64; id++) {
		rec_at(s.net, id)->wslot = WHEEL_NONE;
		/* 4.2 s away: level 2 */
		rec_at(s.net, id)->deadline = due[id] = 8400000 + 1000 * id;
		wheel_file(s.net, id);
	}
	while (nfired < 63) {
		for (id = 0; id < 64; id++)
			was[id] = rec_at(s.net, id)->wslot;
		fired_at = now = now < 8300000 ? 8300000 : now + 50;
		(void)wheel_advance(s.net, now, 4, on_fire);
		for (id = moved = 0; id < 64; id++)
			moved += rec_at(s.net, id)->wslot != was[id];
		most = moved > most ? moved : most;
		if (w->rest != ARENA_NONE && due[63] != UINT64_MAX) {
			/* the first of those still to be filed */
			id = w->rest;
			due[id] = rec_at(s.net, id)->deadline = due[63];
			due[63] = UINT64_MAX;
			wheel_unfile(s.net, 63);
			wheel_unfile(s.net, id);
			wheel_file(s.net, id);
		}
		ck_assert_uint_lt(now, 10000000);
	}
	/* what is filed anew and what fires */
	ck_assert_uint_gt(most, 0);
	ck_assert_uint_le(most, 8 + 4);
	ck_assert(due[63] == UINT64_MAX);
	plain_fini(&s);
}
END_TEST

START_TEST(wheel_stops_at_max_and_goes_on)
{
	static struct plain s;
	uint32_t id;

	plain_conf(&s, 1, 64);
	plain_init(&s, 0);
	wheel_init(&s.net->wheel, 0);
	nfired = 0;
	for (id = 0; id < 64; id++) {
		rec_at(s.net, id)->wslot = WHEEL_NONE;
		rec_at(s.net, id)->deadline = due[id] = 1000;
		wheel_file(s.net, id);
	}
	fired_at = 2000;
	ck_assert_uint_eq(wheel_advance(s.net, 2000, 10, on_fire), 1);
	ck_assert_uint_eq(nfired, 10);
	ck_assert_uint_eq(wheel_advance(s.net, 2000, 100, on_fire), 0);
	ck_assert_uint_eq(nfired, 64);
	plain_fini(&s);
}
END_TEST

/* ---- chunks ---- */

/* net.h: memory that a frame refers to is used again after its mark. */
START_TEST(chunk_waits_for_the_mark_of_its_last_frame)
{
	static struct plain s;
	uint32_t a, b;

	plain_conf(&s, 1, 16);
	plain_init(&s, 0);
	s.net->tx_done = UINT32_MAX;	/* it wraps */
	s.net->tx_mark = 1;
	a = chunk_get(s.net, true);
	chunk_at(s.net, a)->used = 1;
	chunk_at(s.net, a)->mark = 1;
	chunk_put(s.net, a);
	b = chunk_get(s.net, true);
	ck_assert_uint_ne(a, b);
	chunk_put(s.net, b);
	net_tx_done(s.net, 0);
	ck_assert_uint_eq(s.net->limbo_head, a);
	net_tx_done(s.net, 1);
	ck_assert_uint_eq(s.net->limbo_head, ARENA_NONE);
	ck_assert_uint_eq(chunk_get(s.net, true), a);
	chunk_put(s.net, a);
	net_out(s.net)->n = 0;
	plain_fini(&s);
}
END_TEST

/* A chunk that was sent from long ago is free, however far marks went on. */
START_TEST(chunk_of_an_old_mark_waits_for_nothing)
{
	static const uint32_t ago[] = { 1, 1000, 0x7fffffff, 0x80000000,
	    0x80000010, 0xfffffff0 };
	static struct plain s;
	uint32_t i, k;

	plain_conf(&s, 1, 16);
	plain_init(&s, 0);
	for (i = 0; i < sizeof(ago) / sizeof(ago[0]); i++) {
		k = chunk_get(s.net, true);
		chunk_at(s.net, k)->used = 1;
		chunk_at(s.net, k)->mark = s.net->tx_mark;
		s.net->tx_mark += ago[i];
		s.net->tx_done = s.net->tx_mark;
		chunk_put(s.net, k);
		ck_assert_uint_eq(s.net->limbo_head, ARENA_NONE);
	}
	plain_fini(&s);
}
END_TEST

int
main(void)
{
	Suite *su = suite_create("base");
	TCase *t = tcase_create("base");
	SRunner *sr;
	int bad;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, toeplitz_gives_the_published_hashes);
	tcase_add_test(t, toeplitz_tables_agree_with_the_definition);
	tcase_add_test(t, siphash_depends_on_key_length_and_every_bit);
	tcase_add_test(t, checksum_gives_the_example_of_rfc_1071);
	tcase_add_test(t, checksum_agrees_with_a_sum_of_words_at_any_length);
	tcase_add_test(t, lookup_agrees_with_a_plain_list_under_random_use);
	tcase_add_test(t, record_ids_and_records_map_onto_each_other);
	tcase_add_test(t, wheel_fires_each_timer_in_its_microsecond);
	tcase_add_test(t, wheel_spreads_a_crowded_slot_in_pieces);
	tcase_add_test(t, wheel_stops_at_max_and_goes_on);
	tcase_add_test(t, chunk_waits_for_the_mark_of_its_last_frame);
	tcase_add_test(t, chunk_of_an_old_mark_waits_for_nothing);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
