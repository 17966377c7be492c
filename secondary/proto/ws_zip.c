#include "ws_zip.h"

#include <string.h>

const uint8_t ws_zip_tail[WS_ZIP_TAIL] = { 0, 0, 0xff, 0xff };

static void *
get(void *opaque, unsigned n, unsigned size)
{
	struct ws_zip_mem *m = opaque;
	uint64_t len = ((uint64_t)n * size + 63) & ~UINT64_C(63);
	void *p;

	if (len > m->size - m->used)
		return NULL;
	p = m->mem + m->used;
	m->used += (uint32_t)len;
	return p;
}

static void
put(void *opaque, void *p)
{
	(void)opaque;
	(void)p;
}

/* All memory of a stream is free. */
static void
prepare(z_stream *s, uint8_t *mem, uint32_t size)
{
	struct ws_zip_mem *m = (void *)mem;

	m->used = 0;
	m->size = size;
	memset(s, 0, sizeof(*s));
	s->zalloc = get;
	s->zfree = put;
	s->opaque = m;
}

int
ws_inflate_begin(struct ws_zip *z)
{
	z->final = false;
	if (z->in_ready)
		return inflateReset(&z->in) == Z_OK ? 0 : -1;
	prepare(&z->in, z->in_mem, WS_ZIP_IN_MEM);
	if (inflateInit2(&z->in, -15) != Z_OK)
		return -1;
	z->in_ready = true;
	return 0;
}

int
ws_inflate(struct ws_zip *z, const uint8_t **in, uint32_t *n, uint8_t *to,
    uint32_t room)
{
	int err;

	z->in.next_in = (uint8_t *)(uintptr_t)*in;
	z->in.avail_in = *n;
	z->in.next_out = to;
	z->in.avail_out = room;
	do {
		err = inflate(&z->in, Z_SYNC_FLUSH);
		/* RFC 7692 (7.2.3.4): a block marked as the last one ends no
		 * message. */
		if (err == Z_STREAM_END) {
			z->final = true;
			err = inflateReset(&z->in);
		}
	} while (err == Z_OK && z->in.avail_in > 0 && z->in.avail_out > 0);
	*in = z->in.next_in;
	*n = z->in.avail_in;
	if (err != Z_OK && err != Z_BUF_ERROR)
		return -1;
	return (int)(room - z->in.avail_out);
}

bool
ws_inflate_whole(const struct ws_zip *z)
{
	return z->final || (z->in.data_type & 128) != 0;
}

int
ws_deflate_begin(struct ws_zip *z, uint8_t bits, int8_t level)
{
	/* zlib makes no window of 8 bits: runs of one byte reach no further
	 * than 1, so they fit into any. */
	int strategy = bits > 8 ? Z_DEFAULT_STRATEGY : Z_RLE;

	if (z->out_ready && z->bits == bits && z->level == level)
		return deflateReset(&z->out) == Z_OK ? 0 : -1;
	z->out_ready = false;
	prepare(&z->out, z->out_mem, WS_ZIP_OUT_MEM);
	if (deflateInit2(&z->out, level, Z_DEFLATED, bits > 8 ? -bits : -9, 8,
	    strategy) != Z_OK)
		return -1;
	z->out_ready = true;
	z->bits = bits;
	z->level = level;
	return 0;
}

uint32_t
ws_deflate(struct ws_zip *z, const uint8_t **in, uint32_t *n, uint8_t *to,
    uint32_t room, bool last)
{
	z->out.next_in = (uint8_t *)(uintptr_t)*in;
	z->out.avail_in = *n;
	z->out.next_out = to;
	z->out.avail_out = room;
	/* Z_BUF_ERROR: all was done in the call before. */
	deflate(&z->out, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
	*in = z->out.next_in;
	*n = z->out.avail_in;
	return room - z->out.avail_out;
}
