/*
 * copy_rate: how many answers a second one core can copy.
 *
 *	copy_rate BODY SECONDS
 *
 * A body lies in memory as a cached file does; it is copied in pieces of a
 * receive buffer's size to buffers taken in turn from a pool of a worker's
 * size. That is all that must be done to bring an answer from one process to
 * another over a wire: the bound for large files.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE	2048u		/* bytes of one buffer */
#define BUFFERS	2048u		/* in turn, as a busy pool's cache does */

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	uint64_t bodies = 0, n = 0;
	size_t body, at, len;
	uint8_t *src, *dst;
	double t0, t1, secs;

	if (argc != 3)
		errx(2, "usage: copy_rate body seconds");
	body = strtoul(argv[1], NULL, 10);
	secs = strtod(argv[2], NULL);
	src = aligned_alloc(4096, (body + 4095) & ~(size_t)4095);
	dst = aligned_alloc(4096, (size_t)PIECE * BUFFERS);
	if (src == NULL || dst == NULL || body == 0)
		errx(1, "no memory");
	memset(src, 'x', body);
	memset(dst, 0, (size_t)PIECE * BUFFERS);
	t0 = now();
	do {
		for (at = 0; at < body; at += len) {
			len = body - at < PIECE ? body - at : PIECE;
			memcpy(dst + (n++ % BUFFERS) * PIECE, src + at, len);
			/* the copy is wanted: do not leave it out */
			__asm__ volatile("" : : "r"(dst) : "memory");
		}
		bodies++;
		t1 = now();
	} while (t1 - t0 < secs);
	printf("{\"rate\": %.1f}\n", (double)bodies / (t1 - t0));
	return 0;
}
