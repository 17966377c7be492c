/*
 * flood: what attackers cost, and what they do to those who are served.
 *
 * One stack in this process; virtual time, real work. Each attack sends so
 * many packets a second, which take a part of the one core there is; what is
 * left is the goodput of everybody else. During each attack established
 * connections must go on, new clients must come in, and the memory in use
 * must be what it was. Prints a line per attack; exits 1 if one of these
 * fails (speed is only printed: machines differ).
 * usage: flood [-n PACKETS]; `make check` runs a short one.
 */
#include <stdio.h>

#include "../lib/crowd.h"

#define SERVED		1000u	/* connections that are served */
#define NEWCOMERS	64u	/* real clients that come during an attack */
#define OWN		1000u	/* connections that attackers opened */
#define OWN_FIRST	4000u	/* the first of them */
#define HOLDERS		100000u	/* zero-window attackers */
#define PACKETS		300000u	/* of an attack, without -n */
#define RATE		300000u	/* a second, of an attack */
#define ROUNDS		5u

static uint64_t seed = 1;
static uint32_t packets = PACKETS;

static uint32_t
rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

/* A packet of len bytes behind an IPv4 header, to us. */
static struct pkt *
packet(struct bed *b, uint32_t src, uint8_t proto, uint32_t len)
{
	struct pkt *p = pktpool_get(&b->pool);
	uint8_t *h;

	if (p == NULL)
		errx(1, "frames are lost");
	pkt_reset(p, PKT_HEADROOM);
	h = pkt_data(p);
	p->len = 20 + len;
	p->port = 0;
	p->flags = PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK | PKT_RX_HASH;
	p->hash = rnd();
	memset(h, 0, p->len);
	h[0] = 0x45;
	put16(h + 2, p->len);
	h[8] = 64;
	h[9] = proto;
	put32(h + 12, src);
	memcpy(h + 16, (uint8_t[]){ 192, 0, 2, 1 }, 4);
	return p;
}

static struct pkt *
tcp(struct bed *b, uint32_t src, uint16_t sport, uint8_t flags, uint32_t len)
{
	struct pkt *p = packet(b, src, 6, 20 + len);
	uint8_t *t = pkt_data(p) + 20;

	put16(t, sport);
	put16(t + 2, 80);
	put32(t + 4, rnd());
	put32(t + 8, rnd());
	t[12] = 0x50;
	t[13] = flags;
	put16(t + 14, rnd());
	return p;
}

/* Anywhere but where our own peers are. */
static uint32_t
stranger(void)
{
	return (20u << 24) + (rnd() & 0xffffff);
}

static struct pkt *
syn(struct bed *b)
{
	return tcp(b, stranger(), (uint16_t)rnd(), 0x02, 0);
}

static struct pkt *
ack(struct bed *b)
{
	return tcp(b, stranger(), (uint16_t)rnd(), 0x10, 0);
}

/* Someone who is served, as an attacker knows him: without the numbers. */
static struct pkt *
guess(struct bed *b, uint8_t flags, uint32_t len)
{
	return tcp(b, (10u << 24) + 1, (uint16_t)(1024 + rnd() % SERVED),
	    flags, len);
}

static struct pkt *
rst(struct bed *b)
{
	return guess(b, 0x04, 0);
}

static struct pkt *
data(struct bed *b)
{
	return guess(b, 0x18, 1);
}

/* A byte alone, on a connection of the attacker's own. */
static struct pkt *
byte(struct bed *b)
{
	return segment(b, OWN_FIRST + rnd() % OWN, 0x18, 1);
}

/* The same, and the byte before it never comes. */
static struct pkt *
gap(struct bed *b)
{
	uint32_t i = OWN_FIRST + rnd() % OWN;

	b->sent[i]++;
	return segment(b, i, 0x18, 1);
}

/* From our own address and port to itself. */
static struct pkt *
land(struct bed *b)
{
	return tcp(b, (192u << 24) | (2u << 8) | 1, 80, 0x02, 0);
}

