/*
 * tap: what a tap port needs besides its driver: the kernel's side of the
 * interface, over rtnetlink, and mending of what the driver does to its tun
 * descriptors.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bsd/string.h>
#include <libmnl/libmnl.h>

#include "primary.h"

#include "../common/log.h"

#define TUN_PATH	"/dev/net/tun"
#define ALIAS_LEN	240	/* bytes of an interface's alias */
#define BACKLOG		16384u	/* frames that the kernel keeps per queue */

/* ---- rtnetlink --------------------------------------------------------- */

/* Send one request and wait for the answer; cb sees what comes. */
static int
nl_talk(struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	char buf[16384];
	struct mnl_socket *nl;
	ssize_t n;
	int err = 0;

	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (nl == NULL)
		return -errno;
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		err = -errno;
	while (err == 0) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0) {
			err = -errno;
			break;
		}
		n = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl),
		    cb, arg);
		if (n < 0)
			err = -errno;
		if (n <= MNL_CB_STOP)
			break;
	}
	mnl_socket_close(nl);
	return err;
}

static struct nlmsghdr *
link_request(char *buf, uint16_t type, uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = type;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

/*
 * Set the interface up. While nobody serves a queue the kernel keeps what
 * comes for it, and drops what comes beyond: each client that lost a frame so
 * waits for a timeout of its own. 1,000 frames, the kernel's own choice, are
 * less than what 1,000 active clients have under way.
 */
static int
link_up(uint32_t ifindex)
{
	char buf[256];
	struct nlmsghdr *nlh = link_request(buf, RTM_NEWLINK, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	mnl_attr_put_u32(nlh, IFLA_TXQLEN, BACKLOG);
	return nl_talk(nlh, NULL, NULL);
}

static int
link_name(uint32_t ifindex, const char *alias)
{
	char buf[1024];
	struct nlmsghdr *nlh = link_request(buf, RTM_NEWLINK, ifindex);

	mnl_attr_put_str(nlh, IFLA_IFALIAS, alias);
	return nl_talk(nlh, NULL, NULL);
}

static int
link_delete(uint32_t ifindex)
{
	char buf[256];

	return nl_talk(link_request(buf, RTM_DELLINK, ifindex), NULL, NULL);
}

static int
copy_alias(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *at;

	mnl_attr_for_each(at, nlh, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(at) == IFLA_IFALIAS &&
		    mnl_attr_validate(at, MNL_TYPE_NUL_STRING) >= 0)
			strlcpy(arg, mnl_attr_get_str(at), ALIAS_LEN);
	return MNL_CB_OK;
}

/* The alias of an interface, empty if it has none. */
static void
link_alias(uint32_t ifindex, char alias[ALIAS_LEN])
{
	char buf[256];

	alias[0] = '\0';
	nl_talk(link_request(buf, RTM_GETLINK, ifindex), copy_alias, alias);
}

/* Give the interface an address in "address/prefix" form. */
static int
addr_add(uint32_t ifindex, const char *text)
{
	char buf[512], host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	struct in6_addr a;	/* or an in_addr, at its begin */
	size_t len = family == AF_INET6 ? 16 : 4;
	struct nlmsghdr *nlh;
	struct ifaddrmsg *ifa;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(host))
		return -EINVAL;
	strlcpy(host, text, (size_t)(slash - text) + 1);
	if (inet_pton(family, host, &a) != 1)
		return -EINVAL;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)family;
	/* nobody but us is there, and we wait for no detection of doubles */
	if (family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	ifa->ifa_prefixlen = (uint8_t)strtoul(slash + 1, NULL, 10);
	ifa->ifa_index = ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, len, &a);
	mnl_attr_put(nlh, IFA_ADDRESS, len, &a);
	return nl_talk(nlh, NULL, NULL);
}

/* ---- the port ---------------------------------------------------------- */

/* By this alias we know an interface of ours again. */
static void
alias_of(const struct primary *p, char alias[ALIAS_LEN])
{
	snprintf(alias, ALIAS_LEN, "starfish:%.*s", ALIAS_LEN - 10, p->dir);
}

/*
 * An address of the private kind, the same at each start: the kernel's
 * neighbour entries stay true. The kernel's side has another one than we,
 * or it would drop our frames as its own.
 */
void
tap_mac(const struct primary *p, uint32_t i, int host, uint8_t mac[6])
{
	const char *texts[] = { p->name, p->conf->ports[i].name };
	uint32_t h = 2166136261u;
	const char *c;
	size_t k;

	for (k = 0; k < 2; k++)
		for (c = texts[k];; c++) {
			h = (h ^ (uint8_t)*c) * 16777619u;
			if (*c == '\0')
				break;
		}
	mac[0] = 0x02;
	mac[1] = host ? 0x48 : 0x53;
	mac[2] = (uint8_t)(h >> 24);
	mac[3] = (uint8_t)(h >> 16);
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}

