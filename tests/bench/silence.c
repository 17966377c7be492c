/*
 * silence: how long connections wait for an answer while what serves them is
 * killed. Kernel sockets, one thread, one epoll set, against an echo service.
 *
 *	silence [-a ADDR] [-p PORT] [-i IDLE] [-n ACTIVE] [-t PACE_MS]
 *
 * ACTIVE connections send 64 bytes, wait for them to come back, check each
 * byte, pause PACE_MS, and so on; IDLE ones are only held open. Prints
 * "ready" when all are open. Each line on standard input ends a window and is
 * answered by one line of JSON: answers, the longest wait in the window (of
 * answers still due, too) in ms and the local port of who waited, answers that
 * took 150 ms or more, connections lost in it (reset, ended, or with wrong
 * bytes). At the end of the input every idle connection is asked once;
 * then {"idle_lost": N}.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BYTES		64u
#define CONNS_MAX	50000u
#define EVENTS		512
#define IDLE_BURST	100u	/* idle connections asked at a time */
#define IDLE_PAUSE_US	3000u
#define IDLE_MS		3000u	/* for an idle connection's answer */
#define LATE_US		150000u	/* about what a retransmission timeout costs */

struct peer {
	int fd;			/* -1: lost */
	uint32_t got;		/* bytes of the answer */
	uint64_t seq;
	uint64_t sent_us;	/* 0: nothing is outstanding */
	uint64_t next_us;	/* when to send again */
};

static struct peer peer[CONNS_MAX];
static struct sockaddr_in to = { .sin_family = AF_INET };
static uint32_t nactive = 1000, nidle, pace_us = 20000;
static uint64_t answers, longest_us;
static uint32_t lost, late, slowest;	/* answers of LATE_US, whose wait is
					   the longest */
static int epfd;

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What connection i sends as its n-th message. */
static void
fill(uint8_t buf[BYTES], uint32_t i, uint64_t n)
{
	uint64_t x = (n << 20 | i) * 0x9e3779b97f4a7c15ull;
	uint32_t k;

	for (k = 0; k < BYTES; k++) {
		x ^= x >> 29;
		x *= 0xbf58476d1ce4e5b9ull;
		buf[k] = (uint8_t)(x >> 56);
	}
}

static void
lose(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
	p->sent_us = 0;
	lost++;
}

static void
open_one(uint32_t i)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
	int one = 1;

	peer[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer[i].fd < 0 || connect(peer[i].fd, (struct sockaddr *)&to,
	    sizeof(to)) < 0)
		err(1, "connection %u", i);
	setsockopt(peer[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(peer[i].fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, peer[i].fd, &ev) < 0)
		err(1, "epoll");
}

static void
ask(uint32_t i, uint64_t now)
{
	struct peer *p = &peer[i];
	uint8_t buf[BYTES];

	fill(buf, i, ++p->seq);
	p->got = 0;
	p->sent_us = now;
	if (send(p->fd, buf, BYTES, MSG_NOSIGNAL) != (ssize_t)BYTES)
		lose(p);
}

static void
waited(uint32_t i, uint64_t us)
{
	late += us >= LATE_US;
	if (us <= longest_us)
		return;
	longest_us = us;
	slowest = i;
}

/* The local port of a connection, 0 of one that is lost. */
static uint32_t
port_of(uint32_t i)
{
	struct sockaddr_in a = { .sin_port = 0 };
	socklen_t len = sizeof(a);

	if (peer[i].fd >= 0)
		getsockname(peer[i].fd, (struct sockaddr *)&a, &len);
	return ntohs(a.sin_port);
}

