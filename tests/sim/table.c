/*
 * table: what one stream gets through 100 Mbit/s and 40 ms, by loss and by
 * reordering: the median of nine seeds (more where chance decides), held
 * against what it was when it was measured last. Virtual time, so a number
 * changes only when the stack does. tests/bench/relay.c does to Linux what
 * the links here do to us; the two tables stand side by side in
 * docs/performance.md.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#define RUNS		45u	/* of a cell, at most */
#define SECONDS		10u
#define KBPS		100000u
#define RTT_US		40000u
#define REORDER_US	10000u	/* how much later at most */

static const struct cell {
	const char *name;
	uint32_t loss, reorder;	/* chances in a million, each way */
	uint32_t runs;
	uint32_t golden;	/* kbit/s, the median when it was set */
} cells[] = {
	{ "no loss", 0, 0, 9, 91450 },
	{ "0.1 % loss", 1000, 0, RUNS, 19510 },
	{ "1 % loss", 10000, 0, RUNS, 4490 },
	{ "3 % loss", 30000, 0, RUNS, 2170 },
	{ "5 % reordered", 0, 50000, 9, 89660 },
};

#define CELLS	(sizeof(cells) / sizeof(cells[0]))

struct results {
	_Atomic uint32_t next;
	_Atomic uint32_t kbps[CELLS * RUNS]; /* 0: it failed */
};

void
table_shape(struct world *w)
{
	const struct cell *c = &cells[(w->seed - 1) % CELLS];
	struct link l = { .delay_us = RTT_US / 2, .loss = c->loss,
	    .reorder = c->reorder, .reorder_us = REORDER_US, .kbps = KBPS,
	    .queue = RTT_US / 1000 * (KBPS / 8) };

	uint32_t i;

	scenario_plain(w);
	scenario_links(w, &l);
	/* The window is what the path asks for, not what buffers allow. */
	for (i = 0; i < w->nhosts; i++) {
		w->host[i].nframes = 8192;
		w->host[i].conf.rx_hold_max = 6144;
	}
	scenario_stream(w, 1u << 30);
	w->plan[0].family = 4;
	w->plan[0].kind = PLAN_HALF;
	w->plan[0].side[1].total = 0;
	w->measure_us = SECONDS * SEC;
}

static _Noreturn void
work(struct results *r)
{
	static const struct scenario sc = { .name = "loss",
	    .shape = table_shape };
	struct world *w = calloc(1, sizeof(*w));
	uint32_t i;

	if (w == NULL)
		exit(1);
	w->trace = calloc(TRACE_LINES, sizeof(*w->trace));
	while ((i = atomic_fetch_add(&r->next, 1)) < CELLS * RUNS) {
		if (i / CELLS >= cells[i % CELLS].runs)
			continue;
		if (world_run(w, i + 1, &sc, false) == 0)
			atomic_store(&r->kbps[i], w->kbps);
		else
			printf("sim: seed %u of loss: %s\n", i + 1, w->why);
	}
	fflush(stdout);
	exit(0);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* One row; true: it is within a tenth of what it was, or above. */
static bool
print_cell(struct results *r, uint32_t i)
{
	uint32_t v[RUNS], k, n = cells[i].runs;

	/* Runs of a cell are CELLS seeds apart: see table_shape(). */
	for (k = 0; k < n; k++)
		v[k] = atomic_load(&r->kbps[k * CELLS + i]);
	qsort(v, n, sizeof(v[0]), by_size);
	printf("%-14s %8.2f %8.2f %8.2f   %8.2f%s\n", cells[i].name,
	    v[n / 2] / 1000.0, v[0] / 1000.0, v[n - 1] / 1000.0,
	    cells[i].golden / 1000.0,
	    v[n / 2] * 10 < cells[i].golden * 9 ? "   FELL" : "");
	return v[0] != 0 && v[n / 2] * 10 >= cells[i].golden * 9;
}

int
table_run(uint32_t jobs)
{
	struct results *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t i, bad = 0;

	if (r == MAP_FAILED)
		return 1;
	fflush(stdout);
	for (i = 0; i < jobs; i++)
		if (fork() == 0)
			work(r);
	while (wait(NULL) > 0)
		continue;
	printf("Mbit/s           median    least     most     golden\n");
	for (i = 0; i < CELLS; i++)
		bad += !print_cell(r, i);
	printf("table: %u passed, %u failed\n", (uint32_t)CELLS - bad, bad);
	return bad > 0;
}
