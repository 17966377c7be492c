/* VLAN tags: IEEE 802.1Q. */
#include "../lib/ipbed.h"

static uint32_t nlearned;

static void
on_learned(void *arg, const struct pkt *p)
{
	(void)arg;
	/* what other slots learn from has no tag any more */
	ck_assert_uint_ne(rd16(pkt_data(p) + 12), ETH_P_VLAN);
	nlearned++;
}

static void
start(uint16_t vlan)
{
	bed_conf();
	s.conf.port[0].vlan = vlan;
	s.env.learned = on_learned;
	nlearned = 0;
	bed_start();
}

/* Tag frame i of in. */
static void
tag(uint32_t i, uint16_t type, uint16_t tci)
{
	uint8_t *f = in.data[i];

	memmove(f + 16, f + 12, in.len[i] - 12);
	wr16(f + 12, type);
	wr16(f + 14, tci);
	in.len[i] += 4;
}

static void
arp_request(void)
{
	uint8_t *f = frame(42);

	ether(f, us, ETH_P_ARP);
	memcpy(f + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 1 }, 8);
	memcpy(f + 22, peer, 6);
	memcpy(f + 28, (uint8_t[]){ 10, 0, 0, 9 }, 4);
	memcpy(f + 38, (uint8_t[]){ 10, 0, 0, 1 }, 4);
}

static void
ping4(void)
{
	uint8_t *f = packet4(PROTO_ICMP, 40);

	f[34] = ICMP_ECHO;
	wr16_raw(f + 36, (uint16_t)~csum_fold(csum_add(0, f + 34, 40)));
	sign4(f);
}

/* Everything that is sent has the tag, from the first announcement on. */
START_TEST(all_that_is_sent_is_tagged)
{
	static const uint16_t type[] = { ETH_P_ARP, ETH_P_IP4, ETH_P_IP6,
	    ETH_P_IP6 };
	uint32_t i;

	start(5);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(rd16(out.data[0] + 12), ETH_P_VLAN);
	turn(0);
	turn(1000000);
	arp_request();
	ping4();
	nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
	ping6(peer6, us6, 10);
	for (i = 0; i < 4; i++)
		tag(i, ETH_P_VLAN, (uint16_t)(i << 13 | 5));
	turn(1000);
	ck_assert_uint_eq(out.n, 4);
	for (i = 0; i < 4; i++) {
		ck_assert_mem_eq(out.data[i], peer, 6);
		ck_assert_mem_eq(out.data[i] + 6, us, 6);
		ck_assert_uint_eq(rd16(out.data[i] + 12), ETH_P_VLAN);
		ck_assert_uint_eq(rd16(out.data[i] + 14), 5);
		ck_assert_uint_eq(rd16(out.data[i] + 16), type[i]);
	}
	ck_assert_uint_eq(csum_fold(csum_add(0, out.data[1] + 18, 20)),
	    0xffff);
	ck_assert_uint_eq(out.len[1], 14 + 4 + 20 + 40);
	ck_assert_uint_eq(nlearned, 2);
}
END_TEST

START_TEST(frames_of_others_are_dropped)
{
	uint32_t k;

	start(5);
	for (k = 0; k < 6; k++) {
		arp_request();
		switch (k) {
		case 0: break;				/* no tag */
		case 1: tag(0, ETH_P_VLAN, 6); break;	/* another's */
		case 2: tag(0, ETH_P_VLAN, 0); break;	/* priority */
		case 3: tag(0, ETH_P_QINQ, 5); break;
		case 4:					/* twice */
			tag(0, ETH_P_VLAN, 5);
			tag(0, ETH_P_VLAN, 5);
			break;
		case 5:					/* cut short */
			tag(0, ETH_P_VLAN, 5);
			in.len[0] = 16;
			break;
		}
		turn(1000);
		ck_assert_uint_eq(count(CNT_drop_vlan), k + 1);
		ck_assert_msg(out.n == (k == 0 ? 2 : 0), "row %u", k);
	}
}
END_TEST

/* IEEE 802.1Q (6.9): VLAN 0 is a priority and no VLAN. */
START_TEST(a_port_without_vlan_takes_priority_tags_only)
{
	start(0);
	turn(0);
	arp_request();
	tag(0, ETH_P_VLAN, 3 << 13);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(rd16(out.data[0] + 12), ETH_P_ARP);
	arp_request();
	tag(0, ETH_P_VLAN, 5);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(count(CNT_drop_vlan), 1);
}
END_TEST

/* Fragments that became a packet pass by the same door. */
START_TEST(fragments_on_a_vlan_are_put_together)
{
	uint32_t k;

	start(5);
	arp_request();
	tag(0, ETH_P_VLAN, 5);
	turn(1000);
	for (k = 0; k < 2; k++) {
		uint8_t *f = packet4(PROTO_ICMP, 24);

		if (k == 0) {
			f[34] = ICMP_ECHO;
			wr16_raw(f + 36, (uint16_t)~csum_fold(csum_add(0,
			    f + 34, 24)));
		}
		wr16(f + 20, k == 0 ? IP4_MF : 3);
		sign4(f);
		tag(k, ETH_P_VLAN, 5);
	}
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(rd16(out.data[0] + 14), 5);
	ck_assert_uint_eq(out.len[0], 14 + 4 + 20 + 48);
}
END_TEST

START_TEST(the_number_has_a_range)
{
	static const uint16_t vlan[] = { 0, 1, 4094, 4095, 65535 };
	uint32_t k;

	start(0);
	for (k = 0; k < 5; k++) {
		s.conf.port[0].vlan = vlan[k];
		ck_assert_int_eq(net_conf_check(&s.conf), k < 3 ? 0 : -22);
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("vlan");

	tcase_add_checked_fixture(t, NULL, bed_teardown);
	tcase_add_test(t, all_that_is_sent_is_tagged);
	tcase_add_test(t, frames_of_others_are_dropped);
	tcase_add_test(t, a_port_without_vlan_takes_priority_tags_only);
	tcase_add_test(t, fragments_on_a_vlan_are_put_together);
	tcase_add_test(t, the_number_has_a_range);
	return bed_main(t, "vlan");
}
