#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN	1200

static char who[96];
static enum log_level max_level = LOG_LEVEL_INFO;

static const char *const prefix[] = {
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARN] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

void
log_init(const char *program, const char *instance, enum log_level level)
{
	if (instance != NULL && instance[0] != '\0')
		snprintf(who, sizeof(who), "%s[%s]: ", program, instance);
	else
		snprintf(who, sizeof(who), "%s: ", program);
	max_level = level;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	struct timespec ts;
	struct tm tm;
	size_t n;
	va_list ap;
	int saved = errno;
	ssize_t done;

	if (level > max_level)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%F %T", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ld %s%s",
	    ts.tv_nsec / 1000000, who, prefix[level]);
	errno = saved;		/* for %m */
	va_start(ap, fmt);
	n += (size_t)vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	done = write(STDERR_FILENO, line, n);
	(void)done;		/* nowhere to say it */
	errno = saved;
}
