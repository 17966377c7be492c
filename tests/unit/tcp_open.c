/* TCP: opening: the handshake, its options, cookies, and what is refused. */
#include <errno.h>

#include "tcp_harness.h"

static struct h h;

/* RFC 9293 §3.5: SYN, SYN-ACK, ACK; the service is told once. */
START_TEST(handshake_opens)
{
	h_init(&h);
	h_open(&h, true);
	ck_assert_uint_eq(h.c->state, TCP_ESTABLISHED);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_opened_passive), 1);
	h_fini(&h);
}
END_TEST

/* The options of a SYN-ACK stand as Linux writes them: mss, sackOK, TS, nop,
 * wscale. */
START_TEST(syn_ack_has_options_in_linux_order)
{
	static const uint8_t kinds[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10 };
	struct h_seg *o;

	h_init(&h);
	h_syn(&h, TH_SYN, true);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 20);
	ck_assert_mem_eq(o->opts, kinds, sizeof(kinds));
	ck_assert_uint_eq(get_be32(o->opts + 12), 5000);
	ck_assert_mem_eq(o->opts + 16, "\x01\x03\x03", 3);
	h_fini(&h);
}
END_TEST

/* RFC 7323 §2.2, §3.2, RFC 2018 §2: what the peer did not offer is not said. */
START_TEST(syn_ack_answers_only_what_was_offered)
{
	struct h_seg *o;

	h_init(&h);
	h_syn(&h, TH_SYN, false);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 4);
	ck_assert_uint_eq(o->s.mss, 1460);
	h_fini(&h);
}
END_TEST

/* RFC 6298 (2.1), (5.5), RFC 9293 §3.8.3 R2: the SYN-ACK is sent again after
 * one second, two, four ..., then the half-open record is gone. */
START_TEST(lost_syn_ack_is_sent_again_and_given_up)
{
	uint32_t i;

	h_init(&h);
	h_syn(&h, TH_SYN, true);
	h_run(&h);
	h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(h.s.net->nhalf, 1);
	for (i = 0; i < h.s.conf.synack_retries; i++) {
		h_tick(&h, (SEC << i) - MS);
		h_expect_none(&h);
		h_tick(&h, MS);
		h_expect(&h, TH_SYN | TH_ACK);
	}
	h_tick(&h, SEC << i);
	h_expect_none(&h);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	ck_assert_uint_eq(h.s.net->nhalf, 0);
	ck_assert_uint_eq(h.calls, 0);
	h_fini(&h);
}
END_TEST

