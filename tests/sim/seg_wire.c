/*
 * seg_wire: packets of a script: made from a line, read into one.
 */
#include <stdio.h>
#include <string.h>

#include "seg.h"

#define TCP_LEN	20u

static const uint8_t peer_mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 2 };
static const uint8_t host_mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
static const uint8_t peer6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
static const uint8_t host6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };

uint8_t
seg_byte(uint32_t pos)
{
	return (uint8_t)(pos * 7 + (pos >> 8));
}

/* Options onto the wire; their length, padded to 4. */
static uint32_t
put_options(const struct seg_line *l, const struct seg_flow *f, uint8_t *o)
{
	static const uint8_t sizes[] = { 1, 1, 4, 3, 2, 10, 0, 0, 10 };
	const struct seg_opt *q;
	uint32_t i, n = 0, more;

	for (i = 0; i < l->nopts && n + 10 <= 40; i++) {
		q = &l->opt[i];
		/* Blocks that follow one another are one option. */
		if (q->kind == 5 && i > 0 && l->opt[i - 1].kind == 5) {
			put32(o + n, f->irs + (uint32_t)q->a);
			put32(o + n + 4, f->irs + (uint32_t)q->b);
			n += 8;
			continue;
		}
		o[n] = q->kind;
		if (q->kind > 1)
			o[n + 1] = sizes[q->kind];
		if (q->kind == 2)
			put16(o + n + 2, (uint32_t)q->a);
		if (q->kind == 3)
			o[n + 2] = (uint8_t)q->a;
		if (q->kind == 8) {
			put32(o + n + 2, (uint32_t)q->a);
			put32(o + n + 6, q->b == SEG_ANY ? f->ts_last :
			    q->b == 0 && !f->base_known ? 0 :
			    f->ts_base + (uint32_t)q->b);
		}
		if (q->kind == 5) {
			for (more = i; more < l->nopts &&
			    l->opt[more].kind == 5; more++)
				o[n + 1] = (uint8_t)(2 + 8 * (more - i + 1));
			put32(o + n + 2, f->irs + (uint32_t)q->a);
			put32(o + n + 6, f->irs + (uint32_t)q->b);
		}
		n += sizes[q->kind];
	}
	while (n % 4 != 0)
		o[n++] = 1;
	return n;
}

uint32_t
seg_build(const struct seg_line *l, const struct seg_flow *f, uint8_t family,
    uint8_t *b)
{
	uint32_t head = family == 4 ? 20 : 40, opt, i;
	uint8_t *t = b + head;

	memset(t, 0, TCP_LEN);
	opt = put_options(l, f, t + TCP_LEN);
	put16(t, f->port);
	put16(t + 2, f->local);
	put32(t + 4, f->iss + l->seq);
	if (l->ack_set)
		put32(t + 8, f->irs + l->ack);
	t[12] = (uint8_t)((TCP_LEN + opt) / 4 << 4);
	t[13] = l->flags;
	put16(t + 14, l->win < SEG_UNSET ? (uint32_t)l->win : 65535);
	/* A SYN stands before the stream. */
	for (i = 0; i < l->len; i++)
		t[TCP_LEN + opt + i] = seg_byte(l->seq + i);
	ip_put(b, 6, TCP_LEN + opt + l->len,
	    family == 4 ? peer_mapped : peer6,
	    family == 4 ? host_mapped : host6);
	if (family == 4) {
		b[1] = l->tos;
		ip_sign4(b);
	} else {
		b[0] |= (uint8_t)(l->tos >> 4);
		b[1] |= (uint8_t)(l->tos << 4);
	}
	ip_sign(b, TCP_LEN + opt + l->len, 16);
	return head + TCP_LEN + opt + l->len;
}

uint32_t
seg_build_icmp(const struct seg_line *l, const struct seg_flow *f,
    uint8_t family, uint8_t *b)
{
	uint32_t head = family == 4 ? 20 : 40, quote = head + 8;
	uint64_t type, code, mtu, seq;
	uint8_t *m = b + head, *q = m + 8 + head;

	/* icmp TYPE CODE MTU SEQ */
	if (l->nwords != 4 || !seg_number(l->word[0], &type) ||
	    !seg_number(l->word[1], &code) ||
	    !seg_number(l->word[2], &mtu) || !seg_number(l->word[3], &seq))
		return 0;
	memset(m, 0, 8 + quote);
	m[0] = (uint8_t)type;
	m[1] = (uint8_t)code;
	put32(m + 4, (uint32_t)mtu);
	ip_put(m + 8, 6, 1000, family == 4 ? host_mapped : host6,
	    family == 4 ? peer_mapped : peer6);
	put16(q, f->local);
	put16(q + 2, f->port);
	put32(q + 4, f->irs + (uint32_t)seq);
	ip_put(b, family == 4 ? 1 : 58, 8 + quote,
	    family == 4 ? peer_mapped : peer6,
	    family == 4 ? host_mapped : host6);
	ip_sign(b, 8 + quote, 2);
	return head + 8 + quote;
}

