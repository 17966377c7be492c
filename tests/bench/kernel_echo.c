/*
 * kernel_echo: echo over kernel sockets, both ends, as little as can be done:
 * the counterpart of our echo and ws services and of pingpong.
 *
 *	kernel_echo -p PORT [-w] [-b] [-C CPU]		serve
 *	kernel_echo -p PORT -c CONNS [-w] [-b] [-C CPU] [-n BYTES] [-d SECONDS]
 *
 * One thread, one epoll set, edge-triggered. The client has one message under
 * way on each connection and looks at what comes back.
 *
 * -w  WebSocket: handshake, then masked frames of BYTES to the server; the
 *     server takes whole small frames only and checks nothing of a handshake
 * -b  busy polling: never sleep in epoll_wait; SO_BUSY_POLL on sockets
 *
 * The client prints one JSON object; exit status 1 if anything was wrong.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hist.h"
#include "load.h"

#define FDS_MAX		65536u
#define EVENTS		256
#define BUF		4096u
#define MSG_MAX		1024u
#define KEY		"dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT		"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct peer {
	bool talks;		/* the handshake is over */
	uint32_t have;		/* bytes in buf */
	uint64_t t0;		/* client: when the message went, ns */
	uint8_t buf[BUF];
};

static struct {
	int epfd, lfd;
	uint16_t port;
	uint32_t conns, bytes;
	bool ws, busy;
	uint8_t out[MSG_MAX + 8], in[MSG_MAX + 8];
	uint32_t out_len, in_len;
	uint64_t done, errors;
	struct hist rtt;
	struct peer *peers[FDS_MAX];
} k;

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
tune(int fd)
{
	const int one = 1, us = 50;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	if (k.busy)
		setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us));
}

