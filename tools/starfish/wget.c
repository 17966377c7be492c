/*
 * wget: load on a server, from the command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sha2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "inst.h"
#include "verbs.h"
#include "wget.h"

#define LOOK_MS		20	/* how often the workers are looked at */
#define READY_MS	60000	/* patience until they are ready */
#define STOP_US		5000000u /* and until they end, when told to */

static volatile sig_atomic_t asked;	/* a signal to end came */

static void
note(int sig)
{
	asked = sig;
}

/* A file to be compared, or a directory to be written to, which is made if
 * only its last name is missing. 0 or an errno. */
static int
look(const char *path, mode_t type)
{
	char above[OPT_STRLEN], *slash;
	struct stat st;

	if (stat(path, &st) == 0)
		return (st.st_mode & S_IFMT) == type ? 0 :
		    type == S_IFDIR ? ENOTDIR : EISDIR;
	strlcpy(above, path, sizeof(above));
	slash = strrchr(above, '/');
	if (errno != ENOENT || type != S_IFDIR || slash == NULL)
		return errno;
	slash[slash == above] = '\0';
	return stat(above, &st) < 0 ? errno : 0;
}

/* What the service would refuse, before any process is started. */
static int
check(struct wget_args *a)
{
	const char *why = inst_service("wget")->check(a->conf);
	const char *verify = wget_string(a, "verify");
	const char *save = wget_string(a, "save");
	int err;

	if (why != NULL) {
		fprintf(stderr, "starfish: wget: %s: %s\n",
		    wget_string(a, "url"), why);
		return -EINVAL;
	}
	err = verify[0] == '/' ? look(verify, S_IFREG) : 0;
	if (err != 0)
		fprintf(stderr, "starfish: wget: --verify %s: %s; allowed a "
		    "file or a SHA-256 of 64 digits\n", verify,
		    strerror(err));
	if (err == 0 && save[0] == '/') {
		err = look(save, S_IFDIR);
		if (err != 0)
			fprintf(stderr, "starfish: wget: --save %s: %s; "
			    "allowed a directory, or a new one in one that "
			    "is there\n", save, strerror(err));
	}
	return err != 0 ? -EINVAL : 0;
}

/*
 * The address of the URL's host into addr; a name, or a loopback address that
 * the tap's other end cannot have, goes into the option `address`. 0 or
 * -EINVAL said why.
 */
static int
resolve(struct wget_args *a, char *addr, size_t len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai, *i;
	const char *url = wget_string(a, "url"), *s = url + 7;
	char host[OPT_STRLEN];
	int err, bracket = 0;

	if (strncmp(url, "http://", 7) != 0) {
		fprintf(stderr, "starfish: wget: %s: must start with "
		    "http://\n", url);
		return -EINVAL;
	}
	bracket = *s == '[';
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(s + bracket,
	    bracket ? "]" : ":/"), s + bracket);
	if (host[0] == '\0') {
		fprintf(stderr, "starfish: wget: %s: no host: allowed "
		    "http://HOST[:PORT][/PATH]\n", url);
		return -EINVAL;
	}
	err = getaddrinfo(host, NULL, &hints, &ai);
	if (err != 0) {
		fprintf(stderr, "starfish: wget: %s: %s\n", host,
		    gai_strerror(err));
		return -EINVAL;
	}
	/* IPv4 if there is one: fewer machines do without it */
	for (i = ai; i != NULL && i->ai_family != AF_INET; i = i->ai_next)
		;
	i = i == NULL ? ai : i;
	getnameinfo(i->ai_addr, i->ai_addrlen, addr, (socklen_t)len, NULL, 0,
	    NI_NUMERICHOST);
	freeaddrinfo(ai);
	if (strcmp(addr, host) != 0)
		strlcpy(wget_string(a, "address"), addr, OPT_STRLEN);
	return check(a);
}

/* Workers at rest read no files: they get the hash of this one. */
static int
hash_file(struct wget_args *a)
{
	char *v = wget_string(a, "verify"), hex[SHA256_DIGEST_STRING_LENGTH];

	if (v[0] != '/')
		return 0;
	if (SHA256File(v, hex) == NULL) {
		fprintf(stderr, "starfish: wget: --verify %s: %s\n", v,
		    strerror(errno));
		return -errno;
	}
	strlcpy(v, hex, OPT_STRLEN);
	return 0;
}

