/*
 * arena: the shared memory of one slot, in which connections live.
 *
 * It holds typed records (connection, time-wait, neighbour, object) and chunks
 * (send data, values); everything else (lookup hash, timer wheel, ready lists,
 * free lists) is an index: rebuilt from the records after a crash, never
 * trusted. Only the process in the slot writes. Links are 32-bit record ids or
 * chunk numbers, so that a reader can map the arena anywhere.
 *
 * The torn rule. One item of work (a segment, a timer, a service event) writes
 * the truth of one record, whose id is in arena->hands meanwhile. So a process
 * killed at any instruction leaves at most one record half-written, and the
 * successor resets exactly that one. What that asks of the code:
 *
 *  - hands is set and cleared by hands_set()/hands_clear(), never nested;
 *  - a record is in hands before it leaves a free list; on open, USED is
 *    stored last (rec_use), on close FREE first (rec_unuse);
 *  - identity (tuple, hash, bucket, epoch) never changes while USED;
 *  - what concerns two records (lists, counts, backlog) is an index or gauge;
 *  - a chunk belongs to whichever record reaches it; it is taken and returned
 *    inside that record's bracket;
 *  - every input is idempotent through sequence numbers; deadlines and "the
 *    service has seen" positions live in the record.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_MAGIC	0x53464131u	/* "SFA1" */
#define ARENA_NONE	UINT32_MAX	/* no record, no chunk */
#define ARENA_BURST	64u		/* most frames of one net_input() */
#define ARENA_BUCKETS	512u		/* of a group, as BOARD_BUCKETS */

/* Sizes of an arena. All are counts unless said otherwise. */
struct arena_shape {
	uint32_t conns;		/* connection records, half-open ones too */
	uint32_t timewait;	/* time-wait records */
	uint32_t neighs;	/* neighbour records */
	uint32_t small;		/* chunks of CHUNK_SMALL bytes */
	uint32_t chunks;	/* chunks of chunk_size bytes */
	uint32_t chunk_size;	/* bytes, header included; multiple of 64 */
	uint32_t state_size;	/* bytes of service state per connection */
	uint32_t objs;		/* objects of the service; 0: it has none */
};

enum rec_state { REC_FREE, REC_USED };
enum rec_kind { REC_CONN, REC_TIMEWAIT, REC_NEIGH, REC_OBJ };

/*
 * What all records begin with. state is truth and the word that decides;
 * hash, kind, bucket and epoch are identity; deadline is truth; the wheel's
 * links are index. A record is live if it is USED, its slot owns its bucket
 * and its epoch is the bucket's (board.h); any other is a leftover, which its
 * slot frees silently.
 */
struct rec {
	_Atomic uint32_t state;	/* enum rec_state */
	uint32_t hash;		/* of the tuple: home in the lookup index */
	uint64_t deadline;	/* µs of the record's next timer; UINT64_MAX */
	uint32_t wnext, wprev;	/* wheel: neighbours in the slot's list */
	uint16_t wslot;		/* wheel: slot it is filed in; WHEEL_NONE */
	uint8_t kind;		/* enum rec_kind */
	uint8_t away;		/* index: its bucket is not served here now */
	uint32_t bucket : 12;	/* of its group */
	uint32_t epoch : 20;	/* of the bucket when it was opened or came */
	uint32_t fnext;		/* index: free list link; of a USED record the
				   next one of its bucket */
	uint32_t bprev;		/* index: the one before it in its bucket */
};

_Static_assert(sizeof(struct rec) == 40, "5 words");

#define WHEEL_NONE	0xffffu

/* Identity of a flow. Ports in network order; IPv4 as ::ffff:a.b.c.d. */
struct tuple {
	uint8_t laddr[16];
	uint8_t raddr[16];
	uint16_t lport_be;
	uint16_t rport_be;
	uint8_t port;		/* port index it came in on */
	uint8_t family;		/* 4 or 6 */
	uint8_t pad[2];
};

_Static_assert(sizeof(struct tuple) == 40, "5 words");

/* Chunk: a piece of send queue or of another list that a record owns. */
#define CHUNK_SMALL	256u	/* bytes of a small chunk, header included */

enum chunk_kind {
	CHUNK_DATA,		/* bytes follow the header */
	CHUNK_MEM,		/* `off` names shared memory, `len` bytes */
	CHUNK_SEGS,		/* TCP's table of segments in flight */
};

