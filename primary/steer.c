#include "steer.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "primary.h"

#include "../common/bell.h"
#include "../common/log.h"

#define ETHER_LEN	14u

/* By port: NULL if nothing there has to follow. */
static struct steer_map *maps[BOARD_PORTS];
static uint8_t by_bpf[BOARD_PORTS];	/* the map is the kernel's */
static uint32_t away;			/* bit s: spare slot s, see below */
/* The table as it was looked at last: what the maps follow. */
static uint64_t table[BOARD_GROUPS][BOARD_BUCKETS];
static uint32_t givers;			/* bit s: slot s gave some away since */

/* ---- the table --------------------------------------------------------- */

/*
 * How many buckets differ for the coarsest of a group's ports: a RETA of 128
 * entries looks at 7 bits of the hash only, so buckets 128 apart must begin
 * with one owner.
 */
static uint32_t
grain(const struct primary *p, uint32_t ports)
{
	uint32_t i, n = BOARD_BUCKETS;

	for (i = 0; i < p->board->head.nports; i++)
		if ((ports & 1u << i) != 0 && p->port[i].reta_size > 0 &&
		    p->port[i].reta_size < n)
			n = p->port[i].reta_size;
	return n;
}

void
steer_buckets(struct primary *p)
{
	struct board *b = p->board;
	uint8_t slot[BOARD_SLOTS];
	uint32_t g, s, k, n, size;

	for (g = 0; g < b->head.ngroups; g++) {
		for (s = 0, n = 0; s < b->head.nslots; s++)
			if (b->slot[s].fixed.group == g &&
			    !b->slot[s].fixed.spare)
				slot[n++] = (uint8_t)s;
		size = grain(p, b->group[g].ports);
		for (k = 0; k < BOARD_BUCKETS; k++) {
			s = n > 0 ? slot[k % size % n] : BOARD_NONE;
			atomic_store_explicit(&b->bucket[g][k],
			    BUCKET_WORD(s, BOARD_NONE, 0, 0, 0),
			    memory_order_relaxed);
			atomic_store_explicit(&b->want[g][k], s,
			    memory_order_relaxed);
		}
	}
}

/* Look at the table. Who gave something away waits for steering to follow. */
static void
look(const struct board *b)
{
	uint32_t g, k, was;
	uint64_t w;

	for (g = 0; g < b->head.ngroups; g++)
		for (k = 0; k < BOARD_BUCKETS; k++) {
			w = atomic_load_explicit(&b->bucket[g][k],
			    memory_order_relaxed);
			was = BUCKET_OWNER(table[g][k]);
			if (was != BUCKET_OWNER(w) && was < BOARD_SLOTS)
				givers |= 1u << was;
			table[g][k] = w;
		}
}

/* Say that everything follows the table as we saw it. */
static void
say(struct primary *p)
{
	struct board *b = p->board;
	uint32_t g, k, s, epoch;

	for (g = 0; g < b->head.ngroups; g++)
		for (k = 0; k < BOARD_BUCKETS; k++) {
			epoch = BUCKET_EPOCH(table[g][k]);
			if (atomic_load_explicit(&b->steered[g][k],
			    memory_order_relaxed) == epoch)
				continue;
			/* release pairs with the acquire in order_turn():
			 * the maps have changed before */
			atomic_store_explicit(&b->steered[g][k], epoch,
			    memory_order_release);
		}
	for (s = 0; s < b->head.nslots; s++)
		if ((givers & 1u << s) != 0 && p->slot[s].bell >= 0)
			bell_call(p->slot[s].bell, &b->slot[s].worker.asleep);
	givers = 0;
}

/* ---- maps -------------------------------------------------------------- */

/* Local ports to groups. Where two groups differ by address only, one wins;
 * workers hand on what is the other's. */
static void
fill_groups(const struct board *b, uint32_t i, struct steer_map *m)
{
	const struct board_listener *l;
	const struct board_group *g;
	uint32_t n, k, port;

	memset(m->group, BOARD_NONE, sizeof(m->group));
	for (n = 0; n < b->head.ngroups; n++) {
		g = &b->group[n];
		if ((g->ports & 1u << i) == 0 || g->client_lo == 0)
			continue;
		for (port = g->client_lo; port <= g->client_hi; port++)
			m->group[port] = (uint8_t)n;
	}
	for (k = 0; k < b->head.nlisteners; k++) {
		l = &b->listener[k];
		if ((b->group[l->group].ports & 1u << i) == 0)
			continue;
		for (port = l->port_lo; port <= l->port_hi; port++)
			m->group[port] = l->group;
	}
}

