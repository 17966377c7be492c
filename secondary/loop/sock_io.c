/*
 * sock_io: bytes in and out of streams, and what is known of them.
 */
#include <errno.h>
#include <string.h>

#include "sock_priv.h"

/* An error that waits to be told, once. */
static int
take_error(struct sock *k)
{
	int err = k->err;

	k->err = 0;
	return err;
}

/* ---- receiving ---- */

/* Copy unread bytes into the pieces; takes them unless peek. */
static int64_t
copy_out(struct net *n, struct conn *c, const struct iovec *iov, uint32_t cnt,
    bool peek)
{
	uint32_t i, at = 0, want, got;

	for (i = 0; i < cnt; i++) {
		want = iov[i].iov_len < UINT32_MAX ?
		    (uint32_t)iov[i].iov_len : UINT32_MAX;
		got = conn_copy(n, c, at, iov[i].iov_base, want);
		at += got;
		if (got < want)
			break;
	}
	if (!peek && at != 0)
		conn_consume(n, c, at);
	return at;
}

/* Nothing is there to be read: why? */
static int
nothing(struct sock *k)
{
	if (k->err != 0)
		return take_error(k);
	if ((k->flags & (SF_FIN | SF_GONE | SF_RDSHUT)) != 0)
		return 0;
	return -EAGAIN;
}

static bool
any_room(const struct iovec *iov, uint32_t cnt)
{
	uint32_t i;

	for (i = 0; i < cnt; i++)
		if (iov[i].iov_len != 0)
			return true;
	return false;
}

static int64_t
stream_recv(struct socks *s, struct sock *k, const struct iovec *iov,
    uint32_t cnt, int flags)
{
	struct conn *c;
	int64_t got;

	switch (k->kind) {
	case SK_CONNECTING:
		return -EAGAIN;
	case SK_FAILED:
		return k->err != 0 ? take_error(k) : -ENOTCONN;
	case SK_OPEN:
		break;
	default:
		return -ENOTCONN;
	}
	if (!any_room(iov, cnt))
		return 0;
	c = k->conn == ARENA_NONE ? NULL : conn_enter(s->n, k->conn);
	if (c == NULL)
		return nothing(k);
	if (conn_readable(c) == 0) {
		got = nothing(k);
	} else {
		got = copy_out(s->n, c, iov, cnt, (flags & MSG_PEEK) != 0);
		if ((k->flags & SF_GONE) != 0 && conn_readable(c) == 0) {
			/* the record was kept for these bytes only */
			conn_close(s->n, c);
			k->conn = ARENA_NONE;
		}
	}
	conn_leave(s->n, c);
	return got;
}

int64_t
sock_recvfrom(struct socks *s, int h, const struct iovec *iov, uint32_t cnt,
    int flags, struct net_addr *from)
{
	struct sock *k = sock_get(s, h);
	int known = MSG_PEEK | MSG_DONTWAIT;

	if (k == NULL)
		return -EBADF;
	if (k->kind == SK_DGRAM)
		known |= MSG_TRUNC;
	if ((flags & ~known) != 0)
		return -EOPNOTSUPP;
	if (k->kind == SK_DGRAM)
		return dgram_recv(s, k, iov, cnt, flags, from);
	if (from != NULL)
		*from = k->remote;
	return stream_recv(s, k, iov, cnt, flags);
}

int64_t
sock_recv(struct socks *s, int h, const struct iovec *iov, uint32_t cnt,
    int flags)
{
	return sock_recvfrom(s, h, iov, cnt, flags, NULL);
}

/* ---- sending ---- */

void
sock_room(struct socks *s, struct sock *k, struct conn *c, bool was_short)
{
	uint32_t third = conn_sndbuf(s->n, c) / 3;

	/* as in Linux: writable again when a third is free, so that a
	 * writer is not woken for each acknowledged segment */
	if (!was_short && conn_room(s->n, c) >= third)
		return;
	k->flags |= SF_FULL;
	conn_want_room(s->n, c, third);
}

/* The connection to send on, in hands; NULL: *err says why not. */
static struct conn *
sender(struct socks *s, struct sock *k, int *err)
{
	struct conn *c;

	*err = -ENOTCONN;
	if (k->kind == SK_CONNECTING)
		*err = -EAGAIN;
	else if (k->kind == SK_FAILED && k->err != 0)
		*err = take_error(k);
	if (k->kind != SK_OPEN)
		return NULL;
	*err = -EPIPE;
	if (k->err != 0) {
		*err = take_error(k);
		return NULL;
	}
	if ((k->flags & (SF_WRSHUT | SF_GONE)) != 0)
		return NULL;
	c = conn_enter(s->n, k->conn);
	return c;
}

