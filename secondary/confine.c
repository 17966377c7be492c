#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <seccomp.h>

#include "../common/board.h"
#include "../common/log.h"

const char *const confine_calls[] = {
	/* frames of a tap, bells, log, reports */
	"read", "readv", "pread64", "write", "writev", "pwrite64",
	/* the report: a new file in place of the old one */
	"openat", "renameat", "fstat", "newfstatat", "lseek", "close",
	/* files of a service's own in out/, see io/svc_keep.c */
	"ftruncate",
	/* sleep */
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll",
	"nanosleep", "clock_nanosleep", "pause", "sched_yield",
	"restart_syscall",
	/* time, where the vDSO does not know it */
	"clock_gettime", "gettimeofday",
	/* a standby that takes over a slot: its lock, its log */
	"flock", "dup2", "dup3",
	/* asynchronous reads of files: what the ring was asked for is not
	 * seen by this filter */
	"io_uring_enter",
	/* libc: heap (mremap: realloc() of a large block, which keeps the
	 * protection that mmap was allowed), locks, random numbers */
	"brk", "munmap", "mremap", "madvise", "futex", "getrandom",
	/* DPDK's thread that waits for messages of the primary */
	"recvmsg", "sendmsg", "epoll_ctl",
	/* the end, in order or by a signal's handler */
	"rt_sigreturn", "rt_sigaction", "rt_sigprocmask", "sigaltstack",
	"getpid", "gettid", "unlinkat", "exit", "exit_group",
	NULL
};

/* ---- files --------------------------------------------------------------- */

int
confine_out(const char *name, const struct conf_security *c)
{
	char path[BOARD_PATH + 8], dir[BOARD_PATH];
	int err, fd;

	err = board_dir(dir, sizeof(dir), name);
	if (err < 0)
		return err;
	snprintf(path, sizeof(path), "%s/out", dir);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (geteuid() == 0 && fchown(fd, c->uid, c->gid) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* ---- user and capabilities ----------------------------------------------- */

/* No capability in any set of this thread; glibc's setres*id() changed the
 * user of all threads, which empties their effective sets. */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	int cap;

	/* EINVAL: past the last one that the kernel knows; EPERM: not root */
	for (cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int
become(const struct conf_security *c)
{
	int cap;

	if (geteuid() != 0)
		return drop_capabilities();
	if (c->uid == 0)
		return 0;	/* the configuration says so */
	/* while there still is the right to */
	for (cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	if (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
	    setresuid(c->uid, c->uid, c->uid) < 0)
		return -errno;
	return drop_capabilities();
}

/* ---- system calls -------------------------------------------------------- */

/* Memory that may be written is never executed. */
static int
allow_mappings(scmp_filter_ctx f)
{
	static const char *const calls[] = { "mmap", "mprotect" };
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0 && i < 2; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW,
		    seccomp_syscall_resolve_name(calls[i]), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

/* A handler of a deadly signal raises it again, for this process alone. */
static int
allow_raise(scmp_filter_ctx f)
{
	scmp_datum_t me = (scmp_datum_t)getpid();
	int err;

	err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_EQ, me));
	if (err == 0)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
		    SCMP_A0(SCMP_CMP_EQ, me));
	return err;
}

/* Onto the slot's cpu: itself, nobody else. */
static int
allow_cpu(scmp_filter_ctx f)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sched_setaffinity),
	    1, SCMP_A0(SCMP_CMP_EQ, 0));
}

static int
filter_fill(scmp_filter_ctx f)
{
	uint32_t i;
	int err;

	/* also where it is not root: a filter needs no_new_privs then */
	err = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
	if (err == 0)
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (err == 0)	/* a tree: as cheap for the last call as the first */
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; err == 0 && confine_calls[i] != NULL; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW,
		    seccomp_syscall_resolve_name(confine_calls[i]), 0);
	if (err == 0)
		err = allow_mappings(f);
	if (err == 0)
		err = allow_raise(f);
	if (err == 0)
		err = allow_cpu(f);
	return err;
}

static int
filter(enum conf_seccomp mode)
{
	scmp_filter_ctx f;
	int err;

	if (mode == SECCOMP_OFF)
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
	f = seccomp_init(mode == SECCOMP_LOG ? SCMP_ACT_LOG :
	    SCMP_ACT_KILL_PROCESS);
	if (f == NULL)
		return -ENOMEM;
	err = filter_fill(f);
	if (err == 0)
		err = seccomp_load(f);
	seccomp_release(f);
	return err;
}

int
confine(const struct conf_security *c)
{
	int err;

	err = become(c);
	if (err < 0) {
		log_error("cannot become user %s: %s", c->user,
		    strerror(-err));
		return err;
	}
	err = filter((enum conf_seccomp)c->seccomp);
	if (err < 0)
		log_error("cannot filter system calls: %s; security.seccomp = "
		    "\"off\" does without", strerror(-err));
	return err;
}
