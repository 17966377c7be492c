/*
 * seg_main: find scripts, play each for the families that it names, count.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "seg.h"

struct tally {
	uint32_t passed, failed;
	bool verbose;
};

static void
play(struct tally *t, const char *file)
{
	struct seg_script s;
	uint8_t family;
	bool ok;

	if (seg_load(&s, file) < 0) {
		printf("script: %s\n", s.why);
		t->failed++;
		seg_unload(&s);
		return;
	}
	for (family = 4; family <= 6; family += 2) {
		if (!(family == 4 ? s.run4 : s.run6))
			continue;
		ok = seg_run(&s, family) == 0;
		t->passed += ok;
		t->failed += !ok;
		if (!ok)
			printf("script: %s (IPv%u)\n", s.why, family);
		else if (t->verbose)
			printf("script: %s (IPv%u) passed\n", file, family);
	}
	seg_unload(&s);
}

static int
is_script(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".seg") == 0;
}

static void
play_all(struct tally *t, const char *dir)
{
	struct dirent **e;
	char path[512];
	int i, n = scandir(dir, &e, is_script, alphasort);

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, e[i]->d_name);
		play(t, path);
		free(e[i]);
	}
	if (n >= 0)
		free(e);
}

int
seg_main(char *const *names, uint32_t n, bool verbose)
{
	struct tally t = { .verbose = verbose };
	struct stat st;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (stat(names[i], &st) == 0 && S_ISDIR(st.st_mode))
			play_all(&t, names[i]);
		else
			play(&t, names[i]);
	}
	printf("scripts: %u passed, %u failed\n", t.passed, t.failed);
	return t.failed > 0 || t.passed == 0;
}
