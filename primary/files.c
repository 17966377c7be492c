/*
 * files: document roots are read by a child. It is forked before EAL starts,
 * so it has one thread, none of the devices and none of the locks; a file
 * that breaks it (or that it reads for minutes) does not touch the primary.
 * It loads into a zone by mapping the zone's hugepage file.
 *
 * The two speak over a socket pair, one request and one answer at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_errno.h>

#include "primary.h"

#include "../common/fcache.h"
#include "../common/log.h"
#include "../common/shm.h"

#define MIME_TYPES	"/etc/mime.types"

struct request {
	uint64_t page;		/* bytes of a hugepage; 0: measure only */
	uint64_t file_max;	/* larger files are not taken in */
	char root[OPT_STRLEN];
	struct board_place place;
};

struct answer {
	int err;
	uint64_t size;		/* measure: bytes of the image */
	char text[1024];	/* the reason, or what was left out */
};

struct root {
	char path[OPT_STRLEN];
	uint64_t size;
};

static struct root roots[BOARD_ROOTS];
static uint32_t nroots;
static pid_t child = -1;
static int chan = -1;

/* ---- child ------------------------------------------------------------- */

static void
load(const struct request *rq, struct answer *an)
{
	struct fcache_root from = { rq->root, MIME_TYPES, rq->file_max };
	const struct board_place *pl = &rq->place;
	uint64_t skip = pl->offset % rq->page;
	size_t len;
	uint8_t *map;
	int fd;

	fd = open(pl->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		an->err = -errno;
		snprintf(an->text, sizeof(an->text), "%s: %s", pl->path,
		    strerror(errno));
		return;
	}
	/* a mapping of hugepages begins and ends at one */
	len = (pl->len + skip + rq->page - 1) / rq->page * rq->page;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    (off_t)(pl->offset - skip));
	close(fd);
	if (map == MAP_FAILED) {
		an->err = -errno;
		snprintf(an->text, sizeof(an->text), "cannot map %s: %s",
		    pl->path, strerror(errno));
		return;
	}
	/* a file system that fails under the mapping must not go unseen */
	memset(map + skip, 0, pl->len);
	an->err = fcache_build(map + skip, pl->len, &from, an->text,
	    sizeof(an->text));
	if (an->err == 0 && fcache_check((void *)(map + skip), pl->len) < 0) {
		an->err = -EPROTO;
		snprintf(an->text, sizeof(an->text), "%s: its image is "
		    "damaged", rq->root);
	}
	munmap(map, len);
}

static _Noreturn void
child_main(int fd)
{
	struct fcache_root from = { .root = NULL };
	struct request rq;
	struct answer an;
	size_t size;

	while (recv(fd, &rq, sizeof(rq), 0) == (ssize_t)sizeof(rq)) {
		memset(&an, 0, sizeof(an));
		if (rq.page == 0) {
			size = 0;
			from.root = rq.root;
			from.file_max = rq.file_max;
			an.err = fcache_measure(&from, &size, an.text,
			    sizeof(an.text));
			an.size = size;
		} else {
			load(&rq, &an);
		}
		if (send(fd, &an, sizeof(an), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* ---- parent ------------------------------------------------------------ */

static int
child_start(struct primary *p)
{
	sigset_t none;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return primary_fail(p, -errno, "socketpair: %s",
		    strerror(errno));
	child = fork();
	if (child < 0) {
		close(pair[0]);
		close(pair[1]);
		return primary_fail(p, -errno, "fork: %s", strerror(errno));
	}
	if (child == 0) {
		/* dies with us and keeps nothing of ours: not the lock */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "starfish-files");
		if (dup2(pair[1], 3) < 0)
			_exit(1);
		close_range(4, ~0u, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		child_main(3);
	}
	close(pair[1]);
	chan = pair[0];
	return 0;
}

/* How the child ended, when it does not answer. */
static int
child_gone(struct primary *p, const char *root)
{
	int status = 0;

	close(chan);
	chan = -1;
	if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) {
		child = -1;
		return primary_fail(p, -EIO, "document root %s: the loader "
		    "was ended by %s", root, strsignal(WTERMSIG(status)));
	}
	child = -1;
	return primary_fail(p, -EIO, "document root %s: the loader ended",
	    root);
}

static int
ask(struct primary *p, const struct request *rq, struct answer *an)
{
	ssize_t n;

	if (send(chan, rq, sizeof(*rq), MSG_NOSIGNAL) < 0)
		return child_gone(p, rq->root);
	do
		n = recv(chan, an, sizeof(*an), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*an))
		return child_gone(p, rq->root);
	an->text[sizeof(an->text) - 1] = '\0';
	return 0;
}

/* Each line of text is something that was left out. */
static void
warn_lines(const char *root, char *text)
{
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save))
		log_warn("document root %s: %s", root, line);
}

