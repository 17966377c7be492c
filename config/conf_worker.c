/*
 * conf_worker: what must be right about worker entries, alone and together.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "../common/program.h"
#include "conf_priv.h"

static void
check_service_ports(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_worker *w = &r->c->workers[i];
	uint32_t j, k;

	if (w->ports.n == 0)
		w->port_mask = (1u << r->c->nports) - 1;
	for (k = 0; k < w->ports.n; k++) {
		for (j = 0; j < r->c->nports; j++)
			if (strcmp(r->c->ports[j].name, w->ports.s[k]) == 0)
				break;
		if (j < r->c->nports)
			w->port_mask |= 1u << j;
		else
			entry_fail(r, list, i, "ports",
			    "\"%s\": no port has this name", w->ports.s[k]);
	}
}

static uint32_t
find_worker(const struct conf *c, const char *name)
{
	uint32_t i;

	for (i = 0; i < c->nworkers; i++)
		if (strcmp(c->workers[i].name, name) == 0)
			break;
	return i;
}

static void
check_after_names(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_worker *w = &r->c->workers[i];
	uint32_t k, j;

	for (k = 0; k < w->after.n; k++) {
		j = find_worker(r->c, w->after.s[k]);
		if (j == r->c->nworkers)
			entry_fail(r, list, i, "after",
			    "\"%s\": no worker entry has this name",
			    w->after.s[k]);
	}
}

/*
 * Entries that can start, in rounds: one can when all that it waits for can.
 * What is left waits for itself.
 */
static void
check_after_cycles(struct reader *r, const config_setting_t *list)
{
	struct conf_worker *w;
	uint32_t i, k, j, done = 0, before;
	int ready;

	do {
		before = done;
		for (i = 0; i < r->c->nworkers; i++) {
			w = &r->c->workers[i];
			ready = 1;
			for (k = 0; k < w->after.n; k++) {
				j = find_worker(r->c, w->after.s[k]);
				if (j < r->c->nworkers && !(done & 1u << j))
					ready = 0;
			}
			if (ready)
				done |= 1u << i;
		}
	} while (done != before);
	for (i = 0; i < r->c->nworkers; i++)
		if (!(done & 1u << i))
			entry_fail(r, list, i, "after",
			    "\"%s\" waits for itself in the end",
			    r->c->workers[i].name);
}

/* Whether the address is one of ours on the ports of the entry. */
static int
is_served(const struct conf *c, const struct conf_worker *w,
    const struct board_addr *a)
{
	uint32_t i, k;

	for (i = 0; i < c->nports; i++)
		if (w->port_mask & 1u << i)
			for (k = 0; k < c->ports[i].naddrs; k++)
				if (addr_equal(&c->ports[i].addrs[k], a))
					return 1;
	return 0;
}

static void
check_listen(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_worker *w = &r->c->workers[i];
	struct board_listener l;
	uint32_t k;

	if (w->listen.n == 0 && !w->client)
		entry_fail(r, list, i, "listen", "missing: service \"%s\" "
		    "accepts connections; allowed \"address:port\", "
		    "\"*:port\"", w->service);
	if (w->listen.n > 0 && w->client &&
	    strcmp(w->service, PROGRAM_SERVICE) != 0) {
		entry_fail(r, list, i, "listen", "service \"%s\" accepts no "
		    "connections: allowed is an empty list, or none",
		    w->service);
		return;
	}
	for (k = 0; k < w->listen.n; k++) {
		if (addr_listen(w->listen.s[k], &l) < 0) {
			entry_fail(r, list, i, "listen", "\"%s\": allowed "
			    "\"address:port\", \"*:port\" or \"*:low-high\" "
			    "with ports 1 to 65535", w->listen.s[k]);
			continue;
		}
		if (l.proto != IPPROTO_TCP && strcmp(w->service,
		    PROGRAM_SERVICE) != 0) {
			entry_fail(r, list, i, "listen", "\"%s\": service "
			    "\"%s\" knows TCP only", w->listen.s[k],
			    w->service);
			continue;
		}
		if (l.addr.family != 0 && !is_served(r->c, w, &l.addr)) {
			entry_fail(r, list, i, "listen", "\"%s\": not an "
			    "address of the ports that it serves",
			    w->listen.s[k]);
			continue;
		}
		l.group = (uint8_t)i;
		w->listeners[w->nlisteners++] = l;
	}
}

