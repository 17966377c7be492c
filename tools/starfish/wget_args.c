/*
 * wget_args: the command line of `starfish wget`, from the service's table of
 * options: what is in a configuration is an option here, "keep_alive" as
 * --keep-alive.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "inst.h"
#include "wget.h"

#define RATE_CONNS	64	/* concurrency of an open loop, if not given */

static const struct opt *
find(const struct wget_args *a, const char *name, uint32_t *index)
{
	const struct opt *o;
	const char *p, *q;

	for (o = a->table->opts; o->name != NULL; o++) {
		for (p = name, q = o->name; *p != '\0' && (*p == *q ||
		    (*p == '-' && *q == '_')); p++, q++)
			;
		/* the unit need not be said: --duration, --timeout do not
		 * differ by it */
		if (*p == '\0' && (*q == '\0' || strcmp(q, "_s") == 0)) {
			if (index != NULL)
				*index = (uint32_t)(o - a->table->opts);
			return o;
		}
	}
	return NULL;
}

int64_t
wget_int(const struct wget_args *a, const char *name)
{
	const struct opt *o = find(a, name, NULL);
	int64_t v;

	memcpy(&v, a->conf + o->offset, sizeof(v));
	return v;
}

char *
wget_string(struct wget_args *a, const char *name)
{
	return (char *)a->conf + find(a, name, NULL)->offset;
}

static void
set_int(struct wget_args *a, const char *name, int64_t v)
{
	memcpy(a->conf + find(a, name, NULL)->offset, &v, sizeof(v));
}

static int
given(const struct wget_args *a, const char *name)
{
	uint32_t i;

	find(a, name, &i);
	return (a->given >> i & 1) != 0;
}

static void
defaults(struct wget_args *a)
{
	const struct opt *o;
	int32_t e;

	for (o = a->table->opts; o->name != NULL; o++) {
		if (o->type == OPT_INT)
			set_int(a, o->name, o->def);
		else if (o->type == OPT_ENUM && (e = (int32_t)o->def) >= 0)
			memcpy(a->conf + o->offset, &e, sizeof(e));
		else if (o->type == OPT_BOOL)
			a->conf[o->offset] = (uint8_t)o->def;
	}
}

/* One of words as a number; err names them all. */
static int
set_enum(struct wget_args *a, const struct opt *o, const char *v, char *err,
    size_t errlen)
{
	int32_t i;

	for (i = 0; o->words[i] != NULL; i++) {
		if (strcasecmp(o->words[i], v) == 0) {
			memcpy(a->conf + o->offset, &i, sizeof(i));
			return 0;
		}
	}
	snprintf(err, errlen, "wget: --%s %s: allowed:", o->name, v);
	for (i = 0; o->words[i] != NULL; i++) {
		strlcat(err, " ", errlen);
		strlcat(err, o->words[i], errlen);
	}
	return -EINVAL;
}

static int
set(struct wget_args *a, const struct opt *o, const char *v, char *err,
    size_t errlen)
{
	const char *why, *p;

	if (o->type == OPT_ENUM)
		return set_enum(a, o, v, err, errlen);
	if (o->type == OPT_INT) {
		set_int(a, o->name, strtonum(v, o->min, o->max, &why));
		if (why == NULL)
			return 0;
		snprintf(err, errlen, "wget: --%s %s: allowed: %" PRId64
		    " to %" PRId64, o->name, v, o->min, o->max);
		return -EINVAL;
	}
	for (p = v; isprint((unsigned char)*p); p++)
		;
	if (*p == '\0' && strlen(v) < OPT_STRLEN) {
		strlcpy((char *)a->conf + o->offset, v, OPT_STRLEN);
		return 0;
	}
	snprintf(err, errlen, "wget: %s: at most %d printable characters",
	    o->name, OPT_STRLEN - 1);
	return -EINVAL;
}

/* What makes sense together, and was not said. */
static int
complete(struct wget_args *a, char *err, size_t errlen)
{
	char path[4096], *s;
	const char *name;

	a->conf[find(a, "hold", NULL)->offset] = 1;
	if (!given(a, "flows") && wget_int(a, "duration_s") > 0)
		set_int(a, "flows", 0);
	if (!given(a, "concurrency") && wget_int(a, "rate") > 0)
		set_int(a, "concurrency", RATE_CONNS);
	/* the workers have another directory than we */
	for (name = "save"; name != NULL;
	    name = strcmp(name, "save") == 0 ? "verify" : NULL) {
		s = wget_string(a, name);
		if (s[0] == '\0' || s[0] == '/' ||
		    (strcmp(name, "verify") == 0 && strspn(s,
		    "0123456789abcdefABCDEF") == 64 && s[64] == '\0'))
			continue;
		if (getcwd(path, sizeof(path)) == NULL ||
		    strlcat(path, "/", sizeof(path)) >= sizeof(path) ||
		    strlcat(path, s, sizeof(path)) >= sizeof(path) ||
		    strlcpy(s, path, OPT_STRLEN) >= OPT_STRLEN) {
			snprintf(err, errlen, "wget: --%s %s: the path is too "
			    "long: at most %d characters", name, s,
			    OPT_STRLEN - 1);
			return -EINVAL;
		}
	}
	return 0;
}

