/*
 * drill: the command line, and the order of events.
 */
#include "drill.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "verbs.h"

const char *const drill_kind_names[DRILL_KINDS] = {
	[DRILL_KILL] = "kill", [DRILL_HANG] = "hang",
	[DRILL_ADD] = "add and remove", [DRILL_UPGRADE] = "upgrade",
	[DRILL_SUPER] = "supervisor kill"
};

static const char usage[] =
    "usage: starfish drill [--kills N] [--hangs N] [--adds N] [--upgrades N]\n"
    "           [--supervisor-kills N] [--connections N] [--workers N]\n"
    "           [--seed S] [--keep] [--json]\n"
    "Starts a lab instance on a tap interface (root), uses it with clients of\n"
    "the kernel and one over a wire, hurts it at random moments, and says what\n"
    "they lost. Exit status 1: more connections than kills and hangs, or any\n"
    "buffer.\n"
    "  --kills N            SIGKILL of a worker (20)\n"
    "  --hangs N            SIGSTOP of a worker (0)\n"
    "  --adds N             a worker more, then it goes again (0)\n"
    "  --upgrades N         all workers replaced, one by one (0)\n"
    "  --supervisor-kills N SIGKILL of the supervisor, up --adopt (0)\n"
    "  --connections N      of the clients of the kernel, as many again over\n"
    "                       the wire (720)\n"
    "  --workers N          that serve, 1 to 3 (2)\n"
    "  --seed S             decides order, victims and moments (the time)\n"
    "  --keep               keep files and log of the lab\n";

static volatile sig_atomic_t interrupted;

static void
on_signal(int sig)
{
	interrupted = 1;
}

static int
number(const char *opt, const char *text, long long lo, long long hi,
    uint64_t *v)
{
	const char *why;
	long long n = strtonum(text, lo, hi, &why);

	if (why != NULL) {
		fprintf(stderr, "starfish drill: --%s %s: %s; allowed %lld to "
		    "%lld\n", opt, text, why, lo, hi);
		return -EINVAL;
	}
	*v = (uint64_t)n;
	return 0;
}

