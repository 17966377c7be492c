/*
 * wget_inst: where the load client runs: workers at rest of an instance that
 * runs, or an instance of its own on a tap interface, with addresses of the
 * ranges for benchmarks (RFC 2544: 198.18.0.0/15, RFC 5180: 2001:2::/48).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "child.h"
#include "inst.h"
#include "rundir.h"
#include "wget.h"

#define NETS		250u	/* choices of 198.18.N.0/30 */
#define CONNS_MIN	4096u
#define DAD_MS		3000	/* patience with the kernel's IPv6 address */

/* ---- a running instance ---- */

/* Slots of an instance whose load clients rest. */
static uint32_t
resting(const char *name, uint32_t slot[BOARD_SLOTS])
{
	struct wget_place w = { .n = 1 };
	struct wget_desks d;
	struct board *b;
	uint32_t i, g, n = 0;

	if (board_open(&b, name, 0, 0) < 0)
		return 0;
	strlcpy(w.name, name, sizeof(w.name));
	for (i = 0; i < b->head.nslots && i < BOARD_SLOTS; i++) {
		g = b->slot[i].fixed.group;
		if (g >= BOARD_GROUPS || strncmp(b->group[g].service, "wget",
		    sizeof(b->group[g].service)) != 0 ||
		    atomic_load(&b->slot[i].worker.phase) != PHASE_SERVING)
			continue;
		memset(&d, 0, sizeof(d));
		w.slot[0] = i;
		if (wget_desks(&d, &w) == 0 && wget_look(&d) != LOAD_RUNNING)
			slot[n++] = i;
		wget_desks_close(&d);
	}
	board_close(b);
	return n;
}

/* 1: an instance was found; 0: none; -errno said why. */
static int
find_running(struct wget_place *w, const struct wget_args *a)
{
	char names[RUNDIR_MAX][BOARD_NAME];
	uint32_t slot[BOARD_SLOTS], i, n, k, found = 0;

	n = rundir_list(names);
	for (i = 0; i < n; i++) {
		if (a->name != NULL && strcmp(a->name, names[i]) != 0)
			continue;
		k = resting(names[i], slot);
		if (k == 0)
			continue;
		found++;
		w->n = k;
		memcpy(w->slot, slot, sizeof(slot));
		strlcpy(w->name, names[i], sizeof(w->name));
	}
	if (found > 1) {
		fprintf(stderr, "starfish: wget: several instances have load "
		    "clients at rest; choose one with -n NAME\n");
		return -EEXIST;
	}
	if (found == 0 && a->name != NULL) {
		fprintf(stderr, "starfish: wget: instance %s has no load "
		    "client at rest: no worker entry with service = \"wget\" "
		    "that names no url, or it is in use\n", a->name);
		return -ENOENT;
	}
	return (int)found;
}

/* ---- one of our own ---- */

static int
net_in_use(uint32_t net)
{
	const struct sockaddr_in *in;
	struct ifaddrs *all, *i;
	int used = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
			continue;
		in = (const struct sockaddr_in *)(const void *)i->ifa_addr;
		used |= ntohl(in->sin_addr.s_addr) >> 8 ==
		    (198u << 16 | 18u << 8 | net);
	}
	freeifaddrs(all);
	return used;
}

static uint32_t
choose_net(void)
{
	uint32_t i, net;

	for (i = 0; i < NETS; i++) {
		net = ((uint32_t)getpid() + i) % NETS;
		if (!net_in_use(net))
			return net;
	}
	return (uint32_t)getpid() % NETS;
}

