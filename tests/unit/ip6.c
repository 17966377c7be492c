/* IPv6 in and out: RFC 8200, ICMPv6: RFC 4443; TCP over it. */
#include "../lib/ipbed.h"

static uint32_t opened, bytes;

static void
event(void *arg, struct conn *c, uint32_t events)
{
	const uint8_t *p;
	uint32_t n;

	(void)arg;
	if (events & CONN_OPEN)
		opened++;
	n = conn_readable(c);
	if (n > 0 && conn_peek(s.net, c, 0, &p) > 0) {
		bytes += n;
		(void)conn_write(s.net, c, p, n > 100 ? 100 : n);
		conn_consume(s.net, c, n);
	}
}

static void
setup(void)
{
	bed_setup();
	s.net->env.event = event;
	opened = bytes = 0;
	know_peer();
}

/* RFC 4443 (4.2): the data comes back, to global and link-local alike. */
START_TEST(echo_is_answered_with_its_data)
{
	static const uint32_t len[] = { 0, 1, 56, 1400 };
	const uint8_t *f = out.data[0];
	uint32_t k;

	for (k = 0; k < 4; k++) {
		ping6(peer6, us6, len[k]);
		turn(1000);
		ck_assert_uint_eq(out.n, 1);
		ck_assert_uint_eq(out.len[0], 54 + 8 + len[k]);
		ck_assert_mem_eq(f, peer, 6);
		ck_assert_uint_eq(f[14] >> 4, 6);
		ck_assert_mem_eq(f + 22, us6, 16);
		ck_assert_mem_eq(f + 38, peer6, 16);
		ck_assert_uint_eq(f[54], ICMP6_ECHO_REPLY);
		ck_assert_uint_eq(sum6(f, PROTO_ICMP6, 54, 8 + len[k]),
		    0xffff);
		ck_assert_uint_eq(rd16(f + 58), 7);
		ck_assert_mem_eq(f + 62, in.data[0] + 62, len[k]);
	}
}
END_TEST

/* RFC 4443 (4.2): the answer to a group comes from one of our addresses, of
 * the asker's scope. */
START_TEST(echo_to_all_nodes_is_answered_from_our_address)
{
	nd(ICMP6_NS, 0, ENDS(peer_local, us_group), us_local, ND_OPT_SLLA);
	turn(0);
	ping6(peer_local, all_nodes6, 8);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_mem_eq(out.data[0] + 22, us_local, 16);
	ping6(peer6, all_nodes6, 8);
	turn(1000);
	ck_assert_mem_eq(out.data[0] + 22, us6, 16);
}
END_TEST

/* What is malformed, or from or to where nothing may be, by its counter. */
START_TEST(malformed_packets_are_dropped_by_cause)
{
	static const struct {
		uint32_t at;
		uint8_t value;
		enum counter why;
	} row[] = {
		{ 14, 0x40, CNT_drop_ip6 },		/* version */
		{ 18, 0x10, CNT_drop_ip_length },	/* above the frame */
		{ 22, 0xff, CNT_drop_ip_source },	/* a group */
		{ 37, 1, CNT_drop_ip_source },		/* ours: LAND */
		{ 53, 7, CNT_drop_not_ours },
		{ 54, 200, CNT_drop_icmp },		/* type */
		{ 55, 1, CNT_drop_icmp },		/* code */
		{ 57, 1, CNT_drop_icmp },		/* checksum */
		{ 20, 59, CNT_drop_ip_proto },		/* no next header */
		{ 20, 0, CNT_drop_ip6_ext },
		{ 20, 43, CNT_drop_ip6_ext },
		{ 20, 60, CNT_drop_ip6_ext },
	};
	uint32_t k;
	uint8_t *f;

	for (k = 0; k < sizeof(row) / sizeof(row[0]); k++) {
		uint64_t before = count(row[k].why);

		f = ping6(peer6, us6, 4);
		f[row[k].at] = row[k].value;
		turn(1000);
		ck_assert_msg(count(row[k].why) == before + 1, "row %u", k);
	}
}
END_TEST

