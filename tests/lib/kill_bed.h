/*
 * kill_bed: what tests have in common that kill a server process at chosen
 * instructions and let another one take its place.
 *
 * Clients run in the test's own process, on the same stack, in virtual time.
 * The service sends back what it reads, changed by a position that it counts
 * in its state, so whatever is lost, repeated or half done shows in the bytes.
 */
#ifndef TESTS_KILL_BED_H
#define TESTS_KILL_BED_H

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "plain.h"

#define CLIENTS		24u
#define SERVER_PORT	7u
#define QUICK		1000u	/* bytes after which the server closes first */

struct client {
	uint64_t target, sent, rcvd;
	uint16_t port;		/* host order; 0: not open */
	bool shut, torn;
	uint64_t torn_at;
};

/* What a run found; the first violation is kept. */
struct verdict {
	uint32_t kills, torn, in_hands, resets, finished, adoptions_cut;
	uint32_t points, judged, played; /* deaths looked at, those that
					    differ, those to the end */
	char why[160];
};

static struct plain client;
static struct client clients[CLIENTS];
static struct verdict verdict;
static uint64_t rnd_state, now_us;

static inline uint32_t
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
static inline uint8_t
sent_byte(uint16_t port, uint64_t pos)
{
	return (uint8_t)(port * 31u + pos * 7u + (pos >> 8) * 13u);
}

/* What the service makes of a byte: its own count must agree. */
static inline uint8_t
answer_byte(uint8_t b, uint64_t count)
{
	return (uint8_t)(b ^ (uint8_t)(count * 11u + (count >> 8)));
}

/* ---- the service ---- */

struct echo_state {
	uint64_t count;
};

static inline void
echo_some(struct net *n, struct conn *c, struct echo_state *st, uint8_t *to,
    uint32_t len)
{
	uint32_t i;

	assert(conn_copy(n, c, 0, to, len) == len);
	for (i = 0; i < len; i++)
		to[i] = answer_byte(to[i], st->count + i);
	conn_commit(n, c, len);
	conn_consume(n, c, len);
	st->count += len;
}

/* env.event; env.arg is the struct plain. */
static inline void
server_event(void *arg, struct conn *c, uint32_t events)
{
	struct net *n = ((struct plain *)arg)->net;
	struct echo_state *st = conn_state(c);
	struct net_addr peer;
	uint32_t have, len;
	uint8_t *to;

	if (events & CONN_GONE)
		return;
	while ((have = conn_readable(c)) > 0) {
		len = have;
		to = conn_reserve(n, c, 1, &len);
		if (to == NULL) {
			conn_want_room(n, c, 1);
			return;
		}
		echo_some(n, c, st, to, len < have ? len : have);
	}
	conn_remote(c, &peer);
	if (conn_eof(c) || (peer.port & 1 && st->count == QUICK))
		conn_close(n, c);
}

/* ---- clients ---- */

static inline void
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

static inline void
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
static inline void
client_end(struct client *k)
{
	if (k->rcvd != k->target)
		BAD("port %u: end after %llu of %llu bytes", k->port,
		    (unsigned long long)k->rcvd,
		    (unsigned long long)k->target);
	verdict.finished++;
	k->port = 0;
}

static inline void
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

static inline void
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

static inline void
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

static inline void
clients_open(void)
{
	uint32_t i;

	for (i = 0; i < CLIENTS; i++)
		if (clients[i].port == 0 && rnd(8) == 0)
			client_open(i);
}

static inline uint32_t
clients_left(void)
{
	uint32_t i, open = 0;

	for (i = 0; i < CLIENTS; i++)
		open += clients[i].port != 0;
	return open;
}

/* The record of this tuple's peer is torn: its client may be reset. */
static inline void
client_torn(const struct tuple *t)
{
	uint32_t j, port = __builtin_bswap16(t->rport_be);

	verdict.torn++;
	for (j = 0; j < CLIENTS; j++)
		if (clients[j].port == port) {
			clients[j].torn = true;
			clients[j].torn_at = now_us;
		}
}

/*
 * ---- judging in a copy: what if it died here? A process of its own maps all
 * shared memory privately, so the one that stands still is not disturbed. ----
 */

#define REGIONS		16u

static struct region {
	void *at;
	size_t len;
	int fd;
} region[REGIONS];
static uint32_t nregions;
static char *sentence;		/* of a judge: as verdict.why */

/* Memory in use becomes one that make_private() finds. */
static inline void
share(void *at, size_t len)
{
	struct region *r = &region[nregions++];
	size_t page = (len + 4095) & ~(size_t)4095;

	r->at = at;
	r->len = page;
	r->fd = memfd_create("bed", 0);
	ck_assert_int_ge(r->fd, 0);
	ck_assert_int_eq(ftruncate(r->fd, (off_t)page), 0);
	ck_assert_int_eq(pwrite(r->fd, at, len, 0), (ssize_t)len);
	ck_assert_ptr_eq(mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED |
	    MAP_FIXED, r->fd, 0), at);
}

