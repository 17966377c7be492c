/*
 * kernel_client: the least that an HTTP load client on kernel sockets can do.
 *
 * One thread, one epoll set, closed loop: each connection has `depth` requests
 * outstanding. It learns the length of an answer from one request at the
 * start and afterwards counts bytes: answers must all be of one size.
 *
 *	kernel_client -p PORT [-c CONNS] [-d SECONDS] [-P DEPTH] [-1] [-b]
 *	    [-u PATH] [-C CPU] [-i]
 *
 * -1  one request per connection
 * -b  busy polling: never sleep in epoll_wait
 * -i  open CONNS idle connections, print "ready", hold them for SECONDS
 *
 * Prints one JSON object; exit status 1 if any request failed.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hist.h"
#include "load.h"

#define CONNS_MAX	200000u
#define EVENTS		256
#define READ_MAX	(256u << 10)
#define DEPTH_MAX	256u
#define REQ_MAX		512u
#define DESTS		64u	/* 127.0.0.1 .. 64: more tuples for -1 */

struct cconn {
	int fd;
	uint32_t sent;		/* bytes of the batch that are sent */
	uint32_t inflight;	/* answers of the batch still to come */
	uint64_t got;		/* bytes of the answer under way */
	uint64_t t0;		/* when the batch went out, ns */
};

struct client {
	int epfd;
	uint16_t port;
	uint32_t conns, depth, opened;
	bool one, busy;
	char batch[REQ_MAX * DEPTH_MAX];
	uint32_t reqlen, batchlen;
	uint64_t anslen;
	uint64_t done, errors, bytes, connects;
	struct hist lat;
	struct cconn *c;
	char buf[READ_MAX];
};

static struct client cl;

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int
open_socket(bool nonblock)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(cl.port) };
	const int one = 1;
	int fd;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK +
	    (nonblock ? cl.opened++ % DESTS : 0));
	fd = socket(AF_INET, SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0), 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Seconds of a cpu that this process used. */
static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* One request on a blocking socket: how long is an answer, head included? */
static void
learn(void)
{
	char *end, *cl_field;
	size_t have = 0;
	ssize_t r;
	int fd;

	fd = open_socket(false);
	if (fd < 0)
		err(1, "connect to port %u", cl.port);
	if (send(fd, cl.batch, cl.reqlen, MSG_NOSIGNAL) != (ssize_t)cl.reqlen)
		err(1, "send");
	for (;;) {
		r = recv(fd, cl.buf + have, READ_MAX - 1 - have, 0);
		if (r <= 0)
			errx(1, "no whole head in the first answer");
		have += (size_t)r;
		cl.buf[have] = '\0';
		end = strstr(cl.buf, "\r\n\r\n");
		if (end != NULL)
			break;
	}
	if (strncmp(cl.buf, "HTTP/1.1 200", 12) != 0)
		errx(1, "first answer: %.*s", 12, cl.buf);
	cl_field = strcasestr(cl.buf, "\r\ncontent-length:");
	if (cl_field == NULL || cl_field > end)
		errx(1, "no Content-Length");
	cl.anslen = (uint64_t)(end + 4 - cl.buf) +
	    strtoull(cl_field + 17, NULL, 10);
	close(fd);
}

static void conn_start(struct cconn *c);

static void
conn_end(struct cconn *c, bool failed)
{
	if (failed)
		cl.errors++;
	close(c->fd);
	c->fd = -1;
}

/* Send what is left of the batch. */
static void
conn_push(struct cconn *c)
{
	ssize_t r;

	while (c->sent < cl.batchlen) {
		r = send(c->fd, cl.batch + c->sent, cl.batchlen - c->sent,
		    MSG_NOSIGNAL);
		if (r < 0) {
			if (errno == EAGAIN || errno == ENOTCONN)
				return;
			conn_end(c, true);
			conn_start(c);
			return;
		}
		c->sent += (uint32_t)r;
	}
}

static void
conn_batch(struct cconn *c)
{
	c->sent = 0;
	c->inflight = cl.depth;
	c->t0 = now_ns();
	conn_push(c);
}