START_TEST(special_sources_are_refused)
{
	static const uint8_t row[][16] = {
		{ [15] = 1 },				/* loopback */
		{ [10] = 0xff, 0xff, 10, 0, 0, 9 },	/* IPv4, mapped */
		{ 0 },					/* nobody: no echo */
	};
	uint32_t k;

	for (k = 0; k < 3; k++) {
		ping6(row[k], us6, 4);
		turn(1000);
		ck_assert_uint_eq(out.n, 0);
	}
	ck_assert_uint_eq(count(CNT_drop_ip_source), 2);
	ck_assert_uint_eq(count(CNT_drop_icmp), 1);
}
END_TEST

/* RFC 2464 (7): frames of groups that we are not in are not ours. */
START_TEST(foreign_groups_are_not_ours)
{
	uint8_t other[16] = { 0xff, 2, [11] = 1, 0xff, 9, 9, 9 };

	ping6(peer6, other, 4);
	ping6(peer6, us6, 4);
	memcpy(in.data[1], "\x33\x33\0\0\0\1", 6); /* a unicast packet */
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(count(CNT_drop_not_ours), 2);
}
END_TEST

START_TEST(without_an_address_there_is_no_ipv6)
{
	plain_fini(&s);
	bed_conf();
	s.conf.port[0].naddrs = 1;
	bed_start();
	ck_assert_uint_eq(net_deadline(s.net), UINT64_MAX);
	ping6(peer6, us6, 4);
	ping6(peer6, all_nodes6, 4);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(count(CNT_drop_ip6), 1);
	ck_assert_uint_eq(count(CNT_drop_not_ours), 1);
}
END_TEST

/* ---- extension headers ---- */

/* An echo behind extension headers: len bytes at ext, the first named next;
 * the last of them must name ICMPv6. */
static uint8_t *
ping_behind(uint8_t next, const uint8_t *ext, uint32_t len)
{
	uint8_t *f = packet6(peer6, us6, next, len + 12), *m = f + 54 + len;

	memcpy(f + 54, ext, len);
	m[0] = ICMP6_ECHO;
	sign6(f, PROTO_ICMP6, 54 + len, 12, 2);
	return f;
}

/* RFC 8200 (4.2, 4.4): known ones are passed over, options by what they ask
 * for; errors name the place. */
START_TEST(extension_headers_are_walked)
{
	static const struct {
		uint8_t next;
		uint8_t ext[24];
		uint8_t len;
		uint8_t answer;	/* ICMPv6 type; 0: none */
		uint8_t code;
		uint8_t pointer;
	} row[] = {
		{ 0, { 58, 0, 1, 4 }, 8, ICMP6_ECHO_REPLY, 0, 0 },
		{ 60, { 58, 0, 0, 0, 0, 0, 0, 0 }, 8, ICMP6_ECHO_REPLY, 0,
		  0 },
		/* router alert, and an option to be skipped */
		{ 0, { 58, 0, 5, 2, 0, 0, 1, 0 }, 8, ICMP6_ECHO_REPLY, 0, 0 },
		{ 60, { 58, 0, 0x3e, 4 }, 8, ICMP6_ECHO_REPLY, 0, 0 },
		{ 0, { 60, 0, 1, 4, 0, 0, 0, 0, 58, 1, 1, 12 }, 24,
		  ICMP6_ECHO_REPLY, 0, 0 },
		/* unknown: discard; discard and say so */
		{ 60, { 58, 0, 0x7e, 4 }, 8, 0, 0, 0 },
		{ 60, { 58, 0, 0xbe, 4 }, 8, ICMP6_PARAM, 2, 42 },
		{ 60, { 58, 0, 0xfe, 4 }, 8, ICMP6_PARAM, 2, 42 },
		/* an option past the end */
		{ 60, { 58, 0, 1, 5 }, 8, 0, 0, 0 },
		{ 60, { 58, 0, 1, 3, 0, 0, 0, 1 }, 8, 0, 0, 0 },
		/* routing: nothing left; type 0 and others with a rest */
		{ 43, { 58, 0, 0, 0 }, 8, ICMP6_ECHO_REPLY, 0, 0 },
		{ 43, { 58, 2, 0, 1 }, 24, ICMP6_PARAM, 0, 42 },
		{ 43, { 58, 0, 4, 1 }, 8, ICMP6_PARAM, 0, 42 },
		/* hop by hop in the second place */
		{ 60, { 0, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4 }, 16,
		  ICMP6_PARAM, 1, 40 },
		/* past the end; a header nobody knows */
		{ 60, { 58, 9 }, 8, 0, 0, 0 },
		{ 99, { 58, 0 }, 8, ICMP6_PARAM, 1, 6 },
		{ 60, { 99, 0, 1, 4 }, 8, ICMP6_PARAM, 1, 40 },
	};
	uint32_t k;

	for (k = 0; k < sizeof(row) / sizeof(row[0]); k++) {
		uint8_t *f = ping_behind(row[k].next, row[k].ext, row[k].len);
		const uint8_t *m = out.data[0] + 54;

		turn(100000);
		ck_assert_msg(out.n == (row[k].answer != 0), "row %u", k);
		if (out.n == 0)
			continue;
		ck_assert_msg(m[0] == row[k].answer, "row %u: %u", k, m[0]);
		ck_assert_uint_eq(sum6(out.data[0], PROTO_ICMP6, 54,
		    out.len[0] - 54), 0xffff);
		if (m[0] != ICMP6_PARAM)
			continue;
		ck_assert_msg(m[1] == row[k].code, "row %u", k);
		ck_assert_msg(rd32(m + 4) == row[k].pointer, "row %u: %u", k,
		    rd32(m + 4));
		ck_assert_mem_eq(m + 8, f + 14, out.len[0] - 62);
	}
}
END_TEST

