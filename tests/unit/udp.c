/* UDP: RFC 768 over IPv4 and IPv6. */
#include <errno.h>

#include "../../secondary/net/udp.h"
#include "../lib/ipbed.h"

static uint32_t nready;
static int last_ready;

static void
setup(void)
{
	bed_setup();
	know_peer();
	nready = 0;
	last_ready = -1;
}

static void
on_ready(void *arg, int s)
{
	ck_assert_ptr_eq(arg, &nready);
	nready++;
	last_ready = s;
}

static const uint8_t families[] = { 4, 6 };
#define FAMILY	(families[_i])

static struct net_addr
end(uint8_t family, uint8_t last, uint16_t port)
{
	struct net_addr a = { .family = family, .port = port };

	if (family == 4)
		memcpy(a.addr, (uint8_t[]){ 10, 0, 0, last }, 4);
	else {
		memcpy(a.addr, us6, 16);
		a.addr[15] = last;
	}
	return a;
}

/* A datagram of the peer's; len bytes that count up from first. */
static uint8_t *
datagram(uint8_t family, uint16_t sport, uint16_t dport, uint32_t len)
{
	uint32_t off = family == 4 ? 34 : 54, i;
	struct tuple t = { .family = family };
	uint8_t *f, *d;

	f = family == 4 ? packet4(PROTO_UDP, 8 + len) :
	    packet6(peer6, us6, PROTO_UDP, 8 + len);
	d = f + off;
	wr16(d, sport);
	wr16(d + 2, dport);
	wr16(d + 4, (uint16_t)(8 + len));
	for (i = 0; i < len; i++)
		d[8 + i] = (uint8_t)(i + sport);
	if (family == 4) {
		sign4(f);
		map4(t.laddr, f + 26);
		map4(t.raddr, f + 30);
		wr16_raw(d + 6, (uint16_t)~csum_fold(csum_add(pseudo_sum(&t,
		    PROTO_UDP, 8 + len), d, 8 + len)));
	} else
		sign6(f, PROTO_UDP, off, 8 + len, 6);
	return f;
}

static int
bound(uint8_t family, uint16_t port)
{
	struct net_addr a = family == 0 ? (struct net_addr){ .port = port } :
	    end(family, 1, port);
	int u = udp_open(s.net, on_ready, &nready);

	ck_assert_int_ge(u, 0);
	ck_assert_int_eq(udp_bind(s.net, u, &a), 0);
	return u;
}

START_TEST(a_datagram_reaches_its_socket)
{
	int u = bound(FAMILY, 53);
	struct net_addr from, want = end(FAMILY, 9, 5000);
	uint8_t buf[64];
	uint32_t i;

	datagram(FAMILY, 5000, 53, 20);
	turn(1000);
	ck_assert_uint_eq(out.n, 0);
	ck_assert_uint_eq(nready, 1);
	ck_assert_int_eq(last_ready, u);
	ck_assert_int_eq(udp_pending(s.net, u), 1);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 4, &from, true), 20);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 64, &from, false), 20);
	ck_assert_mem_eq(&from, &want, sizeof(from));
	for (i = 0; i < 20; i++)
		ck_assert_uint_eq(buf[i], (uint8_t)(i + 5000));
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 64, &from, false),
	    -EAGAIN);
	ck_assert_uint_eq(count(CNT_udp_in), 1);
}
END_TEST

/* One with nothing in it is one, too; a short buffer loses the rest. */
START_TEST(boundaries_are_kept)
{
	int u = bound(FAMILY, 53);
	uint8_t buf[64];

	datagram(FAMILY, 1, 53, 0);
	datagram(FAMILY, 2, 53, 30);
	datagram(FAMILY, 3, 53, 5);
	turn(1000);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 64, NULL, false), 0);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 4, NULL, false), 30);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 64, NULL, false), 5);
	ck_assert_uint_eq(buf[0], 3);
}
END_TEST

