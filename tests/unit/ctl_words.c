/*
 * The command line: words, shortened words, options, and what is refused.
 * The tables are the tool's own: its file is taken in as it is.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/starfish/words.c"
#include "../../tools/starfish/words_num.c"

#define ARGS	8

struct line {
	const char *args[ARGS];
	int ok;
	enum verb verb;
	const char *part;	/* of the message, when it is not ok */
};

static const struct line lines[] = {
	{ { "up", "-c", "f" }, 1, VERB_UP, NULL },
	{ { "up", "-cf", "--detach" }, 1, VERB_UP, NULL },
	{ { "up", "--adopt" }, 1, VERB_UP, NULL },
	{ { "up", "--adopt", "-n", "lab" }, 1, VERB_UP, NULL },
	{ { "up", "--adopt", "-c", "f" }, 1, VERB_UP, NULL },
	{ { "up", "--adopt-or-start", "-c", "f" }, 1, VERB_UP, NULL },
	{ { "down" }, 1, VERB_DOWN, NULL },
	{ { "-n", "lab", "down" }, 1, VERB_DOWN, NULL },
	{ { "down", "-n", "lab" }, 1, VERB_DOWN, NULL },
	{ { "status", "--json", "-w", "1" }, 1, VERB_STATUS, NULL },
	{ { "workers" }, 1, VERB_WORKERS, NULL },
	{ { "ports", "--json" }, 1, VERB_PORTS, NULL },
	{ { "buckets", "-w0.5" }, 1, VERB_BUCKETS, NULL },
	{ { "conns" }, 1, VERB_CONNS, NULL },
	{ { "conns", "1" }, 1, VERB_CONNS, NULL },
	{ { "stats" }, 1, VERB_STATS, NULL },
	{ { "stats", "3", "--json" }, 1, VERB_STATS, NULL },
	{ { "events", "-w", "2" }, 1, VERB_EVENTS, NULL },
	{ { "config", "check", "f" }, 1, VERB_CHECK, NULL },
	{ { "config", "show" }, 1, VERB_SHOW, NULL },
	{ { "config", "show", "f", "--json" }, 1, VERB_SHOW, NULL },
	{ { "restart", "0" }, 1, VERB_RESTART, NULL },
	{ { "add", "web" }, 1, VERB_ADD, NULL },
	{ { "add", "web", "--cpu=3", "--count" , "2" }, 1, VERB_ADD, NULL },
	{ { "drain", "1", "--timeout", "5" }, 1, VERB_DRAIN, NULL },
	{ { "remove", "15" }, 1, VERB_REMOVE, NULL },
	{ { "rebalance" }, 1, VERB_REBALANCE, NULL },
	{ { "version" }, 1, VERB_VERSION, NULL },
	{ { "--version" }, 1, VERB_VERSION, NULL },
	{ { "help" }, 1, VERB_HELP, NULL },
	{ { "help", "up" }, 1, VERB_HELP, NULL },
	{ { "--help" }, 1, VERB_HELP, NULL },
	{ { "up", "--help" }, 1, VERB_HELP, NULL },
	{ { "config", "-h" }, 1, VERB_HELP, NULL },
	/* shortened, as long as it is clear */
	{ { "sta" }, 0, 0, "not clear: \"sta\": allowed: up, down" },
	{ { "stat" }, 0, 0, "not clear" },
	{ { "statu" }, 1, VERB_STATUS, NULL },
	{ { "stats" }, 1, VERB_STATS, NULL },
	{ { "wo" }, 1, VERB_WORKERS, NULL },
	{ { "wget", "u", "--rate", "5" }, 1, VERB_WGET, NULL },
	{ { "-n", "lab", "wg", "-x", "y", "z", "a" }, 1, VERB_WGET, "lab" },
	{ { "conf", "c", "f" }, 1, VERB_CHECK, NULL },
	/* refused, with what is allowed */
	{ { NULL }, 0, 0, "a word is missing: allowed: up, down" },
	{ { "-n", "lab" }, 0, 0, "a word is missing" },
	{ { "dance" }, 0, 0, "no such command: \"dance\": allowed: up, down" },
	{ { "" }, 0, 0, "a word is missing" },
	{ { "config" }, 0, 0, "a word is missing: allowed: check, show" },
	{ { "config", "burn" }, 0, 0, "\"burn\": allowed: check, show" },
	{ { "config", "check" }, 0, 0, "config check: missing: FILE" },
	{ { "up" }, 0, 0, "up: missing: -c FILE" },
	{ { "up", "--adopt-or-start" }, 0, 0, "up: missing: -c FILE" },
	{ { "up", "-c", "f", "-n", "lab" }, 0, 0, "up: -n NAME is for" },
	{ { "up", "--adopt", "-c", "f", "-n", "l" }, 0, 0, "up --adopt: -n" },
	{ { "down", "--adopt" }, 0, 0, "down: --adopt is not for" },
	{ { "up", "-c" }, 0, 0, "-c: its value is missing" },
	{ { "up", "f" }, 0, 0, "up: too many words: \"f\"" },
	{ { "restart" }, 0, 0, "restart: missing: SLOT" },
	{ { "restart", "16" }, 0, 0, "SLOT \"16\": allowed 0 to 15" },
	{ { "add" }, 0, 0, "add: missing: NAME" },
	{ { "add", "web", "--count", "0" }, 0, 0, "--count 0: allowed 1 to 16" },
	{ { "add", "web", "--cpu", "x" }, 0, 0, "--cpu x: allowed 0 to 1023" },
	{ { "add", "web", "--cpu" }, 0, 0, "--cpu: its value is missing" },
	{ { "drain", "1", "--timeout=0" }, 0, 0,
	  "--timeout 0: allowed 1 to 86400" },
	{ { "drain", "1", "--count", "2" }, 0, 0, "drain: --count K is not for" },
	{ { "status", "--cpu", "1" }, 0, 0, "status: --cpu N is not for" },
	{ { "stats", "x" }, 0, 0, "SLOT \"x\": allowed 0 to 15" },
	{ { "stats", "1", "2" }, 0, 0, "stats: too many words: \"2\"" },
	{ { "status", "-w", "0" }, 0, 0, "-w 0: allowed 0.1 to 86400" },
	{ { "status", "-w", "nan" }, 0, 0, "-w nan: allowed" },
	{ { "status", "-w", "1x" }, 0, 0, "-w 1x: allowed" },
	{ { "status", "-x" }, 0, 0, "no such option: \"-x\"" },
	{ { "status", "--jsn" }, 0, 0, "no such option: \"--jsn\"" },
	{ { "status", "--detach" }, 0, 0,
	  "status: --detach is not for this command" },
	{ { "up", "-c", "f", "--json" }, 0, 0, "up: --json is not for" },
	{ { "version", "-w", "1" }, 0, 0, "version: -w SECONDS is not for" },
	{ { "restart", "0", "c" }, 0, 0, "restart: too many words: \"c\"" },
	{ { "fault", "0", "drop=1", "seed=2" }, 1, VERB_FAULT, NULL },
	{ { "fault" }, 0, 0, "fault: missing: SLOT" },
};

