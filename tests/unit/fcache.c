/*
 * The file cache: what gets into an image, and that a damaged one is seen.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/fcache.h"

static char dir[64];
static char err[4096];

static void
put(const char *path, const void *data, size_t n)
{
	char full[256];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	close(fd);
}

static void
sub(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	ck_assert_int_eq(mkdir(full, 0755), 0);
}

static void
link_to(const char *to, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	ck_assert_int_eq(symlink(to, full), 0);
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/fcache.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* The image of dir, exactly as large as was measured; to be freed. */
static struct fcache *
image(size_t *size)
{
	struct fcache *fc;

	ck_assert_int_eq(fcache_measure(&(struct fcache_root){ dir, NULL,
	    UINT64_MAX }, size, err, sizeof(err)), 0);
	fc = aligned_alloc(64, (*size + 63) & ~(size_t)63);
	ck_assert_ptr_nonnull(fc);
	memset(fc, 0, *size);
	ck_assert_msg(fcache_build(fc, *size, &(struct fcache_root){ dir,
	    "/etc/mime.types", UINT64_MAX }, err,
	    sizeof(err)) == 0, "%s", err);
	ck_assert_int_eq(fcache_check(fc, *size), 0);
	return fc;
}

static const struct fcache_entry *
find(const struct fcache *fc, const char *path)
{
	return fcache_find(fc, path, strlen(path));
}

START_TEST(files_of_all_levels_are_found_with_their_bytes)
{
	const struct fcache_entry *e, *d;
	struct fcache *fc;
	char big[100000];
	size_t size;

	memset(big, 'x', sizeof(big));
	put("index.html", "<p>hi", 5);
	put("empty.txt", "", 0);
	sub("a");
	sub("a/b c");
	put("a/b c/\xc3\xbc.JS", big, sizeof(big));
	put("noext", "1", 1);
	put(".html", "2", 1);
	put("x.tar.gz", "3", 1);
	fc = image(&size);
	e = find(fc, "/index.html");
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->size, 5);
	ck_assert(memcmp(fcache_body(fc, e), "<p>hi", 5) == 0);
	ck_assert_str_eq(fcache_str(fc, e->type), "text/html");
	d = find(fc, "/");
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->flags, FCACHE_DIR);
	ck_assert_ptr_eq((const struct fcache_entry *)
	    ((const char *)fc + fc->entries) + d->index, e);
	d = find(fc, "/a/");
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->index, UINT32_MAX);
	ck_assert_ptr_null(find(fc, "/a"));
	e = find(fc, "/a/b c/\xc3\xbc.JS");
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->size, sizeof(big));
	ck_assert_uint_eq(e->body % 64, 0);
	ck_assert(memcmp(fcache_body(fc, e), big, sizeof(big)) == 0);
	ck_assert_str_eq(fcache_str(fc, e->type), "text/javascript");
	ck_assert_uint_eq(find(fc, "/empty.txt")->size, 0);
	ck_assert_str_eq(fcache_str(fc, find(fc, "/noext")->type),
	    "application/octet-stream");
	ck_assert_str_eq(fcache_str(fc, find(fc, "/.html")->type),
	    "application/octet-stream");
	ck_assert_str_eq(fcache_str(fc, find(fc, "/x.tar.gz")->type),
	    "application/gzip");
	ck_assert_ptr_null(find(fc, ""));
	ck_assert_ptr_null(find(fc, "/index.htm"));
	ck_assert_ptr_null(find(fc, "/index.html/"));
	free(fc);
}
END_TEST

START_TEST(heads_are_prepared_and_validators_follow_content)
{
	struct timespec t[2] = { { 784111777, 5 }, { 784111777, 5 } };
	const struct fcache_entry *a, *b, *c;
	struct fcache *fc;
	char want[256], full[256];
	size_t size;

	put("a.css", "same", 4);
	put("b.css", "same", 4);
	put("c.css", "samf", 4);
	snprintf(full, sizeof(full), "%s/a.css", dir);
	ck_assert_int_eq(utimensat(AT_FDCWD, full, t, 0), 0);
	fc = image(&size);
	a = find(fc, "/a.css");
	b = find(fc, "/b.css");
	c = find(fc, "/c.css");
	/* RFC 9110, 8.8.1: strong, so equal only for equal bytes. */
	ck_assert_str_eq(a->etag, b->etag);
	ck_assert_str_ne(a->etag, c->etag);
	ck_assert_uint_eq(strlen(a->etag), 18);
	ck_assert_int_eq(a->mtime, 784111777);
	snprintf(want, sizeof(want), "Content-Type: text/css\r\n"
	    "Content-Length: 4\r\nETag: %s\r\n"
	    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	    "Accept-Ranges: bytes\r\n\r\n", a->etag);
	ck_assert_uint_eq(a->head_len + 2, strlen(want));
	ck_assert(memcmp(fcache_str(fc, a->head), want, strlen(want)) == 0);
	free(fc);
}
END_TEST

