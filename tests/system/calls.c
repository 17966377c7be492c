/*
 * calls: what <starfish.h> promises of its calls, against a kernel's sockets at
 * the other end. usage: calls HOST PORT, where a server reads a length in
 * decimal, a newline, and so many bytes, then sends the bytes back. Prints
 * each claim that fails; the exit status says whether one did.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include <starfish.h>

#define LEN	600000u

static struct sockaddr_in host;
static int failed;

#define CLAIM(x)							\
	do {								\
		if (!(x)) {						\
			printf("line %d: %s; errno %s\n", __LINE__, #x,	\
			    strerror(errno));				\
			failed = 1;					\
		}							\
	} while (0)
#define FAILS(x, e)	CLAIM((errno = 0, (x)) == -1 && errno == (e))

static int
open_to(uint16_t port)
{
	int s = sf_socket(AF_INET, SOCK_STREAM, 0);

	host.sin_port = htons(port);
	if (sf_connect(s, (struct sockaddr *)&host, sizeof(host)) < 0)
		err(1, "sf_connect");
	return s;
}

static void
errors(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7) };
	int s = sf_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char b[8];

	FAILS(sf_init(NULL), EALREADY);
	FAILS(sf_socket(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(sf_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	FAILS(sf_read(77777, b, 8), EBADF);
	FAILS(sf_read(s, b, 8), ENOTCONN);
	FAILS(sf_bind(s, (struct sockaddr *)&a, 3), EINVAL);
	CLAIM(sf_bind(s, (struct sockaddr *)&a, sizeof(a)) == 0);
	CLAIM(sf_listen(s, 5) == 0);
	FAILS(sf_accept(s, NULL, NULL), EAGAIN);
	CLAIM(sf_fcntl(s, F_GETFL) == (O_RDWR | O_NONBLOCK));
	CLAIM(sf_fcntl(s, F_SETFL, 0) == 0 && sf_fcntl(s, F_GETFL) == O_RDWR);
	CLAIM(sf_close(s) == 0);
	FAILS(sf_close(s), EBADF);
	FAILS(sf_fcntl(s, F_GETFL), EBADF);
	s = sf_socket(AF_INET, SOCK_STREAM, 0);
	host.sin_port = htons(1);
	FAILS(sf_connect(s, (struct sockaddr *)&host, sizeof(host)),
	    ECONNREFUSED);
	sf_close(s);
}

/* Blocking calls: all of it goes out, and comes back. */
static void
blocking(uint16_t port)
{
	static char out[LEN], in[LEN];
	char head[16];
	struct iovec iov[3];
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int s = open_to(port), one = 1, n;
	size_t got = 0;
	ssize_t r;

	for (uint32_t i = 0; i < LEN; i++)
		out[i] = (char)(i * 7 + (i >> 8));
	n = snprintf(head, sizeof(head), "%u\n", LEN);
	iov[0] = (struct iovec){ head, (size_t)n };
	iov[1] = (struct iovec){ out, 5 };
	iov[2] = (struct iovec){ out + 5, LEN - 5 };
	CLAIM(sf_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ==
	    0);
	CLAIM(sf_getpeername(s, (struct sockaddr *)&a, &len) == 0 &&
	    a.sin_port == htons(port) && len == sizeof(a));
	CLAIM(sf_writev(s, iov, 3) == (ssize_t)LEN + n);
	while (got < LEN && (r = sf_read(s, in + got, LEN - got)) > 0)
		got += (size_t)r;
	CLAIM(got == LEN && memcmp(in, out, LEN) == 0);
	CLAIM(sf_shutdown(s, SHUT_WR) == 0);
	FAILS(sf_write(s, "x", 1), EPIPE);
	CLAIM(sf_read(s, in, 1) == 0);
	CLAIM(sf_close(s) == 0);
}

