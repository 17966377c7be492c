/*
 * wire: what frames look like, byte by byte. Offsets and numbers of
 * Ethernet II, ARP (RFC 826), IPv4 (RFC 791) and ICMP (RFC 792).
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdint.h>
#include <string.h>

#define ETH_HLEN	14u
#define ETH_DST		0
#define ETH_SRC		6
#define ETH_TYPE	12
#define ETH_P_IP4	0x0800u
#define ETH_P_ARP	0x0806u
#define ETH_P_VLAN	0x8100u
#define ETH_P_QINQ	0x88a8u
#define ETH_P_IP6	0x86ddu

#define ARP_LEN		28u
#define ARP_OP		6
#define ARP_SHA		8
#define ARP_SPA		14
#define ARP_THA		18
#define ARP_TPA		24
#define ARP_REQUEST	1u
#define ARP_REPLY	2u

#define IP4_HLEN	20u
#define IP4_TOS		1
#define IP4_TOTAL	2
#define IP4_ID		4
#define IP4_FRAG	6
#define IP4_TTL		8
#define IP4_PROTO	9
#define IP4_CSUM	10
#define IP4_SRC		12
#define IP4_DST		16
#define IP4_DF		0x4000u
#define IP4_MF		0x2000u
#define IP4_OFFSET	0x1fffu

#define PROTO_ICMP	1u
#define PROTO_TCP	6u
#define PROTO_UDP	17u

#define ICMP_HLEN	8u
#define ICMP_ECHO_REPLY	0u
#define ICMP_UNREACH	3u
#define ICMP_ECHO	8u
#define ICMP_TIME	11u
#define ICMP_PARAM	12u

static inline uint16_t
rd16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
rd32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

/* As it lies in memory: network order. */
static inline uint32_t
rd32_be(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline void
wr16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* A value in native order of memory (a checksum). */
static inline void
wr16_raw(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

/* The prefix of an IPv4-mapped address, and the mapped form. */
static inline void
map4(uint8_t to[16], const uint8_t *addr4)
{
	memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	memcpy(to + 12, addr4, 4);
}

#endif
