/*
 * Frames of a bucket that goes from slot 0 to slot 1 while what stands before
 * them is changed (secondary/io/order.h, hold.c). Built with the files under
 * test: they belong to the worker, not to the pure library.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "../../secondary/io/hold.c"
#include "../../secondary/io/order.c"
#include "../../secondary/io/steer.c"

#define FRAMES		256u
#define RING		64u
#define PORT		80u
#define QUEUED		FRAMES
#define EPOCH		1u	/* of the first move */

static struct board board;
static struct io io[2];
static struct steer steer[2];
static struct order order[2];
static struct net_buckets none;
static uint8_t state[2][BOARD_BUCKETS];
static struct pkt *held[2][HOLD_MAX];
static uint8_t held_from[2][HOLD_MAX];
static _Atomic uint64_t counters[2][CNT_MAX];
static union {
	struct xring r;
	uint8_t room[sizeof(struct xring) + RING * sizeof(struct xent)];
} ring[2];				/* to slot i from the other */
static struct {
	struct pkt p;
	uint8_t b[64];
} frame[FRAMES];
static uint32_t sent, served, bucket;	/* numbers of frames */
static bool in_order;
static uint64_t now;
static struct queue_of {
	uint32_t f[QUEUED], n;
	uint64_t due[QUEUED];	/* when the kernel has it there */
} queue[2];
static uint32_t map;		/* the steering: slot */

/* ---- what hold.c asks for ---- */

static uint32_t
number(const struct pkt *p)
{
	return get_be16(pkt_data(p) + ETHER_LEN + 4);	/* IPv4's id */
}

void
net_input(struct net *n, struct pkt *const in[], uint32_t cnt, uint64_t t)
{
	uint32_t i;

	(void)n;
	ck_assert_uint_eq(t, now);
	for (i = 0; i < cnt; i++) {
		in_order &= number(in[i]) == served;
		served++;
	}
}

void
lanes_hand_off(struct io *x, uint32_t to, struct pkt *p)
{
	struct xring *r = &ring[to].r;

	ck_assert_uint_eq(to, 1 - x->me);
	ck_assert_uint_gt(xring_room(r), 0);
	xring_put(r, 0, (struct xent){ .ref = number(p) });
	xring_publish(r, 1);
}

/* ---- the world ---- */

static void
make_frame(uint32_t i)
{
	struct pkt *p = &frame[i].p;
	uint8_t *d;

	pkt_reset(p, 0);
	p->room = sizeof(frame[i].b);
	p->len = ETHER_LEN + 40;
	p->port = 0;
	d = pkt_data(p);
	memset(d, 0, p->len);
	d[12] = 0x08;
	d[ETHER_LEN] = 0x45;
	d[ETHER_LEN + 4] = (uint8_t)(i >> 8);
	d[ETHER_LEN + 5] = (uint8_t)i;
	d[ETHER_LEN + 9] = IPPROTO_TCP;
	d[ETHER_LEN + 12] = 10;
	d[ETHER_LEN + 16] = 10;
	d[ETHER_LEN + 23] = PORT;
}

static void
word(uint32_t owner, uint32_t to, uint32_t phase, uint32_t epoch,
    uint32_t attempt)
{
	atomic_store(&board.bucket[0][bucket], BUCKET_WORD(owner, to, phase,
	    epoch, attempt));
}

static void
world_side(uint32_t i)
{
	memset(&order[i], 0, sizeof(order[i]));
	order[i].steered = board.steered[0];
	order[i].passed = board.passed[i];
	order[i].peer[1 - i] = board.passed[1 - i];
	order[i].ring[1 - i] = &ring[i].r;
	xring_init(&ring[i].r, RING);
	if (steer[i].board == NULL)	/* it takes long */
		steer_init(&steer[i], &board, 0);
	steer[i].me = (uint8_t)i;
	steer[i].state = state[i];
	io[i] = (struct io){ .me = i, .counters = counters[i],
	    .buckets = &none, .held = held[i], .held_from = held_from[i],
	    .order = &order[i] };
	io[i].shared[0] = 1;
	io[i].steer[0] = &steer[i];
	memset(state[i], i == 0 ? MOVE_OURS : MOVE_AWAY, BOARD_BUCKETS);
	queue[i].n = 0;
}

