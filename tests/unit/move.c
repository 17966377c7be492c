/*
 * Buckets move between two stacks (secondary/net/move.h), step by step: what
 * goes with a connection, and what becomes of an offer. Deaths are in
 * move_kill.c.
 */
#include <check.h>

#include "../lib/plain.h"

#define PORT		7u
#define PATIENCE_US	20000u
#define BUCKET		5u	/* of all flows here, but for those who say */

static struct plain s[2], client;
static struct net_buckets buckets[2];
static _Atomic uint64_t word[BOARD_BUCKETS];
static _Atomic uint32_t want[BOARD_BUCKETS], reply[2][BOARD_BUCKETS];
static struct plain_box to_client, to_server;
static uint64_t now;
static bool reads, takes;
static uint32_t arrived, departed, opened, got, drop_at, bucket;
static uint8_t text[65536], heard[65536];
static const void *file;	/* sent at the first byte, if not NULL */
static uint32_t file_len;

/* ---- both ends ---- */

static void
server_event(void *arg, struct conn *c, uint32_t events)
{
	struct net *n = ((struct plain *)arg)->net;
	uint32_t *count = conn_state(c), len = conn_readable(c);

	if (events & CONN_GONE)
		return;
	opened += (events & CONN_OPEN) != 0;
	if (!reads || len == 0)
		return;
	conn_copy(n, c, 0, heard + *count, len);
	conn_consume(n, c, len);
	*count += len;
	if (file != NULL)
		ck_assert_int_eq(conn_send_mem(n, c, file, file_len), 0);
	else
		conn_write(n, c, "ok", 2);
	if (conn_eof(c))
		conn_close(n, c);
}

static void
client_event(void *arg, struct conn *c, uint32_t events)
{
	const uint8_t *p;
	uint32_t n;

	(void)arg;
	if (events & CONN_GONE) {
		ck_assert_int_eq(conn_error(c), 0);
		return;
	}
	while ((n = conn_peek(client.net, c, 0, &p)) > 0) {
		if (file != NULL)
			ck_assert_mem_eq(p, (const uint8_t *)file + got, n);
		got += n;
		conn_consume(client.net, c, n);
	}
}

static void
on_arrive(void *arg, struct conn *c)
{
	(void)arg;
	(void)c;
	arrived++;
}

static void
on_depart(void *arg, struct conn *c)
{
	(void)arg;
	(void)c;
	departed++;
}

static bool
peer_takes(void *arg, uint32_t slot)
{
	(void)arg;
	return slot < 2 && takes;
}

static uint32_t
bucket_of(void *arg, uint32_t port, const struct net_addr *local,
    const struct net_addr *remote)
{
	(void)arg;
	(void)port;
	(void)local;
	(void)remote;
	return bucket;
}

/* ---- the world ---- */

static void
world_init(uint32_t conns)
{
	struct net_addr any = { .port = PORT };
	uint32_t i, k;

	now = 1000000000;
	reads = takes = true;
	bucket = BUCKET;
	arrived = departed = opened = got = drop_at = 0;
	file = NULL;
	plain_conf(&client, 1, 16);
	client.env.event = client_event;
	client.conf.rcvbuf = client.conf.rcvbuf_max = 8192;
	plain_init(&client, now);
	for (k = 0; k < BOARD_BUCKETS; k++) {
		word[k] = BUCKET_WORD(0, BOARD_NONE, BUCKET_OWNED, 0, 0);
		want[k] = reply[0][k] = reply[1][k] = 0;
	}
	for (i = 0; i < 2; i++) {
		plain_conf(&s[i], 2, conns);
		s[i].conf.timewait_us = 1000000;
		s[i].env.event = server_event;
		s[i].env.arg = &s[i];
		s[i].env.arrive = on_arrive;
		s[i].env.depart = on_depart;
		s[i].env.bucket = bucket_of;
		s[i].env.buckets = &buckets[i];
		buckets[i] = (struct net_buckets){ .me = i, .word = word,
		    .reply = reply[i], .want = want,
		    .patience_us = PATIENCE_US, .takes = peer_takes };
		plain_init(&s[i], now);
	}
	for (i = 0; i < 2; i++) {
		for (k = 0; k < 2; k++)
			buckets[i].peer[k] = (struct move_peer){
				.reply = reply[k], .arena = s[k].arena,
				.size = s[k].arena_bytes,
				.frame_lo = (uintptr_t)s[k].frames,
				.frame_hi = (uintptr_t)s[k].frames +
				    (size_t)PLAIN_STRIDE * PLAIN_FRAMES };
		s[i].env.base = (uintptr_t)(s[0].frames < s[1].frames ?
		    s[0].frames : s[1].frames) - 64;
		plain_start(&s[i], now);
		ck_assert_int_eq(net_listen(s[i].net, &any), 0);
	}
}

