/*
 * Reloads, as the supervisor asks for them. Built with the file under test.
 */
#include "../../tools/starfish/reload.c"

#include <unistd.h>

#include <check.h>		/* last: it has a macro named as a function */

static const char text[] =
    "name = \"x\";\n"
    "ports = ( { name = \"t\"; type = \"tap\"; device = \"sfx\";\n"
    "  host = \"10.9.0.1/24\"; address = [ \"10.9.0.2/24\" ]; } );\n"
    "workers = ( { name = \"web\"; service = \"http\"; ports = [ \"t\" ];\n"
    "  listen = [ \"10.9.0.2:80\" ]; http = { root = \"/tmp\"; }; } );\n";

static struct super s;
static struct board board;
static char file[] = "/tmp/ctl_reload.XXXXXX";
static char answer[512];	/* of the last reload; empty: it goes on */

/* ---- what the rest of the supervisor does ---- */

void
super_say(struct super *x, const char *fmt, ...)
{
	(void)x;
	(void)fmt;
}

void
super_ring(const struct super *x, uint32_t slot)
{
	(void)x;
	(void)slot;
}

void
accesslog_reload(struct super *x)
{
	(void)x;
}

void
server_reloaded(struct super *x, const char *line)
{
	(void)x;
	strlcpy(answer, line, sizeof(answer));
}

int
rundir_origin(const struct rundir *d, char *buf, size_t len)
{
	(void)d;
	(void)buf;
	(void)len;
	return -ENOENT;
}

/* ---- the tests ---- */

static void
setup(void)
{
	char err[CONF_ERRLEN];
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	ck_assert_msg(conf_load(&s.conf, file, svc_descs, err, sizeof(err)) ==
	    0, "%s", err);
	s.board = &board;
	s.phase = SUPER_SERVING;
	s.now_us = 1000000;
	atomic_store(&board.cache.generation, 1);
}

static void
teardown(void)
{
	conf_free(&s.conf);
	unlink(file);
}

static void
begin(void)
{
	char err[CONF_ERRLEN];

	answer[0] = '\0';
	ck_assert_msg(reload_begin(&s, file, err, sizeof(err)) == 0, "%s",
	    err);
}

static uint32_t
wanted(void)
{
	return atomic_load(&board.super.cache_wanted);
}

/* The primary is done with a wish. */
static void
loaded(uint32_t wish)
{
	atomic_fetch_add(&board.cache.generation, 1);
	atomic_store(&board.cache.tried, wish);
	reload_turn(&s);
	reload_turn(&s);
}

/* board_super.cache_wanted: another number for each reload. */
START_TEST(a_reload_ends_when_its_own_roots_are_loaded)
{
	uint32_t i;

	for (i = 0; i < 3; i++) {
		begin();
		reload_turn(&s);
		ck_assert_str_eq(answer, "");
		loaded(wanted());
		ck_assert_msg(strcmp(answer, "ok") == 0, "%s", answer);
	}
}
END_TEST

/* One that was given up may end later: it is not the next one's end. */
START_TEST(the_end_of_a_reload_that_was_given_up_is_not_the_next_ones)
{
	uint32_t first;

	begin();
	first = wanted();
	s.now_us += ROOTS_US + 1;
	reload_turn(&s);
	ck_assert_msg(strncmp(answer, "error ", 6) == 0, "%s", answer);
	ck_assert_ptr_nonnull(strstr(answer, "may be later"));
	begin();
	ck_assert_uint_ne(wanted(), first);
	loaded(first);
	ck_assert_msg(answer[0] == '\0', "it ended with the first: %s", answer);
	loaded(wanted());
	ck_assert_msg(strcmp(answer, "ok") == 0, "%s", answer);
}
END_TEST

int
main(void)
{
	Suite *su = suite_create("ctl_reload");
	TCase *t = tcase_create("reload");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_reload_ends_when_its_own_roots_are_loaded);
	tcase_add_test(t,
	    the_end_of_a_reload_that_was_given_up_is_not_the_next_ones);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
