/*
 * tcp_ofo: segments that came out of order.
 *
 * They are kept as runs: pieces without a hole, in order of sequence. The
 * first frame of a run names the next run and its own last frame, and
 * carries a stamp that is larger the later the run grew, for RFC 2018's rule
 * that the newest block comes first. Runs are few (TCP_HOLES: a slow start
 * that went too far leaves one for each second to fourth segment of a round
 * trip), so each of these walks is short whatever the window holds.
 */
#include <assert.h>

#include "tcp_priv.h"

static struct pkt *
at(const struct net *n, uint32_t ref)
{
	return pkt_at(n->env.base, ref);
}

/* Sequence behind a frame, its FIN included. */
static uint32_t
frame_end(const struct pkt *p)
{
	return p->seq + p->plen + ((p->flags & PKT_RX_FIN) != 0);
}

static uint32_t
run_end(const struct net *n, const struct pkt *head)
{
	return frame_end(at(n, head->run_tail));
}

static void
hold(struct net *n, struct conn *c)
{
	c->rq_frames++;
	n->rx_held++;
}

static void
release(struct net *n, struct conn *c, struct pkt *p)
{
	c->rq_frames--;
	n->rx_held--;
	frame_put(n, p);
}

/* Larger than the stamp of any run. */
static uint32_t
new_stamp(const struct net *n, const struct conn *c)
{
	uint32_t ref, most = 0;

	for (ref = c->ofo; ref != PKT_NONE; ref = at(n, ref)->run_next)
		most = max_u32(most, at(n, ref)->mark);
	return most + 1;
}

/* Append p to the run, whose end is where p begins; small ones by copy. */
static void
run_append(struct net *n, struct conn *c, struct pkt *head, struct pkt *p)
{
	struct pkt *tail = at(n, head->run_tail);

	if (tcp_coalesce(tail, p)) {
		tail->flags |= p->flags & PKT_RX_FIN;
		frame_put(n, p);
		return;
	}
	p->next = PKT_NONE;
	tail->next = pkt_ref(n->env.base, p);
	head->run_tail = tail->next;
	hold(n, c);
}

/*
 * Join the run with the one that follows, if they touch. Its first frame is
 * copied, too, if it is small: what comes from the end to the begin shares
 * buffers as what comes in order does.
 */
static void
run_join(struct net *n, struct conn *c, struct pkt *head)
{
	uint32_t ref = head->run_next, end, after;
	struct pkt *next, *tail = at(n, head->run_tail);

	if (ref == PKT_NONE)
		return;
	next = at(n, ref);
	if (run_end(n, head) != next->seq)
		return;
	end = next->run_tail;
	after = next->run_next;
	if (tcp_coalesce(tail, next)) {
		tail->flags |= next->flags & PKT_RX_FIN;
		/* it was all of its run, or another frame is the first now */
		end = end == ref ? head->run_tail : end;
		ref = next->next;
		release(n, c, next);
	}
	tail->next = ref;
	head->run_tail = end;
	head->run_next = after;
	c->holes--;
}

/* Cut what p says again of the run that follows it. False: nothing is left. */
static bool
cut_right(const struct net *n, struct pkt *p, uint32_t next_run)
{
	uint32_t start;

	if (next_run == PKT_NONE)
		return true;
	start = at(n, next_run)->seq;
	if (seq_leq(frame_end(p), start))
		return true;
	p->flags &= (uint16_t)~PKT_RX_FIN;
	p->plen = start - p->seq;
	return p->plen != 0;
}

/* A run of its own, behind the run prev (NULL: first). */
static bool
run_new(struct net *n, struct conn *c, struct pkt *prev, struct pkt *p)
{
	uint32_t ref = pkt_ref(n->env.base, p);
	uint32_t *link = prev != NULL ? &prev->run_next : &c->ofo;

	if (c->holes >= TCP_HOLES) {
		net_count(n, CNT_drop_tcp_holes, 1);
		return false;
	}
	p->next = PKT_NONE;
	p->run_next = *link;
	p->run_tail = ref;
	p->mark = new_stamp(n, c);
	*link = ref;
	c->holes++;
	hold(n, c);
	run_join(n, c, p);
	return true;
}

bool
tcp_ofo_overlap(const struct net *n, uint32_t run, const struct pkt *p,
    struct range *dup)
{
	uint32_t end = p->seq + p->plen;
	const struct pkt *head;

	if (run == PKT_NONE)
		return false;
	head = at(n, run);
	if (!seq_lt(head->seq, end))
		return false;
	dup->start = head->seq;
	dup->end = seq_lt(run_end(n, head), end) ? run_end(n, head) : end;
	return true;
}

