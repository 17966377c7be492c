/* TCP: receiving: order, SACK, acknowledging, windows, timestamps. */
#include <errno.h>

#include "tcp_harness.h"

static struct h h;

/* A connection whose first ACKs, sent at once, are behind it. */
static void
open_settled(bool all)
{
	uint32_t i;

	h_init(&h);
	h_open(&h, all);
	for (i = 0; i < TCP_QUICK; i++) {
		h_data(&h, "q", 1);
		h_run(&h);
		h_expect(&h, TH_ACK);
	}
	h.ngot = 0;
	h.events = h.calls = 0;
}

/* Send [at, at + len) of the pattern, at being relative to base. */
static void
piece(uint32_t base, uint32_t at, uint32_t len)
{
	uint8_t buf[1460];

	h_fill(buf, at, len);
	h.seq = base + at;
	h_send(&h, TH_ACK, buf, len);
}

/* RFC 9293 §3.8.6.3, RFC 1122 §4.2.3.2: one segment waits for the delayed
 * ACK, a second full one does not. */
START_TEST(second_full_segment_is_acknowledged_at_once)
{
	uint8_t full[1448] = { 0 };

	open_settled(true);
	h_data(&h, full, sizeof(full));
	h_run(&h);
	h_expect_none(&h);
	h_data(&h, full, sizeof(full));
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	h_fini(&h);
}
END_TEST

START_TEST(delayed_ack_comes_in_time)
{
	open_settled(true);
	h_data(&h, "a", 1);
	h_run(&h);
	h_tick(&h, h.s.conf.delack_us - 1);
	h_expect_none(&h);
	ck_assert_uint_eq(net_deadline(h.s.net), h.now + 1);
	h_tick(&h, 1);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	h_tick(&h, SEC);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* delack 0: at once. */
START_TEST(delayed_ack_can_be_off)
{
	h_conf(&h);
	h.s.conf.delack_us = 0;
	h_start(&h);
	h_open(&h, true);
	h.c->quick = 0;
	h_data(&h, "a", 1);
	h_run(&h);
	h_expect(&h, TH_ACK);
	h_fini(&h);
}
END_TEST

static void
answer_at_once(struct h *hh, struct conn *c, uint32_t ev)
{
	if ((ev & CONN_READ) != 0)
		conn_write(hh->s.net, c, "answer", 6);
}

/* The ACK rides on an answer of the same turn: one segment, not two. */
START_TEST(ack_rides_on_the_answer)
{
	struct h_seg *o;

	h_init(&h);
	h_open(&h, true);
	h.hook = answer_at_once;
	h_data(&h, "question", 8);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.ack, h.seq);
	ck_assert_uint_eq(o->s.len, 6);
	ck_assert(o->s.flags & TH_PSH);
	h_expect_none(&h);
	h_tick(&h, 100 * MS);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 5681 §4.2: each segment out of order is acknowledged at once; RFC 2018
 * §4: the block that it belongs to comes first. */
START_TEST(sack_reports_the_newest_block_first)
{
	struct h_seg *o;
	uint32_t base;

	open_settled(true);
	base = h.seq;
	piece(base, 1000, 100);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.ack, base);
	ck_assert_uint_eq(o->s.nsack, 1);
	ck_assert_mem_eq(o->opts + 12, "\1\1\5", 3);
	piece(base, 3000, 100);
	piece(base, 5000, 100);
	h_drain(&h);
	piece(base, 1100, 50);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.nsack, 3);
	ck_assert_uint_eq(o->s.sack[0].start, base + 1000);
	ck_assert_uint_eq(o->s.sack[0].end, base + 1150);
	ck_assert_uint_eq(o->s.sack[1].start, base + 5000);
	ck_assert_uint_eq(o->s.sack[2].start, base + 3000);
	h_fini(&h);
}
END_TEST

