/*
 * sock_priv: inside of the socket layer, for sock*.c and poll.c only.
 */
#ifndef LOOP_SOCK_PRIV_H
#define LOOP_SOCK_PRIV_H

#include <stdbool.h>

#include "poll.h"
#include "sock.h"

#define SOCK_NONE	UINT32_MAX	/* no socket, no watch */
#define SOCK_GENS	(1u << 11)
#define DGRAM_ROOM	65536u	/* more than a datagram can have */

enum sock_kind {
	SK_FREE,
	SK_NEW,			/* a stream, not connected */
	SK_LISTEN,
	SK_CONNECTING,
	SK_FAILED,		/* connecting ended with err */
	SK_OPEN,		/* connected, or was */
	SK_DGRAM,
	SK_SET,			/* a readiness set */
};

#define SF_BOUND	0x0001u	/* local counts; on the bound list */
#define SF_REUSE	0x0002u	/* SO_REUSEADDR */
#define SF_RDSHUT	0x0004u
#define SF_WRSHUT	0x0008u
#define SF_FIN		0x0010u	/* the peer's FIN has come */
#define SF_GONE		0x0020u	/* the connection is over */
#define SF_FULL		0x0040u	/* no room to write until CONN_WRITE */
#define SF_LINGER0	0x0080u	/* SO_LINGER with 0 seconds */
#define SF_CORK		0x0100u
#define SF_V6ONLY	0x0200u	/* IPV6_V6ONLY */

struct sock {
	uint8_t kind;		/* enum sock_kind */
	uint8_t family;
	uint16_t gen;
	uint16_t flags;		/* SF_* */
	uint16_t backlog;	/* LISTEN */
	int err;		/* pending, negative; 0 */
	uint32_t conn;		/* id of the record; ARENA_NONE */
	int udp;		/* DGRAM: the stack's socket */
	uint32_t next;		/* free list, accept queue */
	uint32_t head, tail;	/* LISTEN: accept queue; SET: watches that may
				   be ready */
	uint32_t queued;	/* LISTEN: length of the accept queue */
	uint32_t watch;		/* first watch: of a socket, by sock_next; of
				   a set, by set_next */
	uint32_t bound_next, bound_prev; /* bound list */
	struct conn_opts opts;
	struct net_addr local, remote;
	struct socks *owner;	/* DGRAM: for the stack's call back */
};

struct watch {
	uint32_t sock, set;	/* places; SOCK_NONE: free */
	uint32_t sock_next, sock_prev;
	uint32_t set_next, set_prev;
	uint32_t ready_next, ready_prev;
	uint32_t events;	/* EPOLL* that are asked for, and flags */
	bool queued;		/* on the set's ready list */
	bool off;		/* one-shot, and told */
	uint64_t data;
};

struct socks {
	struct socks_conf conf;
	struct net *n;
	struct sock *sock;
	struct watch *watch;
	uint32_t free_head, free_tail; /* sockets, oldest first */
	uint32_t watch_free;
	uint32_t bound;		/* list of sockets with SF_BOUND */
	uint64_t refused;
	uint8_t bounce[DGRAM_ROOM]; /* a datagram of several pieces */
};

/* What the record of a connection says of its socket; see conn_state(). */
struct sock_state {
	struct conn_opts opts;	/* first: net_conf.conn_opts */
	uint32_t sock;		/* 1 + place; 0: none */
	uint32_t pad;
};

_Static_assert(sizeof(struct sock_state) == SOCK_STATE, "as sock.h says");

static inline int
sock_handle(const struct socks *s, const struct sock *k)
{
	return (int)((uint32_t)k->gen << 20 | ((uint32_t)(k - s->sock) + 1));
}

static inline uint32_t
sock_place(const struct socks *s, const struct sock *k)
{
	return (uint32_t)(k - s->sock);
}

/* ---- sock.c ---- */
/* The socket or set of a handle, or NULL. */
struct sock *sock_get(const struct socks *s, int h);
/* A free place, in SK_NEW; NULL: none. */
struct sock *sock_take(struct socks *s);
/* Put a place back. */
void	sock_drop(struct socks *s, struct sock *k);
/* The record is new and in hands: it is this socket's. */
void	sock_adorn(struct socks *s, struct sock *k, struct conn *c);

/* ---- sock_end.c ---- */
void	sock_end(struct socks *s, struct sock *k, bool abort_it);

/* ---- sock_io.c ---- */
/* In the connection's bracket: is there room to write? Else ask for it. */
void	sock_room(struct socks *s, struct sock *k, struct conn *c,
	    bool was_short);

/* ---- poll.c ---- */
/* Something of EPOLL* bits has changed. */
void	poll_wake(struct socks *s, const struct sock *k, uint32_t bits);
/* The socket is closed. */
void	poll_forget(struct socks *s, struct sock *k);
/* The set is closed. */
void	poll_end(struct socks *s, struct sock *set);
void	poll_init(struct socks *s);
/* EPOLL* bits that hold now. */
uint32_t poll_bits(struct socks *s, const struct sock *k);

/* ---- sock_udp.c: the same calls for datagram sockets ---- */
int	dgram_open(struct socks *s, struct sock *k);
int	dgram_bind(struct socks *s, struct sock *k, const struct net_addr *a);
int	dgram_connect(struct socks *s, struct sock *k,
	    const struct net_addr *a);
int64_t	dgram_recv(struct socks *s, struct sock *k, const struct iovec *iov,
	    uint32_t cnt, int flags, struct net_addr *from);
int64_t	dgram_send(struct socks *s, struct sock *k, const struct iovec *iov,
	    uint32_t cnt, const struct net_addr *to);
uint32_t dgram_bits(struct socks *s, const struct sock *k);
int64_t	dgram_readable(struct socks *s, struct sock *k);
/* Ask the stack for the local address. */
void	dgram_name(struct socks *s, struct sock *k);
/* Take the pending error. */
int	dgram_error(struct socks *s, struct sock *k);
void	dgram_close(struct socks *s, struct sock *k);

#endif
