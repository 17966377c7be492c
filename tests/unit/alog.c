/*
 * The ring between a slot and the access log's writer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "../../common/alog.h"

static struct alog *a;
static char buf[ALOG_TEXTS * (ALOG_TEXT + 1)];
static char long_text[3000];

static void
setup(void)
{
	a = aligned_alloc(64, sizeof(*a));
	memset(a, 0, sizeof(*a));
	alog_init(a);
	memset(long_text, 'x', sizeof(long_text) - 1);
}

static void
teardown(void)
{
	free(a);
}

static int
put(uint32_t i, uint16_t n)
{
	struct alog_rec r = { .family = 4, .status = 200, .bytes = i,
	    .text = { n, 0, 1, 0 } };
	const char *text[ALOG_TEXTS] = { long_text, NULL, "r", NULL };

	return alog_put(a, &r, text);
}

/* In order, around the ring's end many times, texts of all lengths. */
START_TEST(records_come_out_as_they_went_in)
{
	struct alog_rec r;
	char *text[ALOG_TEXTS];
	uint32_t i, in = 0, out = 0;

	for (i = 0; i < 20000; i++) {
		ck_assert_int_eq(put(in, (uint16_t)(in % 1100)), 0);
		in++;
		if (i % 7 == 0)
			continue;
		while (in - out > i % 100) {
			ck_assert_int_eq(alog_take(a, &r, buf, text), 1);
			ck_assert_uint_eq(r.bytes, out);
			ck_assert_uint_eq(strlen(text[0]), out % 1100 <
			    ALOG_TEXT ? out % 1100 : ALOG_TEXT);
			ck_assert_str_eq(text[1], "");
			ck_assert_str_eq(text[2], "r");
			out++;
		}
	}
	ck_assert_uint_gt(out, 19000);
	ck_assert_uint_eq(a->dropped, 0);
}
END_TEST

/* A full ring loses what comes, counts it, and what is in it stays whole. */
START_TEST(a_full_ring_drops_and_counts)
{
	struct alog_rec r;
	char *text[ALOG_TEXTS];
	uint32_t i, n = 0;

	for (i = 0; i < 40000; i++)
		n += put(n, 50) == 0;
	ck_assert_uint_gt(n, 5000);
	ck_assert_uint_eq(n + a->dropped, 40000);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(alog_take(a, &r, buf, text), 1);
		ck_assert_uint_eq(r.bytes, i);
	}
	ck_assert_int_eq(alog_take(a, &r, buf, text), 0);
	ck_assert_int_eq(put(0, 10), 0);
	ck_assert_int_eq(alog_take(a, &r, buf, text), 1);
}
END_TEST

/* Whatever a worker wrote there: nothing beyond the ring is read, and later
 * records come again. */
START_TEST(damage_is_thrown_away)
{
	struct alog_rec *first = (void *)a->data, r;
	char *text[ALOG_TEXTS];
	uint32_t i;
	int n = 1;

	for (i = 0; i < 100; i++)
		put(i, 100);
	switch (_i) {
	case 0:
		first->text[0] = 5000;
		break;
	case 1:
		first->len = 65528;
		break;
	case 2:
		a->prod = UINT64_MAX - 3;
		break;
	case 3:
		first->used = 0;
		break;
	case 4:
		memset(a->data, 0xff, sizeof(a->data));
		break;
	}
	for (i = 0; i < 200 && n == 1; i++)
		n = alog_take(a, &r, buf, text);
	ck_assert_int_eq(n, -EPROTO);
	if (_i == 2)
		return;		/* only its writer can mend that */
	ck_assert_int_eq(alog_take(a, &r, buf, text), 0);
	memset(a->data, 0, sizeof(a->data));
	ck_assert_int_eq(put(7, 10), 0);
	ck_assert_int_eq(alog_take(a, &r, buf, text), 1);
	ck_assert_uint_eq(r.bytes, 7);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("alog");
	TCase *tc = tcase_create("alog");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, records_come_out_as_they_went_in);
	tcase_add_test(tc, a_full_ring_drops_and_counts);
	tcase_add_loop_test(tc, damage_is_thrown_away, 0, 5);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
