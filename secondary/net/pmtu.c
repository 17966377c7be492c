/*
 * Path MTUs, RFC 1191 and RFC 8201: what routers said about paths on which
 * less fits than on the port, and what probes found out (RFC 4821). A small
 * table of the process's own, bounded and forgetful: a path that is not in it
 * is tried with the port's MTU. Nothing of it survives the process, but each
 * connection keeps its segment size.
 */
#include "base.h"

#define KEEP_US	(600 * US_PER_S)	/* RFC 1191 (6.3): 10 minutes */
#define FAILS	2u			/* probes, then it does not fit */
#define AGAIN_US 200000u		/* between the two */

static uint32_t
set_of(const struct net *n, uint8_t port, const uint8_t addr[16])
{
	uint8_t in[17];

	memcpy(in, addr, 16);
	in[16] = port;
	return (uint32_t)siphash13(n->sipkey, in, sizeof(in)) % PMTU_SETS;
}

/* What is known of a path, or NULL. */
static const struct pmtu *
find(const struct net *n, uint8_t port, const uint8_t addr[16])
{
	const struct pmtu *e;
	uint32_t i;

	if (n->npmtu == 0)
		return NULL;
	e = n->pmtu[set_of(n, port, addr)];
	for (i = 0; i < PMTU_WAYS; i++)
		if (e[i].mtu != 0 && e[i].port == port &&
		    memcmp(e[i].addr, addr, 16) == 0 && e[i].until > n->now)
			return &e[i];
	return NULL;
}

/* The same, made if there is none, in place of the oldest. */
static struct pmtu *
make(struct net *n, uint8_t port, const uint8_t addr[16])
{
	struct pmtu *e = (struct pmtu *)(uintptr_t)find(n, port, addr), *set;
	uint32_t i;

	if (e == NULL) {
		set = n->pmtu[set_of(n, port, addr)];
		for (e = set, i = 0; i < PMTU_WAYS; i++)
			if (set[i].until < e->until)
				e = &set[i];
		memset(e, 0, sizeof(*e));
		memcpy(e->addr, addr, 16);
		e->port = port;
		e->mtu = n->port[port].conf.mtu;
		n->npmtu++;
	}
	e->until = n->now + KEEP_US;
	return e;
}

uint16_t
pmtu_get(const struct net *n, uint8_t port, const uint8_t addr[16])
{
	const struct pmtu *e = find(n, port, addr);

	return e != NULL ? e->mtu : n->port[port].conf.mtu;
}

bool
pmtu_search(const struct net *n, uint8_t port, const uint8_t addr[16],
    uint32_t *ceil)
{
	const struct pmtu *e = find(n, port, addr);

	*ceil = e != NULL ? e->ceil : 0;
	return e == NULL || e->again <= n->now;
}

void
pmtu_fits(struct net *n, uint8_t port, const uint8_t addr[16], uint16_t size)
{
	struct pmtu *e;

	if (find(n, port, addr) == NULL)
		return;
	e = make(n, port, addr);
	e->fails = 0;
	if (e->mtu < size)
		e->mtu = size;
}

void
pmtu_fails(struct net *n, uint8_t port, const uint8_t addr[16], uint16_t size,
    uint16_t low)
{
	struct pmtu *e = make(n, port, addr);

	/* RFC 4821 (7.7): one loss alone may be chance */
	if (++e->fails < FAILS) {
		e->again = n->now + AGAIN_US;
		return;
	}
	e->fails = 0;
	e->ceil = size;
	if (e->mtu > low)
		e->mtu = low;
}

void
pmtu_pause(struct net *n, uint8_t port, const uint8_t addr[16], uint32_t us)
{
	make(n, port, addr)->again = n->now + us;
}

uint16_t
pmtu_claim(const struct tuple *t, uint32_t mtu, uint32_t size)
{
	/* RFC 1191 (7.1): what the packet may have met, for routers that do
	 * not say it */
	static const uint16_t plateau[] = { 8166, 4352, 2002, 1492, 1006 };
	uint32_t least = PMTU_MIN4, i;

	/* RFC 8201 (4): a link that IPv6 does not run over, a lie */
	if (t->family == 6 && mtu < IP6_MTU_MIN)
		return 0;
	if (mtu == 0) {
		for (i = 0; i < 5 && plateau[i] >= size; i++)
			continue;
		mtu = i < 5 ? plateau[i] : least;
	}
	/* RFC 1191 (3): nothing narrower is believed */
	if (mtu < least)
		mtu = least;
	return (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu);
}

void
pmtu_note(struct net *n, uint8_t port, const uint8_t addr[16], uint16_t mtu)
{
	struct pmtu *e;

	if (mtu >= pmtu_get(n, port, addr))
		return;
	e = make(n, port, addr);
	e->mtu = mtu;
	e->ceil = mtu + 1;
	net_count(n, CNT_pmtu_learned, 1);
}

bool
pmtu_in_flight(const struct net *n, const struct tuple *t, uint32_t seq)
{
	uint32_t id = lookup_find(n, tuple_hash(n, t), t);
	const struct conn *c;

	if (id >= n->a->shape.conns)
		return false;
	c = conn_at(n, id);
	return seq - c->snd_una < c->snd_nxt - c->snd_una;
}
