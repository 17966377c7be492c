/*
 * alog: access log on its way from a slot to the writer.
 *
 * A ring of bytes in a file of the instance's directory: one producer, the
 * worker in the slot; one consumer, the writer, a child of the supervisor.
 * Records are written whole, then published by one store: a producer killed
 * in between leaves nothing, and its successor goes on behind. A full ring
 * drops the record and counts it; nobody ever waits.
 *
 * The writer checks what it takes: a worker may have been taken over.
 */
#ifndef COMMON_ALOG_H
#define COMMON_ALOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ALOG_MAGIC	0x53464c31u	/* "SFL1" */
#define ALOG_FILE	"access-%u"	/* in the instance's directory; slot */
#define ALOG_DATA	(1u << 20)	/* bytes of records; a power of two */
#define ALOG_TEXT	1024u		/* most bytes of one text */
#define ALOG_TEXTS	4u

/* Texts of a record, in this order. */
enum alog_text { ALOG_LINE, ALOG_HOST, ALOG_REFERER, ALOG_AGENT };

struct alog_rec {
	uint16_t len;		/* bytes of the record; a multiple of 8 */
	uint8_t used;		/* 0: fills the ring's end, nothing in it */
	uint8_t family;		/* 4 or 6 */
	uint16_t status;
	uint16_t port;		/* the client's */
	uint8_t addr[16];
	int64_t wall;		/* seconds since 1970 */
	uint64_t bytes;		/* of the answer's body */
	uint16_t text[ALOG_TEXTS]; /* bytes of each; they follow */
};

struct alog {
	uint32_t magic;
	uint32_t pad;
	/* Bytes ever written. Writer: the producer. */
	_Alignas(64) _Atomic uint64_t prod;
	_Atomic uint64_t dropped; /* records */
	/* Bytes ever taken. Writer: the consumer. */
	_Alignas(64) _Atomic uint64_t cons;
	_Alignas(64) uint8_t data[ALOG_DATA];
};

/* Make a new, empty ring of zeroed memory; one that is there is kept. */
void	alog_init(struct alog *a);

/*
 * Append a record: all of r but len and used is the caller's, texts lie at
 * text[i] and are cut to ALOG_TEXT. Returns 0; -ENOSPC and it is counted.
 */
int	alog_put(struct alog *a, const struct alog_rec *r,
	    const char *const text[ALOG_TEXTS]);

/*
 * Take the next record: copies its head to r and texts to buf, each with a
 * NUL, text[i] pointing to them. buf has ALOG_TEXTS * (ALOG_TEXT + 1) bytes.
 * 1; 0 there is none. A damaged ring is emptied, -EPROTO.
 */
int	alog_take(struct alog *a, struct alog_rec *r, char *buf,
	    char *text[ALOG_TEXTS]);

#endif
