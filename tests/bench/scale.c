/*
 * scale: what many connections cost one stack, in one process without a lane:
 * memory of an idle one, a turn of a hundred active ones among few and among
 * many, tuples that somebody chose, opening and closing as their number grows.
 * usage: scale [-n CONNECTIONS]. Prints JSON; times are the least of several
 * rounds, so that a busy machine shows little.
 */
#include <stdio.h>

#include "../lib/crowd.h"

#define ACTIVE		100u
#define ROUNDS		7u
#define PARTS		10u	/* in which opening and closing are timed */

/* Seconds that each part of all took, a part of connections at a time. */
static void
in_parts(struct bed *b, void (*work)(struct bed *, uint32_t, uint32_t),
    double *took)
{
	uint32_t k, n = b->conns / PARTS;
	double t;

	for (k = 0; k < PARTS; k++) {
		t = seconds();
		work(b, k * n, k + 1 < PARTS ? n : b->conns - k * n);
		took[k] = seconds() - t;
	}
}

/* What opening left in the timer wheel comes and goes. */
static void
settle(struct bed *b)
{
	uint32_t i;

	for (i = 0; i < 5000; i++) {
		b->now += 1000 - 20;
		turn(b, NULL, 0);
	}
}

/* A request of each of the active ones. */
static void
all_ask(struct bed *b, const uint32_t *active)
{
	struct pkt *in[32];
	uint32_t i, k = 0;

	for (i = 0; i < ACTIVE; i++) {
		in[k++] = segment(b, active[i], 0x18, BODY);
		if (k < 32 && i + 1 < ACTIVE)
			continue;
		turn(b, in, k);
		k = 0;
	}
}

/*
 * ns of a request and its answer, a hundred active ones spread over all: one
 * of each hundredth, somewhere in it. At equal distances their records would
 * share a few sets of the caches.
 */
static double
active_ns(struct bed *b)
{
	uint32_t r, i, step = b->conns / ACTIVE, before, active[ACTIVE];
	double t, best = 1e9;

	for (i = 0; i < ACTIVE; i++)
		active[i] = i * step + mix(i) % step;
	for (r = 0; r < ROUNDS; r++) {
		before = b->answers;
		t = seconds();
		for (i = 0; i < 1000; i++)
			all_ask(b, active);
		t = seconds() - t;
		if (b->answers - before != 1000 * ACTIVE)
			errx(1, "%u answers", b->answers - before);
		best = t < best ? t : best;
	}
	return best * 1e9 / 1000 / ACTIVE;
}

/* ns of a request and its answer, each of all connections once. */
static double
sweep_ns(struct bed *b)
{
	double t, best = 1e9;
	uint32_t r;

	for (r = 0; r < 3; r++) {
		t = seconds();
		burst(b, 0, 7919, b->conns, 0x18, BODY);
		t = seconds() - t;
		best = t < best ? t : best;
	}
	return best * 1e9 / b->conns;
}

static double
least(const double *v, uint32_t from, uint32_t to)
{
	double m = v[from];

	for (; from < to; from++)
		m = v[from] < m ? v[from] : m;
	return m;
}

static void
check_open(const struct bed *b)
{
	if (b->counters[CNT_tcp_opened_passive] != b->conns)
		errx(1, "%llu of %u connections are open", (unsigned long long)
		    b->counters[CNT_tcp_opened_passive], b->conns);
}

/* What 100,000 connections cost whose tuples were chosen, over random ones. */
static double
chosen_ratio(void)
{
	double ns[2], open[PARTS];
	struct bed b;
	int i;

	for (i = 0; i < 2; i++) {
		bed_conf(&b, 100000);
		b.chosen = i == 1;
		bed_start(&b);
		in_parts(&b, open_some, open);
		check_open(&b);
		ns[i] = sweep_ns(&b) + least(open, 0, PARTS) * 1e9 /
		    (b.conns / PARTS);
		in_parts(&b, close_some, open);
		ns[i] += least(open, 0, PARTS) * 1e9 / (b.conns / PARTS);
		bed_fini(&b);
	}
	return ns[1] / ns[0];
}

int
main(int argc, char **argv)
{
	uint32_t n = 1000000;
	double few, many, open[PARTS], close[PARTS];
	struct bed b;

	if (argc == 3 && strcmp(argv[1], "-n") == 0)
		n = (uint32_t)strtoul(argv[2], NULL, 10);
	else if (argc != 1)
		errx(2, "usage: scale [-n CONNECTIONS]");
	if (n < 1000)
		errx(2, "at least 1000 connections");
	bed_conf(&b, 1000);
	bed_start(&b);
	in_parts(&b, open_some, open);
	settle(&b);
	few = active_ns(&b);
	bed_fini(&b);
	bed_conf(&b, n);
	bed_start(&b);
	in_parts(&b, open_some, open);
	check_open(&b);
	settle(&b);
	many = active_ns(&b);
	in_parts(&b, close_some, close);
	printf("{\"conns\": %u, \"idle_bytes\": %.1f, \"few_ns\": %.1f, "
	    "\"many_ns\": %.1f, \"turn_ratio\": %.3f, "
	    "\"open_ratio\": %.3f, \"close_ratio\": %.3f, "
	    "\"open_per_s\": %.0f, \"close_per_s\": %.0f, "
	    "\"chosen_ratio\": %.3f}\n", n, (double)b.bytes / n, few, many,
	    many / few,
	    least(open, PARTS / 2, PARTS) / least(open, 0, PARTS / 2),
	    least(close, 0, PARTS / 2) / least(close, PARTS / 2, PARTS),
	    n / PARTS / least(open, 0, PARTS),
	    n / PARTS / least(close, 0, PARTS), chosen_ratio());
	bed_fini(&b);
	return 0;
}
