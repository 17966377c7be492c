/*
 * primary: the anchor of an instance. It owns ports, pools, rings, arenas and
 * the board, and runs neither stack nor service.
 *
 * One struct primary holds what this process knows; what others need is on
 * the board. Functions return 0 or -errno; a start-up step that fails has
 * said why through primary_fail() before it returns.
 */
#ifndef PRIMARY_PRIMARY_H
#define PRIMARY_PRIMARY_H

#include <stdint.h>

#include <rte_mempool.h>
#include <rte_memzone.h>

#include "../common/board.h"
#include "../common/xring.h"
#include "../config/conf.h"

#define PRIMARY_NODES	8u	/* most NUMA nodes */
#define PORT_RETA_MAX	2048u	/* entries of a redirection table */
#define PRIMARY_TICK_MS	20	/* heartbeat, board and timers */

/* What is known of a driver; see port.c. */
struct driver {
	const char *name;	/* as rte_eth_dev_info says, or its beginning */
	uint8_t lane;		/* enum port_lane */
	uint8_t repair;		/* enum port_repair on a direct lane */
	uint8_t no_offloads;	/* done in software by the driver: no gain */
	uint16_t max_desc;	/* most receive descriptors; 0: as configured */
};

/* A port. */
struct pport {
	const struct conf_port *conf;
	const struct driver *driver;
	uint8_t is_open;	/* there is an ethdev */
	uint8_t is_started;
	uint16_t id;		/* DPDK's port id */
	uint16_t rx_desc, tx_desc; /* per queue */
	uint16_t reta_size;	/* 0: none that we could set */
	uint64_t rx_offloads, tx_offloads;
	uint32_t slots;		/* bit s: slot s serves this port */
	uint8_t owner[BOARD_SLOTS]; /* slot of each queue */
};

/* A slot. */
struct pslot {
	struct rte_mempool *pool;
	const struct rte_memzone *arena;
	int node;		/* NUMA node of its memory */
	int bell;		/* see bell.h; -1 */
};

struct primary {
	const struct conf *conf;
	char name[BOARD_NAME];
	char dir[BOARD_PATH];	/* runtime directory */
	char prefix[BOARD_NAME]; /* EAL's file prefix */
	char huge_dir[BOARD_PATH];
	uint64_t huge_page;	/* bytes of a page there */
	uint32_t generation;
	int notify_fd;		/* -1: nobody to tell */
	int lock_fd;
	int bell;		/* ours: slot BOARD_NONE */
	struct board *board;	/* NULL before it exists */
	int eal_up;		/* rte_eal_init was called */
	int emptying;		/* a slot that stays DEAD is being emptied */
	int steer_due;		/* the bucket table changed */
	uint64_t node_bytes[PRIMARY_NODES];
	uint64_t bytes;		/* hugepage memory in all */
	struct rte_mempool *spread_pool; /* NULL: no dispatched port */
	struct rte_mempool *fence_pool;	/* NULL: no port to restart */
	struct pport port[BOARD_PORTS];
	struct pslot slot[BOARD_SLOTS];
};

/*
 * Say why the start fails: to the log, and on the board once it exists. The
 * first reason stands. Returns err, so that callers can return it at once.
 */
