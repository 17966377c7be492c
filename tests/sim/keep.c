/*
 * keep: seeds that failed once. They lie in a file, a line each: the seed and,
 * if it belongs to one, the scenario. They run before all others, and a seed
 * that fails anew is written behind them.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

const struct scenario *
scenario_find(const char *name)
{
	const struct scenario *s;

	for (s = scenarios; name != NULL && s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

uint32_t
keep_load(const char *file, struct kept **list)
{
	char line[100], name[50], *hash;
	uint32_t n = 0, no = 0;
	unsigned long long seed;
	FILE *f = fopen(file, "r");
	int words;

	*list = NULL;
	if (f == NULL)
		err(2, "%s", file);
	while (fgets(line, sizeof(line), f) != NULL) {
		no++;
		hash = strchr(line, '#');
		if (hash != NULL)
			*hash = '\0';
		words = sscanf(line, "%llu %49s", &seed, name);
		if (words == EOF)
			continue;
		*list = realloc(*list, (n + 1) * sizeof(**list));
		if (*list == NULL)
			err(1, "%s", file);
		(*list)[n].seed = seed;
		(*list)[n].scenario = words < 2 ? NULL : scenario_find(name);
		if (words < 1 || seed == 0 ||
		    (words == 2 && (*list)[n].scenario == NULL))
			errx(2, "%s:%u: SEED [SCENARIO] is expected", file, no);
		n++;
	}
	fclose(f);
	return n;
}

void
keep_add(const char *file, const struct kept *k)
{
	char line[100];
	int fd, n;

	n = snprintf(line, sizeof(line), "%llu%s%s\n",
	    (unsigned long long)k->seed, k->scenario != NULL ? " " : "",
	    k->scenario != NULL ? k->scenario->name : "");
	fd = open(file, O_WRONLY | O_APPEND);
	/* One write: several jobs may do this at once. */
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		warn("%s: not kept", file);
	if (fd >= 0)
		close(fd);
}
