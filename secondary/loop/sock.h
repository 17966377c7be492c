/*
 * sock: POSIX-shaped sockets over one instance of the stack.
 *
 * All calls are non-blocking and return a value >= 0 or -errno. They are made
 * between two turns of the instance (net.h), by the thread that runs it; what
 * they make necessary to send is put into net_out() by the next net_output()
 * or net_turn(). The time is that of the instance's last turn.
 *
 * This layer is the consumer of the instance's events: net_env.event is
 * socks_event, net_env.arg the struct socks. Its memory is the caller's and
 * belongs to the process; who adopts the arena of one that died resets its
 * connections: socks_adopt().
 *
 * A handle is a small integer: 20 bits name the place, 11 bits count its uses,
 * so that a closed handle is -EBADF and not somebody else's socket. Places
 * are used in turn. sock_index() gives the place, for tables of the caller's.
 *
 * What differs from POSIX is said with each call; whatever is not supported
 * returns -ENOPROTOOPT or -EOPNOTSUPP.
 */
#ifndef LOOP_SOCK_H
#define LOOP_SOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>		/* EPOLL*, struct epoll_event: values only */
#include <sys/socket.h>		/* SOL_*, SO_*, MSG_*, SHUT_*: values only */
#include <sys/uio.h>		/* struct iovec */

#include "../net/conn.h"
#include "../net/net.h"

#define SOCKS_MAX	((1u << 20) - 2)
#define SOCK_STATE	((uint32_t)sizeof(struct conn_opts) + 8) /* bytes of
				   state in each connection */

struct socks;

struct socks_conf {
	uint32_t socks;		/* most sockets and readiness sets; those in
				   accept queues count; 1 to SOCKS_MAX */
	uint32_t watches;	/* most pairs of set and socket; 0 to 2^24 */
};

/* Make c fit for sockets: options per connection, state of the size they
 * need. Before net_create(). */
void	socks_net_conf(struct net_conf *c);

/* Bytes of a struct socks with this shape; 0: out of range. */
size_t	socks_size(const struct socks_conf *c);

/*
 * Make one in s: socks_size() bytes, 16-byte aligned. n may be created after
 * this (its env names s), but before the first socket. 0, -EINVAL.
 */
int	socks_init(struct socks *s, const struct socks_conf *c, struct net *n);

/* After net_adopt() and net_replay(): reset the connections of the process
 * that died. */
void	socks_adopt(struct socks *s);

/* Close all sockets and sets, as the end of a process does. */
void	socks_close(struct socks *s);

/* net_env.event; arg is the struct socks. */
void	socks_event(void *arg, struct conn *c, uint32_t events);

/* Connections refused because no place was free, since socks_init(). */
uint64_t socks_refused(const struct socks *s);

/* Whether h names a socket or set that is not closed. */
bool	sock_is(const struct socks *s, int h);

/* The place of a handle: 0 to conf.socks - 1. */
uint32_t sock_index(int h);

/*
 * A new socket. family 4 or 6 (of its addresses), type SOCK_STREAM or
 * SOCK_DGRAM. Returns the handle; -EAFNOSUPPORT, -EPROTONOSUPPORT, -EMFILE.
 */
int	sock_open(struct socks *s, uint8_t family, int type);

/*
 * Give it a local address (family 0 or all zero: any of its family; an IPv6
 * socket hears IPv4 too then, unless IPV6_V6ONLY) and port (0: chosen in
 * connect or listen). -EINVAL it has one, -EAFNOSUPPORT, -EADDRNOTAVAIL not
 * ours, -EADDRINUSE another socket has it: both with SO_REUSEADDR and neither
 * listening is allowed. Connections and TIME_WAIT never stand in the way.
 */
int	sock_bind(struct socks *s, int h, const struct net_addr *a);

/*
 * Accept connections; again: change the backlog. backlog (1 to 65,535, others
 * are cut to it) bounds both the half-open connections, beyond which SYN
 * cookies are sent, and the queue of sock_accept(): while that is full, SYNs
 * and last ACKs are dropped. It can be exceeded by the connections of one
 * net_input(). -EADDRINUSE, -ENOSPC, -EINVAL it is connected,
 * -EOPNOTSUPP a datagram socket.
 */
int	sock_listen(struct socks *s, int h, int backlog);

/* The next connection; peer may be NULL. It inherits the options. -EAGAIN;
 * -EINVAL it does not listen. */
int	sock_accept(struct socks *s, int h, struct net_addr *peer);

