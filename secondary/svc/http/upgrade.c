/*
 * upgrade: a request for the WebSocket path hands its connection over.
 */
#include "http_priv.h"

bool
upgrade_wanted(const struct hx *x)
{
	return x->p->ws_len > 0 && x->req.path.n == x->p->ws_len &&
	    memcmp(x->req.path.p, x->conf->ws, x->p->ws_len) == 0;
}

enum http_go
upgrade_answer(struct hx *x)
{
	struct http_state *st = x->st;
	struct ws_agreed a;
	int status;

	hx_flush(x);
	status = ws_request(&x->p->ws, x->c, &x->req, &a);
	if (status == 0)
		return hx_wait_room(x, WS_ANSWER);
	svc_count(x->s, HTTP_REQUESTS, 1);
	if (status != 101) {
		svc_count(x->s, HTTP_4XX, 1);
		return hx_close(x);
	}
	conn_consume(x->n, x->c, x->done + x->req.head_len);
	st->phase = PH_WS;
	ws_open(&x->p->ws, x->c, &st->ws, &a);
	ws_event(&x->p->ws, x->c, &st->ws, CONN_READ);
	return GO_GONE;
}

struct ws_state *
upgrade_find(struct conn *c)
{
	struct http_state *st = conn_state(c);

	return st->phase == PH_WS && st->ws.phase != WSP_NONE ? &st->ws : NULL;
}
