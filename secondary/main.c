/*
 * starfish-worker: sits in one slot of an instance and serves what is in it.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <bsd/unistd.h>

#include "../common/bell.h"
#include "../common/log.h"
#include "../common/start.h"
#include "../common/resident.h"
#include "adopt.h"
#include "attach.h"
#include "confine.h"
#include "crash.h"
#include "io/io.h"
#include "io/live.h"
#include "move.h"
#include "seat.h"
#include "stack.h"
#include "standby.h"
#include "turn.h"

#define DRAIN_US	2000000u	/* to finish what is under way */

static struct io io;
static int is_confined;

static void
usage(void)
{
	fputs("usage: starfish-worker [-n NAME] [-c FILE] [--slot N | "
	    "--service NAME]\n"
	    "           [--cpu N] [--standby N] [--notify-fd N]\n"
	    "  -n, --name NAME  instance; the only one by default\n"
	    "  -c FILE          its configuration; the instance's copy by "
	    "default\n"
	    "  --slot N         slot to sit in; a free one by default\n"
	    "  --service NAME   a free slot of this service\n"
	    "  --cpu N          cpu to run on; the configured one by default\n"
	    "  --standby N      no slot: wait, attached, until one is to be "
	    "taken over\n"
	    "  --notify-fd N    eventfd to write to when our words on the "
	    "board change\n", stderr);
	exit(2);
}

static int
number(const char *opt, const char *text, int max)
{
	const char *why;
	long long n;

	n = strtonum(text, 0, max, &why);
	if (why != NULL)
		errx(2, "--%s %s: %s; allowed are 0 to %d", opt, text, why,
		    max);
	return (int)n;
}

enum { OPT_SLOT = 256, OPT_SERVICE, OPT_CPU, OPT_NOTIFY, OPT_STANDBY,
    OPT_VERSION };

static void
options(int argc, char **argv, struct seat_args *a)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "slot", required_argument, NULL, OPT_SLOT },
		{ "service", required_argument, NULL, OPT_SERVICE },
		{ "cpu", required_argument, NULL, OPT_CPU },
		{ "standby", required_argument, NULL, OPT_STANDBY },
		{ "notify-fd", required_argument, NULL, OPT_NOTIFY },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "n:c:", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			if (optarg[0] == '\0' || strlcpy(a->name, optarg,
			    sizeof(a->name)) >= sizeof(a->name))
				errx(2, "-n %s: 1 to %zu letters", optarg,
				    sizeof(a->name) - 1);
			break;
		case 'c':
			a->file = optarg;
			break;
		case OPT_SLOT:
			a->slot = (uint32_t)number("slot", optarg,
			    BOARD_SLOTS - 1);
			break;
		case OPT_SERVICE:
			a->service = optarg;
			break;
		case OPT_CPU:
			a->cpu = number("cpu", optarg, 4095);
			break;
		case OPT_STANDBY:
			a->standby = (uint32_t)number("standby", optarg,
			    BOARD_STANDBYS - 1);
			break;
		case OPT_NOTIFY:
			a->notify_fd = number("notify-fd", optarg, 1 << 20);
			break;
		case OPT_VERSION:
			printf("starfish-worker %s\nlayout %016lx\n",
			    build_version, (unsigned long)layout_hash);
			exit(0);
		default:
			usage();
		}
	}
	if (optind != argc || (a->slot != BOARD_NONE) +
	    (a->service != NULL) + (a->standby != BOARD_NONE) > 1)
		usage();
}

static void
on_stop(int sig)
{
	io.stop = 1;
	if (io.bell >= 0)
		bell_ring(io.bell);
}

