#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_pause.h>

#include "../../common/log.h"
#include "halve.h"
#include "io.h"

#define LATER	1024u		/* frames that are put off at once */
#define LINK	14u		/* bytes that corruption leaves alone */

struct fault {
	uint32_t turn;		/* of slot_fault that word[] is of */
	uint32_t word[FAULT_WORDS];
	uint64_t rnd;
	uint32_t passes;	/* of the point that is asked for */
	bool done;		/* what was to happen there did, before us */
	/* frames put off, in the order they came */
	uint32_t nlater;
	struct late {
		struct pkt *p;
		uint64_t due;	/* µs */
	} later[LATER];
	/* free frames that a turn does not see */
	uint32_t nhidden;
	struct pkt *hidden[PKTPOOL_MAX];
	bool no_chunks;
	const struct service *service; /* the real one; NULL: not changed */
	struct service shim;
};

static bool
chance(struct fault *f, enum fault_word w)
{
	uint64_t z;

	if (f->word[w] == 0)
		return false;
	z = (f->rnd += 0x9e3779b97f4a7c15u);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32) % FAULT_ALL < f->word[w];
}

/* ---- points -------------------------------------------------------------- */

void
fault_point(struct io *io, enum fault_point at)
{
	struct fault *f = io->fault;

	if (f == NULL || f->done || (f->word[FAULT_CRASH] != at &&
	    f->word[FAULT_FREEZE] != at))
		return;
	if (f->passes++ < f->word[FAULT_AFTER])
		return;
	/* once: whoever sits here next passes */
	atomic_store(&io->slot->worker.fault_turn, f->turn);
	log_warn("slot %u: %s here, as it was told to", io->me,
	    f->word[FAULT_CRASH] == at ? "ends" : "stands still");
	if (f->word[FAULT_CRASH] == at)
		__builtin_trap();
	for (;;)
		rte_pause();
}

/* The service's event, between two points. */
static void
on_event(struct svc *s, struct conn *c, uint32_t events)
{
	struct io *io = (struct io *)(void *)((char *)s -
	    offsetof(struct io, svc));
	const struct service *real = io->faults->service;

	fault_point(io, FAULT_AT_EVENT);
	real->event(s, c, events);
	fault_point(io, FAULT_AT_SERVED);
}

/* ---- what is asked for --------------------------------------------------- */

int
fault_open(struct io *io)
{
	if (!io->board->head.faults)
		return 0;
	io->faults = calloc(1, sizeof(*io->faults));
	if (io->faults == NULL) {
		log_error("no memory for faults");
		return -ENOMEM;
	}
	fault_look(io);
	return 0;
}

/* Copy the words; false: they are being changed. */
static bool
read_words(struct io *io, struct fault *f)
{
	const struct slot_fault *b = &io->slot->fault;
	uint32_t i, turn = atomic_load(&b->turn);

	for (i = 0; i < FAULT_WORDS; i++)
		f->word[i] = atomic_load(&b->word[i]);
	f->turn = turn;
	return atomic_load(&b->turn) == turn;
}

static bool
any(const struct fault *f)
{
	uint32_t i;

	for (i = 0; i < FAULT_WORDS; i++)
		if (f->word[i] != 0 && i != FAULT_DELAY_US && i != FAULT_SEED &&
		    i != FAULT_AFTER)
			return true;
	return false;
}

/* No faults from here on: what was put off comes now. */
static void
end_all(struct io *io, struct fault *f)
{
	uint32_t i;

	for (i = 0; i < f->nlater; i++)
		net_input(io->net, &f->later[i].p, 1, io->now);
	f->nlater = 0;
	io->fault = NULL;
}

void
fault_look(struct io *io)
{
	struct fault *f = io->faults;

	if (f == NULL)
		return;
	if (f->service == NULL && io->svc.service != NULL) {
		f->service = io->svc.service;
		f->shim = *f->service;
		f->shim.event = on_event;
	}
	if (atomic_load(&io->slot->fault.turn) != f->turn ||
	    (io->fault == NULL && f->turn == 0)) {
		if (!read_words(io, f))
			return;
		f->rnd = f->word[FAULT_SEED];
		f->passes = 0;
		f->done = atomic_load(&io->slot->worker.fault_turn) == f->turn;
		if (any(f))
			io->fault = f;
		else if (io->fault != NULL)
			end_all(io, f);
	}
	if (io->net != NULL)
		net_split(io->net, io->fault != NULL &&
		    f->word[FAULT_SPLIT] != 0);
	if (f->service != NULL)
		io->svc.service = io->fault != NULL ? &f->shim : f->service;
}

/* ---- turns --------------------------------------------------------------- */

void
fault_begin(struct io *io)
{
	struct fault *f = io->fault;

	if (chance(f, FAULT_NO_BUFFERS)) {
		f->nhidden = io->pool->n;
		memcpy(f->hidden, io->pool->p,
		    f->nhidden * sizeof(f->hidden[0]));
		io->pool->n = 0;
		io->pool_open = false;
		io_count(io, CNT_fault_turns, 1);
	}
	if (chance(f, FAULT_NO_CHUNKS)) {
		net_starve(io->net, true);
		f->no_chunks = true;
		io_count(io, CNT_fault_turns, 1);
	}
}