static void
world_fini(void)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		ck_assert_ptr_null(plain_count(&s[i]));
		plain_fini(&s[i]);
	}
	plain_fini(&client);
}

/* Server i takes what the client sent, works, and the client hears it. */
static void
server_turn(uint32_t i)
{
	struct pkt *p;
	uint32_t k;

	for (k = 0; k < to_server.n; k++) {
		p = plain_receive(&s[i], to_server.data[k], to_server.len[k]);
		p->hash = bucket;
		p->flags |= PKT_RX_HASH;
		net_input(s[i].net, &p, 1, now);
	}
	to_server.n = 0;
	while (net_advance(s[i].net, now, 64) > 0)
		continue;
	net_events(s[i].net, now, 64);
	net_output(s[i].net, now);
	plain_send(&s[i], &to_client);
}

static void
client_turn(void)
{
	plain_turn(&client, &to_client, &to_server, now);
	to_client.n = 0;
	if (drop_at > 0 && to_server.n >= drop_at) {
		memmove(to_server.len + drop_at - 1, to_server.len + drop_at,
		    (to_server.n - drop_at) * sizeof(to_server.len[0]));
		memmove(to_server.data[drop_at - 1], to_server.data[drop_at],
		    (to_server.n - drop_at) * sizeof(to_server.data[0]));
		to_server.n--;
		drop_at = 0;
	}
}

static void
run(uint32_t i, uint32_t turns)
{
	while (turns-- > 0) {
		now += 1000;
		client_turn();
		server_turn(i);
	}
}

static struct conn *
dial(void)
{
	struct net_addr to = { { 10, 0, 0, 2 }, .port = PORT, .family = 4 };
	struct conn *c;

	ck_assert_int_eq(net_connect(client.net, NULL, &to, now, &c), 0);
	return c;
}

/* Say n bytes on the client's connection id. */
static void
say(uint32_t id, uint32_t n)
{
	static uint32_t at;
	struct conn *c = conn_enter(client.net, id);
	uint32_t i;

	ck_assert_ptr_nonnull(c);
	at = c->bytes_out + c->sq_len;
	for (i = 0; i < n; i++)
		text[at + i] = (uint8_t)((at + i) * 31 + ((at + i) >> 8));
	ck_assert_uint_eq(conn_write(client.net, c, text + at, n), n);
	conn_leave(client.net, c);
}

static uint32_t
dialled(void)
{
	uint32_t id = conn_id(client.net, dial());

	run(0, 8);
	ck_assert_uint_eq(opened, 1);
	return id;
}

/* The whole journal, one step in each turn of either. */
static void
move_to(uint32_t to)
{
	want[BUCKET] = to;
	net_move(s[!to].net, now, 64);
	ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OFFERED);
	net_move(s[to].net, now, 64);
	net_move(s[!to].net, now, 64);
	ck_assert_uint_eq(BUCKET_OWNER(word[BUCKET]), to);
	net_move(s[to].net, now, 64);
	while (net_move(s[!to].net, now, 64) > 0)
		continue;
	ck_assert_int_eq(net_move_state(s[to].net, BUCKET), MOVE_OURS);
	ck_assert_int_eq(net_move_state(s[!to].net, BUCKET), MOVE_AWAY);
	ck_assert_uint_eq(s[!to].net->nconns, 0);
}

