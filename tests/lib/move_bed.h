/*
 * move_bed: the world of tests that kill processes in the middle of moves of
 * buckets: two servers, clients, the board, a NIC that steers.
 *
 * The servers' arenas and frames and the board are shared memory. The NIC
 * gives a frame to the queue that its redirection table names; a server that
 * gets a frame of a bucket that is not its own hands it to whom the bucket's
 * word names, and one of a bucket that came to it may have to wait for the
 * giver's mark (secondary/io/order.h). Who is in the middle of a turn has its
 * queue full: frames that come then are lost.
 */
#ifndef TESTS_MOVE_BED_H
#define TESTS_MOVE_BED_H

#include "../../common/board.h"
#include "../../common/evacuate.h"
#include "../../secondary/io/order.h"
#include "kill_bed.h"

#define SERVERS		2u
#define SUPER		2u	/* processes: two servers, and these */
#define PRIMARY		3u
#define PROCS		4u
#define BUCKETS		16u	/* in use: by the client's port */

enum variant {
	SOUND,
	REPLIES_EARLY,		/* says that it copied before it did */
	COMMITS_ALONE,		/* gives away what nobody answered for */
	FORGETS_EPOCH,		/* adopts a copy that was never committed */
};

/* What all processes see, beside the arenas, frames and the board. */
struct shared {
	_Atomic uint32_t go[PROCS], done[PROCS];
	_Atomic uint32_t marks[PROCS];	/* of a turn's parts and events */
	_Atomic uint32_t steps[PROCS];	/* and of a move's steps */
	_Atomic uint64_t now;
	_Atomic uint32_t takes[SERVERS]; /* offers; it is not known to be dead
					    or to hang */
	_Atomic uint32_t emptied; /* server that the primary empties; else
				     BOARD_NONE */
	_Atomic uint8_t reta[BOARD_BUCKETS]; /* the NIC's: queue of a hash */
	_Atomic uint64_t counters[SERVERS][CNT_MAX];
	_Atomic uint32_t waited;	/* frames, for a mark */
	struct xring ring[SERVERS];	/* always empty: boxes play it */
};

/* to: by the NIC; ring: by the other server. */
struct boxes {
	struct plain_box to[SERVERS], ring[SERVERS], from[SERVERS],
	    back[SERVERS];
};

static struct shared *sh;
static struct boxes *box;
static struct board *board;
static struct plain server[SERVERS];
static struct net_buckets buckets[SERVERS];
static struct order order[SERVERS];	/* each server's own, with the box */
static struct plain_box held[SERVERS];	/* of frames that wait for marks */
static struct plain_box from_client;
static enum variant variant;

static inline _Atomic uint64_t *
word(uint32_t k)
{
	return &board->bucket[0][k];
}

/* ---- what a worker does about frames of buckets ---- */

/* By the client's port; BUCKETS: of none (ARP). */
static uint32_t
frame_bucket(const uint8_t *d, uint32_t len)
{
	if (len < 38 || d[12] != 8 || d[13] != 0)
		return BUCKETS;
	return (uint32_t)(d[34] << 8 | d[35]) % BUCKETS;
}

static void
box_add(struct plain_box *b, const uint8_t *data, uint32_t len)
{
	uint32_t n = atomic_load(&b->n);

	if (n == PLAIN_BOX)
		return;
	memcpy(b->data[n], data, len);
	b->len[n] = len;
	atomic_store(&b->n, n + 1);
}

/* A server that begins knows of no mark. */
static void
order_begin(uint32_t s)
{
	memset(&order[s], 0, sizeof(order[s]));
	order[s].steered = board->steered[0];
	order[s].passed = board->passed[s];
	order[s].peer[!s] = board->passed[!s];
	order[s].ring[!s] = &sh->ring[s];
	atomic_store(&held[s].n, 0);
}

/* Whether a frame of a bucket of ours, which came directly, is put aside. */
static bool
server_holds(uint32_t s, uint32_t k, const struct plain_box *b, uint32_t i)
{
	if (k >= BUCKETS || !order_waits(&order[s], k))
		return false;
	order_held(&order[s], k, sh->now);
	box_add(&held[s], b->data[i], b->len[i]);
	atomic_fetch_add(&sh->waited, 1);
	return true;
}

/* Frames of buckets that are not served here go to who serves them, or here
 * again later. */
