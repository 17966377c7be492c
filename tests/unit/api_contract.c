/*
 * api_contract: what a driver outside of the project may rely on, shown with
 * the public headers alone: an instance in plain memory, bare IP packets in
 * and out, a clock that the caller moves, and sockets. docs/embedding.md says
 * the same in words; tests/lib/bare.h is the driver.
 */
#include "../lib/bare.h"

/* ---- handshakes ---- */

/* RFC 9293 (3.5): three segments, and the socket is there with the third. */
START_TEST(passive_handshake_is_answered_within_the_call)
{
	int family = _i, l, h;
	struct net_addr a, want = addr(family, 2, 40000);
	struct peer c = { family, 40000, 80, 77, 0, 4000 };
	const struct seg *s;

	defaults();
	start();
	l = listener(family, 80, 8);
	turn(d.now);
	ck_assert_int_eq(sock_accept(d.s, l, NULL), -EAGAIN);
	send_seg(&c, SYN, NULL, 0, mss1460, 4);
	s = next(&c);
	ck_assert_uint_eq(s->flags, SYN | ACK);
	ck_assert_uint_eq(s->ack, 78);
	/* only what was offered: MSS, RFC 9293 (3.7.1), from the MTU */
	ck_assert_uint_eq(s->optlen, 4);
	ck_assert_uint_eq(r32(s->opt), 0x02040000u + (family == 4 ? 1460 :
	    1440));
	c.ack = s->seq + 1;
	silence();
	ck_assert_uint_eq(sock_ready(d.s, l), 0);
	send_plain(&c, ACK, NULL, 0);
	silence();
	ck_assert_uint_eq(sock_ready(d.s, l), EPOLLIN);
	h = sock_accept(d.s, l, &a);
	ck_assert_int_gt(h, 0);
	ck_assert_mem_eq(&a, &want, sizeof(a));
	ck_assert_int_eq(sock_name(d.s, h, &a), 0);
	want = addr(family, 1, 80);
	ck_assert_mem_eq(&a, &want, sizeof(a));
	ck_assert_uint_eq(sock_ready(d.s, h), EPOLLOUT);
	stop();
}
END_TEST

START_TEST(active_handshake_sends_syn_within_the_turn)
{
	int family = _i, h;
	struct net_addr to = addr(family, 2, 8080), a;
	struct peer c = { family, 8080, 0, 5000, 0, 4000 };
	const struct seg *s;

	defaults();
	start();
	turn(d.now);
	h = sock_open(d.s, (uint8_t)family, SOCK_STREAM);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EALREADY);
	turn(d.now);
	s = next(&c);
	ck_assert_uint_eq(s->flags, SYN);
	ck_assert_uint_eq(s->ack, 0);
	c.to = s->sport;
	c.ack = s->seq + 1;
	ck_assert_int_eq(sock_name(d.s, h, &a), 0);
	ck_assert_uint_eq(a.port, c.to);
	ck_assert_uint_eq(sock_ready(d.s, h), 0);
	ck_assert_int_eq(get(h, &a, 1, 0), -EAGAIN);
	send_seg(&c, SYN | ACK, NULL, 0, mss1460, 4);
	(void)expect(&c, ACK, 0);
	silence();
	ck_assert_uint_eq(sock_ready(d.s, h), EPOLLOUT);
	ck_assert_int_eq(ask(h, SOL_SOCKET, SO_ERROR), 0);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EISCONN);
	ck_assert_uint_eq(info(h).tcpi_state, TCP_ESTABLISHED);
	stop();
}
END_TEST

/* RFC 9293 (3.10.7.3): RST in SYN-SENT is "connection refused"; the socket can
 * try again. */
