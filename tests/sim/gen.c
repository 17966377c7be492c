/*
 * gen: a world from a seed. What is drawn here is what the stack must stand:
 * if two settings cannot go together, it is said here why.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define BYTES_MAX	8000000u /* of all streams of a world, each way */

static const uint16_t mtus[] = { 1500, 1500, 1500, 9000, 1280, 576, 1006,
    4352 };

/* Kinds of weather. */
enum weather { CLEAN, LIGHT, HEAVY, WEATHERS };

static uint32_t
some(struct rng *r, uint32_t often, uint32_t max)
{
	return rng_chance(r, often) ? rng_log(r, 1, max) : 0;
}

static void
gen_link(struct world *w, struct link *l, enum weather weather)
{
	struct rng *r = &w->rng;
	uint32_t most = weather == HEAVY ? 200000 : 20000;

	memset(l, 0, sizeof(*l));
	l->delay_us = rng_log(r, 5, 100000);
	if (rng_chance(r, 500000)) {
		l->kbps = rng_log(r, 500, 10000000);
		/* At least two frames of the largest MTU fit. */
		l->queue = rng_log(r, 20000, 1000000);
	}
	if (weather == CLEAN)
		return;
	l->jitter_us = some(r, 500000, l->delay_us + 100);
	l->loss = some(r, 700000, most);
	l->burst = some(r, 300000, weather == HEAVY ? 200000 : 20000);
	l->dup = some(r, 400000, 20000);
	l->reorder = some(r, 500000, 100000);
	l->reorder_us = rng_log(r, 10, 4 * l->delay_us + 1000);
	l->corrupt = some(r, 400000, 10000);
	/* A path that knows no order at all. */
	if (rng_chance(r, 40000)) {
		l->reorder = rng_range(r, 200000, 900000);
		l->reorder_us = rng_log(r, 1000, 20 * l->delay_us + 2000);
	}
	if (weather == HEAVY && rng_chance(r, 300000)) {
		l->dark_at = rng_range(r, 0, 5 * SEC);
		l->dark_until = l->dark_at + rng_log(r, 1000, 3 * SEC);
	}
}

static void
gen_links(struct world *w)
{
	enum weather weather = rng_below(&w->rng, 4);
	uint32_t i, j;

	if (weather == WEATHERS)
		weather = LIGHT;
	w->lenient = weather == HEAVY;
	for (i = 0; i < SIM_NODES; i++) {
		for (j = 0; j < SIM_NODES; j++) {
			gen_link(w, &w->link[i][j], weather);
			/* Often both directions are alike. */
			if (j < i && rng_chance(&w->rng, 600000))
				w->link[i][j] = w->link[j][i];
		}
	}
}

static uint32_t
gen_caps(struct rng *r)
{
	uint32_t caps = rng_below(r, 64) & (NET_CAP_RX_CSUM |
	    NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM | NET_CAP_TSO |
	    NET_CAP_FRAGS);

	if (rng_chance(r, 250000))
		caps = 0;
	else if (rng_chance(r, 250000))
		caps = NET_CAP_RX_CSUM | NET_CAP_TX_IPCSUM |
		    NET_CAP_TX_L4CSUM | NET_CAP_TSO | NET_CAP_FRAGS;
	/* No port segments without checksumming. */
	if (caps & NET_CAP_TSO)
		caps |= NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM;
	return caps;
}

void
gen_addr(struct world *w, struct host *h)
{
	struct net_port_conf *p = &h->conf.port[0];
	uint8_t net = w->routed ? (uint8_t)h->id : 0;
	uint8_t a[4] = { 10, 9, net, (uint8_t)(h->id + 1) };
	uint8_t a6[16] = { 0xfd, 9, [7] = net, [15] = (uint8_t)(h->id + 1) };

	memcpy(&h->addr_be, a, 4);
	ip_map4(h->addr[0], a);
	memcpy(h->addr[1], a6, 16);
	/* RFC 8200 (5): no link that carries IPv6 has a smaller MTU. */
	h->has6 = p->mtu >= 1280;
	h->mac[0] = 2;
	h->mac[5] = (uint8_t)(h->id + 1);
	memcpy(p->mac, h->mac, 6);
	p->naddrs = h->has6 ? 2 : 1;
	memcpy(p->addr[0].addr, a, 4);
	p->addr[0].family = 4;
	p->addr[0].prefix = 24;
	memcpy(p->addr[1].addr, a6, 16);
	p->addr[1].family = 6;
	p->addr[1].prefix = 64;
	if (w->routed) {
		a[3] = 254;
		memcpy(p->gateway.addr, a, 4);
		p->gateway.family = 4;
		a6[15] = 0xfe;
		memcpy(p->gateway6.addr, a6, 16);
		p->gateway6.family = 6;
	}
}

