/*
 * kernel_server: the least that an HTTP server on kernel sockets can do.
 *
 * One thread, one epoll set, edge-triggered. It finds the end of each head and
 * sends a fixed answer; it parses nothing. So it is the floor beneath every
 * real server on this kernel: what Starfish is compared with.
 *
 *	kernel_server -p PORT [-s BODY] [-1] [-b] [-c CPU]
 *
 * -s  bytes of the body (64)
 * -1  close each connection after its first answer
 * -b  busy polling: never sleep in epoll_wait
 * -c  run on this cpu only
 *
 * It prints "ready" once it listens, and ends on SIGTERM or SIGINT.
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
#include <unistd.h>

#include "load.h"

#define HEAD_MAX	4096u	/* most bytes of requests read at once */
#define EVENTS		256
#define FDS_MAX		300000u
#define ANSWERS		64u	/* copies of a small answer kept in a row */
#define BODY_MAX	(64u << 20)

struct peer {
	uint64_t todo;		/* bytes of answers still to send */
	uint32_t at;		/* position within the answer */
	uint32_t have;		/* bytes of an unfinished head in buf */
	char buf[HEAD_MAX];
};

struct server {
	int epfd, lfd;
	bool close_each, busy;
	char *answers;		/* ncopies answers in a row */
	size_t len;		/* bytes of one answer */
	size_t total;		/* bytes of all copies */
	struct peer **peers;	/* by descriptor */
};

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* The same fields that a file server sends, so that heads are of one size. */
static void
make_answers(struct server *s, size_t body)
{
	char head[512];
	size_t copies, hlen, i;

	hlen = (size_t)snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\n"
	    "Server: kernel/1.0\r\n"
	    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Length: %zu\r\n"
	    "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
	    "ETag: \"00000000-00000\"\r\n"
	    "%s"
	    "Accept-Ranges: bytes\r\n\r\n", body,
	    s->close_each ? "Connection: close\r\n" : "");
	s->len = hlen + body;
	copies = s->len < 4096 ? ANSWERS : 1;
	s->total = copies * s->len;
	s->answers = malloc(s->total);
	if (s->answers == NULL)
		err(1, "malloc");
	for (i = 0; i < copies; i++) {
		memcpy(s->answers + i * s->len, head, hlen);
		memset(s->answers + i * s->len + hlen, 'x', body);
	}
}

static void
peer_close(struct server *s, int fd)
{
	struct peer *p = s->peers[fd];

	s->peers[fd] = NULL;
	free(p);
	close(fd);
}

/* Send what is due. False: the connection is gone. */
static bool
peer_send(struct server *s, int fd)
{
	struct peer *p = s->peers[fd];
	size_t n;
	ssize_t r;

	while (p->todo > 0) {
		n = s->total - p->at;
		if (n > p->todo)
			n = p->todo;
		r = send(fd, s->answers + p->at, n, MSG_NOSIGNAL);
		if (r < 0) {
			if (errno == EAGAIN)
				return true;
			peer_close(s, fd);
			return false;
		}
		p->todo -= (uint64_t)r;
		p->at = (uint32_t)((p->at + (size_t)r) % s->len);
	}
	if (s->close_each && p->have == UINT32_MAX) {
		peer_close(s, fd);
		return false;
	}
	return true;
}

/* Count whole heads in buf, keep the rest. */
static uint32_t
peer_heads(struct peer *p)
{
	char *from = p->buf, *end = p->buf + p->have, *e;
	uint32_t n = 0;

	while ((e = memmem(from, (size_t)(end - from), "\r\n\r\n", 4)) != NULL) {
		from = e + 4;
		n++;
	}
	p->have = (uint32_t)(end - from);
	memmove(p->buf, from, p->have);
	return n;
}

static void
peer_read(struct server *s, int fd)
{
	struct peer *p = s->peers[fd];
	uint32_t heads = 0, room;
	ssize_t r;

	do {
		room = HEAD_MAX - p->have;
		r = room > 0 ? recv(fd, p->buf + p->have, room, 0) : 0;
		if (r <= 0) {
			if (r < 0 && errno == EAGAIN)
				break;
			peer_close(s, fd);
			return;
		}
		p->have += (uint32_t)r;
		heads += peer_heads(p);
	} while ((uint32_t)r == room && !s->close_each);
	if (heads == 0)
		return;
	if (s->close_each) {
		p->todo = s->len;
		p->have = UINT32_MAX;	/* close once it is sent */
	} else {
		p->todo += heads * s->len;
	}
	peer_send(s, fd);
}

static void
accept_all(struct server *s)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	const int one = 1;
	int fd;

	for (;;) {
		fd = accept4(s->lfd, NULL, NULL, SOCK_NONBLOCK);
		if (fd < 0)
			return;
		if ((uint32_t)fd >= FDS_MAX ||
		    (s->peers[fd] = calloc(1, sizeof(struct peer))) == NULL) {
			close(fd);
			return;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		ev.data.fd = fd;
		if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
			peer_close(s, fd);
	}
}

static void
serve(struct server *s)
{
	struct epoll_event ev[EVENTS];
	int fd, i, n;

	while (!stop) {
		n = epoll_wait(s->epfd, ev, EVENTS, s->busy ? 0 : -1);
		for (i = 0; i < n; i++) {
			fd = ev[i].data.fd;
			if (fd == s->lfd) {
				accept_all(s);
				continue;
			}
			if (s->peers[fd]->todo > 0 && !peer_send(s, fd))
				continue;
			if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				peer_read(s, fd);
		}
	}
}

static void
start_listen(struct server *s, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY) };
	struct epoll_event ev = { .events = EPOLLIN };
	const int one = 1;

	s->lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (s->lfd < 0)
		err(1, "socket");
	setsockopt(s->lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (setsockopt(s->lfd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
		warn("cubic");
	if (bind(s->lfd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		err(1, "bind %u", port);
	if (listen(s->lfd, 4096) < 0)
		err(1, "listen");
	s->epfd = epoll_create1(0);
	ev.data.fd = s->lfd;
	if (s->epfd < 0 || epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->lfd, &ev) < 0)
		err(1, "epoll");
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct server s = { 0 };
	size_t body = 64;
	uint16_t port = 0;
	int c;

	while ((c = getopt(argc, argv, "p:s:1bc:")) != -1) {
		switch (c) {
		case 'p': port = (uint16_t)strtoul(optarg, NULL, 10); break;
		case 's': body = strtoul(optarg, NULL, 10); break;
		case '1': s.close_each = true; break;
		case 'b': s.busy = true; break;
		case 'c': load_pin(optarg); break;
		default: return 2;
		}
	}
	if (port == 0 || body > BODY_MAX || optind != argc)
		errx(2, "usage: kernel_server -p port [-s body] [-1] [-b] "
		    "[-c cpu]");
	load_raise_files(FDS_MAX);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	s.peers = calloc(FDS_MAX, sizeof(*s.peers));
	if (s.peers == NULL)
		err(1, "calloc");
	make_answers(&s, body);
	start_listen(&s, port);
	puts("ready");
	fflush(stdout);
	serve(&s);
	return 0;
}