START_TEST(at_most_a_handful_of_headers)
{
	uint8_t ext[64] = { 0 };
	uint32_t k, n;

	for (n = 1; n <= 8; n++) {
		for (k = 0; k < n; k++)
			memcpy(ext + 8 * k, (uint8_t[]){ k + 1 < n ? 60 : 58,
			    0, 1, 4, 0, 0, 0, 0 }, 8);
		ping_behind(60, ext, 8 * n);
		turn(1000);
		ck_assert_uint_eq(out.n, n <= 6);
	}
}
END_TEST

/* ---- errors out ---- */

/* RFC 4443 (2.4): no error about an error, a group or nobody. */
START_TEST(no_error_about_errors_and_groups)
{
	static const uint8_t ext[] = { 58, 0, 0xbe, 4, 0, 0, 0, 0 };
	uint32_t k;
	uint8_t *f;

	for (k = 0; k < 3; k++) {
		f = packet6(k == 1 ? nobody6 : peer6, us6, k == 2 ? 60 : 99,
		    40);
		if (k == 0)	/* an error about what never was */
			f[20] = 58;
		if (k == 2) {	/* behind a header: an error */
			memcpy(f + 54, ext, 8);
			f[56] = 1;
			f[62] = ICMP6_UNREACH;
			sign6(f, PROTO_ICMP6, 62, 32, 2);
		}
		turn(1000);
		ck_assert_msg(out.n == 0, "row %u", k);
	}
}
END_TEST

START_TEST(errors_are_rate_limited_and_short)
{
	uint32_t k, sent = 0;

	for (k = 0; k < 500; k++) {
		packet6(peer6, us6, 99, 1400);
		turn(100);
		sent += out.n;
		if (out.n > 0)
			ck_assert_uint_eq(out.len[0], 14 + IP6_MTU_MIN);
	}
	ck_assert_uint_ge(sent, 1);
	ck_assert_uint_le(sent, 30);
}
END_TEST

/* ---- TCP ---- */

static uint8_t *
segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	uint8_t *f = packet6(peer6, us6, PROTO_TCP, 20 + len), *t = f + 54;

	wr16(t, 40000);
	wr16(t + 2, 80);
	wr32(t + 4, seq);
	wr32(t + 8, ack);
	t[12] = 5 << 4;
	t[13] = flags;
	wr16(t + 14, 65535);
	memset(t + 20, 'x', len);
	sign6(f, PROTO_TCP, 54, 20 + len, 16);
	return f;
}

/* A connection from SYN to an answer. Returns what we sent last: SYN-ACK's
 * sequence number + 1. */
static uint32_t
open_conn(void)
{
	struct net_addr a = { .family = 6, .port = 80 };
	uint32_t isn;

	memcpy(a.addr, us6, 16);
	ck_assert_int_eq(net_listen(s.net, &a), 0);
	segment(0x02, 1000, 0, 0);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(out.data[0][67], 0x12);
	isn = rd32(out.data[0] + 58) + 1;
	segment(0x10, 1001, isn, 0);
	turn(1000);
	ck_assert_uint_eq(opened, 1);
	return isn;
}

