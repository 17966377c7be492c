/*
 * world: one seed from beginning to end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define START		(1000ull * SEC)	/* the beginning of the world */
#define QUIET_LIMIT	(2000ull * SEC)	/* for what follows the last stream */

uint64_t world_watch;

void
sim_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	longjmp(w->fail, 1);
}

static void
world_init(struct world *w, uint64_t seed, const struct scenario *sc,
    bool tracing)
{
	struct trace_line *trace = w->trace;
	uint32_t i;

	/* Kept until here: the trace counts from the flows' first numbers. */
	free(w->flow);
	memset(w, 0, sizeof(*w));
	w->trace = trace;
	w->seed = seed;
	w->scenario = sc;
	w->tracing = tracing;
	w->now = w->next_start = START;
	rng_seed(&w->rng, seed, 1);
	rng_seed(&w->net_rng, seed, 2);
	rng_seed(&w->app_rng, seed, 3);
	rng_seed(&w->host_rng, seed, 4);
	for (i = 0; i < MON_HASH; i++)
		w->flow_head[i] = MON_NONE;
}

static void
world_fini(struct world *w)
{
	uint32_t i;

	for (i = 0; i < SIM_HOSTS; i++)
		host_fini(&w->host[i]);
	link_fini(w);
	free(w->plan);
	w->plan = NULL;
}

/* Times were drawn from 0 on; the world begins later. */
static void
world_shift(struct world *w)
{
	uint32_t i, j;

	for (i = 0; i < w->nplans; i++)
		w->plan[i].start_us += w->now;
	for (i = 0; i < SIM_NODES; i++) {
		for (j = 0; j < SIM_NODES; j++) {
			w->link[i][j].dark_at += w->now;
			w->link[i][j].dark_until += w->now;
		}
	}
	w->faults_end += w->now;
	if (w->attack_at != SIM_NEVER)
		w->attack_at += w->now;
	w->limit += w->faults_end;
}

static uint64_t
next_time(const struct world *w)
{
	uint64_t t = link_next(w);
	uint32_t i;

	if (w->attack_at < t)
		t = w->attack_at;
	if (w->next_start < t)
		t = w->next_start;
	for (i = 0; i < w->nhosts; i++)
		if (w->host[i].wake < t)
			t = w->host[i].wake;
	return t;
}

static void
start_plans(struct world *w)
{
	struct plan *p;
	uint32_t i;

	if (w->next_start > w->now)
		return;
	w->next_start = SIM_NEVER;
	for (i = 0; i < w->nplans; i++) {
		p = &w->plan[i];
		if (p->start_us <= w->now) {
			app_connect(w, p);
			w->host[p->host[0]].wake = w->now;
		}
		if (p->start_us < w->next_start)
			w->next_start = p->start_us;
	}
}

static void
step(struct world *w)
{
	uint64_t t = next_time(w);
	struct wire *f;
	uint32_t i, first;

	SIM_CHECK(w, t != SIM_NEVER, "nothing will ever happen again");
	SIM_CHECK(w, t >= w->now, "time runs backwards");
	SIM_CHECK(w, t <= w->limit, "not finished in time");
	w->now = t;
	w->steps++;
	while ((f = link_take(w)) != NULL) {
		if (f->to != SIM_OUTSIDE) {
			host_arrive(&w->host[f->to], f);
			continue;
		}
		outside_arrive(w, f);
		link_free(f);
	}
	if (w->attack_at <= w->now)
		outside_attack(w);
	start_plans(w);
	first = rng_below(&w->host_rng, w->nhosts);
	for (i = 0; i < w->nhosts; i++) {
		struct host *h = &w->host[(first + i) % w->nhosts];

		if (h->wake <= w->now)
			host_turn(w, h);
	}
}

/* Whether every plan has ended; then nothing may go wrong any more. */
static bool
all_done(struct world *w)
{
	uint32_t i;

	if (w->quiet)
		return true;
	for (; w->ndone < w->nplans; w->ndone++)
		if (!app_done(&w->plan[w->ndone]))
			return false;
	for (i = 0; i < w->nplans; i++)
		app_judge(w, &w->plan[i]);
	w->kbps = (uint32_t)(w->plan[0].side[1].rcvd * 8000 /
	    (w->now - START));
	SIM_CHECK(w, w->kbps >= w->kbps_min,
	    "%u kbit/s got through, %u were expected", w->kbps, w->kbps_min);
	w->quiet = true;
	w->attack_at = SIM_NEVER;
	if (w->faults_end > w->now)
		w->faults_end = w->now;
	w->limit = w->now + QUIET_LIMIT;
	trace_note(w, "every stream has ended");
	return true;
}

static bool
busy(const struct world *w)
{
	const struct host *h;
	uint32_t i;

	if (w->nheap > 0)
		return true;
	for (i = 0; i < w->nhosts; i++) {
		h = &w->host[i];
		if (h->pool.n + h->nstash < h->nframes || check_busy(h))
			return true;
	}
	return false;
}

/* Why a world that does not end waits. */
static void
unfinished(struct world *w)
{
	const struct plan *p;
	char what[160];
	uint32_t i;

	for (i = 0; i < w->nplans && app_done(&w->plan[i]); i++)
		continue;
	if (i == w->nplans)
		return;
	p = &w->plan[i];
	snprintf(what, sizeof(what), "; plan %u (kind %u, host %u:%u to %u): "
	    "%llu of %llu, %llu of %llu bytes, phases %d %d, readers %d %d",
	    i, p->kind, p->host[0], p->cport, p->host[1],
	    (unsigned long long)p->side[1].rcvd,
	    (unsigned long long)p->side[0].total,
	    (unsigned long long)p->side[0].rcvd,
	    (unsigned long long)p->side[1].total, p->side[0].phase,
	    p->side[1].phase, p->side[0].reader, p->side[1].reader);
	strncat(w->why, what, sizeof(w->why) - strlen(w->why) - 1);
}

/* Whether the world was to be looked at by now; then it is over. */
static bool
measured(struct world *w)
{
	if (w->measure_us == 0 || w->now < START + w->measure_us)
		return false;
	w->kbps = (uint32_t)(w->plan[0].side[1].rcvd * 8000 / w->measure_us);
	world_fini(w);
	return true;
}

int
world_run(struct world *w, uint64_t seed, const struct scenario *sc,
    bool tracing)
{
	volatile uint32_t i;

	world_init(w, seed, sc, tracing);
	if (setjmp(w->fail) != 0) {
		unfinished(w);
		for (i = 0; tracing && i < w->nhosts; i++)
			check_dump(&w->host[i]);
		world_fini(w);
		return -1;
	}
	w->watch_us = world_watch;
	gen_world(w);
	w->limit = 1000ull * SEC;
	w->work_max = 4000000;
	if (sc != NULL && sc->shape != NULL)
		sc->shape(w);
	world_shift(w);
	for (i = 0; i < w->nhosts; i++)
		host_init(w, &w->host[i]);
	while (!all_done(w) || busy(w)) {
		if (measured(w))
			return 0;
		if (w->watch_us != 0 && w->now >= w->watch_at) {
			check_watch(w, &w->host[0]);
			w->watch_at = w->now + w->watch_us;
		}
		step(w);
		SIM_CHECK(w, w->frames_sent + w->steps < w->work_max,
		    "%llu frames and %llu steps lead nowhere",
		    (unsigned long long)w->frames_sent,
		    (unsigned long long)w->steps);
	}
	for (i = 0; i < w->nhosts; i++)
		check_empty(w, &w->host[i]);
	world_fini(w);
	return 0;
}
