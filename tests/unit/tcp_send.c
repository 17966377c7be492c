/* TCP: sending: segments, Nagle, windows, probes, zero copy. */
#include <errno.h>

#include "tcp_harness.h"

static struct h h;

/* Take all that was sent; returns payload bytes, checks that they follow each
 * other from *at on and are the pattern. */
static uint32_t
take_stream(uint32_t first, uint32_t *at)
{
	uint8_t want[2048];
	struct h_seg *o;
	uint32_t sum = 0;

	while ((o = h_next(&h)) != NULL) {
		if (o->s.ts)
			h.tsecr = o->s.tsval;
		if (o->s.len == 0)
			continue;
		ck_assert_uint_eq(o->s.seq, first + *at);
		h_fill(want, *at, o->s.len);
		ck_assert_mem_eq(o->data, want, o->s.len);
		*at += o->s.len;
		sum += o->s.len;
	}
	return sum;
}

/* Options of a data segment: nop, nop, timestamps (RFC 7323 appendix A); PSH on
 * the last segment of a write. */
START_TEST(data_segments_look_like_linux)
{
	struct h_seg *o;

	h_init(&h);
	h_open(&h, true);
	h_write(&h, 3000);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->optlen, 12);
	ck_assert_mem_eq(o->opts, "\1\1\10\12", 4);
	ck_assert_uint_eq(o->s.tsecr, 5000);
	ck_assert_uint_eq(o->s.len, 1448);
	ck_assert_uint_eq(o->framelen, 1500);
	ck_assert_uint_eq(o->s.flags, TH_ACK);
	h_expect(&h, TH_ACK);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.len, 104);
	ck_assert_uint_eq(o->s.flags, TH_ACK | TH_PSH);
	h_fini(&h);
}
END_TEST

/* RFC 6928: ten segments before the first ACK; RFC 5681 §3.1: then twice as
 * many. */
START_TEST(initial_window_is_ten_and_slow_start_doubles)
{
	uint32_t first, at = 0;

	h_init(&h);
	h_open(&h, true);
	first = h.ack;
	h_write(&h, 100 * 1448);
	h_run(&h);
	ck_assert_uint_eq(take_stream(first, &at), 10 * 1448);
	h.now += 10 * MS;
	h_ack(&h, first + at);
	h_run(&h);
	ck_assert_uint_eq(take_stream(first, &at), 20 * 1448);
	h.now += 10 * MS;
	h_ack(&h, first + at);
	h_run(&h);
	/* two calls: a turn's share is limited */
	h_run(&h);
	h_run(&h);
	ck_assert_uint_eq(take_stream(first, &at), 40 * 1448);
	h_fini(&h);
}
END_TEST

/* RFC 7661, RFC 9438 §4.2: who does not use the window does not widen it. */
START_TEST(unused_window_does_not_grow)
{
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	for (i = 0; i < 100; i++) {
		h_write(&h, 100);
		h_run(&h);
		h_expect(&h, TH_ACK);
		h_ack(&h, h.ack + 100);
		h_run(&h);
	}
	ck_assert_uint_eq(h.c->cwnd, 10 * 1448);
	h_fini(&h);
}
END_TEST

/* RFC 5681 §4.1: after a pause longer than the RTO it starts from the initial
 * window again. */
START_TEST(window_restarts_after_idle)
{
	uint32_t first, at = 0;

	h_init(&h);
	h_open(&h, true);
	first = h.ack;
	h_write(&h, 30 * 1448);
	h_run(&h);
	take_stream(first, &at);
	h_ack(&h, first + at);
	h_run(&h);
	take_stream(first, &at);
	h_ack(&h, first + at);
	h_run(&h);
	ck_assert_uint_gt(h.c->cwnd, 20 * 1448);
	h.now += 5 * SEC;
	h_write(&h, 100 * 1448);
	h_run(&h);
	ck_assert_uint_eq(h.c->snd_nxt - h.c->snd_una, 10 * 1448);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.7.4, Nagle in Minshall's form: a short segment waits only for
 * the ACK of another short one. */
START_TEST(nagle_holds_the_second_short_segment)
{
	h_init(&h);
	h_open(&h, true);
	h_write(&h, 100);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 100);
	h_write(&h, 100);
	h_run(&h);
	h_expect_none(&h);
	h_ack(&h, h.ack + 100);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 100);
	h_ack(&h, h.ack + 100);
	/* a full one in flight holds nothing back */
	h_write(&h, 1448);
	h_run(&h);
	h_write(&h, 100);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 1448);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 100);
	h_fini(&h);
}
END_TEST