static void
gen_port(struct world *w, struct host *h)
{
	struct net_port_conf *p = &h->conf.port[0];
	struct rng *r = &w->rng;

	h->conf.nports = 1;
	p->mtu = mtus[rng_below(r, sizeof(mtus) / sizeof(mtus[0]))];
	p->caps = gen_caps(r);
	p->tso_max = rng_chance(r, 500000) ? 0 : rng_log(r, 10000, 65000);
	gen_addr(w, h);
	h->room = PKT_HEADROOM + 14 + p->mtu;
	if (rng_chance(r, 700000) && h->room < 2048 + PKT_HEADROOM)
		h->room = 2048 + PKT_HEADROOM;
	h->room = (h->room + 63) & ~63u;
}

static void
gen_tcp(struct world *w, struct net_conf *c)
{
	struct rng *r = &w->rng;

	if (rng_chance(r, 300000))
		c->rto_init_us = rng_log(r, 200000, 3 * SEC);
	if (rng_chance(r, 300000))
		c->rto_min_us = rng_log(r, 10000, c->rto_init_us);
	if (rng_chance(r, 300000))
		c->rto_max_us = rng_log(r, 4 * SEC, 60 * SEC);
	if (rng_chance(r, 500000))
		c->delack_us = rng_chance(r, 500000) ? 0 :
		    rng_log(r, 1000, 200000);
	c->timewait_us = rng_log(r, 10000, 60 * SEC);
	if (rng_chance(r, 300000))
		c->finwait2_us = rng_log(r, SEC, 60 * SEC);
	/* The least that a setting allows, too. */
	c->rcvbuf = rng_log(r, rng_chance(r, 100000) ? 2048 : 4096, 262144);
	c->rcvbuf_max = c->rcvbuf << rng_below(r, 4);
	c->sndbuf = rng_log(r, rng_chance(r, 100000) ? 2048 : 4096, 262144);
	if (rng_chance(r, 300000))
		c->initial_window = rng_range(r, 1, 10);
	if (rng_chance(r, 200000))
		c->mss_max = (uint16_t)rng_log(r, 88, 1460);
	c->cc = (uint8_t)rng_below(r, 2);
	c->timestamps = rng_chance(r, 800000);
	c->sack = rng_chance(r, 800000);
	c->ecn = (uint8_t)rng_below(r, 3);
	c->restart_idle = rng_chance(r, 500000);
	c->nodelay = rng_chance(r, 500000);
	/* What a flood leaves half-open takes no record that a plan needs. */
	c->backlog = rng_chance(r, 200000) ? rng_log(r, 1, 16) :
	    rng_range(r, w->nplans, w->nplans + 64);
	/* Some listen once for each family. */
	c->shape.conns += 2 * c->backlog;
	/* Whoever waits to read must learn of a RST that was lost. */
	c->keepalive_us = rng_log(r, 2 * SEC, 30 * SEC);
}

/* How much memory a host has; some have next to nothing. */
static void
gen_memory(struct world *w, struct host *h)
{
	struct arena_shape *s = &h->conf.shape;
	struct rng *r = &w->rng;

	s->state_size = APP_STATE + 8 * rng_below(r, 20);
	s->timewait = rng_log(r, 1, 128);
	/* Each node has an address of either family. */
	s->neighs = rng_range(r, 2 * SIM_NODES, 48);
	h->nframes = rng_range(r, 256, 1024);
	if (rng_chance(r, 250000)) {
		/* Chunks: every stream must still get through. */
		s->small = rng_range(r, 16, 48);
		s->chunks = rng_range(r, 4, 16);
		s->chunk_size = 64 * rng_range(r, 16, 64);
	}
	if (rng_chance(r, 200000))
		h->nframes = rng_range(r, 32, 96);
	if (rng_chance(r, 100000)) {
		s->conns = rng_range(r, 2, 8);
		w->lenient = true;
	}
	/* Frames that no receive queue may take: to send, to receive. */
	h->conf.rx_hold_max = h->nframes * rng_range(r, 4, 6) / 8;
}

static void
gen_host(struct world *w, uint32_t id)
{
	struct host *h = &w->host[id];
	struct rng *r = &w->rng;
	uint32_t i;

	h->id = id;
	net_conf_default(&h->conf, 8 + rng_below(r, 64) + w->nplans);
	gen_port(w, h);
	gen_tcp(w, &h->conf);
	gen_memory(w, h);
	for (i = 0; i < NET_SECRET; i++)
		h->conf.secret[i] = (uint8_t)rng_u64(r);
	h->conf.seed = rng_u64(r);
	h->nic_mbps = rng_log(r, 100, 100000);
	h->rxq_max = rng_log(r, 32, 1024);
	h->burst = rng_log(r, 1, ARENA_BURST);
	h->budget = rng_log(r, 1, 256);
	h->turn_us = rng_log(r, 1, 50);
	h->late_us = rng_chance(r, 500000) ? 0 : rng_log(r, 1, 20000);
	h->check_every = rng_log(r, 8, 64);
}

