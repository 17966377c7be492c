#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "primary.h"

#include "../common/log.h"
#include "../common/start.h"

#define HUGETLBFS_TYPE	0x958458f6
#define HUGE_SYS	"/sys/kernel/mm/hugepages/hugepages-%lukB"
#define EAL_RUN		"/var/run/dpdk"
#define MB		(1024u * 1024u)

/*
 * Where DPDK's memory begins in all processes: above what a non-relocatable
 * program uses, below heap and libraries of a relocatable one. DPDK reserves
 * up to 512 GiB from here.
 */
#define EAL_BASE	"0x4000000000"

/* ---- hugepages --------------------------------------------------------- */

/* A number of the kernel's about hugepages of this size; -1 unknown. */
static long
huge_count(uint64_t page, const char *what)
{
	char path[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), HUGE_SYS "/%s",
	    (unsigned long)(page / 1024), what);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* Pages that can be had: free, not promised to others, or to be made. */
static long
huge_free(uint64_t page)
{
	long n = huge_count(page, "free_hugepages");
	long resv = huge_count(page, "resv_hugepages");
	long over = huge_count(page, "nr_overcommit_hugepages");
	long surplus = huge_count(page, "surplus_hugepages");

	if (n < 0)
		return -1;
	if (resv > 0)
		n -= resv;
	if (over > surplus)
		n += over - surplus;
	return n < 0 ? 0 : n;
}

/* Page size of a hugetlbfs directory; 0: it is none. */
static uint64_t
huge_page(const char *dir)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0 || fs.f_type != HUGETLBFS_TYPE)
		return 0;
	return (uint64_t)fs.f_bsize;
}

/*
 * Take the mount of the configuration or, of all that we may write to, the
 * one with the most free memory.
 */
static int
huge_find(struct primary *p)
{
	const char *want = p->conf->memory.huge_dir;
	uint64_t page, best = 0, free_bytes;
	struct mntent *m;
	FILE *f;

	if (want[0] != '\0') {
		p->huge_page = huge_page(want);
		if (p->huge_page == 0)
			return primary_fail(p, -EINVAL, "memory.huge_dir = "
			    "\"%s\" is no mounted hugetlbfs; run: mount -t "
			    "hugetlbfs none %s", want, want);
		snprintf(p->huge_dir, sizeof(p->huge_dir), "%s", want);
		return 0;
	}
	f = setmntent("/proc/mounts", "re");
	while (f != NULL && (m = getmntent(f)) != NULL) {
		if (strcmp(m->mnt_type, "hugetlbfs") != 0 ||
		    access(m->mnt_dir, W_OK) < 0)
			continue;
		page = huge_page(m->mnt_dir);
		if (page == 0)
			continue;
		free_bytes = (uint64_t)huge_free(page) * page;
		if (p->huge_page != 0 && free_bytes <= best)
			continue;
		best = free_bytes;
		p->huge_page = page;
		snprintf(p->huge_dir, sizeof(p->huge_dir), "%s", m->mnt_dir);
	}
	if (f != NULL)
		endmntent(f);
	if (p->huge_page == 0)
		return primary_fail(p, -ENOENT, "no hugetlbfs is mounted that "
		    "we may write to; run: mkdir -p /dev/hugepages && mount "
		    "-t hugetlbfs none /dev/hugepages");
	return 0;
}

int
eal_prepare(struct primary *p)
{
	unsigned long kb;
	long want, have;
	uint32_t i;
	int err;

	err = huge_find(p);
	if (err < 0)
		return err;
	kb = (unsigned long)(p->huge_page / 1024);
	for (i = 0, want = 0; i < PRIMARY_NODES; i++) {
		/* EAL takes whole megabytes and whole pages per node */
		p->node_bytes[i] = (p->node_bytes[i] + p->huge_page - 1) /
		    p->huge_page * p->huge_page;
		want += (long)(p->node_bytes[i] / p->huge_page);
	}
	have = huge_free(p->huge_page);
	if (have < 0 || have >= want)
		return 0;
	return primary_fail(p, -ENOMEM, "needs %ld hugepages of %lu kB, %ld "
	    "are free; run: echo %ld > " HUGE_SYS "/nr_hugepages", want, kb,
	    have, huge_count(p->huge_page, "nr_hugepages") + want - have, kb);
}

/* ---- log --------------------------------------------------------------- */

/* DPDK's lines, one per call because it flushes after each. */
static ssize_t
eal_log_write(void *arg, const char *buf, size_t len)
{
	static const enum log_level level[] = {
		[RTE_LOG_EMERG] = LOG_LEVEL_ERROR,
		[RTE_LOG_ALERT] = LOG_LEVEL_ERROR,
		[RTE_LOG_CRIT] = LOG_LEVEL_ERROR,
		/* whether it is fatal to us, we say ourselves */
		[RTE_LOG_ERR] = LOG_LEVEL_WARN,
		[RTE_LOG_WARNING] = LOG_LEVEL_WARN,
		[RTE_LOG_NOTICE] = LOG_LEVEL_INFO,
		[RTE_LOG_INFO] = LOG_LEVEL_INFO,
		[RTE_LOG_DEBUG] = LOG_LEVEL_DEBUG,
	};
	int l = rte_log_cur_msg_loglevel();

	if (l <= 0 || l > (int)RTE_LOG_DEBUG)
		l = RTE_LOG_INFO;
	log_line(level[l], "dpdk: %.*s", (int)len, buf);
	return (ssize_t)len;
}