/* Without timestamps four blocks fit, with them three (RFC 2018 §3). */
START_TEST(sack_fills_the_option_space)
{
	uint8_t syn[8] = { 2, 4, 5, 0xb4, 1, 1, 4, 2 };
	struct h_seg *o;
	uint32_t base, i;

	h_init(&h);
	h_send_opts(&h, TH_SYN, syn, 8, NULL, 0);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 8);
	h.seq++;
	h.ack = o->s.seq + 1;
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
	base = h.seq;
	for (i = 1; i < 7; i++)
		piece(base, i * 1000, 10);
	for (i = 1; i < 6; i++)
		h_expect(&h, TH_ACK);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.nsack, 4);
	ck_assert_uint_eq(o->optlen, 36);
	h_fini(&h);
}
END_TEST

/* What fills the hole is acknowledged at once, with all behind it. */
START_TEST(hole_filled_is_acknowledged_at_once)
{
	struct h_seg *o;
	uint8_t want[3000];
	uint32_t base;

	open_settled(true);
	base = h.seq;
	piece(base, 1000, 1000);
	piece(base, 2000, 1000);
	h_drain(&h);
	piece(base, 0, 1000);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.ack, base + 3000);
	ck_assert_uint_eq(o->s.nsack, 0);
	h_fill(want, 0, sizeof(want));
	ck_assert_uint_eq(h.ngot, 3000);
	ck_assert_mem_eq(h.got, want, 3000);
	h_fini(&h);
}
END_TEST

/* RFC 2883 §4: what came twice is reported in the first block. */
START_TEST(duplicate_is_reported_by_dsack)
{
	struct h_seg *o;
	uint32_t base;

	open_settled(true);
	base = h.seq;
	piece(base, 0, 1000);
	h_run(&h);
	h_drain(&h);
	/* below the ACK, whole and in part */
	piece(base, 500, 500);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.nsack, 1);
	ck_assert_uint_eq(o->s.sack[0].start, base + 500);
	ck_assert_uint_eq(o->s.sack[0].end, base + 1000);
	piece(base, 800, 500);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.ack, base + 1300);
	ck_assert_uint_eq(o->s.sack[0].start, base + 800);
	ck_assert_uint_eq(o->s.sack[0].end, base + 1000);
	/* above it: the second block holds the first */
	piece(base, 2000, 1000);
	h_drain(&h);
	piece(base, 2200, 100);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.nsack, 2);
	ck_assert_uint_eq(o->s.sack[0].start, base + 2200);
	ck_assert_uint_eq(o->s.sack[0].end, base + 2300);
	ck_assert_uint_eq(o->s.sack[1].start, base + 2000);
	ck_assert_uint_eq(o->s.sack[1].end, base + 3000);
	h_fini(&h);
}
END_TEST

/* Pieces in any order, overlapping in any way, make the same stream; and an
 * overlap does not change what is there already. */
START_TEST(any_order_makes_the_same_stream)
{
	static uint8_t want[20000];
	uint64_t rnd = (uint64_t)_i * 77777 + 5;
	uint32_t base, at, len, i;

	open_settled(_i % 2);
	base = h.seq;
	h_fill(want, 0, sizeof(want));
	for (i = 0; i < 4000 && h.ngot < sizeof(want); i++) {
		rnd = rnd * 6364136223846793005u + 1442695040888963407u;
		at = (uint32_t)(rnd >> 33) % sizeof(want);
		len = 1 + (uint32_t)(rnd >> 20) % 1400;
		/* now and then just what is missing */
		if (i % 16 == 0)
			at = h.c->rcv_nxt - base;
		len = min_u32(len, (uint32_t)sizeof(want) - at);
		if (len != 0)
			piece(base, at, len);
		h_run(&h);
		h_drain(&h);
	}
	ck_assert_uint_eq(h.ngot, sizeof(want));
	ck_assert_mem_eq(h.got, want, sizeof(want));
	ck_assert_uint_eq(h.c->holes, 0);
	h_fini(&h);
}
END_TEST