/* Times: SO_RCVTIMEO, sf_poll(), sf_epoll_wait(). */
static void
waiting(uint16_t port)
{
	struct timeval t = { 0, 50000 }, back;
	struct epoll_event ev = { .events = EPOLLIN };
	int s = open_to(port), set = sf_epoll_create1(0);
	struct pollfd p = { s, POLLIN, 0 }, none = { 77777, POLLIN, 0 };
	socklen_t len = sizeof(back);
	uint64_t from;
	char b[8];

	CLAIM(sf_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0);
	CLAIM(sf_getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &back, &len) == 0 &&
	    back.tv_usec == 50000);
	from = sf_now_us();
	FAILS(sf_read(s, b, 8), EAGAIN);
	CLAIM(sf_now_us() - from >= 50000);
	FAILS(sf_recv(s, b, 8, MSG_DONTWAIT), EAGAIN);
	from = sf_now_us();
	CLAIM(sf_poll(&p, 1, 30) == 0 && sf_now_us() - from >= 30000);
	CLAIM(sf_poll(&none, 1, 0) == 1 && none.revents == POLLNVAL);
	CLAIM(sf_epoll_ctl(set, EPOLL_CTL_ADD, s, &ev) == 0);
	FAILS(sf_epoll_ctl(set, EPOLL_CTL_ADD, s, &ev), EEXIST);
	from = sf_now_us();
	CLAIM(sf_epoll_wait(set, &ev, 1, 30) == 0 &&
	    sf_now_us() - from >= 30000);
	FAILS(sf_epoll_wait(s, &ev, 1, 0), EINVAL);
	sf_close(set);
	sf_close(s);
}

/* One-shot: told once until EPOLL_CTL_MOD; level-triggered: each time. */
static void
readiness(uint16_t port)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT,
	    .data.u64 = 42 }, got;
	int s = open_to(port), set = sf_epoll_create(1), n;

	CLAIM(sf_write(s, "3\nabc", 5) == 5);
	CLAIM(sf_epoll_ctl(set, EPOLL_CTL_ADD, s, &ev) == 0);
	CLAIM(sf_epoll_wait(set, &got, 1, 5000) == 1 &&
	    got.data.u64 == 42 && got.events == EPOLLIN);
	CLAIM(sf_epoll_wait(set, &got, 1, 20) == 0);
	ev.events = EPOLLIN;
	CLAIM(sf_epoll_ctl(set, EPOLL_CTL_MOD, s, &ev) == 0);
	CLAIM(sf_epoll_wait(set, &got, 1, 0) == 1);
	CLAIM(sf_epoll_wait(set, &got, 1, 0) == 1);
	CLAIM(sf_ioctl(s, FIONREAD, &n) == 0 && n == 3);
	sf_close(s);
	CLAIM(sf_epoll_wait(set, &got, 1, 0) == 0);
	sf_close(set);
}

/* A descriptor of the kernel's ends the sleep. */
static void
waking(void)
{
	struct epoll_event ev;
	int set = sf_epoll_create1(0), fd = eventfd(0, EFD_NONBLOCK);
	uint64_t one = 1;

	CLAIM(sf_wake(fd, 0) == 0);
	CLAIM(sf_epoll_wait(set, &ev, 1, 20) == 0);
	CLAIM(write(fd, &one, sizeof(one)) == sizeof(one));
	CLAIM(sf_epoll_wait(set, &ev, 1, -1) == 0);
	CLAIM(sf_wake(fd, 1) == 0);
	close(fd);
	sf_close(set);
}

static void
sending_files(uint16_t port)
{
	int s = open_to(port);
	const char *f;
	char in[4096], head[32];
	size_t len = 0, got = 0;
	ssize_t r;

	f = sf_file("/hello.txt", &len);
	CLAIM(f != NULL && len > 0 && len < sizeof(in));
	if (f == NULL)
		return;
	r = snprintf(head, sizeof(head), "%zu\n", len);
	CLAIM(sf_write(s, head, (size_t)r) == r);
	CLAIM(sf_send_file(s, f, len) == (ssize_t)len);
	while (got < len && (r = sf_read(s, in + got, len - got)) > 0)
		got += (size_t)r;
	CLAIM(got == len && memcmp(in, f, len) == 0);
	FAILS(sf_send_file(s, in, 10), EFAULT);
	CLAIM(sf_file("/nothing", &len) == NULL && errno == ENOENT);
	sf_close(s);
}

