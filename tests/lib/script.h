/*
 * script: a conversation with the stack, segment by segment, one event per
 * line:
 *
 *	TIME < FLAGS SEQ:END(LEN) [ack N] [win N] [<options>]	the peer sends
 *	TIME > FLAGS SEQ:END(LEN) [ack N] [win N] [<options>]	the stack does
 *	TIME CALL [argument]					what is called
 *
 * TIME is ms since the event before; of what the stack sends a~b says that it
 * comes between a and b (else within half a ms). Numbers are relative to each
 * side's initial one. FLAGS are letters of SFRPEW and "." for ACK; before them
 * [ect0], [ce] or [noecn] may say what the IP header has. A segment longer
 * than the peer's MSS stands for as many as it takes, the last of which has
 * the flags. Whatever the stack sends and no line expects is an error.
 * Options: as tcpdump says them; "TS val V ecr E" with +N for our clock's ms
 * since its first value. Calls: see calls[].
 *
 * Header only, over bare.h: public interfaces alone. The same script runs over
 * IPv4 and IPv6: "mss 1460" of ours is 20 less there.
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include <ctype.h>
#include <stdio.h>

#include "bare.h"

#define S_PORT	8080u
#define S_PEER	40000u

/* What one line says of a segment. */
struct sc_seg {
	uint32_t flags, seq, end, len, ack, win, tos, optlen;
	bool has_win, has_opt, has_tos;
	uint8_t opt[40];
	char text[160];		/* options as written */
};

static struct script {
	int family, listen, h;
	struct peer p;
	uint32_t isn, iss;	/* the stack's, the peer's */
	bool know, knowts;
	uint32_t ts0, tslast;	/* its first timestamp, its last one */
	uint32_t mss;		/* the peer's */
	uint32_t wrote, rd;	/* bytes by calls */
	int line;
	const char *text;
} sc;

static inline void
sc_fail(const char *why)
{
	ck_abort_msg("IPv%d, line %d \"%s\": %s", sc.family, sc.line,
	    sc.text, why);
}

#define SC_CHECK(what, got, want) do {					\
	long long got_ = (long long)(got), want_ = (long long)(want);	\
	char why_[96];							\
	if (got_ != want_) {						\
		snprintf(why_, sizeof(why_), "%s is %lld, not %lld",	\
		    what, got_, want_);					\
		sc_fail(why_);						\
	}								\
} while (0)

static inline uint8_t
sc_byte(uint32_t off)
{
	return (uint8_t)(off * 2654435761u >> 24);
}

static inline void
sc_fill(uint8_t *p, uint32_t off, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		p[i] = sc_byte(off + i);
}

/* ---- reading a line ---- */

static inline bool
sc_word(const char **s, const char *w)
{
	size_t n = strlen(w);

	while (**s == ' ' || **s == ',')
		(*s)++;
	if (strncmp(*s, w, n) != 0)
		return false;
	*s += n;
	return true;
}

static inline uint32_t
sc_number(const char **s)
{
	char *end;
	unsigned long v;

	while (**s == ' ')
		(*s)++;
	v = strtoul(*s, &end, 10);
	if (end == *s)
		sc_fail("a number is missing");
	*s = end;
	return (uint32_t)v;
}

static inline uint32_t
sc_flags(const char **s)
{
	static const char name[] = "FSRP.UEW";
	uint32_t f = 0;
	const char *at;

	while (**s == ' ')
		(*s)++;
	for (; **s != ' ' && **s != '\0'; (*s)++) {
		at = strchr(name, **s);
		if (**s == '-')
			continue;
		if (at == NULL)
			sc_fail("no such flag");
		f |= 1u << (at - name);
	}
	return f;
}

/* A timestamp: +N is ours. */
static inline uint32_t
sc_stamp(const char **s)
{
	if (sc_word(s, "last"))
		return sc.tslast;
	if (sc_word(s, "+"))
		return sc.ts0 + sc_number(s);
	return sc_number(s);
}

/* SACK blocks: of what base counts from. */
static inline uint8_t *
sc_sack(const char **s, uint8_t *o, uint32_t base)
{
	uint8_t *len = o + 1;

	*o = 5;
	o += 2;
	while (sc_word(s, " ") || isdigit((unsigned char)**s)) {
		if (!isdigit((unsigned char)**s))
			continue;
		w32(o, base + sc_number(s));
		if (!sc_word(s, ":"))
			sc_fail("a block is start:end");
		w32(o + 4, base + sc_number(s));
		o += 8;
	}
	*len = (uint8_t)(o - len + 1);
	return o;
}

