/*
 * Two servers give buckets of connections to each other while they are
 * single-stepped; either, both or none is killed or frozen at an instruction,
 * frames come meanwhile, timers are due, and sometimes the receiver has no
 * room. secondary/net/move.h: every connection has exactly one owner, always,
 * and goes on byte for byte; what was in hands may be reset.
 *
 * The servers' arenas, frames and the words of the journal are shared memory.
 * At some of the stops the death of both is judged in a copy (kill_bed.h):
 * both arenas are adopted, all buffers counted, and now and then the traffic
 * is played to its end. So one trace gives many deaths.
 *
 * STARFISH_KILLS=N makes N times as many; STARFISH_SEED repeats a run. */
#include "../../common/evacuate.h"
#include "../lib/kill_bed.h"

#define SERVERS		2u
#define BUCKETS		8u	/* in use */
#define FROZEN_MAX	40u	/* rounds that a server stands still, at most */

enum variant {
	SOUND,
	REPLIES_EARLY,		/* says that it copied before it did */
	COMMITS_ALONE,		/* gives away what nobody answered for */
	FORGETS_EPOCH,		/* adopts a copy that was never committed */
};

/* What all processes see, beside the arenas and frames. */
struct shared {
	_Atomic uint32_t go[SERVERS], done[SERVERS];
	_Atomic uint64_t now;
	_Atomic uint64_t word[BOARD_BUCKETS];
	_Atomic uint32_t want[BOARD_BUCKETS];
	_Atomic uint32_t reply[SERVERS][BOARD_BUCKETS];
	_Atomic uint32_t takes[SERVERS];
	_Atomic uint64_t counters[SERVERS][CNT_MAX];
	struct plain_box to[SERVERS], from[SERVERS], back[SERVERS];
};

struct child {
	pid_t pid;
	bool stopped;		/* by ptrace */
	uint32_t frozen;	/* rounds that it still stands still */
};

static struct shared *sh;
static struct plain server[SERVERS];
static struct net_buckets buckets[SERVERS];
static struct child child[SERVERS];
static struct plain_box from_client;
static enum variant variant;
static uint32_t stops, moved, refused, withdrawn;

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

/* Frames of buckets that are not served here go back: who steers gives them to
 * the right one, or here again later. */
static void
server_take(uint32_t s)
{
	struct plain_box *b = &sh->to[s];
	struct pkt *in[ARENA_BURST];
	uint32_t i, k, n = 0, cnt = atomic_load(&b->n);

	for (i = 0; i < cnt; i++) {
		k = frame_bucket(b->data[i], b->len[i]);
		if (k < BUCKETS && net_move_state(server[s].net, k) !=
		    MOVE_OURS) {
			box_add(&sh->back[s], b->data[i], b->len[i]);
			continue;
		}
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
		w = atomic_load(&sh->word[k]);
		if (BUCKET_PHASE(w) != BUCKET_OFFERED)
			continue;
		if (variant == REPLIES_EARLY && BUCKET_TO(w) == s)
			atomic_store(&sh->reply[s][k], BUCKET_REPLY(
			    REPLY_COPIED, BUCKET_ATTEMPT(w)));
		if (variant == COMMITS_ALONE && BUCKET_OWNER(w) == s)
			atomic_store(&sh->word[k], BUCKET_WORD(BUCKET_TO(w),
			    BUCKET_TO(w), BUCKET_OWNED, BUCKET_ATTEMPT(w),
			    BUCKET_ATTEMPT(w)));
	}
}

static void
server_turn(uint32_t s)
{
	struct net *n = server[s].net;

	if (variant != SOUND)
		mistake(s);
	net_move(n, sh->now, 16);
	server_take(s);
	while (net_advance(n, sh->now, 256) > 0)
		continue;
	net_events(n, sh->now, 256);
	net_output(n, sh->now);
	plain_send(&server[s], &sh->from[s]);
}

