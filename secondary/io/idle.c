#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

#include "../../common/bell.h"
#include "../../common/log.h"
#include "io.h"
#include "reads.h"

#define SPIN_US		100u	/* adaptive: look on for so long after work */
#define NEAR_US		50u	/* do not sleep for less */
#define DOZE_US		400u	/* a lane that can only be polled is looked at
				   this often */
#define SETTLE_US	1000u	/* the longest sleep with frames not done */
#define SCAN_US		100000u	/* the longest sleep while live.c looks */

/* The name of the interface that a tun descriptor belongs to; false: no tun. */
static bool
tun_name(int fd, char *name, size_t len)
{
	char path[64], link[64], line[128];
	bool found = false;
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	if (strcmp(link, "/dev/net/tun") != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "iff:", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(name, len, "%s", line + 4 + strspn(line + 4, " \t"));
		found = true;
	}
	fclose(f);
	return found;
}

static int
compare_int(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * The descriptors of a tap interface, one per queue. net_tap's descriptors
 * came to us in one message, all receive queues in order, then the send
 * queues; the kernel numbers them upwards.
 */
static void
find_tuns(const char *device, int tun[IO_TUNS])
{
	int fd[2 * IO_TUNS];
	uint32_t n = 0, i;
	struct dirent *e;
	char name[64];
	DIR *d;

	d = opendir("/proc/self/fd");
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL && n < 2 * IO_TUNS) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		fd[n] = (int)strtol(e->d_name, NULL, 10);
		if (tun_name(fd[n], name, sizeof(name)) &&
		    strcmp(name, device) == 0)
			n++;
	}
	closedir(d);
	qsort(fd, n, sizeof(fd[0]), compare_int);
	for (i = 0; i < n && i < IO_TUNS; i++)
		tun[i] = fd[i];
}

int
idle_prepare(struct io *io)
{
	const struct board_port *bp;
	uint32_t i, k;

	for (i = 0; i < io->board->head.nports && i < BOARD_PORTS; i++) {
		bp = &io->board->port[i];
		for (k = 0; k < IO_TUNS; k++)
			io->tun[i][k] = -1;
		if (bp->type == PORT_TAP)
			find_tuns(bp->device, io->tun[i]);
	}
	/* timers due in the middle of a sleep are due then */
	prctl(PR_SET_TIMERSLACK, 1000ul);
	io->epoll = epoll_create1(EPOLL_CLOEXEC);
	return io->epoll < 0 ? -errno : 0;
}

static int
watch(struct io *io, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int
idle_open(struct io *io)
{
	uint32_t i;
	int err;

	err = watch(io, io->bell);
	if (err == 0 && io->reads != NULL)
		err = watch(io, reads_fd(io->reads));
	for (i = 0; err == 0 && i < io->nqueues; i++) {
		if (io->queue[i].tun < 0)
			io->dozes = true;
		else
			err = watch(io, io->queue[i].tun);
	}
	if (err < 0)
		log_error("epoll: %s", strerror(-err));
	return err;
}

/* Wait for a descriptor of the set for at most us. Returns whether one is
 * ready. */
static bool
wait_us(struct io *io, uint64_t us)
{
	struct timespec t = { .tv_sec = (time_t)(us / 1000000),
	    .tv_nsec = (long)(us % 1000000 * 1000) };
	struct epoll_event ev;
	long n;

	n = syscall(SYS_epoll_pwait2, io->epoll, &ev, 1, &t, NULL, 0);
	if (n < 0 && errno == ENOSYS)	/* Linux before 5.11 */
		n = epoll_wait(io->epoll, &ev, 1, (int)((us + 999) / 1000));
	return n > 0;
}

/* Whether there is something to do for a bucket on its way, to us or from us.
 * One that waits for the other slot does not keep us awake: it rings. */
static bool
words_ask(struct io *io)
{
	if (io->buckets == NULL)
		return false;
	io->moving = net_move(io->net, io->now, 1);
	return net_move_busy(io->net);
}

static void
sleep_until(struct io *io, uint64_t deadline_us)
{
	_Atomic uint32_t *asleep = &io->slot->worker.asleep;
	uint64_t us = deadline_us - io->now;

	if (io->dozes && us > DOZE_US)
		us = DOZE_US;
	/* nobody rings when what was sent may be used again */
	if (us > SETTLE_US && lanes_busy(io))
		us = SETTLE_US;
	/* pairs with the fence in bell_call() */
	atomic_store_explicit(asleep, 1, memory_order_seq_cst);
	if (!lanes_ready(io) && !io->stop && !words_ask(io)) {
		io_count(io, CNT_sleeps, 1);
		wait_us(io, us);
	}
	atomic_store_explicit(asleep, 0, memory_order_relaxed);
	bell_drain(io->bell);
	io->looked_us = 0;
}

/* When to wake up at the latest. */
static uint64_t
deadline(struct io *io, uint64_t longest_us)
{
	uint64_t d = net_deadline(io->net);

	if (io->tick_us < d)
		d = io->tick_us;
	/* the primary waits for what live.c finds out */
	if (io->cache_free != io->cache_gen && longest_us > SCAN_US)
		longest_us = SCAN_US;
	if (io->reads != NULL && reads_deadline(io->reads) < d)
		d = reads_deadline(io->reads);
	if (io->fault != NULL && fault_due(io) < d)
		d = fault_due(io);
	/* offers have a time limit, and so have frames that wait */
	if ((io->moving > 0 || io->nheld > 0) && longest_us > MOVE_LOOK_US)
		longest_us = MOVE_LOOK_US;
	if (io->now + longest_us < d)
		d = io->now + longest_us;
	return d;
}

void
idle_turn(struct io *io, uint64_t longest_us)
{
	enum conf_idle mode = (enum conf_idle)io->worker->idle;
	uint64_t end;

	if (mode != IDLE_SPIN &&
	    (mode == IDLE_SLEEP || io->now - io->work_us > SPIN_US)) {
		end = deadline(io, longest_us);
		if (end > io->now + NEAR_US) {
			sleep_until(io, end);
			return;
		}
	}
	if (io->crowded)
		sched_yield();
	else
		rte_pause();
}
