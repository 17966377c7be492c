/*
 * Neighbours: from the address of a next hop to its link address.
 *
 * An entry is asked for when a packet needs it, answers within the tries
 * below or is dropped with what waited for it; later it is confirmed by
 * traffic (neigh_confirm) or by asking it alone. Old entries that nobody uses
 * go away. See common/neigh.h for why no bracket is needed.
 */
#include "base.h"

#define ASK_US		US_PER_S	/* between two requests */
#define ASK_TRIES	3u		/* RFC 1122 (2.3.2.1), RFC 4861 (10) */
#define FORGET_US	(600 * US_PER_S) /* unused this long: dropped */
#define MAC_MASK	UINT64_C(0xffffffffffff)

static uint32_t
neigh_hash(uint8_t port, const uint8_t addr[16])
{
	uint32_t a, b;

	memcpy(&a, addr + 12, 4);
	memcpy(&b, addr + 8, 4);
	a = (a ^ b * 31 ^ port) * 0x9e3779b1u;
	return a >> 16 ^ a;
}

static uint32_t
neigh_id(const struct net *n, uint32_t i)
{
	return n->a->shape.conns + n->a->shape.timewait + i;
}

static void
index_put(struct net *n, uint32_t i)
{
	uint32_t at = n->neighs[i].rec.hash % NEIGH_INDEX;

	while (n->neigh_index[at] != 0)
		at = (at + 1) % NEIGH_INDEX;
	n->neigh_index[at] = (uint16_t)(i + 1);
}

static void
index_del(struct net *n, uint32_t i)
{
	uint32_t at = n->neighs[i].rec.hash % NEIGH_INDEX, j, home;

	while (n->neigh_index[at] != i + 1)
		at = (at + 1) % NEIGH_INDEX;
	for (j = at;;) {
		n->neigh_index[at] = 0;
		do {
			j = (j + 1) % NEIGH_INDEX;
			if (n->neigh_index[j] == 0)
				return;
			home = n->neighs[n->neigh_index[j] - 1].rec.hash;
		} while ((j - home) % NEIGH_INDEX < (j - at) % NEIGH_INDEX);
		n->neigh_index[at] = n->neigh_index[j];
		at = j;
	}
}

void
neigh_init(struct net *n)
{
	uint32_t i;

	_Static_assert(NEIGH_MAX * 2 <= NEIGH_INDEX, "half full at most");
	memset(n->neigh_index, 0, sizeof(n->neigh_index));
	n->nheld = 0;
	n->neigh_free = ARENA_NONE;
	for (i = n->a->shape.neighs; i-- > 0;) {
		struct rec *r = &n->neighs[i].rec;

		r->wslot = WHEEL_NONE;
		if (atomic_load_explicit(&r->state, memory_order_relaxed) ==
		    REC_USED)
			continue;
		r->kind = REC_NEIGH;
		r->fnext = n->neigh_free;
		n->neigh_free = i;
	}
}

void
neigh_adopt(struct net *n)
{
	uint32_t i;

	for (i = 0; i < n->a->shape.neighs; i++) {
		struct neigh *e = &n->neighs[i];

		if (atomic_load_explicit(&e->rec.state, memory_order_relaxed)
		    != REC_USED)
			continue;
		if (neigh_find(n, e->port, e->addr) != NULL ||
		    e->port >= n->conf.nports) {
			rec_unuse(&e->rec);
			e->rec.fnext = n->neigh_free;
			n->neigh_free = i;
			continue;
		}
		e->rec.hash = neigh_hash(e->port, e->addr);
		index_put(n, i);
		wheel_file(n, neigh_id(n, i));
	}
}

struct neigh *
neigh_find(struct net *n, uint8_t port, const uint8_t addr[16])
{
	uint32_t at = neigh_hash(port, addr) % NEIGH_INDEX;

	for (; n->neigh_index[at] != 0; at = (at + 1) % NEIGH_INDEX) {
		struct neigh *e = &n->neighs[n->neigh_index[at] - 1];

		if (e->port == port && memcmp(e->addr, addr, 16) == 0)
			return e;
	}
	return NULL;
}

/* What waits for neighbour i: send it to mac, or drop it (NULL). */
static void
held_release(struct net *n, uint32_t i, const uint8_t *mac)
{
	uint32_t k, left = 0;

	for (k = 0; k < n->nheld; k++) {
		struct held h = n->held[k];

		if (h.neigh != i) {
			n->held[left++] = h;
			continue;
		}
		if (mac == NULL) {
			net_count(n, CNT_drop_neigh, 1);
			frame_put(n, h.p);
			continue;
		}
		memcpy(pkt_data(h.p) + ETH_DST, mac, 6);
		frame_send(n, h.p);
	}
	n->nheld = left;
}

