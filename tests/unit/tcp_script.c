/*
 * TCP, segment by segment: what a peer that knows Linux expects. Each script
 * runs over IPv4 and IPv6; tests/lib/script.h says how it is written.
 */
#include "../lib/script.h"

static void
timestamps(void)
{
	d.conf.timestamps = 1;
}

static void
asks_ecn(void)
{
	d.conf.ecn = 2;
}

static void
newreno(void)
{
	d.conf.cc = NET_CC_NEWRENO;
}

/* ---- loss ---- */

/* RFC 5681 §3.2, RFC 6582: three duplicate ACKs of a peer without SACK. */
START_TEST(three_duplicates_retransmit)
{
	SCRIPT(NULL, OPEN_PLAIN, "0 write 4000",
	    "0 > P. 1:4001(4000) ack 1",
	    "100 < . 1:1(0) ack 1 win 40000",
	    "0 < . 1:1(0) ack 1 win 40000",
	    "0 < . 1:1(0) ack 1 win 40000",
	    "0 > . 1:1001(1000) ack 1",
	    "0 ca 3",
	    "100 < . 1:1(0) ack 4001 win 40000",
	    "0 ca 0", "0 cwnd 7", "0 ssthresh 7",
	    "100 close",
	    "0 > F. 4001:4001(0) ack 1",
	    "100 < F. 1:1(0) ack 4002 win 40000",
	    "0 > . 4002:4002(0) ack 2");
}
END_TEST

/* RFC 6582 §3.2 step 3: a partial ACK brings the next segment at once, however
 * many duplicates came before it. */
START_TEST(partial_acks_retransmit)
{
	SCRIPT(newreno, OPEN_PLAIN, "0 write 10000",
	    "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 40000", "0 < . 1:1(0) ack 1 win 40000",
	    "0 < . 1:1(0) ack 1 win 40000",
	    "0 > . 1:1001(1000) ack 1", "0 ca 3",
	    "0 < . 1:1(0) ack 1 win 40000", "0 < . 1:1(0) ack 1 win 40000",
	    "0 < . 1:1(0) ack 1 win 40000", "0 < . 1:1(0) ack 1 win 40000",
	    "100 < . 1:1(0) ack 4001 win 40000",
	    "0 > . 4001:5001(1000) ack 1",
	    "100 < . 1:1(0) ack 8001 win 40000",
	    "0 > . 8001:9001(1000) ack 1", "0 ca 3",
	    "100 < . 1:1(0) ack 10001 win 40000", "0 ca 0", "0 cwnd 5");
}
END_TEST

/* RFC 8985 §6.2: three reported segments: no reordering window. */
START_TEST(three_reports_retransmit)
{
	SCRIPT(NULL, OPEN, "0 write 4000", "0 > P. 1:4001(4000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 1001:2001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 1001:3001,nop,nop>",
	    "0 sacked 2", "0 lost 0", "0 ca 1",
	    "0 < . 1:1(0) ack 1 win 320 <sack 1001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "0 ca 3", "0 sacked 3", "0 unacked 4", "0 retrans 1", "0 lost 1",
	    "100 < . 1:1(0) ack 4001 win 320",
	    "0 ca 0");
}
END_TEST

/* Three short ones are three, too. */
START_TEST(three_short_reports_retransmit)
{
	SCRIPT(NULL, OPEN, "0 nodelay 1",
	    "0 write 10", "0 > P. 1:11(10) ack 1",
	    "0 write 10", "0 > P. 11:21(10) ack 1",
	    "0 write 10", "0 > P. 21:31(10) ack 1",
	    "0 write 10", "0 > P. 31:41(10) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 11:21,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 11:31,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 11:41,nop,nop>",
	    "0 > P. 1:11(10) ack 1 ",
	    "100 < . 1:1(0) ack 41 win 320");
}
END_TEST

/* RFC 8985 §6.2 and §6.3: fewer wait for a quarter of the least round trip. */
START_TEST(one_report_waits_for_the_reordering_window)
{
	SCRIPT(NULL, OPEN, "0 write 4000", "0 > P. 1:4001(4000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 3001:4001,nop,nop>",
	    "25 > . 1:1001(1000) ack 1",
	    "0 ca 3", "0 lost 3",
	    "100 < . 1:1(0) ack 1001 win 320 <sack 3001:4001,nop,nop>",
	    "0 > . 1001:3001(2000) ack 1",
	    "100 < . 1:1(0) ack 4001 win 320");
}
END_TEST