START_TEST(line_is_understood_or_refused_with_a_reason)
{
	const struct line *l = &lines[_i];
	struct request rq;
	char err[512] = "";
	int n = 0, r;

	while (n < ARGS && l->args[n] != NULL)
		n++;
	r = words_parse(n, (char *const *)(uintptr_t)l->args, &rq, err,
	    sizeof(err));
	ck_assert_msg((r == 0) == l->ok, "%s: %s", l->args[0], err);
	if (l->ok)
		ck_assert_int_eq(rq.verb, l->verb);
	else
		ck_assert_msg(strstr(err, l->part) != NULL, "%s", err);
}
END_TEST

START_TEST(values_of_options_arrive)
{
	const char *args[] = { "-n", "lab", "stats", "2", "--json", "-w",
	    "1.5" };
	struct request rq;
	char err[512];

	ck_assert_int_eq(words_parse(7, (char *const *)(uintptr_t)args, &rq,
	    err, sizeof(err)), 0);
	ck_assert_str_eq(rq.name, "lab");
	ck_assert_uint_eq(rq.slot, 2);
	ck_assert_uint_eq(rq.json, 1);
	ck_assert_uint_eq(rq.watch_ms, 1500);
}
END_TEST

START_TEST(slot_not_named_means_all)
{
	const char *args[] = { "conns" };
	struct request rq;
	char err[512];

	ck_assert_int_eq(words_parse(1, (char *const *)(uintptr_t)args, &rq,
	    err, sizeof(err)), 0);
	ck_assert_uint_eq(rq.slot, BOARD_NONE);
	ck_assert_ptr_null(rq.name);
}
END_TEST

START_TEST(every_command_has_help_and_its_name)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	int v;

	f = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(words_help(NULL, f), 0);
	fclose(f);
	for (v = 0; v < VERBS; v++)
		ck_assert_ptr_nonnull(strstr(text,
		    words_name((enum verb)v)));
	free(text);
	f = open_memstream(&text, &len);
	ck_assert_int_eq(words_help("status", f), 0);
	ck_assert_int_lt(words_help("dance", f), 0);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "starfish status"));
	ck_assert_ptr_nonnull(strstr(text, "[--json]"));
	ck_assert_ptr_nonnull(strstr(text, "-w SECONDS"));
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_words");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, line_is_understood_or_refused_with_a_reason, 0,
	    (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_test(t, values_of_options_arrive);
	tcase_add_test(t, slot_not_named_means_all);
	tcase_add_test(t, every_command_has_help_and_its_name);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