/* Options between < and >; ours: the stack sends them. */
static inline void
sc_options(const char **s, struct sc_seg *g, bool ours)
{
	uint8_t *o = g->opt;
	uint32_t v;

	g->has_opt = true;
	while (!sc_word(s, ">")) {
		if (sc_word(s, "mss")) {
			v = sc_number(s);
			if (!ours)
				sc.mss = v;
			else if (sc.family == 6)
				v -= 20;
			*o++ = 2;
			*o++ = 4;
			w16(o, v);
			o += 2;
		} else if (sc_word(s, "sackOK")) {
			*o++ = 4;
			*o++ = 2;
		} else if (sc_word(s, "wscale")) {
			*o++ = 3;
			*o++ = 3;
			*o++ = (uint8_t)sc_number(s);
		} else if (sc_word(s, "TS val")) {
			*o++ = 8;
			*o++ = 10;
			w32(o, sc_stamp(s));
			if (!sc_word(s, "ecr"))
				sc_fail("ecr is missing");
			w32(o + 4, sc_stamp(s));
			o += 8;
		} else if (sc_word(s, "sack")) {
			o = sc_sack(s, o, ours ? sc.iss : sc.isn);
		} else if (sc_word(s, "nop")) {
			*o++ = 1;
		} else {
			sc_fail("no such option");
		}
	}
	while ((o - g->opt) % 4 != 0)
		*o++ = ours ? 1 : 0;
	g->optlen = (uint32_t)(o - g->opt);
}

static inline void
sc_parse(const char *s, struct sc_seg *g, bool ours)
{
	memset(g, 0, sizeof(*g));
	if (sc_word(&s, "[")) {
		g->has_tos = true;
		g->tos = sc_word(&s, "ect0") ? 2 : sc_word(&s, "ce") ? 3 :
		    sc_word(&s, "ect1") ? 1 : 0;
		(void)sc_word(&s, "noecn");
		(void)sc_word(&s, "]");
	}
	g->flags = sc_flags(&s);
	g->seq = sc_number(&s);
	if (!sc_word(&s, ":"))
		sc_fail("seq:end(len)");
	g->end = sc_number(&s);
	if (!sc_word(&s, "("))
		sc_fail("seq:end(len)");
	g->len = sc_number(&s);
	(void)sc_word(&s, ")");
	if (sc_word(&s, "ack"))
		g->ack = sc_number(&s);
	if (sc_word(&s, "win")) {
		g->win = sc_number(&s);
		g->has_win = true;
	}
	if (sc_word(&s, "<"))
		sc_options(&s, g, ours);
}

/* ---- segments ---- */

static inline void
sc_in(const char *s)
{
	static uint8_t data[65536];
	struct sc_seg g;

	sc_parse(s, &g, false);
	sc_fill(data, g.seq - 1, g.len);
	sc.p.seq = sc.iss + g.seq;
	sc.p.ack = sc.isn + g.ack;
	sc.p.wnd = (uint16_t)(g.has_win ? g.win : 65535);
	peer_tos = (uint8_t)g.tos;
	send_seg(&sc.p, g.flags, data, g.len, g.opt, g.optlen);
	peer_tos = 0;
}

/* A timestamp option of the stack's, wherever it lies. */
static inline void
sc_note_ts(const struct seg *g)
{
	uint32_t i = 0;

	while (i < g->optlen && g->opt[i] != 0) {
		if (g->opt[i] == 8) {
			sc.tslast = r32(g->opt + i + 2);
			if (!sc.knowts)
				sc.ts0 = sc.tslast;
			sc.knowts = true;
		}
		i += g->opt[i] == 1 ? 1 : g->opt[i + 1];
	}
}

/* One segment of ours against what is left of the line. */
static inline void
sc_one(const struct seg *g, const struct sc_seg *w, uint32_t done)
{
	uint32_t i, left = w->len - done;
	bool last = g->len == left;

	SC_CHECK("sequence number", g->seq - sc.isn, w->seq + done);
	if (g->len > left)
		SC_CHECK("length", done + g->len, w->len);
	if (last)
		SC_CHECK("flags", g->flags, w->flags);
	else
		SC_CHECK("flags", g->flags & ~PSH, w->flags & ~PSH & ~FIN);
	if ((w->flags & ACK) != 0)
		SC_CHECK("ack", g->ack - sc.iss, w->ack);
	if (w->has_win)
		SC_CHECK("window", g->wnd, w->win);
	if (w->has_tos)
		SC_CHECK("ECN bits", g->tos & 3u, w->tos);
	for (i = 0; i < g->len; i++)
		if (g->data[i] != sc_byte(w->seq - 1 + done + i))
			sc_fail("the payload is wrong");
	if (w->has_opt) {
		SC_CHECK("length of options", g->optlen, w->optlen);
		for (i = 0; i < w->optlen; i++)
			SC_CHECK("byte of options", g->opt[i], w->opt[i]);
	}
}