static void
eal_log_open(void)
{
	static const cookie_io_functions_t io = { .write = eal_log_write };
	FILE *f = fopencookie(NULL, "w", io);

	if (f == NULL)
		return;		/* DPDK then writes to stderr itself */
	setvbuf(f, NULL, _IOFBF, 4096);
	rte_openlog_stream(f);
}

/* ---- arguments --------------------------------------------------------- */

/* lcore 0 on all cpus that we may use: the primary mostly sleeps. */
static void
eal_arg_lcores(struct start_args *a)
{
	char list[200] = "";
	size_t n = 0;
	cpu_set_t set;
	int c, end;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (c = 0; c < CPU_SETSIZE; c = end + 1) {
		end = c;
		if (!CPU_ISSET(c, &set))
			continue;
		while (end + 1 < CPU_SETSIZE && CPU_ISSET(end + 1, &set))
			end++;
		if (n + 12 >= sizeof(list))
			break;
		n += (size_t)snprintf(list + n, sizeof(list) - n,
		    end > c ? "%s%d-%d" : "%s%d", n > 0 ? "," : "", c, end);
	}
	start_arg(a, "--lcores=0@(%s)", list);
}

/*
 * What is reserved is also the limit, so that memory never grows after the
 * start: a growing rte_malloc waits for every process, frozen ones too. A
 * node that gets nothing is limited to less than one page.
 */
static void
eal_arg_memory(struct start_args *a, const struct primary *p)
{
	char mem[128] = "", limit[128] = "";
	size_t m = 0, l = 0;
	uint32_t i, last = 0;

	for (i = 0; i < PRIMARY_NODES; i++)
		if (p->node_bytes[i] > 0)
			last = i;
	for (i = 0; i <= last; i++) {
		uint64_t mb = p->node_bytes[i] / MB;

		m += (size_t)snprintf(mem + m, sizeof(mem) - m, "%s%lu",
		    i > 0 ? "," : "", (unsigned long)mb);
		l += (size_t)snprintf(limit + l, sizeof(limit) - l, "%s%lu",
		    i > 0 ? "," : "", (unsigned long)(mb > 0 ? mb : 1));
	}
	start_arg(a, "--socket-mem=%s", mem);
	start_arg(a, "--socket-limit=%s", limit);
}

static void
eal_arg_devices(struct start_args *a, const struct primary *p)
{
	uint32_t i, n = 0;

	for (i = 0; i < p->conf->nports; i++) {
		if (p->conf->ports[i].type != PORT_PCI)
			continue;
		start_arg(a, "--allow=%s", p->conf->ports[i].device);
		n++;
	}
	if (n == 0) {
		start_arg(a, "--no-pci");
		/* no device does DMA: addresses need no translation */
		start_arg(a, "--iova-mode=va");
	}
}

int
eal_start(struct primary *p)
{
	static struct start_args a;	/* EAL keeps pointers into it */

	start_name("starfish-primary");
	start_nofile();
	eal_log_open();
	start_arg(&a, "starfish-primary");
	start_arg(&a, "--proc-type=primary");
	start_arg(&a, "--file-prefix=%s", p->prefix);
	start_arg(&a, "--base-virtaddr=" EAL_BASE);
	start_arg(&a, "--single-file-segments");
	start_arg(&a, "--huge-dir=%s", p->huge_dir);
	start_arg(&a, "--log-level=notice");
	/* says at each start that it has no legacy socket */
	start_arg(&a, "--log-level=lib.telemetry:error");
	eal_arg_lcores(&a);
	eal_arg_memory(&a, p);
	eal_arg_devices(&a, p);
	p->eal_up = 1;
	if (rte_eal_init(a.n, a.v) < 0)
		return primary_fail(p, -rte_errno, "DPDK did not start: %s",
		    rte_strerror(rte_errno));
	return 0;
}

/* ---- leaving nothing behind -------------------------------------------- */

/* Remove a directory that has no directories in it. */
static void
remove_dir(const char *path)
{
	struct dirent *e;
	DIR *d = opendir(path);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' ||
		    (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0))
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(path);
}

void
eal_scrub(const char *prefix, const char *huge_dir)
{
	const char *base = EAL_RUN, *xdg = getenv("XDG_RUNTIME_DIR");
	char path[2 * BOARD_PATH];
	glob_t g;
	size_t i;

	if (prefix[0] == '\0' || strchr(prefix, '/') != NULL)
		return;
	/* as EAL chooses it */
	if (geteuid() != 0)
		base = xdg != NULL ? xdg : "/tmp";
	snprintf(path, sizeof(path), "%s%s/%s", base,
	    geteuid() != 0 ? "/dpdk" : "", prefix);
	remove_dir(path);
	if (huge_dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%smap_*", huge_dir, prefix);
	if (glob(path, GLOB_NOSORT, NULL, &g) == 0)
		for (i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
	globfree(&g);
}

void
eal_stop(struct primary *p)
{
	if (!p->eal_up)
		return;
	/*
	 * Not rte_eal_cleanup(): it waits for locks in shared memory, for ever
	 * if a worker was killed while it attached. The ports are closed; all
	 * else that it frees ends with this process.
	 */
	p->eal_up = 0;
	eal_scrub(p->prefix, p->huge_dir);
}
