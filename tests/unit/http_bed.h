/*
 * http_bed: what tests of the http service share: a document root, the
 * service on a mock of conn.h, and a reader of its answers.
 */
#ifndef UNIT_HTTP_BED_H
#define UNIT_HTTP_BED_H

#include <check.h>

#include "mock_conn.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../../secondary/svc/http/http_priv.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))
#define H		"Host: h\r\n"
#define GET(p)		"GET " p " HTTP/1.1\r\n" H
#define POST(p)		"POST " p " HTTP/1.1\r\n" H
#define BIG		100000u
#define HUGE_LEN	300001u	/* of the file that is not in the cache */
#define FILE_MAX	200000u	/* largest that is */

extern const struct service http_service;

static char dir[64];
static struct fcache *cache;
static char big[BIG];
static char huge_file[HUGE_LEN];

static inline void
put(const char *path, const void *data, size_t n)
{
	char full[128];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	f = fopen(full, "w");
	assert(f != NULL && fwrite(data, 1, n, f) == n);
	fclose(f);
}

static inline void
make_root(void)
{
	char err[256], full[128];
	size_t size;
	uint32_t i;

	for (i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
	for (i = 0; i < HUGE_LEN; i++)
		huge_file[i] = (char)(i * 11 + i / 257);
	snprintf(dir, sizeof(dir), "/tmp/svc_http.XXXXXX");
	assert(mkdtemp(dir) != NULL);
	put("index.html", "index", 5);
	put("small.txt", "0123456789", 10);
	put("empty", "", 0);
	put("kilo", big, HTTP_COPY);
	put("more", big, HTTP_COPY + 1);
	put("big", big, BIG);
	put("huge", huge_file, HUGE_LEN);
	snprintf(full, sizeof(full), "%s/dir", dir);
	mkdir(full, 0755);
	put("dir/index.html", "sub", 3);
	put("dir/home.htm", "home", 4);
	snprintf(full, sizeof(full), "%s/a b", dir);
	mkdir(full, 0755);
	put("code.js", "plain code", 10);
	put("code.js.gz", "GZ", 2);
	put("code.js.br", "B", 1);
	put("one.css", "plain", 5);
	put("one.css.gz", "GZ", 2);
	snprintf(full, sizeof(full), "%s/list", dir);
	mkdir(full, 0755);
	put("list/<&\"'>.txt", "x", 1);
	put("list/a:b", "xy", 2);
	snprintf(full, sizeof(full), "%s/list/sub", dir);
	mkdir(full, 0755);
	put("list/sub/deep", "xyz", 3);
	if (fcache_measure(&(struct fcache_root){ dir, NULL,
	    FILE_MAX }, &size, err, sizeof(err)) != 0)
		abort();
	cache = aligned_alloc(64, (size + 63) & ~(size_t)63);
	memset(cache, 0, size);
	if (fcache_build(cache, size, &(struct fcache_root){ dir,
	    "/etc/mime.types", FILE_MAX }, err,
	    sizeof(err)) != 0)
		abort();
	snprintf(full, sizeof(full), "rm -rf '%s'", dir);
	if (system(full) != 0)
		abort();
}

static inline struct net *
start(void)
{
	struct http_conf *conf = mock_conf(&http_service);
	struct net *n;
	int err;

	snprintf(conf->root, OPT_STRLEN, "/srv");
	snprintf(conf->echo, OPT_STRLEN, "/echo");
	n = mock_start(&http_service, conf, cache, &err);
	ck_assert_int_eq(err, 0);
	n->disk = (const uint8_t *)huge_file;
	n->disk_size = HUGE_LEN;
	return n;
}

static inline struct http_conf *
conf_of(struct net *n)
{
	return (struct http_conf *)(uintptr_t)n->svc.conf;
}

static inline struct conn *
open_conn(struct net *n)
{
	struct conn *c = mock_conn();

	mock_event(n, c, CONN_OPEN);
	return c;
}

/* ---- what came out ---- */

struct answer {
	int status;
	char head[4096];	/* with the blank line */
	const uint8_t *body;
	uint32_t len;		/* of the body, by Content-Length or chunks */
	uint32_t total;		/* of the answer */
	uint8_t plain[BIG + 65536]; /* a chunked body, decoded */
};

static inline bool
field(const struct answer *a, const char *name, char *value)
{
	char want[64];
	const char *p;
	size_t n;

	snprintf(want, sizeof(want), "\r\n%s: ", name);
	p = strstr(a->head, want);
	if (p == NULL)
		return false;
	p += strlen(want);
	n = strcspn(p, "\r");
	memcpy(value, p, n);
	value[n] = '\0';
	return true;
}

static inline void
dechunk(struct answer *a, const uint8_t *p, uint32_t n)
{
	struct http_chunk c = { .left = 0 };
	uint32_t at = 0, m;

	while (c.state != HC_END) {
		ck_assert_uint_lt(at, n);
		at += http_chunk_frame(&c, p + at, n - at);
		ck_assert_uint_ne(c.state, HC_BAD);
		if (c.state != HC_DATA)
			continue;
		m = c.left < n - at ? (uint32_t)c.left : n - at;
		memcpy(a->plain + a->len, p + at, m);
		a->len += m;
		at += m;
		http_chunk_took(&c, m);
	}
	a->body = a->plain;
	a->total += at;
}

/* Read the answer that starts at byte `at` of what c sent. */
static inline void
parse(const struct conn *c, uint32_t at, bool head_only, struct answer *a)
{
	const char *p = (const char *)c->out + at, *end;
	char value[256];

	ck_assert_uint_lt(at, c->out_len);
	end = memmem(p, c->out_len - at, "\r\n\r\n", 4);
	ck_assert_ptr_nonnull(end);
	a->total = (uint32_t)(end + 4 - p);
	ck_assert_uint_lt(a->total, sizeof(a->head));
	memcpy(a->head, p, a->total);
	a->head[a->total] = '\0';
	ck_assert_int_eq(sscanf(a->head, "HTTP/1.1 %d ", &a->status), 1);
	if (a->status != 100)
		ck_assert(field(a, "Date", value));
	a->len = 0;
	a->body = (const uint8_t *)p + a->total;
	if (field(a, "Transfer-Encoding", value)) {
		ck_assert_str_eq(value, "chunked");
		dechunk(a, a->body, c->out_len - at - a->total);
	} else if (field(a, "Content-Length", value) && !head_only &&
	    a->status != 304) {
		a->len = (uint32_t)strtoul(value, NULL, 10);
		a->total += a->len;
		ck_assert_uint_le(at + a->total, c->out_len);
	}
}

#endif
