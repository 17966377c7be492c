/*
 * audit: does everything add up? Workers count what they have; free and held
 * are counted apart.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include <jansson.h>

#include "inst.h"
#include "verbs.h"
#include "view.h"

#define ANSWER_MS	2000	/* patience with workers */

static const struct board_audit *
audit_of(const struct inst *in, uint32_t slot)
{
	return &in->board->slot[slot].worker.audit;
}

/* Whether the worker of a slot has answered the last question. */
static int
answered(const struct inst *in, uint32_t i)
{
	const struct board_slot *b = &in->board->slot[i];

	return atomic_load_explicit(&b->worker.audit.seq,
	    memory_order_acquire) == atomic_load(&b->super.audit);
}

int64_t
audit_lost(const struct board_account *a)
{
	return (int64_t)a->total - a->free - a->held;
}

/* Ask all that live; 0, or -ETIMEDOUT if one does not answer. */
static int
ask_all(struct inst *in)
{
	uint64_t end = board_mono_us() + ANSWER_MS * 1000;
	uint32_t i;

	for (i = 0; i < in->nslots; i++) {
		while (in->slot[i].alive && !answered(in, i)) {
			if (board_mono_us() > end)
				return -ETIMEDOUT;
			poll(NULL, 0, 2);
		}
	}
	return 0;
}

static json_t *
account_json(const struct board_account *a)
{
	return json_pack("{s:I, s:I, s:I, s:I}",
	    "total", (json_int_t)a->total, "free", (json_int_t)a->free,
	    "held", (json_int_t)a->held, "lost", (json_int_t)audit_lost(a));
}

json_t *
audit_json(const struct inst *in, int64_t *lost)
{
	const struct board_audit *a;
	json_t *list = json_array();
	uint32_t i;

	*lost = 0;
	for (i = 0; i < in->nslots; i++) {
		a = audit_of(in, i);
		if (atomic_load(&a->seq) == 0)
			continue;
		*lost += audit_lost(&a->frames) + audit_lost(&a->chunks) +
		    audit_lost(&a->records);
		json_array_append_new(list, json_pack(
		    "{s:i, s:b, s:I, s:i, s:o, s:o, s:o}",
		    "slot", (int)i, "fresh", answered(in, i),
		    "time_us", (json_int_t)a->time_us,
		    "took_us", (int)a->took_us,
		    "buffers", account_json(&a->frames),
		    "chunks", account_json(&a->chunks),
		    "records", account_json(&a->records)));
	}
	return list;
}

static void
row(const struct inst *in, uint32_t slot, const char *what,
    const struct board_account *a, FILE *out)
{
	fprintf(out, "%4u  %-16s %10u %10u %10u %10ld%s\n", slot, what,
	    a->total, a->free, a->held, (long)audit_lost(a),
	    answered(in, slot) ? "" : "   of an earlier count");
}

int
audit_text(const struct inst *in, FILE *out)
{
	const struct board_audit *a;
	int64_t lost = 0;
	uint32_t i;

	fprintf(out, "%4s  %-16s %10s %10s %10s %10s\n", "slot", "what",
	    "total", "free", "held", "lost");
	for (i = 0; i < in->nslots; i++) {
		a = audit_of(in, i);
		if (atomic_load(&a->seq) == 0)
			continue;
		row(in, i, "packet buffers", &a->frames, out);
		row(in, i, "chunks", &a->chunks, out);
		row(in, i, "records", &a->records, out);
		lost += audit_lost(&a->frames) + audit_lost(&a->chunks) +
		    audit_lost(&a->records);
	}
	fprintf(out, "lost %ld\n", (long)lost);
	return lost != 0;
}

int
audit_ask(struct inst *in)
{
	if (verb_tell(in->name, "audit", 1) != 0)
		return -EIO;
	return ask_all(in);
}

int
verb_audit(const struct request *rq)
{
	char name[BOARD_NAME], err[1024];
	struct inst in;
	int64_t lost;
	json_t *o;
	int status;

	if (inst_choose(name, rq->name, err, sizeof(err)) < 0 ||
	    inst_open(&in, name, err, sizeof(err)) < 0) {
		fprintf(stderr, "starfish: %s\n", err);
		return 1;
	}
	inst_look(&in);
	status = audit_ask(&in);
	if (status == -ETIMEDOUT)
		fprintf(stderr, "starfish: a worker did not answer\n");
	if (status < 0) {
		inst_close(&in);
		return 1;
	}
	if (rq->json) {
		o = audit_json(&in, &lost);
		o = json_pack("{s:I, s:o}", "lost", (json_int_t)lost, "slots",
		    o);
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
		status = lost != 0;
	} else {
		status = audit_text(&in, stdout);
	}
	inst_close(&in);
	return status;
}
