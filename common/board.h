/*
 * board: what an instance is and how it fares, in one small file that every
 * process of the instance and every reader maps.
 *
 * The primary makes the file (mode 0640) and fills it; READY in head.state is
 * stored last. Offsets only, no pointers. Each word has one writer, named in
 * the comment of its struct; readers use the atomics or accept that a text
 * may be torn. Words that are constant after READY need no atomics: the
 * reader's acquire load of head.state pairs with the primary's release.
 *
 * The instance secret is not here: it lies in the memory zone "secret" that
 * only workers map.
 */
#ifndef COMMON_BOARD_H
#define COMMON_BOARD_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault.h"
#include "opt.h"
#include "report.h"

#define BOARD_MAGIC	0x53464231u	/* "SFB1" */
#define BOARD_SLOTS	16u		/* most slots of an instance */
#define BOARD_PORTS	8u
#define BOARD_GROUPS	8u
#define BOARD_BUCKETS	512u		/* per group; a power of two */
#define BOARD_LISTENERS	64u
#define BOARD_ADDRS	8u		/* addresses of one port */
#define BOARD_ROOTS	16u		/* document roots in the file cache */
#define BOARD_STANDBYS	4u		/* most standby processes */
#define BOARD_LCORES	128u		/* DPDK's RTE_MAX_LCORE */
#define BOARD_EVENTS	64u		/* kept per writer */
#define BOARD_NAME	32u		/* bytes of a name with its NUL */
#define BOARD_PATH	256u
#define BOARD_NONE	0xffu		/* no slot, no port, no group */
#define BOARD_BELLS	(BOARD_SLOTS + BOARD_STANDBYS) /* of workers */

/* Counters of a slot; see counters.def. */
enum counter {
#define C(name, help) CNT_##name,
#include "counters.def"
#undef C
	CNT_MAX
};

extern const char *const counter_names[CNT_MAX];
extern const char *const counter_help[CNT_MAX];

/* State of a slot, design of slots' life in ARCHITECTURE.md. */
enum slot_state {
	SLOT_EMPTY,
	SLOT_STARTING,
	SLOT_READY,
	SLOT_SERVING,
	SLOT_DRAINING,
	SLOT_DEAD,
	SLOT_REPAIRING,
	SLOT_STATES
};

extern const char *const slot_state_names[SLOT_STATES];

/* How far the process in a slot is; it alone writes this. */
enum worker_phase {
	PHASE_NONE,
	PHASE_ATTACHING,	/* EAL attach, memory mapped */
	PHASE_WAITING,		/* attached; the primary still repairs */
	PHASE_READY,		/* arena made or adopted, service started */
	PHASE_SERVING,		/* takes traffic */
	PHASE_LEAVING,		/* told to go, finishing */
	PHASES
};

/* What a worker is told by super.stop. */
enum worker_stop {
	STOP_NO,
	STOP_FINISH,		/* take no more, finish, exit */
	STOP_HAND_OVER,		/* exit between two turns: somebody else goes
				   on with the connections */
};

enum primary_state {
	PRIMARY_NONE,
	PRIMARY_STARTING,
	PRIMARY_READY,
	PRIMARY_STOPPING,
	PRIMARY_FAILED,		/* head.why says it */
};

enum port_type { PORT_TAP, PORT_WIRE, PORT_PCI, PORT_VDEV, PORT_TYPES };
enum port_lane { LANE_DIRECT, LANE_DISPATCH, LANE_WIRE, LANES };
enum port_repair { REPAIR_QUEUE, REPAIR_PORT, REPAIR_NONE, REPAIRS };

extern const char *const port_type_names[PORT_TYPES];
extern const char *const port_lane_names[LANES];
extern const char *const port_repair_names[REPAIRS];

/* An event; text is one short sentence. */
struct board_event {
	uint64_t time_us;	/* CLOCK_REALTIME, microseconds */
	uint32_t slot;		/* BOARD_NONE: none */
	uint32_t level;		/* 0 information, 1 warning, 2 error */
	char text[112];
};

/* Events of one writer: e[i % BOARD_EVENTS], i below n. */
struct board_events {
	_Atomic uint64_t n;
	struct board_event e[BOARD_EVENTS];
};

