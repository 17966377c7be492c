/*
 * sock_opt: getsockopt, setsockopt and TCP_INFO.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "sock_priv.h"

#define BUF_MIN		2048u
#define MSS_MIN		88u
#define CC_NAME		16u

/* What an option is, here. */
enum sopt {
	O_NONE,
	O_REUSE, O_LINGER, O_RCVBUF, O_SNDBUF, O_KEEP, O_ERROR, O_TYPE,
	O_LISTENS, O_DOMAIN, O_PROTO,
	O_NODELAY, O_CORK, O_MAXSEG, O_USER, O_KEEPIDLE, O_KEEPSTEP, O_KEEPCNT,
	O_QUICK, O_CC, O_INFO,
	O_TOS, O_V6ONLY,
};

static const struct {
	int level, name;
	enum sopt opt;
	bool stream;		/* not for datagrams */
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, O_REUSE, true },
	{ SOL_SOCKET, SO_LINGER, O_LINGER, true },
	{ SOL_SOCKET, SO_RCVBUF, O_RCVBUF, true },
	{ SOL_SOCKET, SO_SNDBUF, O_SNDBUF, true },
	{ SOL_SOCKET, SO_KEEPALIVE, O_KEEP, true },
	{ SOL_SOCKET, SO_ERROR, O_ERROR, false },
	{ SOL_SOCKET, SO_TYPE, O_TYPE, false },
	{ SOL_SOCKET, SO_ACCEPTCONN, O_LISTENS, false },
	{ SOL_SOCKET, SO_DOMAIN, O_DOMAIN, false },
	{ SOL_SOCKET, SO_PROTOCOL, O_PROTO, false },
	{ IPPROTO_TCP, TCP_NODELAY, O_NODELAY, true },
	{ IPPROTO_TCP, TCP_CORK, O_CORK, true },
	{ IPPROTO_TCP, TCP_MAXSEG, O_MAXSEG, true },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, O_USER, true },
	{ IPPROTO_TCP, TCP_KEEPIDLE, O_KEEPIDLE, true },
	{ IPPROTO_TCP, TCP_KEEPINTVL, O_KEEPSTEP, true },
	{ IPPROTO_TCP, TCP_KEEPCNT, O_KEEPCNT, true },
	{ IPPROTO_TCP, TCP_QUICKACK, O_QUICK, true },
	{ IPPROTO_TCP, TCP_CONGESTION, O_CC, true },
	{ IPPROTO_TCP, TCP_INFO, O_INFO, true },
	{ IPPROTO_IP, IP_TOS, O_TOS, true },
	{ IPPROTO_IPV6, IPV6_TCLASS, O_TOS, true },
	{ IPPROTO_IPV6, IPV6_V6ONLY, O_V6ONLY, true },
};

static const char *const cc_names[] = {
	[NET_CC_CUBIC] = "cubic",
	[NET_CC_NEWRENO] = "newreno",
};

static enum sopt
find(const struct sock *k, int level, int name)
{
	uint32_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].level != level || options[i].name != name)
			continue;
		if ((options[i].stream && k->kind == SK_DGRAM) ||
		    (level == IPPROTO_IP && k->family == 6) ||
		    (level == IPPROTO_IPV6 && k->family == 4))
			return O_NONE;
		return options[i].opt;
	}
	return O_NONE;
}

/* ---- setting ---- */

/* Options that TCP looks at: to the connection or the listener. */
static void
apply(struct socks *s, struct sock *k)
{
	struct net_listen_conf l = { .local = k->local,
	    .backlog = k->backlog, .user = sock_place(s, k),
	    .opts = k->opts };
	struct conn *c;

	if (k->kind == SK_LISTEN)
		(void)net_listen_set(s->n, &l);
	if ((k->kind != SK_OPEN && k->kind != SK_CONNECTING) ||
	    (k->flags & SF_GONE) != 0)
		return;
	c = conn_enter(s->n, k->conn);
	if (c == NULL)
		return;
	conn_set_opts(s->n, c, &k->opts);
	if ((k->flags & SF_FULL) == 0)
		sock_room(s, k, c, false);
	else
		conn_want_room(s->n, c, conn_sndbuf(s->n, c) / 3);
	conn_leave(s->n, c);
}

static void
flag(struct sock *k, uint16_t f, bool on)
{
	if (on)
		k->flags |= f;
	else
		k->flags &= (uint16_t)~f;
}

