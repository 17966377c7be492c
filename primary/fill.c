/*
 * fill: the words of the board that the configuration decides and that stay
 * as they are after READY.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <bsd/string.h>

#include "primary.h"

#include "../common/pkt.h"
#include "../common/shm.h"

/* Port index by name; the configuration was checked. */
static uint16_t
port_named(const struct conf *c, const char *name)
{
	uint32_t i;

	for (i = 0; i < c->nports; i++)
		if (strcmp(c->ports[i].name, name) == 0)
			return (uint16_t)i;
	return BOARD_NONE;
}

static void
fill_port(struct primary *p, uint32_t i, const uint8_t key[40])
{
	const struct conf_port *c = &p->conf->ports[i];
	struct board_port *b = &p->board->port[i];

	/* both are for display: a longer one is cut */
	strlcpy(b->name, c->name, sizeof(b->name));
	strlcpy(b->device, c->device, sizeof(b->device));
	b->type = (uint8_t)c->type;
	b->mtu = (uint16_t)c->mtu;
	b->ethdev = UINT16_MAX;
	b->wire_peer = BOARD_NONE;
	b->naddrs = c->naddrs;
	memcpy(b->addr, c->addrs, sizeof(b->addr));
	b->gateway = c->gw;
	b->gateway6 = c->gw6;
	b->vlan = (uint16_t)c->vlan;
	memcpy(b->rss_key, key, sizeof(b->rss_key));
	if (c->type == PORT_WIRE)
		b->wire_peer = port_named(p->conf, c->peer);
	p->port[i].conf = c;
}

static int
fill_group(struct primary *p, uint32_t g)
{
	const struct conf_worker *w = &p->conf->workers[g];
	struct board_group *b = &p->board->group[g];
	uint32_t i, n = p->board->head.nlisteners;

	strlcpy(b->name, w->name, sizeof(b->name));
	strlcpy(b->service, w->service, sizeof(b->service));
	b->ports = w->port_mask;
	b->client_lo = w->client_lo;
	b->client_hi = w->client_hi;
	if (n + w->nlisteners > BOARD_LISTENERS)
		return primary_fail(p, -ENOSPC, "more than %u listeners",
		    BOARD_LISTENERS);
	for (i = 0; i < w->nlisteners; i++) {
		p->board->listener[n] = w->listeners[i];
		p->board->listener[n].group = (uint8_t)g;
		n++;
	}
	p->board->head.nlisteners = n;
	return 0;
}

/* The faults of the configuration, where it has some. */
static void
set_faults(struct primary *p, uint32_t s, uint32_t g)
{
	struct slot_fault *f = &p->board->slot[s].fault;
	uint32_t word[FAULT_WORDS], i;

	p->board->head.faults = p->conf->faults;
	conf_fault_words(&p->conf->workers[g].fault, word);
	for (i = 0; i < FAULT_WORDS; i++)
		atomic_store(&f->word[i], word[i]);
	atomic_store(&f->turn, 1);
}

static void
fill_slot(struct primary *p, uint32_t s, uint32_t g, uint32_t index)
{
	const struct conf_memory *m = &p->conf->memory;
	struct slot_fixed *f = &p->board->slot[s].fixed;
	uint32_t i;

	f->group = (uint8_t)g;
	f->index = (uint8_t)index;
	f->spare = index >= (uint32_t)p->conf->workers[g].count;
	f->npkts = (uint32_t)m->buffers;
	f->pkt_room = PKT_HEADROOM + (uint32_t)m->buffer_size;
	set_faults(p, s, g);
	for (i = 0; i < BOARD_PORTS; i++) {
		f->queue[i] = BOARD_NONE;
		if (p->board->group[g].ports & 1u << i)
			p->port[i].slots |= 1u << s;
	}
}

int
fill_conf(struct primary *p)
{
	struct board_head *h = &p->board->head;
	uint32_t i, s, g, index;
	uint8_t key[40];
	int err;

	h->nslots = p->conf->nslots;
	h->nports = p->conf->nports;
	h->ngroups = p->conf->nworkers;
	/* one key for all ports: attackers must not know it */
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return primary_fail(p, -EIO, "no random numbers");
	for (i = 0; i < h->nports; i++)
		fill_port(p, i, key);
	for (g = 0; g < h->ngroups; g++) {
		err = fill_group(p, g);
		if (err < 0)
			return err;
	}
	for (s = 0; s < BOARD_SLOTS; s++)
		p->board->slot[s].fixed.group = BOARD_NONE;
	for (s = 0; s < h->nslots; s++) {
		err = conf_slot(p->conf, s, &g, &index);
		if (err < 0)
			return primary_fail(p, err, "slot %u has no group", s);
		fill_slot(p, s, g, index);
	}
	return 0;
}

void
fill_device(struct primary *p, uint32_t i)
{
	struct slot_fixed *f;
	uint32_t s;

	for (s = 0; s < p->board->head.nslots; s++) {
		f = &p->board->slot[s].fixed;
		if (p->board->port[i].lane == LANE_DIRECT &&
		    f->queue[i] != BOARD_NONE)
			f->device_pkts += p->port[i].rx_desc;
	}
}
