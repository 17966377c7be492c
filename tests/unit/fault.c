/*
 * Faults made on purpose: their options as text, and cutting a segment in two.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/conf.h"
#include "../../secondary/io/halve.c"

#define ROOM	(PKT_HEADROOM + 2048u)

struct row {
	const char *text, *after, *err;
};

/* Each row changes what the rows before it left. */
static const struct row rows[] = {
	{ "drop=10000,seed=7", "drop=10000 seed=7", NULL },
	{ "split_io=true", "split_io=true drop=10000 seed=7", NULL },
	{ "crash=event,after=3", "split_io=true drop=10000 crash=\"event\" "
	  "after=3 seed=7", NULL },
	{ "drop=1000001", NULL, "drop=1000001: allowed 0 to 1000000" },
	{ "drop", NULL, "\"drop\": allowed off, or OPTION=VALUE" },
	{ "dorp=1", NULL, "\"dorp\": allowed off, or OPTION=VALUE" },
	{ "split_io=1", NULL, "split_io=1: allowed true" },
	{ "freeze=there", NULL, "freeze=there: allowed" },
	{ "crash=none,drop=0", "split_io=true after=3 seed=7", NULL },
	{ "off", "", NULL },
};

START_TEST(options_are_set_by_text_or_refused_with_what_is_allowed)
{
	uint32_t i, word[FAULT_WORDS];
	char err[256], text[256];
	struct conf_fault f, keep;

	ck_assert_int_eq(conf_fault_set(memset(&f, 0, sizeof(f)), "off", err,
	    sizeof(err)), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		keep = f;
		if (rows[i].err != NULL) {
			ck_assert_int_eq(conf_fault_set(&f, rows[i].text, err,
			    sizeof(err)), -EINVAL);
			ck_assert_msg(strstr(err, rows[i].err) != NULL,
			    "%s: %s", rows[i].text, err);
			f = keep;
			continue;
		}
		ck_assert_int_eq(conf_fault_set(&f, rows[i].text, err,
		    sizeof(err)), 0);
		/* over the board and back */
		conf_fault_words(&f, word);
		conf_fault_from(&f, word);
		conf_fault_text(&f, text, sizeof(text));
		ck_assert_str_eq(text, rows[i].after);
	}
}
END_TEST

/* The Internet checksum anew: not the one under test. */
static uint32_t
add(uint32_t acc, const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		acc += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return acc;
}

static uint32_t
ends(uint32_t acc)
{
	while (acc >> 16 != 0)
		acc = (acc & 0xffff) + (acc >> 16);
	return ~acc & 0xffff;
}

static struct pkt *
frame(void)
{
	struct pkt *p = aligned_alloc(64, (sizeof(*p) + ROOM + 63) & ~63u);

	ck_assert_ptr_nonnull(p);
	memset(p, 0, sizeof(*p) + ROOM);
	p->room = ROOM;
	pkt_reset(p, PKT_HEADROOM);
	return p;
}

/* Where the network header and TCP's begin in segment(). */
static uint32_t
l3(bool vlan)
{
	return vlan ? 18 : 14;
}

/* A segment with n bytes of payload, 12 of options, sequence 0xfffffff0. */
static struct pkt *
segment(bool six, bool vlan, uint32_t n, uint8_t flags)
{
	struct pkt *p = frame();
	uint8_t *d = pkt_data(p), *ip = d + l3(vlan), *tcp;
	uint32_t i, len = 32 + n, c;

	if (vlan)
		memcpy(d + 12, (uint8_t[]){ 0x81, 0, 0, 5 }, 4);
	memcpy(ip - 2, six ? (uint8_t[]){ 0x86, 0xdd } :
	    (uint8_t[]){ 8, 0 }, 2);
	tcp = ip + (six ? 40 : 20);
	if (six) {
		ip[0] = 0x60;
		ip[4] = (uint8_t)(len >> 8);
		ip[5] = (uint8_t)len;
		ip[6] = 6;
		memset(ip + 8, 0x20, 32);
	} else {
		ip[0] = 0x45;
		ip[2] = (uint8_t)((len + 20) >> 8);
		ip[3] = (uint8_t)(len + 20);
		ip[9] = 6;
		memset(ip + 12, 10, 8);
		c = ends(add(0, ip, 20));
		ip[10] = (uint8_t)(c >> 8);
		ip[11] = (uint8_t)c;
	}
	memcpy(tcp, (uint8_t[]){ 1, 2, 3, 4, 255, 255, 255, 0xf0 }, 8);
	tcp[12] = 0x80;
	tcp[13] = flags;
	for (i = 0; i < n; i++)
		tcp[32 + i] = (uint8_t)(i * 7 + 1);
	c = add(6 + len, six ? ip + 8 : ip + 12, six ? 32 : 8);
	c = ends(add(c, tcp, len));
	tcp[16] = (uint8_t)(c >> 8);
	tcp[17] = (uint8_t)c;
	p->len = (uint32_t)(tcp - d) + len;
	p->port = 3;
	return p;
}