START_TEST(nodelay_sends_at_once)
{
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	conn_nodelay(h.c, true);
	for (i = 0; i < 5; i++) {
		h_write(&h, 100);
		h_run(&h);
		ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 100);
	}
	h_fini(&h);
}
END_TEST

/* TCP_CORK: only full segments, until it is taken off. */
START_TEST(cork_holds_until_taken_off)
{
	h_init(&h);
	h_open(&h, true);
	conn_cork(h.s.net, h.c, true);
	h_write(&h, 2000);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 1448);
	h_expect_none(&h);
	h_ack(&h, h.ack + 1448);
	h_tick(&h, SEC);
	h_expect_none(&h);
	H_SERVICE(&h, conn_cork(h.s.net, h.c, false));
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 552);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.8.6: never beyond the peer's window. */
START_TEST(peers_window_is_kept)
{
	uint32_t first, at = 0;

	h_init(&h);
	h_open(&h, true);
	first = h.ack;
	h.wnd = 5000 >> 7;
	h_send(&h, TH_ACK, NULL, 0);
	h_write(&h, 20000);
	h_run(&h);
	ck_assert_uint_le(take_stream(first, &at), 5000);
	ck_assert_uint_eq(at, 3 * 1448);
	h.wnd = 0;
	h_ack(&h, first + at);
	h_run(&h);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* A window that shrank takes nothing back: it is obeyed for what is new. */
START_TEST(shrunk_window_is_survived)
{
	uint32_t first, at = 0;

	h_init(&h);
	h_open(&h, true);
	first = h.ack;
	h_write(&h, 20000);
	h_run(&h);
	take_stream(first, &at);
	ck_assert_uint_eq(at, 14480);
	h.wnd = 8;
	h_ack(&h, first + 1448);
	h_run(&h);
	h_expect_none(&h);
	h.wnd = 1000;
	h_ack(&h, first + 14480);
	h_run(&h);
	take_stream(first, &at);
	ck_assert_uint_eq(at, 20000);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.8.6.1: a closed window is probed, less and less often, for as
 * long as the peer answers; and sending goes on when it opens. */
START_TEST(zero_window_is_probed)
{
	uint64_t rto, gap;
	struct h_seg *o;
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	h.wnd = 0;
	h_send(&h, TH_ACK, NULL, 0);
	h_write(&h, 1000);
	h_run(&h);
	h_expect_none(&h);
	rto = tcp_rto_us(h.s.net, h.c);
	for (i = 0; i < 30; i++) {
		gap = h_wait(&h);
		if (i < 8)
			ck_assert_uint_eq(gap, rto << i);
		ck_assert_uint_le(gap, h.s.conf.rto_max_us);
		o = h_expect(&h, TH_ACK);
		ck_assert_uint_eq(o->s.len, 0);
		ck_assert_uint_eq(o->s.seq, h.ack - 1);
		h_send(&h, TH_ACK, NULL, 0);
		h_run(&h);
		h_expect_none(&h);
	}
	ck_assert_uint_eq(h.calls, 0);
	h.wnd = 100;
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 1000);
	ck_assert_uint_eq(h.c->backoff, 0);
	h_fini(&h);
}
END_TEST

/* Nobody answers the probes: it is over, once the retries are used up. */
START_TEST(zero_window_and_silence_times_out)
{
	uint32_t i;

	h_conf(&h);
	h.s.conf.retries = 4;
	h_start(&h);
	h_open(&h, true);
	h.wnd = 0;
	h_send(&h, TH_ACK, NULL, 0);
	h_write(&h, 1000);
	for (i = 0; i < 20 && h.calls == 0; i++) {
		h_wait(&h);
		h_drain(&h);
	}
	ck_assert_uint_eq(h.events, CONN_GONE);
	ck_assert_int_eq(h.error, -ETIMEDOUT);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.8.6.2.1: a sliver of window is not used, until the timer says
 * that there will be no more. */
START_TEST(silly_window_is_avoided)
{
	h_init(&h);
	h_open(&h, true);
	h.wnd = 4;			/* 512 bytes of 262,000 */
	h_send(&h, TH_ACK, NULL, 0);
	h_write(&h, 10000);
	h_run(&h);
	h_expect_none(&h);
	h_tick(&h, SEC);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 512);
	h_fini(&h);
}
END_TEST

/* But all that a small host ever offers is used by halves. */
START_TEST(small_hosts_are_served)
{
	uint32_t first, at = 0;
	struct h_seg *o;

	h_init(&h);
	h.wnd = 1000;
	h_syn(&h, TH_SYN, false);
	o = h_expect(&h, TH_SYN | TH_ACK);
	h.seq++;
	h.ack = first = o->s.seq + 1;
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
	h_write(&h, 2500);
	h_run(&h);
	ck_assert_uint_eq(take_stream(first, &at), 1000);
	h_ack(&h, first + at);
	h_run(&h);
	ck_assert_uint_eq(take_stream(first, &at), 1000);
	h_ack(&h, first + at);
	h_run(&h);
	ck_assert_uint_eq(take_stream(first, &at), 500);
	h_fini(&h);
}
END_TEST

/* An older segment must not set the window (RFC 9293, SND.WL1). */
START_TEST(old_segment_does_not_set_the_window)
{
	h_init(&h);
	h_open(&h, true);
	h_data(&h, "abc", 3);
	h_run(&h);
	h_drain(&h);
	h.seq -= 3;
	h.wnd = 0;
	h_send(&h, TH_ACK, "abc", 3);
	h.seq += 3;
	h_run(&h);
	ck_assert_uint_gt(h.c->snd_wnd, 0);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* ---- frames: ranges, TSO, marks ---- */

/* Big pieces are sent from where they lie; the chunk is not used again before
 * the frame is gone. */
START_TEST(chunk_waits_for_its_frame)
{
	struct pktq *q;
	uint32_t free, first;
	const struct pkt *p;

	h_init(&h);
	h_open(&h, true);
	h.s.net->port[0].conf.caps = NET_CAP_FRAGS;
	first = h.ack;
	free = h.s.net->nchunk_free;
	h_write(&h, 1448);
	net_output(h.s.net, h.now);
	q = net_out(h.s.net);
	ck_assert_uint_eq(q->n, 1);
	p = q->p[0];
	ck_assert_uint_eq(p->nfrag, 1);
	ck_assert_uint_eq(p->frag[0].len, 1448);
	ck_assert_uint_eq(h.s.net->nchunk_free, free - 1);
	/* the ACK comes before the lane says that the frame is done */
	h.ack = first + 1448;
	h.tsecr = tcp_now_ms(h.s.net) + h.c->ts_off;
	hands_set(h.s.net, conn_id(h.s.net, h.c));
	tcp_ack(h.s.net, h.c, &(struct tcp_seg_in){ .seq = h.seq,
	    .ack = h.ack, .wnd = 1000, .flags = TH_ACK, .ts = true,
	    .tsval = h.tsval, .tsecr = h.tsecr });
	hands_clear(h.s.net);
	ck_assert_uint_eq(h.c->sq_len, 0);
	ck_assert_uint_eq(h.s.net->nchunk_free, free - 1);
	ck_assert_uint_ne(h.s.net->limbo_head, ARENA_NONE);
	h_collect(&h);		/* sends and reports */
	ck_assert_uint_eq(h.s.net->nchunk_free, free);
	ck_assert_uint_eq(h.s.net->limbo_head, ARENA_NONE);
	h_fini(&h);
}
END_TEST

/* With TSO one frame carries many segments: a multiple of the MSS, but for the
 * end. */
START_TEST(tso_sends_many_segments_in_a_frame)
{
	static uint8_t big[40000];
	struct pktq *q;
	const struct pkt *p;

	h_init(&h);
	h_open(&h, true);
	h.s.net->port[0].conf.caps = NET_CAP_FRAGS | NET_CAP_TSO |
	    NET_CAP_TX_L4CSUM | NET_CAP_TX_IPCSUM;
	h.c->cwnd = 20 * 1448 + 700;
	hands_set(h.s.net, conn_id(h.s.net, h.c));
	ck_assert_uint_eq(conn_write(h.s.net, h.c, "head", 4), 4);
	ck_assert_int_eq(conn_send_mem(h.s.net, h.c, big, sizeof(big)), 0);
	hands_clear(h.s.net);
	net_output(h.s.net, h.now);
	q = net_out(h.s.net);
	ck_assert_uint_eq(q->n, 1);
	p = q->p[0];
	ck_assert(p->flags & PKT_TX_TSO);
	ck_assert_uint_eq(p->tso_mss, 1448);
	ck_assert_uint_eq(p->l4_len, 32);
	ck_assert_uint_eq(pkt_total(p) - 14 - 20 - 32, 20 * 1448);
	/* the head was copied, the rest is a range */
	ck_assert_uint_eq(p->nfrag, 1);
	ck_assert_uint_eq(p->len, 14 + 20 + 32 + 4);
	q->n = 0;
	pktpool_put(&h.s.pool, (struct pkt *)(uintptr_t)p);
	net_tx_done(h.s.net, net_tx_mark(h.s.net));
	/* one ACK for a part: the rest of the frame stays in flight */
	h.s.net->port[0].conf.caps = 0;
	h_ack(&h, h.ack + 3 * 1448);
	ck_assert_uint_eq(tcp_flight(h.c), 17 * 1448);
	h_fini(&h);
}
END_TEST

/* Many small pieces, more than a frame has ranges: copied, whole segments all
 * the same. */
START_TEST(many_pieces_fill_segments)
{
	static uint8_t mem[64];
	uint32_t i, n = 0;
	struct h_seg *o;

	h_init(&h);
	h_open(&h, true);
	h.s.net->port[0].conf.caps = NET_CAP_FRAGS;
	hands_set(h.s.net, conn_id(h.s.net, h.c));
	for (i = 0; i < 20; i++) {
		conn_write(h.s.net, h.c, "0123456789", 10);
		conn_send_mem(h.s.net, h.c, mem, sizeof(mem));
	}
	hands_clear(h.s.net);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.len, 1448);
	for (i = 0; i < 1448; i++)
		n += o->data[i] != 0;
	ck_assert_uint_eq(n, 200 - 10 * (20 * 74 - 1448) / 1000);
	h_expect(&h, TH_ACK);
	h_fini(&h);
}
END_TEST

/* One exchange: what came, what was sent, and the state behind it. */
struct trace {
	struct h_seg seg;
	struct conn c;
};

/* Sixty exchanges with pieces of all lengths; pieces: in how many chunks the
 * answer lies, which is what tells the two ways out apart. */
static void
exchanges(struct trace *t, bool all, uint32_t pieces)
{
	static uint8_t in[600], mem[600];
	uint32_t i, k, len;

	h_init(&h);
	h_open(&h, all);
	h_fill(mem, 0, sizeof(mem));
	for (i = 0; i < 60; i++) {
		h.now += 7 * MS * (i % 5 == 0 ? 100 : 1);
		h.tsval += 7;
		h.ngot = 0;
		for (k = 0; k <= i % 3; k++)
			h_data(&h, in, 1 + i * 9);
		net_events(h.s.net, h.now, 64);
		len = 2 + i * 8;
		hands_set(h.s.net, conn_id(h.s.net, h.c));
		if (pieces == 1) {
			conn_write(h.s.net, h.c, mem, len);
		} else {
			conn_send_mem(h.s.net, h.c, mem, len / 2);
			conn_send_mem(h.s.net, h.c, mem + len / 2,
			    len - len / 2);
		}
		hands_clear(h.s.net);
		h_run(&h);
		t[i].seg = *h_expect(&h, TH_ACK);
		t[i].c = *h.c;
		h_expect_none(&h);
		ck_assert_uint_eq(t[i].seg.s.len, len);
		h.ack += len;
	}
	h_fini(&h);
}

/* The straight way out and the general one say the same, byte for byte, and
 * leave the same state. */
START_TEST(short_way_sends_the_same)
{
	static struct trace a[60], b[60];
	uint32_t i;

	exchanges(a, _i, 1);
	exchanges(b, _i, 2);
	for (i = 0; i < 60; i++) {
		ck_assert_mem_eq(&a[i].seg, &b[i].seg, sizeof(a[i].seg));
		ck_assert_uint_eq(a[i].c.flags, b[i].c.flags);
		ck_assert_uint_eq(a[i].c.snd_nxt, b[i].c.snd_nxt);
		ck_assert_uint_eq(a[i].c.rcv_adv, b[i].c.rcv_adv);
		ck_assert_uint_eq(a[i].c.last_ack, b[i].c.last_ack);
		ck_assert_uint_eq(a[i].c.cwnd, b[i].c.cwnd);
		ck_assert_uint_eq(a[i].c.timer, b[i].c.timer);
		ck_assert_uint_eq(a[i].c.t_rexmit, b[i].c.t_rexmit);
		ck_assert_uint_eq(a[i].c.snd_time, b[i].c.snd_time);
		ck_assert_uint_eq(a[i].c.rec.deadline, b[i].c.rec.deadline);
	}
}
END_TEST

/* ---- ECN, RFC 3168 ---- */

START_TEST(ecn_is_agreed_marked_and_echoed)
{
	struct h_seg *o;

	h_conf(&h);
	h.s.conf.ecn = 1;
	h_start(&h);
	h_syn(&h, TH_SYN | TH_ECE | TH_CWR, true);
	o = h_expect(&h, TH_SYN | TH_ACK | TH_ECE);
	ck_assert_uint_eq(o->tos & 3, 0);
	h.seq++;
	h.ack = o->s.seq + 1;
	h.ts = true;
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
	h_write(&h, 5000);
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->tos & 3, ECN_ECT0);
	h_drain(&h);
	/* the peer echoes congestion: the rate falls once, CWR says so */
	h_send(&h, TH_ACK | TH_ECE, NULL, 0);
	h_run(&h);
	ck_assert_uint_lt(h.c->cwnd, 10 * 1448);
	h.ack += 5000;
	h_send(&h, TH_ACK, NULL, 0);
	h_write(&h, 100);
	h_run(&h);
	ck_assert(h_expect(&h, TH_ACK | TH_CWR)->s.len == 100);
	h_fini(&h);
}
END_TEST

