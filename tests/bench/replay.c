/*
 * replay: the pure stack and its http service, fed from memory.
 *
 * A client of this file's own, a few lines that know just enough TCP, makes
 * frames; the stack under test takes them in turns, as a worker would, and the
 * client reads what comes out. There is no device, no clock and no kernel, so
 * the same arguments give the same instructions, to the last one. What is
 * counted is measured_turn() and below: run it as
 *
 *	valgrind --tool=callgrind --toggle-collect=measured_turn replay ...
 *
 *	replay -r ROOT -o IMAGE
 *	replay -i IMAGE -u PATH [-c CONNS] [-n REQUESTS] [-P DEPTH] [-1] [-t|-m]
 *
 * -o  only make a file cache's image of ROOT (valgrind lacks a system call
 *     that this takes)
 * -P  requests in one segment, answered before the next are sent
 * -1  one request per connection
 * -t  say how fast it went (natively)
 * -m  say what an idle connection takes in memory
 *
 * The first eighth of the requests warms up and is not counted. Prints one
 * JSON object.
 */
#include <sys/mman.h>

#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../secondary/svc/svc.h"

#define BURST		32u
#define CONNS_MAX	8192u
#define FRAMES		16384u
#define FRAME_SIZE	2432u	/* bytes, struct pkt included */
#define DEPTH_MAX	24u
#define HEADERS		54u	/* Ethernet, IPv4, TCP without options */
#define TS_LEN		12u
#define PEER_WND	65535u
#define PEER_WSCALE	9u

#define FIN	0x01u
#define SYN	0x02u
#define RST	0x04u
#define ACK	0x10u

/* A client's end of a connection. */
struct peer {
	uint32_t snd, rcv;	/* next sequence numbers */
	uint32_t tsecr;
	uint32_t want;		/* answers of the batch to come */
	uint64_t got;		/* bytes of answers of the batch */
	uint16_t port;
	uint8_t open;		/* SYN was answered */
	uint8_t fin;		/* the server's FIN has come */
	uint8_t closing;	/* ours went out */
	uint8_t queued;		/* has something to send */
	uint8_t flags;		/* of the frame to send */
};

struct bench {
	/* what is asked */
	const char *root, *image, *path;
	uint32_t conns, depth;
	uint64_t requests;
	bool one;
	bool quiet;		/* no more requests */
	/* the stack under test */
	uint8_t *mem;		/* base of refs: frames, arena, files */
	struct net *net;
	struct pktpool pool;
	_Atomic uint64_t counters[CNT_MAX];
	_Atomic uint64_t svc_counters[SVC_COUNTERS];
	struct svc svc;
	struct fcache *files;
	struct net_conf conf;
	uint64_t now;
	/* the client */
	struct peer peer[CONNS_MAX];
	uint16_t by_port[65536]; /* index into peer[] */
	uint32_t queue[CONNS_MAX], qhead, qlen;
	char batch[2048];
	uint32_t batchlen, reqlen;
	uint64_t anslen;	/* bytes of an answer; 0: not yet known */
	uint64_t done, closed;
	uint32_t next_port;
	struct pkt *in[BURST];
	uint32_t nin;
};

static struct bench b;
static const uint8_t server_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t client_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t server_ip[4] = { 10, 0, 0, 2 };
static const uint8_t client_ip[4] = { 10, 0, 0, 1 };

/* ---- what the process gives to stack and service ---- */

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

/* Write the image of the document root to a file. */
static void
save_image(void)
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

static void
make_stack(void)
{
	struct net_addr local = { .port = 80 };
	struct net_port_conf *pc;
	struct net_env env;
	size_t off, len;

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
	    .counters = b.counters, .event = on_event, .arg = &b.svc };
	b.now = 1000000;
	if (net_create(b.net, &b.conf, &env, b.mem + off, len, b.now) < 0)
		errx(1, "net_create");
	b.svc.net = b.net;
	if (b.svc.service->start(&b.svc, b.now) < 0)
		errx(1, "the service does not start");
	if (net_listen(b.net, &local) < 0)
		errx(1, "net_listen");
}

/* ---- the client ---- */

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static uint16_t
ip_sum(const uint8_t *h)
{
	uint32_t i, s = 0;

	for (i = 0; i < 20; i += 2)
		s += get16(h + i);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~(s + (s >> 16));
}

