/*
 * seg_parse: from the text of a script to lines, or to one clear message.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seg.h"

/* The rest of a line. */
struct text {
	struct seg_script *s;
	uint32_t no;
	char *p;
};

static int __attribute__((format(printf, 2, 3)))
bad(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(t->s->why, sizeof(t->s->why), "%s:%u: ", t->s->file,
	    t->no);
	va_start(ap, fmt);
	vsnprintf(t->s->why + n, sizeof(t->s->why) - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

static void
skip(struct text *t)
{
	while (*t->p == ' ' || *t->p == '\t')
		t->p++;
}

/* The next word, up to a blank or one of these; it is cut to SEG_WORD. */
static bool
word(struct text *t, const char *stop, char *to)
{
	uint32_t n = 0;

	skip(t);
	while (*t->p != '\0' && !isspace((unsigned char)*t->p) &&
	    strchr(stop, *t->p) == NULL) {
		if (n + 1 < SEG_WORD)
			to[n++] = *t->p;
		t->p++;
	}
	to[n] = '\0';
	return n > 0;
}

bool
seg_number(const char *w, uint64_t *v)
{
	char *end;

	if (strcmp(w, "*") == 0) {
		*v = SEG_ANY;
		return true;
	}
	if (!isdigit((unsigned char)w[0]))
		return false;
	*v = strtoull(w, &end, 0);
	return *end == '\0';
}

static int
number(struct text *t, const char *stop, const char *what, uint64_t *v)
{
	char w[SEG_WORD];

	if (!word(t, stop, w))
		return bad(t, "%s is missing", what);
	if (!seg_number(w, v))
		return bad(t, "%s: '%s' is no number", what, w);
	return 0;
}

/* "+SECONDS" with up to six decimals, or "+*". */
static int
time_of(struct text *t, struct seg_line *l)
{
	char w[SEG_WORD], *p = w + 1;
	uint64_t us = 0;
	uint32_t unit = 100000;

	if (!word(t, "", w) || w[0] != '+')
		return bad(t, "a line begins with +SECONDS, not '%s'", w);
	if (strcmp(p, "*") == 0) {
		l->after_us = SEG_ANY;
		return 0;
	}
	for (; isdigit((unsigned char)*p); p++)
		us = us * 10 + (uint64_t)(*p - '0');
	us *= SEC;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++, unit /= 10)
			us += (uint64_t)(*p - '0') * unit;
	if (*p != '\0' || p == w + 1)
		return bad(t, "'%s' is no time: +SECONDS, six decimals", w);
	l->after_us = us;
	return 0;
}

static int
flags(struct text *t, struct seg_line *l)
{
	static const char names[] = "FSRP.UEC";
	char w[SEG_WORD], *p, *at;

	if (!word(t, "", w))
		return bad(t, "flags are missing, of FSRP.UEC (. is ACK)");
	for (p = w; *p != '\0'; p++) {
		at = strchr(names, *p);
		if (at == NULL)
			return bad(t, "'%c' is no flag of FSRP.UEC", *p);
		l->flags |= (uint8_t)(1u << (at - names));
	}
	return 0;
}

/* "SEQ:END(LEN)" */
static int
range(struct text *t, struct seg_line *l)
{
	uint64_t seq, end, len;

	if (number(t, ":", "sequence number", &seq) < 0)
		return -1;
	if (*t->p++ != ':')
		return bad(t, "expected SEQ:END(LENGTH)");
	if (number(t, "(", "end of the sequence", &end) < 0)
		return -1;
	if (*t->p++ != '(')
		return bad(t, "expected SEQ:END(LENGTH)");
	if (number(t, ")", "payload length", &len) < 0)
		return -1;
	if (*t->p++ != ')')
		return bad(t, "expected SEQ:END(LENGTH)");
	l->seq = (uint32_t)seq;
	l->end = (uint32_t)end;
	l->len = (uint32_t)len;
	if (l->end - l->seq != l->len || len > 65000)
		return bad(t, "from %u to %u are %u bytes, not %llu", l->seq,
		    l->end, l->end - l->seq, (unsigned long long)len);
	return 0;
}

/* One option: "mss 1460", "wscale 7", "sackOK", "nop", "ts V E",
 * "sack A-B", "eol". */
static int
option(struct text *t, struct seg_line *l)
{
	static const struct {
		const char *name;
		uint8_t kind, args;
	} known[] = { { "mss", 2, 1 }, { "wscale", 3, 1 }, { "sackOK", 4, 0 },
	    { "ts", 8, 2 }, { "sack", 5, 2 }, { "nop", 1, 0 },
	    { "eol", 0, 0 } };
	struct seg_opt *o = &l->opt[l->nopts];
	char w[SEG_WORD];
	uint32_t i;

	if (l->nopts == SEG_OPTS)
		return bad(t, "more than %u options", SEG_OPTS);
	word(t, ",>", w);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(w, known[i].name) == 0)
			break;
	if (i == sizeof(known) / sizeof(known[0]))
		return bad(t, "option '%s' is none of mss, wscale, sackOK, "
		    "ts, sack, nop, eol", w);
	o->kind = known[i].kind;
	if (known[i].args > 0 && number(t, ",>-", w, &o->a) < 0)
		return -1;
	if (o->kind == 5 && *t->p == '-')
		t->p++;
	if (known[i].args > 1 && number(t, ",>", w, &o->b) < 0)
		return -1;
	l->nopts++;
	return 0;
}