/*
 * Open a connection: -EINPROGRESS always, then EPOLLOUT and SO_ERROR tell how
 * it ended. Again: -EALREADY, -EISCONN, or why it failed; after that
 * it can be tried anew. -EADDRNOTAVAIL, -ENETUNREACH, -ENOBUFS, -EINVAL,
 * -EAFNOSUPPORT, -EOPNOTSUPP it listens. A datagram socket: 0.
 */
int	sock_connect(struct socks *s, int h, const struct net_addr *a);

/*
 * Receive into cnt pieces; flags: MSG_PEEK, MSG_DONTWAIT (always so),
 * MSG_TRUNC with datagrams (returns the whole length). Returns the bytes; 0:
 * the end (stream). What came before a reset can be read, then the error is
 * returned once. -EAGAIN, -ENOTCONN, -EOPNOTSUPP another flag.
 */
int64_t	sock_recv(struct socks *s, int h, const struct iovec *iov,
	    uint32_t cnt, int flags);

/*
 * Queue copies of cnt pieces; returns the bytes taken, perhaps fewer than
 * asked. flags: MSG_DONTWAIT and MSG_NOSIGNAL (always so), MSG_MORE (stream:
 * conn_more()). -EAGAIN, -EPIPE (no signal), -ENOTCONN, -EMSGSIZE (datagram),
 * -EOPNOTSUPP another flag.
 */
int64_t	sock_send(struct socks *s, int h, const struct iovec *iov,
	    uint32_t cnt, int flags);

/*
 * Queue len bytes at mem without copying: memory or a file's range in the
 * instance's mapping (net_env.base), which must not change before sock_queued()
 * is 0 and net_tx_done() has passed the frames sent until then. All or
 * nothing; not limited by SO_SNDBUF, but EPOLLOUT waits until less is
 * queued. Returns len. -EAGAIN no chunk now, -EPIPE, -ENOTCONN.
 */
int64_t	sock_send_mem(struct socks *s, int h, const void *mem, uint64_t len);

/* Datagrams with an address: from may be NULL; to NULL: as connected. On a
 * stream the address is not used. */
int64_t	sock_recvfrom(struct socks *s, int h, const struct iovec *iov,
	    uint32_t cnt, int flags, struct net_addr *from);
int64_t	sock_sendto(struct socks *s, int h, const struct iovec *iov,
	    uint32_t cnt, int flags, const struct net_addr *to);

/*
 * how: SHUT_RD (what is there and still comes can be read, then the end
 * instead of -EAGAIN; the peer is not told, as in Linux), SHUT_WR (FIN behind
 * what is queued), SHUT_RDWR. -ENOTCONN, -EINVAL.
 */
int	sock_shutdown(struct socks *s, int h, int how);

/*
 * The handle is gone at once. A connection ends in the background: FIN behind
 * what is queued, RST if something is unread (RFC 9293 3.6.1) or SO_LINGER is
 * on with 0 seconds. A listener's queued connections are reset. -EBADF.
 */
int	sock_close(struct socks *s, int h);

/* The same with RST at once. */
int	sock_abort(struct socks *s, int h);

/*
 * Options, with POSIX's names, types and levels; see docs/embedding.md for the
 * list. -ENOPROTOOPT: not one of them; -EINVAL length or value. get: *len is
 * the room at val, and then what was written.
 */
int	sock_setsockopt(struct socks *s, int h, int level, int name,
	    const void *val, uint32_t len);
int	sock_getsockopt(struct socks *s, int h, int level, int name,
	    void *val, uint32_t *len);

/* Own and peer's address. -ENOTCONN there is none. */
int	sock_name(struct socks *s, int h, struct net_addr *a);
int	sock_peer(const struct socks *s, int h, struct net_addr *a);

/* Bytes that can be read; bytes queued and not acknowledged; of these, bytes
 * never sent (FIONREAD, SIOCOUTQ, SIOCOUTQNSD). -EBADF, -ENOTCONN. */
int64_t	sock_readable(struct socks *s, int h);
int64_t	sock_queued(struct socks *s, int h);
int64_t	sock_unsent(struct socks *s, int h);

/* How a connection goes; zero with state TCP_CLOSED when there is none any
 * more. -EBADF, -ENOTCONN there never was one. */
int	sock_info(struct socks *s, int h, struct conn_metrics *m);

/* EPOLL* bits that hold now. */
uint32_t sock_ready(struct socks *s, int h);

#endif
