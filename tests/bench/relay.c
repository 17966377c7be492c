/*
 * relay: what the Linux kernel's TCP gets through a bad path.
 *
 * Two namespaces, a tap device in each; this process carries the frames
 * between them and does to them what a link of the simulator does
 * (tests/sim/link.c): loss, reordering, a delay, a rate with a queue in front.
 * One stream goes through for some seconds; its goodput in kbit/s is printed.
 * usage: relay LOSS_PPM REORDER_PPM SEED [SECONDS [CONGESTION_CONTROL]]
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KBPS		100000u
#define DELAY_NS	20000000u	/* each way */
#define REORDER_NS	10000000u	/* how much later at most */
#define QUEUE		500000u		/* bytes: a round trip's worth */
#define HELD		16384u		/* frames on their way, at most */
#define PORT		5000u

struct frame {
	uint64_t at, order;
	uint32_t len;
	uint8_t to;
	uint8_t data[1600];
};

struct way {
	uint64_t busy_until, last_at;
};

/* Shared with the process that reads at the other end. */
struct shared {
	_Atomic uint64_t until;		/* ns: counts up to here */
	_Atomic uint64_t bytes;
	_Atomic bool done;
};

static struct frame *heap[HELD];
static uint32_t nheap;
static uint64_t order, rng;
static uint32_t loss, reorder;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t
random64(void)
{
	uint64_t z = (rng += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool
chance(uint32_t ppm)
{
	return (random64() >> 32) * 1000000 >> 32 < ppm;
}

static bool
earlier(const struct frame *a, const struct frame *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
push(struct frame *f)
{
	uint32_t i, up;

	if (nheap == HELD) {
		free(f);
		return;
	}
	for (i = nheap++; i > 0; i = up) {
		up = (i - 1) / 2;
		if (!earlier(f, heap[up]))
			break;
		heap[i] = heap[up];
	}
	heap[i] = f;
}

static struct frame *
pop(void)
{
	struct frame *top = heap[0], *last = heap[--nheap];
	uint32_t i = 0, down;

	for (;; i = down) {
		down = 2 * i + 1;
		if (down >= nheap)
			break;
		if (down + 1 < nheap && earlier(heap[down + 1], heap[down]))
			down++;
		if (!earlier(heap[down], last))
			break;
		heap[i] = heap[down];
	}
	if (nheap > 0)
		heap[i] = last;
	return top;
}

/* One frame from the tap of one side; false: there was none. */
static bool
take(int fd, struct way *w, uint8_t to)
{
	struct frame *f = malloc(sizeof(*f));
	uint64_t now, wait;
	ssize_t n;

	if (f == NULL)
		err(1, "malloc");
	n = read(fd, f->data, sizeof(f->data));
	if (n <= 0) {
		free(f);
		return false;
	}
	now = now_ns();
	f->len = (uint32_t)n;
	f->to = to;
	f->order = order++;
	if (w->busy_until < now)
		w->busy_until = now;
	wait = w->busy_until - now;
	if (chance(loss) || wait * KBPS / 8000000u + f->len >
	    QUEUE + 1600u) {
		free(f);
		return true;
	}
	w->busy_until += (f->len + 24u) * UINT64_C(8000000) / KBPS;
	f->at = w->busy_until + DELAY_NS;
	if (chance(reorder))
		f->at += random64() % (REORDER_NS + 1);
	else if (f->at < w->last_at)
		f->at = w->last_at;
	else
		w->last_at = f->at;
	push(f);
	return true;
}

static _Noreturn void
carry(const int tap[2])
{
	struct sched_param sp = { .sched_priority = 10 };
	struct pollfd p[2] = { { .fd = tap[0], .events = POLLIN },
	    { .fd = tap[1], .events = POLLIN } };
	struct way way[2] = { { 0 }, { 0 } };
	struct timespec t = { 0, 0 };
	uint64_t now, left;

	/* Late frames would be a path of its own. Without the right it is
	 * tried all the same. */
	(void)sched_setscheduler(0, SCHED_FIFO, &sp);
	prctl(PR_SET_TIMERSLACK, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		now = now_ns();
		while (nheap > 0 && heap[0]->at <= now) {
			struct frame *f = pop();

			(void)!write(tap[f->to], f->data, f->len);
			free(f);
		}
		left = nheap > 0 ? heap[0]->at - now : 100000000u;
		t.tv_nsec = (long)(left < 100000000u ? left : 100000000u);
		if (ppoll(p, 2, &t, NULL) < 0 && errno != EINTR)
			err(1, "ppoll");
		while (take(tap[0], &way[0], 1))
			continue;
		while (take(tap[1], &way[1], 0))
			continue;
	}
}

/* A namespace of our own with a tap device in it; its descriptor. */
static int
make_side(const char *addr, int *ns)
{
	struct ifreq r = { .ifr_name = "path" };
	struct sockaddr_in *sin = (struct sockaddr_in *)&r.ifr_addr;
	int fd, s;

	if (unshare(CLONE_NEWNET) < 0)
		err(1, "a network namespace (as root)");
	*ns = open("/proc/self/ns/net", O_RDONLY);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	r.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0)
		err(1, "tap");
	s = socket(AF_INET, SOCK_DGRAM, 0);
	sin->sin_family = AF_INET;
	inet_pton(AF_INET, addr, &sin->sin_addr);
	if (ioctl(s, SIOCSIFADDR, &r) < 0)
		err(1, "%s", addr);
	inet_pton(AF_INET, "255.255.255.0", &sin->sin_addr);
	if (ioctl(s, SIOCSIFNETMASK, &r) < 0)
		err(1, "netmask");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		err(1, "up");
	close(s);
	return fd;
}

static void
address(struct sockaddr_in *a)
{
	memset(a, 0, sizeof(*a));
	a->sin_family = AF_INET;
	a->sin_port = htons(PORT);
	inet_pton(AF_INET, "10.77.0.2", &a->sin_addr);
}

static _Noreturn void
drain(struct shared *sh, int ns, int ready)
{
	static char buf[1 << 16];
	struct sockaddr_in a;
	int s, c;
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(ns, CLONE_NEWNET) < 0)
		err(1, "setns");
	address(&a);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0)
		err(1, "listen");
	(void)!write(ready, "", 1);
	c = accept(s, NULL, NULL);
	while ((n = read(c, buf, sizeof(buf))) > 0)
		if (now_ns() < sh->until)
			sh->bytes += (uint64_t)n;
	exit(0);
}

