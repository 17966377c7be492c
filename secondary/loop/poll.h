/*
 * poll: readiness sets, shaped like epoll.
 *
 * A set lists sockets with the events one waits for: EPOLLIN, EPOLLOUT,
 * EPOLLRDHUP; EPOLLERR and EPOLLHUP always. Level-triggered, or with EPOLLET
 * told once per change (the arrival of bytes, room after there was none), or
 * with EPOLLONESHOT told once until EPOLL_CTL_MOD. data is handed back
 * untouched. A socket may be in several sets; closing it takes it out of them.
 * Sets do not nest, and other flags are -EINVAL.
 */
#ifndef LOOP_POLL_H
#define LOOP_POLL_H

#include "sock.h"

/* A new set; its handle is closed with sock_close(). -EMFILE. */
int	poll_open(struct socks *s);

/*
 * op: EPOLL_CTL_ADD, _MOD or _DEL. ev is not read for _DEL. -EBADF, -EINVAL,
 * -EEXIST, -ENOENT, -ENOSPC no watch is free.
 */
int	poll_ctl(struct socks *s, int set, int op, int h,
	    const struct epoll_event *ev);

/*
 * What is ready: up to max events into ev; returns how many, 0 too. Never
 * waits. Those ready take turns. -EBADF, -EINVAL.
 */
int	poll_wait(struct socks *s, int set, struct epoll_event *ev,
	    uint32_t max);

/* Whether poll_wait() may have something; cheap. */
bool	poll_pending(const struct socks *s, int set);

#endif