/* Options in the order of enum drill_kind come first. */
static const struct option longs[] = {
	{ "kills", required_argument, NULL, DRILL_KILL },
	{ "hangs", required_argument, NULL, DRILL_HANG },
	{ "adds", required_argument, NULL, DRILL_ADD },
	{ "upgrades", required_argument, NULL, DRILL_UPGRADE },
	{ "supervisor-kills", required_argument, NULL, DRILL_SUPER },
	{ "connections", required_argument, NULL, 'c' },
	{ "workers", required_argument, NULL, 'w' },
	{ "seed", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "keep", no_argument, NULL, 'k' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static int
one_option(struct drill_opts *o, int c, int at)
{
	const char *name = longs[at].name;
	uint64_t v = 0;
	int err = 0;

	switch (c) {
	case 'c':
		err = number(name, optarg, 1, DRILL_CONNS, &v);
		o->conns = (uint32_t)v;
		return err;
	case 'w':
		err = number(name, optarg, 1, 3, &v);
		o->workers = (uint32_t)v;
		return err;
	case 's':
		return number(name, optarg, 1, INT64_MAX, &o->seed);
	case 'j':
		o->json = 1;
		return 0;
	case 'k':
		o->keep = 1;
		return 0;
	case '?':
		fputs(usage, stderr);
		return -EINVAL;
	case 'h':
		fputs(usage, stdout);
		return 1;
	}
	err = number(name, optarg, 0, DRILL_EVENTS, &v);
	o->count[c] = (uint32_t)v;
	return err;
}

/* 0, 1 only help was asked for, or -EINVAL. */
static int
options(int argc, char *const argv[], struct drill_opts *o)
{
	int at = 0, c, r;

	*o = (struct drill_opts){ .count[DRILL_KILL] = 20, .conns = 720,
	    .workers = 2, .seed = (uint64_t)time(NULL) };
	optind = 1;
	while ((c = getopt_long(argc, argv, "h", longs, &at)) != -1) {
		r = one_option(o, c, at);
		if (r != 0)
			return r;
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "starfish drill: too many words: \"%s\"\n",
	    argv[optind]);
	return -EINVAL;
}

/* An event at random of those that are left; DRILL_KINDS: none is. */
static enum drill_kind
next_event(struct drill *d, uint32_t left[DRILL_KINDS])
{
	uint64_t total = 0, at;
	uint32_t k;

	for (k = 0; k < DRILL_KINDS; k++)
		total += left[k];
	if (total == 0)
		return DRILL_KINDS;
	at = hurt_random(d, total);
	for (k = 0; at >= left[k]; k++)
		at -= left[k];
	left[k]--;
	return (enum drill_kind)k;
}

static void
progress(const struct drill *d, uint32_t n, uint32_t total)
{
	uint64_t lost = 0;
	uint32_t i;

	if (d->o.json || (n % 10 != 0 && n != total))
		return;
	for (i = 0; i < DRILL_KINDS; i++)
		lost += d->r.lost_by[i];
	fprintf(stderr, "%u of %u events, %lu connections lost\n", n, total,
	    (unsigned long)lost);
}

/* All events, while the clients go on. 0 or -errno. */
static int
go(struct drill *d)
{
	uint32_t left[DRILL_KINDS], total = 0, n = 0, k;
	enum drill_kind kind;
	int err;

	memcpy(left, d->o.count, sizeof(left));
	for (k = 0; k < DRILL_KINDS; k++)
		total += left[k];
	while (!atomic_load(&d->load->ready) && !interrupted)
		poll(NULL, 0, 10);
	while (!interrupted && (kind = next_event(d, left)) != DRILL_KINDS) {
		err = hurt(d, kind);
		if (err < 0) {
			fprintf(stderr, "starfish drill: event %u (%s): %s\n",
			    n + 1, drill_kind_names[kind], strerror(-err));
			d->r.failed++;
			lab_explain(d);
			return err;
		}
		progress(d, ++n, total);
	}
	return interrupted ? -EINTR : 0;
}

/* What the clients and the client over the wire counted in all. */
static void
sum_up(struct drill *d)
{
	uint32_t i;

	for (i = 0; i < LOSSES; i++)
		d->r.lost[i] = atomic_load(&d->load->lost[i]);
	d->r.bytes = atomic_load(&d->load->bytes);
	d->r.requests = atomic_load(&d->load->requests);
	d->r.wire_lost = hurt_wire(d, "errors");
	d->r.wire_requests = hurt_wire(d, "responses");
}

static int
run(struct drill *d)
{
	uint64_t t0 = board_mono_us();
	int err, r;

	err = lab_up(d);
	if (err == 0)
		err = load_start(d);
	if (err == 0) {
		err = go(d);
		sum_up(d);
		r = load_stop(d);
		if (err == 0 && r < 0)
			err = r;
		d->r.buffers_lost = hurt_lost(d);
	}
	d->r.seconds = (board_mono_us() - t0) / 1000000;
	if (lab_down(d) != 0) {
		fprintf(stderr, "starfish drill: the lab did not end in "
		    "order\n");
		d->r.failed++;
	}
	return err;
}

int
verb_drill(const struct request *rq)
{
	static struct drill d;
	struct sigaction sa = { .sa_handler = on_signal };
	int err;

	/* argv[-1] is the verb, as getopt() expects it */
	err = options(rq->argc + 1, rq->argv - 1, &d.o);
	if (err != 0)
		return err < 0;
	if (geteuid() != 0) {
		fprintf(stderr, "starfish drill: needs root: it starts an "
		    "instance on a tap interface\n");
		return 1;
	}
	d.rng = d.o.seed * 0x9e3779b97f4a7c15u | 1;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = run(&d);
	if (d.load == NULL)
		return 1;
	if (d.o.json)
		table_json(&d);
	else
		table_text(&d);
	return err < 0 || !table_passed(&d);
}