/* RFC 3042, RFC 8985: a new segment for each of the first two. */
START_TEST(limited_transmit)
{
	SCRIPT(NULL, OPEN, "0 write 15000", "0 > . 1:10001(10000) ack 1",
	    "110 < . 1:1(0) ack 1 win 320 <sack 1001:2001,nop,nop>",
	    "0 > . 10001:11001(1000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:3001,nop,nop>",
	    "0 > . 11001:12001(1000) ack 1",
	    "5 < . 1:1(0) ack 3001 win 320",
	    "0 > . 12001:14001(2000) ack 1",
	    "20 < . 1:1(0) ack 5001 win 320",
	    "0 > P. 14001:15001(1000) ack 1",
	    "20 < . 1:1(0) ack 15001 win 320");
}
END_TEST

/* RFC 6937: one out for one in while what flies is at ssthresh, and ssthresh
 * (0.7 of 10, RFC 9438 §4.6) is the window at the end. */
START_TEST(prr_sends_one_for_one)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "110 < . 1:1(0) ack 1 win 320 <sack 1001:2001,nop,nop>",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:3001,nop,nop>",
	    "5 < . 1:1(0) ack 1 win 320 <sack 1001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "10 ca 3", "0 cwnd 7", "0 ssthresh 7",
	    "10 write 7000",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:5001,nop,nop>",
	    "0 > . 10001:11001(1000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:6001,nop,nop>",
	    "0 > . 11001:12001(1000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:7001,nop,nop>",
	    "0 > . 12001:13001(1000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:8001,nop,nop>",
	    "0 > . 13001:14001(1000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:9001,nop,nop>",
	    "0 > . 14001:15001(1000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:10001,nop,nop>",
	    "0 > . 15001:16001(1000) ack 1",
	    "20 < . 1:1(0) ack 10001 win 320",
	    "0 > P. 16001:17001(1000) ack 1",
	    "10 ca 0", "0 cwnd 7", "0 ssthresh 7");
}
END_TEST

/* RFC 6937 (slow-start reduction bound): four of ten lost; then all of
 * ssthresh may go at once. */
START_TEST(prr_repairs_a_burst)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 4001:5001,nop,nop>",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:6001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 4001:7001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "0 < . 1:1(0) ack 1 win 320 <sack 4001:8001,nop,nop>",
	    "0 > . 1001:2001(1000) ack 1",
	    "0 < . 1:1(0) ack 1 win 320 <sack 4001:9001,nop,nop>",
	    "0 > . 2001:3001(1000) ack 1",
	    "0 < . 1:1(0) ack 1 win 320 <sack 4001:10001,nop,nop>",
	    "0 > . 3001:4001(1000) ack 1",
	    "100 < . 1:1(0) ack 1001 win 320 <sack 4001:10001,nop,nop>",
	    "0 < . 1:1(0) ack 2001 win 320 <sack 4001:10001,nop,nop>",
	    "0 < . 1:1(0) ack 3001 win 320 <sack 4001:10001,nop,nop>",
	    "0 < . 1:1(0) ack 10001 win 320",
	    "10 write 10000",
	    "0 > . 10001:17001(7000) ack 1");
}
END_TEST

/* RFC 6937, with more to send and a lost retransmission (RFC 8985 §6.2). */
START_TEST(prr_through_two_bursts)
{
	SCRIPT(NULL,
	    "0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>",
	    "0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "10 < . 1:1(0) ack 1 win 320", "0 accept",
	    "0 write 20000", "0 > . 1:10001(10000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 4001:5001,nop,nop>",
	    "0 > . 10001:11001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:6001,nop,nop>",
	    "0 > . 11001:12001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:7001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:8001,nop,nop>",
	    "0 > . 1001:2001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:9001,nop,nop>",
	    "0 > . 2001:3001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:10001,nop,nop>",
	    "0 > . 3001:4001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:11001,nop,nop>",
	    "0 > . 12001:13001(1000) ack 1",
	    "2 < . 1:1(0) ack 1 win 320 <sack 4001:12001,nop,nop>",
	    "0 > . 13001:14001(1000) ack 1",
	    "10 < . 1:1(0) ack 1001 win 320 <sack 4001:12001,nop,nop>",
	    "0 > . 14001:16001(2000) ack 1",
	    "2 < . 1:1(0) ack 1001 win 320 <sack 2001:12001,nop,nop>",
	    "0 > . 1001:2001(1000) ack 1",
	    "0 > . 16001:17001(1000) ack 1",
	    "2 < . 1:1(0) ack 1001 win 320 <sack 2001:13001,nop,nop>",
	    "0 > . 17001:18001(1000) ack 1",
	    "2 < . 1:1(0) ack 1001 win 320 <sack 2001:14001,nop,nop>",
	    "0 > . 18001:19001(1000) ack 1");
}
END_TEST

