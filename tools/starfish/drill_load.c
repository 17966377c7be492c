/*
 * drill_load: the clients: one process, one epoll loop, plain sockets of the
 * kernel. They go on whatever happens; what they lose they count, by cause,
 * and open anew.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drill.h"

#define EVENTS		256
#define TICK_MS		2	/* requests are due at this grain */
#define OPEN_TICK	64u	/* connections opened per tick, at most */
#define THINK_US	60000u	/* between requests, on average */
#define RARE		60u	/* one request in so many is for a large file */
#define KV_FILES	3u	/* values are the smaller ones */
#define IDLE_US		1500000u /* of idle connections */

const char *const drill_loss_names[LOSSES] = {
	[LOSS_RESET] = "reset", [LOSS_TIMEOUT] = "timeout",
	[LOSS_SHORT] = "short", [LOSS_WRONG] = "wrong",
	[LOSS_REFUSED] = "refused"
};

struct clients {
	struct drill_load *sh;
	struct client_conn *c;
	uint32_t n, open;
	uint64_t now, mark, rng;
	int epoll;
};

static uint64_t
rnd(struct clients *cl, uint64_t n)
{
	cl->rng ^= cl->rng << 13;
	cl->rng ^= cl->rng >> 7;
	cl->rng ^= cl->rng << 17;
	return cl->rng % n;
}

static void
count(_Atomic uint64_t *w, uint64_t n)
{
	atomic_fetch_add_explicit(w, n, memory_order_relaxed);
}

/* Silence on a connection that waits ends, or is looked at: note it if it
 * reaches into the window. */
static void
note(struct clients *cl, const struct client_conn *c)
{
	uint64_t gap = cl->now - c->last_us;

	if (cl->mark != 0 && c->wait && cl->now >= cl->mark &&
	    gap > atomic_load_explicit(&cl->sh->longest_us,
	    memory_order_relaxed))
		atomic_store_explicit(&cl->sh->longest_us, gap,
		    memory_order_relaxed);
}

/* What a connection waits for: room to send is asked for only while there is
 * something to send. */
static void
watch(struct clients *cl, struct client_conn *c, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP,
	    .data.ptr = c };

	if (c->connecting || c->reqsent < c->reqlen ||
	    (c->upload && c->wait && c->sent < c->want))
		ev.events |= EPOLLOUT;
	epoll_ctl(cl->epoll, op, c->fd, &ev);
}

static void
end(struct clients *cl, struct client_conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->wait = 0;
	c->next_us = cl->now + rnd(cl, THINK_US);
	atomic_store_explicit(&cl->sh->open, --cl->open, memory_order_relaxed);
}

static void
lose(struct clients *cl, struct client_conn *c, enum drill_loss why)
{
	count(&cl->sh->lost[why], 1);
	end(cl, c);
}

static void
open_one(struct clients *cl, struct client_conn *c)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(c->kind == CLIENT_KV ? 7000 : 80) };
	int one = 1;

	inet_pton(AF_INET, DRILL_OURS, &sin.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return;
	atomic_store_explicit(&cl->sh->open, ++cl->open, memory_order_relaxed);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->connecting = 1;
	c->wait = c->is_ws = c->upload = c->asks_back = 0;
	c->reqlen = c->reqsent = 0;
	c->last_us = cl->now;
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 &&
	    errno != EINPROGRESS) {
		lose(cl, c, LOSS_REFUSED);
		return;
	}
	watch(cl, c, EPOLL_CTL_ADD);
}

static void
ask(struct clients *cl, struct client_conn *c)
{
	/* the larger a file, the rarer: clients that keep both processors
	 * busy would see their own delays */
	static const uint8_t often[] = { 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3 };
	uint32_t file;

	file = c->kind == CLIENT_IDLE ? 0 : rnd(cl, RARE) == 0 ?
	    4 + (uint32_t)rnd(cl, 2) : often[rnd(cl, sizeof(often))];
	if (c->kind == CLIENT_WS)
		ws_ask(c, file);
	else if (c->kind == CLIENT_KV)
		kv_ask(c, file % KV_FILES);
	else
		http_ask(c, file);
	c->last_us = cl->now;
	if (http_send(c) < 0)
		lose(cl, c, LOSS_RESET);
	else
		watch(cl, c, EPOLL_CTL_MOD);
}

static void
on_room(struct clients *cl, struct client_conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);
	uint32_t before = c->sent;

	if (c->connecting) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err != 0) {
			lose(cl, c, LOSS_REFUSED);
			return;
		}
		c->connecting = 0;
		c->next_us = cl->now + rnd(cl, THINK_US);
	} else if (http_send(c) < 0) {
		lose(cl, c, LOSS_RESET);
		return;
	}
	if (c->sent != before) {
		note(cl, c);
		c->last_us = cl->now;
	}
	watch(cl, c, EPOLL_CTL_MOD);
}

static int (*const take[])(struct client_conn *, const uint8_t *, size_t) = {
	[CLIENT_GET] = http_take, [CLIENT_POST] = http_take,
	[CLIENT_IDLE] = http_take, [CLIENT_WS] = ws_take,
	[CLIENT_KV] = kv_take
};

