/*
 * What a service manager hears, as sd_notify(3) has it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../tools/starfish/notify.c"

static int sock = -1;
static struct notify n;

/* Listen on a name in the abstract space of our own. */
static void
setup(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char name[64];
	int len;

	len = snprintf(name, sizeof(name), "@ctl_notify-%d", (int)getpid());
	memcpy(un.sun_path, name, (size_t)len);
	un.sun_path[0] = '\0';
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(sock, 0);
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&un, (socklen_t)
	    (offsetof(struct sockaddr_un, sun_path) + (size_t)len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void
teardown(void)
{
	close(sock);
}

static void
hears(const char *want)
{
	char buf[256];
	ssize_t len = recv(sock, buf, sizeof(buf) - 1, 0);

	buf[len > 0 ? len : 0] = '\0';
	ck_assert_str_eq(buf, want);
}

START_TEST(ready_and_stopping_are_said_once)
{
	char want[64];

	notify_init(&n);
	notify_ready(&n);
	notify_ready(&n);
	snprintf(want, sizeof(want), "READY=1\nMAINPID=%d\n", (int)getpid());
	hears(want);
	notify_stopping(&n);
	notify_stopping(&n);
	hears("STOPPING=1\nSTATUS=ending\n");
	hears("");
}
END_TEST

START_TEST(status_is_said_when_it_is_news)
{
	notify_init(&n);
	notify_status(&n, "1 of 2");
	notify_status(&n, "1 of 2");
	notify_status(&n, "2 of 2");
	hears("STATUS=1 of 2\n");
	hears("STATUS=2 of 2\n");
	hears("");
}
END_TEST

/* sd_watchdog_enabled(3): signs of life come at half of the interval. */
START_TEST(watchdog_is_fed_at_half_of_its_interval)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "1000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	notify_init(&n);
	notify_alive(&n, 10000);
	notify_alive(&n, 10499);
	hears("WATCHDOG=1\n");
	hears("");
	notify_alive(&n, 10500);
	hears("WATCHDOG=1\n");
}
END_TEST

static const char *const nobody[][2] = {
	{ "1000", "1" }, { "1000", "x" }, { "0", NULL }, { "-5", NULL },
	{ "12x", NULL }, { NULL, NULL },
};

START_TEST(watchdog_of_others_and_rubbish_is_none)
{
	if (nobody[_i][0] != NULL)
		setenv("WATCHDOG_USEC", nobody[_i][0], 1);
	if (nobody[_i][1] != NULL)
		setenv("WATCHDOG_PID", nobody[_i][1], 1);
	notify_init(&n);
	notify_alive(&n, 1000000);
	hears("");
}
END_TEST

START_TEST(children_do_not_inherit_it)
{
	setenv("WATCHDOG_USEC", "1000", 1);
	notify_init(&n);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
}
END_TEST

START_TEST(wrong_socket_is_nobody)
{
	char longer[300];
	const char *const wrong[] = { "", "/", "@", "relative", longer };
	uint32_t i;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	for (i = 0; i < 5; i++) {
		setenv("NOTIFY_SOCKET", wrong[i], 1);
		notify_init(&n);
		ck_assert_uint_eq(n.to_len, 0);
		notify_ready(&n);
	}
	hears("");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ctl_notify");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, ready_and_stopping_are_said_once);
	tcase_add_test(t, status_is_said_when_it_is_news);
	tcase_add_test(t, watchdog_is_fed_at_half_of_its_interval);
	tcase_add_loop_test(t, watchdog_of_others_and_rubbish_is_none, 0,
	    (int)(sizeof(nobody) / sizeof(nobody[0])));
	tcase_add_test(t, children_do_not_inherit_it);
	tcase_add_test(t, wrong_socket_is_nobody);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
