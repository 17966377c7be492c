#include <assert.h>
#include <string.h>

#include "load.h"

const char *const load_error_names[LOAD_ERRORS] = {
	[LOAD_REFUSED] = "connection_refused",
	[LOAD_UNREACHABLE] = "unreachable",
	[LOAD_CONNECT_TIMEOUT] = "connect_timeout",
	[LOAD_NO_PORT] = "no_port",
	[LOAD_RESET] = "reset",
	[LOAD_TIMEOUT] = "timeout",
	[LOAD_EARLY_CLOSE] = "early_close",
	[LOAD_SHORT_BODY] = "short_body",
	[LOAD_NOT_HTTP] = "not_http",
	[LOAD_BAD_HEADER] = "bad_header",
	[LOAD_BAD_LENGTH] = "bad_length",
	[LOAD_BAD_CODING] = "bad_coding",
	[LOAD_BAD_CHUNK] = "bad_chunk",
	[LOAD_EXTRA_BYTES] = "extra_bytes",
	[LOAD_OVERSIZE_HEAD] = "oversize_head",
	[LOAD_BAD_STATUS] = "bad_status",
	[LOAD_WRONG_CONTENT] = "wrong_content",
	[LOAD_NOT_SAVED] = "not_saved",
};

static const struct quantile {
	const char *name;
	uint32_t per_million;
} quantiles[] = {
	{ "p50", 500000 }, { "p90", 900000 }, { "p99", 990000 },
	{ "p99.9", 999000 }, { "p99.99", 999900 },
};

#define QUANTILES	(sizeof(quantiles) / sizeof(quantiles[0]))

/* Events per second, in thousandths: count over us microseconds. */
static uint64_t
rate(uint64_t count, uint64_t us)
{
	const uint64_t giga = 1000000000;

	/* An hour more or less: halve both until the product below fits. */
	for (; us >> 32 != 0; us >>= 1)
		count >>= 1;
	return us == 0 ? 0 : count / us * giga + count % us * giga / us;
}

/* Gbit/s, in thousandths. */
static uint64_t
gbit(uint64_t bytes, uint64_t us)
{
	return rate(bytes * 8, us) / 1000000000;
}

/* How long the run took, µs. */
static uint64_t
span(const struct load_totals *t)
{
	return (t->t_last > t->t_start ? t->t_last : t->t_now) - t->t_start;
}

/* FNV-1a */
static uint64_t
hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t
load_shape(const struct optgroup *g)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325), at;
	const struct opt *o;

	h = hash(h, &g->size, sizeof(g->size));
	for (o = g->opts; o->name != NULL; o++) {
		h = hash(h, o->name, strlen(o->name));
		at = (uint64_t)o->offset << 8 | (uint64_t)o->type;
		h = hash(h, &at, sizeof(at));
	}
	return h;
}

void
load_add(struct load_sum *into, const struct load_sum *from)
{
	uint64_t *a = (uint64_t *)into;
	const uint64_t *b = (const uint64_t *)from;
	uint32_t i;

	_Static_assert(sizeof(*into) % sizeof(*a) == 0, "nothing but numbers");
	for (i = 0; i < sizeof(*into) / sizeof(*a); i++)
		a[i] += b[i];
}

void
load_merge(struct load_totals *into, const struct load_totals *from)
{
	bool first = into->magic == 0;

	into->magic = LOAD_MAGIC;
	into->size = sizeof(*into);
	if (first || from->t_start < into->t_start)
		into->t_start = from->t_start;
	if (from->t_last > into->t_last)
		into->t_last = from->t_last;
	if (from->t_now > into->t_now)
		into->t_now = from->t_now;
	if (first || atomic_load_explicit(&from->state,
	    memory_order_relaxed) < atomic_load_explicit(&into->state,
	    memory_order_relaxed))
		atomic_store_explicit(&into->state, atomic_load_explicit(
		    &from->state, memory_order_relaxed), memory_order_relaxed);
	into->bad |= from->bad;
	load_add(&into->sum, &from->sum);
	hist_merge(&into->connect, &from->connect);
	hist_merge(&into->first, &from->first);
	hist_merge(&into->whole, &from->whole);
}