static inline void
sc_out(const char *s, uint64_t from, uint64_t to)
{
	const struct seg *g;
	struct sc_seg w;
	uint32_t done = 0;
	bool first = true;

	do {
		until_out(to);
		if (d.iout == d.nout)
			sc_fail("nothing was sent");
		if (d.out[d.iout % 64].at + 500 < from)
			sc_fail("it was sent too early");
		g = next(&sc.p);
		sc.p.port = g->dport == S_PORT ? g->dport : sc.p.port;
		if ((g->flags & SYN) != 0 && !sc.know) {
			sc.know = true;
			sc.isn = g->seq;
			sc.p.to = g->sport;
		}
		sc_note_ts(g);
		if (first)
			sc_parse(s, &w, true);
		first = false;
		sc_one(g, &w, done);
		done += g->len;
	} while (done < w.len);
}

/* ---- calls ---- */

static inline void
sc_write(int64_t n, int flags)
{
	static uint8_t b[1 << 20];
	struct iovec v = { b, (size_t)n };
	int64_t got;

	ck_assert_int_le(n, (int64_t)sizeof(b));
	sc_fill(b, sc.wrote, (uint32_t)n);
	got = sock_send(d.s, sc.h, &v, 1, flags);
	SC_CHECK("result of write", got, n);
	sc.wrote += (uint32_t)got;
}

static inline void
sc_read(int64_t n)
{
	static uint8_t b[1 << 20];
	struct iovec v = { b, sizeof(b) };
	int64_t got = sock_recv(d.s, sc.h, &v, 1, 0), i;

	SC_CHECK("result of read", got, n);
	for (i = 0; i < got; i++)
		if (b[i] != sc_byte(sc.rd++))
			sc_fail("what was read is wrong");
}

static inline void
sc_accept(int64_t n)
{
	int h = sock_accept(d.s, sc.listen, NULL);

	if (n < 0)
		SC_CHECK("result of accept", h, n);
	else if (h < 0)
		SC_CHECK("result of accept", h, 0);
	sc.h = h;
}

/* From a local port, 0: any. */
static inline void
sc_connect(int64_t n, int want)
{
	struct net_addr a = addr(sc.family, 2, S_PORT);
	struct net_addr own = { .port = (uint16_t)n };

	sc.h = sock_open(d.s, (uint8_t)sc.family, SOCK_STREAM);
	if (n != 0)
		ck_assert_int_eq(sock_bind(d.s, sc.h, &own), 0);
	sc.p.port = S_PORT;
	sc.know = false;
	SC_CHECK("result of connect", sock_connect(d.s, sc.h, &a), want);
	if (want != -EINPROGRESS)
		ck_assert_int_eq(sock_close(d.s, sc.h), 0);
}

/* Calls whose argument is what they return, or a value to be set. */
static inline bool
sc_call(const char *name, int64_t n)
{
	if (strcmp(name, "write") == 0 && n < 0) {
		struct iovec v = { (void *)(uintptr_t)"x", 1 };

		SC_CHECK("result of write",
		    sock_send(d.s, sc.h, &v, 1, 0), n);
	} else if (strcmp(name, "write") == 0)
		sc_write(n, 0);
	else if (strcmp(name, "more") == 0)
		sc_write(n, MSG_MORE);
	else if (strcmp(name, "read") == 0)
		sc_read(n);
	else if (strcmp(name, "accept") == 0)
		sc_accept(n);
	else if (strcmp(name, "connect") == 0)
		sc_connect(n, -EINPROGRESS);
	else if (strcmp(name, "noconnect") == 0)
		sc_connect(n, -EADDRNOTAVAIL);
	else if (strcmp(name, "close") == 0)
		SC_CHECK("result of close", sock_close(d.s, sc.h), n);
	else if (strcmp(name, "shutdown") == 0)
		SC_CHECK("result of shutdown", sock_shutdown(d.s, sc.h,
		    (int)n), 0);
	else if (strcmp(name, "nodelay") == 0)
		ck_assert_int_eq(set(sc.h, IPPROTO_TCP, TCP_NODELAY, (int)n),
		    0);
	else if (strcmp(name, "cork") == 0)
		ck_assert_int_eq(set(sc.h, IPPROTO_TCP, TCP_CORK, (int)n), 0);
	else if (strcmp(name, "usertimeout") == 0)
		ck_assert_int_eq(set(sc.h, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    (int)n), 0);
	else if (strcmp(name, "error") == 0)
		SC_CHECK("SO_ERROR", ask(sc.h, SOL_SOCKET, SO_ERROR), n);
	else
		return false;
	return true;
}

