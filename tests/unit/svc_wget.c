/*
 * The load client over a mock of conn.h: the test is the server.
 */
#include "wget_bed.h"

#define COUNT(a)	((int)(sizeof(a) / sizeof((a)[0])))

static struct wget_conf *
conf_new(void)
{
	return conf_for("http://10.0.0.1:8080/f");
}

static const struct load_sum *
sum(struct net *n)
{
	return &totals(n)->sum;
}

static const uint64_t *
errors(struct net *n)
{
	return sum(n)->errors;
}

/* The connection opened. */
static void
opened(struct net *n, struct conn *c)
{
	mock_event(n, c, CONN_OPEN | CONN_WRITE);
}

/* Requests that c has sent whole. */
static uint32_t
requests(const struct conn *c)
{
	const char *p = (const char *)c->out, *q;
	uint32_t k = 0;

	while (p != NULL && (q = memmem(p, c->out_len -
	    (size_t)(p - (const char *)c->out), "\r\n\r\n", 4)) != NULL) {
		p = q + 4;
		k++;
	}
	return k;
}

static const struct {
	const char *url;
	uint16_t port;		/* 0: refused */
	const char *path;
	const char *address;	/* the option */
	const char *is;		/* its bytes; 4 of them, or 16 */
} urls[] = {
	{ "http://10.0.0.1", 80, "/", "", "\x0a\0\0\x01" },
	{ "http://10.0.0.1/", 80, "/", "", "\x0a\0\0\x01" },
	{ "http://10.0.0.1:8080", 8080, "/", "", "\x0a\0\0\x01" },
	{ "http://10.0.0.1:65535/a?b=c", 65535, "/a?b=c", "",
	    "\x0a\0\0\x01" },
	{ "http://[::1]/", 80, "/", "", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1" },
	{ "http://[fd00::1:2]:8080/x", 8080, "/x", "",
	    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\1\0\2" },
	{ "http://[1:2:3:4:5:6:7:8]", 80, "/", "",
	    "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10" },
	{ "http://[1::]", 80, "/", "", "\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
	{ "http://[::ffff:10.0.0.1]/", 80, "/", "",
	    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1" },
	{ "http://example.com/a", 80, "/a", "10.0.0.1", "\x0a\0\0\x01" },
	{ "http://example.com:81", 81, "/", "10.0.0.1", "\x0a\0\0\x01" },
	{ "http://a-b.example/", 80, "/", "fd00::1",
	    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1" },
	{ "http://10.0.0.9/", 80, "/", "10.0.0.1", "\x0a\0\0\x01" },
	{ .url = "http://256.0.0.1/" },
	{ .url = "http://10.0.0/" },
	{ .url = "http://10.0.0.1.2/" },
	{ .url = "http://10.0.0.1x/" },
	{ .url = "http://example.com/" },
	{ .url = "https://10.0.0.1/" },
	{ .url = "10.0.0.1" },
	{ .url = "http://10.0.0.1:/" },
	{ .url = "http://10.0.0.1:0/" },
	{ .url = "http://10.0.0.1:65536/" },
	{ .url = "http://10.0.0.1:99999999999/" },
	{ .url = "http://10.0.0.1/a b" },
	{ .url = "http://10.0.0.1?q" },
	{ .url = "http://u@10.0.0.1/" },
	{ .url = "http://::1/" },
	{ .url = "http://[::1" },
	{ .url = "http://[::1]x/" },
	{ .url = "http://[1:2:3:4:5:6:7]/" },
	{ .url = "http://[1::2::3]/" },
	{ .url = "http://[1:2:3:4:5:6:7:8:9]/" },
	{ .url = "http://[12345::]/" },
	{ .url = "http://[adadddfd77::]/" },
	{ .url = "http://[1:2:3:4:5:6:7:8::]/" },
	{ .url = "http://[10.0.0.1]/" },
	{ .url = "http://[:1]/" },
	{ .url = "http://[1:]/" },
	{ .url = "http://[]/" },
	{ .url = "http:///x", .address = "10.0.0.1" },
	{ .url = "http://a b/", .address = "10.0.0.1" },
	{ .url = "http://u@h/", .address = "10.0.0.1" },
	{ .url = "http://h/", .address = "10.0.0.1.1" },
	{ .url = "http://h/", .address = "elsewhere" },
};

START_TEST(urls_name_an_address)
{
	const char *given = urls[_i].address != NULL ? urls[_i].address : "";
	struct wget_conf *conf = conf_new();
	struct net_addr a;
	const char *path, *why;
	struct net *n;
	int err;

	err = wget_url(urls[_i].url, "http://", given, &a, &path, &why);
	ck_assert_msg((err == 0) == (urls[_i].port != 0), "%s", urls[_i].url);
	if (err == 0) {
		ck_assert_uint_eq(a.port, urls[_i].port);
		ck_assert_str_eq(path, urls[_i].path);
		ck_assert_mem_eq(a.addr, urls[_i].is, a.family == 4 ? 4 : 16);
	}
	snprintf(conf->url, OPT_STRLEN, "%s", urls[_i].url);
	snprintf(conf->address, OPT_STRLEN, "%s", given);
	n = mock_start(&wget_service, conf, NULL, &err);
	ck_assert((err == 0) == (urls[_i].port != 0));
	if (strcmp(urls[_i].url, "http://example.com/") == 0)
		ck_assert_ptr_nonnull(strstr(n->log, "needs `address`"));
	mock_stop(n);
}
END_TEST

/* Orders as `starfish wget` writes them. */
static void
order(struct net *n, const struct wget_conf *c, uint32_t run)
{
	struct load_orders *o = &((struct load_desk *)n->kept)->orders;

	memcpy(o->conf, c, sizeof(*c));
	o->size = sizeof(*c);
	o->shape = load_shape(wget_service.desc->opts);
	o->run = run;
}

/* A slot that has no URL is there for `starfish wget -n`. */
START_TEST(without_a_url_it_waits_for_orders)
{
	struct wget_conf *conf = conf_new(), *orders = conf_new();
	struct load_desk *d;
	struct net *n;
	uint32_t run;

	conf->url[0] = '\0';
	n = start(conf);
	d = n->kept;
	tick(n);
	ck_assert_int_eq(d->totals.state, LOAD_REST);
	for (run = 1; run <= 3; run++) {
		order(n, orders, run);
		tick(n);
		ck_assert_int_eq(d->totals.state, LOAD_READY);
		tick(n);
		ck_assert_uint_eq(n->nconns, run - 1);
		d->orders.go = run;
		tick(n);
		tick(n);
		ck_assert_int_eq(d->totals.state, LOAD_RUNNING);
		ck_assert_uint_eq(n->nconns, run);
		opened(n, n->conns[run - 1]);
		if (run == 2)		/* and its worker dies */
			mock_restart(n);
		while (((struct wget_priv *)n->svc.priv)->phase == WGET_SCAN)
			tick(n);
		answer(n, n->conns[run - 1], OK10);
		mock_fin(n, n->conns[run - 1]);
		tick(n);
		ck_assert_int_eq(d->totals.state, LOAD_OVER);
		ck_assert_uint_eq(d->totals.sum.responses, 1);
		ck_assert_uint_eq(d->totals.sum.restarts, run == 2);
	}
	snprintf(orders->url, OPT_STRLEN, "ftp://x/");
	order(n, orders, 4);
	tick(n);
	ck_assert_int_eq(d->totals.state, LOAD_REFUSES);
	ck_assert_ptr_nonnull(strstr(d->totals.why, "must start with http"));
	d->orders.shape++;
	d->orders.run = 5;
	tick(n);
	ck_assert_ptr_nonnull(strstr(d->totals.why, "another build"));
	ck_assert_int_eq(n->done, 0);
	free(orders);
	mock_stop(n);
}
END_TEST

/* A run that is told to end does, and says what there was of it. */
START_TEST(a_run_can_be_ended)
{
	struct wget_conf *conf = conf_new();
	struct load_desk *d;
	struct net *n;

	conf->flows = 0;
	conf->duration_s = 100;
	conf->keep_alive = 0;
	conf->hold = 1;
	n = start(conf);
	d = n->kept;
	tick(n);
	ck_assert_uint_eq(n->nconns, 0);
	d->orders.go = 1;
	tick(n);
	tick(n);
	opened(n, n->conns[0]);
	answer(n, n->conns[0], OK10);
	d->orders.stop = 1;
	tick(n);
	answer(n, n->conns[0], OK10);
	ck_assert(n->conns[0]->closed);
	tick(n);
	ck_assert_int_eq(n->done, 1);
	ck_assert_uint_eq(d->totals.sum.responses, 2);
	mock_stop(n);
}
END_TEST

START_TEST(one_flow_is_one_request_and_a_report)
{
	static const char want[] = "GET /f HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n"
	    "Connection: close\r\n\r\n";
	struct net *n = start(conf_new());
	struct conn *c;

	tick(n);
	tick(n);
	ck_assert_uint_eq(n->nconns, 1);
	c = n->conns[0];
	n->now += 100;
	opened(n, c);
	ck_assert_uint_eq(c->out_len, sizeof(want) - 1);
	ck_assert(memcmp(c->out, want, sizeof(want) - 1) == 0);
	n->now += 50;
	answer(n, c, OK10);
	/* The server was asked to close: TIME_WAIT is to be its. */
	ck_assert(mock_alive(c));
	mock_fin(n, c);
	ck_assert(c->closed);
	ck_assert_int_eq(n->done, 0);
	tick(n);
	ck_assert_int_eq(n->done, 1);
	ck_assert_ptr_nonnull(strstr(n->report, "\"responses\": 1,"));
	ck_assert_ptr_nonnull(strstr(n->report, "\"bytes_in\": 10,"));
	ck_assert_ptr_nonnull(strstr(n->report, "\"connect_us\": {\"n\": 1, "
	    "\"min\": 100, \"max\": 100,"));
	ck_assert_ptr_nonnull(strstr(n->report, "\"whole_us\": {\"n\": 1, "
	    "\"min\": 50, \"max\": 50,"));
	ck_assert_ptr_nonnull(strstr(n->log, "errors: none"));
	mock_stop(n);
}
END_TEST

/* Answers of every framing, in one piece and byte by byte. */
START_TEST(answers_of_every_framing_are_read)
{
	static const struct {
		const char *s;
		uint64_t bytes;
		bool keep;
	} t[] = {
		{ OK10, 10, true },
		{ "HTTP/1.1 100 Continue\r\n\r\n" OK10, 10, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "a\r\n0123456789\r\n0\r\n\r\n", 10, true },
		{ "HTTP/1.0 200 OK\r\n\r\n0123456789", 10, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, true },
		{ "HTTP/1.1 204 No Content\r\n\r\n", 0, true },
	};
	struct wget_conf *conf = conf_new();
	struct net *n;
	struct conn *c;
	size_t i;

	conf->keep_alive = 2;
	conf->expect_bytes = (int64_t)t[_i / 2].bytes;
	n = start(conf);
	tick(n);
	c = n->conns[0];
	opened(n, c);
	ck_assert_uint_eq(requests(c), 1);
	for (i = 0; _i % 2 && i < strlen(t[_i / 2].s); i++) {
		mock_input(n, c, t[_i / 2].s + i, 1);
	}
	if (_i % 2 == 0)
		answer(n, c, t[_i / 2].s);
	if (!t[_i / 2].keep)
		mock_fin(n, c);
	ck_assert_uint_eq(sum(n)->responses, 1);
	ck_assert_uint_eq(sum(n)->mismatched, 0);
	ck_assert_uint_eq(sum(n)->bytes_in, t[_i / 2].bytes);
	ck_assert_uint_eq(requests(c), t[_i / 2].keep ? 2 : 1);
	ck_assert(c->closed == !t[_i / 2].keep);
	mock_stop(n);
}
END_TEST

/* Each cause has its name. */
START_TEST(failures_are_counted_by_cause)
{
	static const struct {
		const char *s;
		int error;	/* from the stack */
		bool fin;
		enum load_error e;
	} t[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012", 0,
		    true, LOAD_SHORT_BODY },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
		    "01234\r\n", 0, true, LOAD_SHORT_BODY },
		{ "HTTP/1.1 200 OK\r\nConte", 0, true, LOAD_EARLY_CLOSE },
		{ "", 0, true, LOAD_EARLY_CLOSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012",
		    -ECONNRESET, false, LOAD_RESET },
		{ "", -ETIMEDOUT, false, LOAD_TIMEOUT },
		{ "SSH-2.0-x\r\n\r\n", 0, false, LOAD_NOT_HTTP },
		{ "\x16\x03\x01", 0, false, LOAD_NOT_HTTP },
		{ "HTTP/2.0 200 OK\r\n\r\n", 0, false, LOAD_NOT_HTTP },
		{ "HTTP/1.1 abc\r\n\r\n", 0, false, LOAD_NOT_HTTP },
		{ "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", 0, false,
		    LOAD_BAD_HEADER },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, false,
		    LOAD_BAD_LENGTH },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Content-Length: 2\r\n\r\n", 0, false, LOAD_BAD_LENGTH },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 0,
		    false, LOAD_BAD_CODING },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		    "Content-Length: 1\r\n\r\n", 0, false, LOAD_BAD_CODING },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", 0,
		    false, LOAD_BAD_CHUNK },
		{ OK10 "more", 0, false, LOAD_EXTRA_BYTES },
		{ "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, true,
		    LOAD_BAD_STATUS },
	};
	struct net *n = start(conf_new());
	struct conn *c;
	uint64_t all = 0;
	uint32_t i;

	tick(n);
	c = n->conns[0];
	opened(n, c);
	answer(n, c, t[_i].s);
	c->error = t[_i].error;
	if (t[_i].fin)
		mock_fin(n, c);
	else if (t[_i].error != 0)
		mock_event(n, c, CONN_GONE);
	for (i = 0; i < LOAD_ERRORS; i++)
		all += errors(n)[i];
	ck_assert_uint_eq(errors(n)[t[_i].e], 1);
	ck_assert_uint_eq(all, 1);
	tick(n);
	ck_assert_int_eq(n->done, 2);
	ck_assert_ptr_nonnull(strstr(n->log, load_error_names[t[_i].e]));
	mock_stop(n);
}
END_TEST