/* RFC 2018 §5: what an overtaken ACK reports counts. */
START_TEST(old_acks_report_too)
{
	SCRIPT(NULL,
	    "0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 8>",
	    "0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "10 < . 1:1(0) ack 1 win 320", "0 accept",
	    "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "10 < . 1:1(0) ack 1 win 320 <sack 1001:2001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 1001:3001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 1001:3001 8001:9001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "12 < . 1:1(0) ack 4001 win 320 <sack 8001:9001,nop,nop>",
	    "0 > . 4001:6001(2000) ack 1",
	    "0 write 10000",
	    "2 < . 1:1(0) ack 3001 win 320 <sack 5001:7001,nop,nop>",
	    "0 > . 7001:8001(1000) ack 1",
	    "0 > P. 9001:10001(1000) ack 1");
}
END_TEST

/* RFC 8985 §7, RFC 6298: the timeout of a lone segment comes first, and sends
 * it as a probe that leaves the window alone; then a timeout does not. */
START_TEST(lone_segment_is_probed_then_times_out)
{
	SCRIPT(NULL, OPEN, "0 write 1000", "0 > P. 1:1001(1000) ack 1",
	    "100 < . 1:1(0) ack 1001 win 257", "0 cwnd 10", "0 rto 300",
	    "0 write 1000", "0 > P. 1001:2001(1000) ack 1",
	    "300 > P. 1001:2001(1000) ack 1", "0 cwnd 10", "0 ca 0",
	    "300 > P. 1001:2001(1000) ack 1", "0 cwnd 1", "0 ca 4",
	    "0 backoff 1", "0 times 1", "0 probes 0",
	    "100 < . 1:1(0) ack 2001 win 257", "0 cwnd 2", "0 ssthresh 7",
	    "0 write 9000", "0 > . 2001:4001(2000) ack 1",
	    "100 < . 1:1(0) ack 3001 win 257",
	    "0 > . 4001:6001(2000) ack 1", "0 cwnd 3",
	    "2 < . 1:1(0) ack 4001 win 257",
	    "0 > . 6001:8001(2000) ack 1", "0 cwnd 4");
}
END_TEST

/* RFC 8985 §7.2: two round trips after the last segment, once. */
START_TEST(tail_is_probed_after_two_round_trips)
{
	SCRIPT(NULL, OPEN, "0 write 4000", "0 > P. 1:4001(4000) ack 1",
	    "200 > P. 3001:4001(1000) ack 1", "0 retrans 1", "0 lost 0",
	    "100 < . 1:1(0) ack 1 win 320 <sack 3001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "100 < . 1:1(0) ack 1001 win 320 <sack 3001:4001,nop,nop>",
	    "0 > . 1001:3001(2000) ack 1",
	    "100 < . 1:1(0) ack 4001 win 320", "0 ca 0");
}
END_TEST

/* RFC 5682 (2b) and (3b): the timeout was wrong: new data, and its ACK takes
 * everything back. With SACK, and without it. */
START_TEST(spurious_timeout_is_undone)
{
	SCRIPT(NULL, OPEN_PLAIN, "0 write 20000",
	    "0 > . 1:10001(10000) ack 1",
	    "300 > . 1:1001(1000) ack 1", "0 cwnd 1", "0 ca 4",
	    "10 < . 1:1(0) ack 1001 win 40000",
	    "0 > . 10001:12001(2000) ack 1",
	    "5 < . 1:1(0) ack 2001 win 40000",
	    "0 ca 0", "0 cwnd 10", "0 lost 0");
	SCRIPT(NULL, OPEN, "0 write 20000", "0 > . 1:10001(10000) ack 1",
	    "200 > . 10001:11001(1000) ack 1",
	    "300 > . 1:1001(1000) ack 1", "0 ca 4",
	    "10 < . 1:1(0) ack 1001 win 320",
	    "0 > . 11001:13001(2000) ack 1",
	    "5 < . 1:1(0) ack 2001 win 320",
	    "0 ca 0", "0 cwnd 10", "0 lost 0");
}
END_TEST

/* RFC 5682 (3a): it was right: the rest is sent again. */
START_TEST(genuine_timeout_goes_on)
{
	SCRIPT(NULL, OPEN_PLAIN, "0 write 20000",
	    "0 > . 1:10001(10000) ack 1",
	    "300 > . 1:1001(1000) ack 1",
	    "100 < . 1:1(0) ack 1001 win 40000",
	    "0 > . 10001:12001(2000) ack 1",
	    "100 < . 1:1(0) ack 1001 win 40000",
	    "0 > . 1001:2001(1000) ack 1", "0 ca 4");
}
END_TEST

