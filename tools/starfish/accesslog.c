/*
 * accesslog: writes what workers log, in a child of the supervisor. It takes
 * records out of the slots' rings (common/alog.h) as they come, so that no
 * worker ever waits for a disk; a file that was renamed or removed is opened
 * again within a second, as logrotate wants it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "alog_out.h"
#include "super.h"

#define BUSY_MS		5	/* pause after a look that found records */
#define IDLE_MS		100	/* and after one that found none */
#define LOOK_US		1000000u /* at the files' names */
#define TAKE		4096u	/* most records of a slot in one go */
#define STOP_MS		2000	/* patience at the end */
#define LAST		16u	/* looks of one that is to end: a full ring */
#define AGAIN_US	1000000u /* a writer that died is not started sooner */

/* A file, of one worker entry or of several. */
struct out {
	const char *path;
	enum alog_format how;
	FILE *f;
	dev_t dev;
	ino_t ino;
	int said;		/* that it cannot be opened */
};

/* A slot's ring. */
struct source {
	struct alog *ring;	/* NULL: not there yet */
	struct out *out;	/* NULL: it logs nothing */
};

static struct out outs[BOARD_GROUPS];
static uint32_t nouts;
static struct source sources[BOARD_SLOTS];
static volatile sig_atomic_t told_to_end;

static pid_t writer;		/* in the supervisor; 0: none */
static uint64_t started_us;

/* ---- which files --------------------------------------------------------- */

/* The value of an option of a worker entry by its name, or NULL. */
static const void *
option(const struct conf_worker *w, const char *name, enum opt_type type)
{
	const struct opt *o;

	if (w->options == NULL)
		return NULL;
	for (o = w->desc->opts->opts; o->name != NULL; o++)
		if (o->type == type && strcmp(o->name, name) == 0)
			return (const char *)w->options + o->offset;
	return NULL;
}

/* The file of a worker entry, or NULL. */
static struct out *
out_of(const struct conf_worker *w)
{
	const char *path = option(w, "access_log", OPT_STRING);
	const int32_t *how = option(w, "access_format", OPT_ENUM);
	uint32_t i;

	if (path == NULL || path[0] == '\0')
		return NULL;
	for (i = 0; i < nouts; i++)
		if (strcmp(outs[i].path, path) == 0)
			return &outs[i];
	outs[nouts] = (struct out){ .path = path,
	    .how = how != NULL ? (enum alog_format)*how : ALOG_COMMON };
	return &outs[nouts++];
}

static int
is_wanted(const struct super *s)
{
	const char *path;
	uint32_t i;

	for (i = 0; i < s->conf.nworkers; i++) {
		path = option(&s->conf.workers[i], "access_log", OPT_STRING);
		if (path != NULL && path[0] != '\0')
			return 1;
	}
	return 0;
}

/* ---- the writer ---------------------------------------------------------- */

static void
on_term(int sig)
{
	told_to_end = 1;
}

/* Open a file, again if its name is another file's by now. */
static void
out_look(struct out *o)
{
	struct stat st;

	if (o->f != NULL && stat(o->path, &st) == 0 &&
	    st.st_dev == o->dev && st.st_ino == o->ino)
		return;
	if (o->f != NULL)
		fclose(o->f);
	o->f = fopen(o->path, "ae");
	if (o->f == NULL || fstat(fileno(o->f), &st) < 0) {
		if (!o->said)
			fprintf(stderr, "starfish: access log %s: %s\n",
			    o->path, strerror(errno));
		o->said = 1;
		return;
	}
	o->said = 0;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
}

/* Map the ring of a slot, once its worker has made it. */
static void
source_look(const struct super *s, uint32_t slot)
{
	char name[32], path[BOARD_PATH + 40];
	struct source *src = &sources[slot];
	struct stat st;
	void *mem;
	int fd;

	if (src->ring != NULL || src->out == NULL)
		return;
	snprintf(name, sizeof(name), ALOG_FILE, slot);
	rundir_file(&s->dir, name, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(struct alog)) {
		mem = mmap(NULL, sizeof(struct alog), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
		if (mem != MAP_FAILED &&
		    ((struct alog *)mem)->magic == ALOG_MAGIC)
			src->ring = mem;
		else if (mem != MAP_FAILED)
			munmap(mem, sizeof(struct alog));
	}
	close(fd);
}

/* Write what a slot has; how many lines. Without its file they wait in the
 * ring, as many as fit. */
static uint32_t
source_take(uint32_t slot)
{
	static char buf[ALOG_TEXTS * (ALOG_TEXT + 1)];
	struct source *src = &sources[slot];
	char *text[ALOG_TEXTS];
	struct alog_rec r;
	uint32_t n;

	if (src->ring == NULL || src->out == NULL || src->out->f == NULL)
		return 0;
	for (n = 0; n < TAKE && alog_take(src->ring, &r, buf, text) > 0; n++)
		alog_print(src->out->f, src->out->how, slot, &r, text);
	return n;
}

static uint32_t
take_all(const struct super *s)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->nslots; i++)
		n += source_take(i);
	for (i = 0; n > 0 && i < nouts; i++) {
		if (outs[i].f == NULL || fflush(outs[i].f) == 0)
			continue;
		/* a full disk: what was buffered is lost, others follow */
		fclose(outs[i].f);
		outs[i].f = NULL;
	}
	return n;
}