static void
world_init(void)
{
	struct pkt *p = &frame[0].p;
	uint32_t i;

	memset(&board, 0, sizeof(board));
	memset(board.port[0].rss_key, 0x5a, sizeof(board.port[0].rss_key));
	board.head.nports = board.head.ngroups = 1;
	board.head.nslots = 2;
	board.head.nlisteners = 1;
	board.group[0].ports = 1;
	board.listener[0] = (struct board_listener){ .port_lo = PORT,
	    .port_hi = PORT, .proto = IPPROTO_TCP };
	now = 1000000;
	sent = served = map = 0;
	in_order = true;
	for (i = 0; i < FRAMES; i++)
		make_frame(i);
	for (i = 0; i < 2; i++)
		world_side(i);
	(void)steer_owner(&steer[0], p);
	bucket = p->hash % BOARD_BUCKETS;
	make_frame(0);
}

/* The next frame comes by the steering of now, and is there a little later. */
static void
send_frame(uint32_t later_us)
{
	struct queue_of *q = &queue[map];

	q->f[q->n] = sent++;
	q->due[q->n++] = now + later_us;
}

/* A turn of slot i, which takes max frames of its queue. */
static void
turn(uint32_t i, uint32_t max, enum hold_from from)
{
	struct queue_of *q = &queue[i];
	struct xring *r = &ring[i].r;
	struct pkt *in[QUEUED];
	uint32_t n = 0, k;

	io[i].now = now;
	order_turn(&order[i], now);
	hold_turn(&io[i]);
	while (n < max && n < q->n && q->due[n] <= now) {
		in[n] = &frame[q->f[n]].p;
		n++;
	}
	q->n -= n;
	memmove(q->f, q->f + n, q->n * sizeof(q->f[0]));
	memmove(q->due, q->due + n, q->n * sizeof(q->due[0]));
	k = hold_burst(&io[i], in, n, from);
	net_input(NULL, in, k, now);
	io[i].drained = n < max;
	for (n = 0; n < max && xring_ready(r) > 0; n++) {
		in[n] = &frame[xring_peek(r, 0).ref].p;
		xring_consume(r, 1);
	}
	io[i].drained &= xring_ready(r) == 0;
	k = hold_burst(&io[i], in, n, HOLD_HANDED);
	net_input(NULL, in, k, now);
	if (io[i].drained)
		order_empty(&order[i], now);
}

/* The journal's steps, as move.c takes them. */
static void
offer(void)
{
	state[0][bucket] = MOVE_OFFERED;
	word(0, 1, BUCKET_OFFERED, 0, EPOCH);
}

static void
commit(void)
{
	state[0][bucket] = MOVE_LEFT;
	word(1, 1, BUCKET_OWNED, EPOCH, EPOCH);
	order_gave(&order[0], bucket, 1, EPOCH, now);
}

static void
serve(void)
{
	state[1][bucket] = MOVE_OURS;
	order_came(&order[1], bucket, 0, EPOCH, now);
}

static void
steer_follows(void)
{
	map = 1;
	atomic_store(&board.steered[0][bucket], EPOCH);
}

/* The bucket has gone, one frame lies in slot 0's queue, one came directly. */
static void
one_behind(enum hold_from from)
{
	world_init();
	offer();
	commit();
	serve();
	/* the steering may follow late: nothing waits meanwhile */
	now += 2 * ORDER_US;
	turn(1, 8, from);
	send_frame(0);
	steer_follows();
	send_frame(0);
	turn(1, 8, from);
}

/* ---- claims ---- */