/* Every call with a descriptor that is none: before sf_init(), after
 * sf_fini(), and of numbers that never were. */
static void
no_descriptor(int s)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr *sa = (struct sockaddr *)&a;
	struct epoll_event ev = { .events = EPOLLIN };
	char b[8] = "";
	struct iovec iov = { b, 8 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	socklen_t len = sizeof(a);
	int n = 0;

	FAILS(sf_bind(s, sa, len), EBADF);
	FAILS(sf_listen(s, 5), EBADF);
	FAILS(sf_accept(s, sa, &len), EBADF);
	FAILS(sf_accept4(s, sa, &len, 0), EBADF);
	FAILS(sf_connect(s, sa, len), EBADF);
	FAILS(sf_shutdown(s, SHUT_WR), EBADF);
	FAILS(sf_close(s), EBADF);
	FAILS(sf_read(s, b, 8), EBADF);
	FAILS(sf_readv(s, &iov, 1), EBADF);
	FAILS(sf_recv(s, b, 8, 0), EBADF);
	FAILS(sf_recvfrom(s, b, 8, 0, sa, &len), EBADF);
	FAILS(sf_recvmsg(s, &m, 0), EBADF);
	FAILS(sf_write(s, b, 8), EBADF);
	FAILS(sf_writev(s, &iov, 1), EBADF);
	FAILS(sf_send(s, b, 8, 0), EBADF);
	FAILS(sf_sendto(s, b, 8, 0, sa, len), EBADF);
	FAILS(sf_sendmsg(s, &m, 0), EBADF);
	FAILS(sf_send_file(s, b, 8), EBADF);
	FAILS(sf_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &n, sizeof(n)), EBADF);
	FAILS(sf_getsockopt(s, SOL_SOCKET, SO_ERROR, &n, &len), EBADF);
	FAILS(sf_getsockname(s, sa, &len), EBADF);
	FAILS(sf_getpeername(s, sa, &len), EBADF);
	FAILS(sf_fcntl(s, F_GETFL), EBADF);
	FAILS(sf_ioctl(s, FIONREAD, &n), EBADF);
	FAILS(sf_epoll_ctl(s, EPOLL_CTL_ADD, s, &ev), EBADF);
	FAILS(sf_epoll_wait(s, &ev, 1, 0), EBADF);
}

/* The others, where there is no instance. */
static void
no_instance(void)
{
	struct pollfd p = { 1, POLLIN, 0 };
	size_t len;
	int s;

	for (s = -2; s < 20; s++)
		no_descriptor(s);
	no_descriptor(INT_MAX);
	FAILS(sf_turn(), EINVAL);
	FAILS(sf_wake(0, 0), EINVAL);
	FAILS(sf_socket(AF_INET, SOCK_STREAM, 0), EINVAL);
	FAILS(sf_slot(), EINVAL);
	FAILS(sf_epoll_create(1), EINVAL);
	FAILS(sf_epoll_create1(0), EINVAL);
	FAILS(sf_poll(&p, 1, 0), EINVAL);
	CLAIM(sf_file("/hello.txt", &len) == NULL && errno == ENOENT);
	CLAIM(sf_now_us() < UINT64_MAX && sf_stopping() <= 1);
	sf_fini();
}

