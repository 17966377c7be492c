/* Neighbour discovery: RFC 4861, duplicate addresses: RFC 4862 (5.4). */
#include "../lib/ipbed.h"

static uint32_t ntold;
static uint8_t told[128];
static uint32_t told_len;

static void
on_learned(void *arg, const struct pkt *p)
{
	(void)arg;
	ntold++;
	told_len = p->len;
	memcpy(told, pkt_data(p), p->len < sizeof(told) ? p->len :
	    sizeof(told));
}

static void
setup(void)
{
	bed_setup();
	s.net->env.learned = on_learned;
	ntold = 0;
}

static struct neigh *
entry(const uint8_t *addr)
{
	return neigh_find(s.net, 0, addr);
}

/* A neighbour discovery message that we sent: whole and right. */
static void
check_nd(uint32_t i, uint8_t type, const uint8_t *from, const uint8_t *to)
{
	const uint8_t *f = out.data[i];
	uint32_t len = rd16(f + 18);

	ck_assert_uint_eq(rd16(f + 12), ETH_P_IP6);
	ck_assert_uint_eq(f[20], PROTO_ICMP6);
	ck_assert_uint_eq(f[21], 255);
	ck_assert_uint_eq(f[54], type);
	ck_assert_mem_eq(f + 22, from, 16);
	ck_assert_mem_eq(f + 38, to, 16);
	ck_assert_uint_eq(sum6(f, PROTO_ICMP6, 54, len), 0xffff);
	ck_assert_uint_eq(out.len[i], 54 + len);
	if (to[0] == 0xff) {
		ck_assert_mem_eq(f, "\x33\x33", 2);
		ck_assert_mem_eq(f + 2, to + 12, 4);
	}
}

/* RFC 4861 (7.2.4): a solicitation is answered to its sender, with the
 * link address, Solicited and Override. */
START_TEST(a_solicitation_for_us_is_answered)
{
	nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	check_nd(0, ICMP6_NA, us6, peer6);
	ck_assert_mem_eq(out.data[0], peer, 6);
	ck_assert_uint_eq(out.data[0][58], NA_SOLICITED | NA_OVERRIDE);
	ck_assert_mem_eq(out.data[0] + 62, us6, 16);
	ck_assert_mem_eq(out.data[0] + 78, "\2\1\2\0\0\0\0\1", 8);
	ck_assert_uint_eq(ntold, 1);
	ck_assert_uint_eq(told_len, 86);
	ck_assert_mem_eq(told + 6, peer, 6);
	ck_assert_ptr_nonnull(entry(peer6));
}
END_TEST

/* RFC 4862 (5.4.3): somebody probes an address that we have: all nodes hear
 * of it. */
START_TEST(a_probe_of_our_address_is_answered_to_all)
{
	nd(ICMP6_NS, 0, ENDS(nobody6, us_group), us6, 0);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	check_nd(0, ICMP6_NA, us6, all_nodes6);
	ck_assert_uint_eq(out.data[0][58], NA_OVERRIDE);
	ck_assert_uint_eq(count(CNT_addr_conflict), 0);
}
END_TEST

START_TEST(a_solicitation_for_others_makes_no_entry_and_no_answer)
{
	static const uint8_t other[16] = { 0xfd, 0x77, [13] = 0, [15] = 0x77 };

	nd(ICMP6_NS, 0, ENDS(peer6, us_group), other, ND_OPT_SLLA);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_ptr_null(entry(peer6));
}
END_TEST

/* RFC 4861 (7.2.5): an advertisement nobody asked for creates nothing. */
START_TEST(unsolicited_advertisement_creates_nothing)
{
	nd(ICMP6_NA, NA_OVERRIDE, ENDS(peer6, all_nodes6), peer6,
	    ND_OPT_TLLA);
	nd(ICMP6_NA, NA_OVERRIDE | NA_SOLICITED, ENDS(peer6, us6), peer6,
	    ND_OPT_TLLA);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_ptr_null(entry(peer6));
}
END_TEST

/* RFC 4861 (7.2.2): a packet without a link address asks the solicited-node
 * group, waits and goes. */
