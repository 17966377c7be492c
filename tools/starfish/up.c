/*
 * up: from a configuration to a supervisor. What must be there is looked at
 * first, and what is missing is said with what to run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/fcache.h"
#include "huge.h"
#include "inst.h"
#include "proc.h"
#include "super.h"
#include "verbs.h"

#define MB	(1024 * 1024)

static void
complain(const char *text)
{
	fprintf(stderr, "starfish: %s\n", text);
}

/*
 * Make or take over the runtime directory. What a killed instance left is
 * removed, but never while a process of it lives.
 */
static int
take_dir(struct super *s)
{
	struct proc p[PROC_MAX];
	struct board *b;
	char who[96], text[BOARD_PATH + 160];
	uint32_t n;
	int err;

	err = rundir_open(&s->dir, s->conf.name);
	if (err == -EBUSY) {
		rundir_who(s->conf.name, who, sizeof(who));
		fprintf(stderr, "starfish: %s runs already: %s; end it with: "
		    "starfish -n %s down\n", s->conf.name,
		    who[0] != '\0' ? who : "it is just starting",
		    s->conf.name);
		return err;
	}
	if (err < 0) {
		snprintf(text, sizeof(text), "%s: %s%s", s->dir.path,
		    strerror(-err), geteuid() != 0 ? "; run: sudo starfish up "
		    "-c FILE, or set STARFISH_RUN" : "");
		complain(text);
		return err;
	}
	n = proc_find(s->conf.name, s->dir.path, p);
	if (n > 0) {
		rundir_who(s->conf.name, who, sizeof(who));
		fprintf(stderr, "starfish: %s runs already, without its "
		    "supervisor (%s): %u process%s, one is pid %d; adopt "
		    "it: starfish up --adopt -n %s; or end it: starfish -n %s "
		    "down\n", s->conf.name, who, n, n == 1 ? "" : "es",
		    (int)p[0].pid, s->conf.name, s->conf.name);
		proc_close(p, n);
		rundir_close(&s->dir);
		return -EBUSY;
	}
	if (board_open(&b, s->conf.name, 0, 1) == 0) {
		board_close(b);
		super_say(s, "%s: removing what a killed instance left",
		    s->dir.path);
	}
	rundir_clean(&s->dir);
	err = rundir_open(&s->dir, s->conf.name);
	if (err < 0)
		complain(err == -EBUSY ? "another `up` was faster" :
		    strerror(-err));
	return err;
}

/* Bytes of all roots' images; says which root is wrong, with sizes. */
static int
measure_roots(struct super *s, uint64_t *bytes)
{
	struct fcache_root from = {
		.file_max = (uint64_t)s->conf.memory.cache_file_max
	};
	const char *root[BOARD_ROOTS];
	char err[1024];
	size_t size;
	uint32_t i, n;
	int error;

	*bytes = 0;
	conf_roots(&s->conf, root, &n);
	for (i = 0; i < n; i++) {
		err[0] = '\0';
		from.root = root[i];
		error = fcache_measure(&from, &size, err, sizeof(err));
		if (error < 0) {
			complain(err[0] != '\0' ? err : strerror(-error));
			return error;
		}
		if (size > (uint64_t)s->conf.memory.cache_mb * MB) {
			fprintf(stderr, "starfish: %s: document root %s: %"
			    PRIu64 " MB, more than memory.cache_mb = %d "
			    "allows; files above memory.cache_file_max are "
			    "not counted\n", s->conf.file, root[i],
			    ((uint64_t)size + MB - 1) / MB,
			    (int)s->conf.memory.cache_mb);
			return -EFBIG;
		}
		*bytes += conf_root_place(&s->conf, size);
	}
	return 0;
}