static void
pour(struct shared *sh, int ns, uint32_t seconds, const char *cc)
{
	static char buf[1 << 16];
	struct sockaddr_in a;
	int s;

	if (setns(ns, CLONE_NEWNET) < 0)
		err(1, "setns");
	address(&a);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc,
	    (socklen_t)strlen(cc)) < 0)
		err(1, "%s", cc);
	sh->until = now_ns() + seconds * UINT64_C(1000000000);
	if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0)
		err(1, "connect");
	fcntl(s, F_SETFL, O_NONBLOCK);
	while (now_ns() < sh->until) {
		struct pollfd p = { .fd = s, .events = POLLOUT };

		(void)poll(&p, 1, 50);
		while (write(s, buf, sizeof(buf)) > 0 &&
		    now_ns() < sh->until)
			continue;
	}
}

static uint64_t
number(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	if (end == s || *end != '\0')
		errx(2, "%s is no number", s);
	return v;
}

int
main(int argc, char **argv)
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t seconds = argc > 4 ? (uint32_t)number(argv[4]) : 10;
	int tap[2], ns[2], ready[2];
	pid_t relay, sink;
	char c;

	if (argc < 4 || argc > 6 || sh == MAP_FAILED || seconds == 0)
		errx(2, "usage: relay LOSS_PPM REORDER_PPM SEED [SECONDS "
		    "[CONGESTION_CONTROL]]");
	loss = (uint32_t)number(argv[1]);
	reorder = (uint32_t)number(argv[2]);
	rng = number(argv[3]);
	(void)random64();
	tap[0] = make_side("10.77.0.1", &ns[0]);
	tap[1] = make_side("10.77.0.2", &ns[1]);
	if (pipe(ready) < 0)
		err(1, "pipe");
	relay = fork();
	if (relay == 0)
		carry(tap);
	sink = fork();
	if (sink == 0)
		drain(sh, ns[1], ready[1]);
	(void)!read(ready[0], &c, 1);
	pour(sh, ns[0], seconds, argc > 5 ? argv[5] : "cubic");
	kill(sink, SIGKILL);
	kill(relay, SIGKILL);
	printf("%llu\n", (unsigned long long)(sh->bytes * 8 / 1000 /
	    seconds));
	return 0;
}
