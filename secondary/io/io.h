/*
 * io: what stands between the pure stack and the machine, in one worker:
 * lanes, steering, the clock, the service's way out. struct io is this
 * process's handle; what must survive the process lies in the slot's arena,
 * pool and rings.
 *
 * Memory of the process's own is allocated before the first turn; nothing is
 * ever allocated in DPDK's shared memory.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../common/board.h"
#include "../../common/pkt.h"
#include "../../config/conf.h"
#include "../net/move.h"
#include "../net/net.h"
#include "../svc/svc.h"
#include "clock.h"
#include "fault.h"
#include "order.h"
#include "queue.h"
#include "ring.h"
#include "save.h"
#include "steer.h"

#define IO_RINGS	(2 * BOARD_SLOTS + 1)
#define HOLD_MAX	2048u	/* frames of buckets on the move */
#define MOVE_LOOK_US	1000u	/* words of buckets are looked at so often */
#define IO_TUNS		16u	/* most queues of a tap interface */

struct rte_mempool;
struct reads;
struct alog;

struct io {
	/* ---- each turn ---- */
	struct net *net;
	struct pktpool *pool;	/* free frames at hand */
	_Atomic uint64_t *counters;
	uint64_t now;		/* µs of this turn */
	struct board_slot *slot; /* ours */
	uint32_t nqueues, nin, nouts;
	bool blocked;		/* a lane refused a frame in the last pass */
	bool staged;		/* a device left frames for the next pass */
	uint8_t serves[BOARD_PORTS];	/* our group serves this port */
	uint8_t shared[BOARD_PORTS];	/* so do other slots: look at buckets */
	uint8_t lane[BOARD_PORTS];	/* enum port_lane */
	uint8_t peer[BOARD_PORTS];	/* wire: port at the other end */
	uint8_t only[BOARD_PORTS];	/* the one slot on it; BOARD_NONE */
	struct queue *queue_of[BOARD_PORTS]; /* direct lane's queue */
	struct steer *steer[BOARD_PORTS]; /* NULL where nobody asks */
	uint32_t tx_done;	/* mark last told to net_tx_done() */
	uint64_t tick_us;	/* when the service wants its next tick */
	uint64_t busy_from;	/* start of the turn before; 0: it was idle */
	uint64_t work_us;	/* last turn that had work */
	uint64_t beat_us;	/* heartbeat last stored */
	struct fault *fault;	/* made on purpose, now; NULL: none */
	struct clock clock;
	struct svc svc;
	struct queue queue[BOARD_PORTS];
	struct ring_in in[IO_RINGS];
	struct ring_out *outs[IO_RINGS]; /* those that there are */
	struct ring_out wire[BOARD_SLOTS];	/* by slot */
	struct ring_out cross[BOARD_SLOTS];
	struct ring_out spread;			/* to the primary */
	/* ---- buckets on the move: secondary/move.h ---- */
	struct net_buckets *buckets; /* NULL: ours stay */
	uint32_t moving;	/* buckets on the move here */
	uint32_t nheld;
	uint64_t looked_us;	/* when we looked at the words */
	uint64_t moved_us;	/* when a bucket of ours went; 0: never */
	uint64_t gone;		/* buckets that went, when last counted */
	struct pkt **held;	/* HOLD_MAX of them, hold.c */
	uint8_t *held_from;	/* enum hold_from of each */
	struct order *order;	/* NULL where buckets is */
	bool drained;		/* the last pass left no input unread */
	/* ---- seldom ---- */
	struct board *board;
	struct fault *faults;	/* memory for them; NULL: not allowed */
	const struct conf *conf;
	const struct conf_worker *worker; /* our entry in it */
	struct rte_mempool *mp;
	uintptr_t base;
	uint32_t me, group, cpu;
	bool sockets;		/* connections are sockets' (loop/sock.h) */
	bool pool_open;		/* the mempool may be used */
	bool crowded;		/* another worker spins on our cpu */
	bool dozes;		/* a lane has no descriptor to sleep on */
	int epoll, bell;	/* bell: ours, one of bells[] */
	int bells[BOARD_BELLS], primary_bell;
	int tun[BOARD_PORTS][IO_TUNS]; /* descriptor of a tap's queue; -1 */
	int out;		/* directory RUN/NAME/out: what we may write */
	volatile sig_atomic_t stop; /* SIGTERM came, or the service is done */
	bool leaving;		/* it was seen; finishing */
	bool hand_over;		/* stop, but finish nothing: STOP_HAND_OVER */
	int status;		/* exit status */
	bool adopted;		/* a process died in this slot before us */
	struct save save;
	const void *root[BOARD_ROOTS];	/* file cache images, checked */
	struct reads *reads;	/* of files too large for it; NULL: none */
	const void *image[BOARD_ROOTS][2]; /* both sides of each root */
	uint32_t cache_gen;	/* generation that root[] is of */
	uint32_t cache_free;	/* as on the board */
	uint32_t scan_at, scan_clean; /* see live.c */
	uint32_t live_seq;	/* of the options in svc.conf */
	uint32_t options_at;	/* which of the two may be written */
	uint32_t conns;		/* records of connections */
	void *options[2];
	struct alog *alog;	/* ring to the writer of logs; NULL: none */
	struct alog *alogs[BOARD_SLOTS]; /* of slots we may sit in */
};