START_TEST(connect_failures_are_counted_by_cause)
{
	static const struct {
		int error;
		enum load_error e;
	} t[] = {
		{ -ECONNREFUSED, LOAD_REFUSED },
		{ -ETIMEDOUT, LOAD_CONNECT_TIMEOUT },
		{ -EHOSTUNREACH, LOAD_UNREACHABLE },
	};
	struct net *n = start(conf_new());

	tick(n);
	n->conns[0]->error = t[_i].error;
	mock_event(n, n->conns[0], CONN_GONE);
	ck_assert_uint_eq(errors(n)[t[_i].e], 1);
	tick(n);
	ck_assert_int_eq(n->done, 2);
	mock_stop(n);
}
END_TEST

START_TEST(a_connect_has_its_time_limit)
{
	struct wget_conf *conf = conf_new();
	struct net *n;

	conf->timeout_ms = 3000;
	n = start(conf);
	tick(n);
	mock_pass(n, n->conns[0], 2999000);
	ck_assert(mock_alive(n->conns[0]));
	mock_pass(n, n->conns[0], 1000);
	ck_assert(n->conns[0]->aborted);
	ck_assert_uint_eq(errors(n)[LOAD_CONNECT_TIMEOUT], 1);
	tick(n);
	ck_assert_int_eq(n->done, 2);
	mock_stop(n);
}
END_TEST