/*
 * The interface must not be there yet: the driver would take over one that
 * belongs to somebody. One that a killed primary of this instance left (we
 * hold its lock, so it is dead) is removed.
 */
int
tap_args(struct primary *p, uint32_t i, char *buf, size_t len)
{
	const struct conf_port *c = &p->conf->ports[i];
	char alias[ALIAS_LEN], ours[ALIAS_LEN];
	uint32_t ifindex = if_nametoindex(c->device);
	uint8_t m[6];
	int err;

	if (ifindex != 0) {
		link_alias(ifindex, alias);
		alias_of(p, ours);
		if (strcmp(alias, ours) != 0)
			return primary_fail(p, -EEXIST, "port %s: an interface "
			    "%s exists already; remove it (ip link del %s) or "
			    "choose another device", c->name, c->device,
			    c->device);
		err = link_delete(ifindex);
		if (err < 0)
			return primary_fail(p, err, "port %s: cannot remove "
			    "the left-over interface %s: %s", c->name,
			    c->device, strerror(-err));
		log_info("removed interface %s that a killed primary left",
		    c->device);
	}
	if (access(TUN_PATH, R_OK | W_OK) < 0)
		return primary_fail(p, -errno, "port %s: " TUN_PATH ": %s",
		    c->name, strerror(errno));
	tap_mac(p, i, 1, m);
	/* persist: the interface must outlast stop and start, see fence.c */
	snprintf(buf, len, "iface=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x,"
	    "persist=1", c->device, m[0], m[1], m[2], m[3], m[4], m[5]);
	return 0;
}

void
tap_mark(struct primary *p, uint32_t i)
{
	const char *dev = p->conf->ports[i].device;
	char alias[ALIAS_LEN];
	int err;

	alias_of(p, alias);
	err = link_name(if_nametoindex(dev), alias);
	if (err < 0)
		log_warn("cannot set an alias for interface %s: %s", dev,
		    strerror(-err));
}

int
tap_host(struct primary *p, uint32_t i)
{
	const struct conf_port *c = &p->conf->ports[i];
	const char *const host[2] = { c->host, c->host6 };
	uint32_t ifindex = if_nametoindex(c->device), k;
	int err;

	if (ifindex == 0)
		return primary_fail(p, -ENODEV, "port %s: interface %s is "
		    "not there", c->name, c->device);
	err = link_up(ifindex);
	if (err < 0)
		return primary_fail(p, err, "port %s: cannot set interface %s "
		    "up: %s", c->name, c->device, strerror(-err));
	for (k = 0; k < 2; k++) {
		if (host[k][0] == '\0')
			continue;
		err = addr_add(ifindex, host[k]);
		if (err < 0)
			return primary_fail(p, err, "port %s: cannot give %s "
			    "to %s: %s", c->name, host[k], c->device,
			    strerror(-err));
	}
	return 0;
}

void
tap_remove(struct primary *p, uint32_t i)
{
	const char *dev = p->conf->ports[i].device;
	uint32_t ifindex = if_nametoindex(dev);
	int err;

	if (ifindex == 0)
		return;
	err = link_delete(ifindex);
	if (err < 0)
		log_warn("cannot remove interface %s: %s", dev,
		    strerror(-err));
}

/* ---- tun descriptors --------------------------------------------------- */

static int
is_tun(int fd)
{
	char path[40], link[sizeof(TUN_PATH) + 1];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	return n == (ssize_t)strlen(TUN_PATH) &&
	    memcmp(link, TUN_PATH, (size_t)n) == 0;
}

int
fd_find(int (*match)(int fd, const void *arg), const void *arg)
{
	struct dirent *e;
	int fd, found = -1;
	DIR *d = opendir("/proc/self/fd");

	while (d != NULL && found < 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fd = (int)strtol(e->d_name, NULL, 10);
		if (match(fd, arg))
			found = fd;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static int
clear_async(int fd, const void *arg)
{
	int flags;

	if (is_tun(fd)) {
		flags = fcntl(fd, F_GETFL);
		if (flags >= 0 && (flags & O_ASYNC) != 0)
			fcntl(fd, F_SETFL, flags & ~O_ASYNC);
	}
	return 0;
}

/*
 * The driver asks for a signal per received frame, even in a process that
 * does not receive: 75,000 interrupted system calls a second.
 */
void
tap_noasync(void)
{
	fd_find(clear_async, NULL);
}

static int
is_queue_of(int fd, const void *ifname)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	/* fails for the driver's detached keep-alive descriptor */
	return is_tun(fd) && ioctl(fd, TUNGETIFF, &ifr) == 0 &&
	    strncmp(ifr.ifr_name, ifname, IFNAMSIZ) == 0;
}

int
tap_fd(const char *ifname)
{
	return fd_find(is_queue_of, ifname);
}
