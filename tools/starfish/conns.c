/*
 * conns: connections, read from the arenas while their owners work. Values
 * may be of two moments.
 */
#include <inttypes.h>
#include <string.h>

#include "view.h"

typedef void (*conn_fn)(void *arg, uint32_t slot, const struct conn_info *);

/* Call fn for every record in use; how many. */
static uint64_t
each_conn(const struct view *v, conn_fn fn, void *arg, uint32_t *unread)
{
	struct conn_info ci;
	struct inst_map m;
	uint64_t n = 0;
	uint32_t i, id;
	int r;

	for (i = 0; i < v->in.nslots; i++) {
		if (v->rq->slot != BOARD_NONE && v->rq->slot != i)
			continue;
		if (inst_map(&v->in, i, &m) < 0) {
			*unread |= 1u << i;
			continue;
		}
		for (id = 0; ; id++) {
			r = arena_conn_info(m.arena, m.len, id, &ci);
			if (r < 0)
				break;
			if (r == 0)
				continue;
			fn(arg, i, &ci);
			n++;
		}
		/* an arena that no worker made yet is empty, not damaged */
		if (id == 0 && v->in.slot[i].epoch > 0)
			*unread |= 1u << i;
		inst_unmap(&m);
	}
	return n;
}

static void
end_text(const uint8_t addr[16], uint8_t family, uint16_t port, char *buf,
    size_t len)
{
	char host[48];

	inst_addr(addr, family, host, sizeof(host));
	snprintf(buf, len, family == 6 ? "[%s]:%u" : "%s:%u", host, port);
}

static void
print_conn(void *arg, uint32_t slot, const struct conn_info *ci)
{
	char local[64], remote[64], sndq[16], rcvq[16], cwnd[16];
	FILE *out = arg;

	end_text(ci->laddr, ci->family, ci->lport, local, sizeof(local));
	end_text(ci->raddr, ci->family, ci->rport, remote, sizeof(remote));
	view_short(ci->sndq, sndq, sizeof(sndq));
	view_short(ci->rcvq, rcvq, sizeof(rcvq));
	view_short(ci->cwnd, cwnd, sizeof(cwnd));
	fprintf(out, "%4u %-12s %-21s %-21s %6s %6s %6s %8.3f %7u\n", slot,
	    tcp_state_names[ci->state], local, remote, sndq, rcvq, cwnd,
	    ci->srtt_us / 1000.0, ci->retrans);
}

static void
print_unread(uint32_t unread)
{
	uint32_t i;

	for (i = 0; unread >> i != 0; i++)
		if (unread & 1u << i)
			fprintf(stderr, "starfish: the arena of slot %u cannot "
			    "be read\n", i);
}

void
conns_text(struct view *v, FILE *out)
{
	uint32_t unread = 0;
	uint64_t n;

	fprintf(out, "%4s %-12s %-21s %-21s %6s %6s %6s %8s %7s\n", "slot",
	    "state", "local", "remote", "sndq", "rcvq", "cwnd", "rtt ms",
	    "retrans");
	n = each_conn(v, print_conn, out, &unread);
	fprintf(out, "%" PRIu64 " connection%s\n", n, n == 1 ? "" : "s");
	print_unread(unread);
}

static void
add_conn(void *arg, uint32_t slot, const struct conn_info *ci)
{
	char local[64], remote[64];
	json_t *list = arg;

	end_text(ci->laddr, ci->family, ci->lport, local, sizeof(local));
	end_text(ci->raddr, ci->family, ci->rport, remote, sizeof(remote));
	json_array_append_new(list, json_pack("{s:i, s:I, s:s, s:s, s:s, s:i,"
	    " s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	    "slot", (int)slot,
	    "id", (json_int_t)ci->id,
	    "state", tcp_state_names[ci->state],
	    "local", local,
	    "remote", remote,
	    "bucket", (int)ci->bucket,
	    "sndq", (json_int_t)ci->sndq,
	    "rcvq", (json_int_t)ci->rcvq,
	    "inflight", (json_int_t)ci->inflight,
	    "cwnd", (json_int_t)ci->cwnd,
	    "ssthresh", (json_int_t)ci->ssthresh,
	    "srtt_us", (json_int_t)ci->srtt_us,
	    "rto_us", (json_int_t)ci->rto_us,
	    "snd_wnd", (json_int_t)ci->snd_wnd,
	    "rcv_wnd", (json_int_t)ci->rcv_wnd,
	    "retrans", (json_int_t)ci->retrans,
	    "bytes_in", (json_int_t)ci->bytes_in,
	    "bytes_out", (json_int_t)ci->bytes_out));
}

json_t *
conns_json(struct view *v)
{
	json_t *list = json_array();
	uint32_t unread = 0;

	each_conn(v, add_conn, list, &unread);
	print_unread(unread);
	return list;
}
