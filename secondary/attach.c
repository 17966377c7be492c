#include "attach.h"

#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mempool.h>
#include <rte_service_component.h>

#include "../common/log.h"
#include "../common/shm.h"
#include "../common/start.h"
#include "io/find.h"
#include "io/live.h"
#include "lcore.h"

#define POOL_OPS	"ring_sp_sc"	/* as mbuf_pool_create() has it */

static bool attached;		/* EAL has files of ours */

static void
on_alarm(int sig)
{
	static const char text[] = "starfish-worker: attach blocked: a process "
	    "may have died in a lock of DPDK's; start a new generation\n";
	ssize_t n;

	n = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)n;
	_exit(EXIT_FAILURE);
}

/* Limit the time until attach_limit(0). */
static void
attach_limit(int64_t ms)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL);
	alarm(ms > 0 ? (unsigned int)((ms + 999) / 1000) : 0);
}

static bool
uses_pci(const struct board *b)
{
	uint32_t i;

	for (i = 0; i < b->head.nports && i < BOARD_PORTS; i++) {
		if (b->port[i].type == PORT_PCI)
			return true;
	}
	return false;
}

/* Our one lcore: on io->cpu, or anywhere as long as we have no slot. */
static void
eal_lcore(struct start_args *a, const struct io *io, uint32_t lcore)
{
	char list[100] = "";
	cpu_set_t set;
	size_t n = 0;
	int cpu;

	if (io->slot != NULL) {
		start_arg(a, "--lcores=%u@%u", lcore, io->cpu);
		return;
	}
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		CPU_ZERO(&set);
	for (cpu = 0; cpu < CPU_SETSIZE && n < sizeof(list) - 8; cpu++) {
		if (CPU_ISSET(cpu, &set))
			n += (size_t)snprintf(list + n, sizeof(list) - n,
			    "%s%d", n > 0 ? "," : "", cpu);
	}
	start_arg(a, "--lcores=%u@(%s)", lcore, n > 0 ? list : "0");
}

static int
start_eal(struct io *io)
{
	static struct start_args a;	/* EAL keeps pointers into it */
	const struct board *b = io->board;
	int lcore = lcore_take(io->board);

	if (lcore < 0) {
		log_error("all %u lcore ids are taken", BOARD_LCORES - 1);
		return lcore;
	}
	start_arg(&a, "starfish-worker");
	start_arg(&a, "--proc-type=secondary");
	start_arg(&a, "--file-prefix=%s", b->head.prefix);
	eal_lcore(&a, io, (uint32_t)lcore);
	start_arg(&a, "--base-virtaddr=0x%lx", (unsigned long)b->head.base);
	start_arg(&a, "--single-file-segments");
	start_arg(&a, "--no-telemetry");
	start_arg(&a, "--log-level=warning");
	if (!uses_pci(b)) {
		start_arg(&a, "--no-pci");
		start_arg(&a, "--iova-mode=va");
	}
	rte_openlog_stream(stderr);
	attached = true;
	if (rte_eal_init(a.n, a.v) < 0) {
		log_error("DPDK did not start: %s; if memory could not be "
		    "mapped, starting again may help", rte_strerror(rte_errno));
		return -EIO;
	}
	/* What services of DPDK's own need (150 KB) was taken from the heap
	 * that all share, and nobody would give it back for a process that is
	 * killed: after some hundred of them no other could attach. */
	rte_service_finalize();
	return 0;
}

static int
open_pool(struct io *io)
{
	char name[RTE_MEMZONE_NAMESIZE];
	struct rte_mempool_ops *ops;

	snprintf(name, sizeof(name), SHM_POOL, io->me);
	io->mp = find_pool(name);
	if (io->mp == NULL) {
		log_error("no packet pool %s", name);
		return -ENOENT;
	}
	/* a number in a table that constructors fill: the primary's table
	 * must be the same */
	ops = rte_mempool_get_ops(io->mp->ops_index);
	if (strcmp(ops->name, POOL_OPS) != 0) {
		log_error("packet pool has operations %s here, %s in the "
		    "primary: built with other drivers", ops->name, POOL_OPS);
		return -ESTALE;
	}
	return 0;
}

/* The devices whose queues we poll have to be there, under their numbers. */
static int
check_devices(struct io *io)
{
	const struct board_port *bp;
	uint32_t i;

	for (i = 0; i < io->nqueues; i++) {
		bp = &io->board->port[io->queue[i].port];
		if (!rte_eth_dev_is_valid_port(bp->ethdev)) {
			log_error("port %s (%s) cannot be used from a worker",
			    bp->name, bp->driver);
			return -ENODEV;
		}
	}
	return 0;
}

int
attach(struct io *io)
{
	int err;

	start_nofile();
	attach_limit(io->conf->start_timeout_ms);
	err = start_eal(io);
	if (err == 0)
		err = find_open();
	if (err == 0) {
		svc_io_roots(io);
		svc_io_reads(io);
		svc_io_alog(io);
		clock_init(&io->clock, rte_get_tsc_hz());
		io->now = clock_now(&io->clock);
	}
	attach_limit(0);
	return err;
}

/* A standby ran anywhere; whoever has a slot runs on the slot's cpu. */
static void
take_cpu(const struct io *io)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(io->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		log_warn("slot %u: cannot run on cpu %u", io->me, io->cpu);
}

int
attach_slot(struct io *io)
{
	int err;

	take_cpu(io);
	live_sit(io);
	svc_io_alog_sit(io);
	err = open_pool(io);
	if (err == 0)
		err = pool_open(io);
	if (err == 0)
		err = lanes_open(io);
	if (err == 0)
		err = check_devices(io);
	return err;
}

void *
attach_arena(struct io *io, size_t *len)
{
	char name[RTE_MEMZONE_NAMESIZE];
	void *addr;

	snprintf(name, sizeof(name), SHM_ARENA, io->me);
	addr = find_zone(name, len);
	if (addr == NULL)
		log_error("no arena %s", name);
	return addr;
}

const struct shm_secret *
attach_secret(void)
{
	size_t len;
	void *addr = find_zone(SHM_SECRET, &len);

	if (addr == NULL || len < sizeof(struct shm_secret)) {
		log_error("no instance secret");
		return NULL;
	}
	return addr;
}

static void
forget(const char *format)
{
	char name[64], pattern[512];
	glob_t g;
	size_t i;

	snprintf(name, sizeof(name), format, (int)getpid());
	snprintf(pattern, sizeof(pattern), "%s/%s",
	    rte_eal_get_runtime_dir(), name);
	if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0) {
		for (i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
	}
	globfree(&g);
}

void
attach_forget(void)
{
	if (!attached)
		return;
	/* left behind, the socket makes DPDK's messages to all processes
	 * fail */
	forget("mp_socket_%d_*");
	forget("fbarray_*_%d");
}
