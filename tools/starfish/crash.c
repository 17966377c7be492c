#include "crash.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "../../common/tcb.h"
#include "symbol.h"

#define LINE	16u		/* bytes of a dump in one line */

/* What the last dead process itself said; NULL: nothing, as with SIGKILL. */
static const struct board_crash *
last_crash(const struct inst *in, uint32_t slot)
{
	const struct board_slot *b = &in->board->slot[slot];
	uint32_t dead = atomic_load(&b->super.dead_pid);

	return dead != 0 && atomic_load_explicit(&b->worker.crash.pid,
	    memory_order_acquire) == dead ? &b->worker.crash : NULL;
}

static const struct board_hand *
last_hand(const struct inst *in, uint32_t slot)
{
	const struct board_slot *b = &in->board->slot[slot];
	uint32_t dead = atomic_load(&b->super.dead_pid);

	return dead != 0 && atomic_load_explicit(&b->fixed.hand.pid,
	    memory_order_acquire) == dead ? &b->fixed.hand : NULL;
}

int
crash_known(const struct inst *in, uint32_t slot)
{
	return last_crash(in, slot) != NULL || last_hand(in, slot) != NULL;
}

static void
place(struct symbols *s, uint64_t pc, char *buf, size_t len)
{
	if (pc & CRASH_ELSEWHERE)
		snprintf(buf, len, "in a library, 0x%lx",
		    (unsigned long)(pc & ~CRASH_ELSEWHERE));
	else
		symbol_name(s, pc, buf, len);
}

static struct symbols *
program_of(const struct inst *in, uint32_t slot)
{
	char path[BOARD_PATH];

	memcpy(path, in->board->slot[slot].worker.program, sizeof(path));
	path[sizeof(path) - 1] = '\0';
	return symbol_open(path);
}

static uint32_t
depth(const struct board_crash *c)
{
	return c->npcs < CRASH_PCS ? c->npcs : CRASH_PCS;
}

/* Both ends and the state. */
static void
hand_name(const struct board_hand *h, char *buf, size_t len)
{
	char l[64], r[64];

	inst_addr(h->laddr, h->family, l, sizeof(l));
	inst_addr(h->raddr, h->family, r, sizeof(r));
	snprintf(buf, len, h->family == 6 ? "[%s]:%u with [%s]:%u, %s" :
	    "%s:%u with %s:%u, %s", l, h->lport, r, h->rport,
	    h->state <= TCP_TIME_WAIT ? tcp_state_names[h->state] : "?");
}

static void
dump(const uint8_t *p, uint32_t n, FILE *out)
{
	uint32_t i, k;

	for (i = 0; i < n; i += LINE) {
		fputs("    ", out);
		for (k = i; k < i + LINE; k++)
			if (k < n)
				fprintf(out, "%02x ", p[k]);
			else
				fputs("   ", out);
		fputc(' ', out);
		for (k = i; k < i + LINE && k < n; k++)
			fputc(p[k] >= ' ' && p[k] <= '~' ? p[k] : '.', out);
		fputc('\n', out);
	}
}

static uint32_t
bytes_of(const struct board_hand *h)
{
	return h->nbytes < HAND_BYTES ? h->nbytes : HAND_BYTES;
}

void
crash_text(const struct inst *in, uint32_t slot, FILE *out)
{
	const struct board_crash *c = last_crash(in, slot);
	const struct board_hand *h = last_hand(in, slot);
	struct symbols *s;
	char text[160];
	uint32_t i;

	if (c != NULL) {
		fprintf(out, "slot %u, pid %u: SIG%s", slot,
		    atomic_load(&c->pid), sigabbrev_np((int)c->signal) != NULL
		    ? sigabbrev_np((int)c->signal) : "?");
		if (c->signal == SIGSEGV || c->signal == SIGBUS)
			fprintf(out, " at address 0x%lx",
			    (unsigned long)c->addr);
		fputs(", backtrace:\n", out);
		s = program_of(in, slot);
		for (i = 0; i < depth(c); i++) {
			place(s, c->pc[i], text, sizeof(text));
			fprintf(out, "    %2u %.90s\n", i, text);
		}
		symbol_close(s);
	}
	if (h == NULL)
		return;
	if (h->known) {
		hand_name(h, text, sizeof(text));
		fprintf(out, "slot %u, in hand: connection %u, %s\n", slot,
		    h->id, text);
	} else {
		fprintf(out, "slot %u, in hand: no connection\n", slot);
	}
	if (bytes_of(h) > 0) {
		fprintf(out, "slot %u, last %u bytes received:\n", slot,
		    bytes_of(h));
		dump(h->bytes, bytes_of(h), out);
	}
}

static json_t *
trace_json(const struct inst *in, uint32_t slot, const struct board_crash *c)
{
	struct symbols *s = program_of(in, slot);
	json_t *list = json_array();
	char text[160];
	uint32_t i;

	for (i = 0; i < depth(c); i++) {
		place(s, c->pc[i], text, sizeof(text));
		inst_clean(text);
		json_array_append_new(list, json_string(text));
	}
	symbol_close(s);
	return list;
}

json_t *
crash_json(const struct inst *in, uint32_t slot)
{
	const struct board_crash *c = last_crash(in, slot);
	const struct board_hand *h = last_hand(in, slot);
	char text[160], hex[2 * HAND_BYTES + 1] = "";
	json_t *o;
	uint32_t i;

	if (c == NULL && h == NULL)
		return json_null();
	o = json_object();
	if (c != NULL) {
		snprintf(text, sizeof(text), "SIG%s",
		    sigabbrev_np((int)c->signal) != NULL ?
		    sigabbrev_np((int)c->signal) : "?");
		json_object_set_new(o, "signal", json_string(text));
		snprintf(text, sizeof(text), "0x%lx", (unsigned long)c->addr);
		json_object_set_new(o, "address", json_string(text));
		json_object_set_new(o, "backtrace", trace_json(in, slot, c));
	}
	if (h != NULL) {
		hand_name(h, text, sizeof(text));
		json_object_set_new(o, "connection", h->known ?
		    json_string(text) : json_null());
		for (i = 0; i < bytes_of(h); i++)
			snprintf(hex + 2 * i, 3, "%02x", h->bytes[i]);
		json_object_set_new(o, "last_bytes", json_string(hex));
	}
	return o;
}