/* Many small segments share buffers: they are charged by the buffer. */
START_TEST(small_segments_share_a_buffer)
{
	uint32_t i;

	open_settled(true);
	h.keep = true;
	for (i = 0; i < 1000; i++) {
		h_data(&h, "x", 1);
		h_run(&h);
		h_drain(&h);
	}
	ck_assert_uint_eq(conn_readable(h.c), 1000);
	ck_assert_uint_eq(h.c->rq_frames, 1);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.8.6: the window closes as the reader sleeps, never shrinks, and
 * what lies outside of it is not taken. */
START_TEST(window_closes_and_opens_without_shrinking)
{
	uint8_t buf[1400];
	struct h_seg *o;
	uint32_t edge, last = 0, i;

	h_conf(&h);
	h.s.conf.rcvbuf = h.s.conf.rcvbuf_max = 8192;
	h_start(&h);
	h_open(&h, true);
	h.keep = true;
	memset(buf, 1, sizeof(buf));
	for (i = 0; i < 10; i++) {
		h_data(&h, buf, sizeof(buf));
		h_run(&h);
		o = h_expect(&h, TH_ACK);
		edge = o->s.ack + ((uint32_t)o->s.wnd << h.ourscale);
		ck_assert(last == 0 || !seq_lt(edge, last));
		last = edge;
		h.seq = o->s.ack;
	}
	ck_assert_uint_eq(conn_readable(h.c), 8192);
	ck_assert_uint_eq(o->s.wnd, 0);
	/* RFC 9293 §3.8.6.1: a probe is answered, each time */
	for (i = 0; i < 3; i++) {
		h.seq--;
		h_send(&h, TH_ACK, NULL, 0);
		h.seq++;
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.wnd, 0);
		h_send(&h, TH_ACK, "p", 1);
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	}
	/* §3.8.6.2.2: not for a few bytes, but for a segment */
	H_SERVICE(&h, conn_consume(h.s.net, h.c, 100));
	h_run(&h);
	h_expect_none(&h);
	H_SERVICE(&h, conn_consume(h.s.net, h.c, 4000));
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_ge((uint32_t)o->s.wnd << h.ourscale, 2 * 1448);
	h_fini(&h);
}
END_TEST

/* A segment that reaches beyond the window is taken up to its edge. */
START_TEST(segment_is_cut_at_the_window)
{
	uint8_t buf[1400];

	h_conf(&h);
	h.s.conf.rcvbuf = h.s.conf.rcvbuf_max = 2048;
	h_start(&h);
	h_open(&h, true);
	h.keep = true;
	memset(buf, 1, sizeof(buf));
	h_data(&h, buf, sizeof(buf));
	h_send(&h, TH_ACK | TH_FIN, buf, sizeof(buf));
	h_run(&h);
	h_drain(&h);
	ck_assert_uint_eq(conn_readable(h.c), 2048);
	ck_assert_uint_eq(h.c->flags & TF_FIN_RCVD, 0);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.7.4: what lies beyond the window is not taken, whole or in
 * part, in order or not; it is answered by an ACK. */
START_TEST(window_is_enforced)
{
	uint8_t buf[3000];
	uint32_t base, i;

	h_conf(&h);
	h.s.conf.rcvbuf = h.s.conf.rcvbuf_max = 2048;
	h_start(&h);
	h_open(&h, true);
	h.keep = true;
	h_fill(buf, 0, sizeof(buf));
	base = h.seq;
	/* behind a hole, across the edge: cut; beyond it: nothing */
	h.seq = base + 1000;
	h_send(&h, TH_ACK, buf + 1000, 1400);
	h.seq = base + 2048;
	h_send(&h, TH_ACK, buf + 2048, 900);
	h_run(&h);
	for (i = 0; i < 2; i++)
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, base);
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_window), 1);
	h.seq = base;
	h_send(&h, TH_ACK, buf, 1000);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, base + 2048);
	/* the window is closed: not one byte */
	h.seq = base + 2048;
	h_send(&h, TH_ACK, buf + 2048, 900);
	h_send(&h, TH_ACK, buf + 2048, 1);
	h_run(&h);
	h_drain(&h);
	ck_assert_uint_eq(conn_readable(h.c), 2048);
	ck_assert_uint_eq(conn_copy(h.s.net, h.c, 0, h.got, 2048), 2048);
	ck_assert_mem_eq(h.got, buf, 2048);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §5.3 R1: an old timestamp: the data is not taken, an ACK sent. */
