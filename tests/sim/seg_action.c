/*
 * seg_action: what the service of a script does, and what a script asks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/tcb.h"
#include "seg_bed.h"

static char why[160];

/* One action: its name, and how many words follow. */
struct action {
	const char *name;
	uint32_t args;
	const char *(*run)(struct bed *b, const struct seg_line *l,
	    uint64_t v);
};

/* The connection of the flow at hand, in hands; NULL: there is none. */
static struct conn *
enter(struct bed *b)
{
	const struct conn *c;
	struct net_addr a;
	uint32_t i;

	for (i = 0; i < b->conf.shape.conns; i++) {
		c = conn_look(b->net, i);
		if (c == NULL)
			continue;
		conn_remote(c, &a);
		if (a.port == b->flow->port)
			return conn_enter(b->net, i);
	}
	return NULL;
}

static void
addr(const struct bed *b, uint8_t host, uint16_t port, struct net_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = b->family;
	a->port = port;
	if (b->family == 4)
		memcpy(a->addr, (uint8_t[]){ 192, 0, 2, host }, 4);
	else
		memcpy(a->addr, (uint8_t[16]){ 0x20, 1, 0xd, 0xb8,
		    [15] = host }, 16);
}

static const char *
do_listen(struct bed *b, const struct seg_line *l, uint64_t v)
{
	struct net_listen_conf c = { .backlog = (uint32_t)v };

	(void)l;
	c.local.port = SIM_LISTEN;
	c.opts = b->opts;
	return net_listen_as(b->net, &c) == 0 ? NULL : "net_listen refuses";
}

/* connect PORT: to this port of the peer's, from 41000. */
static const char *
do_connect(struct bed *b, const struct seg_line *l, uint64_t v)
{
	struct net_addr to, from;
	struct conn *c;
	int err;

	(void)l;
	addr(b, 2, (uint16_t)v, &to);
	addr(b, 1, 41000, &from);
	err = net_connect(b->net, &from, &to, b->last, &c);
	if (err < 0) {
		snprintf(why, sizeof(why), "net_connect: %s", strerror(-err));
		return why;
	}
	conn_set_opts(b->net, c, &b->opts);
	b->flow = bed_flow(b, (uint16_t)v);
	b->flow->local = 41000;
	return NULL;
}

/* port N: the lines that follow are about this port of the peer's. */
static const char *
do_port(struct bed *b, const struct seg_line *l, uint64_t v)
{
	(void)l;
	b->flow = bed_flow(b, (uint16_t)v);
	b->written = b->got = 0;
	return NULL;
}

/* fresh ISN: what comes is another connection of the same ports. */
static const char *
do_fresh(struct bed *b, const struct seg_line *l, uint64_t v)
{
	(void)l;
	b->flow->irs_known = b->flow->base_known = false;
	b->flow->iss = (uint32_t)v;
	b->written = b->got = 0;
	return NULL;
}

static const char *
do_write(struct bed *b, const struct seg_line *l, uint64_t v)
{
	struct conn *c = enter(b);
	uint8_t *buf;
	uint32_t i, n;

	(void)l;
	if (c == NULL)
		return "there is no connection";
	buf = malloc(v);
	for (i = 0; buf != NULL && i < v; i++)
		buf[i] = seg_byte(1 + b->written + i);
	n = conn_write(b->net, c, buf, (uint32_t)v);
	free(buf);
	conn_leave(b->net, c);
	b->written += n;
	if (n == v)
		return NULL;
	snprintf(why, sizeof(why), "conn_write took %u of %llu", n,
	    (unsigned long long)v);
	return why;
}

/* read N: N bytes are unread, and are taken. */
static const char *
do_read(struct bed *b, const struct seg_line *l, uint64_t v)
{
	struct conn *c = enter(b);
	uint32_t n, i;
	uint8_t byte;

	(void)l;
	if (c == NULL)
		return "there is no connection";
	n = conn_readable(c);
	for (i = 0; i < n && i < v; i++) {
		conn_copy(b->net, c, i, &byte, 1);
		if (byte != seg_byte(1 + b->got + i))
			b->broken = "the service reads wrong bytes";
	}
	if (n >= v)
		conn_consume(b->net, c, (uint32_t)v);
	b->got += (uint32_t)v;
	conn_leave(b->net, c);
	if (n >= v)
		return NULL;
	snprintf(why, sizeof(why), "%u bytes are unread, not %llu", n,
	    (unsigned long long)v);
	return why;
}

