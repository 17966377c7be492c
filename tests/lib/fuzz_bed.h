/*
 * fuzz_bed: what fuzz targets of the stack share: the input as a program of
 * bytes, one stack in plain memory, and the link header of the peer's frames.
 * Header only. The stack is 10.0.0.2 and fd77::2, the peer .1 and ::1.
 */
#ifndef TESTS_FUZZ_BED_H
#define TESTS_FUZZ_BED_H

#include "plain.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The rest of the input. */
struct bytes {
	const uint8_t *p;
	size_t n;
};

static struct plain host;
static struct plain_box out;
static uint64_t now;

static inline uint8_t
u8(struct bytes *b)
{
	if (b->n == 0)
		return 0;
	b->n--;
	return *b->p++;
}

static inline uint16_t
u16(struct bytes *b)
{
	uint16_t hi = u8(b);

	return (uint16_t)(hi << 8 | u8(b));
}

/* Up to len bytes of the input; how many there were. */
static inline uint32_t
take(struct bytes *b, uint8_t *to, uint32_t len)
{
	uint32_t n = len < b->n ? len : (uint32_t)b->n;

	memcpy(to, b->p, n);
	b->p += n;
	b->n -= n;
	return n;
}

/* The link header of a frame from the peer to us. */
static inline void
put_link(uint8_t *b, uint16_t type)
{
	memset(b, 0, 12);
	b[0] = b[6] = 2;
	b[5] = 2;
	b[11] = 1;
	wr16(b + 12, type);
}

/* Almost all frames are elsewhere while fn runs. */
static inline void
squeeze(struct bytes *in, uint32_t keep, void (*fn)(struct bytes *))
{
	static struct pkt *away[PLAIN_FRAMES];
	uint32_t n = 0;

	while (host.pool.n > keep)
		away[n++] = host.pool.p[--host.pool.n];
	fn(in);
	while (n > 0)
		host.pool.p[host.pool.n++] = away[--n];
}

/* The i-th connection in use, or NULL. */
static inline struct conn *
pick(uint32_t i)
{
	uint32_t id, n = host.conf.shape.conns, k;
	struct conn *c;

	for (k = 0; k < 2 * n; k++) {
		id = k % n;
		c = conn_at(host.net, id);
		if (atomic_load(&c->rec.state) == REC_USED && i-- == 0)
			return c;
	}
	return NULL;
}

/* Between two steps the accounts balance. */
static inline void
accounts(void)
{
	const char *why = plain_count(&host);

	assert(why == NULL);
}

#endif
