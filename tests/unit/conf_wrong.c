/*
 * Wrong configurations: each is refused with file and line, what was found,
 * and what is allowed.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../config/conf.h"

/* Two small services: one accepts, one connects. */
struct shop_conf {
	char root[OPT_STRLEN];
	struct opt_list roots;
	int64_t price;
	int32_t colour;
	uint8_t open;
};

static const char *const colours[] = { "red", "green", NULL };
static const struct opt shop_opts[] = {
	{ "root", OPT_ROOT, offsetof(struct shop_conf, root),
	  .help = "Where it lies." },
	{ "roots", OPT_ROOTS, offsetof(struct shop_conf, roots),
	  .help = "Where its branches lie." },
	{ "price", OPT_INT, offsetof(struct shop_conf, price), 5, 1, 9,
	  .unit = "bytes", .help = "What it costs." },
	{ "colour", OPT_ENUM, offsetof(struct shop_conf, colour), 1,
	  .words = colours, .help = "How it looks." },
	{ "open", OPT_BOOL, offsetof(struct shop_conf, open), 1,
	  .help = "Whether one can come in." },
	{ .name = NULL }
};
static const struct optgroup shop_group = {
	"shop", "A shop.", sizeof(struct shop_conf), shop_opts
};
static const struct svc_desc shop = { .name = "shop", .help = "Sells.",
    .opts = &shop_group, .state_size = 16 };
static const struct svc_desc buyer = { .name = "buyer", .help = "Buys.",
    .client = 1 };
static const struct svc_desc stall = { .name = "stall", .help = "Sells alone.",
    .client = 1, .count_max = 1 };
static const struct svc_desc *const descs[] = { &shop, &buyer, &stall, NULL };

static char dir[] = "/tmp/starfish-conf-XXXXXX";
static char file[64];

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/t.conf", dir);
}