/* Calls without a value. */
static const char *
do_call(struct bed *b, const struct seg_line *l, uint64_t v)
{
	const char *name = l->word[0];
	struct conn *c = enter(b);

	(void)v;
	if (c == NULL)
		return "there is no connection";
	if (strcmp(name, "shutdown") == 0)
		conn_shutdown(b->net, c);
	else if (strcmp(name, "close") == 0)
		conn_close(b->net, c);
	else if (strcmp(name, "discard") == 0)
		conn_discard(b->net, c);
	else
		conn_abort(b->net, c);
	conn_leave(b->net, c);
	return NULL;
}

/* Switches: on or off. */
static const char *
do_switch(struct bed *b, const struct seg_line *l, uint64_t v)
{
	const char *name = l->word[0];
	bool on = strcmp(l->word[1], "on") == 0;
	struct net_addr a = { .port = SIM_LISTEN };
	struct conn *c;

	(void)v;
	if (!on && strcmp(l->word[1], "off") != 0)
		return "on or off is expected";
	if (strcmp(name, "hold") == 0) {
		b->hold = on;
		return NULL;
	}
	if (strcmp(name, "full") == 0)
		return net_listen_full(b->net, &a, on) == 0 ? NULL :
		    "there is no listener";
	c = enter(b);
	if (c == NULL)
		return "there is no connection";
	if (strcmp(name, "cork") == 0)
		conn_cork(b->net, c, on);
	else if (strcmp(name, "nodelay") == 0)
		conn_nodelay(c, on);
	else
		conn_quickack(b->net, c, on);
	conn_leave(b->net, c);
	return NULL;
}

/* opt NAME VALUE: of the connection there is, and of new ones. */
static const char *
do_opt(struct bed *b, const struct seg_line *l, uint64_t v)
{
	struct conn *c;

	if (!seg_number(l->word[2], &v))
		return "opt NAME VALUE is expected";
	if (strcmp(l->word[1], "user_ms") == 0)
		b->opts.user_ms = (uint32_t)v;
	else if (strcmp(l->word[1], "keep_idle_ms") == 0)
		b->opts.keep_idle_ms = (uint32_t)v;
	else if (strcmp(l->word[1], "keep_step_ms") == 0)
		b->opts.keep_step_ms = (uint32_t)v;
	else if (strcmp(l->word[1], "keep_probes") == 0)
		b->opts.keep_probes = (uint8_t)v;
	else if (strcmp(l->word[1], "keepalive") == 0)
		b->opts.keepalive = v ? CONN_ON : CONN_OFF;
	else if (strcmp(l->word[1], "maxseg") == 0)
		b->opts.maxseg = (uint16_t)v;
	else if (strcmp(l->word[1], "tos") == 0)
		b->opts.tos = (uint8_t)v;
	else
		return "no option of this name";
	c = enter(b);
	if (c != NULL) {
		conn_set_opts(b->net, c, &b->opts);
		conn_leave(b->net, c);
	}
	return NULL;
}

/* expect_event open|read|write|gone: it came since the last such line. */
static const char *
do_event(struct bed *b, const struct seg_line *l, uint64_t v)
{
	static const char *const names[] = { "open", "read", "write", "timer",
	    "gone" };
	uint32_t i;

	(void)v;
	for (i = 0; i < 5 && strcmp(l->word[1], names[i]) != 0; i++)
		continue;
	if (i == 5)
		return "an event is open, read, write, timer or gone";
	if (!(b->events & 1u << i)) {
		snprintf(why, sizeof(why), "no event '%s', there were %02x",
		    names[i], b->events);
		return why;
	}
	b->events &= ~(1u << i);
	return NULL;
}

static int
error_by_name(const char *name)
{
	static const struct {
		const char *name;
		int err;
	} errs[] = { { "none", 0 }, { "reset", -ECONNRESET },
	    { "timeout", -ETIMEDOUT }, { "refused", -ECONNREFUSED },
	    { "unreach", -EHOSTUNREACH } };
	uint32_t i;

	for (i = 0; i < sizeof(errs) / sizeof(errs[0]); i++)
		if (strcmp(name, errs[i].name) == 0)
			return errs[i].err;
	return 1;
}

/* expect_error NAME: the last connection ended so. */
static const char *
do_error(struct bed *b, const struct seg_line *l, uint64_t v)
{
	int err = error_by_name(l->word[1]);

	(void)v;
	if (err == 1)
		return "an error is none, reset, timeout, refused or unreach";
	if (!(b->events & CONN_GONE))
		return "the connection is not gone";
	if (b->error == err)
		return NULL;
	snprintf(why, sizeof(why), "it ended by %s", strerror(-b->error));
	return why;
}

