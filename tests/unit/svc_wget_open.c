/*
 * The load client's open loop, and what it does with bodies, over a mock of
 * conn.h: the test is the server.
 */
#include "wget_bed.h"

#define CHUNKS		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" \
			"3\r\n012\r\n7;x\r\n3456789\r\n0\r\nA: b\r\n\r\n"
/* of "0123456789" */
#define SHA10		"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96" \
			"bedb9f882f7882"

static struct wget_conf *
conf_new(void)
{
	return conf_for("http://10.0.0.1/a/f.txt");
}

/* Requests of 1,000/s on one connection that stays. */
static struct wget_conf *
open_loop(void)
{
	struct wget_conf *conf = conf_new();

	conf->rate = 1000;
	conf->flows = 0;
	conf->keep_alive = 0;
	conf->duration_s = 1;
	return conf;
}

START_TEST(requests_begin_at_their_moments)
{
	struct net *n = start(open_loop());
	uint64_t t0 = n->now, next;
	struct conn *c;
	uint32_t i;

	next = tick(n);
	ck_assert_uint_eq(n->nconns, 1);
	c = n->conns[0];
	mock_event(n, c, CONN_OPEN);
	ck_assert_uint_eq(totals(n)->sum.requests, 1);
	answer(n, c, OK10);
	for (i = 1; i < 20; i++) {
		next = tick(n);
		ck_assert_uint_eq(next, t0 + i * 1000);
		n->now = next - 1;
		tick(n);
		ck_assert_uint_eq(totals(n)->sum.requests, i);
		n->now = next;
		tick(n);
		ck_assert_uint_eq(totals(n)->sum.requests, i + 1);
		n->now += 100;
		answer(n, c, OK10);
	}
	ck_assert_uint_eq(totals(n)->whole.max, 100);
	mock_stop(n);
}
END_TEST

/* No coordinated omission: what had to wait for a stalled server counts from
 * when it should have begun. */
START_TEST(a_stall_is_felt_by_all_that_were_due_in_it)
{
	struct net *n = start(open_loop());
	uint64_t t0 = n->now;
	struct conn *c;
	uint32_t i;

	tick(n);
	c = n->conns[0];
	mock_event(n, c, CONN_OPEN);
	n->now = t0 + 100000;		/* nothing for 100 ms */
	tick(n);
	ck_assert_uint_eq(totals(n)->sum.requests, 1);
	for (i = 0; i < 101; i++)	/* then all at once */
		answer(n, c, OK10);
	ck_assert_uint_eq(totals(n)->sum.responses, 101);
	ck_assert_uint_eq(totals(n)->whole.max, 100000);
	ck_assert_uint_eq(totals(n)->whole.min, 0);
	ck_assert_uint_ge(hist_quantile(&totals(n)->whole, 500000), 49000);
	ck_assert_uint_le(hist_quantile(&totals(n)->whole, 500000), 51000);
	ck_assert_uint_eq(n->nconns, 1);
	mock_stop(n);
}
END_TEST

START_TEST(what_is_due_opens_connections_up_to_concurrency)
{
	struct wget_conf *conf = open_loop();
	struct net *n;
	uint32_t i;

	conf->concurrency = 3;
	conf->keep_alive = 1;
	n = start(conf);
	for (i = 1; i <= 5; i++) {
		tick(n);
		ck_assert_uint_eq(n->nconns, i < 3 ? i : 3);
		n->now += 1000;
	}
	/* those due later wait for one of them */
	for (i = 0; i < 3; i++) {
		mock_event(n, n->conns[i], CONN_OPEN);
		answer(n, n->conns[i], OK10);
		mock_fin(n, n->conns[i]);
	}
	tick(n);
	ck_assert_uint_eq(n->nconns, 6);
	ck_assert_uint_eq(totals(n)->whole.max, 5000);
	mock_stop(n);
}
END_TEST

