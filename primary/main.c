/*
 * starfish-primary: makes what an instance shares, then keeps still. See
 * primary.h.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/log.h"
#include "../common/resident.h"

#define SPIN_US		300u	/* dispatch: look on so long after work */
#define LEAVE_US	3000000u /* for workers to leave when we stop */
#define NICE		(-10)	/* if all we do is to repair */
#define STEER_TICKS	5u	/* buckets are looked at each so many ticks */
#define FOLLOW_US	500u	/* the bucket table is compared so often */

struct args {
	const char *file;
	const char *name;	/* NULL: that of the file */
	uint32_t generation;	/* 0: one more than the last */
	int notify_fd;
	int verbose;
};

static struct conf conf;
static struct primary primary = {
	.notify_fd = -1, .lock_fd = -1, .bell = -1,
};

/* ---- saying how it goes ------------------------------------------------ */

void
primary_notify(struct primary *p)
{
	uint64_t one = 1;

	if (p->notify_fd >= 0 &&
	    write(p->notify_fd, &one, sizeof(one)) < 0 && errno != EAGAIN) {
		close(p->notify_fd);	/* nobody listens any more */
		p->notify_fd = -1;
	}
}

static void
set_state(struct primary *p, enum primary_state state)
{
	/* pairs with the readers' acquire: constant words come before READY */
	atomic_store_explicit(&p->board->head.state, state,
	    memory_order_release);
	primary_notify(p);
}

int
primary_fail(struct primary *p, int err, const char *fmt, ...)
{
	char why[BOARD_PATH * 4];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error("%s", why);
	if (p->board != NULL && atomic_load(&p->board->head.state) !=
	    PRIMARY_FAILED) {
		strlcpy(p->board->head.why, why, sizeof(p->board->head.why));
		set_state(p, PRIMARY_FAILED);
	}
	return err < 0 ? err : -EIO;
}

/* ---- start ------------------------------------------------------------- */

static int
fill_head(struct primary *p)
{
	struct board_head *h = &p->board->head;

	h->generation = p->generation;
	strlcpy(h->name, p->name, sizeof(h->name));
	strlcpy(h->prefix, p->prefix, sizeof(h->prefix));
	h->started_us = board_real_us();
	h->pid = (uint32_t)getpid();
	h->pid_start = board_pid_start(getpid());
	set_state(p, PRIMARY_STARTING);
	return 0;
}

static int
open_bell(struct primary *p)
{
	uint32_t s;

	p->bell = bell_open(p->name, BOARD_NONE);
	if (p->bell < 0)
		return primary_fail(p, p->bell, "cannot make our bell in %s: "
		    "%s", p->dir, strerror(-p->bell));
	for (s = 0; s < BOARD_SLOTS; s++) {
		p->slot[s].bell = bell_open(p->name, s);
		if (p->slot[s].bell < 0)
			return primary_fail(p, p->slot[s].bell,
			    "cannot make the bell of slot %u: %s", s,
			    strerror(-p->slot[s].bell));
	}
	return 0;
}

static int
start_steering(struct primary *p)
{
	steer_start(p);
	return 0;
}

static int
fill_buckets(struct primary *p)
{
	steer_buckets(p);
	return 0;
}

/* Whether one of the signals that end us waits. */
static int
told_to_stop(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	    (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT));
}

static int
start(struct primary *p)
{
	static int (*const steps[])(struct primary *) = {
		rundir_open, fill_head, open_bell, fill_conf, files_measure,
		memory_size, eal_prepare, eal_start, port_open_all,
		memory_make, files_load, port_start_all, fill_buckets,
		start_steering, spread_start,
	};
	uint64_t begin = board_mono_us();
	uint32_t i;
	int err;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		err = steps[i](p);
		if (err == 0 && told_to_stop())
			err = primary_fail(p, -EINTR,
			    "told to stop while starting");
		if (err < 0)
			return err;
	}
	resident();
	set_state(p, PRIMARY_READY);
	board_event(&p->board->events, BOARD_NONE, 0,
	    "primary ready, generation %u", p->generation);
	log_info("ready after %lu ms: %u ports, %u slots, %lu MB",
	    (unsigned long)((board_mono_us() - begin) / 1000),
	    p->board->head.nports, p->board->head.nslots,
	    (unsigned long)(p->bytes >> 20));
	return 0;
}