/* A program must be there; the supervisor finds bare names beside itself. */
static void
check_program(struct reader *r, const config_setting_t *list, uint32_t i)
{
	const struct conf_worker *w = &r->c->workers[i];
	const struct program_conf *pc = w->options;

	if (strcmp(w->service, PROGRAM_SERVICE) != 0 || pc == NULL)
		return;
	if (pc->path[0] == '\0')
		entry_fail(r, list, i, "program.path", "missing: allowed the "
		    "absolute name of a program's file");
	else if (pc->path[0] != '/' && strchr(pc->path, '/') != NULL)
		entry_fail(r, list, i, "program.path", "\"%s\": allowed an "
		    "absolute name, or one without a slash", pc->path);
	else if (pc->path[0] == '/' && !r->copy && access(pc->path, X_OK) < 0)
		entry_fail(r, list, i, "program.path", "\"%s\": %s",
		    pc->path, strerror(errno));
}

/* A service may be made for fewer slots than a group can have. */
static void
check_count(struct reader *r, const config_setting_t *list, uint32_t i)
{
	const struct conf_worker *w = &r->c->workers[i];

	if (w->desc->count_max > 0 && conf_slots(w) > w->desc->count_max)
		entry_fail(r, list, i, w->count > w->desc->count_max ?
		    "count" : "spare", "service \"%s\" runs in %u "
		    "slot%s of a group at most", w->service,
		    w->desc->count_max, w->desc->count_max == 1 ? "" : "s");
}

/* What the service itself finds wrong. */
static void
check_options(struct reader *r, const config_setting_t *list, uint32_t i)
{
	const struct conf_worker *w = &r->c->workers[i];
	config_setting_t *e = config_setting_get_elem(list, i), *g = NULL;
	const char *why = NULL;

	if (w->desc->check != NULL && w->options != NULL)
		why = w->desc->check(w->options);
	if (why == NULL)
		return;
	if (e != NULL)
		g = config_setting_get_member(e, w->desc->name);
	reader_fail(r, g != NULL ? g : e, "workers[%u].%s.%s", i,
	    w->desc->name, why);
}

void
check_workers(struct reader *r, const config_setting_t *list)
{
	struct conf *c = r->c;
	uint32_t i, j;

	for (i = 0; i < c->nworkers; i++) {
		check_name(r, list, i, c->workers[i].name);
		for (j = 0; j < i; j++)
			if (strcmp(c->workers[j].name,
			    c->workers[i].name) == 0)
				entry_fail(r, list, i, "name",
				    "workers[%u] has it too", j);
		check_service_ports(r, list, i);
		check_after_names(r, list, i);
		check_listen(r, list, i);
		check_count(r, list, i);
		check_program(r, list, i);
		check_options(r, list, i);
		c->nslots += conf_slots(&c->workers[i]);
	}
	check_after_cycles(r, list);
	if (c->nslots > BOARD_SLOTS)
		reader_fail(r, list, "workers: %u slots in all: allowed 1 to "
		    "%u", c->nslots, BOARD_SLOTS);
}

static int
overlap(const struct board_listener *a, const struct board_listener *b)
{
	return a->proto == b->proto && a->port_lo <= b->port_hi &&
	    b->port_lo <= a->port_hi && (a->addr.family == 0 ||
	    b->addr.family == 0 || addr_equal(&a->addr, &b->addr));
}