static const char *
do_counter(struct bed *b, const struct seg_line *l, uint64_t v)
{
	uint32_t i;

	for (i = 0; i < CNT_MAX; i++)
		if (strcmp(counter_names[i], l->word[1]) == 0)
			break;
	if (i == CNT_MAX || !seg_number(l->word[2], &v))
		return "counter NAME VALUE is expected";
	if (b->counters[i] == v)
		return NULL;
	snprintf(why, sizeof(why), "%s is %llu", l->word[1],
	    (unsigned long long)b->counters[i]);
	return why;
}

/* A word about the connection; false: no such word. */
static bool
metric(const char *name, const struct conn_metrics *m, uint64_t *v)
{
	const struct {
		const char *name;
		uint64_t v;
	} all[] = { { "cwnd", m->cwnd_segs }, { "ssthresh", m->ssthresh_segs },
	    { "cwnd_bytes", m->cwnd }, { "rto_us", m->rto_us },
	    { "rtt_us", m->rtt_us }, { "mss", m->mss }, { "pmtu", m->pmtu },
	    { "unacked", m->unacked }, { "lost", m->lost },
	    { "sacked", m->sacked }, { "retrans", m->retrans },
	    { "backoff", m->backoff }, { "phase", m->phase },
	    { "snd_wnd", m->snd_wnd }, { "rcv_wnd", m->rcv_wnd },
	    { "unsent", m->unsent }, { "ecn", m->ecn }, { "sack", m->sack },
	    { "ts", m->ts }, { "in", m->bytes_in }, { "out", m->bytes_out } };
	uint32_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, name) != 0)
			continue;
		*v = all[i].v;
		return true;
	}
	return false;
}

/* expect NAME VALUE: of the connection; state NAME; gone. */
static const char *
do_expect(struct bed *b, const struct seg_line *l, uint64_t v)
{
	struct conn *c = enter(b);
	struct conn_metrics m;
	uint64_t is;

	if (c == NULL)
		return strcmp(l->word[1], "free") == 0 ? NULL :
		    "there is no connection";
	conn_metrics(b->net, c, &m);
	conn_leave(b->net, c);
	if (strcmp(l->word[1], "state") == 0) {
		if (strcmp(l->word[2], tcp_state_names[m.state]) == 0)
			return NULL;
		snprintf(why, sizeof(why), "its state is %s",
		    tcp_state_names[m.state]);
		return why;
	}
	if (!metric(l->word[1], &m, &is) || !seg_number(l->word[2], &v))
		return "expect NAME VALUE: no such name, or no number";
	if (is == v)
		return NULL;
	snprintf(why, sizeof(why), "%s is %llu", l->word[1],
	    (unsigned long long)is);
	return why;
}

static const char *
do_adopt(struct bed *b, const struct seg_line *l, uint64_t v)
{
	(void)l;
	(void)v;
	return bed_adopt(b);
}

static const char *
do_wait(struct bed *b, const struct seg_line *l, uint64_t v)
{
	(void)b;
	(void)l;
	(void)v;
	return NULL;
}

static const struct action actions[] = {
	{ "listen", 1, do_listen }, { "connect", 1, do_connect },
	{ "port", 1, do_port }, { "fresh", 1, do_fresh },
	{ "write", 1, do_write }, { "read", 1, do_read },
	{ "shutdown", 0, do_call }, { "close", 0, do_call },
	{ "discard", 0, do_call }, { "abort", 0, do_call },
	{ "hold", 1, do_switch }, { "full", 1, do_switch },
	{ "cork", 1, do_switch }, { "nodelay", 1, do_switch },
	{ "quickack", 1, do_switch }, { "opt", 2, do_opt },
	{ "event", 1, do_event }, { "error", 1, do_error },
	{ "counter", 2, do_counter }, { "expect", 2, do_expect },
	{ "silence", 0, do_wait }, { "adopt", 0, do_adopt },
};

const char *
bed_action(struct bed *b, const struct seg_line *l)
{
	const struct action *a = NULL;
	const char *r;
	uint64_t v = 0;
	uint32_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(l->word[0], actions[i].name) == 0)
			a = &actions[i];
	if (a == NULL) {
		snprintf(why, sizeof(why), "there is no action '%s'",
		    l->word[0]);
		return why;
	}
	if (l->nwords - 1 != a->args) {
		snprintf(why, sizeof(why), "%s takes %u words", a->name,
		    a->args);
		return why;
	}
	if (a->args == 1 && a->run != do_switch && a->run != do_event &&
	    a->run != do_error && !seg_number(l->word[1], &v)) {
		snprintf(why, sizeof(why), "%s: '%s' is no number", a->name,
		    l->word[1]);
		return why;
	}
	r = a->run(b, l, v);
	bed_turn(b, b->last);
	return r;
}
