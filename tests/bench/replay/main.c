/*
 * replay: the pure stack and its http service, fed from memory.
 *
 * A client of its own (client.c), which knows just enough TCP, makes frames;
 * the stack under test takes them in turns, as a worker would, and the client
 * reads what comes out. There is no device, no clock and no kernel, so the
 * same arguments give the same instructions, to the last one. What is counted
 * is measured_turn() and below, so the server's side only: run it as
 *
 *	valgrind --tool=callgrind --toggle-collect=measured_turn replay ...
 *
 *	replay -r ROOT -o IMAGE
 *	replay -i IMAGE -u PATH [-c CONNS] [-n REQUESTS] [-P DEPTH] [-1] [-s]
 *	    [-t|-m]
 *
 * -o  only make a file cache's image of ROOT (valgrind lacks a system call
 *     that this takes)
 * -P  requests in one segment, answered before the next are sent
 * -1  one request per connection
 * -s  the stack without the service: 64 bytes answer 64 bytes
 * -t  say how fast it went (natively)
 * -m  say what an idle connection takes in memory
 *
 * The first eighth of the requests warms up and is not counted. Prints one
 * JSON object.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"

struct bench b;

static inline __attribute__((always_inline)) void
turn(void)
{
	net_input(b.net, b.in, b.nin, b.now);
	net_advance(b.net, b.now, 256);
	net_events(b.net, b.now, 256);
	if (!b.stack && b.svc.service->tick != NULL)
		b.svc.service->tick(&b.svc, b.now);
	net_output(b.net, b.now);
	/* the lane has sent what the last turn made */
	net_tx_done(b.net, b.sent);
}

void	measured_turn(void);
void	warming_turn(void);

/* The function that callgrind counts. */
__attribute__((noinline)) void
measured_turn(void)
{
	turn();
}

__attribute__((noinline)) void
warming_turn(void)
{
	turn();
	__asm__ volatile("");	/* unlike measured_turn: not folded with it */
}

/* What came out goes to the client, and its frames come back. */
static void
drain(void)
{
	struct pktq *q = net_out(b.net);
	uint32_t i;

	b.nin = 0;
	for (i = 0; i < q->n; i++) {
		client_input(q->p[i]);
		b.sent = q->p[i]->mark;
		pktpool_put(&b.pool, q->p[i]);
	}
	q->n = 0;
}

/* Turns until so many requests are done. Returns the turns. */
static uint64_t
run_until(uint64_t requests, void (*one_turn)(void))
{
	uint64_t turns = 0, last = b.done, quiet = 0;

	while (b.done < requests) {
		client_send();
		b.now += 10;
		one_turn();
		drain();
		turns++;
		quiet = b.done == last ? quiet + 1 : 0;
		last = b.done;
		if (quiet > 1000000)
			errx(1, "stuck after %lu of %lu requests", b.done,
			    requests);
	}
	return turns;
}

/* Memory of a connection that has done its work and waits. */
static void
say_memory(void)
{
	struct arena_shape s = b.conf.shape;
	size_t one = arena_size(&s);
	uint64_t held;
	uint32_t i;

	b.quiet = true;
	for (i = 0; i < 1000; i++) {	/* until everything is acknowledged */
		client_send();
		b.now += 1000;
		turn();
		drain();
	}
	held = b.counters[CNT_gauge_chunks_held] * s.chunk_size;
	s.conns *= 2;
	printf("{\"conn_bytes\": %.1f, \"held_bytes\": %lu, \"conns\": %u}\n",
	    (double)(arena_size(&s) - one) / b.conf.shape.conns, held,
	    b.conns);
}

static void
parse(int argc, char **argv, bool *timed, bool *memory)
{
	int c;

	while ((c = getopt(argc, argv, "r:o:i:u:c:n:P:1stm")) != -1) {
		switch (c) {
		case 'r': b.root = optarg; break;
		case 'o': case 'i': b.image = optarg; break;
		case 'u': b.path = optarg; break;
		case 'c': b.conns = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'n': b.requests = strtoull(optarg, NULL, 10); break;
		case 'P': b.depth = (uint32_t)strtoul(optarg, NULL, 10); break;
		case '1': b.one = true; break;
		case 's': b.stack = true; break;
		case 't': *timed = true; break;
		case 'm': *memory = true; break;
		default: exit(2);
		}
	}
	if (b.image == NULL || (b.root == NULL) == (b.path == NULL) ||
	    optind != argc ||
	    b.conns == 0 || b.conns > CONNS_MAX / 2 || b.depth == 0 ||
	    b.depth > DEPTH_MAX || (b.one && b.depth > 1))
		errx(2, "usage: replay -r root -o image, or replay -i image "
		    "-u path [-c conns] [-n requests] [-P depth] [-1] [-s] "
		    "[-t|-m]");
}

int
main(int argc, char **argv)
{
	bool timed = false, memory = false;
	struct timespec t0, t1;
	uint64_t from, turns;
	double secs;

	b.conns = 64;
	b.depth = 1;
	b.requests = 20000;
	parse(argc, argv, &timed, &memory);
	if (b.root != NULL) {
		host_image();
		return 0;
	}
	host_start();
	client_start();
	run_until(b.requests / 8 + b.conns, warming_turn);
	if (memory) {
		say_memory();
		return 0;
	}
	from = b.done;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	turns = run_until(from + b.requests, measured_turn);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	secs = (double)(t1.tv_sec - t0.tv_sec) +
	    (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	printf("{\"requests\": %lu, \"turns\": %lu, \"closed\": %lu, "
	    "\"answer_bytes\": %lu, \"rate\": %.0f}\n", b.done - from, turns,
	    b.closed, b.anslen, timed ? (double)(b.done - from) / secs : 0);
	return 0;
}
