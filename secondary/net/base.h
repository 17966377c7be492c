/*
 * base: what the files of the base (all of secondary/net but TCP) use of each
 * other, beside net_priv.h.
 */
#ifndef NET_BASE_H
#define NET_BASE_H

#include "net_priv.h"
#include "wire.h"

#define US_PER_S	UINT64_C(1000000)

/* ---- neigh.c ---- */

/* Forget everything learned; the index is empty, all records are free. */
void	neigh_init(struct net *n);
/* Take USED records of the arena into index and wheel, after neigh_init(). */
void	neigh_adopt(struct net *n);
/* Entry of an address on a port, or NULL. */
struct neigh *neigh_find(struct net *n, uint8_t port, const uint8_t addr[16]);
/* The address has this link address now. make: also if it is new. Sends what
 * waited for it. Returns whether something new was learned. */
bool	neigh_learn(struct net *n, uint8_t port, const uint8_t addr[16],
	    const uint8_t mac[6], bool make);
/* Fill in the link address and queue the frame, or hold it until there is
 * one. Takes p, whose link header is in place but for the destination. */
void	neigh_send(struct net *n, struct pkt *p, const uint8_t addr[16]);
/* Deadline of neighbour record id. */
void	neigh_timer(struct net *n, uint32_t id);

/* ---- arp.c ---- */
void	arp_input(struct net *n, struct pkt *p);
/* Learn the sender, no reply. Takes p. */
void	arp_learn(struct net *n, struct pkt *p);
/* Ask for an address; mac: the one to be confirmed, NULL: ask everybody. */
void	arp_ask(struct net *n, uint8_t port, uint32_t addr_be,
	    const uint8_t *mac);
/* Announce our addresses on all ports, RFC 5227 (2.3). */
void	arp_announce(struct net *n);

/* ---- ip4.c, icmp.c ---- */
void	ip4_input(struct net *n, struct pkt *p);
/* p->off is the ICMP header; ip its IPv4 header. Takes p. */
void	icmp_input(struct net *n, struct pkt *p, uint8_t *ip, bool bcast);
/* Port unreachable in answer to this packet, rate-limited. Takes p, whose
 * off is the IPv4 header. */
void	icmp_unreachable(struct net *n, struct pkt *p, uint8_t code);
/* Whether an address in network order is ours on a port. */
bool	ip4_ours(const struct net_port *np, uint32_t addr_be);
/* Limited or directed broadcast of a port. */
bool	ip4_broadcast(const struct net_port *np, uint32_t addr_be);

/* ---- ip_out.c ---- */

/* Put a finished frame into out: marks it. False: out is full; p is freed
 * and counted. */
bool	frame_send(struct net *n, struct pkt *p);
/* Write a link header before the packet; the destination stays open. */
uint8_t	*ether_header(struct net *n, struct pkt *p, uint16_t type);

/* Take a token; rate per second, at most burst saved up. */
bool	bucket_take(struct bucket *b, uint64_t now_us, uint32_t rate,
	    uint32_t burst);

/* ---- net.c, net_conf.c ---- */
/* Fill the process's part of n: settings, pointers, keys, empty lists. */
int	net_setup(struct net *n, const struct net_conf *c,
	    const struct net_env *env, struct arena *a, uint64_t now_us);
/* One received frame. Takes p. */
void	net_frame(struct net *n, struct pkt *p);
int	net_conf_check(const struct net_conf *c);

#endif
