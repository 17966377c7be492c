/*
 * conf_addr: addresses and ranges of ports as users write them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "conf_priv.h"

/* The address alone, without prefix or brackets. */
static int
parse_host(const char *s, struct board_addr *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, s, a->addr) == 1)
		a->family = 4;
	else if (inet_pton(AF_INET6, s, a->addr) == 1)
		a->family = 6;
	else
		return -EINVAL;
	a->prefix = a->family == 4 ? 32 : 128;
	return 0;
}

int
addr_parse(const char *s, int prefix, struct board_addr *a)
{
	char buf[OPT_STRLEN], *slash;
	const char *bad;

	if (strlcpy(buf, s, sizeof(buf)) >= sizeof(buf))
		return -EINVAL;
	slash = strchr(buf, '/');
	if ((slash != NULL) != (prefix != 0))
		return -EINVAL;
	if (slash != NULL)
		*slash++ = '\0';
	if (parse_host(buf, a) < 0)
		return -EINVAL;
	if (slash != NULL) {
		a->prefix = (uint8_t)strtonum(slash, 1, a->prefix, &bad);
		if (bad != NULL)
			return -EINVAL;
	}
	return 0;
}

int
addr_range(const char *s, uint16_t *lo, uint16_t *hi)
{
	char buf[16], *dash;
	const char *bad;

	if (strlcpy(buf, s, sizeof(buf)) >= sizeof(buf))
		return -EINVAL;
	dash = strchr(buf, '-');
	if (dash != NULL)
		*dash++ = '\0';
	*lo = (uint16_t)strtonum(buf, 1, UINT16_MAX, &bad);
	if (bad != NULL)
		return -EINVAL;
	*hi = *lo;
	if (dash != NULL)
		*hi = (uint16_t)strtonum(dash, *lo, UINT16_MAX, &bad);
	return bad == NULL ? 0 : -EINVAL;
}

int
addr_listen(const char *s, struct board_listener *l)
{
	char buf[OPT_STRLEN], *host = buf, *colon;
	size_t n;

	memset(l, 0, sizeof(*l));
	l->proto = IPPROTO_TCP;
	if (strncmp(s, "udp:", 4) == 0) {
		l->proto = IPPROTO_UDP;
		s += 4;
	}
	if (strlcpy(buf, s, sizeof(buf)) >= sizeof(buf))
		return -EINVAL;
	colon = strrchr(buf, ':');
	if (colon == NULL)
		return -EINVAL;
	*colon = '\0';
	if (addr_range(colon + 1, &l->port_lo, &l->port_hi) < 0)
		return -EINVAL;
	if (strcmp(host, "*") == 0)
		return 0;	/* family 0: any address */
	n = strlen(host);
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		if (parse_host(host + 1, &l->addr) < 0 || l->addr.family != 6)
			return -EINVAL;
		return 0;
	}
	if (parse_host(host, &l->addr) < 0 || l->addr.family != 4)
		return -EINVAL;
	return 0;
}

int
addr_equal(const struct board_addr *a, const struct board_addr *b)
{
	return a->family == b->family &&
	    memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

int
addr_within(const struct board_addr *net, const struct board_addr *host)
{
	uint32_t i, bits = net->prefix;
	uint8_t mask;

	if (net->family != host->family)
		return 0;
	for (i = 0; bits > 0; i++) {
		mask = bits >= 8 ? 0xff : (uint8_t)(0xff << (8 - bits));
		if (((net->addr[i] ^ host->addr[i]) & mask) != 0)
			return 0;
		bits -= bits >= 8 ? 8 : bits;
	}
	return 1;
}
