/*
 * A server process is killed at random moments and at single-stepped
 * instructions; its successor adopts the arena. The torn rule (arena.h): at
 * most the connection in hands ends, every other goes on byte for byte, no
 * input counts twice, and frames and chunks are all accounted for.
 *
 * The server's arena and frames are shared memory. It runs in a child that
 * this process forks, kills and succeeds; the successor's struct net is then
 * inherited by the next child. Clients run here, on the same stack, in
 * virtual time and in lock step with the server. The service sends back what
 * it reads, changed by a position that it counts in its state, so whatever
 * is lost, repeated or half done shows in the bytes.
 */
#include <assert.h>
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/plain.h"

#define CLIENTS		24u
#define SERVER_PORT	7u
#define QUICK		1000u	/* bytes after which the server closes first */
#define HANG		2000000u /* polls until a child counts as stuck */
#define KILLS_MIN	10u	/* of a run, however slow the machine is */
#define KILL_NS		200000u	/* a random kill comes within this time */

/* What both processes see, beside the server's arena and frames. */
struct shared {
	_Atomic uint32_t go, done; /* turns asked for, turns finished */
	_Atomic uint32_t again;	/* the last turn is repeated until death */
	_Atomic uint64_t now;
	struct plain_box to_server, from_server;
};

struct client {
	uint64_t target, sent, rcvd;
	uint16_t port;		/* host order; 0: not open */
	bool shut, torn;
	uint64_t torn_at;
};

/* What a run found; the first violation is kept. */
struct verdict {
	uint32_t kills, torn, in_hands, resets, finished, adoptions_cut;
	char why[160];
};

static struct shared *sh;
static struct plain server, client;
static struct client clients[CLIENTS];
static struct verdict verdict;
static uint64_t rnd_state, now_us;
static bool forget_hands;	/* negative control */
static bool keep_box;		/* the successor gets the input again */

