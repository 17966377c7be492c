/*
 * ws_ext: the Sec-WebSocket-Extensions field (RFC 6455, 9.1), and in it the
 * offers of permessage-deflate (RFC 7692, 7.1).
 */
#include "http_lex.h"
#include "ws_shake.h"

/* Parameters of permessage-deflate, as bits. */
#define SERVER_NO	0x01u	/* server_no_context_takeover */
#define CLIENT_NO	0x02u
#define SERVER_BITS	0x04u	/* server_max_window_bits */
#define CLIENT_BITS	0x08u

struct param {
	struct http_slice name, value;
	bool has_value;
};

/* One offer, as far as it was read. */
struct offer {
	bool deflate;		/* it is one of permessage-deflate */
	bool declined;
	uint8_t seen;		/* parameters that came */
	uint8_t bits;
};

static void
blanks(struct http_slice *s)
{
	while (s->n > 0 && (*s->p == ' ' || *s->p == '\t')) {
		s->p++;
		s->n--;
	}
}

/* Take character c if it comes next, and blanks at either side. */
static bool
take(struct http_slice *s, char c)
{
	blanks(s);
	if (s->n == 0 || *s->p != c)
		return false;
	s->p++;
	s->n--;
	blanks(s);
	return true;
}

static bool
token(struct http_slice *s, struct http_slice *t)
{
	t->p = s->p;
	t->n = 0;
	while (t->n < s->n && http_is_lex(s->p[t->n], LEX_TOKEN))
		t->n++;
	s->p += t->n;
	s->n -= t->n;
	return t->n > 0;
}

/* A value: a token, or one in quotes. Escapes within are of no use here. */
static bool
value(struct http_slice *s, struct http_slice *v)
{
	bool quoted = s->n > 0 && *s->p == '"';

	if (quoted) {
		s->p++;
		s->n--;
	}
	if (!token(s, v))
		return false;
	if (!quoted)
		return true;
	if (s->n == 0 || *s->p != '"')
		return false;
	s->p++;
	s->n--;
	return true;
}

/* Whether t is this word, in any letter case. */
static bool
same(const struct http_slice *t, const char *word)
{
	return strlen(word) == t->n && strncasecmp(t->p, word, t->n) == 0;
}

/* 8 to 15, in one way only; 0: something else. */
static uint8_t
window_bits(const struct http_slice *v)
{
	if (v->n == 1 && (v->p[0] == '8' || v->p[0] == '9'))
		return (uint8_t)(v->p[0] - '0');
	if (v->n == 2 && v->p[0] == '1' && v->p[1] >= '0' && v->p[1] <= '5')
		return (uint8_t)(10 + v->p[1] - '0');
	return 0;
}

/* RFC 7692 (7.1): unknown, repeated or wrong: the offer is declined. */
static void
deflate_param(struct offer *o, const struct param *p)
{
	static const struct {
		const char *name;
		uint8_t bit;
		bool with, without;	/* a value is allowed, none is */
	} known[] = {
		{ "server_no_context_takeover", SERVER_NO, false, true },
		{ "client_no_context_takeover", CLIENT_NO, false, true },
		{ "server_max_window_bits", SERVER_BITS, true, false },
		{ "client_max_window_bits", CLIENT_BITS, true, true },
	};
	uint8_t bits = p->has_value ? window_bits(&p->value) : 0;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		if (same(&p->name, known[i].name))
			break;
	}
	if (i == 4 || (o->seen & known[i].bit) ||
	    !(p->has_value ? known[i].with && bits > 0 : known[i].without)) {
		o->declined = true;
		return;
	}
	o->seen |= known[i].bit;
	if (known[i].bit == SERVER_BITS)
		o->bits = bits;
}

int
ws_extensions(const struct http_slice *v, struct ws_agreed *a)
{
	struct http_slice s = *v, name;
	struct param p;
	struct offer o;

	for (;;) {
		while (take(&s, ','))
			;
		blanks(&s);
		if (s.n == 0)
			return 0;
		if (!token(&s, &name))
			return -1;
		memset(&o, 0, sizeof(o));
		o.deflate = same(&name, "permessage-deflate");
		while (take(&s, ';')) {
			if (!token(&s, &p.name))
				return -1;
			p.has_value = take(&s, '=');
			if (p.has_value && !value(&s, &p.value))
				return -1;
			if (o.deflate)
				deflate_param(&o, &p);
		}
		blanks(&s);
		if (s.n > 0 && *s.p != ',')
			return -1;
		if (!o.deflate || o.declined || a->deflate)
			continue;
		a->deflate = true;
		a->said_bits = (o.seen & SERVER_BITS) != 0;
		a->bits = a->said_bits ? o.bits : 15;
	}
}
