/*
 * ipbed: one stack with an IPv4 and an IPv6 address, and frames of a peer on
 * its link, for tests of the network layer. Header only.
 *
 * We are 02:..:01, 10.0.0.1, fd77::1 and fe80::ff:fe00:1; the peer is
 * 02:..:09, 10.0.0.9, fd77::9 and fe80::9.
 */
#ifndef TESTS_IPBED_H
#define TESTS_IPBED_H

#include <check.h>

#include "plain.h"

static struct plain s;
static struct plain_box in, out;
static uint64_t now;
static const uint8_t us[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 9 };
static const uint8_t us6[16] = { 0xfd, 0x77, [15] = 1 };
static const uint8_t peer6[16] = { 0xfd, 0x77, [15] = 9 };
static const uint8_t us_local[16] = { 0xfe, 0x80, [11] = 0xff, 0xfe,
    [15] = 1 };
static const uint8_t peer_local[16] = { 0xfe, 0x80, [15] = 9 };
static const uint8_t nobody6[16];
static const uint8_t all_nodes6[16] = { 0xff, 2, [15] = 1 };
static const uint8_t us_group[16] = { 0xff, 2, [11] = 1, 0xff, [15] = 1 };

static inline uint64_t
count(enum counter c)
{
	return s.counters[c];
}

/* One turn with what is in `in`; its frames stay there to be looked at. */
static inline void
turn(uint64_t us_later)
{
	now += us_later;
	plain_turn(&s, &in, &out, now);
	in.n = 0;
}

/* Settings; the test changes some before bed_start(). */
static inline void
bed_conf(void)
{
	struct net_port_conf *p;

	plain_conf(&s, 1, 16);
	p = &s.conf.port[0];
	memcpy(p->addr[1].addr, us6, 16);
	p->addr[1].family = 6;
	p->addr[1].prefix = 64;
	p->naddrs = 2;
	now = 1000000;
	in.n = out.n = 0;
}

static inline void
bed_start(void)
{
	plain_init(&s, now);
	plain_send(&s, &out);
}

/* Running, its addresses probed and ours. */
static inline void
bed_setup(void)
{
	bed_conf();
	bed_start();
	turn(0);
	turn(1000000);
	turn(1);
	out.n = 0;
}

static inline void
bed_teardown(void)
{
	ck_assert_ptr_null(plain_count(&s));
	plain_fini(&s);
}

static inline uint8_t *
frame(uint32_t len)
{
	uint32_t i = in.n++;

	ck_assert_uint_le(len, PLAIN_FRAME);
	in.len[i] = len;
	memset(in.data[i], 0, len);
	return in.data[i];
}

static inline void
ether(uint8_t *f, const uint8_t *dst, uint16_t type)
{
	memcpy(f, dst, 6);
	memcpy(f + 6, peer, 6);
	wr16(f + 12, type);
}

/* An IPv6 packet of len bytes behind its header, to us or to a group. */
static inline uint8_t *
packet6(const uint8_t *src, const uint8_t *dst, uint8_t next, uint32_t len)
{
	uint8_t *f = frame(14 + 40 + len), group[6] = { 0x33, 0x33 };

	memcpy(group + 2, dst + 12, 4);
	ether(f, dst[0] == 0xff ? group : us, ETH_P_IP6);
	f[14] = 0x60;
	wr16(f + 18, (uint16_t)len);
	f[20] = next;
	f[21] = 64;
	memcpy(f + 22, src, 16);
	memcpy(f + 38, dst, 16);
	return f;
}

/* Checksum of a transport message of len bytes at off, for a frame's flow. */
static inline uint16_t
sum6(const uint8_t *f, uint8_t proto, uint32_t off, uint32_t len)
{
	struct tuple t = { .family = 6 };

	memcpy(t.laddr, f + 22, 16);
	memcpy(t.raddr, f + 38, 16);
	return csum_fold(csum_add(pseudo_sum(&t, proto, len), f + off, len));
}

/* Fill in the checksum at csum of the message that begins at off. */
static inline void
sign6(uint8_t *f, uint8_t proto, uint32_t off, uint32_t len, uint32_t csum)
{
	wr16(f + off + csum, 0);
	wr16_raw(f + off + csum, (uint16_t)~sum6(f, proto, off, len));
}

/* The same for the header of an IPv4 packet. */
static inline void
sign4(uint8_t *f)
{
	wr16(f + 24, 0);
	wr16_raw(f + 24, (uint16_t)~csum_fold(csum_add(0, f + 14,
	    (f[14] & 15u) * 4)));
}

/* An IPv4 packet of len bytes behind its header. */
static inline uint8_t *
packet4(uint8_t proto, uint32_t len)
{
	uint8_t *f = frame(14 + 20 + len);

	ether(f, us, ETH_P_IP4);
	f[14] = 0x45;
	wr16(f + 16, (uint16_t)(20 + len));
	f[22] = 64;
	f[23] = proto;
	memcpy(f + 26, (uint8_t[]){ 10, 0, 0, 9, 10, 0, 0, 1 }, 8);
	return f;
}

static inline uint8_t *
ping6(const uint8_t *src, const uint8_t *dst, uint32_t len)
{
	uint8_t *f = packet6(src, dst, PROTO_ICMP6, 8 + len), *m = f + 54;
	uint32_t i;

	m[0] = ICMP6_ECHO;
	wr16(m + 4, 7);
	for (i = 0; i < len; i++)
		m[8 + i] = (uint8_t)i;
	sign6(f, PROTO_ICMP6, 54, 8 + len, 2);
	return f;
}

/* A solicitation or advertisement for target, with an option of our peer's
 * link address (kind 0: none). */
static inline uint8_t *
nd(uint8_t type, uint8_t flags, const uint8_t *const ends[2],
    const uint8_t *target, uint8_t kind)
{
	uint32_t len = 24 + (kind != 0 ? 8 : 0);
	uint8_t *f = packet6(ends[0], ends[1], PROTO_ICMP6, len), *m = f + 54;

	f[21] = 255;
	m[0] = type;
	m[4] = flags;
	memcpy(m + 8, target, 16);
	if (kind != 0) {
		m[24] = kind;
		m[25] = 1;
		memcpy(m + 26, peer, 6);
	}
	sign6(f, PROTO_ICMP6, 54, len, 2);
	return f;
}

#define ENDS(a, b)	((const uint8_t *const[2]){ (a), (b) })

/* The peer's link address becomes known, for IPv4 and IPv6. */
static inline void
know_peer(void)
{
	uint8_t *f = frame(60);

	ether(f, us, ETH_P_ARP);
	memcpy(f + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 1 }, 8);
	memcpy(f + 22, peer, 6);
	memcpy(f + 28, (uint8_t[]){ 10, 0, 0, 9 }, 4);
	memcpy(f + 38, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
	turn(0);
	ck_assert_uint_eq(out.n, 2);
	out.n = 0;
}

/* Run the suite of one test case. */
static inline int
bed_main(TCase *t, const char *name)
{
	Suite *su = suite_create(name);
	SRunner *sr;
	int bad;

	tcase_set_timeout(t, 60);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}

#endif
