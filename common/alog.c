#include "alog.h"

#include <errno.h>
#include <string.h>

#define MASK	(ALOG_DATA - 1)

void
alog_init(struct alog *a)
{
	a->magic = ALOG_MAGIC;
}

static uint32_t
round8(uint32_t n)
{
	return (n + 7) & ~7u;
}

/* Where n bytes that lie together begin, from prod on: behind what is left of
 * the ring's end, if that is too little. */
static uint64_t
place(struct alog *a, uint64_t prod, uint32_t n)
{
	uint32_t left = ALOG_DATA - (uint32_t)(prod & MASK);
	struct alog_rec *r = (void *)(a->data + (prod & MASK));

	if (left >= n)
		return prod;
	/* len of a filler may be more than 16 bits hold: it says 0 */
	r->len = 0;
	r->used = 0;
	return prod + left;
}

int
alog_put(struct alog *a, const struct alog_rec *r,
    const char *const text[ALOG_TEXTS])
{
	uint64_t prod = atomic_load_explicit(&a->prod, memory_order_relaxed);
	uint64_t cons = atomic_load_explicit(&a->cons, memory_order_acquire);
	struct alog_rec *to;
	uint32_t n = sizeof(*r), i, len[ALOG_TEXTS];
	uint64_t at;
	uint8_t *p;

	for (i = 0; i < ALOG_TEXTS; i++) {
		len[i] = r->text[i] < ALOG_TEXT ? r->text[i] : ALOG_TEXT;
		n += len[i];
	}
	n = round8(n);
	/* twice as much, for the end of the ring may be lost */
	if (prod - cons > ALOG_DATA - 2 * n) {
		atomic_store_explicit(&a->dropped, atomic_load_explicit(
		    &a->dropped, memory_order_relaxed) + 1,
		    memory_order_relaxed);
		return -ENOSPC;
	}
	at = place(a, prod, n);
	to = (void *)(a->data + (at & MASK));
	*to = *r;
	to->len = (uint16_t)n;
	to->used = 1;
	p = (uint8_t *)(to + 1);
	for (i = 0; i < ALOG_TEXTS; i++) {
		to->text[i] = (uint16_t)len[i];
		if (len[i] > 0)
			memcpy(p, text[i], len[i]);
		p += len[i];
	}
	/* pairs with the consumer's acquire */
	atomic_store_explicit(&a->prod, at + n, memory_order_release);
	return 0;
}

/* Whether the record is whole and in bounds. */
static int
is_right(const struct alog_rec *r, uint64_t ready, uint32_t left)
{
	uint32_t i, n = sizeof(*r);

	for (i = 0; i < ALOG_TEXTS; i++) {
		if (r->text[i] > ALOG_TEXT)
			return 0;
		n += r->text[i];
	}
	return r->used == 1 && r->len == round8(n) && r->len <= left &&
	    r->len <= ready;
}

int
alog_take(struct alog *a, struct alog_rec *r, char *buf,
    char *text[ALOG_TEXTS])
{
	uint64_t cons = atomic_load_explicit(&a->cons, memory_order_relaxed);
	uint64_t prod = atomic_load_explicit(&a->prod, memory_order_acquire);
	uint32_t left, i;
	const uint8_t *p;

	if (prod == cons)
		return 0;
	if (prod - cons > ALOG_DATA || cons % 8 != 0)
		goto damaged;
	left = ALOG_DATA - (uint32_t)(cons & MASK);
	if (left < sizeof(*r) ||
	    ((const struct alog_rec *)(a->data + (cons & MASK)))->used == 0) {
		if (prod - cons < left)
			goto damaged;
		cons += left;
		if (prod == cons) {
			atomic_store_explicit(&a->cons, cons,
			    memory_order_release);
			return 0;
		}
		left = ALOG_DATA;
	}
	/* one look: it may be changed while it is judged */
	memcpy(r, a->data + (cons & MASK), sizeof(*r));
	if (!is_right(r, prod - cons, left))
		goto damaged;
	p = a->data + (cons & MASK) + sizeof(*r);
	for (i = 0; i < ALOG_TEXTS; i++) {
		text[i] = buf;
		memcpy(buf, p, r->text[i]);
		buf[r->text[i]] = '\0';
		buf += r->text[i] + 1;
		p += r->text[i];
	}
	/* release: the bytes are copied */
	atomic_store_explicit(&a->cons, cons + r->len, memory_order_release);
	return 1;

damaged:
	atomic_store_explicit(&a->cons, prod & ~7ull, memory_order_release);
	return -EPROTO;
}
