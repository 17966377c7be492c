/* The instance: making one, and the four steps of a turn. */
#include <errno.h>

#include "base.h"

size_t
net_size(void)
{
	return sizeof(struct net);
}

/* Two 64-bit keys from the secret, one use each. */
static void
make_keys(struct net *n)
{
	uint64_t root[2], out[4];
	uint64_t i;

	memcpy(root, n->conf.secret, sizeof(root));
	for (i = 0; i < 4; i++) {
		uint64_t label[3] = { i, 0, 0 };

		memcpy(label + 1, n->conf.secret + 16, 16);
		out[i] = siphash13(root, label, sizeof(label));
	}
	memcpy(n->sipkey, out, sizeof(n->sipkey));
	memcpy(n->isnkey, out + 2, sizeof(n->isnkey));
	n->rnd = siphash13(n->isnkey, &n->conf.seed, sizeof(n->conf.seed)) | 1;
}

/* What the straight paths compare and write. */
static void
straight_setup(struct net_port *np)
{
	uint8_t h[16] = { [ETH_TYPE] = ETH_P_IP4 >> 8, [ETH_HLEN] = 0x45 };
	const uint32_t sums = NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM;

	np->to_us = UINT64_MAX;
	if (np->conf.l3 || np->conf.vlan != 0)
		return;
	memcpy(h + ETH_DST, np->conf.mac, 6);
	memcpy(&np->to_us, h, 8);
	np->to_us &= UINT64_MAX >> 16;
	memset(h + ETH_DST, 0, 6);
	memcpy(h + ETH_SRC, np->conf.mac, 6);
	memcpy(np->from_us, h, 16);
	if ((np->conf.caps & sums) == sums)
		np->straight = PKT_TX_IPCSUM | PKT_TX_L4CSUM;
}

static void
port_setup(struct net_port *np, const struct net_port_conf *c)
{
	uint32_t i;

	np->conf = *c;
	if (np->conf.tso_max == 0 || np->conf.tso_max > 65000)
		np->conf.tso_max = 65000;
	if (c->l3) {
		np->conf.nodad = 1;
		np->conf.vlan = 0;
	}
	np->l2_len = ETH_HLEN + (np->conf.vlan != 0 ? VLAN_LEN : 0);
	straight_setup(np);
	addr6_setup(np);
	for (i = 0; i < c->naddrs; i++) {
		const struct board_addr *a = &c->addr[i];

		if (a->family != 4)
			continue;
		np->addr4_be[np->naddr4] = rd32_be(a->addr);
		np->mask4_be[np->naddr4++] = a->prefix == 0 ? 0 :
		    __builtin_bswap32(UINT32_MAX << (32 - a->prefix));
	}
	if (c->gateway.family == 4)
		np->gw4_be = rd32_be(c->gateway.addr);
}

/* What divides a record's offset by the stride, see rec_id(). */
static void
make_stride(struct net *n)
{
	uint32_t s = n->a->conn_stride, inv, i;

	n->stride_shift = (uint32_t)__builtin_ctz(s);
	s >>= n->stride_shift;
	/* Newton: each step doubles the bits that are right, from 3 on */
	for (inv = s, i = 0; i < 5; i++)
		inv *= 2 - s * inv;
	n->stride_inv = inv;
}

int
net_setup(struct net *n, const struct net_conf *c, const struct net_env *env,
    struct arena *a, uint64_t now_us)
{
	uint32_t i;

	memset(n, 0, offsetof(struct net, whole));
	n->conf = *c;
	n->env = *env;
	n->a = a;
	n->conn_stride = a->conn_stride;
	n->conns = (uint8_t *)a + a->off_conns;
	n->tws = (void *)((uint8_t *)a + a->off_timewait);
	n->neighs = (void *)((uint8_t *)a + a->off_neighs);
	n->hash = (void *)((uint8_t *)a + a->off_hash);
	n->objs = (void *)((uint8_t *)a + a->off_objs);
	n->obj_index = (void *)((uint8_t *)a + a->off_obj_index);
	n->small = (uint8_t *)a + a->off_small;
	n->chunks = (uint8_t *)a + a->off_chunks;
	n->now = now_us;
	n->now_ms = (uint32_t)(now_us / 1000);
	n->conn_free = n->tw_free = ARENA_NONE;
	n->small_free = n->chunk_free = ARENA_NONE;
	n->ready_head = n->out_head = ARENA_NONE;
	n->limbo_head = n->limbo_tail = ARENA_NONE;
	n->torn = ARENA_NONE;
	n->chore = UINT64_MAX;
	make_keys(n);
	make_stride(n);
	/* a successor goes on elsewhere than its predecessor began */
	for (i = 0; i < PORT_STEPS; i++)
		n->port_step[i] = net_random(n);
	for (i = 0; i < c->nports; i++)
		port_setup(&n->port[i], &c->port[i]);
	wheel_init(&n->wheel, now_us);
	memset(n->hash, 0xff, ((size_t)a->hash_mask + 1) * sizeof(*n->hash));
	return 0;
}