static inline void
io_count(struct io *io, enum counter c, uint64_t n)
{
	_Atomic uint64_t *w = &io->counters[c];

	atomic_store_explicit(w,
	    atomic_load_explicit(w, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

/* ---- lanes.c: all of them together ---- */

/*
 * Find queues and rings of this slot; io->board, base, me, group, mp and slot
 * are set. 0 or -errno with a line in the log.
 */
int	lanes_open(struct io *io);

/*
 * Receive from every lane, hand on what belongs to other slots, feed the rest
 * to the stack. Returns how many frames came.
 */
uint32_t lanes_receive(struct io *io);

/*
 * Send what is in the stack's queue. Frames whose lane is full stay in it, in
 * order; they are dropped, and counted, when that lasts. Returns whether all
 * went.
 */
bool	lanes_send(struct io *io);

/*
 * Publish what was handed to other slots, take back what they and devices are
 * done with, and tell the stack how far sending is done.
 */
void	lanes_reclaim(struct io *io);

/* Now and then: give up what dead slots will not take. */
void	lanes_void(struct io *io);

/* Whether a ring has something to receive. */
bool	lanes_ready(struct io *io);

/* Whether frames were sent that are not done. Asks devices to let go. */
bool	lanes_busy(struct io *io);

/* Call fn for each frame that rings hold for their consumers. */
void	lanes_held(struct io *io, void (*fn)(void *arg, uint32_t ref),
	    void *arg);

/* net_env.learned: tell the other slots on the frame's port. */
void	lanes_learned(void *arg, const struct pkt *p);

/* net_env.elsewhere: hand a frame to the slot that owns its flow. */
bool	lanes_elsewhere(void *arg, struct pkt *p);

/* Give a frame to the slot that owns its bucket. Takes p. */
void	lanes_hand_off(struct io *io, uint32_t to, struct pkt *p);

/* net_env.bucket */
uint32_t lanes_bucket(void *arg, uint32_t port, const struct net_addr *local,
	    const struct net_addr *remote);

/* ---- hold.c ---- */

/* How a frame came that is held. */
enum hold_from {
	HOLD_HANDED,		/* another slot handed it to us */
	HOLD_WIRE,		/* its sender looks at the table by itself */
	HOLD_DIRECT,		/* the primary's steering sent it here */
};

/* Hold a frame until its bucket's fate is known; where too many are held it
 * is dropped and counted. Takes p. */
void	hold_put(struct io *io, struct pkt *p, enum hold_from from);

/* Hand on frames of other slots, hold those of buckets on the move. Returns
 * how many are left in in[], for the stack. */
uint32_t hold_burst(struct io *io, struct pkt **in, uint32_t n,
	    enum hold_from from);

/* What was held, as its bucket is now: into the stack, on to its owner, or
 * held on. */
void	hold_turn(struct io *io);

/* net_env.owns: whether we get what is sent to this client port. */
int	lanes_own(void *arg, uint32_t port, const struct net_addr *local,
	    const struct net_addr *remote);

/* ---- pool.c: frames at hand from the slot's mempool, in bulk ---- */

/* Make io->pool, empty. 0 or -ENOMEM. */
int	pool_open(struct io *io);

/* Between two turns: enough at hand, not too many. */
void	pool_balance(struct io *io);

/* Free frames: at hand and in the mempool. */
uint32_t pool_free(struct io *io);

/* Give all frames at hand back to the mempool. */
void	pool_close(struct io *io);

/* ---- svc_io.c ---- */
extern const struct svc_io svc_io;	/* arg is struct io */

/* Map the document roots that the board names. Never fails: a damaged image
 * is left out, with a line in the log. */
void	svc_io_roots(struct io *io);

/*
 * Make ready to read files that are too large for the cache, as long as their
 * directories can be opened. Never fails: without, they are answered 503, and
 * the log says why.
 */
void	svc_io_reads(struct io *io);

/* Make or find the ring to the access log's writer of our slot, or of each
 * one that we may sit in. Never fails: without, nothing is logged, and the log
 * says why. */
void	svc_io_alog(struct io *io);

/* We have a slot: its log is ours to write. */
void	svc_io_alog_sit(struct io *io);

/* svc_io.access. */
bool	svc_io_access(void *arg, const struct svc_access *a);

/* Side of root i, if an image is there. */
const void *svc_io_image(const struct io *io, uint32_t i, uint32_t side);

/* ---- idle.c ---- */

/* Note the descriptors of all tap queues and make the epoll set, once the
 * process has attached. 0 or -errno. */
int	idle_prepare(struct io *io);

/* Watch our slot's queues and bell. 0 or -errno. */
int	idle_open(struct io *io);

/*
 * A turn had nothing to do: spin, or sleep until something comes, or the next
 * timer or tick is due, at most for longest_us.
 */
void	idle_turn(struct io *io, uint64_t longest_us);

#endif
