/*
 * sock_random: two instances, a link that loses, and programs that call
 * whatever comes to mind. Bytes must arrive as they were sent, readiness must
 * name live sockets, and when all is closed nothing may be left anywhere.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "../lib/plain.h"
#include "../../secondary/loop/poll.h"
#include "../../secondary/loop/sock.h"

#define SOCKS	24u
#define STEPS	4000u
#define PORT	80

/* A socket as its program knows it. */
struct app {
	int h;			/* 0: none */
	uint32_t id;		/* names the connection at both ends */
	uint64_t tx, rx;
	bool shut;
};

struct host {
	struct plain s;
	struct socks *socks;
	struct app app[SOCKS];
	int listener, set;
	struct plain_box out;
};

static struct host a, b;
static uint64_t seed, now;
static uint64_t delivered;

static uint32_t
below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) % n);
}

static void
host_init(struct host *h, uint8_t id)
{
	struct socks_conf sc = { .socks = SOCKS + 8, .watches = SOCKS };

	plain_conf(&h->s, id, 32);
	h->s.conf.shape.state_size = 0;
	socks_net_conf(&h->s.conf);
	h->s.conf.sndbuf = 8192;
	h->s.conf.rcvbuf = h->s.conf.rcvbuf_max = 16384;
	h->s.conf.rx_hold_max = 128;
	h->s.conf.retries = 5;
	h->socks = malloc(socks_size(&sc));
	ck_assert_ptr_nonnull(h->socks);
	h->s.env.event = socks_event;
	h->s.env.arg = h->socks;
	memset(h->app, 0, sizeof(h->app));
	atomic_store(&h->out.n, 0);
	plain_init(&h->s, now);
	ck_assert_int_eq(socks_init(h->socks, &sc, h->s.net), 0);
	h->set = poll_open(h->socks);
	h->listener = 0;
}

static uint8_t
pattern(const struct app *p, bool ours, uint64_t at)
{
	return (uint8_t)(p->id * 31 + (ours ? 7 : 0) + at * 13 + (at >> 8));
}

static struct app *
app_new(struct host *h, int s)
{
	uint32_t i;

	for (i = 0; i < SOCKS; i++)
		if (h->app[i].h == 0) {
			memset(&h->app[i], 0, sizeof(h->app[i]));
			h->app[i].h = s;
			return &h->app[i];
		}
	return NULL;
}

static void
listen_on(struct host *h)
{
	struct net_addr any = { .port = PORT };

	h->listener = sock_open(h->socks, 4, SOCK_STREAM);
	ck_assert_int_eq(sock_bind(h->socks, h->listener, &any), 0);
	ck_assert_int_eq(sock_listen(h->socks, h->listener, 4), 0);
}

static void
dial(struct host *h, uint8_t to)
{
	struct net_addr peer = { .family = 4, .port = PORT,
	    .addr = { 10, 0, 0, to } }, own;
	int err, s = sock_open(h->socks, 4, SOCK_STREAM);
	struct app *p;

	ck_assert(s > 0 || s == -EMFILE);
	if (s < 0)
		return;
	err = sock_connect(h->socks, s, &peer);
	ck_assert(err == -EINPROGRESS || err == -ENOBUFS);
	p = err == -EINPROGRESS ? app_new(h, s) : NULL;
	if (p == NULL) {
		ck_assert_int_eq(sock_close(h->socks, s), 0);
		return;
	}
	ck_assert_int_eq(sock_name(h->socks, s, &own), 0);
	p->id = own.port;
}

static void
take(struct host *h)
{
	struct net_addr peer;
	struct app *p;
	int s = sock_accept(h->socks, h->listener, &peer);

	if (s == -EAGAIN)
		return;
	ck_assert_int_gt(s, 0);
	p = app_new(h, s);
	if (p == NULL)
		ck_assert_int_eq(sock_close(h->socks, s), 0);
	else
		p->id = peer.port;
}

