/*
 * replace: `starfish upgrade`: whether another program can go on with the
 * connections of the running one, what follows if not.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "../../common/ctl.h"
#include "../../config/conf.h"
#include "inst.h"
#include "super.h"
#include "verbs.h"

#define ASK_MS	5000		/* a program that does not say its version */

/*
 * Run a program with these words (ends with NULL): what it says, at most len
 * - 1 bytes, in text; NULL: it says it to ours. Its exit status, or -errno.
 */
static int
run_program(char *const argv[], char *text, size_t len)
{
	struct pollfd pf = { .events = POLLIN };
	int fd[2] = { -1, -1 }, status = -1, err = 0;
	size_t n = 0;
	ssize_t k;
	pid_t pid;

	if (text != NULL && pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (text != NULL)
			dup2(fd[1], STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (text != NULL)
		close(fd[1]);
	pf.fd = fd[0];
	while (text != NULL && pid > 0 && n < len - 1 && err == 0) {
		if (poll(&pf, 1, ASK_MS) <= 0)
			err = -ETIMEDOUT;
		else if ((k = read(fd[0], text + n, len - 1 - n)) > 0)
			n += (size_t)k;
		else
			break;
	}
	if (text != NULL) {
		text[n] = '\0';
		close(fd[0]);
	}
	if (err < 0 && pid > 0)
		kill(pid, SIGKILL);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -ECHILD;
	return err < 0 ? err : WIFEXITED(status) ? WEXITSTATUS(status) :
	    -EFAULT;
}

/* Layout of a program's shared memory, and its version. */
static int
look(const char *file, const char *program, uint64_t *layout, char *version,
    size_t len)
{
	char *argv[] = { (char *)(uintptr_t)file, "--version", NULL };
	char text[256], *at, *end;
	size_t n = strlen(program);
	int err;

	err = run_program(argv, text, sizeof(text));
	if (err < 0)
		return err;
	at = strstr(text, "layout ");
	if (err > 0 || strncmp(text, program, n) != 0 || text[n] != ' ' ||
	    at == NULL || sscanf(at, "layout %" SCNx64, layout) != 1)
		return -ENOEXEC;
	end = text + strcspn(text, ",\n");
	*end = '\0';
	strlcpy(version, text + n + 1, len);
	return 0;
}

/*
 * The configuration of a running instance, but for the hugetlbfs that it
 * mounted for itself in its directory: that goes with it.
 */
static int
copy_conf(const char *from, const char *to, const char *dir)
{
	char line[OPT_STRLEN + 64], own[BOARD_PATH + 16];
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	int err = in == NULL || out == NULL ? -errno : 0;

	snprintf(own, sizeof(own), "\"%s/huge\"", dir);
	while (err == 0 && fgets(line, sizeof(line), in) != NULL) {
		if (strstr(line, "huge_dir = ") != NULL &&
		    strstr(line, own) != NULL)
			continue;
		/* it is no running instance's any more */
		if (strncmp(line, "resolved = ", 11) == 0)
			continue;
		if (fputs(line, out) < 0)
			err = -EIO;
	}
	if (err == 0 && ferror(in))
		err = -EIO;
	if (in != NULL)
		fclose(in);
	if (out != NULL && fclose(out) != 0)
		err = -EIO;
	return err;
}

/* The configuration to start anew with: the document roots are those served
 * last, and are to be there. Its copy stays when the instance is gone. */
static int
keep_conf(const char *name, const char *dir, const char *keep)
{
	static struct conf c;
	char conf[BOARD_PATH + 16], now[BOARD_PATH + 32], err[CONF_ERRLEN];
	struct board *b;
	int error;

	snprintf(conf, sizeof(conf), "%s/" CTL_CONF, dir);
	snprintf(now, sizeof(now), "%s.new", conf);
	error = conf_load(&c, conf, svc_descs, err, sizeof(err));
	if (error == 0 && board_open(&b, name, 0, 0) == 0) {
		renew_roots(b, &c);
		board_close(b);
	}
	if (error == 0) {
		error = conf_copy(&c, now, err, sizeof(err));
		conf_free(&c);
	}
	if (error == 0) {
		error = copy_conf(now, keep, dir);
		snprintf(err, sizeof(err), "%s: %s", keep, strerror(-error));
		unlink(now);
	}
	if (error < 0)
		fprintf(stderr, "starfish: %s; nothing was changed\n", err);
	return error;
}

/* A program beside the new worker, which must be of its layout. */
static int
beside(const char *worker, const char *program, uint64_t layout, char *path,
    size_t len)
{
	const char *slash = strrchr(worker, '/');
	char version[128];
	uint64_t its = 0;
	int err;

	snprintf(path, len, "%.*s/%s", (int)(slash - worker), worker, program);
	err = look(path, program, &its, version, sizeof(version));
	if (err == 0 && its == layout)
		return 0;
	fprintf(stderr, "starfish: %s: %s; nothing was changed\n", path,
	    err == 0 ? "its shared memory is laid out otherwise than that of "
	    "the worker beside it" : err == -ENOEXEC ? "not of this kind" :
	    strerror(-err));
	return -EINVAL;
}

/* What can be known before the old instance ends: the new programs belong
 * together, and take the configuration. */
static int
check_anew(const char *file, uint64_t layout, const char *conf, char *starfish,
    size_t len)
{
	char primary[PATH_MAX];
	char *check[] = { starfish, "config", "check",
	    (char *)(uintptr_t)conf, NULL };
	char text[1024];
	int err;

	if (beside(file, "starfish", layout, starfish, len) < 0 ||
	    beside(file, "starfish-primary", layout, primary,
	    sizeof(primary)) < 0)
		return -EINVAL;
	err = run_program(check, text, sizeof(text));
	if (err == 0)
		return 0;
	fprintf(stderr, "%sstarfish: %s does not take the configuration of "
	    "the instance; nothing was changed\n", text, starfish);
	return -EINVAL;
}

static int
up(char *starfish, char *conf)
{
	char *argv[] = { starfish, "up", "-c", conf, "--detach", NULL };

	return run_program(argv, NULL, 0);
}

/*
 * Nothing of the old memory can be read by the new programs: the instance
 * ends in order, and those beside the new worker start it again; if they do
 * not, the old ones.
 */
static int
start_anew(const char *name, const char *file, uint64_t layout,
    const struct request *rq)
{
	char dir[BOARD_PATH], keep[BOARD_PATH + 32];
	char starfish[PATH_MAX], self[PATH_MAX];
	ssize_t n;

	if (board_dir(dir, sizeof(dir), name) < 0)
		return 1;
	snprintf(keep, sizeof(keep), "%s.upgrade.conf", dir);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0 || keep_conf(name, dir, keep) < 0)
		return 1;
	self[n] = '\0';
	/* --check: as told, not without losing connections */
	if (check_anew(file, layout, keep, starfish, sizeof(starfish)) < 0 ||
	    rq->check) {
		unlink(keep);
		return 1;
	}
	if (down_instance(name, rq->timeout_ms) != 0)
		return 1;
	if (up(starfish, keep) == 0)
		return 0;
	fprintf(stderr, "starfish: %s did not start the instance: the old "
	    "programs start it again\n", starfish);
	if (up(self, keep) != 0)
		fprintf(stderr, "starfish: and neither did they: its "
		    "configuration is %s\n", keep);
	return 1;
}

/* Tell what will be done; 1: connections go on, 0: they are finished. */
static int
tell(const struct inst *in, const char *file, uint64_t layout,
    const char *version)
{
	if (layout == in->board->head.layout) {
		printf("%s (%s): its shared memory is laid out as that of %s: "
		    "workers hand over one by one, no connection is lost\n",
		    file, version, in->board->head.build);
		return 1;
	}
	printf("%s (%s): its shared memory is laid out otherwise than that of "
	    "%s: connections cannot be handed over. Workers finish what they "
	    "have, for as long as --timeout says, then the instance starts "
	    "anew with the programs beside that file\n", file, version,
	    in->board->head.build);
	return 0;
}

int
verb_upgrade(const struct request *rq)
{
	char name[BOARD_NAME], err[1024], path[PATH_MAX], version[128];
	char request[PATH_MAX + 16];
	uint64_t layout = 0;
	struct inst in;
	int error, same;

	if (inst_choose(name, rq->name, err, sizeof(err)) < 0 ||
	    inst_open(&in, name, err, sizeof(err)) < 0) {
		fprintf(stderr, "starfish: %s\n", err);
		return 1;
	}
	error = realpath(rq->worker, path) == NULL ? -errno : 0;
	if (error == 0)
		error = look(path, "starfish-worker", &layout, version,
		    sizeof(version));
	if (error < 0) {
		fprintf(stderr, "starfish: %s: %s; nothing was changed\n",
		    rq->worker, error == -ENOEXEC ? "no starfish-worker" :
		    strerror(-error));
		inst_close(&in);
		return 1;
	}
	same = tell(&in, path, layout, version);
	fflush(stdout);
	inst_close(&in);
	if (!same)
		return start_anew(name, path, layout, rq);
	if (rq->check)
		return 0;
	snprintf(request, sizeof(request), "upgrade %s", path);
	return verb_tell(name, request, 0);
}