static void
server_loop(void *arg)
{
	uint32_t s = (uint32_t)((struct child *)arg - child);
	uint32_t done = atomic_load(&sh->done[s]);

	for (;;) {
		while (atomic_load(&sh->go[s]) == done)
			word_wait(&sh->go[s], done);
		server_turn(s);
		atomic_store(&sh->done[s], ++done);
		word_wake(&sh->done[s]);
	}
}

static bool
peer_takes(void *arg, uint32_t slot)
{
	(void)arg;
	return slot < SERVERS && atomic_load(&sh->takes[slot]);
}

/* ---- the world around them ---- */

static bool
is_busy(uint32_t s)
{
	return atomic_load(&sh->go[s]) != atomic_load(&sh->done[s]);
}

/* Give a frame to who has its bucket, or is offered it. Who is in the middle
 * of a turn has its box full: the frame is lost. */
static void
steer(const uint8_t *d, uint32_t len)
{
	uint32_t k = frame_bucket(d, len), s;

	for (s = 0; s < SERVERS; s++) {
		if (k < BUCKETS && bucket_target(atomic_load(
		    &sh->word[k])) != s)
			continue;
		if (!is_busy(s))
			box_add(&sh->to[s], d, len);
	}
}

static void
steer_box(struct plain_box *b)
{
	uint32_t i;

	for (i = 0; i < atomic_load(&b->n); i++)
		steer(b->data[i], b->len[i]);
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
		plain_take(&client, &sh->from[s], now_us);
		atomic_store(&sh->from[s].n, 0);
		atomic_store(&sh->to[s].n, 0);
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
		again = sh->back[s];
		atomic_store(&sh->back[s].n, 0);
		steer_box(&again);
	}
	steer_box(&from_client);
}

static void
step_time(void)
{
	now_us += 1 + rnd(rnd(20) == 0 ? 50000 : 1000);
	atomic_store(&sh->now, now_us);
}

static void
wish(void)
{
	uint32_t i;

	for (i = rnd(3); i > 0; i--)
		atomic_store(&sh->want[rnd(BUCKETS)], rnd(SERVERS));
}

static void
wait_turn(uint32_t s)
{
	double until = seconds() + 20;

	while (is_busy(s)) {
		if (seconds() > until) {
			BAD("server %u hangs", s);
			return;
		}
		word_wait(&sh->done[s], atomic_load(&sh->go[s]) - 1);
	}
}

static void
stop(uint32_t s)
{
	int status;

	if (child[s].stopped)
		return;
	kill(child[s].pid, SIGSTOP);
	waitpid(child[s].pid, &status, 0);
	child[s].stopped = true;
}

static void
cont(uint32_t s)
{
	ptrace(PTRACE_CONT, child[s].pid, 0, 0);
	child[s].stopped = false;
}