/* RFC 3522: the echo tells that the first one arrived. */
START_TEST(eifel_undoes_a_timeout)
{
	SCRIPT(timestamps, OPEN_TS, "0 write 1000",
	    "0 > P. 1:1001(1000) ack 1 <nop,nop,TS val +100 ecr 1100>",
	    "300 > P. 1:1001(1000) ack 1 <nop,nop,TS val +400 ecr 1100>",
	    "300 > P. 1:1001(1000) ack 1 <nop,nop,TS val +700 ecr 1100>",
	    "0 cwnd 1", "0 ca 4",
	    "5 < . 1:1(0) ack 1001 win 320 <nop,nop,TS val 1600 ecr +100>",
	    "0 cwnd 10", "0 ca 0");
}
END_TEST

/* RFC 2883: the report of a duplicate for each one sent again. */
START_TEST(dsack_undoes_a_recovery)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 1001:2001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 1001:3001,nop,nop>",
	    "0 < . 1:1(0) ack 1 win 320 <sack 1001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1", "0 ca 3",
	    "10 < . 1:1(0) ack 4001 win 320",
	    "0 < . 1:1(0) ack 6001 win 320",
	    "20 < . 1:1(0) ack 6001 win 320 <sack 1:1001,nop,nop>",
	    "0 ca 0", "0 cwnd 10", "0 reordering 3");
}
END_TEST

/* RFC 3708: the duplicate arrives behind all that was in flight, so the
 * report follows the ACK that ends the recovery. */
START_TEST(dsack_undoes_what_is_over)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 1001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1", "0 ca 3",
	    "1 < . 1:1(0) ack 4001 win 320",
	    "1 < . 1:1(0) ack 10001 win 320",
	    "0 ca 0", "0 cwnd 7", "0 ssthresh 7",
	    "98 < . 1:1(0) ack 10001 win 320 <sack 1:1001,nop,nop>",
	    "0 ca 0", "0 cwnd 10", "0 ssthresh 2147483647");
}
END_TEST

/* A probe that was one too many says nothing of the loss before it. */
START_TEST(dsack_of_a_later_probe_undoes_nothing)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 1001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1",
	    "100 < . 1:1(0) ack 10001 win 320", "0 cwnd 7",
	    "0 write 1000", "0 > P. 10001:11001(1000) ack 1",
	    "200~350 > P. 10001:11001(1000) ack 1",
	    "10 < . 1:1(0) ack 11001 win 320 <sack 10001:11001,nop,nop>",
	    "0 cwnd 7", "0 ssthresh 7");
}
END_TEST

/* ---- windows ---- */

/* RFC 5681 §3.1, RFC 7661: it doubles if half of it was used, and goes no
 * farther than twice what was. */
START_TEST(slow_start_by_what_was_used)
{
	SCRIPT(NULL, OPEN, "0 write 9000", "0 > P. 1:9001(9000) ack 1",
	    "105 < . 1:1(0) ack 2001 win 320", "0 cwnd 12",
	    "5 < . 1:1(0) ack 4001 win 320", "0 cwnd 14",
	    "5 < . 1:1(0) ack 6001 win 320", "0 cwnd 16",
	    "5 < . 1:1(0) ack 8001 win 320", "0 cwnd 18",
	    "5 < . 1:1(0) ack 9001 win 320", "0 cwnd 18");
	SCRIPT(NULL, OPEN, "0 write 5000", "0 > P. 1:5001(5000) ack 1",
	    "100 < . 1:1(0) ack 2001 win 320", "0 cwnd 10",
	    "0 < . 1:1(0) ack 5001 win 320", "0 cwnd 10");
	SCRIPT(NULL, OPEN, "0 write 30000", "0 > . 1:10001(10000) ack 1",
	    "110 < . 1:1(0) ack 4001 win 320",
	    "0 > . 10001:18001(8000) ack 1",
	    "10 < . 1:1(0) ack 8001 win 320",
	    "0 > . 18001:26001(8000) ack 1",
	    "5 < . 1:1(0) ack 10001 win 320",
	    "0 > P. 26001:30001(4000) ack 1", "0 cwnd 20");
}
END_TEST

/* RFC 5681 §4.1, RFC 2861: half for each RTO of silence, not below ten. */
START_TEST(window_decays_when_idle)
{
	SCRIPT(NULL, OPEN, "0 write 26000", "0 > . 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 10001 win 511",
	    "0 > P. 10001:26001(16000) ack 1", "0 cwnd 20",
	    "100 < . 1:1(0) ack 26001 win 511", "0 cwnd 36",
	    "350 write 1000", "0 > P. 26001:27001(1000) ack 1", "0 cwnd 18",
	    "100 < . 1:1(0) ack 27001 win 511",
	    "2000 write 20000", "0 > . 27001:37001(10000) ack 1",
	    "0 cwnd 10");
}
END_TEST