static void
neigh_drop(struct net *n, uint32_t i)
{
	struct neigh *e = &n->neighs[i];
	uint32_t k;

	for (k = 0; k < HOPS; k++)
		if (n->hop[k].neigh == i + 1)
			n->hop[k].neigh = 0;
	held_release(n, i, NULL);
	wheel_unfile(n, neigh_id(n, i));
	index_del(n, i);
	rec_unuse(&e->rec);
	e->rec.fnext = n->neigh_free;
	n->neigh_free = i;
}

/* How readily an entry gives way: one that never answered first (so that
 * packets to silent addresses cannot push out good ones), the gateway last. */
static uint64_t
worth(const struct net *n, const struct neigh *e)
{
	uint64_t good = e->link >> 48 == NEIGH_REACHABLE;

	if (good && (is_map4(e->addr) ?
	    rd32_be(e->addr + 12) == n->port[e->port].gw4_be :
	    memcmp(e->addr, n->port[e->port].gw6, 16) == 0))
		good = 2;
	return good << 62 | (e->confirmed & ~(UINT64_C(3) << 62));
}

/* A free record; the one worth least when there is none. */
static uint32_t
neigh_take(struct net *n)
{
	uint32_t i = n->neigh_free, best = 0;

	if (i == ARENA_NONE) {
		for (i = 1; i < n->a->shape.neighs; i++)
			if (worth(n, &n->neighs[i]) <
			    worth(n, &n->neighs[best]))
				best = i;
		neigh_drop(n, best);
		i = n->neigh_free;
	}
	n->neigh_free = n->neighs[i].rec.fnext;
	return i;
}

static struct neigh *
neigh_open(struct net *n, uint8_t port, const uint8_t addr[16])
{
	uint32_t i = neigh_take(n);
	struct neigh *e = &n->neighs[i];

	memcpy(e->addr, addr, 16);
	e->port = port;
	e->rec.hash = neigh_hash(port, addr);
	e->rec.wslot = WHEEL_NONE;
	e->rec.deadline = UINT64_MAX;
	e->link = (uint64_t)NEIGH_INCOMPLETE << 48;
	e->confirmed = n->now;
	e->probed = 0;
	e->tries = 0;
	rec_use(&e->rec);
	index_put(n, i);
	return e;
}

static void
neigh_at(struct net *n, struct neigh *e, uint64_t deadline)
{
	e->rec.deadline = deadline;
	wheel_file(n, neigh_id(n, (uint32_t)(e - n->neighs)));
}

/* Ask once more; the timer counts the tries. */
static void
neigh_ask(struct net *n, struct neigh *e, const uint8_t *mac)
{
	e->tries++;
	e->probed = n->now;
	if (is_map4(e->addr))
		arp_ask(n, e->port, rd32_be(e->addr + 12), mac);
	else
		nd_ask(n, e->port, e->addr, mac);
	neigh_at(n, e, n->now + ASK_US);
}

bool
neigh_learn(struct net *n, uint8_t port, const uint8_t addr[16],
    const uint8_t mac[6], bool make)
{
	struct neigh *e = neigh_find(n, port, addr);
	uint64_t link = 0;
	bool news;

	if (e == NULL) {
		if (!make)
			return false;
		e = neigh_open(n, port, addr);
	}
	memcpy(&link, mac, 6);
	link |= (uint64_t)NEIGH_REACHABLE << 48;
	news = e->link != link;
	e->link = link;		/* one store: address and state */
	e->confirmed = n->now;
	e->tries = 0;
	neigh_at(n, e, n->now + FORGET_US);
	net_count(n, CNT_neigh_learned, 1);
	held_release(n, (uint32_t)(e - n->neighs), mac);
	return news;
}

void
neigh_doubt(struct net *n, struct neigh *e)
{
	uint64_t old = n->now > NEIGH_FRESH_US ?
	    n->now - NEIGH_FRESH_US - 1 : 0;

	if (e->confirmed > old)
		e->confirmed = old;
}

bool
neigh_heard(struct net *n, uint8_t port, const uint8_t addr[16],
    const uint8_t mac[6], bool make)
{
	struct neigh *e = neigh_find(n, port, addr);
	uint64_t link = 0;

	memcpy(&link, mac, 6);
	link |= (uint64_t)NEIGH_REACHABLE << 48;
	if ((e != NULL && e->link == link) ||
	    !neigh_learn(n, port, addr, mac, make))
		return false;
	neigh_doubt(n, neigh_find(n, port, addr));
	return true;
}

