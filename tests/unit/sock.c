/*
 * sock: the socket layer: queues, readiness sets, names, datagrams. What
 * a segment looks like is looked at in api_contract.c.
 */
#include "../lib/bare.h"

/* A handle outlives nothing: its place is somebody else's, it is not. */
START_TEST(closed_handle_is_nobody)
{
	struct net_addr a = { .port = 5 };
	int h, other, i;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_close(d.s, h), 0);
	for (i = 0; i < 32; i++) {
		other = sock_open(d.s, 4, SOCK_STREAM);
		ck_assert_int_gt(other, 0);
		ck_assert_int_ne(other, h);
	}
	ck_assert_int_eq(sock_open(d.s, 4, SOCK_STREAM), -EMFILE);
	ck_assert_uint_eq(sock_index(other), sock_index(h));
	ck_assert_int_eq(sock_bind(d.s, h, &a), -EBADF);
	ck_assert_int_eq(sock_bind(d.s, -1, &a), -EBADF);
	ck_assert_int_eq(sock_bind(d.s, 0, &a), -EBADF);
	ck_assert_int_eq(sock_bind(d.s, INT32_MAX, &a), -EBADF);
	stop();
}
END_TEST

static int
watch(int ep, int op, int h, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return poll_ctl(d.s, ep, op, h, &ev);
}

/* poll_wait() gives exactly this one; 0: none. */
static void
wait_one(int ep, uint32_t events, uint64_t data)
{
	struct epoll_event ev[4];
	int n = poll_wait(d.s, ep, ev, 4);

	ck_assert_int_eq(n, events != 0);
	if (events == 0)
		return;
	ck_assert_uint_eq(ev[0].events, events);
	ck_assert_uint_eq(ev[0].data.u64, data);
}

/* ---- readiness ---- */

START_TEST(level_tells_as_long_as_it_holds)
{
	uint64_t data = UINT64_C(0xfeedfacecafebeef);
	struct peer c;
	char b[8];
	int h, ep;

	defaults();
	start();
	h = accepted(&c, MS);
	ep = poll_open(d.s);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, EPOLLIN, data), 0);
	ck_assert(!poll_pending(d.s, ep));
	wait_one(ep, 0, 0);
	send_plain(&c, ACK, "abcd", 4);
	ck_assert(poll_pending(d.s, ep));
	wait_one(ep, EPOLLIN, data);
	wait_one(ep, EPOLLIN, data);
	ck_assert_int_eq(get(h, b, 2, 0), 2);
	wait_one(ep, EPOLLIN, data);
	ck_assert_int_eq(get(h, b, 8, 0), 2);
	wait_one(ep, 0, 0);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_MOD, h, EPOLLIN | EPOLLOUT, 5),
	    0);
	wait_one(ep, EPOLLOUT, 5);
	wait_one(ep, EPOLLOUT, 5);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_DEL, h, 0, 0), 0);
	wait_one(ep, 0, 0);
	stop();
}
END_TEST

START_TEST(edge_tells_once_per_change)
{
	struct peer c;
	char b[8];
	int h, ep;

	defaults();
	start();
	h = accepted(&c, MS);
	ep = poll_open(d.s);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h,
	    EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET, 1), 0);
	send_plain(&c, ACK, "ab", 2);
	wait_one(ep, EPOLLIN, 1);
	wait_one(ep, 0, 0);
	/* more comes, though the first was not read */
	send_plain(&c, ACK, "cd", 2);
	wait_one(ep, EPOLLIN, 1);
	wait_one(ep, 0, 0);
	/* reading makes no edge */
	ck_assert_int_eq(get(h, b, 1, 0), 1);
	wait_one(ep, 0, 0);
	/* MOD looks anew */
	ck_assert_int_eq(watch(ep, EPOLL_CTL_MOD, h,
	    EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET, 2), 0);
	wait_one(ep, EPOLLIN, 2);
	send_plain(&c, FIN | ACK, NULL, 0);
	wait_one(ep, EPOLLIN | EPOLLRDHUP, 2);
	wait_one(ep, 0, 0);
	stop();
}
END_TEST

