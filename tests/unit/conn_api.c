/* The connection as a service sees it: conn.h, call by call. */
#include <errno.h>

#include "tcp_harness.h"

static struct h h;

/* Run a call as the service would, in the connection's bracket. */
#define IN(call) do {							\
	hands_set(h.s.net, conn_id(h.s.net, h.c));			\
	call;								\
	hands_clear(h.s.net);						\
} while (0)

static void
open_one(void)
{
	h_init(&h);
	h_open(&h, true);
	conn_nodelay(h.c, true);
}

/* State is zero at open, 8-byte aligned, and each connection's own. */
START_TEST(state_is_zeroed_at_open)
{
	static const uint8_t zero[64];
	uint32_t i;

	h_init(&h);
	for (i = 0; i < 3; i++) {
		h_open(&h, true);
		ck_assert_uint_eq((uintptr_t)conn_state(h.c) % 8, 0);
		ck_assert_mem_eq(conn_state(h.c), zero, 64);
		memset(conn_state(h.c), 0xff, 64);
		H_SERVICE(&h, conn_abort(h.s.net, h.c));
		h_run(&h);
		h_drain(&h);
	}
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

START_TEST(addresses_are_told)
{
	struct net_addr a;

	open_one();
	conn_local(h.c, &a);
	ck_assert_mem_eq(a.addr, "\x0a\0\0\x01", 4);
	ck_assert_uint_eq(a.port, H_PORT);
	ck_assert_uint_eq(a.family, 4);
	conn_remote(h.c, &a);
	ck_assert_mem_eq(a.addr, "\x0a\0\0\x02", 4);
	ck_assert_uint_eq(a.port, H_PEER_PORT);
	ck_assert(!conn_active(h.c));
	h_fini(&h);
}
END_TEST

/* Peek walks over frames; copy and consume take any piece. */
START_TEST(reading_in_any_pieces)
{
	uint8_t buf[3000], want[3000];
	const uint8_t *p;
	uint32_t i, k, at;

	open_one();
	h.keep = true;
	h_fill(want, 0, sizeof(want));
	for (i = 0; i < 3; i++)
		h_data(&h, want + 1000 * i, 1000);
	h_run(&h);
	ck_assert_uint_eq(conn_readable(h.c), 3000);
	for (at = 0; (k = conn_peek(h.s.net, h.c, at, &p)) != 0; at += k)
		ck_assert_mem_eq(p, want + at, k);
	ck_assert_uint_eq(at, 3000);
	ck_assert_ptr_null(p);
	for (i = 1; i < 2900; i += 371) {
		ck_assert_uint_eq(conn_copy(h.s.net, h.c, i, buf, 100), 100);
		ck_assert_mem_eq(buf, want + i, 100);
	}
	ck_assert_uint_eq(conn_copy(h.s.net, h.c, 2950, buf, 100), 50);
	for (at = 0; at < 3000; at += k) {
		k = min_u32(777, 3000 - at);
		ck_assert_uint_eq(conn_copy(h.s.net, h.c, 0, buf, k), k);
		ck_assert_mem_eq(buf, want + at, k);
		IN(conn_consume(h.s.net, h.c, k));
		ck_assert_uint_eq(conn_readable(h.c), 3000 - at - k);
	}
	ck_assert_uint_eq(h.c->rq_frames, 0);
	ck_assert(!conn_eof(h.c));
	h_fini(&h);
}
END_TEST

/* End of file comes after the last byte was consumed. */
START_TEST(eof_is_behind_the_last_byte)
{
	open_one();
	h.keep = true;
	h_send(&h, TH_ACK | TH_FIN, "abc", 3);
	h.seq += 4;
	h_run(&h);
	ck_assert(!conn_eof(h.c));
	IN(conn_consume(h.s.net, h.c, 3));
	ck_assert(conn_eof(h.c));
	h_fini(&h);
}
END_TEST

/* Room is sndbuf less what is queued; write takes as much, and the service is
 * called when room is back. */
START_TEST(room_ends_and_comes_back)
{
	uint32_t sndbuf;

	open_one();
	h.wnd = 65535;
	h_send(&h, TH_ACK, NULL, 0);
	sndbuf = h.s.conf.sndbuf;
	ck_assert_uint_eq(conn_room(h.s.net, h.c), sndbuf);
	IN(h.s.net->conf.sndbuf = sndbuf = 20000);
	ck_assert_uint_eq(h_write(&h, 30000), 20000);
	ck_assert_uint_eq(conn_room(h.s.net, h.c), 0);
	ck_assert_uint_eq(conn_queued(h.c), 20000);
	IN(conn_want_room(h.s.net, h.c, 5000));
	h_run(&h);
	ck_assert_uint_eq(h.calls, 0);
	h_drain(&h);
	h_ack(&h, h.ack + 2 * 1448);
	h_run(&h);
	ck_assert_uint_eq(h.calls, 0);
	h_drain(&h);
	h_ack(&h, h.ack + 2 * 1448);
	h_run(&h);
	ck_assert_uint_eq(h.events, CONN_WRITE);
	ck_assert_uint_ge(conn_room(h.s.net, h.c), 5000);
	/* once only */
	h.calls = 0;
	h_drain(&h);
	h_ack(&h, h.ack + 1448);
	h_run(&h);
	ck_assert_uint_eq(h.calls, 0);
	/* asked for what there is: at once; for more than ever: capped */
	IN(conn_want_room(h.s.net, h.c, 100));
	h_run(&h);
	ck_assert_uint_eq(h.calls, 1);
	IN(conn_want_room(h.s.net, h.c, 1u << 30));
	h_run(&h);
	ck_assert_uint_eq(h.calls, 1);
	h_drain(&h);
	h_ack(&h, h.c->snd_nxt);
	h_run(&h);
	h_drain(&h);
	h_ack(&h, h.c->snd_nxt);
	h_run(&h);
	ck_assert_uint_eq(h.calls, 2);
	h_fini(&h);
}
END_TEST

/* Reserve and commit write in place; what was not committed is not sent. */
START_TEST(reserve_and_commit_write_in_place)
{
	struct h_seg *o;
	uint32_t len, i;
	uint8_t *p;

	open_one();
	for (i = 0; i < 40; i++) {
		len = 700;
		hands_set(h.s.net, conn_id(h.s.net, h.c));
		p = conn_reserve(h.s.net, h.c, 512, &len);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_ge(len, 512);
		ck_assert_uint_le(len, 700);
		memset(p, 'a' + (int)(i % 26), 300);
		conn_commit(h.s.net, h.c, i % 3 == 0 ? 0 : 100 + i);
		hands_clear(h.s.net);
		h_run(&h);
		if (i % 3 == 0) {
			h_expect_none(&h);
			continue;
		}
		o = h_expect(&h, TH_ACK);
		ck_assert_uint_eq(o->s.len, 100 + i);
		ck_assert_uint_eq(o->data[99 + i], 'a' + i % 26);
		h_ack(&h, h.ack + 100 + i);
	}
	/* no room, no reservation */
	h.s.net->conf.sndbuf = 2048;
	h_write(&h, 2000);
	len = 100;
	IN(p = conn_reserve(h.s.net, h.c, 100, &len));
	ck_assert_ptr_null(p);
	len = 100;
	IN(p = conn_reserve(h.s.net, h.c, 48, &len));
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(len, 48);
	h_run(&h);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* All of it in one chunk of either size, or nothing, and then at once. */
START_TEST(a_whole_is_queued_whole_or_not_at_all)
{
	static const uint32_t lens[] = { 1, 64, 300, 1000 };
	uint8_t buf[70000];
	struct h_seg *o;
	uint32_t i;
	bool ok;

	open_one();
	h_fill(buf, 0, sizeof(buf));
	for (i = 0; i < 4; i++) {
		IN(ok = conn_write_whole(h.s.net, h.c, buf, lens[i]));
		ck_assert(ok);
		ck_assert_uint_eq(conn_queued(h.c), lens[i]);
		/* not behind others */
		IN(ok = conn_write_whole(h.s.net, h.c, buf, 1));
		ck_assert(!ok);
		h_run(&h);
		o = h_expect(&h, TH_ACK);
		ck_assert_uint_eq(o->s.len, lens[i]);
		ck_assert_mem_eq(o->data, buf, lens[i]);
		h_ack(&h, h.ack + lens[i]);
	}
	IN(ok = conn_write_whole(h.s.net, h.c, buf, 0));
	ck_assert(!ok);
	/* larger than any chunk; than the room; without a chunk */
	IN(ok = conn_write_whole(h.s.net, h.c, buf, sizeof(buf)));
	ck_assert(!ok);
	h.s.net->conf.sndbuf = 2048;
	IN(ok = conn_write_whole(h.s.net, h.c, buf, 2049));
	ck_assert(!ok);
	net_starve(h.s.net, true);
	for (i = 0; i < 4; i++) {
		IN(ok = conn_write_whole(h.s.net, h.c, buf, lens[i]));
		ck_assert(!ok);
	}
	net_starve(h.s.net, false);
	ck_assert_uint_eq(conn_queued(h.c), 0);
	h_run(&h);
	h_expect_none(&h);
	IN(conn_shutdown(h.s.net, h.c));
	IN(ok = conn_write_whole(h.s.net, h.c, buf, 1));
	ck_assert(!ok);
	h_fini(&h);
}
END_TEST

/* Shared memory is sent as it lies; a large one is not limited by sndbuf. */
START_TEST(memory_is_sent_without_copy)
{
	static uint8_t mem[100000];
	uint32_t at = 0, i;
	struct h_seg *o;

	open_one();
	h_fill(mem, 0, sizeof(mem));
	h.s.net->conf.sndbuf = 4096;
	IN(ck_assert_int_eq(conn_send_mem(h.s.net, h.c, mem, sizeof(mem)), 0));
	ck_assert_uint_eq(conn_queued(h.c), sizeof(mem));
	ck_assert_uint_eq(conn_room(h.s.net, h.c), 0);
	for (i = 0; i < 100 && at < sizeof(mem); i++) {
		h_run(&h);
		while ((o = h_next(&h)) != NULL) {
			h.tsecr = o->s.tsval;
			ck_assert_mem_eq(o->data, mem + at, o->s.len);
			at += o->s.len;
		}
		h_ack(&h, h.c->snd_nxt);
	}
	ck_assert_uint_eq(at, sizeof(mem));
	ck_assert_uint_eq(conn_queued(h.c), 0);
	h_fini(&h);
}
END_TEST

/* Chunks run out: fewer bytes are taken, and the service is called when some
 * came back. */
START_TEST(chunks_run_out_and_come_back)
{
	uint32_t small, big, nsmall, nbig;
	struct net *n;

	open_one();
	n = h.s.net;
	small = n->small_free;
	big = n->chunk_free;
	nsmall = n->nsmall_free;
	nbig = n->nchunk_free;
	n->small_free = n->chunk_free = ARENA_NONE;
	n->nsmall_free = n->nchunk_free = 0;
	ck_assert_uint_eq(h_write(&h, 1000), 0);
	IN(ck_assert_int_eq(conn_send_mem(n, h.c, n, 8), -ENOBUFS));
	H_SERVICE(&h, conn_want_room(n, h.c, 100));
	h_tick(&h, 20 * MS);
	h_tick(&h, 20 * MS);
	ck_assert_uint_eq(h.calls, 0);
	n->small_free = small;
	n->chunk_free = big;
	n->nsmall_free = nsmall;
	n->nchunk_free = nbig;
	h_tick(&h, 20 * MS);
	ck_assert_uint_eq(h.events, CONN_WRITE);
	ck_assert_uint_eq(h.calls, 1);
	ck_assert_uint_eq(h_write(&h, 1000), 1000);
	h_run(&h);
	h_drain(&h);
	h_fini(&h);
}
END_TEST

/* A cork must not hold the last chunk back from a service that waits for
 * chunks: nothing would move any more. */
START_TEST(cork_yields_when_chunks_run_out)
{
	uint32_t small, big;

	open_one();
	IN(conn_cork(h.s.net, h.c, true));
	h_write(&h, 10);
	h_run(&h);
	h_expect_none(&h);
	small = h.s.net->small_free;
	big = h.s.net->chunk_free;
	h.s.net->small_free = h.s.net->chunk_free = ARENA_NONE;
	IN(ck_assert_int_eq(conn_send_mem(h.s.net, h.c, &h, 8), -ENOBUFS));
	H_SERVICE(&h, conn_want_room(h.s.net, h.c, 8));
	h_run(&h);
	ck_assert_uint_eq(h_expect(&h, TH_ACK)->s.len, 10);
	h.s.net->small_free = small;
	h.s.net->chunk_free = big;
	h_ack(&h, h.ack + 10);
	h_run(&h);
	ck_assert_uint_eq(h.events, CONN_WRITE);
	h_fini(&h);
}
END_TEST

/* Nothing committed: an idle connection holds no chunk. */
START_TEST(commit_of_nothing_gives_the_chunk_back)
{
	uint32_t len = 600, before;

	open_one();
	before = h.s.net->nchunk_free;
	IN(ck_assert_ptr_nonnull(conn_reserve(h.s.net, h.c, 100, &len)));
	ck_assert_uint_eq(h.s.net->nchunk_free, before - 1);
	IN(conn_commit(h.s.net, h.c, 0));
	ck_assert_uint_eq(h.s.net->nchunk_free, before);
	ck_assert_uint_eq(h.c->sq_head, ARENA_NONE);
	h_fini(&h);
}
END_TEST

/* CONN_TIMER at its time, once; moved, or called off. */
START_TEST(timer_fires_once_at_its_time)
{
	open_one();
	H_SERVICE(&h, conn_timer(h.s.net, h.c, h.now + 1234567));
	h_run(&h);
	ck_assert_uint_eq(h_wait(&h), 1234567);
	ck_assert_uint_eq(h.events, CONN_TIMER);
	ck_assert_uint_eq(h_wait(&h), UINT64_MAX);
	H_SERVICE(&h, conn_timer(h.s.net, h.c, h.now + SEC));
	h_run(&h);
	H_SERVICE(&h, conn_timer(h.s.net, h.c, h.now + 10));
	h_run(&h);
	ck_assert_uint_eq(h_wait(&h), 10);
	H_SERVICE(&h, conn_timer(h.s.net, h.c, h.now + SEC));
	H_SERVICE(&h, conn_timer(h.s.net, h.c, 0));
	h_run(&h);
	ck_assert_uint_eq(h_wait(&h), UINT64_MAX);
	h_fini(&h);
}
END_TEST

static void
close_in_event(struct h *hh, struct conn *c, uint32_t ev)
{
	conn_write(hh->s.net, c, "bye", 3);
	conn_consume(hh->s.net, c, conn_readable(c));
	conn_close(hh->s.net, c);
}

/* After conn_close() there are no more events. */
START_TEST(no_event_after_close)
{
	open_one();
	h.hook = close_in_event;
	h.keep = true;
	h_data(&h, "x", 1);
	h_run(&h);
	ck_assert_uint_eq(h.calls, 1);
	ck_assert_uint_eq(h_expect(&h, TH_ACK | TH_FIN)->s.len, 3);
	h_ack(&h, h.ack + 4);
	h_send(&h, TH_ACK | TH_FIN, NULL, 0);
	h_run(&h);
	h_drain(&h);
	ck_assert_uint_eq(h.calls, 1);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_fini(&h);
}
END_TEST

static void
abort_in_event(struct h *hh, struct conn *c, uint32_t ev)
{
	conn_consume(hh->s.net, c, conn_readable(c));
	conn_abort(hh->s.net, c);
	/* what is called now finds nothing to do */
	conn_abort(hh->s.net, c);
	conn_close(hh->s.net, c);
	conn_shutdown(hh->s.net, c);
	conn_timer(hh->s.net, c, 1);
	conn_want_room(hh->s.net, c, 1);
	ck_assert_uint_eq(conn_write(hh->s.net, c, "x", 1), 0);
}

START_TEST(abort_in_an_event_frees_the_record)
{
	open_one();
	h.hook = abort_in_event;
	h.keep = true;
	h_data(&h, "x", 1);
	h_run(&h);
	h_drain(&h);
	ck_assert_uint_eq(h.calls, 1);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	h_tick(&h, 10 * SEC);
	h_expect_none(&h);
	h_fini(&h);
}
END_TEST

/* net_connect() and then its state, in one bracket; given up at once. */
START_TEST(connect_can_be_given_up_at_once)
{
	struct net_addr to = { { 10, 0, 0, 2 }, .port = 5000, .family = 4 };
	struct conn *a, *b;

	h_init(&h);
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &a), 0);
	memset(conn_state(a), 1, 64);
	conn_abort(h.s.net, a);
	ck_assert_int_eq(net_connect(h.s.net, NULL, &to, h.now, &b), 0);
	conn_close(h.s.net, b);
	h_run(&h);
	h_expect_none(&h);
	ck_assert_uint_eq(h.s.net->nconns, 0);
	ck_assert_uint_eq(h.calls, 0);
	h_fini(&h);
}
END_TEST

