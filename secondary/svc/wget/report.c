/*
 * report: the line of a second, the table at the end, and its JSON.
 */
#include <assert.h>

#include "wget_priv.h"

const char *const wget_error_names[WERRS] = {
	[WERR_REFUSED] = "connection_refused",
	[WERR_UNREACHABLE] = "unreachable",
	[WERR_CONNECT_TIMEOUT] = "connect_timeout",
	[WERR_NO_PORT] = "no_port",
	[WERR_RESET] = "reset",
	[WERR_TIMEOUT] = "timeout",
	[WERR_EARLY_CLOSE] = "early_close",
	[WERR_BAD_RESPONSE] = "bad_response",
	[WERR_OVERSIZE_HEAD] = "oversize_head",
	[WERR_BAD_STATUS] = "bad_status",
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

/* Errors by name, those that occurred. */
static void
errors(struct fmt *f, const struct wget_sum *now, const struct wget_sum *old)
{
	const char *sep = " ";
	uint64_t n;
	uint32_t i;

	for (i = 0; i < WERRS; i++) {
		n = now->errors[i] - (old == NULL ? 0 : old->errors[i]);
		if (n == 0)
			continue;
		fmt_str(f, sep);
		fmt_str(f, wget_error_names[i]);
		fmt_str(f, " ");
		fmt_u64(f, n);
		sep = ", ";
	}
	if (sep[0] == ' ')
		fmt_str(f, " none");
}

void
wget_line(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct fmt f;

	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget: ");
	fmt_fix(&f, (now_us - p->t_start) / 1000, 3, 7);
	fmt_str(&f, " s: connects ");
	fmt_u64(&f, p->sum.connected - p->before.connected);
	fmt_str(&f, ", requests ");
	fmt_u64(&f, p->sum.responses - p->before.responses);
	fmt_str(&f, ", bytes ");
	fmt_u64(&f, p->sum.bytes_in - p->before.bytes_in);
	fmt_str(&f, ", us p50 ");
	fmt_u64(&f, hist_quantile(&p->second, 500000));
	fmt_str(&f, " p99 ");
	fmt_u64(&f, hist_quantile(&p->second, 990000));
	fmt_str(&f, " max ");
	fmt_u64(&f, p->second.max);
	fmt_str(&f, ", errors");
	errors(&f, &p->sum, &p->before);
	s->io->log(s->ioarg, fmt_end(&f));
	p->before = p->sum;
	memset(&p->second, 0, sizeof(p->second));
}

static void
log_times(struct svc *s, const char *name, const struct hist *h)
{
	struct wget_priv *p = s->priv;
	struct fmt f;
	uint32_t i;

	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget: ");
	fmt_strw(&f, name, 11);
	for (i = 0; i < QUANTILES; i++)
		fmt_u64w(&f, hist_quantile(h, quantiles[i].per_million), 10);
	fmt_u64w(&f, h->max, 10);
	fmt_u64w(&f, hist_mean(h), 10);
	s->io->log(s->ioarg, fmt_end(&f));
}

/* A row of the table: three names with their numbers. */
static void
log_row(struct svc *s, const char *const name[3], const uint64_t value[3])
{
	struct wget_priv *p = s->priv;
	struct fmt f;
	uint32_t i;

	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget:");
	for (i = 0; i < 3; i++) {
		fmt_str(&f, " ");
		fmt_strw(&f, name[i], 11);
		fmt_u64w(&f, value[i], 14);
	}
	s->io->log(s->ioarg, fmt_end(&f));
}

static void
log_table(struct svc *s, uint64_t us, uint64_t incomplete)
{
	struct wget_priv *p = s->priv;
	const struct wget_sum *t = &p->sum;
	struct fmt f;
	uint32_t i;

	log_row(s, (const char *const[]){ "started", "done", "failed" },
	    (const uint64_t[]){ t->started, t->done, t->failed });
	log_row(s, (const char *const[]){ "requests", "responses",
	    "incomplete" },
	    (const uint64_t[]){ t->requests, t->responses, incomplete });
	log_row(s, (const char *const[]){ "bytes in", "bytes out",
	    "mismatched" },
	    (const uint64_t[]){ t->bytes_in, t->bytes_out, t->mismatched });
	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget: errors:");
	errors(&f, t, NULL);
	s->io->log(s->ioarg, fmt_end(&f));
	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget: us        ");
	for (i = 0; i < QUANTILES; i++) {
		fmt_strw(&f, "", 10 - (uint32_t)strlen(quantiles[i].name));
		fmt_str(&f, quantiles[i].name);
	}
	fmt_str(&f, "       max      mean");
	s->io->log(s->ioarg, fmt_end(&f));
	log_times(s, "connect", &p->connect);
	log_times(s, "first byte", &p->first);
	log_times(s, "whole", &p->whole);
	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "wget: ");
	fmt_fix(&f, us / 1000, 3, 0);
	fmt_str(&f, " s: ");
	fmt_fix(&f, rate(t->responses, us), 3, 0);
	fmt_str(&f, " requests/s, ");
	fmt_fix(&f, rate(t->connected, us), 3, 0);
	fmt_str(&f, " connections/s, ");
	fmt_fix(&f, gbit(t->bytes_in, us), 3, 0);
	fmt_str(&f, " Gbit/s");
	s->io->log(s->ioarg, fmt_end(&f));
}

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

