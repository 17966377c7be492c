/* TCP: its parts alone: the table of segments, options, growth of windows. */
#include <errno.h>
#include <math.h>

#include "tcp_harness.h"

static struct h h;
static uint64_t rnd;

static uint32_t
roll(uint32_t n)
{
	rnd = rnd * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rnd >> 33) % n;
}

/* ---- segments in flight ---- */

#define MODEL	4000u

struct model {
	uint32_t n, start;
	struct {
		uint32_t end;
		uint8_t flags;
	} s[MODEL];
};

static struct model m;

static void
same(void)
{
	uint32_t i = 0, sacked = 0, lost = 0, start = m.start;
	struct tcp_ext *x = tcp_ext(h.s.net, h.c);
	struct seg_it it;

	for (seg_first(h.s.net, h.c, &it); it.s != NULL;
	    seg_next(h.s.net, h.c, &it)) {
		if (i >= m.n || it.start != start ||
		    it.s->end != m.s[i].end ||
		    (it.s->flags & ~SEG_PUSH) != m.s[i].flags)
			ck_abort_msg("entry %u differs", i);
		if ((it.s->flags & SEG_SACKED) != 0)
			sacked += it.s->end - it.start;
		if ((it.s->flags & SEG_LOST) != 0)
			lost += it.s->end - it.start;
		start = it.s->end;
		i++;
	}
	ck_assert_uint_eq(i, m.n);
	ck_assert_uint_eq(x->nseg, m.n);
	ck_assert_uint_eq(x->sacked, sacked);
	ck_assert_uint_eq(x->lost, lost);
}

static void
do_send(void)
{
	uint32_t len = 1 + roll(5000);

	if (m.n == MODEL - 2)
		return;
	tcp_seg_add(h.s.net, h.c, h.c->snd_nxt + len);
	h.c->snd_nxt += len;
	m.s[m.n].end = h.c->snd_nxt;
	m.s[m.n++].flags = 0;
}

/* The cursor at a random entry; its number. */
static uint32_t
pick(struct seg_it *it)
{
	uint32_t i, k = roll(m.n);

	seg_first(h.s.net, h.c, it);
	for (i = 0; i < k; i++)
		seg_next(h.s.net, h.c, it);
	return k;
}

static void
do_split(void)
{
	struct seg_it it;
	uint32_t k, at;

	if (m.n == 0 || m.n == MODEL - 2)
		return;
	k = pick(&it);
	if (it.s->end - it.start < 2)
		return;
	at = it.start + 1 + roll(it.s->end - it.start - 1);
	ck_assert(seg_split(h.s.net, h.c, &it, at));
	ck_assert_uint_eq(it.s->end, at);
	memmove(&m.s[k + 1], &m.s[k], (m.n - k) * sizeof(m.s[0]));
	m.s[k].end = at;
	m.n++;
}

static void
do_mark(void)
{
	struct tcp_ext *x = tcp_ext(h.s.net, h.c);
	struct seg_it it;
	uint32_t k;

	if (m.n == 0)
		return;
	k = pick(&it);
	if (m.s[k].flags == 0 && roll(2) == 0) {
		it.s->flags = m.s[k].flags = SEG_SACKED;
		x->sacked += it.s->end - it.start;
	} else if (m.s[k].flags == 0) {
		tcp_mark_lost(h.c, x, &it);
		m.s[k].flags = SEG_LOST;
	}
}

static void
do_ack(void)
{
	uint32_t ack = h.c->snd_una + roll(tcp_flight(h.c) / 4 + 2), k = 0;
	struct tcp_acked r = { 0 };

	if (tcp_flight(h.c) == 0)
		return;
	if (roll(20) == 0)
		ack = h.c->snd_nxt;
	seg_acked(h.s.net, h.c, ack, &r);
	ck_assert_uint_eq(r.acked, ack - h.c->snd_una);
	h.c->snd_una = m.start = ack;
	while (k < m.n && seq_leq(m.s[k].end, ack))
		k++;
	memmove(&m.s[0], &m.s[k], (m.n - k) * sizeof(m.s[0]));
	m.n -= k;
}

/* RFC 8985 §5.2: whatever is sent, cut, reported and acknowledged, the table
 * says the same as a plain array, also where numbers wrap. */
