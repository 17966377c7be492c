/* udp_priv: between udp.c (sockets) and udp_io.c (datagrams). */
#ifndef NET_UDP_PRIV_H
#define NET_UDP_PRIV_H

#include "base.h"
#include "udp.h"

/*
 * What is known of a datagram that waits. It lies in its first frame before
 * the payload, where the packet's headers were.
 */
struct udp_head {
	struct net_addr from;
	uint32_t len;		/* payload bytes in all */
	uint16_t frames;	/* that it takes, linked by next */
	uint16_t pad;
};

_Static_assert(sizeof(struct udp_head) <= ETH_HLEN + IP4_HLEN + UDP_HLEN,
    "the headers' room is enough");

/* The socket of a handle, or NULL. */
struct udp_sock *udp_at(const struct net *n, int s);
int	udp_handle(const struct net *n, const struct udp_sock *u);
/* The socket that datagrams of this flow go to, or NULL. */
struct udp_sock *udp_find(struct net *n, const struct tuple *t);
/* Take the first datagram off the queue and free it. */
void	udp_next(struct net *n, struct udp_sock *u);
/* Flow from a socket to an address, with route and source. 0, -EINVAL,
 * -ENETUNREACH. */
int	udp_flow(const struct net *n, const struct udp_sock *u,
	    const struct net_addr *to, struct tuple *t);
/* Take the pending error. */
int	udp_take_error(struct udp_sock *u);

static inline void
udp_head_at(const struct pkt *p, struct udp_head *h)
{
	memcpy(h, (const uint8_t *)p + p->poff - sizeof(*h), sizeof(*h));
}

#endif
