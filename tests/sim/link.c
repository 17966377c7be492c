/*
 * link: frames on their way between two nodes.
 *
 * A direction of a pair has a delay, a rate with a queue behind it, and
 * faults. Frames keep their order unless jitter or reordering says otherwise.
 * The heap is ordered by arrival and then by the order of sending, so that
 * equal times are no source of chance.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define HEAP_MAX	(1u << 20)

static bool
earlier(const struct wire *a, const struct wire *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
heap_push(struct world *w, struct wire *f)
{
	uint32_t i, up;

	if (w->nheap == w->heap_max) {
		uint32_t max = w->heap_max ? 2 * w->heap_max : 256;
		struct wire **heap;

		SIM_CHECK(w, max <= HEAP_MAX, "%u frames on their way",
		    w->nheap);
		heap = realloc(w->heap, max * sizeof(*heap));
		SIM_CHECK(w, heap != NULL, "no memory");
		w->heap = heap;
		w->heap_max = max;
	}
	for (i = w->nheap++; i > 0; i = up) {
		up = (i - 1) / 2;
		if (!earlier(f, w->heap[up]))
			break;
		w->heap[i] = w->heap[up];
	}
	w->heap[i] = f;
}

static struct wire *
heap_pop(struct world *w)
{
	struct wire *top = w->heap[0], *last = w->heap[--w->nheap];
	uint32_t i = 0, down;

	for (;; i = down) {
		down = 2 * i + 1;
		if (down >= w->nheap)
			break;
		if (down + 1 < w->nheap &&
		    earlier(w->heap[down + 1], w->heap[down]))
			down++;
		if (!earlier(w->heap[down], last))
			break;
		w->heap[i] = w->heap[down];
	}
	if (w->nheap > 0)
		w->heap[i] = last;
	return top;
}

/* Flip one bit behind the link header, whose checksum no one here sees. */
static void
corrupt(struct world *w, struct wire *f)
{
	struct packet v;
	uint32_t at;

	if (!ip_parse(&v, f->data, f->len))
		return;
	at = rng_range(&w->net_rng, 14, f->len - 1u);
	f->data[at] ^= (uint8_t)(1u << rng_below(&w->net_rng, 8));
	/* Beyond the packet lies padding, which nobody reads; and no checksum
	 * covers class, flow label and hop limit of IPv6. */
	f->corrupt = at < 14u + v.total && (v.family == 4 ||
	    (at > 14 + 3 && at != 14 + 7));
}

/* Whether the queue in front of the rate limit takes the frame; its delay. */
static bool
throttle(struct world *w, struct link *l, uint32_t len, uint64_t *wait_us)
{
	uint64_t now = w->now * 1000, waiting;

	*wait_us = 0;
	if (l->kbps == 0)
		return true;
	if (l->busy_until < now)
		l->busy_until = now;
	/* Bytes waiting: time until idle, times the rate. */
	waiting = (l->busy_until - now) * l->kbps / 8000000u;
	if (waiting + len > l->queue + 1600u)
		return false;
	l->busy_until += (uint64_t)(len + 24u) * 8000000u / l->kbps;
	*wait_us = (l->busy_until - now) / 1000;
	return true;
}

static bool
lose(struct world *w, struct link *l)
{
	if (w->now >= l->dark_at && w->now < l->dark_until)
		return true;
	if (w->now >= w->faults_end)
		return false;
	if (l->run > 0) {
		l->run--;
		return true;
	}
	if (!rng_chance(&w->net_rng, l->loss))
		return false;
	if (rng_chance(&w->net_rng, l->burst))
		l->run = rng_range(&w->net_rng, 1, 12);
	return true;
}

static void
depart(struct world *w, struct link *l, struct wire *f, uint64_t wait_us)
{
	bool faults = w->now < w->faults_end, late = false;

	f->at = w->now + l->delay_us + wait_us;
	if (faults && l->jitter_us > 0)
		f->at += rng_below(&w->net_rng, l->jitter_us);
	if (faults && rng_chance(&w->net_rng, l->reorder)) {
		f->at += rng_below(&w->net_rng, l->reorder_us + 1);
		late = true;
	}
	if (!late) {
		if (f->at < l->last_at)
			f->at = l->last_at;
		l->last_at = f->at;
	}
	f->order = w->order++;
	if (faults && rng_chance(&w->net_rng, l->corrupt))
		corrupt(w, f);
	if (f->corrupt)
		trace_frame(w, '!', f);
	heap_push(w, f);
}

static struct wire *
copy(struct world *w, const struct wire *f)
{
	struct wire *c = malloc(sizeof(*c) + f->len);

	SIM_CHECK(w, c != NULL, "no memory");
	memcpy(c, f, sizeof(*c) + f->len);
	return c;
}

struct wire *
link_frame(struct world *w, uint32_t from, uint32_t to, const uint8_t *data,
    uint32_t len)
{
	struct wire *f = malloc(sizeof(*f) + len);

	SIM_CHECK(w, f != NULL, "no memory");
	memset(f, 0, sizeof(*f));
	f->flow = MON_NONE;
	f->from = (uint8_t)from;
	f->to = (uint8_t)to;
	f->len = (uint16_t)len;
	memcpy(f->data, data, len);
	return f;
}

void
link_send(struct world *w, const struct wire *orig, uint32_t from,
    uint32_t to, const uint8_t *data, uint32_t len)
{
	struct link *l = &w->link[from][to];
	struct wire *f = link_frame(w, from, to, data, len);
	uint64_t wait_us;

	if (orig != NULL) {
		f->flow = orig->flow;
		f->inc = orig->inc;
		f->corrupt = orig->corrupt;
	}
	w->frames_sent++;
	trace_frame(w, '>', f);
	if (from < SIM_HOSTS)
		mon_sent(w, &w->host[from], f);
	if (lose(w, l)) {
		trace_frame(w, 'x', f);
		free(f);
		return;
	}
	if (!throttle(w, l, len, &wait_us)) {
		trace_frame(w, 'q', f);
		free(f);
		return;
	}
	if (w->now < w->faults_end && rng_chance(&w->net_rng, l->dup))
		depart(w, l, copy(w, f), wait_us);
	depart(w, l, f, wait_us);
}

uint64_t
link_next(const struct world *w)
{
	return w->nheap > 0 ? w->heap[0]->at : SIM_NEVER;
}

struct wire *
link_take(struct world *w)
{
	if (w->nheap == 0 || w->heap[0]->at > w->now)
		return NULL;
	return heap_pop(w);
}

void
link_free(struct wire *f)
{
	free(f);
}

void
link_fini(struct world *w)
{
	while (w->nheap > 0)
		free(w->heap[--w->nheap]);
	free(w->heap);
	w->heap = NULL;
	w->heap_max = 0;
}
