#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

/* A lost datagram is no reason to fail: the service manager has time limits
 * of its own. */
static void
tell(const struct notify *n, const char *text)
{
	int fd;

	if (n->to_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL,
	    (const struct sockaddr *)&n->to, n->to_len);
	close(fd);
}

/* A path, or with '@' a name in the abstract space. */
static void
read_socket(struct notify *n, const char *path)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || path[1] == '\0' ||
	    len >= sizeof(n->to.sun_path))
		return;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	if (path[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + len +
	    (path[0] == '/'));
}

void
notify_init(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	const char *bad = NULL;

	memset(n, 0, sizeof(*n));
	if (path != NULL)
		read_socket(n, path);
	if (usec != NULL)
		n->watchdog_us = (uint64_t)strtonum(usec, 1, INT64_MAX, &bad);
	if (pid != NULL && bad == NULL && strtonum(pid, 1, INT32_MAX, &bad) !=
	    getpid())
		n->watchdog_us = 0;	/* it is meant for somebody else */
	if (bad != NULL)
		n->watchdog_us = 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_ready(struct notify *n)
{
	char text[48];

	if (n->ready)
		return;
	n->ready = 1;
	/* with --detach we are not who was started */
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\n", (int)getpid());
	tell(n, text);
}

void
notify_stopping(struct notify *n)
{
	if (!n->stopping)
		tell(n, "STOPPING=1\nSTATUS=ending\n");
	n->stopping = 1;
}

void
notify_status(struct notify *n, const char *text)
{
	char line[sizeof(n->status) + 16];

	if (strncmp(n->status, text, sizeof(n->status) - 1) == 0)
		return;
	strlcpy(n->status, text, sizeof(n->status));
	snprintf(line, sizeof(line), "STATUS=%s\n", n->status);
	tell(n, line);
}

void
notify_alive(struct notify *n, uint64_t now_us)
{
	if (n->watchdog_us == 0 ||
	    now_us - n->barked_us < n->watchdog_us / 2)
		return;
	n->barked_us = now_us;
	tell(n, "WATCHDOG=1\n");
}
