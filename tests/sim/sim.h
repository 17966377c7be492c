/*
 * sim: a small world of hosts, each the real stack in plain memory, joined by
 * links that misbehave, in virtual time.
 *
 * One seed decides everything: the conditions, the sizes of arenas and pools,
 * what ports can do, what the applications do and when a host's process is
 * thrown away. So a failure is repeated by its seed. The world checks itself
 * while it runs (monitor.c on the wire, check.c inside the hosts, app.c in the
 * streams) and ends only when every stream has ended: faults stop at a given
 * time, after which everything must finish within a limit.
 *
 * Nothing here reads a clock or allocates by anything but the seed. Any
 * violation calls sim_fail(), which leaves the world by longjmp.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../secondary/net/conn.h"
#include "../../secondary/net/net.h"

#define SIM_HOSTS	4u	/* most hosts that run the stack */
#define SIM_OUTSIDE	SIM_HOSTS /* the attacker and the router: no stack */
#define SIM_NODES	(SIM_HOSTS + 1u)
#define SIM_LISTEN	80u	/* every host listens here */
#define SIM_NEVER	UINT64_MAX
#define SEC		1000000u /* µs */

/* ---- rng.c: random numbers, one stream per concern ---- */
struct rng {
	uint64_t s;
};

void	rng_seed(struct rng *r, uint64_t seed, uint32_t stream);
uint64_t rng_u64(struct rng *r);
/* Evenly in [0, n); n is at least 1. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* Evenly in [lo, hi]. */
uint32_t rng_range(struct rng *r, uint32_t lo, uint32_t hi);
/* In [lo, hi], each power of two as likely as the next; lo is at least 1. */
uint32_t rng_log(struct rng *r, uint32_t lo, uint32_t hi);
/* True with this many chances in a million. */
bool	rng_chance(struct rng *r, uint32_t ppm);

/*
 * The bytes of all streams: a table whose length is a prime, so that no
 * buffer size is a period of it. Byte p of stream key is
 * pattern(key, p)[0]; at least PATTERN_RUN bytes follow it.
 */
#define PATTERN_RUN	(1u << 17)
const uint8_t *pattern(uint32_t key, uint64_t pos);

/* ---- link.c: the wire ---- */

/* A frame on its way or in a host's receive queue. */
struct wire {
	struct wire *next;	/* receive queue */
	uint64_t at;		/* µs: when it arrives */
	uint64_t order;		/* among those of one µs */
	uint32_t flow;		/* monitor's flow, MON_NONE */
	uint32_t inc;		/* incarnation of that flow */
	uint8_t from, to;	/* hosts */
	bool corrupt;		/* bits were flipped: must be dropped */
	uint16_t len;
	uint8_t data[];
};

/* How one direction between two hosts behaves. */
struct link {
	uint32_t loss, dup, reorder, corrupt; /* chances in a million */
	uint32_t delay_us, jitter_us;
	uint32_t reorder_us;	/* how much later a reordered frame comes */
	uint32_t kbps;		/* 0: no limit */
	uint32_t queue;		/* bytes that wait for the limit, at most */
	uint32_t burst;		/* chance that a loss starts a run of losses */
	uint64_t dark_at, dark_until; /* nothing passes; µs */
	uint64_t busy_until;	/* ns: the limit's server */
	uint64_t last_at;	/* µs: keeps order */
	uint32_t run;		/* losses left of a run */
};

struct world;
struct host;

/* ---- ip.c: packets of both families ---- */
struct packet {
	const uint8_t *ip;	/* the header */
	uint32_t head, total;	/* bytes of header (fixed part), of all */
	uint8_t family, proto;
	uint8_t src[16], dst[16]; /* IPv4 ones mapped */
};

