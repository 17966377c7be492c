/*
 * trace: the last frames and notes of a world, as lines like tcpdump's.
 * Sequence numbers count from the initial ones where those are known.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static struct trace_line *
next_line(struct world *w, char what)
{
	struct trace_line *t = &w->trace[w->ntrace++ % TRACE_LINES];

	t->at = w->now;
	t->what = what;
	return t;
}

void
trace_frame(struct world *w, char what, const struct wire *f)
{
	struct trace_line *t;

	if (!w->tracing)
		return;
	t = next_line(w, what);
	t->from = f->from;
	t->to = f->to;
	t->len = f->len;
	memcpy(t->snap, f->data, f->len < TRACE_SNAP ? f->len : TRACE_SNAP);
}

void
trace_note(struct world *w, const char *fmt, ...)
{
	struct trace_line *t;
	va_list ap;

	if (!w->tracing)
		return;
	t = next_line(w, '#');
	va_start(ap, fmt);
	vsnprintf((char *)t->snap, sizeof(t->snap), fmt, ap);
	va_end(ap);
}

static void
print_options(const uint8_t *o, const uint8_t *end, uint32_t peer_iss)
{
	uint32_t n, i;

	for (; o < end && *o != 0; o += n) {
		n = *o == 1 ? 1 : o + 1 < end ? o[1] : 0;
		if (n == 0 || o + n > end)
			break;
		if (*o == 2 && n == 4)
			printf(" mss %u", get16(o + 2));
		else if (*o == 3 && n == 3)
			printf(" ws %u", o[2]);
		else if (*o == 4)
			printf(" sackOK");
		else if (*o == 8 && n == 10)
			printf(" TS %u/%u", get32(o + 2), get32(o + 6));
		for (i = 2; *o == 5 && i + 8 <= n; i += 8)
			printf(" sack %u-%u", get32(o + i) - peer_iss,
			    get32(o + i + 4) - peer_iss);
	}
}

static void
print_tcp(const struct world *w, const struct packet *v)
{
	static const char names[] = "FSRP.UEC";
	const uint8_t *t = v->ip + v->head;
	uint32_t i, head = (t[12] >> 4) * 4u, iss, peer;
	uint32_t snap = (uint32_t)(v->head + head + 14);

	iss = mon_iss(w, v, t, false);
	peer = mon_iss(w, v, t, true);
	printf(" :%u > :%u ", get16(t), get16(t + 2));
	for (i = 0; i < 8; i++)
		if (t[13] & 1u << i)
			putchar(names[i]);
	printf(" seq %u len %u", get32(t + 4) - iss,
	    v->total >= v->head + head ? v->total - v->head - head : 0);
	if (t[13] & 0x10)
		printf(" ack %u", get32(t + 8) - peer);
	printf(" win %u", get16(t + 14));
	if (v->head + head <= v->total && snap <= TRACE_SNAP)
		print_options(t + 20, t + head, peer);
}

static void
print_line(const struct world *w, const struct trace_line *t)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
	struct packet v;

	printf("%5llu.%06llu ", (unsigned long long)(t->at / SEC),
	    (unsigned long long)(t->at % SEC));
	if (t->what == '#') {
		printf("   # %s\n", (const char *)t->snap);
		return;
	}
	printf("%u%c%u", t->from, t->what, t->to);
	if (get16(t->snap + 12) == 0x0806) {
		inet_ntop(AF_INET, t->snap + 28, a, sizeof(a));
		inet_ntop(AF_INET, t->snap + 38, b, sizeof(b));
		printf(" ARP %s %s -> %s\n",
		    get16(t->snap + 20) == 1 ? "who-has" : "is-at", a, b);
		return;
	}
	/* Of a long frame only the begin is there. */
	if (!ip_parse(&v, t->snap, t->len))
		printf(" type %04x", get16(t->snap + 12));
	else if (v.proto == 6 && v.total >= v.head + 20)
		print_tcp(w, &v);
	else if (v.proto == 1 || v.proto == 58)
		printf(" ICMP%s %u/%u", v.family == 6 ? "6" : "",
		    v.ip[v.head], v.ip[v.head + 1]);
	else
		printf(" IPv%u proto %u", v.family, v.proto);
	printf(" (%u)\n", t->len);
}

void
trace_print(const struct world *w, uint64_t most)
{
	uint64_t i;

	if (most > TRACE_LINES)
		most = TRACE_LINES;
	for (i = w->ntrace > most ? w->ntrace - most : 0; i < w->ntrace; i++)
		print_line(w, &w->trace[i % TRACE_LINES]);
}
