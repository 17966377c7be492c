/*
 * wire: what frames look like, byte by byte. Offsets and numbers of
 * Ethernet II, ARP (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200), ICMP (RFC 792,
 * RFC 4443), neighbour discovery (RFC 4861) and UDP (RFC 768).
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
#define VLAN_LEN	4u	/* IEEE 802.1Q tag */
#define VLAN_ID		0x0fffu

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
#define IP4_TTL_OURS	64u	/* in all that we send */

#define IP6_HLEN	40u
#define IP6_PAYLOAD	4
#define IP6_NEXT	6
#define IP6_HOPS	7
#define IP6_SRC		8
#define IP6_DST		24
#define IP6_MTU_MIN	1280u
#define IP6_FRAG_LEN	8u
#define IP6_FRAG_OFF	2
#define IP6_FRAG_ID	4

#define PROTO_ICMP	1u
#define PROTO_TCP	6u
#define PROTO_UDP	17u
#define PROTO_HOPOPT	0u
#define PROTO_ROUTING	43u
#define PROTO_FRAGMENT	44u
#define PROTO_ICMP6	58u
#define PROTO_NONE	59u
#define PROTO_DSTOPTS	60u

#define ICMP_HLEN	8u
#define ICMP_CSUM	2
#define TCP_CSUM	16
#define ICMP_ECHO_REPLY	0u
#define ICMP_UNREACH	3u
#define ICMP_ECHO	8u
#define ICMP_TIME	11u
#define ICMP_PARAM	12u
#define ICMP_PORT	3u	/* codes of ICMP_UNREACH */
#define ICMP_PROTOCOL	2u

#define ICMP6_UNREACH	1u
#define ICMP6_TOOBIG	2u
#define ICMP6_TIME	3u
#define ICMP6_PARAM	4u
#define ICMP6_ERRORS	128u	/* types below this are errors */
#define ICMP6_ECHO	128u
#define ICMP6_ECHO_REPLY 129u
#define ICMP6_NS	135u
#define ICMP6_NA	136u
#define ICMP6_REDIRECT	137u
#define ICMP6_PORT	4u	/* code of ICMP6_UNREACH */

#define ND_LEN		24u	/* NS and NA without options */
#define ND_FLAGS	4
#define ND_TARGET	8
#define ND_OPT_SLLA	1u
#define ND_OPT_TLLA	2u
#define NA_SOLICITED	0x40u
#define NA_OVERRIDE	0x20u

#define UDP_HLEN	8u
#define UDP_DPORT	2
#define UDP_LEN		4
#define UDP_CSUM	6

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
wr32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
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

static inline int
is_map4(const uint8_t a[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a, prefix, 12) == 0;
}

/* fe80::/10 */
static inline int
is_link_local(const uint8_t a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

static inline int
is_unspecified(const uint8_t a[16])
{
	static const uint8_t zero[16];

	return memcmp(a, zero, 16) == 0;
}

#endif
