#include "cut.h"

#include <errno.h>
#include <string.h>

#define ETHER_LEN	14u
#define IP4_LEN_AT	2u	/* total length */
#define IP4_ID_AT	4u
#define IP6_LEN_AT	4u	/* payload length */
#define IP6_LEN		40u
#define TCP_SEQ_AT	4u
#define TCP_FLAGS_AT	13u
#define TCP_FIN		0x01u
#define TCP_PSH		0x08u
#define TCP_CWR		0x80u

static inline uint32_t
get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline void
put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Whether n bytes at lo lie within one of the sender's pieces of memory. */
static bool
mem_ok(const struct cut_source *s, uintptr_t lo, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < s->nmem; i++) {
		if (lo >= s->mem[i].lo && lo <= s->mem[i].hi &&
		    n <= s->mem[i].hi - lo)
			return true;
	}
	return false;
}

static int
open_frags(struct cut *c, const struct cut_source *s, const struct pkt *p)
{
	const struct pkt_frag *f;
	uintptr_t at;
	uint32_t i;

	if (c->src.nfrag > PKT_FRAGS)
		return -EPROTO;
	memcpy(c->src.frag, p->frag, sizeof(c->src.frag));
	for (i = 0; i < c->src.nfrag; i++) {
		f = &c->src.frag[i];
		at = s->base + (uintptr_t)f->off;
		if (!mem_ok(s, at, f->len))
			return -EPROTO;
		c->part[1 + i] = (const uint8_t *)at;
		c->len[1 + i] = f->len;
		c->left += f->len;
	}
	c->nparts = 1 + c->src.nfrag;
	return 0;
}

static int
open_tso(struct cut *c)
{
	const struct pkt *p = &c->src;
	uint32_t l3_min = p->flags & PKT_TX_IPV6 ? IP6_LEN : 20;

	c->hdr = (uint32_t)p->l2_len + p->l3_len + p->l4_len;
	if (p->l2_len < ETHER_LEN || p->l3_len < l3_min || p->l4_len < 20 ||
	    c->hdr > p->len || p->tso_mss < CUT_MSS_MIN)
		return -EPROTO;
	c->pos = c->hdr;
	c->left -= c->hdr;
	return 0;
}

int
cut_open(struct cut *c, const struct cut_source *s, uint32_t ref)
{
	const struct pkt *p = pkt_at(s->base, ref);
	uintptr_t at = (uintptr_t)p;

	if (at < s->frames.lo || at >= s->frames.hi ||
	    s->frames.hi - at < sizeof(*p) + s->room)
		return -EPROTO;
	memcpy(&c->src, p, offsetof(struct pkt, frag));
	if (c->src.off < sizeof(*p) || c->src.off > sizeof(*p) + s->room ||
	    c->src.len > sizeof(*p) + s->room - c->src.off)
		return -EPROTO;
	c->part[0] = (const uint8_t *)p + c->src.off;
	c->len[0] = c->src.len;
	c->nparts = 1;
	c->at = c->pos = 0;
	c->hdr = c->done = c->npkts = 0;
	c->left = c->src.len;
	if (c->src.nfrag != 0 && open_frags(c, s, p) < 0)
		return -EPROTO;
	if (c->src.flags & PKT_TX_TSO)
		return open_tso(c);
	return 0;
}

uint32_t
cut_len(const struct cut *c)
{
	if (c->hdr == 0 || c->left <= c->src.tso_mss)
		return c->hdr + c->left;
	return c->hdr + c->src.tso_mss;
}

/* Copy n bytes from the reading position; the pieces hold at least n. */
static void
copy_out(struct cut *c, uint8_t *to, uint32_t n)
{
	uint32_t k;

	c->left -= n;
	while (n > 0) {
		k = c->len[c->at] - c->pos;
		if (k == 0) {
			c->at++;
			c->pos = 0;
			continue;
		}
		if (k > n)
			k = n;
		memcpy(to, c->part[c->at] + c->pos, k);
		c->pos += k;
		to += k;
		n -= k;
	}
}

/*
 * Make the headers right for this packet: n bytes of payload, c->done before
 * it; last: none after it. As NICs do: FIN and PSH go on the last packet only,
 * CWR on the first only (RFC 3168, 6.1.2), the IPv4 identification grows.
 */
static void
fix_headers(const struct cut *c, uint8_t *h, uint32_t n, bool last)
{
	uint8_t *ip = h + c->src.l2_len, *tcp = ip + c->src.l3_len;
	uint32_t l4 = c->src.l4_len + n, id;

	if (c->src.flags & PKT_TX_IPV6) {
		put_be16(ip + IP6_LEN_AT, c->src.l3_len - IP6_LEN + l4);
	} else {
		put_be16(ip + IP4_LEN_AT, c->src.l3_len + l4);
		id = (uint32_t)ip[IP4_ID_AT] << 8 | ip[IP4_ID_AT + 1];
		put_be16(ip + IP4_ID_AT, id + c->npkts);
	}
	put_be32(tcp + TCP_SEQ_AT, get_be32(tcp + TCP_SEQ_AT) + c->done);
	if (!last)
		tcp[TCP_FLAGS_AT] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (c->npkts > 0)
		tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
}

int
cut_next(struct cut *c, struct pkt *dst, uint16_t rx_flags)
{
	uint32_t len = cut_len(c), n = len - c->hdr;
	uint8_t *to;

	if (dst->room < PKT_HEADROOM || len > dst->room - PKT_HEADROOM)
		return -EMSGSIZE;
	pkt_reset(dst, PKT_HEADROOM);
	dst->len = len;
	dst->flags = rx_flags;
	dst->hash = c->src.hash;
	to = pkt_data(dst);
	if (__builtin_expect(c->hdr == 0, 1)) {
		copy_out(c, to, n);
		return 0;
	}
	memcpy(to, c->part[0], c->hdr);
	copy_out(c, to + c->hdr, n);
	fix_headers(c, to, n, c->left == 0);
	c->done += n;
	c->npkts++;
	return c->left > 0;
}
