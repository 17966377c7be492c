#include "http_lex.h"

#define T	LEX_TOKEN
#define U	LEX_TARGET
#define P	LEX_PLAIN
#define H	LEX_HOST
#define X	LEX_HEX
#define ALL	(T | U | P | H)
#define ALLX	(ALL | X)

/*
 * Targets may hold any visible character but '#', which never belongs there,
 * and the backslash, which some take for a slash; bytes above 127 come
 * encoded (RFC 3986, 2.5). Careless clients send the rest raw. PLAIN has no
 * '/', '.', '%' and '?': those have a meaning. A comma is allowed in names of
 * hosts, but looks like two of them.
 */
const uint8_t http_lex[256] = {
	['!'] = ALL, ['"'] = U, ['#'] = T, ['$'] = ALL, ['%'] = T | U,
	['&'] = ALL, ['\''] = ALL, ['('] = U | P | H, [')'] = U | P | H,
	['*'] = ALL, ['+'] = ALL, [','] = U | P, ['-'] = ALL,
	['.'] = T | U | H | LEX_DOT, ['/'] = U, [':'] = U | P,
	[';'] = U | P | H,
	['<'] = U, ['='] = U | P | H, ['>'] = U, ['?'] = U, ['@'] = U | P,
	['['] = U, [']'] = U, ['^'] = T | U, ['_'] = ALL,
	['`'] = T | U, ['{'] = U, ['|'] = T | U, ['}'] = U, ['~'] = ALL,
	['0' ... '9'] = ALLX,
	['A' ... 'F'] = ALLX, ['G' ... 'Z'] = ALL,
	['a' ... 'f'] = ALLX, ['g' ... 'z'] = ALL,
};

/*
 * Words are letters, digits and punctuation above 0x1f. Setting bit 5 maps
 * controls to punctuation too, but those never get here.
 */
bool
http_is(const struct http_slice *s, const char *word)
{
	uint32_t i;

	for (i = 0; i < s->n; i++) {
		if (word[i] == '\0' || (s->p[i] | 0x20) != word[i])
			return false;
	}
	return word[i] == '\0';
}

/* The fields whose names have n bytes are a few at most. */
enum http_field
http_field_id(const char *name, uint32_t n)
{
	static const struct {
		char name[20];
		uint8_t len, id;
	} known[] = {
		{ "range", 5, FIELD_RANGE },
		{ "expect", 6, FIELD_EXPECT },
		{ "if-match", 8, FIELD_IF_MATCH },
		{ "if-range", 8, FIELD_IF_RANGE },
		{ "connection", 10, FIELD_CONNECTION },
		{ "content-type", 12, FIELD_CONTENT_TYPE },
		{ "if-none-match", 13, FIELD_IF_NONE_MATCH },
		{ "content-length", 14, FIELD_CONTENT_LENGTH },
		{ "accept-encoding", 15, FIELD_ACCEPT_ENCODING },
		{ "if-modified-since", 17, FIELD_IF_MODIFIED_SINCE },
		{ "transfer-encoding", 17, FIELD_TRANSFER_ENCODING },
		{ "if-unmodified-since", 19, FIELD_IF_UNMODIFIED_SINCE },
	};
	/* First row of each length, and one more: most names are one look. */
	static const uint8_t first[20] = {
		[5] = 1, [6] = 2, [8] = 3, [10] = 5, [12] = 6, [13] = 7,
		[14] = 8, [15] = 9, [17] = 10, [19] = 12
	};
	struct http_slice s = { name, n };
	uint32_t i;

	if (n == 4)
		return http_is_host(name) ? FIELD_HOST : FIELDS;
	if (n >= sizeof(first) || first[n] == 0)
		return FIELDS;
	for (i = first[n] - 1u; i < sizeof(known) / sizeof(known[0]) &&
	    known[i].len == n; i++) {
		if ((name[0] | 0x20) == known[i].name[0] &&
		    http_is(&s, known[i].name))
			return (enum http_field)known[i].id;
	}
	return FIELDS;
}

bool
http_list_next(struct http_slice *list, struct http_slice *item)
{
	const char *end, *stop = list->p + list->n;

	while (list->n > 0) {
		end = memchr(list->p, ',', list->n);
		if (end == NULL)
			end = stop;
		*item = http_trim(list->p, end);
		list->p = end < stop ? end + 1 : stop;
		list->n = (uint32_t)(stop - list->p);
		if (item->n > 0)
			return true;
	}
	return false;
}

/* "[" IPv6 or future literal "]"; returns bytes, 0: malformed. */
static uint32_t
ip_literal(const struct http_slice *h)
{
	uint32_t i;

	for (i = 1; i < h->n && h->p[i] != ']'; i++) {
		if (!http_is_lex(h->p[i], LEX_HOST) && h->p[i] != ':')
			return 0;
	}
	return i < h->n && i > 2 ? i + 1 : 0;
}

bool
http_host_ok(const struct http_slice *h)
{
	const char *s = h->p, *end = h->p + h->n;
	uint32_t port = 0;

	if (h->n > 0 && *s == '[')
		s += ip_literal(h);
	/* The byte behind ends this at the latest. */
	for (; h->p[0] != '['; s += 3) {
		while (http_is_lex(*s, LEX_HOST))
			s++;
		if (end - s < 3 || *s != '%' ||
		    !http_is_lex(s[1], LEX_HEX) || !http_is_lex(s[2], LEX_HEX))
			break;
	}
	if (s == h->p)
		return false;
	if (s == end)
		return true;
	if (*s++ != ':')
		return false;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return false;
		port = port * 10 + (uint32_t)(*s - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

void
http_field_take(struct http_req *r, enum http_field f,
    struct http_slice value)
{
	struct http_slice item;
	uint32_t bit = 1u << f;

	if (f == FIELDS)
		return;
	if (r->have & bit)
		r->twice |= bit;
	else
		r->field[f] = value;
	r->have |= bit;
	if (f != FIELD_CONNECTION)
		return;
	while (http_list_next(&value, &item)) {
		if (http_is(&item, "close"))
			r->flags |= REQ_CLOSE;
		else if (http_is(&item, "keep-alive"))
			r->flags |= REQ_PERSIST;
	}
}
