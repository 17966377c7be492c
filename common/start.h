/*
 * start: what the programs of an instance do alike when they begin.
 */
#ifndef COMMON_START_H
#define COMMON_START_H

#include "opt.h"

#define START_ARGS	40
#define START_TEXT	(OPT_STRLEN + 32u) /* "--vdev=" and a device */

/* Arguments for EAL, which keeps pointers into them. */
struct start_args {
	int n;
	char *v[START_ARGS + 1];	/* ends with NULL */
	char text[START_ARGS][START_TEXT];
};

/* Add one, printf format. There are never too many of them, nor too long. */
void	start_arg(struct start_args *a, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* With many devices and pages, descriptors are many: take what is allowed. */
void	start_nofile(void);

/* The name that ps(1) shows: the kernel gives a process that was started by a
 * descriptor that of the descriptor. */
void	start_name(const char *name);

#endif
