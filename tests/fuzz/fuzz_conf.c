/*
 * fuzz_conf: what people and other processes write: configuration files,
 * requests to the supervisor, faults, and URLs.
 *
 * The first byte says which. A configuration that is taken is written out and
 * read again, twice, which must give the same; one that is refused has a
 * reason. A stream of requests is taken apart the same way in whatever pieces
 * it comes.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/arena.h"
#include "../../common/ctl.h"
#include "../../config/conf.h"
#include "../../secondary/svc/wget/url.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig forgets a string in which a file goes wrong. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

extern const struct svc_desc *const svc_descs[];

static struct conf one, two;
static char err[CONF_ERRLEN], file[64], copy[64];

static void
differs(void *arg, const struct conf_item *was, const struct conf_item *is)
{
	(void)was;
	(void)is;
	++*(uint32_t *)arg;
}

/* What the rest of the program asks of a configuration. */
static void
use(const struct conf *c)
{
	static FILE *nowhere;
	const char *root[BOARD_ROOTS];
	struct arena_shape shape;
	uint32_t i, n = 0, group, index;

	if (nowhere == NULL)
		nowhere = fopen("/dev/null", "w");
	conf_show(c, nowhere);
	conf_roots(c, root, &n);
	assert(n <= BOARD_ROOTS);
	for (i = 0; i < c->nworkers; i++) {
		conf_arena_shape(c, &c->workers[i], &shape);
		assert(arena_size(&shape) != 0);
	}
	assert(conf_hugepage_bytes(c, 0) % (2u << 20) == 0);
	for (i = 0; conf_slot(c, i, &group, &index) == 0; i++)
		assert(group < c->nworkers &&
		    index < conf_slots(&c->workers[group]));
	assert(i >= 1 && i <= BOARD_SLOTS);
}

static void
must_load(struct conf *c, const char *from)
{
	int error = conf_load(c, from, svc_descs, err, sizeof(err));

	if (error < 0)
		fprintf(stderr, "%s\n", err);
	assert(error == 0);
}

static void
configuration(const uint8_t *p, size_t n)
{
	uint32_t differ = 0;
	FILE *f;

	/* other files are not this one's */
	if (memmem(p, n, "include", 7) != NULL)
		return;
	f = fopen(file, "w");
	assert(f != NULL && fwrite(p, 1, n, f) == n);
	fclose(f);
	if (conf_load(&one, file, svc_descs, err, sizeof(err)) < 0) {
		assert(err[0] != '\0' && strlen(err) < sizeof(err));
		return;
	}
	use(&one);
	/* a copy says more, namely what was chosen; its copy says the same */
	if (conf_copy(&one, copy, err, sizeof(err)) == 0) {
		conf_free(&one);
		must_load(&one, copy);
		use(&one);
		assert(conf_copy(&one, file, err, sizeof(err)) == 0);
		must_load(&two, file);
		conf_diff(&one, &two, differs, &differ);
		assert(differ == 0);
		conf_free(&two);
	} else {
		assert(err[0] != '\0');
	}
	conf_free(&one);
}

/* Requests in a stream of which `step` bytes more come each time; returns a
 * sum of what was understood. */
static uint32_t
requests(const char *p, size_t n, size_t step)
{
	char buf[2 * CTL_LINE];
	struct ctl_request r;
	size_t len = 0, at = 0, used, k;
	uint32_t sum = 0;
	int got;

	while (at < n || len > 0) {
		k = n - at < step ? n - at : step;
		k = k < sizeof(buf) - len ? k : sizeof(buf) - len;
		memcpy(buf + len, p + at, k);
		at += k;
		len += k;
		memset(&r, 0, sizeof(r));
		used = 0;
		got = ctl_parse(buf, len, &r, &used);
		if (got == 0) {
			assert(len < CTL_LINE);
			if (at == n)
				return sum;
			continue;
		}
		if (got == -EMSGSIZE || got == -EBADMSG)
			return sum * 31 + (uint32_t)-got;
		assert(got > 0 || got == -ENOENT || got == -EINVAL);
		assert(used > 0 && used <= len);
		assert(got < 0 || ((size_t)got == used &&
		    r.verb < CTL_VERBS && r.slot < BOARD_SLOTS &&
		    r.count <= BOARD_SLOTS && r.ms <= CTL_MS_MAX));
		sum = sum * 31 + (got < 0 ? (uint32_t)-got : 1000u + r.verb +
		    r.slot + r.count + r.ms);
		memmove(buf, buf + used, len - used);
		len -= used;
	}
	return sum;
}

static void
words(const uint8_t *p, size_t n, uint8_t how)
{
	struct conf_fault f = { 0 }, g = { 0 };
	struct net_addr a;
	const char *path, *why = NULL;
	char text[1024], said[1024];
	uint32_t word[FAULT_WORDS];

	n = n < sizeof(text) - 1 ? n : sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	if (how & 1) {
		if (wget_url(text, "http://", how & 2 ? "10.0.0.1" : "", &a,
		    &path, &why) == 0)
			assert((a.family == 4 || a.family == 6) &&
			    path[0] != '\0');
		else
			assert(why != NULL);
		return;
	}
	if (conf_fault_set(&f, text, err, sizeof(err)) < 0) {
		assert(err[0] != '\0');
		return;
	}
	conf_fault_words(&f, word);
	conf_fault_from(&g, word);
	conf_fault_text(&f, text, sizeof(text));
	conf_fault_text(&g, said, sizeof(said));
	assert(strcmp(text, said) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t all;

	if (size < 2 || size > 20000)
		return 0;
	if (file[0] == '\0') {
		snprintf(file, sizeof(file), "/dev/shm/fuzz_conf-%d",
		    (int)getpid());
		snprintf(copy, sizeof(copy), "%s.copy", file);
	}
	switch (data[0] % 4) {
	case 0:
	case 1:
		configuration(data + 1, size - 1);
		unlink(file);
		unlink(copy);
		break;
	case 2:
		all = requests((const char *)data + 1, size - 1, CTL_LINE);
		assert(requests((const char *)data + 1, size - 1,
		    1u + data[1] % 20) == all);
		break;
	default:
		words(data + 1, size - 1, data[0] >> 2);
	}
	return 0;
}