/* Take up a root, unless another worker entry has it already. */
static int
add_root(struct primary *p, const char *path)
{
	uint32_t i;

	for (i = 0; i < nroots; i++)
		if (strcmp(roots[i].path, path) == 0)
			return 0;
	if (nroots == BOARD_ROOTS)
		return primary_fail(p, -ENOSPC,
		    "document root %s: only %u different roots are possible",
		    path, BOARD_ROOTS);
	strlcpy(roots[nroots++].path, path, OPT_STRLEN);
	return 0;
}

static int
collect(struct primary *p)
{
	const struct conf_worker *w;
	const struct opt *o;
	const char *root;
	uint32_t i, k;
	int err;

	for (i = 0; i < p->conf->nworkers; i++) {
		w = &p->conf->workers[i];
		if (w->desc == NULL || w->desc->opts == NULL ||
		    w->options == NULL)
			continue;
		for (o = w->desc->opts->opts; o->name != NULL; o++) {
			for (k = 0; (root = opt_root(o, w->options, k)) != NULL;
			    k++) {
				err = add_root(p, root);
				if (err < 0)
					return err;
			}
		}
	}
	return 0;
}

int
files_measure(struct primary *p)
{
	uint64_t most = (uint64_t)p->conf->memory.cache_mb << 20;
	struct request rq;
	struct answer an;
	uint32_t i;
	int err;

	err = collect(p);
	if (err < 0 || nroots == 0)
		return err;
	err = child_start(p);
	for (i = 0; err == 0 && i < nroots; i++) {
		memset(&rq, 0, sizeof(rq));
		rq.file_max = (uint64_t)p->conf->memory.cache_file_max;
		strlcpy(rq.root, roots[i].path, sizeof(rq.root));
		err = ask(p, &rq, &an);
		if (err < 0)
			break;
		if (an.err < 0)
			return primary_fail(p, an.err, "document root %s: %s",
			    rq.root, an.text[0] != '\0' ? an.text :
			    strerror(-an.err));
		roots[i].size = an.size;
		if (an.size > most)
			return primary_fail(p, -EFBIG, "document root %s "
			    "takes %lu MB, memory.cache_mb allows %ld",
			    rq.root, (unsigned long)((an.size >> 20) + 1),
			    (long)p->conf->memory.cache_mb);
		warn_lines(rq.root, an.text);
	}
	return err;
}

uint64_t
files_bytes(const struct conf *conf)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < nroots; i++)
		sum += conf_root_place(conf, roots[i].size);
	return sum;
}

/* Load root i to a side of its place. */
static void
request_load(struct primary *p, uint32_t i, uint32_t side,
    struct request *rq)
{
	struct board_root *b = &p->board->root[i];

	memset(rq, 0, sizeof(*rq));
	rq->page = p->huge_page;
	rq->file_max = (uint64_t)p->conf->memory.cache_file_max;
	strlcpy(rq->root, b->root, sizeof(rq->root));
	rq->place = b->place;
	if (b->side > 0) {
		rq->place.len = b->side;
		rq->place.offset += side * b->side;
	}
}