static void
server_take(uint32_t s, const struct plain_box *b, bool direct)
{
	struct pkt *in[ARENA_BURST];
	uint32_t i, k, n = 0, cnt = atomic_load(&b->n);

	for (i = 0; i < cnt; i++) {
		k = frame_bucket(b->data[i], b->len[i]);
		if (k < BUCKETS && net_move_state(server[s].net, k) !=
		    MOVE_OURS) {
			box_add(&box->back[s], b->data[i], b->len[i]);
			continue;
		}
		if (direct && server_holds(s, k, b, i))
			continue;
		in[n] = plain_receive(&server[s], b->data[i], b->len[i]);
		if (in[n] == NULL)
			break;
		in[n]->hash = k;
		in[n]->flags |= PKT_RX_HASH;
		if (++n == ARENA_BURST) {
			net_input(server[s].net, in, n, sh->now);
			n = 0;
		}
	}
	if (n > 0)
		net_input(server[s].net, in, n, sh->now);
}

/* The mistakes that this test must notice. */
static void
mistake(uint32_t s)
{
	uint32_t k;
	uint64_t w;

	for (k = 0; k < BUCKETS; k++) {
		w = atomic_load(word(k));
		if (BUCKET_PHASE(w) != BUCKET_OFFERED)
			continue;
		if (variant == REPLIES_EARLY && BUCKET_TO(w) == s)
			atomic_store(&board->reply[s][k], BUCKET_REPLY(
			    REPLY_COPIED, BUCKET_ATTEMPT(w)));
		if (variant == COMMITS_ALONE && BUCKET_OWNER(w) == s)
			atomic_store(word(k), BUCKET_WORD(BUCKET_TO(w),
			    BUCKET_TO(w), BUCKET_OWNED, BUCKET_ATTEMPT(w),
			    BUCKET_ATTEMPT(w)));
	}
}

static void
marked_event(void *arg, struct conn *c, uint32_t events)
{
	uint32_t s = (uint32_t)((struct plain *)arg - server);

	mark(&sh->marks[s]);
	server_event(arg, c, events);
	mark(&sh->marks[s]);
}

/* What the other one handed on comes first, then what waited. */
static void
server_input(uint32_t s)
{
	static struct plain_box again;

	(void)order_turn(&order[s], sh->now);
	server_take(s, &box->ring[s], false);
	memcpy(&again, &held[s], sizeof(again));
	atomic_store(&held[s].n, 0);
	server_take(s, &again, true);
	server_take(s, &box->to[s], true);
}

static void
server_turn(uint32_t s)
{
	struct net *n = server[s].net;

	if (variant != SOUND)
		mistake(s);
	mark(&sh->marks[s]);
	net_move(n, sh->now, 512);
	mark(&sh->marks[s]);
	server_input(s);
	while (net_advance(n, sh->now, 256) > 0)
		continue;
	net_events(n, sh->now, 256);
	net_output(n, sh->now);
	mark(&sh->marks[s]);
	plain_send(&server[s], &box->from[s]);
	order_empty(&order[s], sh->now);
}

/* ---- what a stack asks of its worker in a move; marks, for they come before
 * an offer, before and after each word of the journal ---- */

static uint32_t
number_of(void *arg)
{
	return (uint32_t)((struct net_buckets *)arg - buckets);
}

static bool
peer_takes(void *arg, uint32_t slot)
{
	if (arg != NULL)
		mark(&sh->steps[number_of(arg)]);
	return slot < SERVERS && atomic_load(&sh->takes[slot]);
}

static void
on_copied(void *arg)
{
	mark(&sh->steps[number_of(arg)]);
}

static void
on_gave(void *arg, uint32_t k, uint32_t to, uint32_t epoch)
{
	order_gave(&order[number_of(arg)], k, to, epoch, sh->now);
}

static void
on_came(void *arg, uint32_t k, uint32_t from, uint32_t epoch)
{
	order_came(&order[number_of(arg)], k, from, epoch, sh->now);
}

static void
on_nudge(void *arg, uint32_t slot)
{
	(void)slot;
	mark(&sh->steps[number_of(arg)]);
}

/* ---- the world around them ---- */

static bool
is_busy(uint32_t s)
{
	return atomic_load(&sh->go[s]) != atomic_load(&sh->done[s]);
}

/* A frame from outside: the NIC's table says whose queue it goes to. ARP goes
 * to all. */
static void
nic_receive(struct plain_box *b)
{
	uint32_t i, k, s;

	for (i = 0; i < atomic_load(&b->n); i++) {
		k = frame_bucket(b->data[i], b->len[i]);
		for (s = 0; s < SERVERS; s++)
			if ((k == BUCKETS || atomic_load(&sh->reta[k]) == s) &&
			    !is_busy(s))
				box_add(&box->to[s], b->data[i], b->len[i]);
	}
	atomic_store(&b->n, 0);
}