START_TEST(paws_drops_what_is_old)
{
	open_settled(true);
	h.tsval -= 1;
	h_send(&h, TH_ACK, "old", 3);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_uint_eq(h.ngot, 0);
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_paws), 1);
	h.tsval += 1;
	h_data(&h, "new", 3);
	h_run(&h);
	ck_assert_uint_eq(h.ngot, 3);
	h_fini(&h);
}
END_TEST

/* RFC 5961 §5.2: a segment whose ACK is not believed is dropped with its
 * timestamp: else it would make the peer's own look old. */
START_TEST(timestamp_of_a_wrong_ack_is_not_taken)
{
	uint32_t ack;

	open_settled(true);
	ack = h.ack;
	h.ack += 9999;
	h.tsval += 200000;
	h_send(&h, TH_ACK | TH_FIN, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_ack), 1);
	h.ack = ack;
	h.tsval -= 199999;
	h_data(&h, "good", 4);
	h_run(&h);
	ck_assert_uint_eq(h.ngot, 4);
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_paws), 0);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §5.5: after 24 days of silence the old timestamp says nothing. */
START_TEST(paws_forgets_after_24_days)
{
	open_settled(true);
	h.now += 24 * 86400 * SEC + SEC;
	h.tsval -= 1000;
	h_data(&h, "new", 3);
	h_run(&h);
	ck_assert_uint_eq(h.ngot, 3);
	ck_assert_uint_eq(h.c->ts_recent, h.tsval);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §4.3 (2): what is echoed is the stamp of the segment at the left
 * edge, not of one that leaves a hole. */
START_TEST(timestamp_of_the_left_edge_is_echoed)
{
	uint32_t base;

	open_settled(true);
	base = h.seq;
	h.tsval = 6000;
	piece(base, 100, 100);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.tsecr, 5000);
	h.tsval = 7000;
	piece(base, 0, 100);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.tsecr, 7000);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §3.2: once agreed, a segment without the option is dropped, a RST
 * is not. */
START_TEST(timestamps_agreed_are_required)
{
	open_settled(true);
	h_send_opts(&h, TH_ACK, NULL, 0, "bare", 4);
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_eq(h.ngot, 0);
	h_send_opts(&h, TH_RST, NULL, 0, NULL, 0);
	h_run(&h);
	ck_assert(h.events & CONN_GONE);
	h_fini(&h);
}
END_TEST

/* Malformed segments of an open connection change nothing. */
START_TEST(malformed_segments_change_nothing)
{
	uint8_t o[40];
	uint32_t i, k;
	struct conn was;

	open_settled(true);
	was = *h.c;
	for (i = 0; i < 256; i++) {
		for (k = 0; k < 12; k++)
			o[k] = (uint8_t)(i * (k + 1) + k);
		/* the last option reaches past the end */
		o[0] = 1;
		o[1] = 1;
		o[2] = (uint8_t)(i < 2 ? 2 : i);
		o[3] = (uint8_t)(i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 200);
		h_send_opts(&h, TH_ACK, o, 12, "evil", 4);
	}
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_eq(h.calls, 0);
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_header), 256);
	ck_assert_uint_eq(h.c->rcv_nxt, was.rcv_nxt);
	ck_assert_uint_eq(h.c->snd_una, was.snd_una);
	h_fini(&h);
}
END_TEST

/* SACK blocks that make no sense: inverted, outside of what is in flight,
 * overlapping. */
