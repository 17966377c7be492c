/*
 * conf_diff: what differs between two configurations, option by option.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

#define ITEMS_MAX	1024u
#define VALUE_LEN	5120u	/* a list of 16 strings */

struct items {
	const struct conf *c;
	uint32_t n;
	struct conf_item it[ITEMS_MAX];
};

/* Worker entries are known by their names: one that was put before them does
 * not make them others. */
static void
gather(void *arg, const struct conf_item *it)
{
	struct items *all = arg;
	struct conf_item *to;
	const char *close = strchr(it->group, ']');
	unsigned long i;

	if (all->n == ITEMS_MAX)
		return;
	to = &all->it[all->n++];
	*to = *it;
	if (close == NULL || strncmp(it->group, "workers[", 8) != 0)
		return;
	i = strtoul(it->group + 8, NULL, 10);
	snprintf(to->group, sizeof(to->group), "workers.%.31s%s",
	    all->c->workers[i].name, close + 1);
}

static const struct conf_item *
find(const struct items *all, const struct conf_item *like)
{
	uint32_t i;

	for (i = 0; i < all->n; i++)
		if (all->it[i].opt == like->opt &&
		    strcmp(all->it[i].group, like->group) == 0)
			return &all->it[i];
	return NULL;
}

/* Chosen by the program where the file says nothing, and kept then. */
static int
is_chosen(const struct conf_item *it)
{
	static const char *const names[] = {
		"cpus", "source_ports", "huge_dir", "name", NULL
	};
	uint32_t i;

	for (i = 0; names[i] != NULL; i++)
		if (strcmp(it->opt->name, names[i]) == 0)
			return 1;
	return 0;
}

static int
is_default(const struct conf_item *it, const char *value)
{
	char def[VALUE_LEN];

	conf_default(it->opt, def, sizeof(def));
	return strcmp(def, value) == 0;
}

void
conf_diff(const struct conf *old, const struct conf *new,
    void (*fn)(void *arg, const struct conf_item *was,
    const struct conf_item *is), void *arg)
{
	static struct items a, b;
	char was[VALUE_LEN], is[VALUE_LEN];
	const struct conf_item *o;
	uint32_t i;

	a.n = b.n = 0;
	a.c = old;
	b.c = new;
	conf_each(old, gather, &a);
	conf_each(new, gather, &b);
	/* conf_each() shows the top options in a struct of its own */
	for (i = 0; i < b.n; i++) {
		if (b.it[i].table == &conf_top_table)
			continue;
		o = find(&a, &b.it[i]);
		if (o == NULL) {
			fn(arg, NULL, &b.it[i]);
			continue;
		}
		conf_value(o, was, sizeof(was));
		conf_value(&b.it[i], is, sizeof(is));
		if (strcmp(was, is) != 0 &&
		    !(is_chosen(o) && is_default(o, is)))
			fn(arg, o, &b.it[i]);
	}
	for (i = 0; i < a.n; i++)
		if (find(&b, &a.it[i]) == NULL)
			fn(arg, &a.it[i], NULL);
}
