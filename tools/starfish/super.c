/*
 * super: the loop, and the order of the end.
 */
#include "super.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <bsd/string.h>

#include "../../common/bell.h"
#include "../../common/resident.h"

#define LEVEL_INFO	0
#define LEVEL_ERROR	2

/* ---- saying -------------------------------------------------------------- */

/* A line for people, and the same in short for the board. */
static void
say(struct super *s, const char *line, const char *event)
{
	fprintf(stdout, "%s\n", line);
	fflush(stdout);
	server_progress(s, line);
	if (s->board != NULL)
		board_event(&s->board->super_events, BOARD_NONE, LEVEL_INFO,
		    "%s", event);
}

void
super_say(struct super *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(s, text, text);
}

void
super_step(struct super *s, uint64_t since_us, const char *fmt, ...)
{
	char text[400], line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%-66s %9.1f ms", text,
	    (double)(board_mono_us() - since_us) / 1000);
	say(s, line, text);
}

void
super_fail(struct super *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "starfish: %s\n", text);
	server_progress(s, text);
	if (s->board != NULL)
		board_event(&s->board->super_events, BOARD_NONE, LEVEL_ERROR,
		    "%s", text);
	s->failed = 1;
	if (s->phase < SUPER_STOP_WORKERS)
		super_stop(s, "the start failed");
}

void
super_log(const struct super *s, uint32_t slot, char *buf, size_t len)
{
	char file[32] = "primary.log";

	if (slot != BOARD_NONE)
		snprintf(file, sizeof(file), "worker-%u.log", slot);
	rundir_file(&s->dir, file, buf, len);
}

/* ---- the end, in order --------------------------------------------------- */

void
super_enter(struct super *s, enum super_phase phase)
{
	s->phase = phase;
	s->phase_us = s->now_us;
}

static uint32_t
slots_alive(const struct super *s)
{
	uint32_t i, attaching, n = standby_alive(s, &attaching);

	for (i = 0; i < s->nslots; i++)
		n += s->slot[i].child.pidfd >= 0;
	return n;
}

void
super_ring(const struct super *s, uint32_t slot)
{
	int bell = bell_open(s->conf.name, slot);

	if (bell < 0)
		return;
	bell_ring(bell);
	close(bell);
}

static void
bury_all(struct super *s)
{
	while (s->nzombies > 0)
		child_bury(s->zombie[--s->nzombies]);
}

void
super_bury(struct super *s, pid_t pid)
{
	if (s->nzombies == SUPER_ZOMBIES)
		bury_all(s);
	s->zombie[s->nzombies++] = pid;
	s->zombie_us = s->now_us;
}

void
super_stop_slot(struct super *s, struct slot *sl)
{
	slot_event(sl, EV_STOP, s->now_us);
	if (s->board == NULL)
		return;
	if (s->stop_ms > 0)
		atomic_store(&s->board->slot[sl->number].super.drain_ms,
		    s->stop_ms);
	/* one that was started by hand hears it too */
	atomic_store_explicit(&s->board->slot[sl->number].super.stop, 1,
	    memory_order_release);
	child_kill(&sl->child, s->hurry ? SIGKILL : SIGTERM);
	super_ring(s, sl->number);
}

void
super_stop(struct super *s, const char *who)
{
	uint32_t i;

	if (s->phase >= SUPER_STOP_WORKERS) {
		if (!s->hurry)
			super_say(s, "%s: killing what is left", who);
		s->hurry = 1;
	} else {
		super_say(s, "%s: ending %s", who, s->conf.name);
		notify_stopping(&s->notify);
		s->had_workers = slots_alive(s) > 0;
		s->was_dead = s->primary.pidfd < 0;
		super_enter(s, SUPER_STOP_WORKERS);
	}
	if (s->board != NULL)
		atomic_store_explicit(&s->board->super.stopping, 1,
		    memory_order_release);
	for (i = 0; i < s->nslots; i++)
		super_stop_slot(s, &s->slot[i]);
	standby_stop(s, s->hurry ? SIGKILL : SIGTERM);
	if (s->hurry && s->phase == SUPER_STOP_PRIMARY)
		child_kill(&s->primary, SIGKILL);
}