/* The same SYN again means that our answer was lost: the same answer. */
START_TEST(repeated_syn_gets_the_same_answer)
{
	struct h_seg a, *b;

	h_init(&h);
	h_syn(&h, TH_SYN, true);
	a = *h_expect(&h, TH_SYN | TH_ACK);
	h.now += 10 * MS;
	h_syn(&h, TH_SYN, true);
	h_run(&h);
	b = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(a.s.seq, b->s.seq);
	ck_assert_uint_eq(a.s.ack, b->s.ack);
	ck_assert_uint_eq(a.optlen, b->optlen);
	ck_assert_uint_eq(h.s.net->nconns, 1);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.7.1: what a closed port answers. */
START_TEST(closed_port_answers_by_rst)
{
	struct h_seg *o;

	h_init(&h);
	h.dport = 81;
	h_send_opts(&h, TH_SYN, NULL, 0, "abc", 3);
	o = h_expect(&h, TH_RST | TH_ACK);
	ck_assert_uint_eq(o->s.seq, 0);
	ck_assert_uint_eq(o->s.ack, h.seq + 4);
	h.ack = 77;
	h_send_opts(&h, TH_ACK, NULL, 0, NULL, 0);
	o = h_expect(&h, TH_RST);
	ck_assert_uint_eq(o->s.seq, 77);
	h_send_opts(&h, TH_RST, NULL, 0, NULL, 0);
	h_send_opts(&h, TH_RST | TH_ACK, NULL, 0, NULL, 0);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.7.2: LISTEN: RST is ignored, ACK is refused, and what is
 * neither SYN nor ACK makes nothing. */
START_TEST(listener_takes_only_syn)
{
	static const uint8_t bad[] = { TH_RST, TH_FIN, 0, TH_SYN | TH_FIN,
	    TH_SYN | TH_RST, TH_PSH, TH_SYN | TH_FIN | TH_URG, 0xff ^ TH_ACK };
	uint32_t i;

	h_init(&h);
	for (i = 0; i < sizeof(bad); i++) {
		h_send_opts(&h, bad[i], NULL, 0, NULL, 0);
		h_run(&h);
		h_expect_none(&h);
	}
	h.ack = 12345;
	h_send_opts(&h, TH_ACK, NULL, 0, NULL, 0);
	ck_assert_uint_eq(h_expect(&h, TH_RST)->s.seq, 12345);
	h_send_opts(&h, TH_SYN | TH_ACK, NULL, 0, NULL, 0);
	ck_assert_uint_eq(h_expect(&h, TH_RST)->s.seq, 12345);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.7.2: text of a SYN may wait; it is not acknowledged, so the
 * peer sends it again. */
START_TEST(data_on_a_syn_is_not_acknowledged)
{
	struct h_seg *o;

	h_init(&h);
	h_send_opts(&h, TH_SYN, NULL, 0, "hello", 5);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->s.ack, h.seq + 1);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.7.1: without the option the MSS is 536; tiny ones count as 88
 * (a limit of ours), so that nobody makes us send crumbs. */
START_TEST(mss_is_clamped)
{
	static const struct {
		uint16_t said, used;
	} row[] = { { 0, 88 }, { 1, 88 }, { 64, 88 }, { 536, 536 },
	    { 1460, 1460 }, { 65535, 1460 } };
	uint8_t o[4] = { 2, 4 };
	uint32_t i;

	for (i = 0; i <= sizeof(row) / sizeof(row[0]); i++) {
		h_init(&h);
		if (i < sizeof(row) / sizeof(row[0])) {
			put_be16(o + 2, row[i].said);
			h_send_opts(&h, TH_SYN, o, 4, NULL, 0);
		} else {
			h_send_opts(&h, TH_SYN, NULL, 0, NULL, 0);
		}
		h_expect(&h, TH_SYN | TH_ACK);
		ck_assert_uint_eq(conn_at(h.s.net, 0)->mss,
		    i < sizeof(row) / sizeof(row[0]) ? row[i].used : 536);
		h_fini(&h);
	}
}
END_TEST

/* RFC 7323 §2.3: a shift above 14 counts as 14. */
START_TEST(window_scale_is_at_most_14)
{
	uint8_t o[8] = { 2, 4, 5, 0xb4, 1, 3, 3, 200 };

	h_init(&h);
	h_send_opts(&h, TH_SYN, o, 8, NULL, 0);
	h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(snd_scale(conn_at(h.s.net, 0)), 14);
	h_fini(&h);
}
END_TEST

/* Malformed options: nothing is made of the segment, and it is counted. */
START_TEST(malformed_options_are_dropped)
{
	static const uint8_t bad[][8] = {
		{ 2, 0, 5, 0xb4 }, { 2, 1, 5, 0xb4 }, { 2, 9, 5, 0xb4 },
		{ 1, 1, 1, 8 }, { 8, 10, 0, 0, 0, 0, 0, 0 }, { 5, 0 },
		{ 255, 255 }, { 1, 1, 1, 1, 1, 1, 3, 9 },
	};
	uint32_t i, n = sizeof(bad) / sizeof(bad[0]);

	h_init(&h);
	for (i = 0; i < n; i++) {
		h_send_opts(&h, TH_SYN, bad[i], 8, NULL, 0);
		h_expect_none(&h);
	}
	ck_assert_uint_eq(h_count(&h, CNT_drop_tcp_header), n);
	h_fini(&h);
}
END_TEST

/* ---- cookies, RFC 4987 §3.6 ---- */

/* The peer's answer to a SYN-ACK of any kind. */
static void
answer(struct h_seg *o)
{
	h.seq++;
	h.ack = o->s.seq + 1;
	h.ts = o->s.ts;
	h_send(&h, TH_ACK, NULL, 0);
	h_run(&h);
}

/* With the backlog full no record is made; the ACK that brings the cookie
 * back makes one, with all that the SYN had said. */
START_TEST(cookie_remembers_the_options)
{
	struct h_seg *o;
	struct conn *c;

	h_conf(&h);
	h.s.conf.backlog = 0;
	h_start(&h);
	h_syn(&h, TH_SYN, true);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 20);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h.now += 30 * MS;
	answer(o);
	h_expect_none(&h);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_cookies_ok), 1);
	ck_assert(h.events & CONN_OPEN);
	c = h.c;
	ck_assert_uint_eq(c->flags & (TF_SACK | TF_TS), TF_SACK | TF_TS);
	ck_assert_uint_eq(snd_scale(c), 7);
	ck_assert_uint_eq(rcv_scale(c), o->s.wscale);
	ck_assert_uint_eq(c->mss, 1460 - 12);
	ck_assert_uint_ge(c->srtt >> 3, 30 * MS);
	ck_assert_uint_le(c->srtt >> 3, 100 * MS);
	h_data(&h, "GET", 3);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_mem_eq(h.got, "GET", 3);
	h_fini(&h);
}
END_TEST

