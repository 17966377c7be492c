/*
 * sf_io: the calls of <starfish.h> that move bytes, over loop/sock.h.
 */
#include <limits.h>
#include <string.h>

#include "../common/program.h"
#include "sf_priv.h"

/* ---- pieces ---- */

/* Their length; -EINVAL: they are too many, or too long together; -EFAULT: one
 * lies nowhere. */
static int64_t
pieces(const struct iovec *iov, size_t cnt)
{
	size_t len = 0, i;

	if (cnt > IOV_MAX)
		return -EINVAL;
	if (cnt > 0 && iov == NULL)
		return -EFAULT;
	for (i = 0; i < cnt; i++) {
		if (iov[i].iov_len > SSIZE_MAX - len)
			return -EINVAL;
		if (iov[i].iov_len > 0 && iov[i].iov_base == NULL)
			return -EFAULT;
		len += iov[i].iov_len;
	}
	return (int64_t)len;
}

/* The pieces of a message: 0, or as POSIX says of sendmsg() and recvmsg(). */
static int
message(const struct msghdr *m)
{
	if (m == NULL)
		return -EFAULT;
	return m->msg_iovlen > IOV_MAX ? -EMSGSIZE : 0;
}

/* ---- receiving ---- */

static ssize_t
receive(int s, const struct iovec *iov, size_t cnt, int flags,
    struct net_addr *from)
{
	struct sf_sock *k = sf_get(s);
	int64_t got = k == NULL ? -EBADF : pieces(iov, cnt);
	struct sf_wait w;
	int err = 0;

	if (got < 0)
		return sf_end(got);
	w = sf_wait_begin(k->rcv_ms);
	while ((got = sock_recvfrom(sf.socks, s, iov, (uint32_t)cnt, flags,
	    from)) == -EAGAIN && !k->nonblock &&
	    (flags & MSG_DONTWAIT) == 0 && err == 0)
		err = sf_wait_turn(&w);
	return sf_end(err < 0 && got == -EAGAIN ? err : got);
}

ssize_t
sf_recvmsg(int s, struct msghdr *m, int flags)
{
	struct net_addr from = { .family = 0 };
	int err = sf_get(s) == NULL ? -EBADF : message(m);
	size_t room = 0, i;
	ssize_t got;

	if (err < 0)
		return sf_end(err);
	got = receive(s, m->msg_iov, m->msg_iovlen, flags, &from);
	if (got < 0)
		return got;
	m->msg_controllen = 0;
	m->msg_flags = 0;
	for (i = 0; i < m->msg_iovlen; i++)
		room += m->msg_iov[i].iov_len;
	if ((size_t)got > room)
		m->msg_flags = MSG_TRUNC;
	if (m->msg_name != NULL)
		sf_addr_out(&from, sf_get(s)->six, m->msg_name,
		    &m->msg_namelen);
	return got;
}

ssize_t
sf_recvfrom(int s, void *buf, size_t len, int flags, struct sockaddr *from,
    socklen_t *fromlen)
{
	struct iovec iov = { buf, len };
	struct net_addr a = { .family = 0 };
	ssize_t got;

	if (sf_get(s) != NULL && from != NULL && fromlen == NULL)
		return sf_end(-EFAULT);
	got = receive(s, &iov, 1, flags, &a);
	if (got >= 0)
		sf_addr_out(&a, sf_get(s)->six, from, fromlen);
	return got;
}

ssize_t
sf_recv(int s, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };

	return receive(s, &iov, 1, flags, NULL);
}

ssize_t
sf_readv(int s, const struct iovec *iov, int cnt)
{
	return receive(s, iov, cnt < 0 ? SIZE_MAX : (size_t)cnt, 0, NULL);
}

ssize_t
sf_read(int s, void *buf, size_t len)
{
	return sf_recv(s, buf, len, 0);
}

/* ---- sending ---- */

/* Send the pieces from byte skip on: those that it cuts go alone. */
static int64_t
send_from(int s, const struct iovec *iov, size_t cnt, size_t skip, int flags)
{
	struct iovec rest;

	while (cnt > 0 && skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		cnt--;
	}
	if (skip == 0)
		return sock_send(sf.socks, s, iov, (uint32_t)cnt, flags);
	rest.iov_base = (char *)iov->iov_base + skip;
	rest.iov_len = iov->iov_len - skip;
	return sock_send(sf.socks, s, &rest, 1, flags);
}