/* Processes that do not end in time are killed. */
static void
lose_patience(struct super *s)
{
	uint32_t i;

	if (s->now_us - s->phase_us < (SUPER_STOP_MS + (uint64_t)(s->phase ==
	    SUPER_STOP_WORKERS && !s->hurry ? s->stop_ms : 0)) * 1000)
		return;
	if (s->phase == SUPER_STOP_PRIMARY) {
		child_kill(&s->primary, SIGKILL);
		return;
	}
	for (i = 0; i < s->nslots; i++)
		if (s->slot[i].child.pidfd >= 0) {
			s->slot[i].kill_why = KILL_SLOW_STOP;
			child_kill(&s->slot[i].child, SIGKILL);
		}
	standby_stop(s, SIGKILL);
}

static void
follow_stop(struct super *s)
{
	if (s->phase == SUPER_STOP_WORKERS && slots_alive(s) == 0) {
		if (s->had_workers)
			super_step(s, s->phase_us, "workers ended");
		super_enter(s, SUPER_STOP_PRIMARY);
		child_kill(&s->primary, s->hurry ? SIGKILL : SIGTERM);
	}
	if (s->phase == SUPER_STOP_PRIMARY && s->primary.pidfd < 0) {
		if (!s->was_dead)
			super_step(s, s->phase_us, "primary ended");
		super_enter(s, SUPER_DONE);
	}
	lose_patience(s);
}

/* ---- the loop ------------------------------------------------------------ */

