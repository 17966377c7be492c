/*
 * sim: run seeds, say which of them failed and how to repeat it.
 *
 * Each job is a process of its own, so that an assertion or a crash of the
 * stack costs one seed: the parent notes it and lets another process go on
 * with the next.
 */
#include <err.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "seg.h"

#define JOBS_MAX	64u
#define SEED_SECONDS	300u	/* of real time; then a seed counts as hung */
#define TAIL		40u	/* lines of the trace of one that failed */

struct options {
	const char *program;
	const struct scenario *scenario;
	uint64_t from, to;
	const char *keep;	/* file of seeds that failed once, or NULL */
	struct kept *kept;	/* what it holds; these run first */
	uint32_t nkept;
	uint32_t jobs;
	bool trace, verbose;
};

/* What a job tells the parent; shared. */
struct job {
	_Atomic uint64_t item;	/* at work on it; 0: none */
	_Atomic uint64_t passed, failed;
	pid_t pid;
};

/* Shared by all jobs. */
struct shared {
	_Atomic uint64_t next;	/* to be taken next, from 1 on */
	struct job job[JOBS_MAX];
};

static void
usage(void)
{
	const struct scenario *s;

	fprintf(stderr, "usage: sim [--seed N | --seeds FROM-TO | --table] "
	    "[--trace] [--verbose]\n           [--watch MS] [--keep FILE]           [--scenario NAME] [-j N]\nscenarios:\n");
	for (s = scenarios; s->name != NULL; s++)
		fprintf(stderr, "  %-10s %s\n", s->name, s->help);
	exit(2);
}

static uint64_t
items(const struct options *o)
{
	return o->nkept + (o->to - o->from + 1);
}

/* What the i-th piece of work is: kept seeds come first. */
static struct kept
item(const struct options *o, uint64_t i)
{
	if (i <= o->nkept)
		return o->kept[i - 1];
	return (struct kept){ o->from + (i - 1 - o->nkept), o->scenario };
}

/* How to repeat one that failed; and it is kept, if it is new. */
static void
failed_line(const struct options *o, uint64_t i)
{
	struct kept k = item(o, i);

	printf("  repeat: %s --seed %llu%s%s --trace\n", o->program,
	    (unsigned long long)k.seed, k.scenario ? " --scenario " : "",
	    k.scenario ? k.scenario->name : "");
	if (o->keep != NULL && i > o->nkept)
		keep_add(o->keep, &k);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What the hosts counted, for the one seed that was asked for. */
static void
print_counters(const struct world *w)
{
	uint32_t i, c;

	for (i = 0; i < w->nhosts; i++) {
		printf("host %u:", i);
		for (c = 0; c < CNT_MAX; c++)
			if (w->host[i].counters[c] != 0)
				printf(" %s %llu", counter_names[c],
				    (unsigned long long)
				    w->host[i].counters[c]);
		printf("\n");
	}
}

/* One that failed once more, for the end of its trace. */
static void
show_tail(struct world *w, const struct kept *k)
{
	alarm(SEED_SECONDS);
	(void)world_run(w, k->seed, k->scenario, true);
	alarm(0);
	trace_print(w, TAIL);
}

/* Run one piece of work; true: it passed. */
static bool
run_item(const struct options *o, struct world *w, uint64_t i)
{
	struct kept k = item(o, i);
	double t0 = seconds();
	int err;

	alarm(SEED_SECONDS);
	err = world_run(w, k.seed, k.scenario, o->trace);
	alarm(0);
	if (o->trace)
		trace_print(w, TRACE_LINES);
	if (err < 0) {
		printf("sim: seed %llu%s%s failed at %.6f s: %s\n",
		    (unsigned long long)k.seed, k.scenario ? " of " : "",
		    k.scenario ? k.scenario->name : "",
		    (double)w->now / SEC, w->why);
		failed_line(o, i);
		if (!o->trace)
			show_tail(w, &k);
	} else if (o->verbose) {
		printf("seed %llu: %u hosts, %u plans, %llu frames, %llu "
		    "turns, %llu deaths, %.3f s virtual, %.3f s real, "
		    "%u kbit/s\n",
		    (unsigned long long)k.seed, w->nhosts, w->nplans,
		    (unsigned long long)w->frames_sent,
		    (unsigned long long)w->steps,
		    (unsigned long long)w->deaths,
		    (double)w->now / SEC - 1000, seconds() - t0, w->kbps);
	}
	if (o->verbose && o->from == o->to)
		print_counters(w);
	fflush(stdout);
	return err == 0;
}

/* An assertion in the stack, with --trace: show how it came to it. */
static struct world *dying;

static void
on_abort(int sig)
{
	signal(sig, SIG_DFL);
	trace_print(dying, TRACE_LINES);
	fflush(stdout);
	raise(sig);
}

static _Noreturn void
work(const struct options *o, struct shared *sh, struct job *j)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t i;

	if (w == NULL)
		err(1, "world");
	w->trace = calloc(TRACE_LINES, sizeof(*w->trace));
	if (w->trace == NULL)
		err(1, "trace");
	dying = w;
	if (o->trace) {
		signal(SIGABRT, on_abort);
		signal(SIGSEGV, on_abort);
		signal(SIGALRM, on_abort);
	}
	while ((i = atomic_fetch_add(&sh->next, 1)) <= items(o)) {
		atomic_store(&j->item, i);
		if (run_item(o, w, i))
			atomic_fetch_add(&j->passed, 1);
		else
			atomic_fetch_add(&j->failed, 1);
		atomic_store(&j->item, 0);
	}
	free(w->trace);
	free(w->flow);
	free(w);
	exit(0);
}

