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
#include "verbs.h"

#define ASK_MS	5000		/* a program that does not say its version */

/* What a program says with --version: text of at most len - 1 bytes. */
static int
ask_program(const char *file, char *text, size_t len)
{
	struct pollfd pf = { .events = POLLIN };
	int fd[2], status = -1, err = 0;
	size_t n = 0;
	ssize_t k;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		execl(file, file, "--version", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	pf.fd = fd[0];
	while (pid > 0 && n < len - 1 && err == 0) {
		if (poll(&pf, 1, ASK_MS) <= 0)
			err = -ETIMEDOUT;
		else if ((k = read(fd[0], text + n, len - 1 - n)) > 0)
			n += (size_t)k;
		else
			break;
	}
	text[n] = '\0';
	close(fd[0]);
	if (err < 0 && pid > 0)
		kill(pid, SIGKILL);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -ECHILD;
	return err < 0 ? err : status == 0 ? 0 : -ENOEXEC;
}

/* Layout of a program's shared memory, and its version. */
static int
look(const char *file, uint64_t *layout, char *version, size_t len)
{
	char text[256], *nl;
	int err;

	err = ask_program(file, text, sizeof(text));
	if (err < 0)
		return err;
	nl = strchr(text, '\n');
	if (strncmp(text, "starfish-worker ", 16) != 0 || nl == NULL ||
	    sscanf(nl, " layout %" SCNx64, layout) != 1)
		return -ENOEXEC;
	*nl = '\0';
	strlcpy(version, text + 16, len);
	return 0;
}

static int
copy_file(const char *from, const char *to)
{
	char buf[4096];
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	size_t n;
	int err = in == NULL || out == NULL ? -errno : 0;

	while (err == 0 && (n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (fwrite(buf, 1, n, out) != n)
			err = -EIO;
	if (in != NULL)
		fclose(in);
	if (out != NULL && fclose(out) != 0)
		err = -EIO;
	return err;
}

/*
 * Nothing of the old memory can be read by the new programs: the instance
 * ends in order, and those beside the new worker start it again.
 */
static int
start_anew(const char *name, const char *file)
{
	struct request down = { .verb = VERB_DOWN, .name = name };
	char dir[BOARD_PATH], conf[BOARD_PATH + 16], keep[BOARD_PATH + 32];
	char program[PATH_MAX], *slash;

	if (board_dir(dir, sizeof(dir), name) < 0)
		return 1;
	snprintf(conf, sizeof(conf), "%s/" CTL_CONF, dir);
	snprintf(keep, sizeof(keep), "%s.upgrade.conf", dir);
	strlcpy(program, file, sizeof(program));
	slash = strrchr(program, '/');
	if (slash == NULL)
		return 1;
	strlcpy(slash + 1, "starfish", sizeof(program) -
	    (size_t)(slash + 1 - program));
	if (access(program, X_OK) < 0 || copy_file(conf, keep) < 0) {
		fprintf(stderr, "starfish: %s: %s\n", program,
		    strerror(errno));
		return 1;
	}
	if (verb_down(&down) != 0)
		return 1;
	fflush(NULL);
	execl(program, program, "up", "-c", keep, "--detach", (char *)NULL);
	fprintf(stderr, "starfish: %s: %s\n", program, strerror(errno));
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
	    "have, then the instance starts anew with the programs beside "
	    "that file\n", file, version, in->board->head.build);
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
		error = look(path, &layout, version, sizeof(version));
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
	if (rq->check)
		return same ? 0 : 1;
	if (!same)
		return start_anew(name, path);
	snprintf(request, sizeof(request), "upgrade %s", path);
	return verb_tell(name, request, 0);
}
