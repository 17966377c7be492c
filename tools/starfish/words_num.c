/*
 * words_num: options that take a number.
 */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>

const char *const words_number_names[] = {
	"--cpu", "--count", "--timeout", NULL
};

static const struct {
	uint32_t min, max;
} ranges[] = { { 0, 1023 }, { 1, BOARD_SLOTS }, { 1, 86400 } };

int
words_number_of(const char *a)
{
	size_t len;
	int i;

	for (i = 0; words_number_names[i] != NULL; i++) {
		len = strlen(words_number_names[i]);
		if (strncmp(a, words_number_names[i], len) == 0 &&
		    (a[len] == '\0' || a[len] == '='))
			return i;
	}
	return -1;
}

int
words_number(int i, const char *v, struct request *rq, char *err,
    size_t errlen)
{
	const char *bad;
	uint32_t x;

	x = (uint32_t)strtonum(v, ranges[i].min, ranges[i].max, &bad);
	if (bad != NULL) {
		snprintf(err, errlen, "%s %s: allowed %u to %u",
		    words_number_names[i], v, ranges[i].min, ranges[i].max);
		return -EINVAL;
	}
	if (i == 0)
		rq->cpu = (int32_t)x;
	else if (i == 1)
		rq->count = x;
	else
		rq->timeout_ms = x * 1000;
	return 0;
}

int
words_watch(const char *s, struct request *rq)
{
	char *end;
	double v;

	v = strtod(s, &end);
	if (s[0] == '\0' || *end != '\0' || !(v >= 0.1 && v <= 86400))
		return -EINVAL;
	rq->watch_ms = (uint32_t)(v * 1000);
	return 0;
}

static int
check_up(const struct request *rq, char *err, size_t errlen)
{
	if (rq->adopt != ADOPT_YES && rq->file == NULL)
		snprintf(err, errlen, "up: missing: -c FILE");
	else if (rq->adopt != ADOPT_YES && rq->name != NULL)
		snprintf(err, errlen, "up: -n NAME is for --adopt only; the "
		    "configuration has the name");
	else if (rq->file != NULL && rq->name != NULL)
		snprintf(err, errlen, "up --adopt: -n NAME or -c FILE, not "
		    "both");
	else
		return 0;
	return -EINVAL;
}

int
words_check(const struct request *rq, char *err, size_t errlen)
{
	if (rq->verb == VERB_UP)
		return check_up(rq, err, errlen);
	if (rq->verb != VERB_UPGRADE || rq->worker != NULL)
		return 0;
	snprintf(err, errlen, "upgrade: missing: --worker FILE");
	return -EINVAL;
}