/* A frame that a worker hands on, by the crossing ring. */
static void
ring_receive(struct plain_box *b)
{
	uint32_t i, k, s;

	for (i = 0; i < atomic_load(&b->n); i++) {
		k = frame_bucket(b->data[i], b->len[i]);
		s = bucket_target(atomic_load(word(k)));
		if (s < SERVERS && !is_busy(s))
			box_add(&box->ring[s], b->data[i], b->len[i]);
	}
	atomic_store(&b->n, 0);
}

/* What clients say, and what servers gave back, to whom it belongs. */
static void
clients_turn(bool open)
{
	static struct plain_box again;
	uint32_t s;

	for (s = 0; s < SERVERS; s++) {
		if (is_busy(s))
			continue;
		plain_take(&client, &box->from[s], now_us);
		atomic_store(&box->from[s].n, 0);
		atomic_store(&box->to[s].n, 0);
		atomic_store(&box->ring[s].n, 0);
	}
	if (open)
		clients_open();
	while (net_advance(client.net, now_us, 256) > 0)
		continue;
	net_events(client.net, now_us, 256);
	net_output(client.net, now_us);
	plain_send(&client, &from_client);
	for (s = 0; s < SERVERS; s++) {
		if (is_busy(s))
			continue;
		memcpy(&again, &box->back[s], sizeof(again));
		atomic_store(&box->back[s].n, 0);
		ring_receive(&again);
	}
	nic_receive(&from_client);
}

static void
step_time(void)
{
	now_us += 1 + rnd(rnd(20) == 0 ? 50000 : 1000);
	atomic_store(&sh->now, now_us);
}

/* ---- judging ---- */

static const struct rec *
record(const struct arena *a, uint32_t id)
{
	return (const void *)((uintptr_t)a + a->off_conns +
	    (size_t)id * a->conn_stride);
}

static bool
is_live(uint32_t s, const struct rec *r)
{
	uint64_t w = atomic_load(word(r->bucket % BOARD_BUCKETS));

	return r->state == REC_USED && BUCKET_OWNER(w) == s &&
	    BUCKET_EPOCH(w) == r->epoch;
}

/* Live records of a client's flow, in all arenas. */
static uint32_t
owners(uint16_t port)
{
	const struct conn *c;
	uint32_t s, i, n = 0;

	for (s = 0; s < SERVERS; s++)
		for (i = 0; i < server[s].conf.shape.conns; i++) {
			c = (const void *)record(server[s].arena, i);
			n += c->t.rport_be == __builtin_bswap16(port) &&
			    is_live(s, &c->rec) && (c->flags & TF_GONE) == 0;
		}
	return n;
}

/* At any instruction: every connection has one owner at most, and one that
 * its client has open and asks on has one. */
static void
judge_owners(void)
{
	struct net_addr a;
	const struct conn *c;
	struct client *k;
	uint32_t i, n;

	for (i = 0; i < client.conf.shape.conns; i++) {
		c = conn_look(client.net, i);
		if (c == NULL || c->state != TCP_ESTABLISHED)
			continue;
		k = &clients[*(const uint32_t *)(const void *)(c + 1)];
		conn_local(c, &a);
		if (k->port != a.port || k->torn)
			continue;
		n = owners(k->port);
		if (n > 1)
			BAD("port %u has %u owners", k->port, n);
		else if (n == 0 && !(k->port & 1) && k->rcvd < k->target)
			BAD("port %u has no owner", k->port);
	}
}

/* Remember whose connection was in hands of a server that is dead. */
static void
note_torn(uint32_t s)
{
	const struct arena *a = server[s].arena;
	uint32_t i, id[2] = { a->hands, a->hands2 };
	const struct conn *c;

	verdict.in_hands += id[0] != ARENA_NONE;
	for (i = 0; i < 2; i++) {
		if (id[i] >= a->shape.conns)
			continue;
		c = (const void *)record(a, id[i]);
		if (is_live(s, &c->rec))
			client_torn(&c->t);
	}
}

static void
adopt(uint32_t s)
{
	const char *why;
	uint32_t k;

	for (k = 0; variant == FORGETS_EPOCH && k < BUCKETS; k++)
		if (BUCKET_TO(*word(k)) == s)
			*word(k) = BUCKET_WORD(s, s, BUCKET_OWNED,
			    BUCKET_ATTEMPT(*word(k)),
			    BUCKET_ATTEMPT(*word(k)));
	order_begin(s);
	why = plain_adopt(&server[s], SERVER_PORT, now_us);
	if (why == NULL)
		why = plain_count(&server[s]);
	if (why != NULL)
		BAD("server %u after %u kills: %s", s, verdict.kills, why);
	atomic_store(&box->from[s].n, 0);
	if (rnd(2))
		atomic_store(&box->to[s].n, 0);
	atomic_store(&sh->done[s], atomic_load(&sh->go[s]));
}

