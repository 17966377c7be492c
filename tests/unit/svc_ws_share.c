/*
 * Broadcast between slots: rings that one writes and others read.
 */
#include <check.h>
#include <pthread.h>

#include "mock_conn.h"

#include "../../secondary/svc/ws/ws_priv.h"

static void *shared[BOARD_SLOTS];
static _Atomic uint32_t woken;

static void *
share(void *arg, const char *name, uint32_t slot, size_t len)
{
	if (slot >= 3)
		return NULL;
	if (shared[slot] == NULL)
		shared[slot] = calloc(1, len);
	return shared[slot];
}

static void
wake(void *arg)
{
	woken++;
}

static const struct svc_io io = { .share = share, .wake = wake };

/* The handler of slot number i. */
static struct ws *
make(uint32_t i)
{
	static _Atomic uint64_t counters[SVC_COUNTERS];
	struct ws *w = calloc(1, sizeof(*w));
	struct svc *s = calloc(1, sizeof(*s));

	s->io = &io;
	s->slot = i;
	s->counters = counters;
	w->s = s;
	ws_share_open(w);
	return w;
}

static void
end(struct ws *w)
{
	free((void *)(uintptr_t)w->s);
	free(w);
}

static void
clear(void)
{
	uint32_t i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		free(shared[i]);
		shared[i] = NULL;
	}
}

/* Message number k: its bytes and length follow from it. */
static uint32_t
length(uint32_t k)
{
	return 8 + k * 7919 % 5000;
}

static void
post(struct ws *w, uint32_t k)
{
	uint32_t i, n = length(k);

	memcpy(w->text, &k, 4);
	for (i = 4; i < n; i++)
		w->text[i] = (uint8_t)(k + i);
	ws_share_post(w, WS_BINARY, n);
}

/* Take what is in the stream of w; the number of the last one, right in all
 * bytes and behind `last`. */
static uint32_t
drain(struct ws *w, uint32_t last, uint32_t *count)
{
	struct ws_posted p;
	uint32_t k, i, at, wrong = 0;

	for (; w->tail != w->head; (*count)++) {
		memcpy(&p, w->ring + w->tail % WS_RING, sizeof(p));
		at = (uint32_t)(w->tail + sizeof(p));
		for (i = 0, k = 0; i < 4; i++)
			k |= (uint32_t)w->ring[(at + i) % WS_RING] << i * 8;
		ck_assert(*count == 0 || k > last);
		ck_assert_uint_eq(p.len, length(k));
		for (i = 4; i < p.len; i++)
			wrong += w->ring[(at + i) % WS_RING] !=
			    (uint8_t)(k + i);
		last = k;
		w->tail += sizeof(p) + ((p.len + 7) & ~7u);
	}
	ck_assert_uint_eq(wrong, 0);
	return last;
}

START_TEST(others_get_each_message_once_and_in_order)
{
	struct ws *w[3] = { make(0), make(1), make(2) };
	uint32_t k, i, last[3] = { 0 }, count[3] = { 0 };

	for (k = 1; k <= 3000; k++) {
		post(w[0], k);
		for (i = 1; k % 20 == 0 && i < 3; i++) {
			while (ws_share_import(w[i]))
				;
			last[i] = drain(w[i], last[i], &count[i]);
			ck_assert_uint_eq(last[i], k);
		}
		ck_assert(!ws_share_import(w[0]));
	}
	ck_assert_uint_eq(count[1], 3000);
	ck_assert_uint_eq(count[2], 3000);
	ck_assert_uint_eq(count[0], 0);
	ck_assert_uint_eq(woken, 3000);
	ck_assert_uint_eq(w[1]->s->counters[WS_DROPPED], 0);
	for (i = 0; i < 3; i++)
		end(w[i]);
	clear();
}
END_TEST

START_TEST(one_turn_takes_a_bounded_number)
{
	struct ws *a = make(0), *b = make(1);
	uint32_t k, count = 0;

	for (k = 1; k <= 150; k++)
		post(a, k);
	ck_assert(ws_share_import(b));
	drain(b, 0, &count);
	ck_assert_uint_eq(count, 64);
	ck_assert(ws_share_import(b));
	ck_assert(!ws_share_import(b));
	end(a);
	end(b);
	clear();
}
END_TEST

/* Who falls behind by a ring loses messages, counts that, and goes on. */
START_TEST(a_slow_slot_loses_and_goes_on)
{
	struct ws *a = make(0), *b = make(1);
	uint32_t k, count = 0;

	for (k = 1; k <= 2000; k++)
		post(a, k);
	while (ws_share_import(b))
		;
	ck_assert_uint_eq(drain(b, 0, &count), 0);
	ck_assert_uint_eq(b->s->counters[WS_DROPPED], 1);
	post(a, 2001);
	ws_share_import(b);
	ck_assert_uint_eq(drain(b, 0, &count), 2001);
	end(a);
	end(b);
	clear();
}
END_TEST

