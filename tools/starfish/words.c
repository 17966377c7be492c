/*
 * words: the tables, and the one function that walks them. A verb is a row;
 * parser, help and error messages take all they know from it.
 */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

/* Options that a verb may have. */
#define O_NAME		0x01u
#define O_JSON		0x02u
#define O_WATCH		0x04u
#define O_FILE		0x08u
#define O_DETACH	0x10u
#define O_ADOPT		0x20u
#define O_ADOPT_IF	0x40u
#define O_CPU		0x100u
#define O_COUNT		0x200u
#define O_TIMEOUT	0x400u
#define O_WORKER	0x800u
#define O_CHECK		0x1000u
#define O_READ		(O_NAME | O_JSON | O_WATCH)
#define O_UPGRADE	(O_NAME | O_WORKER | O_CHECK | O_TIMEOUT)

enum arg { ARG_NONE, ARG_SLOT, ARG_SLOT_MORE, ARG_SLOT_OPT, ARG_FILE,
    ARG_FILE_OPT, ARG_TOPIC_OPT, ARG_REST, ARG_GROUP };

struct word {
	const char *word;
	enum verb verb;
	enum arg arg;
	uint32_t options;	/* O_* */
	const struct word *next; /* second words; NULL: this is all */
	const char *help;
};

static const struct word config_words[] = {
	{ "check", VERB_CHECK, ARG_FILE, O_JSON, NULL,
	  "check FILE; say where it is wrong and what is allowed" },
	{ "show", VERB_SHOW, ARG_FILE_OPT, O_NAME | O_JSON, NULL,
	  "every option with value, default and range, of FILE or as it runs" },
	{ .word = NULL }
};

static const struct word words[] = {
	{ "up", VERB_UP, ARG_NONE,
	  O_FILE | O_DETACH | O_ADOPT | O_ADOPT_IF | O_NAME, NULL,
	  "start an instance and watch over it until it is told to end" },
	{ "down", VERB_DOWN, ARG_NONE, O_NAME | O_TIMEOUT, NULL,
	  "end an instance in order; nothing of it is left" },
	{ "status", VERB_STATUS, ARG_NONE, O_READ, NULL,
	  "whether all is well; exit status 0 well, 1 degraded, 2 down" },
	{ "workers", VERB_WORKERS, ARG_NONE, O_READ, NULL, "who sits where" },
	{ "ports", VERB_PORTS, ARG_NONE, O_READ, NULL, "lanes and addresses" },
	{ "buckets", VERB_BUCKETS, ARG_NONE, O_READ, NULL,
	  "which slot owns how many of a group's buckets" },
	{ "conns", VERB_CONNS, ARG_SLOT_OPT, O_READ, NULL,
	  "connections, of all slots or of one" },
	{ "stats", VERB_STATS, ARG_SLOT_OPT, O_READ, NULL,
	  "counters, of all slots or of one; drops by cause" },
	{ "events", VERB_EVENTS, ARG_NONE, O_READ, NULL,
	  "what happened, oldest first; with -w, then what is new" },
	{ "config", VERBS, ARG_NONE, 0, config_words,
	  "check or show a configuration" },
	{ "add", VERB_ADD, ARG_GROUP, O_NAME | O_CPU | O_COUNT, NULL,
	  "start more workers of an entry or service; they get their share" },
	{ "drain", VERB_DRAIN, ARG_SLOT, O_NAME | O_TIMEOUT, NULL,
	  "move a slot's connections to others, then end its worker" },
	{ "remove", VERB_REMOVE, ARG_SLOT, O_NAME | O_TIMEOUT, NULL,
	  "the same; or give up a slot that stays DEAD" },
	{ "rebalance", VERB_REBALANCE, ARG_NONE, O_NAME, NULL,
	  "equal shares of connections for all workers of a group" },
	{ "revive", VERB_REVIVE, ARG_SLOT, O_NAME, NULL,
	  "start a slot again that died too often" },
	{ "restart", VERB_RESTART, ARG_SLOT, O_NAME, NULL, "the same" },
	{ "wget", VERB_WGET, ARG_REST, O_NAME | O_JSON, NULL,
	  "put load on a web server and measure that; wget --help says more" },
	{ "reload", VERB_RELOAD, ARG_NONE, O_FILE | O_NAME, NULL,
	  "take up a changed configuration and document roots" },
	{ "fault", VERB_FAULT, ARG_SLOT_MORE, O_NAME, NULL,
	  "make faults on purpose, for tests: OPTION=VALUE..., or off" },
	{ "audit", VERB_AUDIT, ARG_NONE, O_NAME | O_JSON, NULL,
	  "count buffers, chunks and records; exit status 1 if any is lost" },
	{ "upgrade", VERB_UPGRADE, ARG_NONE, O_UPGRADE, NULL,
	  "replace all workers by another program, with their connections" },
	{ "renew", VERB_RENEW, ARG_NONE, O_NAME, NULL,
	  "after the primary died: end its workers, start a new generation" },
	{ "drill", VERB_DRILL, ARG_REST, 0, NULL,
	  "hurt a lab instance under load and count losses; see drill --help" },
	{ "version", VERB_VERSION, ARG_NONE, O_JSON, NULL,
	  "version, build and layout of shared memory" },
	{ "help", VERB_HELP, ARG_TOPIC_OPT, 0, NULL, "this, or one command, or service [NAME]" },
	{ .word = NULL }
};

