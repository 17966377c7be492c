/* SipHash-1-3 (Aumasson and Bernstein, 2012): one round per block, three at
 * the end; as keyed hash of short inputs. */
#include <string.h>

#include "net_priv.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void
sip_init(struct sip *s, const uint64_t key[2])
{
	s->v0 = key[0] ^ UINT64_C(0x736f6d6570736575);
	s->v1 = key[1] ^ UINT64_C(0x646f72616e646f6d);
	s->v2 = key[0] ^ UINT64_C(0x6c7967656e657261);
	s->v3 = key[1] ^ UINT64_C(0x7465646279746573);
}

static inline void
sip_block(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

static inline uint64_t
sip_end(struct sip *s)
{
	s->v2 ^= 0xff;
	sip_round(s);
	sip_round(s);
	sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t
siphash13(const uint64_t key[2], const void *p, size_t len)
{
	const uint8_t *b = p;
	struct sip s;
	uint64_t m, last = (uint64_t)len << 56;
	size_t left;

	sip_init(&s, key);
	for (left = len; left >= 8; left -= 8, b += 8) {
		memcpy(&m, b, 8);
		sip_block(&s, m);
	}
	m = 0;
	memcpy(&m, b, left);
	sip_block(&s, last | m);
	return sip_end(&s);
}

/*
 * IPv4 tuples hash the 12 bytes that differ between flows, IPv6 ones all 36;
 * the length in the last block keeps the two apart.
 */
uint32_t
tuple_hash(const struct net *n, const struct tuple *t)
{
	struct sip s;
	uint64_t m;
	uint32_t la, ra, ports;

	if (t->family != 4)
		return (uint32_t)siphash13(n->sipkey, t, 36);
	memcpy(&la, t->laddr + 12, 4);
	memcpy(&ra, t->raddr + 12, 4);
	memcpy(&ports, &t->lport_be, 4);
	sip_init(&s, n->sipkey);
	m = (uint64_t)la << 32 | ra;
	sip_block(&s, m);
	sip_block(&s, UINT64_C(12) << 56 | ports);
	return (uint32_t)sip_end(&s);
}
