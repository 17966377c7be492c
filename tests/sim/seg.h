/*
 * seg: segment scripts: a stack against a peer that is written down, line by
 * line, in virtual time. tests/sim/scripts/README says how one is written.
 *
 * seg_parse.c reads lines, seg_wire.c makes and reads packets, seg_run.c plays
 * a script, for each family that it names.
 */
#ifndef SIM_SEG_H
#define SIM_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim.h"

#define SEG_WORDS	8u	/* of an action */
#define SEG_WORD	32u
#define SEG_OPTS	8u
#define SEG_ANY		UINT64_MAX /* "*": whatever it is */
#define SEG_UNSET	(UINT64_MAX - 1) /* the line does not say */

enum seg_kind { SEG_IN, SEG_OUT, SEG_ICMP, SEG_ACTION };

struct seg_opt {
	uint8_t kind;		/* as on the wire */
	uint64_t a, b;		/* mss, shift; val and ecr; edges of a block;
				   relative to the initial numbers */
};

/* One line. Numbers are relative to the initial ones, as in packetdrill. */
struct seg_line {
	uint32_t no;		/* in the file */
	enum seg_kind kind;
	uint64_t after_us;	/* since the line before; SEG_ANY */
	uint8_t flags, tos;
	bool tos_set, opts_set, ack_set;
	uint32_t seq, end, len, ack;
	uint64_t win;		/* raw field; SEG_UNSET */
	uint32_t nopts;
	struct seg_opt opt[SEG_OPTS];
	uint32_t nwords;	/* of an action, or of an ICMP line */
	char word[SEG_WORDS][SEG_WORD];
};

struct seg_script {
	const char *file;
	uint32_t nlines;
	struct seg_line *line;
	bool run4, run6;
	char why[200];
};

/* Read a script. 0; -1: why says what is wrong, with file and line. */
int	seg_load(struct seg_script *s, const char *file);
void	seg_unload(struct seg_script *s);

/* Read the number in a word of an action; false: it is none. */
bool	seg_number(const char *word, uint64_t *v);
/* A line as its author wrote it, more or less, for messages. */
void	seg_show(const struct seg_line *l, char *to, size_t len);

/* What is known of one connection, by the peer's port. */
struct seg_flow {
	uint16_t port, local;	/* host order; of the peer, of the stack */
	uint32_t iss, irs;	/* of the peer, of the stack */
	bool irs_known, base_known;
	uint32_t ts_base;	/* first timestamp of the stack */
	uint32_t ts_last;	/* and the latest */
};

/* Byte at a place in either stream. */
uint8_t	seg_byte(uint32_t pos);
/* The packet of an inbound line; its length. */
uint32_t seg_build(const struct seg_line *l, const struct seg_flow *f,
	    uint8_t family, uint8_t *b);
/* The packet of an ICMP line about this flow; 0: it asks for too much. */
uint32_t seg_build_icmp(const struct seg_line *l, const struct seg_flow *f,
	    uint8_t family, uint8_t *b);
/*
 * Take a packet of the stack's apart as a line. Learns initial numbers.
 * NULL, or what is wrong with it.
 */
const char *seg_read(struct seg_line *l, struct seg_flow *f,
	    const uint8_t *ip, uint32_t len);
/* Compare a packet with the line that expects it: NULL, or what differs. */
const char *seg_differs(const struct seg_line *want,
	    const struct seg_line *got);

/* Run scripts: the files and folders named. 0: all passed. */
int	seg_main(char *const *names, uint32_t n, bool verbose);
/* Play one: 0; -1: s->why. */
int	seg_run(struct seg_script *s, uint8_t family);

#endif