/* Where a piece of shared memory lies, for a reader that maps the file. */
struct board_place {
	char path[BOARD_PATH];	/* hugepage file */
	uint64_t offset;	/* bytes into the file */
	uint64_t len;		/* bytes */
	uint64_t addr;		/* address in DPDK processes; no pointer for
				   anyone else */
};

/* Writer: primary. Constant after READY, but for state and heartbeat. */
struct board_head {
	uint32_t magic;
	uint32_t generation;	/* 1 for the first primary of an instance */
	uint64_t size;		/* bytes of the file */
	uint64_t layout;	/* layout hash of all shared structures */
	char build[BOARD_NAME];	/* version and build id */
	char name[BOARD_NAME];	/* instance */
	char prefix[BOARD_NAME]; /* EAL --file-prefix */
	uint64_t base;		/* base of refs and offsets, see pkt.h */
	uint64_t started_us;	/* CLOCK_REALTIME */
	uint32_t pid;
	uint32_t pad;
	uint64_t pid_start;	/* field 22 of /proc/PID/stat */
	uint32_t nslots, nports, ngroups, nlisteners, nroots, pad2;
	_Atomic uint32_t state;	/* enum primary_state */
	_Atomic uint32_t heartbeat; /* grows at least every 100 ms */
	_Atomic uint32_t asleep; /* 1: ring its bell, that of slot BOARD_NONE,
				   for frames to send (bell_call) */
	uint32_t faults;	/* 1: the configuration allows them */
	char why[BOARD_PATH];	/* reason of PRIMARY_FAILED */
};

/* Address in network order; IPv4 in the first four bytes of addr. */
struct board_addr {
	uint8_t addr[16];
	uint8_t family;		/* 4 or 6 */
	uint8_t prefix;		/* bits */
	uint8_t pad[6];
};

/* Writer: primary. Constant after READY. */
struct board_port {
	char name[BOARD_NAME];	/* from the configuration */
	char driver[BOARD_NAME];
	char device[BOARD_NAME]; /* interface, PCI address or wire's name */
	uint8_t type, lane, repair, nqueues;
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t ethdev;	/* DPDK port id, if any */
	uint16_t wire_peer;	/* port index of the wire's other end */
	uint32_t caps;		/* NET_CAP_* that the lane offers */
	uint32_t naddrs;
	struct board_addr addr[BOARD_ADDRS];
	struct board_addr gateway; /* IPv4; family 0: none */
	struct board_addr gateway6; /* IPv6; family 0: none */
	uint8_t rss_key[40];	/* Toeplitz key of this port */
	uint16_t vlan;		/* tag of all frames; 0: none */
	uint16_t pad[3];
};

/* What a dispatched port has seen. Writer: primary. */
struct board_spread {
	_Atomic uint64_t rx_frames, tx_frames;
	_Atomic uint64_t drop_ring_full; /* slot does not take its frames */
	_Atomic uint64_t drop_no_slot;	/* no slot serves */
	_Atomic uint64_t drop_no_buffer; /* to send: no buffer of ours */
	_Atomic uint64_t drop_bad;	/* does not fit, or is no frame */
};

/* Writer: primary. Constant after READY. */
struct board_group {
	char name[BOARD_NAME];	/* worker entry's name in configuration */
	char service[BOARD_NAME];
	uint32_t ports;		/* bit i: group serves port i */
	uint16_t client_lo, client_hi; /* source ports for clients, inclusive */
};

/*
 * Bucket word: owner 8 | to 8 | phase 8 | epoch 20 | attempt 20 bits. The
 * journal of moves, see secondary/net/move.h. Epoch and attempt must not wrap:
 * a million offers of one bucket in the life of an instance.
 */
enum bucket_phase { BUCKET_OWNED, BUCKET_OFFERED };

#define BUCKET_OWNER(w)		((uint32_t)((w) >> 56))
#define BUCKET_TO(w)		((uint32_t)((w) >> 48) & 0xffu)
#define BUCKET_PHASE(w)		((uint32_t)((w) >> 40) & 0xffu)
#define BUCKET_EPOCH(w)		((uint32_t)((w) >> 20) & 0xfffffu)
#define BUCKET_ATTEMPT(w)	((uint32_t)(w) & 0xfffffu)
#define BUCKET_WORD(o, t, p, e, a)					\
	((uint64_t)(o) << 56 | (uint64_t)(t) << 48 | (uint64_t)(p) << 40 | \
	(uint64_t)(e) << 20 | (uint64_t)(a))