/* Listeners: the same address once; an exact one before "any". */
START_TEST(listeners_are_told_apart)
{
	struct net_addr a = { .port = 81 };
	struct tuple t = { .family = 4, .lport_be = __builtin_bswap16(81) };
	uint32_t i;

	h_init(&h);
	memcpy(t.laddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
	ck_assert_ptr_null(tcp_listener(h.s.net, &t));
	ck_assert_int_eq(net_listen(h.s.net, &a), 0);
	ck_assert_int_eq(net_listen(h.s.net, &a), -EADDRINUSE);
	ck_assert_uint_eq(tcp_listener(h.s.net, &t)->addr.family, 0);
	a.family = 4;
	memcpy(a.addr, "\x0a\0\0\x01", 4);
	ck_assert_int_eq(net_listen(h.s.net, &a), 0);
	ck_assert_uint_eq(tcp_listener(h.s.net, &t)->addr.family, 4);
	t.laddr[15] = 9;
	ck_assert_uint_eq(tcp_listener(h.s.net, &t)->addr.family, 0);
	ck_assert_int_eq(net_unlisten(h.s.net, &a), 0);
	ck_assert_int_eq(net_unlisten(h.s.net, &a), -ENOENT);
	a.port = 0;
	ck_assert_int_eq(net_listen(h.s.net, &a), -EINVAL);
	a.family = 5;
	a.port = 5;
	ck_assert_int_eq(net_listen(h.s.net, &a), -EINVAL);
	a.family = 4;
	for (i = 2; i < NET_LISTENERS; i++) {
		a.port = (uint16_t)(1000 + i);
		ck_assert_int_eq(net_listen(h.s.net, &a), 0);
	}
	a.port = 99;
	ck_assert_int_eq(net_listen(h.s.net, &a), -ENOSPC);
	h_fini(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("conn_api");
	TCase *t = tcase_create("conn_api");

	tcase_add_test(t, state_is_zeroed_at_open);
	tcase_add_test(t, addresses_are_told);
	tcase_add_test(t, reading_in_any_pieces);
	tcase_add_test(t, eof_is_behind_the_last_byte);
	tcase_add_test(t, room_ends_and_comes_back);
	tcase_add_test(t, reserve_and_commit_write_in_place);
	tcase_add_test(t, a_whole_is_queued_whole_or_not_at_all);
	tcase_add_test(t, memory_is_sent_without_copy);
	tcase_add_test(t, chunks_run_out_and_come_back);
	tcase_add_test(t, cork_yields_when_chunks_run_out);
	tcase_add_test(t, commit_of_nothing_gives_the_chunk_back);
	tcase_add_test(t, timer_fires_once_at_its_time);
	tcase_add_test(t, no_event_after_close);
	tcase_add_test(t, abort_in_an_event_frees_the_record);
	tcase_add_test(t, connect_can_be_given_up_at_once);
	tcase_add_test(t, listeners_are_told_apart);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	return h_main(suite());
}
