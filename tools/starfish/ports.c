/*
 * ports, buckets: where frames come in, and whose they are.
 */
#include <inttypes.h>

#include "view.h"

static uint32_t
count(const struct board *b)
{
	return b->head.nports < BOARD_PORTS ? b->head.nports : BOARD_PORTS;
}

/* A name from a table that another process indexes. */
static const char *
word(const char *const names[], uint32_t n, uint32_t i)
{
	return i < n ? names[i] : "?";
}

static void
mac_text(const uint8_t m[6], char buf[18])
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
	    m[3], m[4], m[5]);
}

static uint32_t
naddrs(const struct board_port *p)
{
	return p->naddrs < BOARD_ADDRS ? p->naddrs : BOARD_ADDRS;
}

static void
addr_text(const struct board_addr *a, char *buf, size_t len)
{
	char host[48];

	inst_addr(a->addr, a->family, host, sizeof(host));
	snprintf(buf, len, "%s/%u", host, a->prefix);
}

/* Family 0: there is none. */
static void
gateway_text(const struct board_addr *a, char *buf, size_t len)
{
	buf[0] = '\0';
	if (a->family != 0)
		inst_addr(a->addr, a->family, buf, len);
}

static void
print_gateway(const struct board_addr *a, FILE *out)
{
	char text[64];

	gateway_text(a, text, sizeof(text));
	if (text[0] != '\0')
		fprintf(out, "         gateway %s\n", text);
}

void
ports_text(struct view *v, FILE *out)
{
	const struct board *b = v->in.board;
	const struct board_port *p;
	char mac[18], addr[64];
	uint32_t i, k;

	fprintf(out, "%-8s %-4s %-14s %-14s %-17s %5s %-8s %-6s %6s\n", "port",
	    "type", "device", "driver", "mac", "mtu", "lane", "repair",
	    "queues");
	for (i = 0; i < count(b); i++) {
		p = &b->port[i];
		mac_text(p->mac, mac);
		fprintf(out, "%-8.31s %-4s %-14.31s %-14.31s %-17s %5u %-8s "
		    "%-6s %6u\n", p->name,
		    word(port_type_names, PORT_TYPES, p->type), p->device,
		    p->driver, mac, p->mtu,
		    word(port_lane_names, LANES, p->lane),
		    word(port_repair_names, REPAIRS, p->repair), p->nqueues);
		for (k = 0; k < naddrs(p); k++) {
			addr_text(&p->addr[k], addr, sizeof(addr));
			fprintf(out, "         address %s\n", addr);
		}
		print_gateway(&p->gateway, out);
		print_gateway(&p->gateway6, out);
		if (p->vlan != 0)
			fprintf(out, "         VLAN %u\n", p->vlan);
	}
}

static json_t *
port_json(const struct board_port *p)
{
	json_t *list = json_array();
	char mac[18], addr[64], gw[64], gw6[64];
	uint32_t k;

	mac_text(p->mac, mac);
	for (k = 0; k < naddrs(p); k++) {
		addr_text(&p->addr[k], addr, sizeof(addr));
		json_array_append_new(list, json_string(addr));
	}
	gateway_text(&p->gateway, gw, sizeof(gw));
	gateway_text(&p->gateway6, gw6, sizeof(gw6));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:o,"
	    " s:s, s:s, s:i, s:i}",
	    "name", p->name,
	    "type", word(port_type_names, PORT_TYPES, p->type),
	    "device", p->device,
	    "driver", p->driver,
	    "mac", mac,
	    "mtu", (int)p->mtu,
	    "lane", word(port_lane_names, LANES, p->lane),
	    "repair", word(port_repair_names, REPAIRS, p->repair),
	    "queues", (int)p->nqueues,
	    "address", list,
	    "gateway", gw,
	    "gateway6", gw6,
	    "vlan", (int)p->vlan,
	    "offloads", (int)p->caps);
}

json_t *
ports_json(struct view *v)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < count(v->in.board); i++)
		json_array_append_new(list, port_json(&v->in.board->port[i]));
	return list;
}

/* ---- buckets ------------------------------------------------------------- */

/* What one slot has of its group's buckets. */
struct share {
	uint32_t owned, wanted, moving;
};

static struct share
share_of(const struct board *b, uint32_t group, uint32_t slot)
{
	struct share s = { 0, 0, 0 };
	uint32_t i;
	uint64_t w;

	for (i = 0; i < BOARD_BUCKETS; i++) {
		w = atomic_load_explicit(&b->bucket[group][i],
		    memory_order_relaxed);
		s.wanted += atomic_load_explicit(&b->want[group][i],
		    memory_order_relaxed) == slot;
		if (BUCKET_OWNER(w) != slot)
			continue;
		s.owned++;
		s.moving += BUCKET_PHASE(w) != 0;
	}
	return s;
}

void
buckets_text(struct view *v, FILE *out)
{
	const struct board *b = v->in.board;
	struct share s;
	uint32_t i, group;

	fprintf(out, "%-16s %4s %-9s %6s %6s %6s %7s\n", "group", "slot",
	    "state", "owned", "share", "wanted", "moving");
	for (i = 0; i < v->in.nslots; i++) {
		group = b->slot[i].fixed.group;
		if (group >= BOARD_GROUPS)
			continue;
		s = share_of(b, group, i);
		fprintf(out, "%-16.31s %4u %-9s %6u %5.1f%% %6u %7u\n",
		    v->in.slot[i].group, i,
		    slot_state_names[v->in.slot[i].state], s.owned,
		    100.0 * s.owned / BOARD_BUCKETS, s.wanted, s.moving);
	}
}

/* The owners themselves, and what each slot has. */
json_t *
buckets_json(struct view *v)
{
	const struct board *b = v->in.board;
	json_t *list = json_array(), *slots, *owners;
	struct share s;
	uint32_t g, i, n;

	n = b->head.ngroups < BOARD_GROUPS ? b->head.ngroups : BOARD_GROUPS;
	for (g = 0; g < n; g++) {
		slots = json_array();
		owners = json_array();
		for (i = 0; i < v->in.nslots; i++) {
			if (b->slot[i].fixed.group != g)
				continue;
			s = share_of(b, g, i);
			json_array_append_new(slots, json_pack("{s:i, s:i, s:i,"
			    " s:i}", "slot", (int)i, "owned", (int)s.owned,
			    "wanted", (int)s.wanted, "moving", (int)s.moving));
		}
		for (i = 0; i < BOARD_BUCKETS; i++)
			json_array_append_new(owners, json_integer(
			    BUCKET_OWNER(atomic_load_explicit(&b->bucket[g][i],
			    memory_order_relaxed))));
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}",
		    "group", b->group[g].name, "service", b->group[g].service,
		    "slots", slots, "owners", owners));
	}
	return list;
}
