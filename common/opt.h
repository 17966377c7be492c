/*
 * opt: option tables. One row gives an option's name, type, default, range,
 * unit and help to the parser, to `starfish config show` and to the manual.
 * A table fills a typed struct that its owner declares.
 *
 * Pure data: the parser (config/) and the services (secondary/svc) share it.
 */
#ifndef COMMON_OPT_H
#define COMMON_OPT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OPT_STRLEN	256	/* bytes of a string value with its NUL */
#define OPT_LISTLEN	16	/* most entries of a list value */

enum opt_type {
	OPT_BOOL,	/* uint8_t, 0 or 1 */
	OPT_INT,	/* int64_t within [min, max] */
	OPT_STRING,	/* char[OPT_STRLEN], or max + 1 bytes at least */
	OPT_ENUM,	/* int32_t, index into words */
	OPT_STRINGS,	/* struct opt_list of strings */
	OPT_INTS,	/* struct opt_ints, each within [min, max] */
	OPT_ROOT,	/* char[OPT_STRLEN]: a directory that the primary
			   loads into the shared file cache */
	OPT_ROOTS,	/* struct opt_list of "NAME=DIRECTORY": as ROOT, each
			   with a name */
};

/* A list of strings; n entries are used. */
struct opt_list {
	uint32_t n;
	char s[OPT_LISTLEN][OPT_STRLEN];
};

/* A list of integers; n entries are used. */
struct opt_ints {
	uint32_t n;
	int32_t v[OPT_LISTLEN];
};

struct opt {
	const char *name;	/* key in the configuration file */
	enum opt_type type;
	size_t offset;		/* of the member in the owner's struct */
	int64_t def;		/* default of BOOL, INT, ENUM */
	int64_t min, max;	/* allowed range of INT and INTS, inclusive;
				   STRING: max is the most bytes */
	const char *defstr;	/* default of STRING, ROOT, or a STRINGS list
				   of one; NULL: empty */
	const char *unit;	/* "ms", "bytes", ... or NULL */
	const char *const *words; /* ENUM: NULL-terminated names */
	const char *help;	/* one sentence */
	uint8_t live;		/* may change while the service runs */
};

/*
 * Directory number i of a ROOT or ROOTS option in the owner's struct at base;
 * NULL: there are no more, or the option is of another type.
 */
static inline const char *
opt_root(const struct opt *o, const void *base, uint32_t i)
{
	const char *p = (const char *)base + o->offset, *s;
	const struct opt_list *list = (const struct opt_list *)(const void *)p;

	if (o->type == OPT_ROOT)
		return i == 0 && p[0] != '\0' ? p : NULL;
	if (o->type != OPT_ROOTS || i >= list->n)
		return NULL;
	s = strchr(list->s[i], '=');
	return s != NULL ? s + 1 : list->s[i];
}

/* A group of options, and the struct that it fills. */
struct optgroup {
	const char *name;	/* group's key, e.g. "http" */
	const char *help;	/* one sentence */
	size_t size;		/* of the struct */
	const struct opt *opts;	/* ends with a row whose name is NULL */
};

/* Names, types and places of all options: equal for programs that understand
 * each other's struct. FNV-1a. */
static inline uint64_t
opt_hash(const struct optgroup *g)
{
	uint64_t h = 0xcbf29ce484222325u;
	const struct opt *o;
	const char *c;

	for (o = g->opts; o->name != NULL; o++) {
		for (c = o->name; *c != '\0'; c++)
			h = (h ^ (uint8_t)*c) * 0x100000001b3u;
		h = (h ^ (uint64_t)o->type) * 0x100000001b3u;
		h = (h ^ (uint64_t)o->offset) * 0x100000001b3u;
	}
	return (h ^ g->size) * 0x100000001b3u;
}

/*
 * What the control tool needs to know of a service: its option group and its
 * counters. Each secondary/svc/NAME.c exports one as NAME_desc; the build
 * gathers them in svc_descs[], which ends with NULL.
 */
#define SVC_COUNTERS	32u	/* most counters of one service */

struct svc_counter {
	const char *name;	/* as in `starfish stats`, e.g. "requests" */
	const char *help;
};

/*
 * What becomes of a service's objects (secondary/net/obj.h) when its slot is
 * drained: they belong to the slot, so they go to one other slot of the group,
 * or they are dropped.
 */
enum svc_objects {
	OBJECTS_NONE,	/* it has none: the arena has no room for any */
	OBJECTS_MOVE,
	OBJECTS_DROP,
};

struct svc_desc {
	const char *name;	/* service's name in the configuration */
	const char *help;	/* one sentence */
	const struct optgroup *opts;
	const struct svc_counter *counters; /* ends with name NULL */
	uint32_t state_size;	/* bytes of state in each connection */
	uint8_t client;		/* opens connections itself, as struct
				   service says too: needs no `listen` */
	/* What is wrong with these options beyond single values, or NULL.
	 * NULL: nothing can be. */
	const char *(*check)(const void *conf);
	uint8_t objects;	/* enum svc_objects */
	uint8_t count_max;	/* most slots of a group; 0: no limit */
	uint8_t stays;		/* connections cannot go to another slot: too
				   much is kept of them outside of their
				   state */
};

extern const struct svc_desc *const svc_descs[];

#endif