START_TEST(refused_connection_is_told_once)
{
	struct net_addr to = addr(4, 2, 9);
	struct peer c = { 4, 9, 0, 0, 0, 0 };
	int h;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	turn(d.now);
	c.to = d.out[0].b[20] << 8 | d.out[0].b[21];
	c.ack = next(&c)->seq + 1;
	send_plain(&c, RST | ACK, NULL, 0);
	ck_assert_uint_eq(sock_ready(d.s, h) & (EPOLLERR | EPOLLHUP),
	    EPOLLERR | EPOLLHUP);
	ck_assert_int_eq(ask(h, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	ck_assert_int_eq(ask(h, SOL_SOCKET, SO_ERROR), 0);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	turn(d.now);
	ck_assert_uint_eq(next(&c)->flags, SYN);
	stop();
}
END_TEST

/* ---- data and exact times ---- */

START_TEST(data_goes_both_ways_in_exact_segments)
{
	static uint8_t big[4000];
	struct peer c;
	char b[16] = "";
	int h, i;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	send_plain(&c, ACK | PSH, "hello", 5);
	(void)expect(&c, ACK, 0);
	ck_assert_int_eq(sock_readable(d.s, h), 5);
	ck_assert_int_eq(get(h, b, 2, MSG_PEEK), 2);
	ck_assert_int_eq(get(h, b, sizeof(b), 0), 5);
	ck_assert_mem_eq(b, "hello", 5);
	ck_assert_int_eq(get(h, b, sizeof(b), 0), -EAGAIN);
	for (i = 0; i < (int)sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(put(h, big, sizeof(big)), sizeof(big));
	ck_assert_mem_eq(expect(&c, ACK, 1460)->data, big, 1460);
	ck_assert_mem_eq(expect(&c, ACK, 1460)->data, big + 1460, 1460);
	ck_assert_mem_eq(expect(&c, ACK | PSH, 1080)->data, big + 2920, 1080);
	silence();
	ck_assert_int_eq(sock_queued(d.s, h), sizeof(big));
	send_plain(&c, ACK, NULL, 0);
	ck_assert_int_eq(sock_queued(d.s, h), 0);
	ck_assert_int_eq(get(h, b, 1, MSG_OOB), -EOPNOTSUPP);
	stop();
}
END_TEST

/* RFC 9293 (3.8.6.3): one segment waits delack_us, to the µs; the second full
 * one does not. delack_us 0: none waits. */
START_TEST(delayed_ack_leaves_at_its_microsecond)
{
	static const uint8_t full[1460];
	struct peer c;
	uint64_t t0;
	int h;

	defaults();
	d.conf.delack_us = _i == 0 ? 40000 : 0;
	start();
	h = accepted(&c, 10 * MS);
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	t0 = d.now;
	send_plain(&c, ACK | PSH, "x", 1);
	if (_i == 0) {
		silence();
		ck_assert_uint_le(net_deadline(d.net), t0 + 40000);
		turn(t0 + 39000);
		silence();
		ck_assert_uint_eq(net_deadline(d.net), t0 + 40000);
		turn(t0 + 39999);
		silence();
		turn(t0 + 40000);
	}
	(void)expect(&c, ACK, 0);
	if (_i == 0) {
		send_plain(&c, ACK, full, sizeof(full));
		silence();
		send_plain(&c, ACK, full, sizeof(full));
		(void)expect(&c, ACK, 0);
	}
	stop();
}
END_TEST

/* RFC 6298: (2.2) RTO = SRTT + 4 RTTVAR, (2.4) the second part at least
 * rto_min_us, (5.5) twice as long each time, exactly. */
START_TEST(retransmission_leaves_at_its_microsecond)
{
	struct peer c;
	struct tcp_info t;
	uint64_t t0;
	int h;

	defaults();
	d.conf.rto_min_us = 200000;
	start();
	h = accepted(&c, _i == 0 ? 10 * MS : 100 * MS);
	t0 = d.now;
	ck_assert_int_eq(put(h, "abc", 3), 3);
	(void)expect(&c, ACK | PSH, 3);
	/* R = 10 ms: 4 * 5 is less than the minimum; R = 100 ms: it is not */
	ck_assert_uint_eq(info(h).tcpi_rto, _i == 0 ? 210000 : 300000);
	ck_assert_uint_eq(until_out(t0 + SEC), t0 + (_i == 0 ? 210 : 300) *
	    MS);
	c.ack -= 3;
	ck_assert_mem_eq(expect(&c, ACK | PSH, 3)->data, "abc", 3);
	t = info(h);
	ck_assert_uint_eq(t.tcpi_unacked, 1);
	ck_assert_uint_eq(t.tcpi_retrans, 1);
	ck_assert_uint_eq(t.tcpi_backoff, 1);
	ck_assert_uint_eq(t.tcpi_snd_cwnd, 1);
	t0 = d.now;
	ck_assert_uint_eq(until_out(t0 + SEC), t0 + (_i == 0 ? 420 : 600) *
	    MS);
	stop();
}
END_TEST

/* RFC 6298 (2.1): before a sample RTO is rto_init_us. */
START_TEST(syn_is_sent_again_after_the_initial_timeout)
{
	struct net_addr to = addr(4, 2, 9);
	struct peer c = { 4, 9, 0, 0, 0, 0 };
	uint64_t t0;
	int h;

	defaults();
	d.conf.rto_init_us = _i == 0 ? 1000000 : 250000;
	start();
	t0 = d.now;
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	turn(d.now);
	(void)next(&c);
	ck_assert_uint_eq(until_out(t0 + 9 * SEC), t0 + d.conf.rto_init_us);
	(void)next(&c);
	ck_assert_uint_eq(until_out(t0 + 9 * SEC), t0 +
	    3 * (uint64_t)d.conf.rto_init_us);
	stop();
}
END_TEST

/* RFC 5482: the user's timeout ends it, however many tries are left. */
START_TEST(user_timeout_ends_the_connection_on_time)
{
	struct peer c;
	uint64_t t0;
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_USER_TIMEOUT, 1500), 0);
	ck_assert_int_eq(put(h, "abc", 3), 3);
	t0 = d.now;
	while ((sock_ready(d.s, h) & EPOLLHUP) == 0 && d.now < t0 + 9 * SEC)
		turn(net_deadline(d.net));
	ck_assert_uint_ge(d.now, t0 + 1500 * MS);
	ck_assert_uint_le(d.now, t0 + 1501 * MS);
	ck_assert_int_eq(put(h, "d", 1), -ETIMEDOUT);
	ck_assert_int_eq(put(h, "d", 1), -EPIPE);
	stop();
}
END_TEST

/* RFC 9293 (3.8.4), RFC 1122 (4.2.3.6): off by default, asks when idle. */
START_TEST(keepalive_asks_and_gives_up)
{
	struct peer c;
	uint64_t t0;
	int h, i;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	ck_assert_int_eq(ask(h, SOL_SOCKET, SO_KEEPALIVE), 0);
	t0 = d.now;
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_KEEPINTVL, 2), 0);
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_KEEPCNT, 3), 0);
	ck_assert_int_eq(set(h, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	for (i = 0; i < 3; i++) {
		uint64_t at = until_out(t0 + 60 * SEC);

		ck_assert_uint_ge(at, t0 + (10 + 2 * (uint64_t)i) * SEC);
		ck_assert_uint_le(at, t0 + (10 + 2 * (uint64_t)i) * SEC +
		    4 * MS);
		ck_assert_uint_eq(next(&c)->seq, c.ack - 1);
	}
	while ((sock_ready(d.s, h) & EPOLLHUP) == 0 && d.now < t0 + 60 * SEC)
		turn(net_deadline(d.net));
	ck_assert_uint_le(d.now, t0 + 16 * SEC + 5 * MS);
	ck_assert_int_eq(ask(h, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
	stop();
}
END_TEST

/* ---- ends ---- */

START_TEST(reset_is_told_after_what_came_before_it)
{
	struct peer c;
	char b[8];
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	send_plain(&c, ACK, "last", 4);
	(void)expect(&c, ACK, 0);
	send_plain(&c, RST | ACK, NULL, 0);
	silence();
	ck_assert_uint_eq(sock_ready(d.s, h) & (EPOLLIN | EPOLLERR),
	    EPOLLIN | EPOLLERR);
	ck_assert_int_eq(get(h, b, 8, 0), 4);
	ck_assert_int_eq(get(h, b, 8, 0), -ECONNRESET);
	ck_assert_int_eq(get(h, b, 8, 0), 0);
	ck_assert_int_eq(put(h, b, 1), -EPIPE);
	ck_assert_uint_eq(info(h).tcpi_state, TCP_CLOSE);
	ck_assert_int_eq(sock_close(d.s, h), 0);
	silence();
	stop();
}
END_TEST

/* A call between the segment and the turn must not lose the end. */
START_TEST(call_before_the_events_finds_the_end_later)
{
	struct peer c;
	struct pkt *p;
	char b[8];
	struct iovec v = { b, 8 };
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	send_plain(&c, ACK, "x", 1);
	(void)expect(&c, ACK, 0);
	/* the same RST as send_plain() makes, without its turn */
	p = pktpool_get(&d.pool);
	pkt_reset(p, PKT_HEADROOM);
	memset(pkt_data(p), 0, 40);
	memcpy(pkt_data(p), (uint8_t[]){ 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0,
	    0, 192, 0, 2, 2, 192, 0, 2, 1, 0x9c, 0x40, 0, 80 }, 24);
	w16(pkt_data(p) + 10, ~sum16(0, pkt_data(p), 20) & 0xffff);
	w32(pkt_data(p) + 24, c.seq);
	w16(pkt_data(p) + 32, 5 << 12 | RST);
	w16(pkt_data(p) + 36, ~sum16(pseudo(4, pkt_data(p), 20),
	    pkt_data(p) + 20, 20) & 0xffff);
	p->len = 40;
	p->port = 0;
	net_input(d.net, &p, 1, d.now);
	ck_assert_int_eq(sock_recv(d.s, h, &v, 1, 0), 1);
	ck_assert_int_eq(sock_recv(d.s, h, &v, 1, 0), -EAGAIN);
	turn(d.now);
	ck_assert_int_eq(sock_recv(d.s, h, &v, 1, 0), -ECONNRESET);
	ck_assert_int_eq(sock_close(d.s, h), 0);
	turn(d.now);
	ck_assert_uint_eq(d.pool.n, FRAMES);
	stop();
}
END_TEST

/* RFC 9293 (3.6), case 2: the peer closes first. */
START_TEST(peer_closes_first)
{
	struct peer c;
	char b[8];
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	send_plain(&c, FIN | ACK, NULL, 0);
	(void)expect(&c, ACK, 0);
	ck_assert_uint_eq(sock_ready(d.s, h), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	ck_assert_int_eq(get(h, b, 8, 0), 0);
	ck_assert_uint_eq(info(h).tcpi_state, TCP_CLOSE_WAIT);
	ck_assert_int_eq(put(h, "bye", 3), 3);
	(void)expect(&c, ACK | PSH, 3);
	ck_assert_int_eq(sock_close(d.s, h), 0);
	turn(d.now);
	(void)expect(&c, FIN | ACK, 0);
	send_plain(&c, ACK, NULL, 0);
	silence();
	/* nothing is left: what follows is refused */
	send_plain(&c, ACK, NULL, 0);
	ck_assert_uint_eq(next(&c)->flags, RST);
	stop();
}
END_TEST

/* RFC 9293 (3.6), case 1: we close first; reading goes on. */
START_TEST(we_close_first)
{
	struct peer c;
	char b[8];
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	ck_assert_int_eq(sock_shutdown(d.s, h, SHUT_WR), 0);
	turn(d.now);
	(void)expect(&c, FIN | ACK, 0);
	ck_assert_int_eq(put(h, "x", 1), -EPIPE);
	send_plain(&c, ACK, NULL, 0);
	ck_assert_uint_eq(info(h).tcpi_state, TCP_FIN_WAIT2);
	send_plain(&c, ACK, "tail", 4);
	(void)expect(&c, ACK, 0);
	send_plain(&c, FIN | ACK, NULL, 0);
	(void)expect(&c, ACK, 0);
	/* TIME_WAIT holds the pair; the bytes are still to be read */
	ck_assert_int_eq(get(h, b, 8, 0), 4);
	ck_assert_int_eq(get(h, b, 8, 0), 0);
	ck_assert_uint_ne(sock_ready(d.s, h) & EPOLLHUP, 0);
	ck_assert_int_eq(sock_close(d.s, h), 0);
	c.seq--;
	send_plain(&c, FIN | ACK, NULL, 0);
	(void)expect(&c, ACK, 0);
	ck_assert_uint_eq(d.pool.n, FRAMES);
	stop();
}
END_TEST

/* RFC 9293 (3.6.1): unread bytes, or SO_LINGER 0, make close() a reset. */
START_TEST(close_with_unread_bytes_or_linger_resets)
{
	struct linger l = { 1, 0 };
	struct peer c;
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	if (_i == 0) {
		send_plain(&c, ACK, "x", 1);
		(void)expect(&c, ACK, 0);
	} else {
		ck_assert_int_eq(sock_setsockopt(d.s, h, SOL_SOCKET,
		    SO_LINGER, &l, sizeof(l)), 0);
	}
	ck_assert_int_eq(sock_close(d.s, h), 0);
	turn(d.now);
	(void)expect(&c, RST | ACK, 0);
	silence();
	ck_assert_int_eq(sock_close(d.s, h), -EBADF);
	stop();
}
END_TEST

/* ---- settings per instance ---- */

/* Whether the options of s have one of this kind. */
static bool
has(const struct seg *s, uint8_t kind)
{
	uint32_t i = 0;

	while (i < s->optlen && s->opt[i] != 0) {
		if (s->opt[i] == kind)
			return true;
		i += s->opt[i] == 1 ? 1 : s->opt[i + 1];
	}
	return false;
}

/* RFC 7323 (2.2, 3.2), RFC 2018 (2), RFC 3168 (6.1.1): what we offer is what
 * the instance was told before its first socket. */
START_TEST(settings_shape_the_syn)
{
	struct net_addr to = addr(4, 2, 9);
	struct peer c = { 4, 9, 0, 0, 0, 0 };
	const struct seg *s;
	int h;

	defaults();
	d.conf.timestamps = (_i & 1) != 0;
	d.conf.sack = (_i & 2) != 0;
	d.conf.ecn = _i & 4 ? 2 : 0;
	d.conf.rcvbuf = d.conf.rcvbuf_max = 32768;
	d.conf.port[0].mtu = _i & 1 ? 1500 : 9000;
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	turn(d.now);
	s = next(&c);
	ck_assert_int_eq(has(s, 8), (_i & 1) != 0);
	ck_assert_int_eq(has(s, 4), (_i & 2) != 0);
	ck_assert_uint_eq(s->flags, _i & 4 ? SYN | ECE | CWR : SYN);
	ck_assert_uint_eq(s->wnd, 32768);
	ck_assert_uint_eq(r16(s->opt + 2), _i & 1 ? 1460 : 8960);
	stop();
}
END_TEST

/* RFC 6928 (2), RFC 5681 (3.1): initial_window segments, then two per ACK. */
START_TEST(initial_window_is_as_set)
{
	static const uint8_t big[40000];
	struct peer c;
	int h, i, n = _i;

	defaults();
	d.conf.initial_window = (uint32_t)n;
	start();
	h = accepted(&c, 10 * MS);
	ck_assert_uint_eq(info(h).tcpi_snd_cwnd, (uint32_t)n);
	ck_assert_int_eq(put(h, big, sizeof(big)), sizeof(big));
	for (i = 0; i < n; i++)
		(void)expect(&c, ACK, 1460);
	silence();
	ck_assert_uint_eq(info(h).tcpi_unacked, (uint32_t)n);
	send_plain(&c, ACK, NULL, 0);
	for (i = 0; i < 2 * n; i++)
		(void)expect(&c, ACK, 1460);
	silence();
	ck_assert_uint_eq(info(h).tcpi_snd_cwnd, 2 * (uint32_t)n);
	stop();
}
END_TEST

/* Whole IP packets of any length, both ways. */
START_TEST(packets_of_65535_bytes_go_in_and_out)
{
	static uint8_t big[65535], got[65535];
	uint32_t i, len = 65535 - 40;
	struct peer c = { 4, 40000, 80, 1000, 0, 65535 };
	const uint8_t jumbo[4] = { 2, 4, 0xff, 0xd7 };
	int l, h;

	defaults();
	d.conf.port[0].mtu = 65535;
	d.conf.rcvbuf = 1 << 20;
	start();
	l = listener(4, 80, 8);
	send_seg(&c, SYN, NULL, 0, jumbo, 4);
	c.ack = next(&c)->seq + 1;
	send_plain(&c, ACK, NULL, 0);
	h = sock_accept(d.s, l, NULL);
	for (i = 0; i < len; i++)
		big[i] = (uint8_t)(i ^ i >> 8);
	send_plain(&c, ACK, big, len);
	(void)expect(&c, ACK, 0);
	ck_assert_int_eq(get(h, got, sizeof(got), 0), len);
	ck_assert_mem_eq(got, big, len);
	/* the window that opened again is told, perhaps */
	d.iout = d.nout;
	ck_assert_int_eq(put(h, big, len), len);
	ck_assert_mem_eq(expect(&c, ACK | PSH, len)->data, big, len);
	stop();
}
END_TEST

/* ---- options ---- */

START_TEST(options_are_kept_or_refused)
{
	static const struct {
		int level, name, value, back;
	} t[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 1, 1 },
		{ SOL_SOCKET, SO_RCVBUF, 20480, 20480 },
		{ SOL_SOCKET, SO_SNDBUF, 30000, 30000 },
		{ SOL_SOCKET, SO_SNDBUF, 1, 2048 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1, 1 },
		{ IPPROTO_TCP, TCP_NODELAY, 1, 1 },
		{ IPPROTO_TCP, TCP_CORK, 1, 1 },
		{ IPPROTO_TCP, TCP_MAXSEG, 1000, 1000 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 2500, 2500 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 9, 9 },
		{ IPPROTO_IP, IP_TOS, 0x2b, 0x28 },
		/* not there: said so, and nothing pretended */
		{ SOL_SOCKET, SO_OOBINLINE, 1, -ENOPROTOOPT },
		{ SOL_SOCKET, SO_REUSEPORT, 1, -ENOPROTOOPT },
		{ SOL_SOCKET, SO_RCVTIMEO, 1, -ENOPROTOOPT },
		{ IPPROTO_TCP, TCP_FASTOPEN, 1, -ENOPROTOOPT },
		{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, -ENOPROTOOPT },
		{ IPPROTO_IP, IP_TTL, 3, -ENOPROTOOPT },
		{ IPPROTO_IPV6, IPV6_TCLASS, 3, -ENOPROTOOPT },
		{ 9999, 1, 1, -ENOPROTOOPT },
	};
	struct linger l = { 1, 5 };
	char name[16] = "reno";
	uint32_t i, len = sizeof(name);
	int h;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_int_eq(set(h, t[i].level, t[i].name, t[i].value),
		    t[i].back < 0 ? t[i].back : 0);
		ck_assert_int_eq(ask(h, t[i].level, t[i].name), t[i].back);
	}
	ck_assert_int_eq(sock_setsockopt(d.s, h, SOL_SOCKET, SO_LINGER, &l,
	    sizeof(l)), -ENOPROTOOPT);
	ck_assert_int_eq(set(h, SOL_SOCKET, SO_ERROR, 1), -ENOPROTOOPT);
	ck_assert_int_eq(sock_setsockopt(d.s, h, IPPROTO_TCP, TCP_NODELAY,
	    &l, 1), -EINVAL);
	ck_assert_int_eq(sock_setsockopt(d.s, h, IPPROTO_TCP, TCP_CONGESTION,
	    name, 4), 0);
	ck_assert_int_eq(sock_getsockopt(d.s, h, IPPROTO_TCP, TCP_CONGESTION,
	    name, &len), 0);
	ck_assert_str_eq(name, "newreno");
	ck_assert_int_eq(sock_setsockopt(d.s, h, IPPROTO_TCP, TCP_CONGESTION,
	    "vegas", 5), -ENOENT);
	stop();
}
END_TEST

/* RFC 9293 (3.7.1), RFC 2474: a listener's options are its connections'. */
START_TEST(options_show_on_the_wire)
{
	static const uint8_t big[3000];
	struct peer c = { 4, 40000, 80, 1, 0, 65535 };
	const struct seg *s;
	int l, h;

	defaults();
	start();
	l = listener(4, 80, 8);
	ck_assert_int_eq(set(l, IPPROTO_TCP, TCP_MAXSEG, 1000), 0);
	ck_assert_int_eq(set(l, IPPROTO_IP, IP_TOS, 0x28), 0);
	ck_assert_int_eq(set(l, SOL_SOCKET, SO_RCVBUF, 8192), 0);
	send_seg(&c, SYN, NULL, 0, mss1460, 4);
	s = next(&c);
	ck_assert_uint_eq(r32(s->opt), 0x02040000u + 1000);
	ck_assert_uint_eq(s->wnd, 8192);
	ck_assert_uint_eq(s->tos, 0x28);
	c.ack = s->seq + 1;
	send_plain(&c, ACK, NULL, 0);
	h = sock_accept(d.s, l, NULL);
	ck_assert_int_eq(ask(h, IPPROTO_TCP, TCP_MAXSEG), 1000);
	/* TCP_CORK: nothing short leaves until it is pulled */
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_CORK, 1), 0);
	ck_assert_int_eq(put(h, big, 1500), 1500);
	ck_assert_uint_eq(expect(&c, ACK, 1000)->tos, 0x28);
	silence();
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_CORK, 0), 0);
	turn(d.now);
	(void)expect(&c, ACK | PSH, 500);
	/* Nagle holds the second short one, TCP_NODELAY does not */
	ck_assert_int_eq(put(h, big, 10), 10);
	silence();
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	ck_assert_int_eq(put(h, big, 10), 10);
	(void)expect(&c, ACK | PSH, 20);
	stop();
}
END_TEST

