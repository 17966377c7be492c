/*
 * sock_udp: the socket calls for datagrams, over secondary/net/udp.h.
 */
#include <errno.h>
#include <string.h>

#include "../net/udp.h"
#include "sock_priv.h"

/* A datagram or an error has come. */
static void
heard(void *arg, int h)
{
	struct sock *k = arg;

	if (k->kind == SK_DGRAM && k->udp == h)
		poll_wake(k->owner, k, EPOLLIN);
}

int
dgram_open(struct socks *s, struct sock *k)
{
	int h = udp_open(s->n, heard, k);

	if (h < 0)
		return h == -ENFILE ? -EMFILE : h;
	k->kind = SK_DGRAM;
	k->owner = s;
	k->udp = h;
	return 0;
}

int
dgram_bind(struct socks *s, struct sock *k, const struct net_addr *a)
{
	return udp_bind(s->n, k->udp, a);
}

int
dgram_connect(struct socks *s, struct sock *k, const struct net_addr *a)
{
	int err;

	if (a->family != 0 && a->family != k->family)
		return -EAFNOSUPPORT;
	err = udp_connect(s->n, k->udp, a);
	if (err < 0)
		return err;
	memset(&k->remote, 0, sizeof(k->remote));
	if (a->family != 0)
		k->remote = *a;
	return 0;
}

void
dgram_name(struct socks *s, struct sock *k)
{
	(void)udp_local(s->n, k->udp, &k->local);
}

/* Bytes of all pieces; more than a datagram can have counts as that. */
static uint32_t
total(const struct iovec *iov, uint32_t cnt)
{
	size_t len = 0;
	uint32_t i;

	for (i = 0; i < cnt && len <= DGRAM_ROOM; i++)
		len += iov[i].iov_len < DGRAM_ROOM ? iov[i].iov_len :
		    DGRAM_ROOM;
	return len < DGRAM_ROOM ? (uint32_t)len : DGRAM_ROOM;
}

static void
scatter(const struct iovec *iov, uint32_t cnt, const uint8_t *from,
    uint32_t len)
{
	uint32_t i, part;

	for (i = 0; i < cnt && len > 0; i++) {
		part = iov[i].iov_len < len ? (uint32_t)iov[i].iov_len : len;
		if (part == 0)
			continue;
		memcpy(iov[i].iov_base, from, part);
		from += part;
		len -= part;
	}
}

int64_t
dgram_recv(struct socks *s, struct sock *k, const struct iovec *iov,
    uint32_t cnt, int flags, struct net_addr *from)
{
	bool peek = (flags & MSG_PEEK) != 0;
	uint32_t room = total(iov, cnt);
	struct net_addr src;
	int got;

	if (k->err != 0) {
		got = k->err;
		k->err = 0;
		return got;
	}
	for (;;) {
		got = udp_recvfrom(s->n, k->udp, cnt == 1 ?
		    iov[0].iov_base : s->bounce, room, &src, peek);
		if (got < 0)
			return got;
		if (k->family == 6 || src.family == k->family)
			break;
		/* of the other family: not for this socket */
		if (peek)
			(void)udp_recvfrom(s->n, k->udp, s->bounce, 0, NULL,
			    false);
	}
	if (from != NULL)
		*from = src;
	if (cnt != 1)
		scatter(iov, cnt, s->bounce, (uint32_t)got < room ?
		    (uint32_t)got : room);
	if ((flags & MSG_TRUNC) == 0 && (uint32_t)got > room)
		return room;
	return got;
}

int64_t
dgram_send(struct socks *s, struct sock *k, const struct iovec *iov,
    uint32_t cnt, const struct net_addr *to)
{
	uint32_t len = total(iov, cnt), i, at = 0;
	int err;

	if (to != NULL && to->family != k->family)
		return -EAFNOSUPPORT;
	if (len > UDP_MAX)
		return -EMSGSIZE;
	if (k->err != 0) {
		err = k->err;
		k->err = 0;
		return err;
	}
	if (cnt == 1)
		return udp_sendto(s->n, k->udp, iov[0].iov_base, len, to);
	for (i = 0; i < cnt; at += (uint32_t)iov[i++].iov_len)
		if (iov[i].iov_len != 0)
			memcpy(s->bounce + at, iov[i].iov_base,
			    iov[i].iov_len);
	return udp_sendto(s->n, k->udp, s->bounce, len, to);
}

int
dgram_error(struct socks *s, struct sock *k)
{
	int err = k->err != 0 ? k->err : udp_error(s->n, k->udp);

	k->err = 0;
	return err;
}

uint32_t
dgram_bits(struct socks *s, const struct sock *k)
{
	return EPOLLOUT | (udp_pending(s->n, k->udp) > 0 ? EPOLLIN : 0u);
}

int64_t
dgram_readable(struct socks *s, struct sock *k)
{
	int len = udp_pending(s->n, k->udp);

	if (len <= 0)
		return len;
	len = udp_recvfrom(s->n, k->udp, s->bounce, 0, NULL, true);
	if (len < 0 && len != -EAGAIN)
		k->err = len;	/* to be told by the next call */
	return len > 0 ? len : 0;
}

void
dgram_close(struct socks *s, struct sock *k)
{
	(void)udp_close(s->n, k->udp);
	k->udp = -1;
}
