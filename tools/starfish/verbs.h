/*
 * verbs: what the command line can ask for. Each returns the exit status.
 */
#ifndef STARFISH_VERBS_H
#define STARFISH_VERBS_H

#include "words.h"

int	verb_up(const struct request *rq);
int	verb_down(const struct request *rq);
/* End an instance, whose connections may take so long; 0: as usual. */
int	down_instance(const char *name, uint32_t ms);
int	verb_restart(const struct request *rq);	/* revive, too */
int	verb_audit(const struct request *rq);
int	verb_upgrade(const struct request *rq);
int	verb_renew(const struct request *rq);
/* Ask the supervisor of an instance, show what it answers; quiet: errors
 * only. Exit status. */
int	verb_tell(const char *name, const char *request, int quiet);
int	verb_reload(const struct request *rq);
/* Ask the supervisor of the instance that rq means, whose name is stored, and
 * show its answer. Exit status. */
int	verb_ask(const struct request *rq, const char *line,
	    char name[BOARD_NAME]);

/* moves.c */
int	verb_add(const struct request *rq);
int	verb_drain(const struct request *rq);
int	verb_rebalance(const struct request *rq);
int	verb_fault(const struct request *rq);
int	verb_config(const struct request *rq);	/* check, show */
int	verb_drill(const struct request *rq);
int	verb_version(const struct request *rq);
/* What a service says of itself; NULL: which there are. Exit status. */
int	manual_service(const char *name);
int	verb_wget(const struct request *rq);
/* The options of a group. */
struct optgroup;
void	manual_group(const struct optgroup *g);
int	verb_read(const struct request *rq);	/* all that look at a board */

#endif
