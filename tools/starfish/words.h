/*
 * words: the command line as tables of words.
 */
#ifndef STARFISH_WORDS_H
#define STARFISH_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../common/board.h"

enum verb {
	VERB_UP,
	VERB_DOWN,
	VERB_STATUS,
	VERB_WORKERS,
	VERB_PORTS,
	VERB_BUCKETS,
	VERB_CONNS,
	VERB_STATS,
	VERB_EVENTS,
	VERB_CHECK,		/* config check */
	VERB_SHOW,		/* config show */
	VERB_ADD,
	VERB_DRAIN,
	VERB_REMOVE,
	VERB_REBALANCE,
	VERB_RESTART,
	VERB_WGET,
	VERB_RELOAD,
	VERB_FAULT,
	VERB_REVIVE,
	VERB_AUDIT,
	VERB_UPGRADE,
	VERB_RENEW,
	VERB_DRILL,
	VERB_VERSION,
	VERB_HELP,
	VERBS
};

/* What `up` does about an instance whose supervisor is dead. */
enum up_adopt {
	ADOPT_NO,		/* refuses to start, says what to do */
	ADOPT_YES,		/* takes it over, or fails */
	ADOPT_IF_THERE		/* takes it over, or starts anew */
};

#define WORDS_MORE	16

/* What a command line asks for. */
struct request {
	enum verb verb;
	const char *name;	/* -n; NULL: the only instance */
	const char *file;	/* -c, or the FILE of config; NULL: none */
	const char *topic;	/* help of this word; NULL: of all */
	const char *subtopic;	/* "help service NAME"; NULL: none */
	int argc;		/* wget, drill: what follows, as it stands */
	char *const *argv;
	uint32_t slot;		/* BOARD_NONE: all */
	const char *more[WORDS_MORE]; /* words behind SLOT, and how many */
	uint32_t nmore;
	uint32_t watch_ms;	/* -w; 0: once */
	const char *group;	/* add: a worker entry or service */
	uint32_t count;		/* add */
	int32_t cpu;		/* add; -1: as configured */
	uint32_t timeout_ms;	/* drain, remove, down, upgrade; 0: as
				   usual */
	uint8_t json;
	uint8_t detach;
	uint8_t check;		/* upgrade: only tell what would be done */
	const char *worker;	/* upgrade: program file; NULL: none */
	uint8_t adopt;		/* up: enum up_adopt */
	uint8_t help;		/* --help: show the verb's help instead */
};

/*
 * Read a command line without its program name. A word may be shortened as
 * long as it is clear. 0, or -EINVAL with what is wrong, and what is allowed,
 * in err. The strings of rq are those of argv.
 */
int	words_parse(int argc, char *const argv[], struct request *rq,
	    char *err, size_t errlen);

/* Whether what `up` or `upgrade` was given fits together. 0, or -EINVAL with
 * what is wrong in err. */
int	words_check(const struct request *rq, char *err, size_t errlen);

/* Show what the command does, or of one word; 0, or -ENOENT no such word. */
int	words_help(const char *topic, FILE *out);

/* The word of a verb, as "config check". */
const char *words_name(enum verb v);

/* ---- words_num.c, for words.c ---- */

extern const char *const words_number_names[];
/* Which of those names a begins with; -1: none. */
int	words_number_of(const char *a);
/* Store the seconds of -w. 0 or -EINVAL. */
int	words_watch(const char *s, struct request *rq);
/* Store the value v of option i. 0, or -EINVAL with what is allowed. */
int	words_number(int i, const char *v, struct request *rq, char *err,
	    size_t errlen);

#endif