START_TEST(segment_table_is_a_list)
{
	uint32_t i, op, most = 0;

	h_init(&h);
	h_open(&h, true);
	rnd = (uint64_t)_i + 1;
	m.n = 0;
	h.c->snd_una = h.c->snd_nxt = m.start = 0u - 200000u;
	ck_assert_ptr_nonnull(tcp_ext_get(h.s.net, h.c));
	for (i = 0; i < 6000; i++) {
		op = roll(100);
		if (op < 50)
			do_send();
		else if (op < 75)
			do_split();
		else if (op < 95)
			do_mark();
		else
			do_ack();
		if (i % 50 == 0)
			same();
		most = max_u32(most, h.s.conf.shape.small +
		    h.s.conf.shape.chunks - h.s.net->nsmall_free -
		    h.s.net->nchunk_free);
	}
	same();
	/* it went beyond one chunk, or nothing was tested */
	ck_assert_uint_gt(most, 2);
	tcp_ext_free(h.s.net, h.c);
	h.c->snd_una = h.c->snd_nxt;
	h_fini(&h);
}
END_TEST

/* ---- options ---- */

/* Any 40 bytes: the parser ends, reads nothing else (ASan), and says the same
 * of the same bytes. */
START_TEST(any_options_are_parsed_safely)
{
	struct tcp_seg_in a, b;
	uint32_t i, k, len;
	uint8_t *o;

	rnd = 9;
	for (i = 0; i < 50000; i++) {
		len = roll(41);
		o = malloc(len + 1);
		ck_assert_ptr_nonnull(o);
		for (k = 0; k < len; k++)
			o[k] = (uint8_t)(roll(3) == 0 ? roll(256) : roll(12));
		memset(&a, 0, sizeof(a));
		a.wscale = TCP_WSCALE_NONE;
		a.flags = (uint8_t)roll(256);
		b = a;
		ck_assert_uint_eq(tcp_opt_parse(o, len, &a),
		    tcp_opt_parse(o, len, &b));
		if (a.nsack > TCP_SACKS || (a.wscale > TCP_WSCALE_MAX &&
		    a.wscale != TCP_WSCALE_NONE) ||
		    (a.mss != 0 && a.mss < TCP_MSS_MIN) ||
		    memcmp(&a, &b, sizeof(a)) != 0)
			ck_abort_msg("options out of range");
		free(o);
	}
}
END_TEST

/* Headers whose data offset is below 5 or past the segment. */
START_TEST(data_offset_is_checked)
{
	uint8_t t[64] = { 0 };
	struct tcp_seg_in s;
	uint32_t off, len;

	for (off = 0; off < 16; off++)
		for (len = 0; len <= 64; len++) {
			t[12] = (uint8_t)(off << 4);
			ck_assert_uint_eq(tcp_parse(&s, t, len),
			    len >= 20 && off >= 5 && off * 4 <= len);
		}
}
END_TEST

/* SYN options of each kind are of a length that a header can say, and are
 * read back as they were written. */
START_TEST(syn_options_are_whole_words)
{
	uint32_t i, len, ts[2] = { 0x12345678, 0x9abcdef0 };
	struct tcp_seg_in s;
	uint8_t o[40];

	for (i = 0; i < 8; i++) {
		memset(&s, 0, sizeof(s));
		s.flags = TH_SYN;
		s.wscale = TCP_WSCALE_NONE;
		len = tcp_opt_syn(o, 1460, i & 1 ? 7 : TCP_WSCALE_NONE,
		    (i & 2) != 0, (i & 4) != 0, ts);
		ck_assert_uint_eq(len % 4, 0);
		ck_assert(tcp_opt_parse(o, len, &s));
		ck_assert_uint_eq(s.mss, 1460);
		ck_assert_uint_eq(s.wscale, i & 1 ? 7 : TCP_WSCALE_NONE);
		ck_assert_uint_eq(s.sack_ok, (i & 2) != 0);
		ck_assert_uint_eq(s.ts, (i & 4) != 0);
		ck_assert_uint_eq(s.tsval, i & 4 ? ts[0] : 0);
	}
}
END_TEST

/* ---- congestion control ---- */

/* One window's worth of ACKs, two segments each. */
static void
round_trip(uint32_t rtt_us)
{
	uint32_t left = h.c->cwnd, step;

	tcp_ext(h.s.net, h.c)->full = 1;
	net_time(h.s.net, h.s.net->now + rtt_us);
	while (left != 0) {
		step = min_u32(left, 2u * h.c->mss);
		tcp_cc_ack(h.s.net, h.c, step, rtt_us);
		left -= step;
	}
}

