/* host: what the process gives to the stack and its service. */
#include <sys/mman.h>

#include <err.h>
#include <stdio.h>
#include <string.h>

#include "replay.h"

#define FRAMES		16384u
#define FRAME_SIZE	2432u	/* bytes, struct pkt included */

const uint8_t server_mac[6] = { 2, 0, 0, 0, 0, 2 };
const uint8_t server_ip[4] = { 10, 0, 0, 2 };

static void
pool_fill(struct pktpool *pp, void *arg)
{
	(void)pp;
	(void)arg;		/* all frames are in the pool from the start */
}

static void
pool_trim(struct pktpool *pp, void *arg)
{
	(void)pp;
	(void)arg;
	errx(1, "more frames came back than there are");
}

static const struct fcache *
io_root(void *arg, const char *path)
{
	(void)arg;
	(void)path;
	return b.files;
}

static int64_t
io_wall(void *arg)
{
	(void)arg;
	return 1767225600;
}

static void
io_log(void *arg, const char *line)
{
	(void)arg;
	warnx("%s", line);
}

static void
io_report(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void
io_done(void *arg, int status)
{
	(void)arg;
	errx(1, "the service ends with status %d", status);
}

static const struct svc_io svc_io = {
	.root = io_root, .wall = io_wall, .log = io_log,
	.report = io_report, .done = io_done,
};

static void
on_event(void *arg, struct conn *c, uint32_t events)
{
	struct svc *s = arg;

	s->service->event(s, c, events);
}

/* In place of a service: as many bytes back for each request as it has. */
static void
answer(void *arg, struct conn *c, uint32_t events)
{
	static const uint8_t text[STACK_LEN] = "an answer";
	uint32_t n;

	(void)arg;
	if (events & CONN_GONE)
		return;
	n = conn_readable(c) / STACK_LEN;
	if (n == 0)
		return;
	conn_consume(b.net, c, n * STACK_LEN);
	for (; n > 0; n--)
		conn_write(b.net, c, text, sizeof(text));
	if (b.one)
		conn_close(b.net, c);
}

/* ---- setting up ---- */

static void *
zeroed(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		err(1, "no memory");
	return p;
}

/* The options of the service, as the configuration's defaults have them. */
static void *
default_options(const struct optgroup *g)
{
	const struct opt *o;
	uint8_t *at, *out = zeroed(g->size);
	struct opt_list *list;

	for (o = g->opts; o->name != NULL; o++) {
		at = out + o->offset;
		switch (o->type) {
		case OPT_BOOL:
			*at = (uint8_t)o->def;
			break;
		case OPT_INT:
			memcpy(at, &(int64_t){ o->def }, 8);
			break;
		case OPT_ENUM:
			memcpy(at, &(int32_t){ (int32_t)o->def }, 4);
			break;
		case OPT_ROOT:
			snprintf((char *)at, OPT_STRLEN, "/");
			break;
		case OPT_STRINGS:
			list = (struct opt_list *)(void *)at;
			if (o->defstr == NULL)
				break;
			list->n = 1;
			snprintf(list->s[0], OPT_STRLEN, "%s", o->defstr);
			break;
		default:
			if (o->defstr != NULL)
				snprintf((char *)at, OPT_STRLEN, "%s",
				    o->defstr);
		}
	}
	return out;
}

static void
find_service(void)
{
	uint32_t i;

	for (i = 0; services[i] != NULL; i++)
		if (strcmp(services[i]->desc->name, "http") == 0)
			break;
	if (services[i] == NULL)
		errx(1, "this build has no http service");
	b.svc.service = services[i];
	b.svc.conf = default_options(services[i]->desc->opts);
	b.svc.priv = zeroed(services[i]->priv_size);
	b.svc.counters = b.svc_counters;
	b.svc.io = &svc_io;
	b.svc.count = 1;
	b.svc.seed = 1;
}

void
host_image(void)
{
	char why[512] = "";
	size_t len;
	void *mem;
	FILE *f;

	if (fcache_measure(&(struct fcache_root){ b.root, NULL,
	    UINT64_MAX }, &len, why, sizeof(why)) < 0)
		errx(1, "%s: %s", b.root, why);
	mem = zeroed(len);
	if (fcache_build(mem, len, &(struct fcache_root){ b.root,
	    "/etc/mime.types", UINT64_MAX }, why,
	    sizeof(why)) < 0)
		errx(1, "%s: %s", b.root, why);
	f = fopen(b.image, "w");
	if (f == NULL || fwrite(mem, 1, len, f) != len || fclose(f) != 0)
		err(1, "%s", b.image);
}

/* Frames, arena and files in one mapping, as refs and offsets ask. */
static void
make_memory(size_t *arena_off, size_t *arena_len)
{
	size_t files_off, files_len, total;
	FILE *f = fopen(b.image, "r");

	if (f == NULL || fseek(f, 0, SEEK_END) < 0)
		err(1, "%s", b.image);
	files_len = (size_t)ftell(f);
	rewind(f);
	*arena_len = arena_size(&b.conf.shape);
	if (*arena_len == 0)
		errx(1, "arena_size");
	*arena_off = (size_t)FRAMES * FRAME_SIZE;
	files_off = (*arena_off + *arena_len + 4095) & ~(size_t)4095;
	total = files_off + files_len;
	b.mem = mmap(NULL, total, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (b.mem == MAP_FAILED)
		err(1, "mmap of %zu bytes", total);
	b.files = (struct fcache *)(void *)(b.mem + files_off);
	if (fread(b.files, 1, files_len, f) != files_len ||
	    fcache_check(b.files, files_len) < 0)
		errx(1, "%s: not an image", b.image);
	fclose(f);
}

static void
make_frames(void)
{
	struct pkt *p;
	uint32_t i;

	for (i = 0; i < PKTPOOL_MAX; i++) {
		p = (struct pkt *)(void *)(b.mem + (size_t)i * FRAME_SIZE);
		p->room = FRAME_SIZE - (uint32_t)sizeof(*p);
		b.pool.p[b.pool.n++] = p;
	}
	b.pool.fill = pool_fill;
	b.pool.trim = pool_trim;
}

void
host_start(void)
{
	struct net_addr local = { .port = 80 };
	struct net_port_conf *pc;
	struct net_env env;
	size_t off, len;

	find_service();
	net_conf_default(&b.conf, CONNS_MAX);
	b.conf.shape.state_size = b.svc.service->desc->state_size;
	b.conf.seed = 1;
	/* entries end as fast as new ones come: their end is counted, too */
	b.conf.timewait_us = 50000;
	b.conf.nports = 1;
	pc = &b.conf.port[0];
	memcpy(pc->mac, server_mac, 6);
	pc->mtu = 1500;
	pc->caps = NET_CAP_RX_CSUM | NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM |
	    NET_CAP_TSO | NET_CAP_FRAGS | NET_CAP_RX_HASH;
	pc->naddrs = 1;
	memcpy(pc->addr[0].addr, server_ip, 4);
	pc->addr[0].family = 4;
	pc->addr[0].prefix = 24;
	make_memory(&off, &len);
	make_frames();
	b.net = aligned_alloc(64, (net_size() + 63) & ~(size_t)63);
	if (b.net == NULL)
		err(1, "no memory");
	memset(b.net, 0, net_size());
	env = (struct net_env){ .base = (uintptr_t)b.mem, .pool = &b.pool,
	    .counters = b.counters, .event = b.stack ? answer : on_event,
	    .arg = &b.svc };
	b.now = 1000000;
	if (net_create(b.net, &b.conf, &env, b.mem + off, len, b.now) < 0)
		errx(1, "net_create");
	b.svc.net = b.net;
	if (b.svc.service->start(&b.svc, b.now) < 0)
		errx(1, "the service does not start");
	if (net_listen(b.net, &local) < 0)
		errx(1, "net_listen");
}