/* What was due before the end still begins; what finds no time counts. */
START_TEST(requests_that_never_began_are_counted)
{
	struct net *n = start(open_loop());
	struct conn *c;
	uint32_t i;

	tick(n);
	c = n->conns[0];
	mock_event(n, c, CONN_OPEN);
	n->now += 1500000;
	tick(n);
	for (i = 0; i < 600; i++)
		answer(n, c, OK10);
	ck_assert_int_eq(n->done, 0);
	n->now += 1600000;
	tick(n);
	ck_assert_int_eq(n->done, 2);
	ck_assert_uint_eq(totals(n)->sum.responses +
	    totals(n)->sum.unsent + 1, 1000);
	ck_assert_ptr_nonnull(strstr(n->log, "not begun"));
	mock_stop(n);
}
END_TEST

START_TEST(an_open_loop_in_time_ends_well)
{
	struct net *n = start(open_loop());
	uint64_t next;

	while (n->done == 0) {
		tick(n);
		if (n->now == 1000000)
			mock_event(n, n->conns[0], CONN_OPEN);
		if (totals(n)->sum.requests > totals(n)->sum.responses)
			answer(n, n->conns[0], OK10);
		next = tick(n);
		if (n->done == 0)
			n->now = next > n->now ? next : n->now + 1;
		ck_assert_uint_lt(n->now, 4000000);
	}
	ck_assert_int_eq(n->done, 1);
	ck_assert_uint_eq(totals(n)->sum.responses, 1000);
	ck_assert_uint_eq(totals(n)->sum.unsent, 0);
	ck_assert(n->conns[0]->closed);
	mock_stop(n);
}
END_TEST

/* The rate is exact in the long run, and shared. */
START_TEST(slots_share_the_rate_and_take_turns)
{
	uint64_t sent = 0, first[3];
	struct wget_conf *conf;
	struct net *n;
	uint32_t i, k;
	struct conn *c;

	for (i = 0; i < 3; i++) {
		conf = open_loop();
		conf->rate = 700;	/* no whole number of ns */
		conf->concurrency = 3;
		n = start(conf);
		n->svc.index = i;
		n->svc.count = 3;
		totals(n)->state = LOAD_OVER;	/* begins anew */
		mock_restart(n);
		first[i] = totals(n)->next_ns - n->now * 1000;
		n->now += 10000;
		tick(n);
		c = n->conns[0];
		mock_event(n, c, CONN_OPEN);
		for (k = 0; k < 1100; k++) {
			n->now += 1000;
			tick(n);
			while (totals(n)->sum.requests >
			    totals(n)->sum.responses)
				answer(n, c, OK10);
		}
		sent += totals(n)->sum.requests;
		mock_stop(n);
	}
	ck_assert_uint_eq(first[0], 0);
	ck_assert_uint_eq(first[1], 1000000000 / 700);
	ck_assert_uint_eq(first[2], 2000000000 / 700);
	ck_assert_uint_eq(sent, 700);
}
END_TEST

/* A connection goes to another slot: the one counts what the other began. */
START_TEST(a_connection_moves_with_its_counts)
{
	struct wget_conf *conf[2] = { open_loop(), open_loop() };
	struct net *a, *b;
	struct conn *c;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		conf[i]->rate = _i == 0 ? 0 : 1;
		conf[i]->keep_alive = 2;
	}
	a = start(conf[0]);
	b = start(conf[1]);
	totals(b)->next_ns += 500000000;
	((struct wget_priv *)b->svc.priv)->gen++;	/* another slot */
	tick(a);
	c = a->conns[0];
	mock_event(a, c, CONN_OPEN);
	wget_service.depart(&a->svc, c);
	wget_service.arrive(&b->svc, c);
	answer(b, c, OK10);
	ck_assert(mock_alive(c));
	ck_assert_uint_eq(totals(b)->sum.responses, 1);
	ck_assert_uint_eq(totals(b)->sum.requests, _i == 0 ? 1 : 0);
	ck_assert_uint_eq(((struct wget_priv *)b->svc.priv)->active, 1);
	ck_assert_uint_eq(((struct wget_priv *)a->svc.priv)->active, 0);
	/* to one that has no run: it ends there */
	wget_service.depart(&b->svc, c);
	((struct wget_priv *)a->svc.priv)->phase = WGET_OVER;
	wget_service.arrive(&a->svc, c);
	mock_event(a, c, CONN_READ);
	ck_assert(c->aborted);
	ck_assert_uint_eq(totals(a)->sum.responses, 0);
	mock_stop(b);
	mock_stop(a);
}
END_TEST

