/*
 * conf: an instance's configuration, from a libconfig file to typed structs.
 *
 * Shape of a file (config/lab.conf is the shipped example):
 *
 *	name = "lab";
 *	memory = { hugepages_mb = 0; buffers = 16384; ... };
 *	ports = ( { name = "tap0"; type = "tap"; device = "sf0";
 *	            gateway = "10.77.0.1"; ... } );
 *	workers = ( { name = "web"; service = "http"; ports = [ "tap0" ];
 *	              count = 2; cpus = [ 0, 1 ]; http = { ... }; } );
 *
 * A worker entry is a group: `count` slots that run one service with one set
 * of listeners. The group of options named like the service goes to it.
 */
#ifndef CONFIG_CONF_H
#define CONFIG_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "../common/arena.h"
#include "../common/board.h"
#include "../common/fault.h"
#include "../common/opt.h"

#define CONF_ERRLEN	1024

enum conf_lane { CONF_LANE_AUTO, CONF_LANE_DIRECT, CONF_LANE_DISPATCH };
enum conf_idle { IDLE_SPIN, IDLE_ADAPTIVE, IDLE_SLEEP };

/* memory = { ... } */
struct conf_memory {
	int64_t hugepages_mb;	/* 0: computed from the rest */
	int64_t buffers;	/* packet buffers per slot */
	int64_t buffer_size;	/* bytes of data in one buffer */
	int64_t connections;	/* connection records per slot */
	int64_t timewait;	/* TIME_WAIT records per slot */
	int64_t objects;	/* objects per slot, if the service has any */
	int64_t chunks;		/* large send chunks per slot */
	int64_t chunk_size;	/* bytes of a large chunk */
	int64_t ring;		/* entries of a crossing ring */
	int64_t wire_ring;	/* entries of a wire queue */
	int64_t cache_mb;	/* most megabytes of one document root */
	int64_t cache_file_max;	/* bytes; larger files are read when wanted */
	int64_t stream_buffers;	/* per slot, for those reads */
	int64_t reload_room;	/* percent that a root may grow; -1: none */
	char huge_dir[OPT_STRLEN]; /* hugetlbfs mount; empty: found */
};

/* tcp = { ... }: settings of the stack, see net_conf in secondary/net. */
struct conf_tcp {
	int64_t rto_min_ms, rto_init_ms, delack_ms, timewait_ms;
	int64_t rcvbuf, sndbuf;	/* bytes, most per connection */
	int64_t backlog;	/* half-open plus not accepted, per listener */
	int64_t initial_window;	/* segments */
	int32_t congestion;	/* index: "cubic", "newreno" */
	uint8_t timestamps, sack, ecn;
	uint8_t pad;
};

enum conf_seccomp { SECCOMP_KILL, SECCOMP_LOG, SECCOMP_OFF };

/* security = { ... } */
struct conf_security {
	char user[OPT_STRLEN];
	int32_t seccomp;	/* enum conf_seccomp */
	uint32_t uid, gid;	/* resolved from user */
};

/* ip = { ... } */
struct conf_ip {
	uint8_t reassembly;	/* put fragments together */
	uint8_t pad[7];
};

/* workers = ( { fault = { ... }; } ) */
struct conf_fault {
	uint8_t split_io;
	int32_t crash, freeze;	/* enum fault_point */
	int64_t n[FAULT_WORDS];	/* the others, by enum fault_word */
};

/* ports = ( { ... } ) */
struct conf_port {
	char name[OPT_STRLEN];
	int32_t type;		/* enum port_type */
	char device[OPT_STRLEN]; /* tap: interface; pci: address; vdev */
	char host[OPT_STRLEN];	/* tap: address/prefix given to the kernel */
	struct opt_list address; /* ours, address/prefix */
	char host6[OPT_STRLEN];	/* the same, IPv6 */
	char gateway[OPT_STRLEN];
	char gateway6[OPT_STRLEN];
	char peer[OPT_STRLEN];	/* wire: name of the other port */
	int64_t queues;		/* 0: one per slot that serves the port */
	int64_t mtu;
	int64_t vlan;		/* tag of all frames; 0: none */
	int64_t descriptors;	/* per queue */
	int32_t lane;		/* enum conf_lane */
	int32_t line;		/* where the entry stands in the file */
	struct board_addr addrs[BOARD_ADDRS]; /* parsed from address */
	uint32_t naddrs;
	struct board_addr gw, gw6; /* parsed; family 0: none */
};

/* workers = ( { ... } ) */
struct conf_worker {
	char name[OPT_STRLEN];
	char service[OPT_STRLEN];
	struct opt_list ports;	/* names */
	struct opt_list after;	/* names of worker entries to wait for */
	struct opt_list listen;	/* "addr:port", "[addr]:port", "*:lo-hi" */
	int64_t count;		/* slots with a worker from the start */
	int64_t spare;		/* slots without one, for `starfish add` */
	struct opt_ints cpu_list; /* as in the file; may be empty */
	int32_t cpus[BOARD_SLOTS]; /* resolved: cpu of each slot */
	uint32_t ncpus;		/* = count + spare */
	char source_ports[OPT_STRLEN]; /* "lo-hi"; empty: chosen */
	int32_t idle;		/* enum conf_idle */
	int32_t line;
	uint8_t client;		/* opens connections itself (desc->client) */
	uint32_t port_mask;	/* resolved: bit i is ports[i] */
	uint16_t client_lo, client_hi; /* source ports reserved for it */
	struct conf_fault fault; /* made on purpose from the start */
	uint8_t faulty;		/* the entry has a group `fault` */
	void *options;		/* service's own struct, desc->opts->size */
	const struct svc_desc *desc;
	struct board_listener listeners[OPT_LISTLEN]; /* parsed from listen */
	uint32_t nlisteners;
};