static const char *const arg_texts[] = {
	[ARG_NONE] = "", [ARG_SLOT] = " SLOT", [ARG_SLOT_OPT] = " [SLOT]",
	[ARG_SLOT_MORE] = " SLOT OPTION=VALUE...",
	[ARG_FILE] = " FILE", [ARG_FILE_OPT] = " [FILE]",
	[ARG_TOPIC_OPT] = " [COMMAND]", [ARG_REST] = " ...", [ARG_GROUP] = " NAME"
};

static const struct {
	uint32_t option;
	const char *text, *help;
} option_texts[] = {
	{ O_FILE, "-c FILE", "configuration, as config/lab.conf" },
	{ O_DETACH, "--detach", "return when all serve; go on in background" },
	{ O_ADOPT, "--adopt", "take over an instance whose supervisor died" },
	{ O_ADOPT_IF, "--adopt-or-start", "the same if there is one" },
	{ O_CPU, "--cpu N", "CPU of the worker; without it as configured" },
	{ O_COUNT, "--count K", "so many of them; 1 without it" },
	{ O_TIMEOUT, "--timeout SECONDS", "patience; 30; down, upgrade: 2" },
	{ O_NAME, "-n NAME", "the instance; without it the only one" },
	{ O_WORKER, "--worker FILE", "the new starfish-worker" },
	{ O_CHECK, "--check", "only tell what would be done" },
	{ O_JSON, "--json", "as JSON" },
	{ O_WATCH, "-w SECONDS", "again and again, at this interval" },
};

#define NOPTIONS (sizeof(option_texts) / sizeof(option_texts[0]))

/* Names of a table's words for a message. */
static void
list_words(const struct word *t, char *buf, size_t len)
{
	buf[0] = '\0';
	for (; t->word != NULL; t++) {
		strlcat(buf, buf[0] != '\0' ? ", " : "", len);
		strlcat(buf, t->word, len);
	}
}

/* The row that s names, whole or shortened; NULL with a message. */
static const struct word *
find_word(const struct word *t, const char *s, char *err, size_t errlen)
{
	const struct word *w, *found = NULL;
	char all[400];
	uint32_t n = 0;

	for (w = t; w->word != NULL; w++) {
		if (strcmp(w->word, s) == 0)
			return w;
		if (s[0] != '\0' && strncmp(w->word, s, strlen(s)) == 0) {
			found = w;
			n++;
		}
	}
	if (n == 1)
		return found;
	list_words(t, all, sizeof(all));
	if (s[0] == '\0')
		snprintf(err, errlen, "a word is missing: allowed: %s", all);
	else
		snprintf(err, errlen, "%s \"%s\": allowed: %s", n > 1 ?
		    "not clear:" : "no such command:", s, all);
	return NULL;
}

struct parse {
	int argc;
	char *const *argv;
	int at;			/* next argument */
	const char *args[WORDS_MORE + 3]; /* words that are no options */
	int nargs;
	uint32_t options;	/* seen, O_* */
	char *err;
	size_t errlen;
};

/* The value of an option: the rest of the argument, or the next one. */
static const char *
option_value(struct parse *p, const char *opt, const char *rest)
{
	if (rest[0] == '=')
		rest++;
	if (rest[0] != '\0')
		return rest;
	if (p->at < p->argc)
		return p->argv[p->at++];
	snprintf(p->err, p->errlen, "%s: its value is missing", opt);
	return NULL;
}

/* An option with a number. 1: a is one, and right; 0: it is none. */
static int
parse_number(struct parse *p, const char *a, struct request *rq)
{
	static const uint32_t options[] = { O_CPU, O_COUNT, O_TIMEOUT };
	int i = words_number_of(a);
	const char *name, *v;

	if (i < 0)
		return 0;
	name = words_number_names[i];
	v = option_value(p, name, a + strlen(name));
	if (v == NULL || words_number(i, v, rq, p->err, p->errlen) < 0)
		return -EINVAL;
	p->options |= options[i];
	return 1;
}

