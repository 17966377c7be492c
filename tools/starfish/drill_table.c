/*
 * drill_table: what came of a drill.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "drill.h"

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The value that a share of n sorted ones does not exceed, in ms. */
static double
share(const uint64_t *v, uint32_t n, double p)
{
	uint32_t i = n > 0 ? (uint32_t)(p * (n - 1) + 0.999999) : 0;

	return n > 0 ? (double)v[i] / 1000 : 0;
}

/* Sorted silences of one kind. */
static uint32_t
sorted(const struct drill *d, uint32_t kind, uint64_t *v)
{
	uint32_t i, n = d->r.done[kind];

	for (i = 0; i < n; i++)
		v[i] = d->r.silence_us[kind][i];
	qsort(v, n, sizeof(*v), by_size);
	return n;
}

static uint64_t
lost_total(const struct drill *d)
{
	uint64_t n = d->r.wire_lost;
	uint32_t i;

	for (i = 0; i < LOSSES; i++)
		n += d->r.lost[i];
	return n;
}

int
table_passed(const struct drill *d)
{
	/* a kill and a hang may each cost the one connection in hand */
	return d->r.failed == 0 && d->r.buffers_lost == 0 &&
	    lost_total(d) <= (uint64_t)d->r.done[DRILL_KILL] +
	    d->r.done[DRILL_HANG];
}

void
table_text(const struct drill *d)
{
	static uint64_t v[DRILL_EVENTS];
	uint32_t k, i, n;

	printf("%-18s %6s %6s %10s %10s %10s\n", "event", "done", "lost",
	    "p50 ms", "p99 ms", "max ms");
	for (k = 0; k < DRILL_KINDS; k++) {
		if (d->o.count[k] == 0)
			continue;
		n = sorted(d, k, v);
		printf("%-18s %6u %6" PRIu64 " %10.1f %10.1f %10.1f\n",
		    drill_kind_names[k], n, d->r.lost_by[k],
		    share(v, n, 0.5), share(v, n, 0.99), share(v, n, 1));
	}
	printf("\nconnections lost   %" PRIu64 "  (", lost_total(d));
	for (i = 0; i < LOSSES; i++)
		printf("%s %" PRIu64 ", ", drill_loss_names[i], d->r.lost[i]);
	printf("over the wire %" PRIu64 ")\n", d->r.wire_lost);
	printf("buffers lost       %" PRIu64 "\n", d->r.buffers_lost);
	printf("found in hand      %u of %u kills and hangs\n", d->r.hands,
	    d->r.done[DRILL_KILL] + d->r.done[DRILL_HANG]);
	printf("active at a kill   %u connections of the victim at least\n",
	    d->r.least_active);
	printf("verified           %" PRIu64 " bytes in %" PRIu64
	    " answers; %" PRIu64 " more over the wire\n", d->r.bytes,
	    d->r.requests, d->r.wire_requests);
	printf("seed               %" PRIu64 ", %" PRIu64 " s\n", d->o.seed,
	    d->r.seconds);
	printf("%s\n", table_passed(d) ? "passed" : "FAILED");
}

static json_t *
silence(const uint64_t *v, uint32_t n)
{
	return json_pack("{s:f, s:f, s:f}", "p50", share(v, n, 0.5), "p99",
	    share(v, n, 0.99), "max", share(v, n, 1));
}

void
table_json(const struct drill *d)
{
	static uint64_t v[DRILL_EVENTS];
	json_t *o, *events = json_object(), *lost = json_object();
	uint32_t i, k, n;

	for (k = 0; k < DRILL_KINDS; k++) {
		n = sorted(d, k, v);
		json_object_set_new(events, drill_kind_names[k], json_pack(
		    "{s:i, s:I, s:o}", "done", (int)n, "lost",
		    (json_int_t)d->r.lost_by[k], "silence_ms",
		    silence(v, n)));
	}
	for (i = 0; i < LOSSES; i++)
		json_object_set_new(lost, drill_loss_names[i],
		    json_integer((json_int_t)d->r.lost[i]));
	json_object_set_new(lost, "wire",
	    json_integer((json_int_t)d->r.wire_lost));
	n = sorted(d, DRILL_KILL, v);
	o = json_pack("{s:i, s:I, s:I, s:o, s:I, s:I, s:i, s:i, s:o, s:o,"
	    " s:I, s:I, s:b}",
	    "kills", (int)d->r.done[DRILL_KILL],
	    "connections_lost", (json_int_t)lost_total(d),
	    "buffers_lost", (json_int_t)d->r.buffers_lost,
	    "silence_ms", silence(v, n),
	    "bytes_verified", (json_int_t)d->r.bytes,
	    "requests", (json_int_t)d->r.requests,
	    "found_in_hand", (int)d->r.hands,
	    "least_active", (int)d->r.least_active,
	    "lost", lost, "events", events,
	    "seed", (json_int_t)d->o.seed,
	    "seconds", (json_int_t)d->r.seconds,
	    "passed", table_passed(d));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}