/* Data may come with the cookie. */
START_TEST(cookie_takes_data_with_it)
{
	struct h_seg *o;

	h_conf(&h);
	h.s.conf.backlog = 0;
	h_start(&h);
	h_syn(&h, TH_SYN, false);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->optlen, 4);
	h.seq++;
	h.ack = o->s.seq + 1;
	h_data(&h, "hello", 5);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_uint_eq(h.ngot, 5);
	ck_assert_uint_eq(h.c->mss, 1460);
	h_fini(&h);
}
END_TEST

/* A guess is refused; so is a cookie of more than two minutes ago, one for
 * another port, one for another SYN, and any while none was sent. */
START_TEST(false_cookie_is_refused)
{
	struct h_seg *o;
	uint32_t i;

	for (i = 0; i < 5; i++) {
		h_conf(&h);
		h.s.conf.backlog = 0;
		h_start(&h);
		h_syn(&h, TH_SYN, true);
		o = h_expect(&h, TH_SYN | TH_ACK);
		ck_assert_uint_ne(h.s.net->cookie_us, 0);
		if (i == 4)
			h.s.net->cookie_us = 0;
		else if (i == 0)
			o->s.seq ^= 4;
		else if (i == 1)
			h.now += 129 * SEC;
		else if (i == 2)
			h.sport++;
		else
			h.seq++;
		answer(o);
		ck_assert_uint_eq(h_expect(&h, TH_RST)->s.seq, h.ack);
		ck_assert_uint_eq(h.s.net->nconns, 0);
		h_fini(&h);
	}
}
END_TEST

/* RFC 4987 §3.6: no free record: cookies as well. What they let in while there
 * is none is dropped without a word, and gets in when it is sent again. */
START_TEST(records_exhausted_makes_cookies)
{
	uint32_t i, at;
	struct h_seg *o;

	h_init(&h);
	for (i = 0; i < h.s.conf.shape.conns; i++) {
		h.sport++;
		h_syn(&h, TH_SYN, true);
		h_expect(&h, TH_SYN | TH_ACK);
	}
	h.sport++;
	h_syn(&h, TH_SYN, true);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_cookies_sent), 1);
	answer(o);
	h_data(&h, "one", 3);
	h_data(&h, "two", 3);
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_eq(h_count(&h, CNT_drop_no_conn), 3);
	/* one of the others ends */
	at = h.seq;
	h.sport--;
	h.seq = 1001;
	h_send(&h, TH_RST, NULL, 0);
	h_run(&h);
	h.sport++;
	h.seq = at - 6;
	h_data(&h, "one", 3);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	ck_assert_mem_eq(h.got, "one", 3);
	h_fini(&h);
}
END_TEST

/* ---- active opening ---- */

static void
connect_out(void)
{
	struct net_addr to = { { 10, 0, 0, 2 }, .port = 5000, .family = 4 };
	struct h_seg *o;

	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &h.c), 0);
	ck_assert(conn_active(h.c));
	h_run(&h);
	o = h_expect(&h, TH_SYN);
	ck_assert_uint_eq(o->dport, 5000);
	h.sport = 5000;
	h.dport = o->sport;
	h.ack = o->s.seq + 1;
	h.ts = o->s.ts;
}

/* RFC 9293 §3.5, figure 6, from the opener's side. */
START_TEST(connect_opens)
{
	struct h_seg *o;

	h_init(&h);
	connect_out();
	h.now += 20 * MS;
	h_syn(&h, TH_SYN | TH_ACK, true);
	h.seq++;
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.seq, h.ack);
	ck_assert_uint_eq(o->s.ack, h.seq);
	ck_assert(h.events & CONN_OPEN);
	ck_assert_uint_eq(h.c->srtt >> 3, 20 * MS);
	ck_assert_uint_eq(h_count(&h, CNT_tcp_opened_active), 1);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* What is written before the answer goes with the ACK of it. */
