/*
 * Who owns the flow of a frame. Built with the file under test: it belongs
 * to the worker, not to the pure library.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/io/steer.c"

#define WEB	0u	/* group on any address, port 80 */
#define ADMIN	1u	/* group on one address, port 80, and 8000 to 8010 */
#define FETCH	2u	/* group of clients, source ports 40000 to 49999 */

/* Key and one row of the table in Microsoft's "Verifying the RSS Hash
 * Calculation", which all NICs follow. */
static const uint8_t ms_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
	0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
	0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
	0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
	0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};
static const uint8_t ms_src[4] = { 66, 9, 149, 187 };
static const uint8_t ms_dst[4] = { 161, 142, 100, 80 };
#define MS_SPORT	2794u
#define MS_DPORT	1766u
#define MS_HASH		0x51ccc178u

static const uint8_t addr_a[4] = { 10, 0, 0, 2 };
static const uint8_t addr_b[4] = { 10, 0, 0, 3 };
static const uint8_t peer[4] = { 10, 0, 0, 9 };

static struct board board;
static struct steer st;
static struct {
	struct pkt p;
	uint8_t b[512];
} frame;

static void
listener(uint32_t group, const uint8_t *addr, uint16_t lo, uint16_t hi)
{
	struct board_listener *l = &board.listener[board.head.nlisteners++];

	l->group = (uint8_t)group;
	l->proto = IPPROTO_TCP;
	l->port_lo = lo;
	l->port_hi = hi;
	if (addr != NULL) {
		l->addr.family = 4;
		memcpy(l->addr.addr, addr, 4);
	}
}

/* Slot of a bucket: the group in the upper half, so that no two agree. */
static uint32_t
owner(uint32_t group, uint32_t bucket)
{
	return group * 5 + bucket % 5;
}

static void
setup(void)
{
	uint32_t g, i;

	memset(&board, 0, sizeof(board));
	board.head.ngroups = 3;
	board.head.nports = 2;
	memcpy(board.port[0].rss_key, ms_key, sizeof(ms_key));
	for (g = 0; g < 3; g++) {
		board.group[g].ports = 1;
		for (i = 0; i < BOARD_BUCKETS; i++)
			atomic_store(&board.bucket[g][i],
			    BUCKET_WORD(owner(g, i), 0, 0, 1, 0));
	}
	board.group[FETCH].client_lo = 40000;
	board.group[FETCH].client_hi = 49999;
	listener(WEB, NULL, 80, 80);
	listener(WEB, NULL, MS_DPORT, MS_DPORT);
	listener(ADMIN, addr_b, 80, 80);
	listener(ADMIN, NULL, 8000, 8010);
	steer_init(&st, &board, 0);
}

/* An IPv4 frame with a transport header of 20 bytes. */
static struct pkt *
ip4(uint8_t proto, const uint8_t *src, uint32_t sport, const uint8_t *dst,
    uint32_t dport)
{
	struct pkt *p = &frame.p;
	uint8_t *d;

	memset(&frame, 0, sizeof(frame));
	pkt_reset(p, 64);
	p->len = 54;
	d = pkt_data(p);
	d[12] = 0x08;
	d[14] = 0x45;
	d[23] = proto;
	memcpy(d + 26, src, 4);
	memcpy(d + 30, dst, 4);
	d[34] = (uint8_t)(sport >> 8);
	d[35] = (uint8_t)sport;
	d[36] = (uint8_t)(dport >> 8);
	d[37] = (uint8_t)dport;
	return p;
}

static uint32_t
hash_of(const uint8_t *src, uint32_t sport, const uint8_t *dst,
    uint32_t dport)
{
	uint8_t in[12];

	memcpy(in, src, 4);
	memcpy(in + 4, dst, 4);
	in[8] = (uint8_t)(sport >> 8);
	in[9] = (uint8_t)sport;
	in[10] = (uint8_t)(dport >> 8);
	in[11] = (uint8_t)dport;
	return toeplitz_ref(ms_key, in, sizeof(in));
}

