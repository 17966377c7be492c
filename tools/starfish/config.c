/*
 * config check, config show: configurations, without starting anything.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "../../common/ctl.h"
#include "../../config/conf.h"
#include "inst.h"
#include "rundir.h"
#include "super.h"
#include "verbs.h"

static void
print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

/* The lines of a text as a list. */
static json_t *
lines_json(const char *text)
{
	json_t *list = json_array();
	size_t n;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_array_append_new(list, json_stringn(text, n));
	}
	return list;
}

static int
check(const struct request *rq)
{
	static struct conf c;
	char err[CONF_ERRLEN];
	int error;

	error = conf_load(&c, rq->file, svc_descs, err, sizeof(err));
	if (rq->json) {
		print_json(json_pack("{s:s, s:b, s:o, s:o}", "file", rq->file,
		    "ok", error == 0, "errors", lines_json(err),
		    "warnings", lines_json(c.warnings)));
	} else if (error < 0) {
		fprintf(stderr, "%s\n", err);
	} else {
		if (c.warnings[0] != '\0')
			fprintf(stderr, "%s\n", c.warnings);
		printf("%s: ok: %s, %u port%s, %u slot%s, %" PRIu64 " MB of "
		    "hugepages beside the document roots\n", rq->file, c.name,
		    c.nports, c.nports == 1 ? "" : "s", c.nslots,
		    c.nslots == 1 ? "" : "s",
		    conf_hugepage_bytes(&c, 0) >> 20);
	}
	if (error == 0)
		conf_free(&c);
	return error < 0;
}

static json_t *
value_json(const struct conf_item *it)
{
	const void *p = (const char *)it->base + it->opt->offset;
	const struct opt_list *strings = p;
	const struct opt_ints *ints = p;
	json_t *list;
	uint32_t i;

	switch (it->opt->type) {
	case OPT_BOOL:
		return json_boolean(*(const uint8_t *)p);
	case OPT_INT:
		return json_integer(*(const int64_t *)p);
	case OPT_ENUM:
		return json_string(it->opt->words[*(const int32_t *)p]);
	case OPT_STRING:
	case OPT_ROOT:
		return json_string(p);
	case OPT_STRINGS:
	case OPT_ROOTS:
		list = json_array();
		for (i = 0; i < strings->n; i++)
			json_array_append_new(list,
			    json_string(strings->s[i]));
		return list;
	case OPT_INTS:
		list = json_array();
		for (i = 0; i < ints->n; i++)
			json_array_append_new(list, json_integer(ints->v[i]));
		return list;
	}
	return json_null();
}

static void
add_item(void *arg, const struct conf_item *it)
{
	char def[OPT_STRLEN + 8], range[256];
	json_t *list = arg;

	conf_default(it->opt, def, sizeof(def));
	conf_range(it->opt, range, sizeof(range));
	json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s, s:s, s:s,"
	    " s:s}", "group", it->group, "option", it->opt->name,
	    "value", value_json(it), "default", def, "allowed", range,
	    "unit", it->opt->unit != NULL ? it->opt->unit : "",
	    "help", it->opt->help));
}

static int
show(const struct request *rq)
{
	static struct conf c;
	char err[1024], name[BOARD_NAME], dir[BOARD_PATH];
	char path[BOARD_PATH + 8];
	const char *file = rq->file;
	struct board *b;
	json_t *list;

	if (file == NULL) {
		if (inst_choose(name, rq->name, err, sizeof(err)) < 0) {
			fprintf(stderr, "starfish: %s; or name a file: "
			    "starfish config show FILE\n", err);
			return 1;
		}
		if (board_dir(dir, sizeof(dir), name) < 0)
			return 1;
		snprintf(path, sizeof(path), "%s/" CTL_CONF, dir);
		file = path;
	}
	if (conf_load(&c, file, svc_descs, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	/* as it runs, a reload's changes included */
	if (rq->file == NULL && board_open(&b, name, 0, 0) == 0) {
		reload_overlay(b, &c);
		board_close(b);
	}
	if (rq->json) {
		list = json_array();
		conf_each(&c, add_item, list);
		print_json(list);
	} else {
		conf_show(&c, stdout);
	}
	conf_free(&c);
	return 0;
}

int
verb_config(const struct request *rq)
{
	return rq->verb == VERB_CHECK ? check(rq) : show(rq);
}

int
verb_version(const struct request *rq)
{
	if (rq->json)
		print_json(json_pack("{s:s, s:I}", "version", build_version,
		    "layout", (json_int_t)layout_hash));
	else
		printf("starfish %s, layout %016" PRIx64 "\n", build_version,
		    layout_hash);
	return 0;
}