START_TEST(data_written_early_follows_the_handshake)
{
	struct h_seg *o;

	h_init(&h);
	connect_out();
	ck_assert_uint_eq(h_write(&h, 100), 100);
	h_run(&h);
	h_expect_none(&h);
	h_syn(&h, TH_SYN | TH_ACK, true);
	h.seq++;
	h_run(&h);
	o = h_expect(&h, TH_ACK);
	ck_assert_uint_eq(o->s.len, 100);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.7.3: a RST with the right ACK refuses; others are nothing. */
START_TEST(connect_is_refused_only_by_a_valid_rst)
{
	h_init(&h);
	connect_out();
	h_send_opts(&h, TH_RST, NULL, 0, NULL, 0);
	h.ack++;
	h_send_opts(&h, TH_RST | TH_ACK, NULL, 0, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(h.calls, 0);
	h.ack--;
	h_send_opts(&h, TH_RST | TH_ACK, NULL, 0, NULL, 0);
	h_run(&h);
	ck_assert_uint_eq(h.events, CONN_GONE);
	ck_assert_int_eq(h.error, -ECONNREFUSED);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.10.7.3, first: an ACK of what was not sent gets a RST, and the
 * attempt goes on. */
START_TEST(old_syn_ack_is_refused_and_the_attempt_goes_on)
{
	h_init(&h);
	connect_out();
	h.ack += 1000;
	h_syn(&h, TH_SYN | TH_ACK, true);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_RST)->s.seq, h.ack);
	h.ack -= 1000;
	h_syn(&h, TH_SYN | TH_ACK, true);
	h_run(&h);
	h_expect(&h, TH_ACK);
	ck_assert(h.events & CONN_OPEN);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.9.1.1 (MUST-46): who cannot be one peer is refused at once:
 * nobody, ourselves by loopback, groups, all of a network. */
START_TEST(connect_is_to_one_station)
{
	static const uint8_t bad[][4] = { { 0, 0, 0, 0 }, { 0, 1, 2, 3 },
	    { 127, 0, 0, 1 }, { 224, 0, 0, 1 }, { 239, 1, 1, 1 },
	    { 240, 0, 0, 1 }, { 255, 255, 255, 255 }, { 10, 0, 0, 255 } };
	struct net_addr to = { .family = 4, .port = 80 };
	struct conn *c;
	uint32_t i;

	h_conf(&h);
	h.s.conf.port[0].addr[0].prefix = 24;
	h.s.conf.port[0].gateway = (struct board_addr){ .addr = { 10, 0, 0, 9 },
	    .family = 4 };
	h_start(&h);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(to.addr, bad[i], 4);
		ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c),
		    -ENETUNREACH);
	}
	memcpy(to.addr, (uint8_t[]){ 10, 0, 0, 254 }, 4);
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c), 0);
	h_run(&h);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.8.3: SYNs after 1, 2, 4 ... seconds, then ETIMEDOUT. */
START_TEST(connect_times_out)
{
	uint32_t i;

	h_init(&h);
	connect_out();
	for (i = 0; i < h.s.conf.syn_retries; i++) {
		h_tick(&h, (SEC << i) - MS);
		h_expect_none(&h);
		h_tick(&h, MS);
		ck_assert_uint_eq(h_expect(&h, TH_SYN)->s.seq, h.ack - 1);
	}
	h_tick(&h, SEC << i);
	ck_assert_uint_eq(h.events, CONN_GONE);
	ck_assert_int_eq(h.error, -ETIMEDOUT);
	h_fini(&h);
}
END_TEST

/* RFC 9293 §3.5, figure 7: simultaneous open. */
START_TEST(simultaneous_open)
{
	struct h_seg *o;

	h_init(&h);
	connect_out();
	h_syn(&h, TH_SYN, true);
	h_run(&h);
	o = h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(o->s.seq, h.ack - 1);
	ck_assert_uint_eq(o->s.ack, h.seq + 1);
	ck_assert_uint_eq(h.c->state, TCP_SYN_RCVD);
	/* the peer does the same: its SYN again, with an ACK */
	h_syn(&h, TH_SYN | TH_ACK, true);
	h.seq++;
	h_run(&h);
	ck_assert_uint_eq(h.c->state, TCP_ESTABLISHED);
	ck_assert(h.events & CONN_OPEN);
	h_drain(&h);
	h_data(&h, "x", 1);
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.ack, h.seq);
	h_fini(&h);
}
END_TEST