static void
start(const struct options *o, struct shared *sh, struct job *j)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0)
		work(o, sh, j);
	j->pid = pid;	/* shared: the child must not write it */
}

/* A job has ended; true: by itself, with nothing left to do. */
static bool
reap(const struct options *o, struct job *j, int status)
{
	uint64_t i = atomic_load(&j->item);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (i == 0)
		return true;
	printf("sim: seed %llu ended by %s\n",
	    (unsigned long long)item(o, i).seed,
	    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
	failed_line(o, i);
	atomic_fetch_add(&j->failed, 1);
	atomic_store(&j->item, 0);
	return false;
}

static int
run(const struct options *o)
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t passed = 0, failed = 0;
	uint32_t i, running = o->jobs;
	int status;
	pid_t pid;

	if (sh == MAP_FAILED)
		err(1, "mmap");
	/* Inherited as ignored it would leave nothing to wait for. */
	signal(SIGCHLD, SIG_DFL);
	atomic_store(&sh->next, 1);
	for (i = 0; i < o->jobs; i++)
		start(o, sh, &sh->job[i]);
	while (running > 0 && (pid = wait(&status)) > 0) {
		for (i = 0; i < o->jobs && sh->job[i].pid != pid; i++)
			continue;
		if (i == o->jobs)
			continue;
		if (reap(o, &sh->job[i], status))
			running--;
		else
			start(o, sh, &sh->job[i]);
	}
	for (i = 0; i < o->jobs; i++) {
		passed += atomic_load(&sh->job[i].passed);
		failed += atomic_load(&sh->job[i].failed);
	}
	printf("sim: %llu passed, %llu failed\n", (unsigned long long)passed,
	    (unsigned long long)failed);
	return failed > 0 || passed != items(o);
}

static uint64_t
number(const char *s, const char *what, uint64_t max)
{
	const char *e = NULL;
	long long v = s == NULL ? 0 : strtonum(s, 1, (long long)max, &e);

	if (s == NULL || e != NULL)
		errx(2, "%s: %s is %s", what, s ? s : "nothing",
		    e ? e : "missing");
	return (uint64_t)v;
}

static void
range(struct options *o, char *s)
{
	char *dash = s == NULL ? NULL : strchr(s, '-');

	if (dash == NULL)
		errx(2, "--seeds: FROM-TO is expected");
	*dash = '\0';
	o->from = number(s, "--seeds", INT64_MAX);
	o->to = number(dash + 1, "--seeds", INT64_MAX);
	if (o->to < o->from)
		errx(2, "--seeds: the last comes before the first");
}

static const struct scenario *
scenario(const char *name)
{
	const struct scenario *s = scenario_find(name);

	if (s != NULL)
		return s;
	warnx("--scenario: there is no %s", name ? name : "name");
	usage();
	return NULL;
}

static void
keep(struct options *o, const char *file)
{
	if (file == NULL)
		errx(2, "--keep: a file is expected");
	o->keep = file;
	o->nkept = keep_load(file, &o->kept);
}

int
main(int argc, char **argv)
{
	struct options o = { .program = argv[0], .from = 1, .to = 100,
	    .jobs = 1 };
	bool table = false;
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0)
			o.from = o.to = number(argv[++i], "--seed", INT64_MAX);
		else if (strcmp(argv[i], "--seeds") == 0)
			range(&o, argv[++i]);
		else if (strcmp(argv[i], "--trace") == 0)
			o.trace = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			o.verbose = true;
		else if (strcmp(argv[i], "--keep") == 0)
			keep(&o, argv[++i]);
		else if (strcmp(argv[i], "--scenario") == 0)
			o.scenario = scenario(argv[++i]);
		else if (strcmp(argv[i], "--watch") == 0)
			world_watch = 1000 * number(argv[++i], "--watch",
			    1000000);
		else if (strcmp(argv[i], "--scripts") == 0)
			return seg_main(argv + i + 1, (uint32_t)(argc - i - 1),
			    o.verbose);
		else if (strcmp(argv[i], "--table") == 0)
			table = true;
		else if (strcmp(argv[i], "-j") == 0)
			o.jobs = (uint32_t)number(argv[++i], "-j", JOBS_MAX);
		else
			usage();
	}
	i = table ? table_run(o.jobs) : run(&o);
	free(o.kept);
	return i;
}
