/*
 * sock_end: shutting down and closing.
 */
#include <errno.h>
#include <string.h>

#include "sock_priv.h"

int
sock_shutdown(struct socks *s, int h, int how)
{
	struct sock *k = sock_get(s, h);
	struct conn *c;

	if (k == NULL)
		return -EBADF;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (k->kind != SK_OPEN || (k->flags & SF_GONE) != 0)
		return -ENOTCONN;
	if (how != SHUT_WR)
		k->flags |= SF_RDSHUT;
	if (how != SHUT_RD && (k->flags & SF_WRSHUT) == 0) {
		k->flags |= SF_WRSHUT;
		c = conn_enter(s->n, k->conn);
		if (c != NULL) {
			conn_shutdown(s->n, c);
			conn_leave(s->n, c);
		}
	}
	poll_wake(s, k, poll_bits(s, k));
	return 0;
}

/* The socket is no longer the connection's. */
static void
part(struct socks *s, struct sock *k, bool abort_it)
{
	struct conn *c = k->conn == ARENA_NONE ? NULL :
	    conn_enter(s->n, k->conn);
	struct sock_state *st;

	k->conn = ARENA_NONE;
	if (c == NULL)
		return;
	st = conn_state(c);
	st->sock = 0;
	if (abort_it || (k->flags & SF_LINGER0) != 0)
		conn_abort(s->n, c);
	else
		conn_close(s->n, c);
	conn_leave(s->n, c);
}

void
sock_end(struct socks *s, struct sock *k, bool abort_it)
{
	struct sock *q;

	if (k->kind == SK_SET) {
		poll_end(s, k);
		sock_drop(s, k);
		return;
	}
	poll_forget(s, k);
	if (k->kind == SK_LISTEN) {
		(void)net_unlisten(s->n, &k->local);
		while (k->head != SOCK_NONE) {
			q = &s->sock[k->head];
			k->head = q->next;
			sock_end(s, q, true);
		}
	} else if (k->kind == SK_DGRAM) {
		dgram_close(s, k);
	} else {
		part(s, k, abort_it);
	}
	sock_drop(s, k);
}

void
socks_adopt(struct socks *s)
{
	uint32_t i, conns = net_settings(s->n)->shape.conns;
	struct conn *c;

	for (i = 0; i < conns; i++) {
		c = conn_enter(s->n, i);
		if (c == NULL)
			continue;
		conn_abort(s->n, c);
		conn_leave(s->n, c);
	}
}

void
socks_close(struct socks *s)
{
	uint32_t i;

	for (i = 0; i < s->conf.socks; i++)
		if (s->sock[i].kind != SK_FREE)
			sock_end(s, &s->sock[i], false);
}

int
sock_close(struct socks *s, int h)
{
	struct sock *k = sock_get(s, h);

	if (k == NULL)
		return -EBADF;
	sock_end(s, k, false);
	return 0;
}

int
sock_abort(struct socks *s, int h)
{
	struct sock *k = sock_get(s, h);

	if (k == NULL)
		return -EBADF;
	sock_end(s, k, true);
	return 0;
}