static int
take_pages(struct super *s, uint64_t roots)
{
	uint64_t since = board_mono_us();
	struct huge h;
	char err[512];
	int error;

	s->pages_fd = rundir_pages_lock();
	error = huge_take(&h, &s->dir, s->conf.memory.huge_dir,
	    conf_hugepage_bytes(&s->conf, roots), err, sizeof(err));
	if (error < 0) {
		complain(err);
		return error;
	}
	snprintf(s->conf.memory.huge_dir, sizeof(s->conf.memory.huge_dir),
	    "%s", h.dir);
	super_step(s, since, "hugepages: %" PRIu64 " of %" PRIu64 " kB needed, "
	    "%" PRIu64 " added%s", h.need, h.page >> 10, h.taken,
	    h.mounted ? ", hugetlbfs mounted" : "");
	return 0;
}

static int
prepare(struct super *s)
{
	char path[BOARD_PATH + 8], err[512];
	uint64_t roots;
	int error;

	error = measure_roots(s, &roots);
	if (error == 0)
		error = take_pages(s, roots);
	if (error < 0)
		return error;
	rundir_file(&s->dir, CTL_CONF, path, sizeof(path));
	rundir_set_origin(&s->dir, s->conf.file);
	error = conf_copy(&s->conf, path, err, sizeof(err));
	if (error < 0)
		complain(err);
	return error;
}

/* Whoever a killed primary left, as the child that loads its files. */
static void
end_stragglers(struct super *s)
{
	struct proc p[PROC_MAX];
	uint32_t n;

	n = proc_find(s->conf.name, s->dir.path, p);
	proc_end(p, n);
	proc_close(p, n);
}

/* Leave nothing behind, and say what went back to the machine. */
static void
clean(struct super *s)
{
	uint64_t pages = rundir_clean(&s->dir);

	if (pages > 0)
		super_say(s, "%" PRIu64 " hugepages given back", pages);
	printf("%s is down\n", s->conf.name);
	fflush(stdout);
}

void
super_init_slots(struct super *s)
{
	uint32_t i, group, index;

	for (i = 0; i < s->nslots; i++) {
		slot_init(&s->slot[i], i, NULL);
		/* a spare one waits for `starfish add` */
		s->slot[i].finished = conf_slot(&s->conf, i, &group,
		    &index) == 0 && index >= (uint32_t)
		    s->conf.workers[group].count;
		s->mover.cpu[i] = -1;
		s->slot[i].deaths_max = (uint32_t)s->conf.crash_deaths;
		s->slot[i].window_us = (uint64_t)s->conf.crash_window_s *
		    1000000;
	}
}

static void
init_super(struct super *s)
{
	uint32_t i;

	super_block_signals();	/* from here on all is to be cleaned up */
	notify_init(&s->notify);
	s->started_us = s->now_us = board_mono_us();
	s->nslots = s->conf.nslots;
	super_init_slots(s);
	standby_init(s);
	for (i = 0; i < CTL_CLIENTS; i++)
		s->client[i].fd = -1;
}

static void
end_all(struct super *s)
{
	end_stragglers(s);
	clean(s);
	server_close(s, "ok nothing is left");
}

/* The instance from its first directory to its last. */
static int
run(struct super *s)
{
	int status = 1;

	init_super(s);
	if (take_dir(s) < 0)
		return 1;
	if (rundir_sign(&s->dir) == 0 && prepare(s) == 0)
		status = super_run(s);
	if (s->pages_fd >= 0)
		close(s->pages_fd);
	end_all(s);
	return status;
}

/*
 * The instance from its supervisor's death on. What cannot be taken over
 * stays as it is: nothing is ended, nothing removed.
 */
static int
run_adopted(struct super *s)
{
	int status = 1;

	init_super(s);
	if (adopt_instance(s) < 0)
		return 1;
	if (rundir_sign(&s->dir) == 0)
		status = super_run(s);
	if (s->phase != SUPER_DONE)
		return 1;
	end_all(s);
	return status;
}

/* Lock the directory of an instance whose supervisor is dead; load its copy
 * of the configuration. 0 or -errno, said why. */
