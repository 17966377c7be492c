/*
 * reload: a changed configuration and document roots for an instance that
 * runs. The file is read and compared first, then the primary loads the roots
 * into memory that nobody uses; only when both are well is anything changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "super.h"

#define ROOTS_US	300000000u /* patience with the loader */
#define SETTLE_US	5000000u /* and with workers, to take it up */
#define FIXED_LEN	900u

enum { RL_IDLE, RL_ROOTS, RL_SETTLE };

static struct {
	int phase;
	uint64_t since_us;
	uint32_t wanted;	/* board_super.cache_wanted of this reload */
	struct conf next;
	uint32_t nlive;		/* options that change */
	char fixed[FIXED_LEN];	/* those that cannot */
	char source[BOARD_ROOTS][OPT_STRLEN]; /* where roots lie now */
} rl;

/* ---- what differs -------------------------------------------------------- */

/* An option's name for people: "workers.web.http.root". */
static void
item_name(const struct conf_item *it, char *buf, size_t len)
{
	snprintf(buf, len, "%s%s%s", it->group, it->group[0] != '\0' ? "." :
	    "", it->opt->name);
}

/* The entry of the new file that is a running one, by its name; NULL: none. */
static const struct conf_worker *
next_worker(const struct conf_worker *w)
{
	uint32_t i;

	for (i = 0; i < rl.next.nworkers; i++)
		if (strcmp(rl.next.workers[i].name, w->name) == 0)
			return &rl.next.workers[i];
	return NULL;
}

static void
add_fixed(const char *name)
{
	strlcat(rl.fixed, rl.fixed[0] != '\0' ? ", " : "", FIXED_LEN);
	strlcat(rl.fixed, name, FIXED_LEN);
}

static void
on_diff(void *arg, const struct conf_item *was, const struct conf_item *is)
{
	char name[160];

	if (was != NULL && is != NULL && (is->opt->type == OPT_ROOT ||
	    is->opt->type == OPT_ROOTS))
		return;		/* see compare_roots() */
	if (was != NULL && is != NULL && is->opt->live &&
	    is->table->size <= BOARD_OPTIONS) {
		rl.nlive++;
		return;
	}
	item_name(is != NULL ? is : was, name, sizeof(name));
	add_fixed(name);
}

/* Number of a root on the board, by the directory that it was named by. */
static uint32_t
root_number(const struct super *s, const char *dir)
{
	uint32_t i;

	for (i = 0; i < s->board->head.nroots; i++)
		if (strcmp(s->board->root[i].root, dir) == 0)
			return i;
	return BOARD_ROOTS;
}

/* Whether entry k of a root option is for the same host in both. */
static int
same_host(const struct opt *o, const void *a, const void *b, uint32_t k)
{
	const struct opt_list *x = (const void *)((const char *)a + o->offset);
	const struct opt_list *y = (const void *)((const char *)b + o->offset);
	size_t n;

	if (o->type != OPT_ROOTS)
		return 1;
	n = strcspn(x->s[k], "=");
	return strncmp(x->s[k], y->s[k], n + 1) == 0;
}

/*
 * A root stays who it is, but may be loaded from another directory: that of a
 * link that leads elsewhere now, or of another name. Options that shared one
 * must go on to do so.
 */
static void
compare_root(struct super *s, const struct conf_item *it, const void *new)
{
	char name[160];
	const char *a, *b;
	uint32_t k, i;

	for (k = 0;; k++) {
		a = opt_root(it->opt, it->base, k);
		b = opt_root(it->opt, new, k);
		if (a == NULL && b == NULL)
			return;
		i = a != NULL ? root_number(s, a) : BOARD_ROOTS;
		if (b == NULL || i == BOARD_ROOTS ||
		    !same_host(it->opt, it->base, new, k) ||
		    (rl.source[i][0] != '\0' &&
		    strcmp(rl.source[i], b) != 0))
			break;
		strlcpy(rl.source[i], b, sizeof(rl.source[i]));
	}
	item_name(it, name, sizeof(name));
	add_fixed(name);
}

static void
compare_roots(struct super *s)
{
	const struct conf_worker *w, *next;
	struct conf_item it;
	uint32_t i;

	memset(rl.source, 0, sizeof(rl.source));
	for (i = 0; i < s->conf.nworkers; i++) {
		w = &s->conf.workers[i];
		next = next_worker(w);
		if (w->options == NULL || next == NULL ||
		    w->desc != next->desc)
			continue;
		snprintf(it.group, sizeof(it.group), "workers.%.31s.%.20s",
		    w->name, w->desc->name);
		it.base = w->options;
		for (it.opt = w->desc->opts->opts; it.opt->name != NULL;
		    it.opt++)
			if (it.opt->type == OPT_ROOT ||
			    it.opt->type == OPT_ROOTS)
				compare_root(s, &it, next->options);
	}
}

