/*
 * scenario: worlds with a name. The seed still decides all that a scenario
 * leaves open.
 */
#include <string.h>

#include "sim.h"

#define MIB		(1024u * 1024)

/* All links alike. */
void
scenario_links(struct world *w, const struct link *l)
{
	uint32_t i, j;

	for (i = 0; i < SIM_NODES; i++)
		for (j = 0; j < SIM_NODES; j++)
			w->link[i][j] = *l;
}

/* Two plain hosts with enough of everything. */
void
scenario_plain(struct world *w)
{
	struct host *h;
	uint32_t i;

	w->nhosts = 2;
	w->routed = false;
	w->lenient = false;
	w->adopt_ppm = w->die_ppm = 0;
	w->attack_at = SIM_NEVER;
	w->faults_end = 3600ull * SEC;
	for (i = 0; i < w->nhosts; i++) {
		h = &w->host[i];
		net_conf_default(&h->conf, 16);
		h->conf.shape.state_size = APP_STATE;
		h->conf.nports = 1;
		h->conf.port[0].mtu = 1500;
		h->conf.seed = w->seed;
		h->room = 2048 + PKT_HEADROOM;
		h->nframes = 2048;
		h->conf.rx_hold_max = 1024;
		h->conf.timewait_us = SEC;
		h->nic_mbps = 10000;
		h->rxq_max = 1024;
		h->burst = 32;
		h->budget = 64;
		h->turn_us = 5;
		h->late_us = 0;
		h->check_every = 1024;
		gen_addr(w, h);
	}
}

void
scenario_stream(struct world *w, uint64_t bytes)
{
	struct plan *p;
	uint32_t i;

	gen_plans(w, 1);
	p = &w->plan[0];
	p->kind = PLAN_BULK;
	p->host[0] = 0;
	p->host[1] = 1;
	p->start_us = 0;
	p->lenient = false;
	for (i = 0; i < 2; i++) {
		p->side[i].total = bytes;
		p->side[i].write_max = 65536;
		p->side[i].how = HOW_WRITE;
		p->side[i].reader = READ_ALL;
		p->side[i].end_at = UINT64_MAX;
	}
	w->limit = 4 * 3600ull * SEC;
	w->work_max = 4000000 + bytes / 100;
}

/* 1 % loss and 2 % reordering on 10 ms, each way. */
static void
bulk(struct world *w, uint64_t bytes)
{
	static const struct link l = { .loss = 10000, .reorder = 20000,
	    .reorder_us = 4000, .delay_us = 5000 };

	scenario_plain(w);
	scenario_links(w, &l);
	scenario_stream(w, bytes);
}

static void
bulk_64m(struct world *w)
{
	bulk(w, 64 * MIB);
}

static void
bulk_1g(struct world *w)
{
	bulk(w, 1024ull * MIB);
}

static void
clean(struct world *w)
{
	static const struct link l = { .delay_us = 100, .kbps = 1000000,
	    .queue = 200000 };

	scenario_plain(w);
	scenario_links(w, &l);
	scenario_stream(w, 64 * MIB);
}

/*
 * What CUBIC with SACK and RACK gets through 100 Mbit/s with a queue of one
 * round trip. The least of fifty seeds, less a fifth: who falls below has lost
 * something, and no other test would see it.
 */
static const struct golden {
	uint32_t rtt_us, loss;	/* loss: chances in a million */
	uint32_t kbps;
} golden[] = {
	{ 1000, 0, 75100 },
	{ 1000, 1000, 75000 },
	{ 1000, 10000, 70900 },
	{ 1000, 50000, 16500 },
	{ 10000, 0, 72200 },
	{ 10000, 100, 62100 },
	{ 10000, 1000, 33400 },
	{ 10000, 10000, 10600 },
	{ 10000, 50000, 3500 },
	{ 50000, 0, 52500 },
	{ 50000, 100, 15500 },
	{ 50000, 1000, 6300 },
	{ 50000, 10000, 2200 },
	{ 100000, 0, 26300 },
	{ 100000, 100, 14300 },
	{ 100000, 1000, 3600 },
	{ 100000, 10000, 1100 },
};