/* A half is a whole segment by itself: lengths, sums, sequence, bytes. */
static void
whole(const struct pkt *p, bool six, bool vlan, uint32_t from, uint32_t n)
{
	const uint8_t *ip = pkt_data(p) + l3(vlan);
	const uint8_t *tcp = ip + (six ? 40 : 20);
	uint32_t len = 32 + n, i, c, seq;

	ck_assert_uint_eq(p->len, (uint32_t)(tcp - pkt_data(p)) + len);
	ck_assert_uint_eq(p->port, 3);
	if (six) {
		ck_assert_uint_eq((uint32_t)(ip[4] << 8 | ip[5]), len);
	} else {
		ck_assert_uint_eq((uint32_t)(ip[2] << 8 | ip[3]), len + 20);
		ck_assert_uint_eq(ends(add(0, ip, 20)), 0);
	}
	c = add(6 + len, six ? ip + 8 : ip + 12, six ? 32 : 8);
	ck_assert_uint_eq(ends(add(c, tcp, len)), 0);
	seq = (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 |
	    (uint32_t)tcp[6] << 8 | tcp[7];
	ck_assert_uint_eq(seq, 0xfffffff0u + from);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(tcp[32 + i], (uint8_t)((from + i) * 7 + 1));
}

START_TEST(halves_are_segments_of_their_own)
{
	static const uint32_t len[] = { 2, 3, 40, 1001, 1448 };
	uint32_t i, k, n;

	for (i = 0; i < 5 * 4; i++) {
		bool six = (i & 1) != 0, vlan = (i & 2) != 0;
		struct pkt *p, *q = frame();

		n = len[i / 4];
		p = segment(six, vlan, n, 0x19);	/* FIN PSH ACK */
		ck_assert(halve(p, q));
		whole(p, six, vlan, 0, (n + 1) / 2);
		whole(q, six, vlan, (n + 1) / 2, n / 2);
		/* what stands at the end belongs to the second one */
		k = l3(vlan) + (six ? 40 : 20) + 13;
		ck_assert_uint_eq(pkt_data(p)[k], 0x10);
		ck_assert_uint_eq(pkt_data(q)[k], 0x19);
		free(p);
		free(q);
	}
}
END_TEST

START_TEST(what_cannot_be_cut_stays_as_it_is)
{
	struct pkt *q = frame(), *p, *was;
	uint32_t i;

	for (i = 0; i < 6; i++) {
		p = segment(false, false, i == 0 ? 1 : 100, i == 1 ? 2 : 0x10);
		if (i == 2)
			pkt_data(p)[14 + 20 + 40] ^= 1;	/* a wrong sum */
		if (i == 3)
			pkt_data(p)[14 + 9] = 17;	/* UDP */
		if (i == 4)
			pkt_data(p)[14 + 6] = 0x20;	/* a fragment */
		if (i == 5)
			pkt_data(p)[13] = 6;		/* ARP */
		was = frame();
		memcpy(was, p, sizeof(*p) + ROOM);
		ck_assert_msg(!halve(p, q), "row %u", i);
		ck_assert(memcmp(was, p, sizeof(*p) + ROOM) == 0);
		free(was);
		free(p);
	}
	free(q);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fault");
	TCase *t = tcase_create("fault");
	SRunner *r;
	int failed;

	tcase_add_test(t,
	    options_are_set_by_text_or_refused_with_what_is_allowed);
	tcase_add_test(t, halves_are_segments_of_their_own);
	tcase_add_test(t, what_cannot_be_cut_stays_as_it_is);
	suite_add_tcase(suite, t);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
