/*
 * url: what to fetch. Names are not resolved: the stack has no resolver, and
 * a load client should not measure one.
 */
#include <errno.h>

#include "../../proto/http_lex.h"
#include "wget_priv.h"

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

int
wget_url(const char *url, struct net_addr *server, const char **path,
    const char **why)
{
	const char *s = url;
	int32_t v;
	uint32_t i;

	memset(server, 0, sizeof(*server));
	*why = "must start with http://";
	if (strncmp(s, "http://", 7) != 0)
		return -EINVAL;
	*why = "the host must be an IPv4 address, names are not resolved";
	for (s += 7, i = 0; i < 4; i++) {
		if (i > 0 && *s++ != '.')
			return -EINVAL;
		v = number(&s, 255);
		if (v < 0)
			return -EINVAL;
		server->addr[i] = (uint8_t)v;
	}
	server->family = 4;
	server->port = 80;
	if (*s != '\0' && *s != ':' && *s != '/')
		return -EINVAL;
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