/* What TCP_INFO says. */
static inline bool
sc_info(const char *name, int64_t n)
{
	struct tcp_info t = info(sc.h);
	const struct {
		const char *name;
		uint64_t v;
	} k[] = {
		{ "cwnd", t.tcpi_snd_cwnd }, { "ssthresh", t.tcpi_snd_ssthresh },
		{ "ca", t.tcpi_ca_state }, { "unacked", t.tcpi_unacked },
		{ "sacked", t.tcpi_sacked }, { "lost", t.tcpi_lost },
		{ "retrans", t.tcpi_retrans }, { "state", t.tcpi_state },
		{ "probes", t.tcpi_probes }, { "times", t.tcpi_retransmits },
		{ "backoff", t.tcpi_backoff }, { "rto", t.tcpi_rto / 1000 },
		{ "reordering", t.tcpi_reordering },
		{ "mss", t.tcpi_snd_mss }, { "srtt", t.tcpi_rtt / 1000 },
	};
	uint32_t i;

	for (i = 0; i < sizeof(k) / sizeof(k[0]); i++)
		if (strcmp(k[i].name, name) == 0) {
			SC_CHECK(name, k[i].v, n);
			return true;
		}
	return false;
}

/* ---- running ---- */

/* Let time pass; nothing may be sent meanwhile. */
static inline void
sc_until(uint64_t to)
{
	if (d.iout == d.nout)
		until_out(to);
	if (d.iout != d.nout)
		sc_fail("something was sent before it");
	turn(to);
}

static inline void
sc_line(const char *s)
{
	double a, b;
	char *end, name[32];
	uint64_t t0 = d.now;
	int used = 0;
	long long n = 0;

	a = b = strtod(s, &end);
	if (*end == '~')
		b = strtod(end + 1, &end);
	while (*end == ' ')
		end++;
	if (*end == '>') {
		sc_out(end + 1, t0 + (uint64_t)(a * 1000), t0 +
		    (uint64_t)(b * 1000) + 500);
		return;
	}
	sc_until(t0 + (uint64_t)(a * 1000));
	if (*end == '<') {
		sc_in(end + 1);
		return;
	}
	if (sscanf(end, "%31s%n", name, &used) != 1)
		sc_fail("no event");
	(void)sscanf(end + used, "%lld", &n);
	if (!sc_call(name, n) && !sc_info(name, n))
		sc_fail("no such call");
	turn(d.now);
}

/* Run a script against the instance that start() made. */
static inline void
sc_run(int family, const char *const lines[], uint32_t cnt)
{
	uint32_t i;

	memset(&sc, 0, sizeof(sc));
	sc.family = family;
	sc.p = (struct peer){ family, S_PEER, S_PORT, 0, 0, 65535 };
	sc.iss = 0x7ffff000;		/* numbers wrap on the way */
	sc.mss = 536;
	sc.listen = listener(family, S_PORT, 8);
	for (i = 0; i < cnt; i++) {
		sc.line = (int)i + 1;
		sc.text = lines[i];
		sc_line(lines[i]);
	}
	sc.text = "the end";
	if (d.iout != d.nout)
		sc_fail("something was sent that no line expects");
}

/* The same with default settings, or those that change() makes. */
static inline void
sc_both(void (*change)(void), const char *const lines[], uint32_t cnt)
{
	int family;

	for (family = 4; family <= 6; family += 2) {
		defaults();
		d.conf.rcvbuf_max = 6 << 20;	/* Linux's: a scale of 7 */
		if (change != NULL)
			change();
		start();
		sc_run(family, lines, cnt);
		stop();
	}
}

#define SCRIPT(change, ...) do {					\
	static const char *const lines_[] = { __VA_ARGS__ };		\
	sc_both(change, lines_, sizeof(lines_) / sizeof(lines_[0]));	\
} while (0)

/* The peer opens, with a round trip of 100 ms and segments of 1,000 bytes. */
#define OPEN								\
	"0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>", \
	"0 > S. 0:0(0) ack 1 win 65535 "				\
	    "<mss 1460,nop,nop,sackOK,nop,wscale 7>",			\
	"100 < . 1:1(0) ack 1 win 320",					\
	"0 accept"
#define OPEN_PLAIN							\
	"0 < S 0:0(0) win 32792 <mss 1000>",				\
	"0 > S. 0:0(0) ack 1 <mss 1460>",				\
	"100 < . 1:1(0) ack 1 win 40000",				\
	"0 accept"
#define OPEN_TS								\
	"0 < S 0:0(0) win 32792 <mss 1012,sackOK,TS val 1000 ecr 0,nop,"\
	    "wscale 7>",						\
	"0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val +0 ecr 1000,nop,"	\
	    "wscale 7>",						\
	"100 < . 1:1(0) ack 1 win 320 <nop,nop,TS val 1100 ecr last>",	\
	"0 accept"

#endif
