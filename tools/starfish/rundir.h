/*
 * rundir: the runtime directory of an instance: who owns it, what is in it,
 * and how nothing of it is left.
 *
 *	conf		copy of the configuration, see conf_copy()
 *	board, bell-N	see common/
 *	ctl		control socket, see common/ctl.h
 *	conf.from	where that was copied from
 *	pid		the supervisor: "PID SINCE", SINCE in seconds since 1970
 *	hugepages	what was taken of the machine, see huge.h
 *	huge/		our own hugetlbfs, if there was none
 *	*.log		what the processes said
 */
#ifndef STARFISH_RUNDIR_H
#define STARFISH_RUNDIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../common/board.h"

#define RUNDIR_MAX	16u	/* most instances that a list holds */

struct rundir {
	char name[BOARD_NAME];
	char path[BOARD_PATH];
	int fd;			/* the directory; holds the lock; -1 */
};

/*
 * Make the directory if it is not there, and lock it: whoever holds the lock
 * is the instance's supervisor, or ends what one left. The lock goes with
 * the process. 0; -EBUSY a supervisor lives; else -errno.
 */
int	rundir_open(struct rundir *d, const char *name);

/* The same for a directory that must be there: -ENOENT. */
int	rundir_lock(struct rundir *d, const char *name);

/* Let go of the lock. */
void	rundir_close(struct rundir *d);

/* Path of a file in it. */
void	rundir_file(const struct rundir *d, const char *file, char *buf,
	    size_t len);

/* Write our pid and the time into it. 0 or -errno. */
int	rundir_sign(const struct rundir *d);

/* Remember, and tell, where the configuration came from: an absolute path. */
void	rundir_set_origin(const struct rundir *d, const char *file);
int	rundir_origin(const struct rundir *d, char *buf, size_t len);

/* "pid 12, since 2026-01-31 12:00:00" of the supervisor; "" unknown. */
void	rundir_who(const char *name, char *buf, size_t len);

/* Pid of the supervisor as it was written there; 0: none. */
pid_t	rundir_pid(const char *name);

/* Names of the directories there are, sorted; how many. */
uint32_t rundir_list(char names[RUNDIR_MAX][BOARD_NAME]);

/*
 * Lock that all supervisors of a user share while they count free hugepages:
 * held until the pages are in use. Waits for it. A descriptor to be closed,
 * or -errno.
 */
int	rundir_pages_lock(void);

/* From now on standard output and error go to up.log there; no terminal, no
 * working directory is held. */
void	rundir_detach(const struct rundir *d);

/*
 * Remove all that an instance left: files of its processes, its interfaces,
 * hugepage files, mounts, the board and the directory; give hugepages back.
 * Only with the lock held, and when no process of the instance lives; the
 * lock is let go. Returns the hugepages given back.
 */
uint64_t rundir_clean(struct rundir *d);

/* The same for what one generation left, but for the board and the
 * directory: the next one starts in it. */
void	rundir_clean_generation(const char *name);

/* Remove what DPDK keeps for a process that is dead: its sockets. */
void	rundir_clean_pid(const char *prefix, pid_t pid);

#endif
