/*
 * inst: choosing an instance, looking at its board, judging how it fares.
 */
#include "inst.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "rundir.h"

#define BEAT_MS		150	/* the primary's heart beats each 100 ms */
#define MAP_ALIGN	(1ull << 30) /* of offsets: the largest hugepage */
#define SLOW_MS		2000	/* a heartbeat this old is none */

const char *const inst_health_names[] = {
	[INST_WELL] = "well", [INST_DEGRADED] = "degraded",
	[INST_DOWN] = "down"
};

int
inst_choose(char name[BOARD_NAME], const char *wanted, char *err,
    size_t errlen)
{
	char names[RUNDIR_MAX][BOARD_NAME];
	uint32_t i, n;

	if (wanted != NULL) {
		if (strchr(wanted, '/') != NULL || wanted[0] == '.' ||
		    strlcpy(name, wanted, BOARD_NAME) >= BOARD_NAME) {
			snprintf(err, errlen, "no instance can be called "
			    "\"%s\": allowed 1 to %u letters, digits, '-', "
			    "'_' and '.'", wanted, BOARD_NAME - 1);
			return -EINVAL;
		}
		return 0;
	}
	n = rundir_list(names);
	if (n == 0) {
		snprintf(err, errlen, "no instance runs; start one with: "
		    "starfish up -c FILE");
		return -ENOENT;
	}
	if (n == 1) {
		strlcpy(name, names[0], BOARD_NAME);
		return 0;
	}
	strlcpy(err, "several instances run:", errlen);
	for (i = 0; i < n; i++) {
		strlcat(err, " ", errlen);
		strlcat(err, names[i], errlen);
	}
	strlcat(err, "; choose one with -n NAME", errlen);
	return -EEXIST;
}

int
inst_open(struct inst *in, const char *name, char *err, size_t errlen)
{
	struct board *b;
	char build[BOARD_NAME];
	int error;

	memset(in, 0, sizeof(*in));
	strlcpy(in->name, name, sizeof(in->name));
	in->health = INST_DOWN;
	error = board_open(&b, name, 0, 0);
	if (error == 0) {
		in->board = b;
		return 0;
	}
	if (error == -ENOENT)
		snprintf(err, errlen, "%s does not run", name);
	else if (error == -ESTALE && board_open(&b, name, 0, 1) == 0) {
		strlcpy(build, b->head.build, sizeof(build));
		board_close(b);
		snprintf(err, errlen, "%s was started by another build, %s; "
		    "this one is %s and cannot read its shared memory", name,
		    build, build_version);
	} else if (error == -ESTALE)
		snprintf(err, errlen, "%s was started by another build than "
		    "%s, which cannot read its shared memory", name,
		    build_version);
	else if (error == -EPROTO)
		snprintf(err, errlen, "%s: its board is damaged, or is just "
		    "being made", name);
	else
		snprintf(err, errlen, "%s: cannot read its board: %s", name,
		    strerror(-error));
	return error;
}

void
inst_close(struct inst *in)
{
	if (in->board != NULL)
		board_close((struct board *)(uintptr_t)in->board);
	in->board = NULL;
}

/* ---- judging ------------------------------------------------------------- */

