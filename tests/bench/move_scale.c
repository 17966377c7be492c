/*
 * move_scale: what a move costs by the number of connections: two stacks in
 * one process, all connections in the first one, half of the buckets go to the
 * second while some connections are active. usage: move_scale [-n CONNECTIONS].
 *
 * Prints JSON. Both stacks share one thread, and times are its CPU time: what
 * two workers on two processors need is less. `frozen_ms`: the longest time
 * that a bucket was with neither of the two; `turn_ms`: the longest part of
 * a turn that went into moves, so what everybody else waited; `wait_ms`: the
 * longest from a segment's arrival to its answer.
 */
#include <stdio.h>
#include <unistd.h>

#include "../../secondary/net/move.h"
#include "../lib/crowd.h"

#define ACTIVE		1000u
#define BUDGET		512u	/* as a worker's turn has it */
#define PATIENCE_US	15000u
#define BURST		32u	/* requests that come in a turn */
#define CHUNK		4096u
#define DATA_MAX	65536u

static struct bed side[2];
static struct net_buckets buckets[2];
static _Atomic uint64_t word[BOARD_BUCKETS];
static _Atomic uint32_t want[BOARD_BUCKETS], reply[2][BOARD_BUCKETS];
static double offered[BOARD_BUCKETS];	/* 0: it is served */
static double frozen, turn_longest[2], waited;
static uint32_t active[ACTIVE];	/* connections */
static double asked[ACTIVE];	/* when; 0: nothing is under way */
static uint32_t next;		/* who asks next */
static uint32_t data;		/* of the first answer */

static bool
takes(void *arg, uint32_t slot)
{
	(void)arg;
	return slot < 2;
}

static uint64_t
now_us(void)
{
	return 1000000000 + (uint64_t)(seconds() * 1e6);
}

/* The first answer is long, and stays in the send queue. */
static void
reply_long(void *arg, struct conn *c, uint32_t events)
{
	static const uint8_t answer[DATA_MAX];
	struct bed *b = arg;
	uint32_t n = conn_readable(c), *told = conn_state(c);

	if ((events & CONN_GONE) || n == 0)
		return;
	conn_consume(b->net, c, n);
	if (conn_write(b->net, c, answer, *told ? BODY : data) == 0)
		errx(1, "no room for %u bytes", data);
	*told = 1;
}

static void
start(uint32_t conns)
{
	uint32_t i, k;

	for (k = 0; k < BOARD_BUCKETS; k++)
		word[k] = BUCKET_WORD(0, BOARD_NONE, BUCKET_OWNED, 0, 0);
	for (i = 0; i < 2; i++) {
		bed_conf(&side[i], conns);
		buckets[i] = (struct net_buckets){ .me = i, .word = word,
		    .reply = reply[i], .want = want,
		    .patience_us = PATIENCE_US, .takes = takes };
		side[i].env.buckets = &buckets[i];
		side[i].env.event = reply_long;
		side[i].conf.shape.chunk_size = CHUNK;
		side[i].conf.shape.chunks += conns * (data / CHUNK + 1) *
		    (data > BODY);
		bed_start(&side[i]);
	}
	for (i = 0; i < 2; i++)
		for (k = 0; k < 2; k++)
			buckets[i].peer[k] = (struct move_peer){
			    .reply = reply[k], .arena = side[k].arena,
			    .size = side[k].bytes };
}

/* Both peers' tables are one: whoever sends last knows. */
static void
share_tables(void)
{
	free(side[1].irs);
	free(side[1].sent);
	side[1].irs = side[0].irs;
	side[1].sent = side[0].sent;
}

/* Part of a turn: moves. */
static uint32_t
step(uint32_t i)
{
	const uint8_t *state = net_move_states(side[0].net);
	const uint8_t *there = net_move_states(side[1].net);
	double t = seconds(), end;
	uint32_t left, k;

	side[i].now = now_us();
	left = net_move(side[i].net, side[i].now, BUDGET);
	end = seconds();
	if (end - t > turn_longest[i])
		turn_longest[i] = end - t;
	for (k = 0; k < BOARD_BUCKETS; k++) {
		if (offered[k] == 0 && state[k] == MOVE_OFFERED)
			offered[k] = t;
		if (offered[k] == 0 || (there[k] != MOVE_OURS &&
		    state[k] != MOVE_OURS))
			continue;
		if (end - offered[k] > frozen)
			frozen = end - offered[k];
		offered[k] = 0;
	}
	return left;
}

