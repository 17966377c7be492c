/* client: the other end of all connections, which knows just enough TCP. */
#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "replay.h"

#define TS_LEN		12u
#define PEER_WND	65535u
#define PEER_WSCALE	9u

#define FIN	0x01u
#define SYN	0x02u
#define RST	0x04u
#define ACK	0x10u

static const uint8_t client_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t client_ip[4] = { 10, 0, 0, 1 };

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

void
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

void
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

static void
make_batch(void)
{
	uint32_t i;

	if (b.stack) {
		b.reqlen = STACK_LEN;
		b.anslen = STACK_LEN;
		memset(b.batch, 'r', sizeof(b.batch));
	} else {
		b.reqlen = (uint32_t)snprintf(b.batch, sizeof(b.batch),
		    "GET %s HTTP/1.1\r\nHost: 10.0.0.2\r\n%s\r\n", b.path,
		    b.one ? "Connection: close\r\n" : "");
	}
	if ((uint64_t)b.reqlen * b.depth > 1400)
		errx(2, "%u requests of %u bytes do not fit a segment",
		    b.depth, b.reqlen);
	for (i = 1; i < b.depth; i++)
		memcpy(b.batch + i * b.reqlen, b.batch, b.reqlen);
	b.batchlen = b.reqlen * b.depth;
}

void
client_start(void)
{
	uint32_t i;

	make_batch();
	send_arp(1);
	for (i = 0; i < b.conns; i++)
		peer_connect(&b.peer[i]);
}
