/*
 * view: what the reading commands show. One noun per file, each with a text
 * of at most 100 columns and a JSON value.
 */
#ifndef STARFISH_VIEW_H
#define STARFISH_VIEW_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "inst.h"
#include "words.h"

#define VIEW_COLS	100	/* columns of a text */
#define VIEW_SPREAD	6u	/* counters of a dispatched port */
#define VIEW_WRITERS	(BOARD_SLOTS + 2) /* rings of events */

/* Counters at one moment: a slot's, or the sum of all. */
struct view_counts {
	uint64_t time_us;	/* CLOCK_MONOTONIC; 0: none taken */
	uint64_t c[CNT_MAX];
	uint64_t svc[BOARD_GROUPS][SVC_COUNTERS];
	uint64_t spread[BOARD_PORTS][VIEW_SPREAD]; /* dispatched ports */
};

struct view {
	const struct request *rq;
	struct inst in;		/* looked at just now */
	struct view_counts last; /* stats -w: for rates */
	uint64_t seen[VIEW_WRITERS]; /* events -w: shown so far */
};

/* Text to out; JSON as a new value, NULL without memory. */
void	status_text(struct view *v, FILE *out);
json_t	*status_json(struct view *v);
void	workers_text(struct view *v, FILE *out);
json_t	*workers_json(struct view *v);
void	ports_text(struct view *v, FILE *out);
json_t	*ports_json(struct view *v);
void	buckets_text(struct view *v, FILE *out);
json_t	*buckets_json(struct view *v);
void	conns_text(struct view *v, FILE *out);
json_t	*conns_json(struct view *v);
void	stats_text(struct view *v, FILE *out);
json_t	*stats_json(struct view *v);
void	events_text(struct view *v, FILE *out);
json_t	*events_json(struct view *v);

/* ---- helpers ---- */

/* One worker as in status --json. */
json_t	*view_worker_json(const struct inst_slot *s);
/* What faults are made in a slot, as text; "": none. */
void	fault_text(const struct board_slot *b, char *buf, size_t len);
/* The table of workers. */
void	view_workers(const struct inst *in, FILE *out);
/* What workers counted last, and what of it is lost in all. */
json_t	*audit_json(const struct inst *in, int64_t *lost);
/* The same as a table; whether anything is lost. */
int	audit_text(const struct inst *in, FILE *out);
int64_t	audit_lost(const struct board_account *a);
/* Have all living workers count; 0 or -errno, said why. */
int	audit_ask(struct inst *in);
/* One line for all drops, by cause; "" if there are none. */
void	view_drops(const struct inst *in, char *buf, size_t len);
/* Frames that all slots dropped for one cause. */
uint64_t view_sum(const struct inst *in, enum counter c);
/* Whether a counter counts lost frames. */
int	view_is_drop(enum counter c);
/* "3 h 12 min", "45 s". */
void	view_age(uint64_t us, char *buf, size_t len);
/* "17", "1.2k", "3.4M": 1000 is k. */
void	view_short(uint64_t n, char *buf, size_t len);

#endif