/* ---- the turn ---- */

void
net_time(struct net *n, uint64_t now_us)
{
	if (n->opening != 0)
		tcp_settle(n);
	if (now_us > n->now) {
		n->now = now_us;
		n->now_ms = (uint32_t)(now_us / 1000);
		atomic_store_explicit(&n->a->now, now_us,
		    memory_order_relaxed);
	}
}

void
net_expect(struct net *n, uint32_t i, struct pkt *p)
{
	assert(i < ARENA_BURST);
	if (i == 0)
		burst_at(n, 0);
	if (p != NULL) {
		ether_expect(p);
		n->a->burst[i++] = pkt_ref(n->env.base, p);
	}
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&n->a->burst_n, i, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

void
net_input(struct net *n, struct pkt *const in[], uint32_t cnt,
    uint64_t now_us)
{
	uint32_t i;

	assert(cnt <= ARENA_BURST);
	net_time(n, now_us);
	/* what was received is written over in order: of a frame that moves
	 * up, there is one at least in the list at any moment */
	for (i = 0; i < cnt; i++) {
		n->a->burst[i] = pkt_ref(n->env.base, in[i]);
		__builtin_prefetch(pkt_data(in[i]));
	}
	burst_at(n, 0);
	atomic_store_explicit(&n->a->burst_n, cnt, memory_order_relaxed);
	tcp_burst(n, in, cnt);
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&n->a->burst_n, 0, memory_order_relaxed);
}

void
net_replay(struct net *n, uint64_t now_us)
{
	uint32_t i, cnt = n->a->burst_n;
	struct pkt *p;

	net_time(n, now_us);
	/* not in net_adopt(): only now are there frames */
	arp_announce(n);
	if (n->torn != ARENA_NONE)
		tcp_adopt_torn(n, n->torn);
	n->torn = ARENA_NONE;
	if (cnt > ARENA_BURST)
		cnt = 0;
	for (i = n->a->burst_i; i < cnt; i++) {
		burst_at(n, i + 1);
		if (n->a->burst[i] == PKT_NONE)
			continue;	/* net_adopt() did not believe it */
		p = pkt_at(n->env.base, n->a->burst[i]);
		/* the process may have died while it read this one */
		if (p->len == 0 && !ether_came(p)) {
			frame_put(n, p);
			continue;
		}
		/* it may have been received, and not yet looked at */
		if (n->env.elsewhere != NULL &&
		    n->env.elsewhere(n->env.arg, p))
			continue;
		net_frame(n, p);
	}
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&n->a->burst_n, 0, memory_order_relaxed);
}

void
net_learn(struct net *n, struct pkt *p, uint64_t now_us)
{
	uint16_t type;

	net_time(n, now_us);
	if (p->port >= n->conf.nports || p->len < ETH_HLEN) {
		frame_put(n, p);
		return;
	}
	type = rd16(pkt_data(p) + ETH_TYPE);
	if (type == ETH_P_ARP)
		arp_learn(n, p);
	else if (type == ETH_P_IP6)
		nd_learn(n, p);
	else
		frame_put(n, p);
}

static void
fire(struct net *n, uint32_t id)
{
	switch (rec_at(n, id)->kind) {
	case REC_CONN:
		tcp_timer(n, id);
		break;
	case REC_TIMEWAIT:
		tw_timer(n, id);
		break;
	default:
		neigh_timer(n, id);
		break;
	}
}

uint32_t
net_advance(struct net *n, uint64_t now_us, uint32_t max)
{
	net_time(n, now_us);
	if (n->chore <= n->now)
		chores(n);
	return wheel_advance(n, n->now, max, fire);
}

uint64_t
net_deadline(struct net *n)
{
	uint64_t first = wheel_deadline(n);

	return first < n->chore ? first : n->chore;
}

void
net_gauges(struct net *n)
{
	_Atomic uint64_t *w = n->env.counters;
	const struct arena_shape *s = &n->a->shape;
	uint64_t chunks = (uint64_t)n->nsmall_free + n->nchunk_free;

	atomic_store_explicit(&w[CNT_gauge_conns], n->nconns,
	    memory_order_relaxed);
	atomic_store_explicit(&w[CNT_gauge_half], n->nhalf,
	    memory_order_relaxed);
	atomic_store_explicit(&w[CNT_gauge_timewait], n->ntw,
	    memory_order_relaxed);
	atomic_store_explicit(&w[CNT_gauge_chunks_free], chunks,
	    memory_order_relaxed);
	atomic_store_explicit(&w[CNT_gauge_chunks_held],
	    s->small + s->chunks - chunks, memory_order_relaxed);
	atomic_store_explicit(&w[CNT_gauge_pkts_held], n->rx_held,
	    memory_order_relaxed);
	atomic_store_explicit(&w[CNT_gauge_objects], n->nobjs,
	    memory_order_relaxed);
}

struct pktq *
net_out(struct net *n)
{
	return &n->out;
}