/* Whether the process in a slot still uses what we are going to take away. */
static int
worker_lives(const struct slot_worker *w)
{
	return atomic_load(&w->phase) != PHASE_NONE &&
	    board_pid_alive((pid_t)atomic_load(&w->pid),
	    atomic_load(&w->pid_start));
}

/*
 * Workers see STOPPING and leave. A queue that is closed while a worker polls
 * it would crash it, so they get time; one that hangs is not waited for.
 */
static void
wait_workers(struct primary *p)
{
	uint64_t end = board_mono_us() + LEAVE_US;
	uint32_t i;
	int fd;

	for (i = 0; i < p->board->head.nslots; i++) {
		fd = worker_lives(&p->board->slot[i].worker) ?
		    bell_open(p->name, i) : -1;
		if (fd >= 0) {
			bell_ring(fd);
			close(fd);
		}
	}
	for (i = 0; i < p->board->head.nslots; i++) {
		while (worker_lives(&p->board->slot[i].worker) &&
		    board_mono_us() < end)
			poll(NULL, 0, 1);
	}
}

/* In reverse order, after a failed start too. */
static void
stop(struct primary *p)
{
	spread_stop(p);
	steer_stop(p);
	port_close_all(p);
	files_stop();
	eal_stop(p);
	if (p->board != NULL)
		board_close(p->board);
	p->board = NULL;
	rundir_close(p);
}

/* ---- loop -------------------------------------------------------------- */

static void
tick(struct primary *p)
{
	static uint32_t n;

	atomic_fetch_add_explicit(&p->board->head.heartbeat, 1,
	    memory_order_relaxed);
	fence_turn(p);
	reload_turn(p);
	if (++n % STEER_TICKS == 0 || p->steer_due)
		steer_update(p);
	p->steer_due = 0;
}

/* Somebody rang: a bucket may have gone. Not each bell is worth a look. */
static void
follow_buckets(struct primary *p)
{
	static uint64_t last;
	uint64_t now = board_mono_us();

	p->steer_due = now - last < FOLLOW_US;	/* soon */
	if (!p->steer_due) {
		last = now;
		steer_update(p);
	}
}