/* Errors by name, those that occurred. */
static void
errors(struct fmt *f, const struct load_sum *now, const struct load_sum *old)
{
	const char *sep = " ";
	uint64_t n;
	uint32_t i;

	for (i = 0; i < LOAD_ERRORS; i++) {
		n = now->errors[i] - (old == NULL ? 0 : old->errors[i]);
		if (n == 0)
			continue;
		fmt_str(f, sep);
		fmt_str(f, load_error_names[i]);
		fmt_str(f, " ");
		fmt_u64(f, n);
		sep = ", ";
	}
	if (sep[0] == ' ')
		fmt_str(f, " none");
}

void
load_line(struct fmt *f, const struct load_totals *now,
    const struct load_totals *before, uint64_t now_us)
{
	uint64_t us = now_us > now->t_start ? now_us - now->t_start : 0;
	struct hist_diff d;

	hist_diff(&d, &now->whole, &before->whole);
	fmt_fix(f, us / 1000, 3, 7);
	fmt_str(f, " s: connects ");
	fmt_u64(f, now->sum.connected - before->sum.connected);
	fmt_str(f, ", requests ");
	fmt_u64(f, now->sum.responses - before->sum.responses);
	fmt_str(f, ", bytes ");
	fmt_u64(f, now->sum.bytes_in - before->sum.bytes_in);
	fmt_str(f, ", us p50 ");
	fmt_u64(f, d.p50);
	fmt_str(f, " p99 ");
	fmt_u64(f, d.p99);
	fmt_str(f, " max ");
	fmt_u64(f, d.max);
	fmt_str(f, ", errors");
	errors(f, &now->sum, &before->sum);
}

/* ---- the table ---- */

static void
table_times(struct fmt *f, const char *prefix, const char *name,
    const struct hist *h)
{
	uint32_t i;

	fmt_str(f, prefix);
	fmt_strw(f, name, 11);
	for (i = 0; i < QUANTILES; i++)
		fmt_u64w(f, hist_quantile(h, quantiles[i].per_million), 10);
	fmt_u64w(f, h->max, 10);
	fmt_u64w(f, hist_mean(h), 10);
	fmt_str(f, "\n");
}

/* Three names with their numbers. */
static void
table_row(struct fmt *f, const char *prefix, const char *const name[3],
    const uint64_t value[3])
{
	uint32_t i;

	fmt_str(f, prefix);
	for (i = 0; i < 3; i++) {
		if (i > 0)
			fmt_str(f, " ");
		fmt_strw(f, name[i], 11);
		fmt_u64w(f, value[i], 14);
	}
	fmt_str(f, "\n");
}

static void
table_counts(struct fmt *f, const struct load_sum *s, const char *prefix)
{
	table_row(f, prefix, (const char *const[]){ "started", "done",
	    "failed" }, (const uint64_t[]){ s->started, s->done, s->failed });
	table_row(f, prefix, (const char *const[]){ "requests", "responses",
	    "incomplete" }, (const uint64_t[]){ s->requests, s->responses,
	    s->requests - s->responses });
	table_row(f, prefix, (const char *const[]){ "bytes in", "bytes out",
	    "mismatched" }, (const uint64_t[]){ s->bytes_in, s->bytes_out,
	    s->mismatched });
	if (s->verified > 0 || s->saved > 0 || s->unsent > 0)
		table_row(f, prefix, (const char *const[]){ "verified",
		    "saved", "not begun" }, (const uint64_t[]){ s->verified,
		    s->saved, s->unsent });
	if (s->restarts > 0)
		table_row(f, prefix, (const char *const[]){ "restarts",
		    "adopted", "" }, (const uint64_t[]){ s->restarts,
		    s->adopted, 0 });
}

void
load_table(struct fmt *f, const struct load_totals *t, const char *prefix)
{
	uint64_t us = span(t);
	uint32_t i;

	table_counts(f, &t->sum, prefix);
	fmt_str(f, prefix);
	fmt_str(f, "errors:");
	errors(f, &t->sum, NULL);
	fmt_str(f, "\n");
	fmt_str(f, prefix);
	fmt_strw(f, "us", 11);
	for (i = 0; i < QUANTILES; i++) {
		fmt_strw(f, "", 10 - (uint32_t)strlen(quantiles[i].name));
		fmt_str(f, quantiles[i].name);
	}
	fmt_str(f, "       max      mean\n");
	table_times(f, prefix, "connect", &t->connect);
	table_times(f, prefix, "first byte", &t->first);
	table_times(f, prefix, "whole", &t->whole);
	fmt_str(f, prefix);
	fmt_fix(f, us / 1000, 3, 0);
	fmt_str(f, " s: ");
	fmt_fix(f, rate(t->sum.responses, us), 3, 0);
	fmt_str(f, " requests/s, ");
	fmt_fix(f, rate(t->sum.connected, us), 3, 0);
	fmt_str(f, " connections/s, ");
	fmt_fix(f, gbit(t->sum.bytes_in, us), 3, 0);
	fmt_str(f, " Gbit/s\n");
}

