/*
 * Control requests: a line of words, or an error; nothing else.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/board.h"
#include "../../common/ctl.h"

struct line {
	const char *bytes;
	size_t len;		/* 0: strlen() */
	int result;		/* of ctl_parse() */
	enum ctl_verb verb;
	uint32_t slot;
};

static const struct line lines[] = {
	{ "hello\n", 0, 6, CTL_HELLO, 0 },
	{ "down\n", 0, 5, CTL_DOWN, 0 },
	{ "down\nhello\n", 0, 5, CTL_DOWN, 0 },
	{ "restart 0\n", 0, 10, CTL_RESTART, 0 },
	{ "fault 3 drop=5,seed=1\n", 0, 22, CTL_FAULT, 3 },
	{ "fault 3\n", 0, -EINVAL, 0, 0 },
	{ "restart 15\n", 0, 11, CTL_RESTART, 15 },
	{ "reload\n", 0, 7, CTL_RELOAD, 0 },
	{ "reload /etc/x.conf\n", 0, 19, CTL_RELOAD, 0 },
	{ "add web 2 -\n", 0, 12, CTL_ADD, 0 },
	{ "add web 16 1023\n", 0, 16, CTL_ADD, 0 },
	{ "drain 3 0\n", 0, 10, CTL_DRAIN, 3 },
	{ "remove 15 86400000\n", 0, 19, CTL_REMOVE, 15 },
	{ "rebalance\n", 0, 10, CTL_REBALANCE, 0 },
	/* not whole yet */
	{ "hel", 0, 0, 0, 0 },
	{ "restart 1", 0, 0, 0, 0 },
	/* unknown, or a wrong argument: the connection goes on */
	{ "dance\n", 0, -ENOENT, 0, 0 },
	{ "Down\n", 0, -ENOENT, 0, 0 },
	{ "downx\n", 0, -ENOENT, 0, 0 },
	{ "down now\n", 0, -EINVAL, 0, 0 },
	{ "reload x.conf\n", 0, -EINVAL, 0, 0 },
	{ "reload /x /y\n", 0, -EINVAL, 0, 0 },
	{ "restart\n", 0, -EINVAL, 0, 0 },
	{ "restart 16\n", 0, -EINVAL, 0, 0 },
	{ "restart -1\n", 0, -EINVAL, 0, 0 },
	{ "restart 1x\n", 0, -EINVAL, 0, 0 },
	{ "restart 1 2\n", 0, -EINVAL, 0, 0 },
	{ "restart 99999999999999999999\n", 0, -EINVAL, 0, 0 },
	{ "add web 0 -\n", 0, -EINVAL, 0, 0 },
	{ "add web 17 -\n", 0, -EINVAL, 0, 0 },
	{ "add web 1 1024\n", 0, -EINVAL, 0, 0 },
	{ "add web 1\n", 0, -EINVAL, 0, 0 },
	{ "add abcdefghijklmnopqrstuvwxyz0123456789 1 -\n", 0, -EINVAL, 0, 0 },
	{ "drain 3\n", 0, -EINVAL, 0, 0 },
	{ "drain 16 0\n", 0, -EINVAL, 0, 0 },
	{ "remove 1 86400001\n", 0, -EINVAL, 0, 0 },
	{ "rebalance now\n", 0, -EINVAL, 0, 0 },
	/* no line of words: the connection ends */
	{ "\n", 0, -EBADMSG, 0, 0 },
	{ " down\n", 0, -EBADMSG, 0, 0 },
	{ "down \n", 0, -EBADMSG, 0, 0 },
	{ "restart  1\n", 0, -EBADMSG, 0, 0 },
	{ "down\r\n", 0, -EBADMSG, 0, 0 },
	{ "do\twn\n", 0, -EBADMSG, 0, 0 },
	{ "down\0\n", 6, -EBADMSG, 0, 0 },
	{ "\0\n", 2, -EBADMSG, 0, 0 },
	{ "\xff\xfe\n", 0, -EBADMSG, 0, 0 },
	{ "a b c d e\n", 0, -EBADMSG, 0, 0 },
};

START_TEST(request_is_taken_or_refused)
{
	const struct line *l = &lines[_i];
	struct ctl_request r;
	size_t used, len = l->len > 0 ? l->len : strlen(l->bytes);

	ck_assert_int_eq(ctl_parse(l->bytes, len, &r, &used), l->result);
	if (l->result > 0) {
		ck_assert_int_eq(r.verb, l->verb);
		ck_assert_uint_eq(r.slot, l->slot);
		ck_assert_uint_eq(used, (size_t)l->result);
	}
	/* what is skipped lets the next request be found */
	if (l->result == -ENOENT || l->result == -EINVAL)
		ck_assert_uint_eq(used, len);
}
END_TEST

START_TEST(longest_line_is_taken_and_one_more_byte_is_not)
{
	char buf[CTL_LINE + 8];
	struct ctl_request r;
	size_t used;

	memset(buf, 'a', sizeof(buf));
	ck_assert_int_eq(ctl_parse(buf, CTL_LINE - 1, &r, &used), 0);
	ck_assert_int_eq(ctl_parse(buf, CTL_LINE, &r, &used), -EMSGSIZE);
	buf[CTL_LINE - 1] = '\n';
	ck_assert_int_eq(ctl_parse(buf, CTL_LINE, &r, &used), -ENOENT);
	buf[CTL_LINE - 1] = 'a';
	buf[CTL_LINE] = '\n';
	ck_assert_int_eq(ctl_parse(buf, CTL_LINE + 1, &r, &used), -EMSGSIZE);
}
END_TEST

/* Any bytes give an answer that is in bounds. */
START_TEST(random_bytes_never_break_it)
{
	unsigned short seed[3] = { 1, 2, 3 };
	char buf[CTL_LINE * 2];
	struct ctl_request r;
	size_t used, len, i;
	int n, round;

	for (round = 0; round < 20000; round++) {
		len = (size_t)(nrand48(seed) % (long)sizeof(buf));
		for (i = 0; i < len; i++)
			buf[i] = nrand48(seed) % 3 == 0 ? '\n' :
			    (char)nrand48(seed);
		n = ctl_parse(buf, len, &r, &used);
		ck_assert_uint_le(used, len);
		if (n > 0) {
			ck_assert_int_lt(r.verb, CTL_VERBS);
			ck_assert_uint_lt(r.slot, BOARD_SLOTS);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_request");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, request_is_taken_or_refused, 0,
	    (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_test(t, longest_line_is_taken_and_one_more_byte_is_not);
	tcase_add_test(t, random_bytes_never_break_it);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