/* Wait until all workers are ready. 0 or -errno said why. */
static int
get_ready(struct wget_place *w, struct wget_desks *d, struct wget_args *a)
{
	enum load_state s = LOAD_NEW;
	int waited, err = -EAGAIN;

	for (waited = 0; waited < READY_MS && !asked; waited += LOOK_MS) {
		if (!wget_alive(w))
			return -ECHILD;
		if (err == -EAGAIN) {
			err = wget_desks(d, w);
			if (err == 0 && !w->ours)
				wget_order(d, a);
		}
		if (err < 0 && err != -EAGAIN) {
			fprintf(stderr, "starfish: wget: instance %s: %s\n",
			    w->name, err == -EBUSY ? "another wget uses it" :
			    strerror(-err));
			return err;
		}
		s = err == 0 ? wget_look(d) : LOAD_NEW;
		if (s == LOAD_REFUSES) {
			fprintf(stderr, "starfish: wget: %s\n", wget_why(d));
			return -EINVAL;
		}
		if (s >= LOAD_READY)
			return 0;
		poll(NULL, 0, LOOK_MS);
	}
	fprintf(stderr, "starfish: wget: %s\n", asked ? "interrupted" :
	    "the workers do not get ready");
	return -ETIMEDOUT;
}

/* Whether a run goes on; says why not. */
static int
goes_on(struct wget_place *w, enum load_state s, uint64_t stopped_us)
{
	if (!wget_alive(w))
		return 0;
	if (s < LOAD_READY)	/* a successor does not know of the run */
		fprintf(stderr, "starfish: wget: a worker died and lost its "
		    "run\n");
	else if (stopped_us != 0 && board_mono_us() - stopped_us > STOP_US)
		fprintf(stderr, "starfish: wget: the workers do not end\n");
	else
		return 1;
	return 0;
}

/* Follow a run to its end, a line each second. 0; -ECHILD it broke off. */
static int
follow(struct wget_place *w, struct wget_desks *d, FILE *out)
{
	static struct load_totals before;
	char text[1024];
	uint64_t next = board_mono_us() + 1000000, stopped = 0;
	enum load_state s;
	struct fmt f;

	memset(&before, 0, sizeof(before));
	while ((s = wget_look(d)) != LOAD_OVER) {
		if (!goes_on(w, s, stopped))
			return -ECHILD;
		if (asked && stopped == 0) {
			wget_stop(d);
			stopped = board_mono_us();
		}
		if (board_mono_us() >= next && d->sum.magic != 0) {
			fmt_init(&f, text, sizeof(text));
			load_line(&f, &d->sum, &before, next);
			fprintf(out, "%s\n", fmt_end(&f));
			fflush(out);
			before = d->sum;
			next += 1000000;
		}
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

static int
show(const struct wget_desks *d, struct wget_args *a, FILE *out)
{
	static char text[LOAD_TEXT];
	char who[64];
	struct fmt f;

	fmt_init(&f, text, sizeof(text));
	load_table(&f, &d->sum, "");
	fprintf(out, "%s", fmt_end(&f));
	if (a->json) {
		snprintf(who, sizeof(who), "\"workers\": %u, ", d->n);
		fmt_init(&f, text, sizeof(text));
		load_json(&f, &d->sum, wget_string(a, "url"), who);
		printf("%s", fmt_end(&f));
	}
	return d->sum.bad || asked ? 1 : 0;
}

static int
run(struct wget_args *a, struct wget_place *w, const char *addr)
{
	static struct wget_desks d;
	FILE *out = a->json ? stderr : stdout;
	int status = WGET_BAD;

	if (!w->ours && hash_file(a) < 0)
		return status;
	fprintf(out, w->ours ? "%s: an instance of its own, %u load client%s\n"
	    : "%s: orders for %u load client%s at rest\n", w->name, w->n,
	    w->n == 1 ? "" : "s");
	fflush(out);
	if (get_ready(w, &d, a) == 0) {
		wget_route(w, addr);
		wget_go(&d);
		if (follow(w, &d, out) == 0)
			status = show(&d, a, out);
	}
	if (status == WGET_BAD)
		wget_stop(&d);
	wget_desks_close(&d);
	return status;
}

int
verb_wget(const struct request *rq)
{
	static struct wget_args a;
	static struct wget_place w;
	struct sigaction sa = { .sa_handler = note };
	char addr[NI_MAXHOST], err[512];
	int status = WGET_BAD;

	a.name = rq->name;
	if (wget_args(&a, rq->argc, rq->argv, err, sizeof(err)) < 0) {
		fprintf(stderr, "starfish: %s\n", err);
		return WGET_BAD;
	}
	if (a.help) {
		wget_help(stdout);
		return 0;
	}
	if (resolve(&a, addr, sizeof(addr)) < 0)
		return WGET_BAD;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	if (wget_place(&w, &a, addr) == 0)
		status = run(&a, &w, addr);
	wget_leave(&w);
	return status;
}
