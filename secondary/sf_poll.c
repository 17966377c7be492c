/*
 * sf_poll: the readiness calls of <starfish.h>, where the stack turns.
 */
#include "sf_priv.h"

int
sf_epoll_create1(int flags)
{
	if (!sf.up || (flags & ~EPOLL_CLOEXEC) != 0)
		return (int)sf_end(-EINVAL);
	return (int)sf_end(poll_open(sf.socks));
}

int
sf_epoll_create(int size)
{
	return size > 0 ? sf_epoll_create1(0) : (int)sf_end(-EINVAL);
}

int
sf_epoll_ctl(int set, int op, int s, struct epoll_event *ev)
{
	if (sf_get(set) == NULL || sf_get(s) == NULL)
		return (int)sf_end(-EBADF);
	if (ev == NULL && op != EPOLL_CTL_DEL)
		return (int)sf_end(-EFAULT);
	return (int)sf_end(poll_ctl(sf.socks, set, op, s, ev));
}

int
sf_epoll_wait(int set, struct epoll_event *ev, int max, int ms)
{
	uint64_t until;
	bool more;
	int n;

	if (sf_get(set) == NULL || max <= 0)
		return (int)sf_end(max <= 0 ? -EINVAL : -EBADF);
	if (ev == NULL)
		return (int)sf_end(-EFAULT);
	more = sf_step();
	until = sf_until(ms);
	for (;;) {
		n = poll_wait(sf.socks, set, ev, (uint32_t)max);
		if (n != 0)
			return (int)sf_end(n);
		if (sf.io.stop)
			return (int)sf_end(-EINTR);
		if (sf.io.now >= until || sf_woken())
			return 0;
		if (!more)
			sf_rest(until);
		more = sf_step();
	}
}

/* The events of poll(2) and epoll(7) have the same numbers, but for those
 * that are not asked for here. */
#define EVENTS	((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP))
#define ALWAYS	((uint32_t)(EPOLLERR | EPOLLHUP))

static int
look(struct pollfd *p, nfds_t n)
{
	nfds_t i;
	int ready = 0;

	for (i = 0; i < n; i++) {
		p[i].revents = 0;
		if (p[i].fd < 0)
			continue;
		if (sf_get(p[i].fd) == NULL || !sock_is(sf.socks, p[i].fd))
			p[i].revents = POLLNVAL;
		else
			p[i].revents = (short)(sock_ready(sf.socks, p[i].fd) &
			    (((uint32_t)(uint16_t)p[i].events & EVENTS) |
			    ALWAYS));
		ready += p[i].revents != 0;
	}
	return ready;
}

int
sf_poll(struct pollfd *p, nfds_t n, int ms)
{
	uint64_t until;
	bool more;
	int ready;

	if (!sf.up || (p == NULL && n > 0))
		return (int)sf_end(!sf.up ? -EINVAL : -EFAULT);
	more = sf_step();
	until = sf_until(ms);
	for (;;) {
		ready = look(p, n);
		if (ready > 0)
			return ready;
		if (sf.io.stop)
			return (int)sf_end(-EINTR);
		if (sf.io.now >= until || sf_woken())
			return 0;
		if (!more)
			sf_rest(until);
		more = sf_step();
	}
}
