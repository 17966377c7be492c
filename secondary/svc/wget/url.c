/*
 * url: what to fetch. Names are not resolved here: the stack has no resolver,
 * and a load client should not measure one. `starfish wget` resolves them and
 * gives the address.
 */
#include <errno.h>

#include "../../proto/http_lex.h"
#include "url.h"

/* Digits at *s as a number up to most, moved behind them; -1: none, more. */
static int32_t
number(const char **s, int32_t most)
{
	int32_t v = -1;

	for (; **s >= '0' && **s <= '9'; (*s)++) {
		v = (v < 0 ? 0 : v * 10) + (**s - '0');
		if (v > most)
			return -1;
	}
	return v;
}

static int
ip4(const char **s, uint8_t addr[4])
{
	uint32_t i;
	int32_t v;

	for (i = 0; i < 4; i++) {
		if (i > 0 && *(*s)++ != '.')
			return -1;
		v = number(s, 255);
		if (v < 0)
			return -1;
		addr[i] = (uint8_t)v;
	}
	return 0;
}

/* Up to four hexadecimal digits; -1: none, or more. */
static int32_t
group(const char **s)
{
	int32_t v = 0;
	uint32_t n;
	char c;

	for (n = 0; n < 5 && http_is_lex(**s, LEX_HEX); n++, (*s)++) {
		c = **s | 0x20;
		v = v * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return n == 0 || n > 4 ? -1 : v;
}

/* RFC 4291, 2.2: groups, "::" once, the last two as IPv4. */
static int
ip6(const char **s, uint8_t addr[16])
{
	uint32_t n = 0, gap = UINT32_MAX;
	const char *from;
	int32_t v;

	memset(addr, 0, 16);
	if ((*s)[0] == ':' && (*s)[1] == ':') {
		gap = 0;
		*s += 2;
	}
	while (n < 16 && http_is_lex(**s, LEX_HEX)) {
		from = *s;
		v = group(s);
		if (**s == '.' && n <= 12) {
			*s = from;
			if (ip4(s, addr + n) < 0)
				return -1;
			n += 4;
			break;
		}
		if (v < 0)
			return -1;
		addr[n++] = (uint8_t)(v >> 8);
		addr[n++] = (uint8_t)v;
		if (**s != ':')
			break;
		if ((*s)[1] == ':') {
			if (gap != UINT32_MAX)
				return -1;
			gap = n;
			(*s)++;
		} else if (!http_is_lex((*s)[1], LEX_HEX)) {
			return -1;
		}
		(*s)++;
	}
	if (gap == UINT32_MAX)
		return n == 16 ? 0 : -1;
	if (n == 16)
		return -1;
	memmove(addr + 16 - (n - gap), addr + gap, n - gap);
	memset(addr + gap, 0, 16 - n);
	return 0;
}

/* An address of either family, up to a character that is none of it. */
static int
address(const char **s, struct net_addr *a)
{
	const char *p;

	for (p = *s; http_is_lex(*p, LEX_HEX); p++)
		;
	a->family = *p == ':' ? 6 : 4;
	return a->family == 6 ? ip6(s, a->addr) : ip4(s, a->addr);
}

/* The host at *s, which is `given` if that is not "". */
static int
host(const char **s, const char *given, struct net_addr *server,
    const char **why)
{
	bool bracket = **s == '[';
	const char *at = *s + bracket;

	*why = "the host must be an IPv4 address, or an IPv6 address in "
	    "brackets; a name needs `address`, as `starfish wget` finds it";
	if (given[0] != '\0') {
		*s += strcspn(*s, bracket ? "]" : ":/");
		if (bracket && *(*s)++ != ']')
			return -EINVAL;
		*why = "`address` is no IP address";
		if (address(&given, server) < 0 || *given != '\0')
			return -EINVAL;
		return 0;
	}
	if (address(&at, server) < 0 || (server->family == 6) != bracket ||
	    (bracket && *at++ != ']'))
		return -EINVAL;
	if (*at != '\0' && *at != ':' && *at != '/')
		return -EINVAL;
	*s = at;
	return 0;
}

int
wget_url(const char *url, const char *scheme, const char *given,
    struct net_addr *server, const char **path, const char **why)
{
	const char *s = url + strlen(scheme), *from = s;
	int32_t v;

	memset(server, 0, sizeof(*server));
	*why = "must start with http://";
	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return -EINVAL;
	if (host(&s, given, server, why) < 0)
		return -EINVAL;
	*why = "the host has characters that no host has";
	if (s == from)
		return -EINVAL;
	for (; from < s; from++) {
		if (!http_is_lex(*from, LEX_HOST) && strchr("[]:", *from) ==
		    NULL)
			return -EINVAL;
	}
	server->port = 80;
	if (*s == ':') {
		s++;
		v = number(&s, 65535);
		*why = "the port must be from 1 to 65535";
		if (v < 1)
			return -EINVAL;
		server->port = (uint16_t)v;
	}
	*path = *s == '\0' ? "/" : s;
	*why = "the path must start with '/' and hold no blanks, '#' or "
	    "control characters";
	if (**path != '/')
		return -EINVAL;
	for (s = *path; *s != '\0'; s++) {
		if (!http_is_lex(*s, LEX_TARGET))
			return -EINVAL;
	}
	return 0;
}