/* The entry i listens where j (or itself, further up) does. */
static void
check_pair(struct reader *r, const config_setting_t *list, uint32_t i,
    uint32_t j)
{
	struct conf_worker *w = &r->c->workers[i], *o = &r->c->workers[j];
	uint32_t k, m;

	if ((w->port_mask & o->port_mask) == 0)
		return;
	for (k = 0; k < w->nlisteners; k++)
		for (m = 0; m < (i == j ? k : o->nlisteners); m++)
			if (overlap(&w->listeners[k], &o->listeners[m]))
				entry_fail(r, list, i, "listen", "\"%s\" "
				    "overlaps \"%s\" of workers[%u]",
				    w->listen.s[k], o->listen.s[m], j);
}

void
check_listeners(struct reader *r, const config_setting_t *list)
{
	uint32_t i, j, n = 0;

	for (i = 0; i < r->c->nworkers; i++) {
		n += r->c->workers[i].nlisteners;
		/* a text that did not parse has no listener to compare */
		if (r->c->workers[i].nlisteners != r->c->workers[i].listen.n)
			continue;
		for (j = 0; j <= i; j++)
			if (r->c->workers[j].nlisteners ==
			    r->c->workers[j].listen.n)
				check_pair(r, list, i, j);
	}
	if (n > BOARD_LISTENERS)
		reader_fail(r, list, "workers: %u places to listen in all: "
		    "allowed at most %u", n, BOARD_LISTENERS);
}

/* Share the range of source ports out to the clients that name none. */
static void
share_source_ports(struct conf *c)
{
	uint32_t i, n = 0, k = 0, each;
	struct conf_worker *w;

	for (i = 0; i < c->nworkers; i++)
		n += c->workers[i].client &&
		    c->workers[i].source_ports[0] == '\0';
	if (n == 0)
		return;
	each = (CONF_SOURCE_HI - CONF_SOURCE_LO + 1) / n;
	for (i = 0; i < c->nworkers; i++) {
		w = &c->workers[i];
		if (!w->client || w->source_ports[0] != '\0')
			continue;
		w->client_lo = (uint16_t)(CONF_SOURCE_LO + k * each);
		w->client_hi = (uint16_t)(w->client_lo + each - 1);
		k++;
	}
}

/* A source port must lead to one group only, as a listener does. */
static void
check_source(struct reader *r, const config_setting_t *list, uint32_t i)
{
	struct conf_worker *w = &r->c->workers[i], *o;
	uint32_t j, k;

	for (j = 0; j < r->c->nworkers; j++) {
		o = &r->c->workers[j];
		if ((w->port_mask & o->port_mask) == 0)
			continue;
		if (j < i && o->client && w->client_lo <= o->client_hi &&
		    o->client_lo <= w->client_hi)
			entry_fail(r, list, i, "source_ports", "%u-%u overlaps "
			    "%u-%u of workers[%u]", w->client_lo,
			    w->client_hi, o->client_lo, o->client_hi, j);
		for (k = 0; k < o->nlisteners; k++)
			if (o->listeners[k].port_lo <= w->client_hi &&
			    w->client_lo <= o->listeners[k].port_hi)
				entry_fail(r, list, i, "source_ports", "%u-%u "
				    "holds a port that workers[%u] listens on",
				    w->client_lo, w->client_hi, j);
	}
}

void
check_clients(struct reader *r, const config_setting_t *list)
{
	struct conf_worker *w;
	uint32_t i;

	share_source_ports(r->c);
	for (i = 0; i < r->c->nworkers; i++) {
		w = &r->c->workers[i];
		if (w->source_ports[0] == '\0')
			continue;
		if (!w->client)
			entry_fail(r, list, i, "source_ports", "service "
			    "\"%s\" opens no connections", w->service);
		else if (addr_range(w->source_ports, &w->client_lo,
		    &w->client_hi) < 0)
			entry_fail(r, list, i, "source_ports",
			    "allowed \"low-high\", 1 to 65535");
	}
	for (i = 0; i < r->c->nworkers; i++)
		if (r->c->workers[i].client && r->c->workers[i].client_lo > 0)
			check_source(r, list, i);
}
