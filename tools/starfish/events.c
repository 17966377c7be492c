/*
 * events: each process writes a ring of its own; here they are merged by
 * time. With -w only what is new is shown.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bsd/string.h>

#include "view.h"

#define EVENTS_MAX	(VIEW_WRITERS * BOARD_EVENTS)

static const char *const levels[] = { "info", "warning", "error" };

struct row {
	struct board_event e;
	char from[16];		/* "primary", "supervisor", "slot 3" */
};

/*
 * Copy what one writer wrote since *seen. Events that it wrote over while
 * they were copied are left out: their text may be two halves.
 */
static uint32_t
take_ring(const struct board_events *ring, const char *from, uint64_t *seen,
    struct row *rows)
{
	uint64_t n, i, first;
	uint32_t k = 0;

	/* pairs with board_event(): what is counted is whole */
	n = atomic_load_explicit(&ring->n, memory_order_acquire);
	first = n > BOARD_EVENTS ? n - BOARD_EVENTS : 0;
	if (first < *seen)
		first = *seen;
	for (i = first; i < n; i++) {
		rows[k].e = ring->e[i % BOARD_EVENTS];
		rows[k].e.text[sizeof(rows[k].e.text) - 1] = '\0';
		inst_clean(rows[k].e.text);
		strlcpy(rows[k].from, from, sizeof(rows[k].from));
		/* the copy is read before the count is */
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&ring->n, memory_order_relaxed) <
		    i + BOARD_EVENTS)
			k++;
	}
	*seen = n;
	return k;
}

static int
by_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return (x->e.time_us > y->e.time_us) - (x->e.time_us < y->e.time_us);
}

static uint32_t
take_all(struct view *v, struct row *rows)
{
	const struct board *b = v->in.board;
	char from[16];
	uint32_t i, n;

	n = take_ring(&b->events, "primary", &v->seen[0], rows);
	n += take_ring(&b->super_events, "supervisor", &v->seen[1], rows + n);
	for (i = 0; i < v->in.nslots; i++) {
		snprintf(from, sizeof(from), "slot %u", i);
		n += take_ring(&b->slot[i].events, from, &v->seen[2 + i],
		    rows + n);
	}
	qsort(rows, n, sizeof(*rows), by_time);
	return n;
}

static void
print_event(const struct row *r, FILE *out)
{
	char when[32], head[96];
	time_t s = (time_t)(r->e.time_us / 1000000);
	const char *text = r->e.text;
	struct tm tm;
	int indent, room;

	localtime_r(&s, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	indent = snprintf(head, sizeof(head), "%s.%03u %-10s %s", when,
	    (unsigned)(r->e.time_us / 1000 % 1000), r->from,
	    r->e.level == 0 ? "" : r->e.level == 1 ? "warning: " : "error: ");
	fputs(head, out);
	room = VIEW_COLS - indent;
	/* what does not fit goes on in the next line */
	for (; (int)strlen(text) > room; text += room)
		fprintf(out, "%.*s\n%*s", room, text, indent, "");
	fprintf(out, "%s\n", text);
}

void
events_text(struct view *v, FILE *out)
{
	static struct row rows[EVENTS_MAX];
	uint32_t i, n = take_all(v, rows);

	for (i = 0; i < n; i++)
		print_event(&rows[i], out);
}

json_t *
events_json(struct view *v)
{
	static struct row rows[EVENTS_MAX];
	json_t *list = json_array();
	uint32_t i, n = take_all(v, rows);

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:i, "
		    "s:s}",
		    "time_us", (json_int_t)rows[i].e.time_us,
		    "from", rows[i].from,
		    "level", rows[i].e.level < 3 ? levels[rows[i].e.level] :
		    "?",
		    "slot", rows[i].e.slot == BOARD_NONE ? -1 :
		    (int)rows[i].e.slot,
		    "text", rows[i].e.text));
	return list;
}
