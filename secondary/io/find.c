#include "find.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include <rte_mempool.h>
#include <rte_memzone.h>

struct found {
	char name[RTE_MEMZONE_NAMESIZE];
	void *addr;
	size_t len;
};

struct list {
	struct found *v;
	uint32_t n, size;
	int err;
};

static struct list zones, pools;

static void
add(struct list *l, const char *name, void *addr, size_t len)
{
	struct found *v;

	if (l->n == l->size) {
		v = reallocarray(l->v, l->size + 64, sizeof(*v));
		if (v == NULL) {
			l->err = -ENOMEM;
			return;
		}
		l->v = v;
		l->size += 64;
	}
	strlcpy(l->v[l->n].name, name, sizeof(l->v[0].name));
	l->v[l->n].addr = addr;
	l->v[l->n].len = len;
	l->n++;
}

static void
add_zone(const struct rte_memzone *mz, void *arg)
{
	add(arg, mz->name, mz->addr, mz->len);
}

static void
add_pool(struct rte_mempool *mp, void *arg)
{
	add(arg, mp->name, mp, 0);
}

static int
compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int
find_open(void)
{
	rte_memzone_walk(add_zone, &zones);
	rte_mempool_walk(add_pool, &pools);
	if (zones.err < 0 || pools.err < 0)
		return -ENOMEM;
	qsort(zones.v, zones.n, sizeof(zones.v[0]), compare);
	qsort(pools.v, pools.n, sizeof(pools.v[0]), compare);
	return 0;
}

static const struct found *
find(const struct list *l, const char *name)
{
	struct found key;

	if (l->n == 0)
		return NULL;
	strlcpy(key.name, name, sizeof(key.name));
	return bsearch(&key, l->v, l->n, sizeof(key), compare);
}

void *
find_zone(const char *name, size_t *len)
{
	const struct found *f = find(&zones, name);

	if (f == NULL)
		return NULL;
	*len = f->len;
	return f->addr;
}

struct rte_mempool *
find_pool(const char *name)
{
	const struct found *f = find(&pools, name);

	return f == NULL ? NULL : f->addr;
}