START_TEST(senseless_sack_blocks_change_nothing)
{
	struct range r[3];
	uint32_t una;

	h_init(&h);
	h_open(&h, true);
	h_write(&h, 4 * 1448);
	h_run(&h);
	h_drain(&h);
	una = h.ack;
	r[0] = (struct range){ una + 3000, una + 2000 };
	r[1] = (struct range){ una + 100000, una + 200000 };
	r[2] = (struct range){ una - 50000, una + 1448 };
	h_sack(&h, r, 3);
	h_run(&h);
	r[0] = (struct range){ una, una };
	r[1] = (struct range){ una + 2000, una + 2000 + (1u << 31) };
	h_sack(&h, r, 2);
	h_run(&h);
	ck_assert_uint_eq(h.c->snd_una, una);
	ck_assert_uint_eq(tcp_ext(h.s.net, h.c)->sacked, 0);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* Buffers of all connections together are bounded, and what fills a hole
 * drives out what lies behind it. */
START_TEST(held_buffers_are_bounded)
{
	uint32_t base, i;

	h_conf(&h);
	h.s.conf.rx_hold_max = 16;
	h.s.conf.rcvbuf = 65536;
	h_start(&h);
	h_open(&h, true);
	base = h.seq;
	for (i = 1; i < 40; i++) {
		piece(base, i * 1000, 1000);
		h_drain(&h);
	}
	ck_assert_uint_eq(h.s.net->rx_held, 12);
	h.keep = true;
	for (i = 0; i < 30; i++) {
		piece(base, h.c->rcv_nxt - base, 1000);
		h_run(&h);
		h_drain(&h);
		ck_assert_uint_le(h.s.net->rx_held, 16);
	}
	ck_assert_uint_gt(h_count(&h, CNT_drop_tcp_rcvbuf), 0);
	ck_assert_uint_ge(conn_readable(h.c), 13000);
	h_fini(&h);
}
END_TEST

/* So are those that hold nothing but a FIN behind a hole. */
START_TEST(held_fins_are_bounded)
{
	uint32_t base;

	h_conf(&h);
	h.s.conf.rx_hold_max = 4;
	h_start(&h);
	h_open(&h, true);
	base = h.seq;
	piece(base, 1000, 1000);
	piece(base, 3000, 1000);
	piece(base, 5000, 1000);
	h_drain(&h);
	ck_assert_uint_eq(h.s.net->rx_held, 3);
	h.seq = base + 7000;
	h_send(&h, TH_ACK | TH_FIN, NULL, 0);
	ck_assert_uint_eq(h.s.net->rx_held, 3);
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_rcvbuf), 1);
	h_fini(&h);
}
END_TEST

/* RFC 9293 (3.8.6): what the window promised is taken, however it is cut;
 * half segments filled the buffers before that, and the peer saw losses. */
START_TEST(a_promised_window_is_taken_in_segments_of_any_size)
{
	static const uint32_t size[] = { 1, 100, 513, 600, 724, 760, 1000,
	    1400 };
	const uint32_t window = 128 << 10;
	uint8_t buf[1400];
	uint32_t i, n;

	memset(buf, 1, sizeof(buf));
	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		h_conf(&h);
		h.s.conf.rcvbuf = h.s.conf.rcvbuf_max = window;
		h_start(&h);
		h_open(&h, true);
		h.keep = true;
		for (n = size[i]; n <= window; n += size[i]) {
			h_data(&h, buf, size[i]);
			h_run(&h);
			h_drain(&h);
		}
		ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_rcvbuf), 0);
		ck_assert_uint_eq(conn_readable(h.c), n - size[i]);
		h_fini(&h);
	}
}
END_TEST

static void
shut(struct h *hp, struct conn *c, uint32_t ev)
{
	(void)ev;
	conn_shutdown(hp->s.net, c);
}

/* The receive buffer grows when a window's worth comes in a round trip and
 * the reader keeps up, also when it has nothing more to say itself; it does
 * not when the window is not what limits. */
