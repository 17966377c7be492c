#include "http_chunk.h"
#include "http_lex.h"

static int
digit(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* Visible characters, blanks and bytes above 127. */
static bool
is_text(uint8_t b)
{
	return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/*
 * A chunk extension (RFC 9112, 7.1.1): ";" name ["=" (token or string)], with
 * blanks about ";" and "=". Nothing else stands behind a size.
 */
static uint8_t
in_ext(uint8_t state, uint8_t b)
{
	bool blank = b == ' ' || b == '\t';
	bool token = http_is_lex((char)b, LEX_TOKEN);

	switch (state) {
	case HC_EXT_PRE:		/* blanks behind the size or a value */
		return blank ? HC_EXT_PRE : b == ';' ? HC_EXT : HC_BAD;
	case HC_EXT:
		return blank ? HC_EXT : token ? HC_EXT_NAME : HC_BAD;
	case HC_EXT_NAME:
	case HC_EXT_BWS:		/* blanks behind a name */
		if (b == '=')
			return HC_EXT_EQ;
		if (blank)
			return HC_EXT_BWS;
		if (token && state == HC_EXT_NAME)
			return HC_EXT_NAME;
		break;
	case HC_EXT_EQ:
		return blank ? HC_EXT_EQ : b == '"' ? HC_EXT_STR :
		    token ? HC_EXT_VAL : HC_BAD;
	case HC_EXT_STR:
		return b == '"' ? HC_EXT_DONE : b == '\\' ? HC_EXT_ESC :
		    is_text(b) ? HC_EXT_STR : HC_BAD;
	case HC_EXT_ESC:
		return is_text(b) ? HC_EXT_STR : HC_BAD;
	default:			/* HC_EXT_VAL, HC_EXT_DONE */
		if (token && state == HC_EXT_VAL)
			return HC_EXT_VAL;
		if (blank)
			return HC_EXT_PRE;
		break;
	}
	/* A name or a value was whole; blanks before the end are not. */
	if (b == ';')
		return HC_EXT;
	return b == '\r' && state != HC_EXT_BWS ? HC_SIZE_LF : HC_BAD;
}

/* The line with the size ended. */
static uint8_t
size_done(struct http_chunk *c)
{
	c->line = 0;
	if (c->left > 0)
		return HC_DATA;
	c->last = 1;
	return HC_TRAILER;
}

static uint8_t
in_size(struct http_chunk *c, uint8_t b)
{
	int d = digit(b);

	if (++c->line > CHUNK_LINE)
		return HC_BAD;
	switch (c->state) {
	case HC_SIZE:
	case HC_DIGITS:
		if (d >= 0) {
			/* Above 2^60 nothing was ever meant seriously. */
			if (c->line > 16 || c->left >> 56 != 0)
				return HC_BAD;
			c->left = c->left << 4 | (uint64_t)d;
			return HC_DIGITS;
		}
		if (c->state == HC_SIZE)
			return HC_BAD;
		return b == '\r' ? HC_SIZE_LF : in_ext(HC_EXT_PRE, b);
	case HC_SIZE_LF:
		return b == '\n' ? size_done(c) : HC_BAD;
	default:
		return in_ext(c->state, b);
	}
}

static uint8_t
in_trailer(struct http_chunk *c, uint8_t b)
{
	if (++c->line > CHUNK_TRAILER)
		return HC_BAD;
	switch (c->state) {
	case HC_TRAILER:
		if (b == '\r')
			return HC_END_LF;
		return http_is_lex((char)b, LEX_TOKEN) ? HC_NAME : HC_BAD;
	case HC_NAME:
		if (b == ':')
			return HC_VALUE;
		return http_is_lex((char)b, LEX_TOKEN) ? HC_NAME : HC_BAD;
	case HC_VALUE:
		return b == '\r' ? HC_VALUE_LF : is_text(b) ? HC_VALUE :
		    HC_BAD;
	case HC_VALUE_LF:
		return b == '\n' ? HC_TRAILER : HC_BAD;
	default:
		return b == '\n' ? HC_END : HC_BAD;
	}
}

uint32_t
http_chunk_frame(struct http_chunk *c, const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		switch (c->state) {
		case HC_DATA:
		case HC_END:
		case HC_BAD:
			return i;
		case HC_DATA_CR:
			c->state = p[i] == '\r' ? HC_DATA_LF : HC_BAD;
			break;
		case HC_DATA_LF:
			c->state = p[i] == '\n' ? HC_SIZE : HC_BAD;
			c->line = 0;
			break;
		default:
			c->state = c->last ? in_trailer(c, p[i]) :
			    in_size(c, p[i]);
			break;
		}
	}
	return i;
}