static int
parse_option(struct parse *p, const char *a, struct request *rq)
{
	const char *v;
	int is = parse_number(p, a, rq);

	if (is != 0)
		return is < 0 ? is : 0;

	if (strcmp(a, "--json") == 0) {
		rq->json = 1;
		p->options |= O_JSON;
		return 0;
	}
	if (strcmp(a, "--detach") == 0) {
		rq->detach = 1;
		p->options |= O_DETACH;
		return 0;
	}
	if (strcmp(a, "--adopt") == 0) {
		rq->adopt = ADOPT_YES;
		p->options |= O_ADOPT;
		return 0;
	}
	if (strcmp(a, "--adopt-or-start") == 0) {
		rq->adopt = ADOPT_IF_THERE;
		p->options |= O_ADOPT_IF;
		return 0;
	}
	if (strcmp(a, "--check") == 0) {
		rq->check = 1;
		p->options |= O_CHECK;
		return 0;
	}
	if (strncmp(a, "--worker", 8) == 0 && (a[8] == '\0' || a[8] == '=')) {
		rq->worker = option_value(p, "--worker", a + 8);
		p->options |= O_WORKER;
		return rq->worker != NULL ? 0 : -EINVAL;
	}
	if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
		rq->help = 1;
		return 0;
	}
	if (strcmp(a, "--version") == 0) {
		p->args[p->nargs++] = "version";
		return 0;
	}
	if (strncmp(a, "--", 2) == 0 || strchr("cnw", a[1]) == NULL) {
		snprintf(p->err, p->errlen, "no such option: \"%s\"", a);
		return -EINVAL;
	}
	v = option_value(p, a, a + 2);
	if (v == NULL)
		return -EINVAL;
	switch (a[1]) {
	case 'c':
		rq->file = v;
		p->options |= O_FILE;
		return 0;
	case 'n':
		rq->name = v;
		p->options |= O_NAME;
		return 0;
	}
	p->options |= O_WATCH;
	if (words_watch(v, rq) == 0)
		return 0;
	snprintf(p->err, p->errlen, "-w %s: allowed 0.1 to 86400 seconds", v);
	return -EINVAL;
}

/* Whether a verb reads what follows it by itself. */
static int
takes_rest(const char *s)
{
	const struct word *w;
	char err[256];

	w = find_word(words, s, err, sizeof(err));
	return w != NULL && w->arg == ARG_REST;
}

static int
parse_all(struct parse *p, struct request *rq)
{
	const char *a;
	int err;

	while (p->at < p->argc) {
		a = p->argv[p->at++];
		if (p->nargs == WORDS_MORE + 3) {
			snprintf(p->err, p->errlen, "too many words: \"%s\"",
			    a);
			return -EINVAL;
		}
		if (a[0] == '-' && a[1] != '\0') {
			err = parse_option(p, a, rq);
			if (err < 0)
				return err;
		} else {
			p->args[p->nargs++] = a;
			if (p->nargs == 1 && takes_rest(a))
				break;
		}
	}
	return 0;
}

/* What follows the verb. */
static int
parse_arg(struct parse *p, const struct word *w, int at, struct request *rq)
{
	const char *s = at < p->nargs ? p->args[at] : NULL, *bad;
	int i, max = w->arg == ARG_TOPIC_OPT ? 2 : w->arg == ARG_SLOT_MORE ?
	    1 + WORDS_MORE : w->arg != ARG_NONE;

	if (p->nargs - at > max) {
		snprintf(p->err, p->errlen, "%s: too many words: \"%s\"",
		    words_name(w->verb), p->args[at + max]);
		return -EINVAL;
	}
	if (s == NULL) {
		if (w->arg != ARG_SLOT && w->arg != ARG_FILE &&
		    w->arg != ARG_SLOT_MORE && w->arg != ARG_GROUP)
			return 0;
		snprintf(p->err, p->errlen, "%s: missing:%s",
		    words_name(w->verb), arg_texts[w->arg]);
		return -EINVAL;
	}
	switch (w->arg) {
	case ARG_SLOT_MORE:
		for (i = at + 1; i < p->nargs; i++)
			rq->more[rq->nmore++] = p->args[i];
		/* FALLTHROUGH */
	case ARG_SLOT:
	case ARG_SLOT_OPT:
		rq->slot = (uint32_t)strtonum(s, 0, BOARD_SLOTS - 1, &bad);
		if (bad == NULL)
			return 0;
		snprintf(p->err, p->errlen, "%s: SLOT \"%s\": allowed 0 to %u",
		    words_name(w->verb), s, BOARD_SLOTS - 1);
		return -EINVAL;
	case ARG_FILE:
	case ARG_FILE_OPT:
		rq->file = s;
		return 0;
	case ARG_GROUP:
		rq->group = s;
		return 0;
	default:
		rq->topic = s;
		rq->subtopic = at + 1 < p->nargs ? p->args[at + 1] : NULL;
		return 0;
	}
}