static void
say(struct host *h, struct app *p)
{
	uint8_t buf[3000];
	uint32_t i, len = below(sizeof(buf)) + 1, cut = below(len + 1);
	struct iovec v[2] = { { buf, cut }, { buf + cut, len - cut } };
	int64_t n;

	for (i = 0; i < len; i++)
		buf[i] = pattern(p, h == &a, p->tx + i);
	n = sock_send(h->socks, p->h, v, 2, 0);
	ck_assert(n <= (int64_t)len && n != 0);
	ck_assert(!p->shut || n < 0);
	if (n > 0)
		p->tx += (uint64_t)n;
}

static void
hear(struct host *h, struct app *p, int flags)
{
	uint8_t buf[3000];
	struct iovec v[2] = { { buf, below(1000) },
	    { buf + 1000, below(2000) + 1 } };
	int64_t i, n = sock_recv(h->socks, p->h, v, 2, flags);

	for (i = 0; i < n; i++)
		ck_assert_uint_eq(buf[i < (int64_t)v[0].iov_len ? (size_t)i :
		    1000 + (size_t)i - v[0].iov_len],
		    pattern(p, h != &a, p->rx + (uint64_t)i));
	if (n > 0 && (flags & MSG_PEEK) == 0) {
		p->rx += (uint64_t)n;
		delivered += (uint64_t)n;
	}
}

static void
tune(struct host *h, struct app *p)
{
	static const int name[] = { SO_KEEPALIVE, SO_RCVBUF, SO_SNDBUF };
	int v = (int)below(20000), got;
	uint32_t len = sizeof(got);

	ck_assert_int_eq(sock_setsockopt(h->socks, p->h, SOL_SOCKET,
	    name[below(3)], &v, sizeof(v)), 0);
	v &= 1;
	/* TCP_NODELAY, TCP_CORK */
	ck_assert_int_eq(sock_setsockopt(h->socks, p->h, IPPROTO_TCP,
	    v ? 1 : 3, &v, sizeof(v)), 0);
	ck_assert_int_eq(sock_getsockopt(h->socks, p->h, SOL_SOCKET, SO_ERROR,
	    &got, &len), 0);
	ck_assert_int_ge(got, 0);
}

static void
watch(struct host *h, struct app *p)
{
	static const uint32_t how[] = { 0, (uint32_t)EPOLLET,
	    (uint32_t)EPOLLONESHOT };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT |
	    how[below(3)], .data.u64 = (uint64_t)(p - h->app) << 32 |
	    (uint32_t)p->h };
	int err = poll_ctl(h->socks, h->set, (int)below(3) + 1, p->h, &ev);

	ck_assert(err == 0 || err == -EEXIST || err == -ENOENT);
}

static void
look(struct host *h)
{
	struct epoll_event ev[8];
	int i, n = poll_wait(h->socks, h->set, ev, 1 + below(8));

	for (i = 0; i < n; i++) {
		const struct app *p = &h->app[ev[i].data.u64 >> 32];

		ck_assert_int_eq(p->h, (int)(ev[i].data.u64 & 0xffffffff));
		ck_assert_uint_eq(ev[i].events & ~sock_ready(h->socks, p->h),
		    0);
	}
}

static void
end(struct host *h, struct app *p)
{
	ck_assert_int_eq((below(4) == 0 ? sock_abort : sock_close)(h->socks,
	    p->h), 0);
	ck_assert_int_eq(sock_close(h->socks, p->h), -EBADF);
	p->h = 0;
}