static void
conn_start(struct cconn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
	    .data.ptr = c };

	if (cl.errors > 1000)
		return;		/* the server is broken: let the run end */
	c->got = 0;
	c->fd = open_socket(true);
	if (c->fd < 0) {
		cl.errors++;
		return;
	}
	cl.connects++;
	if (epoll_ctl(cl.epfd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
	conn_batch(c);
}

/* n more bytes have come; true if the batch is complete. */
static bool
conn_took(struct cconn *c, const char *buf, size_t n)
{
	size_t at = 0, left;

	cl.bytes += n;
	while (at < n) {
		if (c->inflight == 0 || (c->got == 0 && buf[at] != 'H')) {
			cl.errors++;	/* more than was asked for, or not
					   the start of an answer */
			return false;
		}
		left = cl.anslen - c->got;
		if (left > n - at) {
			c->got += n - at;
			return false;
		}
		at += left;
		c->got = 0;
		c->inflight--;
		cl.done++;
	}
	return c->inflight == 0;
}

static void
conn_read(struct cconn *c)
{
	ssize_t r;

	for (;;) {
		r = recv(c->fd, cl.buf, READ_MAX, 0);
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0) {
			conn_end(c, true);
			conn_start(c);
			return;
		}
		if (conn_took(c, cl.buf, (size_t)r)) {
			hist_add(&cl.lat, now_ns() - c->t0);
			if (cl.one) {
				conn_end(c, false);
				conn_start(c);
				return;
			}
			conn_batch(c);
		}
		if (r < (ssize_t)READ_MAX)
			return;		/* edge-triggered: told again */
	}
}

static double
run(uint32_t seconds)
{
	struct epoll_event ev[EVENTS];
	uint64_t t0 = now_ns(), end = t0 + seconds * 1000000000ull, now;
	struct cconn *c;
	uint32_t k;
	int i, n;

	for (k = 0; k < cl.conns; k++)
		conn_start(&cl.c[k]);
	do {
		n = epoll_wait(cl.epfd, ev, EVENTS, cl.busy ? 0 : 100);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (c->sent < cl.batchlen)
				conn_push(c);
			if (c->fd >= 0 && (ev[i].events &
			    (EPOLLIN | EPOLLHUP | EPOLLERR)))
				conn_read(c);
		}
		now = now_ns();
	} while (now < end && cl.errors <= 1000);
	return (double)(now - t0) / 1e9;
}

/* Hold idle connections, so that the caller can look at the memory. */
static void
hold(uint32_t seconds)
{
	uint32_t i;

	for (i = 0; i < cl.conns; i++) {
		cl.c[i].fd = open_socket(true);
		if (cl.c[i].fd < 0)
			err(1, "connection %u", i);
		if (i % 64 == 63)
			usleep(1000);	/* let the server accept */
	}
	puts("ready");
	fflush(stdout);
	sleep(seconds);
}

static void
make_batch(const char *path)
{
	uint32_t i;

	cl.reqlen = (uint32_t)snprintf(cl.batch, REQ_MAX,
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path,
	    cl.one ? "Connection: close\r\n" : "");
	if (cl.reqlen >= REQ_MAX)
		errx(2, "path too long");
	for (i = 1; i < cl.depth; i++)
		memmove(cl.batch + i * cl.reqlen, cl.batch, cl.reqlen);
	cl.batchlen = cl.depth * cl.reqlen;
}

int
main(int argc, char **argv)
{
	const char *path = "/";
	uint32_t seconds = 3;
	bool idle = false;
	double secs;
	int c;

	cl.conns = 64;
	cl.depth = 1;
	while ((c = getopt(argc, argv, "p:c:d:P:1bu:C:i")) != -1) {
		switch (c) {
		case 'p': cl.port = (uint16_t)strtoul(optarg, NULL, 10); break;
		case 'c': cl.conns = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'd': seconds = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'P': cl.depth = (uint32_t)strtoul(optarg, NULL, 10); break;
		case '1': cl.one = true; break;
		case 'b': cl.busy = true; break;
		case 'u': path = optarg; break;
		case 'C': load_pin(optarg); break;
		case 'i': idle = true; break;
		default: return 2;
		}
	}
	if (cl.port == 0 || cl.conns == 0 || cl.conns > CONNS_MAX ||
	    cl.depth == 0 || cl.depth > DEPTH_MAX ||
	    (cl.one && cl.depth != 1) || optind != argc)
		errx(2, "usage: kernel_client -p port [-c conns] [-d seconds] "
		    "[-P depth] [-1] [-b] [-u path] [-C cpu] [-i]");
	load_raise_files(CONNS_MAX + 100);
	cl.c = calloc(cl.conns, sizeof(*cl.c));
	cl.epfd = epoll_create1(0);
	if (cl.c == NULL || cl.epfd < 0)
		err(1, "no memory");
	make_batch(path);
	if (idle) {
		hold(seconds);
		return 0;
	}
	learn();
	secs = run(seconds);
	printf("{\"requests\": %lu, \"seconds\": %.3f, \"bytes\": %lu, "
	    "\"connects\": %lu, \"errors\": %lu, \"p50_us\": %.1f, "
	    "\"p99_us\": %.1f, \"max_us\": %.1f, \"cpu_s\": %.3f}\n", cl.done,
	    secs, cl.bytes, cl.connects, cl.errors,
	    (double)hist_quantile(&cl.lat, 0.5) / 1e3,
	    (double)hist_quantile(&cl.lat, 0.99) / 1e3,
	    (double)cl.lat.max / 1e3, cpu_seconds());
	return cl.errors > 0;
}