/* RFC 5927: an error about somebody who is served, the number guessed. */
static struct pkt *
icmp(struct bed *b)
{
	struct pkt *p = packet(b, stranger(), 1, 8 + 28);
	uint8_t *m = pkt_data(p) + 20, *q = m + 8;
	uint32_t i, sum = 0;

	m[0] = 3;
	m[1] = rnd() & 1 ? 4 : 3;
	put16(m + 6, 576);
	q[0] = 0x45;
	put16(q + 2, 1500);
	q[8] = 64;
	q[9] = 6;
	memcpy(q + 12, (uint8_t[]){ 192, 0, 2, 1, 10, 0, 0, 1 }, 8);
	put16(q + 20, 80);
	put16(q + 22, 1024 + rnd() % SERVED);
	put32(q + 24, rnd());
	for (i = 0; i < 36; i += 2)
		sum += (uint32_t)(m[i] << 8 | m[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(m + 2, ~sum);
	return p;
}

static const struct attack {
	const char *name;
	struct pkt *(*make)(struct bed *b);
} attacks[] = {
	{ "SYN flood, spoofed", syn },
	{ "ACK flood, spoofed", ack },
	{ "RST guesses", rst },
	{ "1-byte data guesses", data },
	{ "ICMP forgeries", icmp },
	{ "LAND", land },
	{ "1-byte segments", byte },
	{ "1-byte segments, gaps", gap },
};

static bool failed;

static void
must(bool ok, const char *attack, const char *what)
{
	if (ok)
		return;
	printf("  FAILED: %s: %s\n", attack, what);
	failed = true;
}

/* The attack's packets, at its rate; seconds of work for them, the making
 * of them not counted. */
static double
strike(struct bed *b, const struct attack *a, uint32_t n)
{
	struct pkt *in[32];
	double t, sum = 0;
	uint32_t i, k;

	b->mute = true;
	for (i = 0; i < n; i += k) {
		for (k = 0; k < 32; k++)
			in[k] = a->make(b);
		b->now += 32 * UINT64_C(1000000) / RATE;
		t = seconds();
		turn(b, in, k);
		sum += seconds() - t;
	}
	b->mute = false;
	return sum;
}

/* ns of a request and its answer. */
static double
serve(struct bed *b, const char *when)
{
	uint32_t r, before;
	double t, best = 1e9;

	for (r = 0; r < ROUNDS; r++) {
		before = b->answers;
		t = seconds();
		burst(b, 0, 1, SERVED, 0x18, BODY);
		t = seconds() - t;
		best = t < best ? t : best;
		must(b->answers - before == SERVED, when,
		    "somebody who was served is no more");
		/* The answers are acknowledged: nothing is owed. */
		burst(b, 0, 1, SERVED, 0x10, 0);
	}
	return best * 1e9 / SERVED;
}

/* Real clients that come in while it goes on, and are answered. */
static void
newcomers(struct bed *b, const struct attack *a, uint32_t first)
{
	uint32_t i, before = b->answers;

	for (i = 0; i < NEWCOMERS; i++) {
		burst(b, first + i, 1, 1, 0x02, 0);
		(void)strike(b, a, packets / 96);
		burst(b, first + i, 1, 1, 0x10, 0);
		burst(b, first + i, 1, 1, 0x18, BODY);
		burst(b, first + i, 1, 1, 0x10, 0);
	}
	must(b->answers - before == NEWCOMERS, a->name,
	    "a new client did not get in");
}

static uint32_t
memory(const struct bed *b)
{
	return (uint32_t)(b->counters[CNT_gauge_chunks_free] + b->pool.n);
}

static void
attack(struct bed *b, uint32_t i)
{
	const struct attack *a = &attacks[i];
	uint32_t was, resets = b->resets, r;
	double ns, best = 1e9, share;

	(void)strike(b, a, packets / 8);
	was = memory(b);
	for (r = 0; r < ROUNDS; r++) {
		ns = strike(b, a, packets) * 1e9 / packets;
		best = ns < best ? ns : best;
	}
	must(memory(b) == was, a->name, "memory is not flat");
	newcomers(b, a, SERVED + i * NEWCOMERS);
	(void)serve(b, a->name);
	must(b->resets == resets, a->name, "a peer of ours was reset");
	share = 1 - best * RATE / 1e9;
	printf("%-22s %8.0f ns a packet  %6.1f %% of the goodput left at "
	    "%u a second\n", a->name, best, share * 100, RATE);
}

/* A minute of the probes of those whose windows are closed, with a service that
 * is asked nothing: seconds of work, and of the longest turn. */
static double
probes(struct bed *b, double *longest)
{
	uint64_t end = b->now + 60000000, due;
	double t, sum = 0;

	*longest = 0;
	while (b->now < end) {
		due = net_deadline(b->net);
		b->now = due < end ? due > b->now ? due : b->now + 1 : end;
		t = seconds();
		(void)net_advance(b->net, b->now, ARENA_BURST);
		net_events(b->net, b->now, ARENA_BURST);
		net_output(b->net, b->now);
		t = seconds() - t;
		sum += t;
		*longest = t > *longest ? t : *longest;
		collect(b);
	}
	return sum;
}

/* Attackers that ask and take nothing: each holds an answer. */
static void
holders(void)
{
	double before, after, work, longest;
	struct bed b;
	uint32_t was;

	bed_conf(&b, SERVED + HOLDERS);
	b.conf.shape.chunks = b.conns + 8192;
	b.conf.shape.small = 2 * b.conns;
	bed_start(&b);
	open_some(&b, 0, SERVED);
	before = serve(&b, "before the holders");
	b.wnd = 0;
	open_some(&b, SERVED, HOLDERS);
	burst(&b, SERVED, 1, HOLDERS, 0x18, BODY);
	b.wnd = 65535;
	was = memory(&b);
	work = probes(&b, &longest);
	after = serve(&b, "zero-window holders, a minute later");
	must(memory(&b) == was, "zero-window holders", "memory is not flat");
	printf("%-22s %8u connections  %6.1f %% of the speed; their probes take "
	    "%.2f %% of a core, %.0f us in a turn at most\n",
	    "zero-window holders", HOLDERS, before / after * 100,
	    work / 60 * 100, longest * 1e6);
	bed_fini(&b);
}

/* ---- a peer that asks for tiny segments and reports every second ---- */

#define TINY		88u	/* bytes of a segment */
#define ROOM_WANTED	65536u

static struct shred {
	struct bed b;
	uint32_t next;		/* behind the last byte that was sent */
} shred;

/* Serve it as much as there is room for. */
static void
download(void *arg, struct conn *c, uint32_t events)
{
	static const uint8_t page[1 << 20];
	struct net *n = shred.b.net;

	(void)arg;
	if (events & CONN_GONE)
		return;
	while (conn_send_mem(n, c, page, sizeof(page)) > 0)
		continue;
	conn_want_room(n, c, ROOM_WANTED);
}

/* One segment of the peer's; seconds of work that it makes. */
static double
shred_in(uint8_t flags, uint32_t ack, const uint8_t *opts, uint32_t len)
{
	struct bed *b = &shred.b;
	struct pkt *p = tcp(b, (10u << 24) + 1, 1024, flags, len), *q;
	uint8_t *t = pkt_data(p) + 20;
	struct pktq *out = net_out(b->net);
	uint32_t i, end;
	double from;
	bool more;

	put32(t + 4, flags & 0x02 ? 1000 : 1001);
	put32(t + 8, ack);
	t[12] = (uint8_t)((20 + len) / 4 << 4);
	put16(t + 14, 65535);
	memcpy(t + 20, opts, len);
	p->hash = 5;
	b->now += 20;
	from = seconds();
	net_input(b->net, &p, 1, b->now);
	do {
		more = net_turn(b->net, b->now);
		for (i = 0; i < out->n; i++) {
			q = out->p[i];
			t = pkt_data(q) + 20;
			end = get32(t + 4) + pkt_total(q) - 20 -
			    (t[12] >> 4) * 4u + ((t[13] & 0x02) != 0);
			if ((t[13] & 0x02) != 0 ||
			    (int32_t)(end - shred.next) > 0)
				shred.next = end;
			if (i + 1 == out->n)
				net_tx_done(b->net, q->mark);
			pktpool_put(&b->pool, q);
		}
		out->n = 0;
	} while (more);
	return seconds() - from;
}

static void
shredder(void)
{
	static const uint8_t syn_opts[] = { 2, 4, 0, TINY, 4, 2, 1, 3, 3, 14,
	    0, 0 };
	uint8_t sack[36] = { 1, 1, 5, 34 };
	uint32_t i, k, una, at, units, n = packets / 32;
	double sum = 0;

	bed_conf(&shred.b, 64);
	shred.b.env.event = download;
	shred.b.conf.port[0].caps |= NET_CAP_TSO | NET_CAP_FRAGS;
	shred.b.conf.port[0].tso_max = 65000;
	bed_start(&shred.b);
	(void)shred_in(0x02, 0, syn_opts, sizeof(syn_opts));
	for (i = 0; i < 40; i++) {
		shred.b.now += 20000;
		una = shred.next;
		(void)shred_in(0x10, una, NULL, 0);
	}
	units = (shred.next - una) / TINY;
	must(units > 10000, "SACK shredding", "the window did not open");
	for (i = 0; i < n; i++) {
		at = i * 8 % (units - 8);
		for (k = 0; k < 4; k++) {
			put32(sack + 4 + 8 * k, una + (at + 2 * k + 1) * TINY);
			put32(sack + 8 + 8 * k, una + (at + 2 * k + 2) * TINY);
		}
		sum += shred_in(0x10, una, sack, sizeof(sack));
	}
	printf("%-22s %8.0f ns a packet, %u segments in flight\n",
	    "SACK shredding", sum * 1e9 / n, units);
	bed_fini(&shred.b);
}

int
main(int argc, char **argv)
{
	struct bed b;
	double quiet;
	uint32_t i, n = sizeof(attacks) / sizeof(attacks[0]);

	if (argc == 3 && strcmp(argv[1], "-n") == 0)
		packets = (uint32_t)strtoul(argv[2], NULL, 10) & ~31u;
	if (packets < 3200 || (argc != 1 && argc != 3))
		errx(2, "usage: flood [-n PACKETS]; at least 3200");

	bed_conf(&b, 8192);
	b.conf.backlog = 1024;
	b.conf.rx_hold_max = FRAMES / 2;
	bed_start(&b);
	open_some(&b, 0, SERVED);
	open_some(&b, OWN_FIRST, OWN);
	quiet = serve(&b, "before");
	printf("%u connections are served, %.0f ns a request\n", SERVED,
	    quiet);
	for (i = 0; i < n; i++)
		attack(&b, i);
	bed_fini(&b);
	holders();
	shredder();
	return failed;
}
