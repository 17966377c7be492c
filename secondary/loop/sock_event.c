/*
 * sock_event: what the stack says, as sockets and readiness.
 */
#include <errno.h>

#include "sock_priv.h"

/* A connection that somebody opened to us: into its listener's queue. */
static struct sock *
queue_up(struct socks *s, struct conn *c)
{
	struct sock *k, *l = NULL;
	uint32_t user;

	if (net_listener(s->n, c, &user) == 0 && user < s->conf.socks &&
	    s->sock[user].kind == SK_LISTEN)
		l = &s->sock[user];
	k = l != NULL ? sock_take(s) : NULL;
	if (k == NULL) {
		s->refused++;
		return NULL;
	}
	k->kind = SK_OPEN;
	k->family = l->family;
	k->flags = l->flags & (SF_LINGER0 | SF_CORK | SF_REUSE);
	k->opts = l->opts;
	sock_adorn(s, k, c);
	k->family = k->local.family;
	if (l->tail == SOCK_NONE)
		l->head = sock_place(s, k);
	else
		s->sock[l->tail].next = sock_place(s, k);
	l->tail = sock_place(s, k);
	if (++l->queued >= l->backlog)
		(void)net_listen_full(s->n, &l->local, true);
	poll_wake(s, l, EPOLLIN);
	return k;
}

/* The connection is over; what is unread stays until it is read. */
static uint32_t
gone(struct socks *s, struct sock *k, struct conn *c)
{
	k->err = conn_error(c);
	k->flags |= SF_GONE;
	k->flags &= (uint16_t)~SF_FULL;
	if (k->kind == SK_CONNECTING) {
		k->kind = SK_FAILED;
		if (k->err == 0)
			k->err = -ECONNREFUSED;
	}
	if (k->kind == SK_OPEN && conn_readable(c) > 0)
		conn_hold(c);
	else
		k->conn = ARENA_NONE;
	return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP |
	    (k->err != 0 ? EPOLLERR : 0u);
}

void
socks_event(void *arg, struct conn *c, uint32_t events)
{
	struct socks *s = arg;
	struct sock_state *st = conn_state(c);
	struct sock *k = NULL;
	uint32_t bits = 0;

	if (st->sock != 0 && st->sock <= s->conf.socks)
		k = &s->sock[st->sock - 1];
	if (k != NULL && (k->kind == SK_FREE || k->conn != conn_id(s->n, c)))
		k = NULL;	/* of a process before this one */
	if (k == NULL && st->sock == 0 && (events & CONN_OPEN) != 0 &&
	    !conn_active(c))
		k = queue_up(s, c);
	if (k == NULL) {
		conn_abort(s->n, c);
		return;
	}
	if ((events & CONN_OPEN) != 0) {
		k->kind = SK_OPEN;
		bits |= EPOLLOUT;
	}
	if ((events & CONN_READ) != 0)
		bits |= EPOLLIN;
	if (conn_fin(c)) {
		k->flags |= SF_FIN;
		bits |= EPOLLIN | EPOLLRDHUP;
	}
	if ((events & CONN_WRITE) != 0) {
		k->flags &= (uint16_t)~SF_FULL;
		bits |= EPOLLOUT;
	}
	if ((events & CONN_GONE) != 0)
		bits |= gone(s, k, c);
	poll_wake(s, k, bits);
}