/* ---- content ---- */

static const struct {
	const char *answer, *verify, *file;
	bool right;
} contents[] = {
	{ OK10, SHA10, NULL, true }, { CHUNKS, SHA10, NULL, true },
	{ OK10, "/file", "0123456789", true },
	{ CHUNKS, "/file", "0123456789", true },
	{ CHUNKS, "/file", "0123456780", false },
	{ OK10, "/file", "01234567890", false },
	{ OK10, "/file", "012345678", false },
	{ OK10, "/file", "1123456789", false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456780", SHA10,
	    NULL, false },
	{ "HTTP/1.1 204 No\r\n\r\n", SHA10, NULL, false },
};

START_TEST(bodies_are_verified_in_any_pieces)
{
	struct wget_conf *conf = conf_new();
	struct net *n = calloc(1, sizeof(*n));
	const char *file = contents[_i / 2].file, *s = contents[_i / 2].answer;
	struct conn *c;
	size_t i;
	int err;

	snprintf(conf->verify, OPT_STRLEN, "%s", contents[_i / 2].verify);
	conf->keep_alive = 2;
	free(n);
	n = mock_start(&wget_service, conf, NULL, &err);
	if (file != NULL) {		/* the first start found no file */
		ck_assert_int_lt(err, 0);
		n->file = file;
		n->file_len = strlen(file);
		mock_restart(n);
	}
	tick(n);
	c = n->conns[0];
	mock_event(n, c, CONN_OPEN);
	answer(n, c, s);
	for (i = 0; i < strlen(s); i++)
		mock_input(n, c, s + i, 1);
	mock_fin(n, c);
	ck_assert_uint_eq(totals(n)->sum.responses, 2);
	ck_assert_uint_eq(totals(n)->sum.verified, contents[_i / 2].right ?
	    2 : 0);
	ck_assert_uint_eq(totals(n)->sum.errors[LOAD_WRONG_CONTENT],
	    contents[_i / 2].right ? 0 : 2);
	tick(n);
	ck_assert_int_eq(n->done, contents[_i / 2].right ? 1 : 2);
	mock_stop(n);
}
END_TEST

/* A hash goes on in another process. */
START_TEST(a_successor_goes_on_with_a_hash)
{
	struct wget_conf *conf = conf_new();
	struct net *n;

	snprintf(conf->verify, OPT_STRLEN, "%s", SHA10);
	n = start(conf);
	tick(n);
	mock_event(n, n->conns[0], CONN_OPEN);
	answer(n, n->conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	    "0123");
	mock_restart(n);
	answer(n, n->conns[0], "456789");
	ck_assert_uint_eq(totals(n)->sum.verified, 1);
	mock_stop(n);
}
END_TEST

static const struct {
	const char *path, *base;
} names[] = {
	{ "/a/f.txt", "f.txt" }, { "/", "index" }, { "/a/", "index" },
	{ "/a/..", "_." }, { "/.profile", "_profile" }, { "/x?y=/z", "x" },
	{ "/a%2fb", "a_2fb" }, { "/-rf", "-rf" },
};

START_TEST(files_have_harmless_names)
{
	struct wget_conf *conf = conf_new();
	char want[256];
	struct net *n;
	struct conn *c;

	snprintf(conf->url, OPT_STRLEN, "http://10.0.0.1%s", names[_i].path);
	snprintf(conf->save, OPT_STRLEN, "/tmp/x");
	conf->keep_alive = 2;
	n = start(conf);
	n->save_room = 2;
	tick(n);
	c = n->conns[0];
	mock_event(n, c, CONN_OPEN);
	answer(n, c, OK10);
	ck_assert_uint_eq(totals(n)->sum.responses, 1);
	answer(n, c, OK10);		/* no room: it waits */
	ck_assert_uint_eq(totals(n)->sum.responses, 1);
	ck_assert_uint_ne(c->timer, 0);
	n->save_room = 3;
	mock_pass(n, c, 1000);
	ck_assert_uint_eq(totals(n)->sum.responses, 1);
	n->save_room = 4;
	mock_pass(n, c, 1000);
	ck_assert_uint_eq(totals(n)->sum.responses, 2);
	snprintf(want, sizeof(want), "%s.1.1 0 10 0\n%s.1.1 10 0 1\n"
	    "%s.1.2 0 10 0\n%s.1.2 10 0 1\n", names[_i].base, names[_i].base,
	    names[_i].base, names[_i].base);
	ck_assert_str_eq(n->saved, want);
	mock_stop(n);
}
END_TEST