static void
write_conf(const struct wget_place *w, const struct wget_args *a,
    uint32_t net, FILE *f)
{
	uint32_t conns = CONNS_MIN;
	int64_t want = 2 * wget_int(a, "concurrency") / w->n + 1024;

	while (conns < want && conns < 1u << 22)
		conns *= 2;
	fprintf(f, "name = \"%s\";\n"
	    "memory = { connections = %u; timewait = 65536; buffers = %u; "
	    "chunks = 4096; };\n"
	    "ports = ( { name = \"tap\"; type = \"tap\"; device = \"%s\";\n"
	    "  host = \"198.18.%u.1/30\"; host6 = \"2001:2:0:%x::1/64\";\n"
	    "  address = [ \"198.18.%u.2/30\", \"2001:2:0:%x::2/64\" ];\n"
	    "  gateway = \"198.18.%u.1\"; gateway6 = \"2001:2:0:%x::1\"; } );\n"
	    "workers = ( { name = \"load\"; service = \"wget\"; ports = "
	    "[ \"tap\" ];\n  count = %u; source_ports = \"1024-65000\";\n",
	    w->name, conns, conns < 16384 ? 8192 : 32768, w->dev, net, net,
	    net, net, net, net, w->n);
	wget_write(a, f);
	fprintf(f, "} );\n");
}

/* In the new process: the supervisor. It ends when we do. */
static void
become(const struct wget_place *w, const char *conf)
{
	char log[96];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setsid();		/* ^C is ours to answer */
	snprintf(log, sizeof(log), "%s/up.log", w->dir);
	fd = open("/dev/null", O_RDONLY);
	if (fd >= 0)
		dup2(fd, 0);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
	}
	execl("/proc/self/exe", "starfish", "up", "-c", conf, (char *)NULL);
	dprintf(2, "starfish: %s\n", strerror(errno));
	_exit(127);
}

static int
make(struct wget_place *w, struct wget_args *a, const char *addr)
{
	char conf[96];
	uint32_t i, net = choose_net();
	FILE *f;

	w->ours = 1;
	w->n = a->workers;
	for (i = 0; i < w->n; i++)
		w->slot[i] = i;
	snprintf(w->name, sizeof(w->name), "wget-%d", (int)getpid());
	snprintf(w->dev, sizeof(w->dev), "sfw%d", (int)getpid());
	snprintf(w->dir, sizeof(w->dir), "/tmp/starfish-wget-XXXXXX");
	if (mkdtemp(w->dir) == NULL) {
		w->dir[0] = '\0';
		fprintf(stderr, "starfish: /tmp: %s\n", strerror(errno));
		return -errno;
	}
	snprintf(conf, sizeof(conf), "%s/conf", w->dir);
	/* loopback has no way out: the same machine, at the tap's end */
	if (strcmp(addr, "::1") == 0)
		snprintf(wget_string(a, "address"), OPT_STRLEN,
		    "2001:2:0:%x::1", net);
	else if (strncmp(addr, "127.", 4) == 0)
		snprintf(wget_string(a, "address"), OPT_STRLEN,
		    "198.18.%u.1", net);
	f = fopen(conf, "we");
	if (f == NULL) {
		fprintf(stderr, "starfish: %s: %s\n", conf, strerror(errno));
		return -errno;
	}
	write_conf(w, a, net, f);
	fclose(f);
	fflush(NULL);
	w->pid = fork();
	if (w->pid == 0)
		become(w, conf);
	return w->pid < 0 ? -errno : 0;
}

int
wget_place(struct wget_place *w, struct wget_args *a, const char *addr)
{
	int r;

	r = find_running(w, a);
	if (r != 0)
		return r < 0 ? r : 0;
	if (geteuid() != 0) {
		fprintf(stderr, "starfish: wget: an instance of its own needs "
		    "root: sudo starfish wget ...\n");
		return -EPERM;
	}
	return make(w, a, addr);
}

int
wget_alive(struct wget_place *w)
{
	char log[BOARD_PATH + 16], dir[BOARD_PATH];
	int status;

	if (!w->ours) {
		if (board_dir(dir, sizeof(dir), w->name) == 0 &&
		    access(dir, F_OK) == 0)
			return 1;
		fprintf(stderr, "starfish: wget: instance %s is gone\n",
		    w->name);
		return 0;
	}
	if (w->pid != 0 && waitpid(w->pid, &status, WNOHANG) == 0)
		return 1;
	w->pid = 0;
	fprintf(stderr, "starfish: wget: its instance ended:\n");
	snprintf(log, sizeof(log), "%s/up.log", w->dir);
	child_log_tail(log);
	return 0;
}

