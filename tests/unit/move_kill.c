/*
 * Whole moves of buckets, one instruction after the other: two servers give
 * connections to each other, the supervisor changes its wishes, the primary
 * steers and empties slots that stay dead. Any of them is killed, or a server
 * frozen, at an instruction; frames come meanwhile and wait for marks, timers
 * are due, and sometimes the receiver has no room. secondary/net/move.h: every
 * connection has exactly one owner, always, and goes on byte for byte; what
 * was in hands may be reset.
 *
 * At every stop it is judged in a copy what the death of all would leave: both
 * arenas are adopted, or one of them emptied, all buffers counted, and now and
 * then the traffic is played to its end.
 *
 * STARFISH_KILLS=N makes N times as many; STARFISH_SEED repeats a run.
 */
#include "../lib/move_bed.h"
#include "../lib/move_roles.h"

#define POINTS		1200u	/* judged in a run, one instruction each */
#define DIFFERENT	10u	/* states among them, at least */
#define PLAYED		96u	/* one in so many is played to the end */
#define WINDOW		512u	/* most instructions of a window */
#define DULL		160u	/* so many that change nothing end it */
#define BESIDE		16u	/* of another process in between */
#define SEEK		150u	/* most to what changes something */
#define MARKS		12u	/* a window begins at one of the next so many */
#define FROZEN_MAX	40u	/* rounds that a server stands still, at most */
#define EMPTY_MAX	40u	/* rounds that a slot stays dead */

struct proc {
	pid_t pid;		/* 0: nobody sits there */
	bool stopped;		/* by ptrace */
	uint32_t frozen;	/* rounds that it still stands still */
};

static struct proc proc[PROCS];
static uint32_t empty_rounds;	/* that a slot still stays dead */
static uint32_t killed[PROCS], moved, refused, withdrawn, emptied, frozen;
static uint32_t marks, waited;

/* ---- what the processes do ---- */

static uint32_t
taking(void)
{
	uint32_t s, bits = 0;

	for (s = 0; s < SERVERS; s++)
		if (atomic_load(&sh->takes[s]))
			bits |= 1u << s;
	return bits;
}

/* The supervisor: what is asked for by chance, or single wishes. */
static void
super_turn(void)
{
	uint32_t i, gone = atomic_load(&sh->emptied);

	mark(&sh->marks[SUPER]);
	if (gone < SERVERS) {
		role_super_turn(ROLE_EMPTY, gone, taking(), now_us);
		return;
	}
	if (rnd(6) == 0)
		role_super_turn((enum role_wish)rnd(ROLE_EMPTY), rnd(SERVERS),
		    taking(), now_us);
	for (i = rnd(4); i > 0; i--)
		atomic_store(&board->want[0][rnd(BUCKETS)], rnd(SERVERS));
}

static struct evacuation gone;

/* Whoever repairs acts as the giver of a slot that stays dead. */
static void
empty_begin(uint32_t s)
{
	gone = (struct evacuation){ .arena = server[s].arena,
	    .size = server[s].arena_bytes, .slot = s,
	    .word = board->bucket[0], .want = board->want[0],
	    .reply = (const _Atomic uint32_t (*)[BOARD_BUCKETS])board->reply,
	    .patience_us = 20000, .takes = peer_takes };
	if (evacuate_begin(&gone) < 0)
		BAD("the arena of %u is damaged", s);
}

static void
primary_turn(void)
{
	uint32_t s = atomic_load(&sh->emptied);

	mark(&sh->marks[PRIMARY]);
	if (gone.arena != NULL && gone.slot != s) {
		evacuate_end(&gone);
		gone.arena = NULL;
	}
	if (s < SERVERS && gone.arena == NULL)
		empty_begin(s);
	mark(&sh->marks[PRIMARY]);
	if (s < SERVERS)
		evacuate_turn(&gone, atomic_load(&sh->now));
	mark(&sh->marks[PRIMARY]);
	role_primary_steer();
}

static void
turn_of(uint32_t p)
{
	if (p < SERVERS)
		server_turn(p);
	else if (p == SUPER)
		super_turn();
	else
		primary_turn();
}

static void
proc_loop(void *arg)
{
	uint32_t p = (uint32_t)((struct proc *)arg - proc);
	uint32_t done = atomic_load(&sh->done[p]);

	/* whoever sits down knows nothing but what is shared */
	gone.arena = NULL;
	if (p == SUPER)
		role_super_start(board, SERVERS);
	if (p == PRIMARY)
		role_primary_start(board, sh->reta);
	for (;;) {
		while (atomic_load(&sh->go[p]) == done)
			word_wait(&sh->go[p], done);
		turn_of(p);
		atomic_store(&sh->done[p], ++done);
		word_wake(&sh->done[p]);
	}
}

