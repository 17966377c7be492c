/*
 * confine: a process that strangers talk to keeps no right that it does not
 * need. A worker calls this when all that it will ever open is open.
 *
 * Afterwards it is the configured user without supplementary groups and
 * capabilities, can gain none (no_new_privs), and calls only what a turn, its
 * reports and its end need of the kernel (seccomp, in all its threads). What
 * is left to it is in docs/security.md.
 */
#ifndef SECONDARY_CONFINE_H
#define SECONDARY_CONFINE_H

#include "../config/conf.h"

/*
 * The directory for what workers write once they are confined: RUN/NAME/out,
 * mode 0750, owned by the workers' user. Made if it is not there. A
 * descriptor; -errno.
 */
int	confine_out(const char *name, const struct conf_security *c);

/*
 * Give up the rights. A process that is not root stays who it is. 0; -errno
 * with a line in the log: the process must not serve then.
 */
int	confine(const struct conf_security *c);

/*
 * The system calls that the filter lets pass, for tests and the manual:
 * names, ends with NULL.
 */
extern const char *const confine_calls[];

#endif
