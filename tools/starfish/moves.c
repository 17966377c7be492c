/*
 * moves: add, drain, remove, rebalance: asked of the supervisor, then watched
 * on the board until it is done.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "../../common/ctl.h"
#include "inst.h"
#include "verbs.h"

#define LOOK_MS		10
#define ADD_MS		60000u	/* an added worker starts within this time */
#define DRAIN_MS	30000u	/* the supervisor's own patience */
#define MOVE_MS		30000u
#define LATE_MS		5000u

struct watch {
	const struct board *board;
	uint64_t since_us;
	uint32_t slot;		/* drain */
	uint32_t serving;	/* add: slots that are to serve in all */
};

static uint32_t
state_of(const struct board *b, uint32_t slot)
{
	return atomic_load_explicit(&b->slot[slot].super.state,
	    memory_order_acquire);
}

static uint32_t
serving(const struct board *b)
{
	uint32_t i, n = 0;

	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++)
		n += state_of(b, i) == SLOT_SERVING;
	return n;
}

/* Buckets that are not yet where they are wanted. */
static uint32_t
under_way(const struct board *b)
{
	uint32_t g, k, n = 0;
	uint64_t w;

	for (g = 0; g < b->head.ngroups && g < BOARD_GROUPS; g++)
		for (k = 0; k < BOARD_BUCKETS; k++) {
			w = atomic_load_explicit(&b->bucket[g][k],
			    memory_order_acquire);
			n += BUCKET_PHASE(w) != BUCKET_OWNED ||
			    BUCKET_OWNER(w) != atomic_load_explicit(
			    &b->want[g][k], memory_order_relaxed);
		}
	return n;
}

/* Whether somebody still starts, or has just started without a share. */
static int
is_starting(const struct board *b)
{
	uint32_t i, k, g, s;

	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		s = state_of(b, i);
		g = b->slot[i].fixed.group;
		if (s == SLOT_STARTING || s == SLOT_READY)
			return 1;
		if (s != SLOT_SERVING || g >= BOARD_GROUPS)
			continue;
		for (k = 0; k < BOARD_BUCKETS; k++)
			if (atomic_load_explicit(&b->want[g][k],
			    memory_order_relaxed) == i)
				break;
		if (k == BOARD_BUCKETS)
			return 1;
	}
	return 0;
}

static int
all_added(const struct watch *w)
{
	/* one that was asked for may still wait for its turn to start */
	return serving(w->board) >= w->serving && !is_starting(w->board) &&
	    under_way(w->board) == 0;
}

static int
all_moved(const struct watch *w)
{
	return under_way(w->board) == 0;
}

static int
has_left(const struct watch *w)
{
	return state_of(w->board, w->slot) == SLOT_EMPTY;
}

/* Look until it is done. 0, or 1 when it takes too long. */
static int
watch(struct watch *w, const char *name, uint32_t patience_ms,
    int (*done)(const struct watch *w))
{
	struct board *b;

	if (board_open(&b, name, 0, 0) < 0) {
		fprintf(stderr, "starfish: the board of %s cannot be read\n",
		    name);
		return 1;
	}
	w->board = b;
	/* the supervisor takes up a request in its next turn */
	do {
		poll(NULL, 0, LOOK_MS);
		if (board_mono_us() - w->since_us >
		    (uint64_t)patience_ms * 1000) {
			fprintf(stderr, "starfish: not done within %u s: %u "
			    "buckets are under way; starfish buckets shows "
			    "them\n", patience_ms / 1000, under_way(b));
			board_close(b);
			return 1;
		}
	} while (!done(w));
	printf("done after %.1f ms\n",
	    (double)(board_mono_us() - w->since_us) / 1000);
	board_close(b);
	return 0;
}

int
verb_add(const struct request *rq)
{
	struct watch w = { .since_us = board_mono_us() };
	char name[BOARD_NAME], line[CTL_LINE], cpu[16] = "-", err[256];
	struct board *b;
	int status;

	if (rq->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%d", (int)rq->cpu);
	snprintf(line, sizeof(line), "add %.100s %u %s", rq->group, rq->count,
	    cpu);
	if (inst_choose(name, rq->name, err, sizeof(err)) == 0 &&
	    board_open(&b, name, 0, 0) == 0) {
		w.serving = serving(b) + rq->count;
		board_close(b);
	}
	status = verb_ask(rq, line, name);
	return status != 0 ? status : watch(&w, name, ADD_MS, all_added);
}

int
verb_drain(const struct request *rq)
{
	struct watch w = { .since_us = board_mono_us(), .slot = rq->slot };
	uint32_t ms = rq->timeout_ms > 0 ? rq->timeout_ms : DRAIN_MS;
	char name[BOARD_NAME], line[CTL_LINE];
	int status;

	snprintf(line, sizeof(line), "%s %u %u", words_name(rq->verb),
	    rq->slot, rq->timeout_ms);
	status = verb_ask(rq, line, name);
	return status != 0 ? status : watch(&w, name, ms + LATE_MS, has_left);
}

int
verb_rebalance(const struct request *rq)
{
	struct watch w = { .since_us = board_mono_us() };
	char name[BOARD_NAME];
	int status;

	status = verb_ask(rq, "rebalance", name);
	return status != 0 ? status : watch(&w, name, MOVE_MS, all_moved);
}