static bool
read_option(struct seg_line *l, struct seg_flow *f, const uint8_t *o,
    uint32_t n)
{
	struct seg_opt *q = &l->opt[l->nopts];
	uint32_t i;

	if (l->nopts == SEG_OPTS)
		return false;
	q->kind = o[0];
	if (o[0] == 2 && n == 4)
		q->a = get16(o + 2);
	if (o[0] == 3 && n == 3)
		q->a = o[2];
	if (o[0] == 8 && n == 10) {
		if (!f->base_known)
			f->ts_base = get32(o + 2);
		f->base_known = true;
		f->ts_last = get32(o + 2);
		q->a = (uint32_t)(f->ts_last - f->ts_base);
		q->b = get32(o + 6);
	}
	if (o[0] != 5) {
		l->nopts++;
		return true;
	}
	for (i = 2; i + 8 <= n && l->nopts < SEG_OPTS; i += 8) {
		q = &l->opt[l->nopts++];
		q->kind = 5;
		q->a = (uint32_t)(get32(o + i) - f->iss);
		q->b = (uint32_t)(get32(o + i + 4) - f->iss);
	}
	return true;
}

static const char *
read_payload(const struct seg_line *l, const uint8_t *p)
{
	static char why[80];
	uint32_t i;

	for (i = 0; i < l->len; i++) {
		if (p[i] == seg_byte(l->seq + i))
			continue;
		snprintf(why, sizeof(why), "byte %u of the stream is wrong",
		    l->seq + i);
		return why;
	}
	return NULL;
}

const char *
seg_read(struct seg_line *l, struct seg_flow *f, const uint8_t *ip,
    uint32_t len)
{
	uint32_t head = ip[0] >> 4 == 4 ? 20 : 40, hl, n;
	const uint8_t *t = ip + head, *o, *end;

	memset(l, 0, sizeof(*l));
	if (len < head + TCP_LEN || ip_csum(t, len - head,
	    ip_pseudo(ip, len - head)) != 0)
		return "its checksum is wrong";
	hl = (t[12] >> 4) * 4u;
	if (hl < TCP_LEN || head + hl > len)
		return "its header is malformed";
	l->flags = t[13];
	if (l->flags & 0x02 && !f->irs_known) {
		f->irs = get32(t + 4);
		f->irs_known = true;
	}
	l->tos = ip[0] >> 4 == 4 ? ip[1] :
	    (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	l->tos_set = l->opts_set = true;
	l->seq = get32(t + 4) - f->irs;
	l->len = len - head - hl;
	l->end = l->seq + l->len;
	l->ack_set = (l->flags & 0x10) != 0;
	l->ack = get32(t + 8) - f->iss;
	l->win = get16(t + 14);
	for (o = t + TCP_LEN, end = t + hl; o < end && *o != 0; o += n) {
		n = *o == 1 ? 1 : o + 1 < end ? o[1] : 0;
		if (n == 0 || o + n > end || !read_option(l, f, o, n))
			return "its options are malformed";
	}
	return read_payload(l, t + hl);
}

static bool
same(uint64_t want, uint64_t got)
{
	return want == SEG_ANY || want == got;
}

static bool
options_differ(const struct seg_line *want, const struct seg_line *got)
{
	uint32_t i;

	if (want->nopts != got->nopts)
		return true;
	for (i = 0; i < want->nopts; i++)
		if (want->opt[i].kind != got->opt[i].kind ||
		    !same(want->opt[i].a, got->opt[i].a) ||
		    !same(want->opt[i].b, got->opt[i].b))
			return true;
	return false;
}

const char *
seg_differs(const struct seg_line *want, const struct seg_line *got)
{
	/* PSH is compared only where a script speaks of it. */
	if ((want->flags ^ got->flags) & (want->flags & 0x08 ? 0xff : 0xf7))
		return "flags";
	if (want->seq != got->seq)
		return "sequence number";
	if (want->len != got->len)
		return "payload length";
	if (want->ack_set && want->ack != got->ack)
		return "acknowledgement";
	if (want->win < SEG_UNSET && want->win != got->win)
		return "window";
	if (want->tos_set && want->tos != got->tos)
		return "type of service";
	if (want->opts_set && options_differ(want, got))
		return "options";
	return NULL;
}