static void
compare(struct super *s)
{
	rl.nlive = 0;
	rl.fixed[0] = '\0';
	if (rl.next.hang_ms != s->conf.hang_ms)
		add_fixed("hang_ms");
	if (rl.next.start_timeout_ms != s->conf.start_timeout_ms)
		add_fixed("start_timeout_ms");
	conf_diff(&s->conf, &rl.next, on_diff, NULL);
	compare_roots(s);
}

/* ---- options ------------------------------------------------------------- */

/* Bytes of an option in the struct of its table. */
static size_t
opt_bytes(const struct opt *o)
{
	switch (o->type) {
	case OPT_BOOL:
		return sizeof(uint8_t);
	case OPT_INT:
		return sizeof(int64_t);
	case OPT_ENUM:
		return sizeof(int32_t);
	case OPT_STRING:
	case OPT_ROOT:
		return o->max > 0 ? (size_t)o->max + 1 : OPT_STRLEN;
	case OPT_STRINGS:
	case OPT_ROOTS:
		return sizeof(struct opt_list);
	case OPT_INTS:
		return sizeof(struct opt_ints);
	}
	return 0;
}

/* Take over what may change; from may be NULL. */
static void
take_changes(struct conf_worker *to, const struct conf_worker *from)
{
	const struct opt *o;

	if (from == NULL || to->desc != from->desc || to->options == NULL)
		return;
	for (o = to->desc->opts->opts; o->name != NULL; o++)
		if (o->live)
			memcpy((char *)to->options + o->offset,
			    (const char *)from->options + o->offset,
			    opt_bytes(o));
}