/* ---- processes ---- */

static void
wait_turn(uint32_t p)
{
	double until = seconds() + HANG;

	while (is_busy(p)) {
		if (seconds() > until) {
			BAD("process %u hangs", p);
			return;
		}
		word_wait(&sh->done[p], atomic_load(&sh->go[p]) - 1);
	}
}

static void
stop(uint32_t p)
{
	int status;

	if (proc[p].stopped)
		return;
	kill(proc[p].pid, SIGSTOP);
	waitpid(proc[p].pid, &status, 0);
	proc[p].stopped = true;
}

static void
cont(uint32_t p)
{
	ptrace(PTRACE_CONT, proc[p].pid, 0, 0);
	proc[p].stopped = false;
}

static void
seat(uint32_t p)
{
	int status;

	atomic_store(&sh->done[p], atomic_load(&sh->go[p]));
	proc[p] = (struct proc){ .pid = spawn(true, proc_loop, &proc[p]) };
	waitpid(proc[p].pid, &status, 0);
	cont(p);
}

/* ---- judging ---- */

/* All are dead: one of the servers is emptied if it was to be, or by chance;
 * whoever does that may die, too, and another begins again. */
static void
judge_here(void)
{
	uint32_t s, first = rnd(SERVERS), e = atomic_load(&sh->emptied);

	gone.arena = NULL;
	if (e == BOARD_NONE && variant == SOUND && rnd(4) == 0)
		e = first;
	for (s = 0; s < SERVERS; s++) {
		if (proc[s].pid != 0)
			note_torn(s);
		atomic_store(&sh->takes[s], s != e);
	}
	atomic_store(&sh->emptied, e);
	if (e < SERVERS) {
		do {
			empty_begin(e);
			evacuate_turn(&gone, now_us);
		} while (rnd(3) == 0);
		atomic_store(&sh->done[e], atomic_load(&sh->go[e]));
	} else {
		adopt(first);
	}
	for (s = 0; s < SERVERS; s++)
		if (s != e && (e < SERVERS || s != first))
			adopt(s);
	judge_owners();
}

/* What does not depend on anybody's luck any more has come true. */
static void
judge_end_state(bool wished)
{
	uint32_t k, s, e = atomic_load(&sh->emptied);
	const char *why;

	for (k = 0; k < BUCKETS; k++) {
		if (BUCKET_PHASE(*word(k)) != BUCKET_OWNED)
			BAD("bucket %u stays on the move", k);
		if (wished && BUCKET_OWNER(*word(k)) != board->want[0][k])
			BAD("bucket %u does not arrive", k);
		if (wished && atomic_load(&sh->reta[k]) !=
		    BUCKET_OWNER(*word(k)))
			BAD("bucket %u is steered elsewhere", k);
	}
	for (s = 0; s < SERVERS; s++) {
		if (s == e)
			continue;
		why = plain_count(&server[s]);
		if (why == NULL && server[s].net->nconns > 0)
			why = "connections are left";
		if (why == NULL && held[s].n > 0)
			why = "frames still wait for a mark";
		if (why != NULL)
			BAD("server %u at the end: %s", s, why);
	}
}

/* Servers go on, and the others if they are not dead, until every connection
 * has come to its end and every wish has come true. */
static void
play_to_the_end(void)
{
	bool guided = rnd(2) || atomic_load(&sh->emptied) < SERVERS;
	uint32_t turns, s, calm = 0;

	if (guided) {
		role_super_start(board, SERVERS);
		role_primary_start(board, sh->reta);
	}
	for (turns = 0; turns < 30000 && calm < 100 &&
	    verdict.why[0] == '\0'; turns++) {
		step_time();
		if (guided && turns < 60)
			super_turn();
		if (guided && turns == 60)
			role_super_turn(atomic_load(&sh->emptied) < SERVERS ?
			    ROLE_EMPTY : ROLE_REBALANCE, atomic_load(
			    &sh->emptied), taking(), now_us);
		clients_turn(false);
		for (s = 0; s < SERVERS; s++)
			if (s != atomic_load(&sh->emptied))
				server_turn(s);
		if (guided)
			primary_turn();
		if (clients_left() > 0)
			continue;
		/* what was refused is offered again after a while */
		calm++;
		now_us += 50000;
	}
	if (clients_left() > 0)
		BAD("%u connections never end", clients_left());
	judge_end_state(guided);
}

