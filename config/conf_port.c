/*
 * conf_port: what must be right about ports, alone and together.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "conf_priv.h"

#define TAP_QUEUES	4	/* the PMD's limit: 8 descriptors per message */
#define L2_ROOM		18	/* Ethernet header with one VLAN tag */
#define MTU6_MIN	1280	/* RFC 8200 (5) */

static int
is_pow2(int64_t n)
{
	return n > 0 && (n & (n - 1)) == 0;
}

/* An address that a host can have: no group, no loopback, none that stands
 * for an address of IPv4. */
static int
is_unicast(const struct board_addr *a)
{
	static const uint8_t zero[16];

	if (a->family == 4)
		return a->addr[0] != 0 && a->addr[0] != 127 &&
		    a->addr[0] < 224;
	return a->addr[0] != 0xff && memcmp(a->addr, zero, 10) != 0;
}

/* Whether it means all of its network: no bit of the host's part is set, or
 * each is (RFC 1122, 3.2.1.3). Networks of two addresses have no such. */
static int
is_network(const struct board_addr *a)
{
	uint32_t host, mask;

	if (a->family != 4 || a->prefix == 0 || a->prefix > 30)
		return 0;
	mask = UINT32_MAX >> a->prefix;
	memcpy(&host, a->addr, sizeof(host));
	host = ntohl(host) & mask;
	return host == 0 || host == mask;
}

static void
check_address(struct reader *r, const config_setting_t *list, uint32_t i,
    uint32_t k)
{
	struct conf_port *p = &r->c->ports[i];
	struct board_addr *a = &p->addrs[p->naddrs];
	const char *s = p->address.s[k];
	uint32_t j, m;

	if (addr_parse(s, 1, a) < 0) {
		entry_fail(r, list, i, "address", "\"%s\": allowed "
		    "address/prefix, as \"10.77.0.2/24\"", s);
		return;
	}
	if (a->family == 6 && p->mtu < MTU6_MIN)
		entry_fail(r, list, i, "mtu", "IPv6 needs %d", MTU6_MIN);
	if (is_network(a)) {
		entry_fail(r, list, i, "address", "\"%s\": the address of the "
		    "network itself, or its broadcast address", s);
		return;
	}
	if (!is_unicast(a)) {
		entry_fail(r, list, i, "address",
		    "\"%s\": not an address that a host can have", s);
		return;
	}
	for (j = 0; j <= i; j++)
		for (m = 0; m < r->c->ports[j].naddrs; m++)
			if (addr_equal(&r->c->ports[j].addrs[m], a)) {
				entry_fail(r, list, i, "address",
				    "\"%s\": ports[%u] has it too", s, j);
				return;
			}
	p->naddrs++;
}

static void
check_addresses(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_port *p = &r->c->ports[i];
	uint32_t k;

	if (p->address.n == 0)
		entry_fail(r, list, i, "address", "missing: allowed one to %u "
		    "of address/prefix, as \"10.77.0.2/24\"", BOARD_ADDRS);
	if (p->address.n > BOARD_ADDRS) {
		entry_fail(r, list, i, "address",
		    "%u addresses: allowed at most %u", p->address.n,
		    BOARD_ADDRS);
		return;
	}
	for (k = 0; k < p->address.n; k++)
		check_address(r, list, i, k);
}

static int
is_ours(const struct conf_port *p, const struct board_addr *a)
{
	uint32_t k;

	for (k = 0; k < p->naddrs; k++)
		if (addr_equal(&p->addrs[k], a))
			return 1;
	return 0;
}

/* A router of one family; key: its option, text: what it says. */
static void
check_router(struct reader *r, const config_setting_t *list, uint32_t i,
    const char *key, struct board_addr *gw)
{
	struct conf_port *p = &r->c->ports[i];
	int six = gw == &p->gw6;
	const char *text = six ? p->gateway6 : p->gateway;
	uint32_t k, n = 0;

	if (text[0] == '\0')
		return;
	if (addr_parse(text, 0, gw) < 0 || gw->family != (six ? 6 : 4) ||
	    !is_unicast(gw)) {
		memset(gw, 0, sizeof(*gw));
		entry_fail(r, list, i, key, "allowed an address, as \"%s\"",
		    six ? "fd77::1" : "10.77.0.1");
		return;
	}
	if (is_ours(p, gw)) {
		entry_fail(r, list, i, key, "it is our own address");
		return;
	}
	for (k = 0; k < p->naddrs; k++) {
		n += p->addrs[k].family == gw->family;
		/* fe80::/10 is on every link that has IPv6 at all */
		if (addr_within(&p->addrs[k], gw) || (six &&
		    p->addrs[k].family == 6 && gw->addr[0] == 0xfe &&
		    (gw->addr[1] & 0xc0) == 0x80))
			return;
	}
	if (n > 0 || six)
		entry_fail(r, list, i, key,
		    "in none of the networks of this port's addresses");
}

/* The kernel's address on a tap, of one family. */
static void
check_host(struct reader *r, const config_setting_t *list, uint32_t i,
    const char *key, int six)
{
	struct conf_port *p = &r->c->ports[i];
	const char *text = six ? p->host6 : p->host;
	struct board_addr host;

	if (text[0] == '\0')
		return;
	if (p->type != PORT_TAP)
		entry_fail(r, list, i, key, "only for type \"tap\"");
	else if (addr_parse(text, 1, &host) < 0 ||
	    host.family != (six ? 6 : 4))
		entry_fail(r, list, i, key, "allowed address/prefix, as "
		    "\"%s\"", six ? "fd77::1/64" : "10.77.0.1/24");
	else if (is_ours(p, &host))
		entry_fail(r, list, i, key,
		    "one of our addresses; the kernel needs its own");
}