/* RFC 9293 over RFC 8200: handshake, MSS of the MTU less 60, data and
 * checksums over the longer pseudo-header. */
START_TEST(tcp_works_over_ipv6)
{
	uint32_t isn = open_conn(), len;
	const uint8_t *f = out.data[0];

	segment(0x18, 1001, isn, 50);
	turn(1000);
	ck_assert_uint_eq(bytes, 50);
	ck_assert_uint_eq(out.n, 1);
	len = rd16(f + 18);
	ck_assert_uint_eq(len, 70);
	ck_assert_uint_eq(sum6(f, PROTO_TCP, 54, len), 0xffff);
	ck_assert_uint_eq(rd32(f + 62), 1051);
	ck_assert_uint_eq(f[21], 64);
}
END_TEST

START_TEST(the_mss_leaves_room_for_the_longer_header)
{
	const uint8_t *t = out.data[0] + 54;
	struct net_addr any = { .port = 80 };

	ck_assert_int_eq(net_listen(s.net, &any), 0);
	segment(0x02, 1000, 0, 0);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(t[20], 2);
	ck_assert_uint_eq(rd16(t + 22), 1500 - 60);
	ck_assert_uint_eq(sum6(out.data[0], PROTO_TCP, 54,
	    out.len[0] - 54), 0xffff);
}
END_TEST

START_TEST(a_wrong_tcp_checksum_is_dropped)
{
	uint8_t *f = segment(0x02, 1000, 0, 0);

	f[70] ^= 1;
	turn(1000);
	ck_assert_uint_eq(count(CNT_drop_tcp_csum), 1);
	ck_assert_uint_eq(out.n, 0);
}
END_TEST

/* A listener of IPv4 is none for IPv6. */
START_TEST(listeners_keep_the_families_apart)
{
	struct net_addr a = { .family = 4, .port = 80,
	    .addr = { 10, 0, 0, 1 } };

	ck_assert_int_eq(net_listen(s.net, &a), 0);
	segment(0x02, 1000, 0, 0);
	turn(1000);
	ck_assert_uint_eq(out.data[0][67], 0x14);	/* RST, ACK */
}
END_TEST

/* Offload: the pseudo-header's sum in the field and the flags of IPv6. */
START_TEST(offload_flags_say_ipv6)
{
	struct net_addr any = { .port = 80 };
	struct tuple t = { .family = 6 };
	const struct pkt *p;
	struct pkt *q;

	s.net->port[0].conf.caps = NET_CAP_TX_L4CSUM | NET_CAP_TX_IPCSUM;
	ck_assert_int_eq(net_listen(s.net, &any), 0);
	segment(0x02, 1000, 0, 0);
	q = plain_receive(&s, in.data[0], in.len[0]);
	in.n = 0;
	net_input(s.net, &q, 1, now);
	ck_assert_uint_eq(net_out(s.net)->n, 1);
	p = net_out(s.net)->p[0];
	ck_assert_uint_eq(p->flags, PKT_TX_L4CSUM | PKT_TX_IPV6);
	ck_assert_uint_eq(p->l3_len, 40);
	memcpy(t.laddr, us6, 16);
	memcpy(t.raddr, peer6, 16);
	ck_assert_uint_eq(rd16(pkt_data(p) + 70), __builtin_bswap16(
	    csum_fold(pseudo_sum(&t, PROTO_TCP, p->len - 54))));
}
END_TEST