/* What a frame carries; false: no whole IP packet. */
bool	ip_parse(struct packet *v, const uint8_t *frame, uint32_t len);
void	ip_map4(uint8_t to[16], const void *addr4);
/* Ones' complement sum of bytes, folded, complemented: 0 means right. */
uint16_t ip_csum(const void *p, uint32_t len, uint64_t sum);
/* The pseudo-header of len bytes behind the header ip. */
uint64_t ip_pseudo(const uint8_t *ip, uint32_t len);
/* Write a header for len bytes; the family is that of dst. */
void	ip_put(uint8_t *ip, uint8_t proto, uint32_t len,
	    const uint8_t src[16], const uint8_t dst[16]);
/* The checksum of an IPv4 header. */
void	ip_sign4(uint8_t *ip);
/* Fill in the checksum of len bytes behind ip, field bytes into them. */
void	ip_sign(uint8_t *ip, uint32_t len, uint32_t field);

/*
 * Put a frame (copied) on the way between two nodes. orig: the frame that a
 * router passes on; NULL: a new one.
 */
void	link_send(struct world *w, const struct wire *orig, uint32_t from,
	    uint32_t to, const uint8_t *data, uint32_t len);
/* A frame that is on no link yet. */
struct wire *link_frame(struct world *w, uint32_t from, uint32_t to,
	    const uint8_t *data, uint32_t len);
/* When the next frame arrives, µs; SIM_NEVER. */
uint64_t link_next(const struct world *w);
/* Take the next frame that has arrived by now, or NULL. */
struct wire *link_take(struct world *w);
void	link_free(struct wire *f);
void	link_fini(struct world *w);

/* ---- nic.c: what a port does with frames ---- */

/*
 * Take the frames in net_out(): they wait in the port's ring and leave it one
 * by one, so memory they refer to is read late, as DMA does.
 */
void	nic_queue(struct world *w, struct host *h);
/* Send what is due by now; returns how many frames came home. */
uint32_t nic_complete(struct world *w, struct host *h);
/* When the next frame leaves, µs; SIM_NEVER. */
uint64_t nic_next(const struct host *h);
/* The process died: what is in the ring is sent or lost, and comes home. */
void	nic_fence(struct world *w, struct host *h);
/* A received frame in a buffer of the host's, or NULL (none free). */
struct pkt *nic_receive(struct world *w, struct host *h, struct wire *f);

/* ---- monitor.c: what may be seen on the wire ---- */
#define MON_NONE	UINT32_MAX
#define MON_HASH	1024u

/* A frame leaves host h. Fails if it breaks a rule. Fills f->flow, f->inc. */
void	mon_sent(struct world *w, struct host *h, struct wire *f);
/* The frame is given to host h unharmed. */
void	mon_given(struct world *w, struct host *h, const struct wire *f);
/* Initial sequence number of this segment's sender, or of its receiver; 0:
 * unknown. t: the TCP header. */
uint32_t mon_iss(const struct world *w, const struct packet *v,
	    const uint8_t *t, bool receiver);

/* What an observer can tell someone who attacks from within the path. */
struct mon_view {
	uint32_t edge;		/* the receiver offered up to here */
	uint32_t scale;		/* of that window */
	uint32_t ack;		/* what the receiver believes acknowledged */
	uint32_t stamp, echo;	/* timestamps, if stamped */
	bool stamped;
};

/* About the segments from src to dst; false: too little is known. */
bool	mon_view(const struct world *w, const uint8_t src[16],
	    const uint16_t ports[2], const uint8_t dst[16],
	    struct mon_view *v);
/* Whether frames may have been lost before they reached the port. */
bool	mon_lost_inside(const struct host *h);
/* When this host last sent a segment of a connection, µs; 0: never. */
uint64_t mon_last_sent(const struct world *w, const struct tuple *t);

/* ---- host.c ---- */
#define NIC_RING	2048u

struct tx {
	struct pkt *p;
	uint64_t at;		/* µs: leaves the buffer */
	uint32_t mark;
};

