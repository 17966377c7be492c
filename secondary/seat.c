#include "seat.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <bsd/string.h>

#include "../common/bell.h"
#include "../common/log.h"
#include "../common/program.h"
#include "../config/conf.h"

#define LOOK_MS		2	/* how often an awaited fact is looked at */
#define STALE_US	2000000u /* how long a board of another build may go */
#define WAIT_MS		30000	/* patience before the configuration is known */

static char program[BOARD_PATH];	/* our own file */

int
seat_wait(struct io *io, int (*check)(void *arg), void *arg)
{
	uint64_t limit_us = io->conf != NULL ?
	    (uint64_t)io->conf->start_timeout_ms * 1000 : WAIT_MS * 1000;
	uint64_t end = board_mono_us() + limit_us;
	struct pollfd pf = { io->bell, POLLIN, 0 };
	int r;

	while ((r = check(arg)) == 0) {
		if (io->stop)
			return -EINTR;
		if (board_mono_us() > end)
			return -ETIMEDOUT;
		if (io->slot != NULL)
			atomic_store(&io->slot->worker.heartbeat_us,
			    board_mono_us());
		if (poll(&pf, 1, LOOK_MS) > 0)
			bell_drain(io->bell);
	}
	return r;
}

const char *
seat_program(void)
{
	return program;
}

void
seat_phase(struct io *io, const struct seat_args *a,
    enum worker_phase phase)
{
	uint64_t one = 1;

