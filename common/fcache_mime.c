/*
 * fcache_mime: media types by file extension, from a mime.types file as
 * Debian's media-types ships it: "type ext ext ...", '#' starts a comment.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcache_priv.h"

#define MIME_FILE_MAX	(4u << 20)	/* bytes of a mime.types file */
#define MIME_BLANK	" \t\r\f\v"

/* The whole file as a string, or NULL with errno. */
static char *
read_text(const char *path)
{
	struct stat st;
	char *text = NULL;
	ssize_t got;
	size_t n = 0;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0)
		err = errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > MIME_FILE_MAX)
		err = EINVAL;
	else if ((text = malloc((size_t)st.st_size + 1)) == NULL)
		err = ENOMEM;
	while (err == 0 && n < (size_t)st.st_size) {
		got = read(fd, text + n, (size_t)st.st_size - n);
		if (got < 0 && errno != EINTR)
			err = errno;
		if (got == 0)
			break;
		if (got > 0)
			n += (size_t)got;
	}
	close(fd);
	if (err != 0) {
		free(text);
		errno = err;
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* A media type goes into a header line: type "/" subtype, no controls. */
static int
type_ok(const char *type)
{
	const char *p;

	if (strlen(type) > FC_TYPE || strchr(type, '/') == NULL)
		return 0;
	for (p = type; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~')
			return 0;
	}
	return 1;
}

static int
add(struct fc_mime *m, size_t *room, const char *ext, const char *type)
{
	struct fc_ext *more;

	if (m->n == *room) {
		*room = *room == 0 ? 256 : *room * 2;
		more = reallocarray(m->ext, *room, sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		m->ext = more;
	}
	m->ext[m->n].ext = ext;
	m->ext[m->n++].type = type;
	return 0;
}

/* By extension; of equal ones the earlier line, lower in memory, first. */
static int
cmp_ext(const void *a, const void *b)
{
	const struct fc_ext *x = a, *y = b;
	int d = strcmp(x->ext, y->ext);

	if (d != 0)
		return d;
	return x->ext < y->ext ? -1 : x->ext > y->ext;
}

int
fc_mime_init(struct fc_mime *m, const char *path)
{
	char *line, *next, *type, *ext, *save, *p;
	size_t room = 0;
	int err;

	memset(m, 0, sizeof(*m));
	m->text = read_text(path);
	if (m->text == NULL)
		return -errno;
	for (line = m->text; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		type = strtok_r(line, MIME_BLANK, &save);
		if (type == NULL || !type_ok(type))
			continue;
		while ((ext = strtok_r(NULL, MIME_BLANK, &save)) != NULL) {
			for (p = ext; *p != '\0'; p++)
				*p = (char)tolower((unsigned char)*p);
			err = add(m, &room, ext, type);
			if (err < 0) {
				fc_mime_fini(m);
				return err;
			}
		}
	}
	if (m->n > 0)
		qsort(m->ext, m->n, sizeof(*m->ext), cmp_ext);
	return 0;
}

void
fc_mime_fini(struct fc_mime *m)
{
	free(m->text);
	free(m->ext);
	memset(m, 0, sizeof(*m));
}

const char *
fc_mime_type(const struct fc_mime *m, const char *path)
{
	const char *dot, *slash;
	size_t lo = 0, hi = m->n, mid;

	slash = strrchr(path, '/');
	dot = strrchr(path, '.');
	if (dot == NULL || (slash != NULL && dot <= slash + 1))
		return "application/octet-stream";
	dot++;
	/* The first entry that is not below the extension. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcasecmp(m->ext[mid].ext, dot) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < m->n && strcasecmp(m->ext[lo].ext, dot) == 0)
		return m->ext[lo].type;
	return "application/octet-stream";
}