static uint32_t
rnd(uint32_t n)
{
	uint64_t z = (rnd_state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

#define BAD(...)							\
	do {								\
		if (verdict.why[0] == '\0')				\
			snprintf(verdict.why, sizeof(verdict.why),	\
			    __VA_ARGS__);				\
	} while (0)

/* Byte pos of what a client sends from this port. */
static uint8_t
sent_byte(uint16_t port, uint64_t pos)
{
	return (uint8_t)(port * 31u + pos * 7u + (pos >> 8) * 13u);
}

/* What the service makes of a byte: its own count must agree. */
static uint8_t
answer_byte(uint8_t b, uint64_t count)
{
	return (uint8_t)(b ^ (uint8_t)(count * 11u + (count >> 8)));
}

/* ---- the service ---- */

struct echo_state {
	uint64_t count;
};

static void
echo_some(struct conn *c, struct echo_state *st, uint8_t *to, uint32_t len)
{
	uint32_t i;

	assert(conn_copy(server.net, c, 0, to, len) == len);
	for (i = 0; i < len; i++)
		to[i] = answer_byte(to[i], st->count + i);
	conn_commit(server.net, c, len);
	conn_consume(server.net, c, len);
	st->count += len;
}

static void
server_event(void *arg, struct conn *c, uint32_t events)
{
	struct echo_state *st = conn_state(c);
	struct net_addr peer;
	uint32_t n, len;
	uint8_t *to;

	(void)arg;
	if (events & CONN_GONE)
		return;
	while ((n = conn_readable(c)) > 0) {
		len = n;
		to = conn_reserve(server.net, c, 1, &len);
		if (to == NULL) {
			conn_want_room(server.net, c, 1);
			return;
		}
		echo_some(c, st, to, len < n ? len : n);
	}
	conn_remote(c, &peer);
	if (conn_eof(c) || (peer.port & 1 && st->count == QUICK))
		conn_close(server.net, c);
}

/* ---- clients ---- */

static void
client_read(struct conn *c, struct client *k)
{
	const uint8_t *p = NULL;
	uint32_t i, n;

	while ((n = conn_peek(client.net, c, 0, &p)) > 0) {
		for (i = 0; i < n; i++, k->rcvd++)
			if (p[i] != answer_byte(sent_byte(k->port, k->rcvd),
			    k->rcvd)) {
				BAD("port %u: wrong byte at %llu", k->port,
				    (unsigned long long)k->rcvd);
				break;
			}
		conn_consume(client.net, c, n);
	}
	if (k->rcvd > k->sent)
		BAD("port %u: more answers than questions", k->port);
}

static void
client_write(struct conn *c, struct client *k)
{
	uint8_t buf[2048];
	uint32_t i, n, took;

	while (k->sent < k->target) {
		n = 1 + rnd(sizeof(buf));
		if (n > k->target - k->sent)
			n = (uint32_t)(k->target - k->sent);
		for (i = 0; i < n; i++)
			buf[i] = sent_byte(k->port, k->sent + i);
		took = conn_write(client.net, c, buf, n);
		k->sent += took;
		if (took < n) {
			conn_want_room(client.net, c, 1);
			return;
		}
	}
	if (!k->shut && !(k->port & 1)) {
		k->shut = true;
		conn_shutdown(client.net, c);
	}
}

/* The peer said all it had. */
static void
client_end(struct client *k)
{
	if (k->rcvd != k->target)
		BAD("port %u: end after %llu of %llu bytes", k->port,
		    (unsigned long long)k->rcvd,
		    (unsigned long long)k->target);
	verdict.finished++;
	k->port = 0;
}

static void
client_gone(struct conn *c, struct client *k)
{
	if (conn_error(c) == 0) {
		client_read(c, k);
		client_end(k);
		return;
	}
	if (!k->torn)
		BAD("port %u: reset, and was not in hands: %d", k->port,
		    conn_error(c));
	verdict.resets++;
	k->port = 0;
}

static void
client_event(void *arg, struct conn *c, uint32_t events)
{
	struct client *k = &clients[*(uint32_t *)conn_state(c)];

	(void)arg;
	if (events & CONN_GONE) {
		client_gone(c, k);
		return;
	}
	client_read(c, k);
	client_write(c, k);
	if (k->torn && now_us > k->torn_at + 3000000) {
		conn_abort(client.net, c);
		k->port = 0;
		return;
	}
	if (k->torn)
		conn_timer(client.net, c, now_us + 500000);
	if (conn_eof(c)) {
		conn_close(client.net, c);
		client_end(k);
	}
}

static void
client_open(uint32_t i)
{
	struct net_addr to = { .family = 4, .port = SERVER_PORT }, local;
	struct client *k = &clients[i];
	struct conn *c;

	memcpy(to.addr, (uint8_t[]){ 10, 0, 0, 2 }, 4);
	if (net_connect(client.net, NULL, &to, now_us, &c) < 0)
		return;
	conn_local(c, &local);
	memset(k, 0, sizeof(*k));
	k->port = local.port;
	k->target = local.port & 1 ? QUICK : 1 + rnd(30000);
	*(uint32_t *)conn_state(c) = i;
	/* Looks again by itself: a torn connection may never hear of it. */
	conn_timer(client.net, c, now_us + 5000000);
}

/* ---- lock step ---- */

static void
client_turn(bool open)
{
	uint32_t i;

	for (i = 0; open && i < CLIENTS; i++)
		if (clients[i].port == 0 && rnd(8) == 0)
			client_open(i);
	plain_turn(&client, &sh->from_server, &sh->to_server, now_us);
	atomic_store(&sh->from_server.n, 0);
}

static void
server_loop(void)
{
	uint32_t done = atomic_load(&sh->done);

	for (;;) {
		while (atomic_load_explicit(&sh->go, memory_order_acquire) ==
		    done)
			sched_yield();
		do
			plain_turn(&server, &sh->to_server, &sh->from_server,
			    atomic_load(&sh->now));
		while (atomic_load(&sh->again));
		atomic_store_explicit(&sh->done, ++done,
		    memory_order_release);
	}
}

static void
step_time(void)
{
	now_us += 1 + rnd(rnd(20) == 0 ? 50000 : 1000);
	atomic_store(&sh->now, now_us);
}

/* Ask the child for a turn and wait until it is done. */
static void
child_turn(void)
{
	uint32_t polls = 0, go = atomic_load(&sh->go) + 1;

	atomic_store(&sh->go, go);
	while (atomic_load(&sh->done) != go) {
		if (++polls > HANG) {
			BAD("the server hangs");
			return;
		}
		sched_yield();
	}
	atomic_store(&sh->to_server.n, 0);
}

static pid_t
spawn(bool traced, void (*body)(void))
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (traced) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
	}
	body();
	_exit(1);
}

static uint32_t
in_hands(void)
{
	return atomic_load(&((struct arena *)server.arena)->hands);
}

/* Step a stopped child; until_hands: first to where a record is in hands. */
static void
step(pid_t pid, uint32_t steps, bool until_hands)
{
	uint32_t limit = 40000;
	int status;

	while (steps > 0 && limit-- > 0 && (!until_hands ||
	    atomic_load(&sh->done) != atomic_load(&sh->go))) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0 ||
		    waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
			BAD("a stepped server ended by itself");
			return;
		}
		if (WSTOPSIG(status) != SIGTRAP)
			BAD("a stepped server got signal %d",
			    WSTOPSIG(status));
		if (until_hands && in_hands() == ARENA_NONE)
			continue;
		until_hands = false;
		steps--;
	}
}

