/*
 * status, workers: who is there, and whether all is well.
 */
#include <inttypes.h>
#include <string.h>

#include <bsd/string.h>

#include "crash.h"
#include "slot.h"
#include "view.h"

json_t *
view_worker_json(const struct inst_slot *s)
{
	return json_pack("{s:i, s:s, s:s, s:i, s:i, s:s, s:I, s:i, s:I, s:i,"
	    " s:b, s:s}",
	    "slot", (int)s->number,
	    "group", s->group,
	    "service", s->service,
	    "cpu", (int)s->cpu,
	    "pid", (int)s->pid,
	    "state", slot_state_names[s->state],
	    "connections", (json_int_t)s->connections,
	    "epoch", (int)s->epoch,
	    "heartbeat_age_ms", (json_int_t)s->beat_age_ms,
	    "restarts", (int)s->restarts,
	    "finished", (int)s->finished,
	    "last_death", s->last_death);
}

json_t *
workers_json(struct view *v)
{
	const struct board *b = v->in.board;
	json_t *list = json_array(), *o;
	char faults[512];
	uint32_t i;

	for (i = 0; i < v->in.nslots; i++) {
		o = view_worker_json(&v->in.slot[i]);
		fault_text(&b->slot[v->in.slot[i].number], faults,
		    sizeof(faults));
		json_object_set_new(o, "faults", json_string(faults));
		json_object_set_new(o, "crash", crash_json(&v->in, i));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
standbys_json(const struct inst *in)
{
	const struct inst_standby *s;
	json_t *list = json_array();

	for (s = in->standby; s < in->standby + in->nstandbys; s++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:s}",
		    "number", (int)s->number, "pid", (int)s->pid, "state",
		    s->ready ? "READY" : "STARTING", "build", s->build));
	return list;
}

static json_t *
drops_json(const struct inst *in)
{
	json_t *o = json_object();
	uint64_t n;
	uint32_t c;

	for (c = 0; c < CNT_MAX && in->board != NULL; c++) {
		if (!view_is_drop(c))
			continue;
		n = view_sum(in, c);
		if (n > 0)
			json_object_set_new(o, counter_names[c] + 5,
			    json_integer((json_int_t)n));
	}
	return o;
}

json_t *
status_json(struct view *v)
{
	const struct inst *in = &v->in;
	const struct board *b = in->board;
	json_t *reasons = json_array();
	uint32_t i;

	for (i = 0; i < in->nreasons; i++)
		json_array_append_new(reasons, json_string(in->reason[i]));
	return json_pack("{s:s, s:s, s:i, s:o, s:s, s:{s:i, s:b}, s:{s:i, s:b},"
	    " s:I, s:o, s:o, s:o}",
	    "name", in->name,
	    "state", inst_health_names[in->health],
	    "generation", b != NULL ? (int)b->head.generation : 0,
	    "reasons", reasons,
	    "build", b != NULL ? b->head.build : "",
	    "primary",
	    "pid", b != NULL ? (int)b->head.pid : 0,
	    "alive", (int)in->primary_alive,
	    "supervisor",
	    "pid", b != NULL ? (int)atomic_load(&b->super.pid) : 0,
	    "alive", (int)in->super_alive,
	    "started", b != NULL ? (json_int_t)(b->head.started_us /
	    1000000) : 0,
	    "workers", workers_json(v),
	    "standbys", standbys_json(in),
	    "drops", drops_json(in));
}

void
view_workers(const struct inst *in, FILE *out)
{
	const struct inst_slot *s;
	char conns[16], cpu[12], pid[12];
	uint32_t i;

	fprintf(out, "%4s %-11s %-8s %3s %7s %-9s %7s %5s %8s %8s  %s\n",
	    "slot", "group", "service", "cpu", "pid", "state", "conns",
	    "epoch", "beat ms", "restarts", "last death");
	for (i = 0; i < in->nslots; i++) {
		s = &in->slot[i];
		view_short(s->connections, conns, sizeof(conns));
		snprintf(cpu, sizeof(cpu), s->pid != 0 ? "%u" : "-", s->cpu);
		snprintf(pid, sizeof(pid), s->pid != 0 ? "%u" : "-", s->pid);
		fprintf(out, "%4u %-11.11s %-8.8s %3s %7s %-9s %7s %5u %8" PRIu64
		    " %8u  %.*s\n", s->number, s->group, s->service, cpu,
		    pid, slot_state_names[s->state], conns, s->epoch,
		    s->beat_age_ms, s->restarts, SLOT_DEATH_COLS,
		    s->last_death[0] != '\0' ? s->last_death : "-");
	}
}

void
workers_text(struct view *v, FILE *out)
{
	view_workers(&v->in, out);
}

