/*
 * conf_copy: writes the configuration anew with what was resolved.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf_priv.h"

/* The member of this name, made anew with this type. */
static config_setting_t *
renew(config_setting_t *group, const char *name, int type)
{
	if (config_setting_get_member(group, name) != NULL)
		config_setting_remove(group, name);
	return config_setting_add(group, name, type);
}

static int
put_string(config_setting_t *group, const char *name, const char *v)
{
	config_setting_t *e = renew(group, name, CONFIG_TYPE_STRING);

	return e != NULL && config_setting_set_string(e, v) ? 0 : -ENOMEM;
}

static int
put_mark(config_setting_t *root)
{
	config_setting_t *e = renew(root, CONF_RESOLVED, CONFIG_TYPE_BOOL);

	return e != NULL && config_setting_set_bool(e, 1) ? 0 : -ENOMEM;
}

static int
put_cpus(config_setting_t *entry, const struct conf_worker *w)
{
	config_setting_t *e = renew(entry, "cpus", CONFIG_TYPE_ARRAY);
	uint32_t i;

	for (i = 0; e != NULL && i < w->ncpus; i++)
		if (config_setting_set_int_elem(e, -1, w->cpus[i]) == NULL)
			return -ENOMEM;
	return e != NULL ? 0 : -ENOMEM;
}

/* A root option's value, as it was resolved. */
static int
put_root(config_setting_t *group, const struct opt *o, const void *base)
{
	const struct opt_list *list = (const void *)((const char *)base +
	    o->offset);
	config_setting_t *e;
	uint32_t i;

	if (o->type == OPT_ROOT)
		return put_string(group, o->name, opt_root(o, base, 0));
	e = renew(group, o->name, CONFIG_TYPE_ARRAY);
	for (i = 0; e != NULL && i < list->n; i++)
		if (config_setting_set_string_elem(e, -1, list->s[i]) == NULL)
			return -ENOMEM;
	return e != NULL ? 0 : -ENOMEM;
}

static int
put_roots(config_setting_t *entry, const struct conf_worker *w)
{
	config_setting_t *group;
	const struct opt *o;

	if (w->options == NULL)
		return 0;
	for (o = w->desc->opts->opts; o->name != NULL; o++) {
		if (opt_root(o, w->options, 0) == NULL)
			continue;
		group = config_setting_get_member(entry, w->desc->name);
		if (group == NULL)
			group = config_setting_add(entry, w->desc->name,
			    CONFIG_TYPE_GROUP);
		if (group == NULL || put_root(group, o, w->options) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
put_worker(config_setting_t *entry, const struct conf_worker *w)
{
	char range[32];

	if (entry == NULL || put_cpus(entry, w) < 0 || put_roots(entry, w) < 0)
		return -ENOMEM;
	if (!w->client)
		return 0;
	snprintf(range, sizeof(range), "%u-%u", w->client_lo, w->client_hi);
	return put_string(entry, "source_ports", range);
}

static int
put_resolved(config_t *cfg, const struct conf *c)
{
	config_setting_t *root = config_root_setting(cfg), *memory, *list;
	uint32_t i;
	int err;

	err = put_mark(root);
	if (err == 0)
		err = put_string(root, "name", c->name);
	memory = config_setting_get_member(root, "memory");
	if (memory == NULL)
		memory = config_setting_add(root, "memory", CONFIG_TYPE_GROUP);
	if (memory == NULL)
		return -ENOMEM;
	if (err == 0)
		err = put_string(memory, "huge_dir", c->memory.huge_dir);
	list = config_setting_get_member(root, "workers");
	for (i = 0; err == 0 && i < c->nworkers; i++)
		err = put_worker(config_setting_get_elem(list, i),
		    &c->workers[i]);
	return err;
}

int
conf_copy(const struct conf *c, const char *to, char *err, size_t errlen)
{
	char dir[BOARD_PATH], *slash;
	config_t cfg;
	int error;

	config_init(&cfg);
	snprintf(dir, sizeof(dir), "%s", c->file);
	slash = strrchr(dir, '/');
	if (slash != NULL) {
		slash[slash == dir] = '\0';
		config_set_include_dir(&cfg, dir);
	}
	error = -EIO;
	if (config_read_file(&cfg, c->file) != CONFIG_TRUE) {
		snprintf(err, errlen, "%s:%d: %s", c->file,
		    config_error_line(&cfg), config_error_text(&cfg));
		goto destroy;
	}
	error = put_resolved(&cfg, c);
	if (error < 0) {
		snprintf(err, errlen, "%s: %s", to, strerror(-error));
		goto destroy;
	}
	if (config_write_file(&cfg, to) != CONFIG_TRUE) {
		error = errno != 0 ? -errno : -EIO;
		snprintf(err, errlen, "%s: cannot write: %s", to,
		    strerror(-error));
	}
destroy:
	config_destroy(&cfg);
	return error;
}
