/* TCP over IPv6 between two stacks: RFC 9293 over RFC 8200, with losses. */
#include "../lib/ipbed.h"

#define TOTAL	400000u		/* bytes that the client sends */

struct end {
	struct plain s;
	struct plain_box out;
	uint32_t sent, got;	/* bytes */
	uint32_t opened, gone;
	bool client, wrong;
};

static struct end ends[2];
static uint32_t drops;		/* one frame of so many; 0: none */
static uint32_t frames;

static uint8_t
byte_at(uint32_t i)
{
	return (uint8_t)(i * 13 + i / 251);
}

static void
send_some(struct end *e, struct conn *c)
{
	uint8_t buf[2000];
	uint32_t n, i;

	while (e->sent < TOTAL) {
		n = TOTAL - e->sent < sizeof(buf) ? TOTAL - e->sent :
		    (uint32_t)sizeof(buf);
		for (i = 0; i < n; i++)
			buf[i] = byte_at(e->sent + i);
		i = conn_write(e->s.net, c, buf, n);
		e->sent += i;
		if (i < n) {
			conn_want_room(e->s.net, c, 1000);
			return;
		}
	}
	conn_shutdown(e->s.net, c);
}

static void
event(void *arg, struct conn *c, uint32_t events)
{
	struct end *e = arg;
	const uint8_t *p;
	uint32_t n, i;

	e->opened += (events & CONN_OPEN) != 0;
	if (events & CONN_GONE) {
		e->gone++;
		return;
	}
	while ((n = conn_peek(e->s.net, c, 0, &p)) > 0) {
		for (i = 0; i < n; i++)
			e->wrong |= p[i] != byte_at(e->got + i);
		e->got += n;
		conn_consume(e->s.net, c, n);
	}
	if (e->client)
		send_some(e, c);
	if (conn_eof(c))
		conn_close(e->s.net, c);
}

static void
setup(void)
{
	uint32_t k;

	memset(ends, 0, sizeof(ends));
	drops = frames = 0;
	now = 1000000;
	for (k = 0; k < 2; k++) {
		struct plain *h = &ends[k].s;
		struct net_port_conf *p = &h->conf.port[0];

		plain_conf(h, (uint8_t)(k + 1), 16);
		memcpy(p->addr[0].addr, us6, 16);
		p->addr[0].addr[15] = (uint8_t)(k + 1);
		p->addr[0].family = 6;
		p->addr[0].prefix = 64;
		p->nodad = k == 1;
		h->env.event = event;
		h->env.arg = &ends[k];
		plain_init(h, now);
		plain_send(h, &ends[k].out);
	}
}

static void
teardown(void)
{
	uint32_t k;

	for (k = 0; k < 2; k++) {
		ck_assert_ptr_null(plain_count(&ends[k].s));
		plain_fini(&ends[k].s);
	}
}

/* Both take what the other sent, less what is lost, then time passes. */
static void
exchange(uint64_t us)
{
	static struct plain_box box[2];
	uint32_t k, i;

	for (k = 0; k < 2; k++) {
		struct plain_box *from = &ends[!k].out;

		box[k].n = 0;
		for (i = 0; i < from->n; i++) {
			if (drops != 0 && ++frames % drops == 0)
				continue;
			box[k].len[box[k].n] = from->len[i];
			memcpy(box[k].data[box[k].n++], from->data[i],
			    from->len[i]);
		}
	}
	now += us;
	for (k = 0; k < 2; k++)
		plain_turn(&ends[k].s, &box[k], &ends[k].out, now);
}

/* Open a connection from 0 to 1; both know it when this returns. */
static void
open_conn(void)
{
	struct net_addr to = { .family = 6, .port = 80 };
	struct conn *c;
	uint32_t k;

	memcpy(to.addr, us6, 16);
	to.addr[15] = 2;
	ck_assert_int_eq(net_listen(ends[1].s.net, &to), 0);
	/* duplicate address detection */
	ck_assert_int_eq(net_connect(ends[0].s.net, NULL, &to, now, &c), -101);
	exchange(1000);
	exchange(1100000);
	ends[0].client = true;
	ck_assert_int_eq(net_connect(ends[0].s.net, NULL, &to, now, &c), 0);
	ck_assert_mem_eq(c->t.laddr, us6, 16);
	for (k = 0; k < 20 && ends[1].opened == 0; k++)
		exchange(1000);
	ck_assert_uint_eq(ends[0].opened, 1);
	ck_assert_uint_eq(ends[1].opened, 1);
}

START_TEST(a_stream_arrives_whole)
{
	static const uint32_t rate[] = { 0, 50, 11, 7 };
	uint32_t k;

	open_conn();
	drops = rate[_i];
	for (k = 0; k < 60000 && ends[1].got < TOTAL; k++)
		exchange(2000);
	ck_assert_uint_eq(ends[1].got, TOTAL);
	ck_assert(!ends[1].wrong);
	drops = 0;
	for (k = 0; k < 1000; k++)
		exchange(100000);
	ck_assert_uint_eq(ends[0].s.net->nconns, 0);
	ck_assert_uint_eq(ends[1].s.net->nconns, 0);
	ck_assert_uint_eq(ends[0].s.counters[CNT_drop_tcp_csum] +
	    ends[1].s.counters[CNT_drop_tcp_csum], 0);
}
END_TEST

/* A stream goes on where the dead process left it. */
START_TEST(a_stream_outlives_its_process)
{
	uint32_t k;

	open_conn();
	for (k = 0; k < 60000 && ends[1].got < TOTAL; k++) {
		exchange(2000);
		if (k % 20 == 19) {
			ends[1].out.n = 0;	/* lost with the process */
			ck_assert_ptr_null(plain_adopt(&ends[1].s, 80, now));
		}
	}
	ck_assert_uint_eq(ends[1].got, TOTAL);
	ck_assert(!ends[1].wrong);
	ck_assert_uint_eq(ends[0].gone, 0);
}
END_TEST

START_TEST(a_closed_port_refuses)
{
	struct net_addr to = { .family = 6, .port = 81 };
	struct conn *c;
	uint32_t k;

	open_conn();
	memcpy(to.addr, us6, 16);
	to.addr[15] = 2;
	ck_assert_int_eq(net_connect(ends[0].s.net, NULL, &to, now, &c), 0);
	for (k = 0; k < 10 && ends[0].gone == 0; k++)
		exchange(1000);
	ck_assert_uint_eq(ends[0].gone, 1);
	ck_assert_uint_eq(ends[1].s.counters[CNT_drop_tcp_no_listener], 1);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("tcp_ip6");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_stream_arrives_whole, 0, 4);
	tcase_add_test(t, a_stream_outlives_its_process);
	tcase_add_test(t, a_closed_port_refuses);
	return bed_main(t, "tcp_ip6");
}
