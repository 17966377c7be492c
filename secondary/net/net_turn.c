/*
 * net_turn: what those need that drive an instance call by call.
 */
#include <errno.h>

#include "base.h"

#define TURN_MAX	256u	/* timers, connections of one turn */
#define TURN_ROUNDS	4u	/* events make output, output makes events */

bool
net_turn(struct net *n, uint64_t now_us)
{
	bool more = false, waits = false;
	uint32_t i;

	for (i = 0; i < TURN_ROUNDS; i++) {
		more = net_advance(n, now_us, TURN_MAX) > 0;
		more |= net_events(n, now_us, TURN_MAX) > 0;
		waits = net_output(n, now_us) > 0;
		more |= n->ready_head != ARENA_NONE;
		if ((!more && !waits) || pktq_busy(&n->out))
			break;
	}
	/* without a frame in out the driver has nothing to give back */
	return more || (waits && n->out.n > 0);
}

const struct net_conf *
net_settings(const struct net *n)
{
	return &n->conf;
}

int
net_local(const struct net *n, const struct net_addr *a)
{
	uint32_t i;

	for (i = 0; i < n->conf.nports; i++)
		if (a->family == 4 ? ip4_ours(&n->port[i], rd32_be(a->addr)) :
		    a->family == 6 && ip6_ours(&n->port[i], a->addr))
			return 0;
	return -EADDRNOTAVAIL;
}