/* ---- what goes with a connection ---- */

START_TEST(an_idle_connection_goes_on_with_its_state)
{
	uint32_t id, i;

	world_init(16);
	id = dialled();
	say(id, 100);
	run(0, 4);
	ck_assert_uint_eq(got, 2);
	for (i = 1; i < 6; i++) {
		move_to(i % 2);
		ck_assert_uint_eq(arrived, i);
		ck_assert_uint_eq(departed, i);
		say(id, 100);
		run(i % 2, 4);
		ck_assert_uint_eq(got, 2 + 2 * i);
	}
	ck_assert_mem_eq(heard, text, 600);
	ck_assert_uint_eq(opened, 1);
	ck_assert_uint_eq(BUCKET_EPOCH(word[BUCKET]), 5);
	world_fini();
}
END_TEST

/* Nothing that the peer was told is there may be lost: it is acknowledged. */
START_TEST(unread_and_out_of_order_bytes_go_with_it)
{
	uint32_t id;

	world_init(16);
	id = dialled();
	reads = false;
	say(id, 1000);
	run(0, 4);
	say(id, 6000);
	drop_at = 2;
	now += 1000;
	client_turn();
	ck_assert_uint_eq(drop_at, 0);
	server_turn(0);
	to_client.n = 0;	/* the client is not told yet */
	ck_assert_uint_ne(conn_at(s[0].net, 0)->ofo, PKT_NONE);
	ck_assert_uint_gt(conn_at(s[0].net, 0)->rq_len, 0);
	move_to(1);
	ck_assert_uint_eq(s[0].net->rx_held, 0);
	ck_assert_uint_gt(s[1].net->rx_held, 0);
	ck_assert_ptr_null(plain_count(&s[0]));
	ck_assert_ptr_null(plain_count(&s[1]));
	reads = true;
	run(1, 1000);
	ck_assert_mem_eq(heard, text, 7000);
	world_fini();
}
END_TEST

/* A range of a file is an offset: it is the same bytes for everybody. */
START_TEST(a_range_of_a_file_keeps_its_place)
{
	static uint8_t bytes[300000];
	uint32_t id, i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	world_init(16);
	id = dialled();
	file = bytes;
	file_len = sizeof(bytes);
	say(id, 10);
	run(0, 10);
	ck_assert_uint_gt(got, 0);
	ck_assert_uint_lt(got, sizeof(bytes) / 2);
	for (i = 1; got < sizeof(bytes) && i < 1000; i++) {
		move_to(i % 2);
		run(i % 2, 5);
	}
	ck_assert_uint_eq(got, sizeof(bytes));
	world_fini();
}
END_TEST

/* RFC 9293 §3.10.7: the handshake goes on where it was. */
START_TEST(a_half_open_connection_goes)
{
	uint32_t id;

	world_init(16);
	id = conn_id(client.net, dial());
	now += 1000;
	client_turn();		/* ARP */
	server_turn(0);
	client_turn();		/* SYN */
	server_turn(0);
	ck_assert_uint_eq(s[0].net->nhalf, 1);
	to_client.n = 0;	/* its answer is lost */
	move_to(1);
	ck_assert_uint_eq(s[0].net->nhalf, 0);
	ck_assert_uint_eq(s[1].net->nhalf, 1);
	run(1, 2000);
	ck_assert_uint_eq(opened, 1);
	ck_assert_uint_eq(s[1].net->nhalf, 0);
	say(id, 50);
	run(1, 4);
	ck_assert_uint_eq(got, 2);
	world_fini();
}
END_TEST