/*
 * A NIC's queue that is stopped loses what comes: while a slot is repaired,
 * its frames go to another one, which hands them on. A tap keeps frames in
 * the kernel, a dispatched port in the slot's ring.
 */
static uint32_t
stand_in(const struct board *b, uint32_t i, uint32_t s)
{
	uint32_t k;

	if (b->port[i].lane != LANE_DIRECT || b->port[i].type == PORT_TAP ||
	    (away & 1u << s) == 0)
		return s;
	for (k = 0; k < b->head.nslots; k++)
		if (b->slot[k].fixed.queue[i] != BOARD_NONE &&
		    (away & 1u << k) == 0)
			return k;
	return s;
}

/* Owners of buckets as queues of port i or, if it is dispatched, as slots. */
static void
fill_owners(const struct board *b, uint32_t i, struct steer_map *m)
{
	uint32_t g, k, s;
	uint8_t to;

	for (g = 0; g < b->head.ngroups; g++)
		for (k = 0; k < BOARD_BUCKETS; k++) {
			s = BUCKET_OWNER(table[g][k]);
			to = BOARD_NONE;
			if (s < BOARD_SLOTS)
				s = stand_in(b, i, s);
			if (s < BOARD_SLOTS)
				to = b->port[i].lane == LANE_DISPATCH ?
				    (uint8_t)s : b->slot[s].fixed.queue[i];
			if (by_bpf[i] && to == BOARD_NONE)
				to = m->rest;
			m->to[g][k] = to;
		}
}

/* The queue of the first slot that serves the port; queue 0 before any does:
 * its slot will. */
static void
fill_rest(const struct board *b, uint32_t i, struct steer_map *m)
{
	const struct board_slot *sl;
	uint32_t s;

	m->rest = 0;
	for (s = 0; s < b->head.nslots; s++) {
		sl = &b->slot[s];
		if (sl->fixed.queue[i] == BOARD_NONE || atomic_load_explicit(
		    &sl->worker.phase, memory_order_relaxed) != PHASE_SERVING)
			continue;
		m->rest = sl->fixed.queue[i];
		return;
	}
}

static void
fill_map(const struct primary *p, uint32_t i)
{
	toeplitz_init(&maps[i]->key, p->board->port[i].rss_key);
	fill_groups(p->board, i, maps[i]);
	fill_rest(p->board, i, maps[i]);
	fill_owners(p->board, i, maps[i]);
}

/* ---- tap --------------------------------------------------------------- */

static void
start_tap(struct primary *p, uint32_t i)
{
	const char *dev = p->conf->ports[i].device;
	int prog, fd, err = 0;

	prog = steer_bpf_open(&maps[i]);
	if (prog < 0) {
		maps[i] = NULL;
		log_warn("port %s: the kernel takes no steering program (%s); "
		    "workers hand frames on", p->conf->ports[i].name,
		    strerror(-prog));
		return;
	}
	by_bpf[i] = 1;
	fill_map(p, i);
	fd = tap_fd(dev);
	if (fd < 0 || ioctl(fd, TUNSETSTEERINGEBPF, &prog) < 0)
		err = fd < 0 ? -ENODEV : -errno;
	close(prog);		/* the interface holds it */
	if (err < 0) {
		log_warn("port %s: %s takes no steering program (%s); workers "
		    "hand frames on", p->conf->ports[i].name, dev,
		    strerror(-err));
		steer_bpf_close(maps[i]);
		maps[i] = NULL;
	}
}

/* ---- RETA -------------------------------------------------------------- */

/* The group whose buckets a NIC's table shows: the port's first. */
static uint32_t
reta_group(const struct board *b, uint32_t i)
{
	uint32_t g;

	for (g = 0; g + 1 < b->head.ngroups; g++)
		if (b->group[g].ports & 1u << i)
			break;
	return g;
}

static int
write_reta(struct primary *p, uint32_t i)
{
	struct rte_eth_rss_reta_entry64 reta[PORT_RETA_MAX /
	    RTE_ETH_RETA_GROUP_SIZE];
	uint32_t k, size = p->port[i].reta_size;
	uint32_t g = reta_group(p->board, i);
	uint8_t q;

	memset(reta, 0, sizeof(reta));
	for (k = 0; k < size; k++) {
		q = maps[i]->to[g][k % BOARD_BUCKETS];
		reta[k / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1) <<
		    k % RTE_ETH_RETA_GROUP_SIZE;
		reta[k / RTE_ETH_RETA_GROUP_SIZE].reta[
		    k % RTE_ETH_RETA_GROUP_SIZE] = q == BOARD_NONE ? 0 : q;
	}
	return rte_eth_dev_rss_reta_update(p->port[i].id, reta,
	    (uint16_t)size);
}