/* NULL for what must be there. */
static void
nowhere(uint16_t port)
{
	struct iovec iov = { NULL, 8 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int s = open_to(port), set = sf_epoll_create1(0), n = 0;
	socklen_t len = sizeof(n);
	struct sockaddr_in a;
	struct sockaddr *sa = (struct sockaddr *)&a;
	size_t size;

	FAILS(sf_bind(s, NULL, sizeof(a)), EFAULT);
	FAILS(sf_connect(s, NULL, sizeof(a)), EFAULT);
	FAILS(sf_accept(s, sa, NULL), EFAULT);
	FAILS(sf_read(s, NULL, 8), EFAULT);
	FAILS(sf_readv(s, NULL, 1), EFAULT);
	FAILS(sf_readv(s, &iov, 1), EFAULT);
	FAILS(sf_readv(s, &iov, -1), EINVAL);
	FAILS(sf_recvfrom(s, &n, 4, 0, sa, NULL), EFAULT);
	FAILS(sf_recvmsg(s, NULL, 0), EFAULT);
	FAILS(sf_recvmsg(s, &m, 0), EFAULT);
	FAILS(sf_write(s, NULL, 8), EFAULT);
	FAILS(sf_write(s, &n, SIZE_MAX), EINVAL);
	FAILS(sf_writev(s, NULL, 1), EFAULT);
	FAILS(sf_writev(s, &iov, 1), EFAULT);
	FAILS(sf_sendmsg(s, NULL, 0), EFAULT);
	FAILS(sf_sendmsg(s, &m, 0), EFAULT);
	m.msg_iovlen = IOV_MAX + 1;
	FAILS(sf_sendmsg(s, &m, 0), EMSGSIZE);
	FAILS(sf_recvmsg(s, &m, 0), EMSGSIZE);
	FAILS(sf_send_file(s, NULL, 8), EFAULT);
	FAILS(sf_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, NULL, 4), EFAULT);
	FAILS(sf_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, NULL, 0), EINVAL);
	FAILS(sf_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, NULL,
	    sizeof(struct timeval)), EFAULT);
	FAILS(sf_getsockopt(s, SOL_SOCKET, SO_ERROR, NULL, &len), EFAULT);
	FAILS(sf_getsockopt(s, SOL_SOCKET, SO_ERROR, &n, NULL), EFAULT);
	FAILS(sf_getsockname(s, NULL, &len), EFAULT);
	FAILS(sf_getpeername(s, sa, NULL), EFAULT);
	FAILS(sf_ioctl(s, FIONREAD, NULL), EFAULT);
	FAILS(sf_epoll_ctl(set, EPOLL_CTL_ADD, s, NULL), EFAULT);
	FAILS(sf_epoll_wait(set, NULL, 1, 0), EFAULT);
	FAILS(sf_poll(NULL, 1, 0), EFAULT);
	FAILS(sf_wake(-1, 0), EBADF);
	CLAIM(sf_file(NULL, &size) == NULL && errno == EFAULT);
	CLAIM(sf_file("/hello.txt", NULL) == NULL && errno == EFAULT);
	/* nothing of it was done, and nothing is no mistake */
	CLAIM(sf_write(s, NULL, 0) == 0 && sf_poll(NULL, 0, 0) == 0);
	CLAIM(sf_write(s, "1\nx", 3) == 3 && sf_read(s, &n, 1) == 1);
	sf_close(set);
	sf_close(s);
}

int
main(int argc, char **argv)
{
	uint16_t port;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &host.sin_addr) != 1)
		errx(2, "usage: calls HOST PORT");
	host.sin_family = AF_INET;
	port = (uint16_t)strtoul(argv[2], NULL, 10);
	no_instance();
	if (sf_init(NULL) < 0)
		err(1, "sf_init");
	sf_turn();
	errors();
	blocking(port);
	waiting(port);
	readiness(port);
	waking();
	sending_files(port);
	no_descriptor(0);
	no_descriptor(-1);
	no_descriptor(1000000);
	nowhere(port);
	sf_fini();
	no_instance();
	printf("calls: %s\n", failed ? "failed" : "all as promised");
	return failed;
}
