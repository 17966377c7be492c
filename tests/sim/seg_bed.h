/*
 * seg_bed: the stack that a segment script plays with, and what a script may
 * do to it.
 */
#ifndef SIM_SEG_BED_H
#define SIM_SEG_BED_H

#include "seg.h"

#define BED_FLOWS	64u
#define BED_OUT		256u	/* packets sent and not yet looked at */
#define BED_FRAMES	1024u

struct out {
	uint64_t at;
	uint32_t len;
	uint8_t b[9100];
};

struct bed {
	struct seg_script *s;
	uint8_t family;
	uint64_t start, now, last; /* last: time of the last line; µs */
	struct net_conf conf;
	struct net_env env;
	struct pktpool pool;
	_Atomic uint64_t counters[CNT_MAX];
	struct net *net;
	void *arena;
	uint8_t *frames;
	uint32_t stride;
	struct out out[BED_OUT];
	uint32_t nout, iout;
	struct seg_flow flows[BED_FLOWS];
	uint32_t nflows;
	struct seg_flow *flow;	/* whom the next line is about */
	struct conn_opts opts;	/* of new connections */
	bool hold;		/* the service does not read */
	uint32_t events;	/* since they were asked for last */
	uint32_t written, got;	/* bytes, of the last connection */
	bool eof;
	int error;
	const char *broken;	/* what went wrong inside an event */
};

void	bed_defaults(struct bed *b);
/* A line before the first time: NULL, or what is wrong. */
const char *bed_setting(struct bed *b, const struct seg_line *l);
int	bed_start(struct bed *b);
void	bed_stop(struct bed *b);
/* The flow with this port of the peer's. */
struct seg_flow *bed_flow(struct bed *b, uint16_t port);
/* All work at this time. */
void	bed_turn(struct bed *b, uint64_t now);
void	bed_input(struct bed *b, const uint8_t *p, uint32_t len);
/* The process dies, and another takes its place: NULL, or what is wrong. */
const char *bed_adopt(struct bed *b);
/* The next packet sent. */
const struct out *bed_next(struct bed *b);
/* What the service does, or a question: NULL, or what is wrong. */
const char *bed_action(struct bed *b, const struct seg_line *l);

#endif
