/*
 * drill_hurt: one event: choose a victim with enough active connections, hurt
 * it, wait until all is well again, note what the clients saw meanwhile.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <bsd/string.h>

#include "drill.h"
#include "view.h"

#define ACTIVE_MS	250	/* active: it moved bytes within this time */
#define SETTLE_MS	250	/* the window stays open after recovery */
#define CALM_MS		100	/* between two events */
#define PATIENCE_MS	20000	/* until a victim has enough connections */

uint64_t
hurt_random(struct drill *d, uint64_t n)
{
	d->rng ^= d->rng << 13;
	d->rng ^= d->rng >> 7;
	d->rng ^= d->rng << 17;
	return d->rng % n;
}

static void
wait_ms(uint32_t ms)
{
	poll(NULL, 0, (int)ms);
}

/* ---- what the board says ---------------------------------------------- */

static uint32_t
group_of(const struct drill *d, const char *name)
{
	uint32_t g;

	for (g = 0; g < d->in.board->head.ngroups && g < BOARD_GROUPS; g++)
		if (strcmp(d->in.board->group[g].name, name) == 0)
			return g;
	return BOARD_NONE;
}

static int
serves(const struct drill *d, uint32_t s)
{
	const struct board_slot *b = &d->in.board->slot[s];

	return atomic_load(&b->super.state) == SLOT_SERVING &&
	    atomic_load_explicit(&b->worker.phase, memory_order_acquire) ==
	    PHASE_SERVING;
}

static uint32_t
slots_of(const struct drill *d, const char *group, uint32_t *slot)
{
	uint32_t g = group_of(d, group), n = 0, s;

	for (s = 0; s < d->in.board->head.nslots && s < BOARD_SLOTS; s++)
		if (d->in.board->slot[s].fixed.group == g && serves(d, s))
			slot[n++] = s;
	return n;
}

uint64_t
hurt_wire(struct drill *d, const char *counter)
{
	const struct svc_desc *sd = inst_service("wget");
	uint32_t g = group_of(d, "load"), c = 0, s;
	uint64_t n = 0;

	while (sd != NULL && sd->counters[c].name != NULL &&
	    strcmp(sd->counters[c].name, counter) != 0)
		c++;
	if (sd == NULL || sd->counters[c].name == NULL)
		return 0;
	for (s = 0; s < d->in.board->head.nslots && s < BOARD_SLOTS; s++)
		if (d->in.board->slot[s].fixed.group == g)
			n += atomic_load_explicit(
			    &d->in.board->slot[s].worker.svc[c],
			    memory_order_relaxed);
	return n;
}

static uint64_t
hurt_losses(struct drill *d)
{
	uint64_t n = hurt_wire(d, "errors");
	uint32_t i;

	for (i = 0; i < LOSSES; i++)
		n += atomic_load_explicit(&d->load->lost[i],
		    memory_order_relaxed);
	return n;
}

int
hurt_wait_well(struct drill *d, uint32_t seconds)
{
	uint64_t end = board_mono_us() + (uint64_t)seconds * 1000000;
	uint32_t slot[BOARD_SLOTS];

	while (slots_of(d, "web", slot) < d->o.workers ||
	    slots_of(d, "kv", slot) < 1) {
		if (board_mono_us() > end)
			return -ETIMEDOUT;
		wait_ms(1);
	}
	return 0;
}

/* ---- active connections ------------------------------------------------ */

/* Bytes that each record of an arena has moved; 0: it is free. */
static void
moved(const struct inst_map *m, uint64_t *bytes, uint32_t max)
{
	struct conn_info ci;
	uint32_t id;

	for (id = 0; id < max; id++)
		bytes[id] = arena_conn_info(m->arena, m->len, id, &ci) == 1 &&
		    ci.state != 0 ? ci.bytes_in + ci.bytes_out + 1 : 0;
}

