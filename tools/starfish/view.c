/*
 * view: the reading commands: look, show, and again with -w.
 */
#include "view.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

static const struct {
	void	(*text)(struct view *, FILE *);
	json_t	*(*json)(struct view *);
	uint8_t goes_on;	/* -w adds lines and does not start anew */
} views[VERBS] = {
	[VERB_STATUS]	= { status_text, status_json, 0 },
	[VERB_WORKERS]	= { workers_text, workers_json, 0 },
	[VERB_PORTS]	= { ports_text, ports_json, 0 },
	[VERB_BUCKETS]	= { buckets_text, buckets_json, 0 },
	[VERB_CONNS]	= { conns_text, conns_json, 0 },
	[VERB_STATS]	= { stats_text, stats_json, 0 },
	[VERB_EVENTS]	= { events_text, events_json, 1 },
};

void
view_age(uint64_t us, char *buf, size_t len)
{
	unsigned long s = (unsigned long)(us / 1000000);

	if (s < 60)
		snprintf(buf, len, "%lu s", s);
	else if (s < 3600)
		snprintf(buf, len, "%lu min %lu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, len, "%lu h %lu min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, len, "%lu d %lu h", s / 86400, s / 3600 % 24);
}

void
view_short(uint64_t n, char *buf, size_t len)
{
	static const char units[] = " kMGTPE";
	double v = (double)n;
	size_t i = 0;

	if (n < 10000) {
		snprintf(buf, len, "%lu", (unsigned long)n);
		return;
	}
	while (v >= 999.5 && i + 2 < sizeof(units)) {
		v /= 1000;
		i++;
	}
	snprintf(buf, len, v < 10 ? "%.2f%c" : v < 100 ? "%.1f%c" : "%.0f%c",
	    v, units[i]);
}

int
view_is_drop(enum counter c)
{
	return strncmp(counter_names[c], "drop_", 5) == 0;
}

uint64_t
view_sum(const struct inst *in, enum counter c)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < in->nslots; i++)
		sum += inst_counter(in, i, c);
	return sum;
}

static void
print_json(json_t *j, int compact)
{
	if (j == NULL)
		return;
	json_dumpf(j, stdout, compact ? JSON_COMPACT : JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

/* An instance that is not there: only status has something to show. */
static int
show_none(struct view *v, const char *err)
{
	if (v->rq->verb != VERB_STATUS) {
		fprintf(stderr, "starfish: %s\n", err);
		return 1;
	}
	v->in.health = INST_DOWN;
	if (v->rq->json)
		print_json(status_json(v), v->rq->watch_ms > 0);
	else
		printf("%s%s%s\n", v->in.name, v->in.name[0] != '\0' ?
		    ": down: " : "down: ", err);
	return INST_DOWN;
}

static int
check_slot(const struct view *v)
{
	if (v->rq->slot == BOARD_NONE || v->rq->slot < v->in.nslots)
		return 0;
	fprintf(stderr, "starfish: %s has no slot %u: 0 to %u\n", v->in.name,
	    v->rq->slot, v->in.nslots - 1);
	return -EINVAL;
}

/* One look. The exit status. */
static int
show(struct view *v)
{
	const struct request *rq = v->rq;
	char err[1024] = "", name[BOARD_NAME] = "";
	int error;

	memset(&v->in, 0, sizeof(v->in));
	error = inst_choose(name, rq->name, err, sizeof(err));
	if (error == -EEXIST || error == -EINVAL) {
		fprintf(stderr, "starfish: %s\n", err);
		return 1;
	}
	if (error == 0)
		error = inst_open(&v->in, name, err, sizeof(err));
	if (error == -ENOENT)
		return show_none(v, err);
	if (error < 0) {
		fprintf(stderr, "starfish: %s\n", err);
		return rq->verb == VERB_STATUS ? INST_DEGRADED : 1;
	}
	inst_look(&v->in);
	if (check_slot(v) < 0)
		error = 1;
	else if (rq->json)
		print_json(views[rq->verb].json(v), rq->watch_ms > 0);
	else
		views[rq->verb].text(v, stdout);
	inst_close(&v->in);
	return rq->verb == VERB_STATUS ? (int)v->in.health : error;
}

int
verb_read(const struct request *rq)
{
	static struct view v;
	int status, anew;

	v.rq = rq;
	anew = rq->watch_ms > 0 && !rq->json && !views[rq->verb].goes_on &&
	    isatty(STDOUT_FILENO);
	for (;;) {
		if (anew)
			fputs("\033[H\033[2J", stdout);
		status = show(&v);
		if (fflush(stdout) == EOF)
			return status;	/* nobody reads any more */
		if (rq->watch_ms == 0)
			return status;
		poll(NULL, 0, (int)rq->watch_ms);
	}
}
