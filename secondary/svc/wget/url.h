/*
 * url: where a client's server is.
 */
#ifndef SVC_WGET_URL_H
#define SVC_WGET_URL_H

#include "../../net/net.h"

/*
 * Parse SCHEMEHOST[:port][/path]; scheme is "http://" or the like, 80 the
 * port that need not be said. HOST: an IPv4 address, an IPv6 address in
 * brackets, or a name if address (not "") says which one it is. 0 and server
 * and the path (from its '/', or "/") are set; -EINVAL and *why says what is
 * wrong.
 */
int	wget_url(const char *url, const char *scheme, const char *address,
	    struct net_addr *server, const char **path, const char **why);

#endif