START_TEST(packet_waits_for_its_neighbour)
{
	static const uint8_t group[16] = { 0xff, 2, [11] = 1, 0xff,
	    [15] = 9 };

	ping6(peer6, us6, 10);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	check_nd(0, ICMP6_NS, us6, group);
	ck_assert_mem_eq(out.data[0] + 62, peer6, 16);
	ck_assert_mem_eq(out.data[0] + 78, "\1\1\2\0\0\0\0\1", 8);
	nd(ICMP6_NA, NA_SOLICITED | NA_OVERRIDE, ENDS(peer6, us6), peer6,
	    ND_OPT_TLLA);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_mem_eq(out.data[0], peer, 6);
	ck_assert_uint_eq(out.data[0][54], ICMP6_ECHO_REPLY);
	ck_assert_uint_eq(ntold, 1);
}
END_TEST

START_TEST(silent_neighbour_is_asked_three_times_and_dropped)
{
	uint32_t asked = 0, k;

	ping6(peer6, us6, 10);
	turn(0);
	for (k = 0; k < 6; k++) {
		asked += out.n;
		turn(1000000);
	}
	ck_assert_uint_eq(asked, 3);
	ck_assert_uint_eq(count(CNT_drop_neigh), 1);
	ck_assert_ptr_null(entry(peer6));
}
END_TEST

/* RFC 4861 (7.3.3): one who does not confirm is asked alone, three times,
 * while packets go on; then the entry is gone. */
START_TEST(unreachable_neighbour_is_found_out)
{
	uint32_t alone = 0, k, i;

	know_peer();
	turn(40000000);
	for (k = 0; k < 6; k++) {
		ping6(peer6, us6, 10);
		turn(1000000);
		for (i = 0; i < out.n; i++)
			if (out.data[i][54] == ICMP6_NS &&
			    memcmp(out.data[i], peer, 6) == 0) {
				check_nd(i, ICMP6_NS, us6, peer6);
				alone++;
			}
	}
	ck_assert_uint_eq(alone, 3);
	ck_assert_uint_eq(entry(peer6)->link >> 48, NEIGH_INCOMPLETE);
	for (k = 0; k < 5; k++)
		turn(1000000);
}
END_TEST

/* RFC 4861 (7.3.1): what confirms it is an answer that was asked for. */
START_TEST(a_solicited_advertisement_confirms)
{
	uint32_t k;

	know_peer();
	turn(40000000);
	ping6(peer6, us6, 10);
	turn(0);
	ck_assert_uint_eq(out.n, 2);
	nd(ICMP6_NA, NA_SOLICITED, ENDS(peer6, us6), peer6, 0);
	turn(1000);
	for (k = 0; k < 10; k++) {
		ping6(peer6, us6, 10);
		turn(1000000);
		ck_assert_uint_eq(out.n, 1);
	}
}
END_TEST

/* RFC 4861 (7.2.5): Override decides whether a new link address counts. */
START_TEST(override_decides_over_a_new_link_address)
{
	static const uint8_t other[6] = { 2, 0, 0, 0, 0, 7 };
	uint64_t link;
	uint32_t k;

	know_peer();
	for (k = 0; k < 2; k++) {
		uint8_t *f = nd(ICMP6_NA, k == 0 ? 0 : NA_OVERRIDE,
		    ENDS(peer6, all_nodes6), peer6, ND_OPT_TLLA);

		memcpy(f + 80, other, 6);
		sign6(f, PROTO_ICMP6, 54, 32, 2);
		turn(1000);
		link = entry(peer6)->link;
		ck_assert_mem_eq(&link, k == 0 ? peer : other, 6);
	}
}
END_TEST

/* RFC 4861 (7.1.1, 7.1.2, 4.6): what is malformed is dropped and counted. */
START_TEST(malformed_messages_are_dropped)
{
	uint32_t k;

	for (k = 0; k < 13; k++) {
		uint64_t was = count(CNT_drop_nd) + count(CNT_drop_icmp);
		uint8_t *f = nd(k >= 10 ? ICMP6_NA : ICMP6_NS,
		    k == 10 ? NA_SOLICITED : 0,
		    ENDS(k == 8 || k == 9 ? nobody6 : peer6, k == 10 ?
		    all_nodes6 : k == 9 ? us6 : us_group), us6,
		    k == 9 ? 0 : ND_OPT_SLLA);
		uint8_t *m = f + 54;

		switch (k) {
		case 0: f[21] = 254; break;	/* hop limit */
		case 1: m[1] = 1; break;	/* code */
		case 2: m[25] = 0; break;	/* option of length 0 */
		case 3: m[25] = 2; break;	/* past the end */
		case 4: m[26] = 3; break;	/* a group's link address */
		case 5: m[8] = 0xff; break;	/* target is a group */
		case 6: memcpy(f + 6, us, 6); break; /* our own */
		case 7: memcpy(m + 26, us, 6); break; /* our link address */
		case 11: memset(m + 8, 0, 16); break;
		case 12: m[0] = 134; break;	/* a router's */
		}
		sign6(f, PROTO_ICMP6, 54, rd16(f + 18), 2);
		turn(1000);
		ck_assert_msg(count(CNT_drop_nd) + count(CNT_drop_icmp) ==
		    was + 1, "row %u", k);
		ck_assert_uint_eq(out.n, 0);
	}
	ck_assert_ptr_null(entry(peer6));
}
END_TEST

