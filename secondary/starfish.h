/*
 * <starfish.h>: sockets and epoll for programs with a loop of their own.
 *
 * Calls are shaped like POSIX's and Linux's: what differs is said with each,
 * and in docs/porting.md. On failure they return -1 and set errno. Addresses
 * are struct sockaddr_in and sockaddr_in6; flags, options and events have
 * the system's names and values.
 *
 * The program is a worker: one thread (which sf_init() pins to a cpu), one
 * slot of an instance, one stack. It is started by `starfish up` from a
 * worker entry
 *
 *	{ name = "mine"; service = "program"; listen = [ "*:7" ];
 *	  program = { path = "/usr/local/bin/mine"; args = [ "-v" ]; }; }
 *
 * whose `listen` says which ports are steered to it: listening elsewhere
 * brings nothing. TCP and, as "udp:*:53", UDP.
 *
 * The stack works while the program is inside of sf_epoll_wait(), sf_poll(),
 * sf_turn() or a call that blocks; there packets are received, sent and
 * acknowledged, timers run, and the heart beats. Other calls only read and
 * queue, and make no system call. The program must come back within hang_ms
 * of the configuration: then it counts as hung, is killed and started again.
 * sf_turn() in the midst of long work prevents that.
 *
 * A program's sockets die with it: whoever is started in its place resets
 * its connections, so that no peer hangs. (Services in secondary/svc survive.)
 *
 * Before sf_init() and after sf_fini() all of them fail: EBADF where they take
 * a descriptor, else EINVAL (sf_file(): ENOENT). NULL for what must be there
 * is EFAULT.
 *
 * All calls are made by the thread that called sf_init(). After fork() the
 * child may make none of them, but for exec.
 *
 * What the process needs: root, or the right to map the instance's hugepages
 * and runtime directory. It is not confined as starfish-worker is
 * (docs/security.md): a program knows best which system calls it wants. After
 * sf_init() it may give up root; to keep receiving from a tap port it needs
 * no capability.
 *
 * Link with what `pkg-config --libs starfish` says.
 */
#ifndef STARFISH_H
#define STARFISH_H

#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- joining and leaving ---- */

/* Where to join. 0 or NULL in a member: as the supervisor says in the
 * environment, else what is said here. */
struct sf_conf {
	const char *name;	/* instance; else the only one that runs */
	const char *file;	/* configuration; else the instance's copy */
	int slot;		/* 1 + slot; else a free one for programs */
};

/*
 * Join the instance: wait until it is ready, attach to its memory, sit down
 * in a slot. Connections of a program that died there are reset. c may be
 * NULL. Takes SIGTERM and SIGINT, where they have their default action, for
 * the wish to end (sf_stopping()), ignores SIGPIPE, and calls sf_fini() at
 * exit. Once per process, before other threads are started.
 *
 * 0, or -1 with lines on stderr that say why: EBUSY no slot is free, ENOENT
 * no such instance, ESTALE it is of another build than this library, ETIMEDOUT
 * it does not get ready, EINVAL the slot is not for programs, EINTR a signal
 * asked to end, EALREADY it was called before, and others.
 *
 * `starfish up` counts the slot as served from the first time that the program
 * waits or turns, by when it should listen: start_timeout_ms after its start
 * at the latest.
 */
int	sf_init(const struct sf_conf *c);

/*
 * Close all sockets, as the kernel does at the end of a process: give what is
 * queued 2 seconds to be delivered, then leave.
 */
void	sf_fini(void);

/* Whether the program is asked to end: by signal or `starfish down`. Calls
 * that wait return EINTR then. */
int	sf_stopping(void);

/* Number of the slot; -1 (EINVAL) unless sf_init() has succeeded. */
int	sf_slot(void);

/* ---- turns and time ---- */

/*
 * One turn of the stack: receive, timers, send. Never sleeps. Returns 1 if
 * there was, or still is, work; 0.
 */
int	sf_turn(void);

/* The time of the last turn, CLOCK_MONOTONIC in microseconds, without a
 * system call. */
uint64_t sf_now_us(void);

/*
 * While this descriptor of the kernel's is readable, sf_epoll_wait() and
 * sf_poll() do not sleep and return early, with 0 if nothing else is ready:
 * the program then looks at it, with poll(2) or read(2). off: 1 to take it
 * out again, before it is closed. EBADF, EPERM as epoll_ctl(2).
 */
int	sf_wake(int kernel_fd, int off);

/* ---- sockets ---- */

/*
 * Descriptors are positive, of their own kind: the kernel does not know them,
 * nor do these calls know the kernel's. A closed one stays EBADF for long.
 */