struct chunk {
	uint32_t next;		/* chunk number; truth in a record's list,
				   index in a free list */
	uint32_t mark;		/* send mark of the last frame that refers to
				   it (see net_tx_done) */
	uint16_t kind;		/* enum chunk_kind */
	uint16_t used;		/* 1: this chunk was sent from without a copy,
				   mark counts; while it is adopted, more */
	uint32_t start;		/* DATA: first valid byte after the header */
	uint64_t off;		/* MEM: bytes from base */
	uint64_t len;		/* valid bytes */
	uint8_t data[];
};

_Static_assert(sizeof(struct chunk) == 32, "half a cache line");

/* Lookup index: open addressing over (hash, id). */
struct hent {
	uint32_t hash;
	uint32_t id;		/* record id; ARENA_NONE: empty */
};

/*
 * Record ids: connections 0 .. conns-1, then time-wait, then neighbours.
 * Objects (obj.h) are counted by themselves, from 0.
 * Chunk numbers: small ones 0 .. small-1, then large ones.
 */
struct arena {
	uint32_t magic;
	uint32_t adoptions;	/* tries, see secondary/net/base.h */
	uint64_t layout;	/* layout hash of the writer's build */
	uint64_t size;		/* bytes of the whole arena */
	struct arena_shape shape;
	uint32_t conn_stride;	/* bytes of a connection record with state */
	uint32_t hash_mask;	/* entries of the lookup index - 1 */
	uint64_t off_conns, off_timewait, off_neighs; /* bytes from arena */
	uint64_t off_hash, off_small, off_chunks;
	uint64_t off_objs, off_obj_index;
	uint32_t obj_mask;	/* entries of the objects' index - 1 */
	uint32_t pad1;
	uint64_t base;		/* base of refs and offsets when written */
	/* The bracket: record being written; ARENA_NONE. */
	_Alignas(64) union {
		struct {
			_Atomic uint32_t hands;
			/* Second record of a bracket that turns one into
			 * another (a connection into a time-wait entry);
			 * ARENA_NONE. Both are dropped. */
			_Atomic uint32_t hands2;
		};
		_Atomic uint64_t bracket; /* to end it by one store */
	};
	_Atomic uint64_t now;	/* latest time of any turn, µs */
	/* The burst in hand: listed before its first frame is touched. */
	_Atomic uint32_t burst_n, burst_i;
	uint32_t burst[ARENA_BURST];
	/* Index: the records of each bucket, by rec.fnext. Of a bucket that is
	 * offered to another slot nobody changes it: that slot walks it. */
	uint32_t bucket_head[ARENA_BUCKETS];
};

/* Bytes of an arena of this shape; 0: a size is out of range. */
size_t	arena_size(const struct arena_shape *s);

/*
 * Write a header for this shape to a: sizes and places, magic and layout
 * still 0, hands not yet ARENA_NONE. Returns arena_size(). For the stack.
 */
size_t	arena_layout(struct arena *a, const struct arena_shape *s);

/*
 * A connection for display. Read without the owner's knowledge, so values
 * may be of two moments; all are in bounds.
 */
struct conn_info {
	uint32_t id;
	uint8_t family;		/* 4 or 6 */
	uint8_t state;		/* enum tcp_state, see tcp_state_names */
	uint8_t port, pad;
	uint8_t laddr[16], raddr[16]; /* IPv4 in the first four bytes */
	uint16_t lport, rport;	/* host order */
	uint16_t bucket, pad2;
	uint32_t epoch;
	uint32_t cwnd, ssthresh; /* bytes */
	uint32_t srtt_us, rto_us;
	uint32_t snd_wnd, rcv_wnd; /* bytes */
	uint32_t mss;
	uint32_t retrans;	/* segments sent again */
	uint32_t rcvq;		/* unread bytes */
	uint32_t inflight;	/* bytes sent and not acknowledged */
	uint64_t sndq;		/* bytes queued, sent or not */
	uint64_t bytes_in, bytes_out;
};

/*
 * Fill ci from record id of an arena mapped read-only, len bytes. 1; 0 the
 * record is free; -EPROTO not an arena or damaged; -ERANGE no such id. Ids run
 * from 0 to conns + timewait - 1 (TIME_WAIT entries come last).
 */
int	arena_conn_info(const struct arena *a, size_t len, uint32_t id,
	    struct conn_info *ci);

extern const char *const tcp_state_names[];

#endif