static void
end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL)
		BAD("the server ended by itself, status %x", status);
}

/* ---- adoption ---- */

/* Remember whose connection was in hands. */
static void
note_torn(void)
{
	const struct arena *a = server.arena;
	uint32_t i, j, id[2] = { a->hands, a->hands2 }, port;
	const struct conn *c;

	verdict.in_hands += id[0] != ARENA_NONE;
	for (i = 0; i < 2; i++) {
		if (id[i] >= a->shape.conns)
			continue;
		c = (const struct conn *)((uint8_t *)server.arena +
		    a->off_conns + (size_t)id[i] * a->conn_stride);
		if (c->rec.state != REC_USED)
			continue;
		verdict.torn++;
		port = (uint32_t)(c->t.rport_be >> 8 |
		    (c->t.rport_be & 0xff) << 8);
		for (j = 0; j < CLIENTS; j++)
			if (clients[j].port == port) {
				clients[j].torn = true;
				clients[j].torn_at = now_us;
			}
	}
}

static void
adopt_then_wait(void)
{
	plain_adopt(&server, SERVER_PORT, now_us);
	for (;;)
		sched_yield();
}

/* The server is dead: succeed it, maybe after a successor that dies too. */
static void
succeed(bool traced)
{
	struct arena *a = server.arena;
	const char *why;
	int status;
	pid_t pid;

	note_torn();
	if (forget_hands) {
		a->hands = a->hands2 = ARENA_NONE;
	} else if (traced && rnd(6) == 0) {
		pid = spawn(true, adopt_then_wait);
		waitpid(pid, &status, 0);
		step(pid, 1 + rnd(1u << (6 + rnd(8))), false);
		end(pid);
		note_torn();
		verdict.adoptions_cut++;
	}
	why = plain_adopt(&server, SERVER_PORT, now_us);
	if (why == NULL)
		why = plain_count(&server);
	if (why != NULL)
		BAD("after %u kills: %s", verdict.kills, why);
	/* What it left unsent is lost; what it got may come once more. */
	atomic_store(&sh->from_server.n, 0);
	if (!keep_box)
		atomic_store(&sh->to_server.n, 0);
	atomic_store(&sh->done, atomic_load(&sh->go));
}

/* ---- a run ---- */

static void
run_init(uint64_t seed)
{
	struct net_addr any = { .port = SERVER_PORT };
	uint32_t i;

	memset(&verdict, 0, sizeof(verdict));
	memset(clients, 0, sizeof(clients));
	rnd_state = seed;
	now_us = 1000000000;
	sh = plain_memory(sizeof(*sh));
	plain_conf(&server, 2, 2 * CLIENTS);
	plain_conf(&client, 1, 2 * CLIENTS);
	server.env.event = server_event;
	client.env.event = client_event;
	for (i = 0; i < 2; i++) {
		struct net_conf *c = i ? &server.conf : &client.conf;

		c->shape.timewait = 64;
		c->timewait_us = 20000;
		c->seed = seed + i;
		c->rcvbuf = c->rcvbuf_max = 16384;
		c->sndbuf = 8192;
	}
	/* The server sends without copying: its frames refer to chunks. With
	 * checksums left to the ports the straight paths are taken. */
	if (seed % 2 != 0)
		client.conf.port[0].caps = NET_CAP_RX_CSUM |
		    NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM;
	server.conf.port[0].caps = client.conf.port[0].caps | NET_CAP_FRAGS;
	plain_init(&server, now_us);
	plain_init(&client, now_us);
	ck_assert_int_eq(net_listen(server.net, &any), 0);
}