START_TEST(an_oversize_head_fails_the_flow)
{
	struct net *n = start(conf_new());
	struct conn *c;
	char line[1024];
	uint32_t i;

	tick(n);
	c = n->conns[0];
	opened(n, c);
	answer(n, c, "HTTP/1.1 200 OK\r\n");
	snprintf(line, sizeof(line), "A: %01000d\r\n", 1);
	for (i = 0; i < 20 && mock_alive(c); i++)
		answer(n, c, line);
	ck_assert(c->aborted);
	ck_assert_uint_eq(errors(n)[LOAD_OVERSIZE_HEAD], 1);
	mock_stop(n);
}
END_TEST

START_TEST(bodies_of_another_size_are_mismatched)
{
	struct wget_conf *conf = conf_new();
	struct net *n;
	struct conn *c;

	conf->keep_alive = 3;
	conf->expect_bytes = _i == 0 ? -1 : 11;
	n = start(conf);
	tick(n);
	c = n->conns[0];
	opened(n, c);
	answer(n, c, OK10);
	answer(n, c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	answer(n, c, OK10);
	mock_fin(n, c);
	ck_assert_uint_eq(sum(n)->mismatched, _i == 0 ? 1 : 3);
	tick(n);
	ck_assert_int_eq(n->done, 2);
	mock_stop(n);
}
END_TEST

START_TEST(the_loop_is_closed_and_the_pipeline_full)
{
	struct wget_conf *conf = conf_new();
	struct net *n;
	uint32_t i, j, open;

	conf->flows = 10;
	conf->concurrency = 3;
	conf->keep_alive = 8;
	conf->pipeline = 4;
	n = start(conf);
	for (i = 0; i < 10; i++) {
		tick(n);
		for (j = open = 0; j < n->nconns; j++)
			open += mock_alive(n->conns[j]);
		ck_assert_uint_eq(open, i <= 7 ? 3 : 10 - i);
		opened(n, n->conns[i]);
		ck_assert_uint_eq(requests(n->conns[i]), 4);
		for (j = 0; j < 8; j++) {
			answer(n, n->conns[i], OK10);
			ck_assert_uint_eq(requests(n->conns[i]),
			    j < 4 ? 5 + j : 8);
		}
		mock_fin(n, n->conns[i]);
	}
	tick(n);
	ck_assert_int_eq(n->done, 1);
	ck_assert_uint_eq(sum(n)->responses, 80);
	ck_assert_uint_eq(sum(n)->done, 10);
	mock_stop(n);
}
END_TEST

/*
 * Heads that differ from the one before by a date, a digit of the status or
 * of the length, cut at every byte: each is read as what it is.
 */
START_TEST(heads_that_nearly_repeat_are_told_apart)
{
	static const char text[] =
	    "HTTP/1.1 200 OK\r\nDate: 01\r\nContent-Length: 2\r\n\r\nab"
	    "HTTP/1.1 200 OK\r\nDate: 01\r\nContent-Length: 2\r\n\r\nab"
	    "HTTP/1.1 200 OK\r\nDate: 02\r\nContent-Length: 2\r\n\r\nab"
	    "HTTP/1.1 200 OK\r\nDate: 02\r\nContent-Length: 4\r\n\r\nHTTP"
	    "HTTP/1.1 500 OK\r\nDate: 02\r\nContent-Length: 4\r\n\r\nHTTP"
	    "HTTP/1.1 100 OK\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nDate: 02\r\nContent-Length: 4\r\n\r\nHTTP"
	    "HTTP/1.1 200 OK\r\nDate: 03\r\nContent-Length: 4\r\n\r\nHTTP"
	    "HTTP/1.1 204 OK\r\nDate: 03\r\nContent-Length: 4\r\n\r\n";
	struct wget_conf *conf;
	uint32_t at, n = sizeof(text) - 1;
	struct net *net;

	for (at = 1; at < n; at++) {
		conf = conf_new();
		conf->keep_alive = 8;
		conf->pipeline = 8;
		conf->expect_bytes = 4;
		net = start(conf);
		tick(net);
		opened(net, net->conns[0]);
		mock_input(net, net->conns[0], text, at);
		mock_input(net, net->conns[0], text + at, n - at);
		ck_assert_uint_eq(sum(net)->responses, 8);
		ck_assert_uint_eq(sum(net)->mismatched, 4);
		ck_assert_uint_eq(errors(net)[LOAD_BAD_STATUS], 1);
		ck_assert_uint_eq(sum(net)->failed, 0);
		ck_assert_uint_eq(sum(net)->bytes_in, 22);
		mock_stop(net);
	}
}
END_TEST

START_TEST(slots_share_the_work_evenly)
{
	uint64_t flows = 0, conc = 0;
	struct wget_conf *conf;
	struct wget_priv *p;
	struct net *n;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		conf = conf_new();
		conf->flows = 10;
		conf->concurrency = 5;
		n = start(conf);
		n->svc.index = i;
		n->svc.count = 3;
		mock_restart(n);
		p = n->svc.priv;
		ck_assert_uint_ge(p->flows, 3);
		flows += p->flows;
		conc += p->concurrency;
		mock_stop(n);
	}
	ck_assert_uint_eq(flows, 10);
	ck_assert_uint_eq(conc, 5);
}
END_TEST

