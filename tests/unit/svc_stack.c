/*
 * The services over two real stacks in memory, joined by a wire that may lose
 * frames: the load client against the http service, whose process is replaced
 * again and again.
 */
#include <check.h>
#include <stdio.h>

#include "../lib/plain.h"
#include "../../secondary/svc/http/http_priv.h"
#include "../../secondary/svc/wget/wget_priv.h"

#define BIG		300000u
#define SEC		UINT64_C(1000000)

extern const struct service http_service, wget_service;

/* A host: a stack and the service that runs on it. */
struct host {
	struct plain s;
	struct svc svc;
	_Atomic uint64_t counters[SVC_COUNTERS];
	char log[65536];
	int done;		/* exit status + 1 */
};

static struct host server, client;
static struct plain_box to_server, to_client;
static struct fcache *cache;
static uint64_t now, rnd;

static const struct fcache *
io_root(void *arg, const char *path)
{
	return cache;
}

static int64_t
io_wall(void *arg)
{
	return 1700000000 + (int64_t)(now / SEC);
}

static void
io_log(void *arg, const char *line)
{
	struct host *h = arg;
	size_t used = strlen(h->log);

	snprintf(h->log + used, sizeof(h->log) - used, "%s\n", line);
}

static void
io_report(void *arg, const char *text)
{
}

static void
io_done(void *arg, int status)
{
	((struct host *)arg)->done = status + 1;
}

static const struct svc_io io = {
	.root = io_root, .wall = io_wall, .log = io_log, .report = io_report,
	.done = io_done,
};

static void
on_event(void *arg, struct conn *c, uint32_t events)
{
	struct host *h = arg;

	h->svc.service->event(&h->svc, c, events);
}

static void *
defaults(const struct service *sv)
{
	const struct opt *o;
	uint8_t *conf = calloc(1, sv->desc->opts->size), *at;

	assert(conf != NULL);
	for (o = sv->desc->opts->opts; o->name != NULL; o++) {
		at = conf + o->offset;
		if (o->type == OPT_INT)
			*(int64_t *)(void *)at = o->def;
		else if (o->type == OPT_ENUM)
			*(int32_t *)(void *)at = (int32_t)o->def;
		else if (o->type != OPT_BOOL && o->defstr != NULL)
			snprintf((char *)at, OPT_STRLEN, "%s", o->defstr);
	}
	return conf;
}

/* A new process of the service: private memory starts anew. */
static void
start(struct host *h)
{
	free(h->svc.priv);
	h->svc.priv = calloc(1, h->svc.service->priv_size);
	ck_assert_msg(h->svc.service->start(&h->svc, now) == 0, "%s", h->log);
}

static void
make(struct host *h, uint8_t id, const struct service *sv, void *conf)
{
	memset(h, 0, sizeof(*h));
	plain_conf(&h->s, id, 64);
	h->s.conf.shape.state_size = sv->desc->state_size;
	h->s.env.event = on_event;
	h->s.env.arg = h;
	plain_init(&h->s, now);
	h->svc.service = sv;
	h->svc.net = h->s.net;
	h->svc.conf = conf;
	h->svc.counters = h->counters;
	h->svc.io = &io;
	h->svc.ioarg = h;
	h->svc.count = 1;
	start(h);
}

static void
make_cache(void)
{
	static char big[BIG];
	char dir[] = "/tmp/svc_stack.XXXXXX", path[64], err[256];
	const char *name[] = { "small", "kilo", "big" };
	const size_t len[] = { 64, 1024, BIG };
	size_t size;
	uint32_t i;
	FILE *f;

	for (i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
	if (mkdtemp(dir) == NULL)
		abort();
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		f = fopen(path, "w");
		if (f == NULL || fwrite(big, 1, len[i], f) != len[i])
			abort();
		fclose(f);
	}
	if (fcache_measure(&(struct fcache_root){ dir, NULL,
	    UINT64_MAX }, &size, err, sizeof(err)) != 0)
		abort();
	cache = aligned_alloc(64, (size + 63) & ~(size_t)63);
	memset(cache, 0, size);
	if (fcache_build(cache, size, &(struct fcache_root){ dir,
	    "/etc/mime.types", UINT64_MAX }, err,
	    sizeof(err)) != 0)
		abort();
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		remove(path);
	}
	remove(dir);
}

static bool
chance(uint32_t per_mille)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (uint32_t)(rnd >> 32) % 1000 < per_mille;
}

/* Take out what is lost on the way. */
static void
lose(struct plain_box *b, uint32_t per_mille)
{
	uint32_t i, k = 0, n = atomic_load(&b->n);

	for (i = 0; i < n; i++) {
		if (chance(per_mille))
			continue;
		if (k != i) {
			memcpy(b->data[k], b->data[i], b->len[i]);
			b->len[k] = b->len[i];
		}
		k++;
	}
	atomic_store(&b->n, k);
}

struct row {
	const char *url;
	uint32_t flows, concurrency, keep_alive, pipeline;
	int32_t method;
	uint32_t body;
	uint32_t loss;		/* per mille */
	uint32_t kill;		/* turns between two deaths of the server */
	uint64_t bytes;		/* of an answer's body */
};