static void worse(struct inst *in, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
worse(struct inst *in, const char *fmt, ...)
{
	va_list ap;

	in->health = INST_DEGRADED;
	if (in->nreasons == INST_REASONS)
		return;
	va_start(ap, fmt);
	vsnprintf(in->reason[in->nreasons], sizeof(in->reason[0]), fmt, ap);
	va_end(ap);
	inst_clean(in->reason[in->nreasons++]);
}

static uint32_t
load32(const _Atomic uint32_t *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

/* A worker that somebody started by hand: no supervisor speaks for it. */
static void
look_stranger(const struct board_slot *b, struct inst_slot *s)
{
	static const enum slot_state states[PHASES] = {
		[PHASE_NONE] = SLOT_EMPTY, [PHASE_ATTACHING] = SLOT_STARTING,
		[PHASE_WAITING] = SLOT_REPAIRING, [PHASE_READY] = SLOT_READY,
		[PHASE_SERVING] = SLOT_SERVING, [PHASE_LEAVING] = SLOT_DRAINING,
	};
	uint32_t pid = load32(&b->worker.pid);

	if (!board_pid_alive((pid_t)pid, atomic_load(&b->worker.pid_start)) ||
	    s->phase >= PHASES || s->phase == PHASE_NONE)
		return;
	s->pid = pid;
	s->alive = 1;
	s->state = states[s->phase];
}

static void
look_slot(struct inst *in, uint32_t i)
{
	const struct board_slot *b = &in->board->slot[i];
	struct inst_slot *s = &in->slot[i];
	uint32_t group = b->fixed.group;
	uint64_t beat, now = board_mono_us();

	memset(s, 0, sizeof(*s));
	s->number = i;
	s->group = group < BOARD_GROUPS ? in->board->group[group].name : "?";
	s->service = group < BOARD_GROUPS ?
	    in->board->group[group].service : "?";
	s->state = load32(&b->super.state) < SLOT_STATES ?
	    (enum slot_state)load32(&b->super.state) : SLOT_EMPTY;
	s->phase = load32(&b->worker.phase);
	s->pid = load32(&b->super.pid);
	s->alive = (uint8_t)board_pid_alive((pid_t)s->pid,
	    atomic_load(&b->super.pid_start));
	s->cpu = load32(&b->super.cpu);
	if (!s->alive)
		look_stranger(b, s);
	if (s->alive && load32(&b->worker.pid) == s->pid) {
		s->cpu = load32(&b->worker.cpu);
		beat = atomic_load(&b->worker.heartbeat_us);
		s->beat_age_ms = beat < now ? (now - beat) / 1000 : 0;
	}
	s->epoch = load32(&b->worker.epoch);
	s->restarts = load32(&b->super.restarts);
	s->connections = inst_counter(in, i, CNT_gauge_conns);
	memcpy(s->last_death, b->super.last_death, sizeof(s->last_death));
	s->last_death[sizeof(s->last_death) - 1] = '\0';
	inst_clean(s->last_death);
	s->spare = s->state == SLOT_EMPTY && b->fixed.spare &&
	    s->epoch == 0;
	s->finished = s->state == SLOT_EMPTY &&
	    (s->spare || strcmp(s->last_death, "exit status 0") == 0 ||
	    strcmp(s->last_death, "ended in order") == 0);
	/* the supervisor, if it is dead, has not seen this death */
	if (!s->alive && s->pid != 0 && s->state != SLOT_EMPTY)
		s->state = SLOT_DEAD;
}

static void
look_standbys(struct inst *in)
{
	const struct standby_worker *w;
	struct inst_standby *s;
	uint32_t i, pid;

	in->nstandbys = 0;
	for (i = 0; i < BOARD_STANDBYS; i++) {
		w = &in->board->standby[i].worker;
		pid = load32(&w->pid);
		if (!board_pid_alive((pid_t)pid, atomic_load(&w->pid_start)))
			continue;
		s = &in->standby[in->nstandbys++];
		s->number = i;
		s->pid = pid;
		s->ready = load32(&w->ready) != 0;
		memcpy(s->build, w->build, sizeof(s->build));
		s->build[sizeof(s->build) - 1] = '\0';
		inst_clean(s->build);
	}
}

static void
judge_slot(struct inst *in, const struct inst_slot *s)
{
	if (s->finished)
		return;
	if (s->state != SLOT_SERVING) {
		worse(in, "slot %u is %s%s%s", s->number,
		    slot_state_names[s->state], s->last_death[0] != '\0' ?
		    ": " : "", s->last_death);
		return;
	}
	if (s->beat_age_ms > SLOW_MS)
		worse(in, "slot %u gave no heartbeat for %lu ms", s->number,
		    (unsigned long)s->beat_age_ms);
}

/* Whether the primary's heartbeat moves within its time. */
static int
primary_beats(const struct board *b)
{
	uint64_t end = board_mono_us() + BEAT_MS * 1000;
	uint32_t first = load32(&b->head.heartbeat);

	while (board_mono_us() < end) {
		if (load32(&b->head.heartbeat) != first)
			return 1;
		poll(NULL, 0, 5);
	}
	return load32(&b->head.heartbeat) != first;
}

static void
judge_primary(struct inst *in)
{
	const struct board *b = in->board;
	uint32_t state;

	state = atomic_load_explicit(&b->head.state, memory_order_acquire);
	in->starting = state <= PRIMARY_STARTING && in->primary_alive;
	if (!in->primary_alive)
		worse(in, "the primary is dead: no slot can be started");
	else if (in->stopping || state == PRIMARY_STOPPING)
		worse(in, "it is about to end");
	else if (in->starting)
		worse(in, "the primary is not ready yet");
	else if (state == PRIMARY_FAILED)
		worse(in, "the primary failed: %.100s", b->head.why);
	else if (!primary_beats(b))
		worse(in, "the primary hangs");
}

void
inst_look(struct inst *in)
{
	const struct board *b = in->board;
	uint32_t i, alive = 0;

	in->nreasons = 0;
	in->health = INST_WELL;
	in->primary_alive = (uint8_t)board_pid_alive((pid_t)b->head.pid,
	    b->head.pid_start);
	in->super_alive = (uint8_t)board_pid_alive((pid_t)load32(
	    &b->super.pid), atomic_load(&b->super.pid_start));
	in->stopping = load32(&b->super.stopping) != 0;
	in->nslots = b->head.nslots < BOARD_SLOTS ? b->head.nslots :
	    BOARD_SLOTS;
	for (i = 0; i < in->nslots; i++) {
		look_slot(in, i);
		alive += in->slot[i].alive;
	}
	look_standbys(in);
	if (!in->primary_alive && alive == 0) {
		worse(in, "no process is alive");
		in->health = INST_DOWN;
		return;
	}
	judge_primary(in);
	if (!in->super_alive && !in->starting)
		worse(in, "the supervisor is dead: who dies stays dead");
	for (i = 0; i < in->nslots; i++)
		judge_slot(in, &in->slot[i]);
}

/* ---- details ------------------------------------------------------------- */

uint64_t
inst_counter(const struct inst *in, uint32_t slot, enum counter c)
{
	return atomic_load_explicit(&in->board->slot[slot].worker.counters[c],
	    memory_order_relaxed);
}

const struct svc_desc *
inst_service(const char *name)
{
	uint32_t i;

	for (i = 0; svc_descs[i] != NULL; i++)
		if (strcmp(svc_descs[i]->name, name) == 0)
			return svc_descs[i];
	return NULL;
}

void
inst_clean(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void
inst_addr(const uint8_t addr[16], uint8_t family, char *buf, size_t len)
{
	buf[0] = '\0';
	inet_ntop(family == 6 ? AF_INET6 : AF_INET, addr, buf,
	    (socklen_t)len);
}