static int64_t
stream_send(struct socks *s, struct sock *k, const struct iovec *iov,
    uint32_t cnt, bool more)
{
	uint32_t i, want, got;
	int64_t sent = 0;
	bool cut = false;
	struct conn *c;
	int err;

	c = sender(s, k, &err);
	if (c == NULL)
		return err;
	conn_more(c, more);
	for (i = 0; i < cnt && !cut; i++) {
		want = iov[i].iov_len < UINT32_MAX ?
		    (uint32_t)iov[i].iov_len : UINT32_MAX;
		got = want == 0 ? 0 :
		    conn_write(s->n, c, iov[i].iov_base, want);
		sent += got;
		cut = got < want;
	}
	sock_room(s, k, c, cut);
	conn_leave(s->n, c);
	return sent == 0 && cut ? -EAGAIN : sent;
}

int64_t
sock_sendto(struct socks *s, int h, const struct iovec *iov, uint32_t cnt,
    int flags, const struct net_addr *to)
{
	struct sock *k = sock_get(s, h);

	if (k == NULL)
		return -EBADF;
	if ((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE)) != 0 ||
	    (k->kind == SK_DGRAM && (flags & MSG_MORE) != 0))
		return -EOPNOTSUPP;
	if (k->kind == SK_DGRAM)
		return dgram_send(s, k, iov, cnt, to);
	return stream_send(s, k, iov, cnt, (flags & MSG_MORE) != 0);
}

int64_t
sock_send(struct socks *s, int h, const struct iovec *iov, uint32_t cnt,
    int flags)
{
	return sock_sendto(s, h, iov, cnt, flags, NULL);
}

int64_t
sock_send_mem(struct socks *s, int h, const void *mem, uint64_t len)
{
	struct sock *k = sock_get(s, h);
	struct conn *c;
	int err;

	if (k == NULL)
		return -EBADF;
	if (k->kind == SK_DGRAM)
		return -EOPNOTSUPP;
	if (len > INT64_MAX)
		return -EINVAL;
	c = sender(s, k, &err);
	if (c == NULL)
		return err;
	err = conn_send_mem(s->n, c, mem, len);
	sock_room(s, k, c, err < 0);
	conn_leave(s->n, c);
	return err < 0 ? -EAGAIN : (int64_t)len;
}

/* ---- what is known ---- */

static bool
any_connection(const struct sock *k)
{
	return k->kind == SK_OPEN || k->kind == SK_CONNECTING ||
	    k->kind == SK_FAILED;
}

int
sock_info(struct socks *s, int h, struct conn_metrics *m)
{
	struct sock *k = sock_get(s, h);
	const struct conn *c;

	if (k == NULL)
		return -EBADF;
	if (!any_connection(k))
		return -ENOTCONN;
	memset(m, 0, sizeof(*m));
	c = conn_look(s->n, k->conn);
	if (c != NULL)
		conn_metrics(s->n, c, m);
	return 0;
}

int64_t
sock_readable(struct socks *s, int h)
{
	struct sock *k = sock_get(s, h);
	const struct conn *c;

	if (k == NULL)
		return -EBADF;
	if (k->kind == SK_DGRAM)
		return dgram_readable(s, k);
	if (!any_connection(k))
		return -ENOTCONN;
	c = conn_look(s->n, k->conn);
	return c != NULL ? conn_readable(c) : 0;
}

int64_t
sock_queued(struct socks *s, int h)
{
	struct sock *k = sock_get(s, h);
	const struct conn *c;

	if (k == NULL)
		return -EBADF;
	if (!any_connection(k))
		return -ENOTCONN;
	c = conn_look(s->n, k->conn);
	return c != NULL ? (int64_t)conn_queued(c) : 0;
}

int64_t
sock_unsent(struct socks *s, int h)
{
	struct conn_metrics m;
	int err = sock_info(s, h, &m);

	return err < 0 ? err : (int64_t)m.unsent;
}

int
sock_name(struct socks *s, int h, struct net_addr *a)
{
	struct sock *k = sock_get(s, h);

	if (k == NULL || k->kind == SK_SET)
		return -EBADF;
	if (k->kind == SK_DGRAM)
		dgram_name(s, k);
	*a = k->local;
	if (a->family == 0)
		a->family = k->family;
	return 0;
}

int
sock_peer(const struct socks *s, int h, struct net_addr *a)
{
	const struct sock *k = sock_get(s, h);

	if (k == NULL || k->kind == SK_SET)
		return -EBADF;
	if (k->remote.family == 0 || (k->kind != SK_OPEN &&
	    k->kind != SK_DGRAM))
		return -ENOTCONN;
	*a = k->remote;
	return 0;
}
