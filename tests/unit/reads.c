/*
 * Reads through io_uring: real files, a ring, no worker.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>
#include <liburing.h>

#include "../../common/fcache.h"
#include "../../secondary/io/reads.h"

#define LEN	300001u		/* bytes of a file */
#define BUFS	4u
#define CONNS	64u
#define FILES	12u		/* more than can be open */

static char dir[64];
static uint8_t data[LEN];
static struct fcache *fc;
static struct reads *r, *volatile small;
static uint64_t now = 1000000;
static struct reads *volatile probe; /* whether there is a ring at all */

static void
path_of(char *buf, size_t len, uint32_t i)
{
	snprintf(buf, len, "%s/f%u", dir, i);
}

static void
put(uint32_t i, uint32_t n)
{
	char path[96];
	FILE *f;

	path_of(path, sizeof(path), i);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, n, f), n);
	fclose(f);
}

static void
setup(void)
{
	struct fcache_root from = { dir, "/nonexistent", 1000 };
	char err[512];
	size_t size;
	uint32_t i;
	int e;

	snprintf(dir, sizeof(dir), "/tmp/reads.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (i = 0; i < LEN; i++)
		data[i] = (uint8_t)(i * 7 + i / 253);
	for (i = 0; i < FILES; i++)
		put(i, LEN);
	ck_assert_int_eq(fcache_measure(&from, &size, err, sizeof(err)), 0);
	fc = aligned_alloc(64, (size + 63) & ~(size_t)63);
	memset(fc, 0, size);
	ck_assert_int_eq(fcache_build(fc, size, &from, err, sizeof(err)), 0);
	r = reads_open(BUFS, CONNS, &e);
	ck_assert_msg(r != NULL, "%s", strerror(-e));
	reads_root(r, 0, fc, dir, open(dir, O_PATH | O_DIRECTORY));
}

static void
teardown(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
	free(fc);
}

static const struct fcache_entry *
entry(uint32_t i)
{
	char path[16];

	snprintf(path, sizeof(path), "/f%u", i);
	return fcache_find(fc, path, strlen(path));
}

static int64_t
get(uint32_t id, uint32_t file, uint64_t off, uint32_t len, const uint8_t **p)
{
	struct svc_fetch q = { .id = id, .len = len, .fc = fc,
	    .entry = entry(file), .off = off, .last = off + len == LEN,
	    .bytes = p };

	return reads_get(r, &q);
}

/* A turn, once something is completed or 10 ms went by. */
static void
turn(void)
{
	struct pollfd pf = { reads_fd(r), POLLIN, 0 };

	poll(&pf, 1, 10);
	now += 1000;
	reads_turn(r, now);
}

/* The same until there is an answer. */
static int64_t
await(uint32_t id, uint32_t file, uint64_t off, uint32_t len,
    const uint8_t **p)
{
	int64_t got;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		got = get(id, file, off, len, p);
		if (got != 0)
			return got;
		turn();
		while (reads_next(r) != UINT32_MAX)
			;
	}
	ck_abort_msg("no answer");
}

START_TEST(a_file_is_read_piece_by_piece)
{
	const uint8_t *p;
	uint64_t off = 0;
	uint32_t want;
	int64_t got;

	while (off < LEN) {
		want = LEN - off < 50000 ? (uint32_t)(LEN - off) : 50000;
		got = await(3, 0, off, want, &p);
		ck_assert_int_eq(got, want);
		ck_assert_mem_eq(p, data + off, want);
		off += want;
	}
	/* never more than a buffer at once */
	ck_assert_int_eq(await(3, 0, 0, LEN, &p), READS_LEN);
	reads_end(r, 3);
}
END_TEST

/* Many connections, few buffers, more files than can be open: each one gets
 * its bytes, and nobody is left out. */
START_TEST(those_who_wait_are_served_in_turn)
{
	uint64_t off[CONNS] = { 0 };
	uint32_t i, left = CONNS, rounds = 0, want;
	const uint8_t *p;
	int64_t got;

	while (left > 0) {
		ck_assert_uint_lt(rounds++, 10000);
		for (i = 0; i < CONNS; i++) {
			if (off[i] == LEN)
				continue;
			want = LEN - off[i] < READS_LEN ?
			    (uint32_t)(LEN - off[i]) : READS_LEN;
			got = get(i, i % FILES, off[i], want, &p);
			ck_assert_int_ge(got, 0);
			if (got == 0)
				continue;
			ck_assert_mem_eq(p, data + off[i], (size_t)got);
			off[i] += (uint64_t)got;
			if (off[i] < LEN)
				continue;
			reads_end(r, i);
			left--;
		}
		turn();
		while (reads_next(r) != UINT32_MAX)
			;
	}
}
END_TEST