/* Keep the frame until the neighbour answers; the oldest gives way. */
static void
neigh_hold(struct net *n, struct pkt *p, uint32_t i)
{
	uint32_t k, mine = 0, oldest = NEIGH_HOLD;

	for (k = 0; k < n->nheld; k++)
		if (n->held[k].neigh == i) {
			mine++;
			if (oldest == NEIGH_HOLD)
				oldest = k;
		}
	if (mine == NEIGH_HOLD_EACH || n->nheld == NEIGH_HOLD) {
		net_count(n, CNT_drop_neigh, 1);
		if (oldest == NEIGH_HOLD) {
			frame_put(n, p);
			return;
		}
		frame_put(n, n->held[oldest].p);
		n->nheld--;
		memmove(&n->held[oldest], &n->held[oldest + 1],
		    (n->nheld - oldest) * sizeof(n->held[0]));
	}
	n->held[n->nheld].p = p;
	n->held[n->nheld++].neigh = i;
}

uint32_t
neigh_send(struct net *n, struct pkt *p, const uint8_t addr[16])
{
	struct neigh *e;
	uint64_t link;

	if (n->port[p->port].conf.l3) {
		/* nobody to be found: the packet goes as it is */
		p->off += p->l2_len;
		p->len -= p->l2_len;
		p->l2_len = 0;
		frame_send(n, p);
		return 0;
	}
	e = neigh_find(n, p->port, addr);
	if (e == NULL)
		e = neigh_open(n, p->port, addr);
	link = atomic_load_explicit(&e->link, memory_order_relaxed);
	if (__builtin_expect(link >> 48 == NEIGH_REACHABLE, 1)) {
		memcpy(pkt_data(p) + ETH_DST, &link, 6);
		frame_send(n, p);
		if (n->now - e->confirmed > NEIGH_FRESH_US &&
		    n->now - e->probed > ASK_US)
			neigh_ask(n, e, (const uint8_t *)&link);
		return (uint32_t)(e - n->neighs) + 1;
	}
	if (p->nfrag != 0) {
		/* its memory is not marked as lent while it waits here */
		net_count(n, CNT_drop_neigh, 1);
		frame_put(n, p);
	} else
		neigh_hold(n, p, (uint32_t)(e - n->neighs));
	if (e->tries == 0)
		neigh_ask(n, e, NULL);
	return 0;
}

void
neigh_confirm(struct net *n, const struct tuple *t)
{
	struct neigh *e;
	struct tuple hop = *t;

	if (ip_next_hop(n, &hop) < 0)
		return;
	e = neigh_find(n, hop.port, hop.raddr);
	if (e == NULL || e->link >> 48 != NEIGH_REACHABLE)
		return;
	e->confirmed = n->now;
	e->tries = 0;
}

void
neigh_timer(struct net *n, uint32_t id)
{
	uint32_t i = id - n->a->shape.conns - n->a->shape.timewait;
	struct neigh *e = &n->neighs[i];
	uint64_t link = e->link, since = n->now - e->confirmed;

	if (link >> 48 == NEIGH_REACHABLE && e->tries == 0) {
		if (since >= FORGET_US)
			neigh_drop(n, i);
		else
			neigh_at(n, e, e->confirmed + FORGET_US);
		return;
	}
	if (e->tries >= ASK_TRIES) {
		neigh_drop(n, i);
		return;
	}
	if (link >> 48 == NEIGH_REACHABLE) {
		link &= MAC_MASK;
		neigh_ask(n, e, (const uint8_t *)&link);
	} else
		neigh_ask(n, e, NULL);
}

void
move_copy_neighs(struct net *n, const struct move_peer *from)
{
	const struct neigh *e = (const void *)((uintptr_t)from->arena +
	    from->arena->off_neighs);
	uint8_t mac[6], b;
	uint64_t link;
	uint32_t i;

	for (i = 0; i < from->arena->shape.neighs; i++, e++) {
		link = atomic_load_explicit(&e->link, memory_order_relaxed);
		if (atomic_load_explicit(&e->rec.state, memory_order_relaxed)
		    != REC_USED || link >> 48 != NEIGH_REACHABLE ||
		    e->port >= n->conf.nports ||
		    neigh_find(n, e->port, e->addr) != NULL)
			continue;
		for (b = 0; b < 6; b++)
			mac[b] = (uint8_t)(link >> 8 * b);
		neigh_learn(n, e->port, e->addr, mac, true);
	}
}
