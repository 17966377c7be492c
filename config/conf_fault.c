/*
 * conf_fault: the options of faults, for the file and for `starfish fault`.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "conf_priv.h"

static const char *const points[] = {
	[FAULT_AT_NONE] = "none", [FAULT_AT_ADOPT] = "adopt",
	[FAULT_AT_START] = "start", [FAULT_AT_RX] = "rx",
	[FAULT_AT_INPUT] = "input", [FAULT_AT_EVENT] = "event",
	[FAULT_AT_SERVED] = "served", [FAULT_AT_OUTPUT] = "output",
	[FAULT_AT_TX] = "tx", [FAULT_POINTS] = NULL
};

#define F(m)	offsetof(struct conf_fault, m)
#define PPM	.max = FAULT_ALL, .unit = "of 1000000"
/* in the order of enum fault_word */
static const struct opt fault_opts[] = {
	{ "split_io", OPT_BOOL, F(split_io),
	  .help = "Every receive, and every send of more than 512 bytes, is "
	      "halved." },
	{ "drop", OPT_INT, F(n[FAULT_DROP]), PPM,
	  .help = "Frames that are lost, received or to be sent." },
	{ "duplicate", OPT_INT, F(n[FAULT_DUPLICATE]), PPM,
	  .help = "Received frames that come twice." },
	{ "reorder", OPT_INT, F(n[FAULT_REORDER]), PPM,
	  .help = "Received frames that come a turn late." },
	{ "corrupt", OPT_INT, F(n[FAULT_CORRUPT]), PPM,
	  .help = "Received frames of which a bit is changed." },
	{ "delay", OPT_INT, F(n[FAULT_DELAY]), PPM,
	  .help = "Received frames that come delay_us late." },
	{ "delay_us", OPT_INT, F(n[FAULT_DELAY_US]), 10000, 1, 10000000,
	  .unit = "us", .help = "How late these come." },
	{ "no_buffers", OPT_INT, F(n[FAULT_NO_BUFFERS]), PPM,
	  .help = "Turns without a free packet buffer." },
	{ "no_chunks", OPT_INT, F(n[FAULT_NO_CHUNKS]), PPM,
	  .help = "Turns without a free send chunk." },
	{ "crash", OPT_ENUM, F(crash), .words = points,
	  .help = "Where the worker ends by an illegal instruction, once." },
	{ "freeze", OPT_ENUM, F(freeze), .words = points,
	  .help = "Where the worker stands still for good, once." },
	{ "after", OPT_INT, F(n[FAULT_AFTER]), 0, 0, 1000000000,
	  .help = "How often that place is passed before." },
	{ "seed", OPT_INT, F(n[FAULT_SEED]), 1, 0, INT32_MAX,
	  .help = "Begin of the random numbers." },
	{ .name = NULL }
};

_Static_assert(sizeof(fault_opts) / sizeof(fault_opts[0]) == FAULT_WORDS + 1,
    "one row for each word");

const struct optgroup conf_fault_table = {
	"fault", "Faults made on purpose; faults = true allows them.",
	sizeof(struct conf_fault), fault_opts
};

void
conf_fault_words(const struct conf_fault *f, uint32_t word[FAULT_WORDS])
{
	uint32_t i;

	for (i = 0; i < FAULT_WORDS; i++)
		word[i] = (uint32_t)f->n[i];
	word[FAULT_SPLIT] = f->split_io;
	word[FAULT_CRASH] = (uint32_t)f->crash;
	word[FAULT_FREEZE] = (uint32_t)f->freeze;
}

void
conf_fault_from(struct conf_fault *f, const uint32_t word[FAULT_WORDS])
{
	uint32_t i;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < FAULT_WORDS; i++)
		f->n[i] = word[i];
	f->split_io = word[FAULT_SPLIT] != 0;
	f->crash = (int32_t)word[FAULT_CRASH];
	f->freeze = (int32_t)word[FAULT_FREEZE];
}

/* Whether the text is allowed for the option; stores it. */
static int
set_value(const struct opt *o, struct conf_fault *f, const char *text)
{
	void *p = (char *)f + o->offset;
	const char *why;
	int32_t i;

	switch (o->type) {
	case OPT_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return 0;
		*(uint8_t *)p = text[0] == 't';
		return 1;
	case OPT_ENUM:
		for (i = 0; o->words[i] != NULL; i++)
			if (strcmp(text, o->words[i]) == 0) {
				*(int32_t *)p = i;
				return 1;
			}
		return 0;
	default:
		*(int64_t *)p = strtonum(text, o->min, o->max, &why);
		return why == NULL;
	}
}

int
conf_fault_set(struct conf_fault *f, const char *text, char *err,
    size_t errlen)
{
	char copy[256], range[128], *rest = copy, *one, *value;
	const struct opt *o;

	if (strcmp(text, "off") == 0) {
		opt_defaults(&conf_fault_table, f);
		return 0;
	}
	if (strlcpy(copy, text, sizeof(copy)) >= sizeof(copy)) {
		snprintf(err, errlen, "too long");
		return -EINVAL;
	}
	while ((one = strsep(&rest, ",")) != NULL) {
		value = strchr(one, '=');
		if (value != NULL)
			*value++ = '\0';
		for (o = fault_opts; o->name != NULL; o++)
			if (strcmp(o->name, one) == 0)
				break;
		if (o->name == NULL || value == NULL) {
			snprintf(err, errlen, "\"%s\": allowed off, or "
			    "OPTION=VALUE as `starfish help fault` names them",
			    one);
			return -EINVAL;
		}
		if (!set_value(o, f, value)) {
			conf_range(o, range, sizeof(range));
			snprintf(err, errlen, "%s=%s: allowed %s", one, value,
			    range);
			return -EINVAL;
		}
	}
	return 0;
}

void
conf_fault_text(const struct conf_fault *f, char *buf, size_t len)
{
	struct conf_fault none;
	struct conf_item it = { .table = &conf_fault_table, .base = f };
	char value[OPT_STRLEN], def[OPT_STRLEN];
	const struct opt *o;

	opt_defaults(&conf_fault_table, &none);
	buf[0] = '\0';
	for (o = fault_opts; o->name != NULL; o++) {
		it.opt = o;
		it.base = f;
		conf_value(&it, value, sizeof(value));
		it.base = &none;
		conf_value(&it, def, sizeof(def));
		if (strcmp(value, def) == 0)
			continue;
		strlcat(buf, buf[0] != '\0' ? " " : "", len);
		strlcat(buf, o->name, len);
		strlcat(buf, "=", len);
		strlcat(buf, value, len);
	}
}

void
check_faults(struct reader *r, const config_setting_t *list)
{
	uint32_t i;

	for (i = 0; i < r->c->nworkers; i++)
		if (r->c->workers[i].faulty && !r->c->faults)
			entry_fail(r, list, i, "fault", "faults are allowed "
			    "only where the configuration says faults = true");
}