void
fault_end(struct io *io)
{
	struct fault *f = io->faults;

	fault_point(io, FAULT_AT_TX);
	if (f->no_chunks)
		net_starve(io->net, false);
	f->no_chunks = false;
	if (io->pool_open)
		return;
	io->pool_open = true;
	while (f->nhidden > 0)
		pktpool_put(io->pool, f->hidden[--f->nhidden]);
}

/* ---- frames -------------------------------------------------------------- */

/* Behind those that were put off before; when these are too many, the first
 * of them comes now. Takes p. */
static void
put_off(struct io *io, struct pkt *p, uint64_t us)
{
	struct fault *f = io->fault;

	if (f->nlater == LATER) {
		net_input(io->net, &f->later[0].p, 1, io->now);
		memmove(f->later, f->later + 1,
		    --f->nlater * sizeof(f->later[0]));
	}
	f->later[f->nlater++] = (struct late){ p, io->now + us };
}

static void
corrupt(struct fault *f, struct pkt *p)
{
	uint64_t bit;

	if (p->len <= LINK)
		return;
	bit = (f->rnd >> 20) % ((uint64_t)(p->len - LINK) * 8);
	pkt_data(p)[LINK + bit / 8] ^= (uint8_t)(1u << bit % 8);
	/* a NIC would have found that */
	p->flags &= (uint16_t)~(PKT_RX_IPCSUM_OK | PKT_RX_L4CSUM_OK);
}

static void
duplicate(struct io *io, const struct pkt *p)
{
	struct pkt *q = pktpool_get(io->pool);

	if (q == NULL)
		return;
	pkt_reset(q, PKT_HEADROOM);
	if (p->nfrag != 0 || p->len > q->room - PKT_HEADROOM) {
		pktpool_put(io->pool, q);
		return;
	}
	memcpy(pkt_data(q), pkt_data(p), p->len);
	q->len = p->len;
	q->port = p->port;
	q->hash = p->hash;
	q->flags = p->flags;
	put_off(io, q, 0);
}

/* Halves come one in a turn, and all that comes waits behind them. */
static void
put_off_halves(struct io *io, struct pkt *p)
{
	struct pkt *q = pktpool_get(io->pool);

	if (q != NULL && !halve(p, q)) {
		pktpool_put(io->pool, q);
		q = NULL;
	}
	put_off(io, p, 0);
	if (q != NULL)
		put_off(io, q, 0);
}

/* What becomes of a frame. Returns whether the stack gets it now. */
static bool
pass(struct io *io, struct pkt *p)
{
	struct fault *f = io->fault;
	bool lost = chance(f, FAULT_DROP), twice = chance(f, FAULT_DUPLICATE);
	bool bad = chance(f, FAULT_CORRUPT), slow = chance(f, FAULT_DELAY);
	bool back = chance(f, FAULT_REORDER);

	if (lost || twice || bad || slow || back)
		io_count(io, CNT_fault_frames, 1);
	if (lost) {
		pktpool_put(io->pool, p);
		return false;
	}
	if (bad)
		corrupt(f, p);
	if (twice)
		duplicate(io, p);
	if (slow)
		put_off(io, p, f->word[FAULT_DELAY_US]);
	else if (f->word[FAULT_SPLIT])
		put_off_halves(io, p);
	else if (back)
		put_off(io, p, 0);
	else
		return true;
	return false;
}

uint32_t
fault_receive(struct io *io, struct pkt **in, uint32_t n)
{
	uint32_t i, k = 0;

	if (n > 0)
		fault_point(io, FAULT_AT_RX);
	for (i = 0; i < n; i++)
		if (pass(io, in[i]))
			in[k++] = in[i];
	return k;
}

uint32_t
fault_later(struct io *io)
{
	struct fault *f = io->fault;
	uint32_t i, k = 0, n = f->nlater, given = 0;
	struct late l;

	for (i = 0; i < n; i++) {
		l = f->later[i];
		if (l.due > io->now || (given > 0 && f->word[FAULT_SPLIT])) {
			f->later[k++] = l;
			continue;
		}
		given++;
		net_input(io->net, &l.p, 1, io->now);
	}
	f->nlater = k;
	if (given > 0)
		fault_point(io, FAULT_AT_INPUT);
	return given;
}

uint64_t
fault_due(const struct io *io)
{
	const struct fault *f = io->fault;
	uint64_t first = UINT64_MAX;
	uint32_t i;

	for (i = 0; f != NULL && i < f->nlater; i++)
		if (f->later[i].due < first)
			first = f->later[i].due;
	return first;
}

void
fault_send(struct io *io)
{
	struct pktq *out = net_out(io->net);
	struct fault *f = io->fault;
	uint32_t i, k = 0;

	if (out->n > 0)
		fault_point(io, FAULT_AT_OUTPUT);
	for (i = 0; i < out->n; i++) {
		if (chance(f, FAULT_DROP)) {
			io_count(io, CNT_fault_frames, 1);
			pktpool_put(io->pool, out->p[i]);
			continue;
		}
		out->p[k++] = out->p[i];
	}
	out->n = k;
}
