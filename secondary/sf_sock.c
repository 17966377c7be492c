/*
 * sf_sock: the calls of <starfish.h> that make, name and tune sockets:
 * addresses, errno and waiting over loop/sock.h.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "sf_priv.h"

/* ---- addresses ---- */

int
sf_addr_in(const struct sockaddr *sa, socklen_t len, struct net_addr *a)
{
	const struct sockaddr_in6 *six = (const void *)sa;
	const struct sockaddr_in *four = (const void *)sa;

	memset(a, 0, sizeof(*a));
	if (sa == NULL)
		return -EFAULT;
	if (len < sizeof(sa->sa_family))
		return -EINVAL;
	if (sa->sa_family == AF_INET && len >= sizeof(*four)) {
		a->family = 4;
		memcpy(a->addr, &four->sin_addr, 4);
		a->port = ntohs(four->sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6 && len >= sizeof(*six)) {
		a->family = 6;
		memcpy(a->addr, &six->sin6_addr, 16);
		a->port = ntohs(six->sin6_port);
		return 0;
	}
	if (sa->sa_family == AF_UNSPEC)
		return 0;
	return sa->sa_family == AF_INET || sa->sa_family == AF_INET6 ?
	    -EINVAL : -EAFNOSUPPORT;
}

void
sf_addr_out(const struct net_addr *a, bool six, struct sockaddr *sa,
    socklen_t *len)
{
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6,
	    .sin6_port = htons(a->port) };
	struct sockaddr_in s4 = { .sin_family = AF_INET,
	    .sin_port = htons(a->port) };
	socklen_t room;

	if (sa == NULL || len == NULL)
		return;
	room = *len;
	if (!six) {
		memcpy(&s4.sin_addr, a->addr, 4);
		memcpy(sa, &s4, room < sizeof(s4) ? room : sizeof(s4));
		*len = sizeof(s4);
		return;
	}
	if (a->family == 6) {
		memcpy(&s6.sin6_addr, a->addr, 16);
	} else if (a->family == 4) {
		s6.sin6_addr.s6_addr[10] = s6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(s6.sin6_addr.s6_addr + 12, a->addr, 4);
	}
	memcpy(sa, &s6, room < sizeof(s6) ? room : sizeof(s6));
	*len = sizeof(s6);
}

/* ---- opening ---- */

#define TYPE_FLAGS	(SOCK_NONBLOCK | SOCK_CLOEXEC)

int
sf_socket(int domain, int type, int protocol)
{
	int base = type & ~TYPE_FLAGS, h;
	bool fits = protocol == 0 ||
	    (base == SOCK_STREAM && protocol == IPPROTO_TCP) ||
	    (base == SOCK_DGRAM && protocol == IPPROTO_UDP);

	if (!sf.up)
		return (int)sf_end(-EINVAL);
	if (domain != AF_INET && domain != AF_INET6)
		return (int)sf_end(-EAFNOSUPPORT);
	if (!fits)
		return (int)sf_end(-EPROTONOSUPPORT);
	h = sock_open(sf.socks, domain == AF_INET ? 4 : 6, base);
	if (h < 0)
		return (int)sf_end(h);
	*sf_get(h) = (struct sf_sock){ .six = domain == AF_INET6,
	    .nonblock = (type & SOCK_NONBLOCK) != 0 };
	return h;
}

int
sf_bind(int s, const struct sockaddr *sa, socklen_t len)
{
	struct net_addr a;
	int err = sf_get(s) == NULL ? -EBADF : sf_addr_in(sa, len, &a);

	return (int)sf_end(err < 0 ? err : sock_bind(sf.socks, s, &a));
}

int
sf_listen(int s, int backlog)
{
	return (int)sf_end(sf_get(s) == NULL ? -EBADF :
	    sock_listen(sf.socks, s, backlog));
}

int
sf_accept4(int s, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct sf_sock *k = sf_get(s);
	struct net_addr peer;
	struct sf_wait w;
	int h, err = 0;

	if (k == NULL || (flags & ~TYPE_FLAGS) != 0)
		return (int)sf_end(k == NULL ? -EBADF : -EINVAL);
	if (sa != NULL && len == NULL)
		return (int)sf_end(-EFAULT);
	w = sf_wait_begin(k->rcv_ms);
	while ((h = sock_accept(sf.socks, s, &peer)) == -EAGAIN &&
	    !k->nonblock && err == 0)
		err = sf_wait_turn(&w);
	if (h < 0)
		return (int)sf_end(err < 0 ? err : h);
	*sf_get(h) = (struct sf_sock){ .six = k->six,
	    .nonblock = (flags & SOCK_NONBLOCK) != 0 };
	sf_addr_out(&peer, k->six, sa, len);
	return h;
}

int
sf_accept(int s, struct sockaddr *sa, socklen_t *len)
{
	return sf_accept4(s, sa, len, 0);
}

int
sf_connect(int s, const struct sockaddr *sa, socklen_t len)
{
	struct sf_sock *k = sf_get(s);
	struct net_addr a;
	struct sf_wait w;
	int err = k == NULL ? -EBADF : sf_addr_in(sa, len, &a);

	if (err == 0)
		err = sock_connect(sf.socks, s, &a);
	if ((err != -EINPROGRESS && err != -EALREADY) || k->nonblock)
		return (int)sf_end(err);
	w = sf_wait_begin(k->snd_ms);
	for (;;) {
		err = sf_wait_turn(&w);
		if (err < 0)	/* it goes on by itself: POSIX */
			return (int)sf_end(err == -EAGAIN ? -EINPROGRESS : err);
		err = sock_connect(sf.socks, s, &a);
		if (err != -EALREADY)
			return (int)sf_end(err == -EISCONN ? 0 : err);
	}
}