struct host {
	struct world *w;
	uint32_t id;
	struct net *net;
	struct net_conf conf;
	struct net_env env;
	_Atomic uint64_t counters[CNT_MAX];
	uint8_t mac[6];
	uint32_t addr_be;	/* IPv4 */
	uint8_t addr[2][16];	/* the same mapped, and IPv6 */
	bool has6;
	/* memory that outlives the process */
	uint8_t *frames;
	uint32_t nframes, stride, room;
	void *arena;
	size_t arena_bytes;
	/* free frames: the stack's pool, and what lies behind it */
	struct pktpool pool;
	struct pkt **stash;
	uint32_t nstash;
	/* receive queue of the port */
	struct wire *rxq, **rxq_tail;
	uint32_t nrxq, rxq_max;
	struct tx ring[NIC_RING];
	uint32_t ring_head, ring_n;
	uint32_t tx_mark;	/* of the last frame taken from net_out() */
	uint32_t nic_mbps;
	uint64_t nic_busy;	/* ns */
	/* turn */
	uint32_t burst;		/* frames per turn */
	uint32_t budget;	/* timers and events per turn */
	uint32_t turn_us;	/* how long a turn takes */
	uint32_t late_us;	/* how late it may wake */
	uint64_t wake;		/* next turn, µs */
	uint64_t ready_at;	/* the last turn has ended, µs */
	uint64_t advanced;	/* net_advance() was told, µs */
	uint32_t check_every;	/* turns between thorough checks */
	uint64_t turns;
	uint8_t *seen;		/* check.c: a byte per frame */
	uint8_t *chunk_seen;	/* and per chunk */
	/* death in a callback: see host.c */
	jmp_buf death;
	uint32_t death_in;	/* callbacks until then; 0: never */
	/* check.c: what a successor owes to the peers */
	struct owed *owed;	/* a record each */
	uint32_t nowed;
	uint64_t owed_at;	/* µs: of the adoption */
	uint64_t owed_drops;	/* frames lost inside until then */
	uint32_t deaths;
	uint64_t safe_until;	/* µs: no death before */
};

/* Make host id with w's configuration of it. */
void	host_init(struct world *w, struct host *h);
void	host_fini(struct host *h);
/* One turn of the loop. */
void	host_turn(struct world *w, struct host *h);
/* The process is gone; another sits down in the slot. */
void	host_adopt(struct world *w, struct host *h);
/* Forget frames that wait to be read. */
void	host_drop_rx(struct host *h);
/* A frame reached the port. */
void	host_arrive(struct host *h, struct wire *f);
struct host *host_by_addr(struct world *w, const uint8_t addr[16]);
/* Called where a process may die: inside a bracket too. */
void	host_may_die(struct host *h);

/* ---- app.c: what the applications do ---- */
enum plan_kind {
	PLAN_BULK,		/* both ways at once, half-close, close */
	PLAN_RPC,		/* requests and answers in turn */
	PLAN_HALF,		/* all there, then all back */
	PLAN_SHORT,		/* a few bytes, many times */
	PLAN_ABORT,		/* one side resets in the middle */
	PLAN_EARLY,		/* one side closes before the other is done */
	PLAN_KINDS
};

enum side_phase { SIDE_NONE, SIDE_OPEN, SIDE_DONE };

enum reader {
	READ_ALL,		/* all there is, in place */
	READ_COPY,		/* all there is, through a buffer */
	READ_SLOW,		/* slow_bytes every slow_us */
	READ_LAZY,		/* looks, and waits for more before it takes */
	READERS
};

/* How a side may send; several. */
#define HOW_WRITE	0x01u
#define HOW_RESERVE	0x02u
#define HOW_MEM		0x04u
#define HOW_CORK	0x08u	/* corks at random, uncorks at the end */
#define HOW_NODELAY	0x10u

/* One end of a connection: its script, and how far it is. */
struct side {
	uint64_t total;		/* bytes it sends */
	uint32_t write_max;	/* bytes of one call */
	uint8_t how;		/* HOW_* that it may use */
	uint8_t reader;		/* enum reader */
	uint32_t slow_us, slow_bytes; /* pace of SLOW and LAZY */
	uint64_t end_at;	/* ABORT, EARLY: when sent + read gets here;
				   UINT64_MAX: not this side */
	/* progress, beside what the record itself holds */
	uint64_t sent, rcvd;
	enum side_phase phase;
	bool shut, eof, torn, armed, corked;
	bool ended;		/* before its time, by its own script */
	int error;		/* of CONN_GONE */
};

