/*
 * udp: datagrams, RFC 768 over IPv4 and IPv6.
 *
 * For what needs a datagram or two (DNS, health probes), not for bulk.
 * Sockets and what waits in them are the process's own: whoever adopts the
 * slot opens his own. All calls are non-blocking; none may come from within
 * ready().
 *
 * A socket belongs to this slot. Where several slots share a port, datagrams
 * to a source port that udp_bind() chose come to this slot; those to a port
 * that was named go to the slot that their flow's hash names.
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

#define UDP_MAX	65507u	/* most bytes of a datagram over IPv4 */

/*
 * A socket, as a handle that is never negative and not used again soon.
 * ready (NULL: none) is called, from within net_input(), when a datagram or
 * an error has come; it only notes that. -ENFILE: all are in use.
 */
int	udp_open(struct net *n, void (*ready)(void *arg, int s), void *arg);

/* Frees what waits. -EBADF. */
int	udp_close(struct net *n, int s);

/*
 * Give it a local end. family 0: any address of any family; port 0: the stack
 * chooses. 0; -EBADF; -EINVAL it has one, or the family is none;
 * -EADDRNOTAVAIL the address is not ours, or no port is free; -EADDRINUSE.
 */
int	udp_bind(struct net *n, int s, const struct net_addr *local);

/*
 * Talk to remote alone: others are not heard, errors are reported. Binds it if
 * need be. family 0: talk to all again. 0; -EBADF; -EINVAL; -ENETUNREACH;
 * those of udp_bind().
 */
int	udp_connect(struct net *n, int s, const struct net_addr *remote);

/*
 * Send len bytes to `to` (NULL: where it is connected to); queued in net_out()
 * when this returns. Longer than the path's MTU: in fragments. Returns len;
 * -EBADF; -EDESTADDRREQ; -EISCONN both were given; -EMSGSIZE; -EAGAIN the
 * queue is full; -ENOBUFS no frame; -ENETUNREACH; -EINVAL; or the error that
 * waits (as udp_error()).
 */
int	udp_sendto(struct net *n, int s, const void *buf, uint32_t len,
	    const struct net_addr *to);

/*
 * The next datagram: up to len bytes of it to buf, its sender to from (NULL:
 * not wanted). peek: it stays. Returns its whole length, which may be more
 * than len: the rest is lost then. -EAGAIN none; -EBADF; or the error that
 * waits.
 */
int	udp_recvfrom(struct net *n, int s, void *buf, uint32_t len,
	    struct net_addr *from, bool peek);

/* Datagrams that wait, and 1 more for an error; -EBADF. */
int	udp_pending(const struct net *n, int s);

/* The error that waits, which is taken: -ECONNREFUSED, -EHOSTUNREACH,
 * -EMSGSIZE; 0 none; -EBADF. */
int	udp_error(struct net *n, int s);

/* Its ends; family and port are 0 where there is none. 0; -EBADF. */
int	udp_local(const struct net *n, int s, struct net_addr *a);
int	udp_remote(const struct net *n, int s, struct net_addr *a);

#endif