static struct peer *
watch(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	if ((uint32_t)fd >= FDS_MAX ||
	    (k.peers[fd] = calloc(1, sizeof(struct peer))) == NULL)
		errx(1, "too many connections");
	k.peers[fd]->talks = !k.ws;
	if (epoll_ctl(k.epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
	return k.peers[fd];
}

static void
drop(int fd)
{
	free(k.peers[fd]);
	k.peers[fd] = NULL;
	close(fd);
}

/* Small messages on an idle connection: a send is whole, or all is lost. */
static bool
put(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Forget the first n bytes. */
static void
took(struct peer *p, uint32_t n)
{
	p->have -= n;
	memmove(p->buf, p->buf + n, p->have);
}

/* ---- server ---- */

/* Unmask the frame at the start of buf in place; its size, 0: not whole. */
static uint32_t
frame(struct peer *p, uint32_t *at, uint32_t *len)
{
	uint32_t i, n, head = 2;
	uint8_t *b = p->buf;

	if (p->have < 8)
		return 0;
	n = b[1] & 0x7f;
	if (n == 126) {
		n = (uint32_t)b[2] << 8 | b[3];
		head = 4;
	}
	if (p->have < head + 4 + n)
		return 0;
	for (i = 0; i < n; i++)
		b[head + 4 + i] ^= b[head + i % 4];
	/* the answer's header just before the payload */
	memmove(b + 4, b, head);
	b[5] &= 0x7f;
	*at = 4;
	*len = head + n;
	return head + 4 + n;
}

static bool
server_data(int fd, struct peer *p)
{
	static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n";
	uint32_t n, at, len;
	uint8_t *end;

	if (!p->talks) {
		end = memmem(p->buf, p->have, "\r\n\r\n", 4);
		if (end == NULL)
			return true;
		took(p, (uint32_t)(end + 4 - p->buf));
		p->talks = true;
		return put(fd, yes, sizeof(yes) - 1);
	}
	if (!k.ws) {
		n = p->have;
		p->have = 0;
		return put(fd, p->buf, n);
	}
	while ((n = frame(p, &at, &len)) > 0) {
		if (!put(fd, p->buf + at, len))
			return false;
		took(p, n);
	}
	return true;
}

static void
accept_all(void)
{
	int fd;

	while ((fd = accept4(k.lfd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		tune(fd);
		watch(fd);
	}
}

/* ---- client ---- */

static void
make_message(void)
{
	static const uint8_t mask[4] = { 0xe9, 0xc3, 0x17, 0x5a };
	uint32_t i, n = k.bytes, head = 0;

	if (k.ws) {
		head = n < 126 ? 2 : 4;
		k.in[0] = 0x82;
		k.in[1] = n < 126 ? (uint8_t)n : 126;
		if (n >= 126) {
			k.in[2] = (uint8_t)(n >> 8);
			k.in[3] = (uint8_t)n;
		}
		memcpy(k.out, k.in, head);
		k.out[1] |= 0x80;
		memcpy(k.out + head, mask, 4);
	}
	for (i = 0; i < n; i++) {
		k.in[head + i] = (uint8_t)('a' + i % 26);
		k.out[(k.ws ? head + 4 : 0) + i] = k.in[head + i] ^
		    (k.ws ? mask[i % 4] : 0);
	}
	k.in_len = head + n;
	k.out_len = k.in_len + (k.ws ? 4 : 0);
}

static void
open_all(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(k.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char ask[] = "GET / HTTP/1.1\r\nHost: h\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n";
	struct peer *p;
	uint32_t i;
	int fd;

	for (i = 0; i < k.conns; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&sin,
		    sizeof(sin)) < 0)
			err(1, "connect");
		tune(fd);
		p = watch(fd);
		p->t0 = now_ns();
		if (k.ws ? !put(fd, ask, sizeof(ask) - 1) :
		    !put(fd, k.out, k.out_len))
			err(1, "send");
	}
}

static bool
client_data(int fd, struct peer *p)
{
	uint8_t *end;

	if (!p->talks) {
		end = memmem(p->buf, p->have, "\r\n\r\n", 4);
		if (end == NULL)
			return true;
		p->talks = memcmp(p->buf, "HTTP/1.1 101", 12) == 0;
		took(p, (uint32_t)(end + 4 - p->buf));
		p->t0 = now_ns();
		return p->talks && put(fd, k.out, k.out_len);
	}
	if (p->have < k.in_len)
		return true;
	if (p->have > k.in_len || memcmp(p->buf, k.in, k.in_len) != 0)
		return false;
	p->have = 0;
	hist_add(&k.rtt, now_ns() - p->t0);
	k.done++;
	p->t0 = now_ns();
	return put(fd, k.out, k.out_len);
}

/* ---- both ---- */

static void
on_readable(int fd)
{
	struct peer *p = k.peers[fd];
	bool ok = true;
	ssize_t r;

	do {
		r = recv(fd, p->buf + p->have, BUF - p->have, MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0)
			break;
		p->have += (uint32_t)r;
		ok = k.conns > 0 ? client_data(fd, p) : server_data(fd, p);
	} while (ok && p->have == BUF);
	if (r > 0 && ok)
		return;
	k.errors += k.conns > 0;
	drop(fd);
}

static double
run(uint32_t seconds)
{
	uint64_t t0 = now_ns(), end = t0 + seconds * 1000000000ull, now = t0;
	struct epoll_event ev[EVENTS];
	int i, n;

	while (!stop && (seconds == 0 || now < end) && k.errors == 0) {
		n = epoll_wait(k.epfd, ev, EVENTS, k.busy ? 0 : 100);
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd == k.lfd)
				accept_all();
			else
				on_readable(ev[i].data.fd);
		}
		now = now_ns();
	}
	return (double)(now - t0) / 1e9;
}

static void
start_listen(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(k.port), .sin_addr.s_addr = htonl(INADDR_ANY) };
	struct epoll_event ev = { .events = EPOLLIN };
	const int one = 1;

	k.lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(k.lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	tune(k.lfd);
	if (bind(k.lfd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(k.lfd, 4096) < 0)
		err(1, "port %u", k.port);
	ev.data.fd = k.lfd;
	epoll_ctl(k.epfd, EPOLL_CTL_ADD, k.lfd, &ev);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	uint32_t seconds = 3;
	double secs;
	int c;

	k.bytes = 64;
	k.lfd = -1;
	while ((c = getopt(argc, argv, "p:c:n:d:wbC:")) != -1) {
		switch (c) {
		case 'p': k.port = (uint16_t)strtoul(optarg, NULL, 10); break;
		case 'c': k.conns = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'n': k.bytes = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'd': seconds = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'w': k.ws = true; break;
		case 'b': k.busy = true; break;
		case 'C': load_pin(optarg); break;
		default: return 2;
		}
	}
	if (k.port == 0 || k.bytes == 0 || k.bytes > MSG_MAX || optind != argc)
		errx(2, "usage: kernel_echo -p PORT [-c CONNS] [-n BYTES] "
		    "[-d SECONDS] [-w] [-b] [-C CPU]");
	load_raise_files(FDS_MAX);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	k.epfd = epoll_create1(0);
	if (k.conns == 0) {
		start_listen();
		run(0);
		return 0;
	}
	make_message();
	open_all();
	secs = run(seconds);
	printf("{\"messages\": %lu, \"seconds\": %.3f, \"errors\": %lu, "
	    "\"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f}\n", k.done,
	    secs, k.errors, (double)hist_quantile(&k.rtt, 0.5) / 1e3,
	    (double)hist_quantile(&k.rtt, 0.99) / 1e3,
	    (double)k.rtt.max / 1e3);
	return k.errors > 0 || k.done == 0;
}