/* Connections of a slot that moved bytes just now. */
static uint32_t
active(struct drill *d, uint32_t s)
{
	uint64_t *a, *b;
	struct inst_map m;
	uint32_t i, max, n = 0;

	if (inst_map(&d->in, s, &m) < 0)
		return 0;
	max = m.arena->shape.conns;
	a = calloc(max, sizeof(*a));
	b = calloc(max, sizeof(*b));
	if (a != NULL && b != NULL) {
		moved(&m, a, max);
		wait_ms(ACTIVE_MS);
		moved(&m, b, max);
		for (i = 0; i < max; i++)
			n += a[i] != 0 && b[i] != 0 && a[i] != b[i];
	}
	free(a);
	free(b);
	inst_unmap(&m);
	return n;
}

/* A slot with enough active connections, or BOARD_NONE with a line. */
static uint32_t
victim(struct drill *d)
{
	uint64_t end = board_mono_us() + PATIENCE_MS * 1000;
	uint32_t slot[BOARD_SLOTS], best = 0, n, s;

	do {
		n = slots_of(d, "web", slot);
		n += slots_of(d, "kv", slot + n);
		if (n == 0)
			break;
		s = slot[hurt_random(d, n)];
		n = active(d, s);
		if (n >= DRILL_ACTIVE) {
			if (d->r.least_active == 0 || n < d->r.least_active)
				d->r.least_active = n;
			return s;
		}
		if (n > best)
			best = n;
	} while (board_mono_us() < end);
	fprintf(stderr, "starfish drill: no worker got %u active connections: "
	    "%u at most; see --connections\n", DRILL_ACTIVE, best);
	return BOARD_NONE;
}

/* ---- windows ----------------------------------------------------------- */

static void
window_open(struct drill *d)
{
	uint64_t now = board_mono_us();

	atomic_store_explicit(&d->load->mark_us, now, memory_order_release);
	while (atomic_load_explicit(&d->load->seen_us, memory_order_acquire) !=
	    now)
		wait_ms(1);
}

/* The longest silence of the window. */
static uint64_t
window_close(struct drill *d)
{
	uint64_t us;

	wait_ms(SETTLE_MS);
	us = atomic_load_explicit(&d->load->longest_us, memory_order_relaxed);
	atomic_store_explicit(&d->load->mark_us, 0, memory_order_release);
	return us;
}

/* ---- events ------------------------------------------------------------- */

static char
state_of(pid_t pid)
{
	char path[64], line[512], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 'X';
	p = fgets(line, sizeof(line), f) != NULL ? strrchr(line, ')') : NULL;
	fclose(f);
	return p != NULL && p[1] == ' ' ? p[2] : 'X';
}

/* Stop it where it is, look whether it has a record in hand. */
static void
freeze(struct drill *d, uint32_t s, pid_t pid)
{
	struct inst_map m;

	kill(pid, SIGSTOP);
	while (strchr("TXZ", state_of(pid)) == NULL)
		;
	if (inst_map(&d->in, s, &m) < 0)
		return;
	d->r.hands += atomic_load(&m.arena->hands) != ARENA_NONE;
	inst_unmap(&m);
}

static int
hurt_worker(struct drill *d, enum drill_kind kind)
{
	uint32_t s = victim(d);
	const struct slot_worker *w;
	uint64_t end;
	pid_t pid;

	if (s == BOARD_NONE)
		return -EAGAIN;
	w = &d->in.board->slot[s].worker;
	wait_ms((uint32_t)hurt_random(d, 50));
	window_open(d);
	pid = (pid_t)atomic_load(&w->pid);
	if (!board_pid_alive(pid, atomic_load(&w->pid_start)))
		return -ESRCH;
	freeze(d, s, pid);
	if (kind == DRILL_KILL)
		kill(pid, SIGKILL);
	end = board_mono_us() + 30000000;
	while ((pid_t)atomic_load(&w->pid) == pid || !serves(d, s)) {
		if (board_mono_us() > end) {
			fprintf(stderr, "starfish drill: slot %u did not come "
			    "back\n", s);
			return -ETIMEDOUT;
		}
		wait_ms(1);
	}
	return 0;
}

