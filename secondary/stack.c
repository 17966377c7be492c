#include "stack.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../common/log.h"
#include "io/live.h"

#define RX_SHARE	2u	/* receive queues hold at most a half of the
				   buffers: queues, rings and ACKs need some */

static void
stack_ports(struct io *io, struct net_conf *c)
{
	const struct board_port *bp;
	struct net_port_conf *p;
	uint32_t i;

	c->nports = io->board->head.nports;
	if (c->nports > NET_PORTS)
		c->nports = NET_PORTS;
	for (i = 0; i < c->nports; i++) {
		bp = &io->board->port[i];
		p = &c->port[i];
		memcpy(p->mac, bp->mac, sizeof(p->mac));
		p->mtu = bp->mtu;
		p->caps = bp->caps;
		if (!io->serves[i])
			continue;	/* no address: nothing routes there */
		p->naddrs = bp->naddrs;
		if (p->naddrs > NET_ADDRS)
			p->naddrs = NET_ADDRS;
		memcpy(p->addr, bp->addr, p->naddrs * sizeof(p->addr[0]));
		p->gateway = bp->gateway;
		p->gateway6 = bp->gateway6;
		p->vlan = bp->vlan;
		/* at a wire's other end is one of our own */
		p->nodad = bp->type == PORT_WIRE;
	}
}

/* Slots of our group. */
static uint32_t
group_count(const struct io *io)
{
	uint32_t i, n = 0;

	for (i = 0; i < io->board->head.nslots && i < BOARD_SLOTS; i++)
		n += io->board->slot[i].fixed.group == io->group;
	return n;
}

void
stack_conf(struct io *io, struct net_conf *c, const uint8_t secret[NET_SECRET])
{
	const struct conf_tcp *t = &io->conf->tcp;

	net_conf_default(c, (uint32_t)io->conf->memory.connections);
	conf_arena_shape(io->conf, io->worker, &c->shape);
	c->conn_opts = io->sockets;
	memcpy(c->secret, secret, NET_SECRET);
	if (getrandom(&c->seed, sizeof(c->seed), 0) !=
	    (ssize_t)sizeof(c->seed))
		c->seed = rte_rdtsc();
	stack_ports(io, c);
	c->rto_min_us = (uint32_t)t->rto_min_ms * 1000;
	c->rto_init_us = (uint32_t)t->rto_init_ms * 1000;
	c->delack_us = (uint32_t)t->delack_ms * 1000;
	c->timewait_us = (uint32_t)t->timewait_ms * 1000;
	c->rcvbuf_max = (uint32_t)t->rcvbuf;
	if (c->rcvbuf > c->rcvbuf_max)
		c->rcvbuf = c->rcvbuf_max;
	c->sndbuf = (uint32_t)t->sndbuf;
	c->backlog = (uint32_t)t->backlog;
	c->initial_window = (uint32_t)t->initial_window;
	c->cc = t->congestion == 0 ? NET_CC_CUBIC : NET_CC_NEWRENO;
	c->timestamps = t->timestamps;
	c->sack = t->sack;
	c->ecn = t->ecn;
	c->mtu_probing = 1;
	c->client_lo = io->board->group[io->group].client_lo;
	c->client_hi = io->board->group[io->group].client_hi;
	c->reassembly = io->conf->ip.reassembly;
	/* as steering deals the ports out to the group's slots */
	c->udp_step = (uint16_t)group_count(io);
	c->udp_at = io->slot->fixed.index;
	c->rx_hold_max = io->slot->fixed.npkts / RX_SHARE;
}

static void
on_event(void *arg, struct conn *c, uint32_t events)
{
	struct io *io = arg;

	io->svc.service->event(&io->svc, c, events);
}

static void
on_arrive(void *arg, struct conn *c)
{
	struct io *io = arg;

	if (io->svc.service->arrive != NULL)
		io->svc.service->arrive(&io->svc, c);
}

