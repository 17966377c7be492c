/*
 * program: how a worker entry's own program is started (common/program.h): its
 * file, its arguments, and where to sit in the environment.
 */
#include <stdio.h>
#include <string.h>

#include "../../common/program.h"
#include "super.h"

#define ENV_LEN	(BOARD_PATH + 32)

bool
program_is(const struct conf_worker *w)
{
	return strcmp(w->service, PROGRAM_SERVICE) == 0;
}

int
program_spawn(struct super *s, struct slot *sl, const struct conf_worker *w,
    const char *log)
{
	const struct program_conf *pc = w->options;
	char name[ENV_LEN], conf[ENV_LEN], slot[ENV_LEN], fd[ENV_LEN];
	char file[BOARD_PATH + 8], args[OPT_LISTLEN][OPT_STRLEN];
	char path[OPT_STRLEN], *argv[OPT_LISTLEN + 2];
	char *env[] = { name, conf, slot, fd, NULL };
	uint32_t i;

	rundir_file(&s->dir, CTL_CONF, file, sizeof(file));
	snprintf(name, ENV_LEN, PROGRAM_ENV_NAME "=%s", s->conf.name);
	snprintf(conf, ENV_LEN, PROGRAM_ENV_CONF "=%s", file);
	snprintf(slot, ENV_LEN, PROGRAM_ENV_SLOT "=%u", sl->number);
	snprintf(fd, ENV_LEN, PROGRAM_ENV_NOTIFY "=%d", s->notify_fd);
	snprintf(path, sizeof(path), "%s", pc->path);
	argv[0] = path;
	for (i = 0; i < pc->args.n; i++) {
		snprintf(args[i], sizeof(args[i]), "%s", pc->args.s[i]);
		argv[1 + i] = args[i];
	}
	argv[1 + i] = NULL;
	return child_spawn_env(&sl->child, argv, env, log, s->notify_fd);
}