static _Noreturn void
write_logs(const struct super *s)
{
	uint64_t looked = 0, now;
	uint32_t i, g, index, n, looks = 0;
	bool ending;

	for (i = 0; i < s->nslots; i++)
		if (conf_slot(&s->conf, i, &g, &index) == 0)
			sources[i].out = out_of(&s->conf.workers[g]);
	do {
		now = board_mono_us();
		if (looked == 0 || now - looked > LOOK_US) {
			looked = now;
			for (i = 0; i < nouts; i++)
				out_look(&outs[i]);
			for (i = 0; i < s->nslots; i++)
				source_look(s, i);
		}
		/* before the look: what was logged until then is written */
		ending = told_to_end;
		n = take_all(s);
		/* while workers go on there always is more: that is for the
		 * next writer */
		if (ending && (n == 0 || ++looks == LAST))
			break;
		if (!ending)
			poll(NULL, 0, n > 0 ? BUSY_MS : IDLE_MS);
	} while (1);
	_exit(0);
}

/* ---- the supervisor's part ----------------------------------------------- */

/*
 * Who waits for the supervisor's output must not wait for ours. A writer whose
 * supervisor died may still be there: a ring has one reader at a time.
 */
static void
say_to_log(const struct super *s)
{
	char path[BOARD_PATH + 32];
	int fd;

	rundir_file(&s->dir, "access.log", path, sizeof(path));
	fd = open("/dev/null", O_RDWR);
	dup2(fd, 0);
	dup2(fd, 1);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640);
	dup2(fd >= 0 ? fd : 1, 2);
	while (fd >= 0 && flock(2, LOCK_EX) < 0 && errno == EINTR)
		if (told_to_end)
			_exit(0);
}

/* Say which files cannot be opened, to whom the writer's own log is none. */
static void
try_files(struct super *s)
{
	const char *path;
	uint32_t i;
	int fd;

	for (i = 0; i < s->conf.nworkers; i++) {
		path = option(&s->conf.workers[i], "access_log", OPT_STRING);
		if (path == NULL || path[0] == '\0')
			continue;
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK |
		    O_CLOEXEC, 0666);
		if (fd < 0)
			super_say(s, "access log %s: %s; it is tried again "
			    "each second", path, strerror(errno));
		else
			close(fd);
	}
}

static void
start(struct super *s)
{
	struct sigaction sa = { .sa_handler = on_term };
	pid_t parent = getpid();
	sigset_t none;

	/* the first, or after a reload */
	if (started_us == 0)
		try_files(s);
	started_us = s->now_us;
	fflush(NULL);
	writer = fork();
	if (writer != 0) {
		if (writer < 0)
			writer = 0;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigaction(SIGTERM, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	say_to_log(s);
	/* not the directory's lock, not the children's descriptors */
	close_range(3, ~0u, 0);
	prctl(PR_SET_NAME, "starfish-log");
	if (getppid() != parent)
		_exit(0);
	write_logs(s);
}

void
accesslog_tick(struct super *s)
{
	if (writer > 0 && waitpid(writer, NULL, WNOHANG) == writer)
		writer = 0;
	if (writer == 0 && s->phase < SUPER_STOP_WORKERS && is_wanted(s) &&
	    (started_us == 0 || s->now_us - started_us > AGAIN_US))
		start(s);
}

void
accesslog_reload(struct super *s)
{
	started_us = 0;
	if (writer > 0)
		kill(writer, SIGTERM);	/* the next one takes over */
}

void
accesslog_stop(struct super *s)
{
	uint32_t i;

	if (writer <= 0)
		return;
	kill(writer, SIGTERM);
	for (i = 0; i < STOP_MS / 10; i++) {
		if (waitpid(writer, NULL, WNOHANG) == writer) {
			writer = 0;
			return;
		}
		poll(NULL, 0, 10);
	}
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	writer = 0;
}
