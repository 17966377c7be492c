#include "standby.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <bsd/string.h>
#include <bsd/unistd.h>

#include "../common/bell.h"
#include "../common/log.h"
#include "adopt.h"
#include "io/frames.h"
#include "stack.h"

#define PARENT_MS	1000	/* how often a standby looks for who needs it */

/* The logs of all slots, opened while we may: -1 where stderr stays. */
static int logs[BOARD_SLOTS];

static void
open_logs(const struct io *io, const struct seat_args *a)
{
	char path[BOARD_PATH + 32], dir[BOARD_PATH];
	uint32_t i;

	if (board_dir(dir, sizeof(dir), io->board->head.name) < 0)
		return;
	for (i = 0; i < BOARD_SLOTS; i++) {
		logs[i] = -1;
		/* by hand: what it says goes where it went before */
		if (a->notify_fd < 0 || i >= io->board->head.nslots)
			continue;
		snprintf(path, sizeof(path), "%s/worker-%u.log", dir, i);
		logs[i] = open(path, O_WRONLY | O_CREAT | O_APPEND |
		    O_NOFOLLOW | O_CLOEXEC, 0640);
	}
}

static void
use_log(uint32_t slot)
{
	if (logs[slot] < 0)
		return;
	fflush(NULL);
	dup2(logs[slot], STDOUT_FILENO);
	dup2(logs[slot], STDERR_FILENO);
}

static void
tell(const struct seat_args *a)
{
	uint64_t one = 1;

	if (a->notify_fd >= 0)
		(void)!write(a->notify_fd, &one, sizeof(one));
}

int
standby_open(struct io *io, const struct seat_args *a)
{
	struct standby_worker *w = &io->board->standby[a->standby].worker;
	uint32_t bell = BOARD_SLOTS + a->standby;

	if (flock(io->bells[bell], LOCK_EX | LOCK_NB) < 0) {
		log_error("standby %u is there already: pid %u", a->standby,
		    atomic_load(&w->pid));
		return -EBUSY;
	}
	io->bell = io->bells[bell];
	io->base = (uintptr_t)io->board->head.base;
	atomic_store(&w->ready, 0);
	strlcpy(w->program, seat_program(), sizeof(w->program));
	strlcpy(w->build, build_version, sizeof(w->build));
	atomic_store(&w->heartbeat_us, board_mono_us());
	atomic_store(&w->pid_start, board_pid_start(getpid()));
	atomic_store(&w->pid, (uint32_t)getpid());
	setproctitle("%s standby %u", io->board->head.name, a->standby);
	return 0;
}

/* A slot to sit down in; BOARD_NONE: none yet. */
static uint32_t
ordered(const struct io *io, uint32_t number)
{
	uint64_t w;

	/* acquire: what the supervisor stored before the order is seen */
	w = atomic_load_explicit(&io->board->standby[number].super.order,
	    memory_order_acquire);
	if (STANDBY_PID(w) != (uint32_t)getpid() ||
	    STANDBY_SLOT(w) >= io->board->head.nslots)
		return BOARD_NONE;
	return STANDBY_SLOT(w);
}

/* Whether there is no instance any more that could need us. */
static bool
is_over(const struct io *io, uint32_t number)
{
	const struct board_head *h = &io->board->head;

	return io->stop || atomic_load(&io->board->standby[number].super.stop)
	    || atomic_load(&h->state) == PRIMARY_STOPPING ||
	    !board_pid_alive((pid_t)h->pid, h->pid_start);
}

/*
 * Sleep until the bell rings. The heart beats meanwhile, seldom: who wakes it
 * is the bell.
 */
static int
wait_order(struct io *io, uint32_t number, uint32_t *slot)
{
	struct standby_worker *w = &io->board->standby[number].worker;
	struct pollfd pf = { io->bell, POLLIN, 0 };
	int ms = (int)(io->conf->hang_ms / 4);

	while ((*slot = ordered(io, number)) == BOARD_NONE) {
		if (is_over(io, number))
			return -EINTR;
		atomic_store(&w->heartbeat_us, board_mono_us());
		if (poll(&pf, 1, ms < PARENT_MS ? ms : PARENT_MS) > 0)
			bell_drain(io->bell);
	}
	return 0;
}

int
standby_prepare(struct io *io, const struct seat_args *a)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < io->board->head.ngroups && i < BOARD_GROUPS; i++) {
		if (!stack_has(io->board->group[i].service)) {
			log_error("this program has no service %s",
			    io->board->group[i].service);
			return -ENOENT;
		}
	}
	for (i = 0; err == 0 && i < io->board->head.nslots &&
	    i < BOARD_SLOTS; i++)
		err = frames_find(io, i);
	open_logs(io, a);
	return err;
}

int
standby_wait(struct io *io, const struct seat_args *a,
    struct seat_before *before)
{
	struct standby_worker *w = &io->board->standby[a->standby].worker;
	int bell = io->bell, err;
	uint32_t slot;

	log_info("standby %u waits", a->standby);
	/* release: who sees it sees our words */
	atomic_store_explicit(&w->ready, 1, memory_order_release);
	tell(a);
	err = wait_order(io, a->standby, &slot);
	atomic_store(&w->ready, 0);
	if (err < 0)
		return err;
	use_log(slot);
	err = seat_take(io, a, slot, before);
	/* the seat on the bench is free for the next one */
	atomic_store(&w->pid, 0);
	flock(bell, LOCK_UN);
	return err;
}
