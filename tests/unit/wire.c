/*
 * A frame taken from another slot's buffer: whole, in bounds, and cut into
 * packets as a NIC with TSO would. Built with the file under test: it
 * belongs to the worker, not to the pure library.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/io/cut.c"

#define ROOM	2048u
#define MEM	70000u

/* A sender's pool of one frame, its memory for frags, and our buffer. */
static struct world {
	_Alignas(64) uint8_t frame[sizeof(struct pkt) + ROOM];
	_Alignas(64) uint8_t mem[MEM];
	_Alignas(64) uint8_t own[sizeof(struct pkt) + ROOM];
	struct cut_source src;
} w;

static struct pkt *
sender(void)
{
	return (struct pkt *)w.frame;
}

static struct pkt *
ours(void)
{
	struct pkt *p = (struct pkt *)w.own;

	memset(w.own, 0xee, sizeof(w.own));
	p->room = ROOM;
	p->port = 7;
	return p;
}

static void
setup(void)
{
	struct pkt *p = sender();
	uint32_t i;

	memset(&w, 0, sizeof(w));
	for (i = 0; i < MEM; i++)
		w.mem[i] = (uint8_t)(i * 7 + (i >> 8));
	w.src.base = (uintptr_t)&w;
	w.src.frames = (struct span){ (uintptr_t)w.frame,
	    (uintptr_t)w.frame + sizeof(w.frame) };
	w.src.room = ROOM;
	w.src.nmem = 1;
	w.src.mem[0] = (struct span){ (uintptr_t)w.mem,
	    (uintptr_t)w.mem + MEM };
	p->room = ROOM;
	pkt_reset(p, PKT_HEADROOM);
}

static uint32_t
ref(void)
{
	return pkt_ref(w.src.base, sender());
}

static void
add_frag(uint32_t off, uint32_t len)
{
	struct pkt *p = sender();

	p->frag[p->nfrag].off = (uintptr_t)w.mem + off - w.src.base;
	p->frag[p->nfrag++].len = len;
}

/* RFC 791, 9293: a frame with payload in mem; flags: TCP's. */
static void
make_tso(uint32_t payload, uint16_t mss, uint8_t flags, bool ip6)
{
	struct pkt *p = sender();
	uint8_t *d = pkt_data(p), *ip = d + 14;
	uint32_t l3 = ip6 ? 40 : 20;

	memset(d, 0x11, 14);
	ip[0] = ip6 ? 0x60 : 0x45;
	if (!ip6)
		put_be16(ip + 4, 0xfffe);	/* identification wraps */
	put_be32(ip + l3 + 4, 0xfffffff0);	/* so does the sequence */
	ip[l3 + 12] = 8 << 4;
	ip[l3 + 13] = flags;
	p->len = 14 + l3 + 32;
	p->l2_len = 14;
	p->l3_len = (uint16_t)l3;
	p->l4_len = 32;
	p->tso_mss = mss;
	p->flags = PKT_TX_TSO | PKT_TX_L4CSUM | (ip6 ? PKT_TX_IPV6 : 0);
	if (payload > 0)
		add_frag(0, payload);
}

START_TEST(a_plain_frame_arrives_byte_for_byte)
{
	struct pkt *p = sender(), *q = ours();
	struct cut c;
	uint8_t *d = pkt_data(p);
	uint32_t i;

	for (i = 0; i < 60; i++)
		d[i] = (uint8_t)i;
	p->len = 60;
	add_frag(100, 300);
	add_frag(5, 0);
	add_frag(1, 7);
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), 0);
	ck_assert_uint_eq(cut_len(&c), 367);
	ck_assert_int_eq(cut_next(&c, q, PKT_RX_L4CSUM_OK), 0);
	ck_assert_uint_eq(q->len, 367);
	ck_assert_uint_eq(q->off, sizeof(*q) + PKT_HEADROOM);
	ck_assert_uint_eq(q->flags, PKT_RX_L4CSUM_OK);
	ck_assert_uint_eq(q->nfrag, 0);
	ck_assert_int_eq(memcmp(pkt_data(q), d, 60), 0);
	ck_assert_int_eq(memcmp(pkt_data(q) + 60, w.mem + 100, 300), 0);
	ck_assert_int_eq(memcmp(pkt_data(q) + 360, w.mem + 1, 7), 0);
	ck_assert_uint_eq(pkt_data(q)[367], 0xee);
}
END_TEST

static const struct {
	uint32_t payload;
	uint16_t mss;
	uint32_t packets;
} tso_rows[] = {
	{ 0, 1448, 1 }, { 1, 1448, 1 }, { 1448, 1448, 1 },
	{ 1449, 1448, 2 }, { 2896, 1448, 2 }, { 65000, 1448, 45 },
	{ 1000, 64, 16 },
};