START_TEST(ecn_can_be_off)
{
	h_conf(&h);
	h.s.conf.ecn = 0;
	h_start(&h);
	h_syn(&h, TH_SYN | TH_ECE | TH_CWR, true);
	h_expect(&h, TH_SYN | TH_ACK);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_send");
	TCase *t = tcase_create("tcp_send");

	tcase_add_test(t, data_segments_look_like_linux);
	tcase_add_test(t, initial_window_is_ten_and_slow_start_doubles);
	tcase_add_test(t, unused_window_does_not_grow);
	tcase_add_test(t, window_restarts_after_idle);
	tcase_add_test(t, nagle_holds_the_second_short_segment);
	tcase_add_test(t, nodelay_sends_at_once);
	tcase_add_test(t, cork_holds_until_taken_off);
	tcase_add_test(t, peers_window_is_kept);
	tcase_add_test(t, shrunk_window_is_survived);
	tcase_add_test(t, zero_window_is_probed);
	tcase_add_test(t, zero_window_and_silence_times_out);
	tcase_add_test(t, silly_window_is_avoided);
	tcase_add_test(t, small_hosts_are_served);
	tcase_add_test(t, old_segment_does_not_set_the_window);
	tcase_add_test(t, chunk_waits_for_its_frame);
	tcase_add_test(t, tso_sends_many_segments_in_a_frame);
	tcase_add_test(t, many_pieces_fill_segments);
	tcase_add_loop_test(t, short_way_sends_the_same, 0, 2);
	tcase_add_test(t, ecn_is_agreed_marked_and_echoed);
	tcase_add_test(t, ecn_can_be_off);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