/* RFC 5927: a hard ICMP error ends an attempt to open; with a sequence number
 * that is not in flight it does nothing. */
START_TEST(icmp_ends_only_an_attempt)
{
	static const struct {
		enum tcp_icmp type;
		int err;
	} row[] = {
		{ TCP_ICMP_HARD, -EHOSTUNREACH },
		{ TCP_ICMP_PORT, -ECONNREFUSED },
		{ TCP_ICMP_SOFT, 0 },
	};
	struct tuple t;
	uint32_t k;

	for (k = 0; k < 3; k++) {
		h_init(&h);
		connect_out();
		t = h.c->t;
		tcp_icmp_error(h.s.net, &t, h.ack, row[k].type, 0);
		h_run(&h);
		ck_assert_uint_eq(h.calls, 0);
		tcp_icmp_error(h.s.net, &t, h.ack - 1, row[k].type, 0);
		h_run(&h);
		ck_assert_uint_eq(h.events, row[k].err != 0 ? CONN_GONE : 0);
		ck_assert_int_eq(h.error, row[k].err);
		h_fini(&h);
	}
}
END_TEST

/* RFC 6528 §3: the numbers of one flow go on with the clock; those of
 * another have nothing to do with them. */
START_TEST(isn_grows_by_the_clock_and_differs_by_flow)
{
	struct h_seg a, b;
	uint32_t i;

	h_init(&h);
	h_syn(&h, TH_SYN, true);
	a = *h_expect(&h, TH_SYN | TH_ACK);
	h.seq++;
	h_send(&h, TH_RST, NULL, 0);
	h.seq--;
	h_run(&h);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h.now += 4000;
	h_syn(&h, TH_SYN, true);
	b = *h_expect(&h, TH_SYN | TH_ACK);
	ck_assert_uint_eq(b.s.seq - a.s.seq, 1000);
	ck_assert_uint_eq(b.s.tsval - a.s.tsval, 4);
	for (i = 0; i < 8; i++) {
		h.sport++;
		h_syn(&h, TH_SYN, true);
		b = *h_expect(&h, TH_SYN | TH_ACK);
		ck_assert_uint_gt(b.s.seq - a.s.seq + 100000, 200000);
	}
	h_fini(&h);
}
END_TEST

static int
owns_every_fifth(void *arg, uint32_t port, const struct net_addr *local,
    const struct net_addr *remote)
{
	ck_assert_uint_eq(remote->port, 5000);
	ck_assert_mem_eq(local->addr, "\x0a\0\0\x01", 4);
	return local->port % 5 == 0;
}

/* RFC 6056 (3.3.4): source ports belong to this slot, and begin elsewhere for
 * each remote and each process. */
START_TEST(source_ports_are_secret_and_ours)
{
	struct net_addr to = { { 10, 0, 0, 2 }, .port = 5000, .family = 4 };
	struct net_addr a;
	struct conn *c;
	uint32_t i, lo = UINT16_MAX, hi = 0;

	h_conf(&h);
	h.s.conf.seed = (uint64_t)_i;
	h.s.env.owns = owns_every_fifth;
	h.s.conf.client_lo = 20000;
	h.s.conf.client_hi = 29999;
	h_start(&h);
	for (i = 0; i < 16; i++) {
		to.addr[3] = (uint8_t)(2 + i);
		ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c),
		    0);
		conn_local(c, &a);
		ck_assert_uint_ge(a.port, 20000);
		ck_assert_uint_le(a.port, 29999);
		ck_assert_uint_eq(a.port % 5, 0);
		lo = min_u32(lo, a.port);
		hi = max_u32(hi, a.port);
	}
	ck_assert_uint_gt(hi - lo, 2000);
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c), -ENOBUFS);
	h_run(&h);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/*
 * RFC 6056 (3.3.4): a port that is free again comes last. One that came within
 * a millisecond was refused by the peer's TIME_WAIT: RFC 6191 lets a SYN in
 * whose timestamp or sequence number is larger.
 */
