#include <string.h>

#include "hist.h"

uint64_t
hist_value(uint32_t bucket)
{
	uint32_t e;

	if (bucket < 2u << HIST_BITS)
		return bucket;
	e = (bucket >> HIST_BITS) - 1;
	return ((uint64_t)(bucket - (e << HIST_BITS) + 1) << e) - 1;
}

void
hist_merge(struct hist *into, const struct hist *from)
{
	uint32_t i;

	if (from->n == 0)
		return;
	if (into->n == 0 || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->n += from->n;
	into->sum += from->sum;
	for (i = 0; i < HIST_BUCKETS; i++)
		into->count[i] += from->count[i];
}

uint64_t
hist_quantile(const struct hist *h, uint32_t per_million)
{
	uint64_t want, seen = 0, v;
	uint32_t i;

	if (h->n == 0)
		return 0;
	/* Rounded up: p50 of two values is the first. Split so that a count
	 * above 2^44 does not overflow. */
	want = h->n / 1000000 * per_million +
	    (h->n % 1000000 * per_million + 999999) / 1000000;
	if (want == 0)
		want = 1;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen >= want)
			break;
	}
	v = hist_value(i);
	/* No answer beyond what was seen. */
	if (v > h->max)
		v = h->max;
	return v < h->min ? h->min : v;
}

void
hist_diff(struct hist_diff *d, const struct hist *now,
    const struct hist *before)
{
	uint64_t seen = 0, more;
	uint32_t i, last = 0;

	/* The counts are the truth: a reader of another process's histogram
	 * may see n and them of two moments. */
	memset(d, 0, sizeof(*d));
	for (i = 0; i < HIST_BUCKETS; i++)
		d->n += now->count[i] - before->count[i];
	for (i = 0; i < HIST_BUCKETS && seen < d->n; i++) {
		more = now->count[i] - before->count[i];
		if (more == 0)
			continue;
		if (seen < (d->n + 1) / 2 && seen + more >= (d->n + 1) / 2)
			d->p50 = hist_value(i);
		if (seen < d->n - d->n / 100 && seen + more >=
		    d->n - d->n / 100)
			d->p99 = hist_value(i);
		seen += more;
		last = i;
	}
	if (d->n > 0)
		d->max = hist_value(last);
	/* No answer beyond what was seen. */
	if (d->max > now->max)
		d->max = now->max;
	if (d->p99 > d->max)
		d->p99 = d->max;
	if (d->p50 > d->max)
		d->p50 = d->max;
}

uint64_t
hist_mean(const struct hist *h)
{
	return h->n == 0 ? 0 : h->sum / h->n;
}

void
hist_json(const struct hist *h, struct fmt *f)
{
	const char *sep = "";
	uint32_t i;

	fmt_str(f, "[");
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (h->count[i] == 0)
			continue;
		fmt_str(f, sep);
		fmt_str(f, "[");
		fmt_u64(f, hist_value(i));
		fmt_str(f, ",");
		fmt_u64(f, h->count[i]);
		fmt_str(f, "]");
		sep = ",";
	}
	fmt_str(f, "]");
}
