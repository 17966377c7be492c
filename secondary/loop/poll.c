/*
 * poll: readiness sets.
 *
 * A watch joins a set and a socket. A change of the socket puts its watches on
 * their sets' ready lists; poll_wait() looks at those alone, asks each what
 * holds at that moment, and keeps on the list what is level-triggered. So a
 * wait costs what is ready, not what is watched.
 */
#include <errno.h>
#include <string.h>

#include "sock_priv.h"

#define ALWAYS	((uint32_t)(EPOLLERR | EPOLLHUP))
#define LEVELS	((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP) | ALWAYS)
#define FLAGS	((uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT)

void
poll_init(struct socks *s)
{
	uint32_t i;

	s->watch_free = SOCK_NONE;
	for (i = s->conf.watches; i-- > 0;) {
		s->watch[i].sock = s->watch[i].set = SOCK_NONE;
		s->watch[i].sock_next = s->watch_free;
		s->watch_free = i;
	}
}

/* ---- what holds ---- */

static uint32_t
open_bits(struct socks *s, const struct sock *k)
{
	const struct conn *c = conn_look(s->n, k->conn);
	uint32_t f = k->flags, bits = 0;

	if ((f & (SF_FIN | SF_GONE | SF_RDSHUT)) != 0)
		bits |= EPOLLIN | EPOLLRDHUP;
	else if (c != NULL && conn_readable(c) > 0)
		bits |= EPOLLIN;
	/* a writer that would be refused is not kept waiting */
	if ((f & (SF_WRSHUT | SF_GONE)) != 0 || (f & SF_FULL) == 0)
		bits |= EPOLLOUT;
	if ((f & SF_GONE) != 0 || ((f & SF_WRSHUT) != 0 &&
	    (f & (SF_FIN | SF_RDSHUT)) != 0))
		bits |= EPOLLHUP;
	return bits;
}

uint32_t
poll_bits(struct socks *s, const struct sock *k)
{
	uint32_t bits = 0;

	switch (k->kind) {
	case SK_NEW:
		bits = EPOLLOUT | EPOLLHUP;	/* as in Linux */
		break;
	case SK_LISTEN:
		bits = k->head != SOCK_NONE ? (uint32_t)EPOLLIN : 0;
		break;
	case SK_FAILED:
		bits = LEVELS & ~(uint32_t)EPOLLERR;
		break;
	case SK_OPEN:
		bits = open_bits(s, k);
		break;
	case SK_DGRAM:
		bits = dgram_bits(s, k);
		break;
	default:
		break;
	}
	return k->err != 0 ? bits | EPOLLERR : bits;
}

uint32_t
sock_ready(struct socks *s, int h)
{
	const struct sock *k = sock_get(s, h);

	return k != NULL ? poll_bits(s, k) : 0;
}

/* ---- the ready list: watches by ready_next, from set->head to tail ---- */

static void
ready_in(struct socks *s, struct watch *w)
{
	struct sock *set = &s->sock[w->set];
	uint32_t i = (uint32_t)(w - s->watch);

	if (w->queued || w->off)
		return;
	w->queued = true;
	w->ready_next = SOCK_NONE;
	w->ready_prev = set->tail;
	if (set->tail == SOCK_NONE)
		set->head = i;
	else
		s->watch[set->tail].ready_next = i;
	set->tail = i;
}

static void
ready_out(struct socks *s, struct watch *w)
{
	struct sock *set = &s->sock[w->set];

	if (!w->queued)
		return;
	w->queued = false;
	if (w->ready_prev == SOCK_NONE)
		set->head = w->ready_next;
	else
		s->watch[w->ready_prev].ready_next = w->ready_next;
	if (w->ready_next == SOCK_NONE)
		set->tail = w->ready_prev;
	else
		s->watch[w->ready_next].ready_prev = w->ready_prev;
}

void
poll_wake(struct socks *s, const struct sock *k, uint32_t bits)
{
	struct watch *w;
	uint32_t i;

	for (i = k->watch; i != SOCK_NONE; i = w->sock_next) {
		w = &s->watch[i];
		if ((bits & (w->events | ALWAYS)) != 0)
			ready_in(s, w);
	}
}

/* ---- joining and parting ---- */

static struct watch *
find(struct socks *s, const struct sock *set, const struct sock *k)
{
	uint32_t i;

	for (i = k->watch; i != SOCK_NONE; i = s->watch[i].sock_next)
		if (s->watch[i].set == sock_place(s, set))
			return &s->watch[i];
	return NULL;
}