/* A row of numbers, always the same (Numerical Recipes, 7.1). */
static uint32_t
some(void)
{
	static uint32_t x = 7;

	x = x * 1664525 + 1013904223;
	return x >> 8;
}

/* A connection that ends gives its buffer or its place back, whatever the
 * kernel is doing with it. */
START_TEST(ends_lose_no_buffer)
{
	const uint8_t *p;
	uint32_t i, k;

	for (k = 0; k < 2000; k++) {
		i = some() % CONNS;
		if (some() % 3 == 0)
			reads_end(r, i);
		else
			get(i, some() % FILES,
			    (uint64_t)(some() % 4) * READS_LEN, 1000, &p);
		if (some() % 8 == 0)
			reads_turn(r, now += 1000);
		if (some() % 8 == 0)
			reads_next(r);
	}
	for (i = 0; i < CONNS; i++)
		reads_end(r, i);
	for (i = 0; i < 20; i++) {
		turn();
		while (reads_next(r) != UINT32_MAX)
			;
	}
	/* all buffers are there: as many connections hold one each */
	for (i = 0; i < BUFS; i++)
		ck_assert_int_eq(await(i, i, 0, 100, &p), 100);
	for (i = 0; i < BUFS; i++)
		ck_assert_int_eq(get(i, i, 0, 100, &p), 100);
	ck_assert_int_eq(get(BUFS, 5, 0, 100, &p), 0);
	reads_end(r, 0);
	ck_assert_uint_eq(reads_next(r), BUFS);
}
END_TEST

static void
cut(void)
{
	put(1, LEN - 1);
}

static void
replace(void)
{
	char path[96], to[96];

	put(1, 0);
	path_of(path, sizeof(path), 1);
	path_of(to, sizeof(to), 99);
	ck_assert_int_eq(rename(path, to), 0);
	put(1, LEN);
}

static void
leave_out(void)
{
	char path[96];

	path_of(path, sizeof(path), 1);
	ck_assert_int_eq(unlink(path), 0);
}

static void
lead_out(void)
{
	char path[96];

	leave_out();
	path_of(path, sizeof(path), 1);
	ck_assert_int_eq(symlink("/etc/services", path), 0);
}

static void
lead_up(void)
{
	char path[96];

	leave_out();
	path_of(path, sizeof(path), 1);
	ck_assert_int_eq(symlink("../../etc/services", path), 0);
}

static void (*const changes[])(void) = {
	cut, replace, leave_out, lead_out, lead_up
};

/* Another size, another inode, none, or a way out of the root. */
START_TEST(what_is_not_the_file_is_stale)
{
	const uint8_t *p;

	changes[_i]();
	ck_assert_int_eq(await(0, 1, 0, 1000, &p), -ESTALE);
	ck_assert_int_eq(await(1, 1, 2000, 1000, &p), -ESTALE);
	ck_assert_int_eq(await(0, 2, 0, 1000, &p), 1000);
}
END_TEST

/* Written in place after it was opened: the last piece is not given out, and
 * others only as long as a look is believed. */
START_TEST(a_change_in_place_is_seen_before_the_end)
{
	char path[96];
	const uint8_t *p;
	int fd;

	ck_assert_int_eq(await(0, 1, 0, 1000, &p), 1000);
	path_of(path, sizeof(path), 1);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "x", 1, 5), 1);
	close(fd);
	if (_i == 0) {
		ck_assert_int_eq(await(0, 1, LEN - 10, 10, &p), -ESTALE);
	} else {
		reads_turn(r, now += 1000000);
		ck_assert_int_eq(await(0, 1, 1000, 1000, &p), -ESTALE);
	}
}
END_TEST

/* What is open goes on to be read when its name is another's. */
START_TEST(a_renamed_file_is_read_to_its_end)
{
	const uint8_t *p;

	ck_assert_int_eq(await(0, 1, 0, 1000, &p), 1000);
	leave_out();
	put(1, LEN);
	ck_assert_int_eq(await(0, 1, LEN - 10, 10, &p), 10);
}
END_TEST

/* The other generation of a root has a descriptor of its own. */
START_TEST(a_root_is_opened_again_for_a_new_image)
{
	struct fcache *old = fc;
	const uint8_t *p;
	size_t size = fc->size;

	ck_assert_int_eq(await(0, 1, 0, 1000, &p), 1000);
	fc = aligned_alloc(64, (size + 63) & ~(size_t)63);
	memcpy(fc, old, size);
	reads_root(r, 1, fc, dir, -1);
	ck_assert_int_eq(await(0, 1, 0, 1000, &p), 1000);
	reads_root(r, 0, old, "/nonexistent", -1);
	ck_assert_int_eq(await(0, 2, 0, 1000, &p), 1000);
	free(old);
}
END_TEST

/* ---- a kernel that is short of memory ---- */

static bool refuse;