struct plan {
	uint32_t key;		/* of its two streams: key, key + 1 */
	uint8_t kind;
	uint8_t family;		/* 4 or 6 */
	uint8_t host[2];	/* client, server */
	uint16_t cport;		/* host order, once known */
	uint64_t start_us;	/* SIM_NEVER: it has begun */
	uint32_t request, answer; /* RPC: bytes of one */
	bool lenient;		/* errors are allowed */
	bool old;		/* its port belongs to a later plan */
	struct side side[2];
};

/* Bytes of service state that the applications need. */
#define APP_STATE	40u

/* Open the connection of a plan whose time has come. */
void	app_connect(struct world *w, struct plan *p);
void	app_event(void *arg, struct conn *c, uint32_t events);
bool	app_done(const struct plan *p);
/* The newest plan of these ends, or NULL. */
struct plan *app_find(struct world *w, const uint8_t caddr[16],
	    uint16_t cport, const uint8_t saddr[16]);
/* After the end: every stream is whole, or had a reason not to be. */
void	app_judge(struct world *w, const struct plan *p);
/* A connection was in hands when the process died: it may end by reset. */
void	app_torn(struct world *w, uint32_t host, const struct tuple *t);

/* ---- check.c: what must hold inside a host between two turns ---- */
void	check_host(struct world *w, struct host *h, bool thorough);
/* Before the turn: the deadline that was promised is right. */
void	check_deadline(struct world *w, struct host *h);
/* After net_advance() said that nothing is due. */
void	check_timers(struct world *w, struct host *h);
/*
 * After adoption: note which connections have something in flight. Later, as
 * soon as the stack says that nobody waits to send (check_owed): each of them
 * sent a segment meanwhile or went on; nobody waits for a timeout.
 */
void	check_owing(struct world *w, struct host *h);
void	check_owed(struct world *w, struct host *h);
/* At the end: everything is free again. */
void	check_empty(struct world *w, struct host *h);
/* Print one line about each connection that sends, for people. */
void	check_watch(const struct world *w, const struct host *h);
/* Print what a host has, for people. */
void	check_dump(const struct host *h);
/* Whether connections or time-wait entries are left. */
bool	check_busy(const struct host *h);

/* ---- router.c, attack.c: who has no stack ---- */
extern const uint8_t outside_mac[6];

/* The link header of a frame from outside. */
void	outside_eth(uint8_t *b, const uint8_t *dst, uint16_t type);
void	outside_arrive(struct world *w, const struct wire *f);
/* The next thing the attacker does; it sets w->attack_at. */
void	outside_attack(struct world *w);

/* ---- trace.c ---- */
#define TRACE_SNAP	120u

struct trace_line {
	uint64_t at;
	uint8_t from, to;
	char what;		/* see trace.c */
	uint16_t len;
	uint8_t snap[TRACE_SNAP];
};

/* what: '>' sent, '<' given, 'x' lost, '!' corrupted, 'q' queue full, 'r' no
 * room to receive. */