int
words_parse(int argc, char *const argv[], struct request *rq, char *err,
    size_t errlen)
{
	struct parse p = { .argc = argc, .argv = argv, .err = err,
	    .errlen = errlen };
	const struct word *w;
	uint32_t i;
	int at = 1;

	memset(rq, 0, sizeof(*rq));
	rq->verb = VERB_HELP;
	rq->slot = BOARD_NONE;
	rq->cpu = -1;
	rq->count = 1;
	if (parse_all(&p, rq) < 0)
		return -EINVAL;
	if (p.nargs == 0) {
		if (rq->help)
			return 0;
		find_word(words, "", err, errlen);
		return -EINVAL;
	}
	w = find_word(words, p.args[0], err, errlen);
	if (w != NULL && w->next != NULL) {
		if (rq->help && p.nargs == 1) {
			rq->topic = w->word;
			return 0;
		}
		w = find_word(w->next, p.nargs > 1 ? p.args[1] : "", err,
		    errlen);
		at = 2;
	}
	if (w == NULL)
		return -EINVAL;
	rq->verb = w->verb;
	if (rq->help) {
		rq->verb = VERB_HELP;
		rq->topic = p.args[0];
		return 0;
	}
	for (i = 0; i < NOPTIONS; i++)
		if (p.options & ~w->options & option_texts[i].option) {
			snprintf(err, errlen, "%s: %s is not for this command",
			    words_name(w->verb), option_texts[i].text);
			return -EINVAL;
		}
	rq->argc = argc - p.at;
	rq->argv = argv + p.at;
	if (parse_arg(&p, w, at, rq) < 0)
		return -EINVAL;
	return words_check(rq, err, errlen);
}

const char *
words_name(enum verb v)
{
	const struct word *w;

	if (v == VERB_CHECK)
		return "config check";
	if (v == VERB_SHOW)
		return "config show";
	for (w = words; w->word != NULL; w++)
		if (w->verb == v)
			return w->word;
	return "starfish";
}

/* One row, as "starfish stats [SLOT] [-n NAME] ...". */
static void
help_row(const struct word *w, const char *before, FILE *out)
{
	uint32_t i;

	fprintf(out, "starfish %s%s%s", before, w->word, arg_texts[w->arg]);
	for (i = 0; i < NOPTIONS; i++)
		if (w->options & option_texts[i].option)
			fprintf(out, i == 0 ? " %s" : " [%s]",
			    option_texts[i].text);
	fprintf(out, "\n    %s\n", w->help);
}

static void
help_all(FILE *out)
{
	const struct word *w, *n;
	char name[32];

	fprintf(out, "usage: starfish COMMAND [OPTIONS]\n\n");
	for (w = words; w->word != NULL; w++) {
		if (w->next == NULL) {
			snprintf(name, sizeof(name), "%s%s", w->word,
			    arg_texts[w->arg]);
			fprintf(out, "  %-20s %s\n", name, w->help);
			continue;
		}
		for (n = w->next; n->word != NULL; n++) {
			snprintf(name, sizeof(name), "%s %s%s", w->word,
			    n->word, arg_texts[n->arg]);
			fprintf(out, "  %-20s %s\n", name, n->help);
		}
	}
	fprintf(out, "\nstarfish help COMMAND says more. Commands may be "
	    "shortened.\n");
}

int
words_help(const char *topic, FILE *out)
{
	const struct word *w, *n;
	char err[256], before[32];
	uint32_t i, seen = 0;

	if (topic == NULL) {
		help_all(out);
		return 0;
	}
	w = find_word(words, topic, err, sizeof(err));
	if (w == NULL)
		return -ENOENT;
	if (w->next == NULL) {
		help_row(w, "", out);
		seen = w->options;
	}
	snprintf(before, sizeof(before), "%s ", w->word);
	for (n = w->next; n != NULL && n->word != NULL; n++) {
		help_row(n, before, out);
		seen |= n->options;
	}
	for (i = 0; i < NOPTIONS; i++)
		if (seen & option_texts[i].option)
			fprintf(out, "  %-12s %s\n", option_texts[i].text,
			    option_texts[i].help);
	return 0;
}
