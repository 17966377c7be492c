#include "http_accept.h"

#include <string.h>

#define UNSAID		UINT32_MAX

/* The weight "0[.ddd]" or "1[.000]" in thousandths; UNSAID: malformed. */
static uint32_t
weight(const char *s, const char *end)
{
	uint32_t v, unit = 100;

	if (s == end || (*s != '0' && *s != '1'))
		return UNSAID;
	v = *s == '1' ? 1000 : 0;
	if (++s == end)
		return v;
	if (*s++ != '.')
		return UNSAID;
	for (; s < end; s++, unit /= 10) {
		if (*s < '0' || *s > '9' || unit == 0)
			return UNSAID;
		v += (uint32_t)(*s - '0') * unit;
	}
	return v > 1000 ? UNSAID : v;
}

/* Split "coding [OWS ; OWS q=weight]": the weight; UNSAID: malformed. */
static uint32_t
split(struct http_slice *item)
{
	const char *semi = memchr(item->p, ';', item->n);
	const char *s, *end = item->p + item->n;

	if (semi == NULL)
		return 1000;
	for (s = semi + 1; s < end && (*s == ' ' || *s == '\t'); s++)
		;
	while (semi > item->p && (semi[-1] == ' ' || semi[-1] == '\t'))
		semi--;
	item->n = (uint32_t)(semi - item->p);
	if (end - s < 3 || (*s | 0x20) != 'q' || s[1] != '=')
		return UNSAID;
	return weight(s + 2, end);
}

uint32_t
http_coding(const struct http_req *r, uint32_t there)
{
	uint32_t gzip = UNSAID, br = UNSAID, plain = UNSAID, any = UNSAID;
	struct http_slice list, item;
	uint32_t at = 0, q;

	if (!(r->have & 1u << FIELD_ACCEPT_ENCODING))
		return 0;
	while (http_field_next(r, FIELD_ACCEPT_ENCODING, &at, &list)) {
		while (http_list_next(&list, &item)) {
			q = split(&item);
			if (q == UNSAID)
				continue;
			if (http_is(&item, "gzip") || http_is(&item, "x-gzip"))
				gzip = q;
			else if (http_is(&item, "br"))
				br = q;
			else if (http_is(&item, "identity"))
				plain = q;
			else if (item.n == 1 && item.p[0] == '*')
				any = q;
		}
	}
	/* "*" stands for what is not named; unnamed codings are not wanted,
	 * but for none at all, which is wanted least. */
	if (any == UNSAID)
		any = 0;
	if (gzip == UNSAID)
		gzip = any;
	if (br == UNSAID)
		br = any;
	if (plain == UNSAID)
		plain = 0;
	if (!(there & CODING_GZIP))
		gzip = 0;
	if (!(there & CODING_BR))
		br = 0;
	if (br > 0 && br >= gzip && br >= plain)
		return CODING_BR;
	return gzip > 0 && gzip >= plain ? CODING_GZIP : 0;
}