START_TEST(edge_of_writing_comes_after_the_buffer_was_full)
{
	static const uint8_t big[8192];
	struct peer c;
	int h, ep;

	defaults();
	start();
	h = accepted(&c, MS);
	ck_assert_int_eq(set(h, SOL_SOCKET, SO_SNDBUF, 4096), 0);
	ep = poll_open(d.s);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h,
	    EPOLLOUT | (uint32_t)EPOLLET, 1), 0);
	wait_one(ep, EPOLLOUT, 1);
	wait_one(ep, 0, 0);
	ck_assert_int_eq(put(h, big, sizeof(big)), 4096);
	wait_one(ep, 0, 0);
	c.ack += 4096;
	send_plain(&c, ACK, NULL, 0);
	wait_one(ep, EPOLLOUT, 1);
	wait_one(ep, 0, 0);
	stop();
}
END_TEST

START_TEST(oneshot_is_silent_until_mod)
{
	struct peer c;
	int h, ep;
	uint32_t ev = EPOLLIN | (uint32_t)EPOLLONESHOT;

	defaults();
	start();
	h = accepted(&c, MS);
	ep = poll_open(d.s);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, ev, 1), 0);
	send_plain(&c, ACK, "a", 1);
	wait_one(ep, EPOLLIN, 1);
	send_plain(&c, ACK, "b", 1);
	wait_one(ep, 0, 0);
	/* not even the end */
	send_plain(&c, RST | ACK, NULL, 0);
	wait_one(ep, 0, 0);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_MOD, h, ev, 1), 0);
	wait_one(ep, EPOLLIN | EPOLLERR | EPOLLHUP, 1);
	wait_one(ep, 0, 0);
	stop();
}
END_TEST

/* With room for one answer at a time, each has its turn. */
START_TEST(ready_ones_take_turns)
{
	struct epoll_event ev;
	int ep, h[3], i, j, seen;

	defaults();
	start();
	ep = poll_open(d.s);
	for (i = 0; i < 3; i++) {
		h[i] = sock_open(d.s, 4, SOCK_STREAM);
		ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h[i], EPOLLOUT,
		    (uint64_t)i), 0);
	}
	for (j = 0; j < 2; j++) {
		for (i = 0, seen = 0; i < 3; i++) {
			ck_assert_int_eq(poll_wait(d.s, ep, &ev, 1), 1);
			ck_assert_uint_eq(ev.events, EPOLLOUT | EPOLLHUP);
			seen |= 1 << ev.data.u64;
		}
		ck_assert_int_eq(seen, 7);
	}
	stop();
}
END_TEST

START_TEST(sets_refuse_what_they_cannot_do)
{
	int h, ep, other, i;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	ep = poll_open(d.s);
	other = poll_open(d.s);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_MOD, h, EPOLLIN, 0), -ENOENT);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_DEL, h, 0, 0), -ENOENT);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, other, EPOLLIN, 0),
	    -EINVAL);
	ck_assert_int_eq(watch(h, EPOLL_CTL_ADD, h, EPOLLIN, 0), -EINVAL);
	ck_assert_int_eq(watch(ep, 77, h, EPOLLIN, 0), -EINVAL);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h,
	    EPOLLIN | EPOLLEXCLUSIVE, 0), -EINVAL);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, EPOLLIN, 0), 0);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, EPOLLIN, 0), -EEXIST);
	ck_assert_int_eq(watch(other, EPOLL_CTL_ADD, h, EPOLLOUT, 0), 0);
	wait_one(other, EPOLLOUT | EPOLLHUP, 0);
	/* a socket that is closed leaves both; a set that is closed lets go */
	ck_assert_int_eq(sock_close(d.s, h), 0);
	wait_one(other, 0, 0);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_DEL, h, 0, 0), -EBADF);
	ck_assert_int_eq(sock_close(d.s, ep), 0);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, EPOLLIN, 0), -EBADF);
	/* 32 watches in all */
	for (i = 0; i < 16; i++) {
		h = sock_open(d.s, 4, SOCK_STREAM);
		ck_assert_int_eq(watch(other, EPOLL_CTL_ADD, h, EPOLLIN, 0),
		    0);
	}
	ep = poll_open(d.s);
	for (i = 0; i < 16; i++)
		ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h - i, EPOLLIN, 0),
		    0);
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, EPOLLIN, 0), -ENOSPC);
	ck_assert_int_eq(sock_close(d.s, ep), 0);
	ck_assert_int_eq(watch(other, EPOLL_CTL_ADD, h, EPOLLIN, 0), 0);
	stop();
}
END_TEST

/* ---- listening ---- */

