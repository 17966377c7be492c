/*
 * down, restart: what is asked of a supervisor; and the end of an instance
 * that has none.
 */
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../common/ctl.h"
#include "inst.h"
#include "proc.h"
#include "rundir.h"
#include "verbs.h"

#define ANSWER_S	15	/* between two lines of an answer */

/* Connect to the supervisor of an instance; a stream, or NULL and errno. */
static FILE *
ask(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char dir[BOARD_PATH];
	int dirfd, err, fd;
	FILE *f;

	err = board_dir(dir, sizeof(dir), name);
	if (err < 0) {
		errno = -err;
		return NULL;
	}
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return NULL;
	/* by descriptor: the path may be longer than a socket's name */
	snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/"
	    CTL_SOCKET, dirfd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		err = errno;
		if (fd >= 0)
			close(fd);
		close(dirfd);
		errno = err;
		return NULL;
	}
	close(dirfd);
	f = fdopen(fd, "r+e");
	if (f == NULL)
		close(fd);
	return f;
}

/* A descriptor of the process at the other end. */
static int
peer_pidfd(FILE *f)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fileno(f), SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -1;
	return pidfd_open(cred.pid, 0);
}

/* Send a request, show the answer, waiting so long for each line of it. 0 ok,
 * 1 error or no answer. */
static int
talk(FILE *f, const char *request, uint32_t seconds, int quiet)
{
	struct timeval patience = { .tv_sec = (time_t)seconds };
	char line[1024];

	setsockopt(fileno(f), SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	fprintf(f, "%s\n", request);
	fflush(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "| ", 2) == 0) {
			printf("%s\n", line + 2);
			fflush(stdout);
		} else if (strncmp(line, "ok", 2) == 0) {
			if (line[2] == ' ' && !quiet)
				printf("%s\n", line + 3);
			return 0;
		} else {
			fprintf(stderr, "starfish: %s\n",
			    strncmp(line, "error ", 6) == 0 ? line + 6 : line);
			return 1;
		}
	}
	if (ferror(f) && (errno == EAGAIN || errno == EWOULDBLOCK))
		fprintf(stderr, "starfish: the supervisor does not answer; if "
		    "it stays so, kill it and run down again\n");
	else
		fprintf(stderr, "starfish: the supervisor went away\n");
	return 1;
}

/* No supervisor lives: do its part of the end. */
static int
end_orphan(const char *name)
{
	struct proc p[PROC_MAX];
	struct rundir d;
	uint64_t pages;
	uint32_t n;
	int err;

	err = rundir_lock(&d, name);
	if (err == -ENOENT) {
		fprintf(stderr, "starfish: %s does not run\n", name);
		return 1;
	}
	if (err < 0) {
		fprintf(stderr, "starfish: %s: %s\n", d.path, err == -EBUSY ?
		    "its supervisor lives, but does not answer" :
		    strerror(-err));
		return 1;
	}
	n = proc_find(name, d.path, p);
	printf("%s has no supervisor: ending %u process%s\n", name, n,
	    n == 1 ? "" : "es");
	fflush(stdout);
	proc_end(p, n);
	proc_close(p, n);
	pages = rundir_clean(&d);
	if (pages > 0)
		printf("%lu hugepages given back\n", (unsigned long)pages);
	printf("nothing is left\n");
	return 0;
}

static int
choose(const struct request *rq, char name[BOARD_NAME])
{
	char err[1024];

	if (inst_choose(name, rq->name, err, sizeof(err)) == 0)
		return 0;
	fprintf(stderr, "starfish: %s\n", err);
	return -ENOENT;
}

int
down_instance(const char *name, uint32_t ms)
{
	struct pollfd pf = { .events = POLLIN };
	char request[32] = "down";
	int status;
	FILE *f;

	f = ask(name);
	if (f == NULL && errno == EACCES) {
		fprintf(stderr, "starfish: no supervisor of %s answers: %s\n",
		    name, strerror(errno));
		return 1;
	}
	if (f == NULL)
		return end_orphan(name);
	pf.fd = peer_pidfd(f);
	if (ms > 0)
		snprintf(request, sizeof(request), "down %u", ms);
	status = talk(f, request, ANSWER_S + ms / 1000, 0);
	fclose(f);
	/* nothing is left: not even the supervisor */
	if (status == 0 && pf.fd >= 0)
		poll(&pf, 1, 10000);
	return status;
}

int
verb_down(const struct request *rq)
{
	char name[BOARD_NAME];

	return choose(rq, name) < 0 ? 1 : down_instance(name, rq->timeout_ms);
}

int
verb_tell(const char *name, const char *request, int quiet)
{
	int status;
	FILE *f;

	f = ask(name);
	if (f == NULL) {
		fprintf(stderr, "starfish: no supervisor of %s answers: %s\n",
		    name, strerror(errno));
		return 1;
	}
	status = talk(f, request, ANSWER_S, quiet);
	fclose(f);
	return status;
}

int
verb_ask(const struct request *rq, const char *line, char name[BOARD_NAME])
{
	return choose(rq, name) < 0 ? 1 : verb_tell(name, line, 0);
}

int
verb_restart(const struct request *rq)
{
	char name[BOARD_NAME], request[32];

	snprintf(request, sizeof(request), "restart %u", rq->slot);
	return verb_ask(rq, request, name);
}

int
verb_reload(const struct request *rq)
{
	char name[BOARD_NAME];
	char path[PATH_MAX] = "", what[CTL_LINE];

	if (rq->file != NULL && realpath(rq->file, path) == NULL) {
		fprintf(stderr, "starfish: %s: %s\n", rq->file,
		    strerror(errno));
		return 1;
	}
	if ((size_t)snprintf(what, sizeof(what) - 1, "reload%s%s",
	    path[0] != '\0' ? " " : "", path) >= sizeof(what) - 1 ||
	    strpbrk(path, " \t\n") != NULL) {
		fprintf(stderr, "starfish: %s: too long, or with blanks in "
		    "it\n", path);
		return 1;
	}
	return verb_ask(rq, what, name);
}

int
verb_fault(const struct request *rq)
{
	char name[BOARD_NAME];
	char what[CTL_LINE];
	size_t n;
	uint32_t i;

	n = (size_t)snprintf(what, sizeof(what), "fault %u ", rq->slot);
	for (i = 0; i < rq->nmore && n < sizeof(what); i++)
		n += (size_t)snprintf(what + n, sizeof(what) - n, "%s%s",
		    i > 0 ? "," : "", rq->more[i]);
	if (rq->nmore == 0 || n >= sizeof(what) - 1) {
		fprintf(stderr, "starfish: fault %u: %s\n", rq->slot,
		    rq->nmore == 0 ? "missing: OPTION=VALUE..., or off; "
		    "status shows what is set" : "too many options at once");
		return 1;
	}
	return verb_ask(rq, what, name);
}

int
verb_renew(const struct request *rq)
{
	char name[BOARD_NAME];

	if (choose(rq, name) < 0)
		return 1;
	return verb_tell(name, "renew", 0);
}