/* RFC 9293 §3.8.6.1: the first probe after an RTO, then twice as long. */
START_TEST(zero_window_is_probed)
{
	SCRIPT(NULL, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 10001 win 0", "0 cwnd 20",
	    "0 write 20000",
	    "300 > . 10000:10000(0) ack 1",
	    "600 > . 10000:10000(0) ack 1",
	    "1200 > . 10000:10000(0) ack 1", "0 cwnd 20",
	    "0 probes 3", "0 times 0",
	    "900 < . 1:1(0) ack 10001 win 511",
	    "0 > . 10001:20001(10000) ack 1");
}
END_TEST

/* RFC 5681 §4.1: probes of a closed window are no data: when it opens, the
 * window of congestion is the initial one. */
START_TEST(closed_window_is_a_pause)
{
	SCRIPT(NULL, OPEN, "0 write 26000", "0 > . 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 10001 win 511",
	    "0 > P. 10001:26001(16000) ack 1",
	    "100 < . 1:1(0) ack 26001 win 0", "0 cwnd 36",
	    "0 write 20000",
	    "300 > . 26000:26000(0) ack 1",
	    "1 < . 1:1(0) ack 26001 win 0", "0 cwnd 36",
	    "599 > . 26000:26000(0) ack 1",
	    "1 < . 1:1(0) ack 26001 win 0", "0 cwnd 36",
	    "1199 > . 26000:26000(0) ack 1",
	    "900 < . 1:1(0) ack 26001 win 511",
	    "0 > . 26001:36001(10000) ack 1", "0 cwnd 10");
}
END_TEST

/* RFC 3168 §6.1.2, RFC 6937: congestion is echoed: the window falls by PRR,
 * once. */
START_TEST(ecn_reduces_by_prr)
{
	SCRIPT(NULL,
	    "0 < SEW 0:0(0) win 32792 <mss 1000,nop,nop,sackOK,nop,wscale 7>",
	    "0 > SE. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "100 < . 1:1(0) ack 1 win 320", "0 accept",
	    "0 write 4000", "0 > [ect0] P. 1:4001(4000) ack 1", "5 cwnd 10",
	    "95 < E. 1:1(0) ack 1001 win 320",
	    "5 ca 2", "0 cwnd 5",
	    "0 < E. 1:1(0) ack 4001 win 320", "0 ca 0", "0 cwnd 7",
	    "0 write 1000", "0 > [ect0] PW. 4001:5001(1000) ack 1");
}
END_TEST

/* RFC 3168 §6.1.1, §6.1.3, §6.1.5: asked for by us; ECT(0) on data only. */
START_TEST(ecn_is_asked_for)
{
	SCRIPT(asks_ecn, "0 connect",
	    "0 > SEW 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "2 < SE. 0:0(0) ack 1 win 32767 <mss 1000,nop,wscale 6,nop,nop,"
	    "sackOK>",
	    "0 > [noecn] . 1:1(0) ack 1",
	    "2 write 1000", "0 > [ect0] P. 1:1001(1000) ack 1",
	    "2 < [ce] . 1:1001(1000) ack 1001 win 600",
	    "0 > [noecn] E. 1001:1001(0) ack 1001");
}
END_TEST

/* RFC 9406 §4.2: eight samples an eighth above the last round's least: the
 * window grows by a quarter of what it did. */
START_TEST(hystart_slows_down_when_the_delay_grows)
{
	SCRIPT(NULL, OPEN, "0 write 60000", "0 > . 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 10001 win 2000",
	    "0 > . 10001:30001(20000) ack 1", "0 cwnd 20",
	    "120 < . 1:1(0) ack 12001 win 2000",
	    "0 > . 30001:34001(4000) ack 1",
	    "1 < . 1:1(0) ack 14001 win 2000",
	    "0 > . 34001:38001(4000) ack 1",
	    "1 < . 1:1(0) ack 16001 win 2000",
	    "0 > . 38001:42001(4000) ack 1",
	    "1 < . 1:1(0) ack 18001 win 2000",
	    "0 > . 42001:46001(4000) ack 1",
	    "1 < . 1:1(0) ack 20001 win 2000",
	    "0 > . 46001:50001(4000) ack 1",
	    "1 < . 1:1(0) ack 22001 win 2000",
	    "0 > . 50001:54001(4000) ack 1",
	    "1 < . 1:1(0) ack 24001 win 2000",
	    "0 > . 54001:58001(4000) ack 1", "0 cwnd 34",
	    /* the eighth: conservative from here on */
	    "1 < . 1:1(0) ack 26001 win 2000",
	    "0 > P. 58001:60001(2000) ack 1", "0 cwnd 34",
	    "1 < . 1:1(0) ack 28001 win 2000", "0 cwnd 35",
	    "0 ssthresh 2147483647");
}
END_TEST