START_TEST(the_bucket_is_that_of_the_rss_specification)
{
	struct pkt *p = ip4(IPPROTO_TCP, ms_src, MS_SPORT, ms_dst, MS_DPORT);

	ck_assert_uint_eq(steer_owner(&st, p),
	    owner(WEB, MS_HASH % BOARD_BUCKETS));
	ck_assert_uint_eq(p->hash, MS_HASH);
	ck_assert_uint_eq(p->flags & PKT_RX_HASH, PKT_RX_HASH);
}
END_TEST

START_TEST(the_hash_of_a_nic_is_taken_as_it_is)
{
	struct pkt *p = ip4(IPPROTO_TCP, peer, 5000, addr_a, 80);

	p->flags = PKT_RX_HASH;
	p->hash = 12345;
	ck_assert_uint_eq(steer_owner(&st, p),
	    owner(WEB, 12345 % BOARD_BUCKETS));
}
END_TEST

START_TEST(a_listener_with_an_address_goes_before_one_for_any)
{
	uint32_t h;

	h = hash_of(peer, 5000, addr_b, 80) % BOARD_BUCKETS;
	ck_assert_uint_eq(steer_owner(&st,
	    ip4(IPPROTO_TCP, peer, 5000, addr_b, 80)), owner(ADMIN, h));
	h = hash_of(peer, 5000, addr_a, 80) % BOARD_BUCKETS;
	ck_assert_uint_eq(steer_owner(&st,
	    ip4(IPPROTO_TCP, peer, 5000, addr_a, 80)), owner(WEB, h));
}
END_TEST

static const struct {
	uint32_t port, group;	/* group BOARD_NONE: of none */
} port_rows[] = {
	{ 80, WEB }, { 79, BOARD_NONE }, { 81, BOARD_NONE },
	{ 7999, BOARD_NONE }, { 8000, ADMIN }, { 8010, ADMIN },
	{ 8011, BOARD_NONE }, { 39999, BOARD_NONE }, { 40000, FETCH },
	{ 49999, FETCH }, { 50000, BOARD_NONE }, { 0, BOARD_NONE },
	{ 65535, BOARD_NONE },
};

START_TEST(the_local_port_selects_the_group)
{
	uint32_t port = port_rows[_i].port, group = port_rows[_i].group, h;

	h = hash_of(peer, 443, addr_a, port) % BOARD_BUCKETS;
	ck_assert_uint_eq(steer_owner(&st,
	    ip4(IPPROTO_TCP, peer, 443, addr_a, port)),
	    group == BOARD_NONE ? BOARD_NONE : owner(group, h));
}
END_TEST

START_TEST(a_group_that_does_not_serve_the_port_gets_nothing_from_it)
{
	static struct steer other;

	steer_init(&other, &board, 1);
	ck_assert_uint_eq(steer_owner(&other,
	    ip4(IPPROTO_TCP, peer, 5000, addr_b, 80)), BOARD_NONE);
	ck_assert_uint_eq(steer_owner(&other,
	    ip4(IPPROTO_TCP, peer, 5000, addr_b, 40000)), BOARD_NONE);
}
END_TEST

/* A client chooses its source port by this: replies must come to it. */
START_TEST(a_flow_asked_for_is_steered_as_its_frames_are)
{
	struct net_addr l = { .family = 4 }, r = { .family = 4, .port = 80 };
	uint32_t port;

	memcpy(l.addr, addr_a, 4);
	memcpy(r.addr, peer, 4);
	for (port = 40000; port < 40100; port++) {
		l.port = (uint16_t)port;
		ck_assert_uint_eq(steer_flow(&st, &l, &r), steer_owner(&st,
		    ip4(IPPROTO_TCP, peer, 80, addr_a, port)));
	}
	l.port = 39999;
	ck_assert_uint_eq(steer_flow(&st, &l, &r), BOARD_NONE);
}
END_TEST