/* These ask this side, which answers. */
static void
answer(uint32_t i, const uint32_t *who, uint32_t n)
{
	struct pkt *in[BURST];
	uint32_t k, before = side[i].answers;
	double end;

	for (k = 0; k < n; k++)
		in[k] = segment(&side[i], active[who[k]], 0x18, BODY);
	side[i].now = now_us();
	turn(&side[i], in, n);
	if (side[i].answers - before < n)
		errx(1, "%u answers, want %u", side[i].answers - before, n);
	end = seconds();
	for (k = 0; k < n; k++) {
		if (end - asked[who[k]] > waited)
			waited = end - asked[who[k]];
		asked[who[k]] = 0;
	}
}

/* A turn of this side: those who waited for it, and BURST more who ask now. */
static void
serve(uint32_t i)
{
	const uint8_t *state = net_move_states(side[i].net);
	uint32_t who[BURST], n = 0, k;

	for (k = 0; k < BURST; k++, next = (next + 1) % ACTIVE)
		if (asked[next] == 0)
			asked[next] = seconds();
	for (k = 0; k < ACTIVE; k++) {
		if (asked[k] == 0 ||
		    state[mix(active[k]) % BOARD_BUCKETS] != MOVE_OURS)
			continue;
		who[n++] = k;
		if (n == BURST) {
			answer(i, who, n);
			n = 0;
		}
	}
	if (n > 0)
		answer(i, who, n);
}

static uint32_t
owned(uint32_t i)
{
	uint32_t k, n = 0;

	for (k = 0; k < BOARD_BUCKETS; k++)
		n += BUCKET_OWNER(word[k]) == i;
	return n;
}

/* Move half of the buckets; returns the seconds that it took. */
static double
move_half(uint32_t to)
{
	double t = seconds();
	uint32_t k, left;

	for (k = to == 1 ? 1 : 0; k < BOARD_BUCKETS; k += to == 1 ? 2 : 1)
		want[k] = to;
	do {
		left = step(0);
		serve(0);
		left += step(1);
		serve(1);
	} while (left > 0 || owned(1) != (to == 1 ? BOARD_BUCKETS / 2 : 0));
	return seconds() - t;
}

static void
report(uint32_t n, double took)
{
	uint64_t moved = side[1].counters[CNT_conn_arrived];

	printf("{\"conns\": %u, \"data\": %u, \"moved\": %llu, "
	    "\"took_ms\": %.1f, \"ns_each\": %.0f, \"frozen_ms\": %.2f, "
	    "\"wait_ms\": %.2f, \"giver_turn_ms\": %.2f, "
	    "\"receiver_turn_ms\": %.2f, \"withdrawn\": %llu}\n", n, data,
	    (unsigned long long)moved, took * 1e3, took * 1e9 / (double)moved,
	    frozen * 1e3, waited * 1e3, turn_longest[0] * 1e3,
	    turn_longest[1] * 1e3, (unsigned long long)
	    side[0].counters[CNT_move_withdrawn]);
}

static uint32_t
options(int argc, char **argv)
{
	uint32_t n = 1000000;
	int c;

	data = BODY;
	while ((c = getopt(argc, argv, "n:d:")) != -1)
		switch (c) {
		case 'n':
			n = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			data = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			errx(2, "usage: move_scale [-n CONNECTIONS] "
			    "[-d BYTES]");
		}
	if (n < ACTIVE || data < 1 || data > DATA_MAX)
		errx(2, "at least %u connections, 1 to %u bytes", ACTIVE,
		    DATA_MAX);
	return n;
}

int
main(int argc, char **argv)
{
	uint32_t n = options(argc, argv), i;
	double took;

	start(n);
	share_tables();
	open_some(&side[0], 0, n);
	if (data > BODY)
		burst(&side[0], 0, 1, n, 0x18, BODY);
	for (i = 0; i < ACTIVE; i++)
		active[i] = (uint32_t)((uint64_t)i * n / ACTIVE);
	for (i = 0; i < 100; i++)
		serve(0);
	waited = 0;
	took = move_half(1);
	report(n, took);
	side[1].irs = side[1].sent = NULL;
	bed_fini(&side[0]);
	bed_fini(&side[1]);
	return 0;
}
