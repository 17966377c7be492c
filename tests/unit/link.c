/* Ethernet, ARP, IPv4 and ICMP: what goes in, what comes out. */
#include <check.h>

#include "../../secondary/net/base.h"
#include "../lib/plain.h"

static struct plain s;
static struct plain_box in, out;
static const uint8_t us[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t peer[6] = { 2, 0, 0, 0, 0, 9 };
static uint32_t nlearned;

static void
on_learned(void *arg, const struct pkt *p)
{
	(void)arg;
	(void)p;
	nlearned++;
}

static void
setup(void)
{
	plain_conf(&s, 1, 16);
	s.env.learned = on_learned;
	s.conf.reassembly = 0;
	nlearned = 0;
	plain_init(&s, 1000000);
	/* what it announces at the start */
	plain_send(&s, &out);
	ck_assert_uint_eq(out.n, 1);
	out.n = in.n = 0;
}

static void
teardown(void)
{
	ck_assert_ptr_null(plain_count(&s));
	plain_fini(&s);
}

static uint64_t
count(enum counter c)
{
	return s.counters[c];
}

/* One turn with what is in `in`. */
static void
turn(uint64_t now)
{
	plain_turn(&s, &in, &out, now);
	in.n = 0;
}

static uint8_t *
frame(uint32_t len)
{
	uint32_t i = in.n++;

	in.len[i] = len;
	memset(in.data[i], 0, len);
	return in.data[i];
}

static void
ether(uint8_t *f, const uint8_t *dst, uint16_t type)
{
	memcpy(f, dst, 6);
	memcpy(f + 6, peer, 6);
	wr16(f + 12, type);
}

static void
arp(uint16_t op, uint8_t from, uint8_t to, const uint8_t *dst)
{
	uint8_t *f = frame(60);

	ether(f, dst, ETH_P_ARP);
	memcpy(f + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 0 }, 8);
	wr16(f + 14 + ARP_OP, op);
	memcpy(f + 14 + ARP_SHA, peer, 6);
	memcpy(f + 14 + ARP_SPA, (uint8_t[]){ 10, 0, 0, from }, 4);
	memcpy(f + 14 + ARP_TPA, (uint8_t[]){ 10, 0, 0, to }, 4);
}

