/*
 * ip: packets of both families, as the world's own eyes see them. Addresses
 * have 16 bytes; IPv4 ones are mapped (::ffff:a.b.c.d), so that one comparison
 * serves both.
 */
#include <string.h>

#include "sim.h"

void
ip_map4(uint8_t to[16], const void *addr4)
{
	memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	memcpy(to + 12, addr4, 4);
}

static bool
parse6(struct packet *v, const uint8_t *ip, uint32_t len)
{
	if (len < 40 || ip[0] >> 4 != 6)
		return false;
	v->family = 6;
	v->head = 40;
	v->total = 40u + get16(ip + 4);
	v->proto = ip[6];
	memcpy(v->src, ip + 8, 16);
	memcpy(v->dst, ip + 24, 16);
	return v->total <= len;
}

bool
ip_parse(struct packet *v, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + 14;

	if (len < 14)
		return false;
	len -= 14;
	v->ip = ip;
	if (get16(frame + 12) == 0x86dd)
		return parse6(v, ip, len);
	if (get16(frame + 12) != 0x0800 || len < 20 || ip[0] >> 4 != 4)
		return false;
	v->family = 4;
	v->head = (ip[0] & 15u) * 4;
	v->total = get16(ip + 2);
	v->proto = ip[9];
	ip_map4(v->src, ip + 12);
	ip_map4(v->dst, ip + 16);
	return v->head >= 20 && v->total >= v->head && v->total <= len;
}

uint16_t
ip_csum(const void *p, uint32_t len, uint64_t sum)
{
	const uint8_t *b = p;
	uint64_t word;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&word, b, 8);
		sum += word;
		sum += sum < word;
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, b, len);
		sum += word;
		sum += sum < word;
	}
	sum = (sum >> 32) + (sum & 0xffffffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	return (uint16_t)~sum;
}

/* RFC 9293 (3.1), RFC 8200 (8.1): addresses, protocol and length. */
uint64_t
ip_pseudo(const uint8_t *ip, uint32_t len)
{
	uint8_t ph[40] = { 0 };

	if (ip[0] >> 4 == 6) {
		memcpy(ph, ip + 8, 32);
		put32(ph + 32, len);
		ph[39] = ip[6];
		return (uint16_t)~ip_csum(ph, sizeof(ph), 0);
	}
	memcpy(ph, ip + 12, 8);
	ph[9] = ip[9];
	put16(ph + 10, len);
	return (uint16_t)~ip_csum(ph, 12, 0);
}

void
ip_sign4(uint8_t *ip)
{
	uint16_t sum;

	memset(ip + 10, 0, 2);
	sum = ip_csum(ip, 20, 0);
	memcpy(ip + 10, &sum, 2);
}

void
ip_put(uint8_t *ip, uint8_t proto, uint32_t len, const uint8_t src[16],
    const uint8_t dst[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	if (memcmp(dst, mapped, 12) != 0) {
		memset(ip, 0, 8);
		ip[0] = 0x60;
		put16(ip + 4, len);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, dst, 16);
		return;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + len);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, src + 12, 4);
	memcpy(ip + 16, dst + 12, 4);
	ip_sign4(ip);
}

void
ip_sign(uint8_t *ip, uint32_t len, uint32_t field)
{
	uint8_t *t = ip + (ip[0] >> 4 == 6 ? 40 : 20);
	bool plain = ip[0] >> 4 == 4 && ip[9] == 1;
	uint16_t sum;

	memset(t + field, 0, 2);
	sum = ip_csum(t, len, plain ? 0 : ip_pseudo(ip, len));
	memcpy(t + field, &sum, 2);
}
