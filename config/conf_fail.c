/*
 * conf_fail: messages about a configuration: file, line, what was found, what
 * is allowed.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf_priv.h"

static void
add_line(char *buf, size_t len, const struct reader *r,
    const config_setting_t *s, const char *text)
{
	size_t n = strlen(buf);
	const char *file = r->file;
	unsigned line = 0;

	if (s != NULL) {
		line = config_setting_source_line(s);
		if (config_setting_source_file(s) != NULL)
			file = config_setting_source_file(s);
	}
	if (n + 1 >= len)
		return;
	if (n > 0)
		buf[n++] = '\n';
	if (line > 0)
		snprintf(buf + n, len - n, "%s:%u: %s", file, line, text);
	else
		snprintf(buf + n, len - n, "%s: %s", file, text);
}

/* A message is one line, whatever was found, and tells a terminal nothing. */
static const char *
clean(char *text)
{
	char *p;

	for (p = text; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return text;
}

void
reader_fail(struct reader *r, const config_setting_t *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->nerr++;
	add_line(r->err, r->errlen, r, s, clean(text));
}

void
reader_warn(struct reader *r, const config_setting_t *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_line(r->c->warnings, sizeof(r->c->warnings), r, s, clean(text));
}

/*
 * "key = value: text", or "key: text" for what has no short value, and when
 * the text itself begins with the entry of a list that is meant.
 */
static void
member_fail(struct reader *r, const config_setting_t *s, const char *path,
    const char *key, const char *text)
{
	const config_setting_t *e = NULL;
	char found[128];

	if (s != NULL && config_setting_is_group(s))
		e = config_setting_get_member(s, key);
	if (e != NULL && config_setting_is_scalar(e) && text[0] != '"') {
		opt_found(e, found, sizeof(found));
		reader_fail(r, e, "%s.%s = %s: %s", path, key, found, text);
	} else {
		reader_fail(r, e != NULL ? e : s, "%s.%s: %s", path, key,
		    text);
	}
}

void
entry_fail(struct reader *r, const config_setting_t *list, uint32_t i,
    const char *key, const char *fmt, ...)
{
	char text[384], path[48];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s[%u]", config_setting_name(list), i);
	member_fail(r, config_setting_get_elem(list, i), path, key, text);
}

void
group_fail(struct reader *r, const config_setting_t *s, const char *path,
    const char *key, const char *text)
{
	member_fail(r, s, path, key, text);
}

int
name_ok(const char *name)
{
	size_t i;

	if (!isalnum((unsigned char)name[0]))
		return 0;
	for (i = 0; name[i] != '\0'; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    strchr("-_.", name[i]) == NULL)
			return 0;
	return i < BOARD_NAME;
}

void
check_name(struct reader *r, const config_setting_t *list, uint32_t i,
    const char *name)
{
	if (!name_ok(name))
		entry_fail(r, list, i, "name", "%sallowed 1 to %u letters, "
		    "digits, '-', '_' and '.'", name[0] == '\0' ?
		    "missing: " : "", BOARD_NAME - 1);
}