/* RFC 792: the error quotes our packet, so its source is our end. */
START_TEST(an_icmp_error_goes_to_the_owner_of_the_flow_it_quotes)
{
	uint8_t quoted[28], *d;
	struct pkt *p;
	uint32_t h = hash_of(peer, 5000, addr_a, 80) % BOARD_BUCKETS;

	p = ip4(IPPROTO_TCP, addr_a, 80, peer, 5000);
	memcpy(quoted, pkt_data(p) + 14, sizeof(quoted));
	p = ip4(IPPROTO_ICMP, addr_b, 0, addr_a, 0);
	d = pkt_data(p);
	d[34] = 3;
	memcpy(d + 42, quoted, sizeof(quoted));
	p->len = 42 + sizeof(quoted);
	ck_assert_uint_eq(steer_owner(&st, p), owner(WEB, h));
	ck_assert_uint_eq(p->flags & PKT_RX_HASH, 0);
	p->len = 42 + 23;	/* quotes less than the ports */
	ck_assert_uint_eq(steer_owner(&st, p), BOARD_NONE);
	p->len = 42 + sizeof(quoted);
	d[34] = 8;		/* an echo request carries anything */
	ck_assert_uint_eq(steer_owner(&st, p), BOARD_NONE);
}
END_TEST

/* Make a good frame one that has no flow to go by. */
static void
unflow(struct pkt *p, int what)
{
	uint8_t *d = pkt_data(p);

	switch (what) {
	case 0: d[13] = 0x06; break;		/* ARP */
	case 1: p->len = 0; break;
	case 2: p->len = 14 + 19; break;
	case 3: p->len = 14 + 23; break;
	case 4: d[14] = 0x44; break;		/* header of 16 bytes */
	case 5: d[14] = 0x4f; break;		/* options past the end */
	case 6: d[14] = 0x55; break;		/* version 5 */
	case 7: d[20] = 0x20; break;		/* first fragment */
	case 8: d[21] = 0x01; break;		/* later fragment */
	case 9: d[23] = 47; break;		/* another protocol */
	case 10: d[23] = IPPROTO_UDP; break;	/* nobody listens */
	}
}

START_TEST(a_frame_without_a_flow_belongs_to_whoever_got_it)
{
	struct pkt *p = ip4(IPPROTO_TCP, peer, 5000, addr_a, 80);

	ck_assert_uint_ne(steer_owner(&st, p), BOARD_NONE);
	p->flags = 0;
	unflow(p, _i);
	ck_assert_uint_eq(steer_owner(&st, p), BOARD_NONE);
}
END_TEST

START_TEST(ipv6_flows_are_hashed_over_both_addresses_and_ports)
{
	struct pkt *p = ip4(IPPROTO_TCP, peer, 0, addr_a, 0);
	uint8_t *d = pkt_data(p), in[36];
	uint32_t i, h;

	d[12] = 0x86;
	d[13] = 0xdd;
	d[14] = 0x60;
	d[20] = IPPROTO_TCP;
	for (i = 0; i < 32; i++)
		d[22 + i] = (uint8_t)(i * 3 + 1);
	d[54] = 0x12;		/* source port */
	d[55] = 0x34;
	d[56] = 0;
	d[57] = 80;
	p->len = 74;
	memcpy(in, d + 22, sizeof(in));
	h = toeplitz_ref(ms_key, in, sizeof(in));
	ck_assert_uint_eq(steer_owner(&st, p),
	    owner(WEB, h % BOARD_BUCKETS));
}
END_TEST

/* RFC 8200 (4): extension headers do not change whose a flow is; nor does a
 * VLAN's tag. A hash by a NIC, which did not look there, does not count. */
