#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/log.h"

/* A piece in the ring, its data behind it; 8-byte aligned. */
struct entry {
	uint64_t at;
	uint32_t size;		/* of all, to the next one */
	uint32_t len;		/* bytes of data */
	uint32_t end;		/* enum svc_save_end; SKIP: nothing */
	char name[SAVE_NAME];
};

#define SKIP	UINT32_MAX

_Static_assert(sizeof(struct entry) % 8 == 0, "entries stay aligned");

extern char **environ;

/* ---- the worker's side --------------------------------------------------- */

/*
 * The writer: descriptors 3 ring, 4 pipe, 5 directory, whatever they are
 * here. They are moved up first, so that none is overwritten by another.
 */
static int
spawn_writer(int ring, int pipe, int dir)
{
	char *argv[] = { (char *)(uintptr_t)"starfish-worker",
	    (char *)(uintptr_t)"--writer", NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t all;
	int fd[3] = { ring, pipe, dir }, up[3], i, err = 0;
	pid_t pid;

	for (i = 0; i < 3; i++) {
		up[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 64);
		if (up[i] < 0)
			err = errno;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	for (i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&fa, up[i], 3 + i);
	posix_spawn_file_actions_addclosefrom_np(&fa, 6);
	sigfillset(&all);
	posix_spawnattr_setsigdefault(&attr, &all);
	/* a terminal's ^C is for others: what was handed over is written */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
	    POSIX_SPAWN_SETPGROUP);
	if (err == 0)
		err = posix_spawn(&pid, "/proc/self/exe", &fa, &attr, argv,
		    environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	for (i = 0; i < 3; i++)
		if (up[i] >= 0)
			close(up[i]);
	return -err;
}

static int
make_ring(struct save *s)
{
	int fd = memfd_create("starfish-save", MFD_CLOEXEC);
	void *mem;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct save_ring)) < 0)
		goto close_fd;
	mem = mmap(NULL, sizeof(struct save_ring), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, fd, 0);
	if (mem == MAP_FAILED)
		goto close_fd;
	s->ring = mem;
	return fd;

close_fd:
	close(fd);
	return -errno;
}

int
save_open(struct save *s, const char *dir)
{
	int ring, dfd, pipefd[2], err = 0;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		err = -errno;
	dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dfd < 0) {
		err = err < 0 ? err : -errno;
		log_error("%s: %s", dir, strerror(-err));
		return err;
	}
	err = ring = make_ring(s);
	if (err < 0)
		goto close_dir;
	if (pipe2(pipefd, O_CLOEXEC | O_NONBLOCK) < 0) {
		err = -errno;
		goto close_ring;
	}
	err = spawn_writer(ring, pipefd[0], dfd);
	s->pipe = pipefd[1];
	close(pipefd[0]);
close_ring:
	close(ring);
close_dir:
	close(dfd);
	if (err < 0) {
		log_error("the writer of files: %s", strerror(-err));
		s->ring = NULL;
	}
	return err;
}

/* A byte into the pipe, if the writer sleeps. A full pipe wakes, too. */
static void
wake(struct save *s)
{
	ssize_t n = 0;

	/* Pairs with the writer's fence in wait_more(). */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&s->ring->sleeps, memory_order_relaxed))
		n = write(s->pipe, "", 1);
	(void)n;
}

bool
save_piece(struct save *s, const struct svc_save *piece)
{
	struct save_ring *r = s->ring;
	uint64_t prod = atomic_load_explicit(&r->prod, memory_order_relaxed);
	uint32_t at = (uint32_t)(prod % SAVE_BYTES), left = SAVE_BYTES - at;
	uint32_t size = ((uint32_t)sizeof(struct entry) + piece->len + 7) &
	    ~7u, skip = left < size ? left : 0;
	struct entry *e;

	/* acquire: pairs with the writer's release in next(); what it has
	 * read may be written over */
	if (prod + skip + size - atomic_load_explicit(&r->cons,
	    memory_order_acquire) > SAVE_BYTES) {
		wake(s);
		return false;
	}
	/* what is too short for an entry is skipped by both sides alike */
	if (skip >= sizeof(struct entry)) {
		e = (struct entry *)(void *)(r->data + at);
		e->size = skip;
		e->end = SKIP;
	}
	e = (struct entry *)(void *)(r->data + (prod + skip) % SAVE_BYTES);
	e->at = piece->at;
	e->size = size;
	e->len = piece->len;
	e->end = piece->end;
	snprintf(e->name, sizeof(e->name), "%s", piece->name);
	if (piece->len > 0)
		memcpy(e + 1, piece->data, piece->len);
	/* release: pairs with the writer's acquire in next() */
	atomic_store_explicit(&r->prod, prod + skip + size,
	    memory_order_release);
	wake(s);
	return true;
}

bool
save_done(struct save *s, uint64_t *whole, uint64_t *failed)
{
	struct save_ring *r = s->ring;

	if (atomic_load_explicit(&r->cons, memory_order_acquire) !=
	    atomic_load_explicit(&r->prod, memory_order_relaxed))
		return false;
	*whole = atomic_load_explicit(&r->whole, memory_order_relaxed);
	*failed = atomic_load_explicit(&r->failed, memory_order_relaxed);
	return true;
}

/* ---- the writer's side --------------------------------------------------- */

struct writer {
	struct save_ring *ring;
	int pipe, dir;
	int fd;			/* of the file written last; -1 */
	bool ended;		/* the worker is gone */
	char name[SAVE_NAME];	/* of that file */
};

static void
count(_Atomic uint64_t *w)
{
	atomic_store_explicit(w, atomic_load_explicit(w,
	    memory_order_relaxed) + 1, memory_order_relaxed);
}

