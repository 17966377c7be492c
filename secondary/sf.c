/*
 * sf: joining an instance, turning, leaving.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "../common/bell.h"
#include "../common/log.h"
#include "../common/program.h"
#include "adopt.h"
#include "attach.h"
#include "sf_priv.h"
#include "turn.h"

#define DRAIN_US	2000000u	/* to deliver what is queued */
#define SPARE_SOCKS	1024u	/* listeners, sets, those that connect */

struct sf sf;

/* ---- what the stack says ---- */

static void
on_event(struct svc *s, struct conn *c, uint32_t events)
{
	socks_event(sf.socks, c, events);
}

static void
on_stop(int sig)
{
	sf.io.stop = 1;
	if (sf.io.bell >= 0)
		bell_ring(sf.io.bell);
}

static void
signals(void)
{
	static const int end[] = { SIGTERM, SIGINT };
	struct sigaction sa = { .sa_handler = on_stop }, old;
	uint32_t i;

	for (i = 0; i < 2; i++)
		if (sigaction(end[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			sigaction(end[i], &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

/* ---- joining ---- */

/* A number of the environment; -1: it is not there, or none. */
static int
env_number(const char *name, int max)
{
	const char *text = getenv(name), *why;
	long long n;

	if (text == NULL)
		return -1;
	n = strtonum(text, 0, max, &why);
	return why == NULL ? (int)n : -1;
}

static int
arguments(struct seat_args *a, const struct sf_conf *c)
{
	const char *name = getenv(PROGRAM_ENV_NAME);
	int slot = env_number(PROGRAM_ENV_SLOT, BOARD_SLOTS - 1);

	*a = (struct seat_args){ .slot = BOARD_NONE,
	    .standby = BOARD_NONE, .cpu = -1,
	    .notify_fd = env_number(PROGRAM_ENV_NOTIFY, 1 << 20),
	    .program = true };
	a->file = getenv(PROGRAM_ENV_CONF);
	if (c != NULL && c->name != NULL)
		name = c->name;
	if (c != NULL && c->file != NULL)
		a->file = c->file;
	if (c != NULL && (c->slot < 0 || c->slot > (int)BOARD_SLOTS)) {
		log_error("slot %d: 1 to %u, or 0 for a free one", c->slot,
		    BOARD_SLOTS);
		return -EINVAL;
	}
	if (c != NULL && c->slot > 0)
		slot = c->slot - 1;
	if (slot >= 0)
		a->slot = (uint32_t)slot;
	if (name != NULL && strlcpy(a->name, name, sizeof(a->name)) >=
	    sizeof(a->name))
		return -ENAMETOOLONG;
	/* what this process starts itself is not of this slot */
	unsetenv(PROGRAM_ENV_SLOT);
	unsetenv(PROGRAM_ENV_NOTIFY);
	return 0;
}

static int
make_sockets(void)
{
	const struct program_conf *pc = sf.io.worker->options;
	struct socks_conf c = { .socks = (uint32_t)pc->sockets };
	size_t size;

	if (c.socks == 0)
		c.socks = (uint32_t)sf.io.conf->memory.connections +
		    SPARE_SOCKS;
	if (c.socks > SOCKS_MAX)
		c.socks = SOCKS_MAX;
	c.watches = c.socks * 2;
	size = socks_size(&c);
	sf.socks = size > 0 ? aligned_alloc(64, (size + 63) / 64 * 64) : NULL;
	sf.sock = calloc(SOCKS_MAX, sizeof(*sf.sock));
	if (sf.socks == NULL || sf.sock == NULL) {
		log_error("no memory for %u sockets", c.socks);
		return -ENOMEM;
	}
	return socks_init(sf.socks, &c, sf.io.net);
}

static int
join(void)
{
	struct io *io = &sf.io;
	struct seat_before before;
	int err, adopted = 0;

	err = seat_find(io, &sf.args);
	if (err == 0) {
		log_init(program_invocation_short_name, io->board->head.name,
		    LOG_LEVEL_INFO);
		err = seat_take(io, &sf.args, sf.args.slot, &before);
	}
	if (err == 0)
		err = attach(io);
	if (err == 0)
		err = idle_prepare(io);
	if (err == 0)
		err = attach_slot(io);
	if (err == 0)
		err = fault_open(io);
	if (err < 0)
		return err;
	err = adopted = adopt(io, &sf.args, &before);
	if (err >= 0)
		err = idle_open(io);
	if (err >= 0)
		err = make_sockets();
	if (err < 0)
		return err;
	sf.service.event = on_event;
	io->svc.service = &sf.service;
	io->svc.net = io->net;
	if (adopted) {
		net_replay(io->net, io->now);
		socks_adopt(sf.socks);
	}
	sf.longest_us = (uint64_t)io->conf->hang_ms * 1000 / 4;
	seat_phase(io, &sf.args, PHASE_READY);
	return 0;
}

int
sf_init(const struct sf_conf *c)
{
	int err;

	if (sf.tried) {
		errno = EALREADY;
		return -1;
	}
	sf.tried = true;
	sf.io.bell = sf.wake_ep = -1;
	sf.io.sockets = true;
	signals();
	err = arguments(&sf.args, c);
	if (err == 0)
		err = join();
	if (err < 0) {
		if (sf.io.mp != NULL)
			attach_forget();
		if (sf.io.slot != NULL)
			seat_phase(&sf.io, &sf.args, PHASE_NONE);
		errno = -err;
		return -1;
	}
	sf.up = true;
	atexit(sf_fini);
	return 0;
}

void
sf_fini(void)
{
	if (!sf.up)
		return;
	sf.up = false;
	socks_close(sf.socks);
	seat_phase(&sf.io, &sf.args, PHASE_LEAVING);
	turn_drain(&sf.io, DRAIN_US);
	pool_close(&sf.io);
	attach_forget();
	seat_phase(&sf.io, &sf.args, PHASE_NONE);
}

int
sf_stopping(void)
{
	return sf.io.stop != 0;
}

int
sf_slot(void)
{
	return sf.up ? (int)sf.io.me : (int)sf_end(-EINVAL);
}

/* ---- turning ---- */

bool
sf_step(void)
{
	bool more;

	if (!sf.serving) {
		sf.serving = true;
		fault_look(&sf.io);
		fault_point(&sf.io, FAULT_AT_START);
		seat_phase(&sf.io, &sf.args, PHASE_SERVING);
		log_info("slot %u serves a program on cpu %u, epoch %u",
		    sf.io.me, sf.io.cpu,
		    atomic_load(&sf.io.slot->worker.epoch));
	}
	more = turn_once(&sf.io);
	atomic_store_explicit(&sf.io.slot->worker.svc[0],
	    socks_refused(sf.socks), memory_order_relaxed);
	return more;
}

void
sf_rest(uint64_t until_us)
{
	uint64_t us = until_us > sf.io.now ? until_us - sf.io.now : 0;

	if (sf.io.stop || us == 0)
		return;
	idle_turn(&sf.io, us < sf.longest_us ? us : sf.longest_us);
}

uint64_t
sf_until(int64_t ms)
{
	return ms < 0 ? UINT64_MAX : sf.io.now + (uint64_t)ms * 1000;
}

int
sf_turn(void)
{
	if (!sf.up)
		return (int)sf_end(-EINVAL);
	return sf_step();
}

uint64_t
sf_now_us(void)
{
	return sf.io.now;
}

/* ---- descriptors of the kernel's ---- */

bool
sf_woken(void)
{
	struct epoll_event ev;

	return sf.nwake > 0 && epoll_wait(sf.wake_ep, &ev, 1, 0) > 0;
}

int
sf_wake(int fd, int off)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (!sf.up)
		return (int)sf_end(-EINVAL);
	if (sf.wake_ep < 0) {
		/* a set in the set that a worker sleeps on */
		sf.wake_ep = epoll_create1(EPOLL_CLOEXEC);
		if (sf.wake_ep < 0 || epoll_ctl(sf.io.epoll, EPOLL_CTL_ADD,
		    sf.wake_ep, &ev) < 0)
			return -1;
	}
	ev.data.fd = fd;
	if (epoll_ctl(sf.wake_ep, off ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, fd,
	    &ev) < 0)
		return -1;
	if (off)
		sf.nwake--;
	else
		sf.nwake++;
	return 0;
}
