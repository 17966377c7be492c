/*
 * proc: processes of an instance, found in /proc and not only on the board,
 * so that a lost or half-made board hides none of them.
 */
#ifndef STARFISH_PROC_H
#define STARFISH_PROC_H

#include <stdint.h>
#include <sys/types.h>

#define PROC_MAX	64u	/* most processes that are looked for */

struct proc {
	pid_t pid;
	int pidfd;
	uint8_t worker;		/* else the primary, or a child of it */
};

/*
 * The living primary and workers of the instance of this name, whose runtime
 * directory is dir: programs of ours that write to a log there, and whoever is
 * on its board. How many; each p[i].pidfd is to be closed, see proc_close().
 */
uint32_t proc_find(const char *name, const char *dir,
	    struct proc p[PROC_MAX]);

void	proc_close(struct proc p[], uint32_t n);

/*
 * End them in order: workers, then the rest; SIGTERM, and after a while
 * SIGKILL. Returns once all are dead.
 */
void	proc_end(struct proc p[], uint32_t n);

#endif