/* RFC 5681 §3.1, NewReno: half of what was in flight. */
START_TEST(newreno_halves)
{
	SCRIPT(newreno, OPEN, "0 write 10000", "0 > P. 1:10001(10000) ack 1",
	    "100 < . 1:1(0) ack 1 win 320 <sack 1001:4001,nop,nop>",
	    "0 > . 1:1001(1000) ack 1", "0 ssthresh 5",
	    "100 < . 1:1(0) ack 10001 win 320", "0 cwnd 5");
}
END_TEST

/* ---- receiving ---- */

/* RFC 2018 §4: newest block first; RFC 2883 §4: duplicates, in and out of
 * order, and those that a segment in order brings again. */
START_TEST(sack_and_dsack_are_reported)
{
	SCRIPT(NULL, OPEN,
	    "0 < P. 1001:2001(1000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>",
	    "0 < P. 2001:3001(1000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 1 <nop,nop,sack 1001:3001>",
	    "0 < P. 4001:5001(1000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 1 <nop,nop,sack 4001:5001 1001:3001>",
	    "0 < P. 7001:8001(1000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 1 "
	    "<nop,nop,sack 7001:8001 4001:5001 1001:3001>",
	    "0 < P. 1:6001(6000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 6001 <nop,nop,sack 1001:3001 7001:8001>",
	    "0 < P. 6001:8001(2000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 8001 <nop,nop,sack 7001:8001>",
	    "0 < P. 1:1001(1000) ack 1 win 1024",
	    "0 > . 1:1(0) ack 8001 <nop,nop,sack 1:1001>",
	    "0 read 8000");
}
END_TEST

/* RFC 9293 §3.8.6.3: at once at the start, then every second full segment or
 * after 40 ms. */
START_TEST(acks_are_quick_then_delayed)
{
	SCRIPT(NULL, OPEN,
	    "0 < . 1:1001(1000) ack 1 win 320", "0 > . 1:1(0) ack 1001",
	    "0 < . 1001:2001(1000) ack 1 win 320", "0 > . 1:1(0) ack 2001",
	    "0 < . 2001:3001(1000) ack 1 win 320", "0 > . 1:1(0) ack 3001",
	    "0 < . 3001:4001(1000) ack 1 win 320", "0 > . 1:1(0) ack 4001",
	    "0 < . 4001:5001(1000) ack 1 win 320", "0 > . 1:1(0) ack 5001",
	    "0 < . 5001:6001(1000) ack 1 win 320", "0 > . 1:1(0) ack 6001",
	    "0 < . 6001:7001(1000) ack 1 win 320", "0 > . 1:1(0) ack 7001",
	    "0 < . 7001:8001(1000) ack 1 win 320", "0 > . 1:1(0) ack 8001",
	    "0 < . 8001:9001(1000) ack 1 win 320",
	    "40 > . 1:1(0) ack 9001",
	    "0 < . 9001:10001(1000) ack 1 win 320",
	    "5 < . 10001:11001(1000) ack 1 win 320",
	    "0 > . 1:1(0) ack 11001");
}
END_TEST

/* RFC 9293 §3.10.7.4, fifth: without ACK nothing is taken. */
START_TEST(segments_without_ack_are_dropped)
{
	SCRIPT(NULL, OPEN,
	    "10 < - 1:1001(1000) win 20000", "0 read -11",
	    "10 < . 1:1001(1000) ack 1 win 20000",
	    "0 > . 1:1(0) ack 1001", "0 read 1000");
}
END_TEST

/* ---- opening and closing ---- */

/* RFC 6298 (2.1), (5.5): SYN-ACKs after 1, 2, 4, 8, 16 s. */
START_TEST(syn_acks_back_off)
{
	SCRIPT(NULL, "0 < S 0:0(0) win 32792 <mss 1000>",
	    "0 > S. 0:0(0) ack 1 <mss 1460>",
	    "1000 > S. 0:0(0) ack 1 <mss 1460>",
	    "2000 > S. 0:0(0) ack 1 <mss 1460>",
	    "4000 > S. 0:0(0) ack 1 <mss 1460>",
	    "8000 > S. 0:0(0) ack 1 <mss 1460>",
	    "16000 > S. 0:0(0) ack 1 <mss 1460>",
	    "40000 accept -11");
}
END_TEST