static void
on_depart(void *arg, struct conn *c)
{
	struct io *io = arg;

	if (io->svc.service->depart != NULL)
		io->svc.service->depart(&io->svc, c);
}

void
stack_env(struct io *io, struct net_env *env)
{
	*env = (struct net_env){
		.base = io->base,
		.pool = io->pool,
		.counters = io->counters,
		.event = on_event,
		.arg = io,
		.owns = lanes_own,
		.bucket = lanes_bucket,
		.buckets = io->buckets,
		.arrive = io->worker->desc->stays ? NULL : on_arrive,
		.depart = io->worker->desc->stays ? NULL : on_depart,
		.learned = lanes_learned,
		.elsewhere = lanes_elsewhere,
	};
}

static const struct service *
find_service(const char *name)
{
	uint32_t i;

	for (i = 0; services[i] != NULL; i++) {
		if (strcmp(services[i]->desc->name, name) == 0)
			return services[i];
	}
	return NULL;
}

bool
stack_has(const char *service)
{
	return find_service(service) != NULL;
}

static int
listen_row(struct io *io, const struct board_listener *l)
{
	struct net_addr a = { .family = l->addr.family };
	uint32_t port;
	int err = 0;

	memcpy(a.addr, l->addr.addr, sizeof(a.addr));
	for (port = l->port_lo; err == 0 && port <= l->port_hi; port++) {
		a.port = (uint16_t)port;
		err = net_listen(io->net, &a);
	}
	if (err < 0)
		log_error("slot %u: listen on port %u: %s", io->me, port - 1,
		    strerror(-err));
	return err;
}

static int
stack_listen(struct io *io)
{
	const struct board *b = io->board;
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0 && i < b->head.nlisteners &&
	    i < BOARD_LISTENERS; i++) {
		if (b->listener[i].group == io->group &&
		    b->listener[i].proto == IPPROTO_TCP)
			err = listen_row(io, &b->listener[i]);
	}
	return err;
}

int
stack_start(struct io *io)
{
	const char *name = io->board->group[io->group].service;
	struct svc *s = &io->svc;
	int err;

	s->service = find_service(name);
	if (s->service == NULL) {
		log_error("this program has no service %s", name);
		return -ENOENT;
	}
	s->net = io->net;
	if (live_start(io) < 0) {
		log_error("service %s: no memory", name);
		return -ENOMEM;
	}
	s->priv = calloc(1, s->service->priv_size + 1);
	if (s->priv == NULL) {
		log_error("service %s: no memory", name);
		return -ENOMEM;
	}
	s->counters = io->slot->worker.svc;
	s->io = &svc_io;
	s->ioarg = io;
	s->slot = io->me;
	s->index = io->slot->fixed.index;
	/* shares of what is to be done: as configured */
	s->count = (uint32_t)io->worker->count;
	if (s->index >= s->count)
		s->count = s->index + 1;
	if (getrandom(&s->seed, sizeof(s->seed), 0) !=
	    (ssize_t)sizeof(s->seed))
		s->seed = rte_rdtsc();
	err = s->service->start(s, io->now);
	if (err < 0) {
		log_error("slot %u: service %s does not start: %s", io->me,
		    name, strerror(-err));
		return err;
	}
	return stack_listen(io);
}

void
stack_refuse(struct io *io)
{
	const struct board_listener *l;
	struct net_addr a;
	uint32_t i, port;

	for (i = 0; i < io->board->head.nlisteners &&
	    i < BOARD_LISTENERS; i++) {
		l = &io->board->listener[i];
		if (l->group != io->group || l->proto != IPPROTO_TCP)
			continue;
		a = (struct net_addr){ .family = l->addr.family };
		memcpy(a.addr, l->addr.addr, sizeof(a.addr));
		for (port = l->port_lo; port <= l->port_hi; port++) {
			a.port = (uint16_t)port;
			net_unlisten(io->net, &a);
		}
	}
}