/* RFC 9293 §3.6.1: whoever has the flow now answers the peer's FIN again. */
START_TEST(a_time_wait_entry_goes)
{
	struct conn *c;
	uint32_t id, i;

	world_init(16);
	id = dialled();
	c = conn_enter(s[0].net, 0);
	conn_close(s[0].net, c);
	conn_leave(s[0].net, c);
	run(0, 2);
	c = conn_enter(client.net, id);
	conn_shutdown(client.net, c);
	conn_leave(client.net, c);
	now += 1000;
	client_turn();
	server_turn(0);
	ck_assert_uint_eq(s[0].net->ntw, 1);
	to_client.n = 0;	/* the last ACK is lost */
	move_to(1);
	ck_assert_uint_eq(s[0].net->ntw, 0);
	ck_assert_uint_eq(s[1].net->ntw, 1);
	for (i = 0; i < 1000 && conn_look(client.net, id) != NULL; i++)
		run(1, 1);
	ck_assert_ptr_null(conn_look(client.net, id));
	run(1, 1100);
	ck_assert_uint_eq(s[1].net->ntw, 0);
	world_fini();
}
END_TEST

/* The neighbours, too: the first answer over there waits for no ARP. */
START_TEST(neighbours_are_learned_from_the_giver)
{
	uint32_t id;

	world_init(16);
	id = dialled();
	move_to(1);
	to_client.n = to_server.n = 0;
	say(id, 10);
	run(1, 2);
	ck_assert_uint_eq(got, 2);
	world_fini();
}
END_TEST

/* ---- what becomes of an offer ---- */

static uint64_t
counter(uint32_t i, enum counter c)
{
	return atomic_load(&s[i].counters[c]);
}

START_TEST(an_offer_without_an_answer_is_withdrawn)
{
	uint32_t id, i;

	world_init(16);
	id = dialled();
	want[BUCKET] = 1;
	for (i = 0; i < 4; i++) {
		net_move(s[0].net, now, 64);
		ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OFFERED);
		now += (PATIENCE_US << i) - 1;
		net_move(s[0].net, now, 64);
		ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OFFERED);
		now++;
		net_move(s[0].net, now, 64);
		ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OWNED);
		ck_assert_uint_eq(BUCKET_EPOCH(word[BUCKET]), 0);
		/* none at once, and it is served meanwhile */
		say(id, 10);
		run(0, 2);
		ck_assert_uint_eq(got, 2 + 2 * i);
		net_move(s[0].net, now, 64);
		ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OWNED);
		now += PATIENCE_US << (i + 1);
	}
	ck_assert_uint_eq(counter(0, CNT_move_withdrawn), 4);
	net_move(s[0].net, now, 64);
	net_move(s[1].net, now, 64);
	net_move(s[0].net, now, 64);
	net_move(s[1].net, now, 64);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET), MOVE_OURS);
	/* the number of the attempt is the epoch: it never came before */
	ck_assert_uint_eq(BUCKET_EPOCH(word[BUCKET]), 5);
	say(id, 10);
	run(1, 2);
	ck_assert_uint_eq(got, 10);
	world_fini();
}
END_TEST

/* Whoever wakes late finds that his copy is void. */
START_TEST(a_copy_of_a_withdrawn_offer_never_lives)
{
	uint32_t id;

	world_init(16);
	id = dialled();
	want[BUCKET] = 1;
	net_move(s[0].net, now, 64);
	net_move(s[1].net, now, 64);
	ck_assert_uint_eq(s[1].net->nconns, 1);
	ck_assert_uint_eq(reply[1][BUCKET] >> 24, REPLY_COPIED);
	/* the owner is told to keep it: it looks at the answer first */
	reply[1][BUCKET] = 0;
	now += PATIENCE_US;
	net_move(s[0].net, now, 64);
	ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OWNED);
	net_move(s[1].net, now, 64);
	ck_assert_uint_eq(s[1].net->nconns, 0);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET), MOVE_AWAY);
	say(id, 10);
	run(0, 2);
	ck_assert_uint_eq(got, 2);
	world_fini();
}
END_TEST