/* domain AF_INET or AF_INET6; type SOCK_STREAM or SOCK_DGRAM, with
 * SOCK_NONBLOCK and SOCK_CLOEXEC (no meaning). EMFILE. */
int	sf_socket(int domain, int type, int protocol);
int	sf_bind(int s, const struct sockaddr *a, socklen_t len);
/* backlog bounds half-open connections (beyond: SYN cookies) and the queue
 * of those not accepted. */
int	sf_listen(int s, int backlog);
int	sf_accept(int s, struct sockaddr *a, socklen_t *len);
/* flags: SOCK_NONBLOCK, SOCK_CLOEXEC. The accepted socket blocks without. */
int	sf_accept4(int s, struct sockaddr *a, socklen_t *len, int flags);
/* Non-blocking: EINPROGRESS, then EPOLLOUT, then SO_ERROR. After a failure
 * the socket can be connected anew. */
int	sf_connect(int s, const struct sockaddr *a, socklen_t len);
int	sf_shutdown(int s, int how);
/* Also of sets. What is queued is still sent, in the background. */
int	sf_close(int s);

/* flags: MSG_PEEK, MSG_DONTWAIT; with datagrams MSG_TRUNC. Others are
 * EOPNOTSUPP. */
ssize_t	sf_read(int s, void *buf, size_t len);
ssize_t	sf_readv(int s, const struct iovec *iov, int cnt);
ssize_t	sf_recv(int s, void *buf, size_t len, int flags);
ssize_t	sf_recvfrom(int s, void *buf, size_t len, int flags,
	    struct sockaddr *from, socklen_t *fromlen);
ssize_t	sf_recvmsg(int s, struct msghdr *m, int flags);

/* A copy is queued. flags: MSG_DONTWAIT, MSG_NOSIGNAL (always so: EPIPE comes
 * without a signal). A blocking call queues all of it. */
ssize_t	sf_write(int s, const void *buf, size_t len);
ssize_t	sf_writev(int s, const struct iovec *iov, int cnt);
ssize_t	sf_send(int s, const void *buf, size_t len, int flags);
ssize_t	sf_sendto(int s, const void *buf, size_t len, int flags,
	    const struct sockaddr *to, socklen_t tolen);
ssize_t	sf_sendmsg(int s, const struct msghdr *m, int flags);

/*
 * Files without copies: the file of this path below program.root, loaded when
 * the instance started. Its first byte and *len, or NULL: ENOENT. It stays
 * until the end.
 */
const void *sf_file(const char *path, size_t *len);

/*
 * Queue len bytes at mem, a part of what sf_file() gave, without copying; all
 * of it, SO_SNDBUF does not bound it. Returns len; EAGAIN (never when
 * blocking), EFAULT it is no part of a file.
 */
ssize_t	sf_send_file(int s, const void *mem, size_t len);

/* SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 as docs/embedding.md
 * lists them, and SO_RCVTIMEO, SO_SNDTIMEO. Others: ENOPROTOOPT. */
int	sf_setsockopt(int s, int level, int name, const void *val,
	    socklen_t len);
int	sf_getsockopt(int s, int level, int name, void *val, socklen_t *len);
int	sf_getsockname(int s, struct sockaddr *a, socklen_t *len);
int	sf_getpeername(int s, struct sockaddr *a, socklen_t *len);

/* cmd: F_GETFL (O_RDWR and perhaps O_NONBLOCK), F_SETFL (O_NONBLOCK counts),
 * F_GETFD and F_SETFD (no meaning). EINVAL. */
int	sf_fcntl(int s, int cmd, ... /* int arg */);
/* FIONBIO, FIONREAD, SIOCOUTQ, each with an int *. EINVAL. */
int	sf_ioctl(int s, unsigned long req, int *arg);

/* ---- readiness ---- */

/*
 * EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP; level-triggered, EPOLLET,
 * EPOLLONESHOT. A set holds sockets of this header only, and no set.
 */
int	sf_epoll_create(int size);
int	sf_epoll_create1(int flags);
int	sf_epoll_ctl(int set, int op, int s, struct epoll_event *ev);
/*
 * Turns the stack at least once, then sleeps when there is nothing to do. ms:
 * 0 does not wait, -1 for ever. EINTR: sf_stopping().
 */
int	sf_epoll_wait(int set, struct epoll_event *ev, int max, int ms);

/* The same for pollfd with sockets of this header; fd < 0 is left out. */
int	sf_poll(struct pollfd *p, nfds_t n, int ms);

#ifdef __cplusplus
}
#endif

#endif