void
view_drops(const struct inst *in, char *buf, size_t len)
{
	char one[64];
	uint64_t n;
	uint32_t c, causes = 0;

	buf[0] = '\0';
	for (c = 0; c < CNT_MAX; c++) {
		if (!view_is_drop(c))
			continue;
		n = view_sum(in, c);
		if (n == 0)
			continue;
		causes++;
		snprintf(one, sizeof(one), "%s%s %" PRIu64,
		    causes > 1 ? ", " : "", counter_names[c] + 5, n);
		strlcat(buf, one, len);
	}
}

/* Words of a list, wrapped behind a heading. */
static void
print_wrapped(const char *head, char *list, FILE *out)
{
	size_t col = strlen(head), indent = col;
	char *word;
	int first = 1;

	fputs(head, out);
	while ((word = strsep(&list, ",")) != NULL) {
		word += word[0] == ' ';
		if (!first && col + strlen(word) + 2 > VIEW_COLS) {
			fprintf(out, ",\n%*s", (int)indent, "");
			col = indent;
		} else if (!first) {
			fputs(", ", out);
			col += 2;
		}
		fputs(word, out);
		col += strlen(word);
		first = 0;
	}
	fputc('\n', out);
}

static void
print_ports(const struct board *b, FILE *out)
{
	const struct board_port *p;
	char addr[64];
	uint32_t i, n = b->head.nports < BOARD_PORTS ? b->head.nports :
	    BOARD_PORTS;

	for (i = 0; i < n; i++) {
		p = &b->port[i];
		addr[0] = '\0';
		if (p->naddrs > 0)
			inst_addr(p->addr[0].addr, p->addr[0].family, addr,
			    sizeof(addr));
		fprintf(out, "port        %.31s: %s %.31s, %s%s, %s lane, %u "
		    "queue%s\n", p->name, p->type < PORT_TYPES ?
		    port_type_names[p->type] : "?", p->device, addr,
		    p->naddrs > 1 ? " and more" : "", p->lane < LANES ?
		    port_lane_names[p->lane] : "?", p->nqueues,
		    p->nqueues == 1 ? "" : "s");
	}
}

void
status_text(struct view *v, FILE *out)
{
	const struct inst *in = &v->in;
	const struct board *b = in->board;
	char age[32], drops[2048];
	uint32_t i, serving = 0, finished = 0, spare = 0;
	char more[64] = "";

	for (i = 0; i < in->nslots; i++) {
		serving += in->slot[i].state == SLOT_SERVING;
		spare += in->slot[i].spare;
		finished += in->slot[i].finished && !in->slot[i].spare;
	}
	if (finished > 0)
		snprintf(more, sizeof(more), ", %u finished", finished);
	if (spare > 0)
		snprintf(more + strlen(more), sizeof(more) - strlen(more),
		    ", %u spare", spare);
	view_age(board_real_us() - b->head.started_us, age, sizeof(age));
	if (in->health == INST_WELL)
		fprintf(out, "%s: all is well: %u of %u slots serve%s, up "
		    "%s\n", in->name, serving, in->nslots, more, age);
	else
		fprintf(out, "%s: %s: %s\n", in->name,
		    inst_health_names[in->health],
		    in->nreasons > 0 ? in->reason[0] : "unknown");
	for (i = 1; i < in->nreasons; i++)
		fprintf(out, "            %s\n", in->reason[i]);
	fprintf(out, "\nprimary     pid %u%s, generation %u, build %.31s\n",
	    b->head.pid, in->primary_alive ? "" : " (dead)",
	    b->head.generation, b->head.build);
	fprintf(out, "supervisor  pid %u%s\n", atomic_load(&b->super.pid),
	    in->super_alive ? "" : " (dead)");
	print_ports(b, out);
	for (i = 0; i < in->nstandbys; i++)
		fprintf(out, "standby     pid %u%s\n", in->standby[i].pid,
		    in->standby[i].ready ? ", waits to take over a slot" :
		    ", starting");
	fputc('\n', out);
	view_workers(in, out);
	for (i = 0; i < in->nslots; i++) {
		fault_text(&b->slot[in->slot[i].number], drops, sizeof(drops));
		if (drops[0] != '\0')
			fprintf(out, "\nfaults made in slot %u: %s\n",
			    in->slot[i].number, drops);
		if (in->slot[i].state != SLOT_DEAD || !crash_known(in, i))
			continue;
		fputc('\n', out);
		crash_text(in, i, out);
	}
	view_drops(in, drops, sizeof(drops));
	if (drops[0] != '\0') {
		fputc('\n', out);
		print_wrapped("dropped  ", drops, out);
	}
}
