/*
 * Path MTUs, RFC 1191 and RFC 8201: what routers said about paths on which
 * less fits than on the port. A small table of the process's own, bounded and
 * forgetful: a path that is not in it is tried with the port's MTU. Nothing
 * of it survives the process, but each connection keeps its segment size.
 */
#include "base.h"

#define KEEP_US	(600 * US_PER_S)	/* RFC 1191 (6.3): 10 minutes */

static uint32_t
set_of(const struct net *n, uint8_t port, const uint8_t addr[16])
{
	uint8_t in[17];

	memcpy(in, addr, 16);
	in[16] = port;
	return (uint32_t)siphash13(n->sipkey, in, sizeof(in)) % PMTU_SETS;
}

uint16_t
pmtu_get(const struct net *n, uint8_t port, const uint8_t addr[16])
{
	const struct pmtu *e = n->pmtu[set_of(n, port, addr)];
	uint32_t i;

	for (i = 0; i < PMTU_WAYS; i++)
		if (e[i].mtu != 0 && e[i].port == port &&
		    memcmp(e[i].addr, addr, 16) == 0 && e[i].until > n->now)
			return e[i].mtu;
	return n->port[port].conf.mtu;
}

uint16_t
pmtu_claim(const struct tuple *t, uint32_t mtu, uint32_t size)
{
	/* RFC 1191 (7.1): what the packet may have met, for routers that do
	 * not say it */
	static const uint16_t plateau[] = { 8166, 4352, 2002, 1492, 1006 };
	uint32_t least = t->family == 6 ? IP6_MTU_MIN : PMTU_MIN4, i;

	if (mtu == 0) {
		for (i = 0; i < 5 && plateau[i] >= size; i++)
			continue;
		mtu = i < 5 ? plateau[i] : least;
	}
	/* RFC 8200 (5), RFC 1191 (3): nothing narrower is believed */
	if (mtu < least)
		mtu = least;
	return (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu);
}

void
pmtu_note(struct net *n, uint8_t port, const uint8_t addr[16], uint16_t mtu)
{
	struct pmtu *e = n->pmtu[set_of(n, port, addr)], *to = e;
	uint32_t i;

	if (mtu >= pmtu_get(n, port, addr))
		return;
	for (i = 0; i < PMTU_WAYS; i++) {
		if (e[i].port == port && memcmp(e[i].addr, addr, 16) == 0) {
			to = &e[i];
			break;
		}
		if (e[i].until < to->until)
			to = &e[i];	/* unused or oldest */
	}
	memcpy(to->addr, addr, 16);
	to->port = port;
	to->mtu = mtu;
	to->until = n->now + KEEP_US;
	n->npmtu++;
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
