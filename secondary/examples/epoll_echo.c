/*
 * epoll_echo: an echo server on <starfish.h>, as one would write it for the
 * kernel: non-blocking sockets, one epoll set.
 *
 *	epoll_echo [-e] [-u] [-p PORT]
 *
 * -e: edge-triggered; -u: UDP beside TCP. What does not go out at once stays
 * in the connection's buffer, and nothing more is read meanwhile. A client
 * that closed its half gets all that it sent, then the end.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <starfish.h>

#define EVENTS	64
#define BUF	16384u

struct peer {
	int s;
	bool eof;
	uint32_t at, len;	/* what still goes out: buf[at .. len) */
	char buf[BUF];
};

static int set;
static bool edge;

static void
watch(int s, uint32_t events, void *who)
{
	struct epoll_event ev = { .events = events, .data.ptr = who };

	if (edge)
		ev.events |= EPOLLET;
	if (sf_epoll_ctl(set, EPOLL_CTL_ADD, s, &ev) < 0)
		err(1, "sf_epoll_ctl");
}

static void
end(struct peer *p)
{
	sf_close(p->s);
	free(p);
}

/* Send what is there. 1 all is out; 0 some is left; -1 the peer is gone. */
static int
flush(struct peer *p)
{
	ssize_t n;

	while (p->at < p->len) {
		n = sf_write(p->s, p->buf + p->at, p->len - p->at);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		p->at += (uint32_t)n;
	}
	p->at = p->len = 0;
	return 1;
}

/* Level-triggered, only what one waits for may be asked for: who has
 * something to send waits for room, others for bytes. */
static void
ask(struct peer *p)
{
	struct epoll_event ev = { .data.ptr = p,
	    .events = p->len > 0 ? EPOLLOUT : EPOLLIN };

	if (!edge)
		sf_epoll_ctl(set, EPOLL_CTL_MOD, p->s, &ev);
}

static void
serve(struct peer *p)
{
	ssize_t n;
	int out;

	for (;;) {
		out = flush(p);
		if (out < 0 || (out > 0 && p->eof)) {
			end(p);
			return;
		}
		if (out == 0)
			break;
		n = sf_read(p->s, p->buf, sizeof(p->buf));
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			end(p);
			return;
		}
		p->eof = n == 0;
		p->len = (uint32_t)n;
	}
	ask(p);
}

static void
accept_all(int l)
{
	struct peer *p;
	int s;

	while ((s = sf_accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		p = calloc(1, sizeof(*p));
		if (p == NULL) {
			sf_close(s);
			continue;
		}
		p->s = s;
		watch(s, edge ? EPOLLIN | EPOLLOUT : EPOLLIN, p);
	}
}

static void
datagrams(int u)
{
	static char buf[65536];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = sf_recvfrom(u, buf, sizeof(buf), 0,
	    (struct sockaddr *)&from, &len)) >= 0) {
		sf_sendto(u, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
}

static int
open_port(int type, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons(port) };
	int s = sf_socket(AF_INET, type | SOCK_NONBLOCK, 0);

	if (s < 0 || sf_bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    (type == SOCK_STREAM && sf_listen(s, 512) < 0))
		err(1, "port %u", port);
	return s;
}

static void
loop(int l, int u)
{
	static char tcp, udp;	/* tell them from peers */
	struct epoll_event ev[EVENTS];
	int n, i;

	watch(l, EPOLLIN, &tcp);
	if (u >= 0)
		watch(u, EPOLLIN, &udp);
	while ((n = sf_epoll_wait(set, ev, EVENTS, -1)) >= 0) {
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == &tcp)
				accept_all(l);
			else if (ev[i].data.ptr == &udp)
				datagrams(u);
			else
				serve(ev[i].data.ptr);
		}
	}
}

int
main(int argc, char **argv)
{
	unsigned long port = 7;
	bool dgram = false;
	int c, l;

	while ((c = getopt(argc, argv, "eup:")) != -1) {
		if (c == 'e')
			edge = true;
		else if (c == 'u')
			dgram = true;
		else if (c == 'p')
			port = strtoul(optarg, NULL, 10);
		else
			errx(2, "usage: epoll_echo [-e] [-u] [-p PORT]");
	}
	if (port < 1 || port > 65535)
		errx(2, "-p: 1 to 65535");
	if (sf_init(NULL) < 0)
		err(1, "sf_init");
	set = sf_epoll_create1(0);
	l = open_port(SOCK_STREAM, (uint16_t)port);
	loop(l, dgram ? open_port(SOCK_DGRAM, (uint16_t)port) : -1);
	if (!sf_stopping())
		err(1, "sf_epoll_wait");
	sf_fini();
	return 0;
}
