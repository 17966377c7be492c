/*
 * conf_check: what the machine must have, and sizes that must fit together.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "conf_priv.h"

/* CPUs that no entry names come first for those that leave it open. */
struct cpus {
	cpu_set_t allowed;	/* by the kernel, for this process */
	uint32_t used[CPU_SETSIZE]; /* slots on it */
	uint32_t busy[CPU_SETSIZE]; /* of them those that are no spare ones */
	int max;		/* configured CPUs */
};

int
conf_cpu_exists(int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d", cpu);
	return access(path, F_OK) == 0;
}

int
conf_cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_CONF);
}

static void
named_cpus(struct reader *r, const config_setting_t *list, uint32_t i,
    struct cpus *u)
{
	struct conf_worker *w = &r->c->workers[i];
	uint32_t k;
	int cpu;

	for (k = 0; k < w->cpu_list.n; k++)
		/* one that was taken away since the start is the concern of
		 * the slot that has it */
		if (!r->copy && !conf_cpu_exists(w->cpu_list.v[k])) {
			entry_fail(r, list, i, "cpus", "CPU %d does not "
			    "exist: allowed 0 to %d", w->cpu_list.v[k],
			    u->max - 1);
			return;
		}
	for (k = 0; k < conf_slots(w) && k < BOARD_SLOTS; k++) {
		cpu = w->cpu_list.v[k % w->cpu_list.n];
		w->cpus[w->ncpus++] = cpu;
		u->used[cpu]++;
		u->busy[cpu] += k < (uint32_t)w->count;
	}
}

/* The allowed CPU with the fewest slots, the lowest of them. */
static int
free_cpu(const struct cpus *u)
{
	int cpu, best = -1;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &u->allowed) &&
		    (best < 0 || u->used[cpu] < u->used[best]))
			best = cpu;
	return best < 0 ? 0 : best;
}

void
check_cpus(struct reader *r, const config_setting_t *list)
{
	struct conf_worker *w;
	struct cpus u;
	uint32_t i, k;
	int cpu;

	memset(&u, 0, sizeof(u));
	u.max = conf_cpus();
	if (sched_getaffinity(0, sizeof(u.allowed), &u.allowed) < 0)
		CPU_SET(0, &u.allowed);
	for (i = 0; i < r->c->nworkers; i++)
		if (r->c->workers[i].cpu_list.n > 0)
			named_cpus(r, list, i, &u);
	for (i = 0; i < r->c->nworkers; i++) {
		w = &r->c->workers[i];
		if (w->cpu_list.n > 0)
			continue;
		for (k = 0; k < conf_slots(w) && k < BOARD_SLOTS; k++) {
			cpu = free_cpu(&u);
			w->cpus[w->ncpus++] = cpu;
			u.used[cpu]++;
			u.busy[cpu] += k < (uint32_t)w->count;
		}
	}
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (u.busy[cpu] > 1)
			reader_warn(r, list, "workers: %u slots share CPU %d; "
			    "each is slower than alone", u.busy[cpu], cpu);
}