/* Stands before the library's own. */
int
io_uring_submit(struct io_uring *ring)
{
	static int (*real)(struct io_uring *);

	if (real == NULL)
		*(void **)(void *)&real = dlsym(RTLD_NEXT, "io_uring_submit");
	return refuse ? -EAGAIN : real(ring);
}

/* Ask for the first byte of a small file; the number of bytes. */
static int64_t
first(uint32_t id, uint32_t file, const uint8_t **p)
{
	struct svc_fetch q = { .id = id, .len = 1, .fc = fc,
	    .entry = entry(file), .last = false, .bytes = p };

	ck_assert_ptr_nonnull(q.entry);
	return reads_get(r, &q);
}

/* The first byte, once it is there. */
static uint8_t
first_byte(uint32_t id, uint32_t file)
{
	const uint8_t *p = NULL;
	int64_t got;
	uint32_t i;

	for (i = 0; (got = first(id, file, &p)) == 0 && i < 1000; i++) {
		turn();
		while (reads_next(r) != UINT32_MAX)
			;
	}
	ck_assert_int_eq(got, 1);
	return *p;
}

#define MANY	112u		/* buffers; the queue is as long as it may be */

/* Another image, of 4 * MANY small files, and a ring to read it with. */
static void
many_files(void)
{
	struct fcache_root from = { dir, "/nonexistent", 1000 };
	char err[512];
	size_t size;
	uint32_t i;
	int e;

	for (i = 0; i < 4 * MANY; i++) {
		data[0] = (uint8_t)i;
		put(i, 1001);
	}
	free(fc);
	ck_assert_int_eq(fcache_measure(&from, &size, err, sizeof(err)), 0);
	fc = aligned_alloc(64, (size + 63) & ~(size_t)63);
	memset(fc, 0, size);
	ck_assert_int_eq(fcache_build(fc, size, &from, err, sizeof(err)), 0);
	small = r;	/* nothing ends one but the process's end */
	r = reads_open(MANY, MANY, &e);
	ck_assert_msg(r != NULL, "%s", strerror(-e));
	reads_root(r, 0, fc, dir, open(dir, O_PATH | O_DIRECTORY));
}

/* However much is asked for meanwhile, nothing is lost: it is counted, and
 * comes when the kernel takes it. */
START_TEST(a_kernel_that_refuses_is_asked_again)
{
	uint32_t i, refused = 0;
	const uint8_t *p;

	many_files();
	for (i = 0; i < 2 * MANY; i++) {
		first_byte(0, i);
		reads_end(r, 0);
	}
	ck_assert_uint_eq(reads_deadline(r), UINT64_MAX);
	refuse = true;
	/* each takes the place of a file, which is closed first */
	for (i = 2 * MANY; i < 4 * MANY - 1; i++) {
		ck_assert_int_eq(first(0, i, &p), 0);
		reads_end(r, 0);
	}
	for (i = 0; i < MANY; i++)
		ck_assert_int_eq(first(i, 2 * MANY - 1, &p), 0);
	ck_assert_uint_gt(reads_deadline(r), now);
	for (i = 0; i < 10; i++) {
		now += 1000;
		refused += reads_turn(r, now);
		refused += reads_turn(r, now + 1);
	}
	ck_assert_uint_ge(refused, 10);
	ck_assert_uint_le(refused, 11);
	refuse = false;
	for (i = 0; i < MANY; i++)
		ck_assert_uint_eq(first_byte(i, 2 * MANY - 1),
		    (uint8_t)(2 * MANY - 1));
	for (i = 0; i < MANY; i++)
		reads_end(r, i);
	for (i = 0; i < 4 * MANY; i++) {
		ck_assert_uint_eq(first_byte(i % MANY, i), (uint8_t)i);
		reads_end(r, i % MANY);
	}
	ck_assert_uint_eq(reads_deadline(r), UINT64_MAX);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reads");
	TCase *tc = tcase_create("reads");
	SRunner *sr;
	int failed, err;

	probe = reads_open(1, 1, &err);
	if (probe == NULL && (err == -ENOSYS || err == -EPERM)) {
		printf("reads: io_uring is not allowed here: nothing tried\n");
		return 0;
	}
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_file_is_read_piece_by_piece);
	tcase_add_test(tc, those_who_wait_are_served_in_turn);
	tcase_add_test(tc, ends_lose_no_buffer);
	tcase_add_loop_test(tc, what_is_not_the_file_is_stale, 0,
	    (int)(sizeof(changes) / sizeof(changes[0])));
	tcase_add_loop_test(tc, a_change_in_place_is_seen_before_the_end, 0,
	    2);
	tcase_add_test(tc, a_renamed_file_is_read_to_its_end);
	tcase_add_test(tc, a_root_is_opened_again_for_a_new_image);
	tcase_add_test(tc, a_kernel_that_refuses_is_asked_again);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