/* RFC 1122 (4.1.3.1), RFC 4443 (3.1): nobody there. */
START_TEST(a_closed_port_is_answered_by_unreachable)
{
	uint32_t off = FAMILY == 4 ? 34 : 54;

	datagram(FAMILY, 5000, 53, 20);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	ck_assert_uint_eq(out.data[0][off], FAMILY == 4 ? ICMP_UNREACH :
	    ICMP6_UNREACH);
	ck_assert_uint_eq(out.data[0][off + 1], FAMILY == 4 ? 3 : 4);
	ck_assert_mem_eq(out.data[0] + off + 8, in.data[0] + 14, off - 6);
}
END_TEST

/* RFC 768; RFC 8200 (8.1): only IPv4 knows datagrams without checksum. */
START_TEST(malformed_datagrams_are_dropped)
{
	uint32_t off = FAMILY == 4 ? 34 : 54, k;
	int u = bound(FAMILY, 53);
	uint8_t *f, buf[8];

	for (k = 0; k < 6; k++) {
		f = datagram(FAMILY, 5000, 53, 20);
		switch (k) {
		case 0: f[off + 5] = 7; break;		/* length below 8 */
		case 1: f[off + 5] = 29; break;		/* past the end */
		case 2: f[off + 6] ^= 1; break;		/* checksum */
		case 3: f[off + 20] ^= 1; break;
		case 4:					/* cut short */
			in.len[0] = off + 7;
			if (FAMILY == 4) {
				wr16(f + 16, 27);
				sign4(f);
			} else
				wr16(f + 18, 7);
			break;
		case 5: wr16(f + off + 6, 0); break;	/* none */
		}
		turn(1000);
		ck_assert_uint_eq(out.n, 0);
		ck_assert_msg(count(CNT_drop_udp) ==
		    (k == 5 && FAMILY == 4 ? k : k + 1), "row %u", k);
	}
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 8, NULL, false),
	    FAMILY == 4 ? 20 : -EAGAIN);
}
END_TEST

/* What Ethernet padded is not data. */
START_TEST(padding_is_not_data)
{
	int u = bound(4, 53);
	uint8_t buf[64];

	datagram(4, 5000, 53, 3);
	in.len[0] = 60;
	turn(1000);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 64, NULL, false), 3);
}
END_TEST

START_TEST(what_is_sent_is_whole_and_right)
{
	struct net_addr to = end(FAMILY, 9, 53), me;
	uint32_t off = FAMILY == 4 ? 34 : 54, len;
	int u = udp_open(s.net, NULL, NULL);
	struct tuple t = { .family = FAMILY };
	const uint8_t *f = out.data[0];

	for (len = 0; len < 40; len += 13) {
		ck_assert_int_eq(udp_sendto(s.net, u, "abcdefghijklmnopqrst"
		    "uvwxyzabcdefghijklmnopqrstu", len, &to), (int)len);
		plain_send(&s, &out);
		ck_assert_uint_eq(out.n, 1);
		ck_assert_mem_eq(f, peer, 6);
		ck_assert_uint_eq(rd16(f + off + 2), 53);
		ck_assert_uint_eq(rd16(f + off + 4), 8 + len);
		ck_assert_mem_eq(f + off + 8, "abcdefghijklmnopqrstuvwxyz",
		    len < 26 ? len : 26);
		if (FAMILY == 4) {
			map4(t.laddr, f + 26);
			map4(t.raddr, f + 30);
			ck_assert_uint_eq(csum_fold(csum_add(0, f + 14, 20)),
			    0xffff);
		} else {
			memcpy(t.laddr, f + 22, 16);
			memcpy(t.raddr, f + 38, 16);
		}
		ck_assert_uint_eq(csum_fold(csum_add(pseudo_sum(&t,
		    PROTO_UDP, 8 + len), f + off, 8 + len)), 0xffff);
	}
	ck_assert_int_eq(udp_local(s.net, u, &me), 0);
	ck_assert_uint_eq(me.port, rd16(f + off));
	ck_assert_uint_ge(me.port, 32768);
	ck_assert_uint_eq(count(CNT_udp_out), 4);
}
END_TEST