int
sf_shutdown(int s, int how)
{
	return (int)sf_end(sf_get(s) == NULL ? -EBADF :
	    sock_shutdown(sf.socks, s, how));
}

int
sf_close(int s)
{
	return (int)sf_end(sf_get(s) == NULL ? -EBADF :
	    sock_close(sf.socks, s));
}

/* ---- names and options ---- */

int
sf_getsockname(int s, struct sockaddr *sa, socklen_t *len)
{
	struct sf_sock *k = sf_get(s);
	struct net_addr a;
	int err = k == NULL ? -EBADF : sock_name(sf.socks, s, &a);

	if (err == 0 && (sa == NULL || len == NULL))
		err = -EFAULT;
	if (err == 0)
		sf_addr_out(&a, k->six, sa, len);
	return (int)sf_end(err);
}

int
sf_getpeername(int s, struct sockaddr *sa, socklen_t *len)
{
	struct sf_sock *k = sf_get(s);
	struct net_addr a;
	int err = k == NULL ? -EBADF : sock_peer(sf.socks, s, &a);

	if (err == 0 && (sa == NULL || len == NULL))
		err = -EFAULT;
	if (err == 0)
		sf_addr_out(&a, k->six, sa, len);
	return (int)sf_end(err);
}

/* Our own options are the times that a call waits; NULL: another one. */
static uint32_t *
wait_option(struct sf_sock *k, int level, int name)
{
	if (level != SOL_SOCKET)
		return NULL;
	return name == SO_RCVTIMEO ? &k->rcv_ms :
	    name == SO_SNDTIMEO ? &k->snd_ms : NULL;
}

int
sf_setsockopt(int s, int level, int name, const void *val, socklen_t len)
{
	struct sf_sock *k = sf_get(s);
	uint32_t *ms = k == NULL ? NULL : wait_option(k, level, name);
	struct timeval t;

	if (k == NULL || !sock_is(sf.socks, s))
		return (int)sf_end(-EBADF);
	if (val == NULL && len > 0)
		return (int)sf_end(-EFAULT);
	if (ms == NULL)
		return (int)sf_end(sock_setsockopt(sf.socks, s, level, name,
		    val, len));
	if (len != sizeof(t))
		return (int)sf_end(-EINVAL);
	memcpy(&t, val, sizeof(t));
	if (t.tv_usec < 0 || t.tv_usec >= 1000000 || t.tv_sec < 0)
		return (int)sf_end(-EDOM);
	/* a shortest time is not "for ever" */
	*ms = t.tv_sec > 4000000 ? 0 : (uint32_t)t.tv_sec * 1000 +
	    ((uint32_t)t.tv_usec + 999) / 1000;
	return 0;
}

int
sf_getsockopt(int s, int level, int name, void *val, socklen_t *len)
{
	struct sf_sock *k = sf_get(s);
	uint32_t *ms = k == NULL ? NULL : wait_option(k, level, name);
	struct timeval t;
	int err;

	if (k == NULL || !sock_is(sf.socks, s))
		return (int)sf_end(-EBADF);
	if (val == NULL || len == NULL)
		return (int)sf_end(-EFAULT);
	if (ms != NULL) {
		if (*len < sizeof(t))
			return (int)sf_end(-EINVAL);
		t.tv_sec = *ms / 1000;
		t.tv_usec = *ms % 1000 * 1000;
		memcpy(val, &t, sizeof(t));
		*len = sizeof(t);
		return 0;
	}
	err = sock_getsockopt(sf.socks, s, level, name, val, len);
	return (int)sf_end(err);
}

int
sf_fcntl(int s, int cmd, ...)
{
	struct sf_sock *k = sf_get(s);
	va_list ap;
	int arg;

	va_start(ap, cmd);
	arg = cmd == F_SETFL || cmd == F_SETFD ? va_arg(ap, int) : 0;
	va_end(ap);
	if (k == NULL || !sock_is(sf.socks, s))
		return (int)sf_end(-EBADF);
	switch (cmd) {
	case F_GETFL:
		return O_RDWR | (k->nonblock ? O_NONBLOCK : 0);
	case F_SETFL:
		k->nonblock = (arg & O_NONBLOCK) != 0;
		return 0;
	case F_GETFD:
		return FD_CLOEXEC;
	case F_SETFD:
		return 0;
	default:
		return (int)sf_end(-EINVAL);
	}
}

int
sf_ioctl(int s, unsigned long req, int *arg)
{
	struct sf_sock *k = sf_get(s);
	int64_t n;

	if (k == NULL || !sock_is(sf.socks, s))
		return (int)sf_end(-EBADF);
	if (arg == NULL)
		return (int)sf_end(-EFAULT);
	switch (req) {
	case FIONBIO:
		k->nonblock = *arg != 0;
		return 0;
	case FIONREAD:
		n = sock_readable(sf.socks, s);
		break;
	case SIOCOUTQ:
		n = sock_queued(sf.socks, s);
		break;
	default:
		n = -EINVAL;
	}
	if (n >= 0)
		*arg = n > INT_MAX ? INT_MAX : (int)n;
	return (int)sf_end(n < 0 ? n : 0);
}
