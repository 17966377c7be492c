/*
 * open: when connections are opened and requests begin.
 */
#include <errno.h>

#include "wget_priv.h"

#define SCAN	4096u		/* records looked at in one turn */

void
wget_wx(struct wgx *x, struct svc *s, struct conn *c, uint64_t now_us)
{
	struct wget_priv *p = s->priv;

	*x = (struct wgx){
		.s = s, .n = s->net, .c = c, .st = conn_state(c), .p = p,
		.t = p->t, .conf = p->conf, .now = now_us,
	};
}

uint64_t
wget_backlog(const struct wget_priv *p, uint64_t now_us)
{
	uint64_t until = now_us < p->t_stop ? now_us : p->t_stop - 1;

	if (p->rate == 0 || until * 1000 < p->t->next_ns)
		return 0;
	return (until * 1000 - p->t->next_ns) / p->step_ns + 1;
}

bool
wget_due(struct wgx *x, uint64_t *when_us)
{
	struct wget_priv *p = x->p;
	struct load_totals *t = x->t;

	*when_us = x->now;
	if (p->rate == 0)
		return true;
	*when_us = t->next_ns / 1000;
	if (*when_us > x->now || *when_us >= p->t_stop)
		return false;
	t->next_ns += p->step_ns;
	t->fraction += p->rest;
	if (t->fraction >= p->rate) {
		t->fraction -= p->rate;
		t->next_ns++;
	}
	return true;
}

/* A connection is to be opened: 0 or the cause of a failure. */
static int
open_one(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct wget_state *st;
	struct conn *c;
	int err;

	err = net_connect(s->net, NULL, &p->server, now_us, &c);
	if (err == 0) {
		st = conn_state(c);
		st->begun = now_us;
		st->gen = p->gen;
		st->flow = (uint32_t)p->t->sum.started * s->count + s->index +
		    1;
		if (p->conf->timeout_ms > 0)
			conn_timer(s->net, c, now_us +
			    (uint64_t)p->conf->timeout_ms * 1000);
		p->active++;
		p->connecting++;
	} else if (p->active > 0 || (err == -ENETUNREACH &&
	    now_us < p->t->t_start + WGET_ADDR_US)) {
		/* Ports or records come back when flows end; an IPv6 address
		 * is probed for doubles before it can be used. */
		return err;
	} else {
		p->t->sum.failed++;
		p->t->sum.errors[err == -ENETUNREACH ?
		    LOAD_UNREACHABLE : LOAD_NO_PORT]++;
		svc_count(s, WGET_ERRORS, 1);
	}
	p->t->sum.started++;
	svc_count(s, WGET_STARTED, 1);
	return err;
}

/* Whether another connection is wanted. */
static bool
wanted(const struct wget_priv *p, uint64_t now_us)
{
	if (p->active >= p->concurrency || p->t->sum.started >= p->flows)
		return false;
	return p->rate == 0 || wget_backlog(p, now_us) > p->connecting;
}

uint64_t
wget_open(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint32_t i;

	if (p->stopping || !wanted(p, now_us))
		return UINT64_MAX;
	if (now_us < p->t_retry)
		return p->t_retry;
	for (i = 0; i < WGET_OPENS; i++) {
		if (!wanted(p, now_us))
			return UINT64_MAX;
		if (open_one(s, now_us) != 0) {
			p->t_retry = now_us + 1000;
			return p->t_retry;
		}
	}
	return now_us;
}

/* Enter an idle connection; false: there is none. */
static bool
next_idle(struct svc *s, struct wgx *x, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	uint32_t id, tries;
	struct conn *c;

	for (tries = 0; tries < 2;) {
		id = idset_next(&p->idle, p->at);
		if (id == IDSET_IDS) {
			p->at = 0;
			tries++;
			continue;
		}
		p->at = id + 1;
		idset_del(&p->idle, id);
		c = conn_enter(s->net, id);
		if (c == NULL)
			continue;
		wget_wx(x, s, c, now_us);
		if (x->st->gen == p->gen && (x->st->flags &
		    (WF_OPEN | WF_ENDED)) == WF_OPEN)
			return true;
		conn_leave(s->net, c);
	}
	return false;
}

uint64_t
wget_pace(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct wgx x;
	uint32_t i;

	for (i = 0; wget_backlog(p, now_us) > 0; i++) {
		if (i == WGET_STARTS)
			return now_us;
		if (!next_idle(s, &x, now_us))
			return UINT64_MAX;	/* an answer comes first */
		wget_send(&x);
		conn_leave(s->net, x.c);
	}
	return p->t->next_ns / 1000 < p->t_stop ?
	    (p->t->next_ns + 999) / 1000 : UINT64_MAX;
}

void
wget_idle_end(struct svc *s, uint64_t now_us)
{
	struct wgx x;
	uint32_t i;

	for (i = 0; i < WGET_STARTS && next_idle(s, &x, now_us); i++) {
		if (x.st->got == x.st->sent)
			wget_done(&x);
		conn_leave(s->net, x.c);
	}
}

void
wget_depart(struct svc *s, struct conn *c)
{
	struct wget_state *st = conn_state(c);
	struct wget_priv *p = s->priv;

	if (st->gen != p->gen || (st->flags & WF_ENDED))
		return;
	p->active--;
	if (!(st->flags & WF_OPEN))
		p->connecting--;
	if (p->rate > 0)
		idset_del(&p->idle, conn_id(s->net, c));
}

void
wget_arrive(struct svc *s, struct conn *c)
{
	struct wget_state *st = conn_state(c);
	struct wget_priv *p = s->priv;

	/* with no run to belong to, its first event ends it */
	if (p->phase != WGET_RUN || (st->flags & WF_ENDED))
		return;
	st->gen = p->gen;
	p->active++;
	if (!(st->flags & WF_OPEN))
		p->connecting++;
	else if (p->rate > 0)
		idset_put(&p->idle, conn_id(s->net, c));
}

bool
wget_scan(struct svc *s, uint64_t now_us)
{
	struct wget_priv *p = s->priv;
	struct load_sum *t = &p->t->sum;
	struct wget_state *st;
	struct conn *c;
	struct wgx x;
	uint32_t i;

	for (i = 0; i < SCAN && p->scan_at < IDSET_IDS; i++) {
		c = conn_enter(s->net, p->scan_at++);
		if (c == NULL)
			continue;
		st = conn_state(c);
		if (conn_active(c) && st->gen != 0 &&
		    !(st->flags & WF_ENDED)) {
			wget_wx(&x, s, c, now_us);
			wget_adopt(&x);
			if ((st->flags & WF_OPEN) && p->rate > 0)
				wget_send(&x);
		}
		conn_leave(s->net, c);
	}
	if (p->scan_at < IDSET_IDS)
		return false;
	/* One that was in hand when its worker died was reset. */
	while (t->started > t->done + t->failed + p->active) {
		t->failed++;
		t->errors[LOAD_RESET]++;
	}
	return true;
}