START_TEST(who_has_no_room_refuses)
{
	uint32_t id, i;

	world_init(4);
	id = dialled();
	/* somebody else's connections fill the other one */
	for (i = 0; i < 4; i++)
		s[1].net->conn_free = ARENA_NONE;
	want[BUCKET] = 1;
	net_move(s[0].net, now, 64);
	net_move(s[1].net, now, 64);
	ck_assert_uint_eq(reply[1][BUCKET] >> 24, REPLY_REFUSED);
	ck_assert_uint_eq(counter(1, CNT_move_refused), 1);
	net_move(s[0].net, now, 64);
	ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OWNED);
	ck_assert_uint_eq(BUCKET_OWNER(word[BUCKET]), 0);
	say(id, 10);
	run(0, 2);
	ck_assert_uint_eq(got, 2);
	world_fini();
}
END_TEST

/* move.h, step 1: the owner does not touch what it offered. */
START_TEST(what_is_offered_stands_still)
{
	struct conn before;
	uint32_t id;

	world_init(16);
	id = dialled();
	say(id, 10);
	run(0, 1);
	to_client.n = 0;	/* so there is something in flight */
	want[BUCKET] = 1;
	net_move(s[0].net, now, 64);
	before = *conn_at(s[0].net, 0);
	now += PATIENCE_US - 1;
	while (net_advance(s[0].net, now, 64) > 0)
		continue;
	net_events(s[0].net, now, 64);
	net_output(s[0].net, now);
	ck_assert_uint_eq(net_out(s[0].net)->n, 0);
	before.ready_next = conn_at(s[0].net, 0)->ready_next;
	before.out_next = conn_at(s[0].net, 0)->out_next;
	ck_assert_mem_eq(&before, conn_at(s[0].net, 0), sizeof(before));
	net_move(s[1].net, now, 64);
	net_move(s[0].net, now, 64);
	net_move(s[1].net, now, 64);
	run(1, 300);
	ck_assert_uint_eq(got, 2);
	world_fini();
}
END_TEST

START_TEST(nothing_is_offered_to_who_takes_nothing)
{
	world_init(16);
	takes = false;
	want[BUCKET] = 1;
	ck_assert_uint_eq(net_move(s[0].net, now, 64), 0);
	ck_assert_uint_eq(BUCKET_PHASE(word[BUCKET]), BUCKET_OWNED);
	want[BUCKET] = BOARD_SLOTS + 3;
	takes = true;
	ck_assert_uint_eq(net_move(s[0].net, now, 64), 0);
	world_fini();
}
END_TEST

/* ---- what a turn does ---- */

/* Connections of three buckets, BUCKET and the next ones, are to go. */
static void
three_buckets(uint32_t bytes)
{
	struct conn *c;
	uint32_t i, k;

	world_init(16);
	for (i = 0; i < 3; i++) {
		bucket = BUCKET + i;
		dial();
		run(0, 8);
		ck_assert_uint_eq(opened, i + 1);
	}
	for (i = 0; i < 3; i++) {
		c = conn_enter(s[0].net, i);
		ck_assert_uint_eq(c->rec.bucket, BUCKET + i);
		for (k = 0; k < bytes; k += 1000)
			ck_assert_uint_gt(conn_write(s[0].net, c, text, 1000),
			    0);
		conn_leave(s[0].net, c);
		want[BUCKET + i] = 1;
	}
	ck_assert_uint_eq(net_move(s[0].net, now, 64), 3);
	ck_assert(net_move_busy(s[0].net));
}