static void
seat(uint32_t s)
{
	int status;

	atomic_store(&sh->done[s], atomic_load(&sh->go[s]));
	child[s] = (struct child){ .pid = spawn(true, server_loop,
	    &child[s]) };
	waitpid(child[s].pid, &status, 0);
	cont(s);
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
	uint64_t w = atomic_load(&sh->word[r->bucket % BOARD_BUCKETS]);

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

static bool
in_hands(uint32_t s)
{
	return ((struct arena *)server[s].arena)->hands != ARENA_NONE;
}

static void
adopt(uint32_t s)
{
	const char *why;
	uint32_t k;

	for (k = 0; variant == FORGETS_EPOCH && k < BUCKETS; k++)
		if (BUCKET_TO(sh->word[k]) == s)
			sh->word[k] = BUCKET_WORD(s, s, BUCKET_OWNED,
			    BUCKET_ATTEMPT(sh->word[k]),
			    BUCKET_ATTEMPT(sh->word[k]));
	why = plain_adopt(&server[s], SERVER_PORT, now_us);
	if (why == NULL)
		why = plain_count(&server[s]);
	if (why != NULL)
		BAD("server %u after %u kills: %s", s, verdict.kills, why);
	atomic_store(&sh->from[s].n, 0);
	if (rnd(2))
		atomic_store(&sh->to[s].n, 0);
	atomic_store(&sh->done[s], atomic_load(&sh->go[s]));
}

/* A server that is dead for good: the repairer acts as the giver. */
static struct evacuation gone;

static void
give_up(uint32_t s)
{
	uint32_t k;

	gone = (struct evacuation){ .arena = server[s].arena,
	    .size = server[s].arena_bytes, .slot = s, .word = sh->word,
	    .want = sh->want, .reply = (const _Atomic uint32_t (*)
	    [BOARD_BUCKETS])sh->reply, .patience_us = 20000,
	    .takes = peer_takes };
	for (k = 0; k < BOARD_BUCKETS; k++)
		atomic_store(&sh->want[k], !s);
	atomic_store(&sh->takes[s], 0);
	atomic_store(&sh->done[s], atomic_load(&sh->go[s]));
	/* whoever repairs may die, too, and another begins again */
	do {
		if (evacuate_begin(&gone) < 0)
			BAD("the arena of %u is damaged", s);
		evacuate_turn(&gone, now_us);
	} while (rnd(3) > 0);
}

static void
serve(uint32_t s)
{
	if (gone.arena == NULL || gone.slot != s)
		server_turn(s);
	else
		evacuate_turn(&gone, now_us);
}

static void
play_to_the_end(void)
{
	uint32_t turns, s, k;
	const char *why;

	for (turns = 0; turns < 30000 && clients_left() > 0 &&
	    verdict.why[0] == '\0'; turns++) {
		step_time();
		if (turns < 60 && gone.arena == NULL)
			wish();
		clients_turn(false);
		for (s = 0; s < SERVERS; s++)
			serve(s);
	}
	if (clients_left() > 0)
		BAD("%u connections never end", clients_left());
	/* and what was wished for has come true */
	for (turns = 0; turns < 60; turns++) {
		now_us += 50000;
		atomic_store(&sh->now, now_us);
		clients_turn(false);
		for (s = 0; s < SERVERS; s++)
			serve(s);
	}
	for (k = 0; k < BUCKETS; k++)
		if (BUCKET_PHASE(sh->word[k]) != BUCKET_OWNED ||
		    BUCKET_OWNER(sh->word[k]) != sh->want[k])
			BAD("bucket %u does not arrive", k);
	for (s = 0; s < SERVERS; s++) {
		if (gone.arena != NULL && gone.slot == s)
			continue;
		why = plain_count(&server[s]);
		if (why == NULL && server[s].net->nconns > 0)
			why = "connections are left";
		if (why != NULL)
			BAD("server %u at the end: %s", s, why);
	}
}

/* What if both were dead now? In a copy. */
static void
judge_copy(bool to_the_end)
{
	uint32_t s, first = rnd(SERVERS);

	verdict.judged++;
	if (judge_fork()) {
		for (s = 0; s < SERVERS; s++)
			note_torn(s);
		for (s = 0; s < SERVERS; s++)
			atomic_store(&sh->takes[s], 1);
		if (variant == SOUND && to_the_end && rnd(3) == 0)
			give_up(first);
		else
			adopt(first);
		adopt(!first);
		judge_owners();
		if (to_the_end && verdict.why[0] == '\0')
			play_to_the_end();
		judge_end();
	}
}

static void
adopt_then_wait(void *arg)
{
	adopt((uint32_t)((struct child *)arg - child));
	for (;;)
		sched_yield();
}

/* A successor that dies while it adopts. */
static void
cut_adoption(uint32_t s)
{
	uint32_t steps = 1 + rnd(1u << (6 + rnd(8)));
	pid_t pid = spawn(true, adopt_then_wait, &child[s]);
	int status;

	waitpid(pid, &status, 0);
	while (steps-- > 0 && step_once(pid))
		continue;
	end(pid);
	note_torn(s);
	verdict.adoptions_cut++;
}

static void
bury_and_succeed(uint32_t who)
{
	uint32_t s;

	for (s = 0; s < SERVERS; s++)
		if (who & 1u << s) {
			end(child[s].pid);
			note_torn(s);
			verdict.kills++;
			atomic_store(&sh->takes[s], 0);
		}
	for (s = 0; s < SERVERS; s++) {
		if (!(who & 1u << s))
			continue;
		if (rnd(6) == 0)
			cut_adoption(s);
		adopt(s);
		judge_owners();
		atomic_store(&sh->takes[s], 1);
		seat(s);
	}
}

/* One turn of both, one instruction after the other in turn; then death. */
static void
stepped_round(void)
{
	uint32_t i, s, k, rounds = 1 + rnd(60), who = rnd(5);

	for (s = 0; s < SERVERS; s++) {
		stop(s);
		if (child[s].frozen == 0 && !is_busy(s))
			atomic_fetch_add(&sh->go[s], 1);
	}
	for (i = 0; i < rounds && verdict.why[0] == '\0'; i++) {
		s = rnd(SERVERS);
		if (child[s].frozen > 0)
			s = !s;
		k = rnd(8) ? rnd(60) : rnd(2000);
		while (k-- > 0 && is_busy(s) && step_once(child[s].pid))
			continue;
		/* to where it matters */
		for (k = rnd(4) ? 0 : 2000; k > 0 && is_busy(s) &&
		    !in_hands(s); k--)
			step_once(child[s].pid);
		stops++;
		judge_owners();
		if (rnd(6) == 0)
			judge_copy(i + 1 == rounds || rnd(8) == 0);
	}
	if (verdict.why[0] != '\0')
		return;
	if (who < 4)
		bury_and_succeed(who);
	else			/* one stands still, and wakes or dies */
		child[rnd(SERVERS)].frozen = 1 + rnd(FROZEN_MAX);
	for (s = 0; s < SERVERS; s++)
		if (child[s].frozen == 0 && child[s].stopped)
			cont(s);
}

static void
plain_round(void)
{
	uint32_t s;

	for (s = 0; s < SERVERS; s++) {
		if (child[s].frozen > 0 && --child[s].frozen > 0)
			continue;
		if (child[s].stopped)
			cont(s);
		if (!is_busy(s))
			atomic_fetch_add(&sh->go[s], 1);
		word_wake(&sh->go[s]);
	}
	for (s = 0; s < SERVERS; s++)
		if (child[s].frozen == 0)
			wait_turn(s);
}

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
	server[s].env.event = server_event;
	server[s].env.arg = &server[s];
	server[s].env.buckets = b;
	b->me = s;
	b->word = sh->word;
	b->reply = sh->reply[s];
	b->want = sh->want;
	b->patience_us = 20000;
	b->takes = peer_takes;
}

