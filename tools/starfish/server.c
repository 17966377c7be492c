/*
 * server: the control socket, see common/ctl.h. Whoever connects may be slow,
 * wrong or hostile: nobody is waited for, nothing but whole lines is believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "super.h"

#define LINE_US		5000000u /* most time for one line */

static void
drop(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

static void answer(struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One line. A peer whose buffer is full, or who is gone, loses it. */
static void
answer(struct client *c, const char *fmt, ...)
{
	char line[640];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line) - 1)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	(void)!send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int
server_open(struct super *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t mask;
	uint32_t i;
	int err = 0, fd;

	s->ctl_fd = -1;
	for (i = 0; i < CTL_CLIENTS; i++)
		s->client[i].fd = -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* by descriptor: the path may be longer than a socket's name */
	snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/"
	    CTL_SOCKET, s->dir.fd);
	unlinkat(s->dir.fd, CTL_SOCKET, 0);
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ||
	    listen(fd, CTL_CLIENTS) < 0)
		err = -errno;
	umask(mask);
	if (err < 0) {
		close(fd);
		return err;
	}
	s->ctl_fd = fd;
	return 0;
}

static int
may_talk(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	    (cred.uid == 0 || cred.uid == geteuid());
}

void
server_accept(struct super *s)
{
	struct client *c = NULL, spare = { .fd = -1 };
	uint32_t i;
	int fd;

	fd = accept4(s->ctl_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (i = 0; i < CTL_CLIENTS && c == NULL; i++)
		if (s->client[i].fd < 0)
			c = &s->client[i];
	spare.fd = fd;
	if (!may_talk(fd)) {
		answer(&spare, "error you are not this instance's user");
		drop(&spare);
	} else if (c == NULL) {
		answer(&spare, "error %d others talk to this instance",
		    CTL_CLIENTS);
		drop(&spare);
	} else {
		*c = spare;
		c->since_us = s->now_us;
	}
}

static void
restart_slot(struct super *s, struct client *c, uint32_t slot)
{
	struct slot *sl = &s->slot[slot];

	if (slot >= s->nslots)
		answer(c, "error no slot %u: 0 to %u", slot, s->nslots - 1);
	else if (s->primary_dead)
		answer(c, "error the primary is dead: starfish renew");
	else if (s->phase != SUPER_WORKERS && s->phase != SUPER_SERVING)
		answer(c, "error the instance %s", s->phase == SUPER_PRIMARY ?
		    "is just starting" : "ends");
	else if (slot_event(sl, EV_RETRY, s->now_us) < 0)
		answer(c, "error slot %u is %s, not DEAD or EMPTY", slot,
		    slot_state_names[sl->state]);
	else
		answer(c, "ok slot %u is started again", slot);
}

/* An error of several lines: all but the last are progress. */
static void
answer_lines(struct client *c, char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (rest != NULL && rest[0] != '\0') {
			answer(c, "| %s", line);
			continue;
		}
		answer(c, "error %s; nothing was changed", line);
		return;
	}
}

/* Every worker counts what it has, at its next turn. */
static void
ask_audit(struct super *s, struct client *c)
{
	uint32_t i;

	if (s->board == NULL) {
		answer(c, "error the instance is just starting");
		return;
	}
	for (i = 0; i < s->nslots; i++) {
		atomic_fetch_add_explicit(&s->board->slot[i].super.audit, 1,
		    memory_order_release);
		super_ring(s, i);
	}
	answer(c, "ok told");
}

static void
move_slots(struct super *s, struct client *c, const struct ctl_request *r)
{
	char text[512];
	int err;

	if (r->verb == CTL_ADD)
		err = mover_add(s, r, text, sizeof(text));
	else if (r->verb == CTL_REBALANCE)
		err = mover_rebalance(s, text, sizeof(text));
	else
		err = mover_drain(s, r, text, sizeof(text));
	answer(c, "%s %s", err < 0 ? "error" : "ok", text);
}

static void
set_fault(struct super *s, struct client *c, const struct ctl_request *r)
{
	char text[512];
	int err = fault_set(s, r->slot, r->text, text, sizeof(text));

	answer(c, "%s %s", err < 0 ? "error" : "ok", text);
}