/* What a receiver sees of one cut frame is what a NIC with TSO sends. */
static void
check_tso(uint32_t row, bool ip6)
{
	uint32_t payload = tso_rows[row].payload, at = 0, n = 0, seq, len;
	uint32_t l3 = ip6 ? 40 : 20, hdr = 14 + l3 + 32;
	uint16_t mss = tso_rows[row].mss;
	struct pkt *q = ours();
	struct cut c;
	int more;

	make_tso(payload, mss, TCP_FIN | TCP_PSH | TCP_CWR | 0x10, ip6);
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), 0);
	do {
		uint8_t *ip, *tcp;
		bool last;

		more = cut_next(&c, q, 0);
		ck_assert_int_ge(more, 0);
		last = more == 0;
		ip = pkt_data(q) + 14;
		tcp = ip + l3;
		len = q->len - hdr;
		ck_assert_uint_eq(len, last ? payload - at : mss);
		if (ip6) {
			ck_assert_uint_eq(ip[4] << 8 | ip[5], 32 + len);
		} else {
			ck_assert_uint_eq(ip[2] << 8 | ip[3], 52 + len);
			ck_assert_uint_eq(ip[4] << 8 | ip[5],
			    (0xfffe + n) & 0xffff);
		}
		seq = get_be32(tcp + 4);
		ck_assert_uint_eq(seq, 0xfffffff0 + at);
		ck_assert_uint_eq((tcp[13] & TCP_FIN) != 0, last);
		ck_assert_uint_eq((tcp[13] & TCP_PSH) != 0, last);
		ck_assert_uint_eq((tcp[13] & TCP_CWR) != 0, n == 0);
		ck_assert_uint_eq(tcp[13] & 0x10, 0x10);
		ck_assert_int_eq(memcmp(tcp + 32, w.mem + at, len), 0);
		at += len;
		n++;
	} while (more > 0);
	ck_assert_uint_eq(at, payload);
	ck_assert_uint_eq(n, tso_rows[row].packets);
}

START_TEST(tso_over_ipv4_is_cut_at_the_segment_size)
{
	check_tso((uint32_t)_i, false);
}
END_TEST

START_TEST(tso_over_ipv6_is_cut_at_the_segment_size)
{
	check_tso((uint32_t)_i, true);
}
END_TEST

START_TEST(payload_beside_the_headers_is_cut_with_the_ranges)
{
	struct pkt *q = ours();
	struct cut c;

	make_tso(0, 100, 0x10, false);
	memset(pkt_data(sender()) + 66, 0xab, 50);
	sender()->len += 50;
	add_frag(0, 100);
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), 0);
	ck_assert_int_eq(cut_next(&c, q, 0), 1);
	ck_assert_uint_eq(q->len, 166);
	ck_assert_uint_eq(pkt_data(q)[66 + 49], 0xab);
	ck_assert_int_eq(memcmp(pkt_data(q) + 66 + 50, w.mem, 50), 0);
	ck_assert_int_eq(cut_next(&c, q, 0), 0);
	ck_assert_uint_eq(q->len, 116);
	ck_assert_int_eq(memcmp(pkt_data(q) + 66, w.mem + 50, 50), 0);
}
END_TEST

START_TEST(a_packet_larger_than_our_buffer_changes_nothing)
{
	static uint8_t before[sizeof(w.own)];
	struct pkt *q = ours();
	struct cut c;

	memcpy(before, w.own, sizeof(before));
	sender()->len = 60;
	add_frag(0, ROOM);
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), 0);
	ck_assert_int_eq(cut_next(&c, q, 0), -EMSGSIZE);
	ck_assert_int_eq(memcmp(before, w.own, sizeof(before)), 0);
	ck_assert_uint_eq(cut_len(&c), 60 + ROOM);
}
END_TEST

/* Spoil one thing in a good TSO frame. */
static void
spoil(int what)
{
	struct pkt *p = sender();

	switch (what) {
	case 0: p->off = sizeof(*p) - 1; break;
	case 1: p->off = sizeof(*p) + ROOM + 1; break;
	case 2: p->len = ROOM - PKT_HEADROOM + 1; break;
	case 3: p->len = UINT32_MAX; break;
	case 4: p->nfrag = PKT_FRAGS + 1; break;
	case 5: p->frag[0].off += MEM; break;
	case 6: p->frag[0].off -= 1; break;
	case 7: p->frag[0].len = MEM + 1; break;
	case 8: p->frag[0].len = UINT32_MAX; break;
	case 9: p->frag[0].off = UINT64_MAX - 10; break;
	case 10: p->tso_mss = 0; break;
	case 11: p->tso_mss = CUT_MSS_MIN - 1; break;
	case 12: p->l2_len = 13; break;
	case 13: p->l3_len = 19; break;
	case 14: p->l4_len = 19; break;
	case 15: p->l4_len = 33; break;
	case 16: p->flags |= PKT_TX_IPV6; break;
	}
}

START_TEST(a_damaged_descriptor_is_refused)
{
	struct cut c;

	make_tso(3000, 1448, 0x10, false);
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), 0);
	spoil(_i);
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), -EPROTO);
}
END_TEST

START_TEST(a_ref_outside_the_senders_pool_is_refused)
{
	static const int64_t off[] = { -1, 1, 1000000 };
	struct cut c;

	sender()->len = 60;
	ck_assert_int_eq(cut_open(&c, &w.src, ref()), 0);
	ck_assert_int_eq(cut_open(&c, &w.src, (uint32_t)(ref() + off[_i])),
	    -EPROTO);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("cut");
	SRunner *sr;
	int rows = sizeof(tso_rows) / sizeof(tso_rows[0]), failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_plain_frame_arrives_byte_for_byte);
	tcase_add_loop_test(t, tso_over_ipv4_is_cut_at_the_segment_size, 0,
	    rows);
	tcase_add_loop_test(t, tso_over_ipv6_is_cut_at_the_segment_size, 0,
	    rows);
	tcase_add_test(t, payload_beside_the_headers_is_cut_with_the_ranges);
	tcase_add_test(t, a_packet_larger_than_our_buffer_changes_nothing);
	tcase_add_loop_test(t, a_damaged_descriptor_is_refused, 0, 17);
	tcase_add_loop_test(t, a_ref_outside_the_senders_pool_is_refused, 0,
	    3);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
