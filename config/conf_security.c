/*
 * conf_security: whom a worker becomes after it has attached, and what of the
 * kernel it may still call.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>

#include "conf_priv.h"

#define UID_LARGEST	2147483646

static const char *const seccomps[] = {
	[SECCOMP_KILL] = "kill", [SECCOMP_LOG] = "log", [SECCOMP_OFF] = "off",
	NULL
};

static const struct opt security_opts[] = {
	{ "user", OPT_STRING, offsetof(struct conf_security, user),
	  .defstr = "nobody",
	  .help = "Whom a worker becomes after it has attached: a name or a "
	      "number; \"root\": it stays root." },
	{ "seccomp", OPT_ENUM, offsetof(struct conf_security, seccomp),
	  .words = seccomps,
	  .help = "What a system call that no turn needs does to a worker: "
	      "kill it, be written to the kernel's log, or nothing." },
	{ .name = NULL }
};

const struct optgroup conf_security_table = {
	"security", "Rights of the workers.", sizeof(struct conf_security),
	security_opts
};

void
check_security(struct reader *r, const config_setting_t *s)
{
	struct conf_security *c = &r->c->security;
	const struct passwd *pw = getpwnam(c->user);
	const char *why;
	long long n;

	if (pw != NULL) {
		c->uid = pw->pw_uid;
		c->gid = pw->pw_gid;
		return;
	}
	n = strtonum(c->user, 0, UID_LARGEST, &why);
	if (why != NULL)
		group_fail(r, s, "security", "user", "no such user; allowed a "
		    "name of /etc/passwd or a number, 0 to 2147483646");
	c->uid = c->gid = (uint32_t)n;
}