static int
watch(int epfd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* Wait for events, at most so long. Returns the signal that ends us, or 0. */
static int
wait_events(struct primary *p, int epfd, int sigfd, int timeout_ms)
{
	struct signalfd_siginfo si;
	struct epoll_event ev[8];
	int i, n;

	/* neighbours of a slot that is emptied answer within a ms; slots wait
	 * for us whose buckets went just after we looked */
	if (p->emptying || p->steer_due)
		timeout_ms = timeout_ms > 1 ? 1 : timeout_ms;
	n = epoll_wait(epfd, ev, 8, timeout_ms);
	if (p->steer_due)
		follow_buckets(p);
	for (i = 0; i < n; i++) {
		if (ev[i].data.fd == p->bell) {
			bell_drain(p->bell);
			fence_turn(p);
			reload_turn(p);
			follow_buckets(p);
			p->emptying |= evacuate_slots(p, board_mono_us());
		} else if (ev[i].data.fd == sigfd && read(sigfd, &si,
		    sizeof(si)) == (ssize_t)sizeof(si)) {
			return (int)si.ssi_signo;
		}
	}
	return 0;
}

/*
 * Sleep until the next tick, or, with dispatched ports, until there are
 * frames. seen: descriptors show all of them.
 */
static int
doze(struct primary *p, int epfd, int sigfd, int seen)
{
	_Atomic uint32_t *asleep = &p->board->head.asleep;
	int sig;

	if (!spread_wanted(p))
		return wait_events(p, epfd, sigfd, PRIMARY_TICK_MS);
	/* pairs with the fence in bell_call(): whoever publishes a frame that
	 * the turn below does not see, sees that we sleep */
	atomic_store(asleep, 1);
	if (spread_turn(p) > 0)
		sig = 0;
	else
		sig = wait_events(p, epfd, sigfd, seen ? PRIMARY_TICK_MS : 1);
	atomic_store_explicit(asleep, 0, memory_order_relaxed);
	return sig;
}

static int
loop(struct primary *p, int sigfd)
{
	uint64_t now = board_mono_us(), worked = now, ticked = 0;
	int epfd, sig = 0, seen, err;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return primary_fail(p, -errno, "epoll: %s", strerror(errno));
	err = watch(epfd, sigfd);
	if (err == 0)
		err = watch(epfd, p->bell);
	if (err < 0)
		return primary_fail(p, err, "epoll: %s", strerror(-err));
	seen = spread_watch(p, epfd);
	while (sig == 0) {
		if (p->emptying || now - ticked >= PRIMARY_TICK_MS * 1000)
			p->emptying = evacuate_slots(p, now);
		if (now - ticked >= PRIMARY_TICK_MS * 1000) {
			ticked = now;
			tick(p);
			sig = wait_events(p, epfd, sigfd, 0);
		}
		if (spread_wanted(p) && spread_turn(p) > 0)
			worked = now;
		else if (sig == 0 &&
		    (!spread_wanted(p) || now - worked > SPIN_US))
			sig = doze(p, epfd, sigfd, seen);
		now = board_mono_us();
	}
	close(epfd);
	log_info("%s: stopping", strsignal(sig));
	board_event(&p->board->events, BOARD_NONE, 0, "primary stops");
	set_state(p, PRIMARY_STOPPING);
	wait_workers(p);
	return 0;
}

/* ---- command line ------------------------------------------------------ */

static _Noreturn void
usage(FILE *out, int status)
{
	fprintf(out, "usage: starfish-primary -c FILE [-n NAME] "
	    "[--notify-fd FD] [--generation N] [-v]\n");
	exit(status);
}

static long
number(const char *text, const char *what, long most)
{
	const char *why;
	long n = (long)strtonum(text, 0, most, &why);

	if (why != NULL)
		errx(1, "%s %s: %s, allowed 0 to %ld", what, text, why, most);
	return n;
}

static void
parse(struct args *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "name", required_argument, NULL, 'n' },
		{ "notify-fd", required_argument, NULL, 'N' },
		{ "generation", required_argument, NULL, 'G' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:n:vh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 'n':
			a->name = optarg;
			break;
		case 'N':
			a->notify_fd = (int)number(optarg, "--notify-fd",
			    1 << 20);
			break;
		case 'G':
			a->generation = (uint32_t)number(optarg,
			    "--generation", 1 << 30);
			break;
		case 'v':
			a->verbose = 1;
			break;
		case 'V':
			printf("starfish-primary %s\nlayout %016lx\n",
			    build_version, (unsigned long)layout_hash);
			exit(0);
		case 'h':
			usage(stdout, 0);
		default:
			usage(stderr, 2);
		}
	}
	if (a->file == NULL || optind != argc)
		usage(stderr, 2);
	if (a->name != NULL && (strlen(a->name) >= BOARD_NAME ||
	    a->name[0] == '.' || strchr(a->name, '/') != NULL))
		errx(2, "-n %s: allowed a name of at most %u bytes without a "
		    "slash", a->name, BOARD_NAME - 1);
}

/* Whether we may have frames to pass on; else we sleep until a slot is to be
 * repaired, and clients wait then. */
static int
has_dispatch(const struct conf *c)
{
	uint32_t i;

	for (i = 0; i < c->nports; i++)
		if (c->ports[i].type == PORT_VDEV ||
		    c->ports[i].lane == CONF_LANE_DISPATCH)
			return 1;
	return 0;
}

/* A descriptor from which the ending signals are read; they are blocked in
 * all threads, which EAL starts later. */
static int
catch_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* the terminal may go, we stay */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		err(1, "sigprocmask");
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	return fd;
}

int
main(int argc, char **argv)
{
	struct args a = { .notify_fd = -1 };
	struct primary *p = &primary;
	char why[CONF_ERRLEN];
	int sigfd, rc;

	parse(&a, argc, argv);
	log_init("starfish-primary", a.name,
	    a.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	rc = conf_load(&conf, a.file, svc_descs, why, sizeof(why));
	if (rc < 0) {
		log_error("%s", why);
		return 1;
	}
	strlcpy(p->name, a.name != NULL ? a.name : conf.name,
	    sizeof(p->name));
	log_init("starfish-primary", p->name,
	    a.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	sigfd = catch_signals();
	if (!has_dispatch(&conf))
		(void)setpriority(PRIO_PROCESS, 0, NICE);
	p->conf = &conf;
	p->generation = a.generation;
	p->notify_fd = a.notify_fd;
	rc = start(p);
	if (rc == 0)
		rc = loop(p, sigfd);
	stop(p);
	conf_free(&conf);
	return rc < 0 ? 1 : 0;
}