/* RFC 768: a sum of 0 is sent as 0xffff. */
START_TEST(a_checksum_is_never_zero)
{
	struct net_addr to = end(FAMILY, 9, 53);
	uint32_t off = FAMILY == 4 ? 34 : 54, k, seen = 0;
	int u = udp_open(s.net, NULL, NULL);
	uint8_t d[2];

	for (k = 0; k < 65536; k++) {
		wr16(d, (uint16_t)k);
		ck_assert_int_eq(udp_sendto(s.net, u, d, 2, &to), 2);
		plain_send(&s, &out);
		ck_assert_uint_ne(rd16(out.data[0] + off + 6), 0);
		seen += rd16(out.data[0] + off + 6) == 0xffff;
	}
	ck_assert_uint_ge(seen, 1);
}
END_TEST

/* More than the MTU goes in fragments, and comes back from them. */
START_TEST(long_datagrams_go_in_fragments)
{
	static uint8_t data[40000], back[40000];
	static const uint32_t sizes[] = { 1472, 1473, 5000, 40000 };
	struct net_addr to = end(FAMILY, 9, 53), any = { .port = 53 };
	uint32_t k, i, off = FAMILY == 4 ? 26 : 22;
	uint32_t n = FAMILY == 4 ? 4 : 16;
	int u = udp_open(s.net, NULL, NULL), v = udp_open(s.net, NULL, NULL);
	uint8_t swap[16];

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 7);
	ck_assert_int_eq(udp_bind(s.net, v, &any), 0);
	for (k = 0; k < 4; k++) {
		ck_assert_int_eq(udp_sendto(s.net, u, data, sizes[k], &to),
		    (int)sizes[k]);
		plain_send(&s, &out);
		ck_assert_uint_ge(out.n, 1 + (k > 0));
		/* the peer sends the same back to us */
		for (i = 0; i < out.n; i++) {
			uint8_t *f = frame(out.len[i]);

			ck_assert_uint_le(out.len[i], 1514);
			memcpy(f, out.data[i], out.len[i]);
			memcpy(f, us, 6);
			memcpy(f + 6, peer, 6);
			memcpy(swap, f + off, n);
			memmove(f + off, f + off + n, n);
			memcpy(f + off + n, swap, n);
		}
		turn(1000);
		ck_assert_int_eq(udp_recvfrom(s.net, v, back, sizeof(back),
		    NULL, false), (int)sizes[k]);
		ck_assert_mem_eq(back, data, sizes[k]);
	}
	ck_assert_int_eq(udp_sendto(s.net, u, data, 65508, &to), -EMSGSIZE);
}
END_TEST

START_TEST(a_connected_socket_hears_only_its_peer)
{
	int u = bound(0, 5353), any = bound(0, 5354), c;
	struct net_addr to = end(FAMILY, 9, 700), none = { .port = 0 };
	uint8_t buf[64];

	ck_assert_int_eq(udp_connect(s.net, u, &to), 0);
	datagram(FAMILY, 701, 5353, 5);
	datagram(FAMILY, 700, 5353, 6);
	datagram(FAMILY, 701, 5354, 7);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);		/* unreachable */
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 64, NULL, false), 6);
	ck_assert_int_eq(udp_recvfrom(s.net, any, buf, 64, NULL, false), 7);
	ck_assert_int_eq(udp_sendto(s.net, u, "x", 1, &to), -EISCONN);
	ck_assert_int_eq(udp_sendto(s.net, u, "x", 1, NULL), 1);
	ck_assert_int_eq(udp_sendto(s.net, any, "x", 1, NULL),
	    -EDESTADDRREQ);
	ck_assert_int_eq(udp_connect(s.net, u, &none), 0);
	c = udp_remote(s.net, u, &to);
	ck_assert_int_eq(c, 0);
	ck_assert_uint_eq(to.family, 0);
	plain_send(&s, &out);
}
END_TEST