static void
gen_side(struct world *w, struct side *s, uint64_t total)
{
	struct rng *r = &w->rng;

	s->total = total;
	s->write_max = rng_log(r, 1, 65536);
	/* Not more than about 4,000 calls. */
	if (s->write_max < total / 1000)
		s->write_max = (uint32_t)(total / 1000);
	if (s->write_max > PATTERN_RUN)
		s->write_max = PATTERN_RUN;
	s->how = (uint8_t)rng_range(r, 1, 7);
	if (rng_chance(r, 200000))
		s->how |= HOW_CORK;
	if (rng_chance(r, 300000))
		s->how |= HOW_NODELAY;
	s->reader = (uint8_t)rng_below(r, READERS);
	s->end_at = UINT64_MAX;
}

static void
gen_plan(struct world *w, struct plan *p, uint32_t budget)
{
	struct rng *r = &w->rng;
	uint64_t up = rng_below(r, budget + 1), down = rng_below(r, budget + 1);
	uint32_t i, rounds;

	p->key = (uint32_t)rng_u64(r);
	p->kind = (uint8_t)rng_below(r, PLAN_KINDS);
	p->host[0] = (uint8_t)rng_below(r, w->nhosts);
	p->host[1] = (uint8_t)((p->host[0] + rng_range(r, 1, w->nhosts - 1)) %
	    w->nhosts);
	p->start_us = rng_chance(r, 500000) ? 0 :
	    rng_below(r, (uint32_t)(w->faults_end / 2));
	p->lenient = w->lenient;
	p->family = w->host[p->host[0]].has6 && w->host[p->host[1]].has6 &&
	    rng_chance(r, 450000) ? 6 : 4;
	if (p->kind == PLAN_SHORT) {
		up %= 3000;
		down %= 3000;
	}
	if (p->kind == PLAN_RPC) {
		p->request = rng_log(r, 1, 4096);
		p->answer = rng_log(r, 1, 65536);
		rounds = 1 + budget / (p->request + p->answer);
		rounds = rng_range(r, 1, rounds < 100 ? rounds : 100);
		up = (uint64_t)rounds * p->request;
		down = (uint64_t)rounds * p->answer;
	}
	gen_side(w, &p->side[0], up);
	gen_side(w, &p->side[1], down);
	/* A slow reader takes no more than 300 rests of 30 ms for all. */
	for (i = 0; i < 2; i++) {
		p->side[i].slow_us = rng_log(r, 100, 30000);
		p->side[i].slow_bytes = rng_log(r, 1, 8192) +
		    (uint32_t)(p->side[!i].total / 300);
	}
	if (p->kind == PLAN_ABORT || p->kind == PLAN_EARLY)
		p->side[rng_below(r, 2)].end_at = rng_below(r,
		    (uint32_t)(up + down) + 1);
}

/* Bytes that all streams together may take: the slowest link decides. */
static uint32_t
gen_budget(struct world *w)
{
	uint32_t i, j, kbps = UINT32_MAX;
	uint64_t bytes;

	for (i = 0; i < SIM_NODES; i++)
		for (j = 0; j < SIM_NODES; j++)
			if (w->link[i][j].kbps && w->link[i][j].kbps < kbps)
				kbps = w->link[i][j].kbps;
	bytes = (uint64_t)kbps * 1000 / 8 * 10;
	if (bytes > BYTES_MAX)
		bytes = BYTES_MAX;
	return (uint32_t)bytes / w->nplans;
}

void
gen_plans(struct world *w, uint32_t n)
{
	uint32_t i, budget;

	free(w->plan);
	w->plan = calloc(n, sizeof(*w->plan));
	SIM_CHECK(w, w->plan != NULL, "no memory");
	w->nplans = n;
	budget = gen_budget(w);
	for (i = 0; i < n; i++)
		gen_plan(w, &w->plan[i], rng_chance(&w->rng, 500000) ?
		    rng_log(&w->rng, 1, budget) : budget);
}

void
gen_world(struct world *w)
{
	struct rng *r = &w->rng;
	uint32_t i;

	w->nhosts = rng_chance(r, 600000) ? 2 : rng_range(r, 2, SIM_HOSTS);
	w->routed = rng_chance(r, 200000);
	w->router_mtu = mtus[rng_below(r, sizeof(mtus) / sizeof(mtus[0]))];
	w->pad_random = rng_chance(r, 500000);
	w->faults_end = rng_log(r, SEC, 15 * SEC);
	gen_links(w);
	if (rng_chance(r, 300000))
		w->adopt_ppm = rng_log(r, 500, 20000);
	if (rng_chance(r, 200000))
		w->die_ppm = rng_log(r, 500, 10000);
	w->attack_at = SIM_NEVER;
	if (rng_chance(r, 250000)) {
		w->attack_at = rng_below(r, SEC);
		w->attack_burst = rng_log(r, 1, 64);
		w->syn_flood = rng_below(r, 1000001);
		w->insider = rng_chance(r, 500000);
	}
	w->nplans = rng_log(r, 1, rng_chance(r, 200000) ? 120 : 20);
	for (i = 0; i < w->nhosts; i++)
		gen_host(w, i);
	gen_plans(w, w->nplans);
}