static int
options(struct text *t, struct seg_line *l)
{
	l->opts_set = true;
	t->p++;
	for (skip(t); *t->p != '>'; skip(t)) {
		if (*t->p == '\0')
			return bad(t, "the list of options has no >");
		if (option(t, l) < 0)
			return -1;
		skip(t);
		if (*t->p == ',')
			t->p++;
	}
	t->p++;
	return 0;
}

/* FLAGS SEQ:END(LEN) [ack N] [win N] [tos N] [<options>] */
static int
segment(struct text *t, struct seg_line *l)
{
	char w[SEG_WORD];
	uint64_t v;

	if (flags(t, l) < 0 || range(t, l) < 0)
		return -1;
	for (skip(t); *t->p != '\0'; skip(t)) {
		if (*t->p == '<') {
			if (options(t, l) < 0)
				return -1;
			continue;
		}
		word(t, "<", w);
		if (number(t, "<", w, &v) < 0)
			return -1;
		if (strcmp(w, "ack") == 0) {
			l->ack = (uint32_t)v;
			l->ack_set = true;
		} else if (strcmp(w, "win") == 0) {
			l->win = v;
		} else if (strcmp(w, "tos") == 0) {
			l->tos = (uint8_t)v;
			l->tos_set = true;
		} else {
			return bad(t, "'%s' is none of ack, win, tos, <options>",
			    w);
		}
	}
	if (l->ack_set != ((l->flags & 0x10) != 0))
		return bad(t, "the flag . and the word ack go together");
	return 0;
}

static int
words(struct text *t, struct seg_line *l)
{
	while (l->nwords < SEG_WORDS && word(t, "", l->word[l->nwords]))
		l->nwords++;
	skip(t);
	if (l->nwords == 0 || *t->p != '\0')
		return bad(t, l->nwords == 0 ? "nothing happens here" :
		    "more than 8 words");
	return 0;
}

static int
parse(struct text *t, struct seg_line *l)
{
	memset(l, 0, sizeof(*l));
	l->no = t->no;
	l->win = SEG_UNSET;
	if (*t->p != '+') {
		/* A setting: before the stack is made. */
		l->kind = SEG_ACTION;
		l->after_us = SEG_UNSET;
		return words(t, l);
	}
	if (time_of(t, l) < 0)
		return -1;
	skip(t);
	if (strncmp(t->p, "< icmp", 6) == 0) {
		t->p += 6;
		l->kind = SEG_ICMP;
		return words(t, l);
	}
	if (*t->p == '<' || *t->p == '>') {
		l->kind = *t->p++ == '<' ? SEG_IN : SEG_OUT;
		return segment(t, l);
	}
	l->kind = SEG_ACTION;
	return words(t, l);
}