static void
judge_and_play(void)
{
	if (!judge_fork())
		return;
	judge_here();
	if (verdict.why[0] == '\0')
		play_to_the_end();
	judge_end();
}

/* ---- stepping ---- */

/* Keep what lies there; whether it was another before. */
static bool
differs(void *kept, const void *now, size_t len)
{
	if (memcmp(kept, now, len) == 0)
		return false;
	memcpy(kept, now, len);
	return true;
}

/* One that is in the middle of its turn; servers oftener. PROCS: none. */
static uint32_t
pick(void)
{
	uint32_t i, p;

	for (i = 0; i < 24; i++) {
		p = rnd(4) ? rnd(SERVERS) : rnd(PROCS);
		if (proc[p].pid != 0 && proc[p].frozen == 0 && is_busy(p))
			return p;
	}
	return PROCS;
}

/* Returns how many instructions, the last ones, changed nothing. */
static uint32_t
step_and_judge(uint32_t p, uint32_t steps, uint32_t dull)
{
	for (; steps > 0 && dull < DULL && is_busy(p) &&
	    verdict.why[0] == '\0'; steps--) {
		if (!step_once(proc[p].pid))
			break;
		dull = judge_point(1u << p, false) ? 0 : dull + 1;
		if (dull == 0)
			judge_owners();
		if (rnd(PLAYED) == 0)
			judge_and_play();
	}
	return dull;
}

static bool
in_hands(uint32_t s)
{
	return ((struct arena *)server[s].arena)->hands != ARENA_NONE;
}

/* Whether something happens that matters: it takes a record in hands or gives
 * it back, or writes one of its words for others. */
static bool
has_moved(uint32_t p)
{
	static uint32_t hands[SERVERS];
	static uint64_t words[BUCKETS];
	static uint32_t want[BOARD_BUCKETS], reply[BUCKETS];
	static uint8_t reta[BOARD_BUCKETS];
	bool moved = false;
	uint32_t h;

	if (p < SERVERS) {
		h = ((struct arena *)server[p].arena)->hands;
		moved = hands[p] != h;
		hands[p] = h;
		moved |= differs(reply, board->reply[p], sizeof(reply));
	}
	if (p == SUPER)
		moved = differs(want, board->want[0], sizeof(want));
	if (p == PRIMARY)
		moved = differs(reta, sh->reta, sizeof(reta));
	return differs(words, board->bucket[0], sizeof(words)) || moved;
}

/* To where a window may begin: what matters, or a record in hands, soon after
 * a step of a move, a part of the turn, or its begin. false: it ends before. */
static bool
seek(uint32_t p)
{
	uint32_t k = rnd(8);
	bool hands = p < SERVERS && rnd(3) > 0;
	_Atomic uint32_t *left = k < 4 && p < SERVERS ? &sh->steps[p] :
	    &sh->marks[p];

	if (k < 6 && !go_to_mark(proc[p].pid, left, 1 + rnd(MARKS),
	    &sh->go[p], &sh->done[p]))
		return false;
	(void)has_moved(p);
	for (k = SEEK; k > 0 && is_busy(p); k--) {
		if (!step_once(proc[p].pid))
			return false;
		if (hands ? in_hands(p) : has_moved(p))
			return true;
	}
	return false;
}

/* Some instructions of one, with a few of the others in between. */
static void
step_window(uint32_t p)
{
	uint32_t left = 1 + rnd(WINDOW), dull = 0, k, q;

	if (!seek(p))
		return;
	judge_point(1u << p, true);
	while (left > 0 && dull < DULL && is_busy(p) &&
	    verdict.why[0] == '\0') {
		k = 1 + rnd(left);
		dull = step_and_judge(p, k, dull);
		left -= k;
		q = pick();
		if (left > 0 && q < PROCS && q != p)
			(void)step_and_judge(q, rnd(BESIDE), 0);
	}
}

/* A server whose process dies while it adopts. */
static void
adopt_then_wait(void *arg)
{
	adopt((uint32_t)((struct proc *)arg - proc));
	for (;;)
		sched_yield();
}

static void
cut_adoption(uint32_t s)
{
	uint32_t steps = 1 + rnd(1u << (4 + rnd(8)));
	pid_t pid = spawn(true, adopt_then_wait, &proc[s]);
	int status;

	waitpid(pid, &status, 0);
	while (steps-- > 0 && step_once(pid))
		continue;
	end(pid);
	note_torn(s);
	verdict.adoptions_cut++;
}

