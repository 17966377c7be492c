/*
 * sf_priv: inside of <starfish.h>, for secondary/sf*.c only.
 */
#ifndef SECONDARY_SF_PRIV_H
#define SECONDARY_SF_PRIV_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "loop/poll.h"
#include "loop/sock.h"
#include "seat.h"
#include "starfish.h"

/* What POSIX knows of a socket and the sockets below do not; by place. */
struct sf_sock {
	uint8_t nonblock;	/* O_NONBLOCK */
	uint8_t six;		/* AF_INET6: addresses are sockaddr_in6 */
	uint16_t pad;
	uint32_t rcv_ms, snd_ms; /* SO_RCVTIMEO, SO_SNDTIMEO; 0: none */
};

struct sf {
	bool tried, up, serving;
	struct io io;
	struct seat_args args;
	struct service service;	/* what the stack's events go to */
	struct socks *socks;
	struct sf_sock *sock;	/* by sock_index() */
	uint64_t longest_us;	/* no sleep is longer */
	int wake_ep;		/* epoll set of sf_wake(); -1: none */
	uint32_t nwake;		/* descriptors in it */
};

extern struct sf sf;

/* A turn; whether there was, or is, work. */
bool	sf_step(void);

/* Nothing is to be done: sleep until something comes, at most until then. */
void	sf_rest(uint64_t until_us);

/* Whether a descriptor of sf_wake() is readable. */
bool	sf_woken(void);

/* The end of a wait of ms from now on; < 0: never. */
uint64_t sf_until(int64_t ms);

/* A call that would block, made again until it does not. */
struct sf_wait {
	bool more;		/* the last turn had work */
	uint64_t until;
};

static inline struct sf_wait
sf_wait_begin(uint32_t ms)
{
	return (struct sf_wait){ .more = true,
	    .until = ms == 0 ? UINT64_MAX : sf_until(ms) };
}

/* Turn, after a rest if there was nothing to do. 0; -EINTR; -EAGAIN: the time
 * is over. */
static inline int
sf_wait_turn(struct sf_wait *w)
{
	if (sf.io.stop)
		return -EINTR;
	if (sf.io.now >= w->until)
		return -EAGAIN;
	if (!w->more)
		sf_rest(w->until);
	w->more = sf_step();
	return 0;
}

/* An address of the caller's. 0; -EFAULT, -EINVAL, -EAFNOSUPPORT. */
int	sf_addr_in(const struct sockaddr *sa, socklen_t len,
	    struct net_addr *a);

/* An address for the caller: as much as there is room for, and the true
 * length, as POSIX has it. */
void	sf_addr_out(const struct net_addr *a, bool six, struct sockaddr *sa,
	    socklen_t *len);

/* r >= 0, or -1 and errno from -errno. */
static inline int64_t
sf_end(int64_t r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* The entry of a descriptor; NULL: it is none of ours. */
static inline struct sf_sock *
sf_get(int s)
{
	if (!sf.up || s <= 0 || sock_index(s) >= SOCKS_MAX)
		return NULL;
	return &sf.sock[sock_index(s)];
}

#endif