static ssize_t
transmit(int s, const struct iovec *iov, size_t cnt, int flags,
    const struct net_addr *to)
{
	struct sf_sock *k = sf_get(s);
	int64_t n = k == NULL ? -EBADF : pieces(iov, cnt);
	size_t len = (size_t)n, done = 0;
	struct sf_wait w;
	bool block;
	int err = 0;

	if (n < 0)
		return sf_end(n);
	block = !k->nonblock && (flags & MSG_DONTWAIT) == 0;
	w = sf_wait_begin(k->snd_ms);
	for (;;) {
		n = to != NULL ? sock_sendto(sf.socks, s, iov, (uint32_t)cnt,
		    flags, to) : send_from(s, iov, cnt, done, flags);
		if (n > 0)
			done += (size_t)n;
		if (!block || done == len || (n < 0 && n != -EAGAIN))
			break;
		err = sf_wait_turn(&w);
		if (err < 0)
			break;
	}
	if (done > 0 || (len == 0 && n >= 0))
		return (ssize_t)done;
	return sf_end(err < 0 ? err : n);
}

ssize_t
sf_sendmsg(int s, const struct msghdr *m, int flags)
{
	struct net_addr to;
	int err = sf_get(s) == NULL ? -EBADF : message(m);

	if (err < 0)
		return sf_end(err);
	if (m->msg_controllen != 0)
		return sf_end(-EOPNOTSUPP);
	if (m->msg_name == NULL)
		return transmit(s, m->msg_iov, m->msg_iovlen, flags, NULL);
	err = sf_addr_in(m->msg_name, m->msg_namelen, &to);
	if (err < 0)
		return sf_end(err);
	return transmit(s, m->msg_iov, m->msg_iovlen, flags, &to);
}

ssize_t
sf_sendto(int s, const void *buf, size_t len, int flags,
    const struct sockaddr *to, socklen_t tolen)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr m = { .msg_name = (void *)(uintptr_t)to,
	    .msg_namelen = tolen, .msg_iov = &iov, .msg_iovlen = 1 };

	return sf_sendmsg(s, &m, flags);
}

ssize_t
sf_send(int s, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	return transmit(s, &iov, 1, flags, NULL);
}

ssize_t
sf_writev(int s, const struct iovec *iov, int cnt)
{
	return transmit(s, iov, cnt < 0 ? SIZE_MAX : (size_t)cnt, 0, NULL);
}

ssize_t
sf_write(int s, const void *buf, size_t len)
{
	return sf_send(s, buf, len, 0);
}

/* ---- files ---- */

static const struct fcache *
files(void)
{
	const struct program_conf *pc = sf.io.worker->options;

	return pc->root[0] != '\0' ? svc_io.root(&sf.io, pc->root) : NULL;
}

const void *
sf_file(const char *path, size_t *len)
{
	const struct fcache *fc = sf.up ? files() : NULL;
	const struct fcache_entry *e = NULL;

	if (path == NULL || len == NULL) {
		errno = EFAULT;
		return NULL;
	}
	if (fc != NULL)
		e = fcache_find(fc, path, strlen(path));
	if (e == NULL || (e->flags & FCACHE_DIR) != 0) {
		errno = ENOENT;
		return NULL;
	}
	*len = e->size;
	return fcache_body(fc, e);
}

ssize_t
sf_send_file(int s, const void *mem, size_t len)
{
	struct sf_sock *k = sf_get(s);
	const struct fcache *fc = k != NULL ? files() : NULL;
	uintptr_t at = (uintptr_t)mem, lo = (uintptr_t)fc;
	struct sf_wait w;
	int64_t n;
	int err = 0;

	if (k == NULL || !sock_is(sf.socks, s))
		return sf_end(-EBADF);
	if (fc == NULL || at < lo || at - lo > fc->size ||
	    len > fc->size - (at - lo))
		return sf_end(-EFAULT);
	w = sf_wait_begin(k->snd_ms);
	while ((n = sock_send_mem(sf.socks, s, mem, len)) == -EAGAIN &&
	    !k->nonblock && err == 0)
		err = sf_wait_turn(&w);
	return sf_end(err < 0 && n == -EAGAIN ? err : n);
}