static const struct row rows[] = {
	{ "/small", 20, 4, 50, 1, WGET_GET, 0, 0, 0, 64 },
	{ "/small", 20, 4, 50, 16, WGET_GET, 0, 0, 0, 64 },
	{ "/small", 200, 16, 1, 1, WGET_GET, 0, 0, 0, 64 },
	{ "/kilo", 20, 4, 10, 4, WGET_GET, 0, 10, 0, 1024 },
	{ "/big", 6, 3, 4, 2, WGET_GET, 0, 0, 0, BIG },
	{ "/big", 4, 2, 3, 2, WGET_GET, 0, 10, 0, BIG },
	{ "/big", 4, 2, 3, 1, WGET_M_HEAD, 0, 0, 0, 0 },
	{ "/echo", 4, 2, 3, 1, WGET_POST, BIG, 0, 0, BIG },
	{ "/echo", 4, 2, 3, 2, WGET_POST, 100, 0, 0, 100 },
	{ "/echo", 4, 2, 3, 1, WGET_POST, BIG, 10, 0, BIG },
	/* A successor sits down every few turns, or in each. */
	{ "/small", 20, 4, 50, 16, WGET_GET, 0, 0, 7, 64 },
	{ "/small", 200, 16, 1, 1, WGET_GET, 0, 0, 1, 64 },
	{ "/big", 4, 2, 3, 2, WGET_GET, 0, 0, 2, BIG },
	{ "/big", 4, 2, 3, 2, WGET_GET, 0, 5, 3, BIG },
	{ "/echo", 4, 2, 3, 2, WGET_POST, BIG, 0, 1, BIG },
};

static void
set_up(const struct row *w)
{
	struct net_addr any = { .port = 80 };
	struct http_conf *hc = defaults(&http_service);
	struct wget_conf *wc = defaults(&wget_service);

	now = SEC;
	rnd = 0x9e3779b97f4a7c15u;
	snprintf(hc->root, OPT_STRLEN, "/srv");
	snprintf(hc->echo, OPT_STRLEN, "/echo");
	snprintf(wc->url, sizeof(wc->url), "http://10.0.0.1%s", w->url);
	wc->flows = w->flows;
	wc->concurrency = w->concurrency;
	wc->keep_alive = w->keep_alive;
	wc->pipeline = w->pipeline;
	wc->method = w->method;
	wc->body_bytes = w->body;
	wc->expect_bytes = (int64_t)w->bytes;
	make(&server, 1, &http_service, hc);
	make(&client, 2, &wget_service, wc);
	ck_assert_int_eq(net_listen(server.s.net, &any), 0);
	atomic_store(&to_server.n, 0);
	atomic_store(&to_client.n, 0);
}

static void
tear_down(void)
{
	free((void *)(uintptr_t)server.svc.conf);
	free((void *)(uintptr_t)client.svc.conf);
	free(server.svc.priv);
	free(client.svc.priv);
	plain_fini(&server.s);
	plain_fini(&client.s);
}

/* Every answer is whole and of the right size, and nothing fails. */
START_TEST(every_request_is_answered)
{
	const struct row *w = &rows[_i];
	const struct load_sum *t;
	const char *why;
	uint64_t turns = 0;

	set_up(w);
	while (client.done == 0) {
		wget_service.tick(&client.svc, now);
		plain_turn(&client.s, &to_client, &to_server, now);
		lose(&to_server, w->loss);
		if (w->kill != 0 && turns % w->kill == w->kill - 1) {
			why = plain_adopt(&server.s, 80, now);
			ck_assert_msg(why == NULL, "%s", why);
			start(&server);
		}
		plain_turn(&server.s, &to_server, &to_client, now);
		lose(&to_client, w->loss);
		now += 100;
		ck_assert_msg(++turns < 10000000, "stuck: %s", client.log);
	}
	t = &((struct wget_priv *)client.svc.priv)->t->sum;
	ck_assert_msg(client.done == 1, "%s", client.log);
	ck_assert_uint_eq(t->responses, w->flows * w->keep_alive);
	ck_assert_uint_eq(t->done, w->flows);
	ck_assert_uint_eq(t->failed, 0);
	ck_assert_uint_eq(t->mismatched, 0);
	ck_assert_uint_eq(t->bytes_in, w->flows * w->keep_alive * w->bytes);
	ck_assert_uint_eq(server.counters[HTTP_REQUESTS],
	    w->flows * w->keep_alive);
	ck_assert_uint_eq(server.counters[HTTP_2XX],
	    w->flows * w->keep_alive);
	/* Connections did outlive their processes. */
	if (w->kill != 0)
		ck_assert_uint_gt(server.s.counters[CNT_conn_adopted], 5);
	why = plain_count(&server.s);
	ck_assert_msg(why == NULL, "server: %s", why);
	why = plain_count(&client.s);
	ck_assert_msg(why == NULL, "client: %s", why);
	tear_down();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_stack");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	make_cache();
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_request_is_answered, 0,
	    (int)(sizeof(rows) / sizeof(rows[0])));
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	free(cache);
	return failed == 0 ? 0 : 1;
}