static void
peers_init(void)
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
		for (o = 0; o < SERVERS; o++)
			buckets[s].peer[o] = (struct move_peer){
				.reply = sh->reply[o],
				.arena = server[o].arena,
				.size = server[o].arena_bytes,
				.frame_lo = (uintptr_t)server[o].frames,
				.frame_hi = (uintptr_t)server[o].frames +
				    (size_t)PLAIN_STRIDE * PLAIN_FRAMES,
			};
		plain_start(&server[s], now_us);
		ck_assert_int_eq(net_listen(server[s].net, &any), 0);
		atomic_store(&sh->takes[s], 1);
	}
}

static void
run_init(uint64_t seed)
{
	uint32_t k, s;

	stops = moved = refused = withdrawn = 0;
	bed_init(seed);
	sh = plain_memory(sizeof(*sh));
	share(sh, sizeof(*sh));
	for (k = 0; k < BOARD_BUCKETS; k++) {
		sh->want[k] = k % SERVERS;
		sh->word[k] = BUCKET_WORD(k % SERVERS, BOARD_NONE,
		    BUCKET_OWNED, 0, 0);
	}
	for (s = 0; s < SERVERS; s++) {
		server_init(s, seed);
		plain_init(&server[s], now_us);
	}
	peers_init();
	for (s = 0; s < SERVERS; s++)
		seat(s);
}