static void
succeed(uint32_t s)
{
	if (rnd(6) == 0)
		cut_adoption(s);
	adopt(s);
	judge_owners();
	atomic_store(&sh->takes[s], 1);
	seat(s);
}

/* Those in the set die where they stand. */
static void
bury(uint32_t who)
{
	uint32_t p;

	for (p = 0; p < PROCS; p++) {
		if ((who & 1u << p) == 0 || proc[p].pid == 0)
			continue;
		end(proc[p].pid);
		verdict.kills++;
		killed[p]++;
		if (p < SERVERS) {
			note_torn(p);
			atomic_store(&sh->takes[p], 0);
		}
		proc[p] = (struct proc){ 0 };
		atomic_store(&sh->done[p], atomic_load(&sh->go[p]));
	}
}

/* Dead ones have successors; but one server may stay dead for a while. */
static void
replace(void)
{
	uint32_t s, e = atomic_load(&sh->emptied);

	for (s = 0; s < SERVERS; s++) {
		if (proc[s].pid != 0 || s == e)
			continue;
		if (e == BOARD_NONE && variant == SOUND && proc[!s].pid != 0 &&
		    rnd(4) == 0) {
			atomic_store(&sh->emptied, e = s);
			empty_rounds = 1 + rnd(EMPTY_MAX);
			emptied++;
			continue;
		}
		succeed(s);
	}
	if (proc[SUPER].pid == 0)
		seat(SUPER);
	if (proc[PRIMARY].pid == 0)
		seat(PRIMARY);
}

/* The supervisor takes one that stands still for dead, or nobody noticed. */
static void
freeze(uint32_t s)
{
	if (proc[s].pid == 0)
		return;
	proc[s].frozen = 1 + rnd(FROZEN_MAX);
	if (rnd(2))
		atomic_store(&sh->takes[s], 0);
	frozen++;
}

/* A turn of all, one instruction after the other; then death. */
static void
stepped_round(void)
{
	uint32_t p, w;

	for (p = 0; p < PROCS; p++) {
		if (proc[p].pid == 0)
			continue;
		stop(p);
		if (proc[p].frozen == 0 && !is_busy(p))
			atomic_fetch_add(&sh->go[p], 1);
	}
	judge_open(judge_here);
	/* mistakes show in deaths and moves, not in instructions */
	for (w = variant == SOUND ? 4 + rnd(4) : 1;
	    w > 0 && verdict.why[0] == '\0'; w--) {
		p = pick();
		if (p < PROCS)
			step_window(p);
	}
	judge_close();
	if (verdict.why[0] != '\0')
		return;
	if (rnd(4) == 0)
		freeze(rnd(SERVERS));
	else
		bury(rnd(1u << PROCS) & rnd(1u << PROCS));
	replace();
	for (p = 0; p < PROCS; p++)
		if (proc[p].pid != 0 && proc[p].frozen == 0 && proc[p].stopped)
			cont(p);
}

/* The slot that stayed dead is used again: first the primary lets go of it. */
static void
revive(void)
{
	uint32_t e = atomic_load(&sh->emptied);

	atomic_store(&sh->emptied, BOARD_NONE);
	atomic_fetch_add(&sh->go[PRIMARY], 1);
	word_wake(&sh->go[PRIMARY]);
	wait_turn(PRIMARY);
	succeed(e);
}

static void
plain_round(void)
{
	uint32_t p;

	for (p = 0; p < PROCS; p++) {
		if (proc[p].pid == 0)
			continue;
		if (proc[p].frozen > 0 && --proc[p].frozen > 0)
			continue;
		if (proc[p].stopped)
			cont(p);
		if (p < SERVERS)
			atomic_store(&sh->takes[p], 1);
		if (!is_busy(p))
			atomic_fetch_add(&sh->go[p], 1);
		word_wake(&sh->go[p]);
	}
	for (p = 0; p < PROCS; p++)
		if (proc[p].pid != 0 && proc[p].frozen == 0)
			wait_turn(p);
	if (atomic_load(&sh->emptied) < SERVERS && --empty_rounds == 0 &&
	    verdict.why[0] == '\0')
		revive();
}

/* ---- a run ---- */

