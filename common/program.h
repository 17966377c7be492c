/*
 * program: what the supervisor and the library of <starfish.h> agree on: the
 * options of a worker entry with service = "program", and the environment
 * that the supervisor starts it with.
 */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include "opt.h"

#define PROGRAM_SERVICE	"program"

struct program_conf {
	char path[OPT_STRLEN];	/* the program's file */
	struct opt_list args;
	int64_t sockets;	/* most sockets and sets; 0: as connections */
	char root[OPT_STRLEN];	/* files for sf_file(); empty: none */
};

#define PROGRAM_ENV_NAME	"STARFISH_INSTANCE"
#define PROGRAM_ENV_CONF	"STARFISH_CONF"
#define PROGRAM_ENV_SLOT	"STARFISH_SLOT"
#define PROGRAM_ENV_NOTIFY	"STARFISH_NOTIFY_FD"

#endif
