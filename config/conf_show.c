/*
 * conf_show: options as text. The tables say what there is.
 */
#include <inttypes.h>
#include <string.h>

#include <bsd/string.h>

#include "conf_priv.h"

#define SHOW_WIDTH	94	/* of 100 columns, after the indent */

/* Append "\"s\"" to a list text. */
static void
add_item(char *buf, size_t len, const char *s, int quote)
{
	const char *q = quote ? "\"" : "";
	size_t n = strlen(buf);

	snprintf(buf + n, len - n, "%s%s%s%s", n > 2 ? ", " : "", q, s, q);
}

static void
list_value(const struct opt *o, const void *p, char *buf, size_t len)
{
	const struct opt_list *strings = p;
	const struct opt_ints *ints = p;
	char num[16];
	uint32_t i;

	strlcpy(buf, "[ ", len);
	if (o->type != OPT_INTS)
		for (i = 0; i < strings->n; i++)
			add_item(buf, len, strings->s[i], 1);
	else
		for (i = 0; i < ints->n; i++) {
			snprintf(num, sizeof(num), "%d", ints->v[i]);
			add_item(buf, len, num, 0);
		}
	strlcat(buf, strlen(buf) > 2 ? " ]" : "]", len);
}

void
conf_value(const struct conf_item *it, char *buf, size_t len)
{
	const struct opt *o = it->opt;
	const void *p = (const char *)it->base + o->offset;

	switch (o->type) {
	case OPT_BOOL:
		strlcpy(buf, *(const uint8_t *)p ? "true" : "false", len);
		break;
	case OPT_INT:
		snprintf(buf, len, "%" PRId64, *(const int64_t *)p);
		break;
	case OPT_ENUM:
		snprintf(buf, len, "\"%s\"", o->words[*(const int32_t *)p]);
		break;
	case OPT_STRING:
	case OPT_ROOT:
		snprintf(buf, len, "\"%s\"", (const char *)p);
		break;
	case OPT_STRINGS:
	case OPT_ROOTS:
	case OPT_INTS:
		list_value(o, p, buf, len);
		break;
	}
}

void
conf_default(const struct opt *o, char *buf, size_t len)
{
	switch (o->type) {
	case OPT_BOOL:
		strlcpy(buf, o->def ? "true" : "false", len);
		break;
	case OPT_INT:
		snprintf(buf, len, "%" PRId64, o->def);
		break;
	case OPT_ENUM:
		snprintf(buf, len, "\"%s\"", o->words[o->def]);
		break;
	case OPT_STRING:
	case OPT_ROOT:
		snprintf(buf, len, "\"%s\"",
		    o->defstr != NULL ? o->defstr : "");
		break;
	case OPT_STRINGS:
	case OPT_ROOTS:
		snprintf(buf, len, o->defstr != NULL ? "[ \"%s\" ]" : "[ ]%s",
		    o->defstr != NULL ? o->defstr : "");
		break;
	case OPT_INTS:
		strlcpy(buf, "[ ]", len);
		break;
	}
}

void
conf_range(const struct opt *o, char *buf, size_t len)
{
	size_t max = o->max > 0 ? (size_t)o->max : OPT_STRLEN - 1;
	uint32_t i;

	switch (o->type) {
	case OPT_BOOL:
		strlcpy(buf, "true or false", len);
		break;
	case OPT_INT:
		snprintf(buf, len, "%" PRId64 " to %" PRId64 "%s%s", o->min,
		    o->max, o->unit != NULL ? " " : "",
		    o->unit != NULL ? o->unit : "");
		break;
	case OPT_ENUM:
		buf[0] = '\0';
		for (i = 0; o->words[i] != NULL; i++) {
			strlcat(buf, i > 0 ? ", \"" : "\"", len);
			strlcat(buf, o->words[i], len);
			strlcat(buf, "\"", len);
		}
		break;
	case OPT_STRING:
		snprintf(buf, len, "a string of at most %zu bytes", max);
		break;
	case OPT_ROOT:
		snprintf(buf, len, "a directory, at most %zu bytes", max);
		break;
	case OPT_ROOTS:
		snprintf(buf, len, "a list of at most %u \"NAME=DIRECTORY\"",
		    OPT_LISTLEN);
		break;
	case OPT_STRINGS:
		snprintf(buf, len, "a list of at most %u strings",
		    OPT_LISTLEN);
		break;
	case OPT_INTS:
		snprintf(buf, len, "a list of at most %u numbers, each %" PRId64
		    " to %" PRId64, OPT_LISTLEN, o->min, o->max);
		break;
	}
}

