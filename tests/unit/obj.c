/*
 * Objects: bytes under a key that survive the process (obj.h). A change is
 * there as a whole or not at all, at every instruction.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/plain.h"
#include "../../secondary/net/obj.h"

#define OBJS	32u
#define KEYS	8u		/* of the run that is stepped through */
#define OPS	24u		/* changes in it */
#define LEN_MAX	6000u

static struct plain s;

static void
setup(void)
{
	plain_conf(&s, 1, 4);
	s.conf.shape.objs = OBJS;
	s.conf.shape.small = 64;
	s.conf.shape.chunks = 16;
	s.conf.shape.chunk_size = 2048;
	plain_init(&s, 1000);
}

static void
teardown(void)
{
	plain_fini(&s);
}

/* Every chunk is free or belongs to one object. NULL, or what is wrong. */
static const char *
account(struct net *n)
{
	static uint8_t seen[256];
	uint32_t i, c, all = n->conf.shape.small + n->conf.shape.chunks;
	uint32_t heads[3] = { n->small_free, n->chunk_free, n->limbo_head };

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < 3; i++)
		for (c = heads[i]; c != ARENA_NONE; c = chunk_at(n, c)->next)
			if (seen[c]++ != 0)
				return "a chunk is free twice";
	for (i = 0; i < n->conf.shape.objs; i++) {
		const struct obj *o = &n->objs[i];

		if (o->rec.state != REC_USED)
			continue;
		for (c = o->val[o->valid & 1].head; c != ARENA_NONE;
		    c = chunk_at(n, c)->next)
			if (seen[c]++ != 0)
				return "a chunk has two owners";
	}
	for (i = 0; i < all; i++)
		if (seen[i] == 0)
			return "a chunk is lost";
	return NULL;
}

static uint8_t
byte(uint32_t tag, uint32_t i)
{
	return (uint8_t)(tag * 37 + i * 11 + (i >> 8));
}

static const uint8_t *
value(uint32_t tag, uint32_t len)
{
	static uint8_t buf[OBJ_VALUE];
	uint32_t i;

	for (i = 0; i < len; i++)
		buf[i] = byte(tag, i);
	return buf;
}

static void
put(const char *key, uint32_t tag, uint32_t len)
{
	ck_assert_int_eq(obj_put(s.net, key, (uint32_t)strlen(key),
	    value(tag, len), len), 0);
}

/* Whether key has the value of this tag and length. */
static bool
has(struct net *n, const char *key, uint32_t tag, uint32_t len)
{
	static uint8_t got[OBJ_VALUE];
	struct obj_view v;

	return obj_find(n, key, (uint32_t)strlen(key), &v) && v.len == len &&
	    v.klen == strlen(key) && memcmp(v.key, key, v.klen) == 0 &&
	    obj_copy(n, &v, 0, got, sizeof(got)) == len &&
	    memcmp(got, value(tag, len), len) == 0;
}

START_TEST(a_value_is_found_under_its_key_alone)
{
	static const uint32_t len[] = { 0, 1, 223, 224, 225, 2016, 2017, 5000 };
	uint32_t i;

	for (i = 0; i < 8; i++) {
		put("key", i, len[i]);
		ck_assert(has(s.net, "key", i, len[i]));
	}
	ck_assert(!has(s.net, "ke", 7, 5000));
	put("ke", 99, 3);
	ck_assert(has(s.net, "key", 7, 5000));
	ck_assert(has(s.net, "ke", 99, 3));
	ck_assert_uint_eq(obj_count(s.net), 2);
	ck_assert_ptr_null(account(s.net));
}
END_TEST

START_TEST(the_version_changes_with_the_value)
{
	struct obj_view a, b;

	put("k", 1, 10);
	ck_assert(obj_find(s.net, "k", 1, &a));
	put("k", 1, 10);
	ck_assert(obj_find(s.net, "k", 1, &b));
	ck_assert(a.id == b.id && a.version != b.version);
	ck_assert_int_eq(obj_del(s.net, "k", 1), 0);
	put("k", 1, 10);	/* takes the same record */
	ck_assert(obj_find(s.net, "k", 1, &a));
	ck_assert(a.id != b.id || a.version != b.version);
}
END_TEST

START_TEST(a_removed_object_gives_all_back)
{
	uint32_t i;
	char key[16];

	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		put(key, i, 100);
	}
	ck_assert_int_eq(obj_del(s.net, "k20", 3), -ENOENT);
	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		ck_assert_int_eq(obj_del(s.net, key, (uint32_t)strlen(key)),
		    0);
		ck_assert(!has(s.net, key, i, 100));
	}
	ck_assert_uint_eq(obj_count(s.net), 0);
	ck_assert_uint_eq(s.net->nsmall_free, 64);
	ck_assert_uint_eq(s.net->nchunk_free, 16);
	ck_assert_ptr_null(account(s.net));
}
END_TEST