static void
run_init(uint64_t seed)
{
	uint32_t p;

	moved = refused = withdrawn = emptied = frozen = marks = 0;
	memset(killed, 0, sizeof(killed));
	memset(proc, 0, sizeof(proc));
	gone.arena = NULL;
	world_init(seed);
	role_primary_start(board, sh->reta);
	for (p = 0; p < PROCS; p++)
		seat(p);
}

static void
run_fini(void)
{
	uint32_t i, p;

	for (p = 0; p < PROCS; p++) {
		if (proc[p].pid == 0)
			continue;
		kill(proc[p].pid, SIGKILL);
		waitpid(proc[p].pid, NULL, 0);
	}
	for (p = 0; p < SERVERS; p++) {
		refused += (uint32_t)sh->counters[p][CNT_move_refused];
		withdrawn += (uint32_t)sh->counters[p][CNT_move_withdrawn];
	}
	for (i = 0; i < BUCKETS; i++) {
		moved += BUCKET_ATTEMPT(*word(i));
		for (p = 0; p < SERVERS; p++)
			marks += board->passed[p][i] != 0;
	}
	waited = atomic_load(&sh->waited);
	world_fini();
}

static void
tell(uint64_t seed)
{

	fprintf(stderr, "  seed 0x%llx: %u points judged, %u of them different "
	    "states, %u played to the end; killed: server %u + %u, supervisor "
	    "%u, primary %u; %u with a record in hands, %u torn, %u adoptions "
	    "cut, %u frozen, %u slots emptied, %u offers, %u refused, %u "
	    "withdrawn, %u buckets' marks, %u frames waited\n", (unsigned long long)seed, verdict.points,
	    verdict.judged, verdict.played, killed[0], killed[1],
	    killed[SUPER], killed[PRIMARY], verdict.in_hands, verdict.torn,
	    verdict.adoptions_cut, frozen, emptied, moved, refused,
	    withdrawn, marks, waited);
}

static void
run(uint64_t seed, uint32_t points)
{
	uint32_t i, r;

	run_init(seed);
	share_cpu(true);
	for (r = 0; verdict.why[0] == '\0' && (r < 8 || verdict.points <
	    points); r++) {
		for (i = rnd(5); i > 0 && verdict.why[0] == '\0'; i--) {
			step_time();
			clients_turn(true);
			plain_round();
		}
		step_time();
		clients_turn(true);
		if (verdict.why[0] == '\0')
			stepped_round();
	}
	for (i = 0; i < PROCS; i++)
		if (proc[i].pid != 0)
			stop(i);
	if (verdict.why[0] == '\0')
		judge_and_play();
	run_fini();
	tell(seed);
}

/* secondary/net/move.h, adoption: whoever dies, every connection has one
 * owner and goes on. */
START_TEST(a_kill_in_a_move_leaves_every_connection_one_owner)
{
	uint64_t seed = run_seed() / 3 * 3 + (uint64_t)_i;
	uint32_t f = kill_factor();

	if (!can_trace()) {
		fprintf(stderr, "  ptrace is not allowed here\n");
		return;
	}
	variant = SOUND;
	run(seed, POINTS * f);
	ck_assert_msg(verdict.why[0] == '\0', "STARFISH_SEED=0x%llx: %s",
	    (unsigned long long)seed, verdict.why);
	ck_assert_uint_ge(verdict.points, POINTS * f);
	ck_assert_uint_ge(verdict.judged, DIFFERENT);
	ck_assert_uint_gt(verdict.kills, 0);
	ck_assert_uint_gt(moved, 0);
}
END_TEST

/* Negative controls: mistakes that the journal forbids are noticed. */
START_TEST(a_break_of_the_protocol_is_noticed)
{
	uint64_t seed;
	int status;
	pid_t pid;

	if (!can_trace())
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		variant = REPLIES_EARLY + (enum variant)_i;
		for (seed = 2; seed < 30; seed += 3) {
			run(seed, POINTS);
			if (verdict.why[0] != '\0') {
				fprintf(stderr, "  noticed: %s\n",
				    verdict.why);
				_exit(1);
			}
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status != 0, "variant %d was not noticed", _i);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("move_kill");
	TCase *t = tcase_create("journal");
	SRunner *sr;
	int failed;

	signal(SIGCHLD, SIG_DFL);	/* inherited it may be ignored */
	tcase_set_timeout(t, 120.0 + 20.0 * kill_factor());
	tcase_add_loop_test(t,
	    a_kill_in_a_move_leaves_every_connection_one_owner, 0, 3);
	tcase_add_loop_test(t, a_break_of_the_protocol_is_noticed, 0, 3);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