/* ---- a run's beginning ---- */

static void
server_init(uint32_t s, uint64_t seed)
{
	struct net_conf *c = &server[s].conf;
	struct net_buckets *b = &buckets[s];

	bed_conf(&server[s], 2, seed + s);
	/* The server sends without copying: its frames refer to chunks. */
	c->port[0].caps = client.conf.port[0].caps | NET_CAP_FRAGS;
	/* one that is half full already refuses what comes */
	if (seed % 3 == 0)
		c->shape.chunks = 4;
	if (seed % 3 == 1)
		c->shape.small = 4;
	server[s].env.event = marked_event;
	server[s].env.arg = &server[s];
	server[s].env.buckets = b;
	b->me = s;
	b->word = board->bucket[0];
	b->reply = board->reply[s];
	b->want = board->want[0];
	b->patience_us = 20000;
	b->takes = peer_takes;
	b->copied = on_copied;
	b->gave = on_gave;
	b->came = on_came;
	b->nudge = on_nudge;
	b->arg = b;
}

static void
servers_meet(void)
{
	struct net_addr any = { .port = SERVER_PORT };
	uintptr_t base;
	uint32_t s, o;

	/* one base for both: a ref names a frame of either */
	base = (uintptr_t)(server[0].frames < server[1].frames ?
	    server[0].frames : server[1].frames) - 64;
	for (s = 0; s < SERVERS; s++) {
		server[s].env.base = base;
		server[s].env.counters = sh->counters[s];
		share_plain(&server[s]);
		/* the primary writes that of a slot that it empties */
		judge_watch(server[s].arena, server[s].arena_bytes, 1u << s |
		    1u << PRIMARY);
		judge_watch(server[s].frames, (size_t)PLAIN_STRIDE *
		    PLAIN_FRAMES, 1u << s);
		for (o = 0; o < SERVERS; o++)
			buckets[s].peer[o] = (struct move_peer){
				.reply = board->reply[o],
				.arena = server[o].arena,
				.size = server[o].arena_bytes,
				.frame_lo = (uintptr_t)server[o].frames,
				.frame_hi = (uintptr_t)server[o].frames +
				    (size_t)PLAIN_STRIDE * PLAIN_FRAMES,
			};
		order_begin(s);
		plain_start(&server[s], now_us);
		ck_assert_int_eq(net_listen(server[s].net, &any), 0);
		atomic_store(&sh->takes[s], 1);
	}
}

/* Two slots of one group that own every other bucket, and one port, a NIC. */
static void
board_init(void)
{
	uint32_t k, s;

	board = plain_memory(sizeof(*board));
	share(board, sizeof(*board));
	board->head.nslots = SERVERS;
	board->head.ngroups = board->head.nports = 1;
	board->group[0].ports = 1;
	for (k = 0; k < BOARD_BUCKETS; k++) {
		board->want[0][k] = k % SERVERS;
		*word(k) = BUCKET_WORD(k % SERVERS, BOARD_NONE, BUCKET_OWNED,
		    0, 0);
	}
	for (s = 0; s < SERVERS; s++) {
		board->slot[s].fixed.queue[0] = (uint8_t)s;
		board->slot[s].worker.phase = PHASE_SERVING;
	}
}

static void
world_init(uint64_t seed)
{
	uint32_t s;

	bed_init(seed);
	sh = plain_memory(sizeof(*sh));
	share(sh, sizeof(*sh));
	box = plain_memory(sizeof(*box));
	share(box, sizeof(*box));
	board_init();
	atomic_store(&sh->emptied, BOARD_NONE);
	judge_watch(board->bucket[0], sizeof(board->bucket[0]), UINT32_MAX);
	judge_watch(board->want[0], sizeof(board->want[0]), 1u << SUPER);
	judge_watch(board->reply[0], SERVERS * sizeof(board->reply[0]), 3u);
	judge_watch(board->passed[0], SERVERS * sizeof(board->passed[0]), 3u);
	judge_watch(board->steered[0], sizeof(board->steered[0]),
	    1u << PRIMARY);
	judge_watch(sh->reta, sizeof(sh->reta), 1u << PRIMARY);
	for (s = 0; s < SERVERS; s++) {
		server_init(s, seed);
		plain_init(&server[s], now_us);
	}
	servers_meet();
}

static void
world_fini(void)
{
	plain_fini(&server[0]);
	plain_fini(&server[1]);
	munmap(board, sizeof(*board));
	munmap(box, sizeof(*box));
	munmap(sh, sizeof(*sh));
	bed_fini();
}

#endif