START_TEST(every_cut_of_a_message_is_survived)
{
	uint32_t len;

	for (len = 14; len < 86; len++) {
		uint8_t *f = nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6,
		    ND_OPT_SLLA);

		in.len[0] = len;
		if (len >= 54) {
			wr16(f + 18, (uint16_t)(len - 54));
			if (len >= 58)
				sign6(f, PROTO_ICMP6, 54, len - 54, 2);
		}
		turn(10000);
		/* without its option it is one that is answered */
		ck_assert_uint_eq(out.n, len == 78);
	}
}
END_TEST

/* RFC 4861 (7.2.4) leaves it open; answers are limited all the same. */
START_TEST(answers_are_rate_limited)
{
	uint32_t k, sent = 0;

	for (k = 0; k < 40; k++) {
		uint32_t i;

		for (i = 0; i < 20; i++)
			nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6,
			    ND_OPT_SLLA);
		turn(100);
		sent += out.n;
	}
	ck_assert_uint_ge(sent, 100);
	ck_assert_uint_le(sent, 300);
}
END_TEST

/* What another slot saw is learned, and nothing is sent. */
START_TEST(frames_of_other_slots_are_learned)
{
	struct pkt *p;

	nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
	p = plain_receive(&s, in.data[0], in.len[0]);
	in.n = 0;
	net_learn(s.net, p, now);
	ck_assert_uint_eq(net_out(s.net)->n, 0);
	ck_assert_ptr_nonnull(entry(peer6));
	ck_assert_uint_eq(ntold, 0);
	/* cut short */
	nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
	p = plain_receive(&s, in.data[0], 60);
	in.n = 0;
	net_learn(s.net, p, now);
}
END_TEST

/* ---- duplicate address detection ---- */

static void
fresh(void)
{
	plain_fini(&s);
	bed_conf();
	s.env.learned = on_learned;
	bed_start();
	ntold = 0;
}

/* RFC 4862 (5.4.2): each address is asked for from ::, and used a second
 * later, when nobody has answered. */
START_TEST(addresses_are_probed_before_they_are_used)
{
	static const uint8_t group2[16] = { 0xff, 2, [11] = 1, 0xff,
	    [15] = 1 };

	fresh();
	ck_assert_uint_eq(net_deadline(s.net), now);
	turn(0);
	ck_assert_uint_eq(out.n, 2);
	check_nd(0, ICMP6_NS, nobody6, us_group);
	check_nd(1, ICMP6_NS, nobody6, group2);
	ck_assert_uint_eq(out.len[0], 78);
	ck_assert_mem_eq(out.data[0] + 62, us6, 16);
	ck_assert_mem_eq(out.data[1] + 62, us_local, 16);
	ck_assert_uint_eq(net_deadline(s.net), now + 1000000);
	ping6(peer6, us6, 1);
	nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
	turn(999999);
	ck_assert_uint_eq(out.n, 0);
	turn(1);
	ck_assert_uint_eq(out.n, 2);
	check_nd(0, ICMP6_NA, us6, all_nodes6);
	check_nd(1, ICMP6_NA, us_local, all_nodes6);
	ck_assert(ip6_ours(&s.net->port[0], us6));
	ck_assert_uint_eq(net_deadline(s.net), UINT64_MAX);
}
END_TEST

/* RFC 4862 (5.4.3, 5.4.4, 5.4.5): an answer, or another's probe: the address
 * is not used, and it is counted. */