static struct pkt *
frame_new(void)
{
	struct pkt *p = pktpool_get(&b.pool);

	if (p == NULL)
		errx(1, "out of frames");
	pkt_reset(p, PKT_HEADROOM);
	p->port = 0;
	return p;
}

/* An ARP frame: op 1 asks for the server, 2 answers it. */
static void
send_arp(uint32_t op)
{
	struct pkt *p = frame_new();
	uint8_t *d = pkt_data(p);

	memset(d, 0, 60);
	memset(d, 0xff, 6);
	memcpy(d + 6, client_mac, 6);
	put16(d + 12, 0x0806);
	memcpy(d + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, (uint8_t)op }, 8);
	memcpy(d + 22, client_mac, 6);
	memcpy(d + 28, client_ip, 4);
	memcpy(d + 38, server_ip, 4);
	if (op == 2) {
		memcpy(d, server_mac, 6);
		memcpy(d + 32, server_mac, 6);
	}
	p->len = 60;
	b.in[b.nin++] = p;
}

/* One TCP segment of a connection, with n bytes of requests. */
static void
send_segment(struct peer *c, uint32_t flags, uint32_t n)
{
	struct pkt *p = frame_new();
	uint8_t *d = pkt_data(p), *ip = d + 14, *t = d + 34;
	uint32_t hlen = 20 + TS_LEN + (flags & SYN ? 8 : 0);

	memcpy(d, server_mac, 6);
	memcpy(d + 6, client_mac, 6);
	put16(d + 12, 0x0800);
	memset(ip, 0, 20 + hlen);
	ip[0] = 0x45;
	put16(ip + 2, 20 + hlen + n);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, client_ip, 4);
	memcpy(ip + 16, server_ip, 4);
	put16(ip + 10, ip_sum(ip));
	put16(t, c->port);
	put16(t + 2, 80);
	put32(t + 4, c->snd);
	put32(t + 8, flags & ACK ? c->rcv : 0);
	t[12] = (uint8_t)(hlen / 4 << 4);
	t[13] = (uint8_t)flags;
	put16(t + 14, PEER_WND);
	if (flags & SYN) {
		memcpy(t + 20, (uint8_t[]){ 2, 4, 5, 0xb4, 4, 2, 8, 10 }, 8);
		put32(t + 28, (uint32_t)(b.now / 1000));
		memcpy(t + 36, (uint8_t[]){ 1, 3, 3, PEER_WSCALE }, 4);
	} else {
		memcpy(t + 20, (uint8_t[]){ 1, 1, 8, 10 }, 4);
		put32(t + 24, (uint32_t)(b.now / 1000));
		put32(t + 28, c->tsecr);
	}
	memcpy(t + hlen, b.batch, n);
	p->len = 34 + hlen + n;
	p->flags = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK | PKT_RX_HASH;
	p->hash = c->port * 2654435761u;
	c->snd += n + (flags & (SYN | FIN) ? 1 : 0);
	b.in[b.nin++] = p;
}

static void
peer_queue(struct peer *c, uint32_t flags)
{
	c->flags |= (uint8_t)flags;
	if (c->queued)
		return;
	c->queued = 1;
	b.queue[(b.qhead + b.qlen++) % CONNS_MAX] = (uint32_t)(c - b.peer);
}

static void
peer_connect(struct peer *c)
{
	uint16_t port = (uint16_t)(1024 + b.next_port++ % 64000);
	uint8_t queued = c->queued;

	*c = (struct peer){ .port = port, .snd = port * 7919u,
	    .queued = queued };
	b.by_port[port] = (uint16_t)(c - b.peer);
	peer_queue(c, SYN);
}

/* Fill in[] with what the connections have to send. */
static void
client_send(void)
{
	struct peer *c;
	uint32_t flags;

	while (b.qlen > 0 && b.nin < BURST) {
		c = &b.peer[b.queue[b.qhead]];
		b.qhead = (b.qhead + 1) % CONNS_MAX;
		b.qlen--;
		c->queued = 0;
		flags = c->flags;
		c->flags = 0;
		if (flags & SYN) {
			send_segment(c, SYN, 0);
		} else if (flags & FIN) {
			send_segment(c, FIN | ACK, 0);
		} else if (c->open && c->want == 0 && !c->fin && !b.quiet) {
			c->want = b.depth;
			c->got = 0;
			send_segment(c, ACK | 0x08, b.batchlen);
		} else {
			send_segment(c, ACK, 0);
		}
	}
}

