/* Settings: defaults and what is allowed. */
#include <errno.h>

#include "base.h"

void
net_conf_default(struct net_conf *c, uint32_t conns)
{
	memset(c, 0, sizeof(*c));
	c->shape.conns = conns;
	c->shape.timewait = conns;
	c->shape.neighs = 256;
	c->shape.small = conns * 2 + 1024;
	c->shape.chunks = conns + 1024;
	c->shape.chunk_size = 2048;
	c->rto_min_us = 200000;
	c->rto_init_us = 1000000;
	c->rto_max_us = 120000000;
	c->delack_us = 40000;
	c->timewait_us = 60000000;
	c->finwait2_us = 60000000;
	c->synack_retries = 5;
	c->syn_retries = 6;
	c->retries = 15;
	c->rcvbuf = 65536;
	c->rcvbuf_max = 4u << 20;
	c->sndbuf = 1u << 20;
	c->backlog = 1024;
	c->initial_window = 10;
	c->cc = NET_CC_CUBIC;
	c->timestamps = 1;
	c->sack = 1;
	c->ecn = 1;
	c->restart_idle = 1;
	c->quick_acks = 8;
	c->reassembly = 1;
}

/* An IPv6 address that a station can have, on a link that carries IPv6. */
static int
addr6_check(const struct net_port_conf *p, const struct board_addr *a)
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (p->mtu < IP6_MTU_MIN || a->addr[0] == 0xff || is_map4(a->addr) ||
	    is_unspecified(a->addr) || memcmp(a->addr, loopback, 16) == 0)
		return -EINVAL;
	return 0;
}

static int
port_check(const struct net_port_conf *p)
{
	uint32_t i;

	if (p->mtu < 576 || p->naddrs > NET_ADDRS || (p->mac[0] & 1) != 0 ||
	    p->vlan > VLAN_ID - 1)
		return -EINVAL;
	if ((p->gateway.family != 0 && p->gateway.family != 4) ||
	    (p->gateway6.family != 0 && p->gateway6.family != 6))
		return -EINVAL;
	for (i = 0; i < p->naddrs; i++)
		if (p->addr[i].family == 6 && addr6_check(p, &p->addr[i]) < 0)
			return -EINVAL;
	for (i = 0; i < p->naddrs; i++)
		if ((p->addr[i].family != 4 && p->addr[i].family != 6) ||
		    p->addr[i].prefix > (p->addr[i].family == 4 ? 32 : 128))
			return -EINVAL;
	return 0;
}

int
net_conf_check(const struct net_conf *c)
{
	uint32_t i;

	if (c->conn_opts && c->shape.state_size < sizeof(struct conn_opts))
		return -EINVAL;
	if (arena_size(&c->shape) == 0 || c->nports > NET_PORTS ||
	    c->cc > NET_CC_NEWRENO || c->ecn > 2)
		return -EINVAL;
	if (c->rto_min_us < 1000 || c->rto_min_us > c->rto_init_us ||
	    c->rto_init_us > c->rto_max_us ||
	    c->rto_max_us > 1800u * 1000000u)
		return -EINVAL;
	if (c->delack_us > 500000 || c->timewait_us > 600u * 1000000u ||
	    c->finwait2_us > 600u * 1000000u)
		return -EINVAL;
	if (c->rcvbuf < 2048 || c->rcvbuf > c->rcvbuf_max ||
	    c->rcvbuf_max > 1u << 30 || c->sndbuf < 2048 ||
	    c->sndbuf > 1u << 30)
		return -EINVAL;
	if (c->initial_window < 1 || c->initial_window > 1000 ||
	    (c->mss_max != 0 && c->mss_max < 88))
		return -EINVAL;
	if (c->udp_step != 0 && c->udp_at >= c->udp_step)
		return -EINVAL;
	for (i = 0; i < c->nports; i++)
		if (port_check(&c->port[i]) < 0)
			return -EINVAL;
	return 0;
}