static void
start_plain(struct primary *p, uint32_t i)
{
	int err;

	maps[i] = calloc(1, sizeof(*maps[i]));
	if (maps[i] == NULL)
		return;		/* spread_start() refuses; a NIC has its own */
	fill_map(p, i);
	if (p->port[i].reta_size == 0)
		return;
	err = write_reta(p, i);
	if (err == 0)
		return;
	log_warn("port %s: its redirection table cannot be set (%s); workers "
	    "hand frames on", p->conf->ports[i].name, rte_strerror(-err));
	p->port[i].reta_size = 0;
}

void
steer_start(struct primary *p)
{
	const struct board_port *b;
	uint32_t i;

	look(p->board);
	givers = 0;
	for (i = 0; i < p->board->head.nports; i++) {
		b = &p->board->port[i];
		if (!p->port[i].is_started)
			continue;
		if (b->lane == LANE_DIRECT && b->type == PORT_TAP &&
		    b->nqueues > 1)
			start_tap(p, i);
		else if (b->lane == LANE_DISPATCH || p->port[i].reta_size > 0)
			start_plain(p, i);
	}
}

/*
 * Buckets move rarely: comparing a port's view with the board takes some
 * microseconds.
 */
void
steer_update(struct primary *p)
{
	static uint8_t before[BOARD_GROUPS][BOARD_BUCKETS];
	uint32_t i;

	look(p->board);
	for (i = 0; i < p->board->head.nports; i++) {
		if (maps[i] == NULL)
			continue;
		memcpy(before, maps[i]->to, sizeof(before));
		fill_rest(p->board, i, maps[i]);
		fill_owners(p->board, i, maps[i]);
		if (p->port[i].reta_size > 0 &&
		    memcmp(before, maps[i]->to, sizeof(before)) != 0 &&
		    write_reta(p, i) < 0)
			log_warn("port %s: its redirection table did not "
			    "change", p->conf->ports[i].name);
	}
	say(p);
}

void
steer_spare(struct primary *p, uint32_t s, int spare)
{
	if (spare)
		away |= 1u << s;
	else
		away &= ~(1u << s);
	steer_update(p);
}

void
steer_stop(struct primary *p)
{
	uint32_t i;

	for (i = 0; i < BOARD_PORTS; i++) {
		if (maps[i] == NULL)
			continue;
		if (by_bpf[i])
			steer_bpf_close(maps[i]);
		else
			free(maps[i]);
		maps[i] = NULL;
	}
}

const struct steer_map *
steer_map(uint32_t i)
{
	return maps[i];
}

/* ---- dispatch ---------------------------------------------------------- */

static uint32_t
be16(const uint8_t *d)
{
	return (uint32_t)d[0] << 8 | d[1];
}

/* Where a frame's addresses and ports lie; 0 if it has no whole tuple. */
static uint32_t
find_tuple(const uint8_t *d, uint32_t len, uint32_t *addrs, uint32_t *alen)
{
	const uint8_t *ip = d + ETHER_LEN;
	uint32_t hl, proto;

	if (len >= ETHER_LEN + 20 && be16(d + 12) == 0x0800) {
		hl = (ip[0] & 15u) * 4;
		proto = ip[9];
		if (hl < 20 || (be16(ip + 6) & 0x3fff) != 0)
			return 0;
		*addrs = ETHER_LEN + 12;
		*alen = 8;
	} else if (len >= ETHER_LEN + 40 && be16(d + 12) == 0x86dd) {
		hl = 40;
		proto = ip[6];
		*addrs = ETHER_LEN + 8;
		*alen = 32;
	} else {
		return 0;
	}
	if ((proto != IPPROTO_TCP && proto != IPPROTO_UDP) ||
	    len < ETHER_LEN + hl + 4)
		return 0;
	return ETHER_LEN + hl;
}

uint32_t
steer_pick(const struct steer_map *m, struct pkt *p)
{
	const uint8_t *d = pkt_data(p);
	uint32_t addrs, alen, ports, group;
	uint8_t in[TOEPLITZ_V6];

	ports = find_tuple(d, p->len, &addrs, &alen);
	if (ports == 0)
		return BOARD_NONE;
	memcpy(in, d + addrs, alen);
	memcpy(in + alen, d + ports, 4);
	p->hash = toeplitz_hash(&m->key, in, alen + 4);
	p->flags |= PKT_RX_HASH;
	group = m->group[be16(d + ports + 2)];
	if (group >= BOARD_GROUPS)
		return BOARD_NONE;
	return m->to[group][p->hash % BOARD_BUCKETS];
}