/* RFC 9293 (3.10.7.2): the queue bounds what is accepted; what is beyond it is
 * asked again by the peer, nothing is lost. */
START_TEST(full_accept_queue_makes_the_peer_ask_again)
{
	struct peer c[3] = { { 4, 0, 0, 0, 0, 0 } };
	struct net_addr from;
	int l, h;

	defaults();
	start();
	l = listener(4, 80, 2);
	c[0] = dial(4, 1001, 80, MS);
	/* the handshake of the third is half done when the queue fills */
	c[2] = (struct peer){ 4, 1003, 80, 1000, 0, 65535 };
	send_seg(&c[2], SYN, NULL, 0, mss1460, 4);
	c[2].ack = next(&c[2])->seq + 1;
	c[1] = dial(4, 1002, 80, MS);
	silence();
	send_plain(&c[2], ACK, NULL, 0);
	silence();
	c[2].seq = 1000;
	c[2].port = 1004;
	send_seg(&c[2], SYN, NULL, 0, mss1460, 4);
	silence();
	ck_assert_int_gt(sock_accept(d.s, l, &from), 0);
	ck_assert_uint_eq(from.port, 1001);
	/* our SYN-ACK comes again, its ACK is taken now */
	c[2].port = 1003;
	(void)until_out(d.now + 2 * SEC);
	ck_assert_uint_eq(next(&c[2])->flags, SYN | ACK);
	send_plain(&c[2], ACK, NULL, 0);
	ck_assert_int_gt(sock_accept(d.s, l, &from), 0);
	ck_assert_uint_eq(from.port, 1002);
	h = sock_accept(d.s, l, &from);
	ck_assert_int_gt(h, 0);
	ck_assert_uint_eq(from.port, 1003);
	ck_assert_int_eq(sock_accept(d.s, l, NULL), -EAGAIN);
	send_plain(&c[2], ACK, "x", 1);
	ck_assert_int_eq(sock_readable(d.s, h), 1);
	stop();
}
END_TEST

/* RFC 4987 (3.6): half-open ones beyond the backlog cost nothing. */
START_TEST(backlog_bounds_half_open_ones)
{
	struct peer c = { 4, 2000, 80, 9, 0, 65535 };
	uint64_t before;
	int l, i;

	defaults();
	start();
	l = listener(4, 80, 3);
	for (i = 0; i < 5; i++, c.port++) {
		c.seq = 9;
		before = atomic_load(&d.counters[CNT_tcp_cookies_sent]);
		send_seg(&c, SYN, NULL, 0, mss1460, 4);
		c.ack = next(&c)->seq + 1;
		ck_assert_uint_eq(atomic_load(
		    &d.counters[CNT_tcp_cookies_sent]) - before, i >= 3);
	}
	/* the last one was a cookie, and is as good */
	c.port--;
	send_plain(&c, ACK, NULL, 0);
	silence();
	ck_assert_int_gt(sock_accept(d.s, l, NULL), 0);
	stop();
}
END_TEST

START_TEST(closing_a_listener_resets_its_queue)
{
	struct peer a, b;
	int l, h;

	defaults();
	start();
	l = listener(4, 80, 8);
	a = dial(4, 1001, 80, MS);
	b = dial(4, 1002, 80, MS);
	h = sock_accept(d.s, l, NULL);
	ck_assert_int_eq(sock_close(d.s, l), 0);
	turn(d.now);
	(void)expect(&b, RST | ACK, 0);
	silence();
	send_plain(&a, ACK, "x", 1);
	ck_assert_int_eq(sock_readable(d.s, h), 1);
	ck_assert_uint_eq(d.pool.n, FRAMES - 1);
	stop();
}
END_TEST

/* Without a place the connection is refused and counted. */
START_TEST(connection_without_a_place_is_refused)
{
	struct peer c;
	int l;

	defaults();
	start();
	l = listener(4, 80, 8);
	while (sock_open(d.s, 4, SOCK_STREAM) > 0)
		continue;
	c = dial(4, 1001, 80, MS);
	(void)expect(&c, RST | ACK, 0);
	ck_assert_int_eq(sock_accept(d.s, l, NULL), -EAGAIN);
	ck_assert_uint_eq(socks_refused(d.s), 1);
	stop();
}
END_TEST