static void
hear(uint32_t i, uint64_t now)
{
	struct peer *p = &peer[i];
	uint8_t want[BYTES], buf[BYTES];
	ssize_t n;

	if (p->fd < 0)
		return;
	n = recv(p->fd, buf, BYTES - p->got, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	fill(want, i, p->seq);
	if (n <= 0 || p->sent_us == 0 || memcmp(buf, want + p->got,
	    (size_t)n) != 0) {
		lose(p);
		return;
	}
	p->got += (uint32_t)n;
	if (p->got < BYTES)
		return;
	answers++;
	waited(i, now - p->sent_us);
	p->sent_us = 0;
	p->next_us = now + pace_us;
}

/* Send what is due; note what has waited longest. */
static void
turn(uint64_t now)
{
	uint32_t i;

	for (i = 0; i < nactive; i++)
		if (peer[i].fd >= 0 && peer[i].sent_us == 0 &&
		    peer[i].next_us <= now)
			ask(i, now);
}

static void
window(uint64_t now)
{
	uint32_t i;

	for (i = 0; i < nactive; i++)
		if (peer[i].sent_us != 0)
			waited(i, now - peer[i].sent_us);
	printf("{\"answers\": %lu, \"longest_ms\": %.3f, \"lost\": %u, "
	    "\"late\": %u, \"port\": %u}\n", (unsigned long)answers,
	    (double)longest_us / 1000, lost, late, port_of(slowest));
	fflush(stdout);
	answers = longest_us = 0;
	lost = late = 0;
}

/* Wait for events for at most ms; false: the input ended. */
static int
wait_ms(int ms)
{
	struct epoll_event ev[EVENTS];
	char line[64];
	uint64_t now;
	int i, n;

	n = epoll_wait(epfd, ev, EVENTS, ms);
	now = now_us();
	for (i = 0; i < n; i++) {
		if (ev[i].data.u32 != UINT32_MAX)
			hear(ev[i].data.u32, now);
		else if (read(0, line, sizeof(line)) <= 0)
			return 0;
		else
			window(now);
	}
	return 1;
}

static void
ask_idle(void)
{
	uint64_t end;
	uint32_t i;

	lost = 0;
	epoll_ctl(epfd, EPOLL_CTL_DEL, 0, NULL);
	for (i = nactive; i < nactive + nidle; i++) {
		if (peer[i].fd >= 0)
			ask(i, now_us());
		/* what the interface's queue takes at a time */
		end = now_us() + IDLE_PAUSE_US;
		while (i % IDLE_BURST == 0 && now_us() < end)
			wait_ms(1);
	}
	end = now_us() + IDLE_MS * 1000;
	while (now_us() < end)
		wait_ms(10);
	for (i = nactive; i < nactive + nidle; i++)
		lost += peer[i].sent_us != 0;
	printf("{\"idle_lost\": %u}\n", lost);
}

static uint32_t
number(unsigned long most)
{
	char *end;
	unsigned long n = strtoul(optarg, &end, 10);

	if (*optarg == '\0' || *end != '\0' || n > most)
		errx(2, "%s: allowed 0 to %lu", optarg, most);
	return (uint32_t)n;
}

static void
options(int argc, char **argv)
{
	int c;

	to.sin_port = htons(7);
	inet_pton(AF_INET, "10.79.0.2", &to.sin_addr);
	while ((c = getopt(argc, argv, "a:p:i:n:t:")) != -1)
		switch (c) {
		case 'a':
			if (inet_pton(AF_INET, optarg, &to.sin_addr) != 1)
				errx(2, "-a %s: no address", optarg);
			break;
		case 'p':
			to.sin_port = htons((uint16_t)number(65535));
			break;
		case 'i':
			nidle = number(CONNS_MAX);
			break;
		case 'n':
			nactive = number(CONNS_MAX);
			break;
		case 't':
			pace_us = number(60000) * 1000;
			break;
		default:
			errx(2, "usage: silence [-a ADDR] [-p PORT] "
			    "[-i IDLE] [-n ACTIVE] [-t PACE_MS]");
		}
	if (nactive + nidle > CONNS_MAX)
		errx(2, "at most %u connections", CONNS_MAX);
}

int
main(int argc, char **argv)
{
	struct rlimit rl = { CONNS_MAX + 100, CONNS_MAX + 100 };
	struct epoll_event ev = { .events = EPOLLIN,
	    .data.u32 = UINT32_MAX };
	uint64_t now;
	uint32_t i;

	options(argc, argv);
	setrlimit(RLIMIT_NOFILE, &rl);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < nactive + nidle; i++)
		open_one(i);
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &ev) < 0)
		err(1, "standard input");
	puts("ready");
	fflush(stdout);
	now = now_us();
	for (i = 0; i < nactive; i++)	/* spread over one pace */
		peer[i].next_us = now + (uint64_t)pace_us * i / nactive;
	while (wait_ms(1))
		turn(now_us());
	ask_idle();
	return 0;
}