static inline void
make_private(void)
{
	uint32_t i;

	for (i = 0; i < nregions; i++)
		if (mmap(region[i].at, region[i].len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, region[i].fd, 0) == MAP_FAILED)
			_exit(2);
}

static inline void
share_plain(struct plain *s)
{
	share(s->arena, s->arena_bytes);
	share(s->frames, (size_t)PLAIN_STRIDE * PLAIN_FRAMES);
}

/* True in the judge, which ends by judge_end(); false afterwards. */
static inline bool
judge_fork(void)
{
	int status;
	pid_t pid;

	verdict.played++;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		make_private();
		return true;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		BAD("a judge died, status %x", status);
	else if (WEXITSTATUS(status) != 0)
		BAD("judged: %.140s", sentence);
	return false;
}

static inline _Noreturn void
judge_end(void)
{
	memcpy(sentence, verdict.why, sizeof(verdict.why));
	_exit(verdict.why[0] != '\0');
}

/*
 * A judge that stays: forked where a window of instructions begins, it judges
 * each of them in memory of its own, so that a point costs a copy and not a
 * process. What a death leaves behind is what lies in the memory that was
 * named by judge_watch(); a point at which none of it has changed since the
 * one before is the same death, and needs no other judgement.
 */
#define WATCHED		12u

static struct judge {
	pid_t pid;
	int fd;
	struct {
		uint8_t *at;	/* in a region */
		size_t len;
		uint8_t *last;	/* what it held at the last point */
		uint32_t who;	/* bits of processes that write it */
	} mem[WATCHED];
	uint32_t n;
} judge = { .fd = -1 };

static inline void
judge_watch(void *at, size_t len, uint32_t who)
{
	ck_assert_uint_lt(judge.n, WATCHED);
	judge.mem[judge.n].at = at;
	judge.mem[judge.n].len = len;
	judge.mem[judge.n].who = who;
	judge.mem[judge.n++].last = plain_memory(len);
}

/* Keep what lies in the memory that one of who writes; whether it changed. */
static inline bool
judge_look(uint32_t who)
{
	bool changed = false;
	size_t k, len;
	uint8_t *at, *last;
	uint32_t i;

	for (i = 0; i < judge.n; i++) {
		if ((judge.mem[i].who & who) == 0)
			continue;
		for (k = 0; k < judge.mem[i].len; k += 4096) {
			at = judge.mem[i].at + k;
			last = judge.mem[i].last + k;
			len = judge.mem[i].len - k;
			len = len < 4096 ? len : 4096;
			if (memcmp(last, at, len) == 0)
				continue;
			memcpy(last, at, len);
			changed = true;
		}
	}
	return changed;
}

static inline _Noreturn void
judge_loop(int fd, void (*body)(void))
{
	uint32_t i;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_private();
	while (read(fd, &c, 1) == 1) {
		for (i = 0; i < judge.n; i++)
			memcpy(judge.mem[i].at, judge.mem[i].last,
			    judge.mem[i].len);
		body();
		c = verdict.why[0] != '\0';
		if (c)
			memcpy(sentence, verdict.why, sizeof(verdict.why));
		if (write(fd, &c, 1) != 1)
			break;
	}
	_exit(0);
}

/* A judge for the points to come, whose body adopts what is dead there. */
static inline void
judge_open(void (*body)(void))
{
	int fd[2];

	(void)judge_look(UINT32_MAX);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	judge.pid = fork();
	ck_assert_int_ge(judge.pid, 0);
	if (judge.pid == 0) {
		close(fd[0]);
		judge_loop(fd[1], body);
	}
	close(fd[1]);
	judge.fd = fd[0];
}

/* What if all died here? who: bits of those that ran since the last point;
 * fresh: the first point of a window. Whether it was another death. */
static inline bool
judge_point(uint32_t who, bool fresh)
{
	char c = 0;

	verdict.points++;
	/* before a window anybody may have run */
	if (!judge_look(fresh ? UINT32_MAX : who) && !fresh)
		return false;
	verdict.judged++;
	if (write(judge.fd, &c, 1) != 1 || read(judge.fd, &c, 1) != 1)
		BAD("a judge died");
	else if (c != 0)
		BAD("judged: %.140s", sentence);
	return true;
}

static inline void
judge_close(void)
{
	close(judge.fd);
	waitpid(judge.pid, NULL, 0);
	judge.fd = -1;
}

