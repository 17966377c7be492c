/*
 * ctl: parsing of control requests. Bytes come from another process and may
 * be anything.
 */
#include "ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "board.h"

static const struct {
	const char *word;
	uint32_t args;		/* words that must follow */
	uint32_t more;		/* and that may */
} verbs[CTL_VERBS] = {
	[CTL_HELLO]	= { "hello", 0, 0 },
	[CTL_DOWN]	= { "down", 0, 1 },
	[CTL_RESTART]	= { "restart", 1, 0 },
	[CTL_RELOAD]	= { "reload", 0, 1 },
	[CTL_ADD]	= { "add", 3, 0 },
	[CTL_DRAIN]	= { "drain", 2, 0 },
	[CTL_REMOVE]	= { "remove", 2, 0 },
	[CTL_REBALANCE]	= { "rebalance", 0, 0 },
	[CTL_FAULT]	= { "fault", 2, 0 },
	[CTL_REVIVE]	= { "revive", 1, 0 },
	[CTL_AUDIT]	= { "audit", 0, 0 },
	[CTL_UPGRADE]	= { "upgrade", 1, 0 },
	[CTL_RENEW]	= { "renew", 0, 0 },
};

/* Split a line in place at single blanks. Words, or -EBADMSG. */
static int
split(char *line, char *word[CTL_WORDS])
{
	uint32_t n = 0;
	char *p;

	for (p = line; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return -EBADMSG;
	for (;;) {
		if (n == CTL_WORDS)
			return -EBADMSG;
		word[n] = strsep(&line, " ");
		if (word[n][0] == '\0')
			return -EBADMSG;
		n++;
		if (line == NULL)
			return (int)n;
	}
}

static int
number(const char *text, long long max, uint32_t *to)
{
	const char *bad;

	*to = (uint32_t)strtonum(text, 0, max, &bad);
	return bad == NULL ? 0 : -EINVAL;
}

static int
parse_add(struct ctl_request *r, char *word[CTL_WORDS])
{
	uint32_t cpu = 0;

	r->cpu = -1;
	if (strlcpy(r->name, word[1], sizeof(r->name)) >= sizeof(r->name) ||
	    number(word[2], BOARD_SLOTS, &r->count) < 0 || r->count == 0)
		return -EINVAL;
	if (strcmp(word[3], "-") == 0)
		return 0;
	if (number(word[3], CTL_CPU_MAX, &cpu) < 0)
		return -EINVAL;
	r->cpu = (int32_t)cpu;
	return 0;
}

static int
parse_args(struct ctl_request *r, char *word[CTL_WORDS], int n)
{
	switch (r->verb) {
	case CTL_ADD:
		return parse_add(r, word);
	case CTL_FAULT:
		strlcpy(r->text, word[2], sizeof(r->text));
		return number(word[1], BOARD_SLOTS - 1, &r->slot);
	case CTL_DOWN:
		return n < 2 ? 0 : number(word[1], CTL_MS_MAX, &r->ms);
	case CTL_RESTART:
		return number(word[1], BOARD_SLOTS - 1, &r->slot);
	case CTL_DRAIN:
	case CTL_REMOVE:
		if (number(word[2], CTL_MS_MAX, &r->ms) < 0)
			return -EINVAL;
		return number(word[1], BOARD_SLOTS - 1, &r->slot);
	default:
		return 0;
	}
}

int
ctl_parse(const char *buf, size_t len, struct ctl_request *r, size_t *used)
{
	char line[CTL_LINE], *word[CTL_WORDS];
	const char *nl;
	uint32_t i;
	int n, err;

	*used = 0;
	nl = memchr(buf, '\n', len < CTL_LINE ? len : CTL_LINE);
	if (nl == NULL)
		return len < CTL_LINE ? 0 : -EMSGSIZE;
	if (memchr(buf, '\0', (size_t)(nl - buf)) != NULL)
		return -EBADMSG;
	memcpy(line, buf, (size_t)(nl - buf));
	line[nl - buf] = '\0';
	n = split(line, word);
	if (n < 0)
		return n;
	*used = (size_t)(nl - buf) + 1;
	for (i = 0; i < CTL_VERBS; i++)
		if (strcmp(word[0], verbs[i].word) == 0)
			break;
	if (i == CTL_VERBS)
		return -ENOENT;
	memset(r, 0, sizeof(*r));
	r->verb = (enum ctl_verb)i;
	if ((uint32_t)n - 1 < verbs[i].args ||
	    (uint32_t)n - 1 > verbs[i].args + verbs[i].more)
		return -EINVAL;
	if ((r->verb == CTL_RELOAD || r->verb == CTL_UPGRADE) && n > 1) {
		if (word[1][0] != '/')
			return -EINVAL;
		strlcpy(r->file, word[1], sizeof(r->file));
	}
	err = parse_args(r, word, n);
	return err < 0 ? err : (int)*used;
}