/* Make a root absolute, counted from the file's directory. 0 or -errno. */
static int
resolve_root(const struct reader *r, char *root, char tried[PATH_MAX])
{
	char dir[PATH_MAX], full[PATH_MAX], *slash;
	struct stat st;

	/* It was there when the instance started. Its files lie in memory;
	 * that it went away since must not keep a worker from starting. */
	if (r->copy && root[0] == '/')
		return 0;
	strlcpy(dir, r->file, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[1] = '\0';
	else
		dir[0] = '\0';
	strlcpy(tried, root[0] == '/' ? "" : dir, PATH_MAX);
	if (strlcat(tried, root, PATH_MAX) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (realpath(tried, full) == NULL || stat(full, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (access(full, R_OK | X_OK) < 0)
		return -errno;
	if (strlcpy(root, full, OPT_STRLEN) >= OPT_STRLEN)
		return -ENAMETOOLONG;
	return 0;
}

/* As resolve_root(), for "NAME=DIRECTORY" at s. */
static int
resolve_named(const struct reader *r, char *s, char tried[PATH_MAX])
{
	char root[OPT_STRLEN], *eq = strchr(s, '=');
	int err;

	if (eq == NULL || eq == s || eq[1] == '\0') {
		strlcpy(tried, "allowed \"NAME=DIRECTORY\"", PATH_MAX);
		return -EINVAL;
	}
	strlcpy(root, eq + 1, sizeof(root));
	err = resolve_root(r, root, tried);
	if (err == 0 && strlcpy(eq + 1, root,
	    OPT_STRLEN - (size_t)(eq + 1 - s)) >=
	    OPT_STRLEN - (size_t)(eq + 1 - s))
		err = -ENAMETOOLONG;
	return err;
}

/* Root number k of an option of workers[i]. */
static void
check_root(struct reader *r, const config_setting_t *list, uint32_t i,
    const struct opt *o, uint32_t k)
{
	struct conf_worker *w = &r->c->workers[i];
	config_setting_t *group, *e = NULL;
	char *root = (char *)w->options + o->offset, was[OPT_STRLEN];
	char tried[PATH_MAX];
	int err;

	if (o->type == OPT_ROOTS)
		root = ((struct opt_list *)(void *)root)->s[k];
	strlcpy(was, root, sizeof(was));
	err = o->type == OPT_ROOTS ? resolve_named(r, root, tried) :
	    resolve_root(r, root, tried);
	if (err == 0)
		return;
	group = config_setting_get_member(config_setting_get_elem(list, i),
	    w->desc->name);
	if (group != NULL && config_setting_is_group(group))
		e = config_setting_get_member(group, o->name);
	reader_fail(r, e != NULL ? e : config_setting_get_elem(list, i),
	    "workers[%u].%s.%s = \"%s\": %s%s%s", i, w->desc->name, o->name,
	    was, tried, err != -EINVAL ? ": " : "", err != -EINVAL ?
	    strerror(-err) : "");
}

/* Call for every root option that is set. */
static uint32_t
gather_roots(const struct conf *c, const char **root, uint32_t max)
{
	const struct conf_worker *w;
	const struct opt *o;
	const char *s;
	uint32_t i, j, k, n = 0;

	for (i = 0; i < c->nworkers; i++) {
		w = &c->workers[i];
		if (w->options == NULL)
			continue;
		for (o = w->desc->opts->opts; o->name != NULL; o++) {
			for (j = 0; (s = opt_root(o, w->options, j)) != NULL;
			    j++) {
				for (k = 0; k < n; k++)
					if (strcmp(root[k], s) == 0)
						break;
				if (k == n && n < max)
					root[n++] = s;
			}
		}
	}
	return n;
}

/* Write over directory k of a root option. */
static void
put_root(const struct opt *o, void *base, uint32_t k, const char *to)
{
	char *p = (char *)base + o->offset, *end, *eq;

	if (o->type == OPT_ROOTS)
		p = ((struct opt_list *)(void *)p)->s[k];
	end = p + OPT_STRLEN;
	eq = o->type == OPT_ROOTS ? strchr(p, '=') : NULL;
	if (eq != NULL)
		p = eq + 1;
	strlcpy(p, to, (size_t)(end - p));
}

void
conf_move_root(struct conf *c, const char *from, const char *to)
{
	struct conf_worker *w;
	const struct opt *o;
	const char *s;
	uint32_t i, k;

	for (i = 0; i < c->nworkers; i++) {
		w = &c->workers[i];
		if (w->options == NULL)
			continue;
		for (o = w->desc->opts->opts; o->name != NULL; o++)
			for (k = 0; (s = opt_root(o, w->options, k)) != NULL;
			    k++)
				if (strcmp(s, from) == 0)
					put_root(o, w->options, k, to);
	}
}

void
conf_roots(const struct conf *c, const char *root[BOARD_ROOTS], uint32_t *n)
{
	*n = gather_roots(c, root, BOARD_ROOTS);
}

void
check_roots(struct reader *r, const config_setting_t *list)
{
	const char *root[BOARD_ROOTS + 1];
	const struct opt *o;
	uint32_t i, k, n;

	for (i = 0; i < r->c->nworkers; i++) {
		if (r->c->workers[i].options == NULL)
			continue;
		for (o = r->c->workers[i].desc->opts->opts; o->name != NULL;
		    o++)
			for (k = 0; opt_root(o, r->c->workers[i].options,
			    k) != NULL; k++)
				check_root(r, list, i, o, k);
	}
	n = gather_roots(r->c, root, BOARD_ROOTS + 1);
	if (n > BOARD_ROOTS)
		reader_fail(r, list, "workers: more than %u different "
		    "document roots", BOARD_ROOTS);
}

static void
check_pow2(struct reader *r, const config_setting_t *s, const char *key,
    int64_t v)
{
	if (v <= 0 || (v & (v - 1)) != 0)
		group_fail(r, s, "memory", key,
		    "allowed a power of two, 64 to 65536");
}

void
check_memory(struct reader *r, const config_setting_t *memory)
{
	const struct conf_memory *m = &r->c->memory;
	struct arena_shape shape;
	uint64_t need;
	int64_t held;
	uint32_t i, k;
	char text[128];

	check_pow2(r, memory, "ring", m->ring);
	check_pow2(r, memory, "wire_ring", m->wire_ring);
	if (m->chunk_size % 64 != 0)
		group_fail(r, memory, "memory", "chunk_size",
		    "allowed a multiple of 64, 1024 to 65536");
	if (r->nerr > 0)
		return;
	for (i = 0; i < r->c->nworkers; i++) {
		conf_arena_shape(r->c, &r->c->workers[i], &shape);
		if (arena_size(&shape) == 0)
			group_fail(r, memory, "memory", "connections",
			    "the memory of one slot gets too large");
		/* receive queues are filled from the slot's buffers, and as
		 * many may be waiting to be sent */
		for (held = 0, k = 0; k < r->c->nports; k++)
			if (r->c->workers[i].port_mask & 1u << k)
				held += 2 * r->c->ports[k].descriptors;
		if (m->buffers < held + 1024) {
			snprintf(text, sizeof(text), "the queues of workers[%u]"
			    " alone take %lld: allowed %lld and more", i,
			    (long long)held, (long long)held + 1024);
			group_fail(r, memory, "memory", "buffers", text);
		}
	}
	need = size_needed(r->c, 0) >> 20;
	if (m->hugepages_mb > 0 && (uint64_t)m->hugepages_mb < need)
		reader_warn(r, memory, "memory.hugepages_mb = %lld: about %llu "
		    "MB are needed", (long long)m->hugepages_mb,
		    (unsigned long long)need);
}