static inline void
judge_forget(void)
{
	while (judge.n > 0) {
		judge.n--;
		munmap(judge.mem[judge.n].last, judge.mem[judge.n].len);
	}
}

/* Settings that both sides have; id 1 is the client. */
static inline void
bed_conf(struct plain *s, uint8_t id, uint64_t seed)
{
	struct net_conf *c = &s->conf;

	plain_conf(s, id, 2 * CLIENTS);
	c->shape.timewait = 64;
	/* enough for all, and little to copy for each point */
	c->shape.chunks = CLIENTS;
	c->timewait_us = 20000;
	c->seed = seed + id;
	c->rcvbuf = c->rcvbuf_max = 16384;
	c->sndbuf = 8192;
}

static inline void
bed_init(uint64_t seed)
{
	memset(&verdict, 0, sizeof(verdict));
	memset(clients, 0, sizeof(clients));
	rnd_state = seed;
	now_us = 1000000000;
	nregions = 0;
	bed_conf(&client, 1, seed);
	/* With checksums left to the ports the straight paths are taken. */
	if (seed % 2 != 0)
		client.conf.port[0].caps = NET_CAP_RX_CSUM |
		    NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM;
	client.env.event = client_event;
	plain_init(&client, now_us);
	share_plain(&client);
	sentence = plain_memory(sizeof(verdict.why));
}

static inline void
bed_fini(void)
{
	uint32_t i;

	judge_forget();
	for (i = 0; i < nregions; i++)
		close(region[i].fd);
	plain_fini(&client);
	munmap(sentence, sizeof(verdict.why));
}

/* ---- processes ---- */

static inline pid_t
spawn(bool traced, void (*body)(void *arg), void *arg)
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
	body(arg);
	_exit(1);
}

/* Sleep until a shared word is not `old` any more, or somebody wakes us. */
static inline void
word_wait(_Atomic uint32_t *w, uint32_t old)
{
	struct timespec t = { .tv_nsec = 100000000 };

	syscall(SYS_futex, w, FUTEX_WAIT, old, &t, NULL, 0);
}

static inline void
word_wake(_Atomic uint32_t *w)
{
	syscall(SYS_futex, w, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* One instruction of a stopped process. */
static inline bool
step_once(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0 ||
	    waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
		BAD("a stepped server ended by itself");
		return false;
	}
	if (WSTOPSIG(status) != SIGTRAP)
		BAD("a stepped server got signal %d", WSTOPSIG(status));
	return true;
}

static inline double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * A place in a turn at which a window may begin: the process stops itself
 * there, for stepping to it from the start of the turn takes thousands of
 * steps. left: how many of them it still passes; 0: all.
 */
static inline void
mark(_Atomic uint32_t *left)
{
	uint32_t n = atomic_load(left);

	if (n == 0)
		return;
	atomic_store(left, n - 1);
	if (n == 1)
		raise(SIGSTOP);
}

#define HANG		20.0	/* seconds until a child counts as stuck */

/* Let a stopped process go on to its nth mark; false: its turn ends before,
 * when *done is the same as *go. */
static inline bool
go_to_mark(pid_t pid, _Atomic uint32_t *left, uint32_t n,
    const _Atomic uint32_t *go, const _Atomic uint32_t *done)
{
	double until = seconds() + HANG;
	int status;

	atomic_store(left, n);
	ptrace(PTRACE_CONT, pid, 0, 0);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (atomic_load(done) == atomic_load(go)) {
			atomic_store(left, 0);
			kill(pid, SIGSTOP);
			waitpid(pid, &status, 0);
			return false;
		}
		if (seconds() > until) {
			BAD("a server hangs");
			return false;
		}
		sched_yield();
	}
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		BAD("a server ended by itself, status %x", status);
	return true;
}

static inline void
end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL)
		BAD("the server ended by itself, status %x", status);
}

/*
 * Who steps another shares its cpu: a switch is cheaper than waking the other
 * cpu twice for every instruction. Who kills at random does not.
 */
static inline void
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

static inline bool
can_trace(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* How much more than usual is asked for: STARFISH_KILLS=10 makes ten times as
 * many kills in as much more time. */
static inline uint32_t
kill_factor(void)
{
	const char *s = getenv("STARFISH_KILLS");
	long n = s != NULL ? strtol(s, NULL, 10) : 1;

	return n < 1 ? 1 : n > 10000 ? 10000 : (uint32_t)n;
}

/* A seed of its own for each run, or STARFISH_SEED; it is printed. */
static inline uint64_t
run_seed(void)
{
	const char *s = getenv("STARFISH_SEED");
	struct timespec t;

	if (s != NULL)
		return strtoull(s, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint64_t)t.tv_sec << 20 ^ (uint64_t)t.tv_nsec) & 0xffffffff;
}

#endif