void
tcp_ofo_add(struct net *n, struct conn *c, struct pkt *p, struct range *dup)
{
	struct pkt *prev = NULL;
	uint32_t ref, cut;

	dup->start = dup->end = p->seq;
	for (ref = c->ofo; ref != PKT_NONE; ref = at(n, ref)->run_next) {
		if (seq_lt(p->seq, at(n, ref)->seq))
			break;
		prev = at(n, ref);
	}
	/* what is there already stays: an overlap cannot change it */
	if (prev != NULL && seq_lt(p->seq, run_end(n, prev))) {
		dup->end = p->seq + min_u32(run_end(n, prev) - p->seq,
		    p->plen);
		if (seq_leq(frame_end(p), run_end(n, prev))) {
			net_count(n, CNT_tcp_dup, 1);
			prev->mark = new_stamp(n, c);
			goto drop;
		}
		cut = min_u32(run_end(n, prev) - p->seq, p->plen);
		p->seq += cut;
		p->poff += cut;
		p->plen -= cut;
		/* a run that ends with a FIN goes no further */
		if ((at(n, prev->run_tail)->flags & PKT_RX_FIN) != 0)
			goto drop;
	}
	if (dup->start == dup->end)
		tcp_ofo_overlap(n, ref, p, dup);
	if (!cut_right(n, p, ref))
		goto drop;
	if (prev != NULL && p->seq == run_end(n, prev)) {
		if ((at(n, prev->run_tail)->flags & PKT_RX_FIN) != 0)
			goto drop;
		prev->mark = new_stamp(n, c);
		run_append(n, c, prev, p);
		run_join(n, c, prev);
		return;
	}
	if (run_new(n, c, prev, p))
		return;
drop:
	frame_put(n, p);
}

/* Move one frame of a run to the receive queue; true: it carries the FIN. */
static bool
pull_frame(struct net *n, struct conn *c, struct pkt *p)
{
	bool fin = (p->flags & PKT_RX_FIN) != 0;
	uint32_t cut;

	if (seq_lt(p->seq + p->plen, c->rcv_nxt)) {
		release(n, c, p);
		return false;
	}
	cut = c->rcv_nxt - p->seq;
	p->seq += cut;
	p->poff += cut;
	p->plen -= cut;
	if (p->plen == 0) {
		release(n, c, p);
		return fin;
	}
	c->rcv_nxt += p->plen;
	c->rq_frames--;
	n->rx_held--;
	tcp_rq_append(n, c, p);
	return fin;
}

bool
tcp_ofo_pull(struct net *n, struct conn *c)
{
	uint32_t ref, next;
	struct pkt *head;
	bool fin = false;

	while (c->ofo != PKT_NONE && !fin) {
		head = at(n, c->ofo);
		if (seq_lt(c->rcv_nxt, head->seq))
			return false;
		ref = c->ofo;
		c->ofo = head->run_next;
		c->holes--;
		for (; ref != PKT_NONE; ref = next) {
			next = at(n, ref)->next;
			fin |= pull_frame(n, c, at(n, ref));
		}
	}
	return fin;
}

void
tcp_ofo_free(struct net *n, struct conn *c)
{
	uint32_t run, ref, next;

	for (run = c->ofo; run != PKT_NONE; run = c->ofo) {
		c->ofo = at(n, run)->run_next;
		for (ref = run; ref != PKT_NONE; ref = next) {
			next = at(n, ref)->next;
			release(n, c, at(n, ref));
		}
	}
	c->holes = 0;
}

void
tcp_ofo_prune(struct net *n, struct conn *c)
{
	uint32_t *link = &c->ofo, ref, next;

	while (at(n, *link)->run_next != PKT_NONE)
		link = &at(n, *link)->run_next;
	ref = *link;
	*link = PKT_NONE;
	c->holes--;
	for (; ref != PKT_NONE; ref = next) {
		next = at(n, ref)->next;
		release(n, c, at(n, ref));
	}
}

uint32_t
tcp_ofo_blocks(const struct net *n, const struct conn *c, struct range *r,
    uint32_t max)
{
	uint32_t mark[TCP_SACKS], k = 0, i, ref;
	const struct pkt *p;

	assert(max <= TCP_SACKS);
	/* the newest runs seen so far, the newest first */
	for (ref = c->ofo; ref != PKT_NONE; ref = p->run_next) {
		p = at(n, ref);
		for (i = k; i > 0 && mark[i - 1] < p->mark; i--) {
			if (i == max)
				continue;
			mark[i] = mark[i - 1];
			r[i] = r[i - 1];
		}
		if (i == max)
			continue;
		mark[i] = p->mark;
		r[i].start = p->seq;
		r[i].end = run_end(n, p);
		k += k < max;
	}
	return k;
}
