/*
 * conn_opt: options of one connection, for tcp_*.c and conn*.c: what TCP asks
 * where its settings may be the connection's own.
 */
#ifndef NET_CONN_OPT_H
#define NET_CONN_OPT_H

#include "net_priv.h"

/* Its options, or NULL: net_conf's count. */
static inline struct conn_opts *
tcp_opts(const struct net *n, const struct conn *c)
{
	return n->conf.conn_opts ? (struct conn_opts *)(uintptr_t)(c + 1) :
	    NULL;
}

static inline uint8_t
tcp_tos(const struct net *n, const struct conn *c)
{
	return n->conf.conn_opts ? tcp_opts(n, c)->tos : 0;
}

/* Bytes that the send queue takes. */
static inline uint32_t
tcp_sndbuf(const struct net *n, const struct conn *c)
{
	if (n->conf.conn_opts && tcp_opts(n, c)->sndbuf != 0)
		return tcp_opts(n, c)->sndbuf;
	return n->conf.sndbuf;
}

/* Least of mss and what the connection's options allow. */
uint32_t tcp_maxseg(const struct net *n, const struct conn *c, uint32_t mss);
/* Idle time before the first keepalive probe, ms; 0: off. */
uint32_t tcp_keep_idle(const struct net *n, const struct conn *c);
/* The retransmission timer fires after rto_us. True: the user's timeout is
 * over. */
bool	tcp_user_over(struct net *n, struct conn *c, uint32_t rto_us);
/* Something was acknowledged. */
static inline void
tcp_user_progress(const struct net *n, struct conn *c)
{
	if (n->conf.conn_opts)
		tcp_opts(n, c)->stalled_ms = 0;
}
/* delay_us, or less if the user's timeout ends before it. */
uint64_t tcp_user_left(const struct net *n, const struct conn *c,
	    uint64_t delay_us);
static inline uint64_t
tcp_user_cut(const struct net *n, const struct conn *c, uint64_t delay_us)
{
	return n->conf.conn_opts ? tcp_user_left(n, c, delay_us) : delay_us;
}

#endif