/* Bytes of the frame from position skip on, at most len, wherever they lie. */
static uint32_t
frame_bytes(const struct pkt *p, uint32_t skip, uint8_t *buf, uint32_t len)
{
	const uint8_t *from = pkt_data(p) + skip;
	uint32_t i, n, got = 0, have = p->len - skip;

	for (i = 0; got < len; i++) {
		n = have < len - got ? have : len - got;
		memcpy(buf + got, from, n);
		got += n;
		if (i == p->nfrag)
			break;
		from = b.mem + p->frag[i].off;
		have = p->frag[i].len;
	}
	return got;
}

/* The first answer's head says how long all of them are. */
static void
learn(const struct pkt *p, uint32_t skip)
{
	char text[1024], *end, *f;

	text[frame_bytes(p, skip, (uint8_t *)text, sizeof(text) - 1)] = '\0';
	if (strncmp(text, "HTTP/1.1 200", 12) != 0)
		errx(1, "first answer: %.60s", text);
	end = strstr(text, "\r\n\r\n");
	f = strcasestr(text, "\r\ncontent-length:");
	if (end == NULL || f == NULL || f > end)
		errx(1, "no whole head with a Content-Length: %s", text);
	b.anslen = (uint64_t)(end + 4 - text) + strtoull(f + 17, NULL, 10);
}

static void
peer_progress(struct peer *c)
{
	if (c->want > 0 && c->got == b.anslen * c->want) {
		b.done += c->want;
		c->want = 0;
		if (!b.one)
			peer_queue(c, ACK);	/* with the next batch */
	}
	if (c->fin && !c->closing) {
		if (!b.one || c->want > 0)
			errx(1, "the server closed");
		c->closing = 1;
		peer_queue(c, FIN);
	}
}

/* A frame of the server's. */
static void
client_input(const struct pkt *p)
{
	const uint8_t *d = pkt_data(p), *t = d + 34;
	uint32_t hlen, len, flags;
	struct peer *c;

	if (get16(d + 12) == 0x0806) {
		if (get16(d + 20) == 1 && memcmp(d + 38, client_ip, 4) == 0)
			send_arp(2);
		return;
	}
	assert(get16(d + 12) == 0x0800 && d[23] == 6);
	hlen = (t[12] >> 4) * 4u;
	len = pkt_total(p) - 34 - hlen;
	flags = t[13];
	c = &b.peer[b.by_port[get16(t + 2)]];
	if (c->port != get16(t + 2))
		return;		/* of a connection that has ended */
	if (flags & RST)
		errx(1, "the server reset a connection");
	if (flags & SYN) {
		c->rcv = get32(t + 4) + 1;
		c->tsecr = get32(t + 20 + 8);
		c->open = 1;
		peer_queue(c, ACK);
		return;
	}
	c->tsecr = get32(t + 24);
	if (c->closing && len == 0 && get32(t + 8) == c->snd) {
		b.closed++;	/* our FIN was acknowledged */
		peer_connect(c);
		return;
	}
	if (get32(t + 4) != c->rcv || (len > 0 && c->want == 0))
		errx(1, "a segment out of place");
	if (len > 0 && b.anslen == 0)
		learn(p, 34 + hlen);
	c->rcv += len + (flags & FIN ? 1 : 0);
	c->got += len;
	c->fin |= (flags & FIN) != 0;
	if (len > 0 && c->want > 0 && c->got < b.anslen * c->want)
		peer_queue(c, ACK);
	peer_progress(c);
}

/* ---- turns ---- */

static inline __attribute__((always_inline)) void
turn(void)
{
	net_input(b.net, b.in, b.nin, b.now);
	net_advance(b.net, b.now, 256);
	net_events(b.net, b.now, 256);
	if (b.svc.service->tick != NULL)
		b.svc.service->tick(&b.svc, b.now);
	net_output(b.net, b.now);
}

void	measured_turn(void);
void	warming_turn(void);

/* The function that callgrind counts. */
__attribute__((noinline)) void
measured_turn(void)
{
	turn();
}

__attribute__((noinline)) void
warming_turn(void)
{
	turn();
	__asm__ volatile("");	/* unlike measured_turn: not folded with it */
}

/* What came out goes to the client, and its frames come back. */
static void
drain(void)
{
	struct pktq *q = net_out(b.net);
	uint32_t i;

	b.nin = 0;
	for (i = 0; i < q->n; i++) {
		client_input(q->p[i]);
		net_tx_done(b.net, q->p[i]->mark);
		pktpool_put(&b.pool, q->p[i]);
	}
	q->n = 0;
}