static int
load_root(struct primary *p, uint32_t i)
{
	uint64_t place = conf_root_place(p->conf, roots[i].size);
	struct board_root *b = &p->board->root[i];
	const struct rte_memzone *mz;
	const struct fcache *fc;
	char name[RTE_MEMZONE_NAMESIZE];
	struct request rq;
	struct answer an;
	int err;

	snprintf(name, sizeof(name), SHM_ROOT, i);
	mz = rte_memzone_reserve_aligned(name, place, SOCKET_ID_ANY, 0, 64);
	if (mz == NULL)
		return primary_fail(p, -ENOMEM, "document root %s: no room "
		    "for %lu kB in %lu MB of hugepages: %s", roots[i].path,
		    (unsigned long)(place >> 10),
		    (unsigned long)(p->bytes >> 20), rte_strerror(rte_errno));
	err = memory_place(p, &b->place, mz->addr, place);
	if (err < 0)
		return err;
	if (p->conf->memory.reload_room >= 0)
		b->side = place / 2;
	strlcpy(b->root, roots[i].path, sizeof(b->root));
	strlcpy(b->from[0], roots[i].path, sizeof(b->from[0]));
	request_load(p, i, 0, &rq);
	err = ask(p, &rq, &an);
	if (err < 0)
		return err;
	fc = mz->addr;
	if (an.err < 0)
		return primary_fail(p, an.err, "document root %s: %s",
		    rq.root, an.text[0] != '\0' ? an.text :
		    strerror(-an.err));
	b->nfiles = fc->nentries;
	b->bytes = fc->content;
	atomic_store_explicit(&b->generation, 1, memory_order_release);
	return 0;
}

int
files_load(struct primary *p)
{
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0 && i < nroots; i++)
		err = load_root(p, i);
	p->board->head.nroots = err == 0 ? nroots : 0;
	atomic_store_explicit(&p->board->cache.generation, 1,
	    memory_order_release);
	if (err < 0 || p->conf->memory.reload_room < 0)
		files_stop();
	return err;
}

/* ---- reload ------------------------------------------------------------ */

int
files_ask(struct primary *p, uint32_t i, uint32_t side)
{
	struct request rq;

	request_load(p, i, side, &rq);
	if (p->board->live.source[i][0] != '\0')
		strlcpy(rq.root, p->board->live.source[i], sizeof(rq.root));
	strlcpy(p->board->root[i].from[side], rq.root, OPT_STRLEN);
	if (chan < 0 || send(chan, &rq, sizeof(rq), MSG_NOSIGNAL) < 0)
		return -EPIPE;
	return 0;
}

int
files_answered(struct primary *p, uint32_t i, char *why, size_t len)
{
	const char *root = p->board->root[i].root;
	struct answer an;
	ssize_t n;

	n = recv(chan, &an, sizeof(an), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n != (ssize_t)sizeof(an)) {
		snprintf(why, len, "%.128s: the loader ended", root);
		files_stop();
		return -EIO;
	}
	an.text[sizeof(an.text) - 1] = '\0';
	if (an.err < 0) {
		snprintf(why, len, "%s", an.text[0] != '\0' ? an.text :
		    strerror(-an.err));
		return an.err;
	}
	warn_lines(root, an.text);
	return 0;
}

void
files_publish(struct primary *p, uint32_t gen)
{
	const struct fcache *fc;
	struct board_root *b;
	uint32_t i;

	for (i = 0; i < p->board->head.nroots; i++) {
		b = &p->board->root[i];
		fc = (const void *)(uintptr_t)(b->place.addr +
		    (gen - 1) % 2 * b->side);
		b->nfiles = fc->nentries;
		b->bytes = fc->content;
		atomic_store_explicit(&b->generation, gen,
		    memory_order_release);
	}
}

void
files_stop(void)
{
	if (chan >= 0)
		close(chan);
	chan = -1;
	if (child > 0) {
		/* it may still be reading a large tree */
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = -1;
}
