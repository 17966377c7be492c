/*
 * Configurations that are right: the shipped examples, defaults, what is
 * resolved, copies, and sizes.
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "../../common/arena.h"
#include "../../config/conf.h"

static struct conf c, c2;
static char err[CONF_ERRLEN];
static char dir[] = "/tmp/starfish-load-XXXXXX";
static char file[64], copy[64];

static const char *const examples[] = {
	"config/lab.conf", "config/nic.conf", "config/wire.conf",
};

#define NEXAMPLES	3

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/t.conf", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
}

static void
teardown(void)
{
	char root[64];

	snprintf(root, sizeof(root), "%s/site", dir);
	rmdir(root);
	unlink(file);
	unlink(copy);
	rmdir(dir);
}

static void
write_conf(const char *text)
{
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
load(struct conf *to, const char *name)
{
	ck_assert_msg(conf_load(to, name, svc_descs, err, sizeof(err)) == 0,
	    "%s", err);
}

#define PORTS	"ports = ( { name = \"p\"; device = \"tf0\"; "		\
		"address = \"10.7.0.2/24\"; } );\n"

START_TEST(shipped_example_is_right)
{
	load(&c, examples[_i]);
	ck_assert_uint_gt(c.nslots, 0);
	conf_free(&c);
}
END_TEST

/* The lab: host and our address, interface, two http workers, echo route. */
START_TEST(lab_is_what_the_manual_says)
{
	const char *root[BOARD_ROOTS];
	uint32_t n;

	load(&c, "config/lab.conf");
	ck_assert_str_eq(c.name, "lab");
	ck_assert_uint_eq(c.nports, 1);
	ck_assert_str_eq(c.ports[0].device, "sf0");
	ck_assert_str_eq(c.ports[0].host, "10.77.0.1/24");
	ck_assert_mem_eq(c.ports[0].addrs[0].addr, "\x0a\x4d\x00\x02", 4);
	ck_assert_uint_eq(c.ports[0].addrs[0].prefix, 24);
	ck_assert_str_eq(c.workers[0].service, "http");
	ck_assert_uint_eq(c.nslots, 3);	/* one is spare */
	ck_assert_uint_eq(c.workers[0].listeners[0].port_lo, 80);
	conf_roots(&c, root, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert(root[0][0] == '/');
	/* with the file cache it has to fit a small machine */
	ck_assert_uint_le(conf_hugepage_bytes(&c, 64 << 20), 512 << 20);
	conf_free(&c);
}
END_TEST

START_TEST(what_is_not_said_is_the_tables_default)
{
	write_conf(PORTS "workers = ( { name = \"w\"; service = \"echo\"; "
	    "listen = \"10.7.0.2:7-9\"; } );");
	load(&c, file);
	ck_assert_str_eq(c.name, "starfish");
	ck_assert_int_eq(c.hang_ms, 500);
	ck_assert_int_eq(c.standby, 1);
	ck_assert_int_eq(c.memory.buffers, 16384);
	ck_assert_int_eq(c.tcp.sack, 1);
	ck_assert_int_eq(c.ports[0].type, PORT_TAP);
	ck_assert_int_eq(c.workers[0].idle, IDLE_ADAPTIVE);
	/* no ports named: all */
	ck_assert_uint_eq(c.workers[0].port_mask, 1);
	ck_assert_uint_eq(c.workers[0].listeners[0].port_lo, 7);
	ck_assert_uint_eq(c.workers[0].listeners[0].port_hi, 9);
	ck_assert_uint_eq(c.workers[0].listeners[0].addr.family, 4);
	ck_assert_uint_eq(c.workers[0].ncpus, 1);
	conf_free(&c);
}
END_TEST

START_TEST(relative_root_counts_from_the_file)
{
	const char *root[BOARD_ROOTS];
	char want[PATH_MAX], site[64];
	uint32_t n;

	snprintf(site, sizeof(site), "%s/site", dir);
	ck_assert_int_eq(mkdir(site, 0755), 0);
	write_conf(PORTS "workers = ( { name = \"w\"; service = \"http\"; "
	    "listen = \"*:80\"; http = { root = \"site\"; }; } );");
	load(&c, file);
	conf_roots(&c, root, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_nonnull(realpath(site, want));
	ck_assert_str_eq(root[0], want);
	conf_free(&c);
}
END_TEST

/* Roots with names are resolved as others, and one directory is loaded once;
 * the instance's own copy says the same. */
START_TEST(named_roots_count_from_the_file)
{
	const char *root[BOARD_ROOTS];
	char site[64], base[PATH_MAX], err[256];
	uint32_t n;

	snprintf(site, sizeof(site), "%s/site", dir);
	ck_assert_int_eq(mkdir(site, 0755), 0);
	ck_assert_ptr_nonnull(realpath(dir, base));
	write_conf(PORTS "workers = ( { name = \"w\"; service = \"http\"; "
	    "listen = \"*:80\"; http = { root = \"site\"; hosts = "
	    "[ \"a=site\", \"b=.\", \"c=./site/.\" ]; }; } );");
	load(&c, file);
	conf_roots(&c, root, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(root[1], base);
	ck_assert_int_eq(conf_copy(&c, copy, err, sizeof(err)), 0);
	conf_free(&c);
	load(&c, copy);
	conf_roots(&c, root, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(root[1], base);
	conf_free(&c);
}
END_TEST

/* What an instance started with may go away: those who join it later have it
 * in memory. */
START_TEST(a_copy_outlives_its_roots)
{
	const char *root[BOARD_ROOTS];
	char site[64], base[PATH_MAX], err[CONF_ERRLEN];
	uint32_t n;

	snprintf(site, sizeof(site), "%s/gone", dir);
	ck_assert_int_eq(mkdir(site, 0755), 0);
	ck_assert_ptr_nonnull(realpath(site, base));
	write_conf(PORTS "workers = ( { name = \"w\"; service = \"http\"; "
	    "listen = \"*:80\"; http = { root = \"gone\"; hosts = "
	    "[ \"a=gone\" ]; }; } );");
	load(&c, file);
	ck_assert_int_eq(conf_copy(&c, copy, err, sizeof(err)), 0);
	conf_free(&c);
	ck_assert_int_eq(rmdir(site), 0);
	ck_assert_int_lt(conf_load(&c, file, svc_descs, err, sizeof(err)), 0);
	load(&c, copy);
	conf_roots(&c, root, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(root[0], base);
	/* a copy of the copy, with another directory in its place */
	conf_move_root(&c, base, "/other");
	strlcpy(c.file, copy, sizeof(c.file));
	ck_assert_int_eq(conf_copy(&c, copy, err, sizeof(err)), 0);
	conf_free(&c);
	load(&c, copy);
	conf_roots(&c, root, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(root[0], "/other");
	conf_free(&c);
	/* so may a cpu */
	write_conf(PORTS "resolved = true;\nworkers = ( { name = \"w\"; "
	    "service = \"echo\"; listen = \"*:80\"; cpus = [ 1000 ]; } );");
	load(&c, file);
	ck_assert_int_eq(c.workers[0].cpus[0], 1000);
	conf_free(&c);
	/* only a mark that is one */
	write_conf(PORTS "resolved = 1;\nworkers = ( { name = \"w\"; service "
	    "= \"echo\"; listen = \"*:80\"; } );");
	ck_assert_int_lt(conf_load(&c, file, svc_descs, err, sizeof(err)), 0);
}
END_TEST

/* Slots are numbered through the entries in order. */
START_TEST(slots_are_numbered_through_the_entries)
{
	uint32_t group, index;

	write_conf(PORTS "workers = ( { name = \"a\"; service = \"echo\"; "
	    "listen = \"*:7\"; count = 2; }, { name = \"b\"; service = "
	    "\"echo\"; listen = \"*:8\"; count = 1; } );");
	load(&c, file);
	ck_assert_uint_eq(c.nslots, 3);
	ck_assert_int_eq(conf_slot(&c, 1, &group, &index), 0);
	ck_assert_uint_eq(group, 0);
	ck_assert_uint_eq(index, 1);
	ck_assert_int_eq(conf_slot(&c, 2, &group, &index), 0);
	ck_assert_uint_eq(group, 1);
	ck_assert_uint_eq(index, 0);
	ck_assert_int_lt(conf_slot(&c, 3, &group, &index), 0);
	conf_free(&c);
}
END_TEST

/* A source port must lead to one client only. */
START_TEST(clients_share_source_ports_without_overlap)
{
	write_conf(PORTS "workers = ( { name = \"a\"; service = \"wget\"; "
	    "wget = { url = \"http://10.7.0.1/\"; }; }, { name = \"b\"; "
	    "service = \"wget\"; wget = { url = \"http://10.7.0.1/\"; }; } );");
	load(&c, file);
	ck_assert_uint_gt(c.workers[0].client_lo, 1023);
	ck_assert_uint_lt(c.workers[0].client_hi, c.workers[1].client_lo);
	ck_assert_uint_ge(c.workers[1].client_hi, c.workers[1].client_lo);
	conf_free(&c);
}
END_TEST

struct text {
	char buf[262144];
	size_t n;
};

static void
add_value(void *arg, const struct conf_item *it)
{
	struct text *t = arg;
	char value[OPT_LISTLEN * (OPT_STRLEN + 4)];

	conf_value(it, value, sizeof(value));
	/* the copy says what the original left to be chosen */
	if (strcmp(it->opt->name, "cpus") == 0 ||
	    strcmp(it->opt->name, "source_ports") == 0)
		return;
	t->n += (size_t)snprintf(t->buf + t->n, sizeof(t->buf) - t->n,
	    "%s.%s=%s\n", it->group, it->opt->name, value);
	ck_assert_uint_lt(t->n, sizeof(t->buf));
}

START_TEST(copy_reads_as_the_original)
{
	static struct text a, b;
	uint32_t i;

	load(&c, examples[_i]);
	ck_assert_int_eq(conf_copy(&c, copy, err, sizeof(err)), 0);
	load(&c2, copy);
	conf_each(&c, add_value, &a);
	conf_each(&c2, add_value, &b);
	ck_assert_str_eq(a.buf, b.buf);
	for (i = 0; i < c.nworkers; i++) {
		ck_assert_mem_eq(c.workers[i].cpus, c2.workers[i].cpus,
		    sizeof(c.workers[i].cpus));
		ck_assert_uint_eq(c.workers[i].client_lo,
		    c2.workers[i].client_lo);
		ck_assert_uint_eq(c.workers[i].client_hi,
		    c2.workers[i].client_hi);
	}
	conf_free(&c);
	conf_free(&c2);
}
END_TEST

START_TEST(hugepages_grow_with_what_asks_for_them)
{
	struct arena_shape s;
	uint64_t least, page = 2 << 20;

	load(&c, "config/lab.conf");
	conf_arena_shape(&c, &c.workers[0], &s);
	ck_assert_uint_eq(s.conns, (uint32_t)c.memory.connections);
	ck_assert_uint_ge(s.state_size, c.workers[0].desc->state_size);
	ck_assert_uint_eq(s.state_size % 8, 0);
	least = c.nslots * (arena_size(&s) + (uint64_t)c.memory.buffers *
	    (uint64_t)(c.memory.buffer_size + 128 + 128 + 128));
	ck_assert_uint_gt(conf_hugepage_bytes(&c, 0), least);
	ck_assert_uint_eq(conf_hugepage_bytes(&c, 0) % page, 0);
	ck_assert_uint_ge(conf_hugepage_bytes(&c, 100 * page),
	    conf_hugepage_bytes(&c, 0) + 100 * page);
	c.memory.hugepages_mb = 333;
	ck_assert_uint_eq(conf_hugepage_bytes(&c, 0), 334ull << 20);
	conf_free(&c);
}
END_TEST

/* ---- tables -------------------------------------------------------------- */

static void
check_row(const struct optgroup *g, const struct opt *o)
{
	const struct opt *other;
	int64_t i;

	ck_assert_msg(o->help != NULL && o->help[0] != '\0' &&
	    o->help[strlen(o->help) - 1] == '.', "%s.%s: help is a sentence",
	    g->name, o->name);
	ck_assert_msg(o->offset < g->size, "%s.%s: offset", g->name, o->name);
	for (other = g->opts; other != o; other++)
		ck_assert_msg(strcmp(other->name, o->name) != 0,
		    "%s.%s: twice", g->name, o->name);
	if (o->type == OPT_INT)
		ck_assert_msg(o->min <= o->def && o->def <= o->max,
		    "%s.%s: its default is out of its range", g->name,
		    o->name);
	if (o->type == OPT_ENUM) {
		ck_assert_ptr_nonnull(o->words);
		for (i = 0; i <= o->def; i++)
			ck_assert_ptr_nonnull(o->words[i]);
	}
	if (o->defstr != NULL)
		ck_assert_uint_lt(strlen(o->defstr), OPT_STRLEN);
}

START_TEST(tables_are_consistent)
{
	const struct optgroup *g;
	const struct opt *o;
	size_t i;

	for (i = 0; conf_tables[i] != NULL; i++)
		for (g = conf_tables[i], o = g->opts; o->name != NULL; o++)
			check_row(g, o);
	for (i = 0; svc_descs[i] != NULL; i++) {
		g = svc_descs[i]->opts;
		for (o = g != NULL ? g->opts : NULL; o != NULL &&
		    o->name != NULL; o++)
			check_row(g, o);
		ck_assert_ptr_nonnull(svc_descs[i]->help);
	}
}
END_TEST

/* An option of an entry and a service's group must not have one name. */
START_TEST(no_service_is_called_like_an_option)
{
	const struct opt *o;
	size_t i, k;

	for (i = 0; svc_descs[i] != NULL; i++)
		for (k = 0; conf_tables[k] != NULL; k++)
			for (o = conf_tables[k]->opts; o->name != NULL; o++)
				ck_assert_str_ne(o->name, svc_descs[i]->name);
}
END_TEST

START_TEST(show_names_every_option_in_100_columns)
{
	char *text = NULL, *line, *next;
	size_t len = 0;
	FILE *f;

	load(&c, "config/lab.conf");
	f = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(f);
	conf_show(&c, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "rto_min_ms = 200"));
	ck_assert_ptr_nonnull(strstr(text, "Default: 200. Allowed: 1 to "));
	ck_assert_ptr_nonnull(strstr(text, "echo = \"/echo\""));
	for (next = text; (line = strsep(&next, "\n")) != NULL; )
		if (strchr(line, '"') == NULL)
			ck_assert_msg(strlen(line) <= 100, "%s", line);
	free(text);
	conf_free(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_load");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, shipped_example_is_right, 0, NEXAMPLES);
	tcase_add_test(t, lab_is_what_the_manual_says);
	tcase_add_test(t, what_is_not_said_is_the_tables_default);
	tcase_add_test(t, relative_root_counts_from_the_file);
	tcase_add_test(t, named_roots_count_from_the_file);
	tcase_add_test(t, a_copy_outlives_its_roots);
	tcase_add_test(t, slots_are_numbered_through_the_entries);
	tcase_add_test(t, clients_share_source_ports_without_overlap);
	tcase_add_loop_test(t, copy_reads_as_the_original, 0, NEXAMPLES);
	tcase_add_test(t, hugepages_grow_with_what_asks_for_them);
	tcase_add_test(t, tables_are_consistent);
	tcase_add_test(t, no_service_is_called_like_an_option);
	tcase_add_test(t, show_names_every_option_in_100_columns);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
