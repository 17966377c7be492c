/*
 * starfish: the control tool. It starts an instance and watches over it, and
 * shows how one fares. It is no DPDK process: it never attaches, so it can
 * neither disturb nor be stopped by one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/conf.h"
#include "verbs.h"

/* bytes of the directory of all instances: their files' names follow */
#define RUN_MAX		200

static int
verb_help(const struct request *rq)
{
	if (rq->topic != NULL && strcmp(rq->topic, "service") == 0)
		return manual_service(rq->subtopic);
	if (rq->topic != NULL && strcmp(rq->topic, "fault") == 0)
		manual_group(&conf_fault_table);
	if (words_help(rq->topic, stdout) == 0)
		return 0;
	fprintf(stderr, "starfish: no such command: \"%s\"; see starfish "
	    "help\n", rq->topic);
	return 1;
}

static int (*const verbs[VERBS])(const struct request *) = {
	[VERB_UP] = verb_up,
	[VERB_DOWN] = verb_down,
	[VERB_STATUS] = verb_read,
	[VERB_WORKERS] = verb_read,
	[VERB_PORTS] = verb_read,
	[VERB_BUCKETS] = verb_read,
	[VERB_CONNS] = verb_read,
	[VERB_STATS] = verb_read,
	[VERB_EVENTS] = verb_read,
	[VERB_CHECK] = verb_config,
	[VERB_SHOW] = verb_config,
	[VERB_ADD] = verb_add,
	[VERB_DRAIN] = verb_drain,
	[VERB_REMOVE] = verb_drain,
	[VERB_REBALANCE] = verb_rebalance,
	[VERB_RESTART] = verb_restart,
	[VERB_WGET] = verb_wget,
	[VERB_RELOAD] = verb_reload,
	[VERB_FAULT] = verb_fault,
	[VERB_REVIVE] = verb_restart,
	[VERB_AUDIT] = verb_audit,
	[VERB_UPGRADE] = verb_upgrade,
	[VERB_RENEW] = verb_renew,
	[VERB_DRILL] = verb_drill,
	[VERB_VERSION] = verb_version,
	[VERB_HELP] = verb_help,
};

int
main(int argc, char *argv[])
{
	const char *run = getenv("STARFISH_RUN");
	struct request rq;
	char err[512];

	/* processes of an instance have other working directories */
	if (run != NULL && run[0] != '\0' && (run[0] != '/' ||
	    strlen(run) > RUN_MAX)) {
		fprintf(stderr, "starfish: STARFISH_RUN=%.*s: allowed an "
		    "absolute path of at most %d bytes\n", RUN_MAX, run,
		    RUN_MAX);
		return 1;
	}
	if (argc < 2) {
		words_help(NULL, stderr);
		return 1;
	}
	if (words_parse(argc - 1, argv + 1, &rq, err, sizeof(err)) < 0) {
		fprintf(stderr, "starfish: %s\n", err);
		return 1;
	}
	return verbs[rq.verb](&rq);
}