/* ---- the way to the target ---- */

static char
set_sysctl(const char *family, const char *dev, const char *what, char to)
{
	char path[128], was = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family,
	    dev, what);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &was, 1) != 1 || (to != 0 && was != to &&
	    pwrite(fd, &to, 1, 0) != 1))
		was = 0;
	close(fd);
	return was;
}

/* The interface behind which addr is: "" unknown; *local: it is ours. */
static void
find_way(const char *addr, char dev[16], int *local)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 9 }, me;
	socklen_t len = sizeof(me);
	struct ifaddrs *all, *i;
	int fd;

	dev[0] = '\0';
	*local = 0;
	if (inet_pton(AF_INET, addr, &to.sin_addr) != 1)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&me, &len) < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	close(fd);
	*local = me.sin_addr.s_addr == to.sin_addr.s_addr ||
	    strncmp(addr, "127.", 4) == 0;
	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
		    memcmp(&((const struct sockaddr_in *)(const void *)
		    i->ifa_addr)->sin_addr, &me.sin_addr, 4) == 0)
			strlcpy(dev, i->ifa_name, 16);
	}
	freeifaddrs(all);
}

/* Whether an interface is the kernel's end of an instance's tap; says if that
 * instance has no way back to us. */
static int
is_ours(const char *dev)
{
	const struct board_port *p;
	char names[RUNDIR_MAX][BOARD_NAME];
	struct board *b;
	uint32_t i, k, n = rundir_list(names);
	int found = 0;

	for (i = 0; i < n; i++) {
		if (board_open(&b, names[i], 0, 0) < 0)
			continue;
		for (k = 0; k < b->head.nports && k < BOARD_PORTS; k++) {
			p = &b->port[k];
			if (p->type != PORT_TAP ||
			    strncmp(p->device, dev, 16) != 0)
				continue;
			found = 1;
			if (p->gateway.family == 0)
				fprintf(stderr, "starfish: wget: instance %s "
				    "cannot answer: its port %s has no "
				    "gateway\n", names[i], dev);
		}
		board_close(b);
	}
	return found;
}

/* Wait until the kernel may use its IPv6 address on the tap. */
static void
await_address(const char *dev)
{
	char line[128], name[32];
	unsigned int flags;
	int waited, tentative = 1;
	FILE *f;

	for (waited = 0; tentative && waited < DAD_MS; waited += 20) {
		poll(NULL, 0, 20);
		tentative = 0;
		f = fopen("/proc/net/if_inet6", "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "%*s %*s %*s %*s %x %31s", &flags,
			    name) == 2 && strcmp(name, dev) == 0)
				tentative |= (flags & 0x40) != 0;
		if (f != NULL)
			fclose(f);
	}
}

void
wget_route(struct wget_place *w, const char *addr)
{
	int local;

	if (!w->ours)
		return;
	if (strchr(addr, ':') != NULL) {
		await_address(w->dev);
		return;
	}
	set_sysctl("ipv4", w->dev, "forwarding", '1');
	find_way(addr, w->out_dev, &local);
	if (local || w->out_dev[0] == '\0')
		return;
	if (is_ours(w->out_dev))
		w->forwarded = set_sysctl("ipv4", w->out_dev, "forwarding",
		    '1');
	else if (set_sysctl("ipv4", w->out_dev, "forwarding", 0) != '1')
		fprintf(stderr, "starfish: wget: %s is not this machine: its "
		    "kernel must forward (sysctl net.ipv4.ip_forward=1) and "
		    "masquerade 198.18.0.0/15 on %s\n", addr, w->out_dev);
}

void
wget_leave(struct wget_place *w)
{
	char path[96];

	if (w->forwarded == '0')
		set_sysctl("ipv4", w->out_dev, "forwarding", '0');
	if (w->pid > 0) {
		kill(w->pid, SIGTERM);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
		w->pid = 0;
	}
	if (w->dir[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/conf", w->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/up.log", w->dir);
	unlink(path);
	rmdir(w->dir);
}