typedef void (*item_fn)(void *, const struct conf_item *);

static void
each_of(struct conf_item *it, item_fn fn, void *arg)
{
	for (it->opt = it->table->opts; it->opt->name != NULL; it->opt++)
		fn(arg, it);
}

void
conf_each(const struct conf *c, item_fn fn, void *arg)
{
	const struct conf_worker *w;
	struct conf_item it;
	struct conf_top top;
	uint32_t i;

	strlcpy(top.name, c->name, sizeof(top.name));
	top.hang_ms = c->hang_ms;
	top.start_timeout_ms = c->start_timeout_ms;
	top.faults = c->faults;
	top.crash_deaths = c->crash_deaths;
	top.crash_window_s = c->crash_window_s;
	top.standby = c->standby;
	it = (struct conf_item){ .table = &conf_top_table, .base = &top };
	each_of(&it, fn, arg);
	it = (struct conf_item){ "memory", &conf_memory_table, NULL,
	    &c->memory };
	each_of(&it, fn, arg);
	it = (struct conf_item){ "tcp", &conf_tcp_table, NULL, &c->tcp };
	each_of(&it, fn, arg);
	it = (struct conf_item){ "ip", &conf_ip_table, NULL, &c->ip };
	each_of(&it, fn, arg);
	it = (struct conf_item){ "security", &conf_security_table, NULL,
	    &c->security };
	each_of(&it, fn, arg);
	for (i = 0; i < c->nports; i++) {
		it.table = &conf_port_table;
		it.base = &c->ports[i];
		snprintf(it.group, sizeof(it.group), "ports[%u]", i);
		each_of(&it, fn, arg);
	}
	for (i = 0; i < c->nworkers; i++) {
		w = &c->workers[i];
		it.table = &conf_worker_table;
		it.base = w;
		snprintf(it.group, sizeof(it.group), "workers[%u]", i);
		each_of(&it, fn, arg);
		it.table = &conf_fault_table;
		it.base = &w->fault;
		snprintf(it.group, sizeof(it.group), "workers[%u].fault", i);
		if (w->faulty)
			each_of(&it, fn, arg);
		it.table = w->desc->opts;
		it.base = w->options;
		if (it.table == NULL || it.base == NULL)
			continue;
		snprintf(it.group, sizeof(it.group), "workers[%u].%.32s", i,
		    w->desc->name);
		each_of(&it, fn, arg);
	}
}

struct show {
	FILE *out;
	char group[64];
};

/* Prose, indented, broken at blanks so that it fits 100 columns. */
static void
show_prose(FILE *out, const char *text)
{
	const char *p;
	size_t n = strlen(text);

	while (n > SHOW_WIDTH) {
		for (p = text + SHOW_WIDTH; p > text && *p != ' '; p--)
			;
		if (p == text)
			break;		/* one long word */
		fprintf(out, "      %.*s\n", (int)(p - text), text);
		n -= (size_t)(p + 1 - text);
		text = p + 1;
	}
	fprintf(out, "      %s\n", text);
}

/* Value, help and range of an option; a heading for a new group. */
static void
show_item(void *arg, const struct conf_item *it)
{
	char value[OPT_LISTLEN * (OPT_STRLEN + 4)], def[OPT_STRLEN + 8];
	char range[256], line[2 * OPT_STRLEN + 64];
	struct show *s = arg;

	if (strcmp(s->group, it->group) != 0) {
		strlcpy(s->group, it->group, sizeof(s->group));
		fprintf(s->out, "\n%s: %s\n", it->group, it->table->help);
	}
	conf_value(it, value, sizeof(value));
	conf_default(it->opt, def, sizeof(def));
	conf_range(it->opt, range, sizeof(range));
	fprintf(s->out, "  %s = %s\n", it->opt->name, value);
	show_prose(s->out, it->opt->help);
	snprintf(line, sizeof(line), "Default: %s. Allowed: %s.", def, range);
	show_prose(s->out, line);
}

void
conf_show(const struct conf *c, FILE *out)
{
	struct show s = { out, "" };

	fprintf(out, "%s\n", c->file);
	conf_each(c, show_item, &s);
}