START_TEST(an_address_in_conflict_is_not_used)
{
	uint32_t k;

	for (k = 0; k < 2; k++) {
		fresh();
		turn(0);
		if (k == 0)
			nd(ICMP6_NA, NA_OVERRIDE, ENDS(us6, all_nodes6), us6,
			    ND_OPT_TLLA);
		else
			nd(ICMP6_NS, 0, ENDS(nobody6, us_group), us6, 0);
		turn(500000);
		turn(600000);
		ck_assert_uint_eq(count(CNT_addr_conflict), 1);
		ck_assert(!ip6_ours(&s.net->port[0], us6));
		ck_assert(ip6_ours(&s.net->port[0], us_local));
		ck_assert_uint_eq(ntold, 1);
		ping6(peer6, us6, 1);
		nd(ICMP6_NS, 0, ENDS(peer6, us_group), us6, ND_OPT_SLLA);
		turn(1000);
		ck_assert_uint_eq(out.n, 0);
	}
}
END_TEST

START_TEST(a_conflict_that_another_slot_saw_counts)
{
	struct pkt *p;

	fresh();
	turn(0);
	nd(ICMP6_NA, NA_OVERRIDE, ENDS(us6, all_nodes6), us6, ND_OPT_TLLA);
	p = plain_receive(&s, in.data[0], in.len[0]);
	in.n = 0;
	net_learn(s.net, p, now);
	turn(1100000);
	ck_assert(!ip6_ours(&s.net->port[0], us6));
}
END_TEST

/* RFC 4429: who takes over uses the addresses while it probes them. */
START_TEST(an_adopted_address_is_used_at_once)
{
	ck_assert_ptr_null(plain_adopt(&s, 80, now));
	ck_assert(ip6_ours(&s.net->port[0], us6));
	turn(0);
	/* ARP, and a probe of each address */
	ck_assert_uint_eq(out.n, 3);
	check_nd(1, ICMP6_NS, nobody6, us_group);
	nd(ICMP6_NA, NA_OVERRIDE, ENDS(us6, all_nodes6), us6, ND_OPT_TLLA);
	turn(1000);
	ck_assert(!ip6_ours(&s.net->port[0], us6));
}
END_TEST

START_TEST(no_probes_where_nobody_else_can_be)
{
	plain_fini(&s);
	bed_conf();
	s.conf.port[0].nodad = 1;
	bed_start();
	ck_assert(ip6_ours(&s.net->port[0], us6));
	turn(0);
	ck_assert_uint_eq(out.n, 2);
	check_nd(0, ICMP6_NA, us6, all_nodes6);
}
END_TEST

/* A probe that found no frame is sent later; the turn does not spin. */
START_TEST(probes_wait_for_frames)
{
	uint32_t had;

	fresh();
	had = s.pool.n;
	s.pool.n = 0;
	turn(0);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_gt(net_deadline(s.net), now);
	s.pool.n = had;
	turn(1000);
	ck_assert_uint_eq(out.n, 2);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("nd");

	tcase_add_checked_fixture(t, setup, bed_teardown);
	tcase_add_test(t, a_solicitation_for_us_is_answered);
	tcase_add_test(t, a_probe_of_our_address_is_answered_to_all);
	tcase_add_test(t,
	    a_solicitation_for_others_makes_no_entry_and_no_answer);
	tcase_add_test(t, unsolicited_advertisement_creates_nothing);
	tcase_add_test(t, packet_waits_for_its_neighbour);
	tcase_add_test(t, silent_neighbour_is_asked_three_times_and_dropped);
	tcase_add_test(t, unreachable_neighbour_is_found_out);
	tcase_add_test(t, a_solicited_advertisement_confirms);
	tcase_add_test(t, override_decides_over_a_new_link_address);
	tcase_add_test(t, malformed_messages_are_dropped);
	tcase_add_test(t, every_cut_of_a_message_is_survived);
	tcase_add_test(t, answers_are_rate_limited);
	tcase_add_test(t, frames_of_other_slots_are_learned);
	tcase_add_test(t, addresses_are_probed_before_they_are_used);
	tcase_add_test(t, an_address_in_conflict_is_not_used);
	tcase_add_test(t, a_conflict_that_another_slot_saw_counts);
	tcase_add_test(t, an_adopted_address_is_used_at_once);
	tcase_add_test(t, no_probes_where_nobody_else_can_be);
	tcase_add_test(t, probes_wait_for_frames);
	return bed_main(t, "nd");
}
