/*
 * Many connections: what grows with them, and what does not. Counted, not
 * timed: tests/bench/scale.c has the times.
 */
#include <check.h>

#include "../lib/crowd.h"
#include "../../secondary/net/base.h"
#include "../../secondary/net/net_priv.h"

#define CONNS	20000u

static struct bed b;

static void
setup(bool chosen)
{
	bed_conf(&b, CONNS);
	b.chosen = chosen;
	bed_start(&b);
	open_some(&b, 0, CONNS);
	ck_assert_uint_eq(b.counters[CNT_tcp_opened_passive], CONNS);
}

/* Steps from an entry's home to where it lies: the mean, and the most. */
static double
probes(uint32_t *most)
{
	const struct arena *a = b.arena;
	const struct hent *h = (void *)((uint8_t *)b.arena + a->off_hash);
	uint32_t i, d, used = 0;
	double sum = 0;

	*most = 0;
	for (i = 0; i <= a->hash_mask; i++) {
		if (h[i].id == ARENA_NONE)
			continue;
		d = (i - h[i].hash) & a->hash_mask;
		*most = d > *most ? d : *most;
		sum += d;
		used++;
	}
	ck_assert_uint_eq(used, CONNS);
	return sum / used;
}

/* tcp.md, Scale: lookup is O(1); the index is keyed, so whoever chooses tuples
 * that share a NIC's hash and a bucket gains nothing. */
START_TEST(chosen_tuples_make_no_long_chains)
{
	uint32_t most;
	double mean;

	setup(_i == 1);
	mean = probes(&most);
	ck_assert_msg(mean < 1.0 && most < 64, "mean %f, most %u", mean, most);
	close_some(&b, 0, CONNS);
	ck_assert_uint_eq(b.net->nconns, 0);
	bed_fini(&b);
}
END_TEST

/* An idle connection costs its record with the service's state, its place in
 * the index and nothing else, at most 512 bytes. */
START_TEST(an_idle_connection_takes_at_most_512_bytes)
{
	struct arena_shape s;
	size_t one, two;

	setup(false);
	burst(&b, 0, 1, CONNS, 0x18, BODY);
	burst(&b, 0, 1, CONNS, 0x10, 0);
	ck_assert_uint_eq(b.answers, CONNS);
	ck_assert_uint_eq(b.net->nsmall_free, b.conf.shape.small);
	ck_assert_uint_eq(b.net->nchunk_free, b.conf.shape.chunks);
	ck_assert_uint_eq(b.pool.n, FRAMES);
	s = b.conf.shape;
	one = arena_size(&s);
	s.conns += 1u << 20;
	two = arena_size(&s);
	ck_assert_uint_gt(two, one);
	ck_assert_uint_le((two - one) >> 20, 512);
	bed_fini(&b);
}
END_TEST

/* A turn's work is bounded by what comes, not by how many connections there
 * are: with all idle nothing is due before keepalive or a service asks. */
START_TEST(idle_connections_have_no_timers)
{
	setup(false);
	b.now += 1000000;
	while (net_turn(b.net, b.now))
		collect(&b);
	collect(&b);
	ck_assert_uint_eq(net_deadline(b.net), UINT64_MAX);
	bed_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *su = suite_create("crowd");
	TCase *t = tcase_create("crowd");
	SRunner *sr;
	int bad;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, chosen_tuples_make_no_long_chains, 0, 2);
	tcase_add_test(t, an_idle_connection_takes_at_most_512_bytes);
	tcase_add_test(t, idle_connections_have_no_timers);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