/* A slot's answer to an offer: code 8 | attempt 24 bits. */
enum bucket_reply { REPLY_NONE, REPLY_COPIED, REPLY_REFUSED };
#define BUCKET_REPLY(code, a)	((uint32_t)(code) << 24 | (uint32_t)(a))

/* Where frames of a bucket go: to the one that it is offered to, which holds
 * them, or to its owner. */
static inline uint32_t
bucket_target(uint64_t w)
{
	return BUCKET_PHASE(w) == BUCKET_OFFERED ? BUCKET_TO(w) :
	    BUCKET_OWNER(w);
}

/* The one store that gives an offered bucket away, and the one that does not:
 * the attempt's number becomes the epoch, or never lives. */
static inline uint64_t
bucket_committed(uint64_t w)
{
	return BUCKET_WORD(BUCKET_TO(w), BUCKET_TO(w), BUCKET_OWNED,
	    BUCKET_ATTEMPT(w), BUCKET_ATTEMPT(w));
}

static inline uint64_t
bucket_withdrawn(uint64_t w)
{
	return BUCKET_WORD(BUCKET_OWNER(w), BUCKET_OWNER(w), BUCKET_OWNED,
	    BUCKET_EPOCH(w), BUCKET_ATTEMPT(w));
}

/*
 * Local (address, protocol, port range) to group. Writer: primary; constant
 * after READY. addr.family 0: any address.
 */