/* Its connections stand still: others, which do not yet, can wait. */
START_TEST(what_was_committed_is_served_before_another_is_copied)
{
	three_buckets(0);
	net_move(s[1].net, now, 1);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET), MOVE_COPIED);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET + 1), MOVE_AWAY);
	net_move(s[0].net, now, 1);
	ck_assert_uint_eq(BUCKET_OWNER(word[BUCKET]), 1);
	net_move(s[1].net, now, 1);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET), MOVE_OURS);
	world_fini();
}
END_TEST

/* A turn stays short, also when few connections have much to send. */
START_TEST(bytes_that_are_copied_count_as_work)
{
	three_buckets(30000);
	net_move(s[1].net, now, 10);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET), MOVE_COPIED);
	ck_assert_int_eq(net_move_state(s[1].net, BUCKET + 1), MOVE_AWAY);
	ck_assert_uint_gt(s[0].net->mv.nfrozen, 3 * 14);
	world_fini();
}
END_TEST

/* Whoever waits for an answer, or for the commit, is rung; it need not spin. */
START_TEST(who_waits_for_the_other_has_nothing_to_do)
{
	three_buckets(0);
	ck_assert_uint_eq(net_move(s[0].net, now, 64), 3);
	ck_assert(!net_move_busy(s[0].net));
	ck_assert_uint_eq(net_move(s[1].net, now, 64), 3);
	ck_assert(net_move_busy(s[1].net));
	ck_assert_uint_eq(net_move(s[1].net, now, 64), 3);
	ck_assert(!net_move_busy(s[1].net));
	net_move(s[0].net, now, 64);
	ck_assert(net_move_busy(s[0].net));
	ck_assert_uint_eq(net_move(s[1].net, now, 64), 0);
	ck_assert(net_move_busy(s[1].net));
	net_move(s[1].net, now, 64);
	ck_assert(!net_move_busy(s[1].net));
	world_fini();
}
END_TEST

/* What we open ourselves lies in its bucket, and goes. */
START_TEST(a_connection_that_we_opened_goes)
{
	struct net_addr to = { { 10, 0, 0, 1 }, .port = 99, .family = 4 };
	struct net_addr any = { .port = 99 };
	struct conn *c;

	world_init(16);
	ck_assert_int_eq(net_listen(client.net, &any), 0);
	ck_assert_int_eq(net_connect(s[0].net, NULL, &to, now, &c), 0);
	server_turn(0);
	run(0, 6);
	ck_assert_uint_eq(opened, 1);
	ck_assert_uint_eq(conn_at(s[0].net, 0)->rec.bucket, BUCKET);
	move_to(1);
	ck_assert(conn_active(conn_at(s[1].net, 0)));
	ck_assert_uint_eq(conn_at(s[1].net, 0)->state, TCP_ESTABLISHED);
	world_fini();
}
END_TEST

int
main(void)
{
	Suite *su = suite_create("move");
	TCase *t = tcase_create("move");
	SRunner *sr;
	int failed;

	tcase_add_test(t, an_idle_connection_goes_on_with_its_state);
	tcase_add_test(t, unread_and_out_of_order_bytes_go_with_it);
	tcase_add_test(t, a_range_of_a_file_keeps_its_place);
	tcase_add_test(t, a_half_open_connection_goes);
	tcase_add_test(t, a_time_wait_entry_goes);
	tcase_add_test(t, neighbours_are_learned_from_the_giver);
	tcase_add_test(t, an_offer_without_an_answer_is_withdrawn);
	tcase_add_test(t, a_copy_of_a_withdrawn_offer_never_lives);
	tcase_add_test(t, who_has_no_room_refuses);
	tcase_add_test(t, what_is_offered_stands_still);
	tcase_add_test(t, nothing_is_offered_to_who_takes_nothing);
	tcase_add_test(t, a_connection_that_we_opened_goes);
	tcase_add_test(t,
	    what_was_committed_is_served_before_another_is_copied);
	tcase_add_test(t, bytes_that_are_copied_count_as_work);
	tcase_add_test(t, who_waits_for_the_other_has_nothing_to_do);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