int	primary_fail(struct primary *p, int err, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* Tell whoever started us that words of ours on the board changed. */
void	primary_notify(struct primary *p);

/* rundir.c: runtime directory and lock ----------------------------------- */

/* Make the runtime directory and take the instance's lock; -EBUSY says who
 * runs. */
int	rundir_open(struct primary *p);
/* Remove what the primary put there, and the directory if it is empty. */
void	rundir_close(struct primary *p);

/* eal.c ------------------------------------------------------------------ */

/* Find the hugepage mount and check that enough pages are free for
 * p->bytes. */
int	eal_prepare(struct primary *p);
int	eal_start(struct primary *p);
/* End EAL and remove its files: runtime directory and hugepage files. */
void	eal_stop(struct primary *p);
/* Remove the files of a file prefix whose processes are gone. */
void	eal_scrub(const char *prefix, const char *huge_dir);

/* port.c ----------------------------------------------------------------- */

/* Make the devices; decide lane, repair class, offloads. */
int	port_open_all(struct primary *p);
/* Configure, set up queues, start. Pools exist. */
int	port_start_all(struct primary *p);
void	port_close_all(struct primary *p);
/* Set up the queue of slot s on port i from this pool. */
int	port_rx_queue(struct primary *p, uint32_t i, uint16_t q,
	    struct rte_mempool *mp);
int	port_tx_queue(struct primary *p, uint32_t i, uint16_t q);
/* Give frames that allocations left in our cache back to the pool's ring. */
void	port_flush(struct rte_mempool *mp);

/* evacuate.c ------------------------------------------------------------- */

/* Empty the slots that stay DEAD, some of it in each call. Returns whether it
 * wants to be called again in a ms. */
int	evacuate_slots(struct primary *p, uint64_t now_us);
/* Whether a slot was emptied: nothing in it is served by anybody. */
int	evacuate_is_empty(uint32_t slot);

/* tap.c: what net_tap leaves to us --------------------------------------- */

/* Driver arguments; fails if the interface is there already. */
int	tap_args(struct primary *p, uint32_t i, char *buf, size_t len);
/* Once the interface is there: mark it as ours. */
void	tap_mark(struct primary *p, uint32_t i);
/* After the start: address, link up. */
int	tap_host(struct primary *p, uint32_t i);
/* Stop tun descriptors from raising signals. */
void	tap_noasync(void);
/* The first of our descriptors that match() says yes to, or -1. For those that
 * a driver opened and keeps to itself. */
int	fd_find(int (*match)(int fd, const void *arg), const void *arg);
/* A queue's descriptor of this interface that takes ioctls, or -1. */
int	tap_fd(const char *ifname);
/* Remove the interface. */
void	tap_remove(struct primary *p, uint32_t i);
/* Our MAC address on a port without a NIC. */
void	tap_mac(const struct primary *p, uint32_t i, int host, uint8_t mac[6]);

/* memory.c --------------------------------------------------------------- */

/* Add up what will be reserved: fills node_bytes and bytes. */
int	memory_size(struct primary *p);
/* Pools, arenas, rings, secret; after the ports are open. */
int	memory_make(struct primary *p);
/* Where zone memory lies, for readers without DPDK. */
int	memory_place(struct primary *p, struct board_place *pl,
	    const void *addr, size_t len);
/* Entries of crossing, wire and dispatch rings. */
uint32_t memory_ring(const struct primary *p);
uint32_t memory_wire_ring(const struct primary *p);

/* files.c: document roots ------------------------------------------------ */

/* Start the child and let it measure all roots. Before EAL. */
int	files_measure(struct primary *p);
/* Bytes of all roots' images. */
uint64_t files_bytes(const struct conf *conf);
/* Reserve a zone per root and let the child load it. */
int	files_load(struct primary *p);
void	files_stop(void);
/* Have the child load root i again, to a side of its place. 0 or -errno. */
int	files_ask(struct primary *p, uint32_t i, uint32_t side);
/* Whether it did: 0; -EAGAIN not yet; else -errno and why. */
int	files_answered(struct primary *p, uint32_t i, char *why, size_t len);
/* Say on the board what there is of this generation. */
void	files_publish(struct primary *p, uint32_t gen);

/* reload.c --------------------------------------------------------------- */

/* Load document roots again if the supervisor wants it. Never waits. */
void	reload_turn(struct primary *p);

/* fill.c: the board's constant words ------------------------------------- */

/* Ports, groups, slots, listeners, as far as the configuration says. */
int	fill_conf(struct primary *p);

/* steer.c ---------------------------------------------------------------- */

/* Give each group's buckets to its slots, evenly. */
void	steer_buckets(struct primary *p);
/* Make hardware (or the tap) follow the buckets. Never fails: a port that
 * cannot is left to hand-off, and the log says so. */
void	steer_start(struct primary *p);
/* Follow buckets that moved. */
void	steer_update(struct primary *p);
/* Send nothing to this slot's NIC queues, until spare is 0 again. */
void	steer_spare(struct primary *p, uint32_t s, int spare);
void	steer_stop(struct primary *p);

/* spread.c: dispatched ports --------------------------------------------- */

/* Whether any port is dispatched. */
int	spread_wanted(const struct primary *p);
int	spread_start(struct primary *p);
/* One turn: receive, hand out, send. Returns frames moved. */
uint32_t spread_turn(struct primary *p);
/* Add descriptors that show received frames to an epoll. Returns whether they
 * show those of all dispatched ports. */
int	spread_watch(struct primary *p, int epfd);
void	spread_stop(struct primary *p);

/* fence.c: repair -------------------------------------------------------- */

/* One look at all slots. */
void	fence_turn(struct primary *p);

/* What the receive queues of a started port hold of each slot's buffers. */
void	fill_device(struct primary *p, uint32_t i);

/* ---- autopsy.c ---- */

/* Write to the board what the dead process of a slot had in hand. */
void	autopsy(struct primary *p, uint32_t s, uint32_t dead);

#endif
