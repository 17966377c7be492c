/*
 * What differs between two configurations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "../../config/conf.h"

static const char base[] =
    "name = \"x\"; memory = { buffers = 4096; };\n"
    "ports = ( { name = \"t\"; type = \"tap\"; device = \"sfx\";\n"
    "  host = \"10.9.0.1/24\"; address = [ \"10.9.0.2/24\" ]; } );\n"
    "workers = ( { name = \"web\"; service = \"http\"; ports = [ \"t\" ];\n"
    "  listen = [ \"10.9.0.2:80\" ]; http = { root = \"/tmp\";\n"
    "  max_uri = 100; }; } );\n";

static char found[1024];

static void
note(void *arg, const struct conf_item *was, const struct conf_item *is)
{
	const struct conf_item *it = is != NULL ? is : was;
	size_t n = strlen(found);

	snprintf(found + n, sizeof(found) - n, "%s%s.%s%s ", was == NULL ?
	    "+" : is == NULL ? "-" : "", it->group, it->opt->name,
	    it->opt->live ? "*" : "");
}

/* base with one text replaced by another. */
static void
load(struct conf *c, const char *old, const char *new)
{
	char path[] = "/tmp/conf_diff.XXXXXX", err[CONF_ERRLEN];
	const char *at = strstr(base, old);
	FILE *f = fdopen(mkstemp(path), "w");

	ck_assert_ptr_nonnull(at);
	fprintf(f, "%.*s%s%s", (int)(at - base), base, new,
	    at + strlen(old));
	fclose(f);
	ck_assert_msg(conf_load(c, path, svc_descs, err, sizeof(err)) == 0,
	    "%s", err);
	unlink(path);
}

static const struct {
	const char *old, *new, *found;
} t[] = {
	{ "", "", "" },
	{ "4096", "8192", "memory.buffers " },
	{ "max_uri = 100", "max_uri = 200", "workers.web.http.max_uri* " },
	{ "max_uri = 100", "listing = true", "workers.web.http.listing* "
	  "workers.web.http.max_uri* " },
	{ "\"/tmp\"", "\"/usr\"", "workers.web.http.root " },
	{ "listen = [ \"10.9.0.2:80\" ]", "listen = [ \"10.9.0.2:81\" ]",
	  "workers.web.listen " },
	{ "ports = [ \"t\" ];", "ports = [ \"t\" ]; cpus = [ 0 ];",
	  "workers.web.cpus " },
	/* one before it: it stays who it is */
	{ "workers = (", "workers = ( { name = \"new\"; service = \"echo\"; "
	  "ports = [ \"t\" ]; listen = [ \"10.9.0.2:7\" ]; },",
	  NULL },
};

START_TEST(each_option_that_differs_is_found)
{
	static struct conf a, b;

	found[0] = '\0';
	load(&a, "", "");
	load(&b, t[_i].old, t[_i].new);
	conf_diff(&a, &b, note, NULL);
	if (t[_i].found != NULL)
		ck_assert_str_eq(found, t[_i].found);
	else	/* nothing of the old one */
		ck_assert_ptr_null(strstr(found, "workers.web."));
	conf_free(&a);
	conf_free(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_diff");
	TCase *tc = tcase_create("conf_diff");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, each_option_that_differs_is_found, 0,
	    (int)(sizeof(t) / sizeof(t[0])));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