struct conf {
	char name[BOARD_NAME];
	char file[BOARD_PATH];
	int64_t hang_ms;
	int64_t start_timeout_ms;
	uint8_t faults;		/* faults may be made on purpose */
	int64_t crash_deaths;	/* within crash_window_s: stays DEAD */
	int64_t crash_window_s;
	int64_t standby;	/* idle processes ready to take over a slot */
	struct conf_memory memory;
	struct conf_tcp tcp;
	struct conf_ip ip;
	struct conf_security security;
	struct conf_port ports[BOARD_PORTS];
	uint32_t nports;
	struct conf_worker workers[BOARD_GROUPS];
	uint32_t nworkers;
	uint32_t nslots;	/* sum of count and spare */
	char warnings[CONF_ERRLEN]; /* one line each */
};

/*
 * Read a file. 0, or -errno with a message in err that names file, line,
 * what was found and what is allowed; several lines if several things are
 * wrong. Warnings go to c->warnings. Relative document roots count from the
 * file's directory and are absolute afterwards. On success the caller owns c
 * and ends it with conf_free(); on failure c needs no conf_free(). descs:
 * services that exist, ends with NULL.
 */
int	conf_load(struct conf *c, const char *file,
	    const struct svc_desc *const *descs, char *err, size_t errlen);

void	conf_free(struct conf *c);

/*
 * Write the configuration to another file, with what conf_load() resolved
 * made explicit: name, absolute document roots, cpus, source ports,
 * memory.huge_dir. It reads c->file again for the rest. The copy is marked, so
 * that conf_load() does not look for its document roots and programs again:
 * those who join a running instance need them no more. 0, or -errno with a
 * message in err.
 */
int	conf_copy(const struct conf *c, const char *to, char *err,
	    size_t errlen);

/* One option of a configuration, for display. */
struct conf_item {
	char group[64];		/* "", "memory", "ports[0]", "workers[1].http" */
	const struct optgroup *table; /* of the group */
	const struct opt *opt;	/* row of the table */
	const void *base;	/* struct that the table fills */
};

/* Call fn for every option, group by group in the file's order. */
void	conf_each(const struct conf *c,
	    void (*fn)(void *arg, const struct conf_item *it), void *arg);

/* Call fn for every option whose value differs; was or is is NULL where there
 * is no such group. Groups of workers are matched and called by their names:
 * "workers.web.http". Top options are not looked at, nor what is chosen at the
 * start where the new file says nothing. */
void	conf_diff(const struct conf *old, const struct conf *new,
	    void (*fn)(void *arg, const struct conf_item *was,
	    const struct conf_item *is), void *arg);

/* Bytes of one side of a root's place in the cache, and of the place, for an
 * image of so many bytes. */
uint64_t conf_root_side(const struct conf *c, uint64_t image);
uint64_t conf_root_place(const struct conf *c, uint64_t image);
/* Faults as words of the board, and back. */
void	conf_fault_words(const struct conf_fault *f,
	    uint32_t word[FAULT_WORDS]);
void	conf_fault_from(struct conf_fault *f,
	    const uint32_t word[FAULT_WORDS]);

/*
 * Change f by "off" or "OPTION=VALUE,OPTION=VALUE...". 0; -EINVAL with what is
 * wrong, and what is allowed, in err.
 */
int	conf_fault_set(struct conf_fault *f, const char *text, char *err,
	    size_t errlen);

/* What differs from no faults, as "OPTION=VALUE OPTION=VALUE"; empty. */
void	conf_fault_text(const struct conf_fault *f, char *buf, size_t len);

extern const struct optgroup conf_fault_table;

/* The option tables of every group, for the manual: ends with NULL. The
 * services' tables are not among them. */
extern const struct optgroup *const conf_tables[];

/* Print every option with its value, default, range, unit and help. */
void	conf_show(const struct conf *c, FILE *out);

/* Write an option's value, its default or its range as a short text. */
void	conf_value(const struct conf_item *it, char *buf, size_t len);
void	conf_default(const struct opt *o, char *buf, size_t len);
void	conf_range(const struct opt *o, char *buf, size_t len);

/* Slots of a worker entry, spare ones too. */
static inline uint32_t
conf_slots(const struct conf_worker *w)
{
	return (uint32_t)(w->count + w->spare);
}

/*
 * Shape of the arena of each slot of a worker entry: the one place that
 * derives it from the memory options. Primary and worker both use it.
 */
void	conf_arena_shape(const struct conf *c, const struct conf_worker *w,
	    struct arena_shape *s);

/* Whether this machine has this cpu; cpus are 0 to conf_cpus() - 1. */
int	conf_cpu_exists(int cpu);
int	conf_cpus(void);

/* Name another directory where services name this one; of two that are to
 * move, none may be where the other goes. */
void	conf_move_root(struct conf *c, const char *from, const char *to);

/* The document roots that the services name, each once: *n of them, at most
 * BOARD_ROOTS (conf_load() checks that). The strings belong to c. */
void	conf_roots(const struct conf *c, const char *root[BOARD_ROOTS],
	    uint32_t *n);

/*
 * Bytes of hugepage memory that the instance needs, a multiple of 2 MB;
 * roots: bytes of all document roots' images.
 */
uint64_t conf_hugepage_bytes(const struct conf *c, uint64_t roots);

/* Worker entry and index within it of a slot; slots are numbered through the
 * worker entries in order. 0; -EINVAL: no such slot. */
int	conf_slot(const struct conf *c, uint32_t slot, uint32_t *group,
	    uint32_t *index);

#endif