static int
set_linger(struct sock *k, const void *val, uint32_t len)
{
	struct linger l;

	if (len != sizeof(l))
		return -EINVAL;
	memcpy(&l, val, sizeof(l));
	/* closing never waits: there is nothing that a time could mean */
	if (l.l_onoff != 0 && l.l_linger != 0)
		return -ENOPROTOOPT;
	flag(k, SF_LINGER0, l.l_onoff != 0);
	return 0;
}

static int
set_cc(struct socks *s, struct sock *k, const void *val, uint32_t len)
{
	char name[CC_NAME] = "";
	uint32_t i;

	if (len == 0 || len > CC_NAME)
		return -EINVAL;
	memcpy(name, val, len < CC_NAME ? len : CC_NAME - 1);
	if (strcmp(name, "reno") == 0)
		memcpy(name, "newreno", 8);
	for (i = 0; i < sizeof(cc_names) / sizeof(cc_names[0]); i++) {
		if (strcmp(name, cc_names[i]) != 0)
			continue;
		k->opts.cc = (uint8_t)(1 + i);
		apply(s, k);
		return 0;
	}
	return -ENOENT;
}

static void
set_live(struct socks *s, struct sock *k, enum sopt o, bool on)
{
	struct conn *c;

	if (o == O_CORK)
		flag(k, SF_CORK, on);
	if ((k->kind != SK_OPEN && k->kind != SK_CONNECTING) ||
	    (k->flags & SF_GONE) != 0)
		return;
	c = conn_enter(s->n, k->conn);
	if (c == NULL)
		return;
	if (o == O_CORK)
		conn_cork(s->n, c, on);
	else if (o == O_QUICK)
		conn_quickack(s->n, c, on);
	else if (on)
		conn_push(s->n, c);	/* TCP_NODELAY, as in Linux */
	conn_leave(s->n, c);
}

static uint32_t
within(int v, uint32_t lo, uint32_t hi)
{
	return v < (int)lo ? lo : (uint32_t)v > hi ? hi : (uint32_t)v;
}

/* A time of seconds as ms. */
static int
seconds(uint32_t *ms, int v)
{
	if (v < 1 || v > 32767)
		return -EINVAL;
	*ms = (uint32_t)v * 1000;
	return 0;
}

/* An option whose value is an int. */
static int
set_int(struct socks *s, struct sock *k, enum sopt o, int v)
{
	struct conn_opts *p = &k->opts;
	int err = 0;

	switch (o) {
	case O_RCVBUF:
		p->rcvbuf = within(v, BUF_MIN,
		    net_settings(s->n)->rcvbuf_max);
		break;
	case O_SNDBUF:
		p->sndbuf = within(v, BUF_MIN, 1u << 30);
		break;
	case O_KEEP:
		p->keepalive = v != 0 ? CONN_ON : CONN_OFF;
		break;
	case O_NODELAY:
		p->nodelay = v != 0 ? CONN_ON : CONN_OFF;
		apply(s, k);
		set_live(s, k, o, v != 0);
		return 0;
	case O_MAXSEG:
		if (v != 0 && (v < (int)MSS_MIN || v > 65495))
			return -EINVAL;
		p->maxseg = (uint16_t)v;
		break;
	case O_USER:
		if (v < 0)
			return -EINVAL;
		p->user_ms = (uint32_t)v;
		break;
	case O_KEEPIDLE:
		err = seconds(&p->keep_idle_ms, v);
		break;
	case O_KEEPSTEP:
		err = seconds(&p->keep_step_ms, v);
		break;
	case O_KEEPCNT:
		if (v < 1 || v > 127)
			return -EINVAL;
		p->keep_probes = (uint8_t)v;
		break;
	case O_TOS:
		if (v < 0 || v > 255)
			return -EINVAL;
		p->tos = (uint8_t)v & (uint8_t)~3u;
		break;
	default:
		return -ENOPROTOOPT;	/* to be read only */
	}
	if (err == 0)
		apply(s, k);
	return err;
}