static void
signals(void)
{
	struct sigaction sa = { .sa_handler = on_stop };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

static int
give_up_rights(void)
{
	is_confined = 1;
	return confine(&io.conf->security);
}

/*
 * A client's service may open files of the user's at its start, and start a
 * writer of files; so it gives up the rights after that. It never was a
 * standby, see tools/starfish/standby.c.
 */
static int
opens_at_start(void)
{
	return io.slot != NULL && io.worker->desc->client;
}

/*
 * Open all that this process will ever open, then give up the right to: what
 * comes later is the same for all, and short.
 */
static int
prepare(const struct seat_args *a)
{
	int err;

	err = attach(&io);
	if (err == 0)
		err = io.out = confine_out(io.board->head.name,
		    &io.conf->security);
	if (err >= 0)
		err = idle_prepare(&io);
	if (err == 0)
		err = adopt_prepare(&io);
	if (err == 0 && a->standby != BOARD_NONE)
		err = standby_prepare(&io, a);
	if (err == 0)
		resident();
	if (err == 0 && !opens_at_start())
		err = give_up_rights();
	return err;
}

/* Find the instance, prepare, have a slot: in this order a standby, the other
 * way round whoever has a slot to sit down in. */
static int
take_seat(const struct seat_args *a, struct seat_before *before)
{
	int err;

	err = seat_find(&io, a);
	if (err == 0 && a->standby != BOARD_NONE)
		err = standby_open(&io, a);
	else if (err == 0)
		err = seat_take(&io, a, a->slot, before);
	if (err == 0)
		err = prepare(a);
	if (err == 0 && a->standby != BOARD_NONE)
		err = standby_wait(&io, a, before);
	return err;
}

static int
start(const struct seat_args *a)
{
	struct seat_before before;
	int err, adopted = 0;

	err = take_seat(a, &before);
	if (err == 0) {
		crash_slot(&io.slot->worker);
		err = attach_slot(&io);
	}
	if (err == 0)
		err = fault_open(&io);
	if (err == 0)
		err = adopted = adopt(&io, a, &before);
	if (err >= 0)
		err = idle_open(&io);
	io.adopted = adopted > 0;
	if (err == 0)
		err = stack_start(&io);
	if (err == 0 && !is_confined)
		err = give_up_rights();
	if (err < 0)
		return err;
	if (adopted) {
		live_adopted(&io);
		net_replay(io.net, io.now);
		board_event(&io.slot->events, io.me, 1,
		    "adopted the connections of pid %u", before.pid);
	}
	seat_phase(&io, a, PHASE_READY);
	return 0;
}

/*
 * Leave by _exit: rte_eal_cleanup() in a secondary can unplug devices. All
 * that must live on lies in shared memory.
 */
static _Noreturn void
leave(const struct seat_args *a, int status)
{
	/* confined, we cannot: the supervisor or the primary does */
	if (!is_confined)
		attach_forget();
	if (io.slot != NULL)
		seat_phase(&io, a, PHASE_NONE);
	fflush(NULL);
	_exit(status);
}

int
main(int argc, char **argv, char **envp)
{
	struct seat_args a = { .slot = BOARD_NONE, .standby = BOARD_NONE,
	    .cpu = -1, .notify_fd = -1 };
	int err;

	if (argc == 2 && strcmp(argv[1], "--writer") == 0)
		return save_writer(argc, argv);
	setproctitle_init(argc, argv, envp);
	options(argc, argv, &a);
	io.bell = -1;
	start_name("starfish-worker");
	log_init("starfish-worker", a.name, LOG_LEVEL_INFO);
	signals();
	crash_open();
	err = start(&a);
	if (err == -EINTR)
		leave(&a, 0);
	if (err < 0)
		leave(&a, 1);
	fault_look(&io);
	fault_point(&io, FAULT_AT_START);
	seat_phase(&io, &a, PHASE_SERVING);
	setproctitle("%s slot %u: %s", io.board->head.name, io.me,
	    io.svc.service->desc->name);
	log_info("slot %u serves %s on cpu %u, epoch %u", io.me,
	    io.svc.service->desc->name, io.cpu,
	    atomic_load(&io.slot->worker.epoch));
	turn_run(&io);
	if (io.hand_over) {
		/* as if killed here, between two turns: nothing is in hand */
		lanes_send(&io);
		log_info("slot %u: handing over", io.me);
		_exit(0);
	}
	seat_phase(&io, &a, PHASE_LEAVING);
	move_call_primary(&io);
	turn_drain(&io, DRAIN_US);
	pool_close(&io);
	leave(&a, io.status);
}
