/*
 * TCP, segment by segment: how connections begin, go on and end, as a peer that
 * knows Linux expects it. Each script runs over IPv4 and IPv6; see
 * tests/lib/script.h.
 */
#include "../lib/script.h"

static void
timestamps(void)
{
	d.conf.timestamps = 1;
}

/* RFC 9293 §3.10.7.3, second: a reset that acknowledges our SYN refuses. */
START_TEST(refused_by_a_reset)
{
	SCRIPT(NULL, "0 connect", "0 > S 0:0(0)",
	    "10 < R. 0:0(0) ack 1 win 0", "0 error 111");
}
END_TEST

/* RFC 9293 §3.10.7.4, second: it ends a half-open one without a word. */
START_TEST(half_open_is_reset)
{
	SCRIPT(NULL, "0 < S 0:0(0) win 1000 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 <mss 1460>",
	    "10 < R 1:1(0) win 0", "5000 accept -11");
}
END_TEST

/* RFC 9293 §3.10.7.4, fifth: an ACK of what we did not send. */
START_TEST(false_ack_of_the_handshake)
{
	SCRIPT(NULL, "0 < S 0:0(0) win 1000 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 <mss 1460>",
	    "10 < . 1:1(0) ack 5 win 1000", "0 > R 5:5(0)",
	    "10 < . 1:1(0) ack 1 win 1000", "0 accept");
}
END_TEST

/* RFC 9293 §3.6, figure 13: both at once. */
START_TEST(both_close_at_once)
{
	SCRIPT(NULL, OPEN, "0 close 0", "0 > F. 1:1(0) ack 1",
	    "10 < F. 1:1(0) ack 1 win 320", "0 > . 2:2(0) ack 2",
	    "10 < . 2:2(0) ack 2 win 320");
}
END_TEST

/* RFC 9293 §3.6: half-closed by the peer, we still write. */
START_TEST(half_closed_by_the_peer)
{
	SCRIPT(NULL, OPEN, "0 < F. 1:11(10) ack 1 win 320",
	    "0 > . 1:1(0) ack 12", "0 read 10", "0 read 0",
	    "0 write 1000", "0 > P. 1:1001(1000) ack 12",
	    "10 < . 12:12(0) ack 1001 win 320",
	    "0 close 0", "0 > F. 1001:1001(0) ack 12",
	    "10 < . 12:12(0) ack 1002 win 320");
}
END_TEST

/* POSIX: ECONNRESET once, then EPIPE, and the end of reading. */
START_TEST(reset_is_told_once)
{
	SCRIPT(NULL, OPEN, "0 write 1000", "0 > P. 1:1001(1000) ack 1",
	    "10 < R. 1:1(0) ack 1 win 0",
	    "0 write -104", "0 write -32", "0 read 0");
}
END_TEST

/* RFC 9293 §3.6.1: data for somebody who has closed. */
START_TEST(data_after_close)
{
	SCRIPT(NULL, OPEN, "0 close 0", "0 > F. 1:1(0) ack 1",
	    "10 < . 1:1(0) ack 2 win 320",
	    "10 < P. 1:101(100) ack 2 win 320", "0 > R 2:2(0)");
	/* the number is the one that the peer expects, whatever was lost */
	SCRIPT(NULL, OPEN, "0 write 1000", "0 > P. 1:1001(1000) ack 1",
	    "0 close 0", "0 > F. 1001:1001(0) ack 1",
	    "10 < P. 1:101(100) ack 1 win 320", "0 > R 1:1(0)");
}
END_TEST

static void
small_buffer(void)
{
	d.conf.rcvbuf = d.conf.rcvbuf_max = 20480;
}

/* A FIN needs no room: as in Linux and FreeBSD it is taken though the window
 * is closed. Data is not. */