static uint32_t
chance(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Turns, frames and the steps of the move in an order of chance. */
static void
run(uint32_t seed)
{
	static void (*const steps[])(void) = { offer, commit, serve,
	    steer_follows };
	uint32_t step = 0, r, x = seed * 2654435761u;

	world_init();
	while (served < FRAMES) {
		r = chance(&x);
		now += r % 30;
		switch (r / 32 % 4) {
		case 0:
			if (sent < FRAMES)
				send_frame(r / 128 % (ORDER_GRACE_US - 10));
			break;
		case 1:
			turn(0, 1 + r / 128 % 4, HOLD_DIRECT);
			break;
		case 2:
			turn(1, 1 + r / 128 % 4, HOLD_DIRECT);
			break;
		default:
			if (step < 4 && r / 128 % 16 == 0 && sent > 20)
				steps[step++]();
		}
	}
}

/* Whatever happens in whatever order, in less time than the limit. */
START_TEST(frames_never_overtake_each_other)
{
	uint32_t seed;

	for (seed = 1; seed <= 300; seed++) {
		run(seed);
		ck_assert_msg(in_order, "seed %u", seed);
		ck_assert_uint_eq(io[0].nheld + io[1].nheld, 0);
	}
}
END_TEST

START_TEST(what_comes_directly_waits_for_the_mark)
{
	one_behind(HOLD_DIRECT);
	ck_assert_uint_eq(io[1].nheld, 1);
	ck_assert_uint_eq(served, 0);
	turn(0, 8, HOLD_DIRECT);	/* hands on, and sees the steering */
	turn(1, 8, HOLD_DIRECT);
	ck_assert_uint_eq(served, 1);
	now += ORDER_GRACE_US;
	turn(0, 8, HOLD_DIRECT);	/* all is empty */
	turn(1, 8, HOLD_DIRECT);
	ck_assert_uint_eq(served, 2);
	ck_assert(in_order);
	ck_assert_uint_eq(order[0].ngave + order[1].ncame, 0);
}
END_TEST

START_TEST(no_mark_before_steering_follows_and_inputs_are_empty)
{
	uint32_t i;

	world_init();
	offer();
	commit();
	for (i = 0; i < 5; i++) {
		now += 1000;
		turn(0, 8, HOLD_DIRECT);
	}
	ck_assert_uint_eq(atomic_load(&board.passed[0][bucket]), 0);
	for (i = 0; i < 4; i++)
		send_frame(0);
	steer_follows();
	now += 1;
	turn(0, 1, HOLD_DIRECT);
	ck_assert(order_hurries(&order[0]));
	for (i = 0; i < 3; i++) {	/* something is left each time */
		now += 1000;
		turn(0, 1, HOLD_DIRECT);
	}
	ck_assert_uint_eq(atomic_load(&board.passed[0][bucket]), 0);
	now += 1;
	turn(0, 1, HOLD_DIRECT);
	ck_assert_uint_eq(atomic_load(&board.passed[0][bucket]), EPOCH);
	ck_assert(!order_hurries(&order[0]));
}
END_TEST

/* The other one died with the mark in its hands, or stands still. */
START_TEST(without_a_mark_frames_wait_for_five_ms)
{
	one_behind(HOLD_DIRECT);
	/* one of an earlier move is none */
	atomic_store(&board.passed[0][bucket], EPOCH - 1);
	now += ORDER_US - 1;
	turn(1, 8, HOLD_DIRECT);
	ck_assert_uint_eq(served, 0);
	ck_assert_uint_eq(order[1].ncame, 1);
	now += 1;
	ck_assert_uint_eq(order_turn(&order[1], now), 1);
	turn(1, 8, HOLD_DIRECT);
	ck_assert_uint_eq(served, 1);
	ck_assert_uint_eq(io[1].nheld, 0);
	/* and nothing waits any more */
	send_frame(0);
	turn(1, 8, HOLD_DIRECT);
	ck_assert_uint_eq(served, 2);
}
END_TEST

/* A mark says that it is in the ring; the ring may be long. */
START_TEST(the_ring_is_emptied_before)
{
	uint32_t i;

	world_init();
	offer();
	commit();
	serve();
	for (i = 0; i < 10; i++)
		send_frame(0);
	steer_follows();
	send_frame(0);
	turn(0, 64, HOLD_DIRECT);
	now += ORDER_GRACE_US;
	turn(0, 64, HOLD_DIRECT);
	ck_assert_uint_eq(atomic_load(&board.passed[0][bucket]), EPOCH);
	for (i = 0; i < 5; i++) {
		turn(1, 2, HOLD_DIRECT);
		ck_assert_uint_eq(served, 2 * (i + 1));
	}
	turn(1, 2, HOLD_DIRECT);
	ck_assert_uint_eq(served, 11);
	ck_assert(in_order);
}
END_TEST

/* Its sender looks at the table by itself: there is no steering to follow. */
START_TEST(what_comes_over_a_wire_does_not_wait)
{
	one_behind(HOLD_WIRE);
	ck_assert_uint_eq(served, 1);
	ck_assert_uint_eq(io[1].nheld, 0);
}
END_TEST

START_TEST(handed_frames_go_first_of_those_that_were_held)
{
	struct pkt *p;

	world_init();
	offer();
	p = &frame[1].p;
	ck_assert_uint_eq(hold_burst(&io[1], &p, 1, HOLD_WIRE), 0);
	p = &frame[0].p;
	ck_assert_uint_eq(hold_burst(&io[1], &p, 1, HOLD_HANDED), 0);
	ck_assert_uint_eq(io[1].nheld, 2);
	commit();
	serve();
	io[1].now = now;
	hold_turn(&io[1]);
	ck_assert_uint_eq(served, 2);
	ck_assert(in_order);
}
END_TEST

/* A bucket that goes on at once: nobody waits for marks of before. */
START_TEST(a_bucket_that_goes_back_owes_nothing)
{
	one_behind(HOLD_DIRECT);
	ck_assert_uint_eq(io[1].nheld, 1);
	order_gave(&order[1], bucket, 0, EPOCH + 1, now);
	word(0, 0, BUCKET_OWNED, EPOCH + 1, EPOCH + 1);
	state[1][bucket] = MOVE_LEFT;
	ck_assert_uint_eq(order[1].ncame, 0);
	state[0][bucket] = MOVE_OURS;
	order_came(&order[0], bucket, 1, EPOCH + 1, now);
	ck_assert_uint_eq(order[0].ngave, 0);
	turn(1, 8, HOLD_DIRECT);	/* hands back what it held */
	ck_assert_uint_eq(io[1].nheld, 0);
	/* what had come the first way is in its own queue, directly */
	turn(0, 8, HOLD_DIRECT);
	ck_assert_uint_eq(order[0].ncame, 1);
	ck_assert_uint_eq(io[0].nheld, 1);
	now += ORDER_US;
	turn(0, 8, HOLD_DIRECT);
	ck_assert_uint_eq(served, 2);
}
END_TEST

/* A primary that is dead changes nothing any more. */
START_TEST(what_nothing_came_of_is_forgotten)
{
	world_init();
	offer();
	commit();
	serve();
	now += ORDER_LOST_US;
	order_turn(&order[0], now);
	ck_assert_uint_eq(order_turn(&order[1], now), 0);
	ck_assert_uint_eq(order[0].ngave + order[1].ncame, 0);
}
END_TEST

int
main(void)
{
	Suite *su = suite_create("order");
	TCase *t = tcase_create("order");
	SRunner *sr;
	int failed;

	tcase_add_test(t, frames_never_overtake_each_other);
	tcase_add_test(t, what_comes_directly_waits_for_the_mark);
	tcase_add_test(t,
	    no_mark_before_steering_follows_and_inputs_are_empty);
	tcase_add_test(t, without_a_mark_frames_wait_for_five_ms);
	tcase_add_test(t, the_ring_is_emptied_before);
	tcase_add_test(t, what_comes_over_a_wire_does_not_wait);
	tcase_add_test(t, handed_frames_go_first_of_those_that_were_held);
	tcase_add_test(t, a_bucket_that_goes_back_owes_nothing);
	tcase_add_test(t, what_nothing_came_of_is_forgotten);
	suite_add_tcase(su, t);
	sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
