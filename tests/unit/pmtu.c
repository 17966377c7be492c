/* Path MTU: RFC 1191, RFC 8201, with the checks of RFC 5927. */
#include "../../secondary/net/udp.h"
#include "../lib/ipbed.h"

static uint32_t opened;

static void
event(void *arg, struct conn *c, uint32_t events)
{
	(void)arg;
	if (events & CONN_OPEN)
		opened++;
	if (conn_readable(c) > 0) {
		static uint8_t page[2000];

		conn_consume(s.net, c, conn_readable(c));
		(void)conn_write(s.net, c, page, sizeof(page));
	}
}

static const uint8_t families[] = { 4, 6 };
#define FAMILY	(families[_i])

static struct tuple flow;
static uint32_t isn;		/* of our side */

static uint8_t *
segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	uint32_t off = flow.family == 4 ? 34 : 54;
	uint8_t *f = flow.family == 4 ? packet4(PROTO_TCP, 24 + len) :
	    packet6(peer6, us6, PROTO_TCP, 24 + len), *t = f + off;

	wr16(t, 40000);
	wr16(t + 2, 80);
	wr32(t + 4, seq);
	wr32(t + 8, ack);
	t[12] = 6 << 4;
	t[13] = flags;
	wr16(t + 14, 65535);
	t[20] = (flags & 2) != 0 ? 2 : 1;	/* MSS, or no-operations */
	t[21] = (flags & 2) != 0 ? 4 : 1;
	wr16(t + 22, (flags & 2) != 0 ? 8000 : 0x0101);
	if (flow.family == 4)
		sign4(f);
	wr16_raw(t + 16, (uint16_t)~csum_fold(csum_add(pseudo_sum(&flow,
	    PROTO_TCP, 24 + len), t, 24 + len)));
	return f;
}

/* A connection that has sent and waits for the acknowledgement. */
static void
begin(uint8_t family)
{
	struct net_addr any = { .port = 80 };
	uint32_t off = family == 4 ? 34 : 54;

	s.net->env.event = event;
	opened = 0;
	memset(&flow, 0, sizeof(flow));
	flow.family = family;
	if (family == 4) {
		map4(flow.laddr, (const uint8_t[]){ 10, 0, 0, 1 });
		map4(flow.raddr, (const uint8_t[]){ 10, 0, 0, 9 });
	} else {
		memcpy(flow.laddr, us6, 16);
		memcpy(flow.raddr, peer6, 16);
	}
	ck_assert_int_eq(net_listen(s.net, &any), 0);
	segment(0x02, 1000, 0, 0);
	turn(1000);
	ck_assert_uint_eq(out.n, 1);
	isn = rd32(out.data[0] + off + 4) + 1;
	segment(0x18, 1001, isn, 10);
	turn(1000);
	ck_assert_uint_eq(opened, 1);
	ck_assert_uint_eq(out.n, 2);
	ck_assert_uint_eq(out.len[0], 14 + 1500);
}

static void
setup(void)
{
	bed_setup();
	know_peer();
}

/* Packet too big, or fragmentation needed, about the frame out.data[0]. */
static uint8_t *
too_big(uint8_t family, uint32_t mtu)
{
	uint32_t off = family == 4 ? 34 : 54, n = off - 14 + 8;
	uint8_t *f = family == 4 ? packet4(PROTO_ICMP, 8 + n) :
	    packet6(peer6, us6, PROTO_ICMP6, 8 + n), *m = f + off;

	m[0] = family == 4 ? ICMP_UNREACH : ICMP6_TOOBIG;
	m[1] = family == 4 ? 4 : 0;
	if (family == 4)
		wr16(m + 6, (uint16_t)mtu);
	else
		wr32(m + 4, mtu);
	memcpy(m + 8, out.data[0] + 14, n);
	return f;
}

static void
seal(uint8_t *f, uint8_t family)
{
	uint32_t off = family == 4 ? 34 : 54, n = off - 14 + 16;

	if (family == 4) {
		wr16(f + 36, 0);
		sign4(f);
		wr16_raw(f + 36, (uint16_t)~csum_fold(csum_add(0, f + 34,
		    n)));
	} else
		sign6(f, PROTO_ICMP6, off, n, 2);
}

/* RFC 1191 (6), RFC 8201 (4): the path is remembered, what was too large goes
 * again in smaller pieces, and the next connection begins with them. */
START_TEST(a_smaller_path_is_learned)
{
	uint32_t i;

	begin(FAMILY);
	seal(too_big(FAMILY, 1300), FAMILY);
	turn(1000);
	ck_assert_uint_eq(count(CNT_pmtu_learned), 1);
	ck_assert_uint_eq(ip_mtu(s.net, &flow), 1300);
	ck_assert_uint_ge(out.n, 1);
	for (i = 0; i < out.n; i++)
		ck_assert_uint_le(out.len[i], 14 + 1300);
}
END_TEST

/* RFC 5927 (4.1): a forger who does not know what is in flight learns
 * nothing and slows nothing. */