/* SO_SNDBUF bounds what is taken; room is told when a third of it is free. */
START_TEST(send_buffer_takes_what_it_can)
{
	static uint8_t big[20000];
	struct peer c;
	int h;

	defaults();
	start();
	h = accepted(&c, 10 * MS);
	ck_assert_int_eq(set(h, SOL_SOCKET, SO_SNDBUF, 9000), 0);
	ck_assert_int_eq(put(h, big, sizeof(big)), 9000);
	ck_assert_int_eq(put(h, big, 1), -EAGAIN);
	ck_assert_uint_eq(sock_ready(d.s, h) & EPOLLOUT, 0);
	ck_assert_int_eq(sock_queued(d.s, h), 9000);
	ck_assert_int_eq(sock_unsent(d.s, h), 0);
	c.ack += 1460;
	send_plain(&c, ACK, NULL, 0);
	ck_assert_uint_eq(sock_ready(d.s, h) & EPOLLOUT, 0);
	c.ack += 1460 * 2;
	send_plain(&c, ACK, NULL, 0);
	ck_assert_uint_eq(sock_ready(d.s, h) & EPOLLOUT, EPOLLOUT);
	ck_assert_int_eq(put(h, big, sizeof(big)), 3 * 1460);
	stop();
}
END_TEST