static void
teardown(void)
{
	unlink(file);
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

/* A port and a worker that are right, to put beside what is wrong. */
#define NAME	"name = \"t\";\n"
#define TAP	"{ name = \"p\"; type = \"tap\"; device = \"tf0\";"	\
		" address = [ \"10.7.0.2/24\" ]; "
#define PORTS	"ports = ( " TAP "} );\n"
#define SHOP	"{ name = \"w\"; service = \"shop\"; listen = [ \"*:80\" ]; "
#define SHOP0	"{ name = \"w\"; service = \"shop\"; "
#define BUYER	"{ name = \"b\"; service = \"buyer\"; "
#define WORKERS	"workers = ( " SHOP "} );\n"

struct wrong {
	const char *text;
	const char *parts[4];	/* all are in the message */
};

static const struct wrong wrongs[] = {
	/* what libconfig itself finds */
	{ "name = \n\"t\"\nports = ;", { "t.conf:3: ", "syntax error" } },
	/* keys */
	{ NAME PORTS WORKERS "\nmemoy = { };",
	  { "t.conf:5: memoy: ", "did you mean `memory`" } },
	{ NAME "ports = ( " TAP "adress = 1; } );" WORKERS,
	  { ":2: ports[0].adress: ", "did you mean `address`" } },
	{ NAME "ports = ( " TAP "zzz = 1; } );" WORKERS,
	  { "ports[0].zzz: ", "allowed: name, type, device" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { prize = 2; }; } );",
	  { "workers[0].shop.prize: ", "did you mean `price`" } },
	{ NAME PORTS "workers = ( " SHOP "buyer = { }; } );",
	  { "workers[0].buyer: ", "no such option" } },
	/* who cannot accept connections does not listen */
	{ NAME PORTS "workers = ( " BUYER "listen = [ \"*:80\" ]; } );",
	  { "workers[0].listen: service \"buyer\" accepts no connections" } },
	/* addresses that mean a whole network; /31 has no such */
	{ NAME "ports = ( { name = \"p\"; device = \"tf0\"; address = "
	  "[ \"10.7.0.0/24\", \"10.8.0.255/24\" ]; } );\n" WORKERS,
	  { "\"10.7.0.0/24\": the address of the network itself",
	    "\"10.8.0.255/24\": the address of the network itself" } },
	/* a message is one line, whatever the file says */
	{ "name = \"a\\nb\\x1b[31m\";\n" PORTS WORKERS,
	  { ":1: name = \"a?b?[31m\": allowed 1 to 31 letters" } },
	/* types */
	{ NAME "memory = { buffers = \"many\"; };\n" PORTS WORKERS,
	  { ":2: memory.buffers = \"many\": ", "allowed 2048 to " } },
	{ NAME "memory = { buffers = 5000.5; };\n" PORTS WORKERS,
	  { "memory.buffers = 5000.5: allowed 2048 to " } },
	{ NAME "tcp = { sack = 1; };\n" PORTS WORKERS,
	  { "tcp.sack = 1: allowed true or false" } },
	{ "name = 5;\n" PORTS WORKERS,
	  { ":1: name = 5: allowed a string of at most 31 bytes" } },
	{ NAME "tcp = 7;\n" PORTS WORKERS,
	  { ":2: tcp = 7: allowed a group" } },
	{ NAME "ports = { };\n" WORKERS,
	  { ":2: ports = a group", "allowed a list of 1 to 8" } },
	{ NAME "ports = ( 3 );\n" WORKERS,
	  { ":2: ports[0] = 3: allowed a group" } },
	{ NAME PORTS "workers = ( 3 );\n", { "workers[0] = 3" } },
	{ NAME "ports = ( " TAP "gateway = [ 1 ]; } );" WORKERS,
	  { "ports[0].gateway = a list of 1: allowed a string" } },
	{ NAME PORTS "workers = ( " SHOP "cpus = [ \"a\" ]; } );",
	  { "workers[0].cpus = a list of 1: ", "numbers, each 0 to 1023" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { open = \"yes\"; }; } );",
	  { "workers[0].shop.open = \"yes\": allowed true or false" } },
	/* users */
	{ NAME "security = { user = \"no-such-user\"; };\n" PORTS WORKERS,
	  { ":2: security.user = \"no-such-user\"", "/etc/passwd" } },
	{ NAME "security = { seccomp = \"maybe\"; };\n" PORTS WORKERS,
	  { ":2: security.seccomp = \"maybe\": ", "\"kill\", \"log\"" } },
	/* ranges */
	{ NAME "ports = ( " TAP "queues = 9; } );" WORKERS,
	  { "t.conf:2: ports[0].queues = 9: allowed 0 to 4" } },
	{ NAME "ports = ( " TAP "mtu = 40; } );" WORKERS,
	  { "ports[0].mtu = 40: allowed 576 to 9600 bytes" } },
	{ NAME PORTS "workers = ( { name = \"s\"; service = \"shop\"; "
	  "listen = [ \"udp:*:9\" ]; } );",
	  { "\"udp:*:9\": service \"shop\" knows TCP only"
	    } },
	{ NAME PORTS "workers = ( { name = \"s\"; service = \"stall\"; "
	  "count = 2; } );",
	  { "workers[0].count = 2: service \"stall\" runs in 1 slot of a group"
	    } },
	{ NAME PORTS "workers = ( " SHOP "count = 0; } );",
	  { "workers[0].count = 0: allowed 1 to 16" } },
	{ NAME PORTS "workers = ( " SHOP "spare = 16; } );",
	  { "workers[0].spare = 16: allowed 0 to 15" } },
	{ NAME PORTS "workers = ( " SHOP "count = 2; spare = 3; } );",
	  { "5 slots serve this tap", "at most 4 queues" } },
	{ NAME PORTS "workers = ( { name = \"s\"; service = \"stall\"; "
	  "spare = 1; } );",
	  { "workers[0].spare = 1: service \"stall\" runs in 1 slot of a group"
	    } },
	{ NAME PORTS "workers = ( " SHOP "shop = { price = 10; }; } );",
	  { "workers[0].shop.price = 10: allowed 1 to 9 bytes" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { colour = \"blue\"; }; } );",
	  { ".colour = \"blue\": allowed \"red\", \"green\"" } },
	{ "hang_ms = 99;\n" PORTS WORKERS,
	  { ":1: hang_ms = 99: allowed 100 to 60000 ms" } },
	{ "name = \"a/b\";\n" PORTS WORKERS,
	  { ":1: name = \"a/b\": allowed 1 to 31 letters" } },
	{ "name = \"..\";\n" PORTS WORKERS, { "name = \"..\": allowed" } },
	{ NAME "memory = { ring = 1000; };\n" PORTS WORKERS,
	  { "memory.ring = 1000: allowed a power of two" } },
	{ NAME "memory = { chunk_size = 1100; };\n" PORTS WORKERS,
	  { "memory.chunk_size = 1100: allowed a multiple of 64" } },
	{ NAME "memory = { buffers = 2048; };\nports = ( " TAP
	  "descriptors = 1024; } );" WORKERS,
	  { "memory.buffers = 2048: ", "allowed 3072 and more" } },
	{ NAME "ports = ( " TAP "descriptors = 100; } );" WORKERS,
	  { "ports[0].descriptors = 100: allowed a power of two" } },
	{ NAME "ports = ( " TAP "mtu = 9000; } );" WORKERS,
	  { "ports[0].mtu = 9000: needs memory.buffer_size of 9018" } },
	/* addresses */
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; } );" WORKERS,
	  { "ports[0].address: missing" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; address = "
	  "\"10.7.0/24\"; } );" WORKERS,
	  { "\"10.7.0/24\": allowed address/prefix" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; address = "
	  "\"10.7.0.2\"; } );" WORKERS,
	  { "\"10.7.0.2\": allowed address/prefix" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; address = "
	  "\"10.7.0.2/33\"; } );" WORKERS, { "\"10.7.0.2/33\": allowed" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; address = "
	  "\"224.0.0.1/4\"; } );" WORKERS, { "not an address that a host" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; address = "
	  "\"ff02::1/64\"; } );" WORKERS, { "not an address that a host" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; address = "
	  "\"::ffff:10.7.0.2/96\"; } );" WORKERS,
	  { "not an address that a host" } },
	{ NAME "ports = ( { name = \"p\"; device = \"t\"; mtu = 1000; address = "
	  "\"fd00::1/64\"; } );" WORKERS, { "IPv6 needs 1280" } },
	{ NAME "ports = ( " TAP "gateway6 = \"fd00::1\"; } );" WORKERS,
	  { "ports[0].gateway6 = \"fd00::1\": ", "none of the networks" } },
	{ NAME "ports = ( " TAP "gateway6 = \"10.7.0.1\"; } );" WORKERS,
	  { "as \"fd77::1\"" } },
	{ NAME "ports = ( " TAP "host6 = \"10.7.0.1/24\"; } );" WORKERS,
	  { "allowed address/prefix, as \"fd77::1/64\"" } },
	{ NAME "ports = ( " TAP "vlan = 4095; } );" WORKERS,
	  { "ports[0].vlan = 4095: allowed 0 to 4094" } },
	{ NAME "ports = ( " TAP "gateway = \"10.8.0.1\"; } );" WORKERS,
	  { "ports[0].gateway = \"10.8.0.1\": ", "none of the networks" } },
	{ NAME "ports = ( " TAP "gateway = \"10.7.0.2\"; } );" WORKERS,
	  { "our own address" } },
	{ NAME "ports = ( " TAP "host = \"10.7.0.1\"; } );" WORKERS,
	  { "ports[0].host = \"10.7.0.1\": allowed address/prefix" } },
	{ NAME "ports = ( " TAP "host = \"10.7.0.2/24\"; } );" WORKERS,
	  { "the kernel needs its own" } },
	/* ports */
	{ NAME "ports = ( { type = \"tap\"; device = \"t\"; address = "
	  "\"10.7.0.2/24\"; } );" WORKERS, { "ports[0].name: missing" } },
	{ NAME "ports = ( " TAP "}, { name = \"p\"; device = \"t1\"; "
	  "address = \"10.8.0.2/24\"; } );" WORKERS,
	  { "ports[1].name = \"p\": ports[0] has it too" } },
	{ NAME "ports = ( " TAP "}, { name = \"q\"; device = \"tf0\"; "
	  "address = \"10.8.0.2/24\"; } );" WORKERS,
	  { "ports[1].device = \"tf0\": ports[0] has it too" } },
	{ NAME "ports = ( " TAP "}, { name = \"q\"; device = \"t1\"; "
	  "address = \"10.7.0.2/16\"; } );" WORKERS,
	  { "ports[1].address: \"10.7.0.2/16\": ports[0] has it too" } },
	{ NAME "ports = ( { name = \"p\"; device = \"a-name-too-long0\"; "
	  "address = \"10.7.0.2/24\"; } );" WORKERS,
	  { "ports[0].device = ", "1 to 15 bytes" } },
	{ NAME "ports = ( { name = \"p\"; type = \"pci\"; device = \"eth0\"; "
	  "address = \"10.7.0.2/24\"; } );" WORKERS,
	  { "allowed a PCI address" } },
	{ NAME "ports = ( " TAP "peer = \"q\"; } );" WORKERS,
	  { "ports[0].peer = \"q\": only for type \"wire\"" } },
	{ NAME "ports = ( { name = \"p\"; type = \"wire\"; address = "
	  "\"10.7.0.2/24\"; } );" WORKERS,
	  { "ports[0].peer: allowed the name of another port" } },
	{ NAME "ports = ( { name = \"p\"; type = \"wire\"; peer = \"q\"; "
	  "address = \"10.7.0.2/24\"; }, { name = \"q\"; type = \"wire\"; "
	  "peer = \"r\"; address = \"10.7.0.3/24\"; }, { name = \"r\"; "
	  "type = \"wire\"; peer = \"q\"; address = \"10.7.0.4/24\"; } );"
	  WORKERS, { "ports[0].peer = \"q\": its own peer is \"r\"" } },
	{ NAME "ports = ( { name = \"p\"; type = \"wire\"; peer = \"p\"; "
	  "address = \"10.7.0.2/24\"; } );" WORKERS,
	  { "ports[0].peer = \"p\": allowed the name of another" } },
	{ NAME PORTS "workers = ( " SHOP "count = 5; } );",
	  { "5 slots serve this tap", "at most 4 queues" } },
	{ NAME "ports = ( " TAP "queues = 1; } );\nworkers = ( " SHOP
	  "count = 2; } );",
	  { "ports[0].queues = 1: 2 slots serve this port" } },
	/* workers */
	{ NAME PORTS "workers = ( { name = \"w\"; service = \"shoop\"; } );",
	  { "workers[0].service = \"shoop\": allowed \"shop\", \"buyer\"" } },
	{ NAME PORTS "workers = ( { name = \"w\"; } );",
	  { "workers[0].service: missing: allowed \"shop\"" } },
	{ NAME PORTS "workers = ( " SHOP "ports = [ \"q\" ]; } );",
	  { "workers[0].ports: \"q\": no port has this name" } },
	{ NAME PORTS "workers = ( { name = \"w\"; service = \"shop\"; } );",
	  { "workers[0].listen: missing: service \"shop\" accepts" } },
	{ NAME PORTS "workers = ( " SHOP0 "listen = \"80\"; } );",
	  { "\"80\": allowed \"address:port\"" } },
	{ NAME PORTS "workers = ( " SHOP0 "listen = \"*:0\"; } );",
	  { "\"*:0\": allowed" } },
	{ NAME PORTS "workers = ( " SHOP0 "listen = \"*:9-8\"; } );",
	  { "\"*:9-8\": allowed" } },
	{ NAME PORTS "workers = ( " SHOP0 "listen = \"[::1:80\"; } );",
	  { "\"[::1:80\": allowed" } },
	{ NAME PORTS "workers = ( " SHOP0 "listen = \"10.7.0.3:80\"; } );",
	  { "not an address of the ports that it serves" } },
	{ NAME PORTS "workers = ( " SHOP "}, { name = \"x\"; service = "
	  "\"shop\"; listen = \"10.7.0.2:79-81\"; } );",
	  { "workers[1].listen: \"10.7.0.2:79-81\" overlaps \"*:80\" of "
	    "workers[0]" } },
	{ NAME PORTS "workers = ( " SHOP0 "listen = [ \"*:80\", \"*:80\" ]; "
	  "} );", { "\"*:80\" overlaps \"*:80\" of workers[0]" } },
	{ NAME PORTS "workers = ( " SHOP "}, " SHOP "} );",
	  { "workers[1].name = \"w\": workers[0] has it too" } },
	{ NAME PORTS "workers = ( " SHOP "after = \"v\"; } );",
	  { "\"v\": no worker entry has this name" } },
	{ NAME PORTS "workers = ( " SHOP "after = \"w\"; } );",
	  { "workers[0].after: \"w\" waits for itself" } },
	{ NAME PORTS "workers = ( " SHOP "after = \"b\"; }, " BUYER
	  "after = \"w\"; } );", { "\"w\" waits", "\"b\" waits" } },
	{ NAME "ports = ( " TAP "lane = \"dispatch\"; } );\nworkers = ( " SHOP
	  "count = 9; }, " BUYER "count = 8; } );",
	  { "workers: 17 slots in all: allowed 1 to 16" } },
	{ NAME PORTS "workers = ( " SHOP "cpus = [ 1000 ]; } );",
	  { "workers[0].cpus: CPU 1000 does not exist: allowed 0 to " } },
	{ NAME PORTS "workers = ( " SHOP "source_ports = \"5-6\"; } );",
	  { "opens no connections" } },
	{ NAME PORTS "workers = ( " BUYER "source_ports = \"x\"; } );",
	  { "source_ports = \"x\": allowed \"low-high\"" } },
	{ NAME PORTS "workers = ( " SHOP "}, " BUYER "source_ports = "
	  "\"70-90\"; } );",
	  { "70-90 holds a port that workers[0] listens on" } },
	{ NAME PORTS "workers = ( " BUYER "source_ports = \"70-90\"; }, "
	  "{ name = \"c\"; service = \"buyer\"; source_ports = \"90-99\"; } );",
	  { "workers[1].source_ports", "90-99 overlaps 70-90" } },
	/* roots */
	{ NAME PORTS "workers = ( " SHOP "shop = { root = \"none\"; }; } );",
	  { ".root = \"none\": ", "/none: No such file or directory" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { root = \"t.conf\"; }; } );",
	  { ".root = \"t.conf\": ", "Not a directory" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { roots = [ \"a\" ]; }; } );",
	  { ".roots = \"a\": ", "allowed \"NAME=DIRECTORY\"" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { roots = [ \"=/\" ]; }; } );",
	  { ".roots = \"=/\": ", "allowed \"NAME=DIRECTORY\"" } },
	{ NAME PORTS "workers = ( " SHOP "shop = { roots = [ \"a=/\", "
	  "\"b=none\" ]; }; } );",
	  { ".roots = \"b=none\": ", "/none: No such file or directory" } },
	/* what is missing */
	{ NAME WORKERS, { "t.conf: ports: missing" } },
	{ NAME PORTS, { "t.conf: workers: missing" } },
	{ "", { "ports: missing", "workers: missing" } },
};

#define NWRONG	(sizeof(wrongs) / sizeof(wrongs[0]))

START_TEST(wrong_file_names_place_found_and_allowed)
{
	const struct wrong *w = &wrongs[_i];
	static struct conf c;
	char err[CONF_ERRLEN];
	size_t i;

	write_conf(w->text);
	ck_assert_msg(conf_load(&c, file, descs, err, sizeof(err)) < 0,
	    "accepted:\n%s", w->text);
	ck_assert_msg(strncmp(err, file, strlen(file)) == 0,
	    "no file: %s", err);
	for (i = 0; i < 4 && w->parts[i] != NULL; i++)
		ck_assert_msg(strstr(err, w->parts[i]) != NULL,
		    "in:\n%s\nfound:\n%s\nmissing: %s", w->text, err,
		    w->parts[i]);
}
END_TEST

START_TEST(several_mistakes_are_told_at_once)
{
	static struct conf c;
	char err[CONF_ERRLEN];

	write_conf(NAME "memory = { buffers = 1;\nring = true; };\n" PORTS
	    WORKERS);
	ck_assert_int_lt(conf_load(&c, file, descs, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, ":2: memory.buffers = 1"));
	ck_assert_ptr_nonnull(strstr(err, ":3: memory.ring = true"));
}
END_TEST

START_TEST(many_mistakes_do_not_overflow_the_message)
{
	static struct conf c;
	char err[64], text[8192] = NAME PORTS WORKERS;
	size_t n = strlen(text);
	int i;

	for (i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "unknown_key_%d = %d;\n", i, i);
	write_conf(text);
	ck_assert_int_lt(conf_load(&c, file, descs, err, sizeof(err)), 0);
	ck_assert_uint_lt(strlen(err), sizeof(err));
}
END_TEST

START_TEST(file_that_is_missing_or_a_directory_is_said_so)
{
	static struct conf c;
	char err[CONF_ERRLEN];

	ck_assert_int_lt(conf_load(&c, "/none/x.conf", descs, err,
	    sizeof(err)), 0);
	ck_assert_str_eq(err, "/none/x.conf: No such file or directory");
	ck_assert_int_lt(conf_load(&c, dir, descs, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, "not a file"));
}
END_TEST

/* One line of some megabytes would take libconfig minutes. */
START_TEST(a_file_that_is_too_long_is_not_read)
{
	static char text[(256 << 10) + 64], err[CONF_ERRLEN];
	static struct conf c;

	memset(text, '#', sizeof(text) - 1);
	memcpy(text, NAME PORTS WORKERS, strlen(NAME PORTS WORKERS));
	write_conf(text);
	ck_assert_int_eq(conf_load(&c, file, descs, err, sizeof(err)),
	    -EFBIG);
	ck_assert_ptr_nonnull(strstr(err, "bytes: allowed at most 262144"));
}
END_TEST

START_TEST(networks_of_two_addresses_have_both)
{
	static struct conf c;
	char err[CONF_ERRLEN];

	write_conf(NAME "ports = ( { name = \"p\"; device = \"tf0\"; address "
	    "= [ \"10.7.0.0/31\", \"10.8.0.255/32\" ]; } );\n" WORKERS);
	ck_assert_msg(conf_load(&c, file, descs, err, sizeof(err)) == 0,
	    "%s", err);
	conf_free(&c);
}
END_TEST

/* Two slots on one CPU work, slowly: a warning, not an error. */
START_TEST(shared_cpu_is_a_warning)
{
	static struct conf c;
	char err[CONF_ERRLEN];

	write_conf(NAME PORTS "workers = ( " SHOP
	    "count = 2; cpus = [ 0, 0 ]; } );");
	ck_assert_msg(conf_load(&c, file, descs, err, sizeof(err)) == 0,
	    "%s", err);
	ck_assert_ptr_nonnull(strstr(c.warnings, "2 slots share CPU 0"));
	conf_free(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_wrong");
	TCase *t = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, wrong_file_names_place_found_and_allowed, 0,
	    (int)NWRONG);
	tcase_add_test(t, several_mistakes_are_told_at_once);
	tcase_add_test(t, many_mistakes_do_not_overflow_the_message);
	tcase_add_test(t, file_that_is_missing_or_a_directory_is_said_so);
	tcase_add_test(t, a_file_that_is_too_long_is_not_read);
	tcase_add_test(t, networks_of_two_addresses_have_both);
	tcase_add_test(t, shared_cpu_is_a_warning);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