/* RFC 9293 §3.10.4: closed before the answer came: silence, then a RST. */
START_TEST(close_in_syn_sent)
{
	SCRIPT(NULL, "0 connect",
	    "0 > S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "0 close 0",
	    "100 < S. 0:0(0) ack 1 win 32000 <mss 1460,nop,wscale 7>",
	    "0 > R 1:1(0)");
}
END_TEST

/* RFC 6191, Linux: the flow of a TIME_WAIT entry is opened again after one
 * second, when our timestamp is larger beyond doubt; without them it is not. */
START_TEST(time_wait_is_reused_after_a_second)
{
	SCRIPT(timestamps, "0 connect 5000",
	    "0 > S 0:0(0) <mss 1460,sackOK,TS val +0 ecr 0,nop,wscale 7>",
	    "1 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 3001 "
	    "ecr last,nop,wscale 8>",
	    "0 > . 1:1(0) ack 1",
	    "0 close 0",
	    "0 > F. 1:1(0) ack 1 <nop,nop,TS val +1 ecr 3001>",
	    "1 < F. 1:1(0) ack 2 win 8 <nop,nop,TS val 3002 ecr last>",
	    "0 > . 2:2(0) ack 2 <nop,nop,TS val +2 ecr 3002>",
	    "990 noconnect 5000",
	    "20 connect 5000",
	    "0 > S 0:0(0) <mss 1460,sackOK,TS val +1012 ecr 0,nop,wscale 7>",
	    "1 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 4003 "
	    "ecr last,nop,wscale 8>",
	    "0 > . 1:1(0) ack 1");
	SCRIPT(NULL, "0 connect 5000",
	    "0 > S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 7>",
	    "1 < S. 0:0(0) ack 1 win 65535 <mss 1460>",
	    "0 > . 1:1(0) ack 1", "0 close 0", "0 > F. 1:1(0) ack 1",
	    "1 < F. 1:1(0) ack 2 win 8", "0 > . 2:2(0) ack 2",
	    "1100 noconnect 5000");
}
END_TEST

/* RFC 9293 §3.6: the peer first, and a FIN that comes again in TIME_WAIT. */
START_TEST(both_ways_of_closing)
{
	SCRIPT(NULL, OPEN, "0 < F. 1:1(0) ack 1 win 320",
	    "0 > . 1:1(0) ack 2", "0 state 8", "0 read 0",
	    "10 close 0", "0 > F. 1:1(0) ack 2",
	    "10 < . 2:2(0) ack 2 win 320");
	SCRIPT(NULL, OPEN, "0 shutdown 1", "0 > F. 1:1(0) ack 1",
	    "0 < . 2:2(0) ack 2 win 257",
	    /* sent before that ACK */
	    "0 < F. 1:1(0) ack 1 win 257", "0 > . 2:2(0) ack 2",
	    "100 < F. 1:1(0) ack 2 win 257", "0 > . 2:2(0) ack 2");
}
END_TEST

/* RFC 2525 §2.17, RFC 9293 §3.6.1: unread bytes make the close a reset. */
START_TEST(close_with_unread_bytes)
{
	SCRIPT(NULL, OPEN, "0 < P. 1:101(100) ack 1 win 320",
	    "0 > . 1:1(0) ack 101",
	    "0 close 0", "0 > R. 1:1(0) ack 101");
}
END_TEST

/* RFC 9293 §3.10.4, RFC 6298: our FIN again, twice as late each time. */
START_TEST(fin_is_sent_again)
{
	SCRIPT(NULL, OPEN_PLAIN, "0 close 0", "0 > F. 1:1(0) ack 1",
	    "300 > F. 1:1(0) ack 1", "600 > F. 1:1(0) ack 1",
	    "1200 > F. 1:1(0) ack 1",
	    "10 < . 1:1(0) ack 2 win 320",
	    "10 < F. 1:1(0) ack 2 win 320", "0 > . 2:2(0) ack 2",
	    "1000 < F. 1:1(0) ack 2 win 320", "0 > . 2:2(0) ack 2");
}
END_TEST

/* RFC 5961 §3.2 and §4.2: not exact: asked back, at most twice a second. */
START_TEST(inexact_resets_are_challenged)
{
	SCRIPT(NULL, OPEN, "1000 < R 2:2(0) win 0", "0 > . 1:1(0) ack 1",
	    "1 < R 3:3(0) win 0",
	    "1000 < S 1:1(0) win 0", "0 > . 1:1(0) ack 1",
	    "1000 < R 1:1(0) win 0", "0 read -104");
}
END_TEST