START_TEST(a_source_port_comes_again_as_late_as_it_can)
{
	struct net_addr to = { { 10, 0, 0, 2 }, .port = 5000, .family = 4 };
	static uint8_t used[1000];
	struct net_addr a;
	struct conn *c;
	uint32_t i;

	memset(used, 0, sizeof(used));
	h_conf(&h);
	h.s.conf.client_lo = 20000;
	h.s.conf.client_hi = 20999;
	h_start(&h);
	for (i = 0; i < 3000; i++) {
		ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c),
		    0);
		conn_local(c, &a);
		ck_assert_uint_eq(used[a.port - 20000]++, i / 1000);
		conn_close(h.s.net, c);
		h_run(&h);
		h_drain(&h);
	}
	h_fini(&h);
}
END_TEST

/* Every port of the range in use towards one address: -EADDRNOTAVAIL. */
START_TEST(ports_can_run_out)
{
	struct net_addr to = { { 10, 0, 0, 2 }, .port = 5000, .family = 4 };
	struct conn *c;
	uint32_t i;

	h_conf(&h);
	h.s.conf.client_lo = 20000;
	h.s.conf.client_hi = 20003;
	h_start(&h);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c),
		    0);
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c),
	    -EADDRNOTAVAIL);
	to.port = 5001;
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c), 0);
	to.port = 0;
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &c), -EINVAL);
	h_run(&h);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* Lanes that are full with data leave room for answers: else no SYN would ever
 * be answered while established connections have enough to send. */
START_TEST(a_full_queue_of_data_does_not_keep_a_syn_out)
{
	const uint32_t most = PKTQ_MAX - PKTQ_REPLIES;
	static struct pkt other;	/* frames of somebody else */
	struct pktq *out;
	struct pkt *p;

	h_init(&h);
	h_open(&h, true);
	h_write(&h, 3000);
	out = net_out(h.s.net);
	while (out->n < most)
		out->p[out->n++] = &other;
	ck_assert_uint_gt(net_output(h.s.net, h.now), 0);
	ck_assert_uint_eq(out->n, most);	/* data waits */
	h.sport++;
	h.aside = true;
	h_syn(&h, TH_SYN, true);
	p = plain_receive(&h.s, h.frame, h.framelen);
	net_input(h.s.net, &p, 1, h.now);
	ck_assert_uint_eq(out->n, most + 1);
	out->p[0] = out->p[most];
	out->n = 1;
	h.aside = false;
	h_run(&h);
	h_expect(&h, TH_SYN | TH_ACK);
	h_expect(&h, TH_ACK);			/* and goes then */
	h_drain(&h);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcp_open");
	TCase *t = tcase_create("open");

	tcase_add_test(t, handshake_opens);
	tcase_add_test(t, syn_ack_has_options_in_linux_order);
	tcase_add_test(t, syn_ack_answers_only_what_was_offered);
	tcase_add_test(t, lost_syn_ack_is_sent_again_and_given_up);
	tcase_add_test(t, repeated_syn_gets_the_same_answer);
	tcase_add_test(t, closed_port_answers_by_rst);
	tcase_add_test(t, listener_takes_only_syn);
	tcase_add_test(t, data_on_a_syn_is_not_acknowledged);
	tcase_add_test(t, mss_is_clamped);
	tcase_add_test(t, window_scale_is_at_most_14);
	tcase_add_test(t, malformed_options_are_dropped);
	tcase_add_test(t, cookie_remembers_the_options);
	tcase_add_test(t, cookie_takes_data_with_it);
	tcase_add_test(t, false_cookie_is_refused);
	tcase_add_test(t, records_exhausted_makes_cookies);
	tcase_add_test(t, connect_opens);
	tcase_add_test(t, data_written_early_follows_the_handshake);
	tcase_add_test(t, connect_is_refused_only_by_a_valid_rst);
	tcase_add_test(t, old_syn_ack_is_refused_and_the_attempt_goes_on);
	tcase_add_test(t, connect_is_to_one_station);
	tcase_add_test(t, connect_times_out);
	tcase_add_test(t, simultaneous_open);
	tcase_add_test(t, icmp_ends_only_an_attempt);
	tcase_add_test(t, isn_grows_by_the_clock_and_differs_by_flow);
	tcase_add_loop_test(t, source_ports_are_secret_and_ours, 0, 4);
	tcase_add_test(t, a_source_port_comes_again_as_late_as_it_can);
	tcase_add_test(t, ports_can_run_out);
	tcase_add_test(t, a_full_queue_of_data_does_not_keep_a_syn_out);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
