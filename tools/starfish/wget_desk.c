/*
 * wget_desk: orders for workers of the load client, and what they count, in
 * files of the instance's directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/bell.h"
#include "wget.h"

/* The memory of one slot; as svc_io.keep has it. */
static int
open_desk(struct wget_desks *d, const struct wget_place *w, uint32_t i)
{
	char dir[BOARD_PATH], path[BOARD_PATH + 64];
	struct stat st;
	void *mem;
	int fd, err;

	if (board_dir(dir, sizeof(dir), w->name) < 0)
		return -EAGAIN;
	snprintf(path, sizeof(path), "%s/out/keep-" LOAD_KEEP "-%u", dir,
	    w->slot[i]);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	err = -EAGAIN;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size !=
	    sizeof(struct load_desk))
		goto close_fd;
	err = -EBUSY;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		goto close_fd;
	mem = mmap(NULL, sizeof(struct load_desk), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	err = -errno;
	if (mem == MAP_FAILED)
		goto close_fd;
	d->desk[i] = mem;
	d->fd[i] = fd;
	d->bell[i] = bell_open(w->name, w->slot[i]);
	/* acquire: pairs with the worker's release; the totals are set */
	err = atomic_load_explicit(&d->desk[i]->totals.state,
	    memory_order_acquire) == LOAD_NEW ? -EAGAIN : 0;
	d->run[i] = atomic_load(&d->desk[i]->totals.run);
	return err;

close_fd:
	close(fd);
	return err;
}

int
wget_desks(struct wget_desks *d, const struct wget_place *w)
{
	uint32_t i;
	int err = 0, one;

	d->n = w->n;
	for (i = 0; i < d->n; i++) {
		one = 0;
		if (d->desk[i] == NULL) {
			one = open_desk(d, w, i);
		} else if (atomic_load_explicit(&d->desk[i]->totals.state,
		    memory_order_acquire) == LOAD_NEW) {
			one = -EAGAIN;
		} else {
			d->run[i] = atomic_load(&d->desk[i]->totals.run);
		}
		if (one < 0)
			err = one;
	}
	return err;
}

void
wget_order(struct wget_desks *d, const struct wget_args *a)
{
	struct load_orders *o;
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		o = &d->desk[i]->orders;
		d->run[i] = atomic_load(&d->desk[i]->totals.run) + 1;
		memcpy(o->conf, a->conf, sizeof(o->conf));
		o->size = (uint32_t)a->table->size;
		o->shape = load_shape(a->table);
		/* release: who sees the run sees its orders */
		atomic_store_explicit(&o->run, d->run[i],
		    memory_order_release);
		bell_ring(d->bell[i]);
	}
}

void
wget_go(struct wget_desks *d)
{
	uint32_t i;

	for (i = 0; i < d->n; i++)
		atomic_store(&d->desk[i]->orders.go, d->run[i]);
}

void
wget_stop(struct wget_desks *d)
{
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		if (d->desk[i] == NULL)
			continue;
		atomic_store(&d->desk[i]->orders.stop, d->run[i]);
		bell_ring(d->bell[i]);
	}
}

enum load_state
wget_look(struct wget_desks *d)
{
	struct load_totals *t;
	enum load_state least = LOAD_OVER, one;
	uint32_t i;

	memset(&d->sum, 0, sizeof(d->sum));
	for (i = 0; i < d->n; i++) {
		t = &d->desk[i]->totals;
		/* acquire: pairs with the worker's release; the numbers that
		 * go with the state are there */
		one = atomic_load_explicit(&t->state, memory_order_acquire);
		if (atomic_load(&t->run) != d->run[i])
			one = LOAD_REST;	/* it has not seen them yet */
		if (one == LOAD_REFUSES)
			return one;
		least = one < least ? one : least;
		if (one >= LOAD_RUNNING)
			load_merge(&d->sum, t);
	}
	return least;
}

const char *
wget_why(const struct wget_desks *d)
{
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		if (atomic_load(&d->desk[i]->totals.state) == LOAD_REFUSES)
			return d->desk[i]->totals.why;
	}
	return "";
}

void
wget_desks_close(struct wget_desks *d)
{
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		if (d->desk[i] == NULL)
			continue;
		munmap(d->desk[i], sizeof(struct load_desk));
		close(d->fd[i]);
		if (d->bell[i] >= 0)
			close(d->bell[i]);
	}
	memset(d, 0, sizeof(*d));
}