/* An option with two dashes. Returns how many arguments it took, -EINVAL. */
static int
long_option(struct wget_args *a, const char *arg, const char *next, char *err,
    size_t errlen)
{
	const char *v = strchr(arg, '='), *bad;
	const struct opt *o;
	char name[64];
	uint32_t i = 0;
	int took = v == NULL ? 2 : 1;

	snprintf(name, sizeof(name), "%.*s", (int)(v == NULL ? strlen(arg) :
	    (size_t)(v - arg)) - 2, arg + 2);
	if (strcmp(name, "json") == 0 && v == NULL)
		return a->json = 1;
	if (strcmp(name, "help") == 0 && v == NULL)
		return a->help = 1;
	v = v == NULL ? next : v + 1;
	o = find(a, name, &i);
	if (o != NULL && o->type == OPT_BOOL && strcmp(o->name, "hold") != 0) {
		a->conf[o->offset] = 1;
		return 1;
	}
	snprintf(err, errlen, "wget: no such option: \"%s\"; see starfish "
	    "wget --help", arg);
	if ((o == NULL && strcmp(name, "workers") != 0) ||
	    (o != NULL && (o->type == OPT_BOOL ||
	    strcmp(o->name, "url") == 0)))
		return -EINVAL;
	snprintf(err, errlen, "wget: %s: its value is missing", arg);
	if (v == NULL)
		return -EINVAL;
	if (o == NULL) {
		a->workers = (uint32_t)strtonum(v, 1, WGET_WORKERS, &bad);
		snprintf(err, errlen, "wget: --workers %s: allowed: 1 to %u",
		    v, WGET_WORKERS);
		return bad == NULL ? took : -EINVAL;
	}
	a->given |= UINT64_C(1) << i;
	return set(a, o, v, err, errlen) < 0 ? -EINVAL : took;
}

int
wget_args(struct wget_args *a, int argc, char *const argv[], char *err,
    size_t errlen)
{
	char *url;
	int i, n;

	a->table = inst_service("wget")->opts;
	a->workers = 1;
	defaults(a);
	url = wget_string(a, "url");
	for (i = 0; i < argc; i += n) {
		n = 1;
		if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
			a->name = argv[i + 1];
			n = 2;
		} else if (strcmp(argv[i], "-h") == 0) {
			a->help = 1;
		} else if (strncmp(argv[i], "--", 2) == 0) {
			n = long_option(a, argv[i], i + 1 < argc ?
			    argv[i + 1] : NULL, err, errlen);
			if (n < 0)
				return n;
		} else if (argv[i][0] == '-' || url[0] != '\0') {
			snprintf(err, errlen, "wget: \"%s\": not understood; "
			    "see starfish wget --help", argv[i]);
			return -EINVAL;
		} else if (set(a, find(a, "url", NULL), argv[i], err,
		    errlen) < 0) {
			return -EINVAL;
		}
	}
	if (a->help)
		return 0;
	if (url[0] == '\0') {
		snprintf(err, errlen, "wget: missing: URL");
		return -EINVAL;
	}
	return complete(a, err, errlen);
}

/* A string of a configuration. */
static void
write_string(const char *s, FILE *f)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

void
wget_write(const struct wget_args *a, FILE *f)
{
	const struct opt *o;
	const uint8_t *at;
	int32_t e;

	fprintf(f, "wget = {\n");
	for (o = a->table->opts; o->name != NULL; o++) {
		at = a->conf + o->offset;
		fprintf(f, "\t%s = ", o->name);
		if (o->type == OPT_INT) {
			fprintf(f, "%" PRId64 "L", wget_int(a, o->name));
		} else if (o->type == OPT_BOOL) {
			fprintf(f, "%s", *at ? "true" : "false");
		} else if (o->type == OPT_ENUM) {
			memcpy(&e, at, sizeof(e));
			write_string(o->words[e], f);
		} else {
			write_string((const char *)at, f);
		}
		fprintf(f, ";\n");
	}
	fprintf(f, "};\n");
}

/* Text in lines of 78 columns, each begun by blanks. */
static void
wrap(const char *text, FILE *out)
{
	size_t n, room = 70;

	while (*text != '\0') {
		n = strlen(text);
		if (n > room) {
			for (n = room; n > 0 && text[n] != ' '; n--)
				;
			n = n == 0 ? room : n;
		}
		fprintf(out, "        %.*s\n", (int)n, text);
		text += n + (text[n] == ' ');
	}
}

void
wget_help(FILE *out)
{
	const struct optgroup *g = inst_service("wget")->opts;
	const struct opt *o;
	char name[64];
	uint32_t i;

	fprintf(out, "starfish wget URL [OPTIONS]\n"
	    "    fetch a URL over and over and measure that\n\n"
	    "The work is done by workers of the instance -n NAME, or of the "
	    "only one that runs,\nwhose `wget` names no url; else an instance "
	    "of its own is brought up, on a tap\ninterface, and goes "
	    "afterwards. From there\nlocalhost is the tap's other end: a "
	    "server that listens on 127.0.0.1 only is not\nreached. Exit status: 0 all went well, 1 something\nfailed, 2 "
	    "it could not be run.\n\n");
	for (o = g->opts; o->name != NULL; o++) {
		if (strcmp(o->name, "url") == 0 ||
		    strcmp(o->name, "hold") == 0 ||
		    strcmp(o->name, "address") == 0)
			continue;
		strlcpy(name, o->name, sizeof(name));
		for (i = 0; name[i] != '\0'; i++)
			if (name[i] == '_')
				name[i] = '-';
		if (strcmp(name, "duration-s") == 0)
			name[strlen(name) - 2] = '\0';
		fprintf(out, "    --%s%s\n", name, o->type == OPT_BOOL ? "" :
		    o->type == OPT_INT ? " N" : " WORD");
		wrap(o->help, out);
	}
	fprintf(out, "    --workers N\n        Workers of an instance of its "
	    "own, 1 to %u.\n    --json\n        The result as JSON, on "
	    "standard output; the rest goes to standard error.\n",
	    WGET_WORKERS);
}