static void
goodput(struct world *w)
{
	const struct golden *g = &golden[(w->seed - 1) %
	    (sizeof(golden) / sizeof(golden[0]))];
	struct link l = { .delay_us = g->rtt_us / 2, .loss = g->loss,
	    .kbps = 100000 };

	/* A round trip of bytes, but a few frames at least. */
	l.queue = g->rtt_us / 10 * 125 < 30000 ? 30000 : g->rtt_us / 10 * 125;
	scenario_plain(w);
	scenario_links(w, &l);
	scenario_stream(w, 16 * MIB);
	w->plan[0].kind = PLAN_HALF;
	w->plan[0].side[1].total = 0;
	w->kbps_min = g->kbps;
}

/* A process dies again and again, in mid-turn too. */
static void
adopt(struct world *w)
{
	w->adopt_ppm = 20000;
	w->die_ppm = 10000;
}

/* Everybody has next to no memory. */
static void
tiny(struct world *w)
{
	struct arena_shape *s;
	uint32_t i;

	for (i = 0; i < w->nhosts; i++) {
		s = &w->host[i].conf.shape;
		s->small = 16;
		s->chunks = 4;
		s->chunk_size = 1024;
		w->host[i].nframes = 32 + w->nplans;
		w->host[i].conf.rx_hold_max = w->host[i].nframes / 2;
	}
}

/* The least buffers that a setting allows, on paths on which that is enough to
 * get through. */
static void
narrow(struct world *w)
{
	struct link *l;
	uint32_t i, j;

	for (i = 0; i < SIM_NODES; i++) {
		for (j = 0; j < SIM_NODES; j++) {
			l = &w->link[i][j];
			l->delay_us = l->delay_us % 10000 + 5;
			l->jitter_us %= 5000;
			l->reorder_us %= 40000;
		}
	}
	for (i = 0; i < w->nhosts; i++) {
		w->host[i].conf.rcvbuf = w->host[i].conf.rcvbuf_max = 2048;
		w->host[i].conf.sndbuf = 2048;
	}
}

/* Every path overtakes itself, by many round trips. */
static void
shuffle(struct world *w)
{
	struct link *l;
	uint32_t i, j;

	for (i = 0; i < SIM_NODES; i++) {
		for (j = 0; j < SIM_NODES; j++) {
			l = &w->link[i][j];
			l->reorder = 200000 + 100000 * ((i + j) % 8);
			l->reorder_us = 20 * l->delay_us + 2000;
		}
	}
}

static void
attack(struct world *w)
{
	w->attack_at = 0;
	w->attack_burst = 64;
	w->syn_flood = 500000;
	w->insider = true;
}

/* Many short connections at once. */
static void
crowd(struct world *w)
{
	struct arena_shape *s;
	uint32_t i, j;

	for (i = 0; i < w->nhosts; i++) {
		s = &w->host[i].conf.shape;
		if (s->conns < 512)
			s->conns = 512;
		s->small = 2 * s->conns;
		s->chunks = s->conns;
		w->host[i].nframes = 1024;
		w->host[i].conf.rx_hold_max = 512;
	}
	/* So many first segments must fit. */
	for (i = 0; i < SIM_NODES; i++)
		for (j = 0; j < SIM_NODES; j++)
			if (w->link[i][j].kbps < 20000)
				w->link[i][j].kbps = 0;
	gen_plans(w, 400);
	for (i = 0; i < w->nplans; i++)
		w->plan[i].start_us %= SEC;
}

const struct scenario scenarios[] = {
	{ "bulk", "64 MiB each way, 1% loss, 2% reordering", bulk_64m },
	{ "bulk-1g", "1 GiB each way, 1% loss, 2% reordering", bulk_1g },
	{ "clean", "64 MiB each way at 1 Gbit/s without faults", clean },
	{ "goodput", "16 MiB through 100 Mbit/s: seed by seed, a row of "
	    "delay and loss", goodput },
	{ "loss", "10 s through 100 Mbit/s and 40 ms: seed by seed, a row of "
	    "the table (--table)", table_shape },
	{ "adopt", "processes die in every world", adopt },
	{ "tiny", "little memory in every world", tiny },
	{ "narrow", "the least buffers in every world", narrow },
	{ "shuffle", "hardly anything comes in order in any world", shuffle },
	{ "attack", "floods and forgeries in every world", attack },
	{ "crowd", "400 connections in every world", crowd },
	{ NULL, NULL, NULL }
};