START_TEST(a_timed_run_ends_when_its_requests_do)
{
	struct wget_conf *conf = conf_new();
	struct net *n;
	uint32_t i;

	conf->flows = 0;
	conf->keep_alive = 0;
	conf->concurrency = 2;
	conf->duration_s = 2;
	n = start(conf);
	tick(n);
	ck_assert_uint_eq(n->nconns, 2);
	opened(n, n->conns[0]);
	opened(n, n->conns[1]);
	for (i = 0; i < 25; i++) {
		n->now += 100000;
		tick(n);
		answer(n, n->conns[0], OK10);
	}
	/* The first has no request under way and is closed; the second gets
	 * its time, and is then counted as incomplete. */
	ck_assert(n->conns[0]->closed);
	ck_assert_int_eq(n->done, 0);
	n->now += 2000000;
	tick(n);
	ck_assert_int_eq(n->done, 1);
	ck_assert_ptr_nonnull(strstr(n->report, "\"incomplete\": 1,"));
	ck_assert_ptr_nonnull(strstr(n->log, " s: connects 2, requests 9,"));
	mock_stop(n);
}
END_TEST

START_TEST(uploads_send_their_whole_body)
{
	struct wget_conf *conf = conf_new();
	const uint8_t *body;
	struct net *n;
	struct conn *c;
	uint32_t i;

	conf->method = WGET_POST;
	conf->body_bytes = 50000;
	n = start(conf);
	tick(n);
	c = n->conns[0];
	c->sndbuf = 777;
	opened(n, c);
	while (c->want > 0)
		mock_ack(n, c);
	body = memmem(c->out, c->out_len, "\r\n\r\n", 4);
	ck_assert_ptr_nonnull(body);
	body += 4;
	ck_assert_uint_eq((uint32_t)(c->out + c->out_len - body), 50000);
	ck_assert_ptr_nonnull(memmem(c->out, 200, "Content-Length: 50000\r\n",
	    23));
	for (i = 0; i < 50000; i++)
		ck_assert_uint_eq(body[i], 'a' + i % WGET_PATTERN % 26);
	mock_stop(n);
}
END_TEST

