/*
 * stats: counters of all slots or of one, with rates when they are watched.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "view.h"

/* What the primary counts of a port that it dispatches. */
static const struct {
	const char *name, *help;
	size_t at;
} spread[VIEW_SPREAD] = {
	{ "rx_frames", "frames that the primary received",
	    offsetof(struct board_spread, rx_frames) },
	{ "tx_frames", "frames that it sent",
	    offsetof(struct board_spread, tx_frames) },
	{ "drop_ring_full", "dropped: a slot does not take its frames",
	    offsetof(struct board_spread, drop_ring_full) },
	{ "drop_no_slot", "dropped: no slot serves",
	    offsetof(struct board_spread, drop_no_slot) },
	{ "drop_no_buffer", "not sent: no buffer is free",
	    offsetof(struct board_spread, drop_no_buffer) },
	{ "drop_bad", "dropped: too long, or no frame",
	    offsetof(struct board_spread, drop_bad) },
};

/* Port i if it is dispatched and what it counts is to be shown, or NULL: it
 * is no slot's. */
static const struct board_port *
shown_port(const struct view *v, uint32_t i)
{
	const struct board *b = v->in.board;

	return v->rq->slot == BOARD_NONE && i < b->head.nports &&
	    i < BOARD_PORTS && b->port[i].lane == LANE_DISPATCH ?
	    &b->port[i] : NULL;
}

static int
is_gauge(enum counter c)
{
	return strncmp(counter_names[c], "gauge_", 6) == 0;
}

static void
take(const struct view *v, struct view_counts *now)
{
	const struct board *b = v->in.board;
	uint32_t i, c, group;

	memset(now, 0, sizeof(*now));
	now->time_us = board_mono_us();
	for (i = 0; i < BOARD_PORTS; i++)
		for (c = 0; c < VIEW_SPREAD; c++)
			now->spread[i][c] = atomic_load_explicit(
			    (const _Atomic uint64_t *)(const void *)
			    ((const char *)&b->spread[i] + spread[c].at),
			    memory_order_relaxed);
	for (i = 0; i < v->in.nslots; i++) {
		if (v->rq->slot != BOARD_NONE && v->rq->slot != i)
			continue;
		for (c = 0; c < CNT_MAX; c++)
			now->c[c] += inst_counter(&v->in, i, c);
		group = b->slot[i].fixed.group;
		for (c = 0; c < SVC_COUNTERS && group < BOARD_GROUPS; c++)
			now->svc[group][c] += atomic_load_explicit(
			    &b->slot[i].worker.svc[c], memory_order_relaxed);
	}
}

static void
print_row(const struct view *v, const char *name, uint64_t n, int64_t diff,
    const char *help, FILE *out)
{
	double s;

	if (v->last.time_us == 0) {
		fprintf(out, "  %-22s %20" PRIu64 "  %.53s\n", name, n, help);
		return;
	}
	s = (double)(board_mono_us() - v->last.time_us) / 1e6;
	fprintf(out, "  %-22s %20" PRIu64 " %12.0f/s  %.38s\n", name, n,
	    (double)diff / s, help);
}

/* Rows of one kind that have counted. */
static void
print_kind(const struct view *v, const struct view_counts *now,
    const char *title, int want_drop, int want_gauge, FILE *out)
{
	const char *name;
	uint32_t c;
	int any = 0;

	for (c = 0; c < CNT_MAX; c++) {
		if (view_is_drop(c) != want_drop || is_gauge(c) != want_gauge ||
		    (now->c[c] == 0 && !want_gauge))
			continue;
		if (!any)
			fprintf(out, "%s\n", title);
		any = 1;
		name = counter_names[c];
		if (want_drop || want_gauge)
			name = strchr(name, '_') + 1;
		print_row(v, name, now->c[c], is_gauge(c) ? 0 :
		    (int64_t)(now->c[c] - v->last.c[c]), counter_help[c], out);
	}
	if (want_drop && !any)
		fprintf(out, "%s\n  none\n", title);
}

static uint32_t
ngroups(const struct view *v)
{
	uint32_t n = v->in.board->head.ngroups;

	return n < BOARD_GROUPS ? n : BOARD_GROUPS;
}

/* Whether a slot of this group is among those shown. */
static int
is_shown(const struct view *v, uint32_t group)
{
	return v->rq->slot == BOARD_NONE ||
	    v->in.board->slot[v->rq->slot].fixed.group == group;
}