START_TEST(pieces_make_a_value_and_half_of_one_makes_none)
{
	const uint8_t *v = value(5, 3000);
	uint32_t i;

	ck_assert_int_eq(obj_begin(s.net, 3000), 0);
	for (i = 0; i < 3000; i += 7)
		obj_add(s.net, v + i, 3000 - i < 7 ? 3000 - i : 7);
	ck_assert_int_eq(obj_commit(s.net, "k", 1), 0);
	ck_assert(has(s.net, "k", 5, 3000));
	ck_assert_int_eq(obj_begin(s.net, 10), 0);
	obj_add(s.net, v, 9);
	ck_assert_int_eq(obj_commit(s.net, "k", 1), -EINVAL);
	ck_assert(has(s.net, "k", 5, 3000));
	ck_assert_ptr_null(account(s.net));
}
END_TEST

START_TEST(no_room_is_a_counted_refusal_and_changes_nothing)
{
	char key[OBJ_KEY + 2];
	uint32_t i;

	/* records */
	for (i = 0; i < OBJS; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		put(key, i, 0);
	}
	ck_assert_int_eq(obj_put(s.net, "more", 4, "", 0), -ENOSPC);
	ck_assert_uint_eq(s.counters[CNT_obj_refused], 1);
	put("k3", 77, 50);	/* one that is there may change */
	/* chunks: a quarter is left to the connections */
	ck_assert_int_eq(obj_put(s.net, "k3", 2, value(1, 2016 * 13),
	    2016 * 13), -ENOSPC);
	ck_assert_uint_eq(s.counters[CNT_obj_refused], 2);
	ck_assert(has(s.net, "k3", 77, 50));
	put("k3", 1, 2016 * 12);
	ck_assert_uint_eq(s.net->nchunk_free, 4);
	/* keys and lengths out of range */
	memset(key, 'x', sizeof(key));
	ck_assert_int_eq(obj_put(s.net, key, OBJ_KEY + 1, "", 0), -EINVAL);
	ck_assert_int_eq(obj_put(s.net, key, 0, "", 0), -EINVAL);
	ck_assert_int_eq(obj_begin(s.net, OBJ_VALUE + 1), -EINVAL);
	ck_assert_ptr_null(account(s.net));
}
END_TEST

START_TEST(a_walk_meets_each_once_and_is_bounded)
{
	uint32_t at = 0, n = 0, calls = 0;
	struct obj_view v;
	uint64_t seen = 0;
	char key[16];

	for (uint32_t i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "k%02u", i);
		put(key, i, i);
	}
	for (; at != UINT32_MAX; calls++) {
		if (!obj_next(s.net, &at, 4, &v))
			continue;
		n++;
		seen |= UINT64_C(1) << ((v.key[1] - '0') * 10 + v.key[2] - '0');
	}
	ck_assert_uint_eq(n, 20);
	ck_assert_uint_eq(seen, 0xfffff);
	ck_assert_uint_le(calls, OBJS + OBJS / 4 + 1);
}
END_TEST

START_TEST(an_arena_without_objects_refuses)
{
	struct obj_view v;
	uint32_t at = 0;

	plain_fini(&s);
	plain_conf(&s, 1, 4);
	plain_init(&s, 1000);
	ck_assert_int_eq(obj_put(s.net, "k", 1, "v", 1), -EINVAL);
	ck_assert_int_eq(obj_del(s.net, "k", 1), -ENOENT);
	ck_assert(!obj_find(s.net, "k", 1, &v));
	ck_assert(!obj_next(s.net, &at, 9, &v));
}
END_TEST

START_TEST(a_damaged_object_is_dropped_and_counted)
{
	put("a", 1, 5000);
	put("b", 2, 5000);
	put("c", 3, 10);
	s.net->objs[1].val[s.net->objs[1].valid & 1].head = 5000;
	s.net->objs[2].klen = 0;
	ck_assert_ptr_null(plain_adopt(&s, 80, 2000));
	ck_assert(has(s.net, "a", 1, 5000));
	ck_assert_uint_eq(obj_count(s.net), 1);
	ck_assert_uint_eq(s.counters[CNT_obj_torn], 2);
}
END_TEST

/* ---- at every instruction ---- */

struct shared {
	_Atomic uint32_t begun, ended;	/* changes */
};

static struct shared *sh;