/* A program's state dies with it: the peer hears so at once. */
START_TEST(adoption_resets_what_the_dead_process_had)
{
	struct socks_conf sc = { .socks = 32, .watches = 32 };
	struct peer c;

	defaults();
	start();
	(void)accepted(&c, MS);
	memset(d.net, 0xdb, net_size());
	ck_assert_int_eq(socks_init(d.s, &sc, d.net), 0);
	ck_assert_int_eq(net_adopt(d.net, &d.conf, &d.env, d.arena,
	    arena_size(&d.conf.shape), d.now), 0);
	net_tx_done(d.net, 1);
	net_replay(d.net, d.now);
	socks_adopt(d.s);
	turn(d.now);
	(void)expect(&c, RST | ACK, 0);
	silence();
	ck_assert_int_gt(listener(4, 80, 1), 0);
	c = dial(4, 40000, 80, MS);
	silence();
	stop();
}
END_TEST

/* ---- names ---- */

START_TEST(addresses_are_checked_and_kept_apart)
{
	struct net_addr a = addr(4, 1, 80), any = { .port = 80 };
	struct net_addr far = addr(4, 9, 80), six = addr(6, 1, 80);
	int h, k;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	k = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_open(d.s, 5, SOCK_STREAM), -EAFNOSUPPORT);
	ck_assert_int_eq(sock_open(d.s, 4, SOCK_RAW), -EPROTONOSUPPORT);
	ck_assert_int_eq(sock_bind(d.s, h, &far), -EADDRNOTAVAIL);
	ck_assert_int_eq(sock_bind(d.s, h, &six), -EAFNOSUPPORT);
	ck_assert_int_eq(sock_bind(d.s, h, &a), 0);
	ck_assert_int_eq(sock_bind(d.s, h, &a), -EINVAL);
	ck_assert_int_eq(sock_bind(d.s, k, &any), -EADDRINUSE);
	ck_assert_int_eq(set(k, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	ck_assert_int_eq(sock_bind(d.s, k, &any), -EADDRINUSE);
	ck_assert_int_eq(set(h, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	ck_assert_int_eq(sock_bind(d.s, k, &any), 0);
	/* shared until one listens */
	ck_assert_int_eq(sock_listen(d.s, h, 1), -EADDRINUSE);
	ck_assert_int_eq(sock_close(d.s, k), 0);
	ck_assert_int_eq(sock_listen(d.s, h, 1), 0);
	ck_assert_int_eq(sock_listen(d.s, h, 7), 0);
	k = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_bind(d.s, k, &a), -EADDRINUSE);
	/* port 0: one that is free */
	ck_assert_int_eq(sock_listen(d.s, k, 1), 0);
	ck_assert_int_eq(sock_name(d.s, k, &a), 0);
	ck_assert_uint_ge(a.port, 32768);
	ck_assert_int_eq(sock_connect(d.s, k, &far), -EOPNOTSUPP);
	ck_assert_int_eq(sock_peer(d.s, k, &a), -ENOTCONN);
	ck_assert_int_eq(sock_shutdown(d.s, k, SHUT_WR), -ENOTCONN);
	stop();
}
END_TEST

/* RFC 3493 (5.3): IPv6 hears IPv4 unless told not to; IPv4 never IPv6. */
START_TEST(families_are_kept_apart)
{
	static const struct {
		int family;
		bool only;
		bool hears4, hears6;
	} t[] = {
		{ 4, false, true, false }, { 6, false, true, true },
		{ 6, true, false, true },
	};
	struct peer c;
	int h, f;

	defaults();
	start();
	h = sock_open(d.s, (uint8_t)t[_i].family, SOCK_STREAM);
	if (t[_i].only)
		ck_assert_int_eq(set(h, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	ck_assert_int_eq(sock_bind(d.s, h, &(struct net_addr){ .port = 80 }),
	    0);
	ck_assert_int_eq(sock_listen(d.s, h, 4), 0);
	ck_assert_int_eq(set(h, IPPROTO_IPV6, IPV6_V6ONLY, 1),
	    t[_i].family == 4 ? -ENOPROTOOPT : -EINVAL);
	for (f = 4; f <= 6; f += 2) {
		bool hears = f == 4 ? t[_i].hears4 : t[_i].hears6;

		c = (struct peer){ f, 40000, 80, 1, 0, 1000 };
		send_seg(&c, SYN, NULL, 0, mss1460, 4);
		ck_assert_uint_eq(next(&c)->flags, hears ? SYN | ACK :
		    RST | ACK);
	}
	stop();
}
END_TEST

START_TEST(bound_socket_connects_from_there)
{
	struct net_addr a = addr(4, 1, 5555), to = addr(4, 2, 80);
	struct peer c = { 4, 80, 5555, 0, 0, 0 };
	int h;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_bind(d.s, h, &a), 0);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	turn(d.now);
	ck_assert_uint_eq(next(&c)->sport, 5555);
	/* closing what is not open says nothing on the wire */
	ck_assert_int_eq(sock_close(d.s, h), 0);
	turn(d.now);
	silence();
	h = sock_open(d.s, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_bind(d.s, h, &a), 0);
	ck_assert_int_eq(sock_connect(d.s, h, &to), -EINPROGRESS);
	stop();
}
END_TEST

/* ---- bytes ---- */

START_TEST(pieces_are_filled_and_sent_in_order)
{
	char a[3] = "", b[2] = "", e[4] = "";
	struct iovec out[3] = { { (void *)(uintptr_t)"ab", 2 }, { NULL, 0 },
	    { (void *)(uintptr_t)"cdef", 4 } };
	struct iovec in[3] = { { a, 3 }, { b, 2 }, { e, 4 } };
	struct peer c;
	int h;

	defaults();
	start();
	h = accepted(&c, MS);
	ck_assert_int_eq(sock_send(d.s, h, out, 3, MSG_NOSIGNAL), 6);
	turn(d.now);
	ck_assert_mem_eq(expect(&c, ACK | PSH, 6)->data, "abcdef", 6);
	ck_assert_int_eq(sock_send(d.s, h, out, 3, MSG_OOB), -EOPNOTSUPP);
	send_plain(&c, ACK, "uvwx", 4);
	send_plain(&c, ACK, "yz", 2);
	ck_assert_int_eq(sock_recv(d.s, h, in, 3, MSG_PEEK), 6);
	ck_assert_int_eq(sock_recv(d.s, h, in, 3, 0), 6);
	ck_assert_mem_eq(a, "uvw", 3);
	ck_assert_mem_eq(b, "xy", 2);
	ck_assert_mem_eq(e, "z", 1);
	stop();
}
END_TEST

/* Memory that is sent from where it lies, and again after a loss. */
START_TEST(memory_is_sent_without_a_copy)
{
	static uint8_t page[5000];
	struct peer c;
	uint32_t i, una;
	int h;

	defaults();
	start();
	h = accepted(&c, MS);
	una = c.ack;
	for (i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i * 13);
	ck_assert_int_eq(sock_send_mem(d.s, h, page, sizeof(page)),
	    sizeof(page));
	turn(d.now);
	for (i = 0; i < 3; i++)
		ck_assert_mem_eq(expect(&c, ACK, 1460)->data, page + i * 1460,
		    1460);
	ck_assert_mem_eq(expect(&c, ACK | PSH, 620)->data, page + 4380, 620);
	ck_assert_int_eq(sock_queued(d.s, h), sizeof(page));
	/* what is sent is read from there again */
	page[0] ^= 0xff;
	(void)until_out(d.now + 2 * SEC);
	c.ack = una;
	ck_assert_mem_eq(expect(&c, ACK, 1460)->data, page, 1460);
	stop();
}
END_TEST

/* As in Linux the user's timeout counts while the window is closed, though the
 * peer answers the probes; without it there is no end (RFC 9293 3.8.6.1). */
START_TEST(user_timeout_ends_a_wait_for_the_window)
{
	struct peer c;
	uint64_t t0;
	uint32_t probes = 0;
	int h;

	defaults();
	start();
	h = accepted(&c, MS);
	if (_i == 1)
		ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000),
		    0);
	c.wnd = 0;
	send_plain(&c, ACK, NULL, 0);
	ck_assert_int_eq(put(h, "abc", 3), 3);
	silence();
	for (t0 = d.now; d.now < t0 + 100 * SEC; probes++) {
		(void)until_out(t0 + 100 * SEC);
		if ((sock_ready(d.s, h) & EPOLLHUP) != 0 || d.iout == d.nout)
			break;
		d.iout = d.nout;
		send_plain(&c, ACK, NULL, 0);
	}
	ck_assert_uint_gt(probes, 2);
	if (_i == 0) {
		ck_assert_uint_eq(sock_ready(d.s, h) & EPOLLHUP, 0);
		c.wnd = 1000;
		send_plain(&c, ACK, NULL, 0);
		ck_assert_uint_eq(next(&c)->len, 3);
	} else {
		ck_assert_int_eq(ask(h, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
	}
	stop();
}
END_TEST

/* TCP_MAXSEG on a connection shortens what we send; SO_RCVBUF holds still. */
START_TEST(options_of_a_connection_count_from_then_on)
{
	static const uint8_t big[2000];
	struct peer c;
	int h;

	defaults();
	start();
	h = accepted(&c, MS);
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_MAXSEG, 500), 0);
	ck_assert_int_eq(ask(h, IPPROTO_TCP, TCP_MAXSEG), 500);
	ck_assert_int_eq(put(h, big, 1200), 1200);
	(void)expect(&c, ACK, 500);
	(void)expect(&c, ACK, 500);
	(void)expect(&c, ACK | PSH, 200);
	ck_assert_int_eq(set(h, SOL_SOCKET, SO_RCVBUF, 100000), 0);
	ck_assert_int_eq(ask(h, SOL_SOCKET, SO_RCVBUF), 97 << 10);
	ck_assert_int_eq(sock_shutdown(d.s, h, SHUT_RDWR), 0);
	turn(d.now);
	(void)expect(&c, FIN | ACK, 0);
	ck_assert_uint_ne(sock_ready(d.s, h) & EPOLLHUP, 0);
	stop();
}
END_TEST

START_TEST(shutdown_of_reading_ends_without_waiting)
{
	struct peer c;
	char b[4];
	int h;

	defaults();
	start();
	h = accepted(&c, MS);
	ck_assert_int_eq(sock_shutdown(d.s, h, 9), -EINVAL);
	send_plain(&c, ACK, "ab", 2);
	ck_assert_int_eq(sock_shutdown(d.s, h, SHUT_RD), 0);
	ck_assert_int_eq(get(h, b, 4, 0), 2);
	ck_assert_int_eq(get(h, b, 4, 0), 0);
	ck_assert_uint_eq(sock_ready(d.s, h), EPOLLIN | EPOLLRDHUP | EPOLLOUT);
	ck_assert_int_eq(put(h, "x", 1), 1);
	stop();
}
END_TEST

/* ---- datagrams, RFC 768 ---- */

START_TEST(datagrams_go_and_come)
{
	uint8_t in[32] = { 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0,
	    192, 0, 2, 2, 192, 0, 2, 1, 0, 53, 0, 99, 0, 12, 0, 0,
	    'p', 'o', 'n', 'g' };
	struct net_addr a = { .port = 99 }, to = addr(4, 2, 53), from;
	char b[8], e[8];
	struct iovec v[2] = { { (void *)(uintptr_t)"pi", 2 },
	    { (void *)(uintptr_t)"ng", 2 } };
	struct iovec r[2] = { { b, 1 }, { e, 8 } };
	int h, ep;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_DGRAM);
	ck_assert_int_eq(sock_bind(d.s, h, &a), 0);
	ck_assert_int_eq(sock_recv(d.s, h, r, 2, 0), -EAGAIN);
	ck_assert_int_eq(sock_sendto(d.s, h, v, 2, 0, &to), 4);
	turn(d.now);
	ck_assert_uint_eq(d.nout, 1);
	ck_assert_uint_eq(d.out[0].len, 32);
	ck_assert_uint_eq(r16(d.out[0].b + 20), 99);
	ck_assert_uint_eq(r16(d.out[0].b + 22), 53);
	ck_assert_mem_eq(d.out[0].b + 28, "ping", 4);
	ep = poll_open(d.s);
	ck_assert_int_eq(watch(ep, EPOLL_CTL_ADD, h, EPOLLIN, 3), 0);
	wait_one(ep, 0, 0);
	w16(in + 10, ~sum16(0, in, 20) & 0xffff);
	input(in, sizeof(in));
	wait_one(ep, EPOLLIN, 3);
	ck_assert_int_eq(sock_readable(d.s, h), 4);
	ck_assert_int_eq(sock_recvfrom(d.s, h, r, 1, MSG_PEEK | MSG_TRUNC,
	    &from), 4);
	ck_assert_mem_eq(&from, &to, sizeof(to));
	ck_assert_int_eq(sock_recvfrom(d.s, h, r, 2, 0, NULL), 4);
	ck_assert_mem_eq(b, "p", 1);
	ck_assert_mem_eq(e, "ong", 3);
	wait_one(ep, 0, 0);
	ck_assert_int_eq(sock_connect(d.s, h, &to), 0);
	ck_assert_int_eq(sock_send(d.s, h, v, 1, 0), 2);
	ck_assert_int_eq(sock_peer(d.s, h, &from), 0);
	ck_assert_uint_eq(from.port, 53);
	ck_assert_int_eq(set(h, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
	ck_assert_int_eq(sock_listen(d.s, h, 1), -EOPNOTSUPP);
	ck_assert_int_eq(sock_close(d.s, h), 0);
	turn(d.now);
	ck_assert_uint_eq(d.pool.n, FRAMES);
	stop();
}
END_TEST

/* RFC 791, RFC 8200 (4.5): fragments of bare packets are put together, also
 * when the whole is more than a frame of the link could have. */
START_TEST(fragments_of_bare_packets_are_put_together)
{
	uint8_t f[2][1500] = { { 0x45, 0, 0, 0, 0, 7, 0x20, 0, 64, 17, 0, 0,
	    192, 0, 2, 2, 192, 0, 2, 1, 0, 53, 0, 99, 0, 0, 0, 0 } };
	struct net_addr local = { .port = 99 };
	static char b[4000];
	struct iovec v = { b, sizeof(b) };
	uint32_t i, len = _i, half = 1472;
	int h;

	defaults();
	start();
	h = sock_open(d.s, 4, SOCK_DGRAM);
	ck_assert_int_eq(sock_bind(d.s, h, &local), 0);
	memcpy(f[1], f[0], 20);
	w16(f[0] + 24, 8 + len);
	for (i = 0; i < len; i++)
		if (8 + i < half)
			f[0][28 + i] = (uint8_t)(i * 3);
		else
			f[1][20 + 8 + i - half] = (uint8_t)(i * 3);
	w16(f[0] + 2, 20 + half);
	w16(f[1] + 2, 20 + 8 + len - half);
	w16(f[1] + 6, half / 8);
	for (i = 0; i < 2; i++)
		w16(f[i] + 10, ~sum16(0, f[i], 20) & 0xffff);
	input(f[1], 20 + 8 + len - half);
	ck_assert_int_eq(sock_recv(d.s, h, &v, 1, 0), -EAGAIN);
	input(f[0], 20 + half);
	ck_assert_int_eq(sock_recv(d.s, h, &v, 1, 0), len);
	for (i = 0; i < len; i++)
		ck_assert_uint_eq((uint8_t)b[i], (uint8_t)(i * 3));
	ck_assert_int_eq(sock_close(d.s, h), 0);
	ck_assert_uint_eq(d.pool.n, FRAMES);
	stop();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("sock");
	TCase *t = tcase_create("calls");

	tcase_add_test(t, closed_handle_is_nobody);
	tcase_add_test(t, level_tells_as_long_as_it_holds);
	tcase_add_test(t, edge_tells_once_per_change);
	tcase_add_test(t, edge_of_writing_comes_after_the_buffer_was_full);
	tcase_add_test(t, oneshot_is_silent_until_mod);
	tcase_add_test(t, ready_ones_take_turns);
	tcase_add_test(t, sets_refuse_what_they_cannot_do);
	tcase_add_test(t, full_accept_queue_makes_the_peer_ask_again);
	tcase_add_test(t, backlog_bounds_half_open_ones);
	tcase_add_test(t, closing_a_listener_resets_its_queue);
	tcase_add_test(t, connection_without_a_place_is_refused);
	tcase_add_test(t, adoption_resets_what_the_dead_process_had);
	tcase_add_test(t, addresses_are_checked_and_kept_apart);
	tcase_add_loop_test(t, families_are_kept_apart, 0, 3);
	tcase_add_test(t, bound_socket_connects_from_there);
	tcase_add_test(t, pieces_are_filled_and_sent_in_order);
	tcase_add_test(t, memory_is_sent_without_a_copy);
	tcase_add_loop_test(t, user_timeout_ends_a_wait_for_the_window, 0, 2);
	tcase_add_test(t, options_of_a_connection_count_from_then_on);
	tcase_add_test(t, shutdown_of_reading_ends_without_waiting);
	tcase_add_test(t, datagrams_go_and_come);
	tcase_add_loop_test(t, fragments_of_bare_packets_are_put_together,
	    2000, 2003);
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