	atomic_store_explicit(&io->slot->worker.phase, phase,
	    memory_order_release);
	if (a->notify_fd >= 0 &&
	    write(a->notify_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_warn("notify: %s", strerror(errno));
}

/* ---- which instance ------------------------------------------------------ */

/* The name of the only instance; -ENOENT none, -EEXIST several. */
static int
only_instance(char *name, size_t len)
{
	char dir[BOARD_PATH], path[BOARD_PATH + 272];
	struct dirent *e;
	int found = 0;
	DIR *d;

	if (board_dir(dir, sizeof(dir), "x") < 0)
		return -ENOENT;
	*strrchr(dir, '/') = '\0';
	d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s/board", dir, e->d_name);
		if (e->d_name[0] == '.' || access(path, F_OK) < 0)
			continue;
		strlcpy(name, e->d_name, len);
		found++;
	}
	if (d != NULL)
		closedir(d);
	return found == 1 ? 0 : found == 0 ? -ENOENT : -EEXIST;
}

static int
read_conf(struct io *io, const char *file)
{
	static struct conf conf;
	char err[CONF_ERRLEN];
	int r;

	r = conf_load(&conf, file, svc_descs, err, sizeof(err));
	if (r < 0) {
		log_error("%s", err);
		return r;
	}
	io->conf = &conf;
	return 0;
}

/* Find the name and, when a file was given, the configuration. */
static int
find_instance(struct io *io, const struct seat_args *a, char *name)
{
	int err;

	if (a->file != NULL) {
		err = read_conf(io, a->file);
		if (err < 0)
			return err;
	}
	if (a->name[0] != '\0') {
		strlcpy(name, a->name, BOARD_NAME);
	} else if (io->conf != NULL) {
		strlcpy(name, io->conf->name, BOARD_NAME);
	} else {
		err = only_instance(name, BOARD_NAME);
		if (err < 0) {
			log_error("%s; name one with -n NAME", err == -ENOENT ?
			    "no instance runs" : "several instances run");
			return err;
		}
	}
	return 0;
}

/* ---- the primary --------------------------------------------------------- */

struct await {
	struct io *io;
	const char *name;
	const char *why;	/* what is still missing */
	uint32_t any;		/* argument of the check */
	uint64_t stale_us;	/* since when there is a foreign board */
};

/*
 * A board of another build: of an instance that is just going, or of one that
 * stays.
 */
static int
foreign_board(struct await *w)
{
	uint64_t now = board_mono_us();

	if (w->stale_us == 0)
		w->stale_us = now;
	return now - w->stale_us < STALE_US ? 0 : -ESTALE;
}

static int
primary_ready(void *arg)
{
	struct await *w = arg;
	struct board *b = w->io->board;
	uint32_t state;
	int err;

	if (b == NULL) {
		err = board_open(&b, w->name, 1, 0);
		if (err == -ENOENT || err == -EPROTO) {
			w->why = "no board yet; is starfish-primary started?";
			return 0;
		}
		if (err == -ESTALE)
			return foreign_board(w);
		if (err < 0)
			return err;
		w->io->board = b;
	}
	state = atomic_load_explicit(&b->head.state, memory_order_acquire);
	if (state == PRIMARY_READY)
		return 1;
	w->why = "the primary is not ready";
	if (state == PRIMARY_FAILED)
		return -EIO;
	if (state == PRIMARY_STOPPING ||
	    (b->head.pid != 0 && !board_pid_alive((pid_t)b->head.pid,
	    b->head.pid_start))) {
		/* another primary may be on its way */
		board_close(b);
		w->io->board = NULL;
		w->why = "the primary has ended";
	}
	return 0;
}

static int
wait_primary(struct io *io, const char *name)
{
	struct await w = { .io = io, .name = name, .why = "another build" };
	int r = primary_ready(&w);

	if (r == 0) {
		log_info("waiting for instance %s: %s", name, w.why);
		r = seat_wait(io, primary_ready, &w);
	}
	if (r == -ETIMEDOUT)
		log_error("instance %s: %s; gave up waiting", name, w.why);
	else if (r == -ESTALE)
		log_error("instance %s runs another build: its shared memory "
		    "is laid out differently", name);
	else if (r == -EIO)
		log_error("instance %s: the primary failed: %s", name,
		    io->board->head.why);
	else if (r < 0 && r != -EINTR)
		log_error("instance %s: %s", name, strerror(-r));
	if (r < 0)
		return r;
	if (!board_pid_alive((pid_t)io->board->head.pid,
	    io->board->head.pid_start)) {
		log_error("instance %s: its primary (pid %u) is dead", name,
		    io->board->head.pid);
		return -ESRCH;
	}
	return 0;
}

/* ---- the slot ------------------------------------------------------------ */

/*
 * Take a slot for this process: the lock on its bell is ours as long as we
 * live. 0; -EBUSY somebody has it; -errno.
 */
static int
take_slot(struct io *io, uint32_t slot)
{
	if (flock(io->bells[slot], LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	io->bell = io->bells[slot];
	io->me = slot;
	return 0;
}

static int
slot_taken(void *arg)
{
	struct await *w = arg;
	int err = take_slot(w->io, w->any);

	return err == -EBUSY ? 0 : err == 0 ? 1 : err;
}

/* Take the slot that was named; its process may just be dying. */
static int
take_named(struct io *io, uint32_t slot)
{
	struct await w = { .io = io, .any = slot };
	struct board *b = io->board;
	int err;

	if (slot >= b->head.nslots || slot >= BOARD_SLOTS) {
		log_error("no slot %u; this instance has 0 to %u", slot,
		    b->head.nslots - 1);
		return -EINVAL;
	}
	err = slot_taken(&w);
	if (err == 0) {
		log_info("waiting for slot %u: pid %u sits in it", slot,
		    atomic_load(&b->slot[slot].worker.pid));
		err = seat_wait(io, slot_taken, &w);
	}
	if (err == -ETIMEDOUT)
		log_error("slot %u is taken by pid %u", slot,
		    atomic_load(&b->slot[slot].worker.pid));
	return err < 0 ? err : 0;
}

/* Whether the process is what the group runs: a program, or a service. */
static bool
fits(const struct io *io, uint32_t group, const struct seat_args *a)
{
	return (strcmp(io->board->group[group].service, PROGRAM_SERVICE) ==
	    0) == a->program;
}

static int
take_free(struct io *io, const struct seat_args *a)
{
	const char *service = a->service;
	struct board *b = io->board;
	uint32_t i, g, seen = 0;

	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		g = b->slot[i].fixed.group;
		if (g >= BOARD_GROUPS || (service != NULL &&
		    strcmp(b->group[g].service, service) != 0) ||
		    !fits(io, g, a))
			continue;
		seen++;
		if (take_slot(io, i) == 0)
			return 0;
	}
	if (seen == 0)
		log_error("no worker entry of this instance runs %s%s",
		    a->program ? "programs" : "the service ", a->program ? "" :
		    service != NULL ? service : "of any name");
	else
		log_error("all %u slots%s%s are taken", seen,
		    service != NULL ? " of service " : "",
		    service != NULL ? service : "");
	return -EBUSY;
}

/* Say on the board who we are. */
static void
sign_in(struct io *io, struct seat_before *before)
{
	struct slot_worker *w = &io->slot->worker;

	before->pid = atomic_load(&w->pid);
	before->pid_start = atomic_load(&w->pid_start);
	/* before the pid: who reads that it is ours reads no word of the
	 * process before us */
	atomic_store(&w->phase, PHASE_ATTACHING);
	strlcpy(w->program, program, sizeof(w->program));
	atomic_fetch_add(&w->epoch, 1);
	atomic_store(&w->before_pid, 0);
	atomic_store(&w->asleep, 0);
	atomic_store(&w->cpu, io->cpu);
	atomic_store(&w->heartbeat_us, board_mono_us());
	atomic_store(&w->pid_start, board_pid_start(getpid()));
	atomic_store(&w->pid, (uint32_t)getpid());
}

/* Our entry of the configuration: the slot's group by its name. */
static int
find_worker(struct io *io)
{
	uint32_t g, index;

	if (conf_slot(io->conf, io->me, &g, &index) < 0 || g != io->group ||
	    strcmp(io->conf->workers[g].name, io->board->group[g].name) != 0) {
		log_error("%s is not this instance's configuration: slot %u "
		    "is of %s there", io->conf->file, io->me,
		    io->board->group[io->group].name);
		return -EINVAL;
	}
	io->worker = &io->conf->workers[g];
	return 0;
}

/* A standby goes where the supervisor put the process before it. */
static uint32_t
choose_cpu(const struct io *io, const struct seat_args *a)
{
	uint32_t cpu = atomic_load(&io->slot->super.cpu);

	if (a->cpu >= 0)
		return (uint32_t)a->cpu;
	if (a->standby != BOARD_NONE && cpu != (uint32_t)-1)
		return cpu;
	return (uint32_t)io->worker->cpus[io->slot->fixed.index];
}

/* The slot's lock is ours: all that is known of the slot from here on. */
static int
settle(struct io *io, const struct seat_args *a, struct seat_before *before)
{
	struct board_slot *slot = &io->board->slot[io->me];
	int err;

	io->group = slot->fixed.group;
	io->counters = slot->worker.counters;
	io->base = (uintptr_t)io->board->head.base;
	if (io->group >= BOARD_GROUPS) {
		log_error("slot %u has no group", io->me);
		return -EINVAL;
	}
	if (!fits(io, io->group, a)) {
		log_error("slot %u is for %s, not for this process", io->me,
		    io->board->group[io->group].service);
		return -EINVAL;
	}
	err = find_worker(io);
	if (err < 0)
		return err;
	io->slot = slot;
	io->cpu = choose_cpu(io, a);
	sign_in(io, before);
	seat_phase(io, a, PHASE_ATTACHING);
	return 0;
}

/* The instance's copy of its configuration, unless another was named. */
static int
find_conf(struct io *io)
{
	char path[2 * BOARD_PATH], dir[BOARD_PATH];
	int err;

	if (io->conf != NULL)
		return 0;
	err = board_dir(dir, sizeof(dir), io->board->head.name);
	if (err < 0)
		return err;
	snprintf(path, sizeof(path), "%s/conf", dir);
	err = read_conf(io, path);
	if (err < 0)
		log_error("name the instance's configuration with -c FILE");
	return err;
}

/* All bells, now: later we may have no right to open one. */
static int
open_bells(struct io *io)
{
	const char *name = io->board->head.name;
	uint32_t i;

	for (i = 0; i < BOARD_BELLS; i++) {
		io->bells[i] = bell_open(name, i);
		if (io->bells[i] < 0) {
			log_error("bell %u: %s", i, strerror(-io->bells[i]));
			return io->bells[i];
		}
	}
	io->primary_bell = bell_open(name, BOARD_NONE);
	return io->primary_bell < 0 ? io->primary_bell : 0;
}

int
seat_find(struct io *io, const struct seat_args *a)
{
	char name[BOARD_NAME];
	ssize_t n;
	int err;

	n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[n > 0 ? n : 0] = '\0';
	err = find_instance(io, a, name);
	if (err == 0)
		err = wait_primary(io, name);
	if (err < 0)
		return err;
	log_init("starfish-worker", name, LOG_LEVEL_INFO);
	err = find_conf(io);
	return err == 0 ? open_bells(io) : err;
}

int
seat_take(struct io *io, const struct seat_args *a, uint32_t slot,
    struct seat_before *before)
{
	int err;

	if (slot != BOARD_NONE)
		err = take_named(io, slot);
	else
		err = take_free(io, a);
	return err == 0 ? settle(io, a, before) : err;
}