static void
run_fini(void)
{
	plain_fini(&server);
	plain_fini(&client);
	munmap(sh, sizeof(*sh));
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One life of a server: some turns, then death within one. */
static void
life(bool traced)
{
	uint32_t i, turns = rnd(12);
	double until;
	pid_t pid = spawn(traced, server_loop);
	int status;

	if (traced) {
		waitpid(pid, &status, 0);
		ptrace(PTRACE_CONT, pid, 0, 0);
	}
	for (i = 0; i < turns && verdict.why[0] == '\0'; i++) {
		step_time();
		client_turn(true);
		child_turn();
	}
	step_time();
	client_turn(true);
	if (traced) {
		kill(pid, SIGSTOP);
		waitpid(pid, &status, 0);
	}
	/* Frames that come once more change nothing, and there is always one
	 * in hand. */
	atomic_store(&sh->again, !traced);
	atomic_store(&sh->go, atomic_load(&sh->go) + 1);
	if (traced)
		step(pid, 1 + rnd(1u << (4 + rnd(8))), forget_hands ||
		    rnd(4) != 0);
	else
		for (until = seconds() + 1e-9 * rnd(KILL_NS);
		    seconds() < until;)
			continue;
	end(pid);
	atomic_store(&sh->again, 0);
	verdict.kills++;
	keep_box = rnd(2);
	succeed(traced);
}

/* Nobody dies any more: every connection comes to its end. */
static void
finish(void)
{
	uint32_t i, turns, open = 1;
	const char *why;

	for (turns = 0; turns < 30000 && open > 0 &&
	    verdict.why[0] == '\0'; turns++) {
		step_time();
		client_turn(false);
		plain_turn(&server, &sh->to_server, &sh->from_server, now_us);
		atomic_store(&sh->to_server.n, 0);
		for (i = open = 0; i < CLIENTS; i++)
			open += clients[i].port != 0;
	}
	if (open > 0)
		BAD("%u connections never end", open);
	why = plain_count(&server);
	if (why != NULL)
		BAD("at the end: %s", why);
}

/*
 * Who steps another shares its cpu: a switch is cheaper than waking the other
 * cpu twice for every instruction. Who kills at random does not.
 */
static void
share_cpu(bool share)
{
	static cpu_set_t all;
	static bool known;
	int cpu = sched_getcpu();
	cpu_set_t one;

	if (!known && sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	known = true;
	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0 : cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), share ? &one : &all);
}

/* Lives until there were enough, or time is up (but for a few at least), or
 * something is wrong. */
static void
run(uint64_t seed, bool traced, uint32_t kills, double limit)
{
	double until = seconds() + limit;

	run_init(seed);
	share_cpu(traced);
	while (verdict.kills < kills && verdict.why[0] == '\0' &&
	    (verdict.kills < KILLS_MIN || seconds() < until))
		life(traced);
	if (verdict.why[0] == '\0')
		finish();
	fprintf(stderr, "  %s: %u kills, %u with a record in hands, %u live "
	    "connections torn, %u resets, %u finished, %u killed adopting\n",
	    traced ? "stepped" : "random", verdict.kills, verdict.in_hands,
	    verdict.torn, verdict.resets, verdict.finished,
	    verdict.adoptions_cut);
	run_fini();
}

static bool
can_trace(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* arena.h, the torn rule: a kill at any moment costs one connection. */
START_TEST(a_kill_at_a_random_moment_costs_one_connection_at_most)
{
	run(0x5eed + (uint64_t)_i, false, 1000, 1.5);
	ck_assert_msg(verdict.why[0] == '\0', "seed %d: %s", _i, verdict.why);
	ck_assert_uint_ge(verdict.kills, KILLS_MIN);
	ck_assert_uint_gt(verdict.finished, 0);
	ck_assert_uint_le(verdict.resets, verdict.torn);
}
END_TEST

/* The same at instruction boundaries, most of them with a record in hands. */
START_TEST(a_kill_at_any_instruction_costs_one_connection_at_most)
{
	if (!can_trace()) {
		fprintf(stderr, "  ptrace is not allowed here\n");
		return;
	}
	run(0xabcd + (uint64_t)_i, true, 400, 2.5);
	ck_assert_msg(verdict.why[0] == '\0', "seed %d: %s", _i, verdict.why);
	ck_assert_uint_ge(verdict.kills, KILLS_MIN);
	ck_assert_uint_gt(verdict.in_hands, 0);
	ck_assert_uint_le(verdict.resets, verdict.torn);
}
END_TEST

/*
 * Negative control: a successor that ignores what was in hands believes a
 * half-written record, and this test sees it. In a process of its own, for
 * the stack's assertions may see it first.
 */
START_TEST(believing_the_record_in_hands_is_noticed)
{
	uint64_t seed;
	int status;
	pid_t pid;

	if (!can_trace())
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		forget_hands = true;
		for (seed = 1; seed < 20; seed++) {
			run(seed, seed % 2 == 0, 1000, 1.0);
			if (verdict.why[0] != '\0')
				_exit(1);
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status != 0, "nothing was noticed");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kill_adopt");
	TCase *t = tcase_create("torn rule");
	SRunner *sr;
	int failed;

	signal(SIGCHLD, SIG_DFL);	/* inherited it may be ignored */
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t,
	    a_kill_at_a_random_moment_costs_one_connection_at_most, 0, 2);
	tcase_add_loop_test(t,
	    a_kill_at_any_instruction_costs_one_connection_at_most, 0, 2);
	tcase_add_test(t, believing_the_record_in_hands_is_noticed);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
