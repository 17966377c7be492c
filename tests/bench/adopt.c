/*
 * adopt: what it takes to go on with many connections that another process
 * left. One process without a lane, memory of large pages as an instance has:
 * the arena is adopted, a thousand connections that were active are asked
 * again and answer, everybody who must hear of it does.
 *
 *	adopt [-n CONNECTIONS]		1,000,000 by default
 *
 * Prints JSON: milliseconds from the begin of the adoption, the median of
 * several rounds, for many connections and for 10,000 ("few"). Two kinds of
 * rounds: "idle", where all but the thousand had been silent for long, and
 * "alive", where each of them was heard of just before. more_ms: what those
 * that are active wait longer among many that are alive.
 */
#include <stdio.h>

#include "../lib/crowd.h"

#define ACTIVE		1000u
#define FEW		10000u
#define ROUNDS		5u
#define BURST		32u
#define LONG_US		60000000u /* what is silent for so long is idle */

enum what {
	ADOPTED,		/* indexes are whole */
	FIRST,			/* a first burst of requests is handled */
	ALL,			/* and those of all that were active */
	QUIET,			/* nothing more is to be sent */
	WHATS
};

static const char *const names[WHATS] = { "adopt", "first", "active",
	"quiet" };

static double
wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
start(struct bed *b, uint32_t n)
{
	bed_conf(b, n);
	bed_start(b);
	open_some(b, 0, n);
}

/* The k-th request of those that are active: it is on the device's queue. */
static struct pkt *
request(struct bed *b, uint32_t k)
{
	return segment(b, (uint32_t)((uint64_t)k * b->conns / ACTIVE), 0x18,
	    BODY);
}

/* One turn of a worker's: a burst, its events, what output there is room
 * for. */
static bool
work(struct bed *b, struct pkt *const *in, uint32_t n)
{
	bool more;

	b->now += 20;
	net_input(b->net, in, n, b->now);
	more = net_turn(b->net, b->now);
	collect(b);
	return more;
}

/* The process that ran b->net is dead, with nothing in hand. */
static void
adopt(struct bed *b)
{
	memset(b->net, 0xdb, net_size());
	if (net_adopt(b->net, &b->conf, &b->env, b->arena, b->bytes,
	    b->now) != 0 || net_listen(b->net, &(struct net_addr){
	    .port = 80 }) != 0)
		errx(1, "the stack refuses");
	net_tx_done(b->net, 1);
	net_replay(b->net, b->now);
}

static void
go_on(struct bed *b, double *ms)
{
	uint32_t k, before = b->answers, n = 0;
	struct pkt *in[BURST];
	double t = wall_ms();
	bool more;

	adopt(b);
	ms[ADOPTED] = wall_ms() - t;
	for (k = 0; k < ACTIVE; k += n) {
		for (n = 0; n < BURST && k + n < ACTIVE; n++)
			in[n] = request(b, k + n);
		(void)work(b, in, n);
		if (k == 0)
			ms[FIRST] = wall_ms() - t;
	}
	do
		more = work(b, in, 0);
	while (more && b->answers - before < ACTIVE);
	ms[ALL] = wall_ms() - t;
	while (work(b, in, 0))
		continue;
	ms[QUIET] = wall_ms() - t;
	if (b->answers - before < ACTIVE)
		errx(1, "%u answers", b->answers - before);
}

static int
compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

/* Everybody asks, and has the answer. */
static void
all_speak(struct bed *b)
{
	uint32_t i, n;

	for (i = 0; i < b->conns; i += n) {
		n = b->conns - i < BURST ? b->conns - i : BURST;
		burst(b, i, 1, n, 0x18, BODY);
		burst(b, i, 1, n, 0x10, 0);
	}
}

/* Rounds of one kind; medians. */
static void
rounds(struct bed *b, bool alive, double *median)
{
	double v[WHATS][ROUNDS], ms[WHATS] = { 0 };
	uint32_t r, w;

	for (r = 0; r < ROUNDS; r++) {
		b->now += LONG_US;
		if (alive)
			all_speak(b);
		burst(b, 0, b->conns / ACTIVE, ACTIVE, 0x18, BODY);
		go_on(b, ms);
		for (w = 0; w < WHATS; w++)
			v[w][r] = ms[w];
	}
	for (w = 0; w < WHATS; w++) {
		qsort(v[w], ROUNDS, sizeof(v[w][0]), compare);
		median[w] = v[w][ROUNDS / 2];
	}
}

/* All figures of n connections; what the last kind took until those that were
 * active had their answers. */
static double
measure(uint32_t n, const char *prefix)
{
	static const char *const kinds[2] = { "idle", "alive" };
	double ms[WHATS];
	struct bed b;
	uint32_t w;
	int i;

	start(&b, n);
	for (i = 0; i < 2; i++) {
		rounds(&b, i == 1, ms);
		for (w = 0; w < WHATS; w++)
			printf("\"%s%s_%s_ms\": %.2f, ", prefix, kinds[i],
			    names[w], ms[w]);
	}
	bed_fini(&b);
	return ms[ALL];
}

int
main(int argc, char **argv)
{
	uint32_t n = 1000000;
	double few, many;

	if (argc == 3 && strcmp(argv[1], "-n") == 0)
		n = (uint32_t)strtoul(argv[2], NULL, 10);
	else if (argc != 1)
		errx(2, "usage: adopt [-n CONNECTIONS]");
	if (n < FEW)
		errx(2, "at least %u connections", FEW);
	printf("{");
	few = measure(FEW, "few_");
	many = measure(n, "");
	printf("\"more_ms\": %.2f, \"conns\": %u}\n", many - few, n);
	return 0;
}
