/*
 * child: starting a program of ours, and learning that it ended.
 */
#ifndef STARFISH_CHILD_H
#define STARFISH_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t pid;		/* 0: none */
	int pidfd;		/* -1: none */
	int nice;		/* priority that it starts with */
};

/* How a child ended, as waitid(2) says. */
struct child_end {
	int code;		/* CLD_EXITED, CLD_KILLED, CLD_DUMPED; or
				   CHILD_UNKNOWN: it was not our child */
	int value;		/* exit status or signal */
};

#define CHILD_UNKNOWN	0	/* no CLD_* is 0 */

/*
 * Hold the file of a program open, a path or the name of one that lies beside
 * this one. A descriptor or -1. Names may come to be those of other files
 * while an instance runs, as when a package is upgraded; who is started in a
 * dead one's place has to be of the build that the memory is of.
 */
int	child_hold(const char *program);

/*
 * Start argv[0], as above, in a session of its own: what is held of it, or,
 * with -1, what has the name now. Its priority is c->nice; one below 0 takes a
 * right, without which it is 0. Standard output and error go to the end of
 * the file log. It inherits no descriptor but notify_fd. 0 or -errno.
 */
int	child_spawn_held(struct child *c, int held, char *const argv[],
	    const char *log, int notify_fd);

/* The same for a program that may lie anywhere and is not held, with these
 * "NAME=value" in its environment. */
int	child_spawn_env(struct child *c, char *const argv[],
	    char *const env[], const char *log, int notify_fd);

/*
 * Fetch the end of a process: 0; its pidfd is closed and -1, its pid stays
 * for the record. -EAGAIN it lives. Of one that is not our child only the
 * fact is known, not how. One that is stays a zombie until child_bury(): the
 * kernel may take 50 ms to tidy up after it, and somebody is to be replaced
 * first.
 */
int	child_reap(struct child *c, struct child_end *end);

/* Let go of a child whose end was fetched. */
void	child_bury(pid_t pid);

/* Send a signal; nothing happens to one that is gone. */
void	child_kill(const struct child *c, int sig);

/* Print the last lines of a log to stderr, indented. */
void	child_log_tail(const char *log);

#endif