static void
run_fini(void)
{
	uint32_t i, s;

	for (s = 0; s < SERVERS; s++) {
		kill(child[s].pid, SIGKILL);
		waitpid(child[s].pid, NULL, 0);
		refused += (uint32_t)sh->counters[s][CNT_move_refused];
		withdrawn += (uint32_t)sh->counters[s][CNT_move_withdrawn];
	}
	for (i = 0; i < BUCKETS; i++)
		moved += BUCKET_ATTEMPT(sh->word[i]);
	plain_fini(&server[0]);
	plain_fini(&server[1]);
	munmap(sh, sizeof(*sh));
	bed_fini();
}

static void
run(uint64_t seed, uint32_t rounds, double limit)
{
	double until = seconds() + limit;
	uint32_t i, r;

	run_init(seed);
	share_cpu(true);
	for (r = 0; r < rounds && verdict.why[0] == '\0' &&
	    (r < 8 || seconds() < until); r++) {
		for (i = rnd(6); i > 0 && verdict.why[0] == '\0'; i--) {
			step_time();
			wish();
			clients_turn(true);
			plain_round();
		}
		step_time();
		wish();
		clients_turn(true);
		if (verdict.why[0] == '\0')
			stepped_round();
	}
	for (i = 0; i < SERVERS; i++)
		stop(i);
	if (verdict.why[0] == '\0')
		judge_copy(true);
	run_fini();
	fprintf(stderr, "  seed 0x%llx: %u stops, %u judged, %u to the end, "
	    "%u kills, %u with a record in hands, %u torn, %u adoptions cut, "
	    "%u offers, %u refused, %u withdrawn\n",
	    (unsigned long long)seed, stops, verdict.judged, verdict.played,
	    verdict.kills,
	    verdict.in_hands, verdict.torn, verdict.adoptions_cut, moved,
	    refused, withdrawn);
}

/* secondary/net/move.h, adoption: whoever dies, every connection has one
 * owner and goes on. */
START_TEST(a_kill_in_a_move_leaves_every_connection_one_owner)
{
	uint64_t seed = run_seed() / 3 * 3 + (uint64_t)_i;
	uint32_t f = kill_factor();

	if (!can_trace()) {
		fprintf(stderr, "  ptrace is not allowed here\n");
		return;
	}
	variant = SOUND;
	run(seed, 150 * f, 4.0 * f);
	ck_assert_msg(verdict.why[0] == '\0', "STARFISH_SEED=0x%llx: %s",
	    (unsigned long long)seed, verdict.why);
	ck_assert_uint_gt(verdict.kills, 0);
	ck_assert_uint_gt(moved, 0);
}
END_TEST

/* Negative controls: mistakes that the journal forbids are noticed. */
START_TEST(a_break_of_the_protocol_is_noticed)
{
	uint64_t seed;
	int status;
	pid_t pid;

	if (!can_trace())
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		variant = REPLIES_EARLY + (enum variant)_i;
		for (seed = 2; seed < 30; seed += 3) {
			run(seed, 60, 3.0);
			if (verdict.why[0] != '\0') {
				fprintf(stderr, "  noticed: %s\n",
				    verdict.why);
				_exit(1);
			}
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status != 0, "variant %d was not noticed", _i);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("move_kill");
	TCase *t = tcase_create("journal");
	SRunner *sr;
	int failed;

	signal(SIGCHLD, SIG_DFL);	/* inherited it may be ignored */
	tcase_set_timeout(t, 120.0 + 20.0 * kill_factor());
	tcase_add_loop_test(t,
	    a_kill_in_a_move_leaves_every_connection_one_owner, 0, 3);
	tcase_add_loop_test(t, a_break_of_the_protocol_is_noticed, 0, 3);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
