/*
 * seg_bed: the stack under a script: its memory, settings and turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seg_bed.h"

#define ROOM	(PKT_HEADROOM + 9216u)

static void
no_fill(struct pktpool *pp, void *arg)
{
	(void)pp;
	(void)arg;
}

/* The service reads what comes, unless the script says otherwise. */
static void
event(void *arg, struct conn *c, uint32_t events)
{
	struct bed *b = arg;
	uint32_t n = conn_readable(c), skip, len, i;
	const uint8_t *p = NULL;

	b->events |= events;
	if (events & CONN_GONE)
		b->error = conn_error(c);
	if (!b->hold && n > 0) {
		for (skip = 0; skip < n; skip += len) {
			len = conn_peek(b->net, c, skip, &p);
			/* The stream begins behind the SYN. */
			for (i = 0; i < len && skip + i < n; i++)
				if (p[i] != seg_byte(1 + b->got + skip + i))
					b->broken = "the service reads wrong "
					    "bytes";
		}
		conn_consume(b->net, c, n);
		b->got += n;
	}
	b->eof = conn_eof(c);
}

void
bed_defaults(struct bed *b)
{
	static const uint8_t a4[4] = { 192, 0, 2, 1 };
	static const uint8_t a6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	struct net_port_conf *p = &b->conf.port[0];

	net_conf_default(&b->conf, 64);
	memset(b->conf.secret, 7, sizeof(b->conf.secret));
	b->conf.seed = 1;
	b->conf.conn_opts = 1;
	b->conf.shape.state_size = (sizeof(struct conn_opts) + 7) & ~7u;
	b->conf.nports = 1;
	p->l3 = 1;
	p->nodad = 1;
	p->mtu = 1500;
	p->naddrs = 2;
	memcpy(p->addr[0].addr, a4, 4);
	p->addr[0].family = 4;
	p->addr[0].prefix = 24;
	memcpy(p->addr[1].addr, a6, 16);
	p->addr[1].family = 6;
	p->addr[1].prefix = 64;
	b->start = b->now = b->last = 1000 * SEC;
	b->flow = bed_flow(b, 40000);
}

/* Settings by name: a number of 1, 2 or 4 bytes in net_conf. */
static const struct setting {
	const char *name;
	uint32_t at, size;
} settings[] = {
#define S(n)								\
	{ #n, offsetof(struct net_conf, n), sizeof(((struct net_conf *)0)->n) }
	S(rto_min_us), S(rto_init_us), S(rto_max_us), S(delack_us),
	S(timewait_us), S(finwait2_us), S(synack_retries), S(syn_retries),
	S(retries), S(keepalive_us), S(rcvbuf), S(rcvbuf_max), S(sndbuf),
	S(backlog), S(initial_window), S(mss_max), S(cc), S(timestamps),
	S(sack), S(ecn), S(restart_idle), S(nodelay), S(quick_acks),
	S(reassembly), S(mtu_probing),
	{ "conns", offsetof(struct net_conf, shape.conns), 4 },
	{ "timewait", offsetof(struct net_conf, shape.timewait), 4 },
	{ "mtu", offsetof(struct net_conf, port[0].mtu), 2 },
#undef S
};

const char *
bed_setting(struct bed *b, const struct seg_line *l)
{
	static char why[100];
	uint8_t *conf = (uint8_t *)&b->conf;
	uint64_t v;
	uint32_t i;

	if (l->nwords != 2 || !seg_number(l->word[1], &v))
		return "NAME VALUE is expected before the first +TIME";
	if (strcmp(l->word[0], "isn") == 0) {
		b->flow->iss = (uint32_t)v;
		return NULL;
	}
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(l->word[0], settings[i].name) != 0)
			continue;
		/* Little-endian, as the machines that this runs on. */
		memcpy(conf + settings[i].at, &v, settings[i].size);
		return NULL;
	}
	snprintf(why, sizeof(why), "there is no setting '%s'", l->word[0]);
	return why;
}