void	trace_frame(struct world *w, char what, const struct wire *f);
/* Something else worth a line: printf format. */
void	trace_note(struct world *w, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* Print the last most lines. */
void	trace_print(const struct world *w, uint64_t most);

/* ---- gen.c: a world from a seed ---- */
void	gen_world(struct world *w);
/* Give a host its addresses: of its own network where the world is routed,
 * of IPv6 where its MTU allows. */
void	gen_addr(struct world *w, struct host *h);
/* Draw n plans anew: after a scenario changed what they depend on. */
void	gen_plans(struct world *w, uint32_t n);

/* ---- world.c ---- */
struct flow;

struct scenario {
	const char *name;
	const char *help;
	/* Change the world that the seed made, before it starts. */
	void	(*shape)(struct world *w);
};

extern const struct scenario scenarios[];

struct world {
	uint64_t seed;
	const struct scenario *scenario;
	uint64_t now;		/* µs */
	uint64_t faults_end;	/* from here on links only delay and queue */
	uint64_t limit;		/* everything has ended before */
	uint64_t next_start;	/* of the plans */
	uint64_t work_max;	/* frames and steps of a world */
	struct rng rng;		/* conditions */
	struct rng net_rng;	/* links */
	struct rng app_rng;	/* applications */
	struct rng host_rng;	/* turns */
	uint32_t nhosts;
	uint32_t conns;		/* most records of a host */
	struct host host[SIM_HOSTS];
	struct link link[SIM_NODES][SIM_NODES];
	struct plan *plan;
	uint32_t nplans, ndone;
	uint32_t adopt_ppm;	/* chance of a death per turn */
	uint32_t die_ppm;	/* chance that it dies in a callback */
	bool routed;		/* each host on a network of its own */
	bool pad_random;	/* Ethernet padding is not zero */
	uint16_t router_mtu;
	uint64_t attack_at;	/* SIM_NEVER: nobody attacks */
	uint32_t attack_burst;	/* frames at once, at most */
	bool insider;		/* someone in the path breaks the rules */
	uint32_t syn_flood;	/* of them, SYNs: chances in a million */
	bool lenient;		/* conditions under which a connection may
				   time out */
	uint64_t watch_us, watch_at; /* not 0: print how host 0 sends, so
				   often; µs */
	uint64_t measure_us;	/* not 0: the world ends after so long, and
				   what plan 0 got by then counts */
	uint32_t kbps_min;	/* plan 0 must get this through; 0: any rate */
	uint32_t kbps;		/* what it got, client to server */
	bool quiet;		/* all plans have ended */
	/* frames on their way: a heap by time */
	struct wire **heap;
	uint32_t nheap, heap_max;
	uint64_t order;
	/* monitor */
	struct flow *flow;
	uint32_t nflow, flow_max;
	uint32_t flow_head[MON_HASH];
	/* trace */
	struct trace_line *trace;
	uint64_t ntrace;
	uint64_t frames_sent, steps, deaths;
	bool tracing;
	jmp_buf fail;
	char why[256];
};

#define TRACE_LINES	20000u

/* Run one seed. 0 all held; -1: w->why says what did not. */
int	world_run(struct world *w, uint64_t seed, const struct scenario *sc,
	    bool tracing);
/* Print how connections send every so many µs of the next run; 0: not. */
extern uint64_t world_watch;

/* ---- keep.c: seeds that failed once ---- */
struct kept {
	uint64_t seed;
	const struct scenario *scenario; /* NULL: none */
};

const struct scenario *scenario_find(const char *name);
/* Read a file of them; how many. Exits with a message if it is malformed. */
uint32_t keep_load(const char *file, struct kept **list);
/* Write one behind the others. */
void	keep_add(const char *file, const struct kept *k);

/* ---- table.c ---- */
/* Goodput by loss: run all cells in so many processes, print the table,
 * compare it with the golden one. 0: none fell short. */
int	table_run(uint32_t jobs);
/* The world of a table's cell: the seed says which. */
void	table_shape(struct world *w);

/* ---- scenario.c: what other files build worlds from ---- */
/* Two hosts with enough of everything and default settings; no faults. */
void	scenario_plain(struct world *w);
/* All links alike. */
void	scenario_links(struct world *w, const struct link *l);
/* One plan between them: bytes each way, as fast as it goes. */
void	scenario_stream(struct world *w, uint64_t bytes);

/* A rule is broken. */
_Noreturn void sim_fail(struct world *w, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#define SIM_CHECK(w, cond, ...)						\
	do {								\
		if (!(cond))						\
			sim_fail((w), __VA_ARGS__);			\
	} while (0)

/* Big-endian fields of headers. */
static inline uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

#endif