/* RFC 1122 (4.1.3.3): an error about what a connected socket sent. */
START_TEST(unreachable_reaches_a_connected_socket)
{
	int u = udp_open(s.net, on_ready, &nready);
	struct net_addr to = end(FAMILY, 9, 700);
	uint32_t off = FAMILY == 4 ? 34 : 54, quote = off - 14 + 8;
	uint8_t *f, buf[8];

	ck_assert_int_eq(udp_connect(s.net, u, &to), 0);
	ck_assert_int_eq(udp_sendto(s.net, u, "hello", 5, NULL), 5);
	plain_send(&s, &out);
	f = FAMILY == 4 ? packet4(PROTO_ICMP, 8 + quote) :
	    packet6(peer6, us6, PROTO_ICMP6, 8 + quote);
	f[off] = FAMILY == 4 ? ICMP_UNREACH : ICMP6_UNREACH;
	f[off + 1] = FAMILY == 4 ? 3 : 4;
	memcpy(f + off + 8, out.data[0] + 14, quote);
	if (FAMILY == 4) {
		sign4(f);
		wr16_raw(f + off + 2, (uint16_t)~csum_fold(csum_add(0,
		    f + off, 8 + quote)));
	} else
		sign6(f, PROTO_ICMP6, off, 8 + quote, 2);
	turn(1000);
	ck_assert_uint_eq(nready, 1);
	ck_assert_int_eq(udp_pending(s.net, u), 1);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 8, NULL, false),
	    -ECONNREFUSED);
	ck_assert_int_eq(udp_error(s.net, u), 0);
	ck_assert_int_eq(udp_recvfrom(s.net, u, buf, 8, NULL, false),
	    -EAGAIN);
}
END_TEST

START_TEST(what_waits_is_bounded)
{
	int u = bound(FAMILY, 53), v = bound(FAMILY, 54);
	uint32_t k;

	s.net->conf.rx_hold_max = 400;
	for (k = 0; k < 200; k++) {
		datagram(FAMILY, 5000, k < 150 ? 53 : 54, 1);
		turn(10);
		ck_assert_uint_le(s.net->udp_frames, 100);
	}
	ck_assert_int_eq(udp_pending(s.net, u), 100);
	ck_assert_uint_eq(count(CNT_drop_udp_full), 100);
	ck_assert_int_eq(udp_close(s.net, u), 0);
	ck_assert_uint_eq(s.net->udp_frames, 0);
	ck_assert_int_eq(udp_pending(s.net, u), -EBADF);
	ck_assert_int_eq(udp_close(s.net, v), 0);
}
END_TEST

START_TEST(binding_has_rules)
{
	struct net_addr a = end(FAMILY, 1, 53), any = { .port = 53 };
	struct net_addr foreign = end(FAMILY, 9, 53);
	int u = bound(FAMILY, 53), v = udp_open(s.net, NULL, NULL);

	ck_assert_int_eq(udp_bind(s.net, v, &a), -EADDRINUSE);
	ck_assert_int_eq(udp_bind(s.net, v, &any), -EADDRINUSE);
	ck_assert_int_eq(udp_bind(s.net, v, &foreign), -EADDRNOTAVAIL);
	ck_assert_int_eq(udp_bind(s.net, u, &a), -EINVAL);
	a.family = 5;
	ck_assert_int_eq(udp_bind(s.net, v, &a), -EINVAL);
	ck_assert_int_eq(udp_bind(s.net, 12345678, &any), -EBADF);
	ck_assert_int_eq(udp_close(s.net, u), 0);
	ck_assert_int_eq(udp_bind(s.net, v, &any), 0);
	/* an old handle names nothing, though its place is used again */
	u = v;
	ck_assert_int_eq(udp_close(s.net, v), 0);
	for (v = 0; v < 70; v++)
		(void)udp_open(s.net, NULL, NULL);
	ck_assert_int_eq(udp_close(s.net, u), -EBADF);
	ck_assert_int_eq(udp_open(s.net, NULL, NULL), -ENFILE);
}
END_TEST

