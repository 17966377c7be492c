/*
 * tcp_mtu: path MTU by probes, RFC 4821, for tcp_*.c only. All run with the
 * connection in hands.
 */
#ifndef NET_TCP_MTU_H
#define NET_TCP_MTU_H

#include "tcp_priv.h"

/* A timeout, before the segments in flight are marked: are they too large? */
void	tcp_mtu_timeout(struct net *n, struct conn *c, struct tcp_ext *x);
/* Payload of a probe that may be sent now instead of a segment; 0: none. */
uint32_t tcp_mtu_next(const struct net *n, const struct conn *c,
	    const struct tcp_ext *x);
/* It was sent, up to snd_nxt. */
void	tcp_mtu_sent(struct net *n, struct conn *c, struct tcp_ext *x,
	    uint32_t len);
/* snd_una has moved. */
void	tcp_mtu_ack(struct net *n, struct conn *c, struct tcp_ext *x);
/* Something is lost; true: only the probe, and nobody is to be slowed down. */
bool	tcp_mtu_lost(struct net *n, struct conn *c, struct tcp_ext *x);

#endif