/* ---- what is held back ---- */

/* RFC 896, Minshall: only behind another short one. */
START_TEST(nagle_and_nodelay)
{
	SCRIPT(NULL, OPEN, "0 write 400", "0 > P. 1:401(400) ack 1",
	    "0 write 400", "20 write 400",
	    "80 < . 1:1(0) ack 401 win 320", "0 > P. 401:1201(800) ack 1",
	    "0 write 50", "0 nodelay 1", "0 > P. 1201:1251(50) ack 1",
	    "0 write 50", "0 > P. 1251:1301(50) ack 1");
}
END_TEST

/* Linux, tcp(7): a cork holds short segments until it is taken off, until
 * TCP_NODELAY is set, or for an RTO. */
START_TEST(cork_holds_for_an_rto)
{
	SCRIPT(NULL, OPEN, "0 cork 1", "0 write 40", "50 write 40",
	    "10 cork 0", "0 > P. 1:81(80) ack 1",
	    "100 < . 1:1(0) ack 81 win 320",
	    "0 cork 1", "0 write 40", "50 write 40",
	    "0 nodelay 1", "0 > P. 81:161(80) ack 1",
	    "100 < . 1:1(0) ack 161 win 320",
	    "0 write 40", "300 > P. 161:201(40) ack 1",
	    "100 < . 1:1(0) ack 201 win 320",
	    "0 write 1500", "0 > . 201:1201(1000) ack 1");
}
END_TEST

/* Linux, send(2), MSG_MORE: the same for one call. */
START_TEST(more_holds_until_the_next_write)
{
	SCRIPT(NULL, OPEN, "0 nodelay 1",
	    "0 more 40", "300 > P. 1:41(40) ack 1",
	    "100 < . 1:1(0) ack 41 win 320",
	    "0 more 100", "5 more 160", "8 write 40",
	    "0 > P. 41:341(300) ack 1",
	    "100 < . 1:1(0) ack 341 win 320",
	    "0 more 3100", "0 > . 341:3341(3000) ack 1",
	    "3 more 50",
	    "100 < . 1:1(0) ack 2341 win 320",
	    "0 > P. 3341:3491(150) ack 1");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_script");
	TCase *t = tcase_create("scripts");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, three_duplicates_retransmit);
	tcase_add_test(t, partial_acks_retransmit);
	tcase_add_test(t, three_reports_retransmit);
	tcase_add_test(t, three_short_reports_retransmit);
	tcase_add_test(t, one_report_waits_for_the_reordering_window);
	tcase_add_test(t, limited_transmit);
	tcase_add_test(t, prr_sends_one_for_one);
	tcase_add_test(t, prr_repairs_a_burst);
	tcase_add_test(t, prr_through_two_bursts);
	tcase_add_test(t, old_acks_report_too);
	tcase_add_test(t, lone_segment_is_probed_then_times_out);
	tcase_add_test(t, tail_is_probed_after_two_round_trips);
	tcase_add_test(t, spurious_timeout_is_undone);
	tcase_add_test(t, genuine_timeout_goes_on);
	tcase_add_test(t, eifel_undoes_a_timeout);
	tcase_add_test(t, dsack_undoes_a_recovery);
	tcase_add_test(t, dsack_undoes_what_is_over);
	tcase_add_test(t, dsack_of_a_later_probe_undoes_nothing);
	tcase_add_test(t, slow_start_by_what_was_used);
	tcase_add_test(t, window_decays_when_idle);
	tcase_add_test(t, zero_window_is_probed);
	tcase_add_test(t, closed_window_is_a_pause);
	tcase_add_test(t, ecn_reduces_by_prr);
	tcase_add_test(t, ecn_is_asked_for);
	tcase_add_test(t, hystart_slows_down_when_the_delay_grows);
	tcase_add_test(t, newreno_halves);
	tcase_add_test(t, sack_and_dsack_are_reported);
	tcase_add_test(t, acks_are_quick_then_delayed);
	tcase_add_test(t, segments_without_ack_are_dropped);
	tcase_add_test(t, syn_acks_back_off);
	tcase_add_test(t, close_in_syn_sent);
	tcase_add_test(t, time_wait_is_reused_after_a_second);
	tcase_add_test(t, both_ways_of_closing);
	tcase_add_test(t, close_with_unread_bytes);
	tcase_add_test(t, fin_is_sent_again);
	tcase_add_test(t, inexact_resets_are_challenged);
	tcase_add_test(t, nagle_and_nodelay);
	tcase_add_test(t, cork_holds_for_an_rto);
	tcase_add_test(t, more_holds_until_the_next_write);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
