#include "start.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void
start_arg(struct start_args *a, const char *fmt, ...)
{
	va_list ap;
	int len;

	assert(a->n < START_ARGS);
	va_start(ap, fmt);
	len = vsnprintf(a->text[a->n], sizeof(a->text[0]), fmt, ap);
	va_end(ap);
	assert(len >= 0 && (size_t)len < sizeof(a->text[0]));
	a->v[a->n] = a->text[a->n];
	a->n++;
}

void
start_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

void
start_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}