/* RFC 5681 §3.1: NewReno grows by one segment in a round trip. */
START_TEST(newreno_grows_by_a_segment)
{
	struct tcp_ext *x;
	uint32_t i, was;

	h_init(&h);
	h_open(&h, true);
	x = tcp_ext_get(h.s.net, h.c);
	x->cc = NET_CC_NEWRENO;
	h.c->cwnd = x->ssthresh = 20 * h.c->mss;
	was = h.c->cwnd;
	for (i = 1; i <= 50; i++)
		round_trip(10000);
	ck_assert_uint_ge(h.c->cwnd, was + 48u * h.c->mss);
	ck_assert_uint_le(h.c->cwnd, was + 51u * h.c->mss);
	h_fini(&h);
}
END_TEST

/* RFC 9438 §4.2: after a loss the window follows 0.4 (t - K)^3 + W_max. */
START_TEST(cubic_follows_its_curve)
{
	double wmax = 2000, k, t, want, got;
	struct tcp_ext *x;
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	x = tcp_ext_get(h.s.net, h.c);
	x->cc = NET_CC_CUBIC;
	h.c->srtt = 100000 << 3;
	h.c->cwnd = (uint32_t)wmax * h.c->mss;
	h.c->snd_nxt = h.c->snd_una + h.c->cwnd;
	x->ssthresh = tcp_cc(x)->ssthresh(h.s.net, h.c, x);
	h.c->snd_nxt = h.c->snd_una;
	ck_assert_double_eq_tol((double)x->ssthresh / h.c->mss, 1400, 2);
	h.c->cwnd = x->ssthresh;
	k = cbrt(wmax * 0.3 / 0.4);
	for (i = 1; i <= 200; i++) {
		round_trip(100000);
		t = (i - 1) * 0.1;
		want = 0.4 * pow(t + 0.1 - k, 3) + wmax;
		got = (double)h.c->cwnd / h.c->mss;
		if (i > 5)
			ck_assert_double_eq_tol(got / want, 1, 0.05);
	}
	h_fini(&h);
}
END_TEST

/* RFC 9438 §4.3: on a short path it is no slower than Reno. */
START_TEST(cubic_is_no_slower_than_reno_on_short_paths)
{
	struct tcp_ext *x;
	uint32_t i;

	h_init(&h);
	h_open(&h, true);
	x = tcp_ext_get(h.s.net, h.c);
	x->cc = NET_CC_CUBIC;
	h.c->srtt = 1000 << 3;
	h.c->cwnd = 20u * h.c->mss;
	h.c->snd_nxt = h.c->snd_una + h.c->cwnd;
	x->ssthresh = tcp_cc(x)->ssthresh(h.s.net, h.c, x);
	h.c->snd_nxt = h.c->snd_una;
	h.c->cwnd = x->ssthresh;
	for (i = 0; i < 40; i++)
		round_trip(1000);
	/* 14 segments and 0.53 each round trip, then 1 */
	ck_assert_uint_ge(h.c->cwnd, 30u * h.c->mss);
	ck_assert_uint_le(h.c->cwnd, 56u * h.c->mss);
	h_fini(&h);
}
END_TEST

/* The window is bounded, however long nothing is lost. */
START_TEST(windows_do_not_overflow)
{
	uint32_t cc, i;
	struct tcp_ext *x;

	for (cc = NET_CC_CUBIC; cc <= NET_CC_NEWRENO; cc++) {
		h_init(&h);
		h_open(&h, true);
		x = tcp_ext_get(h.s.net, h.c);
		x->cc = (uint8_t)cc;
		x->ssthresh = 1u << 29;
		h.c->srtt = 100000 << 3;
		for (i = 0; i < 2000; i++) {
			net_time(h.s.net, h.s.net->now + 100000);
			x->full = 1;
			tcp_cc_ack(h.s.net, h.c, h.c->cwnd, 0);
			ck_assert_uint_ge(h.c->cwnd, h.c->mss);
			ck_assert_uint_le(h.c->cwnd, (1u << 31) - 1);
		}
		h_fini(&h);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_parts");
	TCase *t = tcase_create("tcp_parts");

	tcase_add_loop_test(t, segment_table_is_a_list, 0, 6);
	tcase_add_test(t, any_options_are_parsed_safely);
	tcase_add_test(t, data_offset_is_checked);
	tcase_add_test(t, syn_options_are_whole_words);
	tcase_add_test(t, newreno_grows_by_a_segment);
	tcase_add_test(t, cubic_follows_its_curve);
	tcase_add_test(t, cubic_is_no_slower_than_reno_on_short_paths);
	tcase_add_test(t, windows_do_not_overflow);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