static void
part(struct socks *s, struct watch *w)
{
	struct sock *set = &s->sock[w->set], *k = &s->sock[w->sock];
	uint32_t i = (uint32_t)(w - s->watch);

	ready_out(s, w);
	if (w->sock_prev == SOCK_NONE)
		k->watch = w->sock_next;
	else
		s->watch[w->sock_prev].sock_next = w->sock_next;
	if (w->sock_next != SOCK_NONE)
		s->watch[w->sock_next].sock_prev = w->sock_prev;
	if (w->set_prev == SOCK_NONE)
		set->watch = w->set_next;
	else
		s->watch[w->set_prev].set_next = w->set_next;
	if (w->set_next != SOCK_NONE)
		s->watch[w->set_next].set_prev = w->set_prev;
	w->sock = w->set = SOCK_NONE;
	w->sock_next = s->watch_free;
	s->watch_free = i;
}

static struct watch *
join(struct socks *s, struct sock *set, struct sock *k)
{
	uint32_t i = s->watch_free;
	struct watch *w;

	if (i == SOCK_NONE)
		return NULL;
	w = &s->watch[i];
	s->watch_free = w->sock_next;
	memset(w, 0, sizeof(*w));
	w->sock = sock_place(s, k);
	w->set = sock_place(s, set);
	w->sock_prev = w->set_prev = SOCK_NONE;
	w->sock_next = k->watch;
	w->set_next = set->watch;
	if (k->watch != SOCK_NONE)
		s->watch[k->watch].sock_prev = i;
	if (set->watch != SOCK_NONE)
		s->watch[set->watch].set_prev = i;
	k->watch = set->watch = i;
	return w;
}

void
poll_forget(struct socks *s, struct sock *k)
{
	while (k->watch != SOCK_NONE)
		part(s, &s->watch[k->watch]);
}

void
poll_end(struct socks *s, struct sock *set)
{
	while (set->watch != SOCK_NONE)
		part(s, &s->watch[set->watch]);
}

/* ---- the calls ---- */

int
poll_open(struct socks *s)
{
	struct sock *k = sock_take(s);

	if (k == NULL)
		return -EMFILE;
	k->kind = SK_SET;
	return sock_handle(s, k);
}

static struct sock *
set_get(const struct socks *s, int h, int *err)
{
	struct sock *k = sock_get(s, h);

	*err = k == NULL ? -EBADF : -EINVAL;
	return k != NULL && k->kind == SK_SET ? k : NULL;
}

/* Watch for these events from now on. */
static void
tune(struct socks *s, struct watch *w, const struct epoll_event *ev)
{
	w->events = ev->events;
	w->data = ev->data.u64;
	w->off = false;
	if ((poll_bits(s, &s->sock[w->sock]) & (w->events | ALWAYS)) != 0)
		ready_in(s, w);
}

int
poll_ctl(struct socks *s, int set, int op, int h, const struct epoll_event *ev)
{
	struct sock *p, *k = sock_get(s, h);
	struct watch *w;
	int err;

	p = set_get(s, set, &err);
	if (p == NULL)
		return err;
	if (k == NULL)
		return -EBADF;
	if (k->kind == SK_SET || (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD &&
	    op != EPOLL_CTL_DEL))
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (ev->events & ~(LEVELS | FLAGS)) != 0)
		return -EINVAL;
	w = find(s, p, k);
	if (op == EPOLL_CTL_ADD) {
		if (w != NULL)
			return -EEXIST;
		w = join(s, p, k);
		if (w == NULL)
			return -ENOSPC;
		tune(s, w, ev);
		return 0;
	}
	if (w == NULL)
		return -ENOENT;
	if (op == EPOLL_CTL_MOD)
		tune(s, w, ev);
	else
		part(s, w);
	return 0;
}

int
poll_wait(struct socks *s, int set, struct epoll_event *ev, uint32_t max)
{
	uint32_t i, last, bits, n = 0;
	struct watch *w;
	struct sock *p;
	int err;

	p = set_get(s, set, &err);
	if (p == NULL)
		return err;
	if (max == 0 || max > INT32_MAX)
		return -EINVAL;
	/* each that is on the list now, once */
	last = p->tail;
	for (i = SOCK_NONE; p->head != SOCK_NONE && n < max && i != last;) {
		i = p->head;
		w = &s->watch[i];
		ready_out(s, w);
		bits = poll_bits(s, &s->sock[w->sock]) & (w->events | ALWAYS);
		if (bits == 0)
			continue;
		ev[n].events = bits;
		ev[n++].data.u64 = w->data;
		if ((w->events & (uint32_t)EPOLLONESHOT) != 0)
			w->off = true;
		else if ((w->events & (uint32_t)EPOLLET) == 0)
			ready_in(s, w);
	}
	return (int)n;
}

bool
poll_pending(const struct socks *s, int set)
{
	int err;
	const struct sock *p = set_get(s, set, &err);

	return p != NULL && p->head != SOCK_NONE;
}
