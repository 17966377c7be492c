/*
 * fuzz_http: bytes of a client into the http service, over two real stacks.
 *
 * First the parsers alone: what http_fast() takes it must take as
 * http_req_parse() does, and the end of a head is found no matter how often
 * one looked. Then the service: the bytes come whole, and once more cut in
 * pieces; the answer must be the same. With the echo route, whose answers may
 * depend on how a body came in, only the accounts are checked.
 */
#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/fcache.h"
#include "../../common/opt.h"
#include "../../secondary/proto/http_req.h"
#include "../../secondary/svc/svc.h"
#include "../lib/plain.h"

#define PORT		80u
#define ANSWER_MAX	(256u * 1024)
#define TURNS_MAX	800u
#define INPUT_MAX	16384u
#define WALL		1700000000	/* seconds since 1970 */
#define URI_MAX		8192u
#define FIELDS_MAX	100u

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plain server, client;
static struct plain_box up, down;
static struct svc svc;
static _Atomic uint64_t svc_counters[SVC_COUNTERS];
static struct fcache *root;
static uint64_t now;

/* What the client sends, and what came back. */
static struct {
	const uint8_t *data;
	size_t size, sent;
	uint32_t piece;		/* bytes per turn; 0: as many as go */
	uint8_t answer[ANSWER_MAX];
	size_t got;
	bool over;
} talk;

/* ---- the service's world ---- */

static const struct fcache *
io_root(void *arg, const char *path)
{
	(void)arg;
	(void)path;
	return root;
}

static int64_t
io_wall(void *arg)
{
	(void)arg;
	return WALL;
}