START_TEST(fin_into_a_closed_window)
{
	SCRIPT(small_buffer, "0 < S 0:0(0) win 32792 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 win 20480 <mss 1460>",
	    "100 < . 1:1(0) ack 1 win 32792", "0 accept",
	    "0 < P. 1:20481(20480) ack 1 win 32792",
	    "0 > . 1:1(0) ack 20481 win 0",
	    "10 < F. 20481:20482(1) ack 1 win 32792",
	    "0 > . 1:1(0) ack 20481 win 0",
	    "10 < F. 20481:20481(0) ack 1 win 32792",
	    "0 > . 1:1(0) ack 20482 win 0",
	    "10 < F. 20481:20481(0) ack 1 win 32792",
	    "0 > . 1:1(0) ack 20482 win 0",
	    "10 read 20480", "0 read 0", "0 write 10",
	    "0 > P. 1:11(10) ack 20482",
	    "10 < . 20482:20482(0) ack 11 win 32792",
	    "0 close 0", "0 > F. 11:11(0) ack 20482",
	    "10 < . 20482:20482(0) ack 12 win 32792");
}
END_TEST

/* RFC 9293 §3.8.3, tcp(7): nothing acknowledged for 3 s: ETIMEDOUT. */
START_TEST(user_timeout_is_exact)
{
	SCRIPT(NULL, OPEN, "0 usertimeout 3000", "0 write 1000",
	    "0 > P. 1:1001(1000) ack 1",
	    "300 > P. 1:1001(1000) ack 1", "300 > P. 1:1001(1000) ack 1",
	    "600 > P. 1:1001(1000) ack 1", "1200 > P. 1:1001(1000) ack 1",
	    "590 write 10", "20 write -110");
}
END_TEST

/* RFC 7323 §4.3, §5.3: echo of the left edge; an old one is dropped. */
START_TEST(timestamps_are_echoed_and_judged)
{
	SCRIPT(timestamps, OPEN_TS,
	    "0 < P. 1:11(10) ack 1 win 320 <nop,nop,TS val 1100 ecr last>",
	    "0 > . 1:1(0) ack 11 <nop,nop,TS val +100 ecr 1100>",
	    "10 < P. 11:21(10) ack 1 win 320 <nop,nop,TS val 1099 ecr last>",
	    "0 > . 1:1(0) ack 11 <nop,nop,TS val +110 ecr 1100>",
	    "0 read 10", "0 write 1000",
	    "0 > P. 1:1001(1000) ack 11 <nop,nop,TS val +110 ecr 1100>",
	    "10 < . 11:11(0) ack 1001 win 320 "
	    "<nop,nop,TS val 1120 ecr last>");
}
END_TEST

/* RFC 5961 §5: who knows no number of ours must not raise the timestamp that
 * later segments are judged by. */
START_TEST(forged_ack_does_not_raise_the_timestamp)
{
	SCRIPT(timestamps, OPEN_TS,
	    "0 < F. 1:1(0) ack 9999 win 320 "
	    "<nop,nop,TS val 200000 ecr last>",
	    "0 > . 1:1(0) ack 1 <nop,nop,TS val +100 ecr 1100>",
	    "10 < P. 1:11(10) ack 1 win 320 <nop,nop,TS val 1101 ecr last>",
	    "0 > . 1:1(0) ack 11 <nop,nop,TS val +110 ecr 1101>",
	    "0 read 10");
}
END_TEST

/* RFC 9293 §3.8.6.2.1: whole segments as far as the window goes. */
START_TEST(peers_window_is_filled_by_segments)
{
	SCRIPT(NULL, "0 < S 0:0(0) win 2500 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 <mss 1460>",
	    "100 < . 1:1(0) ack 1 win 2500", "0 accept",
	    "0 write 4000", "0 > . 1:2001(2000) ack 1",
	    "100 < . 1:1(0) ack 2001 win 2500",
	    "0 > P. 2001:4001(2000) ack 1",
	    "100 < . 1:1(0) ack 4001 win 2500",
	    "0 write 1000", "0 > P. 4001:5001(1000) ack 1");
}
END_TEST

/* RFC 8985 §6.2: how far it was out of order; on such a path a report waits,
 * and is progress; what is known of it outlives a pause. */
