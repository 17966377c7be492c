/*
 * seg_run: play a script: a stack in plain memory behind a port without a link
 * layer, and the lines. Time moves from deadline to deadline; whatever the
 * stack sends must be the next line that expects something, at its time.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seg_bed.h"

#define TOLERANCE	1000u	/* µs: RFC 7323's clock ticks in ms */
#define FOREVER		(5000ull * SEC)

static int __attribute__((format(printf, 3, 4)))
fail(struct bed *b, const struct seg_line *l, const char *fmt, ...)
{
	struct seg_script *s = b->s;
	va_list ap;
	int n;

	n = snprintf(s->why, sizeof(s->why), "%s:%u: ", s->file,
	    l != NULL ? l->no : 0);
	va_start(ap, fmt);
	vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

/* A packet of the stack's as a line, and whose it is. */
static const char *
read_packet(struct bed *b, const struct out *o, struct seg_line *got)
{
	uint32_t head = o->b[0] >> 4 == 4 ? 20 : 40;
	uint16_t port;

	if (o->b[o->b[0] >> 4 == 4 ? 9 : 6] != 6)
		return "it is no TCP segment";
	port = get16(o->b + head + 2);
	b->flow = bed_flow(b, port);
	b->flow->local = get16(o->b + head);
	return seg_read(got, b->flow, o->b, o->len);
}

/* Something was sent that no line expects. */
static int
unexpected(struct bed *b, const struct seg_line *l, const struct out *o)
{
	struct seg_line got;
	const char *why = read_packet(b, o, &got);
	char text[120];

	if (why != NULL)
		return fail(b, l, "sent at %.6f: %s", (double)(o->at -
		    b->start) / SEC, why);
	seg_show(&got, text, sizeof(text));
	return fail(b, l, "nobody expects > %s, sent at %.6f", text,
	    (double)(o->at - b->start) / SEC);
}

/* Run the timers up to a time; stops early when something is sent. */
static void
run_until(struct bed *b, uint64_t until)
{
	uint64_t next;

	while (b->iout == b->nout && b->now < until) {
		next = net_deadline(b->net);
		bed_turn(b, next < until ? next : until);
	}
}

/* Silence up to the time of a line, which then happens. */
static int
wait_for(struct bed *b, const struct seg_line *l)
{
	uint64_t at = l->after_us < SEG_UNSET ? b->last + l->after_us :
	    b->last;

	run_until(b, at);
	if (b->iout != b->nout)
		return unexpected(b, l, bed_next(b));
	b->last = at;
	return 0;
}

static int
expect_out(struct bed *b, const struct seg_line *l)
{
	bool any = l->after_us == SEG_ANY;
	uint64_t at = any ? b->last + FOREVER : b->last + l->after_us;
	char want[120], text[120];
	const struct out *o;
	struct seg_line got;
	const char *why;

	seg_show(l, want, sizeof(want));
	run_until(b, at + TOLERANCE);
	if (b->iout == b->nout)
		return fail(b, l, "nothing is sent, expected > %s", want);
	o = bed_next(b);
	why = read_packet(b, o, &got);
	if (why != NULL)
		return fail(b, l, "expected > %s: %s", want, why);
	seg_show(&got, text, sizeof(text));
	why = seg_differs(l, &got);
	if (why != NULL)
		return fail(b, l, "%s: expected > %s, sent is > %s", why, want,
		    text);
	if (!any && o->at + TOLERANCE < at)
		return fail(b, l, "too early, at %.6f: > %s",
		    (double)(o->at - b->start) / SEC, text);
	b->last = any ? o->at : at;
	return 0;
}

/* One line that the peer sends. */
static int
inject(struct bed *b, const struct seg_line *l)
{
	static uint8_t pkt[70000];
	uint32_t len;

	if (wait_for(b, l) < 0)
		return -1;
	if (l->kind == SEG_ICMP)
		len = seg_build_icmp(l, b->flow, b->family, pkt);
	else
		len = seg_build(l, b->flow, b->family, pkt);
	if (len == 0)
		return fail(b, l, "icmp TYPE CODE MTU SEQ is expected");
	bed_input(b, pkt, len);
	return 0;
}

static int
play(struct bed *b, const struct seg_line *l)
{
	const char *why;

	switch (l->kind) {
	case SEG_OUT:
		return expect_out(b, l);
	case SEG_IN:
	case SEG_ICMP:
		return inject(b, l);
	default:
		break;
	}
	if (wait_for(b, l) < 0)
		return -1;
	why = bed_action(b, l);
	return why == NULL ? 0 : fail(b, l, "%s", why);
}

int
seg_run(struct seg_script *s, uint8_t family)
{
	struct bed *b = calloc(1, sizeof(*b));
	const char *why = NULL;
	uint32_t i = 0;
	int r = 0;

	if (b == NULL)
		return -1;
	b->s = s;
	b->family = family;
	bed_defaults(b);
	for (; i < s->nlines && s->line[i].after_us == SEG_UNSET &&
	    why == NULL; i++)
		why = bed_setting(b, &s->line[i]);
	if (why != NULL)
		r = fail(b, &s->line[i - 1], "%s", why);
	else if (bed_start(b) < 0)
		r = fail(b, NULL, "the stack refuses these settings");
	for (; r == 0 && i < s->nlines; i++) {
		if (s->line[i].after_us == SEG_UNSET)
			r = fail(b, &s->line[i], "settings come first");
		else
			r = play(b, &s->line[i]);
	}
	if (r == 0 && b->iout != b->nout)
		r = unexpected(b, &s->line[s->nlines - 1], bed_next(b));
	if (r == 0 && b->broken != NULL)
		r = fail(b, &s->line[s->nlines - 1], "%s", b->broken);
	bed_stop(b);
	free(b);
	return r;
}