/* ---- JSON ---- */

/* "name": number, */
static void
json_u64(struct fmt *f, const char *name, uint64_t v)
{
	fmt_str(f, "\"");
	fmt_str(f, name);
	fmt_str(f, "\": ");
	fmt_u64(f, v);
	fmt_str(f, ", ");
}

/* "name": number with three decimals, */
static void
json_milli(struct fmt *f, const char *name, uint64_t v)
{
	fmt_str(f, "\"");
	fmt_str(f, name);
	fmt_str(f, "\": ");
	fmt_fix(f, v, 3, 0);
	fmt_str(f, ", ");
}

static void
json_times(struct fmt *f, const char *name, const struct hist *h)
{
	uint32_t i;

	fmt_str(f, ",\n \"");
	fmt_str(f, name);
	fmt_str(f, "\": {");
	json_u64(f, "n", h->n);
	json_u64(f, "min", h->n == 0 ? 0 : h->min);
	json_u64(f, "max", h->max);
	json_u64(f, "mean", hist_mean(h));
	for (i = 0; i < QUANTILES; i++)
		json_u64(f, quantiles[i].name,
		    hist_quantile(h, quantiles[i].per_million));
	fmt_str(f, "\"hist\": ");
	hist_json(h, f);
	fmt_str(f, "}");
}

static void
json_string(struct fmt *f, const char *s)
{
	fmt_str(f, "\"");
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fmt_str(f, "\\");
		fmt_mem(f, s, 1);
	}
	fmt_str(f, "\"");
}

static void
json_counts(struct fmt *f, const struct load_sum *s)
{
	uint32_t i;

	json_u64(f, "started", s->started);
	json_u64(f, "connected", s->connected);
	json_u64(f, "done", s->done);
	json_u64(f, "failed", s->failed);
	json_u64(f, "requests", s->requests);
	json_u64(f, "responses", s->responses);
	json_u64(f, "incomplete", s->requests - s->responses);
	json_u64(f, "mismatched", s->mismatched);
	json_u64(f, "verified", s->verified);
	json_u64(f, "saved", s->saved);
	json_u64(f, "not_begun", s->unsent);
	json_u64(f, "bytes_in", s->bytes_in);
	json_u64(f, "bytes_out", s->bytes_out);
	json_u64(f, "restarts", s->restarts);
	json_u64(f, "adopted", s->adopted);
	fmt_str(f, "\n \"errors\": {");
	for (i = 0; i < LOAD_ERRORS; i++) {
		fmt_str(f, i == 0 ? "\"" : ", \"");
		fmt_str(f, load_error_names[i]);
		fmt_str(f, "\": ");
		fmt_u64(f, s->errors[i]);
	}
	fmt_str(f, "}");
}

void
load_json(struct fmt *f, const struct load_totals *t, const char *url,
    const char *who)
{
	uint64_t us = span(t);

	fmt_str(f, "{\"service\": \"wget\", \"url\": ");
	json_string(f, url);
	fmt_str(f, ", ");
	fmt_str(f, who);
	json_milli(f, "seconds", us / 1000);
	json_milli(f, "requests_per_s", rate(t->sum.responses, us));
	json_milli(f, "connections_per_s", rate(t->sum.connected, us));
	json_milli(f, "gbit_per_s", gbit(t->sum.bytes_in, us));
	json_counts(f, &t->sum);
	json_times(f, "connect_us", &t->connect);
	json_times(f, "first_byte_us", &t->first);
	json_times(f, "whole_us", &t->whole);
	fmt_str(f, "}\n");
}

bool
load_good(const struct load_totals *t, bool timed)
{
	const struct load_sum *s = &t->sum;
	uint64_t bad = s->mismatched + s->failed + s->unsent;
	uint32_t i;

	for (i = 0; i < LOAD_ERRORS; i++)
		bad += s->errors[i];
	return bad == 0 && (s->requests == s->responses || timed) &&
	    s->responses > 0;
}
