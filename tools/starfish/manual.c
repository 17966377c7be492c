/*
 * manual: what a service says of itself: options and counters, from the same
 * rows that the parser and `stats` use.
 */
#include <stdio.h>
#include <string.h>

#include "../../common/opt.h"
#include "../../config/conf.h"
#include "verbs.h"

void
manual_group(const struct optgroup *g)
{
	char def[OPT_STRLEN + 8], range[256];
	const struct opt *o;

	printf("\n%s = { ... } in its worker entry:\n", g->name);
	for (o = g->opts; o->name != NULL; o++) {
		conf_default(o, def, sizeof(def));
		conf_range(o, range, sizeof(range));
		printf("  %s\n      %s\n      default %s%s%s; allowed %s\n",
		    o->name, o->help, def[0] != '\0' ? def : "none",
		    o->unit != NULL ? " " : "", o->unit != NULL ? o->unit : "",
		    range);
	}
}

static void
print_service(const struct svc_desc *d)
{
	const struct svc_counter *c;

	printf("%s: %s\n", d->name, d->help);
	if (d->client)
		printf("It opens connections itself; listen is not needed.\n");
	if (d->count_max > 0)
		printf("Most slots of a group: %u.\n", d->count_max);
	if (d->objects != OBJECTS_NONE)
		printf("It keeps objects: memory.objects of each slot.\n");
	printf("Of each connection %u bytes survive a crash.\n",
	    d->state_size);
	if (d->opts != NULL)
		manual_group(d->opts);
	if (d->counters == NULL)
		return;
	printf("\nCounters in `starfish stats`:\n");
	for (c = d->counters; c->name != NULL; c++)
		printf("  %-20s %s\n", c->name, c->help);
}

int
manual_service(const char *name)
{
	const struct svc_desc *d;
	uint32_t i;

	for (i = 0; (d = svc_descs[i]) != NULL; i++) {
		if (name == NULL)
			printf("%-10s %s\n", d->name, d->help);
		else if (strcmp(d->name, name) == 0)
			break;
	}
	if (name == NULL) {
		printf("\n`starfish help service NAME` tells its options and "
		    "counters.\n");
		return 0;
	}
	if (d == NULL) {
		fprintf(stderr, "starfish: no such service: \"%s\"; see "
		    "starfish help service\n", name);
		return 1;
	}
	print_service(d);
	return 0;
}