struct board_listener {
	struct board_addr addr;
	uint16_t port_lo, port_hi; /* host order, inclusive */
	uint8_t proto;		/* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t group;
	uint8_t pad[2];
};

/*
 * A document root in the file cache. Writer: primary. Its place has two sides:
 * generation g lies on side (g - 1) % 2, at side * ((g - 1) % 2).
 */
struct board_root {
	char root[OPT_STRLEN];	/* as in the configuration */
	struct board_place place;
	uint64_t side;		/* bytes of a side; 0: there is one only */
	char from[2][OPT_STRLEN]; /* directory that each side is made of */
	_Atomic uint32_t generation; /* that nfiles and bytes are of */
	uint32_t nfiles;
	uint64_t bytes;		/* of content */
};

/* All roots together. Writer: primary. */
struct board_cache {
	_Atomic uint32_t generation; /* that is served; 1 at the start */
	_Atomic uint32_t tried;	/* last board_super.cache_wanted dealt with */
	char why[BOARD_PATH];	/* if it failed; else empty */
};

#define BOARD_OPTIONS	16384u	/* bytes of a service's options */

/*
 * Options of services that were changed since the start, by group. Writer:
 * supervisor. seq is odd while it writes; 0: nothing was changed ever.
 */
struct board_options {
	uint32_t size;		/* of the service's struct; 0: none */
	uint32_t pad;
	uint64_t table;		/* opt_hash() of its table */
	uint8_t bytes[BOARD_OPTIONS];
};

struct board_live {
	_Atomic uint32_t seq;
	uint32_t pad;
	struct board_options group[BOARD_GROUPS];
	/* Where roots are to be loaded from, by number; empty: from where it
	 * is named. Written before cache_wanted. */
	char source[BOARD_ROOTS][OPT_STRLEN];
};

/* What the primary set up for a slot. Writer: primary. */
struct slot_fixed {
	uint8_t group;		/* index, BOARD_NONE: unused */
	uint8_t index;		/* number of the slot within its group */
	uint8_t spare;		/* 1: not started until it is added */
	uint8_t pad;
	uint32_t npkts;		/* buffers in the slot's pool */
	uint32_t pkt_room;	/* bytes of a buffer behind struct pkt */
	uint32_t device_pkts;	/* buffers that lie in its receive queues */
	struct board_place arena;
	uint8_t queue[BOARD_PORTS]; /* queue of each port; BOARD_NONE: none */
	/* Repair: pid whose queue is fenced and, later, made whole again. */
	_Atomic uint32_t fenced_pid;	/* answers super.dead_pid */
	_Atomic uint32_t refilled_pid;	/* answers worker.refill_wanted_pid */
	_Atomic uint32_t buried_pid;	/* answers worker.before_pid */
	_Atomic uint32_t lost;	/* grows: files that connections of this slot
				   were in the middle of are gone, replaced
				   while nobody sat here; worker.lost */
	struct board_hand hand;
};

/* What the supervisor wants and knows. Writer: supervisor. */
struct slot_super {
	_Atomic uint32_t state;	/* enum slot_state */
	_Atomic uint32_t pid;	/* process it started or accepted */
	_Atomic uint64_t pid_start;
	_Atomic uint32_t cpu;
	_Atomic uint32_t stop;	/* enum worker_stop */
	_Atomic uint32_t empty_pid; /* dead process whose slot the primary is
				   to empty; 0: it is not */
	_Atomic uint32_t drain_ms; /* and takes this long at most for what is
				   under way; 0: its own limit, with which one
				   that hears nothing goes earlier */
	_Atomic uint32_t audit;	/* grows: the worker is to count what it has */
	_Atomic uint32_t dead_pid; /* pid that died here last: pidfd said so */
	_Atomic uint32_t restarts;
	_Atomic uint64_t since_us; /* CLOCK_REALTIME of last state change */
	char last_death[64];	/* e.g. "killed by SIGSEGV" */
};

/* What the process in the slot says of itself. Writer: the worker. */
struct slot_worker {
	_Atomic uint32_t phase;	/* enum worker_phase */
	_Atomic uint32_t pid;
	_Atomic uint64_t pid_start;
	_Atomic uint32_t cpu;
	_Atomic uint32_t epoch;	/* grows by 1 with each process in the slot */
	_Atomic uint64_t heartbeat_us; /* CLOCK_MONOTONIC, each turn */
	_Atomic uint32_t asleep; /* 1: an eventfd write is needed to wake it */
	_Atomic uint32_t refill_wanted_pid; /* own pid: wants its queue */
	_Atomic uint32_t cache_gen; /* generation of document roots served */
	_Atomic uint32_t cache_free; /* nothing older than this is used */
	_Atomic uint32_t live_seq; /* board_live.seq that is in force */
	_Atomic uint32_t fault_turn; /* crash or freeze of this slot_fault.turn
				   has happened */
	_Atomic uint32_t before_pid; /* who sat here before and is dead, as the
				   lock on the bell shows: said where no
				   supervisor lives to say it; else 0 */
	_Atomic uint32_t lost;	/* fixed.lost that was heeded */
	char program[BOARD_PATH];
	struct board_crash crash;
	struct board_audit audit;
	_Atomic uint64_t counters[CNT_MAX];
	_Atomic uint64_t svc[SVC_COUNTERS];
};

/* Order to a standby: sit down in this slot. */
#define STANDBY_ORDER(pid, slot)					\
	((uint64_t)(pid) << 32 | ((uint64_t)(slot) + 1))
#define STANDBY_PID(w)	((uint32_t)((w) >> 32))
#define STANDBY_SLOT(w)	((uint32_t)(w) - 1)	/* >= BOARD_SLOTS: none */

/* What the supervisor wants of a standby. Writer: supervisor. */
struct standby_super {
	_Atomic uint32_t pid;	/* process it started or accepted; 0: none */
	_Atomic uint32_t stop;	/* 1: it ends */
	_Atomic uint64_t pid_start;
	_Atomic uint64_t order;	/* STANDBY_ORDER; another pid's is void */
};

/*
 * What a standby says of itself. Writer: the standby, which holds the lock on
 * bell BOARD_SLOTS + its number.
 */
struct standby_worker {
	_Atomic uint32_t pid;	/* 0: it sat down in a slot, or ended */
	_Atomic uint32_t ready;	/* 1: attached, takes an order */
	_Atomic uint64_t pid_start;
	_Atomic uint64_t heartbeat_us; /* CLOCK_MONOTONIC */
	char program[BOARD_PATH];
	char build[BOARD_NAME];
};

/* A process that is attached and idle, to sit down in any slot. */
struct board_standby {
	_Alignas(64) struct standby_super super;
	_Alignas(64) struct standby_worker worker;
};

struct board_slot {
	_Alignas(64) struct slot_fixed fixed;
	_Alignas(64) struct slot_super super;
	struct slot_fault fault;
	_Alignas(64) struct slot_worker worker;
	_Alignas(64) struct board_events events;	/* writer: worker */
};

/* Writer of super_*: the supervisor. */
struct board_super {
	_Atomic uint32_t pid;
	_Atomic uint32_t stopping; /* 1: `down` is under way */
	_Atomic uint64_t pid_start;
	_Atomic uint64_t heartbeat_us; /* CLOCK_MONOTONIC */
	_Atomic uint32_t cache_wanted; /* another number: load the roots anew */
	uint32_t pad;
};

struct board {
	_Alignas(64) struct board_head head;
	_Alignas(64) struct board_super super;
	struct board_port port[BOARD_PORTS];
	struct board_group group[BOARD_GROUPS];
	struct board_listener listener[BOARD_LISTENERS];
	struct board_root root[BOARD_ROOTS];
	struct board_cache cache;
	struct board_spread spread[BOARD_PORTS];
	/* Writer of a bucket's word: the slot that owns the bucket; before
	 * READY, and for a slot that it empties (evacuate.h), the primary. */
	_Alignas(64) _Atomic uint64_t bucket[BOARD_GROUPS][BOARD_BUCKETS];
	/* Wish: slot that should own it. Writer: supervisor. */
	_Atomic uint32_t want[BOARD_GROUPS][BOARD_BUCKETS];
	/* Epoch that what stands before the workers follows (a tap's program,
	 * RETA, dispatch), stored after it was changed. Writer: primary. */
	_Atomic uint32_t steered[BOARD_GROUPS][BOARD_BUCKETS];
	/* Epoch at which the slot gave the bucket away, stored when nothing of
	 * it can come to it any more: the mark of secondary/io/order.h.
	 * Writer: that slot. */
	_Atomic uint32_t passed[BOARD_SLOTS][BOARD_BUCKETS];
	/* Answers to offers of the slot's group. Writer: that slot. */
	_Atomic uint32_t reply[BOARD_SLOTS][BOARD_BUCKETS];
	struct board_slot slot[BOARD_SLOTS];
	struct board_standby standby[BOARD_STANDBYS];
	/*
	 * Who uses which DPDK lcore id: pid 32 | start time's low 32 bits; 0
	 * is free. 0 is the primary's and not in here. Writer: whoever finds
	 * an entry free and swaps itself in, see secondary/lcore.c.
	 */
	_Atomic uint64_t lcore[BOARD_LCORES];
	struct board_events events;		/* writer: primary */
	struct board_events super_events;	/* writer: supervisor */
	struct board_live live;
};

/* Layout hash of this build: of all shared structures, made at build time. */
extern const uint64_t layout_hash;

/* "0.1.0 (git)": version and build. */
extern const char build_version[];

/*
 * Runtime directory of an instance: $STARFISH_RUN or /run/starfish, then
 * "/NAME". Writes it to buf. 0, or -ENAMETOOLONG.
 */
int	board_dir(char *buf, size_t len, const char *name);

/*
 * Make and map the board of an instance in its runtime directory, which must
 * exist; an old file of that name is replaced. Everything is 0 but magic,
 * size, layout and build. 0 or -errno. Only the primary calls this.
 */
int	board_create(struct board **bp, const char *name);

/*
 * Map the board of an instance. write: map it for writing (primary's peers);
 * else read-only. Checks size and magic, and the layout unless any_layout:
 * -ENOENT no such instance, -EPROTO foreign or half-made file, -ESTALE another
 * layout (another build), else -errno.
 */
int	board_open(struct board **bp, const char *name, int write,
	    int any_layout);

void	board_close(struct board *b);

/* Remove the file. */
int	board_unlink(const char *name);

/* Append an event; the caller is the ring's only writer. printf format. */
void	board_event(struct board_events *ev, uint32_t slot, uint32_t level,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Start time of a process, field 22 of /proc/PID/stat; 0: no such process. */
uint64_t board_pid_start(pid_t pid);

/* Whether pid is alive and started at this time. */
int	board_pid_alive(pid_t pid, uint64_t start);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in microseconds. */
uint64_t board_mono_us(void);
uint64_t board_real_us(void);

#endif