/* Run a verb on the lab instance; its exit status must be 0. */
static int
order(struct drill *d, const char *verb, const char *arg, const char *arg2)
{
	const char *words[] = { "-n", d->name, verb, arg, arg2, NULL };
	int r = lab_verb(d, words);

	if (r != 0)
		fprintf(stderr, "starfish drill: starfish %s %s %s: exit "
		    "status %d\n", verb, arg != NULL ? arg : "",
		    arg2 != NULL ? arg2 : "", r);
	return r == 0 ? 0 : -EIO;
}

/* A worker more; then the one that was added goes again. */
static int
hurt_add(struct drill *d)
{
	uint32_t before[BOARD_SLOTS], after[BOARD_SLOTS], n, i;
	char slot[16];
	int err;

	n = slots_of(d, "web", before);
	window_open(d);
	err = order(d, "add", "web", NULL);
	if (err < 0)
		return err;
	if (slots_of(d, "web", after) != n + 1) {
		fprintf(stderr, "starfish drill: add: no worker more serves\n");
		return -EIO;
	}
	for (i = 0; i < n && before[i] == after[i]; i++)
		;
	wait_ms(CALM_MS + (uint32_t)hurt_random(d, 100));
	snprintf(slot, sizeof(slot), "%u", after[i]);
	return order(d, "remove", slot, NULL);
}

static int
hurt_upgrade(struct drill *d)
{
	char worker[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", worker, sizeof(worker) - 1);

	if (n < 0)
		return -errno;
	worker[n] = '\0';
	slash = strrchr(worker, '/');
	if (slash == NULL)
		return -ENOENT;
	strlcpy(slash, "/starfish-worker", sizeof(worker) -
	    (size_t)(slash - worker));
	window_open(d);
	return order(d, "upgrade", "--worker", worker);
}

static int
hurt_supervisor(struct drill *d)
{
	const struct board_super *s = &d->in.board->super;
	pid_t pid = (pid_t)atomic_load(&s->pid);
	struct pollfd pf = { .events = POLLIN };

	if (!board_pid_alive(pid, atomic_load(&s->pid_start)))
		return -ESRCH;
	pf.fd = pidfd_open(pid, 0);
	if (pf.fd < 0)
		return -errno;
	window_open(d);
	kill(pid, SIGKILL);
	poll(&pf, 1, 5000);
	close(pf.fd);
	return order(d, "up", "--adopt", "--detach");
}

int
hurt(struct drill *d, enum drill_kind kind)
{
	uint64_t before = hurt_losses(d), us;
	int err;

	switch (kind) {
	case DRILL_KILL:
	case DRILL_HANG:
		err = hurt_worker(d, kind);
		break;
	case DRILL_ADD:
		err = hurt_add(d);
		break;
	case DRILL_UPGRADE:
		err = hurt_upgrade(d);
		break;
	default:
		err = hurt_supervisor(d);
		break;
	}
	if (err == 0)
		err = hurt_wait_well(d, 30);
	us = window_close(d);
	d->r.lost_by[kind] += hurt_losses(d) - before;
	if (err < 0)
		return err;
	d->r.silence_us[kind][d->r.done[kind]++] = us;
	wait_ms(CALM_MS);
	return 0;
}

uint64_t
hurt_lost(struct drill *d)
{
	int64_t lost = 0;
	json_t *o;

	inst_look(&d->in);
	if (audit_ask(&d->in) < 0) {
		fprintf(stderr, "starfish drill: a worker did not count its "
		    "buffers\n");
		d->r.failed++;
		return 0;
	}
	o = audit_json(&d->in, &lost);
	json_decref(o);
	return (uint64_t)(lost < 0 ? -lost : lost);
}