static void
io_text(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void
io_done(void *arg, int status)
{
	(void)arg;
	(void)status;
}

static const struct svc_io io = {
	.root = io_root, .wall = io_wall, .log = io_text, .report = io_text,
	.done = io_done,
};

static void
server_event(void *arg, struct conn *c, uint32_t events)
{
	(void)arg;
	svc.service->event(&svc, c, events);
}

static void
put_file(const char *dir, const char *name, size_t size)
{
	char path[300];
	FILE *f;
	size_t i;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert(f != NULL);
	for (i = 0; i < size; i++)
		fputc("starfish\n"[i % 9], f);
	fclose(f);
}

/* A document root of a few files, in memory. */
static void
make_root(void)
{
	static const struct {
		const char *name;
		size_t size;
	} files[] = { { "index.html", 200 }, { "empty", 0 }, { "a b.txt", 9 },
	    { "big.bin", 70000 }, { "sub/page.css", 3000 } };
	char dir[] = "/tmp/fuzz_http.XXXXXX", path[300], err[1024] = "";
	size_t size = 0, i;
	int rc;

	assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/sub", dir);
	rc = mkdir(path, 0700);
	assert(rc == 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_file(dir, files[i].name, files[i].size);
	rc = fcache_measure(&(struct fcache_root){ dir, NULL,
	    UINT64_MAX }, &size, err, sizeof(err));
	assert(rc == 0);
	root = aligned_alloc(64, (size + 63) & ~(size_t)63);
	assert(root != NULL);
	memset(root, 0, size);
	rc = fcache_build(root, size, &(struct fcache_root){ dir,
	    "/etc/mime.types", UINT64_MAX }, err,
	    sizeof(err));
	assert(rc == 0 && fcache_check(root, size) == 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/sub", dir);
	rmdir(path);
	rmdir(dir);
}

/* The service's options as its table gives them. */
static void *
defaults(const struct optgroup *g)
{
	uint8_t *conf = calloc(1, g->size);
	const struct opt *o;

	assert(conf != NULL);
	for (o = g->opts; o->name != NULL; o++) {
		if (o->type == OPT_BOOL)
			conf[o->offset] = (uint8_t)o->def;
		else if (o->type == OPT_INT)
			memcpy(conf + o->offset, &o->def, sizeof(o->def));
		else if (o->type == OPT_STRING && o->defstr != NULL)
			snprintf((char *)conf + o->offset, OPT_STRLEN, "%s",
			    o->defstr);
	}
	return conf;
}

static void
set_string(void *conf, const char *name, const char *value)
{
	const struct opt *o = svc.service->desc->opts->opts;

	while (strcmp(o->name, name) != 0)
		o++;
	snprintf((char *)conf + o->offset, OPT_STRLEN, "%s", value);
}

/* ---- the client ---- */

static void
client_event(void *arg, struct conn *c, uint32_t events)
{
	uint32_t n, len;

	(void)arg;
	while ((n = conn_readable(c)) > 0) {
		len = n;
		if (len > ANSWER_MAX - talk.got)
			len = (uint32_t)(ANSWER_MAX - talk.got);
		conn_copy(client.net, c, 0, talk.answer + talk.got, len);
		talk.got += len;
		conn_consume(client.net, c, n);
	}
	if (events & CONN_GONE) {
		talk.over = true;
		return;
	}
	len = talk.piece ? talk.piece : 4096;
	if (len > talk.size - talk.sent)
		len = (uint32_t)(talk.size - talk.sent);
	talk.sent += conn_write(client.net, c, talk.data + talk.sent, len);
	if (conn_eof(c)) {
		conn_close(client.net, c);
		talk.over = true;
	} else if (talk.sent == talk.size) {
		conn_shutdown(client.net, c);
	} else {
		conn_timer(client.net, c, now + 100);
	}
}

static void
converse(const uint8_t *data, size_t size, uint32_t piece)
{
	struct net_addr to = { .family = 4, .port = PORT };
	struct net_addr any = { .port = PORT };
	struct conn *c;
	uint32_t turns;
	int err;

	talk.data = data;
	talk.size = size;
	talk.sent = talk.got = 0;
	talk.piece = piece;
	talk.over = false;
	now = 1000000000;
	plain_start(&server, now);
	plain_start(&client, now);
	atomic_store(&up.n, 0);
	atomic_store(&down.n, 0);
	memset(svc.priv, 0, svc.service->priv_size);
	svc.net = server.net;
	err = svc.service->start(&svc, now);
	assert(err == 0);
	err = net_listen(server.net, &any);
	assert(err == 0);
	memcpy(to.addr, (uint8_t[]){ 10, 0, 0, 2 }, 4);
	err = net_connect(client.net, NULL, &to, now, &c);
	assert(err == 0);
	conn_nodelay(c, true);
	for (turns = 0; turns < TURNS_MAX && !talk.over; turns++) {
		now += 100;
		plain_turn(&client, &down, &up, now);
		plain_turn(&server, &up, &down, now);
	}
	assert(plain_count(&server) == NULL);
}

/* ---- the parsers alone ---- */

static void
same_slice(const struct http_slice *a, const struct http_slice *b)
{
	assert(a->n == b->n && a->p == b->p);
}

static void
check_parsers(const char *p, uint32_t n)
{
	const struct http_limits limits = { URI_MAX, FIELDS_MAX };
	struct http_req fast, slow;
	uint32_t end = http_head_end(p, n, 0), i, len;

	/* Found again whatever was searched before. */
	for (i = 1; i < n && i < 64; i++) {
		if (http_head_end(p, i, 0) == 0)
			assert(http_head_end(p, n, i) == end);
	}
	memset(&fast, 0, sizeof(fast));
	memset(&slow, 0, sizeof(slow));
	len = http_fast(&fast, p, n, &limits);
	assert(len <= n && (len == 0 || len == end));
	if (end == 0)
		return;
	if (http_req_parse(&slow, p, end, &limits) != 0) {
		assert(len == 0);
		return;
	}
	if (len == 0)
		return;
	assert(fast.method == slow.method && fast.minor == slow.minor &&
	    fast.flags == slow.flags && fast.head_len == slow.head_len &&
	    fast.have == slow.have && fast.twice == slow.twice);
	same_slice(&fast.path, &slow.path);
	assert(fast.query.n == slow.query.n);
	for (i = 0; i < FIELDS; i++)
		if (fast.have & 1u << i)
			same_slice(&fast.field[i], &slow.field[i]);
}

static void
begin(void)
{
	const struct service *const *s = services;

	while (*s != NULL && strcmp((*s)->desc->name, "http") != 0)
		s++;
	assert(*s != NULL);
	svc.service = *s;
	svc.conf = defaults((*s)->desc->opts);
	set_string((void *)(uintptr_t)svc.conf, "root", "/");
	svc.priv = calloc(1, (*s)->priv_size);
	assert(svc.priv != NULL);
	svc.counters = svc_counters;
	svc.io = &io;
	svc.count = 1;
	make_root();
	plain_conf(&server, 2, 8);
	plain_conf(&client, 1, 8);
	server.conf.shape.state_size = ((*s)->desc->state_size + 7) & ~7u;
	server.conf.port[0].caps = NET_CAP_FRAGS;
	server.conf.delack_us = client.conf.delack_us = 0;
	server.env.event = server_event;
	client.env.event = client_event;
	plain_init(&server, 1);
	plain_init(&client, 1);
}

/* "Expect" may be answered or not, as the body came early or late. */
static bool
has_expect(const uint8_t *p, size_t n)
{
	size_t i, j;

	for (i = 0; i + 6 <= n; i++) {
		for (j = 0; j < 6 && tolower(p[i + j]) == "expect"[j]; j++)
			continue;
		if (j == 6)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[ANSWER_MAX];
	size_t got;
	uint8_t how;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	if (svc.service == NULL)
		begin();
	how = data[0];
	data++;
	size--;
	check_parsers((const char *)data, (uint32_t)size);
	set_string((void *)(uintptr_t)svc.conf, "echo", how & 1 ? "/echo" : "");
	converse(data, size, 0);
	assert(talk.got == 0 || (talk.got >= 12 &&
	    memcmp(talk.answer, "HTTP/1.", 7) == 0));
	/* One that is not over waits for time to pass. */
	if (how & 1 || has_expect(data, size) || !talk.over)
		return 0;
	got = talk.got;
	memcpy(first, talk.answer, got);
	converse(data, size, 1u + how % 97 + (uint32_t)size / 200);
	assert(!talk.over || (talk.got == got &&
	    memcmp(first, talk.answer, got) == 0));
	return 0;
}
