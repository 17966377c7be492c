/*
 * docs/http.md names every option of the http service.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "../../common/opt.h"

extern const struct svc_desc http_desc;

START_TEST(every_option_is_in_the_manual)
{
	static char text[1 << 16];
	const struct opt *o;
	char want[64];
	FILE *f = fopen("docs/http.md", "r");

	ck_assert_msg(f != NULL, "run in the top folder");
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, f), 0);
	fclose(f);
	for (o = http_desc.opts->opts; o->name != NULL; o++) {
		snprintf(want, sizeof(want), "`%s`", o->name);
		ck_assert_msg(strstr(text, want) != NULL, "%s", want);
		/* what may change while it runs bears a dagger, no other */
		snprintf(want, sizeof(want), "`%s` \u2020", o->name);
		ck_assert_msg((strstr(text, want) != NULL) == (o->live != 0),
		    "%s", want);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("docs_http");
	TCase *tc = tcase_create("docs");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, every_option_is_in_the_manual);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