/* An IPv4 packet of len bytes behind its header; returns the frame. */
static uint8_t *
ip(uint8_t proto, uint32_t len, uint32_t options)
{
	uint32_t hlen = 20 + options;
	uint8_t *f = frame(14 + hlen + len);

	ether(f, us, ETH_P_IP4);
	f[14] = (uint8_t)(0x40 | hlen / 4);
	wr16(f + 16, (uint16_t)(hlen + len));
	f[22] = 64;
	f[23] = proto;
	memcpy(f + 26, (uint8_t[]){ 10, 0, 0, 9 }, 4);
	memcpy(f + 30, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	memset(f + 34, 1, options);	/* no-operation */
	return f;
}

static void
ip_sum(uint8_t *f)
{
	wr16(f + 24, 0);
	wr16_raw(f + 24, (uint16_t)~csum_fold(csum_add(0, f + 14,
	    (f[14] & 15u) * 4)));
}

static uint8_t *
ping(uint32_t len, uint32_t options)
{
	uint8_t *f = ip(PROTO_ICMP, 8 + len, options), *m = f + 34 + options;
	uint32_t i;

	m[0] = ICMP_ECHO;
	wr16(m + 4, 7);
	wr16(m + 6, 1);
	for (i = 0; i < len; i++)
		m[8 + i] = (uint8_t)i;
	wr16_raw(m + 2, (uint16_t)~csum_fold(csum_add(0, m, 8 + len)));
	ip_sum(f);
	return f;
}

static void
know_peer(void)
{
	arp(ARP_REQUEST, 9, 1, us);
	turn(1000000);
	ck_assert_uint_eq(out.n, 1);
	out.n = 0;
}

/* RFC 826: a request for our address is answered to its sender. */
START_TEST(arp_request_for_us_is_answered)
{
	uint8_t *a = out.data[0] + 14;

	arp(ARP_REQUEST, 9, 1, (const uint8_t *)"\xff\xff\xff\xff\xff\xff");
	turn(1000000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_mem_eq(out.data[0], peer, 6);
	ck_assert_mem_eq(out.data[0] + 6, us, 6);
	ck_assert_uint_eq(rd16(a + ARP_OP), ARP_REPLY);
	ck_assert_mem_eq(a + ARP_SHA, us, 6);
	ck_assert_mem_eq(a + ARP_THA, peer, 6);
	ck_assert_mem_eq(a + ARP_SPA, "\x0a\0\0\1", 4);
	ck_assert_mem_eq(a + ARP_TPA, "\x0a\0\0\x09", 4);
	ck_assert_uint_eq(nlearned, 1);
}
END_TEST

START_TEST(arp_for_somebody_else_makes_no_entry_and_no_answer)
{
	arp(ARP_REQUEST, 9, 5, us);
	turn(1000000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(nlearned, 0);
}
END_TEST

/* A reply nobody asked for creates nothing. */
START_TEST(unsolicited_arp_reply_creates_nothing)
{
	uint8_t addr[16];

	arp(ARP_REPLY, 9, 1, us);
	turn(1000000);
	ck_assert_uint_eq(out.n, 0);
	map4(addr, (const uint8_t *)"\x0a\0\0\x09");
	ck_assert_ptr_null(neigh_find(s.net, 0, addr));
}
END_TEST

/* RFC 5227 (2.4): somebody who claims our address is contradicted. */
START_TEST(our_address_is_defended)
{
	arp(ARP_REQUEST, 1, 1, (const uint8_t *)"\xff\xff\xff\xff\xff\xff");
	turn(1000000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_mem_eq(out.data[0], "\xff\xff\xff\xff\xff\xff", 6);
	ck_assert_mem_eq(out.data[0] + 14 + ARP_SPA, "\x0a\0\0\1", 4);
}
END_TEST

START_TEST(malformed_arp_is_dropped_and_counted)
{
	uint32_t k, want = 0;

	for (k = 0; k < 7; k++) {
		arp(ARP_REQUEST, 9, 1, us);
		switch (k) {
		case 0: in.data[k][15] = 6; break;	/* hardware */
		case 1: in.data[k][16] = 9; break;	/* protocol */
		case 2: in.data[k][18] = 8; break;	/* address length */
		case 3: in.data[k][22] = 3; break;	/* group address */
		case 4: in.len[k] = 14 + 27; break;	/* short */
		case 5: in.data[k][28] = 224; break;	/* multicast */
		case 6: memcpy(in.data[k] + 22, us, 6); break;
		}
		want++;
	}
	turn(1000000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(count(CNT_drop_arp), want);
}
END_TEST

/* RFC 792: the data comes back, IPv4 options are skipped. */
START_TEST(echo_is_answered_with_its_data)
{
	static const uint32_t len[] = { 0, 1, 56, 1400 };
	uint32_t k;
	uint8_t *m;

	know_peer();
	for (k = 0; k < 8; k++) {
		uint32_t n = len[k / 2], opt = k % 2 ? 8 : 0;

		ping(n, opt);
		turn(1000000 + k);
		ck_assert_uint_eq(out.n, 1);
		ck_assert_uint_eq(out.len[0], 14 + 20 + 8 + n);
		m = out.data[0] + 34;
		ck_assert_mem_eq(out.data[0], peer, 6);
		ck_assert_uint_eq(m[0], ICMP_ECHO_REPLY);
		ck_assert_uint_eq(csum_fold(csum_add(0, m, 8 + n)), 0xffff);
		ck_assert_uint_eq(csum_fold(csum_add(0, out.data[0] + 14, 20)),
		    0xffff);
		ck_assert_uint_eq(rd16(m + 4), 7);
		if (n > 0)
			ck_assert_mem_eq(m + 8, in.data[0] + 42 + opt, n);
		out.n = 0;
	}
}
END_TEST

/* RFC 1122 (2.3.2): a packet without a next hop asks, waits, and goes. */
START_TEST(packet_waits_for_its_neighbour)
{
	ping(10, 0);
	turn(1000000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(rd16(out.data[0] + 12), ETH_P_ARP);
	ck_assert_uint_eq(rd16(out.data[0] + 14 + ARP_OP), ARP_REQUEST);
	out.n = 0;
	arp(ARP_REPLY, 9, 1, us);
	turn(1001000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(rd16(out.data[0] + 12), ETH_P_IP4);
	ck_assert_mem_eq(out.data[0], peer, 6);
}
END_TEST

START_TEST(silent_neighbour_is_asked_three_times_and_dropped)
{
	uint32_t asked = 0, k;
	uint64_t now = 1000000;

	ping(10, 0);
	turn(now);
	for (k = 0; k < 6; k++) {
		asked += out.n;
		out.n = 0;
		now += 1000000;
		turn(now);
	}
	ck_assert_uint_eq(asked, 3);
	ck_assert_uint_eq(count(CNT_drop_neigh), 1);
}
END_TEST

START_TEST(frames_that_wait_are_bounded)
{
	uint32_t k;

	for (k = 0; k < NEIGH_HOLD_EACH + 20; k++)
		ping(k, 0);
	turn(1000000);
	ck_assert_uint_eq(s.net->nheld, NEIGH_HOLD_EACH);
	ck_assert_uint_eq(count(CNT_drop_neigh), 20);
}
END_TEST

/* tcp.md's hostile list at the layers below TCP, each with its counter. */
START_TEST(malformed_ip_is_dropped_by_cause)
{
	static const struct {
		uint32_t at;
		uint8_t value;
		bool sum;
		enum counter why;
	} row[] = {
		{ 14, 0x65, true, CNT_drop_ip_header },	 /* version */
		{ 14, 0x44, true, CNT_drop_ip_header },	 /* length below 5 */
		{ 14, 0x4f, false, CNT_drop_ip_header }, /* past the end */
		{ 16, 0x10, true, CNT_drop_ip_length },	 /* above the frame */
		{ 17, 10, true, CNT_drop_ip_length },	 /* below the header */
		{ 22, 63, false, CNT_drop_ip_csum },
		{ 26, 127, true, CNT_drop_ip_source },
		{ 26, 224, true, CNT_drop_ip_source },
		{ 26, 0, true, CNT_drop_ip_source },
		{ 29, 255, true, CNT_drop_ip_source },	 /* broadcast */
		{ 29, 1, true, CNT_drop_ip_source },	 /* ours: LAND */
		{ 33, 7, true, CNT_drop_not_ours },
		{ 20, 0x20, true, CNT_drop_ip_fragment },
		{ 21, 1, true, CNT_drop_ip_fragment },
		{ 34, 3, true, CNT_drop_icmp },
		{ 36, 1, true, CNT_drop_icmp },		 /* ICMP checksum */
		{ 0, 0x55, false, CNT_drop_not_ours },	 /* other station */
		{ 12, 0x81, false, CNT_drop_vlan },
		{ 12, 0x12, false, CNT_drop_ethertype },
	};
	uint32_t k;
	uint8_t *f;

	know_peer();
	for (k = 0; k < sizeof(row) / sizeof(row[0]); k++) {
		uint64_t before = count(row[k].why);

		f = ping(4, 0);
		f[row[k].at] = row[k].value;
		if (row[k].sum)
			ip_sum(f);
		turn(1000000 + k);
		ck_assert_msg(count(row[k].why) == before + 1, "row %u", k);
		ck_assert_uint_eq(out.n, 0);
	}
}
END_TEST

START_TEST(every_cut_of_a_frame_is_survived)
{
	uint32_t len;

	know_peer();
	for (len = 0; len < 14 + 20 + 8 + 20; len++) {
		ping(20, 0);
		in.len[0] = len;
		turn(1000000 + len);
		ck_assert_uint_eq(out.n, 0);
	}
}
END_TEST

/* RFC 1122 (3.2.2.1): UDP to a port nobody has. */
START_TEST(udp_is_answered_by_port_unreachable)
{
	uint8_t *f;

	know_peer();
	f = ip(PROTO_UDP, 12, 0);
	f[39] = 12;		/* UDP's own length */
	ip_sum(f);
	turn(1000001);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(out.data[0][34], ICMP_UNREACH);
	ck_assert_uint_eq(out.data[0][35], 3);
	ck_assert_mem_eq(out.data[0] + 42, in.data[0] + 14, 28);
	ck_assert_uint_eq(count(CNT_drop_ip_proto), 1);
}
END_TEST

/* RFC 1812 (4.3.2.8): errors are rate-limited. */
START_TEST(icmp_errors_are_rate_limited)
{
	uint32_t k, sent = 0;
	uint8_t *f;

	know_peer();
	for (k = 0; k < 500; k++) {
		f = ip(PROTO_UDP, 12, 0);
		f[39] = 12;
		ip_sum(f);
		turn(1000001 + k * 100);
		sent += out.n;
		out.n = 0;
	}
	ck_assert_uint_ge(sent, 1);
	ck_assert_uint_le(sent, 30);
}
END_TEST

START_TEST(random_frames_neither_crash_nor_leak)
{
	uint64_t rng = 7;
	uint32_t round, k, i;
	uint8_t *f;

	know_peer();
	for (round = 0; round < 3000; round++) {
		for (k = 0; k < 8; k++) {
			rng = rng * 6364136223846793005u + 1442695040888963407u;
			f = ping(rng >> 40 & 31, rng >> 33 & 4);
			for (i = 0; i < (rng >> 50 & 3); i++)
				f[(rng >> (8 * i)) % in.len[k]] =
				    (uint8_t)(rng >> 20);
			if (rng >> 60 & 1)
				ip_sum(f);
			if ((rng >> 56 & 7) == 0)
				in.len[k] = (rng >> 30) % (in.len[k] + 1);
		}
		turn(1000000 + round * 1000);
		out.n = 0;
	}
}
END_TEST

int
main(void)
{
	Suite *su = suite_create("link");
	TCase *t = tcase_create("link");
	SRunner *sr;
	int bad;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, arp_request_for_us_is_answered);
	tcase_add_test(t, arp_for_somebody_else_makes_no_entry_and_no_answer);
	tcase_add_test(t, unsolicited_arp_reply_creates_nothing);
	tcase_add_test(t, our_address_is_defended);
	tcase_add_test(t, malformed_arp_is_dropped_and_counted);
	tcase_add_test(t, echo_is_answered_with_its_data);
	tcase_add_test(t, packet_waits_for_its_neighbour);
	tcase_add_test(t, silent_neighbour_is_asked_three_times_and_dropped);
	tcase_add_test(t, frames_that_wait_are_bounded);
	tcase_add_test(t, malformed_ip_is_dropped_by_cause);
	tcase_add_test(t, every_cut_of_a_frame_is_survived);
	tcase_add_test(t, udp_is_answered_by_port_unreachable);
	tcase_add_test(t, icmp_errors_are_rate_limited);
	tcase_add_test(t, random_frames_neither_crash_nor_leak);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad != 0;
}