/* RFC 6724 and routes: who is asked for what, and from which address. */
START_TEST(source_and_next_hop_follow_the_scope)
{
	static const uint8_t far[16] = { 0x20, 1, 0xd, 0xb8, [15] = 5 };
	static const uint8_t gate[16] = { 0xfe, 0x80, [15] = 0xfe };
	struct tuple t = { .family = 6 };

	memcpy(t.raddr, far, 16);
	ck_assert_int_eq(ip_route(s.net, &t), -101 /* ENETUNREACH */);
	memcpy(s.net->port[0].gw6, gate, 16);
	ck_assert_int_eq(ip_route(s.net, &t), 0);
	ck_assert_mem_eq(t.laddr, us6, 16);
	ck_assert_int_eq(ip_next_hop(s.net, &t), 0);
	ck_assert_mem_eq(t.raddr, gate, 16);
	memset(&t, 0, sizeof(t));
	t.family = 6;
	memcpy(t.raddr, peer_local, 16);
	ck_assert_int_eq(ip_route(s.net, &t), 0);
	ck_assert_mem_eq(t.laddr, us_local, 16);
	ck_assert_int_eq(ip_next_hop(s.net, &t), 0);
	ck_assert_mem_eq(t.raddr, peer_local, 16);
	memcpy(t.raddr, all_nodes6, 16);
	ck_assert_int_eq(ip_route(s.net, &t), -101);
}
END_TEST

/* RFC 5927, RFC 5461: an error about a connection must quote what is in
 * flight, and does not end it. */
START_TEST(port_unreachable_does_not_end_a_connection)
{
	uint32_t isn = open_conn();
	uint8_t *f;

	segment(0x18, 1001, isn, 50);
	turn(1000);
	f = packet6(peer6, us6, PROTO_ICMP6, 8 + 60);
	f[54] = ICMP6_UNREACH;
	f[55] = ICMP6_PORT;
	memcpy(f + 62, out.data[0] + 14, 60);
	sign6(f, PROTO_ICMP6, 54, 68, 2);
	turn(1000);
	ck_assert_uint_eq(count(CNT_icmp_errors), 2);
	segment(0x18, 1051, isn, 50);
	turn(1000);
	ck_assert_uint_eq(bytes, 100);
}
END_TEST

START_TEST(random_frames_neither_crash_nor_leak)
{
	uint64_t rng = 7;
	uint32_t round, k, i;
	uint8_t *f;

	for (round = 0; round < 4000; round++) {
		for (k = 0; k < 8; k++) {
			rng = rng * 6364136223846793005u +
			    1442695040888963407u;
			f = (rng >> 62) == 0 ? nd(ICMP6_NS, 0, ENDS(peer6,
			    us_group), us6, ND_OPT_SLLA) :
			    (rng >> 62) == 1 ? segment((uint8_t)(rng >> 8),
			    1000, 5, rng >> 40 & 63) :
			    ping6(peer6, us6, rng >> 40 & 63);
			for (i = 0; i < (rng >> 50 & 3); i++)
				f[14 + (rng >> (8 * i)) % (in.len[k] - 14)] =
				    (uint8_t)(rng >> 20);
			if (rng >> 60 & 1)
				f[20] = (uint8_t[]){ 0, 43, 44, 60 }[
				    rng >> 30 & 3];
			if ((rng >> 56 & 7) == 0)
				in.len[k] = (rng >> 30) % (in.len[k] + 1);
		}
		turn(1000);
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("ip6");

	tcase_add_checked_fixture(t, setup, bed_teardown);
	tcase_add_test(t, echo_is_answered_with_its_data);
	tcase_add_test(t, echo_to_all_nodes_is_answered_from_our_address);
	tcase_add_test(t, malformed_packets_are_dropped_by_cause);
	tcase_add_test(t, special_sources_are_refused);
	tcase_add_test(t, foreign_groups_are_not_ours);
	tcase_add_test(t, without_an_address_there_is_no_ipv6);
	tcase_add_test(t, extension_headers_are_walked);
	tcase_add_test(t, at_most_a_handful_of_headers);
	tcase_add_test(t, no_error_about_errors_and_groups);
	tcase_add_test(t, errors_are_rate_limited_and_short);
	tcase_add_test(t, tcp_works_over_ipv6);
	tcase_add_test(t, the_mss_leaves_room_for_the_longer_header);
	tcase_add_test(t, a_wrong_tcp_checksum_is_dropped);
	tcase_add_test(t, listeners_keep_the_families_apart);
	tcase_add_test(t, offload_flags_say_ipv6);
	tcase_add_test(t, source_and_next_hop_follow_the_scope);
	tcase_add_test(t, port_unreachable_does_not_end_a_connection);
	tcase_add_test(t, random_frames_neither_crash_nor_leak);
	return bed_main(t, "ip6");
}