/* What a process posted before us is not ours; a successor goes on posting. */
START_TEST(who_comes_later_gets_what_comes_later)
{
	struct ws *a = make(0), *b;
	uint32_t count = 0;

	post(a, 1);
	end(a);
	a = make(0);
	b = make(1);
	post(a, 2);
	ws_share_import(b);
	ck_assert_uint_eq(drain(b, 0, &count), 2);
	ck_assert_uint_eq(count, 1);
	end(a);
	end(b);
	clear();
}
END_TEST

/* A ring that was damaged by a wild write is skipped, not followed. */
START_TEST(damage_is_skipped)
{
	struct ws *a = make(0), *b = make(1);
	uint32_t k, count = 0;

	for (k = 1; k < 10; k++)
		post(a, k);
	memset((uint8_t *)shared[0] + 64, 0xff, WS_RING);
	ck_assert(!ws_share_import(b));
	drain(b, 0, &count);
	ck_assert_uint_eq(count, 0);
	for (k = 10; k < 1000; k++)
		post(a, k);
	end(a);
	end(b);
	clear();
}
END_TEST

static void *
writer(void *arg)
{
	uint32_t k;

	for (k = 1; k <= 30000; k++)
		post(arg, k);
	return NULL;
}

/* Read while it is written over: what is taken is whole. */
START_TEST(nothing_torn_is_taken)
{
	struct ws *a = make(0), *b = make(1);
	uint32_t last = 0, count = 0;
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, writer, a), 0);
	while (last < 30000) {
		ws_share_import(b);
		last = drain(b, last, &count);
		/* the last ones may be lost with others: then it is over */
		if (last < 30000 && pthread_tryjoin_np(t, NULL) == 0) {
			while (ws_share_import(b))
				;
			drain(b, last, &count);
			end(a);
			end(b);
			clear();
			return;
		}
	}
	pthread_join(t, NULL);
	end(a);
	end(b);
	clear();
}
END_TEST

static struct ws_state *
state(struct conn *c)
{
	return conn_state(c);
}

/* A handler of slot i that began at the same moment as all others, with a
 * message of n bytes in its stream. */
static struct ws *
make_posted(uint32_t i, struct net *net, uint32_t n)
{
	static const struct ws_conf conf = { .mode = WS_MODE_BROADCAST };
	struct ws *w = make(i);

	((struct svc *)(uintptr_t)w->s)->net = net;
	ck_assert_int_eq(ws_start(w, (struct svc *)(uintptr_t)w->s, &conf,
	    state, 0, 1000), 0);
	w->scan = false;
	memset(w->text, 'a', n);
	ws_post(w, WS_TEXT, n);
	ws_post(w, WS_TEXT, n);
	return w;
}

/* Places of two slots' streams are never taken for one another, however long
 * each has run: the bytes there are no beginning of a message. */
START_TEST(who_moves_does_not_bring_its_place_along)
{
	struct net net = { .now = 1000 };
	struct ws *a = make_posted(0, &net, 40), *b = make_posted(1, &net, 900);
	struct conn *c = mock_conn();
	struct ws_state *st = conn_state(c);
	struct wx x = { .w = b, .n = &net, .c = c, .st = st };

	st->phase = WSP_OPEN;
	st->next = a->tail + 56;		/* its second message */
	ws_arrive(b, c, st);
	ck_assert_uint_eq(st->next, b->head);
	/* with half a message sent it cannot go on */
	st->next = a->tail + 56;
	st->flags = WST_OUT;
	st->out = 10;
	ws_arrive(b, c, st);
	ck_assert_int_eq(ws_deliver(&x), WS_GONE);
	ck_assert_mem_eq(c->out, "\x88\x02\x03\xf3", 4);
	mock_free(c);
	end(a);
	end(b);
	clear();
}
END_TEST

/* A place that a wild write left in the midst of a message is not believed. */
START_TEST(a_place_where_no_message_begins_is_left)
{
	static const uint32_t off[] = { 8, 4, 48, 904 };
	struct net net = { .now = 1000 };
	struct conn *c;
	struct ws_state *st;
	struct ws *w = make_posted(1, &net, 900);
	struct wx x = { .w = w, .n = &net };
	uint64_t dropped;
	uint32_t i;

	for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		x.c = c = mock_conn();
		x.st = st = conn_state(c);
		st->phase = WSP_OPEN;
		st->next = w->tail + off[i];
		dropped = w->s->counters[WS_DROPPED];
		ck_assert_int_eq(ws_deliver(&x), WS_WAIT);
		ck_assert_uint_eq(st->next, w->head);
		ck_assert_uint_eq(c->out_len, 0);
		ck_assert_uint_eq(w->s->counters[WS_DROPPED], dropped + 1);
		mock_free(c);
	}
	end(w);
	clear();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_ws_share");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, others_get_each_message_once_and_in_order);
	tcase_add_test(tc, one_turn_takes_a_bounded_number);
	tcase_add_test(tc, a_slow_slot_loses_and_goes_on);
	tcase_add_test(tc, who_comes_later_gets_what_comes_later);
	tcase_add_test(tc, damage_is_skipped);
	tcase_add_test(tc, nothing_torn_is_taken);
	tcase_add_test(tc, who_moves_does_not_bring_its_place_along);
	tcase_add_test(tc, a_place_where_no_message_begins_is_left);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