START_TEST(extension_headers_and_tags_do_not_move_a_flow)
{
	static const uint8_t ext[16] = { IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0,
	    IPPROTO_TCP, 0, 1, 4 };
	struct pkt *p = ip4(IPPROTO_TCP, peer, 0, addr_a, 0);
	uint8_t *d = pkt_data(p);
	uint32_t i, plain;

	d[12] = 0x86;
	d[13] = 0xdd;
	d[14] = 0x60;
	d[20] = IPPROTO_TCP;
	for (i = 0; i < 32; i++)
		d[22 + i] = (uint8_t)(i * 5 + 1);
	memcpy(d + 54, (uint8_t[]){ 0x12, 0x34, 0, 80 }, 4);
	p->len = 74;
	plain = steer_owner(&st, p);
	ck_assert_uint_ne(plain, BOARD_NONE);
	memmove(d + 70, d + 54, 20);
	memcpy(d + 54, ext, 16);
	d[20] = IPPROTO_HOPOPTS;
	p->len += 16;
	p->flags = PKT_RX_HASH;
	p->hash = 12345;
	ck_assert_uint_eq(steer_owner(&st, p), plain);
	memmove(d + 16, d + 12, p->len - 12);
	memcpy(d + 12, (uint8_t[]){ 0x81, 0, 0, 7 }, 4);
	p->len += 4;
	p->flags = 0;
	ck_assert_uint_eq(steer_owner(&st, p), plain);
	d[18 + 41] = 200;	/* longer than the packet */
	p->flags = 0;
	ck_assert_uint_eq(steer_owner(&st, p), BOARD_NONE);
}
END_TEST

/* A UDP port of the clients is one slot's, whoever answers. */
START_TEST(udp_client_ports_are_dealt_out)
{
	struct board_group *g = &board.group[FETCH];
	uint32_t i, lo = g->client_lo;
	struct pkt *p;

	ck_assert_uint_ne(lo, 0);
	board.head.nslots = 6;
	for (i = 0; i < 6; i++) {
		board.slot[i].fixed.group = i < 3 ? BOARD_NONE : FETCH;
		board.slot[i].fixed.index = (uint8_t)(i - 3);
	}
	steer_init(&st, &board, 0);
	for (i = 0; i < 9; i++) {
		p = ip4(IPPROTO_UDP, peer, (uint16_t)(5000 + i * 7), addr_a,
		    (uint16_t)(lo + i));
		ck_assert_uint_eq(steer_owner(&st, p), 3 + i % 3);
	}
}
END_TEST

START_TEST(frames_without_a_flow_go_to_a_slot_that_serves)
{
	uint32_t i;

	board.head.nslots = 4;
	for (i = 0; i < 4; i++)
		board.slot[i].fixed.group = WEB;
	board.slot[0].fixed.group = BOARD_NONE;
	ck_assert_uint_eq(steer_any(&board, 0), 1);
	atomic_store(&board.slot[2].worker.phase, PHASE_SERVING);
	ck_assert_uint_eq(steer_any(&board, 0), 2);
	ck_assert_uint_eq(steer_any(&board, 1), BOARD_NONE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("steer");
	TCase *t = tcase_create("steer");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, the_bucket_is_that_of_the_rss_specification);
	tcase_add_test(t, the_hash_of_a_nic_is_taken_as_it_is);
	tcase_add_test(t, a_listener_with_an_address_goes_before_one_for_any);
	tcase_add_loop_test(t, the_local_port_selects_the_group, 0,
	    sizeof(port_rows) / sizeof(port_rows[0]));
	tcase_add_test(t,
	    a_group_that_does_not_serve_the_port_gets_nothing_from_it);
	tcase_add_test(t, a_flow_asked_for_is_steered_as_its_frames_are);
	tcase_add_test(t,
	    an_icmp_error_goes_to_the_owner_of_the_flow_it_quotes);
	tcase_add_loop_test(t,
	    a_frame_without_a_flow_belongs_to_whoever_got_it, 0, 11);
	tcase_add_test(t,
	    ipv6_flows_are_hashed_over_both_addresses_and_ports);
	tcase_add_test(t, extension_headers_and_tags_do_not_move_a_flow);
	tcase_add_test(t, udp_client_ports_are_dealt_out);
	tcase_add_test(t, frames_without_a_flow_go_to_a_slot_that_serves);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