START_TEST(receive_buffer_grows_with_the_stream)
{
	static const struct {
		uint32_t segments, kb; /* in a round trip; buffer after it */
		void (*hook)(struct h *, struct conn *, uint32_t);
		bool all;	/* with timestamps */
	} row[] = { { 11, 32, NULL, true }, { 2, 16, NULL, true },
	    { 11, 32, shut, true }, { 11, 32, NULL, false },
	    { 2, 16, NULL, false } };
	static uint8_t buf[1400];
	uint32_t round, i, k;

	for (k = 0; k < 5; k++) {
		h_conf(&h);
		h.s.conf.rcvbuf = 16384;
		h_start(&h);
		h_open(&h, row[k].all);
		h.hook = row[k].hook;
		for (round = 0; round < 8; round++) {
			h.now += 10 * MS;
			h.tsval += 10;
			h.ngot = 0;
			for (i = 0; i < row[k].segments; i++) {
				h_data(&h, buf, sizeof(buf));
				h_run(&h);
			}
			while (h.iout < h.nout)
				h.tsecr = h.out[h.iout++].s.tsval;
			h_drain(&h);
		}
		ck_assert_uint_eq(h.c->rcvbuf_kb, row[k].kb);
		h_fini(&h);
	}
}
END_TEST

/* RFC 9293 §3.8.4: keepalive: a silent peer is asked, and at last given up; one
 * that answers is left alone. */
START_TEST(keepalive_asks_and_gives_up)
{
	uint32_t i, asked = 0;

	h_conf(&h);
	h.s.conf.keepalive_us = 10 * SEC;
	h_start(&h);
	h_open(&h, true);
	for (i = 0; i < 5; i++) {
		h_tick(&h, 10 * SEC + MS);
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.seq, h.ack - 1);
		h_send(&h, TH_ACK, NULL, 0);
		h_run(&h);
		h_expect_none(&h);
	}
	for (i = 0; i < 20 && h.events == 0; i++) {
		h_tick(&h, 10 * SEC + MS);
		asked += h_next(&h) != NULL;
		h_drain(&h);
	}
	ck_assert_uint_ge(asked, 8);
	ck_assert_uint_eq(h.events, CONN_GONE);
	ck_assert_int_eq(h.error, -ETIMEDOUT);
	h_fini(&h);
}
END_TEST

/* RFC 6093: urgent data is data. */
START_TEST(urgent_data_is_read_in_line)
{
	open_settled(true);
	h_send(&h, TH_ACK | TH_URG | TH_PSH, "urgent", 6);
	h_run(&h);
	ck_assert_uint_eq(h.ngot, 6);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_receive");
	TCase *t = tcase_create("tcp_receive");

	tcase_add_test(t, second_full_segment_is_acknowledged_at_once);
	tcase_add_test(t, delayed_ack_comes_in_time);
	tcase_add_test(t, delayed_ack_can_be_off);
	tcase_add_test(t, ack_rides_on_the_answer);
	tcase_add_test(t, sack_reports_the_newest_block_first);
	tcase_add_test(t, sack_fills_the_option_space);
	tcase_add_test(t, hole_filled_is_acknowledged_at_once);
	tcase_add_test(t, duplicate_is_reported_by_dsack);
	tcase_add_loop_test(t, any_order_makes_the_same_stream, 0, 8);
	tcase_add_test(t, small_segments_share_a_buffer);
	tcase_add_test(t,
	    a_promised_window_is_taken_in_segments_of_any_size);
	tcase_add_test(t, window_closes_and_opens_without_shrinking);
	tcase_add_test(t, segment_is_cut_at_the_window);
	tcase_add_test(t, window_is_enforced);
	tcase_add_test(t, paws_drops_what_is_old);
	tcase_add_test(t, timestamp_of_a_wrong_ack_is_not_taken);
	tcase_add_test(t, paws_forgets_after_24_days);
	tcase_add_test(t, timestamp_of_the_left_edge_is_echoed);
	tcase_add_test(t, timestamps_agreed_are_required);
	tcase_add_test(t, malformed_segments_change_nothing);
	tcase_add_test(t, senseless_sack_blocks_change_nothing);
	tcase_add_test(t, held_buffers_are_bounded);
	tcase_add_test(t, held_fins_are_bounded);
	tcase_add_test(t, receive_buffer_grows_with_the_stream);
	tcase_add_test(t, keepalive_asks_and_gives_up);
	tcase_add_test(t, urgent_data_is_read_in_line);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