int
sock_setsockopt(struct socks *s, int h, int level, int name, const void *val,
    uint32_t len)
{
	struct sock *k = sock_get(s, h);
	enum sopt o;
	int v;

	if (k == NULL || k->kind == SK_SET)
		return -EBADF;
	o = find(k, level, name);
	switch (o) {
	case O_NONE:
		return -ENOPROTOOPT;
	case O_LINGER:
		return set_linger(k, val, len);
	case O_CC:
		return set_cc(s, k, val, len);
	default:
		break;
	}
	if (len != sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	if (o == O_V6ONLY && (k->kind != SK_NEW ||
	    (k->flags & SF_BOUND) != 0))
		return -EINVAL;
	if (o == O_REUSE || o == O_V6ONLY)
		flag(k, o == O_REUSE ? SF_REUSE : SF_V6ONLY, v != 0);
	else if (o == O_CORK || o == O_QUICK)
		set_live(s, k, o, v != 0);
	else
		return set_int(s, k, o, v);
	return 0;
}

/* ---- reading ---- */

/* Linux's number of a state, by enum tcp_state. */
static const uint8_t linux_state[] = {
	TCP_CLOSE, TCP_SYN_SENT, TCP_SYN_RECV, TCP_ESTABLISHED,
	TCP_CLOSE_WAIT, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSING,
	TCP_LAST_ACK, TCP_TIME_WAIT,
};

static void
fill_info(const struct conn_metrics *m, struct tcp_info *t)
{
	static const uint8_t ca[] = { TCP_CA_Open, TCP_CA_Recovery,
	    TCP_CA_Loss, TCP_CA_CWR };

	memset(t, 0, sizeof(*t));
	t->tcpi_state = m->state < sizeof(linux_state) ?
	    linux_state[m->state] : TCP_CLOSE;
	t->tcpi_ca_state = m->phase < sizeof(ca) ? ca[m->phase] : TCP_CA_Open;
	if (t->tcpi_ca_state == TCP_CA_Open && m->sacked != 0)
		t->tcpi_ca_state = TCP_CA_Disorder;
	/* with nothing in flight it was the closed window that was probed */
	if (m->inflight != 0)
		t->tcpi_retransmits = m->backoff;
	else
		t->tcpi_probes = m->backoff;
	t->tcpi_backoff = m->backoff;
	t->tcpi_options = (m->ts ? TCPI_OPT_TIMESTAMPS : 0) |
	    (m->sack ? TCPI_OPT_SACK : 0) | (m->ecn ? TCPI_OPT_ECN : 0) |
	    (m->rcv_wscale != 0 ? TCPI_OPT_WSCALE : 0);
	t->tcpi_snd_wscale = m->snd_wscale & 15u;
	t->tcpi_rcv_wscale = m->rcv_wscale & 15u;
	t->tcpi_rto = m->rto_us;
	t->tcpi_snd_mss = m->mss;
	t->tcpi_rcv_mss = m->mss;
	t->tcpi_unacked = m->unacked;
	t->tcpi_sacked = m->sacked;
	/* there, what is sent again stays lost until it is acknowledged;
	 * outside of recovery it was a probe only */
	t->tcpi_lost = m->lost + (t->tcpi_ca_state >= TCP_CA_Recovery ||
	    m->backoff != 0 ? m->retrans : 0);
	t->tcpi_retrans = m->retrans;
	t->tcpi_pmtu = m->pmtu;
	t->tcpi_rcv_ssthresh = m->rcv_wnd;
	t->tcpi_rtt = m->rtt_us;
	t->tcpi_rttvar = m->rttvar_us;
	t->tcpi_snd_ssthresh = m->ssthresh_segs != UINT32_MAX ?
	    m->ssthresh_segs : 0x7fffffff;	/* as Linux says "none" */
	t->tcpi_snd_cwnd = m->cwnd_segs;
	t->tcpi_advmss = m->advmss;
	t->tcpi_reordering = m->reordering;
	t->tcpi_rcv_space = m->rcv_space;
	t->tcpi_total_retrans = m->total_retrans;
}

/* Hand out size bytes, or as many as there is room for. */
static int
give(void *val, uint32_t *len, const void *from, uint32_t size)
{
	if (*len > size)
		*len = size;
	memcpy(val, from, *len);
	return 0;
}

static int
get_info(struct socks *s, int h, void *val, uint32_t *len)
{
	struct sock *k = sock_get(s, h);
	struct conn_metrics m;
	struct tcp_info t;

	if (sock_info(s, h, &m) < 0)
		memset(&m, 0, sizeof(m));
	fill_info(&m, &t);
	if (k->kind == SK_LISTEN) {
		t.tcpi_state = TCP_LISTEN;
		t.tcpi_unacked = k->queued;	/* as in Linux: accept queue */
		t.tcpi_sacked = k->backlog;
	}
	return give(val, len, &t, sizeof(t));
}

static int
get_buffer(struct socks *s, const struct sock *k, enum sopt o)
{
	const struct net_conf *n = net_settings(s->n);
	const struct conn *c = conn_look(s->n, k->conn);
	struct conn_metrics m;

	if (o == O_SNDBUF)
		return (int)(k->opts.sndbuf != 0 ? k->opts.sndbuf :
		    n->sndbuf);
	if (c == NULL)
		return (int)(k->opts.rcvbuf != 0 ? k->opts.rcvbuf :
		    n->rcvbuf);
	conn_metrics(s->n, c, &m);
	return (int)m.rcv_space;
}

static int
get_mss(struct socks *s, const struct sock *k)
{
	const struct conn *c = conn_look(s->n, k->conn);
	struct conn_metrics m;

	if (c == NULL)
		return k->opts.maxseg != 0 ? k->opts.maxseg : 536;
	conn_metrics(s->n, c, &m);
	return (int)m.mss;
}

static int
get_keep(struct socks *s, const struct sock *k, enum sopt o)
{
	const struct conn_opts *p = &k->opts;
	uint32_t base = net_settings(s->n)->keepalive_us / 1000;

	switch (o) {
	case O_KEEP:
		return p->keepalive == CONN_ON ||
		    (p->keepalive == 0 && base != 0);
	case O_KEEPIDLE:
		return (int)((p->keep_idle_ms != 0 ? p->keep_idle_ms :
		    base != 0 ? base : 7200000) / 1000);
	case O_KEEPSTEP:
		return (int)((p->keep_step_ms != 0 ? p->keep_step_ms :
		    75000) / 1000);
	default:
		return p->keep_probes != 0 ? p->keep_probes : 9;
	}
}

/* An option whose value is an int. */
static int
get_int(struct socks *s, struct sock *k, enum sopt o)
{
	const struct net_conf *n = net_settings(s->n);
	int v;

	switch (o) {
	case O_REUSE:
		return (k->flags & SF_REUSE) != 0;
	case O_V6ONLY:
		return (k->flags & SF_V6ONLY) != 0;
	case O_RCVBUF:
	case O_SNDBUF:
		return get_buffer(s, k, o);
	case O_ERROR:
		if (k->kind == SK_DGRAM)
			return -dgram_error(s, k);
		v = -k->err;
		k->err = 0;
		return v;
	case O_TYPE:
		return k->kind == SK_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	case O_LISTENS:
		return k->kind == SK_LISTEN;
	case O_DOMAIN:
		return k->family == 4 ? AF_INET : AF_INET6;
	case O_PROTO:
		return k->kind == SK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
	case O_NODELAY:
		return k->opts.nodelay == CONN_ON ||
		    (k->opts.nodelay == 0 && n->nodelay != 0);
	case O_CORK:
		return (k->flags & SF_CORK) != 0;
	case O_MAXSEG:
		return get_mss(s, k);
	case O_USER:
		return (int)k->opts.user_ms;
	case O_TOS:
		return k->opts.tos;
	default:
		return get_keep(s, k, o);
	}
}

int
sock_getsockopt(struct socks *s, int h, int level, int name, void *val,
    uint32_t *len)
{
	struct sock *k = sock_get(s, h);
	struct linger l = { 0, 0 };
	enum sopt o;
	int v;

	if (k == NULL || k->kind == SK_SET)
		return -EBADF;
	o = find(k, level, name);
	switch (o) {
	case O_NONE:
	case O_QUICK:		/* it says nothing that could be read */
		return -ENOPROTOOPT;
	case O_LINGER:
		l.l_onoff = (k->flags & SF_LINGER0) != 0;
		return give(val, len, &l, sizeof(l));
	case O_CC:
		v = k->opts.cc != 0 ? k->opts.cc - 1 : net_settings(s->n)->cc;
		return give(val, len, cc_names[v],
		    (uint32_t)strlen(cc_names[v]) + 1);
	case O_INFO:
		return get_info(s, h, val, len);
	default:
		break;
	}
	if (*len < sizeof(v))
		return -EINVAL;
	v = get_int(s, k, o);
	return give(val, len, &v, sizeof(v));
}