/* A successor takes the connections as they are, and their totals. */
START_TEST(a_successor_goes_on_with_its_connections)
{
	struct wget_conf *conf = conf_new();
	struct net *n;
	struct conn *c;

	conf->keep_alive = 4;
	n = start(conf);
	tick(n);
	c = n->conns[0];
	opened(n, c);
	answer(n, c, OK10);
	answer(n, c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012");
	mock_restart(n);
	while (((struct wget_priv *)n->svc.priv)->phase == WGET_SCAN)
		tick(n);
	ck_assert_uint_eq(sum(n)->adopted, 1);
	ck_assert_uint_eq(sum(n)->restarts, 1);
	ck_assert_uint_eq(sum(n)->responses, 1);
	tick(n);
	ck_assert_uint_eq(n->nconns, 1);
	answer(n, c, "3456789");
	ck_assert_uint_eq(sum(n)->responses, 2);
	answer(n, c, OK10);
	answer(n, c, OK10);
	mock_fin(n, c);
	ck_assert(c->closed);
	ck_assert_uint_eq(sum(n)->done, 1);
	tick(n);
	ck_assert_int_eq(n->done, 1);
	ck_assert_ptr_nonnull(strstr(n->report, "\"responses\": 4,"));
	mock_stop(n);
}
END_TEST

/* The one in hand at the death was reset by the stack: it failed. */
START_TEST(a_connection_lost_with_its_worker_is_a_reset)
{
	struct wget_conf *conf = conf_new();
	struct net *n;

	conf->flows = conf->concurrency = 2;
	n = start(conf);
	tick(n);
	opened(n, n->conns[0]);
	opened(n, n->conns[1]);
	n->conns[1]->aborted = true;
	mock_restart(n);
	while (((struct wget_priv *)n->svc.priv)->phase == WGET_SCAN)
		tick(n);
	ck_assert_uint_eq(errors(n)[LOAD_RESET], 1);
	answer(n, n->conns[0], OK10);
	mock_fin(n, n->conns[0]);
	tick(n);
	ck_assert_int_eq(n->done, 2);
	ck_assert_uint_eq(sum(n)->done, 1);
	ck_assert_uint_eq(sum(n)->failed, 1);
	mock_stop(n);
}
END_TEST

START_TEST(rates_are_in_their_units)
{
	struct net *n = start(conf_new());
	struct conn *c;
	char body[1000];
	uint32_t i;

	memset(body, 'x', sizeof(body));
	tick(n);
	c = n->conns[0];
	opened(n, c);
	answer(n, c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	n->now += 1000;		/* 8 million bits in a millisecond */
	for (i = 0; i < 1000; i++)
		mock_input(n, c, body, sizeof(body));
	mock_fin(n, c);
	tick(n);
	ck_assert_ptr_nonnull(strstr(n->report, "\"gbit_per_s\": 8.000,"));
	ck_assert_ptr_nonnull(strstr(n->report,
	    "\"requests_per_s\": 1000.000,"));
	ck_assert_ptr_nonnull(strstr(n->log, "8.000 Gbit/s"));
	mock_stop(n);
}
END_TEST

START_TEST(without_ports_flows_wait_or_fail)
{
	struct wget_conf *conf = conf_new();
	struct net *n;

	conf->flows = 2;
	conf->concurrency = 2;
	n = start(conf);
	n->connect_err = -EADDRNOTAVAIL;
	tick(n);
	n->now += 1000;
	tick(n);
	ck_assert_uint_eq(errors(n)[LOAD_NO_PORT], 2);
	n->now += 1000;
	tick(n);
	ck_assert_int_eq(n->done, 2);
	mock_stop(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("svc_wget");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, urls_name_an_address, 0, COUNT(urls));
	tcase_add_test(tc, one_flow_is_one_request_and_a_report);
	tcase_add_loop_test(tc, answers_of_every_framing_are_read, 0, 12);
	tcase_add_loop_test(tc, failures_are_counted_by_cause, 0, 18);
	tcase_add_loop_test(tc, connect_failures_are_counted_by_cause, 0, 3);
	tcase_add_test(tc, a_connect_has_its_time_limit);
	tcase_add_test(tc, an_oversize_head_fails_the_flow);
	tcase_add_loop_test(tc, bodies_of_another_size_are_mismatched, 0, 2);
	tcase_add_test(tc, the_loop_is_closed_and_the_pipeline_full);
	tcase_add_test(tc, heads_that_nearly_repeat_are_told_apart);
	tcase_add_test(tc, slots_share_the_work_evenly);
	tcase_add_test(tc, a_timed_run_ends_when_its_requests_do);
	tcase_add_test(tc, uploads_send_their_whole_body);
	tcase_add_test(tc, a_successor_goes_on_with_its_connections);
	tcase_add_test(tc, a_connection_lost_with_its_worker_is_a_reset);
	tcase_add_test(tc, without_a_url_it_waits_for_orders);
	tcase_add_test(tc, a_run_can_be_ended);
	tcase_add_test(tc, rates_are_in_their_units);
	tcase_add_test(tc, without_ports_flows_wait_or_fail);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
