/*
 * tcp_opt: the header's fields and options, read and written.
 */
#include <string.h>

#include "tcp_priv.h"

/* Kinds, IANA's registry. */
#define OPT_END		0u
#define OPT_NOP		1u
#define OPT_MSS		2u
#define OPT_WSCALE	3u
#define OPT_SACK_OK	4u
#define OPT_SACK	5u
#define OPT_TS		8u

static void
opt_sack(const uint8_t *o, uint32_t len, struct tcp_seg_in *s)
{
	uint32_t i, k = (len - 2) / 8;

	/* RFC 2018 §3: 8 bytes per block; four fill the option space */
	for (i = 0; i < k && s->nsack < TCP_SACKS; i++) {
		s->sack[s->nsack].start = get_be32(o + 2 + 8 * i);
		s->sack[s->nsack].end = get_be32(o + 6 + 8 * i);
		s->nsack++;
	}
}

/* One option of len bytes, kind and length included. */
static void
opt_one(const uint8_t *o, uint32_t len, struct tcp_seg_in *s)
{
	bool syn = (s->flags & TH_SYN) != 0;

	/* a known option of another length, or in the wrong kind of segment,
	 * counts as unknown (RFC 9293 §3.1: it is skipped) */
	switch (o[0]) {
	case OPT_MSS:
		if (syn && len == 4)
			s->mss = get_be16(o + 2);
		if (syn && len == 4 && s->mss < TCP_MSS_MIN)
			s->mss = TCP_MSS_MIN;
		break;
	case OPT_WSCALE:
		/* RFC 7323 §2.3: a shift above 14 counts as 14 */
		if (syn && len == 3)
			s->wscale = o[2] > TCP_WSCALE_MAX ?
			    TCP_WSCALE_MAX : o[2];
		break;
	case OPT_SACK_OK:
		if (syn && len == 2)
			s->sack_ok = true;
		break;
	case OPT_SACK:
		if (!syn && len >= 10 && (len - 2) % 8 == 0)
			opt_sack(o, len, s);
		break;
	case OPT_TS:
		if (len == 10) {
			s->ts = true;
			s->tsval = get_be32(o + 2);
			s->tsecr = get_be32(o + 6);
		}
		break;
	default:
		break;
	}
}

bool
tcp_opt_parse(const uint8_t *o, uint32_t len, struct tcp_seg_in *s)
{
	uint32_t i = 0, l;

	/* what everybody sends in all but a SYN, RFC 7323 appendix A */
	if (len == 12 && get_be32(o) == TCP_TS_WORD) {
		s->ts = true;
		s->tsval = get_be32(o + 4);
		s->tsecr = get_be32(o + 8);
		return true;
	}
	while (i < len) {
		if (o[i] == OPT_END)
			return true;
		if (o[i] == OPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2)
			return false;
		l = o[i + 1];
		if (l < 2 || l > len - i)
			return false;
		opt_one(o + i, l, s);
		i += l;
	}
	return true;
}

bool
tcp_parse(struct tcp_seg_in *s, const uint8_t *h, uint32_t len)
{
	uint32_t hlen;

	if (len < TCP_HLEN)
		return false;
	hlen = (uint32_t)(h[12] >> 4) * 4;
	if (hlen < TCP_HLEN || hlen > len)
		return false;
	s->seq = get_be32(h + 4);
	s->ack = get_be32(h + 8);
	s->flags = h[13];
	s->wnd = get_be16(h + 14);
	s->off = hlen;
	s->len = len - hlen;
	s->mss = 0;
	s->wscale = TCP_WSCALE_NONE;
	s->nsack = 0;
	s->ts = s->sack_ok = false;
	return tcp_opt_parse(h + TCP_HLEN, hlen - TCP_HLEN, s);
}

uint32_t
tcp_opt_syn(uint8_t *o, uint16_t mss, uint8_t wscale, bool sack, bool ts,
    const uint32_t tsval_ecr[2])
{
	uint8_t *p = o;

	*p++ = OPT_MSS;
	*p++ = 4;
	put_be16(p, mss);
	p += 2;
	/* the order is Linux's: mss, sackOK, TS, nop, wscale */
	if (sack && !ts) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
	}
	if (sack) {
		*p++ = OPT_SACK_OK;
		*p++ = 2;
	}
	if (ts) {
		if (!sack) {
			*p++ = OPT_NOP;
			*p++ = OPT_NOP;
		}
		*p++ = OPT_TS;
		*p++ = 10;
		put_be32(p, tsval_ecr[0]);
		put_be32(p + 4, tsval_ecr[1]);
		p += 8;
	}
	if (wscale != TCP_WSCALE_NONE) {
		*p++ = OPT_NOP;
		*p++ = OPT_WSCALE;
		*p++ = 3;
		*p++ = wscale;
	}
	return (uint32_t)(p - o);
}
