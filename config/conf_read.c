/*
 * conf_read: from a libconfig group to a typed struct, by an option table.
 */
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "conf_priv.h"

void
opt_defaults(const struct optgroup *g, void *base)
{
	const struct opt *o;
	struct opt_list *list;
	void *p;

	for (o = g->opts; o->name != NULL; o++) {
		p = (char *)base + o->offset;
		switch (o->type) {
		case OPT_BOOL:
			*(uint8_t *)p = o->def != 0;
			break;
		case OPT_INT:
			*(int64_t *)p = o->def;
			break;
		case OPT_ENUM:
			*(int32_t *)p = (int32_t)o->def;
			break;
		case OPT_STRING:
		case OPT_ROOT:
			strlcpy(p, o->defstr != NULL ? o->defstr : "",
			    o->max > 0 ? (size_t)o->max + 1 : OPT_STRLEN);
			break;
		case OPT_STRINGS:
		case OPT_ROOTS:
			list = p;
			list->n = o->defstr != NULL;
			if (o->defstr != NULL)
				strlcpy(list->s[0], o->defstr, OPT_STRLEN);
			break;
		case OPT_INTS:
			((struct opt_ints *)p)->n = 0;
			break;
		}
	}
}

void
opt_found(const config_setting_t *s, char *buf, size_t len)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(buf, len, "%lld", config_setting_get_int64(s));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(buf, len, "%g", config_setting_get_float(s));
		break;
	case CONFIG_TYPE_STRING:
		snprintf(buf, len, "\"%.100s\"", config_setting_get_string(s));
		break;
	case CONFIG_TYPE_BOOL:
		strlcpy(buf, config_setting_get_bool(s) ? "true" : "false",
		    len);
		break;
	case CONFIG_TYPE_GROUP:
		strlcpy(buf, "a group { }", len);
		break;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		snprintf(buf, len, "a list of %d",
		    config_setting_length(s));
		break;
	default:
		strlcpy(buf, "nothing", len);
	}
}

/* Where a message says that an option is: "ports[0].queues". */
static void
key_name(char *buf, size_t len, const char *path, const char *key)
{
	snprintf(buf, len, "%s%s%s", path, path[0] != '\0' ? "." : "", key);
}

static void
wrong(struct reader *r, const config_setting_t *s, const char *path,
    const struct opt *o)
{
	char name[128], found[128], allowed[256];

	key_name(name, sizeof(name), path, o->name);
	opt_found(s, found, sizeof(found));
	conf_range(o, allowed, sizeof(allowed));
	reader_fail(r, s, "%s = %s: allowed %s", name, found, allowed);
}

/* One string of at most max bytes into p; whether it fits the option. */
static int
read_string(const config_setting_t *s, const struct opt *o, char *p)
{
	size_t max = o->max > 0 ? (size_t)o->max : OPT_STRLEN - 1;
	const char *v = config_setting_get_string(s);

	if (v == NULL || strlen(v) > max)
		return 0;
	memcpy(p, v, strlen(v) + 1);
	return 1;
}

static int
read_enum(const config_setting_t *s, const struct opt *o, int32_t *p)
{
	const char *v = config_setting_get_string(s);
	int32_t i;

	for (i = 0; v != NULL && o->words[i] != NULL; i++)
		if (strcmp(v, o->words[i]) == 0) {
			*p = i;
			return 1;
		}
	return 0;
}

static int
is_int(const config_setting_t *s)
{
	return config_setting_type(s) == CONFIG_TYPE_INT ||
	    config_setting_type(s) == CONFIG_TYPE_INT64;
}

static int
in_range(const config_setting_t *s, const struct opt *o, int64_t *v)
{
	if (!is_int(s))
		return 0;
	*v = config_setting_get_int64(s);
	return *v >= o->min && *v <= o->max;
}

/* A list of strings or integers; a single one counts as a list of one. */
static int
read_list(const config_setting_t *s, const struct opt *o, void *p)
{
	struct opt_list *strings = p;
	struct opt_ints *ints = p;
	const config_setting_t *e;
	int64_t v = 0;
	int i, n = 1, many;

	many = config_setting_is_array(s) || config_setting_is_list(s);
	if (many)
		n = config_setting_length(s);
	if (n > (int)OPT_LISTLEN)
		return 0;
	for (i = 0; i < n; i++) {
		e = many ? config_setting_get_elem(s, (unsigned)i) : s;
		if (o->type != OPT_INTS) {
			if (!read_string(e, o, strings->s[i]))
				return 0;
		} else if (in_range(e, o, &v)) {
			ints->v[i] = (int32_t)v;
		} else {
			return 0;
		}
	}
	if (o->type != OPT_INTS)
		strings->n = (uint32_t)n;
	else
		ints->n = (uint32_t)n;
	return 1;
}