static int
find_orphan(struct super *s, const char *name)
{
	char path[BOARD_PATH + 8], who[96], err[CONF_ERRLEN];
	int error;

	error = rundir_lock(&s->dir, name);
	if (error == -EBUSY) {
		rundir_who(name, who, sizeof(who));
		fprintf(stderr, "starfish: %s cannot be adopted: its "
		    "supervisor lives: %s\n", name, who[0] != '\0' ? who :
		    "it is just starting");
	} else if (error == -ENOENT) {
		fprintf(stderr, "starfish: %s does not run: nothing to "
		    "adopt\n", name);
	} else if (error < 0) {
		fprintf(stderr, "starfish: %s: %s\n", s->dir.path,
		    strerror(-error));
	}
	if (error < 0)
		return error;
	rundir_file(&s->dir, CTL_CONF, path, sizeof(path));
	error = conf_load(&s->conf, path, svc_descs, err, sizeof(err));
	if (error < 0)
		fprintf(stderr, "starfish: %s cannot be adopted: %s\n", name,
		    err);
	return error;
}

/* Whether processes of the instance live without a supervisor. */
static int
is_orphan(const char *name)
{
	struct proc p[PROC_MAX];
	struct rundir d;
	uint32_t n;

	if (rundir_lock(&d, name) < 0)
		return 0;
	n = proc_find(name, d.path, p);
	proc_close(p, n);
	rundir_close(&d);
	return n > 0;
}

static volatile sig_atomic_t asked;	/* signal that came while waiting */

static void
note(int sig)
{
	asked = sig;
}

/* Wait for the daemon's word: all serve, or its end. */
static int
await_daemon(pid_t pid, int fd)
{
	struct sigaction sa = { .sa_handler = note };
	int status = 0;
	char word;
	ssize_t n;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	for (;;) {
		n = read(fd, &word, 1);
		if (n == 1)
			return 0;
		if (n == 0 || errno != EINTR)
			break;
		kill(pid, SIGTERM);	/* it ends what it began */
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* it ended before all served: that is no success */
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
	    WEXITSTATUS(status) : 1;
}

static int
detach(struct super *s, int (*go)(struct super *))
{
	int pipefd[2];
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		goto fail;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		goto fail;
	if (pid > 0) {
		close(pipefd[1]);
		return await_daemon(pid, pipefd[0]);
	}
	setsid();
	close(pipefd[0]);
	s->ready_fd = pipefd[1];
	return go(s);

fail:
	complain(strerror(errno));
	return 1;
}

static int
load(struct super *s, const char *file)
{
	char err[CONF_ERRLEN];

	if (conf_load(&s->conf, file, svc_descs, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return -EINVAL;
	}
	if (s->conf.warnings[0] != '\0')
		fprintf(stderr, "%s\n", s->conf.warnings);
	return 0;
}

int
verb_up(const struct request *rq)
{
	static struct super s;
	int (*go)(struct super *) = run;
	char name[BOARD_NAME], err[1024];

	/* a daemon must not keep alive what its caller waits for */
	close_range(3, ~0u, 0);
	memset(&s, 0, sizeof(s));
	s.ready_fd = s.notify_fd = s.signal_fd = s.timer_fd = -1;
	s.ctl_fd = s.pages_fd = s.primary.pidfd = s.dir.fd = -1;
	s.program_fd[0] = child_hold("starfish-worker");
	s.program_fd[1] = -1;
	s.primary_fd = child_hold("starfish-primary");
	if (rq->file != NULL && load(&s, rq->file) < 0)
		return 1;
	if (rq->adopt == ADOPT_YES ||
	    (rq->adopt == ADOPT_IF_THERE && is_orphan(s.conf.name))) {
		if (inst_choose(name, rq->file != NULL ? s.conf.name :
		    rq->name, err, sizeof(err)) < 0) {
			complain(err);
			return 1;
		}
		if (rq->file != NULL)
			conf_free(&s.conf);
		if (find_orphan(&s, name) < 0)
			return 1;
		go = run_adopted;
	}
	return rq->detach ? detach(&s, go) : go(&s);
}