/* A variant older than its file would send what was; a directory has none. */
START_TEST(variants_are_entries_that_no_path_finds)
{
	struct timespec t[2] = { { 784111777, 0 }, { 784111777, 0 } };
	const struct fcache_entry *e, *v, *entries;
	struct fcache *fc;
	char full[256];
	size_t size;

	put("a.css", "plain", 5);
	put("a.css.gz", "coded", 5);
	put("b.css", "plain", 5);
	put("b.css.br", "older", 5);
	put("c.gz", "alone", 5);
	sub("d");
	put("d.gz", "alone", 5);
	snprintf(full, sizeof(full), "%s/b.css.br", dir);
	ck_assert_int_eq(utimensat(AT_FDCWD, full, t, 0), 0);
	fc = image(&size);
	ck_assert_ptr_nonnull(strstr(err, "b.css.br: not used as a variant"));
	entries = (const void *)((const char *)fc + fc->entries);
	e = find(fc, "/a.css");
	ck_assert_uint_eq(e->flags, FCACHE_VARY);
	ck_assert_uint_eq(e->br, UINT32_MAX);
	v = &entries[e->gzip];
	ck_assert_uint_eq(v->flags, FCACHE_GZIP);
	ck_assert_ptr_ne(v, find(fc, "/a.css.gz"));
	ck_assert_uint_eq(v->body, find(fc, "/a.css.gz")->body);
	ck_assert_str_eq(fcache_str(fc, v->type), "text/css");
	ck_assert_uint_eq(find(fc, "/a.css.gz")->flags, 0);
	ck_assert_uint_eq(find(fc, "/b.css")->flags, 0);
	ck_assert_uint_eq(find(fc, "/c.gz")->flags, 0);
	ck_assert_uint_eq(fc->nentries, 9);
	free(fc);
}
END_TEST

START_TEST(links_are_followed_only_beneath_the_root)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct fcache *fc;
	size_t size;
	int fd;

	sub("d");
	put("d/f", "in", 2);
	link_to("d/f", "good");
	link_to("d", "gooddir");
	link_to("../good", "d/up");
	link_to("/etc/passwd", "absolute");
	link_to("../../etc/passwd", "climbs");
	link_to("../../../../../../etc", "climbsdir");
	link_to("nowhere", "dangling");
	link_to("loop", "loop");
	link_to(".", "self");
	link_to("..", "d/parent");
	link_to("d/../../etc/passwd", "sneaky");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/sock", dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	fc = image(&size);
	ck_assert_ptr_nonnull(find(fc, "/good"));
	ck_assert_ptr_nonnull(find(fc, "/gooddir/f"));
	ck_assert_ptr_nonnull(find(fc, "/d/up"));
	ck_assert_uint_eq(find(fc, "/good")->size, 2);
	ck_assert_ptr_null(find(fc, "/absolute"));
	ck_assert_ptr_null(find(fc, "/climbs"));
	ck_assert_ptr_null(find(fc, "/climbsdir/"));
	ck_assert_ptr_null(find(fc, "/sneaky"));
	ck_assert_ptr_null(find(fc, "/dangling"));
	ck_assert_ptr_null(find(fc, "/loop"));
	ck_assert_ptr_null(find(fc, "/sock"));
	ck_assert_ptr_null(find(fc, "/self/"));
	ck_assert_ptr_null(find(fc, "/d/parent/"));
	ck_assert_ptr_nonnull(strstr(err, "absolute: left out: link leaves"));
	ck_assert_ptr_nonnull(strstr(err, "climbs: left out: link leaves"));
	ck_assert_ptr_nonnull(strstr(err, "dangling: left out: link leads"));
	ck_assert_ptr_nonnull(strstr(err, "sock: left out: neither"));
	free(fc);
}
END_TEST

START_TEST(failures_say_what_and_how_much)
{
	struct fcache *fc = aligned_alloc(64, 4096);
	char want[128];
	size_t size;

	ck_assert_int_eq(fcache_measure(&(struct fcache_root){ "/nonexistent", NULL,
	    UINT64_MAX }, &size, err,
	    sizeof(err)), -ENOENT);
	ck_assert_str_eq(err, "/nonexistent: No such file or directory");
	ck_assert_int_eq(fcache_measure(&(struct fcache_root){ "/etc/passwd", NULL,
	    UINT64_MAX }, &size, err,
	    sizeof(err)), -ENOTDIR);
	put("big", dir, sizeof(dir));
	ck_assert_int_eq(fcache_measure(&(struct fcache_root){ dir, NULL,
	    UINT64_MAX }, &size, err, sizeof(err)), 0);
	memset(fc, 0, 4096);
	ck_assert_int_eq(fcache_build(fc, size - 1, &(struct fcache_root){ dir,
	    "/etc/mime.types", UINT64_MAX }, err, sizeof(err)), -ENOSPC);
	snprintf(want, sizeof(want), "%s: needs %zu bytes", dir, size);
	ck_assert_msg(strncmp(err, want, strlen(want)) == 0, "%s", err);
	snprintf(want, sizeof(want), "there are %zu", size - 1);
	ck_assert_msg(strstr(err, want) != NULL, "%s", err);
	ck_assert_int_eq(fcache_check(fc, 4096), -EPROTO);
	free(fc);
}
END_TEST