START_TEST(a_forged_claim_changes_nothing)
{
	uint32_t off = FAMILY == 4 ? 34 : 54, k;
	uint8_t *f;

	begin(FAMILY);
	for (k = 0; k < 5; k++) {
		f = too_big(FAMILY, 1300);
		switch (k) {
		case 0: f[off + 8 + off - 14 + 4] ^= 0x80; break; /* seq */
		case 1: f[off + 8 + off - 14 + 1] ^= 1; break;	/* port */
		case 2: f[off + 8 + off - 15] ^= 1; break; /* to another */
		case 3: f[off + 8 + (FAMILY == 4 ? 15 : 23)] ^= 1; break;
		case 4: f[off + 8] = 0x15; break;	/* version */
		}
		seal(f, FAMILY);
		turn(100);
		ck_assert_msg(ip_mtu(s.net, &flow) == 1500, "row %u", k);
	}
	ck_assert_uint_eq(count(CNT_pmtu_learned), 0);
}
END_TEST

/* RFC 1191 (3): less than any path is clamped; RFC 8201 (4): it is not believed
 * at all; more than we have is no news; RFC 1191 (7.1): a router that does not
 * say is guessed. */
START_TEST(claims_have_bounds)
{
	static const struct {
		uint32_t claim, v4, v6;
	} row[] = {
		{ 1500, 1500, 1500 }, { 9000, 1500, 1500 },
		{ 68, 552, 1500 }, { 1, 552, 1500 },
		{ 0, 1492, 1500 }, { 1279, 1279, 1500 },
		{ 1280, 1280, 1280 },
	};
	uint32_t k;

	for (k = 0; k < 7; k++) {
		plain_fini(&s);
		setup();
		begin(FAMILY);
		seal(too_big(FAMILY, row[k].claim), FAMILY);
		turn(1000);
		ck_assert_msg(ip_mtu(s.net, &flow) == (FAMILY == 4 ?
		    row[k].v4 : row[k].v6), "row %u: %u", k,
		    ip_mtu(s.net, &flow));
	}
}
END_TEST

/* RFC 1191 (6.3): after ten minutes the path is tried again. */
START_TEST(what_was_learned_is_forgotten)
{
	struct tuple other;

	begin(FAMILY);
	other = flow;
	other.raddr[15] ^= 3;
	pmtu_note(s.net, 0, flow.raddr, 1300);
	ck_assert_uint_eq(ip_mtu(s.net, &flow), 1300);
	ck_assert_uint_eq(ip_mtu(s.net, &other), 1500);
	pmtu_note(s.net, 0, flow.raddr, 1400);	/* it does not grow */
	ck_assert_uint_eq(ip_mtu(s.net, &flow), 1300);
	turn(599999999);
	ck_assert_uint_eq(ip_mtu(s.net, &flow), 1300);
	turn(1);
	ck_assert_uint_eq(ip_mtu(s.net, &flow), 1500);
}
END_TEST

START_TEST(the_table_is_bounded)
{
	uint8_t addr[16] = { 0x20, 1 };
	uint32_t k;

	for (k = 0; k < 5000; k++) {
		wr32(addr + 8, k);
		pmtu_note(s.net, 0, addr, 1300);
		ck_assert_uint_eq(pmtu_get(s.net, 0, addr), 1300);
		now += 1000;
		net_time(s.net, now);
	}
	wr32(addr + 8, 0);
	ck_assert_uint_eq(pmtu_get(s.net, 0, addr), 1500);
}
END_TEST

/* UDP: believed about a connected socket; datagrams go in fragments then. */
START_TEST(udp_keeps_to_the_path)
{
	static uint8_t data[1400];
	struct net_addr to = { .family = FAMILY, .port = 700 };
	struct tuple t = { .family = FAMILY };
	int u = udp_open(s.net, NULL, NULL);

	if (FAMILY == 4) {
		memcpy(to.addr, (uint8_t[]){ 10, 0, 0, 9 }, 4);
		map4(t.raddr, to.addr);
	} else {
		memcpy(to.addr, peer6, 16);
		memcpy(t.raddr, peer6, 16);
	}
	ck_assert_int_eq(udp_sendto(s.net, u, data, 1400, &to), 1400);
	plain_send(&s, &out);
	ck_assert_uint_eq(out.n, 1);
	seal(too_big(FAMILY, 1300), FAMILY);
	turn(1000);
	ck_assert_uint_eq(ip_mtu(s.net, &t), 1500);
	ck_assert_int_eq(udp_connect(s.net, u, &to), 0);
	ck_assert_int_eq(udp_sendto(s.net, u, data, 1400, NULL), 1400);
	plain_send(&s, &out);
	seal(too_big(FAMILY, 1300), FAMILY);
	turn(1000);
	ck_assert_uint_eq(ip_mtu(s.net, &t), 1300);
	ck_assert_int_eq(udp_sendto(s.net, u, data, 1400, NULL), 1400);
	plain_send(&s, &out);
	ck_assert_uint_eq(out.n, 2);
	ck_assert_uint_le(out.len[0], 14 + 1300);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("pmtu");

	tcase_add_checked_fixture(t, setup, bed_teardown);
	tcase_add_loop_test(t, a_smaller_path_is_learned, 0, 2);
	tcase_add_loop_test(t, a_forged_claim_changes_nothing, 0, 2);
	tcase_add_loop_test(t, claims_have_bounds, 0, 2);
	tcase_add_loop_test(t, what_was_learned_is_forgotten, 0, 2);
	tcase_add_test(t, the_table_is_bounded);
	tcase_add_loop_test(t, udp_keeps_to_the_path, 0, 2);
	return bed_main(t, "pmtu");
}
