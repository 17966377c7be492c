/*
 * wget: the load client as a command. Options come from the service's table;
 * the work is done by workers of a running instance that rest, or of one that
 * is made for it and goes when it is done.
 */
#ifndef STARFISH_WGET_H
#define STARFISH_WGET_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../../common/board.h"
#include "../../common/opt.h"
#include "../../secondary/proto/load.h"

#define WGET_WORKERS	4u	/* most: queues of a tap interface */
#define WGET_BAD	2	/* exit status: it could not be run */

struct wget_args {
	const struct optgroup *table;	/* of the service */
	_Alignas(8) uint8_t conf[LOAD_CONF]; /* its struct, filled */
	uint64_t given;		/* bit i: option i of the table was given */
	const char *name;	/* -n; NULL: see wget_place() */
	uint32_t workers;
	uint8_t json, help;
};

/* Where the work is done. */
struct wget_place {
	char name[BOARD_NAME];	/* the instance */
	uint8_t ours;		/* it was made for this */
	uint32_t n;		/* workers */
	uint32_t slot[BOARD_SLOTS];
	/* ours: */
	pid_t pid;		/* its supervisor; 0: none */
	char dir[64];		/* for its configuration and output */
	char dev[16], out_dev[16]; /* the tap; the way to the target, "" */
	char forwarded;		/* out_dev's setting as it was; 0: not set */
};

/* ---- wget_args.c ---- */

/* Read what follows `starfish wget`. 0, or -EINVAL with what is wrong and
 * allowed in err. */
int	wget_args(struct wget_args *a, int argc, char *const argv[],
	    char *err, size_t errlen);

/* Value of an option of the service. */
int64_t	wget_int(const struct wget_args *a, const char *name);
char	*wget_string(struct wget_args *a, const char *name);

/* Write the options as the group `wget = { ... }` of a configuration. */
void	wget_write(const struct wget_args *a, FILE *f);

void	wget_help(FILE *out);

/* ---- wget_inst.c ---- */

/*
 * Find an instance with workers at rest, or make one. addr is what is to be
 * reached; a loopback address becomes the tap's other end. 0, or -errno said
 * why; wget_leave() in both cases.
 */
int	wget_place(struct wget_place *w, struct wget_args *a,
	    const char *addr);

/* The way to addr is open from now on, as far as it is ours to open. */
void	wget_route(struct wget_place *w, const char *addr);

/* Whether the instance is still there; says what one that was made said, if
 * not. */
int	wget_alive(struct wget_place *w);

/* End it, leave nothing. */
void	wget_leave(struct wget_place *w);

/* ---- wget_desk.c ---- */

struct wget_desks {
	struct load_desk *desk[BOARD_SLOTS]; /* NULL: not there yet */
	int fd[BOARD_SLOTS];	/* locked; -1 */
	int bell[BOARD_SLOTS];
	uint32_t run[BOARD_SLOTS]; /* the run that we gave or found */
	uint32_t n;
	struct load_totals sum;	/* of all, at the last look */
};

/* Open those that are there. -EAGAIN: some are not; -EBUSY: another one
 * gives orders; -errno said why. */
int	wget_desks(struct wget_desks *d, const struct wget_place *w);

/* Give the orders. */
void	wget_order(struct wget_desks *d, const struct wget_args *a);

/* Let all begin at the same moment, or end. */
void	wget_go(struct wget_desks *d);
void	wget_stop(struct wget_desks *d);

/* Add all up. Returns the least state that any is in; LOAD_REFUSES wins. */
enum load_state wget_look(struct wget_desks *d);

/* Why a worker refuses. */
const char *wget_why(const struct wget_desks *d);

void	wget_desks_close(struct wget_desks *d);

#endif
