/*
 * wget_bed: the load client over a mock of conn.h: the test is the server.
 */
#ifndef UNIT_WGET_BED_H
#define UNIT_WGET_BED_H

#include <check.h>

#include "mock_conn.h"

#include "../../secondary/svc/wget/wget_priv.h"

#define OK10	"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"

extern const struct service wget_service;

static inline struct wget_conf *
conf_for(const char *url)
{
	struct wget_conf *conf = mock_conf(&wget_service);

	snprintf(conf->url, OPT_STRLEN, "%s", url);
	return conf;
}

static inline struct net *
start(struct wget_conf *conf)
{
	struct net *n;
	int err;

	n = mock_start(&wget_service, conf, NULL, &err);
	ck_assert_msg(err == 0, "%s", n->log);
	return n;
}

static inline struct load_totals *
totals(struct net *n)
{
	return ((struct wget_priv *)n->svc.priv)->t;
}

static inline uint64_t
tick(struct net *n)
{
	return wget_service.tick(&n->svc, n->now);
}

static inline void
answer(struct net *n, struct conn *c, const char *s)
{
	mock_input(n, c, s, strlen(s));
}

#endif
