/*
 * access: what the access log gets to know of an answer. A line is handed over
 * when all of the answer is queued; of the echo route when its head is.
 */
#include "../../proto/http_lex.h"
#include "http_priv.h"

#define FIRST_MAX	4096u	/* bytes of a first line that are looked at */

/* The value of a field that the parser does not keep; empty: it is not there.
 * name is in lower case. */
static struct http_slice
find_value(const struct http_req *r, const char *name)
{
	const char *s = r->fields.p, *end = s + r->fields.n, *lf, *colon;
	uint32_t n = (uint32_t)strlen(name);
	struct http_slice key;

	for (; s < end; s = lf + 1) {
		lf = memchr(s, '\n', (size_t)(end - s));
		if (lf == NULL)
			break;
		colon = s + n;
		if ((size_t)(lf - s) <= n || *colon != ':')
			continue;
		key = (struct http_slice){ s, n };
		if (http_is(&key, name))
			return http_trim(colon + 1, lf - 1);
	}
	return (struct http_slice){ "", 0 };
}

static void
set(struct svc_access *a, uint32_t i, struct http_slice v)
{
	a->text[i] = v.p;
	a->len[i] = v.n < UINT16_MAX ? (uint16_t)v.n : UINT16_MAX;
}

/* The request's first line, as far as it came. */
static struct http_slice
first_line(const struct hx *x)
{
	struct http_slice l = { x->head, x->head_len };
	uint32_t i;

	if (x->head == NULL)
		return (struct http_slice){ "", 0 };
	if (l.n == 0)
		l.n = x->req.head_len;
	if (l.n > FIRST_MAX)
		l.n = FIRST_MAX;
	for (i = 0; i < l.n && l.p[i] != '\r' && l.p[i] != '\n'; i++)
		;
	l.n = i;
	return l;
}

void
access_log(struct hx *x, uint16_t status)
{
	const struct http_req *r = &x->req;
	struct svc_access a = { .c = x->c, .bytes = x->sent,
	    .status = status };
	struct http_slice none = { "", 0 };

	set(&a, 0, first_line(x));
	set(&a, 1, r->have & 1u << FIELD_HOST ? r->field[FIELD_HOST] : none);
	set(&a, 2, r->fields.n > 0 ? find_value(r, "referer") : none);
	set(&a, 3, r->fields.n > 0 ? find_value(r, "user-agent") : none);
	if (!x->s->io->access(x->s->ioarg, &a))
		svc_count(x->s, HTTP_UNLOGGED, 1);
}