static int
read_value(const config_setting_t *s, const struct opt *o, void *p)
{
	switch (o->type) {
	case OPT_BOOL:
		if (config_setting_type(s) != CONFIG_TYPE_BOOL)
			return 0;
		*(uint8_t *)p = config_setting_get_bool(s) != 0;
		return 1;
	case OPT_INT:
		return in_range(s, o, p);
	case OPT_ENUM:
		return read_enum(s, o, p);
	case OPT_STRING:
	case OPT_ROOT:
		return config_setting_type(s) == CONFIG_TYPE_STRING &&
		    read_string(s, o, p);
	case OPT_STRINGS:
	case OPT_ROOTS:
	case OPT_INTS:
		return read_list(s, o, p);
	}
	return 0;
}

/* Levenshtein's distance, for words of less than 32 bytes. */
static uint32_t
distance(const char *a, const char *b)
{
	uint32_t row[32], i, j, diag, up, best;
	size_t la = strlen(a), lb = strlen(b);

	if (la > 31 || lb > 31)
		return 32;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		diag = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			up = row[j];
			best = diag + (a[i - 1] != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diag = up;
		}
	}
	return row[lb];
}

/* Take word if it is nearer to key than *best. */
static void
nearer(const char *word, const char *key, const char **near, uint32_t *best)
{
	uint32_t d = distance(word, key);

	/* most of the word must be right to be worth a guess */
	if (d < *best && d * 2 < strlen(word) + 1) {
		*best = d;
		*near = word;
	}
}

const char *
opt_nearest(const struct optgroup *g, const char *const *also,
    const char *key)
{
	const struct opt *o;
	const char *near = NULL;
	uint32_t best = 32;

	for (o = g->opts; o->name != NULL; o++)
		nearer(o->name, key, &near, &best);
	for (; also != NULL && *also != NULL; also++)
		nearer(*also, key, &near, &best);
	return near;
}

static int
is_known(const struct optgroup *g, const char *const *also, const char *key)
{
	const struct opt *o;

	for (o = g->opts; o->name != NULL; o++)
		if (strcmp(o->name, key) == 0)
			return 1;
	for (; also != NULL && *also != NULL; also++)
		if (strcmp(*also, key) == 0)
			return 1;
	return 0;
}

/* All keys that a group may have, for a message. */
static void
all_keys(const struct optgroup *g, const char *const *also, char *buf,
    size_t len)
{
	const struct opt *o;

	buf[0] = '\0';
	for (o = g->opts; o->name != NULL; o++) {
		if (buf[0] != '\0')
			strlcat(buf, ", ", len);
		strlcat(buf, o->name, len);
	}
	for (; also != NULL && *also != NULL; also++) {
		strlcat(buf, ", ", len);
		strlcat(buf, *also, len);
	}
}

static void
unknown_key(struct reader *r, const config_setting_t *s,
    const struct optgroup *g, const char *path, const char *const *also)
{
	char name[128], keys[300];
	const char *key = config_setting_name(s), *near;

	key_name(name, sizeof(name), path, key);
	near = opt_nearest(g, also, key);
	if (near != NULL) {
		reader_fail(r, s, "%s: no such option; did you mean `%s`?",
		    name, near);
		return;
	}
	all_keys(g, also, keys, sizeof(keys));
	reader_fail(r, s, "%s: no such option; allowed: %s", name, keys);
}

void
opt_read(struct reader *r, const config_setting_t *s,
    const struct optgroup *g, void *base, const char *path,
    const char *const *also)
{
	const config_setting_t *e;
	const struct opt *o;
	int i;

	opt_defaults(g, base);
	if (s == NULL)
		return;
	if (!config_setting_is_group(s)) {
		char found[128];

		opt_found(s, found, sizeof(found));
		reader_fail(r, s, "%s = %s: allowed a group { ... }", path,
		    found);
		return;
	}
	for (o = g->opts; o->name != NULL; o++) {
		e = config_setting_get_member(s, o->name);
		if (e != NULL && !read_value(e, o, (char *)base + o->offset))
			wrong(r, e, path, o);
	}
	for (i = 0; i < config_setting_length(s); i++) {
		e = config_setting_get_elem(s, (unsigned)i);
		if (!is_known(g, also, config_setting_name(e)))
			unknown_key(r, e, g, path, also);
	}
}
