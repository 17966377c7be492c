/*
 * stack: the pure stack's settings from board and configuration, and the
 * service that runs on it.
 */
#ifndef SECONDARY_STACK_H
#define SECONDARY_STACK_H

#include "io/io.h"

/* Fill the stack's settings. */
void	stack_conf(struct io *io, struct net_conf *c,
	    const uint8_t secret[NET_SECRET]);

/* Fill what the stack needs of us. */
void	stack_env(struct io *io, struct net_env *env);

/* Whether this program has a service of that name. */
bool	stack_has(const char *service);

/* Start the service, then accept connections for it. 0 or -errno with a
 * line in the log. */
int	stack_start(struct io *io);

/* Accept no more connections. */
void	stack_refuse(struct io *io);

#endif