int
bed_start(struct bed *b)
{
	size_t size = arena_size(&b->conf.shape);
	uint32_t i;

	b->stride = (uint32_t)((sizeof(struct pkt) + ROOM + 63) & ~63u);
	b->net = aligned_alloc(64, (net_size() + 63) & ~(size_t)63);
	b->arena = aligned_alloc(64, (size + 63) & ~(size_t)63);
	b->frames = aligned_alloc(64, (size_t)b->stride * BED_FRAMES);
	if (size == 0 || b->net == NULL || b->arena == NULL ||
	    b->frames == NULL)
		return -1;
	for (i = 0; i < BED_FRAMES; i++) {
		struct pkt *p = (void *)(b->frames + (size_t)i * b->stride);

		p->room = ROOM;
		p->port = 0;
		b->pool.p[b->pool.n++] = p;
	}
	b->pool.fill = b->pool.trim = no_fill;
	b->env.base = (uintptr_t)b->frames - 64;
	b->env.pool = &b->pool;
	b->env.counters = b->counters;
	b->env.event = event;
	b->env.arg = b;
	return net_create(b->net, &b->conf, &b->env, b->arena, size, b->now);
}

void
bed_stop(struct bed *b)
{
	free(b->net);
	free(b->arena);
	free(b->frames);
}

struct seg_flow *
bed_flow(struct bed *b, uint16_t port)
{
	struct seg_flow *f;
	uint32_t i;

	for (i = 0; i < b->nflows; i++)
		if (b->flows[i].port == port)
			return &b->flows[i];
	f = &b->flows[b->nflows < BED_FLOWS ? b->nflows++ : 0];
	memset(f, 0, sizeof(*f));
	f->port = port;
	f->local = SIM_LISTEN;
	f->iss = 1000000;
	return f;
}

void
bed_turn(struct bed *b, uint64_t now)
{
	struct pktq *q = net_out(b->net);
	uint32_t i, mark = 0;
	struct out *o;
	bool more;

	b->now = now;
	do {
		more = net_turn(b->net, now);
		for (i = 0; i < q->n; i++) {
			o = &b->out[b->nout++ % BED_OUT];
			o->at = now;
			o->len = q->p[i]->len;
			if (q->p[i]->nfrag != 0 || o->len > sizeof(o->b))
				b->broken = "a packet that no script takes";
			else
				memcpy(o->b, pkt_data(q->p[i]), o->len);
			mark = q->p[i]->mark;
			pktpool_put(&b->pool, q->p[i]);
		}
		if (q->n > 0)
			net_tx_done(b->net, mark);
		q->n = 0;
	} while (more);
	if (b->nout - b->iout > BED_OUT)
		b->broken = "more than 256 packets at once";
}

void
bed_input(struct bed *b, const uint8_t *bytes, uint32_t len)
{
	struct pkt *p = len + PKT_HEADROOM <= ROOM ?
	    pktpool_get(&b->pool) : NULL;

	if (p == NULL) {
		b->broken = "no frame for a packet of the peer's";
		return;
	}
	pkt_reset(p, PKT_HEADROOM);
	memcpy(pkt_data(p), bytes, len);
	p->len = len;
	p->port = 0;
	net_input(b->net, &p, 1, b->last);
	bed_turn(b, b->last);
}

/* A record holds this frame: it is not free. */
static void
held(void *arg, uint32_t ref)
{
	struct bed *b = arg;
	const struct pkt *p = pkt_at(b->env.base, ref);
	uint32_t i;

	for (i = 0; i < b->pool.n && b->pool.p[i] != p; i++)
		continue;
	if (i < b->pool.n)
		b->pool.p[i] = b->pool.p[--b->pool.n];
}

const char *
bed_adopt(struct bed *b)
{
	struct net_addr any = { .port = SIM_LISTEN };
	uint32_t i;

	memset(b->net, 0xdb, net_size());
	b->pool.n = 0;
	b->conf.seed++;
	if (net_adopt(b->net, &b->conf, &b->env, b->arena,
	    arena_size(&b->conf.shape), b->last) != 0)
		return "net_adopt refuses";
	net_tx_done(b->net, 1);
	for (i = 0; i < BED_FRAMES; i++)
		b->pool.p[b->pool.n++] = (void *)(b->frames +
		    (size_t)i * b->stride);
	net_held(b->net, held, b);
	if (net_listen(b->net, &any) != 0)
		return "net_listen refuses";
	net_replay(b->net, b->last);
	return NULL;
}

const struct out *
bed_next(struct bed *b)
{
	return &b->out[b->iout++ % BED_OUT];
}