static int
put(int fd, const uint8_t *p, uint32_t n, uint64_t at)
{
	ssize_t took;

	for (; n > 0; n -= (uint32_t)took, p += took, at += (uint64_t)took) {
		took = pwrite(fd, p, n, (off_t)at);
		if (took < 0 && errno == EINTR)
			took = 0;
		if (took < 0)
			return -errno;
	}
	return 0;
}

/* The file NAME.part, open. */
static int
part(struct writer *w, const struct entry *e)
{
	char path[SAVE_NAME + 8];

	if (w->fd >= 0 && strcmp(w->name, e->name) == 0)
		return w->fd;
	if (w->fd >= 0)
		close(w->fd);
	snprintf(path, sizeof(path), "%s.part", e->name);
	w->fd = openat(w->dir, path, O_WRONLY | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC | (e->at == 0 && e->end == SVC_SAVE_MORE ? O_TRUNC : 0),
	    0644);
	snprintf(w->name, sizeof(w->name), "%s", e->name);
	return w->fd < 0 ? -errno : w->fd;
}

static void
piece(struct writer *w, const struct entry *e, const uint8_t *data)
{
	char path[SAVE_NAME + 8];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s.part", e->name);
	if (strchr(e->name, '/') != NULL || e->name[0] == '.')
		err = -EINVAL;
	if (err == 0 && e->end == SVC_SAVE_DROP) {
		unlinkat(w->dir, path, 0);
	} else if (err == 0) {
		err = fd = part(w, e);
		if (fd >= 0)
			err = put(fd, data, e->len, e->at);
		if (err == 0 && e->end == SVC_SAVE_WHOLE &&
		    (ftruncate(fd, (off_t)(e->at + e->len)) < 0 ||
		    renameat(w->dir, path, w->dir, e->name) < 0))
			err = -errno;
	}
	if (e->end != SVC_SAVE_MORE && w->fd >= 0) {
		close(w->fd);
		w->fd = -1;
	}
	if (err < 0) {
		if (atomic_load(&w->ring->failed) == 0)
			log_error("%s: %s", path, strerror(-err));
		count(&w->ring->failed);
	} else if (e->end == SVC_SAVE_WHOLE) {
		count(&w->ring->whole);
	}
}

/* Whether a piece lies between cons and prod, and in the ring. */
static bool
is_right(const struct entry *e, uint32_t left, uint64_t ready)
{
	return e->size >= sizeof(*e) && e->size % 8 == 0 && e->size <= left &&
	    e->size <= ready && (e->end == SKIP ||
	    (e->end <= SVC_SAVE_DROP && e->len <= e->size - sizeof(*e)));
}

/*
 * Write one piece; false: there is none. The worker has given up its rights
 * and we have not: what it says is looked at once, and not believed.
 */
static bool
next(struct writer *w)
{
	struct save_ring *r = w->ring;
	uint64_t cons = atomic_load_explicit(&r->cons, memory_order_relaxed);
	/* acquire: pairs with the worker's release in save_piece() */
	uint64_t prod = atomic_load_explicit(&r->prod, memory_order_acquire);
	uint32_t at = (uint32_t)(cons % SAVE_BYTES), size = SAVE_BYTES - at;
	struct entry e;

	if (cons == prod)
		return false;
	if (size >= sizeof(e)) {
		memcpy(&e, r->data + at, sizeof(e));
		e.name[sizeof(e.name) - 1] = '\0';
		if (cons % 8 != 0 || !is_right(&e, size, prod - cons)) {
			if (atomic_load(&r->failed) == 0)
				log_error("the ring of pieces is damaged");
			count(&r->failed);
			atomic_store_explicit(&r->cons, prod,
			    memory_order_release);
			return true;
		}
		size = e.size;
		if (e.end != SKIP)
			piece(w, &e, r->data + at + sizeof(e));
	}
	/* release: pairs with the worker's acquire in save_piece() */
	atomic_store_explicit(&r->cons, cons + size, memory_order_release);
	return true;
}

/* Sleep until there is more, or the worker is gone. */
static void
wait_more(struct writer *w)
{
	char buf[64];
	ssize_t n;

	atomic_store_explicit(&w->ring->sleeps, 1, memory_order_relaxed);
	/* Pairs with the worker's fence in wake(): it sees that we sleep, or
	 * we see its piece. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->ring->cons, memory_order_relaxed) ==
	    atomic_load_explicit(&w->ring->prod, memory_order_acquire)) {
		n = read(w->pipe, buf, sizeof(buf));
		w->ended = n == 0 || (n < 0 && errno != EINTR);
	}
	atomic_store_explicit(&w->ring->sleeps, 0, memory_order_relaxed);
}

int
save_writer(int argc, char **argv)
{
	struct writer w = { .pipe = 4, .dir = 5, .fd = -1 };
	void *mem;

	log_init("starfish-worker", "writer", LOG_LEVEL_INFO);
	mem = mmap(NULL, sizeof(struct save_ring), PROT_READ | PROT_WRITE,
	    MAP_SHARED, 3, 0);
	if (argc != 2 || mem == MAP_FAILED) {
		log_error("%s --writer: is started by a worker only", argv[0]);
		return 2;
	}
	w.ring = mem;
	/* here to wait in; the worker's end stays as it is */
	fcntl(w.pipe, F_SETFL, fcntl(w.pipe, F_GETFL) & ~O_NONBLOCK);
	while (!w.ended) {
		while (next(&w))
			;
		wait_more(&w);
	}
	while (next(&w))
		;
	return 0;
}