static void
check_tap(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_port *p = &r->c->ports[i];

	if (p->device[0] == '\0' || strlen(p->device) >= IF_NAMESIZE ||
	    strpbrk(p->device, "/ \t%:,=") != NULL)
		entry_fail(r, list, i, "device", "allowed the name of an "
		    "interface, 1 to %d bytes", IF_NAMESIZE - 1);
	if (p->queues > TAP_QUEUES)
		entry_fail(r, list, i, "queues", "allowed 0 to %d",
		    TAP_QUEUES);
}

static void
check_wire(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_port *p = &r->c->ports[i], *o;
	uint32_t j;

	if (p->lane == CONF_LANE_DISPATCH)
		entry_fail(r, list, i, "lane", "a wire has no device; allowed "
		    "\"auto\", \"direct\"");
	for (j = 0; j < r->c->nports; j++)
		if (strcmp(r->c->ports[j].name, p->peer) == 0)
			break;
	if (j == r->c->nports || j == i) {
		entry_fail(r, list, i, "peer", "allowed the name of another "
		    "port of type \"wire\"");
		return;
	}
	o = &r->c->ports[j];
	if (o->type != PORT_WIRE)
		entry_fail(r, list, i, "peer",
		    "ports[%u] is not of type \"wire\"", j);
	else if (strcmp(o->peer, p->name) != 0)
		entry_fail(r, list, i, "peer",
		    "its own peer is \"%s\", not \"%s\"", o->peer, p->name);
	else if (o->mtu != p->mtu && j < i)
		entry_fail(r, list, i, "mtu", "that of its peer is %d",
		    (int)o->mtu);
}

static void
check_device(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_port *p = &r->c->ports[i];
	unsigned dom, bus, dev, fn;
	uint32_t j;
	char end;

	switch ((enum port_type)p->type) {
	case PORT_TAP:
		check_tap(r, list, i);
		break;
	case PORT_WIRE:
		check_wire(r, list, i);
		break;
	case PORT_PCI:
		if (sscanf(p->device, "%4x:%2x:%2x.%1x%c", &dom, &bus, &dev,
		    &fn, &end) != 4)
			entry_fail(r, list, i, "device",
			    "allowed a PCI address, as \"0000:01:00.0\"");
		break;
	case PORT_VDEV:
		if (p->device[0] == '\0')
			entry_fail(r, list, i, "device", "allowed DPDK's name "
			    "of a device, as \"net_af_packet0,iface=eth1\"");
		break;
	case PORT_TYPES:
		break;
	}
	check_host(r, list, i, "host", 0);
	check_host(r, list, i, "host6", 1);
	if (p->type != PORT_WIRE && p->peer[0] != '\0')
		entry_fail(r, list, i, "peer", "only for type \"wire\"");
	for (j = 0; j < i; j++)
		if (p->device[0] != '\0' &&
		    strcmp(r->c->ports[j].device, p->device) == 0)
			entry_fail(r, list, i, "device",
			    "ports[%u] has it too", j);
}

void
check_ports(struct reader *r, const config_setting_t *list)
{
	struct conf_port *p;
	uint32_t i, j;

	for (i = 0; i < r->c->nports; i++) {
		p = &r->c->ports[i];
		check_name(r, list, i, p->name);
		for (j = 0; j < i; j++)
			if (strcmp(r->c->ports[j].name, p->name) == 0)
				entry_fail(r, list, i, "name",
				    "ports[%u] has it too", j);
		check_addresses(r, list, i);
		check_router(r, list, i, "gateway", &r->c->ports[i].gw);
		check_router(r, list, i, "gateway6", &r->c->ports[i].gw6);
		check_device(r, list, i);
		if (!is_pow2(p->descriptors))
			entry_fail(r, list, i, "descriptors",
			    "allowed a power of two, 64 to 8192");
		if (p->mtu + L2_ROOM > r->c->memory.buffer_size)
			entry_fail(r, list, i, "mtu", "needs "
			    "memory.buffer_size of %d at least, it is %d",
			    (int)p->mtu + L2_ROOM,
			    (int)r->c->memory.buffer_size);
	}
}

/* Slots that serve port i. */
static int
port_slots(const struct conf *c, uint32_t i)
{
	uint32_t k;
	int n = 0;

	for (k = 0; k < c->nworkers; k++)
		if (c->workers[k].port_mask & 1u << i)
			n += (int)conf_slots(&c->workers[k]);
	return n;
}

void
check_queues(struct reader *r, const config_setting_t *list)
{
	struct conf_port *p;
	uint32_t i;
	int slots;

	for (i = 0; i < r->c->nports; i++) {
		p = &r->c->ports[i];
		slots = port_slots(r->c, i);
		if (slots == 0)
			reader_warn(r, config_setting_get_elem(list, i),
			    "ports[%u] \"%s\": no worker serves it", i,
			    p->name);
		if (p->lane == CONF_LANE_DISPATCH || p->type == PORT_WIRE)
			continue;
		if (p->type == PORT_TAP && slots > TAP_QUEUES)
			entry_fail(r, list, i, "queues", "%d slots serve this "
			    "tap, which has at most %d queues; allowed with "
			    "lane = \"dispatch\"", slots, TAP_QUEUES);
		else if (p->queues > 0 && p->queues < slots &&
		    (p->type != PORT_VDEV || p->lane == CONF_LANE_DIRECT))
			entry_fail(r, list, i, "queues",
			    "%d slots serve this port, each needs a queue; "
			    "allowed 0, or %d and more", slots, slots);
	}
}
