/*
 * program: not a service but a place for one: the supervisor starts the
 * program of the worker entry in its slots, which has a loop of its own on
 * <starfish.h>. Here are its options; starfish-worker has nothing to run.
 */
#include "svc.h"

#include <errno.h>

#include "../../common/program.h"
#include "../loop/sock.h"

/* What the sockets keep in each connection; see loop/sock.h. */
struct program_state {
	struct conn_opts opts;
	uint32_t sock, pad;
};

_Static_assert(sizeof(struct program_state) == SOCK_STATE, "as sock.h says");

static const struct opt program_opts[] = {
	{ .name = "path", .type = OPT_STRING,
	    .offset = offsetof(struct program_conf, path),
	    .help = "File of the program, absolute; a bare name lies beside "
	    "starfish." },
	{ .name = "args", .type = OPT_STRINGS,
	    .offset = offsetof(struct program_conf, args),
	    .help = "Its arguments, one each; no shell sees them." },
	{ .name = "sockets", .type = OPT_INT,
	    .offset = offsetof(struct program_conf, sockets), .def = 0,
	    .max = SOCKS_MAX,
	    .help = "Most sockets and sets; 0: as many as connections, and "
	    "1024." },
	{ .name = "root", .type = OPT_ROOT,
	    .offset = offsetof(struct program_conf, root),
	    .help = "Directory that is loaded for sf_file()." },
	{ .name = NULL }
};

static const struct optgroup program_group = {
	.name = "program",
	.help = "A program with a loop of its own, on <starfish.h>.",
	.size = sizeof(struct program_conf),
	.opts = program_opts,
};

static const struct svc_counter program_counters[] = {
	{ "refused", "connections refused: no socket free" },
	{ NULL, NULL }
};

const struct svc_desc program_desc = {
	.name = PROGRAM_SERVICE,
	.help = "Runs a program with a loop of its own, on <starfish.h>.",
	.opts = &program_group,
	.counters = program_counters,
	.state_size = sizeof(struct program_state),
	.client = 1,
	.stays = 1,
};

static int
program_start(struct svc *s, uint64_t now_us)
{
	s->io->log(s->ioarg, "a program serves here, and starfish up starts "
	    "it: starfish-worker has nothing to run");
	return -ENOEXEC;
}

static void
program_event(struct svc *s, struct conn *c, uint32_t events)
{
	struct program_state *st = conn_state(c);

	st->sock = 0;
	conn_abort(s->net, c);
}

const struct service program_service = {
	.desc = &program_desc,
	.client = 1,
	.start = program_start,
	.event = program_event,
};