static void
print_service(const struct view *v, const struct view_counts *now,
    uint32_t group, FILE *out)
{
	const struct board_group *g = &v->in.board->group[group];
	const struct svc_desc *d = inst_service(g->service);
	uint32_t c;

	if (d == NULL || d->counters == NULL)
		return;
	fprintf(out, "%.31s (%.31s)\n", g->name, g->service);
	for (c = 0; c < SVC_COUNTERS && d->counters[c].name != NULL; c++)
		print_row(v, d->counters[c].name, now->svc[group][c],
		    (int64_t)(now->svc[group][c] - v->last.svc[group][c]),
		    d->counters[c].help, out);
}

static void
print_ports(const struct view *v, const struct view_counts *now, FILE *out)
{
	const struct board_port *bp;
	uint32_t i, c;

	for (i = 0; i < BOARD_PORTS; i++) {
		bp = shown_port(v, i);
		if (bp == NULL)
			continue;
		fprintf(out, "port %.31s (dispatched by the primary)\n",
		    bp->name);
		for (c = 0; c < VIEW_SPREAD; c++)
			print_row(v, spread[c].name, now->spread[i][c],
			    (int64_t)(now->spread[i][c] -
			    v->last.spread[i][c]), spread[c].help, out);
	}
}

static json_t *
ports_counters(const struct view *v, const struct view_counts *now)
{
	json_t *o = json_object(), *one;
	const struct board_port *bp;
	uint32_t i, c;

	for (i = 0; i < BOARD_PORTS; i++) {
		bp = shown_port(v, i);
		if (bp == NULL)
			continue;
		one = json_object();
		for (c = 0; c < VIEW_SPREAD; c++)
			json_object_set_new(one, spread[c].name,
			    json_integer((json_int_t)now->spread[i][c]));
		json_object_set_new(o, bp->name, one);
	}
	return o;
}

void
stats_text(struct view *v, FILE *out)
{
	struct view_counts now;
	uint32_t g;

	take(v, &now);
	if (v->rq->slot == BOARD_NONE)
		fprintf(out, "%s: sum of %u slots\n", v->in.name,
		    v->in.nslots);
	else
		fprintf(out, "%s: slot %u\n", v->in.name, v->rq->slot);
	for (g = 0; g < ngroups(v); g++)
		if (is_shown(v, g))
			print_service(v, &now, g, out);
	print_kind(v, &now, "network", 0, 0, out);
	print_kind(v, &now, "levels", 0, 1, out);
	print_kind(v, &now, "dropped, by cause", 1, 0, out);
	print_ports(v, &now, out);
	if (v->rq->watch_ms == 0 && v->in.super_alive &&
	    audit_ask(&v->in) == 0) {
		fputc('\n', out);
		(void)audit_text(&v->in, out);
	}
	v->last = now;
}

json_t *
stats_json(struct view *v)
{
	json_t *o = json_object(), *drops = json_object(), *levels, *svc, *one;
	const struct svc_desc *d;
	struct view_counts now;
	int64_t lost = 0;
	uint32_t c, g;
	json_t *accounts;

	if (v->rq->watch_ms == 0 && v->in.super_alive)
		(void)audit_ask(&v->in);
	accounts = audit_json(&v->in, &lost);
	take(v, &now);
	levels = json_object();
	svc = json_object();
	for (c = 0; c < CNT_MAX; c++)
		json_object_set_new(view_is_drop(c) ? drops : is_gauge(c) ?
		    levels : o, counter_names[c] + (view_is_drop(c) ? 5 :
		    is_gauge(c) ? 6 : 0), json_integer((json_int_t)now.c[c]));
	for (g = 0; g < ngroups(v); g++) {
		d = inst_service(v->in.board->group[g].service);
		if (!is_shown(v, g) || d == NULL || d->counters == NULL)
			continue;
		one = json_object();
		for (c = 0; c < SVC_COUNTERS && d->counters[c].name != NULL;
		    c++)
			json_object_set_new(one, d->counters[c].name,
			    json_integer((json_int_t)now.svc[g][c]));
		json_object_set_new(svc, v->in.board->group[g].name, one);
	}
	return json_pack("{s:s, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
	    "name", v->in.name,
	    "slot", v->rq->slot == BOARD_NONE ? -1 : (int)v->rq->slot,
	    "time_us", (json_int_t)now.time_us,
	    "services", svc, "counters", o, "levels", levels,
	    "drops", drops, "ports", ports_counters(v, &now), "accounts", accounts, "lost", (json_int_t)lost);
}