static void
handle(struct super *s, struct client *c, const struct ctl_request *r)
{
	char err[CONF_ERRLEN];

	switch (r->verb) {
	case CTL_HELLO:
		answer(c, "ok %s pid %d", build_version, (int)getpid());
		break;
	case CTL_DOWN:
		c->waits_down = 1;
		if (s->phase >= SUPER_STOP_WORKERS)
			break;
		s->stop_ms = r->ms;
		super_stop(s, "down");
		break;
	case CTL_RESTART:
	case CTL_REVIVE:
		restart_slot(s, c, r->slot);
		break;
	case CTL_RELOAD:
		if (reload_begin(s, r->file[0] != '\0' ? r->file : NULL, err,
		    sizeof(err)) < 0)
			answer_lines(c, err);
		else
			c->waits_reload = 1;
		break;
	case CTL_ADD:
	case CTL_DRAIN:
	case CTL_REMOVE:
	case CTL_REBALANCE:
		move_slots(s, c, r);
		break;
	case CTL_FAULT:
		set_fault(s, c, r);
		break;
	case CTL_AUDIT:
		ask_audit(s, c);
		break;
	case CTL_UPGRADE:
		if (upgrade_begin(s, r->file, err, sizeof(err)) < 0)
			answer(c, "error %s", err);
		else
			c->waits_upgrade = 1;
		break;
	case CTL_RENEW:
		if (renew_begin(s, err, sizeof(err)) < 0)
			answer(c, "error %s", err);
		else
			answer(c, "ok generation %u starts when they are gone",
			    s->board->head.generation + 1);
		break;
	case CTL_VERBS:
		break;
	}
}

/* Take all whole lines that there are. */
static void
take_lines(struct super *s, struct client *c)
{
	struct ctl_request r;
	size_t used;
	int n;

	while (c->len > 0) {
		n = ctl_parse(c->buf, c->len, &r, &used);
		if (n == 0)
			return;
		if (n == -EMSGSIZE || n == -EBADMSG) {
			answer(c, n == -EMSGSIZE ? "error a request has at "
			    "most %u bytes" : "error a request is one line of "
			    "words, at most %u bytes", CTL_LINE);
			drop(c);
			return;
		}
		if (n == -ENOENT)
			answer(c, "error no such request");
		else if (n < 0)
			answer(c, "error argument missing or wrong");
		else
			handle(s, c, &r);
		memmove(c->buf, c->buf + used, c->len - used);
		c->len -= used;
		c->since_us = s->now_us;
	}
}

void
server_read(struct super *s, struct client *c)
{
	ssize_t n;

	n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	if (c->len == 0)
		c->since_us = s->now_us;
	c->len += (size_t)n;
	take_lines(s, c);
}

void
server_tick(struct super *s)
{
	struct client *c;

	for (c = s->client; c < s->client + CTL_CLIENTS; c++)
		if (c->fd >= 0 && !c->waits_down && !c->waits_reload &&
		    !c->waits_upgrade &&
		    s->now_us - c->since_us > LINE_US) {
			answer(c, "error no request within %u s",
			    LINE_US / 1000000);
			drop(c);
		}
}

void
server_progress(struct super *s, const char *text)
{
	struct client *c;

	for (c = s->client; c < s->client + CTL_CLIENTS; c++)
		if (c->fd >= 0 && (c->waits_down || c->waits_reload ||
		    c->waits_upgrade))
			answer(c, "| %s", text);
}

void
server_reloaded(struct super *s, const char *line)
{
	struct client *c;

	for (c = s->client; c < s->client + CTL_CLIENTS; c++) {
		if (c->fd < 0 || !c->waits_reload)
			continue;
		answer(c, "%s", line);
		c->waits_reload = 0;
		c->since_us = s->now_us;
	}
}

void
server_upgraded(struct super *s, const char *last)
{
	struct client *c;

	for (c = s->client; c < s->client + CTL_CLIENTS; c++) {
		if (c->fd < 0 || !c->waits_upgrade)
			continue;
		answer(c, "%s", last);
		c->waits_upgrade = 0;
		c->since_us = s->now_us;
	}
}

void
server_close(struct super *s, const char *last)
{
	struct client *c;

	for (c = s->client; c < s->client + CTL_CLIENTS; c++) {
		if (c->fd >= 0)
			answer(c, "%s", c->waits_down ? last :
			    "error the instance ended");
		drop(c);
	}
	if (s->ctl_fd >= 0)
		close(s->ctl_fd);
	s->ctl_fd = -1;
}