static void
take_signals(struct super *s)
{
	struct signalfd_siginfo si;
	char err[CONF_ERRLEN];

	while (read(s->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		switch (si.ssi_signo) {
		case SIGHUP:
			/* a daemon's word for it; on a terminal: it went */
			if (!s->detached && isatty(STDIN_FILENO))
				super_stop(s, "terminal closed");
			else if (reload_begin(s, NULL, err, sizeof(err)) < 0)
				super_say(s, "SIGHUP: %s; nothing was "
				    "changed", err);
			break;
		case SIGINT:
		case SIGQUIT:
		case SIGTERM:
			super_stop(s, strsignal((int)si.ssi_signo));
			break;
		default:
			break;	/* SIGUSR1, SIGUSR2: reserved, harmless */
		}
}

static void
signal_set(sigset_t *set)
{
	struct sigaction sa;

	sigemptyset(set);
	/* nohup(1) means it: a blocked signal would reach us all the same */
	if (sigaction(SIGHUP, NULL, &sa) < 0 || sa.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGQUIT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGUSR2);
}

void
super_block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int
open_fds(struct super *s)
{
	struct itimerspec it = {
		.it_interval = { 0, SUPER_TICK_MS * 1000000 },
		.it_value = { 0, SUPER_TICK_MS * 1000000 },
	};
	sigset_t set;

	signal_set(&set);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC |
	    TFD_NONBLOCK);
	if (s->signal_fd < 0 || s->notify_fd < 0 || s->timer_fd < 0 ||
	    timerfd_settime(s->timer_fd, 0, &it, NULL) < 0)
		return -errno;
	return server_open(s);
}

static void
reap(struct super *s)
{
	uint32_t i;

	for (i = 0; i < s->nslots; i++)
		if (s->slot[i].child.pidfd >= 0)
			watch_slot_end(s, &s->slot[i]);
	for (i = 0; i < BOARD_STANDBYS; i++)
		if (s->standby[i].child.pidfd >= 0)
			standby_end(s, &s->standby[i]);
	if (s->primary.pidfd >= 0)
		watch_primary_end(s);
}

/* What the time and the children's words ask for. */
static void
turn(struct super *s)
{
	switch (s->phase) {
	case SUPER_PRIMARY:
		start_follow_primary(s);
		break;
	case SUPER_WORKERS:
	case SUPER_SERVING:
		watch_slots(s);
		mover_turn(s);
		start_workers(s);
		standby_turn(s);
		upgrade_turn(s);
		renew_turn(s);
		if (s->phase == SUPER_WORKERS && start_complete(s)) {
			super_enter(s, SUPER_SERVING);
			super_step(s, s->started_us, "all serve%s",
			    s->ready_fd < 0 ? "; Ctrl-C ends it" : "");
		}
		if (s->adopting && adopt_complete(s)) {
			s->adopting = 0;
			super_step(s, s->started_us, "watched over again%s",
			    s->ready_fd < 0 ? "; Ctrl-C ends it" : "");
		}
		break;
	case SUPER_STOP_WORKERS:
	case SUPER_STOP_PRIMARY:
		follow_stop(s);
		break;
	case SUPER_DONE:
		break;
	}
}

static void
tick(struct super *s)
{
	if (s->board != NULL)
		atomic_store_explicit(&s->board->super.heartbeat_us,
		    s->now_us, memory_order_relaxed);
	if (s->nzombies > 0 && s->now_us - s->zombie_us > SUPER_BURY_US)
		bury_all(s);
	server_tick(s);
	accesslog_tick(s);
	notify_alive(&s->notify, s->now_us);
	if (s->phase == SUPER_WORKERS || s->phase == SUPER_SERVING)
		watch_beats(s);
	else
		s->checked_us = s->now_us;
}

/* Wait for anything, then look at everything: all of it is cheap. */
static void
loop_once(struct super *s)
{
	struct pollfd pf[5 + BOARD_BELLS + CTL_CLIENTS];
	uint64_t n;
	uint32_t i, k = 0, clients;

	pf[k++] = (struct pollfd){ s->signal_fd, POLLIN, 0 };
	pf[k++] = (struct pollfd){ s->notify_fd, POLLIN, 0 };
	pf[k++] = (struct pollfd){ s->timer_fd, POLLIN, 0 };
	pf[k++] = (struct pollfd){ s->ctl_fd, POLLIN, 0 };
	pf[k++] = (struct pollfd){ s->primary.pidfd, POLLIN, 0 };
	for (i = 0; i < s->nslots; i++)
		pf[k++] = (struct pollfd){ s->slot[i].child.pidfd, POLLIN, 0 };
	for (i = 0; i < BOARD_STANDBYS; i++)
		pf[k++] = (struct pollfd){ s->standby[i].child.pidfd, POLLIN,
		    0 };
	clients = k;
	for (i = 0; i < CTL_CLIENTS; i++)
		pf[k++] = (struct pollfd){ s->client[i].fd, POLLIN, 0 };
	if (poll(pf, k, -1) < 0)
		return;		/* EINTR: a debugger */
	s->now_us = board_mono_us();
	if (pf[0].revents != 0)
		take_signals(s);
	if (pf[1].revents != 0)
		(void)!read(s->notify_fd, &n, sizeof(n));
	if (pf[2].revents != 0 &&
	    read(s->timer_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		tick(s);
	reap(s);
	for (i = 0; i < CTL_CLIENTS; i++)
		if (s->client[i].fd >= 0 && pf[clients + i].revents != 0)
			server_read(s, &s->client[i]);
	if (pf[3].revents != 0)
		server_accept(s);
	reload_turn(s);
	turn(s);
}

/* How it fares, for systemctl status. */
static void
tell_status(struct super *s)
{
	char text[96];
	uint32_t i, n = 0;

	for (i = 0; i < s->nslots; i++)
		n += s->slot[i].state == SLOT_SERVING;
	snprintf(text, sizeof(text), "%u of %u slots serve%s", n, s->nslots,
	    s->phase == SUPER_PRIMARY ? "; the primary starts" :
	    s->primary_dead ? "; the primary is dead" :
	    s->primary_hung ? "; the primary hangs" : "");
	if (s->phase < SUPER_STOP_WORKERS)
		notify_status(&s->notify, text);
}

/* Tell the service manager, and the process that waits for --detach; let go
 * of its terminal. */
static void
tell_ready(struct super *s)
{
	tell_status(s);
	if (s->phase != SUPER_SERVING || s->adopting)
		return;
	notify_ready(&s->notify);
	if (s->ready_fd < 0)
		return;
	s->detached = 1;
	(void)!write(s->ready_fd, "\0", 1);
	close(s->ready_fd);
	s->ready_fd = -1;
	rundir_detach(&s->dir);
}

int
super_run(struct super *s)
{
	int err;

	/* clients wait while we do, on a busy machine: mere root may */
	(void)setpriority(PRIO_PROCESS, 0, SUPER_NICE);
	resident();
	s->now_us = s->checked_us = board_mono_us();
	err = open_fds(s);
	if (err == 0 && s->board == NULL)
		err = start_primary(s);
	if (err < 0) {
		fprintf(stderr, "starfish: cannot start: %s\n",
		    strerror(-err));
		notify_stopping(&s->notify);
		return 1;
	}
	/* what was adopted does not wait for an event */
	if (s->phase == SUPER_SERVING)
		turn(s);
	tell_ready(s);
	while (s->phase != SUPER_DONE) {
		loop_once(s);
		tell_ready(s);
	}
	accesslog_stop(s);
	bury_all(s);
	if (s->board != NULL)
		board_close(s->board);
	s->board = NULL;
	return s->failed;
}