void
reload_publish(struct super *s)
{
	struct board_live *l = &s->board->live;
	const struct conf_worker *w;
	struct board_options *o;
	uint32_t i, seq;

	seq = atomic_load_explicit(&l->seq, memory_order_relaxed) & ~1u;
	/* seqlock: pairs with the worker's acquire loads */
	atomic_store_explicit(&l->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (i = 0; i < s->conf.nworkers; i++) {
		w = &s->conf.workers[i];
		o = &l->group[i];
		if (w->options == NULL ||
		    w->desc->opts->size > sizeof(o->bytes))
			continue;
		o->size = (uint32_t)w->desc->opts->size;
		o->table = opt_hash(w->desc->opts);
		memcpy(o->bytes, w->options, o->size);
	}
	atomic_store_explicit(&l->seq, seq + 2, memory_order_release);
}

void
reload_overlay(const struct board *b, struct conf *c)
{
	const struct board_live *l = &b->live;
	struct conf_worker *w;
	uint32_t i;

	if (atomic_load_explicit(&l->seq, memory_order_acquire) == 0)
		return;
	for (i = 0; i < c->nworkers; i++) {
		w = &c->workers[i];
		if (w->options != NULL &&
		    l->group[i].size == w->desc->opts->size &&
		    l->group[i].table == opt_hash(w->desc->opts))
			memcpy(w->options, l->group[i].bytes,
			    l->group[i].size);
	}
}

/* ---- the course ---------------------------------------------------------- */

int
reload_begin(struct super *s, const char *file, char *err, size_t errlen)
{
	char from[BOARD_PATH] = "";

	if (rl.phase != RL_IDLE) {
		snprintf(err, errlen, "a reload is under way");
		return -EBUSY;
	}
	if (s->phase != SUPER_SERVING || s->adopting) {
		snprintf(err, errlen, "the instance %s", s->phase <
		    SUPER_SERVING || s->adopting ? "is just starting" :
		    "ends");
		return -EAGAIN;
	}
	if (s->primary_dead) {
		snprintf(err, errlen, "the primary is dead: down and up "
		    "again");
		return -ESRCH;
	}
	if (file == NULL && rundir_origin(&s->dir, from, sizeof(from)) < 0) {
		snprintf(err, errlen, "name the file: reload -c FILE");
		return -ENOENT;
	}
	if (conf_load(&rl.next, file != NULL ? file : from, svc_descs, err,
	    errlen) < 0)
		return -EINVAL;
	if (strcmp(rl.next.name, s->conf.name) != 0) {
		snprintf(err, errlen, "%.256s is of instance %s, not of %s",
		    rl.next.file, rl.next.name, s->conf.name);
		conf_free(&rl.next);
		return -EINVAL;
	}
	compare(s);
	if (rl.next.warnings[0] != '\0')
		super_say(s, "reload: %s", rl.next.warnings);
	memcpy(s->board->live.source, rl.source, sizeof(rl.source));
	/* not tried + 1: one that was given up may still be under way, and
	 * its end is not this one's */
	rl.wanted = atomic_load(&s->board->super.cache_wanted) + 1;
	rl.since_us = s->now_us;
	rl.phase = RL_ROOTS;
	/* pairs with the primary's acquire */
	atomic_store_explicit(&s->board->super.cache_wanted, rl.wanted,
	    memory_order_release);
	super_ring(s, BOARD_NONE);
	return 0;
}

static void
finish(struct super *s, const char *answer)
{
	conf_free(&rl.next);
	rl.phase = RL_IDLE;
	server_reloaded(s, answer);
}

static void
fail(struct super *s, const char *why)
{
	char line[BOARD_PATH + 96];

	snprintf(line, sizeof(line), "error %s; nothing was changed", why);
	super_say(s, "reload: %s", line + strlen("error "));
	finish(s, line);
}

/* The primary cannot be told to stop: what it loads may still be served. */
static void
give_up(struct super *s)
{
	char line[160];

	snprintf(line, sizeof(line), "error the document roots are not loaded "
	    "after %u s, but may be later; no option was changed",
	    ROOTS_US / 1000000);
	super_say(s, "reload: %s", line + strlen("error "));
	finish(s, line);
}

/* The roots are loaded: now the options, which cannot fail. */
static void
change(struct super *s)
{
	uint32_t i;

	for (i = 0; i < s->conf.nworkers; i++)
		take_changes(&s->conf.workers[i],
		    next_worker(&s->conf.workers[i]));
	reload_publish(s);
	for (i = 0; i < s->nslots; i++)
		super_ring(s, i);
	accesslog_reload(s);
	rl.since_us = s->now_us;
	rl.phase = RL_SETTLE;
}

static void
follow_roots(struct super *s)
{
	struct board_cache *c = &s->board->cache;

	/* acquire: why was written before the word */
	if (atomic_load_explicit(&c->tried, memory_order_acquire) ==
	    rl.wanted) {
		if (c->why[0] != '\0')
			fail(s, c->why);
		else
			change(s);
	} else if (s->primary_dead) {
		fail(s, "the primary died");
	} else if (s->now_us - rl.since_us > ROOTS_US) {
		give_up(s);
	}
}

/* Whether a slot serves what was asked for. */
static int
is_settled(const struct super *s, uint32_t slot)
{
	const struct slot_worker *w = &s->board->slot[slot].worker;

	if (s->slot[slot].state != SLOT_SERVING)
		return 1;	/* its next process will */
	return atomic_load_explicit(&w->live_seq, memory_order_acquire) ==
	    atomic_load(&s->board->live.seq) &&
	    atomic_load(&w->cache_gen) ==
	    atomic_load(&s->board->cache.generation);
}

static void
follow_workers(struct super *s)
{
	char line[FIXED_LEN + 160];
	uint32_t i, late = 0;

	for (i = 0; i < s->nslots; i++)
		late += !is_settled(s, i);
	if (late > 0 && s->now_us - rl.since_us < SETTLE_US)
		return;
	if (late > 0)
		super_say(s, "reload: %u slot%s did not take it up yet", late,
		    late == 1 ? "" : "s");
	if (rl.fixed[0] != '\0')
		super_say(s, "reload: only at a new start: %s", rl.fixed);
	snprintf(line, sizeof(line), "%u option%s changed, document roots "
	    "loaded (generation %u)", rl.nlive, rl.nlive == 1 ? "" : "s",
	    atomic_load(&s->board->cache.generation));
	/* whoever asked is told what is said here */
	super_say(s, "reload: %s", line);
	finish(s, "ok");
}

void
reload_turn(struct super *s)
{
	if (rl.phase != RL_IDLE && s->phase >= SUPER_STOP_WORKERS)
		fail(s, "the instance ends");
	else if (rl.phase == RL_ROOTS)
		follow_roots(s);
	else if (rl.phase == RL_SETTLE)
		follow_workers(s);
}