START_TEST(one_file_keeps_its_name_and_half_a_file_goes)
{
	struct wget_conf *conf = conf_new();
	struct net *n;

	snprintf(conf->save, OPT_STRLEN, "/tmp/x");
	n = start(conf);
	n->save_room = 10;
	tick(n);
	mock_event(n, n->conns[0], CONN_OPEN);
	answer(n, n->conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	    "0123");
	mock_fin(n, n->conns[0]);
	ck_assert_str_eq(n->saved, "f.txt 0 4 0\nf.txt 0 0 2\n");
	ck_assert_uint_eq(totals(n)->sum.errors[LOAD_SHORT_BODY], 1);
	mock_stop(n);
}
END_TEST

START_TEST(a_directory_that_cannot_be_is_refused)
{
	struct wget_conf *conf = conf_new();
	struct net *n;
	int err;

	snprintf(conf->save, OPT_STRLEN, "/no");
	n = mock_start(&wget_service, conf, NULL, &err);
	ck_assert_int_eq(err, -EINVAL);
	ck_assert_ptr_nonnull(strstr(n->log, "save:"));
	mock_stop(n);
}
END_TEST

/* ---- several workers ---- */

START_TEST(totals_are_merged_value_by_value)
{
	static struct load_totals a, b, all, half;
	char text[4096];
	struct fmt f;
	uint32_t i;

	a.t_start = 1000;
	b.t_start = 500;
	a.t_last = b.t_last = 2000500;
	a.state = LOAD_OVER;
	b.state = LOAD_RUNNING;
	for (i = 0; i < 99; i++)
		hist_add(&a.whole, 10);
	hist_add(&b.whole, 1000);
	a.sum.responses = a.sum.requests = 99;
	b.sum.responses = b.sum.requests = 1;
	load_merge(&all, &a);
	half = all;
	load_merge(&all, &b);
	ck_assert_uint_eq(all.whole.n, 100);
	ck_assert_uint_eq(hist_mean(&all.whole), 19);
	ck_assert_uint_eq(hist_quantile(&all.whole, 990000), 10);
	ck_assert_uint_eq(hist_quantile(&all.whole, 999000), 1000);
	ck_assert_int_eq(all.state, LOAD_RUNNING);
	ck_assert_uint_eq(all.t_start, 500);
	ck_assert(load_good(&all, false));
	fmt_init(&f, text, sizeof(text));
	load_table(&f, &all, "");
	fmt_end(&f);
	ck_assert_ptr_nonnull(strstr(text, "2.000 s: 50.000 requests/s"));
	/* a second: only what was added */
	fmt_init(&f, text, sizeof(text));
	load_line(&f, &all, &half, 1000500);
	fmt_end(&f);
	ck_assert_ptr_nonnull(strstr(text, "  1.000 s: connects 0, requests 1,"
	    " bytes 0, us p50 1000 p99 1000 max 1000, errors none"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_wget_open");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, requests_begin_at_their_moments);
	tcase_add_test(tc, a_stall_is_felt_by_all_that_were_due_in_it);
	tcase_add_test(tc, what_is_due_opens_connections_up_to_concurrency);
	tcase_add_test(tc, requests_that_never_began_are_counted);
	tcase_add_test(tc, an_open_loop_in_time_ends_well);
	tcase_add_test(tc, slots_share_the_rate_and_take_turns);
	tcase_add_loop_test(tc, a_connection_moves_with_its_counts, 0, 2);
	tcase_add_loop_test(tc, bodies_are_verified_in_any_pieces, 0, 20);
	tcase_add_test(tc, a_successor_goes_on_with_a_hash);
	tcase_add_loop_test(tc, files_have_harmless_names, 0, 8);
	tcase_add_test(tc, one_file_keeps_its_name_and_half_a_file_goes);
	tcase_add_test(tc, a_directory_that_cannot_be_is_refused);
	tcase_add_test(tc, totals_are_merged_value_by_value);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