/* A URL holds no control characters (wget_url), but may hold these two. */
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
make_json(struct svc *s, uint64_t us, uint64_t incomplete)
{
	const struct wget_conf *conf = s->conf;
	struct wget_priv *p = s->priv;
	const struct wget_sum *t = &p->sum;
	struct fmt f;
	uint32_t i;

	fmt_init(&f, p->text, sizeof(p->text));
	fmt_str(&f, "{\"service\": \"wget\", \"url\": ");
	json_string(&f, conf->url);
	fmt_str(&f, ", ");
	json_u64(&f, "slot", s->slot);
	json_milli(&f, "seconds", us / 1000);
	json_milli(&f, "requests_per_s", rate(t->responses, us));
	json_milli(&f, "connections_per_s", rate(t->connected, us));
	json_milli(&f, "gbit_per_s", gbit(t->bytes_in, us));
	json_u64(&f, "started", t->started);
	json_u64(&f, "connected", t->connected);
	json_u64(&f, "done", t->done);
	json_u64(&f, "failed", t->failed);
	json_u64(&f, "requests", t->requests);
	json_u64(&f, "responses", t->responses);
	json_u64(&f, "incomplete", incomplete);
	json_u64(&f, "mismatched", t->mismatched);
	json_u64(&f, "bytes_in", t->bytes_in);
	json_u64(&f, "bytes_out", t->bytes_out);
	json_u64(&f, "adopted", t->adopted);
	fmt_str(&f, "\n \"errors\": {");
	for (i = 0; i < WERRS; i++) {
		fmt_str(&f, i == 0 ? "\"" : ", \"");
		fmt_str(&f, wget_error_names[i]);
		fmt_str(&f, "\": ");
		fmt_u64(&f, t->errors[i]);
	}
	fmt_str(&f, "}");
	json_times(&f, "connect_us", &p->connect);
	json_times(&f, "first_byte_us", &p->first);
	json_times(&f, "whole_us", &p->whole);
	fmt_str(&f, "}\n");
	assert(!fmt_cut(&f));	/* all buckets of all histograms fit */
	s->io->report(s->ioarg, fmt_end(&f));
}

bool
wget_report(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint64_t us, incomplete, bad = p->sum.mismatched + p->sum.failed;
	uint32_t i;

	us = (p->t_last > p->t_start ? p->t_last : now_us) - p->t_start;
	incomplete = p->sum.requests - p->sum.responses;
	log_table(s, us, incomplete);
	make_json(s, us, incomplete);
	for (i = 0; i < WERRS; i++)
		bad += p->sum.errors[i];
	/* Requests cut off by the end of a timed run are no fault. */
	return bad == 0 && (incomplete == 0 || p->t_stop != UINT64_MAX) &&
	    p->sum.responses > 0;
}