static void
act(struct host *h)
{
	struct app *p = &h->app[below(SOCKS)];
	struct conn_metrics m;

	if (below(8) == 0)
		dial(h, h == &a ? 2 : 1);
	if (below(4) == 0)
		take(h);
	look(h);
	if (p->h == 0)
		return;
	switch (below(16)) {
	case 0:
		tune(h, p);
		break;
	case 1:
		watch(h, p);
		break;
	case 2:
		if (below(4) == 0)
			end(h, p);
		break;
	case 3:
		if (below(8) == 0 && sock_shutdown(h->socks, p->h,
		    SHUT_WR) == 0)
			p->shut = true;
		break;
	case 4:
		hear(h, p, MSG_PEEK);
		ck_assert_int_eq(sock_info(h->socks, p->h, &m), 0);
		ck_assert_uint_ge(m.unacked, m.sacked + m.lost + m.retrans);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		say(h, p);
		break;
	default:
		hear(h, p, 0);
		break;
	}
}

/* The link loses some frames; what is left goes into the other stack. */
static void
cross(struct host *from, struct host *to, uint32_t loss)
{
	uint32_t i, n = atomic_load(&from->out.n), left = 0;
	static struct plain_box in;

	for (i = 0; i < n; i++) {
		if (loss != 0 && below(loss) == 0)
			continue;
		in.len[left] = from->out.len[i];
		memcpy(in.data[left++], from->out.data[i], from->out.len[i]);
	}
	atomic_store(&in.n, left);
	plain_take(&to->s, &in, now);
}

static void
both(uint32_t loss)
{
	struct host *h[2] = { &a, &b };
	uint32_t i;

	cross(&a, &b, loss);
	cross(&b, &a, loss);
	for (i = 0; i < 2; i++) {
		(void)net_turn(h[i]->s.net, now);
		plain_send(&h[i]->s, &h[i]->out);
	}
}

static void
no_conns(struct host *h)
{
	uint32_t i;

	ck_assert_uint_eq(atomic_load(&h->s.counters[CNT_gauge_conns]), 0);
	ck_assert_ptr_null(plain_count(&h->s));
	ck_assert_int_eq(sock_close(h->socks, h->set), 0);
	for (i = 0; i < SOCKS + 8; i++)
		ck_assert_int_gt(sock_open(h->socks, 4, SOCK_STREAM), 0);
	ck_assert_int_eq(sock_open(h->socks, 4, SOCK_STREAM), -EMFILE);
}

static void
close_all(struct host *h)
{
	uint32_t i;

	for (i = 0; i < SOCKS; i++)
		if (h->app[i].h != 0)
			end(h, &h->app[i]);
	ck_assert_int_eq(sock_close(h->socks, h->listener), 0);
}

START_TEST(random_calls_lose_nothing_and_leave_nothing)
{
	uint32_t i;
	uint64_t da, db;

	seed = 88172645463325252u + (uint64_t)_i * 7919;
	now = 1000000;
	delivered = 0;
	host_init(&a, 1);
	host_init(&b, 2);
	listen_on(&a);
	listen_on(&b);
	for (i = 0; i < STEPS; i++) {
		act(&a);
		act(&b);
		now += below(3) == 0 ? below(30000) : below(500);
		both(_i % 2 ? 30 : 0);
	}
	/* by seed and trajectory 67,000 to 880,000 */
	ck_assert_uint_gt(delivered, 50000);
	close_all(&a);
	close_all(&b);
	for (i = 0; i < 20000; i++) {
		both(_i % 2 ? 30 : 0);
		da = net_deadline(a.s.net);
		db = net_deadline(b.s.net);
		if (da == UINT64_MAX && db == UINT64_MAX)
			break;
		if (atomic_load(&a.out.n) == 0 && atomic_load(&b.out.n) == 0)
			now = da < db ? da : db;
		else
			now += 100;
	}
	no_conns(&a);
	no_conns(&b);
	plain_fini(&a.s);
	plain_fini(&b.s);
	free(a.socks);
	free(b.socks);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sock_random");
	TCase *t = tcase_create("two");
	SRunner *sr;
	int bad;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, random_calls_lose_nothing_and_leave_nothing, 0,
	    8);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