/* Slots that share client ports: each takes those that steering deals to it. */
START_TEST(chosen_ports_are_this_slots)
{
	struct net_addr any = { .port = 0 }, a;
	uint32_t k;

	s.net->conf.client_lo = 40000;
	s.net->conf.client_hi = 40029;
	s.net->conf.udp_step = 3;
	s.net->conf.udp_at = 2;
	for (k = 0; k < 10; k++) {
		int u = udp_open(s.net, NULL, NULL);

		ck_assert_int_eq(udp_bind(s.net, u, &any), 0);
		ck_assert_int_eq(udp_local(s.net, u, &a), 0);
		ck_assert_uint_eq((a.port - 40000) % 3, 2);
		ck_assert_uint_le(a.port, 40029);
	}
	ck_assert_int_eq(udp_bind(s.net, udp_open(s.net, NULL, NULL), &any),
	    -EADDRNOTAVAIL);
}
END_TEST

START_TEST(without_route_frame_or_room_it_says_so)
{
	struct net_addr far = end(4, 9, 53);
	int u = udp_open(s.net, NULL, NULL);
	uint32_t had = s.pool.n;

	far.addr[0] = 99;
	ck_assert_int_eq(udp_sendto(s.net, u, "x", 1, &far), -ENETUNREACH);
	ck_assert_int_eq(udp_connect(s.net, u, &far), -ENETUNREACH);
	far = end(FAMILY, 9, 53);
	s.pool.n = 0;
	ck_assert_int_eq(udp_sendto(s.net, u, "x", 1, &far), -ENOBUFS);
	ck_assert_int_eq(udp_sendto(s.net, u, s.net, 3000, &far), -EAGAIN);
	s.pool.n = 1;
	ck_assert_int_eq(udp_sendto(s.net, u, s.net, 3000, &far), -EAGAIN);
	ck_assert_uint_eq(s.pool.n, 1);
	s.pool.n = had;
	net_out(s.net)->n = PKTQ_MAX;
	ck_assert_int_eq(udp_sendto(s.net, u, "x", 1, &far), -EAGAIN);
	net_out(s.net)->n = 0;
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("udp");

	tcase_add_checked_fixture(t, setup, bed_teardown);
	tcase_add_loop_test(t, a_datagram_reaches_its_socket, 0, 2);
	tcase_add_loop_test(t, boundaries_are_kept, 0, 2);
	tcase_add_loop_test(t, a_closed_port_is_answered_by_unreachable, 0,
	    2);
	tcase_add_loop_test(t, malformed_datagrams_are_dropped, 0, 2);
	tcase_add_test(t, padding_is_not_data);
	tcase_add_loop_test(t, what_is_sent_is_whole_and_right, 0, 2);
	tcase_add_loop_test(t, a_checksum_is_never_zero, 0, 2);
	tcase_add_loop_test(t, long_datagrams_go_in_fragments, 0, 2);
	tcase_add_loop_test(t, a_connected_socket_hears_only_its_peer, 0, 2);
	tcase_add_loop_test(t, unreachable_reaches_a_connected_socket, 0, 2);
	tcase_add_loop_test(t, what_waits_is_bounded, 0, 2);
	tcase_add_loop_test(t, binding_has_rules, 0, 2);
	tcase_add_test(t, chosen_ports_are_this_slots);
	tcase_add_loop_test(t, without_route_frame_or_room_it_says_so, 0, 2);
	return bed_main(t, "udp");
}