START_TEST(reordering_is_measured)
{
	SCRIPT(NULL,
	    "0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>",
	    "0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "20 < . 1:1(0) ack 1 win 320", "0 accept",
	    "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "20 < . 1:1(0) ack 1 win 320 <sack 9001:10001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 3001:4001 9001:10001,nop,nop>",
	    "0 sacked 2", "0 < . 1:1(0) ack 10001 win 320",
	    "0 sacked 0", "0 reordering 10", "0 cwnd 19",
	    "25 write 2000", "0 > P. 10001:12001(2000) ack 1",
	    "20 < . 1:1(0) ack 10001 win 320 <sack 11001:12001,nop,nop>",
	    "0 cwnd 19", "2~6 > . 10001:11001(1000) ack 1", "0 ca 3");
}
END_TEST

/* RFC 8985 §6.2 step 4: a D-SACK widens the window by a quarter of the round
 * trip, and that outlives a pause. */
START_TEST(dsack_widens_the_reordering_window)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 1001:2001,nop,nop>",
	    "0 ca 1",
	    "25 > . 1:1001(1000) ack 1", "0 ca 3",
	    "2 < . 1:1(0) ack 2001 win 320", "1 < . 1:1(0) ack 10001 win 320",
	    "70 < . 1:1(0) ack 10001 win 320 <sack 1:1001,nop,nop>",
	    "0 cwnd 10",
	    "0 write 10000", "0 > P. 10001:20001(10000) ack 1",
	    "100 < . 1:1(0) ack 10001 win 320 <sack 11001:12001,nop,nop>",
	    "50 > . 10001:11001(1000) ack 1");
}
END_TEST

/* RFC 2018 §5, RFC 8985: holes between reports are sent again one by one. */
START_TEST(holes_between_reports)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 257 <sack 2001:3001,nop,nop>",
	    "1 < . 1:1(0) ack 1 win 257 <sack 2001:4001,nop,nop>",
	    "1 < . 1:1(0) ack 1 win 257 <sack 2001:6001,nop,nop>",
	    "0 > . 1:2001(2000) ack 1",
	    "1 < . 1:1(0) ack 1 win 257 <sack 2001:6001 7001:8001,nop,nop>",
	    "0 > . 6001:7001(1000) ack 1",
	    "1 < . 1:1(0) ack 1 win 257 <sack 2001:6001 7001:9001,nop,nop>",
	    "100 < . 1:1(0) ack 10001 win 257");
}
END_TEST

/* RFC 6928 §2: SYN-ACK sent again once: ten segments; twice: one. */
START_TEST(window_after_a_late_handshake)
{
	SCRIPT(NULL, "0 < S 0:0(0) win 40000 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 <mss 1460>",
	    "1000 > S. 0:0(0) ack 1 <mss 1460>",
	    "100 < . 1:1(0) ack 1 win 40000", "0 accept", "0 cwnd 10",
	    "0 write 10000", "0 > P. 1:10001(10000) ack 1");
	SCRIPT(NULL, "0 < S 0:0(0) win 40000 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 <mss 1460>",
	    "1000 > S. 0:0(0) ack 1 <mss 1460>",
	    "2000 > S. 0:0(0) ack 1 <mss 1460>",
	    "100 < . 1:1(0) ack 1 win 40000", "0 accept", "0 cwnd 1",
	    "0 write 10000", "0 > . 1:1001(1000) ack 1");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tcp_script_life");
	TCase *t = tcase_create("scripts");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 30);
	tcase_add_test(t, refused_by_a_reset);
	tcase_add_test(t, half_open_is_reset);
	tcase_add_test(t, false_ack_of_the_handshake);
	tcase_add_test(t, both_close_at_once);
	tcase_add_test(t, half_closed_by_the_peer);
	tcase_add_test(t, reset_is_told_once);
	tcase_add_test(t, data_after_close);
	tcase_add_test(t, fin_into_a_closed_window);
	tcase_add_test(t, user_timeout_is_exact);
	tcase_add_test(t, timestamps_are_echoed_and_judged);
	tcase_add_test(t, forged_ack_does_not_raise_the_timestamp);
	tcase_add_test(t, peers_window_is_filled_by_segments);
	tcase_add_test(t, reordering_is_measured);
	tcase_add_test(t, dsack_widens_the_reordering_window);
	tcase_add_test(t, holes_between_reports);
	tcase_add_test(t, window_after_a_late_handshake);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