static void
on_bytes(struct clients *cl, struct client_conn *c)
{
	uint8_t buf[65536];
	ssize_t n;
	int r;

	n = recv(c->fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 || (n > 0 && !c->wait)) {
		lose(cl, c, n < 0 ? LOSS_RESET : LOSS_WRONG);
		return;
	}
	if (n == 0) {
		/* nobody told it to close */
		lose(cl, c, LOSS_SHORT);
		return;
	}
	note(cl, c);
	c->last_us = cl->now;
	r = take[c->kind](c, buf, (size_t)n);
	if (r < 0) {
		lose(cl, c, LOSS_WRONG);
		return;
	}
	if (r == 0)
		return;
	c->wait = 0;
	count(&cl->sh->requests, 1);
	count(&cl->sh->bytes, c->want);
	c->next_us = cl->now + (c->kind == CLIENT_IDLE ? IDLE_US / 2 +
	    rnd(cl, IDLE_US) : rnd(cl, 2 * THINK_US));
}

/* Requests that are due, connections to open, silence that goes on. */
static void
tick(struct clients *cl)
{
	uint32_t i, opened = 0, up = 0;
	struct client_conn *c;

	for (i = 0; i < cl->n; i++) {
		c = &cl->c[i];
		up += c->fd >= 0 && !c->connecting;
		if (c->fd < 0) {
			if (cl->now >= c->next_us && opened++ < OPEN_TICK)
				open_one(cl, c);
		} else if (c->wait || c->connecting) {
			note(cl, c);
			if (cl->now - c->last_us > DRILL_TIMEOUT_US)
				lose(cl, c, LOSS_TIMEOUT);
		} else if (cl->now >= c->next_us) {
			ask(cl, c);
		}
	}
	if (up == cl->n)
		atomic_store_explicit(&cl->sh->ready, 1, memory_order_relaxed);
}

/* A new window begins: what was silent before it is silent in it. */
static void
look_at_mark(struct clients *cl)
{
	uint64_t mark = atomic_load_explicit(&cl->sh->mark_us,
	    memory_order_acquire);

	if (mark == cl->mark)
		return;
	cl->mark = mark;
	if (mark != 0)
		atomic_store_explicit(&cl->sh->longest_us, 0,
		    memory_order_relaxed);
	atomic_store_explicit(&cl->sh->seen_us, mark, memory_order_release);
}

static void
run(struct clients *cl)
{
	struct epoll_event ev[EVENTS];
	struct client_conn *c;
	uint64_t due = 0;
	int i, n;

	while (!atomic_load_explicit(&cl->sh->stop, memory_order_relaxed)) {
		n = epoll_wait(cl->epoll, ev, EVENTS, TICK_MS);
		cl->now = board_mono_us();
		look_at_mark(cl);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (c->fd >= 0 && ev[i].events & (EPOLLIN | EPOLLHUP |
			    EPOLLERR) && !c->connecting)
				on_bytes(cl, c);
			if (c->fd >= 0 && ev[i].events & (EPOLLOUT | EPOLLERR))
				on_room(cl, c);
		}
		if (cl->now >= due) {
			tick(cl);
			due = cl->now + TICK_MS * 1000;
		}
	}
}

/* Of fifteen: five fetch, two send, two talk WebSocket, one is idle, five
 * put values and ask for them. */
static const uint8_t kinds[15] = {
	CLIENT_GET, CLIENT_KV, CLIENT_POST, CLIENT_GET, CLIENT_KV, CLIENT_WS,
	CLIENT_GET, CLIENT_KV, CLIENT_IDLE, CLIENT_GET, CLIENT_KV,
	CLIENT_POST, CLIENT_WS, CLIENT_KV, CLIENT_GET
};

static _Noreturn void
clients_main(struct drill *d)
{
	struct clients cl = { .sh = d->load, .n = d->o.conns };
	uint32_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "drill-clients");
	signal(SIGINT, SIG_IGN);
	cl.rng = d->o.seed * 0x9e3779b97f4a7c15u | 1;
	cl.c = calloc(cl.n, sizeof(*cl.c));
	cl.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (cl.c == NULL || cl.epoll < 0)
		_exit(1);
	cl.now = board_mono_us();
	for (i = 0; i < cl.n; i++) {
		cl.c[i].fd = -1;
		cl.c[i].kind = kinds[i % 15];
		cl.c[i].number = i;
	}
	run(&cl);
	_exit(0);
}

int
load_start(struct drill *d)
{
	d->load = mmap(NULL, sizeof(*d->load), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->load == MAP_FAILED)
		return -errno;
	fflush(NULL);
	d->load_pid = fork();
	if (d->load_pid < 0)
		return -errno;
	if (d->load_pid == 0)
		clients_main(d);
	return 0;
}

int
load_stop(struct drill *d)
{
	int status = 0;

	if (d->load_pid <= 0)
		return 0;
	atomic_store(&d->load->stop, 1);
	if (waitpid(d->load_pid, &status, 0) != d->load_pid)
		return -errno;
	d->load_pid = 0;
	return status == 0 ? 0 : -EIO;
}
