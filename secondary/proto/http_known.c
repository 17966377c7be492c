/* http_known: heads of responses that are, but for the Date, the last one. */
#include "http_lex.h"
#include "http_resp.h"

/*
 * Where the value of the first field "Date" is, if there is one. Its bytes
 * mean nothing to http_resp_head(), as long as they end no line.
 */
static void
find_date(struct http_known *k)
{
	const char *s = k->text, *end = s + k->len, *lf;

	k->date = k->date_end = 0;
	while ((lf = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		s = lf + 1;
		if (end - s < 5 || !http_is(&(struct http_slice){ s, 5 },
		    "date:"))
			continue;
		lf = memchr(s, '\r', (size_t)(end - s));
		k->date = (uint16_t)(s + 5 - k->text);
		k->date_end = (uint16_t)(lf - k->text);
		return;
	}
}

void
http_known_keep(struct http_known *k, const struct http_resp *r,
    const char *p, uint32_t n, bool head)
{
	k->len = 0;
	/* An interim answer leaves the state it found: nothing to keep. */
	if (n > RESP_KNOWN || r->phase == RESP_HEAD || r->phase == RESP_BAD)
		return;
	k->len = (uint16_t)n;
	k->head = head;
	k->resp = *r;
	memcpy(k->text, p, n);
	find_date(k);
}

/* The head at p is the known one with another Date: it is known from now. */
static bool
other_date(struct http_known *k, const char *p)
{
	const char *date = p + k->date, *rest = p + k->date_end;

	if (k->date == 0 || memcmp(p, k->text, k->date) != 0 ||
	    memcmp(rest, k->text + k->date_end,
	    (size_t)(k->len - k->date_end)) != 0 ||
	    http_ctl(date, rest) != rest)
		return false;
	memcpy(k->text + k->date, date, (size_t)(rest - date));
	return true;
}

uint32_t
http_known_head(struct http_known *k, struct http_resp *r, const char *p,
    uint32_t n, bool head)
{
	if (k->len == 0 || n < k->len || k->head != head)
		return 0;
	if (memcmp(p, k->text, k->len) != 0 && !other_date(k, p))
		return 0;
	*r = k->resp;
	return k->len;
}
