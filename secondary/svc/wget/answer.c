/*
 * answer: responses, from their first byte to their last.
 */
#include "../../proto/http_req.h"
#include "wget_priv.h"

/* A response is complete. False: its file finds no room, come again. */
static bool
complete(struct wgx *x)
{
	struct wget_state *st = x->st;
	struct load_totals *t = x->t;
	uint32_t us;

	if (x->p->looks && !wget_content_end(x)) {
		x->stalled = true;
		return false;
	}
	us = (uint32_t)x->now - st->when[st->got % WGET_PIPELINE];
	st->got++;
	st->since = (uint32_t)x->now;
	st->flags &= ~WF_FIRST;
	if (!st->resp.keepalive)
		st->flags |= WF_LAST;
	t->sum.responses++;
	t->t_last = x->now;
	svc_count(x->s, WGET_RESPONSES, 1);
	hist_add(&t->whole, us);
	if (st->resp.status >= 400)
		t->sum.errors[LOAD_BAD_STATUS]++;
	if (t->body == UINT64_MAX)
		t->body = st->resp.body;
	if (st->resp.body != t->body && x->conf->method != WGET_M_HEAD)
		t->sum.mismatched++;
	st->resp.phase = RESP_HEAD;
	return true;
}

static void
bad_head(struct wgx *x, int why)
{
	static const enum load_error names[] = {
		[RESP_NOT_HTTP] = LOAD_NOT_HTTP,
		[RESP_BAD_FIELD] = LOAD_BAD_HEADER,
		[RESP_BAD_LENGTH] = LOAD_BAD_LENGTH,
		[RESP_BAD_CODING] = LOAD_BAD_CODING,
	};

	wget_fail(x, names[-why]);
}

/* Whether what came cannot become a status line. */
static bool
garbage(const char *p, uint32_t n)
{
	return memcmp(p, "HTTP/", n < 5 ? n : 5) != 0;
}

/* Parse a head that is whole. False: the flow failed. */
static bool
parse_head(struct wgx *x, const char *head, uint32_t len)
{
	bool is_head = x->conf->method == WGET_M_HEAD;
	int err;

	err = http_resp_head(&x->st->resp, head, len, is_head);
	if (err < 0) {
		bad_head(x, err);
		return false;
	}
	http_known_keep(&x->p->known, &x->st->resp, head, len, is_head);
	return true;
}

/* Find and parse a head. Returns its bytes; 0: not whole, or it failed. */
static uint32_t
read_head(struct wgx *x, uint32_t skip, const char *head, uint32_t n)
{
	struct wget_state *st = x->st;
	uint32_t len, from;

	len = st->searched == 0 ? http_head_end(head, n, 0) : 0;
	if (len == 0) {
		if (garbage(head, n)) {
			wget_fail(x, LOAD_NOT_HTTP);
			return 0;
		}
		head = x->p->head;
		from = st->searched > 2 ? st->searched - 2 : 0;
		n = conn_copy(x->n, x->c, skip + from, x->p->head,
		    WGET_HEAD - from);
		len = http_head_end(head, n, 0);
		if (len == 0) {
			st->searched = from + n;
			if (st->searched >= WGET_HEAD)
				wget_fail(x, LOAD_OVERSIZE_HEAD);
			return 0;
		}
		len += from;
		conn_copy(x->n, x->c, skip, x->p->head, len);
	}
	st->searched = 0;
	return parse_head(x, head, len) ? len : 0;
}

/*
 * Take the head of a response, which starts skip bytes from the first unread
 * one. Returns its bytes; 0: not whole yet, or the flow failed.
 */
static uint32_t
take_head(struct wgx *x, uint32_t skip, const uint8_t *p, uint32_t n)
{
	struct wget_state *st = x->st;
	const char *head = (const char *)p;
	uint32_t len;

	if (!(st->flags & WF_FIRST)) {
		st->flags |= WF_FIRST;
		hist_add(&x->t->first, (uint32_t)x->now -
		    st->when[st->got % WGET_PIPELINE]);
	}
	len = st->searched > 0 ? 0 : http_known_head(&x->p->known, &st->resp,
	    head, n, x->conf->method == WGET_M_HEAD);
	return len > 0 ? len : read_head(x, skip, head, n);
}

/* Take bytes of a body; 0 with x->stalled: no room to save them. */
static uint32_t
take_body(struct wgx *x, const uint8_t *p, uint32_t n)
{
	struct wget_state *st = x->st;
	uint64_t before = st->resp.body;
	uint32_t took, at, len;
	struct http_resp r;

	if (x->p->looks) {
		r = st->resp;
		took = http_resp_piece(&r, p, n, &at, &len);
		if (len > 0 && !wget_content(x, before, p + at, len)) {
			x->stalled = true;
			return 0;
		}
		st->resp = r;
	} else {
		took = http_resp_body(&st->resp, p, n);
	}
	x->t->sum.bytes_in += st->resp.body - before;
	svc_count(x->s, WGET_BYTES_IN, st->resp.body - before);
	return took;
}

void
wget_receive(struct wgx *x)
{
	struct wget_state *st = x->st;
	uint32_t skip = 0, n, took;
	const uint8_t *p;

	if (st->resp.phase == RESP_DONE && !complete(x))
		return;
	while ((n = conn_peek(x->n, x->c, skip, &p)) > 0) {
		if (st->got == st->sent) {	/* nobody asked for this */
			wget_fail(x, LOAD_EXTRA_BYTES);
			return;
		}
		if (st->resp.phase == RESP_HEAD) {
			took = take_head(x, skip, p, n);
			if (x->gone)
				return;
		} else {
			took = take_body(x, p, n);
		}
		if (took == 0 && st->resp.phase != RESP_BAD)
			break;
		skip += took;
		if (st->resp.phase == RESP_BAD) {
			wget_fail(x, LOAD_BAD_CHUNK);
			return;
		}
		if (st->resp.phase == RESP_DONE && !complete(x))
			break;
		if (took == n) {
			/* at a frame's end: a longer skip would be walked
			 * over again and again */
			conn_consume(x->n, x->c, skip);
			skip = 0;
		}
	}
	if (skip > 0)
		conn_consume(x->n, x->c, skip);
}

void
wget_eof(struct wgx *x)
{
	struct wget_state *st = x->st;

	if (st->got < st->sent && st->resp.phase == RESP_TO_EOF &&
	    conn_eof(x->c))
		http_resp_eof(&st->resp);
	if (st->resp.phase == RESP_DONE && !complete(x))
		return;
	if (st->got == st->sent)
		wget_done(x);
	else if (st->resp.phase == RESP_HEAD)
		wget_fail(x, LOAD_EARLY_CLOSE);
	else
		wget_fail(x, LOAD_SHORT_BODY);
}