/* Change number i: of which key, and to what; len LEN_MAX: it is removed. */
static void
change(uint32_t i, uint32_t *key, uint32_t *len)
{
	static const uint32_t lens[] = { 10, 0, 224, 230, 3000, 4100, LEN_MAX };

	*key = i * 5 % 7 % KEYS;
	*len = lens[i * 3 % 7];
}

static void
key_text(uint32_t key, char text[8])
{
	snprintf(text, 8, "key%u", key);
}

static void
run_changes(void)
{
	uint32_t i, key, len;
	const uint8_t *v;
	char text[8];

	for (i = 1; i <= OPS; i++) {
		change(i, &key, &len);
		key_text(key, text);
		v = value(i, len < LEN_MAX ? len : 0);
		raise(SIGSTOP);	/* from here on step by step */
		atomic_store(&sh->begun, i);
		if (len == LEN_MAX)
			(void)obj_del(s.net, text, 4);
		else if (obj_put(s.net, text, 4, v, len) != 0)
			_exit(1);
		atomic_store(&sh->ended, i);
	}
}

/* Whether the objects are those after n changes. */
static bool
is_after(struct net *net, uint32_t n)
{
	uint32_t tag[KEYS] = { 0 }, len[KEYS], i, key, l;
	struct obj_view v;
	char text[8];

	for (i = 1; i <= n; i++) {
		change(i, &key, &l);
		tag[key] = l == LEN_MAX ? 0 : i;
		len[key] = l;
	}
	for (i = 0; i < KEYS; i++) {
		key_text(i, text);
		if (tag[i] == 0 ? obj_find(net, text, 4, &v) :
		    !has(net, text, tag[i], len[i]))
			return false;
	}
	return true;
}

/* Adopt a copy of the arena as it is and judge. NULL, or what is wrong. */
static const char *
judge(struct plain *copy)
{
	uint32_t begun = sh->begun, ended = sh->ended;

	memcpy(copy->arena, s.arena, s.arena_bytes);
	memset(copy->net, 0xdb, offsetof(struct net, whole));
	if (net_adopt(copy->net, &copy->conf, &copy->env, copy->arena,
	    copy->arena_bytes, 5000) != 0)
		return "net_adopt() refuses";
	net_tx_done(copy->net, 1);
	if (copy->counters[CNT_obj_torn] != 0)
		return "an object was dropped";
	if (!is_after(copy->net, ended) &&
	    (begun == ended || !is_after(copy->net, begun)))
		return "an object is neither the old one nor the new one";
	return account(copy->net);
}

START_TEST(a_death_at_any_instruction_leaves_the_old_or_the_new_value)
{
	const char *why = NULL;
	uint32_t steps = 0, in = 0;
	int how = PTRACE_CONT;
	bool was_in = false;
	static struct plain copy;
	int status;
	pid_t pid;

	sh = plain_memory(sizeof(*sh));
	plain_conf(&copy, 1, 4);
	copy.conf.shape = s.conf.shape;
	plain_init(&copy, 1000);
	copy.conf.secret[0] = s.conf.secret[0];
	copy.env.base = s.env.base;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		run_changes();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	while (why == NULL && WIFSTOPPED(status)) {
		if (sh->begun != sh->ended) {
			why = judge(&copy);
			in++;
			was_in = true;
		} else if (was_in) {
			/* between two changes nothing can go wrong */
			how = PTRACE_CONT;
			was_in = false;
		} else if (WSTOPSIG(status) == SIGSTOP) {
			how = sh->ended < OPS ? PTRACE_SINGLESTEP : PTRACE_CONT;
		}
		steps++;
		if (ptrace(how, pid, NULL, NULL) != 0 ||
		    waitpid(pid, &status, 0) != pid)
			break;
	}
	if (why != NULL) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	ck_assert_msg(why == NULL, "step %u, change %u: %s", steps, sh->begun,
	    why);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_uint_eq(sh->ended, OPS);
	ck_assert_uint_gt(in, 2000);
	ck_assert(is_after(s.net, OPS) || judge(&copy) == NULL);
	plain_fini(&copy);
	munmap(sh, sizeof(*sh));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("obj");
	TCase *t = tcase_create("objects");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_value_is_found_under_its_key_alone);
	tcase_add_test(t, the_version_changes_with_the_value);
	tcase_add_test(t, a_removed_object_gives_all_back);
	tcase_add_test(t, pieces_make_a_value_and_half_of_one_makes_none);
	tcase_add_test(t, no_room_is_a_counted_refusal_and_changes_nothing);
	tcase_add_test(t, a_walk_meets_each_once_and_is_bounded);
	tcase_add_test(t, an_arena_without_objects_refuses);
	tcase_add_test(t, a_damaged_object_is_dropped_and_counted);
	tcase_add_test(t,
	    a_death_at_any_instruction_leaves_the_old_or_the_new_value);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