START_TEST(missing_media_types_are_a_warning)
{
	struct fcache *fc = aligned_alloc(64, 8192);

	put("a.html", "x", 1);
	memset(fc, 0, 8192);
	ck_assert_int_eq(fcache_build(fc, 8192, &(struct fcache_root){ dir,
	    "/nonexistent", UINT64_MAX }, err,
	    sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent: No such file"));
	ck_assert_str_eq(fcache_str(fc, find(fc, "/a.html")->type),
	    "application/octet-stream");
	free(fc);
}
END_TEST

/* Above the limit a file is named, with who it is, and takes no room. */
START_TEST(large_files_are_named_only)
{
	struct fcache_root from = { dir, "/etc/mime.types", 10 };
	struct fcache *fc = aligned_alloc(64, 16384);
	const struct fcache_entry *e;
	struct stat st;
	char path[128];

	put("small.txt", "0123456789", 10);
	put("large.txt", "0123456789x", 11);
	put("large.txt.gz", "z", 1);
	memset(fc, 0, 16384);
	ck_assert_int_eq(fcache_build(fc, 16384, &from, err, sizeof(err)), 0);
	ck_assert_int_eq(fcache_check(fc, 16384), 0);
	ck_assert_uint_eq(fc->content, 11 + find(fc, "/")->size);
	e = find(fc, "/small.txt");
	ck_assert_uint_eq(e->flags, 0);
	e = find(fc, "/large.txt");
	ck_assert_uint_eq(e->flags, FCACHE_FILE | FCACHE_VARY);
	snprintf(path, sizeof(path), "%s/large.txt", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(e->ino, st.st_ino);
	ck_assert_uint_eq(e->mtime_ns, (uint64_t)st.st_mtim.tv_nsec);
	ck_assert_uint_eq(e->size, 11);
	ck_assert_str_eq(fcache_str(fc, e->type), "text/plain");
	free(fc);
}
END_TEST

START_TEST(an_empty_root_is_an_image_too)
{
	size_t size;
	struct fcache *fc = image(&size);

	ck_assert_uint_eq(fc->nentries, 1);
	ck_assert_uint_eq(find(fc, "/")->index, UINT32_MAX);
	ck_assert_ptr_null(find(fc, "/x"));
	free(fc);
}
END_TEST

/* Whatever byte of the tables is damaged, a reader stays in bounds. */
START_TEST(damage_is_seen_or_harmless)
{
	const struct fcache_entry *e;
	struct fcache *fc, *bad;
	size_t size, i, bit;
	uint32_t seen = 0;

	put("index.html", "hello", 5);
	sub("d");
	put("d/x.css", "y", 1);
	fc = image(&size);
	bad = aligned_alloc(64, (size + 63) & ~(size_t)63);
	ck_assert_int_eq(fcache_check(fc, size - 1), -EPROTO);
	ck_assert_int_eq(fcache_check(fc, 10), -EPROTO);
	for (i = 0; i < size; i++) {
		for (bit = 0; bit < 8; bit += 7) {
			memcpy(bad, fc, size);
			((uint8_t *)bad)[i] ^= (uint8_t)(1u << bit);
			if (fcache_check(bad, size) != 0) {
				seen++;
				continue;
			}
			e = find(bad, "/d/x.css");
			if (e != NULL)
				ck_assert_uint_le(e->body + e->size, size);
			find(bad, "/none");
		}
	}
	ck_assert_uint_gt(seen, 100);
	free(bad);
	free(fc);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fcache");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, files_of_all_levels_are_found_with_their_bytes);
	tcase_add_test(tc, heads_are_prepared_and_validators_follow_content);
	tcase_add_test(tc, variants_are_entries_that_no_path_finds);
	tcase_add_test(tc, links_are_followed_only_beneath_the_root);
	tcase_add_test(tc, failures_say_what_and_how_much);
	tcase_add_test(tc, missing_media_types_are_a_warning);
	tcase_add_test(tc, large_files_are_named_only);
	tcase_add_test(tc, an_empty_root_is_an_image_too);
	tcase_add_test(tc, damage_is_seen_or_harmless);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