/* Settings that concern the script itself. */
static int
families(struct text *t, const struct seg_line *l)
{
	struct seg_script *s = t->s;

	if (strcmp(l->word[0], "family") != 0)
		return 0;
	s->run4 = l->nwords == 2 && (strcmp(l->word[1], "4") == 0 ||
	    strcmp(l->word[1], "both") == 0);
	s->run6 = l->nwords == 2 && (strcmp(l->word[1], "6") == 0 ||
	    strcmp(l->word[1], "both") == 0);
	if (!s->run4 && !s->run6)
		return bad(t, "family is 4, 6 or both");
	return 1;
}

int
seg_load(struct seg_script *s, const char *file)
{
	struct text t = { .s = s };
	struct seg_line l;
	char buf[400];
	FILE *f = fopen(file, "r");
	int r = 0;

	memset(s, 0, sizeof(*s));
	s->file = file;
	s->run4 = true;
	if (f == NULL)
		return bad(&t, "cannot be read");
	while (r >= 0 && fgets(buf, sizeof(buf), f) != NULL) {
		t.no++;
		buf[strcspn(buf, "#\n")] = '\0';
		t.p = buf;
		skip(&t);
		if (*t.p == '\0')
			continue;
		r = parse(&t, &l);
		if (r == 0)
			r = families(&t, &l);
		if (r != 0)
			continue;
		s->line = realloc(s->line, (s->nlines + 1) * sizeof(l));
		if (s->line == NULL)
			r = bad(&t, "no memory");
		else
			s->line[s->nlines++] = l;
	}
	fclose(f);
	if (r >= 0 && s->nlines == 0)
		r = bad(&t, "nothing happens in it");
	return r < 0 ? -1 : 0;
}

void
seg_unload(struct seg_script *s)
{
	free(s->line);
	s->line = NULL;
}

/* " ack 1 win 5 <mss 1460,...>" */
static int
show_opts(const struct seg_line *l, char *to, size_t len)
{
	static const char *const names[] = { "eol", "nop", "mss", "wscale",
	    "sackOK", "sack", "?", "?", "ts" };
	const struct seg_opt *o;
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < l->nopts && n + 40 < len; i++) {
		o = &l->opt[i];
		n += (size_t)snprintf(to + n, len - n, "%s%s",
		    i == 0 ? " <" : ",", names[o->kind <= 8 ? o->kind : 6]);
		if (o->kind == 2 || o->kind == 3)
			n += (size_t)snprintf(to + n, len - n, " %u",
			    (uint32_t)o->a);
		if (o->kind == 5 || o->kind == 8)
			n += (size_t)snprintf(to + n, len - n,
			    o->kind == 5 ? " %u-%u" : " %u %u",
			    (uint32_t)o->a, (uint32_t)o->b);
	}
	if (l->nopts > 0)
		n += (size_t)snprintf(to + n, len - n, ">");
	return (int)n;
}

void
seg_show(const struct seg_line *l, char *to, size_t len)
{
	static const char names[] = "FSRP.UEC";
	char fl[9];
	uint32_t i, k = 0;
	size_t n;

	for (i = 0; i < 8; i++)
		if (l->flags & 1u << i)
			fl[k++] = names[i];
	fl[k] = '\0';
	n = (size_t)snprintf(to, len, "%s %u:%u(%u)", fl, l->seq, l->end,
	    l->len);
	if (l->ack_set)
		n += (size_t)snprintf(to + n, len - n, " ack %u", l->ack);
	if (l->win < SEG_UNSET)
		n += (size_t)snprintf(to + n, len - n, " win %u",
		    (uint32_t)l->win);
	if (l->tos_set)
		n += (size_t)snprintf(to + n, len - n, " tos %u", l->tos);
	show_opts(l, to + n, len - n);
}