/* Turns until so many requests are done. Returns the turns. */
static uint64_t
run_until(uint64_t requests, void (*one_turn)(void))
{
	uint64_t turns = 0, last = b.done, quiet = 0;

	while (b.done < requests) {
		client_send();
		b.now += 10;
		one_turn();
		drain();
		turns++;
		quiet = b.done == last ? quiet + 1 : 0;
		last = b.done;
		if (quiet > 1000000)
			errx(1, "stuck after %lu of %lu requests", b.done,
			    requests);
	}
	return turns;
}

/* Memory of a connection that has done its work and waits. */
static void
say_memory(void)
{
	struct arena_shape s = b.conf.shape;
	size_t one = arena_size(&s);
	uint64_t held;
	uint32_t i;

	b.quiet = true;
	for (i = 0; i < 1000; i++) {	/* until everything is acknowledged */
		client_send();
		b.now += 1000;
		turn();
		drain();
	}
	held = b.counters[CNT_gauge_chunks_held] * s.chunk_size;
	s.conns *= 2;
	printf("{\"conn_bytes\": %.1f, \"held_bytes\": %lu, \"conns\": %u}\n",
	    (double)(arena_size(&s) - one) / b.conf.shape.conns, held,
	    b.conns);
}

static void
parse(int argc, char **argv, bool *timed, bool *memory)
{
	int c;

	while ((c = getopt(argc, argv, "r:o:i:u:c:n:P:1tm")) != -1) {
		switch (c) {
		case 'r': b.root = optarg; break;
		case 'o': case 'i': b.image = optarg; break;
		case 'u': b.path = optarg; break;
		case 'c': b.conns = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'n': b.requests = strtoull(optarg, NULL, 10); break;
		case 'P': b.depth = (uint32_t)strtoul(optarg, NULL, 10); break;
		case '1': b.one = true; break;
		case 't': *timed = true; break;
		case 'm': *memory = true; break;
		default: exit(2);
		}
	}
	if (b.image == NULL || (b.root == NULL) == (b.path == NULL) ||
	    optind != argc ||
	    b.conns == 0 || b.conns > CONNS_MAX / 2 || b.depth == 0 ||
	    b.depth > DEPTH_MAX || (b.one && b.depth > 1))
		errx(2, "usage: replay -r root -o image, or replay -i image "
		    "-u path [-c conns] [-n requests] [-P depth] [-1] [-t|-m]");
}

static void
make_batch(void)
{
	uint32_t i;

	b.reqlen = (uint32_t)snprintf(b.batch, sizeof(b.batch),
	    "GET %s HTTP/1.1\r\nHost: 10.0.0.2\r\n%s\r\n", b.path,
	    b.one ? "Connection: close\r\n" : "");
	if ((uint64_t)b.reqlen * b.depth > 1400)
		errx(2, "%u requests of %u bytes do not fit a segment",
		    b.depth, b.reqlen);
	for (i = 1; i < b.depth; i++)
		memcpy(b.batch + i * b.reqlen, b.batch, b.reqlen);
	b.batchlen = b.reqlen * b.depth;
}

int
main(int argc, char **argv)
{
	bool timed = false, memory = false;
	struct timespec t0, t1;
	uint64_t from, turns;
	uint32_t i;
	double secs;

	b.conns = 64;
	b.depth = 1;
	b.requests = 20000;
	parse(argc, argv, &timed, &memory);
	if (b.root != NULL) {
		save_image();
		return 0;
	}
	make_batch();
	find_service();
	make_stack();
	send_arp(1);
	for (i = 0; i < b.conns; i++)
		peer_connect(&b.peer[i]);
	run_until(b.requests / 8 + b.conns, warming_turn);
	if (memory) {
		say_memory();
		return 0;
	}
	from = b.done;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	turns = run_until(from + b.requests, measured_turn);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	secs = (double)(t1.tv_sec - t0.tv_sec) +
	    (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	printf("{\"requests\": %lu, \"turns\": %lu, \"closed\": %lu, "
	    "\"answer_bytes\": %lu, \"rate\": %.0f}\n", b.done - from, turns,
	    b.closed, b.anslen, timed ? (double)(b.done - from) / secs : 0);
	return 0;
}