/* ---- what is told of a connection ---- */

/* RFC 6675, RFC 8985: three later segments reported make the first one lost;
 * it is sent again and counted. */
START_TEST(tcp_info_counts_segments)
{
	static const uint8_t big[14600];
	const uint8_t sackok[8] = { 2, 4, 5, 0xb4, 4, 2, 1, 1 };
	uint8_t sack[12] = { 1, 1, 5, 10 };
	struct peer c = { 4, 40000, 80, 1000, 0, 65535 };
	struct conn_metrics m;
	struct tcp_info t;
	uint32_t una;
	int l, h;

	defaults();
	start();
	l = listener(4, 80, 8);
	send_seg(&c, SYN, NULL, 0, sackok, 8);
	una = next(&c)->seq + 1;
	c.ack = una;
	turn(d.now + 20 * MS);
	send_plain(&c, ACK, NULL, 0);
	h = sock_accept(d.s, l, NULL);
	t = info(h);
	ck_assert_uint_eq(t.tcpi_rtt, 20000);
	ck_assert_uint_eq(t.tcpi_rttvar, 10000);
	ck_assert_uint_eq(t.tcpi_snd_mss, 1460);
	ck_assert_uint_eq(t.tcpi_snd_ssthresh, 0x7fffffff);
	ck_assert_uint_eq(t.tcpi_options, TCPI_OPT_SACK);
	ck_assert_uint_eq(t.tcpi_reordering, 3);
	ck_assert_int_eq(put(h, big, sizeof(big)), sizeof(big));
	d.iout = d.nout;
	turn(d.now + 20 * MS);
	w32(sack + 4, una + 1460);
	w32(sack + 8, una + 5 * 1460);
	send_seg(&c, ACK, NULL, 0, sack, sizeof(sack));
	c.ack = una;
	ck_assert_uint_eq(next(&c)->seq, una);
	t = info(h);
	ck_assert_uint_eq(t.tcpi_unacked, 10);
	ck_assert_uint_eq(t.tcpi_sacked, 4);
	ck_assert_uint_eq(t.tcpi_lost, 1);
	ck_assert_uint_eq(t.tcpi_retrans, 1);
	ck_assert_uint_eq(t.tcpi_total_retrans, 1);
	ck_assert_uint_eq(t.tcpi_ca_state, TCP_CA_Recovery);
	ck_assert_uint_lt(t.tcpi_snd_ssthresh, 10);
	ck_assert_int_eq(sock_info(d.s, h, &m), 0);
	ck_assert_uint_eq(m.snd_wnd, 65535);
	ck_assert_uint_eq(m.inflight, sizeof(big));
	ck_assert_uint_eq(m.cwnd_segs, m.cwnd / 1460);
	ck_assert_uint_eq(m.rcv_space, d.conf.rcvbuf);
	ck_assert_int_eq(sock_info(d.s, l, &m), -ENOTCONN);
	ck_assert_uint_eq(info(l).tcpi_state, TCP_LISTEN);
	stop();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("api_contract");
	TCase *t = tcase_create("calls");

	tcase_add_loop_test(t, passive_handshake_is_answered_within_the_call,
	    4, 5);
	tcase_add_loop_test(t, passive_handshake_is_answered_within_the_call,
	    6, 7);
	tcase_add_loop_test(t, active_handshake_sends_syn_within_the_turn,
	    4, 5);
	tcase_add_loop_test(t, active_handshake_sends_syn_within_the_turn,
	    6, 7);
	tcase_add_test(t, refused_connection_is_told_once);
	tcase_add_test(t, data_goes_both_ways_in_exact_segments);
	tcase_add_loop_test(t, delayed_ack_leaves_at_its_microsecond, 0, 2);
	tcase_add_loop_test(t, retransmission_leaves_at_its_microsecond, 0, 2);
	tcase_add_loop_test(t, syn_is_sent_again_after_the_initial_timeout, 0,
	    2);
	tcase_add_test(t, user_timeout_ends_the_connection_on_time);
	tcase_add_test(t, keepalive_asks_and_gives_up);
	tcase_add_test(t, reset_is_told_after_what_came_before_it);
	tcase_add_test(t, call_before_the_events_finds_the_end_later);
	tcase_add_test(t, peer_closes_first);
	tcase_add_test(t, we_close_first);
	tcase_add_loop_test(t, close_with_unread_bytes_or_linger_resets, 0, 2);
	tcase_add_loop_test(t, settings_shape_the_syn, 0, 8);
	tcase_add_loop_test(t, initial_window_is_as_set, 1, 8);
	tcase_add_test(t, packets_of_65535_bytes_go_in_and_out);
	tcase_add_test(t, options_are_kept_or_refused);
	tcase_add_test(t, options_show_on_the_wire);
	tcase_add_test(t, send_buffer_takes_what_it_can);
	tcase_add_test(t, tcp_info_counts_segments);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int bad;

	srunner_run_all(sr, CK_NORMAL);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
